//! Decimal text of a venue to mantissas and back, exactly or not at all.

#![forbid(unsafe_code)]

use crate::types::{AMOUNT_DECIMALS, Amount, ParseUnitError, Price, Qty, Rate, Scale};

/// Price from a venue's decimal text.
#[inline]
pub fn price(text: &str, scale: Scale) -> Result<Price, ParseUnitError> {
    narrow(text, scale.price_decimals).map(Price)
}

/// Quantity from a venue's decimal text.
#[inline]
pub fn qty(text: &str, scale: Scale) -> Result<Qty, ParseUnitError> {
    narrow(text, scale.qty_decimals).map(Qty)
}

/// Quantity of others, cut to what the scale holds, towards zero. Books keep dust finer than the
/// lot size from before a venue made it coarser: nobody can trade it, and it must not cost the book.
#[inline]
pub fn qty_cut(text: &str, scale: Scale) -> Result<Qty, ParseUnitError> {
    let exact = qty(text, scale);
    if exact != Err(ParseUnitError::OffScale) {
        return exact;
    }
    let fraction = text.bytes().position(|byte| byte == b'.').map_or(text.len(), |at| at + 1);
    let decimals = usize::from(scale.qty_decimals);
    // Without decimals there is no point either.
    let keep = if decimals == 0 { fraction - 1 } else { fraction + decimals };
    qty(&text[..keep], scale)
}

/// Largest amount that is read, in units of 1e-18: more than there is of any asset. Sums of a
/// hundred of them are still far from the end of 128 bits.
const AMOUNT_MAX: i128 = 10i128.pow(18 + AMOUNT_DECIMALS);

/// Amount of an asset from a venue's decimal text.
pub fn amount(text: &str) -> Result<Amount, ParseUnitError> {
    let amount = wide(text, AMOUNT_DECIMALS as u8)?;
    if amount.unsigned_abs() > AMOUNT_MAX.unsigned_abs() {
        return Err(ParseUnitError::Overflow);
    }
    Ok(Amount(amount))
}

/// The same of what a venue has calculated (a margin, a profit, an average): digits behind the last
/// that is held are cut.
pub fn calculated(text: &str) -> Result<Amount, ParseUnitError> {
    match text.split_once('.') {
        Some((whole, decimals)) if decimals.len() > AMOUNT_DECIMALS as usize => {
            if !decimals.bytes().all(|digit| digit.is_ascii_digit()) {
                return Err(ParseUnitError::Malformed);
            }
            amount(&text[..whole.len() + 1 + AMOUNT_DECIMALS as usize])
        }
        _ => amount(text),
    }
}

/// Rate from a venue's decimal text.
pub fn rate(text: &str) -> Result<Rate, ParseUnitError> {
    narrow(text, AMOUNT_DECIMALS as u8).map(Rate)
}

/// The sum of two amounts that were read, if it could have been read too.
#[must_use]
pub fn sum(a: Amount, b: Amount) -> Option<Amount> {
    let sum = a.0.checked_add(b.0)?;
    (sum.unsigned_abs() <= AMOUNT_MAX.unsigned_abs()).then_some(Amount(sum))
}

/// Appends a price as the shortest plain decimal.
pub fn write_price(out: &mut Vec<u8>, price: Price, scale: Scale) {
    write(out, price.0, scale.price_decimals);
}

/// Appends a quantity as the shortest plain decimal.
pub fn write_qty(out: &mut Vec<u8>, qty: Qty, scale: Scale) {
    write(out, qty.0, scale.qty_decimals);
}

/// One reader for both widths: 64 bits on the path, 128 for amounts.
macro_rules! decimal_reader {
    ($name:ident, $int:ty) => {
        fn $name(text: &str, decimals: u8) -> Result<$int, ParseUnitError> {
            let (negative, digits) = split_sign(text.as_bytes());
            let mut mantissa: $int = 0;
            let mut point = None;
            for (index, &byte) in digits.iter().enumerate() {
                match byte {
                    b'0'..=b'9' => {
                        let digit = <$int>::from(byte - b'0');
                        if let Some(at) = point
                            && index - at > usize::from(decimals)
                        {
                            if digit != 0 {
                                return finish_off_scale(&digits[index..]);
                            }
                            continue;
                        }
                        mantissa = mantissa
                            .checked_mul(10)
                            .and_then(|m| m.checked_add(digit))
                            .ok_or(ParseUnitError::Overflow)?;
                    }
                    b'.' if point.is_none() && index > 0 && index + 1 < digits.len() => {
                        point = Some(index)
                    }
                    _ => return Err(ParseUnitError::Malformed),
                }
            }
            if digits.is_empty() {
                return Err(ParseUnitError::Malformed);
            }
            let written = point.map_or(0, |at| (digits.len() - at - 1).min(usize::from(decimals)));
            let missing = u32::from(decimals) - written as u32;
            let value =
                mantissa.checked_mul((10 as $int).pow(missing)).ok_or(ParseUnitError::Overflow)?;
            Ok(if negative { -value } else { value })
        }
    };
}

decimal_reader!(narrow, i64);
decimal_reader!(wide, i128);

/// Too many decimals: still `Malformed` if what follows is not even a number.
fn finish_off_scale<T>(rest: &[u8]) -> Result<T, ParseUnitError> {
    Err(if rest.iter().all(u8::is_ascii_digit) {
        ParseUnitError::OffScale
    } else {
        ParseUnitError::Malformed
    })
}

fn split_sign(bytes: &[u8]) -> (bool, &[u8]) {
    match bytes {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, bytes),
    }
}

/// Appends `mantissa / 10^decimals` without trailing zeros and without an exponent.
pub(super) fn write(out: &mut Vec<u8>, mantissa: i64, decimals: u8) {
    let mut decimals = usize::from(decimals);
    let mut magnitude = mantissa.unsigned_abs();
    while decimals > 0 && magnitude.is_multiple_of(10) {
        magnitude /= 10;
        decimals -= 1;
    }
    if mantissa < 0 {
        out.push(b'-');
    }
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(magnitude).as_bytes();
    if decimals == 0 {
        out.extend_from_slice(digits);
    } else if digits.len() > decimals {
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        out.extend_from_slice(whole);
        out.push(b'.');
        out.extend_from_slice(fraction);
    } else {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', decimals - digits.len()));
        out.extend_from_slice(digits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rust_decimal::Decimal;
    use std::str::FromStr;

    const BTC: Scale = Scale { price_decimals: 2, qty_decimals: 6 };

    #[test]
    fn venue_texts_decode_exactly_or_are_refused() {
        use ParseUnitError::*;
        for (text, expected) in [
            ("61685.99000000", Ok(6_168_599)),
            ("61686", Ok(6_168_600)),
            ("61686.0", Ok(6_168_600)),
            ("0.01", Ok(1)),
            ("0", Ok(0)),
            ("-1.5", Ok(-150)),
            ("61685.991", Err(OffScale)),
            ("61685.99000001", Err(OffScale)),
            ("61685.99x", Err(Malformed)),
            ("", Err(Malformed)),
            ("-", Err(Malformed)),
            (".5", Err(Malformed)),
            ("5.", Err(Malformed)),
            ("1e5", Err(Malformed)),
            ("1.2.3", Err(Malformed)),
            ("+1", Err(Malformed)),
            (" 1", Err(Malformed)),
            ("99999999999999999999", Err(Overflow)),
        ] {
            assert_eq!(price(text, BTC), expected.map(Price), "{text:?}");
        }
    }

    #[test]
    fn quantities_of_others_are_cut_not_refused() {
        use ParseUnitError::*;
        let whole = Scale { price_decimals: 2, qty_decimals: 0 };
        for (text, scale, expected) in [
            ("25.42618900", BTC, Ok(25_426_189)),
            ("25.42618999", BTC, Ok(25_426_189)),
            ("0.00000099", BTC, Ok(0)),
            ("-0.00000199", BTC, Ok(-1)),
            ("25.99", whole, Ok(25)),
            ("25", whole, Ok(25)),
            ("25.4261899x", BTC, Err(Malformed)),
            ("1.2.3456789", BTC, Err(Malformed)),
            ("99999999999999999999.99", whole, Err(Overflow)),
        ] {
            assert_eq!(qty_cut(text, scale), expected.map(Qty), "{text:?}");
        }
    }

    #[test]
    fn mantissas_are_written_without_noise() {
        for (mantissa, decimals, expected) in [
            (6_168_599, 2, "61685.99"),
            (6_168_600, 2, "61686"),
            (11, 6, "0.000011"),
            (0, 6, "0"),
            (-150, 2, "-1.5"),
            (i64::MIN, 0, "-9223372036854775808"),
        ] {
            let mut out = Vec::new();
            write(&mut out, mantissa, decimals);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn what_was_calculated_is_cut_not_refused() {
        for (text, expected) in [
            ("1640.6382533333333333333333333", Ok(1_640_638_253_333_333_333_333)),
            ("-0.0000000000000000019", Ok(-1)),
            ("0.1234567890123456789", Ok(123_456_789_012_345_678)),
            ("7", Ok(7 * 10i128.pow(18))),
            ("1.23456789012345678x9", Err(ParseUnitError::Malformed)),
            ("1.234567890123456789x", Err(ParseUnitError::Malformed)),
            ("x.2345678901234567890", Err(ParseUnitError::Malformed)),
        ] {
            assert_eq!(calculated(text), expected.map(Amount), "{text}");
        }
        assert_eq!(amount("0.1234567890123456789"), Err(ParseUnitError::OffScale));
    }

    #[test]
    fn amounts_leave_room_for_their_sums() {
        let most = Amount(AMOUNT_MAX);
        for (text, expected) in [
            ("1000000000000000000", Ok(most)),
            ("-1000000000000000000", Ok(-most)),
            ("1000000000000000000.000000000000000001", Err(ParseUnitError::Overflow)),
            ("-1000000000000000001", Err(ParseUnitError::Overflow)),
            ("170141183460469231731", Err(ParseUnitError::Overflow)),
        ] {
            assert_eq!(amount(text), expected, "{text:?}");
        }
        assert_eq!(sum(most, -most), Some(Amount::ZERO));
        assert_eq!(sum(most, Amount(1)), None);
        assert_eq!(sum(Amount(i128::MIN), -most), None);
        assert_eq!((0..100).fold(Amount::ZERO, |sum, _| sum + most), Amount(100 * AMOUNT_MAX));
    }

    proptest! {
        #[test]
        fn agrees_with_rust_decimal(text in "-?[0-9]{1,12}(\\.[0-9]{1,10})?") {
            let decimal = Decimal::from_str(&text).unwrap();
            prop_assert_eq!(price(&text, BTC), BTC.price(decimal));
            prop_assert_eq!(qty(&text, BTC), BTC.qty(decimal));
            prop_assert_eq!(amount(&text), Amount::from_decimal(decimal));
        }

        #[test]
        fn what_is_written_reads_back(mantissa in any::<i64>(), decimals in 0u8..=12) {
            let mut out = Vec::new();
            write(&mut out, mantissa, decimals);
            let scale = Scale { price_decimals: decimals, qty_decimals: 0 };
            // i64::MIN has no positive counterpart, which the reader may refuse.
            prop_assume!(mantissa != i64::MIN);
            prop_assert_eq!(price(std::str::from_utf8(&out).unwrap(), scale), Ok(Price(mantissa)));
        }
    }
}

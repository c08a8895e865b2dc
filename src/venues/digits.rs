//! Numbers to decimal text, eight digits at a time: no loop over digits, no division by ten.
//!
//! Serves the numbers of orders: decimals of more than sixteen digits are left to the general writer.
//! Texts are exactly those of [`super::decimal`].

#![forbid(unsafe_code)]

/// Largest number that [`sixteen`] can write, plus one.
const LIMIT: u64 = 10_000_000_000_000_000;

/// Sixteen digits and a point, and room for writing more than is kept.
const TEXT_MAX: usize = 40;

/// A number as text, on the stack.
#[derive(Clone, Copy)]
pub(super) struct Text {
    bytes: [u8; TEXT_MAX],
    start: u8,
    end: u8,
}

impl Text {
    /// The text.
    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(usize::from(self.start)..usize::from(self.end)).unwrap_or(b"")
    }
}

/// Eight digits of a number below 1e8 as bytes of the values 0 to 9, the first in the lowest byte.
#[inline]
fn eight(number: u32) -> u64 {
    let number = u64::from(number);
    // Two numbers of four digits, then four of two, then eight of one, each beside the others.
    let fours = (number / 10_000) | (number % 10_000) << 32;
    let hundreds = (fours * 10_486 >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | (fours - hundreds * 100) << 16;
    let tens = (twos * 103 >> 10) & 0x000f_000f_000f_000f;
    tens | (twos - tens * 10) << 8
}

const ZEROS: u64 = 0x3030_3030_3030_3030;

/// Sixteen digits of a number below 1e16, zeros in front, and how many of them are such zeros (at
/// most fifteen).
#[inline]
fn sixteen(number: u64) -> ([u8; 16], usize) {
    const HALF: u64 = 100_000_000;
    let (high, low) = (eight((number / HALF) as u32), eight((number % HALF) as u32));
    let leading = match high {
        0 => 8 + low.trailing_zeros() / 8,
        _ => high.trailing_zeros() / 8,
    };
    let mut text = [0; 16];
    text[..8].copy_from_slice(&(high | ZEROS).to_le_bytes());
    text[8..].copy_from_slice(&(low | ZEROS).to_le_bytes());
    (text, leading.min(15) as usize)
}

/// A whole number.
#[inline]
pub(super) fn whole(number: u64) -> Text {
    let mut text = Text { bytes: [0; TEXT_MAX], start: 0, end: 24 };
    let (digits, leading) = sixteen(number % LIMIT);
    text.bytes[8..24].copy_from_slice(&digits);
    let above = number / LIMIT;
    if above == 0 {
        text.start = 8 + leading as u8;
    } else {
        let above = eight(above as u32);
        text.bytes[..8].copy_from_slice(&(above | ZEROS).to_le_bytes());
        text.start = (above.trailing_zeros() / 8) as u8;
    }
    text
}

/// `mantissa / 10^decimals` without trailing zeros and without an exponent; `None` if it is not
/// positive or too long to be written this way.
#[inline]
pub(super) fn decimal(mantissa: i64, decimals: u8) -> Option<Text> {
    let places = usize::from(decimals);
    let magnitude = mantissa.unsigned_abs();
    if mantissa <= 0 || magnitude >= LIMIT || places > 15 {
        return None;
    }
    let (digits, leading) = sixteen(magnitude);
    let mut wide = [0; 32];
    wide[..16].copy_from_slice(&digits);
    let mut text = Text { bytes: [0; TEXT_MAX], start: 0, end: 0 };
    text.bytes[..16].copy_from_slice(&digits);
    let point = 16 - places;
    // The fraction again, one place further on, and the point before it.
    let mut fraction = [0; 16];
    fraction.copy_from_slice(&wide[point..point + 16]);
    text.bytes[point] = b'.';
    text.bytes[point + 1..point + 17].copy_from_slice(&fraction);
    let last = 15
        - (u128::from_le_bytes(digits) ^ u128::from(ZEROS) ^ u128::from(ZEROS) << 64)
            .leading_zeros() as usize
            / 8;
    // One digit at least stands before the point.
    text.start = leading.min(point - 1) as u8;
    text.end = if last < point { point } else { last + 2 } as u8;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reference(mantissa: i64, decimals: u8) -> String {
        let mut out = Vec::new();
        super::super::decimal::write(&mut out, mantissa, decimals);
        String::from_utf8(out).unwrap()
    }

    /// Equal to the general writer, or left to it where that is allowed.
    fn check(mantissa: i64, decimals: u8) {
        match decimal(mantissa, decimals) {
            Some(text) => assert_eq!(text.as_bytes(), reference(mantissa, decimals).as_bytes()),
            None => assert!(mantissa <= 0 || mantissa >= LIMIT as i64 || decimals > 15),
        }
    }

    #[test]
    fn numbers_at_the_edges_are_written_exactly() {
        let limit = LIMIT as i64;
        for mantissa in [
            0,
            1,
            9,
            10,
            99,
            100,
            99_999_999,
            100_000_000,
            limit - 1,
            limit,
            i64::MAX,
            -1,
            i64::MIN,
        ] {
            for decimals in 0..=18 {
                check(mantissa, decimals);
            }
        }
        for number in [0, 7, 10, 99_999_999, 100_000_000, LIMIT - 1, LIMIT, u64::MAX] {
            assert_eq!(whole(number).as_bytes(), number.to_string().as_bytes());
        }
    }

    #[test]
    fn every_group_of_four_digits_is_written_exactly() {
        for number in 0..10_000u64 {
            for shift in [1, 10_000, 100_000_000, 1_000_000_000_000] {
                let number = number * shift;
                assert_eq!(whole(number).as_bytes(), number.to_string().as_bytes());
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn decimals_are_those_of_the_general_writer(
            mantissa in any::<i64>(), shift in 0u32..63, zeros in 0u32..8, decimals in 0u8..=18,
        ) {
            let mantissa = (mantissa >> shift).saturating_mul(10i64.pow(zeros));
            check(mantissa, decimals);
        }

        #[test]
        fn whole_numbers_are_those_of_the_standard_library(number in any::<u64>(), shift in 0u32..64) {
            let number = number >> shift;
            let expected = number.to_string();
            let text = whole(number);
            prop_assert_eq!(text.as_bytes(), expected.as_bytes());
        }
    }
}

//! Numbers to decimal text, eight digits at a time: no loop over digits, no division by ten.
//!
//! Serves the numbers of orders: decimals of more than sixteen digits are left to the general writer.
//! Texts are exactly those of [`super::decimal`]. Pieces of a fixed size are appended and then cut to
//! what counts, which costs less than copies of varying sizes.

#![forbid(unsafe_code)]

/// Largest number that [`sixteen`] can write, plus one.
const LIMIT: u64 = 10_000_000_000_000_000;

const ZEROS: u64 = 0x3030_3030_3030_3030;

/// Eight digits of a number below 1e8 as bytes of the values 0 to 9, the first in the lowest byte.
#[inline]
fn eight(number: u32) -> u64 {
    let number = u64::from(number);
    // Two numbers of four digits, then four of two, then eight of one, each beside the others.
    let fours = (number / 10_000) | (number % 10_000) << 32;
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | (fours - hundreds * 100) << 16;
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (twos - tens * 10) << 8
}

/// Sixteen digits of a number below 1e16 as bytes of the values 0 to 9, the first in the lowest byte.
#[inline]
fn sixteen(number: u64) -> u128 {
    const HALF: u64 = 100_000_000;
    let (high, low) = (eight((number / HALF) as u32), eight((number % HALF) as u32));
    u128::from(high) | u128::from(low) << 64
}

/// Appends the first `count` (at most 16) of these digits.
#[inline]
fn append(digits: u128, count: usize, out: &mut Vec<u8>) {
    const ALL: u128 = (ZEROS as u128) << 64 | ZEROS as u128;
    let len = out.len() + count;
    out.extend_from_slice(&(digits | ALL).to_le_bytes());
    out.truncate(len);
}

/// Appends a whole number.
#[inline]
pub(super) fn whole(number: u64, out: &mut Vec<u8>) {
    let (above, digits) = (number / LIMIT, sixteen(number % LIMIT));
    if above > 0 {
        let above = eight(above as u32);
        let leading = above.trailing_zeros() as usize / 8;
        append(u128::from(above >> (8 * leading)), 8 - leading, out);
        return append(digits, 16, out);
    }
    let leading = (digits.trailing_zeros() as usize / 8).min(15);
    append(digits >> (8 * leading), 16 - leading, out);
}

/// Whether [`decimal`] can write this.
#[inline]
pub(super) fn fits(mantissa: i64, decimals: u8) -> bool {
    (1..LIMIT as i64).contains(&mantissa) && decimals <= 15
}

/// Appends `mantissa / 10^decimals` without trailing zeros and without an exponent, where it
/// [`fits`].
#[inline]
pub(super) fn decimal(mantissa: i64, decimals: u8, out: &mut Vec<u8>) {
    if !fits(mantissa, decimals) {
        return super::decimal::write(out, mantissa, decimals);
    }
    let digits = sixteen(mantissa.unsigned_abs());
    // One digit at least stands before the point.
    let point = 16 - usize::from(decimals);
    let leading = (digits.trailing_zeros() as usize / 8).min(point - 1);
    append(digits >> (8 * leading), point - leading, out);
    let last = 15 - digits.leading_zeros() as usize / 8;
    if last >= point {
        out.push(b'.');
        append(digits >> (8 * point), last + 1 - point, out);
    }
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

    fn check(mantissa: i64, decimals: u8) {
        let mut out = b">".to_vec();
        decimal(mantissa, decimals, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), format!(">{}", reference(mantissa, decimals)));
    }

    fn written(number: u64) -> String {
        let mut out = b">".to_vec();
        whole(number, &mut out);
        String::from_utf8(out).unwrap().split_off(1)
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
            assert_eq!(written(number), number.to_string());
        }
    }

    #[test]
    fn every_group_of_four_digits_is_written_exactly() {
        for number in 0..10_000u64 {
            for shift in [1, 10_000, 100_000_000, 1_000_000_000_000] {
                let number = number * shift;
                assert_eq!(written(number), number.to_string());
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
            prop_assert_eq!(written(number), number.to_string());
        }
    }
}

//! Numbers to decimal text, eight digits at a time: no loop over digits, no division by ten.
//!
//! Serves the numbers of orders: decimals of more than sixteen digits are left to the general writer.
//! Texts are exactly those of [`super::decimal`]. They are copied whole, in a fixed size, and then cut
//! to what counts, which costs less than copies of varying sizes.

#![forbid(unsafe_code)]

/// Largest number that [`sixteen`] can write, plus one.
const LIMIT: u64 = 10_000_000_000_000_000;

/// Sixteen times the digit 0.
const ALL: u128 = u128::from_le_bytes([b'0'; 16]);

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

/// Bytes of every [`Text`].
pub(super) const WHOLE: usize = 32;

/// A number as text, kept to be written several times.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text {
    bytes: [u8; Text::MAX],
    len: usize,
}

impl Text {
    /// Longest text.
    const MAX: usize = WHOLE;

    /// A text that is there already; `None` if it is too long.
    #[inline]
    pub(super) fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self { bytes, len: text.len() })
    }

    /// One of a length that is known beforehand.
    #[inline]
    pub(super) fn fixed<const N: usize>(text: &[u8; N]) -> Self {
        const { assert!(N <= Self::MAX) };
        let mut bytes = [0; Self::MAX];
        bytes[..N].copy_from_slice(text);
        Self { bytes, len: N }
    }

    /// The first `count` (at most 16) of these digits.
    #[inline]
    fn digits(digits: u128, count: usize) -> Self {
        let mut bytes = [0; Self::MAX];
        bytes[..16].copy_from_slice(&(digits | ALL).to_le_bytes());
        Self { bytes, len: count }
    }

    /// A whole number.
    #[inline]
    pub(super) fn whole(number: u64) -> Self {
        let (above, digits) = (number / LIMIT, sixteen(number % LIMIT));
        if above > 0 {
            let above = eight(above as u32);
            let leading = above.trailing_zeros() as usize / 8;
            let mut text = Self::digits(u128::from(above >> (8 * leading)), 8 - leading);
            text.put(digits, 16);
            return text;
        }
        let leading = (digits.trailing_zeros() as usize / 8).min(15);
        Self::digits(digits >> (8 * leading), 16 - leading)
    }

    /// `mantissa / 10^decimals` without trailing zeros and without an exponent; `None` where it does
    /// not fit, see [`fits`].
    #[inline]
    pub(super) fn decimal(mantissa: i64, decimals: u8) -> Option<Self> {
        if !fits(mantissa, decimals) {
            return None;
        }
        let digits = sixteen(mantissa.unsigned_abs());
        // One digit at least stands before the point.
        let point = 16 - usize::from(decimals);
        let leading = (digits.trailing_zeros() as usize / 8).min(point - 1);
        let mut text = Self::digits(digits >> (8 * leading), point - leading);
        let last = 15 - digits.leading_zeros() as usize / 8;
        if last >= point {
            if let Some(place) = text.bytes.get_mut(text.len) {
                *place = b'.';
            }
            text.len += 1;
            text.put(digits >> (8 * point), last + 1 - point);
        }
        Some(text)
    }

    /// Adds the first `count` (at most 16) of these digits. Whatever is called here leaves room for
    /// sixteen.
    #[inline]
    fn put(&mut self, digits: u128, count: usize) {
        if let Some(place) = self.bytes.get_mut(self.len..self.len + 16) {
            place.copy_from_slice(&(digits | ALL).to_le_bytes());
            self.len += count;
        }
    }

    /// All bytes, of which [`Text::len`] count.
    #[inline(always)]
    pub(super) fn whole_bytes(&self) -> &[u8; WHOLE] {
        &self.bytes
    }

    /// Bytes of the text.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The text.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

/// Whether [`Text::decimal`] can write this.
#[inline]
pub(super) fn fits(mantissa: i64, decimals: u8) -> bool {
    (1..LIMIT as i64).contains(&mantissa) && decimals <= 15
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
        let text = Text::decimal(mantissa, decimals);
        assert_eq!(text.is_some(), fits(mantissa, decimals));
        let Some(text) = text else { return };
        assert_eq!(shown(&text), reference(mantissa, decimals));
    }

    fn shown(text: &Text) -> String {
        assert_eq!(text.as_bytes(), &text.whole_bytes()[..text.len()]);
        String::from_utf8(text.as_bytes().to_vec()).unwrap()
    }

    fn written(number: u64) -> String {
        shown(&Text::whole(number))
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
    fn texts_that_are_there_already_are_kept_whole_or_not_at_all() {
        assert_eq!(Text::new(b"").unwrap().as_bytes(), b"");
        assert_eq!(Text::new(&[b'x'; 32]).unwrap().as_bytes(), [b'x'; 32]);
        assert!(Text::new(&[b'x'; 33]).is_none());
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

//! Digits to integers, sixteen bytes at a time, without vector instructions.
//!
//! The first character is the lowest byte of a 128-bit word. A step gives `None` for everything
//! that is not plain or does not fit the window; the caller then has a slower way.

#![forbid(unsafe_code)]

const ONES: u128 = 0x0101_0101_0101_0101_0101_0101_0101_0101;
const HIGHS: u128 = ONES << 7;
/// Most digits of a result: below 10^16 nothing overflows.
const DIGITS_MAX: usize = 16;

/// The whole number that the window begins with, and how many digits it has: 1 to 15, and
/// something else behind them.
#[inline(always)]
pub(super) fn whole(window: &[u8; 16]) -> Option<(u64, usize)> {
    let digits = u128::from_le_bytes(*window) ^ (ONES * 0x30);
    let marks = not_digits(digits);
    let len = marks.trailing_zeros() as usize / 8;
    if len == 0 || len == 16 {
        return None;
    }
    Some((value(digits << (8 * (16 - len))), len))
}

/// Mantissa at `decimals` of the decimal text that the window begins with, and where its closing
/// quote stands. Digits beyond the scale must be zeros, or are dropped with `CUT`.
#[inline(always)]
pub(super) fn decimal<const CUT: bool>(window: &[u8; 16], decimals: u8) -> Option<(i64, usize)> {
    let text = u128::from_le_bytes(*window);
    let quotes = zeros(text ^ (ONES * b'"' as u128));
    if quotes == 0 {
        return None;
    }
    let end = quotes.trailing_zeros() as usize / 8;
    let inside = low_bytes(end);
    let points = zeros(text ^ (ONES * b'.' as u128)) & inside;
    let (point, len) =
        if points == 0 { (end, end) } else { (points.trailing_zeros() as usize / 8, end - 1) };
    // Digits on both sides of a point.
    if point == 0 || (point < end && point == len) {
        return None;
    }
    let before = low_bytes(point);
    let joined = (text & before) | ((text >> 8) & !before);
    let digits = (joined ^ (ONES * 0x30)) & low_bytes(len);
    if not_digits(digits) != 0 {
        return None;
    }
    let kept = point + usize::from(decimals);
    if kept > DIGITS_MAX {
        return None;
    }
    if !CUT && len > kept && digits >> (8 * kept) != 0 {
        return None;
    }
    Some((value(digits << (8 * (16 - kept))) as i64, end))
}

/// Marks the lowest byte that is zero with its highest bit; higher ones may be marked wrongly.
#[inline(always)]
fn zeros(word: u128) -> u128 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

/// Marks the lowest byte above nine; higher ones may be marked wrongly.
#[inline(always)]
fn not_digits(digits: u128) -> u128 {
    (digits.wrapping_add(ONES * 0x76) | digits) & HIGHS
}

/// Ones in the lowest `count` bytes, which are 15 at most.
#[inline(always)]
fn low_bytes(count: usize) -> u128 {
    (1u128 << (8 * count)) - 1
}

/// Value of sixteen digits, the most significant in the lowest byte.
#[inline(always)]
fn value(digits: u128) -> u64 {
    eight(digits as u64) * 100_000_000 + eight((digits >> 64) as u64)
}

/// Pairs of digits, then of pairs, then of fours.
#[inline(always)]
fn eight(digits: u64) -> u64 {
    let pairs = digits.wrapping_mul(10 << 8 | 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100 << 16 | 1) >> 16 & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000 << 32 | 1) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Scale;
    use crate::venues::decimal as reference;
    use proptest::prelude::*;

    fn window(text: &str) -> [u8; 16] {
        let mut window = [b'x'; 16];
        let bytes = text.as_bytes();
        let len = bytes.len().min(16);
        window[..len].copy_from_slice(&bytes[..len]);
        window
    }

    #[test]
    fn whole_numbers_end_at_the_first_other_byte() {
        for (text, expected) in [
            ("0,", Some((0, 1))),
            ("7}", Some((7, 1))),
            ("50093239212,\"s\"", Some((50_093_239_212, 11))),
            ("999999999999999,", Some((999_999_999_999_999, 15))),
            ("9999999999999999", None),
            (",1", None),
            ("-1,", None),
            ("12\u{8a}3", Some((12, 2))),
        ] {
            assert_eq!(whole(&window(text)), expected, "{text:?}");
        }
    }

    #[test]
    fn decimals_are_read_at_any_place_of_the_point() {
        for (text, decimals, expected) in [
            ("61496.50\"", 2, Some((6_149_650, 8))),
            ("61837.63000000\"", 2, Some((6_183_763, 14))),
            ("61837.63000000\"", 8, Some((6_183_763_000_000, 14))),
            ("0.014\"", 6, Some((14_000, 5))),
            ("10\"", 3, Some((10_000, 2))),
            ("5\"", 0, Some((5, 1))),
            ("5.0\"", 0, Some((5, 3))),
            ("61837.634\"", 2, None),
            ("1.2.3\"", 6, None),
            (".5\"", 2, None),
            ("5.\"", 2, None),
            ("\"", 2, None),
            ("-1\"", 2, None),
            ("1e5\"", 2, None),
            ("12345678901234567\"", 0, None),
            ("12345.6\"", 12, None),
        ] {
            assert_eq!(decimal::<false>(&window(text), decimals), expected, "{text:?}");
        }
        assert_eq!(decimal::<true>(&window("61837.639\""), 2), Some((6_183_763, 9)));
    }

    proptest! {
        #[test]
        fn agrees_with_the_complete_reader(text in "[0-9.\"x]{0,15}", decimals in 0u8..=12) {
            let scale = Scale { price_decimals: decimals, qty_decimals: decimals };
            let closed = format!("{text}\"");
            let exact = decimal::<false>(&window(&closed), decimals);
            let cut = decimal::<true>(&window(&closed), decimals);
            let inner = closed.split('"').next().unwrap();
            if let Some((value, end)) = exact {
                prop_assert_eq!(end, inner.len());
                prop_assert_eq!(reference::price(inner, scale).map(|price| price.0), Ok(value));
            }
            if let Some((value, end)) = cut {
                prop_assert_eq!(end, inner.len());
                prop_assert_eq!(reference::qty_cut(inner, scale).map(|qty| qty.0), Ok(value));
            }
        }

        #[test]
        fn reads_all_that_fits(whole in 0u64..10_000_000, fraction in "[0-9]{1,6}", decimals in 0u8..=9) {
            let text = format!("{whole}.{fraction}\"");
            let scale = Scale { price_decimals: decimals, qty_decimals: decimals };
            let expected = reference::price(&text[..text.len() - 1], scale).ok();
            let read = decimal::<false>(&window(&text), decimals).map(|(value, _)| value);
            prop_assert_eq!(read, expected.map(|price| price.0));
        }
    }
}

//! A place in a frame, and the small steps that are taken from it.
//!
//! Every step either finds exactly what it looks for and moves behind it, or gives `None`; the
//! cursor is then of no use any more.

#![deny(unsafe_code)]

use super::names::Name;
use super::number;
use crate::types::{ParseUnitError, Price, Qty, Scale};
use crate::venues::decimal;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;
/// Longest number that is read the slow way.
const SLOW_MAX: usize = 64;

/// The unread rest of a frame.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// At the first byte.
    #[inline]
    #[must_use]
    pub fn new(frame: &'a [u8]) -> Self {
        Self { rest: frame }
    }

    /// What was not read yet.
    #[inline]
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Exactly these bytes.
    #[inline(always)]
    pub fn eat<const N: usize>(&mut self, text: &[u8; N]) -> Option<()> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        if head != text {
            return None;
        }
        self.rest = rest;
        Some(())
    }

    /// These bytes, if they stand here.
    #[inline(always)]
    pub fn eat_if<const N: usize>(&mut self, text: &[u8; N]) -> bool {
        self.eat(text).is_some()
    }

    /// The bytes of a name, whatever follows it.
    #[inline(always)]
    pub fn eat_name(&mut self, name: &Name) -> Option<()> {
        self.rest = name.strip(self.rest)?;
        Some(())
    }

    /// Nothing more.
    #[inline(always)]
    pub fn end(&self) -> Option<()> {
        self.rest.is_empty().then_some(())
    }

    /// Steps over so many bytes.
    #[inline(always)]
    pub fn skip(&mut self, count: usize) -> Option<()> {
        self.rest = self.rest.get(count..)?;
        Some(())
    }

    /// One byte.
    #[inline(always)]
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// A whole number of at most 19 digits, without sign and without leading zeros.
    #[inline(always)]
    pub fn whole(&mut self) -> Option<u64> {
        if let Some(window) = self.rest.first_chunk::<16>()
            && let Some((value, digits)) = number::whole(window)
        {
            if window[0] == b'0' && digits > 1 {
                return None;
            }
            self.rest = self.rest.get(digits..)?;
            return Some(value);
        }
        self.whole_slowly()
    }

    /// The end of the frame is near, or the number is long.
    #[cold]
    fn whole_slowly(&mut self) -> Option<u64> {
        if let Some(window) = self.last_window()
            && let Some((value, digits)) = number::whole(&window)
            && (window[0] != b'0' || digits == 1)
        {
            self.rest = self.rest.get(digits..)?;
            return Some(value);
        }
        self.digit_by_digit()
    }

    /// The last eight to fifteen bytes of the frame, zeros behind them: many frames end in a time.
    #[inline(always)]
    fn last_window(&self) -> Option<[u8; 16]> {
        let (first, last) = (self.rest.first_chunk::<8>()?, self.rest.last_chunk::<8>()?);
        let behind = self.rest.len() - 8;
        if behind >= 8 {
            return None;
        }
        // Bytes that are in both are the same in both.
        let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        Some((u128::from(first) | u128::from(last) << (8 * behind)).to_le_bytes())
    }

    fn digit_by_digit(&mut self) -> Option<u64> {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || digits > 19 || (digits > 1 && self.rest[0] == b'0') {
            return None;
        }
        let (text, rest) = self.rest.split_at(digits);
        self.rest = rest;
        // Nineteen nines are below 2^64.
        Some(text.iter().fold(0, |value, byte| value * 10 + u64::from(byte - b'0')))
    }

    /// Exact price, up to and with its closing quote.
    #[inline(always)]
    pub fn price(&mut self, scale: Scale) -> Option<Price> {
        self.decimal::<false>(scale.price_decimals, |text| {
            decimal::price(text, scale).map(|price| price.0)
        })
        .map(Price)
    }

    /// Quantity, up to and with its closing quote: exact, or `CUT` to what the scale holds.
    #[inline(always)]
    pub fn qty<const CUT: bool>(&mut self, scale: Scale) -> Option<Qty> {
        self.decimal::<CUT>(scale.qty_decimals, |text| {
            let qty = if CUT { decimal::qty_cut(text, scale) } else { decimal::qty(text, scale) };
            qty.map(|qty| qty.0)
        })
        .map(Qty)
    }

    #[inline(always)]
    fn decimal<const CUT: bool>(
        &mut self,
        decimals: u8,
        slowly: impl FnOnce(&str) -> Result<i64, ParseUnitError>,
    ) -> Option<i64> {
        if let Some(window) = self.rest.first_chunk::<16>()
            && let Some((value, end)) = number::decimal::<CUT>(window, decimals)
        {
            self.rest = self.rest.get(end + 1..)?;
            return Some(value);
        }
        let text = self.plain_number()?;
        slowly(text).ok()
    }

    /// Digits and points up to a quote, which is stepped over.
    #[cold]
    fn plain_number(&mut self) -> Option<&'a str> {
        let plain = |byte: &&u8| byte.is_ascii_digit() || **byte == b'.';
        let end = self.rest.iter().take(SLOW_MAX).take_while(plain).count();
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest.strip_prefix(b"\"")?;
        std::str::from_utf8(text).ok()
    }

    /// The text up to a quote, which is stepped over. Text that JSON would have to escape, or that
    /// is not ASCII, is not for scanners.
    #[inline]
    pub fn text(&mut self) -> Option<&'a str> {
        let whole = self.rest;
        let mut end = 0;
        while let Some(window) = whole.get(end..).and_then(|rest| rest.first_chunk::<8>()) {
            let word = u64::from_le_bytes(*window);
            // Each term marks its first byte rightly, and perhaps bytes behind it wrongly.
            let marks = (zeros(word ^ (ONES * u64::from(b'"')))
                | zeros(word ^ (ONES * u64::from(b'\\')))
                | (word.wrapping_sub(ONES * 0x20) & !word)
                | word)
                & HIGHS;
            if marks != 0 {
                end += marks.trailing_zeros() as usize / 8;
                return self.text_to(end);
            }
            end += 8;
        }
        let plain = |byte: &&u8| matches!(**byte, 0x20..=0x7f) && !matches!(**byte, b'"' | b'\\');
        end += whole.get(end..)?.iter().take_while(plain).count();
        self.text_to(end)
    }

    /// `end` is where the first byte stands that is not plain.
    #[inline(always)]
    #[allow(unsafe_code)]
    fn text_to(&mut self, end: usize) -> Option<&'a str> {
        let (text, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.strip_prefix(b"\"")?;
        debug_assert!(text.is_ascii());
        // SAFETY: the only caller has looked at each byte of `text`: all are below 0x80.
        Some(unsafe { std::str::from_utf8_unchecked(text) })
    }
}

/// Marks the lowest byte that is zero with its highest bit; higher ones may be marked wrongly.
#[inline(always)]
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        /// However near the end of the frame is, a whole number is read as digit by digit.
        #[test]
        fn whole_numbers_are_the_same_at_every_distance_from_the_end(
            text in "0?[0-9]{0,20}[,}x]?[0-9}]{0,18}",
        ) {
            let mut cursor = Cursor::new(text.as_bytes());
            let mut slow = cursor;
            let (value, expected) = (cursor.whole(), slow.digit_by_digit());
            prop_assert_eq!(value, expected);
            if value.is_some() {
                prop_assert_eq!(cursor.rest(), slow.rest());
            }
        }
    }
}

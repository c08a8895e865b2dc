//! Lists of `["price","quantity"]`, the bulk of every depth frame, and the four decimals of a top of
//! book.
//!
//! Where the processor has the vector instructions both decimals of a level are read in one step
//! (`wide.rs`); levels of unusual length are read one decimal at a time, as they are everywhere else.

#![deny(unsafe_code)]

use super::cursor::Cursor;
use crate::types::{Events, Level, Price, Scale};

/// Bytes from a decimal's closing quote up to and with the opening one of the next: `","B":"`.
pub(super) const KEY: usize = 7;
/// What stands between bid price, bid quantity, ask price and ask quantity.
pub type SideKeys = [[u8; KEY]; 3];

/// How numbers are read. Decided once, when a scanner is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Width {
    /// Only [`Width::best`] sets it, after asking the processor.
    wide: bool,
}

impl Width {
    /// The fastest way that this processor has.
    #[must_use]
    pub fn best() -> Self {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        let wide = super::wide::is_supported();
        #[cfg(not(all(target_arch = "x86_64", not(miri))))]
        let wide = false;
        Self { wide }
    }

    /// The way that every processor has.
    #[must_use]
    pub fn portable() -> Self {
        Self { wide: false }
    }
}

impl Cursor<'_> {
    /// A list of levels, pushed to `events`: how many. Prices are exact and above zero, quantities
    /// exact or `CUT` to the scale. Levels of a list that fails half way stay in `events`.
    #[inline(always)]
    pub fn levels<const CUT: bool>(
        &mut self,
        width: Width,
        scale: Scale,
        events: &mut Events,
    ) -> Option<u32> {
        self.eat(b"[")?;
        if self.eat_if(b"]") {
            return Some(0);
        }
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        if width.wide {
            return self.levels_wide::<CUT>(scale, events);
        }
        let _ = width;
        self.levels_narrow::<CUT>(scale, events)
    }

    /// As [`Cursor::whole`].
    #[inline(always)]
    #[allow(unsafe_code)]
    pub fn whole_by(&mut self, width: Width) -> Option<u64> {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        if width.wide
            && let Some(window) = self.rest.first_chunk()
        {
            // SAFETY: a `Width` is wide only where the processor said that it has what is needed.
            let (value, digits) = unsafe { super::wide::whole(window) };
            if digits > 0 && (window[0] != b'0' || digits == 1) {
                self.skip(digits)?;
                return Some(value);
            }
        }
        let _ = width;
        self.whole()
    }

    /// Best bid and best ask, from the bid's first digit up to and with the last closing quote. Prices
    /// are exact, quantities exact or `CUT` to the scale.
    #[inline(always)]
    pub fn sides<const CUT: bool>(
        &mut self,
        width: Width,
        [qty, ask, ask_qty]: &SideKeys,
        scale: Scale,
    ) -> Option<[Level; 2]> {
        let bid = self.side::<CUT>(width, qty, scale)?;
        // The closing quote was stepped over.
        self.eat(ask.last_chunk::<{ KEY - 1 }>()?)?;
        Some([bid, self.side::<CUT>(width, ask_qty, scale)?])
    }

    /// A price, and the quantity behind this key, whose first quote is the price's.
    #[inline(always)]
    #[allow(unsafe_code)]
    fn side<const CUT: bool>(
        &mut self,
        width: Width,
        key: &[u8; KEY],
        scale: Scale,
    ) -> Option<Level> {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        if width.wide
            // SAFETY: a `Width` is wide only where the processor said that it has what is needed.
            && let Some((side, len)) = unsafe { super::wide::side::<CUT>(self.rest, key, scale) }
        {
            self.skip(len)?;
            return Some(side);
        }
        let _ = width;
        self.side_narrow::<CUT>(key, scale)
    }

    #[inline(never)]
    fn side_narrow<const CUT: bool>(&mut self, key: &[u8; KEY], scale: Scale) -> Option<Level> {
        let price = self.price(scale)?;
        self.eat(key.last_chunk::<{ KEY - 1 }>()?)?;
        Some(Level { price, qty: self.qty::<CUT>(scale)? })
    }

    #[cfg(all(target_arch = "x86_64", not(miri)))]
    #[allow(unsafe_code)]
    #[inline]
    fn levels_wide<const CUT: bool>(&mut self, scale: Scale, events: &mut Events) -> Option<u32> {
        // SAFETY: a `Width` is wide only where the processor said that it has what is needed.
        unsafe { super::wide::levels::<CUT>(self, scale, events) }
    }

    fn levels_narrow<const CUT: bool>(&mut self, scale: Scale, events: &mut Events) -> Option<u32> {
        let mut count = 1;
        while self.level::<CUT>(scale, events)? {
            count += 1;
        }
        Some(count)
    }

    /// One level and the byte behind it; whether another one follows.
    #[inline(always)]
    pub(super) fn level<const CUT: bool>(
        &mut self,
        scale: Scale,
        events: &mut Events,
    ) -> Option<bool> {
        self.eat(b"[\"")?;
        let price = self.price(scale)?;
        self.eat(b",\"")?;
        let qty = self.qty::<CUT>(scale)?;
        self.eat(b"]")?;
        if price <= Price(0) {
            return None;
        }
        events.push_level(Level { price, qty }).ok()?;
        match self.byte()? {
            b',' => Some(true),
            b']' => Some(false),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEYS: SideKeys = [*b"\",\"B\":\"", *b"\",\"a\":\"", *b"\",\"A\":\""];

    /// What is read, and what is left.
    fn sides<const CUT: bool>(
        text: &str,
        width: Width,
        scale: Scale,
    ) -> Option<([Level; 2], &[u8])> {
        let mut cursor = Cursor::new(text.as_bytes());
        let sides = cursor.sides::<CUT>(width, &KEYS, scale)?;
        Some((sides, cursor.rest()))
    }

    #[test]
    fn both_sides_are_read_in_one_step() {
        let scale = Scale { price_decimals: 2, qty_decimals: 3 };
        let level = |price, qty| Level { price: Price(price), qty: crate::types::Qty(qty) };
        let expected = [level(6_149_650, 3_014), level(6_149_660, 12_000)];
        for (text, rest) in [
            ("61496.50\",\"B\":\"3.014\",\"a\":\"61496.6\",\"A\":\"12.000\"", ""),
            ("61496.50\",\"B\":\"3.0140\",\"a\":\"61496.60\",\"A\":\"12\"}}", "}}"),
            (
                "61496.5\",\"B\":\"3.014\",\"a\":\"61496.60\",\"A\":\"12\",\"T\":1723161256400,\"E\":2}}",
                ",\"T\":1723161256400,\"E\":2}}",
            ),
            (
                "0000061496.5000\",\"B\":\"03.0140000000000\",\"a\":\"61496.6000000000\",\"A\":\"12.0\"}",
                "}",
            ),
        ] {
            for width in [Width::best(), Width::portable()] {
                let read = sides::<false>(text, width, scale);
                assert_eq!(read, Some((expected, rest.as_bytes())), "{text}");
            }
        }
    }

    /// A decimal, or nearly one.
    fn number() -> impl Strategy<Value = String> {
        prop_oneof![
            8 => "[0-9]{1,9}\\.[0-9]{1,6}",
            2 => "[0-9]{1,18}",
            1 => "[0-9]{0,12}\\.[0-9]{0,9}",
            1 => "[0-9.e\"-]{0,18}",
        ]
    }

    proptest! {
        #[test]
        fn the_wide_way_reads_sides_as_the_narrow_one(
            numbers in prop::array::uniform4(number()), rest in "[0-9\",:A-z{}]{0,40}",
            changed in prop::option::weighted(0.2, (0usize..60, 0x20u8..0x7f)),
            price_decimals in 0u8..=12, qty_decimals in 0u8..=12,
        ) {
            let [bid, bid_qty, ask, ask_qty] = numbers;
            let mut text =
                format!("{bid}\",\"B\":\"{bid_qty}\",\"a\":\"{ask}\",\"A\":\"{ask_qty}\"{rest}").into_bytes();
            if let Some((at, byte)) = changed && let Some(place) = text.get_mut(at) {
                *place = byte;
            }
            let text = String::from_utf8(text).unwrap();
            let scale = Scale { price_decimals, qty_decimals };
            let (wide, narrow) = (Width::best(), Width::portable());
            prop_assert_eq!(sides::<true>(&text, wide, scale), sides::<true>(&text, narrow, scale));
            prop_assert_eq!(sides::<false>(&text, wide, scale), sides::<false>(&text, narrow, scale));
        }

        #[test]
        fn the_wide_way_reads_whole_numbers_as_the_narrow_one(text in "[0-9]{0,21}[,}x\u{8a}]{0,9}") {
            let read = |width| {
                let mut cursor = Cursor::new(text.as_bytes());
                cursor.whole_by(width).map(|value| (value, cursor.rest()))
            };
            prop_assert_eq!(read(Width::best()), read(Width::portable()));
        }
    }
}

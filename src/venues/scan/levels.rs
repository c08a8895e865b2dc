//! Lists of `["price","quantity"]`, the bulk of every depth frame.
//!
//! Where the processor has the vector instructions both decimals of a level are read in one step
//! (`wide.rs`); the last levels of a frame, and levels of unusual length, are read one decimal at a
//! time, as they are everywhere else.

#![deny(unsafe_code)]

use super::cursor::Cursor;
use crate::types::{Events, Level, Price, Scale};

/// How lists are read. Decided once, when a scanner is made.
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

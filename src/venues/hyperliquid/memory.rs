//! What is remembered of each instrument's books and tops.
//!
//! The venue numbers nothing: an `l2Book` is a whole book with the time of its block, and so is a
//! `bbo` of the top. So the time decides. An older book is no news; in a book that is older than the
//! top, levels better than that top are gone already. And since a top is told of whenever it changes,
//! books that keep showing another one prove that its stream has died.

#![forbid(unsafe_code)]

use crate::types::{Level, Nanos, Price};
use std::cell::Cell;

/// A book that is older by more begins a new time: the venue has been set back.
const BACK_MAX_MS: u64 = 60_000;
/// For so long books may show another top before its stream counts as dead.
const APART_MAX_MS: u64 = 5_000;

/// One instrument, since it was last asked for.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    asked: Nanos,
    book_ms: u64,
    /// Of the newest top; 0 before there is one.
    top_ms: u64,
    bid: Price,
    ask: Price,
    /// Since when books show another top; 0 if they do not.
    apart_ms: u64,
}

/// Levels better than these are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) bid: Price,
    pub(super) ask: Price,
}

const NO_BOUNDS: Bounds = Bounds { bid: Price(i64::MAX), ask: Price(0) };

/// By index of the instrument.
pub(super) struct Memory {
    rows: Box<[Cell<Seen>]>,
}

impl Memory {
    pub(super) fn new(instruments: usize) -> Self {
        Self { rows: vec![Cell::default(); instruments].into() }
    }

    /// As if nothing had come yet.
    pub(super) fn forget(&self) {
        self.rows.iter().for_each(|row| row.set(Seen::default()));
    }

    fn seen(&self, at: usize, asked: Nanos) -> Seen {
        let seen = self.rows.get(at).map(Cell::get).unwrap_or_default();
        if seen.asked == asked { seen } else { Seen { asked, ..Seen::default() } }
    }

    fn keep(&self, at: usize, seen: Seen) {
        if let Some(row) = self.rows.get(at) {
            row.set(seen);
        }
    }

    /// A book of this time: which of its levels count, or `None` if it is no news.
    #[inline]
    pub(super) fn bounds(&self, at: usize, asked: Nanos, time_ms: u64) -> Option<Bounds> {
        let seen = self.seen(at, asked);
        let back = seen.book_ms.saturating_sub(time_ms);
        if time_ms == seen.book_ms || (1..=BACK_MAX_MS).contains(&back) {
            return None;
        }
        let newer = seen.top_ms > time_ms && seen.top_ms - time_ms <= BACK_MAX_MS;
        Some(if newer { Bounds { bid: seen.bid, ask: seen.ask } } else { NO_BOUNDS })
    }

    /// The book was taken; these are its best prices. True if the stream of tops must have died.
    #[inline]
    pub(super) fn on_book(
        &self,
        at: usize,
        asked: Nanos,
        time_ms: u64,
        (bid, ask): (Price, Price),
    ) -> bool {
        let mut seen = self.seen(at, asked);
        let back = time_ms < seen.book_ms;
        seen.book_ms = time_ms;
        if back || seen.top_ms == 0 {
            // There need not be a top before the first change.
            (seen.top_ms, seen.bid, seen.ask, seen.apart_ms) = (time_ms, bid, ask, 0);
        }
        let apart = time_ms > seen.top_ms && (bid, ask) != (seen.bid, seen.ask);
        if !apart {
            seen.apart_ms = 0;
        } else if seen.apart_ms == 0 {
            seen.apart_ms = time_ms;
        }
        let dead = apart && time_ms - seen.apart_ms >= APART_MAX_MS;
        if dead {
            seen.apart_ms = 0;
        }
        self.keep(at, seen);
        dead
    }

    /// A top was taken.
    #[inline]
    pub(super) fn on_top(&self, at: usize, asked: Nanos, time_ms: u64, bid: Level, ask: Level) {
        let mut seen = self.seen(at, asked);
        let back = seen.top_ms.saturating_sub(time_ms);
        if (1..=BACK_MAX_MS).contains(&back) {
            return;
        }
        seen.top_ms = time_ms;
        (seen.bid, seen.ask) = (or_none(bid, Price(0)), or_none(ask, Price(i64::MAX)));
        seen.apart_ms = 0;
        self.keep(at, seen);
    }
}

fn or_none(level: Level, none: Price) -> Price {
    if level.qty.0 > 0 { level.price } else { none }
}

/// The best prices of a book's levels, as [`Memory`] compares them.
pub(super) fn best(bids: &[Level], asks: &[Level]) -> (Price, Price) {
    let bid = bids.iter().map(|level| level.price).max().unwrap_or(Price(0));
    let ask = asks.iter().map(|level| level.price).min().unwrap_or(Price(i64::MAX));
    (bid, ask)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Qty;

    const ASKED: Nanos = Nanos(7);

    fn level(price: i64) -> Level {
        Level { price: Price(price), qty: Qty(1) }
    }

    #[test]
    fn time_alone_decides_what_is_news() {
        let memory = Memory::new(1);
        let prices = (Price(10), Price(11));
        assert_eq!(memory.bounds(0, ASKED, 100_000), Some(NO_BOUNDS));
        assert!(!memory.on_book(0, ASKED, 100_000, prices));
        assert_eq!(memory.bounds(0, ASKED, 100_000), None, "a repeat");
        assert_eq!(memory.bounds(0, ASKED, 40_000), None, "older");
        assert_eq!(memory.bounds(0, ASKED, 39_999), Some(NO_BOUNDS), "another time");
        assert_eq!(memory.bounds(0, Nanos(8), 100_000), Some(NO_BOUNDS), "asked for anew");
        memory.on_top(0, ASKED, 100_300, level(9), Level::default());
        let gone = Bounds { bid: Price(9), ask: Price(i64::MAX) };
        assert_eq!(memory.bounds(0, ASKED, 100_200), Some(gone), "a book before the top");
        assert_eq!(memory.bounds(0, ASKED, 100_300), Some(NO_BOUNDS));
        memory.on_top(0, ASKED, 100_250, level(3), level(4));
        assert_eq!(memory.bounds(0, ASKED, 100_200), Some(gone), "an older top is none");
        assert_eq!(memory.bounds(5, ASKED, 1), Some(NO_BOUNDS), "nobody's");
    }

    #[test]
    fn books_that_keep_showing_another_top_prove_a_dead_stream() {
        let memory = Memory::new(1);
        let book = |time_ms, bid| memory.on_book(0, ASKED, time_ms, (Price(bid), Price(11)));
        assert!(!book(1_000, 10) && !book(2_000, 10), "a quiet market has no tops");
        assert!(!book(3_000, 9) && !book(7_999, 8));
        assert!(book(8_000, 8), "for five seconds");
        assert!(!book(9_000, 8), "told once");
        memory.on_top(0, ASKED, 9_100, level(8), level(11));
        assert!(!book(30_000, 8));
        assert!(!book(30_500, 7) && !book(34_000, 8) && !book(36_000, 7), "it came back between");
    }
}

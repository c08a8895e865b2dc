//! One order book topic, `orderbook.{depth}.{symbol}`: a window of exactly `depth` levels a side,
//! a snapshot of it and the differences since.
//!
//! `u` counts the messages of the topic, `seq` the matches of the symbol. Who subscribes is not
//! known here.

use super::category::{Category, wire_symbol};
use super::json::{Object, array, decimal};
use crate::sim::venues::sides::differences;
use crate::sim::{Exchange, SimLevel};
use crate::types::Side;

/// Depths offered and how often each is pushed, ms.
pub(super) const DEPTHS: [(usize, u64); 4] = [(1, 10), (50, 20), (200, 100), (1000, 200)];
/// The best levels are sent again after this long without a change, ms.
const REPEAT_MS: u64 = 3_000;
/// `u` starts well above one, which would mean a restart.
const FIRST_U: u64 = 3_000_000;

/// Cross sequence and time of the newest match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) seq: u64,
    /// Matching time, ms.
    pub(super) cts: u64,
}

/// A topic.
#[derive(Debug)]
pub(super) struct DepthStream {
    pub(super) depth: usize,
    every_ms: u64,
    bids: Vec<SimLevel>,
    asks: Vec<SimLevel>,
    u: u64,
    mark: Mark,
    pushed_ms: u64,
    /// The exchange's book may differ from the window.
    dirty: bool,
}

impl DepthStream {
    pub(super) fn new(depth: usize, every_ms: u64) -> Self {
        Self {
            depth,
            every_ms,
            bids: Vec::new(),
            asks: Vec::new(),
            u: FIRST_U + depth as u64 * 1_000,
            mark: Mark::default(),
            pushed_ms: 0,
            dirty: true,
        }
    }

    /// The exchange's book has changed.
    pub(super) fn touch(&mut self) {
        self.dirty = true;
    }

    /// Moves the window to the exchange's book; the levels that changed, if any did.
    fn refresh(
        &mut self,
        symbol: &str,
        exchange: &Exchange,
        mark: Mark,
    ) -> Option<(Vec<SimLevel>, Vec<SimLevel>)> {
        self.dirty = false;
        let (_, bids, asks) = exchange.depth(symbol, self.depth)?;
        let changed =
            (differences(Side::Buy, &self.bids, &bids), differences(Side::Sell, &self.asks, &asks));
        if changed.0.is_empty() && changed.1.is_empty() {
            return None;
        }
        (self.bids, self.asks, self.mark) = (bids, asks, mark);
        self.u += 1;
        Some(changed)
    }

    /// Brings a window that nobody watches up to date.
    pub(super) fn wake(&mut self, symbol: &str, exchange: &Exchange, mark: Mark, now_ms: u64) {
        self.refresh(symbol, exchange, mark);
        self.pushed_ms = now_ms;
    }

    /// The message that is due, if one is.
    pub(super) fn push(
        &mut self,
        symbol: &str,
        exchange: &Exchange,
        mark: Mark,
        now_ms: u64,
    ) -> Option<String> {
        // A clock that was set back holds nothing up.
        let waited = now_ms.checked_sub(self.pushed_ms).unwrap_or(u64::MAX);
        if self.dirty
            && waited >= self.every_ms
            && let Some((bids, asks)) = self.refresh(symbol, exchange, mark)
        {
            self.pushed_ms = now_ms;
            let delta = self.depth > 1;
            return Some(if delta {
                self.message(symbol, "delta", &bids, &asks, now_ms)
            } else {
                self.snapshot(symbol, now_ms)
            });
        }
        if self.depth == 1 && waited >= REPEAT_MS {
            self.pushed_ms = now_ms;
            return Some(self.snapshot(symbol, now_ms));
        }
        None
    }

    /// The window as it was last pushed.
    pub(super) fn snapshot(&self, symbol: &str, now_ms: u64) -> String {
        self.message(symbol, "snapshot", &self.bids, &self.asks, now_ms)
    }

    fn message(
        &self,
        symbol: &str,
        kind: &str,
        bids: &[SimLevel],
        asks: &[SimLevel],
        now_ms: u64,
    ) -> String {
        let linear = Category::of(symbol) == Category::Linear;
        let symbol = wire_symbol(symbol);
        let data = Object::new()
            .text("s", symbol)
            .raw("b", &levels(bids))
            .raw("a", &levels(asks))
            .number("u", self.u)
            .number("seq", self.mark.seq);
        let head = Object::new().text("topic", &format!("orderbook.{}.{symbol}", self.depth));
        // Deeper levels of linear contracts have these two the other way round.
        let head = if linear && self.depth > 1 {
            head.text("type", kind).number("ts", now_ms)
        } else {
            head.number("ts", now_ms).text("type", kind)
        };
        head.raw("data", &data.done()).number("cts", self.mark.cts).done()
    }

    /// The REST form: the first `limit` levels.
    pub(super) fn result(&self, symbol: &str, limit: usize, now_ms: u64) -> String {
        let first = |side: &[SimLevel]| levels(&side[..limit.min(side.len())]);
        Object::new()
            .text("s", wire_symbol(symbol))
            .raw("b", &first(&self.bids))
            .raw("a", &first(&self.asks))
            .number("ts", now_ms)
            .number("u", self.u)
            .number("seq", self.mark.seq)
            .number("cts", self.mark.cts)
            .done()
    }
}

fn levels(side: &[SimLevel]) -> String {
    let level =
        |(price, qty): &SimLevel| format!("[\"{}\",\"{}\"]", decimal(*price), decimal(*qty));
    array(side.iter().map(level))
}

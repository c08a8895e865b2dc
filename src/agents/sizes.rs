//! How large an engine's parts are.

#![forbid(unsafe_code)]

use crate::book::{BookOptions, LadderOptions};
use crate::shm::RegionOptions;

/// How large the parts are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Of the books.
    pub books: BookOptions,
    /// Price levels that one message of market data may hold.
    pub feed_levels: usize,
    /// Slots of the ring from the order manager to an executor.
    pub commands: usize,
    /// Slots of the ring back; more than one message may say.
    pub events: usize,
    /// Orders the order manager's table holds.
    pub orders: usize,
    /// Fills it remembers.
    pub fills: usize,
    /// Prints the region keeps per instrument.
    pub trades: usize,
    /// Multiple of the venues' rate limits that our own counts allow: 1 but where a venue that is
    /// only there to be measured against has none.
    pub rate_limits: u32,
}

impl Default for Sizes {
    /// The books' window has 131 072 ticks: on fine ticks (0.01 on BTC) the depth that moves would
    /// otherwise lie outside it half of the time. A message may hold both sides of the deepest
    /// snapshot with room to spare.
    fn default() -> Self {
        let ladder = LadderOptions { window_ticks: 131_072, ..LadderOptions::default() };
        Self {
            books: BookOptions { ladder, ..BookOptions::default() },
            feed_levels: 16 * 1024,
            commands: 4096,
            events: 16 * 1024,
            orders: 8_192,
            fills: 16_384,
            trades: RegionOptions::default().trades,
            rate_limits: 1,
        }
    }
}

//! The counts of a market file, and how large each may be.

#![forbid(unsafe_code)]

use crate::shm::{account, books};

/// Most instruments, venues and assets of one region: bounds for arithmetic, not for use.
pub(super) const INSTRUMENTS_MAX: u64 = 4096;
const VENUES_MAX: u64 = 64;
const ASSETS_MAX: u64 = 4096;
pub(super) const TRADES_MAX: u64 = 1 << 16;
pub(super) const RING_MAX: u64 = 1 << 16;
pub(super) const STRATEGIES_MAX: u64 = account::STRATEGIES_MAX as u64;
const AGENTS_MAX: u64 = 256;

/// The counts of a market file that decide where everything lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::shm) struct MarketCounts {
    pub(in crate::shm) instruments: u64,
    pub(in crate::shm) venues: u64,
    pub(in crate::shm) assets: u64,
    pub(in crate::shm) depth: u64,
    pub(in crate::shm) trades: u64,
    pub(in crate::shm) strategies: u64,
    pub(in crate::shm) threads: u64,
    pub(in crate::shm) agents: u64,
}

impl MarketCounts {
    /// In the order of the header.
    pub(in crate::shm) fn words(self) -> [u64; 8] {
        let Self { instruments, venues, assets, depth, trades, strategies, threads, agents } = self;
        [instruments, venues, assets, depth, trades, strategies, threads, agents]
    }

    pub(in crate::shm) fn from_words(words: [u64; 8]) -> Self {
        let [instruments, venues, assets, depth, trades, strategies, threads, agents] = words;
        Self { instruments, venues, assets, depth, trades, strategies, threads, agents }
    }

    /// Which count is out of bounds.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let bounds = [
            (self.instruments, 0, INSTRUMENTS_MAX, "there are more than 4096 instruments"),
            (self.venues, 1, VENUES_MAX, "there are no venues or more than 64"),
            (self.assets, 0, ASSETS_MAX, "there are more than 4096 assets"),
            (self.depth, 1, books::DEPTH_MAX as u64, "depth is not 1 to 64 levels"),
            (self.trades, 2, TRADES_MAX, "the ring of prints has not 2 to 65536 slots"),
            (self.strategies, 0, STRATEGIES_MAX, "there are more than 64 strategies"),
            (self.threads, 0, AGENTS_MAX, "there are more than 256 threads"),
            (self.agents, 0, AGENTS_MAX, "there are more than 256 agents"),
        ];
        let broken = bounds.iter().find(|(count, min, max, _)| !(min..=max).contains(&count));
        broken.map_or(Ok(()), |(.., what)| Err(what))
    }
}

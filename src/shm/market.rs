//! The market file: made by the engine, read by everyone else.

use super::RegionError;
use super::account::{AccountWriter, BalanceRow, OrderCounters, PnlRow, PositionRow};
use super::books::{Best, BookWriter, Depth};
use super::health::{HealthWriter, VenueHealth};
use super::latency::Stage;
use super::trades::{TradeReader, TradeWriter};
use crate::sync::histogram;
use crate::types::{InstrumentId, InstrumentTable, Nanos, VenueId};
use std::path::Path;
use std::sync::Arc;

/// Sizes of the market file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionOptions {
    /// Levels a side, at most [`super::DEPTH_MAX`].
    pub depth: usize,
    /// Prints kept per instrument, rounded up to a power of two.
    pub trades: usize,
    /// Strategies that will have a file.
    pub strategies: usize,
}

impl Default for RegionOptions {
    fn default() -> Self {
        Self { depth: 20, trades: 1024, strategies: 1 }
    }
}

/// The engine's side of the market file. Hands out each writer once.
#[derive(Debug)]
pub struct Market {}

impl Market {
    /// Makes `dir/market`, replacing what an ended instance left there.
    pub fn create(
        _dir: &Path,
        _instruments: &InstrumentTable,
        _options: &RegionOptions,
    ) -> Result<Self, RegionError> {
        todo!()
    }

    /// The same without a file, for tests and simulation.
    pub fn in_memory(
        _instruments: &InstrumentTable,
        _options: &RegionOptions,
    ) -> Result<Self, RegionError> {
        todo!()
    }

    /// A reader of this region.
    #[must_use]
    pub fn view(&self) -> MarketView {
        todo!()
    }

    /// Says that the engine lives.
    pub fn beat(&self, _now: Nanos) {
        todo!()
    }

    /// The writer of one book, once.
    pub fn book_writer(&self, _instrument: InstrumentId) -> Option<BookWriter> {
        todo!()
    }

    /// The writer of one instrument's prints, once.
    pub fn trade_writer(&self, _instrument: InstrumentId) -> Option<TradeWriter> {
        todo!()
    }

    /// The writer of the account, once.
    pub fn account_writer(&self) -> Option<AccountWriter> {
        todo!()
    }

    /// The writers of one venue's health, once.
    pub fn health_writer(&self, _venue: VenueId) -> Option<HealthWriter> {
        todo!()
    }

    /// The writer of one histogram, once.
    pub fn histogram_writer(&self, _stage: Stage, _venue: VenueId) -> Option<histogram::Writer> {
        todo!()
    }
}

/// Reads the market file, from any thread or process.
#[derive(Clone, Debug)]
pub struct MarketView {}

impl MarketView {
    /// Opens `dir/market` read-only.
    pub fn attach(_dir: &Path) -> Result<Self, RegionError> {
        todo!()
    }

    /// Top of book; state [`crate::types::BookState::Empty`] before the first one, and
    /// [`crate::types::BookState::Stale`] without prices if it cannot be read (unknown instrument,
    /// writer dead in the middle of a write).
    #[must_use]
    pub fn best(&self, _instrument: InstrumentId) -> Best {
        todo!()
    }

    /// How often the top of this book was published: for busy polling.
    #[must_use]
    pub fn version(&self, _instrument: InstrumentId) -> u64 {
        todo!()
    }

    /// Depth of a book; without levels, as [`MarketView::best`], if it cannot be read.
    pub fn depth(&self, _instrument: InstrumentId, _depth: &mut Depth) {
        todo!()
    }

    /// Prints of one instrument from now on.
    #[must_use]
    pub fn trades(&self, _instrument: InstrumentId) -> Option<TradeReader> {
        todo!()
    }

    /// The instruments and assets.
    #[must_use]
    pub fn instruments(&self) -> &Arc<InstrumentTable> {
        todo!()
    }

    /// Positions that were ever set.
    #[must_use]
    pub fn positions(&self) -> Vec<PositionRow> {
        todo!()
    }

    /// Balances that were ever set.
    #[must_use]
    pub fn balances(&self) -> Vec<BalanceRow> {
        todo!()
    }

    /// Profit and loss by quote asset, where ever set.
    #[must_use]
    pub fn pnl(&self) -> Vec<PnlRow> {
        todo!()
    }

    /// What the oms has counted.
    #[must_use]
    pub fn counters(&self) -> OrderCounters {
        todo!()
    }

    /// Health of one venue.
    #[must_use]
    pub fn health(&self, _venue: VenueId) -> VenueHealth {
        todo!()
    }

    /// One latency histogram.
    #[must_use]
    pub fn histogram(&self, _stage: Stage, _venue: VenueId) -> histogram::Snapshot {
        todo!()
    }

    /// When the engine last said that it lives.
    #[must_use]
    pub fn heartbeat(&self) -> Nanos {
        todo!()
    }

    /// Process of the engine.
    #[must_use]
    pub fn pid(&self) -> u32 {
        todo!()
    }

    /// When the engine started.
    #[must_use]
    pub fn started(&self) -> Nanos {
        todo!()
    }

    /// Whether the engine has ended in good order.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        todo!()
    }
}

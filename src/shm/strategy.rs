//! The file of one strategy: the only one that the strategy can write.

use super::RegionError;
use super::signals::{BadRecord, ReportReader, Request, RequestWriter};
use super::status::{StatusReader, StatusWriter};
use crate::sync::spsc::Full;
use crate::types::{Nanos, StrategyId, StrategyReport};
use std::path::Path;

/// Sizes of a strategy's file and what its bytes are checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StrategyOptions {
    /// Whose file.
    pub strategy: StrategyId,
    /// How many instruments there are: requests that name others are bad records.
    pub instruments: usize,
    /// Slots of the request ring, rounded up to a power of two.
    pub requests: usize,
    /// Slots of the report ring, rounded up to a power of two.
    pub reports: usize,
    /// Slots of the status ring, rounded up to a power of two.
    pub statuses: usize,
}

impl Default for StrategyOptions {
    fn default() -> Self {
        Self { strategy: StrategyId(0), instruments: 0, requests: 256, reports: 1024, statuses: 16 }
    }
}

/// Makes and opens strategies' files.
#[derive(Debug)]
pub struct StrategyFile;

impl StrategyFile {
    /// Makes `dir/strategy-<name>` and gives both its ends.
    pub fn create(
        _dir: &Path,
        _name: &str,
        _options: &StrategyOptions,
    ) -> Result<(OmsEnd, StrategyEnd), RegionError> {
        todo!()
    }

    /// The same without a file, for tests and simulation.
    pub fn in_memory(_options: &StrategyOptions) -> Result<(OmsEnd, StrategyEnd), RegionError> {
        todo!()
    }

    /// Opens the strategy's end from another process.
    pub fn attach(_dir: &Path, _name: &str) -> Result<StrategyEnd, RegionError> {
        todo!()
    }

    /// Opens the status ring, read-only.
    pub fn attach_status(_dir: &Path, _name: &str) -> Result<StatusReader, RegionError> {
        todo!()
    }
}

/// The strategy's end.
#[derive(Debug)]
pub struct StrategyEnd {
    /// Signals and cancels to the oms.
    pub requests: RequestWriter,
    /// What became of them.
    pub reports: ReportReader,
    /// What the strategy shows of itself.
    pub status: StatusWriter,
}

impl StrategyEnd {
    /// Says that the strategy lives.
    pub fn beat(&self, _now: Nanos) {
        todo!()
    }
}

/// The oms' end. Every byte that it reads is input.
#[derive(Debug)]
pub struct OmsEnd {}

impl OmsEnd {
    /// Takes the oldest request. After an error the ring goes on behind the bad record.
    pub fn pop_request(&mut self) -> Result<Option<Request>, BadRecord> {
        todo!()
    }

    /// Queues a report. If full, the strategy has stopped reading.
    pub fn push_report(&mut self, _report: &StrategyReport) -> Result<(), Full> {
        todo!()
    }

    /// A reader of the strategy's status.
    #[must_use]
    pub fn status(&self) -> StatusReader {
        todo!()
    }

    /// When the strategy last said that it lives, 0 if never.
    #[must_use]
    pub fn heartbeat(&self) -> Nanos {
        todo!()
    }

    /// Process of the strategy's end.
    #[must_use]
    pub fn pid(&self) -> u32 {
        todo!()
    }
}

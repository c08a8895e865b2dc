//! The rings between a strategy and the oms: requests one way, reports the other.

use crate::sync::spsc::Full;
use crate::types::{ClientOrderId, Signal, StrategyReport};
use std::fmt;

/// What a strategy asks of the oms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Send the legs of a signal.
    Signal(Signal),
    /// Cancel one order.
    Cancel(ClientOrderId),
    /// Cancel all orders of the strategy.
    CancelAll,
}

/// Why a record of a strategy's ring was thrown away. The ring goes on behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BadRecord {
    /// The ring's counter claims more records than there are slots; all were skipped.
    Counter,
    /// Unknown kind of request.
    Kind,
    /// No leg, or more than a signal may have.
    Legs,
    /// A byte of a leg that stands for no side, pricing or time in force, or is not zero where it
    /// must be.
    Leg,
    /// An instrument that is not in the table.
    Instrument,
    /// The request names another strategy than the file's owner.
    Strategy,
    /// A signal or client order id of 0.
    Id,
}

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "the ring's counter cannot be true",
            Self::Kind => "unknown kind of request",
            Self::Legs => "impossible number of legs",
            Self::Leg => "a leg with an impossible value",
            Self::Instrument => "an unknown instrument",
            Self::Strategy => "the name of another strategy",
            Self::Id => "an id of zero",
        })
    }
}

impl std::error::Error for BadRecord {}

/// The strategy's end of the request ring.
#[derive(Debug)]
pub struct RequestWriter {}

impl RequestWriter {
    /// Queues a request.
    pub fn push(&mut self, _request: &Request) -> Result<(), Full> {
        todo!()
    }

    /// Queues a signal.
    pub fn push_signal(&mut self, _signal: &Signal) -> Result<(), Full> {
        todo!()
    }
}

/// The strategy's end of the report ring.
#[derive(Debug)]
pub struct ReportReader {}

impl ReportReader {
    /// Takes the oldest report.
    pub fn pop(&mut self) -> Option<StrategyReport> {
        todo!()
    }
}

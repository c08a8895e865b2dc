//! The seam for the journal: everything that changes the state of the oms, in the order in which
//! it does. Intents are recorded before the command that carries them out is handed over.

#![forbid(unsafe_code)]

use super::risk::{RiskReject, TradingState};
use crate::types::{
    AssetBalance, ClientOrderId, Command, ExecutionReport, FeeRate, Nanos, NewOrder, OrderState,
    Request, SignalId, StrategyId, VenueId, VenueNotice,
};

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Record {
    /// A strategy asked for something.
    Request(StrategyId, Request),
    /// A leg of its signal was refused, and so the whole signal.
    Refusal {
        /// Who asked.
        strategy: StrategyId,
        /// For which signal.
        signal: SignalId,
        /// The leg that failed; `None` if the signal as a whole did.
        leg: Option<u8>,
        /// Why.
        code: RiskReject,
    },
    /// An order is about to be sent; its strategy is in its id.
    Intent {
        /// The order.
        order: NewOrder,
        /// Signal it belongs to.
        signal: SignalId,
        /// Leg of it.
        leg: u8,
    },
    /// A command was handed over; new orders follow their intent.
    Command(VenueId, Command),
    /// A venue stated something about an order.
    Report(VenueId, ExecutionReport),
    /// A venue stated a balance.
    Balance(AssetBalance),
    /// A venue stated fee rates.
    Fee(FeeRate),
    /// A venue stated something about itself.
    Notice(VenueId, VenueNotice),
    /// A deadline changed the state of an order.
    Assumed(ClientOrderId, OrderState),
    /// What may be traded has changed.
    Trading(TradingState),
}

/// Takes every record before its effects leave the oms.
pub trait Recorder {
    /// Takes one.
    fn record(&mut self, now: Nanos, record: &Record);
}

/// Keeps nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NullRecorder;

impl Recorder for NullRecorder {
    #[inline]
    fn record(&mut self, _now: Nanos, _record: &Record) {}
}

impl Recorder for Vec<(Nanos, Record)> {
    fn record(&mut self, now: Nanos, record: &Record) {
        self.push((now, *record));
    }
}

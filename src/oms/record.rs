//! What the journal holds: everything that reaches the oms, in the order in which it acted on it,
//! every book that it looked at, and what it made of them.
//!
//! Inputs change the state; effects follow from them and are kept for people, and as the proof that
//! a replay does what was done. An input, the quotes and the effects up to the next input are one
//! group: commands leave only once the whole group is recorded, so a group that a crash cut short
//! sent nothing that its beginning does not tell of.

#![forbid(unsafe_code)]

use super::codec;
use super::differences::{Difference, Quarantined};
use super::risk::{BookQuote, RiskReject};
use super::unrecorded::{KnownFills, RefusedUnrecorded};
use super::{ClosingState, OmsOptions};
use crate::types::{
    Amount, AssetBalance, AssetId, ClientOrderId, Command, ExecutionReport, FeeRate,
    FundingPayment, InstrumentId, InstrumentRules, InstrumentStatus, InstrumentTable, LimitKey,
    LossSwitch, MarginReport, Nanos, NewOrder, Operator, OrderState, PairOutcome, PositionReport,
    ProcessEnd, Request, Scope, Signal, SignalId, StrategyId, Teller, VenueId, VenueNotice,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Kind byte of a signal's record.
const SIGNAL_KIND: u8 = 2;

/// What a run begins with; makes the records after it readable without the configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Opening {
    /// Part of every client order id of the run.
    pub instance_start: Nanos,
    /// Options and limits.
    pub options: OmsOptions,
    /// All instruments.
    pub instruments: InstrumentTable,
}

/// One thing that happened. The order of the variants is part of the format: new ones go last.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "boxes would be allocated on the path")]
pub enum Record {
    /// Input: a run began, on the state that the records before it make.
    Opening(Box<Opening>),
    /// Input: a strategy asked for something.
    Request(StrategyId, Request),
    /// Input: a venue stated something about an order.
    Report(VenueId, ExecutionReport),
    /// Input: a venue stated a balance.
    Balance(AssetBalance),
    /// Input: a venue stated fee rates.
    Fee(FeeRate),
    /// Input: a venue stated something about itself.
    Notice(VenueId, VenueNotice),
    /// Input: a deadline had passed.
    Timer,
    /// Input: the journal has room for cancels and reports only, or has room again.
    JournalFull(bool),
    /// A book that was looked at, as it was then.
    Quote(InstrumentId, BookQuote),
    /// Effect: a leg of a signal was refused, and so the whole signal.
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
    /// Effect: an order is about to be sent; its strategy is in its id.
    Intent {
        /// The order.
        order: NewOrder,
        /// Signal it belongs to.
        signal: SignalId,
        /// Leg of it.
        leg: u8,
    },
    /// Effect: a command was handed over. New orders have their intent instead.
    Command(VenueId, Command),
    /// Effect: silence or a lost stream changed the state of an order.
    Assumed(ClientOrderId, OrderState),
    /// Effect: the oms itself halted trading: a position is not known any more.
    Halted,
    /// The hash of the state at a clean stop.
    Hash(u64),
    /// Input: a person told the engine something.
    Operator(Operator),
    /// Effect: the same as [`Record::LimitSet`], which older journals hold.
    Limit {
        /// Which.
        key: LimitKey,
        /// What it was; 0 if it was not set.
        before: Amount,
        /// What it is.
        after: Amount,
    },
    /// Effect: the closing of a position has ended.
    Closed {
        /// Whose position.
        scope: Scope,
        /// In what.
        instrument: InstrumentId,
        /// How it ended.
        state: ClosingState,
        /// What is still held, signed base units.
        left: Amount,
    },
    /// Effect: a signal with a contract is done.
    Pair(PairOutcome),
    /// Effect: a loss has passed its limit, and only reducing orders are allowed.
    LossSwitch {
        /// Which limit.
        switch: LossSwitch,
        /// What the loss is counted in.
        quote: AssetId,
        /// What was lost, quote units.
        loss: Amount,
        /// The limit.
        limit: Amount,
    },
    /// Effect: capital of a strategy that was idle at one venue may be used at another.
    Budget {
        /// Whose.
        strategy: StrategyId,
        /// Where it was idle.
        from: VenueId,
        /// Where it was short.
        to: VenueId,
        /// How much, quote units.
        amount: Amount,
    },
    /// Effect: a reconciliation found a difference, and what it says was done.
    Correction(VenueId, Difference),
    /// Effect: a statement contradicts itself, its order or what was known.
    Quarantine(VenueId, Quarantined),
    /// Effect: a venue has not answered for too long: about an order, or to a reconciliation.
    NotAnswering(VenueId, ClientOrderId),
    /// Effect: a venue is halted for a difference that nothing explains, or no longer.
    VenueHalted(VenueId, bool),
    /// Input: a venue stated a position.
    Position(VenueId, PositionReport),
    /// Input: a venue told of a payment of funding.
    Funding(VenueId, FundingPayment),
    /// Input: a venue stated what an account has to trade perpetuals with.
    Margin(MarginReport),
    /// Input: a venue has changed the rules of an instrument, or whether it trades it.
    Rules(InstrumentId, InstrumentRules, InstrumentStatus),
    /// Input: the process of a strategy has ended and is not started again. Its pause and its cancels
    /// are inputs of their own.
    StrategyEnded(StrategyId, ProcessEnd),
    /// Input: the same as [`Record::Operator`], which older journals hold, with who told it.
    Told(Teller, Operator),
    /// Input: a venue told again of so many fills, from which nothing followed.
    KnownFills(VenueId, KnownFills),
    /// Input: so many requests were refused while the journal was short.
    RefusedUnrecorded(RefusedUnrecorded),
    /// Effect: a limit holds no more; what it was, in the unit of its name.
    LimitUnset {
        /// Which.
        key: LimitKey,
        /// What it was; `None` if it did not hold before.
        before: Option<Amount>,
    },
    /// Effect: a limit was changed; values in the unit of its name.
    LimitSet {
        /// Which.
        key: LimitKey,
        /// What it was; `None` if it did not hold.
        before: Option<Amount>,
        /// What it is.
        after: Amount,
    },
    /// Input: a deadline had passed while the journal was short, and nothing followed from the losses:
    /// they were not looked at.
    TimerButLosses,
}

/// Bytes that are not a record of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordError;

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the record cannot be read: it was written by another version of the engine")
    }
}

impl std::error::Error for RecordError {}

impl Record {
    /// Whether it changes the state by itself.
    #[must_use]
    pub fn is_input(&self) -> bool {
        matches!(
            self,
            Self::Opening(_)
                | Self::Request(..)
                | Self::Report(..)
                | Self::Balance(_)
                | Self::Fee(_)
                | Self::Notice(..)
                | Self::Timer
                | Self::TimerButLosses
                | Self::JournalFull(_)
                | Self::Operator(_)
                | Self::Position(..)
                | Self::Funding(..)
                | Self::Margin(_)
                | Self::Rules(..)
                | Self::StrategyEnded(..)
                | Self::Told(..)
                | Self::KnownFills(..)
                | Self::RefusedUnrecorded(_)
        )
    }

    /// What the engine was told, and by whom where that is known.
    #[must_use]
    pub fn told(&self) -> Option<(Option<Teller>, &Operator)> {
        match self {
            Self::Operator(operator) => Some((operator.teller(), operator)),
            Self::Told(teller, operator) => Some((Some(*teller), operator)),
            _ => None,
        }
    }

    /// Short name, and the kind byte beside the record in the journal.
    #[must_use]
    pub fn kind(&self) -> (u8, &'static str) {
        match self {
            Self::Opening(_) => (1, "opening"),
            Self::Request(_, Request::Signal(_)) => (SIGNAL_KIND, "signal"),
            Self::Request(..) => (3, "request"),
            Self::Report(..) => (4, "report"),
            Self::Balance(_) => (5, "balance"),
            Self::Fee(_) => (6, "fee"),
            Self::Notice(..) => (7, "notice"),
            Self::Timer | Self::TimerButLosses => (8, "timer"),
            Self::Quote(..) => (12, "quote"),
            Self::Refusal { .. } => (13, "refusal"),
            Self::Intent { .. } => (14, "intent"),
            Self::Command(..) => (15, "command"),
            Self::Assumed(..) => (16, "assumed"),
            Self::Halted => (17, "halted"),
            Self::Hash(_) => (18, "hash"),
            Self::JournalFull(_) => (19, "journal full"),
            Self::Correction(..) => (32, "correction"),
            Self::Quarantine(..) => (33, "quarantine"),
            Self::NotAnswering(..) => (34, "not answering"),
            Self::VenueHalted(..) => (35, "venue halted"),
            Self::Position(..) => (36, "position"),
            Self::Funding(..) => (37, "funding"),
            Self::Margin(_) => (38, "margin"),
            Self::Rules(..) => (39, "rules"),
            Self::StrategyEnded(..) => (40, "strategy ended"),
            Self::KnownFills(..) => (41, "known fills"),
            Self::RefusedUnrecorded(_) => (42, "refused"),
            Self::LimitUnset { .. } => (43, "limit unset"),
            Self::Operator(_) | Self::Told(..) => (20, "operator"),
            Self::Limit { .. } | Self::LimitSet { .. } => (21, "limit"),
            Self::Closed { .. } => (22, "closed"),
            Self::Pair(_) => (23, "pair"),
            Self::LossSwitch { .. } => (24, "loss switch"),
            Self::Budget { .. } => (25, "budget"),
        }
    }

    /// Bytes for the journal, at the start of `into`; their number. `None` if there is no room.
    #[inline]
    pub fn encode(&self, into: &mut [u8]) -> Option<usize> {
        codec::encode(self, into)
            .or_else(|| postcard::to_slice(self, into).ok().map(|bytes| bytes.len()))
    }

    /// Kind and bytes of the record of a signal as [`Record::encode`] gives them; `None` where that
    /// is the longer way too.
    #[inline]
    pub fn encode_signal(
        strategy: StrategyId,
        signal: &Signal,
        into: &mut [u8],
    ) -> Option<(u8, usize)> {
        Some((SIGNAL_KIND, codec::encode_signal(strategy, signal, into)?))
    }

    /// The same where [`Record::encode`] has no room.
    #[must_use]
    pub fn encode_long(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("plain data can be written to memory")
    }

    /// The way back.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        if let Some(record) = codec::decode(bytes) {
            return record;
        }
        match postcard::take_from_bytes(bytes) {
            Ok((record, [])) => Ok(record),
            _ => Err(RecordError),
        }
    }
}

/// Takes every record before its effects leave the oms.
pub trait Recorder {
    /// Takes one.
    fn record(&mut self, now: Nanos, record: &Record);

    /// Takes a [`Record::Request`]; for who can without a copy of it.
    #[inline]
    fn request(&mut self, now: Nanos, strategy: StrategyId, request: &Request) {
        self.record(now, &Record::Request(strategy, *request));
    }
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
        self.push((now, record.clone()));
    }
}

//! What the engine and a venue did not agree on, and statements that contradict themselves: each of
//! them is recorded, counted and told to a person.
//!
//! What is told leaves through a bounded list that the agent drains into its log; it is no part of
//! the state. The records hold the same, without bound.

#![forbid(unsafe_code)]

use super::record::{Record, Recorder};
use super::{Books, Oms};
use crate::types::{
    Amount, AssetId, ClientOrderId, ExecutionReport, InstrumentId, Nanos, OrderState, Price, Qty,
    Side, VenueId, VenueOrderId,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One thing that a reconciliation found to differ, and put right but for [`Difference::BalanceOff`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Difference {
    /// A fill that no stream had told of; booked.
    MissedFill {
        /// What was traded.
        instrument: InstrumentId,
        /// Bought or sold.
        side: Side,
        /// At which price.
        price: Price,
        /// How much.
        qty: Qty,
        /// Whether no order of ours was found for it.
        external: bool,
    },
    /// An order of ours had ended without our hearing of it; its end is taken over.
    MissedEnd {
        /// Which order.
        order: ClientOrderId,
        /// How it had ended.
        state: OrderState,
    },
    /// An order that worked as far as we knew is not among the venue's open ones; it is asked for.
    OrderGone {
        /// Which order; none if it is external.
        order: ClientOrderId,
        /// The venue's id.
        venue_order_id: VenueOrderId,
    },
    /// An order that had ended as far as we knew is among the venue's open ones; it is reserved
    /// again and asked for.
    OrderAlive {
        /// Which order; none if it is external.
        order: ClientOrderId,
        /// The venue's id.
        venue_order_id: VenueOrderId,
    },
    /// An order that we did not place works at the venue; adopted and reserved as external.
    UnknownOrder {
        /// What it trades.
        instrument: InstrumentId,
        /// The venue's id.
        venue_order_id: VenueOrderId,
        /// Buy or sell.
        side: Side,
        /// Its limit price, 0 for market.
        price: Price,
        /// What is left of it.
        qty: Qty,
    },
    /// A balance that no fill explains. The venue is halted until a person accepts the venue's
    /// number, or the two agree again.
    BalanceOff {
        /// Of which asset.
        asset: AssetId,
        /// Stated by the venue less what our fills make of it.
        amount: Amount,
    },
    /// What rounding at the venue can have made; taken over.
    BalanceDust {
        /// Of which asset.
        asset: AssetId,
        /// Stated less expected.
        amount: Amount,
    },
    /// A person accepted the venue's number as the new opening balance.
    BalanceAccepted {
        /// Of which asset.
        asset: AssetId,
        /// Stated less expected, until then.
        amount: Amount,
    },
    /// The venue says that more of an order is filled than its lists of fills tell of, however often
    /// they are asked for. The balances say whether that is so; the lists go on being asked for.
    FillsMissing {
        /// Which order.
        order: ClientOrderId,
        /// What it trades.
        instrument: InstrumentId,
        /// Filled as the venue says, less what its fills add up to.
        qty: Qty,
    },
    /// A position in a perpetual that no fill explains. The venue is halted until a person accepts
    /// the venue's number, or the two agree again.
    PositionOff {
        /// In what.
        instrument: InstrumentId,
        /// Stated by the venue less what our fills make of it, base units.
        amount: Amount,
    },
    /// The venue's number was taken over: of a position from before our start, or because a person
    /// accepted it.
    PositionAccepted {
        /// In what.
        instrument: InstrumentId,
        /// Stated less expected, until then.
        amount: Amount,
    },
    /// The venue has realised more of a position's profit than our fills in the order in which we
    /// learnt of them, and holds the position at just so much more; its attribution is taken over.
    ProfitMoved {
        /// In what.
        instrument: InstrumentId,
        /// Added to what is realised and to the cost of the position, quote units.
        amount: Amount,
    },
}

impl Difference {
    /// How many classes there are.
    pub const CLASSES: usize = 12;

    /// Names of the classes, in order.
    pub const NAMES: [&str; Self::CLASSES] = [
        "missed_fill",
        "missed_end",
        "order_gone",
        "order_alive",
        "unknown_order",
        "balance_off",
        "balance_dust",
        "balance_accepted",
        "fills_missing",
        "position_off",
        "position_accepted",
        "profit_moved",
    ];

    /// Index into [`Difference::NAMES`].
    #[must_use]
    pub fn class(&self) -> usize {
        match self {
            Self::MissedFill { .. } => 0,
            Self::MissedEnd { .. } => 1,
            Self::OrderGone { .. } => 2,
            Self::OrderAlive { .. } => 3,
            Self::UnknownOrder { .. } => 4,
            Self::BalanceOff { .. } => 5,
            Self::BalanceDust { .. } => 6,
            Self::BalanceAccepted { .. } => 7,
            Self::FillsMissing { .. } => 8,
            Self::PositionOff { .. } => 9,
            Self::PositionAccepted { .. } => 10,
            Self::ProfitMoved { .. } => 11,
        }
    }
}

/// How a statement contradicts itself, its order or what was proved before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Flaw {
    /// It names an order of ours and another instrument or venue.
    OtherInstrument,
    /// A fill on the other side than its order's.
    OtherSide,
    /// A fill at a worse price than the limit.
    WorsePrice,
    /// Fills add up to more than the order's quantity.
    BeyondQty,
    /// The venue's own sum is above the order's quantity.
    SumAboveQty,
    /// It is later than what was known by the venue's own time, and its sum is smaller.
    SumBackwards,
    /// Said to be filled, with a sum below the quantity.
    FilledShort,
    /// It names our order and another venue order id than before, without a replace.
    OtherVenueId,
    /// The venue works more than was asked for.
    LargerOrder,
    /// A fill without id, quantity or price.
    BadFill,
    /// A fill that is older than those which are remembered, so that it may have been booked.
    OldFill,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherInstrument => "an order of another instrument or venue",
            Self::OtherSide => "a fill on the other side than its order's",
            Self::WorsePrice => "a fill at a worse price than the limit",
            Self::BeyondQty => "fills beyond the order's quantity",
            Self::SumAboveQty => "a filled sum above the order's quantity",
            Self::SumBackwards => "a filled sum that went backwards",
            Self::FilledShort => "filled, with a sum below the quantity",
            Self::OtherVenueId => "another venue order id than before",
            Self::LargerOrder => "a larger quantity than was asked for",
            Self::BadFill => "a fill without id, quantity or price",
            Self::OldFill => "a fill from before those that are remembered",
        })
    }
}

/// A statement that was put aside, or booked in spite of its flaw: `super::inspect` says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// What is wrong with it.
    pub flaw: Flaw,
    /// The order that it is about.
    pub order: ClientOrderId,
    /// The venue's id of it.
    pub venue_order_id: VenueOrderId,
    /// What it trades, as the statement says.
    pub instrument: InstrumentId,
    /// What was known: a quantity, price or number, as the flaw says.
    pub known: i64,
    /// What was stated instead.
    pub stated: i64,
    /// When its last byte was read: names the raw frame.
    pub recv_ns: Nanos,
}

/// What a person is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A reconciliation found a difference.
    Difference(Difference),
    /// A statement contradicts itself or what was known.
    Quarantined(Quarantined),
    /// So many queries had no answer at all. They go on, as rarely as they may; what is asked for
    /// stays reserved.
    NotAnswering {
        /// The order asked for; none for the lists of a reconciliation.
        order: ClientOrderId,
        /// Queries so far.
        queries: u32,
    },
    /// A fill of no order of ours is booked: of one that was placed by hand or by another program, or of
    /// the venue's own where it liquidates a position.
    External {
        /// What was traded.
        instrument: InstrumentId,
        /// Bought or sold.
        side: Side,
        /// At which price.
        price: Price,
        /// How much.
        qty: Qty,
    },
    /// The venue is halted for a difference that nothing explains (true), or no longer (false).
    Halted(bool),
    /// A reconciliation is complete.
    Reconciled,
}

/// Findings that wait for the agent.
#[derive(Debug)]
pub(super) struct Findings(Vec<(VenueId, Finding)>);

const FINDINGS_MAX: usize = 256;

impl Findings {
    pub fn new() -> Self {
        Self(Vec::with_capacity(FINDINGS_MAX))
    }
}

impl<R: Recorder, B: Books> Oms<R, B> {
    /// What is to be told to a person since the last call; at most some hundreds, all else is in
    /// the records.
    pub fn findings(&mut self) -> impl Iterator<Item = (VenueId, Finding)> + '_ {
        self.findings.0.drain(..)
    }

    pub(super) fn tell_person(&mut self, venue: VenueId, finding: Finding) {
        if self.findings.0.len() < FINDINGS_MAX {
            self.findings.0.push((venue, finding));
        }
    }

    pub(super) fn found(&mut self, venue: VenueId, difference: Difference, now: Nanos) {
        self.recorder.record(now, &Record::Correction(venue, difference));
        self.state.counters.differences[difference.class()] += 1;
        self.tell_person(venue, Finding::Difference(difference));
    }

    pub(super) fn quarantine(
        &mut self,
        venue: VenueId,
        report: &ExecutionReport,
        flaw: Flaw,
        (known, stated): (i64, i64),
        now: Nanos,
    ) {
        let quarantined = Quarantined {
            flaw,
            order: report.client_id,
            venue_order_id: report.venue_order_id,
            instrument: report.instrument,
            known,
            stated,
            recv_ns: report.recv_ns,
        };
        self.recorder.record(now, &Record::Quarantine(venue, quarantined));
        self.state.counters.quarantined += 1;
        self.tell_person(venue, Finding::Quarantined(quarantined));
    }

    pub(super) fn not_answering(
        &mut self,
        venue: VenueId,
        order: ClientOrderId,
        queries: u32,
        now: Nanos,
    ) {
        self.recorder.record(now, &Record::NotAnswering(venue, order));
        self.state.counters.not_answering += 1;
        self.tell_person(venue, Finding::NotAnswering { order, queries });
    }

    pub(super) fn halt_venue(&mut self, venue: VenueId, halted: bool, now: Nanos) {
        if self.state.venues.set_halted(venue, halted) {
            self.recorder.record(now, &Record::VenueHalted(venue, halted));
            self.tell_person(venue, Finding::Halted(halted));
        }
    }

    pub(super) fn tell_reconciled(&mut self, venue: VenueId) {
        self.tell_person(venue, Finding::Reconciled);
    }
}

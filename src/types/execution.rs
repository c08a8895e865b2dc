//! What a venue states about our orders.

use super::{
    Amount, AssetId, ClientOrderId, CommandKind, FillId, InstrumentId, Nanos, Price, Qty, Side,
    VenueOrderId,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The life of an order as the oms sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum OrderState {
    /// On its way, nothing heard yet.
    #[default]
    PendingNew = 0,
    /// Acknowledged and working.
    Open = 1,
    /// Working with a part filled.
    PartiallyFilled = 2,
    /// Cancel on its way; may still fill.
    PendingCancel = 3,
    /// Replace on its way; may still fill at the old terms.
    PendingReplace = 4,
    /// All filled. Terminal.
    Filled = 5,
    /// Cancelled; the filled part counts. Terminal.
    Canceled = 6,
    /// Never accepted. Terminal.
    Rejected = 7,
    /// Ended by its time in force or by the venue; the filled part counts. Terminal.
    Expired = 8,
    /// No proof either way: a lost reply or connection. Its exposure stays reserved until a stream
    /// or a query proves what became of it.
    Unknown = 9,
}

impl OrderState {
    /// Whether nothing more is expected (late fills are still booked).
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Filled | Self::Canceled | Self::Rejected | Self::Expired)
    }

    /// From a byte of shared memory or a journal.
    #[must_use]
    pub fn from_u8(byte: u8) -> Option<Self> {
        const ALL: [OrderState; 10] = [
            OrderState::PendingNew,
            OrderState::Open,
            OrderState::PartiallyFilled,
            OrderState::PendingCancel,
            OrderState::PendingReplace,
            OrderState::Filled,
            OrderState::Canceled,
            OrderState::Rejected,
            OrderState::Expired,
            OrderState::Unknown,
        ];
        ALL.get(usize::from(byte)).copied()
    }
}

/// Whether we rested or crossed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Liquidity {
    /// The venue did not say.
    #[default]
    Unknown = 0,
    /// We rested on the book.
    Maker = 1,
    /// We crossed the spread.
    Taker = 2,
}

/// Why a venue or our own risk refused, in the engine's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum RejectReason {
    /// No reason, or none that we know.
    #[default]
    None = 0,
    /// Not enough free balance.
    InsufficientBalance = 1,
    /// A post-only order would have taken.
    WouldTake = 2,
    /// Price, tick or band refused.
    BadPrice = 3,
    /// Quantity, lot or limits refused.
    BadQty = 4,
    /// Value below the venue's minimum.
    BelowMinNotional = 5,
    /// Client id already used.
    DuplicateId = 6,
    /// Not there, or already ended.
    UnknownOrder = 7,
    /// Rate limit reached at the venue.
    RateLimit = 8,
    /// Our clock is outside the venue's window.
    BadTimestamp = 9,
    /// Signature, key or permission refused.
    Unauthorized = 10,
    /// Symbol halted or not tradable.
    MarketClosed = 11,
    /// Any other refusal; the venue's code says more.
    Other = 12,
    /// The time in force ended it unfilled or partly filled.
    TimeInForce = 13,
    /// Venue's self-trade prevention.
    SelfTrade = 14,
    /// It never left here: it waited too long, or its connection was lost before its turn came.
    NotSent = 15,
}

impl RejectReason {
    /// From a byte of shared memory or a journal.
    #[must_use]
    pub fn from_u8(byte: u8) -> Option<Self> {
        const ALL: [RejectReason; 16] = [
            RejectReason::None,
            RejectReason::InsufficientBalance,
            RejectReason::WouldTake,
            RejectReason::BadPrice,
            RejectReason::BadQty,
            RejectReason::BelowMinNotional,
            RejectReason::DuplicateId,
            RejectReason::UnknownOrder,
            RejectReason::RateLimit,
            RejectReason::BadTimestamp,
            RejectReason::Unauthorized,
            RejectReason::MarketClosed,
            RejectReason::Other,
            RejectReason::TimeInForce,
            RejectReason::SelfTrade,
            RejectReason::NotSent,
        ];
        ALL.get(usize::from(byte)).copied()
    }
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no reason",
            Self::InsufficientBalance => "insufficient balance",
            Self::WouldTake => "post-only order would take",
            Self::BadPrice => "price refused",
            Self::BadQty => "quantity refused",
            Self::BelowMinNotional => "value below the minimum",
            Self::DuplicateId => "duplicate client order id",
            Self::UnknownOrder => "unknown order",
            Self::RateLimit => "rate limit",
            Self::BadTimestamp => "timestamp outside the venue's window",
            Self::Unauthorized => "key, signature or permission refused",
            Self::MarketClosed => "market closed",
            Self::Other => "other",
            Self::TimeInForce => "time in force",
            Self::SelfTrade => "self-trade prevention",
            Self::NotSent => "never sent: it waited too long here",
        })
    }
}

/// What a report says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum ReportKind {
    /// The order works (an acknowledgement, or a NEW event).
    Accepted = 0,
    /// One fill; the `fill` part is set.
    Fill = 1,
    /// Cancelled; `cumulative_qty` tells the filled part if the venue says.
    Canceled = 2,
    /// Refused when it was placed.
    Rejected = 3,
    /// Ended by time in force or by the venue.
    Expired = 4,
    /// Changed; `price` and `qty` are the new terms.
    Replaced = 5,
    /// A cancel was refused: the order may be working or done.
    CancelRejected = 6,
    /// A replace was refused: the old terms hold.
    ReplaceRejected = 7,
    /// Answer to a query: `state`, `cumulative_qty`, `price`, `qty` are the venue's.
    Status = 8,
    /// Answer to a query: the venue does not know the order.
    NotFound = 9,
    /// The outcome of a command is not known: timeout, lost connection, server error.
    Unknown = 10,
    /// The venue has filled in total `cumulative_qty`, without naming single fills; those follow
    /// on another topic. Never moves a position.
    Progress = 11,
}

impl ReportKind {
    /// From a byte of shared memory or a journal.
    #[must_use]
    pub fn from_u8(byte: u8) -> Option<Self> {
        const ALL: [ReportKind; 12] = [
            ReportKind::Accepted,
            ReportKind::Fill,
            ReportKind::Canceled,
            ReportKind::Rejected,
            ReportKind::Expired,
            ReportKind::Replaced,
            ReportKind::CancelRejected,
            ReportKind::ReplaceRejected,
            ReportKind::Status,
            ReportKind::NotFound,
            ReportKind::Unknown,
            ReportKind::Progress,
        ];
        ALL.get(usize::from(byte)).copied()
    }
}

/// Where a report came from; proofs of different strength.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum ReportOrigin {
    /// Reply to our own command.
    #[default]
    Reply = 0,
    /// Private stream.
    Stream = 1,
    /// Reply to a query or snapshot.
    Query = 2,
    /// Made by our own executor: nothing was proved by the venue.
    Local = 3,
}

/// One fill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fill {
    /// The venue's id of it, unique within venue and instrument.
    pub fill_id: FillId,
    /// Price.
    pub price: Price,
    /// Quantity in base units.
    pub qty: Qty,
    /// Maker or taker.
    pub liquidity: Liquidity,
    /// Fee; positive is paid, negative is a rebate.
    pub fee: Amount,
    /// Asset that the fee is taken in; [`AssetId::NONE`] if there is no fee.
    pub fee_asset: AssetId,
    /// Of a perpetual: profit that the venue says it has realised, before the fee, settle asset. It
    /// is what the wallet gets, in the venue's own rounding. `None` on spot, or if it does not say.
    pub realised: Option<Amount>,
}

impl Fill {
    /// Whether it has all that booking it needs: an id, a quantity and a price.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        !self.fill_id.is_empty() && self.qty > Qty::ZERO && self.price > Price(0)
    }
}

/// Anything a venue states about one of our orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutionReport {
    /// What it says.
    pub kind: ReportKind,
    /// How it came.
    pub origin: ReportOrigin,
    /// Our id; [`ClientOrderId::NONE`] if the order is not ours or the message names only the
    /// venue's id.
    pub client_id: ClientOrderId,
    /// The venue's id, empty if the message does not name it.
    pub venue_order_id: VenueOrderId,
    /// Whose order.
    pub instrument: InstrumentId,
    /// Side; meaningless on rejects of orders that the venue never saw.
    pub side: Side,
    /// The venue's state of the order, mapped, for `Status` (else the kind says it).
    pub state: OrderState,
    /// Limit price as the venue states it, 0 if it does not.
    pub price: Price,
    /// Total quantity as the venue states it, 0 if it does not.
    pub qty: Qty,
    /// Filled in total so far as the venue states it; `None` if it does not.
    pub cumulative_qty: Option<Qty>,
    /// The fill, for kind `Fill`.
    pub fill: Fill,
    /// Why, for refusals and expiries.
    pub reason: RejectReason,
    /// The venue's own code, 0 if none.
    pub venue_code: i32,
    /// The venue's time of the event, 0 if it sends none.
    pub event_ns: Nanos,
    /// When the last byte of the message was read here.
    pub recv_ns: Nanos,
}

impl ExecutionReport {
    /// A report with everything unsaid but kind, origin, order and instrument.
    #[must_use]
    pub fn new(
        kind: ReportKind,
        origin: ReportOrigin,
        client_id: ClientOrderId,
        instrument: InstrumentId,
    ) -> Self {
        Self {
            kind,
            origin,
            client_id,
            venue_order_id: VenueOrderId::EMPTY,
            instrument,
            side: Side::Buy,
            state: OrderState::PendingNew,
            price: Price(0),
            qty: Qty(0),
            cumulative_qty: None,
            fill: Fill::default(),
            reason: RejectReason::None,
            venue_code: 0,
            event_ns: Nanos(0),
            recv_ns: Nanos(0),
        }
    }

    /// The report that stands for a command of which nothing has left: the connector refused to
    /// encode it, the way to its executor was full, or it waited too long. `None` for commands about
    /// no single order.
    #[must_use]
    pub fn refused_here(command: &CommandKind, reason: RejectReason, now: Nanos) -> Option<Self> {
        let (kind, client_id, instrument) = match command {
            CommandKind::New(order) => (ReportKind::Rejected, order.client_id, order.instrument),
            CommandKind::Cancel(order) => {
                (ReportKind::CancelRejected, order.client_id, order.instrument)
            }
            CommandKind::Replace(order) => {
                (ReportKind::ReplaceRejected, order.client_id, order.instrument)
            }
            _ => return None,
        };
        let report = Self::new(kind, ReportOrigin::Local, client_id, instrument);
        let report = Self { reason, recv_ns: now, ..report };
        Some(match command {
            CommandKind::Replace(terms) => Self { price: terms.price, qty: terms.qty, ..report },
            // Nothing else names an order that is not ours.
            CommandKind::Cancel(order) if !client_id.is_some() => {
                Self { venue_order_id: order.venue_order_id, ..report }
            }
            _ => report,
        })
    }
}
/// Venues whose orders are counted apart: more than there are.
pub const VENUES_COUNTED: usize = 16;

/// Orders of one venue: how many were sent, and how those that ended did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VenueOrders {
    /// Handed to its executor.
    pub sent: u64,
    /// Ended filled.
    pub filled: u64,
    /// Ended cancelled.
    pub canceled: u64,
    /// Refused by the venue.
    pub rejected: u64,
    /// Ended by their time in force or by the venue.
    pub expired: u64,
}

impl VenueOrders {
    /// An order has gone from one state to another; out of an end, if what ended it was no end.
    pub fn count(&mut self, from: OrderState, to: OrderState) {
        if let Some(ended) = self.of(from) {
            *ended = ended.saturating_sub(1);
        }
        if let Some(ended) = self.of(to) {
            *ended += 1;
        }
    }

    fn of(&mut self, state: OrderState) -> Option<&mut u64> {
        match state {
            OrderState::Filled => Some(&mut self.filled),
            OrderState::Canceled => Some(&mut self.canceled),
            OrderState::Rejected => Some(&mut self.rejected),
            OrderState::Expired => Some(&mut self.expired),
            _ => None,
        }
    }

    /// The fields in the order in which they stand above.
    #[must_use]
    pub fn words(&self) -> [u64; 5] {
        [self.sent, self.filled, self.canceled, self.rejected, self.expired]
    }

    /// The other way round.
    #[must_use]
    pub fn from_words([sent, filled, canceled, rejected, expired]: [u64; 5]) -> Self {
        Self { sent, filled, canceled, rejected, expired }
    }
}

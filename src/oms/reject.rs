//! The words of a refusal by the oms: one code for every check.

#![forbid(unsafe_code)]

use crate::types::RuleViolation;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why the oms refused a signal or a cancel. The number goes to the strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum RiskReject {
    /// The signal has no legs, too many, no number or another strategy's name.
    BadSignal = 1,
    /// An instrument that is not in the table.
    UnknownInstrument = 2,
    /// The leg's pricing and time in force do not go together.
    NotExpressible = 3,
    /// Trading is halted.
    Halted = 4,
    /// Only reducing orders are allowed, and this does not reduce.
    ReduceOnly = 5,
    /// The venue is not connected, not logged in, suspended, not reconciled since its stream was
    /// last lost, or halted for a difference that a person has to decide on.
    VenueNotReady = 6,
    /// The venue does not trade the instrument now.
    InstrumentNotTrading = 7,
    /// Price is zero, negative or out of the venue's bounds.
    PriceOutOfBounds = 8,
    /// Price is not a multiple of the tick size.
    PriceOffTick = 9,
    /// Quantity is zero or negative.
    QtyNotPositive = 10,
    /// Quantity is not a multiple of the lot size.
    QtyOffLot = 11,
    /// Quantity is below the venue's minimum.
    QtyBelowMin = 12,
    /// Quantity is above the venue's maximum.
    QtyAboveMax = 13,
    /// Value is below the venue's minimum.
    NotionalBelowMin = 14,
    /// Value is above the venue's maximum.
    NotionalAboveMax = 15,
    /// Value is above our own limit per order.
    OrderNotional = 16,
    /// The book is not live.
    BookNotLive = 17,
    /// The book has not changed for too long.
    BookTooOld = 18,
    /// The side of the book that the price is measured by is empty.
    NoPrice = 19,
    /// The price is too far through the book.
    PriceCollar = 20,
    /// The position of the underlying over all venues could become too large.
    PositionLimit = 21,
    /// Too many orders in a short time.
    OrderRate = 22,
    /// Too many open orders.
    OpenOrders = 23,
    /// The order table is full.
    TableFull = 24,
    /// All client order ids of this instance are used up.
    IdsExhausted = 25,
    /// Nothing wrong with this leg: another leg of the signal was refused.
    OtherLeg = 26,
    /// A cancel for an order that is not there, has ended, or is another strategy's.
    NoSuchOrder = 27,
    /// The journal has no room for more than cancels and reports.
    JournalFull = 28,
    /// Only reducing orders are allowed: the loss of the day has passed its limit.
    DailyLoss = 29,
    /// Only reducing orders are allowed: the loss since the highest profit has passed its limit.
    Drawdown = 30,
    /// The position of the instrument could become too large.
    InstrumentPosition = 31,
    /// The strategy has no capital left for it at the venue.
    StrategyBudget = 32,
    /// Too many orders of the strategy in a short time.
    StrategyOrderRate = 33,
    /// Too many open orders of the strategy.
    StrategyOpenOrders = 34,
    /// It would trade with a working order of ours.
    SelfCross = 35,
    /// The order cannot be changed now: its outcome is not known, another change is on its way, it
    /// has no price, or the new quantity is filled already.
    NotReplaceable = 36,
    /// The venue's rate limit has no room for all of it now. The report says when it is worth
    /// trying again.
    VenueBusy = 37,
    /// The account has not enough margin left for it.
    Margin = 38,
    /// The venue has not said yet what margin the account has.
    MarginUnknown = 39,
}

impl RiskReject {
    /// One more than the largest number.
    pub const COUNT: usize = 40;

    /// All of them.
    pub const ALL: [Self; Self::COUNT - 1] = [
        Self::BadSignal,
        Self::UnknownInstrument,
        Self::NotExpressible,
        Self::Halted,
        Self::ReduceOnly,
        Self::VenueNotReady,
        Self::InstrumentNotTrading,
        Self::PriceOutOfBounds,
        Self::PriceOffTick,
        Self::QtyNotPositive,
        Self::QtyOffLot,
        Self::QtyBelowMin,
        Self::QtyAboveMax,
        Self::NotionalBelowMin,
        Self::NotionalAboveMax,
        Self::OrderNotional,
        Self::BookNotLive,
        Self::BookTooOld,
        Self::NoPrice,
        Self::PriceCollar,
        Self::PositionLimit,
        Self::OrderRate,
        Self::OpenOrders,
        Self::TableFull,
        Self::IdsExhausted,
        Self::OtherLeg,
        Self::NoSuchOrder,
        Self::JournalFull,
        Self::DailyLoss,
        Self::Drawdown,
        Self::InstrumentPosition,
        Self::StrategyBudget,
        Self::StrategyOrderRate,
        Self::StrategyOpenOrders,
        Self::SelfCross,
        Self::NotReplaceable,
        Self::VenueBusy,
        Self::Margin,
        Self::MarginUnknown,
    ];

    /// From the number in a [`crate::types::StrategyReport`].
    #[must_use]
    pub fn from_u8(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code).checked_sub(1)?).copied()
    }
}

impl From<RuleViolation> for RiskReject {
    fn from(violation: RuleViolation) -> Self {
        match violation {
            RuleViolation::PriceOutOfBounds => Self::PriceOutOfBounds,
            RuleViolation::PriceOffTick => Self::PriceOffTick,
            RuleViolation::QtyNotPositive => Self::QtyNotPositive,
            RuleViolation::QtyOffLot => Self::QtyOffLot,
            RuleViolation::QtyBelowMin => Self::QtyBelowMin,
            RuleViolation::QtyAboveMax => Self::QtyAboveMax,
            RuleViolation::NotionalBelowMin => Self::NotionalBelowMin,
            RuleViolation::NotionalAboveMax => Self::NotionalAboveMax,
        }
    }
}

impl fmt::Display for RiskReject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadSignal => "malformed signal",
            Self::UnknownInstrument => "unknown instrument",
            Self::NotExpressible => "pricing and time in force do not go together",
            Self::Halted => "trading is halted",
            Self::ReduceOnly => "only reducing orders are allowed",
            Self::VenueNotReady => "venue is not ready",
            Self::InstrumentNotTrading => "instrument does not trade now",
            Self::PriceOutOfBounds => "price is outside the instrument's bounds",
            Self::PriceOffTick => "price is not a multiple of the tick size",
            Self::QtyNotPositive => "quantity is not positive",
            Self::QtyOffLot => "quantity is not a multiple of the lot size",
            Self::QtyBelowMin => "quantity is below the minimum",
            Self::QtyAboveMax => "quantity is above the maximum",
            Self::NotionalBelowMin => "value is below the venue's minimum",
            Self::NotionalAboveMax => "value is above the venue's maximum",
            Self::OrderNotional => "value is above the limit per order",
            Self::BookNotLive => "book is not live",
            Self::BookTooOld => "book is too old",
            Self::NoPrice => "book side is empty",
            Self::PriceCollar => "price is too far through the book",
            Self::PositionLimit => "position limit of the underlying",
            Self::OrderRate => "order rate limit",
            Self::OpenOrders => "open order limit",
            Self::TableFull => "order table is full",
            Self::IdsExhausted => "client order ids are used up",
            Self::OtherLeg => "another leg was refused",
            Self::NoSuchOrder => "no such order",
            Self::JournalFull => "journal is full",
            Self::DailyLoss => "daily-loss switch: only reducing orders are allowed",
            Self::Drawdown => "drawdown switch: only reducing orders are allowed",
            Self::InstrumentPosition => "position limit of the instrument",
            Self::StrategyBudget => "strategy's budget at the venue",
            Self::StrategyOrderRate => "order rate limit of the strategy",
            Self::StrategyOpenOrders => "open order limit of the strategy",
            Self::SelfCross => "would trade with an order of our own",
            Self::NotReplaceable => "the order cannot be changed now",
            Self::VenueBusy => "no room in the venue's rate limit",
            Self::Margin => "not enough margin left in the account",
            Self::MarginUnknown => "the venue has not stated the account's margin yet",
        })
    }
}

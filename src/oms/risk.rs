//! The limits that every new order passes before it is sent, one small function each.
//!
//! A limit that is not set refuses: nothing is unlimited by oversight. All legs of a signal are
//! checked before any is sent, each as if the earlier ones were working already.

#![forbid(unsafe_code)]

use super::exposure::{Exposure, Exposures};
use super::trading::TradingStates;
use crate::types::{
    Amount, AssetId, BookState, Instrument, InstrumentStatus, Level, LimitKey, Nanos, NewOrder,
    OrderType, Ppb, Price, Qty, RuleViolation, Scope, Side, StrategyId, TimeInForce, TradingState,
};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fmt;

/// Best prices of one instrument, with what is needed to trust them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookQuote {
    /// Best bid; quantity 0 when the side is empty.
    pub bid: Level,
    /// Best ask; quantity 0 when the side is empty.
    pub ask: Level,
    /// Whether the book may be traded on.
    pub state: BookState,
    /// When the last byte of its last change was read.
    pub recv_ns: Nanos,
}

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
    /// The order cannot be changed now: its outcome is not known, another change is on its way, it
    /// has no price, or the new quantity is filled already.
    NotReplaceable = 29,
}

impl RiskReject {
    /// One more than the largest number.
    pub const COUNT: usize = 30;

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
        Self::NotReplaceable,
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
            Self::NotReplaceable => "the order cannot be changed now",
        })
    }
}

/// The limits. Those left at their default refuse everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskLimits {
    /// Largest value of one order, quote units.
    pub order_notional_max: Amount,
    /// How far a buy may be above the best ask, or a sell below the best bid.
    pub price_collar: Ppb,
    /// Oldest book that may be traded on.
    pub book_age_max_ns: u64,
    /// Largest position of each underlying over all venues, working orders counted, base units.
    /// An underlying that is not named has no room.
    pub position_max: Vec<(AssetId, Amount)>,
    /// Most orders in `order_rate_window_ns`; more than 100 000 counts as that.
    pub order_rate_max: u32,
    /// Length of the sliding window for `order_rate_max`.
    pub order_rate_window_ns: u64,
    /// Most orders that are not terminal.
    pub open_orders_max: u32,
}

/// Every order of the window is remembered.
const ORDER_RATE_MAX: u32 = 100_000;

/// Everything about one leg that the checks look at.
pub(super) struct Subject<'a> {
    pub order: &'a NewOrder,
    pub instrument: &'a Instrument,
    pub status: InstrumentStatus,
    pub quote: BookQuote,
    /// Working quantity of the earlier legs of the same signal: same side and underlying, and of
    /// those the same instrument.
    pub earlier: Amount,
    pub earlier_instrument: Amount,
    /// Who asks, and the exposure that its own orders and fills have made in the instrument.
    pub strategy: StrategyId,
    pub own: Exposure,
    /// It takes a position back at a person's command.
    pub closing: bool,
    pub venue_ready: bool,
    pub now: Nanos,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Risk {
    pub limits: RiskLimits,
    pub trading: TradingStates,
    /// Nothing more than what keeps the account safe can be recorded.
    pub journal_full: bool,
    sent: VecDeque<Nanos>,
}

impl Risk {
    pub fn new(mut limits: RiskLimits, venues: usize) -> Self {
        limits.order_rate_max = limits.order_rate_max.min(ORDER_RATE_MAX);
        let sent = VecDeque::with_capacity(limits.order_rate_max as usize + 1);
        Self { limits, trading: TradingStates::new(venues), journal_full: false, sent }
    }

    /// A new run begins: its limits count, what may be traded stays, and so does what was sent
    /// within the window, should the run before have ended just now.
    pub fn reset(&mut self, mut limits: RiskLimits) {
        limits.order_rate_max = limits.order_rate_max.min(ORDER_RATE_MAX);
        self.limits = limits;
        self.journal_full = false;
        self.reserve();
    }

    /// Makes sure that nothing allocates later.
    pub fn reserve(&mut self) {
        self.sent
            .reserve((self.limits.order_rate_max as usize + 1).saturating_sub(self.sent.len()));
    }

    /// Changes a limit to a value that it can have.
    pub fn set_limit(&mut self, key: LimitKey, value: Amount) {
        self.limits.set(key, value);
        self.reserve();
    }

    /// Checks of the signal as a whole, for so many orders.
    pub fn check_signal(
        &mut self,
        strategy: StrategyId,
        count: usize,
        open: usize,
        now: Nanos,
    ) -> Result<(), RiskReject> {
        if self.trading.of(strategy) == TradingState::Halted {
            return Err(RiskReject::Halted);
        }
        self.check_room(count, open, now)
    }

    /// Checks of so many orders as a whole, whatever may be traded.
    pub fn check_room(&mut self, count: usize, open: usize, now: Nanos) -> Result<(), RiskReject> {
        if self.journal_full {
            return Err(RiskReject::JournalFull);
        }
        if open + count > self.limits.open_orders_max as usize {
            return Err(RiskReject::OpenOrders);
        }
        self.check_rate(count, now)
    }

    /// All checks of one leg, cheapest and gravest first.
    pub fn check_leg(
        &self,
        subject: &Subject<'_>,
        exposures: &Exposures,
    ) -> Result<(), RiskReject> {
        if !subject.closing && self.trading.at(subject.instrument.venue) == TradingState::Halted {
            return Err(RiskReject::Halted);
        }
        if !subject.venue_ready {
            return Err(RiskReject::VenueNotReady);
        }
        if subject.status != InstrumentStatus::Trading {
            return Err(RiskReject::InstrumentNotTrading);
        }
        check_form(subject.order)?;
        self.check_book(subject)?;
        let reference = reference(subject)?;
        subject.instrument.check(subject.order, reference)?;
        self.check_notional(subject, reference)?;
        self.check_collar(subject, reference)?;
        self.check_reducing(subject, exposures)?;
        self.check_position(subject, exposures)
    }

    /// Counts orders that are now being sent.
    pub fn on_sent(&mut self, count: usize, now: Nanos) {
        for _ in 0..count {
            if self.sent.len() > self.limits.order_rate_max as usize {
                self.sent.pop_front();
            }
            self.sent.push_back(now);
        }
    }

    fn check_rate(&mut self, count: usize, now: Nanos) -> Result<(), RiskReject> {
        while let Some(&oldest) = self.sent.front()
            && now.since(oldest) >= self.limits.order_rate_window_ns
        {
            self.sent.pop_front();
        }
        if self.sent.len() + count > self.limits.order_rate_max as usize {
            return Err(RiskReject::OrderRate);
        }
        Ok(())
    }

    fn check_book(&self, subject: &Subject<'_>) -> Result<(), RiskReject> {
        if subject.quote.state != BookState::Live {
            return Err(RiskReject::BookNotLive);
        }
        if subject.now.since(subject.quote.recv_ns) > self.limits.book_age_max_ns {
            return Err(RiskReject::BookTooOld);
        }
        Ok(())
    }

    fn check_notional(&self, subject: &Subject<'_>, reference: Price) -> Result<(), RiskReject> {
        let price = match subject.order.order_type {
            OrderType::Limit => subject.order.price,
            OrderType::Market => reference,
        };
        match subject.instrument.scale.notional(price, subject.order.qty) {
            Some(notional) if notional <= self.limits.order_notional_max => Ok(()),
            _ => Err(RiskReject::OrderNotional),
        }
    }

    fn check_collar(&self, subject: &Subject<'_>, reference: Price) -> Result<(), RiskReject> {
        if subject.order.order_type == OrderType::Market {
            return Ok(());
        }
        const ONE: i128 = 1_000_000_000;
        let price = i128::from(subject.order.price.0) * ONE;
        let collar = i128::from(self.limits.price_collar.0);
        let reference = i128::from(reference.0);
        let through = match subject.order.side {
            Side::Buy => price > reference * (ONE + collar),
            Side::Sell => price < reference * (ONE - collar),
        };
        if through { Err(RiskReject::PriceCollar) } else { Ok(()) }
    }

    fn check_reducing(
        &self,
        subject: &Subject<'_>,
        exposures: &Exposures,
    ) -> Result<(), RiskReject> {
        let extra = subject.earlier_instrument + subject.qty();
        let grows = |exposure: &Exposure| match subject.order.side {
            Side::Buy => exposure.longest(extra).is_none_or(|end| end > Amount::ZERO),
            Side::Sell => exposure.shortest(extra).is_none_or(|end| end < Amount::ZERO),
        };
        let whole = self.trading.at(subject.instrument.venue) == TradingState::ReduceOnly
            && grows(&exposures.instrument(subject.instrument.id));
        if whole || (self.is_reducing(subject.strategy) && grows(&subject.own)) {
            return Err(RiskReject::ReduceOnly);
        }
        Ok(())
    }

    /// Whether a strategy may only make its own positions smaller.
    pub fn is_reducing(&self, strategy: StrategyId) -> bool {
        self.trading.get(Scope::Strategy(strategy)) == Some(TradingState::ReduceOnly)
    }

    /// Orders that can only bring the position nearer to zero pass even beyond the limit.
    fn check_position(
        &self,
        subject: &Subject<'_>,
        exposures: &Exposures,
    ) -> Result<(), RiskReject> {
        let base = subject.instrument.base;
        let limit = self
            .limits
            .position_max
            .iter()
            .find(|(asset, _)| *asset == base)
            .map_or(Amount::ZERO, |(_, limit)| *limit);
        let exposure = exposures.underlying(base);
        let extra = subject.earlier + subject.qty();
        let within = match subject.order.side {
            Side::Buy => exposure.longest(extra).is_some_and(|end| end <= limit),
            Side::Sell => exposure.shortest(extra).is_some_and(|end| end >= -limit),
        };
        if within { Ok(()) } else { Err(RiskReject::PositionLimit) }
    }
}

impl Subject<'_> {
    fn qty(&self) -> Amount {
        self.instrument.scale.base_amount(self.order.qty)
    }
}

/// What venues refuse or understand differently: post-only that does not rest, market that does.
fn check_form(order: &NewOrder) -> Result<(), RiskReject> {
    let rests = order.time_in_force == TimeInForce::Gtc;
    let expressible = match order.order_type {
        OrderType::Market => !order.post_only && order.price == Price(0),
        OrderType::Limit => !order.post_only || rests,
    };
    if expressible { Ok(()) } else { Err(RiskReject::NotExpressible) }
}

/// The price that the order is measured by: what it would meet if it crossed.
fn reference(subject: &Subject<'_>) -> Result<Price, RiskReject> {
    let level = match subject.order.side {
        Side::Buy => subject.quote.ask,
        Side::Sell => subject.quote.bid,
    };
    if level.qty <= Qty::ZERO || level.price <= Price(0) {
        return Err(RiskReject::NoPrice);
    }
    Ok(level.price)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_does_not_open_the_window_of_the_order_rate_anew() {
        let limits = RiskLimits {
            order_rate_max: 3,
            order_rate_window_ns: 1_000,
            open_orders_max: 10,
            ..RiskLimits::default()
        };
        let mut risk = Risk::new(limits.clone(), 1);
        risk.on_sent(3, Nanos(5_000));
        risk.reset(limits);
        assert_eq!(
            risk.check_signal(StrategyId(0), 1, 0, Nanos(5_999)),
            Err(RiskReject::OrderRate)
        );
        assert_eq!(risk.check_signal(StrategyId(0), 3, 0, Nanos(6_000)), Ok(()));
    }
}

//! The limits that every new order passes before it is sent, one small function each.
//!
//! A limit that is not set refuses, but for the optional ones: nothing is unlimited by oversight. All legs of a signal are
//! checked before any is sent, each as if the earlier ones were working already.

#![forbid(unsafe_code)]

use super::exposure::{Exposure, Exposures};
use super::limits::{RiskLimits, find};
use super::names::Renumbering;
use super::pace::Pace;
pub use super::reject::RiskReject;
use super::trading::TradingStates;
use crate::mutants::Mutant;
use crate::types::{
    Amount, AssetId, BookState, Instrument, InstrumentId, InstrumentStatus, Level, LimitKey,
    LossSwitch, Nanos, NewOrder, OrderType, Price, Qty, Scope, Side, StrategyId, TimeInForce,
    TradingState,
};
use serde::{Deserialize, Serialize};

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
    /// It takes a position back, at a person's command or because it is naked: what may be
    /// traded does not hold it back.
    pub closing: bool,
    /// It would trade with an order of our own.
    pub crosses_own: bool,
    pub venue_ready: bool,
    pub now: Nanos,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Risk {
    pub limits: RiskLimits,
    pub trading: TradingStates,
    /// The switch that was thrown, until a person resumes.
    pub loss_switch: Option<LossSwitch>,
    /// Nothing more than what keeps the account safe can be recorded.
    pub journal_full: bool,
    pace: Pace,
    /// By strategy, where it has a limit.
    pub paces: Vec<Pace>,
}

impl Risk {
    pub fn new(limits: RiskLimits, venues: usize) -> Self {
        let mut risk = Self {
            limits,
            trading: TradingStates::new(venues),
            loss_switch: None,
            journal_full: false,
            pace: Pace::default(),
            paces: Vec::new(),
        };
        risk.reserve();
        risk
    }

    /// A new run begins: its limits count, what may be traded stays, and so does what was sent
    /// within the window, should the run before have ended just now.
    pub fn reset(&mut self, limits: RiskLimits) {
        self.limits = limits;
        self.journal_full = false;
        self.reserve();
    }

    /// The strategies have other numbers now.
    pub fn renumber(&mut self, numbers: &Renumbering) {
        self.trading.renumber(numbers);
        for (index, pace) in std::mem::take(&mut self.paces).into_iter().enumerate() {
            let strategy = StrategyId(index as u8);
            let to = usize::from(numbers.of(strategy).0);
            if !numbers.is_gone(strategy) {
                self.paces.resize_with(self.paces.len().max(to + 1), Pace::default);
                self.paces[to] = pace;
            }
        }
    }

    /// Makes sure that nothing allocates later.
    pub fn reserve(&mut self) {
        self.pace.reserve(self.limits.order_rate_max);
        self.paces.resize_with(self.limits.strategies.len(), Pace::default);
        for (pace, limits) in self.paces.iter_mut().zip(&self.limits.strategies) {
            pace.reserve(limits.order_rate_max.unwrap_or(0));
        }
    }

    /// Touches the memory of the orders to come.
    pub fn prefault(&mut self) {
        self.pace.prefault();
        self.paces.iter_mut().for_each(Pace::prefault);
    }

    /// Changes a limit to a value that it can have.
    pub fn set_limit(&mut self, key: LimitKey, value: Amount) {
        self.limits.set(key, value);
        self.reserve();
    }

    /// Checks of the signal as a whole, for so many orders, where so many are open in all and of
    /// the strategy, and so many hedges wait, which come first.
    pub fn check_signal(
        &mut self,
        strategy: StrategyId,
        count: usize,
        (open, open_own, hedges): (usize, usize, usize),
        now: Nanos,
    ) -> Result<(), RiskReject> {
        let halted = self.trading.of(strategy) == TradingState::Halted;
        if halted && !Mutant::PauseIgnored.is_on() {
            return Err(RiskReject::Halted);
        }
        self.check_space(count, open)?;
        self.check_rate(count + hedges, now)?;
        self.check_strategy(strategy, count, open_own, now)
    }

    /// Checks of so many orders as a whole, whatever may be traded.
    pub fn check_room(&mut self, count: usize, open: usize, now: Nanos) -> Result<(), RiskReject> {
        self.check_space(count, open)?;
        self.check_rate(count, now)
    }

    /// Whether there is room for so many orders.
    pub fn check_space(&self, count: usize, open: usize) -> Result<(), RiskReject> {
        if self.journal_full {
            return Err(RiskReject::JournalFull);
        }
        if open + count > self.limits.open_orders_max as usize {
            return Err(RiskReject::OpenOrders);
        }
        Ok(())
    }

    /// All checks of one leg, cheapest and gravest first.
    pub fn check_leg(
        &self,
        subject: &Subject<'_>,
        exposures: &Exposures,
    ) -> Result<(), RiskReject> {
        let halted = self.trading.at(subject.instrument.venue) == TradingState::Halted;
        if halted && !subject.closing && !Mutant::PauseIgnored.is_on() {
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
        if Mutant::LimitUnchecked.is_on() {
            return Ok(());
        }
        self.check_position(subject, exposures)?;
        self.check_instrument_position(subject, exposures)?;
        if subject.crosses_own { Err(RiskReject::SelfCross) } else { Ok(()) }
    }

    /// Counts orders of a strategy that are now being sent.
    pub fn on_sent(&mut self, strategy: StrategyId, count: usize, now: Nanos) {
        self.pace.add(count, self.limits.order_rate_max, now);
        let own = self.limits.of(strategy).and_then(|limits| limits.order_rate_max);
        if let (Some(max), Some(pace)) = (own, self.paces.get_mut(usize::from(strategy.0))) {
            pace.add(count, max, now);
        }
    }

    fn check_rate(&mut self, count: usize, now: Nanos) -> Result<(), RiskReject> {
        let (max, window) = (self.limits.order_rate_max, self.limits.order_rate_window_ns);
        let room = self.pace.has_room(count, max, window, now);
        if room { Ok(()) } else { Err(RiskReject::OrderRate) }
    }

    fn check_book(&self, subject: &Subject<'_>) -> Result<(), RiskReject> {
        if Mutant::StaleBookTraded.is_on() {
            return Ok(());
        }
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
        if subject.closing {
            return Ok(());
        }
        let extra = subject.earlier_instrument + subject.qty();
        let grows = |exposure: &Exposure| match subject.order.side {
            Side::Buy => exposure.longest(extra).is_none_or(|end| end > Amount::ZERO),
            Side::Sell => exposure.shortest(extra).is_none_or(|end| end < Amount::ZERO),
        };
        let whole = self.trading.at(subject.instrument.venue) == TradingState::ReduceOnly
            && grows(&exposures.instrument(subject.instrument.id));
        if whole {
            return Err(self.reduce_only());
        }
        if self.is_reducing(subject.strategy) && grows(&subject.own) {
            return Err(RiskReject::ReduceOnly);
        }
        Ok(())
    }

    /// Why the engine or a venue is in that state.
    fn reduce_only(&self) -> RiskReject {
        let engine = self.trading.get(Scope::Engine) == Some(TradingState::ReduceOnly);
        match self.loss_switch.filter(|_| engine) {
            Some(LossSwitch::DailyLoss) => RiskReject::DailyLoss,
            Some(LossSwitch::Drawdown) => RiskReject::Drawdown,
            None => RiskReject::ReduceOnly,
        }
    }

    /// Whether a strategy may only make its own positions smaller.
    pub fn is_reducing(&self, strategy: StrategyId) -> bool {
        self.trading.get(Scope::Strategy(strategy)) == Some(TradingState::ReduceOnly)
    }

    fn position_max(&self, base: AssetId) -> Amount {
        find(&self.limits.position_max, base).unwrap_or_default()
    }

    fn instrument_position_max(&self, id: InstrumentId) -> Option<Amount> {
        find(&self.limits.instrument_position_max, id)
    }

    /// How much more of an instrument may work on this side before a position could pass a limit;
    /// base asset, never negative.
    pub(super) fn room(
        &self,
        instrument: &Instrument,
        side: Side,
        exposures: &Exposures,
    ) -> Amount {
        let left = |exposure: &Exposure, limit: Amount| {
            let end = match side {
                Side::Buy => exposure.longest(Amount::ZERO),
                Side::Sell => exposure.shortest(Amount::ZERO).map(|end| -end),
            };
            let left = end.and_then(|end| limit.checked_add(-end)).unwrap_or(Amount::ZERO);
            left.max(Amount::ZERO)
        };
        let of_base =
            left(&exposures.underlying(instrument.base), self.position_max(instrument.base));
        match self.instrument_position_max(instrument.id) {
            Some(limit) => of_base.min(left(&exposures.instrument(instrument.id), limit)),
            None => of_base,
        }
    }

    /// Orders that can only bring the position nearer to zero pass even beyond the limit.
    fn check_position(
        &self,
        subject: &Subject<'_>,
        exposures: &Exposures,
    ) -> Result<(), RiskReject> {
        let base = subject.instrument.base;
        let limit = self.position_max(base);
        let exposure = exposures.underlying(base);
        let within =
            stays_within(&exposure, limit, subject.order.side, subject.earlier + subject.qty());
        if within { Ok(()) } else { Err(RiskReject::PositionLimit) }
    }

    /// The same for the instrument, if it has a limit of its own.
    fn check_instrument_position(
        &self,
        subject: &Subject<'_>,
        exposures: &Exposures,
    ) -> Result<(), RiskReject> {
        let id = subject.instrument.id;
        let Some(limit) = self.instrument_position_max(id) else { return Ok(()) };
        let extra = subject.earlier_instrument + subject.qty();
        let within = stays_within(&exposures.instrument(id), limit, subject.order.side, extra);
        if within { Ok(()) } else { Err(RiskReject::InstrumentPosition) }
    }
}

/// Whether a position stays within a limit if all that works on this side fills, and `extra` more.
fn stays_within(exposure: &Exposure, limit: Amount, side: Side, extra: Amount) -> bool {
    match side {
        Side::Buy => exposure.longest(extra).is_some_and(|end| end <= limit),
        Side::Sell => exposure.shortest(extra).is_some_and(|end| end >= -limit),
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
        risk.on_sent(StrategyId(0), 3, Nanos(5_000));
        risk.reset(limits);
        assert_eq!(
            risk.check_signal(StrategyId(0), 1, (0, 0, 0), Nanos(5_999)),
            Err(RiskReject::OrderRate)
        );
        assert_eq!(risk.check_signal(StrategyId(0), 3, (0, 0, 0), Nanos(6_000)), Ok(()));
    }
}

//! The limits as values: what each may be, and how it is read and changed by its key.

#![forbid(unsafe_code)]

use super::operator::OperatorError;
use super::pace::PACE_MAX;
use super::risk::{Risk, RiskReject};
use crate::types::{
    Amount, AssetId, Command, InstrumentId, LimitKey, Nanos, Ppb, StrategyId, VenueId,
};
use serde::{Deserialize, Serialize};

/// The limits. Those left at their default refuse everything, but for the optional ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskLimits {
    /// Largest value of one order, quote units.
    pub order_notional_max: Amount,
    /// How far a buy may be above the best ask, or a sell below the best bid.
    pub price_collar: Ppb,
    /// Oldest book that may be traded on.
    pub book_age_max_ns: u64,
    /// How long an order or a change may wait here, from its checks on, before it leaves: what it
    /// was checked against ages meanwhile. Then it is refused without having been sent. Optional.
    pub order_wait_max_ns: Option<u64>,
    /// Largest position of each underlying over all venues, working orders counted, base units.
    /// An underlying that is not named has no room.
    pub position_max: Vec<(AssetId, Amount)>,
    /// Most orders in `order_rate_window_ns`; more than 100 000 counts as that.
    pub order_rate_max: u32,
    /// Length of the sliding window for `order_rate_max`, and for that of each strategy.
    pub order_rate_window_ns: u64,
    /// Most orders that are not terminal.
    pub open_orders_max: u32,
    /// Largest position of single instruments, working orders counted, base units. Optional: one
    /// that is not named is limited by its underlying alone.
    pub instrument_position_max: Vec<(InstrumentId, Amount)>,
    /// Loss since 00:00 UTC in any quote asset, in its units, beyond which only reducing orders are
    /// allowed. Optional.
    pub daily_loss_max: Option<Amount>,
    /// The same for the loss since the highest profit.
    pub drawdown_max: Option<Amount>,
    /// Limits of single strategies by their number. Optional: those beyond the end have none.
    pub strategies: Vec<StrategyLimits>,
}

/// Limits of one strategy, all optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrategyLimits {
    /// Most orders in the window of [`RiskLimits::order_rate_window_ns`].
    pub order_rate_max: Option<u32>,
    /// Most orders that are not terminal.
    pub open_orders_max: Option<u32>,
    /// Capital at each venue, quote units; every quote asset counts as one. A venue that is not
    /// named is not limited.
    pub budgets: Vec<(VenueId, Amount)>,
    /// What is idle at one venue may be used at another.
    pub budget_rebalance: bool,
}

impl RiskLimits {
    /// Limits of a strategy, if it has any.
    pub(super) fn of(&self, strategy: StrategyId) -> Option<&StrategyLimits> {
        self.strategies.get(usize::from(strategy.0))
    }

    /// From when on an order that is checked now must not leave any more.
    pub(super) fn leave_by(&self, now: Nanos) -> Nanos {
        self.order_wait_max_ns.map_or(Command::WHENEVER, |wait| now.plus(wait))
    }

    fn of_mut(&mut self, strategy: StrategyId) -> &mut StrategyLimits {
        let index = usize::from(strategy.0);
        if self.strategies.len() <= index {
            self.strategies.resize_with(index + 1, StrategyLimits::default);
        }
        &mut self.strategies[index]
    }

    /// Whether a loss is watched.
    pub(super) fn watches_losses(&self) -> bool {
        self.daily_loss_max.is_some() || self.drawdown_max.is_some()
    }
}

impl Risk {
    /// Checks of the strategy's own limits, for so many more orders.
    pub(super) fn check_strategy(
        &mut self,
        strategy: StrategyId,
        count: usize,
        open: usize,
        now: Nanos,
    ) -> Result<(), RiskReject> {
        let Some(limits) = self.limits.of(strategy) else { return Ok(()) };
        if limits.open_orders_max.is_some_and(|max| open + count > max as usize) {
            return Err(RiskReject::StrategyOpenOrders);
        }
        let window = self.limits.order_rate_window_ns;
        if let (Some(max), Some(pace)) =
            (limits.order_rate_max, self.paces.get_mut(usize::from(strategy.0)))
            && !pace.has_room(count, max, window, now)
        {
            return Err(RiskReject::StrategyOrderRate);
        }
        Ok(())
    }
}

/// Parts per billion of a basis point.
const PPB_OF_BPS: i128 = 100_000;
const ONE: i128 = 10i128.pow(crate::types::AMOUNT_DECIMALS);

fn whole(count: u64) -> Amount {
    Amount(i128::from(count) * ONE)
}

/// The row of a key in a short list.
pub(super) fn find<K: Copy + PartialEq>(rows: &[(K, Amount)], key: K) -> Option<Amount> {
    rows.iter().find(|row| row.0 == key).map(|row| row.1)
}

fn put<K: Copy + PartialEq>(rows: &mut Vec<(K, Amount)>, key: K, value: Amount) {
    match rows.iter_mut().find(|row| row.0 == key) {
        Some(row) => row.1 = value,
        None => rows.push((key, value)),
    }
}

impl RiskLimits {
    /// In the unit of the limit's name; `None` if it is not set.
    pub(super) fn get(&self, key: LimitKey) -> Option<Amount> {
        let count = |max: Option<u32>| max.map(|max| whole(u64::from(max)));
        Some(match key {
            LimitKey::OrderNotionalMax => self.order_notional_max,
            LimitKey::PositionMax(asset) => return find(&self.position_max, asset),
            LimitKey::PriceCollarBps => {
                Amount(i128::from(self.price_collar.0) * (ONE / PPB_OF_BPS))
            }
            LimitKey::BookAgeMaxMs => whole(self.book_age_max_ns / 1_000_000),
            LimitKey::OrderWaitMaxMs => {
                return self.order_wait_max_ns.map(|ns| whole(ns / 1_000_000));
            }
            LimitKey::OrdersPerSecondMax => whole(u64::from(self.order_rate_max)),
            LimitKey::OrdersOpenMax => whole(u64::from(self.open_orders_max)),
            LimitKey::DailyLossMax => return self.daily_loss_max,
            LimitKey::DrawdownMax => return self.drawdown_max,
            LimitKey::InstrumentPositionMax(id) => return find(&self.instrument_position_max, id),
            LimitKey::StrategyOrdersPerSecondMax(id) => return count(self.of(id)?.order_rate_max),
            LimitKey::StrategyOrdersOpenMax(id) => return count(self.of(id)?.open_orders_max),
            LimitKey::Budget(id, venue) => return find(&self.of(id)?.budgets, venue),
        })
    }

    /// Whether a limit can have this value.
    pub(super) fn check(&self, key: LimitKey, value: Amount) -> Result<(), OperatorError> {
        let whole = |max: i128| value.0 % ONE == 0 && (1..=max).contains(&(value.0 / ONE));
        let good = match key {
            LimitKey::OrderNotionalMax | LimitKey::DailyLossMax | LimitKey::DrawdownMax => {
                value > Amount::ZERO
            }
            LimitKey::PositionMax(_)
            | LimitKey::InstrumentPositionMax(_)
            | LimitKey::Budget(..) => value >= Amount::ZERO,
            LimitKey::PriceCollarBps => {
                value.0 % (ONE / PPB_OF_BPS) == 0 && value.0 > 0 && value.0 <= 10_000 * ONE
            }
            LimitKey::BookAgeMaxMs => whole(1_000_000),
            LimitKey::OrderWaitMaxMs => whole(60_000),
            LimitKey::OrdersPerSecondMax | LimitKey::StrategyOrdersPerSecondMax(_) => {
                whole(i128::from(PACE_MAX))
            }
            LimitKey::OrdersOpenMax | LimitKey::StrategyOrdersOpenMax(_) => whole(4_096),
        };
        if good { Ok(()) } else { Err(OperatorError::BadValue) }
    }

    /// Takes a value that was checked.
    pub(super) fn set(&mut self, key: LimitKey, value: Amount) {
        let whole = (value.0 / ONE) as u32;
        match key {
            LimitKey::OrderNotionalMax => self.order_notional_max = value,
            LimitKey::PositionMax(asset) => put(&mut self.position_max, asset, value),
            LimitKey::PriceCollarBps => {
                self.price_collar = Ppb((value.0 / (ONE / PPB_OF_BPS)) as i64);
            }
            LimitKey::BookAgeMaxMs => self.book_age_max_ns = u64::from(whole) * 1_000_000,
            LimitKey::OrderWaitMaxMs => {
                self.order_wait_max_ns = Some(u64::from(whole) * 1_000_000);
            }
            LimitKey::OrdersPerSecondMax => self.order_rate_max = whole,
            LimitKey::OrdersOpenMax => self.open_orders_max = whole,
            LimitKey::DailyLossMax => self.daily_loss_max = Some(value),
            LimitKey::DrawdownMax => self.drawdown_max = Some(value),
            LimitKey::InstrumentPositionMax(id) => {
                put(&mut self.instrument_position_max, id, value);
            }
            LimitKey::StrategyOrdersPerSecondMax(id) => {
                self.of_mut(id).order_rate_max = Some(whole);
            }
            LimitKey::StrategyOrdersOpenMax(id) => self.of_mut(id).open_orders_max = Some(whole),
            LimitKey::Budget(id, venue) => put(&mut self.of_mut(id).budgets, venue, value),
        }
    }

    /// Makes a limit what it is where the file leaves it out. False if it cannot be left out, or would
    /// leave no room.
    pub(super) fn unset(&mut self, key: LimitKey) -> bool {
        match key {
            LimitKey::OrderNotionalMax
            | LimitKey::PositionMax(_)
            | LimitKey::PriceCollarBps
            | LimitKey::BookAgeMaxMs
            | LimitKey::OrdersPerSecondMax
            | LimitKey::OrdersOpenMax => return false,
            // Older journals hold this; nobody can ask for it any more.
            LimitKey::OrderWaitMaxMs => self.order_wait_max_ns = None,
            LimitKey::DailyLossMax => self.daily_loss_max = None,
            LimitKey::DrawdownMax => self.drawdown_max = None,
            LimitKey::InstrumentPositionMax(id) => {
                self.instrument_position_max.retain(|row| row.0 != id);
            }
            LimitKey::StrategyOrdersPerSecondMax(id) => self.of_mut(id).order_rate_max = None,
            LimitKey::StrategyOrdersOpenMax(id) => self.of_mut(id).open_orders_max = None,
            LimitKey::Budget(id, venue) => self.of_mut(id).budgets.retain(|row| row.0 != venue),
        }
        true
    }
}

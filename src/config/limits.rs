//! `[limits]` and the limits in `[[strategy]]`.

#![forbid(unsafe_code)]

use super::check::Checker;
use super::raw::{RawLimits, RawStrategy};
use super::{Config, ConfigError, InstrumentConfig, LimitsConfig};
use crate::types::VenueId;
use crate::venues::{self, InstrumentName};
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use toml::Spanned;

/// Limits of one strategy besides those of the engine; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StrategyLimitsConfig {
    /// New orders a second.
    pub orders_per_second_max: Option<u32>,
    /// Orders open at once.
    pub orders_open_max: Option<u32>,
    /// Capital at each venue, quote units; empty: not limited.
    pub budget: Vec<(VenueId, Decimal)>,
    /// What is idle at one venue may be used at another.
    pub budget_rebalance: bool,
}

/// What `order_wait_max_ms` is where it is not set.
const ORDER_WAIT_MAX_MS: u64 = 1_000;

impl Checker<'_> {
    pub(super) fn limits(
        &self,
        raw: RawLimits,
        instruments: &[InstrumentConfig],
    ) -> Result<LimitsConfig, ConfigError> {
        let mut position_max = BTreeMap::new();
        for (asset, limit) in raw.position_max.get_ref() {
            position_max.insert(asset.clone(), self.positive(limit, asset)?);
        }
        if let Some(missing) = instruments.iter().find(|i| !position_max.contains_key(&i.base)) {
            let message = format!("position_max has no limit for {}", missing.base);
            return Err(self.error(&raw.position_max, message));
        }
        let count = |value: &Spanned<i64>, key| self.in_range(value, 1, 1_000_000, key);
        Ok(LimitsConfig {
            order_notional_max: self.positive(&raw.order_notional_max, "order_notional_max")?,
            position_max,
            price_collar_bps: self.positive(&raw.price_collar_bps, "price_collar_bps")?,
            order_wait_max_ns: self.order_wait(raw.order_wait_max_ms.as_ref())?,
            book_age_max_ns: count(&raw.book_age_max_ms, "book_age_max_ms")? as u64 * 1_000_000,
            orders_per_second_max: count(&raw.orders_per_second_max, "orders_per_second_max")?
                as u32,
            orders_open_max: self.in_range(&raw.orders_open_max, 1, 4096, "orders_open_max")?
                as u32,
            instrument_position_max: self.instrument_limits(&raw, instruments)?,
            daily_loss_max: self.optional(raw.daily_loss_max.as_ref(), "daily_loss_max")?,
            drawdown_max: self.optional(raw.drawdown_max.as_ref(), "drawdown_max")?,
        })
    }

    fn order_wait(&self, milliseconds: Option<&Spanned<i64>>) -> Result<u64, ConfigError> {
        let milliseconds = match milliseconds {
            Some(value) => self.in_range(value, 1, 60_000, "order_wait_max_ms")? as u64,
            None => ORDER_WAIT_MAX_MS,
        };
        Ok(milliseconds * 1_000_000)
    }

    fn optional(
        &self,
        value: Option<&Spanned<Decimal>>,
        key: &str,
    ) -> Result<Option<Decimal>, ConfigError> {
        value.map(|value| self.positive(value, key)).transpose()
    }

    fn instrument_limits(
        &self,
        raw: &RawLimits,
        instruments: &[InstrumentConfig],
    ) -> Result<BTreeMap<String, Decimal>, ConfigError> {
        let mut limits = BTreeMap::new();
        for (name, limit) in &raw.instrument_position_max {
            self.known_instrument(name, instruments)?;
            limits.insert(name.get_ref().clone(), self.positive(limit, name.get_ref())?);
        }
        Ok(limits)
    }

    pub(super) fn strategy_limits(
        &self,
        raw: &RawStrategy,
    ) -> Result<StrategyLimitsConfig, ConfigError> {
        let count = |value: Option<&Spanned<i64>>, max, key| {
            let count = value.map(|value| self.in_range(value, 1, max, key)).transpose();
            count.map(|count| count.map(|count| count as u32))
        };
        let rate = raw.orders_per_second_max.as_ref();
        let budget = self.budget(raw)?;
        let rebalance = raw.budget_rebalance.as_ref();
        if let Some(switch) = rebalance.filter(|switch| *switch.get_ref() && budget.len() < 2) {
            let message = "budget_rebalance needs a budget at two venues or more".to_owned();
            return Err(self.error(switch, message));
        }
        Ok(StrategyLimitsConfig {
            orders_per_second_max: count(rate, 100_000, "orders_per_second_max")?,
            orders_open_max: count(raw.orders_open_max.as_ref(), 4096, "orders_open_max")?,
            budget,
            budget_rebalance: rebalance.is_some_and(|switch| *switch.get_ref()),
        })
    }

    /// A budget names every venue that the strategy trades at: one that it forgets is not meant to
    /// be unlimited.
    fn budget(&self, raw: &RawStrategy) -> Result<Vec<(VenueId, Decimal)>, ConfigError> {
        let Some(budget) = &raw.budget else { return Ok(Vec::new()) };
        let mut rows = Vec::new();
        for (name, value) in budget.get_ref() {
            let venue = self.venue(name.get_ref(), name)?;
            rows.push((venue, self.positive(value, name.get_ref())?));
        }
        for instrument in raw.instruments.get_ref() {
            let name = InstrumentName::parse(instrument.get_ref());
            let Some(Ok(venue)) = name.map(|name| venues::find_for(&name)) else { continue };
            if !rows.iter().any(|(known, _)| venue == *known) {
                let venue = venues::VENUES[usize::from(venue.0)].name;
                let message = format!("budget has no entry for \"{venue}\"");
                return Err(self.error(budget, message));
            }
        }
        rows.sort_by_key(|row| row.0);
        Ok(rows)
    }
}

impl Config {
    /// The optional limits that are not set, in one line for people; `None` if all are.
    #[must_use]
    pub fn not_limited(&self) -> Option<String> {
        let mut missing = Vec::new();
        if self.limits.daily_loss_max.is_none() {
            missing.push("loss of a day (daily_loss_max)".to_owned());
        }
        if self.limits.drawdown_max.is_none() {
            missing.push("drawdown (drawdown_max)".to_owned());
        }
        for strategy in self.strategies.iter().filter(|row| row.limits.budget.is_empty()) {
            missing.push(format!("capital of strategy {} (budget)", strategy.name));
        }
        (!missing.is_empty()).then(|| format!("not limited: {}", missing.join(", ")))
    }
}

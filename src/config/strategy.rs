//! `[[strategy]]`: the built-in kinds and their options.

#![forbid(unsafe_code)]

use super::check::Checker;
use super::raw::RawStrategy;
use super::{ConfigError, ContractConfig, Place, StrategyConfig};
use crate::types::Interval;
use rust_decimal::Decimal;
use toml::Spanned;

/// Built-in strategies and their options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StrategyKind {
    /// See [`crate::strategy::SpreadArb`].
    SpreadArb {
        /// Smallest gap, basis points.
        spread_min_bps: Decimal,
        /// What all of them share.
        legs: LegsConfig,
    },
    /// See [`crate::strategy::Basis`].
    Basis {
        /// Smallest edge to enter with, basis points.
        entry_bps: Decimal,
        /// Largest edge to leave with, basis points.
        exit_bps: Decimal,
        /// How long a position is expected to be held.
        funding_horizon_ns: u64,
        /// Oldest funding rate to enter on.
        funding_age_max_ns: u64,
        /// Largest position, base units.
        qty_max: Decimal,
        /// What all of them share.
        legs: LegsConfig,
    },
    /// One that the program brings, under this name.
    Own,
    /// Another program runs it.
    Foreign,
    /// See [`crate::strategy::RsiStrategy`].
    Rsi {
        /// Length of its klines.
        interval: Interval,
        /// Changes that the index is over.
        period: usize,
        /// Buys below this, 0 to 100.
        buy_below: Decimal,
        /// Sells above this, 0 to 100.
        sell_above: Decimal,
        /// How much it buys, base units.
        qty: Decimal,
    },
}

/// What strategies of two legs share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegsConfig {
    /// Quantity of each leg, base units.
    pub qty: Decimal,
    /// Pause after a signal.
    pub cooldown_ns: u64,
    /// What holds between the legs.
    pub contract: ContractConfig,
    /// Prices in different quote assets are compared as if those were one.
    pub equal_quotes: bool,
}

/// Where quantities stand in the file: whether they can be held is known only with the instruments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StrategyPlaces {
    /// `qty`
    pub qty: Place,
    /// `naked_qty_max`, or the strategy's kind where there is none.
    pub naked_qty_max: Place,
    /// `qty_max`, likewise.
    pub qty_max: Place,
    /// `instruments`
    pub instruments: Place,
    /// `command`, likewise.
    pub command: Place,
}

const KINDS: [&str; 3] = ["spread_arb", "basis", "rsi"];
/// Instruments of one spread_arb: every book that changes is compared with all others.
const SPREAD_ARB_MAX: usize = 16;
const HOUR_MS: i64 = 3_600_000;
const FUNDING_AGE_MAX_S: i64 = 120;
/// Of the index, where the file says nothing; more than the longest would need more klines than there are.
const RSI_PERIOD: i64 = 14;
const RSI_PERIOD_MAX: i64 = 250;

impl Checker<'_> {
    pub(super) fn strategy(
        &self,
        name: String,
        raw: RawStrategy,
    ) -> Result<StrategyConfig, ConfigError> {
        let run = self.run(&raw)?;
        let kind = self.kind(&name, &raw, run.is_foreign())?;
        let limits = self.strategy_limits(&raw)?;
        let params = self.params(&raw)?;
        let named = raw.kind.as_ref().unwrap_or(&raw.name).span();
        let place = |value: Option<&Spanned<Decimal>>| {
            let span = value.map_or(named.clone(), Spanned::span);
            self.source.place(span.start)
        };
        let places = StrategyPlaces {
            qty: place(Some(&raw.qty)),
            naked_qty_max: place(raw.naked_qty_max.as_ref()),
            qty_max: place(raw.qty_max.as_ref()),
            instruments: self.source.place(raw.instruments.span().start),
            command: self
                .source
                .place(raw.command.as_ref().map_or(named.start, |at| at.span().start)),
        };
        let instruments = raw.instruments.into_inner();
        let instruments = instruments.into_iter().map(Spanned::into_inner).collect();
        Ok(StrategyConfig { name, kind, run, instruments, params, limits, places })
    }

    fn kind(
        &self,
        name: &str,
        raw: &RawStrategy,
        foreign: bool,
    ) -> Result<StrategyKind, ConfigError> {
        let own = self.own.contains(&name);
        let Some(kind) = &raw.kind else {
            if !own && !foreign {
                let message = format!(
                    "\"{name}\" needs a kind ({}), or a command that runs it: no strategy of this \
                     name is the program's own",
                    super::error::list(&KINDS)
                );
                return Err(self.error(&raw.name, message));
            }
            self.no_options(name, raw)?;
            return Ok(if foreign { StrategyKind::Foreign } else { StrategyKind::Own });
        };
        if own {
            let message = format!(
                "two strategies are named \"{name}\": the program brings one, which needs no kind"
            );
            return Err(self.error(&raw.name, message));
        }
        if foreign {
            let message = format!("\"{name}\" needs no kind: its command runs it");
            return Err(self.error(kind, message));
        }
        for (span, key) in [(raw.instruments.span(), "instruments"), (raw.qty.span(), "qty")] {
            if span.end == 0 {
                return Err(self.error(kind, format!("{} needs {key}", kind.get_ref())));
            }
        }
        match kind.get_ref().as_str() {
            "spread_arb" => self.spread_arb(raw),
            "basis" => self.basis(raw),
            "rsi" => self.rsi(raw),
            other => Err(self.error(kind, self.one_of("kind", other, &KINDS))),
        }
    }

    /// Options of the built-in kinds are none of others, which have parameters.
    fn no_options(&self, name: &str, raw: &RawStrategy) -> Result<(), ConfigError> {
        let given = |span: std::ops::Range<usize>| (span.end > 0).then_some(span);
        let shared =
            [(given(raw.instruments.span()), "instruments"), (given(raw.qty.span()), "qty")];
        for (span, key) in shared.into_iter().chain(of_pairs(raw)).chain(of_klines(raw)) {
            if let Some(span) = span {
                let message = format!(
                    "{key} is an option of the built-in kinds; \"{name}\" has [strategy.params]"
                );
                return Err(self.error(&Spanned::new(span, ()), message));
            }
        }
        Ok(())
    }

    fn spread_arb(&self, raw: &RawStrategy) -> Result<StrategyKind, ConfigError> {
        if !(2..=SPREAD_ARB_MAX).contains(&raw.instruments.get_ref().len()) {
            let message = format!("spread_arb needs 2 to {SPREAD_ARB_MAX} instruments");
            return Err(self.error(&raw.instruments, message));
        }
        let foreign = [
            (raw.entry_bps.as_ref().map(Spanned::span), "entry_bps"),
            (raw.exit_bps.as_ref().map(Spanned::span), "exit_bps"),
            (raw.qty_max.as_ref().map(Spanned::span), "qty_max"),
            (raw.funding_horizon_h.as_ref().map(Spanned::span), "funding_horizon_h"),
            (raw.funding_age_max_s.as_ref().map(Spanned::span), "funding_age_max_s"),
        ];
        self.none_of(raw, &foreign)?;
        self.none_of(raw, &of_klines(raw))?;
        let spread = self.needed(raw, raw.spread_min_bps.as_ref(), "spread_min_bps")?;
        let spread_min_bps = self.positive(spread, "spread_min_bps")?;
        Ok(StrategyKind::SpreadArb { spread_min_bps, legs: self.legs(raw)? })
    }

    fn basis(&self, raw: &RawStrategy) -> Result<StrategyKind, ConfigError> {
        if raw.instruments.get_ref().len() != 2 {
            let message =
                "basis needs exactly two instruments: spot, then the perpetual".to_owned();
            return Err(self.error(&raw.instruments, message));
        }
        let spread = raw.spread_min_bps.as_ref().map(Spanned::span);
        self.none_of(raw, &[(spread, "spread_min_bps")])?;
        self.none_of(raw, &of_klines(raw))?;
        let entry = self.needed(raw, raw.entry_bps.as_ref(), "entry_bps")?;
        let exit = self.needed(raw, raw.exit_bps.as_ref(), "exit_bps")?;
        if exit.get_ref() >= entry.get_ref() {
            let message = "exit_bps must be below entry_bps".to_owned();
            return Err(self.error(exit, message));
        }
        let qty_max = self.needed(raw, raw.qty_max.as_ref(), "qty_max")?;
        if qty_max.get_ref() < raw.qty.get_ref() {
            return Err(self.error(qty_max, "qty_max must not be below qty".to_owned()));
        }
        let hours = match &raw.funding_horizon_h {
            Some(hours) => self.in_range(hours, 0, 24 * 365, "funding_horizon_h")?,
            None => 0,
        };
        let age = match &raw.funding_age_max_s {
            Some(age) => self.in_range(age, 1, 86_400, "funding_age_max_s")?,
            None => FUNDING_AGE_MAX_S,
        };
        Ok(StrategyKind::Basis {
            entry_bps: *entry.get_ref(),
            exit_bps: *exit.get_ref(),
            funding_horizon_ns: (hours * HOUR_MS) as u64 * 1_000_000,
            funding_age_max_ns: age as u64 * 1_000_000_000,
            qty_max: self.positive(qty_max, "qty_max")?,
            legs: self.legs(raw)?,
        })
    }

    fn rsi(&self, raw: &RawStrategy) -> Result<StrategyKind, ConfigError> {
        if raw.instruments.get_ref().len() != 1 {
            return Err(self.error(&raw.instruments, "rsi needs exactly one instrument".to_owned()));
        }
        self.none_of(raw, &of_pairs(raw))?;
        let klines = self.needed(raw, raw.klines.as_ref(), "klines")?;
        let intervals = self.intervals(klines)?;
        let [interval] = intervals.as_slice() else {
            let message = "rsi needs klines of exactly one interval".to_owned();
            return Err(self.error(klines, message));
        };
        let period = match &raw.rsi_period {
            Some(period) => self.in_range(period, 1, RSI_PERIOD_MAX, "rsi_period")?,
            None => RSI_PERIOD,
        };
        let (low, high) = (raw.buy_below.as_ref(), raw.sell_above.as_ref());
        let buy_below = low.map_or(Decimal::from(30), |level| *level.get_ref());
        let sell_above = high.map_or(Decimal::from(70), |level| *level.get_ref());
        let hundred = Decimal::from(100);
        if buy_below >= sell_above || buy_below.is_sign_negative() || sell_above > hundred {
            let message = "buy_below must be below sell_above, and both from 0 to 100".to_owned();
            let place =
                high.or(low).map_or(raw.kind.as_ref().unwrap_or(&raw.name).span(), Spanned::span);
            return Err(self.error(&Spanned::new(place, ()), message));
        }
        let qty = self.positive(&raw.qty, "qty")?;
        let (interval, period) = (*interval, period as usize);
        Ok(StrategyKind::Rsi { interval, period, buy_below, sell_above, qty })
    }

    /// Lengths of klines by their names.
    fn intervals(
        &self,
        klines: &Spanned<Vec<Spanned<String>>>,
    ) -> Result<Vec<Interval>, ConfigError> {
        let one = |name: &Spanned<String>| {
            let text = name.get_ref().as_str();
            let known = Interval::ALL.map(Interval::name);
            Interval::parse(text)
                .ok_or_else(|| self.error(name, self.one_of("klines", text, &known)))
        };
        klines.get_ref().iter().map(one).collect()
    }

    fn legs(&self, raw: &RawStrategy) -> Result<LegsConfig, ConfigError> {
        let cooldown = self.needed(raw, raw.cooldown_ms.as_ref(), "cooldown_ms")?;
        let cooldown_ms = self.in_range(cooldown, 0, HOUR_MS, "cooldown_ms")?;
        Ok(LegsConfig {
            qty: self.positive(&raw.qty, "qty")?,
            cooldown_ns: cooldown_ms as u64 * 1_000_000,
            contract: self.contract(raw)?,
            equal_quotes: raw.equal_quotes.as_ref().is_some_and(|equal| *equal.get_ref()),
        })
    }

    /// An option that this kind cannot do without.
    fn needed<'r, T>(
        &self,
        raw: &RawStrategy,
        value: Option<&'r Spanned<T>>,
        key: &str,
    ) -> Result<&'r Spanned<T>, ConfigError> {
        let kind = raw.kind.as_ref().unwrap_or(&raw.name);
        value.ok_or_else(|| self.error(kind, format!("{} needs {key}", kind.get_ref())))
    }

    /// Options of other kinds are mistakes.
    fn none_of(&self, raw: &RawStrategy, foreign: &[Given]) -> Result<(), ConfigError> {
        for (span, key) in foreign {
            if let Some(span) = span {
                let kind = raw.kind.as_ref().unwrap_or(&raw.name).get_ref();
                let message = format!("{key} is not an option of {kind}");
                return Err(self.error(&Spanned::new(span.clone(), ()), message));
            }
        }
        Ok(())
    }
}

/// Where an option stands, if it does, and its name.
pub(super) type Given = (Option<std::ops::Range<usize>>, &'static str);

/// Options of strategies on klines.
fn of_klines(raw: &RawStrategy) -> [Given; 4] {
    [
        (raw.klines.as_ref().map(Spanned::span), "klines"),
        (raw.rsi_period.as_ref().map(Spanned::span), "rsi_period"),
        (raw.buy_below.as_ref().map(Spanned::span), "buy_below"),
        (raw.sell_above.as_ref().map(Spanned::span), "sell_above"),
    ]
}

/// Options of strategies of two legs.
fn of_pairs(raw: &RawStrategy) -> [Given; 13] {
    [
        (raw.spread_min_bps.as_ref().map(Spanned::span), "spread_min_bps"),
        (raw.entry_bps.as_ref().map(Spanned::span), "entry_bps"),
        (raw.exit_bps.as_ref().map(Spanned::span), "exit_bps"),
        (raw.qty_max.as_ref().map(Spanned::span), "qty_max"),
        (raw.funding_horizon_h.as_ref().map(Spanned::span), "funding_horizon_h"),
        (raw.funding_age_max_s.as_ref().map(Spanned::span), "funding_age_max_s"),
        (raw.equal_quotes.as_ref().map(Spanned::span), "equal_quotes"),
        (raw.cooldown_ms.as_ref().map(Spanned::span), "cooldown_ms"),
        (raw.legs.as_ref().map(Spanned::span), "legs"),
        (raw.naked_qty_max.as_ref().map(Spanned::span), "naked_qty_max"),
        (raw.naked_ms_max.as_ref().map(Spanned::span), "naked_ms_max"),
        (raw.on_breach.as_ref().map(Spanned::span), "on_breach"),
        (raw.slippage_max_bps.as_ref().map(Spanned::span), "slippage_max_bps"),
    ]
}

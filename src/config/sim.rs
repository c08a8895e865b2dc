//! `[sim]`: the embedded venues, what moves their books, and what breaks.

#![forbid(unsafe_code)]

use super::ConfigError;
use super::check::Checker;
use super::raw::{RawFault, RawSim};
use crate::types::VenueId;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use toml::Spanned;

/// The embedded venues.
#[derive(Clone, Debug, PartialEq)]
pub struct SimConfig {
    /// Seed of the order flow.
    pub seed: u64,
    /// Fee ratio when resting.
    pub maker_fee: Decimal,
    /// Fee ratio when crossing.
    pub taker_fee: Decimal,
    /// Asset to balance at each venue.
    pub balances: BTreeMap<String, Decimal>,
    /// Time between payments of funding; as each venue has it where it is not given.
    pub funding_every_s: Option<u64>,
    /// Recorded frames to replay.
    pub capture: Option<PathBuf>,
    /// Venue that was recorded.
    pub capture_venue: Option<VenueId>,
    /// Multiple of the recorded speed, 0 for as fast as it is read.
    pub speed: f64,
    /// How far the derived venue follows behind.
    pub lag_ms: u64,
    /// How often one venue's bid goes above the other's ask.
    pub spreads_per_second: f64,
    /// By how much, smallest and largest, basis points.
    pub spread_bps: [f64; 2],
    /// For how long, shortest and longest, milliseconds.
    pub spread_ms: [f64; 2],
    /// Things that break.
    pub faults: Vec<FaultConfig>,
}

/// One thing that breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultConfig {
    /// When, after the start.
    pub after_ns: u64,
    /// Where.
    pub venue: VenueId,
    /// What: one of [`FAULT_KINDS`].
    pub kind: String,
}

/// Kinds of `[[sim.fault]]`.
pub const FAULT_KINDS: &[&str] = &[
    "cut",
    "cut_messages",
    "shutdown",
    "restart",
    "restart_without_orders",
    "skip_book_event",
    "stale_snapshot",
    "clock_ahead_5s",
    "lose_replies",
    "fail_replies",
    "repeat_events",
    "reset_books",
    "ban_10s",
];

impl Checker<'_> {
    pub(super) fn sim(
        &self,
        raw: RawSim,
        used: &BTreeSet<VenueId>,
    ) -> Result<SimConfig, ConfigError> {
        let capture_venue = match &raw.flow.capture_venue {
            Some(name) => Some(self.venue(name.get_ref(), name)?),
            None => None,
        };
        let mut faults = Vec::new();
        for fault in &raw.fault {
            faults.push(self.fault(fault, used)?);
        }
        let funding_every_s = match &raw.funding_every_s {
            Some(every) => Some(self.in_range(every, 1, 86_400, "funding_every_s")? as u64),
            None => None,
        };
        let flow = &raw.flow;
        self.number(&flow.speed, 1e6, "speed")?;
        self.number(&flow.spreads_per_second, 1000.0, "spreads_per_second")?;
        self.span(&flow.spread_bps, 1000.0, "spread_bps")?;
        self.span(&flow.spread_ms, 60_000.0, "spread_ms")?;
        Ok(SimConfig {
            seed: raw.seed,
            maker_fee: self.fee(&raw.maker_fee_bps, "maker_fee_bps")?,
            taker_fee: self.fee(&raw.taker_fee_bps, "taker_fee_bps")?,
            balances: self.balances(&raw.balances)?,
            funding_every_s,
            capture: raw.flow.capture,
            capture_venue,
            speed: *raw.flow.speed.get_ref(),
            lag_ms: self.in_range(&raw.flow.lag_ms, 0, 60_000, "lag_ms")? as u64,
            spreads_per_second: *raw.flow.spreads_per_second.get_ref(),
            spread_bps: *raw.flow.spread_bps.get_ref(),
            spread_ms: *raw.flow.spread_ms.get_ref(),
            faults,
        })
    }

    fn balances(
        &self,
        raw: &BTreeMap<String, Spanned<Decimal>>,
    ) -> Result<BTreeMap<String, Decimal>, ConfigError> {
        let checked = raw.iter().map(|(asset, value)| {
            let sum = *value.get_ref();
            match sum >= Decimal::ZERO {
                true => Ok((asset.clone(), sum)),
                false => {
                    Err(self.error(value, format!("balances.{asset} = {sum} must not be below 0")))
                }
            }
        });
        checked.collect()
    }

    fn number(&self, value: &Spanned<f64>, max: f64, key: &str) -> Result<(), ConfigError> {
        let number = *value.get_ref();
        if number.is_finite() && (0.0..=max).contains(&number) {
            return Ok(());
        }
        Err(self.error(value, format!("{key} = {number} must be from 0 to {max}")))
    }

    fn span(&self, value: &Spanned<[f64; 2]>, max: f64, key: &str) -> Result<(), ConfigError> {
        let [from, to] = *value.get_ref();
        if from > 0.0 && from <= to && to <= max {
            return Ok(());
        }
        let text = format!("{key} must be two numbers, ascending, above 0 and up to {max}");
        Err(self.error(value, text))
    }

    fn fault(&self, raw: &RawFault, used: &BTreeSet<VenueId>) -> Result<FaultConfig, ConfigError> {
        let venue = self.venue(raw.venue.get_ref(), &raw.venue)?;
        if !used.contains(&venue) {
            let message = format!("no instrument of \"{}\" is configured", raw.venue.get_ref());
            return Err(self.error(&raw.venue, message));
        }
        let kind = raw.kind.get_ref();
        if !FAULT_KINDS.contains(&kind.as_str()) {
            return Err(self.error(&raw.kind, self.one_of("kind", kind, FAULT_KINDS)));
        }
        let after_s = self.in_range(&raw.after_s, 0, 1_000_000, "after_s")? as u64;
        Ok(FaultConfig { after_ns: after_s * 1_000_000_000, venue, kind: kind.clone() })
    }
}

//! `[paper]`: what of the venues' own market the embedded ones cannot know.

#![forbid(unsafe_code)]

use super::ConfigError;
use super::check::Checker;
use rust_decimal::Decimal;
use serde::Deserialize;
use toml::Spanned;

/// Embedded venues that follow the real ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaperConfig {
    /// How long an order is on its way to be matched, ns.
    pub latency_ns: u64,
    /// Up to this much longer, at random, ns.
    pub jitter_ns: u64,
    /// Older marks decide nothing, ns.
    pub mark_age_max_ns: u64,
    /// Fee ratio when resting; that of the venue's base tier where it is not given.
    pub maker_fee: Option<Decimal>,
    /// Fee ratio when crossing, likewise.
    pub taker_fee: Option<Decimal>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPaper {
    latency_us: Spanned<i64>,
    jitter_us: Spanned<i64>,
    mark_age_max_ms: Spanned<i64>,
    maker_fee_bps: Option<Spanned<Decimal>>,
    taker_fee_bps: Option<Spanned<Decimal>>,
}

impl Default for RawPaper {
    fn default() -> Self {
        Self {
            latency_us: Spanned::new(0..0, 2_000),
            jitter_us: Spanned::new(0..0, 500),
            mark_age_max_ms: Spanned::new(0..0, 30_000),
            maker_fee_bps: None,
            taker_fee_bps: None,
        }
    }
}

impl Checker<'_> {
    pub(super) fn paper(&self, raw: &RawPaper) -> Result<PaperConfig, ConfigError> {
        let fee = |bps: &Option<Spanned<Decimal>>, key: &str| {
            let ratio = |bps: &Spanned<Decimal>| self.fee(bps, key);
            bps.as_ref().map(ratio).transpose()
        };
        Ok(PaperConfig {
            latency_ns: self.in_range(&raw.latency_us, 0, 10_000_000, "latency_us")? as u64 * 1_000,
            jitter_ns: self.in_range(&raw.jitter_us, 0, 10_000_000, "jitter_us")? as u64 * 1_000,
            // Venues repeat a mark that does not change every ten seconds or sooner.
            mark_age_max_ns: self.in_range(
                &raw.mark_age_max_ms,
                10_000,
                3_600_000,
                "mark_age_max_ms",
            )? as u64
                * 1_000_000,
            maker_fee: fee(&raw.maker_fee_bps, "maker_fee_bps")?,
            taker_fee: fee(&raw.taker_fee_bps, "taker_fee_bps")?,
        })
    }

    /// A rebate is below zero.
    pub(super) fn fee(&self, bps: &Spanned<Decimal>, key: &str) -> Result<Decimal, ConfigError> {
        let (number, most) = (*bps.get_ref(), Decimal::ONE_HUNDRED);
        if (-most..=most).contains(&number) {
            return Ok(number / Decimal::from(10_000));
        }
        Err(self.error(bps, format!("{key} = {number} must be from -100 to 100")))
    }
}

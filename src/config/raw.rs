//! The shape of `engine.toml` as serde reads it. Values that can be wrong in themselves carry their
//! place in the file.

use super::SecretSource;
use super::host::RawHost;
use super::journal::RawJournal;
use super::log::RawLog;
use super::metrics::RawMetrics;
use super::paper::RawPaper;
use rust_decimal::Decimal;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub mode: Spanned<String>,
    #[serde(default)]
    pub armed: bool,
    pub instruments: Vec<Spanned<String>>,
    #[serde(default)]
    pub watchlist: Vec<Spanned<String>>,
    #[serde(default)]
    pub extra_ca: Vec<PathBuf>,
    pub account: Option<Spanned<String>>,
    pub credentials_file: Option<PathBuf>,
    #[serde(default)]
    pub credentials: BTreeMap<Spanned<String>, BTreeMap<Spanned<String>, RawKeys>>,
    pub engine: RawEngine,
    #[serde(default)]
    pub thread: Vec<RawThread>,
    #[serde(default)]
    pub strategy: Vec<RawStrategy>,
    pub limits: RawLimits,
    #[serde(default)]
    pub journal: RawJournal,
    #[serde(default)]
    pub host: RawHost,
    pub metrics: Option<RawMetrics>,
    pub log: Option<RawLog>,
    #[serde(default)]
    pub latency: RawLatency,
    #[serde(default)]
    pub venue: BTreeMap<Spanned<String>, RawVenue>,
    #[serde(default)]
    pub sim: RawSim,
    #[serde(default)]
    pub paper: RawPaper,
}

impl Raw {
    /// Strategies that it has as a program's own: with neither kind nor command, or with a thread alone.
    pub(super) fn named_as_own(&self) -> Vec<String> {
        let rows = self.strategy.iter().map(|row| (row.name.get_ref().as_str(), row));
        let own = rows.filter(|(_, row)| row.kind.is_none() && row.command.is_none());
        let stands =
            |name: &&str| self.strategy.iter().any(|strategy| strategy.name.get_ref() == name);
        let agents = self.thread.iter().flat_map(|thread| thread.runs.get_ref());
        let threads = agents.filter_map(|agent| agent.get_ref().strip_prefix("strategy:"));
        let threads = threads.filter(|name| !stands(name));
        // Each once: an agent that stands in two threads is one, and wrong.
        let names: BTreeSet<&str> = own.map(|(name, _)| name).chain(threads).collect();
        names.into_iter().map(str::to_owned).collect()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEngine {
    pub name: Spanned<String>,
    pub depth: Spanned<i64>,
    pub idle: Spanned<String>,
    pub reconcile_every_s: Option<Spanned<i64>>,
    pub kill_file: Option<Spanned<PathBuf>>,
    pub strategy_silence_max_ms: Option<Spanned<i64>>,
    pub rules_refresh_s: Option<Spanned<i64>>,
    pub crash_folder: Option<Spanned<PathBuf>>,
    pub output_folder: Option<Spanned<PathBuf>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawThread {
    pub core: Option<Spanned<i64>>,
    pub idle: Option<Spanned<String>>,
    pub runs: Spanned<Vec<Spanned<String>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStrategy {
    pub name: Spanned<String>,
    pub kind: Option<Spanned<String>>,
    pub run: Option<Spanned<String>>,
    pub command: Option<Spanned<Vec<String>>>,
    pub restart: Option<Spanned<String>>,
    pub restart_after_ms: Option<Spanned<i64>>,
    pub restarts_per_hour_max: Option<Spanned<i64>>,
    pub after_restart: Option<Spanned<String>>,
    #[serde(default)]
    pub params: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
    #[serde(default = "not_given")]
    pub instruments: Spanned<Vec<Spanned<String>>>,
    pub spread_min_bps: Option<Spanned<Decimal>>,
    pub entry_bps: Option<Spanned<Decimal>>,
    pub exit_bps: Option<Spanned<Decimal>>,
    pub qty_max: Option<Spanned<Decimal>>,
    pub funding_horizon_h: Option<Spanned<i64>>,
    pub funding_age_max_s: Option<Spanned<i64>>,
    pub equal_quotes: Option<Spanned<bool>>,
    pub klines: Option<Spanned<Vec<Spanned<String>>>>,
    pub rsi_period: Option<Spanned<i64>>,
    pub buy_below: Option<Spanned<Decimal>>,
    pub sell_above: Option<Spanned<Decimal>>,
    #[serde(default = "not_given")]
    pub qty: Spanned<Decimal>,
    pub cooldown_ms: Option<Spanned<i64>>,
    pub legs: Option<Spanned<String>>,
    pub naked_qty_max: Option<Spanned<Decimal>>,
    pub naked_ms_max: Option<Spanned<i64>>,
    pub on_breach: Option<Spanned<String>>,
    pub slippage_max_bps: Option<Spanned<Decimal>>,
    pub orders_per_second_max: Option<Spanned<i64>>,
    pub orders_open_max: Option<Spanned<i64>>,
    pub budget: Option<Spanned<BTreeMap<Spanned<String>, Spanned<Decimal>>>>,
    pub budget_rebalance: Option<Spanned<bool>>,
}

/// What stands nowhere in the file: only some kinds of strategies need it.
fn not_given<T: Default>() -> Spanned<T> {
    Spanned::new(0..0, T::default())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimits {
    pub order_notional_max: Spanned<Decimal>,
    pub position_max: Spanned<BTreeMap<String, Spanned<Decimal>>>,
    pub price_collar_bps: Spanned<Decimal>,
    pub book_age_max_ms: Spanned<i64>,
    pub order_wait_max_ms: Option<Spanned<i64>>,
    pub orders_per_second_max: Spanned<i64>,
    pub orders_open_max: Spanned<i64>,
    pub daily_loss_max: Option<Spanned<Decimal>>,
    pub drawdown_max: Option<Spanned<Decimal>>,
    #[serde(default)]
    pub instrument_position_max: BTreeMap<Spanned<String>, Spanned<Decimal>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLatency {
    pub detail: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawKeys {
    pub api_key: Option<RawSecret>,
    pub api_secret: Option<RawSecret>,
    pub passphrase: Option<RawSecret>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawVenue {
    pub account: Option<Spanned<String>>,
    pub api_key: Option<RawSecret>,
    pub api_secret: Option<RawSecret>,
    pub passphrase: Option<RawSecret>,
    pub orders: Option<Spanned<String>>,
    pub order_connections: Option<Spanned<i64>>,
    pub feed_connections: Option<Spanned<i64>>,
    pub recv_window_ms: Option<Spanned<i64>>,
    pub rest: Option<Spanned<String>>,
    pub public: Option<Spanned<String>>,
    pub trade: Option<Spanned<String>>,
    pub private: Option<Spanned<String>>,
    pub dead_man_switch_s: Option<Spanned<i64>>,
    pub prepared_nonces: Option<Spanned<i64>>,
    pub leverage: Option<Spanned<i64>>,
    pub margin_mode: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub(super) enum RawSecret {
    Env(String),
    File(PathBuf),
}

impl From<RawSecret> for SecretSource {
    fn from(raw: RawSecret) -> Self {
        match raw {
            RawSecret::Env(name) => Self::Env(name),
            RawSecret::File(path) => Self::File(path),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSim {
    pub seed: u64,
    pub maker_fee_bps: Spanned<Decimal>,
    pub taker_fee_bps: Spanned<Decimal>,
    pub balances: BTreeMap<String, Spanned<Decimal>>,
    pub funding_every_s: Option<Spanned<i64>>,
    pub flow: RawFlow,
    pub fault: Vec<RawFault>,
}

impl Default for RawSim {
    fn default() -> Self {
        let balances = [("BTC", 100), ("ETH", 2_000), ("USDT", 10_000_000)];
        Self {
            seed: 7,
            maker_fee_bps: Spanned::new(0..0, Decimal::from(1)),
            taker_fee_bps: Spanned::new(0..0, Decimal::from(2)),
            balances: balances
                .map(|(asset, sum)| (asset.to_owned(), Spanned::new(0..0, Decimal::from(sum))))
                .into(),
            funding_every_s: None,
            flow: RawFlow::default(),
            fault: Vec::new(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawFlow {
    pub capture: Option<PathBuf>,
    pub capture_venue: Option<Spanned<String>>,
    pub speed: Spanned<f64>,
    pub lag_ms: Spanned<i64>,
    pub spreads_per_second: Spanned<f64>,
    pub spread_bps: Spanned<[f64; 2]>,
    pub spread_ms: Spanned<[f64; 2]>,
}

impl Default for RawFlow {
    fn default() -> Self {
        Self {
            capture: None,
            capture_venue: None,
            speed: Spanned::new(0..0, 1.0),
            lag_ms: Spanned::new(0..0, 40),
            spreads_per_second: Spanned::new(0..0, 18.0),
            spread_bps: Spanned::new(0..0, [5.0, 20.0]),
            spread_ms: Spanned::new(0..0, [30.0, 70.0]),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFault {
    pub after_s: Spanned<i64>,
    pub venue: Spanned<String>,
    pub kind: Spanned<String>,
}

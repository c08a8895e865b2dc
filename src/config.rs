//! `engine.toml`: read once, checked once, every complaint with file, line and column.
//!
//! Nothing here opens a socket or knows a venue's rules; whether an instrument exists is the
//! venue's to say and is checked when its rules are loaded.

#![forbid(unsafe_code)]

mod accounts;
mod check;
mod contract;
mod error;
mod host;
mod journal;
mod limits;
mod log;
mod margin;
mod metrics;
mod paper;
mod process;
mod raw;
mod secrets;
mod sim;
mod strategy;
mod variables;

pub use accounts::{AccountConfig, KeySources};
pub use contract::ContractConfig;
pub use error::ConfigError;
pub use host::{DirectReads, HostConfig};
pub use journal::{JournalConfig, JournalSync};
pub use limits::StrategyLimitsConfig;
pub use log::{LogConfig, LogFormat};
pub use paper::PaperConfig;
pub use process::{ParamConfig, ProcessConfig, RunConfig, check_params};
pub use secrets::SecretError;
pub use sim::{FAULT_KINDS, FaultConfig, SimConfig};
pub use strategy::{LegsConfig, StrategyKind, StrategyPlaces};
pub use variables::Variables;

use crate::types::{Detail, InstrumentKind, MarginSettings, Nanos, VenueId};
use crate::venues::{self, Credentials, InstrumentName};
use check::Checker;
use error::Source;
use raw::Raw;
use rust_decimal::Decimal;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// The configuration that is compiled in.
pub const DEFAULT_TOML: &str = include_str!("../engine.toml");

/// Against what the engine trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Embedded simulated venues.
    Sim,
    /// The venues' own market data; orders go to embedded simulated venues that follow it.
    Paper,
    /// The venues' test networks.
    Testnet,
    /// Real money.
    Live,
}

impl Mode {
    /// Whether orders go to embedded simulated venues.
    #[must_use]
    pub fn is_embedded(self) -> bool {
        matches!(self, Self::Sim | Self::Paper)
    }

    /// As the file says it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sim => "sim",
            Self::Paper => "paper",
            Self::Testnet => "testnet",
            Self::Live => "live",
        }
    }
}

/// What a loop does when it found no work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Nothing: polls again at once.
    Spin,
    /// Lets another thread of the CPU run.
    Yield,
    /// Sleeps for some tens of microseconds.
    Park,
}

/// An instrument that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstrumentConfig {
    /// `BTC/USDT@binance`
    pub name: String,
    /// `BTC`, the underlying.
    pub base: String,
    /// Its venue.
    pub venue: VenueId,
    /// Streamed from the start, not only once watched.
    pub streamed: bool,
    /// Line and column for complaints that come later.
    pub place: Place,
}

impl InstrumentConfig {
    /// Spot or perpetual.
    #[must_use]
    pub fn kind(&self) -> Option<InstrumentKind> {
        InstrumentName::parse(&self.name).map(|name| name.kind())
    }

    /// The venue's own name of it.
    #[must_use]
    pub fn symbol(&self) -> Option<String> {
        let row = venues::VENUES.get(usize::from(self.venue.0))?;
        InstrumentName::parse(&self.name).map(|name| (row.symbol)(&name))
    }
}

/// A place in the configuration file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// One venue.
#[derive(Clone, Debug)]
pub struct VenueConfig {
    /// Which.
    pub venue: VenueId,
    /// Name of the account that is traded for; none: that of the keys that stand with the venue.
    pub account: Option<String>,
    /// Where the keys come from, as far as the file says it.
    pub keys: KeySources,
    /// Orders over REST instead of WebSocket.
    pub orders_over_rest: bool,
    /// Connections for orders, 1 or 2, where they go over WebSocket.
    pub order_connections: u8,
    /// Connections for market data, 1 or 2: with two, whatever arrives first is taken.
    pub feed_connections: u8,
    /// Oldest a request may be.
    pub recv_window_ms: u32,
    /// Addresses that replace the venue's own.
    pub rest: Option<String>,
    /// See `rest`.
    pub public: Option<String>,
    /// See `rest`.
    pub trade: Option<String>,
    /// See `rest`.
    pub private: Option<String>,
    /// After how long without us the venue cancels our orders by itself; off if `None`.
    pub dead_man_switch_s: Option<u32>,
    /// One-time numbers of signatures that are made beforehand; 0: none.
    pub prepared_nonces: u16,
    /// What positions in its perpetuals are to stand on.
    pub margin: MarginSettings,
}

/// Where a key or secret is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file that only its owner may read.
    File(PathBuf),
}

/// One thread of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadConfig {
    /// Kernel number of its CPU, if it is pinned.
    pub core: Option<usize>,
    /// What it does without work.
    pub idle: Idle,
    /// Names of its agents.
    pub runs: Vec<String>,
    /// Where it stands in the file.
    pub place: Place,
}

/// One strategy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrategyConfig {
    /// Its name.
    pub name: String,
    /// Options of its kind.
    pub kind: StrategyKind,
    /// Where it runs.
    pub run: RunConfig,
    /// Names of its instruments.
    pub instruments: Vec<String>,
    /// Its parameters, as the file has them.
    pub params: Vec<ParamConfig>,
    /// Its own limits.
    pub limits: StrategyLimitsConfig,
    /// Where its quantities stand in the file.
    pub places: StrategyPlaces,
}

/// Limits of the order manager, in the units of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct LimitsConfig {
    /// Value of one order, quote units.
    pub order_notional_max: Decimal,
    /// Underlying to largest position, base units.
    pub position_max: BTreeMap<String, Decimal>,
    /// How far a price may be from the book, basis points.
    pub price_collar_bps: Decimal,
    /// Oldest book to trade on.
    pub book_age_max_ns: u64,
    /// How long an order or a change may wait here before it leaves.
    pub order_wait_max_ns: u64,
    /// New orders a second.
    pub orders_per_second_max: u32,
    /// Orders open at once.
    pub orders_open_max: u32,
    /// Instrument to largest position, base units.
    pub instrument_position_max: BTreeMap<String, Decimal>,
    /// Largest loss of a day, quote units.
    pub daily_loss_max: Option<Decimal>,
    /// Largest loss since the highest profit, quote units.
    pub drawdown_max: Option<Decimal>,
}

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// File it came from, for messages.
    pub file: String,
    /// What stands in it: strategies in processes of their own read it again.
    pub text: String,
    /// Against what the engine trades.
    pub mode: Mode,
    /// The file arms live trading.
    pub armed: bool,
    /// Name of the instance.
    pub name: String,
    /// Levels a side in the region.
    pub depth: usize,
    /// Idle policy without `[[thread]]`.
    pub idle: Idle,
    /// Pause between two reconciliations of a venue.
    pub reconcile_every_ns: u64,
    /// File whose appearance stops the engine; `None`: `KILL` in the instance's folder.
    pub kill_file: Option<PathBuf>,
    /// A strategy that has been silent for so long is paused.
    pub strategy_silence_max_ns: u64,
    /// Pause between two looks at the venues' rules of the instruments; 0: none after the start.
    pub rules_refresh_s: u32,
    /// Where crash bundles go.
    pub crash_folder: PathBuf,
    /// Where what strategies' processes print is kept.
    pub output_folder: PathBuf,
    /// Instruments in order.
    pub instruments: Vec<InstrumentConfig>,
    /// The venues of the instruments, in order of their ids.
    pub venues: Vec<VenueConfig>,
    /// File with keys of accounts, closed to other users.
    pub credentials_file: Option<PathBuf>,
    /// Environment variables that stand in the file.
    pub variables: Variables,
    /// Threads as configured; empty: automatic.
    pub threads: Vec<ThreadConfig>,
    /// Strategies in order.
    pub strategies: Vec<StrategyConfig>,
    /// Limits.
    pub limits: LimitsConfig,
    /// The journal.
    pub journal: JournalConfig,
    /// What is asked of the kernel.
    pub host: HostConfig,
    /// Where Prometheus may ask; `None`: nowhere.
    pub metrics: Option<SocketAddr>,
    /// Log files; `None`: none are written.
    pub log: Option<LogConfig>,
    /// How much of the way from tick to order is measured.
    pub latency: Detail,
    /// Embedded venues.
    pub sim: SimConfig,
    /// Embedded venues that follow the real ones.
    pub paper: PaperConfig,
    /// Certificate authorities to trust besides the public ones (PEM files).
    pub extra_ca: Vec<PathBuf>,
}

impl Config {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::load_with(path, &[])
    }

    /// The same for a program that brings strategies of its own under these names: `[[thread]]` may
    /// place them, and a `[[strategy]]` of the same name, without a kind, says more of one.
    pub fn load_with(path: &Path, own: &[&str]) -> Result<Self, ConfigError> {
        let (name, text) = read(path)?;
        Self::parse_with(&name, &text, own)
    }

    /// The instance that a file names, whatever else may be wrong with it.
    pub fn name_of(path: &Path) -> Result<String, ConfigError> {
        let (file, text) = read(path)?;
        Self::name_in(&file, &text)
    }

    /// The same of a text; `file` is for messages.
    pub fn name_in(file: &str, text: &str) -> Result<String, ConfigError> {
        let source = Source { file, text };
        let mut table = DeTable::parse(text).map_err(|error| source.toml_error(&error))?;
        let name = variables::text_in(&source, table.get_mut(), "engine", "name")?;
        let none = "[engine] name, the name of the instance, is missing or is no text";
        name.ok_or_else(|| ConfigError::without_place(file, none.to_owned()))
    }

    /// Reads and checks a file for who runs no strategy: those that some program brings are taken as they
    /// stand there.
    pub fn load_any(path: &Path) -> Result<Self, ConfigError> {
        let (name, text) = read(path)?;
        Self::parse_as(&name, &text, None)
    }

    /// The configuration that is compiled in.
    pub fn embedded() -> Result<Self, ConfigError> {
        Self::embedded_with(&[])
    }

    /// The same with strategies of the program's own; see [`Config::load_with`].
    pub fn embedded_with(own: &[&str]) -> Result<Self, ConfigError> {
        Self::parse_with("engine.toml (built in)", DEFAULT_TOML, own)
    }

    /// Checks a text; `file` is for messages.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        Self::parse_with(file, text, &[])
    }

    /// The same with strategies of the program's own; see [`Config::load_with`].
    pub fn parse_with(file: &str, text: &str, own: &[&str]) -> Result<Self, ConfigError> {
        Self::parse_as(file, text, Some(own))
    }

    /// The same; without `own` what the file names as a program's own is taken to be that.
    fn parse_as(file: &str, text: &str, own: Option<&[&str]>) -> Result<Self, ConfigError> {
        let source = Source { file, text };
        let mut table = DeTable::parse(text).map_err(|error| source.toml_error(&error))?;
        let variables = variables::resolve(&source, table.get_mut())?;
        let raw = Raw::deserialize(toml::Deserializer::from(table));
        let raw = raw.map_err(|error| source.toml_error(&error))?;
        let named = raw.named_as_own();
        let named: Vec<&str> = named.iter().map(String::as_str).collect();
        let own = own.unwrap_or(&named);
        Ok(Self { variables, ..Checker { source, own }.config(raw)? })
    }

    /// Key and secret of a venue, read now.
    pub fn credentials(&self, venue: VenueId) -> Result<Credentials, SecretError> {
        let name = venues::VENUES[usize::from(venue.0)].name;
        let config = self.venues.iter().find(|config| config.venue == venue);
        let config = config.ok_or_else(|| SecretError::new(name, "it is not configured"))?;
        secrets::read(name, config, self)
    }

    /// Checks the file of all accounts, if one is named, and that the chosen accounts have keys.
    /// Whether what these name is there is seen when they are read.
    pub fn check_credentials(&self) -> Result<(), SecretError> {
        secrets::check(self)
    }

    /// Environment variables that hold keys and secrets, those that the file of all accounts names
    /// among them.
    pub fn secret_variables(&self) -> Result<Vec<String>, SecretError> {
        secrets::variables(self)
    }

    /// An error that points to a place of the file, for checks that need the venue's rules.
    #[must_use]
    pub fn error_at(&self, place: Place, message: String) -> ConfigError {
        ConfigError { file: self.file.clone(), place: Some(place), message }
    }
}

/// A file's name for messages, and what stands in it.
fn read(path: &Path) -> Result<(String, String), ConfigError> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((name, text)),
        Err(error) => Err(ConfigError::without_place(&name, read_error(&error))),
    }
}

fn read_error(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            "no such file; without --config it is ./engine.toml, else the built-in one".to_owned()
        }
        _ => format!("cannot be read: {error}"),
    }
}

impl VenueConfig {
    fn default_of(venue: VenueId) -> Self {
        Self {
            venue,
            account: None,
            keys: KeySources::default(),
            orders_over_rest: false,
            order_connections: 2,
            feed_connections: 1,
            recv_window_ms: 5000,
            rest: None,
            public: None,
            trade: None,
            private: None,
            dead_man_switch_s: None,
            prepared_nonces: 0,
            margin: MarginSettings::default(),
        }
    }
}

/// Names of all agents that a configuration has, in the order in which one loop runs them: feeds,
/// strategies, order manager, executors, so that a tick becomes an order in one round.
#[must_use]
pub fn agent_names<'a>(
    venues_used: impl Iterator<Item = VenueId> + Clone,
    strategies: impl Iterator<Item = &'a str>,
) -> Vec<String> {
    let name = |venue: VenueId| venues::VENUES[usize::from(venue.0)].name;
    let feeds = venues_used.clone().map(|venue| format!("feed:{}", name(venue)));
    let strategies = strategies.map(|strategy| format!("strategy:{strategy}"));
    let executors = venues_used.map(|venue| format!("exec:{}", name(venue)));
    feeds.chain(strategies).chain(["oms".to_owned()]).chain(executors).collect()
}

/// Nanoseconds of a duration such as `30s`, `5m`, `1h` or `500ms`.
pub fn parse_duration(text: &str) -> Result<Nanos, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit {
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000u64,
        _ => return Err(format!("{text:?} is not a duration such as 500ms, 30s, 5m or 1h")),
    };
    let number: u64 = number.parse().map_err(|_| format!("{text:?} has no number"))?;
    number.checked_mul(factor).map(Nanos).ok_or_else(|| format!("{text:?} is too long"))
}

//! The whole engine against the embedded venues in one thread and virtual time: a minute of trading
//! takes a second or two, and the same seed gives the same decisions.
//!
//! The agents are those of `stoop run`, polled here, over a network in memory: nothing is left out but
//! TLS, sockets and threads. For tests of strategies, and for whoever wants to try a parameter.
//!
//! ```no_run
//! use stoop::config::Config;
//! use stoop::rehearsal::{Rehearsal, rehearse};
//!
//! let config = Config::embedded().unwrap();
//! let run = rehearse(&config, Vec::new(), &Rehearsal::default()).unwrap();
//! assert!(run.last.counters.fills > 0);
//! assert_eq!(run.differences, [""; 0], "engine and venues agree to the last digit");
//! ```

#![forbid(unsafe_code)]

mod asking;
mod decisions;
mod rules;

use crate::agents::log::{self, LogLine, LogReader};
use crate::agents::{
    self, Agent, Assembly, EngineSetup, FinalState, HistoryQuestion, Phase, Sizes,
};
use crate::book::{BookOptions, LadderOptions};
use crate::cli::ledger::differences;
use crate::clock::Clock;
use crate::config::{Config, InstrumentConfig, JournalSync, Mode, SimConfig};
use crate::journal::{MemoryFolder, Place};
use crate::net::tls::client_config;
use crate::pipe::{Latency, Network};
use crate::shm::MarketView;
use crate::sim::{
    AccountId, Capture, Dislocations, EmbeddedOptions, FlowOptions, InMemory, Origin, SimAccount,
    Wire, embedded, venues::wire,
};
use crate::strategy::Strategy;
use crate::types::{InstrumentKind, InstrumentTable, Nanos, VenueId};
use crate::venues::{Credentials, Endpoints, Secret, VENUES};
use asking::{ask, instruments};
use decisions::Decisions;
use rules::RuleNews;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Rounds in which agents may go on working without time passing.
const ROUNDS_MAX: usize = 64;
/// Virtual time that stopping may take.
const STOPPING_NS: u64 = 60_000_000_000;
/// How often the venues look for what is due by time.
const TIMER_NS: u64 = 20_000_000;
/// Last log lines that are kept.
const LINES_MAX: usize = 65_536;
/// Records of each agent's log, which is read after every round.
const LOG_RECORDS: usize = 256;
/// Bytes of the journal's segments: all but the last ones go.
const SEGMENT_BYTES: u64 = 4 << 20;
/// The first port of the network in memory.
const PORT: u16 = 1_001;

/// How a rehearsal goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsal {
    /// Virtual time of trading, nanoseconds.
    pub trading_ns: u64,
    /// Recorded markets that move the books instead of those of the configuration, where there are any;
    /// see [`FlowOptions::captures`].
    pub captures: Vec<Capture>,
    /// When it begins, by its own clock.
    pub start: Nanos,
    /// To and from each venue.
    pub latency: Latency,
    /// The agents are polled when something arrives, and at least so often.
    pub poll_ns: u64,
}

impl Default for Rehearsal {
    /// A minute, half a millisecond from each venue.
    fn default() -> Self {
        Self {
            trading_ns: 60_000_000_000,
            captures: Vec::new(),
            start: Nanos(1_767_225_600_000_000_000),
            latency: Latency {
                min_ns: 400_000,
                max_ns: 600_000,
                jitter_ns: 100_000,
                ..Latency::default()
            },
            poll_ns: 1_000_000,
        }
    }
}

/// What a rehearsal has come to.
pub struct Rehearsed {
    /// What the order manager knew at the end: counters, positions, profit.
    pub last: FinalState,
    /// The instruments, by the numbers that `last` uses.
    pub instruments: Arc<InstrumentTable>,
    /// Where engine and venues disagree: nowhere, or there is a fault in the engine.
    pub differences: Vec<String>,
    /// Payments of funding that the venues left out: a recording did not tell their rate, time or mark.
    pub unpaid: u64,
    /// How often the recordings have changed the rules of an instrument.
    pub rule_changes: u64,
    /// SHA-256 over every decision with its time (signals, refusals, orders, changes, cancels) and every
    /// payment of funding.
    pub decisions: [u8; 32],
    /// What the engine said.
    pub lines: Vec<LogLine>,
    /// The region as it was left: books, latencies by the virtual clock.
    pub view: MarketView,
}

/// Runs the configured and these strategies, by name, against the embedded venues of the configuration.
pub fn rehearse(
    config: &Config,
    strategies: Vec<(String, Box<dyn Strategy>)>,
    options: &Rehearsal,
) -> Result<Rehearsed, String> {
    rehearse_with(config, strategies, options, &mut |_| {})
}

/// The same with the process killed and started again, at once, with what its journal holds, while the
/// venues go on: each of these runs brings its strategies anew and trades for so long.
pub fn rehearse_restarts(
    config: &Config,
    runs: Vec<Vec<(String, Box<dyn Strategy>)>>,
    options: &Rehearsal,
) -> Result<Rehearsed, String> {
    let mut stage = Stage::new(config, options)?;
    for strategies in runs {
        stage.kill()?;
        stage.start(config, strategies)?;
        stage.run_until(stage.now.plus(options.trading_ns), &mut |_| {})?;
    }
    stage.end()
}

/// The same as [`rehearse`]; `progress` is told often how many nanoseconds of virtual time have passed.
pub fn rehearse_with(
    config: &Config,
    strategies: Vec<(String, Box<dyn Strategy>)>,
    options: &Rehearsal,
    progress: &mut dyn FnMut(u64),
) -> Result<Rehearsed, String> {
    let mut stage = Stage::new(config, options)?;
    stage.start(config, strategies)?;
    stage.run_until(stage.now.plus(options.trading_ns), progress)?;
    stage.end()
}

/// How the embedded venues are to be, as configured.
#[must_use]
pub fn embedded_options(config: &SimConfig) -> EmbeddedOptions {
    let [edge_min_bp, edge_max_bp] = config.spread_bps;
    let [last_min_ms, last_max_ms] = config.spread_ms;
    let venue_name = |venue: VenueId| VENUES[usize::from(venue.0)].name.to_owned();
    let captured = |path: &PathBuf| Capture {
        files: vec![path.clone()],
        venue: config.capture_venue.map_or(String::new(), venue_name),
    };
    let flow = FlowOptions {
        seed: config.seed,
        dislocations: Dislocations {
            per_second: config.spreads_per_second,
            edge_min_bp,
            edge_max_bp,
            last_min_ms,
            last_max_ms,
        },
        captures: config.capture.iter().map(captured).collect(),
        lag_ms: config.lag_ms,
        speed: if config.speed == 0.0 { f64::INFINITY } else { config.speed },
        ..FlowOptions::default()
    };
    EmbeddedOptions {
        flow,
        maker_fee: config.maker_fee,
        taker_fee: config.taker_fee,
        deposits: config.balances.clone(),
        funding_interval_ms: config.funding_every_s.map(|seconds| seconds * 1_000),
        ..EmbeddedOptions::default()
    }
}

/// The instruments of the configuration as the simulator knows them.
fn configured(config: &Config) -> Vec<Origin> {
    let origin = |instrument: &InstrumentConfig| {
        let venue = VENUES[usize::from(instrument.venue.0)].name.to_owned();
        let perpetual = Some(instrument.kind()? == InstrumentKind::LinearPerpetual);
        Some(Origin { venue, symbol: instrument.symbol()?, perpetual })
    };
    config.instruments.iter().filter_map(origin).collect()
}

/// The simulated venue of each configured one; the error names the one that there is none of.
pub fn embedded_wires(config: &Config) -> Result<Vec<Box<dyn Wire>>, String> {
    config.venues.iter().map(|venue| embedded_wire(venue.venue)).collect()
}

/// That of one.
pub fn embedded_wire(venue: VenueId) -> Result<Box<dyn Wire>, String> {
    let name = VENUES[usize::from(venue.0)].name;
    wire(name).ok_or_else(|| format!("there is no simulated venue \"{name}\""))
}

/// What an account signs with.
#[must_use]
pub fn credentials_of(account: &SimAccount) -> Credentials {
    let secret = |text: &String| Secret::new(text.clone());
    let passphrase = Some(&account.passphrase).filter(|text| !text.is_empty()).map(secret);
    let credentials = Credentials::new(account.key.clone(), secret(&account.secret));
    Credentials { passphrase, ..credentials }
}

/// Venues, network, time and engine.
struct Stage {
    now: Nanos,
    clock: Clock,
    network: Network,
    sim: InMemory,
    accounts: Vec<SimAccount>,
    /// By place in the configuration, which is the place among the simulated ones.
    venues: Vec<VenueId>,
    instruments: Arc<InstrumentTable>,
    journal: MemoryFolder,
    decisions: Decisions,
    engine: Option<Assembly>,
    rules: RuleNews,
    lines: LogReader,
    said: VecDeque<LogLine>,
    log: log::Log,
    poll_ns: u64,
    poll_at: Nanos,
}

impl Stage {
    fn new(config: &Config, options: &Rehearsal) -> Result<Self, String> {
        if config.mode != Mode::Sim {
            return Err("a rehearsal is only with mode = \"sim\"".to_owned());
        }
        let now = options.start;
        let network = Network::new(config.sim.seed, now);
        let mut embedding = embedded_options(&config.sim);
        let mut ports = BTreeMap::new();
        for (slot, venue) in config.venues.iter().enumerate() {
            let port = PORT + slot as u16;
            network.listen(port, options.latency);
            ports.insert(VENUES[usize::from(venue.venue.0)].name.to_owned(), port);
        }
        embedding.ports = ports;
        if !options.captures.is_empty() {
            embedding.flow.captures.clone_from(&options.captures);
            // Virtual time alone says how fast.
            embedding.flow.speed = 1.0;
            embedding.flow.once = true;
            // Nobody looks at the others.
            embedding.flow.moving = configured(config);
        }
        let failed = |error: crate::sim::SimError| format!("simulator: {error}");
        let made = embedded(&embedding, embedded_wires(config)?).map_err(failed)?;
        let mut sim = InMemory::start(made.options, network.clone(), now).map_err(failed)?;
        sim.set_timer(TIMER_NS);
        let venues: Vec<VenueId> = config.venues.iter().map(|venue| venue.venue).collect();
        let instruments = Arc::new(instruments(config, &venues, &mut sim, now)?);
        agents::check(config, &instruments)?;
        let (log, lines) = log::channel(LOG_RECORDS);
        let journal = MemoryFolder::new();
        let decisions = Decisions::new(&instruments, journal.clone());
        Ok(Self {
            now,
            clock: Clock::manual(now),
            network,
            sim,
            accounts: made.accounts,
            venues,
            instruments,
            journal,
            decisions,
            engine: None,
            rules: RuleNews::default(),
            lines,
            said: VecDeque::new(),
            log,
            poll_ns: options.poll_ns.max(1),
            poll_at: now,
        })
    }

    fn start(
        &mut self,
        config: &Config,
        strategies: Vec<(String, Box<dyn Strategy>)>,
    ) -> Result<(), String> {
        let mut config = config.clone();
        config.journal.sync = JournalSync::Never;
        config.journal.segment_bytes = SEGMENT_BYTES;
        config.journal.keep_all = false;
        let mut credentials = Vec::new();
        for venue in &self.venues {
            let name = VENUES[usize::from(venue.0)].name;
            let account = self.accounts.iter().find(|account| account.venue == name);
            let account = account.ok_or_else(|| format!("simulator: no account at {name}"))?;
            credentials.push((*venue, credentials_of(account)));
        }
        let tls = client_config(&[]).map_err(|error| error.to_string())?;
        let setup = EngineSetup {
            config: &config,
            endpoints: endpoints(&self.venues, &self.sim),
            order_endpoints: Vec::new(),
            credentials,
            instruments: self.instruments.clone(),
            strategies,
            tls,
            journal: Some(Place::Memory(self.journal.clone())),
            clock: self.clock.clone(),
            log: self.log.clone(),
        };
        let (rules, changes) = RuleNews::new(&setup);
        let mut engine = Assembly::in_memory(setup, self.network.clone(), &sizes())?;
        engine.oms = engine.oms.with_rules(changes);
        (self.engine, self.rules) = (Some(engine), rules);
        Ok(())
    }

    /// Ends the engine, if there is one, as `kill -9` would: what is in its journal is all that is left.
    fn kill(&mut self) -> Result<(), String> {
        self.listen();
        self.engine = None;
        self.journal = self.journal.after_crash();
        self.decisions.go_on_in(self.journal.clone())
    }

    fn run_until(&mut self, until: Nanos, progress: &mut dyn FnMut(u64)) -> Result<(), String> {
        let begun = self.now;
        while self.now < until {
            self.step(until);
            self.decisions.look()?;
            progress(self.now.since(begun));
        }
        Ok(())
    }

    /// Everything that is due now, then on to the next thing that is, at most to `until`.
    fn step(&mut self, until: Nanos) {
        self.sim.turn(self.now);
        self.rules.look(&mut self.sim, &self.venues, self.now);
        self.poll();
        self.tell_history();
        let arrival = self.network.next_arrival().unwrap_or(Nanos(u64::MAX));
        let next = arrival.min(self.sim.due(self.now)).min(self.poll_at).min(until);
        let next = next.max(self.now.plus(1));
        if next >= arrival {
            self.poll_at = next;
        }
        self.now = next;
        self.clock.set(next);
        self.network.set_now(next);
    }

    /// Polls the agents until none has anything left to do.
    fn poll(&mut self) {
        if self.now < self.poll_at {
            return;
        }
        self.poll_at = self.now.plus(self.poll_ns);
        let now = self.now;
        let Some(engine) = &mut self.engine else { return };
        for _ in 0..ROUNDS_MAX {
            let mut work = 0;
            work += engine.feeds.iter_mut().map(|agent| agent.poll(now)).sum::<usize>();
            work += engine.strategies.iter_mut().map(|agent| agent.poll(now)).sum::<usize>();
            work += engine.oms.poll(now);
            work += engine.executors.iter_mut().map(|agent| agent.poll(now)).sum::<usize>();
            if work == 0 {
                break;
            }
        }
        self.listen();
    }

    /// Keeps what the agents have said.
    fn listen(&mut self) {
        self.said.extend(self.lines.take());
        let over = self.said.len().saturating_sub(LINES_MAX);
        self.said.drain(..over);
    }

    /// Answers a strategy that asks for klines of before.
    fn tell_history(&mut self) {
        let Some(engine) = &mut self.engine else { return };
        let (sim, now, log) = (&mut self.sim, self.now, &mut self.log);
        let venues = self.venues.len();
        let fetch = |question: &HistoryQuestion<'_>| {
            let url = question.url.as_str();
            let target = |slot: usize| {
                let rest = url.strip_prefix(sim.urls(slot).rest.as_str())?;
                rest.starts_with('/').then_some((slot, rest))
            };
            let found = (0..venues).find_map(target);
            let (slot, target) = found.ok_or_else(|| format!("{url} is no address of a venue"))?;
            Ok(ask(sim, slot, (target, question.body.as_deref()), now))
        };
        let complain = |text: &str| log.warn(now, format_args!("{text}"));
        engine.history.serve((Duration::ZERO, || now), fetch, complain);
    }

    /// Cancels everything, hears the venues out, and compares.
    fn end(mut self) -> Result<Rehearsed, String> {
        let lifecycle = match &self.engine {
            Some(engine) => engine.lifecycle.clone(),
            None => return Err("it was not started".to_owned()),
        };
        lifecycle.advance(Phase::Stopping);
        let until = self.now.plus(STOPPING_NS);
        while lifecycle.phase() != Phase::Done && self.now < until {
            self.step(until);
            self.decisions.look()?;
        }
        let engine = self.engine.take().ok_or("it was not started")?;
        let last = engine.last.try_recv().map_err(|_| "the engine does not stop".to_owned())?;
        let view = engine.view.clone();
        drop(engine);
        let (mut ledgers, mut unpaid) = (Vec::new(), 0);
        for (slot, venue) in self.venues.iter().enumerate() {
            unpaid += self.sim.counters(slot).unpaid;
            ledgers.push((*venue, self.sim.exchange(slot).ledger(AccountId(0))));
        }
        let differences = differences(&self.instruments, &last, &ledgers);
        let rule_changes = rules::changes(&self.sim, self.venues.len());
        self.listen();
        let (lines, decisions) = (self.said.into(), self.decisions.finish()?);
        let instruments = self.instruments;
        Ok(Rehearsed {
            last,
            instruments,
            differences,
            unpaid,
            rule_changes,
            decisions,
            lines,
            view,
        })
    }
}

/// Books need no room for years here.
fn sizes() -> Sizes {
    let ladder = LadderOptions { window_ticks: 16_384, ..LadderOptions::default() };
    Sizes { books: BookOptions { ladder, ..BookOptions::default() }, ..Sizes::default() }
}

fn endpoints(venues: &[VenueId], sim: &InMemory) -> Vec<(VenueId, Endpoints)> {
    let of = |(slot, venue): (usize, &VenueId)| {
        let urls = sim.urls(slot).clone();
        let (rest, public, trade, private) = (urls.rest, urls.public, urls.trade, urls.private);
        (*venue, Endpoints { rest, public, trade, private })
    };
    venues.iter().enumerate().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short() -> Rehearsal {
        Rehearsal { trading_ns: 10_000_000_000, ..Rehearsal::default() }
    }

    #[test]
    fn the_default_configuration_trades_and_both_sides_agree() {
        let config = Config::embedded().unwrap();
        let run = rehearse(&config, Vec::new(), &short()).unwrap();
        assert!(run.last.counters.fills > 0, "{:?}", run.lines);
        assert_eq!(run.differences, [""; 0]);
        assert_eq!(run.last.unconfirmed, [""; 0]);
    }

    #[test]
    fn the_same_seed_decides_the_same_and_another_one_otherwise() {
        let config = Config::embedded().unwrap();
        let hash = |config: &Config| rehearse(config, Vec::new(), &short()).unwrap().decisions;
        assert_eq!(hash(&config), hash(&config));
        let mut other = config.clone();
        other.sim.seed += 1;
        assert_ne!(hash(&config), hash(&other));
    }

    #[test]
    fn only_simulated_venues_are_rehearsed_with() {
        let mut config = Config::embedded().unwrap();
        config.mode = Mode::Testnet;
        let error = rehearse(&config, Vec::new(), &short()).err().unwrap();
        assert!(error.contains("mode = \"sim\""), "{error}");
    }
}

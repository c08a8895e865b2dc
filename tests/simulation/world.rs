//! One simulated world: two venues, the network to them, the engine, and time.

use crate::chance::Chance;
use crate::checks::{Checks, Failure};
use crate::faults::{Faults, HEALING_NS};
use crate::plan::{MS, Plan, SECOND};
use crate::trader::Trader;
use crate::venues::{self, BASES, NAMES};
use rust_decimal::Decimal;
use std::collections::VecDeque;
use std::sync::OnceLock;
use std::sync::mpsc::Receiver;
use stoop::agents::log::{self, LogLine};
use stoop::agents::{Agent, Assembly, EngineSetup, FinalState, Phase, Sizes};
use stoop::book::{BookOptions, LadderOptions};
use stoop::clock::Clock;
use stoop::config::{Config, DEFAULT_TOML, InstrumentConfig, StrategyKind};
use stoop::net::tls::client_config;
use stoop::pipe::Network;
use stoop::sim::InMemory;
use stoop::strategy::Strategy;
use stoop::types::{Nanos, VenueId};

/// 2026-11-18, as good as any.
const START: Nanos = Nanos(1_795_000_000 * SECOND);
/// Rounds in which agents may go on working without time passing.
const ROUNDS_MAX: usize = 64;
/// How long the last word may take once the engine was told to stop.
const STOPPING_NS: u64 = 60 * SECOND;
const LINES_KEPT: usize = 400;

/// What a run has come to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub digest: u64,
    pub steps: u64,
    pub orders: u64,
    pub fills: u64,
    pub virtual_ns: u64,
}

pub struct World {
    pub plan: Plan,
    pub now: Nanos,
    pub network: Network,
    pub sim: InMemory,
    pub engine: Assembly,
    pub last: Option<FinalState>,
    clock: Clock,
    faults: Faults,
    checks: Checks,
    lines: Receiver<LogLine>,
    kept: VecDeque<String>,
    poll_at: Nanos,
    steps: u64,
}

fn sizes(plan: &Plan) -> Sizes {
    Sizes {
        books: BookOptions {
            ladder: LadderOptions { window_ticks: 4_096, far_levels: 256 },
            buffered_updates: 256,
            buffered_levels: 4_096,
        },
        feed_levels: 4_096,
        commands: 256,
        events: 8_192,
        orders: if plan.long { 4_096 } else { 1_024 },
        fills: 4_096,
        trades: 64,
    }
}

fn config(plan: &Plan) -> Config {
    static BASE: OnceLock<Config> = OnceLock::new();
    let mut config =
        BASE.get_or_init(|| Config::parse("simulation", DEFAULT_TOML).unwrap()).clone();
    config.instruments = (0..plan.symbols)
        .flat_map(|symbol| (0..2).map(move |venue| (symbol, venue)))
        .map(|(symbol, venue)| InstrumentConfig {
            name: format!("{}/USDT@{}", BASES[symbol], NAMES[venue]),
            base: BASES[symbol].to_owned(),
            quote: "USDT".to_owned(),
            venue: VenueId(venue as u8),
            streamed: true,
            place: Default::default(),
        })
        .collect();
    for (venue, rest) in config.venues.iter_mut().zip(plan.orders_over_rest) {
        venue.orders_over_rest = rest;
    }
    let limits = &mut config.limits;
    limits.order_notional_max = Decimal::from(plan.limits.order_notional_max);
    limits.position_max = [
        ("BTC".to_owned(), Decimal::new(plan.limits.position_max, 3)),
        ("ETH".to_owned(), Decimal::new(plan.limits.position_max, 2)),
    ]
    .into();
    limits.book_age_max_ns = plan.limits.book_age_ms * MS;
    limits.orders_per_second_max = plan.limits.orders_per_second;
    limits.orders_open_max = plan.limits.orders_open;
    if plan.spread_arb {
        for strategy in &mut config.strategies {
            let StrategyKind::SpreadArb { cooldown_ns, .. } = &mut strategy.kind;
            *cooldown_ns = 200 * MS;
        }
    } else {
        config.strategies.clear();
    }
    config
}

impl World {
    pub fn new(plan: &Plan) -> Self {
        let now = START;
        let network = Network::new(plan.seed, now);
        let clock = Clock::manual(now);
        let sim = venues::start(plan, &network, now);
        let (log, lines, _) = log::channel(4_096);
        let engine = build(plan, &network, &clock, &sim, log);
        Self {
            now,
            network,
            sim,
            engine,
            last: None,
            clock,
            faults: Faults::new(plan, now),
            checks: Checks::new(plan),
            lines,
            kept: VecDeque::new(),
            poll_at: now,
            steps: 0,
            plan: plan.clone(),
        }
    }

    /// The whole life of the engine.
    pub fn run(&mut self) -> Result<Outcome, Failure> {
        self.run_until(START.plus(self.plan.trading_ns))?;
        self.faults.heal(self.now, &mut self.sim, &self.network, &self.plan);
        // What was swallowed just now is noticed once more of it comes.
        self.run_until(self.now.plus(3 * SECOND))?;
        self.run_until_whole()?;
        self.sim.pause_flow(true);
        self.faults.asleep.strategies = Nanos(u64::MAX);
        let quiet = self.now.plus(2 * SECOND);
        self.run_until(quiet)?;
        self.checks.books(&self.engine, &self.sim)?;
        self.stop()?;
        let last = self.engine.last.try_recv().map_err(|_| Failure::new("no last word"))?;
        self.checks.end(&last, &self.engine, &self.sim)?;
        let outcome = Outcome {
            digest: self.network.digest(),
            steps: self.steps,
            orders: last.counters.orders_sent,
            fills: last.counters.fills,
            virtual_ns: self.now.since(START),
        };
        self.last = Some(last);
        Ok(outcome)
    }

    fn run_until(&mut self, until: Nanos) -> Result<(), Failure> {
        while self.now < until {
            self.step(until)?;
        }
        Ok(())
    }

    /// Until all connections are back: nothing is wrong any more, so they must come back.
    fn run_until_whole(&mut self) -> Result<(), Failure> {
        let until = self.now.plus(HEALING_NS);
        while !self.checks.is_whole(&self.engine, self.now) {
            if self.now >= until {
                return Err(Failure::new("a venue does not come back although all is well"));
            }
            self.step(until)?;
        }
        Ok(())
    }

    fn stop(&mut self) -> Result<(), Failure> {
        self.faults.asleep.strategies = Nanos(0);
        self.engine.lifecycle.advance(Phase::Stopping);
        let until = self.now.plus(STOPPING_NS);
        while self.engine.lifecycle.phase() != Phase::Done {
            if self.now >= until {
                let oms = self.engine.oms.oms();
                let open = oms.orders().iter().filter(|order| !order.state.is_terminal());
                let open: Vec<String> = open.map(|order| format!("{order:?}")).collect();
                return Err(Failure::new(&format!("does not stop: {open:#?}")));
            }
            self.step(until)?;
        }
        Ok(())
    }

    /// Everything that is due now, then on to the next thing that is, at most to `until`.
    fn step(&mut self, until: Nanos) -> Result<(), Failure> {
        self.steps += 1;
        self.sim.turn(self.now);
        self.faults.turn(self.now, &mut self.sim, &self.network, &self.plan);
        self.poll()?;
        self.checks.step(&self.engine, &self.sim, self.now)?;
        let arrival = self.network.next_arrival().unwrap_or(Nanos(u64::MAX));
        let next = arrival.min(self.sim.due(self.now)).min(self.faults.due());
        let next = next.min(self.poll_at).min(until).max(self.now.plus(1));
        if next >= arrival {
            self.poll_at = next;
        }
        self.now = next;
        self.clock.set(next);
        self.network.set_now(next);
        Ok(())
    }

    /// Polls the agents until none has anything left to do.
    fn poll(&mut self) -> Result<(), Failure> {
        if self.now < self.poll_at {
            return Ok(());
        }
        self.poll_at = self.now.plus(self.plan.poll_ns);
        let (now, asleep) = (self.now, self.faults.asleep);
        for _ in 0..ROUNDS_MAX {
            let mut work = 0;
            for (feed, until) in self.engine.feeds.iter_mut().zip(asleep.feeds) {
                work += if now >= until { feed.poll(now) } else { 0 };
            }
            if now >= asleep.strategies {
                for strategy in &mut self.engine.strategies {
                    work += strategy.poll(now);
                }
            }
            work += self.engine.oms.poll(now);
            self.checks.after_oms(&self.engine, now)?;
            for (executor, until) in self.engine.executors.iter_mut().zip(asleep.executors) {
                work += if now >= until { executor.poll(now) } else { 0 };
            }
            if work == 0 {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The last things that were said and done, for people.
    pub fn story(&mut self) -> String {
        let mut told: Vec<(u64, String)> = Vec::new();
        let faults = self.faults.told.iter().map(|(at, text)| (at.0, format!("FAULT {text}")));
        told.extend(faults);
        let lines = self.lines.try_iter();
        told.extend(lines.map(|line| (line.at.0, format!("{}: {}", line.source, line.text))));
        told.sort_by_key(|(at, _)| *at);
        let skipped = told.len().saturating_sub(LINES_KEPT);
        let shown = told.into_iter().skip(skipped);
        let shown = shown
            .map(|(at, text)| format!("  {:>9.3} {text}", at.saturating_sub(START.0) as f64 / 1e9));
        self.kept.extend(shown);
        self.kept.iter().cloned().collect::<Vec<_>>().join("\n")
    }
}

fn build(plan: &Plan, network: &Network, clock: &Clock, sim: &InMemory, log: log::Log) -> Assembly {
    static TLS: OnceLock<std::sync::Arc<rustls::ClientConfig>> = OnceLock::new();
    let config = config(plan);
    let names: Vec<String> = config.instruments.iter().map(|i| i.name.clone()).collect();
    let trader = |number: usize| {
        let name = format!("trader{number}");
        let chance = Chance::new(plan.seed, &name);
        let trader = Trader::new(chance, plan.trader_every_ns, names.clone());
        (name, Box::new(trader) as Box<dyn Strategy>)
    };
    let setup = EngineSetup {
        config: &config,
        endpoints: venues::endpoints(sim),
        credentials: venues::credentials(plan),
        instruments: venues::instruments(plan.symbols),
        strategies: (0..plan.traders).map(trader).collect(),
        tls: TLS.get_or_init(|| client_config(&[]).unwrap()).clone(),
        journal: None,
        clock: clock.clone(),
        log,
    };
    Assembly::in_memory(setup, network.clone(), &sizes(plan)).unwrap()
}

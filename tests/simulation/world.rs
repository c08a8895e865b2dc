//! One simulated world: its venues, the network to them, the engine, and time.

use crate::chance::Chance;
use crate::checks::{Checks, Failure};
use crate::faults::{Faults, Kind, Order};
use crate::markets::Market;
use crate::pairs::Pairs;
use crate::person::Person;
use crate::plan::{MS, Plan, SECOND};
use crate::trader::Trader;
use crate::venues;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, VecDeque};
use std::sync::OnceLock;
use stoop::agents::log::{self, LogLine, LogReader};
use stoop::agents::{Agent, Assembly, EngineSetup, FinalState, Phase, Sizes, restore};
use stoop::book::{BookOptions, LadderOptions};
use stoop::clock::Clock;
use stoop::config::{Config, DEFAULT_TOML, JournalSync};
use stoop::journal::{MemoryFolder, Place};
use stoop::net::tls::client_config;
use stoop::oms::{Closing, ClosingState};
use stoop::pipe::Network;
use stoop::sim::InMemory;
use stoop::strategy::Strategy;
use stoop::types::{Nanos, Operator, Scope, VenueId};

/// 2026-11-18, eight seconds before an hour is full, when funding is paid everywhere.
const START: Nanos = Nanos((1_795_003_200 - 8) * SECOND);
/// Rounds in which agents may go on working without time passing.
const ROUNDS_MAX: usize = 64;
/// How long the last word may take once the engine was told to stop.
const STOPPING_NS: u64 = 60 * SECOND;
/// Until everything that was on its way has come: orders over REST wait for one another.
const QUIET_NS: u64 = 8 * SECOND;
/// Until every pair has been told: what our checks do not let it do is tried for some time.
const PAIRS_NS: u64 = 40 * SECOND;
/// Orders of a long run, and the time in which it must have them.
const LONG_ORDERS: u64 = 2_000;
const LONG_MAX_NS: u64 = 4 * 3_600 * SECOND;
/// Longest that closing all positions may take in a quiet market.
const CLOSING_NS: u64 = 40 * SECOND;
const LINES_KEPT: usize = 400;
/// How the engine says that a fill was of no order of ours.
const NOT_OURS: &str = "of no order of ours";

/// What a run has come to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub digest: u64,
    pub steps: u64,
    pub orders: u64,
    pub fills: u64,
    pub virtual_ns: u64,
    pub runs: u64,
    pub faults: BTreeMap<Kind, u64>,
    /// Commands of a person that were carried out.
    pub commands: u64,
    /// Outcomes of signals with a contract that were compared with the venues.
    pub pairs: u64,
    /// Payments of funding.
    pub fundings: u64,
    /// Fills of liquidations.
    pub liquidations: u64,
    /// Markets that took part.
    pub markets: Vec<&'static Market>,
}

pub struct World {
    pub plan: Plan,
    pub now: Nanos,
    pub network: Network,
    pub sim: InMemory,
    /// The engine, while it lives.
    pub engine: Option<Assembly>,
    /// What survives it.
    journal: MemoryFolder,
    /// When a dead engine is started again.
    start_at: Nanos,
    /// How long it stays dead if its journal's end is reached.
    pause_ns: u64,
    /// How often it was started.
    runs: u64,
    /// It was told to stop.
    stopping: bool,
    clock: Clock,
    log: log::Log,
    faults: Faults,
    checks: Checks,
    pairs: Pairs,
    person: Person,
    lines: LogReader,
    said: Vec<LogLine>,
    kept: VecDeque<String>,
    poll_at: Nanos,
    steps: u64,
}

fn sizes(plan: &Plan) -> Sizes {
    Sizes {
        books: BookOptions {
            ladder: LadderOptions {
                window_ticks: 4_096,
                far_levels: 256,
                ..LadderOptions::default()
            },
            buffered_updates: 256,
            buffered_levels: 4_096,
        },
        feed_levels: 4_096,
        commands: 256,
        events: 8_192,
        orders: if plan.long { 4_096 } else { 1_024 },
        fills: 4_096,
        trades: 64,
        rate_limits: 1,
    }
}

/// The built-in strategies over what the plan trades of its first underlying.
fn strategies(plan: &Plan) -> String {
    let base = plan.bases[0];
    let quote =
        |market: &Market| market.instrument(base).split(['/', ':', '@']).nth(1).map(str::to_owned);
    let strategy = |name: &str, own: &str, markets: &[&Market]| {
        let names: Vec<String> =
            markets.iter().map(|market| format!("{:?}", market.instrument(base))).collect();
        // A contract between legs adds up what they cost.
        let equal = markets.iter().all(|market| quote(market) == quote(markets[0]));
        let naked_ms = if equal { 500 } else { 0 };
        let qty = plan.limits.qty_of(base);
        format!(
            "[[strategy]]\nname = \"{name}\"\ninstruments = [{}]\n{own}\nqty = \"{qty}\"\n\
             cooldown_ms = 200\nequal_quotes = {}\nlegs = \"parallel\"\n\
             naked_ms_max = {naked_ms}\non_breach = \"unwind\"\nslippage_max_bps = 10\n",
            names.join(", "),
            !equal
        )
    };
    let mut text = String::new();
    if plan.spread_arb {
        let own = "kind = \"spread_arb\"\nspread_min_bps = 5";
        text += &strategy("spread", own, &plan.markets);
    }
    if let (true, Some([spot, perpetual])) = (plan.basis, plan.carry()) {
        let own = format!(
            "kind = \"basis\"\nentry_bps = 3\nexit_bps = 1\nfunding_horizon_h = 1\n\
             funding_age_max_s = 120\nqty_max = \"{}\"",
            plan.limits.qty_of(base) * Decimal::TEN
        );
        text += &strategy("carry", &own, &[spot, perpetual]);
    }
    text
}

fn config(plan: &Plan) -> Config {
    let part = |mark: &str| DEFAULT_TOML.find(mark).unwrap();
    let (own, limits) = (part("[[strategy]]"), part("# Limits that"));
    let names: Vec<String> =
        venues::names(plan).iter().map(|(.., name)| format!("{name:?}")).collect();
    let mut text = [&DEFAULT_TOML[..own], &strategies(plan), &DEFAULT_TOML[limits..]].concat();
    for (from, to) in [
        (
            "instruments = [\"BTC/USDT@binance\", \"BTC/USDT@bybit\"]",
            format!("instruments = [{}]", names.join(", ")),
        ),
        ("watchlist = [\"ETH/USDT@binance\", \"ETH/USDT@bybit\"]", String::new()),
        (
            "position_max = { BTC = \"2\", ETH = \"20\" }",
            "position_max = { BTC = \"2\", ETH = \"20\", HYPE = \"2000\" }".to_owned(),
        ),
    ] {
        assert!(text.contains(from), "the default holds no {from:?}");
        text = text.replacen(from, &to, 1);
    }
    let own: Vec<&str> = Vec::new();
    let mut config = Config::parse_with("simulation", &text, &own).unwrap();
    let ids: Vec<VenueId> = config.venues.iter().map(|venue| venue.venue).collect();
    assert_eq!(ids, plan.venues);
    for (slot, venue) in config.venues.iter_mut().enumerate() {
        venue.orders_over_rest = plan.orders_over_rest[slot];
        venue.feed_connections = plan.feed_connections[slot];
    }
    let limits = &mut config.limits;
    limits.order_notional_max = Decimal::from(plan.limits.order_notional_max);
    let most = |base: &&str| ((*base).to_owned(), plan.limits.position_max_of(base));
    limits.position_max = plan.bases.iter().map(most).collect();
    limits.book_age_max_ns = plan.limits.book_age_ms * MS;
    limits.orders_per_second_max = plan.limits.orders_per_second;
    limits.orders_open_max = plan.limits.orders_open;
    config.journal.segment_bytes = plan.segment_bytes;
    config.journal.sync = JournalSync::Never;
    config
}

impl World {
    pub fn new(plan: &Plan) -> Self {
        let now = START;
        let network = Network::new(plan.seed, now);
        let clock = Clock::manual(now);
        let sim = venues::start(plan, &network, now);
        let (log, lines) = log::channel(512);
        Self {
            now,
            network,
            sim,
            engine: None,
            journal: MemoryFolder::new(),
            start_at: now,
            pause_ns: 0,
            runs: 0,
            stopping: false,
            clock,
            log,
            faults: Faults::new(plan, now),
            checks: Checks::new(plan),
            pairs: Pairs::new(plan),
            person: Person::new(plan, now),
            lines,
            said: Vec::new(),
            kept: VecDeque::new(),
            poll_at: now,
            steps: 0,
            plan: plan.clone(),
        }
    }

    /// The whole life of the engine.
    pub fn run(&mut self) -> Result<Outcome, Failure> {
        self.run_until(START.plus(self.plan.trading_ns))?;
        while self.plan.long && self.orders() < LONG_ORDERS {
            if self.now.since(START) > LONG_MAX_NS {
                return Err(Failure(format!("a long run has {} orders only", self.orders())));
            }
            self.run_until(self.now.plus(SECOND))?;
        }
        self.faults.heal(self.now, &mut self.sim, &self.network, &self.plan);
        self.person.resume_all(self.now);
        // Else something is paid after the last word, whenever that is. What is due just now is paid yet.
        Faults::no_funding(&mut self.sim, &self.plan);
        self.run_until(self.now.plus(SECOND))?;
        if self.plan.abrupt {
            while self.engine.is_none() {
                self.step(Nanos(u64::MAX))?;
            }
        } else {
            self.come_to_rest()?;
        }
        self.stop()?;
        let engine = self.engine.take().ok_or_else(|| Failure::new("no engine at the end"))?;
        let last = engine.last.try_recv().map_err(|_| Failure::new("no last word"))?;
        self.checks.end(&last, &engine, &self.sim, (!self.plan.abrupt, self.now))?;
        let fundings = engine.oms.oms().counters().funding_payments;
        drop(engine);
        let taken = last.counters.fills_external;
        self.said.extend(self.lines.take());
        let mut lines = self.said.iter();
        // Who dies just then has recorded it, and says it to nobody.
        if taken > 0 && self.runs == 1 && !lines.any(|line| line.text.contains(NOT_OURS)) {
            return Err(Failure(format!("{taken} fills of liquidations, and nobody says so")));
        }
        self.replay(&last)?;
        Ok(Outcome {
            digest: self.network.digest(),
            steps: self.steps,
            orders: last.counters.orders_sent,
            fills: last.counters.fills,
            virtual_ns: self.now.since(START),
            runs: self.runs,
            faults: self.faults.counts.clone(),
            commands: self.person.done,
            pairs: self.pairs.compared,
            fundings,
            liquidations: last.counters.fills_external,
            markets: self.plan.markets.clone(),
        })
    }

    /// Until everything is connected, nothing moves, and the books have been compared.
    fn come_to_rest(&mut self) -> Result<(), Failure> {
        // What was swallowed just now is noticed once more of it comes.
        self.run_until(self.now.plus(3 * SECOND))?;
        self.run_until_whole()?;
        self.sim.pause_flow(true);
        self.faults.asleep.strategies = Nanos(u64::MAX);
        let quiet = self.now.plus(QUIET_NS);
        self.run_until(quiet)?;
        let open =
            |world: &Self| world.engine.as_ref().is_some_and(|e| e.oms.oms().pairs_open() > 0);
        let until = self.now.plus(PAIRS_NS);
        while open(self) && self.now < until {
            self.step(until)?;
        }
        // What the last of them traded is yet to be told.
        self.run_until(self.now.plus(SECOND))?;
        match &self.engine {
            Some(engine) => {
                self.pairs.end(&self.plan, engine, &self.sim)?;
                self.checks.books(engine, &self.sim)?;
            }
            None => return Err(Failure::new("no engine although nothing is wrong any more")),
        }
        self.compare_margins()?;
        if self.plan.flatten { self.flatten() } else { Ok(()) }
    }

    /// The venues are asked what they have for us.
    fn compare_margins(&mut self) -> Result<(), Failure> {
        let run = self.runs;
        self.person.ask(Operator::Reconcile(None), self.now);
        // A round that was under way and did not find a quiet moment comes first.
        self.run_until(self.now.plus(3 * QUIET_NS))?;
        match &self.engine {
            // It died of an earlier fault meanwhile, and knows less.
            Some(engine) if self.runs == run => self.checks.margins(engine, &self.sim),
            _ => Ok(()),
        }
    }

    /// Everything is closed at a person's command, and is closed then.
    fn flatten(&mut self) -> Result<(), Failure> {
        // A book that does not move is soon too old to trade on.
        self.sim.pause_flow(false);
        let run = self.runs;
        self.person.ask(Operator::Flatten(Scope::Engine), self.now);
        let until = self.now.plus(CLOSING_NS);
        // It is taken up by the next poll.
        self.run_until(self.now.plus(SECOND))?;
        let working = |world: &Self| {
            let oms = world.engine.as_ref().map(|engine| engine.oms.oms());
            oms.is_some_and(|oms| !oms.progress(Scope::Engine).is_done())
        };
        while working(self) && self.now < until {
            self.step(until)?;
        }
        if self.runs > run || self.engine.is_none() {
            // It died of an earlier fault meanwhile: whoever asked sees that and asks again.
            self.run_until_whole()?;
            return self.flatten();
        }
        self.sim.pause_flow(true);
        self.run_until(self.now.plus(QUIET_NS))?;
        let engine = self.engine.as_ref().ok_or_else(|| Failure::new("no engine"))?;
        let closings = engine.oms.oms().closings();
        let closed = |row: &&Closing| matches!(row.state, ClosingState::Flat | ClosingState::Dust);
        match closings.iter().find(|row| !closed(row)) {
            None if !closings.is_empty() => Ok(()),
            _ => {
                let oms = engine.oms.oms();
                let held: Vec<String> = closings
                    .iter()
                    .map(|row| {
                        let held = oms.held(Scope::Engine, row.instrument);
                        format!("{held} of {:?} {:?}", row.instrument, row.state)
                    })
                    .collect();
                Err(Failure(format!("flattened, and yet: {held:?}")))
            }
        }
    }

    /// The journal alone makes the state that the engine ended with.
    fn replay(&self, last: &FinalState) -> Result<(), Failure> {
        let place = Place::Memory(self.journal.after_crash());
        let restored = restore(&place, false);
        let restored = restored.map_err(|error| Failure(format!("the journal: {error}")))?;
        let replayed = restored.final_state(&self.plan.venues);
        let shown = |state: &FinalState| {
            let positions: Vec<String> = state
                .positions
                .iter()
                .map(|p| format!("{} {} {}", p.qty, p.cost, p.fees))
                .collect();
            let balances: Vec<String> = state
                .balances
                .iter()
                .map(|b| format!("{:?} {:?} {}", b.stated, b.expected, b.fees))
                .collect();
            format!("{positions:?} {balances:?} {:?}", state.unconfirmed)
        };
        if shown(&replayed) != shown(last) {
            let (replayed, last) = (shown(&replayed), shown(last));
            return Err(Failure(format!("the journal makes {replayed}\nthe engine had {last}")));
        }
        Ok(())
    }

    /// Orders sent by all engines so far; 0 while none lives.
    fn orders(&self) -> u64 {
        self.engine.as_ref().map_or(0, |engine| engine.oms.oms().counters().orders_sent)
    }

    fn run_until(&mut self, until: Nanos) -> Result<(), Failure> {
        while self.now < until {
            self.step(until)?;
        }
        Ok(())
    }

    /// Until all connections are back: nothing is wrong any more, so they must come back.
    fn run_until_whole(&mut self) -> Result<(), Failure> {
        let until = self.now.plus(self.faults.healing_ns);
        loop {
            let engine = self.engine.as_ref();
            if engine.is_some_and(|engine| self.checks.is_whole(engine, self.now)) {
                return Ok(());
            }
            if let (true, Some(engine)) = (self.now >= until, engine) {
                let oms = engine.oms.oms();
                let venues = self.plan.venues.iter();
                let ready: Vec<_> = venues.clone().map(|v| oms.is_ready(*v, self.now)).collect();
                let health: Vec<_> = venues.map(|v| engine.view.health(*v)).collect();
                let text = "a venue does not come back although all is well";
                let open = self.open_orders();
                return Err(Failure(format!(
                    "{text}: orders allowed {ready:?}\n{health:#?}\n{open}"
                )));
            }
            self.step(until.max(self.now.plus(1)))?;
        }
    }

    fn stop(&mut self) -> Result<(), Failure> {
        self.faults.asleep.strategies = Nanos(0);
        self.stopping = true;
        let until = self.now.plus(STOPPING_NS.max(self.faults.healing_ns));
        loop {
            // It may die once more on the way; the one that follows is told to stop as well.
            if let Some(engine) = &self.engine {
                engine.lifecycle.advance(Phase::Stopping);
                if engine.lifecycle.phase() == Phase::Done {
                    return self.person.after_stop(engine, self.plan.abrupt);
                }
            }
            if self.now >= until {
                return Err(Failure(format!("does not stop: {}", self.open_orders())));
            }
            self.step(until)?;
        }
    }

    /// Orders that have not ended, or whose fills are not all booked, for people.
    fn open_orders(&self) -> String {
        let Some(engine) = &self.engine else { return String::new() };
        let all = engine.oms.oms().orders().iter();
        let open = all.filter(|order| !order.state.is_terminal() || order.awaits_fills());
        let open: Vec<String> = open.map(|order| format!("{order:?}")).collect();
        open.join("\n")
    }

    /// Everything that is due now, then on to the next thing that is, at most to `until`.
    fn step(&mut self, until: Nanos) -> Result<(), Failure> {
        self.steps += 1;
        self.sim.turn(self.now);
        self.faults.turn(self.now, &mut self.sim, &self.network, &self.plan);
        self.live_and_die();
        self.person.turn(self.engine.as_ref(), self.now);
        self.poll()?;
        self.said.extend(self.lines.take());
        if self.journal.crashed() {
            self.die(self.pause_ns);
        }
        if let Some(engine) = &self.engine {
            self.checks.step(engine, &self.sim, self.now)?;
            self.pairs.read()?;
        }
        let arrival = self.network.next_arrival().unwrap_or(Nanos(u64::MAX));
        let next = arrival.min(self.sim.due(self.now)).min(self.faults.due());
        let next = next.min(self.person.due());
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
        let (now, asleep) = (self.now, &self.faults.asleep);
        let Some(engine) = &mut self.engine else { return Ok(()) };
        for _ in 0..ROUNDS_MAX {
            let mut work = 0;
            for (feed, until) in engine.feeds.iter_mut().zip(&asleep.feeds) {
                work += if now >= *until { feed.poll(now) } else { 0 };
            }
            if now >= asleep.strategies {
                for strategy in &mut engine.strategies {
                    work += strategy.poll(now);
                }
            }
            work += engine.oms.poll(now);
            if self.journal.crashed() {
                return Ok(());
            }
            self.checks.after_oms(engine, now)?;
            self.person.after_oms(engine, now)?;
            for (executor, until) in engine.executors.iter_mut().zip(&asleep.executors) {
                work += if now >= *until { executor.poll(now) } else { 0 };
            }
            if work == 0 {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Lets the engine die, and starts it, as the faults want it.
    fn live_and_die(&mut self) {
        for order in std::mem::take(&mut self.faults.orders) {
            match order {
                Order::Room(room) => {
                    let used: usize =
                        self.journal.segments().iter().map(|(_, bytes)| bytes.len()).sum();
                    self.journal.set_budget(room.map(|room| used as u64 + room));
                }
                _ if self.engine.is_none() => {}
                Order::Crash(pause_ns) => self.die(pause_ns),
                Order::CrashAfter(bytes, pause_ns) => {
                    self.pause_ns = pause_ns;
                    self.journal.crash_at(self.journal.written() + bytes);
                }
            }
        }
        // One that ends by itself, as where its journal cannot take any more, is started again as
        // a service manager would.
        let done = |engine: &Assembly| engine.lifecycle.phase() == Phase::Done;
        if !self.stopping && self.engine.as_ref().is_some_and(done) {
            self.die(SECOND);
        }
        if self.engine.is_none() && self.now >= self.start_at {
            self.runs += 1;
            let mut engine = build(
                &self.plan,
                (&self.network, &self.clock, &self.sim),
                &self.journal,
                self.runs,
                self.log.clone(),
            );
            engine.oms = engine.oms.with_desk(self.person.desk());
            self.checks.on_start(&engine);
            self.pairs.on_start(&engine);
            self.person.on_start(&engine);
            self.engine = Some(engine);
            self.poll_at = self.now;
        }
    }

    /// As a process that is killed: what is in the journal is all that is left.
    fn die(&mut self, pause_ns: u64) {
        let text = format!("the engine dies for {} ms", pause_ns / MS);
        self.faults.told.push((self.now, text));
        self.engine = None;
        self.person.hang_up();
        self.journal = self.journal.after_crash();
        self.start_at = self.now.plus(pause_ns);
    }

    /// The last things that were said and done, for people.
    pub fn story(&mut self) -> String {
        let mut told: Vec<(u64, String)> = Vec::new();
        let faults = self.faults.told.iter().map(|(at, text)| (at.0, format!("FAULT {text}")));
        told.extend(faults);
        let person = self.person.told.iter().map(|(at, text)| (at.0, format!("PERSON {text}")));
        told.extend(person);
        // The trader asks for much that it may not have; that is no news.
        self.said.extend(self.lines.take());
        let lines = self.said.iter().filter(|line| !line.text.starts_with("signal refused"));
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

fn build(
    plan: &Plan,
    (network, clock, sim): (&Network, &Clock, &InMemory),
    journal: &MemoryFolder,
    run: u64,
    log: log::Log,
) -> Assembly {
    static TLS: OnceLock<std::sync::Arc<rustls::ClientConfig>> = OnceLock::new();
    let config = config(plan);
    let names: Vec<String> = config.instruments.iter().map(|i| i.name.clone()).collect();
    let trader = |number: usize| {
        let name = format!("trader{number}");
        let chance = Chance::new(plan.seed, &format!("{name} {run}"));
        let trader = Trader::new(chance, plan.trader_every_ns, names.clone());
        (name, Box::new(trader) as Box<dyn Strategy>)
    };
    // Their numbers change from run to run, and now and then the second is not there.
    let mut traders: Vec<usize> = (0..plan.traders).collect();
    if run.is_multiple_of(2) {
        traders.reverse();
    }
    traders.truncate(if run.is_multiple_of(3) { 1 } else { plan.traders });
    let setup = EngineSetup {
        config: &config,
        endpoints: venues::endpoints(plan, sim),
        order_endpoints: Vec::new(),
        credentials: venues::credentials(plan),
        instruments: venues::instruments(plan),
        strategies: traders.into_iter().map(trader).collect(),
        tls: TLS.get_or_init(|| client_config(&[]).unwrap()).clone(),
        journal: Some(Place::Memory(journal.clone())),
        clock: clock.clone(),
        log,
    };
    Assembly::in_memory(setup, network.clone(), &sizes(plan)).unwrap()
}

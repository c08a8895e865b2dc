//! An engine that trades between two simulated markets, with a hand on the switches.

use rust_decimal::Decimal;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use stoop::agents::log::{self, LogReader};
use stoop::agents::{self, Engine, EngineSetup, FinalState};
use stoop::cli::ledger::differences;
use stoop::clock::Clock;
use stoop::config::{Config, DEFAULT_TOML};
use stoop::journal::{MemoryFolder, Place};
use stoop::net::tls::{ExtraCa, client_config};
use stoop::shm::{MarketView, OrderCounters};
use stoop::sim::{
    EmbeddedOptions, Fault, Ledger, PlaceRequest, Server, SimAccount, SimHandle, SimOrder, embedded,
};
use stoop::types::{BookState, Channel, InstrumentId, InstrumentTable, Readiness, VenueId};
use stoop::venues::{Credentials, Endpoints, InstrumentName, Secret, VENUES, find_for};

pub const BINANCE: VenueId = VenueId(0);
pub const BYBIT: VenueId = VenueId(1);
pub const NAMES: [&str; 2] = ["binance", "bybit"];

/// Long enough for a loaded machine; a test that works takes a fraction of it.
pub const PATIENCE: Duration = Duration::from_secs(25);

pub struct Rig {
    pub sim: SimHandle,
    /// Those that it trades at.
    pub venues: Vec<VenueId>,
    accounts: Vec<SimAccount>,
    desk: Desk,
    engine: Option<Engine>,
    pub instruments: Arc<InstrumentTable>,
    pub view: MarketView,
    lines: LogReader,
    log: RefCell<Vec<String>>,
}

/// Between which instruments the built-in strategy trades.
const MARKETS: [&str; 2] = ["BTC/USDT@binance", "BTC/USDT@bybit"];

pub fn name(venue: VenueId) -> &'static str {
    VENUES[usize::from(venue.0)].name
}

/// Between other instruments: dollars by whatever name are one.
fn between(markets: [&str; 2], text: &str) -> String {
    let [from, to] = [MARKETS, markets].map(|[one, two]| format!("[{one:?}, {two:?}]"));
    let text = text.replace(&from, &to);
    let text = text.replacen("naked_ms_max = 500", "naked_ms_max = 0\nequal_quotes = true", 1);
    let text = text.replacen("ETH = \"20\" }", "ETH = \"20\", HYPE = \"20000\" }", 1);
    // A coin of a few dollars, of which the venue takes no less than ten.
    let qty = if markets[0].starts_with("HYPE") { "qty = \"1\"" } else { "qty = \"0.01\"" };
    let text = text.replacen("qty = \"0.01\"", qty, 1);
    text.replacen("watchlist = [\"ETH/USDT@binance\", \"ETH/USDT@bybit\"]", "watchlist = []", 1)
}

/// The built-in configuration under a name of its own, streaming all four books, with changes. Idle
/// threads sleep, because several engines share the machine.
fn config(markets: Option<[&str; 2]>, changes: &[(&str, &str)]) -> Config {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut text = DEFAULT_TOML.to_owned();
    let four = [
        (
            "\"BTC/USDT@bybit\"]",
            "\"BTC/USDT@bybit\", \"ETH/USDT@binance\", \"ETH/USDT@bybit\"]".to_owned(),
        ),
        ("watchlist = [\"ETH/USDT@binance\", \"ETH/USDT@bybit\"]", "watchlist = []".to_owned()),
    ];
    let four = match markets {
        None => Some(four),
        Some(markets) => {
            text = between(markets, &text);
            None
        }
    };
    let common = [
        ("name = \"stoop\"", format!("name = \"faults-{}-{number}\"", std::process::id())),
        ("idle = \"yield\"", "idle = \"park\"".to_owned()),
        ("book_age_max_ms = 5000", "book_age_max_ms = 2000".to_owned()),
    ];
    for (from, to) in common.into_iter().chain(four.into_iter().flatten()) {
        assert!(text.contains(from), "the default holds no {from:?}");
        text = text.replacen(from, &to, 1);
    }
    for (from, to) in changes {
        assert!(text.contains(from), "the default holds no {from:?}");
        text = text.replacen(from, to, 1);
    }
    Config::parse("faults", &text).unwrap()
}

/// What an engine is started with, again and again.
struct Desk {
    config: Config,
    endpoints: Vec<(VenueId, Endpoints)>,
    credentials: Vec<(VenueId, Credentials)>,
    tls: Arc<rustls::ClientConfig>,
    journal: MemoryFolder,
}

impl Desk {
    fn start(&self, instruments: &Arc<InstrumentTable>) -> (Engine, LogReader) {
        let (log, lines) = log::channel(4_096);
        let setup = EngineSetup {
            strategies: Vec::new(),
            config: &self.config,
            endpoints: self.endpoints.clone(),
            order_endpoints: Vec::new(),
            credentials: self.credentials.clone(),
            instruments: instruments.clone(),
            tls: self.tls.clone(),
            journal: Some(Place::Memory(self.journal.clone())),
            clock: Clock::new(),
            log,
        };
        (Engine::start(setup).unwrap(), lines)
    }
}

impl Rig {
    /// Everything started and trading on both venues.
    pub fn trading() -> Self {
        Self::trading_with(&[])
    }

    /// The same with these texts of the configuration replaced.
    pub fn trading_with(changes: &[(&str, &str)]) -> Self {
        Self::start(config(None, changes))
    }

    /// Between two instruments of any venues and kinds.
    pub fn between(markets: [&str; 2]) -> Self {
        let venue = |name: &str| find_for(&InstrumentName::parse(name).unwrap()).ok().unwrap();
        let mut rig = Self::start(config(Some(markets), &[]));
        rig.venues = markets.map(venue).into();
        rig.venues.sort();
        rig.venues.dedup();
        rig
    }

    fn start(config: Config) -> Self {
        let venues: Vec<VenueId> = config.venues.iter().map(|venue| venue.venue).collect();
        let wires = venues.iter().map(|venue| stoop::sim::venues::wire(name(*venue)).unwrap());
        let by_hour = config.instruments.iter().any(|of| of.name.ends_with(":USDT@bybit"));
        let options = EmbeddedOptions {
            // Paid while a test runs, and more than once; where payments are told apart by their
            // hour, as the venue has it.
            funding_interval_ms: (!by_hour).then_some(2_000),
            ..EmbeddedOptions::default()
        };
        let made = embedded(&options, wires.collect()).unwrap();
        let of = |venue: &VenueId| {
            made.accounts.iter().find(|account| account.venue == name(*venue)).unwrap().clone()
        };
        let accounts: Vec<SimAccount> = venues.iter().map(of).collect();
        let sim = Server::start(made.options).unwrap();
        let tls = client_config(&[ExtraCa::Pem(sim.ca_pem().as_bytes().to_vec())]).unwrap();
        let (mut endpoints, mut credentials) = (Vec::new(), Vec::new());
        for (venue, account) in venues.iter().copied().zip(&accounts) {
            let urls = sim.urls(account.venue).unwrap().clone();
            let (rest, public) = (urls.rest, urls.public);
            let (trade, private) = (urls.trade, urls.private);
            endpoints.push((venue, Endpoints { rest, public, trade, private }));
            let secret = |text: &String| Secret::new(text.clone());
            let passphrase = Some(&account.passphrase).filter(|text| !text.is_empty()).map(secret);
            let keys = Credentials::new(account.key.clone(), secret(&account.secret));
            credentials.push((venue, Credentials { passphrase, ..keys }));
        }
        let instruments = Arc::new(agents::load(&config, &endpoints, &tls).unwrap());
        let desk = Desk { config, endpoints, credentials, tls, journal: MemoryFolder::new() };
        let (engine, lines) = desk.start(&instruments);
        let view = engine.view().clone();
        let log = RefCell::new(Vec::new());
        let engine = Some(engine);
        let rig = Self { sim, venues, accounts, desk, engine, instruments, view, lines, log };
        rig.wait("all books are live", |rig| {
            rig.all().iter().all(|id| rig.state(*id) == BookState::Live)
        });
        rig.goes_on_trading();
        rig
    }

    /// Stops the engine, lets things happen, and starts it again over the same journal.
    pub fn restart(&mut self, meanwhile: impl FnOnce(&Self)) {
        let engine = self.engine.take().unwrap();
        engine.stop();
        let start = Instant::now();
        while !engine.has_stopped() && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(engine.has_stopped(), "not stopped in time: {:#?}", self.log());
        let _ = engine.join();
        meanwhile(self);
        let (engine, lines) = self.desk.start(&self.instruments);
        self.view = engine.view().clone();
        (self.engine, self.lines) = (Some(engine), lines);
    }

    /// Everything said so far, as `source: text`.
    pub fn log(&self) -> Vec<String> {
        let mut log = self.log.borrow_mut();
        log.extend(
            self.lines.take().into_iter().map(|line| format!("{}: {}", line.source, line.text)),
        );
        log.clone()
    }

    /// How often exactly this was said.
    pub fn said(&self, line: &str) -> usize {
        self.log().iter().filter(|said| *said == line).count()
    }

    pub fn wait(&self, what: &str, done: impl Fn(&Self) -> bool) {
        self.wait_for(PATIENCE, what, done);
    }

    pub fn wait_for(&self, patience: Duration, what: &str, done: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(start.elapsed() < patience, "not in time: {what}\n{}", self.describe());
            assert!(
                !self.engine.as_ref().unwrap().is_lost(),
                "an agent is lost: {:#?}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn describe(&self) -> String {
        let health: Vec<_> = self.venues.iter().map(|venue| self.view.health(*venue)).collect();
        format!("{:#?}\n{:#?}\n{health:#?}", self.log(), self.counters())
    }

    /// Waits until some more orders have been filled on all venues.
    pub fn goes_on_trading(&self) {
        let fills = |rig: &Self| -> Vec<u64> {
            rig.venues.iter().map(|venue| rig.ledger(*venue).fills).collect()
        };
        let before = fills(self);
        self.wait("trading goes on", |rig| {
            std::thread::sleep(Duration::from_millis(10));
            fills(rig).iter().zip(&before).all(|(now, before)| *now >= before + 2)
        });
    }

    pub fn fault(&self, venue: VenueId, fault: Fault) {
        assert!(self.sim.fault(name(venue), fault));
    }

    /// The account's owner places an order at the venue.
    pub fn by_hand(&self, venue: VenueId, request: PlaceRequest) -> SimOrder {
        let account = self.account(venue);
        self.sim.place(account.venue, &account.key, request).unwrap().unwrap()
    }

    /// Else something is paid after the engine's last word.
    fn stop_funding(&self) {
        for row in self.instruments.iter().filter(|row| row.is_perpetual()) {
            let (symbol, rate) = (row.symbol.clone(), Some(Default::default()));
            self.fault(row.venue, Fault::SetFundingRate { symbol, rate });
        }
    }

    fn account(&self, venue: VenueId) -> &SimAccount {
        self.accounts.iter().find(|account| account.venue == name(venue)).unwrap()
    }

    pub fn ledger(&self, venue: VenueId) -> Ledger {
        let account = self.account(venue);
        self.sim.ledger(account.venue, &account.key).unwrap()
    }

    pub fn counters(&self) -> OrderCounters {
        self.view.counters()
    }

    pub fn all(&self) -> Vec<InstrumentId> {
        self.instruments.iter().map(|instrument| instrument.id).collect()
    }

    /// Books of one venue.
    pub fn books(&self, venue: VenueId) -> Vec<InstrumentId> {
        self.instruments.of_venue(venue).map(|instrument| instrument.id).collect()
    }

    /// The state in the region. A read that keeps meeting a write in progress says stale, with no
    /// change counted; it is repeated here, because the question is what was written.
    pub fn state(&self, instrument: InstrumentId) -> BookState {
        loop {
            let best = self.view.best(instrument);
            if best.state != BookState::Stale || best.changes > 0 {
                return best.state;
            }
            std::thread::yield_now();
        }
    }

    /// Whether books are live and orders can be sent.
    pub fn is_whole(&self, venue: VenueId) -> bool {
        let health = self.view.health(venue);
        let trade = health.executor.channels[Channel::Trade.index()];
        // Where it has no channel of its own it is not asked for.
        let private = health.executor.channels[Channel::Private.index()];
        let private = name(venue) == "binance" || private == Readiness::Ready;
        health.feed.state == Readiness::Ready
            && trade == Readiness::Ready
            && private
            && self.books(venue).iter().all(|id| self.state(*id) == BookState::Live)
    }

    /// Asks the engine to stop.
    pub fn stop(&self) {
        self.engine.as_ref().unwrap().stop();
    }

    pub fn has_stopped(&self) -> bool {
        self.engine.as_ref().unwrap().has_stopped()
    }

    /// Stops the engine, and proves that everything that was sent is accounted for and that
    /// engine and venues agree.
    pub fn finish(self) -> FinalState {
        self.finish_beside(0)
    }

    /// The same where so many orders were placed by hand.
    pub fn finish_beside(mut self, by_hand: u64) -> FinalState {
        let engine = self.engine.take().unwrap();
        self.stop_funding();
        engine.stop();
        let start = Instant::now();
        while !engine.has_stopped() && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
        let stopped = engine.has_stopped();
        let last = engine.join();
        let log = self.log();
        assert!(stopped, "not stopped in time: {last:#?}\n{log:#?}");
        let ledgers: Vec<(VenueId, Ledger)> =
            self.venues.iter().map(|venue| (*venue, self.ledger(*venue))).collect();
        let mut found = differences(&self.instruments, &last, &ledgers);
        found.retain(|line| !is_rounding(line));
        assert!(found.is_empty(), "{found:#?}\n{log:#?}");
        let c = &last.counters;
        assert_eq!(last.unconfirmed, [""; 0], "{log:#?}");
        assert_eq!((c.orders_open, c.orders_unknown), (0, 0), "{c:#?}");
        let taken = c.orders_filled + c.orders_canceled + c.orders_expired;
        assert_eq!(c.orders_sent, taken + c.orders_rejected, "{c:#?}");
        // One order of ours is one order there: none was sent twice, none of them forgotten.
        let taken = taken + by_hand;
        assert_eq!(taken, ledgers.iter().map(|(_, ledger)| ledger.orders).sum::<u64>(), "{c:#?}");
        last
    }
}

impl Drop for Rig {
    /// After a failed test: the engine's threads and its folder go with it.
    fn drop(&mut self) {
        if let Some(engine) = self.engine.take() {
            let _ = engine.join();
        }
    }
}

/// One venue's lists do not say what a fill has realised: how it was rounded is not known then.
fn is_rounding(line: &str) -> bool {
    let numbers = line.split_once(" realised: engine ").and_then(|(_, rest)| {
        let (ours, theirs) = rest.split_once(", venue ")?;
        Some((ours.parse::<Decimal>().ok()?, theirs.parse::<Decimal>().ok()?))
    });
    numbers.is_some_and(|(ours, theirs)| (ours - theirs).abs() < Decimal::new(1, 7))
}

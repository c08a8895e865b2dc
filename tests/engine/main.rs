//! The engine as a program of its own would run it: with strategies that the program brings,
//! against the simulated venues over TLS on loopback.

mod amend;
mod flood;
mod futures;
mod hung;
mod legs;
mod params;
mod rules;
mod supervision;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use stoop::agents::{self, Engine, EngineSetup, FinalState, log};
use stoop::clock::Clock;
use stoop::config::{Config, DEFAULT_TOML};
use stoop::net::tls::{ExtraCa, client_config};
use stoop::sim::{self, EmbeddedOptions, Server, SimHandle, embedded};
use stoop::strategy::prelude::*;
use stoop::types::{InstrumentTable, VenueId};
use stoop::venues::{Credentials, Endpoints, Secret, VENUES, VenueSetup};

/// Longest that a strategy may wait for the first book of an instrument it begins to watch.
const FIRST_BOOK: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(20);

type Own = Vec<(String, Box<dyn Strategy>)>;

/// The default configuration under a name of its own, without its strategy and with `more` at the
/// end, for a program that brings strategies of these names.
fn config(more: &str, own: &[&str]) -> Config {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("name = \"test-{}-{number}\"", std::process::id());
    let from = DEFAULT_TOML.find("[[strategy]]").unwrap();
    let to = DEFAULT_TOML.find("# Limits that").unwrap();
    let text = [&DEFAULT_TOML[..from], &DEFAULT_TOML[to..], more].concat();
    let text = text.replacen("name = \"stoop\"", &name, 1);
    Config::parse_with("engine.toml", &text, own).unwrap()
}

/// The same for one perpetual, of BTC.
fn futures_config(name: &str, own: &[&str]) -> Config {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let from = DEFAULT_TOML.find("[[strategy]]").unwrap();
    let to = DEFAULT_TOML.find("# Limits that").unwrap();
    let mut text = [&DEFAULT_TOML[..from], &DEFAULT_TOML[to..]].concat();
    for (from, to) in [
        ("name = \"stoop\"", format!("name = \"futures-{}-{number}\"", std::process::id())),
        (
            "instruments = [\"BTC/USDT@binance\", \"BTC/USDT@bybit\"]",
            format!("instruments = [\"{name}\"]"),
        ),
        (
            "watchlist = [\"ETH/USDT@binance\", \"ETH/USDT@bybit\"]",
            format!("watchlist = [\"{}\"]", name.replace("BTC", "ETH")),
        ),
    ] {
        assert!(text.contains(from), "the default holds no {from:?}");
        text = text.replacen(from, &to, 1);
    }
    Config::parse_with("engine.toml", &text, own).unwrap()
}

/// The simulated venues of a configuration and an engine that trades there.
fn start(config: &Config, strategies: Own) -> Result<(Engine, SimHandle), String> {
    start_logged(config, strategies).map(|started| (started.engine, started.sim))
}

/// An engine with everything around it.
struct Started {
    engine: Engine,
    sim: SimHandle,
    lines: log::LogReader,
    /// To connect to each venue as the engine does.
    setups: Vec<VenueSetup>,
    tls: Arc<rustls::ClientConfig>,
}

/// Secrets of all simulated accounts so far.
fn secrets() -> Vec<String> {
    SECRETS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

static SECRETS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn venue_setup(
    venue: VenueId,
    endpoints: Endpoints,
    credentials: &Credentials,
    instruments: &Arc<InstrumentTable>,
) -> VenueSetup {
    VenueSetup {
        venue,
        endpoints,
        instruments: instruments.clone(),
        credentials: Some(credentials.clone()),
        depth: 50,
        recv_window_ms: 5_000,
        orders_over_rest: false,
        order_connections: 1,
        feed_connections: 1,
        dead_man_switch_s: None,
        prepared_nonces: 0,
        margin: Default::default(),
        reply_timeout_ms: 2_000,
        first_message_timeout_ms: 5_000,
    }
}

fn start_logged(config: &Config, strategies: Own) -> Result<Started, String> {
    start_with(config, strategies, &EmbeddedOptions::default())
}

fn start_with(
    config: &Config,
    strategies: Own,
    options: &EmbeddedOptions,
) -> Result<Started, String> {
    start_apart(config, strategies, options, |_| Vec::new())
}

type Addresses = Vec<(VenueId, Endpoints)>;

/// The same with addresses of their own for orders, made from the others.
fn start_apart(
    config: &Config,
    strategies: Own,
    options: &EmbeddedOptions,
    orders: fn(&Addresses) -> Addresses,
) -> Result<Started, String> {
    let names: Vec<&str> =
        config.venues.iter().map(|venue| VENUES[usize::from(venue.venue.0)].name).collect();
    let wires = names.iter().map(|name| sim::venues::wire(name).unwrap()).collect();
    let embedded = embedded(options, wires).unwrap();
    let accounts = embedded.accounts;
    let handle = Server::start(embedded.options).unwrap();
    let tls = client_config(&[ExtraCa::Pem(handle.ca_pem().as_bytes().to_vec())]).unwrap();
    let (mut endpoints, mut credentials) = (Vec::new(), Vec::new());
    for (venue, name) in config.venues.iter().map(|venue| venue.venue).zip(&names) {
        let urls = handle.urls(name).unwrap().clone();
        let (public, trade, private) = (urls.public, urls.trade, urls.private);
        endpoints.push((venue, Endpoints { rest: urls.rest, public, trade, private }));
        let account = accounts.iter().find(|account| account.venue == *name).unwrap();
        SECRETS.lock().unwrap().extend([account.secret.clone(), account.key.clone()]);
        let secret = |text: &String| Secret::new(text.clone());
        let passphrase = Some(&account.passphrase).filter(|text| !text.is_empty()).map(secret);
        let keys = Credentials::new(account.key.clone(), secret(&account.secret));
        credentials.push((venue, Credentials { passphrase, ..keys }));
    }
    let instruments = Arc::new(agents::load(config, &endpoints, &tls).unwrap());
    let (log, lines) = log::channel(1024);
    let both = endpoints.iter().zip(&credentials);
    let setups = both
        .map(|((venue, ends), (_, keys))| venue_setup(*venue, ends.clone(), keys, &instruments))
        .collect();
    let trusted = tls.clone();
    let clock = Clock::new();
    let setup = EngineSetup {
        config,
        order_endpoints: orders(&endpoints),
        endpoints,
        credentials,
        instruments,
        strategies,
        tls,
        journal: None,
        clock,
        log,
    };
    Engine::start(setup).map(|engine| Started { engine, sim: handle, lines, setups, tls: trusted })
}

/// Stops the engine in good order.
fn stop(engine: Engine, sim: SimHandle) -> FinalState {
    engine.stop();
    let asked = Instant::now();
    while !engine.has_stopped() && asked.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(5));
    }
    let last = engine.join();
    sim.stop();
    last
}

/// What a [`Watcher`] saw of an instrument.
struct Seen {
    name: &'static str,
    /// It was live before anyone watched it.
    early: bool,
    /// From the wish to the first live book.
    after: Duration,
    bid: Price,
    ask: Price,
}

/// Watches one instrument from the start and, once its book lives, two more.
struct Watcher {
    first: &'static str,
    later: [&'static str; 2],
    asked: Option<Instant>,
    waiting: Vec<(&'static str, InstrumentRef, bool)>,
    seen: Sender<Seen>,
}

impl Watcher {
    fn new() -> (Self, Receiver<Seen>) {
        let (seen, receiver) = channel();
        let later = ["ETH/USDT@binance", "ETH/USDT@bybit"];
        let watcher =
            Self { first: "BTC/USDT@binance", later, asked: None, waiting: Vec::new(), seen };
        (watcher, receiver)
    }

    fn watch_more(&mut self, ctx: &mut Context) {
        for name in self.later {
            let market = ctx.instrument(name).unwrap();
            let early = ctx.best(&market).state != BookState::Empty;
            ctx.watch(&market).unwrap();
            self.waiting.push((name, market, early));
        }
        self.asked = Some(Instant::now());
    }
}

impl Strategy for Watcher {
    fn on_start(&mut self, ctx: &mut Context) {
        let market = ctx.instrument(self.first).unwrap();
        ctx.watch(&market).unwrap();
    }

    fn on_book(&mut self, ctx: &mut Context, changed: InstrumentId) {
        let first = ctx.instrument(self.first).unwrap();
        let Some(asked) = self.asked else {
            if changed == first.id && ctx.best(&first).is_live() {
                self.watch_more(ctx);
            }
            return;
        };
        let Some(at) = self.waiting.iter().position(|(_, market, _)| market.id == changed) else {
            return;
        };
        let best = ctx.best(&self.waiting[at].1);
        if best.is_live() {
            let (name, _, early) = self.waiting.remove(at);
            let (bid, ask) = (best.bid.price, best.ask.price);
            let _ = self.seen.send(Seen { name, early, after: asked.elapsed(), bid, ask });
        }
    }
}

fn first_books_come_in_time(seen: &Receiver<Seen>) {
    let mut names = Vec::new();
    for _ in 0..2 {
        let seen = seen.recv_timeout(PATIENCE).expect("no live book");
        println!("{}: first live book after {:?}", seen.name, seen.after);
        assert!(!seen.early, "{}: streamed before it was watched", seen.name);
        assert!(seen.after < FIRST_BOOK, "{}: {:?}", seen.name, seen.after);
        assert!(Price(0) < seen.bid && seen.bid < seen.ask, "{}", seen.name);
        names.push(seen.name);
    }
    names.sort_unstable();
    assert_eq!(names, ["ETH/USDT@binance", "ETH/USDT@bybit"]);
}

#[test]
fn an_instrument_watched_at_run_time_has_its_first_live_book_within_a_second() {
    let config = config("", &["watcher"]);
    let (watcher, seen) = Watcher::new();
    let (engine, sim) = start(&config, vec![("watcher".to_owned(), Box::new(watcher))]).unwrap();
    first_books_come_in_time(&seen);
    for name in sim.venues() {
        assert!(sim.counters(name).unwrap().private > 0, "{name} has heard a login");
    }
    let last = stop(engine, sim);
    assert_eq!(last.unconfirmed, [""; 0]);
    assert_eq!(last.counters.bad_records, 0);
}

const THREADS: &str = r#"
[[thread]]
runs = ["feed:binance", "feed:bybit", "oms", "exec:binance", "exec:bybit", "strategy:silent"]

[[thread]]
idle = "park"
runs = ["strategy:watcher"]
"#;

struct Silent;

impl Strategy for Silent {}

#[test]
fn own_strategies_stand_in_threads_as_configured() {
    let names = ["silent", "watcher"];
    let config = config(THREADS, &names);
    let (watcher, seen) = Watcher::new();
    let own: Own =
        vec![("silent".to_owned(), Box::new(Silent)), ("watcher".to_owned(), Box::new(watcher))];
    let (engine, sim) = start(&config, own).unwrap();
    assert_eq!(engine.layout(), "2 threads as configured");
    let statuses = engine.strategies();
    assert_eq!(statuses, names);
    first_books_come_in_time(&seen);
    assert_eq!(stop(engine, sim).unconfirmed, [""; 0]);
}

fn refusal(config: &Config, own: Own) -> String {
    start(config, own).err().expect("started")
}

#[test]
fn orders_with_addresses_of_their_own_go_nowhere_else() {
    let config = config("", &[]);
    let missing = |all: &Addresses| all[..1].to_vec();
    let refused = start_apart(&config, Vec::new(), &EmbeddedOptions::default(), missing);
    let name = VENUES[usize::from(config.venues[1].venue.0)].name;
    assert_eq!(refused.err(), Some(format!("{name}: nobody says where its orders go")));
}

#[test]
fn strategies_that_do_not_fit_the_configuration_are_refused() {
    let own = |names: &[&str]| -> Own {
        names
            .iter()
            .map(|name| ((*name).to_owned(), Box::new(Silent) as Box<dyn Strategy>))
            .collect()
    };
    let plain = config("", &[]);
    assert_eq!(refusal(&plain, own(&["a", "a"])), "two strategies are named \"a\"");
    let error = refusal(&plain, own(&["../a"]));
    assert!(error.contains("the strategy's name \"../a\" is not"), "{error}");
    let folder = format!("/dev/shm/stoop-{}", plain.name);
    assert!(!std::path::Path::new(&folder).exists(), "what failed to start leaves nothing");
    let threads = config(THREADS, &["silent", "watcher"]);
    assert_eq!(refusal(&threads, own(&["silent"])), "there is no agent \"strategy:watcher\"");
    assert_eq!(
        refusal(&threads, own(&["silent", "watcher", "third"])),
        "agent \"strategy:third\" stands in no [[thread]]"
    );
    let many: Vec<String> = (0..64).map(|number| format!("s{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(refusal(&plain, own(&many)), "more than 63 strategies");
}

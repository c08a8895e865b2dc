//! Klines of every market: history as the simulated venue states it joined with the trades that it
//! sends, against the venue's own truth; and a strategy that trades on them.

use crate::markets::{MARKETS, Market, symbol};
use crate::plan::{MS, Plan, SECOND};
use crate::venues;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stoop::agents::{Agent, Assembly, EngineSetup, HistoryQuestion, Sizes, log};
use stoop::clock::Clock;
use stoop::config::{Config, DEFAULT_TOML};
use stoop::net::tls::client_config;
use stoop::pipe::Network;
use stoop::sim::{
    AccountId, Dislocations, FlowOptions, HttpRequest, InMemory, SimKline, SimKlineSpan,
    SimOptions, SimVenueOptions, WireOut,
};
use stoop::strategy::indicators;
use stoop::strategy::klines::SeriesCounters;
use stoop::strategy::prelude::*;

/// 2026-11-18, half a minute after a full hour.
const START: Nanos = Nanos((1_795_003_200 + 30) * SECOND);
const POLL_NS: u64 = 20 * MS;
const MINUTE_MS: u64 = 60_000;

/// One market, nothing that fails.
fn plan(market: &'static Market) -> Plan {
    let mut plan = Plan::new(7, false);
    plan.markets = vec![market];
    plan.venues = vec![market.venue()];
    plan.bases = vec![if market.has("BTC") { "BTC" } else { crate::markets::EVERYWHERE }];
    (plan.latency_min_ns, plan.latency_max_ns) = (vec![MS], vec![2 * MS]);
    plan.jitter_ns = vec![0];
    plan.slow_percent = 0;
    plan.cash = 1_000_000;
    plan
}

fn config(plan: &Plan, strategy: &str, own: &[&str]) -> Config {
    let part = |mark: &str| DEFAULT_TOML.find(mark).unwrap();
    let (from, to) = (part("[[strategy]]"), part("# Limits that"));
    let name = plan.markets[0].instrument(plan.bases[0]);
    let text = [&DEFAULT_TOML[..from], strategy, &DEFAULT_TOML[to..]].concat();
    let text = text.replacen(
        "instruments = [\"BTC/USDT@binance\", \"BTC/USDT@bybit\"]",
        &format!("instruments = [\"{name}\"]"),
        1,
    );
    let text = text.replacen("[\"ETH/USDT@binance\", \"ETH/USDT@bybit\"]", "[]", 1);
    let text = text.replacen("ETH = \"20\"", "HYPE = \"2000\"", 1);
    Config::parse_with("klines", &text, own).unwrap()
}

struct Life {
    plan: Plan,
    now: Nanos,
    network: Network,
    clock: Clock,
    sim: InMemory,
    engine: Assembly,
    /// So many questions for history are refused.
    refusals: u32,
    complaints: Vec<String>,
    poll_at: Nanos,
}

impl Life {
    fn new(plan: Plan, config: &Config, own: Vec<(String, Box<dyn Strategy>)>) -> Self {
        let network = Network::new(plan.seed, START);
        let clock = Clock::manual(START);
        network.listen(venues::port(0), venues::latency(&plan, 0));
        let (wire, exchange) = (venues::wire(&plan, 0), venues::exchange(&plan, 0));
        let flow = FlowOptions {
            events_per_second: 4.0,
            dislocations: Dislocations { per_second: 0.0, ..Dislocations::default() },
            levels: 20,
            ..FlowOptions::default()
        };
        let venue = SimVenueOptions { wire, exchange, port: venues::port(0) };
        let options = SimOptions {
            venues: vec![venue],
            flow,
            events_first_per_mille: 500,
            ..SimOptions::default()
        };
        let mut sim = InMemory::start(options, network.clone(), START).unwrap();
        sim.set_timer(100 * MS);
        let setup = EngineSetup {
            config,
            endpoints: venues::endpoints(&plan, &sim),
            order_endpoints: Vec::new(),
            credentials: venues::credentials(&plan),
            instruments: venues::instruments(&plan),
            strategies: own,
            tls: client_config(&[]).unwrap(),
            journal: None,
            clock: clock.clone(),
            log: log::channel(64).0,
        };
        let sizes = Sizes { feed_levels: 4_096, ..Sizes::default() };
        let engine = Assembly::in_memory(setup, network.clone(), &sizes).unwrap();
        let (refusals, complaints) = (0, Vec::new());
        let (now, poll_at) = (START, START);
        let life = Self { plan, now, network, clock, sim, engine, refusals, complaints, poll_at };
        // Its made-up past ends here, also for those who ask a copy of the venue.
        life.truth(1, START.as_millis());
        life
    }

    fn run_for(&mut self, nanos: u64) {
        let until = self.now.plus(nanos);
        while self.now < until {
            self.sim.turn(self.now);
            if self.now >= self.poll_at {
                self.poll_at = self.now.plus(POLL_NS);
                self.poll();
            }
            let arrival = self.network.next_arrival().unwrap_or(Nanos(u64::MAX));
            if arrival <= self.poll_at {
                self.poll_at = arrival;
            }
            let next = self.poll_at.min(self.sim.due(self.now)).min(until);
            self.now = next.max(self.now.plus(1));
            self.clock.set(self.now);
            self.network.set_now(self.now);
        }
    }

    fn poll(&mut self) {
        let now = self.now;
        for _ in 0..64 {
            let engine = &mut self.engine;
            let mut work: usize = engine.feeds.iter_mut().map(|feed| feed.poll(now)).sum();
            work += engine.strategies.iter_mut().map(|strategy| strategy.poll(now)).sum::<usize>();
            work += engine.oms.poll(now);
            work += engine.executors.iter_mut().map(|one| one.poll(now)).sum::<usize>();
            if work == 0 {
                break;
            }
        }
        self.serve();
    }

    /// Answers what is asked for history as the venue would, without the way there.
    fn serve(&mut self) {
        let (plan, sim, refusals) = (&self.plan, &self.sim, &mut self.refusals);
        let now = self.now;
        let fetch = |question: &HistoryQuestion<'_>| {
            if *refusals > 0 {
                *refusals -= 1;
                return Ok((503, Vec::new()));
            }
            let rest = question.url.split_once("://").unwrap().1;
            let path = &rest[rest.find('/').unwrap()..];
            let (path, query) = path.split_once('?').unwrap_or((path, ""));
            let body = question.body.clone();
            let request = HttpRequest {
                method: if body.is_some() { "POST" } else { "GET" }.to_owned(),
                path: path.to_owned(),
                query: query.to_owned(),
                body: body.unwrap_or_default(),
                ..HttpRequest::default()
            };
            let (mut wire, mut exchange) = (venues::wire(plan, 0), sim.exchange(0).clone());
            wire.prepare(&mut exchange);
            let reply = wire.on_http(&request, &mut exchange, now.as_millis(), &mut WireOut::new());
            Ok((reply.status, reply.body.into_bytes()))
        };
        let complaints = &mut self.complaints;
        let complain = |text: &str| complaints.push(text.to_owned());
        self.engine.history.serve((Duration::ZERO, || now), fetch, complain);
    }

    /// The venue's truth, of intervals that are over.
    fn truth(&self, minutes: u64, from_ms: u64) -> Vec<SimKline> {
        let instrument = self.engine.view.instruments().iter().next().unwrap();
        let span = SimKlineSpan { minutes, from_ms, until_ms: u64::MAX };
        let exchange = self.sim.exchange(0);
        let all = exchange.klines(&symbol(instrument), span, self.now.as_millis()).unwrap();
        let now_ms = self.now.as_millis();
        all.into_iter().filter(|one| one.start_ms + minutes * MINUTE_MS <= now_ms).collect()
    }
}

/// What a strategy was told and has.
#[derive(Default)]
struct Seen {
    events: Vec<KlineEvent>,
    klines: Vec<Kline>,
    counters: SeriesCounters,
    history: History,
    trades: u64,
    funding: Option<Perpetual>,
}

/// Asks for klines and writes down what comes.
struct Watcher {
    interval: Interval,
    name: String,
    market: Option<InstrumentRef>,
    seen: Arc<Mutex<Seen>>,
}

impl Strategy for Watcher {
    fn on_start(&mut self, ctx: &mut Context) {
        self.market = ctx.instrument(&self.name);
        ctx.want_klines(&self.market.unwrap(), self.interval).unwrap();
    }

    fn on_kline(&mut self, _ctx: &mut Context, event: &KlineEvent) {
        self.seen.lock().unwrap().events.push(*event);
    }

    fn on_trade(&mut self, _ctx: &mut Context, _trade: &Trade) {
        self.seen.lock().unwrap().trades += 1;
    }

    fn on_timer(&mut self, ctx: &mut Context) {
        let market = self.market.unwrap();
        let series = ctx.klines(&market, self.interval).unwrap();
        let mut seen = self.seen.lock().unwrap();
        seen.klines = series.iter().copied().collect();
        seen.counters = *series.counters();
        seen.history = series.history();
        seen.funding = Some(ctx.perpetual(&market));
    }
}

fn watched(market: &'static Market, interval: Interval) -> (Life, Arc<Mutex<Seen>>) {
    let plan = plan(market);
    let seen = Arc::new(Mutex::new(Seen::default()));
    let name = market.instrument(plan.bases[0]);
    let watcher = Watcher { interval, name, market: None, seen: seen.clone() };
    let config = config(&plan, "", &["watcher"]);
    (Life::new(plan, &config, vec![("watcher".to_owned(), Box::new(watcher))]), seen)
}

#[test]
fn klines_of_every_market_are_the_venues_own() {
    for market in MARKETS {
        let (mut life, seen) = watched(market, Interval::M1);
        life.run_for(200 * SECOND);
        let instrument = life.engine.view.instruments().iter().next().unwrap().clone();
        let (seen, name) = (seen.lock().unwrap(), market.name);
        assert_eq!(life.complaints, [""; 0], "{name}");
        assert_eq!(seen.history, History::Loaded, "{name}");
        assert!(seen.trades > 0, "{name}");
        let closed: Vec<&Kline> = seen.klines.iter().filter(|kline| kline.is_closed).collect();
        assert!(closed.len() >= 301, "{name}: {}", closed.len());
        let truth = life.truth(1, closed[0].open_ns.as_millis());
        assert!(truth.len() <= closed.len() + 1, "{name}");
        for (ours, theirs) in closed.iter().zip(&truth) {
            let at = |price| instrument.scale.price(price).unwrap();
            let prices = [theirs.open, theirs.high, theirs.low, theirs.close].map(at);
            let ours_prices = [ours.open, ours.high, ours.low, ours.close];
            let text = format!("{name}: {ours:?} {theirs:?}");
            assert_eq!(
                (ours.open_ns.as_millis(), ours_prices),
                (theirs.start_ms, prices),
                "{text}"
            );
            assert_eq!(ours.volume, instrument.scale.qty(theirs.volume).unwrap(), "{text}");
            assert!(ours.is_complete, "{text}");
        }
        let counters = seen.counters;
        assert_eq!((counters.differing, counters.late, counters.refused), (0, 0, 0), "{name}");
        assert!(counters.corrected > 0, "{name}: the one in which it began");
        // Each was handed out once, in order, and those that closed since as they did.
        let starts: Vec<Nanos> = seen.events.iter().map(|event| event.kline.open_ns).collect();
        assert!(starts.windows(2).all(|pair| pair[0] < pair[1]), "{name}");
        let past = seen.events.iter().filter(|event| event.is_past).count();
        assert!(past >= 299 && seen.events.len() >= past + 3, "{name}: {past}");
        let funded = seen.funding.is_some_and(|known| known.mark > stoop::types::Amount::ZERO);
        assert_eq!(funded, market.perpetual, "{name}");
    }
}

#[test]
fn every_interval_has_a_history() {
    for interval in Interval::ALL {
        let (mut life, seen) = watched(&MARKETS[0], interval);
        life.run_for(5 * SECOND);
        let seen = seen.lock().unwrap();
        assert_eq!((life.complaints.len(), seen.history), (0, History::Loaded), "{interval:?}");
        assert!(seen.klines.len() >= 299, "{interval:?}: {}", seen.klines.len());
    }
}

#[test]
fn a_history_that_is_refused_is_no_empty_market() {
    let (mut life, seen) = watched(&MARKETS[0], Interval::M1);
    life.refusals = 1;
    life.run_for(10 * SECOND);
    {
        let seen = seen.lock().unwrap();
        assert_eq!((seen.history, seen.counters.refused), (History::NotYet, 1));
        assert_eq!(seen.events, [], "nothing is handed out before");
    }
    assert_eq!(life.complaints.len(), 1);
    let text = &life.complaints[0];
    assert!(text.contains("BTC/USDT@binance 1m: no history: HTTP status 503"), "{text}");
    life.run_for(10 * SECOND);
    let seen = seen.lock().unwrap();
    assert_eq!(seen.history, History::Loaded);
    assert!(seen.events.len() >= 299);
}

#[test]
fn the_rsi_strategy_buys_below_30_and_sells_above_70() {
    let plan = plan(&MARKETS[0]);
    let strategy = "[[strategy]]\nname = \"rsi\"\nkind = \"rsi\"\n\
                    instruments = [\"BTC/USDT@binance\"]\nklines = [\"1m\"]\nrsi_period = 3\n\
                    buy_below = \"30\"\nsell_above = \"70\"\nqty = \"0.001\"\n\n";
    let config = config(&plan, strategy, &[]);
    let mut life = Life::new(plan, &config, Vec::new());
    life.run_for(25 * 60 * SECOND + 10 * SECOND);
    let begun_ms = START.as_millis();
    // By the venue's own klines: buys while it holds nothing, sells while it holds something.
    let truth = life.truth(1, begun_ms - 320 * MINUTE_MS);
    let closes: Vec<f64> = truth.iter().map(|one| one.close.to_string().parse().unwrap()).collect();
    let (mut held, mut expected) = (false, Vec::new());
    for (kline, rsi) in truth.iter().zip(indicators::rsi(&closes, 3).unwrap()) {
        let end_ms = kline.start_ms + MINUTE_MS;
        let rsi = rsi.filter(|_| end_ms > begun_ms).unwrap_or(50.0);
        if (!held && rsi < 30.0) || (held && rsi > 70.0) {
            held = !held;
            expected.push((end_ms, if held { Side::Buy } else { Side::Sell }));
        }
    }
    assert!(expected.len() >= 2, "it has traded: {expected:?}");
    let exchange = life.sim.exchange(0);
    let mut traded: Vec<(u64, Side)> = Vec::new();
    for fill in exchange.fills(AccountId(0), "BTCUSDT") {
        let minute = fill.time_ms - fill.time_ms % MINUTE_MS;
        if traded.last() != Some(&(minute, fill.side)) {
            traded.push((minute, fill.side));
        }
    }
    assert_eq!(traded, expected, "each trade follows at once on its kline");
}

//! The simulated venues as a seed wants them, with keys that are the same in every run.

use crate::plan::{MS, Plan};
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use stoop::pipe::{Latency, Network};
use stoop::sim::{
    AccountId, ApiKey, Dislocations, Exchange, FlowOptions, HttpRequest, InMemory, SelfTrade,
    SimOptions, SimVenueOptions, SymbolRules, Wire, WireOut,
};
use stoop::types::{InstrumentTable, Nanos, VenueId};
use stoop::venues::{Credentials, Endpoints, InstrumentName, Secret, VENUES, Wanted, assemble};

pub const NAMES: [&str; 2] = ["binance", "bybit"];
pub const PORTS: [u16; 2] = [1_001, 1_002];
pub const BASES: [&str; 2] = ["BTC", "ETH"];

/// The key that each venue knows; the first venue knows a second one.
const KEYS: [&str; 2] = ["KeyOne", "KeyTwo"];
const SECRET: &str = "ASecretThatEverybodyKnows";
const SIGNING_KEY: &str = "KeySigning";
/// An Ed25519 private key: 32 bytes of 7 behind the fixed head of its PKCS#8 form.
const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\n\
    -----END PRIVATE KEY-----\n";

fn rules(venue: usize, symbol: usize) -> SymbolRules {
    let number = Decimal::new;
    let base = BASES[symbol];
    let lot_size = [[number(1, 5), number(1, 4)], [number(1, 6), number(1, 5)]][venue][symbol];
    SymbolRules {
        symbol: format!("{base}USDT"),
        base: base.to_owned(),
        quote: "USDT".to_owned(),
        tick_size: [[number(10, 2), number(1, 2)], [number(1, 1), number(1, 2)]][venue][symbol],
        lot_size,
        price_min: number(1, 1),
        price_max: Decimal::from(1_000_000),
        qty_min: lot_size,
        qty_max: Decimal::from(80),
        qty_market_max: Decimal::from(40),
        notional_min: Decimal::from(5),
        notional_max: Decimal::from(8_000_000),
        maker_fee: number(1, 4),
        taker_fee: number(2, 4),
        fee_decimals: [8, 10][venue],
        perpetual: None,
    }
}

fn public_key() -> Vec<u8> {
    // Of the private key above.
    static KEY: OnceLock<Vec<u8>> = OnceLock::new();
    let made = || {
        use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        pair.public_key().as_ref().to_vec()
    };
    KEY.get_or_init(made).clone()
}

fn exchange(venue: usize, symbols: usize) -> Exchange {
    let funds = [("BTC", 20), ("ETH", 400), ("USDT", 1_000_000)];
    let funds: BTreeMap<String, Decimal> =
        funds.into_iter().map(|(name, sum)| (name.to_owned(), Decimal::from(sum))).collect();
    let shared = ApiKey {
        key: KEYS[venue].to_owned(),
        secret: SECRET.to_owned(),
        ed25519_public: Vec::new(),
    };
    let rules = (0..symbols).map(|symbol| rules(venue, symbol)).collect();
    let mut exchange = Exchange::new(rules, vec![(shared, funds)]);
    if venue == 0 {
        let (key, secret) = (SIGNING_KEY.to_owned(), String::new());
        exchange.add_key(AccountId(0), ApiKey { key, secret, ed25519_public: public_key() });
        exchange.set_self_trade(SelfTrade::ExpireMaker);
    }
    exchange
}

fn wire(venue: usize) -> Box<dyn Wire> {
    stoop::sim::venues::wire(NAMES[venue]).unwrap()
}

/// The instruments as the venues themselves list them.
pub fn instruments(symbols: usize) -> Arc<InstrumentTable> {
    static TABLES: [OnceLock<Arc<InstrumentTable>>; 2] = [OnceLock::new(), OnceLock::new()];
    let listed = || {
        let mut wanted = Vec::new();
        for symbol in 0..symbols {
            for venue in 0..2 {
                let row = &VENUES[venue];
                let name = format!("{}/USDT@{}", BASES[symbol], NAMES[venue]);
                let parts = InstrumentName::parse(&name).unwrap();
                let (kind, symbol) = (parts.kind(), (row.symbol)(&parts));
                let target = (row.instruments_request)(kind, &[&symbol]).path;
                let (path, query) = target.split_once('?').unwrap();
                let request = HttpRequest {
                    method: "GET".to_owned(),
                    path: path.to_owned(),
                    query: query.to_owned(),
                    ..HttpRequest::default()
                };
                let (mut wire, mut exchange) = (wire(venue), exchange(venue, symbols));
                let reply = wire.on_http(&request, &mut exchange, 0, &mut WireOut::new());
                let mut body = reply.body.into_bytes();
                let spec = (row.decode_instruments)(kind, &mut body).unwrap().remove(0);
                wanted.push(Wanted { name, venue: VenueId(venue as u8), spec });
            }
        }
        let fees: Vec<&str> = VENUES.iter().flat_map(|row| row.fee_assets).copied().collect();
        Arc::new(assemble(&wanted, &fees).unwrap())
    };
    TABLES[symbols - 1].get_or_init(listed).clone()
}

pub fn latency(plan: &Plan, venue: usize) -> Latency {
    Latency {
        min_ns: plan.latency_min_ns[venue],
        max_ns: plan.latency_max_ns[venue],
        jitter_ns: plan.jitter_ns[venue],
        slow_percent: plan.slow_percent,
        slow_ns: plan.slow_ns,
    }
}

pub fn start(plan: &Plan, network: &Network, now: Nanos) -> InMemory {
    let mut venues = Vec::new();
    for venue in 0..2 {
        network.listen(PORTS[venue], latency(plan, venue));
        let exchange = exchange(venue, plan.symbols);
        venues.push(SimVenueOptions { wire: wire(venue), exchange, port: PORTS[venue] });
    }
    let flow = FlowOptions {
        seed: plan.seed,
        events_per_second: plan.changes_per_second,
        dislocations: Dislocations {
            per_second: plan.dislocations_per_second,
            last_min_ms: 100.0,
            last_max_ms: 600.0,
            ..Dislocations::default()
        },
        levels: 20,
        ..FlowOptions::default()
    };
    let events_first_per_mille = plan.events_first_per_mille;
    let options = SimOptions { venues, flow, events_first_per_mille };
    let mut sim = InMemory::start(options, network.clone(), now).unwrap();
    sim.set_timer(20 * MS);
    sim
}

pub fn endpoints(sim: &InMemory) -> Vec<(VenueId, Endpoints)> {
    let of = |venue: usize| {
        let urls = sim.urls(venue).clone();
        let (rest, public, trade, private) = (urls.rest, urls.public, urls.trade, urls.private);
        (VenueId(venue as u8), Endpoints { rest, public, trade, private })
    };
    (0..2).map(of).collect()
}

pub fn credentials(plan: &Plan) -> Vec<(VenueId, Credentials)> {
    let of = |venue: usize| {
        let signs = venue == 0 && plan.ed25519;
        let (key, secret) = if signs { (SIGNING_KEY, PEM) } else { (KEYS[venue], SECRET) };
        let secret = Secret::new(secret.to_owned());
        (VenueId(venue as u8), Credentials::new(key.to_owned(), secret))
    };
    (0..2).map(of).collect()
}

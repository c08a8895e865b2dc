//! The simulated venues as a seed wants them, with keys that are the same in every run.

use crate::plan::{MS, Plan};
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use stoop::pipe::{Latency, Network};
use stoop::sim::venues::hyperliquid::address_of;
use stoop::sim::{
    AccountId, ApiKey, Dislocations, Exchange, FlowOptions, HttpRequest, InMemory, SimOptions,
    SimVenueOptions, Wire, WireOut,
};
use stoop::types::{InstrumentTable, Nanos, VenueId};
use stoop::venues::{
    Credentials, Endpoints, InstrumentName, PlainRequest, Secret, VENUES, Wanted, assemble,
};

const SECRET: &str = "ASecretThatEverybodyKnows";
/// Where a venue takes either kind of key, the one that signs with Ed25519.
const SIGNING_KEY: &str = "KeySigning";
/// An Ed25519 private key: 32 bytes of 7 behind the fixed head of its PKCS#8 form.
const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\n\
    -----END PRIVATE KEY-----\n";
/// And where keys are those of Ethereum.
const SECP256K1: [u8; 32] = [7; 32];

/// The port of a venue by its place in the plan.
pub fn port(slot: usize) -> u16 {
    1_001 + slot as u16
}

fn takes_ed25519(venue: &str) -> bool {
    venue.starts_with("binance")
}

/// The key that a venue knows, and the secret that goes with it.
fn key(venue: &str) -> (String, String) {
    match venue {
        "hyperliquid" => {
            let digits: String = SECP256K1.iter().map(|byte| format!("{byte:02x}")).collect();
            (address_of(&SECP256K1).unwrap(), format!("0x{digits}"))
        }
        _ => (format!("KeyOf{venue}"), SECRET.to_owned()),
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

/// What each account holds of a base asset at the start: about a million.
fn amount(base: &str) -> i64 {
    match base {
        "BTC" => 20,
        "ETH" => 400,
        _ => 40_000,
    }
}

/// The exchange of a venue: markets of the plan alone.
pub fn exchange(plan: &Plan, slot: usize) -> Exchange {
    let (mut funds, mut rules) = (BTreeMap::new(), Vec::new());
    let mut fund = |asset: &str, sum: Decimal| {
        funds.insert(asset.to_owned(), sum);
    };
    for market in plan.markets_at(slot) {
        let bases: Vec<&str> = plan.bases.iter().copied().filter(|base| market.has(base)).collect();
        // What perpetuals are of is not held.
        for base in bases.iter().filter(|_| !market.perpetual) {
            fund(base, Decimal::from(amount(base)));
        }
        let dollars = if market.perpetual { plan.cash } else { 1_000_000 };
        let (asset, sum) = market.cash(dollars);
        fund(asset, sum);
        let listed = |base: &str| market.rules(base, plan.leverage, plan.funding_interval_ms);
        rules.extend(bases.into_iter().map(listed));
    }
    let venue = plan.venue_name(slot);
    let (key, secret) = key(venue);
    let shared = ApiKey { key, secret, ed25519_public: Vec::new() };
    let mut exchange = Exchange::new(rules, vec![(shared, funds)]);
    if takes_ed25519(venue) {
        let (key, secret) = (SIGNING_KEY.to_owned(), String::new());
        exchange.add_key(AccountId(0), ApiKey { key, secret, ed25519_public: public_key() });
    }
    wire(plan, slot).prepare(&mut exchange);
    exchange
}

pub fn wire(plan: &Plan, slot: usize) -> Box<dyn Wire> {
    stoop::sim::venues::wire(plan.venue_name(slot)).unwrap()
}

/// Names of the instruments: all markets of one underlying, then all of the next.
pub fn names(plan: &Plan) -> Vec<(&'static str, VenueId, String)> {
    let mut names = Vec::new();
    for base in &plan.bases {
        for market in plan.markets.iter().filter(|market| market.has(base)) {
            names.push((*base, market.venue(), market.instrument(base)));
        }
    }
    names
}

fn answer(plan: &Plan, slot: usize, asked: PlainRequest) -> Vec<u8> {
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let request = HttpRequest {
        method: if asked.body.is_some() { "POST" } else { "GET" }.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        body: asked.body.clone().unwrap_or_default(),
        ..HttpRequest::default()
    };
    let (mut wire, mut exchange) = (wire(plan, slot), exchange(plan, slot));
    wire.on_http(&request, &mut exchange, 0, &mut WireOut::new()).body.into_bytes()
}

/// The instruments as the venues themselves list them.
pub fn instruments(plan: &Plan) -> Arc<InstrumentTable> {
    static TABLES: Mutex<BTreeMap<Vec<String>, Arc<InstrumentTable>>> = Mutex::new(BTreeMap::new());
    let names = names(plan);
    let all: Vec<String> = names.iter().map(|(.., name)| name.clone()).collect();
    if let Some(table) = TABLES.lock().unwrap().get(&all) {
        return table.clone();
    }
    let listed = |(_, venue, name): (&str, VenueId, String)| {
        let row = &VENUES[usize::from(venue.0)];
        let parts = InstrumentName::parse(&name).unwrap();
        let (kind, symbol) = (parts.kind(), (row.symbol)(&parts));
        let asked = (row.instruments_request)(kind, &[&symbol]);
        let mut body = answer(plan, plan.slot(venue), asked);
        let specs = (row.decode_instruments)(kind, &mut body).unwrap();
        let spec = specs.into_iter().find(|spec| spec.is(&parts)).expect("it is listed");
        Wanted { name, venue, spec }
    };
    let wanted: Vec<Wanted> = names.into_iter().map(listed).collect();
    let fees: Vec<&str> = VENUES.iter().flat_map(|row| row.fee_assets).copied().collect();
    let table = Arc::new(assemble(&wanted, &fees).unwrap());
    TABLES.lock().unwrap().insert(all, table.clone());
    table
}

pub fn latency(plan: &Plan, slot: usize) -> Latency {
    Latency {
        min_ns: plan.latency_min_ns[slot],
        max_ns: plan.latency_max_ns[slot],
        jitter_ns: plan.jitter_ns[slot],
        slow_percent: plan.slow_percent,
        slow_ns: plan.slow_ns,
    }
}

pub fn start(plan: &Plan, network: &Network, now: Nanos) -> InMemory {
    let mut venues = Vec::new();
    for slot in 0..plan.venues.len() {
        network.listen(port(slot), latency(plan, slot));
        let (wire, exchange) = (wire(plan, slot), exchange(plan, slot));
        venues.push(SimVenueOptions { wire, exchange, port: port(slot) });
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
    let options = SimOptions { venues, flow, events_first_per_mille, ..SimOptions::default() };
    let mut sim = InMemory::start(options, network.clone(), now).unwrap();
    sim.set_timer(20 * MS);
    sim
}

pub fn endpoints(plan: &Plan, sim: &InMemory) -> Vec<(VenueId, Endpoints)> {
    let of = |(slot, venue): (usize, &VenueId)| {
        let urls = sim.urls(slot).clone();
        let (rest, public, trade, private) = (urls.rest, urls.public, urls.trade, urls.private);
        (*venue, Endpoints { rest, public, trade, private })
    };
    plan.venues.iter().enumerate().map(of).collect()
}

pub fn credentials(plan: &Plan) -> Vec<(VenueId, Credentials)> {
    let of = |(slot, venue): (usize, &VenueId)| {
        let name = plan.venue_name(slot);
        let (key, secret) = match takes_ed25519(name) && plan.ed25519 {
            true => (SIGNING_KEY.to_owned(), PEM.to_owned()),
            false => key(name),
        };
        let word = wire(plan, slot).passphrase().to_owned();
        let passphrase = Some(word).filter(|word| !word.is_empty()).map(Secret::new);
        (*venue, Credentials { passphrase, ..Credentials::new(key, Secret::new(secret)) })
    };
    plan.venues.iter().enumerate().map(of).collect()
}

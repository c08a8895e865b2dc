//! The market of perpetuals: requests and what comes of them, on each wire.

mod account;
mod api;
mod events;
mod market;
mod orders;

use super::super::tests::{
    ACCOUNT, API, ED_KEY, KEY, OTHER_KEY, SECRET, T, Venue, d, ed25519_public, only_text,
};
use super::BinanceUsdm;
use crate::sim::{
    AccountId, ApiKey, ConnId, Exchange, PerpetualRules, PlaceRequest, ReduceOnlyPolicy, SelfTrade,
    SimOrderType, SymbolRules, Wire, WireOut, WsOut,
};
use crate::types::{Side, TimeInForce};
use rust_decimal::Decimal;
use serde_json::Value;
use std::collections::BTreeMap;

/// The other side of trades.
const OTHER: AccountId = AccountId(1);
/// A connection of the private group.
const USER: ConnId = ConnId(7);
/// Connections of the public group and of the market group.
const PUBLIC: ConnId = ConnId(8);
const MARKET: ConnId = ConnId(9);

fn rules(symbol: &str, base: &str) -> SymbolRules {
    SymbolRules {
        tick_size: d("0.1"),
        lot_size: d("0.001"),
        price_min: d("0.1"),
        qty_min: d("0.001"),
        maker_fee: d("0.0002"),
        taker_fee: d("0.0005"),
        perpetual: Some(PerpetualRules {
            settle: "USDT".to_owned(),
            contract_size: Decimal::ONE,
            leverage_initial: d("20"),
            leverage_max: d("125"),
            maintenance_rate: d("0.004"),
            funding_interval_ms: 8 * 3_600_000,
            funding_rate_max: d("0.003"),
        }),
        ..super::super::tests::rules(symbol, base)
    }
}

type Usdm = Venue<BinanceUsdm>;

/// Bids at 99 and 98, asks at 101 and 102, ten of each; both accounts have 1000 USDT.
fn venue() -> Usdm {
    venue_of(BinanceUsdm::documented())
}

fn venue_of(wire: BinanceUsdm) -> Usdm {
    let key = |key: &str, secret: &str, public: Vec<u8>| ApiKey {
        key: key.to_owned(),
        secret: secret.to_owned(),
        ed25519_public: public,
    };
    let funds = || BTreeMap::from([("USDT".to_owned(), d("1000"))]);
    let mut exchange = Exchange::new(
        vec![rules("BTCUSDT", "BTC"), rules("ETHUSDT", "ETH")],
        vec![(key(KEY, SECRET, vec![]), funds()), (key(OTHER_KEY, "s2", vec![]), funds())],
    );
    exchange.add_key(ACCOUNT, key(ED_KEY, "", ed25519_public()));
    exchange.set_self_trade(SelfTrade::ExpireMaker);
    exchange.set_amend_keeps_place(false);
    exchange.set_reduce_only(ReduceOnlyPolicy { cancels_resting: true, ..Default::default() });
    let levels = [(Side::Buy, "99"), (Side::Buy, "98"), (Side::Sell, "101"), (Side::Sell, "102")];
    let levels = levels.map(|(side, price)| (side, (d(price), d("10"))));
    exchange.set_levels("BTCUSDT", &levels, T);
    exchange.tick(T);
    exchange.take_events();
    let mut venue = Venue { wire, exchange, now_ms: T };
    venue.open(API, "/ws-fapi/v1", "returnRateLimits=false").unwrap();
    venue
}

/// The same with a connection that hears of the account.
fn listening() -> Usdm {
    let mut venue = venue();
    let key = venue.listen_key();
    venue.open(USER, &format!("/private/ws/{key}"), "").unwrap();
    venue
}

impl Usdm {
    fn listen_key(&mut self) -> String {
        let reply = self.http("POST", "/fapi/v1/listenKey", "", "", Some(KEY));
        assert_eq!(reply.status, 200, "{}", reply.body);
        json(&reply.body)["listenKey"].as_str().unwrap().to_owned()
    }

    /// Lets time pass as the host does; every ping is answered.
    fn pass(&mut self, ms: u64) -> WireOut {
        self.now_ms += ms;
        self.exchange.tick(self.now_ms);
        let mut out = self.timer();
        out.extend(self.publish());
        for (conn, what) in &out {
            if let WsOut::Ping(payload) = what {
                self.wire.on_ws_pong(*conn, payload, self.now_ms);
            }
        }
        out
    }

    /// Result of a request of the ws api with this status.
    fn result(&mut self, method: &str, params: &str) -> Value {
        let reply = json(&self.call(method, params));
        assert_eq!(reply["status"], 200, "{reply}");
        reply["result"].clone()
    }

    /// Code of its error.
    fn code(&mut self, method: &str, params: &str) -> i64 {
        let reply = json(&self.call(method, params));
        reply["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error: {reply}"))
    }

    fn get(&mut self, path: &str, query: &str) -> Value {
        let reply = self.rest("GET", path, query);
        assert_eq!(reply.status, 200, "{}", reply.body);
        json(&reply.body)
    }

    /// Public data.
    fn public(&mut self, path: &str, query: &str) -> String {
        let reply = self.http("GET", path, query, "", None);
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body
    }

    fn post(&mut self, path: &str, query: &str) -> (u16, Value) {
        let reply = self.rest("POST", path, query);
        (reply.status, json(&reply.body))
    }

    /// What the account heard, by the names of the events.
    fn heard(out: &WireOut) -> Vec<(String, Value)> {
        let texts = only_text(out, USER);
        let events = texts.iter().map(|text| json(text));
        events.map(|event| (event["e"].as_str().unwrap().to_owned(), event)).collect()
    }

    /// An order of the other account.
    fn other(&mut self, side: Side, qty: &str, price: &str) {
        let request = PlaceRequest {
            symbol: "BTCUSDT".to_owned(),
            client_id: format!("other-{side}-{price}"),
            side,
            order_type: SimOrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            price: d(price),
            qty: d(qty),
            reduce_only: false,
        };
        self.exchange.place(OTHER, request, self.now_ms).unwrap();
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// A message of the venue's documentation.
macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/binance/usdm_",
            $name,
            ".json"
        ))
    };
}
use fixture;

/// The inside of a limit order's parameters.
fn limit(side: &str, qty: &str, price: &str, more: &str) -> String {
    format!(
        r#""symbol":"BTCUSDT","side":"{side}","type":"LIMIT","timeInForce":"GTC","quantity":"{qty}","price":"{price}"{more}"#
    )
}

/// The inside of a market order's parameters.
fn market(side: &str, qty: &str, more: &str) -> String {
    format!(r#""symbol":"BTCUSDT","side":"{side}","type":"MARKET","quantity":"{qty}"{more}"#)
}

//! Request and reply pairs with exact JSON, for each operation on each wire.

mod auth;
mod market;
mod orders;
mod rest;
mod robustness;
mod session;
mod streams;
mod user_events;

use super::{Binance, BinanceLimits, BinanceOptions};
use crate::sim::{
    AccountId, ApiKey, ConnId, Exchange, HttpReply, HttpRequest, SymbolRules, Wire, WireOut, WsOut,
};
use crate::types::Side;
use aws_lc_rs::signature::Ed25519KeyPair;
use aws_lc_rs::{hmac, signature};
use base64::Engine;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// 2025-10-20T11:24:30Z.
pub(super) const T: u64 = 1_760_959_470_000;
/// The HMAC key of the documentation's examples.
pub(super) const KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
pub(super) const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
/// An Ed25519 key of the same account; its seed is the bytes 0 to 31.
pub(super) const ED_KEY: &str = "ed25519key";
/// A second account, which is the other side of trades.
pub(super) const OTHER_KEY: &str = "other";
pub(super) const ACCOUNT: AccountId = AccountId(0);
pub(super) const API: ConnId = ConnId(1);

pub(super) fn d(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn seed() -> [u8; 32] {
    std::array::from_fn(|index| index as u8)
}

pub(super) fn ed25519_public() -> Vec<u8> {
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed()).unwrap();
    signature::KeyPair::public_key(&pair).as_ref().to_vec()
}

pub(super) fn rules(symbol: &str, base: &str) -> SymbolRules {
    SymbolRules {
        symbol: symbol.to_owned(),
        base: base.to_owned(),
        quote: "USDT".to_owned(),
        tick_size: d("0.01"),
        lot_size: d("0.00001"),
        price_min: d("0.01"),
        price_max: d("1000000"),
        qty_min: d("0.00001"),
        qty_max: d("9000"),
        qty_market_max: d("100"),
        notional_min: d("5"),
        notional_max: d("9000000"),
        maker_fee: d("0.0005"),
        taker_fee: d("0.001"),
        fee_decimals: 8,
        perpetual: None,
    }
}

pub(super) fn exchange() -> Exchange {
    let key = |key: &str, secret: &str, public: Vec<u8>| ApiKey {
        key: key.to_owned(),
        secret: secret.to_owned(),
        ed25519_public: public,
    };
    let funds = || BTreeMap::from([("BTC".to_owned(), d("10")), ("USDT".to_owned(), d("100000"))]);
    let mut exchange = Exchange::new(
        vec![rules("BTCUSDT", "BTC"), rules("ETHUSDT", "ETH")],
        vec![(key(KEY, SECRET, vec![]), funds()), (key(OTHER_KEY, "s2", vec![]), funds())],
    );
    exchange.add_key(ACCOUNT, key(ED_KEY, "", ed25519_public()));
    exchange.set_level("BTCUSDT", Side::Buy, d("99.00"), d("2"), T);
    exchange.set_level("BTCUSDT", Side::Sell, d("101.00"), d("1"), T);
    exchange.set_level("BTCUSDT", Side::Sell, d("102.00"), d("3"), T);
    exchange.take_events();
    exchange
}

pub(super) fn hmac_of(secret: &str, payload: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, payload.as_bytes());
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn ed25519_of(payload: &str) -> String {
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed()).unwrap();
    base64::engine::general_purpose::STANDARD.encode(pair.sign(payload.as_bytes()))
}

/// A wire with its exchange; time is given by hand.
pub(super) struct Venue<W = Binance> {
    pub(super) wire: W,
    pub(super) exchange: Exchange,
    pub(super) now_ms: u64,
}

impl Venue {
    pub(super) fn new() -> Self {
        Self::with(BinanceLimits::documented())
    }

    pub(super) fn with(limits: BinanceLimits) -> Self {
        let options = BinanceOptions { limits, ..BinanceOptions::documented() };
        let mut venue = Self { wire: Binance::new(options), exchange: exchange(), now_ms: T };
        venue.open(API, "/ws-api/v3", "returnRateLimits=false").unwrap();
        venue
    }
}

impl<W: Wire> Venue<W> {
    pub(super) fn open(&mut self, conn: ConnId, path: &str, query: &str) -> Result<(), HttpReply> {
        let mut out = Vec::new();
        self.wire.on_ws_open(conn, path, query, &mut self.exchange, self.now_ms, &mut out)
    }

    /// Sends a text and gives everything that leaves for it, events included.
    pub(super) fn send(&mut self, conn: ConnId, text: &str) -> WireOut {
        let mut out = Vec::new();
        self.wire.on_ws_text(conn, text, &mut self.exchange, self.now_ms, &mut out);
        self.publish_into(&mut out);
        out
    }

    fn publish_into(&mut self, out: &mut WireOut) {
        let events = self.exchange.take_events();
        self.wire.on_exchange(&events, &self.exchange, self.now_ms, out);
    }

    /// Tells the clients what happened since the last call.
    pub(super) fn publish(&mut self) -> WireOut {
        let mut out = Vec::new();
        self.publish_into(&mut out);
        out
    }

    pub(super) fn timer(&mut self) -> WireOut {
        let mut out = Vec::new();
        self.wire.on_timer(&mut self.exchange, self.now_ms, &mut out);
        out
    }

    /// A request of the ws api signed with the HMAC key; gives the first text that comes back.
    pub(super) fn call(&mut self, method: &str, params: &str) -> String {
        let out = self.call_all(method, params);
        only_text(&out, API).remove(0)
    }

    /// The same with all that leaves for it.
    pub(super) fn call_all(&mut self, method: &str, params: &str) -> WireOut {
        let request = self.signed(method, params);
        self.send(API, &request)
    }

    /// `params` is the inside of a JSON object; key, timestamp and signature are added.
    pub(super) fn signed(&self, method: &str, params: &str) -> String {
        let comma = if params.is_empty() { "" } else { "," };
        let all = format!(r#"{{{params}{comma}"apiKey":"{KEY}","timestamp":{}}}"#, self.now_ms);
        let payload = super::Params::from_ws(&all).unwrap().sorted_payload();
        let signature = hmac_of(SECRET, &payload);
        let all = all.trim_end_matches('}');
        format!(r#"{{"id":1,"method":"{method}","params":{all},"signature":"{signature}"}}}}"#)
    }

    /// A REST request signed with the HMAC key, all parameters in the query.
    pub(super) fn rest(&mut self, method: &str, path: &str, query: &str) -> HttpReply {
        let and = if query.is_empty() { "" } else { "&" };
        let payload = format!("{query}{and}timestamp={}", self.now_ms);
        let signature = hmac_of(SECRET, &payload);
        self.http(method, path, &format!("{payload}&signature={signature}"), "", Some(KEY))
    }

    /// A REST request as it is.
    pub(super) fn http(
        &mut self,
        method: &str,
        path: &str,
        query: &str,
        body: &str,
        key: Option<&str>,
    ) -> HttpReply {
        let headers = key.map(|key| ("x-mbx-apikey".to_owned(), key.to_owned()));
        let request = HttpRequest {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: headers.into_iter().collect(),
            body: body.to_owned(),
        };
        let mut out = Vec::new();
        let reply = self.wire.on_http(&request, &mut self.exchange, self.now_ms, &mut out);
        assert!(out.is_empty());
        reply
    }
}

/// The texts that go to one connection.
pub(super) fn only_text(out: &WireOut, conn: ConnId) -> Vec<String> {
    out.iter()
        .filter(|(to, _)| *to == conn)
        .filter_map(|(_, what)| match what {
            WsOut::Text(text) => Some(text.clone()),
            _ => None,
        })
        .collect()
}

/// `{"id":1,"status":<status>,"error":{"code":<code>,"msg":<message>}}`
pub(super) fn refusal(status: u16, code: i32, message: &str) -> String {
    format!(r#"{{"id":1,"status":{status},"error":{{"code":{code},"msg":"{message}"}}}}"#)
}

/// `{"id":1,"status":200,"result":<result>}`
pub(super) fn success(result: &str) -> String {
    format!(r#"{{"id":1,"status":200,"result":{result}}}"#)
}

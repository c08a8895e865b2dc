//! Whole conversations with the wire: exact requests, exact replies.

mod books;
mod linear;
mod noise;
mod orders;
mod private;
mod queries;
mod rest;

mod trade;

use super::{Bybit, BybitLimits, BybitOptions};
use crate::sim::{
    ApiKey, ConnId, Exchange, HttpReply, HttpRequest, SymbolRules, Wire, WireOut, WsOut,
};
use crate::types::Side;
use aws_lc_rs::hmac;
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use std::str::FromStr;

/// When everything happens, ms.
pub(super) const NOW: u64 = 1_700_000_000_000;
const KEY: &str = "test_api_key";
const SECRET: &str = "test_secret";
pub(super) const PUBLIC: ConnId = ConnId(1);
pub(super) const PRIVATE: ConnId = ConnId(2);
pub(super) const TRADE: ConnId = ConnId(3);

pub(super) fn dec(text: &str) -> Decimal {
    Decimal::from_str(text).unwrap()
}

fn sign(payload: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = hmac::sign(&key, payload.as_bytes());
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn rules(symbol: &str, base: &str, tick: &str) -> SymbolRules {
    SymbolRules {
        symbol: symbol.to_owned(),
        base: base.to_owned(),
        quote: "USDT".to_owned(),
        tick_size: dec(tick),
        lot_size: dec("0.000001"),
        price_min: dec(tick),
        price_max: dec("1000000"),
        qty_min: dec("0.000011"),
        qty_max: dec("83"),
        qty_market_max: dec("41.5"),
        notional_min: dec("5"),
        notional_max: dec("8000000"),
        maker_fee: dec("0.0005"),
        taker_fee: dec("0.001"),
        fee_decimals: 12,
        perpetual: None,
    }
}

/// A wire over an exchange with two symbols and two accounts, and what it has sent.
pub(super) struct Rig {
    pub(super) wire: Bybit,
    pub(super) exchange: Exchange,
    pub(super) now: u64,
    out: WireOut,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with(BybitOptions::default())
    }

    pub(super) fn with(options: BybitOptions) -> Self {
        let rules = vec![rules("BTCUSDT", "BTC", "0.1"), rules("ETHUSDT", "ETH", "0.01")];
        Self::of(options, rules)
    }

    fn of(options: BybitOptions, rules: Vec<SymbolRules>) -> Self {
        let funds = || {
            let coin = |name: &str, amount: &str| (name.to_owned(), dec(amount));
            BTreeMap::from([coin("USDT", "100000"), coin("BTC", "10")])
        };
        let key = |key: &str| ApiKey {
            key: key.to_owned(),
            secret: SECRET.to_owned(),
            ed25519_public: Vec::new(),
        };
        let accounts = vec![(key(KEY), funds()), (key("other_key"), funds())];
        let exchange = Exchange::new(rules, accounts);
        let mut rig = Self { wire: Bybit::new(options), exchange, now: NOW, out: Vec::new() };
        for (conn, path) in
            [(PUBLIC, "/v5/public/spot"), (PRIVATE, "/v5/private"), (TRADE, "/v5/trade")]
        {
            rig.open(conn, path, "").unwrap();
        }
        rig
    }

    /// The same with a book around 65 000 and a last trade there.
    pub(super) fn with_book() -> Self {
        let mut rig = Self::new();
        rig.fill_book();
        rig
    }

    pub(super) fn fill_book(&mut self) {
        for (side, price, qty) in [
            (Side::Buy, "64999.9", "0.5"),
            (Side::Buy, "64999", "1"),
            (Side::Sell, "65000.1", "0.25"),
            (Side::Sell, "65001", "1"),
        ] {
            self.exchange.set_level("BTCUSDT", side, dec(price), dec(qty), self.now);
        }
        let (price, qty) = (dec("65000"), dec("0.01"));
        self.exchange.background_trade("BTCUSDT", Side::Buy, price, qty, self.now);
        self.publish();
        self.out.clear();
    }

    pub(super) fn open(&mut self, conn: ConnId, path: &str, query: &str) -> Result<(), u16> {
        let Self { wire, exchange, now, out } = self;
        wire.on_ws_open(conn, path, query, exchange, *now, out).map_err(|reply| reply.status)
    }

    /// Hands the exchange's events to the wire, as the server does.
    pub(super) fn publish(&mut self) {
        let events = self.exchange.take_events();
        self.wire.on_exchange(&events, &self.exchange, self.now, &mut self.out);
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, ms: u64) {
        self.now += ms;
        self.wire.on_timer(&mut self.exchange, self.now, &mut self.out);
    }

    /// What the wire has sent since, in order.
    pub(super) fn taken(&mut self) -> Vec<(ConnId, String)> {
        let text = |what| match what {
            WsOut::Text(text) => text,
            other => format!("{other:?}"),
        };
        std::mem::take(&mut self.out).into_iter().map(|(conn, what)| (conn, text(what))).collect()
    }

    /// What the wire answers at once to a text.
    pub(super) fn say(&mut self, conn: ConnId, text: &str) -> Vec<String> {
        self.out.clear();
        self.wire.on_ws_text(conn, text, &mut self.exchange, self.now, &mut self.out);
        self.taken().into_iter().map(|(_, text)| text).collect()
    }

    /// Its only answer.
    pub(super) fn ask(&mut self, conn: ConnId, text: &str) -> String {
        let mut answers = self.say(conn, text);
        assert_eq!(answers.len(), 1, "{answers:?}");
        answers.remove(0)
    }

    pub(super) fn login(&mut self, conn: ConnId) -> String {
        let expires = self.now + 10_000;
        let signature = sign(&format!("GET/realtime{expires}"));
        self.ask(conn, &format!(r#"{{"op":"auth","args":["{KEY}",{expires},"{signature}"]}}"#))
    }

    /// Logs in and subscribes to private topics.
    pub(super) fn listen(&mut self, topics: &str) {
        self.login(PRIVATE);
        let ack = self.ask(PRIVATE, &format!(r#"{{"op":"subscribe","args":[{topics}]}}"#));
        assert!(ack.contains("\"success\":true"), "{ack}");
    }

    pub(super) fn send(&mut self, request: &HttpRequest) -> HttpReply {
        self.wire.on_http(request, &mut self.exchange, self.now, &mut self.out)
    }

    /// A request without a signature.
    pub(super) fn public(&mut self, path: &str, query: &str) -> String {
        let request = HttpRequest {
            method: "GET".to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            ..HttpRequest::default()
        };
        self.send(&request).body
    }

    pub(super) fn signed(&self, method: &str, path: &str, content: &str) -> HttpRequest {
        let stamp = self.now.to_string();
        let signature = sign(&format!("{stamp}{KEY}5000{content}"));
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let get = method == "GET";
        HttpRequest {
            method: method.to_owned(),
            path: path.to_owned(),
            query: if get { content.to_owned() } else { String::new() },
            headers: vec![
                header("x-bapi-api-key", KEY),
                header("x-bapi-timestamp", &stamp),
                header("x-bapi-recv-window", "5000"),
                header("x-bapi-sign", &signature),
            ],
            body: if get { String::new() } else { content.to_owned() },
        }
    }

    pub(super) fn get(&mut self, path: &str, query: &str) -> String {
        let request = self.signed("GET", path, query);
        self.send(&request).body
    }

    pub(super) fn post(&mut self, path: &str, body: &str) -> String {
        let request = self.signed("POST", path, body);
        self.send(&request).body
    }

    /// Creates an order with these fields besides category and symbol.
    pub(super) fn create(&mut self, fields: &str) -> String {
        let body = format!(r#"{{"category":"spot","symbol":"BTCUSDT",{fields}}}"#);
        self.post("/v5/order/create", &body)
    }

    /// Messages of the private socket since, events published.
    pub(super) fn told(&mut self) -> Vec<String> {
        self.publish();
        let all = self.taken().into_iter();
        all.filter(|(conn, _)| *conn == PRIVATE).map(|(_, text)| text).collect()
    }
}

/// `"key":"value"` or `"key":number` of a flat part of JSON.
pub(super) fn member(json: &str, key: &str) -> String {
    let at = json.find(&format!("\"{key}\":")).unwrap_or_else(|| panic!("no {key} in {json}"));
    let rest = &json[at + key.len() + 3..];
    match rest.strip_prefix('"') {
        Some(text) => text[..text.find('"').unwrap()].to_owned(),
        None => rest[..rest.find([',', '}', ']']).unwrap()].to_owned(),
    }
}

/// Code and text of a reply.
pub(super) fn code(json: &str) -> (i64, String) {
    (member(json, "retCode").parse().unwrap(), member(json, "retMsg"))
}

pub(super) fn limits(orders: u32) -> BybitOptions {
    let limits = BybitLimits { orders, ..BybitLimits::venue() };
    BybitOptions { limits, ..BybitOptions::default() }
}

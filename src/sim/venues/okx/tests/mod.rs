//! Whole conversations with the wire: exact requests, exact replies.

mod books;
mod noise;
mod orders;
mod private;
mod rest;
mod session;
mod shapes;

use super::{Okx, OkxLimits, OkxOptions};
use crate::sim::{
    ApiKey, ConnId, Exchange, HttpReply, HttpRequest, PerpetualRules, ReduceOnlyPolicy, SelfTrade,
    SymbolRules, Wire, WireOut, WsOut,
};
use crate::types::Side;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rust_decimal::Decimal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::str::FromStr;

/// When everything happens, ms: `2023-11-14T22:13:20.000Z`.
pub(super) const NOW: u64 = 1_700_000_000_000;
const KEY: &str = "test_api_key";
const SECRET: &str = "test_secret";
const PASSPHRASE: &str = "Simulated-1";
pub(super) const PUBLIC: ConnId = ConnId(1);
pub(super) const PRIVATE: ConnId = ConnId(2);
pub(super) const TRADE: ConnId = ConnId(3);
/// Code of BTC-USDT, the first instrument.
pub(super) const BTC: u64 = 20_001;

pub(super) fn dec(text: &str) -> Decimal {
    Decimal::from_str(text).unwrap()
}

pub(super) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

fn sign(payload: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    STANDARD.encode(hmac::sign(&key, payload.as_bytes()).as_ref())
}

fn rules(symbol: &str, base: &str, tick: &str) -> SymbolRules {
    SymbolRules {
        symbol: symbol.to_owned(),
        base: base.to_owned(),
        quote: "USDT".to_owned(),
        tick_size: dec(tick),
        lot_size: dec("0.00000001"),
        price_min: dec(tick),
        price_max: dec("1000000"),
        qty_min: dec("0.00001"),
        qty_max: dec("1000"),
        qty_market_max: dec("100"),
        notional_min: dec("0"),
        notional_max: dec("1000000"),
        maker_fee: dec("0.0008"),
        taker_fee: dec("0.001"),
        fee_decimals: 12,
        perpetual: None,
    }
}

/// BTC-USDT-SWAP: contracts of 0.01, a hundredth of one at least.
fn swap() -> SymbolRules {
    let perpetual = PerpetualRules {
        settle: "USDT".to_owned(),
        contract_size: dec("0.01"),
        leverage_initial: dec("10"),
        leverage_max: dec("100"),
        maintenance_rate: dec("0.005"),
        funding_interval_ms: 8 * 3_600_000,
        funding_rate_max: dec("0.00375"),
    };
    SymbolRules {
        lot_size: dec("0.0001"),
        qty_min: dec("0.0001"),
        notional_max: dec("20000000"),
        maker_fee: dec("0.0002"),
        taker_fee: dec("0.0005"),
        perpetual: Some(perpetual),
        ..rules("BTC-USDT-SWAP", "BTC", "0.1")
    }
}

/// A wire over an exchange with two accounts, and what it has sent.
pub(super) struct Rig {
    pub(super) wire: Okx,
    pub(super) exchange: Exchange,
    pub(super) now: u64,
    out: WireOut,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with(OkxOptions::default())
    }

    pub(super) fn with(options: OkxOptions) -> Self {
        let funds = || {
            let coin = |name: &str, amount: &str| (name.to_owned(), dec(amount));
            BTreeMap::from([coin("USDT", "100000"), coin("BTC", "10")])
        };
        let key = |key: &str| ApiKey {
            key: key.to_owned(),
            secret: SECRET.to_owned(),
            ed25519_public: Vec::new(),
        };
        let rules = vec![rules("BTC-USDT", "BTC", "0.1"), rules("ETH-USDT", "ETH", "0.01"), swap()];
        let accounts = vec![(key(KEY), funds()), (key("other_key"), funds())];
        let mut exchange = Exchange::new(rules, accounts);
        exchange.set_self_trade(SelfTrade::ExpireMaker);
        exchange
            .set_reduce_only(ReduceOnlyPolicy { refuses_oversized: true, cancels_resting: false });
        let mut rig = Self { wire: Okx::new(options), exchange, now: NOW, out: Vec::new() };
        for (conn, path) in
            [(PUBLIC, "/ws/v5/public"), (PRIVATE, "/ws/v5/private"), (TRADE, "/ws/v5/private")]
        {
            rig.open(conn, path).unwrap();
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
            self.level(side, price, qty);
        }
        let (price, qty) = (dec("65000"), dec("0.01"));
        self.exchange.background_trade("BTC-USDT", Side::Buy, price, qty, self.now);
        self.publish();
        self.out.clear();
    }

    pub(super) fn level(&mut self, side: Side, price: &str, qty: &str) {
        self.exchange.set_level("BTC-USDT", side, dec(price), dec(qty), self.now);
    }

    pub(super) fn open(&mut self, conn: ConnId, path: &str) -> Result<(), u16> {
        let Self { wire, exchange, now, out } = self;
        wire.on_ws_open(conn, path, "", exchange, *now, out).map_err(|reply| reply.status)
    }

    /// Hands the exchange's events to the wire, as the server does.
    pub(super) fn publish(&mut self) {
        let events = self.exchange.take_events();
        self.wire.on_exchange(&events, &self.exchange, self.now, &mut self.out);
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, ms: u64) {
        self.now += ms;
        self.exchange.tick(self.now);
        self.wire.on_timer(&mut self.exchange, self.now, &mut self.out);
        self.publish();
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

    pub(super) fn login_text(&self) -> String {
        let seconds = self.now / 1_000;
        let signature = sign(&format!("{seconds}GET/users/self/verify"));
        format!(
            r#"{{"op":"login","args":[{{"apiKey":"{KEY}","passphrase":"{PASSPHRASE}","timestamp":"{seconds}","sign":"{signature}"}}]}}"#
        )
    }

    pub(super) fn login(&mut self, conn: ConnId) -> String {
        let text = self.login_text();
        self.ask(conn, &text)
    }

    /// Subscribes and gives what comes at once.
    pub(super) fn subscribe(&mut self, conn: ConnId, args: &str) -> Vec<String> {
        self.say(conn, &format!(r#"{{"op":"subscribe","args":[{args}]}}"#))
    }

    /// Logs in and listens to the orders of everything.
    pub(super) fn listen(&mut self) {
        self.login(PRIVATE);
        self.login(TRADE);
        let acks = self.subscribe(PRIVATE, r#"{"channel":"orders","instType":"ANY"}"#);
        assert!(acks.iter().any(|ack| ack.contains("\"event\":\"subscribe\"")), "{acks:?}");
    }

    pub(super) fn send(&mut self, request: &HttpRequest) -> HttpReply {
        self.wire.on_http(request, &mut self.exchange, self.now, &mut self.out)
    }

    /// A request without a signature.
    pub(super) fn public(&mut self, path: &str, query: &str) -> Value {
        let request = HttpRequest {
            method: "GET".to_owned(),
            path: format!("/api/v5{path}"),
            query: query.to_owned(),
            ..HttpRequest::default()
        };
        json(&self.send(&request).body)
    }

    pub(super) fn signed(&self, method: &str, path: &str, content: &str) -> HttpRequest {
        let get = method == "GET";
        let path = format!("/api/v5{path}");
        let stamp = iso(self.now);
        let (mark, query, body) = match (get, content.is_empty()) {
            (true, true) => ("", "", ""),
            (true, false) => ("?", content, ""),
            (false, _) => ("", "", content),
        };
        let signature = sign(&format!("{stamp}{method}{path}{mark}{query}{body}"));
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        HttpRequest {
            method: method.to_owned(),
            query: query.to_owned(),
            headers: vec![
                header("ok-access-key", KEY),
                header("ok-access-sign", &signature),
                header("ok-access-timestamp", &stamp),
                header("ok-access-passphrase", PASSPHRASE),
            ],
            body: body.to_owned(),
            path,
        }
    }

    pub(super) fn get(&mut self, path: &str, query: &str) -> Value {
        let request = self.signed("GET", path, query);
        json(&self.send(&request).body)
    }

    pub(super) fn post(&mut self, path: &str, body: &str) -> Value {
        let request = self.signed("POST", path, body);
        json(&self.send(&request).body)
    }

    /// An order operation of one order, over the socket.
    pub(super) fn operate(&mut self, op: &str, arg: &str) -> Value {
        let text = format!(r#"{{"id":"7","op":"{op}","args":[{{"instIdCode":{BTC},{arg}}}]}}"#);
        json(&self.ask(TRADE, &text))
    }

    /// Places an order of spot with these fields besides instrument and mode; gives its row.
    pub(super) fn place(&mut self, fields: &str) -> Value {
        let reply = self.operate("order", &format!(r#""tdMode":"cash",{fields}"#));
        assert_eq!(reply["id"], "7");
        reply["data"][0].clone()
    }

    /// Rows of the orders channel since, events published.
    pub(super) fn told(&mut self) -> Vec<Value> {
        self.publish();
        let all = self.taken().into_iter().filter(|(conn, _)| *conn == PRIVATE);
        let texts = all.map(|(_, text)| text).filter(|text| text.starts_with('{'));
        let rows = texts.map(|text| json(&text)).filter(|one| one["arg"]["channel"] == "orders");
        rows.map(|message| message["data"][0].clone()).collect()
    }
}

/// The ISO form of a time on the day of [`NOW`].
fn iso(ms: u64) -> String {
    let of_day = ms % 86_400_000;
    let day = 14 + (ms / 86_400_000 - NOW / 86_400_000);
    let (hours, minutes) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (seconds, millis) = (of_day / 1_000 % 60, of_day % 1_000);
    format!("2023-11-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{millis:03}Z")
}

/// Texts of a row by name.
pub(super) fn texts<const N: usize>(row: &Value, names: [&str; N]) -> [String; N] {
    names.map(|name| match &row[name] {
        Value::String(text) => text.clone(),
        other => panic!("{name} is {other} in {row}"),
    })
}

pub(super) fn limits(orders: u32) -> OkxOptions {
    let limits = OkxLimits { orders, ..OkxLimits::relaxed() };
    OkxOptions { limits, ..OkxOptions::default() }
}

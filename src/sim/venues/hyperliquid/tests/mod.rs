//! Whole conversations with the wire: exact requests, exact replies.

mod embedded;
mod info;
mod limits;
mod noise;
mod orders;
mod perpetuals;
mod shapes;
mod signatures;
mod streams;

use super::address::Address;
use super::auth::{self, Source, keccak, tail};
use super::msgpack::action_bytes;
use super::{Hyperliquid, HyperliquidLimits, HyperliquidOptions, address_of};
use crate::sim::{
    ApiKey, ConnId, Exchange, HttpReply, HttpRequest, PerpetualRules, SelfTrade, SymbolRules, Wire,
    WireOut, WsOut,
};
use crate::types::Side;
use k256::ecdsa::SigningKey;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// When everything happens, ms: twenty minutes after a full hour.
const NOW: u64 = 1_700_000_400_000;
/// Private keys of two accounts and of an agent.
const KEY: [u8; 32] = [0x11; 32];
const OTHER: [u8; 32] = [0x22; 32];
const AGENT: [u8; 32] = [0x33; 32];
const SOCKET: ConnId = ConnId(1);

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn address(key: &[u8; 32]) -> String {
    address_of(key).unwrap()
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A signature of these bytes as JSON.
fn sign(key: &[u8; 32], digest: &[u8; 32]) -> Value {
    let key = SigningKey::from_slice(key).unwrap();
    let (signature, recovery) = key.sign_prehash_recoverable(digest);
    let bytes = signature.to_bytes();
    json!({
        "r": format!("0x{}", digits(&bytes[..32])),
        "s": format!("0x{}", digits(&bytes[32..])),
        "v": 27 + recovery.to_byte(),
    })
}

fn rules(symbol: &str, base: &str, quote: &str, size_decimals: u32) -> SymbolRules {
    SymbolRules {
        symbol: symbol.to_owned(),
        base: base.to_owned(),
        quote: quote.to_owned(),
        tick_size: dec("0.0001"),
        lot_size: Decimal::new(1, size_decimals),
        price_min: Decimal::ZERO,
        price_max: Decimal::ZERO,
        qty_min: Decimal::ZERO,
        qty_max: Decimal::ZERO,
        qty_market_max: Decimal::ZERO,
        notional_min: dec("10"),
        notional_max: Decimal::ZERO,
        maker_fee: dec("0.00015"),
        taker_fee: dec("0.00045"),
        fee_decimals: 6,
        perpetual: None,
    }
}

fn perpetual(symbol: &str, size_decimals: u32, leverage: i64) -> SymbolRules {
    let perpetual = PerpetualRules {
        settle: "USDC".to_owned(),
        contract_size: Decimal::ONE,
        leverage_initial: Decimal::from(leverage.min(20)),
        leverage_max: Decimal::from(leverage),
        maintenance_rate: Decimal::ONE / Decimal::from(2 * leverage),
        funding_interval_ms: 3_600_000,
        funding_rate_max: dec("0.04"),
    };
    SymbolRules { perpetual: Some(perpetual), ..rules(symbol, symbol, "USD", size_decimals) }
}

/// A wire over an exchange with two accounts, and what it has sent.
struct Rig {
    wire: Hyperliquid,
    exchange: Exchange,
    now: u64,
    nonce: u64,
    out: WireOut,
}

impl Rig {
    fn new() -> Self {
        Self::with(HyperliquidOptions::default())
    }

    fn with(options: HyperliquidOptions) -> Self {
        let account = |key: &[u8; 32]| {
            let coin = |name: &str, amount: &str| (name.to_owned(), dec(amount));
            let funds = [
                coin("USDC", "10000"),
                coin("USDC:spot", "5000"),
                coin("HYPE", "1000"),
                coin("PURR", "0"),
            ];
            let key =
                ApiKey { key: address(key), secret: String::new(), ed25519_public: Vec::new() };
            (key, BTreeMap::from(funds))
        };
        let spot = |symbol, base, size| SymbolRules {
            fee_decimals: 8,
            maker_fee: dec("0.0004"),
            taker_fee: dec("0.0007"),
            ..rules(symbol, base, "USDC:spot", size)
        };
        let rules = vec![
            perpetual("BTC", 5, 40),
            perpetual("ETH", 4, 25),
            perpetual("SOL", 2, 20),
            spot("@107", "HYPE", 2),
            spot("PURR/USDC", "PURR", 0),
        ];
        let mut exchange = Exchange::new(rules, vec![account(&KEY), account(&OTHER)]);
        exchange.set_self_trade(SelfTrade::ExpireMaker);
        exchange.take_any_tick();
        exchange.fund_on_index();
        let wire = Hyperliquid::new(options);
        let mut rig = Self { wire, exchange, now: NOW, nonce: NOW, out: Vec::new() };
        rig.open(SOCKET).unwrap();
        rig
    }

    /// The same with books.
    fn with_books() -> Self {
        let mut rig = Self::new();
        rig.fill_books();
        rig
    }

    fn fill_books(&mut self) {
        for (symbol, side, price, qty) in [
            ("BTC", Side::Buy, "64999", "0.5"),
            ("BTC", Side::Buy, "64990", "1"),
            ("BTC", Side::Sell, "65001", "0.25"),
            ("BTC", Side::Sell, "65010", "1"),
            ("@107", Side::Buy, "38.1", "100"),
            ("@107", Side::Sell, "38.2", "50.5"),
            ("PURR/USDC", Side::Sell, "0.2", "10000"),
        ] {
            self.exchange.set_level(symbol, side, dec(price), dec(qty), self.now);
        }
        self.exchange.tick(self.now);
        self.publish();
        self.out.clear();
    }

    fn open(&mut self, conn: ConnId) -> Result<(), u16> {
        let Self { wire, exchange, now, out, .. } = self;
        wire.on_ws_open(conn, "/ws", "", exchange, *now, out).map_err(|reply| reply.status)
    }

    /// Hands the exchange's events to the wire, as the server does.
    fn publish(&mut self) {
        let events = self.exchange.take_events();
        self.wire.on_exchange(&events, &self.exchange, self.now, &mut self.out);
    }

    /// Lets time pass.
    fn pass(&mut self, ms: u64) {
        self.now += ms;
        self.exchange.tick(self.now);
        self.wire.on_timer(&mut self.exchange, self.now, &mut self.out);
        self.publish();
    }

    /// What the wire has sent since, in order; what is no text as it is debugged.
    fn taken(&mut self) -> Vec<(ConnId, String)> {
        let text = |what| match what {
            WsOut::Text(text) => text,
            other => format!("{other:?}"),
        };
        std::mem::take(&mut self.out).into_iter().map(|(conn, what)| (conn, text(what))).collect()
    }

    /// What the wire answers at once to a text.
    fn say(&mut self, conn: ConnId, text: &str) -> Vec<String> {
        self.out.clear();
        self.wire.on_ws_text(conn, text, &mut self.exchange, self.now, &mut self.out);
        self.taken().into_iter().map(|(_, text)| text).collect()
    }

    /// Subscribes; gives what follows the acknowledgement.
    fn subscribe(&mut self, subscription: &str) -> Vec<String> {
        let text = format!(r#"{{"method":"subscribe","subscription":{subscription}}}"#);
        let mut answers = self.say(SOCKET, &text);
        assert!(answers[0].contains("subscriptionResponse"), "{answers:?}");
        answers.remove(0);
        answers
    }

    /// Messages since.
    fn frames(&mut self) -> Vec<Value> {
        let texts = self.taken().into_iter().map(|(_, text)| text);
        texts.filter(|text| text.starts_with('{')).map(|text| parsed(&text)).collect()
    }

    /// Messages of the socket on a channel since, events published.
    fn told(&mut self, channel: &str) -> Vec<Value> {
        self.publish();
        let all = self.frames().into_iter();
        all.filter(|message| message["channel"] == channel)
            .map(|message| message["data"].clone())
            .collect()
    }

    fn http(&mut self, path: &str, body: &str) -> HttpReply {
        let request = HttpRequest {
            method: "POST".to_owned(),
            path: path.to_owned(),
            body: body.to_owned(),
            ..HttpRequest::default()
        };
        self.wire.on_http(&request, &mut self.exchange, self.now, &mut self.out)
    }

    /// The answer to a question.
    fn info(&mut self, request: Value) -> Value {
        self.publish();
        let reply = self.http("/info", &request.to_string());
        assert_eq!(reply.status, 200, "{request}: {}", reply.body);
        parsed(&reply.body)
    }

    /// The answer to a question about the first account.
    fn info_of_user(&mut self, name: &str) -> Value {
        self.info(json!({"type": name, "user": address(&KEY)}))
    }

    /// A signed request of the next number.
    fn signed(&mut self, key: &[u8; 32], action: &Value) -> Value {
        self.nonce += 1;
        signed_at(key, action, self.nonce, None)
    }

    /// What an action of the first account is answered.
    fn act(&mut self, action: Value) -> Value {
        self.act_as(&KEY, action)
    }

    fn act_as(&mut self, key: &[u8; 32], action: Value) -> Value {
        let body = self.signed(key, &action);
        let reply = self.http("/exchange", &body.to_string());
        assert_eq!(reply.status, 200, "{action}: {}", reply.body);
        parsed(&reply.body)
    }

    /// The first status of an order of the first account.
    fn order(&mut self, order: Value) -> Value {
        self.order_as(&KEY, order)
    }

    fn order_as(&mut self, key: &[u8; 32], order: Value) -> Value {
        let action = json!({"type": "order", "orders": [order], "grouping": "na"});
        let reply = self.act_as(key, action);
        assert_eq!((&reply["status"], &reply["response"]["type"]), (&json!("ok"), &json!("order")));
        reply["response"]["data"]["statuses"][0].clone()
    }

    /// The number of an order that rests.
    fn rest(&mut self, order: Value) -> u64 {
        let status = self.order(order);
        status["resting"]["oid"].as_u64().unwrap_or_else(|| panic!("{status}"))
    }
}

/// A signed request.
fn signed_at(key: &[u8; 32], action: &Value, nonce: u64, expires_after: Option<u64>) -> Value {
    let bytes = action_bytes(action).unwrap();
    let hash = keccak(&[&bytes, &tail(nonce, None, expires_after)]);
    let signature = sign(key, &auth::l1_digest(Source::Mainnet, &hash));
    json!({
        "action": action,
        "nonce": nonce,
        "signature": signature,
        "vaultAddress": null,
        "expiresAfter": expires_after,
    })
}

/// A limit order.
fn limit(asset: u32, side: &str, price: &str, size: &str, tif: &str) -> Value {
    json!({
        "a": asset,
        "b": side == "buy",
        "p": price,
        "s": size,
        "r": false,
        "t": {"limit": {"tif": tif}},
    })
}

fn with_cloid(mut order: Value, cloid: &str) -> Value {
    order["c"] = json!(cloid);
    order
}

fn error(text: &str) -> Value {
    json!({"error": text})
}

fn refused(text: &str) -> Value {
    json!({"status": "err", "response": text})
}

fn done() -> Value {
    json!({"status": "ok", "response": {"type": "default"}})
}

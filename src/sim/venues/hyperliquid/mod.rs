//! The simulated wire of Hyperliquid, perpetuals and spot: `info`, `exchange` and the WebSocket.
//!
//! Written from the venue's documentation and recorded frames of it. Instruments of the exchange
//! are named as on the wire: `BTC`, `@107`, `PURR/USDC`; keys of accounts are their addresses, lower
//! case. Not here: trigger and time-weighted orders, builders, sub-accounts and vaults, streams of candles,
//! perpetuals of other deployers, transfers out of the venue, tiers of margin and of fees.
//!
//! Over HTTP an action is answered at once; over a socket it waits for a block, if blocks take time.

#![forbid(unsafe_code)]

mod actions;
mod address;
mod assets;
mod auth;
mod desk;
mod errors;
mod info;
mod klines;
mod limits;
mod market;
mod msgpack;
mod orders;
mod private;
mod records;
mod rows;
mod signers;
mod sockets;
mod state;
#[cfg(test)]
mod tests;
mod topics;

pub use limits::HyperliquidLimits;
pub use market::HyperliquidPace;

use super::json;
use crate::sim::{
    ConnId, Exchange, ExchangeEvent, HttpReply, HttpRequest, SelfTrade, Wire, WireOut, WsOut,
};
use crate::types::Side;
use actions::Waiting;
use address::Address;
use assets::Assets;
use desk::{Desk, measure};
use errors::{Refused, UNREADABLE, error_body};
use k256::ecdsa::SigningKey;
use limits::Meter;
use market::Market;
use private::News;
use rust_decimal::Decimal;
use serde_json::Value;
use signers::Signers;
use std::collections::BTreeMap;
use topics::Subscriptions;

const PATH: &str = "/ws";
/// Orders of one request that add one to its weight.
const ORDERS_PER_WEIGHT: u64 = 40;

/// What can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HyperliquidOptions {
    /// Whether signatures must be for the testnet (or for the mainnet); either if unsaid.
    pub testnet: Option<bool>,
    /// Agents approved from the start: their addresses and those of their accounts.
    pub agents: Vec<(String, String)>,
    /// Limits. The default is [`HyperliquidLimits::relaxed`].
    pub limits: HyperliquidLimits,
    /// How often what is sent.
    pub pace: HyperliquidPace,
    /// Time between blocks for actions over a socket, ms; 0 carries them out at once.
    pub action_block_ms: u64,
    /// How far from the oracle's price an order may be priced, as a ratio.
    pub price_band: Decimal,
    /// Sockets to which nothing was sent for this long are closed, ms.
    pub idle_ms: u64,
}

impl Default for HyperliquidOptions {
    fn default() -> Self {
        Self {
            testnet: None,
            agents: Vec::new(),
            limits: HyperliquidLimits::relaxed(),
            pace: HyperliquidPace::default(),
            action_block_ms: 0,
            price_band: Decimal::new(8, 1),
            idle_ms: 60_000,
        }
    }
}

/// The address of the account with this private key; none if it is no key.
#[must_use]
pub fn address_of(private_key: &[u8; 32]) -> Option<String> {
    let key = SigningKey::from_slice(private_key).ok()?;
    Some(auth::address_of(key.verifying_key()).to_string())
}

/// The wire.
#[derive(Debug)]
pub struct Hyperliquid {
    options: HyperliquidOptions,
    assets: Assets,
    desk: Desk,
    signers: Signers,
    market: Market,
    wanted: Subscriptions,
    /// When something was last sent to each connection, ms.
    sockets: BTreeMap<ConnId, u64>,
    waiting: Vec<Waiting>,
    /// Number of the running block.
    block: u64,
}

impl Default for Hyperliquid {
    fn default() -> Self {
        Self::new(HyperliquidOptions::default())
    }
}

impl Hyperliquid {
    /// A wire that no client has connected to yet.
    ///
    /// # Panics
    /// If an agent of the options or its account is no address, or is named twice.
    #[must_use]
    pub fn new(options: HyperliquidOptions) -> Self {
        let mut signers = Signers::default();
        for (at, (agent, owner)) in options.agents.iter().enumerate() {
            let both = (Address::parse(agent), Address::parse(owner));
            let (Some(agent), Some(owner)) = both else { panic!("agents are named by addresses") };
            let approved = signers.approve_always(owner, agent, &format!("given{at}"));
            assert!(approved, "an agent acts for one account");
        }
        Self {
            assets: Assets::default(),
            desk: Desk::new(Meter::new(options.limits), options.price_band),
            signers,
            market: Market::new(options.pace),
            wanted: Subscriptions::default(),
            sockets: BTreeMap::new(),
            waiting: Vec::new(),
            block: 0,
            options,
        }
    }

    /// Notes what goes to which connection.
    fn note_sent(&mut self, out: &WireOut, from: usize, now_ms: u64) {
        for (conn, what) in out.iter().skip(from) {
            if let (Some(sent_ms), WsOut::Text(_)) = (self.sockets.get_mut(conn), what) {
                *sent_ms = now_ms;
            }
        }
    }

    fn answer(&mut self, request: &HttpRequest, exchange: &mut Exchange, now_ms: u64) -> HttpReply {
        let reply = |status, body: &str| HttpReply {
            status,
            body: body.to_owned(),
            ..HttpReply::default()
        };
        if request.method != "POST" {
            return reply(405, "");
        }
        let body: Value = serde_json::from_str(&request.body).unwrap_or(Value::Null);
        let (weight, is_action) = match &*request.path {
            "/info" => (info::weight(&body), false),
            "/exchange" => {
                let count = body.get("action").map_or(1, |action| measure(action).1);
                (1 + (count / ORDERS_PER_WEIGHT) as u32, true)
            }
            _ => return reply(404, ""),
        };
        if !self.desk.meter.request(weight, now_ms) {
            return reply(429, "null");
        }
        let outcome = if is_action {
            let signed = self.authenticate(&body, exchange, now_ms);
            signed.and_then(|signed| self.perform(&signed, exchange, now_ms))
        } else {
            self.info(&body, exchange, now_ms).map(|answer| {
                self.desk.meter.add_weight(answer.weight, now_ms);
                answer.body
            })
        };
        match outcome {
            Ok(body) => reply(200, &body),
            Err(Refused::Said(text)) => reply(200, &error_body(&text)),
            Err(Refused::Unreadable) => reply(422, UNREADABLE),
        }
    }

    /// Tells the public of trades, with the accounts that took part.
    fn on_trades(&mut self, events: &[ExchangeEvent], exchange: &Exchange) {
        let mut users: BTreeMap<(&str, u64), [Option<Address>; 2]> = BTreeMap::new();
        for event in events {
            if let ExchangeEvent::Order { fill: Some(fill), .. } = event {
                let both = users.entry((&fill.symbol, fill.trade_id)).or_default();
                let place = usize::from(fill.side == Side::Sell);
                both[place] = private::address(fill.account, exchange);
            }
        }
        for event in events {
            if let ExchangeEvent::Trade { symbol, trade_id, taker, price, qty, time_ms } = event {
                let both = users.get(&(&**symbol, *trade_id)).copied().unwrap_or_default();
                let key = (&**symbol, *trade_id);
                self.market.on_trade(key, *taker, (*price, *qty), *time_ms, both);
            }
        }
    }
}

impl Wire for Hyperliquid {
    fn name(&self) -> &'static str {
        "hyperliquid"
    }

    fn paths(&self) -> [&'static str; 4] {
        ["", PATH, PATH, ""]
    }

    /// Orders that meet their own account cancel the maker; prices follow a rule of their own; funding
    /// is paid on the value at the oracle's price.
    fn prepare(&self, exchange: &mut Exchange) {
        exchange.set_self_trade(SelfTrade::ExpireMaker);
        exchange.take_any_tick();
        exchange.fund_on_index();
    }

    fn on_http(
        &mut self,
        request: &HttpRequest,
        exchange: &mut Exchange,
        now_ms: u64,
        _out: &mut WireOut,
    ) -> HttpReply {
        self.assets.learn(exchange);
        self.answer(request, exchange, now_ms)
    }

    fn on_ws_open(
        &mut self,
        conn: ConnId,
        path: &str,
        _query: &str,
        exchange: &mut Exchange,
        now_ms: u64,
        _out: &mut WireOut,
    ) -> Result<(), HttpReply> {
        self.assets.learn(exchange);
        let refuse = |status| Err(HttpReply { status, ..HttpReply::default() });
        if path != PATH {
            return refuse(404);
        }
        if !self.desk.meter.socket(self.sockets.len(), now_ms) {
            return refuse(429);
        }
        self.sockets.insert(conn, now_ms);
        Ok(())
    }

    fn on_ws_text(
        &mut self,
        conn: ConnId,
        text: &str,
        exchange: &mut Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        let from = out.len();
        if self.sockets.contains_key(&conn) {
            self.on_socket_text(conn, text, exchange, now_ms, out);
        }
        self.note_sent(out, from, now_ms);
    }

    fn on_ws_pong(&mut self, _conn: ConnId, _payload: &[u8], _now_ms: u64) {}

    fn on_ws_closed(&mut self, conn: ConnId) {
        self.sockets.remove(&conn);
        self.wanted.forget(conn);
    }

    fn on_exchange(
        &mut self,
        events: &[ExchangeEvent],
        exchange: &Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        let from = out.len();
        self.assets.learn(exchange);
        self.on_trades(events, exchange);
        let mut news = News::default();
        news.scan(events, exchange);
        for event in events {
            match event {
                ExchangeEvent::Order { order, change, fill, .. } => {
                    let status = self.desk.records.update(order);
                    news.on_order(order, *change, status);
                    if let Some(fill) = fill {
                        let rules = exchange.rules(&fill.symbol);
                        let is_spot = rules.is_some_and(|rules| rules.perpetual.is_none());
                        news.on_fill(order, fill, is_spot);
                    }
                }
                ExchangeEvent::Funding(funding) => news.on_funding(funding),
                ExchangeEvent::Position { position, .. } => news.touch(position.account),
                ExchangeEvent::Balance { account, .. } => news.touch(*account),
                ExchangeEvent::Book { .. }
                | ExchangeEvent::Trade { .. }
                | ExchangeEvent::Mark(_)
                | ExchangeEvent::Liquidation(_) => {}
            }
        }
        let view = (&self.assets, exchange);
        news.send(&mut self.desk.records, &self.wanted, view, now_ms, out);
        self.market.push(&self.wanted, &self.assets, exchange, now_ms, out);
        self.note_sent(out, from, now_ms);
    }

    fn on_timer(&mut self, exchange: &mut Exchange, now_ms: u64, out: &mut WireOut) {
        let from = out.len();
        self.assets.learn(exchange);
        self.run_block(exchange, now_ms, out);
        self.desk.run_schedules(exchange, now_ms);
        self.market.push(&self.wanted, &self.assets, exchange, now_ms, out);
        self.note_sent(out, from, now_ms);
        for (&conn, &sent_ms) in &self.sockets {
            if now_ms.saturating_sub(sent_ms) >= self.options.idle_ms {
                out.push((conn, WsOut::Close(1000, "Inactive".to_owned())));
            }
        }
    }

    fn book_delta_marks(&self) -> &'static [&'static str] {
        &["\"channel\":\"l2Book\"", "\"channel\":\"bbo\""]
    }

    fn is_account_event(&self, _path: &str, text: &str) -> bool {
        let channels = ["orderUpdates", "user", "userFills", "userFundings"];
        let rest = text.strip_prefix("{\"channel\":\"").unwrap_or_default();
        channels
            .iter()
            .any(|name| rest.strip_prefix(name).is_some_and(|rest| rest.starts_with('"')))
    }

    fn is_order_reply(&self, _path: &str, text: &str) -> bool {
        text.starts_with("{\"channel\":\"post\"") && text.contains("\"type\":\"action\"")
    }

    fn on_ban(&mut self, until_ms: u64) {
        self.desk.meter.ban(until_ms);
    }
}

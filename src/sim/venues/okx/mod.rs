//! The simulated wire of OKX v5, spot and linear swaps: REST, and the public, private and business
//! sockets.
//!
//! Written from the venue's documentation. The account is in futures mode (level 2) and in net
//! position mode. Not here: other account and position modes, margin trading, futures and options,
//! conditional orders, streams of candles, self-trade prevention other than cancelling the maker, amending an
//! order down to what is filled. Quantities are contracts on the wire and base units on the
//! exchange; only `instruments` converts.

#![forbid(unsafe_code)]

mod auth;
mod depth;
mod desk;
mod embedded;
mod errors;
mod fields;
mod instruments;
mod klines;
mod limits;
mod market;
mod positions;
mod private;
mod queries;
mod records;
mod rest;
mod rows;
mod sockets;
mod subscriptions;
mod swaps;
#[cfg(test)]
mod tests;
mod tickers;
mod told;
mod wallet;

pub use limits::OkxLimits;

use crate::sim::{
    AccountId, ConnId, Exchange, ExchangeEvent, HttpReply, HttpRequest, ReduceOnlyPolicy,
    SelfTrade, SymbolRules, Wire, WireOut, WsOut,
};
use auth::Demand;
use desk::Desk;
use market::Market;
use positions::Lives;
use private::{Listener, News, Pending, View};
use rust_decimal::Decimal;
use sockets::Socket;
use std::collections::BTreeMap;
use subscriptions::{Address, Channel};
use swaps::FundingBills;

const PUBLIC: &str = "/ws/v5/public";
const PRIVATE: &str = "/ws/v5/private";
const BUSINESS: &str = "/ws/v5/business";

/// What can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OkxOptions {
    /// What every key needs besides its secret.
    pub passphrase: String,
    /// Whether requests must (or must not) be marked as of demo trading; either way if unsaid.
    pub demo: Option<bool>,
    /// Rate limits. The default is [`OkxLimits::relaxed`].
    pub limits: OkxLimits,
    /// How far from the mark a limit order may be priced to its disadvantage, as a ratio.
    pub price_band: Decimal,
    /// A cancel that comes within this many ms of the fill is accepted, and nothing comes of it.
    pub race_ms: u64,
    /// Sockets are closed after this long without anything sent to them, ms.
    pub idle_ms: u64,
    /// How long after the notice of an upgrade sockets are closed, ms.
    pub notice_ms: u64,
    /// Whether the accounts have the fee tier of `fills` and of the fast books.
    pub fast_channels: bool,
    /// Currencies or positions of one page of a snapshot.
    pub page: usize,
    /// Every so many requests for new orders are carried out and answered with a timeout; 0: none.
    pub timeout_every: u64,
}

impl Default for OkxOptions {
    fn default() -> Self {
        Self {
            passphrase: "Simulated-1".to_owned(),
            demo: None,
            limits: OkxLimits::default(),
            price_band: Decimal::new(3, 2),
            race_ms: 5,
            idle_ms: 30_000,
            notice_ms: 60_000,
            fast_channels: false,
            page: 20,
            timeout_every: 0,
        }
    }
}

/// The wire.
#[derive(Debug)]
pub struct Okx {
    options: OkxOptions,
    desk: Desk,
    market: Market,
    sockets: BTreeMap<ConnId, Socket>,
    pending: Pending,
    /// When orders are cancelled unless the client asks again, by account and tag, ms.
    timers: BTreeMap<(AccountId, String), u64>,
    lives: Lives,
    funding: FundingBills,
    /// Row of the announced maintenance.
    maintenance: Option<String>,
}

impl Default for Okx {
    fn default() -> Self {
        Self::new(OkxOptions::default())
    }
}

impl Okx {
    /// A wire that no client has connected to yet.
    #[must_use]
    pub fn new(options: OkxOptions) -> Self {
        Self {
            desk: Desk::new(&options),
            market: Market::new(options.price_band),
            options,
            sockets: BTreeMap::new(),
            pending: Pending::default(),
            timers: BTreeMap::new(),
            lives: Lives::default(),
            funding: FundingBills::default(),
            maintenance: None,
        }
    }

    fn demand(&self) -> Demand<'_> {
        Demand { passphrase: &self.options.passphrase, demo: self.options.demo }
    }

    fn learn(&mut self, exchange: &Exchange) {
        self.desk.instruments.learn(exchange);
        self.market.learn(&self.desk.instruments);
    }

    fn listeners(&self) -> Vec<Listener<'_>> {
        let listener = |(&conn, socket): (&ConnId, &'_ Socket)| {
            let account = socket.account?;
            (!socket.subs.is_empty()).then_some((conn, account))
        };
        let found: Vec<_> = self.sockets.iter().filter_map(listener).collect();
        let with_subs = |(conn, account): (ConnId, AccountId)| Listener {
            conn,
            account,
            subs: &self.sockets[&conn].subs,
        };
        found.into_iter().map(with_subs).collect()
    }

    fn view<'a>(&'a self, exchange: &'a Exchange, now_ms: u64) -> View<'a> {
        let (instruments, lives) = (&self.desk.instruments, &self.lives);
        View { exchange, instruments, lives, now_ms, page: self.options.page }
    }

    /// Takes note of what was sent from here on: it keeps sockets open.
    fn sent(&mut self, out: &WireOut, from: usize, now_ms: u64) {
        for (conn, what) in &out[from..] {
            if let (Some(socket), WsOut::Text(_)) = (self.sockets.get_mut(conn), what) {
                socket.pushed_ms = now_ms;
            }
        }
    }

    /// Sends what is due by time.
    fn tick(&mut self, exchange: &Exchange, now_ms: u64, out: &mut WireOut) {
        self.market.push(exchange, now_ms, out);
        let mut pending = std::mem::take(&mut self.pending);
        pending.send(&self.listeners(), self.view(exchange, now_ms), out);
        self.pending = pending;
        let mut due = Vec::new();
        for (&conn, socket) in &mut self.sockets {
            let Some(account) = socket.account else { continue };
            for sub in &mut socket.subs {
                if let Some(every_ms) = sub.every_ms
                    && now_ms >= sub.next_ms
                {
                    sub.next_ms = now_ms + every_ms;
                    let timed = matches!(sub.channel, Channel::Account | Channel::Positions);
                    due.extend(timed.then(|| (conn, account, sub.clone())));
                }
            }
        }
        for (conn, account, sub) in due {
            let snapshot = self.view(exchange, now_ms).snapshot(&sub, account);
            out.extend(snapshot.into_iter().map(|text| (conn, WsOut::Text(text))));
        }
    }
}

impl Wire for Okx {
    fn name(&self) -> &'static str {
        "okx"
    }

    /// Orders are entered where the private channels are.
    fn paths(&self) -> [&'static str; 4] {
        ["", PUBLIC, PRIVATE, PRIVATE]
    }

    fn instruments(&self) -> Vec<SymbolRules> {
        embedded::instruments()
    }

    /// Orders that meet their own account cancel the maker; reduce-only orders larger than the
    /// position are refused, and resting ones shrink with it.
    fn prepare(&self, exchange: &mut Exchange) {
        exchange.set_self_trade(SelfTrade::ExpireMaker);
        exchange
            .set_reduce_only(ReduceOnlyPolicy { refuses_oversized: true, cancels_resting: false });
    }

    fn passphrase(&self) -> &str {
        &self.options.passphrase
    }

    fn on_http(
        &mut self,
        request: &HttpRequest,
        exchange: &mut Exchange,
        now_ms: u64,
        _out: &mut WireOut,
    ) -> HttpReply {
        self.learn(exchange);
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
        self.learn(exchange);
        let refuse = |status| HttpReply { status, ..HttpReply::default() };
        let address = match path {
            PUBLIC => Address::Public,
            PRIVATE => Address::Private,
            BUSINESS => Address::Business,
            _ => return Err(refuse(404)),
        };
        if !self.desk.meter.take_connect(now_ms) {
            return Err(refuse(429));
        }
        self.sockets.insert(conn, Socket::new(address, now_ms));
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
        self.on_socket_text(conn, text, exchange, now_ms, out);
        self.sent(out, from, now_ms);
    }

    fn on_ws_pong(&mut self, _conn: ConnId, _payload: &[u8], _now_ms: u64) {}

    fn on_ws_closed(&mut self, conn: ConnId) {
        self.sockets.remove(&conn);
        self.market.forget(conn);
    }

    fn on_exchange(
        &mut self,
        events: &[ExchangeEvent],
        exchange: &Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        self.learn(exchange);
        let from = out.len();
        let mut news = News::default();
        for event in events {
            self.market.on_event(event);
            self.on_event(event, exchange, now_ms, &mut news, out);
        }
        news.send(&self.listeners(), self.view(exchange, now_ms), out);
        self.tick(exchange, now_ms, out);
        self.sent(out, from, now_ms);
    }

    fn on_timer(&mut self, exchange: &mut Exchange, now_ms: u64, out: &mut WireOut) {
        let due: Vec<_> = self.timers.extract_if(.., |_, at| *at <= now_ms).collect();
        for ((account, tag), _) in due {
            self.desk.cancel_all(account, &tag, "20", exchange, now_ms);
        }
        let from = out.len();
        self.tick(exchange, now_ms, out);
        self.sent(out, from, now_ms);
        for (&conn, socket) in &mut self.sockets {
            if let Some((code, reason)) = socket.close_due(self.options.idle_ms, now_ms) {
                out.push((conn, WsOut::Close(code, reason.to_owned())));
            }
        }
    }

    fn book_delta_marks(&self) -> &'static [&'static str] {
        &["\"action\":\"update\""]
    }

    fn is_account_event(&self, path: &str, text: &str) -> bool {
        path == PRIVATE && text.starts_with("{\"arg\":")
    }

    fn is_order_reply(&self, path: &str, text: &str) -> bool {
        path == PRIVATE && text.contains("\"inTime\":")
    }

    fn on_ban(&mut self, until_ms: u64) {
        self.desk.meter.ban(until_ms);
    }

    fn on_announce_shutdown(&mut self, now_ms: u64, out: &mut WireOut) {
        let begin_ms = now_ms + self.options.notice_ms;
        let row = tickers::status(begin_ms, begin_ms + 60_000, "scheduled", now_ms);
        self.market.tell_status(&row, out);
        self.maintenance = Some(row);
        for (&conn, socket) in &mut self.sockets {
            socket.close_at_ms = Some(begin_ms);
            out.push((conn, sockets::upgrade_notice(conn)));
        }
    }

    fn on_reset_books(&mut self) {
        self.market.reset();
    }
}

//! The wire of simulated Binance spot: REST, market streams and the ws api, as its documentation of
//! July 2026 has them.
//!
//! Modelled: limit, post-only and market orders, amendments that keep priority, cancel-replace,
//! HMAC and Ed25519 keys, all request limits, user events on the ws api, keep-alive and cuts.
//! Not modelled: stop, iceberg and pegged orders, order lists, SOR, RSA keys, SBE, microsecond
//! output, streams of klines. Requests for these are refused with the venue's own errors.
//!
//! Assumes that the server calls [`Wire::on_exchange`] with the events of every request, soon after
//! it; whether a reply or its events go out first is the server's choice. All clients count as one address, because they all come over loopback.

mod account;
mod auth;
mod batches;
mod conns;
mod control;
mod error;
mod history;
mod ids;
mod json;
mod klines;
mod limits;
mod market;
mod ops;
mod params;
mod replies;
mod script;
mod session;
mod streams;
mod subscribers;
mod trading;
mod usdm;
mod user_events;
mod ws_api;

#[cfg(test)]
mod tests;

pub use conns::BinanceKeepAlive;
pub use limits::{BinanceLimits, OrderWindow};
pub use script::BinanceScript;
pub use usdm::BinanceUsdm;

use crate::sim::{
    AccountId, ConnId, Exchange, ExchangeEvent, HttpReply, HttpRequest, OrderChange,
    ReduceOnlyPolicy, SelfTrade, Wire, WireOut, WsOut,
};
use conns::Conns;
use error::{Answer, ApiError};
use history::History;
use ids::Ids;
use json::{Obj, list};
use limits::Limits;
use ops::{OPS, Op, SIGNED, Spec};
use params::Params;
use session::Session;
use std::collections::BTreeMap;
use streams::Streams;
use trading::Desk;

/// Path of the ws api.
const API_PATH: &str = "/ws-api/v3";
/// Weight of opening a connection of the ws api.
const API_CONNECT_WEIGHT: u32 = 2;

/// How the simulated venue behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinanceOptions {
    /// What clients may do.
    pub limits: BinanceLimits,
    /// How connections are kept alive and cut.
    pub keep_alive: BinanceKeepAlive,
}

impl BinanceOptions {
    /// The documented limits.
    #[must_use]
    pub fn documented() -> Self {
        Self { limits: BinanceLimits::documented(), keep_alive: BinanceKeepAlive::default() }
    }

    /// For the embedded venue: see [`BinanceLimits::embedded`].
    #[must_use]
    pub fn embedded() -> Self {
        Self { limits: BinanceLimits::embedded(), ..Self::documented() }
    }
}

impl Default for BinanceOptions {
    fn default() -> Self {
        Self::embedded()
    }
}

/// The wire. One per simulated venue.
#[derive(Debug)]
pub struct Binance {
    limits: Limits,
    /// When each account's balances last changed.
    changed_ms: BTreeMap<AccountId, u64>,
    ids: Ids,
    history: History,
    streams: Streams,
    conns: Conns,
    sessions: BTreeMap<ConnId, Session>,
    /// Last snapshot given of each symbol.
    snapshots: BTreeMap<String, String>,
    stale_snapshots: u32,
}

impl Binance {
    /// A venue that nobody is connected to yet.
    #[must_use]
    pub fn new(options: BinanceOptions) -> Self {
        let limits = &options.limits;
        Self {
            limits: Limits::new(limits.clone()),
            changed_ms: BTreeMap::new(),
            ids: Ids::default(),
            history: History::default(),
            streams: Streams::new(limits.streams_per_connection, limits.messages_per_second),
            conns: Conns::new(options.keep_alive),
            sessions: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            stale_snapshots: 0,
        }
    }

    /// Ends every logon, as if the keys were revoked: the venue pushes an error without id.
    pub fn revoke_logons(&mut self, now_ms: u64, out: &mut WireOut) {
        for (conn, session) in &mut self.sessions {
            if session.logon.is_none() {
                continue;
            }
            let ended = session.logout();
            let error = ApiError::key();
            let message =
                Obj::new().raw("id", "null").raw("status", 401).raw("error", error.json()).end();
            out.push((*conn, WsOut::Text(message)));
            out.extend(ended.into_iter().map(|id| (*conn, session::terminated(id, now_ms))));
        }
    }

    /// The next `count` requests for a book get the snapshot that was given last, which is older
    /// than what the streams say meanwhile.
    pub fn serve_stale_snapshots(&mut self, count: u32) {
        self.stale_snapshots = count;
    }

    /// Everything that REST and the ws api have in common.
    fn run(
        &mut self,
        spec: &Spec<Op>,
        params: &Params,
        account: Option<AccountId>,
        exchange: &mut Exchange,
        now_ms: u64,
    ) -> Answer {
        match spec.op {
            Op::Ping => Ok("{}".to_owned()),
            Op::Time => Ok(Obj::new().raw("serverTime", now_ms).end()),
            Op::ExchangeInfo => market::exchange_info(params, exchange, &self.limits, now_ms),
            Op::Depth => self.depth(params, exchange),
            Op::Trades => market::trades(params, exchange, &self.history),
            Op::Klines => klines::klines(params, exchange, 1_000, now_ms),
            Op::BookTicker => market::book_ticker(params, exchange),
            Op::PriceTicker => market::price_ticker(params, exchange),
            _ => match account {
                Some(account) => self.run_signed(spec.op, params, account, exchange, now_ms),
                None => Err(ApiError::unsupported()),
            },
        }
    }

    fn run_signed(
        &mut self,
        op: Op,
        params: &Params,
        account: AccountId,
        exchange: &mut Exchange,
        now_ms: u64,
    ) -> Answer {
        let (ids, limits, history) = (&mut self.ids, &mut self.limits, &self.history);
        match op {
            Op::OpenOrders => return account::open_orders(params, exchange, ids, account),
            Op::AllOrders => return account::all_orders(params, exchange, ids, history, account),
            Op::MyTrades => return account::my_trades(params, exchange, account),
            Op::Account => {
                let changed_ms = self.changed_ms.get(&account).copied().unwrap_or(now_ms);
                return account::status(params, exchange, account, changed_ms);
            }
            Op::Commission => return account::commission(params, exchange),
            Op::OrderLimits => return Ok(list(limits.order_usage(account, now_ms))),
            _ => {}
        }
        let mut desk = Desk { exchange, ids, limits, account, params, now_ms };
        match op {
            Op::OrderPlace => desk.place(),
            Op::OrderTest => desk.test(),
            Op::OrderCancel => desk.cancel(),
            Op::OrderStatus => desk.status(),
            Op::OrderAmend => desk.amend(),
            Op::CancelReplace => desk.cancel_replace(),
            Op::CancelAll => desk.cancel_all(),
            _ => Err(ApiError::unsupported()),
        }
    }

    fn depth(&mut self, params: &Params, exchange: &Exchange) -> Answer {
        let symbol = params.required("symbol")?;
        if self.stale_snapshots > 0
            && let Some(old) = self.snapshots.get(symbol)
        {
            self.stale_snapshots -= 1;
            return Ok(old.clone());
        }
        let snapshot = market::depth(params, exchange)?;
        self.snapshots.insert(symbol.to_owned(), snapshot.clone());
        Ok(snapshot)
    }

    fn answer_http(
        &mut self,
        spec: &Spec<Op>,
        request: &HttpRequest,
        exchange: &mut Exchange,
        now_ms: u64,
    ) -> (Answer, Option<AccountId>) {
        let params = Params::from_rest(&request.query, &request.body);
        let empty = Params::default();
        let (weight, failed_weight) = ops::weight(spec.op, params.as_ref().unwrap_or(&empty));
        if let Err(error) = self.limits.admit(weight, now_ms) {
            return (Err(error), None);
        }
        let mut account = None;
        let answer = params.and_then(|params| {
            account = authenticate(spec, request, &params, exchange, now_ms)?;
            self.run(spec, &params, account, exchange, now_ms)
        });
        if answer.is_err() {
            self.limits.charge(failed_weight, now_ms);
        }
        (answer, account)
    }

    fn reply(&self, answer: Answer, orders: Option<AccountId>, now_ms: u64) -> HttpReply {
        http_reply(&self.limits, answer, orders, now_ms)
    }

    fn tell_account(&self, account: AccountId, event: &str, out: &mut WireOut) {
        for (conn, session) in &self.sessions {
            session.tell(*conn, account, event, out);
        }
    }

    fn forget(&mut self, conn: ConnId) {
        self.conns.close(conn);
        self.streams.subscribers.close(conn);
        self.sessions.remove(&conn);
    }
}

/// Who sends a REST request, if it has to be signed; refuses parameters it does not know.
fn authenticate<O>(
    spec: &Spec<O>,
    request: &HttpRequest,
    params: &Params,
    exchange: &Exchange,
    now_ms: u64,
) -> Result<Option<AccountId>, ApiError> {
    let mut known = spec.params.to_vec();
    let mut account = None;
    if spec.signed {
        let key = request.header("x-mbx-apikey").unwrap_or_default();
        let payload = params::rest_payload(&request.query, &request.body);
        account = Some(auth::verify(key, params, &payload, exchange, now_ms)?.0);
        known.extend(SIGNED.iter().filter(|name| **name != "apiKey"));
    }
    params.check_names(&known)?;
    Ok(account)
}

/// The reply to an HTTP request; `orders` for those whose headers show the order counters.
fn http_reply(
    limits: &Limits,
    answer: Answer,
    orders: Option<AccountId>,
    now_ms: u64,
) -> HttpReply {
    match answer {
        Ok(body) => HttpReply { status: 200, headers: limits.headers(orders, None, now_ms), body },
        Err(mut error) => {
            let headers = limits.headers(orders, Some(&error), now_ms);
            // Only the ws api shows when to try again; REST has a header for it.
            if error.code == -1003 {
                error.data = None;
            }
            HttpReply { status: error.status, headers, body: error.json() }
        }
    }
}

/// The account whose order counters a reply shows.
fn account_of_orders<O>(spec: &Spec<O>, account: Option<AccountId>) -> Option<AccountId> {
    account.filter(|_| spec.counts_orders)
}

/// No account trades with itself unless asked, and reduce-only orders that have become too large end.
fn prepare(exchange: &mut Exchange, amend_keeps_place: bool) {
    exchange.set_self_trade(SelfTrade::ExpireMaker);
    exchange.set_amend_keeps_place(amend_keeps_place);
    exchange.set_reduce_only(ReduceOnlyPolicy { cancels_resting: true, ..Default::default() });
}

impl Wire for Binance {
    fn name(&self) -> &'static str {
        "binance"
    }

    fn paths(&self) -> [&'static str; 4] {
        ["", "", API_PATH, ""]
    }

    fn prepare(&self, exchange: &mut Exchange) {
        prepare(exchange, true);
    }

    fn on_http(
        &mut self,
        request: &HttpRequest,
        exchange: &mut Exchange,
        now_ms: u64,
        _out: &mut WireOut,
    ) -> HttpReply {
        let Some(spec) = ops::by_path(OPS, &request.method, &request.path) else {
            let status = if ops::path_exists(OPS, &request.path) { 405 } else { 404 };
            let error = ApiError { status, ..ApiError::unsupported() };
            return self.reply(Err(error), None, now_ms);
        };
        let (answer, account) = self.answer_http(spec, request, exchange, now_ms);
        let orders = account_of_orders(spec, account).filter(|_| answer.is_ok());
        self.reply(answer, orders, now_ms)
    }

    fn on_ws_open(
        &mut self,
        conn: ConnId,
        path: &str,
        query: &str,
        _exchange: &mut Exchange,
        now_ms: u64,
        _out: &mut WireOut,
    ) -> Result<(), HttpReply> {
        if let Err(error) = self.limits.connect(now_ms) {
            return Err(self.reply(Err(error), None, now_ms));
        }
        if path == API_PATH {
            if let Err(error) = self.limits.admit(API_CONNECT_WEIGHT, now_ms) {
                return Err(self.reply(Err(error), None, now_ms));
            }
            self.sessions.insert(conn, Session::new(query, now_ms));
        } else if !self.streams.open(conn, path, query) {
            let error = ApiError { status: 404, ..ApiError::unsupported() };
            return Err(self.reply(Err(error), None, now_ms));
        }
        self.conns.open(conn, now_ms);
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
        if self.sessions.contains_key(&conn) {
            self.on_api_text(conn, text, exchange, now_ms, out);
        } else if self.streams.subscribers.count_message(conn, now_ms, out) {
            self.streams.subscribers.on_text(conn, text, out);
        }
    }

    fn on_ws_pong(&mut self, conn: ConnId, payload: &[u8], now_ms: u64) {
        self.streams.subscribers.count_pong(conn, now_ms);
        self.conns.on_pong(conn, payload);
    }

    fn on_ws_closed(&mut self, conn: ConnId) {
        self.forget(conn);
    }

    fn on_exchange(
        &mut self,
        events: &[ExchangeEvent],
        exchange: &Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        let stp = trading::stp_mode(exchange);
        for event in events {
            self.history.record(event);
            match event {
                ExchangeEvent::Order { order, change, fill, cancel_id } => {
                    if let Some(fill) = fill
                        && *change == OrderChange::Trade
                        && order.filled == fill.qty
                    {
                        self.limits.first_fill(order.account, fill.maker, now_ms);
                    }
                    let report = user_events::execution_report(
                        (order, *change),
                        fill.as_ref(),
                        cancel_id.as_deref(),
                        &mut self.ids,
                        stp,
                        now_ms,
                    );
                    self.tell_account(order.account, &report, out);
                }
                ExchangeEvent::Balance { account, assets, time_ms } => {
                    self.changed_ms.insert(*account, *time_ms);
                    let event = user_events::account_position(assets, *time_ms, now_ms);
                    self.tell_account(*account, &event, out);
                }
                _ => {}
            }
        }
        self.streams.on_exchange(events, exchange, now_ms, out);
    }

    fn on_timer(&mut self, exchange: &mut Exchange, now_ms: u64, out: &mut WireOut) {
        self.streams.on_timer(exchange, now_ms, out);
        for (conn, code, reason) in self.conns.on_timer(now_ms, out) {
            out.push((conn, WsOut::Close(code, reason.to_owned())));
            self.forget(conn);
        }
    }

    /// Tells every connection that the server is about to go. It does not close them.
    fn is_account_event(&self, path: &str, text: &str) -> bool {
        path.starts_with(API_PATH) && text.starts_with("{\"subscriptionId\"")
    }

    fn on_ban(&mut self, until_ms: u64) {
        self.limits.ban(until_ms);
    }

    fn on_stale_snapshots(&mut self, count: u32) {
        self.serve_stale_snapshots(count);
    }

    fn on_announce_shutdown(&mut self, now_ms: u64, out: &mut WireOut) {
        self.streams.announce_shutdown(now_ms, out);
        let event = Obj::new().text("e", "serverShutdown").raw("E", now_ms).end();
        let message = Obj::new().raw("event", event).end();
        out.extend(self.sessions.keys().map(|conn| (*conn, WsOut::Text(message.clone()))));
    }
}

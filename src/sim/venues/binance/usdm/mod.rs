//! The wire of simulated Binance perpetuals margined in dollars: REST, routed market streams, user
//! streams by listen key, and the ws api, as the documentation of August 2026 has them.
//!
//! Modelled: limit, post-only and market orders, modifications (which lose their place in the queue),
//! batches, the countdown that cancels, conditional orders, net positions with cross and isolated
//! margin, funding, liquidation. Not modelled: hedge mode, several assets as margin, trailing stops,
//! price matching, orders that expire at a date, delivery contracts. Requests for these are refused
//! with the venue's own errors.
//!
//! What it has in common with the spot market stands in the folder above.

mod account;
mod algo;
mod api;
mod error;
mod keys;
mod market;
mod ops;
mod replies;
mod streams;
mod trading;
mod user_events;
mod watch;

#[cfg(test)]
mod tests;

use super::auth;
use super::conns::{BinanceKeepAlive, Conns};
use super::error::{Answer, ApiError};
use super::history::History;
use super::ids::Ids;
use super::json::{Obj, list};
use super::limits::{BinanceLimits, Limits, OrderWindow};
use super::ops as table;
use super::ops::Spec;
use super::params::Params;
use super::session::Session;
use super::{account_of_orders, authenticate, http_reply};
use crate::sim::{
    AccountId, ConnId, Exchange, ExchangeEvent, HttpReply, HttpRequest, Wire, WireOut, WsOut,
};
use algo::Algos;
use keys::ListenKeys;
use ops::{OPS, Op};
use std::collections::BTreeMap;
use streams::Streams;
use trading::{Desk, Modifications};
use watch::Watch;

/// Path of the ws api.
const API_PATH: &str = "/ws-fapi/v1";
/// Weight of opening a connection of the ws api.
const API_CONNECT_WEIGHT: u32 = 5;
/// Path of the group of user streams.
const PRIVATE: &str = "/private";

/// The wire. One per simulated venue.
#[derive(Debug)]
pub struct BinanceUsdm {
    limits: Limits,
    ids: Ids,
    history: History,
    streams: Streams,
    conns: Conns,
    sessions: BTreeMap<ConnId, Session>,
    keys: ListenKeys,
    algos: Algos,
    modifications: Modifications,
    watch: Watch,
    /// When the open orders of an account and symbol are cancelled.
    countdowns: BTreeMap<(AccountId, String), u64>,
    /// Last snapshot given of each symbol.
    snapshots: BTreeMap<String, String>,
    stale_snapshots: u32,
}

impl BinanceUsdm {
    /// A venue with the limits of the documentation: 2400 weight a minute, 300 orders per ten
    /// seconds and 1200 a minute.
    #[must_use]
    pub fn documented() -> Self {
        Self::new(BinanceLimits {
            weight_per_minute: 2400,
            requests_per_5_minutes: u32::MAX,
            orders_per_10_seconds: 300,
            orders_per_long_window: 1200,
            long_window: OrderWindow::Minute,
            messages_per_second: 10,
            ..BinanceLimits::documented()
        })
    }

    /// The same with more orders than a demonstration sends.
    #[must_use]
    pub fn embedded() -> Self {
        let mut venue = Self::documented();
        venue.limits = Limits::new(BinanceLimits {
            orders_per_10_seconds: 10_000,
            orders_per_long_window: 60_000,
            ..venue.limits.options().clone()
        });
        venue
    }

    /// A venue that nobody is connected to yet.
    #[must_use]
    pub fn new(limits: BinanceLimits) -> Self {
        // Pings are rarer and pongs may take longer than on the spot market.
        let keep_alive = BinanceKeepAlive {
            ping_every_ms: 180_000,
            pong_within_ms: 600_000,
            ..BinanceKeepAlive::default()
        };
        Self {
            streams: Streams::new(limits.streams_per_connection, limits.messages_per_second),
            limits: Limits::new(limits),
            ids: Ids::default(),
            history: History::default(),
            conns: Conns::new(keep_alive),
            sessions: BTreeMap::new(),
            keys: ListenKeys::default(),
            algos: Algos::default(),
            modifications: Modifications::default(),
            watch: Watch::default(),
            countdowns: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            stale_snapshots: 0,
        }
    }

    /// Everything that REST and the ws api have in common.
    fn run(
        &mut self,
        op: Op,
        params: &Params,
        account: Option<AccountId>,
        exchange: &mut Exchange,
        now_ms: u64,
    ) -> Answer {
        match op {
            Op::Ping => Ok("{}".to_owned()),
            Op::Time => Ok(Obj::new().raw("serverTime", now_ms).end()),
            Op::ExchangeInfo => market::exchange_info(exchange, &self.limits, now_ms),
            Op::Depth => self.depth(params, exchange, now_ms),
            Op::Trades => market::trades(params, exchange, &self.history),
            Op::Klines => super::klines::klines(params, exchange, 1_500, now_ms),
            Op::BookTicker => market::book_ticker(params, exchange, now_ms),
            Op::PriceTicker => market::price_ticker(params, exchange, now_ms),
            Op::PremiumIndex => market::premium_index(params, exchange, now_ms),
            Op::FundingRate => market::funding_rates(params, exchange),
            Op::FundingInfo => market::funding_info(exchange),
            _ => match account {
                Some(account) => self.run_signed(op, params, account, exchange, now_ms),
                None => Err(ApiError::unsupported()),
            },
        }
    }

    fn run_signed(
        &mut self,
        op: Op,
        params: &Params,
        who: AccountId,
        exchange: &mut Exchange,
        now_ms: u64,
    ) -> Answer {
        match op {
            Op::OpenOrders => account::open_orders(params, exchange, who),
            Op::AllOrders => account::all_orders(params, exchange, &self.history, who),
            Op::UserTrades => account::user_trades(params, exchange, who),
            Op::Income => account::income(params, exchange, who),
            Op::Balance => account::balance(exchange, who, now_ms),
            Op::Account => account::account(exchange, who, now_ms),
            Op::PositionRisk => account::position_risk(params, exchange, who),
            Op::AccountConfig => account::config(),
            Op::SymbolConfig => account::symbol_config(params, exchange, who),
            Op::Brackets => account::brackets(params, exchange),
            Op::CommissionRate => account::commission_rate(params, exchange),
            Op::OrderLimits => Ok(list(self.limits.order_usage(who, now_ms))),
            Op::PositionMode => Ok(r#"{"dualSidePosition":false}"#.to_owned()),
            Op::SetPositionMode => account::set_mode(params, "dualSidePosition"),
            Op::MultiAssets => Ok(r#"{"multiAssetsMargin":false}"#.to_owned()),
            Op::SetMultiAssets => account::set_mode(params, "multiAssetsMargin"),
            Op::SetMarginType => account::set_margin_type(params, exchange, who, now_ms),
            Op::SetLeverage => account::set_leverage(params, exchange, who, now_ms),
            Op::PositionMargin => account::move_margin(params, exchange, who, now_ms),
            Op::Countdown => self.countdown(params, exchange, who, now_ms),
            Op::AlgoPlace => {
                self.limits.take_order(who, now_ms)?;
                self.algos.place(params, who, (exchange, &mut self.ids), now_ms)
            }
            Op::AlgoCancel => self.algos.cancel(params, who, now_ms),
            Op::AlgoQuery => self.algos.query(params, who),
            Op::AlgoOpen => self.algos.list(params, who, true),
            Op::AlgoAll => self.algos.list(params, who, false),
            Op::AlgoCancelAll => self.algos.cancel_all(params, who, now_ms),
            _ => self.trade(op, params, who, exchange, now_ms),
        }
    }

    fn trade(
        &mut self,
        op: Op,
        params: &Params,
        account: AccountId,
        exchange: &mut Exchange,
        now_ms: u64,
    ) -> Answer {
        let mut desk = self.desk(account, exchange, now_ms);
        let stp = super::trading::stp_mode(desk.exchange);
        match op {
            Op::Place => desk.place(params),
            Op::Test => desk.test(params),
            Op::Modify => desk.modify(params),
            Op::Cancel => desk.cancel(params),
            Op::BatchPlace => desk.batch(params, Desk::place),
            Op::BatchModify => desk.batch(params, Desk::modify),
            Op::BatchCancel => desk.batch_cancel(params),
            Op::CancelAll => desk.cancel_all(params),
            Op::Query => {
                let order = desk.find(params, ApiError::no_such_order)?;
                Ok(replies::queried(order, stp))
            }
            Op::OpenOrder => {
                let order = desk.find(params, ApiError::no_such_order)?;
                let open = order.state.is_open();
                if open { Ok(replies::queried(order, stp)) } else { Err(ApiError::no_such_order()) }
            }
            _ => Err(ApiError::unsupported()),
        }
    }

    fn desk<'a>(
        &'a mut self,
        account: AccountId,
        exchange: &'a mut Exchange,
        now_ms: u64,
    ) -> Desk<'a> {
        Desk {
            exchange,
            ids: &mut self.ids,
            limits: &mut self.limits,
            modifications: &mut self.modifications,
            account,
            now_ms,
        }
    }

    /// `countdownCancelAll`: zero switches it off.
    fn countdown(
        &mut self,
        params: &Params,
        exchange: &Exchange,
        account: AccountId,
        now_ms: u64,
    ) -> Answer {
        let symbol = params.required("symbol")?;
        exchange.rules(symbol).ok_or_else(ApiError::symbol)?;
        let missing = || ApiError::missing("countdownTime");
        let time = params.integer("countdownTime")?.ok_or_else(missing)?;
        let key = (account, symbol.to_owned());
        if time == 0 {
            self.countdowns.remove(&key);
        } else {
            self.countdowns.insert(key, now_ms.saturating_add(time));
        }
        Ok(Obj::new().text("symbol", symbol).text("countdownTime", &time.to_string()).end())
    }

    fn depth(&mut self, params: &Params, exchange: &Exchange, now_ms: u64) -> Answer {
        let symbol = params.required("symbol")?;
        if self.stale_snapshots > 0
            && let Some(old) = self.snapshots.get(symbol)
        {
            self.stale_snapshots -= 1;
            return Ok(old.clone());
        }
        let snapshot = market::depth(params, exchange, now_ms)?;
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
        let weight = ops::weight(spec.op, params.as_ref().unwrap_or(&empty));
        if let Err(error) = self.limits.admit(weight, now_ms) {
            return (Err(error), None);
        }
        let mut account = None;
        let answer = params.and_then(|params| {
            account = authenticate(spec, request, &params, exchange, now_ms)?;
            let key = request.header("x-mbx-apikey").unwrap_or_default();
            match self.listen(spec.op, key, exchange, now_ms) {
                Some(answer) => answer,
                None => self.run(spec.op, &params, account, exchange, now_ms),
            }
        });
        (answer, account)
    }

    /// The operations on listen keys, which need a key and no signature; none for all others.
    fn listen(&mut self, op: Op, key: &str, exchange: &Exchange, now_ms: u64) -> Option<Answer> {
        if !matches!(op, Op::StartListening | Op::KeepListening | Op::StopListening) {
            return None;
        }
        let account = match auth::find_key(key, exchange) {
            Ok((account, _)) => account,
            Err(error) => return Some(Err(error)),
        };
        let shown = |text: String| Obj::new().text("listenKey", &text).end();
        Some(match op {
            Op::StartListening => Ok(shown(self.keys.start(account, &mut self.ids, now_ms))),
            Op::KeepListening => {
                self.keys.keep(account, now_ms).map(shown).ok_or_else(error::listen_key)
            }
            _ if self.keys.stop(account) => Ok("{}".to_owned()),
            _ => Err(error::listen_key()),
        })
    }

    fn reply(&self, answer: Answer, orders: Option<AccountId>, now_ms: u64) -> HttpReply {
        http_reply(&self.limits, answer, orders, now_ms)
    }

    fn forget(&mut self, conn: ConnId) {
        self.conns.close(conn);
        self.streams.subscribers.close(conn);
        self.sessions.remove(&conn);
        self.keys.close(conn);
    }

    /// Cancels what counts down to now and places what has been triggered.
    fn act(&mut self, exchange: &mut Exchange, now_ms: u64) {
        let due = self.countdowns.iter().filter(|(_, at_ms)| now_ms >= **at_ms);
        for key in due.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            exchange.cancel_all(key.0, Some(&key.1), now_ms);
            self.countdowns.remove(&key);
        }
        for algo in self.algos.reached(exchange, now_ms) {
            let outcome = self.desk(algo.account, exchange, now_ms).send(algo.request);
            self.algos.placed(algo.id, outcome, now_ms);
        }
    }

    fn tell_algos(&mut self, out: &mut WireOut) {
        for (account, event) in self.algos.take_events() {
            self.keys.tell(account, "ALGO_UPDATE", &event, out);
        }
    }
}

impl Wire for BinanceUsdm {
    fn name(&self) -> &'static str {
        "binance_usdm"
    }

    /// The public address is that of all groups: clients add `/public` and `/market`.
    fn paths(&self) -> [&'static str; 4] {
        ["", "", API_PATH, PRIVATE]
    }

    fn prepare(&self, exchange: &mut Exchange) {
        super::prepare(exchange, false);
    }

    fn on_http(
        &mut self,
        request: &HttpRequest,
        exchange: &mut Exchange,
        now_ms: u64,
        _out: &mut WireOut,
    ) -> HttpReply {
        let Some(spec) = table::by_path(OPS, &request.method, &request.path) else {
            let status = if table::path_exists(OPS, &request.path) { 405 } else { 404 };
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
        let opened = if path == API_PATH {
            if let Err(error) = self.limits.admit(API_CONNECT_WEIGHT, now_ms) {
                return Err(self.reply(Err(error), None, now_ms));
            }
            self.sessions.insert(conn, Session::new(query, now_ms));
            true
        } else if let Some(rest) = path.strip_prefix(PRIVATE) {
            self.keys.open(conn, rest, query)
                && self.streams.subscribers.open(conn, rest, "", |_| false)
        } else {
            self.streams.open(conn, path, query)
        };
        if !opened {
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
            self.tell_algos(out);
        } else if self.streams.subscribers.count_message(conn, now_ms, out) {
            let subscribers = &mut self.streams.subscribers;
            subscribers.on_text(conn, text, out);
            if let Some(listener) = subscribers.listeners.get(&conn) {
                self.keys.subscribe(conn, &listener.streams);
            }
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
        for event in events {
            self.history.record(event);
        }
        self.tell_accounts(events, exchange, now_ms, out);
        self.tell_algos(out);
        self.streams.on_exchange(events, exchange, now_ms, out);
    }

    fn on_timer(&mut self, exchange: &mut Exchange, now_ms: u64, out: &mut WireOut) {
        self.act(exchange, now_ms);
        self.tell_algos(out);
        self.streams.on_timer(exchange, now_ms, out);
        self.keys.on_timer(now_ms, out);
        for (conn, code, reason) in self.conns.on_timer(now_ms, out) {
            out.push((conn, WsOut::Close(code, reason.to_owned())));
            self.forget(conn);
        }
    }

    fn is_account_event(&self, path: &str, text: &str) -> bool {
        path.starts_with(PRIVATE) && !text.contains("\"listenKeyExpired\"")
    }

    fn on_ban(&mut self, until_ms: u64) {
        self.limits.ban(until_ms);
    }

    fn on_stale_snapshots(&mut self, count: u32) {
        self.stale_snapshots = count;
    }
}

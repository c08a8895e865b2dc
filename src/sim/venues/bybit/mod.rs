//! The simulated wire of Bybit v5, spot and linear perpetuals in one unified account: REST, the public,
//! private and trade sockets.
//!
//! Written from the venue's documentation and recorded frames of it. Not here: inverse contracts and
//! options, hedge mode, conditional orders, borrowing, streams of candles. Whether the streams or the
//! reply tell an outcome first is the server's choice: replies leave [`Wire::on_http`] and [`Wire::on_ws_text`], stream messages
//! leave [`Wire::on_exchange`].

mod auth;
mod category;
mod dcp;
mod depth;
mod desk;
mod errors;
mod fields;
mod klines;
mod limits;
mod market;
mod positions;
mod private;
mod public;
mod records;
mod replies;
mod rest;
mod rows;
mod sockets;
#[cfg(test)]
mod tests;
mod ticker;
mod wallet;

pub use category::LINEAR;
pub use limits::BybitLimits;

use super::json;
use crate::sim::{
    Cause, ConnId, Exchange, ExchangeEvent, HttpReply, HttpRequest, PlaceRequest, SimFill,
    SimFunding, SimOrder, SimOrderType, Wire, WireOut, WsOut,
};
use crate::types::{Side, TimeInForce};
use category::Category;
use dcp::Dcp;
use desk::Desk;
use market::Market;
use private::{Listener, News};
use records::{Execution, exec_id};
use rust_decimal::Decimal;
use sockets::{Kind, Socket};
use std::collections::BTreeMap;

const PUBLIC: &str = "/v5/public/spot";
const PUBLIC_LINEAR: &str = "/v5/public/linear";
const PRIVATE: &str = "/v5/private";
const TRADE: &str = "/v5/trade";

/// What can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BybitOptions {
    /// Rate limits. The default is [`BybitLimits::relaxed`]: 2 000 orders a second instead of the
    /// venue's 20.
    pub limits: BybitLimits,
    /// How far from the last trade a limit order may be priced to its disadvantage, as a ratio.
    pub price_band: Decimal,
    /// A cancel that comes within this many ms of the fill is accepted, and the order is then
    /// reported as filled a second time.
    pub race_ms: u64,
    /// Private and trade sockets are closed after this long without a word of the client, ms.
    pub idle_ms: u64,
}

impl Default for BybitOptions {
    fn default() -> Self {
        Self {
            limits: BybitLimits::default(),
            price_band: Decimal::new(5, 2),
            race_ms: 5,
            idle_ms: 600_000,
        }
    }
}

/// The wire.
#[derive(Debug)]
pub struct Bybit {
    options: BybitOptions,
    desk: Desk,
    market: Market,
    sockets: BTreeMap<ConnId, Socket>,
    dcp: Dcp,
}

impl Default for Bybit {
    fn default() -> Self {
        Self::new(BybitOptions::default())
    }
}

impl Bybit {
    /// A wire that no client has connected to yet.
    #[must_use]
    pub fn new(options: BybitOptions) -> Self {
        Self {
            options,
            desk: Desk::new(&options),
            market: Market::default(),
            sockets: BTreeMap::new(),
            dcp: Dcp::default(),
        }
    }

    fn listeners(&self) -> Vec<Listener<'_>> {
        self.sockets
            .iter()
            .filter_map(|(&conn, socket)| {
                Some(Listener { conn, account: socket.account?, topics: &socket.topics })
            })
            .filter(|listener| !listener.topics.is_empty())
            .collect()
    }

    /// Sends the second notices of orders whose cancel came too late.
    fn send_raced(&mut self, now_ms: u64, out: &mut WireOut) {
        let raced = std::mem::take(&mut self.desk.raced);
        let listeners = self.listeners();
        for (account, id) in raced {
            if let Some(record) = self.desk.records.get(account, id) {
                let seq = self.market.seq(&record.order.request.symbol);
                private::send_raced(&listeners, record, seq, now_ms, out);
            }
        }
    }

    fn on_order(
        &mut self,
        order: &SimOrder,
        fill: Option<&SimFill>,
        exchange: &Exchange,
        news: &mut News,
    ) {
        self.desk.records.update(order);
        let symbol = &order.request.symbol;
        let seq = self.market.seq(symbol);
        news.order(order.account, order.order_id, symbol, seq);
        let linear = Category::of(symbol) == Category::Linear;
        let perpetual = exchange.rules(symbol).and_then(|rules| rules.perpetual.as_ref());
        if let Some(perpetual) = perpetual {
            // The margin of its orders is part of the wallet.
            news.balance(order.account, &perpetual.settle);
        }
        let position = exchange.position(order.account, symbol).filter(|_| linear);
        let mark = position.as_ref().map_or(Decimal::ZERO, |position| position.mark);
        let (Some(fill), Some(rules)) = (fill, exchange.rules(symbol)) else {
            if let Some(position) = position {
                news.position(position, seq);
            }
            return;
        };
        let execution = Execution {
            serial: 0,
            exec_id: exec_id(self.market.index(symbol), fill.trade_id),
            kind: if order.cause == Cause::Liquidation { "BustTrade" } else { "Trade" },
            mark,
            wallet: exchange.margin(order.account, &fill.fee_asset).wallet,
            fill: fill.clone(),
            request: order.request.clone(),
            leaves: order.leaves(),
            fee_rate: if fill.maker { rules.maker_fee } else { rules.taker_fee },
            seq,
        };
        news.execution(self.desk.records.executed(execution));
    }

    /// Funding is told as an execution of no order.
    fn on_funding(&mut self, paid: &SimFunding, exchange: &Exchange, news: &mut News) {
        let seq = self.market.seq(&paid.symbol);
        let side = if paid.qty.is_sign_negative() { Side::Sell } else { Side::Buy };
        let qty = paid.qty.abs();
        let request = PlaceRequest {
            symbol: paid.symbol.clone(),
            client_id: String::new(),
            side,
            order_type: SimOrderType::Market,
            time_in_force: TimeInForce::Ioc,
            price: Decimal::ZERO,
            qty: Decimal::ZERO,
            reduce_only: false,
        };
        let fill = SimFill {
            trade_id: paid.id,
            order_id: 0,
            account: paid.account,
            symbol: paid.symbol.clone(),
            client_id: String::new(),
            side,
            price: paid.mark,
            qty,
            fee: -paid.amount,
            fee_asset: paid.asset.clone(),
            closed: Decimal::ZERO,
            realised: Decimal::ZERO,
            position: paid.qty,
            maker: false,
            time_ms: paid.time_ms,
        };
        let execution = Execution {
            serial: 0,
            exec_id: exec_id(self.market.index(&paid.symbol), paid.id),
            kind: "Funding",
            mark: paid.mark,
            wallet: exchange.margin(paid.account, &paid.asset).wallet,
            fill,
            request,
            leaves: Decimal::ZERO,
            fee_rate: paid.rate,
            seq,
        };
        news.funding(self.desk.records.executed(execution));
    }

    /// Cancels the orders of accounts whose protected sockets are all gone.
    fn protect(&mut self, exchange: &mut Exchange, now_ms: u64) {
        let sockets = &self.sockets;
        let listens = |account, topic: &str| {
            let live =
                |socket: &Socket| socket.account == Some(account) && socket.topics.contains(topic);
            sockets.values().any(live)
        };
        for (account, category) in self.dcp.due(listens, now_ms) {
            let symbols = exchange.symbols().iter().map(|rules| rules.symbol.clone());
            let symbols = symbols.filter(|symbol| Category::of(symbol) == category);
            for symbol in symbols.collect::<Vec<_>>() {
                exchange.cancel_all_for(account, Some(&symbol), Cause::Unattended, now_ms);
            }
        }
    }

    /// The server is about to go: trade sockets that are open take no new requests, the query
    /// service forgets its ended orders.
    fn drain(&mut self) {
        for socket in self.sockets.values_mut().filter(|socket| socket.kind == Kind::Trade) {
            socket.draining = true;
        }
        self.desk.records.forget_lately();
    }
}

/// The idle time a client asks for: `max_active_time=30s`, 30 s to 600 s or 1 m to 10 m.
fn idle_ms(query: &str, default: u64) -> Option<u64> {
    let params = json::query(query);
    let Some((_, text)) = params.iter().find(|(name, _)| name == "max_active_time") else {
        return Some(default);
    };
    let (unit_ms, least, most) = match text.as_bytes().last()? {
        b's' => (1_000, 30, 600),
        b'm' => (60_000, 1, 10),
        _ => return None,
    };
    let count: u64 = text[..text.len() - 1].parse().ok()?;
    (least..=most).contains(&count).then_some(count * unit_ms)
}

impl Wire for Bybit {
    fn name(&self) -> &'static str {
        "bybit"
    }

    fn paths(&self) -> [&'static str; 4] {
        // A client chooses the category of public data by the path.
        ["", "", TRADE, PRIVATE]
    }

    fn on_http(
        &mut self,
        request: &HttpRequest,
        exchange: &mut Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) -> HttpReply {
        self.market.learn(exchange);
        let reply = self.answer(request, exchange, now_ms);
        self.send_raced(now_ms, out);
        reply
    }

    fn on_ws_open(
        &mut self,
        conn: ConnId,
        path: &str,
        query: &str,
        exchange: &mut Exchange,
        now_ms: u64,
        _out: &mut WireOut,
    ) -> Result<(), HttpReply> {
        self.market.learn(exchange);
        let refuse = |status| HttpReply { status, ..HttpReply::default() };
        let kind = match path {
            PUBLIC | PUBLIC_LINEAR => Kind::Public,
            PRIVATE => Kind::Private,
            TRADE => Kind::Trade,
            _ => return Err(refuse(404)),
        };
        let idle = match kind {
            Kind::Public => None,
            _ => Some(idle_ms(query, self.options.idle_ms).ok_or_else(|| refuse(400))?),
        };
        let linear = path == PUBLIC_LINEAR;
        let category = if linear { Category::Linear } else { Category::Spot };
        self.sockets.insert(conn, Socket::new((kind, category), idle, now_ms));
        Ok(())
    }

    /// Tickers of contracts come as changes too.
    fn book_delta_marks(&self) -> &'static [&'static str] {
        &["\"type\":\"delta\",\"ts\":", "\"type\":\"delta\",\"data\":{\"s\":"]
    }

    fn on_ws_text(
        &mut self,
        conn: ConnId,
        text: &str,
        exchange: &mut Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        self.on_socket_text(conn, text, exchange, now_ms, out);
    }

    fn on_ws_pong(&mut self, conn: ConnId, _payload: &[u8], now_ms: u64) {
        if let Some(socket) = self.sockets.get_mut(&conn) {
            socket.heard_ms = now_ms;
        }
    }

    fn on_ws_closed(&mut self, conn: ConnId) {
        if let Some(Socket { account: Some(account), topics, .. }) = self.sockets.remove(&conn) {
            self.dcp.leave(account, &topics);
        }
        self.market.forget(conn);
    }

    fn on_exchange(
        &mut self,
        events: &[ExchangeEvent],
        exchange: &Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        self.market.learn(exchange);
        let mut news = News::default();
        for event in events {
            match event {
                ExchangeEvent::Book { symbol, time_ms, .. } => {
                    self.market.on_book(symbol, *time_ms);
                }
                ExchangeEvent::Trade { symbol, trade_id, taker, price, qty, time_ms } => {
                    let level = (*price, *qty);
                    self.market.on_trade(symbol, *trade_id, *taker, level, *time_ms);
                }
                ExchangeEvent::Order { order, fill, .. } => {
                    self.on_order(order, fill.as_ref(), exchange, &mut news);
                }
                ExchangeEvent::Position { position, .. } => {
                    let seq = self.market.seq(&position.symbol);
                    news.position(position.clone(), seq);
                }
                ExchangeEvent::Mark(mark) => self.market.on_mark(&mark.symbol),
                ExchangeEvent::Funding(paid) => self.on_funding(paid, exchange, &mut news),
                ExchangeEvent::Liquidation(liquidation) => {
                    self.market.on_liquidation(liquidation);
                }
                ExchangeEvent::Balance { account, assets, .. } => {
                    for (asset, ..) in assets {
                        news.balance(*account, asset);
                    }
                }
            }
        }
        self.market.push(exchange, now_ms, out);
        let records = &self.desk.records;
        let record = |account, id| records.get(account, id);
        news.send(&self.listeners(), record, exchange, now_ms, out);
    }

    fn on_ban(&mut self, until_ms: u64) {
        self.desk.meter.ban(until_ms);
    }

    fn on_announce_shutdown(&mut self, _now_ms: u64, _out: &mut WireOut) {
        self.drain();
    }

    fn on_timer(&mut self, exchange: &mut Exchange, now_ms: u64, out: &mut WireOut) {
        self.market.push(exchange, now_ms, out);
        self.protect(exchange, now_ms);
        for (&conn, socket) in &self.sockets {
            let silent = now_ms.saturating_sub(socket.heard_ms);
            if socket.idle_ms.is_some_and(|limit| silent >= limit) {
                out.push((conn, WsOut::Close(1000, "idle".to_owned())));
            }
        }
    }
}

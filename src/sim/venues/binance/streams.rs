//! Market data streams: subscriptions of each connection, and what they are sent.
//!
//! `bookTicker`, `trade` and `aggTrade` go out at once; `depth` is batched per 100 ms or 1 s of the
//! clock, for all subscribers alike, with contiguous update ids. A stream that does not exist is
//! acknowledged and stays silent, as on the venue.

use super::json::{Obj, levels};
use super::market::snapshot;
use crate::sim::{ConnId, Exchange, ExchangeEvent, SimLevel, WireOut, WsOut};
use crate::types::Side;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, HashMap};

/// Periods of the depth streams and the ends of their names. The official clients write the slow
/// period out, which the documentation does not mention.
const PERIODS: [(u64, &[&str]); 2] = [(100, &["@100ms"]), (1000, &["", "@1000ms"])];
/// Sizes of the partial depth streams.
const PARTIAL: [usize; 3] = [5, 10, 20];
/// Close code for a client that breaks a rule.
pub(super) const POLICY: u16 = 1008;

/// One connection.
#[derive(Debug, Default)]
pub(super) struct Listener {
    /// Wrapped as `{"stream":..,"data":..}`.
    pub(super) combined: bool,
    pub(super) streams: Vec<String>,
    second_start_ms: u64,
    messages: u32,
}

impl Listener {
    /// Messages in the running second, this one included.
    fn count(&mut self, now_ms: u64) -> u32 {
        if now_ms >= self.second_start_ms + 1000 {
            (self.second_start_ms, self.messages) = (now_ms, 0);
        }
        self.messages += 1;
        self.messages
    }
}

/// Changed levels of one book since the last batch.
#[derive(Debug, Default)]
struct Batch {
    ids: Option<(u64, u64)>,
    bids: BTreeMap<Decimal, Decimal>,
    asks: BTreeMap<Decimal, Decimal>,
}

/// What is remembered of one symbol.
#[derive(Debug, Default)]
struct Symbol {
    batches: [Batch; 2],
    best: Option<(Option<SimLevel>, Option<SimLevel>)>,
    aggregates: u64,
}

/// Public trades of one taker at one price.
struct Aggregate {
    symbol: String,
    first: u64,
    last: u64,
    taker: Side,
    price: Decimal,
    qty: Decimal,
    time_ms: u64,
}

/// All market data connections.
#[derive(Debug)]
pub(super) struct Streams {
    pub(super) listeners: BTreeMap<ConnId, Listener>,
    by_stream: HashMap<String, Vec<ConnId>>,
    symbols: BTreeMap<String, Symbol>,
    next_batch_ms: [u64; 2],
    pub(super) streams_max: usize,
    messages_max: u32,
}

impl Streams {
    pub(super) fn new(streams_max: usize, messages_max: u32) -> Self {
        Self {
            listeners: BTreeMap::new(),
            by_stream: HashMap::new(),
            symbols: BTreeMap::new(),
            next_batch_ms: [0; 2],
            streams_max,
            messages_max,
        }
    }

    /// Opens `/ws`, `/ws/<stream>`, `/stream` or `/stream?streams=<a>/<b>`. False if the path is
    /// none of them.
    pub(super) fn open(&mut self, conn: ConnId, path: &str, query: &str) -> bool {
        let (combined, names) = if let Some(names) = path.strip_prefix("/ws") {
            (false, names.trim_matches('/'))
        } else if path.trim_end_matches('/') == "/stream" {
            let names = query.split('&').find_map(|pair| pair.strip_prefix("streams="));
            (true, names.unwrap_or_default())
        } else {
            return false;
        };
        if path.starts_with("/ws") && !(path == "/ws" || path.starts_with("/ws/")) {
            return false;
        }
        self.listeners.insert(conn, Listener { combined, ..Listener::default() });
        let decoded = super::params::percent_decode(names).unwrap_or_default();
        let names: Vec<&str> = decoded.split('/').filter(|name| !name.is_empty()).collect();
        self.subscribe(conn, &names);
        true
    }

    pub(super) fn close(&mut self, conn: ConnId) {
        if self.listeners.remove(&conn).is_some() {
            self.by_stream.retain(|_, conns| {
                conns.retain(|&other| other != conn);
                !conns.is_empty()
            });
        }
    }

    /// Counts a pong, which is a message like any other.
    pub(super) fn count_pong(&mut self, conn: ConnId, now_ms: u64) {
        if let Some(listener) = self.listeners.get_mut(&conn) {
            listener.count(now_ms);
        }
    }

    /// Counts a message; over the limit the connection is cut. False if it was.
    pub(super) fn count_message(&mut self, conn: ConnId, now_ms: u64, out: &mut WireOut) -> bool {
        let Some(listener) = self.listeners.get_mut(&conn) else { return false };
        if listener.count(now_ms) <= self.messages_max {
            return true;
        }
        out.push((conn, WsOut::Close(POLICY, "Too many requests".to_owned())));
        self.close(conn);
        false
    }

    pub(super) fn subscribe(&mut self, conn: ConnId, names: &[&str]) {
        let Some(listener) = self.listeners.get_mut(&conn) else { return };
        for &name in names {
            if !listener.streams.iter().any(|known| known == name) {
                listener.streams.push(name.to_owned());
                self.by_stream.entry(name.to_owned()).or_default().push(conn);
            }
        }
    }

    pub(super) fn unsubscribe(&mut self, conn: ConnId, names: &[&str]) {
        let Some(listener) = self.listeners.get_mut(&conn) else { return };
        listener.streams.retain(|known| !names.contains(&known.as_str()));
        for &name in names {
            if let Some(conns) = self.by_stream.get_mut(name) {
                conns.retain(|&other| other != conn);
                if conns.is_empty() {
                    self.by_stream.remove(name);
                }
            }
        }
    }

    /// Sends `payload` to everyone who listens to `stream`.
    fn send(&self, stream: &str, payload: impl FnOnce() -> String, out: &mut WireOut) {
        let Some(conns) = self.by_stream.get(stream) else { return };
        let payload = payload();
        let wrapped = || Obj::new().text("stream", stream).raw("data", &payload).end();
        for conn in conns {
            let combined = self.listeners.get(conn).is_some_and(|listener| listener.combined);
            let message = if combined { wrapped() } else { payload.clone() };
            out.push((*conn, WsOut::Text(message)));
        }
    }

    /// Tells the listeners what happened. The best prices are taken from the exchange as it is
    /// now, once per symbol, so their id is that of the newest book.
    pub(super) fn on_exchange(
        &mut self,
        events: &[ExchangeEvent],
        exchange: &Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        let mut moved: Vec<&str> = Vec::new();
        let mut aggregate: Option<Aggregate> = None;
        for event in events {
            match event {
                ExchangeEvent::Book { symbol, first_id, last_id, bids, asks, .. } => {
                    self.collect(symbol, (*first_id, *last_id), bids, asks, now_ms, out);
                    if !moved.contains(&symbol.as_str()) {
                        moved.push(symbol);
                    }
                }
                ExchangeEvent::Trade { .. } => {
                    self.trade(event, now_ms, out);
                    self.aggregate(event, &mut aggregate, now_ms, out);
                }
                _ => {}
            }
        }
        self.flush_aggregate(&mut aggregate, now_ms, out);
        for symbol in moved {
            self.book_ticker(symbol, exchange, out);
        }
    }

    fn symbol(&mut self, symbol: &str) -> &mut Symbol {
        if !self.symbols.contains_key(symbol) {
            self.symbols.insert(symbol.to_owned(), Symbol::default());
        }
        self.symbols.entry(symbol.to_owned()).or_default()
    }

    /// Adds a book change to both batches. If ids are missing before it, the batch so far goes out
    /// first, so that the hole shows between two messages and not inside one.
    fn collect(
        &mut self,
        symbol: &str,
        ids: (u64, u64),
        bids: &[SimLevel],
        asks: &[SimLevel],
        now_ms: u64,
        out: &mut WireOut,
    ) {
        for period in 0..PERIODS.len() {
            let pending = self.symbol(symbol).batches[period].ids;
            if pending.is_some_and(|(_, last)| last + 1 != ids.0) {
                self.flush_depth(symbol, period, now_ms, out);
            }
            let batch = &mut self.symbol(symbol).batches[period];
            batch.ids = Some((batch.ids.map_or(ids.0, |(first, _)| first), ids.1));
            batch.bids.extend(bids.iter().copied());
            batch.asks.extend(asks.iter().copied());
        }
    }

    fn flush_depth(&mut self, symbol: &str, period: usize, now_ms: u64, out: &mut WireOut) {
        let batch = std::mem::take(&mut self.symbol(symbol).batches[period]);
        let Some((first, last)) = batch.ids else { return };
        let update = || {
            Obj::new()
                .text("e", "depthUpdate")
                .raw("E", now_ms)
                .text("s", symbol)
                .raw("U", first)
                .raw("u", last)
                .raw("b", levels(batch.bids.iter().rev()))
                .raw("a", levels(batch.asks.iter()))
                .end()
        };
        for end in PERIODS[period].1 {
            self.send(&format!("{}@depth{end}", symbol.to_lowercase()), update, out);
        }
    }

    /// Sends the batches that are due.
    pub(super) fn on_timer(&mut self, exchange: &Exchange, now_ms: u64, out: &mut WireOut) {
        for (period, (length_ms, _)) in PERIODS.iter().enumerate() {
            // A clock that was set back holds nothing up.
            let left_ms = self.next_batch_ms[period].saturating_sub(now_ms);
            if (1..=*length_ms).contains(&left_ms) {
                continue;
            }
            self.next_batch_ms[period] = now_ms - now_ms % length_ms + length_ms;
            let changed: Vec<String> = self
                .symbols
                .iter()
                .filter(|(_, symbol)| symbol.batches[period].ids.is_some())
                .map(|(name, _)| name.clone())
                .collect();
            for symbol in changed {
                self.flush_depth(&symbol, period, now_ms, out);
                self.partial_depth(&symbol, period, exchange, out);
            }
        }
    }

    fn partial_depth(&self, symbol: &str, period: usize, exchange: &Exchange, out: &mut WireOut) {
        let lower = symbol.to_lowercase();
        for size in PARTIAL {
            let book = || {
                let (id, bids, asks) = exchange.depth(symbol, size).unwrap_or_default();
                snapshot(id, &bids, &asks)
            };
            for end in PERIODS[period].1 {
                self.send(&format!("{lower}@depth{size}{end}"), book, out);
            }
        }
    }

    fn book_ticker(&mut self, symbol: &str, exchange: &Exchange, out: &mut WireOut) {
        let Some((id, bids, asks)) = exchange.depth(symbol, 1) else { return };
        let best = (bids.first().copied(), asks.first().copied());
        let known = self.symbol(symbol);
        if known.best == Some(best) {
            return;
        }
        known.best = Some(best);
        let (bid, ask) = (best.0.unwrap_or_default(), best.1.unwrap_or_default());
        let stream = format!("{}@bookTicker", symbol.to_lowercase());
        self.send(
            &stream,
            || {
                Obj::new()
                    .raw("u", id)
                    .text("s", symbol)
                    .dec("b", bid.0)
                    .dec("B", bid.1)
                    .dec("a", ask.0)
                    .dec("A", ask.1)
                    .end()
            },
            out,
        );
    }

    fn trade(&self, event: &ExchangeEvent, now_ms: u64, out: &mut WireOut) {
        let ExchangeEvent::Trade { symbol, trade_id, taker, price, qty, time_ms } = event else {
            return;
        };
        let stream = format!("{}@trade", symbol.to_lowercase());
        self.send(
            &stream,
            || {
                Obj::new()
                    .text("e", "trade")
                    .raw("E", now_ms)
                    .text("s", symbol)
                    .raw("t", trade_id)
                    .dec("p", *price)
                    .dec("q", *qty)
                    .raw("T", time_ms)
                    .raw("m", *taker == Side::Sell)
                    .raw("M", true)
                    .end()
            },
            out,
        );
    }

    /// Joins prints that follow each other at one price and time, by the same side.
    fn aggregate(
        &mut self,
        event: &ExchangeEvent,
        pending: &mut Option<Aggregate>,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        let ExchangeEvent::Trade { symbol, trade_id, taker, price, qty, time_ms } = event else {
            return;
        };
        if let Some(last) = pending
            && last.symbol == *symbol
            && (last.taker, last.price, last.time_ms) == (*taker, *price, *time_ms)
        {
            last.last = *trade_id;
            last.qty += qty;
            return;
        }
        self.flush_aggregate(pending, now_ms, out);
        *pending = Some(Aggregate {
            symbol: symbol.clone(),
            first: *trade_id,
            last: *trade_id,
            taker: *taker,
            price: *price,
            qty: *qty,
            time_ms: *time_ms,
        });
    }

    fn flush_aggregate(&mut self, pending: &mut Option<Aggregate>, now_ms: u64, out: &mut WireOut) {
        let Some(aggregate) = pending.take() else { return };
        let known = self.symbol(&aggregate.symbol);
        known.aggregates += 1;
        let id = known.aggregates;
        let stream = format!("{}@aggTrade", aggregate.symbol.to_lowercase());
        self.send(
            &stream,
            || {
                Obj::new()
                    .text("e", "aggTrade")
                    .raw("E", now_ms)
                    .text("s", &aggregate.symbol)
                    .raw("a", id)
                    .dec("p", aggregate.price)
                    .dec("q", aggregate.qty)
                    .raw("f", aggregate.first)
                    .raw("l", aggregate.last)
                    .raw("T", aggregate.time_ms)
                    .raw("m", aggregate.taker == Side::Sell)
                    .raw("M", true)
                    .end()
            },
            out,
        );
    }

    /// Announces the end of the server to every connection.
    pub(super) fn announce_shutdown(&self, now_ms: u64, out: &mut WireOut) {
        let raw = Obj::new().text("e", "serverShutdown").raw("E", now_ms).end();
        let combined = Obj::new().text("stream", "!serverShutdown").raw("data", &raw).end();
        for (conn, listener) in &self.listeners {
            let message = if listener.combined { &combined } else { &raw };
            out.push((*conn, WsOut::Text(message.clone())));
        }
    }
}

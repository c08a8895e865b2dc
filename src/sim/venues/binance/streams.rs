//! Market data streams: what the listeners are sent.
//!
//! `bookTicker`, `trade` and `aggTrade` go out at once; `depth` is batched per 100 ms or 1 s of the
//! clock, for all subscribers alike, with contiguous update ids.

use super::batches::{Aggregate, Aggregates, Batches, Due, Period};
use super::json::{Obj, levels};
use super::market::snapshot;
use super::subscribers::Subscribers;
use crate::sim::{ConnId, Exchange, ExchangeEvent, SimLevel, WireOut, WsOut};
use crate::types::Side;
use std::collections::BTreeMap;

/// Periods of the depth streams and the ends of their names. The official clients write the slow
/// period out, which the documentation does not mention.
const PERIODS: &[Period] = &[(100, &["@100ms"]), (1000, &["", "@1000ms"])];
/// Sizes of the partial depth streams.
const PARTIAL: [usize; 3] = [5, 10, 20];

/// Best bid and ask as last told.
pub(super) type Best = (Option<SimLevel>, Option<SimLevel>);

/// All market data connections.
#[derive(Debug)]
pub(super) struct Streams {
    pub(super) subscribers: Subscribers,
    batches: Batches,
    aggregates: Aggregates,
    best: BTreeMap<String, Best>,
}

impl Streams {
    pub(super) fn new(streams_max: usize, messages_max: u32) -> Self {
        Self {
            subscribers: Subscribers::new(streams_max, messages_max),
            batches: Batches::new(PERIODS),
            aggregates: Aggregates::default(),
            best: BTreeMap::new(),
        }
    }

    /// Opens a connection. False if the path is none of the venue's.
    pub(super) fn open(&mut self, conn: ConnId, path: &str, query: &str) -> bool {
        self.subscribers.open(conn, path, query, |_| true)
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
        for event in events {
            match event {
                ExchangeEvent::Book { symbol, first_id, last_id, bids, asks, time_ms } => {
                    let ids = (*first_id, *last_id);
                    for due in self.batches.collect(symbol, ids, bids, asks, *time_ms) {
                        self.depth(&due, now_ms, out);
                    }
                    if !moved.contains(&symbol.as_str()) {
                        moved.push(symbol);
                    }
                }
                ExchangeEvent::Trade { .. } => {
                    self.trade(event, now_ms, out);
                    let complete = self.aggregates.add(event);
                    self.aggregate(complete.as_ref(), now_ms, out);
                }
                _ => {}
            }
        }
        let complete = self.aggregates.take();
        self.aggregate(complete.as_ref(), now_ms, out);
        for symbol in moved {
            self.book_ticker(symbol, exchange, out);
        }
    }

    fn depth(&self, due: &Due, now_ms: u64, out: &mut WireOut) {
        let update = || {
            Obj::new()
                .text("e", "depthUpdate")
                .raw("E", now_ms)
                .text("s", &due.symbol)
                .raw("U", due.first_id)
                .raw("u", due.last_id)
                .raw("b", levels(due.batch.bids.iter().rev()))
                .raw("a", levels(due.batch.asks.iter()))
                .end()
        };
        for end in PERIODS[due.period].1 {
            self.subscribers.send(
                &format!("{}@depth{end}", due.symbol.to_lowercase()),
                update,
                out,
            );
        }
    }

    /// Sends the batches that are due.
    pub(super) fn on_timer(&mut self, exchange: &Exchange, now_ms: u64, out: &mut WireOut) {
        for due in self.batches.due(now_ms) {
            self.depth(&due, now_ms, out);
            self.partial_depth(&due.symbol, due.period, exchange, out);
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
                self.subscribers.send(&format!("{lower}@depth{size}{end}"), book, out);
            }
        }
    }

    fn book_ticker(&mut self, symbol: &str, exchange: &Exchange, out: &mut WireOut) {
        let Some((id, best)) = moved_best(&mut self.best, symbol, exchange) else { return };
        let (bid, ask) = (best.0.unwrap_or_default(), best.1.unwrap_or_default());
        let stream = format!("{}@bookTicker", symbol.to_lowercase());
        self.subscribers.send(
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
        self.subscribers.send(
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

    fn aggregate(&self, complete: Option<&Aggregate>, now_ms: u64, out: &mut WireOut) {
        let Some(aggregate) = complete else { return };
        let stream = format!("{}@aggTrade", aggregate.symbol.to_lowercase());
        self.subscribers.send(
            &stream,
            || {
                Obj::new()
                    .text("e", "aggTrade")
                    .raw("E", now_ms)
                    .text("s", &aggregate.symbol)
                    .raw("a", aggregate.id)
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
        for (conn, listener) in &self.subscribers.listeners {
            let message = if listener.combined { &combined } else { &raw };
            out.push((*conn, WsOut::Text(message.clone())));
        }
    }
}

/// The best prices of a symbol and the id of its book, if they are not those known.
pub(super) fn moved_best(
    known: &mut BTreeMap<String, Best>,
    symbol: &str,
    exchange: &Exchange,
) -> Option<(u64, Best)> {
    let (id, bids, asks) = exchange.depth(symbol, 1)?;
    let best = (bids.first().copied(), asks.first().copied());
    match known.get_mut(symbol) {
        Some(known) if *known == best => return None,
        Some(known) => *known = best,
        None => drop(known.insert(symbol.to_owned(), best)),
    }
    Some((id, best))
}

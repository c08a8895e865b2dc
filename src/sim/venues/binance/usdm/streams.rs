//! Market streams of perpetuals. Their addresses are in three groups: `/public` carries books,
//! `/market` the rest, `/private` the account; an address without a group carries the public ones and
//! stays silent for the others.

use super::super::batches::{Aggregate, Aggregates, Batches, Due, Period};
use super::super::json::{Obj, levels};
use super::super::streams::{Best, moved_best};
use super::super::subscribers::Subscribers;
use crate::sim::{
    ConnId, Exchange, ExchangeEvent, SimFill, SimLevel, SimLiquidation, SimMark, WireOut,
};
use crate::types::Side;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// Periods of the depth streams and the ends of their names.
const PERIODS: &[Period] = &[(250, &[""]), (500, &["@500ms"]), (100, &["@100ms"])];
/// Sizes of the partial depth streams.
const PARTIAL: [usize; 3] = [5, 10, 20];
/// Time between two frames of the slower mark price streams, ms.
const SLOW_MARK_MS: u64 = 3_000;

/// All market data connections.
#[derive(Debug)]
pub(super) struct Streams {
    pub(super) subscribers: Subscribers,
    batches: Batches,
    aggregates: Aggregates,
    best: BTreeMap<String, Best>,
    /// Last update id sent of each book and period.
    sent: BTreeMap<(String, usize), u64>,
    slow_mark_ms: u64,
}

/// Whether a stream is in the public group.
fn is_public(stream: &str) -> bool {
    let kind = stream.split_once('@').map_or(stream, |(_, kind)| kind);
    let depth = kind.starts_with("depth") || kind.starts_with("rpiDepth");
    depth || kind == "bookTicker" || kind == "trade" || stream == "!bookTicker"
}

impl Streams {
    pub(super) fn new(streams_max: usize, messages_max: u32) -> Self {
        Self {
            subscribers: Subscribers::new(streams_max, messages_max),
            batches: Batches::new(PERIODS),
            aggregates: Aggregates::default(),
            best: BTreeMap::new(),
            sent: BTreeMap::new(),
            slow_mark_ms: 0,
        }
    }

    /// Opens a connection. False if the path is none of the venue's.
    pub(super) fn open(&mut self, conn: ConnId, path: &str, query: &str) -> bool {
        if let Some(rest) = path.strip_prefix("/market") {
            return self.subscribers.open(conn, rest, query, |stream| !is_public(stream));
        }
        let rest = path.strip_prefix("/public").unwrap_or(path);
        self.subscribers.open(conn, rest, query, is_public)
    }

    /// Tells the listeners what happened.
    pub(super) fn on_exchange(
        &mut self,
        events: &[ExchangeEvent],
        exchange: &Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        let mut moved: Vec<(&str, u64)> = Vec::new();
        let mut marks: Vec<String> = Vec::new();
        for event in events {
            match event {
                ExchangeEvent::Book { symbol, first_id, last_id, bids, asks, time_ms } => {
                    let ids = (*first_id, *last_id);
                    for due in self.batches.collect(symbol, ids, bids, asks, *time_ms) {
                        self.depth(&due, now_ms, out);
                    }
                    moved.retain(|(known, _)| known != symbol);
                    moved.push((symbol, *time_ms));
                }
                ExchangeEvent::Trade { .. } => {
                    self.trade(event, now_ms, out);
                    let complete = self.aggregates.add(event);
                    self.aggregate(complete.as_ref(), now_ms, out);
                }
                ExchangeEvent::Mark(mark) => marks.push(self.mark(mark, now_ms, out)),
                ExchangeEvent::Liquidation(liquidation) => {
                    self.force_order(liquidation, exchange, now_ms, out);
                }
                _ => {}
            }
        }
        let complete = self.aggregates.take();
        self.aggregate(complete.as_ref(), now_ms, out);
        self.all_marks(marks, now_ms, out);
        for (symbol, time_ms) in moved {
            self.book_ticker(symbol, time_ms, exchange, now_ms, out);
        }
    }

    /// Sends the batches that are due.
    pub(super) fn on_timer(&mut self, exchange: &Exchange, now_ms: u64, out: &mut WireOut) {
        for due in self.batches.due(now_ms) {
            let previous = self.depth(&due, now_ms, out);
            self.partial_depth(&due, previous, exchange, now_ms, out);
        }
    }

    /// Gives the update id that the stream had reached before.
    fn depth(&mut self, due: &Due, now_ms: u64, out: &mut WireOut) -> u64 {
        let key = (due.symbol.clone(), due.period);
        let previous = self.sent.insert(key, due.last_id).unwrap_or(due.first_id - 1);
        let (bids, asks) = (&due.batch.bids, &due.batch.asks);
        let update = || {
            let sides = (levels(bids.iter().rev()), levels(asks.iter()));
            update(due, previous, sides, now_ms)
        };
        for end in PERIODS[due.period].1 {
            let stream = format!("{}@depth{end}", due.symbol.to_lowercase());
            self.subscribers.send(&stream, update, out);
        }
        previous
    }

    fn partial_depth(
        &self,
        due: &Due,
        previous: u64,
        exchange: &Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        let side = |side: &[SimLevel]| levels(side.iter().map(|(price, qty)| (price, qty)));
        for size in PARTIAL {
            let book = || {
                let (_, bids, asks) = exchange.depth(&due.symbol, size).unwrap_or_default();
                update(due, previous, (side(&bids), side(&asks)), now_ms)
            };
            for end in PERIODS[due.period].1 {
                let stream = format!("{}@depth{size}{end}", due.symbol.to_lowercase());
                self.subscribers.send(&stream, book, out);
            }
        }
    }

    fn book_ticker(
        &mut self,
        symbol: &str,
        time_ms: u64,
        exchange: &Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        let Some((id, best)) = moved_best(&mut self.best, symbol, exchange) else { return };
        let (bid, ask) = (best.0.unwrap_or_default(), best.1.unwrap_or_default());
        let ticker = || {
            Obj::new()
                .text("e", "bookTicker")
                .raw("u", id)
                .raw("E", now_ms)
                .raw("T", time_ms)
                .text("s", symbol)
                .text("ps", symbol)
                .num("b", bid.0)
                .num("B", bid.1)
                .num("a", ask.0)
                .num("A", ask.1)
                .raw("st", 1)
                .end()
        };
        let stream = format!("{}@bookTicker", symbol.to_lowercase());
        self.subscribers.send(&stream, ticker, out);
        self.subscribers.send("!bookTicker", ticker, out);
    }

    fn trade(&self, event: &ExchangeEvent, now_ms: u64, out: &mut WireOut) {
        let ExchangeEvent::Trade { symbol, trade_id, taker, price, qty, time_ms } = event else {
            return;
        };
        let trade = || {
            Obj::new()
                .text("e", "trade")
                .raw("E", now_ms)
                .raw("T", time_ms)
                .text("s", symbol)
                .raw("t", trade_id)
                .num("p", *price)
                .num("q", *qty)
                .text("X", "MARKET")
                .raw("m", *taker == Side::Sell)
                .end()
        };
        self.subscribers.send(&format!("{}@trade", symbol.to_lowercase()), trade, out);
    }

    fn aggregate(&self, complete: Option<&Aggregate>, now_ms: u64, out: &mut WireOut) {
        let Some(aggregate) = complete else { return };
        let trade = || {
            Obj::new()
                .text("e", "aggTrade")
                .raw("E", now_ms)
                .text("s", &aggregate.symbol)
                .raw("a", aggregate.id)
                .num("p", aggregate.price)
                .num("q", aggregate.qty)
                .num("nq", aggregate.qty)
                .raw("f", aggregate.first)
                .raw("l", aggregate.last)
                .raw("T", aggregate.time_ms)
                .raw("m", aggregate.taker == Side::Sell)
                .raw("st", 1)
                .end()
        };
        let stream = format!("{}@aggTrade", aggregate.symbol.to_lowercase());
        self.subscribers.send(&stream, trade, out);
    }

    fn mark(&self, mark: &SimMark, now_ms: u64, out: &mut WireOut) -> String {
        let update = Obj::new()
            .text("e", "markPriceUpdate")
            .raw("E", now_ms)
            .text("s", &mark.symbol)
            .amount("p", mark.mark)
            .amount("ap", mark.mark)
            .amount("i", mark.index)
            .amount("P", mark.mark)
            .amount("r", mark.rate)
            .raw("T", mark.next_funding_ms)
            .raw("st", 1)
            .end();
        let lower = mark.symbol.to_lowercase();
        self.subscribers.send(&format!("{lower}@markPrice@1s"), || update.clone(), out);
        if now_ms / SLOW_MARK_MS != self.slow_mark_ms / SLOW_MARK_MS {
            self.subscribers.send(&format!("{lower}@markPrice"), || update.clone(), out);
        }
        update
    }

    fn all_marks(&mut self, marks: Vec<String>, now_ms: u64, out: &mut WireOut) {
        if marks.is_empty() {
            return;
        }
        let all = super::super::json::list(marks);
        self.subscribers.send("!markPrice@arr@1s", || all.clone(), out);
        if now_ms / SLOW_MARK_MS != self.slow_mark_ms / SLOW_MARK_MS {
            self.subscribers.send("!markPrice@arr", || all, out);
            self.slow_mark_ms = now_ms;
        }
    }

    /// What a liquidation has filled by now.
    fn force_order(
        &self,
        liquidation: &SimLiquidation,
        exchange: &Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        let fills = exchange.fills(liquidation.account, &liquidation.symbol);
        let last = fills.iter().rev().find(|fill| fill.order_id == liquidation.order_id);
        let last = last.map_or(Decimal::ZERO, |fill: &&SimFill| fill.qty);
        let order = Obj::new()
            .text("s", &liquidation.symbol)
            .text("S", super::super::replies::side(liquidation.side))
            .text("o", "LIMIT")
            .text("f", "IOC")
            .num("q", liquidation.qty)
            .num("p", liquidation.price)
            .num("ap", liquidation.price)
            .text("X", "FILLED")
            .num("l", last)
            .num("z", liquidation.qty)
            .raw("T", liquidation.time_ms)
            .end();
        let event = || {
            Obj::new()
                .text("e", "forceOrder")
                .raw("E", now_ms)
                .raw("o", &order)
                .text("ps", &liquidation.symbol)
                .raw("st", 1)
                .end()
        };
        let stream = format!("{}@forceOrder", liquidation.symbol.to_lowercase());
        self.subscribers.send(&stream, event, out);
        self.subscribers.send("!forceOrder@arr", event, out);
    }
}

/// A depth update, of changes or of the best levels.
fn update(due: &Due, previous: u64, sides: (String, String), now_ms: u64) -> String {
    Obj::new()
        .text("e", "depthUpdate")
        .raw("E", now_ms)
        .raw("T", due.batch.time_ms)
        .text("s", &due.symbol)
        .text("ps", &due.symbol)
        .raw("st", 1)
        .raw("U", due.first_id)
        .raw("u", due.last_id)
        .raw("pu", previous)
        .raw("b", sides.0)
        .raw("a", sides.1)
        .end()
}

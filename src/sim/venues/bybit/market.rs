//! Public data: trades, order books and tickers of every symbol, and who subscribes to what.

use super::category::{Category, wire_symbol};
use super::depth::{DEPTHS, DepthStream, Mark};
use super::json::{Object, array};
use super::records::exec_id;
use super::rows::side;
use super::ticker::{self, Ticker, best};
use crate::sim::venues::day::Day;
use crate::sim::{ConnId, Exchange, SimLevel, SimLiquidation, WireOut, WsOut};
use crate::types::Side;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Trades kept for `market/recent-trade`, of spot and of linear.
const TRADES_MAX: [usize; 2] = [60, 1_000];
/// Trades of one message.
const TRADES_PER_MESSAGE: usize = 1_024;
/// Time between two tickers, of spot and of linear.
const TICKER_EVERY_MS: [u64; 2] = [50, 100];
/// Starts high, as counters of years do.
const FIRST_SEQ: u64 = 2_000_000_000;

/// A public print.
#[derive(Clone, Debug)]
pub(super) struct Print {
    exec_id: u64,
    time_ms: u64,
    price: Decimal,
    qty: Decimal,
    taker: Side,
    seq: u64,
}

/// Public data of one symbol.
#[derive(Debug)]
struct Listing {
    symbol: String,
    category: Category,
    index: usize,
    mark: Mark,
    /// Prints were seen whose book change has not come yet.
    in_match: bool,
    streams: Vec<DepthStream>,
    trades: VecDeque<Print>,
    /// Prints not sent yet.
    unsent: Vec<Print>,
    day: Option<Day>,
    ticker: Ticker,
    ticker_dirty: bool,
    ticker_ms: u64,
    liquidations: Vec<SimLiquidation>,
}

impl Listing {
    fn new(symbol: &str, index: usize) -> Self {
        Self {
            symbol: symbol.to_owned(),
            category: Category::of(symbol),
            index,
            mark: Mark { seq: FIRST_SEQ, cts: 0 },
            in_match: false,
            streams: DEPTHS.iter().map(|&(depth, every)| DepthStream::new(depth, every)).collect(),
            trades: VecDeque::new(),
            unsent: Vec::new(),
            day: None,
            ticker: Ticker::default(),
            ticker_dirty: false,
            ticker_ms: 0,
            liquidations: Vec::new(),
        }
    }

    /// The next cross sequence: increasing, not contiguous.
    fn step(&mut self, time_ms: u64) {
        self.mark = Mark { seq: self.mark.seq + 1 + self.mark.seq % 3, cts: time_ms };
    }

    fn on_trade(&mut self, trade_id: u64, taker: Side, level: SimLevel, time_ms: u64) {
        if !self.in_match {
            self.step(time_ms);
            self.in_match = true;
        }
        let (price, qty) = level;
        let exec_id = exec_id(self.index, trade_id);
        let print = Print { exec_id, time_ms, price, qty, taker, seq: self.mark.seq };
        self.unsent.push(print.clone());
        self.trades.push_back(print);
        if self.trades.len() > TRADES_MAX[usize::from(self.is_linear())] {
            self.trades.pop_front();
        }
        self.day.get_or_insert(Day::new(price)).trade(price, qty);
        self.ticker_dirty = true;
    }

    fn on_book(&mut self, time_ms: u64) {
        if !self.in_match {
            self.step(time_ms);
        }
        self.in_match = false;
        self.ticker_dirty |= self.is_linear();
        self.streams.iter_mut().for_each(DepthStream::touch);
    }

    fn ticker_data(&self) -> Option<Object> {
        let day = self.day?;
        Some(
            Object::new()
                .text("symbol", &self.symbol)
                .decimal("lastPrice", day.last)
                .decimal("highPrice24h", day.high)
                .decimal("lowPrice24h", day.low)
                .decimal("prevPrice24h", day.first)
                .decimal("volume24h", day.volume)
                .decimal("turnover24h", day.turnover)
                .decimal("price24hPcnt", day.change())
                .decimal("usdIndexPrice", day.last),
        )
    }

    fn is_linear(&self) -> bool {
        self.category == Category::Linear
    }

    /// The ticker, whole where a subscription begins.
    fn ticker(&mut self, exchange: &Exchange, whole: bool, now_ms: u64) -> Option<String> {
        if self.is_linear() {
            let day = self.day.unwrap_or_default();
            let members = ticker::linear(&self.symbol, &day, exchange, now_ms);
            let marks = (self.mark.seq, now_ms);
            return self.ticker.message(&self.symbol, members, whole, marks);
        }
        let message = Object::new()
            .text("topic", &format!("tickers.{}", self.symbol))
            .number("ts", now_ms)
            .text("type", "snapshot")
            .number("cs", self.mark.seq);
        Some(message.raw("data", &self.ticker_data()?.done()).done())
    }

    fn trades(&self, prints: &[Print], now_ms: u64) -> String {
        let symbol = wire_symbol(&self.symbol);
        let row = |print: &Print| {
            let id = self.category.exec_id(print.exec_id);
            let (price, qty) = (print.price, print.qty);
            if self.is_linear() {
                return Object::new()
                    .number("T", print.time_ms)
                    .text("s", symbol)
                    .text("S", side(print.taker))
                    .decimal("v", qty)
                    .decimal("p", price)
                    .text("L", "ZeroPlusTick")
                    .text("i", &id)
                    .flag("BT", false)
                    .flag("RPI", false)
                    .number("seq", print.seq)
                    .done();
            }
            Object::new()
                .text("i", &id)
                .number("T", print.time_ms)
                .decimal("p", print.price)
                .decimal("v", print.qty)
                .text("S", side(print.taker))
                .number("seq", print.seq)
                .text("s", symbol)
                .flag("BT", false)
                .flag("RPI", false)
                .done()
        };
        let head = Object::new().text("topic", &format!("publicTrade.{symbol}"));
        let head = if self.is_linear() {
            head.text("type", "snapshot").number("ts", now_ms)
        } else {
            head.number("ts", now_ms).text("type", "snapshot")
        };
        head.raw("data", &array(prints.iter().map(row))).done()
    }
}

/// A topic that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topic {
    /// Index of the listing and of the depth.
    Book(usize, usize),
    Trades,
    Ticker(usize),
    /// Pushed when they happen, and taken and never pushed: liquidations, candles, price limits.
    Silent,
}

/// Why a topic is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TopicError {
    NoSuchTopic,
    NoSuchSymbol,
}

/// Public data of the venue.
#[derive(Debug, Default)]
pub(super) struct Market {
    listings: Vec<Listing>,
    subscribers: BTreeMap<String, BTreeSet<ConnId>>,
}

impl Market {
    /// Learns the symbols of the exchange.
    pub(super) fn learn(&mut self, exchange: &Exchange) {
        for (index, rules) in exchange.symbols().iter().enumerate().skip(self.listings.len()) {
            self.listings.push(Listing::new(&rules.symbol, index));
        }
    }

    fn listing(&self, symbol: &str) -> Option<&Listing> {
        self.listings.iter().find(|listing| listing.symbol == symbol)
    }

    fn listing_mut(&mut self, symbol: &str) -> Option<&mut Listing> {
        self.listings.iter_mut().find(|listing| listing.symbol == symbol)
    }

    /// Cross sequence of a symbol now.
    pub(super) fn seq(&self, symbol: &str) -> u64 {
        self.listing(symbol).map_or(FIRST_SEQ, |listing| listing.mark.seq)
    }

    pub(super) fn index(&self, symbol: &str) -> usize {
        self.listing(symbol).map_or(0, |listing| listing.index)
    }

    pub(super) fn on_trade(
        &mut self,
        symbol: &str,
        trade_id: u64,
        taker: Side,
        level: SimLevel,
        time_ms: u64,
    ) {
        if let Some(listing) = self.listing_mut(symbol) {
            listing.on_trade(trade_id, taker, level, time_ms);
        }
    }

    pub(super) fn on_book(&mut self, symbol: &str, time_ms: u64) {
        if let Some(listing) = self.listing_mut(symbol) {
            listing.on_book(time_ms);
        }
    }

    /// A position is being liquidated.
    pub(super) fn on_liquidation(&mut self, liquidation: &SimLiquidation) {
        if let Some(listing) = self.listing_mut(&liquidation.symbol) {
            listing.liquidations.push(liquidation.clone());
        }
    }

    /// A mark was made.
    pub(super) fn on_mark(&mut self, symbol: &str) {
        if let Some(listing) = self.listing_mut(symbol) {
            listing.ticker_dirty = true;
        }
    }

    fn topic(&self, text: &str) -> Result<Topic, TopicError> {
        // The symbol of a linear contract has a suffix with a point.
        let is_linear = Category::of(text) == Category::Linear;
        let bare = wire_symbol(text);
        let mut parts = bare.splitn(3, '.');
        let (kind, second, third) = (parts.next(), parts.next(), parts.next());
        let category = Category::of(text);
        let find = |symbol: &str| {
            let symbol = category.symbol(symbol);
            let position = self.listings.iter().position(|listing| listing.symbol == symbol);
            position.ok_or(TopicError::NoSuchSymbol)
        };
        match (kind, second, third) {
            (Some("orderbook"), Some(depth), Some(symbol)) => {
                let depth = DEPTHS.iter().position(|(known, _)| known.to_string() == depth);
                let depth = depth.ok_or(TopicError::NoSuchTopic)?;
                Ok(Topic::Book(find(symbol)?, depth))
            }
            (Some("publicTrade"), Some(symbol), None) => find(symbol).map(|_| Topic::Trades),
            (Some("tickers"), Some(symbol), None) => find(symbol).map(Topic::Ticker),
            (Some("kline"), Some(_), Some(symbol)) => find(symbol).map(|_| Topic::Silent),
            (Some("allLiquidation" | "priceLimit"), Some(_), _) if is_linear => {
                let symbol = bare.split_once('.').map_or("", |(_, symbol)| symbol);
                find(symbol).map(|_| Topic::Silent)
            }
            _ => Err(TopicError::NoSuchTopic),
        }
    }

    /// Whether a topic can be subscribed to.
    pub(super) fn check(&self, topic: &str) -> Result<(), TopicError> {
        self.topic(topic).map(drop)
    }

    pub(super) fn is_subscribed(&self, conn: ConnId, topic: &str) -> bool {
        self.subscribers.get(topic).is_some_and(|conns| conns.contains(&conn))
    }

    /// Subscribes to a checked topic and sends what it begins with.
    pub(super) fn subscribe(
        &mut self,
        conn: ConnId,
        topic: &str,
        exchange: &Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        let conns = self.subscribers.entry(topic.to_owned()).or_default();
        let first = conns.is_empty();
        conns.insert(conn);
        let message = match self.topic(topic) {
            Ok(Topic::Book(listing, depth)) => {
                let Listing { streams, symbol, mark, .. } = &mut self.listings[listing];
                if first {
                    streams[depth].wake(symbol, exchange, *mark, now_ms);
                }
                Some(streams[depth].snapshot(symbol, now_ms))
            }
            Ok(Topic::Ticker(listing)) => self.listings[listing].ticker(exchange, true, now_ms),
            _ => None,
        };
        if let Some(message) = message {
            out.push((conn, WsOut::Text(message)));
        }
    }

    pub(super) fn unsubscribe(&mut self, conn: ConnId, topic: &str) {
        if let Some(conns) = self.subscribers.get_mut(topic) {
            conns.remove(&conn);
            if conns.is_empty() {
                self.subscribers.remove(topic);
            }
        }
    }

    pub(super) fn forget(&mut self, conn: ConnId) {
        self.subscribers.retain(|_, conns| {
            conns.remove(&conn);
            !conns.is_empty()
        });
    }

    /// Sends everything that is due.
    pub(super) fn push(&mut self, exchange: &Exchange, now_ms: u64, out: &mut WireOut) {
        let Self { listings, subscribers } = self;
        let mut send = |topic: &str, message: &mut dyn FnMut() -> Option<String>| {
            let Some(conns) = subscribers.get(topic) else { return };
            let Some(message) = message() else { return };
            out.extend(conns.iter().map(|&conn| (conn, WsOut::Text(message.clone()))));
        };
        for listing in listings {
            listing.in_match = false;
            let prints = std::mem::take(&mut listing.unsent);
            for part in prints.chunks(TRADES_PER_MESSAGE) {
                let topic = format!("publicTrade.{}", listing.symbol);
                send(&topic, &mut || Some(listing.trades(part, now_ms)));
            }
            let every_ms = TICKER_EVERY_MS[usize::from(listing.is_linear())];
            if listing.ticker_dirty && now_ms.abs_diff(listing.ticker_ms) >= every_ms {
                (listing.ticker_dirty, listing.ticker_ms) = (false, now_ms);
                let topic = format!("tickers.{}", listing.symbol);
                send(&topic, &mut || listing.ticker(exchange, false, now_ms));
            }
            for liquidation in std::mem::take(&mut listing.liquidations) {
                let topic = format!("allLiquidation.{}", listing.symbol);
                send(&topic, &mut || Some(ticker::liquidation(&liquidation, now_ms)));
            }
            let Listing { streams, symbol, mark, .. } = listing;
            for stream in streams {
                let topic = format!("orderbook.{}.{symbol}", stream.depth);
                send(&topic, &mut || stream.push(symbol, exchange, *mark, now_ms));
            }
        }
    }

    /// `market/orderbook`: its `u` is that of the deepest stream.
    pub(super) fn book(
        &mut self,
        symbol: &str,
        limit: usize,
        exchange: &Exchange,
        now_ms: u64,
    ) -> Option<String> {
        let position = self.listings.iter().position(|listing| listing.symbol == symbol)?;
        let Listing { streams, symbol, mark, .. } = &mut self.listings[position];
        let stream = streams.last_mut()?;
        if !self.subscribers.contains_key(&format!("orderbook.{}.{symbol}", stream.depth)) {
            stream.wake(symbol, exchange, *mark, now_ms);
        }
        Some(stream.result(symbol, limit, now_ms))
    }

    /// `market/recent-trade`, newest first.
    pub(super) fn recent_trades(&self, symbol: &str, limit: usize) -> Option<String> {
        let listing = self.listing(symbol)?;
        let row = |print: &Print| {
            Object::new()
                .text("execId", &listing.category.exec_id(print.exec_id))
                .text("symbol", wire_symbol(symbol))
                .decimal("price", print.price)
                .decimal("size", print.qty)
                .text("side", side(print.taker))
                .digits("time", print.time_ms)
                .flag("isBlockTrade", false)
                .flag("isRPITrade", false)
                .digits("seq", print.seq)
                .done()
        };
        let rows = array(listing.trades.iter().rev().take(limit).map(row));
        Some(Object::new().text("category", listing.category.word()).raw("list", &rows).done())
    }

    /// One row of `market/tickers`.
    pub(super) fn ticker_row(
        &self,
        symbol: &str,
        exchange: &Exchange,
        now_ms: u64,
    ) -> Option<String> {
        let listing = self.listing(symbol)?;
        let (_, bids, asks) = exchange.depth(symbol, 1)?;
        let ((bid, bid_qty), (ask, ask_qty)) = (best(&bids), best(&asks));
        let day = listing.day.unwrap_or_default();
        if listing.is_linear() {
            let members = ticker::linear(symbol, &day, exchange, now_ms);
            return Some(ticker::linear_row(symbol, &members));
        }
        let row = Object::new()
            .text("symbol", symbol)
            .text("bid1Price", &bid)
            .text("bid1Size", &bid_qty)
            .text("ask1Price", &ask)
            .text("ask1Size", &ask_qty)
            .decimal("lastPrice", day.last)
            .decimal("prevPrice24h", day.first)
            .decimal("price24hPcnt", day.change())
            .decimal("highPrice24h", day.high)
            .decimal("lowPrice24h", day.low)
            .decimal("turnover24h", day.turnover)
            .decimal("volume24h", day.volume)
            .decimal("usdIndexPrice", day.last);
        Some(row.done())
    }
}

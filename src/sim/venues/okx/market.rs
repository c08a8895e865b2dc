//! Public data of every instrument, and who subscribes to what.

#![forbid(unsafe_code)]

use super::depth::{BOOKS, DepthStream, Mark, sides};
use super::instruments::{self, Instrument, Instruments, Kind};
use super::tickers::{self, Prices, Print};
use crate::sim::venues::day::Day;
use crate::sim::venues::json::{Object, array};
use crate::sim::{ConnId, Exchange, ExchangeEvent, SymbolRules, WireOut, WsOut};
use crate::types::Side;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Trades kept for `market/trades`.
const TRADES_MAX: usize = 500;
/// Starts high, as counters of years do.
const FIRST_SEQ: u64 = 3_000_000_000;
/// Where numbers begin again after maintenance.
const RESET_SEQ: u64 = 10;
const TICKER_EVERY_MS: u64 = 100;
const MARK_EVERY_MS: u64 = 200;
/// A mark price that has not changed is pushed again after this long.
const MARK_AGAIN_MS: u64 = 10_000;
const FUNDING_EVERY_MS: u64 = 30_000;

/// Something that is pushed at most once in a while.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    dirty: bool,
    pushed_ms: u64,
}

impl Pace {
    /// Whether to push now: it has changed and waited for `every_ms`, or waited for `again_ms`.
    fn take(&mut self, every_ms: u64, again_ms: u64, now_ms: u64) -> bool {
        let waited = now_ms.checked_sub(self.pushed_ms).unwrap_or(u64::MAX);
        let due = (self.dirty && waited >= every_ms) || waited >= again_ms;
        if due {
            *self = Self { dirty: false, pushed_ms: now_ms };
        }
        due
    }
}

/// Public data of one instrument.
#[derive(Debug)]
struct Listing {
    instrument: Instrument,
    mark: Mark,
    /// Prints were seen whose book change has not come yet.
    in_match: bool,
    streams: Vec<DepthStream>,
    trades: VecDeque<Print>,
    /// Prints not sent yet.
    unsent: Vec<Print>,
    day: Option<Day>,
    last_qty: Decimal,
    ticker: Pace,
    mark_price: Pace,
    index: Pace,
    limit: Pace,
    funding: Pace,
    prices: Prices,
    /// As they were last told.
    rules: Option<SymbolRules>,
}

impl Listing {
    fn new(instrument: &Instrument) -> Self {
        Self {
            instrument: instrument.clone(),
            mark: Mark { seq: FIRST_SEQ, time_ms: 0 },
            in_match: false,
            streams: BOOKS.iter().map(|&channel| DepthStream::new(channel)).collect(),
            trades: VecDeque::new(),
            unsent: Vec::new(),
            day: None,
            last_qty: Decimal::ZERO,
            ticker: Pace::default(),
            mark_price: Pace::default(),
            index: Pace::default(),
            limit: Pace::default(),
            funding: Pace::default(),
            prices: Prices::default(),
            rules: None,
        }
    }

    /// The next number: increasing, not contiguous.
    fn step(&mut self, time_ms: u64) {
        self.mark = Mark { seq: self.mark.seq + 1 + self.mark.seq % 4, time_ms };
    }

    fn on_trade(&mut self, trade_id: u64, taker: Side, (price, qty): (Decimal, Decimal), at: u64) {
        if !self.in_match {
            self.step(at);
            self.in_match = true;
        }
        let seq = self.mark.seq;
        let print = Print { trade_id, time_ms: at, price, qty, taker, seq, count: 1 };
        self.unsent.push(print.clone());
        self.trades.push_back(print);
        if self.trades.len() > TRADES_MAX {
            self.trades.pop_front();
        }
        self.day.get_or_insert(Day::new(price)).trade(price, qty);
        self.last_qty = qty;
        self.ticker.dirty = true;
    }

    fn on_book(&mut self, time_ms: u64) {
        if !self.in_match {
            self.step(time_ms);
        }
        self.in_match = false;
        self.ticker.dirty = true;
        self.streams.iter_mut().for_each(DepthStream::touch);
    }

    /// Looks at the exchange's prices.
    fn look(&mut self, exchange: &Exchange, now_ms: u64) {
        let Some(prices) = tickers::prices(&self.instrument, exchange, now_ms) else { return };
        let old = std::mem::replace(&mut self.prices, prices);
        if old.mark != prices.mark {
            (self.mark_price.dirty, self.limit.dirty) = (true, true);
        }
        self.index.dirty |= old.index != prices.index;
        self.funding.dirty |= old.next_funding_ms != prices.next_funding_ms;
    }

    fn ticker_row(&self, exchange: &Exchange, now_ms: u64) -> Option<String> {
        let (_, bids, asks) = exchange.depth(&self.instrument.id, 1)?;
        let best = [bids.first().copied(), asks.first().copied()];
        let (day, qty) = (self.day.unwrap_or_default(), self.last_qty);
        Some(tickers::ticker(&self.instrument, &day, qty, best, now_ms))
    }

    fn limit_row(
        &self,
        exchange: &Exchange,
        band: Decimal,
        with_type: bool,
        now_ms: u64,
    ) -> Option<String> {
        let rules = exchange.rules(&self.instrument.id)?;
        let reference = tickers::prices(&self.instrument, exchange, now_ms)?.mark;
        let limits = tickers::price_limits(rules, reference, band);
        Some(tickers::price_limit(&self.instrument, limits, with_type, now_ms))
    }

    fn funding_row(&self, exchange: &Exchange, now_ms: u64) -> Option<String> {
        let id = &self.instrument.id;
        let limit = exchange.rules(id)?.perpetual.as_ref()?.funding_rate_max;
        let prices = tickers::prices(&self.instrument, exchange, now_ms)?;
        let settled = exchange.funding_rates(id).last().map_or(Decimal::ZERO, |paid| paid.rate);
        Some(tickers::funding_rate(&self.instrument, &prices, settled, limit, now_ms))
    }
}

/// What can be subscribed to without a login. Numbers are places in the list of instruments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    /// Instrument and place in [`BOOKS`].
    Book(usize, usize),
    Trades(usize),
    EveryTrade(usize),
    Ticker(usize),
    Mark(usize),
    Index(usize),
    Funding(usize),
    Limit(usize),
    Instruments(Kind),
    Status,
    /// Taken and never pushed: candles, open interest, liquidations.
    Silent,
}

/// Public data of the venue.
#[derive(Debug)]
pub(super) struct Market {
    listings: Vec<Listing>,
    subscribers: BTreeMap<Topic, BTreeSet<ConnId>>,
    band: Decimal,
}

impl Market {
    /// `band`: how far an order's price may be from the mark to its disadvantage.
    pub(super) fn new(band: Decimal) -> Self {
        Self { listings: Vec::new(), subscribers: BTreeMap::new(), band }
    }

    pub(super) fn learn(&mut self, instruments: &Instruments) {
        for instrument in instruments.all().iter().skip(self.listings.len()) {
            self.listings.push(Listing::new(instrument));
        }
    }

    /// Takes note of what happened.
    pub(super) fn on_event(&mut self, event: &ExchangeEvent) {
        match event {
            ExchangeEvent::Book { symbol, time_ms, .. } => {
                if let Some(listing) = self.listing_mut(symbol) {
                    listing.on_book(*time_ms);
                }
            }
            ExchangeEvent::Trade { symbol, trade_id, taker, price, qty, time_ms } => {
                if let Some(listing) = self.listing_mut(symbol) {
                    listing.on_trade(*trade_id, *taker, (*price, *qty), *time_ms);
                }
            }
            _ => {}
        }
    }

    fn listing_mut(&mut self, id: &str) -> Option<&mut Listing> {
        self.listings.iter_mut().find(|listing| listing.instrument.id == id)
    }

    /// Numbers of books begin again, as after maintenance.
    pub(super) fn reset(&mut self) {
        for listing in &mut self.listings {
            listing.mark.seq = RESET_SEQ;
        }
    }

    /// Subscribes and sends what the topic begins with.
    pub(super) fn subscribe(
        &mut self,
        conn: ConnId,
        topic: Topic,
        exchange: &Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        let conns = self.subscribers.entry(topic).or_default();
        let first = conns.is_empty();
        conns.insert(conn);
        let band = self.band;
        let message = match topic {
            Topic::Book(place, channel) => self.listings.get_mut(place).map(|listing| {
                let (stream, mark) = (&mut listing.streams[channel], listing.mark);
                if first {
                    stream.wake(&listing.instrument.id, exchange, mark, now_ms);
                }
                stream.snapshot(&listing.instrument)
            }),
            Topic::Ticker(place)
            | Topic::Mark(place)
            | Topic::Index(place)
            | Topic::Limit(place)
            | Topic::Funding(place) => self.listings.get_mut(place).and_then(|listing| {
                listing.look(exchange, now_ms);
                listing.message(topic, exchange, band, now_ms)
            }),
            _ => None,
        };
        out.extend(message.map(|message| (conn, WsOut::Text(message))));
    }

    pub(super) fn unsubscribe(&mut self, conn: ConnId, topic: Topic) {
        if let Some(conns) = self.subscribers.get_mut(&topic) {
            conns.remove(&conn);
            if conns.is_empty() {
                self.subscribers.remove(&topic);
            }
        }
    }

    pub(super) fn forget(&mut self, conn: ConnId) {
        self.subscribers.retain(|_, conns| {
            conns.remove(&conn);
            !conns.is_empty()
        });
    }

    /// Sends everything that is due, of one instrument in the venue's order.
    pub(super) fn push(&mut self, exchange: &Exchange, now_ms: u64, out: &mut WireOut) {
        let Self { listings, subscribers, band } = self;
        let mut send = |topic: Topic, make: &mut dyn FnMut() -> Vec<String>| {
            let Some(conns) = subscribers.get(&topic) else { return };
            for message in make() {
                out.extend(conns.iter().map(|&conn| (conn, WsOut::Text(message.clone()))));
            }
        };
        for (place, listing) in listings.iter_mut().enumerate() {
            listing.in_match = false;
            listing.look(exchange, now_ms);
            let prints = std::mem::take(&mut listing.unsent);
            let instrument = &listing.instrument;
            send(Topic::Trades(place), &mut || merged(instrument, &prints));
            send(Topic::EveryTrade(place), &mut || single(instrument, &prints));
            let Listing { streams, instrument, mark, .. } = &mut *listing;
            for (channel, stream) in streams.iter_mut().enumerate() {
                send(Topic::Book(place, channel), &mut || {
                    stream.push(instrument, exchange, *mark, now_ms).into_iter().collect()
                });
            }
            if let Some(row) = listing.changed_rules(exchange, *band) {
                let kind = listing.instrument.kind;
                let arg = Object::new().text("channel", "instruments");
                let arg = arg.text("instType", kind.name()).done();
                send(Topic::Instruments(kind), &mut || vec![data(&arg, &row)]);
            }
            for topic in listing.due(place, now_ms) {
                send(topic, &mut || {
                    listing.message(topic, exchange, *band, now_ms).into_iter().collect()
                });
            }
        }
    }

    /// Sends a row to all who listen to `status`.
    pub(super) fn tell_status(&self, row: &str, out: &mut WireOut) {
        let Some(conns) = self.subscribers.get(&Topic::Status) else { return };
        let message = data("{\"channel\":\"status\"}", row);
        out.extend(conns.iter().map(|&conn| (conn, WsOut::Text(message.clone()))));
    }

    /// `market/books`, of the book as it is.
    pub(super) fn book(&self, place: usize, limit: usize, exchange: &Exchange) -> Option<String> {
        let Listing { instrument, mark, .. } = self.listings.get(place)?;
        let (_, bids, asks) = exchange.depth(&instrument.id, limit)?;
        let row = sides(instrument, &bids, &asks, mark.time_ms).number("seqId", mark.seq);
        Some(row.done())
    }

    /// Rows of `market/trades`, newest first.
    pub(super) fn trades(&self, place: usize, limit: usize) -> Vec<String> {
        let Some(listing) = self.listings.get(place) else { return Vec::new() };
        let newest = listing.trades.iter().rev().take(limit);
        newest.map(|print| tickers::trade(&listing.instrument, print, false)).collect()
    }

    /// The row that REST gives for a topic.
    pub(super) fn row(&self, topic: Topic, exchange: &Exchange, now_ms: u64) -> Option<String> {
        match topic {
            Topic::Ticker(place) => self.listings.get(place)?.ticker_row(exchange, now_ms),
            Topic::Limit(place) => {
                self.listings.get(place)?.limit_row(exchange, self.band, true, now_ms)
            }
            Topic::Mark(place) => {
                let instrument = &self.listings.get(place)?.instrument;
                let mark = tickers::prices(instrument, exchange, now_ms)?.mark;
                Some(tickers::mark_price(instrument, mark, now_ms))
            }
            Topic::Index(place) => {
                let listing = self.listings.get(place)?;
                let index = tickers::prices(&listing.instrument, exchange, now_ms)?.index;
                let day = listing.day.unwrap_or_default();
                Some(tickers::index_ticker(&listing.instrument.index, index, &day, now_ms))
            }
            Topic::Funding(place) => self.listings.get(place)?.funding_row(exchange, now_ms),
            _ => None,
        }
    }
}

impl Listing {
    /// The instrument's row, if its rules are others than before.
    fn changed_rules(&mut self, exchange: &Exchange, band: Decimal) -> Option<String> {
        let rules = exchange.rules(&self.instrument.id)?;
        if self.rules.as_ref() == Some(rules) {
            return None;
        }
        let first = self.rules.replace(rules.clone()).is_none();
        (!first).then(|| instruments::row(&self.instrument, rules, band))
    }

    /// Topics other than books and trades whose time has come.
    fn due(&mut self, place: usize, now_ms: u64) -> Vec<Topic> {
        let mut due = Vec::new();
        let never = u64::MAX;
        let paces = [
            (&mut self.ticker, TICKER_EVERY_MS, never, Topic::Ticker(place)),
            (&mut self.index, TICKER_EVERY_MS, never, Topic::Index(place)),
            (&mut self.mark_price, MARK_EVERY_MS, MARK_AGAIN_MS, Topic::Mark(place)),
            (&mut self.limit, MARK_EVERY_MS, never, Topic::Limit(place)),
            (&mut self.funding, 0, FUNDING_EVERY_MS, Topic::Funding(place)),
        ];
        for (pace, every_ms, again_ms, topic) in paces {
            if pace.take(every_ms, again_ms, now_ms) {
                due.push(topic);
            }
        }
        due
    }

    /// The message of a topic other than books and trades.
    fn message(
        &self,
        topic: Topic,
        exchange: &Exchange,
        band: Decimal,
        now_ms: u64,
    ) -> Option<String> {
        let instrument = &self.instrument;
        let (channel, row) = match topic {
            Topic::Ticker(_) => ("tickers", self.ticker_row(exchange, now_ms)?),
            Topic::Mark(_) if self.prices.mark.is_zero() => return None,
            Topic::Mark(_) => {
                ("mark-price", tickers::mark_price(instrument, self.prices.mark, now_ms))
            }
            Topic::Index(_) if self.prices.index.is_zero() => return None,
            Topic::Index(_) => {
                let (index, day) = (&instrument.index, self.day.unwrap_or_default());
                let row = tickers::index_ticker(index, self.prices.index, &day, now_ms);
                let arg = Object::new().text("channel", "index-tickers").text("instId", index);
                return Some(data(&arg.done(), &row));
            }
            Topic::Limit(_) => ("price-limit", self.limit_row(exchange, band, false, now_ms)?),
            Topic::Funding(_) => ("funding-rate", self.funding_row(exchange, now_ms)?),
            _ => return None,
        };
        Some(data(&arg(channel, instrument), &row))
    }
}

fn arg(channel: &str, instrument: &Instrument) -> String {
    Object::new().text("channel", channel).text("instId", &instrument.id).done()
}

/// A message of one row.
pub(super) fn data(arg: &str, row: &str) -> String {
    Object::new().raw("arg", arg).raw("data", &array([row])).done()
}

/// Messages of `trades`: the matches of one taker at one price are one.
fn merged(instrument: &Instrument, prints: &[Print]) -> Vec<String> {
    let mut rows: Vec<Print> = Vec::new();
    for print in prints {
        match rows.last_mut() {
            Some(last) if last.takes(print) => {
                last.qty += print.qty;
                last.count += 1;
                last.trade_id = print.trade_id;
            }
            _ => rows.push(print.clone()),
        }
    }
    let arg = arg("trades", instrument);
    rows.iter().map(|row| data(&arg, &tickers::trade(instrument, row, true))).collect()
}

/// Messages of `trades-all`.
fn single(instrument: &Instrument, prints: &[Print]) -> Vec<String> {
    let arg = arg("trades-all", instrument);
    prints.iter().map(|print| data(&arg, &tickers::trade(instrument, print, false))).collect()
}

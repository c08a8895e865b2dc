//! Scanners of the frames that arrive all day: books, tops, trades.
//!
//! In front of `market_data.rs`, for the order of keys that the venue sends today (2026); that of
//! 2025 and anything else is not theirs.

#![forbid(unsafe_code)]

use super::market_data::{Owner, push_trade, take_book, top_of};
use super::memory::{Bounds, Memory};
use crate::types::{Event, Events, Instrument, Level, Nanos, Price, Scale, Side, Trade};
use crate::venues::scan::{Cursor, Name, Names};
use crate::venues::subscriptions::Scanned;

/// Scans public frames.
pub(super) struct Scanner {
    names: Names,
    /// By index of the instrument, for comparison; none if it is not for scanners.
    each: Vec<Option<Name>>,
}

impl Scanner {
    pub(super) fn new<'a>(symbols: impl Iterator<Item = &'a str> + Clone) -> Self {
        Self {
            names: Names::new(symbols.clone().enumerate().map(|(at, symbol)| (symbol, at))),
            each: symbols.map(Name::new).collect(),
        }
    }

    /// Decodes a data frame of an instrument that `find` gives by its index, with the time at which
    /// it was asked for; `None`, with `events` as before, if it is not exactly of a shape that is
    /// known here.
    #[inline]
    pub(super) fn scan<'a>(
        &self,
        frame: &[u8],
        find: impl Fn(usize) -> Option<(&'a Instrument, Nanos)>,
        memory: &Memory,
        events: &mut Events,
    ) -> Option<(usize, Scanned)> {
        let mut cursor = Cursor::new(frame);
        cursor.eat(b"{\"channel\":\"")?;
        let kind = if cursor.eat_if(b"bbo\",\"data\":{\"coin\":\"") {
            Kind::Top
        } else if cursor.eat_if(b"l2Book\",\"data\":{\"coin\":\"") {
            Kind::Book
        } else {
            cursor.eat(b"trades\",\"data\":[{\"coin\":\"")?;
            Kind::Trades
        };
        let (at, len) = self.names.find(cursor.rest(), b'"')?;
        let (instrument, asked) = find(at)?;
        let name = self.each.get(at)?.as_ref()?;
        cursor.skip(len + 1)?;
        let mark = events.mark();
        let owner = Owner { at, asked, instrument };
        let scanned = match kind {
            Kind::Top => top(cursor, owner, memory, events),
            Kind::Book => book(cursor, owner, memory, events),
            Kind::Trades => trades(cursor, owner, name, events),
        };
        if scanned.is_none() {
            events.rewind(mark);
        }
        Some((at, scanned?))
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Top,
    Book,
    Trades,
}

/// `,"time":1785251522090,"bbo":[{..},null]}}`
#[inline]
fn top(
    mut cursor: Cursor<'_>,
    owner: Owner<'_>,
    memory: &Memory,
    events: &mut Events,
) -> Option<Scanned> {
    cursor.eat(b",\"time\":")?;
    let time_ms = cursor.whole()?;
    cursor.eat(b",\"bbo\":[")?;
    let bid = best(&mut cursor, owner.instrument.scale)?;
    cursor.eat(b",")?;
    let ask = best(&mut cursor, owner.instrument.scale)?;
    cursor.eat(b"]}}")?;
    cursor.end()?;
    events.push(Event::Top(top_of(owner.instrument, time_ms, bid, ask))).ok()?;
    memory.on_top(owner.at, owner.asked, time_ms, bid, ask);
    Some(Scanned::Top)
}

#[inline(always)]
fn best(cursor: &mut Cursor<'_>, scale: Scale) -> Option<Level> {
    if cursor.eat_if(b"null") { Some(Level::default()) } else { level(cursor, scale) }
}

/// `{"px":"63457.0","sz":"0.00028","n":1}`
#[inline(always)]
fn level(cursor: &mut Cursor<'_>, scale: Scale) -> Option<Level> {
    cursor.eat(b"{\"px\":\"")?;
    let price = cursor.price(scale)?;
    cursor.eat(b",\"sz\":\"")?;
    let qty = cursor.qty::<false>(scale)?;
    cursor.eat(b",\"n\":")?;
    cursor.whole()?;
    cursor.eat(b"}")?;
    (price > Price(0)).then_some(Level { price, qty })
}

/// `,"time":1785251521889,"levels":[[{..}],[{..}]],"fast":true}}`
#[inline]
fn book(
    mut cursor: Cursor<'_>,
    owner: Owner<'_>,
    memory: &Memory,
    events: &mut Events,
) -> Option<Scanned> {
    cursor.eat(b",\"time\":")?;
    let time_ms = cursor.whole()?;
    cursor.eat(b",\"levels\":[")?;
    let start = events.levels_len();
    let bounds = memory.bounds(owner.at, owner.asked, time_ms);
    let Bounds { bid, ask } = bounds.unwrap_or(Bounds { bid: Price(i64::MAX), ask: Price(0) });
    let scale = owner.instrument.scale;
    let bids = levels(&mut cursor, scale, |price| price <= bid, events)?;
    cursor.eat(b",")?;
    let asks = levels(&mut cursor, scale, |price| price >= ask, events)?;
    cursor.eat(b"]")?;
    if cursor.eat_if(b",\"fast\":") && !cursor.eat_if(b"true") {
        cursor.eat(b"false")?;
    }
    cursor.eat(b"}}")?;
    cursor.end()?;
    if bounds.is_none() {
        events.truncate_levels(start);
        return Some(Scanned::Repeated);
    }
    take_book(owner, time_ms, start, (bids, asks), memory, events).ok()
}

#[inline(always)]
fn levels(
    cursor: &mut Cursor<'_>,
    scale: Scale,
    counts: impl Fn(Price) -> bool,
    events: &mut Events,
) -> Option<u32> {
    cursor.eat(b"[")?;
    if cursor.eat_if(b"]") {
        return Some(0);
    }
    let mut count = 0;
    loop {
        let level = level(cursor, scale)?;
        if counts(level.price) {
            events.push_level(level).ok()?;
            count += 1;
        }
        match cursor.byte()? {
            b',' => {}
            b']' => return Some(count),
            _ => return None,
        }
    }
}

/// Rows behind the name of the first.
#[inline]
fn trades(
    mut cursor: Cursor<'_>,
    owner: Owner<'_>,
    name: &Name,
    events: &mut Events,
) -> Option<Scanned> {
    loop {
        let trade = trade(&mut cursor, owner.instrument)?;
        push_trade(trade, owner.asked, events).ok()?;
        if !cursor.eat_if(b",{\"coin\":\"") {
            break;
        }
        cursor.eat_name(name)?;
        cursor.eat(b"\"")?;
    }
    cursor.eat(b"]}")?;
    cursor.end()?;
    Some(Scanned::Trades)
}

/// `,"side":"A","px":"80639.0","sz":"0.00022","time":..,"hash":"0x..","tid":..,"users":[..]}`
#[inline(always)]
fn trade(cursor: &mut Cursor<'_>, of: &Instrument) -> Option<Trade> {
    cursor.eat(b",\"side\":\"")?;
    let taker = match cursor.byte()? {
        b'B' => Side::Buy,
        b'A' => Side::Sell,
        _ => return None,
    };
    cursor.eat(b"\",\"px\":\"")?;
    let price = cursor.price(of.scale)?;
    cursor.eat(b",\"sz\":\"")?;
    let qty = cursor.qty::<false>(of.scale)?;
    cursor.eat(b",\"time\":")?;
    let time_ms = cursor.whole()?;
    cursor.eat(b",\"hash\":\"")?;
    cursor.text()?;
    cursor.eat(b",\"tid\":")?;
    let trade_id = cursor.whole()?;
    cursor.eat(b",\"users\":[\"")?;
    cursor.text()?;
    cursor.eat(b",\"")?;
    cursor.text()?;
    cursor.eat(b"]}")?;
    if price <= Price(0) || qty.0 <= 0 {
        return None;
    }
    let event_ns = Nanos::from_millis(time_ms);
    Some(Trade { instrument: of.id, taker, price, qty, trade_id, event_ns })
}

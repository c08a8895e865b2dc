//! Scanners of the frames that arrive all day: depth, top of book, trades, tickers of perpetuals, orders
//! and executions.
//!
//! In front of `market_data.rs`, `tickers.rs` and `private_stream.rs`, for the orders of keys that the venue sends
//! (spot and linear, 2024 to 2026). Anything else is not theirs.

#![forbid(unsafe_code)]

use super::fields::{ExecutionFields, OrderFields};
use super::tickers::TickerFields;
use crate::types::{
    DepthKind, DepthUpdate, Event, Events, Instrument, Level, Nanos, Side, TopOfBook, Trade,
};
use crate::venues::scan::{Cursor, Name, Names, Rows, Width};
use crate::venues::subscriptions::Scanned;

/// Scans public frames.
pub(super) struct Scanner {
    width: Width,
    /// Levels of the depth topic, and the point behind them: `50.`
    depth: Box<[u8]>,
    names: Names,
    /// By index of the instrument, for comparison; none if it is not for scanners.
    each: Vec<Option<Name>>,
}

impl Scanner {
    /// `depth` are the levels of the depth topic, as it is written.
    pub(super) fn new<'a>(
        symbols: impl Iterator<Item = &'a str> + Clone,
        depth: &str,
        width: Width,
    ) -> Self {
        Self {
            width,
            depth: format!("{depth}.").into_bytes().into(),
            names: Names::new(symbols.clone().enumerate().map(|(at, symbol)| (symbol, at))),
            each: symbols.map(Name::new).collect(),
        }
    }

    /// Decodes a data frame of an instrument that `find` gives by its index; `None`, with `events`
    /// as before, if it is not exactly of a shape that is known here.
    #[inline]
    pub(super) fn scan<'a>(
        &self,
        frame: &[u8],
        find: impl Fn(usize) -> Option<&'a Instrument>,
        events: &mut Events,
    ) -> Option<(usize, Scanned)> {
        let mut cursor = Cursor::new(frame);
        cursor.eat(b"{\"topic\":\"")?;
        let kind = if cursor.eat_if(b"orderbook.") {
            if cursor.eat_if(b"1.") {
                Kind::Top
            } else {
                cursor = Cursor::new(cursor.rest().strip_prefix(&*self.depth)?);
                Kind::Depth
            }
        } else if cursor.eat_if(b"publicTrade.") {
            Kind::Trades
        } else {
            cursor.eat(b"tickers.")?;
            Kind::Ticker
        };
        let (at, len) = self.names.find(cursor.rest(), b'"')?;
        let (instrument, name) = (find(at)?, self.each.get(at)?.as_ref()?);
        cursor.skip(len + 1)?;
        let mark = events.mark();
        let mut body = Body { width: self.width, instrument, name, cursor };
        let scanned = match kind {
            Kind::Depth => body.depth(events).map(Scanned::Depth),
            Kind::Top => body.top(events).map(|()| Scanned::Top),
            Kind::Trades => body.trades(events).map(|()| Scanned::Trades),
            Kind::Ticker => body.ticker(events).map(|()| Scanned::Perpetual),
        };
        if scanned.is_none() {
            events.rewind(mark);
        }
        Some((at, scanned?))
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Depth,
    Top,
    Trades,
    Ticker,
}

/// Type and time of the push, which come in either order.
struct Head {
    snapshot: bool,
    push_ms: u64,
}

/// What follows the lists of an order book.
struct Tail {
    update: u64,
    sequence: u64,
    event_ns: Nanos,
}

/// The inside of a frame.
struct Body<'a> {
    width: Width,
    instrument: &'a Instrument,
    name: &'a Name,
    cursor: Cursor<'a>,
}

impl Body<'_> {
    /// `,"ts":1789299658933,"type":"delta","data":`, on deep linear books with the type first.
    #[inline(always)]
    fn head(&mut self) -> Option<Head> {
        let cursor = &mut self.cursor;
        let mut push_ms = None;
        if cursor.eat_if(b",\"ts\":") {
            push_ms = Some(cursor.whole()?);
        }
        cursor.eat(b",\"type\":\"")?;
        let snapshot = !cursor.eat_if(b"delta\"");
        if snapshot {
            cursor.eat(b"snapshot\"")?;
        }
        let push_ms = match push_ms {
            Some(push_ms) => push_ms,
            None => {
                cursor.eat(b",\"ts\":")?;
                cursor.whole()?
            }
        };
        cursor.eat(b",\"data\":")?;
        Some(Head { snapshot, push_ms })
    }

    /// `{"s":"BTCUSDT","b":`
    #[inline(always)]
    fn open(&mut self) -> Option<()> {
        self.cursor.eat(b"{\"s\":\"")?;
        self.cursor.eat_name(self.name)?;
        self.cursor.eat(b"\",\"b\":")
    }

    /// `,"u":3734359,"seq":2189232166},"cts":1789299658878}`
    #[inline(always)]
    fn tail(&mut self, push_ms: u64) -> Option<Tail> {
        let cursor = &mut self.cursor;
        cursor.eat(b",\"u\":")?;
        let update = cursor.whole()?;
        cursor.eat(b",\"seq\":")?;
        let sequence = cursor.whole()?;
        cursor.eat(b"}")?;
        let match_ms = if cursor.eat_if(b",\"cts\":") { cursor.whole()? } else { push_ms };
        cursor.eat(b"}")?;
        cursor.end()?;
        Some(Tail { update, sequence, event_ns: Nanos::from_millis(match_ms) })
    }

    #[inline]
    fn depth(&mut self, events: &mut Events) -> Option<DepthUpdate> {
        let head = self.head()?;
        self.open()?;
        let scale = self.instrument.scale;
        let levels_start = events.levels_len();
        let bids = self.cursor.levels::<false>(self.width, scale, events)?;
        self.cursor.eat(b",\"a\":")?;
        let asks = self.cursor.levels::<false>(self.width, scale, events)?;
        let tail = self.tail(head.push_ms)?;
        let replaces = head.snapshot || tail.update == 1;
        let update = DepthUpdate {
            instrument: self.instrument.id,
            kind: if replaces { DepthKind::Snapshot } else { DepthKind::Delta },
            first_id: tail.update,
            last_id: tail.update,
            sequence: tail.sequence,
            levels_start,
            bids,
            asks,
            event_ns: tail.event_ns,
        };
        events.push(Event::Depth(update)).ok()?;
        Some(update)
    }

    /// One level a side, or none.
    #[inline]
    fn top(&mut self, events: &mut Events) -> Option<()> {
        let head = self.head()?;
        if !head.snapshot {
            return None;
        }
        self.open()?;
        let bid = self.best()?;
        self.cursor.eat(b",\"a\":")?;
        let ask = self.best()?;
        let Tail { sequence, event_ns, .. } = self.tail(head.push_ms)?;
        let instrument = self.instrument.id;
        events.push(Event::Top(TopOfBook { instrument, sequence, bid, ask, event_ns })).ok()
    }

    #[inline(always)]
    fn best(&mut self) -> Option<Level> {
        let (scale, cursor) = (self.instrument.scale, &mut self.cursor);
        if cursor.eat_if(b"[]") {
            return Some(Level::default());
        }
        cursor.eat(b"[[\"")?;
        let price = cursor.price(scale)?;
        cursor.eat(b",\"")?;
        let qty = cursor.qty::<false>(scale)?;
        cursor.eat(b"]]")?;
        (price.0 > 0).then_some(Level { price, qty })
    }

    /// `,"type":"delta","data":{"symbol":"BTCUSDT",..},"cs":818232112541,"ts":1790757082283}`
    #[inline]
    fn ticker(&mut self, events: &mut Events) -> Option<()> {
        let cursor = &mut self.cursor;
        cursor.eat(b",\"type\":\"")?;
        if !cursor.eat_if(b"delta\"") {
            cursor.eat(b"snapshot\"")?;
        }
        cursor.eat(b",\"data\":")?;
        let mut fields = TickerFields::default();
        cursor.members(|key, value| {
            fields.set(key, value);
            Some(())
        })?;
        cursor.eat(b",\"cs\":")?;
        cursor.whole()?;
        cursor.eat(b",\"ts\":")?;
        let push_ms = cursor.whole()?;
        cursor.eat(b"}")?;
        cursor.end()?;
        if !self.instrument.is_perpetual() {
            return None;
        }
        fields.tell(self.instrument, push_ms, events).ok()
    }

    #[inline]
    fn trades(&mut self, events: &mut Events) -> Option<()> {
        self.head()?;
        self.cursor.eat(b"[")?;
        if !self.cursor.eat_if(b"]") {
            loop {
                let trade = self.trade()?;
                events.push(Event::Trade(trade)).ok()?;
                match self.cursor.byte()? {
                    b',' => {}
                    b']' => break,
                    _ => return None,
                }
            }
        }
        self.cursor.eat(b"}")?;
        self.cursor.end()
    }

    /// A row of known keys in any order, none of them twice.
    #[inline(always)]
    fn trade(&mut self) -> Option<Trade> {
        let scale = self.instrument.scale;
        let (mut side, mut price, mut qty, mut id) = (None, None, None, None);
        let (mut time, mut sequence, mut named, mut seen) = (None, None, false, 0u16);
        let cursor = &mut self.cursor;
        let mut key = |bit: u16| {
            let new = seen & bit == 0;
            seen |= bit;
            new.then_some(())
        };
        cursor.eat(b"{")?;
        loop {
            if cursor.eat_if(b"\"T\":") {
                key(1)?;
                time = Some(cursor.whole()?);
            } else if cursor.eat_if(b"\"s\":\"") {
                key(2)?;
                cursor.eat_name(self.name)?;
                cursor.eat(b"\"")?;
                named = true;
            } else if cursor.eat_if(b"\"S\":\"") {
                key(4)?;
                side = Some(trade_side(cursor)?);
            } else if cursor.eat_if(b"\"v\":\"") {
                key(8)?;
                qty = Some(cursor.qty::<false>(scale)?);
            } else if cursor.eat_if(b"\"p\":\"") {
                key(16)?;
                price = Some(cursor.price(scale)?);
            } else if cursor.eat_if(b"\"i\":\"") {
                key(32)?;
                id = Some(cursor.text()?);
            } else if cursor.eat_if(b"\"seq\":") {
                key(64)?;
                sequence = Some(cursor.whole()?);
            } else if cursor.eat_if(b"\"L\":\"") {
                cursor.text()?;
            } else {
                // `BT` and `RPI`
                if !cursor.eat_if(b"\"BT\":") {
                    cursor.eat(b"\"RPI\":")?;
                }
                if !cursor.eat_if(b"false") {
                    cursor.eat(b"true")?;
                }
            }
            match cursor.byte()? {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
        let (price, qty) = (price?, qty?);
        if !named || price.0 <= 0 || qty.0 <= 0 {
            return None;
        }
        Some(Trade {
            instrument: self.instrument.id,
            taker: side?,
            price,
            qty,
            trade_id: id?.parse().ok().or(sequence)?,
            event_ns: Nanos::from_millis(time?),
        })
    }
}

#[inline(always)]
fn trade_side(cursor: &mut Cursor<'_>) -> Option<Side> {
    if cursor.eat_if(b"Buy\"") {
        return Some(Side::Buy);
    }
    cursor.eat(b"Sell\"").map(|()| Side::Sell)
}

/// A private frame of order rows or executions, checked to its end.
pub(super) struct Private<'a> {
    pub(super) topic: &'a str,
    pub(super) rows: PrivateRows<'a>,
}

/// Its rows.
pub(super) enum PrivateRows<'a> {
    Order(Rows<'a, OrderFields<'a>>),
    Execution(Rows<'a, ExecutionFields<'a>>),
}

/// `{"topic":"order","id":"1_BTCUSDT_1","creationTime":1737725795599,"data":[{..}]}`
pub(super) fn private(frame: &[u8]) -> Option<Private<'_>> {
    let mut cursor = Cursor::new(frame);
    cursor.eat(b"{\"topic\":\"")?;
    let topic = cursor.text()?;
    if cursor.eat_if(b",\"id\":\"") {
        cursor.text()?;
    }
    cursor.eat(b",\"creationTime\":")?;
    cursor.whole()?;
    cursor.eat(b",\"data\":[")?;
    let rows = match topic.split_once('.').map_or(topic, |(kind, _)| kind) {
        "order" => PrivateRows::Order(Rows::new(&mut cursor, order)?),
        "execution" => PrivateRows::Execution(Rows::new(&mut cursor, execution)?),
        _ => return None,
    };
    cursor.eat(b"}")?;
    cursor.end()?;
    Some(Private { topic, rows })
}

fn order<'a>(cursor: &mut Cursor<'a>) -> Option<OrderFields<'a>> {
    let mut fields = OrderFields::default();
    cursor.members(|key, value| {
        fields.set(key, value);
        Some(())
    })?;
    Some(fields)
}

fn execution<'a>(cursor: &mut Cursor<'a>) -> Option<ExecutionFields<'a>> {
    let mut fields = ExecutionFields::default();
    cursor.members(|key, value| {
        // Taxes come as a list: that is for the complete decoder. Mostly there are none.
        if key == "extraFees" && value.str().is_none() {
            return None;
        }
        fields.set(key, value);
        Some(())
    })?;
    Some(fields)
}

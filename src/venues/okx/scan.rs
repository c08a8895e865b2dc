//! Scanners of the frames that arrive all day: depth, top of book, trades, orders.
//!
//! In front of `market_data.rs` and `private_stream.rs`, for the orders of keys that the venue sends
//! (2026). Anything else is not theirs.

#![forbid(unsafe_code)]

use super::contracts;
use super::fields::OrderFields;
use super::sequence::Ids;
use crate::types::{
    DepthKind, DepthUpdate, Event, Events, Instrument, Level, Nanos, Qty, Side, TopOfBook, Trade,
};
use crate::venues::scan::{Cursor, Name, Names, Rows};
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

    /// Decodes a data frame of an instrument that `find` gives by its index; `None`, with `events`
    /// and `ids` as before, if it is not exactly of a shape that is known here.
    ///
    /// `{"arg":{"channel":"books","instId":"BTC-USDT"},`
    #[inline]
    pub(super) fn scan<'a, 'b>(
        &self,
        frame: &[u8],
        ids: impl FnOnce(usize) -> Option<&'b mut Ids>,
        find: impl Fn(usize) -> Option<&'a Instrument>,
        events: &mut Events,
    ) -> Option<(usize, Scanned)> {
        let mut cursor = Cursor::new(frame);
        cursor.eat(b"{\"arg\":{\"channel\":\"")?;
        let kind = if cursor.eat_if(b"bbo-tbt\"") {
            Kind::Top
        } else if cursor.eat_if(b"books\"") {
            Kind::Depth
        } else {
            cursor.eat(b"trades\"")?;
            Kind::Trades
        };
        cursor.eat(b",\"instId\":\"")?;
        let (at, len) = self.names.find(cursor.rest(), b'"')?;
        let (instrument, name) = (find(at)?, self.each.get(at)?.as_ref()?);
        let ids = ids(at)?;
        cursor.skip(len + 1)?;
        cursor.eat(b"},")?;
        let mark = events.mark();
        let mut body = Body { instrument, name, cursor };
        let scanned = match kind {
            Kind::Depth => body.depth(ids, events).map(Scanned::Depth),
            Kind::Top => body.top(ids, events).map(|()| Scanned::Top),
            Kind::Trades => body.trades(events).map(|()| Scanned::Trades),
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
}

/// What follows the lists of a book.
struct Tail {
    id: u64,
    /// The id before it; a snapshot has none.
    before: Option<u64>,
    event_ns: Nanos,
}

/// The inside of a frame.
struct Body<'a> {
    instrument: &'a Instrument,
    name: &'a Name,
    cursor: Cursor<'a>,
}

impl Body<'_> {
    /// `"action":"update","data":[{"asks":[..],"bids":[..],"ts":"1784016942108","checksum":0,
    /// "seqId":110,"prevSeqId":100}]}`
    #[inline]
    fn depth(&mut self, ids: &mut Ids, events: &mut Events) -> Option<DepthUpdate> {
        self.cursor.eat(b"\"action\":\"")?;
        let snapshot = !self.cursor.eat_if(b"update\"");
        if snapshot {
            self.cursor.eat(b"snapshot\"")?;
        }
        self.cursor.eat(b",\"data\":[{\"asks\":[")?;
        let levels_start = events.levels_len();
        let asks = self.levels(events)?;
        self.cursor.eat(b",\"bids\":[")?;
        let bids = self.levels(events)?;
        events.bids_first(levels_start, asks);
        let tail = self.tail()?;
        let mut next = *ids;
        let ((first_id, last_id), kind) = match (snapshot, tail.before) {
            (true, None) => (next.snapshot(tail.id), DepthKind::Snapshot),
            (false, Some(before)) => {
                (next.update(before, tail.id, bids + asks == 0), DepthKind::Delta)
            }
            _ => return None,
        };
        let update = DepthUpdate {
            instrument: self.instrument.id,
            kind,
            first_id,
            last_id,
            sequence: next.of(tail.id),
            levels_start,
            bids,
            asks,
            event_ns: tail.event_ns,
        };
        events.push(Event::Depth(update)).ok()?;
        *ids = next;
        Some(update)
    }

    /// Behind a list: members in any order, none of them twice, to the frame's end.
    #[inline(always)]
    fn tail(&mut self) -> Option<Tail> {
        let cursor = &mut self.cursor;
        let (mut id, mut before, mut time) = (None, None, None);
        let mut seen = 0u8;
        let mut key = |bit: u8| {
            let new = seen & bit == 0;
            seen |= bit;
            new.then_some(())
        };
        loop {
            match cursor.byte()? {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
            if cursor.eat_if(b"\"ts\":\"") {
                key(1)?;
                time = Some(cursor.whole()?);
                cursor.eat(b"\"")?;
            } else if cursor.eat_if(b"\"seqId\":") {
                key(2)?;
                id = Some(cursor.whole()?);
            } else if cursor.eat_if(b"\"prevSeqId\":") {
                key(4)?;
                before = if cursor.eat_if(b"-1") { None } else { Some(cursor.whole()?) };
            } else {
                key(8)?;
                cursor.eat(b"\"checksum\":0")?;
            }
        }
        cursor.eat(b"]}")?;
        cursor.end()?;
        Some(Tail { id: id?, before, event_ns: Nanos::from_millis(time?) })
    }

    /// `["62571.2","0.60583592","0","6"]`, behind its opening bracket.
    #[inline(always)]
    fn level(&mut self) -> Option<Level> {
        let cursor = &mut self.cursor;
        cursor.eat(b"\"")?;
        let price = cursor.price(self.instrument.scale)?;
        cursor.eat(b",\"")?;
        let qty = self.qty()?;
        // What stands behind is not read, but it has to be two texts.
        self.cursor.eat(b",\"")?;
        self.cursor.text()?;
        self.cursor.eat(b",\"")?;
        self.cursor.text()?;
        self.cursor.eat(b"]")?;
        (price.0 > 0).then_some(Level { price, qty })
    }

    /// A quantity up to and with its closing quote, in base units.
    #[inline(always)]
    fn qty(&mut self) -> Option<Qty> {
        let counted = self.cursor.qty::<false>(contracts::scale(self.instrument))?;
        contracts::base_units(counted, self.instrument).ok()
    }

    /// A list of levels, behind its opening bracket.
    #[inline(always)]
    fn levels(&mut self, events: &mut Events) -> Option<u32> {
        if self.cursor.eat_if(b"]") {
            return Some(0);
        }
        let mut count = 0;
        loop {
            self.cursor.eat(b"[")?;
            events.push_level(self.level()?).ok()?;
            count += 1;
            match self.cursor.byte()? {
                b',' => {}
                b']' => return Some(count),
                _ => return None,
            }
        }
    }

    /// `"data":[{"asks":[[..]],"bids":[[..]],"ts":"1670324386802","seqId":363996337}]}`
    #[inline]
    fn top(&mut self, ids: &Ids, events: &mut Events) -> Option<()> {
        self.cursor.eat(b"\"data\":[{\"asks\":[")?;
        let ask = self.best()?;
        self.cursor.eat(b",\"bids\":[")?;
        let bid = self.best()?;
        let Tail { id, event_ns, .. } = self.tail()?;
        let (instrument, sequence) = (self.instrument.id, ids.of(id));
        events.push(Event::Top(TopOfBook { instrument, sequence, bid, ask, event_ns })).ok()
    }

    #[inline(always)]
    fn best(&mut self) -> Option<Level> {
        if self.cursor.eat_if(b"]") {
            return Some(Level::default());
        }
        self.cursor.eat(b"[")?;
        let level = self.level()?;
        self.cursor.eat(b"]")?;
        Some(level)
    }

    #[inline]
    fn trades(&mut self, events: &mut Events) -> Option<()> {
        self.cursor.eat(b"\"data\":[")?;
        loop {
            let trade = self.trade()?;
            events.push(Event::Trade(trade)).ok()?;
            match self.cursor.byte()? {
                b',' => {}
                b']' => break,
                _ => return None,
            }
        }
        self.cursor.eat(b"}")?;
        self.cursor.end()
    }

    /// `{"instId":"BTC-USDT","tradeId":"1032787952","px":"62571.2","sz":"0.07990896","side":"buy",
    /// "ts":"1784016942060","count":"1","source":"0","seqId":78755034232}`
    #[inline(always)]
    fn trade(&mut self) -> Option<Trade> {
        self.cursor.eat(b"{\"instId\":\"")?;
        self.cursor.eat_name(self.name)?;
        self.cursor.eat(b"\",\"tradeId\":\"")?;
        let trade_id = self.cursor.whole()?;
        self.cursor.eat(b"\",\"px\":\"")?;
        let price = self.cursor.price(self.instrument.scale)?;
        self.cursor.eat(b",\"sz\":\"")?;
        let qty = self.qty()?;
        let cursor = &mut self.cursor;
        cursor.eat(b",\"side\":\"")?;
        let taker = if cursor.eat_if(b"buy\"") {
            Side::Buy
        } else {
            cursor.eat(b"sell\"")?;
            Side::Sell
        };
        cursor.eat(b",\"ts\":\"")?;
        let time = cursor.whole()?;
        cursor.eat(b"\",\"count\":\"")?;
        cursor.text()?;
        if cursor.eat_if(b",\"source\":\"") {
            cursor.text()?;
        }
        if cursor.eat_if(b",\"seqId\":") {
            cursor.whole()?;
        }
        cursor.eat(b"}")?;
        (price.0 > 0 && qty.0 > 0).then_some(Trade {
            instrument: self.instrument.id,
            taker,
            price,
            qty,
            trade_id,
            event_ns: Nanos::from_millis(time),
        })
    }
}

/// Rows of the orders channel, checked to the frame's end.
pub(super) type Orders<'a> = Rows<'a, OrderFields<'a>>;

/// `{"arg":{"channel":"orders","instType":"SPOT","instId":"BTC-USDT","uid":"..."},"data":[{..}]}`
pub(super) fn orders(frame: &[u8]) -> Option<Orders<'_>> {
    let mut cursor = Cursor::new(frame);
    cursor.eat(b"{\"arg\":{\"channel\":\"orders\",\"")?;
    // The rest of the argument: texts alone.
    loop {
        let key = cursor.text()?;
        if key == "channel" {
            return None;
        }
        cursor.eat(b":\"")?;
        cursor.text()?;
        match cursor.byte()? {
            b',' => cursor.eat(b"\"")?,
            b'}' => break,
            _ => return None,
        }
    }
    cursor.eat(b",\"data\":[")?;
    let rows = Rows::new(&mut cursor, |cursor| {
        let mut fields = OrderFields::default();
        cursor.members(|key, value| {
            fields.set(key, value);
            Some(())
        })?;
        Some(fields)
    })?;
    cursor.eat(b"}")?;
    cursor.end()?;
    Some(rows)
}

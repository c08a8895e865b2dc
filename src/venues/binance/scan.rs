//! Scanners of the frames that arrive all day: top of book, depth and trades, and executions.
//!
//! In front of `market_data.rs` and `private_stream.rs`, for the orders of keys that the venue sends
//! (spot and USD-M 2024 to 2026, combined stream or bare). Anything else is not theirs.

#![forbid(unsafe_code)]

use super::market_data;
use super::private_stream::Fields;
use super::streams::{Product, Stream, Symbol};
use crate::types::{
    DepthKind, Event, Events, InstrumentId, Level, Nanos, Price, Qty, Scale, Side, TopOfBook, Trade,
};
use crate::venues::scan::{Cursor, Name, Names, SideKeys, Width};

/// Scans public frames of one product.
pub(super) struct Scanner {
    product: Product,
    width: Width,
    /// Names in streams.
    lower: Names,
    /// Names in frames.
    upper: Names,
    /// By index of the symbol, for comparison; none if it is not for scanners.
    names: Vec<Option<Name>>,
}

impl Scanner {
    pub(super) fn new(symbols: &[Symbol], product: Product, width: Width) -> Self {
        let each = || symbols.iter().enumerate();
        Self {
            product,
            width,
            lower: Names::new(each().map(|(at, symbol)| (symbol.lower.as_str(), at))),
            upper: Names::new(each().map(|(at, symbol)| (symbol.name.as_str(), at))),
            names: symbols.iter().map(|symbol| Name::new(&symbol.name)).collect(),
        }
    }

    /// Decodes a frame of a symbol that is `wanted`; `None`, with `events` as before, if it is not
    /// exactly of a shape that is known here.
    #[inline]
    pub(super) fn scan(
        &self,
        frame: &[u8],
        symbols: &[Symbol],
        wanted: impl Fn(usize) -> bool,
        events: &mut Events,
    ) -> Option<(usize, Stream)> {
        let mut cursor = Cursor::new(frame);
        let combined = cursor.eat_if(b"{\"stream\":\"");
        let symbol = if combined { Some(self.stream(&mut cursor)?) } else { None };
        if symbol.is_some_and(|(symbol, _)| !wanted(symbol)) {
            return None;
        }
        let mut body = Body { scanner: self, symbols, symbol, combined, cursor };
        let levels = events.levels_len();
        let found = match (symbol, self.product) {
            (Some((_, Stream::Top)), Product::Spot) => body.spot_top(events),
            (Some((_, Stream::Top)), Product::UsdM) => body.usdm_top(events),
            (Some((_, Stream::Depth)), _) => body.depth(events),
            (Some((_, Stream::Trade)), _) => body.trade(events),
            (Some((_, Stream::Mark)), _) => None,
            (None, _) => body.bare(&wanted, events),
        };
        if found.is_none() {
            events.truncate_levels(levels);
        }
        found
    }

    /// `btcusdt@bookTicker","data":`
    #[inline(always)]
    fn stream(&self, cursor: &mut Cursor<'_>) -> Option<(usize, Stream)> {
        let (symbol, len) = self.lower.find(cursor.rest(), b'@')?;
        cursor.skip(len)?;
        let stream = if cursor.eat_if(b"@bookTicker\"") {
            Stream::Top
        } else if cursor.eat_if(b"@depth@100ms\"")
            || (self.product == Product::UsdM && cursor.eat_if(b"@depth@0ms\""))
        {
            Stream::Depth
        } else {
            cursor.eat(b"@trade\"")?;
            Stream::Trade
        };
        cursor.eat(b",\"data\":")?;
        Some((symbol, stream))
    }
}

/// What stands between the numbers of a top of book.
const SIDE_KEYS: SideKeys = [*b"\",\"B\":\"", *b"\",\"a\":\"", *b"\",\"A\":\""];

/// The inside of a frame.
struct Body<'a> {
    scanner: &'a Scanner,
    symbols: &'a [Symbol],
    /// Whose, as the stream's name said.
    symbol: Option<(usize, Stream)>,
    combined: bool,
    cursor: Cursor<'a>,
}

impl<'a> Body<'a> {
    /// A frame that does not begin with its stream: the shape is that of its kind.
    #[inline(never)]
    fn bare(
        &mut self,
        wanted: &impl Fn(usize) -> bool,
        events: &mut Events,
    ) -> Option<(usize, Stream)> {
        let start = self.cursor;
        // The symbol comes behind other members; the shapes are read only once it is wanted.
        let rest = start.rest();
        let at = rest.windows(5).take(128).position(|window| window == b"\"s\":\"")?;
        let (symbol, _) = self.scanner.upper.find(rest.get(at + 5..)?, b'"')?;
        if !wanted(symbol) {
            return None;
        }
        let stream = |stream| Some((symbol, stream));
        let mut kind = start;
        kind.eat(b"{")?;
        if kind.eat_if(b"\"u\":") && self.scanner.product == Product::Spot {
            self.symbol = stream(Stream::Top);
            return self.spot_top(events);
        }
        let mut kind = start;
        kind.eat(b"{\"e\":\"")?;
        if kind.eat_if(b"depthUpdate\"") {
            self.symbol = stream(Stream::Depth);
            self.depth(events)
        } else if kind.eat_if(b"trade\"") {
            self.symbol = stream(Stream::Trade);
            self.trade(events)
        } else if kind.eat_if(b"bookTicker\"") && self.scanner.product == Product::UsdM {
            self.symbol = stream(Stream::Top);
            self.usdm_top(events)
        } else {
            None
        }
    }

    /// `,"s":"BTCUSDT"`, the symbol that is expected.
    #[inline(always)]
    fn name(&mut self) -> Option<&'a Symbol> {
        let (symbol, _) = self.symbol?;
        self.cursor.eat(b",\"s\":\"")?;
        self.cursor.eat_name(self.scanner.names.get(symbol)?.as_ref()?)?;
        self.cursor.eat(b"\"")?;
        self.symbols.get(symbol)
    }

    /// The end of the frame.
    #[inline(always)]
    fn end(&mut self) -> Option<(usize, Stream)> {
        self.cursor.eat(b"}")?;
        if self.combined {
            self.cursor.eat(b"}")?;
        }
        self.cursor.end()?;
        self.symbol
    }

    /// A whole number behind these bytes.
    #[inline(always)]
    fn whole<const N: usize>(&mut self, key: &[u8; N]) -> Option<u64> {
        self.cursor.eat(key)?;
        self.cursor.whole_by(self.scanner.width)
    }

    #[inline(always)]
    fn time<const N: usize>(&mut self, key: &[u8; N]) -> Option<Nanos> {
        self.whole(key).and_then(market_data::time)
    }

    /// Fields of futures that came later (2026), where they may stand: the pair and the type.
    #[inline(always)]
    fn later(&mut self) -> Option<()> {
        if self.scanner.product == Product::UsdM {
            if self.cursor.eat_if(b",\"ps\":\"") {
                self.cursor.text()?;
            }
            if self.cursor.eat_if(b",\"st\":") {
                self.cursor.eat(b"1")?;
                // Not the beginning of a longer number.
                if !matches!(self.cursor.rest().first(), Some(b',' | b'}')) {
                    return None;
                }
            }
        }
        Some(())
    }

    /// `,"b":"25.35","B":"31.21","a":"25.36","A":"40.66"`
    #[inline(always)]
    fn both_sides(&mut self, scale: Scale) -> Option<[Level; 2]> {
        self.cursor.eat(b",\"b\":\"")?;
        let width = self.scanner.width;
        let [bid, ask] = self.cursor.sides::<true>(width, &SIDE_KEYS, scale)?;
        let sound = |level: Level| level.price != Price(0) || level.qty == Qty::ZERO;
        (sound(bid) && sound(ask)).then_some([bid, ask])
    }

    #[inline]
    fn spot_top(&mut self, events: &mut Events) -> Option<(usize, Stream)> {
        let sequence = self.whole(b"{\"u\":")?;
        let symbol = self.name()?;
        let [bid, ask] = self.both_sides(symbol.scale)?;
        let found = self.end()?;
        push_top(symbol.instrument, sequence, [bid, ask], Nanos(0), events)?;
        Some(found)
    }

    /// Times before the symbol (2026), or at the end.
    #[inline]
    fn usdm_top(&mut self, events: &mut Events) -> Option<(usize, Stream)> {
        let sequence = self.whole(b"{\"e\":\"bookTicker\",\"u\":")?;
        let mut time = None;
        if self.cursor.eat_if(b",\"E\":") {
            self.cursor.whole_by(self.scanner.width)?;
            time = Some(self.time(b",\"T\":")?);
        }
        let symbol = self.name()?;
        self.later()?;
        let [bid, ask] = self.both_sides(symbol.scale)?;
        let event_ns = match time {
            Some(time) => time,
            None => {
                let time = self.time(b",\"T\":")?;
                self.whole(b",\"E\":")?;
                time
            }
        };
        self.last()?;
        let found = self.end()?;
        push_top(symbol.instrument, sequence, [bid, ask], event_ns, events)?;
        Some(found)
    }

    #[inline]
    fn depth(&mut self, events: &mut Events) -> Option<(usize, Stream)> {
        let pushed = self.whole(b"{\"e\":\"depthUpdate\",\"E\":")?;
        let usdm = self.scanner.product == Product::UsdM;
        let time = if usdm { self.time(b",\"T\":")? } else { market_data::time(pushed)? };
        let symbol = self.name()?;
        self.later()?;
        let mut first = self.whole(b",\"U\":")?;
        let last = self.whole(b",\"u\":")?;
        if usdm {
            first = self.whole(b",\"pu\":")?.saturating_add(1);
        }
        let head = market_data::head(symbol, DepthKind::Delta, (first, last), Some(time));
        let mut head = head.ok()?;
        let (width, scale) = (self.scanner.width, symbol.scale);
        head.levels_start = events.levels_len();
        self.cursor.eat(b",\"b\":")?;
        head.bids = self.cursor.levels::<true>(width, scale, events)?;
        self.cursor.eat(b",\"a\":")?;
        head.asks = self.cursor.levels::<true>(width, scale, events)?;
        self.last()?;
        let found = self.end()?;
        events.push(Event::Depth(head)).ok()?;
        Some(found)
    }

    #[inline]
    fn trade(&mut self, events: &mut Events) -> Option<(usize, Stream)> {
        self.whole(b"{\"e\":\"trade\",\"E\":")?;
        let usdm = self.scanner.product == Product::UsdM;
        let early = if usdm { Some(self.time(b",\"T\":")?) } else { None };
        let symbol = self.name()?;
        self.later()?;
        let trade_id = self.whole(b",\"t\":")?;
        self.cursor.eat(b",\"p\":\"")?;
        let price = self.cursor.price(symbol.scale)?;
        self.cursor.eat(b",\"q\":\"")?;
        let qty = self.cursor.qty::<true>(symbol.scale)?;
        let event_ns = match early {
            Some(time) => {
                self.cursor.eat(b",\"X\":\"MARKET\"")?;
                time
            }
            None => self.time(b",\"T\":")?,
        };
        self.cursor.eat(b",\"m\":")?;
        let maker_bought = self.flag()?;
        if !usdm && self.cursor.eat_if(b",\"M\":") {
            self.flag()?;
        }
        self.last()?;
        let found = self.end()?;
        if price == Price(0) {
            return None;
        }
        let taker = if maker_bought { Side::Sell } else { Side::Buy };
        let instrument = symbol.instrument;
        let trade = Trade { instrument, taker, price, qty, trade_id, event_ns };
        events.push(Event::Trade(trade)).ok()?;
        Some(found)
    }

    /// Later fields at the end of a frame, where they have not stood before.
    #[inline(always)]
    fn last(&mut self) -> Option<()> {
        if self.cursor.rest().first() == Some(&b',') { self.later() } else { Some(()) }
    }

    #[inline(always)]
    fn flag(&mut self) -> Option<bool> {
        if self.cursor.eat_if(b"true") {
            return Some(true);
        }
        self.cursor.eat(b"false").map(|()| false)
    }
}

#[inline(always)]
fn push_top(
    instrument: InstrumentId,
    sequence: u64,
    [bid, ask]: [Level; 2],
    event_ns: Nanos,
    events: &mut Events,
) -> Option<()> {
    events.push(Event::Top(TopOfBook { instrument, sequence, bid, ask, event_ns })).ok()
}

/// The fields of an `executionReport` in its envelope.
///
/// `{"subscriptionId":0,"event":{"e":"executionReport","E":1499405658658,"s":"ETHBTC",..}}`
pub(super) fn execution<'a>(frame: &'a [u8]) -> Option<Fields<'a>> {
    let mut cursor = Cursor::new(frame);
    cursor.eat(b"{\"subscriptionId\":")?;
    cursor.whole()?;
    cursor.eat(b",\"event\":")?;
    let mut first = true;
    let mut fields = Fields::default();
    cursor.members(|key, value| {
        if std::mem::take(&mut first) && (key != "e" || value.str() != Some("executionReport")) {
            return None;
        }
        fields.set(key, value).ok()
    })?;
    cursor.eat(b"}")?;
    cursor.end()?;
    // An event without members has no kind either.
    (!first).then_some(fields)
}

/// The fields of the order in an `ORDER_TRADE_UPDATE`.
///
/// `{"e":"ORDER_TRADE_UPDATE","T":1742585119595,"E":1742585119596,"o":{"s":"BTCUSDT","c":"..",..}}`
pub(super) fn order_update<'a>(frame: &'a [u8]) -> Option<Fields<'a>> {
    let mut cursor = Cursor::new(frame);
    cursor.eat(b"{\"e\":\"ORDER_TRADE_UPDATE\",\"T\":")?;
    cursor.whole()?;
    cursor.eat(b",\"E\":")?;
    cursor.whole()?;
    cursor.eat(b",\"o\":")?;
    let mut fields = Fields::default();
    cursor.members(|key, value| fields.set(key, value).ok())?;
    cursor.eat(b"}")?;
    cursor.end()?;
    Some(fields)
}

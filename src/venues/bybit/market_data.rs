//! Public frames to events: depth, top of book, trades; and the control frames of the socket. What
//! perpetuals have besides stands in `tickers.rs`.
//!
//! Plain functions over one parsed frame. The continuity rule of the venue is expressed in the
//! update ids (`first_id == last_id == u`), not checked here: the book does that.
//! <https://bybit-exchange.github.io/docs/v5/websocket/public/orderbook>

#![forbid(unsafe_code)]

use super::super::subscriptions::{Control, Scanned};
use super::super::{DecodeError, Value, decimal};
use super::tickers;
use crate::types::{
    DepthKind, DepthUpdate, Event, Events, Instrument, Level, Nanos, Scale, Side, TopOfBook, Trade,
};

/// A data topic with its symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic<'a> {
    /// `orderbook.50.BTCUSDT`, or the depth that was asked for.
    Depth(&'a str),
    /// `orderbook.1.BTCUSDT`
    Top(&'a str),
    /// `publicTrade.BTCUSDT`
    Trades(&'a str),
    /// `tickers.BTCUSDT`
    Ticker(&'a str),
}

impl<'a> Topic<'a> {
    pub(super) fn symbol(self) -> &'a str {
        let (Self::Depth(symbol) | Self::Top(symbol) | Self::Trades(symbol) | Self::Ticker(symbol)) =
            self;
        symbol
    }

    /// Decodes a frame of this topic.
    pub(super) fn read(
        self,
        root: Value<'_>,
        instrument: &Instrument,
        events: &mut Events,
    ) -> Result<Scanned, DecodeError> {
        match self {
            Self::Depth(_) => depth(root, instrument, events).map(Scanned::Depth),
            Self::Top(_) => top(root, instrument, events).map(|()| Scanned::Top),
            Self::Trades(_) => trades(root, instrument, events).map(|()| Scanned::Trades),
            Self::Ticker(_) => {
                tickers::decode(root, instrument, events).map(|()| Scanned::Perpetual)
            }
        }
    }
}

/// Reads a topic; other depths than the subscribed one are not known.
pub(super) fn topic<'a>(text: &'a str, depth: &str) -> Result<Topic<'a>, DecodeError> {
    let (kind, rest) = text.split_once('.').ok_or(DecodeError::UnknownKind)?;
    match (kind, rest.split_once('.')) {
        ("publicTrade", _) => Ok(Topic::Trades(rest)),
        ("tickers", _) => Ok(Topic::Ticker(rest)),
        ("orderbook", Some(("1", symbol))) => Ok(Topic::Top(symbol)),
        ("orderbook", Some((levels, symbol))) if levels == depth => Ok(Topic::Depth(symbol)),
        _ => Err(DecodeError::UnknownKind),
    }
}

/// The members of an `orderbook` frame.
///
/// ```json
/// {"topic":"orderbook.50.BTCUSDT","ts":1789299658933,"type":"delta","data":{"s":"BTCUSDT",
///  "b":[["77140.3","0"]],"a":[["77928","0.002492"]],"u":3734359,"seq":2189232166},
///  "cts":1789299658878}
/// ```
struct BookFrame<'a> {
    snapshot: bool,
    bids: Value<'a>,
    asks: Value<'a>,
    update: u64,
    sequence: u64,
    event_ns: Nanos,
}

fn book_frame<'a>(root: Value<'a>, symbol: &str) -> Result<BookFrame<'a>, DecodeError> {
    let (mut kind, mut data, mut match_ms, mut push_ms) = (None, None, None, None);
    for (key, value) in root.members() {
        match key {
            "type" => kind = value.str(),
            "data" => data = Some(value),
            "cts" => match_ms = value.u64(),
            "ts" => push_ms = value.u64(),
            _ => {}
        }
    }
    let snapshot = match kind {
        Some("snapshot") => true,
        Some("delta") => false,
        Some(_) => return Err(DecodeError::Invalid("type")),
        None => return Err(DecodeError::Missing("type")),
    };
    let (mut bids, mut asks, mut update, mut sequence, mut name) = (None, None, None, None, None);
    for (key, value) in data.ok_or(DecodeError::Missing("data"))?.members() {
        match key {
            "b" => bids = Some(value),
            "a" => asks = Some(value),
            "u" => update = value.u64(),
            "seq" => sequence = value.u64(),
            "s" => name = value.str(),
            _ => {}
        }
    }
    if name != Some(symbol) {
        return Err(DecodeError::Invalid("s"));
    }
    let event_ms = match_ms.or(push_ms).ok_or(DecodeError::Missing("cts"))?;
    Ok(BookFrame {
        snapshot,
        bids: array(bids, "b")?,
        asks: array(asks, "a")?,
        update: update.ok_or(DecodeError::Missing("u"))?,
        sequence: sequence.ok_or(DecodeError::Missing("seq"))?,
        event_ns: Nanos::from_millis(event_ms),
    })
}

fn array<'a>(value: Option<Value<'a>>, name: &'static str) -> Result<Value<'a>, DecodeError> {
    let value = value.ok_or(DecodeError::Missing(name))?;
    if value.is_array() { Ok(value) } else { Err(DecodeError::Invalid(name)) }
}

/// Depth: a snapshot replaces the book, and so does update 1 (the venue's service restarted).
pub(super) fn depth(
    root: Value<'_>,
    instrument: &Instrument,
    events: &mut Events,
) -> Result<DepthUpdate, DecodeError> {
    let frame = book_frame(root, &instrument.symbol)?;
    let start = events.levels_len();
    let result = (|| {
        let bids = levels(frame.bids, instrument.scale, events)?;
        let asks = levels(frame.asks, instrument.scale, events)?;
        let replaces = frame.snapshot || frame.update == 1;
        let update = DepthUpdate {
            instrument: instrument.id,
            kind: if replaces { DepthKind::Snapshot } else { DepthKind::Delta },
            first_id: frame.update,
            last_id: frame.update,
            sequence: frame.sequence,
            levels_start: start,
            bids,
            asks,
            event_ns: frame.event_ns,
        };
        events.push(Event::Depth(update))?;
        Ok(update)
    })();
    if result.is_err() {
        events.truncate_levels(start);
    }
    result
}

fn levels(rows: Value<'_>, scale: Scale, events: &mut Events) -> Result<u32, DecodeError> {
    let mut count = 0;
    for row in rows.items() {
        events.push_level(level(row, scale)?)?;
        count += 1;
    }
    Ok(count)
}

/// `["77140.3","0.131763"]`: a size of zero removes the price.
fn level(row: Value<'_>, scale: Scale) -> Result<Level, DecodeError> {
    let mut items = row.items();
    let mut text = |name| items.next().and_then(Value::str).ok_or(DecodeError::Missing(name));
    let price = decimal::price(text("price")?, scale)
        .map_err(|error| DecodeError::Number("price", error))?;
    let qty =
        decimal::qty(text("size")?, scale).map_err(|error| DecodeError::Number("size", error))?;
    if price.0 <= 0 {
        return Err(DecodeError::Invalid("price"));
    }
    if qty.0 < 0 {
        return Err(DecodeError::Invalid("size"));
    }
    Ok(Level { price, qty })
}

/// Top of book: snapshots only. The same `u` comes again every 3 s when nothing changes.
pub(super) fn top(
    root: Value<'_>,
    instrument: &Instrument,
    events: &mut Events,
) -> Result<(), DecodeError> {
    let frame = book_frame(root, &instrument.symbol)?;
    if !frame.snapshot {
        return Err(DecodeError::Invalid("type"));
    }
    let best = |rows: Value<'_>| {
        rows.items().next().map_or(Ok(Level::default()), |row| level(row, instrument.scale))
    };
    let top = TopOfBook {
        instrument: instrument.id,
        sequence: frame.sequence,
        bid: best(frame.bids)?,
        ask: best(frame.asks)?,
        event_ns: frame.event_ns,
    };
    Ok(events.push(Event::Top(top))?)
}

/// Trades, oldest first.
///
/// ```json
/// {"topic":"publicTrade.BTCUSDT","ts":1789299670925,"type":"snapshot","data":[
///  {"i":"2100000000188691533","T":1789299670888,"p":"77140.5","v":"0.000078","S":"Sell",
///   "seq":2189232212,"s":"BTCUSDT","BT":false,"RPI":false}]}
/// ```
pub(super) fn trades(
    root: Value<'_>,
    instrument: &Instrument,
    events: &mut Events,
) -> Result<(), DecodeError> {
    for row in array(Some(root.field("data")?), "data")?.items() {
        events.push(Event::Trade(trade(row, instrument)?))?;
    }
    Ok(())
}

fn trade(row: Value<'_>, instrument: &Instrument) -> Result<Trade, DecodeError> {
    if row.field_str("s")? != instrument.symbol {
        return Err(DecodeError::Invalid("s"));
    }
    let scale = instrument.scale;
    let price = decimal::price(row.field_str("p")?, scale)
        .map_err(|error| DecodeError::Number("p", error))?;
    let qty = decimal::qty(row.field_str("v")?, scale)
        .map_err(|error| DecodeError::Number("v", error))?;
    if price.0 <= 0 {
        return Err(DecodeError::Invalid("p"));
    }
    if qty.0 <= 0 {
        return Err(DecodeError::Invalid("v"));
    }
    // Numbers on spot, a UUID on other products: there the sequence orders the trades.
    let trade_id = match row.field_str("i")?.parse() {
        Ok(number) => number,
        Err(_) => row.field_u64("seq")?,
    };
    Ok(Trade {
        instrument: instrument.id,
        taker: side(row, "S")?,
        price,
        qty,
        trade_id,
        event_ns: Nanos::from_millis(row.field_u64("T")?),
    })
}

/// `Buy` or `Sell`.
pub(super) fn side(row: Value<'_>, name: &'static str) -> Result<Side, DecodeError> {
    match row.field_str(name)? {
        "Buy" => Ok(Side::Buy),
        "Sell" => Ok(Side::Sell),
        _ => Err(DecodeError::Invalid(name)),
    }
}

/// Reads `{"success":true,"ret_msg":"subscribe","conn_id":"..","req_id":"1","op":"subscribe"}`.
pub(super) fn control(root: Value<'_>) -> Result<Control<'_>, DecodeError> {
    if super::session::is_pong(root) {
        return Ok(Control::Pong);
    }
    let request = root.get("req_id").and_then(Value::str).and_then(|text| text.parse().ok());
    match root.get("op").and_then(Value::str) {
        Some("subscribe") => {
            let text = root.get("ret_msg").and_then(Value::str).unwrap_or("");
            // Subscribing twice is harmless: the data flows.
            if root.field_bool("success")? || text.contains("already subscribed") {
                Ok(Control::Subscribed(request))
            } else {
                Ok(Control::Refused(request, text))
            }
        }
        Some("unsubscribe") => Ok(Control::Unsubscribed),
        _ => Err(DecodeError::UnknownKind),
    }
}

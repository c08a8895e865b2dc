//! Public frames to events: top of book, depth and trades of spot or of USD-M futures; what these
//! have besides stands in `marks.rs`.
//!
//! Frames come from a combined stream, `{"stream":"btcusdt@trade","data":{..}}`, or bare. The spot
//! top of book names neither its kind nor a time. Frames of the two products look alike and mean
//! other things (futures chain by `pu` where spot has contiguous ids): a decoder is made for one
//! product and refuses the other's frames by the fields that only they have. Frames of coin-margined
//! futures (`st` other than 1) are refused too.
//! Streams: <https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams> and
//! <https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams>.

#![forbid(unsafe_code)]

use super::streams::{Product, Stream, Symbol};
use crate::types::{
    DepthKind, DepthUpdate, Event, Events, Level, Nanos, Price, Qty, Scale, Side, TopOfBook, Trade,
};
use crate::venues::{DecodeError, Value, decimal};

/// A frame of the public channel, taken apart but not decoded.
pub(super) enum Parts<'a> {
    /// Market data of the symbol with this index.
    Data { symbol: usize, stream: Stream, data: Value<'a> },
    /// Reply to a control message, with the venue's code if it was refused.
    Control { id: Option<u64>, refusal: Option<i32> },
    /// The venue will close this connection.
    Shutdown,
}

/// Finds out what a frame is. `symbols` are sorted by name.
pub(super) fn parts<'a>(
    root: Value<'a>,
    symbols: &[Symbol],
    product: Product,
) -> Result<Parts<'a>, DecodeError> {
    if !root.is_object() {
        return Err(DecodeError::UnknownKind);
    }
    let Some(name) = root.get("stream") else { return bare(root, symbols, product) };
    let name = name.str().ok_or(DecodeError::Invalid("stream"))?;
    let data = root.field("data")?;
    if name == "!serverShutdown" {
        return shutdown(data);
    }
    let (lower, suffix) = name.split_once('@').ok_or(DecodeError::UnknownKind)?;
    let stream = Stream::from_suffix(suffix, product).ok_or(DecodeError::UnknownKind)?;
    let symbol = find(symbols, data.field_str("s")?)?;
    if symbols[symbol].lower != lower {
        return Err(DecodeError::Invalid("stream"));
    }
    Ok(Parts::Data { symbol, stream, data })
}

/// A frame without envelope: a raw stream, or a reply to a control message.
fn bare<'a>(
    root: Value<'a>,
    symbols: &[Symbol],
    product: Product,
) -> Result<Parts<'a>, DecodeError> {
    let stream = match root.get("e").map(|kind| kind.str().unwrap_or("")) {
        Some("depthUpdate") => Stream::Depth,
        Some("trade") => Stream::Trade,
        Some("bookTicker") if product == Product::UsdM => Stream::Top,
        Some("markPriceUpdate") if product == Product::UsdM => Stream::Mark,
        Some("serverShutdown") => return shutdown(root),
        Some(_) => return Err(DecodeError::UnknownKind),
        None if product == Product::Spot && root.get("B").is_some() && root.get("A").is_some() => {
            Stream::Top
        }
        None => return control(root),
    };
    let symbol = find(symbols, root.field_str("s")?)?;
    Ok(Parts::Data { symbol, stream, data: root })
}

fn shutdown(data: Value<'_>) -> Result<Parts<'_>, DecodeError> {
    match data.field_str("e")? {
        "serverShutdown" => Ok(Parts::Shutdown),
        _ => Err(DecodeError::UnknownKind),
    }
}

/// `{"result":null,"id":1}`, `{"code":2,"msg":".."}` or `{"error":{"code":2,"msg":".."},"id":1}`.
fn control(root: Value<'_>) -> Result<Parts<'_>, DecodeError> {
    if root.get("status").is_some() {
        return Err(DecodeError::UnknownKind);
    }
    let id = match root.get("id").filter(|id| !id.is_null()) {
        Some(id) => Some(id.u64().ok_or(DecodeError::UnknownRequest)?),
        None => None,
    };
    let error = root.get("error").unwrap_or(root);
    if let Some(code) = error.get("code") {
        let code = code.i64().and_then(|code| i32::try_from(code).ok());
        let code = code.ok_or(DecodeError::Invalid("code"))?;
        // Codes of refusals are small or negative; futures report successes as 200.
        return match code {
            ..100 => Ok(Parts::Control { id, refusal: Some(code) }),
            _ => Err(DecodeError::UnknownKind),
        };
    }
    if root.get("result").is_some_and(Value::is_null) && id.is_some() {
        return Ok(Parts::Control { id, refusal: None });
    }
    Err(DecodeError::UnknownKind)
}

fn find(symbols: &[Symbol], name: &str) -> Result<usize, DecodeError> {
    let found = symbols.binary_search_by(|symbol| symbol.name.as_str().cmp(name));
    found.map_err(|_| DecodeError::UnknownSymbol)
}

/// Decodes market data into `events`.
pub(super) fn decode(
    stream: Stream,
    data: Value<'_>,
    symbol: &Symbol,
    product: Product,
    events: &mut Events,
) -> Result<(), DecodeError> {
    match (stream, product) {
        (Stream::Top, _) => top(data, symbol, product, events),
        (Stream::Depth, Product::Spot) => depth(data, symbol, events),
        (Stream::Depth, Product::UsdM) => usdm_depth(data, symbol, events),
        (Stream::Trade, Product::Spot) => trade(data, symbol, events),
        (Stream::Trade, Product::UsdM) => usdm_trade(data, symbol, events),
        (Stream::Mark, Product::UsdM) => super::marks::decode(data, symbol, events),
        (Stream::Mark, Product::Spot) => Err(DecodeError::UnknownKind),
    }
}

/// Spot: `{"u":400900217,"s":"BNBUSDT","b":"25.35","B":"31.21","a":"25.36","A":"40.66"}`; futures
/// `{"e":"bookTicker","u":400900217,"E":1568014460893,"T":1568014460891,"s":"BNBUSDT","ps":"BNBUSDT",
/// "b":"25.35","B":"31.21","a":"25.36","A":"40.66","st":1}`, in 2024 with times last, without `ps`, `st`.
fn top(
    data: Value<'_>,
    symbol: &Symbol,
    product: Product,
    events: &mut Events,
) -> Result<(), DecodeError> {
    let (mut sequence, mut time) = (None, None);
    let mut texts = [None; 4];
    for (key, value) in data.members() {
        match key {
            "u" => sequence = value.u64(),
            "b" => texts[0] = value.str(),
            "B" => texts[1] = value.str(),
            "a" => texts[2] = value.str(),
            "A" => texts[3] = value.str(),
            "e" | "E" | "T" | "ps" | "st" if product == Product::Spot => {
                return Err(DecodeError::UnknownKind);
            }
            "e" if value.str() != Some("bookTicker") => return Err(DecodeError::UnknownKind),
            "st" => usdm_only(value)?,
            "T" => time = Some(millis(value, "T")?),
            _ => {}
        }
    }
    let event_ns = match product {
        Product::Spot => Nanos(0),
        Product::UsdM => time.ok_or(DecodeError::Missing("T"))?,
    };
    let [bid, bid_qty, ask, ask_qty] = texts;
    let side = |price: (&'static str, Option<&str>), qty: (&'static str, Option<&str>)| {
        let level = level(price, qty, symbol.scale)?;
        // An empty side is sent as zeros; a quantity without price is nonsense.
        if level.price.0 == 0 && level.qty.0 != 0 {
            return Err(DecodeError::Invalid(price.0));
        }
        Ok(level)
    };
    let top = TopOfBook {
        instrument: symbol.instrument,
        sequence: sequence.ok_or(DecodeError::Missing("u"))?,
        bid: side(("b", bid), ("B", bid_qty))?,
        ask: side(("a", ask), ("A", ask_qty))?,
        event_ns,
    };
    Ok(events.push(Event::Top(top))?)
}

/// Futures margined in a stable coin are type 1; those margined in the coin itself are not meant.
pub(super) fn usdm_only(value: Value<'_>) -> Result<(), DecodeError> {
    if value.u64() == Some(1) { Ok(()) } else { Err(DecodeError::UnknownKind) }
}

/// `{"e":"depthUpdate","E":1672515782136,"s":"BNBBTC","U":157,"u":160,"b":[["0.0024","10"]],"a":[]}`
fn depth(data: Value<'_>, symbol: &Symbol, events: &mut Events) -> Result<(), DecodeError> {
    let (mut time, mut first, mut last, mut bids, mut asks) = (None, None, None, None, None);
    for (key, value) in data.members() {
        match key {
            "e" if value.str() == Some("depthUpdate") => {}
            "E" => time = Some(millis(value, "E")?),
            "U" => first = value.u64(),
            "u" => last = value.u64(),
            "b" => bids = Some(value),
            "a" => asks = Some(value),
            "e" | "pu" | "T" | "ps" | "st" => return Err(DecodeError::UnknownKind),
            _ => {}
        }
    }
    let first_id = first.ok_or(DecodeError::Missing("U"))?;
    let last_id = last.ok_or(DecodeError::Missing("u"))?;
    let head = head(symbol, DepthKind::Delta, (first_id, last_id), time);
    let bids = bids.ok_or(DecodeError::Missing("b"))?;
    let asks = asks.ok_or(DecodeError::Missing("a"))?;
    push_depth(head?, ("b", bids), ("a", asks), symbol.scale, events)
}

/// `{"e":"depthUpdate","E":123456789,"T":123456788,"s":"BTCUSDT","ps":"BTCUSDT","st":1,"U":157,
/// "u":160,"pu":149,"b":[["0.0024","10"]],"a":[]}`, in 2024 without `ps` and `st`.
///
/// An event follows the one whose `u` is its `pu`; its own `U` says nothing about that. So its ids
/// begin behind `pu`.
fn usdm_depth(data: Value<'_>, symbol: &Symbol, events: &mut Events) -> Result<(), DecodeError> {
    let (mut time, mut previous, mut last, mut bids, mut asks) = (None, None, None, None, None);
    for (key, value) in data.members() {
        match key {
            "e" if value.str() == Some("depthUpdate") => {}
            "e" => return Err(DecodeError::UnknownKind),
            "T" => time = Some(millis(value, "T")?),
            "pu" => previous = value.u64(),
            "u" => last = value.u64(),
            "b" => bids = Some(value),
            "a" => asks = Some(value),
            "st" => usdm_only(value)?,
            _ => {}
        }
    }
    let previous = previous.ok_or(DecodeError::Missing("pu"))?;
    let last_id = last.ok_or(DecodeError::Missing("u"))?;
    let ids = (previous.saturating_add(1), last_id);
    let head = head(symbol, DepthKind::Delta, ids, time)?;
    let bids = bids.ok_or(DecodeError::Missing("b"))?;
    let asks = asks.ok_or(DecodeError::Missing("a"))?;
    push_depth(head, ("b", bids), ("a", asks), symbol.scale, events)
}

/// Everything of a depth message but its levels.
pub(super) fn head(
    symbol: &Symbol,
    kind: DepthKind,
    (first_id, last_id): (u64, u64),
    time: Option<Nanos>,
) -> Result<DepthUpdate, DecodeError> {
    if first_id > last_id {
        return Err(DecodeError::Invalid("U"));
    }
    Ok(DepthUpdate {
        instrument: symbol.instrument,
        kind,
        first_id,
        last_id,
        sequence: last_id,
        levels_start: 0,
        bids: 0,
        asks: 0,
        event_ns: time.ok_or(DecodeError::Missing("E"))?,
    })
}

/// `{"lastUpdateId":1027024,"bids":[["4.00000000","431.00000000"]],"asks":[["4.00000200","12.0"]]}`;
/// of futures with the times `E` and `T`.
///
/// The first event after a snapshot of spot must hold the id after the snapshot's; that of futures
/// the snapshot's own (`U <= lastUpdateId <= u`): as if the snapshot were one older.
pub(super) fn snapshot(
    root: Value<'_>,
    symbol: &Symbol,
    product: Product,
    events: &mut Events,
) -> Result<(), DecodeError> {
    let id = root.field_u64("lastUpdateId")?;
    let (id, time) = match product {
        Product::Spot if root.get("E").is_some() || root.get("T").is_some() => {
            return Err(DecodeError::UnknownKind);
        }
        Product::Spot => (id, Nanos(0)),
        Product::UsdM => (id.saturating_sub(1), millis(root.field("T")?, "T")?),
    };
    let head = head(symbol, DepthKind::FetchedSnapshot, (id, id), Some(time))?;
    let (bids, asks) = (root.field("bids")?, root.field("asks")?);
    push_depth(head, ("bids", bids), ("asks", asks), symbol.scale, events)
}

fn push_depth(
    mut head: DepthUpdate,
    bids: (&'static str, Value<'_>),
    asks: (&'static str, Value<'_>),
    scale: Scale,
    events: &mut Events,
) -> Result<(), DecodeError> {
    let start = events.levels_len();
    let mut push = || {
        push_levels(bids, scale, events)?;
        let middle = events.levels_len();
        push_levels(asks, scale, events)?;
        head.levels_start = start;
        head.bids = middle - start;
        head.asks = events.levels_len() - middle;
        Ok(events.push(Event::Depth(head))?)
    };
    let result = push();
    if result.is_err() {
        events.truncate_levels(start);
    }
    result
}

fn push_levels(
    (name, rows): (&'static str, Value<'_>),
    scale: Scale,
    events: &mut Events,
) -> Result<(), DecodeError> {
    if !rows.is_array() {
        return Err(DecodeError::Invalid(name));
    }
    for row in rows.items() {
        let mut items = row.items();
        let (price, qty) = (items.next(), items.next());
        let (Some(price), Some(qty), None) = (price, qty, items.next()) else {
            return Err(DecodeError::Invalid(name));
        };
        let level = level((name, price.str()), (name, qty.str()), scale)?;
        if level.price.0 == 0 {
            return Err(DecodeError::Invalid(name));
        }
        events.push_level(level)?;
    }
    Ok(())
}

/// `{"e":"trade","E":1672515782136,"s":"BNBBTC","t":12345,"p":"0.001","q":"100","T":1672515782136,"m":true}`
fn trade(data: Value<'_>, symbol: &Symbol, events: &mut Events) -> Result<(), DecodeError> {
    let (mut id, mut price, mut qty, mut time, mut maker_bought) = (None, None, None, None, None);
    for (key, value) in data.members() {
        match key {
            "e" if value.str() == Some("trade") => {}
            "t" => id = value.u64(),
            "p" => price = value.str(),
            "q" => qty = value.str(),
            "T" => time = Some(millis(value, "T")?),
            "m" => maker_bought = value.bool(),
            // `X` is the order type that only trades of futures carry.
            "e" | "X" | "ps" | "st" => return Err(DecodeError::UnknownKind),
            _ => {}
        }
    }
    let print = (price, qty, id, time, maker_bought);
    push_trade(print, symbol, events)
}

/// `{"e":"trade","E":1723161256322,"T":1723161256322,"s":"BTCUSDT","t":5266583935,"p":"61800.30",
/// "q":"0.006","X":"MARKET","m":false}`. Trades of liquidations with the insurance fund and of
/// deleveraging are no prints of the market: they make nothing.
fn usdm_trade(data: Value<'_>, symbol: &Symbol, events: &mut Events) -> Result<(), DecodeError> {
    let (mut id, mut price, mut qty, mut time, mut maker_bought) = (None, None, None, None, None);
    let mut market = true;
    for (key, value) in data.members() {
        match key {
            "e" if value.str() == Some("trade") => {}
            "e" => return Err(DecodeError::UnknownKind),
            "t" => id = value.u64(),
            "p" => price = value.str(),
            "q" => qty = value.str(),
            "T" => time = Some(millis(value, "T")?),
            "m" => maker_bought = value.bool(),
            "X" => market = value.str() == Some("MARKET"),
            "st" => usdm_only(value)?,
            _ => {}
        }
    }
    if !market {
        return Ok(());
    }
    push_trade((price, qty, id, time, maker_bought), symbol, events)
}

/// Price, quantity, id, time, and whether the buyer was the maker.
type Print<'a> = (Option<&'a str>, Option<&'a str>, Option<u64>, Option<Nanos>, Option<bool>);

fn push_trade(
    (price, qty, id, time, maker_bought): Print<'_>,
    symbol: &Symbol,
    events: &mut Events,
) -> Result<(), DecodeError> {
    let level = level(("p", price), ("q", qty), symbol.scale)?;
    if level.price.0 == 0 {
        return Err(DecodeError::Invalid("p"));
    }
    let maker_bought = maker_bought.ok_or(DecodeError::Missing("m"))?;
    let trade = Trade {
        instrument: symbol.instrument,
        // `m` says that the buyer was the maker, so the aggressor sold.
        taker: if maker_bought { Side::Sell } else { Side::Buy },
        price: level.price,
        qty: level.qty,
        trade_id: id.ok_or(DecodeError::Missing("t"))?,
        event_ns: time.ok_or(DecodeError::Missing("T"))?,
    };
    Ok(events.push(Event::Trade(trade))?)
}

/// Price, exact, and quantity, cut to the scale; neither of them negative.
fn level(
    (price_name, price): (&'static str, Option<&str>),
    (qty_name, qty): (&'static str, Option<&str>),
    scale: Scale,
) -> Result<Level, DecodeError> {
    let price = price.ok_or(DecodeError::Missing(price_name))?;
    let qty = qty.ok_or(DecodeError::Missing(qty_name))?;
    let level = Level {
        price: decimal::price(price, scale).map_err(|e| DecodeError::Number(price_name, e))?,
        qty: decimal::qty_cut(qty, scale).map_err(|e| DecodeError::Number(qty_name, e))?,
    };
    if level.price < Price(0) {
        return Err(DecodeError::Invalid(price_name));
    }
    if level.qty < Qty::ZERO || qty.starts_with('-') {
        return Err(DecodeError::Invalid(qty_name));
    }
    Ok(level)
}

/// A time in milliseconds. More than 14 digits would be microseconds, which were not asked for.
pub(super) fn millis(value: Value<'_>, name: &'static str) -> Result<Nanos, DecodeError> {
    value.u64().and_then(time).ok_or(DecodeError::Invalid(name))
}

/// The same of a number.
#[inline]
pub(super) fn time(millis: u64) -> Option<Nanos> {
    (millis < 100_000_000_000_000).then(|| Nanos::from_millis(millis))
}

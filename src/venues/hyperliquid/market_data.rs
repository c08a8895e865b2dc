//! Public frames to events: books, tops, trades, marks and funding; and the control frames.
//!
//! Plain functions over one parsed frame. There are no sequence numbers: the time of the block, twice,
//! orders books and tops, and of the same block the top counts.
//! <https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions>

#![forbid(unsafe_code)]

use super::super::subscriptions::Control;
use super::super::{DecodeError, Scalar, Value, decimal, fields};
use super::memory::{Bounds, Memory, best};
use crate::types::{
    Amount, DepthKind, DepthUpdate, Event, Events, Instrument, Level, Nanos, PerpetualUpdate,
    Price, Side, TopOfBook, Trade,
};
use crate::venues::subscriptions::Scanned;

const HOUR_S: u32 = 3_600;

/// What a frame of data is, of one instrument.
#[derive(Clone, Copy)]
pub(super) enum Topic<'a> {
    Book(Value<'a>),
    Top(Value<'a>),
    Trades(Value<'a>),
    Context(Value<'a>),
}

/// The topic and its coin; none for frames without an instrument.
pub(super) fn topic<'a>(root: Value<'a>) -> Result<Option<(Topic<'a>, &'a str)>, DecodeError> {
    let channel = root.field_str("channel")?;
    let data = || root.field("data");
    Ok(Some(match channel {
        "l2Book" => (Topic::Book(data()?), data()?.field_str("coin")?),
        "bbo" => (Topic::Top(data()?), data()?.field_str("coin")?),
        "activeAssetCtx" => (Topic::Context(data()?), data()?.field_str("coin")?),
        "trades" => {
            let rows = data()?;
            if !rows.is_array() {
                return Err(DecodeError::Invalid("data"));
            }
            // A list of none says nothing of anybody.
            let Some(first) = rows.items().next() else { return Ok(None) };
            (Topic::Trades(rows), first.field_str("coin")?)
        }
        _ => return Ok(None),
    }))
}

/// Whose frame it is: place among the instruments, when it was asked for.
#[derive(Clone, Copy)]
pub(super) struct Owner<'a> {
    pub(super) at: usize,
    pub(super) asked: Nanos,
    pub(super) instrument: &'a Instrument,
}

/// Reads a frame of data.
pub(super) fn read(
    topic: Topic<'_>,
    owner: Owner<'_>,
    memory: &Memory,
    now: Nanos,
    events: &mut Events,
) -> Result<Scanned, DecodeError> {
    match topic {
        Topic::Book(data) => book(data, owner, memory, events),
        Topic::Top(data) => {
            let (top, time_ms) = top(data, owner.instrument)?;
            memory.on_top(owner.at, owner.asked, time_ms, top.bid, top.ask);
            events.push(Event::Top(top))?;
            Ok(Scanned::Top)
        }
        Topic::Trades(rows) => {
            for row in rows.items() {
                let trade = trade(row, owner.instrument)?;
                push_trade(trade, owner.asked, events)?;
            }
            Ok(Scanned::Trades)
        }
        Topic::Context(data) => {
            events.push(Event::Perpetual(context(data, owner.instrument, now)?))?;
            Ok(Scanned::Perpetual)
        }
    }
}

/// The venue sends the last thirty trades again whenever it is asked for them: what is older than the
/// request is history.
pub(super) fn push_trade(
    trade: Trade,
    asked: Nanos,
    events: &mut Events,
) -> Result<(), crate::types::EventsFull> {
    if trade.event_ns < asked { Ok(()) } else { events.push(Event::Trade(trade)) }
}

/// The whole book, 20 levels a side, or 5 of the fast form.
///
/// ```json
/// {"channel":"l2Book","data":{"coin":"BTC","time":1785251521889,"levels":[
///  [{"px":"63460.0","sz":"0.02666","n":2}],[{"px":"63488.0","sz":"0.01246","n":2}]]}}
/// ```
fn book(
    data: Value<'_>,
    owner: Owner<'_>,
    memory: &Memory,
    events: &mut Events,
) -> Result<Scanned, DecodeError> {
    let time_ms = data.field_u64("time")?;
    let mut sides = data.field("levels")?.items();
    let mut side = || sides.next().filter(|side| side.is_array());
    let (Some(bids), Some(asks)) = (side(), side()) else {
        return Err(DecodeError::Invalid("levels"));
    };
    let bounds = memory.bounds(owner.at, owner.asked, time_ms);
    let start = events.levels_len();
    let result = (|| {
        let within = bounds.unwrap_or(Bounds { bid: Price(i64::MAX), ask: Price(0) });
        let bids = levels(bids, owner.instrument, |price| price <= within.bid, events)?;
        let asks = levels(asks, owner.instrument, |price| price >= within.ask, events)?;
        Ok((bids, asks))
    })();
    match (result, bounds) {
        (Ok(counts), Some(_)) => take_book(owner, time_ms, start, counts, memory, events),
        // Read all the same: what is malformed is told of.
        (result, _) => {
            events.truncate_levels(start);
            result.map(|_| Scanned::Repeated)
        }
    }
}

/// Levels from `start` on become the book of this time.
pub(super) fn take_book(
    owner: Owner<'_>,
    time_ms: u64,
    levels_start: u32,
    (bids, asks): (u32, u32),
    memory: &Memory,
    events: &mut Events,
) -> Result<Scanned, DecodeError> {
    let update = DepthUpdate {
        instrument: owner.instrument.id,
        kind: DepthKind::Snapshot,
        first_id: time_ms,
        last_id: time_ms,
        sequence: time_ms.saturating_mul(2),
        levels_start,
        bids,
        asks,
        event_ns: Nanos::from_millis(time_ms),
    };
    let (bids, asks) = events.levels(&update);
    let prices = best(bids, asks);
    if let Err(full) = events.push(Event::Depth(update)) {
        events.truncate_levels(levels_start);
        return Err(full.into());
    }
    let dead = memory.on_book(owner.at, owner.asked, time_ms, prices);
    Ok(if dead { Scanned::Suspect(update) } else { Scanned::Depth(update) })
}

fn levels(
    rows: Value<'_>,
    of: &Instrument,
    counts: impl Fn(Price) -> bool,
    events: &mut Events,
) -> Result<u32, DecodeError> {
    let mut count = 0;
    for row in rows.items() {
        let level = level(row, of)?;
        if counts(level.price) {
            events.push_level(level)?;
            count += 1;
        }
    }
    Ok(count)
}

/// `{"px":"63460.0","sz":"0.02666","n":2}`: `n` is the number of orders.
fn level(row: Value<'_>, of: &Instrument) -> Result<Level, DecodeError> {
    let price = positive_price(row, of)?;
    let qty = decimal::qty(row.field_str("sz")?, of.scale)
        .map_err(|error| DecodeError::Number("sz", error))?;
    if qty.0 < 0 { Err(DecodeError::Invalid("sz")) } else { Ok(Level { price, qty }) }
}

fn positive_price(row: Value<'_>, of: &Instrument) -> Result<Price, DecodeError> {
    let price = decimal::price(row.field_str("px")?, of.scale)
        .map_err(|error| DecodeError::Number("px", error))?;
    if price.0 > 0 { Ok(price) } else { Err(DecodeError::Invalid("px")) }
}

/// ```json
/// {"channel":"bbo","data":{"coin":"BTC","time":1785251522090,"bbo":[
///  {"px":"63457.0","sz":"0.00028","n":1},null]}}
/// ```
fn top(data: Value<'_>, of: &Instrument) -> Result<(TopOfBook, u64), DecodeError> {
    let time_ms = data.field_u64("time")?;
    let mut sides = data.field("bbo")?.items();
    let mut side = || match sides.next() {
        None => Err(DecodeError::Invalid("bbo")),
        Some(none) if none.is_null() => Ok(Level::default()),
        Some(row) => level(row, of),
    };
    let (bid, ask) = (side()?, side()?);
    Ok((top_of(of, time_ms, bid, ask), time_ms))
}

/// Of the same block the top counts, not the book's.
pub(super) fn top_of(of: &Instrument, time_ms: u64, bid: Level, ask: Level) -> TopOfBook {
    let sequence = time_ms.saturating_mul(2).saturating_add(1);
    TopOfBook { instrument: of.id, sequence, bid, ask, event_ns: Nanos::from_millis(time_ms) }
}

/// One of a list, oldest first; `side` is the aggressor's.
///
/// ```json
/// {"coin":"BTC","side":"A","px":"80639.0","sz":"0.00022","time":1788490042052,"hash":"0x0..",
///  "tid":1095884267920331,"users":["0xa6..","0x8a.."]}
/// ```
fn trade(row: Value<'_>, of: &Instrument) -> Result<Trade, DecodeError> {
    if row.field_str("coin")? != of.symbol {
        return Err(DecodeError::Invalid("coin"));
    }
    let Level { price, qty } = level(row, of)?;
    if qty.0 == 0 {
        return Err(DecodeError::Invalid("sz"));
    }
    Ok(Trade {
        instrument: of.id,
        taker: side(Some(row.field("side")?.into()))?,
        price,
        qty,
        trade_id: row.field_u64("tid")?,
        event_ns: Nanos::from_millis(row.field_u64("time")?),
    })
}

/// `B` or `A`: bid or ask.
pub(super) fn side(field: fields::Field<'_>) -> Result<Side, DecodeError> {
    match fields::text(field, "side")? {
        "B" => Ok(Side::Buy),
        "A" => Ok(Side::Sell),
        _ => Err(DecodeError::Invalid("side")),
    }
}

/// Marks and funding, without a time. Funding is paid on every full hour, at the rate of this one.
///
/// ```json
/// {"channel":"activeAssetCtx","data":{"coin":"BTC","ctx":{"funding":"0.0000052974",
///  "premium":null,"oraclePx":"80684.7","markPx":"80640.0","midPx":null,..}}}
/// ```
fn context(data: Value<'_>, of: &Instrument, now: Nanos) -> Result<PerpetualUpdate, DecodeError> {
    let ctx = data.field("ctx")?;
    let price = |name| match fields::amount(ctx.get(name).map(Scalar::from), name)? {
        Some(price) if price <= Amount::ZERO => Err(DecodeError::Invalid(name)),
        price => Ok(price),
    };
    let rate = decimal::rate(ctx.field_str("funding")?)
        .map_err(|error| DecodeError::Number("funding", error))?;
    let hour = u64::from(HOUR_S) * 1_000_000_000;
    Ok(PerpetualUpdate {
        instrument: of.id,
        mark: price("markPx")?,
        index: price("oraclePx")?,
        funding_rate: Some(rate),
        funding_interval_s: Some(HOUR_S),
        next_funding_ns: Some(Nanos((now.0 / hour + 1).saturating_mul(hour))),
        event_ns: Nanos(0),
        rest_stands: false,
    })
}

/// Frames without data.
///
/// ```json
/// {"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":{"type":"bbo",..}}}
/// {"channel":"error","data":"Already subscribed: {\"type\":\"trades\",\"coin\":\"ETH\"}"}
/// ```
pub(super) fn control(root: Value<'_>) -> Result<Control<'_>, DecodeError> {
    match root.field_str("channel")? {
        "pong" | "trades" => Ok(Control::Pong),
        "subscriptionResponse" => match root.field("data")?.field_str("method")? {
            "subscribe" => Ok(Control::Subscribed(None)),
            "unsubscribe" => Ok(Control::Unsubscribed),
            _ => Err(DecodeError::Invalid("method")),
        },
        "error" => match root.field_str("data")? {
            // Asked for twice: the data flows.
            text if text.starts_with("Already subscribed") => Ok(Control::Subscribed(None)),
            text if text.starts_with("Already unsubscribed") => Ok(Control::Unsubscribed),
            text if text.contains("subscribe") => Ok(Control::Refused(None, text)),
            _ => Err(DecodeError::Invalid("error")),
        },
        _ => Err(DecodeError::UnknownKind),
    }
}

//! Public frames to events: depth, top of book, trades; and the control frames of the socket.
//!
//! Plain functions over one parsed frame. The continuity rule of the venue (`prevSeqId` is the last
//! `seqId`) is expressed in the update ids, not checked here: the book does that. The checksum has
//! been a constant since June 2026 and is not read.
//! <https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-order-book-channel>

#![forbid(unsafe_code)]

use super::super::fields::{amount_in, time_in};
use super::super::subscriptions::Control;
use super::super::{DecodeError, Value, decimal};
use super::contracts;
use super::sequence::Ids;
use crate::types::{
    Amount, DepthKind, DepthUpdate, Event, Events, Instrument, Level, Nanos, PerpetualUpdate,
    Price, Qty, Side, TopOfBook, Trade,
};

/// A data frame's channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    Depth,
    Top,
    Trades,
    /// What there is of a perpetual besides its book.
    Mark,
    Index,
    Funding,
}

/// Channel and symbol of a data frame; `None` of a frame that has an `event` instead.
pub(super) fn topic(root: Value<'_>) -> Result<Option<(Topic, &str)>, DecodeError> {
    if root.get("event").is_some() {
        return Ok(None);
    }
    let arg = root.get("arg").ok_or(DecodeError::UnknownKind)?;
    let topic = match arg.field_str("channel")? {
        "books" => Topic::Depth,
        "bbo-tbt" => Topic::Top,
        "trades" => Topic::Trades,
        "mark-price" => Topic::Mark,
        "index-tickers" => Topic::Index,
        "funding-rate" => Topic::Funding,
        _ => return Err(DecodeError::UnknownKind),
    };
    Ok(Some((topic, arg.field_str("instId")?)))
}

/// `data` of a frame that holds exactly one row.
fn only_row(root: Value<'_>) -> Result<Value<'_>, DecodeError> {
    let mut rows = root.field("data")?.items();
    let row = rows.next().ok_or(DecodeError::Invalid("data"))?;
    if rows.next().is_none() { Ok(row) } else { Err(DecodeError::Invalid("data")) }
}

fn array<'a>(row: Value<'a>, name: &'static str) -> Result<Value<'a>, DecodeError> {
    let value = row.field(name)?;
    if value.is_array() { Ok(value) } else { Err(DecodeError::Invalid(name)) }
}

fn time(row: Value<'_>) -> Result<Nanos, DecodeError> {
    time_in(row, "ts")
}

/// Depth. A keep-alive, which repeats the last id and changes nothing, is an update that covers no id.
///
/// ```json
/// {"arg":{"channel":"books","instId":"BTC-USDT"},"action":"update","data":[{
///  "asks":[["62571.2","0.60583592","0","6"],["62572.1","0","0","0"]],"bids":[],
///  "ts":"1784016942108","checksum":0,"seqId":110,"prevSeqId":100}]}
/// ```
pub(super) fn depth(
    root: Value<'_>,
    instrument: &Instrument,
    ids: &mut Ids,
    events: &mut Events,
) -> Result<DepthUpdate, DecodeError> {
    let kind = match root.field_str("action")? {
        "snapshot" => DepthKind::Snapshot,
        "update" => DepthKind::Delta,
        _ => return Err(DecodeError::Invalid("action")),
    };
    let row = only_row(root)?;
    let id = row.field_u64("seqId")?;
    let (bids, asks) = (array(row, "bids")?, array(row, "asks")?);
    let mut next = *ids;
    let (first_id, last_id) = match kind {
        DepthKind::Delta => {
            let empty = bids.items().next().is_none() && asks.items().next().is_none();
            next.update(row.field_u64("prevSeqId")?, id, empty)
        }
        _ => next.snapshot(id),
    };
    let event_ns = time(row)?;
    let start = events.levels_len();
    let result = (|| {
        let update = DepthUpdate {
            instrument: instrument.id,
            kind,
            first_id,
            last_id,
            sequence: next.of(id),
            levels_start: start,
            bids: levels(bids, instrument, events)?,
            asks: levels(asks, instrument, events)?,
            event_ns,
        };
        events.push(Event::Depth(update))?;
        Ok(update)
    })();
    match result {
        Ok(_) => *ids = next,
        Err(_) => events.truncate_levels(start),
    }
    result
}

fn levels(
    rows: Value<'_>,
    instrument: &Instrument,
    events: &mut Events,
) -> Result<u32, DecodeError> {
    let mut count = 0;
    for row in rows.items() {
        events.push_level(level(row, instrument)?)?;
        count += 1;
    }
    Ok(count)
}

/// `["62571.2","0.60583592","0","6"]`: a quantity of zero removes the price; the rest is the number
/// of orders, which nobody needs.
fn level(row: Value<'_>, instrument: &Instrument) -> Result<Level, DecodeError> {
    let mut items = row.items();
    let mut text = |name| items.next().and_then(Value::str).ok_or(DecodeError::Missing(name));
    let price = price(text("price")?, "price", instrument)?;
    let qty = qty(text("size")?, "size", instrument)?;
    Ok(Level { price, qty })
}

fn price(text: &str, name: &'static str, of: &Instrument) -> Result<Price, DecodeError> {
    let price = decimal::price(text, of.scale).map_err(|error| DecodeError::Number(name, error))?;
    if price.0 > 0 { Ok(price) } else { Err(DecodeError::Invalid(name)) }
}

/// In base units, also where the venue counts contracts.
fn qty(text: &str, name: &'static str, of: &Instrument) -> Result<Qty, DecodeError> {
    let qty = contracts::qty(text, of).map_err(|error| DecodeError::Number(name, error))?;
    if qty.0 >= 0 { Ok(qty) } else { Err(DecodeError::Invalid(name)) }
}

/// Top of book; its `seqId` counts with that of the depth.
pub(super) fn top(
    root: Value<'_>,
    instrument: &Instrument,
    ids: &Ids,
    events: &mut Events,
) -> Result<(), DecodeError> {
    let row = only_row(root)?;
    let best = |name| {
        let first = array(row, name)?.items().next();
        first.map_or(Ok(Level::default()), |row| level(row, instrument))
    };
    let top = TopOfBook {
        instrument: instrument.id,
        sequence: ids.of(row.field_u64("seqId")?),
        bid: best("bids")?,
        ask: best("asks")?,
        event_ns: time(row)?,
    };
    Ok(events.push(Event::Top(top))?)
}

/// Trades, oldest first. Fills of one taker at one price come as one; its number is the last one's.
///
/// ```json
/// {"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT",
///  "tradeId":"1032787952","px":"62571.2","sz":"0.07990896","side":"buy","ts":"1784016942060",
///  "count":"1","source":"0","seqId":78755034232}]}
/// ```
pub(super) fn trades(
    root: Value<'_>,
    instrument: &Instrument,
    events: &mut Events,
) -> Result<(), DecodeError> {
    for row in array(root, "data")?.items() {
        events.push(Event::Trade(trade(row, instrument)?))?;
    }
    Ok(())
}

fn trade(row: Value<'_>, instrument: &Instrument) -> Result<Trade, DecodeError> {
    if row.field_str("instId")? != instrument.symbol {
        return Err(DecodeError::Invalid("instId"));
    }
    let qty = qty(row.field_str("sz")?, "sz", instrument)?;
    if qty == Qty(0) {
        return Err(DecodeError::Invalid("sz"));
    }
    Ok(Trade {
        instrument: instrument.id,
        taker: match row.field_str("side")? {
            "buy" => Side::Buy,
            "sell" => Side::Sell,
            _ => return Err(DecodeError::Invalid("side")),
        },
        price: price(row.field_str("px")?, "px", instrument)?,
        qty,
        trade_id: row.field_str("tradeId")?.parse().map_err(|_| DecodeError::Invalid("tradeId"))?,
        event_ns: time(row)?,
    })
}

/// Mark price, price of the index, or funding of a perpetual. Funding is the forecast of the running
/// period; its length is the time between two payments.
///
/// ```json
/// {"arg":{"channel":"funding-rate","instId":"BTC-USDT-SWAP"},"data":[{
///  "fundingRate":"0.0001875391284828","fundingTime":"1700726400000",
///  "instId":"BTC-USDT-SWAP","instType":"SWAP","nextFundingTime":"1700755200000",
///  "ts":"1700724675402"}]}
/// {"arg":{"channel":"mark-price","instId":"BTC-USDT-SWAP"},"data":[{"instType":"SWAP",
///  "instId":"BTC-USDT-SWAP","markPx":"42310.6","ts":"1630049139746"}]}
/// {"arg":{"channel":"index-tickers","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT",
///  "idxPx":"42309.9","ts":"1630049139746"}]}
/// ```
pub(super) fn perpetual(
    topic: Topic,
    root: Value<'_>,
    instrument: &Instrument,
    events: &mut Events,
) -> Result<(), DecodeError> {
    let row = only_row(root)?;
    let mut update = PerpetualUpdate {
        instrument: instrument.id,
        event_ns: time(row)?,
        ..PerpetualUpdate::default()
    };
    match topic {
        Topic::Mark => update.mark = Some(positive(row, "markPx")?),
        Topic::Index => update.index = Some(positive(row, "idxPx")?),
        _ => {
            let rate = decimal::rate(row.field_str("fundingRate")?);
            update.funding_rate =
                Some(rate.map_err(|error| DecodeError::Number("fundingRate", error))?);
            let next = time_in(row, "fundingTime")?;
            update.next_funding_ns = Some(next);
            if row.get("nextFundingTime").and_then(Value::str).is_some_and(|text| !text.is_empty())
            {
                let seconds = time_in(row, "nextFundingTime")?.since(next) / 1_000_000_000;
                update.funding_interval_s = u32::try_from(seconds).ok().filter(|s| *s > 0);
            }
        }
    }
    Ok(events.push(Event::Perpetual(update))?)
}

fn positive(row: Value<'_>, name: &'static str) -> Result<Amount, DecodeError> {
    let amount = amount_in(row, name)?;
    if amount > Amount::ZERO { Ok(amount) } else { Err(DecodeError::Invalid(name)) }
}

/// The end of the connection is announced a minute ahead.
const SERVICE_UPGRADE: &str = "64008";

/// Reads `{"id":"1512","event":"subscribe","arg":{..},"connId":"a4d3ae55"}`.
pub(super) fn control(root: Value<'_>) -> Result<Control<'_>, DecodeError> {
    let request = root.get("id").and_then(Value::str).and_then(|text| text.parse().ok());
    match root.field_str("event")? {
        "subscribe" => Ok(Control::Subscribed(request)),
        "unsubscribe" => Ok(Control::Unsubscribed),
        "error" => {
            let text = root.get("msg").and_then(Value::str).unwrap_or("");
            Ok(Control::Refused(request, text))
        }
        "notice" if root.field_str("code")? == SERVICE_UPGRADE => Ok(Control::Closing),
        _ => Err(DecodeError::UnknownKind),
    }
}

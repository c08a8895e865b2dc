//! Orders to bytes, and the venue's replies to them.
//!
//! The trade socket and REST take the same objects: only the envelope differs. An acknowledgement
//! means "accepted for processing": what became of an order, a cancel or a replace is told by the
//! private stream. Writing allocates nothing: it appends to the outbox.
//! <https://bybit-exchange.github.io/docs/v5/order/create-order>

#![forbid(unsafe_code)]

use super::super::digits::Text;
use super::super::trading::{Action, LimitState, Mark, Message, Reply, Values};
use super::super::{DecodeError, EncodeError, Value, decimal};
use super::{Product, whole, write_u64};
use crate::types::{
    ClientOrderId, Instrument, NewOrder, OrderType, Price, Qty, Side, TimeInForce, VenueOrderId,
};

/// `op` of an action on the trade socket.
fn op(action: Action<'_>) -> &'static str {
    match action {
        Action::New(_) => "order.create",
        Action::Cancel(_) => "order.cancel",
        Action::Replace(_) => "order.amend",
    }
}

/// Path of an action over REST.
pub(super) fn path(action: Action<'_>) -> &'static str {
    match action {
        Action::New(_) => "/v5/order/create",
        Action::Cancel(_) => "/v5/order/cancel",
        Action::Replace(_) => "/v5/order/amend",
    }
}

/// Refuses what the venue could not express; nothing is written before this passes.
pub(super) fn check(action: Action<'_>, of: &Instrument) -> Result<(), EncodeError> {
    match action {
        Action::New(order) if order.reduce_only && !of.is_perpetual() => {
            Err(EncodeError::NotExpressible("spot knows no reduce-only"))
        }
        _ => action.check(),
    }
}

/// Appends the object that both transports carry.
pub(super) fn write(action: Action<'_>, instrument: &Instrument, out: &mut Vec<u8>) {
    write_instrument(instrument, out);
    match action {
        Action::New(order) => write_new(order, instrument, out),
        Action::Cancel(order) => write_id(order.client_id, order.venue_order_id, out),
        Action::Replace(order) => {
            write_id(order.client_id, order.venue_order_id, out);
            write_terms(order.price, order.qty, instrument, out);
        }
    }
    out.push(b'}');
}

/// Appends a frame of the trade socket.
///
/// ```json
/// {"reqId":"1711001595207000000","header":{"X-BAPI-TIMESTAMP":"1711001595207",
///  "X-BAPI-RECV-WINDOW":"5000"},"op":"order.create","args":[{"category":"spot",..}]}
/// ```
pub(super) fn write_frame(
    action: Action<'_>,
    mark: Mark,
    recv_window: &str,
    instrument: &Instrument,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(br#"{"reqId":""#);
    write_u64(out, mark.id);
    out.extend_from_slice(br#"","header":{"X-BAPI-TIMESTAMP":""#);
    write_u64(out, mark.venue_ms);
    out.extend_from_slice(br#"","X-BAPI-RECV-WINDOW":""#);
    out.extend_from_slice(recv_window.as_bytes());
    out.extend_from_slice(br#""},"op":""#);
    out.extend_from_slice(op(action).as_bytes());
    out.extend_from_slice(br#"","args":["#);
    write(action, instrument, out);
    out.extend_from_slice(b"]}");
}

/// The values of an action in the order in which a frame has them; `None` if no template serves it.
#[inline]
pub(super) fn values(action: Action<'_>, instrument: &Instrument, mark: Mark) -> Option<Values> {
    let scale = instrument.scale;
    let (id, time) = (Text::whole(mark.id), Text::whole(mark.venue_ms));
    Some(match action {
        Action::New(order) => {
            let client_id = Text::fixed(&order.client_id.encode());
            let qty = Text::decimal(order.qty.0, scale.qty_decimals)?;
            if order.order_type == OrderType::Market {
                Values::new([id, time, qty, client_id])
            } else {
                let price = Text::decimal(order.price.0, scale.price_decimals)?;
                Values::new([id, time, qty, price, client_id])
            }
        }
        Action::Cancel(order) if order.client_id.is_some() => {
            Values::new([id, time, Text::fixed(&order.client_id.encode())])
        }
        Action::Cancel(_) | Action::Replace(_) => return None,
    })
}

/// `{"category":"spot","symbol":"BTCUSDT"`, left open.
pub(super) fn write_instrument(instrument: &Instrument, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"category":""#);
    out.extend_from_slice(Product::of(instrument).category.as_bytes());
    out.extend_from_slice(br#"","symbol":""#);
    out.extend_from_slice(instrument.symbol.as_bytes());
    out.push(b'"');
}

/// A spot market buy's quantity would be quote units by default: `marketUnit` is always sent, and so is
/// `isLeverage`, lest an account setting borrow. Perpetuals name the position that they change: that
/// of one-way mode.
fn write_new(order: &NewOrder, instrument: &Instrument, out: &mut Vec<u8>) {
    let market = order.order_type == OrderType::Market;
    out.extend_from_slice(match order.side {
        Side::Buy => br#","side":"Buy","orderType":""#.as_slice(),
        Side::Sell => br#","side":"Sell","orderType":""#,
    });
    out.extend_from_slice(if market { b"Market" } else { b"Limit" });
    out.push(b'"');
    write_terms(if market { Price(0) } else { order.price }, order.qty, instrument, out);
    out.extend_from_slice(br#","timeInForce":""#);
    out.extend_from_slice(match order.time_in_force {
        _ if order.post_only => b"PostOnly".as_slice(),
        _ if market => b"IOC",
        TimeInForce::Gtc => b"GTC",
        TimeInForce::Ioc => b"IOC",
        TimeInForce::Fok => b"FOK",
    });
    out.extend_from_slice(match (instrument.is_perpetual(), order.reduce_only) {
        (false, _) => br#"","marketUnit":"baseCoin","isLeverage":0"#.as_slice(),
        (true, false) => br#"","positionIdx":0"#,
        (true, true) => br#"","positionIdx":0,"reduceOnly":true"#,
    });
    write_id(order.client_id, VenueOrderId::EMPTY, out);
}

/// Our id if the order is ours, else the venue's.
fn write_id(client_id: ClientOrderId, venue_order_id: VenueOrderId, out: &mut Vec<u8>) {
    if client_id.is_some() {
        out.extend_from_slice(br#","orderLinkId":""#);
        out.extend_from_slice(&client_id.encode());
    } else {
        out.extend_from_slice(br#","orderId":""#);
        out.extend_from_slice(venue_order_id.as_str().as_bytes());
    }
    out.push(b'"');
}

/// Quantity and price where they are stated.
fn write_terms(price: Price, qty: Qty, instrument: &Instrument, out: &mut Vec<u8>) {
    if qty.0 != 0 {
        out.extend_from_slice(br#","qty":""#);
        decimal::write_qty(out, qty, instrument.scale);
        out.push(b'"');
    }
    if price.0 != 0 {
        out.extend_from_slice(br#","price":""#);
        decimal::write_price(out, price, instrument.scale);
        out.push(b'"');
    }
}

/// State of a limit from header values by name.
pub(super) fn limits<'a>(header: impl Fn(&'static str) -> Option<&'a str>) -> LimitState {
    let number = |name| header(name).and_then(|text| text.parse().ok());
    let allowed = number("X-Bapi-Limit").and_then(|n: u64| u32::try_from(n).ok());
    let left = number("X-Bapi-Limit-Status").and_then(|n| u32::try_from(n).ok());
    LimitState {
        counts: allowed.zip(left),
        reset_ms: number("X-Bapi-Limit-Reset-Timestamp"),
        now_ms: number("Timenow"),
        retry_s: number("Retry-After"),
    }
}

/// Reads a frame of the trade socket.
///
/// ```json
/// {"reqId":"1759432560816495533","retCode":0,"retMsg":"OK","op":"order.create",
///  "data":{"orderId":"1666800494330512128","orderLinkId":"st0000000000000001"},
///  "retExtInfo":{},"header":{"X-Bapi-Limit":"20","X-Bapi-Limit-Status":"19",
///  "X-Bapi-Limit-Reset-Timestamp":"1759432560940","Timenow":"1759432560940"},"connId":".."}
/// ```
pub(super) fn decode_trade_frame(root: Value<'_>) -> Result<Message<'static>, DecodeError> {
    if super::session::is_pong(root) {
        return Ok(Message::Nothing);
    }
    let code = ret_code(root)?;
    if root.get("op").and_then(Value::str) == Some("auth") {
        return Ok(Message::Login(code));
    }
    // Zero is never a number of ours: a foreign one is then found nowhere.
    let id = match root.get("reqId") {
        Some(id) if id.str() != Some("") => Some(whole(id, "reqId").unwrap_or(0)),
        _ => None,
    };
    let header = root.get("header");
    let limit = limits(|name| header.and_then(|h| h.get(name)).and_then(Value::str));
    let venue_order_id = order_id(root.get("data"))?;
    Ok(Message::Reply { id, reply: Reply { code, http: None, venue_order_id, limit } })
}

/// `retCode`, which every reply carries.
pub(super) fn ret_code(root: Value<'_>) -> Result<i32, DecodeError> {
    i32::try_from(root.field_i64("retCode")?).map_err(|_| DecodeError::Invalid("retCode"))
}

/// `orderId` of a result, empty where there is none.
pub(super) fn order_id(result: Option<Value<'_>>) -> Result<VenueOrderId, DecodeError> {
    let text = result.and_then(|result| result.get("orderId")).and_then(Value::str).unwrap_or("");
    VenueOrderId::new(text).ok_or(DecodeError::Invalid("orderId"))
}

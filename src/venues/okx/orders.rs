//! Orders to bytes, and the venue's replies to them.
//!
//! The order socket names an instrument by its number (`instIdCode`), REST by its symbol; otherwise
//! both take the same objects. An acknowledgement means "accepted for processing": what became of an
//! order, a cancel or a change is told by the private socket. Writing allocates nothing: it appends
//! to the outbox.
//! <https://www.okx.com/docs-v5/en/#order-book-trading-trade-ws-place-order>

#![forbid(unsafe_code)]

use super::super::digits::Text;
use super::super::flight::Ask;
use super::super::trading::{Action, LimitState, Mark, Message, Reply, Values};
use super::super::{DecodeError, EncodeError, Value, decimal};
use super::{codes, contracts, write_u64};
use crate::types::{
    ClientOrderId, Instrument, NewOrder, OrderType, Price, Qty, Side, TimeInForce, VenueOrderId,
};

/// What an order says of its instrument and its margin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms<'a> {
    pub(super) instrument: &'a Instrument,
    /// The venue's number of it in this environment.
    pub(super) code: u64,
    /// `tdMode`: what pays for it.
    pub(super) mode: &'static str,
    /// How long a request is good for, milliseconds.
    pub(super) window_ms: u64,
}

/// `op` of an action on the order socket.
fn op(action: Action<'_>) -> &'static [u8] {
    match action {
        Action::New(_) => b"order",
        Action::Cancel(_) => b"cancel-order",
        Action::Replace(_) => b"amend-order",
    }
}

/// Path of an action over REST.
pub(super) fn path(action: Action<'_>) -> &'static str {
    match action {
        Action::New(_) => "/api/v5/trade/order",
        Action::Cancel(_) => "/api/v5/trade/cancel-order",
        Action::Replace(_) => "/api/v5/trade/amend-order",
    }
}

/// Refuses what the venue could not express; nothing is written before this passes.
pub(super) fn check(action: Action<'_>, of: &Instrument) -> Result<(), EncodeError> {
    let refuse = |why| Err(EncodeError::NotExpressible(why));
    let qty = match action {
        Action::New(order) if order.reduce_only && !of.is_perpetual() => {
            return refuse("spot knows no reduce-only");
        }
        Action::New(order) => order.qty,
        Action::Replace(order) => order.qty,
        Action::Cancel(_) => Qty::ZERO,
    };
    if contracts::contracts(qty, of).is_none() {
        return refuse("the quantity is no exact number of contracts");
    }
    action.check()
}

/// Time after which the venue must not act on a request any more; cancels are always good.
pub(super) fn expires_ms(action: Action<'_>, terms: &Terms<'_>, mark: Mark) -> Option<u64> {
    let cancels = matches!(action, Action::Cancel(_));
    (!cancels).then(|| mark.venue_ms.saturating_add(terms.window_ms))
}

/// Appends a frame of the order socket.
///
/// ```json
/// {"id":"1512","op":"order","expTime":"1597026383085","args":[{"instIdCode":10459,
///  "tdMode":"cross","clOrdId":"st0000000000000001","side":"buy","ordType":"post_only",
///  "px":"60000.1","sz":"3"}]}
/// ```
pub(super) fn write_frame(action: Action<'_>, terms: &Terms<'_>, mark: Mark, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"id":""#);
    write_u64(out, mark.id);
    out.extend_from_slice(br#"","op":""#);
    out.extend_from_slice(op(action));
    if let Some(expires_ms) = expires_ms(action, terms, mark) {
        out.extend_from_slice(br#"","expTime":""#);
        write_u64(out, expires_ms);
    }
    out.extend_from_slice(br#"","args":[{"instIdCode":"#);
    write_u64(out, terms.code);
    write_rest(action, terms, mark, out);
    out.extend_from_slice(b"]}");
}

/// Appends the object that REST takes.
pub(super) fn write_body(action: Action<'_>, terms: &Terms<'_>, mark: Mark, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"instId":""#);
    out.extend_from_slice(terms.instrument.symbol.as_bytes());
    out.push(b'"');
    write_rest(action, terms, mark, out);
}

/// Everything behind the instrument, to the closing brace.
fn write_rest(action: Action<'_>, terms: &Terms<'_>, mark: Mark, out: &mut Vec<u8>) {
    let of = terms.instrument;
    match action {
        Action::New(order) => write_new(order, terms, out),
        Action::Cancel(order) => write_id(order.client_id, order.venue_order_id, out),
        Action::Replace(order) => {
            write_id(order.client_id, order.venue_order_id, out);
            // The channel repeats it with the result.
            out.extend_from_slice(br#","reqId":""#);
            write_u64(out, mark.id);
            out.push(b'"');
            write_terms([br#","newPx":""#, br#","newSz":""#], order.price, order.qty, of, out);
        }
    }
    out.push(b'}');
}

/// The size of a spot market buy would be quote units by default: `tgtCcy` is always sent. What an
/// order on margin at any price leaves unfilled is cancelled by stating so (`optimal_limit_ioc`).
fn write_new(order: &NewOrder, terms: &Terms<'_>, out: &mut Vec<u8>) {
    let of = terms.instrument;
    let market = order.order_type == OrderType::Market;
    out.extend_from_slice(br#","tdMode":""#);
    out.extend_from_slice(terms.mode.as_bytes());
    out.push(b'"');
    write_id(order.client_id, VenueOrderId::EMPTY, out);
    out.extend_from_slice(match order.side {
        Side::Buy => br#","side":"buy","ordType":""#.as_slice(),
        Side::Sell => br#","side":"sell","ordType":""#,
    });
    out.extend_from_slice(match order.time_in_force {
        _ if market && of.is_perpetual() => b"optimal_limit_ioc".as_slice(),
        _ if market => br#"market","tgtCcy":"base_ccy"#,
        _ if order.post_only => b"post_only",
        TimeInForce::Gtc => b"limit",
        TimeInForce::Ioc => b"ioc",
        TimeInForce::Fok => b"fok",
    });
    out.push(b'"');
    let price = if market { Price(0) } else { order.price };
    write_terms([br#","px":""#, br#","sz":""#], price, order.qty, of, out);
    if order.reduce_only {
        out.extend_from_slice(br#","reduceOnly":true"#);
    }
}

/// Our id if the order is ours, else the venue's.
pub(super) fn write_id(client_id: ClientOrderId, venue_order_id: VenueOrderId, out: &mut Vec<u8>) {
    if client_id.is_some() {
        out.extend_from_slice(br#","clOrdId":""#);
        out.extend_from_slice(&client_id.encode());
    } else {
        out.extend_from_slice(br#","ordId":""#);
        out.extend_from_slice(venue_order_id.as_str().as_bytes());
    }
    out.push(b'"');
}

/// Price and quantity where they are stated. What is no number of contracts was refused before.
fn write_terms(names: [&[u8]; 2], price: Price, qty: Qty, of: &Instrument, out: &mut Vec<u8>) {
    if price.0 != 0 {
        out.extend_from_slice(names[0]);
        decimal::write_price(out, price, of.scale);
        out.push(b'"');
    }
    if let Some(contracts) = contracts::contracts(qty, of).filter(|contracts| contracts.0 != 0) {
        out.extend_from_slice(names[1]);
        decimal::write_qty(out, contracts, contracts::scale(of));
        out.push(b'"');
    }
}

/// The values of an action in the order in which a frame has them; `None` if no template serves it.
#[inline]
pub(super) fn values(action: Action<'_>, terms: &Terms<'_>, mark: Mark) -> Option<Values> {
    let scale = terms.instrument.scale;
    let id = Text::whole(mark.id);
    Some(match action {
        Action::New(order) => {
            let expires = Text::whole(expires_ms(action, terms, mark)?);
            let client_id = Text::fixed(&order.client_id.encode());
            let contracts = contracts::contracts(order.qty, terms.instrument)?;
            let count = contracts::scale(terms.instrument);
            let qty = Text::decimal(contracts.0, count.qty_decimals)?;
            if order.order_type == OrderType::Market {
                Values::new([id, expires, client_id, qty])
            } else {
                let price = Text::decimal(order.price.0, scale.price_decimals)?;
                Values::new([id, expires, client_id, price, qty])
            }
        }
        Action::Cancel(order) if order.client_id.is_some() => {
            Values::new([id, Text::fixed(&order.client_id.encode())])
        }
        Action::Cancel(_) | Action::Replace(_) => return None,
    })
}

/// Reads a frame of a private or order socket.
///
/// ```json
/// {"id":"1512","op":"order","data":[{"clOrdId":"","ordId":"12345689","tag":"",
///  "ts":"1695190491421","sCode":"0","sMsg":"","subCode":""}],"code":"0","msg":"",
///  "inTime":"1695190491421339","outTime":"1695190491423240"}
/// ```
pub(super) fn decode_frame(root: Value<'_>) -> Result<Message<'_>, DecodeError> {
    if let Some(event) = root.get("event") {
        return decode_event(root, event.str().ok_or(DecodeError::Invalid("event"))?);
    }
    if root.get("op").is_some() {
        // Zero is never a number of ours: a foreign one is then found nowhere.
        let id = root.get("id").and_then(Value::str).filter(|id| !id.is_empty());
        let id = id.map(|id| id.parse().unwrap_or(0));
        return Ok(Message::Reply { id, reply: order_reply(root)? });
    }
    let arg = root.get("arg").ok_or(DecodeError::UnknownKind)?;
    Ok(Message::Data(arg.field_str("channel")?))
}

fn decode_event<'a>(root: Value<'a>, event: &str) -> Result<Message<'a>, DecodeError> {
    match event {
        "login" => Ok(Message::Login(code(root, "code")?)),
        "subscribe" => Ok(Message::Subscribed(0)),
        "error" => {
            let code = code(root, "code")?;
            let venue_order_id = VenueOrderId::EMPTY;
            let limit = LimitState::default();
            Ok(match code {
                _ if codes::is_login(code) => Message::Login(code),
                _ if codes::is_subscription(code) => Message::Subscribed(code),
                _ => Message::Reply {
                    id: None,
                    reply: Reply { code, http: None, venue_order_id, limit },
                },
            })
        }
        "notice" if code(root, "code")? == codes::CLOSING => Ok(Message::Closing),
        // Nothing of that channel will come on this connection.
        "channel-conn-count-error" => Ok(Message::Missing),
        "channel-conn-count" | "unsubscribe" => Ok(Message::Nothing),
        _ => Err(DecodeError::UnknownKind),
    }
}

/// A code, which the venue writes as text.
fn code(object: Value<'_>, name: &'static str) -> Result<i32, DecodeError> {
    object.field_str(name)?.parse().map_err(|_| DecodeError::Invalid(name))
}

/// A reply about one order. Where its row has a code, that decides and not the request's.
pub(super) fn order_reply(root: Value<'_>) -> Result<Reply, DecodeError> {
    let row = root.get("data").and_then(|data| data.items().next());
    let stated = row.filter(|row| row.get("sCode").is_some());
    let code = match stated {
        Some(row) => code(row, "sCode")?,
        None => code(root, "code")?,
    };
    let id = row.and_then(|row| row.get("ordId")).and_then(Value::str).unwrap_or("");
    let venue_order_id = VenueOrderId::new(id).ok_or(DecodeError::Invalid("ordId"))?;
    Ok(Reply { code, http: None, venue_order_id, limit: LimitState::default() })
}

/// A reply over REST. Of a list of cancels the first that matters decides: one that finds its order
/// gone has done what it should.
pub(super) fn reply(ask: &Ask, root: Value<'_>) -> Result<Reply, DecodeError> {
    if ask.is_order() {
        return order_reply(root);
    }
    let mut whole = code(root, "code")?;
    if matches!(ask, Ask::CancelListed { .. }) && matches!(whole, 1 | 2) {
        whole = 0;
        for row in root.field("data")?.items() {
            let one = code(row, "sCode")?;
            if one != 0 && !codes::is_gone(one) {
                whole = one;
                break;
            }
        }
    }
    let venue_order_id = VenueOrderId::EMPTY;
    Ok(Reply { code: whole, http: None, venue_order_id, limit: LimitState::default() })
}

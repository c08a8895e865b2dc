//! Orders to bytes, and the venue's replies to them.
//!
//! The trade socket and REST take the same objects: only the envelope differs. An acknowledgement
//! means "accepted for processing": what became of an order, a cancel or a replace is told by the
//! private stream. Writing allocates nothing: it appends to the outbox.
//! <https://bybit-exchange.github.io/docs/v5/order/create-order>

#![forbid(unsafe_code)]

use super::super::{DecodeError, EncodeError, Value, decimal};
use super::{Product, whole, write_u64};
use crate::types::{
    CancelOrder, ClientOrderId, Instrument, NewOrder, OrderType, Price, Qty, ReplaceOrder, Side,
    TimeInForce, VenueOrderId,
};

/// One of the three things that can be done to an order.
#[derive(Clone, Copy)]
pub(super) enum Action<'a> {
    New(&'a NewOrder),
    Cancel(&'a CancelOrder),
    Replace(&'a ReplaceOrder),
}

impl Action<'_> {
    /// `op` on the trade socket.
    fn op(self) -> &'static str {
        match self {
            Self::New(_) => "order.create",
            Self::Cancel(_) => "order.cancel",
            Self::Replace(_) => "order.amend",
        }
    }

    /// Path over REST.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::New(_) => "/v5/order/create",
            Self::Cancel(_) => "/v5/order/cancel",
            Self::Replace(_) => "/v5/order/amend",
        }
    }

    /// Refuses what the venue could not express; nothing is written before this passes.
    pub(super) fn check(self) -> Result<(), EncodeError> {
        match self {
            Self::New(order) => check_new(order),
            Self::Cancel(order) => check_id(order.client_id, order.venue_order_id),
            Self::Replace(order) => {
                if order.price.0 == 0 && order.qty.0 == 0 {
                    return Err(EncodeError::NotExpressible("the replace changes nothing"));
                }
                check_id(order.client_id, order.venue_order_id)
            }
        }
    }

    /// Appends the object that both transports carry.
    pub(super) fn write(self, product: &Product, instrument: &Instrument, out: &mut Vec<u8>) {
        write_instrument(product, instrument, out);
        match self {
            Self::New(order) => write_new(order, instrument, out),
            Self::Cancel(order) => write_id(order.client_id, order.venue_order_id, out),
            Self::Replace(order) => {
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
        self,
        id: u64,
        timestamp_ms: u64,
        recv_window: &str,
        product: &Product,
        instrument: &Instrument,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(br#"{"reqId":""#);
        write_u64(out, id);
        out.extend_from_slice(br#"","header":{"X-BAPI-TIMESTAMP":""#);
        write_u64(out, timestamp_ms);
        out.extend_from_slice(br#"","X-BAPI-RECV-WINDOW":""#);
        out.extend_from_slice(recv_window.as_bytes());
        out.extend_from_slice(br#""},"op":""#);
        out.extend_from_slice(self.op().as_bytes());
        out.extend_from_slice(br#"","args":["#);
        self.write(product, instrument, out);
        out.extend_from_slice(b"]}");
    }
}

fn check_new(order: &NewOrder) -> Result<(), EncodeError> {
    let market = order.order_type == OrderType::Market;
    let refuse = |why| Err(EncodeError::NotExpressible(why));
    if order.reduce_only {
        return refuse("spot knows no reduce-only");
    }
    if order.post_only && (market || order.time_in_force != TimeInForce::Gtc) {
        return refuse("post-only is for limit orders that rest");
    }
    if order.qty.0 <= 0 {
        return refuse("the quantity is not positive");
    }
    if !market && order.price.0 <= 0 {
        return refuse("a limit order needs a positive price");
    }
    if !order.client_id.is_some() {
        return refuse("an order needs a client id");
    }
    Ok(())
}

fn check_id(client_id: ClientOrderId, venue_order_id: VenueOrderId) -> Result<(), EncodeError> {
    let id = venue_order_id.as_str();
    if !client_id.is_some() && id.is_empty() {
        return Err(EncodeError::NotExpressible("the order has no id"));
    }
    // It goes into JSON and into a query as it is.
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(EncodeError::NotExpressible("not an order id of this venue"));
    }
    Ok(())
}

/// `{"category":"spot","symbol":"BTCUSDT"`, left open.
pub(super) fn write_instrument(product: &Product, instrument: &Instrument, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"category":""#);
    out.extend_from_slice(product.category.as_bytes());
    out.extend_from_slice(br#"","symbol":""#);
    out.extend_from_slice(instrument.symbol.as_bytes());
    out.push(b'"');
}

/// A market buy's quantity would be quote units by default: `marketUnit` is always sent, and so is
/// `isLeverage`, lest an account setting borrow.
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
    out.extend_from_slice(br#"","marketUnit":"baseCoin","isLeverage":0"#);
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

/// State of the rate limit that a reply belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LimitState {
    /// Allowed per second, and left of it.
    pub(super) counts: Option<(u32, u32)>,
    /// End of the window by the venue's clock.
    pub(super) reset_ms: Option<u64>,
    /// The venue's clock when it wrote that.
    pub(super) now_ms: Option<u64>,
    /// A pause that a gateway asks for, seconds.
    pub(super) retry_s: Option<u64>,
}

impl LimitState {
    /// From header values by name.
    pub(super) fn read<'a>(header: impl Fn(&'static str) -> Option<&'a str>) -> Self {
        let number = |name| header(name).and_then(|text| text.parse().ok());
        let allowed = number("X-Bapi-Limit").and_then(|n: u64| u32::try_from(n).ok());
        let left = number("X-Bapi-Limit-Status").and_then(|n| u32::try_from(n).ok());
        Self {
            counts: allowed.zip(left),
            reset_ms: number("X-Bapi-Limit-Reset-Timestamp"),
            now_ms: number("Timenow"),
            retry_s: number("Retry-After"),
        }
    }
}

/// What a reply says, whichever way it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reply {
    pub(super) code: i32,
    /// HTTP status other than 200; the code is then its negative.
    pub(super) http: Option<u16>,
    pub(super) venue_order_id: VenueOrderId,
    pub(super) limit: LimitState,
}

/// A frame of the trade socket.
#[derive(Clone, Copy, Debug)]
pub(super) enum TradeFrame {
    Pong,
    Login { code: i32 },
    Reply { id: Option<u64>, reply: Reply },
}

/// Reads a frame of the trade socket.
///
/// ```json
/// {"reqId":"1759432560816495533","retCode":0,"retMsg":"OK","op":"order.create",
///  "data":{"orderId":"1666800494330512128","orderLinkId":"st0000000000000001"},
///  "retExtInfo":{},"header":{"X-Bapi-Limit":"20","X-Bapi-Limit-Status":"19",
///  "X-Bapi-Limit-Reset-Timestamp":"1759432560940","Timenow":"1759432560940"},"connId":".."}
/// ```
pub(super) fn decode_trade_frame(root: Value<'_>) -> Result<TradeFrame, DecodeError> {
    if super::session::is_pong(root) {
        return Ok(TradeFrame::Pong);
    }
    let code = ret_code(root)?;
    if root.get("op").and_then(Value::str) == Some("auth") {
        return Ok(TradeFrame::Login { code });
    }
    // Zero is never a number of ours: a foreign one is then found nowhere.
    let id = match root.get("reqId") {
        Some(id) if id.str() != Some("") => Some(whole(id, "reqId").unwrap_or(0)),
        _ => None,
    };
    let header = root.get("header");
    let limit = LimitState::read(|name| header.and_then(|h| h.get(name)).and_then(Value::str));
    let venue_order_id = order_id(root.get("data"))?;
    Ok(TradeFrame::Reply { id, reply: Reply { code, http: None, venue_order_id, limit } })
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

//! Commands to requests. The same parameters go over the socket and over REST.
//!
//! Prices and quantities are written exactly or the command is refused. Placing asks for the short
//! reply (`ACK`): fills come from the private stream alone, so none can be counted twice.
//! Methods: <https://developers.binance.com/docs/binance-spot-api-docs/websocket-api/trading-requests>.

#![forbid(unsafe_code)]

use super::account::Account;
use super::params::Params;
use crate::types::{
    CancelOrder, ClientOrderId, CommandKind, FillId, Instrument, InstrumentId, Nanos, NewOrder,
    OrderType, Price, Qty, ReplaceOrder, Side, TimeInForce, VenueOrderId,
};
use crate::venues::{EncodeError, Method};

/// Fills in one reply; a full reply is followed by a request for the next page.
pub(super) const FILLS_PAGE: usize = 500;

/// One kind of request, on both wires.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call {
    /// Method on the socket.
    pub(super) name: &'static str,
    /// Method and path on REST.
    pub(super) method: Method,
    pub(super) path: &'static str,
}

const fn call(name: &'static str, method: Method, path: &'static str) -> Call {
    Call { name, method, path }
}

const NEW: Call = call("order.place", Method::Post, "/api/v3/order");
const CANCEL: Call = call("order.cancel", Method::Delete, "/api/v3/order");
const REPLACE: Call =
    call("order.amend.keepPriority", Method::Put, "/api/v3/order/amend/keepPriority");
const CANCEL_ALL: Call = call("openOrders.cancelAll", Method::Delete, "/api/v3/openOrders");
const QUERY: Call = call("order.status", Method::Get, "/api/v3/order");
const OPEN_ORDERS: Call = call("openOrders.status", Method::Get, "/api/v3/openOrders");
const FILLS: Call = call("myTrades", Method::Get, "/api/v3/myTrades");
const BALANCES: Call = call("account.status", Method::Get, "/api/v3/account");
const FEE_RATE: Call = call("account.commission", Method::Get, "/api/v3/account/commission");

/// What every signed request carries.
#[derive(Clone, Copy)]
pub(super) struct Stamp {
    pub(super) recv_window_ms: u64,
    pub(super) timestamp_ms: u64,
}

/// The window of a request that names none. It is then not named: an order's text gets a whole block
/// of SHA-256 shorter. Document: "Timing security".
const RECV_WINDOW_MS: u64 = 5_000;

/// Adds the window, where it is not the venue's own.
fn recv_window(stamp: Stamp, params: &mut Params) {
    if stamp.recv_window_ms != RECV_WINDOW_MS {
        params.number("recvWindow", stamp.recv_window_ms);
    }
}

/// Writes the parameters of `command`, after [`Params::start`].
pub(super) fn encode(
    command: &CommandKind,
    account: &Account,
    stamp: Stamp,
    params: &mut Params,
) -> Result<&'static Call, EncodeError> {
    match command {
        CommandKind::New(order) => {
            new(order, instrument(account, order.instrument)?, stamp, params)
        }
        CommandKind::Cancel(order) => {
            by_id(order, instrument(account, order.instrument)?, stamp, params)?;
            Ok(&CANCEL)
        }
        CommandKind::Query(order) => {
            by_id(order, instrument(account, order.instrument)?, stamp, params)?;
            Ok(&QUERY)
        }
        CommandKind::Replace(order) => replace(order, account, stamp, params),
        CommandKind::CancelAll(id) => {
            whole(instrument(account, *id)?, stamp, params);
            Ok(&CANCEL_ALL)
        }
        CommandKind::OpenOrders(id) => {
            whole(instrument(account, *id)?, stamp, params);
            Ok(&OPEN_ORDERS)
        }
        CommandKind::FeeRate(id) => {
            whole(instrument(account, *id)?, stamp, params);
            Ok(&FEE_RATE)
        }
        CommandKind::FillsSince { instrument: id, from_id, from_ns } => {
            fills(instrument(account, *id)?, from_id, *from_ns, stamp, params)
        }
        CommandKind::Balances => {
            recv_window(stamp, params);
            params.number("timestamp", stamp.timestamp_ms);
            Ok(&BALANCES)
        }
        CommandKind::Subscribe(_)
        | CommandKind::Unsubscribe(_)
        | CommandKind::Resync(_)
        | CommandKind::FundingSince(_) => Err(EncodeError::Unsupported),
    }
}

fn instrument(account: &Account, id: InstrumentId) -> Result<&Instrument, EncodeError> {
    let instrument = account.instruments.get(id).filter(|known| known.venue == account.venue);
    instrument.ok_or(EncodeError::UnknownInstrument)
}

/// `LIMIT`, `LIMIT_MAKER` for post-only, or `MARKET`; only the first has a time in force.
fn new(
    order: &NewOrder,
    instrument: &Instrument,
    stamp: Stamp,
    params: &mut Params,
) -> Result<&'static Call, EncodeError> {
    check(order, instrument)?;
    let limit = order.order_type == OrderType::Limit;
    params.client_id("newClientOrderId", order.client_id);
    params.text("newOrderRespType", "ACK");
    if limit {
        params.price("price", order.price, instrument.scale);
    }
    params.qty("quantity", order.qty, instrument.scale);
    recv_window(stamp, params);
    params.text("side", side(order.side));
    params.text("symbol", &instrument.symbol);
    if limit && !order.post_only {
        params.text("timeInForce", time_in_force(order.time_in_force));
    }
    params.number("timestamp", stamp.timestamp_ms);
    params.text(
        "type",
        match (limit, order.post_only) {
            (false, _) => "MARKET",
            (true, false) => "LIMIT",
            (true, true) => "LIMIT_MAKER",
        },
    );
    Ok(&NEW)
}

/// Refuses what the venue could not express or would not take.
pub(super) fn check(order: &NewOrder, instrument: &Instrument) -> Result<(), EncodeError> {
    let refuse = |why| Err(EncodeError::NotExpressible(why));
    let rules = &instrument.rules;
    if !order.client_id.is_some() {
        return refuse("the order has no client id");
    }
    if order.reduce_only {
        return refuse("spot orders cannot be reduce-only");
    }
    if order.qty <= Qty::ZERO || off_step(order.qty.0, rules.lot_size.0) {
        return refuse("the quantity is not a positive multiple of the lot size");
    }
    if order.order_type == OrderType::Market {
        return if order.post_only { refuse("a market order cannot be post-only") } else { Ok(()) };
    }
    if order.price <= Price(0) || off_step(order.price.0, rules.tick_size.0) {
        return refuse("the price is not a positive multiple of the tick size");
    }
    if order.post_only && order.time_in_force != TimeInForce::Gtc {
        return refuse("a post-only order works until cancelled");
    }
    Ok(())
}

/// A step of 0 is none.
fn off_step(value: i64, step: i64) -> bool {
    step > 0 && value % step != 0
}

/// The venue's id is the faster way; a client id serves as long as it is not known.
fn id_params(
    client_id: ClientOrderId,
    venue_order_id: &VenueOrderId,
    params: &mut Params,
) -> Result<(), EncodeError> {
    if venue_order_id.is_empty() {
        if !client_id.is_some() {
            return Err(EncodeError::NotExpressible("the order has no id"));
        }
        params.client_id("origClientOrderId", client_id);
        return Ok(());
    }
    let number = venue_order_id.as_str().parse();
    let number = number.map_err(|_| EncodeError::NotExpressible("the venue's id is no number"))?;
    params.number("orderId", number);
    Ok(())
}

fn by_id(
    order: &CancelOrder,
    instrument: &Instrument,
    stamp: Stamp,
    params: &mut Params,
) -> Result<(), EncodeError> {
    id_params(order.client_id, &order.venue_order_id, params)?;
    whole(instrument, stamp, params);
    Ok(())
}

/// The amendment keeps the order's place in the queue and can only make it smaller. The client id
/// is sent again because the venue would otherwise give the amended order a new one.
fn replace(
    order: &ReplaceOrder,
    account: &Account,
    stamp: Stamp,
    params: &mut Params,
) -> Result<&'static Call, EncodeError> {
    let refuse = |why| Err(EncodeError::NotExpressible(why));
    let instrument = instrument(account, order.instrument)?;
    let Some(terms) = account.terms(order.client_id) else {
        return refuse("the order's working price and quantity are not known");
    };
    if order.price != terms.price {
        return refuse("the price of an order cannot be changed");
    }
    if order.qty >= terms.qty {
        return refuse("the quantity of an order can only be made smaller");
    }
    if order.qty <= Qty::ZERO || off_step(order.qty.0, instrument.rules.lot_size.0) {
        return refuse("the quantity is not a positive multiple of the lot size");
    }
    params.client_id("newClientOrderId", order.client_id);
    params.qty("newQty", order.qty, instrument.scale);
    id_params(order.client_id, &order.venue_order_id, params)?;
    whole(instrument, stamp, params);
    Ok(&REPLACE)
}

/// Requests that name a symbol and nothing else.
fn whole(instrument: &Instrument, stamp: Stamp, params: &mut Params) {
    recv_window(stamp, params);
    params.text("symbol", &instrument.symbol);
    params.number("timestamp", stamp.timestamp_ms);
}

fn fills(
    instrument: &Instrument,
    from_id: &FillId,
    from_ns: Nanos,
    stamp: Stamp,
    params: &mut Params,
) -> Result<&'static Call, EncodeError> {
    let by_time = from_id.is_empty() && from_ns.0 > 0;
    if by_time && let Some(end_ms) = fills_end(from_ns, stamp.timestamp_ms) {
        params.number("endTime", end_ms);
    }
    if !by_time {
        let from = if from_id.is_empty() { Ok(0) } else { from_id.as_str().parse() };
        let from = from.map_err(|_| EncodeError::NotExpressible("the fill id is no number"))?;
        params.number("fromId", from);
    }
    params.number("limit", FILLS_PAGE as u64);
    recv_window(stamp, params);
    if by_time {
        params.number("startTime", from_ns.as_millis());
    }
    params.text("symbol", &instrument.symbol);
    params.number("timestamp", stamp.timestamp_ms);
    Ok(&FILLS)
}

/// A list by time covers a day at most: where it must end if it begins longer ago than that.
pub(super) fn fills_end(from_ns: Nanos, now_ms: u64) -> Option<u64> {
    const DAY_MS: u64 = 86_400_000;
    let end_ms = from_ns.as_millis().saturating_add(DAY_MS);
    (end_ms < now_ms).then_some(end_ms)
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

fn time_in_force(time_in_force: TimeInForce) -> &'static str {
    match time_in_force {
        TimeInForce::Gtc => "GTC",
        TimeInForce::Ioc => "IOC",
        TimeInForce::Fok => "FOK",
    }
}

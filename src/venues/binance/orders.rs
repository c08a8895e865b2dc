//! Commands to requests, and the requests of the connector's own. The same parameters go over the
//! socket and over REST.
//!
//! Prices and quantities are written exactly or the command is refused. Placing asks for the short
//! reply (`ACK`): fills come from the private stream alone, so none can be counted twice.
//! Methods: <https://developers.binance.com/docs/binance-spot-api-docs/websocket-api/trading-requests>
//! and <https://developers.binance.com/docs/derivatives/usds-margined-futures/trade/websocket-api>.

#![forbid(unsafe_code)]

use super::account::{Account, Terms};
use super::calls::{self, Call};
use super::margin;
use super::params::Params;
use super::pending::Asked;
use super::streams::Product;
use crate::types::{
    CancelOrder, ClientOrderId, CommandKind, FillId, Instrument, InstrumentId, Nanos, NewOrder,
    OrderType, Price, Qty, ReplaceOrder, Side, TimeInForce, VenueOrderId,
};
use crate::venues::EncodeError;

/// Fills in one reply; a full reply is followed by a request for the next page.
pub(super) const FILLS_PAGE: usize = 500;
/// Payments in one reply, as many as the venue gives.
pub(super) const FUNDING_PAGE: usize = 1000;

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
    let product = account.product;
    let call = calls::of(product).of(command).ok_or(EncodeError::Unsupported)?;
    match command {
        CommandKind::New(order) => {
            new(order, instrument(account, order.instrument)?, product, stamp, params)?;
        }
        CommandKind::Cancel(order) | CommandKind::Query(order) => {
            by_id(order, instrument(account, order.instrument)?, stamp, params)?;
        }
        CommandKind::Replace(order) => match product {
            Product::Spot => amend(order, account, stamp, params)?,
            Product::UsdM => modify(order, account, stamp, params)?,
        },
        CommandKind::CancelAll(id) | CommandKind::OpenOrders(id) | CommandKind::FeeRate(id) => {
            whole(instrument(account, *id)?, stamp, params);
        }
        CommandKind::FillsSince { instrument: id, from_id, from_ns } => {
            let range = (from_id, *from_ns, product);
            fills(instrument(account, *id)?, range, stamp, params)?;
        }
        CommandKind::Balances => time(stamp, params),
        CommandKind::FundingSince(from) => funding(*from, stamp, params),
        CommandKind::Subscribe(_) | CommandKind::Unsubscribe(_) | CommandKind::Resync(_) => {
            return Err(EncodeError::Unsupported);
        }
    }
    Ok(call)
}

/// The same for what the connector asks by itself; none if that is not signed so.
pub(super) fn encode_own(
    asked: &Asked,
    account: &Account,
    stamp: Stamp,
    params: &mut Params,
) -> Option<&'static Call> {
    let call = match *asked {
        Asked::AccountConfig => &calls::ACCOUNT_CONFIG,
        Asked::SymbolConfig => &calls::SYMBOL_CONFIG,
        Asked::Wallets => &calls::WALLETS,
        Asked::Payments(from) => {
            funding(from, stamp, params);
            return calls::of(account.product).of(&CommandKind::FundingSince(from));
        }
        Asked::StopOrders(id) => {
            whole(instrument(account, id).ok()?, stamp, params);
            return Some(&calls::STOP_ORDERS);
        }
        Asked::DeadMan(id, window_ms) => {
            params.number("countdownTime", window_ms);
            whole(instrument(account, id).ok()?, stamp, params);
            return Some(&calls::DEAD_MAN);
        }
        Asked::MarginType(id, mode) => {
            params.text("marginType", margin::margin_type(mode));
            whole(instrument(account, id).ok()?, stamp, params);
            return Some(&calls::MARGIN_TYPE);
        }
        Asked::Leverage(id, times) => {
            params.number("leverage", times.into());
            whole(instrument(account, id).ok()?, stamp, params);
            return Some(&calls::LEVERAGE);
        }
        _ => return None,
    };
    time(stamp, params);
    Some(call)
}

fn instrument(account: &Account, id: InstrumentId) -> Result<&Instrument, EncodeError> {
    let instrument = account.instruments.get(id).filter(|known| known.venue == account.venue);
    instrument.ok_or(EncodeError::UnknownInstrument)
}

/// `LIMIT` or `MARKET`; only the first has a time in force. Post-only is a type of spot
/// (`LIMIT_MAKER`) and a time in force of futures (`GTX`), which also name the position that they
/// are about: the only one there is.
fn new(
    order: &NewOrder,
    instrument: &Instrument,
    product: Product,
    stamp: Stamp,
    params: &mut Params,
) -> Result<(), EncodeError> {
    check(order, instrument, product)?;
    let (limit, futures) = (order.order_type == OrderType::Limit, product == Product::UsdM);
    params.client_id("newClientOrderId", order.client_id);
    params.text("newOrderRespType", "ACK");
    if futures {
        params.text("positionSide", "BOTH");
    }
    if limit {
        params.price("price", order.price, instrument.scale);
    }
    params.qty("quantity", order.qty, instrument.scale);
    recv_window(stamp, params);
    if order.reduce_only {
        params.text("reduceOnly", "true");
    }
    params.text("side", side(order.side));
    params.text("symbol", &instrument.symbol);
    if limit && (futures || !order.post_only) {
        params.text("timeInForce", time_in_force(order));
    }
    params.number("timestamp", stamp.timestamp_ms);
    params.text(
        "type",
        match (limit, order.post_only && !futures) {
            (false, _) => "MARKET",
            (true, false) => "LIMIT",
            (true, true) => "LIMIT_MAKER",
        },
    );
    Ok(())
}

/// Refuses what the venue could not express or would not take.
pub(super) fn check(
    order: &NewOrder,
    instrument: &Instrument,
    product: Product,
) -> Result<(), EncodeError> {
    let refuse = |why| Err(EncodeError::NotExpressible(why));
    let rules = &instrument.rules;
    if !order.client_id.is_some() {
        return refuse("the order has no client id");
    }
    if order.reduce_only && product == Product::Spot {
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
fn amend(
    order: &ReplaceOrder,
    account: &Account,
    stamp: Stamp,
    params: &mut Params,
) -> Result<(), EncodeError> {
    let refuse = |why| Err(EncodeError::NotExpressible(why));
    let instrument = instrument(account, order.instrument)?;
    let terms = terms(order, account)?;
    if order.price != terms.price {
        return refuse("the price of an order cannot be changed");
    }
    if order.qty >= terms.qty {
        return refuse("the quantity of an order can only be made smaller");
    }
    check_qty(order, instrument)?;
    params.client_id("newClientOrderId", order.client_id);
    params.qty("newQty", order.qty, instrument.scale);
    id_params(order.client_id, &order.venue_order_id, params)?;
    whole(instrument, stamp, params);
    Ok(())
}

/// Price and quantity are both sent, changed or not; the order loses its place in the queue.
fn modify(
    order: &ReplaceOrder,
    account: &Account,
    stamp: Stamp,
    params: &mut Params,
) -> Result<(), EncodeError> {
    let refuse = |why| Err(EncodeError::NotExpressible(why));
    let instrument = instrument(account, order.instrument)?;
    let terms = terms(order, account)?;
    check_qty(order, instrument)?;
    if order.price <= Price(0) || off_step(order.price.0, instrument.rules.tick_size.0) {
        return refuse("the price is not a positive multiple of the tick size");
    }
    if (order.price, order.qty) == (terms.price, terms.qty) {
        return refuse("the order has these terms already");
    }
    id_params(order.client_id, &order.venue_order_id, params)?;
    params.price("price", order.price, instrument.scale);
    params.qty("quantity", order.qty, instrument.scale);
    recv_window(stamp, params);
    params.text("side", side(terms.side));
    params.text("symbol", &instrument.symbol);
    params.number("timestamp", stamp.timestamp_ms);
    Ok(())
}

fn terms(order: &ReplaceOrder, account: &Account) -> Result<Terms, EncodeError> {
    let unknown = "the order's working price and quantity are not known";
    account.terms(order.client_id).ok_or(EncodeError::NotExpressible(unknown))
}

fn check_qty(order: &ReplaceOrder, instrument: &Instrument) -> Result<(), EncodeError> {
    if order.qty <= Qty::ZERO || off_step(order.qty.0, instrument.rules.lot_size.0) {
        let why = "the quantity is not a positive multiple of the lot size";
        return Err(EncodeError::NotExpressible(why));
    }
    Ok(())
}

/// Requests that name a symbol and nothing else.
fn whole(instrument: &Instrument, stamp: Stamp, params: &mut Params) {
    recv_window(stamp, params);
    params.text("symbol", &instrument.symbol);
    params.number("timestamp", stamp.timestamp_ms);
}

/// Requests that name nothing.
fn time(stamp: Stamp, params: &mut Params) {
    recv_window(stamp, params);
    params.number("timestamp", stamp.timestamp_ms);
}

/// Payments of funding of all symbols.
fn funding(from: Nanos, stamp: Stamp, params: &mut Params) {
    params.text("incomeType", "FUNDING_FEE");
    params.number("limit", FUNDING_PAGE as u64);
    recv_window(stamp, params);
    params.number("startTime", from.as_millis());
    params.number("timestamp", stamp.timestamp_ms);
}

fn fills(
    instrument: &Instrument,
    (from_id, from_ns, product): (&FillId, Nanos, Product),
    stamp: Stamp,
    params: &mut Params,
) -> Result<(), EncodeError> {
    let by_time = from_id.is_empty() && from_ns.0 > 0;
    if by_time && let Some(end_ms) = fills_end(from_ns, stamp.timestamp_ms, product) {
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
    Ok(())
}

/// A list by time covers a day at most, of futures a week: where it must end if it begins longer
/// ago than that.
pub(super) fn fills_end(from_ns: Nanos, now_ms: u64, product: Product) -> Option<u64> {
    const DAY_MS: u64 = 86_400_000;
    let days = if product == Product::Spot { 1 } else { 7 };
    let end_ms = from_ns.as_millis().saturating_add(days * DAY_MS);
    (end_ms < now_ms).then_some(end_ms)
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

/// Only futures have post-only orders with a time in force.
fn time_in_force(order: &NewOrder) -> &'static str {
    match order.time_in_force {
        _ if order.post_only => "GTX",
        TimeInForce::Gtc => "GTC",
        TimeInForce::Ioc => "IOC",
        TimeInForce::Fok => "FOK",
    }
}

//! Orders, fills, payments and levels as the venue writes them. Numbers are texts with a decimal.

#![forbid(unsafe_code)]

use super::super::json::{Object, array};
use super::assets::{amount, token_name};
use super::records::{Filled, Record, cloid};
use crate::sim::{SimFunding, SimLevel, SimOrder, SimOrderType};
use crate::types::{Side, TimeInForce};

/// `B` buys, `A` sells.
pub(super) fn side(side: Side) -> &'static str {
    if side == Side::Buy { "B" } else { "A" }
}

/// Number of a trade, 50 bits; unique with its coin and time only.
pub(super) fn trade_number(coin: &str, trade_id: u64) -> u64 {
    let seed = coin.bytes().fold(trade_id, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23)
    });
    seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 14
}

/// Hash of the transaction of a trade; the venue's own have none.
pub(super) fn trade_hash(number: u64) -> String {
    format!("0x{number:064x}")
}

/// An order in `orderUpdates`.
pub(super) fn order(order: &SimOrder) -> String {
    let row = Object::new()
        .text("coin", &order.request.symbol)
        .text("side", side(order.request.side))
        .text("limitPx", &amount(order.request.price))
        .text("sz", &amount(order.leaves()))
        .number("oid", order.order_id)
        .number("timestamp", order.created_ms)
        .text("origSz", &amount(order.request.qty));
    match cloid(&order.request.client_id) {
        Some(cloid) => row.text("cloid", cloid).done(),
        None => row.done(),
    }
}

/// An order in `openOrders`.
pub(super) fn open_order(order: &SimOrder) -> String {
    let row = Object::new()
        .text("coin", &order.request.symbol)
        .text("limitPx", &amount(order.request.price))
        .number("oid", order.order_id)
        .text("side", side(order.request.side))
        .text("sz", &amount(order.leaves()))
        .number("timestamp", order.created_ms)
        .text("origSz", &amount(order.request.qty));
    match cloid(&order.request.client_id) {
        Some(cloid) => row.text("cloid", cloid).done(),
        None => row.done(),
    }
}

/// An order with everything.
pub(super) fn whole_order(order: &SimOrder) -> String {
    let request = &order.request;
    let tif = match (request.order_type, request.time_in_force) {
        (SimOrderType::PostOnly, _) => "Alo",
        (_, TimeInForce::Ioc) => "Ioc",
        _ => "Gtc",
    };
    let row = Object::new()
        .text("coin", &request.symbol)
        .text("side", side(request.side))
        .text("limitPx", &amount(request.price))
        .text("sz", &amount(order.leaves()))
        .number("oid", order.order_id)
        .number("timestamp", order.created_ms)
        .text("triggerCondition", "N/A")
        .flag("isTrigger", false)
        .text("triggerPx", "0.0")
        .raw("children", "[]")
        .flag("isPositionTpsl", false)
        .flag("reduceOnly", request.reduce_only)
        .text("orderType", "Limit")
        .text("origSz", &amount(request.qty))
        .text("tif", tif);
    match cloid(&request.client_id) {
        Some(cloid) => row.text("cloid", cloid).done(),
        None => row.raw("cloid", "null").done(),
    }
}

/// An order and its state: `order` is how it is written.
pub(super) fn with_status(order: &str, status: &str, time_ms: u64) -> String {
    Object::new()
        .raw("order", order)
        .text("status", status)
        .number("statusTimestamp", time_ms)
        .done()
}

/// A row of `historicalOrders`.
pub(super) fn history(record: &Record) -> String {
    with_status(&whole_order(&record.order), record.status, record.order.updated_ms)
}

/// A fill.
pub(super) fn fill(filled: &Filled) -> String {
    let fill = &filled.fill;
    let number = trade_number(&fill.symbol, fill.trade_id);
    let mut row = Object::new()
        .text("coin", &fill.symbol)
        .text("px", &amount(fill.price))
        .text("sz", &amount(fill.qty))
        .text("side", side(fill.side))
        .number("time", fill.time_ms)
        .text("startPosition", &amount(filled.start))
        .text("dir", filled.direction())
        .text("closedPnl", &amount(fill.realised))
        .text("hash", &trade_hash(number))
        .number("oid", fill.order_id)
        .flag("crossed", !fill.maker)
        .text("fee", &amount(fill.fee))
        .number("tid", number);
    if let Some(cloid) = cloid(&fill.client_id) {
        row = row.text("cloid", cloid);
    }
    if let Some(liquidation) = filled.liquidation {
        let object = Object::new()
            .text("liquidatedUser", &liquidation.user.to_string())
            .text("markPx", &amount(liquidation.mark))
            .text("method", "market");
        row = row.raw("liquidation", &object.done());
    }
    row.text("feeToken", token_name(&fill.fee_asset)).raw("twapId", "null").done()
}

/// What was paid, inside `userEvents` and `userFundings`.
fn funding_members(row: Object, funding: &SimFunding) -> Object {
    row.text("coin", &funding.symbol)
        .text("usdc", &amount(funding.amount))
        .text("szi", &amount(funding.qty))
        .text("fundingRate", &amount(funding.rate))
        .raw("nSamples", "null")
}

/// A payment of funding in the streams.
pub(super) fn funding(funding: &SimFunding) -> String {
    funding_members(Object::new().number("time", funding.time_ms), funding).done()
}

/// A row of `userFunding`.
pub(super) fn funding_row(funding: &SimFunding) -> String {
    let delta = funding_members(Object::new().text("type", "funding"), funding).done();
    Object::new()
        .number("time", funding.time_ms)
        .text("hash", &trade_hash(0))
        .raw("delta", &delta)
        .done()
}

/// A level of a book. Of how many orders it is made is not known: one.
pub(super) fn level((price, qty): &SimLevel) -> String {
    Object::new().text("px", &amount(*price)).text("sz", &amount(*qty)).number("n", 1).done()
}

/// Both sides of a book.
pub(super) fn levels(bids: &[SimLevel], asks: &[SimLevel]) -> String {
    array([array(bids.iter().map(level)), array(asks.iter().map(level))])
}

//! Orders and fills of perpetuals as the venue's replies show them.

use super::super::json::Obj;
use super::super::replies::side;
use crate::sim::{Cause, SimFill, SimOrder, SimOrderState, SimOrderType, SymbolRules};
use crate::types::{Side, TimeInForce};
use rust_decimal::Decimal;

pub(super) fn order_type(order: &SimOrder) -> &'static str {
    match order.request.order_type {
        SimOrderType::Limit | SimOrderType::PostOnly => "LIMIT",
        SimOrderType::Market | SimOrderType::MarketQuote => "MARKET",
    }
}

pub(super) fn time_in_force(order: &SimOrder) -> &'static str {
    match (order.request.order_type, order.request.time_in_force) {
        (SimOrderType::PostOnly, _) => "GTX",
        (SimOrderType::Limit, TimeInForce::Ioc) => "IOC",
        (SimOrderType::Limit, TimeInForce::Fok) => "FOK",
        _ => "GTC",
    }
}

/// What the venue ends by itself has expired.
pub(super) fn status(order: &SimOrder) -> &'static str {
    match order.state {
        SimOrderState::New => "NEW",
        SimOrderState::PartiallyFilled => "PARTIALLY_FILLED",
        SimOrderState::Filled => "FILLED",
        SimOrderState::Canceled if order.cause == Cause::None => "CANCELED",
        SimOrderState::Canceled | SimOrderState::Expired => "EXPIRED",
        SimOrderState::Rejected => "REJECTED",
    }
}

/// The members that every reply ends with.
fn tail(object: Obj, order: &SimOrder, stp: &str) -> Obj {
    object
        .text("workingType", "CONTRACT_PRICE")
        .raw("priceProtect", false)
        .text("priceMatch", "NONE")
        .text("selfTradePreventionMode", stp)
        .raw("goodTillDate", 0)
        .raw("updateTime", order.updated_ms)
}

fn terms(object: Obj, order: &SimOrder) -> Obj {
    object
        .text("timeInForce", time_in_force(order))
        .text("type", order_type(order))
        .text("origType", order_type(order))
        .raw("reduceOnly", order.request.reduce_only)
        .raw("closePosition", false)
        .text("side", side(order.request.side))
        .text("positionSide", "BOTH")
        .text("stopPrice", "0")
}

/// Reply to a new order: with `result` what came of it, else only that it was taken.
pub(super) fn placed(order: &SimOrder, result: bool, stp: &str) -> String {
    let filled = if result { order.filled } else { Decimal::ZERO };
    let object = Obj::new()
        .raw("orderId", order.order_id)
        .text("symbol", &order.request.symbol)
        .text("status", if result { status(order) } else { "NEW" })
        .text("clientOrderId", &order.request.client_id)
        .num("price", order.request.price)
        .num("origQty", order.request.qty)
        .num("executedQty", filled)
        .num("cumQty", filled);
    tail(terms(object, order), order, stp).end()
}

/// Reply to a modification.
pub(super) fn modified(order: &SimOrder, modify_id: u64, stp: &str) -> String {
    let object = Obj::new()
        .raw("orderId", order.order_id)
        .text("symbol", &order.request.symbol)
        .text("status", status(order))
        .text("clientOrderId", &order.request.client_id)
        .raw("modifyId", modify_id)
        .num("price", order.request.price)
        .num("origQty", order.request.qty)
        .num("executedQty", order.filled)
        .num("cumQty", order.filled);
    tail(terms(object, order), order, stp).end()
}

/// Reply to a cancel; the client id stays the order's own.
pub(super) fn cancelled(order: &SimOrder, stp: &str) -> String {
    let object = Obj::new()
        .text("clientOrderId", &order.request.client_id)
        .num("cumQty", order.filled)
        .num("executedQty", order.filled)
        .raw("orderId", order.order_id)
        .num("origQty", order.request.qty)
        .num("price", order.request.price)
        .text("status", status(order))
        .text("symbol", &order.request.symbol);
    tail(terms(object, order), order, stp).end()
}

/// An order as queries show it.
pub(super) fn queried(order: &SimOrder, stp: &str) -> String {
    let object = Obj::new()
        .amount("avgPrice", order.average_price())
        .text("clientOrderId", &order.request.client_id)
        .num("cumQuote", order.filled_quote)
        .num("cumBase", order.filled)
        .num("executedQty", order.filled)
        .raw("orderId", order.order_id)
        .num("origQty", order.request.qty)
        .num("price", order.request.price)
        .text("status", status(order))
        .text("symbol", &order.request.symbol)
        .text("pair", &order.request.symbol)
        .raw("time", order.created_ms);
    tail(terms(object, order), order, stp).end()
}

/// A fill as `userTrades` shows it.
pub(super) fn trade(fill: &SimFill, rules: &SymbolRules) -> String {
    let settle = rules.perpetual.as_ref().map_or(&*rules.quote, |perpetual| &perpetual.settle);
    Obj::new()
        .raw("buyer", fill.side == Side::Buy)
        .dec("commission", fill.fee)
        .text("commissionAsset", &fill.fee_asset)
        .raw("id", fill.trade_id)
        .raw("maker", fill.maker)
        .raw("orderId", fill.order_id)
        .num("price", fill.price)
        .num("qty", fill.qty)
        .num("quoteQty", fill.price * fill.qty)
        .num("baseQty", fill.qty)
        .text("marginAsset", settle)
        .dec("realizedPnl", fill.realised)
        .text("side", side(fill.side))
        .text("positionSide", "BOTH")
        .text("symbol", &fill.symbol)
        .text("pair", &fill.symbol)
        .raw("time", fill.time_ms)
        .end()
}

//! Orders, fills and balances as the venue's replies show them.

use super::json::{Obj, list};
use crate::sim::{SimFill, SimOrder, SimOrderState, SimOrderType};
use crate::types::{Side, TimeInForce};
use rust_decimal::Decimal;

/// How much a reply to a new order says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    Ack,
    Result,
    Full,
}

pub(super) fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

pub(super) fn order_type(order: &SimOrder) -> &'static str {
    match order.request.order_type {
        SimOrderType::Limit => "LIMIT",
        SimOrderType::PostOnly => "LIMIT_MAKER",
        SimOrderType::Market | SimOrderType::MarketQuote => "MARKET",
    }
}

pub(super) fn time_in_force(order: &SimOrder) -> &'static str {
    match (order.request.order_type, order.request.time_in_force) {
        (SimOrderType::Limit, TimeInForce::Ioc) => "IOC",
        (SimOrderType::Limit, TimeInForce::Fok) => "FOK",
        _ => "GTC",
    }
}

pub(super) fn status(state: SimOrderState) -> &'static str {
    match state {
        SimOrderState::New => "NEW",
        SimOrderState::PartiallyFilled => "PARTIALLY_FILLED",
        SimOrderState::Filled => "FILLED",
        SimOrderState::Canceled => "CANCELED",
        SimOrderState::Expired => "EXPIRED",
        SimOrderState::Rejected => "REJECTED",
    }
}

/// Why an order expired.
pub(super) fn expiry_reason(order: &SimOrder) -> &'static str {
    match (order.request.order_type, order.request.time_in_force) {
        (SimOrderType::Limit, TimeInForce::Ioc) => "UNFILLED_IOC_QUANTITY_EXPIRED",
        (SimOrderType::Limit, TimeInForce::Fok) => "UNFILLED_FOK_ORDER_EXPIRED",
        (SimOrderType::Market | SimOrderType::MarketQuote, _) => "INSUFFICIENT_LIQUIDITY",
        _ => "EXCHANGE_CANCELED",
    }
}

/// Base quantity of the order and its quote quantity: the first is what was filled where the order
/// was given in quote.
pub(super) fn quantities(order: &SimOrder) -> (Decimal, Decimal) {
    match order.request.order_type {
        SimOrderType::MarketQuote => (order.filled, order.request.qty),
        _ => (order.request.qty, Decimal::ZERO),
    }
}

/// Reply to a new order.
pub(super) fn placed(order: &SimOrder, detail: Detail, fills: &[&SimFill], stp: &str) -> String {
    let head = Obj::new()
        .text("symbol", &order.request.symbol)
        .raw("orderId", order.order_id)
        .raw("orderListId", -1)
        .text("clientOrderId", &order.request.client_id)
        .raw("transactTime", order.updated_ms);
    if detail == Detail::Ack {
        return head.end();
    }
    let mut object = amounts(head, order)
        .raw("workingTime", order.created_ms)
        .text("selfTradePreventionMode", stp);
    if order.state == SimOrderState::Expired {
        object = object.text("expiryReason", expiry_reason(order));
    }
    if detail == Detail::Full {
        object = object.raw("fills", list(fills.iter().map(|fill| fill_of_order(fill))));
    }
    object.end()
}

fn amounts(object: Obj, order: &SimOrder) -> Obj {
    let (qty, quote_qty) = quantities(order);
    object
        .dec("price", order.request.price)
        .dec("origQty", qty)
        .dec("executedQty", order.filled)
        .dec("origQuoteOrderQty", quote_qty)
        .dec("cummulativeQuoteQty", order.filled_quote)
        .text("status", status(order.state))
        .text("timeInForce", time_in_force(order))
        .text("type", order_type(order))
        .text("side", side(order.request.side))
}

fn fill_of_order(fill: &SimFill) -> String {
    Obj::new()
        .dec("price", fill.price)
        .dec("qty", fill.qty)
        .dec("commission", fill.fee)
        .text("commissionAsset", &fill.fee_asset)
        .raw("tradeId", fill.trade_id)
        .end()
}

/// Reply to a cancel: `clientOrderId` names the cancel.
pub(super) fn cancelled(order: &SimOrder, client_id: &str, cancel_id: &str, stp: &str) -> String {
    let head = Obj::new()
        .text("symbol", &order.request.symbol)
        .text("origClientOrderId", client_id)
        .raw("orderId", order.order_id)
        .raw("orderListId", -1)
        .text("clientOrderId", cancel_id)
        .raw("transactTime", order.updated_ms);
    amounts(head, order).text("selfTradePreventionMode", stp).end()
}

/// An order as queries show it.
pub(super) fn queried(order: &SimOrder, client_id: &str, stp: &str) -> String {
    let (qty, quote_qty) = quantities(order);
    let object = Obj::new()
        .text("symbol", &order.request.symbol)
        .raw("orderId", order.order_id)
        .raw("orderListId", -1)
        .text("clientOrderId", client_id)
        .dec("price", order.request.price)
        .dec("origQty", qty)
        .dec("executedQty", order.filled)
        .dec("cummulativeQuoteQty", order.filled_quote)
        .text("status", status(order.state))
        .text("timeInForce", time_in_force(order))
        .text("type", order_type(order))
        .text("side", side(order.request.side))
        .dec("stopPrice", Decimal::ZERO)
        .dec("icebergQty", Decimal::ZERO)
        .raw("time", order.created_ms)
        .raw("updateTime", order.updated_ms)
        .raw("isWorking", true)
        .raw("workingTime", order.created_ms)
        .dec("origQuoteOrderQty", quote_qty)
        .text("selfTradePreventionMode", stp);
    if order.state == SimOrderState::Expired {
        return object.text("expiryReason", expiry_reason(order)).end();
    }
    object.end()
}

/// Reply to an amendment: other spellings than everywhere else (`qty`, `cumulativeQuoteQty`).
pub(super) fn amended(
    order: &SimOrder,
    (old_id, new_id): (&str, &str),
    execution: u64,
    stp: &str,
) -> String {
    let amended = Obj::new()
        .text("symbol", &order.request.symbol)
        .raw("orderId", order.order_id)
        .raw("orderListId", -1)
        .text("origClientOrderId", old_id)
        .text("clientOrderId", new_id)
        .dec("price", order.request.price)
        .dec("qty", order.request.qty)
        .dec("executedQty", order.filled)
        .dec("preventedQty", Decimal::ZERO)
        .dec("quoteOrderQty", Decimal::ZERO)
        .dec("cumulativeQuoteQty", order.filled_quote)
        .text("status", status(order.state))
        .text("timeInForce", time_in_force(order))
        .text("type", order_type(order))
        .text("side", side(order.request.side))
        .raw("workingTime", order.created_ms)
        .text("selfTradePreventionMode", stp)
        .end();
    Obj::new()
        .raw("transactTime", order.updated_ms)
        .raw("executionId", execution)
        .raw("amendedOrder", amended)
        .end()
}

/// A fill as `myTrades` shows it.
pub(super) fn trade(fill: &SimFill) -> String {
    Obj::new()
        .text("symbol", &fill.symbol)
        .raw("id", fill.trade_id)
        .raw("orderId", fill.order_id)
        .raw("orderListId", -1)
        .dec("price", fill.price)
        .dec("qty", fill.qty)
        .dec("quoteQty", fill.price * fill.qty)
        .dec("commission", fill.fee)
        .text("commissionAsset", &fill.fee_asset)
        .raw("time", fill.time_ms)
        .raw("isBuyer", fill.side == Side::Buy)
        .raw("isMaker", fill.maker)
        .raw("isBestMatch", true)
        .end()
}

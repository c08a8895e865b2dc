//! Rows of orders and executions as the venue writes them.
//!
//! Field order follows recorded frames; fields that belong to derivatives stay empty for spot.

use super::category::{Category, wire_symbol};
use super::json::{Object, decimal};
use super::records::{Execution, Record};
use crate::sim::{Cause, SimOrder, SimOrderState, SimOrderType};
use crate::types::{Side, TimeInForce};
use rust_decimal::Decimal;

/// Decimals of an average price.
const AVERAGE_DECIMALS: u32 = 8;

pub(super) fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "Buy",
        Side::Sell => "Sell",
    }
}

/// What is left of a market order sized in quote once no further lot can be bought.
fn quote_left(order: &SimOrder) -> Decimal {
    order.request.qty - order.filled_quote
}

/// A market order sized in quote is complete with less than a lot's value over; spot says
/// `PartiallyFilledCanceled` of it.
fn leaves_change(order: &SimOrder) -> bool {
    order.state == SimOrderState::Filled
        && order.request.order_type == SimOrderType::MarketQuote
        && quote_left(order) > Decimal::ZERO
}

pub(super) fn status(order: &SimOrder) -> &'static str {
    let linear = Category::of(&order.request.symbol) == Category::Linear;
    match order.state {
        // One word for everything that ended unfilled or half filled, refused makers included.
        SimOrderState::Canceled | SimOrderState::Expired | SimOrderState::Rejected if linear => {
            "Cancelled"
        }
        SimOrderState::New => "New",
        SimOrderState::PartiallyFilled => "PartiallyFilled",
        SimOrderState::Filled if leaves_change(order) => "PartiallyFilledCanceled",
        SimOrderState::Filled => "Filled",
        SimOrderState::Canceled | SimOrderState::Expired if order.filled.is_zero() => "Cancelled",
        SimOrderState::Canceled | SimOrderState::Expired => "PartiallyFilledCanceled",
        SimOrderState::Rejected => "Rejected",
    }
}

fn reject_reason(order: &SimOrder) -> &'static str {
    let request = &order.request;
    match order.state {
        SimOrderState::Canceled => "EC_PerCancelRequest",
        SimOrderState::Rejected => "EC_PostOnlyWillTakeLiquidity",
        SimOrderState::Filled if leaves_change(order) => "EC_CancelForNoFullFill",
        SimOrderState::Expired => match (request.order_type, request.time_in_force) {
            (SimOrderType::Market, _) => "EC_NoEnoughQtyToFill",
            (SimOrderType::MarketQuote, _) | (_, TimeInForce::Fok) => "EC_CancelForNoFullFill",
            _ => "EC_NoImmediateQtyToFill",
        },
        _ => "EC_NoError",
    }
}

fn is_market(kind: SimOrderType) -> bool {
    matches!(kind, SimOrderType::Market | SimOrderType::MarketQuote)
}

fn order_type(kind: SimOrderType) -> &'static str {
    if is_market(kind) { "Market" } else { "Limit" }
}

fn market_unit(category: Category, kind: SimOrderType) -> &'static str {
    match kind {
        _ if category == Category::Linear => "",
        SimOrderType::Market => "baseCoin",
        SimOrderType::MarketQuote => "quoteCoin",
        _ => "",
    }
}

fn time_in_force(order: &SimOrder) -> &'static str {
    match (order.request.order_type, order.request.time_in_force) {
        (SimOrderType::PostOnly, _) => "PostOnly",
        (SimOrderType::Market | SimOrderType::MarketQuote, _) | (_, TimeInForce::Ioc) => "IOC",
        (_, TimeInForce::Fok) => "FOK",
        (_, TimeInForce::Gtc) => "GTC",
    }
}

fn cancel_type(cause: Cause) -> &'static str {
    match cause {
        Cause::None => "CancelByUser",
        Cause::SelfTrade => "CancelBySmp",
        Cause::ReduceOnly => "CancelByReduceOnly",
        Cause::Liquidation => "CancelByPrepareLiq",
        Cause::Unattended => "CancelByDCP",
    }
}

fn is_leverage(category: Category) -> &'static str {
    if category == Category::Spot { "0" } else { "" }
}

/// A number that means nothing for spot.
fn linear_only(category: Category, value: Decimal) -> String {
    if category == Category::Spot { String::new() } else { decimal(value) }
}

/// Id of an execution's order; funding belongs to none and has one of its own.
fn execution_order(execution: &Execution) -> String {
    let fill = &execution.fill;
    match execution.kind {
        "Funding" => format!("{}-8-{}-0-2", fill.time_ms / 1_000, 100_000_001 + fill.account.0),
        _ => Category::of(&fill.symbol).order_id(fill.order_id),
    }
}

/// The parts of an order row that need arithmetic.
struct Figures {
    cancel_type: &'static str,
    reason: &'static str,
    average: Option<Decimal>,
    leaves: Decimal,
    leaves_value: Decimal,
    fee: Decimal,
    fee_currency: String,
    fee_detail: String,
    last_price: String,
}

fn figures(record: &Record, raced: bool) -> Figures {
    let order = &record.order;
    let open = order.state.is_open();
    let leaves = if open { order.leaves() } else { Decimal::ZERO };
    let (cancel_type, reason) = match order.state {
        _ if raced => ("CancelByUser", "EC_OrigClOrdIDDoesNotExist"),
        SimOrderState::Canceled => (cancel_type(order.cause), reject_reason(order)),
        _ => ("UNKNOWN", reject_reason(order)),
    };
    let detail =
        order.fees.iter().fold(Object::new(), |object, (coin, fee)| object.decimal(coin, *fee));
    let average = order.average_price().trunc_with_scale(AVERAGE_DECIMALS);
    Figures {
        cancel_type,
        reason,
        average: (!order.filled.is_zero()).then_some(average),
        leaves,
        leaves_value: if leaves_change(order) {
            quote_left(order)
        } else {
            leaves * order.request.price
        },
        fee: order.fees.values().sum(),
        fee_currency: order.fees.keys().next().cloned().unwrap_or_default(),
        fee_detail: detail.done(),
        last_price: record.last_price.map(decimal).unwrap_or_default(),
    }
}

/// Row of the `order` topic. `raced`: the notice that a cancel came too late.
pub(super) fn order_on_stream(record: &Record, raced: bool) -> String {
    let (order, request) = (&record.order, &record.order.request);
    let category = Category::of(&request.symbol);
    let figures = figures(record, raced);
    Object::new()
        .text("category", category.word())
        .text("symbol", wire_symbol(&request.symbol))
        .text("orderId", &category.order_id(order.order_id))
        .text("orderLinkId", &request.client_id)
        .text("blockTradeId", "")
        .text("side", side(request.side))
        .number("positionIdx", 0)
        .text("orderStatus", status(order))
        .text("cancelType", figures.cancel_type)
        .text("rejectReason", figures.reason)
        .text("timeInForce", time_in_force(order))
        .text("isLeverage", is_leverage(category))
        .decimal("price", request.price)
        .decimal("qty", request.qty)
        .text("avgPrice", &figures.average.map(decimal).unwrap_or_default())
        .decimal("leavesQty", figures.leaves)
        .decimal("leavesValue", figures.leaves_value)
        .decimal("cumExecQty", order.filled)
        .decimal("cumExecValue", order.filled_quote)
        .decimal("cumExecFee", figures.fee)
        .text("orderType", order_type(request.order_type))
        .blanks(&["stopOrderType", "orderIv", "triggerPrice", "takeProfit", "stopLoss"])
        .blanks(&["triggerBy", "tpTriggerBy", "slTriggerBy"])
        .number("triggerDirection", 0)
        .text("placeType", "")
        .text("lastPriceOnCreated", &figures.last_price)
        .flag("closeOnTrigger", false)
        .flag("reduceOnly", request.reduce_only)
        .number("smpGroup", 0)
        .text("smpType", "None")
        .blanks(&["smpOrderId", "slLimitPrice", "tpLimitPrice", "tpslMode"])
        .text("createType", "CreateByUser")
        .text("marketUnit", market_unit(category, request.order_type))
        .digits("createdTime", order.created_ms)
        .digits("updatedTime", order.updated_ms)
        .text("feeCurrency", &figures.fee_currency)
        .decimal("closedPnl", order.realised)
        .raw("cumFeeDetail", &figures.fee_detail)
        .done()
}

/// Row of `order/realtime` and `order/history`.
pub(super) fn order_in_list(record: &Record) -> String {
    let (order, request) = (&record.order, &record.order.request);
    let category = Category::of(&request.symbol);
    let figures = figures(record, false);
    Object::new()
        .text("orderId", &category.order_id(order.order_id))
        .text("orderLinkId", &request.client_id)
        .text("blockTradeId", "")
        .text("symbol", wire_symbol(&request.symbol))
        .decimal("price", request.price)
        .decimal("qty", request.qty)
        .text("side", side(request.side))
        .text("isLeverage", is_leverage(category))
        .number("positionIdx", 0)
        .text("orderStatus", status(order))
        .text("cancelType", figures.cancel_type)
        .text("rejectReason", figures.reason)
        .decimal("avgPrice", figures.average.unwrap_or_default())
        .decimal("leavesQty", figures.leaves)
        .decimal("leavesValue", figures.leaves_value)
        .decimal("cumExecQty", order.filled)
        .decimal("cumExecValue", order.filled_quote)
        .decimal("cumExecFee", figures.fee)
        .text("timeInForce", time_in_force(order))
        .text("orderType", order_type(request.order_type))
        .blanks(&["stopOrderType", "orderIv"])
        .text("marketUnit", market_unit(category, request.order_type))
        .blanks(&["triggerPrice", "takeProfit", "stopLoss", "tpTriggerBy", "slTriggerBy"])
        .number("triggerDirection", 0)
        .text("triggerBy", "")
        .text("lastPriceOnCreated", &figures.last_price)
        .flag("reduceOnly", request.reduce_only)
        .flag("closeOnTrigger", false)
        .text("smpType", "None")
        .number("smpGroup", 0)
        .blanks(&["smpOrderId", "tpslMode", "tpLimitPrice", "slLimitPrice", "placeType"])
        .digits("createdTime", order.created_ms)
        .digits("updatedTime", order.updated_ms)
        .raw("cumFeeDetail", &figures.fee_detail)
        .done()
}

/// Quantity of an order as executions show it: none of one sized in quote.
fn order_qty(execution: &Execution) -> Decimal {
    match execution.request.order_type {
        SimOrderType::MarketQuote => Decimal::ZERO,
        _ => execution.request.qty,
    }
}

/// Row of the `execution` topic.
pub(super) fn execution_on_stream(execution: &Execution) -> String {
    let (fill, request) = (&execution.fill, &execution.request);
    let category = Category::of(&fill.symbol);
    Object::new()
        .text("category", category.word())
        .text("symbol", wire_symbol(&fill.symbol))
        .text("closedSize", &linear_only(category, fill.closed))
        .decimal("execFee", fill.fee)
        .text("execId", &category.exec_id(execution.exec_id))
        .decimal("execPrice", fill.price)
        .decimal("execQty", fill.qty)
        .text("execType", execution.kind)
        .decimal("execValue", fill.price * fill.qty)
        .decimal("feeRate", execution.fee_rate)
        .blanks(&["tradeIv", "markIv", "blockTradeId"])
        .text("markPrice", &linear_only(category, execution.mark))
        .text("indexPrice", "")
        .text("underlyingPrice", "")
        .decimal("leavesQty", execution.leaves)
        .text("orderId", &execution_order(execution))
        .text("orderLinkId", &fill.client_id)
        .decimal("orderPrice", request.price)
        .decimal("orderQty", order_qty(execution))
        .text("orderType", order_type(request.order_type))
        .text("stopOrderType", "")
        .text("side", side(fill.side))
        .digits("execTime", fill.time_ms)
        .text("isLeverage", "0")
        .flag("isMaker", fill.maker)
        .number("seq", execution.seq)
        .text("marketUnit", market_unit(category, request.order_type))
        .decimal("execPnl", fill.realised)
        .text("createType", "CreateByUser")
        .raw("extraFees", "[]")
        .text("feeCurrency", &fill.fee_asset)
        .done()
}

/// Row of the `execution.fast` topic: no fees, and no client id of a maker.
pub(super) fn execution_fast(execution: &Execution) -> String {
    let fill = &execution.fill;
    let category = Category::of(&fill.symbol);
    Object::new()
        .text("category", category.word())
        .text("symbol", wire_symbol(&fill.symbol))
        .text("execId", &category.exec_id(execution.exec_id))
        .decimal("execPrice", fill.price)
        .decimal("execQty", fill.qty)
        .text("orderId", &execution_order(execution))
        .flag("isMaker", fill.maker)
        .text("orderLinkId", if fill.maker { "" } else { &fill.client_id })
        .text("side", side(fill.side))
        .digits("execTime", fill.time_ms)
        .number("seq", execution.seq)
        .done()
}

/// Row of `execution/list`.
pub(super) fn execution_in_list(execution: &Execution) -> String {
    let (fill, request) = (&execution.fill, &execution.request);
    let category = Category::of(&fill.symbol);
    Object::new()
        .text("symbol", wire_symbol(&fill.symbol))
        .text("orderType", order_type(request.order_type))
        .text("underlyingPrice", "")
        .text("orderLinkId", &fill.client_id)
        .text("side", side(fill.side))
        .text("indexPrice", "")
        .text("orderId", &execution_order(execution))
        .text("stopOrderType", "")
        .decimal("leavesQty", execution.leaves)
        .digits("execTime", fill.time_ms)
        .text("feeCurrency", &fill.fee_asset)
        .flag("isMaker", fill.maker)
        .decimal("execFee", fill.fee)
        .decimal("feeRate", execution.fee_rate)
        .text("execId", &category.exec_id(execution.exec_id))
        .blanks(&["tradeIv", "blockTradeId"])
        .text("markPrice", &linear_only(category, execution.mark))
        .decimal("execPrice", fill.price)
        .text("markIv", "")
        .decimal("orderQty", order_qty(execution))
        .decimal("orderPrice", request.price)
        .decimal("execValue", fill.price * fill.qty)
        .text("execType", execution.kind)
        .decimal("execQty", fill.qty)
        .blanks(&["closedSize", "extraFees"])
        .number("seq", execution.seq)
        .done()
}

/// Kind of a row of `account/transaction-log`.
pub(super) fn transaction_type(execution: &Execution) -> &'static str {
    match execution.kind {
        "Funding" => "SETTLEMENT",
        "BustTrade" => "LIQUIDATION",
        _ => "TRADE",
    }
}

/// Row of `account/transaction-log`.
pub(super) fn transaction(execution: &Execution) -> String {
    let fill = &execution.fill;
    let category = Category::of(&fill.symbol);
    let funds = execution.kind == "Funding";
    let (fee, funding) = if funds { (Decimal::ZERO, -fill.fee) } else { (fill.fee, Decimal::ZERO) };
    let account = 100_000_001 + fill.account.0;
    Object::new()
        .text("transSubType", "")
        .text("id", &format!("{account}_{}_{}", wire_symbol(&fill.symbol), execution.seq))
        .text("symbol", wire_symbol(&fill.symbol))
        .text("side", side(fill.side))
        .text("funding", &if funds { decimal(funding) } else { String::new() })
        .text("orderLinkId", &fill.client_id)
        .text("orderId", &execution_order(execution))
        .decimal("fee", fee)
        .decimal("change", fill.realised - fee + funding)
        .decimal("cashFlow", fill.realised)
        .digits("transactionTime", fill.time_ms)
        .text("type", transaction_type(execution))
        .decimal("feeRate", execution.fee_rate)
        .text("bonusChange", "")
        .decimal("size", fill.position.abs())
        .decimal("qty", fill.qty)
        .decimal("cashBalance", execution.wallet)
        .text("currency", &fill.fee_asset)
        .text("category", category.word())
        .decimal("tradePrice", fill.price)
        .text("tradeId", &category.exec_id(execution.exec_id))
        .text("extraFees", "")
        .done()
}

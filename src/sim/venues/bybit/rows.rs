//! Rows of orders, executions and wallets as the venue writes them for spot.
//!
//! Field order follows recorded frames; fields that belong to derivatives stay empty, as they are
//! for spot.

use super::json::{Object, array, decimal};
use super::records::{Execution, Record, order_id};
use crate::sim::{SimOrder, SimOrderState, SimOrderType};
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
    match order.state {
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

fn market_unit(kind: SimOrderType) -> &'static str {
    match kind {
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
        SimOrderState::Canceled => ("CancelByUser", reject_reason(order)),
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
    let figures = figures(record, raced);
    Object::new()
        .text("category", "spot")
        .text("symbol", &request.symbol)
        .digits("orderId", order_id(order.order_id))
        .text("orderLinkId", &request.client_id)
        .text("blockTradeId", "")
        .text("side", side(request.side))
        .number("positionIdx", 0)
        .text("orderStatus", status(order))
        .text("cancelType", figures.cancel_type)
        .text("rejectReason", figures.reason)
        .text("timeInForce", time_in_force(order))
        .text("isLeverage", "0")
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
        .flag("reduceOnly", false)
        .number("smpGroup", 0)
        .text("smpType", "None")
        .blanks(&["smpOrderId", "slLimitPrice", "tpLimitPrice", "tpslMode"])
        .text("createType", "CreateByUser")
        .text("marketUnit", market_unit(request.order_type))
        .digits("createdTime", order.created_ms)
        .digits("updatedTime", order.updated_ms)
        .text("feeCurrency", &figures.fee_currency)
        .text("closedPnl", "0")
        .raw("cumFeeDetail", &figures.fee_detail)
        .done()
}

/// Row of `order/realtime` and `order/history`.
pub(super) fn order_in_list(record: &Record) -> String {
    let (order, request) = (&record.order, &record.order.request);
    let figures = figures(record, false);
    Object::new()
        .digits("orderId", order_id(order.order_id))
        .text("orderLinkId", &request.client_id)
        .text("blockTradeId", "")
        .text("symbol", &request.symbol)
        .decimal("price", request.price)
        .decimal("qty", request.qty)
        .text("side", side(request.side))
        .text("isLeverage", "0")
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
        .text("marketUnit", market_unit(request.order_type))
        .blanks(&["triggerPrice", "takeProfit", "stopLoss", "tpTriggerBy", "slTriggerBy"])
        .number("triggerDirection", 0)
        .text("triggerBy", "")
        .text("lastPriceOnCreated", &figures.last_price)
        .flag("reduceOnly", false)
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
    Object::new()
        .text("category", "spot")
        .text("symbol", &fill.symbol)
        .text("closedSize", "")
        .decimal("execFee", fill.fee)
        .digits("execId", execution.exec_id)
        .decimal("execPrice", fill.price)
        .decimal("execQty", fill.qty)
        .text("execType", "Trade")
        .decimal("execValue", fill.price * fill.qty)
        .decimal("feeRate", execution.fee_rate)
        .blanks(&["tradeIv", "markIv", "blockTradeId", "markPrice", "indexPrice"])
        .text("underlyingPrice", "")
        .decimal("leavesQty", execution.leaves)
        .digits("orderId", order_id(fill.order_id))
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
        .text("marketUnit", market_unit(request.order_type))
        .text("execPnl", "0")
        .text("createType", "CreateByUser")
        .raw("extraFees", "[]")
        .text("feeCurrency", &fill.fee_asset)
        .done()
}

/// Row of the `execution.fast` topic: no fees, and no client id of a maker.
pub(super) fn execution_fast(execution: &Execution) -> String {
    let fill = &execution.fill;
    Object::new()
        .text("category", "spot")
        .text("symbol", &fill.symbol)
        .digits("execId", execution.exec_id)
        .decimal("execPrice", fill.price)
        .decimal("execQty", fill.qty)
        .digits("orderId", order_id(fill.order_id))
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
    Object::new()
        .text("symbol", &fill.symbol)
        .text("orderType", order_type(request.order_type))
        .text("underlyingPrice", "")
        .text("orderLinkId", &fill.client_id)
        .text("side", side(fill.side))
        .text("indexPrice", "")
        .digits("orderId", order_id(fill.order_id))
        .text("stopOrderType", "")
        .decimal("leavesQty", execution.leaves)
        .digits("execTime", fill.time_ms)
        .text("feeCurrency", &fill.fee_asset)
        .flag("isMaker", fill.maker)
        .decimal("execFee", fill.fee)
        .decimal("feeRate", execution.fee_rate)
        .digits("execId", execution.exec_id)
        .blanks(&["tradeIv", "blockTradeId", "markPrice"])
        .decimal("execPrice", fill.price)
        .text("markIv", "")
        .decimal("orderQty", order_qty(execution))
        .decimal("orderPrice", request.price)
        .decimal("execValue", fill.price * fill.qty)
        .text("execType", "Trade")
        .decimal("execQty", fill.qty)
        .blanks(&["closedSize", "extraFees"])
        .number("seq", execution.seq)
        .done()
}

/// One coin of a wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Coin {
    pub(super) name: String,
    pub(super) free: Decimal,
    pub(super) locked: Decimal,
    /// Value of one in USD.
    pub(super) price: Decimal,
}

impl Coin {
    fn balance(&self) -> Decimal {
        self.free + self.locked
    }

    fn value(&self) -> Decimal {
        (self.balance() * self.price).trunc_with_scale(8)
    }
}

fn coin(coin: &Coin) -> String {
    Object::new()
        .text("coin", &coin.name)
        .decimal("equity", coin.balance())
        .decimal("usdValue", coin.value())
        .decimal("walletBalance", coin.balance())
        .blanks(&["availableToWithdraw", "availableToBorrow"])
        .text("borrowAmount", "0")
        .text("accruedInterest", "0")
        .text("totalOrderIM", "0")
        .text("totalPositionIM", "0")
        .text("totalPositionMM", "0")
        .text("unrealisedPnl", "0")
        .text("cumRealisedPnl", "0")
        .text("bonus", "0")
        .decimal("locked", coin.locked)
        .flag("collateralSwitch", true)
        .flag("marginCollateral", true)
        .text("spotHedgingQty", "0")
        .text("spotBorrow", "0")
        .done()
}

/// A wallet with totals over `all` coins and rows of `shown`.
pub(super) fn wallet(all: &[Coin], shown: &[Coin]) -> String {
    let total: Decimal = all.iter().map(Coin::value).sum();
    let free: Decimal = all.iter().map(|coin| (coin.free * coin.price).trunc_with_scale(8)).sum();
    Object::new()
        .text("accountIMRate", "0")
        .text("accountMMRate", "0")
        .decimal("totalEquity", total)
        .decimal("totalWalletBalance", total)
        .decimal("totalMarginBalance", total)
        .decimal("totalAvailableBalance", free)
        .text("totalPerpUPL", "0")
        .text("totalInitialMargin", "0")
        .text("totalMaintenanceMargin", "0")
        .raw("coin", &array(shown.iter().map(coin)))
        .text("accountLTV", "0")
        .text("accountType", "UNIFIED")
        .done()
}

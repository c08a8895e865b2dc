//! Rows of orders and fills, as the `orders` and `fills` channels and as REST write them.
//!
//! Fees are negative when charged. Quantities are contracts for swaps. The channel's fill fields
//! are those of the fill of the push, REST's those of the last fill.

#![forbid(unsafe_code)]

use super::instruments::{Instrument, Kind};
use super::records::{Asked, Bill, Record, client_id, order_id};
use super::tickers::side;
use crate::sim::venues::json::{Object, decimal};
use crate::sim::{SimFill, SimOrder, SimOrderState, SimOrderType, SymbolRules};
use crate::types::Side;
use rust_decimal::Decimal;

/// Decimals of an average price.
const AVERAGE_DECIMALS: u32 = 12;

pub(super) fn state(order: &SimOrder) -> &'static str {
    match order.state {
        SimOrderState::New => "live",
        SimOrderState::PartiallyFilled => "partially_filled",
        SimOrderState::Filled => "filled",
        SimOrderState::Canceled | SimOrderState::Expired | SimOrderState::Rejected => "canceled",
    }
}

/// `T` took, `M` made.
fn liquidity(fill: &SimFill) -> &'static str {
    if fill.maker { "M" } else { "T" }
}

/// Quantity as it was asked for: quote for a market order sized in quote.
fn size(instrument: &Instrument, order: &SimOrder) -> Decimal {
    match order.request.order_type {
        SimOrderType::MarketQuote => order.request.qty,
        _ => instrument.to_wire(order.request.qty),
    }
}

fn is_market(order: &SimOrder) -> bool {
    matches!(order.request.order_type, SimOrderType::Market | SimOrderType::MarketQuote)
}

fn average(order: &SimOrder) -> String {
    if order.filled.is_zero() {
        return String::new();
    }
    decimal(order.average_price().trunc_with_scale(AVERAGE_DECIMALS))
}

/// Asset that fees are taken in: the received one of spot, the settle asset of a swap.
fn fee_asset<'a>(instrument: &'a Instrument, rules: &'a SymbolRules, side: Side) -> &'a str {
    match (instrument.kind, side) {
        (Kind::Swap, _) => &instrument.settle,
        (Kind::Spot, Side::Buy) => &rules.base,
        (Kind::Spot, Side::Sell) => &rules.quote,
    }
}

/// An order to show, with its instrument and the rules of that.
#[derive(Clone, Copy)]
pub(super) struct Shown<'a> {
    pub(super) instrument: &'a Instrument,
    pub(super) rules: &'a SymbolRules,
    pub(super) order: &'a SimOrder,
    pub(super) asked: &'a Asked,
    pub(super) cancel_source: &'a str,
}

/// What is the same in both forms; `fill` is the one to tell of.
fn common(shown: Shown<'_>, state: &str, fill: Option<&SimFill>) -> Object {
    let Shown { instrument, rules, order, asked, cancel_source } = shown;
    let request = &order.request;
    let fill_text = |text: &dyn Fn(&SimFill) -> String| fill.map(text).unwrap_or_default();
    let fill_size = fill.map_or(Decimal::ZERO, |fill| instrument.to_wire(fill.qty));
    let spot = instrument.kind == Kind::Spot;
    let price = if is_market(order) { String::new() } else { decimal(request.price) };
    // The other asset: rebates are paid in it.
    let rebate_asset = fee_asset(instrument, rules, request.side.opposite());
    Object::new()
        .decimal("accFillSz", instrument.to_wire(order.filled))
        .blanks(&["algoClOrdId", "algoId", "attachAlgoClOrdId"])
        .raw("attachAlgoOrds", "[]")
        .text("avgPx", &average(order))
        .digits("cTime", order.created_ms)
        .text("cancelSource", cancel_source)
        .text("category", asked.category)
        .text("ccy", if spot { "" } else { &instrument.settle })
        .text("clOrdId", client_id(&request.client_id))
        .decimal("fee", -order.fees.values().sum::<Decimal>())
        .text("feeCcy", fee_asset(instrument, rules, request.side))
        .text("fillPx", &fill_text(&|fill| decimal(fill.price)))
        .decimal("fillSz", fill_size)
        .text("fillTime", &fill_text(&|fill| fill.time_ms.to_string()))
        .text("instId", &instrument.id)
        .text("instType", instrument.kind.name())
        .text("isTpLimit", "false")
        .text("lever", &asked.lever)
        .raw("linkedAlgoOrd", "{\"algoId\":\"\"}")
        .digits("ordId", order_id(order.order_id))
        .text("ordType", asked.order_type)
        .decimal("pnl", order.realised)
        .text("posSide", if spot { "" } else { "net" })
        .text("px", &price)
        .blanks(&["pxType", "pxUsd", "pxVol", "quickMgnType"])
        .text("rebate", "0")
        .text("rebateCcy", rebate_asset)
        .text("reduceOnly", if asked.reduce_only { "true" } else { "false" })
        .text("side", side(request.side))
        .blanks(&["slOrdPx", "slTriggerPx", "slTriggerPxType", "source"])
        .text("state", state)
        .text("stpId", "")
        .text("stpMode", "cancel_maker")
        .decimal("sz", size(instrument, order))
        .text("tag", &asked.tag)
        .text("tdMode", asked.trade_mode)
        .text("tgtCcy", asked.target)
        .blanks(&["tpOrdPx", "tpTriggerPx", "tpTriggerPxType"])
        .text("tradeId", &fill_text(&|fill| fill.trade_id.to_string()))
        .text("tradeQuoteCcy", if spot { &rules.quote } else { "" })
        .digits("uTime", order.updated_ms)
}

/// Row of the `orders`-like REST endpoints.
pub(super) fn in_list(instrument: &Instrument, rules: &SymbolRules, record: &Record) -> String {
    let Record { order, asked, last, cancel_source } = record;
    let shown = Shown { instrument, rules, order, asked, cancel_source };
    let row = common(shown, state(order), last.as_ref());
    row.text("cancelSourceReason", "").done()
}

/// What a push of the `orders` channel tells besides the order.
#[derive(Clone, Copy, Default)]
pub(super) struct Push<'a> {
    /// Instead of the order's own state.
    pub(super) state: Option<&'static str>,
    pub(super) fill: Option<&'a SimFill>,
    /// An amendment: its request id; its result, `0`, or `1` where it failed and cancelled the
    /// order; and who asked for it, `1` the user, `4` the venue, to keep it reduce-only.
    pub(super) amended: Option<(&'a str, &'static str, &'static str)>,
    /// Price of the last trade.
    pub(super) last_price: Decimal,
}

/// Row of the `orders` channel.
pub(super) fn on_channel(shown: Shown<'_>, push: Push<'_>) -> String {
    let Shown { instrument, order, .. } = shown;
    let value = |price: Decimal, qty: Decimal| decimal(price * qty);
    let price = if order.request.price.is_zero() { push.last_price } else { order.request.price };
    let notional = match order.request.order_type {
        SimOrderType::MarketQuote => decimal(order.request.qty),
        _ => value(price, order.request.qty),
    };
    let fill = push.fill;
    let fee = fill.map_or(Decimal::ZERO, |fill| -fill.fee);
    let fill_notional = fill.map(|fill| value(fill.price, fill.qty)).unwrap_or_default();
    let mark = fill.filter(|_| instrument.kind == Kind::Swap);
    let (request_id, result, source) = push.amended.unwrap_or_default();
    let profit = fill.map_or(Decimal::ZERO, |fill| fill.realised);
    common(shown, push.state.unwrap_or(state(order)), fill)
        .text("amendResult", result)
        .text("amendSource", source)
        .text("code", "0")
        .text("execType", fill.map_or("", liquidity))
        .decimal("fillFee", fee)
        .text("fillFeeCcy", fill.map_or("", |fill| &fill.fee_asset))
        .text("fillNotionalUsd", &fill_notional)
        .decimal("fillPnl", profit)
        .blanks(&["fillPxVol", "fillPxUsd", "fillMarkVol", "fillFwdPx"])
        .text("fillMarkPx", &mark.map(|fill| decimal(fill.price)).unwrap_or_default())
        .text("fillIdxPx", "")
        .text("msg", "")
        .text("notionalUsd", &notional)
        .text("reqId", request_id)
        .decimal("lastPx", push.last_price)
        .done()
}

/// Row of `trade/fills`.
pub(super) fn fill_in_list(instrument: &Instrument, rules: &SymbolRules, bill: &Bill) -> String {
    let fill = &bill.fill;
    let spot = instrument.kind == Kind::Spot;
    Object::new()
        .text("side", side(fill.side))
        .decimal("fillSz", instrument.to_wire(fill.qty))
        .decimal("fillPx", fill.price)
        .blanks(&["fillPxVol", "fillFwdPx"])
        .decimal("fee", -fill.fee)
        .decimal("fillPnl", fill.realised)
        .digits("ordId", order_id(fill.order_id))
        .decimal("feeRate", bill.rate)
        .text("instType", instrument.kind.name())
        .text("fillPxUsd", "")
        .text("instId", &instrument.id)
        .text("clOrdId", client_id(&fill.client_id))
        .text("posSide", "net")
        .digits("billId", bill.id)
        .text("subType", sub_type(fill.side))
        .text("fillMarkVol", "")
        .text("tag", "")
        .digits("fillTime", fill.time_ms)
        .text("execType", liquidity(fill))
        .text("fillIdxPx", "")
        .digits("tradeId", fill.trade_id)
        .text("fillMarkPx", "")
        .text("feeCcy", &fill.fee_asset)
        .digits("ts", fill.time_ms)
        .text("tradeQuoteCcy", if spot { &rules.quote } else { "" })
        .done()
}

/// `1` bought, `2` sold.
fn sub_type(side: Side) -> &'static str {
    if side == Side::Buy { "1" } else { "2" }
}

/// Row of the `fills` channel. The client id is there only if it is a number that fits 63 bits.
pub(super) fn fill_on_channel(instrument: &Instrument, fill: &SimFill) -> String {
    let name = client_id(&fill.client_id);
    let number = name.parse::<i64>().is_ok() && !name.starts_with(['+', '-']);
    Object::new()
        .text("instId", &instrument.id)
        .decimal("fillSz", instrument.to_wire(fill.qty))
        .decimal("fillPx", fill.price)
        .text("side", side(fill.side))
        .digits("ts", fill.time_ms)
        .digits("ordId", order_id(fill.order_id))
        .text("clOrdId", if number { name } else { "" })
        .digits("tradeId", fill.trade_id)
        .text("execType", liquidity(fill))
        .text("count", "1")
        .done()
}

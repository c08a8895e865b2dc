//! Events of an account: `ORDER_TRADE_UPDATE` and its short forerunner, `ACCOUNT_UPDATE`,
//! `ACCOUNT_CONFIG_UPDATE`, `MARGIN_CALL`.

use super::super::json::{Obj, list};
use super::super::replies::side;
use super::replies::{order_type, status, time_in_force};
use crate::sim::{
    Cause, Exchange, OrderChange, SimFill, SimMargin, SimMarginMode, SimOrder, SimOrderType,
    SimPosition,
};
use crate::types::TimeInForce;
use rust_decimal::Decimal;

/// `ORDER_TRADE_UPDATE`; `modify_id` for amendments.
pub(super) fn order_update(
    (order, change): (&SimOrder, OrderChange),
    fill: Option<&SimFill>,
    modify_id: Option<u64>,
    (exchange, stp): (&Exchange, &str),
    now_ms: u64,
) -> String {
    let (last_qty, last_price) = fill.map_or_else(Default::default, |fill| (fill.qty, fill.price));
    let time_ms = fill.map_or(order.updated_ms, |fill| fill.time_ms);
    let settle = exchange.rules(&order.request.symbol).and_then(|rules| rules.perpetual.as_ref());
    let settle = settle.map_or("USDT", |perpetual| &perpetual.settle);
    let values = exchange.position(order.account, &order.request.symbol);
    let [bids, asks] = values.map_or([Decimal::ZERO; 2], |position| position.order_values);
    let object = Obj::new()
        .text("s", &order.request.symbol)
        .text("c", &order.request.client_id)
        .text("S", side(order.request.side))
        .text("o", order_type(order))
        .text("f", time_in_force(order))
        .num("q", order.request.qty)
        .num("p", order.request.price)
        .num("ap", order.average_price().round_dp(8))
        .text("sp", "0")
        .text("x", execution(order, change))
        .text("X", status(order))
        .raw("i", order.order_id)
        .num("l", last_qty)
        .num("z", order.filled)
        .num("L", last_price)
        .num("n", fill.map_or(Decimal::ZERO, |fill| fill.fee))
        .text("N", settle)
        .raw("T", time_ms)
        .raw("t", fill.map_or(0, |fill| fill.trade_id))
        .num("b", bids)
        .num("a", asks)
        .raw("m", fill.is_some_and(|fill| fill.maker))
        .raw("R", order.request.reduce_only)
        .text("wt", "CONTRACT_PRICE")
        .text("ot", order_type(order))
        .text("ps", "BOTH")
        .raw("cp", false)
        .num("rp", fill.map_or(Decimal::ZERO, |fill| fill.realised))
        .raw("pP", false)
        .raw("si", 0)
        .raw("ss", 0)
        .text("V", stp)
        .text("pm", "NONE")
        .raw("gtd", 0)
        .text("er", expiry(order, change));
    let object = match modify_id {
        Some(id) => object.raw("M", id),
        None => object,
    };
    Obj::new()
        .text("e", "ORDER_TRADE_UPDATE")
        .raw("T", time_ms)
        .raw("E", now_ms)
        .raw("o", object.end())
        .end()
}

fn execution(order: &SimOrder, change: OrderChange) -> &'static str {
    match change {
        OrderChange::New => "NEW",
        OrderChange::Trade if order.cause == Cause::Liquidation => "CALCULATED",
        OrderChange::Trade => "TRADE",
        OrderChange::Canceled if order.cause == Cause::None => "CANCELED",
        OrderChange::Canceled | OrderChange::Expired => "EXPIRED",
        OrderChange::Rejected => "REJECTED",
        OrderChange::Replaced => "AMENDMENT",
    }
}

/// Why an order expired.
fn expiry(order: &SimOrder, change: OrderChange) -> &'static str {
    if !matches!(change, OrderChange::Canceled | OrderChange::Expired) {
        return "0";
    }
    let immediate = matches!(order.request.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
    match order.cause {
        Cause::SelfTrade => "1",
        Cause::ReduceOnly => "4",
        Cause::Liquidation => "5",
        Cause::None if order.request.order_type == SimOrderType::Market => "9",
        Cause::None if change == OrderChange::Expired && immediate => "2",
        Cause::None | Cause::Unattended => "0",
    }
}

/// `TRADE_LITE`: a fill told in short, before the event that says it all.
pub(super) fn trade_lite(order: &SimOrder, fill: &SimFill, now_ms: u64) -> String {
    Obj::new()
        .text("e", "TRADE_LITE")
        .raw("E", now_ms)
        .raw("T", fill.time_ms)
        .text("s", &fill.symbol)
        .num("q", order.request.qty)
        .num("p", order.request.price)
        .raw("m", fill.maker)
        .text("c", &fill.client_id)
        .text("S", side(fill.side))
        .num("L", fill.price)
        .num("l", fill.qty)
        .raw("t", fill.trade_id)
        .raw("i", fill.order_id)
        .end()
}

/// One balance of an `ACCOUNT_UPDATE`: asset, its margin, and what came or went by other ways than
/// trading.
pub(super) type Changed = (String, SimMargin, Decimal);

/// `ACCOUNT_UPDATE` with what changed.
pub(super) fn account_update(
    reason: &str,
    balances: &[Changed],
    positions: &[&SimPosition],
    time_ms: u64,
    now_ms: u64,
) -> String {
    let balances = balances.iter().map(|(asset, margin, change)| {
        Obj::new()
            .text("a", asset)
            .dec("wb", margin.wallet)
            .dec("cw", margin.wallet - margin.isolated)
            .num("bc", *change)
            .end()
    });
    let positions = positions.iter().map(|position| {
        Obj::new()
            .text("s", &position.symbol)
            .num("pa", position.qty)
            .num("ep", position.entry)
            .num("cr", position.realised)
            .num("up", position.unrealised.round_dp(8))
            .text("mt", if position.mode == SimMarginMode::Cross { "cross" } else { "isolated" })
            .num("iw", position.isolated)
            .text("ps", "BOTH")
            .text("ma", "USDT")
            .num("bep", position.entry)
            .end()
    });
    let account =
        Obj::new().raw("B", list(balances)).raw("P", list(positions)).text("m", reason).end();
    Obj::new()
        .text("e", "ACCOUNT_UPDATE")
        .raw("T", time_ms)
        .raw("E", now_ms)
        .raw("a", account)
        .end()
}

/// `ACCOUNT_CONFIG_UPDATE` of a leverage.
pub(super) fn leverage_update(position: &SimPosition, time_ms: u64, now_ms: u64) -> String {
    let config = Obj::new().text("s", &position.symbol).raw("l", position.leverage.normalize());
    Obj::new()
        .text("e", "ACCOUNT_CONFIG_UPDATE")
        .raw("E", now_ms)
        .raw("T", time_ms)
        .raw("ac", config.end())
        .end()
}

/// `MARGIN_CALL`: these positions are about to be liquidated.
pub(super) fn margin_call(margin: &SimMargin, positions: &[&SimPosition], now_ms: u64) -> String {
    let shown = positions.iter().map(|position| {
        let cross = position.mode == SimMarginMode::Cross;
        Obj::new()
            .text("s", &position.symbol)
            .text("ps", "BOTH")
            .num("pa", position.qty)
            .text("mt", if cross { "CROSSED" } else { "ISOLATED" })
            .num("iw", position.isolated)
            .num("mp", position.mark)
            .num("up", position.unrealised.round_dp(8))
            .num("mm", position.maintenance.round_dp(8))
            .end()
    });
    Obj::new()
        .text("e", "MARGIN_CALL")
        .raw("E", now_ms)
        .num("cw", margin.wallet - margin.isolated)
        .raw("p", list(shown))
        .end()
}

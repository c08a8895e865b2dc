//! Events of an account: `executionReport` and `outboundAccountPosition`, without their envelope.

use super::ids::Ids;
use super::json::{Obj, list};
use super::replies::{expiry_reason, order_type, quantities, side, status, time_in_force};
use crate::sim::{OrderChange, SimFill, SimOrder, SimOrderType};
use crate::types::TimeInForce;
use rust_decimal::Decimal;

/// `executionReport`. `c` is the order's client id, but on cancels and amendments `C` is that and
/// `c` names the cancel or is the new name.
pub(super) fn execution_report(
    (order, change): (&SimOrder, OrderChange),
    fill: Option<&SimFill>,
    cancel_id: Option<&str>,
    ids: &mut Ids,
    stp: &str,
    now_ms: u64,
) -> String {
    let (id, original, execution) = names(order, change, cancel_id, ids);
    let prevented = change == OrderChange::Expired && is_self_trade(order);
    let (execution_type, state) = match change {
        _ if prevented => ("TRADE_PREVENTION", "EXPIRED_IN_MATCH"),
        OrderChange::New => ("NEW", status(order.state)),
        OrderChange::Trade => ("TRADE", status(order.state)),
        OrderChange::Canceled => ("CANCELED", status(order.state)),
        OrderChange::Expired => ("EXPIRED", status(order.state)),
        OrderChange::Rejected => ("REJECTED", status(order.state)),
        OrderChange::Replaced => ("REPLACED", status(order.state)),
    };
    let (qty, quote_qty) = quantities(order);
    let (last_qty, last_price) = fill.map_or_else(Default::default, |fill| (fill.qty, fill.price));
    let rejected = if change == OrderChange::Rejected { "WOULD_MATCH_IMMEDIATELY" } else { "NONE" };
    let object = Obj::new()
        .text("e", "executionReport")
        .raw("E", now_ms)
        .text("s", &order.request.symbol)
        .text("c", &id)
        .text("S", side(order.request.side))
        .text("o", order_type(order))
        .text("f", time_in_force(order))
        .dec("q", qty)
        .dec("p", order.request.price)
        .dec("P", Decimal::ZERO)
        .dec("F", Decimal::ZERO)
        .raw("g", -1)
        .text("C", &original)
        .text("x", execution_type)
        .text("X", state)
        .text("r", rejected)
        .raw("i", order.order_id)
        .dec("l", last_qty)
        .dec("z", order.filled)
        .dec("L", last_price);
    let object = match fill {
        Some(fill) => object.dec("n", fill.fee).text("N", &fill.fee_asset),
        None => object.text("n", "0").raw("N", "null"),
    };
    let object = object
        .raw("T", fill.map_or(order.updated_ms, |fill| fill.time_ms))
        .raw("t", fill.map_or_else(|| "-1".to_owned(), |fill| fill.trade_id.to_string()))
        .raw("I", execution)
        .raw("w", order.state.is_open())
        .raw("m", fill.is_some_and(|fill| fill.maker))
        .raw("M", fill.is_some())
        .raw("O", order.created_ms)
        .dec("Z", order.filled_quote)
        .dec("Y", last_price * last_qty)
        .dec("Q", quote_qty)
        .raw("W", order.created_ms)
        .text("V", stp);
    if change == OrderChange::Expired && !prevented {
        return object.text("eR", expiry_reason(order)).end();
    }
    object.end()
}

/// The members `c` and `C`, and the execution id.
fn names(
    order: &SimOrder,
    change: OrderChange,
    cancel_id: Option<&str>,
    ids: &mut Ids,
) -> (String, String, u64) {
    let name = ids.client_id(order).to_owned();
    let amendment =
        if change == OrderChange::Replaced { ids.tell_amendment(order.order_id) } else { None };
    if let Some(amendment) = amendment {
        return (name, amendment.old_name, amendment.execution);
    }
    let execution = ids.execution();
    match (change, cancel_id) {
        (OrderChange::Canceled, Some(id)) => (id.to_owned(), name, execution),
        (OrderChange::Canceled, None) => (Ids::unnamed_cancel(order.order_id), name, execution),
        (OrderChange::Replaced, _) => (name.clone(), name, execution),
        _ => (name, String::new(), execution),
    }
}

/// Only self-trade prevention ends an order that would rest.
fn is_self_trade(order: &SimOrder) -> bool {
    match order.request.order_type {
        SimOrderType::Limit => order.request.time_in_force == TimeInForce::Gtc,
        SimOrderType::PostOnly => true,
        SimOrderType::Market | SimOrderType::MarketQuote => false,
    }
}

/// `outboundAccountPosition` with the assets that changed.
pub(super) fn account_position(
    assets: &[(String, Decimal, Decimal)],
    time_ms: u64,
    now_ms: u64,
) -> String {
    let balances = assets.iter().map(|(asset, free, locked)| {
        Obj::new().text("a", asset).dec("f", *free).dec("l", *locked).end()
    });
    Obj::new()
        .text("e", "outboundAccountPosition")
        .raw("E", now_ms)
        .raw("u", time_ms)
        .raw("B", list(balances))
        .end()
}

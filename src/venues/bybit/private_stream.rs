//! The private socket: order rows, executions, wallets.
//!
//! Every execution of our own becomes one `Fill`; order rows state totals only. A cancel that races
//! a fill makes the venue send `Filled` twice: both become `Progress`, which moves nothing. There
//! is no snapshot on subscribing: state is loaded over REST. Order rows over REST have the same
//! form and are read here too.
//! <https://bybit-exchange.github.io/docs/v5/websocket/private/order>

#![forbid(unsafe_code)]

use super::super::fields::{Field, amount, client_id, or_empty, order_id, price, qty, text, whole};
use super::super::sink::Sink;
use super::super::trading::{Desk, Names, OrderRow};
use super::super::{DecodeError, Scalar, Value, decimal};
use super::codes::reject_reason;
use super::fields::{ExecutionFields, OrderFields, side};
use super::scan::{self, PrivateRows};
use super::{Product, field_whole};
use crate::types::{
    Amount, AssetBalance, AssetId, Event, ExecutionReport, Fill, FillId, Instrument, Liquidity,
    Nanos, OrderState, Qty, RejectReason, ReportKind, ReportOrigin, Side,
};

/// What rows are read against.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) product: &'static Product,
    pub(super) names: &'a Names,
}

impl<'a> Context<'a> {
    /// The instrument of a row. Rows of other products share the symbol: the category decides.
    fn instrument(
        self,
        category: Field<'_>,
        symbol: Field<'_>,
    ) -> Result<&'a Instrument, DecodeError> {
        check(self.product, category)?;
        self.names.of_row(symbol, "symbol")
    }
}

/// REST states the category once per result, the stream in each row.
pub(super) fn check_category(product: &Product, object: Value<'_>) -> Result<(), DecodeError> {
    check(product, object.get("category").map(Scalar::from))
}

fn check(product: &Product, category: Field<'_>) -> Result<(), DecodeError> {
    match category.map(Scalar::str) {
        None => Ok(()),
        Some(Some(category)) if category == product.category => Ok(()),
        Some(_) => Err(DecodeError::Invalid("category")),
    }
}

/// Reads a data frame of the private socket. Rows are independent: a bad one costs itself, the
/// others count, and the first error is returned for the counter.
pub(super) fn decode(
    root: Value<'_>,
    topic: &str,
    context: Context<'_>,
    desk: &mut Desk<'_>,
) -> Result<(), DecodeError> {
    let kind = check_topic(topic, context.product)?;
    let rows = root.field("data")?;
    if !rows.is_array() {
        return Err(DecodeError::Invalid("data"));
    }
    let mut result = Ok(());
    for row in rows.items() {
        let outcome = match kind {
            "order" => on_order(&OrderFields::of(row), context, desk),
            "execution" => on_execution(&ExecutionFields::of(row), context, desk),
            "wallet" => {
                let at = field_whole(root, "creationTime")?;
                wallet(row, context.names, Nanos::from_millis(at), &mut desk.sink)
            }
            // The switch went off or on; what it did to orders comes as rows of theirs.
            "dcp" => Ok(()),
            _ => Err(DecodeError::UnknownKind),
        };
        result = result.and(outcome);
    }
    result
}

/// The same of a frame that was scanned.
pub(super) fn on_scanned(
    frame: &scan::Private<'_>,
    context: Context<'_>,
    desk: &mut Desk<'_>,
) -> Result<(), DecodeError> {
    check_topic(frame.topic, context.product)?;
    match &frame.rows {
        PrivateRows::Order(rows) => {
            let first = on_order(&rows.first, context, desk);
            rows.rest().fold(first, |result, row| result.and(on_order(&row, context, desk)))
        }
        PrivateRows::Execution(rows) => {
            let first = on_execution(&rows.first, context, desk);
            rows.rest().fold(first, |result, row| result.and(on_execution(&row, context, desk)))
        }
    }
}

/// All-in-one topics carry every product, categorised ones (`order.spot`) name theirs.
fn check_topic<'a>(topic: &'a str, product: &Product) -> Result<&'a str, DecodeError> {
    let (kind, category) = topic.split_once('.').unwrap_or((topic, product.category));
    if category == product.category { Ok(kind) } else { Err(DecodeError::Invalid("category")) }
}

fn on_execution(
    row: &ExecutionFields<'_>,
    context: Context<'_>,
    desk: &mut Desk<'_>,
) -> Result<(), DecodeError> {
    let (report, flaw) = execution_of(row, context, ReportOrigin::Stream, desk.now)?;
    desk.sink.report(report).and(flaw)
}

/// The fills themselves come on the other topic, before or after.
fn on_order(
    row: &OrderFields<'_>,
    context: Context<'_>,
    desk: &mut Desk<'_>,
) -> Result<(), DecodeError> {
    let row = order_row_of(row, context)?;
    let replaced = desk.flights.sight(&row.sighting());
    desk.sink.report(row.report(row.kind(replaced), ReportOrigin::Stream, desk.now))
}

/// Reads an order row of REST.
pub(super) fn order_row(row: Value<'_>, context: Context<'_>) -> Result<OrderRow, DecodeError> {
    order_row_of(&OrderFields::of(row), context)
}

fn order_row_of(row: &OrderFields<'_>, context: Context<'_>) -> Result<OrderRow, DecodeError> {
    let instrument = context.instrument(row.category, row.symbol)?;
    let venue_order_id = order_id(row.order_id)?;
    let side = side(row.side, "side")?;
    let in_quote = is_in_quote(row, side);
    let cumulative_qty = qty(row.cumulative, "cumExecQty", instrument)?;
    let (state, reason) = state(row, in_quote, cumulative_qty.unwrap_or_default())?;
    let qty = || qty(row.qty, "qty", instrument).map(Option::unwrap_or_default);
    Ok(OrderRow {
        instrument: instrument.id,
        client_id: client_id(row.link_id),
        venue_order_id,
        side,
        state,
        reason,
        price: price(row.price, "price", instrument)?,
        qty: if in_quote { Qty(0) } else { qty()? },
        cumulative_qty,
        event_ns: Nanos::from_millis(whole(row.updated, "updatedTime")?),
    })
}

/// A market buy's quantity is quote units unless the row says otherwise. Ours always say.
fn is_in_quote(row: &OrderFields<'_>, side: Side) -> bool {
    let has = |field: Field<'_>, text| field.and_then(Scalar::str) == Some(text);
    has(row.order_type, "Market")
        && !has(row.unit, "baseCoin")
        && (side == Side::Buy || has(row.unit, "quoteCoin"))
}

/// `orderStatus` with what explains it.
fn state(
    row: &OrderFields<'_>,
    in_quote: bool,
    cumulative: Qty,
) -> Result<(OrderState, RejectReason), DecodeError> {
    let reason = reject_reason(or_empty(row.reason));
    let none = RejectReason::None;
    Ok(match text(row.status, "orderStatus")? {
        "New" if cumulative > Qty(0) => (OrderState::PartiallyFilled, none),
        // A conditional order that waits for its trigger works as far as we are concerned.
        "New" | "Untriggered" | "Triggered" => (OrderState::Open, none),
        "PartiallyFilled" => (OrderState::PartiallyFilled, none),
        "Filled" => (OrderState::Filled, none),
        // Spent but for less than one lot: this is how such an order ends when all went well.
        "PartiallyFilledCanceled" if in_quote => (OrderState::Filled, none),
        "Cancelled" | "PartiallyFilledCanceled" => ended(
            reason,
            or_empty(row.cancel_type),
            or_empty(row.time_in_force),
            or_empty(row.order_type),
        ),
        "Rejected" if reason == none => (OrderState::Rejected, RejectReason::Other),
        "Rejected" => (OrderState::Rejected, reason),
        "Deactivated" => (OrderState::Canceled, none),
        _ => return Err(DecodeError::Invalid("orderStatus")),
    })
}

/// Who ended an order: we, its time in force, or the venue before it could rest.
fn ended(
    reason: RejectReason,
    cancel_type: &str,
    time_in_force: &str,
    order_type: &str,
) -> (OrderState, RejectReason) {
    let immediate = matches!(time_in_force, "IOC" | "FOK") || order_type == "Market";
    match reason {
        RejectReason::WouldTake => (OrderState::Rejected, reason),
        RejectReason::TimeInForce => (OrderState::Expired, reason),
        _ if cancel_type == "CancelBySmp" => (OrderState::Canceled, RejectReason::SelfTrade),
        RejectReason::SelfTrade => (OrderState::Canceled, reason),
        _ if cancel_type == "CancelByUser" => (OrderState::Canceled, RejectReason::None),
        RejectReason::None if immediate => (OrderState::Expired, RejectReason::TimeInForce),
        _ if immediate => (OrderState::Expired, reason),
        _ => (OrderState::Canceled, reason),
    }
}

/// Reads one execution of REST. The second value is a flaw that must not cost the fill: it is
/// reported after it.
pub(super) fn execution(
    row: Value<'_>,
    context: Context<'_>,
    origin: ReportOrigin,
    now: Nanos,
) -> Result<(ExecutionReport, Result<(), DecodeError>), DecodeError> {
    execution_of(&ExecutionFields::of(row), context, origin, now)
}

fn execution_of(
    row: &ExecutionFields<'_>,
    context: Context<'_>,
    origin: ReportOrigin,
    now: Nanos,
) -> Result<(ExecutionReport, Result<(), DecodeError>), DecodeError> {
    let instrument = context.instrument(row.category, row.symbol)?;
    if text(row.kind, "execType")? != "Trade" {
        return Err(DecodeError::Invalid("execType"));
    }
    let side = side(row.side, "side")?;
    let maker = row.maker.ok_or(DecodeError::Missing("isMaker"))?;
    let maker = maker.bool().ok_or(DecodeError::Invalid("isMaker"))?;
    let fill_id = FillId::new(text(row.id, "execId")?).filter(|id| !id.is_empty());
    let price = price(row.price, "execPrice", instrument)?;
    let qty = qty(row.qty, "execQty", instrument)?.unwrap_or_default();
    if price.0 <= 0 {
        return Err(DecodeError::Invalid("execPrice"));
    }
    if qty.0 <= 0 {
        return Err(DecodeError::Invalid("execQty"));
    }
    let (fee, fee_asset, flaw) = fee(row, context.names, instrument, side, maker)?;
    let fill = Fill {
        fill_id: fill_id.ok_or(DecodeError::Invalid("execId"))?,
        price,
        qty,
        liquidity: if maker { Liquidity::Maker } else { Liquidity::Taker },
        fee,
        fee_asset,
        realised: None,
    };
    let client_id = client_id(row.link_id);
    let report = ExecutionReport {
        venue_order_id: order_id(row.order_id)?,
        side,
        fill,
        event_ns: Nanos::from_millis(whole(row.time, "execTime")?),
        recv_ns: now,
        ..ExecutionReport::new(ReportKind::Fill, origin, client_id, instrument.id)
    };
    Ok((report, flaw))
}

/// Fee, its asset, and a flaw if a part of it cannot be told in one asset that we know.
fn fee(
    row: &ExecutionFields<'_>,
    names: &Names,
    instrument: &Instrument,
    side: Side,
    maker: bool,
) -> Result<(Amount, AssetId, Result<(), DecodeError>), DecodeError> {
    let mut fee = amount(row.fee, "execFee")?.unwrap_or_default();
    let assets = &names.instruments.assets;
    let currency = row.currency.and_then(Scalar::str).unwrap_or("");
    let asset = if currency.is_empty() {
        fee_asset(instrument, side, maker && fee < Amount::ZERO)
    } else {
        assets.find(currency).unwrap_or(AssetId::NONE)
    };
    let mut flaw = Ok(());
    // Taxes come on top; a list, or an empty text.
    if let Some(extra) = row.extra {
        for tax in extra.items() {
            let coin = tax.get("feeCoin").and_then(Value::str).and_then(|coin| assets.find(coin));
            match amount(tax.get("fee").map(Scalar::from), "fee")? {
                Some(amount) if coin == Some(asset) => match decimal::sum(fee, amount) {
                    Some(sum) => fee = sum,
                    None => flaw = Err(DecodeError::Invalid("extraFees")),
                },
                Some(Amount::ZERO) | None => {}
                Some(_) => flaw = Err(DecodeError::Invalid("extraFees")),
            }
        }
    }
    if fee == Amount::ZERO {
        return Ok((fee, AssetId::NONE, flaw));
    }
    if asset == AssetId::NONE {
        flaw = Err(DecodeError::Invalid("feeCurrency"));
    }
    Ok((fee, asset, flaw))
}

/// The venue's rule: what one receives pays the fee; a rebate comes in what one gives.
fn fee_asset(instrument: &Instrument, side: Side, rebate: bool) -> AssetId {
    match (side, rebate) {
        (Side::Buy, false) | (Side::Sell, true) => instrument.base,
        (Side::Sell, false) | (Side::Buy, true) => instrument.quote,
    }
}

/// Balances of one account; only coins that the engine has a number for.
///
/// ```json
/// {"accountType":"UNIFIED","coin":[{"coin":"BTC","walletBalance":"0.00102964","locked":"0"}]}
/// ```
pub(super) fn wallet(
    account: Value<'_>,
    names: &Names,
    event_ns: Nanos,
    sink: &mut Sink<'_>,
) -> Result<(), DecodeError> {
    let coins = account.field("coin")?;
    if !coins.is_array() {
        return Err(DecodeError::Invalid("coin"));
    }
    for coin in coins.items() {
        let Some(asset) = names.instruments.assets.find(coin.field_str("coin")?) else {
            continue;
        };
        let amount = |name| amount(coin.get(name).map(Scalar::from), name);
        let total = amount("walletBalance")?.ok_or(DecodeError::Invalid("walletBalance"))?;
        let locked = amount("locked")?.unwrap_or_default();
        let free = total.0.checked_sub(locked.0).ok_or(DecodeError::Invalid("locked"))?;
        sink.push(Event::Balance(AssetBalance {
            venue: names.venue,
            asset,
            free: Amount(free),
            locked,
            event_ns,
        }))?;
    }
    Ok(())
}

//! The private socket: order rows, executions, wallets, positions.
//!
//! Every execution becomes one `Fill`; order rows state totals only. Executions come on the topic that
//! has fees and our ids: `execution.fast` is earlier but has neither, and a fill is told of once. A cancel that races
//! a fill makes the venue send `Filled` twice: both become `Progress`, which moves nothing. There
//! is no snapshot on subscribing: state is loaded over REST. Order rows over REST have the same
//! form and are read here too.
//! <https://bybit-exchange.github.io/docs/v5/websocket/private/order>

#![forbid(unsafe_code)]

use super::super::fields::{Field, amount, client_id, or_empty, order_id, price, qty, text, whole};
use super::super::trading::{Desk, Names, OrderRow};
use super::super::{DecodeError, Scalar, Value, decimal};
use super::account::{self, Holder};
use super::codes::reject_reason;
use super::fields::{ExecutionFields, OrderFields, side};
use super::scan::{self, PrivateRows};
use super::{Product, field_whole};
use crate::types::{
    Amount, AssetId, Event, ExecutionReport, Fill, FillId, Instrument, Liquidity, Nanos,
    OrderState, Qty, RejectReason, ReportKind, ReportOrigin, Side,
};

/// What rows are read against.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) holder: Holder<'a>,
    /// Of rows that do not say themselves: the category of their topic, or of their list.
    pub(super) product: Option<&'static Product>,
}

impl<'a> Context<'a> {
    fn names(self) -> &'a Names {
        self.holder.names
    }

    /// The instrument of a row. Products share symbols: the category decides.
    fn instrument(
        self,
        category: Field<'_>,
        symbol: Field<'_>,
    ) -> Result<&'a Instrument, DecodeError> {
        let product = match category.map(Scalar::str) {
            Some(category) => category.and_then(Product::named),
            None => Some(self.product.ok_or(DecodeError::Missing("category"))?),
        };
        let product = product.ok_or(DecodeError::Invalid("category"))?;
        if self.product.is_some_and(|stated| stated.category != product.category) {
            return Err(DecodeError::Invalid("category"));
        }
        self.names().of_kind(product.kind, symbol, "symbol")
    }

    /// For the rows of a topic. All-in-one topics carry every product, categorised ones
    /// (`order.spot`) name theirs.
    fn of_topic(self, topic: &str) -> Result<(&str, Self), DecodeError> {
        let Some((kind, category)) = topic.split_once('.') else { return Ok((topic, self)) };
        if kind == "dcp" {
            return Ok((kind, self));
        }
        let product = Product::named(category).ok_or(DecodeError::Invalid("category"))?;
        Ok((kind, Self { product: Some(product), ..self }))
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
    let (kind, context) = context.of_topic(topic)?;
    let rows = root.field("data")?;
    if !rows.is_array() {
        return Err(DecodeError::Invalid("data"));
    }
    let told = || field_whole(root, "creationTime").map(Nanos::from_millis);
    let mut result = Ok(());
    for row in rows.items() {
        let outcome = match kind {
            "order" => on_order(&OrderFields::of(row), context, desk),
            "execution" => on_execution(&ExecutionFields::of(row), context, desk),
            "wallet" => context.holder.wallet(row, told()?, &mut desk.sink),
            "position" => on_position(row, context, told()?, desk),
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
    let (_, context) = context.of_topic(frame.topic)?;
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

/// Positions of dated and coin-margined contracts are none of ours.
fn on_position(
    row: Value<'_>,
    context: Context<'_>,
    told_ns: Nanos,
    desk: &mut Desk<'_>,
) -> Result<(), DecodeError> {
    let category = row.field_str("category")?;
    if context.product.is_some_and(|product| product.category != category) {
        return Err(DecodeError::Invalid("category"));
    }
    match category {
        "linear" => context.holder.position(row, told_ns, &mut desk.sink),
        _ => Ok(()),
    }
}

fn on_execution(
    row: &ExecutionFields<'_>,
    context: Context<'_>,
    desk: &mut Desk<'_>,
) -> Result<(), DecodeError> {
    if or_empty(row.kind) == FUNDING {
        return on_funding(row, context, desk);
    }
    let (report, flaw) = execution_of(row, context, ReportOrigin::Stream, desk.now)?;
    desk.sink.report(report).and(flaw)
}

/// `execType` of a payment of funding.
const FUNDING: &str = "Funding";

/// Funding comes as an execution whose fee was paid.
fn on_funding(
    row: &ExecutionFields<'_>,
    context: Context<'_>,
    desk: &mut Desk<'_>,
) -> Result<(), DecodeError> {
    let instrument = context.instrument(row.category, row.symbol)?;
    if !instrument.is_perpetual() {
        return Err(DecodeError::Invalid("execType"));
    }
    let fee = amount(row.fee, "execFee")?.ok_or(DecodeError::Missing("execFee"))?;
    let currency = or_empty(row.currency);
    let asset = match currency {
        "" => Some(instrument.settle),
        _ => context.names().instruments.assets.find(currency),
    };
    let asset = asset.ok_or(DecodeError::Invalid("feeCurrency"))?;
    let received = fee.0.checked_neg().ok_or(DecodeError::Invalid("execFee"))?;
    let at = Nanos::from_millis(whole(row.time, "execTime")?);
    let payment = account::payment(instrument, asset, Amount(received), at);
    desk.sink.push(Event::FundingPaid(payment))
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
    let in_quote = !instrument.is_perpetual() && is_in_quote(row, side);
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

/// A spot market buy's quantity is quote units unless the row says otherwise. Ours always say.
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
            (reason, cumulative),
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
    (reason, cumulative): (RejectReason, Qty),
    cancel_type: &str,
    time_in_force: &str,
    order_type: &str,
) -> (OrderState, RejectReason) {
    let immediate = matches!(time_in_force, "IOC" | "FOK") || order_type == "Market";
    match reason {
        // A change may have moved it across the book after a part was filled.
        RejectReason::WouldTake if cumulative > Qty(0) => (OrderState::Canceled, reason),
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
    // What the venue takes from us, in a liquidation, to deleverage others or because a contract is
    // delisted, and what is moved between accounts has no order of ours, but moves the position all
    // the same.
    match text(row.kind, "execType")? {
        "Trade" | "BustTrade" | "AdlTrade" => {}
        "Delivery" | "Settle" | "BlockTrade" | "MovePosition" | "FutureSpread"
            if instrument.is_perpetual() => {}
        _ => return Err(DecodeError::Invalid("execType")),
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
    let (fee, fee_asset, flaw) = fee(row, context.names(), instrument, side, maker)?;
    let fill = Fill {
        fill_id: fill_id.ok_or(DecodeError::Invalid("execId"))?,
        price,
        qty,
        liquidity: if maker { Liquidity::Maker } else { Liquidity::Taker },
        fee,
        fee_asset,
        realised: if instrument.is_perpetual() { amount(row.profit, "execPnl")? } else { None },
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

/// The venue's rule on spot: what one receives pays the fee; a rebate comes in what one gives.
fn fee_asset(instrument: &Instrument, side: Side, rebate: bool) -> AssetId {
    if instrument.is_perpetual() {
        return instrument.settle;
    }
    match (side, rebate) {
        (Side::Buy, false) | (Side::Sell, true) => instrument.base,
        (Side::Sell, false) | (Side::Buy, true) => instrument.quote,
    }
}

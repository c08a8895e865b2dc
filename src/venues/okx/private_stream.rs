//! The private socket: orders with their fills, balances, positions.
//!
//! A row of the orders channel states the order and, if something was filled, that one fill; which of
//! two copies of a fill counts is told by its number. There is no snapshot on subscribing: orders are
//! loaded over REST, whose rows have the same form and are read here too. The channel of fills alone
//! is for high fee tiers only, knows no fees and no ids of ours: it is not used.
//! <https://www.okx.com/docs-v5/en/#order-book-trading-trade-ws-order-channel>

#![forbid(unsafe_code)]

use super::super::fields::{
    self, Field, amount, client_id, or_empty, order_id, price, text, whole,
};
use super::super::flight::{Ask, Phase};
use super::super::trading::{Assets, Desk, Names, OrderRow};
use super::super::verdict::Verdict;
use super::super::{DecodeError, Scalar, Value, decimal};
use super::account;
use super::fields::{OrderFields, qty, side};
use super::{codes, scan};
use crate::types::{
    Amount, AssetId, ExecutionReport, Fill, FillId, Instrument, Liquidity, Nanos, OrderState, Qty,
    RejectReason, ReportKind, ReportOrigin, Side,
};

/// Reads a data frame of the private socket. Rows are independent: a bad one costs itself, the
/// others count, and the first error is returned for the counter.
pub(super) fn decode(
    root: Value<'_>,
    channel: &str,
    (names, assets, margin): (&Names, &Assets, &str),
    desk: &mut Desk<'_>,
) -> Result<(), DecodeError> {
    let rows = root.field("data")?;
    if !rows.is_array() {
        return Err(DecodeError::Invalid("data"));
    }
    let mut result = Ok(());
    for row in rows.items() {
        let outcome = match channel {
            "orders" => on_order(&OrderFields::of(row), names, desk),
            "account" => account::balances(row, names, assets, &mut desk.sink),
            "positions" => account::position(row, (names, margin), &mut desk.sink),
            _ => Err(DecodeError::UnknownKind),
        };
        result = result.and(outcome);
    }
    result
}

/// The same of a frame that was scanned: orders.
pub(super) fn on_scanned(
    frame: &scan::Orders<'_>,
    names: &Names,
    desk: &mut Desk<'_>,
) -> Result<(), DecodeError> {
    let first = on_order(&frame.first, names, desk);
    frame.rest().fold(first, |result, row| result.and(on_order(&row, names, desk)))
}

/// One row: the terms it shows, the fill it reports, and what the order has come to. A fill is not
/// lost for a fee that cannot be told.
fn on_order(
    fields: &OrderFields<'_>,
    names: &Names,
    desk: &mut Desk<'_>,
) -> Result<(), DecodeError> {
    let row = order_row(fields, names)?;
    on_failed_change(fields, &row, desk)?;
    let replaced = desk.flights.sight(&row.sighting());
    let stream = ReportOrigin::Stream;
    if !has_fill(fields) {
        return desk.sink.report(row.report(row.kind(replaced), stream, desk.now));
    }
    if replaced {
        desk.sink.report(row.report(ReportKind::Replaced, stream, desk.now))?;
    }
    let instrument = names.of_row(fields.symbol, "instId")?;
    let (fee, flaw) = fill_fee(fields)?;
    let (fill, unknown) = fill(fields, fee, names, instrument)?;
    desk.sink.report(ExecutionReport { fill, ..row.report(ReportKind::Fill, stream, desk.now) })?;
    if matches!(row.state, OrderState::Canceled | OrderState::Expired | OrderState::Rejected) {
        desk.sink.report(row.report(row.kind(false), stream, desk.now))?;
    }
    flaw.and(unknown)
}

/// The result of a change is a part of the row: 0 done, -1 failed, 1 failed and so cancelled.
fn on_failed_change(
    fields: &OrderFields<'_>,
    row: &OrderRow,
    desk: &mut Desk<'_>,
) -> Result<(), DecodeError> {
    if !matches!(or_empty(fields.amended), "-1" | "1") {
        return Ok(());
    }
    let id = or_empty(fields.request).parse().unwrap_or(0);
    let flight = desk.flights.get_mut(id);
    let flight = flight.filter(|flight| matches!(flight.ask, Ask::Replace(_)));
    match flight {
        // Its reply is still to come, and says nothing new then.
        Some(flight) if flight.phase == Phase::Waiting => flight.phase = Phase::Seen,
        Some(flight) if flight.phase != Phase::Seen => drop(desk.flights.remove(id)),
        // A copy, or a change that somebody else asked for.
        _ => return Ok(()),
    }
    let code = or_empty(fields.code).parse().unwrap_or(0);
    let reason = match codes::verdict(code) {
        Verdict::Refused(reason) | Verdict::Unknown(reason) => reason,
        Verdict::Done => RejectReason::Other,
    };
    let report = row.report(ReportKind::ReplaceRejected, ReportOrigin::Stream, desk.now);
    desk.sink.report(ExecutionReport { reason, venue_code: code, ..report })
}

/// Reads an order row.
pub(super) fn order_row(row: &OrderFields<'_>, names: &Names) -> Result<OrderRow, DecodeError> {
    let instrument = names.of_row(row.symbol, "instId")?;
    let side = side(row.side, "side")?;
    let in_quote = is_in_quote(row, side, instrument);
    let cumulative = qty(row.cumulative, "accFillSz", instrument)?.unwrap_or_default();
    let total = match in_quote {
        true => Qty::ZERO,
        false => qty(row.qty, "sz", instrument)?.unwrap_or_default(),
    };
    let (state, reason) = state(row, cumulative, total)?;
    Ok(OrderRow {
        instrument: instrument.id,
        client_id: client_id(row.client_id),
        venue_order_id: order_id(row.order_id)?,
        side,
        state,
        reason,
        price: price(row.price, "px", instrument)?,
        qty: total,
        cumulative_qty: Some(cumulative),
        event_ns: Nanos::from_millis(whole(row.updated, "uTime")?),
    })
}

/// A spot market buy's size is quote units unless the row says otherwise. Ours always say.
fn is_in_quote(row: &OrderFields<'_>, side: Side, of: &Instrument) -> bool {
    if of.is_perpetual() || or_empty(row.order_type) != "market" {
        return false;
    }
    match or_empty(row.unit) {
        "quote_ccy" => true,
        "base_ccy" => false,
        _ => side == Side::Buy,
    }
}

/// `state` with what explains it.
fn state(
    row: &OrderFields<'_>,
    cumulative: Qty,
    total: Qty,
) -> Result<(OrderState, RejectReason), DecodeError> {
    let none = RejectReason::None;
    let filled = cumulative > Qty::ZERO;
    Ok(match text(row.state, "state")? {
        "live" | "partially_filled" if filled => (OrderState::PartiallyFilled, none),
        "live" => (OrderState::Open, none),
        // An order at any price that found no more to take.
        "filled" if cumulative < total => (OrderState::Expired, RejectReason::TimeInForce),
        "filled" => (OrderState::Filled, none),
        "canceled" => codes::ended(or_empty(row.cancel_source), filled),
        "mmp_canceled" => (OrderState::Canceled, RejectReason::Other),
        _ => return Err(DecodeError::Invalid("state")),
    })
}

/// Whether a row of the channel reports a fill.
fn has_fill(row: &OrderFields<'_>) -> bool {
    !or_empty(row.trade_id).is_empty() && !matches!(or_empty(row.fill_qty), "" | "0")
}

/// A fee with its asset, as the venue writes them: negative is a cost.
type Fee<'a> = (Amount, Field<'a>);

/// Fee of the fill that a row of the channel reports. The order's whole fee is that of its only fill.
fn fill_fee<'a>(row: &OrderFields<'a>) -> Result<(Fee<'a>, Result<(), DecodeError>), DecodeError> {
    if let Some(fee) = amount(row.fill_fee, "fillFee")? {
        return Ok(((fee, row.fill_fee_asset), Ok(())));
    }
    if or_empty(row.cumulative) != or_empty(row.fill_qty) {
        return Ok(((Amount::ZERO, None), Err(DecodeError::Missing("fillFee"))));
    }
    let fee = amount(row.fee, "fee")?.unwrap_or_default();
    Ok(((fee, row.fee_asset), Ok(())))
}

/// The fill of a row with its fee; the second value is a flaw that must not cost the fill.
fn fill(
    row: &OrderFields<'_>,
    (fee, asset): Fee<'_>,
    names: &Names,
    of: &Instrument,
) -> Result<(Fill, Result<(), DecodeError>), DecodeError> {
    let fill_id = FillId::new(text(row.trade_id, "tradeId")?).filter(|id| !id.is_empty());
    let price = price(row.fill_price, "fillPx", of)?;
    let qty = qty(row.fill_qty, "fillSz", of)?.unwrap_or_default();
    if price.0 <= 0 {
        return Err(DecodeError::Invalid("fillPx"));
    }
    if qty <= Qty::ZERO {
        return Err(DecodeError::Invalid("fillSz"));
    }
    let paid = Amount(fee.0.checked_neg().ok_or(DecodeError::Invalid("fillFee"))?);
    let known = names.instruments.assets.find(or_empty(asset)).unwrap_or(AssetId::NONE);
    let free = paid == Amount::ZERO;
    let fill = Fill {
        fill_id: fill_id.ok_or(DecodeError::Invalid("tradeId"))?,
        price,
        qty,
        liquidity: match or_empty(row.liquidity) {
            "M" => Liquidity::Maker,
            "T" => Liquidity::Taker,
            _ => Liquidity::Unknown,
        },
        fee: paid,
        realised: if of.is_perpetual() { profit(row.fill_profit)? } else { None },
        fee_asset: if free { AssetId::NONE } else { known },
    };
    let unknown = !free && known == AssetId::NONE;
    Ok((fill, if unknown { Err(DecodeError::Invalid("feeCcy")) } else { Ok(()) }))
}

/// What a fill has realised, as the venue has calculated it.
fn profit(field: Field<'_>) -> Result<Option<Amount>, DecodeError> {
    let Some(text) = fields::number(field, "fillPnl")? else { return Ok(None) };
    let profit = decimal::calculated(text);
    profit.map(Some).map_err(|error| DecodeError::Number("fillPnl", error))
}

/// Reads one row of a list of fills, which has that fill's own fee.
///
/// ```json
/// {"side":"buy","fillSz":"0.00192834","fillPx":"51858","fee":"-0.00000192834",
///  "ordId":"680800019749904384","instType":"SPOT","instId":"BTC-USDT","clOrdId":"",
///  "billId":"680800019754098688","fillTime":"1708587373361","execType":"T",
///  "tradeId":"744876980","feeCcy":"BTC","ts":"1708587373362"}
/// ```
pub(super) fn fill_row(
    row: Value<'_>,
    names: &Names,
    now: Nanos,
) -> Result<ExecutionReport, DecodeError> {
    let fields = OrderFields::of(row);
    let instrument = names.of_row(fields.symbol, "instId")?;
    let fee = amount(fields.fee, "fee")?.unwrap_or_default();
    let (fill, _) = fill(&fields, (fee, fields.fee_asset), names, instrument)?;
    let time = row.get("fillTime").or(row.get("ts")).map(Scalar::from);
    let (client_id, origin) = (client_id(fields.client_id), ReportOrigin::Query);
    Ok(ExecutionReport {
        venue_order_id: order_id(fields.order_id)?,
        side: side(fields.side, "side")?,
        fill,
        event_ns: Nanos::from_millis(whole(time, "fillTime")?),
        recv_ns: now,
        ..ExecutionReport::new(ReportKind::Fill, origin, client_id, instrument.id)
    })
}

//! The account's streams: states of orders, fills, funding, and what the account has.
//!
//! Every fill of our own becomes one `Fill`; states of orders give totals only. What a stream says at
//! first is history (`isSnapshot`): what was missed is asked for over REST after every connection, so
//! history is passed over. Rows over REST have the same form and are read here too.
//! <https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions>

#![forbid(unsafe_code)]

use super::super::fields::{self, amount, whole};
use super::super::flight::{Flights, Sighting};
use super::super::sink::Sink;
use super::super::{DecodeError, Scalar, Value};
use super::account::{self, Leverages};
use super::actions::client_id;
use super::assets::Assets;
use super::errors;
use super::market_data::side;
use super::statements::{Statements, Teller};
use super::works::{Work, Works};
use crate::types::{
    Amount, AssetId, ClientOrderId, Event, ExecutionReport, Fill, FillId, FundingPayment,
    Instrument, InstrumentId, Liquidity, Nanos, OrderState, Price, Qty, RejectReason, ReportKind,
    ReportOrigin, Side, VenueOrderId,
};

const SECOND_MS: u64 = 1_000;

/// An order as the venue states it, in the engine's words.
///
/// ```json
/// {"coin":"BTC","side":"B","limitPx":"31795.0","sz":"0.00037","oid":57118842019,
///  "timestamp":1785261289146,"origSz":"0.00037","cloid":"0xa1f0cddc17303d07f3fd128d5b35071d"}
/// ```
#[derive(Clone, Copy, Debug)]
pub(super) struct OrderRow {
    pub(super) instrument: InstrumentId,
    pub(super) client_id: ClientOrderId,
    pub(super) oid: u64,
    pub(super) side: Side,
    pub(super) state: OrderState,
    pub(super) reason: RejectReason,
    pub(super) code: i32,
    pub(super) price: Price,
    /// In total, and filled of it, under this number.
    pub(super) qty: Qty,
    pub(super) filled: Qty,
    pub(super) event_ns: Nanos,
}

impl OrderRow {
    /// `status` and its time stand beside the order; a list of open orders states neither.
    pub(super) fn read(
        order: Value<'_>,
        status: Option<(&str, u64)>,
        assets: &Assets,
    ) -> Result<Self, DecodeError> {
        let field = |name: &'static str| order.get(name).map(Scalar::from);
        let instrument = assets.find(order.field_str("coin")?)?;
        let qty = |name| {
            let qty = fields::qty(field(name), name, instrument)?;
            qty.ok_or(DecodeError::Missing(name))
        };
        let (left, total) = (qty("sz")?, qty("origSz")?);
        let filled = total.0.checked_sub(left.0).filter(|filled| *filled >= 0);
        let filled = Qty(filled.ok_or(DecodeError::Invalid("sz"))?);
        let (name, at_ms) = match status {
            Some(status) => status,
            None => ("open", whole(field("timestamp"), "timestamp")?),
        };
        let (state, reason, code) = errors::state(name).ok_or(DecodeError::Invalid("status"))?;
        Ok(Self {
            instrument: instrument.id,
            client_id: client_id(field("cloid").and_then(Scalar::str).unwrap_or("")),
            oid: whole(field("oid"), "oid")?,
            side: side(field("side"))?,
            state: match state {
                OrderState::Open if filled > Qty(0) => OrderState::PartiallyFilled,
                state => state,
            },
            reason,
            code,
            price: fields::price(field("limitPx"), "limitPx", instrument)?,
            qty: total,
            filled,
            event_ns: Nanos::from_millis(at_ms),
        })
    }

    /// The kind of report that its state makes.
    fn kind(&self) -> ReportKind {
        match self.state {
            OrderState::Open => ReportKind::Accepted,
            OrderState::Canceled => ReportKind::Canceled,
            OrderState::Rejected => ReportKind::Rejected,
            OrderState::Expired => ReportKind::Expired,
            _ => ReportKind::Progress,
        }
    }

    /// `base` is what was filled under an earlier number.
    pub(super) fn report(
        &self,
        kind: ReportKind,
        origin: ReportOrigin,
        base: Qty,
        now: Nanos,
    ) -> ExecutionReport {
        let with_base = |qty: Qty| Qty(qty.0.saturating_add(base.0));
        ExecutionReport {
            venue_order_id: VenueOrderId::from_u64(self.oid),
            side: self.side,
            state: self.state,
            price: self.price,
            qty: with_base(self.qty),
            cumulative_qty: Some(with_base(self.filled)),
            reason: self.reason,
            venue_code: self.code,
            event_ns: self.event_ns,
            recv_ns: now,
            ..ExecutionReport::new(kind, origin, self.client_id, self.instrument)
        }
    }
}

/// What rows are read against, and what they change.
pub(super) struct Desk<'a> {
    pub(super) assets: &'a Assets,
    pub(super) works: &'a mut Works,
    pub(super) flights: &'a mut Flights,
    pub(super) leverages: &'a mut Leverages,
    pub(super) statements: &'a mut Statements,
    /// Address of the account, as the venue writes it.
    pub(super) user: &'a str,
    pub(super) now: Nanos,
}

/// Reads a data frame. Rows are independent: a bad one costs itself, the others count, and the first
/// error is returned for the counter.
pub(super) fn decode(
    channel: &str,
    data: Value<'_>,
    desk: &mut Desk<'_>,
    sink: &mut Sink<'_>,
) -> Result<(), DecodeError> {
    match channel {
        "orderUpdates" if data.is_array() => each(data, |row| on_order(row, desk, sink)),
        "orderUpdates" => Err(DecodeError::Invalid("data")),
        "userFills" => each_of("fills", data, desk, |row, desk| on_fill(row, desk, sink)),
        "userFundings" => each_of("fundings", data, desk, |row, desk| {
            let payment = funding(row, row, desk.assets)?;
            payment.map_or(Ok(()), |payment| sink.push(Event::FundingPaid(payment)))
        }),
        // Of the same events; those that no other stream tells of are shown in the states of orders.
        "user" => match (data.get("fills"), data.get("funding")) {
            (Some(fills), _) => each(fills, |row| on_fill(row, desk, sink)),
            (None, Some(row)) => {
                let payment = funding(row, row, desk.assets)?;
                payment.map_or(Ok(()), |payment| sink.push(Event::FundingPaid(payment)))
            }
            (None, None) if data.get("nonUserCancel").or(data.get("liquidation")).is_some() => {
                Ok(())
            }
            (None, None) => Err(DecodeError::UnknownKind),
        },
        "clearinghouseState" => {
            let state = account::stated(data, "clearinghouseState", desk.user)?;
            let mut teller = Teller::new(sink, desk.statements, false);
            account::on_clearinghouse(state, desk.assets, desk.leverages, &mut teller)
        }
        "spotState" => {
            let state = account::stated(data, "spotState", desk.user)?;
            account::spot(state, desk.assets, &mut Teller::new(sink, desk.statements, false))
        }
        _ => Err(DecodeError::UnknownKind),
    }
}

fn each(
    rows: Value<'_>,
    mut take: impl FnMut(Value<'_>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut result = Ok(());
    for row in rows.items() {
        result = result.and(take(row));
    }
    result
}

/// Rows of a stream that names its account and begins with history.
fn each_of(
    name: &'static str,
    data: Value<'_>,
    desk: &mut Desk<'_>,
    mut take: impl FnMut(Value<'_>, &mut Desk<'_>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    if data.field_str("user")? != desk.user {
        return Err(DecodeError::Invalid("user"));
    }
    let rows = data.field(name)?;
    if !rows.is_array() {
        return Err(DecodeError::Invalid(name));
    }
    match data.get("isSnapshot").and_then(Value::bool) {
        Some(true) => Ok(()),
        _ => each(rows, |row| take(row, desk)),
    }
}

/// `{"order":{..},"status":"open","statusTimestamp":1785261289146}`
fn on_order(row: Value<'_>, desk: &mut Desk<'_>, sink: &mut Sink<'_>) -> Result<(), DecodeError> {
    let status = (row.field_str("status")?, row.field_u64("statusTimestamp")?);
    let row = match OrderRow::read(row.field("order")?, Some(status), desk.assets) {
        // Other coins of the account are not ours to watch.
        Err(DecodeError::UnknownSymbol) => return Ok(()),
        row => row?,
    };
    let replacing = desk.flights.replacing(row.client_id).is_some();
    let work = desk.works.hear(row.client_id, desk.now);
    let Some((kind, base)) = place(&row, replacing, work)? else { return Ok(()) };
    if row.state.is_terminal() {
        desk.works.close(row.client_id);
    }
    let report = row.report(kind, ReportOrigin::Stream, base, desk.now);
    let ended = row.state.is_terminal();
    desk.flights.sight(&Sighting {
        client_id: row.client_id,
        venue_order_id: report.venue_order_id,
        price: row.price,
        // Of a replace: the terms that it asked for.
        qty: row.qty,
        ended,
    });
    sink.report(report)
}

/// Whether a row is about the order as it is now, and what was filled under other numbers. `None`
/// for what only ends a number that the order has no more, or perhaps has no more.
///
/// The stream may be behind the replies, by more than one replace: only what lives makes the order go
/// on under a number that is not known. The end of such a number ends nothing.
fn place(
    row: &OrderRow,
    replacing: bool,
    work: Option<&mut Work>,
) -> Result<Option<(ReportKind, Qty)>, DecodeError> {
    let kind = row.kind();
    let Some(work) = work else { return Ok(Some((kind, Qty(0)))) };
    work.touched |= row.filled > Qty(0);
    if let Some(former) = work.former(row.oid) {
        // Told after the new number has begun: what was filled under it belongs to the order.
        former.filled = former.filled.max(row.filled);
        return Ok(None);
    }
    if work.oid != 0 && work.oid != row.oid {
        match row.state.is_terminal() {
            // That of the new terms: the reply says what became of them.
            true if replacing => return Ok(None),
            true => return Err(DecodeError::Invalid("oid")),
            false => {}
        }
        work.renumber(row.oid);
        if replacing && row.state == OrderState::Open {
            return Ok(Some((ReportKind::Replaced, work.base())));
        }
    } else if replacing && row.state == OrderState::Canceled {
        // Its end, or the first half of the replace: that is told by what follows.
        work.ended = Some(row.filled);
        return Ok(None);
    }
    work.oid = row.oid;
    Ok(Some((kind, work.base())))
}

/// Reads one fill as a report; the second value is a flaw that must not cost the fill: it is told of
/// after it.
///
/// ```json
/// {"coin":"BTC","px":"64007.0","sz":"0.00018","side":"A","time":1784976932073,"crossed":false,
///  "oid":502464503020,"fee":"0.000829","tid":351400627290190,"feeToken":"USDC"}
/// ```
pub(super) fn fill(
    row: Value<'_>,
    assets: &Assets,
    origin: ReportOrigin,
    now: Nanos,
) -> Result<(ExecutionReport, Result<(), DecodeError>), DecodeError> {
    let field = |name: &'static str| row.get(name).map(Scalar::from);
    let instrument = assets.find(row.field_str("coin")?)?;
    let price = fields::price(field("px"), "px", instrument)?;
    let qty = fields::qty(field("sz"), "sz", instrument)?.unwrap_or_default();
    if price.0 <= 0 {
        return Err(DecodeError::Invalid("px"));
    }
    if qty.0 <= 0 {
        return Err(DecodeError::Invalid("sz"));
    }
    let time_ms = row.field_u64("time")?;
    let (fee, fee_asset, flaw) = fee(row, instrument, assets)?;
    let crossed = row.field_bool("crossed")?;
    let fill = Fill {
        fill_id: fill_id(time_ms, row.field_u64("tid")?),
        price,
        qty,
        liquidity: if crossed { Liquidity::Taker } else { Liquidity::Maker },
        fee,
        fee_asset,
        realised: if instrument.is_perpetual() { realised(row)? } else { None },
    };
    let client_id = client_id(field("cloid").and_then(Scalar::str).unwrap_or(""));
    let report = ExecutionReport {
        venue_order_id: VenueOrderId::from_u64(row.field_u64("oid")?),
        side: side(field("side"))?,
        fill,
        event_ns: Nanos::from_millis(time_ms),
        recv_ns: now,
        ..ExecutionReport::new(ReportKind::Fill, origin, client_id, instrument.id)
    };
    Ok((report, flaw))
}

/// Profit that the fill has realised, without its fee.
fn realised(row: Value<'_>) -> Result<Option<Amount>, DecodeError> {
    amount(row.get("closedPnl").map(Scalar::from), "closedPnl")
}

/// The venue's number of a trade is a hash, unique only together with its time.
fn fill_id(time_ms: u64, tid: u64) -> FillId {
    let (mut time, mut number) = (itoa::Buffer::new(), itoa::Buffer::new());
    let (time, number) = (time.format(time_ms).as_bytes(), number.format(tid).as_bytes());
    // Two numbers of 64 bits and a dash are 41 bytes at most: of a longer one the end tells most.
    let mut bytes = [b'-'; 41];
    bytes[..time.len()].copy_from_slice(time);
    let end = time.len() + 1 + number.len();
    bytes[time.len() + 1..end].copy_from_slice(number);
    let text = std::str::from_utf8(&bytes[end.saturating_sub(39)..end]).unwrap_or("");
    FillId::new(text).unwrap_or_default()
}

/// The time in a fill's id, ms.
pub(super) fn fill_time_ms(id: &FillId) -> Option<u64> {
    id.as_str().split_once('-')?.0.parse().ok()
}

/// Fee with its asset, the builder's part included; a rebate is negative. A spot buy pays in what it
/// buys.
fn fee(
    row: Value<'_>,
    instrument: &Instrument,
    assets: &Assets,
) -> Result<(Amount, AssetId, Result<(), DecodeError>), DecodeError> {
    let fee = amount(row.get("fee").map(Scalar::from), "fee")?;
    let fee = fee.ok_or(DecodeError::Missing("fee"))?;
    if fee == Amount::ZERO {
        return Ok((fee, AssetId::NONE, Ok(())));
    }
    let known = &assets.instruments.assets;
    let asset = match row.get("feeToken").and_then(Value::str) {
        Some(token) => known.find(token).unwrap_or(AssetId::NONE),
        None if instrument.is_perpetual() => instrument.settle,
        None => AssetId::NONE,
    };
    let flaw = if asset == AssetId::NONE { Err(DecodeError::Invalid("feeToken")) } else { Ok(()) };
    Ok((fee, asset, flaw))
}

fn on_fill(row: Value<'_>, desk: &mut Desk<'_>, sink: &mut Sink<'_>) -> Result<(), DecodeError> {
    let (report, flaw) = match fill(row, desk.assets, ReportOrigin::Stream, desk.now) {
        // Other coins of the account are not ours to watch.
        Err(DecodeError::UnknownSymbol) => return Ok(()),
        read => read?,
    };
    if let Some(work) = desk.works.hear(report.client_id, desk.now) {
        work.touched = true;
    }
    sink.report(report).and(flaw)
}

/// A payment of funding; none for other coins. `row` has its time, `delta` the rest.
///
/// ```json
/// {"time":1750172400033,"hash":"0x0..","delta":{"type":"funding","coin":"HYPE","usdc":"-0.044263",
///  "szi":"30.0","fundingRate":"0.0000369155","nSamples":null}}
/// ```
pub(super) fn funding(
    row: Value<'_>,
    delta: Value<'_>,
    assets: &Assets,
) -> Result<Option<FundingPayment>, DecodeError> {
    let instrument = match assets.find(delta.field_str("coin")?) {
        Err(DecodeError::UnknownSymbol) => return Ok(None),
        found => found?,
    };
    let time_ms = row.field_u64("time")?;
    let paid = amount(delta.get("usdc").map(Scalar::from), "usdc")?;
    Ok(Some(FundingPayment {
        settles: false,
        instrument: instrument.id,
        asset: instrument.settle,
        amount: paid.ok_or(DecodeError::Missing("usdc"))?,
        // It is paid once an hour, some milliseconds after it: no two in one second.
        id: time_ms - time_ms % SECOND_MS,
        event_ns: Nanos::from_millis(time_ms),
    }))
}

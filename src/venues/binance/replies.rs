//! Replies to commands, from either wire, to reports, balances and notices.
//!
//! ```json
//! {"symbol":"BTCUSDT","origClientOrderId":"4d96..","orderId":12569099453,"clientOrderId":"91fe..",
//!  "transactTime":1684804350068,"price":"23416.10","origQty":"0.00847","executedQty":"0.00001",
//!  "status":"CANCELED","timeInForce":"GTC","type":"LIMIT","side":"SELL"}
//! ```
//!
//! The same row describes an order in every reply, more or less complete. `origClientOrderId`, where
//! it is, names the order; `clientOrderId` then names the cancel. An amended order spells `origQty`
//! as `qty`.

#![forbid(unsafe_code)]

use super::account::{self, Account};
use super::contracts;
use super::market_data::millis;
use super::orders::{self, FILLS_PAGE};
use super::streams::Product;
use crate::types::{
    Amount, AssetBalance, AssetId, CancelOrder, ClientOrderId, CommandKind, Event, Events,
    ExecutionReport, FeeRate, Fill, FillId, InstrumentId, Liquidity, Nanos, NewOrder, OrderState,
    Ppb, Price, Qty, ReplaceOrder, ReportKind, ReportOrigin, Side, VenueNotice, VenueOrderId,
};
use crate::venues::{DecodeError, Value, decimal};

/// What follows from a reply that was decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Nothing.
    Done,
    /// The page was full: ask for fills from this id on.
    NextFills(FillId),
    /// The list ended before now: ask for fills from this time on.
    LaterFills(Nanos),
    /// The page was full: ask for payments from this time on.
    LaterFunding(Nanos),
    /// Ask what the account has of each asset.
    Wallets,
    /// Ask for conditional orders, which are listed apart.
    StopOrders(InstrumentId),
}

/// Decodes the result of a command that succeeded.
pub(super) fn decode(
    command: &CommandKind,
    result: Value<'_>,
    account: &mut Account,
    now: Nanos,
    events: &mut Events,
) -> Result<Then, DecodeError> {
    match command {
        CommandKind::New(order) => accepted(result, order, account, now, events)?,
        CommandKind::Cancel(order) => canceled(result, order, account, now, events)?,
        CommandKind::Replace(order) => replaced(result, order, account, now, events)?,
        CommandKind::CancelAll(instrument) => {
            canceled_all(result, *instrument, account, now, events)?;
        }
        CommandKind::Query(order) => {
            let mut row = row_of(result, order.instrument, account)?;
            if order.client_id.is_some() {
                row.client_id = order.client_id;
            }
            account.report(row.status(now)?, events)?;
        }
        CommandKind::OpenOrders(instrument) => {
            for value in array(result)?.items() {
                let row = row_of(value, *instrument, account)?;
                account.report(row.status(now)?, events)?;
            }
            events.push(Event::Notice(VenueNotice::OpenOrdersEnd(*instrument)))?;
            if account.product == Product::UsdM {
                return Ok(Then::StopOrders(*instrument));
            }
        }
        CommandKind::FillsSince { instrument, from_id, from_ns } => {
            let by_time = from_id.is_empty() && from_ns.0 > 0;
            let from = by_time.then_some(*from_ns);
            return fills(result, *instrument, from, account, now, events);
        }
        CommandKind::Balances => match account.product {
            Product::Spot => balances(result, account, events)?,
            Product::UsdM => return contracts::positions(result, account, events),
        },
        CommandKind::FundingSince(from) => {
            return contracts::funding(result, *from, account, events);
        }
        CommandKind::FeeRate(instrument) => {
            let fee = match account.product {
                Product::Spot => fee_rate(result, *instrument)?,
                Product::UsdM => usdm_fee_rate(result, *instrument)?,
            };
            events.push(Event::Fee(fee))?;
        }
        CommandKind::Subscribe(_) | CommandKind::Unsubscribe(_) | CommandKind::Resync(_) => {
            return Err(DecodeError::UnknownRequest);
        }
    }
    Ok(Then::Done)
}

/// An order as a reply describes it.
struct Row<'a> {
    instrument: InstrumentId,
    venue_order_id: VenueOrderId,
    client_id: ClientOrderId,
    price: Price,
    qty: Qty,
    executed: Option<Qty>,
    side: Option<Side>,
    status: Option<&'a str>,
    time_in_force: &'a str,
    expiry: &'a str,
    event_ns: Nanos,
}

fn row<'a>(value: Value<'a>, account: &Account) -> Result<Row<'a>, DecodeError> {
    let (instrument, scale) = account.symbol(value.field_str("symbol")?)?;
    let mut row = Row {
        instrument,
        venue_order_id: VenueOrderId::from_u64(value.field_u64("orderId")?),
        client_id: ClientOrderId::NONE,
        price: Price(0),
        qty: Qty::ZERO,
        executed: None,
        side: None,
        status: None,
        time_in_force: "",
        expiry: "",
        event_ns: Nanos(0),
    };
    let (mut own, mut original) = ("", "");
    for (key, value) in value.members() {
        let text = value.str().unwrap_or("");
        match key {
            "clientOrderId" => own = text,
            "origClientOrderId" => original = text,
            "price" => row.price = account::price(text, scale, "price")?,
            "origQty" | "qty" => row.qty = account::qty(text, scale, "origQty")?,
            "executedQty" => row.executed = Some(account::qty(text, scale, "executedQty")?),
            "side" => row.side = Some(account::side(text, "side")?),
            "status" => row.status = Some(text),
            "timeInForce" => row.time_in_force = text,
            "expiryReason" => row.expiry = text,
            "transactTime" | "updateTime" => row.event_ns = millis(value, "transactTime")?,
            _ => {}
        }
    }
    row.client_id = ClientOrderId::decode(if original.is_empty() { own } else { original });
    Ok(row)
}

/// A row that must be of this instrument.
fn row_of<'a>(
    value: Value<'a>,
    instrument: InstrumentId,
    account: &Account,
) -> Result<Row<'a>, DecodeError> {
    let row = row(value, account)?;
    if row.instrument == instrument { Ok(row) } else { Err(DecodeError::Invalid("symbol")) }
}

impl Row<'_> {
    fn report(&self, kind: ReportKind, origin: ReportOrigin, now: Nanos) -> ExecutionReport {
        let mut report = ExecutionReport::new(kind, origin, self.client_id, self.instrument);
        report.venue_order_id = self.venue_order_id;
        report.side = self.side.unwrap_or_default();
        report.price = self.price;
        report.qty = self.qty;
        report.cumulative_qty = self.executed;
        report.event_ns = self.event_ns;
        report.recv_ns = now;
        if kind == ReportKind::Expired {
            let status = self.status.unwrap_or("");
            report.reason = super::errors::expiry(self.expiry, self.time_in_force, status);
        }
        report
    }

    /// The answer to a query.
    fn status(&self, now: Nanos) -> Result<ExecutionReport, DecodeError> {
        let status = self.status.ok_or(DecodeError::Missing("status"))?;
        let executed = self.executed.ok_or(DecodeError::Missing("executedQty"))?;
        let mut report = self.report(ReportKind::Status, ReportOrigin::Query, now);
        report.side = self.side.ok_or(DecodeError::Missing("side"))?;
        report.state = match status {
            // PENDING_CANCEL is documented as unused: the order still works.
            "NEW" | "PENDING_NEW" | "PENDING_CANCEL" if executed == Qty::ZERO => OrderState::Open,
            "NEW" | "PENDING_NEW" | "PENDING_CANCEL" | "PARTIALLY_FILLED" => {
                OrderState::PartiallyFilled
            }
            "FILLED" => OrderState::Filled,
            "CANCELED" => OrderState::Canceled,
            "REJECTED" => OrderState::Rejected,
            "EXPIRED" | "EXPIRED_IN_MATCH" => OrderState::Expired,
            _ => return Err(DecodeError::Invalid("status")),
        };
        if report.state == OrderState::Expired {
            report.reason = super::errors::expiry(self.expiry, self.time_in_force, status);
        }
        Ok(report)
    }
}

/// An order was placed; the reply must be about it.
fn accepted(
    result: Value<'_>,
    order: &NewOrder,
    account: &mut Account,
    now: Nanos,
    events: &mut Events,
) -> Result<(), DecodeError> {
    let row = row_of(result, order.instrument, account)?;
    if row.client_id != order.client_id {
        return Err(DecodeError::Invalid("clientOrderId"));
    }
    let mut report = row.report(placed(&row), ReportOrigin::Reply, now);
    report.side = order.side;
    Ok(account.report(report, events)?)
}

/// An order was changed, or the change has ended it: if nothing would be left of it, or if it may not
/// take and would. Of spot the reply tells of the amendment too.
fn replaced(
    result: Value<'_>,
    order: &ReplaceOrder,
    account: &mut Account,
    now: Nanos,
    events: &mut Events,
) -> Result<(), DecodeError> {
    let value = match account.product {
        Product::Spot => result.field("amendedOrder")?,
        Product::UsdM => result,
    };
    let row = row_of(value, order.instrument, account)?;
    let kind = match placed(&row) {
        ReportKind::Accepted => ReportKind::Replaced,
        ended => ended,
    };
    let mut report = row.report(kind, ReportOrigin::Reply, now);
    report.client_id = order.client_id;
    if report.qty == Qty::ZERO {
        return Err(DecodeError::Missing("qty"));
    }
    Ok(account.report(report, events)?)
}

/// What a placement's reply says. The short form has no status: the order was accepted.
fn placed(row: &Row<'_>) -> ReportKind {
    match row.status {
        Some("EXPIRED" | "EXPIRED_IN_MATCH") => ReportKind::Expired,
        Some("CANCELED") => ReportKind::Canceled,
        Some("REJECTED") => ReportKind::Rejected,
        _ => ReportKind::Accepted,
    }
}

/// A cancel that succeeded is not free of fills: `executedQty` counts.
fn canceled(
    result: Value<'_>,
    order: &CancelOrder,
    account: &mut Account,
    now: Nanos,
    events: &mut Events,
) -> Result<(), DecodeError> {
    let mut row = row_of(result, order.instrument, account)?;
    if order.client_id.is_some() {
        row.client_id = order.client_id;
    }
    Ok(account.report(row.report(ReportKind::Canceled, ReportOrigin::Reply, now), events)?)
}

/// A list of orders and of order lists, which hold their orders in `orderReports`; of futures
/// `{"code":200,"msg":"The operation of cancel all open order is done."}`, and the stream tells which.
fn canceled_all(
    result: Value<'_>,
    instrument: InstrumentId,
    account: &mut Account,
    now: Nanos,
    events: &mut Events,
) -> Result<(), DecodeError> {
    if account.product == Product::UsdM {
        return match result.field("code")?.i64() {
            Some(200) => Ok(events.push(Event::Notice(VenueNotice::CancelAllDone(instrument)))?),
            _ => Err(DecodeError::Invalid("code")),
        };
    }
    for item in array(result)?.items() {
        let Some(reports) = item.get("orderReports") else {
            let row = row_of(item, instrument, account)?;
            account.report(row.report(ReportKind::Canceled, ReportOrigin::Reply, now), events)?;
            continue;
        };
        for item in reports.items() {
            let row = row_of(item, instrument, account)?;
            account.report(row.report(ReportKind::Canceled, ReportOrigin::Reply, now), events)?;
        }
    }
    Ok(events.push(Event::Notice(VenueNotice::CancelAllDone(instrument)))?)
}

/// Our clock may be this far behind the venue's, which decides where a list ends.
const CLOCK_MARGIN_MS: u64 = 60_000;

/// Fills do not carry the client id; the venue's order id tells whose they are. A page that is full
/// is followed by id, which covers everything after it; a day that is not by the day after.
fn fills(
    result: Value<'_>,
    instrument: InstrumentId,
    from: Option<Nanos>,
    account: &mut Account,
    now: Nanos,
    events: &mut Events,
) -> Result<Then, DecodeError> {
    let (mut count, mut last) = (0, 0);
    for item in array(result)?.items() {
        let (id, report) = fill(item, instrument, account, now)?;
        account.report(report, events)?;
        count += 1;
        last = last.max(id);
    }
    if count >= FILLS_PAGE {
        return Ok(Then::NextFills(FillId::from_u64(last.saturating_add(1))));
    }
    let now_ms = now.as_millis().saturating_add(CLOCK_MARGIN_MS);
    if let Some(end_ms) = from.and_then(|from| orders::fills_end(from, now_ms, account.product)) {
        return Ok(Then::LaterFills(Nanos::from_millis(end_ms)));
    }
    events.push(Event::Notice(VenueNotice::FillsEnd(instrument)))?;
    Ok(Then::Done)
}

fn fill(
    item: Value<'_>,
    instrument: InstrumentId,
    account: &Account,
    now: Nanos,
) -> Result<(u64, ExecutionReport), DecodeError> {
    let (symbol, scale) = account.symbol(item.field_str("symbol")?)?;
    if symbol != instrument {
        return Err(DecodeError::Invalid("symbol"));
    }
    let (buyer, maker) = match account.product {
        Product::Spot => ("isBuyer", "isMaker"),
        Product::UsdM => ("buyer", "maker"),
    };
    let id = item.field_u64("id")?;
    let (kind, origin) = (ReportKind::Fill, ReportOrigin::Query);
    let mut report = ExecutionReport::new(kind, origin, ClientOrderId::NONE, instrument);
    report.venue_order_id = VenueOrderId::from_u64(item.field_u64("orderId")?);
    report.side = if item.field_bool(buyer)? { Side::Buy } else { Side::Sell };
    let fee = amount(item.field_str("commission")?, "commission")?;
    report.fill = Fill {
        fill_id: FillId::from_u64(id),
        price: account::price(item.field_str("price")?, scale, "price")?,
        qty: account::qty(item.field_str("qty")?, scale, "qty")?,
        liquidity: liquidity(item.field_bool(maker)?),
        fee,
        fee_asset: fee_asset(
            fee,
            item.get("commissionAsset").and_then(Value::str),
            "commissionAsset",
            account,
        )?,
        realised: match account.product {
            Product::Spot => None,
            Product::UsdM => Some(amount(item.field_str("realizedPnl")?, "realizedPnl")?),
        },
    };
    report.event_ns = millis(item.field("time")?, "time")?;
    report.recv_ns = now;
    Ok((id, report))
}

/// Whether a fill was ours as the maker.
pub(super) fn liquidity(maker: bool) -> Liquidity {
    if maker { Liquidity::Maker } else { Liquidity::Taker }
}

/// A commission or a profit.
pub(super) fn amount(text: &str, name: &'static str) -> Result<Amount, DecodeError> {
    decimal::amount(text).map_err(|error| DecodeError::Number(name, error))
}

/// The asset of a commission; none if there was no commission. An asset that is not in the table
/// cannot be named: the fill counts all the same, with its amount, under no asset.
pub(super) fn fee_asset(
    fee: Amount,
    asset: Option<&str>,
    name: &'static str,
    account: &Account,
) -> Result<AssetId, DecodeError> {
    if fee == Amount::ZERO {
        return Ok(AssetId::NONE);
    }
    let asset = asset.ok_or(DecodeError::Missing(name))?;
    Ok(account.instruments.assets.find(asset).unwrap_or(AssetId::NONE))
}

/// Assets of no instrument are left out; those of this venue's instruments that are not listed are
/// zero.
fn balances(result: Value<'_>, account: &Account, events: &mut Events) -> Result<(), DecodeError> {
    let time = result.get("updateTime").map(|value| millis(value, "updateTime"));
    let event_ns = time.transpose()?.unwrap_or_default();
    let rows = array(result.field("balances")?)?;
    for row in rows.items() {
        let name = row.field_str("asset")?;
        if let Some(asset) = account.instruments.assets.find(name) {
            let (free, locked) = (row.field_str("free")?, row.field_str("locked")?);
            push_balance(account, asset, (free, "free"), (locked, "locked"), event_ns, events)?;
        }
    }
    for asset in unlisted(rows, account) {
        push_balance(account, asset, ("0", "free"), ("0", "locked"), event_ns, events)?;
    }
    Ok(events.push(Event::Notice(VenueNotice::BalancesEnd))?)
}

/// Assets of the account that a list of balances does not name.
pub(super) fn unlisted<'a>(
    rows: Value<'a>,
    account: &'a Account,
) -> impl Iterator<Item = AssetId> + 'a {
    account.assets.iter().copied().filter(move |asset| {
        let name = account.instruments.assets.name(*asset);
        !rows.items().any(|row| row.get("asset").and_then(Value::str) == Some(name))
    })
}

/// Adds the balance of one asset.
pub(super) fn push_balance(
    account: &Account,
    asset: AssetId,
    (free, free_name): (&str, &'static str),
    (locked, locked_name): (&str, &'static str),
    event_ns: Nanos,
    events: &mut Events,
) -> Result<(), DecodeError> {
    let (free, locked) = (amount(free, free_name)?, amount(locked, locked_name)?);
    let balance = AssetBalance { venue: account.venue, asset, free, locked, event_ns };
    Ok(events.push(Event::Balance(balance))?)
}

/// The sum of all kinds of commission, at its highest: the larger of the buyer's and the seller's
/// part, without the discount that depends on holding the discount asset.
fn fee_rate(result: Value<'_>, instrument: InstrumentId) -> Result<FeeRate, DecodeError> {
    let (mut maker, mut taker) = (0, 0);
    for (kind, needed) in
        [("standardCommission", true), ("specialCommission", false), ("taxCommission", false)]
    {
        let Some(rates) = result.get(kind) else {
            if needed {
                return Err(DecodeError::Missing(kind));
            }
            continue;
        };
        let side = ppb(rates, "buyer")?.max(ppb(rates, "seller")?);
        maker += ppb(rates, "maker")? + side;
        taker += ppb(rates, "taker")? + side;
    }
    Ok(FeeRate { instrument, maker: Ppb(maker), taker: Ppb(taker) })
}

/// `{"symbol":"BTCUSDT","makerCommissionRate":"0.0002","takerCommissionRate":"0.0004",..}`
fn usdm_fee_rate(result: Value<'_>, instrument: InstrumentId) -> Result<FeeRate, DecodeError> {
    let maker = Ppb(ppb(result, "makerCommissionRate")?);
    let taker = Ppb(ppb(result, "takerCommissionRate")?);
    Ok(FeeRate { instrument, maker, taker })
}

/// A rate below one, rounded up to whole parts per billion.
fn ppb(rates: Value<'_>, name: &'static str) -> Result<i64, DecodeError> {
    const PER_PPB: i128 = 1_000_000_000;
    let rate = amount(rates.field_str(name)?, name)?.0;
    let rounded = rate.div_euclid(PER_PPB) + i128::from(rate.rem_euclid(PER_PPB) > 0);
    let fits = i64::try_from(rounded).ok().filter(|rate| rate.abs() <= 1_000_000_000);
    fits.ok_or(DecodeError::Invalid(name))
}

pub(super) fn array(value: Value<'_>) -> Result<Value<'_>, DecodeError> {
    if value.is_array() { Ok(value) } else { Err(DecodeError::Invalid("result")) }
}

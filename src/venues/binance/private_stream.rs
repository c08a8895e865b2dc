//! Events of the account: executions, balances, and the end of the stream.
//!
//! Every event of spot arrives wrapped, `{"subscriptionId":0,"event":{"e":"executionReport",..}}`;
//! those of futures have a socket of their own and come bare. Nothing is replayed after a
//! subscription: what happened before must be asked for.
//! Events: <https://developers.binance.com/docs/binance-spot-api-docs/user-data-stream> and
//! <https://developers.binance.com/docs/derivatives/usds-margined-futures/user-data-streams>.

#![forbid(unsafe_code)]

use super::account::{self, Account};
use super::contracts;
use super::errors;
use super::market_data::{millis, time};
use super::replies::{amount, fee_asset, liquidity, push_balance};
use super::seen::Identity;
use super::streams::Product;
use crate::types::{
    Amount, ClientOrderId, Events, ExecutionReport, Fill, FillId, Nanos, Price, Qty, ReportKind,
    ReportOrigin, Scale, VenueOrderId,
};
use crate::venues::{DecodeError, Scalar, Value, decimal};

/// An execution of an account that keeps long and short positions apart.
pub(super) const HEDGED: DecodeError = DecodeError::Invalid("ps");

/// What an event was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Something about the account, already in the events.
    Account,
    /// The stream has ended; it must be subscribed to anew.
    Terminated,
    /// The venue will close this connection.
    Shutdown,
    /// Funding was paid at this time; the stream does not say for what.
    Funding(Nanos),
    /// The account is set up in another way than it was.
    Changed,
}

/// Decodes the inside of an event.
pub(super) fn decode(
    event: Value<'_>,
    account: &mut Account,
    now: Nanos,
    events: &mut Events,
) -> Result<Told, DecodeError> {
    match event.field_str("e")? {
        "executionReport" => execution(&Fields::of(event)?, account, now, events)?,
        "outboundAccountPosition" => position(event, account, events)?,
        "balanceUpdate" => balance_update(event)?,
        "eventStreamTerminated" => return Ok(Told::Terminated),
        "serverShutdown" => return Ok(Told::Shutdown),
        // Order lists are never placed by us (their orders report themselves), and what an outside
        // lock leaves free follows as an account position.
        "listStatus" | "externalLockUpdate" => {}
        _ => return Err(DecodeError::UnknownKind),
    }
    Ok(Told::Account)
}

/// Decodes an event of a futures account: bare, or as `{"stream":"..","data":{..}}`.
pub(super) fn decode_usdm(
    root: Value<'_>,
    account: &mut Account,
    now: Nanos,
    events: &mut Events,
) -> Result<Told, DecodeError> {
    let event = inside(root);
    match event.field_str("e")? {
        "ORDER_TRADE_UPDATE" => {
            execution(&Fields::of(event.field("o")?)?, account, now, events)?;
        }
        "ACCOUNT_UPDATE" => {
            let funding = contracts::update(event, account, events)?;
            return Ok(funding.map_or(Told::Account, Told::Funding));
        }
        "ACCOUNT_CONFIG_UPDATE" => {
            let changed = contracts::changed(event, account, events)?;
            return Ok(if changed { Told::Changed } else { Told::Account });
        }
        "MARGIN_CALL" => contracts::margin_call(event, account, events)?,
        "listenKeyExpired" => return Ok(Told::Terminated),
        // Fills in short, which follow in full; and conditional orders, of which there are none of
        // ours: what they place when they are triggered reports itself.
        "TRADE_LITE" | "ALGO_UPDATE" | "CONDITIONAL_ORDER_TRIGGER_REJECT" => {}
        _ => return Err(DecodeError::UnknownKind),
    }
    Ok(Told::Account)
}

/// An event without what may be around it.
pub(super) fn inside(root: Value<'_>) -> Value<'_> {
    root.get("data").filter(|_| root.get("stream").is_some()).unwrap_or(root)
}

/// Fields of an `executionReport`, and of the order in an `ORDER_TRADE_UPDATE`, under the venue's
/// names, which are the same for the most part.
#[derive(Default)]
pub(super) struct Fields<'a> {
    s: Option<&'a str>,
    c: &'a str,
    original: &'a str,
    side: Option<&'a str>,
    time_in_force: &'a str,
    q: Option<&'a str>,
    p: Option<&'a str>,
    x: Option<&'a str>,
    status: &'a str,
    r: &'a str,
    expiry: &'a str,
    position_side: &'a str,
    i: Option<u64>,
    z: Option<&'a str>,
    time: Nanos,
    last_qty: Option<&'a str>,
    last_price: Option<&'a str>,
    t: Option<i64>,
    execution: Option<u64>,
    fee: Option<&'a str>,
    fee_asset: Option<&'a str>,
    maker: Option<bool>,
    realised: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn of(event: Value<'a>) -> Result<Self, DecodeError> {
        let mut fields = Self::default();
        for (key, value) in event.members() {
            fields.set(key, value.into())?;
        }
        Ok(fields)
    }

    /// What tells it from all others: the same as that of the event as a whole.
    pub(super) fn identity(&self) -> Option<Identity> {
        Identity::of_execution(self.i, self.execution, self.t, self.x)
    }

    /// Takes one member; of two with one name the later counts.
    #[inline]
    pub(super) fn set(&mut self, key: &str, value: Scalar<'a>) -> Result<(), DecodeError> {
        match key {
            "s" => self.s = value.str(),
            "c" => self.c = value.str().unwrap_or(""),
            "C" => self.original = value.str().unwrap_or(""),
            "S" => self.side = value.str(),
            "f" => self.time_in_force = value.str().unwrap_or(""),
            "q" => self.q = value.str(),
            "p" => self.p = value.str(),
            "x" => self.x = value.str(),
            "X" => self.status = value.str().unwrap_or(""),
            "r" => self.r = value.str().unwrap_or(""),
            "eR" | "er" => self.expiry = value.str().unwrap_or(""),
            "ps" => self.position_side = value.str().unwrap_or(""),
            "i" => self.i = value.u64(),
            "z" => self.z = value.str(),
            "T" => self.time = value.u64().and_then(time).ok_or(DecodeError::Invalid("T"))?,
            "l" => self.last_qty = value.str(),
            "L" => self.last_price = value.str(),
            "t" => self.t = value.i64(),
            "I" => self.execution = value.u64(),
            "n" => self.fee = value.str(),
            "N" => self.fee_asset = value.str(),
            "m" => self.maker = value.bool(),
            // Of futures.
            "rp" => self.realised = value.str(),
            _ => {}
        }
        Ok(())
    }
}

/// What an execution is. A liquidation that names its trade is a fill like any other; else its fills
/// have to be asked for.
fn kind(fields: &Fields<'_>, product: Product) -> Result<ReportKind, DecodeError> {
    let traded = fields.t.is_some_and(|id| id > 0);
    Ok(match (fields.x.ok_or(DecodeError::Missing("x"))?, product) {
        ("NEW", _) => ReportKind::Accepted,
        ("TRADE", _) => ReportKind::Fill,
        ("CANCELED", _) => ReportKind::Canceled,
        ("EXPIRED", _) => ReportKind::Expired,
        ("REPLACED", Product::Spot) | ("AMENDMENT", Product::UsdM) => ReportKind::Replaced,
        ("REJECTED", Product::Spot) => ReportKind::Rejected,
        ("TRADE_PREVENTION", Product::Spot) if fields.status == "EXPIRED_IN_MATCH" => {
            ReportKind::Expired
        }
        // The order was made smaller and works on.
        ("TRADE_PREVENTION", Product::Spot) => ReportKind::Progress,
        ("CALCULATED", Product::UsdM) if traded => ReportKind::Fill,
        ("CALCULATED", Product::UsdM) => ReportKind::Progress,
        _ => return Err(DecodeError::Invalid("x")),
    })
}

/// Turns one execution into exactly one report.
pub(super) fn execution(
    fields: &Fields<'_>,
    account: &mut Account,
    now: Nanos,
    events: &mut Events,
) -> Result<(), DecodeError> {
    let (instrument, scale) = account.symbol(fields.s.ok_or(DecodeError::Missing("s"))?)?;
    let kind = kind(fields, account.product)?;
    // Of an account with positions of both sides apart nothing can be told here.
    if account.product == Product::UsdM && fields.position_side != "BOTH" {
        return Err(HEDGED);
    }
    // A cancel or an amendment has an id of its own in `c`; the order's is then in `C`.
    let id = if fields.original.is_empty() { fields.c } else { fields.original };
    let client_id = ClientOrderId::decode(id);
    let mut report = ExecutionReport::new(kind, ReportOrigin::Stream, client_id, instrument);
    let number = fields.i.ok_or(DecodeError::Missing("i"))?;
    report.venue_order_id = VenueOrderId::from_u64(number);
    report.side = account::side(fields.side.ok_or(DecodeError::Missing("S"))?, "S")?;
    report.price = account::price(fields.p.ok_or(DecodeError::Missing("p"))?, scale, "p")?;
    report.qty = account::qty(fields.q.ok_or(DecodeError::Missing("q"))?, scale, "q")?;
    let cumulative = account::qty(fields.z.ok_or(DecodeError::Missing("z"))?, scale, "z")?;
    report.cumulative_qty = Some(cumulative);
    report.event_ns = fields.time;
    report.recv_ns = now;
    match kind {
        ReportKind::Fill => report.fill = fill(fields, scale, account)?,
        ReportKind::Rejected => report.reason = errors::stream_reject(fields.r),
        ReportKind::Expired => {
            report.reason = errors::expiry(fields.expiry, fields.time_in_force, fields.status);
        }
        _ => {}
    }
    Ok(account.report(report, events)?)
}

fn fill(fields: &Fields<'_>, scale: Scale, account: &Account) -> Result<Fill, DecodeError> {
    let id = fields.t.ok_or(DecodeError::Missing("t"))?;
    let id = u64::try_from(id).map_err(|_| DecodeError::Invalid("t"))?;
    let price = fields.last_price.ok_or(DecodeError::Missing("L"))?;
    let qty = fields.last_qty.ok_or(DecodeError::Missing("l"))?;
    let fee = amount(fields.fee.ok_or(DecodeError::Missing("n"))?, "n")?;
    let fill = Fill {
        fill_id: FillId::from_u64(id),
        price: account::price(price, scale, "L")?,
        qty: account::qty(qty, scale, "l")?,
        liquidity: liquidity(fields.maker.ok_or(DecodeError::Missing("m"))?),
        fee,
        fee_asset: fee_asset(fee, fields.fee_asset, "N", account)?,
        realised: fields.realised.map(|text| amount(text, "rp")).transpose()?,
    };
    if fill.qty == Qty::ZERO {
        return Err(DecodeError::Invalid("l"));
    }
    if fill.price == Price(0) {
        return Err(DecodeError::Invalid("L"));
    }
    Ok(fill)
}

/// `{"e":"outboundAccountPosition","E":1564034571105,"u":1564034571073,"B":[{"a":"ETH","f":"10000.0","l":"0.0"}]}`
fn position(event: Value<'_>, account: &Account, events: &mut Events) -> Result<(), DecodeError> {
    let event_ns = millis(event.field("u")?, "u")?;
    let rows = event.field("B")?;
    if !rows.is_array() {
        return Err(DecodeError::Invalid("B"));
    }
    for row in rows.items() {
        // Assets of no instrument are nobody's business here.
        if let Some(asset) = account.instruments.assets.find(row.field_str("a")?) {
            let (free, locked) = (row.field_str("f")?, row.field_str("l")?);
            push_balance(account, asset, (free, "f"), (locked, "l"), event_ns, events)?;
        }
    }
    Ok(())
}

/// `{"e":"balanceUpdate","E":1573200697110,"a":"BTC","d":"100.00000000","T":1573200697068}`: a
/// deposit, withdrawal or transfer, as a difference. The new balance itself follows as an account
/// position, so the event is checked and makes nothing.
fn balance_update(event: Value<'_>) -> Result<(), DecodeError> {
    event.field_str("a")?;
    millis(event.field("T")?, "T")?;
    let change: Result<Amount, _> = decimal::amount(event.field_str("d")?);
    change.map(drop).map_err(|error| DecodeError::Number("d", error))
}

//! The account: how it is set up, balances, margin, positions, fee rates, payments of funding.
//!
//! Rows have the same form on the private socket and over REST. A push is a statement, not news: some
//! come on a timer.
//! <https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-balance>

#![forbid(unsafe_code)]

use super::super::fields::{
    amount_in as amount, calculated_in as calculated_or_none, or_empty, ppb,
    stated_in as amount_or_none, time_in as time,
};
use super::super::sink::Sink;
use super::super::trading::{Assets, Names};
use super::super::{DecodeError, Scalar, Value, decimal};
use crate::types::{
    AccountFlaw, Amount, AssetBalance, AssetId, Event, FeeRate, FundingPayment, Instrument,
    InstrumentKind, MarginMode, MarginReport, PositionReport, Ppb,
};

/// What pays for orders, as the account's mode has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Modes {
    spot: &'static str,
    swap: &'static str,
}

impl Modes {
    /// `tdMode` of an instrument's orders.
    pub(super) fn of(self, instrument: &Instrument) -> &'static str {
        if instrument.is_perpetual() { self.swap } else { self.spot }
    }
}

/// Reads the account's set-up; says what makes it unfit for our instruments. `swap` is what pays for
/// orders of swaps.
///
/// ```json
/// {"code":"0","data":[{"acctLv":"2","posMode":"net_mode","acctStpMode":"cancel_maker",
///  "level":"Lv1","perm":"read_only,trade","uid":"44705892343619584"}],"msg":""}
/// ```
pub(super) fn modes(
    root: Value<'_>,
    perpetuals: bool,
    swap: &'static str,
) -> Result<Result<Modes, AccountFlaw>, DecodeError> {
    let row = root.field("data")?.items().next().ok_or(DecodeError::Missing("data"))?;
    let net = match row.field_str("posMode")? {
        "net_mode" => true,
        "long_short_mode" => false,
        _ => return Err(DecodeError::Invalid("posMode")),
    };
    let (spot, derivatives) = match row.field_str("acctLv")? {
        "1" => ("cash", false),
        "2" => ("cash", true),
        // All assets pay for everything.
        "3" | "4" => ("cross", true),
        _ => return Err(DecodeError::Invalid("acctLv")),
    };
    Ok(match (perpetuals, derivatives, net) {
        (true, false, _) => Err(AccountFlaw::AccountMode),
        (true, _, false) => Err(AccountFlaw::HedgeMode),
        _ => Ok(Modes { spot, swap }),
    })
}

/// Balances and margins of one account; of assets that have a name here.
///
/// ```json
/// {"uTime":"1705474164160","imr":"0","mmr":"0","details":[{"ccy":"USDT",
///  "eq":"4992.890093622894","cashBal":"4850.435693622894","availBal":"4834.317093622894",
///  "availEq":"4834.3170936228935","ordFrozen":"0","imr":"","mmr":"","uTime":"1705449605015"}]}
/// ```
pub(super) fn balances(
    row: Value<'_>,
    names: &Names,
    assets: &Assets,
    sink: &mut Sink<'_>,
) -> Result<(), DecodeError> {
    let details = row.field("details")?;
    if !details.is_array() {
        return Err(DecodeError::Invalid("details"));
    }
    let mut result = Ok(());
    for detail in details.items() {
        let name = detail.field_str("ccy")?;
        let Some(asset) = names.instruments.assets.find(name) else { continue };
        let outcome = balance(detail, names, asset, sink).and_then(|()| {
            if assets.settle.contains(&asset) {
                margin(row, detail, names, asset, sink)
            } else {
                Ok(())
            }
        });
        result = result.and(outcome);
    }
    result
}

/// The same of a list over REST, which leaves out what is zero: that is stated too.
pub(super) fn all_balances(
    root: Value<'_>,
    names: &Names,
    assets: &Assets,
    sink: &mut Sink<'_>,
) -> Result<(), DecodeError> {
    let accounts = root.field("data")?;
    let account = accounts.items().next().ok_or(DecodeError::Missing("data"))?;
    balances(account, names, assets, sink)?;
    let event_ns = time(account, "uTime")?;
    let details = account.field("details")?;
    let is_listed = |name: &str| {
        let is = |row: Value<'_>| row.get("ccy").and_then(Value::str) == Some(name);
        details.items().any(is)
    };
    assets.state_absent(names, is_listed, event_ns, sink)
}

/// The balance without unrealised profit (`cashBal`); what is not free of it is locked, by orders or
/// as margin.
fn balance(
    detail: Value<'_>,
    names: &Names,
    asset: AssetId,
    sink: &mut Sink<'_>,
) -> Result<(), DecodeError> {
    let total = amount(detail, "cashBal")?;
    let locked = match calculated_or_none(detail, "availBal")? {
        // More than there is may be available: profit that is not realised.
        Some(free) => total.0.checked_sub(free.0).ok_or(DecodeError::Invalid("availBal"))?.max(0),
        None => amount_or_none(detail, "ordFrozen")?.unwrap_or_default().0,
    };
    let free = total.0.checked_sub(locked).ok_or(DecodeError::Invalid("ordFrozen"))?;
    sink.push(Event::Balance(AssetBalance {
        venue: names.venue,
        asset,
        free: Amount(free),
        locked: Amount(locked),
        event_ns: time(detail, "uTime")?,
    }))
}

/// What is left to trade perpetuals with. Where all assets count together the requirements stand in
/// the account's row, in US dollars.
fn margin(
    account: Value<'_>,
    detail: Value<'_>,
    names: &Names,
    asset: AssetId,
    sink: &mut Sink<'_>,
) -> Result<(), DecodeError> {
    let Some(available) = calculated_or_none(detail, "availEq")? else {
        // An account that trades no perpetuals.
        return Ok(());
    };
    let bound = |name| match calculated_or_none(detail, name)? {
        Some(own) => Ok(own),
        None => Ok::<_, DecodeError>(calculated_or_none(account, name)?.unwrap_or_default()),
    };
    sink.push(Event::Margin(MarginReport {
        venue: names.venue,
        asset,
        equity: calculated_or_none(detail, "eq")?.ok_or(DecodeError::Missing("eq"))?,
        available,
        initial: bound("imr")?,
        maintenance: bound("mmr")?,
        event_ns: time(detail, "uTime")?,
    }))
}

/// One position, if it is in an instrument of ours and stands on the margin that our orders say, which
/// is `margin`: the venue keeps others of the same instrument apart from it, or a place for them.
/// Contracts become base units, exactly or not at all.
///
/// ```json
/// {"instId":"BTC-USDT-SWAP","instType":"SWAP","mgnMode":"cross","posSide":"net","pos":"-0.5",
///  "avgPx":"10000","liqPx":"9000","lever":"10","margin":"","imr":"5","upl":"0",
///  "uTime":"1622559930237"}
/// ```
pub(super) fn position(
    row: Value<'_>,
    (names, margin): (&Names, &str),
    sink: &mut Sink<'_>,
) -> Result<(), DecodeError> {
    let Some(instrument) = names.find(row.field_str("instId")?) else { return Ok(()) };
    let contracts = amount(row, "pos")?;
    if row.field_str("posSide")? != "net" && contracts != Amount::ZERO {
        return Err(DecodeError::Invalid("posSide"));
    }
    let stated = row.field_str("mgnMode")?;
    if stated != margin && contracts == Amount::ZERO {
        return Ok(());
    }
    let mode = match stated {
        _ if stated != margin => return Err(DecodeError::Invalid("mgnMode")),
        "cross" => MarginMode::Cross,
        "isolated" => MarginMode::Isolated,
        _ => return Err(DecodeError::Invalid("mgnMode")),
    };
    let or_zero = |name| Ok::<_, DecodeError>(calculated_or_none(row, name)?.unwrap_or_default());
    let margin = if mode == MarginMode::Cross { "imr" } else { "margin" };
    sink.push(Event::Position(PositionReport {
        instrument: instrument.id,
        qty: base_units(contracts, instrument).ok_or(DecodeError::Invalid("pos"))?,
        entry: or_zero("avgPx")?,
        liquidation: or_zero("liqPx")?,
        margin: or_zero(margin)?,
        unrealised: or_zero("upl")?,
        leverage: or_zero("lever")?,
        mode,
        event_ns: time(row, "uTime")?,
    }))
}

/// All positions of a reply, those of other instruments left out.
pub(super) fn positions(
    root: Value<'_>,
    ours: (&Names, &str),
    sink: &mut Sink<'_>,
) -> Result<(), DecodeError> {
    let rows = root.field("data")?;
    if !rows.is_array() {
        return Err(DecodeError::Invalid("data"));
    }
    rows.items().try_for_each(|row| position(row, ours, sink))
}

fn base_units(contracts: Amount, instrument: &Instrument) -> Option<Amount> {
    let unit = 10i128.pow(u32::from(instrument.scale.qty_decimals));
    let product = contracts.0.checked_mul(i128::from(instrument.contract.0))?;
    (product % unit == 0).then_some(Amount(product / unit))
}

/// What is known of each instrument from the list of the venue's own: its number for orders, and its
/// group of fees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) code: Option<u64>,
    group: String,
}

/// Reads the list of instruments, of one kind; those that are not ours are passed over. A number that
/// does not exist yet is `null`.
pub(super) fn listings(
    root: Value<'_>,
    kind: InstrumentKind,
    names: &Names,
    listings: &mut [Listing],
) -> Result<(), DecodeError> {
    let ours = |id: &Instrument| id.venue == names.venue && id.kind == kind;
    for row in root.field("data")?.items() {
        let instrument = row.get("instId").and_then(Value::str).and_then(|name| names.find(name));
        let Some(instrument) = instrument.filter(|instrument| ours(instrument)) else { continue };
        let code = row.field("instIdCode")?;
        let code = if code.is_null() {
            None
        } else {
            Some(code.u64().ok_or(DecodeError::Invalid("instIdCode"))?)
        };
        let group = or_empty(row.get("groupId").map(Scalar::from)).to_owned();
        if let Some(listing) = listings.get_mut(instrument.id.index()) {
            *listing = Listing { code, group };
        }
    }
    Ok(())
}

/// Fee rates; the venue writes costs as negative numbers. They stand by group of instruments; what
/// has no group of its own pays what the kind pays, a swap by what it settles in (`settle`, empty for
/// spot).
///
/// ```json
/// {"feeGroup":[{"groupId":"1","maker":"-0.0008","taker":"-0.001"}],"instType":"SPOT",
///  "maker":"-0.0008","taker":"-0.001"}
/// ```
pub(super) fn fee_rate(
    root: Value<'_>,
    of: &Instrument,
    listing: Option<&Listing>,
    settle: &str,
) -> Result<FeeRate, DecodeError> {
    let row = root.field("data")?.items().next().ok_or(DecodeError::Missing("data"))?;
    let group = listing.map_or("", |listing| &listing.group);
    let is = |row: &Value<'_>| row.get("groupId").and_then(Value::str) == Some(group);
    let groups = row.get("feeGroup").filter(|_| !group.is_empty());
    let group = groups.and_then(|groups| groups.items().find(is));
    // Without a group: of swaps the first two rates are those of coin-margined ones.
    let stated =
        |name: &str| row.get(name).and_then(Value::str).is_some_and(|rate| !rate.is_empty());
    let [maker, taker] = match settle {
        "USDC" if stated("makerUSDC") => ["makerUSDC", "takerUSDC"],
        "USDT" if stated("makerU") => ["makerU", "takerU"],
        _ => ["maker", "taker"],
    };
    let (row, maker, taker) = match group {
        Some(group) => (group, "maker", "taker"),
        None => (row, maker, taker),
    };
    let rate = |name| {
        let cost = ppb(row.get(name).map(Scalar::from), name)?;
        cost.0.checked_neg().map(Ppb).ok_or(DecodeError::Invalid(name))
    };
    Ok(FeeRate { instrument: of.id, maker: rate(maker)?, taker: rate(taker)? })
}

/// One bill, if it is funding of an instrument of ours.
///
/// ```json
/// {"billId":"377970609204146187","ccy":"USDT","instId":"BTC-USDT-SWAP","type":"8",
///  "subType":"174","balChg":"0.014875","pnl":"0.014875","ts":"1636387215588"}
/// ```
pub(super) fn funding(
    row: Value<'_>,
    names: &Names,
) -> Result<Option<FundingPayment>, DecodeError> {
    if row.field_str("type")? != FUNDING {
        return Ok(None);
    }
    let Some(instrument) = names.find(row.field_str("instId")?) else { return Ok(None) };
    let asset = names.instruments.assets.find(row.field_str("ccy")?);
    Ok(Some(FundingPayment {
        settles: false,
        instrument: instrument.id,
        asset: asset.ok_or(DecodeError::Invalid("ccy"))?,
        amount: paid(row)?,
        id: row.field_str("billId")?.parse().map_err(|_| DecodeError::Invalid("billId"))?,
        event_ns: time(row, "ts")?,
    }))
}

/// Type of a bill.
pub(super) const FUNDING: &str = "8";

/// Funding of a position with margin of its own changes that margin, of any other the balance.
fn paid(row: Value<'_>) -> Result<Amount, DecodeError> {
    let account = amount(row, "balChg")?;
    let own = amount_or_none(row, "posBalChg")?.unwrap_or_default();
    decimal::sum(account, own).ok_or(DecodeError::Invalid("balChg"))
}

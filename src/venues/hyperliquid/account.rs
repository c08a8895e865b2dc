//! What the account has: balances, positions, margin, fee rates, and what is left of its actions.
//!
//! Perpetuals and spot are two wallets of one account, both in USDC. The engine knows one balance of
//! an asset at a venue, so where both are traded it is their sum.
//! <https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint/perpetuals>

#![forbid(unsafe_code)]

use super::super::fields::amount;
use super::super::{DecodeError, Scalar, Value, decimal};
use super::assets::Assets;
use super::statements::Teller;
use crate::types::{
    AMOUNT_DECIMALS, Amount, AssetBalance, AssetId, FeeRate, Instrument, InstrumentId, MarginMode,
    MarginReport, Nanos, ParseUnitError, PositionReport, Ppb,
};

/// What perpetuals are settled in.
pub(super) const SETTLE: &str = "USDC";

fn required(object: Value<'_>, name: &'static str) -> Result<Amount, DecodeError> {
    or_zero(object, name)?.ok_or(DecodeError::Missing(name))
}

/// `None` where it is absent or null.
fn or_zero(object: Value<'_>, name: &'static str) -> Result<Option<Amount>, DecodeError> {
    amount(object.get(name).map(Scalar::from), name)
}

/// What margins were last told to be, by instrument: of a coin without a position the account's own
/// state says nothing.
pub(super) type Leverages = Vec<Option<Leverage>>;

/// How many times, and on what collateral.
pub(super) type Leverage = (Amount, MarginMode);

/// `{"type":"cross","value":10}`
fn leverage(object: Value<'_>) -> Result<Leverage, DecodeError> {
    let leverage = object.field("leverage")?;
    let times = leverage.field_u64("value")?;
    let times = i128::from(times).checked_mul(10i128.pow(AMOUNT_DECIMALS));
    let mode = match leverage.field_str("type")? {
        "cross" => MarginMode::Cross,
        "isolated" => MarginMode::Isolated,
        _ => return Err(DecodeError::Invalid("type")),
    };
    Ok((Amount(times.ok_or(DecodeError::Invalid("value"))?), mode))
}

/// Reads `activeAssetData`: `{"user":"0x..","coin":"ETH","leverage":{"type":"cross","value":20},..}`
pub(super) fn asset_data(
    root: Value<'_>,
    assets: &Assets,
) -> Result<(InstrumentId, Leverage), DecodeError> {
    let instrument = assets.find(root.field_str("coin")?)?;
    Ok((instrument.id, leverage(root)?))
}

/// Reads `clearinghouseState`: positions of our perpetuals, the margin of the account and the wallet:
/// what there is without the profit of open positions.
///
/// ```json
/// {"marginSummary":{"accountValue":"38252.7","totalMarginUsed":"37766.7",..},
///  "crossMaintenanceMarginUsed":"4720.8375","withdrawable":"486.0","assetPositions":[
///  {"type":"oneWay","position":{"coin":"BTC","szi":"4.5","leverage":{"type":"cross","value":10},
///  "entryPx":"81285.0","unrealizedPnl":"11884.306507","liquidationPx":"74501.802790436",
///  "marginUsed":"37766.7",..}}],"time":1790360864964}
/// ```
pub(super) fn clearinghouse(
    root: Value<'_>,
    assets: &Assets,
    leverages: &mut Leverages,
    teller: &mut Teller<'_, '_>,
) -> Result<(), DecodeError> {
    let event_ns = Nanos::from_millis(root.field_u64("time")?);
    let summary = root.field("marginSummary")?;
    let equity = required(summary, "accountValue")?;
    let rows = root.field("assetPositions")?;
    if !rows.is_array() {
        return Err(DecodeError::Invalid("assetPositions"));
    }
    let mut wallet = equity;
    for row in rows.items() {
        if row.field_str("type")? != "oneWay" {
            return Err(DecodeError::Invalid("type"));
        }
        let row = row.field("position")?;
        let unrealised = required(row, "unrealizedPnl")?;
        wallet = decimal::sum(wallet, -unrealised).ok_or(DecodeError::Invalid("unrealizedPnl"))?;
        match assets.find(row.field_str("coin")?) {
            Ok(of) => {
                let report = position(row, of, unrealised, event_ns)?;
                if let Some(known) = leverages.get_mut(of.id.index()) {
                    *known = Some((report.leverage, report.mode));
                }
                teller.position(report)?;
            }
            // Another coin: it counts in the wallet alone.
            Err(DecodeError::UnknownSymbol) => {}
            Err(error) => return Err(error),
        }
    }
    flat(rows, assets, leverages, event_ns, teller)?;
    teller.wallet(wallet, event_ns);
    teller.margin(MarginReport {
        venue: assets.venue,
        asset: settle(assets),
        equity,
        available: required(root, "withdrawable")?,
        initial: required(summary, "totalMarginUsed")?,
        maintenance: required(root, "crossMaintenanceMarginUsed")?,
        event_ns,
    })
}

fn position(
    row: Value<'_>,
    of: &Instrument,
    unrealised: Amount,
    event_ns: Nanos,
) -> Result<PositionReport, DecodeError> {
    let (leverage, mode) = leverage(row)?;
    Ok(PositionReport {
        instrument: of.id,
        qty: required(row, "szi")?,
        entry: or_zero(row, "entryPx")?.unwrap_or_default(),
        liquidation: or_zero(row, "liquidationPx")?.unwrap_or_default(),
        margin: required(row, "marginUsed")?,
        unrealised,
        leverage,
        mode,
        event_ns,
    })
}

/// Our perpetuals without a position, where their leverage is known.
fn flat(
    rows: Value<'_>,
    assets: &Assets,
    leverages: &Leverages,
    event_ns: Nanos,
    teller: &mut Teller<'_, '_>,
) -> Result<(), DecodeError> {
    let listed = |coin: &str| {
        let name = |row: Value<'_>| row.get("position")?.get("coin")?.str().map(|at| at == coin);
        rows.items().any(|row| name(row) == Some(true))
    };
    for of in assets.instruments.of_venue(assets.venue).filter(|of| of.is_perpetual()) {
        let known = leverages.get(of.id.index()).copied().flatten();
        let Some((leverage, mode)) = known.filter(|_| !listed(&of.symbol)) else { continue };
        let none =
            PositionReport { instrument: of.id, leverage, mode, event_ns, ..Default::default() };
        teller.position(none)?;
    }
    Ok(())
}

pub(super) fn settle(assets: &Assets) -> AssetId {
    assets.instruments.assets.find(SETTLE).unwrap_or(AssetId::NONE)
}

/// Reads `spotClearinghouseState`. What is not listed the account has none of.
///
/// ```json
/// {"balances":[{"coin":"USDC","token":0,"total":"14.625485","hold":"0.0","entryNtl":"0.0"}]}
/// ```
pub(super) fn spot(
    root: Value<'_>,
    assets: &Assets,
    teller: &mut Teller<'_, '_>,
) -> Result<(), DecodeError> {
    let rows = root.field("balances")?;
    if !rows.is_array() {
        return Err(DecodeError::Invalid("balances"));
    }
    let (venue, event_ns) = (assets.venue, Nanos(0));
    let mut purse = (Amount::ZERO, Amount::ZERO);
    for row in rows.items() {
        let coin = row.field_str("coin")?;
        let Some(asset) = assets.instruments.assets.find(coin) else { continue };
        let (total, locked) = (required(row, "total")?, required(row, "hold")?);
        let free = decimal::sum(total, -locked).ok_or(DecodeError::Invalid("hold"))?;
        if coin == SETTLE {
            purse = (free, locked);
        } else {
            teller.balance(AssetBalance { venue, asset, free, locked, event_ns })?;
        }
    }
    let names = &assets.instruments.assets;
    for asset in (0..names.len()).map(|index| AssetId(index as u16)) {
        let name = names.name(asset);
        let listed = |row: Value<'_>| row.get("coin").and_then(Value::str) == Some(name);
        let ours = assets.in_spot(asset) || teller.statements.told(asset);
        if ours && name != SETTLE && !rows.items().any(listed) {
            let (free, locked) = (Amount::ZERO, Amount::ZERO);
            teller.balance(AssetBalance { venue, asset, free, locked, event_ns })?;
        }
    }
    teller.spot(purse.0, purse.1);
    teller.purse(assets)
}

/// Reads `userAbstraction`, a text: whether perpetuals and spot have wallets of their own. Where all
/// collateral counts together, the state of perpetuals says nothing.
pub(super) fn has_two_wallets(root: Value<'_>) -> Result<bool, DecodeError> {
    let mode = root.str().ok_or(DecodeError::Invalid("userAbstraction"))?;
    Ok(matches!(mode, "default" | "disabled"))
}

/// A frame that tells a whole state: the state, if the account is ours.
///
/// `{"channel":"spotState","data":{"user":"0x..","spotState":{"balances":[..]}}}`
pub(super) fn stated<'a>(
    data: Value<'a>,
    name: &'static str,
    user: &str,
) -> Result<Value<'a>, DecodeError> {
    if data.field_str("user")? != user {
        return Err(DecodeError::Invalid("user"));
    }
    // Perpetuals of others' making have accounts of their own.
    match data.get("dex").and_then(Value::str) {
        None | Some("") => data.field(name),
        Some(_) => Err(DecodeError::Invalid("dex")),
    }
}

/// The state of perpetuals, as the stream tells it; what is older than what was told is no news.
pub(super) fn on_clearinghouse(
    root: Value<'_>,
    assets: &Assets,
    leverages: &mut Leverages,
    teller: &mut Teller<'_, '_>,
) -> Result<(), DecodeError> {
    if teller.statements.is_past(Nanos::from_millis(root.field_u64("time")?)) {
        return Ok(());
    }
    clearinghouse(root, assets, leverages, teller)?;
    teller.purse(assets)
}

/// Reads `userFees`: of all perpetuals and of all pairs alike.
///
/// ```json
/// {"userCrossRate":"0.000315","userAddRate":"0.000105","userSpotCrossRate":"0.00049",
///  "userSpotAddRate":"0.00028",..}
/// ```
pub(super) fn fees(root: Value<'_>, of: &Instrument) -> Result<FeeRate, DecodeError> {
    let (taker, maker) = match of.is_perpetual() {
        true => ("userCrossRate", "userAddRate"),
        false => ("userSpotCrossRate", "userSpotAddRate"),
    };
    let (maker, taker) = (ratio(root, maker)?, ratio(root, taker)?);
    Ok(FeeRate { instrument: of.id, maker, taker })
}

fn ratio(root: Value<'_>, name: &'static str) -> Result<Ppb, DecodeError> {
    const UNIT: i128 = 10i128.pow(AMOUNT_DECIMALS - 9);
    let amount = required(root, name)?;
    let whole = amount.0 % UNIT == 0;
    let ppb = whole.then_some(amount.0 / UNIT).ok_or(ParseUnitError::OffScale);
    ppb.and_then(|ppb| i64::try_from(ppb).map_err(|_| ParseUnitError::Overflow))
        .map(Ppb)
        .map_err(|error| DecodeError::Number(name, error))
}

/// Reads `userRateLimit`: how many actions are used, and how many are allowed by now.
///
/// `{"cumVlm":"2854574.593578","nRequestsUsed":2890,"nRequestsCap":2864574,"nRequestsSurplus":0}`
pub(super) fn actions(root: Value<'_>) -> Result<(u64, u64), DecodeError> {
    let bought = root.get("nRequestsSurplus").and_then(Value::u64).unwrap_or(0);
    let allowed = root.field_u64("nRequestsCap")?.saturating_add(bought);
    Ok((root.field_u64("nRequestsUsed")?, allowed))
}

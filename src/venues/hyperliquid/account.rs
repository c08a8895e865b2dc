//! What the account has: balances, positions, margin, fee rates, and what is left of its actions.
//!
//! Perpetuals and spot are two wallets of one account, both in USDC. The engine knows one balance of
//! an asset at a venue, so where both are traded it is their sum.
//! <https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint/perpetuals>

#![forbid(unsafe_code)]

use super::super::fields::amount;
use super::super::sink::Sink;
use super::super::{DecodeError, Scalar, Value, decimal};
use super::assets::Assets;
use crate::types::{
    AMOUNT_DECIMALS, Amount, AssetBalance, AssetId, Event, FeeRate, Instrument, InstrumentId,
    MarginMode, MarginReport, Nanos, ParseUnitError, PositionReport, Ppb,
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

/// Reads `clearinghouseState`: positions of our perpetuals and the margin of the account. Gives the
/// wallet: what there is without the profit of open positions.
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
    sink: &mut Sink<'_>,
) -> Result<(Amount, Nanos), DecodeError> {
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
                sink.push(Event::Position(report))?;
            }
            // Another coin: it counts in the wallet alone.
            Err(DecodeError::UnknownSymbol) => {}
            Err(error) => return Err(error),
        }
    }
    flat(rows, assets, leverages, event_ns, sink)?;
    let margin = MarginReport {
        venue: assets.venue,
        asset: settle(assets),
        equity,
        available: required(root, "withdrawable")?,
        initial: required(summary, "totalMarginUsed")?,
        maintenance: required(root, "crossMaintenanceMarginUsed")?,
        event_ns,
    };
    sink.push(Event::Margin(margin))?;
    Ok((wallet, event_ns))
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
    sink: &mut Sink<'_>,
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
        sink.push(Event::Position(none))?;
    }
    Ok(())
}

fn settle(assets: &Assets) -> AssetId {
    assets.instruments.assets.find(SETTLE).unwrap_or(AssetId::NONE)
}

/// The balance of what perpetuals are settled in, where only they are traded.
pub(super) fn wallet(
    wallet: Amount,
    event_ns: Nanos,
    assets: &Assets,
    sink: &mut Sink<'_>,
) -> Result<(), DecodeError> {
    let (venue, asset) = (assets.venue, settle(assets));
    let locked = Amount::ZERO;
    sink.push(Event::Balance(AssetBalance { venue, asset, free: wallet, locked, event_ns }))
}

/// Reads `spotClearinghouseState`; `wallet` is what perpetuals have besides, and what is settled there.
///
/// ```json
/// {"balances":[{"coin":"USDC","token":0,"total":"14.625485","hold":"0.0","entryNtl":"0.0"}]}
/// ```
pub(super) fn spot(
    root: Value<'_>,
    besides: Option<(Amount, Nanos)>,
    assets: &Assets,
    sink: &mut Sink<'_>,
) -> Result<(), DecodeError> {
    let rows = root.field("balances")?;
    if !rows.is_array() {
        return Err(DecodeError::Invalid("balances"));
    }
    let mut besides = besides;
    for row in rows.items() {
        let coin = row.field_str("coin")?;
        let Some(asset) = assets.instruments.assets.find(coin) else { continue };
        let (total, locked) = (required(row, "total")?, required(row, "hold")?);
        let free = decimal::sum(total, -locked).ok_or(DecodeError::Invalid("hold"))?;
        let more = match coin {
            SETTLE => besides.take().map_or(Amount::ZERO, |(wallet, _)| wallet),
            _ => Amount::ZERO,
        };
        let free = decimal::sum(free, more).ok_or(DecodeError::Invalid("total"))?;
        let (venue, event_ns) = (assets.venue, Nanos(0));
        sink.push(Event::Balance(AssetBalance { venue, asset, free, locked, event_ns }))?;
    }
    match besides {
        Some((left, event_ns)) => wallet(left, event_ns, assets, sink),
        None => Ok(()),
    }
}

/// Reads `userAbstraction`, a text: whether perpetuals and spot have wallets of their own. Where all
/// collateral counts together, the state of perpetuals says nothing.
pub(super) fn has_two_wallets(root: Value<'_>) -> Result<bool, DecodeError> {
    let mode = root.str().ok_or(DecodeError::Invalid("userAbstraction"))?;
    Ok(matches!(mode, "default" | "disabled"))
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

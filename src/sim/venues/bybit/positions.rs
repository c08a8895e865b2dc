//! Positions of linear contracts: their rows, and the endpoints that show and set them.
//!
//! Positions are net, one per symbol; margin is the account's (cross) or the position's (isolated) for
//! the whole account at once. Margins shown do not include the fee of closing.

use super::category::{Category, wire_symbol};
use super::desk::Call;
use super::errors::{VenueError, refused};
use super::fields::Fields;
use super::json::{Object, array};
use crate::sim::{Exchange, Refusal, SimMarginMode, SimPosition};
use rust_decimal::Decimal;
use serde_json::Value;

fn word(position: &SimPosition) -> &'static str {
    match position.qty {
        qty if qty.is_zero() => "",
        qty if qty.is_sign_negative() => "Sell",
        _ => "Buy",
    }
}

/// A position as the stream and, with other names for some members, as the list shows it.
pub(super) fn row(position: &SimPosition, seq: u64, on_stream: bool) -> String {
    let isolated = position.mode == SimMarginMode::Isolated;
    let cut = |value: Decimal| value.round_dp(8);
    let shown = |value: Option<Decimal>| value.map(|price| cut(price).normalize().to_string());
    let object = Object::new()
        .number("positionIdx", 0)
        .number("tradeMode", u64::from(isolated))
        .number("riskId", 1)
        .text("riskLimitValue", "2000000")
        .text("symbol", wire_symbol(&position.symbol))
        .text("side", word(position))
        .decimal("size", position.qty.abs())
        .decimal(if on_stream { "entryPrice" } else { "avgPrice" }, cut(position.entry))
        .text("sessionAvgPrice", "")
        .decimal("leverage", position.leverage)
        .decimal("positionValue", cut(position.cost.abs()))
        .decimal("positionBalance", position.isolated)
        .decimal("markPrice", position.mark)
        .decimal("positionIM", cut(position.initial))
        .decimal("positionMM", cut(position.maintenance))
        .decimal("positionIMByMp", cut(position.initial))
        .decimal("positionMMByMp", cut(position.maintenance))
        .text("takeProfit", "0")
        .text("stopLoss", "0")
        .text("trailingStop", "0")
        .decimal("unrealisedPnl", cut(position.unrealised))
        .decimal("cumRealisedPnl", position.realised + position.funding)
        .decimal("curRealisedPnl", position.realised + position.funding)
        .digits("createdTime", position.updated_ms)
        .digits("updatedTime", position.updated_ms)
        .text("tpslMode", "Full")
        .text("liqPrice", &shown(position.liquidation).unwrap_or_default())
        .text("bustPrice", "")
        .text("positionStatus", "Normal")
        .number("adlRankIndicator", if position.qty.is_zero() { 0 } else { 2 })
        .number("autoAddMargin", 0)
        .text("leverageSysUpdatedTime", "")
        .number("seq", seq)
        .flag("isReduceOnly", false);
    if on_stream {
        return object.text("category", "linear").text("mmrSysUpdatedTime", "").done();
    }
    object.decimal("breakEvenPrice", cut(position.entry)).text("mmrSysUpdateTime", "").done()
}

/// `position/list`: of one symbol also without a position.
pub(super) fn list(
    symbol: Option<&str>,
    settle: Option<&str>,
    call: &Call<'_>,
    seq: impl Fn(&str) -> u64,
) -> Result<String, VenueError> {
    let found = match (symbol, settle) {
        (Some(symbol), _) => {
            let position = call.exchange.position(call.account, symbol);
            vec![position.ok_or_else(|| VenueError::new(10001, "params error: symbol invalid"))?]
        }
        (None, Some(settle)) => {
            let settles = |position: &SimPosition| {
                let rules = call.exchange.rules(&position.symbol);
                let perpetual = rules.and_then(|rules| rules.perpetual.as_ref());
                perpetual.is_some_and(|perpetual| perpetual.settle == settle)
            };
            let all = call.exchange.positions(call.account).into_iter();
            all.filter(|position| !position.qty.is_zero() && settles(position)).collect()
        }
        (None, None) => {
            let text = "params error: symbol or settleCoin is required";
            return Err(VenueError::new(10001, text));
        }
    };
    let rows = found.iter().map(|position| row(position, seq(&position.symbol), false));
    let result = Object::new().raw("list", &array(rows)).text("nextPageCursor", "");
    Ok(result.text("category", "linear").done())
}

/// The linear symbol of a request.
fn symbol_of(fields: Fields<'_>) -> Result<String, VenueError> {
    if Category::read(fields.text("category")?)? != Category::Linear {
        return Err(VenueError::category());
    }
    Ok(Category::Linear.symbol(fields.required("symbol")?))
}

/// `position/set-leverage`: both sides alike.
pub(super) fn set_leverage(body: &Value, call: &mut Call<'_>) -> Result<String, VenueError> {
    let fields = Fields(body);
    let symbol = symbol_of(fields)?;
    let invalid = |name: &str| VenueError::new(10001, format!("params error: {name} invalid"));
    let side = |name: &'static str| -> Result<Decimal, VenueError> {
        fields.decimal(name)?.ok_or_else(|| invalid(name))
    };
    let (buy, sell) = (side("buyLeverage")?, side("sellLeverage")?);
    if buy != sell {
        return Err(VenueError::new(10001, "buy leverage invalid"));
    }
    let now = call.exchange.position(call.account, &symbol).ok_or_else(|| invalid("symbol"))?;
    if now.leverage == buy {
        return Err(VenueError::new(110043, "leverage not modified"));
    }
    let Some(rules) = call.exchange.rules(&symbol).cloned() else { return Err(invalid("symbol")) };
    call.exchange
        .set_leverage(call.account, &symbol, buy, call.now_ms)
        .map_err(|refusal| refused(refusal, &rules, Decimal::ZERO, Decimal::ZERO))?;
    Ok("{}".to_owned())
}

/// `position/switch-mode`: only the mode there is.
pub(super) fn switch_mode(body: &Value) -> Result<String, VenueError> {
    let fields = Fields(body);
    if Category::read(fields.text("category")?)? != Category::Linear {
        return Err(VenueError::category());
    }
    match body.get("mode").and_then(Value::as_u64) {
        Some(0) => Err(VenueError::new(110025, "Position mode is not modified")),
        Some(3) => Err(VenueError::new(10001, "hedge mode is not supported")),
        _ => Err(VenueError::new(10001, "params error: mode invalid")),
    }
}

/// The linear symbols of an exchange.
fn symbols(exchange: &Exchange) -> Vec<String> {
    let linear = exchange.symbols().iter().filter(|rules| rules.perpetual.is_some());
    linear.map(|rules| rules.symbol.clone()).collect()
}

/// `account/set-margin-mode`: of all symbols, only without positions and orders.
pub(super) fn set_margin_mode(body: &Value, call: &mut Call<'_>) -> Result<String, VenueError> {
    let mode = match Fields(body).required("setMarginMode")? {
        "REGULAR_MARGIN" => SimMarginMode::Cross,
        "ISOLATED_MARGIN" => SimMarginMode::Isolated,
        _ => return Err(VenueError::new(10001, "params error: setMarginMode invalid")),
    };
    let failed = || VenueError::new(3_400_045, "Set margin mode failed");
    let busy = |symbol: &String| {
        let held = call.exchange.position(call.account, symbol);
        held.is_some_and(|position| !position.qty.is_zero())
            || !call.exchange.open_orders(call.account, Some(symbol)).is_empty()
    };
    let symbols = symbols(call.exchange);
    if symbols.iter().any(busy) {
        return Err(failed());
    }
    for symbol in symbols {
        let changed = call.exchange.set_margin_mode(call.account, &symbol, mode, call.now_ms);
        changed.map_err(|_: Refusal| failed())?;
    }
    Ok(Object::new().raw("reasons", "[]").done())
}

/// The account's margin mode as `account/info` names it.
pub(super) fn margin_mode(call: &Call<'_>) -> &'static str {
    let isolated = symbols(call.exchange).iter().any(|symbol| {
        let position = call.exchange.position(call.account, symbol);
        position.is_some_and(|position| position.mode == SimMarginMode::Isolated)
    });
    if isolated { "ISOLATED_MARGIN" } else { "REGULAR_MARGIN" }
}

//! Public data on request: instruments, books, trades, tickers.

use super::error::{Answer, ApiError};
use super::history::{History, TRADES_MAX};
use super::json::{Obj, decimal, levels, list, text};
use super::limits::Limits;
use super::params::Params;
use super::trading::{ORDERS_MAX, PERCENT_DOWN, PERCENT_UP, stp_mode};
use crate::sim::{Exchange, SymbolRules};
use crate::types::Side;
use rust_decimal::Decimal;

/// Most levels a side that `depth` gives.
pub(super) const DEPTH_MAX: u64 = 5000;

/// `exchangeInfo`.
pub(super) fn exchange_info(
    params: &Params,
    exchange: &Exchange,
    limits: &Limits,
    now_ms: u64,
) -> Answer {
    let (chosen, _) = chosen(params, exchange)?;
    let status_hides = params.get("symbolStatus").is_some_and(|status| status != "TRADING");
    let permission_hides = params.get("permissions").is_some_and(|text| !text.contains("SPOT"));
    let shown = chosen.into_iter().filter(|_| !status_hides && !permission_hides);
    let sets = params.boolean("showPermissionSets")? != Some(false);
    let stp = stp_mode(exchange);
    Ok(Obj::new()
        .text("timezone", "UTC")
        .raw("serverTime", now_ms)
        .raw("rateLimits", limits.published())
        .raw("exchangeFilters", "[]")
        .raw("symbols", list(shown.map(|rules| instrument(rules, sets, stp))))
        .end())
}

/// The instruments of `symbol` or `symbols`, or all; and whether exactly one was named.
fn chosen<'a>(
    params: &Params,
    exchange: &'a Exchange,
) -> Result<(Vec<&'a SymbolRules>, bool), ApiError> {
    let find = |symbol: &str| exchange.rules(symbol).ok_or_else(ApiError::symbol);
    match (params.get("symbol"), params.get("symbols")) {
        (Some(_), Some(_)) => Err(ApiError::combination()),
        (Some(symbol), None) => Ok((vec![find(symbol)?], true)),
        (None, Some(names)) => {
            let names: Vec<String> = serde_json::from_str(names).map_err(|_| {
                ApiError::illegal(
                    "symbols",
                    "^\\[(\"[\\w\\-._&&[^a-z]]{1,50}\"(,\"[\\w\\-._&&[^a-z]]{1,50}\")*)?\\]$",
                )
            })?;
            Ok((names.iter().map(|name| find(name)).collect::<Result<_, _>>()?, false))
        }
        (None, None) => Ok((exchange.symbols().iter().collect(), false)),
    }
}

fn instrument(rules: &SymbolRules, sets: bool, stp: &str) -> String {
    let stp_modes = list([text(stp)]);
    Obj::new()
        .text("symbol", &rules.symbol)
        .text("status", "TRADING")
        .text("baseAsset", &rules.base)
        .raw("baseAssetPrecision", 8)
        .text("quoteAsset", &rules.quote)
        .raw("quotePrecision", 8)
        .raw("quoteAssetPrecision", 8)
        .raw("baseCommissionPrecision", rules.fee_decimals)
        .raw("quoteCommissionPrecision", rules.fee_decimals)
        .raw("orderTypes", r#"["LIMIT","LIMIT_MAKER","MARKET"]"#)
        .raw("icebergAllowed", false)
        .raw("ocoAllowed", false)
        .raw("otoAllowed", false)
        .raw("opoAllowed", false)
        .raw("quoteOrderQtyMarketAllowed", true)
        .raw("allowTrailingStop", false)
        .raw("cancelReplaceAllowed", true)
        .raw("amendAllowed", true)
        .raw("pegInstructionsAllowed", false)
        .raw("isSpotTradingAllowed", true)
        .raw("isMarginTradingAllowed", false)
        .raw("filters", filters(rules))
        .raw("permissions", "[]")
        .raw("permissionSets", if sets { r#"[["SPOT"]]"# } else { "[]" })
        .text("defaultSelfTradePreventionMode", stp)
        .raw("allowedSelfTradePreventionModes", stp_modes)
        .end()
}

fn filters(rules: &SymbolRules) -> String {
    let filter = |name: &str| Obj::new().text("filterType", name);
    let up = PERCENT_UP.to_string();
    let down = Decimal::new(PERCENT_DOWN.0, PERCENT_DOWN.1).to_string();
    list([
        filter("PRICE_FILTER")
            .dec("minPrice", rules.price_min)
            .dec("maxPrice", rules.price_max)
            .dec("tickSize", rules.tick_size)
            .end(),
        filter("LOT_SIZE")
            .dec("minQty", rules.qty_min)
            .dec("maxQty", rules.qty_max)
            .dec("stepSize", rules.lot_size)
            .end(),
        filter("MARKET_LOT_SIZE")
            .dec("minQty", Decimal::ZERO)
            .dec("maxQty", rules.qty_market_max)
            .dec("stepSize", Decimal::ZERO)
            .end(),
        filter("PERCENT_PRICE_BY_SIDE")
            .text("bidMultiplierUp", &up)
            .text("bidMultiplierDown", &down)
            .text("askMultiplierUp", &up)
            .text("askMultiplierDown", &down)
            .raw("avgPriceMins", 0)
            .end(),
        filter("NOTIONAL")
            .dec("minNotional", rules.notional_min)
            .raw("applyMinToMarket", true)
            .dec("maxNotional", rules.notional_max)
            .raw("applyMaxToMarket", false)
            .raw("avgPriceMins", 0)
            .end(),
        filter("MAX_NUM_ORDERS").raw("maxNumOrders", ORDERS_MAX).end(),
    ])
}

/// `depth`.
pub(super) fn depth(params: &Params, exchange: &Exchange) -> Answer {
    let symbol = params.required("symbol")?;
    let limit = params.limit(100, DEPTH_MAX)?;
    let (id, bids, asks) = exchange.depth(symbol, limit).ok_or_else(ApiError::symbol)?;
    Ok(snapshot(id, &bids, &asks))
}

/// A book as `depth` and the partial depth streams show it.
pub(super) fn snapshot(
    id: u64,
    bids: &[(Decimal, Decimal)],
    asks: &[(Decimal, Decimal)],
) -> String {
    let side = |side: &[(Decimal, Decimal)]| levels(side.iter().map(|(price, qty)| (price, qty)));
    Obj::new().raw("lastUpdateId", id).raw("bids", side(bids)).raw("asks", side(asks)).end()
}

/// `trades`.
pub(super) fn trades(params: &Params, exchange: &Exchange, history: &History) -> Answer {
    let symbol = params.required("symbol")?;
    let limit = params.limit(500, TRADES_MAX as u64)?;
    exchange.rules(symbol).ok_or_else(ApiError::symbol)?;
    let prints = history.prints(symbol, limit).map(|print| {
        Obj::new()
            .raw("id", print.trade_id)
            .dec("price", print.price)
            .dec("qty", print.qty)
            .dec("quoteQty", print.price * print.qty)
            .raw("time", print.time_ms)
            .raw("isBuyerMaker", print.taker == Side::Sell)
            .raw("isBestMatch", true)
            .end()
    });
    Ok(list(prints))
}

/// `ticker/bookTicker`.
pub(super) fn book_ticker(params: &Params, exchange: &Exchange) -> Answer {
    let zero = (Decimal::ZERO, Decimal::ZERO);
    one_or_all(params, exchange, |rules| {
        let (_, bids, asks) = exchange.depth(&rules.symbol, 1).unwrap_or_default();
        let (bid, ask) = (bids.first().unwrap_or(&zero), asks.first().unwrap_or(&zero));
        Obj::new()
            .text("symbol", &rules.symbol)
            .dec("bidPrice", bid.0)
            .dec("bidQty", bid.1)
            .dec("askPrice", ask.0)
            .dec("askQty", ask.1)
            .end()
    })
}

/// `ticker/price`.
pub(super) fn price_ticker(params: &Params, exchange: &Exchange) -> Answer {
    one_or_all(params, exchange, |rules| {
        let price = exchange.last_price(&rules.symbol).unwrap_or_default();
        Obj::new().text("symbol", &rules.symbol).text("price", &decimal(price)).end()
    })
}

fn one_or_all(
    params: &Params,
    exchange: &Exchange,
    show: impl Fn(&SymbolRules) -> String,
) -> Answer {
    let (rules, one) = chosen(params, exchange)?;
    match rules.first() {
        Some(only) if one => Ok(show(only)),
        _ => Ok(list(rules.into_iter().map(show))),
    }
}

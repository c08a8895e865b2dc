//! Public data of perpetuals on request: instruments, books, trades, marks, funding.

use super::super::error::{Answer, ApiError};
use super::super::history::{History, TRADES_MAX};
use super::super::json::{Obj, levels, list};
use super::super::limits::Limits;
use super::super::params::Params;
use super::trading::{ORDERS_MAX, PERCENT_DOWN, PERCENT_UP};
use crate::sim::{Exchange, SimMark, SymbolRules};
use crate::types::Side;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// Most levels a side that `depth` gives.
const DEPTH_MAX: u64 = 1000;
/// Delivery date of a contract that has none.
const NEVER_MS: u64 = 4_133_404_800_000;

/// `exchangeInfo`, always of all instruments.
pub(super) fn exchange_info(exchange: &Exchange, limits: &Limits, now_ms: u64) -> Answer {
    let asset = |asset: &str| {
        Obj::new()
            .text("asset", asset)
            .raw("marginAvailable", true)
            .text("autoAssetExchange", "0")
            .end()
    };
    Ok(Obj::new()
        .text("timezone", "UTC")
        .raw("serverTime", now_ms)
        .text("futuresType", "U_MARGINED")
        .raw("rateLimits", limits.published())
        .raw("exchangeFilters", "[]")
        .raw("assets", list([asset("USDT")]))
        .raw("symbols", list(exchange.symbols().iter().map(instrument)))
        .end())
}

fn instrument(rules: &SymbolRules) -> String {
    let percent = |ratio: Decimal| format!("{:.4}", ratio * Decimal::ONE_HUNDRED);
    let perpetual = rules.perpetual.as_ref();
    let settle = perpetual.map_or(&*rules.quote, |perpetual| &perpetual.settle);
    let maintenance = perpetual.map_or(Decimal::ZERO, |perpetual| perpetual.maintenance_rate);
    let initial = perpetual.map_or(Decimal::ONE, |perpetual| Decimal::ONE / perpetual.leverage_max);
    Obj::new()
        .text("symbol", &rules.symbol)
        .text("pair", &rules.symbol)
        .text("contractType", "PERPETUAL")
        .raw("deliveryDate", NEVER_MS)
        .raw("onboardDate", 1_569_398_400_000_u64)
        .text("status", "TRADING")
        .text("maintMarginPercent", &percent(maintenance))
        .text("requiredMarginPercent", &percent(initial))
        .text("baseAsset", &rules.base)
        .text("quoteAsset", &rules.quote)
        .text("marginAsset", settle)
        .raw("pricePrecision", rules.tick_size.normalize().scale())
        .raw("quantityPrecision", rules.lot_size.normalize().scale())
        .raw("baseAssetPrecision", 8)
        .raw("quotePrecision", 8)
        .text("underlyingType", "COIN")
        .raw("underlyingSubType", "[]")
        .raw("settlePlan", 0)
        .text("triggerProtect", "0.05")
        .raw("filters", filters(rules))
        .raw(
            "orderTypes",
            r#"["LIMIT","MARKET","STOP","STOP_MARKET","TAKE_PROFIT","TAKE_PROFIT_MARKET"]"#,
        )
        .raw("timeInForce", r#"["GTC","IOC","FOK","GTX"]"#)
        .text("liquidationFee", "0.000000")
        .text("marketTakeBound", "0.05")
        .end()
}

fn filters(rules: &SymbolRules) -> String {
    let filter = |name: &str| Obj::new().text("filterType", name);
    let lots = |name: &str, max: Decimal| {
        filter(name)
            .num("minQty", rules.qty_min)
            .num("maxQty", max)
            .num("stepSize", rules.lot_size)
            .end()
    };
    let multiplier = |(mantissa, scale)| Decimal::new(mantissa, scale).to_string();
    list([
        filter("PRICE_FILTER")
            .num("minPrice", rules.price_min)
            .num("maxPrice", rules.price_max)
            .num("tickSize", rules.tick_size)
            .end(),
        lots("LOT_SIZE", rules.qty_max),
        lots("MARKET_LOT_SIZE", rules.qty_market_max),
        filter("MAX_NUM_ORDERS").raw("limit", ORDERS_MAX).end(),
        filter("MIN_NOTIONAL").num("notional", rules.notional_min).end(),
        filter("PERCENT_PRICE")
            .text("multiplierUp", &multiplier(PERCENT_UP))
            .text("multiplierDown", &multiplier(PERCENT_DOWN))
            .text("multiplierDecimal", "4")
            .end(),
    ])
}

/// `depth`.
pub(super) fn depth(params: &Params, exchange: &Exchange, now_ms: u64) -> Answer {
    let symbol = params.required("symbol")?;
    let limit = params.limit(500, DEPTH_MAX)?;
    let (id, bids, asks) = exchange.depth(symbol, limit).ok_or_else(ApiError::symbol)?;
    let side = |side: &[(Decimal, Decimal)]| levels(side.iter().map(|(price, qty)| (price, qty)));
    Ok(Obj::new()
        .raw("lastUpdateId", id)
        .raw("E", now_ms)
        .raw("T", now_ms)
        .raw("bids", side(&bids))
        .raw("asks", side(&asks))
        .end())
}

/// `trades`.
pub(super) fn trades(params: &Params, exchange: &Exchange, history: &History) -> Answer {
    let symbol = params.required("symbol")?;
    let limit = params.limit(500, TRADES_MAX as u64)?;
    exchange.rules(symbol).ok_or_else(ApiError::symbol)?;
    Ok(list(history.prints(symbol, limit).map(|print| {
        Obj::new()
            .raw("id", print.trade_id)
            .num("price", print.price)
            .num("qty", print.qty)
            .num("quoteQty", print.price * print.qty)
            .raw("time", print.time_ms)
            .raw("isBuyerMaker", print.taker == Side::Sell)
            .raw("isRPITrade", false)
            .end()
    })))
}

/// `ticker/bookTicker`.
pub(super) fn book_ticker(params: &Params, exchange: &Exchange, now_ms: u64) -> Answer {
    one_or_all(params, exchange, |rules| {
        let (id, bids, asks) = exchange.depth(&rules.symbol, 1).unwrap_or_default();
        let first = |side: &[(Decimal, Decimal)]| side.first().copied().unwrap_or_default();
        let (bid, ask) = (first(&bids), first(&asks));
        Obj::new()
            .text("symbol", &rules.symbol)
            .num("bidPrice", bid.0)
            .num("bidQty", bid.1)
            .num("askPrice", ask.0)
            .num("askQty", ask.1)
            .raw("time", now_ms)
            .raw("lastUpdateId", id)
            .end()
    })
}

/// `ticker/price`.
pub(super) fn price_ticker(params: &Params, exchange: &Exchange, now_ms: u64) -> Answer {
    one_or_all(params, exchange, |rules| {
        let price = exchange.last_price(&rules.symbol).unwrap_or_default();
        Obj::new().text("symbol", &rules.symbol).num("price", price).raw("time", now_ms).end()
    })
}

/// `premiumIndex`.
pub(super) fn premium_index(params: &Params, exchange: &Exchange, now_ms: u64) -> Answer {
    one_or_all(params, exchange, |rules| {
        let mark = exchange.mark(&rules.symbol, now_ms).unwrap_or_default();
        Obj::new()
            .text("symbol", &rules.symbol)
            .amount("markPrice", mark.mark)
            .amount("indexPrice", mark.index)
            .amount("estimatedSettlePrice", mark.mark)
            .amount("lastFundingRate", mark.rate)
            .text("interestRate", "0.00010000")
            .raw("nextFundingTime", mark.next_funding_ms)
            .raw("time", now_ms)
            .end()
    })
}

/// `fundingRate`: rates that were paid, oldest first.
pub(super) fn funding_rates(params: &Params, exchange: &Exchange) -> Answer {
    let limit = params.limit(100, 1000)?;
    let (start, end) = (params.integer("startTime")?, params.integer("endTime")?);
    let symbols = match params.get("symbol") {
        Some(symbol) => vec![exchange.rules(symbol).ok_or_else(ApiError::symbol)?],
        None => exchange.symbols().iter().collect(),
    };
    let mut rates: Vec<&SimMark> =
        symbols.iter().flat_map(|rules| exchange.funding_rates(&rules.symbol)).collect();
    rates.retain(|rate| {
        start.is_none_or(|start| rate.time_ms >= start) && end.is_none_or(|end| rate.time_ms <= end)
    });
    rates.sort_by_key(|rate| rate.time_ms);
    let cut = if start.is_some() { 0 } else { rates.len().saturating_sub(limit) };
    Ok(list(rates[cut..].iter().take(limit).map(|rate| {
        Obj::new()
            .text("symbol", &rate.symbol)
            .amount("fundingRate", rate.rate)
            .raw("fundingTime", rate.time_ms)
            .amount("markPrice", rate.mark)
            .text("rateType", "Regular")
            .end()
    })))
}

/// `fundingInfo`: only instruments whose interval or bounds are not the usual ones.
pub(super) fn funding_info(exchange: &Exchange) -> Answer {
    let unusual = exchange.symbols().iter().filter_map(|rules| {
        let perpetual = rules.perpetual.as_ref()?;
        let hours = perpetual.funding_interval_ms.div_ceil(3_600_000).to_u32()?;
        (hours != 8).then(|| {
            Obj::new()
                .text("symbol", &rules.symbol)
                .amount("adjustedFundingRateCap", perpetual.funding_rate_max)
                .amount("adjustedFundingRateFloor", -perpetual.funding_rate_max)
                .raw("fundingIntervalHours", hours)
                .raw("disclaimer", false)
                .end()
        })
    });
    Ok(list(unusual))
}

pub(super) fn one_or_all(
    params: &Params,
    exchange: &Exchange,
    show: impl Fn(&SymbolRules) -> String,
) -> Answer {
    match params.get("symbol") {
        Some(symbol) => Ok(show(exchange.rules(symbol).ok_or_else(ApiError::symbol)?)),
        None => Ok(list(exchange.symbols().iter().map(show))),
    }
}

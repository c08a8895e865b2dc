//! The REST endpoints that need no key: instruments, books, trades, tickers, funding.

use super::Bybit;
use super::category::{Category, wire_symbol};
use super::desk::Reply;
use super::errors::VenueError;
use super::fields::quote_precision;
use super::json::{Object, array};
use super::klines::klines;
use super::rest::{Answer, Params, not_supported};
use crate::sim::{Exchange, HttpRequest, PerpetualRules, SymbolRules};
use rust_decimal::Decimal;

impl Bybit {
    /// Endpoints without a key; `None` if it is not one of them.
    pub(super) fn public(
        &mut self,
        request: &HttpRequest,
        exchange: &Exchange,
        now_ms: u64,
    ) -> Option<Answer> {
        if request.method != "GET" {
            return None;
        }
        let params = Params::of(request);
        let answer = match request.path.as_str() {
            "/v5/market/time" => {
                let seconds = Object::new().digits("timeSecond", now_ms / 1_000);
                return Some(Ok(Reply::of(seconds.digits("timeNano", now_ms * 1_000_000).done())));
            }
            "/v5/market/instruments-info" => {
                params.category().and_then(|category| self.instruments(category, &params, exchange))
            }
            "/v5/market/orderbook" => {
                params.category().and_then(|c| self.order_book(c, &params, exchange, now_ms))
            }
            "/v5/market/recent-trade" => {
                params.category().and_then(|category| self.recent_trades(category, &params))
            }
            "/v5/market/tickers" => {
                params.category().and_then(|c| self.tickers(c, &params, exchange, now_ms))
            }
            "/v5/market/kline" => {
                let category = params.category();
                category.and_then(|category| klines(category, &params, exchange, now_ms))
            }
            "/v5/market/funding/history" => funding_history(&params, exchange),
            "/v5/market/risk-limit" => risk_limit(&params, exchange),
            "/v5/market/price-limit" => self.price_limit(&params, exchange),
            _ => return None,
        };
        Some(answer.map(Reply::of))
    }

    fn instruments(
        &self,
        category: Category,
        params: &Params,
        exchange: &Exchange,
    ) -> Result<String, VenueError> {
        let wanted = params.named_symbol(category);
        let base = params.get("baseCoin");
        let rows: Vec<String> = exchange
            .symbols()
            .iter()
            .enumerate()
            .filter(|(_, rules)| Category::of(&rules.symbol) == category)
            .filter(|(_, rules)| wanted.as_ref().is_none_or(|symbol| rules.symbol == *symbol))
            .filter(|(_, rules)| base.is_none_or(|base| rules.base == base))
            .filter(|_| params.get("status").is_none_or(|status| status == "Trading"))
            .map(|(index, rules)| match &rules.perpetual {
                Some(perpetual) => contract(index, rules, perpetual, self.options.price_band),
                None => instrument(index, rules, self.options.price_band),
            })
            .collect();
        if rows.is_empty() && wanted.is_some() {
            return Err(not_supported());
        }
        let list = Object::new().text("category", category.word()).raw("list", &array(rows));
        // Spot has no pages.
        let linear = category == Category::Linear;
        Ok(if linear { list.text("nextPageCursor", "").done() } else { list.done() })
    }

    fn order_book(
        &mut self,
        category: Category,
        params: &Params,
        exchange: &Exchange,
        now_ms: u64,
    ) -> Result<String, VenueError> {
        let default = if category == Category::Spot { 1 } else { 25 };
        let (symbol, limit) = (params.symbol(category)?, params.limit(default, 1_000)?);
        self.market.book(&symbol, limit, exchange, now_ms).ok_or_else(not_supported)
    }

    fn recent_trades(&self, category: Category, params: &Params) -> Result<String, VenueError> {
        let (default, most) = if category == Category::Spot { (60, 60) } else { (500, 1_000) };
        let (symbol, limit) = (params.symbol(category)?, params.limit(default, most)?);
        self.market.recent_trades(&symbol, limit).ok_or_else(not_supported)
    }

    fn tickers(
        &self,
        category: Category,
        params: &Params,
        exchange: &Exchange,
        now_ms: u64,
    ) -> Result<String, VenueError> {
        let wanted = params.named_symbol(category);
        let symbols = exchange.symbols().iter().map(|rules| rules.symbol.as_str());
        let rows: Vec<String> = symbols
            .filter(|symbol| Category::of(symbol) == category)
            .filter(|symbol| wanted.as_deref().is_none_or(|wanted| *symbol == wanted))
            .filter_map(|symbol| self.market.ticker_row(symbol, exchange, now_ms))
            .collect();
        if rows.is_empty() { Err(not_supported()) } else { Ok(category_list(category, rows)) }
    }

    /// `market/price-limit`: what orders may be priced at now.
    fn price_limit(&self, params: &Params, exchange: &Exchange) -> Result<String, VenueError> {
        let category = params.category()?;
        let symbol = params.symbol(category)?;
        let rules = exchange.rules(&symbol).ok_or_else(not_supported)?;
        let last = exchange.last_price(&symbol).unwrap_or_default();
        let (one, band) = (Decimal::ONE, self.options.price_band);
        let cut = |price: Decimal| (price / rules.tick_size).floor() * rules.tick_size;
        Ok(Object::new()
            .text("symbol", wire_symbol(&symbol))
            .decimal("buyLmt", cut(last * (one + band)))
            .decimal("sellLmt", cut(last * (one - band)))
            .done())
    }
}

/// A linear contract as `market/instruments-info` shows it.
fn contract(
    index: usize,
    rules: &SymbolRules,
    perpetual: &PerpetualRules,
    band: Decimal,
) -> String {
    let leverage = Object::new()
        .text("minLeverage", "1")
        .decimal("maxLeverage", perpetual.leverage_max)
        .text("leverageStep", "0.01");
    let price = Object::new()
        .decimal("minPrice", rules.price_min)
        .decimal("maxPrice", rules.price_max)
        .decimal("tickSize", rules.tick_size);
    let lot = Object::new()
        .decimal("maxOrderQty", rules.qty_max)
        .decimal("minOrderQty", rules.qty_min)
        .decimal("qtyStep", rules.lot_size)
        .decimal("postOnlyMaxOrderQty", rules.qty_max)
        .decimal("maxMktOrderQty", rules.qty_market_max)
        .decimal("minNotionalValue", rules.notional_min);
    let risk = Object::new().decimal("priceLimitRatioX", band).decimal("priceLimitRatioY", band);
    let scale = rules.tick_size.normalize().scale();
    Object::new()
        .text("symbol", wire_symbol(&rules.symbol))
        .number("symbolId", index as u64 + 1)
        .text("contractType", "LinearPerpetual")
        .text("status", "Trading")
        .text("baseCoin", &rules.base)
        .text("quoteCoin", &rules.quote)
        .text("launchTime", "1585526400000")
        .text("deliveryTime", "0")
        .text("deliveryFeeRate", "")
        .digits("priceScale", scale.into())
        .raw("leverageFilter", &leverage.done())
        .raw("priceFilter", &price.done())
        .raw("lotSizeFilter", &lot.done())
        .flag("unifiedMarginTrade", true)
        .number("fundingInterval", perpetual.funding_interval_ms.div_ceil(60_000))
        .text("settleCoin", &perpetual.settle)
        .text("copyTrading", "both")
        .decimal("upperFundingRate", perpetual.funding_rate_max)
        .decimal("lowerFundingRate", -perpetual.funding_rate_max)
        .flag("isPreListing", false)
        .raw("preListingInfo", "null")
        .raw("riskParameters", &risk.done())
        .text("symbolType", "")
        .done()
}

/// `market/funding/history`, newest first. A start without an end is an error.
fn funding_history(params: &Params, exchange: &Exchange) -> Result<String, VenueError> {
    let category = params.category()?;
    let symbol = params.symbol(category)?;
    exchange.rules(&symbol).filter(|rules| rules.perpetual.is_some()).ok_or_else(not_supported)?;
    let limit = params.limit(200, 200)?;
    let (from, to) = (params.number("startTime")?, params.number("endTime")?);
    if from.is_some() && to.is_none() {
        return Err(VenueError::new(10001, "params error: endTime is required"));
    }
    let rates = exchange.funding_rates(&symbol);
    let shown = rates.iter().rev().filter(|rate| {
        from.is_none_or(|from| rate.time_ms >= from) && to.is_none_or(|to| rate.time_ms <= to)
    });
    let row = |rate: &&crate::sim::SimMark| {
        Object::new()
            .text("symbol", wire_symbol(&rate.symbol))
            .decimal("fundingRate", rate.rate)
            .digits("fundingRateTimestamp", rate.time_ms)
            .done()
    };
    Ok(category_list(category, shown.take(limit).map(row).collect()))
}

/// `market/risk-limit`: one tier.
fn risk_limit(params: &Params, exchange: &Exchange) -> Result<String, VenueError> {
    let category = params.category()?;
    let wanted = params.named_symbol(category);
    let linear = exchange.symbols().iter();
    let rows: Vec<String> = linear
        .filter(|rules| wanted.as_ref().is_none_or(|symbol| rules.symbol == *symbol))
        .filter_map(|rules| {
            let perpetual = rules.perpetual.as_ref()?;
            let initial = (Decimal::ONE / perpetual.leverage_max).round_dp(6);
            let row = Object::new()
                .number("id", 1)
                .text("symbol", wire_symbol(&rules.symbol))
                .text("riskLimitValue", "2000000")
                .decimal("maintenanceMargin", perpetual.maintenance_rate)
                .decimal("initialMargin", initial)
                .number("isLowestRisk", 1)
                .decimal("maxLeverage", perpetual.leverage_max);
            Some(row.text("mmDeduction", "").done())
        })
        .collect();
    let list = Object::new().text("category", category.word()).raw("list", &array(rows));
    Ok(list.text("nextPageCursor", "").done())
}

fn category_list(category: Category, rows: Vec<String>) -> String {
    Object::new().text("category", category.word()).raw("list", &array(rows)).done()
}

fn instrument(index: usize, rules: &SymbolRules, band: Decimal) -> String {
    let lot = Object::new()
        .decimal("basePrecision", rules.lot_size)
        .decimal("quotePrecision", quote_precision(rules))
        .decimal("minOrderQty", rules.qty_min)
        .decimal("maxOrderQty", rules.qty_max)
        .decimal("minOrderAmt", rules.notional_min)
        .decimal("maxOrderAmt", rules.notional_max)
        .decimal("maxLimitOrderQty", rules.qty_max)
        .decimal("maxMarketOrderQty", rules.qty_market_max)
        .decimal("postOnlyMaxLimitOrderSize", rules.qty_max);
    let risk =
        Object::new().decimal("priceLimitRatioX", band).decimal("priceLimitRatioY", band).done();
    Object::new()
        .number("symbolId", index as u64 + 1)
        .text("symbol", &rules.symbol)
        .text("baseCoin", &rules.base)
        .text("quoteCoin", &rules.quote)
        .text("innovation", "0")
        .text("status", "Trading")
        .text("marginTrading", "utaOnly")
        .text("stTag", "0")
        .raw("lotSizeFilter", &lot.done())
        .raw("priceFilter", &Object::new().decimal("tickSize", rules.tick_size).done())
        .raw("riskParameters", &risk)
        .text("symbolType", "")
        .done()
}

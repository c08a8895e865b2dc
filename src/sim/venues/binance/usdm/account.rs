//! An account's own data on request: balances, positions, settings, orders, fills, cash flows; and its
//! settings.

use super::super::error::{Answer, ApiError};
use super::super::history::History;
use super::super::json::{Obj, list};
use super::super::params::Params;
use super::super::trading::stp_mode;
use super::{error, market, replies};
use crate::sim::{
    AccountId, Exchange, OrderRef, SimMargin, SimMarginMode, SimPosition, SymbolRules,
};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// What the venue says of a notional that has no maximum.
const NOTIONAL_MAX: &str = "1000000000";

fn margins(exchange: &Exchange, account: AccountId) -> Vec<(String, SimMargin)> {
    let assets = exchange.balances(account).into_keys();
    assets.map(|asset| (asset.clone(), exchange.margin(account, &asset))).collect()
}

/// `balance`.
pub(super) fn balance(exchange: &Exchange, account: AccountId, now_ms: u64) -> Answer {
    Ok(list(margins(exchange, account).iter().map(|(asset, margin)| {
        Obj::new()
            .text("accountAlias", "SgsR")
            .text("asset", asset)
            .dec("balance", margin.wallet)
            .dec("crossWalletBalance", margin.wallet - margin.isolated)
            .amount("crossUnPnl", margin.cross_unrealised)
            .amount("availableBalance", margin.available)
            .amount("maxWithdrawAmount", margin.available)
            .raw("marginAvailable", true)
            .raw("updateTime", now_ms)
            .end()
    })))
}

/// `account`: sums, then each asset and each position.
pub(super) fn account(exchange: &Exchange, account: AccountId, now_ms: u64) -> Answer {
    let margins = margins(exchange, account);
    let settle = margins.iter().find(|(asset, _)| asset == "USDT");
    let all = settle.map(|(_, margin)| *margin).unwrap_or_default();
    let assets = margins.iter().map(|(asset, margin)| {
        Obj::new()
            .text("asset", asset)
            .dec("walletBalance", margin.wallet)
            .amount("unrealizedProfit", margin.unrealised)
            .amount("marginBalance", margin.equity())
            .amount("maintMargin", margin.maintenance)
            .amount("initialMargin", margin.initial())
            .amount("positionInitialMargin", margin.position_initial)
            .amount("openOrderInitialMargin", margin.order_initial)
            .dec("crossWalletBalance", margin.wallet - margin.isolated)
            .amount("crossUnPnl", margin.cross_unrealised)
            .amount("availableBalance", margin.available)
            .amount("maxWithdrawAmount", margin.available)
            .raw("updateTime", now_ms)
            .end()
    });
    let positions = exchange.positions(account);
    let positions = positions.iter().filter(|position| is_shown(position)).map(|position| {
        Obj::new()
            .text("symbol", &position.symbol)
            .text("positionSide", "BOTH")
            .num("positionAmt", position.qty)
            .amount("unrealizedProfit", position.unrealised)
            .amount("isolatedMargin", isolated_margin(position))
            .amount("notional", position.qty * position.mark)
            .amount("isolatedWallet", position.isolated)
            .amount("initialMargin", position.initial + position.order_initial)
            .amount("maintMargin", position.maintenance)
            .raw("updateTime", position.updated_ms)
            .end()
    });
    Ok(Obj::new()
        .amount("totalInitialMargin", all.initial())
        .amount("totalMaintMargin", all.maintenance)
        .dec("totalWalletBalance", all.wallet)
        .amount("totalUnrealizedProfit", all.unrealised)
        .amount("totalMarginBalance", all.equity())
        .amount("totalPositionInitialMargin", all.position_initial)
        .amount("totalOpenOrderInitialMargin", all.order_initial)
        .dec("totalCrossWalletBalance", all.wallet - all.isolated)
        .amount("totalCrossUnPnl", all.cross_unrealised)
        .amount("availableBalance", all.available)
        .amount("maxWithdrawAmount", all.available)
        .raw("assets", list(assets))
        .raw("positions", list(positions))
        .end())
}

/// Only instruments with a position or open orders are shown.
fn is_shown(position: &SimPosition) -> bool {
    let values = position.order_values;
    !position.qty.is_zero() || values.iter().any(|value| !value.is_zero())
}

fn isolated_margin(position: &SimPosition) -> Decimal {
    match position.mode {
        SimMarginMode::Isolated => position.isolated + position.unrealised,
        SimMarginMode::Cross => Decimal::ZERO,
    }
}

/// `positionRisk`.
pub(super) fn position_risk(params: &Params, exchange: &Exchange, account: AccountId) -> Answer {
    let symbol = params.get("symbol");
    if symbol.is_some_and(|symbol| exchange.rules(symbol).is_none()) {
        return Err(ApiError::symbol());
    }
    let positions = exchange.positions(account);
    let shown = positions
        .iter()
        .filter(|position| is_shown(position))
        .filter(|position| symbol.is_none_or(|symbol| position.symbol == symbol));
    Ok(list(shown.map(|position| {
        let [bids, asks] = position.order_values;
        Obj::new()
            .text("symbol", &position.symbol)
            .text("positionSide", "BOTH")
            .num("positionAmt", position.qty)
            .num("entryPrice", position.entry)
            .num("breakEvenPrice", position.entry)
            .amount("markPrice", position.mark)
            .amount("unRealizedProfit", position.unrealised)
            .num("liquidationPrice", position.liquidation.unwrap_or_default())
            .amount("isolatedMargin", isolated_margin(position))
            .amount("notional", position.qty * position.mark)
            .text("marginAsset", "USDT")
            .amount("isolatedWallet", position.isolated)
            .amount("initialMargin", position.initial + position.order_initial)
            .amount("maintMargin", position.maintenance)
            .amount("positionInitialMargin", position.initial)
            .amount("openOrderInitialMargin", position.order_initial)
            .raw("adl", if position.qty.is_zero() { 0 } else { 2 })
            .num("bidNotional", bids)
            .num("askNotional", asks)
            .raw("updateTime", position.updated_ms)
            .end()
    })))
}

/// `accountConfig`.
pub(super) fn config() -> Answer {
    Ok(Obj::new()
        .raw("feeTier", 0)
        .raw("canTrade", true)
        .raw("canDeposit", true)
        .raw("canWithdraw", true)
        .raw("dualSidePosition", false)
        .raw("updateTime", 0)
        .raw("multiAssetsMargin", false)
        .raw("tradeGroupId", -1)
        .end())
}

/// `symbolConfig`, always a list.
pub(super) fn symbol_config(params: &Params, exchange: &Exchange, account: AccountId) -> Answer {
    let show = |rules: &SymbolRules| {
        let position = exchange.position(account, &rules.symbol);
        let isolated = position.as_ref().is_some_and(|p| p.mode == SimMarginMode::Isolated);
        let leverage = position.map_or(Decimal::ONE, |position| position.leverage);
        Obj::new()
            .text("symbol", &rules.symbol)
            .text("marginType", if isolated { "ISOLATED" } else { "CROSSED" })
            .raw("isAutoAddMargin", false)
            .raw("leverage", leverage.normalize())
            .text("maxNotionalValue", NOTIONAL_MAX)
            .end()
    };
    as_list(params, market::one_or_all(params, exchange, show))
}

/// `leverageBracket`, always a list: one bracket for all values.
pub(super) fn brackets(params: &Params, exchange: &Exchange) -> Answer {
    let show = |rules: &SymbolRules| {
        let Some(perpetual) = &rules.perpetual else { return "null".to_owned() };
        let bracket = Obj::new()
            .raw("bracket", 1)
            .raw("initialLeverage", perpetual.leverage_max.normalize())
            .raw("notionalCap", NOTIONAL_MAX)
            .raw("notionalFloor", 0)
            .raw("maintMarginRatio", perpetual.maintenance_rate.normalize())
            .raw("cum", "0.0")
            .end();
        Obj::new()
            .text("symbol", &rules.symbol)
            .raw("notionalCoef", "1.0")
            .raw("brackets", list([bracket]))
            .end()
    };
    as_list(params, market::one_or_all(params, exchange, show))
}

fn as_list(params: &Params, answer: Answer) -> Answer {
    answer.map(|json| if params.has("symbol") { list([json]) } else { json })
}

/// `commissionRate`.
pub(super) fn commission_rate(params: &Params, exchange: &Exchange) -> Answer {
    let rules = exchange.rules(params.required("symbol")?).ok_or_else(ApiError::symbol)?;
    Ok(Obj::new()
        .text("symbol", &rules.symbol)
        .num("makerCommissionRate", rules.maker_fee)
        .num("takerCommissionRate", rules.taker_fee)
        .num("rpiCommissionRate", rules.maker_fee)
        .end())
}

/// `openOrders`.
pub(super) fn open_orders(params: &Params, exchange: &Exchange, account: AccountId) -> Answer {
    let symbol = params.get("symbol");
    if symbol.is_some_and(|symbol| exchange.rules(symbol).is_none()) {
        return Err(ApiError::symbol());
    }
    let stp = stp_mode(exchange);
    let open = exchange.open_orders(account, symbol);
    Ok(list(open.into_iter().map(|order| replies::queried(order, stp))))
}

/// Instruments that a request names, and whether it names a time or number to begin at.
struct Page<'a> {
    symbols: Vec<&'a SymbolRules>,
    start_ms: Option<u64>,
    end_ms: Option<u64>,
    limit: usize,
}

impl<'a> Page<'a> {
    /// `span_ms` is the longest time between start and end.
    fn new(
        params: &Params,
        exchange: &'a Exchange,
        limits: (u64, u64),
        span_ms: u64,
    ) -> Result<Self, ApiError> {
        let symbols = match params.get("symbol") {
            Some(symbol) => vec![exchange.rules(symbol).ok_or_else(ApiError::symbol)?],
            None => exchange.symbols().iter().collect(),
        };
        let (start_ms, end_ms) = (params.integer("startTime")?, params.integer("endTime")?);
        if let (Some(start), Some(end)) = (start_ms, end_ms)
            && end.saturating_sub(start) > span_ms
        {
            return Err(ApiError::new(400, -4165, "Invalid time interval."));
        }
        Ok(Self { symbols, start_ms, end_ms, limit: params.limit(limits.0, limits.1)? })
    }

    fn holds(&self, time_ms: u64) -> bool {
        self.start_ms.is_none_or(|start| time_ms >= start)
            && self.end_ms.is_none_or(|end| time_ms <= end)
    }

    /// The oldest items where the request says from where on, else the newest.
    fn cut<T>(&self, mut items: Vec<T>, from: bool) -> Vec<T> {
        let excess = items.len().saturating_sub(self.limit);
        if from || self.start_ms.is_some() {
            items.truncate(self.limit);
        } else {
            items.drain(..excess);
        }
        items
    }
}

const WEEK_MS: u64 = 7 * 24 * 3_600_000;

/// `allOrders`.
pub(super) fn all_orders(
    params: &Params,
    exchange: &Exchange,
    history: &History,
    account: AccountId,
) -> Answer {
    let page = Page::new(params, exchange, (500, 1000), WEEK_MS)?;
    let from = params.integer("orderId")?;
    let mut orders: Vec<_> = page
        .symbols
        .iter()
        .flat_map(|rules| {
            let known = history.orders(account, &rules.symbol);
            known.filter_map(|id| exchange.order(account, &rules.symbol, OrderRef::Id(id)))
        })
        .filter(|order| from.is_none_or(|from| order.order_id >= from))
        .filter(|order| page.holds(order.created_ms))
        .collect();
    orders.sort_by_key(|order| order.order_id);
    let stp = stp_mode(exchange);
    let shown = page.cut(orders, from.is_some());
    Ok(list(shown.iter().map(|order| replies::queried(order, stp))))
}

/// `userTrades`.
pub(super) fn user_trades(params: &Params, exchange: &Exchange, account: AccountId) -> Answer {
    let rules = exchange.rules(params.required("symbol")?).ok_or_else(ApiError::symbol)?;
    let page = Page::new(params, exchange, (500, 1000), WEEK_MS)?;
    let (order, from) = (params.integer("orderId")?, params.integer("fromId")?);
    if from.is_some() && (page.start_ms.is_some() || page.end_ms.is_some()) {
        return Err(ApiError::combination());
    }
    let mut fills = exchange.fills(account, &rules.symbol);
    fills.retain(|fill| {
        order.is_none_or(|order| fill.order_id == order)
            && from.is_none_or(|from| fill.trade_id >= from)
            && page.holds(fill.time_ms)
    });
    let shown = page.cut(fills, from.is_some());
    Ok(list(shown.iter().map(|fill| replies::trade(fill, rules))))
}

/// One cash flow: kind, amount, symbol, asset, time, number, trade.
type Flow = (&'static str, Decimal, String, String, u64, u64, String);

/// `income`: funding, realised profit and fees, oldest first.
pub(super) fn income(params: &Params, exchange: &Exchange, account: AccountId) -> Answer {
    let page = Page::new(params, exchange, (100, 1000), u64::MAX)?;
    let kind = params.get("incomeType");
    let mut flows: Vec<Flow> = Vec::new();
    let named = |symbol: &str| page.symbols.iter().any(|rules| rules.symbol == symbol);
    for paid in exchange.funding_payments(account) {
        if named(&paid.symbol) {
            let (symbol, asset) = (paid.symbol.clone(), paid.asset.clone());
            let none = String::new();
            flows.push(("FUNDING_FEE", paid.amount, symbol, asset, paid.time_ms, paid.id, none));
        }
    }
    for rules in &page.symbols {
        for fill in exchange.fills(account, &rules.symbol) {
            let mut add = |kind, amount: Decimal, number: u64| {
                if !amount.is_zero() {
                    let (symbol, asset) = (fill.symbol.clone(), fill.fee_asset.clone());
                    let trade = fill.trade_id.to_string();
                    flows.push((kind, amount, symbol, asset, fill.time_ms, number, trade));
                }
            };
            add("REALIZED_PNL", fill.realised, fill.trade_id * 10 + 1);
            add("COMMISSION", -fill.fee, fill.trade_id * 10 + 2);
        }
    }
    flows.retain(|flow| kind.is_none_or(|kind| kind == flow.0) && page.holds(flow.4));
    flows.sort_by_key(|flow| (flow.4, flow.5));
    Ok(list(page.cut(flows, false).into_iter().map(|flow| {
        let (kind, amount, symbol, asset, time_ms, number, trade) = flow;
        Obj::new()
            .text("symbol", &symbol)
            .text("incomeType", kind)
            .dec("income", amount)
            .text("asset", &asset)
            .text("info", kind)
            .raw("time", time_ms)
            .raw("tranId", number)
            .text("tradeId", &trade)
            .end()
    })))
}

/// `leverage`.
pub(super) fn set_leverage(
    params: &Params,
    exchange: &mut Exchange,
    account: AccountId,
    now_ms: u64,
) -> Answer {
    let symbol = params.required("symbol")?;
    exchange.rules(symbol).ok_or_else(ApiError::symbol)?;
    let leverage = params.integer("leverage")?.ok_or_else(|| ApiError::missing("leverage"))?;
    exchange.set_leverage(account, symbol, Decimal::from(leverage), now_ms).map_err(|refusal| {
        match refusal {
            crate::sim::Refusal::Leverage => error::leverage(leverage),
            other => error::setting(other),
        }
    })?;
    Ok(Obj::new()
        .raw("leverage", leverage)
        .text("maxNotionalValue", NOTIONAL_MAX)
        .text("symbol", symbol)
        .end())
}

/// `{"code":200,"msg":"success"}`
fn success() -> String {
    Obj::new().raw("code", 200).text("msg", "success").end()
}

/// `marginType`.
pub(super) fn set_margin_type(
    params: &Params,
    exchange: &mut Exchange,
    account: AccountId,
    now_ms: u64,
) -> Answer {
    let symbol = params.required("symbol")?;
    let mode = match params.required("marginType")? {
        "CROSSED" => SimMarginMode::Cross,
        "ISOLATED" => SimMarginMode::Isolated,
        _ => return Err(ApiError::invalid("marginType")),
    };
    let now = exchange.position(account, symbol).ok_or_else(ApiError::symbol)?;
    if now.mode == mode {
        return Err(error::same_margin_type());
    }
    exchange.set_margin_mode(account, symbol, mode, now_ms).map_err(error::setting)?;
    Ok(success())
}

/// `positionMargin`: 1 adds, 2 takes back.
pub(super) fn move_margin(
    params: &Params,
    exchange: &mut Exchange,
    account: AccountId,
    now_ms: u64,
) -> Answer {
    let symbol = params.required("symbol")?;
    let amount = params.decimal("amount")?.ok_or_else(|| ApiError::missing("amount"))?;
    let kind = params.integer("type")?.ok_or_else(|| ApiError::missing("type"))?;
    let signed = match kind {
        1 => amount,
        2 => -amount,
        _ => return Err(ApiError::invalid("type")),
    };
    exchange.move_margin(account, symbol, signed, now_ms).map_err(error::setting)?;
    Ok(Obj::new()
        .raw("amount", amount.to_f64().unwrap_or_default())
        .raw("code", 200)
        .text("msg", "Successfully modify position margin.")
        .raw("type", kind)
        .end())
}

/// `positionSide/dual` and `multiAssetsMargin` with `POST`: the simulated venue has net positions and
/// one asset of margin only.
pub(super) fn set_mode(params: &Params, name: &'static str) -> Answer {
    match params.boolean(name)?.ok_or_else(|| ApiError::missing(name))? {
        false => Err(error::same_position_mode()),
        true => Err(ApiError::unsupported()),
    }
}

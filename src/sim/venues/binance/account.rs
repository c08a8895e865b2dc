//! An account's own data on request: balances, fees, orders, fills, order counts.

use super::error::{Answer, ApiError};
use super::history::History;
use super::ids::Ids;
use super::json::{Obj, list};
use super::params::Params;
use super::replies;
use super::trading::{no_discount, stp_mode};
use crate::sim::{AccountId, Exchange, OrderRef};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// Longest time between `startTime` and `endTime`.
const SPAN_MAX_MS: u64 = 24 * 3600 * 1000;

/// `account.status`, whose `updateTime` is that of the last change. The fee rates are those of the first instrument; `account.commission` gives
/// each instrument's own.
pub(super) fn status(
    params: &Params,
    exchange: &Exchange,
    account: AccountId,
    changed_ms: u64,
) -> Answer {
    let omit_zero = params.boolean("omitZeroBalances")? == Some(true);
    let first = exchange.symbols().first();
    let maker = first.map_or(Decimal::ZERO, |rules| rules.maker_fee);
    let taker = first.map_or(Decimal::ZERO, |rules| rules.taker_fee);
    let balances = exchange
        .balances(account)
        .into_iter()
        .filter(|(_, (free, locked))| !(omit_zero && free.is_zero() && locked.is_zero()))
        .map(|(asset, (free, locked))| {
            Obj::new().text("asset", &asset).dec("free", free).dec("locked", locked).end()
        });
    let basis_points = |rate: Decimal| (rate * Decimal::from(10_000)).to_i64().unwrap_or(0);
    let rates = Obj::new()
        .dec("maker", maker)
        .dec("taker", taker)
        .dec("buyer", Decimal::ZERO)
        .dec("seller", Decimal::ZERO)
        .end();
    Ok(Obj::new()
        .raw("makerCommission", basis_points(maker))
        .raw("takerCommission", basis_points(taker))
        .raw("buyerCommission", 0)
        .raw("sellerCommission", 0)
        .raw("commissionRates", rates)
        .raw("canTrade", true)
        .raw("canWithdraw", true)
        .raw("canDeposit", true)
        .raw("brokered", false)
        .raw("requireSelfTradePrevention", false)
        .raw("preventSor", false)
        .raw("updateTime", changed_ms)
        .text("accountType", "SPOT")
        .raw("balances", list(balances))
        .raw("permissions", r#"["SPOT"]"#)
        .raw("uid", 354_937_868 + account.0)
        .end())
}

/// `account.commission`.
pub(super) fn commission(params: &Params, exchange: &Exchange) -> Answer {
    let rules = exchange.rules(params.required("symbol")?).ok_or_else(ApiError::symbol)?;
    let rates = |maker: Decimal, taker: Decimal| {
        Obj::new()
            .dec("maker", maker)
            .dec("taker", taker)
            .dec("buyer", Decimal::ZERO)
            .dec("seller", Decimal::ZERO)
            .end()
    };
    Ok(Obj::new()
        .text("symbol", &rules.symbol)
        .raw("standardCommission", rates(rules.maker_fee, rules.taker_fee))
        .raw("specialCommission", rates(Decimal::ZERO, Decimal::ZERO))
        .raw("taxCommission", rates(Decimal::ZERO, Decimal::ZERO))
        .raw("discount", no_discount())
        .end())
}

/// `openOrders.status`.
pub(super) fn open_orders(
    params: &Params,
    exchange: &Exchange,
    ids: &Ids,
    account: AccountId,
) -> Answer {
    let symbol = params.get("symbol");
    if symbol.is_some_and(|symbol| exchange.rules(symbol).is_none()) {
        return Err(ApiError::symbol());
    }
    let stp = stp_mode(exchange);
    let open = exchange.open_orders(account, symbol);
    Ok(list(open.into_iter().map(|order| replies::queried(order, ids.client_id(order), stp))))
}

/// `allOrders`: from an id on, or of a time, or the newest.
pub(super) fn all_orders(
    params: &Params,
    exchange: &Exchange,
    ids: &Ids,
    history: &History,
    account: AccountId,
) -> Answer {
    let symbol = params.required("symbol")?;
    exchange.rules(symbol).ok_or_else(ApiError::symbol)?;
    let limit = params.limit(500, 1000)?;
    let from = params.integer("orderId")?;
    let span = Span::new(params)?;
    let orders: Vec<_> = history
        .orders(account, symbol)
        .filter(|id| from.is_none_or(|from| *id >= from))
        .filter_map(|id| exchange.order(account, symbol, OrderRef::Id(id)))
        .filter(|order| span.holds(order.created_ms))
        .collect();
    let stp = stp_mode(exchange);
    let page = page(&orders, limit, from.is_some() || span.start_ms.is_some());
    Ok(list(page.iter().map(|order| replies::queried(order, ids.client_id(order), stp))))
}

/// `myTrades`: from an id on, of one order, of a time, or the newest.
pub(super) fn my_trades(params: &Params, exchange: &Exchange, account: AccountId) -> Answer {
    let symbol = params.required("symbol")?;
    exchange.rules(symbol).ok_or_else(ApiError::symbol)?;
    let limit = params.limit(500, 1000)?;
    let (order, from) = (params.integer("orderId")?, params.integer("fromId")?);
    let span = Span::new(params)?;
    let timed = span.start_ms.is_some() || span.end_ms.is_some();
    if timed && (order.is_some() || from.is_some()) {
        return Err(ApiError::combination());
    }
    let mut fills = exchange.fills(account, symbol);
    fills.retain(|fill| {
        order.is_none_or(|order| fill.order_id == order)
            && from.is_none_or(|from| fill.trade_id >= from)
            && span.holds(fill.time_ms)
    });
    let page = page(&fills, limit, from.is_some() || span.start_ms.is_some());
    Ok(list(page.iter().map(|fill| replies::trade(fill))))
}

/// The oldest items where the request says from where on, else the newest.
fn page<T>(items: &[T], limit: usize, oldest: bool) -> &[T] {
    let cut = items.len().saturating_sub(limit);
    if oldest { &items[..items.len() - cut] } else { &items[cut..] }
}

/// `startTime` and `endTime`, both inclusive.
struct Span {
    start_ms: Option<u64>,
    end_ms: Option<u64>,
}

impl Span {
    fn new(params: &Params) -> Result<Self, ApiError> {
        let millis = |name| {
            let time = params.integer(name)?;
            Ok(time.map(|time| if time >= 1_000_000_000_000_000 { time / 1000 } else { time }))
        };
        let span = Self { start_ms: millis("startTime")?, end_ms: millis("endTime")? };
        if let (Some(start), Some(end)) = (span.start_ms, span.end_ms)
            && end.saturating_sub(start) > SPAN_MAX_MS
        {
            return Err(ApiError::new(
                400,
                -1127,
                "More than 24 hours between startTime and endTime.",
            ));
        }
        Ok(span)
    }

    fn holds(&self, time_ms: u64) -> bool {
        self.start_ms.is_none_or(|start| time_ms >= start)
            && self.end_ms.is_none_or(|end| time_ms <= end)
    }
}

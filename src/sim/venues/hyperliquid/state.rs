//! What an account holds, as the venue shows it: margin and positions, tokens.
//!
//! Perpetuals settle in one asset. Where spot pairs are quoted in another wallet of the same token
//! the account is a standard one, with two balances; else it is a unified one.

#![forbid(unsafe_code)]

use super::super::json::{Object, array};
use super::assets::{Assets, DOLLAR, amount, amount_or_null, token_name};
use crate::sim::{AccountId, Exchange, SimMargin, SimMarginMode, SimPosition};
use rust_decimal::Decimal;

/// The asset that perpetuals settle in.
pub(super) fn settle(exchange: &Exchange) -> &str {
    let mut perpetuals = exchange.symbols().iter().filter_map(|rules| rules.perpetual.as_ref());
    perpetuals.next().map_or(DOLLAR, |perpetual| &perpetual.settle)
}

/// Whether spot pairs are paid from the wallet of the perpetuals.
pub(super) fn is_unified(exchange: &Exchange) -> bool {
    let settle = settle(exchange);
    exchange.symbols().iter().any(|rules| rules.perpetual.is_none() && rules.quote == settle)
}

/// One of the two summaries.
#[derive(Default)]
struct Summary {
    value: Decimal,
    notional: Decimal,
    signed: Decimal,
    used: Decimal,
}

impl Summary {
    fn add(&mut self, position: &SimPosition) {
        let value = position.qty * position.mark;
        self.notional += value.abs();
        self.signed += value;
        self.used += margin_used(position);
    }

    fn done(&self) -> String {
        Object::new()
            .text("accountValue", &amount(self.value))
            .text("totalNtlPos", &amount(self.notional))
            .text("totalRawUsd", &amount(self.value - self.signed))
            .text("totalMarginUsed", &amount(self.used))
            .done()
    }
}

fn margin_used(position: &SimPosition) -> Decimal {
    match position.mode {
        SimMarginMode::Cross => position.initial.round_dp(6),
        SimMarginMode::Isolated => position.isolated + position.unrealised,
    }
}

/// The answer to `clearinghouseState`.
pub(super) fn clearinghouse(
    account: Option<AccountId>,
    assets: &Assets,
    exchange: &Exchange,
    now_ms: u64,
) -> String {
    let (margin, mut positions) = match account {
        Some(account) => (exchange.margin(account, settle(exchange)), exchange.positions(account)),
        None => (SimMargin::default(), Vec::new()),
    };
    positions.retain(|position| !position.qty.is_zero());
    let mut all = Summary { value: margin.equity(), ..Summary::default() };
    let mut cross = Summary { value: margin.cross_equity(), ..Summary::default() };
    for position in &positions {
        all.add(position);
        if position.mode == SimMarginMode::Cross {
            cross.add(position);
        }
    }
    let rows = array(positions.iter().map(|position| position_row(position, assets)));
    Object::new()
        .raw("marginSummary", &all.done())
        .raw("crossMarginSummary", &cross.done())
        .text("crossMaintenanceMarginUsed", &amount(margin.cross_maintenance))
        .text("withdrawable", &amount(margin.available))
        .raw("assetPositions", &rows)
        .number("time", now_ms)
        .done()
}

/// The members of a position's leverage.
pub(super) fn leverage(position: &SimPosition) -> String {
    let isolated = position.mode == SimMarginMode::Isolated;
    let value = position.leverage.trunc().normalize().to_string();
    let row = Object::new()
        .text("type", if isolated { "isolated" } else { "cross" })
        .raw("value", &value);
    if isolated {
        row.text("rawUsd", &amount(position.isolated - position.cost)).done()
    } else {
        row.done()
    }
}

fn position_row(position: &SimPosition, assets: &Assets) -> String {
    let committed = position.cost.abs() / position.leverage;
    let on_equity = match committed.is_zero() {
        true => Decimal::ZERO,
        false => (position.unrealised / committed).round_dp(10),
    };
    let leverage_max = assets.by_coin(&position.symbol).map_or(1, |asset| asset.leverage_max);
    let paid = amount(-position.funding);
    let funding =
        Object::new().text("allTime", &paid).text("sinceOpen", &paid).text("sinceChange", &paid);
    let row = Object::new()
        .text("coin", &position.symbol)
        .text("szi", &amount(position.qty))
        .raw("leverage", &leverage(position))
        .text("entryPx", &amount(position.entry.round_dp(8)))
        .text("positionValue", &amount((position.qty * position.mark).abs()))
        .text("unrealizedPnl", &amount(position.unrealised))
        .text("returnOnEquity", &amount(on_equity))
        .raw("liquidationPx", &amount_or_null(position.liquidation))
        .text("marginUsed", &amount(margin_used(position)))
        .number("maxLeverage", u64::from(leverage_max))
        .raw("cumFunding", &funding.done());
    Object::new().text("type", "oneWay").raw("position", &row.done()).done()
}

/// The answer to `spotClearinghouseState`: tokens that the account has.
pub(super) fn tokens(account: Option<AccountId>, assets: &Assets, exchange: &Exchange) -> String {
    let spot = exchange.symbols().iter().filter(|rules| rules.perpetual.is_none());
    let wallets: Vec<&str> = spot.flat_map(|rules| [&*rules.base, &*rules.quote]).collect();
    let balances = account.map(|account| exchange.balances(account)).unwrap_or_default();
    let rows = balances.iter().filter_map(|(asset, (free, locked))| {
        let known = wallets.contains(&asset.as_str());
        let token = assets.tokens().iter().find(|token| token.name == token_name(asset))?;
        let total = *free + *locked;
        (known && !total.is_zero()).then(|| {
            Object::new()
                .text("coin", &token.name)
                .number("token", u64::from(token.index))
                .text("total", &amount(total))
                .text("hold", &amount(*locked))
                .text("entryNtl", "0.0")
                .done()
        })
    });
    Object::new().raw("balances", &array(rows)).done()
}

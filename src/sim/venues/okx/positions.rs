//! Positions of swaps as rows, and what a position has earned since it was opened.
//!
//! The exchange adds up profits since the start; the venue begins anew with every position, under a
//! new id.

#![forbid(unsafe_code)]

use super::instruments::Instrument;
use crate::sim::venues::json::{Object, decimal};
use crate::sim::{AccountId, Exchange, SimFill, SimFunding, SimMarginMode, SimPosition};
use crate::types::Side;
use rust_decimal::Decimal;
use std::collections::HashMap;

/// Added to the number of a position, so that its id looks as the venue's do.
const FIRST_POSITION_ID: u64 = 1_750_000_000_000_000_000;
/// Decimals of ratios.
const RATIO_DECIMALS: u32 = 12;

/// A position from its opening to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Life {
    id: u64,
    opened_ms: u64,
    profit: Decimal,
    /// Negative when charged.
    fees: Decimal,
    funding: Decimal,
    trade_id: u64,
}

/// The positions' lives.
#[derive(Debug, Default)]
pub(super) struct Lives {
    lives: HashMap<(AccountId, String), Life>,
    opened: u64,
}

impl Lives {
    /// A fill of a swap.
    pub(super) fn on_fill(&mut self, fill: &SimFill) {
        let change = if fill.side == Side::Buy { fill.qty } else { -fill.qty };
        let before = fill.position - change;
        let life = self.lives.entry((fill.account, fill.symbol.clone())).or_default();
        if before.is_zero() {
            self.opened += 1;
            let id = FIRST_POSITION_ID + self.opened;
            *life = Life { id, opened_ms: fill.time_ms, ..Life::default() };
        }
        life.profit += fill.realised;
        life.fees -= fill.fee;
        life.trade_id = fill.trade_id;
    }

    /// A payment of funding.
    pub(super) fn on_funding(&mut self, funding: &SimFunding) {
        if let Some(life) = self.lives.get_mut(&(funding.account, funding.symbol.clone())) {
            life.funding += funding.amount;
        }
    }

    fn of(&self, position: &SimPosition) -> Life {
        let key = (position.account, position.symbol.clone());
        self.lives.get(&key).copied().unwrap_or_default()
    }

    /// Row of the `positions` channel and of `account/positions`.
    pub(super) fn row(
        &self,
        instrument: &Instrument,
        position: &SimPosition,
        exchange: &Exchange,
        now_ms: u64,
    ) -> String {
        let life = self.of(position);
        let figures = Figures::of(instrument, position, exchange);
        let (cross, isolated) = figures.margins(position);
        let updated_ms = position.updated_ms;
        Object::new()
            .text("adl", "1")
            .text("availPos", "")
            .text("avgPx", &figures.price(position.entry))
            .digits("cTime", life.opened_ms)
            .text("ccy", &instrument.settle)
            .blanks(&["deltaBS", "deltaPA", "gammaBS", "gammaPA", "hedgedPos"])
            .text("imr", &cross)
            .text("instId", &instrument.id)
            .text("instType", instrument.kind.name())
            .text("interest", "")
            .decimal("idxPx", exchange.mark(&instrument.id, now_ms).unwrap_or_default().index)
            .decimal("last", figures.last)
            .decimal("lever", position.leverage)
            .blanks(&["liab", "liabCcy"])
            .text("liqPx", &position.liquidation.map(decimal).unwrap_or_default())
            .decimal("markPx", position.mark)
            .text("margin", &isolated)
            .text("mgnMode", mode(position.mode))
            .text("mgnRatio", &figures.ratio(position))
            .decimal("mmr", position.maintenance)
            .decimal("notionalUsd", figures.value)
            .text("optVal", "")
            .digits("pTime", now_ms)
            .text("pendingCloseOrdLiabVal", "")
            .decimal("pos", instrument.to_wire(position.qty))
            .blanks(&["baseBal", "quoteBal", "baseBorrowed", "baseInterest"])
            .blanks(&["quoteBorrowed", "quoteInterest", "posCcy"])
            .digits("posId", life.id)
            .text("posSide", "net")
            .blanks(&["spotInUseAmt", "clSpotInUseAmt", "maxSpotInUseAmt", "spotInUseCcy"])
            .blanks(&["bizRefId", "bizRefType", "thetaBS", "thetaPA", "usdPx", "bePx"])
            .digits("tradeId", life.trade_id)
            .digits("uTime", updated_ms)
            .decimal("upl", position.unrealised)
            .decimal("uplLastPx", position.qty * figures.last - position.cost)
            .decimal("uplRatio", figures.profit_ratio(position))
            .decimal("uplRatioLastPx", figures.profit_ratio(position))
            .blanks(&["vegaBS", "vegaPA"])
            .decimal("realizedPnl", life.profit + life.fees + life.funding)
            .decimal("pnl", life.profit)
            .decimal("fee", life.fees)
            .decimal("fundingFee", life.funding)
            .text("liqPenalty", "0")
            .blanks(&["nonSettleAvgPx", "settledPnl"])
            .raw("closeOrderAlgo", "[]")
            .done()
    }

    /// Row of `balance_and_position`.
    pub(super) fn brief(&self, instrument: &Instrument, position: &SimPosition) -> String {
        let life = self.of(position);
        Object::new()
            .digits("posId", life.id)
            .digits("tradeId", life.trade_id)
            .text("instId", &instrument.id)
            .text("instType", instrument.kind.name())
            .text("mgnMode", mode(position.mode))
            .text("posSide", "net")
            .decimal("pos", instrument.to_wire(position.qty))
            .text("ccy", &instrument.settle)
            .text("posCcy", "")
            .decimal("avgPx", position.entry)
            .blanks(&["nonSettleAvgPx", "settledPnl"])
            .digits("uTime", position.updated_ms)
            .done()
    }

    /// The trade that changed a position last.
    pub(super) fn last_trade(&self, position: &SimPosition) -> String {
        let trade = Object::new().text("instId", &position.symbol);
        trade.digits("tradeId", self.of(position).trade_id).done()
    }
}

/// What has to be worked out for a row.
struct Figures {
    last: Decimal,
    /// Of the position at mark.
    value: Decimal,
    /// What stands for it beside its profit: set aside, or the account's equity.
    equity: Decimal,
    maintenance: Decimal,
}

impl Figures {
    fn of(instrument: &Instrument, position: &SimPosition, exchange: &Exchange) -> Self {
        let margin = exchange.margin(position.account, &instrument.settle);
        let (equity, maintenance) = match position.mode {
            SimMarginMode::Cross => (margin.cross_equity(), margin.cross_maintenance),
            SimMarginMode::Isolated => {
                (position.isolated + position.unrealised, position.maintenance)
            }
        };
        let last = exchange.last_price(&instrument.id).unwrap_or(position.mark);
        Self { last, value: position.qty.abs() * position.mark, equity, maintenance }
    }

    fn price(&self, price: Decimal) -> String {
        if price.is_zero() { String::new() } else { decimal(price) }
    }

    /// Initial margin of a cross position, or what is set aside for an isolated one.
    fn margins(&self, position: &SimPosition) -> (String, String) {
        match position.mode {
            SimMarginMode::Cross => (decimal(position.initial), String::new()),
            SimMarginMode::Isolated => (String::new(), decimal(position.isolated)),
        }
    }

    fn ratio(&self, position: &SimPosition) -> String {
        if position.qty.is_zero() || self.maintenance.is_zero() {
            return String::new();
        }
        decimal((self.equity / self.maintenance).trunc_with_scale(RATIO_DECIMALS))
    }

    /// Profit over initial margin at entry.
    fn profit_ratio(&self, position: &SimPosition) -> Decimal {
        if position.cost.is_zero() {
            return Decimal::ZERO;
        }
        let margin = position.cost.abs() / position.leverage;
        (position.unrealised / margin).trunc_with_scale(RATIO_DECIMALS)
    }
}

pub(super) fn mode(mode: SimMarginMode) -> &'static str {
    match mode {
        SimMarginMode::Cross => "cross",
        SimMarginMode::Isolated => "isolated",
    }
}

//! Buys where the ask is below another instrument's bid and sells there, both at once: of two or
//! more instruments of one underlying, whatever their venues and kinds.

use super::pair::{Pair, PairRules, Side, gap_ppb};
use super::{Context, InstrumentRef, Strategy};
use crate::types::{Contract, InstrumentId, ParamSpec, Ppb, Qty, StrategyReport};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// Options of [`SpreadArb`].
#[derive(Clone, Debug)]
pub struct SpreadArbOptions {
    /// The instruments, two or more, of the same underlying.
    pub names: Vec<String>,
    /// Smallest gap between one's ask and another's bid, relative to the ask.
    pub spread_min: Ppb,
    /// Quantity of each leg.
    pub qty: Qty,
    /// Pause after a signal.
    pub cooldown_ns: u64,
    /// An older book is no reason to trade.
    pub book_age_max_ns: u64,
    /// What holds between the legs.
    pub contract: Contract,
}

/// See the module.
pub struct SpreadArb {
    names: Vec<String>,
    spread_min: Ppb,
    qty: Qty,
    markets: Vec<InstrumentRef>,
    pair: Pair,
    best_gap_ppb: i64,
}

impl SpreadArb {
    /// A strategy that finds its instruments when it starts.
    #[must_use]
    pub fn new(options: SpreadArbOptions) -> Self {
        let SpreadArbOptions { names, spread_min, qty, cooldown_ns, book_age_max_ns, contract } =
            options;
        let pair = Pair::new(PairRules { cooldown_ns, book_age_max_ns, contract });
        let markets = Vec::with_capacity(names.len());
        Self { names, spread_min, qty, markets, pair, best_gap_ppb: i64::MIN }
    }

    /// Trades `buy` against `sell` if the gap is wide enough. Returns the gap, or nothing where one
    /// of the books may not be traded on.
    fn try_pair(
        &mut self,
        ctx: &mut Context,
        buy: &InstrumentRef,
        sell: &InstrumentRef,
    ) -> Option<i64> {
        let (cheap, rich) = (ctx.best(buy), ctx.best(sell));
        let now = ctx.now();
        if !(self.pair.is_fresh(&cheap, now) && self.pair.is_fresh(&rich, now)) {
            return None;
        }
        let gap = gap_ppb(cheap.ask, rich.bid);
        if gap >= self.spread_min.0 && self.pair.is_free(now) {
            let buy = Side { market: buy, level: cheap.ask };
            let sell = Side { market: sell, level: rich.bid };
            self.pair.send(ctx, buy, sell, self.qty);
        }
        Some(gap)
    }

    /// What cannot be held exactly was refused before it came here.
    fn take_params(&mut self, ctx: &Context) {
        let ppb = ctx.param_decimal("spread_min_bps").and_then(|bps| bps.checked_mul(PPB_OF_BPS));
        if let Some(ppb) = ppb.filter(Decimal::is_integer).and_then(|ppb| ppb.to_i64()) {
            self.spread_min = Ppb(ppb);
        }
        self.pair.take_params(ctx);
    }
}

/// Parts per billion in a basis point.
const PPB_OF_BPS: Decimal = Decimal::from_parts(100_000, 0, 0, false, 0);

impl Strategy for SpreadArb {
    fn params(&self) -> Vec<ParamSpec> {
        let spread = Decimal::new(self.spread_min.0, 5).normalize();
        vec![
            ParamSpec::decimal("spread_min_bps", spread, "smallest gap between bid and ask")
                .bounded(Decimal::new(1, 5), 10_000)
                .places(5),
            self.pair.cooldown_param(),
        ]
    }

    fn on_params(&mut self, ctx: &mut Context) {
        self.take_params(ctx);
    }

    fn on_start(&mut self, ctx: &mut Context) {
        self.take_params(ctx);
        for name in &self.names {
            if let Some(market) = ctx.instrument(name) {
                let _ = ctx.watch(&market);
                self.markets.push(market);
            }
        }
    }

    fn on_book(&mut self, ctx: &mut Context, changed: InstrumentId) {
        let here = self.markets.iter().position(|market| market.id == changed);
        let Some(here) = here.map(|at| self.markets[at]) else { return };
        let mut best = i64::MIN;
        for at in 0..self.markets.len() {
            let other = self.markets[at];
            if other.id != changed {
                let one = self.try_pair(ctx, &here, &other).unwrap_or(i64::MIN);
                best = best.max(one).max(self.try_pair(ctx, &other, &here).unwrap_or(i64::MIN));
            }
        }
        self.best_gap_ppb = best;
    }

    fn on_report(&mut self, ctx: &mut Context, report: &StrategyReport) {
        self.pair.on_report(report, ctx.now());
    }

    fn on_timer(&mut self, ctx: &mut Context) {
        self.pair.learn(ctx, &self.markets);
        self.pair.show(ctx, &self.markets);
        if self.best_gap_ppb > i64::MIN {
            let _ = ctx.status().bps("gap_bps", Ppb(self.best_gap_ppb));
        }
        ctx.publish_status();
    }
}

//! Buys when the relative strength index of the closes falls below one level and sells what it has
//! bought when it rises above another: an example of a strategy on klines.

use super::prelude::*;

/// Options of [`RsiStrategy`].
#[derive(Clone, Debug)]
pub struct RsiOptions {
    /// The instrument.
    pub name: String,
    /// Length of the klines.
    pub interval: Interval,
    /// The indicator.
    pub rsi: Rsi,
    /// Buys below this.
    pub buy_below: f64,
    /// Sells above this.
    pub sell_above: f64,
    /// How much it buys.
    pub qty: Qty,
}

/// See the module.
pub struct RsiStrategy {
    options: RsiOptions,
    market: Option<InstrumentRef>,
    /// Bought less sold, from fills.
    held: Qty,
}

impl RsiStrategy {
    /// A strategy that finds its instrument when it starts.
    #[must_use]
    pub fn new(options: RsiOptions) -> Self {
        Self { options, market: None, held: Qty::ZERO }
    }

    fn act(&mut self, ctx: &mut Context, market: &InstrumentRef, rsi: f64) {
        let best = ctx.best(market);
        if !best.is_live() {
            return;
        }
        let wanted = market.round_down(Qty(self.options.qty.0 - self.held.0));
        if rsi < self.options.buy_below && market.is_tradable(best.ask.price, wanted) {
            let _ = ctx.signal().buy(market, wanted).limit_at(best.ask.price).ioc().emit();
        }
        // What fees have taken of it is not there to be sold.
        let unit = market.scale.base_amount(Qty(1)).0;
        let there = i64::try_from(ctx.position(market).0 / unit).unwrap_or(0);
        let held = market.round_down(Qty(self.held.0.min(there)));
        if rsi > self.options.sell_above && market.is_tradable(best.bid.price, held) {
            let _ = ctx.signal().sell(market, held).limit_at(best.bid.price).ioc().emit();
        }
    }
}

impl Strategy for RsiStrategy {
    fn on_start(&mut self, ctx: &mut Context) {
        self.market = ctx.instrument(&self.options.name);
        if let Some(market) = self.market {
            let _ = ctx.want_klines(&market, self.options.interval);
        }
    }

    fn on_kline(&mut self, ctx: &mut Context, event: &KlineEvent) {
        let Some(market) = self.market else { return };
        let rsi = self.options.rsi.update(market.bar(&event.kline).close);
        if let Some(rsi) = rsi.filter(|_| !event.is_past) {
            self.act(ctx, &market, rsi);
        }
    }

    fn on_report(&mut self, _ctx: &mut Context, report: &StrategyReport) {
        if report.kind == ReportKind::Fill {
            self.held.0 += report.side.sign() * report.last_qty.0;
        }
    }

    fn on_timer(&mut self, ctx: &mut Context) {
        let held = self.held.0;
        let _ = ctx.status().int("held", held);
        if let Some(rsi) = self.options.rsi.value() {
            let _ = ctx.status().float("rsi", rsi);
        }
        ctx.publish_status();
    }
}

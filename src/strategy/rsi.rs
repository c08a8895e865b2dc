//! Buys when the relative strength index of the closes falls below one level and sells what is held
//! when it rises above another: an example of a strategy on klines.
//!
//! What is held is the engine's own position in the instrument, which a restart does not forget and in
//! which fees taken of it are counted. Two strategies that do so need two instruments.

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
    /// How much it holds at most.
    pub qty: Qty,
}

/// See the module.
pub struct RsiStrategy {
    options: RsiOptions,
    market: Option<InstrumentRef>,
}

impl RsiStrategy {
    /// A strategy that finds its instrument when it starts.
    #[must_use]
    pub fn new(options: RsiOptions) -> Self {
        Self { options, market: None }
    }

    fn act(&mut self, ctx: &mut Context, market: &InstrumentRef, rsi: f64) {
        let best = ctx.best(market);
        if !best.is_live() {
            return;
        }
        let held = market.whole_lots(ctx.position(market));
        let wanted = market.round_down(Qty(self.options.qty.0 - held.0));
        if rsi < self.options.buy_below && market.is_tradable(best.ask.price, wanted) {
            let _ = ctx.signal().buy(market, wanted).limit_at(best.ask.price).ioc().emit();
        }
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

    fn on_timer(&mut self, ctx: &mut Context) {
        let Some(market) = self.market else { return };
        let held = market.whole_lots(ctx.position(&market));
        let _ = ctx.status().qty("held", market.scale, held);
        if let Some(rsi) = self.options.rsi.value() {
            let _ = ctx.status().float("rsi", rsi);
        }
        ctx.publish_status();
    }
}

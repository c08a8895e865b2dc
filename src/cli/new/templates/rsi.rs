//! Buys when the relative strength index of one-minute closes falls below 30, and sells what is
//! held when it rises above 70.

use stoop::strategy::indicators::Rsi;
use stoop::strategy::prelude::*;

const MARKET: &str = "BTC/USDT@binance";
const INTERVAL: Interval = Interval::M1;
const PERIOD: usize = 14;
const BUY_BELOW: f64 = 30.0;
const SELL_ABOVE: f64 = 70.0;

/// See the file.
#[derive(Default)]
pub struct Strength {
    market: Option<InstrumentRef>,
    rsi: Option<Rsi>,
}

impl Strategy for Strength {
    fn instruments(&self) -> Vec<&str> {
        vec![MARKET]
    }

    fn on_start(&mut self, ctx: &mut Context) {
        self.rsi = Rsi::new(PERIOD).ok();
        self.market = ctx.instrument(MARKET);
        if let Some(market) = &self.market {
            // What was before the start is asked of the venue, and comes as klines that are past.
            let _ = ctx.want_klines(market, INTERVAL);
        }
    }

    fn on_kline(&mut self, ctx: &mut Context, event: &KlineEvent) {
        let Some((market, rsi)) = self.market.zip(self.rsi.as_mut()) else { return };
        let value = rsi.update(market.bar(&event.kline).close);
        let (Some(value), best) = (value, ctx.best(&market)) else { return };
        let Some(lot) = market.qty(Decimal::new(1, 2)) else { return };
        if event.is_past || !best.is_live() {
            return;
        }
        // The engine knows what is held: also what was bought before a restart, or in part, less fees.
        let held = market.whole_lots(ctx.position(&market));
        // What `status` and the screen show of this strategy.
        let _ = ctx.status().float("rsi", value);
        let _ = ctx.status().qty("held", market.scale, held);
        ctx.publish_status();
        let missing = market.round_down(Qty(lot.0 - held.0));
        if value < BUY_BELOW && market.is_tradable(best.ask.price, missing) {
            let _ = ctx.signal().buy(&market, missing).limit_at(best.ask.price).ioc().emit();
        }
        if value > SELL_ABOVE && market.is_tradable(best.bid.price, held) {
            let _ = ctx.signal().sell(&market, held).limit_at(best.bid.price).ioc().emit();
        }
    }
}

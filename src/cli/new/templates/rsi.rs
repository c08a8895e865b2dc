//! Buys when the relative strength index of one-minute closes falls below 30, and sells what it has
//! bought when it rises above 70.

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
    /// Bought less sold.
    held: Qty,
}

impl Strategy for Strength {
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
        if value < BUY_BELOW && self.held < lot {
            let _ = ctx.signal().buy(&market, lot).limit_at(best.ask.price).ioc().emit();
        }
        if value > SELL_ABOVE && self.held >= lot {
            // What fees have taken of it is not there to be sold.
            let qty = market.round_down(Qty(self.held.0 * 99 / 100));
            let _ = ctx.signal().sell(&market, qty).limit_at(best.bid.price).ioc().emit();
        }
    }

    fn on_report(&mut self, _ctx: &mut Context, report: &StrategyReport) {
        if report.kind == ReportKind::Fill {
            self.held.0 += report.side.sign() * report.last_qty.0;
        }
    }
}

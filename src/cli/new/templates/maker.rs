//! Quotes both sides of one book a little away from its best prices, and follows them.

use stoop::strategy::prelude::*;

const MARKET: &str = "BTC/USDT@binance";
/// How often the quotes are placed anew.
const EVERY_NS: u64 = 500_000_000;
/// Distance from the best price, in 1/100 of a percent.
const AWAY_BPS: i64 = 1;

/// See the file.
#[derive(Default)]
pub struct Maker {
    market: Option<InstrumentRef>,
}

impl Strategy for Maker {
    fn instruments(&self) -> Vec<&str> {
        vec![MARKET]
    }

    fn on_start(&mut self, ctx: &mut Context) {
        self.market = ctx.instrument(MARKET);
        if let Some(market) = &self.market {
            let _ = ctx.watch(market);
        }
        ctx.set_timer(EVERY_NS);
    }

    fn on_timer(&mut self, ctx: &mut Context) {
        let Some(market) = self.market else { return };
        let best = ctx.best(&market);
        let _ = ctx.cancel_all();
        let Some(qty) = market.qty(Decimal::new(1, 2)).filter(|_| best.is_live()) else { return };
        let away = best.bid.price.0 * AWAY_BPS / 10_000;
        let tick = market.tick_at(best.bid.price);
        let bid = Price(best.bid.price.0 - away).round_to(tick, Rounding::Down);
        let ask = Price(best.ask.price.0 + away).round_to(tick, Rounding::Up);
        // What is held leans the quotes: only the side that takes it back is quoted beyond five lots.
        let most = market.scale.base_amount(Qty(qty.0 * 5));
        let held = ctx.position(&market);
        if held < most {
            let _ = ctx.signal().buy(&market, qty).post_only_at(bid).emit();
        }
        if held > -most {
            let _ = ctx.signal().sell(&market, qty).post_only_at(ask).emit();
        }
    }
}

//! Cash and carry: buys spot and sells the perpetual while that is dearer, and leaves when it is not.

use stoop::strategy::prelude::*;

const SPOT: &str = "BTC/USDT@binance";
const PERPETUAL: &str = "BTC/USDT:USDT@okx";
/// The perpetual's bid above the ask of spot to enter at, its ask above the bid of spot to leave at,
/// in 1/100 of a percent.
const ENTRY_BPS: i64 = 8;
const EXIT_BPS: i64 = 1;
/// Pause after a signal: 1 s, longer than a leg may stand alone, so that what is held has settled.
const PAUSE_NS: u64 = 1_000_000_000;

/// See the file.
#[derive(Default)]
pub struct Carry {
    markets: Option<(InstrumentRef, InstrumentRef)>,
    paused_until: Nanos,
}

impl Strategy for Carry {
    fn instruments(&self) -> Vec<&str> {
        vec![SPOT, PERPETUAL]
    }

    fn on_start(&mut self, ctx: &mut Context) {
        self.markets = ctx.instrument(SPOT).zip(ctx.instrument(PERPETUAL));
        if let Some((spot, perpetual)) = self.markets {
            let _ = ctx.watch(&spot).and_then(|()| ctx.watch(&perpetual));
        }
    }

    fn on_book(&mut self, ctx: &mut Context, _changed: InstrumentId) {
        let Some((spot, perpetual)) = self.markets else { return };
        let (low, high) = (ctx.best(&spot), ctx.best(&perpetual));
        let live = low.is_live() && high.is_live();
        let Some(lot) = spot.qty(Decimal::new(1, 2)) else { return };
        if !live || ctx.now() < self.paused_until || !spot.is_tradable(low.bid.price, lot) {
            return;
        }
        // Of both, after what fees took of the spot.
        let hedged = ctx.position(&spot).0.min(-ctx.position(&perpetual).0);
        let held = perpetual.round_down(spot.whole_lots(Amount(hedged)));
        let is_held = spot.is_tradable(low.bid.price, held);
        let entry = (high.bid.price.0 - low.ask.price.0) * 10_000 > low.ask.price.0 * ENTRY_BPS;
        let exit = (high.ask.price.0 - low.bid.price.0) * 10_000 < low.bid.price.0 * EXIT_BPS;
        let signal = if !is_held && entry {
            let signal = ctx.signal().buy(&spot, lot).limit_at(low.ask.price).ioc();
            signal.sell(&perpetual, lot).limit_at(high.bid.price).ioc()
        } else if is_held && exit {
            let signal = ctx.signal().sell(&spot, held).limit_at(low.bid.price).ioc();
            signal.buy(&perpetual, held).limit_at(high.ask.price).ioc()
        } else {
            return;
        };
        if signal.parallel().naked_for_ms(500).unwind().emit().is_ok() {
            self.paused_until = ctx.now().plus(PAUSE_NS);
        }
    }
}

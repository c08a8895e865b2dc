//! Buys where an ask is below another venue's bid, and sells there at the same moment.

use stoop::strategy::prelude::*;

const MARKETS: [&str; 2] = ["BTC/USDT@binance", "BTC/USDT@bybit"];
/// Smallest gap between bid and ask, in 1/100 of a percent of the price, unless a person sets another.
const GAP_MIN_BPS: i64 = 5;
/// Pause after a signal: 20 ms.
const PAUSE_NS: u64 = 20_000_000;

/// See the file.
#[derive(Default)]
pub struct Spread {
    markets: Vec<InstrumentRef>,
    gap_min_bps: i64,
    paused_until: Nanos,
}

impl Strategy for Spread {
    fn params(&self) -> Vec<ParamSpec> {
        let help = "smallest gap between bid and ask";
        vec![ParamSpec::int("gap_min_bps", GAP_MIN_BPS, help).bounded(0, 1_000)]
    }

    fn instruments(&self) -> Vec<&str> {
        MARKETS.to_vec()
    }

    fn on_params(&mut self, ctx: &mut Context) {
        self.gap_min_bps = ctx.param_int("gap_min_bps").unwrap_or(GAP_MIN_BPS);
    }

    fn on_start(&mut self, ctx: &mut Context) {
        self.on_params(ctx);
        self.markets = MARKETS.iter().filter_map(|name| ctx.instrument(name)).collect();
        for market in &self.markets {
            let _ = ctx.watch(market);
        }
    }

    fn on_book(&mut self, ctx: &mut Context, _changed: InstrumentId) {
        let [first, second] = self.markets[..] else { return };
        for (cheap, dear) in [(first, second), (second, first)] {
            let (offered, wanted) = (ctx.best(&cheap), ctx.best(&dear));
            // A book may be stale or not there yet: its prices are then not to be used.
            if !offered.is_live() || !wanted.is_live() || ctx.now() < self.paused_until {
                continue;
            }
            // Prices of one underlying compare as plain integers at all venues.
            let (ask, bid) = (offered.ask, wanted.bid);
            if (bid.price.0 - ask.price.0) * 10_000 < ask.price.0 * self.gap_min_bps {
                continue;
            }
            let Some(most) = cheap.qty(Decimal::new(1, 2)) else { continue };
            let qty = dear.round_down(cheap.round_down(most.min(ask.qty).min(bid.qty)));
            if !cheap.is_tradable(ask.price, qty) || !dear.is_tradable(bid.price, qty) {
                continue;
            }
            let signal = ctx.signal().buy(&cheap, qty).limit_at(ask.price).ioc();
            let signal = signal.sell(&dear, qty).limit_at(bid.price).ioc();
            // One leg alone for longer than that is traded back.
            if signal.parallel().naked_for_ms(500).unwind().emit().is_ok() {
                self.paused_until = ctx.now().plus(PAUSE_NS);
            }
        }
    }
}

//! Buys where the ask is below the other venue's bid and sells there, both at once.
//!
//! Both legs are IOC limits at the prices seen, so nothing rests. When one leg fills and the other
//! does not, what is left over is taken back by sizing the next signal's legs differently, or by the
//! order manager as the contract of the options says: the strategy never holds more than about one
//! clip on purpose.

use super::{Context, InstrumentRef, Strategy};
use crate::shm::Best;
use crate::types::{Contract, InstrumentId, Nanos, Ppb, Qty, ReportKind, SignalId, StrategyReport};

/// Options of [`SpreadArb`].
#[derive(Clone, Debug)]
pub struct SpreadArbOptions {
    /// The two instruments, of the same underlying.
    pub names: [String; 2],
    /// Smallest gap between one's ask and the other's bid, relative to the ask.
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
    options: SpreadArbOptions,
    markets: Option<[InstrumentRef; 2]>,
    quiet_until: Nanos,
    /// Bought less sold over both venues, base units, from fills.
    inventory: i64,
    /// The last signal, and its legs whose outcome is still open, one bit each.
    last_signal: SignalId,
    open_legs: u8,
    /// When the last report came.
    reported_ns: Nanos,
    signals: i64,
    refused: i64,
    best_gap_ppb: i64,
}

/// How long after the last report the position in the region is sure to count it.
const SETTLED_NS: u64 = 150_000_000;
/// How long open legs hold the next signal back before the strategy goes on without their news.
const OPEN_LEGS_PATIENCE_NS: u64 = 1_000_000_000;

impl SpreadArb {
    /// A strategy that finds its instruments when it starts.
    #[must_use]
    pub fn new(options: SpreadArbOptions) -> Self {
        Self {
            options,
            markets: None,
            quiet_until: Nanos(0),
            inventory: 0,
            last_signal: SignalId(0),
            open_legs: 0,
            reported_ns: Nanos(0),
            signals: 0,
            refused: 0,
            best_gap_ppb: i64::MIN,
        }
    }

    /// Trades `buy` against `sell` if the gap is wide enough. Returns the gap.
    fn try_pair(
        &mut self,
        ctx: &mut Context,
        buy: &InstrumentRef,
        sell: &InstrumentRef,
    ) -> Option<i64> {
        let (cheap, rich) = (ctx.best(buy), ctx.best(sell));
        let now = ctx.now();
        let fresh = |best: &Best| best.is_live() && best.age(now) <= self.options.book_age_max_ns;
        if !(fresh(&cheap) && fresh(&rich)) {
            return None;
        }
        let (ask, bid) = (cheap.ask, rich.bid);
        if ask.qty <= Qty::ZERO || bid.qty <= Qty::ZERO {
            return None;
        }
        let gap = i128::from(bid.price.0 - ask.price.0) * 1_000_000_000;
        let gap_ppb = (gap / i128::from(ask.price.0.max(1))) as i64;
        if gap_ppb < self.options.spread_min.0 {
            return Some(gap_ppb);
        }
        let waiting = self.open_legs != 0 && now < self.quiet_until.plus(OPEN_LEGS_PATIENCE_NS);
        if now < self.quiet_until || waiting {
            return Some(gap_ppb);
        }
        let clip = self.options.qty.0.min(ask.qty.0).min(bid.qty.0);
        let (buy_qty, sell_qty) = split_clip(clip, self.inventory);
        let buy_qty = buy.round_down(sell.round_down(Qty(buy_qty)));
        let sell_qty = sell.round_down(buy.round_down(Qty(sell_qty)));
        let trade_buy = buy.is_tradable(ask.price, buy_qty);
        let trade_sell = sell.is_tradable(bid.price, sell_qty);
        // One leg alone only where it works the inventory off.
        let naked = (trade_buy && !trade_sell && self.inventory >= 0)
            || (trade_sell && !trade_buy && self.inventory <= 0);
        if naked {
            return Some(gap_ppb);
        }
        let mut signal = ctx.signal();
        if trade_buy {
            signal = signal.buy(buy, buy_qty).limit_at(ask.price);
        }
        if trade_sell {
            signal = signal.sell(sell, sell_qty).limit_at(bid.price);
        }
        if let Ok(id) = signal.ioc().contract(self.options.contract).emit() {
            self.signals += 1;
            self.last_signal = id;
            self.open_legs = if trade_buy && trade_sell { 0b11 } else { 0b01 };
            self.quiet_until = now.plus(self.options.cooldown_ns);
        }
        Some(gap_ppb)
    }
}

impl SpreadArb {
    /// Fills do not say what fees took in base, so once all is quiet the engine's own position,
    /// which knows, replaces what was counted.
    fn learn_position(&mut self, ctx: &Context) {
        let Some(markets) = self.markets else { return };
        if self.open_legs != 0 || ctx.now().since(self.reported_ns) < SETTLED_NS {
            return;
        }
        let total: i128 = markets.iter().map(|market| ctx.position(market).0).sum();
        let unit = markets[0].scale.base_amount(Qty(1)).0;
        self.inventory = i64::try_from(total / unit).unwrap_or(self.inventory);
    }
}

/// What to buy and what to sell of a clip so that the inventory is worked off: the side that adds
/// to it is made smaller, never below nothing.
fn split_clip(clip: i64, inventory: i64) -> (i64, i64) {
    let buy = (clip - inventory.max(0)).max(0);
    let sell = (clip + inventory.min(0)).max(0);
    (buy, sell)
}

impl Strategy for SpreadArb {
    fn on_start(&mut self, ctx: &mut Context) {
        let [a, b] = &self.options.names;
        if let (Some(a), Some(b)) = (ctx.instrument(a), ctx.instrument(b)) {
            let _ = ctx.watch(&a);
            let _ = ctx.watch(&b);
            self.markets = Some([a, b]);
        }
    }

    fn on_book(&mut self, ctx: &mut Context, _changed: InstrumentId) {
        let Some([a, b]) = self.markets else { return };
        let one = self.try_pair(ctx, &a, &b).unwrap_or(i64::MIN);
        let other = self.try_pair(ctx, &b, &a).unwrap_or(i64::MIN);
        self.best_gap_ppb = one.max(other);
    }

    fn on_report(&mut self, ctx: &mut Context, report: &StrategyReport) {
        self.reported_ns = ctx.now();
        if report.kind == ReportKind::Fill {
            self.inventory += report.side.sign() * report.last_qty.0;
        }
        if report.signal == self.last_signal && report.state.is_terminal() {
            self.open_legs &= !(1 << report.leg.min(7));
        }
        if report.risk != 0 || report.kind == ReportKind::Rejected {
            self.refused += 1;
        }
    }

    fn on_timer(&mut self, ctx: &mut Context) {
        self.learn_position(ctx);
        let gap = self.best_gap_ppb;
        let status = ctx.status();
        let _ = status.int("signals", self.signals);
        let _ = status.int("refused", self.refused);
        let _ = status.int("inventory", self.inventory);
        if gap > i64::MIN {
            let _ = status.float("gap_bps", gap as f64 / 100_000.0);
        }
        ctx.publish_status();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clip_works_the_inventory_off() {
        assert_eq!(split_clip(10, 0), (10, 10));
        assert_eq!(split_clip(10, 4), (6, 10));
        assert_eq!(split_clip(10, -4), (10, 6));
        assert_eq!(split_clip(10, 25), (0, 10));
    }
}

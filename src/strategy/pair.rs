//! One buy and one sell of the same underlying, sent together and awaited together: what the
//! built-in strategies with two legs share.
//!
//! Both legs are IOC limits at the prices seen, so nothing rests. When one leg fills and the other
//! does not, what is left over is taken back by sizing the next signal's legs differently, or by the
//! order manager as the contract says: never more than about one clip is held on purpose.

use super::{Context, InstrumentRef};
use crate::shm::Best;
use crate::types::{Contract, Level, Nanos, ParamSpec, Qty, ReportKind, SignalId, StrategyReport};

/// How long after the last report the position in the region is sure to count it.
const SETTLED_NS: u64 = 150_000_000;
/// How long open legs hold the next signal back before the strategy goes on without their news.
const OPEN_LEGS_PATIENCE_NS: u64 = 1_000_000_000;

/// Whether and when to send.
#[derive(Clone, Debug)]
pub(super) struct PairRules {
    /// Pause after a signal.
    pub cooldown_ns: u64,
    /// An older book is no reason to trade.
    pub book_age_max_ns: u64,
    /// What holds between the legs.
    pub contract: Contract,
}

/// One side of a pair: what is traded and the level that it meets.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub market: &'a InstrumentRef,
    pub level: Level,
}

/// The signals of a strategy and what is known of them.
#[derive(Debug)]
pub(super) struct Pair {
    rules: PairRules,
    /// When the last signal was sent.
    sent_ns: Nanos,
    /// Bought less sold over all instruments, base units, from fills.
    pub imbalance: i64,
    /// The last signal, and its legs whose outcome is still open, one bit each.
    last_signal: SignalId,
    open_legs: u8,
    /// When the last report came.
    reported_ns: Nanos,
    signals: i64,
    refused: i64,
}

impl Pair {
    /// The parameter that all of these have: the pause after a signal.
    pub fn cooldown_param(&self) -> ParamSpec {
        let cooldown_ms = (self.rules.cooldown_ns / 1_000_000) as i64;
        ParamSpec::int("cooldown_ms", cooldown_ms, "pause after a signal").bounded(0, 3_600_000)
    }

    /// Takes it: from now on the last signal is that long ago, or not.
    pub fn take_params(&mut self, ctx: &Context) {
        let cooldown_ms = ctx.param_int("cooldown_ms").and_then(|ms| u64::try_from(ms).ok());
        if let Some(cooldown_ms) = cooldown_ms {
            self.rules.cooldown_ns = cooldown_ms.saturating_mul(1_000_000);
        }
    }

    pub fn new(rules: PairRules) -> Self {
        Self {
            rules,
            sent_ns: Nanos(0),
            imbalance: 0,
            last_signal: SignalId(0),
            open_legs: 0,
            reported_ns: Nanos(0),
            signals: 0,
            refused: 0,
        }
    }

    /// Whether a book may be traded on.
    pub fn is_fresh(&self, best: &Best, now: Nanos) -> bool {
        let whole = best.bid.qty > Qty::ZERO && best.ask.qty > Qty::ZERO;
        whole && best.is_live() && best.age(now) <= self.rules.book_age_max_ns
    }

    /// Whether the next signal may go now.
    pub fn is_free(&self, now: Nanos) -> bool {
        // The pause may have been changed since.
        let quiet_until = self.sent_ns.plus(self.rules.cooldown_ns);
        let waiting = self.open_legs != 0 && now < quiet_until.plus(OPEN_LEGS_PATIENCE_NS);
        now >= quiet_until && !waiting
    }

    /// Buys and sells at most `clip`, less what is at hand; sized so that the imbalance is worked
    /// off. Whether anything was sent.
    pub fn send(&mut self, ctx: &mut Context, buy: Side<'_>, sell: Side<'_>, clip: Qty) -> bool {
        let clip = clip.0.min(buy.level.qty.0).min(sell.level.qty.0);
        let (buy_qty, sell_qty) = split_clip(clip, self.imbalance);
        let whole = |qty| buy.market.round_down(sell.market.round_down(Qty(qty)));
        let (buy_qty, sell_qty) = (whole(buy_qty), whole(sell_qty));
        let trade_buy = buy.market.is_tradable(buy.level.price, buy_qty);
        let trade_sell = sell.market.is_tradable(sell.level.price, sell_qty);
        // One leg alone only where it works the imbalance off.
        let naked = (trade_buy && !trade_sell && self.imbalance >= 0)
            || (trade_sell && !trade_buy && self.imbalance <= 0);
        if naked {
            return false;
        }
        let mut signal = ctx.signal();
        if trade_buy {
            signal = signal.buy(buy.market, buy_qty).limit_at(buy.level.price);
        }
        if trade_sell {
            signal = signal.sell(sell.market, sell_qty).limit_at(sell.level.price);
        }
        let Ok(id) = signal.ioc().contract(self.rules.contract).emit() else { return false };
        self.signals += 1;
        self.last_signal = id;
        self.open_legs = if trade_buy && trade_sell { 0b11 } else { 0b01 };
        self.sent_ns = ctx.now();
        true
    }

    pub fn on_report(&mut self, report: &StrategyReport, now: Nanos) {
        self.reported_ns = now;
        if report.kind == ReportKind::Fill {
            self.imbalance += report.side.sign() * report.last_qty.0;
        }
        if report.signal == self.last_signal && report.state.is_terminal() {
            self.open_legs &= !(1 << report.leg.min(7));
        }
        if report.risk != 0 || report.kind == ReportKind::Rejected {
            self.refused += 1;
        }
    }

    /// Whether all is quiet, so that the engine's own positions count everything.
    pub fn is_settled(&self, now: Nanos) -> bool {
        self.open_legs == 0 && now.since(self.reported_ns) >= SETTLED_NS
    }

    /// Fills do not say what fees took in base, so once all is quiet the engine's own positions,
    /// which know, replace what was counted.
    pub fn learn(&mut self, ctx: &Context, markets: &[InstrumentRef]) {
        let Some(first) = markets.first().filter(|_| self.is_settled(ctx.now())) else { return };
        let total: i128 = markets.iter().map(|market| ctx.position(market).0).sum();
        let unit = first.scale.base_amount(Qty(1)).0;
        self.imbalance = i64::try_from(total / unit).unwrap_or(self.imbalance);
    }

    /// Counters for the strategy's status, and what is left over of these markets' underlying.
    pub fn show(&self, ctx: &mut Context, markets: &[InstrumentRef]) {
        let status = ctx.status();
        let _ = status.int("signals", self.signals);
        let _ = status.int("refused", self.refused);
        if let Some(first) = markets.first() {
            let _ = status.qty("inventory", first.scale, Qty(self.imbalance));
        }
    }
}

/// Gap between what a sale brings and what a purchase costs, in parts per billion of the cost.
pub(super) fn gap_ppb(buy: Level, sell: Level) -> i64 {
    let gap = i128::from(sell.price.0 - buy.price.0) * 1_000_000_000;
    let gap = gap / i128::from(buy.price.0.max(1));
    gap.clamp(i128::from(i64::MIN + 1), i128::from(i64::MAX)) as i64
}

/// What to buy and what to sell of a clip so that the imbalance is worked off: the side that adds
/// to it is made smaller, never below nothing.
fn split_clip(clip: i64, imbalance: i64) -> (i64, i64) {
    let buy = (clip - imbalance.max(0)).max(0);
    let sell = (clip + imbalance.min(0)).max(0);
    (buy, sell)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Price;

    #[test]
    fn the_clip_works_the_imbalance_off() {
        assert_eq!(split_clip(10, 0), (10, 10));
        assert_eq!(split_clip(10, 4), (6, 10));
        assert_eq!(split_clip(10, -4), (10, 6));
        assert_eq!(split_clip(10, 25), (0, 10));
    }

    #[test]
    fn the_gap_is_relative_to_what_is_paid() {
        let at = |price| Level { price: Price(price), qty: Qty(1) };
        assert_eq!(gap_ppb(at(1_000_000), at(1_000_500)), 500_000);
        assert_eq!(gap_ppb(at(1_000_000), at(999_000)), -1_000_000);
        assert_eq!(gap_ppb(at(0), at(i64::MAX)), i64::MAX);
    }
}

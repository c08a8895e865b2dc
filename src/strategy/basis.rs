//! Cash and carry: buys spot and sells the perpetual while that is dear enough above it, takes both
//! back once it no longer is.
//!
//! What is earned by holding is counted in: a short perpetual receives its funding rate for every
//! interval that is expected to be held. The rate is that of the running interval as the venue states
//! it; one that is missing or old counts as a reason not to enter, never as zero. It is not held
//! against an exit: what is to be taken back is.
//!
//! Only this direction: the other one would sell spot that is not there.

use super::pair::{Pair, PairRules, Side, gap_ppb};
use super::{Context, InstrumentRef, Strategy};
use crate::types::{
    Amount, Contract, InstrumentId, Nanos, ParamSpec, Perpetual, Ppb, Qty, StrategyReport,
};

/// Options of [`Basis`].
#[derive(Clone, Debug)]
pub struct BasisOptions {
    /// What is bought.
    pub spot: String,
    /// What is sold, of the same underlying.
    pub perpetual: String,
    /// Smallest edge to enter with: the perpetual's bid above the ask of spot, relative to it, and
    /// the funding that is expected.
    pub entry: Ppb,
    /// Largest edge to leave with: the perpetual's ask above the bid of spot, and the funding.
    pub exit: Ppb,
    /// How long a position is expected to be held: that much funding counts; 0: none.
    pub funding_horizon_ns: u64,
    /// Quantity of each leg of one signal.
    pub qty: Qty,
    /// Largest position.
    pub qty_max: Qty,
    /// Pause after a signal.
    pub cooldown_ns: u64,
    /// An older book is no reason to trade.
    pub book_age_max_ns: u64,
    /// An older funding rate is no reason to enter.
    pub funding_age_max_ns: u64,
    /// What holds between the legs.
    pub contract: Contract,
}

/// See the module.
pub struct Basis {
    options: BasisOptions,
    markets: Option<[InstrumentRef; 2]>,
    pair: Pair,
    /// Spot that is hedged, base units, from fills.
    held: i64,
    entry_ppb: i64,
    exit_ppb: i64,
    funding_ppb: Option<i64>,
}

impl Basis {
    /// A strategy that finds its instruments when it starts.
    #[must_use]
    pub fn new(options: BasisOptions) -> Self {
        let pair = Pair::new(PairRules {
            cooldown_ns: options.cooldown_ns,
            book_age_max_ns: options.book_age_max_ns,
            contract: options.contract,
        });
        Self {
            options,
            markets: None,
            pair,
            held: 0,
            entry_ppb: i64::MIN,
            exit_ppb: i64::MAX,
            funding_ppb: None,
        }
    }

    fn act(&mut self, ctx: &mut Context, [spot, perpetual]: [InstrumentRef; 2]) {
        let (cash, carry) = (ctx.best(&spot), ctx.best(&perpetual));
        let now = ctx.now();
        if !(self.pair.is_fresh(&cash, now) && self.pair.is_fresh(&carry, now)) {
            return;
        }
        let funding = expected(&ctx.perpetual(&perpetual), &self.options, now);
        self.funding_ppb = funding;
        let with_funding = |gap: i64| gap.saturating_add(funding.unwrap_or(0));
        self.entry_ppb = with_funding(gap_ppb(cash.ask, carry.bid));
        self.exit_ppb = with_funding(gap_ppb(cash.bid, carry.ask));
        if !self.pair.is_free(now) {
            return;
        }
        let (buy, sell) = (self.options.qty.0, self.options.qty_max.0.saturating_sub(self.held));
        if self.entry_ppb >= self.options.entry.0 && funding.is_some() && sell > 0 {
            let buy_spot = Side { market: &spot, level: cash.ask };
            let sell_perpetual = Side { market: &perpetual, level: carry.bid };
            self.pair.send(ctx, buy_spot, sell_perpetual, Qty(buy.min(sell)));
        } else if self.exit_ppb <= self.options.exit.0 && self.held > 0 {
            let buy_perpetual = Side { market: &perpetual, level: carry.ask };
            let sell_spot = Side { market: &spot, level: cash.bid };
            self.pair.send(ctx, buy_perpetual, sell_spot, Qty(buy.min(self.held)));
        }
    }

    /// What is held of both, and so hedged.
    fn learn_held(&mut self, ctx: &Context, [spot, perpetual]: &[InstrumentRef; 2]) {
        if self.pair.is_settled(ctx.now()) {
            let hedged = ctx.position(spot).0.min(-ctx.position(perpetual).0);
            self.held = spot.whole_lots(Amount(hedged)).0;
        }
    }
}

/// Funding that a short position of the horizon's length receives, in parts per billion of its value;
/// `None` where it counts and is not known.
fn expected(perpetual: &Perpetual, options: &BasisOptions, now: Nanos) -> Option<i64> {
    if options.funding_horizon_ns == 0 {
        return Some(0);
    }
    let interval_ns = u64::from(perpetual.funding_interval_s) * 1_000_000_000;
    if interval_ns == 0 || perpetual.funding_age(now) > options.funding_age_max_ns {
        return None;
    }
    // 1e-18 to 1e-9, for so many intervals.
    let rate = i128::from(perpetual.funding_rate?.0);
    let sum = rate * i128::from(options.funding_horizon_ns) / i128::from(interval_ns);
    i64::try_from(sum / 1_000_000_000).ok()
}

impl Strategy for Basis {
    fn params(&self) -> Vec<ParamSpec> {
        vec![self.pair.cooldown_param()]
    }

    fn on_params(&mut self, ctx: &mut Context) {
        self.pair.take_params(ctx);
    }

    fn on_start(&mut self, ctx: &mut Context) {
        self.pair.take_params(ctx);
        let (spot, perpetual) = (&self.options.spot, &self.options.perpetual);
        if let (Some(spot), Some(perpetual)) = (ctx.instrument(spot), ctx.instrument(perpetual)) {
            let _ = ctx.watch(&spot);
            let _ = ctx.watch(&perpetual);
            self.markets = Some([spot, perpetual]);
        }
    }

    fn on_book(&mut self, ctx: &mut Context, _changed: InstrumentId) {
        if let Some(markets) = self.markets {
            self.act(ctx, markets);
        }
    }

    fn on_report(&mut self, ctx: &mut Context, report: &StrategyReport) {
        self.pair.on_report(report, ctx.now());
        let spot = self.markets.is_some_and(|[spot, _]| spot.id == report.instrument);
        if spot && report.kind == crate::types::ReportKind::Fill {
            self.held = (self.held + report.side.sign() * report.last_qty.0).max(0);
        }
    }

    fn on_timer(&mut self, ctx: &mut Context) {
        let Some(markets) = self.markets else { return };
        self.pair.learn(ctx, &markets);
        self.learn_held(ctx, &markets);
        self.pair.show(ctx, &markets);
        let status = ctx.status();
        let _ = status.qty("held", markets[0].scale, Qty(self.held));
        for (name, ppb) in [("entry_bps", self.entry_ppb), ("exit_bps", self.exit_ppb)] {
            if ppb > i64::MIN && ppb < i64::MAX {
                let _ = status.bps(name, Ppb(ppb));
            }
        }
        if let Some(funding) = self.funding_ppb {
            let _ = status.bps("funding_bps", Ppb(funding));
        }
        ctx.publish_status();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Rate;

    const HOUR_NS: u64 = 3_600_000_000_000;

    fn options(horizon_ns: u64) -> BasisOptions {
        BasisOptions {
            spot: String::new(),
            perpetual: String::new(),
            entry: Ppb(0),
            exit: Ppb(0),
            funding_horizon_ns: horizon_ns,
            qty: Qty(1),
            qty_max: Qty(1),
            cooldown_ns: 0,
            book_age_max_ns: 0,
            funding_age_max_ns: 1_000,
            contract: Contract::default(),
        }
    }

    #[test]
    fn funding_counts_for_as_long_as_the_position_is_expected_to_be_held() {
        let perpetual = Perpetual {
            funding_rate: Some(Rate(100_000_000_000_000)), // 0.01 % every 8 hours
            funding_interval_s: 8 * 3_600,
            funding_recv_ns: Nanos(500),
            // Marks go on, and make funding no younger.
            recv_ns: Nanos(4_999),
            ..Perpetual::default()
        };
        let now = Nanos(1_000);
        assert_eq!(expected(&perpetual, &options(24 * HOUR_NS), now), Some(300_000));
        assert_eq!(expected(&perpetual, &options(4 * HOUR_NS), now), Some(50_000));
        let paid = Perpetual { funding_rate: Some(Rate(-100_000_000_000_000)), ..perpetual };
        assert_eq!(expected(&paid, &options(24 * HOUR_NS), now), Some(-300_000));
        assert_eq!(expected(&perpetual, &options(0), Nanos(u64::MAX)), Some(0), "does not count");
        assert_eq!(expected(&perpetual, &options(HOUR_NS), Nanos(5_000)), None, "too old");
        assert_eq!(expected(&Perpetual::default(), &options(HOUR_NS), now), None, "never heard");
        let unknown = Perpetual { funding_rate: None, ..perpetual };
        assert_eq!(expected(&unknown, &options(HOUR_NS), now), None, "no rate is not one of zero");
    }
}

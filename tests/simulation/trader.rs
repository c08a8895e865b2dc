//! A strategy that does anything a strategy may do, and much that it should not: it trades on old
//! books, beyond its limits and against itself. Only its seed decides.

use crate::chance::Chance;
use crate::pairs::NAKED_MS_MAX;
use crate::plan::MS;
use std::collections::BTreeMap;
use stoop::strategy::prelude::*;
use stoop::types::{BreachAction, ClientOrderId, Contract, LegMode, Ppb, ReportKind};

pub struct Trader {
    chance: Chance,
    every_ns: u64,
    names: Vec<String>,
    markets: Vec<InstrumentRef>,
    /// Last price seen of each market, whatever the book's state was.
    prices: Vec<[Price; 2]>,
    /// Orders that are not known to have ended, with their market's index and side.
    open: BTreeMap<u64, (ClientOrderId, usize, Side)>,
}

impl Trader {
    pub fn new(chance: Chance, every_ns: u64, names: Vec<String>) -> Self {
        let (markets, prices) = (Vec::new(), Vec::new());
        Self { chance, every_ns, names, markets, prices, open: BTreeMap::new() }
    }

    /// Base and quote.
    fn pair(&self, at: usize) -> [&str; 2] {
        let mut parts = self.names[at].split(['/', ':', '@']);
        std::array::from_fn(|_| parts.next().unwrap_or_default())
    }

    /// A price some ticks from the best one; positive is worse for us. Now and then not on a tick, where
    /// the venue's steps depend on the price.
    fn price(&mut self, at: usize, side: Side, worse: i64) -> Price {
        let [bid, ask] = self.prices[at];
        let tick = match self.chance.percent(2) {
            true => self.markets[at].tick_size.0,
            false => self.markets[at].tick_at(bid).0,
        };
        match side {
            Side::Buy => Price(ask.0 + worse * tick),
            Side::Sell => Price(bid.0 - worse * tick),
        }
    }

    /// Some lots worth up to about 6 000, now and then far too much.
    fn qty(&mut self, at: usize) -> Qty {
        let market = self.markets[at];
        let price = self.prices[at][0];
        let wanted = match self.chance.below(20) {
            0 => 60_000,
            1 => 1,
            _ => self.chance.between(20, 6_000),
        };
        let one = Qty(10i64.pow(u32::from(market.scale.qty_decimals)));
        let unit = market.scale.price_decimal(price).max(Decimal::ONE);
        let qty = Decimal::from(wanted) / unit * Decimal::from(one.0);
        let qty = i64::try_from(qty.trunc().mantissa()).unwrap_or(1);
        let rounded = market.round_down(Qty(qty));
        if self.chance.percent(98) { rounded.max(market.lot_size) } else { Qty(qty.max(1)) }
    }

    fn act(&mut self, ctx: &mut Context) {
        for at in 0..self.markets.len() {
            let best = ctx.best(&self.markets[at]);
            if best.bid.price > Price(0) && best.ask.price > Price(0) {
                self.prices[at] = [best.bid.price, best.ask.price];
            }
            // Mostly it behaves; else the order manager has to.
            if !best.is_live() && self.chance.percent(60) {
                return;
            }
        }
        if self.prices.iter().any(|[bid, _]| *bid == Price(0)) {
            return;
        }
        match self.chance.below(100) {
            0..30 => self.take(ctx),
            30..45 => self.take_both(ctx),
            45..70 => self.rest(ctx),
            70..80 => self.post(ctx),
            80..85 => self.market(ctx),
            85..92 => self.cancel_one(ctx),
            92..97 => self.replace_one(ctx),
            97 => drop(ctx.cancel_all()),
            _ => {}
        }
    }

    fn draw(&mut self) -> (usize, Side) {
        let at = self.chance.below(self.markets.len() as u64) as usize;
        (at, if self.chance.percent(50) { Side::Buy } else { Side::Sell })
    }

    fn take(&mut self, ctx: &mut Context) {
        let (at, side) = self.draw();
        let worse = self.chance.between(0, 40) as i64 - 10;
        let (price, qty) = (self.price(at, side, worse), self.qty(at));
        let market = self.markets[at];
        let signal = leg(ctx.signal(), &market, side, qty).limit_at(price);
        let _ = signal.ioc().emit();
    }

    fn take_both(&mut self, ctx: &mut Context) {
        let (at, side) = self.draw();
        let others = self.markets.len() as u64 - 1;
        let other = (at + self.chance.between(1, others.max(1)) as usize) % self.markets.len();
        let (one, two) = (self.markets[at], self.markets[other]);
        let qty = self.qty(at);
        let (price, price_other) =
            (self.price(at, side, 10), self.price(other, side.opposite(), 10));
        // What legs cost is added up.
        let ([base, quote], [base_other, quote_other]) = (self.pair(at), self.pair(other));
        let alike = base == base_other && (quote == quote_other || self.chance.percent(5));
        let contract = alike.then(|| self.contract(qty));
        let signal = leg(ctx.signal(), &one, side, qty).limit_at(price);
        let signal = leg(signal, &two, side.opposite(), qty).limit_at(price_other).ioc();
        let _ = match contract.flatten() {
            Some(contract) => signal.contract(contract).emit(),
            None => signal.emit(),
        };
    }

    /// Mostly there is a contract between the legs.
    fn contract(&mut self, qty: Qty) -> Option<Contract> {
        let modes = [LegMode::Parallel, LegMode::Sequential];
        let actions = [BreachAction::Unwind, BreachAction::Complete, BreachAction::Hold];
        let contract = Contract {
            mode: *self.chance.pick(&modes),
            naked_time_max_ns: self.chance.between(20, NAKED_MS_MAX) * MS,
            naked_qty_max: if self.chance.percent(30) { Qty(qty.0 / 3) } else { Qty(0) },
            on_breach: *self.chance.pick(&actions),
            slippage_max: Ppb(5_000_000),
        };
        self.chance.percent(75).then_some(contract)
    }

    fn rest(&mut self, ctx: &mut Context) {
        let (at, side) = self.draw();
        let away = self.chance.between(1, 300) as i64;
        let (price, qty) = (self.price(at, side, -away), self.qty(at));
        let market = self.markets[at];
        let _ = leg(ctx.signal(), &market, side, qty).limit_at(price).emit();
    }

    fn post(&mut self, ctx: &mut Context) {
        let (at, side) = self.draw();
        let away = self.chance.between(0, 20) as i64;
        let (price, qty) = (self.price(at, side, -away), self.qty(at));
        let market = self.markets[at];
        let _ = leg(ctx.signal(), &market, side, qty).post_only_at(price).emit();
    }

    fn market(&mut self, ctx: &mut Context) {
        let (at, side) = self.draw();
        let qty = self.qty(at);
        let market = self.markets[at];
        let _ = leg(ctx.signal(), &market, side, qty).market().emit();
    }

    fn cancel_one(&mut self, ctx: &mut Context) {
        if let Some((id, ..)) = self.draw_open() {
            let _ = ctx.cancel(id);
        }
    }

    fn draw_open(&mut self) -> Option<(ClientOrderId, usize, Side)> {
        let open: Vec<_> = self.open.values().copied().collect();
        (!open.is_empty()).then(|| *self.chance.pick(&open))
    }

    /// Another price, another quantity, or both; larger ones too, which not every venue allows.
    fn replace_one(&mut self, ctx: &mut Context) {
        let Some((id, at, side)) = self.draw_open() else { return };
        let away = self.chance.between(0, 300) as i64 - 20;
        let (price, qty) = (self.price(at, side, -away), self.qty(at));
        let _ = ctx.replace(id, price, qty);
    }
}

fn leg<'c>(
    signal: SignalBuilder<'c>,
    market: &InstrumentRef,
    side: Side,
    qty: Qty,
) -> SignalBuilder<'c> {
    match side {
        Side::Buy => signal.buy(market, qty),
        Side::Sell => signal.sell(market, qty),
    }
}

impl Strategy for Trader {
    fn on_start(&mut self, ctx: &mut Context) {
        ctx.set_timer(self.every_ns);
        self.markets = self.names.iter().filter_map(|name| ctx.instrument(name)).collect();
        self.prices = vec![[Price(0); 2]; self.markets.len()];
        for market in &self.markets {
            let _ = ctx.watch(market);
        }
    }

    fn on_report(&mut self, _ctx: &mut Context, report: &StrategyReport) {
        if !report.client_id.is_some() {
            return;
        }
        if report.state.is_terminal() {
            self.open.remove(&report.client_id.0);
        } else if report.kind != ReportKind::CancelRejected {
            let at = self.markets.iter().position(|market| market.id == report.instrument);
            let Some(at) = at else { return };
            self.open.insert(report.client_id.0, (report.client_id, at, report.side));
        }
    }

    fn on_timer(&mut self, ctx: &mut Context) {
        self.act(ctx);
    }
}

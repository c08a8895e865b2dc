//! What each strategy may use of the money at each venue: an internal ledger, nothing is ever
//! transferred.
//!
//! Used is what the strategy has bought there and not sold, at cost, and what its working buys
//! would cost at their limits; while one is being changed, at the dearer of the old terms and the
//! new. A market order counts at the best ask of when it was checked, which is less than it may cost.
//! A perpetual binds its whole value, long or short, whatever its leverage: a budget bounds what may
//! be lost, the margin of an account is another check. Amounts of different quote assets are added as
//! if they were one.

#![forbid(unsafe_code)]

use super::limits::StrategyLimits;
use super::names::Renumbering;
use super::orders::Order;
use super::record::{Record, Recorder};
use super::risk::RiskReject;
use super::shares::Shares;
use super::{Books, Oms};
use crate::portfolio::Position;
use crate::types::{
    Amount, Instrument, InstrumentId, InstrumentTable, LEGS_MAX, Nanos, NewOrder, OrderType, Price,
    Qty, Side, StrategyId, VenueId,
};
use serde::{Deserialize, Serialize};

/// What each leg of a signal will bind, and where.
type Needs = [(VenueId, Amount); LEGS_MAX];

/// What a strategy holds of an instrument, and what it cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Lot {
    qty: Amount,
    cost: Amount,
}

impl Lot {
    /// Capital that is bound in it.
    fn bound(&self, instrument: &Instrument) -> Amount {
        if instrument.is_perpetual() {
            return Amount(self.cost.0.saturating_abs());
        }
        if self.qty > Amount::ZERO { self.cost.max(Amount::ZERO) } else { Amount::ZERO }
    }
}

/// Capital of one strategy at one venue, quote units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// What it may use, after what was moved; `None`: any amount.
    pub limit: Option<Amount>,
    /// Cost of what it has bought and not sold.
    pub held: Amount,
    /// What its working buys would cost.
    pub working: Amount,
}

impl Budget {
    /// What it uses now.
    #[must_use]
    pub fn used(&self) -> Amount {
        plus(self.held, self.working)
    }

    /// By how much it would pass its limit with `extra` more.
    fn short(&self, extra: Amount) -> Amount {
        let Some(limit) = self.limit.filter(|_| extra > Amount::ZERO) else { return Amount::ZERO };
        plus(plus(self.used(), extra), minus(limit)).max(Amount::ZERO)
    }

    /// What is left of its limit with `extra` more; nothing where there is no limit to take from.
    fn idle(&self, extra: Amount) -> Amount {
        let Some(limit) = self.limit else { return Amount::ZERO };
        plus(limit, minus(plus(self.used(), extra))).max(Amount::ZERO)
    }
}

fn plus(a: Amount, b: Amount) -> Amount {
    Amount(a.0.saturating_add(b.0))
}

fn minus(a: Amount) -> Amount {
    Amount(a.0.saturating_neg())
}

/// The ledger.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Capital {
    venues: usize,
    /// By instrument, then strategy.
    lots: Vec<Lot>,
    /// By strategy, then venue.
    rows: Vec<Budget>,
    /// Best ask by instrument when a market buy was last checked.
    asks: Vec<Price>,
}

impl Capital {
    /// Nothing held, with these limits.
    pub fn new(instruments: usize, venues: usize, limits: &[StrategyLimits]) -> Self {
        let mut capital = Self {
            venues,
            lots: vec![Lot::default(); instruments * StrategyId::COUNT],
            rows: vec![Budget::default(); StrategyId::COUNT * venues],
            asks: vec![Price(0); instruments],
        };
        capital.limit(limits);
        capital
    }

    fn limit(&mut self, limits: &[StrategyLimits]) {
        for (index, limits) in limits.iter().enumerate().take(StrategyId::COUNT) {
            for (venue, limit) in &limits.budgets {
                self.set(StrategyId(index as u8), *venue, *limit);
            }
        }
    }

    /// Sets what a strategy may use at a venue.
    pub fn set(&mut self, strategy: StrategyId, venue: VenueId, limit: Amount) {
        if let Some(row) = self.row_mut(strategy, venue) {
            row.limit = Some(limit);
        }
    }

    /// Lets a strategy use what it wants at a venue.
    pub fn unset(&mut self, strategy: StrategyId, venue: VenueId) {
        if let Some(row) = self.row_mut(strategy, venue) {
            row.limit = None;
        }
    }

    /// Capital of a strategy at a venue; nothing and no limit where there is no such row.
    pub fn row(&self, strategy: StrategyId, venue: VenueId) -> Budget {
        let of_strategy = self.of(strategy);
        of_strategy.get(usize::from(venue.0)).copied().unwrap_or_default()
    }

    fn of(&self, strategy: StrategyId) -> &[Budget] {
        let start = usize::from(strategy.0) * self.venues;
        self.rows.get(start..start + self.venues).unwrap_or_default()
    }

    fn row_mut(&mut self, strategy: StrategyId, venue: VenueId) -> Option<&mut Budget> {
        let start = usize::from(strategy.0) * self.venues;
        let of_strategy = self.rows.get_mut(start..start + self.venues)?;
        of_strategy.get_mut(usize::from(venue.0))
    }

    /// The shares of an instrument have changed, by trades at this price.
    pub fn follow(&mut self, instrument: &Instrument, shares: &Shares, price: Price) {
        for index in 0..StrategyId::COUNT {
            let strategy = StrategyId(index as u8);
            let at = instrument.id.index() * StrategyId::COUNT + index;
            let Some(lot) = self.lots.get_mut(at) else { return };
            let (was, qty) = (*lot, shares.get(instrument.id, strategy));
            if qty == was.qty {
                continue;
            }
            let before = Position { qty: was.qty, cost: was.cost, ..Position::default() };
            let change = plus(qty, minus(was.qty));
            // Beyond all numbers: the position is, too, and trading is halted for it.
            let Ok(after) = before.traded(instrument, price, change) else { continue };
            *lot = Lot { qty: after.qty, cost: after.cost };
            let bound = plus(lot.bound(instrument), minus(was.bound(instrument)));
            if let Some(row) = self.row_mut(strategy, instrument.venue) {
                row.held = plus(row.held, bound);
            }
        }
    }

    /// What the working buys of a strategy at a venue would cost has changed.
    pub fn reserve(&mut self, strategy: StrategyId, venue: VenueId, from: Amount, to: Amount) {
        if let Some(row) = self.row_mut(strategy, venue) {
            row.working = plus(row.working, plus(to, minus(from)));
        }
    }

    /// The price by which an order is valued that is about to be sent.
    pub fn price_of(&self, order: &NewOrder) -> Price {
        match order.order_type {
            OrderType::Limit => order.price,
            OrderType::Market => {
                self.asks.get(order.instrument.index()).copied().unwrap_or_default()
            }
        }
    }

    /// Notes by what a market buy is valued.
    pub fn note_ask(&mut self, order: &NewOrder, ask: Price) {
        if order.order_type == OrderType::Market
            && let Some(known) = self.asks.get_mut(order.instrument.index())
        {
            *known = ask;
        }
    }

    /// The same lots under other numbers of instruments; everything else begins anew.
    pub fn moved(
        &self,
        instruments: usize,
        place: impl Fn(InstrumentId) -> Option<InstrumentId>,
    ) -> Self {
        let mut next = Self::new(instruments, self.venues, &[]);
        for (index, lot) in self.lots.iter().enumerate() {
            let (from, strategy) =
                (InstrumentId((index / StrategyId::COUNT) as u16), index % StrategyId::COUNT);
            let to = place(from).map(|to| to.index() * StrategyId::COUNT + strategy);
            if let Some(row) = to.and_then(|to| next.lots.get_mut(to)) {
                *row = *lot;
            }
        }
        next
    }

    /// The strategies have other numbers now. What is used follows at [`Capital::reopen`].
    pub fn renumber(&mut self, numbers: &Renumbering) {
        for row in self.lots.chunks_mut(StrategyId::COUNT) {
            let mut next = [Lot::default(); StrategyId::COUNT];
            for (index, lot) in row.iter().enumerate() {
                let to = &mut next[usize::from(numbers.of(StrategyId(index as u8)).0)];
                (to.qty, to.cost) = (plus(to.qty, lot.qty), plus(to.cost, lot.cost));
            }
            row.copy_from_slice(&next[..row.len()]);
        }
    }

    /// A new run: its budgets count, and what is used follows from lots and orders.
    pub fn reopen<'a>(
        &mut self,
        table: &InstrumentTable,
        venues: usize,
        limits: &[StrategyLimits],
        orders: impl Iterator<Item = &'a Order>,
    ) {
        let lots = std::mem::take(&mut self.lots);
        *self = Self { lots, ..Self::new(table.len(), venues, limits) };
        for instrument in table.iter() {
            for index in 0..StrategyId::COUNT {
                let at = instrument.id.index() * StrategyId::COUNT + index;
                let bound = self.lots.get(at).map(|lot| lot.bound(instrument)).unwrap_or_default();
                if let Some(row) = self.row_mut(StrategyId(index as u8), instrument.venue) {
                    row.held = plus(row.held, bound);
                }
            }
        }
        for order in orders {
            self.reserve(order.strategy, order.venue, Amount::ZERO, order.reserved_value);
        }
    }
}

impl Order {
    /// Capital that it binds at worst, quote units: what may still be bought, or of a perpetual sold,
    /// at its price. While a
    /// replace is on its way the dearer of what works and what was asked for, and of a cheaper one
    /// what it adds: the order may fill first and be changed then.
    pub(super) fn worst_value(&self, instrument: &Instrument) -> Amount {
        let scale = instrument.scale;
        let value = |price, qty| scale.notional(price, qty).unwrap_or(Amount(i128::MAX));
        let now = Self { pending: None, ..*self }.worst_case();
        let works = value(self.worth, now);
        match self.pending.filter(|_| !self.state.is_terminal()) {
            _ if self.side == Side::Sell && !instrument.is_perpetual() => Amount::ZERO,
            None => works,
            Some(asked) if asked.price > self.worth => {
                let then = Self { qty: asked.qty, pending: None, ..*self }.worst_case();
                works.max(value(asked.price, then))
            }
            Some(asked) => {
                let more = Qty(self.worst_case().0 - now.0);
                Amount(works.0.saturating_add(value(asked.price, more).0))
            }
        }
    }
}

impl<R: Recorder, B: Books> Oms<R, B> {
    /// Capital of a strategy at a venue.
    #[must_use]
    pub fn budget(&self, strategy: StrategyId, venue: VenueId) -> Budget {
        self.state.capital.row(strategy, venue)
    }

    /// The shares of an instrument have changed, by trades at this price.
    pub(super) fn follow_capital(&mut self, id: InstrumentId, price: Price) {
        if let Some(instrument) = self.instruments.get(id) {
            self.state.capital.follow(instrument, &self.state.shares, price);
        }
    }

    /// Whether the buys of a signal, all else being well, are within the strategy's capital; where
    /// they are not and it may, it moves budget to where it is short.
    pub(super) fn check_budgets(
        &mut self,
        strategy: StrategyId,
        orders: &[NewOrder],
        now: Nanos,
    ) -> Result<(), (Option<u8>, RiskReject)> {
        let capital = &self.state.capital;
        if capital.of(strategy).iter().all(|row| row.limit.is_none()) {
            return Ok(());
        }
        let mut needs = [(VenueId(0), Amount::ZERO); LEGS_MAX];
        let mut blamed = None;
        for (index, order) in orders.iter().enumerate() {
            needs[index] = self.need(strategy, order);
            if blamed.is_none() && self.is_short(strategy, &needs, needs[index].0) {
                blamed = Some(index as u8);
            }
        }
        let Some(leg) = blamed else { return Ok(()) };
        self.cover(strategy, &needs, now).map_err(|code| (Some(leg), code))
    }

    /// The same for an order whose change would bind so much more.
    pub(super) fn check_budget(
        &mut self,
        strategy: StrategyId,
        venue: VenueId,
        more: Amount,
        now: Nanos,
    ) -> Result<(), RiskReject> {
        let mut needs = [(VenueId(0), Amount::ZERO); LEGS_MAX];
        needs[0] = (venue, more);
        if more <= Amount::ZERO || !self.is_short(strategy, &needs, venue) {
            return Ok(());
        }
        self.cover(strategy, &needs, now)
    }

    fn is_short(&self, strategy: StrategyId, needs: &Needs, venue: VenueId) -> bool {
        self.state.capital.row(strategy, venue).short(at(needs, venue)) > Amount::ZERO
    }

    /// Somewhere the budget is short: it is moved there if it may be and enough of it is idle.
    fn cover(&mut self, strategy: StrategyId, needs: &Needs, now: Nanos) -> Result<(), RiskReject> {
        let may_move = self.state.risk.limits.of(strategy).is_some_and(|of| of.budget_rebalance);
        let (mut short, mut idle) = (Amount::ZERO, Amount::ZERO);
        for (index, row) in self.state.capital.of(strategy).iter().enumerate() {
            let extra = at(needs, VenueId(index as u8));
            short = plus(short, row.short(extra));
            idle = plus(idle, row.idle(extra));
        }
        if !may_move || idle < short {
            return Err(RiskReject::StrategyBudget);
        }
        self.move_budgets(strategy, needs, now);
        Ok(())
    }

    /// What a leg will bind, and where.
    fn need(&self, strategy: StrategyId, order: &NewOrder) -> (VenueId, Amount) {
        let Some(instrument) = self.instruments.get(order.instrument) else {
            return (VenueId(0), Amount::ZERO);
        };
        if order.side == Side::Sell && !instrument.is_perpetual() {
            return (instrument.venue, Amount::ZERO);
        }
        let price = self.state.capital.price_of(order);
        let value = if self.takes_back(strategy, instrument, order.side) {
            let exposure = self.exposure_of(strategy, instrument.id);
            let grows = exposure.growth(order.side, instrument.scale.base_amount(order.qty));
            grows.and_then(|grows| instrument.scale.value_of_base(price, grows))
        } else {
            instrument.scale.notional(price, order.qty)
        };
        (instrument.venue, value.unwrap_or(Amount(i128::MAX)))
    }

    /// Whether an order of this side takes back some of what the strategy holds of a perpetual.
    fn takes_back(&self, strategy: StrategyId, instrument: &Instrument, side: Side) -> bool {
        let held = self.state.shares.get(instrument.id, strategy);
        let back = match side {
            Side::Buy => held < Amount::ZERO,
            Side::Sell => held > Amount::ZERO,
        };
        instrument.is_perpetual() && back
    }

    /// Whether an order that takes a perpetual back still does only that, with so much more of it.
    pub(super) fn only_takes_back(
        &self,
        strategy: StrategyId,
        (instrument, side): (&Instrument, Side),
        more: Amount,
    ) -> bool {
        self.takes_back(strategy, instrument, side)
            && self.exposure_of(strategy, instrument.id).only_reduces(side, more)
    }

    /// Moves what is missing at some venues from where it is idle, in order of venues.
    fn move_budgets(&mut self, strategy: StrategyId, needs: &Needs, now: Nanos) {
        let venues = 0..self.state.capital.venues.min(usize::from(u8::MAX)) as u8;
        for to in venues.clone().map(VenueId) {
            for from in venues.clone().map(VenueId) {
                let capital = &mut self.state.capital;
                let missing = capital.row(strategy, to).short(at(needs, to));
                let amount = missing.min(capital.row(strategy, from).idle(at(needs, from)));
                if from == to || amount <= Amount::ZERO {
                    continue;
                }
                for (venue, change) in [(from, minus(amount)), (to, amount)] {
                    if let Some(row) = capital.row_mut(strategy, venue) {
                        row.limit = row.limit.map(|limit| plus(limit, change));
                    }
                }
                self.recorder.record(now, &Record::Budget { strategy, from, to, amount });
            }
        }
    }
}

/// What all legs together need at a venue.
fn at(needs: &Needs, venue: VenueId) -> Amount {
    let here = needs.iter().filter(|need| need.0 == venue);
    here.fold(Amount::ZERO, |sum, need| plus(sum, need.1))
}

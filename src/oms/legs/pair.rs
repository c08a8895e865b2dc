//! One pair: a signal whose legs have a contract. What it has filled, what that leaves naked, and
//! what it cost. Nothing here knows an order table, a book or a venue.

#![forbid(unsafe_code)]

use crate::types::{
    Amount, Breach, BreachAction, ClientOrderId, Contract, HEDGE_LEG, Instrument, InstrumentId,
    LEGS_MAX, Nanos, NewOrder, PairEnd, PairLeg, PairOutcome, Ppb, Price, Qty, Scale, Side, Signal,
    SignalId, StrategyId,
};
use serde::{Deserialize, Serialize};

/// Instruments on which completing was tried in vain, at most.
pub(super) const TRIED_MAX: usize = 4;

/// How far a pair has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stage {
    /// Its orders work, or what they left is within its bounds.
    #[default]
    Legs,
    /// A bound was passed: what works is cancelled, then the excess is dealt with.
    Breached,
    /// Told; only late fills change it.
    Done,
}

/// One leg.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Leg {
    pub asked: crate::types::Leg,
    /// Price that costs are counted from.
    pub intended: Price,
    /// Its order, once sent.
    pub order: ClientOrderId,
    /// It is never going to be sent.
    pub left_out: bool,
    /// Its venue or our own checks refused it.
    pub refused: bool,
    pub filled: Qty,
    /// What fees took of the base that it bought, rounded up.
    pub fee_base: Qty,
    /// Of `filled`, traded back by hedges.
    pub unwound: Qty,
    value: Amount,
    sent_ns: Nanos,
    first_fill_ns: Nanos,
    last_fill_ns: Nanos,
}

/// See the module.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(in crate::oms) struct Pair {
    /// Its number, from 1.
    pub(super) serial: u64,
    pub(super) strategy: StrategyId,
    pub(super) signal: SignalId,
    pub(super) tick_ns: Nanos,
    pub(super) contract: Contract,
    pub(super) legs_len: u8,
    pub(super) legs: [Leg; LEGS_MAX],
    pub(super) stage: Stage,
    /// When it is to be looked at again.
    pub(super) due: Nanos,
    /// The working hedge, and what it has filled.
    pub(super) hedge: ClientOrderId,
    pub(super) hedge_filled: Qty,
    pub(super) hedge_completes: bool,
    pub(super) hedge_instrument: InstrumentId,
    pub(super) hedges: u8,
    /// Tries in a row that traded nothing, and when the next may be made.
    pub(super) tries: u32,
    pub(super) try_ns: Nanos,
    pub(super) tried: [InstrumentId; TRIED_MAX],
    pub(super) tried_len: u8,
    pub(super) risk: u8,
    pub(super) action: Option<BreachAction>,
    pub(super) breach: Option<Breach>,
    pub(super) was_unknown: bool,
    /// When it was breached, 0 once every leg was proved ended.
    pub(super) breach_ns: Nanos,
    pub(super) proof_ns: u64,
    /// Since when a quantity is naked, and since when its bound counts; 0 while none is.
    naked_since: Nanos,
    pub(super) clock_ns: Nanos,
    naked_ns: u64,
    naked_qty: Qty,
    /// Bought less sold by hedges.
    hedge_net: i64,
    hedged: Qty,
    unwinds: bool,
    completes: bool,
    cost: Amount,
    fees: Amount,
    fees_elsewhere: bool,
    revision: u8,
    opened_ns: Nanos,
}

/// One fill as a pair counts it.
pub(in crate::oms) struct PairFill<'a> {
    /// Leg of the order, with the marks of hedges.
    pub leg: u8,
    pub order: ClientOrderId,
    pub side: Side,
    pub fill: &'a crate::types::Fill,
}

impl Pair {
    pub(super) fn new(signal: &Signal, orders: &[NewOrder], now: Nanos) -> Self {
        let mut pair = Self {
            strategy: signal.strategy,
            signal: signal.id,
            tick_ns: signal.tick_ns,
            contract: signal.contract,
            legs_len: orders.len().min(LEGS_MAX) as u8,
            opened_ns: now,
            ..Self::default()
        };
        for (leg, asked) in pair.legs.iter_mut().zip(signal.legs()) {
            (leg.asked, leg.intended) = (*asked, asked.price);
        }
        pair
    }

    pub(super) fn legs(&self) -> &[Leg] {
        &self.legs[..usize::from(self.legs_len).min(LEGS_MAX)]
    }

    pub(super) fn legs_mut(&mut self) -> &mut [Leg] {
        &mut self.legs[..usize::from(self.legs_len).min(LEGS_MAX)]
    }

    pub(super) fn sent(&mut self, leg: usize, order: ClientOrderId, now: Nanos) {
        if let Some(leg) = self.legs.get_mut(leg) {
            (leg.order, leg.sent_ns) = (order, now);
        }
    }

    /// Whether the later legs still wait for the first.
    pub(super) fn awaits_rest(&self) -> bool {
        (0..self.legs().len()).any(|at| self.is_unsent(at))
    }

    /// Whether a leg is still to be sent.
    pub(super) fn is_unsent(&self, leg: usize) -> bool {
        self.legs.get(leg).is_some_and(|leg| !leg.order.is_some() && !leg.left_out)
    }

    /// What is not sent by now never is.
    pub(super) fn leave_out_unsent(&mut self) {
        for leg in self.legs_mut() {
            leg.left_out |= !leg.order.is_some();
        }
    }

    pub(super) fn any_refused(&self) -> bool {
        self.legs().iter().any(|leg| leg.refused)
    }

    /// What is bought less sold beyond both no fill and all fills; positive is bought.
    pub(super) fn excess(&self) -> i64 {
        let (mut plan, mut net) = (0i64, self.hedge_net);
        for leg in self.legs() {
            let sign = leg.asked.side.sign();
            plan = plan.saturating_add(leg.asked.qty.0.saturating_mul(sign));
            net = net.saturating_add(leg.filled.0.saturating_mul(sign));
        }
        net - net.clamp(plan.min(0), plan.max(0))
    }

    /// The leg whose fills the excess is made of.
    pub(super) fn heavy_leg(&self, excess: i64) -> usize {
        let side = if excess > 0 { Side::Buy } else { Side::Sell };
        let left = |leg: &Leg| leg.filled.0 - leg.unwound.0;
        let of_side = self.legs().iter().enumerate().filter(|(_, leg)| leg.asked.side == side);
        of_side.max_by_key(|(at, leg)| (left(leg), usize::MAX - at)).map_or(0, |(at, _)| at)
    }

    /// The leg that would balance the excess: of the other side, with most left to fill.
    pub(super) fn light_leg(&self, excess: i64) -> Option<usize> {
        let side = if excess > 0 { Side::Sell } else { Side::Buy };
        let left = |leg: &Leg| leg.asked.qty.0 - leg.filled.0;
        let of_side = self.legs().iter().enumerate().filter(|(_, leg)| leg.asked.side == side);
        of_side.max_by_key(|(at, leg)| (left(leg), usize::MAX - at)).map(|(at, _)| at)
    }

    /// What of the excess can be traded back on the heavy leg's instrument, before rounding: not
    /// what fees took of it.
    pub(super) fn unwindable(&self, excess: i64) -> Qty {
        let leg = &self.legs[self.heavy_leg(excess)];
        let fee = if excess > 0 { leg.fee_base.0 } else { 0 };
        let left = leg.filled.0 - leg.unwound.0;
        let most = if left > 0 { left - fee } else { i64::MAX };
        Qty(excess.saturating_abs().min(most).max(0))
    }

    /// Takes a fill of one of its orders. Reopened is what was done before.
    pub(super) fn on_fill(&mut self, instrument: &Instrument, fill: &PairFill<'_>, now: Nanos) {
        let (qty, scale) = (fill.fill.qty, instrument.scale);
        let value = scale.notional(fill.fill.price, qty).unwrap_or_default();
        let at = usize::from(fill.leg & 3);
        let sign = fill.side.sign();
        let fee = self.count_fee(instrument, fill.fill);
        let Some(leg) = self.legs.get_mut(at) else { return };
        let intended = scale.notional(leg.intended, qty).unwrap_or_default();
        self.cost.0 = self.cost.0.saturating_add((value.0 - intended.0) * i128::from(sign));
        if fill.leg & HEDGE_LEG == 0 {
            leg.filled.0 = leg.filled.0.saturating_add(qty.0);
            leg.value.0 = leg.value.0.saturating_add(value.0);
            leg.fee_base.0 = leg.fee_base.0.saturating_add(fee.0);
            if leg.first_fill_ns == Nanos(0) {
                leg.first_fill_ns = now;
            }
            leg.last_fill_ns = now;
        } else {
            let completes = fill.leg & crate::types::COMPLETING_LEG != 0;
            if !completes {
                leg.unwound.0 = leg.unwound.0.saturating_add(qty.0);
            }
            self.completes |= completes;
            self.unwinds |= !completes;
            self.hedge_net = self.hedge_net.saturating_add(qty.0.saturating_mul(sign));
            self.hedged.0 = self.hedged.0.saturating_add(qty.0);
            if fill.order == self.hedge {
                self.hedge_filled.0 = self.hedge_filled.0.saturating_add(qty.0);
            }
        }
        self.naked_qty = self.naked_qty.max(Qty(self.excess().saturating_abs()));
    }

    /// Adds a fee to the cost. What it took of the base that was bought.
    fn count_fee(&mut self, instrument: &Instrument, fill: &crate::types::Fill) -> Qty {
        let scale = instrument.scale;
        let value = if fill.fee == Amount::ZERO {
            Some(Amount::ZERO)
        } else if fill.fee_asset == instrument.quote {
            Some(fill.fee)
        } else if fill.fee_asset == instrument.base {
            scale.value_of_base(fill.price, fill.fee)
        } else {
            None
        };
        self.fees_elsewhere |= value.is_none();
        let value = value.unwrap_or_default().0;
        self.fees.0 = self.fees.0.saturating_add(value);
        self.cost.0 = self.cost.0.saturating_add(value);
        let one = scale.base_amount(Qty(1)).0.max(1);
        let in_base = fill.fee_asset == instrument.base && fill.fee > Amount::ZERO;
        let units = if in_base { (fill.fee.0 + one - 1) / one } else { 0 };
        Qty(i64::try_from(units).unwrap_or(i64::MAX))
    }

    /// A fill after the end: everything is looked at anew.
    pub(super) fn reopen(&mut self) {
        self.stage = Stage::Legs;
        self.revision = self.revision.saturating_add(1);
        (self.tries, self.try_ns, self.tried_len) = (0, Nanos(0), 0);
        (self.breach_ns, self.risk) = (Nanos(0), 0);
    }

    /// Keeps the time for which a quantity was naked.
    pub(super) fn note_naked(&mut self, naked: bool, now: Nanos) {
        if naked && self.naked_since == Nanos(0) {
            (self.naked_since, self.clock_ns) = (now, now);
        }
        if !naked && self.naked_since > Nanos(0) {
            self.naked_ns = self.naked_ns.saturating_add(now.since(self.naked_since));
            (self.naked_since, self.clock_ns) = (Nanos(0), Nanos(0));
        }
    }

    /// The bound counts anew from now.
    pub(super) fn restart_clock(&mut self, now: Nanos) {
        if self.naked_since > Nanos(0) {
            self.clock_ns = now;
        }
    }

    /// The bound that a naked quantity passes now.
    pub(super) fn breach_of(&self, excess: i64, now: Nanos) -> Option<Breach> {
        let max = self.contract.naked_qty_max.0;
        if self.any_refused() {
            Some(Breach::Refused)
        } else if max > 0 && excess.saturating_abs() > max {
            Some(Breach::Qty)
        } else if now.since(self.clock_ns) >= self.contract.naked_time_max_ns {
            Some(Breach::Time)
        } else {
            None
        }
    }

    /// When the naked quantity gets too old.
    pub(super) fn breach_due(&self) -> Nanos {
        self.clock_ns.plus(self.contract.naked_time_max_ns)
    }

    pub(super) fn was_tried(&self, instrument: InstrumentId) -> bool {
        self.tried[..usize::from(self.tried_len).min(TRIED_MAX)].contains(&instrument)
    }

    pub(super) fn note_tried(&mut self, instrument: InstrumentId) {
        if let Some(row) = self.tried.get_mut(usize::from(self.tried_len)) {
            *row = instrument;
            self.tried_len += 1;
        }
    }

    /// What is told in the end. `naked`: what is left could still be traded.
    pub(super) fn outcome(&mut self, naked: bool, scale: Scale, now: Nanos) -> PairOutcome {
        let since = self.naked_since;
        self.note_naked(false, now);
        let filled = |leg: &&Leg| leg.filled > Qty::ZERO;
        let first = self.legs().iter().filter(filled).map(|leg| leg.first_fill_ns);
        let skew_ns = match (first.clone().max(), first.min()) {
            (Some(last), Some(first)) => last.since(first),
            _ => 0,
        };
        let end = if naked {
            PairEnd::Held
        } else if self.unwinds {
            PairEnd::Unwound
        } else if self.completes {
            PairEnd::Completed
        } else if self.legs().iter().any(|leg| leg.filled > Qty::ZERO) {
            PairEnd::Balanced
        } else {
            PairEnd::Nothing
        };
        if naked {
            (self.naked_since, self.clock_ns) = (since, since);
        }
        let mut legs = [PairLeg::default(); LEGS_MAX];
        for (row, leg) in legs.iter_mut().zip(self.legs()) {
            *row = leg.row(scale);
        }
        PairOutcome {
            strategy: self.strategy,
            signal: self.signal,
            revision: self.revision,
            mode: self.contract.mode,
            legs_len: self.legs_len,
            legs,
            skew_ns,
            naked_ns: self.naked_ns,
            naked_qty: self.naked_qty,
            left: Qty(self.excess()),
            breach: self.breach,
            action: self.action,
            proof_ns: self.proof_ns,
            was_unknown: self.was_unknown,
            hedges: self.hedges,
            hedged: self.hedged,
            risk: self.risk,
            end,
            cost_value: self.cost,
            cost: self.cost_ratio(scale),
            fees: self.fees,
            fees_elsewhere: self.fees_elsewhere,
            opened_ns: self.opened_ns,
            ended_ns: now,
        }
    }

    /// The cost relative to the intended value of the larger side that filled.
    fn cost_ratio(&self, scale: Scale) -> Ppb {
        let side = |side: Side| -> i128 {
            let legs = self.legs().iter().filter(|leg| leg.asked.side == side);
            let values = legs.map(|leg| scale.notional(leg.intended, leg.filled));
            values.fold(0, |sum, value| sum.saturating_add(value.unwrap_or_default().0))
        };
        let whole = side(Side::Buy).max(side(Side::Sell)) / 1_000_000_000;
        let ratio = self.cost.0.checked_div(whole).unwrap_or(0);
        Ppb(i64::try_from(ratio).unwrap_or(if ratio < 0 { i64::MIN } else { i64::MAX }))
    }

    /// The pair over other instruments, whose numbers `convert` changes; `None` where it cannot.
    pub(in crate::oms) fn moved(
        mut self,
        instrument: impl Fn(InstrumentId) -> Option<InstrumentId>,
        convert: impl Fn(InstrumentId, Price, Qty) -> Option<(Price, Qty)>,
    ) -> Option<Self> {
        let first = self.legs[0].asked.instrument;
        let quantity = |id, qty| Some(convert(id, Price(0), qty)?.1);
        for leg in self.legs_mut() {
            let id = leg.asked.instrument;
            (leg.asked.price, leg.asked.qty) = convert(id, leg.asked.price, leg.asked.qty)?;
            (leg.intended, leg.filled) = convert(id, leg.intended, leg.filled)?;
            leg.fee_base = quantity(id, leg.fee_base)?;
            leg.unwound = quantity(id, leg.unwound)?;
            leg.asked.instrument = instrument(id)?;
        }
        for at in 0..usize::from(self.tried_len).min(TRIED_MAX) {
            self.tried[at] = instrument(self.tried[at])?;
        }
        if self.hedge.is_some() {
            self.hedge_instrument = instrument(self.hedge_instrument)?;
        }
        self.contract.naked_qty_max = quantity(first, self.contract.naked_qty_max)?;
        self.hedge_filled = quantity(first, self.hedge_filled)?;
        self.naked_qty = quantity(first, self.naked_qty)?;
        self.hedged = quantity(first, self.hedged)?;
        self.hedge_net = quantity(first, Qty(self.hedge_net))?.0;
        Some(self)
    }
}

impl Leg {
    fn row(&self, scale: Scale) -> PairLeg {
        let one = scale.notional(Price(1), self.filled).map_or(0, |value| value.0);
        let average = self.value.0.checked_div(one).unwrap_or(0);
        PairLeg {
            instrument: self.asked.instrument,
            side: self.asked.side,
            price: self.intended,
            qty: self.asked.qty,
            got_price: Price(i64::try_from(average).unwrap_or(0)),
            got_qty: self.filled,
            sent_ns: self.sent_ns,
            first_fill_ns: self.first_fill_ns,
            last_fill_ns: self.last_fill_ns,
        }
    }
}

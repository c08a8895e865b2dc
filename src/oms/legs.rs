//! Leg contracts: what holds between the legs of one signal, and what is done when it does not.
//!
//! A signal with a contract is a pair (of up to four legs). Its fills are counted as they are
//! booked; what they leave naked is bounded in quantity and time. When a bound is passed, what still
//! works is cancelled and its end waited for, however long the proof takes: nothing is hedged
//! against an order that may still fill. Then the excess is unwound, completed or held, by orders of
//! the same strategy that are never larger than the excess, one at a time. Fills that come after the
//! end open the pair again.
//!
//! Assumes that the legs share their underlying, so that their quantities compare. Where they are
//! priced in different assets, what they cost is added as if these were worth the same.

#![forbid(unsafe_code)]

mod hedge;
mod pair;
mod pairs;

pub(super) use pairs::{PAIRS_MAX, Pairs};

use super::orders::{Order, Slot};
use super::record::{Record, Recorder};
use super::requests::{Place, refusal_report};
use super::risk::RiskReject;
use super::taking::{is_too_small, whole_lots};
use super::{Books, NEVER, Oms, Output};
use crate::mutants::Mutant;
use crate::types::{
    Breach, BreachAction, ClientOrderId, Fill, LegMode, LegPricing, Nanos, NewOrder, OrderState,
    Priority, Qty, RejectReason, ReportKind, Scale, Scope, Side, Signal, StrategyReport,
    TimeInForce,
};
use pair::{Pair, PairFill, Stage};

impl<R: Recorder, B: Books> Oms<R, B> {
    /// Whether a contract can be kept with these legs.
    pub(super) fn check_contract(&self, signal: &Signal) -> Result<(), RiskReject> {
        let contract = &signal.contract;
        if !contract.is_followed() {
            return Ok(());
        }
        if contract.naked_qty_max < Qty::ZERO || contract.slippage_max.0 < 0 {
            return Err(RiskReject::BadSignal);
        }
        let mut base = None;
        for leg in signal.legs() {
            let row = self.instruments.get(leg.instrument).ok_or(RiskReject::UnknownInstrument)?;
            if *base.get_or_insert(row.base) != row.base {
                return Err(RiskReject::BadSignal);
            }
        }
        if self.state.pairs.has_room() { Ok(()) } else { Err(RiskReject::TableFull) }
    }

    /// Begins to follow the legs of a signal that is being sent. Its serial, 0 without a contract.
    pub(super) fn open_pair(&mut self, signal: &Signal, orders: &[NewOrder], now: Nanos) -> u64 {
        if !signal.contract.is_followed() {
            return 0;
        }
        let mut pair = Pair::new(signal, orders, now);
        let sequential = pair.contract.mode == LegMode::Sequential;
        for (at, order) in orders.iter().enumerate() {
            if !sequential || at == 0 {
                pair.sent(at, order.client_id, now);
            }
        }
        pair.due = NEVER;
        for at in 0..pair.legs().len() {
            let asked = pair.legs[at].asked;
            if asked.pricing == LegPricing::Market {
                let quote = self.quote(asked.instrument, now);
                let level = if asked.side == Side::Buy { quote.ask } else { quote.bid };
                pair.legs[at].intended = level.price;
            }
        }
        self.state.pairs.insert(pair).unwrap_or(0)
    }

    /// A fill was given to an order.
    pub(super) fn pair_fill(&mut self, slot: Slot, fill: &Fill, now: Nanos) {
        let order = self.state.orders.get(slot);
        let Some(instrument) = self.instruments.get(order.instrument) else { return };
        let Some(pair) = self.state.pairs.get_mut(order.pair) else { return };
        let fill = PairFill { leg: order.leg, order: order.client_id, side: order.side, fill };
        pair.on_fill(instrument, &fill, now);
        if pair.stage == Stage::Done {
            pair.reopen();
            let pair = *pair;
            self.state.pairs.put(pair);
        }
    }

    /// Something was said of an order: what it means for its pair.
    pub(super) fn follow_order(&mut self, slot: Slot, now: Nanos, out: &mut Output) {
        let serial = self.state.orders.get(slot).pair;
        if serial > 0 {
            self.follow(serial, now, out);
        }
    }

    /// Whether nothing of an order can change a pair any more; serial 0 is none.
    pub(super) fn is_pair_done(&self, serial: u64) -> bool {
        self.state.pairs.get(serial).is_none_or(|pair| pair.stage == Stage::Done)
    }

    /// Does what is due. When the next step is.
    pub(super) fn run_pairs(&mut self, now: Nanos, out: &mut Output) -> Nanos {
        let mut at = 0;
        while let Some(serial) = self.state.pairs.live(at) {
            if self.state.pairs.get(serial).is_some_and(|pair| pair.due <= now) {
                self.follow(serial, now, out);
            }
            if self.state.pairs.live(at) == Some(serial) {
                at += 1;
            }
        }
        self.state.pairs.next_due().unwrap_or(NEVER)
    }

    /// Every pair is looked at again at the next timer.
    pub(super) fn wake_pairs(&mut self, now: Nanos) {
        for at in 0..self.state.pairs.live_len() {
            let serial = self.state.pairs.live(at).unwrap_or(0);
            if let Some(pair) = self.state.pairs.get_mut(serial) {
                pair.due = now;
                self.state.next_due = self.state.next_due.min(now);
            }
        }
    }

    /// A person closes the positions of a scope: nothing of it is hedged any more, which would open
    /// them again, and legs that still wait for the first are not sent, at any venue.
    pub(super) fn release_pairs(&mut self, scope: Scope, now: Nanos, out: &mut Output) {
        for at in 0..self.state.pairs.live_len() {
            let serial = self.state.pairs.live(at).unwrap_or(0);
            let Some(pair) = self.state.pairs.get_mut(serial) else { continue };
            let strategy = pair.strategy;
            let concerned = pair.legs().iter().any(|leg| {
                let row = self.instruments.get(leg.asked.instrument);
                row.is_some_and(|row| scope.holds(row.venue, strategy))
            });
            if concerned {
                pair.contract.on_breach = BreachAction::Hold;
                pair.due = now;
                let unsent = *pair;
                pair.leave_out_unsent();
                self.state.next_due = self.state.next_due.min(now);
                for at in (0..unsent.legs().len()).filter(|at| unsent.is_unsent(*at)) {
                    self.tell_unsent(&unsent, at, None, now, out);
                }
            }
        }
    }

    /// How many signals with a contract are not done.
    #[must_use]
    pub fn pairs_open(&self) -> usize {
        self.state.pairs.live_len()
    }

    fn follow(&mut self, serial: u64, now: Nanos, out: &mut Output) {
        let Some(mut pair) = self.state.pairs.get(serial).copied() else { return };
        if pair.stage == Stage::Done {
            return;
        }
        pair.due = NEVER;
        self.learn_refusals(&mut pair);
        self.note_hedge_end(&mut pair, now);
        self.step_pair(&mut pair, now, out);
        self.state.next_due = self.state.next_due.min(pair.due);
        self.state.pairs.put(pair);
    }

    fn step_pair(&mut self, pair: &mut Pair, now: Nanos, out: &mut Output) {
        if pair.awaits_rest() {
            if !self.is_settled(pair.legs[0].order) {
                self.watch_first(pair, now, out);
                return;
            }
            self.send_rest(pair, now, out);
        }
        let excess = pair.excess();
        let naked = !self.is_dust(pair, excess);
        pair.note_naked(naked, now);
        let settled = self.all_settled(pair);
        if !naked {
            if settled {
                self.finish_pair(pair, false, now, out);
            } else if pair.any_refused() && pair.contract.is_enforced() {
                self.cancel_resting(pair, now, out);
            }
            return;
        }
        if settled && (self.state.stopping || !pair.contract.is_enforced()) {
            self.finish_pair(pair, true, now, out);
            return;
        }
        if pair.stage == Stage::Legs && !self.breach(pair, excess, now, out) {
            return;
        }
        if !settled {
            pair.was_unknown |= self.any_unknown(pair);
            return;
        }
        if pair.breach_ns > Nanos(0) {
            pair.proof_ns = pair.proof_ns.saturating_add(now.since(pair.breach_ns));
            pair.breach_ns = Nanos(0);
        }
        if now < pair.try_ns {
            pair.due = pair.try_ns;
            return;
        }
        self.heal(pair, excess, now, out);
    }

    /// Whether a bound is passed; if so what works is cancelled, if not it is looked at again.
    fn breach(&mut self, pair: &mut Pair, excess: i64, now: Nanos, out: &mut Output) -> bool {
        if !pair.contract.is_enforced() || Mutant::NakedLeft.is_on() {
            return false;
        }
        let Some(breach) = pair.breach_of(excess, now) else {
            pair.due = pair.breach_due();
            return false;
        };
        pair.stage = Stage::Breached;
        pair.breach = pair.breach.or(Some(breach));
        pair.breach_ns = now;
        self.cancel_legs(pair, |_| true, now, out);
        true
    }

    /// Sequential: the first leg works. What it has filled is bounded like anything naked; its
    /// end comes sooner then, and the others follow.
    fn watch_first(&mut self, pair: &mut Pair, now: Nanos, out: &mut Output) {
        let excess = self.first_alone(pair);
        pair.note_naked(excess != 0, now);
        if excess == 0 || !pair.contract.is_enforced() {
            return;
        }
        match pair.breach_of(excess, now) {
            Some(Breach::Refused) | None => pair.due = pair.breach_due(),
            Some(_) => self.cancel_legs(pair, |_| true, now, out),
        }
    }

    /// What the first leg's fills leave naked while no other leg is sent.
    fn first_alone(&self, pair: &Pair) -> i64 {
        let excess = pair.excess();
        if self.is_dust(pair, excess) { 0 } else { excess }
    }

    /// Sequential: the first leg has ended; the others are sized to its fill and sent.
    fn send_rest(&mut self, pair: &mut Pair, now: Nanos, out: &mut Output) {
        for at in 1..pair.legs().len() {
            if !pair.is_unsent(at) {
                continue;
            }
            let first = pair.legs[0];
            let mut leg = pair.legs[at].asked;
            let sized = i128::from(leg.qty.0) * i128::from(first.filled.0.min(first.asked.qty.0))
                / i128::from(first.asked.qty.0.max(1));
            let row = self.instruments.get(leg.instrument);
            leg.qty = row.map_or(Qty::ZERO, |row| whole_lots(row, Qty(sized as i64)));
            if row.is_none_or(|row| is_too_small(row, leg.qty, pair.legs[at].intended)) {
                pair.legs[at].left_out = true;
                self.tell_unsent(pair, at, None, now, out);
                continue;
            }
            match self.check_alone(pair.strategy, &leg, now) {
                Ok(order) => {
                    let place = Place {
                        signal: pair.signal,
                        leg: at as u8,
                        pair: pair.serial,
                        tick_ns: pair.tick_ns,
                        priority: Priority::Hedge,
                    };
                    self.place(&order, &place, now, out);
                    self.state.risk.on_sent(pair.strategy, 1, now);
                    pair.sent(at, order.client_id, now);
                }
                Err(code) => {
                    (pair.legs[at].left_out, pair.legs[at].refused) = (true, true);
                    pair.risk = code as u8;
                    self.tell_unsent(pair, at, Some(code), now, out);
                }
            }
        }
        pair.restart_clock(now);
    }

    /// Tells the strategy of a later leg that is not going to be sent.
    fn tell_unsent(
        &mut self,
        pair: &Pair,
        at: usize,
        code: Option<RiskReject>,
        now: Nanos,
        out: &mut Output,
    ) {
        let (leg, asked) = (at as u8, pair.legs[at].asked);
        let report = match code {
            Some(code) => {
                self.state.counters.refusals[code as usize] += 1;
                let (strategy, signal) = (pair.strategy, pair.signal);
                let leg = Some(leg);
                self.recorder.record(now, &Record::Refusal { strategy, signal, leg, code });
                refusal_report(ReportKind::Rejected, code)
            }
            None => StrategyReport {
                state: OrderState::Expired,
                reason: RejectReason::TimeInForce,
                risk: 0,
                ..refusal_report(ReportKind::Expired, RiskReject::OtherLeg)
            },
        };
        let (instrument, side) = (asked.instrument, asked.side);
        let report = StrategyReport { signal: pair.signal, leg, instrument, side, ..report };
        out.reports.push((pair.strategy, report));
    }

    /// Notes which legs were refused; one that turns out to live was not.
    fn learn_refusals(&self, pair: &mut Pair) {
        for leg in pair.legs_mut() {
            if let Some(slot) = self.state.orders.by_client(leg.order) {
                leg.refused = self.state.orders.get(slot).state == OrderState::Rejected;
            }
        }
    }

    /// Whether an order has ended with all of its fills booked, or was never sent.
    fn is_settled(&self, id: ClientOrderId) -> bool {
        let slot = self.state.orders.by_client(id);
        slot.is_none_or(|slot| self.state.orders.get(slot).may_go())
    }

    fn all_settled(&self, pair: &Pair) -> bool {
        self.is_settled(pair.hedge) && pair.legs().iter().all(|leg| self.is_settled(leg.order))
    }

    fn any_unknown(&self, pair: &Pair) -> bool {
        let unknown = |id| {
            let slot = self.state.orders.by_client(id);
            slot.is_some_and(|slot| self.state.orders.get(slot).state == OrderState::Unknown)
        };
        unknown(pair.hedge) || pair.legs().iter().any(|leg| unknown(leg.order))
    }

    /// A leg was refused while the others have filled nothing: those that rest are of no use.
    fn cancel_resting(&mut self, pair: &Pair, now: Nanos, out: &mut Output) {
        self.cancel_legs(pair, |order| order.time_in_force == TimeInForce::Gtc, now, out);
    }

    fn cancel_legs(
        &mut self,
        pair: &Pair,
        wanted: impl Fn(&Order) -> bool,
        now: Nanos,
        out: &mut Output,
    ) {
        for leg in pair.legs() {
            let Some(slot) = self.state.orders.by_client(leg.order) else { continue };
            let order = self.state.orders.get(slot);
            if !order.state.is_terminal() && !order.cancel_wanted && wanted(order) {
                self.cancel(slot, now, out);
            }
        }
    }

    /// Whether an excess is too small to be traded back.
    fn is_dust(&self, pair: &Pair, excess: i64) -> bool {
        if excess == 0 {
            return true;
        }
        let leg = &pair.legs[pair.heavy_leg(excess)];
        let Some(row) = self.instruments.get(leg.asked.instrument) else { return true };
        is_too_small(row, whole_lots(row, pair.unwindable(excess)), leg.intended)
    }

    /// The pair is done: its record.
    fn finish_pair(&mut self, pair: &mut Pair, naked: bool, now: Nanos, out: &mut Output) {
        let first = self.instruments.get(pair.legs[0].asked.instrument);
        let scale = first.map_or(Scale::default(), |row| row.scale);
        pair.stage = Stage::Done;
        pair.due = NEVER;
        let outcome = pair.outcome(naked, scale, now);
        self.recorder.record(now, &Record::Pair(outcome));
        if out.pairs.len() < out.pairs.capacity() {
            out.pairs.push(outcome);
        }
    }
}

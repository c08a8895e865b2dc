//! What venues state about orders: fills are booked once, states follow the table.

#![forbid(unsafe_code)]

use super::differences::{Difference, Flaw};
use super::fills::{Mark, Seen};
use super::orders::{Order, Slot};
use super::record::{Record, Recorder};
use super::replace::in_doubt;
use super::transition::{Next, Trigger, next};
use super::{Books, Oms, Output};
use crate::mutants::Mutant;
use crate::portfolio::Position;
use crate::types::{
    Amount, CommandKind, ExecutionReport, Fill, Instrument, InstrumentId, Nanos, NewOrder,
    OrderState, Qty, RejectReason, ReportKind, ReportOrigin, Side, SignalId, StrategyId, VenueId,
};

/// Whether a report tells of the end of a number that a replace has taken from its order.
fn is_end_of_former(order: &Order, report: &ExecutionReport) -> bool {
    let ended = match report.kind {
        ReportKind::Canceled | ReportKind::Expired | ReportKind::Rejected => true,
        ReportKind::Status => report.state.is_terminal(),
        _ => false,
    };
    let id = &report.venue_order_id;
    ended && !id.is_empty() && order.former_venue_id == *id && order.venue_order_id != *id
}

impl<R: Recorder, B: Books> Oms<R, B> {
    /// A venue states something about an order.
    pub fn on_report(
        &mut self,
        venue: VenueId,
        report: &ExecutionReport,
        now: Nanos,
        out: &mut Output,
    ) {
        if self.is_known_fill(venue, report) {
            return self.note_known_fill(venue, report, now);
        }
        self.recorder.record(now, &Record::Report(venue, *report));
        if report.kind == ReportKind::Fill {
            self.note_recorded_fill(venue, report);
        }
        self.take_report(venue, report, now, out);
    }

    /// What a report that is on record does.
    pub(super) fn take_report(
        &mut self,
        venue: VenueId,
        report: &ExecutionReport,
        now: Nanos,
        out: &mut Output,
    ) {
        let mut slot = self.find(report);
        if let Some(slot) = slot {
            let order = self.state.orders.get(slot);
            if order.venue != venue || order.instrument != report.instrument {
                self.on_misfit(slot, venue, report, now);
                return;
            }
            if is_end_of_former(order, report) {
                // The number ended because the order got another one.
                self.state.counters.reports_former += 1;
                return self.try_round(venue, now, out);
            }
            self.learn(slot, venue, report, now);
        } else {
            slot = self.adopt(venue, report, now);
        }
        if let Some(slot) = slot {
            self.on_listed_order(venue, slot, report);
        }
        match (report.kind, slot) {
            (ReportKind::Fill, slot) => self.on_fill(slot, venue, report, now, out),
            (_, Some(slot)) => self.on_statement(slot, venue, report, now, out),
            (_, None) => self.state.counters.reports_orphaned += 1,
        }
        if Mutant::RetriedSubmit.is_on()
            && report.kind == ReportKind::Unknown
            && let Some(slot) = slot
        {
            self.send_again(slot, now, out);
        }
        self.try_round(venue, now, out);
        if let Some(slot) = slot {
            self.follow_order(slot, now, out);
        }
    }

    /// For [`Mutant::RetriedSubmit`] only.
    fn send_again(&mut self, slot: Slot, now: Nanos, out: &mut Output) {
        let order = *self.state.orders.get(slot);
        let again = NewOrder {
            client_id: order.client_id,
            instrument: order.instrument,
            side: order.side,
            order_type: order.order_type,
            time_in_force: order.time_in_force,
            post_only: false,
            reduce_only: false,
            price: order.price,
            qty: order.qty,
        };
        self.send(order.venue, CommandKind::New(again), order.signal, Nanos(0), now, out);
    }

    pub(super) fn find(&self, report: &ExecutionReport) -> Option<Slot> {
        self.state
            .orders
            .by_client(report.client_id)
            .or_else(|| self.state.orders.by_venue(report.instrument, &report.venue_order_id))
    }

    /// What every report about an order tells, whatever its kind.
    fn learn(&mut self, slot: Slot, venue: VenueId, report: &ExecutionReport, now: Nanos) {
        self.learn_venue_id(slot, venue, report, now);
        let order = self.state.orders.get_mut(slot);
        let answer = report.kind == ReportKind::Status && report.origin == ReportOrigin::Query;
        if report.origin != ReportOrigin::Local {
            order.timers.unanswered = 0;
        }
        let asked_for = order.qty;
        if self.learn_terms(slot, report, now) {
            let numbers = (asked_for.0, report.qty.0);
            self.quarantine(venue, report, Flaw::LargerOrder, numbers, now);
        }
        self.learn_cumulative(slot, venue, report, now);
        if report.origin != ReportOrigin::Local && !answer {
            self.state.orders.get_mut(slot).touched_ns = now;
        }
    }

    fn on_fill(
        &mut self,
        slot: Option<Slot>,
        venue: VenueId,
        report: &ExecutionReport,
        now: Nanos,
        out: &mut Output,
    ) {
        let fill = &report.fill;
        let known = self.instruments.get(report.instrument).is_some_and(|row| row.venue == venue);
        if !known || !fill.is_sound() {
            self.state.counters.fills_bad += 1;
            self.quarantine(venue, report, Flaw::BadFill, (0, fill.qty.0), now);
            if let Some(slot) = slot {
                // What it says of the sum still counts; the fill itself will be asked for.
                self.conclude_fill(slot, report, true, now);
            }
            return;
        }
        let ours = slot.filter(|slot| !self.state.orders.get(*slot).external);
        let Some(ours) = ours else {
            let booked = self.on_external_fill(venue, report, now);
            if let Some(slot) = slot {
                self.conclude_fill(slot, report, !booked, now);
            }
            return;
        };
        let ended = self.state.orders.get(ours).state.is_terminal();
        if Mutant::LateFillIgnored.is_on() && ended {
            return;
        }
        self.on_own_fill(ours, venue, report, now, out);
    }

    fn on_own_fill(
        &mut self,
        slot: Slot,
        venue: VenueId,
        report: &ExecutionReport,
        now: Nanos,
        out: &mut Output,
    ) {
        let missed = self.on_listed_fill(venue, report);
        let seen = self.see_fill(report, Mark::Ours);
        match if Mutant::FillTwice.is_on() { Seen::First } else { seen } {
            Seen::Again => {
                self.state.counters.fills_repeated += 1;
                self.conclude_fill(slot, report, true, now);
                return;
            }
            Seen::Old(horizon) => {
                self.refuse_old_fill(venue, report, horizon, now);
                self.conclude_fill(slot, report, true, now);
                return;
            }
            Seen::BeforeItsOrder => {
                let external = &mut self.state.counters.fills_external;
                *external = external.saturating_sub(1);
                self.attribute_late(Some(slot), report);
            }
            Seen::First => {
                let side = self.state.orders.get(slot).side;
                self.inspect_fill(slot, venue, report, now);
                self.book(Some(slot), report, side, now);
                if missed {
                    self.found_fill(venue, side, false, report, now);
                }
            }
        }
        self.give_to_order(slot, venue, report, now);
        self.pair_fill(slot, &report.fill, now);
        self.conclude_fill(slot, report, false, now);
        self.tell(slot, report, out);
    }

    /// The state after a fill. One that is told of late proves what was, not what is.
    fn conclude_fill(&mut self, slot: Slot, report: &ExecutionReport, past: bool, now: Nanos) {
        let order = self.state.orders.get(slot);
        // Of an order that is being made larger, all that was known before may be filled: whether
        // more of it works is not said.
        let doubtful = order.cumulative() >= order.qty;
        let trigger = if order.is_full() {
            Trigger::FullFill
        } else if past || doubtful || report.origin == ReportOrigin::Query {
            Trigger::PastFill
        } else {
            Trigger::Working
        };
        self.conclude(slot, trigger, now);
    }

    /// Position, exposure and balances of one fill that was never booked before.
    pub(super) fn book(
        &mut self,
        slot: Option<Slot>,
        report: &ExecutionReport,
        side: Side,
        now: Nanos,
    ) {
        let instruments = std::sync::Arc::clone(&self.instruments);
        let Some(instrument) = instruments.get(report.instrument) else { return };
        if let Some(round) = self.state.rounds.get_mut(usize::from(instrument.venue.0)) {
            round.moved = now;
        }
        match self.book_fill(instrument, side, &report.fill) {
            Some(change) => {
                self.state.counters.fills += 1;
                self.attribute(slot, instrument.id, change);
                self.follow_capital(instrument.id, report.fill.price);
                self.look_at_losses(now);
            }
            None => {
                // The position is not known any more: nothing may be built on it.
                self.state.counters.fills_bad += 1;
                self.halt(now);
            }
        }
    }

    fn book_fill(&mut self, instrument: &Instrument, side: Side, fill: &Fill) -> Option<Amount> {
        let value = instrument.scale.notional(fill.price, fill.qty)?;
        let before = self.state.positions.get(instrument.id);
        self.state.positions.on_fill(instrument, side, fill).ok()?;
        let after = self.state.positions.get(instrument.id);
        let change = after.qty - before.qty;
        let gained = match Mutant::ProfitDropped.is_on() {
            true => Amount::ZERO,
            false => after.realised - before.realised,
        };
        self.state.exposures.hold(instrument, change);
        self.state.balances.on_fill(instrument, side, fill, (value, gained));
        if instrument.is_perpetual() {
            let held = |position: Position| position.cost.0.saturating_abs();
            let grown = held(after).saturating_sub(held(before)).max(0);
            self.state.perpetuals.grow(instrument, Amount(grown));
        }
        Some(change)
    }

    /// Whose the change of a position is: the order's strategy's, or nobody's and so the operator's.
    /// The operator's own orders take positions of strategies back; those that have a signal were of
    /// a strategy that is gone.
    fn attribute(&mut self, slot: Option<Slot>, instrument: InstrumentId, change: Amount) {
        match slot.map(|slot| self.state.orders.get(slot)) {
            Some(order)
                if order.strategy == StrategyId::OPERATOR && order.signal == SignalId(0) =>
            {
                self.state.shares.close(instrument, change);
            }
            Some(order) => self.state.shares.add(instrument, order.strategy, change),
            None => self.state.shares.add(instrument, StrategyId::OPERATOR, change),
        }
    }

    /// A fill that was booked as nobody's has found its order.
    fn attribute_late(&mut self, slot: Option<Slot>, report: &ExecutionReport) {
        let Some(instrument) = self.instruments.get(report.instrument) else { return };
        let (id, fill) = (instrument.id, &report.fill);
        let traded = instrument.scale.base_amount(fill.qty);
        let mut change = if report.side == Side::Buy { traded } else { -traded };
        if fill.fee_asset == instrument.base && !instrument.is_perpetual() {
            change = Amount(change.0.saturating_sub(fill.fee.0));
        }
        let price = fill.price;
        self.state.shares.add(id, StrategyId::OPERATOR, -change);
        self.attribute(slot, id, change);
        self.follow_capital(id, price);
    }

    fn give_to_order(&mut self, slot: Slot, venue: VenueId, report: &ExecutionReport, now: Nanos) {
        let qty = report.fill.qty;
        let order = self.state.orders.get_mut(slot);
        order.acked = true;
        order.seen_alive |= report.origin != ReportOrigin::Reply;
        order.filled = Qty(order.filled.0.saturating_add(qty.0));
        let (late, too_much) = (order.state.is_terminal(), order.filled > order.qty);
        self.state.counters.fills_late += u64::from(late);
        if too_much {
            let numbers = (order.qty.0, order.filled.0);
            self.state.counters.contradictions += 1;
            self.quarantine(venue, report, Flaw::BeyondQty, numbers, now);
        }
    }

    fn on_statement(
        &mut self,
        slot: Slot,
        venue: VenueId,
        report: &ExecutionReport,
        now: Nanos,
        out: &mut Output,
    ) {
        let before = self.state.orders.get(slot).state;
        if report.reason == RejectReason::NotSent && report.kind != ReportKind::CancelRejected {
            self.state.counters.never_sent += 1;
        }
        self.note_signs_of_life(slot, report);
        let Some(trigger) = self.trigger(slot, report, now) else {
            self.settle(slot, now);
            return;
        };
        let changed = self.conclude(slot, trigger, now);
        let order = self.state.orders.get_mut(slot);
        if changed && order.state.is_terminal() {
            order.reason = report.reason;
            let (id, state) = (order.client_id, order.state);
            let ours = !order.external && before == OrderState::Unknown;
            if ours && report.origin == ReportOrigin::Query && self.is_reconciling(venue) {
                self.found(venue, Difference::MissedEnd { order: id, state }, now);
            }
        }
        let always = matches!(
            report.kind,
            ReportKind::CancelRejected | ReportKind::ReplaceRejected | ReportKind::Replaced
        );
        if changed || always {
            self.tell(slot, report, out);
        }
    }

    fn note_signs_of_life(&mut self, slot: Slot, report: &ExecutionReport) {
        let order = self.state.orders.get_mut(slot);
        let alive = match report.kind {
            ReportKind::Status => report.state != OrderState::Rejected,
            ReportKind::Rejected
            | ReportKind::NotFound
            | ReportKind::Unknown
            | ReportKind::CancelRejected
            | ReportKind::ReplaceRejected => false,
            _ => true,
        };
        if !alive || report.origin == ReportOrigin::Local {
            return;
        }
        order.acked = true;
        order.seen_alive |= report.origin != ReportOrigin::Reply;
    }

    /// What a report means for an order; `None` if it proves nothing.
    fn trigger(&mut self, slot: Slot, report: &ExecutionReport, now: Nanos) -> Option<Trigger> {
        if report.kind == ReportKind::NotFound {
            return Some(self.not_found(slot, now));
        }
        let order = self.state.orders.get(slot);
        if let Some(trigger) = in_doubt(order, report) {
            return Some(trigger);
        }
        let full = order.is_full();
        let or_full = |trigger| if full { Trigger::FullFill } else { trigger };
        let gone =
            report.reason == RejectReason::UnknownOrder && report.origin != ReportOrigin::Local;
        Some(match report.kind {
            ReportKind::Accepted if report.origin == ReportOrigin::Reply => {
                or_full(Trigger::Accepted)
            }
            ReportKind::Progress if report.origin == ReportOrigin::Query => {
                or_full(Trigger::PastFill)
            }
            ReportKind::Accepted | ReportKind::Progress => or_full(Trigger::Working),
            ReportKind::Canceled => or_full(Trigger::Canceled),
            ReportKind::Expired => or_full(Trigger::Expired),
            ReportKind::Replaced => or_full(Trigger::Replaced),
            ReportKind::Rejected => return self.rejected(slot, report),
            ReportKind::CancelRejected | ReportKind::ReplaceRejected if gone => Trigger::OrderGone,
            ReportKind::CancelRejected => or_full(Trigger::CancelRejected),
            ReportKind::ReplaceRejected => or_full(Trigger::ReplaceRejected),
            ReportKind::Unknown => Trigger::Lost,
            ReportKind::Status => match report.state {
                OrderState::Filled if self.is_filled_short(slot, report) => return None,
                OrderState::Filled => Trigger::FullFill,
                OrderState::Canceled => or_full(Trigger::Canceled),
                OrderState::Expired => or_full(Trigger::Expired),
                OrderState::Rejected => return self.rejected(slot, report),
                OrderState::Unknown => return None,
                _ => or_full(Trigger::Working),
            },
            ReportKind::Fill | ReportKind::NotFound => return None,
        })
    }

    /// Moves the state and settles. Whether it moved.
    fn conclude(&mut self, slot: Slot, trigger: Trigger, now: Nanos) -> bool {
        let changed = self.advance(slot, trigger, now);
        self.settle(slot, now);
        changed
    }

    /// Makes reserve and deadlines what they have to be after a report.
    fn settle(&mut self, slot: Slot, now: Nanos) {
        self.reserve(slot);
        let first = now.plus(self.options.retry_first_ns);
        let order = self.state.orders.get_mut(slot);
        let awaits = order.awaits_fills();
        let timers = &mut order.timers;
        if !awaits && !timers.look_once {
            timers.fills = Nanos(0);
            timers.fill_asks = 0;
        } else if timers.fills == Nanos(0) {
            timers.fills = first;
        }
        self.watch(slot);
    }

    /// Applies the table. Whether the state changed.
    pub(super) fn advance(&mut self, slot: Slot, trigger: Trigger, now: Nanos) -> bool {
        let order = self.state.orders.get(slot);
        let (from, venue) = (order.state, order.venue);
        let to = match next(from, trigger) {
            Next::Keep => return false,
            Next::Working => order.working_state(),
            Next::To(state) => state,
        };
        if to == from {
            return false;
        }
        self.state.orders.set_state(slot, to, now);
        if !self.state.orders.get(slot).external {
            self.count(venue, from, to);
        }
        self.set_timers(slot, now);
        self.reserve(slot);
        true
    }

    fn count(&mut self, venue: VenueId, from: OrderState, to: OrderState) {
        if from == OrderState::Rejected && to == OrderState::Unknown {
            self.state.counters.contradictions += 1;
        }
        if let Some(ended) = self.ended(from) {
            *ended -= 1;
        }
        if let Some(ended) = self.ended(to) {
            *ended += 1;
        }
        if let Some(at) = self.state.counters.orders_at.get_mut(usize::from(venue.0)) {
            at.count(from, to);
        }
        if to == OrderState::Unknown {
            self.state.counters.unknowns += 1;
        }
    }

    fn ended(&mut self, state: OrderState) -> Option<&mut u64> {
        let counters = &mut self.state.counters;
        match state {
            OrderState::Filled => Some(&mut counters.orders_filled),
            OrderState::Canceled => Some(&mut counters.orders_canceled),
            OrderState::Rejected => Some(&mut counters.orders_rejected),
            OrderState::Expired => Some(&mut counters.orders_expired),
            _ => None,
        }
    }
}

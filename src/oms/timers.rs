//! What happens when nothing happens: unanswered commands become Unknown, Unknown orders are asked
//! for, wanted cancels are repeated, and fills that are known only in sum are fetched. Every pause
//! doubles up to a bound; nothing is given up. A submit or a replace is never sent again. After
//! `queries_max` queries without any answer the venue is said to be not answering and a person is
//! told, and so it is after as many looks for fills; both go on at the longest pause, and what they
//! ask for stays reserved.

#![forbid(unsafe_code)]

use super::differences::Difference;
use super::orders::Slot;
use super::record::{Record, Recorder};
use super::state::FillAsk;
use super::transition::Trigger;
use super::{Books, NEVER, Oms, Output};
use crate::types::{
    CancelOrder, CommandKind, FillId, InstrumentId, Nanos, OrderState, Qty, SignalId, VenueId,
};

/// The venue's clock may be this far behind ours when fills are asked for by time; fills that are
/// reported again are told apart by their ids.
const CLOCK_MARGIN_NS: u64 = 5_000_000_000;
/// So many orders are asked for in one go; the others a moment later, so that a venue which comes
/// back with many orders open meets no burst.
const QUERIES_AT_ONCE: u32 = 8;
const QUERIES_APART_NS: u64 = 50_000_000;

impl<R: Recorder, B: Books> Oms<R, B> {
    /// When [`Oms::on_timer`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Nanos> {
        let short = self.state.risk.journal_full;
        let due = if short { self.due_while_short() } else { self.state.next_due };
        (due != NEVER).then_some(due)
    }

    /// Called often; does nothing before [`Oms::deadline`].
    #[inline]
    pub fn on_timer(&mut self, now: Nanos, out: &mut Output) {
        if now >= self.state.next_due {
            if self.state.risk.journal_full {
                self.on_timer_while_short(now, out);
            } else {
                self.take_timer(now, out);
            }
        }
    }

    /// Records that the time has come, and does what is due.
    pub(super) fn take_timer(&mut self, now: Nanos, out: &mut Output) {
        if now >= self.state.next_due {
            self.recorder.record(now, &Record::Timer);
            self.run_due(true, now, out);
        }
    }

    /// The same without a look at the losses, which stays due.
    pub(super) fn take_timer_but_losses(&mut self, now: Nanos, out: &mut Output) {
        self.recorder.record(now, &Record::TimerButLosses);
        self.run_due(false, now, out);
    }

    #[cold]
    fn run_due(&mut self, losses: bool, now: Nanos, out: &mut Output) {
        self.run_rounds(now, out);
        let pairs = self.run_pairs(now, out);
        let closings = self.run_closings(now, out);
        let look = if losses { self.run_losses(now) } else { self.state.losses.due };
        let own = look.min(closings).min(pairs);
        let (mut due, mut index, mut room) = (own, 0, QUERIES_AT_ONCE);
        while let Some(&slot) = self.state.watch.get(index) {
            self.run_timers(slot, &mut room, now, out);
            let order = self.state.orders.get_mut(slot);
            match order.timers.next() {
                Some(next) => {
                    due = due.min(next);
                    index += 1;
                }
                None => {
                    order.watched = false;
                    self.state.watch.swap_remove(index);
                }
            }
        }
        self.state.next_due = due.min(self.next_round());
    }

    fn run_timers(&mut self, slot: Slot, room: &mut u32, now: Nanos, out: &mut Output) {
        let is_due = |time: Nanos| time > Nanos(0) && time <= now;
        let timers = self.state.orders.get(slot).timers;
        if is_due(timers.reply) {
            self.state.orders.get_mut(slot).timers.reply = Nanos(0);
            self.lose(slot, Trigger::Lost, now, out);
        }
        if is_due(timers.query) {
            if *room > 0 {
                *room -= 1;
                self.query(slot, now, out);
            } else {
                self.state.orders.get_mut(slot).timers.query = now.plus(QUERIES_APART_NS);
            }
        }
        if is_due(timers.cancel) {
            self.state.orders.get_mut(slot).timers.cancel = Nanos(0);
            if self.state.orders.get(slot).cancel_wanted
                && !self.state.orders.get(slot).state.is_terminal()
            {
                self.cancel(slot, now, out);
            }
        }
        if is_due(timers.fills) {
            self.ask_fills(slot, now, out);
        }
    }

    /// The outcome of an order is not known any more.
    pub(super) fn lose(&mut self, slot: Slot, trigger: Trigger, now: Nanos, out: &mut Output) {
        if self.assume_lost(slot, trigger, now) {
            self.tell_unknown(slot, out);
        }
    }

    /// The same without telling the strategy. Whether anything changed.
    pub(super) fn assume_lost(&mut self, slot: Slot, trigger: Trigger, now: Nanos) -> bool {
        let changed = self.advance(slot, trigger, now);
        if changed {
            let order = self.state.orders.get(slot);
            self.recorder.record(now, &Record::Assumed(order.client_id, order.state));
            self.watch(slot);
        }
        changed
    }

    fn query(&mut self, slot: Slot, now: Nanos, out: &mut Output) {
        let tries = self.state.orders.get(slot).timers.queries;
        let again = now.plus(self.pause_ns(tries));
        let order = self.state.orders.get_mut(slot);
        order.timers.query = Nanos(0);
        if order.state != OrderState::Unknown {
            return;
        }
        order.timers.queries = tries.saturating_add(1);
        order.timers.query = again;
        order.timers.unanswered = order.timers.unanswered.saturating_add(1);
        let unanswered = order.timers.unanswered;
        let target = CancelOrder {
            client_id: order.client_id,
            venue_order_id: order.venue_order_id,
            instrument: order.instrument,
        };
        let (venue, signal) = (order.venue, order.signal);
        self.state.counters.queries_sent += 1;
        if unanswered == self.options.queries_max {
            self.not_answering(venue, target.client_id, unanswered, now);
        }
        self.send(venue, CommandKind::Query(target), signal, Nanos(0), now, out);
    }

    fn ask_fills(&mut self, slot: Slot, now: Nanos, out: &mut Output) {
        let tries = self.state.orders.get(slot).timers.fill_asks;
        let again = now.plus(self.pause_ns(tries));
        let order = self.state.orders.get_mut(slot);
        // Asking in vain, the venue's clock must have been further behind than that.
        let margin_ns = CLOCK_MARGIN_NS << tries.saturating_sub(2).min(12);
        let from = Nanos(order.created_ns.0.saturating_sub(margin_ns));
        let (venue, instrument) = (order.venue, order.instrument);
        // A reconciliation may take the answer for its own: it covers both.
        let mark = self.state.marks.get(instrument.index()).map_or(from, |mark| mark.from);
        // What is listed from before the horizon could not be told from what was booked.
        let from = from.min(mark).max(self.state.fills.horizon(instrument));
        let order = self.state.orders.get_mut(slot);
        order.timers.fills = if order.awaits_fills() { again } else { Nanos(0) };
        order.timers.fill_asks = tries.saturating_add(1);
        order.timers.look_once = false;
        let (awaits, asks) = (order.awaits_fills(), order.timers.fill_asks);
        let (order, qty) = (order.client_id, Qty(order.stated.0.saturating_sub(order.filled.0)));
        self.send_fill_request(venue, instrument, from, now, out);
        if awaits && asks == self.options.queries_max {
            self.found(venue, Difference::FillsMissing { order, instrument, qty }, now);
        }
    }

    /// One request serves all orders of an instrument that ask at the same time.
    fn send_fill_request(
        &mut self,
        venue: VenueId,
        instrument: InstrumentId,
        from: Nanos,
        now: Nanos,
        out: &mut Output,
    ) {
        let Some(last) = self.state.fill_asks.get_mut(instrument.index()) else { return };
        if last.at == now && last.from <= from {
            return;
        }
        *last = FillAsk { at: now, from };
        // By time, not by the last id: ids arrive out of order and the missing one may be older.
        let kind = CommandKind::FillsSince { instrument, from_id: FillId::EMPTY, from_ns: from };
        self.state.counters.fill_requests_sent += 1;
        self.send(venue, kind, SignalId(0), Nanos(0), now, out);
    }

    /// Deadlines of an order that has just come into its state.
    pub(super) fn set_timers(&mut self, slot: Slot, now: Nanos) {
        let reply = now.plus(self.options.reply_timeout_ns);
        let first = now.plus(self.options.retry_first_ns);
        let cancel = now.plus(self.pause_ns(self.state.orders.get(slot).timers.cancels));
        let order = self.state.orders.get_mut(slot);
        let timers = &mut order.timers;
        (timers.reply, timers.query, timers.cancel) = (Nanos(0), Nanos(0), Nanos(0));
        match order.state {
            OrderState::PendingNew | OrderState::Open | OrderState::PartiallyFilled => {
                if order.cancel_wanted {
                    timers.cancel = cancel;
                }
                if order.state == OrderState::PendingNew {
                    timers.reply = reply;
                }
            }
            OrderState::PendingCancel | OrderState::PendingReplace => timers.reply = reply,
            OrderState::Unknown => {
                timers.query = first;
                timers.queries = 0;
                timers.unanswered = 0;
                timers.not_found = 0;
            }
            _ => {}
        }
    }
}

//! Our state against the venue's: at start, after every loss of the private stream, every so often
//! and on command.
//!
//! One round asks for one thing at a time, so that it never bursts: for each instrument the fills
//! since the last known ones, then the open orders; then it waits until every order that the venue
//! does not list is answered for and the fills that were told of in sum have come, or have been asked
//! for `queries_max` times; then, where there are perpetuals, the payments of funding; then the
//! balances (on spot they are the positions) and positions. What arrives
//! meanwhile makes no false difference: an order is judged only if nothing was heard of it since
//! shortly before the request left, and a balance that is off must be off in several rounds of
//! answers, with no fill in between, before it counts. Fills come first because they explain
//! balances. What is left unexplained halts the venue until a person accepts the venue's numbers or
//! they agree again: a deposit looks like that too.
//!
//! The first round takes the venue's balances as the opening; fills of before that which are not
//! of our orders are part of it.

#![forbid(unsafe_code)]

use super::differences::Difference;
use super::orders::{Order, Slot};
use super::record::Recorder;
use super::transition::Trigger;
use super::{Books, NEVER, Oms, Output};
use crate::types::{
    ClientOrderId, CommandKind, ExecutionReport, FillId, InstrumentId, Nanos, OrderState,
    ReportKind, ReportOrigin, SignalId, VenueId,
};
use serde::{Deserialize, Serialize};

/// Lists come from replicas that may be this far behind the stream.
pub(super) const LAG_NS: u64 = 2_000_000_000;
/// Fills are asked for from this long before the last complete answer.
const OVERLAP_NS: u64 = 30_000_000_000;

/// What a round waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Step {
    /// No round runs.
    #[default]
    Idle,
    /// The fills of an instrument.
    Fills(InstrumentId),
    /// The open orders of an instrument.
    Orders(InstrumentId),
    /// What became of the orders that are not listed.
    Answers,
    /// The balances.
    Balances,
    /// Payments of funding, which explain balances; only where there are perpetuals.
    Funding,
}

/// How far the reconciliation of one venue has come.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Round {
    /// Counts the passes of all rounds; orders that the venue lists are marked with it.
    pub number: u32,
    pub step: Step,
    /// When the next request is due; 0 for none.
    pub due: Nanos,
    /// When the earliest request of this step left; 0 before it.
    pub asked: Nanos,
    pub tries: u32,
    pub doubts: u32,
    /// When all channels were last ready: no stream told of what was before.
    pub connected: Nanos,
    /// When a fill was last booked here.
    pub moved: Nanos,
    /// When the balances of the opening were asked for; 0 until they are taken over.
    pub opened: Nanos,
}

/// From where the fills of an instrument are asked for.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct FillMark {
    /// Last fill of the complete answer before the last one; empty if there is none.
    pub id: FillId,
    /// Earliest time that the next answer must cover.
    pub from: Nanos,
    /// Last fill of the last complete answer.
    last: FillId,
    /// Last fill of the answer that is arriving.
    pub(super) running: FillId,
}

impl FillMark {
    pub fn new(start: Nanos) -> Self {
        Self { from: Nanos(start.0.saturating_sub(OVERLAP_NS)), ..Self::default() }
    }

    /// An answer that was asked for at `asked` is complete.
    fn advance(&mut self, asked: Nanos) {
        self.from = self.from.max(Nanos(asked.0.saturating_sub(OVERLAP_NS)));
        self.id = self.last;
        if !self.running.is_empty() {
            self.last = self.running;
        }
        self.running = FillId::EMPTY;
    }
}

impl<R: Recorder, B: Books> Oms<R, B> {
    /// Whether a venue gets no new orders because a person has to decide.
    #[must_use]
    pub fn is_halted(&self, venue: VenueId) -> bool {
        self.state.venues.is_halted(venue)
    }

    pub(super) fn round(&mut self, venue: VenueId) -> Option<&mut Round> {
        self.state.rounds.get_mut(usize::from(venue.0))
    }

    pub(super) fn stage(&self, venue: VenueId) -> (Step, Nanos) {
        let round = self.state.rounds.get(usize::from(venue.0));
        round.map_or((Step::Idle, Nanos(0)), |round| (round.step, round.asked))
    }

    pub(super) fn set_due(&mut self, venue: VenueId, due: Nanos) {
        if let Some(round) = self.round(venue) {
            round.due = due;
            if due > Nanos(0) {
                self.state.next_due = self.state.next_due.min(due);
            }
        }
    }

    /// When a round has something to do next.
    pub(super) fn next_round(&self) -> Nanos {
        let due = self.state.rounds.iter().map(|round| round.due).filter(|due| *due > Nanos(0));
        due.min().unwrap_or(NEVER)
    }

    pub(super) fn run_rounds(&mut self, now: Nanos, out: &mut Output) {
        for index in 0..self.state.rounds.len() {
            let due = self.state.rounds[index].due;
            if due > Nanos(0) && due <= now {
                self.run_step(VenueId(index as u8), now, out);
            }
        }
    }

    /// All channels of a venue are ready, with something missed or not.
    pub(super) fn on_connected(&mut self, venue: VenueId, now: Nanos, out: &mut Output) {
        if let Some(round) = self.round(venue) {
            round.connected = now;
        }
        let (step, _) = self.stage(venue);
        if step != Step::Idle || !self.state.venues.is_reconciled(venue) {
            self.begin_round(venue, now, out);
        } else {
            self.rest(venue, now);
        }
    }

    /// The stream is lost: what was asked is worth nothing.
    pub(super) fn abandon_round(&mut self, venue: VenueId) {
        if let Some(round) = self.round(venue) {
            (round.step, round.due, round.asked) = (Step::Idle, Nanos(0), Nanos(0));
        }
    }

    pub(super) fn begin_round(&mut self, venue: VenueId, now: Nanos, out: &mut Output) {
        if self.options.reconcile_every_ns == 0 || !self.state.venues.is_connected(venue) {
            return;
        }
        if let Some(round) = self.round(venue) {
            round.number += 1;
            round.doubts = 0;
        }
        self.go_to(venue, self.first_step(venue), now, out);
    }

    pub(super) fn first_step(&self, venue: VenueId) -> Step {
        let first = self.instruments.of_venue(venue).next();
        first.map_or(Step::Answers, |row| Step::Fills(row.id))
    }

    fn step_after(&self, venue: VenueId, instrument: InstrumentId) -> Step {
        let next = self.instruments.of_venue(venue).find(|row| row.id > instrument);
        next.map_or(Step::Answers, |row| Step::Fills(row.id))
    }

    fn go_to(&mut self, venue: VenueId, step: Step, now: Nanos, out: &mut Output) {
        if let Some(round) = self.round(venue) {
            (round.step, round.asked, round.tries) = (step, Nanos(0), 0);
        }
        self.run_step(venue, now, out);
    }

    fn run_step(&mut self, venue: VenueId, now: Nanos, out: &mut Output) {
        if !self.state.venues.is_connected(venue) {
            self.set_due(venue, Nanos(0));
            return;
        }
        let until = self.state.venues.suspended_until(venue);
        if now < until {
            self.set_due(venue, until);
            return;
        }
        match self.stage(venue).0 {
            Step::Idle => self.begin_round(venue, now, out),
            Step::Fills(instrument) => {
                let mark = self.state.marks.get(instrument.index()).copied().unwrap_or_default();
                let horizon = self.state.fills.horizon(instrument);
                let (from_id, from_ns) = (mark.id, mark.from.max(horizon));
                self.state.counters.fill_requests_sent += 1;
                let kind = CommandKind::FillsSince { instrument, from_id, from_ns };
                self.ask(venue, kind, now, out);
            }
            Step::Orders(instrument) => {
                self.ask(venue, CommandKind::OpenOrders(instrument), now, out);
            }
            Step::Answers => self.await_answers(venue, now, out),
            Step::Funding => {
                let from = self.payments_from(venue);
                self.ask(venue, CommandKind::FundingSince(from), now, out);
            }
            Step::Balances => {
                if self.stage(venue).1 == Nanos(0) {
                    self.state.perpetuals.asks(venue);
                }
                self.ask(venue, CommandKind::Balances, now, out);
            }
        }
    }

    fn ask(&mut self, venue: VenueId, kind: CommandKind, now: Nanos, out: &mut Output) {
        let queries_max = self.options.queries_max;
        let Some(round) = self.round(venue) else { return };
        if round.asked == Nanos(0) {
            round.asked = now;
        }
        round.tries += 1;
        let tries = round.tries;
        if tries == queries_max {
            self.not_answering(venue, ClientOrderId::NONE, tries, now);
        }
        self.set_due(venue, now.plus(self.options.reply_timeout_ns.max(1)));
        self.send(venue, kind, SignalId(0), Nanos(0), now, out);
    }

    /// A request that was no order failed, perhaps this one: asked again after a pause.
    pub(super) fn on_request_failed(&mut self, venue: VenueId, now: Nanos) {
        let (step, asked) = self.stage(venue);
        if step != Step::Idle && asked > Nanos(0) {
            let tries = self.round(venue).map_or(0, |round| round.tries);
            self.set_due(venue, now.plus(self.pause_ns(tries).max(1)));
        }
    }

    /// A list of fills is complete.
    pub(super) fn on_fills_end(
        &mut self,
        venue: VenueId,
        instrument: InstrumentId,
        now: Nanos,
        out: &mut Output,
    ) {
        let (step, asked) = self.stage(venue);
        if step == Step::Fills(instrument) && asked > Nanos(0) {
            if let Some(mark) = self.state.marks.get_mut(instrument.index()) {
                mark.advance(asked);
            }
            self.go_to(venue, Step::Orders(instrument), now, out);
        }
    }

    /// The list of payments is complete.
    pub(super) fn on_funding_end(&mut self, venue: VenueId, now: Nanos, out: &mut Output) {
        let (step, asked) = self.stage(venue);
        if step == Step::Funding && asked > Nanos(0) {
            self.advance_payments(venue, asked);
            self.go_to(venue, Step::Balances, now, out);
        }
    }

    /// A fill was listed, booked before or not. Whether it shows that a stream has failed to tell
    /// of it: it is older than the stream, or than any delay of it.
    pub(super) fn on_listed_fill(&mut self, venue: VenueId, report: &ExecutionReport) -> bool {
        if !self.is_listed_fill(venue, report) {
            return false;
        }
        let (_, asked) = self.stage(venue);
        if let Some(mark) = self.state.marks.get_mut(report.instrument.index()) {
            mark.running = report.fill.fill_id;
        }
        let connected = self.round(venue).map_or(Nanos(0), |round| round.connected);
        report.event_ns < connected || report.event_ns.plus(LAG_NS) < asked
    }

    /// Whether a fill is in the list that a reconciliation reads.
    pub(super) fn is_listed_fill(&self, venue: VenueId, report: &ExecutionReport) -> bool {
        report.origin == ReportOrigin::Query
            && self.stage(venue).0 == Step::Fills(report.instrument)
    }

    /// An order was reported as open in an answer: if it is a list, the order is in it.
    pub(super) fn on_listed_order(&mut self, venue: VenueId, slot: Slot, report: &ExecutionReport) {
        let (step, _) = self.stage(venue);
        let listed = report.kind == ReportKind::Status && report.origin == ReportOrigin::Query;
        if listed && step == Step::Orders(report.instrument) && !report.state.is_terminal() {
            let number = self.round(venue).map_or(0, |round| round.number);
            self.state.orders.get_mut(slot).listed = number;
        }
    }

    /// Whether a venue is being asked what it knows.
    #[must_use]
    pub fn is_reconciling(&self, venue: VenueId) -> bool {
        self.stage(venue).0 != Step::Idle
    }

    /// The list of open orders is complete: what it says of each order that was handed over, and
    /// last heard of, before it was asked for.
    pub(super) fn on_orders_end(
        &mut self,
        venue: VenueId,
        instrument: InstrumentId,
        now: Nanos,
        out: &mut Output,
    ) {
        let (step, asked) = self.stage(venue);
        if step != Step::Orders(instrument) || asked == Nanos(0) {
            return;
        }
        let number = self.round(venue).map_or(0, |round| round.number);
        for slot in self.state.orders.slots() {
            let order = self.state.orders.get(slot);
            // Being Unknown is our own assumption, not something heard.
            let known = if order.state == OrderState::Unknown { Nanos(0) } else { order.since_ns };
            let heard = order.touched_ns.max(order.created_ns).max(known);
            if order.instrument == instrument && heard.plus(LAG_NS) <= asked {
                self.judge_order(venue, slot, order.listed == number, now, out);
            }
        }
        self.go_to(venue, self.step_after(venue, instrument), now, out);
    }

    fn judge_order(
        &mut self,
        venue: VenueId,
        slot: Slot,
        listed: bool,
        now: Nanos,
        out: &mut Output,
    ) {
        let Order { state, acked, client_id: order, venue_order_id, .. } =
            *self.state.orders.get(slot);
        match (state, listed) {
            (state, true) if state.is_terminal() => {
                self.found(venue, Difference::OrderAlive { order, venue_order_id }, now);
                self.lose(slot, Trigger::Listed, now, out);
                self.query_now(slot, now);
            }
            // That it is not open tells nothing of how it ended, nor whether it ever was.
            (OrderState::Unknown, false) => self.query_now(slot, now),
            (state, false) if !state.is_terminal() && acked => {
                self.found(venue, Difference::OrderGone { order, venue_order_id }, now);
                self.lose(slot, Trigger::OrderGone, now, out);
                self.query_now(slot, now);
            }
            _ => {}
        }
    }

    fn query_now(&mut self, slot: Slot, now: Nanos) {
        let order = self.state.orders.get_mut(slot);
        if order.state == OrderState::Unknown {
            order.timers.query = now;
            self.watch(slot);
        }
    }

    /// Goes on once every order is answered for and every fill that was told of is booked, or has
    /// been asked for so often in vain that the balances have to say what is true.
    fn await_answers(&mut self, venue: VenueId, now: Nanos, out: &mut Output) {
        let asks_max = self.options.queries_max;
        let unanswered = |order: &Order| {
            let open = order.state == OrderState::Unknown && order.timers.not_found == 0;
            let fills = order.awaits_fills() && order.timers.fill_asks < asks_max;
            order.venue == venue && (open || fills)
        };
        if self.state.orders.iter().any(unanswered) {
            self.set_due(venue, now.plus(self.options.retry_first_ns.max(1)));
        } else {
            let next = if self.has_perpetuals(venue) { Step::Funding } else { Step::Balances };
            self.go_to(venue, next, now, out);
        }
    }

    /// A report may have been the last that a round waited for.
    pub(super) fn try_round(&mut self, venue: VenueId, now: Nanos, out: &mut Output) {
        if self.stage(venue).0 == Step::Answers {
            self.await_answers(venue, now, out);
        }
    }

    /// No round until the next is due.
    pub(super) fn rest(&mut self, venue: VenueId, now: Nanos) {
        self.abandon_round(venue);
        if self.options.reconcile_every_ns > 0 {
            self.set_due(venue, now.plus(self.options.reconcile_every_ns));
        }
    }
}

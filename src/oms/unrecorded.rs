//! What is not recorded one by one, because nothing follows from it: fills that a venue lists again,
//! and, while the journal has room for cancels and reports only, what strategies ask for in vain and
//! the looks at the losses.
//!
//! Requests and fills are counted here at once, and the sums are recorded: those of fills before the next
//! notice of their venue, those of requests when there is room again and at the end of a run. The state
//! changes with these records alone, so a replay follows; a crash in between loses counts and nothing
//! else.

#![forbid(unsafe_code)]

use super::fills::Mark;
use super::looks::Looks;
use super::orders::{Order, Slot};
use super::reconcile::Step;
use super::record::{Record, Recorder};
use super::risk::RiskReject;
use super::{Books, Oms, OmsCounters, Output};
use crate::mutants::Mutant;
use crate::types::{
    ClientOrderId, ExecutionReport, FillId, InstrumentId, InstrumentTable, Nanos, OrderState,
    RejectReason, ReportKind, ReportOrigin, Request, StrategyId, VenueId,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Requests that were refused without a record each, because the journal was short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedUnrecorded {
    /// Signals.
    pub signals: u64,
    /// Changes of orders.
    pub changes: u64,
    /// Cancels of orders that had ended or never were.
    pub cancels: u64,
}

/// Fills of a venue that were told of again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownFills {
    /// Whose list a reconciliation reads; nothing where `last` is empty.
    pub instrument: InstrumentId,
    /// How many, of all instruments.
    pub fills: u64,
    /// The last of that list; empty if a new one came after it, or there is no such list.
    pub last: FillId,
}

/// What is counted and not recorded yet.
#[derive(Clone, Debug)]
pub(super) struct Unrecorded {
    refused: RefusedUnrecorded,
    /// By venue.
    known: Vec<KnownFills>,
    pub looks: Looks,
}

impl Unrecorded {
    pub fn new(venues: usize, table: &InstrumentTable) -> Self {
        Self {
            refused: RefusedUnrecorded::default(),
            known: vec![KnownFills::default(); venues],
            looks: Looks::new(table),
        }
    }

    /// These counters with what is not recorded yet.
    pub fn added_to(&self, mut counters: OmsCounters) -> OmsCounters {
        counters.refused_unrecorded(self.refused);
        counters.fills_repeated += self.known.iter().map(|known| known.fills).sum::<u64>();
        counters
    }
}

impl OmsCounters {
    fn refused_unrecorded(&mut self, refused: RefusedUnrecorded) {
        let RefusedUnrecorded { signals, changes, cancels } = refused;
        self.signals += signals;
        self.signals_refused += signals;
        self.refusals[RiskReject::JournalFull as usize] += signals + changes;
        self.refusals[RiskReject::NoSuchOrder as usize] += cancels;
    }
}

impl fmt::Display for RefusedUnrecorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { signals, changes, cancels } = self;
        write!(
            f,
            "{signals} signals, {changes} changes and {cancels} cancels of no open order were refused \
             without a record each"
        )
    }
}

impl<R: Recorder, B: Books> Oms<R, B> {
    /// Whether new orders are refused because the journal is short.
    #[must_use]
    pub fn is_journal_full(&self) -> bool {
        self.state.risk.journal_full
    }

    /// The journal has room for cancels and reports only, or has room again.
    pub fn on_journal_full(&mut self, full: bool, now: Nanos) {
        if self.state.risk.journal_full != full {
            self.recorder.record(now, &Record::JournalFull(full));
            self.state.risk.journal_full = full;
            self.unrecorded.looks.begin();
            if !full {
                self.record_unrecorded(now);
            }
        }
    }

    /// Requests that were refused without a record each since the journal became short.
    #[must_use]
    pub fn refused_unrecorded(&self) -> RefusedUnrecorded {
        self.unrecorded.refused
    }

    /// Answers a request from which nothing can follow while the journal is short. False if it must be
    /// recorded and carried out.
    pub(super) fn refuse_unrecorded(
        &mut self,
        strategy: StrategyId,
        request: &Request,
        out: &mut Output,
    ) -> bool {
        if !self.state.risk.journal_full {
            return false;
        }
        let refused = &mut self.unrecorded.refused;
        let code = RiskReject::JournalFull;
        match request {
            Request::Signal(signal) => {
                refused.signals += 1;
                self.tell_refusal(strategy, signal, (None, code), Nanos(0), out);
                true
            }
            Request::Replace { id, .. } => {
                refused.changes += 1;
                let kind = ReportKind::ReplaceRejected;
                self.tell_no_change(strategy, *id, kind, (code, RejectReason::None), out);
                true
            }
            Request::Cancel(id) => self.refuse_cancel(strategy, *id, out),
            Request::CancelAll => {
                let mut open = self.state.orders.iter().filter(|order| {
                    order.strategy == strategy && !order.external && !order.state.is_terminal()
                });
                open.all(is_being_cancelled)
            }
            Request::Watch(_) => false,
        }
    }

    fn refuse_cancel(&mut self, strategy: StrategyId, id: ClientOrderId, out: &mut Output) -> bool {
        match self.live_order_of(strategy, id) {
            Some(slot) => is_being_cancelled(self.state.orders.get(slot)),
            None => {
                self.unrecorded.refused.cancels += 1;
                self.tell_no_cancel(strategy, id, out);
                true
            }
        }
    }

    /// Whether a report tells of a fill that is booked, of an order with which all is done: nothing
    /// follows from it. A stream repeats little, and that is recorded while there is room.
    pub(super) fn is_known_fill(&self, venue: VenueId, report: &ExecutionReport) -> bool {
        let again = report.origin == ReportOrigin::Query || self.state.risk.journal_full;
        if report.kind != ReportKind::Fill || !again || !report.fill.is_sound() {
            return false;
        }
        let (instrument, id) = (report.instrument, &report.fill.fill_id);
        let at_home = self.instruments.get(instrument).is_some_and(|row| row.venue == venue);
        let Some(mark) = self.state.fills.mark(instrument, report.side, id) else { return false };
        if !at_home || self.stage(venue).0 == Step::Answers || Mutant::FillTwice.is_on() {
            return false;
        }
        match self.find(report) {
            None => report.cumulative_qty.is_none(),
            Some(slot) => mark == Mark::Ours && self.has_no_more(slot, venue, report),
        }
    }

    /// Whether a known fill changes nothing of an order.
    fn has_no_more(&self, slot: Slot, venue: VenueId, report: &ExecutionReport) -> bool {
        let order = self.state.orders.get(slot);
        let ended = match order.state {
            OrderState::Filled => true,
            OrderState::Canceled | OrderState::Expired => !order.is_full(),
            _ => false,
        };
        let id = &report.venue_order_id;
        let same_id = id.is_empty() || *id == order.venue_order_id || *id == order.former_venue_id;
        let same_sum = report.cumulative_qty.is_none_or(|sum| sum == order.stated);
        let timers = &order.timers;
        let waits = timers.next().is_some() || timers.look_once || timers.unanswered > 0;
        let ours =
            (order.venue, order.instrument, order.external) == (venue, report.instrument, false);
        ours && ended
            && same_id
            && same_sum
            && !waits
            && !order.awaits_fills()
            && self.is_pair_done(order.pair)
    }

    /// Counts a fill that [`Oms::is_known_fill`].
    pub(super) fn note_known_fill(&mut self, venue: VenueId, report: &ExecutionReport, now: Nanos) {
        let instrument = report.instrument;
        let listed = self.is_listed_fill(venue, report);
        let at = usize::from(venue.0);
        let of_another =
            |known: &KnownFills| !known.last.is_empty() && known.instrument != instrument;
        if listed && self.unrecorded.known.get(at).is_some_and(of_another) {
            self.record_known_fills(venue, now);
        }
        let Some(known) = self.unrecorded.known.get_mut(at) else { return };
        known.fills += 1;
        if listed {
            (known.instrument, known.last) = (instrument, report.fill.fill_id);
        }
    }

    /// A fill of a list was recorded: it is now the last.
    pub(super) fn note_recorded_fill(&mut self, venue: VenueId, report: &ExecutionReport) {
        let known = self.unrecorded.known.get_mut(usize::from(venue.0));
        if let Some(known) = known.filter(|known| known.instrument == report.instrument) {
            known.last = FillId::EMPTY;
        }
    }

    /// Records how many known fills a venue has told of, if it has.
    pub(super) fn record_known_fills(&mut self, venue: VenueId, now: Nanos) {
        let Some(known) = self.unrecorded.known.get_mut(usize::from(venue.0)) else { return };
        if known.fills > 0 {
            let known = std::mem::take(known);
            self.recorder.record(now, &Record::KnownFills(venue, known));
            self.take_known_fills(known);
        }
    }

    /// What the record of known fills changes.
    pub(super) fn take_known_fills(&mut self, known: KnownFills) {
        self.state.counters.fills_repeated += known.fills;
        if let Some(mark) = self.state.marks.get_mut(known.instrument.index())
            && !known.last.is_empty()
        {
            mark.running = known.last;
        }
    }

    /// Records everything that was counted.
    pub(super) fn record_unrecorded(&mut self, now: Nanos) {
        for venue in 0..self.unrecorded.known.len() {
            self.record_known_fills(VenueId(venue as u8), now);
        }
        let refused = std::mem::take(&mut self.unrecorded.refused);
        if refused != RefusedUnrecorded::default() {
            self.recorder.record(now, &Record::RefusedUnrecorded(refused));
            self.state.counters.refused_unrecorded(refused);
        }
    }

    /// What the record of refused requests changes.
    pub(super) fn take_refused(&mut self, refused: RefusedUnrecorded) {
        self.state.counters.refused_unrecorded(refused);
    }
}

/// Whether a cancel of an order is on its way, so that another changes nothing.
fn is_being_cancelled(order: &Order) -> bool {
    order.state == OrderState::PendingCancel && order.cancel_wanted
}

//! Statements that contradict themselves, their order or what was proved before, and what is done
//! with each. All of them are quarantined: recorded and told, with the raw frame in the log.
//!
//! | flaw | what is done |
//! |---|---|
//! | names our order, other instrument or venue | not applied to the order; a fill is booked as external, because money moved |
//! | fill on the other side, at a worse price, beyond the quantity | booked on the order's side: the position at the venue is what counts, and the balances will tell |
//! | filled sum above the quantity | believed: the larger sum stays reserved until its fills are booked |
//! | filled sum going backwards | refused: a sum never shrinks |
//! | filled with a sum below the quantity | the sum is believed, the end is not: the order stays as it is and reserved |
//! | another venue id without a replace | applied, the first id stays |
//! | a larger order than was asked for | believed and reserved |
//! | fill without id, quantity or price | not booked; the fills of the order are asked for |
//! | unknown fill, no younger than those that are forgotten | not booked: it may have been; the balances will tell |
//!
//! A smaller sum in a report that is older by the venue's own time is not a flaw: reports overtake
//! one another.

#![forbid(unsafe_code)]

use super::differences::Flaw;
use super::fills::{Mark, Seen};
use super::orders::Slot;
use super::record::Recorder;
use super::{Books, Oms};
use crate::mutants::Mutant;
use crate::types::{
    ExecutionReport, Nanos, OrderState, OrderType, Price, Qty, ReportKind, ReportOrigin, Side,
    VenueId,
};

impl<R: Recorder, B: Books> Oms<R, B> {
    /// A report names an order of ours with an instrument or venue that is not its own.
    pub(super) fn on_misfit(
        &mut self,
        slot: Slot,
        venue: VenueId,
        report: &ExecutionReport,
        now: Nanos,
    ) {
        self.state.counters.contradictions += 1;
        let order = self.state.orders.get(slot);
        let numbers = (i64::from(order.instrument.0), i64::from(report.instrument.0));
        self.quarantine(venue, report, Flaw::OtherInstrument, numbers, now);
        let known = self.instruments.get(report.instrument).is_some_and(|row| row.venue == venue);
        if known && report.kind == ReportKind::Fill && report.fill.is_sound() {
            self.on_external_fill(venue, report, now);
        }
    }

    /// Whether a sound fill was seen before; notes it otherwise.
    pub(super) fn see_fill(&mut self, report: &ExecutionReport, mark: Mark) -> Seen {
        let (instrument, side) = (report.instrument, report.side);
        self.state.fills.see(instrument, side, &report.fill.fill_id, report.event_ns, mark)
    }

    /// A fill may have been booked before what is remembered: it is told of, and the balances say
    /// whether it was.
    pub(super) fn refuse_old_fill(
        &mut self,
        venue: VenueId,
        report: &ExecutionReport,
        horizon: Nanos,
        now: Nanos,
    ) {
        let as_number = |at: Nanos| i64::try_from(at.0).unwrap_or(i64::MAX);
        let numbers = (as_number(horizon), as_number(report.event_ns));
        self.quarantine(venue, report, Flaw::OldFill, numbers, now);
    }

    /// Flaws of a fill that is booked all the same.
    pub(super) fn inspect_fill(
        &mut self,
        slot: Slot,
        venue: VenueId,
        report: &ExecutionReport,
        now: Nanos,
    ) {
        let order = *self.state.orders.get(slot);
        let fill = &report.fill;
        if report.side != order.side {
            let numbers = (order.side as i64, report.side as i64);
            self.quarantine(venue, report, Flaw::OtherSide, numbers, now);
        }
        let limits = [Some(order.price), order.pending.map(|terms| terms.price)];
        let limits = limits.into_iter().flatten();
        let (worst, worse) = match order.side {
            Side::Buy => {
                limits.max().map_or((Price(0), false), |worst| (worst, fill.price > worst))
            }
            Side::Sell => {
                limits.min().map_or((Price(0), false), |worst| (worst, fill.price < worst))
            }
        };
        if order.order_type == OrderType::Limit && worst > Price(0) && worse {
            let numbers = (worst.0, fill.price.0);
            self.quarantine(venue, report, Flaw::WorsePrice, numbers, now);
        }
    }

    /// Whether a report ends the order as filled with less than all of it.
    pub(super) fn is_filled_short(&self, slot: Slot, report: &ExecutionReport) -> bool {
        let order = self.state.orders.get(slot);
        let total = if report.qty > Qty::ZERO { report.qty } else { order.qty };
        report.kind == ReportKind::Status
            && report.state == OrderState::Filled
            && report.cumulative_qty.is_some_and(|sum| sum < total)
    }

    /// The venue's own sum only ever grows; an older report cannot take it back.
    pub(super) fn learn_cumulative(
        &mut self,
        slot: Slot,
        venue: VenueId,
        report: &ExecutionReport,
        now: Nanos,
    ) {
        if report.origin == ReportOrigin::Local {
            return;
        }
        if Mutant::CumulativeBackwards.is_on() {
            let order = self.state.orders.get_mut(slot);
            order.stated = report.cumulative_qty.unwrap_or(order.stated);
            order.filled = order.filled.min(order.stated);
            return;
        }
        let short = self.is_filled_short(slot, report);
        if short {
            let numbers = (report.qty.0, report.cumulative_qty.map_or(0, |sum| sum.0));
            self.quarantine(venue, report, Flaw::FilledShort, numbers, now);
        }
        let order = self.state.orders.get_mut(slot);
        let says_all = report.kind == ReportKind::Status && report.state == OrderState::Filled;
        if says_all && !short && report.qty > Qty::ZERO && !order.state.is_terminal() {
            // Its terms changed while nobody listened.
            order.qty = report.qty;
            order.pending = None;
        }
        let all = if says_all && !short { order.qty } else { Qty::ZERO };
        let stated = report.cumulative_qty.unwrap_or(Qty::ZERO).max(all);
        let known = order.stated;
        if stated > known {
            order.stated = stated;
            order.stated_ns = report.event_ns;
            if order.external {
                order.filled = stated;
            }
            if stated > order.qty {
                let numbers = (order.qty.0, stated.0);
                self.state.counters.contradictions += 1;
                self.quarantine(venue, report, Flaw::SumAboveQty, numbers, now);
            }
            return;
        }
        let later = order.stated_ns > Nanos(0) && report.event_ns > order.stated_ns;
        if later && report.cumulative_qty.is_some_and(|sum| sum < known) {
            self.state.counters.sums_backwards += 1;
            self.quarantine(venue, report, Flaw::SumBackwards, (known.0, stated.0), now);
        }
    }

    /// The venue's id of an order; a replace may give it a new one, and both find it.
    pub(super) fn learn_venue_id(
        &mut self,
        slot: Slot,
        venue: VenueId,
        report: &ExecutionReport,
        now: Nanos,
    ) {
        let id = &report.venue_order_id;
        let order = self.state.orders.get(slot);
        if id.is_empty() || order.venue_order_id == *id || order.former_venue_id == *id {
            return;
        }
        if let Some(other) = self.state.orders.by_venue(order.instrument, id)
            && self.state.orders.get(other).external
        {
            // It was adopted before our own name for it was told.
            self.disown(other, now);
        }
        let order = self.state.orders.get(slot);
        if order.venue_order_id.is_empty() {
            self.state.orders.name(slot, id);
        } else if report.kind == ReportKind::Replaced || order.pending.is_some() {
            self.state.orders.rename(slot, id);
        } else {
            self.state.counters.contradictions += 1;
            self.quarantine(venue, report, Flaw::OtherVenueId, (0, 0), now);
        }
    }

    /// An adopted order turned out to be one of ours.
    fn disown(&mut self, slot: Slot, now: Nanos) {
        self.state.orders.forget_venue_ids(slot);
        if !self.state.orders.get(slot).state.is_terminal() {
            self.state.orders.set_state(slot, OrderState::Canceled, now);
            self.set_timers(slot, now);
        }
        self.reserve(slot);
    }
}

//! Orders that we did not place: by hand, by another program, by a venue's liquidation.
//!
//! They are adopted where a stream or a list shows them alive: their exposure is reserved, they are
//! shown, and the operator's cancel-all and flatten reach them; a strategy's cancel-all and the end
//! of a run do not. Their filled sum is the venue's own: the fills that it is made of are booked into positions and balances as they are
//! told, but are never added up here, because some of them lie before the adoption. Fills of before
//! the opening balance are part of it and booked nowhere, unless their order turns out to be ours.

#![forbid(unsafe_code)]

use super::differences::{Difference, Finding};
use super::fills::{Mark, Seen};
use super::orders::{Order, Slot};
use super::record::Recorder;
use super::{Books, Oms};
use crate::mutants::Mutant;
use crate::types::{
    ExecutionReport, Nanos, NewOrder, OrderState, OrderType, Price, Qty, ReportKind, ReportOrigin,
    Side, SignalId, StrategyId, TimeInForce, VenueId,
};

impl Order {
    /// An order that is not ours, as a report shows it working.
    fn external(report: &ExecutionReport, venue: VenueId, now: Nanos) -> Self {
        let market = report.price == Price(0);
        let order = NewOrder {
            client_id: report.client_id,
            instrument: report.instrument,
            side: report.side,
            order_type: if market { OrderType::Market } else { OrderType::Limit },
            time_in_force: TimeInForce::Gtc,
            post_only: false,
            reduce_only: false,
            price: report.price,
            qty: report.qty,
        };
        let filled = report.cumulative_qty.unwrap_or(Qty::ZERO);
        let mut order = Self {
            external: true,
            strategy: StrategyId::EXTERNAL,
            filled,
            stated: filled,
            stated_ns: report.event_ns,
            acked: true,
            seen_alive: true,
            ..Self::new(&order, venue, SignalId(0), 0, now)
        };
        order.state = order.working_state();
        order
    }
}

impl<R: Recorder, B: Books> Oms<R, B> {
    /// Takes in an order that is not in the table, if the report shows it alive.
    pub(super) fn adopt(
        &mut self,
        venue: VenueId,
        report: &ExecutionReport,
        now: Nanos,
    ) -> Option<Slot> {
        let cumulative = report.cumulative_qty.unwrap_or(Qty::ZERO);
        let alive = match report.kind {
            ReportKind::Accepted | ReportKind::Replaced | ReportKind::Progress => true,
            ReportKind::Status => {
                matches!(report.state, OrderState::Open | OrderState::PartiallyFilled)
            }
            ReportKind::Fill => report.cumulative_qty.is_some(),
            _ => false,
        };
        let proved = matches!(report.origin, ReportOrigin::Stream | ReportOrigin::Query);
        let known = self.instruments.get(report.instrument).is_some_and(|row| row.venue == venue);
        if !alive || !proved || !known || report.venue_order_id.is_empty() {
            return None;
        }
        if report.qty <= cumulative || cumulative < Qty::ZERO {
            return None;
        }
        let slot = self.state.orders.insert(Order::external(report, venue, now))?;
        self.state.orders.name(slot, &report.venue_order_id);
        self.state.counters.orders_external += 1;
        self.reserve(slot);
        let difference = Difference::UnknownOrder {
            instrument: report.instrument,
            venue_order_id: report.venue_order_id,
            side: report.side,
            price: report.price,
            qty: Qty(report.qty.0 - cumulative.0),
        };
        self.found(venue, difference, now);
        Some(slot)
    }

    /// Whether a fill without an order of ours happened before the opening balance was stated.
    fn is_before_opening(&self, venue: VenueId, report: &ExecutionReport) -> bool {
        let round = self.state.rounds.get(usize::from(venue.0));
        let opened = round.map_or(Nanos(0), |round| round.opened);
        opened == Nanos(0) || (report.event_ns > Nanos(0) && report.event_ns < opened)
    }

    /// A sound fill for which there is no order of ours. True if it is now booked.
    pub(super) fn on_external_fill(
        &mut self,
        venue: VenueId,
        report: &ExecutionReport,
        now: Nanos,
    ) -> bool {
        if Mutant::LiquidationIgnored.is_on() {
            return false;
        }
        let before = self.is_before_opening(venue, report);
        let side = report.side;
        // Should its order turn out to be ours, it is given to it.
        let seen = self.see_fill(report, if before { Mark::Opening } else { Mark::Nobodys });
        if let Seen::Old(horizon) = seen {
            self.refuse_old_fill(venue, report, horizon, now);
        } else if seen != Seen::First {
            self.state.counters.fills_repeated += 1;
        } else if before {
            self.state.counters.fills_before_start += 1;
            // What the balances say may be older than it.
            if let Some(round) = self.state.rounds.get_mut(usize::from(venue.0)) {
                round.moved = now;
            }
        } else {
            let missed = self.on_listed_fill(venue, report);
            self.state.counters.fills_external += 1;
            self.book(None, report, side, now);
            if missed {
                self.found_fill(venue, side, true, report, now);
            } else {
                let (instrument, price, qty) =
                    (report.instrument, report.fill.price, report.fill.qty);
                self.tell_person(venue, Finding::External { instrument, side, price, qty });
            }
            return true;
        }
        self.on_listed_fill(venue, report);
        false
    }

    pub(super) fn found_fill(
        &mut self,
        venue: VenueId,
        side: Side,
        external: bool,
        report: &ExecutionReport,
        now: Nanos,
    ) {
        let (instrument, price, qty) = (report.instrument, report.fill.price, report.fill.qty);
        let difference = Difference::MissedFill { instrument, side, price, qty, external };
        self.found(venue, difference, now);
    }
}

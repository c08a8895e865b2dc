//! When a venue denies an order, refusing it or knowing nothing of it, against what is known of it.

#![forbid(unsafe_code)]

use super::orders::Slot;
use super::record::Recorder;
use super::transition::Trigger;
use super::{Books, Oms};
use crate::types::{ExecutionReport, Nanos, OrderState, Qty, RejectReason, ReportOrigin};

impl<R: Recorder, B: Books> Oms<R, B> {
    /// The venue calls an order refused.
    pub(super) fn rejected(&mut self, slot: Slot, report: &ExecutionReport) -> Option<Trigger> {
        let order = self.state.orders.get(slot);
        if report.origin == ReportOrigin::Local {
            // Only an order that nobody has answered for can have been held back here; it was then
            // never sent, whatever was feared or wanted of it meanwhile.
            let unproved = matches!(
                order.state,
                OrderState::PendingNew | OrderState::PendingCancel | OrderState::Unknown
            );
            let held_back = unproved && !order.acked && order.cumulative() == Qty::ZERO;
            self.state.counters.contradictions += u64::from(!held_back);
            return held_back.then_some(Trigger::Rejected);
        }
        if report.reason == RejectReason::DuplicateId {
            // Our ids are used once: somebody sent this one twice and the first may work.
            return Some(Trigger::Lost);
        }
        let (origin, filled) = (report.origin, order.cumulative() > Qty::ZERO);
        if filled && order.state == OrderState::Unknown && origin == ReportOrigin::Query {
            // Said again when asked: it has ended, with what was filled.
            return Some(Trigger::Canceled);
        }
        if filled || (origin == ReportOrigin::Reply && order.seen_alive) {
            if !order.state.is_terminal() {
                self.state.counters.contradictions += 1;
            }
            return Some(Trigger::RejectedAlive);
        }
        Some(Trigger::Rejected)
    }

    /// A query did not find an order.
    pub(super) fn not_found(&mut self, slot: Slot, now: Nanos) -> Trigger {
        let (min, after) = (self.options.not_found_min, self.options.not_found_after_ns);
        let order = self.state.orders.get_mut(slot);
        if order.state != OrderState::Unknown {
            return Trigger::NotFound;
        }
        order.timers.not_found += 1;
        let proved = order.timers.not_found >= min && now.since(order.since_ns) >= after;
        if !proved {
            return Trigger::NotFound;
        }
        // It may have filled before it vanished: look once.
        order.timers.fills = now;
        order.timers.look_once = true;
        if order.acked { Trigger::Vanished } else { Trigger::NeverWas }
    }
}

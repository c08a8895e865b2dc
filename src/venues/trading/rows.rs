//! An order as a row of a stream or of a list states it, in the engine's words.

#![forbid(unsafe_code)]

use super::super::flight::Sighting;
use crate::types::{
    ClientOrderId, ExecutionReport, InstrumentId, Nanos, OrderState, Price, Qty, RejectReason,
    ReportKind, ReportOrigin, Side, VenueOrderId,
};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(in crate::venues) struct OrderRow {
    pub(in crate::venues) instrument: InstrumentId,
    pub(in crate::venues) client_id: ClientOrderId,
    pub(in crate::venues) venue_order_id: VenueOrderId,
    pub(in crate::venues) side: Side,
    pub(in crate::venues) state: OrderState,
    pub(in crate::venues) reason: RejectReason,
    pub(in crate::venues) price: Price,
    pub(in crate::venues) qty: Qty,
    pub(in crate::venues) cumulative_qty: Option<Qty>,
    pub(in crate::venues) event_ns: Nanos,
}

impl OrderRow {
    pub(in crate::venues) fn report(
        &self,
        kind: ReportKind,
        origin: ReportOrigin,
        now: Nanos,
    ) -> ExecutionReport {
        ExecutionReport {
            venue_order_id: self.venue_order_id,
            side: self.side,
            state: self.state,
            price: self.price,
            qty: self.qty,
            cumulative_qty: self.cumulative_qty,
            reason: self.reason,
            event_ns: self.event_ns,
            recv_ns: now,
            ..ExecutionReport::new(kind, origin, self.client_id, self.instrument)
        }
    }

    /// What a row of the stream says to the changes that wait for it.
    pub(in crate::venues) fn sighting(&self) -> Sighting {
        Sighting {
            client_id: self.client_id,
            venue_order_id: self.venue_order_id,
            price: self.price,
            qty: self.qty,
            ended: self.state.is_terminal(),
        }
    }

    /// What a row of the stream reports: `replaced` if it shows the terms of a replace.
    pub(in crate::venues) fn kind(&self, replaced: bool) -> ReportKind {
        match self.state {
            _ if replaced => ReportKind::Replaced,
            OrderState::Open => ReportKind::Accepted,
            OrderState::Canceled => ReportKind::Canceled,
            OrderState::Rejected => ReportKind::Rejected,
            OrderState::Expired => ReportKind::Expired,
            // Fills are reported one by one.
            _ => ReportKind::Progress,
        }
    }

    /// Whether this is the order that a request names.
    pub(in crate::venues) fn is(&self, order: &crate::types::CancelOrder) -> bool {
        if order.client_id.is_some() {
            self.client_id == order.client_id
        } else {
            self.venue_order_id == order.venue_order_id
        }
    }
}

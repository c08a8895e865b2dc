//! What strategies are told of their orders.

#![forbid(unsafe_code)]

use super::orders::{Order, Slot};
use super::record::Recorder;
use super::{Books, Oms, Output};
use crate::types::{ExecutionReport, Nanos, Price, Qty, ReportKind, ReportOrigin, StrategyReport};

impl<R: Recorder, B: Books> Oms<R, B> {
    /// Tells the strategy of an order what became of it.
    pub(super) fn tell(&self, slot: Slot, report: &ExecutionReport, out: &mut Output) {
        let order = self.state.orders.get(slot);
        if order.external {
            return;
        }
        let is_fill = report.kind == ReportKind::Fill;
        out.reports.push((
            order.strategy,
            StrategyReport {
                client_id: order.client_id,
                signal: order.signal,
                leg: order.leg,
                instrument: order.instrument,
                side: order.side,
                state: order.state,
                kind: report.kind,
                reason: report.reason,
                risk: 0,
                last_price: if is_fill { report.fill.price } else { Price(0) },
                last_qty: if is_fill { report.fill.qty } else { Qty::ZERO },
                cumulative_qty: order.cumulative(),
                event_ns: report.event_ns,
                retry_ns: Nanos(0),
            },
        ));
    }

    /// Tells the strategy of an order that its outcome is not known.
    pub(super) fn tell_unknown(&self, slot: Slot, out: &mut Output) {
        let Order { client_id, instrument, .. } = *self.state.orders.get(slot);
        let kind = ReportKind::Unknown;
        let report = ExecutionReport::new(kind, ReportOrigin::Local, client_id, instrument);
        self.tell(slot, &report, out);
    }
}

//! Orders as REST lists them: what is open, and what one of them has become.

#![forbid(unsafe_code)]

use super::super::flight::Ask;
use super::super::{DecodeError, Outbox, Scalar, Value};
use super::SECOND_NS;
use super::private_stream::OrderRow;
use super::rest::Reading;
use super::trading::Core;
use super::works::Manner;
use crate::types::{
    CancelOrder, Events, ExecutionReport, InstrumentId, Nanos, Qty, ReportKind, ReportOrigin,
    VenueNotice,
};

/// An order that was sent this recently may not be listed yet: its absence proves nothing.
const LISTED_AFTER_NS: u64 = 10 * SECOND_NS;
/// The same beyond the time that an order may be on its way.
const LATE_NS: u64 = 2 * SECOND_NS;

impl Core {
    /// How long after it was sent the absence of an order proves nothing.
    fn listed_after_ns(&self) -> u64 {
        self.window_ns().saturating_add(LATE_NS).max(LISTED_AFTER_NS)
    }

    /// What a query says where it has no row.
    pub(super) fn tell_order(
        &mut self,
        order: CancelOrder,
        kind: ReportKind,
        code: i32,
        now: Nanos,
        events: &mut Events,
    ) {
        let ask = Ask::Query { order, history: false };
        if let Some(mut report) = ask.report(kind, ReportOrigin::Query, now) {
            report.venue_code = code;
            let _ = self.sink(events).report(report);
        }
    }

    /// Rows of the open orders of one instrument; `take` gets each.
    pub(super) fn each_open(
        &mut self,
        id: InstrumentId,
        root: Value<'_>,
        mut take: impl FnMut(&mut Self, Value<'_>, OrderRow) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        if !root.is_array() {
            return Err(DecodeError::Invalid("openOrders"));
        }
        let mut result = Ok(());
        for value in root.items() {
            let outcome = match OrderRow::read(value, None, &self.assets) {
                Err(DecodeError::UnknownSymbol) => Ok(()),
                Ok(row) if row.instrument == id => take(self, value, row),
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            };
            result = result.and(outcome);
        }
        result
    }

    /// A bad row costs itself, but then the list is not whole.
    pub(super) fn on_open_orders(
        &mut self,
        id: InstrumentId,
        root: Value<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        self.each_open(id, root, |core, value, row| core.on_open_row(value, &row, now, events))?;
        self.notice(events, VenueNotice::OpenOrdersEnd(id));
        Ok(())
    }

    fn on_open_row(
        &mut self,
        value: Value<'_>,
        row: &OrderRow,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let mut base = Qty(0);
        if let Some(work) = self.works.open(row.client_id, now) {
            if work.former(row.oid).is_some() {
                // The list is older than what is known: the order is not in it.
                return Ok(());
            }
            let flag = |name| value.get(name).and_then(Value::bool) == Some(true);
            work.manner.get_or_insert(Manner {
                side: row.side,
                post_only: value.get("tif").and_then(Value::str) == Some("Alo"),
                reduce_only: flag("reduceOnly"),
            });
            work.touched |= row.filled.0 > 0;
            if work.oid == 0 {
                work.oid = row.oid;
            }
            base = work.base();
        }
        self.sink(events).report(row.report(ReportKind::Status, ReportOrigin::Query, base, now))
    }

    /// What works of an order that is being replaced; if nothing does, how it ended.
    pub(super) fn on_listed(
        &mut self,
        order: CancelOrder,
        root: Value<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let mut found = false;
        self.each_open(order.instrument, root, |core, value, row| {
            if row.client_id != order.client_id || found {
                return Ok(());
            }
            if let Some(work) = core.works.hear(row.client_id, now) {
                if work.former(row.oid).is_some() {
                    return Ok(());
                }
                work.renumber(row.oid);
            }
            found = true;
            core.flights.settle_replaces(row.client_id);
            core.on_open_row(value, &row, now, events)
        })?;
        if found {
            return Ok(());
        }
        let sent = self.flights.replacing(order.client_id);
        let listed = sent.is_none_or(|sent| sent.plus(self.listed_after_ns()) <= now);
        let next = Reading::Status { order, by_oid: false };
        if !listed || self.ask(next, now, out).is_err() {
            self.tell_order(order, ReportKind::Unknown, 0, now, events);
        }
        Ok(())
    }

    /// `{"status":"order","order":{"order":{..},"status":"filled","statusTimestamp":1724361546645}}`
    pub(super) fn on_status(
        &mut self,
        order: CancelOrder,
        root: Value<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        match root.field_str("status")? {
            "order" => {}
            "unknownOid" => {
                let since = Nanos(now.0.saturating_sub(self.listed_after_ns()));
                let unproven = self.flights.unproven_new(order.client_id, since);
                let kind = if unproven { ReportKind::Unknown } else { ReportKind::NotFound };
                if !unproven {
                    self.works.close(order.client_id);
                }
                self.tell_order(order, kind, 0, now, events);
                return Ok(());
            }
            _ => return Err(DecodeError::Invalid("status")),
        }
        let outer = root.field("order")?;
        let at_ms = outer.get("statusTimestamp").map(Scalar::from).and_then(Scalar::u64);
        let at_ms = at_ms.ok_or(DecodeError::Missing("statusTimestamp"))?;
        let status = (outer.field_str("status")?, at_ms);
        let row = OrderRow::read(outer.field("order")?, Some(status), &self.assets)?;
        let ours = row.client_id == order.client_id || !row.client_id.is_some();
        if row.instrument != order.instrument || !ours {
            return Err(DecodeError::Invalid("oid"));
        }
        let mut work = self.works.get(order.client_id).copied().unwrap_or_default();
        if work.former(row.oid).is_some() {
            // A number that it had before: that it ended says nothing of the order.
            self.tell_order(order, ReportKind::Unknown, 0, now, events);
            return Ok(());
        }
        self.flights.settle_replaces(order.client_id);
        if row.state.is_terminal() {
            self.works.close(order.client_id);
        }
        let report = row.report(ReportKind::Status, ReportOrigin::Query, work.base(), now);
        self.sink(events).report(ExecutionReport { client_id: order.client_id, ..report })
    }
}

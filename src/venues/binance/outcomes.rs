//! Commands that did not succeed: refused by the venue, or without an answer that proves anything.

#![forbid(unsafe_code)]

use super::account::Account;
use crate::types::{
    CommandKind, Event, Events, ExecutionReport, Nanos, RejectReason, ReportKind, ReportOrigin,
    VenueNotice, VenueOrderId,
};
use crate::venues::DecodeError;

/// The venue refused a command: what that means for the order or the request.
pub(super) fn refused(
    command: &CommandKind,
    reason: RejectReason,
    code: i32,
    account: &mut Account,
    now: Nanos,
    events: &mut Events,
) -> Result<(), DecodeError> {
    let gone = reason == RejectReason::UnknownOrder;
    let (kind, origin, client_id, venue_order_id, instrument) = match command {
        CommandKind::New(order) => {
            let none = VenueOrderId::EMPTY;
            (ReportKind::Rejected, ReportOrigin::Reply, order.client_id, none, order.instrument)
        }
        CommandKind::Cancel(order) => {
            let (id, venue_id) = (order.client_id, order.venue_order_id);
            (ReportKind::CancelRejected, ReportOrigin::Reply, id, venue_id, order.instrument)
        }
        CommandKind::Replace(order) => {
            let (id, venue_id) = (order.client_id, order.venue_order_id);
            (ReportKind::ReplaceRejected, ReportOrigin::Reply, id, venue_id, order.instrument)
        }
        CommandKind::Query(order) if gone => {
            let (id, venue_id) = (order.client_id, order.venue_order_id);
            (ReportKind::NotFound, ReportOrigin::Query, id, venue_id, order.instrument)
        }
        // There was nothing to cancel.
        CommandKind::CancelAll(instrument) if gone => {
            return Ok(events.push(Event::Notice(VenueNotice::CancelAllDone(*instrument)))?);
        }
        CommandKind::CancelAll(instrument) => {
            let failed = VenueNotice::CancelAllFailed(*instrument, code);
            return Ok(events.push(Event::Notice(failed))?);
        }
        _ => return Ok(events.push(Event::Notice(VenueNotice::RequestFailed(code)))?),
    };
    let mut report = ExecutionReport::new(kind, origin, client_id, instrument);
    if let CommandKind::New(order) = command {
        report.side = order.side;
    }
    report.venue_order_id = venue_order_id;
    report.reason = reason;
    report.venue_code = code;
    report.recv_ns = now;
    Ok(account.report(report, events)?)
}

/// The outcome of a command is not known: no reply, or one that proves nothing.
pub(super) fn unknown(
    command: &CommandKind,
    origin: ReportOrigin,
    code: i32,
    now: Nanos,
    events: &mut Events,
) -> Result<(), crate::types::EventsFull> {
    let (client_id, venue_order_id, instrument) = match command {
        CommandKind::New(order) => (order.client_id, VenueOrderId::EMPTY, order.instrument),
        CommandKind::Cancel(order) => (order.client_id, order.venue_order_id, order.instrument),
        CommandKind::Replace(order) => (order.client_id, order.venue_order_id, order.instrument),
        CommandKind::CancelAll(instrument) => {
            return events.push(Event::Notice(VenueNotice::CancelAllFailed(*instrument, code)));
        }
        _ => return events.push(Event::Notice(VenueNotice::RequestFailed(code))),
    };
    let mut report = ExecutionReport::new(ReportKind::Unknown, origin, client_id, instrument);
    if let CommandKind::New(order) = command {
        report.side = order.side;
    }
    report.venue_order_id = venue_order_id;
    report.venue_code = code;
    report.recv_ns = now;
    events.push(Event::Report(report))
}

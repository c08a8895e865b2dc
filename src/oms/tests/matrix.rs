//! Every state meets every report: one cell, one expected state, written down by hand.

use super::*;
use crate::types::RejectReason;

const ORDER: [(char, OrderState); 10] = [
    ('N', OrderState::PendingNew),
    ('O', OrderState::Open),
    ('P', OrderState::PartiallyFilled),
    ('X', OrderState::PendingCancel),
    ('R', OrderState::PendingReplace),
    ('F', OrderState::Filled),
    ('C', OrderState::Canceled),
    ('J', OrderState::Rejected),
    ('E', OrderState::Expired),
    ('U', OrderState::Unknown),
];

/// An order of 1 000 brought into a state. In `PartiallyFilled` it has 400, in `Filled` 1 000, in
/// all others nothing. Only replies have been heard of it, but for the fills.
fn order_in(bench: &mut Bench, state: OrderState) -> ClientOrderId {
    use ReportOrigin::Reply;
    let id = bench.order();
    match state {
        OrderState::PendingNew => {}
        OrderState::Rejected => bench.say(ReportKind::Rejected, Reply, id),
        OrderState::Unknown => bench.say(ReportKind::Unknown, ReportOrigin::Local, id),
        _ => bench.say(ReportKind::Accepted, Reply, id),
    }
    match state {
        OrderState::PartiallyFilled => bench.report(&fill(id, A, 900, 400)),
        OrderState::Filled => bench.report(&fill(id, A, 901, 1_000)),
        OrderState::PendingCancel => bench.request(&Request::Cancel(id)),
        OrderState::PendingReplace => {
            let slot = bench.oms.state.orders.by_client(id).unwrap();
            bench.oms.advance(slot, Trigger::ReplaceSent, bench.now);
        }
        OrderState::Canceled => bench.say(ReportKind::Canceled, Reply, id),
        OrderState::Expired => bench.say(ReportKind::Expired, Reply, id),
        _ => {}
    }
    assert_eq!(bench.state(id), state);
    id
}

type Make = fn(ClientOrderId) -> ExecutionReport;

fn plain(kind: ReportKind, origin: ReportOrigin, id: ClientOrderId) -> ExecutionReport {
    ExecutionReport::new(kind, origin, id, A)
}

fn because(reason: RejectReason, report: ExecutionReport) -> ExecutionReport {
    ExecutionReport { reason, ..report }
}

/// Report, then the state it leads to from each of the states in the order of the first line.
#[rustfmt::skip]
fn rows() -> Vec<(&'static str, Make, &'static str)> {
    use ReportKind as K;
    use ReportOrigin::{Local, Query, Reply, Stream};
    vec![
        //                                                                      NOPXRFCJEU
        ("accepted, reply",    |id| plain(K::Accepted, Reply, id),             "OOPXRFCJEO"),
        ("accepted, stream",   |id| plain(K::Accepted, Stream, id),            "OOPXRFCUEO"),
        ("fill of a part",     |id| fill(id, A, 1, 300),                       "PPPXRFCUEP"),
        ("past fill of a part",|id| ExecutionReport { origin: Query, ..fill(id, A, 1, 300) },
                                                                               "PPPXRFCUEU"),
        ("fill of all",        |id| with_all(fill(id, A, 1, 600)),             "FFFFFFFFFF"),
        ("cancelled",          |id| plain(K::Canceled, Stream, id),            "CCCCCFCJEC"),
        ("cancelled when full",|id| with_cumulative(K::Canceled, Stream, id, 1_000), "FFFFFFFFFF"),
        ("rejected, reply",    |id| plain(K::Rejected, Reply, id),             "JJUJJFCJEJ"),
        ("rejected, stream",   |id| plain(K::Rejected, Stream, id),            "JJUJJFCJEJ"),
        ("not encoded",        |id| plain(K::Rejected, Local, id),             "JOPXRFCJEJ"),
        ("duplicate id",       |id| because(RejectReason::DuplicateId, plain(K::Rejected, Reply, id)),
                                                                               "UOPUUFCJEU"),
        ("expired",            |id| plain(K::Expired, Stream, id),             "EEEEEFCJEE"),
        ("expired when full",  |id| with_cumulative(K::Expired, Stream, id, 1_000), "FFFFFFFFFF"),
        ("replaced",           |id| plain(K::Replaced, Stream, id),            "OOPXOFCUEO"),
        ("cancel refused",     |id| because(RejectReason::RateLimit, plain(K::CancelRejected, Reply, id)),
                                                                               "NOPORFCJEU"),
        ("cancel not encoded", |id| because(RejectReason::UnknownOrder, plain(K::CancelRejected, Local, id)),
                                                                               "NOPORFCJEU"),
        ("cancel: no such",    |id| because(RejectReason::UnknownOrder, plain(K::CancelRejected, Reply, id)),
                                                                               "UUUUUFCJEU"),
        ("replace refused",    |id| plain(K::ReplaceRejected, Reply, id),      "NOPXOFCJEU"),
        ("replace: no such",   |id| because(RejectReason::UnknownOrder, plain(K::ReplaceRejected, Reply, id)),
                                                                               "UUUUUFCJEU"),
        ("query: pending",     |id| status(id, OrderState::PendingNew),        "OOPXRFCUEO"),
        ("query: open",        |id| status(id, OrderState::Open),              "OOPXRFCUEO"),
        ("query: partial",     |id| ExecutionReport { cumulative_qty: Some(Qty(300)),
                                      ..status(id, OrderState::PartiallyFilled) },
                                                                               "PPPXRFCUEP"),
        ("query: filled",      |id| status(id, OrderState::Filled),            "FFFFFFFFFF"),
        ("query: cancelled",   |id| status(id, OrderState::Canceled),          "CCCCCFCJEC"),
        ("query: rejected",    |id| status(id, OrderState::Rejected),          "JJUJJFCJEJ"),
        ("query: expired",     |id| status(id, OrderState::Expired),           "EEEEEFCJEE"),
        ("query: no state",    |id| status(id, OrderState::Unknown),           "NOPXRFCJEU"),
        ("not found",          |id| plain(K::NotFound, Query, id),             "NUUUUFCJEU"),
        ("no outcome",         |id| plain(K::Unknown, Local, id),              "UOPUUFCJEU"),
        ("progress",           |id| with_cumulative(K::Progress, Stream, id, 300), "PPPXRFCUEP"),
        ("past progress",      |id| with_cumulative(K::Progress, Query, id, 300),  "PPPXRFCUEU"),
        ("progress to the end",|id| with_cumulative(K::Progress, Stream, id, 1_000), "FFFFFFFFFF"),
    ]
}

fn with_all(report: ExecutionReport) -> ExecutionReport {
    ExecutionReport { cumulative_qty: Some(Qty(1_000)), ..report }
}

#[test]
fn every_state_meets_every_report() {
    let letter = |state| ORDER.iter().find(|(_, known)| *known == state).unwrap().0;
    for (name, report, expected) in rows() {
        let mut reached = String::new();
        for (_, state) in ORDER {
            let mut bench = Bench::new();
            let id = order_in(&mut bench, state);
            bench.report(&report(id));
            reached.push(letter(bench.state(id)));
            bench.check_sums();
        }
        assert_eq!(reached, expected, "{name}, from NOPXRFCJEU");
    }
}

#[test]
fn every_kind_of_report_has_its_rows() {
    let id = ClientOrderId(1);
    let kinds: Vec<_> = rows().iter().map(|(_, report, _)| report(id).kind).collect();
    for kind in [
        ReportKind::Accepted,
        ReportKind::Fill,
        ReportKind::Canceled,
        ReportKind::Rejected,
        ReportKind::Expired,
        ReportKind::Replaced,
        ReportKind::CancelRejected,
        ReportKind::ReplaceRejected,
        ReportKind::Status,
        ReportKind::NotFound,
        ReportKind::Unknown,
        ReportKind::Progress,
    ] {
        assert!(kinds.contains(&kind), "{kind:?}");
    }
}

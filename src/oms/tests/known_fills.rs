//! Fills that were seen before, or may have been: each moves a position once.

use super::reconcile::{SECOND, btc, flaws, foreign};
use super::*;
use ReportOrigin::{Query, Stream};

/// A fill of 10 with this number, so many seconds after the start.
fn small(id: ClientOrderId, number: u64) -> ExecutionReport {
    ExecutionReport { event_ns: START.plus(number * SECOND), ..fill(id, A, number, 10) }
}

#[test]
fn a_fill_from_before_what_is_remembered_is_not_booked_again() {
    let mut bench = Bench::with(OmsOptions { fills_max: 4, ..options() });
    let id = bench.order();
    for number in 1..=6 {
        bench.report(&small(id, number));
    }
    bench.report(&with_cumulative(ReportKind::Progress, Stream, id, 80));
    bench.pass(SECOND);
    let [CommandKind::FillsSince { from_ns, .. }] = bench.sent()[..] else { panic!() };
    assert_eq!(from_ns, START.plus(2 * SECOND), "1 and 2 are forgotten");
    for number in 1..=6 {
        bench.report(&ExecutionReport { origin: Query, ..small(id, number) });
    }
    assert_eq!(bench.oms.positions().get(A).qty, btc(60));
    let (at, two) = (START.0 as i64, 2 * SECOND as i64);
    let expected = [1, 2].map(|number| (Flaw::OldFill, at + two, at + number * SECOND as i64));
    assert_eq!(flaws(&mut bench), expected);
    // What was missing is younger.
    for number in [7, 8] {
        bench.report(&ExecutionReport { origin: Query, ..small(id, number) });
    }
    assert_eq!(bench.oms.positions().get(A).qty, btc(80));
    assert!(!bench.oms.order(id).unwrap().awaits_fills());
    // What was forgotten of one instrument says nothing of another.
    let elsewhere = ExecutionReport { instrument: B, ..small(ClientOrderId::NONE, 1) };
    bench.report(&elsewhere);
    assert_eq!(bench.oms.positions().get(B).qty, btc(10));
    bench.check_sums();
}

#[test]
fn what_was_forgotten_is_still_known_to_be_after_a_restart_with_less_room() {
    let mut bench = Bench::new();
    let id = bench.order();
    for number in 1..=6 {
        bench.report(&small(id, number));
    }
    let options = OmsOptions { fills_max: 4, orders_max: 32, ..options() };
    let (kept, books) = (bench.oms.kept(), FakeBooks([quote(); 5]));
    let later = START.plus(HOUR);
    let oms = Oms::resume(kept, options, Arc::new(table()), later, Vec::new(), books).unwrap();
    (bench.oms, bench.now) = (oms, later);
    for number in 1..=6 {
        bench.report(&ExecutionReport { origin: Query, ..small(id, number) });
    }
    assert_eq!(bench.oms.positions().get(A).qty, btc(60));
    assert_eq!(flaws(&mut bench).len(), 2);
}

#[test]
fn a_fill_that_seemed_to_lie_before_the_opening_is_booked_once_its_order_is_known() {
    let mut bench = Bench::new();
    let id = bench.order();
    // The venue's clock is behind, and it has not named the order yet.
    let nameless = ExecutionReport {
        venue_order_id: venue_id("v-1"),
        event_ns: Nanos(START.0 - 1),
        ..fill(ClientOrderId::NONE, A, 1, 400)
    };
    bench.report(&nameless);
    assert_eq!(bench.oms.counters().fills_before_start, 1);
    assert_eq!(bench.oms.positions().get(A).qty, Amount::ZERO);
    bench.report(&ExecutionReport {
        venue_order_id: venue_id("v-1"),
        cumulative_qty: Some(Qty(400)),
        ..ExecutionReport::new(ReportKind::Progress, Stream, id, A)
    });
    for _ in 0..2 {
        bench.report(&ExecutionReport { origin: Query, ..nameless });
        assert_eq!(bench.oms.order(id).unwrap().filled, Qty(400));
        assert_eq!(bench.oms.positions().get(A).qty, btc(400));
        assert_eq!(bench.oms.shares().get(A, STRATEGY), btc(400));
        assert_eq!(bench.oms.shares().get(A, StrategyId::OPERATOR), Amount::ZERO);
    }
    assert_eq!(bench.oms.counters().fills, 1);
    bench.check_sums();
}

#[test]
fn a_fill_of_an_adopted_order_follows_it_to_ours() {
    let mut bench = Bench::new();
    let id = bench.order();
    let adopted = foreign("v-3", Side::Buy, 1_000, 0);
    bench.report(&ExecutionReport { kind: ReportKind::Accepted, origin: Stream, ..adopted });
    let venue_order_id = venue_id("v-3");
    let filled = ExecutionReport { venue_order_id, ..fill(ClientOrderId::NONE, A, 1, 1_000) };
    bench.report(&filled);
    assert_eq!(bench.oms.shares().get(A, StrategyId::OPERATOR), btc(1_000));
    bench.report(&ExecutionReport {
        venue_order_id,
        cumulative_qty: Some(Qty(1_000)),
        ..status(id, OrderState::Filled)
    });
    bench.report(&ExecutionReport { origin: Query, ..filled });
    assert_eq!(bench.oms.order(id).unwrap().filled, Qty(1_000));
    assert_eq!(bench.oms.shares().get(A, STRATEGY), btc(1_000));
    assert_eq!(bench.oms.positions().get(A).qty, btc(1_000));
    bench.check_sums();
}

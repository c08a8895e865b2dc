//! Rounds of a reconciliation that are passed through several times, or wait for what never comes.

use super::reconcile::{SECOND, begin, btc, found, open_order};
use super::*;
use ReportOrigin::Stream;

const OFF: [(AssetId, i128); 2] = [(BTC, E18), (USDT, 99_000 * E18)];

#[test]
fn an_order_that_only_an_earlier_pass_listed_is_not_listed() {
    let mut bench = Bench::new();
    let id = open_order(&mut bench);
    begin(&mut bench);
    bench.settle(VENUE_A, &[status(id, OrderState::Open)], &OFF);
    assert_eq!(found(&mut bench), []);
    bench.pass(5 * SECOND);
    bench.settle(VENUE_A, &[], &OFF);
    let gone = Difference::OrderGone { order: id, venue_order_id: venue_id("v-1") };
    assert_eq!((found(&mut bench), bench.state(id)), (vec![gone], OrderState::Unknown));
}

#[test]
fn an_order_that_ended_between_two_passes_has_ended() {
    let mut bench = Bench::new();
    let id = open_order(&mut bench);
    begin(&mut bench);
    bench.settle(VENUE_A, &[status(id, OrderState::Open)], &OFF);
    bench.say(ReportKind::Canceled, Stream, id);
    bench.pass(5 * SECOND);
    bench.settle(VENUE_A, &[], &OFF);
    assert_eq!((found(&mut bench), bench.state(id)), (vec![], OrderState::Canceled));
}

#[test]
fn a_fill_that_is_never_told_is_left_to_the_balances() {
    let mut bench = Bench::new();
    let id = open_order(&mut bench);
    let row = ExecutionReport {
        venue_order_id: venue_id("v-1"),
        cumulative_qty: Some(Qty(400)),
        ..status(id, OrderState::PartiallyFilled)
    };
    bench.report(&ExecutionReport { kind: ReportKind::Progress, origin: Stream, ..row });
    begin(&mut bench);
    let balances = [(BTC, E18 + btc(400).0), (USDT, (100_000 - 240) * E18)];
    bench.settle(VENUE_A, &[row], &balances);
    let missing = Difference::FillsMissing { order: id, instrument: A, qty: Qty(400) };
    let mut asks = 0;
    while bench.asked(VENUE_A).is_none() {
        bench.pass(5 * SECOND);
        let asked = bench.sent().into_iter();
        asks += asked.filter(|kind| matches!(kind, CommandKind::FillsSince { .. })).count();
        assert!(asks <= 11, "it waits for ever");
    }
    assert_eq!(found(&mut bench), [missing]);
    assert_eq!(asks, 11, "ten in vain, and the next beside the balances");
    for _ in 0..4 {
        assert!(!bench.oms.is_halted(VENUE_A));
        bench.settle(VENUE_A, &[row], &balances);
        bench.pass(5 * SECOND);
    }
    assert!(bench.oms.is_halted(VENUE_A));
    assert!(!found(&mut bench).contains(&missing), "told once");
    // It goes on being asked for, and explains everything when it comes.
    bench.pass(5 * SECOND);
    assert!(matches!(bench.sent()[..], [CommandKind::FillsSince { .. }]));
    bench.report(&fill(id, A, 1, 400));
    begin(&mut bench);
    bench.settle(VENUE_A, &[row], &balances);
    assert!(!bench.oms.is_halted(VENUE_A));
    bench.check_sums();
}

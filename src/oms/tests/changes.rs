//! Orders whose terms change, at our wish or by another hand: what may still trade stays reserved,
//! in whatever order the venue tells of it.

use super::reconcile::{
    SECOND, begin, btc, flaws, found, lose_stream, open_order, replace, replaced,
};
use super::*;
use crate::types::RejectReason;
use ReportOrigin::{Reply, Stream};

fn buying(bench: &Bench) -> Amount {
    bench.oms.exposures().underlying(BTC).buying
}

/// The order as a query shows it.
fn shown(id: ClientOrderId, state: OrderState, qty: i64, cumulative: i64) -> ExecutionReport {
    ExecutionReport {
        venue_order_id: venue_id("v-1"),
        qty: Qty(qty),
        cumulative_qty: Some(Qty(cumulative)),
        ..status(id, state)
    }
}

#[test]
fn an_order_that_may_be_larger_by_now_is_not_full_with_its_old_quantity() {
    let mut bench = Bench::new();
    let id = open_order(&mut bench);
    bench.request(&replace(id, 6_000_000, 1_500));
    bench.report(&fill(id, A, 1, 1_000));
    assert_eq!((bench.state(id), buying(&bench)), (OrderState::PendingReplace, btc(500)));
    bench.report(&with_cumulative(ReportKind::Progress, Stream, id, 1_000));
    assert_eq!((bench.state(id), buying(&bench)), (OrderState::PendingReplace, btc(500)));
    bench.report(&replaced(id, "v-1", 1_500));
    assert_eq!((bench.state(id), buying(&bench)), (OrderState::PartiallyFilled, btc(500)));
    bench.report(&fill(id, A, 2, 500));
    assert_eq!((bench.state(id), buying(&bench)), (OrderState::Filled, btc(0)));
    bench.check_sums();
}

/// Where a replace gives an order another number, the old one ends: a late answer tells of that.
#[test]
fn the_end_of_a_former_number_is_not_the_end_of_its_order() {
    let mut bench = Bench::new();
    let id = open_order(&mut bench);
    bench.request(&replace(id, 6_000_000, 800));
    bench.pass(10 * SECOND);
    let named =
        ExecutionReport { venue_order_id: venue_id("v-2"), ..shown(id, OrderState::Open, 800, 0) };
    bench.report(&named);
    assert_eq!((bench.state(id), buying(&bench)), (OrderState::Open, btc(800)));
    bench.report(&shown(id, OrderState::Canceled, 1_000, 0));
    assert_eq!((bench.state(id), buying(&bench)), (OrderState::Open, btc(800)));
    assert_eq!(flaws(&mut bench), []);
    bench.report(&ExecutionReport { state: OrderState::Canceled, ..named });
    assert_eq!((bench.state(id), buying(&bench)), (OrderState::Canceled, btc(0)));
    bench.check_sums();
}

#[test]
fn its_old_quantity_is_all_of_it_once_the_change_is_refused() {
    let mut bench = Bench::new();
    let id = open_order(&mut bench);
    bench.request(&replace(id, 6_000_000, 1_500));
    bench.report(&fill(id, A, 1, 1_000));
    bench.report(&ExecutionReport {
        reason: RejectReason::Other,
        ..ExecutionReport::new(ReportKind::ReplaceRejected, Reply, id, A)
    });
    assert_eq!((bench.state(id), buying(&bench)), (OrderState::Filled, btc(0)));
    bench.check_sums();
}

#[test]
fn a_change_without_an_answer_stays_in_doubt_when_the_old_quantity_fills() {
    for (stated, state, reserved) in
        [(1_500, OrderState::PartiallyFilled, 500), (1_000, OrderState::Filled, 0)]
    {
        let mut bench = Bench::new();
        let id = open_order(&mut bench);
        bench.request(&replace(id, 6_000_000, 1_500));
        bench.pass(10 * SECOND);
        assert_eq!(bench.state(id), OrderState::Unknown);
        bench.report(&fill(id, A, 1, 1_000));
        assert_eq!((bench.state(id), buying(&bench)), (OrderState::Unknown, btc(500)));
        bench.pass(SECOND);
        assert!(matches!(bench.sent()[..], [CommandKind::Query(_)]), "{:?}", bench.sent());
        bench.report(&shown(id, state, stated, 1_000));
        assert_eq!((bench.state(id), buying(&bench)), (state, btc(reserved)));
        bench.check_sums();
    }
}

#[test]
fn a_filled_order_that_is_listed_as_open_is_asked_for() {
    let mut bench = Bench::new();
    let id = open_order(&mut bench);
    bench.report(&fill(id, A, 1, 1_000));
    assert_eq!(bench.state(id), OrderState::Filled);
    begin(&mut bench);
    let mut silent = shown(id, OrderState::PartiallyFilled, 0, 1_000);
    bench.settle(VENUE_A, &[silent], &[]);
    let alive = Difference::OrderAlive { order: id, venue_order_id: venue_id("v-1") };
    assert_eq!((found(&mut bench), bench.state(id)), (vec![alive], OrderState::Unknown));
    silent.qty = Qty(1_500);
    bench.report(&silent);
    assert_eq!(flaws(&mut bench), [(Flaw::LargerOrder, 1_000, 1_500)]);
    assert_eq!((bench.state(id), buying(&bench)), (OrderState::PartiallyFilled, btc(500)));
    bench.check_sums();
}

#[test]
fn a_filled_order_that_is_said_to_be_larger_is_in_doubt_at_once() {
    let mut bench = Bench::new();
    let id = open_order(&mut bench);
    bench.report(&fill(id, A, 1, 1_000));
    bench.report(&replaced(id, "v-1", 1_500));
    assert_eq!(flaws(&mut bench), [(Flaw::LargerOrder, 1_000, 1_500)]);
    assert_eq!((bench.state(id), buying(&bench)), (OrderState::Unknown, btc(500)));
    bench.pass(SECOND);
    assert!(matches!(bench.sent()[..], [CommandKind::Query(_)]), "{:?}", bench.sent());
    // It was an old row.
    bench.report(&shown(id, OrderState::Filled, 1_000, 1_000));
    assert_eq!((bench.state(id), buying(&bench)), (OrderState::Filled, btc(0)));
    bench.check_sums();
}

#[test]
fn a_quantity_that_was_raised_by_hand_is_believed_from_any_row() {
    for kind in [ReportKind::Accepted, ReportKind::Progress, ReportKind::Status] {
        let mut bench = Bench::new();
        let id = open_order(&mut bench);
        let raised = shown(id, OrderState::Open, 1_500, 0);
        bench.report(&ExecutionReport { kind, origin: Stream, ..raised });
        assert_eq!(flaws(&mut bench), [(Flaw::LargerOrder, 1_000, 1_500)], "{kind:?}");
        assert_eq!(buying(&bench), btc(1_500));
        bench.report(&fill(id, A, 1, 1_000));
        assert_eq!((bench.state(id), buying(&bench)), (OrderState::PartiallyFilled, btc(500)));
        bench.check_sums();
    }
}

#[test]
fn a_row_that_shows_the_new_terms_is_their_answer() {
    let mut bench = Bench::new();
    let id = open_order(&mut bench);
    bench.request(&replace(id, 6_000_000, 1_500));
    let row = shown(id, OrderState::Open, 1_500, 100);
    bench.report(&ExecutionReport { kind: ReportKind::Progress, origin: Stream, ..row });
    assert_eq!(flaws(&mut bench), []);
    assert_eq!(bench.oms.order(id).unwrap().pending, None);
    assert_eq!(bench.oms.order(id).unwrap().qty, Qty(1_500));
}

#[test]
fn an_order_is_met_at_the_price_to_which_it_is_being_changed() {
    let mut bench = Bench::new();
    let gtc =
        |side, price| Leg { time_in_force: TimeInForce::Gtc, price: Price(price), ..leg(A, side) };
    let sell = bench.signal(&[gtc(Side::Sell, 6_000_100)])[0];
    bench.say(ReportKind::Accepted, Stream, sell);
    bench.request(&replace(sell, 6_000_010, 1_000));
    assert_eq!(bench.sent().len(), 1);
    assert_eq!(bench.oms.best_own(A, Side::Sell), Some(Price(6_000_010)));
    assert_eq!(bench.signal(&[gtc(Side::Buy, 6_000_010)]), []);
    assert_eq!(bench.out.reports[0].1.risk, RiskReject::SelfCross as u8);
    let buy = bench.signal(&[gtc(Side::Buy, 6_000_000)])[0];
    bench.say(ReportKind::Accepted, Stream, buy);
    // What it was before counts until it is changed.
    bench.request(&replace(buy, 5_999_000, 1_000));
    assert_eq!(bench.oms.best_own(A, Side::Buy), Some(Price(6_000_000)));
}

#[test]
fn a_change_in_doubt_is_not_changed_again() {
    let mut bench = Bench::new();
    let id = open_order(&mut bench);
    bench.request(&replace(id, 6_000_000, 1_500));
    lose_stream(&mut bench);
    assert_eq!(bench.state(id), OrderState::Unknown);
    // As it was before the change: that may only be old.
    bench.report(&shown(id, OrderState::Open, 1_000, 0));
    bench.request(&replace(id, 6_000_000, 1_200));
    assert_eq!(bench.out.reports[0].1.risk, RiskReject::NotReplaceable as u8);
    assert_eq!((bench.state(id), buying(&bench)), (OrderState::Unknown, btc(1_500)));
    bench.now = bench.now.plus(2 * SECOND);
    bench.report(&shown(id, OrderState::Open, 1_000, 0));
    assert_eq!((bench.state(id), buying(&bench)), (OrderState::Open, btc(1_000)));

    let mut bench = Bench::new();
    let id = open_order(&mut bench);
    bench.request(&replace(id, 6_000_000, 1_500));
    bench.report(&replaced(id, "v-1", 1_100));
    assert_eq!((bench.state(id), buying(&bench)), (OrderState::Open, btc(1_500)));
    bench.request(&replace(id, 6_000_000, 1_200));
    assert_eq!(bench.out.reports[0].1.risk, RiskReject::NotReplaceable as u8);
}

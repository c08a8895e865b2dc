//! Reconciliation: every class of difference, external orders and fills, what halts a venue and
//! what a person can do about it.

use super::*;
use crate::types::RejectReason;
use ReportOrigin::{Query, Stream};

pub(super) const SECOND: u64 = 1_000 * MS;

pub(super) fn btc(units: i64) -> Amount {
    Amount(i128::from(units) * (E18 / 100_000))
}

pub(super) fn found(bench: &mut Bench) -> Vec<Difference> {
    let of = |(_, finding)| match finding {
        Finding::Difference(difference) => Some(difference),
        _ => None,
    };
    bench.oms.findings().filter_map(of).collect()
}

pub(super) fn flaws(bench: &mut Bench) -> Vec<(Flaw, i64, i64)> {
    let of = |(_, finding)| match finding {
        Finding::Quarantined(what) => Some((what.flaw, what.known, what.stated)),
        _ => None,
    };
    bench.oms.findings().filter_map(of).collect()
}

/// An order of others, open, as a list shows it.
pub(super) fn foreign(id: &str, side: Side, qty: i64, cumulative: i64) -> ExecutionReport {
    ExecutionReport {
        venue_order_id: venue_id(id),
        side,
        price: Price(5_000_000),
        qty: Qty(qty),
        cumulative_qty: Some(Qty(cumulative)),
        event_ns: START.plus(1),
        ..status(ClientOrderId::NONE, OrderState::Open)
    }
}

/// A listed fill of no order of ours.
pub(super) fn foreign_fill(number: u64, qty: i64, event_ns: Nanos) -> ExecutionReport {
    ExecutionReport { origin: Query, event_ns, ..fill(ClientOrderId::NONE, A, number, qty) }
}

pub(super) fn lose_stream(bench: &mut Bench) {
    for to in [Readiness::Down, Readiness::Ready] {
        bench.notice(VENUE_A, VenueNotice::Readiness(Channel::Trade, to));
    }
}

/// Starts a round by command, ten seconds on.
pub(super) fn begin(bench: &mut Bench) {
    bench.now = bench.now.plus(10 * SECOND);
    bench.out.clear();
    bench.tell(Operator::Reconcile(Some(VENUE_A)));
}

fn step(bench: &mut Bench, expected: CommandKind) {
    let asked = bench.sent();
    let same = match (asked.last(), expected) {
        (
            Some(CommandKind::FillsSince { instrument, .. }),
            CommandKind::FillsSince { instrument: wanted, .. },
        ) => *instrument == wanted,
        (asked, expected) => asked == Some(&expected),
    };
    assert!(same, "{asked:?}, not {expected:?}");
}

const FILLS: CommandKind =
    CommandKind::FillsSince { instrument: A, from_id: FillId::EMPTY, from_ns: Nanos(0) };

#[test]
fn one_thing_is_asked_for_at_a_time_and_the_venue_is_ready_at_the_end() {
    let mut bench = Bench::unready(options());
    bench.notice(VENUE_A, VenueNotice::Readiness(Channel::Trade, Readiness::Ready));
    step(&mut bench, FILLS);
    assert_eq!(bench.sent().len(), 1);
    bench.notice(VENUE_A, VenueNotice::FillsEnd(A));
    step(&mut bench, CommandKind::OpenOrders(A));
    bench.notice(VENUE_A, VenueNotice::OpenOrdersEnd(A));
    step(&mut bench, CommandKind::Balances);
    assert_eq!(bench.sent().len(), 3, "one after the other");
    assert!(!bench.oms.is_ready(VENUE_A, bench.now));
    bench.state_balances(VENUE_A, &[(BTC, E18)]);
    bench.notice(VENUE_A, VenueNotice::BalancesEnd);
    assert!(bench.oms.is_ready(VENUE_A, bench.now));
    assert_eq!(bench.oms.counters().reconciliations, 1);
    // And again after the configured pause.
    bench.pass(HOUR - 1);
    assert_eq!(bench.sent(), []);
    bench.pass(1);
    step(&mut bench, FILLS);
}

#[test]
fn what_is_not_answered_is_asked_for_again_and_a_person_is_told() {
    let mut bench = Bench::unready(options());
    bench.notice(VENUE_A, VenueNotice::Readiness(Channel::Trade, Readiness::Ready));
    for _ in 1..9 {
        bench.pass(10 * SECOND);
        step(&mut bench, FILLS);
    }
    assert_eq!(bench.oms.findings().count(), 0);
    bench.pass(10 * SECOND);
    let told: Vec<_> = bench.oms.findings().collect();
    let order = ClientOrderId::NONE;
    assert_eq!(told, [(VENUE_A, Finding::NotAnswering { order, queries: 10 })]);
    assert_eq!(bench.oms.counters().not_answering, 1);
    // A refusal is an answer of a kind: the pause is short and doubles.
    bench.notice(VENUE_A, VenueNotice::RequestFailed(-429));
    bench.pass(5 * SECOND);
    step(&mut bench, FILLS);
    assert!(!bench.oms.is_ready(VENUE_A, bench.now));
}

#[test]
fn refused_balances_are_asked_for_again_with_the_usual_pauses() {
    let mut bench = Bench::unready(options());
    bench.notice(VENUE_A, VenueNotice::Readiness(Channel::Trade, Readiness::Ready));
    bench.notice(VENUE_A, VenueNotice::FillsEnd(A));
    bench.out.clear();
    bench.notice(VENUE_A, VenueNotice::OpenOrdersEnd(A));
    step(&mut bench, CommandKind::Balances);
    for pause in [500, 1_000, 2_000, 4_000, 5_000, 5_000] {
        bench.notice(VENUE_A, VenueNotice::RequestFailed(0));
        bench.pass(pause * MS - 1);
        assert_eq!(bench.sent(), [], "{pause} ms");
        bench.pass(1);
        step(&mut bench, CommandKind::Balances);
    }
}

#[test]
fn an_order_that_nobody_answers_for_is_told_once_and_stays_reserved() {
    let mut bench = Bench::new();
    let id = bench.order();
    bench.say(ReportKind::Unknown, ReportOrigin::Local, id);
    for _ in 0..100 {
        bench.pass(5 * SECOND);
    }
    let told: Vec<_> = bench.oms.findings().collect();
    assert_eq!(told, [(VENUE_A, Finding::NotAnswering { order: id, queries: 10 })]);
    assert_eq!(bench.state(id), OrderState::Unknown);
    assert_eq!(bench.oms.exposures().underlying(BTC).buying, btc(1_000));
}

#[test]
fn many_unknown_orders_are_asked_for_a_few_at_a_time() {
    let mut bench = Bench::new();
    for _ in 0..20 {
        bench.books_are_new();
        let id = bench.order();
        bench.say(ReportKind::Unknown, ReportOrigin::Local, id);
    }
    let mut asked = Vec::new();
    for _ in 0..4 {
        bench.pass(if asked.is_empty() { 250 * MS } else { 50 * MS });
        asked.push(bench.sent().len());
    }
    assert_eq!(asked, [8, 8, 4, 0]);
}

#[test]
fn a_missed_fill_is_booked_told_and_explains_the_balance() {
    let mut bench = Bench::new();
    let id = bench.order();
    bench.report(&ExecutionReport {
        venue_order_id: venue_id("7"),
        ..ExecutionReport::new(ReportKind::Accepted, Stream, id, A)
    });
    begin(&mut bench);
    let missed = ExecutionReport {
        venue_order_id: venue_id("7"),
        ..foreign_fill(5, 400, START.plus(SECOND))
    };
    bench.report(&missed);
    bench.report(&missed);
    let expected = Difference::MissedFill {
        instrument: A,
        side: Side::Buy,
        price: Price(6_000_000),
        qty: Qty(400),
        external: false,
    };
    assert_eq!(found(&mut bench), [expected]);
    assert_eq!(bench.oms.counters().differences, [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let partly = ExecutionReport {
        venue_order_id: venue_id("7"),
        cumulative_qty: Some(Qty(400)),
        ..status(id, OrderState::PartiallyFilled)
    };
    bench.settle(VENUE_A, &[partly], &[(BTC, E18 + btc(400).0), (USDT, (100_000 - 240) * E18)]);
    assert_eq!(bench.oms.counters().reconciliations, 3, "no balance was doubted");
    assert!(!bench.oms.is_halted(VENUE_A));
    assert_eq!(bench.oms.positions().get(A).qty, btc(400));
    assert_eq!(bench.state(id), OrderState::PartiallyFilled);
    bench.check_sums();
}

#[test]
fn a_fill_that_the_stream_may_still_tell_of_is_no_difference() {
    let mut bench = Bench::new();
    begin(&mut bench);
    let at = Nanos(bench.now.0 - SECOND);
    bench.report(&foreign_fill(5, 400, at));
    assert_eq!(found(&mut bench), []);
    assert_eq!(bench.oms.counters().fills_external, 1);
}

#[test]
fn the_next_list_of_fills_begins_at_the_last_complete_one() {
    let mut bench = Bench::new();
    let from = |bench: &Bench| match bench.sent().last() {
        Some(CommandKind::FillsSince { from_id, from_ns, .. }) => (*from_id, *from_ns),
        other => panic!("{other:?}"),
    };
    let overlap = 30 * SECOND;
    begin(&mut bench);
    assert_eq!(from(&bench), (FillId::EMPTY, Nanos(START.0 - overlap)));
    let first = bench.now;
    bench.report(&foreign_fill(5, 400, START.plus(1)));
    bench.report(&foreign_fill(6, -400, START.plus(1)));
    let expected = bench.expected(VENUE_A);
    bench.settle(VENUE_A, &[], &expected);
    begin(&mut bench);
    assert_eq!(from(&bench), (FillId::EMPTY, Nanos(first.0 - overlap)), "one list of overlap");
    bench.settle(VENUE_A, &[], &expected);
    begin(&mut bench);
    assert_eq!(from(&bench).0, FillId::from_u64(5), "a bad fill is no mark");
}

#[test]
fn an_order_that_is_not_listed_is_asked_for_and_ends_only_by_the_answer() {
    let mut bench = Bench::new();
    let id = bench.order();
    bench.say(ReportKind::Accepted, Stream, id);
    begin(&mut bench);
    bench.settle(VENUE_A, &[], &[]);
    let gone = Difference::OrderGone { order: id, venue_order_id: VenueOrderId::EMPTY };
    assert_eq!(found(&mut bench), [gone]);
    assert_eq!(bench.state(id), OrderState::Unknown);
    assert_eq!(bench.oms.exposures().underlying(BTC).buying, btc(1_000));
    assert_eq!(bench.asked(VENUE_A), None, "balances wait for the answer");
    bench.pass(0);
    assert!(matches!(bench.sent()[..], [CommandKind::Query(order)] if order.client_id == id));
    bench.report(&status(id, OrderState::Canceled));
    let ended = Difference::MissedEnd { order: id, state: OrderState::Canceled };
    assert_eq!(found(&mut bench), [ended]);
    assert_eq!(bench.state(id), OrderState::Canceled);
    assert_eq!(bench.sent(), [CommandKind::Balances]);
    bench.check_sums();
}

#[test]
fn an_order_heard_of_since_shortly_before_the_list_is_not_judged_by_it() {
    let mut bench = Bench::new();
    let quiet = bench.order();
    bench.say(ReportKind::Accepted, Stream, quiet);
    bench.now = bench.now.plus(9 * SECOND);
    bench.books_are_new();
    let young = bench.order();
    bench.say(ReportKind::Accepted, Stream, young);
    bench.now = bench.now.plus(SECOND);
    bench.tell(Operator::Reconcile(Some(VENUE_A)));
    bench.settle(VENUE_A, &[], &[]);
    assert_eq!((bench.state(quiet), bench.state(young)), (OrderState::Unknown, OrderState::Open));
}

#[test]
fn an_order_that_is_listed_after_its_end_is_reserved_again() {
    for end in [ReportKind::Canceled, ReportKind::Expired, ReportKind::Rejected] {
        let mut bench = Bench::new();
        let id = bench.order();
        bench.say(end, ReportOrigin::Reply, id);
        begin(&mut bench);
        let mut open = status(id, OrderState::Open);
        open.venue_order_id = venue_id("9");
        bench.settle(VENUE_A, &[open], &[]);
        assert_eq!(bench.state(id), OrderState::Unknown, "{end:?}");
        assert_eq!(bench.oms.exposures().underlying(BTC).buying, btc(1_000));
        if end != ReportKind::Rejected {
            let venue_order_id = venue_id("9");
            let alive = Difference::OrderAlive { order: id, venue_order_id };
            assert_eq!(found(&mut bench), [alive]);
        }
        bench.report(&open);
        assert_eq!(bench.state(id), OrderState::Open);
        bench.check_sums();
    }
}

#[test]
fn the_list_proves_what_is_alive_after_a_lost_stream() {
    let mut bench = Bench::new();
    let id = bench.order();
    bench.say(ReportKind::Accepted, Stream, id);
    bench.now = bench.now.plus(10 * SECOND);
    lose_stream(&mut bench);
    assert_eq!(bench.state(id), OrderState::Unknown);
    let queries = bench.oms.counters().queries_sent;
    let expected = bench.expected(VENUE_A);
    bench.settle(VENUE_A, &[status(id, OrderState::Open)], &expected);
    assert_eq!(bench.state(id), OrderState::Open);
    assert!(bench.oms.is_ready(VENUE_A, bench.now));
    assert_eq!(bench.oms.counters().queries_sent, queries, "no question of its own was needed");
}

#[test]
fn an_order_never_heard_of_and_not_listed_is_asked_for_and_proved_gone_by_no_list() {
    let mut bench = Bench::new();
    let id = bench.order();
    bench.say(ReportKind::Unknown, ReportOrigin::Local, id);
    for round in 0..3 {
        begin(&mut bench);
        bench.settle(VENUE_A, &[], &[]);
        bench.pass(0);
        assert!(matches!(bench.sent()[..], [CommandKind::Query(order)] if order.client_id == id));
        assert_eq!(bench.state(id), OrderState::Unknown, "{round}");
    }
    // It had come and gone.
    bench.report(&status(id, OrderState::Expired));
    assert_eq!(bench.state(id), OrderState::Expired);
    bench.check_sums();
}

#[test]
fn an_order_placed_by_hand_is_adopted_reserved_and_left_to_its_owner() {
    let mut bench = Bench::new();
    begin(&mut bench);
    let listed = foreign("h-1", Side::Buy, 1_000, 300);
    let expected = bench.expected(VENUE_A);
    bench.settle(VENUE_A, &[listed], &expected);
    let adopted = Difference::UnknownOrder {
        instrument: A,
        venue_order_id: venue_id("h-1"),
        side: Side::Buy,
        price: Price(5_000_000),
        qty: Qty(700),
    };
    assert_eq!(found(&mut bench), [adopted]);
    assert_eq!(bench.oms.exposures().underlying(BTC).buying, btc(700));
    assert_eq!(
        bench.oms.positions().get(A).qty,
        Amount::ZERO,
        "what was filled before is not ours"
    );
    assert_eq!((bench.oms.orders().open_count(), bench.oms.orders().external_count()), (0, 1));
    // A strategy's cancel-all and the end of the run leave it alone.
    bench.request(&Request::CancelAll);
    assert_eq!(bench.sent(), []);
    bench.tell(Operator::Stop);
    assert_eq!(bench.sent(), []);
    assert!(bench.oms.is_quiet());
    // A fill of it, then its own sum, as venues send them on two topics.
    let mut filled = fill(ClientOrderId::NONE, A, 77, 200);
    filled.venue_order_id = venue_id("h-1");
    filled.event_ns = bench.now;
    bench.report(&filled);
    assert_eq!(bench.oms.positions().get(A).qty, btc(200));
    assert_eq!(bench.oms.counters().fills_external, 1);
    let mut sum = foreign("h-1", Side::Buy, 1_000, 500);
    (sum.kind, sum.origin) = (ReportKind::Progress, Stream);
    bench.report(&sum);
    assert_eq!(bench.oms.exposures().underlying(BTC).buying, btc(500));
    sum.kind = ReportKind::Canceled;
    bench.report(&sum);
    assert_eq!(bench.oms.exposures().underlying(BTC).buying, Amount::ZERO);
    assert_eq!(bench.oms.orders().external_count(), 0);
    assert!(bench.out.reports.is_empty(), "no strategy is told");
    bench.check_sums();
}

#[test]
fn an_adopted_order_that_turns_out_to_be_ours_is_counted_once() {
    let mut bench = Bench::new();
    let id = bench.order();
    bench.say(ReportKind::Unknown, ReportOrigin::Local, id);
    let nameless = ExecutionReport {
        kind: ReportKind::Accepted,
        origin: Stream,
        ..foreign("v-3", Side::Buy, 1_000, 0)
    };
    bench.report(&nameless);
    assert_eq!(bench.oms.exposures().underlying(BTC).buying, btc(2_000));
    bench.report(&ExecutionReport {
        venue_order_id: venue_id("v-3"),
        ..status(id, OrderState::Open)
    });
    assert_eq!(bench.oms.exposures().underlying(BTC).buying, btc(1_000));
    let venue_order_id = venue_id("v-3");
    let named = ExecutionReport { venue_order_id, ..fill(ClientOrderId::NONE, A, 1, 1_000) };
    bench.report(&named);
    assert_eq!(bench.state(id), OrderState::Filled);
    bench.check_sums();
}

#[test]
fn an_unexplained_balance_halts_its_venue_only_and_a_person_accepts_it() {
    let mut bench = Bench::new();
    begin(&mut bench);
    let off = [(BTC, E18), (USDT, 99_000 * E18)];
    for doubt in 1..=4 {
        bench.settle(VENUE_A, &[], &off);
        assert_eq!(bench.oms.is_halted(VENUE_A), doubt == 4, "{doubt}");
        bench.pass(5 * SECOND);
    }
    let expected = Difference::BalanceOff { asset: USDT, amount: Amount(-1_000 * E18) };
    let told: Vec<_> = bench.oms.findings().collect();
    assert_eq!(told, [(VENUE_A, Finding::Difference(expected)), (VENUE_A, Finding::Halted(true))]);
    assert!(!bench.oms.is_ready(VENUE_A, bench.now) && bench.oms.is_ready(VENUE_B, bench.now));
    bench.books_are_new();
    assert_eq!(bench.signal(&[leg(A, Side::Buy)]), [], "no new orders there");
    assert_eq!(bench.signal(&[leg(B, Side::Buy)]).len(), 1, "trading goes on elsewhere");
    // It is told once, however often it is found.
    begin(&mut bench);
    bench.settle(VENUE_A, &[], &off);
    assert_eq!(bench.oms.findings().count(), 0);
    bench.tell(Operator::Accept(VENUE_A));
    let accepted = Difference::BalanceAccepted { asset: USDT, amount: Amount(-1_000 * E18) };
    assert_eq!(found(&mut bench), [accepted]);
    assert!(bench.oms.is_ready(VENUE_A, bench.now));
    begin(&mut bench);
    bench.settle(VENUE_A, &[], &off);
    assert_eq!(found(&mut bench), []);
    assert_eq!(bench.oms.balances().get(VENUE_A, USDT).opening, Some(Amount(99_000 * E18)));
}

#[test]
fn a_halt_ends_when_the_numbers_agree_again_and_outlives_a_restart_until_then() {
    let mut bench = Bench::new();
    begin(&mut bench);
    for _ in 0..4 {
        bench.settle(VENUE_A, &[], &[(BTC, 2 * E18)]);
        bench.pass(5 * SECOND);
    }
    assert!(bench.oms.is_halted(VENUE_A));
    let kept = bench.oms.kept();
    let books = FakeBooks([quote(); 5]);
    let oms = Oms::resume(kept, options(), Arc::new(table()), bench.now, Vec::new(), books);
    bench.oms = oms.unwrap();
    assert!(bench.oms.is_halted(VENUE_A));
    bench.notice(VENUE_A, VenueNotice::Readiness(Channel::Trade, Readiness::Ready));
    bench.settle(VENUE_A, &[], &[(BTC, E18)]);
    assert!(!bench.oms.is_halted(VENUE_A));
    assert!(bench.oms.is_ready(VENUE_A, bench.now));
}

#[test]
fn a_balance_that_is_late_is_not_held_against_the_venue() {
    let mut bench = Bench::new();
    begin(&mut bench);
    bench.report(&foreign_fill(5, 1_000, bench.now));
    let before = [(BTC, E18), (USDT, 100_000 * E18)];
    // The wallet does not know of the fill yet, for longer than four answers take.
    for _ in 0..6 {
        bench.settle(VENUE_A, &[], &before);
        bench.pass(300 * MS);
    }
    assert!(!bench.oms.is_halted(VENUE_A));
    let after = [(BTC, E18 + E18 / 100), (USDT, (100_000 - 600) * E18)];
    begin(&mut bench);
    bench.settle(VENUE_A, &[], &after);
    assert!(!bench.oms.is_halted(VENUE_A));
    assert_eq!(found(&mut bench), []);
}

#[test]
fn dust_is_taken_over_and_told() {
    let mut bench = Bench::new();
    begin(&mut bench);
    bench.settle(VENUE_A, &[], &[(USDT, 100_000 * E18 - 10_000_000_000)]);
    let dust = Difference::BalanceDust { asset: USDT, amount: Amount(-10_000_000_000) };
    assert_eq!(found(&mut bench), [dust]);
    assert!(bench.oms.is_ready(VENUE_A, bench.now));
    assert_eq!(bench.oms.balances().get(VENUE_A, USDT).difference(), Amount::ZERO);
    begin(&mut bench);
    bench.settle(VENUE_A, &[], &[(USDT, 100_000 * E18 - 20_000_000_001)]);
    assert_eq!(found(&mut bench), [], "one unit more is no dust");
    assert_eq!(bench.oms.balances().get(VENUE_A, USDT).difference(), Amount(-10_000_000_001));
}

#[test]
fn what_happened_between_two_runs_is_booked_by_the_next() {
    let mut bench = Bench::new();
    let kept = bench.oms.kept();
    let later = START.plus(100_000 * SECOND);
    let books = FakeBooks([quote(); 5]);
    let oms = Oms::resume(kept, options(), Arc::new(table()), later, Vec::new(), books).unwrap();
    (bench.oms, bench.now) = (oms, later);
    bench.out.clear();
    bench.notice(VENUE_A, VenueNotice::Readiness(Channel::Trade, Readiness::Ready));
    let CommandKind::FillsSince { from_ns, .. } = bench.sent()[0] else { panic!() };
    assert!(from_ns <= START, "from the earlier run on: {from_ns:?}");
    bench.report(&foreign_fill(5, 1_000, START.plus(50_000 * SECOND)));
    let after = [(BTC, E18 + E18 / 100), (USDT, (100_000 - 600) * E18)];
    bench.settle(VENUE_A, &[foreign("h", Side::Sell, 10, 0)], &after);
    assert!(bench.oms.is_ready(VENUE_A, bench.now));
    assert_eq!(bench.oms.counters().differences[0], 1);
    assert_eq!(bench.oms.counters().differences[4], 1);
    bench.check_sums();
}

#[test]
fn a_start_that_is_not_later_is_made_so() {
    let mut bench = Bench::new();
    let first = bench.order();
    let resume = |bench: &Bench, at| {
        let books = FakeBooks([quote(); 5]);
        let kept = bench.oms.kept();
        Oms::resume(kept, options(), Arc::new(table()), at, Vec::new(), books).unwrap()
    };
    bench.oms = resume(&bench, START);
    assert_eq!(bench.oms.kept().instance_start(), START.plus(SECOND));
    // A clock that was set back.
    bench.oms = resume(&bench, Nanos(START.0 - 3_600 * SECOND));
    assert_eq!(bench.oms.kept().instance_start(), START.plus(2 * SECOND));
    bench.notice(VENUE_A, VenueNotice::Readiness(Channel::Trade, Readiness::Ready));
    bench.settle(VENUE_A, &[], &[]);
    bench.report(&status(first, OrderState::Canceled));
    bench.settle(VENUE_A, &[], &[]);
    let second = bench.order();
    assert!(second > first);
}

#[test]
fn a_sum_that_goes_backwards_is_refused_and_told_with_both_numbers() {
    let mut bench = Bench::new();
    let id = bench.order();
    let sum = |cumulative, event_ns| ExecutionReport {
        event_ns: Nanos(event_ns),
        ..with_cumulative(ReportKind::Progress, Stream, id, cumulative)
    };
    bench.report(&sum(600, 2_000));
    bench.report(&sum(400, 1_999));
    assert_eq!(flaws(&mut bench), [], "an older report is only late");
    bench.report(&sum(400, 2_001));
    assert_eq!(flaws(&mut bench), [(Flaw::SumBackwards, 600, 400)]);
    assert_eq!(bench.oms.order(id).unwrap().cumulative(), Qty(600));
    assert_eq!(bench.oms.counters().sums_backwards, 1);
    let records = bench.oms.recorder();
    assert!(records.iter().any(|(_, record)| matches!(record, Record::Quarantine(VENUE_A, _))));
}

#[test]
fn odd_fills_are_booked_and_told() {
    let mut bench = Bench::new();
    let id = bench.order();
    let mut odd = fill(id, A, 1, 300);
    odd.side = Side::Sell;
    bench.report(&odd);
    assert_eq!(flaws(&mut bench), [(Flaw::OtherSide, 0, 1)]);
    let mut odd = fill(id, A, 2, 300);
    odd.fill.price = Price(6_000_010);
    bench.report(&odd);
    assert_eq!(flaws(&mut bench), [(Flaw::WorsePrice, 6_000_000, 6_000_010)]);
    bench.report(&fill(id, A, 3, 500));
    assert_eq!(flaws(&mut bench), [(Flaw::BeyondQty, 1_000, 1_100)]);
    assert_eq!(bench.oms.positions().get(A).qty, btc(1_100), "money that moved is booked");
    assert_eq!(bench.state(id), OrderState::Filled);
    bench.report(&fill(id, A, 4, 0));
    assert_eq!(flaws(&mut bench), [(Flaw::BadFill, 0, 0)]);
    assert_eq!(bench.oms.counters().quarantined, 4);
    bench.check_sums();
}

#[test]
fn filled_with_too_small_a_sum_ends_nothing() {
    let mut bench = Bench::new();
    let id = bench.order();
    bench.say(ReportKind::Unknown, ReportOrigin::Local, id);
    let short = ExecutionReport {
        cumulative_qty: Some(Qty(300)),
        qty: Qty(1_000),
        ..status(id, OrderState::Filled)
    };
    bench.report(&short);
    assert_eq!(flaws(&mut bench), [(Flaw::FilledShort, 1_000, 300)]);
    assert_eq!(bench.state(id), OrderState::Unknown);
    assert_eq!(bench.oms.exposures().underlying(BTC).buying, btc(1_000));
    bench.report(&ExecutionReport { cumulative_qty: Some(Qty(1_000)), ..short });
    assert_eq!(bench.state(id), OrderState::Filled);
}

#[test]
fn a_fill_that_names_our_order_elsewhere_is_booked_as_external() {
    let mut bench = Bench::new();
    let id = bench.order();
    bench.report(&fill(id, B, 1, 300));
    assert_eq!(flaws(&mut bench), [(Flaw::OtherInstrument, 0, 1)]);
    assert_eq!(bench.oms.positions().get(B).qty, btc(300));
    assert_eq!(bench.oms.order(id).unwrap().filled, Qty::ZERO);
    bench.check_sums();
}

pub(super) fn replace(id: ClientOrderId, price: i64, qty: i64) -> Request {
    Request::Replace { id, price: Price(price), qty: Qty(qty) }
}

pub(super) fn open_order(bench: &mut Bench) -> ClientOrderId {
    let id = bench.order();
    bench.report(&ExecutionReport {
        venue_order_id: venue_id("v-1"),
        ..ExecutionReport::new(ReportKind::Accepted, Stream, id, A)
    });
    id
}

pub(super) fn replaced(id: ClientOrderId, venue: &str, qty: i64) -> ExecutionReport {
    ExecutionReport {
        price: Price(6_000_000),
        qty: Qty(qty),
        venue_order_id: venue_id(venue),
        ..ExecutionReport::new(ReportKind::Replaced, Stream, id, A)
    }
}

#[test]
fn a_replace_reserves_the_worse_terms_until_the_venue_has_answered() {
    let mut bench = Bench::new();
    let id = open_order(&mut bench);
    bench.request(&replace(id, 6_000_000, 1_500));
    let [CommandKind::Replace(sent)] = bench.sent()[..] else { panic!("{:?}", bench.sent()) };
    assert_eq!((sent.client_id, sent.venue_order_id, sent.qty), (id, venue_id("v-1"), Qty(1_500)));
    assert_eq!(bench.state(id), OrderState::PendingReplace);
    assert_eq!(bench.oms.exposures().underlying(BTC).buying, btc(1_500));
    bench.request(&replace(id, 6_000_000, 800));
    assert_eq!(bench.out.reports[0].1.risk, RiskReject::NotReplaceable as u8, "one at a time");
    bench.report(&fill(id, A, 1, 400));
    assert_eq!(bench.state(id), OrderState::PendingReplace, "it may fill meanwhile");
    bench.report(&replaced(id, "v-2", 1_500));
    assert_eq!(bench.state(id), OrderState::PartiallyFilled);
    assert_eq!(bench.out.reports[0].1.kind, ReportKind::Replaced);
    assert_eq!(bench.oms.exposures().underlying(BTC).buying, btc(1_100));
    // Both of the venue's ids find it.
    for (number, name) in [(2, "v-1"), (3, "v-2")] {
        let venue_order_id = venue_id(name);
        bench.report(&ExecutionReport {
            venue_order_id,
            ..fill(ClientOrderId::NONE, A, number, 100)
        });
    }
    assert_eq!(bench.oms.order(id).unwrap().filled, Qty(600));
    assert_eq!(bench.oms.counters().replaces_sent, 1);
    bench.check_sums();
}

#[test]
fn a_smaller_order_frees_its_reserve_only_once_it_is_smaller() {
    let mut bench = Bench::new();
    let id = open_order(&mut bench);
    bench.request(&replace(id, 6_000_000, 300));
    assert_eq!(bench.oms.exposures().underlying(BTC).buying, btc(1_000));
    bench.report(&ExecutionReport {
        reason: RejectReason::Other,
        ..ExecutionReport::new(ReportKind::ReplaceRejected, ReportOrigin::Reply, id, A)
    });
    assert_eq!(bench.state(id), OrderState::Open);
    assert_eq!(bench.oms.exposures().underlying(BTC).buying, btc(1_000));
    bench.request(&replace(id, 6_000_000, 300));
    bench.report(&replaced(id, "v-1", 300));
    assert_eq!(bench.oms.exposures().underlying(BTC).buying, btc(300));
}

#[test]
fn a_lost_replace_is_resolved_by_the_terms_that_the_venue_states() {
    for (stated, reserved) in [(1_500, 1_500), (1_000, 1_000)] {
        let mut bench = Bench::new();
        let id = open_order(&mut bench);
        bench.request(&replace(id, 6_000_000, 1_500));
        bench.pass(10 * SECOND);
        assert_eq!(bench.state(id), OrderState::Unknown);
        assert_eq!(bench.oms.exposures().underlying(BTC).buying, btc(1_500));
        bench.request(&replace(id, 6_000_000, 1_200));
        assert_eq!(bench.out.reports[0].1.risk, RiskReject::NotReplaceable as u8);
        let answer = ExecutionReport { qty: Qty(stated), ..status(id, OrderState::Open) };
        bench.report(&answer);
        assert_eq!(bench.state(id), OrderState::Open);
        assert_eq!(bench.oms.exposures().underlying(BTC).buying, btc(reserved));
        let replaces = bench.oms.counters().replaces_sent;
        assert_eq!(replaces, 1, "never sent again");
    }
}

#[test]
fn an_answer_older_than_the_replace_does_not_undo_it() {
    let mut bench = Bench::new();
    let id = open_order(&mut bench);
    bench.request(&replace(id, 6_000_000, 1_500));
    bench.report(&ExecutionReport { qty: Qty(1_000), ..status(id, OrderState::Open) });
    assert_eq!(bench.oms.exposures().underlying(BTC).buying, btc(1_500));
}

#[test]
fn the_increase_of_a_replace_passes_the_limits() {
    // One bitcoin at most; 0.02 are asked for, of which 0.01 work already.
    let mut options = options();
    options.limits.position_max = vec![(BTC, btc(2_000))];
    let mut bench = Bench::with(options);
    let id = open_order(&mut bench);
    for (request, code) in [
        (replace(id, 6_000_000, 2_001), RiskReject::PositionLimit),
        (replace(id, 6_000_005, 1_000), RiskReject::PriceOffTick),
        (replace(id, 6_100_000, 1_000), RiskReject::PriceCollar),
        (replace(id, 0, 1_000), RiskReject::NotReplaceable),
        (replace(id, 6_000_000, 0), RiskReject::NotReplaceable),
        (replace(ClientOrderId(9), 6_000_000, 10), RiskReject::NoSuchOrder),
    ] {
        bench.request(&request);
        assert_eq!(bench.sent(), [], "{request:?}");
        let report = bench.out.reports[0].1;
        assert_eq!((report.kind, report.risk), (ReportKind::ReplaceRejected, code as u8));
    }
    assert_eq!(bench.state(id), OrderState::Open);
    bench.request(&replace(id, 6_000_000, 2_000));
    assert_eq!(bench.sent().len(), 1);
}

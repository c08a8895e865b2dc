//! The lives of orders: in the usual order, and in all the others.

use super::*;
use crate::types::{CancelOrder, RejectReason};
use ReportOrigin::{Local, Query, Reply, Stream};

fn is_query(kind: &CommandKind) -> bool {
    matches!(kind, CommandKind::Query(_))
}

fn is_cancel(kind: &CommandKind) -> bool {
    matches!(kind, CommandKind::Cancel(_))
}

fn is_fill_request(kind: &CommandKind) -> bool {
    matches!(kind, CommandKind::FillsSince { .. })
}

fn btc(units: i64) -> Amount {
    Amount(i128::from(units) * (E18 / 100_000))
}

#[test]
fn both_legs_of_a_signal_leave_in_one_call() {
    let mut bench = Bench::new();
    let ids = bench.signal(&[leg(A, Side::Buy), leg(B, Side::Sell)]);
    let commands = &bench.out.commands;
    assert_eq!(commands.len(), 2);
    assert_eq!((commands[0].0, commands[1].0), (VENUE_A, VENUE_B));
    for ((_, command), (instrument, side)) in commands.iter().zip([(A, Side::Buy), (B, Side::Sell)])
    {
        let CommandKind::New(order) = command.kind else { panic!("{command:?}") };
        assert_eq!((order.instrument, order.side), (instrument, side));
        assert_eq!((order.price, order.qty), (Price(6_000_000), Qty(1_000)));
        assert_eq!(order.time_in_force, TimeInForce::Ioc);
        assert_eq!((command.tick_ns, command.issued_ns), (Nanos(77), START));
        assert_eq!(command.signal, SignalId(1));
    }
    assert_ne!(ids[0], ids[1]);
    assert!(ids.iter().all(|id| id.strategy() == STRATEGY));
    assert!(bench.out.reports.is_empty());
    let exposure = bench.oms.exposures().underlying(BTC);
    assert_eq!((exposure.buying, exposure.selling), (btc(1_000), btc(1_000)));
    bench.check_sums();
}

#[test]
fn the_intent_is_recorded_and_the_command_is_not_repeated() {
    let mut bench = Bench::new();
    bench.signal(&[leg(A, Side::Buy)]);
    let kinds: Vec<_> = bench
        .oms
        .recorder()
        .iter()
        .map(|(_, record)| match record {
            Record::Request(..) => "request",
            Record::Quote(..) => "quote",
            Record::Intent { .. } => "intent",
            Record::Command(..) => "command",
            _ => "other",
        })
        .collect();
    assert_eq!(kinds, ["request", "quote", "intent"]);
}

#[test]
fn an_ioc_leg_that_fills_in_part_ends_expired_with_its_part() {
    let mut bench = Bench::new();
    let id = bench.order();
    bench.say(ReportKind::Accepted, Reply, id);
    let told = bench.out.reports[0].1;
    assert_eq!((told.state, told.kind), (OrderState::Open, ReportKind::Accepted));
    bench.report(&fill(id, A, 1, 400));
    let told = bench.out.reports[0].1;
    assert_eq!((told.state, told.kind), (OrderState::PartiallyFilled, ReportKind::Fill));
    assert_eq!((told.last_qty, told.last_price), (Qty(400), Price(6_000_000)));
    assert_eq!(bench.oms.exposures().underlying(BTC).buying, btc(600));
    let mut end = with_cumulative(ReportKind::Expired, Stream, id, 400);
    end.reason = RejectReason::TimeInForce;
    bench.report(&end);
    let (strategy, told) = bench.out.reports[0];
    assert_eq!(strategy, STRATEGY);
    assert_eq!((told.state, told.cumulative_qty), (OrderState::Expired, Qty(400)));
    assert_eq!((told.reason, told.signal), (RejectReason::TimeInForce, SignalId(1)));
    assert_eq!(bench.oms.exposures().underlying(BTC).buying, Amount::ZERO);
    assert_eq!(bench.oms.positions().get(A).qty, btc(400));
    assert!(bench.oms.is_quiet());
    bench.check_sums();
}

#[test]
fn a_fill_before_the_ack_is_booked_and_the_ack_changes_nothing() {
    let mut bench = Bench::new();
    let id = bench.order();
    bench.report(&fill(id, A, 1, 1_000));
    assert_eq!(bench.state(id), OrderState::Filled);
    bench.say(ReportKind::Accepted, Stream, id);
    bench.say(ReportKind::Accepted, Reply, id);
    assert_eq!(bench.state(id), OrderState::Filled);
    assert!(bench.out.reports.is_empty(), "nothing new to tell");
    assert_eq!(bench.oms.positions().get(A).qty, btc(1_000));
}

#[test]
fn a_fill_is_booked_once_however_it_comes() {
    let mut bench = Bench::new();
    let id = bench.order();
    let report = fill(id, A, 1, 400);
    bench.report(&report);
    bench.report(&report);
    assert!(bench.out.reports.is_empty());
    bench.report(&ExecutionReport { origin: Query, ..report });
    assert_eq!(bench.oms.positions().get(A).qty, btc(400));
    assert_eq!(bench.oms.order(id).unwrap().filled, Qty(400));
    let counters = bench.oms.counters();
    assert_eq!((counters.fills, counters.fills_repeated), (1, 2));
    bench.check_sums();
}

#[test]
fn a_late_fill_after_the_cancel_is_booked() {
    let mut bench = Bench::new();
    let id = bench.order();
    bench.say(ReportKind::Canceled, Stream, id);
    assert_eq!(bench.oms.exposures().underlying(BTC).buying, Amount::ZERO);
    bench.report(&fill(id, A, 1, 300));
    let told = bench.out.reports[0].1;
    assert_eq!((told.state, told.cumulative_qty), (OrderState::Canceled, Qty(300)));
    assert_eq!(bench.oms.positions().get(A).qty, btc(300));
    assert_eq!(bench.oms.counters().fills_late, 1);
    bench.check_sums();
}

#[test]
fn fills_known_only_in_sum_stay_reserved_and_are_asked_for() {
    let mut bench = Bench::new();
    let id = bench.order();
    bench.report(&with_cumulative(ReportKind::Canceled, Stream, id, 700));
    assert_eq!(bench.state(id), OrderState::Canceled);
    assert_eq!(bench.oms.positions().get(A).qty, Amount::ZERO, "a sum moves no position");
    assert_eq!(bench.oms.exposures().underlying(BTC).buying, btc(700));
    assert!(!bench.oms.is_quiet());
    let mut asked = Vec::new();
    for _ in 0..32 {
        bench.pass(125 * MS);
        if bench.sent().iter().any(is_fill_request) {
            asked.push(bench.now.since(START) / MS);
        }
    }
    assert_eq!(asked, [250, 500, 1_000, 2_000, 4_000], "the pause doubles");
    bench.pass(10_000 * MS);
    let CommandKind::FillsSince { instrument, from_id, from_ns } = bench.sent()[0] else {
        panic!()
    };
    assert_eq!((instrument, from_id.is_empty()), (A, true));
    // The venue's clock may have been wrong by more than the first requests allowed for.
    assert_eq!(from_ns, Nanos(START.0 - 40_000 * MS));
    for (number, qty) in [(1, 300), (2, 400)] {
        bench.report(&ExecutionReport { origin: Query, ..fill(id, A, number, qty) });
    }
    assert_eq!(bench.oms.exposures().underlying(BTC).buying, Amount::ZERO);
    assert!(bench.oms.is_quiet());
    bench.pass(60_000 * MS);
    assert!(bench.sent().is_empty());
    bench.check_sums();
}

#[test]
fn one_request_for_fills_serves_all_orders_of_an_instrument() {
    let mut bench = Bench::new();
    let ids = [bench.order(), bench.order()];
    for id in ids {
        bench.report(&with_cumulative(ReportKind::Progress, Stream, id, 1_000));
        assert_eq!(bench.state(id), OrderState::Filled);
    }
    bench.pass(250 * MS);
    assert_eq!(bench.sent().iter().filter(|kind| is_fill_request(kind)).count(), 1);
}

#[test]
fn an_unanswered_order_becomes_unknown_and_is_asked_for_until_proved() {
    let mut bench = Bench::new();
    let id = bench.order();
    bench.pass(9_999 * MS);
    assert_eq!(bench.state(id), OrderState::PendingNew);
    bench.pass(MS);
    let told = bench.out.reports[0].1;
    assert_eq!((told.state, told.kind), (OrderState::Unknown, ReportKind::Unknown));
    let lost = bench.now;
    let mut queries = Vec::new();
    while bench.now.since(lost) < 20_000 * MS {
        bench.pass(50 * MS);
        if bench.sent().iter().any(is_query) {
            queries.push(bench.now.since(lost) / MS);
        }
        assert_eq!(bench.oms.exposures().underlying(BTC).buying, btc(1_000));
    }
    assert_eq!(queries, [250, 500, 1_000, 2_000, 4_000, 8_000, 13_000, 18_000]);
    bench.report(&status(id, OrderState::Canceled));
    assert_eq!(bench.state(id), OrderState::Canceled);
    assert_eq!(bench.oms.exposures().underlying(BTC).buying, Amount::ZERO);
    bench.pass(60_000 * MS);
    assert!(bench.sent().is_empty(), "proved: nothing left to ask");
    assert_eq!(bench.oms.counters().queries_sent, 8);
}

#[test]
fn not_found_is_proof_only_after_several_times_and_some_seconds() {
    let mut bench = Bench::new();
    let id = bench.order();
    bench.say(ReportKind::Unknown, Local, id);
    for _ in 0..5 {
        bench.pass(900 * MS);
        bench.say(ReportKind::NotFound, Query, id);
        assert_eq!(bench.state(id), OrderState::Unknown);
    }
    bench.pass(500 * MS);
    bench.say(ReportKind::NotFound, Query, id);
    assert_eq!(bench.state(id), OrderState::Rejected, "never seen, so never accepted");
    bench.pass(MS);
    assert!(bench.sent().iter().any(is_fill_request), "one look for fills all the same");
    bench.pass(60_000 * MS);
    assert!(bench.sent().is_empty());
    bench.check_sums();
}

#[test]
fn two_not_founds_are_no_proof_however_late() {
    let mut bench = Bench::new();
    let id = bench.order();
    bench.say(ReportKind::Unknown, Local, id);
    bench.pass(60_000 * MS);
    bench.say(ReportKind::NotFound, Query, id);
    bench.say(ReportKind::NotFound, Query, id);
    assert_eq!(bench.state(id), OrderState::Unknown);
    bench.say(ReportKind::NotFound, Query, id);
    assert_eq!(bench.state(id), OrderState::Rejected);
}

#[test]
fn an_order_that_was_seen_and_vanished_is_cancelled() {
    let mut bench = Bench::new();
    let id = bench.order();
    bench.say(ReportKind::Accepted, Stream, id);
    bench.say(ReportKind::NotFound, Query, id);
    assert_eq!(bench.state(id), OrderState::Unknown);
    bench.pass(6_000 * MS);
    for _ in 0..3 {
        bench.say(ReportKind::NotFound, Query, id);
    }
    assert_eq!(bench.state(id), OrderState::Canceled);
}

#[test]
fn an_unknown_order_can_be_cancelled_and_stays_unknown_until_that_is_proved() {
    let mut bench = Bench::new();
    let id = bench.order();
    bench.report(&ExecutionReport {
        venue_order_id: venue_id("v-1"),
        ..ExecutionReport::new(ReportKind::Unknown, Local, id, A)
    });
    bench.request(&Request::Cancel(id));
    let expected = CancelOrder { client_id: id, venue_order_id: venue_id("v-1"), instrument: A };
    assert_eq!(bench.sent(), [CommandKind::Cancel(expected)]);
    assert_eq!(bench.state(id), OrderState::Unknown);
    let refused = ExecutionReport {
        reason: RejectReason::UnknownOrder,
        ..ExecutionReport::new(ReportKind::CancelRejected, Reply, id, A)
    };
    bench.report(&refused);
    assert_eq!(bench.state(id), OrderState::Unknown, "it may still be on its way");
    bench.pass(250 * MS);
    assert!(bench.sent().iter().any(is_query));
    bench.say(ReportKind::Canceled, Stream, id);
    assert_eq!(bench.state(id), OrderState::Canceled);
}

#[test]
fn a_lost_cancel_is_looked_into_and_repeated() {
    let mut bench = Bench::new();
    let id = bench.order();
    bench.say(ReportKind::Accepted, Stream, id);
    bench.request(&Request::Cancel(id));
    assert!(is_cancel(&bench.sent()[0]));
    assert_eq!(bench.state(id), OrderState::PendingCancel);
    bench.request(&Request::Cancel(id));
    assert!(bench.sent().is_empty(), "one is on its way already");
    bench.say(ReportKind::Unknown, Local, id);
    assert_eq!(bench.state(id), OrderState::Unknown);
    bench.report(&status(id, OrderState::Open));
    assert_eq!(bench.state(id), OrderState::Open);
    bench.pass(1_000 * MS);
    assert!(is_cancel(&bench.sent()[0]), "still wanted");
    assert_eq!(bench.state(id), OrderState::PendingCancel);
    assert_eq!(bench.oms.counters().cancels_sent, 2);
}

#[test]
fn a_refused_cancel_is_told_and_repeated_with_growing_pauses() {
    let mut bench = Bench::new();
    let id = bench.order();
    bench.say(ReportKind::Accepted, Reply, id);
    bench.request(&Request::Cancel(id));
    let mut sent = Vec::new();
    while bench.now.since(START) < 8_000 * MS {
        if bench.state(id) == OrderState::PendingCancel {
            bench.say(ReportKind::CancelRejected, Local, id);
            let told = bench.out.reports[0].1;
            assert_eq!((told.state, told.kind), (OrderState::Open, ReportKind::CancelRejected));
        }
        bench.pass(50 * MS);
        if bench.sent().iter().any(is_cancel) {
            sent.push(bench.now.since(START) / MS);
        }
    }
    assert_eq!(sent, [500, 1_500, 3_500, 7_500]);
}

#[test]
fn a_cancel_that_finds_nothing_leads_to_a_query() {
    let mut bench = Bench::new();
    let id = bench.order();
    bench.say(ReportKind::Accepted, Stream, id);
    bench.request(&Request::Cancel(id));
    bench.report(&ExecutionReport {
        reason: RejectReason::UnknownOrder,
        ..ExecutionReport::new(ReportKind::CancelRejected, Reply, id, A)
    });
    assert_eq!(bench.state(id), OrderState::Unknown);
    bench.report(&ExecutionReport {
        cumulative_qty: Some(Qty(1_000)),
        ..status(id, OrderState::Filled)
    });
    assert_eq!(bench.state(id), OrderState::Filled);
    assert_eq!(bench.oms.exposures().underlying(BTC).buying, btc(1_000), "its fills will come");
}

#[test]
fn an_order_believed_dead_that_shows_life_is_reserved_and_asked_for() {
    let mut bench = Bench::new();
    let id = bench.order();
    bench.say(ReportKind::Rejected, Reply, id);
    assert_eq!(bench.oms.counters().orders_rejected, 1);
    bench.say(ReportKind::Accepted, Stream, id);
    assert_eq!(bench.state(id), OrderState::Unknown);
    assert_eq!(bench.oms.exposures().underlying(BTC).buying, btc(1_000));
    let counters = bench.oms.counters();
    assert_eq!((counters.orders_rejected, counters.contradictions), (0, 1));
    bench.pass(250 * MS);
    assert!(bench.sent().iter().any(is_query));
    bench.check_sums();
}

#[test]
fn a_lost_stream_makes_every_order_of_that_venue_unknown() {
    let mut bench = Bench::new();
    let ids = bench.signal(&[leg(A, Side::Buy), leg(B, Side::Sell)]);
    let (on_a, on_b) = (ids[0], ids[1]);
    bench.report(&ExecutionReport::new(ReportKind::Accepted, Stream, on_b, B));
    bench.out.clear();
    bench.notice(VENUE_B, VenueNotice::Readiness(Channel::Private, Readiness::Down));
    assert_eq!(
        (bench.state(on_a), bench.state(on_b)),
        (OrderState::PendingNew, OrderState::Unknown)
    );
    assert_eq!(bench.out.reports.len(), 1);
    assert!(!bench.oms.is_ready(VENUE_B, bench.now));
    // A late reply shows it open, but nobody would tell of its end.
    bench.report(&ExecutionReport::new(ReportKind::Accepted, Reply, on_b, B));
    assert_eq!(bench.state(on_b), OrderState::Open);
    bench.notice(VENUE_B, VenueNotice::Readiness(Channel::Private, Readiness::Ready));
    assert_eq!(bench.state(on_b), OrderState::Unknown);
    bench.pass(250 * MS);
    assert!(bench.sent().iter().any(is_query));
    assert!(bench.out.commands.iter().all(|(venue, _)| *venue == VENUE_B));
    bench.settle(VENUE_B, &[], &[]);
    assert!(!bench.oms.is_ready(VENUE_B, bench.now), "nobody has said what became of the order");
    let open = ExecutionReport {
        instrument: B,
        cumulative_qty: Some(Qty(400)),
        ..status(on_b, OrderState::PartiallyFilled)
    };
    bench.report(&open);
    assert_eq!(bench.state(on_b), OrderState::PartiallyFilled);
    assert!(!bench.oms.is_ready(VENUE_B, bench.now), "a fill was missed");
    let side = Side::Sell;
    bench.report(&ExecutionReport { origin: ReportOrigin::Query, side, ..fill(on_b, B, 7, 400) });
    assert_eq!(bench.sent(), [CommandKind::Balances], "they come last");
    let expected = bench.expected(VENUE_B);
    bench.settle(VENUE_B, &[], &expected);
    assert!(bench.oms.is_ready(VENUE_B, bench.now));
    bench.check_sums();
}

#[test]
fn a_venue_that_does_not_know_an_order_is_not_waited_for_any_longer() {
    let mut bench = Bench::new();
    let id = bench.order();
    for readiness in [Readiness::Down, Readiness::Ready] {
        bench.notice(VENUE_A, VenueNotice::Readiness(Channel::Trade, readiness));
    }
    bench.settle(VENUE_A, &[], &[]);
    assert!(!bench.oms.is_ready(VENUE_A, bench.now));
    bench.say(ReportKind::NotFound, ReportOrigin::Query, id);
    assert_eq!(bench.state(id), OrderState::Unknown);
    bench.settle(VENUE_A, &[], &[]);
    assert!(bench.oms.is_ready(VENUE_A, bench.now));
}

#[test]
fn stopping_cancels_everything_until_it_is_quiet() {
    let mut bench = Bench::new();
    let (first, second) = (bench.order(), bench.order());
    bench.say(ReportKind::Accepted, Stream, first);
    bench.out.clear();
    bench.tell(Operator::Stop);
    assert_eq!(bench.sent().iter().filter(|kind| is_cancel(kind)).count(), 2);
    let resume = Operator::SetState(Scope::Engine, TradingState::Active);
    assert!(bench.oms.on_operator(&resume, bench.now, &mut bench.out).is_err());
    assert_eq!(bench.oms.trading_state(), TradingState::Halted, "a stop is for good");
    bench.say(ReportKind::Canceled, Stream, first);
    bench.say(ReportKind::CancelRejected, Local, second);
    assert!(!bench.oms.is_quiet());
    bench.pass(1_000 * MS);
    assert_eq!(bench.sent().iter().filter(|kind| is_cancel(kind)).count(), 1);
    bench.say(ReportKind::Canceled, Stream, second);
    assert!(bench.oms.is_quiet());
    bench.check_sums();
}

#[test]
fn a_strategy_cancels_only_its_own_orders() {
    let mut bench = Bench::new();
    let id = bench.order();
    let other = StrategyId(4);
    for request in [Request::Cancel(id), Request::CancelAll] {
        bench.out.clear();
        bench.oms.on_request(other, &request, bench.now, &mut bench.out);
        assert!(bench.sent().is_empty(), "{request:?}");
    }
    assert_eq!(bench.state(id), OrderState::PendingNew);
    bench.request(&Request::CancelAll);
    assert_eq!(bench.sent().len(), 1);
}

#[test]
fn a_fill_that_comes_before_its_order_is_known_is_booked_once_and_given_to_it_later() {
    let mut bench = Bench::new();
    let id = bench.order();
    // A list of fills names only the venue's id, which no report has told yet.
    let mut early = fill(ClientOrderId::NONE, A, 1, 400);
    early.venue_order_id = venue_id("v-9");
    early.origin = Query;
    bench.report(&early);
    assert_eq!(bench.oms.positions().get(A).qty, btc(400));
    assert_eq!(bench.oms.counters().fills_external, 1);
    bench.report(&ExecutionReport { venue_order_id: venue_id("v-9"), ..fill(id, A, 1, 400) });
    assert_eq!(bench.oms.positions().get(A).qty, btc(400));
    assert_eq!(bench.oms.order(id).unwrap().filled, Qty(400));
    assert_eq!(bench.oms.counters().fills_external, 0);
    // From now on the venue's id is enough.
    let mut named = fill(ClientOrderId::NONE, A, 2, 600);
    named.venue_order_id = venue_id("v-9");
    bench.report(&named);
    assert_eq!(bench.state(id), OrderState::Filled);
    bench.check_sums();
}

#[test]
fn fills_of_orders_placed_by_hand_move_the_position_but_not_those_of_before_our_start() {
    let mut bench = Bench::new();
    let mut foreign = fill(ClientOrderId::NONE, A, 1, 500);
    foreign.side = Side::Sell;
    bench.report(&foreign);
    assert_eq!(bench.oms.positions().get(A).qty, btc(-500));
    bench.report(&ExecutionReport {
        event_ns: Nanos(START.0 - 1),
        ..fill(ClientOrderId::NONE, A, 2, 500)
    });
    assert_eq!(bench.oms.positions().get(A).qty, btc(-500));
    let counters = bench.oms.counters();
    assert_eq!((counters.fills_external, counters.fills_before_start), (1, 1));
}

#[test]
fn fills_that_cannot_be_booked_are_counted_and_asked_for() {
    let mut bench = Bench::new();
    let id = bench.order();
    let mut nameless = fill(id, A, 1, 400);
    nameless.fill.fill_id = FillId::EMPTY;
    nameless.cumulative_qty = Some(Qty(400));
    bench.report(&nameless);
    bench.report(&fill(id, A, 2, -5));
    bench.report(&fill(id, InstrumentId(9), 3, 5));
    assert_eq!(bench.oms.positions().get(A).qty, Amount::ZERO);
    assert_eq!(bench.oms.counters().fills_bad, 2);
    assert_eq!(bench.oms.counters().contradictions, 1, "another instrument than its order's");
    bench.pass(250 * MS);
    assert!(bench.sent().iter().any(is_fill_request));
}

#[test]
fn a_fill_beyond_all_numbers_halts_trading() {
    let mut bench = Bench::new();
    let id = bench.order();
    let mut huge = fill(id, A, 1, i64::MAX);
    huge.fill.price = Price(i64::MAX);
    bench.report(&huge);
    assert_eq!(bench.oms.trading_state(), TradingState::Halted);
    assert_eq!(bench.oms.counters().fills_bad, 1);
}

#[test]
fn reports_from_the_wrong_venue_or_about_nobody_are_counted_only() {
    let mut bench = Bench::new();
    let id = bench.order();
    let report = ExecutionReport::new(ReportKind::Canceled, Stream, id, A);
    bench.oms.on_report(VENUE_B, &report, bench.now, &mut bench.out);
    assert_eq!(bench.state(id), OrderState::PendingNew);
    bench.say(ReportKind::Accepted, Stream, ClientOrderId(1));
    let counters = bench.oms.counters();
    assert_eq!((counters.contradictions, counters.reports_orphaned), (1, 1));
}

#[test]
fn a_command_that_was_never_sent_is_refused_locally() {
    let mut bench = Bench::new();
    let ids = bench.signal(&[leg(A, Side::Buy)]);
    let command = bench.out.commands[0].1;
    let report =
        ExecutionReport::refused_here(&command.kind, RejectReason::RateLimit, bench.now).unwrap();
    assert_eq!((report.kind, report.origin), (ReportKind::Rejected, Local));
    bench.report(&report);
    assert_eq!(bench.state(ids[0]), OrderState::Rejected);
    assert_eq!(bench.out.reports[0].1.reason, RejectReason::RateLimit);
    assert_eq!(bench.oms.exposures().underlying(BTC).buying, Amount::ZERO);
    let cancel = CommandKind::Cancel(CancelOrder {
        client_id: ids[0],
        venue_order_id: VenueOrderId::EMPTY,
        instrument: A,
    });
    let refused = |kind| ExecutionReport::refused_here(&kind, RejectReason::Other, START);
    assert_eq!(refused(cancel).unwrap().kind, ReportKind::CancelRejected);
    assert_eq!(refused(CommandKind::Balances), None);
}

fn never_sent(kind: &CommandKind, now: Nanos) -> ExecutionReport {
    ExecutionReport::refused_here(kind, RejectReason::NotSent, now).unwrap()
}

#[test]
fn orders_and_changes_say_by_when_they_must_leave_and_nothing_else_does() {
    let mut options = options();
    options.limits.order_wait_max_ns = Some(700 * MS);
    let mut bench = Bench::with(options);
    let ids = bench.signal(&[Leg { time_in_force: TimeInForce::Gtc, ..leg(A, Side::Buy) }]);
    let by = |bench: &Bench| bench.out.commands[0].1.leave_by_ns;
    assert_eq!(by(&bench), START.plus(700 * MS));
    bench.say(ReportKind::Accepted, Stream, ids[0]);
    bench.request(&Request::Replace { id: ids[0], price: Price(5_999_990), qty: Qty(900) });
    assert_eq!(by(&bench), START.plus(700 * MS));
    bench.say(ReportKind::ReplaceRejected, Reply, ids[0]);
    bench.request(&Request::Cancel(ids[0]));
    assert_eq!(by(&bench), Command::WHENEVER, "a cancel waits for ever");
    bench.say(ReportKind::Unknown, Local, ids[0]);
    bench.pass(250 * MS);
    assert!(matches!(bench.sent()[..], [CommandKind::Query(_)]));
    assert_eq!(by(&bench), Command::WHENEVER);
    let key = crate::types::LimitKey::OrderWaitMaxMs;
    let set = crate::types::Operator::SetLimit(key, Amount(50 * E18));
    let done = bench.oms.on_operator(&set, bench.now, &mut bench.out).unwrap();
    assert_eq!(done.limit_before, Some(Amount(700 * E18)));
    bench.books_are_new();
    bench.signal(&[leg(B, Side::Sell)]);
    assert_eq!(by(&bench), bench.now.plus(50 * MS));
    let mut unlimited = Bench::new();
    unlimited.signal(&[leg(A, Side::Buy)]);
    assert_eq!(by(&unlimited), Command::WHENEVER);
}

/// It waited here while its outcome was given up, its stream was lost or a cancel was wanted.
#[test]
fn an_order_that_never_left_is_rejected_whatever_was_feared_of_it() {
    type Fear = fn(&mut Bench, ClientOrderId);
    let feared: [Fear; 4] = [
        |_, _| {},
        |bench, id| bench.say(ReportKind::Unknown, Local, id),
        |bench, id| bench.request(&Request::Cancel(id)),
        |bench, _| {
            bench.notice(VENUE_A, VenueNotice::Readiness(Channel::Trade, Readiness::Down));
        },
    ];
    for fear in feared {
        let mut bench = Bench::new();
        let ids = bench.signal(&[leg(A, Side::Buy)]);
        let kind = bench.out.commands[0].1.kind;
        fear(&mut bench, ids[0]);
        bench.report(&never_sent(&kind, bench.now));
        assert_eq!(bench.state(ids[0]), OrderState::Rejected);
        assert_eq!(bench.out.reports[0].1.reason, RejectReason::NotSent);
        let counters = bench.oms.counters();
        assert_eq!((counters.never_sent, counters.contradictions), (1, 0));
        assert_eq!(bench.oms.exposures().underlying(BTC).buying, Amount::ZERO);
        bench.check_sums();
    }
    // What the venue has shown cannot have stayed here.
    let mut bench = Bench::new();
    let ids = bench.signal(&[leg(A, Side::Buy)]);
    let kind = bench.out.commands[0].1.kind;
    bench.say(ReportKind::Accepted, Stream, ids[0]);
    bench.say(ReportKind::Unknown, Local, ids[0]);
    bench.report(&never_sent(&kind, bench.now));
    assert_ne!(bench.state(ids[0]), OrderState::Rejected);
    assert_eq!(bench.oms.counters().contradictions, 1);
}

#[test]
fn a_replace_that_never_left_leaves_the_old_terms() {
    let mut bench = Bench::new();
    let id = bench.order();
    bench.say(ReportKind::Accepted, Stream, id);
    bench.request(&Request::Replace { id, price: Price(6_000_000), qty: Qty(1_500) });
    let kind = bench.out.commands[0].1.kind;
    assert_eq!(bench.oms.exposures().underlying(BTC).buying, btc(1_500));
    let CommandKind::Replace(terms) = kind else { panic!("{kind:?}") };
    let other = CommandKind::Replace(crate::types::ReplaceOrder { qty: Qty(1_200), ..terms });
    bench.report(&never_sent(&kind, bench.now));
    assert_eq!(bench.state(id), OrderState::Open);
    assert_eq!(bench.out.reports[0].1.kind, ReportKind::ReplaceRejected);
    assert_eq!(bench.oms.exposures().underlying(BTC).buying, btc(1_000));
    assert_eq!(bench.oms.counters().never_sent, 1);
    // One of other terms is not the one that is on its way now.
    bench.request(&Request::Replace { id, price: Price(6_000_000), qty: Qty(1_500) });
    bench.report(&never_sent(&other, bench.now));
    assert_eq!(bench.oms.exposures().underlying(BTC).buying, btc(1_500));
}

#[test]
fn replaced_terms_change_what_is_reserved() {
    let mut bench = Bench::new();
    let id = bench.order();
    let mut report = ExecutionReport::new(ReportKind::Replaced, Stream, id, A);
    (report.price, report.qty) = (Price(5_999_000), Qty(600));
    bench.report(&report);
    let order = bench.oms.order(id).unwrap();
    assert_eq!(
        (order.price, order.qty, order.state),
        (Price(5_999_000), Qty(600), OrderState::Open)
    );
    assert_eq!(bench.oms.exposures().underlying(BTC).buying, btc(600));
    bench.check_sums();
}

#[test]
fn balances_follow_fills_and_fees() {
    let mut bench = Bench::new();
    let id = bench.order();
    let mut report = fill(id, A, 1, 1_000);
    report.fill.fee = Amount(E18 / 100_000);
    report.fill.fee_asset = BTC;
    bench.report(&report);
    let btc_row = bench.oms.balances().get(VENUE_A, BTC);
    assert_eq!(btc_row.expected(), Some(Amount(E18 + E18 / 100 - E18 / 100_000)));
    assert_eq!(btc_row.fees, Amount(E18 / 100_000));
    let usdt_row = bench.oms.balances().get(VENUE_A, USDT);
    assert_eq!(usdt_row.expected(), Some(Amount((100_000 - 600) * E18)));
    // The fee is part of what is held.
    assert_eq!(bench.oms.exposures().underlying(BTC).position, btc(999));
    assert_eq!(bench.oms.positions().get(A).fees_value, Amount(6 * E18 / 10));
}

#[test]
fn unknown_assets_are_counted_and_fees_remembered() {
    let mut bench = Bench::new();
    let stranger = AssetBalance { asset: AssetId::NONE, ..AssetBalance::default() };
    bench.oms.on_balance(&stranger, START);
    assert_eq!(bench.oms.counters().balances_unknown, 1);
    let fee = FeeRate { instrument: B, maker: Ppb(1), taker: Ppb(2) };
    bench.oms.on_fee(&fee, START);
    assert_eq!((bench.oms.fee_rate(B), bench.oms.fee_rate(A)), (Some(fee), None));
}

#[test]
fn ended_orders_make_room_for_ever() {
    let mut bench = Bench::new();
    let mut first = None;
    for number in 0..500 {
        bench.now = bench.now.plus(100 * MS);
        bench.oms.books_mut().0[0].recv_ns = bench.now;
        let id = bench.order();
        first.get_or_insert(id);
        bench.report(&ExecutionReport {
            venue_order_id: VenueOrderId::from_u64(number),
            ..ExecutionReport::new(ReportKind::Expired, Stream, id, A)
        });
        bench.check_sums();
    }
    assert!(bench.oms.order(first.unwrap()).is_none());
    assert_eq!(bench.oms.counters().orders_expired, 500);
    assert_eq!(bench.oms.orders().iter().count(), 64);
    let mut late = fill(first.unwrap(), A, 1, 10);
    late.venue_order_id = VenueOrderId::from_u64(0);
    bench.report(&late);
    assert_eq!(bench.oms.positions().get(A).qty, btc(10), "later than late is still booked");
    bench.pass(60_000 * MS);
    assert_eq!(bench.oms.deadline(), Some(START.plus(HOUR)), "nothing but the next reconciliation");
}

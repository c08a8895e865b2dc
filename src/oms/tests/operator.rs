//! What a person tells the engine, and what it does until that is so.

use super::*;
use crate::types::{LimitKey, NewOrder, ParamChange, ParamName, RejectReason, Teller};

const OWN: Scope = Scope::Strategy(STRATEGY);

fn tell(bench: &mut Bench, operator: Operator) -> Result<OperatorDone, OperatorError> {
    bench.out.clear();
    bench.oms.on_operator(&operator, bench.now, &mut bench.out)
}

/// The position of instrument A becomes `qty` by an order of the test's strategy.
fn hold(bench: &mut Bench, qty: i64) {
    hold_in(bench, A, qty);
}

fn hold_in(bench: &mut Bench, instrument: InstrumentId, qty: i64) {
    let side = if qty > 0 { Side::Buy } else { Side::Sell };
    bench.books_are_new();
    let id = bench.signal(&[Leg { qty: Qty(qty.abs()), ..leg(instrument, side) }])[0];
    let fill = fill(id, instrument, 1_000 + qty.unsigned_abs(), qty.abs());
    let report = ExecutionReport { side, ..fill };
    bench.report(&report);
    bench.out.clear();
}

/// New orders of the last call.
fn orders(bench: &Bench) -> Vec<NewOrder> {
    let new = bench.sent().into_iter().filter_map(|kind| match kind {
        CommandKind::New(order) => Some(order),
        _ => None,
    });
    new.collect()
}

/// Lets 100 ms pass under fresh books.
fn look(bench: &mut Bench) -> Vec<NewOrder> {
    bench.now = bench.now.plus(100 * MS);
    bench.books_are_new();
    bench.out.clear();
    bench.oms.on_timer(bench.now, &mut bench.out);
    orders(bench)
}

fn closing(bench: &Bench) -> ClosingState {
    bench.oms.closings().iter().find(|closing| closing.instrument == A).unwrap().state
}

#[test]
fn a_halted_scope_trades_nothing_and_the_others_go_on() {
    let mut bench = Bench::new();
    let refused = |bench: &mut Bench, instrument, code: Option<RiskReject>| {
        bench.signal(&[leg(instrument, Side::Buy)]);
        let got = bench.out.reports.first().map(|(_, report)| report.risk);
        assert_eq!(got, code.map(|code| code as u8), "{instrument:?}");
    };
    tell(&mut bench, Operator::SetState(Scope::Venue(VENUE_A), TradingState::Halted)).unwrap();
    refused(&mut bench, A, Some(RiskReject::Halted));
    refused(&mut bench, B, None);
    tell(&mut bench, Operator::SetState(Scope::Venue(VENUE_A), TradingState::Active)).unwrap();
    tell(&mut bench, Operator::SetState(OWN, TradingState::Halted)).unwrap();
    refused(&mut bench, A, Some(RiskReject::Halted));
    refused(&mut bench, B, Some(RiskReject::Halted));
    tell(&mut bench, Operator::SetState(OWN, TradingState::Active)).unwrap();
    tell(&mut bench, Operator::SetState(Scope::Engine, TradingState::ReduceOnly)).unwrap();
    assert_eq!(bench.oms.trading_state(), TradingState::ReduceOnly);
    refused(&mut bench, A, Some(RiskReject::ReduceOnly));
}

#[test]
fn a_strategy_that_may_only_reduce_is_measured_by_what_it_did_itself() {
    let mut bench = Bench::new();
    hold(&mut bench, 1_000);
    // Another strategy's short leaves the instrument flat.
    let other = StrategyId(4);
    let signal = Signal {
        id: SignalId(1),
        strategy: other,
        legs_len: 1,
        legs: [leg(A, Side::Sell); crate::types::LEGS_MAX],
        ..Signal::default()
    };
    bench.out.clear();
    bench.oms.on_request(other, &Request::Signal(signal), bench.now, &mut bench.out);
    let id = orders(&bench)[0].client_id;
    bench.report(&ExecutionReport { side: Side::Sell, ..fill(id, A, 7, 1_000) });
    assert_eq!(bench.oms.positions().get(A).qty, Amount::ZERO);
    tell(&mut bench, Operator::SetState(OWN, TradingState::ReduceOnly)).unwrap();
    assert_eq!(bench.signal(&[leg(A, Side::Buy)]), []);
    assert_eq!(bench.out.reports[0].1.risk, RiskReject::ReduceOnly as u8);
    assert_eq!(bench.signal(&[leg(A, Side::Sell)]).len(), 1, "it holds 1 000");
    assert_eq!(bench.signal(&[leg(A, Side::Sell)]), [], "and has sold them already");
}

#[test]
fn cancelling_a_scope_goes_on_until_its_orders_have_ended() {
    let mut bench = Bench::new();
    let first = bench.order();
    let gtc = Leg { time_in_force: TimeInForce::Gtc, ..leg(B, Side::Buy) };
    let second = bench.signal(&[gtc])[0];
    bench.say(ReportKind::Accepted, ReportOrigin::Stream, first);
    assert_eq!(tell(&mut bench, Operator::CancelAll(Scope::Venue(VENUE_A))).unwrap().cancels, 1);
    assert!(matches!(bench.sent()[..], [CommandKind::Cancel(order)] if order.client_id == first));
    let left = |bench: &Bench| bench.oms.progress(Scope::Venue(VENUE_A));
    assert_eq!(left(&bench), Progress { open: 1, ..Progress::default() });
    let refusal = ExecutionReport {
        reason: RejectReason::RateLimit,
        ..ExecutionReport::new(ReportKind::CancelRejected, ReportOrigin::Local, first, A)
    };
    bench.report(&refusal);
    bench.pass(6_000 * MS);
    assert!(bench.sent().iter().any(|kind| matches!(kind, CommandKind::Cancel(_))), "again");
    bench.say(ReportKind::Canceled, ReportOrigin::Stream, first);
    assert!(left(&bench).is_done());
    assert_eq!(bench.oms.progress(Scope::Engine).open, 1);
    assert_eq!(bench.state(second), OrderState::PendingNew, "not in the scope");
    let unknown = Operator::CancelAll(Scope::Venue(VenueId(9)));
    assert_eq!(tell(&mut bench, unknown), Err(OperatorError::UnknownScope));
}

#[test]
fn what_is_placed_after_a_cancel_is_not_what_was_to_be_cancelled() {
    let mut bench = Bench::new();
    let scope = Scope::Venue(VENUE_A);
    let first = bench.order();
    bench.say(ReportKind::Accepted, ReportOrigin::Stream, first);
    assert_eq!(tell(&mut bench, Operator::CancelAll(scope)).unwrap().cancels, 1);
    let at = bench.now;
    bench.pass(MS);
    let second = bench.order();
    bench.say(ReportKind::Accepted, ReportOrigin::Stream, second);
    assert_eq!(bench.oms.progress_of(scope, at).open, 1);
    bench.say(ReportKind::Canceled, ReportOrigin::Stream, first);
    assert!(bench.oms.progress_of(scope, at).is_done());
    assert_eq!(bench.oms.progress(scope).open, 1);
}

#[test]
fn flattening_waits_for_cancels_and_closes_inside_the_collar() {
    let mut bench = Bench::new();
    hold(&mut bench, 10_000);
    hold(&mut bench, 9_999);
    let working = bench.order();
    bench.say(ReportKind::Accepted, ReportOrigin::Stream, working);
    tell(&mut bench, Operator::Flatten(OWN)).unwrap();
    assert_eq!(look(&mut bench), [], "an order still works");
    bench.say(ReportKind::Canceled, ReportOrigin::Stream, working);
    let sent = look(&mut bench);
    // The collar of the test is 0.1 %: 60 000.00 less 60.00.
    let [order] = sent[..] else { panic!("{sent:?}") };
    assert_eq!((order.side, order.price, order.qty), (Side::Sell, Price(5_994_000), Qty(16_666)));
    assert_eq!(order.time_in_force, TimeInForce::Ioc);
    assert_eq!(look(&mut bench), [], "one at a time");
    bench.report(&ExecutionReport { side: Side::Sell, ..fill(order.client_id, A, 20, 16_666) });
    let sent = look(&mut bench);
    assert_eq!(sent[0].qty, Qty(3_333), "10 000 USDT an order are allowed");
    bench.report(&ExecutionReport { side: Side::Sell, ..fill(sent[0].client_id, A, 21, 3_333) });
    assert_eq!(look(&mut bench), []);
    assert_eq!(closing(&bench), ClosingState::Flat);
    assert!(bench.oms.progress(OWN).is_done());
    assert_eq!(bench.oms.positions().get(A).qty, Amount::ZERO);
    assert_eq!(bench.oms.trading_state_of(OWN), Some(TradingState::Halted), "until resumed");
    bench.check_sums();
}

#[test]
fn flattening_a_strategy_leaves_the_others_positions() {
    let mut bench = Bench::new();
    hold(&mut bench, 500);
    assert_eq!(bench.oms.held(OWN, A), Amount(5 * E18 / 1_000));
    tell(&mut bench, Operator::Flatten(Scope::Strategy(StrategyId(4)))).unwrap();
    assert_eq!(look(&mut bench), []);
    assert_eq!(closing(&bench), ClosingState::Flat, "it holds nothing");
    assert_eq!(bench.oms.positions().get(A).qty, Amount(5 * E18 / 1_000));
}

#[test]
fn less_than_the_venue_takes_is_dust() {
    let mut bench = Bench::new();
    // Eight lots of 0.00001 are 4.80 USDT, below the minimum of 5.
    hold(&mut bench, 1_008);
    tell(&mut bench, Operator::Flatten(Scope::Engine)).unwrap();
    let order = look(&mut bench)[0];
    assert_eq!(order.client_id.strategy(), StrategyId::OPERATOR);
    bench.report(&ExecutionReport { side: Side::Sell, ..fill(order.client_id, A, 30, 1_000) });
    bench.say(ReportKind::Expired, ReportOrigin::Stream, order.client_id);
    assert_eq!(look(&mut bench), []);
    assert_eq!(closing(&bench), ClosingState::Dust);
    let left = Amount(8 * E18 / 100_000);
    assert_eq!(bench.oms.shares().get(A, STRATEGY), Amount::ZERO);
    assert_eq!(bench.oms.shares().get(A, StrategyId::OPERATOR), left, "charged to nobody else");
    let closed = bench.oms.recorder().iter().rev().find_map(|(_, record)| match record {
        Record::Closed { instrument, state, left, .. } if *instrument == A => Some((*state, *left)),
        _ => None,
    });
    assert_eq!(closed, Some((ClosingState::Dust, left)));
}

#[test]
fn what_cannot_be_closed_is_given_up_with_its_reason() {
    let mut bench = Bench::new();
    hold(&mut bench, 1_000);
    tell(&mut bench, Operator::Flatten(Scope::Engine)).unwrap();
    for book in &mut bench.oms.books_mut().0 {
        book.state = BookState::Stale;
    }
    for _ in 0..400 {
        assert_eq!(look(&mut bench), []);
    }
    assert_eq!(closing(&bench), ClosingState::GaveUp(Some(RiskReject::BookNotLive)));
    assert!(bench.oms.progress(Scope::Engine).is_done());
}

#[test]
fn positions_that_hold_each_other_back_are_closed_in_turns() {
    let mut bench = Bench::new();
    hold_in(&mut bench, A, -700);
    hold_in(&mut bench, B, 700);
    // Either closed whole would leave 700 of the other.
    let limit = Amount(5 * E18 / 1_000);
    tell(&mut bench, Operator::SetLimit(LimitKey::PositionMax(BTC), limit)).unwrap();
    tell(&mut bench, Operator::Flatten(Scope::Engine)).unwrap();
    let mut traded = Vec::new();
    for round in 0..4 {
        for order in look(&mut bench) {
            traded.push((order.instrument, order.side, order.qty.0));
            let fill = fill(order.client_id, order.instrument, 40 + round, order.qty.0);
            bench.report(&ExecutionReport { side: order.side, ..fill });
        }
    }
    assert_eq!(
        traded,
        [(A, Side::Buy, 500), (B, Side::Sell, 500), (A, Side::Buy, 200), (B, Side::Sell, 200),]
    );
    assert!(bench.oms.closings().iter().all(|row| row.state == ClosingState::Flat));
}

#[test]
fn a_position_is_never_taken_beyond_flat() {
    let mut bench = Bench::new();
    hold(&mut bench, -700);
    tell(&mut bench, Operator::Flatten(Scope::Engine)).unwrap();
    let order = look(&mut bench)[0];
    assert_eq!((order.side, order.price, order.qty), (Side::Buy, Price(6_006_010), Qty(700)));
    // A second command while the first one's order works waits for it.
    tell(&mut bench, Operator::Flatten(OWN)).unwrap();
    assert_eq!(look(&mut bench), []);
    bench.report(&fill(order.client_id, A, 40, 700));
    assert_eq!(look(&mut bench), []);
    assert_eq!(closing(&bench), ClosingState::Flat);
    assert_eq!(bench.oms.shares().get(A, STRATEGY), Amount::ZERO);
    assert!(bench.oms.progress(OWN).is_done());
}

#[test]
fn a_strategys_closing_waits_for_the_engines() {
    let mut bench = Bench::new();
    hold(&mut bench, 700);
    tell(&mut bench, Operator::Flatten(Scope::Engine)).unwrap();
    tell(&mut bench, Operator::Flatten(OWN)).unwrap();
    let order = look(&mut bench)[0];
    assert_eq!(order.client_id.strategy(), StrategyId::OPERATOR);
    assert_eq!(bench.oms.progress(OWN).closing, 1);
    bench.report(&ExecutionReport { side: Side::Sell, ..fill(order.client_id, A, 41, 700) });
    assert_eq!(look(&mut bench), []);
    assert!(bench.oms.progress(OWN).is_done());
    assert!(bench.oms.progress(Scope::Engine).is_done());
}

#[test]
fn limits_change_at_run_time_and_the_change_is_on_record() {
    let mut bench = Bench::new();
    let cases = [
        (LimitKey::OrderNotionalMax, 10_000 * E18, 100 * E18),
        (LimitKey::PositionMax(BTC), E18, 3 * E18),
        (LimitKey::PriceCollarBps, 10 * E18, 25 * E18 / 10),
        (LimitKey::BookAgeMaxMs, 500 * E18, 750 * E18),
        (LimitKey::OrdersPerSecondMax, 40 * E18, 9 * E18),
        (LimitKey::OrdersOpenMax, 30 * E18, 4_096 * E18),
    ];
    for (key, before, after) in cases {
        assert_eq!(bench.oms.limit(key), Some(Amount(before)), "{key:?}");
        let done = tell(&mut bench, Operator::SetLimit(key, Amount(after))).unwrap();
        assert_eq!(done.limit_before, Some(Amount(before)), "{key:?}");
        assert_eq!(bench.oms.limit(key), Some(Amount(after)), "{key:?}");
        let last = &bench.oms.recorder().last().unwrap().1;
        let Record::LimitSet { key: told, before: from, after: to } = last else {
            panic!("{last:?}")
        };
        assert_eq!((*told, *from, *to), (key, Some(Amount(before)), Amount(after)));
    }
    assert_eq!(bench.signal(&[leg(A, Side::Buy)]), [], "600 USDT are above 100");
    assert_eq!(bench.out.reports[0].1.risk, RiskReject::OrderNotional as u8);
}

#[test]
fn what_a_limit_was_is_told_apart_from_none_and_older_journals_are_read() {
    let mut bench = Bench::new();
    let key = LimitKey::InstrumentPositionMax(A);
    let last = |bench: &mut Bench| bench.oms.recorder().last().unwrap().1.clone();
    for (value, was) in [(0, None), (7 * E18, Some(Amount(0)))] {
        tell(&mut bench, Operator::SetLimit(key, Amount(value))).unwrap();
        let record = last(&mut bench);
        assert!(matches!(record, Record::LimitSet { before, .. } if before == was), "{record:?}");
    }
    let now = bench.now;
    bench.oms.record_hash(now);
    let mut records = super::replay::recorded(&mut bench);
    for (_, record) in &mut records {
        if let Record::LimitSet { key, before, after } = *record {
            *record = Record::Limit { key, before: before.unwrap_or_default(), after };
        }
    }
    let again = super::replay::replay(Replay::new(), &records);
    assert_eq!(again.hash(), bench.oms.state_hash());
}

#[test]
fn a_journal_that_took_away_how_long_orders_wait_is_read() {
    let mut bench = Bench::new();
    let (key, before) = (LimitKey::OrderWaitMaxMs, Amount(5 * E18));
    tell(&mut bench, Operator::SetLimit(key, before)).unwrap();
    let now = bench.now;
    for told in [
        Record::Operator(Operator::UnsetLimit(key)),
        Record::Told(Teller::Watchdog, Operator::UnsetLimit(key)),
    ] {
        let mut records = super::replay::recorded(&mut bench);
        records.push((now, told));
        let refused = super::replay::replay(Replay::new(), &records);
        assert_eq!(Oms::replayed(refused).limit(key), Some(before), "it was on record only");
        let unset = Record::LimitUnset { key, before: Some(before) };
        records.extend([(now, unset), (now, Record::Timer)]);
        let again = super::replay::replay(Replay::new(), &records);
        assert_eq!(Oms::replayed(again).limit(key), None);
    }
    let records = bench.oms.recorder().len();
    assert_eq!(tell(&mut bench, Operator::UnsetLimit(key)), Err(OperatorError::AlwaysSet));
    assert_eq!((bench.oms.limit(key), bench.oms.recorder().len()), (Some(before), records));
}

#[test]
fn an_optional_limit_goes_back_to_not_set_and_the_others_do_not() {
    let mut bench = Bench::new();
    let own = LimitKey::StrategyOrdersOpenMax(STRATEGY);
    let keys = [
        (LimitKey::DailyLossMax, 60 * E18),
        (LimitKey::DrawdownMax, 90 * E18),
        (LimitKey::InstrumentPositionMax(A), 0),
        (own, E18),
        (LimitKey::StrategyOrdersPerSecondMax(STRATEGY), E18),
        (LimitKey::Budget(STRATEGY, VENUE_A), 0),
    ];
    for (key, value) in keys {
        let done = tell(&mut bench, Operator::SetLimit(key, Amount(value))).unwrap();
        assert_eq!((done.limit_before, bench.oms.limit(key)), (None, Some(Amount(value))));
    }
    assert_eq!(bench.signal(&[leg(A, Side::Buy)]), [], "no room at all");
    for (key, value) in keys {
        let done = tell(&mut bench, Operator::UnsetLimit(key)).unwrap();
        assert_eq!((done.limit_before, bench.oms.limit(key)), (Some(Amount(value)), None));
        let last = &bench.oms.recorder().last().unwrap().1;
        assert!(matches!(last, Record::LimitUnset { key: of, .. } if *of == key), "{last:?}");
        assert_eq!(tell(&mut bench, Operator::UnsetLimit(key)).unwrap().limit_before, None);
    }
    assert_eq!(bench.signal(&[leg(A, Side::Buy)]).len(), 1);
    bench.pass(HOUR);
    // Without the line in the file an order still does not wait for ever.
    let wait = LimitKey::OrderWaitMaxMs;
    tell(&mut bench, Operator::SetLimit(wait, Amount(5 * E18))).unwrap();
    let position = LimitKey::PositionMax(BTC);
    for key in [wait, position, LimitKey::OrderNotionalMax, LimitKey::OrdersOpenMax] {
        let told = tell(&mut bench, Operator::UnsetLimit(key));
        assert_eq!(told, Err(OperatorError::AlwaysSet), "{key:?}");
        assert!(bench.oms.limit(key).is_some());
    }
    let now = bench.now;
    bench.oms.record_hash(now);
    let records = super::replay::recorded(&mut bench);
    let again = super::replay::replay(Replay::new(), &records);
    assert_eq!(again.hash(), bench.oms.state_hash());
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    let mut bench = Bench::new();
    let cases = [
        (LimitKey::OrderNotionalMax, 0),
        (LimitKey::PositionMax(BTC), -1),
        (LimitKey::PriceCollarBps, 1),
        (LimitKey::PriceCollarBps, 10_001 * E18),
        (LimitKey::BookAgeMaxMs, E18 / 2),
        (LimitKey::OrdersPerSecondMax, 0),
        (LimitKey::OrdersOpenMax, 4_097 * E18),
        (LimitKey::OrdersOpenMax, i128::MAX),
    ];
    for (key, value) in cases {
        let told = tell(&mut bench, Operator::SetLimit(key, Amount(value)));
        assert_eq!(told, Err(OperatorError::BadValue), "{key:?} {value}");
    }
    let told = tell(&mut bench, Operator::SetLimit(LimitKey::PositionMax(USDT), Amount(E18)));
    assert_eq!(told, Err(OperatorError::UnknownAsset));
    assert_eq!(bench.oms.limit(LimitKey::OrdersOpenMax), Some(Amount(30 * E18)));
}

#[test]
fn nothing_is_allowed_again_once_the_engine_stops() {
    let mut bench = Bench::new();
    let order = bench.order();
    assert_eq!(tell(&mut bench, Operator::Stop).unwrap().cancels, 1);
    assert!(matches!(bench.sent()[..], [CommandKind::Cancel(cancel)] if cancel.client_id == order));
    let resume = Operator::SetState(Scope::Engine, TradingState::Active);
    assert_eq!(tell(&mut bench, resume), Err(OperatorError::Stopping));
    assert_eq!(tell(&mut bench, Operator::Flatten(Scope::Engine)), Err(OperatorError::Stopping));
    assert_eq!(bench.signal(&[leg(A, Side::Buy)]), []);
    assert_eq!(bench.oms.trading_state(), TradingState::Halted);
}

#[test]
fn a_stop_ends_a_closing() {
    let mut bench = Bench::new();
    hold(&mut bench, 1_000);
    tell(&mut bench, Operator::Flatten(Scope::Engine)).unwrap();
    tell(&mut bench, Operator::Stop).unwrap();
    assert_eq!(look(&mut bench), []);
    assert_eq!(closing(&bench), ClosingState::GaveUp(Some(RiskReject::Halted)));
}

#[test]
fn reconciling_asks_a_venue_for_everything() {
    let mut bench = Bench::new();
    let done = tell(&mut bench, Operator::Reconcile(Some(VENUE_A))).unwrap();
    assert_eq!(done.questions, 3);
    // One thing at a time.
    assert!(matches!(bench.sent()[..], [CommandKind::FillsSince { instrument: A, .. }]));
    let expected = bench.expected(VENUE_A);
    bench.settle(VENUE_A, &[], &expected);
    assert_eq!(bench.sent(), [CommandKind::OpenOrders(A), CommandKind::Balances]);
    assert_eq!(tell(&mut bench, Operator::Reconcile(None)).unwrap().questions, 6);
    let nowhere = Operator::Reconcile(Some(VenueId(3)));
    assert_eq!(tell(&mut bench, nowhere), Err(OperatorError::UnknownScope));
}

#[test]
fn a_person_accepts_the_balances_of_a_halted_venue() {
    let mut bench = Bench::new();
    let off = [(BTC, E18), (USDT, 99_000 * E18)];
    bench.out.clear();
    bench.tell(Operator::Reconcile(Some(VENUE_A)));
    for _ in 0..4 {
        bench.settle(VENUE_A, &[], &off);
        bench.pass(5_000 * MS);
    }
    assert!(bench.oms.is_halted(VENUE_A));
    let nowhere = tell(&mut bench, Operator::Accept(VenueId(9)));
    assert_eq!(nowhere, Err(OperatorError::UnknownScope));
    assert!(bench.oms.is_halted(VENUE_A), "another venue's balances were meant");
    assert!(tell(&mut bench, Operator::Accept(VENUE_A)).is_ok());
    assert!(!bench.oms.is_halted(VENUE_A) && bench.out.commands.is_empty());
    assert_eq!(bench.oms.balances().get(VENUE_A, USDT).opening, Some(Amount(99_000 * E18)));
}

#[test]
fn two_strategies_are_flattened_in_turns_and_each_is_told_of() {
    let mut bench = Bench::new();
    hold(&mut bench, 1_000);
    let other = StrategyId(4);
    let mut signal = Signal {
        id: SignalId(1),
        strategy: other,
        legs_len: 1,
        legs: [leg(A, Side::Buy); crate::types::LEGS_MAX],
        ..Signal::default()
    };
    signal.legs[0].qty = Qty(500);
    bench.out.clear();
    bench.oms.on_request(other, &Request::Signal(signal), bench.now, &mut bench.out);
    let id = orders(&bench)[0].client_id;
    bench.report(&fill(id, A, 7, 500));
    tell(&mut bench, Operator::Flatten(OWN)).unwrap();
    let first = look(&mut bench)[0];
    assert_eq!((first.client_id.strategy(), first.qty), (STRATEGY, Qty(1_000)));
    let scope = Scope::Strategy(other);
    tell(&mut bench, Operator::Flatten(scope)).unwrap();
    let closing = |bench: &Bench, scope| bench.oms.progress(scope).closing;
    assert_eq!((closing(&bench, OWN), closing(&bench, scope)), (1, 2), "OWN holds nothing in B");
    assert_eq!(look(&mut bench), [], "one after the other");
    bench.report(&ExecutionReport { side: Side::Sell, ..fill(first.client_id, A, 8, 1_000) });
    let second = look(&mut bench)[0];
    assert_eq!((second.client_id.strategy(), second.qty), (other, Qty(500)));
    bench.report(&ExecutionReport { side: Side::Sell, ..fill(second.client_id, A, 9, 500) });
    assert_eq!(look(&mut bench), []);
    let closed = bench.oms.recorder().iter().filter_map(|(_, record)| match record {
        Record::Closed { scope, instrument: A, state, .. } => Some((*scope, *state)),
        _ => None,
    });
    let closed: Vec<_> = closed.collect();
    assert_eq!(closed, [(OWN, ClosingState::Flat), (scope, ClosingState::Flat)]);
    assert_eq!(bench.oms.positions().get(A).qty, Amount::ZERO);
}

/// An order of others works; none of ours does.
fn beside_another() -> Bench {
    let mut bench = Bench::new();
    bench.report(&super::reconcile::foreign("h-1", Side::Buy, 1_000, 0));
    assert_eq!(bench.oms.orders().external_count(), 1);
    bench
}

#[test]
fn a_stop_leaves_the_orders_of_others_alone() {
    let mut bench = beside_another();
    assert_eq!(tell(&mut bench, Operator::Stop), Ok(OperatorDone::default()));
    assert_eq!(bench.sent(), []);
    bench.pass(HOUR);
    assert!(!bench.sent().iter().any(|kind| matches!(kind, CommandKind::Cancel(_))));
    assert!(bench.oms.progress(Scope::Engine).is_done() && bench.oms.is_quiet());
    assert_eq!(bench.oms.orders_of(Scope::Engine).count(), 0);
}

#[test]
fn cancelling_all_means_the_orders_of_others_too() {
    let mut bench = beside_another();
    assert_eq!(tell(&mut bench, Operator::CancelAll(Scope::Engine)).unwrap().cancels, 1);
    assert!(matches!(bench.sent()[..], [CommandKind::Cancel(_)]));
    assert_eq!(bench.oms.progress(Scope::Engine).open, 1);
    // A stop does not wait for what it would not have cancelled.
    tell(&mut bench, Operator::Stop).unwrap();
    assert!(bench.oms.progress(Scope::Engine).is_done());
}

#[test]
fn a_parameter_is_on_record_and_changes_nothing_here() {
    let mut bench = Bench::new();
    let value = crate::types::ParamValue::Int;
    let change = ParamChange {
        strategy: STRATEGY,
        name: ParamName::new("edge").unwrap(),
        before: value(1),
        after: value(2),
        by_uid: 5,
        by_pid: 6,
    };
    let done = tell(&mut bench, Operator::SetParam(change)).unwrap();
    assert_eq!(done.param_before, Some(value(1)));
    assert!(bench.sent().is_empty());
    assert!(format!("{:?}", bench.oms.recorder()).contains("SetParam"), "recorded first");
    let record = Record::Operator(Operator::SetParam(change));
    let decoded = Record::decode(&record.encode_long()).unwrap();
    assert!(matches!(decoded, Record::Operator(Operator::SetParam(read)) if read == change));
    let nobody = ParamChange { strategy: StrategyId::OPERATOR, ..change };
    assert_eq!(tell(&mut bench, Operator::SetParam(nobody)), Err(OperatorError::UnknownScope));
}

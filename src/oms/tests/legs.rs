//! Leg contracts: every action with exact values, and any history of fills, refusals, cancels and
//! unknowns.

use super::*;
use crate::types::{
    Breach, BreachAction, Contract, HEDGE_LEG, LegMode, LegPricing, NewOrder, PairEnd, PairOutcome,
    Priority, RejectReason,
};

/// 200 ms, one basis point through the book.
pub(super) const CONTRACT: Contract = Contract {
    mode: LegMode::Parallel,
    naked_qty_max: Qty(0),
    naked_time_max_ns: 200 * MS,
    on_breach: BreachAction::Unwind,
    slippage_max: Ppb(100_000),
};
const SEQUENTIAL: Contract = Contract { mode: LegMode::Sequential, ..CONTRACT };
/// Venue A again under another symbol, for completing elsewhere.
const C: InstrumentId = InstrumentId(2);

/// Buy 1 000 on A at 60 000.10, sell 1 000 on B at 60 000.
fn legs() -> [Leg; 2] {
    [Leg { price: Price(6_000_010), ..leg(A, Side::Buy) }, leg(B, Side::Sell)]
}

struct Pair {
    bench: Bench,
    ids: Vec<ClientOrderId>,
    fills: u64,
}

impl Pair {
    fn new(contract: Contract) -> Self {
        Self::of(contract, &legs())
    }

    fn of(contract: Contract, legs: &[Leg]) -> Self {
        let mut bench = Bench::new();
        let ids = bench.signal_with(legs, contract);
        Self { bench, ids, fills: 100 }
    }

    fn fill(&mut self, id: ClientOrderId, instrument: InstrumentId, qty: i64, price: i64) {
        self.fills += 1;
        let mut report = fill(id, instrument, self.fills, qty);
        report.fill.price = Price(price);
        self.bench.report(&report);
    }

    fn say(&mut self, kind: ReportKind, id: ClientOrderId, instrument: InstrumentId) {
        let report = ExecutionReport::new(kind, ReportOrigin::Stream, id, instrument);
        self.bench.report(&report);
    }

    /// New orders of the last call, with their priority.
    fn news(&self) -> Vec<(NewOrder, Priority)> {
        let news = self.bench.out.commands.iter().filter_map(|(_, command)| match command.kind {
            CommandKind::New(order) => Some((order, command.priority)),
            _ => None,
        });
        news.collect()
    }

    fn hedge(&self) -> NewOrder {
        let news = self.news();
        assert_eq!(news.len(), 1, "{:?}", self.bench.out.commands);
        assert_eq!(news[0].1, Priority::Hedge);
        assert_eq!(news[0].0.time_in_force, TimeInForce::Ioc);
        news[0].0
    }

    fn outcome(&self) -> PairOutcome {
        assert_eq!(self.bench.out.pairs.len(), 1);
        self.bench.out.pairs[0]
    }

    fn goes_on(&self) {
        assert!(self.news().is_empty() && self.bench.out.pairs.is_empty());
    }
}

#[test]
fn legs_that_fill_are_balanced_and_what_they_got_is_told() {
    let mut pair = Pair::new(CONTRACT);
    let [a, b] = pair.ids[..] else { panic!() };
    pair.bench.now = START.plus(3 * MS);
    pair.fill(a, A, 1_000, 6_000_000);
    pair.goes_on();
    pair.bench.now = START.plus(7 * MS);
    pair.fill(b, B, 400, 6_000_010);
    pair.goes_on();
    pair.fill(b, B, 600, 6_000_000);
    let outcome = pair.outcome();
    assert_eq!((outcome.end, outcome.breach, outcome.action), (PairEnd::Balanced, None, None));
    assert_eq!(
        (outcome.skew_ns, outcome.naked_ns, outcome.naked_qty),
        (4 * MS, 4 * MS, Qty(1_000))
    );
    assert_eq!((outcome.left, outcome.hedges, outcome.revision), (Qty(0), 0, 0));
    let [first, second] = outcome.legs() else { panic!() };
    assert_eq!((first.price, first.got_price), (Price(6_000_010), Price(6_000_000)));
    assert_eq!((second.price, second.got_price), (Price(6_000_000), Price(6_000_004)));
    assert_eq!((first.got_qty, second.got_qty), (Qty(1_000), Qty(1_000)));
    assert_eq!((first.sent_ns, second.sent_ns), (START, START));
    assert_eq!(
        (first.first_fill_ns, second.last_fill_ns),
        (START.plus(3 * MS), START.plus(7 * MS))
    );
    // 0.10 better on 0.01 and 0.10 better on 0.004: 0.0014 on 600.001.
    assert_eq!(outcome.cost_value, Amount(-14 * E18 / 10_000));
    assert_eq!(outcome.cost, Ppb(-2_333));
    assert_eq!(pair.bench.oms.pairs_open(), 0);
    let told = pair.bench.oms.recorder().iter();
    let told = told.filter(|(_, record)| matches!(record, Record::Pair(row) if *row == outcome));
    assert_eq!(told.count(), 1);
}

#[test]
fn nothing_filled_is_an_end_too() {
    let mut pair = Pair::new(CONTRACT);
    let [a, b] = pair.ids[..] else { panic!() };
    pair.say(ReportKind::Expired, a, A);
    pair.goes_on();
    pair.say(ReportKind::Rejected, b, B);
    let outcome = pair.outcome();
    assert_eq!((outcome.end, outcome.breach, outcome.skew_ns), (PairEnd::Nothing, None, 0));
    assert_eq!((outcome.cost_value, outcome.cost), (Amount::ZERO, Ppb(0)));
}

#[test]
fn a_refused_leg_is_a_breach_at_once_and_the_other_is_unwound() {
    let mut pair = Pair::new(CONTRACT);
    let [a, b] = pair.ids[..] else { panic!() };
    pair.fill(a, A, 1_000, 6_000_010);
    pair.goes_on();
    pair.bench.now = START.plus(2 * MS);
    pair.say(ReportKind::Rejected, b, B);
    let hedge = pair.hedge();
    assert_eq!((hedge.instrument, hedge.side, hedge.qty), (A, Side::Sell, Qty(1_000)));
    // One basis point below the bid of 60 000.00, on a tick.
    assert_eq!(hedge.price, Price(5_999_400));
    assert_eq!(pair.bench.oms.order(hedge.client_id).unwrap().leg, HEDGE_LEG);
    pair.bench.now = START.plus(5 * MS);
    pair.fill(hedge.client_id, A, 1_000, 5_999_500);
    let outcome = pair.outcome();
    assert_eq!((outcome.end, outcome.breach), (PairEnd::Unwound, Some(Breach::Refused)));
    assert_eq!(outcome.action, Some(BreachAction::Unwind));
    assert_eq!((outcome.hedges, outcome.hedged, outcome.left), (1, Qty(1_000), Qty(0)));
    assert_eq!((outcome.naked_ns, outcome.proof_ns, outcome.was_unknown), (5 * MS, 0, false));
    // Bought at 60 000.10, sold at 59 995: 5.10 on 0.01.
    assert_eq!(outcome.cost_value, Amount(51 * E18 / 1_000));
    assert_eq!(outcome.cost, Ppb(84_999));
    let reports = &pair.bench.out.reports;
    assert_eq!((reports[0].1.leg, reports[0].1.signal), (HEDGE_LEG, SignalId(1)));
}

#[test]
fn a_hedge_stops_before_our_own_order() {
    let mut pair = Pair::new(CONTRACT);
    let [a, b] = pair.ids[..] else { panic!() };
    pair.fill(a, A, 1_000, 6_000_010);
    let resting = |price| {
        let time_in_force = TimeInForce::Gtc;
        [Leg { price: Price(price), qty: Qty(100), time_in_force, ..leg(A, Side::Buy) }]
    };
    for price in [5_999_300, 5_999_500, 5_999_450] {
        pair.bench.signal_with(&resting(price), Contract::default());
    }
    pair.say(ReportKind::Rejected, b, B);
    assert_eq!(pair.hedge().price, Price(5_999_510), "a tick above the best of them");

    // Where it is the best of the book there is nobody else to trade with: it makes way.
    let mut pair = Pair::new(CONTRACT);
    let [a, b] = pair.ids[..] else { panic!() };
    pair.fill(a, A, 1_000, 6_000_010);
    let own = pair.bench.signal_with(&resting(6_000_000), Contract::default())[0];
    pair.say(ReportKind::Rejected, b, B);
    pair.goes_on();
    let sent = pair.bench.sent();
    assert!(matches!(sent[..], [CommandKind::Cancel(order)] if order.client_id == own), "{sent:?}");
    pair.say(ReportKind::Canceled, own, A);
    pair.bench.pass(20 * MS);
    assert_eq!(pair.hedge().price, Price(5_999_400));
}

#[test]
fn a_hedge_comes_before_new_orders_where_few_may_be_sent() {
    let mut options = options();
    options.limits.order_rate_max = 3;
    let mut bench = Bench::with(options);
    let ids = bench.signal_with(&legs(), CONTRACT);
    let mut pair = Pair { bench, ids, fills: 100 };
    let [a, b] = pair.ids[..] else { panic!() };
    pair.fill(a, A, 1_000, 6_000_010);
    pair.bench.now = START.plus(500 * MS);
    pair.bench.books_are_new();
    let other = [Leg { qty: Qty(100), ..leg(A, Side::Sell) }];
    assert_eq!(pair.bench.signal_with(&other, Contract::default()).len(), 1, "the third");
    pair.say(ReportKind::Rejected, b, B);
    pair.goes_on();
    // Room for two after a second: one of them is the hedge's, whoever asks first.
    pair.bench.now = START.plus(1_000 * MS);
    pair.bench.books_are_new();
    let two = [other[0], Leg { qty: Qty(100), ..leg(B, Side::Sell) }];
    assert_eq!(pair.bench.signal_with(&two, Contract::default()).len(), 0);
    pair.bench.pass(0);
    assert_eq!(pair.hedge().qty, Qty(1_000));
    assert_eq!(pair.bench.signal_with(&other, Contract::default()).len(), 1);
}

#[test]
fn new_orders_leave_room_for_the_hedge_among_the_open_ones() {
    let mut options = options();
    options.limits.open_orders_max = 3;
    let mut bench = Bench::with(options);
    let ids = bench.signal_with(&legs(), CONTRACT);
    let mut pair = Pair { bench, ids, fills: 100 };
    let [a, b] = pair.ids[..] else { panic!() };
    let resting = [Leg {
        price: Price(5_900_000),
        qty: Qty(100),
        time_in_force: TimeInForce::Gtc,
        ..leg(B, Side::Buy)
    }];
    assert_eq!(pair.bench.signal_with(&resting, Contract::default()).len(), 0);
    pair.fill(a, A, 1_000, 6_000_010);
    assert_eq!(pair.bench.signal_with(&resting, Contract::default()).len(), 1);
    pair.say(ReportKind::Expired, b, B);
    assert_eq!(pair.bench.signal_with(&resting, Contract::default()).len(), 1);
    assert_eq!(pair.bench.signal_with(&resting, Contract::default()).len(), 0, "the hedge's");
    pair.bench.pass(200 * MS);
    assert_eq!(pair.hedge().qty, Qty(1_000));
}

#[test]
fn a_naked_quantity_may_last_as_long_as_allowed() {
    let mut pair = Pair::new(CONTRACT);
    let [a, b] = pair.ids[..] else { panic!() };
    pair.fill(a, A, 1_000, 6_000_010);
    pair.fill(b, B, 400, 6_000_000);
    pair.say(ReportKind::Expired, b, B);
    pair.bench.pass(199 * MS);
    pair.goes_on();
    pair.bench.pass(MS);
    let hedge = pair.hedge();
    assert_eq!((hedge.instrument, hedge.side, hedge.qty), (A, Side::Sell, Qty(600)));
    pair.fill(hedge.client_id, A, 200, 6_000_000);
    pair.goes_on();
    pair.say(ReportKind::Expired, hedge.client_id, A);
    let again = pair.hedge();
    assert_eq!(again.qty, Qty(400), "what it traded counts");
    pair.fill(again.client_id, A, 400, 6_000_000);
    let outcome = pair.outcome();
    assert_eq!((outcome.end, outcome.breach), (PairEnd::Unwound, Some(Breach::Time)));
    assert_eq!((outcome.hedges, outcome.naked_ns), (2, 200 * MS));
    assert_eq!(pair.bench.oms.positions().get(A).qty, Amount(4 * E18 / 1_000));
}

#[test]
fn a_naked_quantity_that_is_too_large_is_a_breach_at_once() {
    let resting = |leg: Leg| Leg { time_in_force: TimeInForce::Gtc, ..leg };
    let bound = Contract { naked_qty_max: Qty(300), ..CONTRACT };
    let mut pair = Pair::of(bound, &legs().map(resting));
    let [a, b] = pair.ids[..] else { panic!() };
    pair.fill(a, A, 300, 6_000_010);
    pair.goes_on();
    pair.fill(a, A, 1, 6_000_010);
    let cancels: Vec<_> = pair.bench.sent();
    assert!(matches!(cancels[..], [CommandKind::Cancel(one), CommandKind::Cancel(two)]
        if one.client_id == a && two.client_id == b));
    pair.say(ReportKind::Canceled, a, A);
    pair.goes_on();
    // The other fills some before its cancel arrives: that much is not hedged.
    pair.fill(b, B, 101, 6_000_000);
    pair.goes_on();
    pair.bench.now = START.plus(9 * MS);
    pair.say(ReportKind::Canceled, b, B);
    assert_eq!(pair.hedge().qty, Qty(200));
    let hedge = pair.hedge().client_id;
    pair.fill(hedge, A, 200, 6_000_000);
    let outcome = pair.outcome();
    assert_eq!((outcome.breach, outcome.proof_ns), (Some(Breach::Qty), 9 * MS));
    assert_eq!(outcome.naked_qty, Qty(301));
}

#[test]
fn nothing_is_hedged_against_an_order_that_may_still_fill() {
    let mut pair = Pair::new(CONTRACT);
    let [a, b] = pair.ids[..] else { panic!() };
    pair.fill(a, A, 1_000, 6_000_010);
    pair.say(ReportKind::Unknown, b, B);
    assert_eq!(pair.bench.state(b), OrderState::Unknown);
    pair.bench.pass(200 * MS);
    assert!(pair.bench.sent().iter().any(|kind| matches!(kind, CommandKind::Cancel(_))));
    assert!(pair.news().is_empty());
    for _ in 0..20 {
        pair.bench.pass(1_000 * MS);
        pair.goes_on();
    }
    pair.bench.books_are_new();
    let ended = ExecutionReport {
        state: OrderState::Canceled,
        cumulative_qty: Some(Qty(400)),
        ..ExecutionReport::new(ReportKind::Status, ReportOrigin::Query, b, B)
    };
    pair.bench.report(&ended);
    assert!(pair.news().is_empty(), "its fills are not all told of");
    pair.fill(b, B, 400, 6_000_000);
    let hedge = pair.hedge();
    assert_eq!(hedge.qty, Qty(600));
    pair.fill(hedge.client_id, A, 600, 6_000_000);
    let outcome = pair.outcome();
    assert!(outcome.was_unknown);
    assert_eq!((outcome.proof_ns, outcome.end), (20_000 * MS, PairEnd::Unwound));
}

#[test]
fn holding_only_tells() {
    let mut pair = Pair::new(Contract { on_breach: BreachAction::Hold, ..CONTRACT });
    let [a, b] = pair.ids[..] else { panic!() };
    pair.fill(b, B, 700, 6_000_000);
    pair.say(ReportKind::Expired, b, B);
    pair.say(ReportKind::Rejected, a, A);
    assert!(pair.bench.sent().is_empty());
    let outcome = pair.outcome();
    assert_eq!((outcome.end, outcome.action), (PairEnd::Held, Some(BreachAction::Hold)));
    assert_eq!((outcome.left, outcome.hedges), (Qty(-700), 0));
}

#[test]
fn completing_goes_to_the_missing_leg_then_elsewhere_by_price_then_back() {
    let complete = Contract { on_breach: BreachAction::Complete, ..CONTRACT };
    let mut pair = Pair { bench: Bench::larger(), ids: Vec::new(), fills: 100 };
    pair.ids = pair.bench.signal_with(&legs(), complete);
    let [a, b] = pair.ids[..] else { panic!() };
    let d = InstrumentId(3);
    pair.bench.oms.books_mut().0[d.index()].bid.price = Price(6_000_500);
    pair.fill(a, A, 1_000, 6_000_010);
    pair.say(ReportKind::Rejected, b, B);
    let own = pair.hedge();
    assert_eq!((own.instrument, own.side, own.qty), (B, Side::Sell, Qty(1_000)));
    pair.say(ReportKind::Rejected, own.client_id, B);
    let better = pair.hedge();
    assert_eq!((better.instrument, better.side), (d, Side::Sell));
    assert_eq!(better.price, Price(5_999_900), "a basis point below its own bid");
    pair.fill(better.client_id, d, 300, 6_000_500);
    pair.say(ReportKind::Expired, better.client_id, d);
    let again = pair.hedge();
    assert_eq!((again.instrument, again.qty), (d, Qty(700)), "there it traded");
    pair.say(ReportKind::Expired, again.client_id, d);
    let third = pair.hedge();
    assert_eq!((third.instrument, third.qty), (C, Qty(700)));
    pair.say(ReportKind::Expired, third.client_id, C);
    let back = pair.hedge();
    assert_eq!((back.instrument, back.side, back.qty), (A, Side::Sell, Qty(700)));
    pair.fill(back.client_id, A, 700, 6_000_000);
    let outcome = pair.outcome();
    assert_eq!((outcome.end, outcome.hedges), (PairEnd::Unwound, 5));
    assert_eq!(outcome.hedged, Qty(1_000));
    assert_eq!(outcome.action, Some(BreachAction::Unwind));
    // 5.00 better than intended on 0.003, 0.10 worse on 0.007: -0.0143.
    assert_eq!(outcome.cost_value, Amount(-143 * E18 / 10_000));
}

#[test]
fn completed_where_the_missing_leg_was_is_completed() {
    let mut pair = Pair::new(Contract { on_breach: BreachAction::Complete, ..CONTRACT });
    let [a, b] = pair.ids[..] else { panic!() };
    pair.fill(a, A, 1_000, 6_000_010);
    pair.fill(b, B, 250, 6_000_000);
    pair.say(ReportKind::Expired, b, B);
    pair.bench.pass(200 * MS);
    let hedge = pair.hedge();
    assert_eq!((hedge.instrument, hedge.qty), (B, Qty(750)));
    pair.fill(hedge.client_id, B, 750, 5_999_900);
    let outcome = pair.outcome();
    assert_eq!((outcome.end, outcome.action), (PairEnd::Completed, Some(BreachAction::Complete)));
    assert_eq!(outcome.cost_value, Amount(75 * E18 / 10_000), "1.00 on 0.0075");
}

#[test]
fn tries_are_bounded_and_then_it_is_held() {
    let mut pair = Pair::new(CONTRACT);
    let [a, b] = pair.ids[..] else { panic!() };
    pair.fill(a, A, 1_000, 6_000_010);
    pair.say(ReportKind::Rejected, b, B);
    let mut tries = 0;
    while pair.bench.out.pairs.is_empty() {
        if let Some((order, _)) = pair.news().first().copied() {
            tries += 1;
            assert_eq!(order.qty, Qty(1_000));
            pair.say(ReportKind::Expired, order.client_id, A);
        } else {
            pair.bench.pass(20 * MS);
            pair.bench.books_are_new();
        }
        assert!(tries < 100);
    }
    let outcome = pair.outcome();
    assert_eq!((outcome.end, outcome.left, tries), (PairEnd::Held, Qty(1_000), 20));
    assert!(
        outcome.ended_ns > START.plus(10_000 * MS) && outcome.ended_ns < START.plus(20_000 * MS)
    );
    // A fill that comes late opens it again, and the record that follows stands for it.
    let hedge = pair.bench.oms.orders().iter().last().unwrap().client_id;
    pair.bench.books_are_new();
    pair.fill(hedge, A, 400, 6_000_000);
    let hedge = pair.hedge();
    assert_eq!(hedge.qty, Qty(600));
    pair.fill(hedge.client_id, A, 600, 6_000_000);
    let outcome = pair.outcome();
    assert_eq!((outcome.end, outcome.revision), (PairEnd::Unwound, 1));
}

#[test]
fn a_late_fill_of_a_leg_opens_the_pair_again() {
    let mut pair = Pair::new(CONTRACT);
    let [a, b] = pair.ids[..] else { panic!() };
    pair.fill(a, A, 1_000, 6_000_010);
    pair.say(ReportKind::Rejected, b, B);
    let hedge = pair.hedge().client_id;
    pair.fill(hedge, A, 1_000, 6_000_000);
    assert_eq!(pair.outcome().end, PairEnd::Unwound);
    // It was not refused after all: now too much is sold, and bought back where it was sold.
    pair.fill(b, B, 1_000, 6_000_000);
    pair.goes_on();
    pair.bench.pass(200 * MS);
    let hedge = pair.hedge();
    assert_eq!((hedge.instrument, hedge.side, hedge.qty), (B, Side::Buy, Qty(1_000)));
    pair.fill(hedge.client_id, B, 1_000, 6_000_010);
    let outcome = pair.outcome();
    assert_eq!((outcome.revision, outcome.left), (1, Qty(0)));
    assert_eq!(pair.bench.oms.exposures().underlying(BTC).position, Amount::ZERO);
}

#[test]
fn what_may_be_traded_does_not_hold_hedges_back_but_limits_do() {
    let mut pair = Pair::new(CONTRACT);
    let [a, b] = pair.ids[..] else { panic!() };
    pair.bench.tell(Operator::SetState(Scope::Engine, TradingState::Halted));
    pair.fill(a, A, 1_000, 6_000_010);
    pair.bench.oms.books_mut().0[0].state = BookState::Stale;
    pair.say(ReportKind::Rejected, b, B);
    pair.goes_on();
    pair.bench.oms.books_mut().0[0].state = BookState::Live;
    pair.bench.pass(20 * MS);
    let hedge = pair.hedge();
    assert_eq!(hedge.qty, Qty(1_000));
    pair.fill(hedge.client_id, A, 1_000, 6_000_000);
    assert_eq!(pair.outcome().end, PairEnd::Unwound);
    assert_eq!(pair.outcome().risk, RiskReject::BookNotLive as u8);
}

#[test]
fn slippage_is_bounded_by_the_collar_and_one_order_by_its_limit() {
    let mut options = options();
    options.limits.order_notional_max = Amount(601 * E18);
    let mut bench = Bench::with(options);
    let wide = Contract { slippage_max: Ppb(50_000_000), ..CONTRACT };
    let ids = bench.signal_with(&legs(), wide);
    bench.oms.books_mut().0[0].bid.price = Price(6_100_000);
    let mut pair = Pair { bench, ids, fills: 100 };
    let [a, b] = pair.ids[..] else { panic!() };
    pair.fill(a, A, 1_000, 6_000_010);
    pair.say(ReportKind::Rejected, b, B);
    let hedge = pair.hedge();
    assert_eq!(hedge.price, Price(6_093_900), "a thousandth below the bid");
    assert_eq!(hedge.qty, Qty(985), "601 of value at the bid");
    pair.fill(hedge.client_id, A, 985, 6_100_000);
    // 15 more are worth more than the venue's least.
    assert_eq!(pair.hedge().qty, Qty(15));
}

#[test]
fn dust_is_left_and_told() {
    let mut pair = Pair::new(CONTRACT);
    let [a, b] = pair.ids[..] else { panic!() };
    pair.fill(a, A, 1_000, 6_000_010);
    // 8 of the smallest unit are worth 4.80, the venue takes 5.
    pair.fill(b, B, 992, 6_000_000);
    pair.goes_on();
    pair.say(ReportKind::Expired, b, B);
    let outcome = pair.outcome();
    assert_eq!((outcome.end, outcome.left), (PairEnd::Balanced, Qty(8)));
}

#[test]
fn what_a_fee_took_is_not_traded_back() {
    let mut pair = Pair::new(CONTRACT);
    let [a, b] = pair.ids[..] else { panic!() };
    let mut report = fill(a, A, 1, 1_000);
    report.fill.price = Price(6_000_010);
    (report.fill.fee, report.fill.fee_asset) = (Amount(E18 / 100_000), BTC);
    pair.bench.report(&report);
    pair.say(ReportKind::Rejected, b, B);
    let hedge = pair.hedge();
    assert_eq!(hedge.qty, Qty(999));
    let mut report = fill(hedge.client_id, A, 2, 999);
    (report.fill.fee, report.fill.fee_asset) = (Amount(6 * E18 / 10), USDT);
    pair.bench.report(&report);
    let outcome = pair.outcome();
    assert_eq!((outcome.end, outcome.left), (PairEnd::Unwound, Qty(1)));
    // 0.00001 BTC at 60 000.10, and 0.6.
    assert_eq!(outcome.fees, Amount(1_200_001 * E18 / 1_000_000));
    assert_eq!(outcome.cost_value, outcome.fees + Amount(999 * E18 / 1_000_000));
    assert!(!outcome.fees_elsewhere);
}

#[test]
fn legs_of_different_size_are_as_intended_when_they_fill() {
    let mut legs = legs();
    legs[0].qty = Qty(600);
    let mut pair = Pair::of(CONTRACT, &legs);
    let [a, b] = pair.ids[..] else { panic!() };
    pair.fill(b, B, 400, 6_000_000);
    pair.fill(a, A, 600, 6_000_010);
    pair.goes_on();
    pair.fill(b, B, 600, 6_000_000);
    let outcome = pair.outcome();
    assert_eq!((outcome.end, outcome.left), (PairEnd::Balanced, Qty(0)));
    assert_eq!(outcome.naked_qty, Qty(200), "600 bought, 400 sold");
}

#[test]
fn sequential_legs_are_sized_to_the_first() {
    let mut legs = legs();
    legs[1].qty = Qty(500);
    let mut pair = Pair::of(SEQUENTIAL, &legs);
    assert_eq!(pair.ids.len(), 1, "the first alone");
    let a = pair.ids[0];
    pair.bench.now = START.plus(5 * MS);
    pair.fill(a, A, 333, 6_000_010);
    pair.goes_on();
    pair.say(ReportKind::Expired, a, A);
    let news = pair.news();
    let [(second, Priority::Hedge)] = news[..] else { panic!("{news:?}") };
    assert_eq!((second.instrument, second.side, second.price), (B, Side::Sell, Price(6_000_000)));
    assert_eq!(second.qty, Qty(166), "half of it, rounded down");
    pair.fill(second.client_id, B, 166, 6_000_000);
    let outcome = pair.outcome();
    assert_eq!((outcome.end, outcome.mode), (PairEnd::Balanced, LegMode::Sequential));
    assert_eq!((outcome.legs[0].sent_ns, outcome.legs[1].sent_ns), (START, START.plus(5 * MS)));
}

#[test]
fn sequential_without_a_fill_sends_no_more_and_says_so() {
    let mut pair = Pair::new(SEQUENTIAL);
    pair.say(ReportKind::Expired, pair.ids[0], A);
    assert!(pair.bench.sent().is_empty());
    assert_eq!(pair.outcome().end, PairEnd::Nothing);
    let reports: Vec<_> = pair.bench.out.reports.iter().map(|(_, r)| (r.leg, r.state)).collect();
    assert_eq!(reports, [(0, OrderState::Expired), (1, OrderState::Expired)]);
}

#[test]
fn a_later_leg_that_our_checks_refuse_is_a_breach_at_once() {
    let mut pair = Pair::new(SEQUENTIAL);
    pair.bench.oms.books_mut().0[1].state = BookState::Stale;
    pair.fill(pair.ids[0], A, 1_000, 6_000_010);
    let hedge = pair.hedge();
    assert_eq!((hedge.instrument, hedge.side, hedge.qty), (A, Side::Sell, Qty(1_000)));
    assert_eq!(pair.bench.oms.counters().refusals[RiskReject::BookNotLive as usize], 1);
    pair.fill(hedge.client_id, A, 1_000, 6_000_000);
    let outcome = pair.outcome();
    assert_eq!((outcome.breach, outcome.end), (Some(Breach::Refused), PairEnd::Unwound));
    assert_eq!(outcome.legs[1].sent_ns, Nanos(0));
}

#[test]
fn a_first_leg_that_rests_is_cancelled_when_its_fills_are_naked_too_long() {
    let mut legs = legs();
    legs[0].time_in_force = TimeInForce::Gtc;
    let mut pair = Pair::of(SEQUENTIAL, &legs);
    let a = pair.ids[0];
    pair.bench.pass(1_000 * MS);
    pair.goes_on();
    pair.fill(a, A, 400, 6_000_010);
    pair.bench.pass(199 * MS);
    assert!(pair.bench.sent().is_empty());
    pair.bench.pass(MS);
    assert!(matches!(pair.bench.sent()[..], [CommandKind::Cancel(_)]));
    pair.bench.books_are_new();
    pair.say(ReportKind::Canceled, a, A);
    let second = pair.news()[0].0;
    assert_eq!(second.qty, Qty(400));
    pair.fill(second.client_id, B, 400, 6_000_000);
    let outcome = pair.outcome();
    assert_eq!(
        (outcome.end, outcome.breach, outcome.naked_ns),
        (PairEnd::Balanced, None, 200 * MS)
    );
}

#[test]
fn a_resting_leg_is_of_no_use_once_the_other_is_refused() {
    let mut legs = legs();
    legs[0].time_in_force = TimeInForce::Gtc;
    let mut pair = Pair::of(CONTRACT, &legs);
    let [a, b] = pair.ids[..] else { panic!() };
    pair.say(ReportKind::Rejected, b, B);
    assert!(matches!(pair.bench.sent()[..], [CommandKind::Cancel(one)] if one.client_id == a));
    pair.say(ReportKind::Canceled, a, A);
    assert_eq!(pair.outcome().end, PairEnd::Nothing);
}

#[test]
fn without_a_bound_legs_are_left_alone() {
    let mut pair = Pair::new(Contract::default());
    let [a, b] = pair.ids[..] else { panic!() };
    pair.fill(a, A, 1_000, 6_000_010);
    pair.say(ReportKind::Rejected, b, B);
    pair.bench.pass(10_000 * MS);
    pair.goes_on();
    assert_eq!(pair.bench.oms.pairs_open(), 0);
    // Sequential without a bound is sized, and nothing else.
    let unbound = Contract { naked_time_max_ns: 0, ..SEQUENTIAL };
    let mut pair = Pair::new(unbound);
    pair.fill(pair.ids[0], A, 1_000, 6_000_010);
    let second = pair.news()[0].0;
    pair.say(ReportKind::Rejected, second.client_id, B);
    assert!(pair.news().is_empty());
    assert_eq!((pair.outcome().end, pair.outcome().left), (PairEnd::Held, Qty(1_000)));
}

#[test]
fn a_stop_hedges_nothing_and_tells_what_is_left() {
    let mut pair = Pair::new(CONTRACT);
    let [a, b] = pair.ids[..] else { panic!() };
    pair.fill(a, A, 1_000, 6_000_010);
    pair.say(ReportKind::Expired, b, B);
    pair.goes_on();
    pair.bench.out.clear();
    pair.bench.tell(Operator::Stop);
    pair.bench.pass(0);
    assert!(pair.news().is_empty());
    assert_eq!((pair.outcome().end, pair.outcome().left), (PairEnd::Held, Qty(1_000)));
}

#[test]
fn contracts_that_cannot_be_kept_are_refused() {
    let mut bench = Bench::larger();
    let eth = InstrumentId(4);
    let mixed = [legs()[0], Leg { instrument: eth, ..legs()[1] }];
    assert!(bench.signal_with(&mixed, CONTRACT).is_empty());
    assert_eq!(bench.out.reports[0].1.risk, RiskReject::BadSignal as u8);
    let mut dollars = table();
    let usd = dollars.assets.intern("USD");
    let other = Instrument { quote: usd, ..dollars.get(B).unwrap().clone() };
    let other = Instrument { name: "BTC/USD@b".to_owned(), ..other };
    let id = dollars.add(other);
    let mut bench_of_two = Bench::over(options(), dollars);
    let quotes = [legs()[0], Leg { instrument: id, ..legs()[1] }];
    assert_eq!(bench_of_two.signal_with(&quotes, CONTRACT).len(), 2, "one underlying is enough");
    let negative = Contract { naked_qty_max: Qty(-1), ..CONTRACT };
    assert!(bench.signal_with(&legs(), negative).is_empty());
    let market = |leg: Leg| Leg { pricing: LegPricing::Market, price: Price(0), ..leg };
    assert_eq!(bench.signal_with(&legs().map(market), CONTRACT).len(), 2);
}

#[test]
fn a_market_leg_is_measured_by_the_book() {
    let market = |leg: Leg| Leg { pricing: LegPricing::Market, price: Price(0), ..leg };
    let mut pair = Pair::of(CONTRACT, &legs().map(market));
    let [a, b] = pair.ids[..] else { panic!() };
    pair.fill(a, A, 1_000, 6_000_110);
    pair.fill(b, B, 1_000, 6_000_000);
    let outcome = pair.outcome();
    assert_eq!(
        (outcome.legs[0].price, outcome.legs[1].price),
        (Price(6_000_010), Price(6_000_000))
    );
    assert_eq!(outcome.cost_value, Amount(E18 / 100), "1.00 on 0.01");
    let _ = RejectReason::None;
}

#[test]
fn a_restart_goes_on_with_the_contract() {
    let mut pair = Pair::new(CONTRACT);
    let [a, b] = pair.ids[..] else { panic!() };
    pair.fill(a, A, 1_000, 6_000_010);
    let kept = pair.bench.oms.kept();
    pair.bench = super::replay::resumed(kept, START.plus(5_000 * MS));
    for channel in [Channel::Trade, Channel::Private] {
        pair.bench.notice(VENUE_B, VenueNotice::Readiness(channel, Readiness::Ready));
    }
    pair.bench.notice(VENUE_A, VenueNotice::Readiness(Channel::Trade, Readiness::Ready));
    let expected = pair.bench.expected(VENUE_A);
    pair.bench.settle(VENUE_A, &[], &expected);
    pair.bench.pass(0);
    assert!(pair.news().is_empty(), "it is not known what became of the other leg");
    pair.bench.books_are_new();
    pair.say(ReportKind::Expired, b, B);
    let hedge = pair.hedge();
    assert_eq!((hedge.instrument, hedge.qty), (A, Qty(1_000)));
    pair.fill(hedge.client_id, A, 1_000, 6_000_000);
    let outcome = pair.outcome();
    assert_eq!((outcome.end, outcome.signal), (PairEnd::Unwound, SignalId(1)));
    assert!(outcome.was_unknown);
}

#[test]
fn flattening_one_venue_leaves_the_other_leg_unsent() {
    let mut pair = Pair::new(SEQUENTIAL);
    let first = pair.ids[0];
    pair.fill(first, A, 500, 6_000_010);
    pair.bench.out.clear();
    let flatten = Operator::Flatten(Scope::Venue(VENUE_A));
    pair.bench.oms.on_operator(&flatten, START, &mut pair.bench.out).unwrap();
    let told: Vec<_> = pair.bench.out.reports.iter().map(|row| (row.1.leg, row.1.kind)).collect();
    assert_eq!(told, [(1, ReportKind::Expired)]);
    pair.say(ReportKind::Canceled, first, A);
    assert!(pair.news().is_empty(), "{:?}", pair.news());
    pair.bench.books_are_new();
    pair.bench.pass(200 * MS);
    assert_eq!((pair.outcome().end, pair.outcome().left), (PairEnd::Held, Qty(500)));
    let [(order, _)] = pair.news()[..] else { panic!("{:?}", pair.news()) };
    assert_eq!((order.instrument, order.side, order.qty), (A, Side::Sell, Qty(500)));
}

#[test]
fn what_is_completed_has_to_be_within_the_budget_and_what_is_unwound_need_not() {
    let mut options = options();
    let budgets = vec![(VENUE_A, Amount(60_001 * E18 / 100)), (VENUE_B, Amount(E18))];
    let own = StrategyLimits { budgets, ..StrategyLimits::default() };
    options.limits.strategies = vec![StrategyLimits::default(); usize::from(STRATEGY.0)];
    options.limits.strategies.push(own);
    let mut bench = Bench::with(options);
    let contract = Contract { on_breach: BreachAction::Complete, ..CONTRACT };
    let ids = bench.signal_with(&legs(), contract);
    let mut pair = Pair { bench, ids, fills: 100 };
    let [a, b] = pair.ids[..] else { panic!() };
    pair.fill(b, B, 1_000, 6_000_000);
    pair.say(ReportKind::Rejected, a, A);
    // A basis point above the ask is 600.06, and 600.01 are allowed there.
    let hedge = pair.hedge();
    assert_eq!((hedge.instrument, hedge.side, hedge.qty), (B, Side::Buy, Qty(1_000)));
    pair.fill(hedge.client_id, B, 1_000, 6_000_010);
    assert_eq!(pair.outcome().end, PairEnd::Unwound);
    assert_eq!(pair.outcome().risk, RiskReject::StrategyBudget as u8);
}

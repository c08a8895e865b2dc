//! No leg leaves unless the venues have room for all.

use super::*;
use crate::types::{
    Command, CostTable, Costs, LegMode, LimitSpec, Priority, RateLimitUse, RejectReason,
};

/// Orders in ten seconds, and all requests in a sliding second.
pub(in crate::oms) fn rates(orders: u32, requests: u32, reserve: u32) -> VenueRates {
    let (window_ns, feeds) = (10_000 * MS, 0);
    let orders = LimitSpec {
        name: "orders",
        window_ns,
        allowed: orders,
        cancel_reserve: 0,
        feeds,
        aligned: true,
    };
    let requests = LimitSpec {
        name: "requests",
        window_ns: 1_000 * MS,
        allowed: requests,
        cancel_reserve: reserve,
        feeds,
        aligned: false,
    };
    let costs = CostTable::new(|kind| match kind {
        CommandKind::New(_) | CommandKind::Replace(_) => Costs([1, 1, 0, 0, 0, 0]),
        _ => Costs([0, 1, 0, 0, 0, 0]),
    });
    VenueRates { limits: vec![orders, requests], costs }
}

/// Room for so many orders at A and at B.
fn bench(a: u32, b: u32) -> Bench {
    let rates = vec![rates(a, 100, 0), rates(b, 100, 0)];
    Bench::with(OmsOptions { rates, ..options() })
}

fn both() -> [Leg; 2] {
    [leg(A, Side::Buy), leg(B, Side::Sell)]
}

fn codes(bench: &Bench) -> Vec<(u8, RiskReject, Nanos)> {
    let reports = bench.out.reports.iter();
    let row = |(_, report): &(StrategyId, StrategyReport)| {
        (report.leg, RiskReject::from_u8(report.risk).unwrap(), report.retry_ns)
    };
    reports.map(row).collect()
}

/// End of the ten seconds that the bench begins in, as late as the executor may see it.
const NEXT: Nanos = Nanos(START.0 + 10_050 * MS);

fn stated(limit: u8, used: u32, allowed: u32, resets_ns: Nanos) -> VenueNotice {
    VenueNotice::RateLimit(RateLimitUse { limit, used, allowed, resets_ns })
}

#[test]
fn a_leg_whose_venue_is_busy_holds_back_the_others() {
    let mut bench = bench(10, 1);
    assert_eq!(bench.signal(&both()).len(), 2);
    let before = bench.oms.recorder().len();
    assert!(bench.signal(&both()).is_empty());
    let (other, busy) = (RiskReject::OtherLeg, RiskReject::VenueBusy);
    assert_eq!(codes(&bench), [(0, other, NEXT), (1, busy, NEXT)]);
    assert!(bench.out.commands.is_empty());
    let records = &bench.oms.recorder()[before..];
    let left = |record: &Record| matches!(record, Record::Command(..) | Record::Intent { .. });
    assert!(!records.iter().any(|(_, record)| left(record)), "nothing of it is on record");
    assert_eq!(bench.oms.counters().refusals[busy as usize], 1);
    assert_eq!(bench.oms.orders().open_count(), 2);
    bench.now = Nanos(NEXT.0 - 1);
    bench.books_are_new();
    assert!(bench.signal(&both()).is_empty());
    bench.now = NEXT;
    bench.books_are_new();
    assert_eq!(bench.signal(&both()).len(), 2);
}

#[test]
fn legs_of_one_venue_need_room_together() {
    let mut bench = bench(3, 10);
    let three = [leg(B, Side::Sell), leg(A, Side::Buy), leg(A, Side::Buy)];
    assert_eq!(bench.signal(&three).len(), 3);
    assert!(bench.signal(&three).is_empty());
    let busy: Vec<u8> = codes(&bench)
        .iter()
        .filter(|(_, code, _)| *code == RiskReject::VenueBusy)
        .map(|(leg, ..)| *leg)
        .collect();
    assert_eq!(busy, [1], "the first leg at the venue that has no room");
    assert_eq!(bench.signal(&both()).len(), 2, "one has");
}

#[test]
fn legs_that_follow_later_need_room_from_the_start() {
    let mut bench = bench(10, 0);
    let contract = Contract { mode: LegMode::Sequential, ..Contract::default() };
    assert!(bench.signal_with(&both(), contract).is_empty());
    assert_eq!(codes(&bench)[1].1, RiskReject::VenueBusy);
}

#[test]
fn everything_handed_over_counts_and_cancels_always_leave() {
    let mut options = options();
    options.rates = vec![rates(100, 12, 4)];
    let mut bench = Bench::with(options);
    bench.pass(2_000 * MS);
    let mut ids = Vec::new();
    for _ in 0..6 {
        bench.books_are_new();
        ids.extend(bench.signal(&[leg(A, Side::Buy)]));
    }
    assert_eq!(ids.len(), 6, "12 less one and a half reserves");
    assert!(bench.signal(&[leg(A, Side::Buy)]).is_empty());
    assert_eq!(codes(&bench)[0].1, RiskReject::VenueBusy);
    for (at, id) in ids.iter().enumerate() {
        bench.request(&Request::Cancel(*id));
        let sent = bench.out.commands.first().map(|(_, command)| command.priority);
        assert_eq!(sent, Some(Priority::Cancel), "cancel {at}");
    }
    bench.pass(1_050 * MS);
    bench.books_are_new();
    assert_eq!(bench.signal(&[leg(A, Side::Buy)]).len(), 1, "a second has passed");
}

#[test]
fn a_replace_needs_room_too() {
    let mut bench = bench(1, 1);
    let id = bench.order();
    bench.say(ReportKind::Accepted, ReportOrigin::Stream, id);
    bench.request(&Request::Replace { id, price: Price(6_000_000), qty: Qty(500) });
    let [(_, report)] = bench.out.reports[..] else { panic!("{:?}", bench.out) };
    assert_eq!((report.kind, report.risk), (ReportKind::ReplaceRejected, 37));
    assert_eq!((report.retry_ns, report.reason), (NEXT, RejectReason::None));
    assert!(bench.out.commands.is_empty());
}

#[test]
fn what_others_use_counts_and_only_what_matters_is_recorded() {
    let mut bench = bench(10, 10);
    let (records, end) = (bench.oms.recorder().len(), START.plus(10_000 * MS));
    assert_eq!(bench.signal(&both()).len(), 2);
    let signal = bench.oms.recorder().len();
    bench.notice(VENUE_B, stated(0, 1, 10, end));
    bench.notice(VENUE_B, stated(7, 99, 10, end));
    assert_eq!(bench.oms.recorder().len(), signal, "nothing new");
    bench.notice(VENUE_B, stated(0, 9, 0, end));
    assert_eq!(bench.oms.recorder().len(), signal + 1);
    assert_eq!(bench.signal(&both()).len(), 2, "one is left");
    assert!(bench.signal(&both()).is_empty());
    bench.notice(VENUE_B, stated(0, 10, 11, end));
    assert_eq!(bench.signal(&both()).len(), 2, "it allows more");
    assert!(bench.signal(&both()).is_empty());
    assert!(bench.oms.recorder().len() > records);
}

#[test]
fn units_that_the_venue_gives_back_are_room_again() {
    let mut bench = bench(4, 4);
    let end = START.plus(10_000 * MS);
    assert_eq!(bench.signal(&[leg(A, Side::Buy); 4]).len(), 4);
    assert!(bench.signal(&both()).is_empty());
    bench.pass(1_100 * MS);
    bench.books_are_new();
    bench.notice(VENUE_A, stated(0, 2, 4, end));
    assert_eq!(bench.signal(&[leg(A, Side::Buy); 2]).len(), 2);
    assert!(bench.signal(&both()).is_empty());
}

#[test]
fn a_suspension_is_told_with_its_end_and_outlives_a_restart() {
    let mut bench = bench(10, 10);
    let until = START.plus(120_000 * MS);
    bench.notice(VENUE_B, VenueNotice::Suspended(until));
    assert!(bench.signal(&both()).is_empty());
    let (other, suspended) = (RiskReject::OtherLeg, RiskReject::VenueNotReady);
    assert_eq!(codes(&bench), [(0, other, until), (1, suspended, until)]);
    let mut next = super::replay::resumed(bench.oms.kept(), START.plus(5_000 * MS));
    for channel in [Channel::Trade, Channel::Private] {
        next.notice(VENUE_B, VenueNotice::Readiness(channel, Readiness::Ready));
    }
    next.pass(115_000 * MS);
    let expected = next.expected(VENUE_B);
    next.settle(VENUE_B, &[], &expected);
    assert_eq!(next.now, until);
    assert!(next.oms.is_ready(VENUE_B, until));
    assert!(!next.oms.is_ready(VENUE_B, Nanos(until.0 - 1)));
}

#[test]
fn what_was_used_before_a_restart_still_counts() {
    let mut bench = Bench::with(limited());
    let sells = Leg { price: Price(6_000_010), ..leg(B, Side::Sell) };
    assert_eq!(bench.signal(&[sells; 4]).len(), 4);
    let next = super::replay::resumed(bench.oms.kept(), START.plus(2_000 * MS));
    let used = |bench: &mut Bench| bench.oms.state.rates.used(VENUE_B, 0, bench.now);
    let mut next = next;
    assert_eq!((used(&mut bench), used(&mut next)), (Some((4, 20)), Some((4, 20))));
}

#[test]
fn hedges_have_what_new_orders_leave() {
    let mut options = options();
    options.rates = vec![rates(100, 9, 2)];
    let mut bench = Bench::with(options);
    bench.pass(2_000 * MS);
    bench.books_are_new();
    let row = |kind| Command::new(kind, Nanos(0));
    assert_eq!(bench.signal(&[leg(A, Side::Buy); 4]).len(), 4);
    assert_eq!(bench.signal(&[leg(A, Side::Buy); 2]).len(), 2, "9 less 3");
    let order = match bench.sent()[0] {
        CommandKind::New(order) => order,
        other => panic!("{other:?}"),
    };
    let now = bench.now;
    let busy = Err((0, RiskReject::VenueBusy));
    assert_eq!(bench.oms.check_rates(&[order], Priority::New, now), busy);
    assert_eq!(bench.oms.check_rates(&[order], Priority::Hedge, now), Ok(()));
    let hedge = Command { priority: Priority::Hedge, ..row(CommandKind::New(order)) };
    bench.oms.take_rate(VENUE_A, &hedge, now);
    assert_eq!(bench.oms.check_rates(&[order], Priority::Hedge, now), busy, "9 less 2");
    // What has no room is not counted: the executor refuses it in the same way.
    bench.oms.take_rate(VENUE_A, &row(CommandKind::Balances), now);
    assert_eq!(bench.oms.state.rates.used(VENUE_A, 1, now), Some((7, 9)));
}

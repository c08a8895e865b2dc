//! What is counted and not recorded one by one: the state still follows from the records.

use super::replay::{recorded, replay};
use super::*;
use ReportOrigin::{Query, Stream};

/// An order that was filled by so many fills of 10 and cancelled.
fn ended(bench: &mut Bench, fills: u64) -> ClientOrderId {
    let id = bench.order();
    for number in 1..=fills {
        bench.report(&fill(id, A, number, 10));
    }
    bench.say(ReportKind::Canceled, Stream, id);
    assert_eq!(bench.state(id), OrderState::Canceled);
    id
}

fn again(id: ClientOrderId, number: u64) -> ExecutionReport {
    ExecutionReport { origin: Query, ..fill(id, A, number, 10) }
}

fn lists(bench: &mut Bench, id: ClientOrderId, fills: u64) {
    bench.tell(Operator::Reconcile(Some(VENUE_A)));
    for number in 1..=fills {
        bench.report(&again(id, number));
    }
    bench.answer(VENUE_A, VenueNotice::FillsEnd(A));
}

fn check_replay(bench: &mut Bench) {
    let now = bench.now;
    bench.oms.record_hash(now);
    let records = recorded(bench);
    assert_eq!(replay(Replay::new(), &records).hash(), bench.oms.state_hash());
}

#[test]
fn a_list_of_known_fills_is_one_record_and_the_next_list_begins_where_it_did() {
    let (mut short, mut long) = (Bench::new(), Bench::new());
    let id = ended(&mut short, 20);
    let before = short.oms.recorder().len();
    lists(&mut short, id, 20);
    let made = short.oms.recorder().len() - before;
    assert!(made < 8, "{made} records of 20 known fills");
    let Some((_, Record::KnownFills(VENUE_A, known))) =
        (short.oms.recorder().iter()).find(|(_, record)| matches!(record, Record::KnownFills(..)))
    else {
        panic!("no sum")
    };
    assert_eq!((known.instrument, known.fills, known.last), (A, 20, FillId::from_u64(20)));
    // The same with every fill on record, as it was done before.
    assert_eq!(ended(&mut long, 20), id);
    long.tell(Operator::Reconcile(Some(VENUE_A)));
    for number in 1..=20 {
        let report = again(id, number);
        long.oms.recorder.record(long.now, &Record::Report(VENUE_A, report));
        long.oms.take_report(VENUE_A, &report, long.now, &mut long.out);
    }
    long.answer(VENUE_A, VenueNotice::FillsEnd(A));
    assert_eq!(short.oms.counters().fills_repeated, 20);
    assert_eq!(short.oms.counters(), long.oms.counters());
    for bench in [&mut short, &mut long] {
        check_replay(bench);
        bench.settle(VENUE_A, &[], &bench.expected(VENUE_A));
        lists(bench, id, 20);
        bench.settle(VENUE_A, &[], &bench.expected(VENUE_A));
        bench.out.clear();
        bench.tell(Operator::Reconcile(Some(VENUE_A)));
        let [CommandKind::FillsSince { from_id, .. }] = bench.sent()[..] else { panic!() };
        assert_eq!(from_id, FillId::from_u64(20));
        check_replay(bench);
    }
}

#[test]
fn a_new_fill_in_a_list_is_on_record_and_the_last_of_it() {
    let mut bench = Bench::new();
    let id = ended(&mut bench, 3);
    bench.tell(Operator::Reconcile(Some(VENUE_A)));
    for number in 1..=4 {
        bench.report(&again(id, number));
    }
    bench.answer(VENUE_A, VenueNotice::FillsEnd(A));
    let c = bench.oms.counters();
    assert_eq!((c.fills, c.fills_repeated), (4, 3));
    let reports = bench.oms.recorder().iter().filter(
        |(_, record)| matches!(record, Record::Report(_, report) if report.origin == Query),
    );
    assert_eq!(reports.count(), 1);
    assert_eq!(bench.oms.state.marks[A.index()].id, FillId::EMPTY);
    bench.settle(VENUE_A, &[], &bench.expected(VENUE_A));
    lists(&mut bench, id, 0);
    assert_eq!(bench.oms.state.marks[A.index()].id, FillId::from_u64(4));
    check_replay(&mut bench);
    bench.check_sums();
}

#[test]
fn a_known_fill_of_an_order_that_is_not_done_is_on_record() {
    let mut bench = Bench::new();
    let id = bench.order();
    bench.report(&fill(id, A, 1, 10));
    let before = bench.oms.recorder().len();
    bench.report(&again(id, 1));
    assert_eq!(bench.oms.recorder().len(), before + 1, "it shows that the order is alive");
    check_replay(&mut bench);
}

#[test]
fn while_the_journal_is_short_what_is_asked_in_vain_is_counted_and_not_recorded() {
    let mut bench = Bench::new();
    let (id, working) = (ended(&mut bench, 2), bench.order());
    let now = bench.now;
    bench.oms.on_journal_full(true, now);
    let before = bench.oms.recorder().len();
    for _ in 0..1_000 {
        assert!(bench.signal(&[leg(A, Side::Buy), leg(B, Side::Sell)]).is_empty());
        assert_eq!(bench.out.reports.len(), 2);
        let codes = bench.out.reports.iter().map(|(_, report)| report.risk);
        assert!(codes.into_iter().all(|code| code == RiskReject::JournalFull as u8));
        bench.request(&Request::Replace { id: working, price: Price(6_000_000), qty: Qty(900) });
        assert_eq!(bench.out.reports[0].1.risk, RiskReject::JournalFull as u8);
        bench.request(&Request::Cancel(id));
        assert_eq!(bench.out.reports[0].1.risk, RiskReject::NoSuchOrder as u8);
        bench.report(&fill(id, A, 1, 10));
    }
    assert_eq!(bench.oms.recorder().len(), before);
    let c = bench.oms.counters();
    assert_eq!((c.signals - 2, c.signals_refused, c.fills_repeated), (1_000, 1_000, 1_000));
    assert_eq!(c.refusals[RiskReject::JournalFull as usize], 2_000);
    assert_eq!(c.refusals[RiskReject::NoSuchOrder as usize], 1_000);
    // What is asked for with effect is recorded and done, once.
    bench.request(&Request::Cancel(working));
    assert!(matches!(bench.sent()[..], [CommandKind::Cancel(_)]));
    let after = bench.oms.recorder().len();
    assert!(after > before);
    bench.request(&Request::Cancel(working));
    bench.request(&Request::CancelAll);
    assert_eq!(bench.oms.recorder().len(), after);
    bench.report(&fill(working, A, 3, 10));
    assert_eq!(bench.oms.counters().fills, 3);
    // Once there is room the sums are on record.
    let counted = bench.oms.counters();
    bench.oms.on_journal_full(false, now);
    assert_eq!(bench.oms.counters(), counted);
    check_replay(&mut bench);
    bench.check_sums();
}

#[test]
fn fills_of_several_instruments_that_are_told_again_are_one_sum() {
    let mut bench = Bench::larger();
    let (other, id) = (InstrumentId(2), ended(&mut bench, 2));
    bench.report(&fill(ClientOrderId(0), other, 9, 10));
    let now = bench.now;
    bench.oms.on_journal_full(true, now);
    let (before, c) = (bench.oms.recorder().len(), bench.oms.counters());
    for _ in 0..1_000 {
        bench.report(&fill(id, A, 1, 10));
        bench.report(&fill(ClientOrderId(0), other, 9, 10));
    }
    assert_eq!(bench.oms.recorder().len(), before);
    assert_eq!(bench.oms.counters().fills_repeated, c.fills_repeated + 2_000);
    bench.oms.on_journal_full(false, now);
    let sums = bench.oms.recorder().iter().skip(before);
    let of =
        |record: &Record| matches!(record, Record::KnownFills(_, known) if known.fills == 2_000);
    assert_eq!(sums.filter(|(_, record)| of(record)).count(), 1);
    check_replay(&mut bench);
}

#[test]
fn a_journal_that_recorded_every_refusal_is_read_as_before() {
    let mut bench = Bench::new();
    let now = bench.now;
    bench.oms.on_journal_full(true, now);
    let signal = Signal { id: SignalId(1), strategy: STRATEGY, legs_len: 1, ..Signal::default() };
    let request = Request::Signal(signal);
    bench.oms.recorder.record(now, &Record::Request(STRATEGY, request));
    bench.oms.carry_out(STRATEGY, &request, now, &mut bench.out);
    assert!(matches!(bench.oms.recorder().last(), Some((_, Record::Refusal { .. }))));
    check_replay(&mut bench);
}

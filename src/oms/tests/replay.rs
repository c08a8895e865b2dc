//! The state is a function of its records: the same from the first record on, from any snapshot on,
//! over a restart, and after a crash between any two records.

use super::legs_property::{World, contract, event};
use super::property::{Model, step};
use super::*;
use proptest::prelude::*;

pub(super) type Records = Vec<(Nanos, Record)>;

/// Everything recorded, through bytes as the journal keeps it.
pub(super) fn recorded(bench: &mut Bench) -> Records {
    let mut all = bench.before.clone();
    all.extend(bench.oms.recorder().iter().cloned());
    all.iter().map(|(now, record)| (*now, through_bytes(record))).collect()
}

fn through_bytes(record: &Record) -> Record {
    let mut bytes = [0; 4096];
    let len = record.encode(&mut bytes).unwrap();
    Record::decode(&bytes[..len]).unwrap()
}

pub(super) fn replay(mut replay: Replay, records: &[(Nanos, Record)]) -> Kept {
    for (now, record) in records {
        replay.push(*now, record.clone()).unwrap();
    }
    replay.finish().unwrap().0.unwrap()
}

/// A run that goes on with `kept`, one minute later.
pub(super) fn resumed(kept: Kept, now: Nanos) -> Bench {
    let books = FakeBooks([quote(); 5]);
    let oms = Oms::resume(kept, limited(), Arc::new(table()), now, Vec::new(), books).unwrap();
    let mut bench = Bench::unready(limited());
    (bench.oms, bench.now) = (oms, now);
    bench
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Compared after every single record group, live and replayed.
    #[test]
    fn the_state_follows_from_the_records(steps in prop::collection::vec(step(), 1..50)) {
        let mut model = Model::default();
        let mut again = Replay::new();
        let mut taken = 0;
        for step in &steps {
            model.run(step);
            let records = recorded(&mut model.bench);
            for (now, record) in &records[taken..] {
                again.push(*now, record.clone()).unwrap();
            }
            taken = records.len();
            // The hash executes the last input and compares.
            let hash = model.bench.oms.state_hash();
            again.push(model.bench.now, Record::Hash(hash)).unwrap();
        }
    }

    /// The same for signals with a contract, and from a snapshot in the middle on.
    #[test]
    fn the_state_of_pairs_follows_from_the_records(
        contract in contract(),
        events in prop::collection::vec(event(), 1..30),
        cut in 0usize..30,
    ) {
        let mut world = World::new(contract, (1_000, 1_000));
        let mut again = Replay::new();
        let (mut taken, mut snapshot) = (0, None);
        for (now, record) in recorded(&mut world.bench) {
            again.push(now, record).unwrap();
            taken += 1;
        }
        for (at, event) in events.iter().enumerate() {
            if at == cut {
                snapshot = Some((world.bench.oms.kept().encode(), taken));
            }
            world.run(event);
            let records = recorded(&mut world.bench);
            for (now, record) in &records[taken..] {
                again.push(*now, record.clone()).unwrap();
            }
            taken = records.len();
            again.push(world.bench.now, Record::Hash(world.bench.oms.state_hash())).unwrap();
        }
        if let Some((snapshot, from)) = snapshot {
            let records = recorded(&mut world.bench);
            let kept = replay(Replay::from(Kept::decode(&snapshot).unwrap()), &records[from..]);
            prop_assert_eq!(kept.hash(), world.bench.oms.state_hash());
        }
    }

    #[test]
    fn a_snapshot_stands_for_the_records_before_it(
        steps in prop::collection::vec(step(), 2..50),
        cut in 0usize..50,
    ) {
        let mut model = Model::default();
        let cut = cut.min(steps.len() - 1);
        for step in &steps[..cut] {
            model.run(step);
        }
        let before = recorded(&mut model.bench).len();
        let snapshot = model.bench.oms.kept().encode();
        for step in &steps[cut..] {
            model.run(step);
        }
        let records = recorded(&mut model.bench);
        let kept = replay(Replay::from(Kept::decode(&snapshot).unwrap()), &records[before..]);
        prop_assert_eq!(kept.hash(), model.bench.oms.state_hash());
    }

    /// A crash after any record: what was sent by then is known, and nothing that may live is
    /// taken for dead.
    #[test]
    fn after_a_crash_between_any_two_records_nothing_sent_is_forgotten(
        steps in prop::collection::vec(step(), 1..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut model = Model::default();
        for step in &steps {
            model.run(step);
        }
        let mut records = recorded(&mut model.bench);
        let cut = cut.index(records.len()) + 1;
        let complete = records[cut..].first().is_none_or(|(_, record)| record.is_input());
        records.truncate(cut);
        let sent = records.iter().enumerate().filter_map(|(at, (_, record))| match record {
            // Its group must be complete: before that nothing leaves.
            Record::Intent { order, .. }
                if complete || records[at..].iter().any(|(_, record)| record.is_input()) =>
            {
                Some(order.client_id)
            }
            _ => None,
        });
        let sent: Vec<ClientOrderId> = sent.collect();
        let kept = replay(Replay::new(), &records);
        let mut bench = resumed(kept, START.plus(60_000 * MS));
        for id in sent {
            let order = bench.oms.order(id).unwrap();
            prop_assert!(order.state.is_terminal() || order.state == OrderState::Unknown);
        }
        bench.check_sums();
        // The next run's records follow the group that was cut short.
        bench.pass(5_000 * MS);
        records.extend(recorded(&mut bench));
        prop_assert_eq!(replay(Replay::new(), &records).hash(), bench.oms.state_hash());
    }

    #[test]
    fn a_restart_is_part_of_the_records(
        first in prop::collection::vec(step(), 1..30),
        second in prop::collection::vec(step(), 1..30),
    ) {
        let mut model = Model::default();
        for step in &first {
            model.run(step);
        }
        let mut records = recorded(&mut model.bench);
        let kept = replay(Replay::new(), &records);
        let mut next = Model { bench: resumed(kept, model.bench.now.plus(2_000 * MS)), ..model };
        for step in &second {
            next.run(step);
        }
        next.bench.check_sums();
        records.extend(recorded(&mut next.bench));
        prop_assert_eq!(replay(Replay::new(), &records).hash(), next.bench.oms.state_hash());
    }

    #[test]
    fn arbitrary_bytes_are_no_record_or_one_but_never_a_panic(bytes: Vec<u8>) {
        let _ = Record::decode(&bytes);
        let _ = Kept::decode(&bytes);
    }
}

#[test]
fn another_decision_is_told() {
    let mut bench = Bench::new();
    bench.order();
    let mut records = recorded(&mut bench);
    let at = records.iter().position(|(_, record)| matches!(record, Record::Quote(..))).unwrap();
    if let Record::Quote(_, quote) = &mut records[at].1 {
        quote.state = BookState::Stale;
    }
    let mut replay = Replay::new();
    let mut push = || -> Result<(), Divergence> {
        for (now, record) in &records {
            replay.push(*now, record.clone())?;
        }
        replay.push(bench.now, Record::Timer)
    };
    let error = push().unwrap_err();
    assert!(matches!(error, Divergence::Effects { .. }), "{error:?}");
    assert!(error.to_string().contains("BookNotLive"), "{error}");
}

#[test]
fn a_state_with_another_hash_is_told() {
    let mut bench = Bench::new();
    bench.order();
    let mut replay = Replay::new();
    for (now, record) in recorded(&mut bench) {
        replay.push(now, record).unwrap();
    }
    let error = replay.push(START, Record::Hash(1)).unwrap_err();
    assert!(matches!(error, Divergence::Hash { recorded: 1, .. }));
    let error = Replay::new().push(START, Record::Timer).unwrap_err();
    assert_eq!(error, Divergence::NoOpening);
}

#[test]
fn what_was_open_is_unknown_after_a_restart_until_it_is_proved() {
    let mut bench = Bench::new();
    let id = bench.order();
    bench.say(ReportKind::Accepted, ReportOrigin::Stream, id);
    let kept = bench.oms.kept();
    let mut next = resumed(kept, START.plus(5_000 * MS));
    assert_eq!(next.state(id), OrderState::Unknown);
    assert!(!next.oms.is_ready(VENUE_A, next.now));
    next.notice(VENUE_A, VenueNotice::Readiness(Channel::Trade, Readiness::Ready));
    next.settle(VENUE_A, &[], &[]);
    assert!(!next.oms.is_ready(VENUE_A, next.now), "its orders are not answered for");
    next.pass(0);
    assert!(next.sent().iter().any(|kind| matches!(kind, CommandKind::Query(_))));
    next.report(&status(id, OrderState::Open));
    assert_eq!(next.state(id), OrderState::Open);
    next.settle(VENUE_A, &[], &[]);
    assert!(next.oms.is_ready(VENUE_A, next.now));
    next.books_are_new();
    let new = next.signal(&[leg(A, Side::Buy)]);
    assert_ne!(new, [id], "no id is used twice");
}

#[test]
fn a_paused_engine_is_still_paused_after_a_restart() {
    let mut bench = Bench::new();
    bench.tell(Operator::SetState(Scope::Engine, TradingState::ReduceOnly));
    bench.tell(Operator::Stop);
    assert_eq!(bench.oms.trading_state(), TradingState::Halted);
    let next = resumed(bench.oms.kept(), START.plus(5_000 * MS));
    assert_eq!(next.oms.trading_state(), TradingState::ReduceOnly, "the stop was that run's");
}

#[test]
fn positions_and_orders_follow_their_instruments_to_other_numbers() {
    let mut bench = Bench::new();
    let id = bench.order();
    bench.report(&fill(id, A, 1, 400));
    bench.report(&fill(id, A, 1, 400));
    let kept = bench.oms.kept();
    // The instruments change places, and one more decimal is needed.
    let mut other = InstrumentTable::default();
    other.assets.intern("USDT");
    let base = other.assets.intern("BTC");
    for old in [B, A] {
        let mut row = table().get(old).unwrap().clone();
        (row.base, row.quote) = (base, AssetId(0));
        row.scale.qty_decimals = 6;
        other.add(row);
    }
    let books = FakeBooks([quote(); 5]);
    let resume = |kept, table| {
        let books = FakeBooks(books.0);
        Oms::resume(kept, options(), Arc::new(table), START.plus(9_000 * MS), Vec::new(), books)
    };
    let mut oms = resume(kept.clone(), other).unwrap();
    let order = oms.order(id).unwrap();
    assert_eq!((order.instrument, order.qty, order.filled), (B, Qty(10_000), Qty(4_000)));
    assert_eq!(oms.positions().get(B).qty, Amount(4 * E18 / 1_000));
    assert_eq!(oms.exposures().underlying(base).buying, Amount(6 * E18 / 1_000));
    assert_eq!(oms.balances().get(VENUE_A, AssetId(0)).opening, Some(Amount(100_000 * E18)));
    let again = ExecutionReport { instrument: B, ..fill(id, A, 1, 4_000) };
    oms.on_report(VENUE_A, &again, START.plus(9_000 * MS), &mut bench.out);
    assert_eq!(oms.counters().fills_repeated, 2, "fills are remembered too");
    let mut gone = InstrumentTable::default();
    gone.assets.intern("BTC");
    let error = resume(kept, gone).err().unwrap();
    assert_eq!(error, MoveError::InstrumentGone("BTC/USDT@a".to_owned()));
}

#[test]
fn a_table_that_is_too_small_for_what_is_open_is_said_to_be() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        bench.order();
    }
    let resume = |orders_max| {
        let (kept, books) = (bench.oms.kept(), FakeBooks([quote(); 5]));
        let options = OmsOptions { orders_max, ..options() };
        let later = START.plus(9_000 * MS);
        Oms::resume(kept, options, Arc::new(table()), later, Vec::new(), books).err()
    };
    assert_eq!(resume(2), Some(MoveError::TableTooSmall { open: 3, room: 2 }));
    assert_eq!(resume(3), None);
}

#[test]
fn a_suspension_outlives_a_restart() {
    let mut bench = Bench::new();
    let until = START.plus(HOUR);
    bench.notice(VENUE_A, VenueNotice::Suspended(until));
    let kept = bench.oms.kept();
    assert_eq!((kept.suspended_until(VENUE_A), kept.suspended_until(VENUE_B)), (until, Nanos(0)));
    let mut next = resumed(kept, START.plus(5_000 * MS));
    next.notice(VENUE_A, VenueNotice::Readiness(Channel::Trade, Readiness::Ready));
    assert_eq!(next.sent(), [], "nothing is asked");
    assert_eq!(next.oms.deadline(), Some(until));
    next.pass(HOUR - 5_000 * MS);
    assert!(matches!(next.sent()[..], [CommandKind::FillsSince { .. }]), "{:?}", next.sent());
}

//! Losses are watched while the journal is short, and the little that is recorded of it is enough.

use super::limits::{bought, buy, set_bid, with};
use super::replay::{recorded, replay};
use super::*;
use crate::types::LossSwitch;

const SECOND: u64 = 1_000 * MS;
const DAY: u64 = 24 * HOUR;
/// 0.1 BTC: a change of the price by 10.00 is one quote unit.
const HELD: i64 = 10_000;

/// Holds [`HELD`] since half an hour before midnight, with a journal that has become short.
fn short(daily: i128, drawdown: i128) -> Bench {
    let mut bench = held(daily, drawdown);
    let now = bench.now;
    bench.oms.on_journal_full(true, now);
    bench
}

fn held(daily: i128, drawdown: i128) -> Bench {
    let mut bench = with(|limits| {
        limits.daily_loss_max = Some(Amount(daily * E18));
        limits.drawdown_max = Some(Amount(drawdown * E18));
    });
    // Nothing else is due for as long as the tests last.
    for round in &mut bench.oms.state.rounds {
        round.due = Nanos(0);
    }
    bench.oms.state.next_due = NEVER;
    bench.now = Nanos(START.0 / DAY * DAY + DAY - HOUR / 2);
    bought(&mut bench, 1, HELD);
    bench
}

/// So much time, in steps that are shorter than the pause between two looks.
fn pass(bench: &mut Bench, nanos: u64) {
    let end = bench.now.plus(nanos);
    while bench.now < end {
        bench.pass(SECOND / 4);
    }
}

fn records(bench: &mut Bench) -> usize {
    bench.oms.recorder().len()
}

/// Profit in hundredths, rounded towards zero.
fn net(bench: &Bench) -> i128 {
    bench.oms.losses()[USDT.index()].net.0 * 100 / E18
}

/// The rounds were taken away behind its back, so the records begin where they were.
fn check_replay(bench: &mut Bench, from: Kept) {
    let now = bench.now;
    bench.oms.record_hash(now);
    let made: Vec<_> = recorded(bench)[bench.before.len()..].to_vec();
    assert_eq!(replay(Replay::from(from), &made).hash(), bench.oms.state_hash());
}

#[test]
fn hours_with_nothing_lost_take_no_room() {
    let mut bench = short(100, 50);
    let kept = bench.oms.kept();
    bench.oms.recorder().clear();
    pass(&mut bench, 20 * HOUR);
    // The first look, the last two of the day and the first of the next: timer and quote each.
    let made = records(&mut bench);
    assert!(made <= 8, "{made} records of 20 hours");
    // What is looked at is new all the same.
    set_bid(&mut bench, 5_990_000);
    pass(&mut bench, SECOND);
    assert_eq!((net(&bench), records(&mut bench)), (-999, made));
    assert_eq!(bench.oms.deadline().map(|due| due.0 > bench.now.0), Some(true));
    bench.oms.on_journal_full(false, bench.now);
    pass(&mut bench, 10 * SECOND);
    assert!(records(&mut bench) >= made + 20, "every second again");
    assert_eq!(net(&bench), -999);
    check_replay(&mut bench, kept);
}

/// Two positions and a venue that is compared every minute: that takes its own room and no more.
#[test]
fn what_else_is_due_takes_no_look_with_it() {
    let mut bench = held(100, 1_000);
    bench.books_are_new();
    let ids = bench.signal(&[Leg { instrument: B, ..buy(HELD) }]);
    bench.report(&fill(ids[0], B, 2, HELD));
    let now = bench.now;
    for round in &mut bench.oms.state.rounds {
        round.due = now.plus(60 * SECOND);
    }
    bench.oms.on_journal_full(true, now);
    let kept = bench.oms.kept();
    bench.oms.recorder().clear();
    pass(&mut bench, 20 * HOUR);
    let of = |bench: &mut Bench, kind: fn(&Record) -> bool| {
        bench.oms.recorder().iter().filter(|(_, record)| kind(record)).count()
    };
    let seen = of(&mut bench, |record| matches!(record, Record::Quote(..)));
    assert!((4..=8).contains(&seen), "{seen} books of 20 hours, two a look");
    let others = of(&mut bench, |record| matches!(record, Record::TimerButLosses));
    assert!(others >= 20 * 60, "{others} in 20 hours");
    // A switch is thrown as soon as ever, whatever else is due then.
    set_bid(&mut bench, 5_890_000);
    pass(&mut bench, SECOND);
    assert_eq!(bench.oms.loss_switch(), Some(LossSwitch::DailyLoss));
    check_replay(&mut bench, kept);
}

#[test]
fn a_switch_is_thrown_within_a_second_and_on_record() {
    for (daily, drawdown, switch) in
        [(100, 1_000, LossSwitch::DailyLoss), (1_000, 100, LossSwitch::Drawdown)]
    {
        let mut bench = short(daily, drawdown);
        let kept = bench.oms.kept();
        bench.oms.recorder().clear();
        pass(&mut bench, 2 * HOUR);
        set_bid(&mut bench, 5_900_000);
        pass(&mut bench, SECOND);
        assert_eq!(bench.oms.loss_switch(), None, "99.99 lost");
        let made = records(&mut bench);
        set_bid(&mut bench, 5_899_980);
        pass(&mut bench, SECOND);
        assert_eq!(bench.oms.loss_switch(), Some(switch));
        assert_eq!(bench.oms.trading_state(), TradingState::ReduceOnly);
        pass(&mut bench, 10 * HOUR);
        assert_eq!(records(&mut bench), made + 3, "timer, quote, switch");
        check_replay(&mut bench, kept);
    }
}

#[test]
fn a_drawdown_counts_from_a_high_that_was_seen_by_the_way() {
    let mut bench = short(1_000, 100);
    let kept = bench.oms.kept();
    bench.oms.recorder().clear();
    pass(&mut bench, 2 * HOUR);
    let made = records(&mut bench);
    for step in 1..=400 {
        set_bid(&mut bench, 6_000_000 + step * 1_000);
        pass(&mut bench, 60 * SECOND);
    }
    let rises = (records(&mut bench) - made) / 2;
    assert!((150..=210).contains(&rises), "{rises} records of 400 rises, of which two make one");
    assert_eq!(net(&bench), 40_000);
    set_bid(&mut bench, 6_290_000);
    pass(&mut bench, SECOND);
    assert_eq!(bench.oms.loss_switch(), Some(LossSwitch::Drawdown), "no loss of the day");
    check_replay(&mut bench, kept);
}

#[test]
fn a_day_begins_with_the_last_value_before_it() {
    let mut bench = short(100, 1_000);
    let kept = bench.oms.kept();
    bench.oms.recorder().clear();
    pass(&mut bench, HOUR / 4);
    set_bid(&mut bench, 5_940_000);
    pass(&mut bench, HOUR);
    assert_eq!(bench.oms.losses()[USDT.index()].day_open, Amount(-599_950 * E18 / 10_000));
    set_bid(&mut bench, 5_880_000);
    pass(&mut bench, HOUR);
    assert_eq!(bench.oms.loss_switch(), None, "60 yesterday, 60 today");
    set_bid(&mut bench, 5_830_000);
    pass(&mut bench, SECOND);
    assert_eq!(bench.oms.loss_switch(), Some(LossSwitch::DailyLoss));
    check_replay(&mut bench, kept);
}

/// The thread is late by up to half a second, every time: its last look is more than a second before
/// midnight.
#[test]
fn a_day_begins_with_a_value_of_the_last_two_seconds_though_looks_come_late() {
    for late in (1..500).step_by(23).map(|ms| ms * MS) {
        let mut bench = short(1_000, 1_000);
        let kept = bench.oms.kept();
        bench.oms.recorder().clear();
        let midnight = Nanos(bench.now.0 / DAY * DAY + DAY);
        bench.pass(midnight.0 - bench.now.0 - 3 * SECOND - late * 5 / 2);
        set_bid(&mut bench, 5_940_000);
        while bench.now <= midnight {
            bench.pass(SECOND + late);
        }
        let day_open = bench.oms.losses()[USDT.index()].day_open;
        assert_eq!(day_open, Amount(-599_950 * E18 / 10_000), "{late} ns late");
        check_replay(&mut bench, kept);
    }
}

#[test]
fn a_book_that_is_lost_keeps_the_middle_that_was_seen_last() {
    let mut bench = short(100, 1_000);
    let kept = bench.oms.kept();
    bench.oms.recorder().clear();
    pass(&mut bench, 2 * HOUR);
    set_bid(&mut bench, 5_950_000);
    pass(&mut bench, SECOND);
    bench.oms.books_mut().0[A.index()] = BookQuote::default();
    pass(&mut bench, HOUR);
    assert_eq!(net(&bench), -4_999);
    check_replay(&mut bench, kept);
}

#[test]
fn a_fill_is_measured_with_the_middle_that_was_seen_last() {
    let mut bench = held(100, 1_000);
    let ids = bench.signal(&[buy(1_000)]);
    let now = bench.now;
    bench.oms.on_journal_full(true, now);
    let kept = bench.oms.kept();
    bench.oms.recorder().clear();
    pass(&mut bench, 2 * HOUR);
    set_bid(&mut bench, 5_910_000);
    pass(&mut bench, SECOND);
    bench.oms.books_mut().0[A.index()] = BookQuote::default();
    pass(&mut bench, HOUR);
    assert_eq!(bench.oms.loss_switch(), None, "89.99 lost");
    let mut report = fill(ids[0], A, 2, 1_000);
    (report.fill.fee, report.fill.fee_asset) = (Amount(2 * E18), USDT);
    bench.report(&report);
    assert_eq!(
        bench.oms.loss_switch(),
        Some(LossSwitch::DailyLoss),
        "8.99 of the fill, 2 of its fee"
    );
    check_replay(&mut bench, kept);
}

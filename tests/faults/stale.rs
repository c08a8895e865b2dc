//! Books that are not live or too old are not traded on, whatever a strategy thinks.

use crate::desk::{Desk, NOW, SECOND, top};
use crate::rig::{BYBIT, Rig};
use std::time::{Duration, Instant};
use stoop::oms::RiskReject;
use stoop::sim::Fault;
use stoop::types::{BookState, Nanos, Price, Qty};

#[test]
fn a_signal_on_a_book_that_is_not_live_is_refused_with_its_code() {
    let mut desk = Desk::new();
    let (not_live, too_old) = (RiskReject::BookNotLive as u8, RiskReject::BookTooOld as u8);
    let step = |desk: &mut Desk, now: Nanos, refusal: u8| {
        assert_eq!(desk.signal(now), refusal);
        assert_eq!(desk.orders().len(), usize::from(refusal == 0));
    };
    step(&mut desk, NOW, not_live);
    desk.book.publish_top(&top(1, 6_000_000, 6_000_010), BookState::Live, NOW, NOW);
    step(&mut desk, NOW, 0);
    for state in [BookState::Stale, BookState::Buffering, BookState::Empty] {
        desk.book.set_state(state, NOW);
        step(&mut desk, NOW, not_live);
    }
    desk.book.set_state(BookState::Live, NOW);
    step(&mut desk, NOW.plus(2 * SECOND), 0);
    step(&mut desk, NOW.plus(2 * SECOND + 1), too_old);
    step(&mut desk, NOW.plus(3 * SECOND), too_old);
    // The counters are published at intervals, before what is asked for in the same round.
    step(&mut desk, NOW.plus(4 * SECOND), too_old);
    let counters = desk.view.counters();
    assert_eq!(counters.refusals[usize::from(not_live)], 4);
    assert_eq!(counters.refusals[usize::from(too_old)], 2);
    assert_eq!((counters.signals, counters.signals_refused, counters.orders_sent), (8, 6, 2));
}

/// A venue that falls silent without closing anything: its book still says live, and is too old.
#[test]
fn a_venue_that_falls_silent_is_not_traded_on() {
    let rig = Rig::trading();
    let before = rig.view.health(BYBIT);
    rig.fault(BYBIT, Fault::DelayMs(4_000));
    let silent = Instant::now();
    // The limit is two seconds; what was sent just before it needs a moment to be counted.
    rig.wait("the book is too old", |_| silent.elapsed() > Duration::from_millis(2_400));
    let taken = rig.ledger(BYBIT).orders;
    rig.wait("the silence is nearly over", |_| silent.elapsed() > Duration::from_millis(3_700));
    assert_eq!(rig.ledger(BYBIT).orders, taken, "an order was sent on an old book");
    assert!(rig.books(BYBIT).iter().all(|book| rig.state(*book) == BookState::Live));
    rig.fault(BYBIT, Fault::DelayMs(0));
    rig.wait("what was sent is known again", |rig| {
        silent.elapsed() > Duration::from_secs(8) && rig.counters().orders_unknown == 0
    });
    rig.goes_on_trading();
    assert_eq!(rig.view.health(BYBIT).feed.reconnects, before.feed.reconnects);
    rig.finish();
}

/// What a strategy may get wrong, and the words that the operator reads.
#[test]
fn impossible_orders_are_refused_in_words() {
    let mut desk = Desk::new();
    desk.book.publish_top(&top(1, 6_000_000, 6_000_010), BookState::Live, NOW, NOW);
    drop(desk.lines.take());
    for (step, (price, qty, code, words)) in [
        (6_000_011, 1_000, 9, "price is not a multiple of the tick size"),
        (6_000_010, -1_000, 10, "quantity is not positive"),
        (6_000_010, 1, 11, "quantity is not a multiple of the lot size"),
        (6_000_010, 10, 12, "quantity is below the minimum"),
    ]
    .into_iter()
    .enumerate()
    {
        let now = NOW.plus(step as u64 * SECOND / 10);
        assert_eq!(desk.ask(Price(price), Qty(qty), now), code, "{words}");
        // It is told of at intervals.
        desk.poll(now.plus(SECOND / 20));
        let said = desk.lines.take().into_iter().map(|line| line.text);
        let said: Vec<String> = said.filter(|text| text.contains("refused")).collect();
        assert_eq!(said, [format!("signal refused: {words}: 1 more, 1 in all")]);
    }
    assert_eq!(desk.orders().len(), 0);
}

//! One of a venue's two market data connections is lost, slow, or misses something: the books go on
//! over the other.

use crate::rig::{BINANCE, BYBIT, Rig};
use std::time::{Duration, Instant};
use stoop::shm::{FeedHealth, FeedLine};
use stoop::sim::Fault;
use stoop::types::{BookState, Readiness, VenueId};

const PATHS: [&str; 2] = ["/stream", "/v5/public"];

fn path(venue: VenueId) -> String {
    PATHS[usize::from(venue.0)].to_owned()
}

/// Trading, with two connections to each venue's market data, of which both deliver.
fn rig() -> Rig {
    let rig = Rig::trading_with(&[
        ("feed_connections = 1", "feed_connections = 2"),
        ("[venue.bybit]\n", "[venue.bybit]\nfeed_connections = 2\n"),
    ]);
    for venue in [BINANCE, BYBIT] {
        rig.wait("both deliver", |rig| both_deliver(rig, venue));
    }
    rig
}

fn feed(rig: &Rig, venue: VenueId) -> FeedHealth {
    rig.view.health(venue).feed
}

fn both_deliver(rig: &Rig, venue: VenueId) -> bool {
    let health = feed(rig, venue);
    assert_eq!(health.line_count, 2);
    health.lines().iter().all(|line| line.state == Readiness::Ready && line.first + line.late > 50)
}

/// Waits for something while every book of the venue is live all the time.
fn wait_live(rig: &Rig, venue: VenueId, what: &str, done: impl Fn(&Rig) -> bool) {
    rig.wait(what, |rig| {
        for book in rig.books(venue) {
            assert_eq!(rig.state(book), BookState::Live, "{what}");
        }
        done(rig)
    });
}

/// Each in turn: no book is stale for a moment, none is fetched anew, and trading goes on.
fn one_is_cut_after_the_other(venue: VenueId) {
    let rig = rig();
    let start = feed(&rig, venue);
    for round in 0..4 {
        let before = feed(&rig, venue);
        rig.fault(venue, Fault::CutOne { path_contains: path(venue), index: round % 2 });
        wait_live(&rig, venue, "its loss is noticed", |rig| {
            let health = feed(rig, venue);
            assert_eq!(health.state, Readiness::Ready, "one is enough");
            health.reconnects > before.reconnects
        });
        rig.goes_on_trading();
        wait_live(&rig, venue, "it comes back and delivers", |rig| {
            let health = feed(rig, venue);
            let brought = |line: &FeedLine| line.first + line.late;
            let mut lines = health.lines.iter().zip(&before.lines);
            lines.all(|(now, then)| {
                now.state == Readiness::Ready && brought(now) > brought(then) + 50
            })
        });
    }
    let end = feed(&rig, venue);
    assert_eq!(end.reconnects, start.reconnects + 4, "{end:#?}");
    assert_eq!((end.gaps, end.resyncs), (start.gaps, start.resyncs), "{end:#?}");
    rig.finish();
}

#[test]
fn binance_books_go_on_without_one_of_their_connections() {
    one_is_cut_after_the_other(BINANCE);
}

#[test]
fn bybit_books_go_on_without_one_of_their_connections() {
    one_is_cut_after_the_other(BYBIT);
}

/// A change that one of them never brings is no gap; one that neither brings is.
fn what_one_misses_the_other_brings(venue: VenueId) {
    let rig = rig();
    let symbol = "BTCUSDT".to_owned();
    let start = feed(&rig, venue);
    for index in [0, 1] {
        let before = feed(&rig, venue).lines.map(|line| line.missed);
        let one = Fault::SkipOne { symbol: symbol.clone(), path_contains: path(venue), index };
        rig.fault(venue, one);
        wait_live(&rig, venue, "one of them has missed a change", |rig| {
            let lines = feed(rig, venue).lines;
            lines.iter().zip(before).map(|(line, then)| line.missed - then).sum::<u64>() == 1
        });
    }
    let between = feed(&rig, venue);
    assert_eq!((between.gaps, between.resyncs), (start.gaps, start.resyncs), "{between:#?}");
    rig.fault(venue, Fault::SkipBookEvent { symbol });
    rig.wait("both have missed it", |rig| feed(rig, venue).gaps == start.gaps + 1);
    rig.wait("the book is live again", |rig| {
        rig.books(venue).iter().all(|book| rig.state(*book) == BookState::Live)
    });
    rig.goes_on_trading();
    let end = feed(&rig, venue);
    assert_eq!((end.gaps, end.resyncs), (start.gaps + 1, start.resyncs + 1), "{end:#?}");
    rig.finish();
}

#[test]
fn what_one_connection_of_binance_misses_the_other_brings() {
    what_one_misses_the_other_brings(BINANCE);
}

#[test]
fn what_one_connection_of_bybit_misses_the_other_brings() {
    what_one_misses_the_other_brings(BYBIT);
}

/// One is slow: the books are as new as those of the other, and how late it is stands in the health.
#[test]
fn a_slow_connection_is_seen_and_holds_nothing_up() {
    const DELAY_MS: u64 = 80;
    let rig = rig();
    for venue in [BINANCE, BYBIT] {
        let before = feed(&rig, venue);
        let slow = |delay_ms| Fault::DelayOne { path_contains: path(venue), index: 1, delay_ms };
        rig.fault(venue, slow(DELAY_MS));
        wait_live(&rig, venue, "its lateness is seen", |rig| {
            let late = feed(rig, venue).lines.map(|line| line.late_p99_ns);
            late.iter().any(|ns| *ns > DELAY_MS / 2 * 1_000_000)
        });
        let health = feed(&rig, venue);
        assert_eq!((health.gaps, health.resyncs), (before.gaps, before.resyncs), "{health:#?}");
        rig.fault(venue, slow(0));
    }
    rig.finish();
}

#[test]
fn the_loss_of_both_makes_books_stale_and_they_come_back() {
    let rig = rig();
    for venue in [BINANCE, BYBIT] {
        rig.fault(venue, Fault::RefuseConnections(true));
        rig.fault(venue, Fault::CutConnections);
        rig.wait("all of them are stale", |rig| {
            rig.books(venue).iter().all(|book| rig.state(*book) == BookState::Stale)
        });
        assert_eq!(feed(&rig, venue).state, Readiness::Down);
        let cut = Instant::now();
        rig.wait("some time passes", |_| cut.elapsed() > Duration::from_millis(300));
        rig.fault(venue, Fault::RefuseConnections(false));
        rig.wait("it is whole again", |rig| rig.is_whole(venue) && both_deliver(rig, venue));
        rig.goes_on_trading();
    }
    rig.finish();
}

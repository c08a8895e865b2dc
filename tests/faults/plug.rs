//! The plug is pulled: nothing is traded on what cannot be seen, and everything comes back by
//! itself.

use crate::rig::{BINANCE, BYBIT, NAMES, PATIENCE, Rig};
use std::time::{Duration, Instant};
use stoop::oms::RiskReject;
use stoop::sim::Fault;
use stoop::types::{BookState, VenueId};

/// How long after the cut a loaded machine may take to see it.
const AT_ONCE: Duration = Duration::from_secs(1);
/// Longer than anything on its way at the moment of the cut needs to be counted, if the engine runs: a
/// leg whose other half was at the venue is unwound elsewhere after half a second.
const IN_FLIGHT: Duration = Duration::from_millis(900);
/// Heartbeats after which it has run: its counters are published with each of them.
const BEATS: usize = 3;

/// No book of the venue may be traded on.
fn none_live(rig: &Rig, venue: VenueId) -> bool {
    rig.books(venue).iter().all(|book| rig.state(*book) != BookState::Live)
}

fn a_venue_is_away_for_two_seconds(venue: VenueId) {
    let other = if venue == BINANCE { BYBIT } else { BINANCE };
    let rig = Rig::trading();
    let before = rig.view.health(venue);
    let elsewhere = rig.view.health(other);
    rig.fault(venue, Fault::RefuseConnections(true));
    rig.fault(venue, Fault::CutConnections);
    let cut = Instant::now();
    while rig.books(venue).iter().any(|book| rig.state(*book) != BookState::Stale) {
        assert!(cut.elapsed() < AT_ONCE, "books stay live after the cut");
        std::hint::spin_loop();
    }
    println!("{}: stale {:?} after the cut", NAMES[usize::from(venue.0)], cut.elapsed());
    std::thread::sleep(IN_FLIGHT);
    for _ in 0..BEATS {
        let beat = rig.view.heartbeat();
        rig.wait("the engine's heart beats", |rig| rig.view.heartbeat() != beat);
    }
    let quiet = rig.counters();
    let taken = [rig.ledger(BINANCE).orders, rig.ledger(BYBIT).orders];
    let nothing_is_sent = |rig: &Rig| {
        // In this order: what was counted first was sent while the book was still not live.
        let sent = rig.counters().orders_sent;
        if none_live(rig, venue) {
            let log = rig.log();
            assert_eq!(sent, quiet.orders_sent, "sent without a live book: {log:#?}");
        }
        for book in rig.books(other) {
            let state = rig.state(book);
            assert_eq!(state, BookState::Live, "another venue's book: {:#?}", rig.log());
        }
    };
    while cut.elapsed() < Duration::from_secs(2) {
        nothing_is_sent(&rig);
        assert!(none_live(&rig, venue), "nobody can have sent a book");
        std::thread::sleep(Duration::from_micros(50));
    }
    assert_eq!([rig.ledger(BINANCE).orders, rig.ledger(BYBIT).orders], taken);
    rig.fault(venue, Fault::RefuseConnections(false));
    let back = Instant::now();
    while none_live(&rig, venue) {
        nothing_is_sent(&rig);
        assert!(back.elapsed() < PATIENCE, "it does not come back: {:#?}", rig.log());
        std::thread::sleep(Duration::from_micros(50));
    }
    rig.wait("everything is ready again", |rig| rig.is_whole(venue));
    println!("{}: back after {:?}", NAMES[usize::from(venue.0)], back.elapsed());
    rig.goes_on_trading();
    let after = rig.view.health(venue);
    assert_eq!(after.feed.reconnects, before.feed.reconnects + 1, "lost once");
    assert_eq!(rig.view.health(other).feed.reconnects, elsewhere.feed.reconnects);
    assert_eq!(rig.view.health(other).executor.reconnects, elsewhere.executor.reconnects);
    let name = NAMES[usize::from(venue.0)];
    let address = rig.sim.address(name).unwrap();
    for agent in ["feed", "exec"] {
        let refused = format!("connection refused by {address}: nothing listens there");
        let said = rig
            .log()
            .iter()
            .any(|line| line.starts_with(&format!("{agent}:{name}: ")) && line.ends_with(&refused));
        assert!(said, "{agent} did not say {refused:?}: {:#?}", rig.log());
    }
    let not_live = RiskReject::BookNotLive as usize;
    let last = rig.finish();
    println!("{name}: refused for books not live: {}", last.counters.refusals[not_live]);
}

#[test]
fn binance_is_away_for_two_seconds() {
    a_venue_is_away_for_two_seconds(BINANCE);
}

#[test]
fn bybit_is_away_for_two_seconds() {
    a_venue_is_away_for_two_seconds(BYBIT);
}

//! Orders whose fate is not told when it should be, or not at all: none is lost, none is sent
//! twice.

use crate::rig::{BINANCE, BYBIT, NAMES, Rig};
use std::time::{Duration, Instant};
use stoop::sim::Fault;
use stoop::types::{BookState, VenueId};

const BOTH: [VenueId; 2] = [BINANCE, BYBIT];

fn sleep(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

#[test]
fn cut_in_the_middle_of_trading_on_both_venues() {
    let rig = Rig::trading();
    let before = BOTH.map(|venue| rig.view.health(venue));
    for venue in BOTH {
        rig.fault(venue, Fault::CutConnections);
    }
    for venue in BOTH {
        rig.wait("its loss is noticed", |rig| {
            let health = rig.view.health(venue);
            health.feed.reconnects > before[usize::from(venue.0)].feed.reconnects
                && health.executor.reconnects > before[usize::from(venue.0)].executor.reconnects
        });
    }
    for venue in BOTH {
        rig.wait("it comes back", |rig| rig.is_whole(venue));
        for agent in ["feed", "exec"] {
            let start = format!("{agent}:{}: ", NAMES[usize::from(venue.0)]);
            let said = |line: &String| line.starts_with(&start) && line.contains(" connection: ");
            assert!(rig.log().iter().any(said), "{start}{:#?}", rig.log());
        }
    }
    rig.goes_on_trading();
    rig.finish();
}

/// Replies are lost for more than three seconds on both venues, and the streams of one are later
/// than any reply may be: what is sent there becomes unknown.
fn replies_are_lost(late: VenueId) {
    let rig = Rig::trading();
    let lost = Instant::now();
    for venue in BOTH {
        rig.fault(venue, Fault::LoseReplies(true));
    }
    // Streams alone are enough to trade on.
    rig.goes_on_trading();
    rig.fault(late, Fault::DelayMs(2_500));
    rig.wait("an order is unknown", |rig| rig.counters().orders_unknown > 0);
    rig.wait("three seconds pass", |_| lost.elapsed() > Duration::from_secs(3));
    rig.fault(late, Fault::DelayMs(0));
    for venue in BOTH {
        rig.fault(venue, Fault::LoseReplies(false));
    }
    rig.wait("nothing is unknown any more", |rig| {
        rig.counters().orders_unknown == 0 && BOTH.iter().all(|venue| rig.is_whole(*venue))
    });
    rig.goes_on_trading();
    let refused = rig.finish().counters.orders_rejected;
    assert_eq!(refused, 0, "every order had arrived");
}

#[test]
fn lost_replies_and_late_streams_on_binance_are_made_up_for() {
    replies_are_lost(BINANCE);
}

#[test]
fn lost_replies_and_late_streams_on_bybit_are_made_up_for() {
    replies_are_lost(BYBIT);
}

/// Fills happen that no stream ever tells of: questions alone bring them to light.
fn fills_are_never_streamed(venue: VenueId) {
    let rig = Rig::trading();
    rig.fault(venue, Fault::DelayMs(1_500));
    let taken = rig.ledger(venue).fills;
    rig.wait("fills that nobody has told of", |rig| {
        rig.ledger(venue).fills >= taken + 2 && rig.counters().orders_open > 0
    });
    let told = rig.counters().fills;
    let happened = BOTH.iter().map(|venue| rig.ledger(*venue).fills).sum::<u64>();
    // Drops what was on its way.
    rig.fault(venue, Fault::CutConnections);
    rig.fault(venue, Fault::DelayMs(0));
    assert!(happened > told, "{happened} fills, {told} told of");
    rig.wait("it comes back", |rig| rig.is_whole(venue));
    rig.wait("all fills are known", |rig| {
        rig.counters().fills >= happened && rig.counters().orders_unknown == 0
    });
    rig.goes_on_trading();
    rig.finish();
}

#[test]
fn fills_that_binance_never_streamed_are_fetched() {
    fills_are_never_streamed(BINANCE);
}

#[test]
fn fills_that_bybit_never_streamed_are_fetched() {
    fills_are_never_streamed(BYBIT);
}

/// The engine is told to stop while it cannot reach a venue that holds orders of unknown fate: it
/// waits for the venue rather than guess.
#[test]
fn stopping_waits_for_a_venue_that_is_away() {
    let rig = Rig::trading();
    rig.fault(BYBIT, Fault::DelayMs(1_500));
    let taken = rig.ledger(BYBIT).orders;
    rig.wait("orders whose fate is not known", |rig| {
        rig.ledger(BYBIT).orders >= taken + 2 && rig.counters().orders_open > 0
    });
    rig.fault(BYBIT, Fault::RefuseConnections(true));
    rig.fault(BYBIT, Fault::CutConnections);
    rig.fault(BYBIT, Fault::DelayMs(0));
    rig.stop();
    sleep(1_500);
    assert!(!rig.has_stopped(), "its orders cannot have been confirmed");
    rig.fault(BYBIT, Fault::RefuseConnections(false));
    rig.finish();
}

#[test]
fn an_announced_end_moves_the_connections_over() {
    let rig = Rig::trading();
    let before = BOTH.map(|venue| rig.view.health(venue));
    for venue in BOTH {
        rig.fault(venue, Fault::AnnounceShutdown);
    }
    let announced = "feed:binance: the venue announced the end of the Public connection";
    rig.wait(announced, |rig| rig.said(announced) == 1);
    for venue in BOTH {
        rig.wait("a new trade connection", |rig| {
            let health = rig.view.health(venue);
            health.executor.reconnects > before[usize::from(venue.0)].executor.reconnects
        });
        rig.wait("everything is ready again", |rig| rig.is_whole(venue));
        let name = NAMES[usize::from(venue.0)];
        for channel in ["Trade", "TradeSpare"] {
            let ready = format!("exec:{name}: {channel} ready");
            rig.wait(&ready, |rig| rig.said(&ready) == 2);
            assert_eq!(rig.said(&format!("exec:{name}: {channel} connection: closed by us")), 1);
        }
        let health = rig.view.health(venue);
        let was = &before[usize::from(venue.0)];
        assert_eq!(health.executor.reconnects, was.executor.reconnects + 2, "{:#?}", rig.log());
    }
    assert_eq!(rig.said("feed:binance: Public connection: closed by us"), 1);
    rig.goes_on_trading();
    rig.finish();
}

/// Clocks that jump: orders are refused until the offset is measured anew, and nothing is lost.
#[test]
fn a_venue_whose_clock_jumps_is_followed() {
    let rig = Rig::trading();
    for (skew_ms, low_ms, high_ms) in [(5_000, 4_500, 5_500), (0, -500, 500)] {
        for venue in BOTH {
            rig.fault(venue, Fault::SkewClock(skew_ms));
        }
        for venue in BOTH {
            rig.wait("the new offset is measured", |rig| {
                let offset_ms = rig.view.health(venue).executor.clock_offset_ns / 1_000_000;
                (low_ms..=high_ms).contains(&offset_ms)
            });
        }
        sleep(100);
        let refused = rig.counters().orders_rejected;
        rig.goes_on_trading();
        println!("skew {skew_ms} ms: {refused} orders refused so far");
    }
    let c = rig.counters();
    assert!(c.orders_rejected > 0, "{c:#?}");
    for book in rig.all() {
        assert_eq!(rig.state(book), BookState::Live);
    }
    rig.finish();
}

/// Orders go over REST, one request at a time, to a venue that answers slowly: what waits too long
/// behind the others is refused here, and no such order is ever found at the venue.
#[test]
fn orders_that_wait_too_long_for_a_slow_venue_are_not_sent() {
    let rig = Rig::trading_with(&[("orders = \"websocket\"", "orders = \"rest\"")]);
    rig.fault(BINANCE, Fault::DelayMs(700));
    let said = "oms: orders that waited too long and were not sent: ";
    rig.wait("an order that waited too long", |rig| {
        rig.log().iter().any(|line| line.starts_with(said))
    });
    rig.fault(BINANCE, Fault::DelayMs(0));
    rig.goes_on_trading();
    // That every other order is found at the venue, and no more, is compared in the end.
    let last = rig.finish().counters;
    assert!(last.orders_rejected > 0, "{last:#?}");
}

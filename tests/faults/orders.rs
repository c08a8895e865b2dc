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

#[test]
fn lost_replies_are_made_up_for_by_streams_and_questions() {
    let rig = Rig::trading();
    for venue in BOTH {
        rig.fault(venue, Fault::LoseReplies(true));
    }
    // Streams alone are enough to trade on.
    rig.goes_on_trading();
    // Now they are late as well, beyond the reply timeout: what is sent becomes unknown.
    rig.fault(BYBIT, Fault::DelayMs(2_500));
    let lost = Instant::now();
    rig.wait("an order is unknown", |rig| rig.counters().orders_unknown > 0);
    rig.wait("three seconds pass", |_| lost.elapsed() > Duration::from_secs(3));
    rig.fault(BYBIT, Fault::DelayMs(0));
    for venue in BOTH {
        rig.fault(venue, Fault::LoseReplies(false));
    }
    rig.wait("nothing is unknown any more", |rig| {
        rig.counters().orders_unknown == 0 && BOTH.iter().all(|venue| rig.is_whole(*venue))
    });
    rig.goes_on_trading();
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
        assert_eq!(rig.said(&format!("exec:{name}: Trade connection: closed by us")), 1);
        assert_eq!(rig.said(&format!("exec:{name}: Trade ready")), 2, "{:#?}", rig.log());
        let health = rig.view.health(venue);
        let was = &before[usize::from(venue.0)];
        assert_eq!(health.executor.reconnects, was.executor.reconnects + 1, "{:#?}", rig.log());
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

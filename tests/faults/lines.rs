//! One of a venue's two order connections is lost, or slow: trading goes on over the other.

use crate::rig::{BINANCE, BYBIT, NAMES, Rig};
use stoop::sim::Fault;
use stoop::types::{Channel, OrderLines, Readiness, VenueId};

const PATHS: [&str; 2] = ["/ws-api", "/v5/trade"];

fn path(venue: VenueId) -> String {
    PATHS[usize::from(venue.0)].to_owned()
}

fn lines(rig: &Rig, venue: VenueId) -> OrderLines {
    rig.view.health(venue).executor.order_lines
}

fn both_ready(rig: &Rig, venue: VenueId) -> bool {
    let channels = rig.view.health(venue).executor.channels;
    [Channel::Trade, Channel::TradeSpare]
        .iter()
        .all(|channel| channels[channel.index()] == Readiness::Ready)
}

/// Each in turn; the venue takes orders all the time, and none is lost or sent twice.
fn one_is_cut_after_the_other(venue: VenueId) {
    let rig = Rig::trading();
    rig.wait("both are ready", |rig| both_ready(rig, venue));
    for round in 0..4 {
        let before = rig.view.health(venue).executor.reconnects;
        rig.fault(venue, Fault::CutOne { path_contains: path(venue), index: round % 2 });
        rig.wait("its loss is noticed", |rig| {
            let health = rig.view.health(venue).executor;
            assert!(health.ready, "one is enough");
            health.reconnects > before
        });
        rig.goes_on_trading();
        rig.wait("it comes back", |rig| {
            assert!(rig.view.health(venue).executor.ready, "one is enough");
            both_ready(rig, venue)
        });
        assert_eq!(rig.view.health(venue).executor.reconnects, before + 1, "one, and once");
    }
    rig.finish();
}

#[test]
fn binance_goes_on_without_one_of_its_order_connections() {
    one_is_cut_after_the_other(BINANCE);
}

#[test]
fn bybit_goes_on_without_one_of_its_order_connections() {
    one_is_cut_after_the_other(BYBIT);
}

/// Whichever is slow is left.
fn the_slow_one_is_left(venue: VenueId) {
    const DELAY_MS: u64 = 400;
    let rig = Rig::trading();
    rig.wait("both are ready", |rig| both_ready(rig, venue));
    let mut used = Vec::new();
    for index in [0, 1] {
        let slow = |delay_ms| Fault::DelayOne { path_contains: path(venue), index, delay_ms };
        rig.fault(venue, slow(DELAY_MS));
        let orders = rig.ledger(venue).orders;
        rig.wait("orders have met the delay", |rig| rig.ledger(venue).orders >= orders + 20);
        rig.wait("the quick one is used", |rig| {
            let lines = lines(rig, venue);
            let now = lines.lines[usize::from(lines.current == Channel::TradeSpare)];
            now.reply_ns > 0 && now.reply_ns < DELAY_MS / 2 * 1_000_000
        });
        used.push(lines(&rig, venue).current);
        rig.fault(venue, slow(0));
    }
    assert_ne!(used[0], used[1], "{}", NAMES[usize::from(venue.0)]);
    rig.finish();
}

#[test]
fn the_slow_order_connection_of_binance_is_left() {
    the_slow_one_is_left(BINANCE);
}

#[test]
fn the_slow_order_connection_of_bybit_is_left() {
    the_slow_one_is_left(BYBIT);
}

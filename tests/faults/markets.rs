//! The troubles of every venue beside each other: each market, with one that is its own or another's,
//! loses its connections, misses a change of a book, hears what no venue should say, and has replies
//! and the server behind them fail, while funding is paid; and in the end all books agree.

use crate::rig::{Rig, name};
use std::time::Duration;
use stoop::sim::Fault;
use stoop::types::{BookState, VenueId};

fn settles(rig: &Rig, venue: VenueId) {
    rig.wait("it is whole again", |rig| rig.is_whole(venue));
    rig.goes_on_trading();
}

/// Everything is cut, and cut once more in the middle of messages.
fn cuts(rig: &Rig, venue: VenueId) {
    for fault in [Fault::CutConnections, Fault::CutMessages] {
        let before = rig.view.health(venue).feed.reconnects;
        rig.fault(venue, fault);
        rig.wait("the loss is seen", |rig| rig.view.health(venue).feed.reconnects > before);
        settles(rig, venue);
    }
}

/// Where books are told of in changes, a change that is missing is seen.
fn skips(rig: &Rig, venue: VenueId) {
    for id in rig.books(venue) {
        let symbol = rig.instruments.get(id).unwrap().symbol.clone();
        let before = rig.view.health(venue).feed.gaps;
        rig.fault(venue, Fault::SkipBookEvent { symbol });
        // Whole books do not miss what was not told.
        if name(venue) != "hyperliquid" {
            rig.wait("the gap is seen", |rig| rig.view.health(venue).feed.gaps > before);
        }
        rig.wait("the book lives", |rig| rig.state(id) == BookState::Live);
    }
    settles(rig, venue);
}

/// Nonsense on every socket costs no connection.
fn nonsense(rig: &Rig, venue: VenueId) {
    for text in ["{", "[1,2,3]", r#"{"hello":"world"}"#] {
        let before = rig.view.health(venue);
        let path_contains = String::new();
        rig.fault(venue, Fault::InjectText { path_contains, text: text.to_owned() });
        rig.wait("it is counted", |rig| {
            let now = rig.view.health(venue);
            now.feed.decode_errors > before.feed.decode_errors
                && now.executor.decode_errors > before.executor.decode_errors
        });
        assert_eq!(rig.view.health(venue).feed.reconnects, before.feed.reconnects, "{text}");
    }
    settles(rig, venue);
}

/// What is sent is done, and nobody says so; or it is said twice.
fn replies(rig: &Rig, venue: VenueId) {
    for (on, off) in [
        (Fault::LoseReplies(true), Fault::LoseReplies(false)),
        (Fault::FailReplies(true), Fault::FailReplies(false)),
        (Fault::RepeatEvents(1_000), Fault::RepeatEvents(0)),
    ] {
        rig.fault(venue, on);
        std::thread::sleep(Duration::from_millis(400));
        rig.fault(venue, off);
        settles(rig, venue);
    }
}

fn everything_at(markets: [&str; 2]) {
    let rig = Rig::between(markets);
    for venue in rig.venues.clone() {
        cuts(&rig, venue);
        skips(&rig, venue);
        nonsense(&rig, venue);
        replies(&rig, venue);
    }
    rig.finish();
}

#[test]
fn contracts_of_two_venues() {
    everything_at(["BTC/USDT:USDT@binance", "BTC/USDT:USDT@okx"]);
}

#[test]
fn contracts_and_spot_of_two_venues() {
    everything_at(["BTC/USDT:USDT@bybit", "BTC/USDT@binance"]);
}

#[test]
fn spot_and_contracts_of_one_venue() {
    everything_at(["ETH/USDT@okx", "ETH/USDT:USDT@okx"]);
}

#[test]
fn dollars_of_two_names() {
    everything_at(["BTC/USD:USDC@hyperliquid", "BTC/USDT@bybit"]);
}

#[test]
fn spot_and_contracts_of_two_wallets() {
    everything_at(["HYPE/USDC@hyperliquid", "HYPE/USD:USDC@hyperliquid"]);
}

//! What the account's owner does at the venue beside the engine: orders and fills by hand, while
//! the private stream is cut.

use crate::rig::{BINANCE, BYBIT, Rig};
use rust_decimal::Decimal;
use stoop::sim::{Fault, PlaceRequest, SimOrderType};
use stoop::types::{Side, TimeInForce, VenueId};

fn request(number: u64, side: Side, market: bool, price: u64) -> PlaceRequest {
    PlaceRequest {
        symbol: "BTCUSDT".to_owned(),
        client_id: format!("web_{number}"),
        side,
        order_type: if market { SimOrderType::Market } else { SimOrderType::Limit },
        time_in_force: TimeInForce::Gtc,
        price: Decimal::from(price),
        qty: "0.002".parse().unwrap(),
        reduce_only: false,
    }
}

/// A market order that fills and a bid far below the market, while nobody listens.
fn by_hand_while_the_stream_is_cut(venue: VenueId) {
    let rig = Rig::trading();
    rig.fault(venue, Fault::RefuseConnections(true));
    rig.fault(venue, Fault::CutConnections);
    rig.wait("it is gone", |rig| !rig.is_whole(venue));
    let filled = rig.by_hand(venue, request(1, Side::Sell, true, 0));
    let rests = rig.by_hand(venue, request(2, Side::Buy, false, 20_000));
    assert!(filled.filled > Decimal::ZERO, "{filled:?}");
    assert_eq!(rests.filled, Decimal::ZERO);
    rig.fault(venue, Fault::RefuseConnections(false));
    rig.wait("it comes back", |rig| rig.is_whole(venue));
    rig.wait("what was done by hand is known", |rig| {
        let c = rig.counters();
        c.fills_external >= 1 && c.orders_external == 1
    });
    let said = |what: &str| rig.log().iter().any(|line| line.contains(what));
    rig.wait("it is said", |_| {
        said("of no order of ours") && said("an order that is not ours is adopted")
    });
    rig.goes_on_trading();
    // With the stream in place the same is told at once.
    let before = rig.counters().fills_external;
    rig.by_hand(venue, request(3, Side::Buy, true, 0));
    rig.wait("a fill by hand is booked", |rig| rig.counters().fills_external > before);
    rig.goes_on_trading();
    assert_eq!(rig.counters().venues_halted, 0, "everything is explained");
    rig.finish_beside(3);
}

/// The engine is down while the owner sells, buys and leaves an order: the next run begins with what
/// the run before held, and finds all of it before it trades there.
#[test]
fn what_is_done_by_hand_between_two_runs_is_found_by_the_next() {
    let mut rig = Rig::trading();
    let mut done = 0;
    rig.restart(|rig| {
        for venue in [BINANCE, BYBIT] {
            for (side, market, price) in [
                (Side::Sell, true, 0),
                (Side::Buy, true, 0),
                (Side::Sell, true, 0),
                (Side::Buy, false, 20_000),
            ] {
                done += 1;
                rig.by_hand(venue, request(done, side, market, price));
            }
        }
    });
    rig.wait("it is there again", |rig| [BINANCE, BYBIT].iter().all(|venue| rig.is_whole(*venue)));
    rig.wait("what was done by hand is known", |rig| {
        let c = rig.counters();
        c.fills_external >= 6 && c.orders_external == 2
    });
    rig.goes_on_trading();
    assert_eq!(rig.counters().venues_halted, 0, "everything is explained");
    let said = |what: &str| rig.log().iter().filter(|line| line.contains(what)).count();
    assert!(said("of no order of ours") >= 6, "{:#?}", rig.log());
    rig.finish_beside(8);
}

#[test]
fn orders_and_fills_by_hand_on_binance_are_adopted_and_booked() {
    by_hand_while_the_stream_is_cut(BINANCE);
}

#[test]
fn orders_and_fills_by_hand_on_bybit_are_adopted_and_booked() {
    by_hand_while_the_stream_is_cut(BYBIT);
}

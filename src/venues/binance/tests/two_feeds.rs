//! A connector that is one of two for the same streams: it fetches what it is asked to, and nothing
//! else.

use super::super::market::MarketConnector;
use super::super::streams::Product;
use super::{BTC, ETH, MS, NOW, Rig, SECRET, Sent, fixture, setup};
use crate::types::{Channel, CommandKind, Event};
use crate::venues::VenueSetup;

const DELTA: &str = r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1795161255508,"s":"BTCUSDT","U":1,"u":2,"b":[],"a":[]}}"#;

/// Both channels open, both instruments subscribed and acknowledged, clock measured.
fn live() -> Rig {
    let setup = VenueSetup { feed_connections: 2, ..setup(SECRET, false) };
    let mut rig = Rig::new(Box::new(MarketConnector::new(&setup, Product::Spot)));
    rig.submit(CommandKind::Subscribe(BTC)).unwrap();
    rig.submit(CommandKind::Subscribe(ETH)).unwrap();
    rig.open(Channel::Rest);
    while let Some(request) = rig.requests().first() {
        let (id, body) = (request.id, format!(r#"{{"serverTime":{}}}"#, NOW.as_millis()));
        rig.response(id, 200, "", &body).unwrap();
    }
    rig.open(Channel::Public);
    rig.frame(Channel::Public, r#"{"result":null,"id":6}"#).unwrap();
    rig
}

fn snapshots(rig: &Rig) -> Vec<Sent> {
    rig.requests().into_iter().filter(|request| request.line.contains("/depth")).collect()
}

fn is_snapshot(event: &Event) -> bool {
    matches!(event, Event::Depth(_))
}

#[test]
fn snapshots_are_fetched_on_request_alone() {
    let mut rig = live();
    rig.frame(Channel::Public, DELTA).unwrap();
    assert!(snapshots(&rig).is_empty());
    rig.submit(CommandKind::Resync(BTC)).unwrap();
    let asked = snapshots(&rig);
    assert_eq!(asked.len(), 1);
    rig.submit(CommandKind::Resync(BTC)).unwrap();
    assert!(snapshots(&rig).is_empty(), "one is on its way");
    rig.response(asked[0].id, 200, "", fixture!("depth_snapshot")).unwrap();
    assert!(rig.events.list().iter().any(is_snapshot));
    // A cut of its own stream asks for nothing.
    rig.close(Channel::Public);
    rig.open(Channel::Public);
    rig.frame(Channel::Public, DELTA).unwrap();
    rig.pass(10_000 * MS);
    assert!(snapshots(&rig).is_empty());
}

#[test]
fn a_snapshot_for_the_other_stream_counts_though_ones_own_was_cut() {
    let mut rig = live();
    rig.submit(CommandKind::Resync(BTC)).unwrap();
    let id = snapshots(&rig)[0].id;
    rig.close(Channel::Public);
    rig.response(id, 200, "", fixture!("depth_snapshot")).unwrap();
    assert!(rig.events.list().iter().any(is_snapshot));
}

#[test]
fn a_failed_snapshot_is_fetched_again_and_one_without_a_way_is_forgotten() {
    let mut rig = live();
    rig.submit(CommandKind::Resync(BTC)).unwrap();
    let id = snapshots(&rig)[0].id;
    rig.lose(id);
    rig.pass(500 * MS);
    assert_eq!(snapshots(&rig).len(), 1, "though the stream has not delivered yet");
    rig.close(Channel::Rest);
    rig.open(Channel::Rest);
    rig.pass(10_000 * MS);
    assert!(snapshots(&rig).is_empty(), "whoever wants it asks again");
    rig.submit(CommandKind::Resync(BTC)).unwrap();
    assert_eq!(snapshots(&rig).len(), 1);
}

/// The feed's part is 2 000 of 6 000 a minute, a snapshot costs 50, and the other one has half.
#[test]
fn two_connectors_share_the_feeds_part_of_the_limit() {
    let mut rig = live();
    let mut fetched = 0;
    for _ in 0..40 {
        rig.submit(CommandKind::Resync(BTC)).unwrap();
        for request in snapshots(&rig) {
            fetched += 1;
            rig.response(request.id, 200, "", fixture!("depth_snapshot")).unwrap();
        }
        rig.pass(500 * MS);
    }
    assert_eq!(fetched, 19, "the clock took a unit of the first 50");
}

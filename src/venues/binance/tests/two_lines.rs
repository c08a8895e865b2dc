//! Two order connections: which takes what, and what the loss of one means.

use super::super::streams::Product;
use super::super::trading::TradingConnector;
use super::{NOW, PEM, Rig, SECRET, cancel, id_of, order, setup};
use crate::types::{
    Channel, ClientOrderId, CommandKind, Event, NewOrder, Readiness, ReportKind, ReportOrigin,
    TimeInForce, VenueNotice,
};
use crate::venues::{EncodeError, Output, VenueSetup};

const MS: u64 = 1_000_000;
const BOTH: [Channel; 2] = [Channel::Trade, Channel::TradeSpare];

/// The first frame on a channel.
fn frame_on(rig: &Rig, channel: Channel) -> Option<String> {
    rig.out.outputs().find_map(|output| match output {
        Output::Frame(at, bytes) if at == channel => {
            Some(String::from_utf8(bytes.to_vec()).unwrap())
        }
        _ => None,
    })
}

fn answer(rig: &mut Rig, channel: Channel, id: u64, result: &str) {
    let text = format!(r#"{{"id":{id},"status":200,"result":{result}}}"#);
    rig.frame(channel, &text).unwrap();
}

/// Answers what is asked on a channel until nothing is.
fn log_in(rig: &mut Rig, channel: Channel) {
    let mut told = rig.notices();
    let mut asked = rig.frames();
    while let Some(frame) = asked.pop() {
        let result = match frame.contains("\"time\"") {
            true => format!(r#"{{"serverTime":{}}}"#, rig.now.as_millis()),
            false => r#"{"subscriptionId":0}"#.to_owned(),
        };
        answer(rig, channel, id_of(&frame), &result);
        told.extend(rig.notices());
        asked.extend(rig.frames());
    }
    let ready = VenueNotice::Readiness(channel, Readiness::Ready);
    assert!(told.contains(&ready), "{told:?}");
}

fn two_lines(secret: &str) -> Rig {
    let setup = VenueSetup { order_connections: 2, ..setup(secret, false) };
    let mut rig = Rig::new(Box::new(TradingConnector::new(&setup, Product::Spot).unwrap()));
    for channel in BOTH {
        rig.open(channel);
        log_in(&mut rig, channel);
    }
    rig
}

/// Submits; on which channel it left, and its number.
fn submit(rig: &mut Rig, kind: CommandKind) -> (Channel, u64) {
    rig.submit(kind).unwrap();
    let left = BOTH.map(|channel| frame_on(rig, channel));
    match left {
        [Some(frame), None] => (Channel::Trade, id_of(&frame)),
        [None, Some(frame)] => (Channel::TradeSpare, id_of(&frame)),
        other => panic!("not one frame: {other:?}"),
    }
}

fn new(number: u64) -> CommandKind {
    let order = NewOrder { client_id: ClientOrderId(number), ..order(TimeInForce::Ioc) };
    CommandKind::New(order)
}

#[test]
fn the_loss_of_one_makes_only_what_waits_there_unknown() {
    for secret in [SECRET, PEM] {
        let mut rig = two_lines(secret);
        assert_eq!(submit(&mut rig, new(1)).0, Channel::Trade);
        // The first shows nothing for a while: a crowd there sends some the other way.
        let (mut here, mut there) = (vec![1], Vec::new());
        for number in 2..12 {
            match submit(&mut rig, new(number)).0 {
                Channel::Trade => here.push(number),
                _ => there.push(number),
            }
        }
        assert!(!there.is_empty());
        rig.close(Channel::Trade);
        let lost = rig.reports();
        assert!(lost.iter().all(
            |report| report.kind == ReportKind::Unknown && report.origin == ReportOrigin::Local
        ));
        let lost: Vec<u64> = lost.iter().map(|report| report.client_id.0).collect();
        assert_eq!(lost, here);
        assert_eq!(submit(&mut rig, new(50)).0, Channel::TradeSpare);
        assert_eq!(submit(&mut rig, CommandKind::Cancel(cancel(""))).0, Channel::TradeSpare);
        rig.close(Channel::TradeSpare);
        there.push(50);
        let mut lost: Vec<u64> = rig
            .reports()
            .iter()
            .map(|report| report.client_id.0)
            .filter(|id| *id != super::ORDER.0)
            .collect();
        lost.sort_unstable();
        assert_eq!(lost, there);
        assert_eq!(rig.submit(new(99)), Err(EncodeError::NotReady));
    }
}

#[test]
fn one_that_comes_back_logs_in_while_the_other_goes_on() {
    let mut rig = two_lines(SECRET);
    rig.close(Channel::Trade);
    assert_eq!(submit(&mut rig, new(1)).0, Channel::TradeSpare);
    let before = rig.now;
    rig.open(Channel::Trade);
    assert!(frame_on(&rig, Channel::Trade).unwrap().contains("userDataStream.subscribe.signature"));
    assert_eq!(rig.now, before, "no new measurement of the clock is waited for");
    log_in(&mut rig, Channel::Trade);
    assert_eq!(submit(&mut rig, new(2)).0, Channel::TradeSpare, "it was used and is no worse");
}

#[test]
fn a_reply_counts_only_on_the_connection_that_asked() {
    let mut rig = two_lines(SECRET);
    let (channel, id) = submit(&mut rig, new(1));
    assert_eq!(channel, Channel::Trade);
    let text = format!(r#"{{"id":{id},"status":400,"error":{{"code":-2010,"msg":"no"}}}}"#);
    assert!(rig.frame(Channel::TradeSpare, &text).is_err());
    assert!(rig.reports().is_empty());
    rig.frame(Channel::Trade, &text).unwrap();
    assert_eq!(rig.report().kind, ReportKind::Rejected);
}

#[test]
fn a_slow_connection_is_left_for_the_other() {
    let mut rig = two_lines(SECRET);
    let mut used = Vec::new();
    for number in 0..60 {
        let (channel, id) = submit(&mut rig, new(number + 1));
        used.push(channel);
        let slow = number >= 20 && channel == Channel::Trade;
        rig.now = rig.now.plus(if slow { 80 * MS } else { 2 * MS });
        let text = format!(r#"{{"id":{id},"status":400,"error":{{"code":-2010,"msg":"no"}}}}"#);
        rig.frame(channel, &text).unwrap();
        rig.now = rig.now.plus(50 * MS);
    }
    assert!(used[..20].iter().all(|channel| *channel == Channel::Trade));
    assert!(used[30..].iter().all(|channel| *channel == Channel::TradeSpare), "{used:?}");
    assert!(rig.connector.order_lines().lines[0].reply_ns > 10 * MS);
    assert!(rig.now > NOW);
}

/// Both tell of everything: the first to do so counts, and nothing is reported twice.
#[test]
fn what_both_connections_tell_is_reported_once() {
    let mut rig = two_lines(PEM);
    let event = |execution: u64, kind: &str| {
        format!(
            r#"{{"subscriptionId":0,"event":{{"e":"executionReport","E":1,"s":"BTCUSDT","c":"st0cb0a1b214000001","S":"BUY","o":"LIMIT","f":"GTC","q":"0.007","p":"61837.63","C":"","x":"{kind}","X":"{kind}","r":"NONE","i":9,"l":"0","z":"0","L":"0","n":"0","N":null,"T":1,"t":-1,"I":{execution},"m":false}}}}"#
        )
    };
    rig.frame(Channel::TradeSpare, &event(1, "NEW")).unwrap();
    assert_eq!(rig.report().kind, ReportKind::Accepted);
    rig.frame(Channel::Trade, &event(1, "NEW")).unwrap();
    assert!(rig.reports().is_empty(), "told already");
    rig.frame(Channel::Trade, &event(2, "CANCELED")).unwrap();
    assert_eq!(rig.report().kind, ReportKind::Canceled);
    rig.frame(Channel::TradeSpare, &event(2, "CANCELED")).unwrap();
    assert!(rig.reports().is_empty());
}

/// The slower connection may bring what is older than what the other told: it is taken, and so is
/// what it repeats from then on, so that the newest stays.
#[test]
fn balances_end_as_the_venue_told_them_last_whichever_connection_is_behind() {
    let mut rig = two_lines(PEM);
    let told = |rig: &mut Rig, channel: Channel, free: u64| {
        let event = format!(
            r#"{{"subscriptionId":0,"event":{{"e":"outboundAccountPosition","E":1,"u":1,"B":[{{"a":"BTC","f":"{free}.0","l":"0.0"}}]}}}}"#
        );
        rig.frame(channel, &event).unwrap();
        let free = |event: &Event| match event {
            Event::Balance(balance) => Some((balance.free.0 / 10i128.pow(18)) as u64),
            _ => None,
        };
        rig.events.list().iter().find_map(free)
    };
    let [fast, slow] = BOTH;
    assert_eq!(told(&mut rig, fast, 2), Some(2));
    assert_eq!(told(&mut rig, fast, 3), Some(3));
    assert_eq!(told(&mut rig, slow, 2), None, "a copy");
    assert_eq!(told(&mut rig, fast, 5), Some(5));
    // What the fast one never told: it was away.
    assert_eq!(told(&mut rig, slow, 1), Some(1));
    assert_eq!(told(&mut rig, slow, 3), Some(3), "the other's, but later than its own last");
    assert_eq!(told(&mut rig, slow, 5), Some(5));
    assert_eq!(told(&mut rig, fast, 6), Some(6));
    assert_eq!(told(&mut rig, slow, 6), None);
    // A reply that was on its way for long states what was before.
    assert_eq!(told(&mut rig, fast, 7), Some(7));
    rig.submit(CommandKind::Balances).unwrap();
    let asked = BOTH.into_iter().find_map(|at| Some((at, id_of(&frame_on(&rig, at)?))));
    let (channel, id) = asked.unwrap();
    answer(&mut rig, channel, id, r#"{"updateTime":1,"balances":[]}"#);
    let other = if channel == fast { slow } else { fast };
    if channel == slow {
        assert_eq!(told(&mut rig, channel, 7), Some(7));
    } else {
        assert_eq!(told(&mut rig, other, 7), None);
    }
}

/// With a session nothing is signed but the logon: orders carry no signature and no key.
#[test]
fn orders_of_a_session_are_not_signed() {
    let mut rig = two_lines(PEM);
    for kind in [new(1), CommandKind::Cancel(cancel("")), CommandKind::Cancel(cancel("77"))] {
        rig.submit(kind).unwrap();
        let frame = rig.sent();
        assert!(!frame.contains("signature") && !frame.contains("apiKey"), "{frame}");
    }
}

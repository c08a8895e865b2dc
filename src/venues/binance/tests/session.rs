//! The way to ready and back to it.

use super::{BTC, KEY, MS, NOW, PEM, Rig, SECRET, fixture, id_of, order};
use crate::types::{Channel, CommandKind, Readiness, TimeInForce, VenueNotice};
use crate::venues::EncodeError;

const JOINING: VenueNotice = VenueNotice::Readiness(Channel::Trade, Readiness::Joining);
const READY: VenueNotice = VenueNotice::Readiness(Channel::Trade, Readiness::Ready);
const DOWN: VenueNotice = VenueNotice::Readiness(Channel::Trade, Readiness::Down);

fn time() -> String {
    format!(r#"{{"serverTime":{}}}"#, NOW.as_millis())
}

/// Opens, answers the first clock probe, and returns the login that follows.
fn first_login(rig: &mut Rig) -> String {
    rig.open(Channel::Trade);
    assert_eq!(rig.notices(), [JOINING]);
    let probe = rig.sent();
    assert!(probe.contains("\"time\""));
    rig.reply(id_of(&probe), &time()).unwrap();
    let frames = rig.frames();
    assert_eq!(frames.len(), 2, "the next probe and the login: {frames:?}");
    frames[1].clone()
}

#[test]
fn private_keys_log_on_once_and_subscribe() {
    let mut rig = Rig::trading(PEM, false);
    assert_eq!(rig.connector.channels().len(), 1);
    assert_eq!(rig.connector.channels()[0].url, "wss://localhost:1/ws-api/v3");
    let new = CommandKind::New(order(TimeInForce::Ioc));
    assert_eq!(rig.submit(new), Err(EncodeError::NotReady));
    let logon = first_login(&mut rig);
    let id = id_of(&logon);
    let signer =
        super::super::auth::Signer::new(&crate::venues::Secret::new(PEM.into()), KEY).unwrap();
    let signature = signer.sign(format!("apiKey={KEY}&timestamp=1795161256000").as_bytes());
    let signature = std::str::from_utf8(signature.as_bytes()).unwrap();
    assert_eq!(
        logon,
        format!(
            r#"{{"id":{id},"method":"session.logon","params":{{"apiKey":"{KEY}","timestamp":1795161256000,"signature":"{signature}"}}}}"#
        )
    );
    assert_eq!(rig.submit(CommandKind::CancelAll(BTC)), Err(EncodeError::NotReady));
    rig.reply(id, &format!(r#"{{"apiKey":"{KEY}","authorizedSince":1,"connectedSince":1}}"#))
        .unwrap();
    let subscribe = rig.sent();
    let id = id_of(&subscribe);
    assert_eq!(subscribe, format!(r#"{{"id":{id},"method":"userDataStream.subscribe"}}"#));
    assert_eq!(rig.submit(new), Err(EncodeError::NotReady));
    assert_eq!(rig.submit(CommandKind::CancelAll(BTC)), Ok(()), "cancels need no events");
    rig.reply(id, r#"{"subscriptionId":0}"#).unwrap();
    assert_eq!(rig.notices(), [READY]);
    assert_eq!(rig.submit(new), Ok(()));
}

#[test]
fn shared_secrets_sign_the_subscription() {
    let mut rig = Rig::trading(SECRET, false);
    let subscribe = first_login(&mut rig);
    let id = id_of(&subscribe);
    assert_eq!(
        subscribe,
        format!(
            r#"{{"id":{id},"method":"userDataStream.subscribe.signature","params":{{"apiKey":"{KEY}","timestamp":1795161256000,"signature":"ce001528edf3238c35339886e54b71371b5c4380e33459ac759570862303aa57"}}}}"#
        )
    );
    rig.reply(id, r#"{"subscriptionId":0}"#).unwrap();
    assert_eq!(rig.notices(), [READY]);
}

#[test]
fn over_rest_both_channels_must_be_ready_for_orders() {
    let mut rig = Rig::trading(SECRET, true);
    let channels: Vec<_> = rig.connector.channels().iter().map(|spec| spec.channel).collect();
    assert_eq!(channels, [Channel::Trade, Channel::Rest]);
    rig.open(Channel::Trade);
    assert!(rig.out.is_empty(), "the clock is measured over REST");
    rig.open(Channel::Rest);
    let rest = |readiness| VenueNotice::Readiness(Channel::Rest, readiness);
    assert_eq!(rig.notices(), [rest(Readiness::Joining)]);
    let probe = &rig.requests()[0];
    assert_eq!((probe.line.as_str(), probe.headers.as_str()), ("GET /api/v3/time", ""));
    let id = probe.id;
    rig.response(id, 200, "", &time()).unwrap();
    assert!(rig.notices().contains(&rest(Readiness::Ready)));
    let subscribe = rig.sent();
    let new = CommandKind::New(order(TimeInForce::Ioc));
    assert_eq!(rig.submit(new), Err(EncodeError::NotReady), "its fills would be missed");
    assert_eq!(rig.submit(CommandKind::CancelAll(BTC)), Ok(()));
    rig.reply(id_of(&subscribe), r#"{"subscriptionId":0}"#).unwrap();
    assert_eq!(rig.submit(new), Ok(()));
    rig.close(Channel::Rest);
    assert!(rig.notices().contains(&rest(Readiness::Down)));
    assert_eq!(rig.submit(new), Err(EncodeError::NotReady));
    rig.pass(600_000 * MS);
    assert!(rig.out.is_empty());
}

#[test]
fn a_refused_key_is_final() {
    for code in [-1022, -2014, -2015] {
        let mut rig = Rig::trading(SECRET, false);
        let login = first_login(&mut rig);
        rig.refuse(id_of(&login), 400, code, "no").unwrap();
        assert_eq!(rig.notices(), [VenueNotice::LoginRefused(Channel::Trade, code), DOWN]);
        rig.pass(3_600_000 * MS);
        assert!(rig.out.is_empty());
        rig.close(Channel::Trade);
        rig.open(Channel::Trade);
        assert!(rig.out.is_empty() && rig.events.list().is_empty());
        let cancel = CommandKind::CancelAll(BTC);
        assert_eq!(rig.submit(cancel), Err(EncodeError::NotReady));
    }
}

#[test]
fn a_revoked_key_stops_trading() {
    let mut rig = Rig::ready(PEM, false);
    rig.frame(Channel::Trade, fixture!("key_revoked")).unwrap();
    assert_eq!(rig.notices(), [VenueNotice::LoginRefused(Channel::Trade, -2015), DOWN]);
    let new = CommandKind::New(order(TimeInForce::Ioc));
    assert_eq!(rig.submit(new), Err(EncodeError::NotReady));
}

#[test]
fn other_login_failures_are_repeated_with_growing_pauses() {
    let mut rig = Rig::trading(SECRET, false);
    let mut login = first_login(&mut rig);
    let probe = id_of(&rig.frames()[0]);
    for wait_ms in [1_000, 2_000, 4_000] {
        rig.refuse(id_of(&login), 500, -1000, "An unknown error occurred").unwrap();
        assert_eq!(rig.notices(), [VenueNotice::RequestFailed(-1000)]);
        rig.clear();
        let _ = rig.reply(probe, &time());
        rig.pass((wait_ms - 1) * MS);
        assert!(!rig.frames().iter().any(|frame| frame.contains("userDataStream")));
        rig.pass(MS);
        let frames = rig.frames();
        login = frames.iter().find(|frame| frame.contains("userDataStream")).unwrap().clone();
    }
    rig.refuse(id_of(&login), 400, -2035, "Already subscribed").unwrap();
    assert!(rig.notices().contains(&READY), "being subscribed already is as good");
}

#[test]
fn a_login_without_reply_is_tried_on_a_new_connection() {
    let mut rig = Rig::trading(PEM, false);
    let login = first_login(&mut rig);
    assert!(login.contains("session.logon"));
    rig.pass(2_000 * MS);
    assert_eq!(rig.reconnects(), [Channel::Trade]);
    rig.close(Channel::Trade);
    rig.open(Channel::Trade);
    let frames = rig.frames();
    assert!(frames.iter().any(|frame| frame.contains("session.logon")), "the clock is known");
}

#[test]
fn a_timestamp_refused_at_login_waits_for_the_clock() {
    let mut rig = Rig::trading(PEM, false);
    let login = first_login(&mut rig);
    let probe = id_of(&rig.frames()[0]);
    rig.refuse(id_of(&login), 400, -1021, "Timestamp for this request is outside").unwrap();
    rig.reply(probe, r#"{"serverTime":1795161250000}"#).unwrap();
    let offset = VenueNotice::ClockOffset { offset_ns: -6_000_000_000, round_trip_ns: 0 };
    assert_eq!(rig.notices(), [offset]);
    rig.pass(1_000 * MS);
    let frames = rig.frames();
    let login = frames.iter().find(|frame| frame.contains("session.logon")).unwrap();
    assert!(login.contains("\"timestamp\":1795161251000"), "{login}");
}

#[test]
fn a_terminated_stream_is_subscribed_anew() {
    let mut rig = Rig::ready(SECRET, false);
    rig.frame(Channel::Trade, fixture!("event_stream_terminated")).unwrap();
    assert_eq!(rig.notices(), [JOINING]);
    let subscribe = rig.sent();
    assert!(subscribe.contains("userDataStream.subscribe.signature"));
    let new = CommandKind::New(order(TimeInForce::Ioc));
    assert_eq!(rig.submit(new), Err(EncodeError::NotReady));
    rig.reply(id_of(&subscribe), r#"{"subscriptionId":1}"#).unwrap();
    assert_eq!(rig.notices(), [READY]);
}

#[test]
fn an_announced_shutdown_waits_for_what_is_in_flight() {
    let mut rig = Rig::ready(PEM, false);
    rig.submit(CommandKind::New(order(TimeInForce::Ioc))).unwrap();
    let id = id_of(&rig.sent());
    rig.frame(Channel::Trade, fixture!("trade_server_shutdown")).unwrap();
    assert_eq!(rig.notices(), [VenueNotice::ShutdownAnnounced(Channel::Trade), JOINING]);
    assert!(rig.reconnects().is_empty());
    let new = CommandKind::New(order(TimeInForce::Ioc));
    assert_eq!(rig.submit(new), Err(EncodeError::NotReady));
    rig.reply(id, fixture!("result_order_ack")).unwrap();
    assert_eq!(rig.reconnects(), [Channel::Trade]);
    rig.close(Channel::Trade);
    rig.open(Channel::Trade);
    assert!(rig.frames().iter().any(|frame| frame.contains("session.logon")));
    // With nothing in flight the connection is replaced at once.
    let mut rig = Rig::ready(PEM, false);
    rig.frame(Channel::Trade, fixture!("trade_server_shutdown")).unwrap();
    assert_eq!(rig.reconnects(), [Channel::Trade]);
}

#[test]
fn reopening_logs_on_again() {
    let mut rig = Rig::ready(PEM, false);
    rig.close(Channel::Trade);
    assert_eq!(rig.notices(), [DOWN]);
    rig.pass(600_000 * MS);
    assert!(rig.out.is_empty());
    rig.open(Channel::Trade);
    let frames = rig.frames();
    let logon = frames.iter().find(|frame| frame.contains("session.logon")).unwrap();
    rig.reply(id_of(logon), "{}").unwrap();
    let frames = rig.frames();
    let subscribe = frames.iter().find(|frame| frame.contains("userDataStream")).unwrap();
    rig.reply(id_of(subscribe), r#"{"subscriptionId":0}"#).unwrap();
    assert!(rig.notices().contains(&READY));
}

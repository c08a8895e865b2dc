//! Logins, subscription, heartbeat and drain of the trading connector.

use super::*;
use crate::types::{RejectReason, ReportKind};

const LOGIN_ARGS: &str = r#"["test_api_key",1700000010000,"f01084fb6f298f64707f648000637356f4fc4cd484f1eeb04a6e79ae44339d71"]"#;

fn known_clock() -> Bench {
    let mut bench = Bench::trading();
    bench.open(Channel::Rest);
    bench.answer(START.0, "rest_time").unwrap();
    bench.sent();
    bench.take();
    bench
}

#[test]
fn channels_are_trade_private_and_rest() {
    let bench = Bench::trading();
    let urls: Vec<_> = bench.connector.channels().iter().map(|spec| spec.url.as_str()).collect();
    assert_eq!(
        urls,
        [
            "wss://localhost:9443/v5/trade",
            "wss://localhost:9443/v5/private",
            "https://localhost:9443"
        ]
    );
}

/// A login carries a time, so it waits for the venue's clock.
#[test]
fn logins_wait_for_the_clock_and_expire_in_ten_seconds() {
    let mut bench = Bench::trading();
    bench.open(Channel::Trade);
    bench.open(Channel::Private);
    assert_eq!(bench.sent(), [""; 0]);
    bench.open(Channel::Rest);
    let probe = bench.sent_one();
    assert_eq!(probe, format!("{} GET /v5/market/time\n", START.0));
    let joining = [Channel::Trade, Channel::Private, Channel::Rest];
    assert_eq!(bench.notices(), joining.map(|channel| readiness(channel, Readiness::Joining)));
    bench.answer(START.0, "rest_time").unwrap();
    assert_eq!(
        bench.notices(),
        [
            VenueNotice::ClockOffset { offset_ns: 0, round_trip_ns: 0 },
            readiness(Channel::Rest, Readiness::Ready)
        ]
    );
    assert_eq!(
        bench.sent(),
        [
            format!(r#"Trade {{"reqId":"login","op":"auth","args":{LOGIN_ARGS}}}"#),
            format!(r#"Private {{"req_id":"login","op":"auth","args":{LOGIN_ARGS}}}"#),
        ]
    );
    let new = CommandKind::New(limit_order(1, Side::Buy, 100, 1));
    assert_eq!(bench.submit(new), Err(EncodeError::NotReady));
    bench.frame(Channel::Trade, "ws_auth_trade_ok").unwrap();
    assert_eq!(bench.notices(), [readiness(Channel::Trade, Readiness::Ready)]);
    assert_eq!(bench.submit(new), Ok(()));
    bench.sent();

    bench.frame(Channel::Private, "ws_auth_private_ok").unwrap();
    assert_eq!(bench.notices(), []);
    assert_eq!(
        bench.sent_one(),
        r#"Private {"req_id":"streams","op":"subscribe","args":["order","execution","wallet"]}"#
    );
    // Data may come before the acknowledgement and is not held back.
    bench.frame(Channel::Private, "ws_order_new").unwrap();
    assert_eq!(bench.report().kind, ReportKind::Accepted);
    bench.frame(Channel::Private, "ws_subscribe_private_ok").unwrap();
    assert_eq!(bench.notices(), [readiness(Channel::Private, Readiness::Ready)]);
}

#[test]
fn a_refused_key_is_final() {
    let mut bench = known_clock();
    bench.open(Channel::Trade);
    bench.sent();
    bench.take();
    bench.frame(Channel::Trade, "ws_auth_trade_bad_signature").unwrap();
    assert_eq!(bench.notices(), [VenueNotice::LoginRefused(Channel::Trade, 10004)]);
    bench.close(Channel::Trade);
    bench.open(Channel::Trade);
    assert_eq!(bench.sent(), [""; 0]);
}

/// A login that expired on the way may be a clock's fault: measured anew and tried again, from the
/// second time on after a pause.
#[test]
fn an_expired_login_is_tried_again_with_a_new_clock() {
    let mut bench = known_clock();
    bench.pass(2000);
    bench.open(Channel::Private);
    bench.sent();
    bench.take();
    bench.frame(Channel::Private, "ws_auth_private_params").unwrap();
    assert_eq!(bench.sent_one(), "reconnect Private");
    bench.close(Channel::Private);
    bench.open(Channel::Private);
    let sent = bench.sent();
    assert!(sent.iter().any(|line| line.contains("GET /v5/market/time")), "{sent:?}");
    assert!(sent.iter().any(|line| line.contains(r#""op":"auth""#)), "{sent:?}");
    bench.take();
    bench.frame(Channel::Private, "ws_auth_private_params").unwrap();
    assert_eq!(bench.notices(), [VenueNotice::RequestFailed(10001)]);
    bench.sent();
    bench.pass(999);
    let reconnects = |lines: &[String]| lines.iter().any(|line| line == "reconnect Private");
    assert!(!reconnects(&bench.sent()));
    bench.pass(1);
    assert!(reconnects(&bench.sent()));
}

#[test]
fn being_logged_in_already_is_a_login() {
    let mut bench = known_clock();
    bench.open(Channel::Trade);
    bench.take();
    let again = fixture("ws_auth_trade_ok").replace(r#""retCode":0"#, r#""retCode":20001"#);
    bench.text(Channel::Trade, &again).unwrap();
    assert_eq!(bench.notices(), [readiness(Channel::Trade, Readiness::Ready)]);
}

#[test]
fn silence_after_a_login_or_a_subscription_opens_the_socket_anew() {
    let mut bench = known_clock();
    bench.open(Channel::Trade);
    bench.sent();
    bench.pass(1000);
    assert_eq!(bench.sent_one(), "reconnect Trade");
    bench.open(Channel::Private);
    bench.frame(Channel::Private, "ws_auth_private_ok").unwrap();
    bench.take();
    bench.sent();
    let refused = fixture("ws_subscribe_private_ok").replace("true", "false");
    bench.text(Channel::Private, &refused).unwrap();
    assert_eq!(bench.notices(), [VenueNotice::RequestFailed(10001)]);
    bench.pass(1000);
    assert_eq!(bench.sent_one(), "reconnect Private");
}

#[test]
fn both_sockets_are_pinged_and_replaced_when_silent() {
    let mut bench = Bench::logged_in();
    bench.pass(20_000);
    let pings: Vec<_> = bench.sent().into_iter().filter(|line| line.contains("ping")).collect();
    assert_eq!(pings, [r#"Trade {"op":"ping"}"#, r#"Private {"op":"ping"}"#]);
    bench.frame(Channel::Private, "ws_pong_private").unwrap();
    bench.frame(Channel::Trade, "ws_pong_trade").unwrap();
    bench.take();
    bench.pass(20_000);
    bench.frame(Channel::Private, "ws_pong_private").unwrap();
    bench.sent();
    bench.pass(20_000);
    let sent: Vec<_> = bench.sent().into_iter().filter(|line| !line.contains("GET")).collect();
    assert_eq!(sent, ["reconnect Trade", r#"Private {"op":"ping"}"#]);
}

/// The venue restarts the trade socket: open requests complete, then it is replaced.
#[test]
fn a_restarting_trade_socket_is_drained_and_replaced() {
    let mut bench = Bench::logged_in();
    for id in [1, 2] {
        bench.submit(CommandKind::New(limit_order(id, Side::Buy, 100, 1))).unwrap();
    }
    bench.sent();
    let reply = |id: u64, code: i32| {
        format!(r#"{{"reqId":"{id}","retCode":{code},"op":"order.create","data":{{}}}}"#)
    };
    bench.text(Channel::Trade, &reply(START.0 + 2, 10019)).unwrap();
    let events = bench.take();
    assert_eq!(
        events[..2],
        [
            Event::Notice(VenueNotice::ShutdownAnnounced(Channel::Trade)),
            Event::Notice(readiness(Channel::Trade, Readiness::Joining))
        ]
    );
    let Event::Report(refused) = events[2] else { panic!("{events:?}") };
    assert_eq!((refused.kind, refused.venue_code), (ReportKind::Rejected, 10019));
    let new = CommandKind::New(limit_order(3, Side::Buy, 100, 1));
    assert_eq!(bench.submit(new), Err(EncodeError::NotReady));
    assert_eq!(bench.sent(), [""; 0]);
    bench.text(Channel::Trade, &reply(START.0 + 1, 0)).unwrap();
    assert_eq!(bench.report().kind, ReportKind::Accepted);
    assert_eq!(bench.sent_one(), "reconnect Trade");
    bench.close(Channel::Trade);
    assert_eq!(bench.take(), [Event::Notice(readiness(Channel::Trade, Readiness::Down))]);
    bench.open(Channel::Trade);
    bench.frame(Channel::Trade, "ws_auth_trade_ok").unwrap();
    assert_eq!(bench.submit(new), Ok(()));
}

#[test]
fn a_drain_does_not_wait_for_ever() {
    let mut given = setup();
    given.reply_timeout_ms = 10_000;
    let mut bench = Bench::over((ROW.trading)(given).unwrap());
    bench.open(Channel::Rest);
    bench.answer(START.0, "rest_time").unwrap();
    bench.open(Channel::Trade);
    bench.frame(Channel::Trade, "ws_auth_trade_ok").unwrap();
    bench.submit(CommandKind::New(limit_order(1, Side::Buy, 100, 1))).unwrap();
    bench.sent();
    bench.take();
    bench.text(Channel::Trade, r#"{"retCode":10019,"retMsg":"restarting","op":""}"#).unwrap();
    bench.pass(1999);
    assert_eq!(bench.sent(), [""; 0]);
    bench.pass(1);
    assert_eq!(bench.sent_one(), "reconnect Trade");
    bench.close(Channel::Trade);
    assert_eq!(bench.report().kind, ReportKind::Unknown);
}

#[test]
fn a_refused_key_on_an_order_is_an_alarm() {
    let mut bench = Bench::logged_in();
    bench.submit(CommandKind::New(limit_order(1, Side::Buy, 100, 1))).unwrap();
    let reply =
        format!(r#"{{"reqId":"{}","retCode":10005,"op":"order.create","data":{{}}}}"#, START.0 + 1);
    bench.text(Channel::Trade, &reply).unwrap();
    let events = bench.take();
    assert_eq!(events[0], Event::Notice(VenueNotice::LoginRefused(Channel::Trade, 10005)));
    let Event::Report(report) = events[1] else { panic!("{events:?}") };
    assert_eq!(report.reason, RejectReason::Unauthorized);
}

#[test]
fn unknown_frames_are_refused_by_name() {
    let mut bench = Bench::logged_in();
    for (channel, text, expected) in [
        (Channel::Trade, r#"{"op":"order.create"}"#, DecodeError::Missing("retCode")),
        (Channel::Trade, r#"{"retCode":0,"op":"order.create"}"#, DecodeError::UnknownRequest),
        (
            Channel::Trade,
            r#"{"reqId":"77","retCode":10001,"op":"order.create"}"#,
            DecodeError::UnknownRequest,
        ),
        (
            Channel::Trade,
            r#"{"reqId":"by-hand","retCode":10001,"op":"order.create"}"#,
            DecodeError::UnknownRequest,
        ),
        (Channel::Trade, r#"{"retCode":"0","op":"auth"}"#, DecodeError::Invalid("retCode")),
        (Channel::Trade, "{", DecodeError::Json),
        (Channel::Private, r#"{"op":"auth"}"#, DecodeError::UnknownKind),
        (Channel::Private, r#"{"topic":"greeks","data":[{}]}"#, DecodeError::UnknownKind),
        (
            Channel::Private,
            r#"{"topic":"order.inverse","data":[]}"#,
            DecodeError::Invalid("category"),
        ),
        (Channel::Private, r#"{"topic":"order"}"#, DecodeError::Missing("data")),
        (Channel::Private, r#"{"topic":"order","data":{}}"#, DecodeError::Invalid("data")),
        (Channel::Public, r#"{"topic":"order","data":[]}"#, DecodeError::UnknownKind),
    ] {
        assert_eq!(bench.text(channel, text), Err(expected), "{text}");
        assert_eq!(bench.take(), [], "{text}");
    }
}

#[test]
fn trading_needs_usable_credentials() {
    let refuse = |credentials| (ROW.trading)(VenueSetup { credentials, ..setup() }).err();
    assert_eq!(refuse(None), Some(super::super::super::SetupError::NoCredentials));
    let pem = Credentials::new(
        "key".to_owned(),
        Secret::new("-----BEGIN PRIVATE KEY-----\nMII".to_owned()),
    );
    assert!(matches!(refuse(Some(pem)), Some(super::super::super::SetupError::BadSecret(_))));
}

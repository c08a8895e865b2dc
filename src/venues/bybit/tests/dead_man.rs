//! The dead-man switch: subscribed apart, armed once that is taken, armed again on every new socket.

use super::*;

fn bench() -> Bench {
    let setup = VenueSetup { dead_man_switch_s: Some(60), ..setup() };
    let mut bench = Bench::over((ROW.trading)(setup).unwrap());
    bench.open(Channel::Rest);
    bench.answer(START.0, "rest_time").unwrap();
    bench.open(Channel::Trade);
    bench.open(Channel::Private);
    bench.frame(Channel::Trade, "ws_auth_trade_ok").unwrap();
    bench.frame(Channel::Private, "ws_auth_private_ok").unwrap();
    bench.sent();
    bench.take();
    bench
}

const TAKEN: &str =
    r#"{"success":true,"ret_msg":"","op":"subscribe","req_id":"dcp","conn_id":"c"}"#;
const REFUSED: &str =
    r#"{"success":false,"ret_msg":"no permission","op":"subscribe","req_id":"dcp","conn_id":"c"}"#;
const DONE: &str = r#"{"retCode":0,"retMsg":"success"}"#;

/// Up to the request that arms it; its number.
fn arming(bench: &mut Bench) -> u64 {
    bench.frame(Channel::Private, "ws_subscribe_private_ok").unwrap();
    let wanted = r#"Private {"req_id":"dcp","op":"subscribe","args":["dcp.spot"]}"#;
    assert_eq!(bench.sent_one(), wanted);
    assert_eq!(bench.notices(), [readiness(Channel::Private, Readiness::Ready)]);
    bench.text(Channel::Private, TAKEN).unwrap();
    bench.pass(0);
    let sent = bench.sent_one();
    assert!(sent.contains("POST /v5/order/disconnected-cancel-all\n"), "{sent}");
    assert!(sent.ends_with(r#"{"product":"SPOT","timeWindow":60}"#), "{sent}");
    sent.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn it_is_armed_and_told_once_and_refreshed() {
    let mut bench = bench();
    let id = arming(&mut bench);
    bench.reply(id, 200, "HTTP/1.1 200 OK\r\n", DONE).unwrap();
    assert_eq!(bench.notices(), [VenueNotice::DeadManArmed(60)]);
    bench.sent();
    let mut refreshes = 0;
    for _ in 0..61 {
        bench.frame(Channel::Trade, "ws_auth_trade_ok").unwrap();
        bench.text(Channel::Private, r#"{"op":"pong"}"#).unwrap();
        bench.pass(10_000);
        for sent in bench.sent() {
            if sent.contains("disconnected-cancel-all") {
                refreshes += 1;
                let id = sent.split(' ').next().unwrap().parse().unwrap();
                bench.reply(id, 200, "HTTP/1.1 200 OK\r\n", DONE).unwrap();
            }
        }
    }
    assert_eq!(refreshes, 1, "every ten minutes");
    assert!(!bench.notices().contains(&VenueNotice::DeadManArmed(60)), "no news");
}

#[test]
fn a_refusal_is_told_and_asked_again_and_orders_do_not_wait_for_it() {
    let mut bench = bench();
    let id = arming(&mut bench);
    bench.reply(id, 200, "HTTP/1.1 200 OK\r\n", r#"{"retCode":10005,"retMsg":"x"}"#).unwrap();
    assert_eq!(bench.notices(), [VenueNotice::DeadManFailed(10005)], "its key is in order");
    bench.sent();
    bench.pass(59_000);
    assert!(!bench.sent().iter().any(|sent| sent.contains("disconnected-cancel-all")));
    bench.pass(2_000);
    assert!(bench.sent().iter().any(|sent| sent.contains("disconnected-cancel-all")));
}

#[test]
fn an_account_that_may_not_have_it_gets_its_orders_all_the_same() {
    let mut bench = bench();
    bench.frame(Channel::Private, "ws_subscribe_private_ok").unwrap();
    assert_eq!(bench.notices(), [readiness(Channel::Private, Readiness::Ready)]);
    bench.text(Channel::Private, REFUSED).unwrap();
    assert!(matches!(bench.notices()[..], [VenueNotice::DeadManFailed(_)]));
    bench.sent();
    bench.pass(1_000);
    assert!(!bench.sent().iter().any(|sent| sent.contains("disconnected-cancel-all")));
}

/// The venue's own examples of the private socket's answers say nothing of the request.
#[test]
fn an_answer_that_does_not_say_what_was_asked_arms_it_too() {
    let plain = |text: &str| text.replace(r#","req_id":"dcp""#, "");
    let mut bench = bench();
    bench.frame(Channel::Private, "ws_subscribe_private_ok").unwrap();
    bench.sent();
    bench.text(Channel::Private, &plain(TAKEN)).unwrap();
    bench.pass(0);
    assert!(bench.sent_one().contains("POST /v5/order/disconnected-cancel-all\n"));
    let mut bench = self::bench();
    bench.frame(Channel::Private, "ws_subscribe_private_ok").unwrap();
    bench.take();
    bench.text(Channel::Private, &plain(REFUSED)).unwrap();
    assert_eq!(bench.notices(), [VenueNotice::DeadManFailed(10001)]);
}

#[test]
fn a_new_socket_arms_it_anew() {
    let mut bench = bench();
    let id = arming(&mut bench);
    bench.reply(id, 200, "HTTP/1.1 200 OK\r\n", DONE).unwrap();
    bench.close(Channel::Private);
    bench.open(Channel::Private);
    bench.frame(Channel::Private, "ws_auth_private_ok").unwrap();
    bench.sent();
    bench.take();
    let id = arming(&mut bench);
    bench.reply(id, 200, "HTTP/1.1 200 OK\r\n", DONE).unwrap();
    assert_eq!(bench.notices(), [VenueNotice::DeadManArmed(60)]);
}

#[test]
fn without_the_switch_nothing_is_asked_and_its_topic_is_no_error() {
    let mut bench = Bench::logged_in();
    bench.pass(1_000);
    assert!(!bench.sent().iter().any(|sent| sent.contains("dcp")));
    let told = r#"{"topic":"dcp.spot","id":"1","creationTime":1700000000000,"data":[{"x":"y"}]}"#;
    assert_eq!(bench.text(Channel::Private, told), Ok(()));
}

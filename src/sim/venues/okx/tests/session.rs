//! Sockets: login, subscriptions, what is refused, how long a silent one lives.

use super::*;

fn refused(text: &str) -> (String, String) {
    let message = json(text);
    assert_eq!(message["event"], "error", "{message}");
    let [code, msg] = texts(&message, ["code", "msg"]);
    (code, msg)
}

#[test]
fn pings_are_plain_text() {
    let mut rig = Rig::new();
    assert_eq!(rig.ask(PUBLIC, "ping"), "pong");
    assert_eq!(rig.ask(PRIVATE, "ping"), "pong");
}

#[test]
fn a_login_is_acknowledged_and_a_bad_one_closes() {
    let mut rig = Rig::new();
    let ack = rig.login(PRIVATE);
    assert_eq!(ack, r#"{"event":"login","code":"0","msg":"","connId":"3c6ef362"}"#);
    let good = rig.login_text();
    let cases = [
        (good.replace("test_api_key", "nobody"), "60005", "Invalid OK-ACCESS-KEY"),
        (good.replace("Simulated-1", "simulated-1"), "60024", "Wrong passphrase"),
        (good.replace("1700000000", "1699999999"), "60007", "Invalid sign"),
        (good.replace("1700000000", "1699999969"), "60006", "Timestamp request expired"),
        (good.replace("1700000000", "1700000031"), "60006", "Timestamp request expired"),
        (good.replace("1700000000", "2023-11-14T22:13:20.000Z"), "60004", "Invalid timestamp"),
        (r#"{"op":"login","args":[7]}"#.to_owned(), "60004", "Invalid timestamp"),
    ];
    for (text, code, msg) in cases {
        let answers = rig.say(TRADE, &text);
        assert_eq!(answers.len(), 2, "{answers:?}");
        assert_eq!(refused(&answers[0]), (code.to_owned(), msg.to_owned()));
        assert_eq!(answers[1], r#"Close(4001, "Login failed")"#);
    }
    // The venue's own client sends the time as a number.
    let number = good.replace("\"1700000000\"", "1700000000");
    assert_eq!(json(&rig.say(TRADE, &number)[0])["event"], "login");
    rig.now += 30_000;
    assert_eq!(json(&rig.say(TRADE, &good)[0])["event"], "login", "30 s are allowed");
    rig.now += 1;
    assert_eq!(refused(&rig.say(TRADE, &good)[0]).0, "60006");
}

#[test]
fn subscriptions_are_acknowledged_one_by_one_with_the_requests_id() {
    let mut rig = Rig::with_book();
    let text = r#"{"id":"a1","op":"subscribe","args":[{"channel":"trades","instId":"BTC-USDT"},{"channel":"nonsense","instId":"BTC-USDT"},{"channel":"instruments","instType":"SWAP"}]}"#;
    let answers = rig.say(PUBLIC, text);
    assert_eq!(
        answers[0],
        r#"{"id":"a1","event":"subscribe","arg":{"channel":"trades","instId":"BTC-USDT"},"connId":"9e3779b1"}"#
    );
    let text = "Wrong URL or channel:nonsense,instId:BTC-USDT doesn't exist. Please use the \
                correct URL, channel and parameters referring to API document.";
    assert_eq!(refused(&answers[1]), ("60018".to_owned(), text.to_owned()));
    assert_eq!(
        answers[2],
        r#"{"id":"a1","event":"subscribe","arg":{"channel":"instruments","instType":"SWAP"},"connId":"9e3779b1"}"#
    );
}

#[test]
fn data_may_come_before_the_acknowledgement() {
    let mut rig = Rig::with_book();
    let first = rig.subscribe(PUBLIC, r#"{"channel":"books5","instId":"BTC-USDT"}"#);
    assert!(first[0].contains("\"event\"") && first[1].contains("\"data\""), "{first:?}");
    let second = rig.subscribe(PUBLIC, r#"{"channel":"books","instId":"BTC-USDT"}"#);
    assert!(second[0].contains("\"data\"") && second[1].contains("\"event\""), "{second:?}");
}

#[test]
fn what_is_malformed_or_at_the_wrong_address_is_refused() {
    let mut rig = Rig::new();
    rig.open(ConnId(9), "/ws/v5/business").unwrap();
    for text in [
        "not json",
        "{}",
        r#"{"op":"fly","args":[{"channel":"trades"}]}"#,
        r#"{"op":"subscribe"}"#,
        r#"{"op":"subscribe","args":[]}"#,
        r#"{"id":"a-b","op":"subscribe","args":[{"channel":"trades","instId":"BTC-USDT"}]}"#,
        r#"{"id":"","op":"subscribe","args":[{"channel":"trades","instId":"BTC-USDT"}]}"#,
    ] {
        let answer = rig.ask(PUBLIC, text);
        assert_eq!(refused(&answer), ("60012".to_owned(), format!("Invalid request: {text}")));
    }
    let mut code = |conn, arg: &str| {
        let answers = rig.subscribe(conn, arg);
        refused(&answers[0]).0
    };
    for (conn, arg, expected) in [
        (PUBLIC, r#"{"channel":"trades","instId":"XYZ-USDT"}"#, "60018"),
        (PUBLIC, r#"{"channel":"trades-all","instId":"BTC-USDT"}"#, "60018"),
        (PUBLIC, r#"{"channel":"candle1m","instId":"BTC-USDT"}"#, "60018"),
        (PUBLIC, r#"{"channel":"funding-rate","instId":"BTC-USDT"}"#, "60018"),
        (PUBLIC, r#"{"channel":"instruments","instType":"STOCKS"}"#, "60018"),
        (PUBLIC, r#"{"channel":"orders","instType":"ANY"}"#, "60018"),
        (PRIVATE, r#"{"channel":"books","instId":"BTC-USDT"}"#, "60018"),
        (ConnId(9), r#"{"channel":"trades","instId":"BTC-USDT"}"#, "60018"),
        (PRIVATE, r#"{"channel":"orders","instType":"ANY"}"#, "60011"),
        (PUBLIC, r#"{"channel":"books-l2-tbt","instId":"BTC-USDT"}"#, "60011"),
    ] {
        assert_eq!(code(conn, arg), expected, "{arg}");
    }
    rig.login(PUBLIC);
    rig.login(PRIVATE);
    let mut code = |conn, arg: &str| {
        let answers = rig.subscribe(conn, arg);
        refused(&answers[0]).0
    };
    assert_eq!(code(PUBLIC, r#"{"channel":"books50-l2-tbt","instId":"BTC-USDT"}"#), "64003");
    assert_eq!(code(PRIVATE, r#"{"channel":"fills"}"#), "64003");
    assert_eq!(code(PRIVATE, r#"{"channel":"orders"}"#), "60018", "the type must be named");
    assert_eq!(code(PRIVATE, r#"{"channel":"account","extraParams":"0"}"#), "60012");
    assert_eq!(rig.open(ConnId(10), "/ws/v5/other"), Err(404));
}

#[test]
fn a_request_of_more_than_64_kb_closes() {
    let mut rig = Rig::new();
    let long = format!(r#"{{"op":"subscribe","args":[{{"channel":"{}"}}]}}"#, "x".repeat(65_536));
    let answer = rig.ask(PUBLIC, &long);
    assert_eq!(answer, r#"Close(1009, "Request message exceeds 64KB")"#);
}

#[test]
fn a_socket_that_asks_for_nothing_or_hears_nothing_is_closed() {
    let mut rig = Rig::with_book();
    rig.subscribe(PUBLIC, r#"{"channel":"instruments","instType":"SPOT"}"#);
    rig.login(TRADE);
    rig.pass(29_000);
    assert_eq!(rig.taken(), []);
    // Pongs are data: they keep the quiet channel and the order entry, not the socket without use.
    for conn in [PUBLIC, PRIVATE, TRADE] {
        assert_eq!(rig.ask(conn, "ping"), "pong");
    }
    rig.pass(1_000);
    let unused = r#"Close(4004, "No subscription within 30s")"#.to_owned();
    assert_eq!(rig.taken(), [(PRIVATE, unused)]);
    rig.pass(28_999);
    assert_eq!(rig.taken(), []);
    rig.pass(1);
    let quiet = r#"Close(4004, "No data received in 30s.")"#.to_owned();
    assert_eq!(rig.taken(), [(PUBLIC, quiet.clone()), (TRADE, quiet)]);
    rig.pass(1_000);
    assert_eq!(rig.taken(), [], "once");
}

#[test]
fn a_socket_has_480_requests_an_hour() {
    let mut rig = Rig::new();
    let text = r#"{"op":"subscribe","args":[{"channel":"trades","instId":"BTC-USDT"}]}"#;
    for _ in 0..480 {
        rig.ask(PUBLIC, text);
    }
    assert_eq!(refused(&rig.ask(PUBLIC, text)).0, "60014");
    rig.now += 3_600_000;
    assert_eq!(json(&rig.ask(PUBLIC, text))["event"], "subscribe");
}

#[test]
fn only_so_many_sockets_are_opened_a_second() {
    let limits = OkxLimits::venue();
    let mut rig = Rig::with(OkxOptions { limits, ..OkxOptions::default() });
    assert_eq!(rig.open(ConnId(7), "/ws/v5/public"), Err(429), "three are open already");
    rig.now += 1_000;
    assert_eq!(rig.open(ConnId(7), "/ws/v5/public"), Ok(()));
}

#[test]
fn thirty_sockets_of_an_account_may_have_a_private_channel() {
    let mut rig = Rig::new();
    let arg = r#"{"channel":"orders","instType":"ANY"}"#;
    let counted = |rig: &mut Rig, conn| {
        rig.open(conn, "/ws/v5/private").unwrap();
        rig.login(conn);
        let answers = rig.subscribe(conn, arg);
        let told = answers.iter().map(|text| json(text)).find(|one| !one["connCount"].is_null());
        let [event, count] = texts(&told.unwrap(), ["event", "connCount"]);
        (event, count)
    };
    for number in 1..=30 {
        let expected = ("channel-conn-count".to_owned(), number.to_string());
        assert_eq!(counted(&mut rig, ConnId(100 + number)), expected);
    }
    let full = ("channel-conn-count-error".to_owned(), "30".to_owned());
    assert_eq!(counted(&mut rig, ConnId(200)), full);
    rig.wire.on_ws_closed(ConnId(101));
    let freed = ("channel-conn-count".to_owned(), "30".to_owned());
    assert_eq!(counted(&mut rig, ConnId(201)), freed);
}

#[test]
fn an_upgrade_is_announced_a_minute_before_it_closes() {
    let mut rig = Rig::new();
    rig.subscribe(PUBLIC, r#"{"channel":"books","instId":"BTC-USDT"}"#);
    rig.taken();
    rig.wire.on_announce_shutdown(rig.now, &mut rig.out);
    let told = rig.taken();
    assert_eq!(told.len(), 3);
    for (_, text) in &told {
        let [event, code] = texts(&json(text), ["event", "code"]);
        assert_eq!((&*event, &*code), ("notice", "64008"));
    }
    for _ in 0..3 {
        rig.pass(19_999);
        rig.say(PUBLIC, "ping");
    }
    assert_eq!(rig.public("/system/status", "")["data"][0]["state"], "scheduled");
    rig.pass(3);
    let closed = rig.taken();
    let upgrade = (PUBLIC, r#"Close(1001, "Service upgrade")"#.to_owned());
    assert!(closed.contains(&upgrade), "{closed:?}");
}

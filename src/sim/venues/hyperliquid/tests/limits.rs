//! Limits of the venue, and what happens at them.

use super::*;

fn limited(limits: HyperliquidLimits) -> Rig {
    let options = HyperliquidOptions { limits, ..HyperliquidOptions::default() };
    let mut rig = Rig::with(options);
    rig.fill_books();
    rig
}

fn status(rig: &mut Rig, path: &str, body: &Value) -> u16 {
    rig.http(path, &body.to_string()).status
}

#[test]
fn requests_weigh_and_the_minute_is_full() {
    let mut rig =
        limited(HyperliquidLimits { weight_per_minute: 100, ..HyperliquidLimits::venue() });
    let mids = json!({"type": "allMids"});
    let role = json!({"type": "userRole", "user": address(&KEY)});
    let meta = json!({"type": "meta"});
    for (request, wanted) in [(&role, 200), (&meta, 200), (&mids, 200), (&meta, 429), (&mids, 200)]
    {
        assert_eq!(status(&mut rig, "/info", request), wanted, "{request}");
    }
    // 84 are used; a batch of forty orders weighs two.
    let orders = vec![limit(0, "buy", "60000", "0.0001", "Gtc"); 40];
    for wanted in [200, 200, 200, 200, 200, 200, 200, 200, 429] {
        let action = json!({"type": "order", "orders": orders, "grouping": "na"});
        let body = rig.signed(&KEY, &action);
        assert_eq!(status(&mut rig, "/exchange", &body), wanted);
    }
    rig.pass(60_000);
    assert_eq!(status(&mut rig, "/info", &meta), 200);
    rig.wire.on_ban(rig.now + 1_000);
    assert_eq!(status(&mut rig, "/info", &meta), 429);
    rig.pass(1_000);
    assert_eq!(status(&mut rig, "/info", &meta), 200);
}

#[test]
fn rows_of_an_answer_weigh_too() {
    let mut rig =
        limited(HyperliquidLimits { weight_per_minute: 92, ..HyperliquidLimits::venue() });
    for _ in 0..40 {
        rig.order(limit(0, "buy", "65001", "0.001", "Ioc"));
    }
    let fills = json!({"type": "userFills", "user": address(&KEY)});
    rig.publish();
    // Forty orders weighed 40, and forty fills weigh 22.
    for wanted in [200, 200, 429] {
        assert_eq!(status(&mut rig, "/info", &fills), wanted);
    }
}

#[test]
fn sockets_messages_subscriptions_and_users_are_counted() {
    let limits = HyperliquidLimits {
        sockets: 3,
        sockets_per_minute: 4,
        subscriptions: 4,
        users: 2,
        messages_per_minute: 12,
        ..HyperliquidLimits::venue()
    };
    let mut rig = limited(limits);
    assert_eq!([2, 3, 4].map(|conn| rig.open(ConnId(conn))), [Ok(()), Ok(()), Err(429)]);
    rig.wire.on_ws_closed(ConnId(2));
    assert_eq!(rig.open(ConnId(4)), Ok(()));
    rig.wire.on_ws_closed(ConnId(3));
    assert_eq!(rig.open(ConnId(5)), Err(429), "too many in a minute");
    let mut channel = |subscription: String| {
        let text = format!(r#"{{"method":"subscribe","subscription":{subscription}}}"#);
        parsed(&rig.say(SOCKET, &text)[0])["channel"].as_str().unwrap().to_owned()
    };
    let of_user =
        |byte: u8| format!(r#"{{"type":"orderUpdates","user":"{}"}}"#, Address([byte; 20]));
    let (taken, refused) = ("subscriptionResponse", "error");
    assert_eq!(channel(of_user(1)), taken);
    assert_eq!(channel(of_user(2)), taken);
    assert_eq!(channel(of_user(3)), refused, "a third user");
    assert_eq!(channel(String::from(r#"{"type":"bbo","coin":"BTC"}"#)), taken);
    assert_eq!(channel(String::from(r#"{"type":"bbo","coin":"ETH"}"#)), taken);
    assert_eq!(channel(String::from(r#"{"type":"bbo","coin":"SOL"}"#)), refused, "a fifth");
    for _ in 0..6 {
        assert_eq!(rig.say(SOCKET, r#"{"method":"ping"}"#), [r#"{"channel":"pong"}"#]);
    }
    assert!(rig.say(SOCKET, r#"{"method":"ping"}"#)[0].contains("Too many messages"));
    rig.pass(60_000);
    assert_eq!(rig.say(SOCKET, r#"{"method":"ping"}"#), [r#"{"channel":"pong"}"#]);
}

#[test]
fn actions_are_paid_for_with_volume_and_cancels_go_further() {
    let mut rig = limited(HyperliquidLimits { actions: 3, ..HyperliquidLimits::venue() });
    let two =
        json!([limit(0, "buy", "60000", "0.001", "Gtc"), limit(0, "buy", "60001", "0.001", "Gtc")]);
    let two = json!({"type": "order", "orders": two, "grouping": "na"});
    assert_eq!(rig.act(two.clone())["status"], "ok");
    assert_eq!(rig.act(two.clone())["status"], "ok", "over the limit once in ten seconds");
    let text = "Too many cumulative requests sent (6 > 3) for cumulative volume traded $0. \
                Place taker orders to free up 1 request per USDC traded.";
    assert_eq!(rig.act(two.clone()), refused(text));
    let oid = rig.info_of_user("openOrders")[0]["oid"].clone();
    let cancel = json!({"type": "cancel", "cancels": [{"a": 0, "o": oid}]});
    assert_eq!(rig.act(cancel.clone())["status"], "ok", "six of six");
    assert_eq!(rig.act(two.clone())["status"], "err");
    rig.pass(10_000);
    assert_eq!(rig.act(json!({"type": "order", "orders": [limit(0, "buy", "65001", "0.001", "Ioc")], "grouping": "na"}))["status"], "ok");
    let usage = rig.info_of_user("userRateLimit");
    let wanted =
        json!({"cumVlm": "65.001", "nRequestsUsed": 6, "nRequestsCap": 68, "nRequestsSurplus": 0});
    assert_eq!(usage, wanted, "each dollar traded allows one more");
    assert_eq!(rig.act(two)["status"], "ok");
    let reserve = json!({"type": "reserveRequestWeight", "weight": 1_000});
    assert_eq!(rig.act(reserve), done());
    assert_eq!(rig.info_of_user("userRateLimit")["nRequestsCap"], 1_068);
    let wallet = rig.info_of_user("clearinghouseState")["marginSummary"]["accountValue"].clone();
    // 10000, less half a dollar, less the fee and the loss of crossing.
    assert_eq!(wallet, "9999.46975");
}

#[test]
fn open_orders_are_limited() {
    let mut rig = limited(HyperliquidLimits { open_orders: 2, ..HyperliquidLimits::venue() });
    let order = limit(0, "buy", "60000", "0.001", "Gtc");
    for wanted in [true, true, false] {
        assert_eq!(rig.order(order.clone()).get("resting").is_some(), wanted);
    }
}

//! The private socket.

use super::*;

const CONN: &str = r#""conn_id":"sim000000000002-0002""#;

#[test]
fn logins_pings_and_subscriptions_are_answered() {
    let mut rig = Rig::new();
    let pong = format!(r#"{{"req_id":"100001","op":"pong","args":["1700000000000"],{CONN}}}"#);
    assert_eq!(rig.ask(PRIVATE, r#"{"req_id":"100001","op":"ping"}"#), pong);
    let pong = format!(r#"{{"op":"pong","args":["1700000000000"],{CONN}}}"#);
    assert_eq!(rig.ask(PRIVATE, r#"{"op":"ping"}"#), pong);
    let subscribe = r#"{"op":"subscribe","args":["order"]}"#;
    let refused = format!(
        r#"{{"success":false,"ret_msg":"Request not authorized",{CONN},"req_id":"","op":"subscribe"}}"#
    );
    assert_eq!(rig.ask(PRIVATE, subscribe), refused);
    let welcome = format!(r#"{{"success":true,"ret_msg":"","op":"auth",{CONN}}}"#);
    assert_eq!(rig.login(PRIVATE), welcome);
    let ack = |id: &str, op: &str| {
        format!(r#"{{"success":true,"ret_msg":"",{CONN},"req_id":"{id}","op":"{op}"}}"#)
    };
    assert_eq!(rig.ask(PRIVATE, subscribe), ack("", "subscribe"));
    let request = r#"{"req_id":"7","op":"unsubscribe","args":["order"]}"#;
    assert_eq!(rig.ask(PRIVATE, request), ack("7", "unsubscribe"));
    let mixed = rig.ask(PRIVATE, r#"{"op":"subscribe","args":["order","order.spot"]}"#);
    assert!(mixed.starts_with(r#"{"success":false,"ret_msg":"error:all-in-one"#), "{mixed}");
}

/// The vectors of the venue's documentation, at their times.
#[test]
fn socket_signatures_are_checked() {
    for (expires, signature) in [
        (1_700_000_000_000u64, "bacffe7500499eb829bb58c45d36d1b3e5ac67c14eaeba91df5e99ccee013925"),
        (1_700_000_010_000, "f01084fb6f298f64707f648000637356f4fc4cd484f1eeb04a6e79ae44339d71"),
    ] {
        let auth = |key: &str, expires: &str, signature: &str| {
            format!(r#"{{"req_id":"1","op":"auth","args":["{key}",{expires},"{signature}"]}}"#)
        };
        let mut rig = Rig::new();
        rig.now = expires - 1;
        let refused = |text: &str| {
            format!(r#"{{"req_id":"1","success":false,"ret_msg":"{text}","op":"auth",{CONN}}}"#)
        };
        let number = expires.to_string();
        let bent = signature.replace('9', "8");
        let answer = rig.ask(PRIVATE, &auth("test_api_key", &number, &bent));
        assert_eq!(answer, refused("error sign!"));
        let answer = rig.ask(PRIVATE, &auth("nobody", &number, signature));
        assert_eq!(answer, refused("API key is invalid."));
        let welcome = format!(r#"{{"req_id":"1","success":true,"ret_msg":"","op":"auth",{CONN}}}"#);
        assert_eq!(rig.ask(PRIVATE, &auth("test_api_key", &number, signature)), welcome);
        // A text is as good as a number.
        let text = format!("\"{number}\"");
        assert_eq!(rig.ask(PRIVATE, &auth("test_api_key", &text, signature)), welcome);
        rig.now = expires;
        let answer = rig.ask(PRIVATE, &auth("test_api_key", &number, signature));
        assert_eq!(answer, refused("Params Error"));
    }
}

#[test]
fn fills_of_one_match_come_in_one_message_with_their_fees() {
    let mut rig = Rig::with_book();
    rig.listen(r#""order.spot","execution","execution.fast","wallet","position""#);
    rig.now += 5;
    rig.create(r#""side":"Buy","orderType":"Limit","qty":"0.3","price":"65001","timeInForce":"IOC","orderLinkId":"f""#);
    let told = rig.told();
    let seq = rig.wire.market.seq("BTCUSDT");
    // This order's fills are told before its state.
    let topics: Vec<String> = told.iter().map(|text| member(text, "topic")).collect();
    assert_eq!(topics, ["execution.fast", "execution", "order.spot", "wallet"]);
    let row = |exec: &str, price: &str, qty: &str, value: &str, fee: &str, leaves: &str| {
        format!(
            concat!(
                r#"{{"category":"spot","symbol":"BTCUSDT","closedSize":"","execFee":"{}","#,
                r#""execId":"{}","execPrice":"{}","execQty":"{}","execType":"Trade","#,
                r#""execValue":"{}","feeRate":"0.001","tradeIv":"","markIv":"","blockTradeId":"","#,
                r#""markPrice":"","indexPrice":"","underlyingPrice":"","leavesQty":"{}","#,
                r#""orderId":"1900000010000000001","orderLinkId":"f","orderPrice":"65001","#,
                r#""orderQty":"0.3","orderType":"Limit","stopOrderType":"","side":"Buy","#,
                r#""execTime":"1700000000005","isLeverage":"0","isMaker":false,"seq":{},"#,
                r#""marketUnit":"","execPnl":"0","createType":"CreateByUser","extraFees":[],"#,
                r#""feeCurrency":"BTC"}}"#,
            ),
            fee, exec, price, qty, value, leaves, seq
        )
    };
    let expected = format!(
        r#"{{"topic":"execution","id":"100000001_BTCUSDT_{seq}","creationTime":1700000000005,"data":[{},{}]}}"#,
        row("2100000000001000002", "65000.1", "0.25", "16250.025", "0.00025", "0.05"),
        row("2100000000001000003", "65001", "0.05", "3250.05", "0.00005", "0"),
    );
    assert_eq!(told[1], expected);
    let fast = format!(
        r#"{{"topic":"execution.fast","creationTime":1700000000005,"data":[{{"category":"spot","symbol":"BTCUSDT","execId":"2100000000001000002","execPrice":"65000.1","execQty":"0.25","orderId":"1900000010000000001","isMaker":false,"orderLinkId":"f","side":"Buy","execTime":"1700000000005","seq":{seq}}}"#
    );
    assert!(told[0].starts_with(&fast), "{}", told[0]);
    assert_eq!(
        ["orderStatus", "avgPrice", "cumExecValue", "cumExecFee", "feeCurrency"]
            .map(|name| member(&told[2], name)),
        ["Filled", "65000.25", "19500.075", "0.0003", "BTC"]
    );
    assert_eq!(member(&told[3], "walletBalance"), "10.2997");
    assert!(told[3].contains(r#""coin":"USDT""#));
}

#[test]
fn a_maker_pays_its_own_rate_and_strangers_hear_nothing() {
    let mut rig = Rig::with_book();
    rig.listen(r#""execution.spot","order""#);
    rig.open(ConnId(7), "/v5/private", "").unwrap();
    let expires = rig.now + 1_000;
    let signature = sign(&format!("GET/realtime{expires}"));
    rig.say(ConnId(7), &format!(r#"{{"op":"auth","args":["other_key",{expires},"{signature}"]}}"#));
    rig.say(ConnId(7), r#"{"op":"subscribe","args":["order","execution","wallet"]}"#);
    rig.create(
        r#""side":"Sell","orderType":"Limit","qty":"0.1","price":"65000","orderLinkId":"m""#,
    );
    rig.publish();
    rig.taken();
    rig.exchange.background_trade("BTCUSDT", Side::Buy, dec("65000"), dec("0.04"), rig.now);
    rig.publish();
    let all = rig.taken();
    assert!(all.iter().all(|(conn, _)| *conn == PRIVATE), "{all:?}");
    let [fills, order] = [&all[0].1, &all[1].1];
    assert_eq!(
        ["topic", "execFee", "feeRate", "feeCurrency", "isMaker", "leavesQty"]
            .map(|name| member(fills, name)),
        ["execution.spot", "1.3", "0.0005", "USDT", "true", "0.06"]
    );
    assert_eq!(
        ["topic", "orderStatus", "leavesQty", "cumExecQty"].map(|name| member(order, name)),
        ["order", "PartiallyFilled", "0.06", "0.04"]
    );
    rig.post("/v5/order/cancel", r#"{"category":"spot","symbol":"BTCUSDT","orderLinkId":"m"}"#);
    let told = rig.told();
    assert_eq!(
        ["orderStatus", "cancelType", "rejectReason", "leavesQty", "cumExecQty"]
            .map(|name| member(&told[0], name)),
        ["PartiallyFilledCanceled", "CancelByUser", "EC_PerCancelRequest", "0", "0.04"]
    );
}

#[test]
fn silent_sockets_are_closed() {
    let close = |conn| (conn, r#"Close(1000, "idle")"#.to_owned());
    let mut rig = Rig::new();
    rig.pass(599_999);
    assert_eq!(rig.taken(), []);
    rig.say(TRADE, r#"{"op":"ping"}"#);
    rig.pass(1);
    assert_eq!(rig.taken(), [close(PRIVATE)], "the public one is not, the trade one has spoken");
    rig.wire.on_ws_closed(PRIVATE);
    rig.open(PRIVATE, "/v5/private", "max_active_time=30s").unwrap();
    rig.pass(30_000);
    assert_eq!(rig.taken(), [close(PRIVATE)]);
    for (query, result) in [
        ("max_active_time=1m", Ok(())),
        ("max_active_time=10m", Ok(())),
        ("max_active_time=29s", Err(400)),
        ("max_active_time=601s", Err(400)),
        ("max_active_time=11m", Err(400)),
        ("max_active_time=m", Err(400)),
        ("max_active_time=1h", Err(400)),
    ] {
        assert_eq!(rig.open(ConnId(8), "/v5/private", query), result, "{query}");
    }
    assert_eq!(rig.open(ConnId(8), "/v5/public/inverse", ""), Err(404));
}

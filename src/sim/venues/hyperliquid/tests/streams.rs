//! The socket: subscriptions, market data at its pace, user feeds, posts.

use super::*;

fn user(name: &str) -> String {
    format!(r#"{{"type":"{name}","user":"{}"}}"#, address(&KEY))
}

#[test]
fn acknowledgements_repeat_the_subscription_in_full() {
    let mut rig = Rig::with_books();
    let upper = address(&KEY).to_uppercase().replace("0X", "0x");
    for (sent, echo) in [
        (r#"{"type":"bbo","coin":"BTC"}"#.to_owned(), r#"{"type":"bbo","coin":"BTC"}"#.to_owned()),
        (
            r#"{"coin":"BTC","type":"l2Book"}"#.to_owned(),
            r#"{"type":"l2Book","coin":"BTC","nSigFigs":null,"mantissa":null,"fast":false}"#
                .to_owned(),
        ),
        (
            format!(r#"{{"type":"userFills","user":"{upper}"}}"#),
            format!(r#"{{"type":"userFills","user":"{}","aggregateByTime":false}}"#, address(&KEY)),
        ),
    ] {
        for method in ["subscribe", "unsubscribe"] {
            let answers =
                rig.say(SOCKET, &format!(r#"{{"method":"{method}","subscription":{sent}}}"#));
            let wanted = format!(
                r#"{{"channel":"subscriptionResponse","data":{{"method":"{method}","subscription":{echo}}}}}"#
            );
            assert_eq!(answers[0], wanted);
            let again =
                rig.say(SOCKET, &format!(r#"{{"method":"{method}","subscription":{sent}}}"#));
            let text = json!(format!("Already {method}d: {echo}"));
            assert_eq!(again, [format!(r#"{{"channel":"error","data":{text}}}"#)]);
        }
    }
}

#[test]
fn what_cannot_be_read_is_repeated_and_the_socket_lives() {
    let mut rig = Rig::new();
    for text in [
        r#"{"method": "subscribe", "subscription": {"type": "noSuchType", "coin": "BTC"}}"#,
        r#"{"method":"subscribe","subscription":{"type":"l2Book","coin":"BTC","nSigFigs":6}}"#,
        r#"{"method":"subscribe","subscription":{"type":"userFills","user":"0x12"}}"#,
        r#"{"method":"post","request":{"type":"info","payload":{"type":"meta"}}}"#,
        "nonsense",
        "[]",
    ] {
        let wanted = format!("Error parsing JSON into valid websocket request: {text}");
        let answers = rig.say(SOCKET, text);
        assert_eq!(answers.len(), 1);
        assert_eq!(parsed(&answers[0]), json!({"channel": "error", "data": wanted}));
    }
    assert_eq!(rig.say(SOCKET, r#"{"method":"ping"}"#), [r#"{"channel":"pong"}"#]);
}

#[test]
fn an_unknown_coin_costs_the_socket() {
    let mut rig = Rig::new();
    let text = r#"{"method":"subscribe","subscription":{"type":"bbo","coin":"NOPE"}}"#;
    assert_eq!(rig.say(SOCKET, text), ["Close(1006, \"\")"]);
    let delisted = rig.subscribe(r#"{"type":"bbo","coin":"MATIC"}"#);
    let book = &parsed(&delisted[0])["data"]["bbo"];
    assert_eq!(book, &json!([null, null]), "listed once, so no error");
}

#[test]
fn best_prices_come_at_once_and_then_when_they_change() {
    let mut rig = Rig::with_books();
    let answers = rig.subscribe(r#"{"type":"bbo","coin":"BTC"}"#);
    let wanted = json!({"coin": "BTC", "time": NOW, "bbo": [
        {"px": "64999.0", "sz": "0.5", "n": 1}, {"px": "65001.0", "sz": "0.25", "n": 1},
    ]});
    assert_eq!(parsed(&answers[0])["data"], wanted);
    rig.pass(100);
    rig.told("bbo");
    rig.pass(10_000);
    assert_eq!(rig.told("bbo"), Vec::<Value>::new(), "nothing has changed");
    rig.exchange.set_level("BTC", Side::Buy, dec("64999"), dec("0.4"), rig.now);
    assert_eq!(rig.told("bbo").len(), 1);
    rig.exchange.set_level("BTC", Side::Buy, dec("64999"), dec("0.3"), rig.now);
    assert_eq!(rig.told("bbo").len(), 0, "not twice in a block");
    rig.pass(80);
    assert_eq!(rig.told("bbo")[0]["bbo"][0]["sz"], "0.3");
    for (side, price) in
        [(Side::Buy, "64999"), (Side::Buy, "64990"), (Side::Sell, "65001"), (Side::Sell, "65010")]
    {
        rig.exchange.set_level("BTC", side, dec(price), Decimal::ZERO, rig.now);
    }
    rig.pass(80);
    assert_eq!(rig.told("bbo").last().unwrap()["bbo"], json!([null, null]));
}

#[test]
fn books_are_whole_and_slower() {
    let mut rig = Rig::with_books();
    let answers = rig.subscribe(r#"{"type":"l2Book","coin":"BTC"}"#);
    let book = &parsed(&answers[0])["data"];
    assert_eq!(book["levels"][0].as_array().unwrap().len(), 2);
    assert_eq!(book.get("fast"), None);
    let answers = rig.subscribe(r#"{"type":"l2Book","coin":"BTC","fast":true}"#);
    assert_eq!(parsed(&answers[0])["data"]["fast"], true);
    let answers = rig.subscribe(r#"{"type":"l2Book","coin":"BTC","nSigFigs":2}"#);
    let wanted = json!([[{"px": "64000.0", "sz": "1.5", "n": 1}], [{"px": "66000.0", "sz": "1.25", "n": 1}]]);
    assert_eq!(parsed(&answers[0])["data"]["levels"], wanted, "bids down, asks up");
    for price in 64_900..64_925 {
        rig.exchange.set_level("BTC", Side::Buy, Decimal::from(price), dec("1"), rig.now);
    }
    rig.pass(100);
    rig.told("l2Book");
    for _ in 0..5 {
        rig.exchange.set_level("BTC", Side::Buy, dec("64999"), dec("0.4"), rig.now);
        rig.pass(80);
        rig.exchange.set_level("BTC", Side::Buy, dec("64999"), dec("0.3"), rig.now);
    }
    assert_eq!(rig.told("l2Book").len(), 0, "half a second apart");
    rig.pass(100);
    let books = rig.told("l2Book");
    let depths: Vec<(usize, bool)> = books
        .iter()
        .map(|book| (book["levels"][0].as_array().unwrap().len(), book.get("fast").is_some()))
        .collect();
    assert!(depths.contains(&(20, false)) && depths.contains(&(5, true)), "{depths:?}");
    rig.pass(5_000);
    assert_eq!(rig.told("l2Book").len(), 3, "repeated though nothing has changed");
}

#[test]
fn trades_begin_with_the_last_thirty() {
    let mut rig = Rig::with_books();
    for at in 0..40 {
        let qty = Decimal::new(1 + at, 5);
        rig.exchange.background_trade("BTC", Side::Sell, dec("65000"), qty, rig.now);
        rig.publish();
    }
    let answers = rig.subscribe(r#"{"type":"trades","coin":"BTC"}"#);
    let trades = parsed(&answers[0])["data"].clone();
    assert_eq!(trades.as_array().unwrap().len(), 30);
    assert_eq!((&trades[0]["sz"], &trades[29]["sz"]), (&json!("0.00011"), &json!("0.0004")));
    rig.pass(1_000);
    rig.told("trades");
    let status = rig.order(limit(0, "buy", "65010", "0.3", "Ioc"));
    assert!(status.get("filled").is_some());
    rig.publish();
    rig.pass(80);
    let told = rig.told("trades");
    assert_eq!(told.len(), 1, "one message for both");
    let trades = told[0].as_array().unwrap();
    assert_eq!(trades.len(), 2);
    assert_eq!((&trades[0]["side"], &trades[0]["px"]), (&json!("B"), &json!("65001.0")));
    assert_eq!(trades[0]["users"][0], address(&KEY), "buyer first");
    assert_ne!(trades[0]["users"][1], address(&KEY));
    assert_ne!(trades[0]["tid"], trades[1]["tid"]);
    assert!(trades[0]["tid"].as_u64().unwrap() < 1 << 50);
}

#[test]
fn orders_are_told_by_state_and_partial_fills_by_fills_alone() {
    let mut rig = Rig::with_books();
    for name in ["orderUpdates", "userEvents", "userFills"] {
        let first = rig.subscribe(&user(name));
        assert_eq!(first.len(), usize::from(name == "userFills"), "only fills have a snapshot");
    }
    let oid = rig.rest(limit(0, "sell", "65000", "0.2", "Gtc"));
    let told = rig.told("orderUpdates");
    let open = json!([{"order": {
        "coin": "BTC", "side": "A", "limitPx": "65000.0", "sz": "0.2", "oid": oid,
        "timestamp": NOW, "origSz": "0.2"
    }, "status": "open", "statusTimestamp": NOW}]);
    assert_eq!(told, [open]);
    rig.order_as(&OTHER, limit(0, "buy", "65000", "0.15", "Ioc"));
    rig.publish();
    let all = rig.taken();
    let on = |channel: &str| -> Vec<Value> {
        let messages = all.iter().map(|(_, text)| parsed(text));
        messages.filter(|one| one["channel"] == channel).map(|one| one["data"].clone()).collect()
    };
    assert_eq!(on("orderUpdates"), Vec::<Value>::new(), "a partial fill has no state");
    let (events, fills) = (on("user"), on("userFills"));
    assert_eq!((events.len(), fills.len()), (1, 1));
    assert_eq!(events[0]["fills"], fills[0]["fills"]);
    assert_eq!(fills[0].get("isSnapshot"), None);
    let fill = &fills[0]["fills"][0];
    let shown = ["px", "sz", "side", "startPosition", "dir", "fee", "feeToken"]
        .map(|name| fill[name].clone());
    let wanted =
        ["65000.0", "0.15", "A", "0.0", "Open Short", "1.4625", "USDC"].map(|text| json!(text));
    assert_eq!((shown, &fill["crossed"]), (wanted, &json!(false)));
    rig.order_as(&OTHER, limit(0, "buy", "65000", "0.05", "Ioc"));
    let told = rig.told("orderUpdates");
    assert_eq!(
        (&told[0][0]["status"], &told[0][0]["order"]["sz"]),
        (&json!("filled"), &json!("0.0"))
    );
}

#[test]
fn orders_that_end_at_once_are_told_in_one_message() {
    let mut rig = Rig::with_books();
    rig.subscribe(&user("orderUpdates"));
    let states = |rig: &mut Rig, order: Value| -> Vec<Value> {
        rig.order(order);
        let told = rig.told("orderUpdates");
        assert_eq!(told.len(), 1, "{told:?}");
        told[0].as_array().unwrap().iter().map(|row| row["status"].clone()).collect()
    };
    assert_eq!(states(&mut rig, limit(0, "buy", "65001", "0.01", "Gtc")), ["open", "filled"]);
    assert_eq!(states(&mut rig, limit(0, "buy", "65001", "0.01", "Ioc")), ["filled"]);
    assert_eq!(states(&mut rig, limit(0, "buy", "65001", "0.5", "Ioc")), ["canceled"], "in part");
    assert_eq!(states(&mut rig, limit(0, "buy", "60000", "0.5", "Ioc")), ["iocCancelRejected"]);
    assert_eq!(states(&mut rig, limit(0, "buy", "65010", "0.01", "Alo")), ["badAloPxRejected"]);
    assert_eq!(states(&mut rig, limit(0, "buy", "60000.5", "0.01", "Alo")), ["tickRejected"]);
    assert_eq!(states(&mut rig, limit(0, "buy", "65010", "4", "Gtc")), ["perpMarginRejected"]);
}

#[test]
fn a_buyer_of_a_token_pays_in_it() {
    let mut rig = Rig::with_books();
    rig.subscribe(&user("userEvents"));
    rig.order(limit(10_107, "buy", "38.2", "10", "Ioc"));
    rig.order(limit(10_107, "sell", "38.1", "4", "Ioc"));
    let told = rig.told("user");
    let fills = told[0]["fills"].as_array().unwrap();
    let shown: Vec<[&str; 5]> = fills
        .iter()
        .map(|fill| {
            ["side", "startPosition", "fee", "feeToken", "dir"]
                .map(|name| fill[name].as_str().unwrap())
        })
        .collect();
    // 0.0007 of what was received, and a balance that the fee has lowered.
    let wanted =
        [["B", "1000.0", "0.007", "HYPE", "Buy"], ["A", "1009.993", "0.10668", "USDC", "Sell"]];
    assert_eq!(shown, wanted);
    let balances = rig.info_of_user("spotClearinghouseState");
    let hype = &balances["balances"][0];
    assert_eq!((&hype["coin"], &hype["total"]), (&json!("HYPE"), &json!("1005.993")));
}

#[test]
fn a_new_socket_is_told_what_it_missed() {
    let mut rig = Rig::with_books();
    rig.subscribe(&user("userFills"));
    rig.wire.on_ws_closed(SOCKET);
    rig.order(limit(0, "buy", "65001", "0.01", "Ioc"));
    rig.publish();
    assert_eq!(rig.taken(), [], "nobody listens");
    rig.open(SOCKET).unwrap();
    let answers = rig.subscribe(&user("userFills"));
    let snapshot = &parsed(&answers[0])["data"];
    assert_eq!(snapshot["isSnapshot"], true);
    assert_eq!(snapshot["fills"].as_array().unwrap().len(), 1);
    assert_eq!(snapshot["fills"], rig.info_of_user("userFills"));
}

#[test]
fn posts_are_answered_by_id() {
    let mut rig = Rig::with_books();
    let post = |kind: &str, payload: &Value| {
        json!({"method": "post", "id": 256, "request": {"type": kind, "payload": payload}})
            .to_string()
    };
    let asked = json!({"type": "l2Book", "coin": "BTC", "nSigFigs": 5, "mantissa": null});
    let answers = rig.say(SOCKET, &post("info", &asked));
    let reply = parsed(&answers[0]);
    let payload = &reply["data"]["response"]["payload"];
    assert_eq!((&reply["channel"], &reply["data"]["id"]), (&json!("post"), &json!(256)));
    assert_eq!((&payload["type"], &payload["data"]["coin"]), (&json!("l2Book"), &json!("BTC")));
    let action = json!({"type": "order", "orders": [limit(0, "buy", "60000", "0.01", "Gtc")], "grouping": "na"});
    let signed = rig.signed(&KEY, &action);
    let text = post("action", &signed);
    let reply = parsed(&rig.say(SOCKET, &text)[0])["data"]["response"].clone();
    assert_eq!((&reply["type"], &reply["payload"]["status"]), (&json!("action"), &json!("ok")));
    let again = parsed(&rig.say(SOCKET, &text)[0])["data"]["response"].clone();
    let duplicate = format!("Invalid nonce: duplicate nonce {}", rig.nonce);
    assert_eq!(again, json!({"type": "action", "payload": refused(&duplicate)}));
    let broken =
        parsed(&rig.say(SOCKET, &post("action", &json!({})))[0])["data"]["response"].clone();
    assert_eq!(broken["type"], "error");
    let unknown = parsed(&rig.say(SOCKET, &post("info", &json!({"type": "nope"})))[0]);
    assert_eq!(unknown["data"]["response"]["type"], "error");
}

#[test]
fn a_block_takes_passive_actions_then_cancels_then_the_rest() {
    let options = HyperliquidOptions { action_block_ms: 100, ..HyperliquidOptions::default() };
    let mut rig = Rig::with(options);
    rig.pass(100);
    rig.fill_books();
    let resting = rig.rest(limit(0, "buy", "64995", "0.01", "Gtc"));
    rig.publish();
    let order = |tif: &str, price: &str| json!({"type": "order", "orders": [limit(0, "sell", price, "0.01", tif)], "grouping": "na"});
    let cancel = json!({"type": "cancel", "cancels": [{"a": 0, "o": resting}]});
    let actions = [order("Ioc", "64999"), cancel, order("Alo", "65005")];
    for (id, action) in actions.iter().enumerate() {
        let signed = rig.signed(&KEY, action);
        let request = json!({"type": "action", "payload": signed});
        let text = json!({"method": "post", "id": id, "request": request}).to_string();
        assert_eq!(rig.say(SOCKET, &text), Vec::<String>::new(), "it waits");
    }
    rig.pass(100);
    let ids: Vec<Value> = rig.told("post").iter().map(|reply| reply["id"].clone()).collect();
    assert_eq!(ids, [json!(2), json!(1), json!(0)]);
}

#[test]
fn silent_sockets_are_closed() {
    let mut rig = Rig::new();
    rig.pass(59_000);
    assert_eq!(rig.taken(), []);
    rig.say(SOCKET, r#"{"method":"ping"}"#);
    rig.pass(59_999);
    assert_eq!(rig.taken(), [], "a pong counts");
    rig.pass(1);
    assert_eq!(rig.taken(), [(SOCKET, "Close(1000, \"Inactive\")".to_owned())]);
}

#[test]
fn contexts_and_middles_come_at_their_pace() {
    let mut rig = Rig::with_books();
    let context = rig.subscribe(r#"{"type":"activeAssetCtx","coin":"BTC"}"#);
    assert_eq!(parsed(&context[0])["data"]["ctx"]["midPx"], "65000.0");
    let spot = rig.subscribe(r#"{"type":"activeAssetCtx","coin":"@107"}"#);
    assert_eq!(parsed(&spot[0])["channel"], "activeSpotAssetCtx");
    let mids = rig.subscribe(r#"{"type":"allMids"}"#);
    let wanted = json!({"mids": {"BTC": "65000.0", "@107": "38.15"}});
    assert_eq!(parsed(&mids[0])["data"], wanted);
    rig.pass(1);
    rig.taken();
    let mut counts = [0, 0, 0];
    for _ in 0..100 {
        rig.pass(100);
        rig.publish();
        for (_, text) in rig.taken() {
            let channel = parsed(&text)["channel"].as_str().unwrap().to_owned();
            let names = ["activeAssetCtx", "activeSpotAssetCtx", "allMids"];
            counts[names.iter().position(|name| *name == channel).unwrap()] += 1;
        }
    }
    assert_eq!(counts, [10, 10, 2], "in ten seconds");
}

#[test]
fn texts_are_told_apart_for_faults() {
    let wire = Hyperliquid::default();
    assert!(wire.is_account_event("/ws", r#"{"channel":"user","data":{}}"#));
    assert!(wire.is_account_event("/ws", r#"{"channel":"orderUpdates","data":[]}"#));
    assert!(!wire.is_account_event("/ws", r#"{"channel":"bbo","data":{}}"#));
    let reply = r#"{"channel":"post","data":{"id":1,"response":{"type":"action","payload":{}}}}"#;
    assert!(wire.is_order_reply("/ws", reply));
    assert!(!wire.is_order_reply("/ws", &reply.replace("action", "info")));
}

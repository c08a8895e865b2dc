//! What becomes of orders: replies, pushes, what is refused and why.

use super::*;

const LIMIT_BUY: &str = r#""side":"buy","ordType":"limit","px":"64000","sz":"0.01""#;

fn codes(row: &Value) -> (String, String) {
    let [code, text] = texts(row, ["sCode", "sMsg"]);
    (code, text)
}

#[test]
fn an_order_lives_is_amended_and_cancelled() {
    let mut rig = Rig::with_book();
    rig.listen();
    let text = format!(
        r#"{{"id":"1512","op":"order","args":[{{"instIdCode":{BTC},"tdMode":"cash","clOrdId":"eng0001",{LIMIT_BUY}}}]}}"#
    );
    let ack = rig.ask(TRADE, &text);
    let expected = r#"{"id":"1512","op":"order","data":[{"clOrdId":"eng0001","ordId":"2500000010000000001","tag":"","ts":"1700000000000","sCode":"0","sMsg":"","subCode":""}],"code":"0","msg":"","inTime":"1700000000000000","outTime":"1700000000000150"}"#;
    assert_eq!(ack, expected);
    let names = ["state", "ordId", "clOrdId", "sz", "accFillSz", "fillSz", "tradeId", "avgPx"];
    let live = rig.told();
    let id = "2500000010000000001";
    assert_eq!(texts(&live[0], names), ["live", id, "eng0001", "0.01", "0", "0", "", ""]);
    let names = ["feeCcy", "tdMode", "ordType", "px", "notionalUsd", "reduceOnly", "posSide"];
    assert_eq!(texts(&live[0], names), ["BTC", "cash", "limit", "64000", "640", "false", ""]);
    rig.now += 10;
    let amend = format!(r#""ordId":"{id}","newSz":"0.02","newPx":"64001","reqId":"r1""#);
    let amended = rig.operate("amend-order", &amend);
    let expected = r#"[{"clOrdId":"","ordId":"2500000010000000001","ts":"1700000000010","reqId":"r1","sCode":"0","sMsg":"","subCode":""}]"#;
    assert_eq!(amended["data"], json(expected));
    let names = ["state", "sz", "px", "amendResult", "amendSource", "reqId", "uTime"];
    let told = rig.told();
    let expected = ["live", "0.02", "64001", "0", "1", "r1", "1700000000010"];
    assert_eq!((told.len(), texts(&told[0], names)), (1, expected.map(str::to_owned)));
    let cancelled = rig.operate("cancel-order", r#""clOrdId":"eng0001""#);
    let expected = r#"[{"clOrdId":"eng0001","ordId":"2500000010000000001","ts":"1700000000010","sCode":"0","sMsg":""}]"#;
    assert_eq!(cancelled["data"], json(expected));
    let told = rig.told();
    let expected = ["canceled", "1", "0", ""].map(str::to_owned);
    let names = ["state", "cancelSource", "fillSz", "amendResult"];
    assert_eq!((told.len(), texts(&told[0], names)), (1, expected));
    let again = rig.operate("cancel-order", r#""clOrdId":"eng0001""#);
    assert_eq!(again["code"], "1");
    assert_eq!(texts(&again["data"][0], ["sCode", "ordId"]), ["51400", ""]);
}

/// State, cancel source, filled in total and by this push, of every push.
fn ends_as(fields: &str) -> Vec<[String; 4]> {
    let mut rig = Rig::with_book();
    rig.listen();
    let row = rig.place(fields);
    assert_eq!(row["sCode"], "0", "{row}");
    let pushes = rig.told();
    pushes.iter().map(|row| texts(row, ["state", "cancelSource", "accFillSz", "fillSz"])).collect()
}

#[test]
fn orders_end_in_the_venues_words() {
    let limit = |kind: &str, price: &str, size: &str| {
        format!(r#""side":"buy","ordType":"{kind}","px":"{price}","sz":"{size}""#)
    };
    let cases = [
        (limit("ioc", "65000.1", "0.1"), vec!["live,,0,0", "filled,,0.1,0.1"]),
        (
            limit("ioc", "65000.1", "0.3"),
            vec!["live,,0,0", "partially_filled,,0.25,0.25", "canceled,14,0.25,0"],
        ),
        (limit("ioc", "65000", "0.1"), vec!["live,,0,0", "canceled,14,0,0"]),
        (limit("fok", "65000.1", "0.3"), vec!["live,,0,0", "canceled,13,0,0"]),
        (
            limit("fok", "65001", "0.3"),
            vec!["live,,0,0", "partially_filled,,0.25,0.25", "filled,,0.3,0.05"],
        ),
        (limit("post_only", "64999.9", "0.1"), vec!["live,,0,0"]),
        // Accepted and then cancelled; others are seen alive first.
        (limit("post_only", "65000.1", "0.1"), vec!["canceled,31,0,0"]),
        // A buy is sized in quote, and what is left over ends it after its last fill.
        (
            r#""side":"buy","ordType":"market","sz":"100""#.to_owned(),
            vec!["live,,0,0", "partially_filled,,0.00153845,0.00153845", "filled,,0.00153845,0"],
        ),
        (
            r#""side":"buy","ordType":"market","sz":"0.1","tgtCcy":"base_ccy""#.to_owned(),
            vec!["live,,0,0", "filled,,0.1,0.1"],
        ),
        (
            r#""side":"sell","ordType":"market","sz":"0.1""#.to_owned(),
            vec!["live,,0,0", "filled,,0.1,0.1"],
        ),
        (
            r#""side":"sell","ordType":"market","sz":"2""#.to_owned(),
            vec![
                "live,,0,0",
                "partially_filled,,0.5,0.5",
                "partially_filled,,1.5,1",
                "canceled,14,1.5,0",
            ],
        ),
    ];
    for (fields, expected) in cases {
        let pushes: Vec<String> = ends_as(&fields).iter().map(|push| push.join(",")).collect();
        assert_eq!(pushes, expected, "{fields}");
    }
}

#[test]
fn a_post_only_order_that_would_take_may_be_seen_alive_first() {
    let mut rig = Rig::with_book();
    rig.listen();
    let crossing = r#""side":"buy","ordType":"post_only","px":"65000.1","sz":"0.1""#;
    let states = |rig: &mut Rig| {
        rig.place(crossing);
        let told = rig.told();
        told.iter().map(|row| texts(row, ["state", "cancelSource"]).concat()).collect::<Vec<_>>()
    };
    assert_eq!(states(&mut rig), ["canceled31"]);
    assert_eq!(states(&mut rig), ["live", "canceled31"]);
}

#[test]
fn fees_are_negative_and_in_what_is_received() {
    let mut rig = Rig::with_book();
    rig.listen();
    rig.place(r#""side":"buy","ordType":"ioc","px":"65000.1","sz":"0.1","clOrdId":"x1""#);
    let told = rig.told();
    let names = ["fee", "feeCcy", "fillFee", "fillFeeCcy", "execType", "fillPx", "fillNotionalUsd"];
    let expected = ["-0.0001", "BTC", "-0.0001", "BTC", "T", "65000.1", "6500.01"];
    assert_eq!(texts(&told[1], names), expected);
    rig.place(r#""side":"sell","ordType":"limit","px":"65000.5","sz":"0.1""#);
    rig.exchange.background_trade("BTC-USDT", Side::Buy, dec("65000.5"), dec("0.1"), rig.now);
    let told = rig.told();
    let expected = ["-5.20004", "USDT", "-5.20004", "USDT", "M", "65000.5", "6500.05"];
    assert_eq!(texts(&told[1], names), expected);
    let fills = rig.get("/trade/fills", "");
    let names = ["side", "fee", "feeRate", "feeCcy", "execType", "fillSz"];
    let rows = fills["data"].as_array().unwrap();
    let expected = ["sell", "-5.20004", "-0.0008", "USDT", "M", "0.1"];
    assert_eq!(texts(&rows[0], names), expected);
    assert_eq!(texts(&rows[1], names), ["buy", "-0.0001", "-0.001", "BTC", "T", "0.1"]);
}

#[test]
fn what_is_wrong_with_an_order_is_said_in_its_row() {
    let mut rig = Rig::with_book();
    rig.login(TRADE);
    let good = |key: &str, value: &str| {
        let fields = [
            ("tdMode", "\"cash\""),
            ("side", "\"buy\""),
            ("ordType", "\"limit\""),
            ("px", "\"64000\""),
            ("sz", "\"0.01\""),
        ];
        let mut all: Vec<String> = fields
            .iter()
            .filter(|(name, _)| *name != key)
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        if !value.is_empty() {
            all.push(format!("\"{key}\":{value}"));
        }
        all.join(",")
    };
    for (key, value, code) in [
        ("tdMode", "", "51000"),
        ("tdMode", "\"cross\"", "51010"),
        ("side", "\"Buy\"", "51000"),
        ("ordType", "\"stop\"", "51000"),
        ("ordType", "\"optimal_limit_ioc\"", "51000"),
        ("px", "", "51000"),
        ("px", "64000", "51000"),
        ("px", "\"64000.05\"", "51000"),
        ("px", "\"-1\"", "51006"),
        ("px", "\"66950.1\"", "51137"),
        ("sz", "\"1e3\"", "51000"),
        ("sz", "\"0.000009\"", "51020"),
        ("sz", "\"0.010000001\"", "51121"),
        ("sz", "\"2000\"", "51005"),
        ("sz", "\"5\"", "51008"),
        ("clOrdId", "\"a-b\"", "51000"),
        ("clOrdId", "\"a23456789012345678901234567890123\"", "51000"),
        ("posSide", "\"net\"", "51000"),
        ("posSide", "\"long\"", "51000"),
        ("reduceOnly", "\"true\"", "51000"),
        ("stpMode", "\"cancel_both\"", "51000"),
        ("tag", "\"a2345678901234567\"", "51000"),
    ] {
        let reply = rig.operate("order", &good(key, value));
        assert_eq!(reply["code"], "1", "{reply}");
        assert_eq!(reply["data"][0]["sCode"], code, "{key}: {value}: {reply}");
        assert_eq!(reply["data"][0]["ordId"], "");
    }
    assert_eq!(rig.exchange.take_events(), [], "nothing of it has happened");
    let short = rig.operate("order", &good("sz", "\"5\""));
    let text = "Order failed. Insufficient USDT balance in account";
    assert_eq!(codes(&short["data"][0]), ("51008".into(), text.into()));
    assert_eq!(short["data"][0]["subCode"], "1000");
    let sell = good("px", "\"63049.9\"").replace("buy", "sell");
    let text = "The lowest price limit for sell orders is 63050";
    let low = rig.operate("order", &sell);
    assert_eq!(codes(&low["data"][0]), ("51138".into(), text.into()));
    let moved = format!("{},\"pxAmendType\":\"1\",\"clOrdId\":\"m1\"", good("px", "\"70000\""));
    assert_eq!(rig.operate("order", &moved)["code"], "0");
}

#[test]
fn market_orders_are_checked_in_what_they_are_sized_in() {
    let mut rig = Rig::with_book();
    rig.login(TRADE);
    let buy = |quote: &str| format!(r#""side":"buy","ordType":"market","sz":"{quote}""#);
    assert_eq!(codes(&rig.place(&buy("0.0000001"))).0, "51020");
    assert_eq!(codes(&rig.place(&buy("99999999"))).0, "51005");
    assert_eq!(codes(&rig.place(r#""side":"sell","ordType":"market","sz":"101""#)).0, "51005");
    assert_eq!(codes(&rig.place(r#""side":"sell","ordType":"market","sz":"50""#)).0, "0");
}

#[test]
fn client_ids_are_unique_among_open_orders_only() {
    let mut rig = Rig::with_book();
    rig.login(TRADE);
    let order = format!(r#"{LIMIT_BUY},"clOrdId":"once""#);
    let first = rig.place(&order);
    assert_eq!(codes(&rig.place(&order)).0, "51016");
    rig.operate("cancel-order", r#""clOrdId":"once""#);
    rig.publish();
    let second = rig.place(&order);
    assert_eq!(second["sCode"], "0");
    assert_ne!(first["ordId"], second["ordId"]);
    rig.publish();
    let newest = rig.get("/trade/order", "instId=BTC-USDT&clOrdId=once");
    assert_eq!(newest["data"][0]["ordId"], second["ordId"]);
}

#[test]
fn instruments_have_number_codes_on_the_socket_and_names_over_http() {
    let mut rig = Rig::with_book();
    rig.login(TRADE);
    let mut ask = |instrument: &str| {
        let order = format!(r#"{{{instrument}"tdMode":"cash",{LIMIT_BUY}}}"#);
        let reply = rig.ask(TRADE, &format!(r#"{{"id":"7","op":"order","args":[{order}]}}"#));
        let reply = json(&reply);
        let of_order = reply["data"][0]["sCode"].as_str().map(str::to_owned);
        (reply["code"].as_str().unwrap().to_owned(), of_order)
    };
    let unknown = ("1".to_owned(), Some("51001".to_owned()));
    assert_eq!(ask(r#""instIdCode":20001,"#), ("0".to_owned(), Some("0".to_owned())));
    assert_eq!(ask(r#""instIdCode":99,"#), unknown);
    assert_eq!(ask(r#""instIdCode":"20001","#), unknown);
    assert_eq!(ask(r#""instId":"BTC-USDT","#), unknown, "the name is ignored");
    assert_eq!(ask(""), ("60013".to_owned(), None));
    let body = format!(r#"{{"instIdCode":20001,"tdMode":"cash",{LIMIT_BUY}}}"#);
    assert_eq!(rig.post("/trade/order", &body)["code"], "51000");
    let body = format!(r#"{{"instId":"XYZ-USDT","tdMode":"cash",{LIMIT_BUY}}}"#);
    assert_eq!(rig.post("/trade/order", &body)["data"][0]["sCode"], "51001");
}

#[test]
fn operations_need_a_login_an_id_and_the_private_address() {
    let mut rig = Rig::with_book();
    let order = format!(r#"{{"instIdCode":{BTC},"tdMode":"cash",{LIMIT_BUY}}}"#);
    let text = format!(r#"{{"id":"7","op":"order","args":[{order}]}}"#);
    let code = |answer: &str| json(answer)["code"].as_str().unwrap().to_owned();
    assert_eq!(code(&rig.ask(TRADE, &text)), "60011");
    rig.login(TRADE);
    rig.login(PUBLIC);
    assert_eq!(code(&rig.ask(TRADE, &text)), "0");
    assert_eq!(code(&rig.ask(PUBLIC, &text)), "60012");
    assert_eq!(code(&rig.ask(TRADE, &text.replace(r#""id":"7","#, ""))), "60013");
    assert_eq!(code(&rig.ask(TRADE, &text.replace(r#""7""#, r#""a b""#))), "60013");
    let late = text.replace(r#""op""#, &format!(r#""expTime":"{}","op""#, NOW - 1));
    let reply = json(&rig.ask(TRADE, &late));
    assert_eq!((&reply["code"], &reply["data"]), (&json("\"50036\""), &json("[]")));
    let timely = text.replace(r#""op""#, &format!(r#""expTime":"{NOW}","op""#));
    assert_eq!(code(&rig.ask(TRADE, &timely)), "0");
}

#[test]
fn amendments_that_fail_leave_the_order_or_take_it_with_them() {
    let mut rig = Rig::with_book();
    rig.listen();
    rig.place(&format!(r#"{LIMIT_BUY},"clOrdId":"a1""#));
    rig.told();
    let mut amend = |fields: &str| {
        let reply = rig.operate("amend-order", &format!(r#""clOrdId":"a1",{fields}"#));
        reply["data"][0]["sCode"].as_str().unwrap().to_owned()
    };
    assert_eq!(amend(r#""reqId":"r1""#), "51000", "nothing to change");
    assert_eq!(amend(r#""newSz":"0.01""#), "51000", "nothing changes");
    assert_eq!(amend(r#""newSz":"0.010000001""#), "51121");
    assert_eq!(amend(r#""newSz":"5""#), "51008");
    assert_eq!(amend(r#""newPx":"67000""#), "51137");
    assert_eq!(amend(r#""newPx":"64000.05""#), "51000");
    assert_eq!(rig.told(), Vec::<Value>::new());
    let fields = r#""clOrdId":"a1","newSz":"5","cxlOnFail":true,"reqId":"r2""#;
    let reply = rig.operate("amend-order", fields);
    assert_eq!(reply["data"][0]["sCode"], "51008");
    let told = rig.told();
    let names = ["state", "cancelSource", "amendResult", "reqId"];
    assert_eq!(texts(&told[0], names), ["canceled", "1", "1", "r2"]);
    let gone = rig.operate("amend-order", r#""clOrdId":"a1","newSz":"0.02""#);
    assert_eq!(gone["data"][0]["sCode"], "51503");
    rig.place(r#""side":"buy","ordType":"post_only","px":"64999","sz":"0.1","clOrdId":"p1""#);
    let crossing = rig.operate("amend-order", r#""clOrdId":"p1","newPx":"65000.1""#);
    assert_eq!(crossing["data"][0]["sCode"], "51511");
}

#[test]
fn a_cancel_that_crosses_a_fill_is_accepted_and_nothing_comes_of_it() {
    let mut rig = Rig::with_book();
    rig.listen();
    rig.place(r#""side":"buy","ordType":"limit","px":"65000.1","sz":"0.1","clOrdId":"f1""#);
    rig.told();
    rig.now += 4;
    assert_eq!(rig.operate("cancel-order", r#""clOrdId":"f1""#)["code"], "0");
    assert_eq!(rig.told(), Vec::<Value>::new());
    rig.now += 1;
    let late = rig.operate("cancel-order", r#""clOrdId":"f1""#);
    assert_eq!(late["data"][0]["sCode"], "51400");
    let unknown = rig.operate("cancel-order", r#""clOrdId":"nobody""#);
    assert_eq!(unknown["data"][0]["sCode"], "51402");
    let unnamed = rig.operate("cancel-order", r#""tag":"x""#);
    assert_eq!(unnamed["data"][0]["sCode"], "51000");
}

#[test]
fn an_order_that_meets_its_own_account_cancels_the_maker() {
    let mut rig = Rig::with_book();
    rig.listen();
    rig.place(r#""side":"buy","ordType":"limit","px":"65000","sz":"0.1","clOrdId":"m1""#);
    rig.told();
    rig.place(r#""side":"sell","ordType":"limit","px":"65000","sz":"0.1","clOrdId":"t1""#);
    let told = rig.told();
    let ends: Vec<_> =
        told.iter().map(|row| texts(row, ["clOrdId", "state", "cancelSource"]).join(",")).collect();
    assert_eq!(ends, ["t1,live,", "m1,canceled,32"]);
}

#[test]
fn orders_are_limited_by_instrument_and_operation() {
    let mut rig = Rig::with(limits(2));
    rig.fill_book();
    rig.login(TRADE);
    let place = format!(r#""tdMode":"cash",{LIMIT_BUY}"#);
    assert_eq!(rig.operate("order", &place)["code"], "0");
    let body = format!(r#"{{"instId":"BTC-USDT","tdMode":"cash",{LIMIT_BUY}}}"#);
    assert_eq!(rig.post("/trade/order", &body)["code"], "0", "both ways share a budget");
    let refused = rig.operate("order", &place);
    assert_eq!((&refused["code"], &refused["data"]), (&json("\"50011\""), &json("[]")));
    let request = rig.signed("POST", "/trade/order", &body);
    let reply = rig.send(&request);
    assert_eq!((reply.status, &json(&reply.body)["code"]), (429, &json("\"50011\"")));
    assert_eq!(rig.operate("cancel-order", r#""clOrdId":"x""#)["data"][0]["sCode"], "51402");
    rig.now += 2_000;
    assert_eq!(rig.operate("order", &place)["code"], "0");
}

#[test]
fn a_batch_has_up_to_twenty_orders_and_each_its_own_row() {
    let mut rig = Rig::with_book();
    rig.login(TRADE);
    let order = |size: &str| {
        format!(
            r#"{{"instIdCode":{BTC},"tdMode":"cash","side":"buy","ordType":"limit","px":"64000","sz":"{size}"}}"#
        )
    };
    let mut ask = |orders: &[String]| {
        let text = format!(r#"{{"id":"7","op":"batch-orders","args":[{}]}}"#, orders.join(","));
        json(&rig.ask(TRADE, &text))
    };
    let reply = ask(&[order("0.01"), order("5"), order("0.02")]);
    let codes: Vec<_> =
        reply["data"].as_array().unwrap().iter().map(|row| row["sCode"].clone()).collect();
    assert_eq!(
        (&reply["code"], codes),
        (&json("\"2\""), vec![json("\"0\""), json("\"51008\""), json("\"0\"")])
    );
    assert_eq!(ask(&vec![order("0.01"); 20])["code"], "0");
    assert_eq!(ask(&vec![order("0.01"); 21])["code"], "60013");
    assert_eq!(ask(&[])["code"], "60013");
}

#[test]
fn an_order_may_be_live_though_its_request_timed_out() {
    let mut rig = Rig::with(OkxOptions { timeout_every: 2, ..OkxOptions::default() });
    rig.fill_book();
    rig.listen();
    assert_eq!(rig.operate("order", &format!(r#""tdMode":"cash",{LIMIT_BUY}"#))["code"], "0");
    let place = format!(r#""tdMode":"cash","clOrdId":"lost",{LIMIT_BUY}"#);
    let lost = rig.operate("order", &place);
    assert_eq!((&lost["code"], &lost["data"]), (&json("\"50004\""), &json("[]")));
    assert_eq!(rig.told().len(), 2);
    let found = rig.get("/trade/order", "instId=BTC-USDT&clOrdId=lost");
    assert_eq!(found["data"][0]["state"], "live");
}

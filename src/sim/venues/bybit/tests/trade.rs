//! The trade socket.

use super::*;

const CONN: &str = r#""connId":"sim000000000003-0003""#;
const TRACE: u64 = NOW;

fn request(id: &str, op: &str, args: &str) -> String {
    format!(
        r#"{{"reqId":"{id}","header":{{"X-BAPI-TIMESTAMP":"1700000000000","X-BAPI-RECV-WINDOW":"5000"}},"op":"{op}","args":[{args}]}}"#
    )
}

fn order(link: &str, fields: &str) -> String {
    format!(r#"{{"category":"spot","symbol":"BTCUSDT","orderLinkId":"{link}"{fields}}}"#)
}

const RESTS: &str = r#","side":"Buy","orderType":"Limit","qty":"0.01","price":"64000""#;

fn reply(id: &str, code: u32, text: &str, op: &str, data: &str, left: u32) -> String {
    let trace = super::super::sockets::trace_id(TRACE);
    format!(
        concat!(
            r#"{{"reqId":"{}","retCode":{},"retMsg":"{}","op":"{}","data":{},"retExtInfo":{{}},"#,
            r#""header":{{"X-Bapi-Limit":"2000","X-Bapi-Limit-Status":"{}","#,
            r#""X-Bapi-Limit-Reset-Timestamp":"1700000000000","Traceid":"{}","#,
            r#""Timenow":"1700000000000"}},{}}}"#,
        ),
        id, code, text, op, data, left, trace, CONN
    )
}

#[test]
fn orders_are_created_amended_and_cancelled() {
    let mut rig = Rig::with_book();
    let welcome = format!(r#"{{"retCode":0,"retMsg":"OK","op":"auth",{CONN}}}"#);
    assert_eq!(rig.login(TRADE), welcome);
    let data = r#"{"orderId":"1900000010000000001","orderLinkId":"w1"}"#;
    let created = rig.ask(TRADE, &request("r1", "order.create", &order("w1", RESTS)));
    assert_eq!(created, reply("r1", 0, "OK", "order.create", data, 1999));
    let amended =
        rig.ask(TRADE, &request("r2", "order.amend", &order("w1", r#","price":"64001""#)));
    assert_eq!(amended, reply("r2", 0, "OK", "order.amend", data, 1999));
    let cancelled = rig.ask(TRADE, &request("r3", "order.cancel", &order("w1", "")));
    assert_eq!(cancelled, reply("r3", 0, "OK", "order.cancel", data, 1999));
    let again = rig.ask(TRADE, &request("r4", "order.cancel", &order("w1", "")));
    let text = "Order has been canceled.";
    assert_eq!(again, reply("r4", 170142, text, "order.cancel", "{}", 1998));
    // Without an id of the request none comes back.
    let anonymous = request("x", "order.cancel", &order("w2", "")).replace(r#""reqId":"x","#, "");
    let answer = rig.ask(TRADE, &anonymous);
    assert!(
        answer.starts_with(r#"{"retCode":170213,"retMsg":"Order does not exist.""#),
        "{answer}"
    );
}

#[test]
fn batches_carry_their_lists() {
    let mut rig = Rig::with_book();
    rig.login(TRADE);
    let item = format!(r#"{{"symbol":"BTCUSDT","orderLinkId":"k1"{RESTS}}}"#);
    let body = format!(r#"{{"category":"spot","request":[{item},{item}]}}"#);
    let answer = rig.ask(TRADE, &request("b", "order.create-batch", &body));
    let data = concat!(
        r#""data":{"list":[{"category":"spot","symbol":"BTCUSDT","orderId":"1900000010000000001","#,
        r#""orderLinkId":"k1","createAt":"1700000000000"},{"category":"spot","symbol":"BTCUSDT","#,
        r#""orderId":"","orderLinkId":"k1","createAt":""}]},"retExtInfo":{"list":["#,
        r#"{"code":0,"msg":"OK"},{"code":170141,"msg":"Duplicate clientOrderId."}]},"header":{"#,
        r#""X-Bapi-Limit":"2000","X-Bapi-Limit-Status":"1998","#,
    );
    assert!(answer.contains(data), "{answer}");
    let body = r#"{"category":"spot","request":[{"symbol":"BTCUSDT","orderLinkId":"k1"}]}"#;
    let answer = rig.ask(TRADE, &request("c", "order.cancel-batch", body));
    assert!(answer.contains(r#""retExtInfo":{"list":[{"code":0,"msg":"OK"}]}"#), "{answer}");
}

#[test]
fn requests_are_checked_before_orders_are() {
    let mut rig = Rig::with_book();
    let create = |id: &str| request(id, "order.create", &order("q", RESTS));
    assert_eq!(code(&rig.ask(TRADE, &create("1"))).0, 10005, "not logged in");
    let expires = NOW + 10_000;
    let bad = format!(r#"{{"op":"auth","args":["test_api_key",{expires},"{}"]}}"#, "0".repeat(64));
    assert_eq!(code(&rig.ask(TRADE, &bad)), (10004, "error sign!".to_owned()));
    assert_eq!(code(&rig.ask(TRADE, r#"{"op":"auth","args":[]}"#)).0, 10001);
    assert_eq!(code(&rig.login(TRADE)).0, 0);
    assert_eq!(code(&rig.login(TRADE)), (20001, "Repeat auth".to_owned()));
    let mut ask = |text: &str| code(&rig.ask(TRADE, text));
    assert_eq!(ask(&create("2")).0, 0);
    assert_eq!(ask(&create("2")), (20006, "Duplicate reqId".to_owned()));
    assert_eq!(ask(&create("3")).0, 170141);
    assert_eq!(ask(&create("1234567890123456789012345678901234567")).0, 170130);
    let op = "op type is not found or category is not correct/supported".to_owned();
    assert_eq!(ask(&request("4", "order.explode", "{}")), (10404, op.clone()));
    let inverse = order("q2", RESTS).replace("spot", "inverse");
    assert_eq!(ask(&request("5", "order.create", &inverse)), (10404, op));
    assert_eq!(ask(&request("6", "order.create", "")).0, 170130);
    assert_eq!(ask(&request("7", "order.create", "{},{}")).0, 170130);
    assert_eq!(ask("broken").0, 10404);
    let stale = create("8").replace("1700000000000", "1699999994999");
    let text = "invalid request, please check your server timestamp or recv_window param. \
                req_timestamp[1699999994999],server_timestamp[1700000000000],recv_window[5000]";
    assert_eq!(ask(&stale), (10002, text.to_owned()));
    let ahead = create("9").replace("1700000000000", "1700000001000");
    assert_eq!(ask(&ahead).0, 10002);
    let none = create("10").replace("X-BAPI-TIMESTAMP", "X-NOTHING");
    assert_eq!(ask(&none), (10001, "X-BAPI-TIMESTAMP is required.".to_owned()));
    // Numbers are taken where texts are documented: the official client sends them.
    let number = create("11").replace(r#""1700000000000""#, "1700000000000");
    assert_eq!(ask(&number).0, 170141);
}

#[test]
fn pings_are_answered() {
    let mut rig = Rig::new();
    let pong = |id: &str| {
        format!(r#"{{{id}"retCode":0,"retMsg":"OK","op":"pong","data":["1700000000000"],{CONN}}}"#)
    };
    assert_eq!(rig.ask(TRADE, r#"{"op":"ping"}"#), pong(""));
    assert_eq!(rig.ask(TRADE, r#"{"reqId":"9","op":"ping"}"#), pong(r#""reqId":"9","#));
}

#[test]
fn limits_are_shared_with_rest_and_told_in_the_header() {
    let mut rig = Rig::with(limits(2));
    rig.fill_book();
    rig.login(TRADE);
    rig.create(&RESTS[1..]);
    let answer = rig.ask(TRADE, &request("l1", "order.create", &order("l1", RESTS)));
    assert_eq!((code(&answer).0, member(&answer, "X-Bapi-Limit-Status")), (0, "0".to_owned()));
    let answer = rig.ask(TRADE, &request("l2", "order.create", &order("l2", RESTS)));
    let text = "Too many visits. Exceeded the API Rate Limit.".to_owned();
    assert_eq!(code(&answer), (10006, text));
    assert_eq!(member(&answer, "X-Bapi-Limit-Reset-Timestamp"), "1700000001000");
    let options = BybitOptions {
        limits: BybitLimits { sockets: 0, ..BybitLimits::venue() },
        ..BybitOptions::default()
    };
    let mut rig = Rig::with(options);
    rig.login(TRADE);
    let answer = rig.ask(TRADE, &request("l3", "order.create", &order("l3", RESTS)));
    assert_eq!(code(&answer).0, 10403);
}

#[test]
fn a_server_about_to_go_takes_no_orders_on_the_sockets_it_has() {
    let mut rig = Rig::with_book();
    rig.login(TRADE);
    rig.wire.on_announce_shutdown(NOW, &mut Vec::new());
    let answer = rig.ask(TRADE, &request("1", "order.create", &order("d", RESTS)));
    let (number, text) = code(&answer);
    assert_eq!(number, 10019);
    assert!(text.starts_with("ws trade service is restarting, do not accept new request"));
    assert!(rig.ask(TRADE, r#"{"op":"ping"}"#).contains("pong"));
    rig.open(ConnId(5), "/v5/trade", "").unwrap();
    rig.login(ConnId(5));
    let answer = rig.ask(ConnId(5), &request("1", "order.create", &order("d", RESTS)));
    assert_eq!(code(&answer).0, 0);
}

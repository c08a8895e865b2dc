//! Signed requests, queries and their pages, timers.

use super::*;

const ORDER: &str = r#"{"instId":"BTC-USDT","tdMode":"cash","side":"buy","ordType":"limit","px":"64000","sz":"0.01","clOrdId":"CLIENT"}"#;

fn place(rig: &mut Rig, client: &str) -> String {
    let reply = rig.post("/trade/order", &ORDER.replace("CLIENT", client));
    assert_eq!(reply["code"], "0", "{reply}");
    reply["data"][0]["ordId"].as_str().unwrap().to_owned()
}

#[test]
fn a_request_must_be_signed_as_it_is_sent() {
    let mut rig = Rig::with_book();
    let good = rig.signed("GET", "/account/balance", "ccy=BTC");
    let with = |name: &str, value: &str| {
        let mut request = good.clone();
        for (header, text) in &mut request.headers {
            if header == name {
                value.clone_into(text);
            }
        }
        request
    };
    let other_query = HttpRequest { query: "ccy=ETH".to_owned(), ..good.clone() };
    let other_body = HttpRequest { body: "{}".to_owned(), ..good.clone() };
    let demo = OkxOptions { demo: Some(true), ..OkxOptions::default() };
    for (request, status, code) in [
        (good.clone(), 200, "0"),
        (with("ok-access-key", ""), 401, "50103"),
        (with("ok-access-passphrase", ""), 401, "50104"),
        (with("ok-access-sign", ""), 401, "50106"),
        (with("ok-access-timestamp", ""), 401, "50107"),
        (with("ok-access-timestamp", "1700000000000"), 401, "50112"),
        (with("ok-access-timestamp", "2023-11-14T22:12:49.999Z"), 401, "50102"),
        (with("ok-access-timestamp", "2023-11-14T22:13:50.001Z"), 401, "50102"),
        (with("ok-access-timestamp", "2023-11-14T22:13:21.000Z"), 401, "50113"),
        (with("ok-access-key", "nobody"), 401, "50119"),
        (with("ok-access-key", "other_key"), 200, "0"),
        (with("ok-access-passphrase", "wrong"), 401, "50105"),
        (with("ok-access-sign", "AAAA"), 401, "50113"),
        (other_query, 401, "50113"),
        (other_body, 401, "50113"),
    ] {
        let reply = rig.send(&request);
        assert_eq!((reply.status, &json(&reply.body)["code"]), (status, &Value::from(code)));
    }
    let mut rig = Rig::with(demo);
    let code = |reply: HttpReply| json(&reply.body)["code"].as_str().unwrap().to_owned();
    assert_eq!(code(rig.send(&good)), "50101");
    let mut marked = good;
    marked.headers.push(("x-simulated-trading".to_owned(), "1".to_owned()));
    assert_eq!(code(rig.send(&marked)), "0");
}

#[test]
fn unknown_paths_and_methods_are_not_found() {
    let mut rig = Rig::new();
    for (method, path) in [("GET", "/trade/nothing"), ("POST", "/account/balance"), ("DELETE", "")]
    {
        let request = rig.signed(method, path, "");
        assert_eq!(rig.send(&request).status, 404, "{method} {path}");
    }
}

#[test]
fn paths_have_their_own_limits() {
    let limits = OkxLimits { connects: 3, ..OkxLimits::venue() };
    let mut rig = Rig::with(OkxOptions { limits, ..OkxOptions::default() });
    for _ in 0..10 {
        assert_eq!(rig.public("/public/time", "")["code"], "0");
    }
    assert_eq!(rig.public("/public/time", "")["code"], "50011");
    assert_eq!(rig.public("/market/books", "instId=BTC-USDT")["code"], "0");
    rig.now += 2_000;
    assert_eq!(rig.public("/public/time", "")["data"][0]["ts"], rig.now.to_string());
    rig.wire.on_ban(rig.now + 1_000);
    assert_eq!(rig.get("/account/config", "")["code"], "50011");
}

#[test]
fn orders_are_found_by_either_id_until_they_are_purged() {
    let mut rig = Rig::with_book();
    let id = place(&mut rig, "q1");
    rig.publish();
    for query in ["clOrdId=q1".to_owned(), format!("ordId={id}"), format!("ordId={id}&clOrdId=z")] {
        let found = rig.get("/trade/order", &format!("instId=BTC-USDT&{query}"));
        assert_eq!(found["data"][0]["ordId"], id, "{found}");
    }
    let code = |rig: &mut Rig, query: &str| {
        rig.get("/trade/order", query)["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(code(&mut rig, "instId=BTC-USDT&clOrdId=q2"), "51603");
    assert_eq!(code(&mut rig, "instId=ETH-USDT&clOrdId=q1"), "51603");
    assert_eq!(code(&mut rig, "instId=XYZ-USDT&clOrdId=q1"), "51001");
    assert_eq!(code(&mut rig, "clOrdId=q1"), "50014");
    assert_eq!(code(&mut rig, "instId=BTC-USDT"), "51603");
    rig.post("/trade/cancel-order", r#"{"instId":"BTC-USDT","clOrdId":"q1"}"#);
    rig.publish();
    let found = rig.get("/trade/order", "instId=BTC-USDT&clOrdId=q1");
    assert_eq!(texts(&found["data"][0], ["state", "cancelSource"]), ["canceled", "1"]);
    assert_eq!(rig.get("/trade/orders-history", "instType=SPOT")["data"][0]["ordId"], id);
    rig.now += 2 * 3_600_000;
    assert_eq!(code(&mut rig, "instId=BTC-USDT&clOrdId=q1"), "51603", "two hours later");
    assert_eq!(rig.get("/trade/orders-history", "instType=SPOT")["data"], json("[]"));
    assert_eq!(rig.get("/trade/orders-history", "")["code"], "50014");
}

fn ids(reply: &Value, name: &str) -> Vec<String> {
    let rows = reply["data"].as_array().unwrap();
    rows.iter().map(|row| row[name].as_str().unwrap().to_owned()).collect()
}

#[test]
fn pages_go_back_from_the_newest() {
    let mut rig = Rig::with_book();
    let all: Vec<String> =
        (0..5).map(|place_of| place(&mut rig, &format!("p{place_of}"))).collect();
    rig.publish();
    let newest: Vec<String> = all.iter().rev().cloned().collect();
    let page = |rig: &mut Rig, query: &str| ids(&rig.get("/trade/orders-pending", query), "ordId");
    assert_eq!(page(&mut rig, ""), newest);
    assert_eq!(page(&mut rig, "limit=2"), newest[..2]);
    assert_eq!(page(&mut rig, &format!("limit=2&after={}", newest[1])), newest[2..4]);
    assert_eq!(page(&mut rig, &format!("before={}", newest[1])), newest[..1]);
    assert_eq!(page(&mut rig, "instId=ETH-USDT"), [""; 0]);
    assert_eq!(page(&mut rig, "instType=SWAP"), [""; 0]);
    assert_eq!(page(&mut rig, "ordType=post_only,limit&state=live").len(), 5);
    assert_eq!(rig.get("/trade/orders-pending", "limit=0")["code"], "51000");
    assert_eq!(rig.get("/trade/orders-pending", "after=x")["code"], "51000");
    for _ in 0..3 {
        rig.exchange.background_trade("BTC-USDT", Side::Sell, dec("64000"), dec("0.01"), rig.now);
        rig.now += 1;
    }
    rig.publish();
    let fills = rig.get("/trade/fills", "instType=SPOT&limit=2");
    let bills = ids(&fills, "billId");
    assert_eq!(ids(&fills, "ordId"), [all[2].clone(), all[1].clone()]);
    let older = rig.get("/trade/fills-history", &format!("after={}", bills[1]));
    assert_eq!(ids(&older, "ordId"), [all[0].clone()]);
    let newer = rig.get("/trade/fills", &format!("before={}", bills[1]));
    assert_eq!(ids(&newer, "billId"), [bills[0].clone()]);
    let since = rig.get("/trade/fills", &format!("begin={}", NOW + 2));
    assert_eq!(ids(&since, "billId"), [bills[0].clone()]);
    let of_one = rig.get("/trade/fills", &format!("ordId={}", all[0]));
    assert_eq!(ids(&of_one, "ordId"), [all[0].clone()]);
}

#[test]
fn a_timer_cancels_everything_unless_it_is_moved() {
    let mut rig = Rig::with_book();
    rig.listen();
    place(&mut rig, "t1");
    rig.told();
    let set = |rig: &mut Rig, seconds: &str| {
        let body = format!(r#"{{"timeOut":"{seconds}"}}"#);
        rig.post("/trade/cancel-all-after", &body)
    };
    let after = set(&mut rig, "10");
    assert_eq!(texts(&after["data"][0], ["triggerTime", "ts"]), ["1700000010000", "1700000000000"]);
    assert_eq!(set(&mut rig, "9")["code"], "51000");
    assert_eq!(set(&mut rig, "121")["code"], "51000");
    rig.pass(9_000);
    set(&mut rig, "10");
    rig.pass(9_999);
    assert_eq!(rig.told(), Vec::<Value>::new());
    rig.pass(1);
    let told = rig.told();
    assert_eq!(texts(&told[0], ["state", "cancelSource"]), ["canceled", "20"]);
    place(&mut rig, "t2");
    set(&mut rig, "10");
    rig.pass(1_000);
    set(&mut rig, "0");
    rig.pass(20_000);
    assert_eq!(rig.told().len(), 1, "it lives");
}

#[test]
fn instruments_state_their_units() {
    let mut rig = Rig::new();
    let swap = rig.public("/public/instruments", "instType=SWAP");
    let names = [
        "instId",
        "ctVal",
        "ctMult",
        "ctType",
        "ctValCcy",
        "settleCcy",
        "lotSz",
        "minSz",
        "tickSz",
        "lever",
        "uly",
        "baseCcy",
    ];
    let expected = [
        "BTC-USDT-SWAP",
        "0.01",
        "1",
        "linear",
        "BTC",
        "USDT",
        "0.01",
        "0.01",
        "0.1",
        "100",
        "BTC-USDT",
        "",
    ];
    assert_eq!(texts(&swap["data"][0], names), expected);
    assert_eq!(swap["data"][0]["instIdCode"], 10_459);
    shapes::covers(&swap, "rest_instruments_swap");
    let spot = rig.public("/public/instruments", "instType=SPOT&instId=ETH-USDT");
    let names = ["instId", "baseCcy", "quoteCcy", "lotSz", "minSz", "tickSz", "ctVal", "state"];
    let expected = ["ETH-USDT", "ETH", "USDT", "0.00000001", "0.00001", "0.01", "", "live"];
    assert_eq!(texts(&spot["data"][0], names), expected);
    assert_eq!(rig.public("/public/instruments", "")["code"], "50014");
    assert_eq!(rig.public("/public/instruments", "instType=STOCKS")["code"], "51000");
    assert_eq!(rig.public("/public/instruments", "instType=FUTURES")["data"], json("[]"));
    assert_eq!(rig.public("/public/instruments", "instType=SPOT&instId=X")["code"], "51001");
    let fees = rig.get("/account/trade-fee", "instType=SWAP&instId=BTC-USDT-SWAP");
    assert_eq!(texts(&fees["data"][0], ["maker", "taker"]), ["-0.0002", "-0.0005"]);
    let tiers = rig.public("/public/position-tiers", "instType=SWAP&instFamily=BTC-USDT");
    assert_eq!(texts(&tiers["data"][0], ["mmr", "imr", "maxLever"]), ["0.005", "0.01", "100"]);
    let mode = rig.post("/account/set-position-mode", r#"{"posMode":"long_short_mode"}"#);
    assert_eq!(mode["code"], "51000");
}

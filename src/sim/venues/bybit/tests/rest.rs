//! Keys, clocks, envelopes, limits and public endpoints.

use super::*;

fn envelope(result: &str) -> String {
    format!(
        r#"{{"retCode":0,"retMsg":"OK","result":{result},"retExtInfo":{{}},"time":1700000000000}}"#
    )
}

fn failure(code: u32, text: &str) -> String {
    format!(
        r#"{{"retCode":{code},"retMsg":"{text}","result":{{}},"retExtInfo":{{}},"time":1700000000000}}"#
    )
}

#[test]
fn the_time_is_told() {
    let body = Rig::new().public("/v5/market/time", "");
    let result = r#"{"timeSecond":"1700000000","timeNano":"1700000000000000000"}"#;
    assert_eq!(body, envelope(result));
}

#[test]
fn instruments_are_listed_with_their_rules() {
    let mut rig = Rig::new();
    let body = rig.public("/v5/market/instruments-info", "category=spot&symbol=BTCUSDT");
    let row = concat!(
        r#"{"symbolId":1,"symbol":"BTCUSDT","baseCoin":"BTC","quoteCoin":"USDT","#,
        r#""innovation":"0","status":"Trading","marginTrading":"utaOnly","stTag":"0","#,
        r#""lotSizeFilter":{"basePrecision":"0.000001","quotePrecision":"0.0000001","#,
        r#""minOrderQty":"0.000011","maxOrderQty":"83","minOrderAmt":"5","#,
        r#""maxOrderAmt":"8000000","maxLimitOrderQty":"83","maxMarketOrderQty":"41.5","#,
        r#""postOnlyMaxLimitOrderSize":"83"},"priceFilter":{"tickSize":"0.1"},"#,
        r#""riskParameters":{"priceLimitRatioX":"0.05","priceLimitRatioY":"0.05"},"#,
        r#""symbolType":""}"#,
    );
    assert_eq!(body, envelope(&format!(r#"{{"category":"spot","list":[{row}]}}"#)));
    let all = rig.public("/v5/market/instruments-info", "category=spot");
    assert!(all.contains(row) && all.contains(r#""symbol":"ETHUSDT""#));
    let unknown = rig.public("/v5/market/instruments-info", "category=spot&symbol=NOPE");
    assert_eq!(unknown, failure(10001, "Not supported symbols"));
    let inverse = rig.public("/v5/market/instruments-info", "category=inverse");
    assert_eq!(inverse, failure(10001, "Illegal category"));
}

#[test]
fn the_book_comes_with_the_counter_of_the_deepest_stream() {
    let mut rig = Rig::with_book();
    let body = rig.public("/v5/market/orderbook", "category=spot&symbol=BTCUSDT&limit=1");
    let seq = member(&body, "seq");
    let expected = format!(
        r#"{{"s":"BTCUSDT","b":[["64999.9","0.5"]],"a":[["65000.1","0.25"]],"ts":1700000000000,"u":4000001,"seq":{seq},"cts":1700000000000}}"#
    );
    assert_eq!(body, envelope(&expected));
    rig.say(PUBLIC, r#"{"op":"subscribe","args":["orderbook.1000.BTCUSDT"]}"#);
    rig.exchange.set_level("BTCUSDT", Side::Buy, dec("64998"), dec("3"), rig.now);
    rig.now += 200;
    rig.publish();
    let (_, delta) = rig.taken().remove(0);
    assert_eq!(member(&delta, "u"), "4000002");
    let body = rig.public("/v5/market/orderbook", "category=spot&symbol=BTCUSDT&limit=200");
    assert_eq!(member(&body, "u"), "4000002");
    assert!(body.contains(r#""b":[["64999.9","0.5"],["64999","1"],["64998","3"]]"#), "{body}");
    let none = rig.public("/v5/market/orderbook", "category=spot&symbol=BTCUSDT&limit=1001");
    assert_eq!(code(&none), (10001, "params error: limit invalid".to_owned()));
}

#[test]
fn trades_and_tickers_are_told() {
    let mut rig = Rig::with_book();
    let trades = rig.public("/v5/market/recent-trade", "category=spot&symbol=BTCUSDT&limit=60");
    let seq = member(&trades, "seq");
    let row = format!(
        r#"{{"execId":"2100000000001000001","symbol":"BTCUSDT","price":"65000","size":"0.01","side":"Buy","time":"1700000000000","isBlockTrade":false,"isRPITrade":false,"seq":"{seq}"}}"#
    );
    assert_eq!(trades, envelope(&format!(r#"{{"category":"spot","list":[{row}]}}"#)));
    let ticker = rig.public("/v5/market/tickers", "category=spot&symbol=BTCUSDT");
    let row = concat!(
        r#"{"symbol":"BTCUSDT","bid1Price":"64999.9","bid1Size":"0.5","#,
        r#""ask1Price":"65000.1","ask1Size":"0.25","lastPrice":"65000","#,
        r#""prevPrice24h":"65000","price24hPcnt":"0","highPrice24h":"65000","#,
        r#""lowPrice24h":"65000","turnover24h":"650","volume24h":"0.01","usdIndexPrice":"65000"}"#,
    );
    assert_eq!(ticker, envelope(&format!(r#"{{"category":"spot","list":[{row}]}}"#)));
    let candles = rig.public("/v5/market/kline", "category=spot&symbol=BTCUSDT&interval=1");
    let fixture = include_str!("../../../../../tests/fixtures/bybit/rest_kline_inverse.json");
    crate::sim::venues::shapes::compare(&candles, fixture, &[]);
    let mut read = |query: &str| -> Vec<serde_json::Value> {
        let answer =
            rig.public("/v5/market/kline", &format!("category=spot&symbol=BTCUSDT&{query}"));
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        answer["result"]["list"].as_array().unwrap().clone()
    };
    let now = NOW - NOW % 60_000;
    let rows = read(&format!("interval=1&start={}&end={now}&limit=5", now - 600_000));
    assert_eq!(rows.len(), 5);
    assert_eq!(rows[0][0], now.to_string(), "newest first");
    assert_eq!(
        (&rows[0][4], &rows[0][5], &rows[0][6]),
        (&"65000".into(), &"0.01".into(), &"650".into())
    );
    assert_eq!(rows[1][4], "65000", "the made-up past ends where trading began");
    let refused = rig.public("/v5/market/kline", "category=spot&symbol=BTCUSDT&interval=2");
    assert!(refused.contains("10001"), "{refused}");
}

/// Requests signed by vectors of the venue's documentation reach the endpoint; bent ones do not.
#[test]
fn signed_requests_are_checked_over_what_was_sent() {
    let post = r#"{"category":"linear","symbol":"BTCUSDT","side":"Buy","orderType":"Limit","qty":"0.001","price":"25000","timeInForce":"PostOnly","orderLinkId":"mm-1-42"}"#;
    let cases = [
        (
            "GET",
            "/v5/order/realtime",
            "category=linear&symbol=BTCUSDT",
            "fd4f31228a46109dc6673062328693696df9a96c7ff04e6491a45e7f63a0fdd7",
        ),
        (
            "POST",
            "/v5/order/create",
            post,
            "f9e1bc5ff454d594bf53ca38f6ff1ff0fdab64c5424e643c25d8a16ae1e104df",
        ),
        (
            "POST",
            "/v5/order/cancel",
            "{\"category\": \"linear\", \"symbol\": \"BTCUSDT\", \"orderLinkId\": \"test-order-1\"}",
            "2df4a0603d69c08d5dea29ba85b46eb7db64ce9e9ebd34a7802a3d69700cb2a1",
        ),
        (
            "GET",
            "/v5/order/history",
            "category=linear&settleCoin=USDT&limit=200&cursor=page_token%3D39380%26",
            "7f0e6426b36478dfdf16dadf914159d09eb3d88b4b8654279912d5b05f805c82",
        ),
    ];
    for (method, path, content, signature) in cases {
        let mut rig = Rig::new();
        let mut request = rig.signed(method, path, content);
        assert_eq!(request.header("x-bapi-sign"), Some(signature), "{path}");
        let body = rig.send(&request).body;
        assert!([0, 10001].contains(&code(&body).0), "{path}: past the signature: {body}");
        let bent = format!("{}{}", &signature[..63], if signature.ends_with('1') { 0 } else { 1 });
        request.headers[3].1 = bent;
        let body = rig.send(&request).body;
        let origin = format!("error sign! origin_string[1700000000000test_api_key5000{content}]");
        let expected = failure(10004, &origin.replace('"', "\\\""));
        assert_eq!(body, expected, "{path}");
    }
}

#[test]
fn keys_and_clocks_are_checked() {
    let mut rig = Rig::new();
    let mut request = rig.signed("GET", "/v5/account/info", "");
    let expected = concat!(
        r#"{"marginMode":"REGULAR_MARGIN","updatedTime":"1700000000000","unifiedMarginStatus":5,"#,
        r#""dcpStatus":"OFF","timeWindow":10,"smpGroup":0,"isMasterTrader":false,"#,
        r#""spotHedgingStatus":"OFF"}"#,
    );
    assert_eq!(rig.send(&request).body, envelope(expected));
    rig.now = NOW + 5_000;
    assert_eq!(code(&rig.send(&request).body).0, 0);
    rig.now = NOW + 5_001;
    let late = "invalid request, please check your server timestamp or recv_window param. \
                req_timestamp[1700000000000],server_timestamp[1700000005001],recv_window[5000]";
    assert_eq!(code(&rig.send(&request).body), (10002, late.to_owned()));
    rig.now = NOW - 999;
    assert_eq!(code(&rig.send(&request).body).0, 0);
    rig.now = NOW - 1_000;
    assert_eq!(code(&rig.send(&request).body).0, 10002);
    rig.now = NOW;
    request.headers[0].1 = "stranger".to_owned();
    assert_eq!(rig.send(&request).body, failure(10003, "API key is invalid."));
    request.headers.clear();
    let empty = "empty value: apiTimestamp[] apiKey[] apiSignature[]";
    assert_eq!(rig.send(&request).body, failure(10001, empty));
}

#[test]
fn limits_are_told_and_kept() {
    let mut rig = Rig::with(limits(2));
    let order = r#"{"category":"spot","symbol":"BTCUSDT","orderLinkId":"none"}"#;
    let mut answers = Vec::new();
    for now in [NOW, NOW + 400, NOW + 900, NOW + 1_000] {
        rig.now = now;
        let request = rig.signed("POST", "/v5/order/cancel", order);
        let reply = rig.send(&request);
        let header = |name: &str| {
            let found = reply.headers.iter().find(|(key, _)| key == name);
            found.unwrap().1.clone()
        };
        let told = ["X-Bapi-Limit", "X-Bapi-Limit-Status", "X-Bapi-Limit-Reset-Timestamp"];
        answers.push((code(&reply.body), told.map(header)));
    }
    let answer =
        |code: i64, text: &str, told: [&str; 3]| ((code, text.to_owned()), told.map(str::to_owned));
    let missing = "Order does not exist.";
    assert_eq!(
        answers,
        [
            answer(170213, missing, ["2", "1", "1700000000000"]),
            answer(170213, missing, ["2", "0", "1700000000400"]),
            answer(
                10006,
                "Too many visits. Exceeded the API Rate Limit.",
                ["2", "0", "1700000001000"]
            ),
            answer(170213, missing, ["2", "0", "1700000001000"]),
        ]
    );
}

#[test]
fn strangers_to_the_protocol_are_turned_away() {
    let mut rig = Rig::new();
    let mut request = rig.signed("GET", "/v5/account/info", "");
    request.body = "{}".to_owned();
    assert_eq!(rig.send(&request).status, 403);
    request.body.clear();
    request.path = "/v5/account/nothing".to_owned();
    assert_eq!(rig.send(&request).status, 404);
    request.path = "/v5/order/create".to_owned();
    assert_eq!(rig.send(&request).status, 404);
    let body = rig.post("/v5/order/create", "{");
    assert_eq!(code(&body), (10001, "params error: body is not JSON".to_owned()));
    let options = BybitOptions {
        limits: BybitLimits { http: 1, ..BybitLimits::venue() },
        ..BybitOptions::default()
    };
    let mut rig = Rig::with(options);
    assert!(rig.public("/v5/market/time", "").contains("timeNano"));
    assert_eq!(rig.public("/v5/market/time", ""), "access too frequent");
}

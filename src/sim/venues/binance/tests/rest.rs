//! The REST form: paths, verbs, headers, limits; and that it shares everything with the ws api.

use super::*;

fn header<'a>(reply: &'a HttpReply, name: &str) -> Option<&'a str> {
    reply.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

#[test]
fn orders_over_rest() {
    let mut venue = Venue::new();
    let placed = venue.rest(
        "POST",
        "/api/v3/order",
        "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.5&price=100&newClientOrderId=r1&newOrderRespType=ACK",
    );
    assert_eq!(placed.status, 200);
    assert_eq!(
        placed.body,
        format!(
            r#"{{"symbol":"BTCUSDT","orderId":10000000001,"orderListId":-1,"clientOrderId":"r1","transactTime":{T}}}"#
        )
    );
    assert_eq!(header(&placed, "X-MBX-ORDER-COUNT-10S"), Some("1"));
    assert_eq!(header(&placed, "X-MBX-ORDER-COUNT-1D"), Some("1"));
    assert_eq!(header(&placed, "X-MBX-USED-WEIGHT-1M"), Some("2"), "2 for the ws api connection");
    let query = venue.rest("GET", "/api/v3/order", "symbol=BTCUSDT&origClientOrderId=r1");
    assert!(query.body.contains(r#""status":"NEW""#), "{}", query.body);
    assert_eq!(header(&query, "X-MBX-USED-WEIGHT-1M"), Some("6"));
    assert_eq!(header(&query, "X-MBX-ORDER-COUNT-10S"), None);
    let amended = venue.rest(
        "PUT",
        "/api/v3/order/amend/keepPriority",
        "symbol=BTCUSDT&origClientOrderId=r1&newQty=0.2&newClientOrderId=r1",
    );
    assert!(
        amended.body.contains(r#""clientOrderId":"r1","price":"100.00000000","qty":"0.20000000""#)
    );
    let open = venue.rest("GET", "/api/v3/openOrders", "symbol=BTCUSDT");
    assert!(open.body.starts_with(r#"[{"symbol":"BTCUSDT""#), "{}", open.body);
    let replaced = venue.rest(
        "POST",
        "/api/v3/order/cancelReplace",
        "symbol=BTCUSDT&cancelReplaceMode=STOP_ON_FAILURE&cancelOrigClientOrderId=r1&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.5&price=101&newClientOrderId=r2",
    );
    assert_eq!(replaced.status, 200, "{}", replaced.body);
    let gone = venue.rest("DELETE", "/api/v3/order", "symbol=BTCUSDT&origClientOrderId=r1");
    assert_eq!(
        (gone.status, gone.body.as_str()),
        (400, r#"{"code":-2011,"msg":"Unknown order sent."}"#)
    );
    let none = venue.rest("DELETE", "/api/v3/openOrders", "symbol=BTCUSDT");
    assert_eq!(none.status, 400);
    let tested = venue.rest(
        "POST",
        "/api/v3/order/test",
        "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.5",
    );
    assert_eq!((tested.status, tested.body.as_str()), (200, "{}"));
}

#[test]
fn parameters_may_come_in_the_body() {
    let mut venue = Venue::new();
    let query = "symbol=BTCUSDT&side=BUY&type=LIMIT";
    let body = format!("timeInForce=GTC&quantity=0.5&price=100&timestamp={T}");
    let signature = hmac_of(SECRET, &format!("{query}{body}"));
    let signed = format!("{body}&signature={signature}");
    let placed = venue.http("POST", "/api/v3/order", query, &signed, Some(KEY));
    assert_eq!(placed.status, 200, "{}", placed.body);
    assert!(placed.body.contains(r#""clientOrderId":""#));
    let wrong = hmac_of(SECRET, &format!("{query}&{body}"));
    let refused =
        venue.http("POST", "/api/v3/order", query, &format!("{body}&signature={wrong}"), Some(KEY));
    assert_eq!(refused.body, r#"{"code":-1022,"msg":"Signature for this request is not valid."}"#);
}

#[test]
fn wrong_paths_and_verbs() {
    let mut venue = Venue::new();
    assert_eq!(venue.http("GET", "/api/v3/nothing", "", "", None).status, 404);
    assert_eq!(venue.http("PUT", "/api/v3/order", "", "", None).status, 405);
    let twice = venue.http("GET", "/api/v3/depth", "symbol=BTCUSDT&symbol=BTCUSDT", "", None);
    assert_eq!(
        (twice.status, twice.body.as_str()),
        (400, r#"{"code":-1101,"msg":"Duplicate values for a parameter detected."}"#)
    );
}

#[test]
fn too_much_weight_is_429_and_then_418() {
    let mut venue = Venue::with(BinanceLimits {
        weight_per_minute: 12,
        refusals_before_ban: 1,
        ..BinanceLimits::documented()
    });
    // 2 for the connection of the ws api, then 5 + 5.
    for _ in 0..2 {
        assert_eq!(venue.http("GET", "/api/v3/depth", "symbol=BTCUSDT", "", None).status, 200);
    }
    let refused = venue.http("GET", "/api/v3/ping", "", "", None);
    assert_eq!(refused.status, 429);
    assert_eq!(
        refused.body,
        r#"{"code":-1003,"msg":"Too much request weight used; current limit is 12 request weight per 1 MINUTE. Please use WebSocket Streams for live updates to avoid polling the API."}"#
    );
    // T is 30 s into a minute.
    assert_eq!(header(&refused, "Retry-After"), Some("30"));
    let banned = venue.http("GET", "/api/v3/ping", "", "", None);
    assert_eq!(banned.status, 418);
    assert_eq!(header(&banned, "Retry-After"), Some("120"));
    let until = T + 120_000;
    assert_eq!(
        banned.body,
        format!(
            r#"{{"code":-1003,"msg":"Way too much request weight used; IP banned until {until}. Please use WebSocket Streams for live updates to avoid bans."}}"#
        )
    );
    let over_ws = only_text(&venue.send(API, r#"{"id":1,"method":"ping"}"#), API).remove(0);
    assert_eq!(
        over_ws,
        format!(
            r#"{{"id":1,"status":418,"error":{{"code":-1003,"msg":"Way too much request weight used; IP banned until {until}. Please use WebSocket Streams for live updates to avoid bans.","data":{{"serverTime":{T},"retryAfter":{until}}}}}}}"#
        )
    );
    assert_eq!(venue.open(ConnId(9), "/ws", "").unwrap_err().status, 418);
    venue.now_ms = until;
    assert_eq!(venue.http("GET", "/api/v3/ping", "", "", None).status, 200);
}

#[test]
fn failed_orders_cost_weight_and_good_ones_do_not() {
    let mut venue = Venue::new();
    let good = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.5";
    let reply = venue.rest("POST", "/api/v3/order", good);
    assert_eq!(header(&reply, "X-MBX-USED-WEIGHT-1M"), Some("2"));
    let reply = venue.rest("POST", "/api/v3/order", &good.replace("0.5", "0.000001"));
    assert_eq!(reply.status, 400);
    assert_eq!(header(&reply, "X-MBX-USED-WEIGHT-1M"), Some("3"));
}

#[test]
fn account_orders_and_trades() {
    let mut venue = Venue::new();
    let place = |venue: &mut Venue, price: &str, qty: &str| {
        let query = format!(
            "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity={qty}&price={price}"
        );
        assert_eq!(venue.rest("POST", "/api/v3/order", &query).status, 200);
        venue.publish();
        venue.now_ms += 10;
    };
    place(&mut venue, "100", "0.5");
    place(&mut venue, "101", "1");
    place(&mut venue, "102", "0.5");
    assert_eq!(
        venue.rest("GET", "/api/v3/account", "omitZeroBalances=true").body,
        format!(
            r#"{{"makerCommission":5,"takerCommission":10,"buyerCommission":0,"sellerCommission":0,"commissionRates":{{"maker":"0.00050000","taker":"0.00100000","buyer":"0.00000000","seller":"0.00000000"}},"canTrade":true,"canWithdraw":true,"canDeposit":true,"brokered":false,"requireSelfTradePrevention":false,"preventSor":false,"updateTime":{},"accountType":"SPOT","balances":[{{"asset":"BTC","free":"11.49850000","locked":"0.00000000"}},{{"asset":"USDT","free":"99798.00000000","locked":"50.00000000"}}],"permissions":["SPOT"],"uid":354937868}}"#,
            T + 20
        )
    );
    let trade = |id: u64, order: u64, price: &str, qty: &str, quote: &str, fee: &str, time: u64| {
        format!(
            r#"{{"symbol":"BTCUSDT","id":{id},"orderId":{order},"orderListId":-1,"price":"{price}.00000000","qty":"{qty}","quoteQty":"{quote}.00000000","commission":"{fee}","commissionAsset":"BTC","time":{time},"isBuyer":true,"isMaker":false,"isBestMatch":true}}"#
        )
    };
    let first = trade(1_000_001, 10_000_000_002, "101", "1.00000000", "101", "0.00100000", T + 10);
    let second = trade(1_000_002, 10_000_000_003, "102", "0.50000000", "51", "0.00050000", T + 20);
    let mut trades =
        |query: &str| venue.rest("GET", "/api/v3/myTrades", &format!("symbol=BTCUSDT{query}")).body;
    assert_eq!(trades(""), format!("[{first},{second}]"));
    assert_eq!(trades("&limit=1"), format!("[{second}]"), "the newest");
    assert_eq!(trades("&fromId=1000001&limit=1"), format!("[{first}]"), "from the id on");
    assert_eq!(trades("&fromId=1000002"), format!("[{second}]"));
    assert_eq!(trades("&orderId=10000000002"), format!("[{first}]"));
    assert_eq!(trades(&format!("&startTime={}", T + 11)), format!("[{second}]"));
    assert_eq!(trades(&format!("&endTime={}", T + 19)), format!("[{first}]"));
    assert_eq!(
        trades("&fromId=1&startTime=1"),
        r#"{"code":-1128,"msg":"Combination of optional parameters invalid."}"#
    );
    assert_eq!(
        trades("&startTime=1&endTime=86400002"),
        r#"{"code":-1127,"msg":"More than 24 hours between startTime and endTime."}"#
    );
    let all = venue.rest("GET", "/api/v3/allOrders", "symbol=BTCUSDT&orderId=10000000002&limit=1");
    assert!(all.body.contains(r#""orderId":10000000002"#), "{}", all.body);
    assert!(!all.body.contains(r#""orderId":10000000003"#), "{}", all.body);
    let newest = venue.rest("GET", "/api/v3/allOrders", "symbol=BTCUSDT&limit=2");
    let parsed: serde_json::Value = serde_json::from_str(&newest.body).unwrap();
    let statuses: Vec<_> =
        parsed.as_array().unwrap().iter().map(|order| order["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["FILLED", "FILLED"]);
    let zero =
        r#"{"maker":"0.00000000","taker":"0.00000000","buyer":"0.00000000","seller":"0.00000000"}"#;
    assert_eq!(
        venue.rest("GET", "/api/v3/account/commission", "symbol=BTCUSDT").body,
        format!(
            r#"{{"symbol":"BTCUSDT","standardCommission":{{"maker":"0.00050000","taker":"0.00100000","buyer":"0.00000000","seller":"0.00000000"}},"specialCommission":{zero},"taxCommission":{zero},"discount":{{"enabledForAccount":false,"enabledForSymbol":false,"discountAsset":"BNB","discount":"0.00000000"}}}}"#
        )
    );
}

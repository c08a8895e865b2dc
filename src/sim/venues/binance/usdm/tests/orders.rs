//! Orders: placing, modifying, cancelling, batches, the countdown, conditional orders.

use super::super::super::super::shapes::compare;
use super::*;

#[test]
fn replies_are_shaped_like_the_venues() {
    let mut venue = venue();
    let placed = venue.call("order.place", &limit("BUY", "0.1", "98.5", ""));
    let optional = ["rateLimits"];
    compare(&placed, fixture!("ws_order_place_response"), &optional);
    let id = json(&placed)["result"]["orderId"].as_u64().unwrap();
    let params = format!(
        r#""symbol":"BTCUSDT","side":"BUY","orderId":{id},"quantity":"0.2","price":"98.4""#
    );
    let modified = venue.call("order.modify", &params);
    compare(&modified, fixture!("ws_order_modify_response"), &optional);
    let named = format!(r#""symbol":"BTCUSDT","orderId":{id}"#);
    // What only trailing stops and newer or older replies have.
    let queried = [
        "rateLimits",
        "activatePrice",
        "priceRate",
        "cumBase",
        "pair",
        "priceMatch",
        "selfTradePreventionMode",
        "goodTillDate",
    ];
    compare(&venue.call("order.status", &named), fixture!("ws_order_status_response"), &queried);
    let cancelled = ["rateLimits", "activatePrice", "priceRate"];
    let reply = venue.call("order.cancel", &named);
    compare(&reply, fixture!("ws_order_cancel_response"), &cancelled);
    let all = venue.rest("GET", "/fapi/v1/allOrders", "symbol=BTCUSDT");
    compare(&all.body, fixture!("rest_all_orders"), &queried);
    let error = venue.call("order.place", r#""symbol":"BTCUSDT","side":"BUY","type":"MARKET""#);
    compare(&error, fixture!("ws_error_bad_param"), &optional);
    assert_eq!(json(&error)["error"]["code"], -1102);
}

#[test]
fn an_ack_says_only_that_it_was_taken_and_a_result_what_came_of_it() {
    let mut venue = venue();
    let ack = venue.result("order.place", &market("BUY", "1", ""));
    assert_eq!((&ack["status"], &ack["executedQty"]), (&"NEW".into(), &"0".into()));
    let result =
        venue.result("order.place", &market("SELL", "1", r#","newOrderRespType":"RESULT""#));
    assert_eq!((&result["status"], &result["executedQty"]), (&"FILLED".into(), &"1".into()));
    let trades = venue.get("/fapi/v1/userTrades", "symbol=BTCUSDT");
    compare(&trades.to_string(), fixture!("rest_user_trades"), &[]);
    assert_eq!(trades[1]["realizedPnl"], "-2.00000000");
    assert_eq!(trades[0]["commission"], "0.05050000");
}

#[test]
fn refusals_have_the_codes_of_this_market() {
    let mut venue = venue();
    let place = "order.place";
    let cases = [
        (limit("BUY", "0.1", "98.55", ""), -4014),
        (limit("BUY", "0.1005", "98.5", ""), -4023),
        (limit("BUY", "0", "98.5", ""), -4003),
        (limit("BUY", "0.01", "98.5", ""), -4164),
        (limit("BUY", "0.1", "120", ""), -4016),
        (limit("SELL", "0.1", "80", ""), -4024),
        (limit("BUY", "500", "98.5", ""), -2019),
        (limit("SELL", "0.1", "105", r#","reduceOnly":"true""#), -2022),
        (limit("BUY", "0.1", "98.5", r#","positionSide":"LONG""#), -4061),
        (limit("BUY", "0.1", "98.5", r#","newClientOrderId":"a b""#), -1100),
        (limit("BUY", "0.1", "101", "").replace("GTC", "GTX"), -5022),
        (limit("BUY", "50", "101", "").replace("GTC", "FOK"), -5021),
        (market("BUY", "1", "").replace("MARKET", "STOP_MARKET"), -4120),
        (market("BUY", "1", "").replace("BTCUSDT", "NOPE"), -1121),
        (market("BUY", "1", "").replace("BUY", "LONG"), -1117),
    ];
    for (params, code) in cases {
        assert_eq!(venue.code(place, &params), code, "{params}");
    }
    let same = limit("BUY", "0.1", "98.5", r#","newClientOrderId":"one""#);
    venue.result(place, &same);
    assert_eq!(venue.code(place, &same), -4116);
    assert_eq!(venue.code("order.cancel", r#""symbol":"BTCUSDT","orderId":1"#), -2011);
    assert_eq!(venue.code("order.status", r#""symbol":"BTCUSDT","orderId":1"#), -2013);
    assert_eq!(venue.code("nothing", ""), -1020);
}

#[test]
fn every_placement_counts_and_none_is_given_back() {
    let mut venue = venue();
    for _ in 0..300 {
        venue.result("order.place", &market("BUY", "0.05", ""));
        venue.exchange.set_level("BTCUSDT", Side::Sell, d("101"), d("10"), T);
        venue.call("order.place", &market("SELL", "0.05", r#","reduceOnly":"x""#));
    }
    assert_eq!(venue.code("order.place", &market("BUY", "0.05", "")), -1015);
    let reply = venue.rest("GET", "/fapi/v1/rateLimit/order", "");
    compare(&reply.body, fixture!("rest_rate_limit_order"), &["count"]);
    let window = json(&reply.body)[1].clone();
    assert_eq!((&window["interval"], &window["limit"]), (&"MINUTE".into(), &1200.into()));
    let reply = venue.rest("GET", "/fapi/v1/time", "");
    assert!(reply.headers.iter().any(|(name, _)| name == "X-MBX-USED-WEIGHT-1M"));
}

#[test]
fn a_modification_loses_its_place_and_may_cancel() {
    let mut venue = venue();
    let order = venue.result("order.place", &limit("BUY", "2", "99", ""));
    venue.exchange.set_level("BTCUSDT", Side::Buy, d("99"), d("12"), T);
    let id = order["orderId"].clone();
    let change = |qty: &str, price: &str| {
        format!(
            r#""symbol":"BTCUSDT","side":"BUY","orderId":{id},"quantity":"{qty}","price":"{price}""#
        )
    };
    assert_eq!(venue.code("order.modify", &change("2", "99")), -5027);
    let reply = venue.result("order.modify", &change("1", "99"));
    assert_eq!((&reply["modifyId"], &reply["origQty"]), (&1.into(), &"1".into()));
    // Twelve stand before it now.
    venue.exchange.background_trade("BTCUSDT", Side::Sell, d("99"), d("12"), T);
    assert_eq!(
        venue.result("order.status", &format!(r#""symbol":"BTCUSDT","orderId":{id}"#))["executedQty"],
        "0"
    );
    venue.exchange.background_trade("BTCUSDT", Side::Sell, d("99"), d("0.5"), T);
    let reply = venue.result("order.modify", &change("0.5", "98"));
    assert_eq!(reply["status"], "CANCELED");
    assert_eq!(venue.code("order.modify", &change("0.7", "98")), -2011);
}

#[test]
fn batches_answer_in_order_whatever_comes_of_each() {
    let mut venue = venue();
    let one = |price: &str| {
        format!(
            r#"{{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC","quantity":"0.1","price":"{price}"}}"#
        )
    };
    let list = format!("[{},{},{}]", one("98.5"), one("98.55"), one("98.4"));
    let list = list.replace('"', "%22").replace('{', "%7B").replace('}', "%7D").replace(',', "%2C");
    let (status, reply) = venue.post("/fapi/v1/batchOrders", &format!("batchOrders={list}"));
    assert_eq!(status, 200);
    assert_eq!((&reply[0]["status"], &reply[1]["code"]), (&"NEW".into(), &(-4014).into()));
    let counts = venue.get("/fapi/v1/rateLimit/order", "");
    assert_eq!((&counts[0]["count"], &counts[1]["count"]), (&3.into(), &1.into()));
    let id = reply[0]["orderId"].as_u64().unwrap();
    let query = format!("symbol=BTCUSDT&orderIdList=%5B{id}%2C7%5D");
    let cancelled = venue.rest("DELETE", "/fapi/v1/batchOrders", &query);
    let optional = ["cumQuote", "activatePrice", "priceRate"];
    compare(&cancelled.body, fixture!("rest_batch_cancel_response"), &optional);
    assert_eq!(json(&cancelled.body)[1]["code"], -2011);
    let all = venue.rest("DELETE", "/fapi/v1/allOpenOrders", "symbol=BTCUSDT");
    compare(&all.body, fixture!("rest_cancel_all_response"), &[]);
}

#[test]
fn the_countdown_cancels_unless_it_is_renewed() {
    let mut venue = venue();
    venue.result("order.place", &limit("BUY", "0.1", "98.5", ""));
    let path = "/fapi/v1/countdownCancelAll";
    let (_, reply) = venue.post(path, "symbol=BTCUSDT&countdownTime=1000");
    compare(&reply.to_string(), fixture!("rest_countdown_cancel_all_response"), &[]);
    venue.pass(900);
    venue.post(path, "symbol=BTCUSDT&countdownTime=1000");
    venue.pass(900);
    assert_eq!(venue.exchange.open_orders(ACCOUNT, None).len(), 1);
    venue.pass(101);
    assert!(venue.exchange.open_orders(ACCOUNT, None).is_empty());
}

#[test]
fn conditional_orders_wait_for_their_trigger() {
    let mut venue = listening();
    let algo = |kind: &str, side: &str, trigger: &str, more: &str| {
        format!(
            r#""algoType":"CONDITIONAL","symbol":"BTCUSDT","side":"{side}","type":"{kind}","triggerPrice":"{trigger}"{more}"#
        )
    };
    let limit = r#","quantity":"1","price":"160""#;
    let reply = venue.call("algoOrder.place", &algo("TAKE_PROFIT", "SELL", "120", limit));
    compare(&reply, fixture!("ws_algo_place_response"), &["rateLimits"]);
    let at_once = algo("STOP_MARKET", "BUY", "99", r#","quantity":"1""#);
    assert_eq!(venue.code("algoOrder.place", &at_once), -2021);
    venue.result("order.place", &market("BUY", "1", ""));
    let stop = algo(
        "STOP_MARKET",
        "SELL",
        "95",
        r#","closePosition":"true","workingType":"MARK_PRICE","clientAlgoId":"s1""#,
    );
    venue.result("algoOrder.place", &stop);
    assert_eq!(venue.get("/fapi/v1/openAlgoOrders", "").as_array().unwrap().len(), 2);
    venue.exchange.set_mark("BTCUSDT", Some(d("94")));
    let out = venue.pass(1_000);
    let heard = Usdm::heard(&out);
    let steps: Vec<_> = heard
        .iter()
        .filter(|(name, _)| name == "ALGO_UPDATE")
        .map(|(_, event)| event["o"]["X"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(steps, ["TRIGGERING", "TRIGGERED", "FINISHED"]);
    assert!(venue.exchange.position(ACCOUNT, "BTCUSDT").unwrap().qty.is_zero());
    let state = venue.get("/fapi/v1/algoOrder", "clientAlgoId=s1");
    assert_eq!(state["algoStatus"], "FINISHED");
    let cancelled = venue.rest("DELETE", "/fapi/v1/algoOpenOrders", "symbol=BTCUSDT");
    assert_eq!(cancelled.status, 200);
    let out = venue.publish();
    let last = Usdm::heard(&out);
    compare(&last[0].1.to_string(), fixture!("user_algo_update_canceled"), &[]);
}

//! Orders on the ws api: every reply form and every refusal.

use super::*;

const LIMIT: &str = r#""symbol":"BTCUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC","price":"100.00","quantity":"0.5","newClientOrderId":"mine""#;

/// `order.place` of a limit order with some members replaced.
fn place(venue: &mut Venue, replacements: &[(&str, &str)]) -> String {
    let mut members = LIMIT.to_owned();
    for (from, to) in replacements {
        assert!(members.contains(from), "{from}");
        members = members.replace(from, to);
    }
    venue.call("order.place", &members)
}

#[test]
fn ack_result_and_full() {
    let mut venue = Venue::new();
    let with = |kind: &str| format!(r#""mine","newOrderRespType":"{kind}""#);
    assert_eq!(
        place(&mut venue, &[(r#""mine""#, &with("ACK"))]),
        success(&format!(
            r#"{{"symbol":"BTCUSDT","orderId":10000000001,"orderListId":-1,"clientOrderId":"mine","transactTime":{T}}}"#
        ))
    );
    assert_eq!(
        place(&mut venue, &[(r#""mine""#, &with("RESULT").replace("mine", "b"))]),
        success(&format!(
            r#"{{"symbol":"BTCUSDT","orderId":10000000002,"orderListId":-1,"clientOrderId":"b","transactTime":{T},"price":"100.00000000","origQty":"0.50000000","executedQty":"0.00000000","origQuoteOrderQty":"0.00000000","cummulativeQuoteQty":"0.00000000","status":"NEW","timeInForce":"GTC","type":"LIMIT","side":"BUY","workingTime":{T},"selfTradePreventionMode":"NONE"}}"#
        ))
    );
    // Takes 1 at 101 and 0.5 at 102; limit orders answer in full by default.
    assert_eq!(
        place(&mut venue, &[("mine", "c"), ("100.00", "102.00"), ("0.5", "1.5")]),
        success(&format!(
            r#"{{"symbol":"BTCUSDT","orderId":10000000003,"orderListId":-1,"clientOrderId":"c","transactTime":{T},"price":"102.00000000","origQty":"1.50000000","executedQty":"1.50000000","origQuoteOrderQty":"0.00000000","cummulativeQuoteQty":"152.00000000","status":"FILLED","timeInForce":"GTC","type":"LIMIT","side":"BUY","workingTime":{T},"selfTradePreventionMode":"NONE","fills":[{{"price":"101.00000000","qty":"1.00000000","commission":"0.00100000","commissionAsset":"BTC","tradeId":1000001}},{{"price":"102.00000000","qty":"0.50000000","commission":"0.00050000","commissionAsset":"BTC","tradeId":1000002}}]}}"#
        ))
    );
}

#[test]
fn ioc_fok_and_market() {
    let mut venue = Venue::new();
    let ioc = place(&mut venue, &[("GTC", "IOC"), ("100.00", "101.00"), ("0.5", "1.5")]);
    for part in [
        r#""status":"EXPIRED","timeInForce":"IOC""#,
        r#""executedQty":"1.00000000""#,
        r#""expiryReason":"UNFILLED_IOC_QUANTITY_EXPIRED""#,
        r#""tradeId":1000001"#,
    ] {
        assert!(ioc.contains(part), "{part} in {ioc}");
    }
    let fok = place(&mut venue, &[("GTC", "FOK"), ("100.00", "102.00"), ("0.5", "3.5")]);
    for part in [
        r#""status":"EXPIRED","timeInForce":"FOK""#,
        r#""executedQty":"0.00000000""#,
        r#""expiryReason":"UNFILLED_FOK_ORDER_EXPIRED","fills":[]"#,
    ] {
        assert!(fok.contains(part), "{part} in {fok}");
    }
    let market = venue.call(
        "order.place",
        r#""symbol":"BTCUSDT","side":"SELL","type":"MARKET","quantity":"0.5","newOrderRespType":"RESULT""#,
    );
    for part in [
        r#""price":"0.00000000","origQty":"0.50000000","executedQty":"0.50000000""#,
        r#""cummulativeQuoteQty":"49.50000000","status":"FILLED","timeInForce":"GTC","type":"MARKET","side":"SELL""#,
    ] {
        assert!(market.contains(part), "{part} in {market}");
    }
    let quote = venue.call(
        "order.place",
        r#""symbol":"BTCUSDT","side":"BUY","type":"MARKET","quoteOrderQty":"51","newOrderRespType":"RESULT""#,
    );
    for part in [
        r#""origQty":"0.50000000","executedQty":"0.50000000","origQuoteOrderQty":"51.00000000""#,
        r#""status":"FILLED""#,
    ] {
        assert!(quote.contains(part), "{part} in {quote}");
    }
}

#[test]
fn a_post_only_order_acknowledges_or_is_refused_without_a_trace() {
    let mut venue = Venue::new();
    let maker = [(r#""type":"LIMIT","timeInForce":"GTC""#, r#""type":"LIMIT_MAKER""#)];
    assert_eq!(
        place(&mut venue, &maker),
        success(&format!(
            r#"{{"symbol":"BTCUSDT","orderId":10000000001,"orderListId":-1,"clientOrderId":"mine","transactTime":{T}}}"#
        ))
    );
    let taking = [maker[0], ("100.00", "101.00"), ("mine", "other")];
    assert_eq!(
        place(&mut venue, &taking),
        refusal(400, -2010, "Order would immediately match and take.")
    );
    assert!(venue.publish().is_empty());
}

#[test]
fn filters_name_themselves() {
    let mut venue = Venue::new();
    let filter = |name: &str| refusal(400, -1013, &format!("Filter failure: {name}"));
    for (from, to, name) in [
        ("100.00", "100.001", "PRICE_FILTER"),
        ("100.00", "1000000.01", "PRICE_FILTER"),
        ("0.5", "0.000001", "LOT_SIZE"),
        ("0.5", "0.000015", "LOT_SIZE"),
        ("0.5", "9000.00001", "LOT_SIZE"),
        ("0.5", "0.04999", "NOTIONAL"),
    ] {
        assert_eq!(place(&mut venue, &[(from, to)]), filter(name), "{to}");
    }
    let market = |qty: &str| {
        format!(r#""symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"{qty}""#)
    };
    assert_eq!(venue.call("order.place", &market("101")), filter("MARKET_LOT_SIZE"));
    assert_eq!(venue.call("order.place", &market("0.000001")), filter("LOT_SIZE"));
    // Five times the last price and a fifth of it are the bounds once there is a last price.
    venue.call("order.place", &market("0.1"));
    assert_eq!(
        place(&mut venue, &[("100.00", "20.19"), ("0.5", "1")]),
        filter("PERCENT_PRICE_BY_SIDE")
    );
    assert_eq!(place(&mut venue, &[("100.00", "505.01")]), filter("PERCENT_PRICE_BY_SIDE"));
    assert!(place(&mut venue, &[("100.00", "20.20"), ("0.5", "1")]).contains(r#""status":"NEW""#));
    // None of the refused ones counts as placed: the market order gave its count back by filling.
    assert_eq!(
        venue.rest("GET", "/api/v3/rateLimit/order", "").body,
        r#"[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":50,"count":1},{"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,"limit":160000,"count":1}]"#
    );
}

#[test]
fn at_most_200_open_orders() {
    let mut venue = Venue::with(BinanceLimits::embedded());
    for number in 0..200 {
        let reply = place(&mut venue, &[("mine", &format!("n{number}")), ("0.5", "0.1")]);
        assert!(reply.contains(r#""status":200"#), "{reply}");
    }
    assert_eq!(
        place(&mut venue, &[("0.5", "0.1")]),
        refusal(400, -1013, "Filter failure: MAX_NUM_ORDERS")
    );
}

#[test]
fn the_matching_engine_refuses_with_2010() {
    let mut venue = Venue::new();
    assert_eq!(
        place(&mut venue, &[("0.5", "1000.1")]),
        refusal(400, -2010, "Account has insufficient balance for requested action.")
    );
    place(&mut venue, &[]);
    assert_eq!(place(&mut venue, &[]), refusal(400, -2010, "Duplicate order sent."));
    let stop =
        r#""symbol":"BTCUSDT","side":"BUY","type":"STOP_LOSS","quantity":"1","stopPrice":"1""#;
    assert_eq!(
        venue.call("order.place", stop),
        refusal(400, -2010, "Stop loss orders are not supported for this symbol.")
    );
}

#[test]
fn parameters_are_checked() {
    let mut venue = Venue::new();
    let missing = |name: &str| {
        let text =
            format!("Mandatory parameter '{name}' was not sent, was empty/null, or malformed.");
        refusal(400, -1102, &text)
    };
    for (from, to, want) in [
        (r#""symbol":"BTCUSDT","#, "", missing("symbol")),
        (r#""side":"BUY","#, "", missing("side")),
        (r#""type":"LIMIT","#, "", missing("type")),
        (r#""timeInForce":"GTC","#, "", missing("timeInForce")),
        (r#""price":"100.00","#, "", missing("price")),
        (r#""quantity":"0.5","#, "", missing("quantity")),
        (r#""0.5""#, r#""""#, missing("quantity")),
        (r#""0.5""#, "null", missing("quantity")),
        ("BTCUSDT", "btcusdt", refusal(400, -1121, "Invalid symbol.")),
        ("BUY", "buy", refusal(400, -1117, "Invalid side.")),
        ("LIMIT", "LIMITED", refusal(400, -1116, "Invalid orderType.")),
        ("GTC", "GTX", refusal(400, -1115, "Invalid timeInForce.")),
        ("0.5", "0.123456789", refusal(400, -1111, "Parameter 'quantity' has too much precision.")),
        (
            "0.5",
            "-1",
            refusal(
                400,
                -1100,
                r"Illegal characters found in parameter 'quantity'; legal range is '^([0-9]{1,20})(\\.[0-9]{1,20})?$'.",
            ),
        ),
        (
            "mine",
            "my order",
            refusal(
                400,
                -1100,
                "Illegal characters found in parameter 'newClientOrderId'; legal range is '^[a-zA-Z0-9-_]{1,36}$'.",
            ),
        ),
        (
            r#""mine""#,
            r#""mine","colour":"red""#,
            refusal(
                400,
                -1104,
                "Not all sent parameters were read; read '10' parameter(s) but was sent '11'.",
            ),
        ),
        (
            r#""mine""#,
            r#""mine","newOrderRespType":"ALL""#,
            refusal(400, -1130, "Data sent for parameter 'newOrderRespType' is not valid."),
        ),
        (
            r#""type":"LIMIT""#,
            r#""type":"LIMIT_MAKER""#,
            refusal(400, -1106, "Parameter 'timeInForce' sent when not required."),
        ),
        (
            r#""type":"LIMIT","timeInForce":"GTC""#,
            r#""type":"MARKET""#,
            refusal(400, -1106, "Parameter 'price' sent when not required."),
        ),
        (
            r#""type":"LIMIT","timeInForce":"GTC","price":"100.00","quantity":"0.5""#,
            r#""type":"MARKET""#,
            refusal(
                400,
                -1102,
                "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!",
            ),
        ),
        (
            r#""type":"LIMIT","timeInForce":"GTC","price":"100.00""#,
            r#""type":"MARKET","quoteOrderQty":"5""#,
            refusal(400, -1128, "Combination of optional parameters invalid."),
        ),
    ] {
        assert_eq!(place(&mut venue, &[(from, to)]), want, "{to}");
    }
    // A number instead of a string is taken as it was written, and signed so.
    let number = place(&mut venue, &[(r#""0.5""#, "0.50")]);
    assert!(number.contains(r#""origQty":"0.50000000""#), "{number}");
}

#[test]
fn cancel_by_either_id() {
    let mut venue = Venue::new();
    place(&mut venue, &[]);
    venue.now_ms += 7;
    assert_eq!(
        venue.call(
            "order.cancel",
            r#""symbol":"BTCUSDT","origClientOrderId":"mine","newClientOrderId":"stop-it""#
        ),
        success(&format!(
            r#"{{"symbol":"BTCUSDT","origClientOrderId":"mine","orderId":10000000001,"orderListId":-1,"clientOrderId":"stop-it","transactTime":{},"price":"100.00000000","origQty":"0.50000000","executedQty":"0.00000000","origQuoteOrderQty":"0.00000000","cummulativeQuoteQty":"0.00000000","status":"CANCELED","timeInForce":"GTC","type":"LIMIT","side":"BUY","selfTradePreventionMode":"NONE"}}"#,
            T + 7
        ))
    );
    let unknown = refusal(400, -2011, "Unknown order sent.");
    let again = r#""symbol":"BTCUSDT","orderId":10000000001"#;
    assert_eq!(venue.call("order.cancel", again), unknown);
    assert_eq!(venue.call("order.cancel", r#""symbol":"BTCUSDT","orderId":7"#), unknown);
    assert_eq!(
        venue.call("order.cancel", r#""symbol":"BTCUSDT""#),
        refusal(
            400,
            -1102,
            "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
        )
    );
    place(&mut venue, &[("mine", "second")]);
    assert_eq!(
        venue.call(
            "order.cancel",
            r#""symbol":"BTCUSDT","orderId":10000000002,"origClientOrderId":"mine""#
        ),
        refusal(400, -2039, "Client order ID is not correct for this order ID.")
    );
    let only = |what: &str| {
        format!(r#""symbol":"BTCUSDT","orderId":10000000002,"cancelRestrictions":"{what}""#)
    };
    assert_eq!(
        venue.call("order.cancel", &only("ONLY_PARTIALLY_FILLED")),
        refusal(400, -2011, "Order was not canceled due to cancel restrictions.")
    );
    assert_eq!(
        venue.call("order.cancel", &only("NEVER")),
        refusal(400, -1145, "Invalid cancelRestrictions")
    );
    let done = venue.call("order.cancel", &only("ONLY_NEW"));
    assert!(done.contains(r#""status":"CANCELED""#), "{done}");
}

#[test]
fn cancel_all_gives_a_report_for_each_or_an_error() {
    let mut venue = Venue::new();
    let symbol = r#""symbol":"BTCUSDT""#;
    assert_eq!(
        venue.call("openOrders.cancelAll", symbol),
        refusal(400, -2011, "Unknown order sent.")
    );
    place(&mut venue, &[("mine", "a")]);
    place(&mut venue, &[("mine", "b")]);
    let reply = venue.call("openOrders.cancelAll", symbol);
    let parsed: serde_json::Value = serde_json::from_str(&reply).unwrap();
    let reports = parsed["result"].as_array().unwrap();
    let named = |name: &str| {
        reports.iter().map(|report| report[name].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(named("origClientOrderId"), ["a", "b"]);
    assert_eq!(named("status"), ["CANCELED", "CANCELED"]);
    assert_ne!(reports[0]["clientOrderId"], reports[1]["clientOrderId"]);
    assert_eq!(venue.call("openOrders.status", symbol), success("[]"));
}

#[test]
fn status_of_open_and_ended_orders() {
    let mut venue = Venue::new();
    place(&mut venue, &[]);
    let want = |status: &str, updated: u64| {
        format!(
            r#"{{"symbol":"BTCUSDT","orderId":10000000001,"orderListId":-1,"clientOrderId":"mine","price":"100.00000000","origQty":"0.50000000","executedQty":"0.00000000","cummulativeQuoteQty":"0.00000000","status":"{status}","timeInForce":"GTC","type":"LIMIT","side":"BUY","stopPrice":"0.00000000","icebergQty":"0.00000000","time":{T},"updateTime":{updated},"isWorking":true,"workingTime":{T},"origQuoteOrderQty":"0.00000000","selfTradePreventionMode":"NONE"}}"#
        )
    };
    let mine = r#""symbol":"BTCUSDT","origClientOrderId":"mine""#;
    assert_eq!(venue.call("order.status", mine), success(&want("NEW", T)));
    let open = success(&format!("[{}]", want("NEW", T)));
    assert_eq!(venue.call("openOrders.status", r#""symbol":"BTCUSDT""#), open);
    assert_eq!(venue.call("openOrders.status", ""), open);
    assert_eq!(venue.call("openOrders.status", r#""symbol":"ETHUSDT""#), success("[]"));
    venue.now_ms = T + 5;
    venue.call("order.cancel", mine);
    assert_eq!(venue.call("order.status", mine), success(&want("CANCELED", T + 5)));
    assert_eq!(
        venue.call("order.status", r#""symbol":"BTCUSDT","orderId":99"#),
        refusal(400, -2013, "Order does not exist.")
    );
    assert_eq!(
        venue.call("order.status", r#""symbol":"ETHUSDT","orderId":10000000001"#),
        refusal(400, -2013, "Order does not exist.")
    );
}

#[test]
fn test_orders_are_checked_and_forgotten() {
    let mut venue = Venue::new();
    assert_eq!(venue.call("order.test", LIMIT), success("{}"));
    assert_eq!(venue.call("openOrders.status", ""), success("[]"));
    let off = LIMIT.replace("100.00", "100.001");
    assert_eq!(venue.call("order.test", &off), refusal(400, -1013, "Filter failure: PRICE_FILTER"));
    let with_fees = format!(r#"{LIMIT},"computeCommissionRates":true"#);
    let zero = r#"{"maker":"0.00000000","taker":"0.00000000"}"#;
    assert_eq!(
        venue.call("order.test", &with_fees),
        success(&format!(
            r#"{{"standardCommissionForOrder":{{"maker":"0.00050000","taker":"0.00100000"}},"specialCommissionForOrder":{zero},"taxCommissionForOrder":{zero},"discount":{{"enabledForAccount":false,"enabledForSymbol":false,"discountAsset":"BNB","discount":"0.00000000"}}}}"#
        ))
    );
}

#[test]
fn amend_reduces_and_renames() {
    let mut venue = Venue::new();
    place(&mut venue, &[]);
    venue.now_ms = T + 3;
    let amend = |qty: &str, more: &str| {
        format!(r#""symbol":"BTCUSDT","origClientOrderId":"mine","newQty":"{qty}"{more}"#)
    };
    assert_eq!(
        venue.call("order.amend.keepPriority", &amend("0.6", "")),
        refusal(400, -2038, "Order amend (quantity increase) is not supported.")
    );
    assert_eq!(
        venue.call("order.amend.keepPriority", &amend("0.5", "")),
        refusal(400, -2038, "The requested action would change no state; rejecting.")
    );
    assert_eq!(
        venue.call("order.amend.keepPriority", &amend("0.3", r#","newClientOrderId":"less""#)),
        success(&format!(
            r#"{{"transactTime":{0},"executionId":2,"amendedOrder":{{"symbol":"BTCUSDT","orderId":10000000001,"orderListId":-1,"origClientOrderId":"mine","clientOrderId":"less","price":"100.00000000","qty":"0.30000000","executedQty":"0.00000000","preventedQty":"0.00000000","quoteOrderQty":"0.00000000","cumulativeQuoteQty":"0.00000000","status":"NEW","timeInForce":"GTC","type":"LIMIT","side":"BUY","workingTime":{T},"selfTradePreventionMode":"NONE"}}}}"#,
            T + 3
        ))
    );
    let status = venue.call("order.status", r#""symbol":"BTCUSDT","origClientOrderId":"less""#);
    assert!(
        status.contains(r#""clientOrderId":"less","price":"100.00000000","origQty":"0.30000000""#),
        "{status}"
    );
    let cancel = venue.call("order.cancel", r#""symbol":"BTCUSDT","origClientOrderId":"less""#);
    assert!(cancel.contains(r#""origClientOrderId":"less""#), "{cancel}");
    assert_eq!(
        venue.call("order.amend.keepPriority", &amend("0.2", "")),
        refusal(400, -2011, "Unknown order sent.")
    );
}

/// Members of `order.cancelReplace` that cancels `old` and places `new` at `price`.
fn replace(mode: &str, price: &str, more: &str) -> String {
    format!(
        r#""symbol":"BTCUSDT","cancelReplaceMode":"{mode}","cancelOrigClientOrderId":"old","side":"BUY","type":"LIMIT_MAKER","price":"{price}","quantity":"0.5","newClientOrderId":"new","cancelNewClientOrderId":"bye"{more}"#
    )
}

#[test]
fn cancel_replace_has_five_outcomes() {
    let mut venue = Venue::new();
    let unknown = r#"{"code":-2011,"msg":"Unknown order sent."}"#;
    let failure = |status: u16, code: i32, text: &str, data: &str| {
        format!(
            r#"{{"id":1,"status":{status},"error":{{"code":{code},"msg":"{text}","data":{data}}}}}"#
        )
    };
    let taken = r#"{"code":-2010,"msg":"Order would immediately match and take."}"#;
    let cancelled = |id: u64| {
        format!(
            r#"{{"symbol":"BTCUSDT","origClientOrderId":"old","orderId":{id},"orderListId":-1,"clientOrderId":"bye","transactTime":{T},"price":"100.00000000","origQty":"0.50000000","executedQty":"0.00000000","origQuoteOrderQty":"0.00000000","cummulativeQuoteQty":"0.00000000","status":"CANCELED","timeInForce":"GTC","type":"LIMIT","side":"BUY","selfTradePreventionMode":"NONE"}}"#
        )
    };
    let placed = |id: u64| {
        format!(
            r#"{{"symbol":"BTCUSDT","orderId":{id},"orderListId":-1,"clientOrderId":"new","transactTime":{T}}}"#
        )
    };
    // Nothing to cancel: stop, or go on and fail too, or go on and succeed.
    assert_eq!(
        venue.call("order.cancelReplace", &replace("STOP_ON_FAILURE", "99.50", "")),
        failure(
            400,
            -2022,
            "Order cancel-replace failed.",
            &format!(
                r#"{{"cancelResult":"FAILURE","newOrderResult":"NOT_ATTEMPTED","cancelResponse":{unknown},"newOrderResponse":null}}"#
            )
        )
    );
    assert_eq!(
        venue.call("order.cancelReplace", &replace("ALLOW_FAILURE", "101.00", "")),
        failure(
            400,
            -2022,
            "Order cancel-replace failed.",
            &format!(
                r#"{{"cancelResult":"FAILURE","newOrderResult":"FAILURE","cancelResponse":{unknown},"newOrderResponse":{taken}}}"#
            )
        )
    );
    assert_eq!(
        venue.call("order.cancelReplace", &replace("ALLOW_FAILURE", "99.50", "")),
        failure(
            409,
            -2021,
            "Order cancel-replace partially failed.",
            &format!(
                r#"{{"cancelResult":"FAILURE","newOrderResult":"SUCCESS","cancelResponse":{unknown},"newOrderResponse":{}}}"#,
                placed(10_000_000_001)
            )
        )
    );
    venue.call("order.cancel", r#""symbol":"BTCUSDT","origClientOrderId":"new""#);
    // Something to cancel: the new order fails or succeeds.
    place(&mut venue, &[("mine", "old")]);
    assert_eq!(
        venue.call("order.cancelReplace", &replace("STOP_ON_FAILURE", "101.00", "")),
        failure(
            409,
            -2021,
            "Order cancel-replace partially failed.",
            &format!(
                r#"{{"cancelResult":"SUCCESS","newOrderResult":"FAILURE","cancelResponse":{},"newOrderResponse":{taken}}}"#,
                cancelled(10_000_000_002)
            )
        )
    );
    place(&mut venue, &[("mine", "old")]);
    assert_eq!(
        venue.call("order.cancelReplace", &replace("STOP_ON_FAILURE", "99.50", "")),
        success(&format!(
            r#"{{"cancelResult":"SUCCESS","newOrderResult":"SUCCESS","cancelResponse":{},"newOrderResponse":{}}}"#,
            cancelled(10_000_000_003),
            placed(10_000_000_004)
        ))
    );
}

#[test]
fn cancel_replace_over_the_order_limit() {
    let mut venue =
        Venue::with(BinanceLimits { orders_per_10_seconds: 1, ..BinanceLimits::documented() });
    place(&mut venue, &[("mine", "old")]);
    let limit = "Too many new orders; current limit is 1 orders per 10 SECOND.";
    assert_eq!(
        venue.call("order.cancelReplace", &replace("STOP_ON_FAILURE", "99.50", "")),
        refusal(429, -1015, limit)
    );
    let only = r#","orderRateLimitExceededMode":"CANCEL_ONLY""#;
    let reply = venue.call("order.cancelReplace", &replace("STOP_ON_FAILURE", "99.50", only));
    for part in [
        r#"{"id":1,"status":429,"error":{"code":-2021,"msg":"Order cancel-replace partially failed.""#,
        r#""cancelResult":"SUCCESS","newOrderResult":"FAILURE""#,
        &format!(r#""newOrderResponse":{{"code":-1015,"msg":"{limit}"}}"#),
    ] {
        assert!(reply.contains(part), "{part} in {reply}");
    }
    assert_eq!(place(&mut venue, &[]), refusal(429, -1015, limit));
}

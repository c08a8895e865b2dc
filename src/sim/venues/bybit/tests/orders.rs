//! Orders by REST: what is accepted, what is refused and with which words, how orders end.

use super::*;

fn refused_as(fields: &str) -> (i64, String) {
    code(&Rig::with_book().create(fields))
}

#[test]
fn orders_that_break_a_rule_are_refused_with_the_code_of_that_rule() {
    let cases = [
        (
            r#""side":"Buy","orderType":"Limit","qty":"0.001","price":"64000.05""#,
            170134,
            "Order price decimal too long.",
        ),
        (
            r#""side":"Buy","orderType":"Limit","qty":"0.001","price":"1000000.1""#,
            170132,
            "Order price too high.",
        ),
        (
            r#""side":"Buy","orderType":"Limit","qty":"0.001","price":"0""#,
            170133,
            "Order price lower than the minimum.",
        ),
        (
            r#""side":"Buy","orderType":"Limit","qty":"0.001","price":"-1""#,
            170133,
            "Order price lower than the minimum.",
        ),
        (
            r#""side":"Buy","orderType":"Limit","qty":"0.00001","price":"64000""#,
            170136,
            "Order quantity lower than the minimum.",
        ),
        (
            r#""side":"Buy","orderType":"Limit","qty":"-1","price":"64000""#,
            170136,
            "Order quantity lower than the minimum.",
        ),
        (
            r#""side":"Sell","orderType":"Limit","qty":"84","price":"66000""#,
            170135,
            "Order quantity too large.",
        ),
        (
            r#""side":"Buy","orderType":"Limit","qty":"0.0010001","price":"64000""#,
            170137,
            "Order volume decimal too long.",
        ),
        (
            r#""side":"Buy","orderType":"Limit","qty":"0.00005","price":"64000""#,
            170140,
            "Order value exceeded lower limit.",
        ),
        (
            r#""side":"Buy","orderType":"Limit","qty":"83","price":"68000""#,
            170131,
            "Insufficient balance.",
        ),
        (
            r#""side":"Sell","orderType":"Limit","qty":"10.1","price":"66000""#,
            170131,
            "Insufficient balance.",
        ),
        (
            r#""side":"Buy","orderType":"Limit","qty":"0.001","price":"68250.1""#,
            170193,
            "Buy order price cannot be higher than 68250USDT.",
        ),
        (
            r#""side":"Sell","orderType":"Limit","qty":"0.001","price":"61749.9""#,
            170194,
            "Sell order price cannot be lower than 61750USDT.",
        ),
        (
            r#""side":"Buy","orderType":"Market","qty":"10.00000001""#,
            170148,
            "Market order amount decimal too long.",
        ),
        (
            r#""side":"Buy","orderType":"Market","qty":"4.9""#,
            170140,
            "Order value exceeded lower limit.",
        ),
        (r#""side":"Sell","orderType":"Market","qty":"42""#, 170135, "Order quantity too large."),
        (r#""side":"Hold","orderType":"Limit","qty":"1","price":"64000""#, 170117, "Invalid side."),
        (
            r#""side":"Buy","orderType":"Stop","qty":"1","price":"64000""#,
            170116,
            "Invalid orderType.",
        ),
        (
            r#""side":"Buy","orderType":"Limit","qty":"1","price":"64000","timeInForce":"GTD""#,
            170115,
            "Invalid timeInForce.",
        ),
        (
            r#""side":"Buy","orderType":"Limit","qty":1,"price":"64000""#,
            170130,
            "Data sent for parameter 'qty' is not valid.",
        ),
        (
            r#""side":"Buy","orderType":"Limit","qty":"1e-3","price":"64000""#,
            170130,
            "Data sent for parameter 'qty' is not valid.",
        ),
        (
            r#""side":"Buy","orderType":"Limit","qty":"99999999999999999999","price":"64000""#,
            170130,
            "Data sent for parameter 'qty' is not valid.",
        ),
        (
            r#""side":"Buy","orderType":"Limit","qty":"1""#,
            170130,
            "Data sent for parameter 'price' is not valid.",
        ),
        (
            r#""side":"Buy","orderType":"Limit","qty":"1","price":"64000","orderLinkId":"a b""#,
            170130,
            "Data sent for parameter 'orderLinkId' is not valid.",
        ),
        (
            r#""side":"Buy","orderType":"Limit","qty":"1","price":"64000","orderLinkId":"1234567890123456789012345678901234567""#,
            170130,
            "Data sent for parameter 'orderLinkId' is not valid.",
        ),
        (
            r#""side":"Buy","orderType":"Limit","qty":"1","price":"64000","orderFilter":"StopOrder""#,
            170130,
            "Data sent for parameter 'orderFilter' is not valid.",
        ),
    ];
    for (fields, number, text) in cases {
        assert_eq!(refused_as(fields), (number, text.to_owned()), "{fields}");
    }
    let mut rig = Rig::with_book();
    let body = r#"{"category":"spot","symbol":"NOPE","side":"Buy","orderType":"Limit","qty":"1","price":"1"}"#;
    assert_eq!(code(&rig.post("/v5/order/create", body)), (170121, "Invalid symbol.".to_owned()));
}

#[test]
fn the_value_limit_has_its_own_code() {
    let mut rig = Rig::new();
    let fields = r#""side":"Buy","orderType":"Limit","qty":"83","price":"100000""#;
    assert_eq!(code(&rig.create(fields)), (170124, "Order amount too large.".to_owned()));
}

#[test]
fn an_order_lives_and_is_cancelled() {
    let mut rig = Rig::with_book();
    rig.listen(r#""order","execution","wallet""#);
    let reply = rig.create(
        r#""side":"Buy","orderType":"Limit","qty":"0.010","price":"64000.0","orderLinkId":"mine-1""#,
    );
    let id = "1900000010000000001";
    let ack = format!(
        r#"{{"retCode":0,"retMsg":"OK","result":{{"orderId":"{id}","orderLinkId":"mine-1"}},"retExtInfo":{{}},"time":1700000000000}}"#
    );
    assert_eq!(reply, ack);
    let told = rig.told();
    let seq = member(&told[0], "id").rsplit('_').next().unwrap().to_owned();
    let order = |status: &str, cancel: &str, reason: &str, leaves: &str, value: &str, at: u64| {
        format!(
            concat!(
                r#"{{"topic":"order","id":"100000001_BTCUSDT_{}","creationTime":{},"data":["#,
                r#"{{"category":"spot","symbol":"BTCUSDT","orderId":"{}","orderLinkId":"mine-1","#,
                r#""blockTradeId":"","side":"Buy","positionIdx":0,"orderStatus":"{}","#,
                r#""cancelType":"{}","rejectReason":"{}","timeInForce":"GTC","isLeverage":"0","#,
                r#""price":"64000","qty":"0.01","avgPrice":"","leavesQty":"{}","leavesValue":"{}","#,
                r#""cumExecQty":"0","cumExecValue":"0","cumExecFee":"0","orderType":"Limit","#,
                r#""stopOrderType":"","orderIv":"","triggerPrice":"","takeProfit":"","stopLoss":"","#,
                r#""triggerBy":"","tpTriggerBy":"","slTriggerBy":"","triggerDirection":0,"#,
                r#""placeType":"","lastPriceOnCreated":"65000","closeOnTrigger":false,"#,
                r#""reduceOnly":false,"smpGroup":0,"smpType":"None","smpOrderId":"","#,
                r#""slLimitPrice":"","tpLimitPrice":"","tpslMode":"","createType":"CreateByUser","#,
                r#""marketUnit":"","createdTime":"1700000000000","updatedTime":"{}","#,
                r#""feeCurrency":"","closedPnl":"0","cumFeeDetail":{{}}}}]}}"#,
            ),
            seq, at, id, status, cancel, reason, leaves, value, at,
        )
    };
    assert_eq!(told[0], order("New", "UNKNOWN", "EC_NoError", "0.01", "640", NOW));
    let wallet = concat!(
        r#""data":[{"accountIMRate":"0","accountMMRate":"0","totalEquity":"750000","#,
        r#""totalWalletBalance":"750000","totalMarginBalance":"750000","#,
        r#""totalAvailableBalance":"749360","totalPerpUPL":"0","totalInitialMargin":"0","#,
        r#""totalMaintenanceMargin":"0","coin":[{"coin":"USDT","equity":"100000","#,
        r#""usdValue":"100000","walletBalance":"100000","availableToWithdraw":"","#,
        r#""availableToBorrow":"","borrowAmount":"0","accruedInterest":"0","totalOrderIM":"0","#,
        r#""totalPositionIM":"0","totalPositionMM":"0","unrealisedPnl":"0","cumRealisedPnl":"0","#,
        r#""bonus":"0","locked":"640","collateralSwitch":true,"marginCollateral":true,"#,
        r#""spotHedgingQty":"0","spotBorrow":"0"}],"accountLTV":"0","accountType":"UNIFIED"}]}"#,
    );
    assert!(told[1].ends_with(wallet), "{}", told[1]);
    assert_eq!(told.len(), 2);
    let body = r#"{"category":"spot","symbol":"BTCUSDT","orderLinkId":"mine-1"}"#;
    rig.now += 10;
    let cancelled = rig.post("/v5/order/cancel", body);
    assert_eq!(cancelled, ack.replace("\"time\":1700000000000", "\"time\":1700000000010"));
    let told = rig.told();
    let seq_now = member(&told[0], "id").rsplit('_').next().unwrap().to_owned();
    let expected = order("Cancelled", "CancelByUser", "EC_PerCancelRequest", "0", "0", NOW + 10);
    assert_eq!(told[0].replace(&seq_now, &seq), expected);
    assert!(told[1].contains(r#""locked":"0""#), "{}", told[1]);
    let again = rig.post("/v5/order/cancel", body);
    assert_eq!(code(&again), (170142, "Order has been canceled.".to_owned()));
}

#[test]
fn a_client_id_is_never_free_again() {
    let mut rig = Rig::with_book();
    let fields =
        r#""side":"Buy","orderType":"Limit","qty":"0.01","price":"64000","orderLinkId":"once""#;
    assert_eq!(code(&rig.create(fields)).0, 0);
    let duplicate = (170141, "Duplicate clientOrderId.".to_owned());
    assert_eq!(code(&rig.create(fields)), duplicate);
    let body = r#"{"category":"spot","symbol":"BTCUSDT","orderLinkId":"once"}"#;
    assert_eq!(code(&rig.post("/v5/order/cancel", body)).0, 0);
    rig.publish();
    assert_eq!(code(&rig.create(fields)), duplicate);
}

#[test]
fn an_order_without_a_client_id_is_given_one() {
    let mut rig = Rig::with_book();
    let fields = r#""side":"Buy","orderType":"Limit","qty":"0.01","price":"64000""#;
    assert_eq!(member(&rig.create(fields), "orderLinkId"), "1900500000000000001");
    assert_eq!(member(&rig.create(fields), "orderLinkId"), "1900500000000000002");
}

/// Status, cancel type, reject reason, cumulative quantity, left value, fee currency and detail.
fn ends_as(fields: &str) -> [String; 7] {
    let mut rig = Rig::with_book();
    rig.listen(r#""order""#);
    let reply = rig.create(fields);
    assert_eq!(code(&reply), (0, "OK".to_owned()), "{fields}");
    let told = rig.told();
    assert_eq!(told.len(), 1, "one frame tells the outcome: {told:?}");
    let row = &told[0];
    let detail = row[row.find("cumFeeDetail\":").unwrap() + 14..].trim_end_matches("}]}");
    let names =
        ["orderStatus", "cancelType", "rejectReason", "cumExecQty", "leavesValue", "feeCurrency"];
    let [status, cancel, reason, qty, left, currency] = names.map(|name| member(row, name));
    [status, cancel, reason, qty, left, currency, detail.to_owned()]
}

#[test]
fn orders_end_in_the_venues_words() {
    let limit = |qty: &str, tif: &str, price: &str| {
        format!(
            r#""side":"Buy","orderType":"Limit","qty":"{qty}","price":"{price}","timeInForce":"{tif}""#
        )
    };
    let market = |side: &str, qty: &str, rest: &str| {
        format!(r#""side":"{side}","orderType":"Market","qty":"{qty}"{rest}"#)
    };
    let cases = [
        // Filled whole: the fee of a buy is taken in base.
        (
            limit("0.1", "IOC", "65000.1"),
            ["Filled", "UNKNOWN", "EC_NoError", "0.1", "0", "BTC", r#"{"BTC":"0.0001"}"#],
        ),
        // Nothing there within its limit.
        (
            limit("0.1", "IOC", "65000"),
            ["Cancelled", "UNKNOWN", "EC_NoImmediateQtyToFill", "0", "0", "", "{}"],
        ),
        // More wanted than is there.
        (
            limit("0.3", "IOC", "65000.1"),
            [
                "PartiallyFilledCanceled",
                "UNKNOWN",
                "EC_NoImmediateQtyToFill",
                "0.25",
                "0",
                "BTC",
                r#"{"BTC":"0.00025"}"#,
            ],
        ),
        (
            limit("0.3", "FOK", "65000.1"),
            ["Cancelled", "UNKNOWN", "EC_CancelForNoFullFill", "0", "0", "", "{}"],
        ),
        (
            limit("0.3", "FOK", "65001"),
            ["Filled", "UNKNOWN", "EC_NoError", "0.3", "0", "BTC", r#"{"BTC":"0.0003"}"#],
        ),
        (
            limit("0.1", "PostOnly", "64999.9"),
            ["New", "UNKNOWN", "EC_NoError", "0", "6499.99", "", "{}"],
        ),
        // Accepted, then rejected.
        (
            limit("0.1", "PostOnly", "65000.1"),
            ["Rejected", "UNKNOWN", "EC_PostOnlyWillTakeLiquidity", "0", "0", "", "{}"],
        ),
        // Left over: less than a lot's value, of a buy sized in quote.
        (
            market("Buy", "100", ""),
            [
                "PartiallyFilledCanceled",
                "UNKNOWN",
                "EC_CancelForNoFullFill",
                "0.001538",
                "0.0298462",
                "BTC",
                r#"{"BTC":"0.000001538"}"#,
            ],
        ),
        (
            market("Buy", "650.001", r#","marketUnit":"quoteCoin""#),
            ["Filled", "UNKNOWN", "EC_NoError", "0.01", "0", "BTC", r#"{"BTC":"0.00001"}"#],
        ),
        (
            market("Buy", "0.01", r#","marketUnit":"baseCoin""#),
            ["Filled", "UNKNOWN", "EC_NoError", "0.01", "0", "BTC", r#"{"BTC":"0.00001"}"#],
        ),
        // A sell is sized in base unless it says otherwise, and pays its fee in quote.
        (
            market("Sell", "0.01", ""),
            ["Filled", "UNKNOWN", "EC_NoError", "0.01", "0", "USDT", r#"{"USDT":"0.649999"}"#],
        ),
        (
            market("Sell", "2", ""),
            [
                "PartiallyFilledCanceled",
                "UNKNOWN",
                "EC_NoEnoughQtyToFill",
                "1.5",
                "0",
                "USDT",
                r#"{"USDT":"97.49895"}"#,
            ],
        ),
    ];
    for (fields, expected) in cases {
        assert_eq!(ends_as(&fields), expected, "{fields}");
    }
}

#[test]
fn a_cancel_that_races_a_fill_is_accepted_and_told_as_filled_again() {
    let mut rig = Rig::with_book();
    rig.listen(r#""order""#);
    rig.create(
        r#""side":"Buy","orderType":"Limit","qty":"0.01","price":"65001","orderLinkId":"r""#,
    );
    let first = rig.told().remove(0);
    let body = r#"{"category":"spot","symbol":"BTCUSDT","orderLinkId":"r"}"#;
    rig.now += 4;
    assert_eq!(code(&rig.post("/v5/order/cancel", body)).0, 0);
    let second = rig.told().remove(0);
    let expected = first
        .replace("\"creationTime\":1700000000000", "\"creationTime\":1700000000004")
        .replace("\"cancelType\":\"UNKNOWN\"", "\"cancelType\":\"CancelByUser\"")
        .replace("EC_NoError", "EC_OrigClOrdIDDoesNotExist");
    assert_eq!(member(&first, "orderStatus"), "Filled");
    assert_eq!(second, expected);
    rig.now += 1;
    let late = rig.post("/v5/order/cancel", body);
    assert_eq!(code(&late), (170139, "Order has been filled.".to_owned()));
    assert!(rig.told().is_empty());
}

#[test]
fn amendments_keep_the_ids_and_obey_the_rules() {
    let mut rig = Rig::with_book();
    rig.listen(r#""order""#);
    rig.create(
        r#""side":"Buy","orderType":"Limit","qty":"0.01","price":"64000","orderLinkId":"a""#,
    );
    rig.told();
    let mut amend = |fields: &str| {
        let body =
            format!(r#"{{"category":"spot","symbol":"BTCUSDT","orderLinkId":"a",{fields}}}"#);
        let reply = rig.post("/v5/order/amend", &body);
        (code(&reply), rig.told())
    };
    let (answer, told) = amend(r#""price":"64100","qty":"0.02""#);
    assert_eq!(answer.0, 0);
    assert_eq!(
        ["orderId", "orderStatus", "price", "qty", "leavesValue"]
            .map(|name| member(&told[0], name)),
        ["1900000010000000001", "New", "64100", "0.02", "1282"]
    );
    let same = "The order remains unchanged as the parameters entered match the existing ones.";
    assert_eq!(amend(r#""price":"64100""#), ((10001, same.to_owned()), vec![]));
    assert_eq!(amend(r#""price":"64100.05""#).0.0, 170134);
    assert_eq!(amend(r#""qty":"0.00001""#).0.0, 170136);
    // Across the spread: filled at once.
    let (answer, told) = amend(r#""price":"65000.1""#);
    assert_eq!((answer.0, member(&told[0], "orderStatus")), (0, "Filled".to_owned()));
    assert_eq!(amend(r#""qty":"0.03""#).0, (170139, "Order has been filled.".to_owned()));
}

#[test]
fn a_smaller_quantity_than_filled_is_refused() {
    let mut rig = Rig::with_book();
    rig.create(
        r#""side":"Buy","orderType":"Limit","qty":"0.3","price":"65000.1","orderLinkId":"p""#,
    );
    let body = r#"{"category":"spot","symbol":"BTCUSDT","orderLinkId":"p","qty":"0.25"}"#;
    assert_eq!(code(&rig.post("/v5/order/amend", body)).0, 110064);
}

#[test]
fn batches_answer_by_position_and_each_order_counts() {
    let mut rig = Rig::with(limits(3));
    rig.fill_book();
    let item = |link: &str, price: &str| {
        format!(
            r#"{{"symbol":"BTCUSDT","side":"Buy","orderType":"Limit","qty":"0.01","price":"{price}","orderLinkId":"{link}"}}"#
        )
    };
    let items =
        [item("b1", "64000"), item("b2", "64000.05"), item("b3", "64001"), item("b4", "64002")];
    let body = format!(r#"{{"category":"spot","request":[{}]}}"#, items.join(","));
    let reply = rig.post("/v5/order/create-batch", &body);
    let row = |id: &str, link: &str, at: &str| {
        format!(
            r#"{{"category":"spot","symbol":"BTCUSDT","orderId":"{id}","orderLinkId":"{link}"{at}}}"#
        )
    };
    let made = r#","createAt":"1700000000000""#;
    let refused = r#","createAt":"""#;
    let rows = [
        row("1900000010000000001", "b1", made),
        row("", "b2", refused),
        row("1900000010000000002", "b3", made),
        row("", "b4", refused),
    ];
    let codes = concat!(
        r#"{"code":0,"msg":"OK"},{"code":170134,"msg":"Order price decimal too long."},"#,
        r#"{"code":0,"msg":"OK"},{"code":10006,"msg":"Too many visits. Exceeded the API Rate Limit."}"#,
    );
    let expected = format!(
        r#"{{"retCode":0,"retMsg":"OK","result":{{"list":[{}]}},"retExtInfo":{{"list":[{codes}]}},"time":1700000000000}}"#,
        rows.join(","),
    );
    assert_eq!(reply, expected);
    let body = r#"{"category":"spot","request":[{"symbol":"BTCUSDT","orderLinkId":"b1"},{"symbol":"BTCUSDT","orderId":"1666800494330512129"}]}"#;
    let reply = rig.post("/v5/order/cancel-batch", body);
    let expected = format!(
        r#"{{"retCode":0,"retMsg":"OK","result":{{"list":[{},{}]}},"retExtInfo":{{"list":[{{"code":0,"msg":"OK"}},{{"code":170213,"msg":"Order does not exist."}}]}},"time":1700000000000}}"#,
        row("1900000010000000001", "b1", ""),
        row("", "", ""),
    );
    assert_eq!(reply, expected);
    let body = r#"{"category":"spot","request":[{"symbol":"BTCUSDT","orderLinkId":"b3","price":"64003"}]}"#;
    let reply = rig.post("/v5/order/amend-batch", body);
    let expected = format!(
        r#"{{"retCode":0,"retMsg":"OK","result":{{"list":[{}]}},"retExtInfo":{{"list":[{{"code":0,"msg":"OK"}}]}},"time":1700000000000}}"#,
        row("1900000010000000002", "b3", ""),
    );
    assert_eq!(reply, expected);
    let eleven = vec![item("x", "64000"); 11].join(",");
    let body = format!(r#"{{"category":"spot","request":[{eleven}]}}"#);
    assert_eq!(code(&rig.post("/v5/order/create-batch", &body)).0, 170130);
}

#[test]
fn all_open_orders_are_cancelled() {
    let mut rig = Rig::with_book();
    for link in ["c1", "c2"] {
        rig.create(&format!(r#""side":"Buy","orderType":"Limit","qty":"0.01","price":"64000","orderLinkId":"{link}""#));
    }
    let reply = rig.post("/v5/order/cancel-all", r#"{"category":"spot","symbol":"ETHUSDT"}"#);
    assert!(reply.contains(r#""result":{"list":[],"success":"1"}"#), "{reply}");
    let reply = rig.post("/v5/order/cancel-all", r#"{"category":"spot"}"#);
    let expected = concat!(
        r#"{"retCode":0,"retMsg":"OK","result":{"list":[{"orderId":"1900000010000000001","#,
        r#""orderLinkId":"c1"},{"orderId":"1900000010000000002","orderLinkId":"c2"}],"#,
        r#""success":"1"},"retExtInfo":{},"time":1700000000000}"#,
    );
    assert_eq!(reply, expected);
    let unknown = rig.post("/v5/order/cancel-all", r#"{"category":"spot","symbol":"NOPE"}"#);
    assert_eq!(code(&unknown).0, 170121);
}

#[test]
fn an_account_has_at_most_five_hundred_open_orders() {
    let mut rig = Rig::with_book();
    let fields = r#""side":"Buy","orderType":"Limit","qty":"0.001","price":"64000""#;
    for _ in 0..500 {
        assert_eq!(code(&rig.create(fields)).0, 0);
    }
    assert_eq!(code(&rig.create(fields)).0, 170810);
}

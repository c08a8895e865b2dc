//! Orders, executions and balances as they are asked for.

use super::*;

fn links(body: &str) -> Vec<String> {
    let rows = body.split("\"orderLinkId\":\"").skip(1);
    rows.map(|row| row[..row.find('"').unwrap()].to_owned()).collect()
}

/// A resting order, a cancelled one, a filled one and a rejected one.
fn rig_with_orders() -> Rig {
    let mut rig = Rig::with_book();
    for (link, price, tif) in [
        ("rests", "64000", "GTC"),
        ("ends", "64001", "GTC"),
        ("fills", "65000.1", "IOC"),
        ("takes", "65000.1", "PostOnly"),
    ] {
        rig.create(&format!(r#""side":"Buy","orderType":"Limit","qty":"0.01","price":"{price}","timeInForce":"{tif}","orderLinkId":"{link}""#));
        rig.publish();
    }
    rig.post("/v5/order/cancel", r#"{"category":"spot","symbol":"BTCUSDT","orderLinkId":"ends"}"#);
    rig.publish();
    rig
}

#[test]
fn open_and_lately_ended_orders_are_apart() {
    let mut rig = rig_with_orders();
    let mut ask =
        |query: &str| links(&rig.get("/v5/order/realtime", &format!("category=spot{query}")));
    assert_eq!(ask(""), ["rests"]);
    assert_eq!(ask("&openOnly=0"), ["rests"]);
    assert_eq!(ask("&openOnly=1"), ["ends", "takes", "fills"]);
    assert_eq!(ask("&symbol=ETHUSDT"), [""; 0]);
    // An order that is named is shown whatever its state.
    assert_eq!(ask("&orderLinkId=ends"), ["ends"]);
    assert_eq!(ask("&orderId=1900000010000000003"), ["fills"]);
    assert_eq!(ask("&orderId=1"), [""; 0]);
    // A restart loses the ended ones there; history has them.
    rig.wire.on_announce_shutdown(rig.now, &mut Vec::new());
    assert_eq!(links(&rig.get("/v5/order/realtime", "category=spot&openOnly=1")), [""; 0]);
    assert_eq!(links(&rig.get("/v5/order/realtime", "category=spot&orderLinkId=ends")), [""; 0]);
    let history = rig.get("/v5/order/history", "category=spot");
    assert_eq!(links(&history), ["ends", "takes", "fills"]);
    let filled = rig.get("/v5/order/history", "category=spot&orderStatus=Filled");
    assert_eq!(links(&filled), ["fills"]);
}

#[test]
fn a_row_has_everything_about_its_order() {
    let mut rig = rig_with_orders();
    let body = rig.get("/v5/order/realtime", "category=spot&orderLinkId=fills");
    let expected = concat!(
        r#"{"retCode":0,"retMsg":"OK","result":{"list":[{"orderId":"1900000010000000003","#,
        r#""orderLinkId":"fills","blockTradeId":"","symbol":"BTCUSDT","price":"65000.1","#,
        r#""qty":"0.01","side":"Buy","isLeverage":"0","positionIdx":0,"orderStatus":"Filled","#,
        r#""cancelType":"UNKNOWN","rejectReason":"EC_NoError","avgPrice":"65000.1","#,
        r#""leavesQty":"0","leavesValue":"0","cumExecQty":"0.01","cumExecValue":"650.001","#,
        r#""cumExecFee":"0.00001","timeInForce":"IOC","orderType":"Limit","stopOrderType":"","#,
        r#""orderIv":"","marketUnit":"","triggerPrice":"","takeProfit":"","stopLoss":"","#,
        r#""tpTriggerBy":"","slTriggerBy":"","triggerDirection":0,"triggerBy":"","#,
        r#""lastPriceOnCreated":"65000","reduceOnly":false,"closeOnTrigger":false,"#,
        r#""smpType":"None","smpGroup":0,"smpOrderId":"","tpslMode":"","tpLimitPrice":"","#,
        r#""slLimitPrice":"","placeType":"","createdTime":"1700000000000","#,
        r#""updatedTime":"1700000000000","cumFeeDetail":{"BTC":"0.00001"}}],"#,
        r#""nextPageCursor":"","category":"spot"},"retExtInfo":{},"time":1700000000000}"#,
    );
    assert_eq!(body, expected);
}

#[test]
fn orders_come_in_pages() {
    let mut rig = Rig::with_book();
    for number in 1..=5 {
        rig.create(&format!(r#""side":"Buy","orderType":"Limit","qty":"0.01","price":"64000","orderLinkId":"n{number}""#));
    }
    let first = rig.get("/v5/order/realtime", "category=spot&limit=2");
    assert_eq!(links(&first), ["n5", "n4"]);
    let cursor = member(&first, "nextPageCursor");
    assert_eq!(cursor, "page_token%3D1900000010000000004%26");
    let second = rig.get("/v5/order/realtime", &format!("category=spot&limit=2&cursor={cursor}"));
    assert_eq!(links(&second), ["n3", "n2"]);
    let cursor = member(&second, "nextPageCursor");
    let third = rig.get("/v5/order/realtime", &format!("category=spot&limit=2&cursor={cursor}"));
    assert_eq!(
        (links(&third), member(&third, "nextPageCursor")),
        (vec!["n1".to_owned()], String::new())
    );
    // Encoded twice it is not understood.
    let twice = cursor.replace('%', "%25");
    let bad = rig.get("/v5/order/realtime", &format!("category=spot&cursor={twice}"));
    assert_eq!(code(&bad), (10001, "params error: cursor invalid".to_owned()));
    assert_eq!(code(&rig.get("/v5/order/realtime", "category=spot&limit=51")).0, 10001);
    assert_eq!(code(&rig.get("/v5/order/realtime", "category=linear")).0, 10001);
}

#[test]
fn executions_come_newest_first_in_pages() {
    let mut rig = Rig::with_book();
    rig.create(r#""side":"Buy","orderType":"Limit","qty":"0.3","price":"65001","timeInForce":"IOC","orderLinkId":"e1""#);
    rig.publish();
    rig.now += 1_000;
    rig.create(r#""side":"Sell","orderType":"Market","qty":"0.1","orderLinkId":"e2""#);
    rig.publish();
    let body = rig.get("/v5/execution/list", "category=spot&limit=1");
    let seq = member(&body, "seq");
    let expected = format!(
        concat!(
            r#"{{"retCode":0,"retMsg":"OK","result":{{"nextPageCursor":"3%3A2%2C3%3A2","#,
            r#""category":"spot","list":[{{"symbol":"BTCUSDT","orderType":"Market","#,
            r#""underlyingPrice":"","orderLinkId":"e2","side":"Sell","indexPrice":"","#,
            r#""orderId":"1900000010000000002","stopOrderType":"","leavesQty":"0","#,
            r#""execTime":"1700000001000","feeCurrency":"USDT","isMaker":false,"#,
            r#""execFee":"6.49999","feeRate":"0.001","execId":"2100000000001000004","tradeIv":"","#,
            r#""blockTradeId":"","markPrice":"","execPrice":"64999.9","markIv":"","#,
            r#""orderQty":"0.1","orderPrice":"0","execValue":"6499.99","execType":"Trade","#,
            r#""execQty":"0.1","closedSize":"","extraFees":"","seq":{}}}]}},"retExtInfo":{{}},"#,
            r#""time":1700000001000}}"#,
        ),
        seq
    );
    assert_eq!(body, expected);
    let rest = rig.get("/v5/execution/list", "category=spot&limit=5&cursor=3%3A2%2C3%3A2");
    assert_eq!(links(&rest), ["e1", "e1"]);
    assert_eq!(member(&rest, "nextPageCursor"), "");
    let ids: Vec<&str> = rest.split("\"execId\":\"").skip(1).map(|row| &row[..19]).collect();
    assert_eq!(ids, ["2100000000001000003", "2100000000001000002"]);
    let mut ask =
        |query: &str| links(&rig.get("/v5/execution/list", &format!("category=spot{query}")));
    assert_eq!(ask("&startTime=1700000001000"), ["e2"]);
    assert_eq!(ask("&startTime=1700000000000&endTime=1700000000999"), ["e1", "e1"]);
    assert_eq!(ask("&orderId=1900000010000000001"), ["e1", "e1"]);
    assert_eq!(ask("&symbol=ETHUSDT"), [""; 0]);
    let wide = rig.get("/v5/execution/list", "category=spot&startTime=1&endTime=1700000000000");
    assert_eq!(code(&wide), (10001, "The time range must be within 7 days.".to_owned()));
    assert_eq!(code(&rig.get("/v5/execution/list", "category=spot&limit=101")).0, 10001);
}

#[test]
fn balances_and_fees_are_told() {
    let mut rig = rig_with_orders();
    let body = rig.get("/v5/account/wallet-balance", "accountType=UNIFIED&coin=BTC");
    assert!(body.contains(r#""coin":"BTC","equity":"10.00999","usdValue":"650650.350999","walletBalance":"10.00999""#), "{body}");
    assert!(!body.contains(r#""coin":"USDT""#));
    let both = rig.get("/v5/account/wallet-balance", "accountType=UNIFIED");
    let usdt = &both[both.find(r#""coin":"USDT""#).unwrap()..];
    assert_eq!(
        (member(usdt, "walletBalance"), member(usdt, "locked")),
        ("99349.999".to_owned(), "640".to_owned())
    );
    assert_eq!(code(&rig.get("/v5/account/wallet-balance", "accountType=SPOT")).0, 10001);
    let fees = rig.get("/v5/account/fee-rate", "category=spot&symbol=ETHUSDT");
    let expected = concat!(
        r#"{"retCode":0,"retMsg":"OK","result":{"list":[{"symbol":"ETHUSDT","takerFeeRate":"0.001","#,
        r#""makerFeeRate":"0.0005"}]},"retExtInfo":{},"time":1700000000000}"#,
    );
    assert_eq!(fees, expected);
}

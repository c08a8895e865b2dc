//! Public data: requests and streams.

use super::super::super::super::shapes::compare;
use super::*;

#[test]
fn instruments_books_and_funding_are_shaped_like_the_venues() {
    let mut venue = venue();
    let info = venue.public("/fapi/v1/exchangeInfo", "");
    let info = info.replace("\"underlyingSubType\":[]", "\"underlyingSubType\":[\"POW\"]");
    compare(&info, fixture!("exchange_info"), &["futuresType"]);
    let symbol = &json(&info)["symbols"][0];
    assert_eq!(symbol["filters"][0]["tickSize"], "0.1");
    assert_eq!(
        (&symbol["maintMarginPercent"], &symbol["requiredMarginPercent"]),
        (&"0.4000".into(), &"0.8000".into())
    );
    let depth = venue.public("/fapi/v1/depth", "symbol=BTCUSDT&limit=5");
    compare(&depth, fixture!("depth_snapshot_rest"), &[]);
    let premium = venue.public("/fapi/v1/premiumIndex", "symbol=BTCUSDT");
    compare(&premium, fixture!("premium_index_rest"), &[]);
    assert_eq!(json(&premium)["markPrice"], "100.00000000");
    venue.pass(8 * 3_600_000);
    let rates = venue.public("/fapi/v1/fundingRate", "symbol=BTCUSDT");
    compare(&rates, fixture!("funding_rate_history_rest"), &[]);
    assert_eq!(venue.public("/fapi/v1/fundingInfo", ""), "[]", "eight hours are usual");
    assert_eq!(venue.rest("GET", "/fapi/v1/nothing", "").status, 404);
    assert_eq!(venue.rest("POST", "/fapi/v1/depth", "").status, 405);
}

#[test]
fn streams_are_routed_by_their_group_and_silent_elsewhere() {
    let mut venue = venue();
    let streams =
        "streams=btcusdt@depth@100ms/btcusdt@bookTicker/btcusdt@aggTrade/btcusdt@markPrice@1s";
    venue.open(PUBLIC, "/public/stream", streams).unwrap();
    venue.open(MARKET, "/market/stream", streams).unwrap();
    let unrouted = ConnId(12);
    venue.open(unrouted, "/ws", "").unwrap();
    let subscribe =
        r#"{"method":"SUBSCRIBE","params":["btcusdt@aggTrade","btcusdt@trade"],"id":3}"#;
    let out = venue.send(unrouted, subscribe);
    assert_eq!(only_text(&out, unrouted), [r#"{"result":null,"id":3}"#]);
    venue.exchange.background_trade("BTCUSDT", Side::Buy, d("101"), d("3"), T);
    let mut out = venue.publish();
    out.extend(venue.pass(1_000));
    let kinds = |conn: ConnId| -> Vec<String> {
        let texts = only_text(&out, conn);
        let kind = |text: &String| {
            let message = json(text);
            let event = message.get("data").unwrap_or(&message);
            event["e"].as_str().unwrap().to_owned()
        };
        texts.iter().map(kind).collect()
    };
    assert_eq!(kinds(PUBLIC), ["bookTicker", "depthUpdate"]);
    assert_eq!(kinds(MARKET), ["aggTrade", "markPriceUpdate"]);
    assert_eq!(kinds(unrouted), ["trade"], "the public group only");
    let data = |conn: ConnId, place: usize| json(&only_text(&out, conn)[place])["data"].to_string();
    compare(&data(PUBLIC, 0), fixture!("book_ticker"), &[]);
    compare(&data(MARKET, 0), fixture!("agg_trade"), &[]);
    compare(&data(MARKET, 1), fixture!("mark_price"), &[]);
    assert!(venue.open(ConnId(13), "/public/nothing", "").is_err());
}

#[test]
fn depth_updates_name_the_one_before() {
    let mut venue = venue();
    let stream = "/public/ws/btcusdt@depth@100ms";
    venue.open(PUBLIC, stream, "").unwrap();
    venue.pass(100);
    let mut last = None;
    for price in ["97", "96", "95"] {
        venue.exchange.set_level("BTCUSDT", Side::Buy, d(price), d("1"), venue.now_ms);
        venue.exchange.set_level("BTCUSDT", Side::Buy, d(price), d("2"), venue.now_ms);
        venue.publish();
        let out = venue.pass(100);
        let texts = only_text(&out, PUBLIC);
        assert_eq!(texts.len(), 1, "{texts:?}");
        let update = json(&texts[0]);
        let number = |name: &str| update[name].as_u64().unwrap();
        assert_eq!(number("u"), number("U") + 1);
        if let Some(last) = last {
            assert_eq!(number("pu"), last);
        }
        last = Some(number("u"));
        let book = json(&venue.public("/fapi/v1/depth", "symbol=BTCUSDT"));
        assert_eq!(book["lastUpdateId"], number("u"));
    }
}

#[test]
fn a_liquidation_is_public() {
    let mut venue = venue();
    venue.open(MARKET, "/market/ws/!forceOrder@arr", "").unwrap();
    venue.exchange.set_levels("BTCUSDT", &[(Side::Buy, (d("98"), d("90")))], T);
    venue.result("order.place", &market("SELL", "90", ""));
    venue.exchange.set_mark("BTCUSDT", Some(d("150")));
    let out = venue.pass(1_000);
    let texts = only_text(&out, MARKET);
    compare(&texts[0], fixture!("force_order_all"), &[]);
    assert_eq!(json(&texts[0])["o"]["S"], "BUY");
}

//! Requests with bytes changed, cut or nested: every one is answered, none brings the wire down.

use super::*;
use proptest::prelude::*;

const SOCKET_TEXTS: [&str; 7] = [
    r#"{"req_id":"1","op":"subscribe","args":["orderbook.50.BTCUSDT","tickers.ETHUSDT"]}"#,
    r#"{"op":"auth","args":["test_api_key",1700000010000,"f01084fb6f298f64707f648000637356f4fc4cd484f1eeb04a6e79ae44339d71"]}"#,
    r#"{"reqId":"7","header":{"X-BAPI-TIMESTAMP":"1700000000000"},"op":"order.create","args":[{"category":"spot","symbol":"BTCUSDT","side":"Buy","orderType":"Limit","qty":"0.01","price":"64000"}]}"#,
    r#"{"header":{"X-BAPI-TIMESTAMP":"1700000000000"},"op":"order.amend","args":[{"category":"spot","symbol":"BTCUSDT","orderLinkId":"z","qty":"0.02","price":"64001"}]}"#,
    r#"{"header":{"X-BAPI-TIMESTAMP":"1700000000000"},"op":"order.create","args":[{"category":"spot","symbol":"BTCUSDT","side":"Sell","orderType":"Market","qty":"100","marketUnit":"quoteCoin"}]}"#,
    r#"{"header":{"X-BAPI-TIMESTAMP":"1700000000000"},"op":"order.cancel-batch","args":[{"category":"spot","request":[{"symbol":"BTCUSDT","orderLinkId":"z"}]}]}"#,
    r#"{"op":"subscribe","args":["order","execution.spot"]}"#,
];

const GETS: [(&str, &str); 6] = [
    ("/v5/market/orderbook", "category=spot&symbol=BTCUSDT&limit=50"),
    ("/v5/order/realtime", "category=spot&limit=10&cursor=page_token%3D1900000010000000001%26"),
    ("/v5/order/history", "category=spot&startTime=1&endTime=2&orderStatus=Filled"),
    ("/v5/execution/list", "category=spot&startTime=1700000000000&cursor=3%3A2%2C3%3A2"),
    ("/v5/account/wallet-balance", "accountType=UNIFIED&coin=BTC,USDT"),
    ("/v5/market/instruments-info", "category=spot&symbol=BTCUSDT&baseCoin=BTC"),
];

/// One byte replaced, or the text cut there.
fn bent(text: &str, at: prop::sample::Index, byte: Option<u8>) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let at = at.index(bytes.len());
    match byte {
        Some(byte) => bytes[at] = byte & 0x7f,
        None => bytes.truncate(at),
    }
    String::from_utf8(bytes).unwrap()
}

proptest! {
    #[test]
    fn bent_texts_and_requests_are_answered(
        texts in prop::collection::vec(
            (0usize..3, 0..SOCKET_TEXTS.len(), any::<prop::sample::Index>(), any::<Option<u8>>()),
            1..20,
        ),
        gets in prop::collection::vec(
            (0..GETS.len(), any::<prop::sample::Index>(), any::<Option<u8>>()),
            1..10,
        ),
    ) {
        let mut rig = Rig::with_book();
        rig.login(TRADE);
        for (socket, text, at, byte) in texts {
            let answers = rig.say([PUBLIC, PRIVATE, TRADE][socket], &bent(SOCKET_TEXTS[text], at, byte));
            prop_assert!(!answers.is_empty());
            rig.publish();
        }
        for (get, at, byte) in gets {
            let (path, query) = GETS[get];
            let reply = rig.get(path, &bent(query, at, byte));
            prop_assert!(reply.starts_with("{\"retCode\":"), "{}", reply);
        }
    }
}

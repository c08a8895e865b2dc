//! Requests with bytes changed or cut: every one is answered, none brings the wire down.

use super::*;
use proptest::prelude::*;

const SOCKET_TEXTS: [&str; 9] = [
    r#"{"id":"1","op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"},{"channel":"tickers","instId":"BTC-USDT-SWAP"}]}"#,
    r#"{"op":"login","args":[{"apiKey":"test_api_key","passphrase":"Simulated-1","timestamp":"1700000000","sign":"7L+zFQ+CEgGu5rzCj4+BdV2/uUHGqddA9pI6ztsRRPs="}]}"#,
    r#"{"id":"7","op":"order","expTime":"1800000000000","args":[{"instIdCode":20001,"tdMode":"cash","side":"buy","ordType":"limit","px":"64000","sz":"0.01","clOrdId":"z"}]}"#,
    r#"{"id":"7","op":"amend-order","args":[{"instIdCode":20001,"clOrdId":"z","newSz":"0.02","newPx":"64001","cxlOnFail":true}]}"#,
    r#"{"id":"7","op":"order","args":[{"instIdCode":10459,"tdMode":"cross","side":"sell","ordType":"market","sz":"1","reduceOnly":false}]}"#,
    r#"{"id":"7","op":"order","args":[{"instIdCode":20001,"tdMode":"cash","side":"buy","ordType":"market","sz":"100","tgtCcy":"quote_ccy"}]}"#,
    r#"{"id":"7","op":"batch-cancel-orders","args":[{"instIdCode":20001,"clOrdId":"z"},{"instIdCode":20001,"ordId":"2500000010000000001"}]}"#,
    r#"{"op":"subscribe","args":[{"channel":"account","extraParams":"{\"updateInterval\": \"0\"}"}]}"#,
    "ping",
];

const GETS: [(&str, &str); 8] = [
    ("/market/books", "instId=BTC-USDT&sz=50"),
    ("/trade/orders-pending", "instType=SPOT&limit=10&after=2500000010000000001"),
    ("/trade/orders-history", "instType=SPOT&begin=1&end=2&state=filled"),
    ("/trade/fills", "instType=SPOT&begin=1700000000000&after=2600000000000000001"),
    ("/account/balance", "ccy=BTC,USDT"),
    ("/public/instruments", "instType=SWAP&instId=BTC-USDT-SWAP"),
    ("/account/bills", "type=8&limit=100"),
    ("/public/funding-rate-history", "instId=BTC-USDT-SWAP&limit=5&before=1"),
];

const POSTS: [(&str, &str); 6] = [
    (
        "/trade/order",
        r#"{"instId":"BTC-USDT-SWAP","tdMode":"isolated","side":"buy","ordType":"optimal_limit_ioc","sz":"1.5","clOrdId":"n"}"#,
    ),
    (
        "/trade/batch-orders",
        r#"[{"instId":"BTC-USDT","tdMode":"cash","side":"sell","ordType":"post_only","px":"65000.1","sz":"0.1"},{"instId":"BTC-USDT"}]"#,
    ),
    ("/trade/cancel-batch-orders", r#"[{"instId":"BTC-USDT","clOrdId":"z"}]"#),
    ("/trade/cancel-all-after", r#"{"timeOut":"60","tag":"t"}"#),
    (
        "/trade/close-position",
        r#"{"instId":"BTC-USDT-SWAP","mgnMode":"cross","autoCxl":true,"clOrdId":"c"}"#,
    ),
    ("/account/set-leverage", r#"{"instId":"BTC-USDT-SWAP","lever":"5","mgnMode":"cross"}"#),
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
        posts in prop::collection::vec(
            (0..POSTS.len(), any::<prop::sample::Index>(), any::<Option<u8>>()),
            1..10,
        ),
    ) {
        let mut rig = Rig::with_book();
        rig.login(TRADE);
        for (socket, text, at, byte) in texts {
            let conn = [PUBLIC, PRIVATE, TRADE][socket];
            let answers = rig.say(conn, &bent(SOCKET_TEXTS[text], at, byte));
            prop_assert!(!answers.is_empty());
            rig.publish();
        }
        for (post, at, byte) in posts {
            let (path, body) = POSTS[post];
            let reply = rig.post(path, &bent(body, at, byte));
            prop_assert!(reply["code"].is_string() && reply["data"].is_array(), "{}", reply);
            rig.pass(1);
        }
        for (get, at, byte) in gets {
            let (path, query) = GETS[get];
            let reply = rig.get(path, &bent(query, at, byte));
            prop_assert!(reply["code"].is_string() && reply["data"].is_array(), "{}", reply);
        }
    }
}

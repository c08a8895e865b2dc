//! Nothing that a client sends may end the simulator.

use super::*;

/// Every text with one byte replaced by each of these, and every cut of it.
fn mutations(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let mut all = Vec::new();
    for index in 0..bytes.len() {
        all.extend(text.get(..index).map(str::to_owned));
        for replacement in b"\"{[,:9-.&%=\\" {
            let mut changed = bytes.to_vec();
            changed[index] = *replacement;
            all.extend(String::from_utf8(changed).ok().filter(|changed| changed != text));
        }
    }
    all
}

fn lavish() -> Venue {
    Venue::with(BinanceLimits {
        weight_per_minute: u32::MAX,
        requests_per_5_minutes: u32::MAX,
        messages_per_second: u32::MAX,
        ..BinanceLimits::embedded()
    })
}

#[test]
fn damaged_requests_of_the_ws_api_are_answered() {
    let mut venue = lavish();
    let order = r#""symbol":"BTCUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC","price":"100.00","quantity":"0.5""#;
    for text in mutations(&venue.signed("order.place", order)) {
        let replies = only_text(&venue.send(API, &text), API);
        assert_eq!(replies.len(), 1, "{text}");
        let reply: serde_json::Value = serde_json::from_str(&replies[0]).unwrap();
        // The id is the only part that the signature does not cover.
        let sound = reply["id"] == 9;
        assert_eq!(reply["status"].as_u64() == Some(200), sound, "{text} {reply}");
    }
}

#[test]
fn damaged_control_messages_are_answered() {
    let mut venue = lavish();
    let conn = ConnId(2);
    venue.open(conn, "/ws", "").unwrap();
    for text in mutations(r#"{"method":"SUBSCRIBE","params":["btcusdt@depth@100ms"],"id":1}"#) {
        let replies = only_text(&venue.send(conn, &text), conn);
        assert_eq!(replies.len(), 1, "{text}");
        assert!(serde_json::from_str::<serde_json::Value>(&replies[0]).is_ok(), "{}", replies[0]);
    }
}

#[test]
fn damaged_queries_are_answered() {
    let mut venue = lavish();
    for query in mutations(r#"symbols=["BTCUSDT","ETHUSDT"]&showPermissionSets=false"#) {
        let reply = venue.http("GET", "/api/v3/exchangeInfo", &query, "", None);
        assert!(serde_json::from_str::<serde_json::Value>(&reply.body).is_ok(), "{query}");
    }
    for query in mutations("symbol=BTCUSDT&limit=100") {
        venue.http("GET", "/api/v3/depth", &query, "", None);
    }
}

#[test]
fn huge_numbers_are_refused() {
    let mut venue = lavish();
    let huge = "99999999999999999999";
    for (price, qty) in [(huge, "1"), ("100", huge), (huge, huge), ("100", "0.00000001")] {
        for method in ["order.place", "order.test"] {
            let order = format!(
                r#""symbol":"BTCUSDT","side":"SELL","type":"LIMIT","timeInForce":"GTC","price":"{price}","quantity":"{qty}""#
            );
            let reply = venue.call(method, &order);
            assert!(reply.contains(r#""code":-1013"#), "{reply}");
        }
    }
    for quantity in ["quantity", "quoteOrderQty"] {
        for method in ["order.place", "order.test"] {
            let order =
                format!(r#""symbol":"BTCUSDT","side":"BUY","type":"MARKET","{quantity}":"{huge}""#);
            let reply = venue.call(method, &order);
            assert!(!reply.contains(r#""status":"FILLED""#), "{reply}");
        }
    }
    let never = r#""symbol":"BTCUSDT","orderId":18446744073709551615"#;
    assert!(venue.call("order.status", never).contains("-2013"));
    let beyond = r#""symbol":"BTCUSDT","orderId":99999999999999999999"#;
    assert!(venue.call("order.status", beyond).contains("-1100"));
}

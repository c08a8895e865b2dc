//! Market streams: control messages, payloads, batching with contiguous ids.

use super::*;

const WS: ConnId = ConnId(5);

fn listener(path: &str, query: &str) -> Venue {
    let mut venue = Venue::new();
    venue.open(WS, path, query).unwrap();
    venue
}

fn one(venue: &mut Venue, text: &str) -> String {
    only_text(&venue.send(WS, text), WS).remove(0)
}

#[test]
fn control_messages() {
    let mut venue = listener("/ws", "");
    assert_eq!(
        one(
            &mut venue,
            r#"{"method":"SUBSCRIBE","params":["btcusdt@bookTicker","BTCUSDT@trade","no@such"],"id":1}"#
        ),
        r#"{"result":null,"id":1}"#
    );
    assert_eq!(
        one(&mut venue, r#"{"method":"LIST_SUBSCRIPTIONS","id":"x"}"#),
        r#"{"result":["btcusdt@bookTicker","BTCUSDT@trade","no@such"],"id":"x"}"#
    );
    assert_eq!(
        one(&mut venue, r#"{"method":"UNSUBSCRIBE","params":["no@such"],"id":312}"#),
        r#"{"result":null,"id":312}"#
    );
    assert_eq!(
        one(&mut venue, r#"{"method":"GET_PROPERTY","params":["combined"],"id":2}"#),
        r#"{"result":false,"id":2}"#
    );
    assert_eq!(
        one(&mut venue, r#"{"method":"SET_PROPERTY","params":["combined",true],"id":5}"#),
        r#"{"result":null,"id":5}"#
    );
    venue.now_ms += 1000;
    assert_eq!(
        one(&mut venue, r#"{"method":"GET_PROPERTY","params":["combined"],"id":2}"#),
        r#"{"result":true,"id":2}"#
    );
    assert_eq!(
        one(&mut venue, r#"{"method":"SET_PROPERTY","params":["combined","yes"],"id":5}"#),
        r#"{"code":1,"msg":"Invalid value type: expected Boolean"}"#
    );
    assert_eq!(
        one(&mut venue, r#"{"method":"GET_PROPERTY","params":["colour"],"id":6}"#),
        r#"{"code":0,"msg":"Unknown property","id":6}"#
    );
    assert_eq!(
        one(&mut venue, r#"{"method":"SHOUT","id":1}"#),
        r#"{"code":2,"msg":"Invalid request: unknown variant `SHOUT`, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY` at line 1 column 25"}"#
    );
    assert_eq!(
        one(&mut venue, "hello"),
        r#"{"code":3,"msg":"Invalid JSON: expected value at line 1 column 1"}"#
    );
    venue.now_ms += 1000;
    assert_eq!(
        one(&mut venue, r#"{"method":"SUBSCRIBE","params":["a@trade"]}"#),
        r#"{"code":2,"msg":"Invalid request: request ID must be an unsigned integer"}"#
    );
    assert_eq!(
        one(&mut venue, r#"{"id":1}"#),
        r#"{"code":2,"msg":"Invalid request: missing field `method` at line 1 column 8"}"#
    );
}

#[test]
fn paths() {
    let mut venue = listener("/stream", "streams=btcusdt@trade/btcusdt@depth@100ms");
    assert_eq!(
        one(&mut venue, r#"{"method":"LIST_SUBSCRIPTIONS","id":3}"#),
        r#"{"result":["btcusdt@trade","btcusdt@depth@100ms"],"id":3}"#
    );
    let other = ConnId(6);
    venue.open(other, "/ws/btcusdt@aggTrade", "").unwrap();
    assert_eq!(
        only_text(&venue.send(other, r#"{"method":"LIST_SUBSCRIPTIONS","id":3}"#), other),
        [r#"{"result":["btcusdt@aggTrade"],"id":3}"#]
    );
    assert_eq!(venue.open(ConnId(7), "/wsx", "").unwrap_err().status, 404);
    assert_eq!(venue.open(ConnId(7), "/", "").unwrap_err().status, 404);
}

#[test]
fn more_than_five_messages_a_second_cut_the_connection() {
    let mut venue = listener("/ws", "");
    let list = r#"{"method":"LIST_SUBSCRIPTIONS","id":3}"#;
    venue.wire.on_ws_pong(WS, b"", T);
    for _ in 0..4 {
        assert_eq!(venue.send(WS, list).len(), 1);
    }
    assert_eq!(venue.send(WS, list), [(WS, WsOut::Close(1008, "Too many requests".to_owned()))]);
    assert!(venue.send(WS, list).is_empty());
}

#[test]
fn the_1025th_stream_cuts_the_connection() {
    let mut venue = listener("/ws", "");
    let names: Vec<String> = (0..1024).map(|number| format!(r#""s{number}@trade""#)).collect();
    let subscribe = |names: &str| format!(r#"{{"method":"SUBSCRIBE","params":[{names}],"id":1}}"#);
    assert_eq!(one(&mut venue, &subscribe(&names.join(","))), r#"{"result":null,"id":1}"#);
    let out = venue.send(WS, &subscribe(r#""one@more""#));
    assert_eq!(
        out,
        [
            (
                WS,
                WsOut::Text(
                    r#"{"code":4,"msg":"Too many streams: at most 1024 per connection"}"#
                        .to_owned()
                )
            ),
            (WS, WsOut::Close(1008, "Too many streams".to_owned())),
        ]
    );
}

#[test]
fn book_ticker_follows_the_best_prices() {
    let mut venue = listener("/ws/btcusdt@bookTicker", "");
    venue.exchange.set_level("BTCUSDT", Side::Buy, d("99.5"), d("1.5"), T);
    assert_eq!(
        only_text(&venue.publish(), WS),
        [
            r#"{"u":5000004,"s":"BTCUSDT","b":"99.50000000","B":"1.50000000","a":"101.00000000","A":"1.00000000"}"#
        ]
    );
    venue.exchange.set_level("BTCUSDT", Side::Buy, d("90"), d("1"), T);
    assert!(venue.publish().is_empty(), "not the best");
    venue.exchange.set_level("BTCUSDT", Side::Buy, d("99.5"), d("0"), T);
    assert_eq!(
        only_text(&venue.publish(), WS),
        [
            r#"{"u":5000006,"s":"BTCUSDT","b":"99.00000000","B":"2.00000000","a":"101.00000000","A":"1.00000000"}"#
        ]
    );
}

#[test]
fn depth_is_batched_and_contiguous() {
    let mut venue =
        listener("/stream", "streams=btcusdt@depth@100ms/btcusdt@depth/btcusdt@depth5@100ms");
    venue.timer();
    let set = |venue: &mut Venue, side, price: &str, qty: &str| {
        let now_ms = venue.now_ms;
        venue.exchange.set_level("BTCUSDT", side, d(price), d(qty), now_ms);
        assert!(venue.publish().is_empty());
    };
    set(&mut venue, Side::Buy, "98", "1");
    set(&mut venue, Side::Buy, "98", "3");
    set(&mut venue, Side::Sell, "102", "0");
    venue.now_ms = T + 99;
    assert!(venue.timer().is_empty());
    venue.now_ms = T + 100;
    let first = format!(
        r#"{{"e":"depthUpdate","E":{},"s":"BTCUSDT","U":5000004,"u":5000006,"b":[["98.00000000","3.00000000"]],"a":[["102.00000000","0.00000000"]]}}"#,
        T + 100
    );
    let wrap = |stream: &str, data: &str| format!(r#"{{"stream":"{stream}","data":{data}}}"#);
    assert_eq!(
        only_text(&venue.timer(), WS),
        [
            wrap("btcusdt@depth@100ms", &first),
            wrap(
                "btcusdt@depth5@100ms",
                r#"{"lastUpdateId":5000006,"bids":[["99.00000000","2.00000000"],["98.00000000","3.00000000"]],"asks":[["101.00000000","1.00000000"]]}"#
            ),
        ]
    );
    set(&mut venue, Side::Buy, "97", "1");
    venue.now_ms = T + 200;
    let second = only_text(&venue.timer(), WS).remove(0);
    assert!(
        second.contains(r#""U":5000007,"u":5000007,"b":[["97.00000000","1.00000000"]],"a":[]"#)
    );
    venue.now_ms = T + 300;
    assert!(venue.timer().is_empty(), "nothing changed");
    venue.now_ms = T + 1000;
    let slow = only_text(&venue.timer(), WS);
    assert_eq!(slow.len(), 1);
    assert!(slow[0].starts_with(r#"{"stream":"btcusdt@depth","data":"#));
    assert!(slow[0].contains(r#""U":5000004,"u":5000007,"b":[["98.00000000","3.00000000"],["97.00000000","1.00000000"]],"a":[["102.00000000","0.00000000"]]"#));
}

#[test]
fn the_slow_period_may_be_written_out() {
    let mut venue = listener("/stream", "streams=btcusdt@depth@1000ms/btcusdt@depth5@1000ms");
    venue.timer();
    venue.exchange.set_level("BTCUSDT", Side::Buy, d("98"), d("1"), T);
    venue.publish();
    venue.now_ms = T + 1000;
    let sent = only_text(&venue.timer(), WS);
    assert!(sent[0].starts_with(r#"{"stream":"btcusdt@depth@1000ms","data":{"e":"depthUpdate""#));
    assert!(sent[1].starts_with(r#"{"stream":"btcusdt@depth5@1000ms","data":{"lastUpdateId":"#));
    assert_eq!(sent.len(), 2);
}

#[test]
fn a_missing_book_event_shows_as_a_gap_between_messages() {
    let mut venue = listener("/ws/btcusdt@depth@100ms", "");
    venue.timer();
    for (price, lost) in [("98", false), ("97", true), ("96", false)] {
        venue.exchange.set_level("BTCUSDT", Side::Buy, d(price), d("1"), T);
        if lost {
            venue.exchange.take_events();
        }
        let out = venue.publish();
        let sent = only_text(&out, WS);
        // What was collected before the hole goes out at once.
        assert_eq!(sent.len(), usize::from(price == "96"));
        assert!(sent.iter().all(|text| text.contains(r#""U":5000004,"u":5000004"#)));
    }
    venue.now_ms = T + 100;
    let after = only_text(&venue.timer(), WS);
    assert!(after[0].contains(r#""U":5000006,"u":5000006"#), "{after:?}");
}

#[test]
fn a_snapshot_fits_between_the_batches() {
    let mut venue = listener("/ws/btcusdt@depth@100ms", "");
    venue.timer();
    for price in ["98", "97"] {
        venue.exchange.set_level("BTCUSDT", Side::Buy, d(price), d("1"), T);
        venue.publish();
    }
    let snapshot = venue.http("GET", "/api/v3/depth", "symbol=BTCUSDT", "", None).body;
    assert!(snapshot.starts_with(r#"{"lastUpdateId":5000005,"#), "{snapshot}");
    venue.exchange.set_level("BTCUSDT", Side::Buy, d("96"), d("1"), T);
    venue.publish();
    venue.now_ms = T + 100;
    // U <= lastUpdateId + 1 <= u.
    assert!(only_text(&venue.timer(), WS)[0].contains(r#""U":5000004,"u":5000006"#));
}

#[test]
fn trades_and_aggregates() {
    let mut venue = listener("/ws", "");
    venue
        .send(WS, r#"{"method":"SUBSCRIBE","params":["btcusdt@trade","btcusdt@aggTrade"],"id":1}"#);
    for qty in ["0.5", "0.25"] {
        venue.exchange.background_trade("BTCUSDT", Side::Sell, d("99"), d(qty), T);
    }
    venue.exchange.background_trade("BTCUSDT", Side::Buy, d("101"), d("0.1"), T);
    venue.now_ms = T + 1;
    let trade = |id: u64, price: &str, qty: &str, maker: bool| {
        format!(
            r#"{{"e":"trade","E":{},"s":"BTCUSDT","t":{id},"p":"{price}.00000000","q":"{qty}","T":{T},"m":{maker},"M":true}}"#,
            T + 1
        )
    };
    let aggregate = |id: u64, price: &str, qty: &str, first: u64, last: u64, maker: bool| {
        format!(
            r#"{{"e":"aggTrade","E":{},"s":"BTCUSDT","a":{id},"p":"{price}.00000000","q":"{qty}","f":{first},"l":{last},"T":{T},"m":{maker},"M":true}}"#,
            T + 1
        )
    };
    assert_eq!(
        only_text(&venue.publish(), WS),
        [
            trade(1_000_001, "99", "0.50000000", true),
            trade(1_000_002, "99", "0.25000000", true),
            trade(1_000_003, "101", "0.10000000", false),
            aggregate(1, "99", "0.75000000", 1_000_001, 1_000_002, true),
            aggregate(2, "101", "0.10000000", 1_000_003, 1_000_003, false),
        ]
    );
}

#[test]
fn a_closed_connection_gets_nothing() {
    let mut venue = listener("/ws/btcusdt@bookTicker", "");
    venue.wire.on_ws_closed(WS);
    venue.exchange.set_level("BTCUSDT", Side::Buy, d("99.5"), d("1.5"), T);
    assert!(venue.publish().is_empty());
}

//! The public socket: subscriptions, order books, trades, tickers.

use super::*;
use proptest::prelude::*;
use serde_json::Value;

fn reply(success: bool, text: &str, id: &str, op: &str) -> String {
    format!(
        r#"{{"success":{success},"ret_msg":"{text}","conn_id":"sim000000000001-0001",{id}"op":"{op}"}}"#
    )
}

#[test]
fn pings_and_subscriptions_are_answered_in_the_spot_form() {
    let mut rig = Rig::new();
    let id = r#""req_id":"p1","#;
    assert_eq!(rig.ask(PUBLIC, r#"{"req_id":"p1","op":"ping"}"#), reply(true, "pong", id, "ping"));
    assert_eq!(rig.ask(PUBLIC, r#"{"op":"ping"}"#), reply(true, "pong", "", "ping"));
    let ask = r#"{"req_id":"p1","op":"subscribe","args":["publicTrade.BTCUSDT"]}"#;
    assert_eq!(rig.ask(PUBLIC, ask), reply(true, "subscribe", id, "subscribe"));
    let twice = reply(false, "error:already subscribed,topic:publicTrade.BTCUSDT", id, "subscribe");
    assert_eq!(rig.ask(PUBLIC, ask), twice);
    let unask = r#"{"req_id":"p1","op":"unsubscribe","args":["publicTrade.BTCUSDT"]}"#;
    assert_eq!(rig.ask(PUBLIC, unask), reply(true, "unsubscribe", id, "unsubscribe"));
    assert_eq!(rig.ask(PUBLIC, ask), reply(true, "subscribe", id, "subscribe"));
}

#[test]
fn refused_subscriptions_say_why() {
    let mut rig = Rig::new();
    let mut ask = |args: &str| {
        rig.ask(PUBLIC, &format!(r#"{{"req_id":"s","op":"subscribe","args":[{args}]}}"#))
    };
    // This refusal does not name the request.
    let bad = reply(false, "Invalid symbol :[orderbook.50.NOSUCHSYM]", "", "subscribe");
    assert_eq!(ask(r#""orderbook.1.BTCUSDT","orderbook.50.NOSUCHSYM""#), bad);
    let id = r#""req_id":"s","#;
    for topic in ["orderbook.500.BTCUSDT", "liquidations:BTCUSDT", "order", "orderbook.50"] {
        let text = format!("error:handler not found,topic:{topic}");
        assert_eq!(ask(&format!("\"{topic}\"")), reply(false, &text, id, "subscribe"));
    }
    let eleven = ["\"publicTrade.BTCUSDT\""; 11].join(",");
    assert_eq!(ask(&eleven), reply(false, "args size >10", id, "subscribe"));
    assert_eq!(ask(""), reply(false, "error:invalid args", id, "subscribe"));
    // None of the refused requests has subscribed to anything.
    rig.fill_book();
    rig.pass(1_000);
    assert_eq!(rig.taken(), []);
    let unknown = reply(false, "error:unknown op,fly", "", "fly");
    assert_eq!(rig.ask(PUBLIC, r#"{"op":"fly"}"#), unknown);
    let nothing = reply(false, "error:unknown op,", "", "");
    assert_eq!(rig.ask(PUBLIC, "not json"), nothing);
}

#[test]
fn data_may_come_before_the_acknowledgement() {
    let mut rig = Rig::with_book();
    let first = rig.say(PUBLIC, r#"{"op":"subscribe","args":["orderbook.1.BTCUSDT"]}"#);
    assert!(first[0].contains("ret_msg") && first[1].contains("snapshot"), "{first:?}");
    let second = rig.say(PUBLIC, r#"{"op":"subscribe","args":["orderbook.50.BTCUSDT"]}"#);
    assert!(second[0].contains("snapshot") && second[1].contains("ret_msg"), "{second:?}");
}

#[test]
fn the_best_level_is_a_snapshot_every_time_and_is_repeated() {
    let mut rig = Rig::with_book();
    let seq = rig.wire.market.seq("BTCUSDT");
    let messages = rig.say(PUBLIC, r#"{"op":"subscribe","args":["orderbook.1.BTCUSDT"]}"#);
    let message = |ts: u64, bid: &str, u: u64, seq: u64, cts: u64| {
        format!(
            r#"{{"topic":"orderbook.1.BTCUSDT","ts":{ts},"type":"snapshot","data":{{"s":"BTCUSDT","b":[["64999.9","{bid}"]],"a":[["65000.1","0.25"]],"u":{u},"seq":{seq}}},"cts":{cts}}}"#
        )
    };
    assert_eq!(messages[1], message(NOW, "0.5", 3_001_001, seq, NOW));
    rig.now = NOW + 4;
    rig.exchange.set_level("BTCUSDT", Side::Buy, dec("64999.9"), dec("0.7"), rig.now);
    rig.publish();
    assert_eq!(rig.taken(), [], "not before 10 ms have passed");
    rig.pass(6);
    let seq = rig.wire.market.seq("BTCUSDT");
    let changed = message(NOW + 10, "0.7", 3_001_002, seq, NOW + 4);
    assert_eq!(rig.taken(), [(PUBLIC, changed)]);
    // A change below the best level is none of this topic's.
    rig.exchange.set_level("BTCUSDT", Side::Buy, dec("64999"), dec("2"), rig.now);
    rig.publish();
    rig.pass(2_999);
    assert_eq!(rig.taken(), []);
    rig.pass(1);
    let repeated = message(NOW + 3_010, "0.7", 3_001_002, seq, NOW + 4);
    assert_eq!(rig.taken(), [(PUBLIC, repeated)]);
}

#[test]
fn deeper_books_are_a_snapshot_and_then_differences() {
    let mut rig = Rig::with_book();
    let seq = rig.wire.market.seq("BTCUSDT");
    let messages = rig.say(PUBLIC, r#"{"op":"subscribe","args":["orderbook.50.BTCUSDT"]}"#);
    let snapshot = format!(
        r#"{{"topic":"orderbook.50.BTCUSDT","ts":1700000000000,"type":"snapshot","data":{{"s":"BTCUSDT","b":[["64999.9","0.5"],["64999","1"]],"a":[["65000.1","0.25"],["65001","1"]],"u":3050001,"seq":{seq}}},"cts":1700000000000}}"#
    );
    assert_eq!(messages[1], snapshot);
    rig.now = NOW + 20;
    for (side, price, qty) in
        [(Side::Buy, "64999.9", "0"), (Side::Buy, "64998", "2"), (Side::Sell, "65000.5", "0.1")]
    {
        rig.exchange.set_level("BTCUSDT", side, dec(price), dec(qty), rig.now);
    }
    rig.publish();
    let seq = rig.wire.market.seq("BTCUSDT");
    let delta = format!(
        r#"{{"topic":"orderbook.50.BTCUSDT","ts":1700000000020,"type":"delta","data":{{"s":"BTCUSDT","b":[["64999.9","0"],["64998","2"]],"a":[["65000.5","0.1"]],"u":3050002,"seq":{seq}}},"cts":1700000000020}}"#
    );
    assert_eq!(rig.taken(), [(PUBLIC, delta)]);
    // A second listener begins where the first one is.
    rig.open(ConnId(9), "/v5/public/spot", "").unwrap();
    let messages = rig.say(ConnId(9), r#"{"op":"subscribe","args":["orderbook.50.BTCUSDT"]}"#);
    assert_eq!(
        (member(&messages[1], "u"), member(&messages[1], "type")),
        ("3050002".into(), "snapshot".into())
    );
    rig.exchange.set_level("BTCUSDT", Side::Buy, dec("64998"), dec("3"), rig.now);
    rig.publish();
    rig.pass(19);
    assert_eq!(rig.taken(), []);
    rig.pass(1);
    let both: Vec<ConnId> = rig.taken().into_iter().map(|(conn, _)| conn).collect();
    assert_eq!(both, [PUBLIC, ConnId(9)]);
    rig.wire.on_ws_closed(PUBLIC);
    rig.say(ConnId(9), r#"{"op":"unsubscribe","args":["orderbook.50.BTCUSDT"]}"#);
    rig.exchange.set_level("BTCUSDT", Side::Buy, dec("64998"), dec("4"), rig.now);
    rig.publish();
    rig.pass(1_000);
    assert_eq!(rig.taken(), []);
}

#[test]
fn trades_of_one_match_share_a_sequence_with_the_book() {
    let mut rig = Rig::with_book();
    rig.say(PUBLIC, r#"{"op":"subscribe","args":["publicTrade.BTCUSDT","orderbook.50.BTCUSDT","tickers.BTCUSDT"]}"#);
    rig.now = NOW + 50;
    rig.create(
        r#""side":"Buy","orderType":"Limit","qty":"0.3","price":"65001","timeInForce":"IOC""#,
    );
    rig.publish();
    let sent: Vec<String> = rig.taken().into_iter().map(|(_, text)| text).collect();
    let seq = rig.wire.market.seq("BTCUSDT");
    let trade = |number: u64, price: &str, qty: &str| {
        format!(
            r#"{{"i":"210000000000100000{number}","T":1700000000050,"p":"{price}","v":"{qty}","S":"Buy","seq":{seq},"s":"BTCUSDT","BT":false,"RPI":false}}"#
        )
    };
    let trades = format!(
        r#"{{"topic":"publicTrade.BTCUSDT","ts":1700000000050,"type":"snapshot","data":[{},{}]}}"#,
        trade(2, "65000.1", "0.25"),
        trade(3, "65001", "0.05"),
    );
    assert_eq!(sent[0], trades);
    let ticker = format!(
        concat!(
            r#"{{"topic":"tickers.BTCUSDT","ts":1700000000050,"type":"snapshot","cs":{},"data":"#,
            r#"{{"symbol":"BTCUSDT","lastPrice":"65001","highPrice24h":"65001","#,
            r#""lowPrice24h":"65000","prevPrice24h":"65000","volume24h":"0.31","#,
            r#""turnover24h":"20150.075","price24hPcnt":"0","usdIndexPrice":"65001"}}}}"#,
        ),
        seq
    );
    assert_eq!(sent[1], ticker);
    assert_eq!(member(&sent[2], "seq"), seq.to_string());
    assert_eq!(sent.len(), 3);
}

/// A client's book: price texts to quantity texts, as sent.
#[derive(Default)]
struct ClientBook {
    sides: [BTreeMap<Decimal, Decimal>; 2],
    u: u64,
    seq: u64,
}

impl ClientBook {
    fn apply(&mut self, message: &str, depth: usize) {
        let message: Value = serde_json::from_str(message).unwrap();
        let data = &message["data"];
        let (u, seq) = (data["u"].as_u64().unwrap(), data["seq"].as_u64().unwrap());
        if message["type"] == "snapshot" {
            self.sides = Default::default();
        } else {
            assert_eq!(u, self.u + 1, "contiguous");
            assert!(seq > self.seq);
        }
        (self.u, self.seq) = (u, seq);
        for (side, name) in self.sides.iter_mut().zip(["b", "a"]) {
            for row in data[name].as_array().unwrap() {
                let price = dec(row[0].as_str().unwrap());
                let qty = dec(row[1].as_str().unwrap());
                if qty.is_zero() {
                    assert!(side.remove(&price).is_some(), "only known levels are deleted");
                } else {
                    side.insert(price, qty);
                }
            }
            assert!(side.len() <= depth, "the window is kept by the venue");
        }
    }

    fn levels(&self) -> [Vec<(Decimal, Decimal)>; 2] {
        let pairs =
            |side: &BTreeMap<Decimal, Decimal>| side.clone().into_iter().collect::<Vec<_>>();
        let [bids, asks] = &self.sides;
        [pairs(bids).into_iter().rev().collect(), pairs(asks)]
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Snapshot and differences give exactly the exchange's best levels, whatever happens to the
    /// book and however it is spread over time; a late listener comes to the same.
    #[test]
    fn streams_rebuild_the_exchanges_book(
        changes in prop::collection::vec((any::<bool>(), 1i64..90, 0i64..4, 0u64..30), 1..150),
        late in 0usize..150,
    ) {
        let mut rig = Rig::new();
        let topics = [(1, "orderbook.1.BTCUSDT"), (50, "orderbook.50.BTCUSDT"), (200, "orderbook.200.BTCUSDT")];
        let mut books: BTreeMap<(ConnId, usize), ClientBook> = BTreeMap::new();
        rig.open(ConnId(9), "/v5/public/spot", "").unwrap();
        let read = |sent: Vec<(ConnId, String)>, books: &mut BTreeMap<(ConnId, usize), ClientBook>| {
            for (conn, text) in sent {
                let depth = topics.iter().find(|(_, topic)| text.contains(&format!("\"topic\":\"{topic}\"")));
                if let Some((depth, _)) = depth {
                    books.entry((conn, *depth)).or_default().apply(&text, *depth);
                }
            }
        };
        for (index, &(bid, offset, qty, wait)) in changes.iter().enumerate() {
            for (at, conn) in [(0, PUBLIC), (late % changes.len(), ConnId(9))] {
                if at == index {
                    for (_, topic) in topics {
                        let request = format!(r#"{{"op":"subscribe","args":["{topic}"]}}"#);
                        let sent = rig.say(conn, &request);
                        read(sent.into_iter().map(|text| (conn, text)).collect(), &mut books);
                    }
                }
            }
            let (side, price) = if bid { (Side::Buy, 65_000 - offset) } else { (Side::Sell, 65_000 + offset) };
            rig.exchange.set_level("BTCUSDT", side, price.into(), qty.into(), rig.now);
            rig.publish();
            rig.pass(wait);
            read(rig.taken(), &mut books);
        }
        rig.pass(200);
        read(rig.taken(), &mut books);
        prop_assert_eq!(books.len(), 6);
        for ((_, depth), book) in &books {
            let (_, bids, asks) = rig.exchange.depth("BTCUSDT", *depth).unwrap();
            prop_assert_eq!(book.levels(), [bids, asks]);
        }
    }
}

//! Market data: frames to exact events, and the life of subscriptions and snapshots.

use super::{BTC, ELSEWHERE, ETH, MS, NOW, Rig, Sent, fixture};
use crate::types::{
    Channel, CommandKind, DepthKind, DepthUpdate, Event, InstrumentId, Level, Nanos, Price, Qty,
    RateLimitUse, Readiness, Side, TopOfBook, Trade, VenueNotice,
};
use crate::venues::{DecodeError, EncodeError};

fn level(price: i64, qty: i64) -> Level {
    Level { price: Price(price), qty: Qty(qty) }
}

/// Both channels open, both instruments subscribed and acknowledged, clock measured.
fn live() -> Rig {
    let mut rig = Rig::market();
    rig.submit(CommandKind::Subscribe(BTC)).unwrap();
    rig.submit(CommandKind::Subscribe(ETH)).unwrap();
    rig.open(Channel::Rest);
    while let Some(request) = rig.requests().first() {
        let (id, body) = (request.id, format!(r#"{{"serverTime":{}}}"#, NOW.as_millis()));
        rig.response(id, 200, "", &body).unwrap();
    }
    rig.open(Channel::Public);
    rig.frame(Channel::Public, r#"{"result":null,"id":6}"#).unwrap();
    rig
}

const DELTA: &str = r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1795161255508,"s":"BTCUSDT","U":1,"u":2,"b":[],"a":[]}}"#;

fn snapshots(rig: &Rig) -> Vec<Sent> {
    rig.requests().into_iter().filter(|request| request.line.contains("/depth")).collect()
}

#[test]
fn frames_become_exact_events() {
    let mut rig = live();
    rig.frame(Channel::Public, fixture!("combined_book_ticker")).unwrap();
    let top = TopOfBook {
        instrument: BTC,
        sequence: 70_093_239_212,
        bid: level(6_183_763, 378_826),
        ask: level(6_183_764, 1),
        event_ns: Nanos(0),
    };
    assert_eq!(rig.events.list(), [Event::Top(top)]);
    rig.frame(Channel::Public, fixture!("combined_trade")).unwrap();
    let trade = Trade {
        instrument: ETH,
        // The buyer was the maker.
        taker: Side::Sell,
        price: Price(268_380),
        qty: Qty(2_000),
        trade_id: 3_735_683_259,
        event_ns: Nanos(1_795_161_255_342 * MS),
    };
    assert_eq!(rig.events.list(), [Event::Trade(trade)]);
    rig.frame(Channel::Public, fixture!("combined_depth")).unwrap();
    let depth = DepthUpdate {
        instrument: BTC,
        kind: DepthKind::Delta,
        first_id: 70_093_239_225,
        last_id: 70_093_239_237,
        sequence: 70_093_239_237,
        levels_start: 0,
        bids: 2,
        asks: 1,
        event_ns: Nanos(1_795_161_255_508 * MS),
    };
    assert_eq!(rig.events.list(), [Event::Depth(depth)]);
    let (bids, asks) = rig.events.levels(&depth);
    assert_eq!(bids, [level(6_183_017, 0), level(6_181_852, 21_367)]);
    assert_eq!(asks, [level(6_183_764, 160_520)]);
}

#[test]
fn the_snapshot_follows_the_first_delta() {
    let mut rig = live();
    assert!(rig.requests().is_empty());
    rig.frame(Channel::Public, DELTA).unwrap();
    let requests = rig.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].line, "GET /api/v3/depth?symbol=BTCUSDT&limit=1000");
    rig.frame(Channel::Public, DELTA).unwrap();
    assert!(rig.requests().is_empty());
    let id = requests[0].id;
    rig.response(id, 200, "X-MBX-USED-WEIGHT-1M: 51\r\n", fixture!("depth_snapshot")).unwrap();
    let depth = DepthUpdate {
        instrument: BTC,
        kind: DepthKind::FetchedSnapshot,
        first_id: 70_093_239_230,
        last_id: 70_093_239_230,
        sequence: 70_093_239_230,
        levels_start: 0,
        bids: 2,
        asks: 1,
        event_ns: Nanos(0),
    };
    // It is 16 seconds past the minute by the venue's clock.
    let limit = RateLimitUse { limit: 0, used: 51, allowed: 0, resets_ns: NOW.plus(44_000 * MS) };
    let limit = Event::Notice(VenueNotice::RateLimit(limit));
    assert_eq!(rig.events.list(), [limit, Event::Depth(depth)]);
    let (bids, asks) = rig.events.levels(&depth);
    assert_eq!(bids, [level(6_183_763, 378_826), level(6_183_700, 50_000)]);
    assert_eq!(asks, [level(6_183_764, 1)]);
    // A second reply to the same request is nobody's.
    let again = rig.response(id, 200, "", fixture!("depth_snapshot"));
    assert_eq!(again, Err(DecodeError::UnknownRequest));
}

#[test]
fn gaps_fetch_one_snapshot_at_a_time_and_not_too_often() {
    let mut rig = live();
    rig.frame(Channel::Public, DELTA).unwrap();
    let id = snapshots(&rig)[0].id;
    rig.submit(CommandKind::Resync(BTC)).unwrap();
    assert!(snapshots(&rig).is_empty(), "one is on its way");
    rig.response(id, 200, "", fixture!("depth_snapshot")).unwrap();
    rig.submit(CommandKind::Resync(BTC)).unwrap();
    assert!(snapshots(&rig).is_empty(), "too soon");
    rig.pass(499 * MS);
    assert!(snapshots(&rig).is_empty());
    rig.pass(MS);
    assert_eq!(snapshots(&rig).len(), 1);
    let id = snapshots(&rig)[0].id;
    rig.response(id, 200, "", fixture!("depth_snapshot")).unwrap();
    rig.pass(10_000 * MS);
    rig.submit(CommandKind::Resync(BTC)).unwrap();
    assert_eq!(snapshots(&rig).len(), 1, "at once after a quiet time");
    assert_eq!(rig.submit(CommandKind::Resync(ELSEWHERE)), Err(EncodeError::UnknownInstrument));
    assert_eq!(rig.submit(CommandKind::Balances), Err(EncodeError::Unsupported));
}

/// The address's allowance is shared with orders: the feed's part is 2 000 of 6 000 a minute.
#[test]
fn snapshots_keep_to_the_feeds_part_of_the_limit() {
    let mut rig = live();
    rig.frame(Channel::Public, DELTA).unwrap();
    let mut fetched = 0;
    // It is 16 seconds past the minute.
    while rig.now < NOW.plus(44_000 * MS) {
        if let Some(request) = snapshots(&rig).first() {
            let id = request.id;
            fetched += 1;
            rig.response(id, 200, "", fixture!("depth_snapshot")).unwrap();
            rig.submit(CommandKind::Resync(BTC)).unwrap();
        } else {
            rig.pass(500 * MS);
        }
    }
    assert_eq!(fetched, 39, "and the time was asked for");
    assert_eq!(snapshots(&rig).len(), 1, "a new minute");
}

#[test]
fn snapshots_wait_where_the_venue_counts_nearly_all_as_used() {
    let mut rig = live();
    rig.frame(Channel::Public, DELTA).unwrap();
    let id = snapshots(&rig)[0].id;
    let used = "X-MBX-USED-WEIGHT-1M: 4751\r\n";
    rig.response(id, 200, used, fixture!("depth_snapshot")).unwrap();
    rig.submit(CommandKind::Resync(BTC)).unwrap();
    rig.pass(43_999 * MS);
    assert!(snapshots(&rig).is_empty(), "4 800 and a reserve of 1 200 is all");
    rig.pass(MS);
    assert_eq!(snapshots(&rig).len(), 1);
}

#[test]
fn lost_and_refused_snapshots_are_fetched_again() {
    let mut rig = live();
    rig.frame(Channel::Public, DELTA).unwrap();
    let id = snapshots(&rig)[0].id;
    rig.lose(id);
    rig.pass(500 * MS);
    let id = snapshots(&rig)[0].id;
    rig.response(id, 503, "", "<html>").unwrap();
    assert_eq!(rig.notices(), [VenueNotice::RequestFailed(-503)]);
    rig.pass(500 * MS);
    let id = snapshots(&rig)[0].id;
    rig.response(id, 200, "", r#"{"lastUpdateId":1,"bids":[["x","1"]],"asks":[]}"#).unwrap_err();
    rig.pass(500 * MS);
    let id = snapshots(&rig)[0].id;
    let body = r#"{"code":-1003,"msg":"Too much request weight used."}"#;
    rig.response(id, 429, "Retry-After: 7\r\n", body).unwrap();
    let until = rig.now.plus(7_000 * MS);
    let expected = [VenueNotice::Suspended(until), VenueNotice::RequestFailed(-1003)];
    assert_eq!(rig.notices(), expected);
    rig.pass(6_999 * MS);
    assert!(rig.requests().is_empty());
    rig.pass(MS);
    let id = snapshots(&rig)[0].id;
    rig.response(id, 400, "", r#"{"code":-1121,"msg":"Invalid symbol."}"#).unwrap();
    let failed = [VenueNotice::RequestFailed(-1121), VenueNotice::SubscriptionFailed(BTC)];
    assert_eq!(rig.notices(), failed);
    rig.close(Channel::Rest);
    assert_eq!(rig.notices(), [VenueNotice::Readiness(Channel::Rest, Readiness::Down)]);
    rig.pass(20_000 * MS);
    assert!(rig.requests().is_empty());
    rig.open(Channel::Rest);
    assert_eq!(snapshots(&rig).len(), 1);
}

#[test]
fn everything_wanted_is_subscribed_in_one_message_and_again_after_a_cut() {
    let mut rig = Rig::market();
    let urls: Vec<_> = rig.connector.channels().iter().map(|spec| spec.url.clone()).collect();
    assert_eq!(urls, ["wss://localhost:1/stream", "https://localhost:1"]);
    rig.submit(CommandKind::Subscribe(BTC)).unwrap();
    rig.submit(CommandKind::Subscribe(ETH)).unwrap();
    assert!(rig.out.is_empty());
    rig.open(Channel::Public);
    let all = r#"{"method":"SUBSCRIBE","params":["btcusdt@bookTicker","btcusdt@depth@100ms","btcusdt@trade","ethusdt@bookTicker","ethusdt@depth@100ms","ethusdt@trade"],"id":1}"#;
    assert_eq!(rig.sent(), all);
    assert_eq!(rig.notices(), [VenueNotice::Readiness(Channel::Public, Readiness::Joining)]);
    rig.frame(Channel::Public, r#"{"result":null,"id":1}"#).unwrap();
    assert_eq!(rig.notices(), [VenueNotice::Readiness(Channel::Public, Readiness::Ready)]);
    assert_eq!(
        rig.frame(Channel::Public, r#"{"result":null,"id":9}"#),
        Err(DecodeError::UnknownRequest)
    );
    rig.close(Channel::Public);
    assert_eq!(rig.notices(), [VenueNotice::Readiness(Channel::Public, Readiness::Down)]);
    assert_eq!(rig.connector.deadline(), None);
    rig.open(Channel::Public);
    assert_eq!(rig.sent(), all.replace("\"id\":1", "\"id\":2"));
}

#[test]
fn messages_are_paced_and_leaving_is_told() {
    let mut rig = Rig::market();
    rig.open(Channel::Public);
    let ready = VenueNotice::Readiness(Channel::Public, Readiness::Ready);
    assert_eq!(rig.notices()[1], ready, "nothing is wanted yet");
    rig.submit(CommandKind::Subscribe(BTC)).unwrap();
    assert!(rig.sent().contains("btcusdt@trade"));
    rig.submit(CommandKind::Subscribe(ETH)).unwrap();
    assert!(rig.out.is_empty(), "five messages a second cut the connection");
    rig.pass(300 * MS);
    assert!(rig.sent().contains("ethusdt@trade"));
    rig.pass(300 * MS);
    rig.submit(CommandKind::Unsubscribe(BTC)).unwrap();
    let leave = r#"{"method":"UNSUBSCRIBE","params":["btcusdt@bookTicker","btcusdt@depth@100ms","btcusdt@trade"],"id":3}"#;
    assert_eq!(rig.sent(), leave);
    rig.frame(Channel::Public, r#"{"result":null,"id":3}"#).unwrap();
    rig.frame(Channel::Public, DELTA).unwrap();
    assert!(rig.events.list().is_empty(), "still on its way when we left");
}

#[test]
fn silent_streams_are_told_and_subscribed_again() {
    let mut rig = Rig::market();
    rig.submit(CommandKind::Subscribe(BTC)).unwrap();
    rig.open(Channel::Public);
    rig.frame(Channel::Public, r#"{"result":null,"id":1}"#).unwrap();
    rig.frame(Channel::Public, fixture!("combined_book_ticker")).unwrap();
    rig.pass(1_000 * MS);
    assert_eq!(rig.notices(), [VenueNotice::SubscriptionFailed(BTC)]);
    assert_eq!(rig.sent(), r#"{"method":"SUBSCRIBE","params":["btcusdt@depth@100ms"],"id":2}"#);
    rig.frame(Channel::Public, DELTA).unwrap();
    rig.pass(4_999 * MS);
    assert!(rig.notices().is_empty(), "trades may be rare");
    rig.pass(MS);
    assert_eq!(rig.notices(), [VenueNotice::SubscriptionFailed(BTC)]);
    assert_eq!(rig.sent(), r#"{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":3}"#);
}

#[test]
fn refused_subscriptions_are_told_and_repeated_later() {
    for refusal in [
        r#"{"code":2,"msg":"Invalid request: unknown variant","id":1}"#,
        r#"{"error":{"code":2,"msg":"Invalid request"},"id":1}"#,
        r#"{"code":2,"msg":"Invalid request"}"#,
    ] {
        let mut rig = Rig::market();
        rig.submit(CommandKind::Subscribe(BTC)).unwrap();
        rig.open(Channel::Public);
        rig.frame(Channel::Public, refusal).unwrap();
        let expected = [
            VenueNotice::SubscriptionFailed(BTC),
            VenueNotice::RequestFailed(2),
            VenueNotice::Readiness(Channel::Public, Readiness::Ready),
        ];
        assert_eq!(rig.notices(), expected, "{refusal}");
        rig.pass(1_999 * MS);
        assert!(rig.out.is_empty());
        rig.pass(MS);
        assert!(rig.sent().contains("btcusdt@depth@100ms"));
    }
}

#[test]
fn a_snapshot_from_before_a_cut_does_not_count() {
    let mut rig = live();
    rig.frame(Channel::Public, DELTA).unwrap();
    let id = snapshots(&rig)[0].id;
    rig.close(Channel::Public);
    rig.open(Channel::Public);
    rig.response(id, 200, "", fixture!("depth_snapshot")).unwrap();
    assert!(rig.events.list().is_empty());
    rig.frame(Channel::Public, DELTA).unwrap();
    assert_eq!(snapshots(&rig).len(), 1);
}

#[test]
fn an_announced_shutdown_leads_to_a_new_connection() {
    for text in
        [fixture!("combined_server_shutdown"), r#"{"e":"serverShutdown","E":1795161255999}"#]
    {
        let mut rig = live();
        rig.frame(Channel::Public, text).unwrap();
        assert_eq!(rig.notices(), [VenueNotice::ShutdownAnnounced(Channel::Public)]);
        assert_eq!(rig.reconnects(), [Channel::Public]);
    }
}

#[test]
fn the_clock_is_measured_at_open_and_again_later() {
    let mut rig = Rig::market();
    rig.open(Channel::Rest);
    assert_eq!(rig.requests()[0].line, "GET /api/v3/time");
    let id = rig.requests()[0].id;
    rig.now = NOW.plus(4 * MS);
    let body = format!(r#"{{"serverTime":{}}}"#, NOW.as_millis() + 1_002);
    rig.response(id, 200, "", &body).unwrap();
    let offset = VenueNotice::ClockOffset { offset_ns: 1_000_000_000, round_trip_ns: 4_000_000 };
    assert_eq!(rig.notices(), [offset]);
    for _ in 0..4 {
        let id = rig.requests()[0].id;
        rig.response(id, 200, "", &body).unwrap();
    }
    assert!(rig.requests().is_empty());
    rig.pass(119_999 * MS);
    assert!(rig.requests().is_empty());
    rig.pass(MS);
    let id = rig.requests()[0].id;
    assert_eq!(rig.response(id, 200, "", "{}"), Err(DecodeError::Missing("serverTime")));
}

#[test]
fn market_frames_that_are_wrong_are_refused_by_name() {
    use DecodeError::*;
    let number = |field, text: &str| {
        let scale = crate::types::Scale { price_decimals: 2, qty_decimals: 5 };
        Number(field, crate::venues::decimal::price(text, scale).unwrap_err())
    };
    let depth = |b: &str| DELTA.replace(r#""b":[]"#, &format!(r#""b":{b}"#));
    let ticker = |from: &str, to: &str| fixture!("combined_book_ticker").replace(from, to);
    let trade = |from: &str, to: &str| fixture!("combined_trade").replace(from, to);
    for (text, expected) in [
        ("".to_owned(), Json),
        ("{\"stream\":\"btcusdt@trade\",\"data\":{\"e\"".to_owned(), Json),
        ("[1]".to_owned(), UnknownKind),
        ("7".to_owned(), UnknownKind),
        ("{}".to_owned(), UnknownKind),
        (r#"{"result":[],"id":1}"#.to_owned(), UnknownKind),
        (r#"{"code":200,"msg":"done"}"#.to_owned(), UnknownKind),
        (r#"{"code":"2"}"#.to_owned(), Invalid("code")),
        (r#"{"code":2,"id":"x"}"#.to_owned(), UnknownRequest),
        (r#"{"id":1,"status":400,"error":{"code":-2010,"msg":""}}"#.to_owned(), UnknownKind),
        (r#"{"stream":7,"data":{}}"#.to_owned(), Invalid("stream")),
        (r#"{"stream":"btcusdt@trade"}"#.to_owned(), Missing("data")),
        (r#"{"stream":"btcusdt@kline_1m","data":{"s":"BTCUSDT"}}"#.to_owned(), UnknownKind),
        (r#"{"stream":"btcusdt@depth@0ms","data":{"s":"BTCUSDT"}}"#.to_owned(), UnknownKind),
        (r#"{"e":"markPriceUpdate","s":"BTCUSDT"}"#.to_owned(), UnknownKind),
        (ticker("BTCUSDT", "XRPUSDT"), UnknownSymbol),
        (ticker("btcusdt", "ethusdt"), Invalid("stream")),
        (ticker("\"u\":70093239212,", ""), Missing("u")),
        (ticker("\"b\":\"61837.63000000\",", ""), Missing("b")),
        (ticker("3.78826000", "-3.78826000"), Invalid("B")),
        (ticker("61837.63000000", "0.00000000"), Invalid("b")),
        (ticker("3.78826000", "-0.00000001"), Invalid("B")),
        (ticker("61837.63000000", "61837.63100000"), number("b", "61837.631")),
        (ticker("61837.63000000", "1e5"), number("b", "1e5")),
        (ticker("61837.63000000", "99999999999999999999"), number("b", "99999999999999999999")),
        // Futures say what they are.
        (ticker("\"u\":", "\"e\":\"bookTicker\",\"u\":"), UnknownKind),
        (DELTA.replace("\"U\":1", "\"pu\":0,\"U\":1"), UnknownKind),
        (DELTA.replace("\"U\":1", "\"T\":1795161255508,\"U\":1"), UnknownKind),
        (trade("\"M\":true", "\"X\":\"MARKET\""), UnknownKind),
        (DELTA.replace("\"U\":1", "\"U\":3"), Invalid("U")),
        (DELTA.replace("\"U\":1,", ""), Missing("U")),
        (DELTA.replace("1795161255508", "1795161255508000"), Invalid("E")),
        (depth("{}"), Invalid("b")),
        (depth("[[\"1\"]]"), Invalid("b")),
        (depth("[[\"1\",\"2\",\"3\"]]"), Invalid("b")),
        (depth("[[1,2]]"), Missing("b")),
        (depth("[[\"0\",\"2\"]]"), Invalid("b")),
        (depth("[[\"-1\",\"2\"]]"), Invalid("b")),
        (depth("[[\"1\",\"-2\"]]"), Invalid("b")),
        (trade("\"m\":true,", ""), Missing("m")),
        (trade("\"p\":\"2683.80000000\"", "\"p\":\"0\""), Invalid("p")),
        (trade("\"e\":\"trade\"", "\"e\":\"aggTrade\""), UnknownKind),
    ] {
        let mut rig = live();
        assert_eq!(rig.frame(Channel::Public, &text), Err(expected), "{text}");
        assert!(rig.events.list().is_empty(), "{text}");
        assert_eq!(rig.events.levels_len(), 0, "{text}");
    }
}

#[test]
fn more_levels_than_the_buffer_holds_are_refused_whole() {
    let mut rig = live();
    rig.events = crate::types::Events::with_capacity(4, 2);
    let three = DELTA.replace(r#""b":[]"#, r#""b":[["1","1"],["2","1"],["3","1"]]"#);
    assert_eq!(rig.frame(Channel::Public, &three), Err(DecodeError::TooLarge));
    assert_eq!(rig.events.levels_len(), 0);
}

/// Levels from before the lot size was made coarser would otherwise refuse every snapshot.
#[test]
fn dust_below_the_scale_is_cut() {
    let mut rig = live();
    rig.frame(
        Channel::Public,
        &DELTA.replace(r#""b":[]"#, r#""b":[["1","25.42618900"],["2","0.00000900"]]"#),
    )
    .unwrap();
    let Event::Depth(depth) = rig.events.list()[0] else { panic!() };
    let expected = [level(100, 2_542_618), level(200, 0)];
    assert_eq!(rig.events.levels(&depth).0, expected);
}

#[test]
fn an_empty_side_is_zero() {
    let mut rig = live();
    let empty = r#"{"u":5,"s":"BTCUSDT","b":"0.00000000","B":"0.00000000","a":"1.00","A":"2.0"}"#;
    rig.frame(Channel::Public, empty).unwrap();
    let Event::Top(top) = rig.events.list()[0] else { panic!() };
    assert_eq!((top.bid, top.ask), (level(0, 0), level(100, 200_000)));
    assert_eq!(top.instrument, InstrumentId(1));
}

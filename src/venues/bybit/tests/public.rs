//! The market-data connector.

use super::*;
use crate::types::{
    DepthKind, DepthUpdate, InstrumentStatus, Level, ParseUnitError, TopOfBook, Trade,
};
use crate::venues::Scans;

const SUBSCRIBE_BTC: &str = r#"Public {"req_id":"1","op":"subscribe","args":["orderbook.50.BTCUSDT","orderbook.1.BTCUSDT","publicTrade.BTCUSDT"]}"#;

/// A connector that was asked for BTC and is open.
fn subscribed() -> Bench {
    let mut bench = Bench::market();
    bench.submit(CommandKind::Subscribe(BTC)).unwrap();
    assert_eq!(bench.sent(), [""; 0]);
    bench.open(Channel::Public);
    assert_eq!(bench.sent_one(), SUBSCRIBE_BTC);
    assert_eq!(bench.notices(), [readiness(Channel::Public, Readiness::Joining)]);
    bench
}

/// The same with its depth and top received.
fn live() -> Bench {
    let mut bench = subscribed();
    bench.frame(Channel::Public, "ws_book50_snapshot").unwrap();
    bench.frame(Channel::Public, "ws_book1").unwrap();
    bench.take();
    bench
}

fn level(price: i64, qty: i64) -> Level {
    Level { price: Price(price), qty: Qty(qty) }
}

/// Feeds a depth frame and returns its head with both sides.
fn depth(bench: &mut Bench, name: &str) -> (DepthUpdate, Vec<Level>, Vec<Level>) {
    bench.frame(Channel::Public, name).unwrap();
    let found = bench.events.list().iter().find_map(|event| match event {
        Event::Depth(update) => Some(*update),
        _ => None,
    });
    let update = found.unwrap();
    let (bids, asks) = bench.events.levels(&update);
    let sides = (bids.to_vec(), asks.to_vec());
    bench.take();
    (update, sides.0, sides.1)
}

#[test]
fn channels_are_the_public_path_and_rest() {
    let bench = Bench::market();
    let urls: Vec<_> = bench.connector.channels().iter().map(|spec| spec.url.as_str()).collect();
    assert_eq!(urls, ["wss://localhost:9443/v5/public/spot", "https://localhost:9443"]);
    // A whole path in the configuration is left as it is.
    let mut given = setup();
    given.endpoints.public = "wss://stream.bybit.com/v5/public/spot/".to_owned();
    let connector = (ROW.market)(given).unwrap();
    assert_eq!(connector.channels()[0].url, "wss://stream.bybit.com/v5/public/spot");
}

#[test]
fn depth_frames_become_snapshots_and_deltas() {
    let mut bench = subscribed();
    let (update, bids, asks) = depth(&mut bench, "ws_book50_snapshot");
    let expected = DepthUpdate {
        instrument: BTC,
        kind: DepthKind::Snapshot,
        first_id: 3_734_358,
        last_id: 3_734_358,
        sequence: 2_189_232_157,
        levels_start: 0,
        bids: 2,
        asks: 2,
        event_ns: Nanos(1_789_299_655_598 * MS),
    };
    assert_eq!(update, expected);
    assert_eq!(bids, [level(7_714_050, 216_593), level(7_714_040, 324_084)]);
    assert_eq!(asks, [level(7_714_060, 324_006), level(7_714_110, 78)]);

    let (update, bids, asks) = depth(&mut bench, "ws_book50_delta");
    assert_eq!((update.kind, update.first_id), (DepthKind::Delta, 3_734_359));
    assert_eq!(update.last_id, 3_734_359);
    assert_eq!(bids, [level(7_714_040, 0), level(7_620_000, 2114)]);
    assert_eq!(asks, [level(7_792_800, 2492)]);

    // The order of the keys differs between products and is no matter.
    let (update, bids, asks) = depth(&mut bench, "ws_book50_delta_type_first");
    assert_eq!((update.kind, update.last_id), (DepthKind::Delta, 3_734_360));
    assert_eq!((bids, asks), (vec![], vec![level(7_792_800, 0)]));
}

#[test]
fn update_one_is_a_restart_and_replaces_the_book() {
    let mut bench = live();
    let (update, bids, asks) = depth(&mut bench, "ws_book50_restart");
    assert_eq!((update.kind, update.last_id), (DepthKind::Snapshot, 1));
    assert_eq!(
        (bids, asks),
        (vec![level(7_713_900, 1_000_000)], vec![level(7_713_910, 2_000_000)])
    );
}

#[test]
fn an_empty_snapshot_halts_the_instrument_and_the_next_book_resumes_it() {
    let mut bench = live();
    bench.frame(Channel::Public, "ws_book50_empty").unwrap();
    let halted = VenueNotice::InstrumentStatus(BTC, InstrumentStatus::Halted);
    assert_eq!(bench.notices(), [halted]);
    bench.frame(Channel::Public, "ws_book50_empty").unwrap();
    assert_eq!(bench.notices(), []);
    bench.frame(Channel::Public, "ws_book50_snapshot").unwrap();
    let trading = VenueNotice::InstrumentStatus(BTC, InstrumentStatus::Trading);
    assert_eq!(bench.notices(), [trading]);
}

#[test]
fn the_top_comes_as_snapshots_and_may_repeat() {
    let mut bench = live();
    let top = TopOfBook {
        instrument: BTC,
        sequence: 2_189_232_166,
        bid: level(7_714_050, 216_593),
        ask: level(7_714_060, 324_006),
        event_ns: Nanos(1_789_299_658_878 * MS),
    };
    for _ in 0..2 {
        bench.frame(Channel::Public, "ws_book1").unwrap();
        assert_eq!(bench.take(), [Event::Top(top)]);
    }
    bench.frame(Channel::Public, "ws_book1_one_sided").unwrap();
    let one_sided = TopOfBook { sequence: 2_189_232_170, bid: level(0, 0), ..top };
    assert_eq!(bench.take(), [Event::Top(one_sided)]);
    let delta = fixture("ws_book1").replace("snapshot", "delta");
    assert_eq!(bench.text(Channel::Public, &delta), Err(DecodeError::Invalid("type")));
}

#[test]
fn trades_carry_the_side_of_the_taker() {
    let mut bench = live();
    bench.frame(Channel::Public, "ws_trades").unwrap();
    let first = Trade {
        instrument: BTC,
        taker: Side::Sell,
        price: Price(7_714_050),
        qty: Qty(78),
        trade_id: 2_100_000_000_188_691_533,
        event_ns: Nanos(1_789_299_670_888 * MS),
    };
    let second = Trade {
        taker: Side::Buy,
        price: Price(7_714_010),
        qty: Qty(3812),
        // An id that is no number gives way to the sequence.
        trade_id: 2_189_232_213,
        event_ns: Nanos(1_789_299_670_889 * MS),
        ..first
    };
    assert_eq!(bench.take(), [Event::Trade(first), Event::Trade(second)]);
}

#[test]
fn bad_frames_are_refused_by_name_and_leave_no_levels() {
    use DecodeError::*;
    let book = fixture("ws_book50_delta");
    for (text, expected) in [
        (book.replace("0.002114", "-0.002114"), Invalid("size")),
        (book.replace("76200", "-76200"), Invalid("price")),
        (book.replace("\"76200\"", "\"0\""), Invalid("price")),
        (book.replace("76200", "76200.001"), Number("price", ParseUnitError::OffScale)),
        (book.replace("0.002114", "abc"), Number("size", ParseUnitError::Malformed)),
        (book.replace("0.002114", "1e9"), Number("size", ParseUnitError::Malformed)),
        (book.replace("76200", "99999999999999999999"), Number("price", ParseUnitError::Overflow)),
        (book.replace(r#"["76200","0.002114"]"#, r#"["76200"]"#), Missing("size")),
        (book.replace(r#"["76200","0.002114"]"#, r#"[76200,0.002114]"#), Missing("price")),
        (book.replace(r#""u":3734359,"#, ""), Missing("u")),
        (book.replace(r#""u":3734359"#, r#""u":-1"#), Missing("u")),
        (book.replace(r#","seq":2189232166"#, ""), Missing("seq")),
        (book.replace(r#""type":"delta","#, ""), Missing("type")),
        (book.replace("delta", "update"), Invalid("type")),
        (book.replace(r#""s":"BTCUSDT""#, r#""s":"ETHUSDT""#), Invalid("s")),
        (book.replace(r#""a":[["77928","0.002492"]],"#, ""), Missing("a")),
        (book.replace(r#"[["77928","0.002492"]]"#, "{}"), Invalid("a")),
        (book.replace("BTCUSDT", "DOGEUSDT"), UnknownSymbol),
        (book.replace("orderbook.50", "orderbook.200"), UnknownKind),
        (book.replace("orderbook.50", "orderbook.rpi"), UnknownKind),
        (book.replace("orderbook.50", "tickers"), UnknownKind),
        (book[..book.len() / 2].to_owned(), Json),
        (String::new(), Json),
        ("[]".to_owned(), UnknownKind),
        (r#"{"op":"order.create"}"#.to_owned(), UnknownKind),
        (fixture("ws_trades").replace("0.000078", "0"), Invalid("v")),
        (fixture("ws_trades").replace("Sell", "Sold"), Invalid("S")),
        (fixture("ws_trades").replace("77140.5", "-1"), Invalid("p")),
    ] {
        let mut bench = live();
        assert_eq!(bench.text(Channel::Public, &text), Err(expected), "{text}");
        assert_eq!(bench.events.levels_len(), 0, "{text}");
        assert_eq!(bench.take(), [], "{text}");
    }
    let mut bench = live();
    assert_eq!(bench.frame(Channel::Trade, "ws_book1"), Err(UnknownKind));
}

#[test]
fn a_frame_larger_than_the_buffer_is_refused() {
    let mut bench = live();
    bench.events = Events::with_capacity(4, 2);
    assert_eq!(bench.frame(Channel::Public, "ws_book50_delta"), Err(DecodeError::TooLarge));
    assert_eq!(bench.events.levels_len(), 0);
}

#[test]
fn ready_on_the_first_data_or_the_acknowledgement_whichever_comes_first() {
    let ready = [readiness(Channel::Public, Readiness::Ready)];
    for first in ["ws_subscribe_ok", "ws_subscribe_twice", "ws_book50_snapshot", "ws_book1"] {
        let mut bench = subscribed();
        bench.frame(Channel::Public, first).unwrap();
        assert_eq!(bench.notices(), ready, "{first}");
        bench.frame(Channel::Public, "ws_subscribe_ok").unwrap();
        assert_eq!(bench.notices(), [], "{first}");
    }
    let mut idle = Bench::market();
    idle.open(Channel::Public);
    assert_eq!(idle.notices(), ready);
    idle.close(Channel::Public);
    assert_eq!(idle.notices(), [readiness(Channel::Public, Readiness::Down)]);
}

/// Nine topics fit a request of ten, twelve do not.
#[test]
fn no_request_asks_for_more_than_ten_topics() {
    let mut given = setup();
    let mut table = instruments();
    let extra = table.get(BTC).cloned().unwrap();
    let extra = table.add(Instrument { symbol: "XRPUSDT".to_owned(), ..extra });
    given.instruments = Arc::new(table);
    let mut bench = Bench::over((ROW.market)(given).unwrap());
    for id in [BTC, ETH, InstrumentId(3), extra] {
        bench.submit(CommandKind::Subscribe(id)).unwrap();
    }
    bench.open(Channel::Public);
    let sent = bench.sent();
    let topics: Vec<_> = sent.iter().map(|line| line.matches("USDT").count()).collect();
    assert_eq!(topics, [9, 3]);
    assert!(sent[1].contains(r#""req_id":"2""#), "{}", sent[1]);
}

#[test]
fn a_refused_symbol_is_reported_and_the_others_are_asked_for_again_by_themselves() {
    let mut bench = subscribed();
    bench.submit(CommandKind::Subscribe(ETH)).unwrap();
    bench.close(Channel::Public);
    bench.open(Channel::Public);
    let both = bench.sent();
    assert!(both.last().unwrap().contains("BTCUSDT") && both.last().unwrap().contains("ETHUSDT"));
    bench.take();
    // The refusal carries no number: the text names the topic.
    bench.frame(Channel::Public, "ws_subscribe_invalid_symbol").unwrap();
    assert_eq!(bench.notices(), [VenueNotice::SubscriptionFailed(ETH)]);
    let again = bench.sent_one();
    assert!(again.contains("BTCUSDT") && !again.contains("ETHUSDT"), "{again}");
    bench.frame(Channel::Public, "ws_book50_snapshot").unwrap();
    bench.frame(Channel::Public, "ws_book1").unwrap();
    // The refused one is tried again later, alone.
    bench.pass(999);
    assert_eq!(bench.sent(), [""; 0]);
    bench.pass(1);
    let retry = bench.sent_one();
    assert!(retry.contains("ETHUSDT") && !retry.contains("BTCUSDT"), "{retry}");
    // And later still each time.
    bench.take();
    bench.frame(Channel::Public, "ws_subscribe_invalid_symbol").unwrap();
    bench.pass(1999);
    assert_eq!(bench.sent(), [""; 0]);
    bench.pass(1);
    assert!(bench.sent_one().contains("ETHUSDT"));
}

#[test]
fn a_refusal_that_names_nobody_splits_the_group() {
    let mut bench = Bench::market();
    for id in [BTC, ETH] {
        bench.submit(CommandKind::Subscribe(id)).unwrap();
    }
    bench.open(Channel::Public);
    bench.sent();
    bench.take();
    let refusal = r#"{"success":false,"ret_msg":"args size >10","req_id":"1","op":"subscribe"}"#;
    bench.text(Channel::Public, refusal).unwrap();
    assert_eq!(bench.notices(), []);
    assert_eq!(bench.sent().len(), 2);
    // Now the number tells who is meant.
    bench.text(Channel::Public, &refusal.replace('1', "3")).unwrap();
    assert_eq!(bench.notices(), [VenueNotice::SubscriptionFailed(ETH)]);
}

#[test]
fn a_silent_stream_is_reported_and_subscribed_anew() {
    let mut bench = subscribed();
    bench.frame(Channel::Public, "ws_book1").unwrap();
    bench.take();
    bench.pass(2999);
    assert_eq!(bench.notices(), []);
    bench.pass(1);
    assert_eq!(bench.notices(), [VenueNotice::SubscriptionFailed(BTC)]);
    bench.pass(1000);
    let sent = bench.sent();
    assert_eq!(sent.len(), 2);
    assert!(
        sent[0].starts_with(r#"Public {"req_id":"2","op":"unsubscribe","args":["orderbook.50"#)
    );
    assert!(sent[1].starts_with(r#"Public {"req_id":"2","op":"subscribe","args":["orderbook.50"#));
    // Trades may stay away for ever: they are not waited for.
    bench.frame(Channel::Public, "ws_book50_snapshot").unwrap();
    bench.frame(Channel::Public, "ws_book1").unwrap();
    bench.take();
    bench.pass(15_000);
    assert_eq!(bench.notices(), []);
}

#[test]
fn resync_restarts_the_depth_topic_alone() {
    let mut bench = live();
    bench.submit(CommandKind::Resync(BTC)).unwrap();
    assert_eq!(
        bench.sent(),
        [
            r#"Public {"req_id":"2","op":"unsubscribe","args":["orderbook.50.BTCUSDT"]}"#,
            r#"Public {"req_id":"2","op":"subscribe","args":["orderbook.50.BTCUSDT"]}"#,
        ]
    );
    // One at a time: the snapshot is on its way.
    bench.submit(CommandKind::Resync(BTC)).unwrap();
    assert_eq!(bench.sent(), [""; 0]);
    bench.frame(Channel::Public, "ws_book50_delta").unwrap();
    bench.frame(Channel::Public, "ws_book50_snapshot").unwrap();
    bench.take();
    bench.pass(3000);
    assert_eq!(bench.notices(), []);
    // A snapshot that does not come is a failed subscription.
    bench.submit(CommandKind::Resync(BTC)).unwrap();
    bench.sent();
    bench.pass(3000);
    assert_eq!(bench.notices(), [VenueNotice::SubscriptionFailed(BTC)]);
    // While the socket is down there is nothing to do: it comes back with a snapshot.
    bench.close(Channel::Public);
    bench.submit(CommandKind::Resync(BTC)).unwrap();
    assert_eq!(bench.sent(), [""; 0]);
}

/// A gap can come before the subscription is complete; its snapshot is used up by then.
#[test]
fn resync_works_while_the_top_is_still_awaited() {
    let mut bench = subscribed();
    bench.submit(CommandKind::Resync(BTC)).unwrap();
    assert_eq!(bench.sent(), [""; 0]);
    bench.frame(Channel::Public, "ws_book50_snapshot").unwrap();
    bench.submit(CommandKind::Resync(BTC)).unwrap();
    assert_eq!(bench.sent().len(), 2);
    bench.frame(Channel::Public, "ws_book1").unwrap();
    bench.take();
    bench.pass(3000);
    assert_eq!(bench.notices(), [VenueNotice::SubscriptionFailed(BTC)]);
}

/// Data proves that the venue took the others of a refused request.
#[test]
fn a_refusal_leaves_streams_that_have_spoken_alone() {
    let mut bench = Bench::market();
    for id in [BTC, ETH] {
        bench.submit(CommandKind::Subscribe(id)).unwrap();
    }
    bench.open(Channel::Public);
    bench.sent();
    bench.frame(Channel::Public, "ws_book50_snapshot").unwrap();
    bench.take();
    bench.frame(Channel::Public, "ws_subscribe_invalid_symbol").unwrap();
    assert_eq!(bench.notices(), [VenueNotice::SubscriptionFailed(ETH)]);
    assert_eq!(bench.sent(), [""; 0]);
}

#[test]
fn unsubscribed_instruments_fall_silent_and_stay_so() {
    let mut bench = live();
    bench.submit(CommandKind::Unsubscribe(BTC)).unwrap();
    assert_eq!(
        bench.sent_one(),
        SUBSCRIBE_BTC.replace("subscribe", "unsubscribe").replace('1', "2").replace("k.2", "k.1")
    );
    bench.frame(Channel::Public, "ws_book50_delta").unwrap();
    bench.text(Channel::Public, r#"{"success":true,"ret_msg":"","op":"unsubscribe"}"#).unwrap();
    assert_eq!(bench.take(), []);
    bench.close(Channel::Public);
    bench.open(Channel::Public);
    assert_eq!(bench.sent(), [""; 0]);
}

#[test]
fn commands_that_are_not_market_data_are_refused() {
    let mut bench = Bench::market();
    assert_eq!(bench.submit(CommandKind::Balances), Err(EncodeError::Unsupported));
    for unknown in [InstrumentId(0), InstrumentId(99)] {
        let refused = bench.submit(CommandKind::Subscribe(unknown));
        assert_eq!(refused, Err(EncodeError::UnknownInstrument));
    }
}

#[test]
fn pings_every_twenty_seconds_and_replaces_a_dead_socket() {
    let mut bench = live();
    bench.pass(19_999);
    assert_eq!(bench.sent(), [""; 0]);
    bench.pass(1);
    assert_eq!(bench.sent_one(), r#"Public {"op":"ping"}"#);
    bench.frame(Channel::Public, "ws_pong_public").unwrap();
    bench.pass(20_000);
    assert_eq!(bench.sent_one(), r#"Public {"op":"ping"}"#);
    assert_eq!(bench.take(), []);
    bench.pass(20_000);
    assert_eq!(bench.sent_one(), "reconnect Public");
    bench.pass(60_000);
    assert_eq!(bench.sent(), [""; 0]);
    bench.close(Channel::Public);
    bench.open(Channel::Public);
    assert_eq!(bench.sent_one(), SUBSCRIBE_BTC.replacen('1', "2", 1));
}

#[test]
fn the_venue_clock_is_probed_and_halved() {
    let mut bench = Bench::market();
    bench.open(Channel::Rest);
    assert_eq!(bench.sent_one(), "1 GET /v5/market/time\n");
    bench.take();
    // The venue's clock is 2 s ahead of the middle of a round trip of 40 ms.
    bench.now = START.plus(40 * MS);
    let ahead = fixture("rest_time").replace("1700000000000000000", "1700000002020000000");
    bench.reply(1, 200, "", &ahead).unwrap();
    let offset = VenueNotice::ClockOffset { offset_ns: 2_000_000_000, round_trip_ns: 40_000_000 };
    assert_eq!(bench.notices(), [offset]);
    assert_eq!(bench.reply(1, 200, "", &ahead), Err(DecodeError::UnknownRequest));
    bench.pass(30_000);
    assert_eq!(bench.sent_one(), "2 GET /v5/market/time\n");
    bench.lose(2);
    bench.pass(1000);
    assert_eq!(bench.sent_one(), "3 GET /v5/market/time\n");
    assert_eq!(bench.reply(3, 403, "", "<html>"), Err(DecodeError::Invalid("HTTP status")));
    let blocked = VenueNotice::Suspended(bench.now.plus(600_000 * MS));
    assert_eq!(bench.notices(), [blocked]);
    bench.pass(599_999);
    assert_eq!(bench.sent(), [""; 0]);
    bench.pass(1);
    assert_eq!(bench.sent_one(), "4 GET /v5/market/time\n");
}

/// A full outbox loses nothing: what was not asked for is asked for when there is room.
#[test]
fn subscriptions_wait_for_room() {
    let mut bench = Bench::market();
    bench.out = Outbox::with_capacity(1, 64);
    bench.out.reconnect(Channel::Rest).unwrap();
    bench.submit(CommandKind::Subscribe(BTC)).unwrap();
    bench.open(Channel::Public);
    assert_eq!(bench.sent_one(), "reconnect Rest");
    bench.pass(0);
    assert!(bench.sent_one().contains("BTCUSDT"));
}

#[test]
fn scanned_frames_and_others_are_counted() {
    let mut bench = subscribed();
    for name in ["ws_book50_snapshot", "ws_book1", "ws_trades"] {
        let text = fixture(name);
        bench.text(Channel::Public, text.trim()).unwrap();
    }
    bench.frame(Channel::Public, "ws_subscribe_ok").unwrap();
    assert_eq!(bench.connector.scans(), Scans { scanned: 3, fallback: 1 });
}

//! The market-data connector.

use super::super::sequence::Ids;
use super::super::{live, market_data, testnet};
use super::*;
use crate::book::{Book, BookOptions, Outcome};
use crate::types::{
    BookState, DepthKind, DepthUpdate, Level, ParseUnitError, PerpetualUpdate, Rate, Side,
    TopOfBook, Trade,
};
use crate::venues::Parser;

fn level(price: i64, qty: i64) -> Level {
    Level { price: Price(price), qty: Qty(qty) }
}

/// Frames of a file that holds them in order.
fn frames(name: &str) -> Vec<String> {
    let all: serde_json::Value = serde_json::from_str(&fixture(name)).unwrap();
    all.as_array().unwrap().iter().map(ToString::to_string).collect()
}

#[test]
fn addresses_are_completed() {
    let bench = Bench::market();
    let urls: Vec<_> = bench.connector.channels().iter().map(|spec| spec.url.as_str()).collect();
    assert_eq!(urls, ["wss://localhost:9443/ws/v5/public", "https://localhost:9443"]);
    assert_eq!(live().public, "wss://ws.okx.com:8443/ws/v5/public");
    assert_eq!(testnet().trade, "wss://wspap.okx.com:8443/ws/v5/private");
}

#[test]
fn spot_and_swaps_are_subscribed_in_one_request() {
    let mut bench = Bench::market();
    bench.submit(CommandKind::Subscribe(BTC)).unwrap();
    bench.submit(CommandKind::Subscribe(SWAP)).unwrap();
    bench.open(Channel::Public);
    assert_eq!(
        bench.sent(),
        [concat!(
            r#"{"id":"1","op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"},"#,
            r#"{"channel":"bbo-tbt","instId":"BTC-USDT"},{"channel":"trades","instId":"BTC-USDT"},"#,
            r#"{"channel":"books","instId":"BTC-USDT-SWAP"},"#,
            r#"{"channel":"bbo-tbt","instId":"BTC-USDT-SWAP"},"#,
            r#"{"channel":"trades","instId":"BTC-USDT-SWAP"},"#,
            r#"{"channel":"mark-price","instId":"BTC-USDT-SWAP"},"#,
            r#"{"channel":"funding-rate","instId":"BTC-USDT-SWAP"},"#,
            r#"{"channel":"index-tickers","instId":"BTC-USDT"}]}"#
        )]
    );
}

/// The frames of the live venue: linked, then a gap, behind which the book is asked for anew.
#[test]
fn books_are_linked_by_their_ids() {
    let mut bench = Bench::subscribed(BTC);
    let mut book = Book::new(Price(10), BookOptions::default());
    let mut outcomes = Vec::new();
    for frame in frames("ws_books_sequence_live_2026") {
        bench.public(&frame).unwrap();
        for event in bench.events.list() {
            if let Event::Depth(update) = event {
                let (bids, asks) = bench.events.levels(update);
                outcomes.push((*update, book.on_depth(update, bids, asks)));
            }
        }
        bench.take();
    }
    let update = |kind, ids: (u64, u64), sequence, counts: (u32, u32), ms| DepthUpdate {
        instrument: BTC,
        kind,
        first_id: ids.0,
        last_id: ids.1,
        sequence,
        levels_start: 0,
        bids: counts.0,
        asks: counts.1,
        event_ns: Nanos(ms * MS),
    };
    use DepthKind::{Delta, Snapshot};
    let time = 1_784_016_942_000;
    assert_eq!(
        outcomes,
        [
            (update(Snapshot, (100, 100), 100, (2, 2), time), Outcome::Applied),
            (update(Delta, (101, 110), 110, (0, 2), time + 108), Outcome::Applied),
            (update(Delta, (121, 130), 130, (0, 1), time + 208), Outcome::NeedResync),
        ]
    );
    assert_ne!(book.state(), BookState::Live);
}

fn book_frame(action: &str, ids: (i64, u64), asks: &str) -> String {
    format!(
        r#"{{"arg":{{"channel":"books","instId":"BTC-USDT"}},"action":"{action}","data":[{{"asks":{asks},"bids":[],"ts":"1784016942000","checksum":0,"prevSeqId":{},"seqId":{}}}]}}"#,
        ids.0, ids.1
    )
}

/// The worked sequence of the documentation: a keep-alive says that the book stands, and after a step
/// back it goes on.
#[test]
fn keep_alives_count_and_a_step_back_continues() {
    let mut bench = Bench::subscribed(BTC);
    let mut book = Book::new(Price(10), BookOptions::default());
    let mut feed = |bench: &mut Bench, action, ids, asks| {
        bench.public(&book_frame(action, ids, asks)).unwrap();
        let outcome = bench.events.list().iter().find_map(|event| match event {
            Event::Depth(update) => {
                let (bids, asks) = bench.events.levels(update);
                Some(book.on_depth(update, bids, asks))
            }
            _ => None,
        });
        bench.take();
        outcome
    };
    let one = r#"[["8477","7","0","2"]]"#;
    assert_eq!(feed(&mut bench, "snapshot", (-1, 10), one), Some(Outcome::Applied));
    assert_eq!(feed(&mut bench, "update", (10, 15), one), Some(Outcome::Applied));
    assert_eq!(feed(&mut bench, "update", (15, 15), "[]"), Some(Outcome::Applied));
    assert_eq!(feed(&mut bench, "update", (15, 3), one), Some(Outcome::Applied));
    assert_eq!(feed(&mut bench, "update", (3, 5), one), Some(Outcome::Applied));
    assert_eq!(feed(&mut bench, "update", (8, 9), one), Some(Outcome::NeedResync), "a gap");
    bench.sent();
    bench.submit(CommandKind::Resync(BTC)).unwrap();
    let arg = r#""args":[{"channel":"books","instId":"BTC-USDT"}]}"#;
    assert_eq!(
        bench.sent(),
        [
            format!(r#"{{"id":"2","op":"unsubscribe",{arg}"#),
            format!(r#"{{"id":"2","op":"subscribe",{arg}"#)
        ]
    );
    assert_eq!(feed(&mut bench, "snapshot", (-1, 5), one), Some(Outcome::Applied));
}

#[test]
fn a_book_that_is_not_even_kept_alive_is_asked_for_anew() {
    let mut bench = Bench::subscribed(BTC);
    let one = r#"[["8477","7","0","2"]]"#;
    bench.public(&book_frame("snapshot", (-1, 10), one)).unwrap();
    bench.public(&fixture("ws_bbo_tbt").replace("BCH-USDT-SWAP", "BTC-USDT")).unwrap();
    for _ in 0..3 {
        bench.pass(149_000);
        bench.public(&book_frame("update", (10, 10), "[]")).unwrap();
    }
    bench.sent();
    bench.pass(149_000);
    let asks = |lines: Vec<String>| lines.iter().any(|line| line.contains("\"books\""));
    assert!(!asks(bench.sent()));
    bench.pass(3_000);
    let sent = bench.sent();
    assert!(sent.iter().any(|line| line.contains("unsubscribe")) && asks(sent));
}

#[test]
fn documented_books_are_read_whole() {
    let mut bench = Bench::subscribed(BTC);
    bench.public(&fixture("ws_books_snapshot")).unwrap();
    let Some(Event::Depth(update)) =
        bench.events.list().iter().find(|event| matches!(event, Event::Depth(_))).copied()
    else {
        panic!("no depth")
    };
    assert_eq!(
        (update.first_id, update.last_id, update.bids, update.asks),
        (123_456, 123_456, 8, 8)
    );
    let (bids, asks) = bench.events.levels(&update);
    assert_eq!(
        (bids[0], asks[0]),
        (level(847_697, 25_600_000_000), level(847_698, 41_500_000_000))
    );
    assert_eq!(asks[7], level(850_696, 10_000_000_000));
    bench.take();
    bench.public(&fixture("ws_books_update")).unwrap();
    let Some(Event::Depth(update)) = bench.take().first().copied() else { panic!("no depth") };
    assert_eq!(
        (update.kind, update.first_id, update.last_id),
        (DepthKind::Delta, 123_457, 123_457)
    );
}

/// 55 154 contracts of 0.1 BCH are 5 515.4 BCH.
#[test]
fn tops_of_swaps_are_in_base_units() {
    let mut bench = Bench::subscribed(BCH);
    bench.take();
    bench.public(&fixture("ws_bbo_tbt")).unwrap();
    let top = TopOfBook {
        instrument: BCH,
        sequence: 363_996_337,
        bid: level(11_105, 577_450_000_000),
        ask: level(11_106, 551_540_000_000),
        event_ns: Nanos(1_670_324_386_802 * MS),
    };
    assert_eq!(bench.take()[0], Event::Top(top));
}

#[test]
fn trades_are_read() {
    let mut bench = Bench::subscribed(BTC);
    bench.take();
    for (name, price, qty, trade_id, ms) in [
        ("ws_trades", 4_221_990, 12_060_306, 130_639_474, 1_630_048_897_897),
        ("ws_trades_live_2026", 6_257_120, 7_990_896, 1_032_787_952, 1_784_016_942_060),
    ] {
        bench.public(&fixture(name)).unwrap();
        let trade = Trade {
            instrument: BTC,
            taker: Side::Buy,
            price: Price(price),
            qty: Qty(qty),
            trade_id,
            event_ns: Nanos(ms * MS),
        };
        assert_eq!(bench.take(), [Event::Trade(trade)], "{name}");
    }
}

#[test]
fn marks_indices_and_funding_are_read() {
    let mut bench = Bench::subscribed(SWAP);
    bench.take();
    let update = |ms: u64| PerpetualUpdate {
        instrument: SWAP,
        event_ns: Nanos(ms * MS),
        ..PerpetualUpdate::default()
    };
    let index = r#"{"arg":{"channel":"index-tickers","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","idxPx":"42309.9","ts":"1630049139747"}]}"#;
    let mark = fixture("ws_mark_price").replace("\"BTC-USDT\"", "\"BTC-USDT-SWAP\"");
    let funding = fixture("ws_funding_rate").replace("BTC-USD-SWAP", "BTC-USDT-SWAP");
    for (frame, expected) in [
        (
            mark.as_str(),
            PerpetualUpdate { mark: Some(amount("42310.6")), ..update(1_630_049_139_746) },
        ),
        (index, PerpetualUpdate { index: Some(amount("42309.9")), ..update(1_630_049_139_747) }),
        (
            funding.as_str(),
            PerpetualUpdate {
                funding_rate: Some(Rate(187_539_128_482_800)),
                funding_interval_s: Some(8 * 3600),
                next_funding_ns: Some(Nanos(1_700_726_400_000 * MS)),
                ..update(1_700_724_675_402)
            },
        ),
    ] {
        bench.public(frame).unwrap();
        assert_eq!(bench.take(), [Event::Perpetual(expected)], "{frame}");
    }
    for (frame, from, to, error) in [
        (mark.as_str(), "42310.6", "0", DecodeError::Invalid("markPx")),
        (index, "\"BTC-USDT\"", "\"XYZ-USDT\"", DecodeError::UnknownSymbol),
        (
            funding.as_str(),
            "0.0001875391284828",
            "x",
            DecodeError::Number("fundingRate", ParseUnitError::Malformed),
        ),
        (funding.as_str(), "fundingTime", "time", DecodeError::Missing("fundingTime")),
    ] {
        assert!(frame.contains(from), "{from}");
        assert_eq!(bench.public(&frame.replacen(from, to, 1)), Err(error), "{to}");
        assert_eq!(bench.take(), []);
    }
}

#[test]
fn control_frames_say_what_became_of_a_request() {
    let mut bench = Bench::subscribed(BTC);
    bench.take();
    let ready = VenueNotice::Readiness(Channel::Public, Readiness::Ready);
    bench.public(&fixture("ws_subscribe_ack")).unwrap();
    assert_eq!(bench.take(), [Event::Notice(ready)]);
    bench.public(&fixture("ws_unsubscribe_ack")).unwrap();
    assert_eq!(bench.take(), []);
    bench.public(&fixture("ws_notice_service_upgrade")).unwrap();
    let closing = VenueNotice::ShutdownAnnounced(Channel::Public);
    assert_eq!(bench.take(), [Event::Notice(closing)]);
    let error = fixture("ws_subscribe_error").replace("1512", "1");
    bench.public(&error).unwrap();
    // Nobody is named: the instrument is asked for by itself, and only then given up for a while.
    assert_eq!(bench.take(), [Event::Notice(VenueNotice::SubscriptionFailed(BTC))]);
}

#[test]
fn silence_is_answered_with_a_plain_ping_and_then_a_new_connection() {
    let mut bench = Bench::subscribed(BTC);
    bench.public(&fixture("ws_books_snapshot")).unwrap();
    let top = fixture("ws_bbo_tbt").replace("BCH-USDT-SWAP", "BTC-USDT");
    bench.public(&top).unwrap();
    bench.sent();
    bench.pass(20_000);
    assert_eq!(bench.sent(), ["ping"]);
    bench.public("pong").unwrap();
    bench.pass(20_000);
    assert_eq!(bench.sent(), ["ping"]);
    bench.pass(20_000);
    assert_eq!(bench.sent(), ["reconnect Public"]);
}

#[test]
fn the_clock_is_asked_over_rest() {
    let mut bench = Bench::market();
    bench.open(Channel::Rest);
    assert_eq!(bench.sent(), ["GET /api/v5/public/time"]);
    bench.take();
    bench.now = bench.now.plus(10 * MS);
    let mut body = fixture("rest_time").replace("1597026383085", "1700000000008").into_bytes();
    let response = Response { status: 200, head: b"HTTP/1.1 200 OK\r\n", body: &mut body };
    let (out, events) = (&mut bench.out, &mut bench.events);
    bench.connector.on_response(RequestId(1), response, bench.now, out, events).unwrap();
    let (offset_ns, round_trip_ns) = (3 * MS as i64, 10 * MS);
    let offset = VenueNotice::ClockOffset { offset_ns, round_trip_ns };
    assert_eq!(bench.take(), [Event::Notice(offset)]);
}

#[test]
fn bad_frames_are_refused_by_name_and_leave_nothing() {
    let mut bench = Bench::subscribed(BTC);
    bench.take();
    let (book, trade) =
        (book_frame("update", (1, 2), r#"[["8477","7","0","2"]]"#), fixture("ws_trades"));
    let invalid = DecodeError::Invalid;
    let off_scale = |name| DecodeError::Number(name, ParseUnitError::OffScale);
    for (frame, from, to, error) in [
        (&book, "books", "books5", DecodeError::UnknownKind),
        (&book, "BTC-USDT", "XYZ-USDT", DecodeError::UnknownSymbol),
        (&book, "update", "delta", invalid("action")),
        (&book, "\"prevSeqId\":1", "\"prevSeqId\":-2", invalid("prevSeqId")),
        (&book, "\"prevSeqId\":1,", "", DecodeError::Missing("prevSeqId")),
        (&book, "\"seqId\":2", "\"seqId\":\"2\"", invalid("seqId")),
        (&book, "\"ts\":\"1784016942000\"", "\"ts\":\"now\"", invalid("ts")),
        (&book, "8477", "8477.001", off_scale("price")),
        (&book, "8477", "0", invalid("price")),
        (&book, "\"7\"", "\"-7\"", invalid("size")),
        (&book, "\"7\"", "\"0.000000001\"", off_scale("size")),
        (&book, "\"bids\":[]", "\"bids\":{}", invalid("bids")),
        (&trade, "\"buy\"", "\"Buy\"", invalid("side")),
        (&trade, "\"130639474\"", "\"x\"", invalid("tradeId")),
        (&trade, "\"0.12060306\"", "\"0\"", invalid("sz")),
        (&trade, "\"42219.9\"", "\"\"", DecodeError::Number("px", ParseUnitError::Malformed)),
    ] {
        assert!(frame.contains(from), "{from}");
        assert_eq!(bench.public(&frame.replacen(from, to, 1)), Err(error), "{to}");
        assert_eq!((bench.take(), bench.events.levels_len()), (Vec::new(), 0), "{to}");
    }
    for text in ["", "{", "pong!", r#"{"event":"dance"}"#, r#"{"event":"channel-conn-count"}"#] {
        assert!(bench.public(text).is_err(), "{text}");
    }
}

/// Every frame cut anywhere is refused, never half taken, and nothing panics.
#[test]
fn frames_cut_short_are_refused() {
    let table = instruments();
    let instrument = table.get(BTC).unwrap();
    let mut events = Events::with_capacity(64, 64);
    let whole = book_frame("snapshot", (-1, 2), r#"[["8477","7","0","2"]]"#);
    for end in 0..whole.len() {
        let mut frame = whole.as_bytes()[..end].to_vec();
        let mut ids = Ids::default();
        let result = Parser::new()
            .read(&mut frame, |root| market_data::depth(root, instrument, &mut ids, &mut events));
        assert!(ids == Ids::default());
        assert!(result.is_err() && events.list().is_empty() && events.levels_len() == 0);
    }
}

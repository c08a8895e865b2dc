//! The market-data connector.

use super::*;
use crate::types::{DepthKind, DepthUpdate, Level, PerpetualUpdate, Rate, TopOfBook, Trade};
use crate::venues::FrameKind;
use crate::venues::hyperliquid::Frames;
use crate::venues::hyperliquid::market_data::topic;

fn market_of(id: InstrumentId) -> Bench {
    let mut bench = Bench::market();
    bench.submit(CommandKind::Subscribe(id)).unwrap();
    bench.open(Channel::Public);
    bench.take();
    bench.sent();
    bench
}

fn public(bench: &mut Bench, text: &str) -> Vec<Event> {
    bench.text(Channel::Public, text.trim_end()).unwrap();
    bench.take()
}

fn level(price: i64, qty: i64) -> Level {
    Level { price: Price(price), qty: Qty(qty) }
}

#[test]
fn each_stream_is_asked_for_by_itself() {
    let mut bench = Bench::market();
    bench.submit(CommandKind::Subscribe(BTC)).unwrap();
    bench.submit(CommandKind::Subscribe(PAIR)).unwrap();
    bench.open(Channel::Public);
    let text = |kind: &str, coin: &str| {
        let text = format!(
            r#"{{"method":"subscribe","subscription":{{"type":"{kind}","coin":"{coin}"}}}}"#
        );
        (Channel::Public, text)
    };
    let expected = [
        text("l2Book", "@107"),
        text("bbo", "@107"),
        text("trades", "@107"),
        text("l2Book", "BTC"),
        text("bbo", "BTC"),
        text("trades", "BTC"),
        text("activeAssetCtx", "BTC"),
    ];
    assert_eq!(bench.sent(), expected);
    assert_eq!(
        public(&mut bench, &fixture("ws_subscribe_ack_bbo")),
        [
            Event::Notice(VenueNotice::Readiness(Channel::Public, Readiness::Joining)),
            Event::Notice(VenueNotice::Readiness(Channel::Public, Readiness::Ready))
        ]
    );
    let mut fast = Bench::over(market(VenueSetup { depth: 5, ..setup() }).unwrap());
    fast.submit(CommandKind::Subscribe(BTC)).unwrap();
    fast.open(Channel::Public);
    let first = &fast.sent()[0].1;
    assert_eq!(
        first,
        r#"{"method":"subscribe","subscription":{"type":"l2Book","coin":"BTC","fast":true}}"#
    );
}

#[test]
fn a_book_is_whole_and_numbered_by_its_time() {
    let mut bench = market_of(BTC);
    let events = public(&mut bench, &fixture("ws_l2book_fast_1"));
    let time = 1_785_251_521_889;
    let update = DepthUpdate {
        instrument: BTC,
        kind: DepthKind::Snapshot,
        first_id: time,
        last_id: time,
        sequence: 2 * time,
        levels_start: 0,
        bids: 5,
        asks: 5,
        event_ns: Nanos(time * MS),
    };
    assert!(events.contains(&Event::Depth(update)));
    // The levels stand in the buffer until it is cleared: read again.
    let mut bench = market_of(BTC);
    bench.text(Channel::Public, fixture("ws_l2book_fast_1").trim_end()).unwrap();
    let (bids, asks) = bench.events.levels(&update);
    assert_eq!(bids[0], level(634_600, 2_666_000));
    assert_eq!(bids[4], level(634_290, 46_000));
    assert_eq!((asks[0], asks[4]), (level(634_880, 1_246_000), level(635_160, 2_619_000)));
    bench.take();
    assert!(public(&mut bench, &fixture("ws_l2book_fast_1")).is_empty(), "a repeat is no news");
    assert_eq!(bench.connector.scans().scanned, 2);
    assert_eq!(bench.connector.scans().fallback, 0);
}

#[test]
fn a_top_counts_before_the_book_of_its_block() {
    let mut bench = market_of(BTC);
    let time = 1_785_251_522_090;
    let top = TopOfBook {
        instrument: BTC,
        sequence: 2 * time + 1,
        bid: level(634_570, 28_000),
        ask: level(634_880, 1_246_000),
        event_ns: Nanos(time * MS),
    };
    let events = public(&mut bench, &fixture("ws_bbo_between_fast_books"));
    assert_eq!(events.first(), Some(&Event::Top(top)));
    // The book before it still shows a bid that is gone.
    bench.text(Channel::Public, fixture("ws_l2book_fast_1").trim_end()).unwrap();
    let Some(Event::Depth(update)) = bench.events.list().last().copied() else { panic!() };
    let (bids, asks) = bench.events.levels(&update);
    assert_eq!((bids[0], bids.len(), asks.len()), (level(634_570, 28_000), 4, 5));
    let empty = public(&mut market_of(InstrumentId(4)), &fixture("ws_bbo_both_sides_empty"));
    let Some(Event::Top(top)) = empty.first() else { panic!() };
    assert_eq!((top.bid, top.ask), (Level::default(), Level::default()));
}

#[test]
fn an_empty_book_is_legal_and_says_that_nothing_trades() {
    let mut bench = market_of(InstrumentId(4));
    let events = public(&mut bench, &fixture("ws_l2book_empty"));
    let halted = |event: &Event| {
        matches!(event, Event::Notice(VenueNotice::InstrumentStatus(InstrumentId(4), _)))
    };
    assert!(events.iter().any(halted));
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Depth(DepthUpdate { bids: 0, asks: 0, .. })))
    );
}

#[test]
fn trades_from_before_the_request_are_history() {
    let mut bench = Bench::market();
    bench.now = Nanos(1_788_490_042_000 * MS);
    bench.submit(CommandKind::Subscribe(BTC)).unwrap();
    bench.open(Channel::Public);
    bench.take();
    let trade = |taker, price, qty, trade_id| {
        Event::Trade(Trade {
            instrument: BTC,
            taker,
            price: Price(price),
            qty: Qty(qty),
            trade_id,
            event_ns: Nanos(1_788_490_042_052 * MS),
        })
    };
    let expected = [
        trade(Side::Sell, 806_390, 22_000, 1_095_884_267_920_331),
        trade(Side::Buy, 806_400, 404_000, 159_797_238_452_866),
    ];
    assert_eq!(public(&mut bench, &fixture("ws_trades")), expected);
    assert!(public(&mut bench, &fixture("ws_trades_replay_on_subscribe")).is_empty());
    assert!(public(&mut bench, r#"{"channel":"trades","data":[]}"#).is_empty());
}

#[test]
fn marks_and_funding_have_no_time_but_the_hour() {
    let mut bench = market_of(BTC);
    let expected = PerpetualUpdate {
        instrument: BTC,
        mark: Some(Amount(80_640 * E18)),
        index: Some(Amount(80_684_700_000_000_000_000_000)),
        funding_rate: Some(Rate(5_297_400_000_000)),
        funding_interval_s: Some(3600),
        next_funding_ns: Some(Nanos(1_785_002_400_000 * MS)),
        event_ns: Nanos(0),
        rest_stands: false,
    };
    let events = public(&mut bench, &fixture("ws_active_asset_ctx_perp"));
    assert_eq!(events, [Event::Perpetual(expected)]);
    let mut bench = market_of(InstrumentId(4));
    let events = public(&mut bench, &fixture("ws_active_asset_ctx_nulls"));
    let Event::Perpetual(update) = events[0] else { panic!() };
    assert_eq!(update.mark, Some(Amount(376_210_000_000_000_000)));
    let bad = r#"{"channel":"activeAssetCtx","data":{"coin":"MATIC","ctx":{"funding":"0","markPx":"-1"}}}"#;
    assert_eq!(bench.text(Channel::Public, bad), Err(DecodeError::Invalid("markPx")));
}

#[test]
fn refusals_name_their_coin() {
    let mut bench = market_of(BTC);
    bench.submit(CommandKind::Subscribe(PAIR)).unwrap();
    bench.sent();
    let refused = r#"{"channel":"error","data":"Error parsing JSON into valid websocket request: {\"method\": \"subscribe\", \"subscription\": {\"type\": \"bbo\", \"coin\": \"@107\"}}"}"#;
    let events = public(&mut bench, refused);
    assert_eq!(events, [Event::Notice(VenueNotice::SubscriptionFailed(PAIR))]);
    assert!(public(&mut bench, &fixture("ws_error_already_unsubscribed")).is_empty());
    let twice =
        r#"{"channel":"error","data":"Already subscribed: {\"type\":\"bbo\",\"coin\":\"BTC\"}"}"#;
    assert_eq!(public(&mut bench, twice).len(), 1, "ready");
    for (text, error) in [
        (r#"{"channel":"error","data":"out of cheese"}"#, DecodeError::Invalid("error")),
        (r#"{"channel":"noSuch","data":{}}"#, DecodeError::UnknownKind),
        (r#"{"data":{}}"#, DecodeError::Missing("channel")),
        (
            r#"{"channel":"bbo","data":{"coin":"DOGE","time":1,"bbo":[null,null]}}"#,
            DecodeError::UnknownSymbol,
        ),
        (
            r#"{"channel":"bbo","data":{"coin":"BTC","time":1,"bbo":[null]}}"#,
            DecodeError::Invalid("bbo"),
        ),
        (
            r#"{"channel":"bbo","data":{"coin":"BTC","bbo":[null,null]}}"#,
            DecodeError::Missing("time"),
        ),
        (
            r#"{"channel":"l2Book","data":{"coin":"BTC","time":1,"levels":[[]]}}"#,
            DecodeError::Invalid("levels"),
        ),
        (
            r#"{"channel":"l2Book","data":{"coin":"BTC","time":1,"levels":[[{"px":"0","sz":"1","n":1}],[]]}}"#,
            DecodeError::Invalid("px"),
        ),
        (r#"{"channel":"trades","data":{}}"#, DecodeError::Invalid("data")),
        (
            r#"{"channel":"trades","data":[{"coin":"BTC","side":"X","px":"1","sz":"1","time":1,"tid":1}]}"#,
            DecodeError::Invalid("side"),
        ),
    ] {
        assert_eq!(bench.text(Channel::Public, text), Err(error), "{text}");
        assert!(bench.take().is_empty());
    }
    assert_eq!(bench.events.levels_len(), 0, "nothing is left behind");
}

/// A stream that died without a word: books go on, tops do not.
#[test]
fn silent_streams_are_asked_for_anew() {
    let mut bench = market_of(BTC);
    let book = |time: u64, bid: &str| {
        format!(
            r#"{{"channel":"l2Book","data":{{"coin":"BTC","time":{time},"levels":[[{{"px":"{bid}","sz":"1.0","n":2}}],[{{"px":"90000.0","sz":"1.0","n":2}}]]}}}}"#
        )
    };
    public(&mut bench, &book(START_MS, "80000.0"));
    public(&mut bench, &book(START_MS + 1_000, "80001.0"));
    let failed = Event::Notice(VenueNotice::SubscriptionFailed(BTC));
    assert!(!public(&mut bench, &book(START_MS + 5_000, "80001.0")).contains(&failed));
    assert!(public(&mut bench, &book(START_MS + 6_000, "80001.0")).contains(&failed));
    // And one whose books stay out.
    let mut bench = market_of(ETH);
    let book = book(START_MS, "80000.0").replace("BTC", "ETH");
    public(&mut bench, &book);
    bench.pass(19_000);
    assert!(bench.take().is_empty());
    let pong = fixture("ws_pong");
    public(&mut bench, &pong);
    bench.pass(1_000);
    assert_eq!(bench.take(), [Event::Notice(VenueNotice::SubscriptionFailed(ETH))]);
}

#[test]
fn pings_and_the_clock() {
    let mut bench = Bench::market();
    bench.open(Channel::Rest);
    let (id, body) = bench.asked();
    assert_eq!(body, r#"{"type":"exchangeStatus"}"#);
    bench.answer(id, &answer_to("exchangeStatus")).unwrap();
    bench.open(Channel::Public);
    bench.now = bench.now.plus(20_000 * MS);
    let (out, events) = (&mut bench.out, &mut bench.events);
    bench.connector.on_deadline(bench.now, out, events);
    assert!(bench.sent().contains(&(Channel::Public, r#"{"method":"ping"}"#.to_owned())));
    bench.text(Channel::Public, &fixture("ws_pong")).unwrap();
}

/// The recording holds the older order of keys too: all of it is read, by the complete decoder.
#[test]
fn the_recording_decodes_completely() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/hyperliquid/btcusd_20250126_first_half.gz"
    );
    let Ok(file) = std::fs::File::open(path) else {
        println!("skipped: no recording of Hyperliquid");
        return;
    };
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(file), &mut text).unwrap();
    let mut bench = market_of(BTC);
    let (mut books, mut trades) = (0, 0);
    for line in text.lines() {
        let (at, frame) = line.split_once(' ').unwrap();
        bench.now = Nanos(at.parse().unwrap());
        for event in public(&mut bench, frame) {
            match event {
                Event::Depth(update) => {
                    assert_eq!((update.bids, update.asks), (20, 20));
                    books += 1;
                }
                Event::Trade(_) => trades += 1,
                Event::Notice(VenueNotice::Readiness(..)) => {}
                Event::Notice(VenueNotice::SubscriptionFailed(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    // Two of the 24 books have one time; the trades are from before the request.
    assert_eq!((books, trades), (23, 0));
}

/// The scanner does what the complete decoder does, or nothing.
#[test]
fn scanner_and_decoder_agree_on_every_frame() {
    let mut frames = Frames::new(&setup());
    let mut read = 0;
    for name in [
        "ws_bbo",
        "ws_bbo_between_fast_books",
        "ws_bbo_both_sides_empty",
        "ws_l2book_empty",
        "ws_l2book_fast_1",
        "ws_l2book_fast_2",
        "ws_l2book_hype",
        "ws_trades",
        "ws_trades_replay_on_subscribe",
    ] {
        let text = fixture(name).trim_end().to_owned();
        read += usize::from(compare(&mut frames, text.as_bytes()).is_some());
        // Every byte changed, and every cut.
        for at in 0..text.len() {
            for byte in [b'0', b'"', b'}', b',', b'-', b'.', b'[', b'x'] {
                let mut changed = text.clone().into_bytes();
                changed[at] = byte;
                compare(&mut frames, &changed);
            }
            compare(&mut frames, &text.as_bytes()[..at]);
        }
    }
    assert_eq!(read, 9, "all of them are the scanner's");
}

fn compare(frames: &mut Frames, frame: &[u8]) -> Option<FrameKind> {
    let mut buffers = [Events::with_capacity(64, 256), Events::with_capacity(64, 256)];
    let kind = frames.scan(frame, &mut buffers[0])?;
    let reference = frames.reference(&mut frame.to_vec(), &mut buffers[1]);
    let text = String::from_utf8_lossy(frame);
    assert_eq!(Ok(kind), reference, "{text}");
    assert_eq!(buffers[0], buffers[1], "{text}");
    Some(kind)
}

#[test]
fn topics_are_told_by_their_channel() {
    let mut parser = crate::venues::Parser::new();
    let mut body = fixture("ws_bbo").into_bytes();
    let coin = parser.read(&mut body, |root| Ok(topic(root)?.map(|(_, coin)| coin.to_owned())));
    assert_eq!(coin, Ok(Some("BTC".to_owned())));
}

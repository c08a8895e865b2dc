//! Books rebuilt from the recordings of each venue, over holes, cuts and several files.

use super::super::flow_tests::capture;
use super::super::{
    AccountId, Capture, EmbeddedOptions, Flow, FlowOptions, PlaceRequest, Refusal, SimOrderType,
    Target, embedded, own, venues,
};
use super::*;
use crate::types::TimeInForce;
use std::path::{Path, PathBuf};

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// A book after all frames of a capture, and how often it was lost.
fn rebuilt(files: &[PathBuf]) -> (Book, usize) {
    let mut source = Source::open(files).unwrap();
    let (mut book, mut holes) = (Book::default(), 0);
    let head = source.head().unwrap();
    let rest = std::iter::from_fn(|| source.next());
    for (_, frame) in head.frames.into_iter().chain(rest) {
        let synced = book.is_synced;
        book.apply(frame);
        holes += usize::from(synced && !book.is_synced);
    }
    (book, holes)
}

fn best_of(book: &Book) -> (Option<String>, Option<String>) {
    let bid = book.ladder.bids.last_key_value().map(|(price, qty)| format!("{price}x{qty}"));
    let ask = book.ladder.asks.first_key_value().map(|(price, qty)| format!("{price}x{qty}"));
    (bid, ask)
}

fn remove(files: &[PathBuf]) {
    files.iter().for_each(|path| std::fs::remove_file(path).unwrap());
}

const SNAPSHOT: &str =
    r#"2000000000 {"lastUpdateId":10,"bids":[["100","1"]],"asks":[["101","1"]]}"#;

fn depth(at: u64, first: u64, last: u64, bid: &str) -> String {
    format!(
        r#"{at} {{"stream":"btcusdt@depth@100ms","data":{{"s":"BTCUSDT","U":{first},"u":{last},"b":[["{bid}","2"]],"a":[]}}}}"#
    )
}

#[test]
fn a_missing_change_empties_the_book_until_the_next_snapshot() {
    let lines = [
        SNAPSHOT.to_owned(),
        depth(2_100_000_000, 11, 12, "100.1"),
        depth(2_200_000_000, 14, 15, "100.2"),
        depth(2_300_000_000, 16, 17, "100.3"),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let files = [capture("hole", &lines)];
    let (book, holes) = rebuilt(&files);
    assert_eq!((best_of(&book), holes), ((None, None), 1));
    remove(&files);
    let snapshot = r#"2400000000 {"lastUpdateId":15,"bids":[["99","1"]],"asks":[["101","1"]]}"#;
    let files = [capture("healed", &[&lines[..], &[snapshot]].concat())];
    let (book, _) = rebuilt(&files);
    // What came behind the snapshot's number is applied to it.
    assert_eq!(best_of(&book).0.as_deref(), Some("100.3x2"));
    assert!(!book.ladder.bids.contains_key(&dec("100.2")));
    remove(&files);
}

#[test]
fn a_fetched_snapshot_that_is_older_than_the_stream_changes_nothing() {
    let late = r#"2200000000 {"lastUpdateId":11,"bids":[["90","1"]],"asks":[["101","1"]]}"#;
    let change = depth(2_100_000_000, 11, 12, "100.1");
    let files = [capture("late", &[SNAPSHOT, &change, late])];
    assert_eq!(best_of(&rebuilt(&files).0).0.as_deref(), Some("100.1x2"));
    remove(&files);
}

#[test]
fn a_level_that_only_a_best_quote_has_shown_goes_with_it() {
    let best = |at: u64, id: u64, bid: &str| {
        format!(
            r#"{at} {{"stream":"btcusdt@bookTicker","data":{{"u":{id},"s":"BTCUSDT","b":"{bid}","B":"3","a":"101","A":"1"}}}}"#
        )
    };
    let lines = [best(2_010_000_000, 11, "99.5"), best(2_020_000_000, 12, "100")];
    let change = depth(2_100_000_000, 11, 13, "100");
    let files = [capture("ghost", &[SNAPSHOT, &lines[0], &lines[1], &change])];
    let (book, _) = rebuilt(&files);
    assert_eq!(best_of(&book), (Some("100x2".to_owned()), Some("101x1".to_owned())));
    assert_eq!(book.ladder.bids.len(), 1, "{:?}", book.ladder.bids);
    remove(&files);
}

#[test]
fn a_best_quote_that_a_better_one_follows_stands_until_the_depth_speaks() {
    let best = |at: u64, id: u64, bid: &str| {
        format!(
            r#"{at} {{"stream":"btcusdt@bookTicker","data":{{"u":{id},"s":"BTCUSDT","b":"{bid}","B":"3","a":"101","A":"1"}}}}"#
        )
    };
    let lines = [best(2_010_000_000, 11, "100.5"), best(2_020_000_000, 12, "100.7")];
    let bids = |more: &[&str]| {
        let files = [capture("passed", &[&[SNAPSHOT, &lines[0], &lines[1]], more].concat())];
        let (book, _) = rebuilt(&files);
        remove(&files);
        let shown = |(price, qty): (&Decimal, &Decimal)| format!("{price}x{qty}");
        book.ladder.bids.iter().rev().map(shown).collect::<Vec<_>>()
    };
    assert_eq!(bids(&[]), ["100.7x3", "100.5x3", "100x1"]);
    // A quote that falls back says that what was better is gone.
    assert_eq!(bids(&[&best(2_030_000_000, 13, "100.2")]), ["100.2x3", "100x1"]);
    // A depth that is older than the quote does not speak of it, a newer one does.
    let older = depth(2_030_000_000, 11, 10, "99");
    assert_eq!(bids(&[&older]), ["100.7x3", "100.5x3", "100x1"]);
    let newer = depth(2_030_000_000, 11, 11, "99");
    assert_eq!(bids(&[&newer]), ["100.7x3", "100x1", "99x2"]);
    let newest = depth(2_030_000_000, 11, 12, "100.7");
    assert_eq!(bids(&[&newest]), ["100.7x2", "100x1"]);
}

#[test]
fn files_of_one_recording_follow_each_other_and_one_that_was_cut_leaves_a_hole() {
    let change = depth(2_100_000_000, 11, 12, "100.1");
    let next = depth(2_200_000_000, 13, 14, "100.2");
    let files = [capture("first", &[SNAPSHOT, &change]), capture("second", &[&next])];
    let (book, holes) = rebuilt(&files);
    assert_eq!((best_of(&book).0.as_deref(), holes), (Some("100.2x2"), 0));
    let whole = std::fs::read(&files[0]).unwrap();
    std::fs::write(&files[0], &whole[..whole.len() - 9]).unwrap();
    let (book, holes) = rebuilt(&files);
    assert_eq!((best_of(&book).0, holes), (None, 1));
    let found = survey(&files[0]).unwrap();
    assert_eq!(found.cut.as_deref(), Some("it was not written to its end"));
    assert_eq!((found.frames, found.holes), (2, 0));
    remove(&files);
    // Too long a pause between two files says the same.
    let next = depth(8_200_000_000, 13, 14, "100.2");
    let files = [capture("third", &[SNAPSHOT, &change]), capture("fourth", &[&next])];
    assert_eq!(rebuilt(&files).1, 1);
    remove(&files);
}

#[test]
fn a_survey_tells_frames_span_origin_and_holes() {
    let own =
        r#"1700000000000000000 {"stoop":{"venue":"okx","symbol":"BTC-USDT","perpetual":false}}"#;
    let hole = r#"1700000001500000000 {"stoop":{"hole":3}}"#;
    let lines = [own, "1700000000000000000 {\"a\":1}", hole, "1700000002500000000 pong"];
    let files = [capture("survey", &lines)];
    let found = survey(&files[0]).unwrap();
    assert_eq!((found.frames, found.holes, &found.cut), (2, 1, &None));
    assert_eq!(found.last_ns - found.first_ns, 2_500_000_000);
    let of = found.origin.unwrap();
    assert_eq!(
        (of.venue.as_str(), of.symbol.as_str(), of.perpetual),
        ("okx", "BTC-USDT", Some(false))
    );
    remove(&files);
}

#[test]
fn what_is_no_recording_is_named_with_its_line() {
    for (name, lines, error) in [
        (
            "untimed",
            &["1700000000000000000 {}", "{\"a\":1}", "x"][..],
            ":2: no time before the frame",
        ),
        ("words", &["all of it"][..], ":1: no time before the frame"),
    ] {
        let path = capture(name, lines);
        let found = survey(&path).err().unwrap();
        assert!(found.contains(error) && found.contains("stoop-"), "{found}");
        std::fs::remove_file(path).unwrap();
    }
    let path = capture("none", &[]);
    assert_eq!(survey(&path).unwrap(), Survey::default());
    std::fs::remove_file(path).unwrap();
    assert!(survey(Path::new("/nowhere.gz")).err().unwrap().starts_with("/nowhere.gz: "));
}

#[test]
fn a_capture_that_begins_again_has_its_trades_again() {
    let book = |at: u64| {
        format!(
            r#"{at}000000 {{"channel":"l2Book","data":{{"coin":"BTC","time":{at},"levels":[[{{"px":"100","sz":"1","n":2}}],[{{"px":"101","sz":"1","n":2}}]]}}}}"#
        )
    };
    let trade = r#"100100000000 {"channel":"trades","data":[{"coin":"BTC","side":"B","px":"101","sz":"1","time":100100}]}"#;
    let files = [capture("again", &[&book(100_000), trade, &book(200_000)])];
    let mut source = Source::open(&files).unwrap();
    let mut trades = || {
        let head = source.head().unwrap().frames.into_iter();
        let rest = std::iter::from_fn(|| source.next());
        head.chain(rest).filter(|(_, frame)| matches!(frame, Frame::Trade { .. })).count()
    };
    assert_eq!((trades(), trades()), (1, 1));
    remove(&files);
}

const START_S: u64 = 1_700_000_000;
const SECOND: u64 = 1_000_000_000;

fn stated(tick: &str) -> StatedRules {
    let text = |text: &str| text.to_owned();
    StatedRules {
        venue: text("bybit"),
        instrument: text("BTC/USDT@bybit"),
        symbol: text("BTCUSDT"),
        base: text("BTC"),
        quote: text("USDT"),
        tick: dec(tick),
        lot: dec("0.001"),
        contract: Decimal::ONE,
        fees: Some([dec("0.001"), dec("0.002")]),
        ..StatedRules::default()
    }
}

fn bybit_bid(kind: &str, id: u64, bid: &str, qty: u64) -> String {
    format!(
        r#"{{"topic":"orderbook.50.BTCUSDT","type":"{kind}","data":{{"s":"BTCUSDT","b":[["{bid}","{qty}"]],"a":[["110","1"]],"u":{id},"seq":{id}}}}}"#
    )
}

/// A file of lines by the second of each.
fn recorded(name: &str, lines: &[(u64, String)]) -> PathBuf {
    let timed = |(at, line): &(u64, String)| format!("{} {line}", (START_S + at) * SECOND);
    let lines: Vec<String> = lines.iter().map(timed).collect();
    capture(name, &lines.iter().map(String::as_str).collect::<Vec<_>>())
}

/// What begins with these rules, and so does its market.
fn begun(tick: &str, bid: &str) -> Vec<(u64, String)> {
    let head = [own::header(&stated(tick), None), own::rules(&stated(tick))];
    let lines = head.into_iter().chain([bybit_bid("snapshot", 1, bid, 2)]);
    lines.map(|line| (0, line)).collect()
}

/// A venue that plays a recording.
struct Playing {
    exchange: Exchange,
    flow: Flow,
}

impl Playing {
    fn new(files: &[PathBuf], at: &str, once: bool) -> Self {
        let venue = if at == "bybit" { "" } else { at };
        let captures = vec![Capture { files: files.to_vec(), venue: venue.to_owned() }];
        let flow = FlowOptions { captures, once, ..FlowOptions::default() };
        let options = EmbeddedOptions { flow, ..EmbeddedOptions::default() };
        let wire = venues::wire(at).unwrap();
        let name = wire.name();
        let exchange = embedded(&options, vec![wire]).unwrap().options.venues.remove(0).exchange;
        let flow = Flow::new(&options.flow, &[(name, exchange.symbols().to_vec())]).unwrap();
        Self { exchange, flow }
    }

    /// The rules so many seconds after the beginning.
    fn rules_at(&mut self, seconds: u64) -> SymbolRules {
        let exchange = &mut self.exchange;
        let target = Target { exchange, start_ms: START_S * 1_000 };
        self.flow.step(seconds * SECOND, usize::MAX, &mut [target]);
        self.exchange.rules("BTCUSDT").unwrap().clone()
    }

    fn bids(&self) -> Vec<Decimal> {
        let (_, bids, _) = self.exchange.depth("BTCUSDT", 9).unwrap();
        bids.iter().map(|level| level.0).collect()
    }
}

#[test]
fn rules_that_a_recording_changes_hold_at_its_venue_from_then_on() {
    let mut lines = begun("0.1", "100.1");
    lines.extend([
        (5, own::rules(&stated("0.1"))),
        (10, own::rules(&stated("0.05"))),
        (20, bybit_bid("delta", 2, "100.15", 2)),
        (30, own::rules(&stated("0.5"))),
        (40, bybit_bid("delta", 3, "100.5", 2)),
    ]);
    let files = [recorded("rules", &lines)];
    assert_eq!(survey(&files[0]).unwrap().rules, Some(stated("0.1")), "those it begins with");
    for (at, ticks, changes) in [("bybit", ["0.1", "0.05", "0.5"], 2), ("binance", ["0.01"; 3], 0)]
    {
        let mut playing = Playing::new(&files, at, true);
        let fee = playing.exchange.rules("BTCUSDT").unwrap().taker_fee;
        for (seconds, tick) in [9, 11, 31].into_iter().zip(ticks) {
            let now = playing.rules_at(seconds);
            assert_eq!((now.tick_size, now.taker_fee), (dec(tick), fee), "{at} at {seconds}");
        }
        playing.rules_at(41);
        assert_eq!(playing.bids(), ["100.5", "100.15", "100.1"].map(dec), "as it was recorded");
        // What is stated again is no change.
        assert_eq!(playing.exchange.rule_changes(), changes, "{at}");
    }
    remove(&files);
}

#[test]
fn orders_in_finer_steps_are_taken_once_the_recording_has_them() {
    let mut lines = begun("0.1", "100.1");
    lines.push((10, own::rules(&stated("0.001"))));
    let files = [recorded("finer", &lines)];
    let mut playing = Playing::new(&files, "bybit", true);
    let mut bid_at = |seconds: u64| {
        playing.rules_at(seconds);
        let request = PlaceRequest {
            symbol: "BTCUSDT".to_owned(),
            client_id: seconds.to_string(),
            side: Side::Buy,
            order_type: SimOrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            price: dec("99.123"),
            qty: Decimal::ONE,
            reduce_only: false,
        };
        playing.exchange.place(AccountId(0), request, 0).map(|_| ())
    };
    assert_eq!(bid_at(9), Err(Refusal::PriceTick));
    assert_eq!(bid_at(11), Ok(()));
    remove(&files);
}

/// What stood there by the old step is taken away by its own price.
#[test]
fn a_step_that_does_not_go_with_the_one_before_leaves_no_level_behind() {
    let mut lines = begun("0.5", "100.5");
    lines.extend([
        (10, own::rules(&stated("0.2"))),
        (20, bybit_bid("delta", 2, "100.4", 2)),
        (30, bybit_bid("delta", 3, "100.5", 0)),
    ]);
    let files = [recorded("across", &lines)];
    let mut playing = Playing::new(&files, "bybit", true);
    assert_eq!(playing.rules_at(21).tick_size, dec("0.2"));
    assert_eq!(playing.bids(), ["100.5", "100.4"].map(dec));
    playing.rules_at(31);
    assert_eq!(playing.bids(), [dec("100.4")]);
    remove(&files);
}

/// The recorder hears of new rules some minutes after the venue goes by them: finer prices stand before.
#[test]
fn finer_prices_from_before_the_rules_were_known_leave_no_level_behind() {
    let ask = |id: u64, ask: &str, qty: u64| {
        bybit_bid("delta", id, "90", 1).replace(r#"["110","1"]"#, &format!(r#"["{ask}","{qty}"]"#))
    };
    for (first, bids) in [("100.1", &["100.1", "90"][..]), ("99.9", &["99.9", "90"])] {
        let mut lines = begun("0.1", first);
        lines.extend([
            (5, bybit_bid("delta", 2, "100.15", 2)),
            (6, ask(3, "101.15", 3)),
            (10, own::rules(&stated("0.05"))),
            (20, bybit_bid("delta", 4, "100.15", 0)),
            (21, ask(5, "101.15", 0)),
        ]);
        let files = [recorded("finer-before", &lines)];
        let mut playing = Playing::new(&files, "bybit", true);
        let (_, fine, asks) = {
            playing.rules_at(11);
            playing.exchange.depth("BTCUSDT", 9).unwrap()
        };
        assert!(fine.iter().any(|level| level.0 == dec("100.15") && level.1 == dec("2")));
        assert_eq!(asks[0], (dec("101.15"), dec("3")));
        playing.rules_at(22);
        assert_eq!(playing.bids(), bids.iter().map(|bid| dec(bid)).collect::<Vec<_>>());
        let (_, levels, asks) = playing.exchange.depth("BTCUSDT", 9).unwrap();
        assert_eq!(levels[0].1, dec("2"), "what stood at the old tick alone");
        assert_eq!(asks[0].0, dec("110"));
        remove(&files);
    }
}

#[test]
fn a_common_step_is_one_of_both() {
    for (one, other, common) in [
        ("0.1", "0.1", "0.1"),
        ("0.1", "0.05", "0.05"),
        ("0.5", "0.2", "0.1"),
        ("0.15", "0.1", "0.05"),
        ("0.00001", "1000", "0.00001"),
    ] {
        assert_eq!(book::common_step(dec(one), dec(other)), dec(common), "{one} {other}");
        assert_eq!(book::common_step(dec(other), dec(one)), dec(common), "{other} {one}");
    }
}

#[test]
fn a_recording_that_begins_again_has_its_first_rules_again() {
    let mut lines = begun("0.1", "100.1");
    lines.extend([(10, own::rules(&stated("0.5"))), (20, bybit_bid("delta", 2, "100.5", 2))]);
    let files = [recorded("rules-again", &lines)];
    let mut playing = Playing::new(&files, "bybit", false);
    let ticks = [9, 11, 21, 31, 41].map(|seconds| playing.rules_at(seconds).tick_size);
    assert_eq!(ticks, ["0.1", "0.5", "0.1", "0.5", "0.1"].map(dec));
    remove(&files);
}

#[test]
fn a_file_that_follows_states_what_has_changed_between_the_two() {
    let first = begun("0.1", "100.1");
    let mut second = vec![(10, own::header(&stated("0.5"), Some(START_S * SECOND)))];
    second.push((10, own::rules(&stated("0.5"))));
    second.push((10, bybit_bid("snapshot", 2, "100.5", 2)));
    let files = [recorded("before", &first), recorded("behind", &second)];
    let ticks = |files: &[PathBuf], seconds: [u64; 2]| {
        let mut playing = Playing::new(files, "bybit", true);
        seconds.map(|seconds| playing.rules_at(seconds).tick_size)
    };
    assert_eq!(ticks(&files, [9, 11]), ["0.1", "0.5"].map(dec));
    assert_eq!(ticks(&files[1..], [0, 1]), ["0.5", "0.5"].map(dec), "alone");
    remove(&files);
}

/// Over real recordings where they are at hand (`STOOP_CAPTURES`, a folder).
#[test]
fn real_recordings_of_every_venue_rebuild_without_a_hole_or_a_crossed_book() {
    let Some(folder) = std::env::var_os("STOOP_CAPTURES").map(PathBuf::from) else {
        println!("skipped: STOOP_CAPTURES is not set");
        return;
    };
    for (file, venue, symbol, perpetual, levels) in [
        ("binance/usdm_ethusdt_20240808.gz", "binance_usdm", "ETHUSDT", Some(true), 3_000),
        ("bybit/linear_xrpusdt_ob500_20241201_first_half.jsonl.gz", "bybit", "XRPUSDT", None, 500),
        (
            "bybit/spot_testnet_btcusdt_20260913_first_half.jsonl.gz",
            "bybit",
            "BTCUSDT",
            Some(false),
            50,
        ),
        ("hyperliquid/btcusd_20250126_first_half.gz", "hyperliquid", "BTC", Some(true), 20),
    ] {
        let path = folder.join(file);
        let origin = survey(&path).unwrap().origin.unwrap();
        assert_eq!((origin.venue.as_str(), origin.symbol.as_str()), (venue, symbol), "{file}");
        assert_eq!(origin.perpetual, perpetual, "{file}");
        let (book, holes) = rebuilt(&[path]);
        assert_eq!(holes, 0, "{file}");
        let (bids, asks) = (&book.ladder.bids, &book.ladder.asks);
        assert!(
            bids.len() >= levels && asks.len() >= levels,
            "{file} {} {}",
            bids.len(),
            asks.len()
        );
        let (bid, ask) = (bids.last_key_value().unwrap(), asks.first_key_value().unwrap());
        assert!(bid.0 < ask.0, "{file}");
    }
}

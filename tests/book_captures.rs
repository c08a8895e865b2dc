//! Decoder and book against recorded markets: four captures of Binance depth, each with the top of
//! book that the venue itself stated for every update id. A general JSON parser beside them keeps
//! the texts of the levels, which the expected hashes are made of.
//!
//! The captures are found through `STOOP_CAPTURES`, or beside the project; without them the tests
//! say so and pass.

use flate2::read::GzDecoder;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use stoop::book::{Book, BookOptions, LadderOptions, Outcome};
use stoop::types::{
    BookState, DepthUpdate, Event, Events, InstrumentKind, Level, Price, Qty, Scale, Side,
};
use stoop::venues::{FrameDecoder, decimal, find};

const SCALE: Scale = Scale { price_decimals: 2, qty_decimals: 8 };

/// What one file must lead to.
struct Expected {
    file: &'static str,
    symbol: &'static str,
    kind: InstrumentKind,
    tick: i64,
    applied: u64,
    last_id: u64,
    bid: [&'static str; 2],
    ask: [&'static str; 2],
    levels: [usize; 2],
    sha256: &'static str,
}

const SPOT_BTC: Expected = Expected {
    file: "spot_btcusdt_20240808.gz",
    symbol: "BTCUSDT",
    kind: InstrumentKind::Spot,
    tick: 1,
    applied: 3449,
    last_id: 50_093_421_584,
    bid: ["61685.99", "1.00870"],
    ask: ["61686.00", "2.29327"],
    levels: [1209, 2196],
    sha256: "0f2c97062452bf85f17f56e102be1ded431d76ec28ebff60cca96ecc3faf9341",
};

const SPOT_ETH: Expected = Expected {
    file: "spot_ethusdt_20240808.gz",
    symbol: "ETHUSDT",
    kind: InstrumentKind::Spot,
    tick: 1,
    applied: 3432,
    last_id: 35_346_671_849,
    bid: ["2682.50", "3.31680"],
    ask: ["2682.51", "48.97390"],
    levels: [1195, 1158],
    sha256: "63aacc42d261fbfe62958c51fac3734b0dc012b75d4eac3212aaa04744e73af6",
};

const USDM_BTC: Expected = Expected {
    file: "usdm_btcusdt_20240808.gz",
    symbol: "BTCUSDT",
    kind: InstrumentKind::LinearPerpetual,
    tick: 10,
    applied: 6547,
    last_id: 5_123_135_475_514,
    bid: ["61659.70", "1.486"],
    ask: ["61659.80", "0.981"],
    levels: [5018, 4578],
    sha256: "d65e0640f96b940c7bce67286f87a037379d32da04c005cb2b9731ddabb4bf0a",
};

const USDM_ETH: Expected = Expected {
    file: "usdm_ethusdt_20240808.gz",
    symbol: "ETHUSDT",
    kind: InstrumentKind::LinearPerpetual,
    tick: 1,
    applied: 6581,
    last_id: 5_123_135_545_737,
    bid: ["2681.38", "8.486"],
    ask: ["2681.39", "22.624"],
    levels: [3181, 3013],
    sha256: "fb610c56cf095dbd141a1349ae4c546a4bcd470bc48e19280699d5db627bedbd",
};

#[test]
fn spot_btc() {
    check(&SPOT_BTC);
}

#[test]
fn spot_eth() {
    check(&SPOT_ETH);
}

#[test]
fn usdm_btc() {
    check(&USDM_BTC);
}

#[test]
fn usdm_eth() {
    check(&USDM_ETH);
}

fn check(expected: &Expected) {
    let Some(lines) = capture(expected.file) else {
        println!("skipped: no capture {} (set STOOP_CAPTURES)", expected.file);
        return;
    };
    let frames: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let tickers: BTreeMap<u64, [Level; 2]> = frames.iter().filter_map(ticker).collect();
    assert!(tickers.len() > 20_000);
    // The usual window, and one that the market leaves again and again.
    for window_ticks in [32_768, 4_096] {
        let ladder = LadderOptions { window_ticks, ..LadderOptions::default() };
        let options = BookOptions { ladder, ..BookOptions::default() };
        replay(expected, &lines, &frames, &tickers, options);
    }
}

/// All lines of a capture without their receive times.
fn capture(file: &str) -> Option<Vec<String>> {
    let root = std::env::var_os("STOOP_CAPTURES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures/captures"),
        PathBuf::from,
    );
    let file = File::open(root.join("binance").join(file)).ok()?;
    let lines = BufReader::new(GzDecoder::new(file)).lines();
    Some(lines.map(|line| line.unwrap().split_once(' ').unwrap().1.to_owned()).collect())
}

fn ticker(frame: &Value) -> Option<(u64, [Level; 2])> {
    let data = frame.get("data").filter(|_| is(frame, "bookTicker"))?;
    let level = |price: &str, qty: &str| level(text(&data[price]), text(&data[qty]));
    Some((data["u"].as_u64().unwrap(), [level("b", "B"), level("a", "A")]))
}

fn is(frame: &Value, stream: &str) -> bool {
    frame["stream"].as_str().is_some_and(|name| name.split('@').nth(1) == Some(stream))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn level(price: &str, qty: &str) -> Level {
    Level { price: decimal::price(price, SCALE).unwrap(), qty: decimal::qty(qty, SCALE).unwrap() }
}

/// The strings that last set each level, beside the book.
type Strings = BTreeMap<Price, (String, String)>;

/// What the engine makes of a frame of depth, or of a snapshot that was fetched apart.
struct Decoder {
    symbol: &'static str,
    frames: FrameDecoder,
    events: Events,
}

impl Decoder {
    fn new(expected: &Expected) -> Self {
        let venue = find("binance").unwrap();
        let table = FrameDecoder::table(venue, expected.kind, &[(expected.symbol, SCALE)]);
        let frames = FrameDecoder::new(venue, table, 1000).unwrap();
        Self { symbol: expected.symbol, frames, events: Events::with_capacity(4, 8192) }
    }

    fn decode(&mut self, line: &str, snapshot: bool) -> DepthUpdate {
        self.events.clear();
        let mut bytes = line.as_bytes().to_vec();
        if snapshot {
            self.frames.snapshot(&mut bytes, self.symbol, &mut self.events).unwrap();
        } else {
            self.frames.reference(&mut bytes, &mut self.events).unwrap();
        }
        match self.events.list() {
            [Event::Depth(update)] => *update,
            other => panic!("{other:?}"),
        }
    }
}

fn replay(
    expected: &Expected,
    lines: &[String],
    frames: &[Value],
    tickers: &BTreeMap<u64, [Level; 2]>,
    options: BookOptions,
) {
    let mut decoder = Decoder::new(expected);
    let mut book = Book::new(Price(expected.tick), options);
    let mut strings = [Strings::new(), Strings::new()];
    let mut checked = 0;
    let mut waiting: Vec<&Value> = Vec::new();
    for (line, frame) in lines.iter().zip(frames) {
        let snapshot = frame.get("lastUpdateId").is_some();
        let (data, sides) = if snapshot {
            (frame, ["bids", "asks"])
        } else if is(frame, "depth") {
            (&frame["data"], ["b", "a"])
        } else {
            continue;
        };
        let update = decoder.decode(line, snapshot);
        let (bids, asks) = decoder.events.levels(&update);
        match book.on_depth(&update, bids, asks) {
            Outcome::Buffered => waiting.push(data),
            Outcome::Applied => {
                note(&mut strings, data, sides);
                let late = std::mem::take(&mut waiting);
                let fits = |delta: &&Value| delta["u"].as_u64().unwrap() > update.last_id;
                late.into_iter().filter(fits).for_each(|delta| {
                    note(&mut strings, delta, ["b", "a"]);
                });
                check_top(&book, tickers);
                checked += 1;
            }
            outcome => panic!("{outcome:?} at {update:?}"),
        }
    }
    // The snapshot counts as applied too, and stands for all that were buffered before it.
    assert_eq!(book.counters().applied - 1, expected.applied);
    assert!(checked >= expected.applied - 1, "{checked}");
    assert_eq!((book.counters().gaps, book.counters().crossed), (0, 0));
    check_end(expected, &book, &strings);
}

fn note(strings: &mut [Strings; 2], data: &Value, sides: [&str; 2]) {
    for (strings, side) in strings.iter_mut().zip(sides) {
        for row in data[side].as_array().unwrap() {
            let (price, qty) = (text(&row[0]), text(&row[1]));
            let level = level(price, qty);
            if level.qty == Qty::ZERO {
                strings.remove(&level.price);
            } else {
                strings.insert(level.price, (price.to_owned(), qty.to_owned()));
            }
        }
    }
}

fn check_top(book: &Book, tickers: &BTreeMap<u64, [Level; 2]>) {
    assert_eq!(book.state(), BookState::Live);
    let Some((_, [bid, ask])) = tickers.range(..=book.id()).next_back() else { return };
    let ladder = book.ladder();
    assert_eq!(ladder.best_bid(), Some(*bid), "bid at {}", book.id());
    assert_eq!(ladder.best_ask(), Some(*ask), "ask at {}", book.id());
}

fn check_end(expected: &Expected, book: &Book, strings: &[Strings; 2]) {
    assert_eq!(book.id(), expected.last_id);
    let ladder = book.ladder();
    let pair = |texts: [&str; 2]| level(texts[0], texts[1]);
    assert_eq!(ladder.best_bid(), Some(pair(expected.bid)));
    assert_eq!(ladder.best_ask(), Some(pair(expected.ask)));
    assert_eq!(ladder.forgotten(), 0);
    let mut parts = Vec::new();
    for (index, side) in [Side::Buy, Side::Sell].into_iter().enumerate() {
        let strings = &strings[index];
        assert_eq!(strings.len(), expected.levels[index]);
        let all = ladder_levels(book, side);
        let mut wanted: Vec<_> = strings.values().map(|(price, qty)| level(price, qty)).collect();
        if side == Side::Buy {
            wanted.reverse();
        }
        assert_eq!(all, wanted, "every level, far ones too");
        let top = all.iter().take(25).map(|level| {
            let (price, qty) = &strings[&level.price];
            format!("{price}:{qty}")
        });
        parts.push(top.collect::<Vec<_>>().join(";"));
    }
    let digest = Sha256::digest(parts.join("|").as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, expected.sha256);
}

fn ladder_levels(book: &Book, side: Side) -> Vec<Level> {
    let mut out = vec![Level::default(); book.ladder().len(side)];
    let len = book.ladder().top(side, &mut out);
    assert_eq!(len, out.len());
    out
}

//! Decoders for the recorded instruments, and where messages and recordings are found.

use flate2::read::GzDecoder;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::sync::Arc;
use stoop::types::{Instrument, InstrumentKind, InstrumentTable, Qty, Scale, VenueId};
use stoop::venues::{FrameDecoder, FrameKind, find};

pub const SCALE: Scale = Scale { price_decimals: 2, qty_decimals: 8 };
const FINE: Scale = Scale { price_decimals: 8, qty_decimals: 8 };

const SYMBOLS: &[(&str, Scale)] = &[
    ("BTCUSDT", SCALE),
    ("ETHUSDT", SCALE),
    ("BNBUSDT", FINE),
    ("BNBBTC", FINE),
    ("XRPUSDT", Scale { price_decimals: 4, qty_decimals: 0 }),
    ("SOLUSDT", SCALE),
    ("BTCPERP", SCALE),
    ("BTC", SCALE),
    ("HYPE", FINE),
    ("MATIC", FINE),
    ("@107", FINE),
];

/// A decoder in both ways of reading lists.
pub struct Both([FrameDecoder; 2]);

impl Both {
    pub fn new(venue: &str, kind: InstrumentKind, depth: u16) -> Self {
        let venue: VenueId = find(venue).unwrap();
        let table = FrameDecoder::table(venue, kind, SYMBOLS);
        Self([
            FrameDecoder::new(venue, table.clone(), depth).unwrap(),
            FrameDecoder::portable(venue, table, depth).unwrap(),
        ])
    }

    /// Spot and swaps of one account: swaps are counted in contracts.
    fn okx() -> Self {
        let venue: VenueId = find("okx").unwrap();
        let mut table = InstrumentTable::default();
        let quote = table.assets.intern("USDT");
        for (symbol, contract) in
            [("BTC-USDT", 0), ("BTC-USDT-SWAP", 1_000_000), ("BCH-USDT-SWAP", 10_000_000)]
        {
            let base = table.assets.intern(&symbol[..3]);
            let kind = match contract {
                0 => InstrumentKind::Spot,
                _ => InstrumentKind::LinearPerpetual,
            };
            table.add(Instrument {
                venue,
                symbol: symbol.to_owned(),
                kind,
                base,
                quote,
                settle: quote,
                contract: Qty(contract),
                scale: SCALE,
                ..Instrument::default()
            });
        }
        let table = Arc::new(table);
        Self([
            FrameDecoder::new(venue, table.clone(), 50).unwrap(),
            FrameDecoder::portable(venue, table, 50).unwrap(),
        ])
    }

    /// Compares, and gives what was scanned.
    pub fn compare(&mut self, frame: &[u8]) -> (Option<FrameKind>, bool) {
        let [wide, narrow] = &mut self.0;
        let results = [wide.compare(frame), narrow.compare(frame)];
        let text = || String::from_utf8_lossy(frame).into_owned();
        let [wide, narrow] = results.map(|result| match result {
            Ok(scanned) => scanned,
            Err(difference) => panic!("{difference}\n{}", text()),
        });
        assert_eq!(wide, narrow, "{}", text());
        wide
    }
}

/// One decoder for each venue and product.
pub fn all() -> [Both; 6] {
    [
        Both::new("binance", InstrumentKind::Spot, 50),
        Both::new("binance", InstrumentKind::LinearPerpetual, 50),
        Both::new("bybit", InstrumentKind::Spot, 50),
        Both::new("bybit", InstrumentKind::LinearPerpetual, 50),
        Both::new("hyperliquid", InstrumentKind::LinearPerpetual, 50),
        Both::okx(),
    ]
}

/// All messages of the tests in name order: file name and text, one line where it is JSON.
pub fn messages() -> Vec<(String, String)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let more = std::env::var_os("STOOP_FIXTURES")
        .map_or_else(|| root.join("../shared/fixtures"), PathBuf::from);
    let mut found = Vec::new();
    for folder in [root.join("tests/fixtures"), more] {
        for venue in ["binance", "bybit", "hyperliquid", "okx"] {
            let Ok(files) = fs::read_dir(folder.join(venue)) else {
                println!("skipped: no messages in {} (set STOOP_FIXTURES)", folder.display());
                continue;
            };
            for path in files.map(|file| file.unwrap().path()) {
                if path.extension().is_some_and(|extension| extension == "json") {
                    let text = fs::read_to_string(&path).unwrap();
                    let name = path.file_name().unwrap().to_str().unwrap();
                    found.push((format!("{venue}/{name}"), compact(&text)));
                }
            }
        }
    }
    found.sort();
    assert!(found.len() > 60);
    found
}

/// The text without white space between its tokens, as venues send it.
fn compact(text: &str) -> String {
    let (mut out, mut inside, mut escaped) = (String::new(), false, false);
    for letter in text.chars() {
        if inside || !letter.is_ascii_whitespace() {
            out.push(letter);
        }
        inside ^= letter == '"' && !escaped;
        escaped = inside && letter == '\\' && !escaped;
    }
    out
}

/// All lines of a recording, without receive times.
pub fn capture(path: &str) -> Option<Vec<String>> {
    let root = std::env::var_os("STOOP_CAPTURES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures/captures"),
        PathBuf::from,
    );
    let Ok(file) = File::open(root.join(path)) else {
        println!("skipped: no recording {path} (set STOOP_CAPTURES)");
        return None;
    };
    let lines = BufReader::new(GzDecoder::new(file)).lines();
    let text = |line: String| match line.split_once(' ') {
        Some((time, frame)) if time.bytes().all(|byte| byte.is_ascii_digit()) => frame.to_owned(),
        _ => line,
    };
    Some(lines.map(|line| text(line.unwrap())).collect())
}

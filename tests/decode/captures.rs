//! Every line of every recording: read alike by both, and nearly all of it by the scanner.

use crate::support::{Both, capture};
use stoop::types::InstrumentKind;
use stoop::venues::FrameKind;

/// Lines of a recording by what the scanner made of them: top, depth, trade, nothing.
fn check(path: &str, venue: &str, kind: InstrumentKind, depth: u16, expected: [usize; 4]) {
    let Some(lines) = capture(path) else { return };
    let mut both = Both::new(venue, kind, depth);
    let mut counts = [0; 4];
    for line in &lines {
        counts[match both.compare(line.as_bytes()).0 {
            Some(FrameKind::Top) => 0,
            Some(FrameKind::Depth) => 1,
            Some(FrameKind::Trade) => 2,
            Some(FrameKind::Mark | FrameKind::Other) | None => 3,
        }] += 1;
    }
    assert_eq!(counts, expected);
}

#[test]
fn binance_spot_btc() {
    let expected = [28_040, 3451, 9757, 1];
    check("binance/spot_btcusdt_20240808.gz", "binance", InstrumentKind::Spot, 50, expected);
}

#[test]
fn binance_spot_eth() {
    let expected = [24_077, 3434, 6106, 1];
    check("binance/spot_ethusdt_20240808.gz", "binance", InstrumentKind::Spot, 50, expected);
}

#[test]
fn binance_usdm_btc() {
    let (kind, expected) = (InstrumentKind::LinearPerpetual, [66_089, 6551, 21_313, 1]);
    check("binance/usdm_btcusdt_20240808.gz", "binance", kind, 50, expected);
}

#[test]
fn binance_usdm_eth() {
    let (kind, expected) = (InstrumentKind::LinearPerpetual, [53_992, 6586, 14_076, 1]);
    check("binance/usdm_ethusdt_20240808.gz", "binance", kind, 50, expected);
}

/// Nothing: an acknowledgement and a pong.
#[test]
fn bybit_spot() {
    let path = "bybit/spot_testnet_btcusdt_20260913_first_half.jsonl.gz";
    check(path, "bybit", InstrumentKind::Spot, 50, [7, 8, 4, 2]);
}

/// Nothing: the recording has the order of keys of its day, which is the complete decoder's.
#[test]
fn hyperliquid_btc() {
    let (kind, expected) = (InstrumentKind::LinearPerpetual, [0, 0, 0, 27]);
    check("hyperliquid/btcusd_20250126_first_half.gz", "hyperliquid", kind, 20, expected);
}

/// A depth that the venue has given up, written as the ones of today.
#[test]
fn bybit_linear() {
    let path = "bybit/linear_xrpusdt_ob500_20241201_first_half.jsonl.gz";
    let Some(lines) = capture(path) else { return };
    let mut both = Both::new("bybit", InstrumentKind::LinearPerpetual, 50);
    for line in &lines {
        let line = line.replacen("orderbook.500.", "orderbook.50.", 1);
        assert_eq!(both.compare(line.as_bytes()).0, Some(FrameKind::Depth));
    }
    assert_eq!(lines.len(), 25);
}

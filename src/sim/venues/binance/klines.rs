//! `klines` of spot and of futures.
//! <https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints#klinecandlestick-data>

#![forbid(unsafe_code)]

use super::error::{Answer, ApiError};
use super::json::{decimal, list, text};
use super::params::Params;
use crate::sim::venues::klines::{Asked, find, minutes};
use crate::sim::{Exchange, SimKline};
use rust_decimal::Decimal;

/// What it may be sent; days of other time zones are not made.
pub(super) const PARAMS: &[&str] = &["symbol", "interval", "startTime", "endTime", "limit"];

const INTERVALS: &[(&str, u64)] = &[
    ("1m", 1),
    ("3m", 3),
    ("5m", 5),
    ("15m", 15),
    ("30m", 30),
    ("1h", 60),
    ("2h", 120),
    ("4h", 240),
    ("6h", 360),
    ("8h", 480),
    ("12h", 720),
    ("1d", 1_440),
];

/// Answers with at most `limit_max` rows, oldest first.
pub(super) fn klines(params: &Params, exchange: &Exchange, limit_max: u64, now_ms: u64) -> Answer {
    let symbol = params.required("symbol")?;
    let interval = params.required("interval")?;
    let minutes = minutes(interval, INTERVALS)
        .ok_or_else(|| ApiError::new(400, -1120, "Invalid interval."))?;
    let asked = Asked {
        minutes,
        from_ms: params.integer("startTime")?,
        until_ms: params.integer("endTime")?,
        limit: params.limit(500, limit_max)?,
        from_first: true,
    };
    let klines = find(symbol, asked, exchange, now_ms).ok_or_else(ApiError::symbol)?;
    Ok(list(klines.iter().map(|kline| row(kline, minutes))))
}

/// `[1499040000000,"0.01634790","0.80000000","0.01575800","0.01577100","148976.11427815",
/// 1499644799999,"2434.19055334",308,"1756.87402397","28.46694368","0"]`
fn row(kline: &SimKline, minutes: u64) -> String {
    let number = |value: Decimal| text(&decimal(value));
    // Half of it was bought by takers.
    let half = |value: Decimal| number((value / Decimal::TWO).round_dp(8));
    list([
        kline.start_ms.to_string(),
        number(kline.open),
        number(kline.high),
        number(kline.low),
        number(kline.close),
        number(kline.volume),
        (kline.start_ms + minutes * 60_000 - 1).to_string(),
        number(kline.turnover.round_dp(8)),
        kline.trades.to_string(),
        half(kline.volume),
        half(kline.turnover),
        text("0"),
    ])
}

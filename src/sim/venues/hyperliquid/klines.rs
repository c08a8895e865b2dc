//! `candleSnapshot`, oldest first; intervals without a trade have no row.
//! <https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint#candle-snapshot>

#![forbid(unsafe_code)]

use super::super::json::{Object, array};
use super::Hyperliquid;
use super::assets::amount;
use super::errors::Refused;
use super::info::Answer;
use super::topics::optional;
use crate::sim::venues::klines::{Asked, find, minutes};
use crate::sim::{Exchange, SimKline};
use serde_json::Value;

const INTERVALS: &[(&str, u64)] = &[
    ("1m", 1),
    ("3m", 3),
    ("5m", 5),
    ("15m", 15),
    ("30m", 30),
    ("1h", 60),
    ("2h", 120),
    ("4h", 240),
    ("8h", 480),
    ("12h", 720),
    ("1d", 1_440),
];
const ROWS_MAX: usize = 5_000;
/// Rows that add one to the weight.
const ROWS_PER_WEIGHT: usize = 60;

impl Hyperliquid {
    pub(super) fn candles(
        &self,
        request: &Value,
        exchange: &Exchange,
        now_ms: u64,
    ) -> Result<Answer, Refused> {
        let request = request.get("req").ok_or(Refused::Unreadable)?;
        let coin = &*self.coin(request)?.coin;
        let interval = request.get("interval").and_then(Value::as_str);
        let interval = interval.ok_or(Refused::Unreadable)?;
        let length = minutes(interval, INTERVALS).ok_or(Refused::Unreadable)?;
        let time = |name| optional(request, name).ok_or(Refused::Unreadable);
        let asked = Asked {
            minutes: length,
            from_ms: Some(time("startTime")?.ok_or(Refused::Unreadable)?),
            until_ms: time("endTime")?,
            limit: ROWS_MAX,
            from_first: false,
        };
        let klines = find(coin, asked, exchange, now_ms).ok_or(Refused::Unreadable)?;
        let row = |kline: &SimKline| {
            Object::new()
                .number("t", kline.start_ms)
                .number("T", kline.start_ms + length * 60_000 - 1)
                .text("s", coin)
                .text("i", interval)
                .text("o", &amount(kline.open))
                .text("c", &amount(kline.close))
                .text("h", &amount(kline.high))
                .text("l", &amount(kline.low))
                .text("v", &amount(kline.volume))
                .number("n", kline.trades)
                .done()
        };
        let traded = klines.iter().filter(|kline| kline.trades > 0);
        let rows: Vec<String> = traded.map(row).collect();
        let weight = (rows.len() / ROWS_PER_WEIGHT) as u32;
        Ok(Answer { body: array(rows), weight })
    }
}

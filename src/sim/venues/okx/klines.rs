//! `market/candles`, newest first.
//! <https://www.okx.com/docs-v5/en/#order-book-trading-market-data-get-candlesticks>

#![forbid(unsafe_code)]

use super::super::json::{array, quoted};
use super::Okx;
use super::errors::VenueError;
use super::instruments::Kind;
use super::rest::{Params, Rows};
use crate::sim::Exchange;
use crate::sim::venues::klines::{Asked, find, minutes};
use rust_decimal::Decimal;

/// Those of which days begin at midnight UTC; the others begin eight hours earlier and are not made.
const BARS: &[(&str, u64)] = &[
    ("1m", 1),
    ("3m", 3),
    ("5m", 5),
    ("15m", 15),
    ("30m", 30),
    ("1H", 60),
    ("2H", 120),
    ("4H", 240),
    ("6Hutc", 360),
    ("12Hutc", 720),
    ("1Dutc", 1_440),
];

impl Okx {
    /// Rows older than `after` and newer than `before`.
    pub(super) fn candles(&self, params: &Params, exchange: &Exchange, now_ms: u64) -> Rows {
        let place = self.place(params)?;
        let instrument = &self.desk.instruments.all()[place];
        let bar = minutes(params.get("bar").unwrap_or("1m"), BARS);
        let length = bar.ok_or_else(|| VenueError::parameter("bar"))?;
        let asked = Asked {
            minutes: length,
            from_ms: params.number("before")?.map(|before| before.saturating_add(1)),
            until_ms: params.number("after")?.map(|after| after.saturating_sub(1)),
            limit: params.limit("limit", (300, 100))?,
            from_first: false,
        };
        let found = find(&instrument.id, asked, exchange, now_ms);
        let klines = found.ok_or_else(VenueError::instrument)?;
        let number = |value: Decimal| quoted(&value.normalize().to_string());
        let row = |kline: &crate::sim::SimKline| {
            let swap = instrument.kind == Kind::Swap;
            let over = kline.start_ms + length * 60_000 <= now_ms;
            array([
                quoted(&kline.start_ms.to_string()),
                number(kline.open),
                number(kline.high),
                number(kline.low),
                number(kline.close),
                number(kline.volume / instrument.contract),
                number(if swap { kline.volume } else { kline.turnover }),
                number(kline.turnover),
                quoted(if over { "1" } else { "0" }),
            ])
        };
        Ok(klines.iter().rev().map(row).collect())
    }
}

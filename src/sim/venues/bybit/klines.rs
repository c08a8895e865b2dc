//! `market/kline`, newest first.
//! <https://bybit-exchange.github.io/docs/v5/market/kline>

#![forbid(unsafe_code)]

use super::category::{Category, wire_symbol};
use super::errors::VenueError;
use super::json::{Object, array, quoted};
use super::rest::{Params, not_supported};
use crate::sim::Exchange;
use crate::sim::venues::klines::{Asked, find, minutes};
use rust_decimal::Decimal;

const INTERVALS: &[(&str, u64)] = &[
    ("1", 1),
    ("3", 3),
    ("5", 5),
    ("15", 15),
    ("30", 30),
    ("60", 60),
    ("120", 120),
    ("240", 240),
    ("360", 360),
    ("720", 720),
    ("D", 1_440),
];

pub(super) fn klines(
    category: Category,
    params: &Params,
    exchange: &Exchange,
    now_ms: u64,
) -> Result<String, VenueError> {
    let symbol = params.symbol(category)?;
    let minutes = params.get("interval").and_then(|name| minutes(name, INTERVALS));
    let asked = Asked {
        minutes: minutes.ok_or_else(|| VenueError::new(10001, "Invalid period!"))?,
        from_ms: params.number("start")?,
        until_ms: params.number("end")?,
        limit: params.limit(200, 1_000)?,
        from_first: false,
    };
    let klines = find(&symbol, asked, exchange, now_ms).ok_or_else(not_supported)?;
    let number = |value: Decimal| quoted(&value.normalize().to_string());
    let rows = klines.iter().rev().map(|kline| {
        let numbers =
            [kline.open, kline.high, kline.low, kline.close, kline.volume, kline.turnover];
        array([quoted(&kline.start_ms.to_string())].into_iter().chain(numbers.map(number)))
    });
    let object = Object::new().text("category", category.word());
    Ok(object.text("symbol", wire_symbol(&symbol)).raw("list", &array(rows)).done())
}

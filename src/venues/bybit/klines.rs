//! Klines from REST.
//! <https://bybit-exchange.github.io/docs/v5/market/kline>

#![forbid(unsafe_code)]

use super::super::klines::{Columns, KlineQuery, ROWS_MAX};
use super::super::{DecodeError, Parser, PlainRequest};
use super::Product;
use crate::types::{Interval, Kline};

/// Minutes, or a letter.
fn name(interval: Interval) -> String {
    match interval {
        Interval::D1 => "D".to_owned(),
        other => other.minutes().to_string(),
    }
}

/// Asks for klines.
pub(super) fn request(query: &KlineQuery<'_>) -> PlainRequest {
    let (from, until) = query.span_ms();
    PlainRequest::get(format!(
        "/v5/market/kline?category={}&symbol={}&interval={}&start={from}&end={until}&limit={ROWS_MAX}",
        Product::of_kind(query.of.kind).category,
        query.of.symbol,
        name(query.interval),
    ))
}

/// Reads the reply, newest first; whether the first one is over is not said, nor how many trades:
///
/// ```json
/// {"retCode":0,"result":{"symbol":"BTCUSDT","category":"linear","list":[
///  ["1670608800000","17071","17073","17027","17055.5","268611","15.74462667"]]}}
/// ```
///
/// begin, open, high, low, close, volume in base units, turnover in quote.
pub(super) fn decode(query: &KlineQuery<'_>, body: &mut [u8]) -> Result<Vec<Kline>, DecodeError> {
    Parser::new().read(body, |root| {
        if root.field_i64("retCode")? != 0 {
            return Err(DecodeError::Invalid("retCode"));
        }
        let result = root.field("result")?;
        let category = Product::of_kind(query.of.kind).category;
        for (name, asked) in [("category", category), ("symbol", query.of.symbol.as_str())] {
            if result.field_str(name)? != asked {
                return Err(DecodeError::Invalid(name));
            }
        }
        query.read(result.field("list")?.items().map(|row| {
            let (mut kline, volume) = Columns::of(row).head("startTime")?;
            kline.volume = query.volume("volume", volume)?;
            Ok(kline)
        }))
    })
}

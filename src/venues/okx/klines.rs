//! Klines from REST: `candles`, the newest 1 440 of each length.
//! <https://www.okx.com/docs-v5/en/#order-book-trading-market-data-get-candlesticks>

#![forbid(unsafe_code)]

use super::super::klines::{Columns, KlineQuery, ROWS_MAX};
use super::super::{DecodeError, Parser, PlainRequest, fields};
use super::contracts;
use crate::types::{InstrumentKind, Interval, Kline};

/// Hours are written with a capital; days begin at midnight UTC only if that is said.
fn bar(interval: Interval) -> &'static str {
    match interval {
        Interval::H1 => "1H",
        Interval::H4 => "4H",
        Interval::D1 => "1Dutc",
        other => other.name(),
    }
}

/// Asks for klines: those newer than `before` and older than `after`, neither included.
pub(super) fn request(query: &KlineQuery<'_>) -> PlainRequest {
    let (from, until) = query.span_ms();
    PlainRequest::get(format!(
        "/api/v5/market/candles?instId={}&bar={}&before={}&after={}&limit={ROWS_MAX}",
        query.of.symbol,
        bar(query.interval),
        from.saturating_sub(1),
        until + 1,
    ))
}

/// Reads the reply, newest first; how many trades is not said:
///
/// ```json
/// {"code":"0","msg":"","data":[["1597026360000","3.721","3.743","3.677","3.708","8422410",
///  "22698348.04828491","12698348.04828491","0"]]}
/// ```
///
/// begin, open, high, low, close, volume (contracts of swaps, base units of spot), two volumes in
/// currencies, and whether it is over.
pub(super) fn decode(query: &KlineQuery<'_>, body: &mut [u8]) -> Result<Vec<Kline>, DecodeError> {
    Parser::new().read(body, |root| {
        if root.field_str("code")? != "0" {
            return Err(DecodeError::Invalid("code"));
        }
        query.read(root.field("data")?.items().map(|row| {
            let mut columns = Columns::of(row);
            let (mut kline, volume) = columns.head("ts")?;
            kline.volume = match query.of.kind {
                InstrumentKind::Spot => query.volume("vol", volume)?,
                InstrumentKind::LinearPerpetual => contracts::qty(volume, query.of)
                    .map_err(|error| DecodeError::Number("vol", error))?,
            };
            let confirm = [(); 3].map(|()| columns.next())[2];
            kline.is_closed = match fields::text(confirm, "confirm")? {
                "0" => Some(false),
                "1" => Some(true),
                _ => return Err(DecodeError::Invalid("confirm")),
            };
            Ok(kline)
        }))
    })
}

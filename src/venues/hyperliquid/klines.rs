//! Klines from REST: `candleSnapshot`, the newest 5 000 of each length. Intervals without a trade have
//! no row.
//! <https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint#candle-snapshot>

#![forbid(unsafe_code)]

use super::super::klines::{KlineQuery, KlineRow};
use super::super::{DecodeError, Parser, PlainRequest, fields};
use crate::types::Kline;

/// Asks for klines.
pub(super) fn request(query: &KlineQuery<'_>) -> PlainRequest {
    let (from, until) = query.span_ms();
    let body = format!(
        r#"{{"type":"candleSnapshot","req":{{"coin":"{}","interval":"{}","startTime":{from},"endTime":{until}}}}}"#,
        query.of.symbol,
        query.interval.name(),
    );
    PlainRequest { path: "/info".to_owned(), body: Some(body) }
}

/// Reads the reply, oldest first; whether the last one is over is not said:
///
/// ```json
/// [{"t":1790344800000,"T":1790348399999,"s":"BTC","i":"1h","o":"83912.0","c":"84010.0",
///   "h":"84039.0","l":"83133.0","v":"3997.94344","n":35095}]
/// ```
///
/// begin, last millisecond, coin, interval, open, close, high, low, volume in base units, trades.
pub(super) fn decode(query: &KlineQuery<'_>, body: &mut [u8]) -> Result<Vec<Kline>, DecodeError> {
    Parser::new().read(body, |root| {
        if !root.is_array() {
            return Err(DecodeError::Invalid("candleSnapshot"));
        }
        query.read(root.items().map(|row| {
            for (name, asked) in [("s", query.of.symbol.as_str()), ("i", query.interval.name())] {
                if row.field_str(name)? != asked {
                    return Err(DecodeError::Invalid(name));
                }
            }
            let field = |name| (name, row.get(name).map(Into::into));
            let trades = fields::whole(field("n").1, "n")?;
            Ok(KlineRow {
                start: field("t"),
                prices: ["o", "h", "l", "c"].map(field),
                volume: query.volume("v", row.field_str("v")?)?,
                trades: Some(u32::try_from(trades).unwrap_or(u32::MAX)),
                is_closed: None,
            })
        }))
    })
}

//! Klines from REST, spot and futures alike.
//! <https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints#klinecandlestick-data>

#![forbid(unsafe_code)]

use super::auth::percent_encode;
use crate::types::{InstrumentKind, Kline};
use crate::venues::klines::{Columns, KlineQuery, ROWS_MAX};
use crate::venues::{DecodeError, Parser, PlainRequest, fields};

/// Asks for klines; weight 2.
pub(super) fn request(query: &KlineQuery<'_>) -> PlainRequest {
    let prefix = match query.of.kind {
        InstrumentKind::Spot => "/api/v3",
        InstrumentKind::LinearPerpetual => "/fapi/v1",
    };
    let mut symbol = Vec::new();
    percent_encode(query.of.symbol.as_bytes(), &mut symbol);
    let (symbol, interval) = (String::from_utf8_lossy(&symbol), query.interval.name());
    let (from, until) = query.span_ms();
    PlainRequest::get(format!(
        "{prefix}/klines?symbol={symbol}&interval={interval}&startTime={from}&endTime={until}\
         &limit={ROWS_MAX}"
    ))
}

/// Reads the reply, oldest first:
///
/// ```json
/// [[1499040000000,"0.01634790","0.80000000","0.01575800","0.01577100","148976.11427815",
///   1499644799999,"2434.19055334",308,"1756.87402397","28.46694368","0"]]
/// ```
///
/// begin, open, high, low, close, volume, end, quote volume, trades, taker's volumes, unused.
pub(super) fn decode(query: &KlineQuery<'_>, body: &mut [u8]) -> Result<Vec<Kline>, DecodeError> {
    Parser::new().read(body, |root| {
        if !root.is_array() {
            return Err(DecodeError::Invalid("klines"));
        }
        query.read(root.items().map(|row| {
            let mut columns = Columns::of(row);
            let (mut kline, volume) = columns.head("openTime")?;
            kline.volume = query.volume("volume", volume)?;
            let trades = fields::whole([(); 3].map(|()| columns.next())[2], "trades")?;
            kline.trades = Some(u32::try_from(trades).unwrap_or(u32::MAX));
            Ok(kline)
        }))
    })
}

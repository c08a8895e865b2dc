//! Rules of the venue's instruments.
//!
//! Spot is not paginated: one reply holds all symbols. Deprecated fields (`minOrderQty`,
//! `maxOrderQty`, `maxOrderAmt`) are not read.
//! <https://bybit-exchange.github.io/docs/v5/market/instrument>

#![forbid(unsafe_code)]

use super::super::rules::{decimal, positive};
use super::super::{DecodeError, InstrumentSpec, Parser, PlainRequest, Value};
use super::SPOT;
use crate::types::InstrumentKind;

/// "Parameter error"; the reply to a symbol that does not exist.
const PARAMETER_ERROR: i64 = 10001;

/// Asks for the rules of these symbols.
pub(super) fn request(_kind: InstrumentKind, symbols: &[&str]) -> PlainRequest {
    let all = format!("/v5/market/instruments-info?category={}", SPOT.category);
    PlainRequest::get(match symbols {
        [symbol] => format!("{all}&symbol={symbol}"),
        _ => all,
    })
}

/// Reads the reply, trimmed here:
///
/// ```json
/// {"retCode":0,"result":{"category":"spot","list":[{"symbol":"BTCUSDT","baseCoin":"BTC",
///  "quoteCoin":"USDT","status":"Trading","lotSizeFilter":{"basePrecision":"0.000001",
///  "minOrderAmt":"5","maxLimitOrderQty":"83","maxMarketOrderQty":"41.5"},
///  "priceFilter":{"tickSize":"0.1"}}]}}
/// ```
pub(super) fn decode(
    _kind: InstrumentKind,
    body: &mut [u8],
) -> Result<Vec<InstrumentSpec>, DecodeError> {
    Parser::new().read(body, |root| {
        match root.field_i64("retCode")? {
            0 => {}
            PARAMETER_ERROR => return Ok(Vec::new()),
            _ => return Err(DecodeError::Invalid("retCode")),
        }
        let result = root.field("result")?;
        if result.field_str("category")? != SPOT.category {
            return Err(DecodeError::Invalid("category"));
        }
        result.field("list")?.items().map(spec).collect()
    })
}

fn spec(row: Value<'_>) -> Result<InstrumentSpec, DecodeError> {
    let lot = row.field("lotSizeFilter")?;
    let text = |name| row.field_str(name).map(str::to_owned);
    Ok(InstrumentSpec {
        symbol: text("symbol")?,
        base: text("baseCoin")?,
        quote: text("quoteCoin")?,
        trading: row.field_str("status")? == "Trading",
        tick_size: positive(row.field("priceFilter")?, "tickSize")?,
        lot_size: positive(lot, "basePrecision")?,
        qty_max: decimal(lot, "maxLimitOrderQty")?,
        qty_market_max: decimal(lot, "maxMarketOrderQty")?,
        notional_min: decimal(lot, "minOrderAmt")?,
        ..InstrumentSpec::default()
    })
}

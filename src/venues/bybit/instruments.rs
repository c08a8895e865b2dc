//! Rules of the venue's instruments: spot, and linear perpetuals; dated contracts are passed over.
//!
//! Spot is not paginated; perpetuals are, and their first page looks complete. Deprecated fields
//! (`minOrderQty`, `maxOrderQty`, `maxOrderAmt` of spot) are not read.
//! <https://bybit-exchange.github.io/docs/v5/market/instrument>

#![forbid(unsafe_code)]

use super::super::rules::{decimal, decimal_or_none, leverage, positive};
use super::super::{DecodeError, InstrumentSpec, Parser, PlainRequest, Value};
use super::{Product, rest};
use crate::types::InstrumentKind;

/// "Parameter error"; the reply to a symbol that does not exist.
const PARAMETER_ERROR: i64 = 10001;

/// Asks for the rules of these symbols.
pub(super) fn request(kind: InstrumentKind, symbols: &[&str]) -> PlainRequest {
    PlainRequest::get(match (symbols, kind) {
        ([symbol], _) => format!("{}&symbol={symbol}", path(kind)),
        (_, InstrumentKind::Spot) => path(kind),
        (_, InstrumentKind::LinearPerpetual) => format!("{}&limit=1000", path(kind)),
    })
}

fn path(kind: InstrumentKind) -> String {
    format!("/v5/market/instruments-info?category={}", Product::of_kind(kind).category)
}

/// Asks for the page behind this reply.
pub(super) fn next(
    kind: InstrumentKind,
    body: &mut [u8],
) -> Result<Option<PlainRequest>, DecodeError> {
    Parser::new().read(body, |root| {
        if root.field_i64("retCode")? != 0 {
            return Ok(None);
        }
        let (_, cursor) = rest::list(root)?;
        if cursor.is_empty() {
            return Ok(None);
        }
        let mut query = Vec::new();
        rest::write_cursor(cursor, &mut query);
        let cursor =
            String::from_utf8(query).map_err(|_| DecodeError::Invalid("nextPageCursor"))?;
        Ok(Some(PlainRequest::get(format!("{}&limit=1000{cursor}", path(kind)))))
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
    kind: InstrumentKind,
    body: &mut [u8],
) -> Result<Vec<InstrumentSpec>, DecodeError> {
    Parser::new().read(body, |root| {
        match root.field_i64("retCode")? {
            0 => {}
            PARAMETER_ERROR => return Ok(Vec::new()),
            _ => return Err(DecodeError::Invalid("retCode")),
        }
        let result = root.field("result")?;
        if result.field_str("category")? != Product::of_kind(kind).category {
            return Err(DecodeError::Invalid("category"));
        }
        let rows = result.field("list")?.items();
        match kind {
            InstrumentKind::Spot => rows.map(spot).collect(),
            InstrumentKind::LinearPerpetual => {
                rows.filter_map(|row| perpetual(row).transpose()).collect()
            }
        }
    })
}

/// What both kinds state in the same members.
fn common(row: Value<'_>, kind: InstrumentKind) -> Result<InstrumentSpec, DecodeError> {
    let text = |name| row.field_str(name).map(str::to_owned);
    Ok(InstrumentSpec {
        symbol: text("symbol")?,
        base: text("baseCoin")?,
        quote: text("quoteCoin")?,
        kind,
        trading: row.field_str("status")? == "Trading",
        tick_size: positive(row.field("priceFilter")?, "tickSize")?,
        ..InstrumentSpec::default()
    })
}

fn spot(row: Value<'_>) -> Result<InstrumentSpec, DecodeError> {
    let lot = row.field("lotSizeFilter")?;
    Ok(InstrumentSpec {
        lot_size: positive(lot, "basePrecision")?,
        qty_max: decimal(lot, "maxLimitOrderQty")?,
        qty_market_max: decimal(lot, "maxMarketOrderQty")?,
        notional_min: decimal(lot, "minOrderAmt")?,
        ..common(row, InstrumentKind::Spot)?
    })
}

/// Quantities are base units. `None` for dated contracts.
///
/// ```json
/// {"symbol":"BTCUSDT","contractType":"LinearPerpetual","status":"Trading","baseCoin":"BTC",
///  "quoteCoin":"USDT","settleCoin":"USDT","fundingInterval":480,
///  "leverageFilter":{"minLeverage":"1","maxLeverage":"100.00","leverageStep":"0.01"},
///  "priceFilter":{"minPrice":"0.10","maxPrice":"1999999.80","tickSize":"0.10"},
///  "lotSizeFilter":{"maxOrderQty":"1190.000","minOrderQty":"0.001","qtyStep":"0.001",
///   "postOnlyMaxOrderQty":"1190.000","maxMktOrderQty":"500.000","minNotionalValue":"5"}}
/// ```
fn perpetual(row: Value<'_>) -> Result<Option<InstrumentSpec>, DecodeError> {
    if row.field_str("contractType")? != "LinearPerpetual" {
        return Ok(None);
    }
    let (lot, price) = (row.field("lotSizeFilter")?, row.field("priceFilter")?);
    Ok(Some(InstrumentSpec {
        settle: row.field_str("settleCoin")?.to_owned(),
        lot_size: positive(lot, "qtyStep")?,
        price_min: decimal(price, "minPrice")?,
        price_max: decimal(price, "maxPrice")?,
        qty_min: positive(lot, "minOrderQty")?,
        qty_max: decimal(lot, "maxOrderQty")?,
        qty_market_max: decimal(lot, "maxMktOrderQty")?,
        notional_min: decimal_or_none(lot, "minNotionalValue")?,
        leverage_max: row.get("leverageFilter").map_or(0, |filter| leverage(filter, "maxLeverage")),
        ..common(row, InstrumentKind::LinearPerpetual)?
    }))
}

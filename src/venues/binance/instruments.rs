//! `exchangeInfo` to instrument rules, both generations of filters of spot, and those of perpetuals.
//! Each product has a list of its own, and refuses rows of the other's: filters of the same name mean
//! something else.
//!
//! ```json
//! {"symbols":[{"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","baseAssetPrecision":8,
//!   "quoteAsset":"USDT","quoteAssetPrecision":8,"isSpotTradingAllowed":true,"filters":[
//!   {"filterType":"PRICE_FILTER","minPrice":"0.01","maxPrice":"1000000.00","tickSize":"0.01"},..]}]}
//! ```

#![forbid(unsafe_code)]

use super::auth::percent_encode;
use crate::types::InstrumentKind;
use crate::venues::{DecodeError, InstrumentSpec, Parser, PlainRequest, Value};
use rust_decimal::Decimal;
use std::str::FromStr;

/// The venue does not know one of the symbols that were asked for.
const INVALID_SYMBOL: i64 = -1121;

/// Asks for the rules of `symbols`.
///
/// The venue refuses the whole request if it does not know one of them (status 400, code -1121):
/// to learn which, ask for one at a time.
/// Futures have one list of all.
pub(super) fn request(kind: InstrumentKind, symbols: &[&str]) -> PlainRequest {
    if kind == InstrumentKind::LinearPerpetual {
        return PlainRequest::get("/fapi/v1/exchangeInfo".to_owned());
    }
    if symbols.is_empty() {
        return PlainRequest::get("/api/v3/exchangeInfo".to_owned());
    }
    let mut list = Vec::new();
    list.push(b'[');
    for (index, symbol) in symbols.iter().enumerate() {
        if index > 0 {
            list.push(b',');
        }
        super::params::write_json_text(symbol, &mut list);
    }
    list.push(b']');
    let mut path = b"/api/v3/exchangeInfo?symbols=".to_vec();
    percent_encode(&list, &mut path);
    PlainRequest::get(String::from_utf8(path).expect("percent-encoded text is ASCII"))
}

/// Reads the reply. The refusal of an unknown symbol is an empty list.
pub(super) fn decode(
    kind: InstrumentKind,
    body: &mut [u8],
) -> Result<Vec<InstrumentSpec>, DecodeError> {
    Parser::new().read(body, |root| {
        if root.get("code").and_then(Value::i64) == Some(INVALID_SYMBOL) {
            return Ok(Vec::new());
        }
        let symbols = root.field("symbols")?;
        if !symbols.is_array() {
            return Err(DecodeError::Invalid("symbols"));
        }
        match kind {
            InstrumentKind::Spot => symbols.items().map(symbol).collect(),
            InstrumentKind::LinearPerpetual => {
                symbols.items().filter_map(|row| perpetual(row).transpose()).collect()
            }
        }
    })
}

/// A perpetual; contracts of other types (with a delivery, on shares and goods) are left out.
///
/// Prices are counted in ticks from the smallest one, quantities in lots from theirs. Where those are
/// no multiples themselves, no rule of ours can say what is allowed, and none is stated: such an
/// instrument is refused by name.
fn perpetual(row: Value<'_>) -> Result<Option<InstrumentSpec>, DecodeError> {
    if row.field_str("contractType")? != "PERPETUAL" {
        return Ok(None);
    }
    let filters = filters(row)?;
    let step = |step: Decimal, from: Decimal| match step.is_zero() || !(from % step).is_zero() {
        true => Decimal::ZERO,
        false => step,
    };
    Ok(Some(InstrumentSpec {
        kind: InstrumentKind::LinearPerpetual,
        settle: row.field_str("marginAsset")?.to_owned(),
        trading: row.field_str("status")? == "TRADING",
        tick_size: step(filters.tick_size, filters.price_min),
        lot_size: step(filters.lot_size, filters.qty_min),
        ..rules(row, &filters)?
    }))
}

/// What is the same of all instruments.
fn rules(row: Value<'_>, filters: &Filters) -> Result<InstrumentSpec, DecodeError> {
    Ok(InstrumentSpec {
        symbol: row.field_str("symbol")?.to_owned(),
        base: row.field_str("baseAsset")?.to_owned(),
        quote: row.field_str("quoteAsset")?.to_owned(),
        price_min: filters.price_min,
        price_max: filters.price_max,
        qty_min: filters.qty_min,
        qty_max: filters.qty_max,
        qty_market_max: tighter(filters.qty_market_max, filters.qty_max),
        notional_min: filters.notional_min,
        notional_max: filters.notional_max,
        ..InstrumentSpec::default()
    })
}

fn filters(row: Value<'_>) -> Result<Filters, DecodeError> {
    let mut filters = Filters::default();
    for filter in row.field("filters")?.items() {
        read_filter(filter, &mut filters)?;
    }
    Ok(filters)
}

/// The filters that matter, zero where absent or switched off.
#[derive(Default)]
struct Filters {
    price_min: Decimal,
    price_max: Decimal,
    tick_size: Decimal,
    qty_min: Decimal,
    qty_max: Decimal,
    lot_size: Decimal,
    qty_market_max: Decimal,
    notional_min: Decimal,
    notional_max: Decimal,
}

fn symbol(row: Value<'_>) -> Result<InstrumentSpec, DecodeError> {
    if row.get("contractType").is_some() {
        return Err(DecodeError::UnknownKind);
    }
    let filters = filters(row)?;
    let spot = row.get("isSpotTradingAllowed").and_then(Value::bool).unwrap_or(true);
    Ok(InstrumentSpec {
        trading: row.field_str("status")? == "TRADING" && spot,
        tick_size: or_smallest(filters.tick_size, row, "quoteAssetPrecision")?,
        lot_size: or_smallest(filters.lot_size, row, "baseAssetPrecision")?,
        ..rules(row, &filters)?
    })
}

/// Filters of unknown kind restrict something that this engine does not use or that only the venue
/// can check (percent of an average price, number of orders).
fn read_filter(filter: Value<'_>, to: &mut Filters) -> Result<(), DecodeError> {
    match filter.field_str("filterType")? {
        "PRICE_FILTER" => {
            to.price_min = number(filter, "minPrice")?;
            to.price_max = number(filter, "maxPrice")?;
            to.tick_size = number(filter, "tickSize")?;
        }
        "LOT_SIZE" => {
            to.qty_min = number(filter, "minQty")?;
            to.qty_max = number(filter, "maxQty")?;
            to.lot_size = number(filter, "stepSize")?;
        }
        "MARKET_LOT_SIZE" => to.qty_market_max = number(filter, "maxQty")?,
        "NOTIONAL" => {
            to.notional_min = number(filter, "minNotional")?;
            to.notional_max = number(filter, "maxNotional")?;
        }
        // Of futures; and the older generation of the same filter of spot, without a maximum.
        "MIN_NOTIONAL" if filter.get("notional").is_some() => {
            to.notional_min = number(filter, "notional")?;
        }
        "MIN_NOTIONAL" => to.notional_min = number(filter, "minNotional")?,
        _ => {}
    }
    Ok(())
}

/// The smaller of two maxima where 0 means "none".
fn tighter(one: Decimal, other: Decimal) -> Decimal {
    match (one.is_zero(), other.is_zero()) {
        (true, _) => other,
        (_, true) => one,
        _ => one.min(other),
    }
}

fn number(filter: Value<'_>, key: &'static str) -> Result<Decimal, DecodeError> {
    let value = Decimal::from_str(filter.field_str(key)?).map_err(|_| DecodeError::Invalid(key))?;
    if value.is_sign_negative() && !value.is_zero() {
        return Err(DecodeError::Invalid(key));
    }
    Ok(value.normalize())
}

/// A step, or the smallest step of the asset where the filter is switched off.
fn or_smallest(
    step: Decimal,
    row: Value<'_>,
    precision: &'static str,
) -> Result<Decimal, DecodeError> {
    if !step.is_zero() {
        return Ok(step);
    }
    match row.field_u64(precision)? {
        digits @ 0..=12 => Ok(Decimal::new(1, digits as u32)),
        _ => Err(DecodeError::Invalid(precision)),
    }
}

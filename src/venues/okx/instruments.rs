//! Rules of the venue's instruments: spot, and linear swaps. Inverse swaps are not listed.
//!
//! A swap's quantities come in contracts and are given in base units here.
//! <https://www.okx.com/docs-v5/en/#public-data-rest-api-get-instruments>

#![forbid(unsafe_code)]

use super::super::rules::{decimal_or_none, leverage, positive};
use super::super::{DecodeError, InstrumentSpec, Parser, PlainRequest, Value};
use crate::types::InstrumentKind;
use rust_decimal::Decimal;

/// The reply to a symbol that does not exist.
const UNKNOWN_INSTRUMENT: &str = "51001";

/// The venue's word for a kind.
pub(super) fn inst_type(kind: InstrumentKind) -> &'static str {
    match kind {
        InstrumentKind::Spot => "SPOT",
        InstrumentKind::LinearPerpetual => "SWAP",
    }
}

/// Asks for the rules of these symbols.
pub(super) fn request(kind: InstrumentKind, symbols: &[&str]) -> PlainRequest {
    let all = format!("/api/v5/public/instruments?instType={}", inst_type(kind));
    PlainRequest::get(match symbols {
        [symbol] => format!("{all}&instId={symbol}"),
        _ => all,
    })
}

/// Reads the reply, trimmed here:
///
/// ```json
/// {"code":"0","data":[{"instType":"SWAP","instId":"BTC-USDT-SWAP","instIdCode":10459,
///  "uly":"BTC-USDT","ctType":"linear","ctVal":"0.01","ctMult":"1","ctValCcy":"BTC",
///  "settleCcy":"USDT","tickSz":"0.1","lotSz":"0.01","minSz":"0.01","maxLmtSz":"100000000",
///  "maxMktSz":"12000","state":"live"}]}
/// ```
pub(super) fn decode(
    kind: InstrumentKind,
    body: &mut [u8],
) -> Result<Vec<InstrumentSpec>, DecodeError> {
    Parser::new().read(body, |root| {
        match root.field_str("code")? {
            "0" => {}
            UNKNOWN_INSTRUMENT => return Ok(Vec::new()),
            _ => return Err(DecodeError::Invalid("code")),
        }
        let rows = root.field("data")?.items();
        rows.filter_map(|row| spec(kind, row).transpose()).collect()
    })
}

/// `None` for what is not traded here: inverse contracts.
fn spec(kind: InstrumentKind, row: Value<'_>) -> Result<Option<InstrumentSpec>, DecodeError> {
    if row.field_str("instType")? != inst_type(kind) {
        return Err(DecodeError::Invalid("instType"));
    }
    let common = InstrumentSpec {
        symbol: row.field_str("instId")?.to_owned(),
        kind,
        trading: row.field_str("state")? == "live",
        tick_size: positive(row, "tickSz")?,
        ..InstrumentSpec::default()
    };
    let lots = [positive(row, "lotSz")?, positive(row, "minSz")?];
    let qty_max = decimal_or_none(row, "maxLmtSz")?;
    if kind == InstrumentKind::Spot {
        return Ok(Some(InstrumentSpec {
            base: row.field_str("baseCcy")?.to_owned(),
            quote: row.field_str("quoteCcy")?.to_owned(),
            lot_size: lots[0],
            qty_min: lots[1],
            qty_max,
            // `maxMktSz` is in quote for spot: no limit of the engine's says that.
            ..common
        }));
    }
    if row.field_str("ctType")? != "linear" {
        return Ok(None);
    }
    let contract = positive(row, "ctVal")?;
    let contract = times(contract, positive(row, "ctMult")?, "ctMult")?;
    let (base, quote) = row.field_str("uly")?.split_once('-').ok_or(DecodeError::Invalid("uly"))?;
    if row.field_str("ctValCcy")? != base {
        return Err(DecodeError::Invalid("ctValCcy"));
    }
    Ok(Some(InstrumentSpec {
        base: base.to_owned(),
        quote: quote.to_owned(),
        settle: row.field_str("settleCcy")?.to_owned(),
        contract,
        lot_size: times(lots[0], contract, "lotSz")?,
        qty_min: times(lots[1], contract, "minSz")?,
        qty_max: times(qty_max, contract, "maxLmtSz")?,
        qty_market_max: times(decimal_or_none(row, "maxMktSz")?, contract, "maxMktSz")?,
        leverage_max: leverage(row, "lever"),
        ..common
    }))
}

/// An exact product, without zeros at its end.
fn times(a: Decimal, b: Decimal, name: &'static str) -> Result<Decimal, DecodeError> {
    let product = a.checked_mul(b).ok_or(DecodeError::Invalid(name))?;
    // A product that needs more digits than there are would have been rounded.
    let exact = a.normalize().scale() + b.normalize().scale() <= Decimal::MAX_SCALE;
    if exact { Ok(product.normalize()) } else { Err(DecodeError::Invalid(name)) }
}

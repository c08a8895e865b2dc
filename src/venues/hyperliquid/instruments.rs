//! Rules of the venue's instruments, from its lists of perpetuals and of spot pairs.
//!
//! The venue states no tick size: a price has at most five significant figures, or is whole, and has
//! at most `6 - szDecimals` decimals (spot: `8 - szDecimals`). The finest step stands here as the
//! tick size, beside the figures; both are checked when an order is written.
//! <https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/tick-and-lot-size>

#![forbid(unsafe_code)]

use super::super::rules::leverage;
use super::super::{DecodeError, InstrumentSpec, Parser, PlainRequest, Value};
use crate::types::InstrumentKind;
use rust_decimal::Decimal;

pub(super) const META: &str = r#"{"type":"meta"}"#;
pub(super) const SPOT_META: &str = r#"{"type":"spotMeta"}"#;

/// What perpetuals of the venue's own list are settled in.
const COLLATERAL: &str = "USDC";
/// Most decimals of a price.
const PERPETUAL_DECIMALS: u8 = 6;
const SPOT_DECIMALS: u8 = 8;
/// Most significant figures of a price that is not whole.
const FIGURES_MAX: u8 = 5;
/// Smallest value of an order, in dollars or ten units of the quote token.
const NOTIONAL_MIN: i64 = 10;
/// Most decimals of fills: with those of prices they are as many as an amount holds.
const BOOKED_DECIMALS_MAX: u8 = 10;
/// Asset ids of spot pairs begin here.
const SPOT_BASE: u32 = 10_000;

/// Asks for the whole list of one kind.
pub(super) fn request(kind: InstrumentKind, _symbols: &[&str]) -> PlainRequest {
    let body = match kind {
        InstrumentKind::Spot => SPOT_META,
        InstrumentKind::LinearPerpetual => META,
    };
    PlainRequest { path: "/info".to_owned(), body: Some(body.to_owned()) }
}

/// One listed instrument.
pub(super) struct Listed<'a> {
    pub(super) symbol: &'a str,
    pub(super) base: &'a str,
    pub(super) quote: &'a str,
    /// Its number in actions.
    pub(super) asset: u32,
    pub(super) size_decimals: u8,
    /// Decimals that a price may have.
    pub(super) price_decimals: u8,
    /// Decimals in which a token is booked; 0 of a perpetual.
    pub(super) booked_decimals: u8,
    pub(super) trading: bool,
    /// 0 of a pair.
    pub(super) leverage_max: u8,
}

/// Reads the list of one kind.
pub(super) fn decode(
    kind: InstrumentKind,
    body: &mut [u8],
) -> Result<Vec<InstrumentSpec>, DecodeError> {
    Parser::new().read(body, |root| {
        let mut specs = Vec::new();
        // Only the list of spot pairs has tokens.
        match (kind, root.get("tokens")) {
            (InstrumentKind::Spot, None) => return Err(DecodeError::Missing("tokens")),
            (InstrumentKind::LinearPerpetual, Some(_)) => {
                return Err(DecodeError::Invalid("tokens"));
            }
            _ => {}
        }
        each(root, |listed| specs.push(spec(kind, &listed)))?;
        Ok(specs)
    })
}

fn spec(kind: InstrumentKind, listed: &Listed<'_>) -> InstrumentSpec {
    InstrumentSpec {
        kind,
        settle: match kind {
            InstrumentKind::Spot => String::new(),
            InstrumentKind::LinearPerpetual => COLLATERAL.to_owned(),
        },
        symbol: listed.symbol.to_owned(),
        base: listed.base.to_owned(),
        quote: listed.quote.to_owned(),
        trading: listed.trading,
        tick_size: Decimal::new(1, listed.price_decimals.into()),
        lot_size: Decimal::new(1, listed.size_decimals.into()),
        notional_min: Decimal::from(NOTIONAL_MIN),
        figures_max: FIGURES_MAX,
        fill_decimals: listed.booked_decimals.min(BOOKED_DECIMALS_MAX),
        leverage_max: listed.leverage_max,
        ..InstrumentSpec::default()
    }
}

/// Walks a list: `meta` has a universe alone, `spotMeta` also tokens.
pub(super) fn each<'a>(
    root: Value<'a>,
    mut take: impl FnMut(Listed<'a>),
) -> Result<(), DecodeError> {
    let universe = root.field("universe")?;
    if !universe.is_array() {
        return Err(DecodeError::Invalid("universe"));
    }
    let tokens = root.get("tokens");
    for (at, row) in universe.items().enumerate() {
        take(match tokens {
            Some(tokens) => pair(row, tokens)?,
            None => perpetual(at, row)?,
        });
    }
    Ok(())
}

/// `{"szDecimals":5,"name":"BTC","maxLeverage":40,"marginTableId":56}`: the place in the list is the
/// asset's number, those that were delisted keep theirs.
fn perpetual(at: usize, row: Value<'_>) -> Result<Listed<'_>, DecodeError> {
    let name = row.field_str("name")?;
    let size_decimals = size_decimals(row, PERPETUAL_DECIMALS)?;
    Ok(Listed {
        symbol: name,
        base: name,
        quote: "USD",
        asset: u32::try_from(at).map_err(|_| DecodeError::TooLarge)?,
        size_decimals,
        price_decimals: PERPETUAL_DECIMALS - size_decimals,
        booked_decimals: 0,
        trading: row.get("isDelisted").and_then(Value::bool) != Some(true),
        leverage_max: leverage(row, "maxLeverage"),
    })
}

/// `{"tokens":[2,0],"name":"@1","index":1,"isCanonical":false}`: tokens by their own index, not by
/// their place.
fn pair<'a>(row: Value<'a>, tokens: Value<'a>) -> Result<Listed<'a>, DecodeError> {
    let mut of_pair = row.field("tokens")?.items();
    let mut token = || {
        let index = of_pair.next().and_then(Value::u64).ok_or(DecodeError::Invalid("tokens"))?;
        let found =
            tokens.items().find(|token| token.get("index").and_then(Value::u64) == Some(index));
        found.ok_or(DecodeError::Invalid("tokens"))
    };
    let (base, quote) = (token()?, token()?);
    let index =
        u32::try_from(row.field_u64("index")?).map_err(|_| DecodeError::Invalid("index"))?;
    let size_decimals = size_decimals(base, SPOT_DECIMALS)?;
    Ok(Listed {
        symbol: row.field_str("name")?,
        base: base.field_str("name")?,
        quote: quote.field_str("name")?,
        asset: SPOT_BASE.checked_add(index).ok_or(DecodeError::Invalid("index"))?,
        size_decimals,
        price_decimals: SPOT_DECIMALS - size_decimals,
        booked_decimals: booked_decimals(base)?,
        trading: true,
        leverage_max: 0,
    })
}

/// What the venue converts or takes as a fee is as fine as the token itself. Absent in older lists.
fn booked_decimals(token: Value<'_>) -> Result<u8, DecodeError> {
    let Some(decimals) = token.get("weiDecimals") else { return Ok(0) };
    let decimals = decimals.u64().and_then(|decimals| u8::try_from(decimals).ok());
    decimals.ok_or(DecodeError::Invalid("weiDecimals"))
}

fn size_decimals(row: Value<'_>, most: u8) -> Result<u8, DecodeError> {
    let decimals = row.field_u64("szDecimals")?;
    u8::try_from(decimals)
        .ok()
        .filter(|decimals| *decimals <= most)
        .ok_or(DecodeError::Invalid("szDecimals"))
}

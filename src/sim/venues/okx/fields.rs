//! Parameters of order requests, with the venue's errors for what is missing or malformed.

#![forbid(unsafe_code)]

use super::errors::VenueError;
use super::instruments::{Instrument, Kind};
use super::records::Asked;
use crate::sim::venues::fields::Fields;
use crate::sim::{PlaceRequest, SimOrderType};
use crate::types::{Side, TimeInForce};
use rust_decimal::Decimal;
use serde_json::Value;

/// Longest client id and request id.
const NAME_LENGTH_MAX: usize = 32;
const TAG_LENGTH_MAX: usize = 16;

/// Letters and digits only, at most so many; empty if it was not sent.
pub(super) fn name<'a>(
    fields: Fields<'a>,
    key: &str,
    length_max: usize,
) -> Result<&'a str, VenueError> {
    let text = fields.text(key)?.unwrap_or_default();
    if text.len() <= length_max && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        Ok(text)
    } else {
        Err(VenueError::parameter(key))
    }
}

/// `clOrdId`.
pub(super) fn client_name(fields: Fields<'_>) -> Result<&str, VenueError> {
    name(fields, "clOrdId", NAME_LENGTH_MAX)
}

/// `reqId`.
pub(super) fn request_name(fields: Fields<'_>) -> Result<&str, VenueError> {
    name(fields, "reqId", NAME_LENGTH_MAX)
}

/// A flag that must be a JSON boolean; false if it was not sent or is an empty text.
pub(super) fn flag(fields: Fields<'_>, key: &str) -> Result<bool, VenueError> {
    match fields.0.get(key) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(Value::String(text)) if text.is_empty() => Ok(false),
        Some(_) => Err(VenueError::parameter(key)),
    }
}

/// One of these texts.
fn one_of(
    fields: Fields<'_>,
    key: &str,
    allowed: &[&'static str],
) -> Result<&'static str, VenueError> {
    let text = fields.text(key)?.unwrap_or_default();
    let found = allowed.iter().find(|known| **known == text);
    found.copied().ok_or_else(|| VenueError::parameter(key))
}

/// A new order as it was asked for.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) request: PlaceRequest,
    pub(super) asked: Asked,
    /// A price outside the band is moved to its edge rather than refused.
    pub(super) moves_price: bool,
}

/// Reads a new order. The client id is left empty if none was sent.
pub(super) fn new_order(fields: Fields<'_>, instrument: &Instrument) -> Result<Wanted, VenueError> {
    let spot = instrument.kind == Kind::Spot;
    let trade_mode = trade_mode(fields, instrument.kind)?;
    let client_id = client_name(fields)?.to_owned();
    let side = match fields.required("side")? {
        "buy" => Side::Buy,
        "sell" => Side::Sell,
        _ => return Err(VenueError::parameter("side")),
    };
    // Net mode: spot names none.
    one_of(fields, "posSide", if spot { &[""] } else { &["", "net"] })?;
    one_of(fields, "stpMode", &["", "cancel_maker"])?;
    let moves_price = one_of(fields, "pxAmendType", &["", "0", "1"])? == "1";
    let tag = name(fields, "tag", TAG_LENGTH_MAX)?.to_owned();
    // Spot has no position: the flag means nothing there.
    let reduce_only = flag(fields, "reduceOnly")? && !spot;
    let size = fields.decimal("sz")?.ok_or_else(|| VenueError::parameter("sz"))?;
    let kinds = ["limit", "market", "post_only", "fok", "ioc", "optimal_limit_ioc"];
    let order_type = one_of(fields, "ordType", &kinds)?;
    if spot && order_type == "optimal_limit_ioc" {
        return Err(VenueError::parameter("ordType"));
    }
    let (kind, time_in_force) = match order_type {
        "post_only" => (SimOrderType::PostOnly, TimeInForce::Gtc),
        "limit" => (SimOrderType::Limit, TimeInForce::Gtc),
        "ioc" => (SimOrderType::Limit, TimeInForce::Ioc),
        "fok" => (SimOrderType::Limit, TimeInForce::Fok),
        _ => (SimOrderType::Market, TimeInForce::Ioc),
    };
    let target = target(fields, instrument.kind, kind, side)?;
    let order_type_of_exchange =
        if target == "quote_ccy" { SimOrderType::MarketQuote } else { kind };
    let price = match kind {
        SimOrderType::Market => Decimal::ZERO,
        _ => fields.decimal("px")?.ok_or_else(|| VenueError::parameter("px"))?,
    };
    let qty = if target == "quote_ccy" { size } else { instrument.to_base(size) };
    let request = PlaceRequest {
        symbol: instrument.id.clone(),
        client_id,
        side,
        order_type: order_type_of_exchange,
        time_in_force,
        price,
        qty,
        reduce_only,
    };
    let lever = String::new();
    let category = "normal";
    let asked = Asked { order_type, trade_mode, target, tag, reduce_only, lever, category };
    Ok(Wanted { request, asked, moves_price })
}

/// Spot is `cash`: with margin it would be another product, which this account mode has not.
fn trade_mode(fields: Fields<'_>, kind: Kind) -> Result<&'static str, VenueError> {
    let mode = one_of(fields, "tdMode", &["cash", "cross", "isolated"])?;
    match (kind, mode) {
        (Kind::Spot, "cash") | (Kind::Swap, "cross" | "isolated") => Ok(mode),
        (Kind::Spot, _) => Err(VenueError::new(
            51010,
            "You can't complete this request under your current account mode.",
        )),
        (Kind::Swap, _) => Err(VenueError::parameter("tdMode")),
    }
}

/// What a spot market order is sized in: a buy in quote unless it says otherwise, a sell in base.
fn target(
    fields: Fields<'_>,
    kind: Kind,
    order_type: SimOrderType,
    side: Side,
) -> Result<&'static str, VenueError> {
    let target = one_of(fields, "tgtCcy", &["", "base_ccy", "quote_ccy"])?;
    if kind == Kind::Swap || order_type != SimOrderType::Market {
        return Ok("");
    }
    Ok(match (target, side) {
        ("", Side::Buy) => "quote_ccy",
        ("", Side::Sell) => "base_ccy",
        (said, _) => said,
    })
}

/// `tag`.
pub(super) fn tag(fields: Fields<'_>) -> Result<&str, VenueError> {
    name(fields, "tag", TAG_LENGTH_MAX)
}

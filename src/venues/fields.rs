//! Members of rows, whichever reader they come from: what each may hold, with the venue's name of it
//! in every error.

#![forbid(unsafe_code)]

use super::{DecodeError, Scalar, Value, decimal};
use crate::types::{
    AMOUNT_DECIMALS, Amount, ClientOrderId, Instrument, Nanos, ParseUnitError, Ppb, Price, Qty,
    VenueOrderId,
};

/// A member that may be absent.
pub(super) type Field<'a> = Option<Scalar<'a>>;

/// Text that must be there.
pub(super) fn text<'a>(field: Field<'a>, name: &'static str) -> Result<&'a str, DecodeError> {
    field.ok_or(DecodeError::Missing(name))?.str().ok_or(DecodeError::Invalid(name))
}

/// A whole number that the venue writes as text in one place and as a number in another.
pub(super) fn whole(field: Field<'_>, name: &'static str) -> Result<u64, DecodeError> {
    match field.ok_or(DecodeError::Missing(name))? {
        Scalar::Text(text) => text.parse().map_err(|_| DecodeError::Invalid(name)),
        other => other.u64().ok_or(DecodeError::Invalid(name)),
    }
}

pub(super) fn client_id(field: Field<'_>) -> ClientOrderId {
    ClientOrderId::decode(field.and_then(Scalar::str).unwrap_or(""))
}

/// Empty where there is none.
pub(super) fn order_id(field: Field<'_>) -> Result<VenueOrderId, DecodeError> {
    let text = field.and_then(Scalar::str).unwrap_or("");
    VenueOrderId::new(text).ok_or(DecodeError::Invalid("orderId"))
}

/// A number as text; absent or empty means "not applicable".
pub(super) fn number<'a>(
    field: Field<'a>,
    name: &'static str,
) -> Result<Option<&'a str>, DecodeError> {
    match field {
        None | Some(Scalar::Null | Scalar::Text("")) => Ok(None),
        Some(Scalar::Text(text)) => Ok(Some(text)),
        Some(_) => Err(DecodeError::Invalid(name)),
    }
}

pub(super) fn price(
    field: Field<'_>,
    name: &'static str,
    of: &Instrument,
) -> Result<Price, DecodeError> {
    let Some(text) = number(field, name)? else { return Ok(Price(0)) };
    let price = decimal::price(text, of.scale).map_err(|error| DecodeError::Number(name, error))?;
    if price.0 < 0 { Err(DecodeError::Invalid(name)) } else { Ok(price) }
}

pub(super) fn qty(
    field: Field<'_>,
    name: &'static str,
    of: &Instrument,
) -> Result<Option<Qty>, DecodeError> {
    let Some(text) = number(field, name)? else { return Ok(None) };
    let qty = decimal::qty(text, of.scale).map_err(|error| DecodeError::Number(name, error))?;
    if qty.0 < 0 { Err(DecodeError::Invalid(name)) } else { Ok(Some(qty)) }
}

pub(super) fn amount(field: Field<'_>, name: &'static str) -> Result<Option<Amount>, DecodeError> {
    let Some(text) = number(field, name)? else { return Ok(None) };
    decimal::amount(text).map(Some).map_err(|error| DecodeError::Number(name, error))
}

/// Text, empty where there is none.
pub(super) fn or_empty(field: Field<'_>) -> &str {
    field.and_then(Scalar::str).unwrap_or("")
}

/// A ratio that must be there, exact in parts per billion.
pub(super) fn ppb(field: Field<'_>, name: &'static str) -> Result<Ppb, DecodeError> {
    const UNIT: i128 = 10i128.pow(AMOUNT_DECIMALS - 9);
    let amount = amount(Some(Scalar::Text(text(field, name)?)), name)?;
    let amount = amount.ok_or(DecodeError::Number(name, ParseUnitError::Malformed))?;
    if amount.0 % UNIT != 0 {
        return Err(DecodeError::Number(name, ParseUnitError::OffScale));
    }
    i64::try_from(amount.0 / UNIT)
        .map(Ppb)
        .map_err(|_| DecodeError::Number(name, ParseUnitError::Overflow))
}

/// A time in milliseconds.
pub(super) fn time_in(row: Value<'_>, name: &'static str) -> Result<Nanos, DecodeError> {
    whole(row.get(name).map(Scalar::from), name).map(Nanos::from_millis)
}

/// An amount that must be there.
pub(super) fn amount_in(row: Value<'_>, name: &'static str) -> Result<Amount, DecodeError> {
    stated_in(row, name)?.ok_or(DecodeError::Missing(name))
}

/// An amount, `None` where the venue says nothing.
pub(super) fn stated_in(row: Value<'_>, name: &'static str) -> Result<Option<Amount>, DecodeError> {
    amount(row.get(name).map(Scalar::from), name)
}

/// What the venue has calculated; `None` if it says nothing.
pub(super) fn calculated_in(
    row: Value<'_>,
    name: &'static str,
) -> Result<Option<Amount>, DecodeError> {
    let Some(text) = row.get(name).and_then(Value::str).filter(|text| !text.is_empty()) else {
        return stated_in(row, name);
    };
    let calculated = decimal::calculated(text);
    calculated.map(Some).map_err(|error| DecodeError::Number(name, error))
}

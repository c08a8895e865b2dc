//! Decimals of the rules that venues state for their instruments.

#![forbid(unsafe_code)]

use super::{DecodeError, Value};
use crate::types::ParseUnitError;
use rust_decimal::Decimal;

/// A member that must be above zero.
pub(super) fn positive(object: Value<'_>, name: &'static str) -> Result<Decimal, DecodeError> {
    let value = decimal(object, name)?;
    if value > Decimal::ZERO { Ok(value) } else { Err(DecodeError::Invalid(name)) }
}

/// A member that must not be below zero.
pub(super) fn decimal(object: Value<'_>, name: &'static str) -> Result<Decimal, DecodeError> {
    let malformed = DecodeError::Number(name, ParseUnitError::Malformed);
    let value = Decimal::from_str_exact(object.field_str(name)?).map_err(|_| malformed)?;
    if value.is_sign_negative() && !value.is_zero() {
        return Err(DecodeError::Invalid(name));
    }
    Ok(value)
}

/// The largest leverage that somebody may have, which the engine counts in whole ones; text or number.
/// It is advice alone: what cannot be read counts as not told, which is 0, and costs nobody his list.
pub(super) fn leverage(object: Value<'_>, name: &'static str) -> u8 {
    let Some(value) = object.get(name) else { return 0 };
    let stated = match value.u64() {
        Some(whole) => Decimal::from(whole),
        None => decimal(object, name).unwrap_or_default(),
    };
    u8::try_from(stated.trunc().mantissa()).unwrap_or(u8::MAX)
}

/// A member that must not be below zero, where an empty text says "none", which is 0 here.
pub(super) fn decimal_or_none(
    object: Value<'_>,
    name: &'static str,
) -> Result<Decimal, DecodeError> {
    match object.get(name).and_then(Value::str) {
        None | Some("") => Ok(Decimal::ZERO),
        Some(_) => decimal(object, name),
    }
}

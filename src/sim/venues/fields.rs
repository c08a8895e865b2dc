//! Parameters of a JSON request. Each wire has its own words for one that is missing or malformed.

#![forbid(unsafe_code)]

use rust_decimal::Decimal;
use serde_json::Value;

/// Numbers from here on are not read: a product of two would not fit a decimal.
const NUMBER_LIMIT: u64 = 10_000_000_000_000;

/// Name of a parameter that is missing, of the wrong type or malformed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadField(pub(super) String);

/// An object of parameters. Texts must be texts; an empty one is as good as none.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a Value);

impl<'a> Fields<'a> {
    pub(super) fn text(self, name: &str) -> Result<Option<&'a str>, BadField> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(BadField(name.to_owned())),
        }
    }

    pub(super) fn required(self, name: &str) -> Result<&'a str, BadField> {
        self.text(name)?.ok_or_else(|| BadField(name.to_owned()))
    }

    /// Plain digits with an optional point; no sign but minus, no exponent.
    pub(super) fn decimal(self, name: &str) -> Result<Option<Decimal>, BadField> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let digits = text.strip_prefix('-').unwrap_or(text);
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let small = |value: &Decimal| value.abs() < Decimal::from(NUMBER_LIMIT);
        let value = Decimal::from_str_exact(text).ok().filter(|value| plain && small(value));
        value.map(Some).ok_or_else(|| BadField(name.to_owned()))
    }
}

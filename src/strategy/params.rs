//! How a strategy reads its parameters.

#![forbid(unsafe_code)]

use super::Context;
use crate::types::{ParamValue, Params};
use rust_decimal::Decimal;

impl Context {
    /// A whole number of `[strategy.params]`; `None` if there is none of this name and type.
    #[must_use]
    pub fn param_int(&self, name: &str) -> Option<i64> {
        match self.params.get(name)? {
            ParamValue::Int(value) => Some(value),
            _ => None,
        }
    }

    /// An exact decimal number, likewise.
    #[must_use]
    pub fn param_decimal(&self, name: &str) -> Option<Decimal> {
        match self.params.get(name)? {
            ParamValue::Decimal(value) => Some(value),
            // Without a list of what there may be, a whole number in the file is one of these too.
            ParamValue::Int(value) => Some(value.into()),
            _ => None,
        }
    }

    /// Yes or no, likewise.
    #[must_use]
    pub fn param_bool(&self, name: &str) -> Option<bool> {
        match self.params.get(name)? {
            ParamValue::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// A short text, likewise.
    #[must_use]
    pub fn param_text(&self, name: &str) -> Option<&str> {
        self.params.text(name)
    }

    /// All parameters.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Takes parameters that a person has changed; the loop does so ten times a second and then calls
    /// [`super::Strategy::on_params`]. One load if there are none.
    #[inline]
    pub fn take_params(&mut self) -> bool {
        let Some(params) = self.parts.end.params.changed() else { return false };
        self.params = params;
        true
    }
}

//! Status of a strategy: a few typed fields under names of its choice, in a broadcast ring.

use crate::sync::broadcast::Lapped;
use crate::types::{Nanos, Text};
use std::fmt;

/// Most fields of one status.
pub const STATUS_FIELDS_MAX: usize = 16;

/// Name of a field.
pub type StatusName = Text<23>;

/// Text of a field.
pub type StatusText = Text<31>;

/// Value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StatusValue {
    /// A whole number: counts, ticks, nanoseconds.
    Int(i64),
    /// A number for people.
    Float(f64),
    /// A short text.
    Text(StatusText),
}

/// Why a field was not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusError {
    /// There are [`STATUS_FIELDS_MAX`] others already.
    TooManyFields,
    /// The name is empty, longer than 23 bytes or not printable ASCII.
    BadName,
    /// The text is longer than 31 bytes or not printable ASCII.
    BadText,
}

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooManyFields => "a status has at most 16 fields",
            Self::BadName => "a field's name is 1 to 23 bytes of printable ASCII",
            Self::BadText => "a field's text is at most 31 bytes of printable ASCII",
        })
    }
}

impl std::error::Error for StatusError {}

/// What a strategy shows of itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Status {
    /// When it was written.
    pub updated_ns: Nanos,
    len: usize,
    fields: [Option<(StatusName, StatusValue)>; STATUS_FIELDS_MAX],
}

impl Status {
    /// A status without fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a whole number.
    pub fn int(&mut self, name: &str, value: i64) -> Result<(), StatusError> {
        self.set(name, StatusValue::Int(value))
    }

    /// Sets a number for people.
    pub fn float(&mut self, name: &str, value: f64) -> Result<(), StatusError> {
        self.set(name, StatusValue::Float(value))
    }

    /// Sets a text.
    pub fn text(&mut self, name: &str, value: &str) -> Result<(), StatusError> {
        self.set(name, StatusValue::Text(StatusText::new(value).ok_or(StatusError::BadText)?))
    }

    /// Sets a field, in place if the name is known.
    pub fn set(&mut self, name: &str, value: StatusValue) -> Result<(), StatusError> {
        if name.is_empty() {
            return Err(StatusError::BadName);
        }
        let name = StatusName::new(name).ok_or(StatusError::BadName)?;
        let known = self.fields().position(|(known, _)| known == name.as_str());
        let index = known.unwrap_or(self.len);
        let slot = self.fields.get_mut(index).ok_or(StatusError::TooManyFields)?;
        *slot = Some((name, value));
        self.len = self.len.max(index + 1);
        Ok(())
    }

    /// The fields, in the order in which they were first set.
    pub fn fields(&self) -> impl Iterator<Item = (&str, StatusValue)> {
        self.fields.iter().flatten().map(|(name, value)| (name.as_str(), *value))
    }

    /// The field with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<StatusValue> {
        self.fields().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

/// Publishes the status of one strategy.
#[derive(Debug)]
pub struct StatusWriter {}

impl StatusWriter {
    /// Publishes a status.
    pub fn publish(&mut self, _status: &Status, _now: Nanos) {
        todo!()
    }
}

/// Reads the statuses of one strategy at its own pace.
#[derive(Clone, Debug)]
pub struct StatusReader {}

impl StatusReader {
    /// The next status; `None` if there is none yet.
    pub fn next(&mut self) -> Result<Option<Status>, Lapped> {
        todo!()
    }

    /// The newest status, skipping what is older; `None` if there is nothing new.
    pub fn latest(&mut self) -> Option<Status> {
        todo!()
    }
}

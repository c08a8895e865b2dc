//! Parameters of strategies: what `[strategy.params]` holds and `stoop set NAME key=value` changes.
//!
//! A [`ParamSpec`] says what one may be; every value that comes from a file or a person is checked
//! against it before a strategy sees it.

#![forbid(unsafe_code)]

use super::{StrategyId, Text};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Most parameters of one strategy.
pub const PARAMS_MAX: usize = 16;

/// Name of a parameter: 1 to 23 letters, digits, `-` or `_`, as a bare key of TOML.
pub type ParamName = Text<23>;

/// Text of a parameter.
pub type ParamText = Text<31>;

/// Value of a parameter. Two decimals are equal if they are the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParamValue {
    /// A whole number.
    Int(i64),
    /// An exact decimal number.
    Decimal(#[serde(with = "rust_decimal::serde::str")] Decimal),
    /// Yes or no.
    Bool(bool),
    /// At most 31 bytes of printable ASCII.
    Text(ParamText),
}

impl ParamValue {
    /// Its type, for people.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Int(_) => "an integer",
            Self::Decimal(_) => "a decimal number",
            Self::Bool(_) => "true or false",
            Self::Text(_) => "a text of at most 31 printable characters",
        }
    }

    /// A text as a value of this one's type; `None` if it is none, or cannot be held exactly.
    fn parse_like(&self, text: &str) -> Option<Self> {
        let text = text.trim();
        match self {
            Self::Int(_) => text.parse().ok().map(Self::Int),
            Self::Decimal(_) => Decimal::from_str_exact(text).ok().map(Self::Decimal),
            Self::Bool(_) => text.parse().ok().map(Self::Bool),
            Self::Text(_) => ParamText::new(text).map(Self::Text),
        }
    }
}

impl fmt::Display for ParamValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => write!(f, "{value}"),
            Self::Decimal(value) => write!(f, "{}", value.normalize()),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Text(value) => write!(f, "{value}"),
        }
    }
}

/// What one parameter may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamSpec {
    /// Its name; empty if it was given one that no parameter can have.
    pub name: ParamName,
    /// Its value where the file says nothing; its type is the parameter's.
    pub default: ParamValue,
    /// Smallest number.
    pub min: Option<Decimal>,
    /// Largest number.
    pub max: Option<Decimal>,
    /// Most digits behind the point.
    pub places: Option<u32>,
    /// One line for people: what it does, in which unit.
    pub help: &'static str,
}

impl ParamSpec {
    /// A parameter of the type of its default, without bounds.
    #[must_use]
    pub fn new(name: &str, default: ParamValue, help: &'static str) -> Self {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let name = Some(name).filter(|name| name.bytes().all(plain)).and_then(ParamName::new);
        let name = name.unwrap_or(ParamName::EMPTY);
        Self { name, default, min: None, max: None, places: None, help }
    }

    /// A whole number.
    #[must_use]
    pub fn int(name: &str, default: i64, help: &'static str) -> Self {
        Self::new(name, ParamValue::Int(default), help)
    }

    /// An exact decimal number.
    #[must_use]
    pub fn decimal(name: &str, default: Decimal, help: &'static str) -> Self {
        Self::new(name, ParamValue::Decimal(default), help)
    }

    /// Yes or no.
    #[must_use]
    pub fn bool(name: &str, default: bool, help: &'static str) -> Self {
        Self::new(name, ParamValue::Bool(default), help)
    }

    /// A short text; one that cannot be held is the empty one.
    #[must_use]
    pub fn text(name: &str, default: &str, help: &'static str) -> Self {
        let default = ParamText::new(default).unwrap_or(ParamText::EMPTY);
        Self::new(name, ParamValue::Text(default), help)
    }

    /// The same, bounded: a number from `min` to `max`.
    #[must_use]
    pub fn bounded(self, min: impl Into<Decimal>, max: impl Into<Decimal>) -> Self {
        Self { min: Some(min.into()), max: Some(max.into()), ..self }
    }

    /// The same with so many digits behind the point at most.
    #[must_use]
    pub fn places(self, places: u32) -> Self {
        Self { places: Some(places), ..self }
    }

    /// A value that has a type already, such as one of a file. A whole number is a decimal too.
    ///
    /// # Errors
    ///
    /// In words, what the parameter may be.
    pub fn check(&self, value: ParamValue) -> Result<ParamValue, String> {
        let fitting = match (self.default, value) {
            (ParamValue::Decimal(_), ParamValue::Int(value)) => {
                Some(ParamValue::Decimal(value.into()))
            }
            // Decimals are often written as texts, because TOML's own numbers are not exact.
            (ParamValue::Decimal(_), ParamValue::Text(text)) => {
                self.default.parse_like(text.as_str())
            }
            (ParamValue::Int(_), ParamValue::Int(_))
            | (ParamValue::Decimal(_), ParamValue::Decimal(_))
            | (ParamValue::Bool(_), ParamValue::Bool(_))
            | (ParamValue::Text(_), ParamValue::Text(_)) => Some(value),
            _ => None,
        };
        let fitting = fitting.ok_or_else(|| self.wrong(&value.to_string()))?;
        let number = match fitting {
            ParamValue::Int(value) => Some(Decimal::from(value)),
            ParamValue::Decimal(value) => Some(value),
            ParamValue::Bool(_) | ParamValue::Text(_) => None,
        };
        let below = |number| self.min.is_some_and(|min| number < min);
        let above = |number| self.max.is_some_and(|max| number > max);
        let fine =
            |number: Decimal| self.places.is_some_and(|most| number.normalize().scale() > most);
        match number {
            Some(number) if below(number) || above(number) || fine(number) => {
                Err(self.wrong(&value.to_string()))
            }
            _ => Ok(fitting),
        }
    }

    /// A text that a person typed; errors as [`ParamSpec::check`].
    pub fn parse(&self, text: &str) -> Result<ParamValue, String> {
        let value = self.default.parse_like(text).ok_or_else(|| self.wrong(text))?;
        self.check(value)
    }

    fn wrong(&self, value: &str) -> String {
        format!("{} = {value} must be {}", self.name, self.may_be())
    }

    /// `an integer from 0 to 5`
    #[must_use]
    pub fn may_be(&self) -> String {
        let kind = self.default.kind();
        let range = match (self.min, self.max) {
            (Some(min), Some(max)) => format!(" from {min} to {max}"),
            (Some(min), None) => format!(" of at least {min}"),
            (None, Some(max)) => format!(" of at most {max}"),
            (None, None) => String::new(),
        };
        let places =
            self.places.map(|most| format!(" with at most {most} digits behind the point"));
        format!("{kind}{range}{}", places.unwrap_or_default())
    }
}

/// Finds what a name stands for.
///
/// # Errors
///
/// In words, with what there is.
pub fn find_param<'s>(specs: &'s [ParamSpec], name: &str) -> Result<&'s ParamSpec, String> {
    specs.iter().find(|spec| spec.name.as_str() == name && !name.is_empty()).ok_or_else(|| {
        if specs.is_empty() {
            return format!("{name:?} is not a parameter: the strategy has none");
        }
        let row = |spec: &ParamSpec| match spec.help {
            "" => format!("{} ({})", spec.name, spec.may_be()),
            help => format!("{} ({}: {help})", spec.name, spec.may_be()),
        };
        let rows: Vec<String> = specs.iter().map(row).collect();
        format!("{name:?} is not a parameter; there are: {}", rows.join(", "))
    })
}

/// The parameters of one strategy, in the order in which they were first set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params {
    len: usize,
    values: [Option<(ParamName, ParamValue)>; PARAMS_MAX],
}

impl Params {
    /// The defaults.
    ///
    /// # Errors
    ///
    /// In words, if there are too many, two have one name or a name is none.
    pub fn of(specs: &[ParamSpec]) -> Result<Self, String> {
        let mut params = Self::default();
        for spec in specs {
            if spec.name.is_empty() {
                return Err("a parameter has no name of 1 to 23 a-z A-Z 0-9 - _".to_owned());
            }
            if params.get(spec.name.as_str()).is_some() {
                return Err(format!("two parameters are named {}", spec.name));
            }
            let default = spec.check(spec.default)?;
            if !params.set(spec.name, default) {
                return Err(format!("there are more than {PARAMS_MAX} parameters"));
            }
        }
        Ok(params)
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<ParamValue> {
        self.iter().find(|(known, _)| known.as_str() == name).map(|(_, value)| value)
    }

    /// The text of a name, if it is one.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        let named = |(known, _): &&(ParamName, ParamValue)| known.as_str() == name;
        match &self.values.iter().flatten().find(named)?.1 {
            ParamValue::Text(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// Sets one, in place if its name is known; `false` if there is no room.
    pub fn set(&mut self, name: ParamName, value: ParamValue) -> bool {
        let known = self.iter().position(|(known, _)| known == name);
        let at = known.unwrap_or(self.len);
        let Some(slot) = self.values.get_mut(at) else { return false };
        *slot = Some((name, value));
        self.len = self.len.max(at + 1);
        true
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (ParamName, ParamValue)> {
        self.values.iter().flatten().copied()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// One parameter was changed by a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParamChange {
    /// Whose.
    pub strategy: StrategyId,
    /// Which.
    pub name: ParamName,
    /// What it was, as the order manager knew it.
    pub before: ParamValue,
    /// What it is.
    pub after: ParamValue,
    /// User and process that asked, as the kernel told.
    pub by_uid: u32,
    /// See `by_uid`.
    pub by_pid: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge() -> ParamSpec {
        ParamSpec::decimal("edge_bps", Decimal::from(5), "smallest edge").bounded(0, 100)
    }

    #[test]
    fn values_are_checked_against_type_and_bounds() {
        let decimal = |text| ParamValue::Decimal(Decimal::from_str_exact(text).unwrap());
        assert_eq!(edge().parse("2.5"), Ok(decimal("2.5")));
        assert_eq!(edge().check(ParamValue::Int(7)), Ok(decimal("7")));
        assert_eq!(
            edge().check(ParamValue::Text(ParamText::new("0.1").unwrap())),
            Ok(decimal("0.1"))
        );
        let text = "edge_bps = 101 must be a decimal number from 0 to 100";
        assert_eq!(edge().parse("101"), Err(text.to_owned()));
        assert!(edge().parse("-0.1").is_err() && edge().parse("much").is_err());
        assert!(edge().parse("1e3").is_err() && edge().check(ParamValue::Bool(true)).is_err());
        // One digit more than can be held is not rounded away.
        assert!(edge().parse("0.12345678901234567890123456789").is_err());
        let coarse = edge().places(1);
        assert!(coarse.parse("2.50").is_ok() && coarse.parse("2.55").is_err());
        let flag = ParamSpec::bool("on", true, "");
        assert_eq!(flag.parse("false"), Ok(ParamValue::Bool(false)));
        assert_eq!(flag.parse("no"), Err("on = no must be true or false".to_owned()));
        let count = ParamSpec::int("count", 3, "").bounded(1, 9);
        assert_eq!(count.parse("9"), Ok(ParamValue::Int(9)));
        assert!(count.parse("9.5").is_err() && count.parse("10").is_err());
        let word = ParamSpec::text("side", "both", "");
        assert!(word.parse("thirty-two-bytes-are-one-too-many").is_err());
        assert_eq!(word.parse("buy").unwrap().to_string(), "buy");
    }

    #[test]
    fn an_unknown_name_is_answered_with_those_that_there_are() {
        let text = find_param(&[edge(), ParamSpec::bool("on", true, "")], "edge").unwrap_err();
        let wanted = "\"edge\" is not a parameter; there are: edge_bps (a decimal number from 0 to \
                      100: smallest edge), on (true or false)";
        assert_eq!(text, wanted);
        assert!(find_param(&[], "x").unwrap_err().contains("has none"));
    }

    #[test]
    fn sets_hold_one_value_a_name_and_refuse_what_does_not_fit() {
        let mut params = Params::of(&[edge(), ParamSpec::int("n", 1, "")]).unwrap();
        assert!(params.set(edge().name, ParamValue::Int(9)));
        assert_eq!((params.len(), params.get("edge_bps")), (2, Some(ParamValue::Int(9))));
        assert_eq!(params.get("m"), None);
        assert!(Params::of(&[edge(), edge()]).unwrap_err().contains("two parameters"));
        assert!(Params::of(&[ParamSpec::int("a b", 1, "")]).unwrap_err().contains("no name"));
        assert!(Params::of(&[edge().bounded(6, 9)]).is_err(), "its default is outside");
        let many: Vec<ParamSpec> =
            (0..=PARAMS_MAX).map(|n| ParamSpec::int(&format!("p{n}"), 0, "")).collect();
        assert!(Params::of(&many).unwrap_err().contains("more than 16"));
        assert!(Params::of(&many[1..]).is_ok());
    }

    #[test]
    fn changes_survive_a_journal() {
        let change = ParamChange {
            strategy: StrategyId(3),
            name: edge().name,
            before: edge().default,
            after: ParamValue::Decimal(Decimal::new(-125, 3)),
            by_uid: 1_000,
            by_pid: 77,
        };
        let bytes = postcard::to_allocvec(&change).unwrap();
        assert_eq!(postcard::from_bytes::<ParamChange>(&bytes), Ok(change));
    }
}

//! Status of a strategy: a few typed fields under names of its choice, in a broadcast ring.

use super::codec::{amount, amount_words, put_text, text};
use crate::sync::broadcast::{self, Lapped};
use crate::types::{Amount, Nanos, Ppb, Price, Qty, Scale, Text};
use rust_decimal::Decimal;
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
    /// A whole number: counts.
    Int(i64),
    /// An exact number in units that people read: a price in quote units, a quantity in base units.
    Decimal(Decimal),
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

    /// Sets an exact number.
    pub fn decimal(&mut self, name: &str, value: Decimal) -> Result<(), StatusError> {
        self.set(name, StatusValue::Decimal(value.normalize()))
    }

    /// Sets a price, in quote units. `scale` is its instrument's.
    pub fn price(&mut self, name: &str, scale: Scale, price: Price) -> Result<(), StatusError> {
        self.decimal(name, scale.price_decimal(price))
    }

    /// Sets a quantity, in base units. `scale` is its instrument's.
    pub fn qty(&mut self, name: &str, scale: Scale, qty: Qty) -> Result<(), StatusError> {
        self.decimal(name, scale.qty_decimal(qty))
    }

    /// Sets a ratio in basis points, to the nearest hundredth of one.
    pub fn bps(&mut self, name: &str, ratio: Ppb) -> Result<(), StatusError> {
        self.decimal(name, Decimal::new(ratio.0, 5).round_dp(2))
    }

    /// Sets a number for people that is not exact.
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

/// Order of the words below; part of the layout's hash.
pub(super) const FIELDS: &str =
    "status: updated count fields16(name3 kind value4: int float text decimal)";

const NAME_WORDS: usize = 3;
const FIELD_WORDS: usize = 8;
const VALUE_AT: usize = NAME_WORDS + 1;
const HEAD: usize = 2;
/// Words of a status after its counter.
pub(super) const WORDS: usize = HEAD + STATUS_FIELDS_MAX * FIELD_WORDS;

const INT: u64 = 1;
const FLOAT: u64 = 2;
const TEXT: u64 = 3;
const DECIMAL: u64 = 4;

fn encode(name: &StatusName, value: StatusValue) -> [u64; FIELD_WORDS] {
    let mut words = [0; FIELD_WORDS];
    put_text(&mut words[..NAME_WORDS], name);
    match value {
        StatusValue::Int(value) => {
            words[NAME_WORDS] = INT;
            words[VALUE_AT] = value as u64;
        }
        StatusValue::Decimal(value) => {
            words[NAME_WORDS] = DECIMAL;
            let mantissa = amount_words(Amount(value.mantissa()));
            words[VALUE_AT..VALUE_AT + 2].copy_from_slice(&mantissa);
            words[VALUE_AT + 2] = value.scale().into();
        }
        StatusValue::Float(value) => {
            words[NAME_WORDS] = FLOAT;
            words[VALUE_AT] = value.to_bits();
        }
        StatusValue::Text(value) => {
            words[NAME_WORDS] = TEXT;
            put_text(&mut words[VALUE_AT..], &value);
        }
    }
    words
}

/// `None` for what no writer of ours wrote.
fn decode(words: &[u64]) -> Option<(StatusName, StatusValue)> {
    let name: StatusName = text(words.get(..NAME_WORDS)?)?;
    let value = match *words.get(NAME_WORDS)? {
        INT => StatusValue::Int(*words.get(VALUE_AT)? as i64),
        FLOAT => StatusValue::Float(f64::from_bits(*words.get(VALUE_AT)?)),
        DECIMAL => StatusValue::Decimal(decimal(words.get(VALUE_AT..)?)?),
        TEXT => StatusValue::Text(text(words.get(VALUE_AT..)?)?),
        _ => return None,
    };
    (!name.is_empty()).then_some((name, value))
}

/// Decimal of its words: mantissa, low first, and decimals.
fn decimal(words: &[u64]) -> Option<Decimal> {
    let Amount(mantissa) = amount(*words.first()?, *words.get(1)?);
    let decimals = u32::try_from(*words.get(2)?).ok()?;
    Decimal::try_from_i128_with_scale(mantissa, decimals).ok()
}

/// Publishes the status of one strategy.
#[derive(Debug)]
pub struct StatusWriter(pub(super) broadcast::Writer);

impl StatusWriter {
    /// Publishes a status.
    pub fn publish(&mut self, status: &Status, now: Nanos) {
        self.0.push(|payload| {
            payload.copy_from(0, &[now.0, status.len as u64]);
            for (index, (name, value)) in status.fields.iter().flatten().enumerate() {
                payload.copy_from(HEAD + index * FIELD_WORDS, &encode(name, *value));
            }
        });
    }
}

/// Reads the statuses of one strategy at its own pace. What it reads may be anything: fields that
/// make no sense are left out.
#[derive(Clone, Debug)]
pub struct StatusReader(pub(super) broadcast::Reader);

impl StatusReader {
    /// The next status; `None` if there is none yet.
    #[allow(clippy::should_implement_trait, reason = "an iterator cannot say that it was lapped")]
    pub fn next(&mut self) -> Result<Option<Status>, Lapped> {
        let mut words = [0; WORDS];
        let mut count = 0;
        let found = self.0.next(|payload| {
            count = (payload.get(1) as usize).min(STATUS_FIELDS_MAX);
            let end = HEAD + count * FIELD_WORDS;
            payload.copy_to(0, &mut words[..end]);
        })?;
        if found.is_none() {
            return Ok(None);
        }
        let mut status = Status { updated_ns: Nanos(words[0]), ..Status::default() };
        let fields = words[HEAD..].chunks_exact(FIELD_WORDS).take(count).filter_map(decode);
        for (name, value) in fields {
            // At most as many fields as fit, so this cannot fail.
            let _ = status.set(name.as_str(), value);
        }
        Ok(Some(status))
    }

    /// The newest status, skipping what is older, also if it was read before; `None` if there never
    /// was one, or if it was overwritten under our eyes.
    pub fn latest(&mut self) -> Option<Status> {
        self.0.skip_to_last();
        self.next().ok().flatten()
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;
    use crate::sync::words::Words;

    fn status() -> Status {
        let mut status = Status::new();
        status.int("position", -5).unwrap();
        status.float("spread_bp", 1.25).unwrap();
        status.text("mode", "hunting").unwrap();
        status.decimal("held", Decimal::new(15, 1)).unwrap();
        status
    }

    #[test]
    fn fields_come_back_typed_and_in_order() {
        let (writer, reader) = broadcast::ring(4, WORDS);
        let (mut writer, mut reader) = (StatusWriter(writer), StatusReader(reader));
        assert!(reader.latest().is_none());
        let mut written = status();
        writer.publish(&written, Nanos(7));
        written.int("position", 6).unwrap();
        writer.publish(&written, Nanos(8));
        let first = reader.next().unwrap().unwrap();
        let fields: Vec<_> = first.fields().collect();
        let expected = [
            ("position", StatusValue::Int(-5)),
            ("spread_bp", StatusValue::Float(1.25)),
            ("mode", StatusValue::Text(StatusText::new("hunting").unwrap())),
            ("held", StatusValue::Decimal(Decimal::new(15, 1))),
        ];
        assert_eq!(fields, expected);
        assert_eq!(first.updated_ns, Nanos(7));
        let second = reader.latest().unwrap();
        assert_eq!(second.get("position"), Some(StatusValue::Int(6)));
        assert_eq!(second.updated_ns, Nanos(8));
        assert!(matches!(reader.next(), Ok(None)));
    }

    #[test]
    fn prices_quantities_and_ratios_are_told_in_units_that_people_read() {
        let (writer, reader) = broadcast::ring(4, WORDS);
        let (mut writer, mut reader) = (StatusWriter(writer), StatusReader(reader));
        let scale = Scale { price_decimals: 2, qty_decimals: 8 };
        let mut status = Status::new();
        status.price("bid", scale, Price(5_999_950)).unwrap();
        status.qty("inventory", scale, Qty(-1_250_000)).unwrap();
        status.bps("gap_bps", Ppb(-203_612)).unwrap();
        status.decimal("most", Decimal::MIN).unwrap();
        writer.publish(&status, Nanos(7));
        let read = reader.latest().unwrap();
        let text = |(name, value): (&str, StatusValue)| match value {
            StatusValue::Decimal(value) => format!("{name} {value}"),
            other => format!("{other:?}"),
        };
        let fields: Vec<String> = read.fields().map(text).collect();
        let most = format!("most {}", Decimal::MIN);
        assert_eq!(fields, ["bid 59999.5", "inventory -0.0125", "gap_bps -2.04", most.as_str()]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut status = Status::new();
        assert_eq!(status.int("", 1), Err(StatusError::BadName));
        assert_eq!(status.int(&"x".repeat(24), 1), Err(StatusError::BadName));
        assert_eq!(status.text("t", &"x".repeat(32)), Err(StatusError::BadText));
        for number in 0..STATUS_FIELDS_MAX {
            status.int(&format!("field{number}"), number as i64).unwrap();
        }
        assert_eq!(status.int("one_more", 1), Err(StatusError::TooManyFields));
        assert_eq!(status.int("field3", 99), Ok(()));
        assert_eq!(status.get("field3"), Some(StatusValue::Int(99)));
        assert_eq!(status.fields().count(), STATUS_FIELDS_MAX);
    }

    #[test]
    fn nonsense_gives_fewer_fields_never_a_panic() {
        let shape = broadcast::Shape::new(2, WORDS);
        let words = Words::heap(shape.size());
        let mut writer = StatusWriter(broadcast::Writer::new(words.clone(), shape));
        writer.publish(&status(), Nanos(7));
        let mut reader = StatusReader(broadcast::Reader::new(words.reader(), shape));
        // Past the ring's line, the counter, and the head: the first field's kind.
        let first_field = 8 + 1 + HEAD;
        words.store(first_field + NAME_WORDS, 99);
        let names = |status: Status| status.fields().map(|(n, _)| n.to_owned()).collect::<Vec<_>>();
        assert_eq!(names(reader.latest().unwrap()), ["spread_bp", "mode", "held"]);
        words.store(first_field + FIELD_WORDS, 0xffff);
        assert_eq!(names(reader.latest().unwrap()), ["mode", "held"]);
        words.store(first_field + 3 * FIELD_WORDS + VALUE_AT + 2, 29);
        assert_eq!(names(reader.latest().unwrap()), ["mode"], "no decimal has so many decimals");
        words.store(8 + 2, u64::MAX);
        assert_eq!(names(reader.latest().unwrap()), ["mode"]);
    }
}

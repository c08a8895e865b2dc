//! Parameters of a strategy: a few typed values that the engine writes and the strategy reads.
//!
//! They lie in the strategy's own file, so a strategy that goes wild can change what it reads itself,
//! and nothing else: the engine keeps its own copy and never reads them back.

#![forbid(unsafe_code)]

use super::codec::{put_text, text};
use crate::sync::seqlock;
use crate::types::{PARAMS_MAX, ParamName, ParamValue, Params};
use rust_decimal::Decimal;

/// Order of the words below; part of the layout's hash.
pub(super) const FIELDS: &str = "params: count fields16(name3 kind value4)";

const NAME_WORDS: usize = 3;
const FIELD_WORDS: usize = 8;
const VALUE_AT: usize = NAME_WORDS + 1;
const HEAD: usize = 1;
/// Words of all parameters after their counter.
pub(super) const WORDS: usize = HEAD + PARAMS_MAX * FIELD_WORDS;

const INT: u64 = 1;
const DECIMAL: u64 = 2;
const BOOL: u64 = 3;
const TEXT: u64 = 4;

fn encode(name: &ParamName, value: ParamValue) -> [u64; FIELD_WORDS] {
    let mut words = [0; FIELD_WORDS];
    put_text(&mut words[..NAME_WORDS], name);
    let kind = match value {
        ParamValue::Int(value) => {
            words[VALUE_AT] = value as u64;
            INT
        }
        ParamValue::Decimal(value) => {
            let bits = u128::from_le_bytes(value.serialize());
            (words[VALUE_AT], words[VALUE_AT + 1]) = (bits as u64, (bits >> 64) as u64);
            DECIMAL
        }
        ParamValue::Bool(value) => {
            words[VALUE_AT] = u64::from(value);
            BOOL
        }
        ParamValue::Text(value) => {
            put_text(&mut words[VALUE_AT..], &value);
            TEXT
        }
    };
    words[NAME_WORDS] = kind;
    words
}

/// `None` for what no writer of ours wrote.
fn decode(words: &[u64]) -> Option<(ParamName, ParamValue)> {
    let name: ParamName = text(words.get(..NAME_WORDS)?)?;
    let first = *words.get(VALUE_AT)?;
    let value = match (*words.get(NAME_WORDS)?, first) {
        (INT, _) => ParamValue::Int(first as i64),
        (DECIMAL, _) => {
            let bits = u128::from(first) | u128::from(*words.get(VALUE_AT + 1)?) << 64;
            let value = Decimal::deserialize(bits.to_le_bytes());
            // Bits that stand for no number are made into one: that is not what was written.
            if value.serialize() != bits.to_le_bytes() || value.scale() > Decimal::MAX_SCALE {
                return None;
            }
            ParamValue::Decimal(value)
        }
        (BOOL, 0 | 1) => ParamValue::Bool(first == 1),
        (TEXT, _) => ParamValue::Text(text(words.get(VALUE_AT..)?)?),
        _ => return None,
    };
    (!name.is_empty()).then_some((name, value))
}

/// The engine's end.
#[derive(Debug)]
pub struct ParamWriter(pub(super) seqlock::Writer);

impl ParamWriter {
    /// Writes all of them.
    pub fn write(&mut self, params: &Params) {
        self.0.write(|payload| {
            payload.set(0, params.len() as u64);
            for (index, (name, value)) in params.iter().enumerate() {
                payload.copy_from(HEAD + index * FIELD_WORDS, &encode(&name, value));
            }
        });
    }
}

/// The strategy's end.
#[derive(Debug)]
pub struct ParamReader {
    reader: seqlock::Reader,
    version: u64,
}

impl ParamReader {
    pub(super) fn new(reader: seqlock::Reader) -> Self {
        Self { reader, version: 0 }
    }

    /// The parameters, if they were written since the last call: one load if not.
    #[inline]
    pub fn changed(&mut self) -> Option<Params> {
        let version = self.reader.version();
        if version == self.version { None } else { self.read() }
    }

    fn read(&mut self) -> Option<Params> {
        let mut words = [0; WORDS];
        let read = self.reader.read(|payload| payload.copy_to(0, &mut words));
        let (version, ()) = read.ok()?;
        self.version = version;
        let count = (words[0] as usize).min(PARAMS_MAX);
        let mut params = Params::default();
        let fields = words[HEAD..].chunks_exact(FIELD_WORDS).take(count).filter_map(decode);
        for (name, value) in fields {
            // At most as many as fit, so this cannot fail.
            let _ = params.set(name, value);
        }
        Some(params)
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;
    use crate::sync::words::Words;
    use crate::types::ParamText;
    use proptest::prelude::*;

    fn ends() -> (ParamWriter, ParamReader, Words) {
        let words = Words::heap(WORDS + 1);
        let reader = ParamReader::new(seqlock::Reader::new(words.reader()));
        (ParamWriter(seqlock::Writer::new(words.clone())), reader, words)
    }

    #[test]
    fn every_type_comes_back_as_it_was_and_once_a_write() {
        let (mut writer, mut reader, _) = ends();
        assert_eq!(reader.changed(), None);
        let mut params = Params::default();
        let values = [
            ParamValue::Int(i64::MIN),
            ParamValue::Decimal(Decimal::from_str_exact("-0.00000000000000000001").unwrap()),
            ParamValue::Decimal(Decimal::MAX),
            ParamValue::Bool(true),
            ParamValue::Bool(false),
            ParamValue::Text(ParamText::new("exactly-thirty-one-bytes-long-x").unwrap()),
            ParamValue::Text(ParamText::EMPTY),
        ];
        for (index, value) in values.into_iter().enumerate() {
            assert!(params.set(ParamName::new(&format!("p{index}")).unwrap(), value));
        }
        writer.write(&params);
        assert_eq!(reader.changed(), Some(params));
        assert_eq!(reader.changed(), None);
        params.set(ParamName::new("p0").unwrap(), ParamValue::Int(1));
        writer.write(&params);
        assert_eq!(reader.changed().unwrap().get("p0"), Some(ParamValue::Int(1)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 8 } else { 1000 }))]
        #[test]
        fn any_bytes_are_parameters_or_left_out(
            words in prop::collection::vec(prop_oneof![any::<u64>(), 0u64..5], WORDS),
        ) {
            let (_, mut reader, shared) = ends();
            for (index, word) in words.iter().enumerate() {
                shared.store(index + 1, *word);
            }
            shared.store(0, 2);
            let params = reader.changed().unwrap();
            prop_assert!(params.len() <= PARAMS_MAX);
            // What was accepted is a number, a text, a yes or a no.
            let shown = params.iter().map(|(name, value)| format!("{name} {value}").len());
            prop_assert!(shown.min().is_none_or(|len| len > 1));
        }
    }
}

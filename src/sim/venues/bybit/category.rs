//! The two categories, spot and linear, whose symbols are the same texts on the wire; and ids as each
//! writes them.

use super::errors::VenueError;
use super::records::{exec_number, order_number};

/// What the exchange puts behind the symbol of a linear contract, to tell it from the spot pair of
/// the same name.
pub use crate::sim::CONTRACT as LINEAR;

/// Which kind of instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Category {
    Spot,
    Linear,
}

impl Category {
    /// From the venue's word.
    pub(super) fn read(word: Option<&str>) -> Result<Self, VenueError> {
        match word {
            Some("spot") => Ok(Self::Spot),
            Some("linear") => Ok(Self::Linear),
            _ => Err(VenueError::category()),
        }
    }

    /// That of an instrument by the exchange's name of it.
    pub(super) fn of(symbol: &str) -> Self {
        if symbol.ends_with(LINEAR) { Self::Linear } else { Self::Spot }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Spot => "spot",
            Self::Linear => "linear",
        }
    }

    /// The exchange's name of a symbol.
    pub(super) fn symbol(self, wire: &str) -> String {
        match self {
            // What the exchange calls so is none of spot's.
            Self::Spot if wire.ends_with(LINEAR) => String::new(),
            Self::Spot => wire.to_owned(),
            Self::Linear => format!("{wire}{LINEAR}"),
        }
    }

    /// An order's id: 19 digits, or a UUID.
    pub(super) fn order_id(self, id: u64) -> String {
        match self {
            Self::Spot => order_number(id).to_string(),
            Self::Linear => uuid(id),
        }
    }

    /// A trade's id, of the same forms.
    pub(super) fn exec_id(self, id: u64) -> String {
        match self {
            Self::Spot => exec_number(id).to_string(),
            Self::Linear => uuid(id),
        }
    }
}

/// The venue's symbol of an exchange's name.
pub(super) fn wire_symbol(symbol: &str) -> &str {
    symbol.strip_suffix(LINEAR).unwrap_or(symbol)
}

/// A number as a UUID.
fn uuid(number: u64) -> String {
    let (high, low) = (number >> 32, number & 0xffff_ffff);
    let mixed = low.wrapping_mul(0x9e37_79b9) & 0xffff_ffff;
    format!(
        "{high:08x}-{:04x}-5{:03x}-8{:03x}-5e{low:010x}",
        mixed >> 16,
        mixed & 0xfff,
        high & 0xfff
    )
}

/// The number of a UUID of ours.
pub(super) fn uuid_number(text: &str) -> Option<u64> {
    let mut parts = text.split('-');
    let (first, last) = (parts.next()?, parts.next_back()?);
    let high = u64::from_str_radix(first, 16).ok()?;
    let low = u64::from_str_radix(last.strip_prefix("5e")?, 16).ok()?;
    let number = (high << 32) | low;
    (uuid(number) == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_as_they_were_written() {
        for number in [0, 1, 10_000_000_001, u64::MAX >> 8] {
            let text = uuid(number);
            assert_eq!(text.len(), 36, "{text}");
            assert_eq!(uuid_number(&text), Some(number), "{text}");
        }
        assert_eq!(uuid_number("00000002-540c-5001-8000-5e540be401"), None);
        assert_eq!(uuid_number(""), None);
        assert_eq!(uuid_number("-"), None);
    }

    #[test]
    fn the_same_text_is_two_symbols() {
        assert_eq!(Category::Linear.symbol("BTCUSDT"), "BTCUSDT.P");
        assert_eq!(Category::of("BTCUSDT.P"), Category::Linear);
        assert_eq!(Category::of("BTCUSDT"), Category::Spot);
        assert_eq!(wire_symbol("BTCUSDT.P"), "BTCUSDT");
    }
}

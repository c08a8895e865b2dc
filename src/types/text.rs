//! Short texts of fixed size: identifiers that venues choose.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::hash::{Hash, Hasher};

/// At most `N` (and never more than 255) bytes of ASCII text, stored inline.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Text<const N: usize> {
    len: u8,
    bytes: [u8; N],
}

/// The venue's identifier of an order: a number on some venues, a UUID of 36 characters on others.
pub type VenueOrderId = Text<39>;

/// The venue's identifier of one fill, unique within venue and instrument.
pub type FillId = Text<39>;

impl<const N: usize> Text<N> {
    /// No text: "not known".
    pub const EMPTY: Self = Self { len: 0, bytes: [0; N] };

    /// `None` if the text is longer than `N` bytes or not printable ASCII.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        if text.len() > N.min(255) || !text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
            return None;
        }
        let mut bytes = [0; N];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Some(Self { len: text.len() as u8, bytes })
    }

    /// The decimal digits of a number.
    #[must_use]
    pub fn from_u64(number: u64) -> Self {
        Self::new(itoa::Buffer::new().format(number)).unwrap_or(Self::EMPTY)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let len = usize::from(self.len).min(N);
        std::str::from_utf8(&self.bytes[..len]).unwrap_or("")
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> PartialEq for Text<N> {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl<const N: usize> Eq for Text<N> {}

impl<const N: usize> Hash for Text<N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

/// As a string.
impl<const N: usize> Serialize for Text<N> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de, const N: usize> Deserialize<'de> for Text<N> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(from)?;
        Self::new(text).ok_or_else(|| D::Error::custom("an identifier is too long or not ASCII"))
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_venues_send_and_refuses_the_rest() {
        let uuid = "373b6927-71ff-4bde-a8a6-c3de21838f20";
        assert_eq!(VenueOrderId::new(uuid).unwrap().as_str(), uuid);
        assert_eq!(VenueOrderId::from_u64(u64::MAX).as_str(), "18446744073709551615");
        assert!(VenueOrderId::new(&"x".repeat(40)).is_none());
        assert!(VenueOrderId::new("a\nb").is_none());
        assert!(VenueOrderId::EMPTY.is_empty());
    }
}

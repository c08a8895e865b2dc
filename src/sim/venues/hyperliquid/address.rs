//! Addresses, client order ids and other fixed lengths of hexadecimal digits.

#![forbid(unsafe_code)]

use std::fmt;

/// Bytes written as `0x` and two digits each; nothing else is taken.
pub(super) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.strip_prefix("0x")?.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_chunks::<2>().0) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = (digit(0)? << 4 | digit(1)?) as u8;
    }
    Some(bytes)
}

/// Lower case.
fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("0x")?;
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Of an account, of an agent that signs for one, or of nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Address(pub(super) [u8; 20]);

impl Address {
    pub(super) fn parse(text: &str) -> Option<Self> {
        unhex(text).map(Self)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

/// A client order id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cloid([u8; 16]);

impl Cloid {
    pub(super) fn parse(text: &str) -> Option<Self> {
        unhex(text).map(Self)
    }
}

impl fmt::Display for Cloid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_forty_digits_and_shown_in_lower_case() {
        let text = "0x14791697260E4c9A71f18484C9f997B308e59325";
        let address = Address::parse(text).unwrap();
        assert_eq!(address.to_string(), text.to_lowercase());
        for bad in
            ["", "0x", &text[2..], &text[..41], &text.replace('7', "g"), "0xäääääääääääääääääääää"]
        {
            assert_eq!(Address::parse(bad), None, "{bad}");
        }
        assert_eq!(unhex::<2>("0x00fF"), Some([0, 255]));
    }
}

//! HMAC-SHA256 with everything absorbed that stays the same: the key, and the beginning of the text.
//! A signature then costs a copy of that state and the blocks that are left. What is signed, and in
//! which order, is each venue's affair.
//!
//! States are wiped when they are dropped, the copies too. Signing allocates nothing.

#![forbid(unsafe_code)]

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A shared secret, absorbed, with the beginning of what it will sign.
#[derive(Clone)]
pub(super) struct HmacSigner(Hmac<Sha256>);

impl HmacSigner {
    /// Absorbs the secret. Secrets of any length are keys.
    pub(super) fn new(secret: &[u8]) -> Self {
        let keyed = Hmac::<Sha256>::new_from_slice(secret);
        // The only error is a key of the wrong length, and HMAC takes every length.
        Self(keyed.unwrap_or_else(|_| Hmac::new(&hmac::digest::Key::<Hmac<Sha256>>::default())))
    }

    /// One for texts that begin with `prefix` behind what this one has absorbed.
    pub(super) fn with_prefix(&self, prefix: &[u8]) -> Self {
        let mut begun = self.0.clone();
        begun.update(prefix);
        Self(begun)
    }

    /// Signs what was absorbed and these parts, joined.
    #[inline]
    pub(super) fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut state = self.0.clone();
        for part in parts {
            state.update(part);
        }
        state.finalize().into_bytes().into()
    }
}

/// Lower-case hexadecimal.
#[inline]
pub(super) fn hex(bytes: &[u8; 32]) -> [u8; 64] {
    // Without a table, so that the compiler does many bytes at once.
    let digit = |value: u8| value + b'0' + if value > 9 { b'a' - b'0' - 10 } else { 0 };
    let mut text = [0; 64];
    for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 4231, test cases 2 (a short key) and 6 (one longer than a block).
    #[test]
    fn signs_as_the_standard_says() {
        let text = |key: &[u8], data: &[u8]| {
            String::from_utf8(hex(&HmacSigner::new(key).sign(&[data])).to_vec()).unwrap()
        };
        assert_eq!(
            text(b"Jefe", b"what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            text(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    proptest! {
        /// Another implementation agrees, wherever the text is cut into prefix and parts.
        #[test]
        fn a_prefix_changes_nothing(
            key in prop::collection::vec(any::<u8>(), 1..200),
            text in prop::collection::vec(any::<u8>(), 0..400),
            cuts in (0usize..400, 0usize..400),
        ) {
            let first = cuts.0.min(text.len());
            let second = (first + cuts.1).min(text.len());
            let signer = HmacSigner::new(&key).with_prefix(&text[..first]);
            let signed = signer.sign(&[&text[first..second], &text[second..]]);
            let reference = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &key);
            let expected = aws_lc_rs::hmac::sign(&reference, &text);
            prop_assert_eq!(&signed[..], expected.as_ref());
            let plain: String = signed.iter().map(|byte| format!("{byte:02x}")).collect();
            prop_assert_eq!(&hex(&signed)[..], plain.as_bytes());
        }
    }
}

//! What Binance wants signed and how: HMAC-SHA256 in lower-case hexadecimal, or Ed25519 in base64.
//!
//! Knows nothing of requests: it signs the bytes it is given (see `params.rs` for which). The
//! shared secret is absorbed once, and so is `apiKey=KEY` with which most texts begin, and how the
//! text of the next order will probably begin: signing an order neither prepares the key again nor
//! allocates. Rules: <https://developers.binance.com/docs/binance-spot-api-docs> (2026-07-21).

#![forbid(unsafe_code)]

use crate::venues::signature::{HmacSigner, hex};
use crate::venues::{Secret, SecretKind, SetupError};
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Longest signature text: 64 bytes in base64 with padding.
const SIGNATURE_MAX: usize = 88;
/// Bytes of a chunk of it.
const CHUNK: usize = 32;

/// SHA-256 takes so many bytes at once.
const BLOCK: usize = 64;
/// Longest beginning that is foreseen without growing.
const NEXT_MAX: usize = 512;

/// Signs with the account's secret.
#[expect(clippy::large_enum_variant, reason = "there is one per account, and it is never moved")]
pub(super) enum Signer {
    /// Shared secret, already absorbed.
    Hmac {
        plain: HmacSigner,
        /// With the beginning that most texts have.
        begun: Begun,
        /// With a longer one, which the next text probably has.
        next: Begun,
    },
    /// Private key; the only kind that may log on to a session.
    Ed25519(Ed25519KeyPair),
}

/// The beginning of a text, and what has absorbed it.
#[derive(Clone)]
pub(super) struct Begun {
    text: Vec<u8>,
    signer: HmacSigner,
}

/// A signature as it is sent, before any percent-encoding.
pub(super) struct Signature {
    text: [[u8; CHUNK]; SIGNATURE_MAX.div_ceil(CHUNK)],
    len: usize,
}

impl Signer {
    /// Reads the secret; `key` is the account's public key.
    pub(super) fn new(secret: &Secret, key: &str) -> Result<Self, SetupError> {
        match secret.kind() {
            SecretKind::Hmac => {
                let text = secret.expose().trim();
                if text.is_empty() {
                    return Err(SetupError::BadSecret("it is empty"));
                }
                let plain = HmacSigner::new(text.as_bytes());
                let text = format!("apiKey={key}").into_bytes();
                let begun = Begun { signer: plain.with_prefix(&text), text };
                let mut next = begun.clone();
                next.text.reserve(NEXT_MAX);
                Ok(Self::Hmac { plain, begun, next })
            }
            SecretKind::Ed25519Pem => {
                let der = pem_body(secret.expose())?;
                Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der)
                    .map(Self::Ed25519)
                    .map_err(|_| SetupError::BadSecret("not an Ed25519 private key in PKCS#8"))
            }
        }
    }

    /// Whether the venue lets this kind of key log on once per connection.
    pub(super) fn can_log_on(&self) -> bool {
        matches!(self, Self::Ed25519(_))
    }

    /// Absorbs how the next text probably begins, for when it is there: a whole block less of it is
    /// left then. Not worth anything where no block more is whole.
    pub(super) fn foresee(&mut self, text: &[u8]) {
        let Self::Hmac { begun, next, .. } = self else { return };
        if text.len() / BLOCK > begun.text.len() / BLOCK
            && let Some(rest) = begun.rest(text)
        {
            next.signer = begun.signer.with_prefix(rest);
            next.text.clear();
            next.text.extend_from_slice(text);
        }
    }

    /// Signs `payload`.
    pub(super) fn sign(&self, payload: &[u8]) -> Signature {
        let mut text = [[0; CHUNK]; _];
        let flat = text.as_flattened_mut();
        let len = match self {
            Self::Hmac { plain, begun, next } => {
                let mut known = [next, begun].into_iter();
                let known = known.find_map(|begun| Some((begun, begun.rest(payload)?)));
                let signed = match known {
                    Some((begun, rest)) => begun.signer.sign(&[rest]),
                    None => plain.sign(&[payload]),
                };
                flat[..64].copy_from_slice(&hex(&signed));
                64
            }
            Self::Ed25519(key) => STANDARD
                .encode_slice(key.sign(payload).as_ref(), flat)
                .expect("64 bytes are 88 characters of base64"),
        };
        Signature { text, len }
    }
}

impl Begun {
    /// What is left of a text that begins so.
    #[inline]
    fn rest<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        text.strip_prefix(&self.text[..])
    }
}

impl Signature {
    /// The text, as it goes into a JSON string.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.text.as_flattened()[..self.len]
    }

    /// All bytes, of which [`Signature::len`] count.
    #[inline]
    pub(super) fn chunks(&self) -> &[[u8; CHUNK]; SIGNATURE_MAX.div_ceil(CHUNK)] {
        &self.text
    }

    /// Bytes of the text.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }
}

/// The bytes between the PEM lines.
fn pem_body(pem: &str) -> Result<Zeroizing<Vec<u8>>, SetupError> {
    let mut lines = pem.lines().map(str::trim).filter(|line| !line.is_empty());
    if lines.next() != Some("-----BEGIN PRIVATE KEY-----") {
        return Err(SetupError::BadSecret("the PEM does not hold an unencrypted PKCS#8 key"));
    }
    let mut base64 = Zeroizing::new(String::with_capacity(pem.len()));
    let mut ended = false;
    for line in lines {
        if line == "-----END PRIVATE KEY-----" {
            ended = true;
            break;
        }
        base64.push_str(line);
    }
    if !ended {
        return Err(SetupError::BadSecret("the PEM has no end line"));
    }
    let der = STANDARD.decode(base64.as_bytes());
    der.map(Zeroizing::new).map_err(|_| SetupError::BadSecret("the PEM is not base64"))
}

/// Appends `text` with everything percent-encoded that a query may not hold as it is.
pub(super) fn percent_encode(text: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte),
            _ => {
                let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
                out.extend_from_slice(&[b'%', DIGITS[high], DIGITS[low]]);
            }
        }
    }
}

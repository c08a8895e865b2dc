//! Signatures over secp256k1 with a recovery id, and Keccak-256, as the venues on chains want them.
//!
//! The one-time numbers of signatures come from RFC 6979, or, where that is switched on, from a
//! [`Pool`] that was filled beforehand: then a signature costs two multiplications. A number that
//! signs twice gives the secret away, so a prepared one is taken out by value and cannot be used
//! again; it is wiped when it is dropped, never leaves the memory of the process that made it, and is
//! random, so that a restart or a fork cannot repeat it: a fork's pool is empty.

#![forbid(unsafe_code)]

use super::{Secret, SetupError};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use k256::ecdsa::SigningKey;
use k256::elliptic_curve::bigint::U256;
use k256::elliptic_curve::ff::PrimeField;
use k256::elliptic_curve::ops::{Invert, Reduce};
use k256::elliptic_curve::point::AffineCoordinates;
use k256::elliptic_curve::scalar::IsHigh;
use k256::{NonZeroScalar, ProjectivePoint, Scalar};
use sha3::{Digest, Keccak256};
use zeroize::{Zeroize, Zeroizing};

/// Keccak-256 of these parts, joined.
pub(super) fn keccak(parts: &[&[u8]]) -> [u8; 32] {
    let mut state = Keccak256::new();
    for part in parts {
        state.update(part);
    }
    state.finalize().into()
}

/// A signature: `r`, `s` (the lower of the two), and which of the points it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signature {
    pub(super) r: [u8; 32],
    pub(super) s: [u8; 32],
    /// 0 or 1; venues add 27.
    pub(super) recovery: u8,
}

/// A private key. Wiped when it is dropped and never printed.
pub(super) struct Key {
    secret: SigningKey,
    address: [u8; 20],
}

impl Key {
    /// From 64 hexadecimal digits, with or without `0x`.
    pub(super) fn new(secret: &Secret) -> Result<Self, SetupError> {
        let bad = SetupError::BadSecret("a private key is 64 hexadecimal digits");
        let text = secret.expose().trim();
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let mut bytes = Zeroizing::new([0u8; 32]);
        unhex(digits, &mut bytes[..]).ok_or(bad)?;
        let secret = SigningKey::from_slice(&bytes[..])
            .map_err(|_| SetupError::BadSecret("not a private key of secp256k1"))?;
        let point = secret.verifying_key().to_sec1_point(false);
        let hash = keccak(&[&point.as_bytes()[1..]]);
        let mut address = [0; 20];
        address.copy_from_slice(&hash[12..]);
        Ok(Self { secret, address })
    }

    /// The address that signatures of this key prove.
    pub(super) fn address(&self) -> [u8; 20] {
        self.address
    }

    /// Signs a digest with the number that RFC 6979 derives from key and digest.
    pub(super) fn sign(&self, digest: &[u8; 32]) -> Signature {
        let (signature, recovery) = self.secret.sign_prehash_recoverable(digest);
        let (r, s) = signature.split_bytes();
        Signature { r: r.into(), s: s.into(), recovery: recovery.to_byte() & 1 }
    }

    /// A number for one signature, with everything that does not depend on what is signed.
    fn prepare(&self, random: &SystemRandom) -> Option<Prepared> {
        let mut bytes = Zeroizing::new([0u8; 32]);
        random.fill(&mut bytes[..]).ok()?;
        let k = Zeroizing::new(NonZeroScalar::from_repr((*bytes).into()).into_option()?);
        let point = (ProjectivePoint::GENERATOR * **k).to_affine();
        let x = point.x();
        let r = <Scalar as Reduce<U256>>::reduce(&U256::from_be_slice(&x));
        // A reduced x needs a recovery id that venues do not take; it does not happen in practice.
        if r.to_repr() != x || bool::from(r.is_zero()) {
            return None;
        }
        let inverse = *Zeroizing::new(k.invert());
        Some(Prepared {
            r: r.to_repr().into(),
            odd: bool::from(point.y_is_odd()),
            inverse: *inverse,
            shifted: *inverse * r * **self.secret.as_nonzero_scalar(),
        })
    }
}

/// A one-time number: `r`, `1/k` and `r * secret / k`. Not `Clone`; signing consumes it.
pub(super) struct Prepared {
    r: [u8; 32],
    odd: bool,
    inverse: Scalar,
    shifted: Scalar,
}

impl Drop for Prepared {
    fn drop(&mut self) {
        self.inverse.zeroize();
        self.shifted.zeroize();
    }
}

impl Prepared {
    fn sign(self, digest: &[u8; 32]) -> Option<Signature> {
        let z = <Scalar as Reduce<U256>>::reduce(&U256::from_be_slice(digest));
        let s = self.inverse * z + self.shifted;
        if bool::from(s.is_zero()) {
            return None;
        }
        let high = bool::from(s.is_high());
        let low = if high { -s } else { s };
        Some(Signature { r: self.r, s: low.to_repr().into(), recovery: u8::from(self.odd ^ high) })
    }
}

/// Prepared numbers of one key. Without any (the default), signing derives its number.
pub(super) struct Pool {
    numbers: Vec<Prepared>,
    target: usize,
    process: u32,
    random: SystemRandom,
}

impl Pool {
    /// One that keeps up to `target` numbers; 0 switches it off.
    pub(super) fn new(target: usize) -> Self {
        Self {
            numbers: Vec::with_capacity(target),
            target,
            process: std::process::id(),
            random: SystemRandom::new(),
        }
    }

    /// How many numbers [`Pool::refill`] would still make.
    pub(super) fn missing(&self) -> usize {
        self.target.saturating_sub(self.numbers.len())
    }

    /// Makes one number, if one is missing: tens of microseconds, so never before an order.
    pub(super) fn refill(&mut self, key: &Key) {
        self.check_process();
        if self.missing() > 0
            && let Some(number) = key.prepare(&self.random)
        {
            self.numbers.push(number);
        }
    }

    /// Signs with a prepared number, or without one if there is none.
    pub(super) fn sign(&mut self, key: &Key, digest: &[u8; 32]) -> Signature {
        if self.target > 0 {
            self.check_process();
        }
        let prepared = self.numbers.pop().and_then(|number| number.sign(digest));
        prepared.unwrap_or_else(|| key.sign(digest))
    }

    /// A fork holds copies of what its parent will use.
    fn check_process(&mut self) {
        let process = std::process::id();
        if process != self.process {
            self.numbers.clear();
            self.process = process;
        }
    }
}

/// Reads exactly as many bytes as `out` holds from hexadecimal digits.
pub(super) fn unhex(digits: &str, out: &mut [u8]) -> Option<()> {
    let digits = digits.as_bytes();
    if digits.len() != 2 * out.len() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Some(())
}

/// Appends `0x` and the lower-case digits of these bytes.
pub(super) fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"0x");
    for byte in bytes {
        out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

//! CRC-32C of short pieces. The crate that computes it for long ones spends more on choosing how than
//! the CPU's own instruction needs for a record; this is on the way of every order.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{_mm_crc32_u8, _mm_crc32_u64};

/// Longer pieces are faster in several streams at once, which the crate does.
#[cfg(any(test, target_arch = "x86_64"))]
const SHORT: usize = 512;

/// CRC-32C of what `crc` is the checksum of, with `bytes` behind it.
#[inline]
pub(super) fn append(crc: u32, bytes: &[u8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if bytes.len() <= SHORT && !cfg!(miri) && is_x86_feature_detected!("sse4.2") {
        // SAFETY: the CPU has the instructions: it was asked in the line above.
        return unsafe { short(crc, bytes) };
    }
    crc32c::crc32c_append(crc, bytes)
}

/// CRC-32C of `bytes`.
#[inline]
pub(super) fn of(bytes: &[u8]) -> u32 {
    append(0, bytes)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.2")]
fn short(crc: u32, bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut sum = u64::from(!crc);
    let mut add = |word: &[u8; 8]| sum = _mm_crc32_u64(sum, u64::from_le_bytes(*word));
    let (fours, words) = words.as_chunks::<4>();
    fours.iter().for_each(|four| four.iter().for_each(&mut add));
    words.iter().for_each(&mut add);
    // The upper half is zero: the instruction gives 32 bits.
    let mut sum = sum as u32;
    for byte in rest {
        sum = _mm_crc32_u8(sum, *byte);
    }
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_known_value() {
        assert_eq!(of(b"123456789"), 0xe306_9283);
        assert_eq!(of(b""), 0);
    }

    proptest! {
        #[test]
        fn agrees_with_the_crate(
            crc in any::<u32>(),
            bytes in prop::collection::vec(any::<u8>(), 0..2 * SHORT),
        ) {
            prop_assert_eq!(append(crc, &bytes), crc32c::crc32c_append(crc, &bytes));
        }
    }
}

//! Values to words and back. What is read may be anything: nothing here panics on it.

use crate::sync::seqlock;
use crate::types::{Amount, Text};
use std::time::Duration;

/// How often a reader of a record for people waits for a writer that was interrupted in the middle.
const WAITS: u32 = 200;
const WAIT: Duration = Duration::from_micros(100);

/// Words of a record that was ever written; `None` also if its writer died in the middle. One that
/// lost its CPU there is waited for: no answer is worth a wrong number.
pub(super) fn written<const N: usize>(reader: &seqlock::Reader) -> Option<[u64; N]> {
    let mut words = [0; N];
    for _ in 0..WAITS {
        match reader.read(|payload| payload.copy_to(0, &mut words)) {
            Ok((version, ())) => return (version > 0).then_some(words),
            Err(_) => std::thread::sleep(WAIT),
        }
    }
    None
}

/// Two words of an amount, low first.
pub(super) fn amount_words(amount: Amount) -> [u64; 2] {
    [amount.0 as u64, (amount.0 >> 64) as u64]
}

/// Amount of two words.
pub(super) fn amount(low: u64, high: u64) -> Amount {
    Amount((u128::from(low) | u128::from(high) << 64) as i128)
}

/// Words of a text: its length in the first byte, then its bytes. `N + 1` is a multiple of 8 and
/// `to` has just that many bytes.
pub(super) fn put_text<const N: usize>(to: &mut [u64], text: &Text<N>) {
    debug_assert_eq!(to.len() * 8, N + 1, "a text fills its words");
    let bytes = text.as_str().as_bytes();
    let all = std::iter::once(bytes.len() as u8).chain(bytes.iter().copied());
    to.fill(0);
    for (index, byte) in all.enumerate() {
        if let Some(word) = to.get_mut(index / 8) {
            *word |= u64::from(byte) << (8 * (index % 8));
        }
    }
}

/// Text of its words; `None` if the length or a byte is impossible.
pub(super) fn text<const N: usize>(from: &[u64]) -> Option<Text<N>> {
    let byte = |index: usize| from.get(index / 8).map(|word| (word >> (8 * (index % 8))) as u8);
    let len = usize::from(byte(0)?);
    let mut bytes = [0; N];
    let bytes = bytes.get_mut(..len)?;
    for (index, to) in bytes.iter_mut().enumerate() {
        *to = byte(index + 1)?;
    }
    Text::new(std::str::from_utf8(bytes).ok()?)
}

/// Byte number `index` of a word.
pub(super) fn byte(word: u64, index: u32) -> u8 {
    (word >> (8 * index)) as u8
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_survive_on_both_sides_of_zero() {
        for value in [0, 1, -1, i128::MAX, i128::MIN, 1 << 64, -(1 << 64), 123_456_789 << 40] {
            let [low, high] = amount_words(Amount(value));
            assert_eq!(amount(low, high), Amount(value));
        }
    }

    #[test]
    fn texts_survive_and_nonsense_is_refused() {
        let mut words = [u64::MAX; 4];
        for content in ["", "BTC/USDT@binance", "exactly-thirty-one-bytes-long-x"] {
            put_text(&mut words, &Text::<31>::new(content).unwrap());
            assert_eq!(text::<31>(&words).unwrap().as_str(), content);
        }
        words[0] = words[0] & !0xff | 32;
        assert_eq!(text::<31>(&words), None, "longer than the words");
        assert_eq!(text::<31>(&[0x0a01]), None, "not printable");
        assert_eq!(text::<31>(&[0xff01]), None, "not UTF-8");
        assert_eq!(text::<31>(&[0x4108]), None, "words missing");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 8 } else { 256 }))]
        #[test]
        fn no_words_panic(words in prop::collection::vec(any::<u64>(), 0..6)) {
            let _ = text::<31>(&words);
        }
    }
}

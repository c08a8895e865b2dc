//! Names of a venue's symbols, found by their bytes at a cost that does not grow with their number.
//!
//! Open addressing over the bytes as words. Names that are long, or that JSON could spell in more
//! than one way, are not in the table: their frames go to the complete decoder.

#![forbid(unsafe_code)]

/// Longest name in the table.
const LONGEST: usize = 24;
const WORDS: usize = LONGEST / 8;
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// A name that is compared where it is expected.
#[derive(Clone, Debug)]
pub struct Name {
    text: Box<[u8]>,
    words: [u64; WORDS],
    masks: [u64; WORDS],
}

impl Name {
    /// Made once. `None` if the scanners must not look for it.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let plain = |byte: &u8| !matches!(*byte, 0..=0x1f | b'"' | b'\\');
        if bytes.is_empty() || bytes.len() > LONGEST || !bytes.iter().all(plain) {
            return None;
        }
        let (mut padded, mut ones) = ([0; LONGEST], [0; LONGEST]);
        padded[..bytes.len()].copy_from_slice(bytes);
        ones[..bytes.len()].fill(0xff);
        Some(Self { text: bytes.into(), words: words(&padded), masks: words(&ones) })
    }

    /// What follows the name.
    #[inline(always)]
    pub(super) fn strip<'a>(&self, rest: &'a [u8]) -> Option<&'a [u8]> {
        let Some(window) = rest.first_chunk::<LONGEST>() else {
            return rest.strip_prefix(&*self.text);
        };
        let found = words(window);
        let differs = (0..WORDS)
            .fold(0, |differs, at| differs | ((found[at] & self.masks[at]) ^ self.words[at]));
        if differs != 0 {
            return None;
        }
        rest.get(self.text.len()..)
    }
}

/// A name of the table.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// Its bytes, then zeros; a first word of zero is an empty slot.
    words: [u64; WORDS],
    /// How many bytes: zeros in a frame are not those behind the name.
    len: usize,
    number: usize,
}

/// A table of names.
#[derive(Clone, Debug, Default)]
pub struct Names {
    slots: Box<[Slot]>,
}

impl Names {
    /// The names with their numbers.
    pub fn new<'a>(names: impl Iterator<Item = (&'a str, usize)>) -> Self {
        let names: Vec<_> =
            names.filter_map(|(text, number)| Some((Name::new(text)?, number))).collect();
        let size = (4 * names.len()).next_power_of_two();
        let mut slots = vec![Slot::default(); size].into_boxed_slice();
        for (Name { words, text, .. }, number) in names {
            let mut at = hash(&words) & (size - 1);
            while slots[at].words[0] != 0 && slots[at].words != words {
                at = (at + 1) & (size - 1);
            }
            slots[at] = Slot { words, len: text.len(), number };
        }
        Self { slots }
    }

    /// Number of the name that stands at the beginning of `rest` and ends before `stop`, and its
    /// length.
    #[inline(always)]
    #[must_use]
    pub fn find(&self, rest: &[u8], stop: u8) -> Option<(usize, usize)> {
        // One more byte than the longest name, for the stop.
        let window = rest.first_chunk::<LONGEST>()?;
        let mut key = words(window);
        let mut len = LONGEST;
        for at in (0..WORDS).rev() {
            let word = key[at] ^ (ONES * u64::from(stop));
            let marks = word.wrapping_sub(ONES) & !word & HIGHS;
            if marks != 0 {
                let bytes = marks.trailing_zeros() as usize / 8;
                key[at] &= (1 << (8 * bytes)) - 1;
                key[at + 1..].fill(0);
                len = 8 * at + bytes;
            }
        }
        if rest.get(len) != Some(&stop) {
            return None;
        }
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = hash(&key) & mask;
        loop {
            let slot = self.slots.get(at)?;
            if slot.words[0] == 0 {
                return None;
            }
            if slot.words == key {
                return (slot.len == len).then_some((slot.number, len));
            }
            at = (at + 1) & mask;
        }
    }
}

#[inline(always)]
fn words(bytes: &[u8; LONGEST]) -> [u64; WORDS] {
    let (chunks, _) = bytes.as_chunks::<8>();
    std::array::from_fn(|at| u64::from_le_bytes(chunks[at]))
}

/// The high bits of products depend on all bits of the words.
#[inline(always)]
fn hash(words: &[u64; WORDS]) -> usize {
    let mixed = words[0].wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ words[1].wrapping_mul(0xc2b2_ae3d_27d4_eb4f).rotate_left(17)
        ^ words[2].wrapping_mul(0x1656_67b1_9e37_79f9).rotate_left(31);
    (mixed >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_their_bytes_alone() {
        let all: Vec<String> = (0..1000).map(|number| format!("c{number}usdt")).collect();
        let names = Names::new(all.iter().enumerate().map(|(at, name)| (name.as_str(), at)));
        for (at, name) in all.iter().enumerate() {
            let text = format!("{name}@bookTicker\",\"data\":{{\"u\":1");
            assert_eq!(names.find(text.as_bytes(), b'@'), Some((at, name.len())));
        }
        for unknown in ["c1000usdt@bookTicker\",\"data\"", "c1usd@bookTicker\",\"data\":{\"u\":1"] {
            assert_eq!(names.find(unknown.as_bytes(), b'@'), None, "{unknown}");
        }
        assert_eq!(names.find(b"c1usdt@", b'@'), None, "too near the end");
        assert_eq!(names.find(b"@bookTicker and so on and on", b'@'), None);
        let pair = Names::new([("@107", 0)].into_iter());
        assert_eq!(pair.find(b"@107\",\"time\":1785251522090", b'"'), Some((0, 4)));
        assert_eq!(pair.find(b"@107@trade\",\"data\":{\"e\"", b'@'), None, "it ends at the first");
    }

    /// Zeros in a frame once passed for the zeros behind a name.
    #[test]
    fn zeros_behind_a_name_do_not_belong_to_it() {
        let names = Names::new([("btcusdt", 0)].into_iter());
        assert_eq!(names.find(b"btcusdt@trade\",\"data\":{\"e\"", b'@'), Some((0, 7)));
        assert_eq!(names.find(b"btcusdt\0\0\0\0@trade\",\"data\":{\"e\"", b'@'), None);
        assert_eq!(names.find(b"btcusdt\0@trade\",\"data\":{\"e\":\"", b'@'), None);
    }

    #[test]
    fn words_at_their_limits() {
        let (eight, longest) = ("abcdefgh", "abcdefghijklmnopqrstuvwx");
        let names = Names::new([(eight, 1), (longest, 2)].into_iter());
        assert_eq!(names.find(b"abcdefgh\"aaaaaaaaaaaaaaaaaaaa", b'"'), Some((1, 8)));
        assert_eq!(names.find(b"abcdefghijklmnopqrstuvwx\"", b'"'), Some((2, 24)));
        assert_eq!(names.find(b"abcdefghijklmnopqrstuvwxy\"", b'"'), None);
        assert_eq!(Names::default().find(longest.as_bytes(), b'"'), None);
        assert_eq!(Names::new([].into_iter()).find(b"abcdefgh\"aaaaaaaaaaaaaaaaaaaa", b'"'), None);
    }

    #[test]
    fn names_that_json_could_spell_otherwise_are_left_out() {
        for text in ["", "A\"B", "A\\B", "A\nB", "ABCDEFGHIJKLMNOPQRSTUVWXY"] {
            assert!(Name::new(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn a_name_is_stripped_near_the_end_and_far_from_it() {
        let name = Name::new("BTCUSDT").unwrap();
        assert_eq!(name.strip(b"BTCUSDT\""), Some(&b"\""[..]));
        assert_eq!(
            name.strip(b"BTCUSDT\",\"b\":\"61837.63000000"),
            Some(&b"\",\"b\":\"61837.63000000"[..])
        );
        assert_eq!(name.strip(b"BTCUSDC\",\"b\":\"61837.63000000"), None);
        assert_eq!(name.strip(b"BTCUSD"), None);
    }
}

//! A set of small numbers with a fast "next lower", two levels of words deep. The numbers form a
//! ring: below 0 comes the largest. Within a word the larger number has the lower bit: taking the
//! lowest bit off a word is one instruction, the highest is a chain of them. Sizes are powers of two and at least [`Bitmap::SIZE_MIN`].

#![forbid(unsafe_code)]

/// One bit per number, one summary bit per word.
#[derive(Clone, Debug)]
pub struct Bitmap {
    words: Box<[u64]>,
    summary: Box<[u64]>,
}

impl Bitmap {
    /// Smallest size: one whole summary word.
    pub const SIZE_MIN: usize = 64 * 64;

    /// An empty set of numbers below `size`, a power of two.
    pub fn new(size: usize) -> Self {
        assert!(size.is_power_of_two() && size >= Self::SIZE_MIN, "size is a power of two");
        Self {
            words: vec![0; size / 64].into_boxed_slice(),
            summary: vec![0; size / 64 / 64].into_boxed_slice(),
        }
    }

    /// Whether `number` is in the set.
    #[inline]
    pub fn contains(&self, number: usize) -> bool {
        self.words[number / 64] & bit(number) != 0
    }

    /// Adds `number`; true if it was not in the set.
    #[inline]
    pub fn insert(&mut self, number: usize) -> bool {
        let word = &mut self.words[number / 64];
        let new = *word & bit(number) == 0;
        *word |= bit(number);
        self.summary[number / 4096] |= bit(number / 64);
        new
    }

    /// Removes `number`; true if it was in the set.
    #[inline]
    pub fn remove(&mut self, number: usize) -> bool {
        let word = &mut self.words[number / 64];
        let known = *word & bit(number) != 0;
        *word &= !bit(number);
        if *word == 0 {
            self.summary[number / 4096] &= !bit(number / 64);
        }
        known
    }

    /// The next number of the set below `number`, going round the ring; `number` itself last.
    #[inline]
    pub fn below(&self, number: usize) -> Option<usize> {
        let word_index = number / 64;
        let lower = self.words[word_index] & below(number);
        if lower != 0 {
            return Some(word_index * 64 + largest(lower));
        }
        let summary_index = word_index / 64;
        let lower = self.summary[summary_index] & below(word_index);
        if lower != 0 {
            return Some(self.top_of(summary_index, lower));
        }
        let count = self.summary.len();
        for step in 1..=count {
            let index = (summary_index + count - step) & (count - 1);
            if self.summary[index] != 0 {
                return Some(self.top_of(index, self.summary[index]));
            }
        }
        None
    }

    /// The word that `number` is in: the largest number that it has room for, and as its bits those
    /// of the set up to `number`. Bit `n` is the number that is `n` less than the largest.
    #[inline]
    pub fn at_most(&self, number: usize) -> (usize, u64) {
        let word = self.words[number / 64] & (bit(number) | below(number));
        (number | 63, word)
    }

    /// The next lower word that is not empty, going round the ring; `first` is the largest number of
    /// the one before.
    #[inline]
    pub fn next_word(&self, first: usize) -> Option<(usize, u64)> {
        let number = self.below(first & !63)?;
        Some((number | 63, self.words[number / 64]))
    }

    /// The numbers of the set from `number` downwards, going round the ring, each once if the
    /// caller stops after as many as there are.
    #[inline]
    pub fn descend(&self, number: usize) -> Descend<'_> {
        let word = self.words[number / 64] & (bit(number) | below(number));
        Descend { set: self, word_index: number / 64, word }
    }

    /// Empties the set.
    pub fn clear(&mut self) {
        self.words.fill(0);
        self.summary.fill(0);
    }

    #[inline]
    fn top_of(&self, summary_index: usize, summary: u64) -> usize {
        let word_index = summary_index * 64 + largest(summary);
        word_index * 64 + largest(self.words[word_index])
    }
}

/// Iterator of [`Bitmap::descend`]; endless unless the set is empty.
#[derive(Clone, Debug)]
pub struct Descend<'a> {
    set: &'a Bitmap,
    word_index: usize,
    word: u64,
}

impl Iterator for Descend<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.word == 0 {
            self.word_index = self.set.below(self.word_index * 64)? / 64;
            self.word = self.set.words[self.word_index];
        }
        let number = self.word_index * 64 + largest(self.word);
        self.word &= self.word - 1;
        Some(number)
    }
}

#[inline]
fn bit(number: usize) -> u64 {
    1 << (63 - number % 64)
}

/// The bits of all smaller numbers of the same word.
#[inline]
fn below(number: usize) -> u64 {
    !(bit(number) | (bit(number) - 1))
}

/// Largest number within a word that has one.
#[inline]
fn largest(word: u64) -> usize {
    63 - word.trailing_zeros() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const SIZE: usize = 2 * Bitmap::SIZE_MIN;

    #[test]
    fn an_empty_set_has_nothing_below() {
        assert_eq!(Bitmap::new(SIZE).below(0), None);
    }

    #[test]
    fn a_single_number_is_below_itself() {
        let mut set = Bitmap::new(SIZE);
        for number in [0, 63, 64, 4095, 4096, SIZE - 1] {
            assert!(set.insert(number));
            assert_eq!(set.below(number), Some(number));
            assert!(set.remove(number));
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_tree(
            changes in prop::collection::vec((0..SIZE, any::<bool>()), 1..300),
            from in 0..SIZE,
        ) {
            let (mut set, mut tree) = (Bitmap::new(SIZE), BTreeSet::new());
            for (number, insert) in changes {
                if insert {
                    prop_assert_eq!(set.insert(number), tree.insert(number));
                } else {
                    prop_assert_eq!(set.remove(number), tree.remove(&number));
                }
                prop_assert_eq!(set.contains(number), tree.contains(&number));
            }
            let expected = tree.range(..from).next_back().or_else(|| tree.iter().next_back());
            prop_assert_eq!(set.below(from), expected.copied());
            let expected: Vec<_> =
                tree.range(..=from).rev().chain(tree.range(from + 1..).rev()).copied().collect();
            let found: Vec<_> = set.descend(from).take(tree.len()).collect();
            prop_assert_eq!(found, expected);
        }
    }
}

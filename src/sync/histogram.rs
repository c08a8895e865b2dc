//! Histogram of durations, 1 ns to 60 s, within 1 %, in a fixed number of words.
//!
//! Log-linear as HdrHistogram: up to 127 ns every nanosecond has its bucket, above that every power
//! of two has 64 of them, and the middle of a bucket stands for it (error at most 0.8 %). Shortest,
//! longest and sum are kept exactly. One writer, which stores what it loaded plus one: cheaper than
//! an atomic addition and enough for a single writer. Readers take a [`Snapshot`] at any time; it
//! may miss what is being recorded at that moment.

use super::atomic::{AtomicU64, Ordering};
use super::words::{LINE, ReadWords, Words};

/// Buckets per power of two, as a power of two. The model checker gets a handful of buckets.
const PRECISION_BITS: u32 = if cfg!(feature = "loom") { 2 } else { 6 };
/// Durations of this many bits are told apart: 2^36 ns are 68 s.
const RANGE_BITS: u32 = if cfg!(feature = "loom") { 5 } else { 36 };
const PER_OCTAVE: usize = 1 << PRECISION_BITS;
const BUCKETS: usize = (RANGE_BITS - PRECISION_BITS + 1) as usize * PER_OCTAVE;

/// Longest duration that is told apart from longer ones, 60 s and some.
pub const LONGEST: u64 = (1 << RANGE_BITS) - 1;

const COUNT: usize = 0;
const SUM: usize = 1;
/// Stored as its complement, so that zeroed memory means "none yet".
const MIN_COMPLEMENT: usize = 2;
const MAX: usize = 3;
const HEADER: usize = LINE;

/// Words of one histogram.
pub(crate) const SIZE: usize = HEADER + BUCKETS;

/// Bucket of a duration.
#[inline(always)]
fn bucket(ns: u64) -> usize {
    let ns = ns.min(LONGEST);
    // The lowest octave of 64 and the one below it count single nanoseconds.
    let shift = (ns | PER_OCTAVE as u64).ilog2() - PRECISION_BITS;
    shift as usize * PER_OCTAVE + (ns >> shift) as usize
}

/// Middle of a bucket.
fn middle(bucket: usize) -> u64 {
    let octave = (bucket / PER_OCTAVE).saturating_sub(1) as u32;
    let low = (bucket as u64 - u64::from(octave) * PER_OCTAVE as u64) << octave;
    low + ((1 << octave) - 1) / 2
}

/// Records durations.
#[derive(Debug)]
pub struct Writer {
    words: Words,
}

/// Reads a histogram.
#[derive(Clone, Debug)]
pub struct Reader {
    words: ReadWords,
}

/// A histogram on the heap.
#[must_use]
pub fn histogram() -> (Writer, Reader) {
    let words = Words::heap(SIZE);
    (Writer::new(words.clone()), Reader::new(words.reader()))
}

impl Writer {
    /// `words` are [`SIZE`] words.
    pub(crate) fn new(words: Words) -> Self {
        assert_eq!(words.len(), SIZE, "a histogram has a fixed size");
        Self { words }
    }

    /// Counts one duration; longer ones than [`LONGEST`] count as that long in quantiles.
    #[inline]
    pub fn record(&mut self, ns: u64) {
        let words = self.words.atomics();
        add(&words[HEADER + bucket(ns)], 1);
        add(&words[COUNT], 1);
        add(&words[SUM], ns);
        update(&words[MIN_COMPLEMENT], |min| min.max(!ns));
        update(&words[MAX], |max| max.max(ns));
    }
}

/// Relaxed: there is one writer, and no word promises anything about another.
#[inline(always)]
fn update(word: &AtomicU64, change: impl FnOnce(u64) -> u64) {
    word.store(change(word.load(Ordering::Relaxed)), Ordering::Relaxed);
}

#[inline(always)]
fn add(word: &AtomicU64, what: u64) {
    update(word, |sum| sum.saturating_add(what));
}

impl Reader {
    /// `words` are [`SIZE`] words.
    pub(crate) fn new(words: ReadWords) -> Self {
        assert_eq!(words.len(), SIZE, "a histogram has a fixed size");
        Self { words }
    }

    /// What was recorded so far.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let words = self.words.atomics();
        let load = |index: usize| words[index].load(Ordering::Relaxed);
        let (counted, sum) = (load(COUNT), load(SUM));
        let buckets: Vec<u64> = (HEADER..SIZE).map(load).collect();
        // The count is taken from the buckets, so that quantiles agree with it.
        let count = buckets.iter().fold(0u64, |sum, bucket| sum.saturating_add(*bucket));
        if count == 0 || counted == 0 {
            return Snapshot::default();
        }
        Snapshot { count, min: !load(MIN_COMPLEMENT), max: load(MAX), mean: sum / counted, buckets }
    }
}

/// What a histogram held at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// How many durations were recorded.
    pub count: u64,
    /// Shortest, exact; 0 if there is none.
    pub min: u64,
    /// Longest, exact; 0 if there is none.
    pub max: u64,
    /// Mean, rounded down; 0 if there is none.
    pub mean: u64,
    /// Counts per bucket; empty if there is none.
    buckets: Vec<u64>,
}

impl Snapshot {
    /// The duration that a share `q` (0 to 1) of all recorded ones does not exceed, within 1 %; 0
    /// if there is none.
    #[must_use]
    pub fn quantile(&self, q: f64) -> u64 {
        if self.count == 0 {
            return 0;
        }
        let rank = ((q.clamp(0.0, 1.0) * self.count as f64).ceil() as u64).clamp(1, self.count);
        if rank == self.count {
            return self.max;
        }
        let mut seen = 0u64;
        let reached = self.buckets.iter().position(|count| {
            seen = seen.saturating_add(*count);
            seen >= rank
        });
        reached.map_or(self.max, middle).clamp(self.min.min(self.max), self.max)
    }

    /// Adds what another histogram held.
    pub fn merge(&mut self, other: &Snapshot) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            self.clone_from(other);
            return;
        }
        let sum = u128::from(self.mean) * u128::from(self.count)
            + u128::from(other.mean) * u128::from(other.count);
        self.count = self.count.saturating_add(other.count);
        self.mean = (sum / u128::from(self.count)) as u64;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine = mine.saturating_add(*theirs);
        }
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_are_contiguous_and_their_middles_close() {
        assert_eq!(bucket(LONGEST), BUCKETS - 1);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        let mut last = bucket(0);
        assert_eq!(last, 0);
        let dense = 0..=100_000;
        let sparse = (17..RANGE_BITS).flat_map(|bits| {
            let base = 1u64 << bits;
            (0..PER_OCTAVE as u64).flat_map(move |part| {
                let edge = base + part * (base >> PRECISION_BITS);
                [edge - 1, edge, edge + 1]
            })
        });
        for ns in dense.chain(sparse) {
            let index = bucket(ns);
            assert!(index == last || index == last + 1 || ns > 100_000, "gap at {ns}");
            assert!(index >= last, "order at {ns}");
            let error = middle(index).abs_diff(ns);
            assert!(error * 1000 <= ns * 8, "{ns} is shown as {}", middle(index));
            last = index;
        }
        for index in 0..BUCKETS {
            assert_eq!(bucket(middle(index)), index);
        }
    }

    #[test]
    fn small_durations_are_exact() {
        let (mut writer, reader) = histogram();
        assert_eq!(reader.snapshot(), Snapshot::default());
        (1..=100).for_each(|ns| writer.record(ns));
        let snapshot = reader.snapshot();
        assert_eq!((snapshot.count, snapshot.min, snapshot.max), (100, 1, 100));
        assert_eq!(snapshot.mean, 50);
        for (q, expected) in [(0.0, 1), (0.01, 1), (0.5, 50), (0.99, 99), (1.0, 100)] {
            assert_eq!(snapshot.quantile(q), expected, "quantile {q}");
        }
    }

    #[test]
    fn the_ends_are_exact_and_nothing_is_too_long() {
        let (mut writer, reader) = histogram();
        for ns in [0, 1_000_003, 90_000_000_000, u64::MAX] {
            writer.record(ns);
        }
        let snapshot = reader.snapshot();
        assert_eq!((snapshot.count, snapshot.min, snapshot.max), (4, 0, u64::MAX));
        assert_eq!(snapshot.quantile(1.0), u64::MAX);
        assert_eq!(snapshot.quantile(0.0), 0);
        let long = snapshot.quantile(0.75);
        assert!((60_000_000_000..=LONGEST).contains(&long), "{long}");
    }

    #[test]
    fn merging_is_recording_both() {
        let (mut first, first_reader) = histogram();
        let (mut second, second_reader) = histogram();
        let (mut both, both_reader) = histogram();
        for ns in 0..1000 {
            first.record(ns * 7);
            second.record(ns * 1_001);
            both.record(ns * 7);
            both.record(ns * 1_001);
        }
        let mut merged = Snapshot::default();
        merged.merge(&first_reader.snapshot());
        merged.merge(&second_reader.snapshot());
        merged.merge(&Snapshot::default());
        let both = both_reader.snapshot();
        assert!(merged.mean.abs_diff(both.mean) <= 1);
        merged.mean = both.mean;
        assert_eq!(merged, both);
    }

    #[test]
    fn nonsense_from_another_process_is_survived() {
        let words = Words::heap(SIZE);
        for fill in [1, u64::MAX, 1 << 63] {
            (0..words.len()).for_each(|index| words.store(index, fill));
            let mut snapshot = Reader::new(words.reader()).snapshot();
            for q in [-1.0, 0.0, 0.5, 1.0, 2.0, f64::NAN] {
                let _ = snapshot.quantile(q);
            }
            snapshot.merge(&snapshot.clone());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 64 }))]
        #[test]
        fn quantiles_agree_with_hdrhistogram(
            durations in prop::collection::vec((0u32..36, any::<u64>()), 1..2000),
        ) {
            let mut reference = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 1 << 37, 4).unwrap();
            let (mut writer, reader) = histogram();
            for (bits, random) in durations {
                let ns = 1.max(random >> (63 - bits)).min(60_000_000_000);
                reference.record(ns).unwrap();
                writer.record(ns);
            }
            let snapshot = reader.snapshot();
            prop_assert_eq!(snapshot.count, reference.len());
            for q in [0.0, 0.001, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0] {
                let (ours, theirs) = (snapshot.quantile(q), reference.value_at_quantile(q));
                let error = ours.abs_diff(theirs) as f64 / theirs as f64;
                prop_assert!(error <= 0.01, "quantile {}: {} against {}", q, ours, theirs);
            }
            let mean = snapshot.mean as f64;
            prop_assert!((mean - reference.mean()).abs() <= 1.0 + reference.mean() * 0.001);
        }
    }
}

#[cfg(all(test, feature = "loom"))]
mod loom_tests {
    use super::*;
    use crate::sync::explore;

    #[test]
    fn snapshots_hold_what_was_recorded_before_them() {
        explore(|| {
            let (mut writer, reader) = histogram();
            writer.record(5);
            let thread = loom::thread::spawn(move || writer.record(9));
            let early = reader.snapshot();
            assert!(early.count == 1 || early.count == 2, "{early:?}");
            assert_eq!(early.min, 5);
            thread.join().unwrap();
            let late = reader.snapshot();
            assert_eq!((late.count, late.min, late.max, late.mean), (2, 5, 9, 7), "{late:?}");
        });
    }
}

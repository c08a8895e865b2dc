//! Histogram of durations, 1 ns to 60 s, within 1 %, in a fixed number of words.
//!
//! Log-linear as HdrHistogram: up to 127 ns every nanosecond has its bucket, above that every power
//! of two has 64 of them, and the middle of a bucket stands for it (error at most 0.8 %). Shortest,
//! longest and sum are kept exactly. One writer, which stores what it loaded plus one: cheaper than
//! an atomic addition and enough for a single writer. Readers take a [`Snapshot`] at any time; it
//! may miss what is being recorded at that moment.
//!
//! Head and buckets may lie apart, and the buckets of a histogram whose head says that it is empty
//! are never loaded: of many histograms in one file only those that are used take memory.

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

/// Words of a histogram's head: count, sum, ends.
pub(crate) const HEAD: usize = LINE;
/// Words of its buckets.
pub(crate) const BODY: usize = BUCKETS;

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
    let (low, high) = bounds(bucket);
    low + (high - low) / 2
}

/// Shortest and longest duration of a bucket.
fn bounds(bucket: usize) -> (u64, u64) {
    let octave = (bucket / PER_OCTAVE).saturating_sub(1) as u32;
    let low = (bucket as u64 - u64::from(octave) * PER_OCTAVE as u64) << octave;
    (low, low + ((1 << octave) - 1))
}

/// Records durations.
#[derive(Debug)]
pub struct Writer {
    head: Words,
    body: Words,
}

/// Reads a histogram.
#[derive(Clone, Debug)]
pub struct Reader {
    head: ReadWords,
    body: ReadWords,
}

/// A histogram on the heap.
#[must_use]
pub fn histogram() -> (Writer, Reader) {
    let (head, body) = (Words::heap(HEAD), Words::heap(BODY));
    let reader = Reader::new(head.reader(), body.reader());
    (Writer::new(head, body), reader)
}

impl Writer {
    /// `head` are [`HEAD`] words, `body` are [`BODY`].
    pub(crate) fn new(head: Words, body: Words) -> Self {
        assert!(head.len() >= HEAD && body.len() >= BODY, "a histogram has a fixed size");
        Self { head, body }
    }

    /// Counts one duration; longer ones than [`LONGEST`] count as that long in quantiles.
    #[inline]
    pub fn record(&mut self, ns: u64) {
        let (body, head) = (self.body.atomics(), self.head.atomics());
        let (Some(bucket), Some(head)) = (body.get(bucket(ns)), head.first_chunk::<4>()) else {
            return;
        };
        add(bucket, 1);
        add(&head[COUNT], 1);
        add(&head[SUM], ns);
        update(&head[MIN_COMPLEMENT], |min| min.max(!ns));
        update(&head[MAX], |max| max.max(ns));
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
    /// `head` are [`HEAD`] words, `body` are [`BODY`].
    pub(crate) fn new(head: ReadWords, body: ReadWords) -> Self {
        assert!(head.len() >= HEAD && body.len() >= BODY, "a histogram has a fixed size");
        Self { head, body }
    }

    /// What was recorded so far.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let head = self.head.atomics();
        let load = |index: usize| head[index].load(Ordering::Relaxed);
        let (counted, sum) = (load(COUNT), load(SUM));
        if counted == 0 {
            return Snapshot::default();
        }
        let body = self.body.atomics()[..BODY].iter();
        let buckets: Vec<u64> = body.map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        // The count is taken from the buckets, so that quantiles agree with it.
        let count = buckets.iter().fold(0u64, |sum, bucket| sum.saturating_add(*bucket));
        if count == 0 {
            return Snapshot::default();
        }
        let (min, max, mean) = (!load(MIN_COMPLEMENT), load(MAX), sum / counted);
        Snapshot { count, min, max, mean, sum, buckets }
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
    /// Sum, exact unless corrected.
    pub sum: u64,
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

    /// The durations as buckets: the middle of each that is not empty, and how many it holds.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        let counted = self.buckets.iter().enumerate().filter(|(_, count)| **count > 0);
        counted.map(|(index, count)| (middle(index), *count))
    }

    /// The same durations corrected for coordinated omission, after HdrHistogram's
    /// `copyCorrectedForCoordinatedOmission`: whoever measures once every `interval_ns` and is held
    /// up for longer has missed measurements, which would have waited for one interval less each.
    /// They are added. 0 adds nothing.
    #[must_use]
    pub fn corrected(&self, interval_ns: u64) -> Snapshot {
        let mut corrected = self.clone();
        if interval_ns == 0 || self.count == 0 {
            return corrected;
        }
        let mut sum = u128::from(self.sum);
        for (ns, count) in self.buckets() {
            let missing = corrected.add_missing(ns.min(self.max), interval_ns, count);
            sum = sum.saturating_add(missing);
        }
        corrected.mean = u64::try_from(sum / u128::from(corrected.count)).unwrap_or(u64::MAX);
        corrected.sum = u64::try_from(sum).unwrap_or(u64::MAX);
        corrected
    }

    /// Adds `count` of every duration that is whole intervals less than `ns` and still at least one
    /// interval long. A bucket at a time, so that the work is bounded however short the interval.
    /// The sum of what was added, for the mean.
    fn add_missing(&mut self, ns: u64, interval_ns: u64, count: u64) -> u128 {
        let mut sum = 0u128;
        // What is left of `ns` after so many intervals; at least one must be left.
        let most = (ns / interval_ns).saturating_sub(1);
        let mut step = 1;
        while step <= most {
            let value = ns - step * interval_ns;
            let index = bucket(value);
            let (low, _) = bounds(index);
            let last = ((ns - low) / interval_ns).clamp(step, most);
            let steps = last - step + 1;
            let lowest = ns - last * interval_ns;
            let added = steps.saturating_mul(count);
            self.buckets[index] = self.buckets[index].saturating_add(added);
            self.count = self.count.saturating_add(added);
            self.min = self.min.min(lowest);
            let pair = u128::from(value) + u128::from(lowest);
            sum = sum.saturating_add((pair * u128::from(steps) / 2).saturating_mul(count.into()));
            step = last + 1;
        }
        sum
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
        self.sum = self.sum.saturating_add(other.sum);
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
        let (head, body) = (Words::heap(HEAD), Words::heap(BODY));
        for fill in [1, u64::MAX, 1 << 63] {
            (0..head.len()).for_each(|index| head.store(index, fill));
            (0..body.len()).for_each(|index| body.store(index, fill));
            let mut snapshot = Reader::new(head.reader(), body.reader()).snapshot();
            let corrected = snapshot.corrected(1_000);
            assert!(corrected.count >= snapshot.count);
            for q in [-1.0, 0.0, 0.5, 1.0, 2.0, f64::NAN] {
                let _ = snapshot.quantile(q);
            }
            snapshot.merge(&snapshot.clone());
        }
    }

    #[test]
    fn a_pause_hides_what_would_have_waited_less() {
        let (mut writer, reader) = histogram();
        (0..3).for_each(|_| writer.record(10));
        writer.record(100);
        let seen = reader.snapshot();
        // 90, 80 ... 10 are missing: nine more, of which the shortest is one interval long.
        let corrected = seen.corrected(10);
        assert_eq!((corrected.count, corrected.min, corrected.max), (13, 10, 100));
        assert_eq!(corrected.mean, (3 * 10 + 100 + 450) / 13);
        assert_eq!([0.3, 0.5, 0.75].map(|q| corrected.quantile(q)), [10, 40, 70]);
        assert_eq!(seen.corrected(0), seen);
        assert_eq!(seen.corrected(100), seen);
        assert_eq!(seen.corrected(60), seen, "40 would be less than an interval");
        assert_eq!(Snapshot::default().corrected(10), Snapshot::default());
    }

    #[test]
    fn a_correction_is_bounded_work_however_short_the_interval() {
        let (mut writer, reader) = histogram();
        writer.record(60_000_000_000);
        let corrected = reader.snapshot().corrected(1);
        let longest = middle(bucket(60_000_000_000)).min(60_000_000_000);
        assert_eq!((corrected.count, corrected.min), (longest, 1));
        assert!(corrected.quantile(0.5).abs_diff(30_000_000_000) < 300_000_000);
    }

    #[test]
    fn buckets_of_an_empty_histogram_are_not_looked_at() {
        let (head, body) = (Words::heap(HEAD), Words::heap(BODY));
        (0..body.len()).for_each(|index| body.store(index, 7));
        let reader = Reader::new(head.reader(), body.reader());
        assert_eq!(reader.snapshot(), Snapshot::default());
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

        #[test]
        fn corrections_agree_with_hdrhistogram(
            durations in prop::collection::vec((0u32..30, any::<u64>()), 1..300),
            interval in 20_000u64..50_000_000,
        ) {
            let mut reference = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 1 << 37, 4).unwrap();
            let (mut writer, reader) = histogram();
            for (bits, random) in durations {
                // The middle of a bucket, as the correction takes it: else one more or one fewer
                // would be missing.
                let ns = 1.max(middle(bucket(random >> (63 - bits))));
                reference.record_correct(ns, interval).unwrap();
                writer.record(ns);
            }
            let corrected = reader.snapshot().corrected(interval);
            prop_assert_eq!(corrected.count, reference.len());
            for q in [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0] {
                let (ours, theirs) = (corrected.quantile(q), reference.value_at_quantile(q));
                let error = ours.abs_diff(theirs) as f64 / theirs as f64;
                prop_assert!(error <= 0.01, "quantile {}: {} against {}", q, ours, theirs);
            }
            let mean = corrected.mean as f64;
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

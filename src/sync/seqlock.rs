//! One writer, any number of readers, one value of a few words: readers retry instead of waiting,
//! the writer never notices them.
//!
//! Word 0 is the counter: odd while the writer writes, then twice the number of writes. The payload
//! follows as Relaxed atomics, so there is no data race in Rust's model. The writer keeps its own
//! count and never loads the shared line, which halves its cost when readers are busy. Readers give
//! up after a bounded number of tries: a writer that died in the middle leaves an odd number for
//! ever.

use super::atomic::{AtomicU64, Ordering, fence};
use super::words::{ReadWords, Words};
use std::fmt;
use std::ops::Deref;

/// Tries of one read: about 15 us of a writer that is always in the way, far longer than any write.
#[cfg(not(feature = "loom"))]
const ATTEMPTS: usize = 1000;
/// Loom explores every one of them.
#[cfg(feature = "loom")]
const ATTEMPTS: usize = 2;

/// The writer was in the middle of a write during every try: it is preempted or dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn;

impl fmt::Display for Torn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the writer stopped in the middle of a write")
    }
}

impl std::error::Error for Torn {}

/// The words of one value while they are read.
#[derive(Clone, Copy)]
pub struct Payload<'a>(&'a [AtomicU64]);

impl Payload<'_> {
    /// One word.
    #[inline(always)]
    #[must_use]
    pub fn get(&self, index: usize) -> u64 {
        self.0[index].load(Ordering::Relaxed)
    }

    /// Consecutive pairs of words from `index` on; fewer than `count` if the payload ends.
    #[inline(always)]
    pub fn pairs(&self, index: usize, count: usize) -> impl Iterator<Item = (u64, u64)> {
        let words = self.0.get(index..).unwrap_or(&[]);
        words
            .chunks_exact(2)
            .take(count)
            .map(|pair| (pair[0].load(Ordering::Relaxed), pair[1].load(Ordering::Relaxed)))
    }

    /// Copies the words from `index` on into `to`; what the payload does not have stays as it is.
    #[inline(always)]
    pub fn copy_to(&self, index: usize, to: &mut [u64]) {
        let words = self.0.get(index..).unwrap_or(&[]);
        // Of equal lengths, nearly always: with one that is known beforehand there is no loop.
        match words.get(..to.len()) {
            Some(words) => copy(to, words),
            None => copy(to, words),
        }
    }
}

#[inline(always)]
fn copy(to: &mut [u64], from: &[AtomicU64]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = from.load(Ordering::Relaxed);
    }
}

#[inline(always)]
fn set(to: &[AtomicU64], from: &[u64]) {
    for (to, from) in to.iter().zip(from) {
        to.store(*from, Ordering::Relaxed);
    }
}

/// The words of one value while they are written.
pub struct PayloadMut<'a>(Payload<'a>);

impl<'a> PayloadMut<'a> {
    pub(super) fn new(words: &'a [AtomicU64]) -> Self {
        Self(Payload(words))
    }

    /// Sets one word.
    #[inline(always)]
    pub fn set(&self, index: usize, value: u64) {
        self.0.0[index].store(value, Ordering::Relaxed);
    }

    /// Sets consecutive pairs of words from `index` on, one of each item; what does not fit is left
    /// out.
    #[inline(always)]
    pub fn set_pairs<T>(&self, index: usize, items: &[T], pair: impl Fn(&T) -> (u64, u64)) {
        let (words, _) = self.0.0.get(index..).unwrap_or(&[]).as_chunks::<2>();
        let items = items.get(..words.len()).unwrap_or(items);
        let set = |[first, second]: &[AtomicU64; 2], item| {
            let pair = pair(item);
            first.store(pair.0, Ordering::Relaxed);
            second.store(pair.1, Ordering::Relaxed);
        };
        let words = words.get(..items.len()).unwrap_or(&[]);
        let ((words, last), (items, last_items)) = (words.as_chunks::<4>(), items.as_chunks::<4>());
        for (words, items) in words.iter().zip(items) {
            words.iter().zip(items).for_each(|(words, item)| set(words, item));
        }
        last.iter().zip(last_items).for_each(|(words, item)| set(words, item));
    }

    /// Copies another payload over this one.
    pub fn copy_from_payload(&self, from: &Payload<'_>) {
        for (to, from) in self.0.0.iter().zip(from.0) {
            to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// Sets consecutive words from `index` on; what the payload has no room for is left out.
    #[inline(always)]
    pub fn copy_from(&self, index: usize, from: &[u64]) {
        let words = self.0.0.get(index..).unwrap_or(&[]);
        match words.get(..from.len()) {
            Some(words) => set(words, from),
            None => set(words, from),
        }
    }
}

impl<'a> Deref for PayloadMut<'a> {
    type Target = Payload<'a>;

    fn deref(&self) -> &Payload<'a> {
        &self.0
    }
}

/// Write number `version` (from 1) of `words`, whose first is the counter.
#[inline(always)]
pub(super) fn write(words: &[AtomicU64], version: u64, fill: impl FnOnce(&PayloadMut<'_>)) {
    let counter = &words[0];
    counter.store(version.wrapping_mul(2).wrapping_sub(1), Ordering::Relaxed);
    // Release fence: whoever sees one of the stores below and then fences, sees the odd counter.
    fence(Ordering::Release);
    fill(&PayloadMut::new(&words[1..]));
    // Release: whoever sees this counter sees the whole payload.
    counter.store(version.wrapping_mul(2), Ordering::Release);
}

/// One try to read `words`: counter and copy, or the counter that stood in the way.
#[inline(always)]
pub(super) fn try_read<R>(
    words: &[AtomicU64],
    copy: impl FnOnce(&Payload<'_>) -> R,
) -> Result<(u64, R), u64> {
    let counter = &words[0];
    let before = counter.load(Ordering::Relaxed);
    // Acquire fence: pairs with the writer's last store, so the payload is that version or newer.
    fence(Ordering::Acquire);
    if before & 1 == 1 {
        return Err(before);
    }
    let value = copy(&Payload(&words[1..]));
    // Acquire fence: if a load above saw a newer store, the load below sees its odd counter.
    fence(Ordering::Acquire);
    let after = counter.load(Ordering::Relaxed);
    if before == after { Ok((before, value)) } else { Err(after) }
}

/// Tries `read` a bounded number of times.
#[inline(always)]
pub(super) fn retry<R>(mut read: impl FnMut() -> Option<R>) -> Result<R, Torn> {
    for _ in 0..ATTEMPTS {
        if let Some(value) = read() {
            return Ok(value);
        }
        std::hint::spin_loop();
    }
    Err(Torn)
}

/// Writes the value.
#[derive(Debug)]
pub struct Writer {
    words: Words,
    version: u64,
}

/// Reads the value.
#[derive(Clone, Debug)]
pub struct Reader {
    words: ReadWords,
}

/// A value of `payload` words on the heap.
#[must_use]
pub fn value(payload: usize) -> (Writer, Reader) {
    let words = Words::heap(payload + 1);
    (Writer::new(words.clone()), Reader::new(words.reader()))
}

impl Writer {
    /// `words` are the counter and the payload. Goes on where a former writer ended.
    pub(crate) fn new(words: Words) -> Self {
        let version = words.load(0).div_ceil(2);
        Self { words, version }
    }

    /// Writes the value. Words that `fill` leaves alone keep what they held.
    #[inline]
    pub fn write(&mut self, fill: impl FnOnce(&PayloadMut<'_>)) {
        self.version = self.version.wrapping_add(1);
        write(self.words.atomics(), self.version, fill);
    }

    /// How often the value was written.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }
}

impl Reader {
    /// `words` are the counter and the payload.
    pub(crate) fn new(words: ReadWords) -> Self {
        Self { words }
    }

    /// Copies the value; also says how often it was written. `copy` may run several times and may
    /// see a mix of two writes; only its last result counts.
    #[inline]
    pub fn read<R>(&self, copy: impl FnMut(&Payload<'_>) -> R) -> Result<(u64, R), Torn> {
        read(self.words.atomics(), copy)
    }

    /// How often the value was written; one load, for polling.
    #[inline]
    #[must_use]
    pub fn version(&self) -> u64 {
        self.words.load(0) / 2
    }
}

/// [`Reader::read`] on bare words.
#[inline(always)]
pub(super) fn read<R>(
    words: &[AtomicU64],
    mut copy: impl FnMut(&Payload<'_>) -> R,
) -> Result<(u64, R), Torn> {
    let (counter, value) = retry(|| try_read(words, &mut copy).ok())?;
    Ok((counter / 2, value))
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    fn sum_of(words: usize, version: u64) -> u64 {
        (0..words as u64).map(|word| version * 1000 + word).sum()
    }

    #[test]
    fn readers_get_the_last_write_and_its_number() {
        let (mut writer, reader) = value(3);
        assert_eq!(reader.read(|p| p.get(2)), Ok((0, 0)));
        for version in 1..=3 {
            writer.write(|p| p.copy_from(0, &[version, version * 2, version * 3]));
            let mut copy = [0; 3];
            let read = reader.read(|p| p.copy_to(0, &mut copy));
            assert_eq!((read, copy), (Ok((version, ())), [version, version * 2, version * 3]));
            assert_eq!(reader.version(), version);
        }
    }

    #[test]
    fn pairs_stop_where_the_payload_ends() {
        // A pair of cache lines with the counter, which is what memory comes in.
        let (mut writer, reader) = value(15);
        let numbers: Vec<u64> = (0..9).collect();
        writer.write(|p| p.set_pairs(9, &numbers, |n| (*n, n + 100)));
        let read = reader.read(|p| p.pairs(9, 9).collect::<Vec<_>>()).unwrap().1;
        assert_eq!(read, [(0, 100), (1, 101), (2, 102)]);
        assert_eq!(reader.read(|p| p.pairs(17, 1).count()).unwrap().1, 0);
    }

    #[test]
    fn a_writer_that_dies_in_the_middle_is_an_error_not_a_hang() {
        let words = Words::heap(4);
        let mut writer = Writer::new(words.clone());
        let reader = Reader::new(words.reader());
        writer.write(|p| p.set(0, 1));
        let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            writer.write(|p| {
                p.set(0, 2);
                panic!("dies here");
            });
        }));
        assert!(died.is_err());
        assert_eq!(reader.read(|p| p.get(0)), Err(Torn));
        // Its successor goes on from the odd counter.
        let mut successor = Writer::new(words);
        successor.write(|p| p.set(0, 3));
        assert_eq!(reader.read(|p| p.get(0)), Ok((3, 3)));
    }

    #[test]
    fn no_reader_ever_sees_a_mix() {
        const WORDS: usize = 7;
        let rounds = if cfg!(miri) { 200 } else { 200_000 };
        let (mut writer, reader) = value(WORDS);
        let thread = std::thread::spawn(move || {
            let mut last = 0;
            while last < rounds {
                let mut copy = [0; WORDS];
                let Ok((version, ())) = reader.read(|p| p.copy_to(0, &mut copy)) else {
                    std::thread::yield_now();
                    continue;
                };
                assert!(version >= last, "versions never go back");
                if version > 0 {
                    assert_eq!(copy[0] / 1000, version, "the counter names the payload");
                    assert_eq!(copy.iter().sum::<u64>(), sum_of(WORDS, version));
                }
                last = version;
            }
        });
        for version in 1..=rounds {
            writer.write(|p| (0..WORDS).for_each(|word| p.set(word, version * 1000 + word as u64)));
        }
        thread.join().unwrap();
    }
}

#[cfg(all(test, feature = "loom"))]
mod loom_tests {
    use super::*;
    use crate::sync::explore;

    #[test]
    fn no_reader_ever_sees_a_mix() {
        explore(|| {
            let (mut writer, reader) = value(2);
            let thread = loom::thread::spawn(move || {
                for version in 1..=2 {
                    writer.write(|p| p.copy_from(0, &[version, version * 10]));
                }
            });
            if let Ok((version, (first, second))) = reader.read(|p| (p.get(0), p.get(1))) {
                assert_eq!((first, second), (version, version * 10));
            }
            thread.join().unwrap();
            assert_eq!(reader.read(|p| (p.get(0), p.get(1))), Ok((2, (2, 20))));
        });
    }
}

//! As the seqlock, for values of more than a cache line: four slots in turn, each a seqlock, and a
//! word that names the newest.
//!
//! A reader of a plain seqlock starves when a long value is written as fast as it is read; here the
//! writer leaves the slot under a reader's eyes alone for three more writes. And a writer that dies
//! in the middle of a write leaves the value before it readable.

use super::atomic::{Ordering, fence};
use super::seqlock::{self, Payload, PayloadMut, Torn};
use super::words::{LINE, ReadWords, Words};

/// Slots in turn. The model checker gets as few as there can be.
const SLOTS: usize = if cfg!(feature = "loom") { 2 } else { 4 };

/// Words of one slot: counter and payload, whole lines.
const fn stride(payload: usize) -> usize {
    (payload + 1).next_multiple_of(LINE)
}

/// Words that a value with this payload takes up.
pub(crate) const fn size(payload: usize) -> usize {
    LINE + SLOTS * stride(payload)
}

fn slot(version: u64, stride: usize) -> std::ops::Range<usize> {
    let start = LINE + (version as usize % SLOTS) * stride;
    start..start + stride
}

/// Writes the value.
#[derive(Debug)]
pub struct Writer {
    words: Words,
    stride: usize,
    version: u64,
}

/// Reads the value.
#[derive(Clone, Debug)]
pub struct Reader {
    words: ReadWords,
    stride: usize,
}

/// A value of `payload` words on the heap.
#[must_use]
pub fn value(payload: usize) -> (Writer, Reader) {
    let words = Words::heap(size(payload));
    (Writer::new(words.clone(), payload), Reader::new(words.reader(), payload))
}

impl Writer {
    /// `words` are [`size`] words. Goes on where a former writer ended.
    pub(crate) fn new(words: Words, payload: usize) -> Self {
        let version = words.load(0);
        Self { words, stride: stride(payload), version }
    }

    /// Writes the value. `fill` gets the new payload, whose words hold something old, and the
    /// payload of the write before.
    #[inline]
    pub fn write(&mut self, fill: impl FnOnce(&PayloadMut<'_>, &Payload<'_>)) {
        let words = self.words.atomics();
        let version = self.version.wrapping_add(1);
        let previous = PayloadMut::new(&words[slot(self.version, self.stride)][1..]);
        seqlock::write(&words[slot(version, self.stride)], version, |new| fill(new, &previous));
        // Release: whoever sees the number sees the slot.
        words[0].store(version, Ordering::Release);
        self.version = version;
    }

    /// How often the value was written.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }
}

impl Reader {
    /// `words` are [`size`] words.
    pub(crate) fn new(words: ReadWords, payload: usize) -> Self {
        Self { words, stride: stride(payload) }
    }

    /// Copies the newest value; also says how often it was written. `copy` may run several times
    /// and may see a mix of two writes; only its last result counts.
    #[inline]
    pub fn read<R>(&self, copy: impl FnMut(&Payload<'_>) -> R) -> Result<(u64, R), Torn> {
        // If the writer has come round meanwhile, the slot may hold a value whose number is not
        // announced yet: the next read would go back to the one before.
        self.read_if(|version, newest| version == newest, copy)
    }

    /// The same with a rule of its own: what the slot holds against what was announced.
    #[inline]
    fn read_if<R>(
        &self,
        rule: impl Fn(u64, u64) -> bool,
        mut copy: impl FnMut(&Payload<'_>) -> R,
    ) -> Result<(u64, R), Torn> {
        let words = self.words.atomics();
        seqlock::retry(|| {
            let newest = words[0].load(Ordering::Relaxed);
            // Acquire fence: pairs with the writer's Release, so the slot is at least that new.
            fence(Ordering::Acquire);
            let slot = &words[slot(newest, self.stride)];
            let read = seqlock::try_read(slot, &mut copy).ok();
            read.filter(|(counter, _)| rule(counter / 2, newest))
        })
        .map(|(counter, value)| (counter / 2, value))
    }

    /// How often the value was written; one load, for polling.
    #[inline]
    #[must_use]
    pub fn version(&self) -> u64 {
        self.words.load(0)
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn readers_get_the_last_write_and_its_number() {
        let (mut writer, reader) = value(9);
        assert_eq!(reader.read(|p| p.get(8)), Ok((0, 0)));
        for version in 1..=11 {
            writer.write(|new, old| {
                assert_eq!(old.get(8), version - 1);
                new.set(8, version);
            });
            assert_eq!(reader.read(|p| p.get(8)), Ok((version, version)));
            assert_eq!(reader.version(), version);
        }
    }

    #[test]
    fn a_writer_that_dies_in_the_middle_leaves_the_value_before() {
        let (mut writer, reader) = value(9);
        writer.write(|new, _| new.set(0, 7));
        let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            writer.write(|new, _| {
                new.set(0, 8);
                panic!("dies here");
            });
        }));
        assert!(died.is_err());
        assert_eq!(reader.read(|p| p.get(0)), Ok((1, 7)));
    }

    #[test]
    fn a_counter_that_lies_about_every_slot_is_an_error_not_a_hang() {
        let words = Words::heap(size(9));
        let reader = Reader::new(words.reader(), 9);
        for version in 0..4 {
            words.store(slot(version, stride(9)).start, u64::MAX);
        }
        words.store(0, u64::MAX);
        assert_eq!(reader.read(|p| p.get(0)), Err(Torn));
    }

    #[test]
    fn no_reader_ever_sees_a_mix() {
        const WORDS: usize = 39;
        let rounds = if cfg!(miri) { 100 } else { 100_000 };
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
                assert_eq!(copy, [version; WORDS]);
                last = version;
            }
        });
        for version in 1..=rounds {
            writer.write(|new, _| new.copy_from(0, &[version; WORDS]));
        }
        thread.join().unwrap();
    }
}

#[cfg(all(test, feature = "loom"))]
mod loom_tests {
    use super::*;
    use crate::sync::explore;

    #[test]
    fn no_reader_ever_sees_a_mix_even_when_lapped() {
        explore(|| {
            let (mut writer, reader) = value(2);
            for version in 1..=3 {
                writer.write(|new, _| new.copy_from(0, &[version, version * 10]));
            }
            // Writes 4 to 7 come round to the slot that the reader is in.
            let thread = loom::thread::spawn(move || {
                for version in 4..=7 {
                    writer.write(|new, _| new.copy_from(0, &[version, version * 10]));
                }
            });
            let newest = reader.version();
            if let Ok((version, (first, second))) = reader.read(|p| (p.get(0), p.get(1))) {
                assert!(version >= newest && newest >= 3, "versions never go back");
                assert_eq!((first, second), (version, version * 10));
            }
            thread.join().unwrap();
        });
    }

    /// One reader, two reads, and a writer that comes round to the slot of the first.
    fn two_reads_of_one_reader(rule: fn(u64, u64) -> bool) {
        explore(move || {
            let (mut writer, reader) = value(1);
            writer.write(|new, _| new.set(0, 1));
            let thread = loom::thread::spawn(move || {
                for version in 2..=3 {
                    writer.write(|new, _| new.set(0, version));
                }
            });
            let mut last = 0;
            for _ in 0..2 {
                if let Ok((version, word)) = reader.read_if(rule, |p| p.get(0)) {
                    assert!(version >= last, "versions never go back");
                    assert_eq!(word, version);
                    last = version;
                }
            }
            thread.join().unwrap();
        });
    }

    #[test]
    fn a_reader_never_goes_back() {
        two_reads_of_one_reader(|version, newest| version == newest);
    }

    /// The model finds what it is there to find.
    #[test]
    #[should_panic(expected = "versions never go back")]
    fn without_its_rule_it_would() {
        two_reads_of_one_reader(|_, _| true);
    }
}

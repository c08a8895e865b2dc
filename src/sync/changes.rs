//! Log of which of many things have changed: whoever changes one appends its number, any number of
//! readers follow at their own pace and only look. What a look costs does not depend on how many
//! things there are, but on how many have changed.
//!
//! Word 0 counts what was claimed. A slot is one word, the number of the record plus one over the
//! thing's own in the lowest 16 bits, so it cannot be read by halves. A reader that is lapped has
//! to look at all things once.

use super::atomic::Ordering;
use super::broadcast::Lapped;
use super::words::{PAIR, ReadWords, Words};

/// Words before the slots: what writers count up is not on the lines where readers wait.
const HEAD: usize = PAIR;

/// Bits of the thing's own number.
const BITS: u32 = 16;

/// How many changes are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    capacity: usize,
}

impl Shape {
    /// `capacity` changes, rounded up to a power of two and to a pair of lines.
    pub(crate) const fn new(capacity: usize) -> Self {
        let capacity = if capacity < PAIR { PAIR } else { capacity.next_power_of_two() };
        Self { capacity }
    }

    /// Words that the log takes up.
    pub(crate) const fn size(self) -> usize {
        HEAD + self.capacity
    }

    #[inline(always)]
    fn slot(self, record: u64) -> usize {
        HEAD + (record as usize & (self.capacity - 1))
    }
}

/// The word of a record.
#[inline(always)]
fn word(record: u64, thing: u16) -> u64 {
    record.wrapping_add(1) << BITS | u64::from(thing)
}

/// Appends changes. Clones append to the same log, from any thread.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    words: Words,
    shape: Shape,
}

impl Writer {
    /// `words` are [`Shape::size`] words.
    pub(crate) fn new(words: Words, shape: Shape) -> Self {
        Self { words, shape }
    }

    /// Says that a thing has changed, after it has.
    #[inline]
    pub(crate) fn push(&self, thing: u16) {
        let words = self.words.atomics();
        // Release: who starts behind this record does not read it, and looks at all things instead.
        let record = words[0].fetch_add(1, Ordering::Release);
        // Release: who reads the record finds the thing changed.
        words[self.shape.slot(record)].store(word(record, thing), Ordering::Release);
    }
}

/// A log of `capacity` changes on the heap, with one that follows it.
#[cfg(test)]
pub(crate) fn log(capacity: usize) -> (Writer, Reader) {
    let shape = Shape::new(capacity);
    let words = Words::heap(shape.size());
    (Writer::new(words.clone(), shape), Reader::new(words.reader(), shape))
}

/// Follows a log.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    words: ReadWords,
    shape: Shape,
    cursor: u64,
}

impl Reader {
    /// `words` are [`Shape::size`] words. Starts with the next change.
    pub(crate) fn new(words: ReadWords, shape: Shape) -> Self {
        let cursor = words.load(0);
        Self { words, shape, cursor }
    }

    /// Starts with the next change. What has changed before is there.
    pub(crate) fn skip_to_end(&mut self) {
        self.cursor = self.words.load_acquire(0);
    }

    /// The next thing that has changed; `None` if none has. After [`Lapped`] any may have, and the
    /// log goes on with the changes from now on.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<u16>, Lapped> {
        let found = self.words.load_acquire(self.shape.slot(self.cursor));
        let expected = word(self.cursor, 0);
        // The distance, so that it does not matter when the count begins again.
        match (found.wrapping_sub(expected) as i64) >> BITS {
            0 => {
                self.cursor = self.cursor.wrapping_add(1);
                Ok(Some(found as u16))
            }
            behind if behind < 0 => Ok(None),
            _ => {
                let before = self.cursor;
                self.skip_to_end();
                Err(Lapped(self.cursor.wrapping_sub(before)))
            }
        }
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn every_reader_sees_all_changes_in_order() {
        let (writer, mut first) = log(16);
        let mut second = first.clone();
        assert_eq!(first.next(), Ok(None));
        for thing in [0, u16::MAX, 7, 7] {
            writer.push(thing);
            assert_eq!(first.next(), Ok(Some(thing)));
            assert_eq!(first.next(), Ok(None));
        }
        let all: Vec<u16> = std::iter::from_fn(|| second.next().unwrap()).collect();
        assert_eq!(all, [0, u16::MAX, 7, 7]);
        writer.push(1);
        second.skip_to_end();
        assert_eq!(second.next(), Ok(None));
    }

    #[test]
    fn a_full_log_is_not_a_lap_and_one_more_is() {
        let (writer, mut reader) = log(16);
        (0..16).for_each(|thing| writer.push(thing));
        assert_eq!(reader.next(), Ok(Some(0)));
        (16..18).for_each(|thing| writer.push(thing));
        assert_eq!(reader.next(), Err(Lapped(17)));
        assert_eq!(reader.next(), Ok(None));
        writer.push(99);
        assert_eq!(reader.next(), Ok(Some(99)));
    }

    #[test]
    fn the_count_may_begin_again() {
        let (writer, mut reader) = log(16);
        // The newest that fits a slot is the last before the count begins again.
        let last = (1u64 << (64 - BITS)) - 2;
        for start in [last - 1, last, last + 1] {
            (0..writer.shape.size()).for_each(|index| writer.words.store(index, 0));
            for record in start.saturating_sub(16)..start {
                writer.words.store(writer.shape.slot(record), word(record, 1));
            }
            writer.words.store(0, start);
            reader.skip_to_end();
            assert_eq!(reader.next(), Ok(None), "{start}");
            for thing in 0..20 {
                writer.push(thing);
                assert_eq!(reader.next(), Ok(Some(thing)), "{start} {thing}");
            }
        }
    }

    #[test]
    fn threads_that_append_and_one_that_follows_lose_nothing_but_by_being_lapped() {
        let changes = if cfg!(miri) { 100 } else { 50_000 };
        let (writer, mut reader) = log(64);
        let other = writer.clone();
        let threads = [writer, other].map(|writer| {
            std::thread::spawn(move || (0..changes).for_each(|n: u64| writer.push(n as u16)))
        });
        let mut seen = 0;
        while seen < 2 * changes {
            match reader.next() {
                Ok(Some(_)) => seen += 1,
                Ok(None) => std::thread::yield_now(),
                Err(Lapped(lost)) => seen += lost,
            }
        }
        assert_eq!((seen, reader.next()), (2 * changes, Ok(None)));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }

    #[test]
    fn nonsense_from_another_process_is_survived() {
        let (writer, mut reader) = log(16);
        for fill in [1, 7, u64::MAX - 1, u64::MAX, 1 << 63] {
            for start in [0, 3, u64::MAX - 2] {
                reader.cursor = start;
                (0..writer.shape.size()).for_each(|index| writer.words.store(index, fill));
                for _ in 0..20 {
                    let _ = reader.next();
                }
            }
        }
    }
}

#[cfg(all(test, feature = "loom"))]
mod loom_tests {
    use super::*;
    use crate::sync::atomic::AtomicU64;
    use crate::sync::explore;
    use std::sync::Arc;

    #[test]
    fn what_changed_before_the_start_is_there() {
        explore(|| {
            let (writer, mut reader) = log(1);
            let thing = Arc::new(AtomicU64::new(0));
            let changed = Arc::clone(&thing);
            let thread = loom::thread::spawn(move || {
                changed.store(1, Ordering::Relaxed);
                writer.push(0);
            });
            reader.skip_to_end();
            if reader.cursor == 1 {
                assert_eq!(thing.load(Ordering::Relaxed), 1);
            }
            thread.join().unwrap();
        });
    }

    #[test]
    fn what_a_change_tells_of_is_there() {
        explore(|| {
            let (writer, mut reader) = log(1);
            let things = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
            let threads = [0, 1].map(|thing: u16| {
                let (writer, things) = (writer.clone(), Arc::clone(&things));
                loom::thread::spawn(move || {
                    things[usize::from(thing)].store(1, Ordering::Relaxed);
                    writer.push(thing);
                })
            });
            for _ in 0..2 {
                if let Ok(Some(thing)) = reader.next() {
                    assert_eq!(things[usize::from(thing)].load(Ordering::Relaxed), 1);
                }
            }
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
    }
}

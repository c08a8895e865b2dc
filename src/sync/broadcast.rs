//! Ring of one writer and any number of readers, who only look: each has a private cursor and
//! notices when the writer has lapped it. The writer never waits and never knows who reads.
//!
//! Line 0 holds the number of records written so far. Each slot is a seqlock whose counter also
//! names the record: twice its number plus two, odd while it is being written.

use super::atomic::{Ordering, fence};
use super::seqlock::{self, Payload, PayloadMut};
use super::words::{LINE, PAIR, ReadWords, Words};
use std::fmt;

/// The reader was too slow: so many records were overwritten before it read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lapped(pub u64);

impl fmt::Display for Lapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records were overwritten before they were read", self.0)
    }
}

impl std::error::Error for Lapped {}

/// Where the slots of a ring lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    capacity: usize,
    stride: usize,
}

impl Shape {
    /// `capacity` records (rounded up to a power of two, at least 2) of `payload` words.
    pub(crate) const fn new(capacity: usize, payload: usize) -> Self {
        let capacity = if capacity < 2 { 2 } else { capacity.next_power_of_two() };
        Self { capacity, stride: (payload + 1).next_multiple_of(LINE) }
    }

    /// Words that the ring takes up: whole pairs of lines, so that what follows is not touched.
    pub(crate) const fn size(self) -> usize {
        (LINE + self.capacity * self.stride).next_multiple_of(PAIR)
    }

    #[inline(always)]
    fn slot(self, record: u64) -> std::ops::Range<usize> {
        let start = LINE + (record as usize & (self.capacity - 1)) * self.stride;
        start..start + self.stride
    }
}

/// Writes records.
#[derive(Debug)]
pub struct Writer {
    words: Words,
    shape: Shape,
    next: u64,
}

/// Reads records at its own pace.
#[derive(Clone, Debug)]
pub struct Reader {
    words: ReadWords,
    shape: Shape,
    cursor: u64,
}

/// A ring of `capacity` records (rounded up to a power of two) of `payload` words on the heap.
#[must_use]
pub fn ring(capacity: usize, payload: usize) -> (Writer, Reader) {
    let shape = Shape::new(capacity, payload);
    let words = Words::heap(shape.size());
    (Writer::new(words.clone(), shape), Reader::new(words.reader(), shape))
}

impl Writer {
    /// `words` are [`Shape::size`] words. Goes on where a former writer ended.
    pub(crate) fn new(words: Words, shape: Shape) -> Self {
        let next = words.load(0);
        Self { words, shape, next }
    }

    /// Writes a record over the oldest one. Words that `fill` leaves alone hold something old.
    #[inline]
    pub fn push(&mut self, fill: impl FnOnce(&PayloadMut<'_>)) {
        let words = self.words.atomics();
        let number = self.next.wrapping_add(1);
        seqlock::write(&words[self.shape.slot(self.next)], number, fill);
        // Release: a reader that starts from this number finds the record.
        words[0].store(number, Ordering::Release);
        self.next = number;
    }
}

impl Reader {
    /// `words` are [`Shape::size`] words. Starts with the next record to be written.
    pub(crate) fn new(words: ReadWords, shape: Shape) -> Self {
        let cursor = words.load(0);
        Self { words, shape, cursor }
    }

    /// How many records were written.
    fn written(&self) -> u64 {
        let written = self.words.load(0);
        // Acquire fence: pairs with the writer's Release, so those records are there.
        fence(Ordering::Acquire);
        written
    }

    /// Moves the cursor to the oldest record that is still there.
    pub fn rewind(&mut self) {
        self.cursor = self.written().saturating_sub(self.shape.capacity as u64 - 1);
    }

    /// Moves the cursor behind the newest record.
    pub fn skip_to_end(&mut self) {
        self.cursor = self.written();
    }

    /// Moves the cursor to the newest record.
    pub fn skip_to_last(&mut self) {
        self.cursor = self.written().saturating_sub(1);
    }

    /// Copies the next record; `None` if there is none yet. After [`Lapped`] the cursor stands half
    /// a ring behind the writer, so that the reader has a chance to catch up. `copy` may see a mix
    /// of two records; its result is then thrown away.
    #[inline]
    pub fn next<R>(&mut self, copy: impl FnOnce(&Payload<'_>) -> R) -> Result<Option<R>, Lapped> {
        let expected = self.cursor.wrapping_add(1).wrapping_mul(2);
        let slot = &self.words.atomics()[self.shape.slot(self.cursor)];
        let seen = match seqlock::try_read(slot, copy) {
            Ok((counter, value)) if counter == expected => {
                self.cursor = self.cursor.wrapping_add(1);
                return Ok(Some(value));
            }
            Ok((counter, _)) | Err(counter) => counter,
        };
        if seen <= expected {
            return Ok(None);
        }
        let written = self.written().max(seen / 2);
        let next = written
            .saturating_sub(self.shape.capacity as u64 / 2)
            .max(self.cursor.saturating_add(1));
        let lost = next - self.cursor;
        self.cursor = next;
        Err(Lapped(lost))
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    fn push(writer: &mut Writer, number: u64) {
        writer.push(|p| p.copy_from(0, &[number, number * 3]));
    }

    fn next(reader: &mut Reader) -> Result<Option<u64>, Lapped> {
        reader.next(|p| (p.get(0), p.get(1))).map(|record| {
            record.map(|(number, triple)| {
                assert_eq!(triple, number * 3);
                number
            })
        })
    }

    #[test]
    fn every_reader_has_its_own_pace() {
        let (mut writer, mut first) = ring(8, 2);
        let mut second = first.clone();
        for number in 0..5 {
            push(&mut writer, number);
            assert_eq!(next(&mut first), Ok(Some(number)));
        }
        assert_eq!(next(&mut first), Ok(None));
        for number in 0..5 {
            assert_eq!(next(&mut second), Ok(Some(number)));
        }
        assert_eq!(next(&mut second), Ok(None));
    }

    #[test]
    fn a_lapped_reader_learns_how_much_it_lost_and_goes_on() {
        let (mut writer, mut reader) = ring(8, 2);
        for number in 0..20 {
            push(&mut writer, number);
        }
        // 20 written, the cursor goes to 20 - 4.
        assert_eq!(next(&mut reader), Err(Lapped(16)));
        for number in 16..20 {
            assert_eq!(next(&mut reader), Ok(Some(number)));
        }
        assert_eq!(next(&mut reader), Ok(None));
    }

    #[test]
    fn a_full_ring_is_not_a_lap() {
        let (mut writer, mut reader) = ring(8, 2);
        for number in 0..8 {
            push(&mut writer, number);
        }
        assert_eq!(next(&mut reader), Ok(Some(0)));
        push(&mut writer, 8);
        push(&mut writer, 9);
        assert_eq!(next(&mut reader), Err(Lapped(5)));
        assert_eq!(next(&mut reader), Ok(Some(6)));
    }

    #[test]
    fn readers_may_start_with_the_oldest_or_the_newest() {
        let (mut writer, mut reader) = ring(4, 2);
        reader.rewind();
        assert_eq!(next(&mut reader), Ok(None));
        for number in 0..10 {
            push(&mut writer, number);
        }
        reader.rewind();
        assert_eq!(next(&mut reader), Ok(Some(7)));
        reader.skip_to_last();
        assert_eq!(next(&mut reader), Ok(Some(9)));
        assert_eq!(next(&mut reader), Ok(None));
    }

    #[test]
    fn a_writer_that_dies_in_the_middle_leaves_the_records_before() {
        let (mut writer, mut reader) = ring(4, 2);
        push(&mut writer, 0);
        let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            writer.push(|_| panic!("dies here"));
        }));
        assert!(died.is_err());
        assert_eq!(next(&mut reader), Ok(Some(0)));
        assert_eq!(next(&mut reader), Ok(None));
        assert_eq!(next(&mut reader), Ok(None));
    }

    #[test]
    fn nonsense_from_another_process_is_survived() {
        let shape = Shape::new(4, 2);
        let words = Words::heap(shape.size());
        for fill in [1, 7, u64::MAX - 1, u64::MAX, 1 << 63] {
            for start in [0, 3, u64::MAX - 2] {
                let mut reader = Reader::new(words.reader(), shape);
                reader.cursor = start;
                (0..words.len()).for_each(|index| words.store(index, fill));
                for _ in 0..20 {
                    let _ = reader.next(|p| p.get(0));
                }
                reader.rewind();
                reader.skip_to_last();
            }
        }
    }

    #[test]
    fn threads_see_whole_records_in_order() {
        let records = if cfg!(miri) { 200 } else { 200_000 };
        let (mut writer, mut reader) = ring(64, 2);
        let thread = std::thread::spawn(move || {
            let (mut expected, mut read) = (0, 0u64);
            while expected < records {
                match next(&mut reader) {
                    Ok(Some(number)) => {
                        assert_eq!(number, expected);
                        (expected, read) = (expected + 1, read + 1);
                    }
                    Ok(None) => std::thread::yield_now(),
                    Err(Lapped(lost)) => expected += lost,
                }
            }
            read
        });
        (0..records).for_each(|number| push(&mut writer, number));
        assert!(thread.join().unwrap() > 0);
    }
}

#[cfg(all(test, feature = "loom"))]
mod loom_tests {
    use super::*;
    use crate::sync::explore;

    #[test]
    fn records_come_whole_in_order_or_are_counted_as_lost() {
        explore(|| {
            let (mut writer, mut reader) = ring(2, 2);
            let thread = loom::thread::spawn(move || {
                for number in 0..4 {
                    writer.push(|p| p.copy_from(0, &[number, number + 100]));
                }
            });
            let mut expected = 0;
            for _ in 0..3 {
                match reader.next(|p| (p.get(0), p.get(1))) {
                    Ok(Some(record)) => {
                        assert_eq!(record, (expected, expected + 100));
                        expected += 1;
                    }
                    Ok(None) => {}
                    Err(Lapped(lost)) => expected += lost,
                }
            }
            thread.join().unwrap();
        });
    }

    #[test]
    fn whoever_starts_with_the_newest_record_finds_it() {
        explore(|| {
            let (mut writer, mut reader) = ring(2, 2);
            let thread = loom::thread::spawn(move || {
                for number in 0..2 {
                    writer.push(|p| p.copy_from(0, &[number, number + 100]));
                }
            });
            if reader.written() > 0 {
                reader.skip_to_last();
                let cursor = reader.cursor;
                let record = reader.next(|p| (p.get(0), p.get(1)));
                assert_eq!(record, Ok(Some((cursor, cursor + 100))));
            }
            thread.join().unwrap();
        });
    }
}

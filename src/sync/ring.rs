//! The queue of [`super::spsc`] over shared words: one producer and one consumer that may live in
//! different processes and need not trust each other.
//!
//! Line pair 0 holds the head, line pair 1 the tail, then come the slots of whole lines each. A
//! record is a few Relaxed words, published by the tail. Whatever the other side does to the words,
//! the answers here are a record of nonsense, [`BadIndex`] or "full": the number of slots is this
//! side's own, indices are masked, and nothing waits.

use super::seqlock::{Payload, PayloadMut};
use super::spsc::{BadIndex, ConsumerCursor, Full, ProducerCursor};
use super::words::{LINE, PAIR, ReadWords, Words};
use std::ops::Range;

const HEAD: usize = 0;
const TAIL: usize = PAIR;
const SLOTS: usize = 2 * PAIR;

// Head and tail have different writers, and the slots are the producer's.
const _: () = assert!(TAIL / PAIR != HEAD / PAIR && SLOTS / PAIR != HEAD / PAIR);

/// Where the slots of a ring lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    capacity: usize,
    stride: usize,
}

impl Shape {
    /// Records that fit.
    pub(crate) const fn capacity(self) -> usize {
        self.capacity
    }

    /// `capacity` records (rounded up to a power of two) of `payload` words.
    pub(crate) const fn new(capacity: usize, payload: usize) -> Self {
        let capacity = if capacity < 1 { 1 } else { capacity.next_power_of_two() };
        Self { capacity, stride: payload.next_multiple_of(LINE) }
    }

    /// Words that the ring takes up: whole pairs of lines, so that what follows is not touched.
    pub(crate) const fn size(self) -> usize {
        (SLOTS + self.capacity * self.stride).next_multiple_of(PAIR)
    }

    fn slot(self, slot: usize) -> Range<usize> {
        let start = SLOTS + slot * self.stride;
        start..start + self.stride
    }
}

/// The sending end.
#[derive(Debug)]
pub(crate) struct Producer {
    words: Words,
    shape: Shape,
    cursor: ProducerCursor,
}

/// The receiving end.
#[derive(Debug)]
pub(crate) struct Consumer {
    words: Words,
    shape: Shape,
    cursor: ConsumerCursor,
}

impl Producer {
    /// `words` are [`Shape::size`] words. Goes on where a former producer ended.
    pub(crate) fn new(words: Words, shape: Shape) -> Self {
        let (tail, head) = (words.load(TAIL), words.load(HEAD));
        Self { words, shape, cursor: ProducerCursor::new(shape.capacity as u64, tail, head) }
    }

    /// Queues a record. Words that `fill` leaves alone hold something old.
    #[inline]
    pub(crate) fn push(&mut self, fill: impl FnOnce(&PayloadMut<'_>)) -> Result<(), Full> {
        let words = self.words.atomics();
        let slot = self.cursor.claim(&words[HEAD]).ok_or(Full(()))?;
        fill(&PayloadMut::new(&words[self.shape.slot(slot)]));
        self.cursor.commit(&words[TAIL]);
        Ok(())
    }
}

impl Consumer {
    /// `words` are [`Shape::size`] words. Goes on where a former consumer ended.
    pub(crate) fn new(words: Words, shape: Shape) -> Self {
        let head = words.load(HEAD);
        Self { words, shape, cursor: ConsumerCursor::new(shape.capacity as u64, head) }
    }

    /// Takes the oldest record. After [`BadIndex`] everything queued is skipped.
    #[inline]
    pub(crate) fn pop<R>(
        &mut self,
        copy: impl FnOnce(&Payload<'_>) -> R,
    ) -> Result<Option<R>, BadIndex> {
        let words = self.words.atomics();
        let slot = match self.cursor.ready(&words[TAIL]) {
            Ok(Some(slot)) => slot,
            Ok(None) => return Ok(None),
            Err(bad) => {
                self.cursor.resync(&words[HEAD]);
                return Err(bad);
            }
        };
        let value = copy(&PayloadMut::new(&words[self.shape.slot(slot)]));
        self.cursor.release(&words[HEAD]);
        Ok(Some(value))
    }
}

/// Records that wait, as both ends say: at most as many as there is room for.
pub(crate) fn waiting(words: &ReadWords, shape: Shape) -> usize {
    // The head first: what is taken meanwhile only makes it look fuller.
    let head = words.load_acquire(HEAD);
    let waiting = words.load(TAIL).wrapping_sub(head);
    usize::try_from(waiting).unwrap_or(usize::MAX).min(shape.capacity)
}

/// Shows the newest records, oldest first and `most` at most, taken or not: for whoever looks at what
/// went before. The producer may be writing at this moment, or may have written anything.
pub(crate) fn peek(
    words: &ReadWords,
    shape: Shape,
    most: usize,
    mut show: impl FnMut(&Payload<'_>),
) {
    let tail = words.load(TAIL);
    let most = most.min(shape.capacity) as u64;
    for index in tail.saturating_sub(most)..tail {
        let slot = shape.slot(index as usize & (shape.capacity - 1));
        show(&PayloadMut::new(&words.atomics()[slot]));
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    fn ring(capacity: usize) -> (Producer, Consumer, Words) {
        let shape = Shape::new(capacity, 2);
        let words = Words::heap(shape.size());
        (Producer::new(words.clone(), shape), Consumer::new(words.clone(), shape), words)
    }

    fn push(producer: &mut Producer, number: u64) -> Result<(), Full> {
        producer.push(|p| p.copy_from(0, &[number, !number]))
    }

    fn pop(consumer: &mut Consumer) -> Result<Option<u64>, BadIndex> {
        consumer.pop(|p| {
            assert_eq!(p.get(1), !p.get(0));
            p.get(0)
        })
    }

    #[test]
    fn ends_may_be_replaced_without_loss() {
        let (mut producer, mut consumer, words) = ring(4);
        for number in 0..3 {
            push(&mut producer, number).unwrap();
        }
        assert_eq!(pop(&mut consumer), Ok(Some(0)));
        let shape = Shape::new(4, 2);
        let mut producer = Producer::new(words.clone(), shape);
        let mut consumer = Consumer::new(words, shape);
        for number in 3..5 {
            push(&mut producer, number).unwrap();
        }
        assert_eq!(push(&mut producer, 5), Err(Full(())));
        for number in 1..5 {
            assert_eq!(pop(&mut consumer), Ok(Some(number)));
        }
        assert_eq!(pop(&mut consumer), Ok(None));
    }

    #[test]
    fn whoever_looks_sees_how_many_wait_and_never_more_than_fit() {
        let (mut producer, mut consumer, words) = ring(4);
        let shape = Shape::new(4, 2);
        let waiting = || waiting(&words.reader(), shape);
        assert_eq!(waiting(), 0);
        (0..3).for_each(|number| push(&mut producer, number).unwrap());
        assert_eq!(waiting(), 3);
        assert_eq!(pop(&mut consumer), Ok(Some(0)));
        assert_eq!(waiting(), 2);
        words.store(TAIL, 1 << 50);
        assert_eq!(waiting(), 4);
    }

    #[test]
    fn a_lie_about_the_tail_costs_one_error_and_the_ring_goes_on() {
        let (mut producer, mut consumer, words) = ring(4);
        words.store(TAIL, 1 << 50);
        assert_eq!(pop(&mut consumer), Err(BadIndex));
        assert_eq!(pop(&mut consumer), Ok(None));
        // An honest producer that still counts from 0 is now itself out of range: once.
        assert_eq!(push(&mut producer, 7), Ok(()));
        assert_eq!(pop(&mut consumer), Err(BadIndex));
        assert_eq!(push(&mut producer, 8), Ok(()));
        assert_eq!(pop(&mut consumer), Ok(Some(8)));
    }

    #[test]
    fn a_lie_about_the_head_reads_as_full() {
        let (mut producer, _consumer, words) = ring(2);
        push(&mut producer, 1).unwrap();
        push(&mut producer, 2).unwrap();
        words.store(HEAD, 1 << 50);
        assert_eq!(push(&mut producer, 3), Err(Full(())));
    }

    #[test]
    fn threads_pass_everything_in_order() {
        let items: u64 = if cfg!(miri) { 300 } else { 300_000 };
        let (mut producer, mut consumer, _words) = ring(16);
        let thread = std::thread::spawn(move || {
            for number in 0..items {
                while push(&mut producer, number).is_err() {
                    std::thread::yield_now();
                }
            }
        });
        let mut expected = 0;
        while expected < items {
            match pop(&mut consumer).unwrap() {
                Some(number) => {
                    assert_eq!(number, expected);
                    expected += 1;
                }
                None => std::thread::yield_now(),
            }
        }
        thread.join().unwrap();
    }
}

#[cfg(all(test, feature = "loom"))]
mod loom_tests {
    use super::*;
    use crate::sync::explore;

    #[test]
    fn records_arrive_whole_and_in_order() {
        explore(|| {
            let shape = Shape::new(1, 2);
            let words = Words::heap(shape.size());
            let mut producer = Producer::new(words.clone(), shape);
            let mut consumer = Consumer::new(words, shape);
            let thread = loom::thread::spawn(move || {
                let mut pushed = 0;
                for number in 0..2 {
                    let record = [number, number + 100];
                    if producer.push(|p| p.copy_from(0, &record)).is_err() {
                        break;
                    }
                    pushed += 1;
                }
                pushed
            });
            let mut popped = 0;
            let mut take = |popped: &mut u64| {
                if let Some(record) = consumer.pop(|p| (p.get(0), p.get(1))).unwrap() {
                    assert_eq!(record, (*popped, *popped + 100));
                    *popped += 1;
                }
            };
            take(&mut popped);
            let pushed = thread.join().unwrap();
            take(&mut popped);
            take(&mut popped);
            assert_eq!(popped, pushed);
        });
    }
}

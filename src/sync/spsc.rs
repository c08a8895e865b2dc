//! Bounded queue of one producer and one consumer.
//!
//! The producer owns the tail, the consumer the head; each counts up for ever and keeps a private
//! copy of the other's counter, which it refreshes only when the queue seems full or empty. So in
//! steady state an operation touches one line that the other side writes, not two. The arithmetic of
//! both cursors ([`ProducerCursor`], [`ConsumerCursor`]) is shared by [`channel`], which queues any
//! `Copy` type between threads, and by the rings of mapped files, whose peer may be another process
//! and is not trusted.
//!
//! It never waits: a full or empty queue is an answer.

use super::CachePadded;
use super::atomic::{AtomicU64, Ordering, fence};
use super::cell::UnsafeCell;
use std::fmt;
use std::mem::MaybeUninit;
#[cfg(not(feature = "loom"))]
use std::mem::offset_of;
use std::sync::Arc;

/// The queue is full; gives back what could not be queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full<T = ()>(pub T);

impl<T> fmt::Display for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue is full")
    }
}

impl<T: fmt::Debug> std::error::Error for Full<T> {}

/// The other side's counter cannot be true: more queued than there are slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadIndex;

/// The producer's half of the arithmetic. Knows no slots, only their numbers.
#[derive(Debug)]
pub(crate) struct ProducerCursor {
    tail: u64,
    cached_head: u64,
    capacity: u64,
}

impl ProducerCursor {
    /// `capacity` must be a power of two. Starts where a former producer of the same ring ended.
    pub(crate) fn new(capacity: u64, tail: u64, head: u64) -> Self {
        assert!(capacity.is_power_of_two(), "slots are found by masking");
        Self { tail, cached_head: head, capacity }
    }

    /// Number of a free slot. A head that cannot be true (beyond the tail) reads as "full": a peer
    /// that lies about its progress gets nothing more.
    #[inline]
    pub(crate) fn claim(&mut self, head: &AtomicU64) -> Option<usize> {
        if self.tail.wrapping_sub(self.cached_head) >= self.capacity {
            // Acquire pairs with the consumer's Release: its reads of the slot are over.
            self.cached_head = head.load(Ordering::Acquire);
            if self.tail.wrapping_sub(self.cached_head) >= self.capacity {
                return None;
            }
        }
        Some((self.tail & (self.capacity - 1)) as usize)
    }

    /// Publishes the slot of the last [`ProducerCursor::claim`].
    #[inline]
    pub(crate) fn commit(&mut self, tail: &AtomicU64) {
        self.tail = self.tail.wrapping_add(1);
        // Release: whoever sees the new tail sees the slot's content.
        tail.store(self.tail, Ordering::Release);
    }

    fn len(&self, head: &AtomicU64) -> usize {
        self.tail.wrapping_sub(head.load(Ordering::Relaxed)).min(self.capacity) as usize
    }
}

/// The consumer's half of the arithmetic.
#[derive(Debug)]
pub(crate) struct ConsumerCursor {
    head: u64,
    cached_tail: u64,
    capacity: u64,
}

impl ConsumerCursor {
    /// `capacity` must be a power of two. Starts where a former consumer of the same ring ended.
    pub(crate) fn new(capacity: u64, head: u64) -> Self {
        assert!(capacity.is_power_of_two(), "slots are found by masking");
        Self { head, cached_tail: head, capacity }
    }

    /// Number of the oldest filled slot. After [`BadIndex`] the cursor stands at the claimed tail,
    /// so that one lie costs one error.
    #[inline]
    pub(crate) fn ready(&mut self, tail: &AtomicU64) -> Result<Option<usize>, BadIndex> {
        if self.head == self.cached_tail {
            // Acquire pairs with the producer's Release: the slot's content is visible.
            self.cached_tail = tail.load(Ordering::Acquire);
            let queued = self.cached_tail.wrapping_sub(self.head);
            if queued == 0 {
                return Ok(None);
            }
            if queued > self.capacity {
                self.head = self.cached_tail;
                return Err(BadIndex);
            }
        }
        Ok(Some((self.head & (self.capacity - 1)) as usize))
    }

    /// Frees the slot of the last [`ConsumerCursor::ready`].
    #[inline]
    pub(crate) fn release(&mut self, head: &AtomicU64) {
        self.head = self.head.wrapping_add(1);
        // Release: our reads of the slot are over before the producer may write it again.
        head.store(self.head, Ordering::Release);
    }

    /// Tells the producer where the consumer stands after [`BadIndex`].
    pub(crate) fn resync(&self, head: &AtomicU64) {
        head.store(self.head, Ordering::Release);
    }

    fn len(&self, tail: &AtomicU64) -> usize {
        tail.load(Ordering::Relaxed).wrapping_sub(self.head).min(self.capacity) as usize
    }
}

/// Starts on a cache line of its own: a message touches no more lines than it fills, and producer
/// and consumer do not meet on a line when they are at neighbouring slots.
#[repr(align(64))]
struct Slot<T>(UnsafeCell<MaybeUninit<T>>);

struct Shared<T> {
    /// Written by the consumer alone.
    head: CachePadded<AtomicU64>,
    /// Written by the producer alone.
    tail: CachePadded<AtomicU64>,
    slots: Box<[Slot<T>]>,
}

// Head, tail and what both sides only read lie in pairs of lines of their own, whatever the queue
// holds; so do the counts of the `Arc` before them.
#[cfg(not(feature = "loom"))]
const _: () = {
    let (head, tail) = (offset_of!(Shared<u8>, head) / 128, offset_of!(Shared<u8>, tail) / 128);
    let slots = offset_of!(Shared<u8>, slots) / 128;
    assert!(head != tail && head != slots && tail != slots);
    assert!(size_of::<CachePadded<AtomicU64>>() == 128 && align_of::<Shared<u8>>() == 128);
    assert!(align_of::<Slot<u8>>() == 64 && size_of::<Slot<[u64; 9]>>() == 128);
};

// SAFETY: a slot is accessed by the producer only between claim and commit and by the consumer only
// between ready and release; the Acquire/Release pairs of the cursors order the two, so no slot is
// ever accessed from both threads at once. `T: Send` because values move from one to the other.
unsafe impl<T: Send> Sync for Shared<T> {}

// SAFETY: owning the slots from another thread is owning values of `T: Send`.
unsafe impl<T: Send> Send for Shared<T> {}

/// The sending end.
pub struct Producer<T> {
    shared: Arc<Shared<T>>,
    cursor: ProducerCursor,
}

/// The receiving end.
pub struct Consumer<T> {
    shared: Arc<Shared<T>>,
    cursor: ConsumerCursor,
}

/// A queue of at least `capacity` items (rounded up to a power of two) between two threads. All its
/// memory is allocated and touched here.
#[must_use]
pub fn channel<T: Copy + Send>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    let capacity = capacity.max(1).next_power_of_two();
    let shared = Arc::new(Shared {
        head: CachePadded(AtomicU64::new(0)),
        tail: CachePadded(AtomicU64::new(0)),
        slots: (0..capacity).map(|_| Slot(UnsafeCell::new(MaybeUninit::uninit()))).collect(),
    });
    let producer = Producer {
        shared: Arc::clone(&shared),
        cursor: ProducerCursor::new(capacity as u64, 0, 0),
    };
    let consumer = Consumer { shared, cursor: ConsumerCursor::new(capacity as u64, 0) };
    (producer, consumer)
}

impl<T: Copy + Send> Producer<T> {
    /// Queues a value, or gives it back.
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), Full<T>> {
        let Some(slot) = self.cursor.claim(&self.shared.head.0) else {
            return Err(Full(value));
        };
        self.shared.slots[slot].0.with_mut(|cell| {
            // SAFETY: `claim` gave us this slot alone: the consumer has released it (or never saw
            // it) and will not touch it before `commit`. The pointer comes from a live cell.
            unsafe { (*cell).write(value) };
        });
        self.cursor.commit(&self.shared.tail.0);
        Ok(())
    }
}

impl<T> Producer<T> {
    /// How many values are queued; the consumer may be taking some away meanwhile.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cursor.len(&self.shared.head.0)
    }

    /// Whether nothing is queued.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many values fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.shared.slots.len()
    }

    /// Whether the consumer is gone: nothing pushed will ever be read.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.shared) == 1
    }
}

impl<T: Copy + Send> Consumer<T> {
    /// Takes the oldest value.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        self.take(|value| *value)
    }

    /// The same to where it is wanted, for large values: whether there was one.
    #[inline]
    pub fn pop_into(&mut self, into: &mut T) -> bool {
        self.take(|value| *into = *value).is_some()
    }

    #[inline]
    fn take<R>(&mut self, copy: impl FnOnce(&T) -> R) -> Option<R> {
        let Ok(Some(slot)) = self.cursor.ready(&self.shared.tail.0) else {
            return None;
        };
        let value = self.shared.slots[slot].0.with(|cell| {
            // SAFETY: `ready` found the slot below the tail, so the producer has written it and will
            // not touch it before `release`. `T: Copy`, so copying leaves nothing to drop twice.
            copy(unsafe { (*cell).assume_init_ref() })
        });
        self.cursor.release(&self.shared.head.0);
        Some(value)
    }
}

impl<T> Consumer<T> {
    /// How many values are queued; the producer may be adding some meanwhile.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cursor.len(&self.shared.tail.0)
    }

    /// Whether nothing is queued.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many values fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.shared.slots.len()
    }

    /// Whether the producer is gone: after the queue is empty nothing will follow.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        let alone = Arc::strong_count(&self.shared) == 1;
        // Acquire fence: pairs with the Release of the producer's drop, so its last push is seen.
        fence(Ordering::Acquire);
        alone
    }
}

impl<T> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    #[test]
    fn first_in_first_out_until_full() {
        let (mut producer, mut consumer) = channel(3);
        assert_eq!((producer.capacity(), consumer.capacity()), (4, 4));
        for round in 0..5 {
            for value in 0..4 {
                assert_eq!(producer.push(round * 10 + value), Ok(()));
            }
            assert_eq!(producer.push(99), Err(Full(99)));
            assert_eq!((producer.len(), consumer.len()), (4, 4));
            for value in 0..4 {
                assert_eq!(consumer.pop(), Some(round * 10 + value));
            }
            assert_eq!(consumer.pop(), None);
            assert!(producer.is_empty() && consumer.is_empty());
        }
    }

    #[test]
    fn ends_know_when_the_other_is_gone() {
        let (mut producer, mut consumer) = channel(2);
        producer.push(1).unwrap();
        assert!(!producer.is_abandoned() && !consumer.is_abandoned());
        drop(producer);
        assert!(consumer.is_abandoned());
        let mut value = 0;
        assert!(consumer.pop_into(&mut value));
        assert_eq!(value, 1);
        assert!(!consumer.pop_into(&mut value) && consumer.pop().is_none());
    }

    #[test]
    fn counters_may_wrap() {
        let near = u64::MAX - 1;
        let (head, tail) = (AtomicU64::new(near), AtomicU64::new(near));
        let mut producer = ProducerCursor::new(4, near, near);
        let mut consumer = ConsumerCursor::new(4, near);
        for _ in 0..4 {
            assert!(producer.claim(&head).is_some());
            producer.commit(&tail);
        }
        assert_eq!(producer.claim(&head), None);
        for slot in [2, 3, 0, 1] {
            assert_eq!(consumer.ready(&tail), Ok(Some(slot)));
            consumer.release(&head);
        }
        assert_eq!(consumer.ready(&tail), Ok(None));
        assert_eq!(producer.claim(&head), Some(2));
    }

    #[test]
    fn lies_of_the_other_side_are_contained() {
        let (head, tail) = (AtomicU64::new(0), AtomicU64::new(0));
        let mut consumer = ConsumerCursor::new(4, 0);
        for lie in [5, 1 << 40, 3, u64::MAX] {
            tail.store(lie, Ordering::Relaxed);
            assert_eq!(consumer.ready(&tail), Err(BadIndex), "{lie}");
            consumer.resync(&head);
            assert_eq!(head.load(Ordering::Relaxed), lie);
            assert_eq!(consumer.ready(&tail), Ok(None), "one lie costs one error");
        }
        let mut producer = ProducerCursor::new(4, 4, 0);
        for lie in [5, 1 << 40, u64::MAX] {
            head.store(lie, Ordering::Relaxed);
            assert_eq!(producer.claim(&head), None, "{lie}");
            assert!(producer.len(&head) <= 4);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 256 }))]
        #[test]
        fn behaves_as_a_bounded_deque(capacity in 1usize..9, pushes in prop::collection::vec(any::<bool>(), 0..200)) {
            let (mut producer, mut consumer) = channel(capacity);
            let mut model = VecDeque::new();
            for (number, push) in pushes.into_iter().enumerate() {
                if push {
                    let fits = model.len() < producer.capacity();
                    prop_assert_eq!(producer.push(number), if fits { Ok(()) } else { Err(Full(number)) });
                    if fits { model.push_back(number) }
                } else {
                    prop_assert_eq!(consumer.pop(), model.pop_front());
                }
                prop_assert_eq!((producer.len(), consumer.len()), (model.len(), model.len()));
            }
        }
    }

    #[test]
    fn threads_pass_everything_in_order() {
        let items: u64 = if cfg!(miri) { 300 } else { 300_000 };
        let (mut producer, mut consumer) = channel::<[u64; 3]>(64);
        let thread = std::thread::spawn(move || {
            for number in 0..items {
                while producer.push([number, !number, number * 3]).is_err() {
                    std::thread::yield_now();
                }
            }
        });
        let mut expected = 0;
        while expected < items {
            match consumer.pop() {
                Some(item) => {
                    assert_eq!(item, [expected, !expected, expected * 3]);
                    expected += 1;
                }
                None => std::thread::yield_now(),
            }
        }
        thread.join().unwrap();
        assert_eq!(consumer.pop(), None);
    }
}

#[cfg(all(test, feature = "loom"))]
mod loom_tests {
    use super::*;
    use crate::sync::explore;

    #[test]
    fn values_arrive_whole_and_in_order_through_a_full_ring() {
        explore(|| {
            let (mut producer, mut consumer) = channel::<u64>(2);
            let thread = loom::thread::spawn(move || {
                let mut pushed = 0;
                for number in 0..3 {
                    match producer.push(number) {
                        Ok(()) => pushed += 1,
                        Err(Full(_)) => break,
                    }
                }
                pushed
            });
            let mut popped = 0;
            for _ in 0..2 {
                if let Some(number) = consumer.pop() {
                    assert_eq!(number, popped);
                    popped += 1;
                }
            }
            let pushed = thread.join().unwrap();
            while let Some(number) = consumer.pop() {
                assert_eq!(number, popped);
                popped += 1;
            }
            assert_eq!(popped, pushed);
        });
    }
}

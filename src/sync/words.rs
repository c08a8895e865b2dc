//! Handles to shared 64-bit words, on the heap or in a mapped file.
//!
//! [`Words`] may store, [`ReadWords`] only loads: it is what a read-only mapping gives. A load from
//! read-only memory is sound in Rust only if it is Relaxed, so readers pair Relaxed loads with an
//! Acquire fence. Words start on a pair of cache lines. Handles keep the memory alive and can be cut into
//! smaller handles; that words of another process change under us is what atomics are for.

use super::atomic::{AtomicU64, Ordering, fence};
use std::any::Any;
use std::fmt;
use std::ops::{Deref, Range};
use std::ptr::NonNull;
use std::sync::Arc;

/// Words of one cache line.
pub(crate) const LINE: usize = 8;
/// Words of the pair of lines that prefetchers fetch together. What different threads write lies in
/// different pairs.
pub(crate) const PAIR: usize = 2 * LINE;

/// Words that this handle may only load.
#[derive(Clone)]
pub(crate) struct ReadWords {
    start: NonNull<AtomicU64>,
    len: usize,
    owner: Arc<dyn Any + Send + Sync>,
}

// SAFETY: the handle gives nothing but shared access to atomics in memory that `owner` keeps alive,
// and `owner` itself may be sent and shared.
unsafe impl Send for ReadWords {}

// SAFETY: as above; atomics may be used from several threads at once.
unsafe impl Sync for ReadWords {}

impl ReadWords {
    /// # Safety
    /// `start` points to `len` words, aligned and initialised (zero counts), that stay mapped while
    /// `owner` lives and are accessed by nobody except atomically.
    pub(crate) unsafe fn from_raw(
        start: NonNull<AtomicU64>,
        len: usize,
        owner: Arc<dyn Any + Send + Sync>,
    ) -> Self {
        Self { start, len, owner }
    }

    /// A part of them.
    ///
    /// # Panics
    /// If the range is outside: offsets come from our own layout, never from shared bytes.
    pub(crate) fn slice(&self, range: Range<usize>) -> Self {
        let part = &self.atomics()[range];
        let start = NonNull::from(part).cast();
        Self { start, len: part.len(), owner: Arc::clone(&self.owner) }
    }

    /// The atomics. Readers of this folder only load them, and only Relaxed.
    #[inline(always)]
    pub(super) fn atomics(&self) -> &[AtomicU64] {
        // SAFETY: by the contract of `from_raw` the words are there, aligned and initialised as
        // long as `owner` lives, which is at least as long as the borrow of `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// One word.
    #[inline(always)]
    pub(crate) fn load(&self, index: usize) -> u64 {
        self.atomics()[index].load(Ordering::Relaxed)
    }

    /// One word; what its writer stored before it is visible afterwards.
    pub(crate) fn load_acquire(&self, index: usize) -> u64 {
        let value = self.load(index);
        fence(Ordering::Acquire);
        value
    }

    /// How many words there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl fmt::Debug for ReadWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} words]", self.len)
    }
}

/// Words that this handle may load and store.
#[derive(Clone, Debug)]
pub(crate) struct Words(ReadWords);

impl Words {
    /// Zeroed words on the heap, at least `len`, whole pairs of cache lines.
    pub(crate) fn heap(len: usize) -> Self {
        let heap = Arc::new(Heap::new(len));
        let words = heap.words();
        let (start, len) = (NonNull::from(words).cast(), words.len());
        // SAFETY: the heap block is initialised, aligned, never moves nor shrinks while the `Arc`
        // lives, and is reached only through these handles.
        Self(unsafe { ReadWords::from_raw(start, len, heap) })
    }

    /// # Safety
    /// As [`ReadWords::from_raw`], and the memory is writable.
    pub(crate) unsafe fn from_raw(
        start: NonNull<AtomicU64>,
        len: usize,
        owner: Arc<dyn Any + Send + Sync>,
    ) -> Self {
        // SAFETY: the caller's promise is the one that `ReadWords` asks for.
        Self(unsafe { ReadWords::from_raw(start, len, owner) })
    }

    /// A part of them.
    pub(crate) fn slice(&self, range: Range<usize>) -> Self {
        Self(self.0.slice(range))
    }

    /// The same words for readers.
    pub(crate) fn reader(&self) -> ReadWords {
        self.0.clone()
    }

    /// Stores one word; Release, so that it may announce what was stored before.
    pub(crate) fn store(&self, index: usize, value: u64) {
        self.0.atomics()[index].store(value, Ordering::Release);
    }

    /// The atomics.
    #[inline(always)]
    pub(crate) fn atomics(&self) -> &[AtomicU64] {
        self.0.atomics()
    }
}

impl Deref for Words {
    type Target = ReadWords;

    fn deref(&self) -> &ReadWords {
        &self.0
    }
}

/// A pair of cache lines.
#[cfg(not(feature = "loom"))]
#[repr(C, align(128))]
struct Pair([AtomicU64; PAIR]);

/// Heap memory for words.
#[cfg(not(feature = "loom"))]
struct Heap(Box<[Pair]>);

#[cfg(not(feature = "loom"))]
impl Heap {
    fn new(len: usize) -> Self {
        // Zeroed by the allocator: pages that nobody touches take no memory.
        let pairs = Box::new_zeroed_slice(len.div_ceil(PAIR));
        // SAFETY: `Pair` is nothing but atomic integers, for which zeroed memory is the value 0.
        Self(unsafe { pairs.assume_init() })
    }

    fn words(&self) -> &[AtomicU64] {
        // SAFETY: `Pair` is `repr(C)` and exactly its sixteen words without padding (its size equals
        // its alignment), so a slice of pairs is a slice of sixteen times as many words.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * PAIR) }
    }
}

#[cfg(not(feature = "loom"))]
const _: () = assert!(size_of::<Pair>() == PAIR * size_of::<AtomicU64>());

/// Loom's atomics are larger than the real ones, so they cannot be laid out in lines.
#[cfg(feature = "loom")]
struct Heap(Box<[AtomicU64]>);

#[cfg(feature = "loom")]
impl Heap {
    fn new(len: usize) -> Self {
        Self((0..len.next_multiple_of(PAIR)).map(|_| AtomicU64::new(0)).collect())
    }

    fn words(&self) -> &[AtomicU64] {
        &self.0
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn parts_share_the_memory_and_keep_it_alive() {
        let words = Words::heap(17);
        assert_eq!(words.len(), 32);
        assert_eq!(words.start.as_ptr() as usize % 128, 0);
        let part = words.slice(8..16).slice(2..4);
        let reader = words.reader();
        part.store(1, 77);
        assert_eq!(reader.load(11), 77);
        drop(words);
        drop(reader);
        assert_eq!((part.load(0), part.load(1), part.len()), (0, 77, 2));
    }

    #[test]
    #[should_panic(expected = "out of range")]
    fn parts_never_reach_beyond_their_whole() {
        let _ = Words::heap(16).slice(0..8).slice(4..9);
    }
}

//! Lock-free algorithms on plain memory: what threads use among each other and what processes use
//! over a mapped file is the same code.
//!
//! Nothing here allocates after construction, blocks, or knows what the words mean. Every shared
//! word is an atomic, so a peer that writes nonsense can make a reader return nonsense or an error,
//! but never undefined behaviour. Atomics come through one alias, so that the same source runs
//! under loom (`cargo test --features loom --lib -- sync::`).

pub mod broadcast;
pub(crate) mod changes;
pub mod histogram;
pub(crate) mod ring;
pub mod rotating;
pub mod seqlock;
pub mod spsc;
pub(crate) mod words;

/// The atomics of this folder and of `shm`: loom's under `--features loom`, else the standard library's.
pub(crate) mod atomic {
    #[cfg(feature = "loom")]
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering, fence};
    #[cfg(not(feature = "loom"))]
    pub(crate) use std::sync::atomic::{AtomicU64, Ordering, fence};
}

/// A cell whose accesses loom can watch; free of cost otherwise.
pub(crate) mod cell {
    #[cfg(feature = "loom")]
    pub(crate) use loom::cell::UnsafeCell;

    /// Same interface as loom's cell.
    #[cfg(not(feature = "loom"))]
    #[derive(Debug)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    #[cfg(not(feature = "loom"))]
    impl<T> UnsafeCell<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        #[inline(always)]
        pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }

        #[inline(always)]
        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}

/// Keeps a value on cache lines of its own. Two lines, because the prefetcher of common x86 CPUs
/// fetches lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct CachePadded<T>(pub(crate) T);

/// Runs a model in every order of its steps that up to two preemptions give: all known faults of
/// these algorithms need fewer, and without the bound a model of ten steps takes minutes.
#[cfg(all(test, feature = "loom"))]
pub(crate) fn explore(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(model);
}

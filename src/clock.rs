//! The one clock of the engine: nanoseconds since the UNIX epoch from the CPU's time stamp counter.
//!
//! Anchored once to the system clock, then monotonic: a step of the system clock never moves it.
//! Signing uses it plus the venue's measured offset, so its drift is corrected where it matters.
//! A manual clock stands in for tests and simulation.

use crate::types::Nanos;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time. Cheap to copy around: clones share the anchor.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Counter {
        clock: quanta::Clock,
        origin: u64,
        origin_ns: u64,
    },
    /// The same counter by the calibration of another process: nanoseconds of 2^44 counts.
    Shared {
        clock: quanta::Clock,
        origin: u64,
        origin_ns: u64,
        ns_per_counts: u64,
    },
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// Calibrates the time stamp counter (a few milliseconds, once per process) and anchors it.
    #[must_use]
    pub fn new() -> Self {
        let clock = quanta::Clock::new();
        let origin = clock.raw();
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { source: Source::Counter { clock, origin, origin_ns: unix.as_nanos() as u64 } }
    }

    /// What another process needs to tell the same time: counter and nanoseconds of the anchor,
    /// nanoseconds of 2^44 counts. All zero: there is no such clock.
    #[must_use]
    pub fn anchor(&self) -> [u64; 3] {
        match &self.source {
            Source::Counter { clock, origin, origin_ns } => {
                [*origin, *origin_ns, clock.delta_as_nanos(0, 1 << SHARED_SHIFT)]
            }
            Source::Shared { origin, origin_ns, ns_per_counts, .. } => {
                [*origin, *origin_ns, *ns_per_counts]
            }
            Source::Manual(_) => [0; 3],
        }
    }

    /// A clock that tells the time of the one with this [`Clock::anchor`], on the same machine: the
    /// counter is the machine's, and two calibrations of it would drift apart. One of its own if
    /// there is no anchor.
    #[must_use]
    pub fn anchored([origin, origin_ns, ns_per_counts]: [u64; 3]) -> Self {
        if ns_per_counts == 0 {
            return Self::new();
        }
        let clock = quanta::Clock::new();
        Self { source: Source::Shared { clock, origin, origin_ns, ns_per_counts } }
    }

    /// A clock that stands still until [`Clock::set`].
    #[must_use]
    pub fn manual(start: Nanos) -> Self {
        Self { source: Source::Manual(Arc::new(AtomicU64::new(start.0))) }
    }

    /// Moves a manual clock and all its clones; no effect on a real one.
    pub fn set(&self, now: Nanos) {
        if let Source::Manual(time) = &self.source {
            time.store(now.0, Ordering::Relaxed);
        }
    }

    /// The time. One reading of the counter, a multiplication and a shift: about 9 ns, of which the
    /// reading itself takes nearly all.
    #[inline]
    #[must_use]
    pub fn now(&self) -> Nanos {
        match &self.source {
            Source::Counter { clock, origin, origin_ns } => {
                Nanos(origin_ns + clock.delta_as_nanos(*origin, clock.raw()))
            }
            _ => self.told(),
        }
    }

    /// The time of a clock that is not this process's own. Apart, so that the own one is read in line.
    #[inline(never)]
    fn told(&self) -> Nanos {
        match &self.source {
            Source::Shared { clock, origin, origin_ns, ns_per_counts } => {
                let counts = u128::from(clock.raw().saturating_sub(*origin));
                let ns = (counts * u128::from(*ns_per_counts)) >> SHARED_SHIFT;
                Nanos(origin_ns.wrapping_add(ns as u64))
            }
            Source::Manual(time) => Nanos(time.load(Ordering::Relaxed)),
            Source::Counter { origin_ns, .. } => Nanos(*origin_ns),
        }
    }
}

/// Counts whose length in nanoseconds is shared: an error of one in it is less than a microsecond a
/// week.
const SHARED_SHIFT: u32 = 44;

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_clocks_move_together_and_only_by_hand() {
        let clock = Clock::manual(Nanos(5));
        let other = clock.clone();
        clock.set(Nanos(9));
        assert_eq!((clock.now(), other.now()), (Nanos(9), Nanos(9)));
    }

    #[test]
    fn a_clock_of_another_process_tells_the_same_time() {
        let clock = Clock::new();
        let other = Clock::anchored(clock.anchor());
        assert_eq!(other.anchor(), clock.anchor());
        for _ in 0..100 {
            let (before, between, after) = (clock.now(), other.now(), clock.now());
            assert!(before.0 <= between.0 + 1 && between.0 <= after.0 + 1);
        }
        let apart = Clock::anchored([0; 3]).now().0.abs_diff(clock.now().0);
        assert!(apart < 1_000_000_000, "one of its own: {apart} ns");
        assert_eq!(Clock::manual(Nanos(5)).anchor(), [0; 3]);
    }

    #[test]
    fn the_real_clock_never_goes_back() {
        let clock = Clock::new();
        let mut last = clock.now();
        for _ in 0..1000 {
            let now = clock.now();
            assert!(now >= last);
            last = now;
        }
    }
}

//! How often a book may be fetched anew: at once after a gap, but where none that comes lasts (a venue
//! that shows crossed books before an auction, one that skips updates) after pauses that double, so that
//! the venue's allowance of requests is left for the other books. A request of which nothing came, as
//! its connection broke, is repeated at once.

#![forbid(unsafe_code)]

use crate::types::Nanos;

/// First pause, and the longest one.
const FIRST_NS: u64 = 250_000_000;
const MAX_NS: u64 = 60_000_000_000;
/// A book that was not wanted anew for so long has lasted.
const LASTED_NS: u64 = 30_000_000_000;

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    /// When it may be asked for next.
    next: Nanos,
    pause_ns: u64,
    /// Snapshots that the book had taken then.
    taken: u64,
}

impl Pace {
    /// Whether a book that has taken so many snapshots may be asked for now; if so it counts as asked
    /// for.
    pub fn take(&mut self, now: Nanos, taken: u64) -> bool {
        if now < self.next {
            return false;
        }
        if taken == std::mem::replace(&mut self.taken, taken) {
            return true;
        }
        let lasted = now.since(self.next) >= LASTED_NS;
        self.pause_ns = match (lasted, self.pause_ns) {
            (true, _) => 0,
            (false, 0) => FIRST_NS,
            (false, before) => (2 * before).min(MAX_NS),
        };
        self.next = now.plus(self.pause_ns);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_two_are_free_and_then_pauses_double_until_one_lasts() {
        let (mut pace, mut now, mut asked) = (Pace::default(), Nanos(LASTED_NS), Vec::new());
        let start = now;
        while now.since(start) < 400_000_000_000 {
            if pace.take(now, 1 + asked.len() as u64) {
                asked.push(now.since(start) / 1_000_000);
            }
            now = now.plus(1_000_000);
        }
        let ends: Vec<u64> = asked.iter().copied().take(6).collect();
        assert_eq!(ends, [0, 1, 251, 751, 1_751, 3_751]);
        assert!(asked.len() <= 15, "{asked:?}");
        now = now.plus(MAX_NS + LASTED_NS);
        assert!(pace.take(now, 100) && pace.take(now, 101), "it had lasted");
        assert!(!pace.take(now, 102));
        now = now.plus(FIRST_NS);
        assert!(pace.take(now, 102));
        now = now.plus(2 * FIRST_NS);
        assert!(pace.take(now, 102) && pace.take(now, 102), "nothing came of it");
    }
}

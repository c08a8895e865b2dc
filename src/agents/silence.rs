//! Whether a heart stands still, by our own clock: counted from the look that found its beat changed.
//! Time in which nobody looked (a stopped process, a loop that hung) does not count, nor does a heart
//! that has never beaten.

use crate::types::Nanos;

/// One heart, as it was last seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Silence {
    beat: Nanos,
    seen_at: Nanos,
    looked_at: Nanos,
    told: bool,
}

/// What has just changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It has stood still for so many nanoseconds, which is too long. Told once.
    Silence(u64),
    /// It beats again after it was told to be silent.
    Beat,
}

impl Silence {
    /// One look; more than `max_ns` is too long. To be called more than four times in that.
    pub fn look(&mut self, beat: Nanos, max_ns: u64, now: Nanos) -> Option<Heard> {
        let slept = now.since(self.looked_at) > max_ns / 4;
        self.looked_at = now;
        let beats = beat != self.beat;
        if beats || slept {
            (self.beat, self.seen_at) = (beat, now);
        }
        if beats && std::mem::take(&mut self.told) {
            return Some(Heard::Beat);
        }
        let silence_ns = now.since(self.seen_at);
        if self.told || beat == Nanos(0) || silence_ns <= max_ns {
            return None;
        }
        self.told = true;
        Some(Heard::Silence(silence_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heart_that_stands_still_is_told_once_by_our_own_looks() {
        const MS: u64 = 1_000_000;
        let mut silence = Silence::default();
        let mut now = Nanos(1_000_000 * MS);
        let mut look = |beat: u64, millis: u64| {
            now = now.plus(millis * MS);
            silence.look(Nanos(beat), 2_000 * MS, now)
        };
        for _ in 0..100 {
            assert_eq!(look(0, 100), None, "it has never beaten");
        }
        for _ in 0..21 {
            assert_eq!(look(1, 100), None);
        }
        assert_eq!(look(1, 10_000), None, "we slept ourselves");
        for _ in 0..20 {
            assert_eq!(look(1, 100), None);
        }
        assert_eq!(look(1, 100), Some(Heard::Silence(2_100 * MS)));
        assert_eq!(look(1, 100), None, "told once");
        assert_eq!(look(1, 10_000), None, "also after a sleep");
        assert_eq!(look(2, 100), Some(Heard::Beat));
        for _ in 0..20 {
            assert_eq!(look(2, 100), None);
        }
        assert_eq!(look(2, 100), Some(Heard::Silence(2_100 * MS)), "and again");
    }
}

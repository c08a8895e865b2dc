//! When to try again after a connection was lost.

use super::NetOptions;
use std::time::Duration;

/// Counts attempts in a row that came to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The connection was good: the next loss is retried at once.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Wait before the next attempt: nothing at first, then between half and the whole of a bound
    /// that doubles from twice `backoff_min` up to `backoff_max`. The jitter keeps connections that
    /// were lost together from coming back together.
    pub(super) fn next(&mut self, options: &NetOptions, random: u64) -> Duration {
        let failures = self.failures;
        self.failures = failures.saturating_add(1);
        if failures == 0 {
            return Duration::ZERO;
        }
        let bound = options.backoff_min.saturating_mul(1 << failures.min(20));
        let half = bound.min(options.backoff_max).as_nanos() as u64 / 2;
        Duration::from_nanos(half + random % (half + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_retry_is_at_once_and_the_rest_ever_later() {
        let options = NetOptions::default();
        let (mut short, mut long) = (Backoff::default(), Backoff::default());
        assert_eq!(short.next(&options, 7), Duration::ZERO);
        assert_eq!(long.next(&options, 7), Duration::ZERO);
        for seconds in [1, 2, 4, 8, 16, 30, 30, 30] {
            let bound = Duration::from_secs(seconds);
            let half = bound.as_nanos() as u64 / 2;
            assert_eq!(short.next(&options, 0), bound / 2);
            assert_eq!(long.next(&options, half), bound);
        }
        for _ in 0..100 {
            assert!(long.next(&options, u64::MAX) <= options.backoff_max);
        }
        long.reset();
        assert_eq!(long.next(&options, 7), Duration::ZERO);
    }
}

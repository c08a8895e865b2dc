//! How often something that goes on is told again.

use super::Nanos;

const SECOND_NS: u64 = 1_000_000_000;
/// The longest pause.
const PAUSE_MAX_NS: u64 = 60 * SECOND_NS;

/// Something that may happen thousands of times is told at once, then after a second, then after twice
/// as long each time, up to a minute. After a quiet time it begins anew.
#[derive(Clone, Copy, Debug, Default)]
pub struct Repeats {
    told: Nanos,
    pause_ns: u64,
}

impl Repeats {
    /// Whether it is to be told now that it has happened; counts as told then.
    pub fn is_due(&mut self, now: Nanos) -> bool {
        let passed = now.since(self.told);
        let first = self.told == Nanos(0);
        if !first && passed < self.pause_ns {
            return false;
        }
        let quiet = first || passed >= 2 * self.pause_ns;
        self.pause_ns = if quiet { SECOND_NS } else { PAUSE_MAX_NS.min(2 * self.pause_ns) };
        self.told = now;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds at which something that happens ten times a second is told.
    fn told(repeats: &mut Repeats, seconds: std::ops::Range<u64>) -> Vec<u64> {
        let tenths = seconds.start * 10..seconds.end * 10;
        let due = tenths.filter(|at| repeats.is_due(Nanos(at * SECOND_NS / 10)));
        due.map(|at| at / 10).collect()
    }

    #[test]
    fn what_goes_on_is_told_less_and_less_often_and_after_a_quiet_time_at_once() {
        let mut repeats = Repeats::default();
        assert_eq!(told(&mut repeats, 10..30), [10, 11, 13, 17, 25]);
        assert_eq!(told(&mut repeats, 30..300), [41, 73, 133, 193, 253]);
        assert_eq!(told(&mut repeats, 1_000..1_004), [1_000, 1_001, 1_003]);
    }
}

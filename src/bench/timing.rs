//! A clock for short stretches: the CPU's time stamp counter, with its own cost taken off.

use quanta::Clock;

/// Reads the counter and turns differences into picoseconds.
#[derive(Clone, Debug)]
pub struct Timer {
    clock: Clock,
    /// What two readings one after the other are apart, at least.
    own_ticks: u64,
    ps_per_tick: f64,
}

impl Timer {
    /// Calibrates; takes some milliseconds.
    #[must_use]
    pub fn new() -> Self {
        let clock = Clock::new();
        // Long enough that the rounding of a nanosecond does not show.
        let ticks = 1 << 40;
        let ps_per_tick = clock.delta_as_nanos(0, ticks) as f64 * 1000.0 / ticks as f64;
        let pair = |_| {
            let start = clock.raw();
            clock.raw() - start
        };
        let own_ticks = (0..10_000).map(pair).min().unwrap_or(0);
        Self { clock, own_ticks, ps_per_tick }
    }

    /// The counter.
    #[inline(always)]
    #[must_use]
    pub fn raw(&self) -> u64 {
        self.clock.raw()
    }

    /// Picoseconds between two readings, less what reading costs.
    #[inline]
    #[must_use]
    pub fn between(&self, start: u64, end: u64) -> u64 {
        let ticks = end.saturating_sub(start).saturating_sub(self.own_ticks);
        (ticks as f64 * self.ps_per_tick) as u64
    }

    /// What reading the clock costs, picoseconds.
    #[must_use]
    pub fn own_ps(&self) -> u64 {
        (self.own_ticks as f64 * self.ps_per_tick) as u64
    }

    /// Picoseconds that `work` takes.
    #[inline]
    pub fn time<T>(&self, work: impl FnOnce() -> T) -> (u64, T) {
        let start = self.raw();
        let result = work();
        (self.between(start, self.raw()), result)
    }
}

impl Default for Timer {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_sleep_is_measured_in_picoseconds() {
        let timer = Timer::new();
        let (ps, ()) = timer.time(|| std::thread::sleep(Duration::from_millis(20)));
        assert!((19_000_000_000..2_000_000_000_000).contains(&ps), "{ps}");
        assert!(timer.own_ps() < 1_000_000, "{}", timer.own_ps());
    }
}

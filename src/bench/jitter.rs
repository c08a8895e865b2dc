//! How often a CPU is taken away from a thread that never gives it up.
//!
//! A spinner pinned to the CPU reads the clock as fast as it can: two readings that are further
//! apart than reading costs are a gap. On an isolated, tickless CPU there are none.

use super::{BenchOptions, Measured, Timer};
use crate::agents::pin;
use std::thread;
use std::time::Duration;

/// Each CPU is watched so long in a run.
const WATCH: Duration = Duration::from_secs(1);
/// Shorter ones are the clock's own noise.
const GAP_MIN_PS: u64 = 200_000;
/// Counted above these, nanoseconds.
const COUNTED_NS: [u64; 3] = [1_000, 10_000, 100_000];

/// Gaps of one CPU.
#[derive(Default)]
struct Gaps {
    ps: Vec<u64>,
    watched_ps: u64,
}

/// Measures every CPU of the options, one after the other.
pub fn jitter(options: &BenchOptions) -> Result<Measured, String> {
    if options.cpus.is_empty() {
        return Err("jitter needs a CPU".to_owned());
    }
    let timer = Timer::new();
    let mut measured = Measured::default();
    let mut all: Vec<Gaps> = options.cpus.iter().map(|_| Gaps::default()).collect();
    for _ in 0..options.runs {
        for (&cpu, all) in options.cpus.iter().zip(&mut all) {
            let gaps = thread::scope(|scope| {
                let spinner = scope.spawn(|| pin(cpu).map(|()| spin(&timer, WATCH)));
                spinner.join().map_err(|_| "the spinner panicked".to_owned())?
            })?;
            let what = format!("CPU {cpu}: time in which it was taken away, of each gap");
            let series = measured.series(&format!("cpu{cpu}"), &what);
            series.begin();
            gaps.ps.iter().for_each(|ps| series.record(*ps));
            all.watched_ps += gaps.watched_ps;
            all.ps.extend(gaps.ps);
        }
    }
    for (cpu, gaps) in options.cpus.iter().zip(&all) {
        measured.values.extend(summary(*cpu, gaps));
    }
    Ok(measured)
}

fn spin(timer: &Timer, watch: Duration) -> Gaps {
    let mut gaps = Gaps { ps: Vec::with_capacity(100_000), watched_ps: 0 };
    let start = timer.raw();
    let end_ps = watch.as_nanos() as u64 * 1000;
    let mut last = start;
    loop {
        let now = timer.raw();
        let gap = timer.between(last, now);
        if gap >= GAP_MIN_PS {
            if gaps.ps.len() < gaps.ps.capacity() {
                gaps.ps.push(gap);
            }
            gaps.watched_ps = timer.between(start, now);
            if gaps.watched_ps >= end_ps {
                return gaps;
            }
        } else if now & 0xff == 0 && timer.between(start, now) >= end_ps {
            gaps.watched_ps = timer.between(start, now);
            return gaps;
        }
        last = now;
    }
}

/// Gaps a second above each bound, and the share of the time that they took.
fn summary(cpu: usize, gaps: &Gaps) -> Vec<(String, f64)> {
    let seconds = gaps.watched_ps as f64 / 1e12;
    let mut values = Vec::new();
    for bound in COUNTED_NS {
        let count = gaps.ps.iter().filter(|ps| **ps > bound * 1000).count();
        let rate = if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        values.push((format!("cpu{cpu}.gaps_above_{}us_per_s", bound / 1000), rate));
    }
    let lost: u64 = gaps.ps.iter().sum();
    values.push((format!("cpu{cpu}.lost_share"), lost as f64 / gaps.watched_ps.max(1) as f64));
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_counted_by_their_bounds() {
        let ps = vec![500_000, 1_500_000, 20_000_000, 200_000_000, 100_000_000];
        let gaps = Gaps { ps, watched_ps: 2_000_000_000_000 };
        let expected = [
            ("cpu3.gaps_above_1us_per_s", 2.0),
            ("cpu3.gaps_above_10us_per_s", 1.5),
            ("cpu3.gaps_above_100us_per_s", 0.5),
            ("cpu3.lost_share", 322e6 / 2e12),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(summary(3, &gaps), expected);
    }

    #[test]
    fn spinning_ends_by_itself_and_knows_how_long_it_was() {
        let gaps = spin(&Timer::new(), Duration::from_millis(5));
        assert!(gaps.watched_ps >= 4_900_000_000, "{}", gaps.watched_ps);
        assert!(gaps.ps.iter().sum::<u64>() <= gaps.watched_ps);
    }
}

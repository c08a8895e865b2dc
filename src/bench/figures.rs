//! What is measured, and how runs of it become one figure.

use hdrhistogram::Histogram;
use serde::Serialize;

/// Longest duration that is told apart, picoseconds: a minute.
const LONGEST_PS: u64 = 60_000_000_000_000;

/// Durations of one thing, picoseconds, one histogram a run.
#[derive(Clone, Debug)]
pub struct Series {
    /// `top.folded`: what a script asks for.
    pub name: String,
    /// What it is, for people.
    pub what: String,
    runs: Vec<Histogram<u64>>,
}

/// A series as one line: medians over the runs, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figure {
    /// Half were not longer.
    pub p50_ns: f64,
    /// 99 of 100 were not longer.
    pub p99_ns: f64,
    /// 999 of 1000 were not longer.
    pub p999_ns: f64,
    /// The longest of all runs.
    pub max_ns: f64,
    /// Of one run, the median over the runs.
    pub mean_ns: f64,
    /// Smallest and largest p50 of a run.
    pub p50_min_ns: f64,
    /// See [`Figure::p50_min_ns`].
    pub p50_max_ns: f64,
    /// Durations of all runs.
    pub count: u64,
    /// Runs.
    pub runs: usize,
}

/// One figure against another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// What a script asks for.
    pub name: String,
    /// What it is, for people: `simd-json tape / scanner`.
    pub what: String,
    /// The median over the runs of the ratio within a run.
    pub ratio: f64,
}

/// Everything that one bench has measured.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Durations.
    pub series: Vec<Series>,
    /// Comparisons.
    pub ratios: Vec<Ratio>,
    /// Single numbers that are no durations, by name and unit: `memory.per_instrument_bytes`.
    pub values: Vec<(String, f64)>,
    /// What the reader must know.
    pub notes: Vec<String>,
}

impl Series {
    /// Nothing measured yet.
    #[must_use]
    pub fn new(name: impl Into<String>, what: impl Into<String>) -> Self {
        Self { name: name.into(), what: what.into(), runs: Vec::new() }
    }

    /// Begins the next run.
    pub fn begin(&mut self) {
        let made = Histogram::new_with_bounds(1, LONGEST_PS, 3);
        self.runs.push(made.expect("the bounds are constant and right"));
    }

    /// Adds a duration to the run, picoseconds.
    pub fn record(&mut self, ps: u64) {
        if self.runs.is_empty() {
            self.begin();
        }
        if let Some(run) = self.runs.last_mut() {
            run.saturating_record(ps.max(1));
        }
    }

    /// Adds `count` durations of the same length to the run, picoseconds.
    pub fn record_many(&mut self, ps: u64, count: u64) {
        if self.runs.is_empty() {
            self.begin();
        }
        if let Some(run) = self.runs.last_mut() {
            run.saturating_record_n(ps.max(1), count);
        }
    }

    /// The runs, durations in picoseconds.
    #[must_use]
    pub fn runs(&self) -> &[Histogram<u64>] {
        &self.runs
    }

    /// All runs as one, durations in picoseconds.
    #[must_use]
    pub fn all(&self) -> Option<Histogram<u64>> {
        let mut runs = self.runs.iter();
        let mut all = runs.next()?.clone();
        for run in runs {
            all.add(run).ok()?;
        }
        Some(all)
    }

    /// A quantile of every run, nanoseconds.
    fn quantiles(&self, q: f64) -> Vec<f64> {
        self.runs.iter().map(|run| ns(run.value_at_quantile(q))).collect()
    }

    /// The runs as one line.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let p50 = self.quantiles(0.5);
        let least = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
        let maxima: Vec<f64> = self.runs.iter().map(|run| ns(run.max())).collect();
        let means = self.runs.iter().map(|run| run.mean() / 1000.0).collect();
        Figure {
            p50_ns: median(p50.clone()),
            p99_ns: median(self.quantiles(0.99)),
            p999_ns: median(self.quantiles(0.999)),
            max_ns: most(&maxima),
            mean_ns: median(means),
            p50_min_ns: if p50.is_empty() { 0.0 } else { least(&p50) },
            p50_max_ns: most(&p50),
            count: self.runs.iter().map(Histogram::len).sum(),
            runs: self.runs.len(),
        }
    }
}

impl Measured {
    /// The series with this name, made at its first use.
    pub fn series(&mut self, name: &str, what: &str) -> &mut Series {
        let at = self.series.iter().position(|series| series.name == name);
        let at = at.unwrap_or_else(|| {
            self.series.push(Series::new(name, what));
            self.series.len() - 1
        });
        &mut self.series[at]
    }

    /// The series with this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Series> {
        self.series.iter().find(|series| series.name == name)
    }

    /// Takes in what another bench has measured, under its name.
    pub fn take_in(&mut self, bench: &str, other: Self) {
        let named = |name: &str| format!("{bench}.{name}");
        self.series.extend(
            other.series.into_iter().map(|series| Series { name: named(&series.name), ..series }),
        );
        let ratios = other.ratios.into_iter();
        self.ratios.extend(ratios.map(|ratio| Ratio { name: named(&ratio.name), ..ratio }));
        self.values.extend(other.values.into_iter().map(|(name, value)| (named(&name), value)));
        self.notes.extend(other.notes.into_iter().map(|note| format!("{bench}: {note}")));
    }

    /// Adds the ratio of two medians; the runs are paired, as they were measured side by side.
    /// Nothing is added if one of them was not measured.
    pub fn compare(&mut self, name: &str, what: &str, above: &str, below: &str) {
        let p50 = |name: &str| self.find(name).map(|series| series.quantiles(0.5));
        let (Some(above), Some(below)) = (p50(above), p50(below)) else { return };
        let pairs = above.iter().zip(&below).filter(|(_, below)| **below > 0.0);
        let ratios: Vec<f64> = pairs.map(|(above, below)| above / below).collect();
        if !ratios.is_empty() {
            let ratio = median(ratios);
            self.ratios.push(Ratio { name: name.to_owned(), what: what.to_owned(), ratio });
        }
    }
}

fn ns(ps: u64) -> f64 {
    ps as f64 / 1000.0
}

/// The middle value, or the mean of the two in the middle; 0 of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.len(), values.get(middle)) {
        (0, _) | (_, None) => 0.0,
        (len, Some(value)) if len % 2 == 1 => *value,
        (_, Some(value)) => (values[middle - 1] + value) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_the_median_of_the_runs() {
        let mut series = Series::new("a", "a");
        for run in [10_000, 30_000, 20_000] {
            series.begin();
            (0..100).for_each(|_| series.record(run));
            series.record(1_000_000);
        }
        let figure = series.figure();
        assert!((figure.p50_ns - 20.0).abs() < 0.1, "{figure:?}");
        assert!((figure.p50_min_ns - 10.0).abs() < 0.1 && (figure.p50_max_ns - 30.0).abs() < 0.1);
        assert!((figure.max_ns - 1000.0).abs() < 1.0, "{figure:?}");
        assert_eq!((figure.count, figure.runs), (303, 3));
        assert_eq!(Series::new("b", "b").figure(), Figure::default());
    }

    #[test]
    fn ratios_are_paired_by_run() {
        let mut measured = Measured::default();
        for (slow, fast) in [(400, 100), (900, 300), (1000, 200)] {
            for (name, value) in [("slow", slow), ("fast", fast)] {
                let series = measured.series(name, name);
                series.begin();
                series.record(value * 1000);
            }
        }
        measured.compare("slow_vs_fast", "slow / fast", "slow", "fast");
        measured.compare("nothing", "nothing", "slow", "missing");
        assert_eq!(measured.ratios.len(), 1);
        assert!((measured.ratios[0].ratio - 4.0).abs() < 0.01, "{:?}", measured.ratios);
    }
}

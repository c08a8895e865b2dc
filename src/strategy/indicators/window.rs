//! What is known of the last so many values, without ever taking a value out again.
//!
//! Sums that add the new value and subtract the old one drift, and one huge value spoils them for
//! good. Here the window is two parts: of the older one the results of all its ends are known, of the
//! newer one the result of all of it, and the two are joined. When the newer part is as long as the
//! window it becomes the older one, in one pass.

/// What can be joined: the result of some values with the result of those that follow them.
pub(super) trait Join: Copy {
    fn join(self, later: Self) -> Self;
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Window<T> {
    /// From `at` on: results of the older part's ends. Before `at`: the newer part, as it came.
    parts: Box<[T]>,
    at: usize,
    newer: Option<T>,
    full: bool,
}

impl<T: Join> Window<T> {
    /// Of `period` values, which is not 0; `empty` is never looked at.
    pub fn new(period: usize, empty: T) -> Self {
        Self { parts: vec![empty; period.max(1)].into(), at: 0, newer: None, full: false }
    }

    /// Takes a value; the result of the whole window once it is full.
    pub fn push(&mut self, value: T) -> Option<T> {
        let newer = self.newer.map_or(value, |newer| newer.join(value));
        self.newer = Some(newer);
        self.parts[self.at] = value;
        self.at += 1;
        if self.at < self.parts.len() {
            return self.full.then(|| self.parts[self.at].join(newer));
        }
        for at in (1..self.parts.len()).rev() {
            self.parts[at - 1] = self.parts[at - 1].join(self.parts[at]);
        }
        (self.at, self.newer, self.full) = (0, None, true);
        Some(newer)
    }
}

/// How many values, their mean, and the sum of their squared differences from it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moments {
    count: f64,
    pub mean: f64,
    squares: f64,
}

impl Moments {
    pub fn of(value: f64) -> Self {
        Self { count: 1.0, mean: value, squares: 0.0 }
    }

    /// Standard deviation of the values as a population.
    pub fn deviation(&self) -> f64 {
        (self.squares / self.count).sqrt()
    }

    /// Standard deviation of the population that the values are a sample of; two are needed.
    pub fn sample_deviation(&self) -> f64 {
        (self.squares / (self.count - 1.0)).sqrt()
    }
}

/// Chan, Golub, LeVeque: Updating Formulae and a Pairwise Algorithm for Computing Sample Variances
/// (1979).
impl Join for Moments {
    fn join(self, later: Self) -> Self {
        let count = self.count + later.count;
        let delta = later.mean - self.mean;
        let share = later.count / count;
        Self {
            count,
            mean: self.mean + delta * share,
            squares: self.squares + later.squares + delta * delta * self.count * share,
        }
    }
}

/// Highest and lowest.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Range {
    pub high: f64,
    pub low: f64,
}

impl Join for Range {
    fn join(self, later: Self) -> Self {
        Self { high: self.high.max(later.high), low: self.low.min(later.low) }
    }
}

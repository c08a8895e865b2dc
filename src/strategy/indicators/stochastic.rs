//! Stochastic oscillator: where the close lies in the range of the last bars.

use super::average::{Sma, sma};
use super::window::{Range, Window};
use super::{Bar, IndicatorError, checked, over_usable};

/// Periods of a [`Stochastic`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StochasticPeriods {
    /// Bars of the range.
    pub range: usize,
    /// Simple average that makes %K of the raw place; 1 is the fast form.
    pub smoothing: usize,
    /// Simple average that makes %D of %K.
    pub signal: usize,
}

/// 14, 3, 3: the slow form.
impl Default for StochasticPeriods {
    fn default() -> Self {
        Self { range: 14, smoothing: 3, signal: 3 }
    }
}

impl StochasticPeriods {
    fn check(self) -> Result<Self, IndicatorError> {
        checked("range", self.range, 1)?;
        checked("smoothing", self.smoothing, 1)?;
        checked("signal", self.signal, 1)?;
        Ok(self)
    }
}

/// What a [`Stochastic`] says, each from 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StochasticValue {
    /// Smoothed place of the close in the range.
    pub k: f64,
    /// Average of `k`.
    pub d: f64,
}

/// `100 x (close - lowest low) / (highest high - lowest low)` over the last bars, smoothed (%K), and
/// the average of that (%D). 50 where the range has no width. Says nothing before %D has begun.
///
/// Lane, Lane's Stochastics (1984). Reference: `STOCH` of TA-Lib.
#[derive(Clone, Debug)]
pub struct Stochastic {
    range: Window<Range>,
    k: Sma,
    d: Sma,
    value: Option<StochasticValue>,
    skipped: u64,
}

/// Where a close lies in a range.
fn place(close: f64, high: f64, low: f64) -> f64 {
    let width = high - low;
    if width > 0.0 { ((close - low) / width * 100.0).clamp(0.0, 100.0) } else { 50.0 }
}

impl Stochastic {
    /// With these periods.
    pub fn new(periods: StochasticPeriods) -> Result<Self, IndicatorError> {
        let StochasticPeriods { range, smoothing, signal } = periods.check()?;
        let range = Window::new(range, Range::default());
        let (k, d) = (Sma::new(smoothing)?, Sma::new(signal)?);
        Ok(Self { range, k, d, value: None, skipped: 0 })
    }

    /// Takes a bar.
    pub fn update(&mut self, bar: Bar) -> Option<StochasticValue> {
        if !bar.is_usable() {
            self.skipped += 1;
            return self.value;
        }
        if let Some(range) = self.range.push(Range { high: bar.high, low: bar.low })
            && let Some(k) = self.k.update(place(bar.close, range.high, range.low))
        {
            self.value = self.d.update(k).map(|d| StochasticValue { k, d });
        }
        self.value
    }

    /// The newest result.
    #[must_use]
    pub fn value(&self) -> Option<StochasticValue> {
        self.value
    }

    /// How many bars were left out.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}

/// [`Stochastic`] of a whole series.
pub fn stochastic(
    bars: &[Bar],
    periods: StochasticPeriods,
) -> Result<Vec<Option<StochasticValue>>, IndicatorError> {
    let StochasticPeriods { range, smoothing, signal } = periods.check()?;
    let kept: Vec<Bar> = bars.iter().copied().filter(Bar::is_usable).collect();
    let raw = kept.windows(range).map(|bars| {
        let high = bars.iter().map(|bar| bar.high).fold(f64::MIN, f64::max);
        let low = bars.iter().map(|bar| bar.low).fold(f64::MAX, f64::min);
        bars.last().map_or(50.0, |bar| place(bar.close, high, low))
    });
    let raw: Vec<f64> = raw.collect();
    let k: Vec<f64> = sma(&raw, smoothing)?.into_iter().flatten().collect();
    let d: Vec<f64> = sma(&k, signal)?.into_iter().flatten().collect();
    let ends = k.iter().skip(signal - 1).zip(d);
    let values = ends.map(|(k, d)| Some(StochasticValue { k: *k, d }));
    let waiting = range + smoothing + signal - 3;
    let results = std::iter::repeat_n(None, waiting).chain(values).take(kept.len()).collect();
    Ok(over_usable(bars, Bar::is_usable, |_| results))
}

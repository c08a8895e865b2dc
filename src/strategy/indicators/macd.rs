//! Moving average convergence divergence: how far a fast average is from a slow one.

use super::average::{Smoothed, ema, share_of, smoothed};
use super::{IndicatorError, checked, is_usable, over_usable};

/// Periods of a [`Macd`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacdPeriods {
    /// Of the fast average.
    pub fast: usize,
    /// Of the slow average.
    pub slow: usize,
    /// Of the average of their difference.
    pub signal: usize,
}

/// 12, 26, 9.
impl Default for MacdPeriods {
    fn default() -> Self {
        Self { fast: 12, slow: 26, signal: 9 }
    }
}

impl MacdPeriods {
    fn check(self) -> Result<Self, IndicatorError> {
        checked("fast", self.fast, 1)?;
        checked("slow", self.slow, 1)?;
        checked("signal", self.signal, 1)?;
        if self.fast < self.slow { Ok(self) } else { Err(IndicatorError::FastNotBelowSlow) }
    }
}

/// What a [`Macd`] says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MacdValue {
    /// Fast average less slow one.
    pub line: f64,
    /// Average of the line.
    pub signal: f64,
}

impl MacdValue {
    /// Line less signal.
    #[must_use]
    pub fn histogram(&self) -> f64 {
        self.line - self.signal
    }
}

/// Exponential averages of two periods, their difference, and its exponential average. Says nothing
/// before all three have begun. A series that does not move gives 0.
///
/// Appel, Technical Analysis: Power Tools for Active Investors (2005). Reference: three times `EMA` of
/// TA-Lib; its own `MACD` lets the fast average begin as late as the slow one, ours do not wait.
#[derive(Clone, Debug)]
pub struct Macd {
    fast: Smoothed,
    slow: Smoothed,
    signal: Smoothed,
    value: Option<MacdValue>,
    skipped: u64,
}

impl Macd {
    /// With these periods.
    pub fn new(periods: MacdPeriods) -> Result<Self, IndicatorError> {
        let MacdPeriods { fast, slow, signal } = periods.check()?;
        let [fast, slow, signal] = [fast, slow, signal].map(Smoothed::exponential);
        Ok(Self { fast, slow, signal, value: None, skipped: 0 })
    }

    /// Takes a value.
    pub fn update(&mut self, value: f64) -> Option<MacdValue> {
        if !is_usable(value) {
            self.skipped += 1;
            return self.value;
        }
        if let (Some(fast), Some(slow)) = (self.fast.push(value), self.slow.push(value)) {
            let line = fast - slow;
            self.value = self.signal.push(line).map(|signal| MacdValue { line, signal });
        }
        self.value
    }

    /// The newest result.
    #[must_use]
    pub fn value(&self) -> Option<MacdValue> {
        self.value
    }

    /// How many values were left out.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}

/// [`Macd`] of a whole series.
pub fn macd(
    values: &[f64],
    periods: MacdPeriods,
) -> Result<Vec<Option<MacdValue>>, IndicatorError> {
    let MacdPeriods { fast, slow, signal } = periods.check()?;
    let kept: Vec<f64> = values.iter().copied().filter(|value| is_usable(*value)).collect();
    let (fast, slow) = (ema(&kept, fast)?, ema(&kept, slow)?);
    let lines = fast.into_iter().zip(slow).map(|(fast, slow)| Some(fast? - slow?));
    let lines: Vec<Option<f64>> = lines.collect();
    let known: Vec<f64> = lines.iter().copied().flatten().collect();
    // A difference of two usable values may be larger than one: none is left out.
    let mut signals = smoothed(&known, signal, share_of(signal)).into_iter();
    let value = |line: Option<f64>| {
        let line = line?;
        Some(MacdValue { line, signal: signals.next().flatten()? })
    };
    let results = lines.into_iter().map(value).collect();
    Ok(over_usable(values, |value| is_usable(*value), |_| results))
}

//! Averages: simple, exponential, and Wilder's, which others are made of.

use super::window::{Moments, Window};
use super::{IndicatorError, checked, is_usable, moments, over_usable};

/// Simple moving average: the mean of the last `period` values.
///
/// Reference: `SMA` of TA-Lib.
#[derive(Clone, Debug)]
pub struct Sma {
    window: Window<Moments>,
    value: Option<f64>,
    skipped: u64,
}

impl Sma {
    /// Over `period` values.
    pub fn new(period: usize) -> Result<Self, IndicatorError> {
        let window = Window::new(checked("period", period, 1)?, Moments::default());
        Ok(Self { window, value: None, skipped: 0 })
    }

    /// Takes a value.
    pub fn update(&mut self, value: f64) -> Option<f64> {
        if is_usable(value) {
            self.value = self.window.push(Moments::of(value)).map(|moments| moments.mean);
        } else {
            self.skipped += 1;
        }
        self.value
    }

    /// The newest result.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.value
    }

    /// How many values were left out.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}

/// [`Sma`] of a whole series.
pub fn sma(values: &[f64], period: usize) -> Result<Vec<Option<f64>>, IndicatorError> {
    let period = checked("period", period, 1)?;
    Ok(over_usable(
        values,
        |value| is_usable(*value),
        |values| {
            let at =
                |end: usize| Some(moments(values.get((end + 1).checked_sub(period)?..=end)?).0);
            (0..values.len()).map(at).collect()
        },
    ))
}

/// An average that moves towards each value by a fixed share of the distance, and begins with the mean
/// of its first values.
#[derive(Clone, Debug)]
pub(super) struct Smoothed {
    period: usize,
    share: f64,
    seen: usize,
    value: f64,
}

impl Smoothed {
    fn new(period: usize, share: f64) -> Self {
        Self { period, share, seen: 0, value: 0.0 }
    }

    /// Share 2 / (period + 1).
    pub fn exponential(period: usize) -> Self {
        Self::new(period, share_of(period))
    }

    /// Share 1 / period: Wilder, New Concepts in Technical Trading Systems (1978).
    pub fn wilder(period: usize) -> Self {
        Self::new(period, 1.0 / period as f64)
    }

    pub fn push(&mut self, value: f64) -> Option<f64> {
        self.seen = (self.seen + 1).min(self.period + 1);
        let share = match self.seen <= self.period {
            true => 1.0 / self.seen as f64,
            false => self.share,
        };
        // With all of the distance the difference would lose what is small beside a huge one before.
        self.value = if share < 1.0 { self.value + (value - self.value) * share } else { value };
        (self.seen >= self.period).then_some(self.value)
    }
}

/// The same of a whole series, as the books write it: `share x value + (1 - share) x before`.
pub(super) fn smoothed(values: &[f64], period: usize, share: f64) -> Vec<Option<f64>> {
    let mut all = vec![None; values.len()];
    let Some(first) = values.get(..period) else { return all };
    let mut average = moments(first).0;
    all[period - 1] = Some(average);
    for (at, value) in values.iter().enumerate().skip(period) {
        average = share * value + (1.0 - share) * average;
        all[at] = Some(average);
    }
    all
}

/// Exponential moving average with share 2 / (period + 1), which begins with the mean of the first
/// `period` values.
///
/// Reference: `EMA` of TA-Lib.
#[derive(Clone, Debug)]
pub struct Ema {
    average: Smoothed,
    value: Option<f64>,
    skipped: u64,
}

impl Ema {
    /// Over `period` values.
    pub fn new(period: usize) -> Result<Self, IndicatorError> {
        let average = Smoothed::exponential(checked("period", period, 1)?);
        Ok(Self { average, value: None, skipped: 0 })
    }

    /// Takes a value.
    pub fn update(&mut self, value: f64) -> Option<f64> {
        if is_usable(value) {
            self.value = self.average.push(value);
        } else {
            self.skipped += 1;
        }
        self.value
    }

    /// The newest result.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.value
    }

    /// How many values were left out.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}

/// What the newest value counts in an exponential average.
pub(super) fn share_of(period: usize) -> f64 {
    2.0 / (period as f64 + 1.0)
}

/// [`Ema`] of a whole series.
pub fn ema(values: &[f64], period: usize) -> Result<Vec<Option<f64>>, IndicatorError> {
    let period = checked("period", period, 1)?;
    let average = |values: &[f64]| smoothed(values, period, share_of(period));
    Ok(over_usable(values, |value| is_usable(*value), average))
}

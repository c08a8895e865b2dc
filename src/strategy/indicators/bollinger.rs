//! Bollinger bands: an average and so many standard deviations around it.

use super::window::{Moments, Window};
use super::{IndicatorError, checked, checked_factor, is_usable, moments, over_usable};

/// What [`Bollinger`] says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bands {
    /// Middle plus so many deviations.
    pub upper: f64,
    /// Simple average.
    pub middle: f64,
    /// Middle less so many deviations.
    pub lower: f64,
}

impl Bands {
    fn new(middle: f64, distance: f64) -> Self {
        Self { upper: middle + distance, middle, lower: middle - distance }
    }

    /// Where a value lies: 0 on the lower band, 1 on the upper one, beyond them outside; 0.5 where
    /// the bands have no width.
    #[must_use]
    pub fn place(&self, value: f64) -> f64 {
        let width = self.upper - self.lower;
        if width > 0.0 { (value - self.lower) / width } else { 0.5 }
    }
}

/// The simple average of the last `period` values, and `factor` times their standard deviation (of
/// them as a population) above and below.
///
/// Bollinger, Bollinger on Bollinger Bands (2001). Reference: `BBANDS` of TA-Lib.
#[derive(Clone, Debug)]
pub struct Bollinger {
    window: Window<Moments>,
    factor: f64,
    value: Option<Bands>,
    skipped: u64,
}

impl Bollinger {
    /// Over `period` values; usual are 20 and a factor of 2.
    pub fn new(period: usize, factor: f64) -> Result<Self, IndicatorError> {
        let window = Window::new(checked("period", period, 1)?, Moments::default());
        Ok(Self { window, factor: checked_factor(factor)?, value: None, skipped: 0 })
    }

    /// Takes a value.
    pub fn update(&mut self, value: f64) -> Option<Bands> {
        if is_usable(value) {
            let moments = self.window.push(Moments::of(value));
            let bands = |of: Moments| Bands::new(of.mean, self.factor * of.deviation());
            self.value = moments.map(bands);
        } else {
            self.skipped += 1;
        }
        self.value
    }

    /// The newest result.
    #[must_use]
    pub fn value(&self) -> Option<Bands> {
        self.value
    }

    /// How many values were left out.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}

/// [`Bollinger`] of a whole series.
pub fn bollinger(
    values: &[f64],
    period: usize,
    factor: f64,
) -> Result<Vec<Option<Bands>>, IndicatorError> {
    let (period, factor) = (checked("period", period, 1)?, checked_factor(factor)?);
    Ok(over_usable(
        values,
        |value| is_usable(*value),
        |values| {
            let at = |end: usize| {
                let (mean, squares) = moments(values.get((end + 1).checked_sub(period)?..=end)?);
                Some(Bands::new(mean, factor * (squares / period as f64).sqrt()))
            };
            (0..values.len()).map(at).collect()
        },
    ))
}

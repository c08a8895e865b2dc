//! Average true range: how far prices move within one bar and from one to the next.

use super::average::{Smoothed, smoothed};
use super::{Bar, IndicatorError, checked, over_usable};

/// Wilder's average of the true range: the largest of high less low, and of the distances of both from
/// the close before. The first bar has no close before it: its range is high less low.
///
/// Wilder, New Concepts in Technical Trading Systems (1978), section III. Reference: `ATR` of TA-Lib,
/// which leaves out the first bar, behind a bar that lies inside the first one.
#[derive(Clone, Debug)]
pub struct Atr {
    average: Smoothed,
    close: Option<f64>,
    value: Option<f64>,
    skipped: u64,
}

impl Atr {
    /// Over `period` bars.
    pub fn new(period: usize) -> Result<Self, IndicatorError> {
        let average = Smoothed::wilder(checked("period", period, 1)?);
        Ok(Self { average, close: None, value: None, skipped: 0 })
    }

    /// Takes a bar.
    pub fn update(&mut self, bar: Bar) -> Option<f64> {
        if bar.is_usable() {
            let before = self.close.replace(bar.close).unwrap_or(bar.low);
            let range = bar.high.max(before) - bar.low.min(before);
            self.value = self.average.push(range);
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

    /// How many bars were left out.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}

/// [`Atr`] of a whole series.
pub fn atr(bars: &[Bar], period: usize) -> Result<Vec<Option<f64>>, IndicatorError> {
    let period = checked("period", period, 1)?;
    Ok(over_usable(bars, Bar::is_usable, |bars| {
        let first = bars.first().map(|bar| bar.high - bar.low);
        let later = bars.windows(2).map(|pair| {
            let (close, Bar { high, low, .. }) = (pair[0].close, pair[1]);
            (high - low).max((high - close).abs()).max((low - close).abs())
        });
        let ranges: Vec<f64> = first.into_iter().chain(later).collect();
        smoothed(&ranges, period, 1.0 / period as f64)
    }))
}

//! Relative strength index: how much of the last moves went up.

use super::average::{Smoothed, smoothed};
use super::{IndicatorError, checked, is_usable, over_usable};

/// What is smaller is no change: its averages would soon be too small to be told from nothing.
const CHANGE_MIN: f64 = 1e-150;

/// How far it went from one value to the next.
fn change(from: f64, to: f64) -> f64 {
    let change = to - from;
    if change.abs() < CHANGE_MIN { 0.0 } else { change }
}

/// Relative strength index, 0 to 100: `100 - 100 / (1 + gains / losses)` with Wilder's averages of the
/// gains and losses from value to value. 50 where there were neither, 100 without losses, 0 without
/// gains. The first result comes with the value after `period`.
///
/// Wilder, New Concepts in Technical Trading Systems (1978), section VI. References: the example of
/// StockCharts' ChartSchool, and `RSI` of TA-Lib.
#[derive(Clone, Debug)]
pub struct Rsi {
    gains: Smoothed,
    losses: Smoothed,
    last: Option<f64>,
    value: Option<f64>,
    skipped: u64,
}

impl Rsi {
    /// Over `period` changes.
    pub fn new(period: usize) -> Result<Self, IndicatorError> {
        let average = Smoothed::wilder(checked("period", period, 1)?);
        let losses = average.clone();
        Ok(Self { gains: average, losses, last: None, value: None, skipped: 0 })
    }

    /// Takes a value.
    pub fn update(&mut self, value: f64) -> Option<f64> {
        if !is_usable(value) {
            self.skipped += 1;
            return self.value;
        }
        if let Some(last) = self.last.replace(value) {
            let change = change(last, value);
            let gains = self.gains.push(change.max(0.0));
            let losses = self.losses.push((-change).max(0.0));
            self.value = gains.zip(losses).map(|(gains, losses)| match () {
                () if losses > 0.0 => 100.0 - 100.0 / (1.0 + gains / losses),
                () if gains > 0.0 => 100.0,
                () => 50.0,
            });
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

/// [`Rsi`] of a whole series.
pub fn rsi(values: &[f64], period: usize) -> Result<Vec<Option<f64>>, IndicatorError> {
    let period = checked("period", period, 1)?;
    Ok(over_usable(
        values,
        |value| is_usable(*value),
        |values| {
            let changes: Vec<f64> =
                values.windows(2).map(|pair| change(pair[0], pair[1])).collect();
            let part = |sign: f64| -> Vec<f64> {
                changes.iter().map(|change| (change * sign).max(0.0)).collect()
            };
            let share = 1.0 / period as f64;
            let gains = smoothed(&part(1.0), period, share);
            let losses = smoothed(&part(-1.0), period, share);
            let index = |(gains, losses): (Option<f64>, Option<f64>)| {
                let (gains, sum) = (gains?, gains? + losses?);
                Some(if sum > 0.0 { 100.0 * (gains / sum) } else { 50.0 })
            };
            let before = (!values.is_empty()).then_some(None);
            before.into_iter().chain(gains.into_iter().zip(losses).map(index)).collect()
        },
    ))
}

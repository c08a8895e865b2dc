//! Indicators: values of a series, one at a time or all at once.
//!
//! Each comes in two forms that give the same numbers. The streaming form is a struct: made once with
//! its periods checked, it takes a value and gives the newest result, `None` until it has seen enough;
//! it allocates nothing after that, and its work is constant (for those over a window: on average, as
//! one pass over the window is made each time that the window has been filled anew). The batch form is
//! a function over a slice, written the plain way and not by calling the other; its result has one
//! element for each one that it was given.
//!
//! What holds at the edges:
//! - A period of 0, or above [`PERIOD_MAX`], is an error.
//! - A value that cannot be used (not a number, infinite, beyond [`VALUE_MAX`]; a price that is not
//!   positive where a logarithm is taken; a bar whose high is below its low or whose close lies
//!   outside) is left out: the indicator stays as it was and says its result again. How many were left
//!   out is counted in `skipped`.
//! - Of a series that does not move: RSI 50, MACD, ATR and volatility 0, Stochastic 50, all Bollinger
//!   bands the value itself.
//!
//! Values are `f64` in whatever unit the caller counts: indicators are statistics, and no price or
//! quantity of an order is computed of them. What is computed of a book ([`book`]) takes the exact
//! integers of its levels.

#![forbid(unsafe_code)]

mod atr;
mod average;
mod bollinger;
pub mod book;
mod macd;
mod rsi;
mod stochastic;
#[cfg(test)]
mod tests;
mod volatility;
mod window;

pub use atr::{Atr, atr};
pub use average::{Ema, Sma, ema, sma};
pub use bollinger::{Bands, Bollinger, bollinger};
pub use macd::{Macd, MacdPeriods, MacdValue, macd};
pub use rsi::{Rsi, rsi};
pub use stochastic::{Stochastic, StochasticPeriods, StochasticValue, stochastic};
pub use volatility::{Volatility, volatility};

use std::fmt;

/// Longest period: more is a mistake, or a matter of longer klines.
pub const PERIOD_MAX: usize = 10_000;
/// Largest magnitude that is taken: squares and sums of such values are still finite.
pub const VALUE_MAX: f64 = 1e100;

/// Why an indicator cannot be made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum IndicatorError {
    /// A period is shorter than the indicator has a meaning for; 0 always is.
    TooShort {
        /// Which: `period`, `fast`, `signal` ...
        what: &'static str,
        /// As given.
        period: usize,
        /// Shortest.
        min: usize,
    },
    /// A period is longer than [`PERIOD_MAX`].
    TooLong {
        /// Which.
        what: &'static str,
        /// As given.
        period: usize,
    },
    /// The fast period of a MACD is not below its slow one.
    FastNotBelowSlow,
    /// A factor is negative, not a number or infinite.
    BadFactor(f64),
}

impl fmt::Display for IndicatorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { what, period, min } => {
                write!(f, "{what} = {period} is too short: at least {min}")
            }
            Self::TooLong { what, period } => {
                write!(f, "{what} = {period} is too long: at most {PERIOD_MAX}")
            }
            Self::FastNotBelowSlow => f.write_str("fast must be below slow"),
            Self::BadFactor(factor) => write!(f, "a factor of {factor} has no meaning"),
        }
    }
}

impl std::error::Error for IndicatorError {}

/// One bar of a series, in any one unit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bar {
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
}

impl Bar {
    /// Whether it can be used.
    fn is_usable(&self) -> bool {
        let finite = [self.high, self.low, self.close].into_iter().all(is_usable);
        finite && self.low <= self.close && self.close <= self.high
    }
}

fn is_usable(value: f64) -> bool {
    value.is_finite() && value.abs() <= VALUE_MAX
}

fn checked(what: &'static str, period: usize, min: usize) -> Result<usize, IndicatorError> {
    match period {
        _ if period < min => Err(IndicatorError::TooShort { what, period, min }),
        _ if period > PERIOD_MAX => Err(IndicatorError::TooLong { what, period }),
        _ => Ok(period),
    }
}

fn checked_factor(factor: f64) -> Result<f64, IndicatorError> {
    let good = is_usable(factor) && factor >= 0.0;
    if good { Ok(factor) } else { Err(IndicatorError::BadFactor(factor)) }
}

/// Computes over the usable elements of a slice and says for each of the others what was said last.
fn over_usable<T: Copy, R: Copy>(
    values: &[T],
    usable: impl Fn(&T) -> bool,
    compute: impl FnOnce(&[T]) -> Vec<Option<R>>,
) -> Vec<Option<R>> {
    let kept: Vec<T> = values.iter().copied().filter(|value| usable(value)).collect();
    let mut results = compute(&kept).into_iter();
    let mut last = None;
    let next = |value: &T| {
        if usable(value) {
            last = results.next().flatten();
        }
        last
    };
    values.iter().map(next).collect()
}

/// The plain mean and the sum of squared differences from it.
fn moments(values: &[f64]) -> (f64, f64) {
    // From the first value on, so that what does not move has no rounding.
    let first = values.first().copied().unwrap_or(0.0);
    let count = values.len().max(1) as f64;
    let mean = first + values.iter().map(|value| (value - first) / count).sum::<f64>();
    (mean, values.iter().map(|value| (value - mean).powi(2)).sum())
}

//! Volatility: how much the logarithms of prices scatter from one to the next.

use super::window::{Moments, Window};
use super::{IndicatorError, checked, is_usable, moments, over_usable};

/// Standard deviation of the last `period` log returns, as of a sample, for one step of the series:
/// times the root of the steps in a year it is the volatility of a year
/// ([`Volatility::over_steps`]). Prices that are not positive have no logarithm and are left out.
///
/// Hull, Options, Futures, and Other Derivatives, "Estimating Volatility from Historical Data".
/// Reference: `np.log(close).diff().rolling(20).std()` of pandas.
#[derive(Clone, Debug)]
pub struct Volatility {
    window: Window<Moments>,
    last: Option<f64>,
    value: Option<f64>,
    skipped: u64,
}

fn has_logarithm(price: f64) -> bool {
    is_usable(price) && price > 0.0
}

impl Volatility {
    /// Over `period` returns, at least two.
    pub fn new(period: usize) -> Result<Self, IndicatorError> {
        let window = Window::new(checked("period", period, 2)?, Moments::default());
        Ok(Self { window, last: None, value: None, skipped: 0 })
    }

    /// Takes a price.
    pub fn update(&mut self, price: f64) -> Option<f64> {
        if !has_logarithm(price) {
            self.skipped += 1;
            return self.value;
        }
        let log = price.ln();
        if let Some(last) = self.last.replace(log) {
            let moments = self.window.push(Moments::of(log - last));
            self.value = moments.map(|moments| moments.sample_deviation());
        }
        self.value
    }

    /// The newest result, of one step.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.value
    }

    /// The newest result, of so many steps: of 1-minute closes a day is 1 440 of them.
    #[must_use]
    pub fn over_steps(&self, steps: u32) -> Option<f64> {
        self.value.map(|value| value * f64::from(steps).sqrt())
    }

    /// How many prices were left out.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}

/// [`Volatility`] of a whole series.
pub fn volatility(prices: &[f64], period: usize) -> Result<Vec<Option<f64>>, IndicatorError> {
    let period = checked("period", period, 2)?;
    Ok(over_usable(
        prices,
        |price| has_logarithm(*price),
        |prices| {
            let returns: Vec<f64> =
                prices.windows(2).map(|pair| pair[1].ln() - pair[0].ln()).collect();
            let at = |end: usize| {
                // The return that ends at a price has the number before it.
                let (_, squares) = moments(returns.get(end.checked_sub(period)?..end)?);
                Some((squares / (period as f64 - 1.0)).sqrt())
            };
            (0..prices.len()).map(at).collect()
        },
    ))
}

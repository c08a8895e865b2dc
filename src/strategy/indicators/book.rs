//! What a book says of the next price: exact integers of its levels in, statistics out.
//!
//! Functions over levels ask nothing of the book's state; those over [`Best`] and [`Depth`] say nothing
//! unless the book is live. Quantities that are not positive count as nothing there.

use crate::shm::{Best, Depth};
use crate::types::{Level, Price, Qty, Rounding};

/// Quantity of the first `levels` levels.
fn total(side: &[Level], levels: usize) -> i128 {
    side.iter().take(levels).map(|level| i128::from(level.qty.0.max(0))).sum()
}

/// How much more is bid than offered on the first `levels` levels, as a share of both: -1 to 1. `None`
/// if there is neither.
///
/// `(bid - ask) / (bid + ask)`: Cartea, Jaimungal, Penalva, Algorithmic and High-Frequency Trading
/// (2015), "volume order imbalance".
#[must_use]
pub fn imbalance(bids: &[Level], asks: &[Level], levels: usize) -> Option<f64> {
    let (bid, ask) = (total(bids, levels), total(asks, levels));
    (bid + ask > 0).then(|| (bid - ask) as f64 / (bid + ask) as f64)
}

/// [`imbalance`] of a live book.
#[must_use]
pub fn depth_imbalance(depth: &Depth, levels: usize) -> Option<f64> {
    depth.is_live().then(|| imbalance(depth.bids(), depth.asks(), levels)).flatten()
}

/// Bid and ask, each weighted with the quantity of the other side, in units of a [`Price`]. `None` if
/// one side is empty.
///
/// `(bid x ask qty + ask x bid qty) / (bid qty + ask qty)`: Gatheral, Oomen, Zero-intelligence realized
/// variance estimation (2010); the weighted mid of Stoikov, The micro-price (2018).
#[must_use]
pub fn microprice(bid: Level, ask: Level) -> Option<f64> {
    if bid.qty <= Qty::ZERO || ask.qty <= Qty::ZERO {
        return None;
    }
    // From the bid on: the sum of two products of 64 bits need not fit 128.
    let (spread, weight) = (i128::from(ask.price.0) - i128::from(bid.price.0), bid.qty.0);
    let sum = i128::from(bid.qty.0) + i128::from(ask.qty.0);
    Some(bid.price.0 as f64 + spread as f64 * (weight as f64 / sum as f64))
}

/// [`microprice`] of a live book.
#[must_use]
pub fn best_microprice(best: &Best) -> Option<f64> {
    best.is_live().then(|| microprice(best.bid, best.ask)).flatten()
}

/// What an order of some size meets on one side of a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// Its size.
    pub qty: Qty,
    /// Price of the last level that it needs.
    pub worst: Price,
    /// Sum of price x quantity over the levels, in the product of their units.
    value: i128,
}

impl Sweep {
    /// The average price, rounded as told.
    #[must_use]
    pub fn price(&self, rounding: Rounding) -> Price {
        let qty = i128::from(self.qty.0);
        let down = self.value.div_euclid(qty);
        let up = i128::from(rounding == Rounding::Up && self.value.rem_euclid(qty) != 0);
        // An average of prices fits where the prices fit.
        Price(i64::try_from(down + up).unwrap_or(self.worst.0))
    }

    /// The average price in units of a [`Price`].
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.value as f64 / self.qty.0 as f64
    }
}

/// What an order of `size` pays on this side (asks for a buy, bids for a sell), best level first: the
/// volume-weighted average price to size. `None` if the size is not positive, or the levels do not hold
/// it: what lies below them is not known.
#[must_use]
pub fn vwap_to(levels: &[Level], size: Qty) -> Option<Sweep> {
    let (mut left, mut value) = (size.0, 0i128);
    for level in levels {
        if left <= 0 {
            break;
        }
        let take = left.min(level.qty.0.max(0));
        value = value.checked_add(i128::from(take) * i128::from(level.price.0))?;
        left -= take;
        if left == 0 {
            return Some(Sweep { qty: size, worst: level.price, value });
        }
    }
    None
}

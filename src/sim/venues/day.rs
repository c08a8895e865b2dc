//! Figures of a symbol since the start of the simulation, which stand for those of 24 hours.

#![forbid(unsafe_code)]

use rust_decimal::Decimal;

/// See the module's comment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Day {
    pub(super) first: Decimal,
    pub(super) last: Decimal,
    pub(super) high: Decimal,
    pub(super) low: Decimal,
    /// Base.
    pub(super) volume: Decimal,
    /// Quote.
    pub(super) turnover: Decimal,
}

impl Day {
    /// Before the first trade, which is at `price`.
    pub(super) fn new(price: Decimal) -> Self {
        Self { first: price, high: price, low: price, ..Self::default() }
    }

    /// Counts a trade.
    pub(super) fn trade(&mut self, price: Decimal, qty: Decimal) {
        self.last = price;
        self.high = self.high.max(price);
        self.low = self.low.min(price);
        self.volume += qty;
        self.turnover += price * qty;
    }

    /// Change since the first price as a ratio, cut to four decimals; zero before any trade.
    pub(super) fn change(&self) -> Decimal {
        if self.first.is_zero() {
            return Decimal::ZERO;
        }
        ((self.last - self.first) / self.first).trunc_with_scale(4)
    }
}

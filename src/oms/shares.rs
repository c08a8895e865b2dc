//! What each strategy's own fills have made of the position in each instrument.
//!
//! The sum over all strategies is the position of the instrument. What no strategy did (fills of
//! orders placed by hand) is the operator's. Closing orders of the operator are charged to the
//! strategies whose position they take back, in order of their numbers.

#![forbid(unsafe_code)]

use super::names::Renumbering;
use crate::types::{Amount, InstrumentId, StrategyId};
use serde::{Deserialize, Serialize};

/// Signed base units by instrument, then strategy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Shares {
    rows: Vec<Amount>,
}

impl Shares {
    pub(super) fn new(instruments: usize) -> Self {
        Self { rows: vec![Amount::ZERO; instruments * StrategyId::COUNT] }
    }

    fn of(&mut self, instrument: InstrumentId) -> &mut [Amount] {
        let start = instrument.index() * StrategyId::COUNT;
        self.rows.get_mut(start..start + StrategyId::COUNT).unwrap_or_default()
    }

    /// What a strategy holds in an instrument.
    #[must_use]
    pub fn get(&self, instrument: InstrumentId, strategy: StrategyId) -> Amount {
        let index = instrument.index() * StrategyId::COUNT + usize::from(strategy.0);
        let known = usize::from(strategy.0) < StrategyId::COUNT;
        self.rows.get(index).filter(|_| known).copied().unwrap_or_default()
    }

    /// A fill of a strategy's order.
    pub(super) fn add(&mut self, instrument: InstrumentId, strategy: StrategyId, change: Amount) {
        if let Some(row) = self.of(instrument).get_mut(usize::from(strategy.0)) {
            *row = Amount(row.0.saturating_add(change.0));
        }
    }

    /// A fill of an order that closes for everybody.
    pub(super) fn close(&mut self, instrument: InstrumentId, change: Amount) {
        let mut rest = change.0;
        for row in self.of(instrument) {
            if row.0.signum() * rest.signum() < 0 {
                let taken = row.0.unsigned_abs().min(rest.unsigned_abs()) as i128 * rest.signum();
                *row = Amount(row.0 + taken);
                rest -= taken;
            }
        }
        self.add(instrument, StrategyId::OPERATOR, Amount(rest));
    }

    /// The instrument was closed: strategies that stood against each other are even, and what is
    /// left is the operator's.
    pub(super) fn settle(&mut self, instrument: InstrumentId, left: Amount) {
        self.of(instrument).fill(Amount::ZERO);
        self.add(instrument, StrategyId::OPERATOR, left);
    }

    /// The strategies have other numbers now.
    pub(super) fn renumber(&mut self, numbers: &Renumbering) {
        for row in self.rows.chunks_mut(StrategyId::COUNT) {
            let mut next = [Amount::ZERO; StrategyId::COUNT];
            for (index, share) in row.iter().enumerate() {
                let to = &mut next[usize::from(numbers.of(StrategyId(index as u8)).0)];
                *to = Amount(to.0.saturating_add(share.0));
            }
            row.copy_from_slice(&next[..row.len()]);
        }
    }

    /// The same over other instruments.
    pub(super) fn moved(
        &self,
        instruments: usize,
        place: impl Fn(InstrumentId) -> Option<InstrumentId>,
    ) -> Self {
        let mut next = Self::new(instruments);
        for (index, share) in self.rows.iter().enumerate() {
            let strategy = StrategyId((index % StrategyId::COUNT) as u8);
            if let Some(instrument) = place(InstrumentId((index / StrategyId::COUNT) as u16)) {
                next.add(instrument, strategy, *share);
            }
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: InstrumentId = InstrumentId(1);

    fn sum(shares: &Shares) -> i128 {
        (0..64).map(|strategy| shares.get(A, StrategyId(strategy)).0).sum()
    }

    #[test]
    fn a_closing_fill_is_charged_in_order() {
        let mut shares = Shares::new(2);
        for (strategy, held) in [(0, 3), (1, -1), (2, 2)] {
            shares.add(A, StrategyId(strategy), Amount(held));
        }
        shares.close(A, Amount(-4));
        let held = |strategy| shares.get(A, StrategyId(strategy)).0;
        assert_eq!((held(0), held(1), held(2), held(63)), (0, -1, 1, 0));
        shares.settle(A, Amount(0));
        assert_eq!((0..64).map(|s| shares.get(A, StrategyId(s)).0.abs()).sum::<i128>(), 0);
        shares.close(A, Amount(5));
        assert_eq!(shares.get(A, StrategyId::OPERATOR), Amount(5), "nobody else's");
        assert_eq!(shares.get(InstrumentId(0), StrategyId::OPERATOR), Amount(0));
        assert_eq!(shares.get(A, StrategyId(64)), Amount(0));
    }

    proptest! {
        /// Shares always add up to the position.
        #[test]
        fn nothing_is_lost(steps in prop::collection::vec((0u8..64, -9i128..9, any::<bool>()), 0..60)) {
            let mut shares = Shares::new(2);
            let mut position = 0;
            for (strategy, change, close) in steps {
                position += change;
                if close {
                    shares.close(A, Amount(change));
                } else {
                    shares.add(A, StrategyId(strategy), Amount(change));
                }
                prop_assert_eq!(sum(&shares), position);
            }
            let moved = shares.moved(5, |id| (id == A).then_some(A));
            prop_assert_eq!(sum(&moved), position);
        }
    }
}

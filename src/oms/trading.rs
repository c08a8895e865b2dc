//! What may be traded, for the engine, each venue and each strategy: the strictest counts.

#![forbid(unsafe_code)]

use super::names::Renumbering;
use crate::types::{Scope, StrategyId, TradingState, VenueId};
use serde::{Deserialize, Serialize};

/// One state for each scope.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct TradingStates {
    engine: TradingState,
    venues: Vec<TradingState>,
    strategies: Vec<TradingState>,
}

impl TradingStates {
    /// Everything active.
    pub fn new(venues: usize) -> Self {
        Self {
            engine: TradingState::Active,
            venues: vec![TradingState::Active; venues],
            strategies: vec![TradingState::Active; StrategyId::COUNT],
        }
    }

    /// The same states over as many venues as there are now.
    pub fn resize(&mut self, venues: usize) {
        self.venues.resize(venues, TradingState::Active);
    }

    /// The strategies have other numbers now; who is new is active.
    pub fn renumber(&mut self, numbers: &Renumbering) {
        let mut next = vec![TradingState::Active; StrategyId::COUNT];
        for (index, state) in self.strategies.iter().enumerate().take(StrategyId::COUNT) {
            let strategy = StrategyId(index as u8);
            if !numbers.is_gone(strategy) {
                next[usize::from(numbers.of(strategy).0)] = *state;
            }
        }
        self.strategies = next;
    }

    /// The state that was set for a scope; `None` if there is no such scope.
    #[inline]
    pub fn get(&self, scope: Scope) -> Option<TradingState> {
        match scope {
            Scope::Engine => Some(self.engine),
            Scope::Venue(venue) => self.venues.get(usize::from(venue.0)).copied(),
            Scope::Strategy(strategy) => self.strategies.get(usize::from(strategy.0)).copied(),
        }
    }

    /// Sets the state of a scope. Whether it is another one now.
    pub fn set(&mut self, scope: Scope, state: TradingState) -> bool {
        let row = match scope {
            Scope::Engine => Some(&mut self.engine),
            Scope::Venue(venue) => self.venues.get_mut(usize::from(venue.0)),
            Scope::Strategy(strategy) => self.strategies.get_mut(usize::from(strategy.0)),
        };
        row.is_some_and(|row| std::mem::replace(row, state) != state)
    }

    /// What holds at a venue for any strategy.
    #[inline]
    pub fn at(&self, venue: VenueId) -> TradingState {
        self.engine.max(self.get(Scope::Venue(venue)).unwrap_or(TradingState::Halted))
    }

    /// What holds for a strategy at any venue.
    #[inline]
    pub fn of(&self, strategy: StrategyId) -> TradingState {
        self.engine.max(self.get(Scope::Strategy(strategy)).unwrap_or(TradingState::Halted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strictest_counts() {
        let mut states = TradingStates::new(2);
        let (venue, strategy) = (VenueId(1), StrategyId(3));
        assert_eq!((states.at(venue), states.of(strategy)), Default::default());
        assert!(states.set(Scope::Venue(venue), TradingState::ReduceOnly));
        assert!(!states.set(Scope::Venue(venue), TradingState::ReduceOnly), "the same again");
        assert_eq!(states.at(venue), TradingState::ReduceOnly);
        assert_eq!(states.at(VenueId(0)), TradingState::Active);
        assert!(states.set(Scope::Strategy(strategy), TradingState::Halted));
        assert_eq!(states.of(strategy), TradingState::Halted);
        assert_eq!(states.of(StrategyId(4)), TradingState::Active);
        assert!(states.set(Scope::Engine, TradingState::Halted));
        assert_eq!((states.at(VenueId(0)), states.of(StrategyId(4))), {
            (TradingState::Halted, TradingState::Halted)
        });
        assert!(states.set(Scope::Engine, TradingState::Active));
        assert_eq!(states.at(venue), TradingState::ReduceOnly, "what was set stays");
    }

    #[test]
    fn what_is_not_there_may_not_trade() {
        let mut states = TradingStates::new(1);
        assert_eq!(states.at(VenueId(1)), TradingState::Halted);
        assert_eq!(states.of(StrategyId(64)), TradingState::Halted);
        assert!(!states.set(Scope::Venue(VenueId(1)), TradingState::Active));
        assert_eq!(states.get(Scope::Strategy(StrategyId(64))), None);
    }
}

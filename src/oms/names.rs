//! Strategies keep what is theirs when their numbers change between two runs: orders, shares,
//! capital, signals with a contract, trading states and pace follow the name.
//!
//! A strategy that is not named any more has nobody to answer for it. Its orders are cancelled as
//! soon as their venues can be asked, what it held and what its last orders still fill is the
//! operator's (it counts for every limit of positions, and `stoop flatten` closes it), and its
//! signals with a contract are followed to their end, so that no leg stays naked. Its trading state
//! is forgotten. A strategy that is new begins with nothing, and active.
//!
//! Numbers that the run before had no name for stay as they are, unless a name has them now.

#![forbid(unsafe_code)]

use super::state::{Kept, State};
use crate::types::{Amount, StrategyId};

/// Where each number of the run before is now; a strategy that is gone is the operator's.
pub(super) struct Renumbering([StrategyId; StrategyId::COUNT]);

impl Renumbering {
    fn new(before: &[String], now: &[String]) -> Self {
        let mut places = std::array::from_fn(|index| StrategyId(index as u8));
        // Bounded, because both may be read from a file.
        let numbered = usize::from(StrategyId::OPERATOR.0);
        for (place, name) in places.iter_mut().take(numbered).zip(before) {
            let found = now.iter().take(numbered).position(|known| known == name);
            *place = found.map_or(StrategyId::OPERATOR, |index| StrategyId(index as u8));
        }
        // A number that nobody had makes way for the name that has it now.
        if !before.is_empty() {
            let taken = before.len().min(numbered)..now.len().min(numbered);
            places.get_mut(taken).into_iter().flatten().for_each(|it| *it = StrategyId::OPERATOR);
        }
        Self(places)
    }

    fn is_none(&self) -> bool {
        self.0.iter().enumerate().all(|(index, place)| usize::from(place.0) == index)
    }

    /// The number that a strategy has now.
    pub fn of(&self, strategy: StrategyId) -> StrategyId {
        self.0.get(usize::from(strategy.0)).copied().unwrap_or(strategy)
    }

    /// Whether nobody has the name of this number any more.
    pub fn is_gone(&self, strategy: StrategyId) -> bool {
        strategy != StrategyId::OPERATOR && self.of(strategy) == StrategyId::OPERATOR
    }
}

impl State {
    /// The state for strategies that are named in this order now.
    pub fn renumbered(mut self, before: &[String], now: &[String]) -> Self {
        let numbers = Renumbering::new(before, now);
        if numbers.is_none() {
            return self;
        }
        for slot in self.orders.slots() {
            let order = self.orders.get_mut(slot);
            order.cancel_wanted |= numbers.is_gone(order.strategy) && !order.state.is_terminal();
            order.strategy = numbers.of(order.strategy);
        }
        self.shares.renumber(&numbers);
        self.capital.renumber(&numbers);
        self.risk.renumber(&numbers);
        self.pairs.renumber(&numbers);
        self
    }
}

/// What a strategy has left that is not named any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphaned {
    /// Its name.
    pub name: String,
    /// Its orders that have not ended: they are cancelled.
    pub orders: usize,
    /// Instruments in which it held something, and how much, signed base units: the operator's now.
    pub held: Vec<(String, Amount)>,
}

impl Kept {
    /// What the strategies have left that are not among `names`; those that left nothing are not
    /// listed.
    #[must_use]
    pub fn orphaned(&self, names: &[String]) -> Vec<Orphaned> {
        let before = self.opening.options.strategies.iter().enumerate().take(StrategyId::COUNT - 1);
        let gone = before.filter(|(_, name)| !names.contains(name));
        let left = gone.map(|(index, name)| {
            let strategy = StrategyId(index as u8);
            let own = self.state.orders.iter_open().filter(|order| order.strategy == strategy);
            let shares = self
                .opening
                .instruments
                .iter()
                .map(|row| (row.name.clone(), self.state.shares.get(row.id, strategy)));
            let held = shares.filter(|(_, amount)| *amount != Amount::ZERO).collect();
            Orphaned { name: name.clone(), orders: own.count(), held }
        });
        left.filter(|row| row.orders > 0 || !row.held.is_empty()).collect()
    }
}

//! What the journal tells of now: orders that work and those that ended last, the last fills, signals
//! and events, and what the order manager does not allow; kept up to date input by input.

#![forbid(unsafe_code)]

use super::events::{EventRow, Events};
use super::fills::{FillRow, Fills};
use super::naming::Naming;
use super::orders::{OrderRow, touched};
use super::walk::Group;
use super::words;
use crate::oms::{Record, Replayed};
use crate::types::{
    FeeRate, InstrumentId, InstrumentTable, Nanos, PairOutcome, Scope, StrategyId, TradingState,
    VenueId,
};
use std::collections::VecDeque;

/// How many are kept of what has happened.
const KEPT: usize = 200;

/// What is known at one moment.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// Instruments and assets of the run.
    pub table: InstrumentTable,
    /// Names of its strategies.
    pub strategies: Vec<String>,
    /// Orders that have not ended, oldest first.
    pub open: Vec<OrderRow>,
    /// Orders of ours that have ended, oldest first.
    pub ended: VecDeque<OrderRow>,
    /// Fills, oldest first.
    pub fills: VecDeque<FillRow>,
    /// Signals with a contract that are done, oldest first; one that was opened again once more.
    pub pairs: VecDeque<(Nanos, PairOutcome)>,
    /// Events, oldest first; without signals whose legs ended as they should.
    pub events: VecDeque<EventRow>,
    /// Venues and strategies that may do less than the engine, in words.
    pub held: Vec<String>,
    /// Fee rates, by instrument, where the venue has stated them.
    pub fees: Vec<Option<FeeRate>>,
}

impl Recorded {
    /// Names of what it counts by numbers.
    #[must_use]
    pub fn names(&self) -> Naming<'_> {
        Naming { table: &self.table, strategies: &self.strategies }
    }

    /// Fee rates of an instrument, if the venue has stated them.
    #[must_use]
    pub fn fee(&self, instrument: InstrumentId) -> Option<FeeRate> {
        self.fees.get(instrument.index()).copied().flatten()
    }
}

/// Makes it of inputs.
#[derive(Debug)]
pub struct Fold {
    events: Events,
    fills: Fills,
    recorded: Recorded,
}

impl Fold {
    /// Begins with a state, if there is one.
    #[must_use]
    pub fn over(state: Option<&Replayed>, now: Nanos) -> Self {
        let (events, fills) = (Events::over(state, now), Fills::over(state));
        Self { events, fills, recorded: Recorded::default() }
    }

    /// Takes an input and what followed from it; `state` is the one after it.
    pub fn take(&mut self, group: &Group, state: &Replayed) {
        let recorded = &mut self.recorded;
        // Legs that ended as they should are among the pairs: they would hide all else here.
        let quiet = |event: &EventRow| event.kind == "legs" && event.level == "info";
        let events = self.events.take(group, state);
        for event in events.into_iter().filter(|event| !quiet(event)) {
            keep(&mut recorded.events, event);
        }
        if let Some(fill) = self.fills.take(group, state) {
            keep(&mut recorded.fills, fill);
        }
        for effect in &group.effects {
            if let Record::Pair(pair) = effect {
                keep(&mut recorded.pairs, (group.time, *pair));
            }
        }
        for id in touched(group, state) {
            let order = state.order(id).filter(|order| order.state.is_terminal());
            let Some(order) = order else { continue };
            recorded.ended.retain(|known| known.order != id);
            keep(&mut recorded.ended, OrderRow::of(order, &Naming::of(state)));
        }
    }

    /// What is known, with what a state tells by itself.
    pub fn show(&mut self, state: Option<&Replayed>) -> &Recorded {
        if let Some(state) = state {
            self.refresh(state);
        }
        &self.recorded
    }

    fn refresh(&mut self, state: &Replayed) {
        let names = Naming::of(state);
        let recorded = &mut self.recorded;
        recorded.table = state.instruments().clone();
        recorded.strategies = names.strategies.to_vec();
        let open = state.orders().iter().filter(|order| !order.state.is_terminal());
        recorded.open = open.map(|order| OrderRow::of(order, &names)).collect();
        recorded.open.sort_by_key(|row| (row.created, row.order));
        let venues = (0..state.options().venues.len()).map(|at| VenueId(at as u8));
        let strategies = (0..names.strategies.len()).map(|at| StrategyId(at as u8));
        let scopes = venues.map(Scope::Venue).chain(strategies.map(Scope::Strategy));
        let held = scopes.filter_map(|scope| {
            let of = state.trading_state_of(scope).filter(|of| *of != TradingState::Active)?;
            Some(format!("{} is {of}", words::scope(scope, &names)))
        });
        recorded.held = held.collect();
        recorded.fees = state.instruments().iter().map(|row| state.fee_rate(row.id)).collect();
    }
}

fn keep<T>(list: &mut VecDeque<T>, one: T) {
    if list.len() == KEPT {
        list.pop_front();
    }
    list.push_back(one);
}

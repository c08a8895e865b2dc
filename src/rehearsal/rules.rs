//! Rules that a recording changes: the engine hears of them as soon as the venues go by them, which is when
//! the recorder did. An engine beside real venues asks them from time to time instead.

use super::asking::fetch;
use crate::agents::{CHANGES_MAX, EngineSetup, RuleChange, RuleLook, RulePlan};
use crate::sim::InMemory;
use crate::types::{Nanos, VenueId};
use std::sync::mpsc::{Receiver, sync_channel};

/// See the module. By itself it tells nobody of anything.
#[derive(Default)]
pub(super) struct RuleNews {
    /// None if the engine is not to hear of changes.
    look: Option<RuleLook>,
    /// Changes that were told of.
    told: u64,
}

impl RuleNews {
    /// For an engine that has loaded its rules, and where they are told.
    pub fn new(setup: &EngineSetup<'_>) -> (Self, Receiver<RuleChange>) {
        let (to, changes) = sync_channel(CHANGES_MAX);
        let (table, log) = (setup.instruments.clone(), setup.log.named("rules"));
        let look = RulePlan::new(setup).look(table, (Some(to), None), log);
        (Self { look, told: 0 }, changes)
    }

    /// Tells of what has changed since the last time, as the venues list it now.
    pub fn look(&mut self, sim: &mut InMemory, venues: &[VenueId], now: Nanos) {
        let Some(look) = &mut self.look else { return };
        let changes = changes(sim, venues.len());
        if changes != self.told && look.look(&mut fetch(venues, sim, now), &|| now) {
            self.told = changes;
        }
    }
}

/// How often so many venues have changed rules.
pub(super) fn changes(sim: &InMemory, venues: usize) -> u64 {
    (0..venues).map(|slot| sim.exchange(slot).rule_changes()).sum()
}

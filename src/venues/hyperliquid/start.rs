//! What REST is asked for at the start and again now and then: the numbers of instruments, whose
//! address it is, leverages, how many actions are left.

#![forbid(unsafe_code)]

use super::super::Outbox;
use super::SECOND_NS;
use super::rest::Reading;
use super::trading::Core;
use crate::types::{Channel, Events, InstrumentId, Nanos, Readiness, VenueNotice};

/// Lists and limits again after so long, or after a failure.
const EVERY_NS: u64 = 300 * SECOND_NS;
const RETRY_NS: u64 = 2 * SECOND_NS;

/// How far it has come. One question at a time: the address has a limit of weights.
#[derive(Debug, Default)]
pub(super) struct Start {
    /// The lists that are needed have been read at least once.
    pub(super) lists_known: bool,
    /// Whose address it is was answered, or will not be.
    pub(super) role_known: bool,
    /// The address is no account.
    pub(super) refused: bool,
    /// Next place in the questions, and when it is due; none before REST is open.
    place: usize,
    due: Option<Nanos>,
    /// A question is under way.
    asked: bool,
}

impl Start {
    pub(super) fn on_close(&mut self) {
        (self.due, self.asked) = (None, false);
    }

    /// The question at hand is asked again, at this time.
    pub(super) fn ask_again(&mut self, at: Nanos) {
        (self.asked, self.due) = (false, Some(at));
    }

    pub(super) fn deadline(&self, rest_open: bool) -> Option<Nanos> {
        if rest_open && !self.asked { self.due } else { None }
    }
}

impl Core {
    pub(super) fn on_open_rest(&mut self, now: Nanos, events: &mut Events) {
        self.rest_open = true;
        self.rest_told = false;
        self.clock.on_open(now);
        (self.start.place, self.start.due, self.start.asked) = (0, Some(now), false);
        self.notice(events, VenueNotice::Readiness(Channel::Rest, Readiness::Joining));
        self.tell_rest(events);
    }

    /// Whether requests over REST can be made.
    pub(super) fn rest_ready(&self) -> bool {
        let start = &self.start;
        let known = start.lists_known && start.role_known && self.clock.is_known();
        self.rest_open && known && !start.refused
    }

    /// Tells once that REST is ready: it is the last to be.
    pub(super) fn tell_rest(&mut self, events: &mut Events) {
        if self.rest_ready() && self.margin.made && !std::mem::replace(&mut self.rest_told, true) {
            self.notice(events, VenueNotice::Readiness(Channel::Rest, Readiness::Ready));
        }
    }

    /// The question at this place.
    fn question(&self, place: usize) -> Option<Reading> {
        let lists = [(true, Reading::Meta), (false, Reading::SpotMeta)];
        let lists = lists.into_iter().filter(|(kind, _)| self.assets.has(*kind));
        let perpetuals = self.assets.instruments.of_venue(self.assets.venue);
        let perpetuals = perpetuals.filter(|instrument| instrument.is_perpetual());
        lists
            .map(|(_, reading)| reading)
            .chain([Reading::Role])
            .chain((self.signer.signer() != *self.signer.account()).then_some(Reading::Agent))
            .chain([Reading::Actions])
            .chain(perpetuals.map(|instrument| Reading::Leverage(instrument.id)))
            .nth(place)
    }

    /// Asks what is due.
    pub(super) fn run_start(&mut self, now: Nanos, out: &mut Outbox) {
        let due = self.start.deadline(self.rest_open).is_some_and(|due| due <= now);
        if !due {
            return;
        }
        let roles = [Reading::Role, Reading::Agent];
        let skip = |reading| roles.contains(&reading) && self.start.role_known;
        let mut place = self.start.place;
        while self.question(place).is_some_and(skip) {
            place += 1;
        }
        self.start.place = place;
        match self.question(place) {
            Some(reading) => self.start.asked = self.ask(reading, now, out).is_ok(),
            None => (self.start.place, self.start.due) = (0, Some(now.plus(EVERY_NS))),
        }
    }

    /// One of the questions was answered, or failed. Lists are asked for until they are known;
    /// whatever else fails waits for the next time.
    pub(super) fn on_start(&mut self, reading: Reading, answered: bool, now: Nanos) {
        let is_list = matches!(reading, Reading::Meta | Reading::SpotMeta);
        let own = self.signer.signer() == *self.signer.account();
        let start = &mut self.start;
        start.asked = false;
        let last_role = if own { Reading::Role } else { Reading::Agent };
        start.role_known |= reading == last_role;
        let is_needed = is_list || (matches!(reading, Reading::Leverage(_)) && !self.margin.made);
        if is_needed && !answered {
            start.due = Some(now.plus(RETRY_NS));
            return;
        }
        start.place += 1;
        start.due = Some(now);
        let last = [Reading::SpotMeta, Reading::Meta]
            .into_iter()
            .find(|list| self.assets.has(*list == Reading::Meta));
        self.start.lists_known |= Some(reading) == last;
        if matches!(reading, Reading::Leverage(_)) && self.question(self.start.place).is_none() {
            self.on_margins_known();
        }
    }

    /// The venue told a leverage.
    pub(super) fn learn_leverage(&mut self, id: InstrumentId, told: super::account::Leverage) {
        if let Some(known) = self.leverages.get_mut(id.index()) {
            *known = Some(told);
        }
    }
}

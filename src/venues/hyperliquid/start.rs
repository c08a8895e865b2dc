//! What REST is asked for at the start and again now and then: the numbers of instruments, whose
//! address it is, how its account is set up, leverages, how many actions are left.

#![forbid(unsafe_code)]

use super::super::Outbox;
use super::SECOND_NS;
use super::rest::Reading;
use super::trading::Core;
use crate::types::{AccountFlaw, Channel, Events, InstrumentId, Nanos, Readiness, VenueNotice};

/// Lists and limits again after so long, or after a failure.
const EVERY_NS: u64 = 300 * SECOND_NS;
const RETRY_NS: u64 = 2 * SECOND_NS;
/// The same for what it costs three times as much to ask.
const RETRY_ROLE_NS: u64 = 10 * SECOND_NS;
/// An account whose mode does not do is looked at again: a person can change it.
const UNFIT_RETRY_NS: u64 = 60 * SECOND_NS;
/// Leverages are asked for one by one, with a pause before each that is not known yet, and before each
/// that is: all at once they would use up what is left of the address's weights.
const LEVERAGE_EVERY_NS: u64 = 3 * SECOND_NS;
const LEVERAGE_AGAIN_NS: u64 = 10 * SECOND_NS;

/// How far it has come. One question at a time: the address has a limit of weights.
#[derive(Debug, Default)]
pub(super) struct Start {
    /// The lists that are needed have been read at least once.
    pub(super) lists_known: bool,
    /// Whose address it is was answered.
    pub(super) role_known: bool,
    /// The account's mode is one that the engine trades with.
    mode_known: bool,
    /// It was told that it is not.
    unfit: bool,
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
        let known = start.lists_known && start.role_known && start.mode_known;
        self.rest_open && known && self.clock.is_known() && !start.refused
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
            .chain([Reading::Mode, Reading::Actions])
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

    /// One of the questions was answered, or failed. What must be known is asked for until it is;
    /// whatever else fails waits for the next time.
    pub(super) fn on_start(&mut self, reading: Reading, answered: bool, now: Nanos) {
        let own = self.signer.signer() == *self.signer.account();
        let start = &mut self.start;
        start.asked = false;
        let last_role = if own { Reading::Role } else { Reading::Agent };
        start.role_known |= answered && reading == last_role;
        start.mode_known |= answered && reading == Reading::Mode && !start.unfit;
        let again_ns = match reading {
            Reading::Meta | Reading::SpotMeta if !answered => Some(RETRY_NS),
            Reading::Leverage(_) if !answered && !self.margin.made => Some(RETRY_NS),
            Reading::Role | Reading::Agent | Reading::Mode if !answered => Some(RETRY_ROLE_NS),
            Reading::Mode if !start.mode_known => Some(UNFIT_RETRY_NS),
            _ => None,
        };
        if let Some(pause_ns) = again_ns {
            start.due = Some(now.plus(pause_ns));
            return;
        }
        start.place += 1;
        let pause_ns = match self.question(self.start.place) {
            // Orders wait for it.
            Some(Reading::Leverage(_)) if !self.margin.made => 0,
            Some(Reading::Leverage(id)) => match self.leverages.get(id.index()) {
                Some(Some(_)) => LEVERAGE_AGAIN_NS,
                _ => LEVERAGE_EVERY_NS,
            },
            _ => 0,
        };
        self.start.due = Some(now.plus(pause_ns));
        let last = [Reading::SpotMeta, Reading::Meta]
            .into_iter()
            .find(|list| self.assets.has(*list == Reading::Meta));
        self.start.lists_known |= Some(reading) == last;
        if matches!(reading, Reading::Leverage(_)) && self.question(self.start.place).is_none() {
            self.on_margins_known();
        }
    }

    /// The account's mode was told; one that does not do is told of once.
    pub(super) fn on_mode(&mut self, fits: bool, events: &mut Events) {
        let told = std::mem::replace(&mut self.start.unfit, !fits);
        if !fits && !told {
            self.notice(events, VenueNotice::AccountUnfit(AccountFlaw::AccountMode));
        }
    }

    /// The venue told a leverage.
    pub(super) fn learn_leverage(&mut self, id: InstrumentId, told: super::account::Leverage) {
        if let Some(known) = self.leverages.get_mut(id.index()) {
            *known = Some(told);
        }
    }
}

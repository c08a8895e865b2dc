//! The cancel of all orders of an instrument: listed, cancelled, and looked for again until none is
//! left.
//!
//! A list shows the state of one block. What was sent just before is not in it yet, and what nobody
//! answered may land until it expires; so a list without orders ends the search only if it was asked
//! for after that. One list is of all instruments, and serves all that are searched.

#![forbid(unsafe_code)]

use super::super::flight::Ask;
use super::super::verdict::Verdict;
use super::super::{DecodeError, EncodeError, Outbox, Value};
use super::actions::Action;
use super::replies::{Reply, statuses};
use super::rest::Reading;
use super::trading::Core;
use super::{SECOND_NS, errors};
use crate::types::{Channel, Events, InstrumentId, Nanos, RejectReason, VenueNotice};

/// Pauses before the next look: a quarter of what the search took so far, within these. A list costs
/// a sixtieth of what the address may ask for in a minute.
const PAUSE_MIN_NS: u64 = SECOND_NS / 2;
const PAUSE_MAX_NS: u64 = 2 * SECOND_NS;
/// A list may lack what was sent so long before it was asked for, although the venue took it.
const LIST_LAG_NS: u64 = 2 * SECOND_NS;
/// The search is given up so long after the last order that was there at its start must have landed.
const GIVE_UP_NS: u64 = 10 * SECOND_NS;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The next look is due.
    Due(Nanos),
    /// The list was asked for at this time.
    Listing(Nanos),
    Cancelling,
}

/// The search of one instrument.
#[derive(Clone, Copy, Debug)]
struct Search {
    instrument: InstrumentId,
    began: Nanos,
    give_up: Nanos,
    step: Step,
}

impl Search {
    fn again(&mut self, now: Nanos) {
        let pause_ns = (now.since(self.began) / 4).clamp(PAUSE_MIN_NS, PAUSE_MAX_NS);
        self.step = Step::Due(now.plus(pause_ns));
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Searches {
    open: Vec<Search>,
    /// By instrument: from when on a list holds every order that was sent and works.
    landed: Vec<Nanos>,
    /// The same for what others sent before this connector first connected.
    before: Option<Nanos>,
}

impl Searches {
    pub(super) fn new(instruments: usize) -> Self {
        Self { open: Vec::new(), landed: vec![Nanos(0); instruments], before: None }
    }

    pub(super) fn deadline(&self, rest_open: bool) -> Option<Nanos> {
        let listing = self.open.iter().any(|search| matches!(search.step, Step::Listing(_)));
        let due = self.open.iter().filter_map(|search| match search.step {
            Step::Due(due) if rest_open && !listing => Some(due),
            _ => None,
        });
        due.chain(self.open.iter().map(|search| search.give_up)).min()
    }

    fn landed(&self, id: InstrumentId) -> Nanos {
        let own = self.landed.get(id.index()).copied().unwrap_or_default();
        own.max(self.before.unwrap_or_default())
    }

    fn step(&mut self, id: InstrumentId, step: Step) {
        if let Some(search) = self.open.iter_mut().find(|search| search.instrument == id) {
            search.step = step;
        }
    }

    /// The next look, after a pause.
    fn again(&mut self, id: InstrumentId, now: Nanos) {
        if let Some(search) = self.open.iter_mut().find(|search| search.instrument == id) {
            search.again(now);
        }
    }

    /// When the list under way was asked for, if it is for this instrument.
    fn listing(&self, id: InstrumentId) -> Option<Nanos> {
        let search = self.open.iter().find(|search| search.instrument == id)?;
        if let Step::Listing(asked) = search.step { Some(asked) } else { None }
    }

    fn close(&mut self, id: InstrumentId) -> bool {
        let before = self.open.len();
        self.open.retain(|search| search.instrument != id);
        self.open.len() < before
    }
}

impl Core {
    /// A connection is there: what another sent for this account may still be on its way.
    pub(super) fn on_first_open(&mut self, now: Nanos) {
        let window_ns = self.window_ns();
        self.searches.before.get_or_insert(now.plus(window_ns + LIST_LAG_NS));
    }

    /// How long an order may be on its way.
    pub(super) fn window_ns(&self) -> u64 {
        self.window_ms.saturating_mul(1_000_000)
    }

    /// An order was sent just now, or was lost on its way: it may land for so much longer.
    pub(super) fn on_placed(&mut self, ask: &Ask, sent: Nanos, lost: bool) {
        let (Ask::New(_) | Ask::Replace(_), Some((_, _, id))) = (ask, ask.order()) else { return };
        let longest_ns = if lost { self.window_ns() } else { 0 };
        if let Some(landed) = self.searches.landed.get_mut(id.index()) {
            *landed = (*landed).max(sent.plus(longest_ns + LIST_LAG_NS));
        }
    }

    /// Cancels all orders of an instrument; a search that is under way answers this too.
    pub(super) fn cancel_all(
        &mut self,
        id: InstrumentId,
        now: Nanos,
        out: &mut Outbox,
    ) -> Result<(), EncodeError> {
        if !self.rest_ready() {
            return Err(EncodeError::NotReady);
        }
        self.assets.instrument(id).ok_or(EncodeError::UnknownInstrument)?;
        if self.searches.open.iter().any(|search| search.instrument == id) {
            return Ok(());
        }
        let give_up = now.plus(self.window_ns() + LIST_LAG_NS + GIVE_UP_NS);
        self.searches.open.push(Search {
            instrument: id,
            began: now,
            give_up,
            step: Step::Due(now),
        });
        let asked = self.look(now, out);
        if asked.is_err() {
            self.searches.close(id);
        }
        asked
    }

    /// Looks where that is due, and gives up where it took too long.
    pub(super) fn run_searches(&mut self, now: Nanos, out: &mut Outbox, events: &mut Events) {
        let late = |searches: &Searches| {
            let search = searches.open.iter().find(|search| search.give_up <= now)?;
            Some(search.instrument)
        };
        while let Some(id) = late(&self.searches) {
            self.fail_search(id, errors::STILL_THERE, events);
        }
        if self.searches.deadline(self.rest_open).is_some_and(|due| due <= now) {
            // What does not go now is tried again.
            let _ = self.look(now, out);
        }
    }

    fn look(&mut self, now: Nanos, out: &mut Outbox) -> Result<(), EncodeError> {
        let open = &self.searches.open;
        let is_due = |search: &Search| matches!(search.step, Step::Due(due) if due <= now);
        let listing = open.iter().any(|search| matches!(search.step, Step::Listing(_)));
        if listing || !open.iter().any(is_due) {
            return Ok(());
        }
        let asked = self.ask(Reading::ToCancel, now, out);
        for search in self.searches.open.iter_mut().filter(|search| is_due(search)) {
            match asked {
                Ok(()) => search.step = Step::Listing(now),
                Err(_) => search.again(now),
            }
        }
        asked
    }

    /// The open orders of the account, for all instruments that wait for them.
    pub(super) fn on_to_cancel(
        &mut self,
        root: Value<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let mut result = Ok(());
        let ids: Vec<_> = self.searches.open.iter().map(|search| search.instrument).collect();
        for id in ids {
            if let Some(asked) = self.searches.listing(id) {
                result = result.and(self.cancel_listed(id, asked, root, now, out, events));
            }
        }
        result
    }

    /// Cancels what is listed, all in one action: also where a row is not understood, but then the list
    /// is not whole.
    fn cancel_listed(
        &mut self,
        id: InstrumentId,
        asked: Nanos,
        root: Value<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let mut oids = Vec::new();
        let whole = self.each_open(id, root, |_, _, row| {
            oids.push(row.oid);
            Ok(())
        });
        if oids.is_empty() && whole.is_ok() {
            let landed = self.searches.landed(id) <= asked && !self.flights.places(id);
            if landed && self.searches.close(id) {
                self.notice(events, VenueNotice::CancelAllDone(id));
            } else {
                self.searches.again(id, now);
            }
            return Ok(());
        }
        if !oids.is_empty() && self.send_cancels(id, &oids, now, out).is_err() {
            self.fail_search(id, 0, events);
        }
        if whole.is_err() {
            self.fail_search(id, errors::STRANGE, events);
        }
        whole
    }

    fn send_cancels(
        &mut self,
        id: InstrumentId,
        oids: &[u64],
        now: Nanos,
        out: &mut Outbox,
    ) -> Result<(), EncodeError> {
        let (number, asset) = (self.next_read(), self.asset(id)?);
        let action = Action::Cancel(oids, &asset);
        self.send_action(action, number, Channel::Rest, None, now, out)?;
        self.reads.push((number, Reading::Canceled(id, oids.len())));
        self.searches.step(id, Step::Cancelling);
        Ok(())
    }

    /// Each of so many orders has an answer of its own: what was gone already is no failure. What is
    /// left is seen at the next look.
    pub(super) fn on_all_canceled(
        &mut self,
        id: InstrumentId,
        count: usize,
        root: Value<'_>,
        now: Nanos,
        events: &mut Events,
    ) {
        let (mut failed, mut answers) = (None, 0);
        let mut judge = |reply: Reply<'_>| match reply {
            Reply::Done => {}
            Reply::Refused(text) | Reply::WholeRefused(text) => match errors::verdict(text) {
                (Verdict::Refused(RejectReason::UnknownOrder), _) => {}
                (_, code) => failed = Some(code),
            },
            _ => failed = Some(errors::STRANGE),
        };
        let ok = root.get("status").and_then(Value::str) == Some("ok");
        match root.get("response").and_then(statuses).filter(|_| ok) {
            Some(all) => all.for_each(|status| {
                answers += 1;
                judge(Reply::status(status));
            }),
            None => judge(Reply::of(root)),
        }
        // One answer for all of them says nothing of each.
        if failed.is_none() && answers != count {
            failed = Some(errors::STRANGE);
        }
        match failed {
            None => self.searches.again(id, now),
            Some(code) => {
                self.on_effect(code, Channel::Rest, now, events);
                self.fail_search(id, code, events);
            }
        }
    }

    /// The list could not be had.
    pub(super) fn on_list_failed(&mut self, code: i32, events: &mut Events) {
        let ids: Vec<_> = self.searches.open.iter().map(|search| search.instrument).collect();
        for id in ids {
            if self.searches.listing(id).is_some() {
                self.fail_search(id, code, events);
            }
        }
    }

    /// Tells once that orders may still work.
    pub(super) fn fail_search(&mut self, id: InstrumentId, code: i32, events: &mut Events) {
        if self.searches.close(id) {
            self.notice(events, VenueNotice::CancelAllFailed(id, code));
        }
    }
}

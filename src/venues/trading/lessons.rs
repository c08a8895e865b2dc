//! What must be known of account and instruments before the first order: asked for one after the
//! other as soon as the clock is known, and again when a reply shows that it is old.
//!
//! What positions stand on is not only asked for but made what is configured, and then asked for once
//! more: only the venue's own statement counts. Once orders may be sent it is asked for now and then;
//! what somebody else has changed by then is told and left alone.

#![forbid(unsafe_code)]

use super::super::flight::Ask;
use super::super::verdict::{Verdict, is_passing};
use super::super::{DecodeError, Outbox, Value};
use super::Core;
use super::names::Names;
use super::templates::Templates;
use super::wire::{Lesson, TradingWire};
use crate::types::{
    AccountFlaw, Channel, Events, InstrumentId, MarginSettings, Nanos, Readiness, VenueNotice,
};

/// Pause after an answer that did not come, or that makes the account unfit.
const RETRY_NS: u64 = 2_000_000_000;
const UNFIT_RETRY_NS: u64 = 60_000_000_000;
/// Pause between two looks at what positions stand on.
const WATCH_NS: u64 = 60_000_000_000;

/// How far it has come.
#[derive(Debug)]
pub(super) struct Lessons {
    count: usize,
    /// The first of those that are asked for again and again; none if there is no such.
    watched: Option<usize>,
    /// How many are learnt of this time.
    at: usize,
    /// When the next is asked for; none while one is under way, or nothing is to be asked.
    due: Option<Nanos>,
    /// Goes out before the lesson at hand is asked for again.
    change: Option<Ask>,
    /// It did, and was taken.
    changed: bool,
    /// This time all of them are asked for, not only those that are watched.
    whole: bool,
    /// All were known at least once: what is asked again does not stop us.
    known: bool,
    /// The last thing told of the account with its lesson, and whether it was found this time too.
    flaw: Option<(AccountFlaw, usize)>,
    found: bool,
}

impl Lessons {
    pub(super) fn new<W: TradingWire>(wire: &W) -> Self {
        let count = wire.lessons().len();
        Self {
            count,
            watched: wire.lessons().iter().position(Ask::is_margin),
            at: 0,
            due: None,
            change: None,
            changed: false,
            whole: true,
            known: count == 0,
            flaw: None,
            found: false,
        }
    }

    /// REST is usable: nothing that was asked before is answered any more.
    pub(super) fn on_open(&mut self, now: Nanos) {
        if self.at < self.count {
            self.due = Some(now);
        }
    }

    pub(super) fn deadline(&self, usable: bool) -> Option<Nanos> {
        if usable { self.due } else { None }
    }

    pub(super) fn is_known(&self) -> bool {
        self.known
    }

    fn start(&mut self, at: usize, now: Nanos) {
        (self.at, self.whole, self.due) = (at, at == 0, Some(now));
        (self.change, self.changed, self.found) = (None, false, false);
    }

    fn ask_again(&mut self, at: Nanos) {
        (self.change, self.due) = (None, Some(at));
    }

    /// Goes to the next; true if that was the last.
    fn advance(&mut self, now: Nanos, gap_ns: u64) -> bool {
        self.at += 1;
        self.changed = false;
        let end = self.at >= self.count;
        self.due = match (end, self.watched) {
            (false, _) => Some(now.plus(gap_ns)),
            (true, watched) => watched.map(|_| now.plus(WATCH_NS)),
        };
        end
    }
}

/// The lessons about what positions stand on: of the account first, then the leverage of each
/// perpetual, as far as it is configured.
pub(in crate::venues) fn margin_lessons(settings: MarginSettings, names: &Names) -> Vec<Ask> {
    let ours = names.instruments.of_venue(names.venue).filter(|row| row.is_perpetual());
    let mut ours = ours.map(|row| Ask::Margin(row.id)).peekable();
    if ours.peek().is_none() || !settings.is_any() {
        return Vec::new();
    }
    let leverages = ours.filter(|_| settings.leverage.is_some());
    [Ask::MarginMode].into_iter().chain(leverages).collect()
}

/// What the rows that state the leverage of one perpetual come to; `agrees` reads one of them.
pub(in crate::venues) fn leverage_lesson(
    rows: Value<'_>,
    id: InstrumentId,
    mut agrees: impl FnMut(Value<'_>) -> Result<bool, DecodeError>,
) -> Result<Lesson, DecodeError> {
    let mut all = None;
    for row in rows.items() {
        all = Some(agrees(row)? && all != Some(false));
    }
    match all {
        None => Err(DecodeError::Missing("leverage")),
        Some(true) => Ok(Lesson::Learnt),
        Some(false) => Ok(Lesson::Change(Ask::SetMargin(id))),
    }
}

impl<W: TradingWire> Core<W> {
    /// Whether orders and reads may be sent over REST.
    pub(super) fn is_taught(&self) -> bool {
        self.clock.is_known() && self.lessons.known
    }

    /// Everything is to be asked for again.
    pub(super) fn relearn(&mut self, now: Nanos) {
        let idle = self.lessons.at == self.lessons.count || !self.lessons.whole;
        if idle && self.lessons.count > 0 {
            self.lessons.start(0, now);
        }
    }

    pub(super) fn run_lessons(&mut self, now: Nanos, out: &mut Outbox) {
        let due = self.lessons.due.is_some_and(|due| due <= now);
        if !due || !self.rest_open || !self.clock.is_known() {
            return;
        }
        let after = self.clock.after_block(now);
        if after > now {
            self.lessons.due = Some(after);
            return;
        }
        if self.lessons.at == self.lessons.count {
            let Some(watched) = self.lessons.watched else { return };
            self.lessons.start(watched, now);
        }
        let lesson = self.wire.lessons().get(self.lessons.at).copied();
        let Some(ask) = self.lessons.change.or(lesson) else { return };
        if self.send_read(ask, "", now, out).is_ok() {
            self.lessons.due = None;
        } else {
            self.lessons.due = Some(now.plus(RETRY_NS));
        }
    }

    /// An answer did not come, or none that says anything.
    pub(super) fn on_lesson_failed(&mut self, now: Nanos) {
        self.lessons.ask_again(now.plus(RETRY_NS));
    }

    /// A change was taken: whether it did what it should is asked for.
    pub(super) fn on_changed(&mut self, now: Nanos) {
        self.lessons.changed = true;
        self.lessons.ask_again(now.plus(W::HABITS.lesson_gap_ns));
    }

    /// A change was refused, or its fate is not known. What has nothing to do with the account passes.
    pub(super) fn on_change_failed(&mut self, code: i32, now: Nanos, events: &mut Events) {
        let refused =
            |code| matches!(W::verdict(code), Verdict::Refused(reason) if !is_passing(reason));
        if code > 0 && refused(code) {
            self.on_unfit(AccountFlaw::MarginSettings, code, now, events);
        } else {
            self.on_lesson_failed(now);
            self.notice(events, VenueNotice::RequestFailed(code));
        }
    }

    /// The account is not as it must be, which is told once, with the code that says so if there is
    /// one. Before the first order it is looked at again later; afterwards what is open goes on.
    fn on_unfit(&mut self, flaw: AccountFlaw, code: i32, now: Nanos, events: &mut Events) {
        // Before the first order each instrument that cannot be made right is told of.
        let told = (flaw, if self.lessons.known { 0 } else { self.lessons.at });
        let news = self.lessons.flaw.replace(told) != Some(told);
        if news && code != 0 {
            self.notice(events, VenueNotice::RequestFailed(code));
        }
        if news {
            self.notice(events, VenueNotice::AccountUnfit(flaw));
        }
        if self.lessons.known && flaw == AccountFlaw::MarginSettings {
            self.lessons.found = true;
            return self.on_learnt(now, events);
        }
        self.lessons.changed = false;
        self.lessons.ask_again(now.plus(UNFIT_RETRY_NS));
    }

    pub(super) fn on_lesson(
        &mut self,
        ask: &Ask,
        root: Value<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        // Of a round that was begun anew meanwhile.
        if self.wire.lessons().get(self.lessons.at) != Some(ask) {
            return Ok(());
        }
        match self.wire.learn(ask, root)? {
            Lesson::Learnt => self.on_learnt(now, events),
            Lesson::Unfit(flaw) => self.on_unfit(flaw, 0, now, events),
            Lesson::Change(_) if self.lessons.known || self.lessons.changed => {
                self.on_unfit(AccountFlaw::MarginSettings, 0, now, events);
            }
            Lesson::Change(change) => {
                self.lessons.ask_again(now.plus(W::HABITS.lesson_gap_ns));
                self.lessons.change = Some(change);
            }
        }
        Ok(())
    }

    fn on_learnt(&mut self, now: Nanos, events: &mut Events) {
        if !self.lessons.advance(now, W::HABITS.lesson_gap_ns) {
            return;
        }
        if self.lessons.whole {
            // What is sent depends on what was learnt.
            self.templates = Templates::new(&self.wire);
        }
        if !self.lessons.found {
            self.lessons.flaw = None;
        }
        if !std::mem::replace(&mut self.lessons.known, true) {
            self.notice(events, VenueNotice::Readiness(Channel::Rest, Readiness::Ready));
        }
    }
}

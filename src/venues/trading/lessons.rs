//! What must be known of account and instruments before the first order: asked for one after the
//! other as soon as the clock is known, and again when a reply shows that it is old.

#![forbid(unsafe_code)]

use super::super::flight::Ask;
use super::super::{DecodeError, Outbox, Value};
use super::Core;
use super::templates::Templates;
use super::wire::TradingWire;
use crate::types::{AccountFlaw, Channel, Events, Nanos, Readiness, VenueNotice};

/// Pause after an answer that did not come, or that makes the account unfit.
const RETRY_NS: u64 = 2_000_000_000;
const UNFIT_RETRY_NS: u64 = 60_000_000_000;

/// How far it has come.
#[derive(Debug)]
pub(super) struct Lessons {
    count: usize,
    /// How many are learnt of this time.
    at: usize,
    /// When the next is asked for; none while one is under way, or all are known.
    due: Option<Nanos>,
    /// All were known at least once: what is asked again does not stop us.
    known: bool,
    /// The last thing told of the account.
    flaw: Option<AccountFlaw>,
}

impl Lessons {
    pub(super) fn new<W: TradingWire>(wire: &W) -> Self {
        let count = wire.lessons().len();
        Self { count, at: 0, due: None, known: count == 0, flaw: None }
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
}

impl<W: TradingWire> Core<W> {
    /// Whether orders and reads may be sent over REST.
    pub(super) fn is_taught(&self) -> bool {
        self.clock.is_known() && self.lessons.known
    }

    /// Everything is to be asked for again.
    pub(super) fn relearn(&mut self, now: Nanos) {
        if self.lessons.at == self.lessons.count && self.lessons.count > 0 {
            (self.lessons.at, self.lessons.due) = (0, Some(now));
        }
    }

    pub(super) fn run_lessons(&mut self, now: Nanos, out: &mut Outbox) {
        if self.lessons.due.is_none_or(|due| due > now) || !self.rest_open {
            return;
        }
        let Some(&ask) = self.wire.lessons().get(self.lessons.at) else { return };
        if !self.clock.is_known() {
            return;
        }
        if self.send_read(ask, "", now, out).is_ok() {
            self.lessons.due = None;
        } else {
            self.lessons.due = Some(now.plus(RETRY_NS));
        }
    }

    /// An answer did not come, or none that says anything.
    pub(super) fn on_lesson_failed(&mut self, now: Nanos) {
        self.lessons.due = Some(now.plus(RETRY_NS));
    }

    pub(super) fn on_lesson(
        &mut self,
        ask: &Ask,
        root: Value<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        if let Some(flaw) = self.wire.learn(ask, root)? {
            self.lessons.due = Some(now.plus(UNFIT_RETRY_NS));
            if self.lessons.flaw.replace(flaw) != Some(flaw) {
                self.notice(events, VenueNotice::AccountUnfit(flaw));
            }
            return Ok(());
        }
        self.lessons.at += 1;
        if self.lessons.at < self.lessons.count {
            self.lessons.due = Some(now.plus(W::HABITS.lesson_gap_ns));
            return Ok(());
        }
        // What is sent depends on what was learnt.
        self.templates = Templates::new(&self.wire);
        self.lessons.flaw = None;
        if !std::mem::replace(&mut self.lessons.known, true) {
            self.notice(events, VenueNotice::Readiness(Channel::Rest, Readiness::Ready));
        }
        Ok(())
    }
}

//! Funding that the stream has told of: it states what the wallet holds afterwards, but not what was
//! paid for which position. So the payments are asked for, as reconciliations do, and told of in one
//! way only. Lists may be some seconds behind the stream.

#![forbid(unsafe_code)]

use super::contracts;
use super::envelope::Reply;
use super::pending::Asked;
use super::subscriptions::notice;
use super::trading::Core;
use crate::types::{Events, Nanos, VenueNotice};
use crate::venues::{DecodeError, Outbox};

const SECOND_NS: u64 = 1_000_000_000;
/// First wait for the list; doubles with every one in which nothing is new.
const WAIT_NS: u64 = 2 * SECOND_NS;
const TRIES_MAX: u32 = 5;
/// Payments are looked for from so long before they were told of.
const BEFORE_NS: u64 = 60 * SECOND_NS;

/// What is looked for.
#[derive(Default)]
pub(super) struct Payments {
    /// Payments from then on; none if nothing is looked for.
    from: Option<Nanos>,
    /// When they are asked for next.
    due: Nanos,
    asked: bool,
    tries: u32,
}

impl Payments {
    /// The stream has told of funding that was paid at `at`.
    pub(super) fn on_told(&mut self, at: Nanos, now: Nanos) {
        let from = Nanos(at.0.saturating_sub(BEFORE_NS));
        self.from = Some(self.from.map_or(from, |known| known.min(from)));
        (self.due, self.tries) = (now.plus(WAIT_NS), 0);
    }

    /// When they are to be asked for.
    pub(super) fn deadline(&self) -> Option<Nanos> {
        self.from.filter(|_| !self.asked).map(|_| self.due)
    }

    /// The request has no reply.
    pub(super) fn on_lost(&mut self, now: Nanos) {
        self.asked = false;
        self.again(now);
    }

    /// Asks again, or leaves it to the next reconciliation.
    fn again(&mut self, now: Nanos) {
        self.tries += 1;
        self.due = now.plus(WAIT_NS << self.tries.min(TRIES_MAX));
        if self.tries >= TRIES_MAX {
            self.from = None;
        }
    }
}

impl Core {
    /// Asks for payments if that is due.
    pub(super) fn advance_payments(&mut self, now: Nanos, out: &mut Outbox) {
        let Some(from) = self.payments.from else { return };
        if self.payments.deadline().is_none_or(|due| now < due) || !self.can_ask(now) {
            return;
        }
        self.payments.asked = self.ask(Asked::Payments(from), now, out);
        if !self.payments.asked {
            self.payments.due = now.plus(SECOND_NS);
        }
    }

    pub(super) fn on_payments(
        &mut self,
        from: Nanos,
        reply: &Reply<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        self.payments.asked = false;
        let Some(result) = reply.success() else {
            notice(events, VenueNotice::RequestFailed(reply.own_code()));
            self.payments.again(now);
            return Ok(());
        };
        let listed = contracts::payments(result, &self.account, events);
        match listed {
            // All symbols are paid for at once, but perhaps not listed at once: one more look.
            Ok(found) if found.newest >= from && self.payments.tries > 0 => {
                self.payments.from = None;
            }
            _ => self.payments.again(now),
        }
        listed.map(drop)
    }
}

//! The venue's dead-man switch: it cancels all orders of the account at a time that we keep putting
//! off. Each time costs one of the account's actions, and the venue lets it go off ten times a day.
//! <https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/exchange-endpoint>

#![forbid(unsafe_code)]

use super::super::Outbox;
use super::super::flight::Ask;
use super::SECOND_NS;
use super::actions::Action;
use super::trading::Core;
use crate::types::{Events, Nanos, VenueNotice};

/// Pause after a refusal or a lost reply.
const RETRY_NS: u64 = 60 * SECOND_NS;

/// How far it has come.
#[derive(Debug)]
pub(super) struct DeadMan {
    /// The window in seconds; `None`: not wanted.
    window_s: Option<u32>,
    due: Nanos,
    /// The last thing told, so that putting it off is not told again.
    armed: bool,
}

impl DeadMan {
    pub(super) fn new(window_s: Option<u32>) -> Self {
        Self { window_s, due: Nanos(0), armed: false }
    }

    pub(super) fn deadline(&self, connected: bool) -> Option<Nanos> {
        self.window_s.filter(|_| connected).map(|_| self.due)
    }
}

impl Core {
    /// Puts the time off if that is due.
    pub(super) fn run_dead_man(&mut self, now: Nanos, out: &mut Outbox) {
        let Some(window_s) = self.dead_man.window_s.filter(|_| self.dead_man.due <= now) else {
            return;
        };
        // Until the reply; one that does not come counts as lost and is told so.
        self.dead_man.due = now.plus(SECOND_NS);
        if !self.clock.is_known() {
            return;
        }
        let Some(channel) = self.pick(now) else { return };
        let Some(number) = self.flights.reserve(now) else { return };
        let window_ms = u64::from(window_s) * 1_000;
        let at_ms = self.clock.venue_millis(now).saturating_add(window_ms);
        let action = Action::ScheduleCancel(Some(at_ms));
        if self.send_action(action, number, channel, None, now, out).is_ok() {
            self.dead_man.due = now.plus(RETRY_NS);
            self.enter(number, Ask::DeadMan { window_s, part: 0 }, channel, now);
        }
    }

    /// The venue took the time, or did not.
    pub(super) fn on_dead_man(&mut self, refused: Option<i32>, now: Nanos, events: &mut Events) {
        let Some(window_s) = self.dead_man.window_s else { return };
        let armed = std::mem::replace(&mut self.dead_man.armed, refused.is_none());
        match refused {
            // A lost reply is made up for at once while there is time.
            Some(code) => {
                let pause_ns = if armed { SECOND_NS } else { RETRY_NS };
                self.dead_man.due = now.plus(pause_ns);
                self.notice(events, VenueNotice::DeadManFailed(code));
            }
            None => {
                self.dead_man.due = now.plus(u64::from(window_s) * SECOND_NS / 3);
                if !armed {
                    self.notice(events, VenueNotice::DeadManArmed(window_s));
                }
            }
        }
    }
}

//! The venue's dead-man switch: once it has heard nothing of us for so long, it cancels our orders by
//! itself. Some venues bind it to private sockets that subscribed to it, others count down from each
//! time that it is set ([`super::DeadManHabits`]); some have one for each part of the account. What a venue answers to accounts that may not have it is
//! told, and asked again now and then.

#![forbid(unsafe_code)]

use super::super::Outbox;
use super::super::flight::Ask;
use super::Core;
use super::sockets::Login;
use super::wire::TradingWire;
use crate::types::{Channel, Events, Nanos, VenueNotice};

/// How far it has come.
#[derive(Debug, Default)]
pub(super) struct DeadMan {
    /// The window in seconds; `None`: not wanted.
    window_s: Option<u32>,
    /// When the window is to be set.
    due: Option<Nanos>,
    /// The subscription is sent and not answered.
    asked: bool,
    /// The last thing told, so that a refresh is not told again.
    armed: bool,
}

impl DeadMan {
    pub(super) fn new(window_s: Option<u32>) -> Self {
        Self { window_s, ..Self::default() }
    }

    pub(super) fn deadline(&self) -> Option<Nanos> {
        self.due
    }

    /// The private socket is gone: what was subscribed on it is too.
    pub(super) fn on_close(&mut self) {
        self.due = None;
        (self.asked, self.armed) = (false, false);
    }

    /// Whether the next answer to a subscription is that of the switch.
    pub(super) fn awaits_answer(&self) -> bool {
        self.asked
    }

    /// The private socket is logged in and subscribed to everything else. One that counts down by
    /// itself begins with the first such socket, and then goes on while there is REST.
    pub(super) fn on_ready(&mut self, subscription: Option<&[u8]>, out: &mut Outbox) {
        if self.window_s.is_none() {
            return;
        }
        match subscription {
            // Without room the switch is not armed for this socket; the next one tries again.
            Some(subscribe) => {
                self.asked =
                    out.frame(Channel::Private, |frame| frame.extend_from_slice(subscribe)).is_ok();
            }
            None => self.due = self.due.or(Some(Nanos(0))),
        }
    }
}

impl<W: TradingWire> Core<W> {
    /// Reply to the subscription.
    pub(super) fn on_dead_man_subscribed(&mut self, code: i32, now: Nanos, events: &mut Events) {
        self.dead_man.asked = false;
        if code == 0 {
            self.dead_man.due = Some(now);
        } else {
            self.notice(events, VenueNotice::DeadManFailed(code));
        }
    }

    /// Sets the window if that is due.
    pub(super) fn run_dead_man(&mut self, now: Nanos, out: &mut Outbox) {
        let (Some(window_s), Some(due)) = (self.dead_man.window_s, self.dead_man.due) else {
            return;
        };
        let habits = &W::HABITS.dead_man;
        let bound = habits.by_socket && self.private.login != Login::Ready;
        if due > now || bound {
            return;
        }
        let after = self.clock.after_block(now);
        if after > now {
            self.dead_man.due = Some(after);
            return;
        }
        // Until the reply; one that does not come counts as lost and is told so.
        self.dead_man.due = Some(now.plus(habits.retry_ns));
        let _ = self.send_read(Ask::DeadMan { window_s, part: 0 }, "", now, out);
    }

    /// The venue took the window, or did not.
    pub(super) fn on_dead_man(&mut self, refused: Option<i32>, now: Nanos, events: &mut Events) {
        if self.dead_man.due.is_none() {
            return;
        }
        let habits = &W::HABITS.dead_man;
        match (refused, self.dead_man.window_s) {
            (Some(code), _) => {
                self.dead_man.armed = false;
                self.dead_man.due = Some(now.plus(habits.retry_ns));
                self.notice(events, VenueNotice::DeadManFailed(code));
            }
            (None, Some(window_s)) => {
                self.dead_man.due = Some(now.plus((habits.refresh_ns)(window_s)));
                if !std::mem::replace(&mut self.dead_man.armed, true) {
                    self.notice(events, VenueNotice::DeadManArmed(window_s));
                }
            }
            (None, None) => {}
        }
    }
}

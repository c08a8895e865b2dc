//! The venue's dead-man switch (DCP): once no private socket of ours that subscribed to it has been
//! alive for so long, the venue cancels our spot orders by itself. For accounts that the venue
//! allowed to; what it answers to others is told, and asked again now and then.
//! <https://bybit-exchange.github.io/docs/v5/order/dcp>

#![forbid(unsafe_code)]

use super::super::Outbox;
use super::super::flight::Ask;
use super::SECOND_NS;
use super::trading::{Core, Login};
use crate::types::{Channel, Events, Nanos, VenueNotice};

/// The venue keeps the window, but a person may change it elsewhere: it is set anew now and then.
const REFRESH_NS: u64 = 600 * SECOND_NS;
/// Pause after a refusal or a lost reply.
const RETRY_NS: u64 = 60 * SECOND_NS;

/// The subscription without which the switch does not count a socket. Apart from the others: an
/// account that may not have it must still get its orders.
const SUBSCRIBE: &[u8] = br#"{"req_id":"dcp","op":"subscribe","args":["dcp.spot"]}"#;

/// How far it has come.
#[derive(Debug, Default)]
pub(super) struct DeadMan {
    /// The window in seconds; `None`: not wanted.
    window_s: Option<u32>,
    /// When the window is to be set.
    due: Option<Nanos>,
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
        self.armed = false;
    }

    /// The private socket is logged in and subscribed to everything else.
    pub(super) fn on_ready(&self, out: &mut Outbox) {
        if self.window_s.is_some() {
            // Without room the switch is not armed for this socket; the next one tries again.
            let _ = out.frame(Channel::Private, |frame| frame.extend_from_slice(SUBSCRIBE));
        }
    }
}

/// `{"product":"SPOT","timeWindow":40}`
pub(super) fn write_body(window_s: u32, body: &mut Vec<u8>) {
    body.extend_from_slice(br#"{"product":"SPOT","timeWindow":"#);
    super::write_u64(body, u64::from(window_s));
    body.push(b'}');
}

impl Core {
    /// Reply to the subscription.
    pub(super) fn on_dead_man_subscribed(
        &mut self,
        success: bool,
        code: i32,
        now: Nanos,
        events: &mut Events,
    ) {
        if success {
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
        if due > now || self.private.login != Login::Ready {
            return;
        }
        // Until the reply; one that does not come counts as lost and is told so.
        self.dead_man.due = Some(now.plus(RETRY_NS));
        let _ = self.send_read(Ask::DeadMan { window_s }, "", now, out);
    }

    /// The venue took the window, or did not.
    pub(super) fn on_dead_man(&mut self, refused: Option<i32>, now: Nanos, events: &mut Events) {
        if self.dead_man.due.is_none() {
            return;
        }
        match (refused, self.dead_man.window_s) {
            (Some(code), _) => {
                self.dead_man.armed = false;
                self.dead_man.due = Some(now.plus(RETRY_NS));
                self.notice(events, VenueNotice::DeadManFailed(code));
            }
            (None, Some(window_s)) => {
                self.dead_man.due = Some(now.plus(REFRESH_NS));
                if !std::mem::replace(&mut self.dead_man.armed, true) {
                    self.notice(events, VenueNotice::DeadManArmed(window_s));
                }
            }
            (None, None) => {}
        }
    }
}

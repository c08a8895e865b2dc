//! Logins of the two sockets and what is subscribed once the private one is in.

#![forbid(unsafe_code)]

use super::super::{Outbox, Value};
use super::codes::{self, Effect};
use super::trading::{Core, Login};
use crate::types::{Channel, Events, Nanos, Readiness, VenueNotice};

/// The private socket states no code, but a text; this stands for "parameter error".
const PARAMETER_ERROR: i32 = 10001;
const ALREADY_LOGGED_IN: i32 = 20001;

/// Code of a private login that failed: the one that it states, if it does.
pub(super) fn private_code(root: Value<'_>) -> i32 {
    root.get("retCode")
        .and_then(Value::i64)
        .and_then(|code| i32::try_from(code).ok())
        .filter(|&code| code != 0)
        .unwrap_or(PARAMETER_ERROR)
}

/// Pause before the third login in a row, and how often it doubles at most: half a minute.
const RETRY_FIRST_NS: u64 = 1_000_000_000;
const RETRY_DOUBLINGS_MAX: u32 = 5;

/// All-in-one topics: the categorised ones of a topic must not be mixed with them.
const SUBSCRIBE: &[u8] =
    br#"{"req_id":"streams","op":"subscribe","args":["order","execution","wallet"]}"#;

impl Core {
    /// Reply to a login. A refused key is final; anything else may be the fault of load or of a
    /// clock, ours or theirs, and is tried again on a new connection: after a new measurement, and
    /// from the second time on after a pause that doubles.
    pub(super) fn on_login(
        &mut self,
        channel: Channel,
        code: i32,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) {
        let by = now.plus(self.reply_timeout_ns);
        let Some(socket) = self.socket(channel) else { return };
        if !matches!(socket.login, Login::Sent(_)) {
            return;
        }
        if code == 0 || code == ALREADY_LOGGED_IN {
            socket.refused = 0;
            socket.login = Login::Ready;
            if channel == Channel::Private {
                // Left over if the outbox is full: the deadline then opens the socket anew.
                socket.login = Login::Subscribing(by);
                let _ = out.frame(channel, |frame| frame.extend_from_slice(SUBSCRIBE));
            } else {
                self.notice(events, VenueNotice::Readiness(channel, Readiness::Ready));
            }
            return;
        }
        if codes::effect(code) == Effect::Alert {
            socket.login = Login::Refused;
            self.notice(events, VenueNotice::LoginRefused(channel, code));
            return;
        }
        let before = socket.refused;
        socket.refused = before.saturating_add(1);
        if before == 0 {
            if out.reconnect(channel).is_ok() {
                socket.login = Login::Closed;
            }
        } else {
            // At the deadline the socket is opened anew.
            let pause_ns = RETRY_FIRST_NS << (before - 1).min(RETRY_DOUBLINGS_MAX);
            socket.login = Login::Sent(now.plus(pause_ns));
        }
        self.notice(events, VenueNotice::RequestFailed(code));
        self.clock.doubt(now);
    }

    /// Reply to the subscription. Data is used whenever it comes; this only tells readiness.
    pub(super) fn on_private_subscribed(
        &mut self,
        success: bool,
        out: &mut Outbox,
        events: &mut Events,
    ) {
        if !matches!(self.private.login, Login::Subscribing(_)) {
            return;
        }
        if success {
            self.private.login = Login::Ready;
            self.notice(events, VenueNotice::Readiness(Channel::Private, Readiness::Ready));
            self.dead_man.on_ready(out);
        } else {
            // The deadline of the subscription stays: then the socket is opened anew.
            self.notice(events, VenueNotice::RequestFailed(PARAMETER_ERROR));
        }
    }
}

//! Logins of the sockets, what is subscribed once the private one is in, and the orderly end of a
//! trade socket that the venue restarts.

#![forbid(unsafe_code)]

use super::super::{Outbox, Value};
use super::SECOND_NS;
use super::auth::Signer;
use super::codes::{self, Effect};
use super::trading::{Core, Login, TRADE};
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

/// How long a restarting trade socket may take over its last replies.
const DRAIN_NS: u64 = 2 * SECOND_NS;

/// `{"req_id":"1","op":"auth","args":["key",1662350400000,"signature"]}`
pub(super) fn write_login(signer: &Signer, key: &str, venue_ms: u64, frame: &mut Vec<u8>) {
    frame.extend_from_slice(b"{\"");
    frame.extend_from_slice(key.as_bytes());
    frame.extend_from_slice(br#"":"login","op":"auth","args":"#);
    signer.write_login_args(venue_ms, frame);
    frame.push(b'}');
}

impl Core {
    /// A trade socket said that it restarts: no new requests on it, the open ones complete.
    pub(super) fn drain(&mut self, channel: Channel, now: Nanos, events: &mut Events) {
        let Some(socket) = self.socket(channel) else { return };
        if socket.drain_by.is_none() && socket.login != Login::Closed {
            socket.drain_by = Some(now.plus(DRAIN_NS));
            self.notice(events, VenueNotice::ShutdownAnnounced(channel));
            self.notice(events, VenueNotice::Readiness(channel, Readiness::Joining));
        }
    }

    pub(super) fn try_drain(&mut self, now: Nanos, out: &mut Outbox) {
        for (channel, socket) in TRADE.into_iter().zip(&mut self.trade) {
            let Some(by) = socket.drain_by else { continue };
            if by > now && self.flights.any_waiting(channel) {
                continue;
            }
            if out.reconnect(channel).is_ok() {
                socket.drain_by = None;
                socket.login = Login::Closed;
            }
        }
    }

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

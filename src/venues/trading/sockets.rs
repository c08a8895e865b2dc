//! The sockets: logins, what is subscribed behind them, and the orderly end of one that the venue is
//! about to close.

#![forbid(unsafe_code)]

use super::super::session::{Heartbeat, earliest};
use super::super::{Outbox, OutboxFull};
use super::Core;
use super::wire::{Effect, TradingWire};
use crate::types::{Channel, Events, Nanos, Readiness, VenueNotice};

/// The order sockets.
pub(super) const TRADE: [Channel; 2] = [Channel::Trade, Channel::TradeSpare];

/// Pause before the third login in a row, and how often it doubles at most: half a minute.
const RETRY_FIRST_NS: u64 = 1_000_000_000;
const RETRY_DOUBLINGS_MAX: u32 = 5;

/// How long an order socket that is about to be closed may take over its last replies.
const DRAIN_NS: u64 = 2_000_000_000;

/// How far the login of a socket has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Login {
    /// Not connected.
    Closed,
    /// Connected; the login is due at this time, once the clock is known.
    Due(Nanos),
    /// Sent; the reply must come by then.
    Sent(Nanos),
    /// Logged in and subscribing (private socket); so many replies must come by then.
    Subscribing(Nanos, u8),
    /// Ready.
    Ready,
    /// Refused for good: the key must change.
    Refused,
}

/// One of the sockets.
pub(super) struct Socket {
    pub(super) login: Login,
    pub(super) heartbeat: Heartbeat,
    /// Logins in a row that failed for what may pass: a clock that is off, load.
    refused: u32,
    /// One that is about to be closed: replaced when its replies are in, or by then.
    drain_by: Option<Nanos>,
    /// The end of the other order socket was told by a refused order, so nothing has been sent on
    /// this one to tell of its own: replaced when the other one is ready again.
    suspected: bool,
}

impl Socket {
    pub(super) fn new(heartbeat: Heartbeat) -> Self {
        Self { login: Login::Closed, heartbeat, refused: 0, drain_by: None, suspected: false }
    }

    pub(super) fn on_open(&mut self, now: Nanos) {
        self.heartbeat.start(now);
        if self.login != Login::Refused {
            self.login = Login::Due(now);
        }
        self.drain_by = None;
        self.suspected = false;
    }

    pub(super) fn on_close(&mut self) {
        self.heartbeat.stop();
        if self.login != Login::Refused {
            self.login = Login::Closed;
        }
        self.drain_by = None;
        self.suspected = false;
    }

    /// The deadline of its login; none while that waits for the clock.
    pub(super) fn deadline(&self, clock_known: bool) -> Option<Nanos> {
        let login = match self.login {
            Login::Due(at) => clock_known.then_some(at),
            Login::Sent(by) | Login::Subscribing(by, _) => Some(by),
            Login::Closed | Login::Ready | Login::Refused => None,
        };
        earliest([login, self.heartbeat.deadline(), self.drain_by])
    }

    /// Whether orders can be sent on it.
    pub(super) fn takes_orders(&self) -> bool {
        self.login == Login::Ready && self.drain_by.is_none()
    }
}

/// The other one of the two order sockets; none of what is no order socket.
fn other(channel: Channel) -> Option<Channel> {
    match channel {
        Channel::Trade => Some(Channel::TradeSpare),
        Channel::TradeSpare => Some(Channel::Trade),
        _ => None,
    }
}

impl<W: TradingWire> Core<W> {
    pub(super) fn run_socket(
        &mut self,
        channel: Channel,
        now: Nanos,
        out: &mut Outbox,
    ) -> Result<(), OutboxFull> {
        let known = self.clock.is_known();
        let by = now.plus(self.reply_timeout_ns);
        let venue_ms = self.clock.venue_millis(now);
        let socket = match channel {
            Channel::Trade => self.trade.first_mut(),
            Channel::TradeSpare => self.trade.get_mut(1),
            _ => Some(&mut self.private),
        };
        let Some(socket) = socket else { return Ok(()) };
        socket.heartbeat.try_ping(channel, now, out)?;
        match socket.login {
            Login::Due(at) if known && at <= now => {
                let wire = &self.wire;
                out.frame(channel, |frame| wire.write_login(channel, venue_ms, frame))?;
                socket.login = Login::Sent(by);
            }
            Login::Sent(at) | Login::Subscribing(at, _) if at <= now => {
                out.reconnect(channel)?;
                socket.login = Login::Closed;
            }
            _ => {}
        }
        Ok(())
    }

    /// The venue is about to close a socket: no new requests on it, the open ones complete. Of the
    /// private one nothing is awaited: it is replaced at once.
    pub(super) fn drain(
        &mut self,
        channel: Channel,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) {
        let Some(socket) = self.socket(channel) else { return };
        if socket.drain_by.is_some() || socket.login == Login::Closed {
            return;
        }
        if channel == Channel::Private {
            // Left over if the outbox is full: the venue then closes it itself.
            if out.reconnect(channel).is_ok() {
                socket.login = Login::Closed;
            }
        } else {
            socket.drain_by = Some(now.plus(DRAIN_NS));
        }
        self.notice(events, VenueNotice::ShutdownAnnounced(channel));
        self.notice(events, VenueNotice::Readiness(channel, Readiness::Joining));
    }

    /// A request was refused because the service behind this order socket is about to end. The other
    /// order socket is likely to lead there too, but it takes what is sent until this one is back.
    pub(super) fn drain_refused(
        &mut self,
        channel: Channel,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) {
        if !self.socket(channel).is_some_and(|socket| socket.takes_orders()) {
            return;
        }
        self.drain(channel, now, out, events);
        if let Some(other) = other(channel).and_then(|other| self.socket(other)) {
            other.suspected = other.takes_orders();
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

    /// Reply to a login. A refused key is final, unless the private socket has shown that it is good;
    /// anything else may be the fault of load or of a clock, ours or theirs, and is tried again on
    /// a new connection: after a new measurement, and from the second time on after a pause that
    /// doubles.
    pub(super) fn on_login(
        &mut self,
        channel: Channel,
        code: i32,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) {
        let good_key = channel != Channel::Private && self.private.login == Login::Ready;
        let crowded = code == W::HABITS.crowded && good_key;
        let Some(socket) = self.socket(channel) else { return };
        if !matches!(socket.login, Login::Sent(_)) {
            return;
        }
        if code == 0 || code == W::HABITS.already_logged_in {
            socket.refused = 0;
            self.subscribe(channel, now, out, events);
            return;
        }
        if W::effect(code) == Effect::Alert && !crowded {
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

    /// A socket is logged in. The private one is ready when all it subscribes to is confirmed; an
    /// order socket at once, what it subscribes to only keeps it open.
    fn subscribe(&mut self, channel: Channel, now: Nanos, out: &mut Outbox, events: &mut Events) {
        let Some((request, replies)) = self.wire.subscription(channel) else {
            return self.on_ready(channel, now, out, events);
        };
        // Left over if the outbox is full: the deadline then opens the private socket anew, the
        // venue closes another one for its silence.
        let _ = out.frame(channel, |frame| frame.extend_from_slice(request));
        if channel == Channel::Private {
            let by = now.plus(self.reply_timeout_ns);
            self.private.login = Login::Subscribing(by, replies);
        } else {
            self.on_ready(channel, now, out, events);
        }
    }

    fn on_ready(&mut self, channel: Channel, now: Nanos, out: &mut Outbox, events: &mut Events) {
        let Some(socket) = self.socket(channel) else { return };
        socket.login = Login::Ready;
        self.notice(events, VenueNotice::Readiness(channel, Readiness::Ready));
        let Some(other) = other(channel) else {
            return self.dead_man.on_ready(self.wire.dead_man_subscription(), out);
        };
        if self.socket(other).is_some_and(|socket| std::mem::take(&mut socket.suspected)) {
            self.drain(other, now, out, events);
        }
    }

    /// Reply to a subscription. Data is used whenever it comes; this only tells readiness.
    pub(super) fn on_subscribed(
        &mut self,
        channel: Channel,
        code: i32,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) {
        // Some venues do not say in an answer what was asked: nothing else is asked for then.
        if channel == Channel::Private
            && self.private.login == Login::Ready
            && self.dead_man.awaits_answer()
        {
            return self.on_dead_man_subscribed(code, now, events);
        }
        if code != 0 {
            // The deadline of the subscription stays: then the private socket is opened anew.
            self.notice(events, VenueNotice::RequestFailed(code));
            return;
        }
        let Login::Subscribing(by, left) = self.private.login else { return };
        if channel != Channel::Private {
            return;
        }
        match left {
            0 | 1 => self.on_ready(channel, now, out, events),
            _ => self.private.login = Login::Subscribing(by, left - 1),
        }
    }
}

//! The session on a trading socket: measure the venue's clock, log on, subscribe to the account's
//! events, and again from the start whenever one of them is lost.
//!
//! Ed25519 keys log on once and then subscribe; other keys sign the subscription. (What is different
//! for futures stands in `user_stream.rs`.) A refused key is
//! final; every other failure is repeated with growing pauses. Where there are two sockets each has a
//! session of its own. What was lost before it left is told here too.

#![forbid(unsafe_code)]

use super::envelope::{Reply, Retry};
use super::errors;
use super::limits::{self, Stop};
use super::params::Wire;
use super::pending::{Asked, Entry};
use super::private_stream::{self, Told};
use super::rest;
use super::seen;
use super::streams::Product;
use super::subscriptions::notice;
use super::trading::{BAD_TIMESTAMP, Core};
use crate::types::{Channel, Events, ExecutionReport, Nanos, Readiness, RejectReason, VenueNotice};
use crate::venues::{DecodeError, Outbox, Value};

/// First wait after a login that failed for a passing reason; doubles up to half a minute.
const RETRY_NS: u64 = 1_000_000_000;
const RETRY_DOUBLINGS_MAX: u32 = 5;
/// Wait when our own buffers are full.
const FULL_NS: u64 = 10_000_000;
/// A subscription to the account's events is already active.
const ALREADY_SUBSCRIBED: i32 = -2035;

/// How far the socket has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Down,
    /// Connected: the venue's clock is measured, or a failed login waits to be repeated.
    Waiting,
    LoggingOn,
    Subscribing,
    Ready,
    /// The venue refuses the key. Final.
    Refused,
}

/// One trading socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    channel: Channel,
    pub(super) phase: Phase,
    retry_at: Option<Nanos>,
    retries: u32,
    /// The venue announced the end of the connection: it is replaced once nothing is in flight.
    draining: bool,
}

impl Line {
    pub(super) fn new(channel: Channel) -> Self {
        Self { channel, phase: Phase::Down, retry_at: None, retries: 0, draining: false }
    }

    /// Connected. False if the key was refused for good.
    pub(super) fn open(&mut self) -> bool {
        self.draining = false;
        if self.phase == Phase::Refused {
            return false;
        }
        self.phase = Phase::Waiting;
        self.retry_at = None;
        true
    }

    pub(super) fn close(&mut self) {
        self.draining = false;
        if self.phase != Phase::Refused {
            self.phase = Phase::Down;
        }
    }

    /// Whether anything can be sent on it.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.phase, Phase::Down | Phase::Refused)
    }

    /// Whether orders can be sent on it.
    pub(super) fn is_ready(&self) -> bool {
        self.phase == Phase::Ready && !self.draining
    }

    fn waits(&self) -> bool {
        self.phase == Phase::Waiting && !self.draining
    }

    /// When its login is to be repeated.
    pub(super) fn deadline(&self) -> Option<Nanos> {
        self.retry_at.filter(|_| self.waits())
    }

    fn reach_ready(&mut self, events: &mut Events) {
        (self.phase, self.retry_at, self.retries) = (Phase::Ready, None, 0);
        notice(events, VenueNotice::Readiness(self.channel, Readiness::Ready));
    }

    fn retry_later(&mut self, now: Nanos, earliest: Nanos) {
        let wait = RETRY_NS << self.retries.min(RETRY_DOUBLINGS_MAX);
        self.retries = self.retries.saturating_add(1);
        self.phase = Phase::Waiting;
        self.retry_at = Some(now.plus(wait).max(earliest));
    }
}

impl Core {
    /// The socket of this channel.
    pub(super) fn line(&mut self, channel: Channel) -> Option<&mut Line> {
        self.lines.iter_mut().find(|line| line.channel == channel)
    }

    /// A request never left: refused here, if it was about one order. False if it was not, or if
    /// there is no room to tell.
    pub(super) fn on_unsent(&mut self, id: u64, now: Nanos, events: &mut Events) -> bool {
        let Some(Asked::Command(command)) = self.pending.get(id, Channel::Rest) else {
            return false;
        };
        let report = ExecutionReport::refused_here(&command, RejectReason::NotSent, now);
        let told = report.is_some_and(|report| self.account.report(report, events).is_ok());
        if told {
            self.pending.take(id, Channel::Rest);
        }
        told
    }

    pub(super) fn on_event(
        &mut self,
        channel: Channel,
        event: Value<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let identity = if self.lines.len() > 1 { seen::identity(event) } else { None };
        let balances = identity.is_some() && seen::is_balances(event);
        if identity.is_some_and(|identity| self.seen.told_by_other(&identity, channel))
            && !(balances && self.seen.told_balances(channel))
        {
            return Ok(());
        }
        let told = private_stream::decode(event, &mut self.account, now, events)?;
        if balances {
            self.seen.take_balances(channel);
        }
        if let Some(identity) = identity {
            self.seen.remember(identity, channel);
        }
        let Some(line) = self.line(channel) else { return Ok(()) };
        let was_ready = line.phase == Phase::Ready;
        match told {
            Told::Account | Told::Funding(_) | Told::Changed => return Ok(()),
            Told::Terminated => {
                if line.is_open() {
                    line.phase = Phase::Waiting;
                    line.retry_at = None;
                }
            }
            Told::Shutdown => {
                line.draining = true;
                notice(events, VenueNotice::ShutdownAnnounced(channel));
            }
        }
        if was_ready {
            notice(events, VenueNotice::Readiness(channel, Readiness::Joining));
        }
        Ok(())
    }

    /// The same for an execution that the scanner has read.
    pub(super) fn on_execution(
        &mut self,
        channel: Channel,
        fields: &private_stream::Fields<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let identity = if self.lines.len() > 1 { fields.identity() } else { None };
        if identity.is_some_and(|identity| self.seen.told_by_other(&identity, channel)) {
            return Ok(());
        }
        private_stream::execution(fields, &mut self.account, now, events)?;
        if let Some(identity) = identity {
            self.seen.remember(identity, channel);
        }
        Ok(())
    }

    /// An error of no request: the key was revoked, or something we sent could not be read.
    pub(super) fn on_session_error(&mut self, reply: &Reply<'_>, now: Nanos, events: &mut Events) {
        self.suspend(reply, now, events);
        if errors::is_login_refusal(reply.code) {
            self.refuse_login(reply.channel, reply.code, events);
        } else {
            notice(events, VenueNotice::RequestFailed(reply.own_code()));
        }
    }

    pub(super) fn on_time(
        &mut self,
        entry: &Entry,
        reply: &Reply<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let answer = reply.success().map(|result| result.field_u64("serverTime"));
        match answer {
            // What comes late measures nothing.
            Some(Ok(_)) if entry.late => Ok(()),
            Some(Ok(server_ms)) => {
                let measured = self.clock.on_answer(server_ms, entry.sent, now);
                measured.into_iter().for_each(|measured| notice(events, measured));
                Ok(())
            }
            failed => {
                self.clock.lost(now, self.suspended);
                failed.map_or_else(
                    || {
                        notice(events, VenueNotice::RequestFailed(reply.own_code()));
                        Ok(())
                    },
                    |failed| failed.map(drop),
                )
            }
        }
    }

    pub(super) fn on_login(
        &mut self,
        entry: &Entry,
        reply: &Reply<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let awaited = match entry.asked {
            Asked::Logon => Phase::LoggingOn,
            _ => Phase::Subscribing,
        };
        let channel = entry.channel;
        let Some(line) = self.line(channel).filter(|line| line.phase == awaited) else {
            return Ok(());
        };
        if reply.success().is_some() || reply.code == ALREADY_SUBSCRIBED {
            if awaited == Phase::LoggingOn {
                self.subscribe(channel, now, out, events);
            } else {
                line.reach_ready(events);
            }
            return Ok(());
        }
        if errors::is_login_refusal(reply.code) {
            self.refuse_login(channel, reply.code, events);
            return Ok(());
        }
        if reply.code == BAD_TIMESTAMP {
            self.clock.restart(now, true);
        }
        notice(events, VenueNotice::RequestFailed(reply.own_code()));
        let earliest = self.suspended.max(self.banned);
        if let Some(line) = self.line(channel) {
            line.retry_later(now, earliest);
        }
        Ok(())
    }

    /// A login has no reply: it is repeated on a new connection.
    pub(super) fn on_login_lost(
        &mut self,
        channel: Channel,
        now: Nanos,
        out: &mut Option<&mut Outbox>,
    ) {
        let Some(line) = self.line(channel) else { return };
        if matches!(line.phase, Phase::LoggingOn | Phase::Subscribing) {
            line.retry_later(now, Nanos(0));
            if let Some(out) = out {
                let _ = out.reconnect(channel);
            }
        }
    }

    /// Status 429 stops everything but cancels, 418 everything.
    pub(super) fn suspend(&mut self, reply: &Reply<'_>, now: Nanos, events: &mut Events) {
        if reply.code == limits::TOO_MANY_ORDERS {
            limits::too_many_orders(reply.message, self.windows(), now, events);
        }
        let stop = limits::stop(reply.status, reply.code);
        if stop == Stop::Nothing {
            return;
        }
        if let Some(Retry::At(server)) = reply.retry
            && self.clock.to_local(server) <= now
        {
            // The venue does not announce what is over: our clock is not where it was.
            self.clock.restart(now, true);
        }
        let until = now.plus(limits::pause_ns(stop, reply.retry, self.windows(), now));
        self.suspended = self.suspended.max(until);
        if stop == Stop::Everything {
            self.banned = self.banned.max(until);
        }
        notice(events, VenueNotice::Suspended(until));
    }

    fn refuse_login(&mut self, channel: Channel, code: i32, events: &mut Events) {
        if let Some(line) = self.line(channel) {
            line.phase = Phase::Refused;
            line.retry_at = None;
        }
        notice(events, VenueNotice::LoginRefused(channel, code));
        notice(events, VenueNotice::Readiness(channel, Readiness::Down));
    }

    /// Takes the next steps towards ready, as far as they can be taken now.
    pub(super) fn advance(&mut self, now: Nanos, out: &mut Outbox, events: &mut Events) {
        if self.is_open() && self.clock.is_due(now) && now >= self.suspended {
            self.probe_clock(now, out);
        }
        if !self.rest_ready && self.rest_open && self.clock.is_known() {
            self.rest_ready = true;
            notice(events, VenueNotice::Readiness(Channel::Rest, Readiness::Ready));
        }
        for at in 0..self.lines.len() {
            self.advance_line(at, now, out, events);
        }
        self.advance_stream(now, out);
        self.advance_dead_man(now, out);
        self.advance_payments(now, out);
    }

    fn advance_line(&mut self, at: usize, now: Nanos, out: &mut Outbox, events: &mut Events) {
        let line = self.lines[at];
        let rested = line.retry_at.is_none_or(|at| now >= at);
        if line.waits() && rested && self.clock.is_known() {
            self.log_in(line.channel, now, out, events);
        }
        if line.draining && !self.pending.has_commands(line.channel) {
            self.lines[at].draining = out.reconnect(line.channel).is_err();
        }
    }

    /// The clock is measured on the connection that is used, if it is there.
    fn probe_channel(&self) -> Option<Channel> {
        let current = self.healthier.lines().current;
        let mut open = self.lines.iter().filter(|line| line.is_open()).map(|line| line.channel);
        let first = open.clone().next();
        open.find(|channel| *channel == current).or(first)
    }

    fn probe_clock(&mut self, now: Nanos, out: &mut Outbox) {
        let Some(id) = self.pending.next_id(&Asked::Time) else { return };
        let over_rest = self.clocks_over_rest().then_some(Channel::Rest);
        let Some(channel) = over_rest.or_else(|| self.probe_channel()) else { return };
        let sent = if channel == Channel::Rest {
            rest::request_time(id, self.product, out)
        } else {
            self.params.start(Wire::Session, &self.key);
            let params = &self.params;
            out.frame(channel, |bytes| params.write_frame(id, "time", None, bytes))
        };
        if sent.is_ok() {
            self.pending.insert(Asked::Time, channel, now);
            self.clock.sent();
        } else {
            self.clock.lost(now, Nanos(0));
        }
    }

    /// Ed25519 keys log on once, then subscribe; others subscribe with a signature.
    fn log_in(&mut self, channel: Channel, now: Nanos, out: &mut Outbox, events: &mut Events) {
        if !self.signer.can_log_on() {
            return self.subscribe(channel, now, out, events);
        }
        let Some(timestamp_ms) = self.clock.timestamp_ms(now) else { return };
        self.params.start(Wire::Signed, &self.key);
        self.params.number("timestamp", timestamp_ms);
        self.send_login(channel, Asked::Logon, "session.logon", now, out);
    }

    /// The events of futures come on a socket of their own: there is nothing more to do on this one.
    fn subscribe(&mut self, channel: Channel, now: Nanos, out: &mut Outbox, events: &mut Events) {
        if self.product == Product::UsdM {
            if let Some(line) = self.line(channel) {
                line.reach_ready(events);
            }
            return;
        }
        let Some(timestamp_ms) = self.clock.timestamp_ms(now) else { return };
        let name = if self.signer.can_log_on() {
            self.params.start(Wire::Session, &self.key);
            "userDataStream.subscribe"
        } else {
            self.params.start(Wire::Signed, &self.key);
            self.params.number("timestamp", timestamp_ms);
            "userDataStream.subscribe.signature"
        };
        self.send_login(channel, Asked::Subscribe, name, now, out);
    }

    fn send_login(
        &mut self,
        channel: Channel,
        asked: Asked,
        name: &str,
        now: Nanos,
        out: &mut Outbox,
    ) {
        let signature = self.params.sign(&self.signer);
        let params = &self.params;
        let sent = self.pending.next_id(&asked).is_some_and(|id| {
            let write = |bytes: &mut Vec<u8>| {
                params.write_frame(id, name, signature.as_ref(), bytes);
            };
            out.frame(channel, write).is_ok()
        });
        if sent {
            self.pending.insert(asked, channel, now);
        }
        let Some(line) = self.line(channel) else { return };
        (line.phase, line.retry_at) = match (sent, asked) {
            (false, _) => (Phase::Waiting, Some(now.plus(FULL_NS))),
            (true, Asked::Logon) => (Phase::LoggingOn, None),
            (true, _) => (Phase::Subscribing, None),
        };
    }
}

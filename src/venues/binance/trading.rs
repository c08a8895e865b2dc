//! The trading connector: orders, account requests and the private stream.
//!
//! One socket, the WebSocket API, carries everything; with `orders_over_rest` the commands go over
//! REST and the socket keeps the private stream. The way to ready is: measure the venue's clock,
//! log on (Ed25519) or sign each request (HMAC), subscribe to the account's events. Replies may
//! come in any order; what gets none in time becomes unknown, never a guess.

#![forbid(unsafe_code)]

use super::account::{Account, Terms};
use super::auth::Signer;
use super::errors::{self, Verdict};
use super::limits;
use super::orders::{self, Stamp};
use super::params::{Params, Wire};
use super::pending::{Asked, Entry, Pending};
use super::private_stream::{self, Told};
use super::replies::{self, Then};
use super::rest;
use super::server_clock::ServerClock;
use crate::types::{
    Channel, Command, CommandKind, Event, Events, Nanos, OrderType, Readiness, RejectReason,
    ReportOrigin, TimeInForce, VenueNotice,
};
use crate::venues::{
    ChannelSpec, Connector, DecodeError, EncodeError, Outbox, OutboxFull, Parser, RequestId,
    Response, SetupError, Value, VenueSetup,
};

const MS: u64 = 1_000_000;
/// First wait after a login that failed for a passing reason; doubles up to half a minute.
const RETRY_NS: u64 = 1_000 * MS;
const RETRY_DOUBLINGS_MAX: u32 = 5;
/// Wait when our own buffers are full.
const FULL_NS: u64 = 10 * MS;
/// The venue forgives a receive window of a minute at most.
const RECV_WINDOW_MAX_MS: u64 = 60_000;
/// A subscription to the account's events is already active.
const ALREADY_SUBSCRIBED: i32 = -2035;
/// Our timestamp is outside the window.
const BAD_TIMESTAMP: i32 = -1021;

/// How far the socket has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Down,
    /// Connected: the venue's clock is measured, or a failed login waits to be repeated.
    Waiting,
    LoggingOn,
    Subscribing,
    Ready,
    /// The venue refuses the key. Final.
    Refused,
}

/// A reply from either wire.
struct Reply<'a> {
    channel: Channel,
    status: u16,
    result: Option<Value<'a>>,
    code: i32,
    message: &'a str,
    /// End of the suspension that it announces, our clock.
    retry_at: Option<Nanos>,
}

/// The trading connector.
pub(super) struct TradingConnector {
    parser: Parser,
    core: Core,
}

struct Core {
    channels: Vec<ChannelSpec>,
    /// The channel of commands and clock probes.
    commands: Channel,
    account: Account,
    signer: Signer,
    key: String,
    header: Vec<u8>,
    params: Params,
    pending: Pending,
    clock: ServerClock,
    recv_window_ms: u64,
    phase: Phase,
    retry_at: Option<Nanos>,
    retries: u32,
    rest_open: bool,
    rest_ready: bool,
    /// The venue announced the end of the connection: it is replaced once nothing is in flight.
    draining: bool,
    /// Until then only cancels may be sent.
    suspended: Nanos,
    /// Until then nothing may be sent.
    banned: Nanos,
}

/// Builds it.
pub(super) fn connect(setup: VenueSetup) -> Result<Box<dyn Connector>, SetupError> {
    Ok(Box::new(TradingConnector::new(&setup)?))
}

impl TradingConnector {
    pub(super) fn new(setup: &VenueSetup) -> Result<Self, SetupError> {
        let credentials = setup.credentials.as_ref().ok_or(SetupError::NoCredentials)?;
        let key = credentials.key.trim().to_owned();
        if key.is_empty() {
            return Err(SetupError::NoCredentials);
        }
        if !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
            return Err(SetupError::BadSecret("the API key is not made of letters and digits"));
        }
        let trade = super::with_path(&setup.endpoints.trade, "/ws-api/v3");
        let mut channels = vec![ChannelSpec { channel: Channel::Trade, url: trade }];
        let commands = if setup.orders_over_rest { Channel::Rest } else { Channel::Trade };
        if setup.orders_over_rest {
            let url = setup.endpoints.rest.clone();
            channels.push(ChannelSpec { channel: Channel::Rest, url });
        }
        let core = Core {
            channels,
            commands,
            account: Account::new(setup),
            signer: Signer::new(&credentials.secret)?,
            header: format!("X-MBX-APIKEY: {key}\r\n").into_bytes(),
            key,
            params: Params::new(),
            pending: Pending::new(u64::from(setup.reply_timeout_ms).max(1) * MS),
            clock: ServerClock::new(),
            recv_window_ms: u64::from(setup.recv_window_ms).clamp(1, RECV_WINDOW_MAX_MS),
            phase: Phase::Down,
            retry_at: None,
            retries: 0,
            rest_open: false,
            rest_ready: false,
            draining: false,
            suspended: Nanos(0),
            banned: Nanos(0),
        };
        Ok(Self { parser: Parser::new(), core })
    }
}

impl Connector for TradingConnector {
    fn channels(&self) -> &[ChannelSpec] {
        &self.core.channels
    }

    fn on_open(&mut self, channel: Channel, now: Nanos, out: &mut Outbox, events: &mut Events) {
        self.core.on_open(channel, now, events);
        self.core.advance(now, out, events);
    }

    fn on_close(&mut self, channel: Channel, now: Nanos, events: &mut Events) {
        self.core.on_close(channel, now, events);
        self.core.expire(now, None, events);
    }

    fn on_frame(
        &mut self,
        channel: Channel,
        frame: &mut [u8],
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let Self { parser, core } = self;
        if channel != Channel::Trade {
            return Err(DecodeError::UnknownKind);
        }
        let result = parser.read(frame, |root| core.on_frame(root, now, out, events));
        core.advance(now, out, events);
        result
    }

    fn on_response(
        &mut self,
        id: RequestId,
        response: Response<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let Self { parser, core } = self;
        let result = core.on_response(parser, id.0, response, now, out, events);
        core.advance(now, out, events);
        result
    }

    fn on_request_lost(
        &mut self,
        id: RequestId,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) {
        self.core.pending.lose(id.0, now);
        self.core.expire(now, Some(out), events);
        self.core.advance(now, out, events);
    }

    fn submit(
        &mut self,
        command: &Command,
        now: Nanos,
        out: &mut Outbox,
        _events: &mut Events,
    ) -> Result<(), EncodeError> {
        self.core.submit(&command.kind, now, out)
    }

    fn deadline(&self) -> Option<Nanos> {
        self.core.deadline()
    }

    fn on_deadline(&mut self, now: Nanos, out: &mut Outbox, events: &mut Events) {
        self.core.expire(now, Some(out), events);
        self.core.advance(now, out, events);
    }
}

impl Core {
    fn on_open(&mut self, channel: Channel, now: Nanos, events: &mut Events) {
        match channel {
            Channel::Trade => {
                self.draining = false;
                if self.phase == Phase::Refused {
                    return;
                }
                self.phase = Phase::Waiting;
                self.retry_at = None;
                notice(events, VenueNotice::Readiness(channel, Readiness::Joining));
            }
            Channel::Rest => {
                self.rest_open = true;
                notice(events, VenueNotice::Readiness(channel, Readiness::Joining));
            }
            _ => return,
        }
        if channel == self.commands {
            self.clock.restart(now, false);
        }
    }

    fn on_close(&mut self, channel: Channel, now: Nanos, events: &mut Events) {
        match channel {
            Channel::Trade => {
                self.draining = false;
                if self.phase != Phase::Refused {
                    self.phase = Phase::Down;
                }
            }
            Channel::Rest => {
                self.rest_open = false;
                self.rest_ready = false;
            }
            _ => return,
        }
        if channel == self.commands {
            self.clock.stop();
        }
        notice(events, VenueNotice::Readiness(channel, Readiness::Down));
        self.pending.lose_channel(channel, now);
    }

    /// Reports what is overdue. Commands become unknown; a login without reply is tried again on a
    /// new connection.
    fn expire(&mut self, now: Nanos, out: Option<&mut Outbox>, events: &mut Events) {
        let (mut probe_lost, mut login_lost) = (false, false);
        self.pending.expire(now, |entry| {
            match &entry.asked {
                Asked::Time => probe_lost = true,
                Asked::Logon | Asked::Subscribe => login_lost = true,
                Asked::Command(command) => {
                    replies::unknown(command, ReportOrigin::Local, 0, now, events)?;
                }
            }
            Ok(())
        });
        if probe_lost && self.clock.is_waiting() {
            self.clock.lost(now, self.suspended);
        }
        if login_lost && matches!(self.phase, Phase::LoggingOn | Phase::Subscribing) {
            self.retry_later(now, Nanos(0));
            if let Some(out) = out {
                let _ = out.reconnect(Channel::Trade);
            }
        }
    }

    fn on_frame(
        &mut self,
        root: Value<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let (mut id, mut status, mut result, mut error) = (None, None, None, None);
        let (mut limits, mut event) = (None, None);
        for (key, value) in root.members() {
            match key {
                "id" => id = Some(value),
                "status" => status = value.u64().and_then(|status| u16::try_from(status).ok()),
                "result" => result = Some(value),
                "error" => error = Some(value),
                "rateLimits" => limits = Some(value),
                "event" => event = Some(value),
                _ => {}
            }
        }
        if let Some(event) = event {
            return self.on_event(event, now, events);
        }
        let Some(id) = id else { return Err(DecodeError::UnknownKind) };
        let status = status.ok_or(DecodeError::Missing("status"))?;
        let (code, message, retry_ms) = error.map_or((0, "", None), error_parts);
        let retry_at = retry_ms.map(|ms| self.clock.to_local(Nanos::from_millis(ms)));
        let reply = Reply { channel: Channel::Trade, status, result, code, message, retry_at };
        let outcome = if id.is_null() {
            self.on_session_error(&reply, now, events)
        } else {
            let entry = id.u64().and_then(|id| self.pending.take(id));
            let entry = entry.filter(|entry| entry.channel == Channel::Trade);
            match entry {
                Some(entry) => self.on_reply(&entry, &reply, now, out, events),
                None => Err(DecodeError::UnknownRequest),
            }
        };
        if let Some(limits) = limits {
            limits::from_array(limits, &self.clock, now, events);
        }
        outcome
    }

    fn on_event(
        &mut self,
        event: Value<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        match private_stream::decode(event, &mut self.account, now, events)? {
            Told::Account => {}
            Told::Terminated => {
                if self.phase == Phase::Ready {
                    notice(events, VenueNotice::Readiness(Channel::Trade, Readiness::Joining));
                }
                if !matches!(self.phase, Phase::Down | Phase::Refused) {
                    self.phase = Phase::Waiting;
                    self.retry_at = None;
                }
            }
            Told::Shutdown => {
                self.draining = true;
                notice(events, VenueNotice::ShutdownAnnounced(Channel::Trade));
                if self.phase == Phase::Ready {
                    notice(events, VenueNotice::Readiness(Channel::Trade, Readiness::Joining));
                }
            }
        }
        Ok(())
    }

    /// An error of no request: the key was revoked, or something we sent could not be read.
    fn on_session_error(
        &mut self,
        reply: &Reply<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        self.suspend(reply, now, events);
        if errors::is_login_refusal(reply.code) {
            self.refuse_login(reply.code, events);
        } else {
            notice(events, VenueNotice::RequestFailed(reply.own_code()));
        }
        Ok(())
    }

    fn on_response(
        &mut self,
        parser: &mut Parser,
        id: u64,
        response: Response<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        limits::from_headers(&response, &self.clock, now, events);
        let entry = self.pending.take(id).filter(|entry| entry.channel == Channel::Rest);
        let entry = entry.ok_or(DecodeError::UnknownRequest)?;
        let status = response.status;
        let pause = limits::retry_after(&response);
        let mut read = false;
        let outcome = parser.read(response.body, |root| {
            read = true;
            let mut reply = Reply::bare(status, pause.map(|pause| now.plus(pause)));
            if status == 200 {
                reply.result = Some(root);
            } else {
                (reply.code, reply.message, _) = error_parts(root);
            }
            self.on_reply(&entry, &reply, now, out, events)
        });
        if read {
            return outcome;
        }
        // Firewalls and proxies answer in HTML: the status must do. A success that cannot be read
        // proves nothing.
        let reply = Reply::bare(status, pause.map(|pause| now.plus(pause)));
        self.on_reply(&entry, &reply, now, out, events)?;
        if status == 200 { outcome } else { Ok(()) }
    }

    fn on_reply(
        &mut self,
        entry: &Entry,
        reply: &Reply<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        self.suspend(reply, now, events);
        match &entry.asked {
            Asked::Time => self.on_time(entry, reply, now, events),
            Asked::Logon | Asked::Subscribe => self.on_login(entry, reply, now, out, events),
            Asked::Command(command) => self.on_command(command, entry, reply, now, out, events),
        }
    }

    fn on_time(
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

    fn on_login(
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
        if self.phase != awaited {
            return Ok(());
        }
        if reply.success().is_some() || reply.code == ALREADY_SUBSCRIBED {
            if awaited == Phase::LoggingOn {
                self.subscribe(now, out);
            } else {
                self.phase = Phase::Ready;
                self.retries = 0;
                notice(events, VenueNotice::Readiness(Channel::Trade, Readiness::Ready));
            }
            return Ok(());
        }
        if errors::is_login_refusal(reply.code) {
            self.refuse_login(reply.code, events);
            return Ok(());
        }
        if reply.code == BAD_TIMESTAMP {
            self.clock.restart(now, true);
        }
        notice(events, VenueNotice::RequestFailed(reply.own_code()));
        self.retry_later(now, self.suspended.max(self.banned));
        Ok(())
    }

    fn on_command(
        &mut self,
        command: &CommandKind,
        entry: &Entry,
        reply: &Reply<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let code = reply.own_code();
        if let Some(result) = reply.success() {
            let then = replies::decode(command, result, &mut self.account, now, events);
            if let Ok(Then::NextFills(from_id)) = then {
                self.next_fills(command, from_id, now, out, events);
            }
            if then.is_err() && !entry.late {
                replies::unknown(command, ReportOrigin::Local, 0, now, events)?;
            }
            return then.map(drop);
        }
        match errors::judge(reply.status, reply.code, reply.message) {
            // A success without a result says as little as a server error.
            Verdict::Refused(_) if reply.status == 200 => {
                if !entry.late {
                    replies::unknown(command, ReportOrigin::Local, 0, now, events)?;
                }
                Err(DecodeError::Missing("result"))
            }
            Verdict::Unknown if entry.late => Ok(()),
            Verdict::Unknown => {
                Ok(replies::unknown(command, ReportOrigin::Reply, code, now, events)?)
            }
            Verdict::Refused(reason) => {
                if reply.code == BAD_TIMESTAMP {
                    self.clock.restart(now, true);
                }
                let account = &mut self.account;
                replies::refused(command, reason, code, account, now, events)?;
                if reason == RejectReason::Unauthorized && errors::is_login_refusal(reply.code) {
                    notice(events, VenueNotice::LoginRefused(reply.channel, reply.code));
                }
                Ok(())
            }
        }
    }

    /// Asks for the next page of fills.
    fn next_fills(
        &mut self,
        command: &CommandKind,
        from_id: crate::types::FillId,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) {
        let CommandKind::FillsSince { instrument, from_ns, .. } = *command else { return };
        let next = CommandKind::FillsSince { instrument, from_id, from_ns };
        if self.submit(&next, now, out).is_err() {
            notice(events, VenueNotice::RequestFailed(0));
        }
    }

    /// Status 429 stops everything but cancels, 418 everything.
    fn suspend(&mut self, reply: &Reply<'_>, now: Nanos, events: &mut Events) {
        // Too many orders (-1015) is a limit of its own, which its count reports.
        if !matches!(reply.status, 418 | 429) || reply.code == -1015 {
            return;
        }
        let pause = limits::silence_ns(reply.status, &self.clock, now);
        let until = reply.retry_at.unwrap_or(now.plus(pause));
        self.suspended = self.suspended.max(until);
        if reply.status == 418 {
            self.banned = self.banned.max(until);
        }
        notice(events, VenueNotice::Suspended(until));
    }

    fn refuse_login(&mut self, code: i32, events: &mut Events) {
        self.phase = Phase::Refused;
        self.retry_at = None;
        notice(events, VenueNotice::LoginRefused(Channel::Trade, code));
        notice(events, VenueNotice::Readiness(Channel::Trade, Readiness::Down));
    }

    fn retry_later(&mut self, now: Nanos, earliest: Nanos) {
        let wait = RETRY_NS << self.retries.min(RETRY_DOUBLINGS_MAX);
        self.retries = self.retries.saturating_add(1);
        self.phase = Phase::Waiting;
        self.retry_at = Some(now.plus(wait).max(earliest));
    }

    /// Takes the next steps towards ready, as far as they can be taken now.
    fn advance(&mut self, now: Nanos, out: &mut Outbox, events: &mut Events) {
        if self.is_open() && self.clock.is_due(now) && now >= self.suspended {
            self.probe_clock(now, out);
        }
        if !self.rest_ready && self.rest_open && self.clock.is_known() {
            self.rest_ready = true;
            notice(events, VenueNotice::Readiness(Channel::Rest, Readiness::Ready));
        }
        let rested = self.retry_at.is_none_or(|at| now >= at);
        if self.phase == Phase::Waiting && rested && self.clock.is_known() && !self.draining {
            self.log_in(now, out);
        }
        if self.draining && !self.pending.has_commands(Channel::Trade) {
            self.draining = out.reconnect(Channel::Trade).is_err();
        }
    }

    fn probe_clock(&mut self, now: Nanos, out: &mut Outbox) {
        let Some(id) = self.pending.next_id(&Asked::Time) else { return };
        let sent = if self.commands == Channel::Rest {
            rest::request_time(id, out)
        } else {
            self.params.start(Wire::Session, &self.key);
            let params = &self.params;
            out.frame(Channel::Trade, |bytes| params.write_frame(id, "time", None, bytes))
        };
        if sent.is_ok() {
            self.pending.insert(Asked::Time, self.commands, now);
            self.clock.sent();
        } else {
            self.clock.lost(now, Nanos(0));
        }
    }

    /// Ed25519 keys log on once, then subscribe; others subscribe with a signature.
    fn log_in(&mut self, now: Nanos, out: &mut Outbox) {
        if !self.signer.can_log_on() {
            return self.subscribe(now, out);
        }
        let Some(timestamp_ms) = self.clock.timestamp_ms(now) else { return };
        self.params.start(Wire::Signed, &self.key);
        self.params.number("timestamp", timestamp_ms);
        self.send_login(Asked::Logon, "session.logon", Phase::LoggingOn, now, out);
    }

    fn subscribe(&mut self, now: Nanos, out: &mut Outbox) {
        let Some(timestamp_ms) = self.clock.timestamp_ms(now) else { return };
        let name = if self.signer.can_log_on() {
            self.params.start(Wire::Session, &self.key);
            "userDataStream.subscribe"
        } else {
            self.params.start(Wire::Signed, &self.key);
            self.params.number("timestamp", timestamp_ms);
            "userDataStream.subscribe.signature"
        };
        self.send_login(Asked::Subscribe, name, Phase::Subscribing, now, out);
    }

    fn send_login(&mut self, asked: Asked, name: &str, phase: Phase, now: Nanos, out: &mut Outbox) {
        let signature = self.params.sign(&self.signer);
        let params = &self.params;
        let sent = self.pending.next_id(&asked).is_some_and(|id| {
            let write = |bytes: &mut Vec<u8>| {
                params.write_frame(id, name, signature.as_ref(), bytes);
            };
            out.frame(Channel::Trade, write).is_ok()
        });
        if sent {
            self.pending.insert(asked, Channel::Trade, now);
            self.phase = phase;
            self.retry_at = None;
        } else {
            self.phase = Phase::Waiting;
            self.retry_at = Some(now.plus(FULL_NS));
        }
    }

    fn submit(
        &mut self,
        command: &CommandKind,
        now: Nanos,
        out: &mut Outbox,
    ) -> Result<(), EncodeError> {
        self.check_ready(command, now)?;
        let asked = Asked::Command(*command);
        let id = self.pending.next_id(&asked).ok_or(EncodeError::Full)?;
        let timestamp_ms = self.clock.timestamp_ms(now).ok_or(EncodeError::NotReady)?;
        let wire = match (self.commands, self.signer.can_log_on()) {
            (Channel::Rest, _) => Wire::Rest,
            (_, true) => Wire::Session,
            (_, false) => Wire::Signed,
        };
        let stamp = Stamp { recv_window_ms: self.recv_window_ms, timestamp_ms };
        self.params.start(wire, &self.key);
        let call = orders::encode(command, &self.account, stamp, &mut self.params)?;
        self.send(id, call, out)?;
        self.pending.insert(asked, self.commands, now);
        if let CommandKind::New(order) = command
            && order.order_type == OrderType::Limit
            && order.time_in_force == TimeInForce::Gtc
        {
            self.account.remember(order.client_id, Terms { price: order.price, qty: order.qty });
        }
        Ok(())
    }

    fn send(&self, id: u64, call: &orders::Call, out: &mut Outbox) -> Result<(), OutboxFull> {
        let signature = self.params.sign(&self.signer);
        let (params, signature) = (&self.params, signature.as_ref());
        if self.commands != Channel::Rest {
            return out.frame(Channel::Trade, |bytes| {
                params.write_frame(id, call.name, signature, bytes);
            });
        }
        out.request(
            RequestId(id),
            call.method,
            |path| params.write_path(call.path, signature, path),
            |_| {},
            |_, _, head| head.extend_from_slice(&self.header),
        )
    }

    /// Whether the channel of commands can be used at all.
    fn is_open(&self) -> bool {
        match self.commands {
            Channel::Rest => self.rest_open,
            _ => !matches!(self.phase, Phase::Down | Phase::Refused),
        }
    }

    /// Orders need the private stream, or their fills would be missed; the rest does not.
    fn check_ready(&self, command: &CommandKind, now: Nanos) -> Result<(), EncodeError> {
        let orders = matches!(command, CommandKind::New(_) | CommandKind::Replace(_));
        let cancels = matches!(command, CommandKind::Cancel(_) | CommandKind::CancelAll(_));
        let stream = self.phase == Phase::Ready && !self.draining;
        let needs_logon = self.commands == Channel::Trade && self.signer.can_log_on();
        let logged_on = matches!(self.phase, Phase::Subscribing | Phase::Ready);
        if !self.is_open() || (needs_logon && !logged_on) || (orders && !stream) {
            return Err(EncodeError::NotReady);
        }
        if now < self.banned || (now < self.suspended && !cancels) {
            return Err(EncodeError::RateLimited);
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Nanos> {
        let probe = self.clock.due().filter(|_| self.is_open()).map(|at| at.max(self.suspended));
        let waits = self.phase == Phase::Waiting && self.clock.is_known() && !self.draining;
        let retry = self.retry_at.filter(|_| waits);
        [self.pending.wake(), probe, retry].into_iter().flatten().min()
    }
}

impl<'a> Reply<'a> {
    /// A REST reply whose body is not read yet.
    fn bare(status: u16, retry_at: Option<Nanos>) -> Self {
        Self { channel: Channel::Rest, status, result: None, code: 0, message: "", retry_at }
    }

    /// The result, if the request succeeded.
    fn success(&self) -> Option<Value<'a>> {
        self.result.filter(|_| self.status == 200)
    }

    /// The venue's code, or the negative status if it gave none.
    fn own_code(&self) -> i32 {
        if self.code == 0 { -i32::from(self.status) } else { self.code }
    }
}

/// Code, text and end of suspension of
/// `{"code":-1003,"msg":"..","data":{"serverTime":1659142907531,"retryAfter":1659146400000}}`.
fn error_parts(error: Value<'_>) -> (i32, &str, Option<u64>) {
    let code = error.get("code").and_then(Value::i64).and_then(|code| i32::try_from(code).ok());
    let message = error.get("msg").and_then(Value::str).unwrap_or("");
    let retry = error.get("data").and_then(|data| data.get("retryAfter")).and_then(Value::u64);
    (code.unwrap_or(0), message, retry)
}

/// A full buffer loses the notice; the buffer is sized for frames that hold far more.
fn notice(events: &mut Events, notice: VenueNotice) {
    let _ = events.push(Event::Notice(notice));
}

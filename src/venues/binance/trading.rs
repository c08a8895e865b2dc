//! The trading connector: orders, account requests and the private stream.
//!
//! One socket, the WebSocket API, carries everything; with `orders_over_rest` the commands go over
//! REST and the socket keeps the private stream. The way to ready is: measure the venue's clock,
//! log on (Ed25519) or sign each request (HMAC), subscribe to the account's events. Replies may
//! come in any order; what gets none in time becomes unknown, never a guess.

#![forbid(unsafe_code)]

use super::account::{Account, Terms};
use super::auth::Signer;
use super::envelope::{self, Frame, Reply};
use super::errors::{self, Verdict};
use super::limits;
use super::orders::{self, Stamp};
use super::params::{Params, Wire};
use super::pending::{Asked, Entry, Pending};
use super::replies::{self, Then};
use super::server_clock::ServerClock;
use super::session::Phase;
use super::subscriptions::notice;
use super::templates::Templates;
use crate::types::{
    Channel, Command, CommandKind, Events, FillId, Nanos, OrderType, Readiness, RejectReason,
    ReportOrigin, TimeInForce, VenueNotice,
};
use crate::venues::{
    ChannelSpec, Connector, DecodeError, EncodeError, Outbox, OutboxFull, Parser, RequestId,
    Response, SetupError, Value, VenueSetup,
};

const MS: u64 = 1_000_000;
/// The venue forgives a receive window of a minute at most.
const RECV_WINDOW_MAX_MS: u64 = 60_000;
/// Our timestamp is outside the window.
pub(super) const BAD_TIMESTAMP: i32 = -1021;

/// The trading connector.
pub(super) struct TradingConnector {
    parser: Parser,
    core: Core,
}

/// The connector without its parser, so that a message being read can change it.
pub(super) struct Core {
    pub(super) channels: Vec<ChannelSpec>,
    /// The channel of commands and clock probes.
    pub(super) commands: Channel,
    pub(super) account: Account,
    pub(super) signer: Signer,
    pub(super) key: String,
    pub(super) header: Vec<u8>,
    pub(super) params: Params,
    templates: Templates,
    pub(super) pending: Pending,
    pub(super) clock: ServerClock,
    pub(super) recv_window_ms: u64,
    pub(super) phase: Phase,
    pub(super) retry_at: Option<Nanos>,
    pub(super) retries: u32,
    pub(super) rest_open: bool,
    pub(super) rest_ready: bool,
    /// The venue announced the end of the connection: it is replaced once nothing is in flight.
    pub(super) draining: bool,
    /// Until then only cancels may be sent.
    pub(super) suspended: Nanos,
    /// Until then nothing may be sent.
    pub(super) banned: Nanos,
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
        let (account, signer) = (Account::new(setup), Signer::new(&credentials.secret, &key)?);
        let recv_window_ms = u64::from(setup.recv_window_ms).clamp(1, RECV_WINDOW_MAX_MS);
        let wire = wire(commands, &signer);
        let core = Core {
            channels,
            commands,
            templates: Templates::new(&account, &signer, &key, wire, recv_window_ms),
            account,
            signer,
            header: format!("X-MBX-APIKEY: {key}\r\n").into_bytes(),
            key,
            params: Params::new(),
            pending: Pending::new(u64::from(setup.reply_timeout_ms).max(1) * MS),
            clock: ServerClock::new(),
            recv_window_ms,
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

/// How commands travel and prove who sent them.
fn wire(commands: Channel, signer: &Signer) -> Wire {
    match (commands, signer.can_log_on()) {
        (Channel::Rest, _) => Wire::Rest,
        (_, true) => Wire::Session,
        (_, false) => Wire::Signed,
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

    fn on_request_unsent(
        &mut self,
        id: RequestId,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) {
        if !self.core.on_unsent(id.0, now, events) {
            self.on_request_lost(id, now, out, events);
        }
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
        let (id, reply, limits) = match envelope::frame(root)? {
            Frame::Event(event) => return self.on_event(event, now, events),
            Frame::Reply { id, reply, limits } => (id, reply, limits),
        };
        let outcome = match id {
            None => {
                self.on_session_error(&reply, now, events);
                Ok(())
            }
            Some(id) => match self.pending.take(id, Channel::Trade) {
                Some(entry) => self.on_reply(&entry, &reply, now, out, events),
                None => Err(DecodeError::UnknownRequest),
            },
        };
        if let Some(limits) = limits {
            limits::from_array(limits, &self.clock, now, events);
        }
        outcome
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
        let entry = self.pending.take(id, Channel::Rest).ok_or(DecodeError::UnknownRequest)?;
        let (status, retry) = (response.status, limits::retry_after(&response));
        let mut read = false;
        let outcome = parser.read(response.body, |body| {
            read = true;
            self.on_reply(&entry, &Reply::rest(status, body, retry), now, out, events)
        });
        if read {
            return outcome;
        }
        // Firewalls and proxies answer in HTML: the status must do. A success that cannot be read
        // proves nothing.
        let reply = Reply::bare(Channel::Rest, status, retry);
        let result = self.on_reply(&entry, &reply, now, out, events);
        if status == 200 { outcome } else { result }
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
            match then {
                Ok(Then::NextFills(id)) => {
                    self.next_fills(command, id, Nanos(0), now, out, events);
                }
                Ok(Then::LaterFills(from)) => {
                    self.next_fills(command, FillId::EMPTY, from, now, out, events);
                }
                _ => {}
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
        from_id: FillId,
        from_ns: Nanos,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) {
        let CommandKind::FillsSince { instrument, .. } = *command else { return };
        let next = CommandKind::FillsSince { instrument, from_id, from_ns };
        if self.submit(&next, now, out).is_err() {
            notice(events, VenueNotice::RequestFailed(0));
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
        let place = (id, timestamp_ms);
        let prepared = self.templates.prepare(command, place, &self.account, &self.signer);
        match prepared.map(|write| out.frame(Channel::Trade, write)) {
            Some(written) => written?,
            None => self.encode(command, place, out)?,
        }
        self.pending.insert(asked, self.commands, now);
        if let CommandKind::New(order) = command
            && order.order_type == OrderType::Limit
            && order.time_in_force == TimeInForce::Gtc
        {
            self.account.remember(order.client_id, Terms { price: order.price, qty: order.qty });
        }
        Ok(())
    }

    /// The complete encoder.
    fn encode(
        &mut self,
        command: &CommandKind,
        (id, timestamp_ms): (u64, u64),
        out: &mut Outbox,
    ) -> Result<(), EncodeError> {
        let stamp = Stamp { recv_window_ms: self.recv_window_ms, timestamp_ms };
        self.params.start(wire(self.commands, &self.signer), &self.key);
        let call = orders::encode(command, &self.account, stamp, &mut self.params)?;
        Ok(self.send(id, call, out)?)
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
    pub(super) fn is_open(&self) -> bool {
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

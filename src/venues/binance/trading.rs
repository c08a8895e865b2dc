//! The trading connector: orders, account requests and the private stream.
//!
//! One socket, the WebSocket API, carries everything, and a second beside it does the same: commands
//! take the healthier, what the account's events say twice counts once, and the loss of one makes
//! nothing unknown but what waits there. With `orders_over_rest` the commands go over REST and one
//! socket keeps the private stream. The way to ready is: measure the venue's clock,
//! log on (Ed25519) or sign each request (HMAC), subscribe to the account's events. Replies may
//! come in any order; what gets none in time becomes unknown, never a guess.

#![forbid(unsafe_code)]

use super::account::Account;
use super::auth::Signer;
use super::commands::{is_order, wire};
use super::envelope::{self, Frame, Reply};
use super::errors::{self, Verdict};
use super::limits;
use super::params::Params;
use super::pending::{Asked, Entry, Pending};
use super::replies::{self, Then};
use super::scan;
use super::seen::Seen;
use super::server_clock::ServerClock;
use super::session::Line;
use super::subscriptions::notice;
use super::templates::Templates;
use crate::types::{
    Channel, Command, CommandKind, Events, FillId, Nanos, OrderLines, Readiness, RejectReason,
    ReportOrigin, VenueNotice,
};
use crate::venues::healthier::Healthier;
use crate::venues::{
    ChannelSpec, Connector, DecodeError, EncodeError, Outbox, Parser, RequestId, Response, Scans,
    SetupError, Value, VenueSetup,
};

const MS: u64 = 1_000_000;
/// The venue forgives a receive window of a minute at most.
const RECV_WINDOW_MAX_MS: u64 = 60_000;
/// Our timestamp is outside the window.
pub(super) const BAD_TIMESTAMP: i32 = -1021;

/// The trading connector.
pub(super) struct TradingConnector {
    parser: Parser,
    scans: Scans,
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
    pub(super) templates: Templates,
    pub(super) pending: Pending,
    pub(super) clock: ServerClock,
    pub(super) recv_window_ms: u64,
    /// The sockets: one, or two.
    pub(super) lines: Vec<Line>,
    pub(super) healthier: Healthier,
    pub(super) seen: Seen,
    pub(super) rest_open: bool,
    pub(super) rest_ready: bool,
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
        let both = setup.order_connections > 1 && !setup.orders_over_rest;
        let names =
            if both { &[Channel::Trade, Channel::TradeSpare][..] } else { &[Channel::Trade] };
        let spec = |channel: &Channel| ChannelSpec { channel: *channel, url: trade.clone() };
        let mut channels: Vec<ChannelSpec> = names.iter().map(spec).collect();
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
            lines: names.iter().map(|channel| Line::new(*channel)).collect(),
            healthier: Healthier::default(),
            seen: Seen::new(),
            rest_open: false,
            rest_ready: false,
            suspended: Nanos(0),
            banned: Nanos(0),
        };
        Ok(Self { parser: Parser::new(), scans: Scans::default(), core })
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
        let Self { parser, scans, core } = self;
        if core.line(channel).is_none() {
            return Err(DecodeError::UnknownKind);
        }
        let result = match scans.count(scan::execution(frame)) {
            Some(fields) => core.on_execution(channel, &fields, now, events),
            None => parser.read(frame, |root| core.on_frame(channel, root, now, out, events)),
        };
        core.advance(now, out, events);
        core.templates.foresee(&mut core.signer);
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
        let Self { parser, core, .. } = self;
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

    fn scans(&self) -> Scans {
        self.scans
    }

    fn order_lines(&self) -> OrderLines {
        self.core.healthier.lines()
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
        if channel == Channel::Rest {
            self.rest_open = true;
        } else {
            let Some(line) = self.line(channel) else { return };
            if !line.open() {
                return;
            }
            self.healthier.reset(channel);
        }
        notice(events, VenueNotice::Readiness(channel, Readiness::Joining));
        // One that is there already measures the clock, or has.
        let first = self.lines.iter().filter(|line| line.is_open()).count() == 1;
        let commands = self.commands == Channel::Rest;
        if commands == (channel == Channel::Rest) && (commands || first) {
            self.clock.restart(now, false);
        }
    }

    fn on_close(&mut self, channel: Channel, now: Nanos, events: &mut Events) {
        if channel == Channel::Rest {
            self.rest_open = false;
            self.rest_ready = false;
        } else {
            let Some(line) = self.line(channel) else { return };
            line.close();
            self.healthier.reset(channel);
        }
        if !self.is_open() {
            self.clock.stop();
        }
        notice(events, VenueNotice::Readiness(channel, Readiness::Down));
        self.pending.lose_channel(channel, now);
    }

    /// Reports what is overdue. Commands become unknown; a login without reply is tried again on a
    /// new connection.
    fn expire(&mut self, now: Nanos, mut out: Option<&mut Outbox>, events: &mut Events) {
        let (mut probe_lost, mut logins_lost) = (false, [None; 2]);
        let healthier = &mut self.healthier;
        self.pending.expire(now, |entry| {
            match &entry.asked {
                Asked::Time => probe_lost = true,
                Asked::Logon | Asked::Subscribe => {
                    logins_lost[usize::from(entry.channel != Channel::Trade)] = Some(entry.channel);
                }
                Asked::Command(command) => {
                    replies::unknown(command, ReportOrigin::Local, 0, now, events)?;
                    if is_order(command) && !entry.lost {
                        healthier.on_overdue(entry.channel, entry.sent, now);
                    }
                }
            }
            Ok(())
        });
        if probe_lost && self.clock.is_waiting() {
            self.clock.lost(now, self.suspended);
        }
        for channel in logins_lost.into_iter().flatten() {
            self.on_login_lost(channel, now, &mut out);
        }
    }

    fn on_frame(
        &mut self,
        channel: Channel,
        root: Value<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let (id, reply, limits) = match envelope::frame(channel, root)? {
            Frame::Event(event) => return self.on_event(channel, event, now, events),
            Frame::Reply { id, reply, limits } => (id, reply, limits),
        };
        let outcome = match id {
            None => {
                self.on_session_error(&reply, now, events);
                Ok(())
            }
            Some(id) => match self.pending.take(id, channel) {
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
        if !entry.late && matches!(&entry.asked, Asked::Command(command) if is_order(command)) {
            self.healthier.on_reply(entry.channel, entry.sent, now);
        }
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
            if matches!(command, CommandKind::Balances) {
                self.seen.take_balances(entry.channel);
            }
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

    fn deadline(&self) -> Option<Nanos> {
        let probe = self.clock.due().filter(|_| self.is_open()).map(|at| at.max(self.suspended));
        let known = self.clock.is_known();
        let retry = self.lines.iter().filter_map(Line::deadline).min().filter(|_| known);
        [self.pending.wake(), probe, retry].into_iter().flatten().min()
    }
}

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
use super::dead_man::DeadMan;
use super::envelope::{self, Frame, Reply};
use super::limits::{self, Windows};
use super::outcomes;
use super::params::Params;
use super::payments::Payments;
use super::pending::{Asked, Pending};
use super::scan;
use super::seen::Seen;
use super::server_clock::ServerClock;
use super::session::Line;
use super::streams::Product;
use super::subscriptions::notice;
use super::templates::Templates;
use super::user_stream::UserStream;
use crate::types::{
    Channel, Command, Events, Nanos, OrderLines, Readiness, ReportOrigin, VenueNotice,
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
    pub(super) product: Product,
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
    /// Of futures, like the two below.
    pub(super) stream: UserStream,
    pub(super) dead_man: DeadMan,
    pub(super) payments: Payments,
    pub(super) rest_open: bool,
    pub(super) rest_ready: bool,
    /// Until then only cancels may be sent.
    pub(super) suspended: Nanos,
    /// Until then nothing may be sent.
    pub(super) banned: Nanos,
}

/// Builds it for the account of the spot market.
pub(super) fn connect(setup: VenueSetup) -> Result<Box<dyn Connector>, SetupError> {
    Ok(Box::new(TradingConnector::new(&setup, Product::Spot)?))
}

/// The same for that of USD-M futures.
pub(super) fn connect_usdm(setup: VenueSetup) -> Result<Box<dyn Connector>, SetupError> {
    Ok(Box::new(TradingConnector::new(&setup, Product::UsdM)?))
}

impl TradingConnector {
    /// Endpoints and instruments of `setup` are those of `product`.
    pub(super) fn new(setup: &VenueSetup, product: Product) -> Result<Self, SetupError> {
        let credentials = setup.credentials.as_ref().ok_or(SetupError::NoCredentials)?;
        let key = credentials.key.trim().to_owned();
        if key.is_empty() {
            return Err(SetupError::NoCredentials);
        }
        if !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
            return Err(SetupError::BadSecret("the API key is not made of letters and digits"));
        }
        let channels = channels(setup, product);
        let commands = if setup.orders_over_rest { Channel::Rest } else { Channel::Trade };
        let stream = match product {
            Product::Spot => String::new(),
            Product::UsdM => super::stream_url(&setup.endpoints.private),
        };
        let is_line =
            |spec: &&ChannelSpec| matches!(spec.channel, Channel::Trade | Channel::TradeSpare);
        let lines = channels.iter().filter(is_line).map(|spec| Line::new(spec.channel)).collect();
        let account = Account::new(setup, product);
        let signer = Signer::new(&credentials.secret, &key)?;
        let recv_window_ms = u64::from(setup.recv_window_ms).clamp(1, RECV_WINDOW_MAX_MS);
        let wire = wire(commands, &signer);
        let core = Core {
            product,
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
            lines,
            healthier: Healthier::default(),
            seen: Seen::new(),
            stream: UserStream::new(stream),
            dead_man: DeadMan::new(setup)?,
            payments: Payments::default(),
            rest_open: false,
            rest_ready: false,
            suspended: Nanos(0),
            banned: Nanos(0),
        };
        Ok(Self { parser: Parser::new(), scans: Scans::default(), core })
    }
}

/// The connections: for orders one or two, of futures one for the account's events, and REST where
/// anything goes over it.
fn channels(setup: &VenueSetup, product: Product) -> Vec<ChannelSpec> {
    let path = match product {
        Product::Spot => "/ws-api/v3",
        Product::UsdM => "/ws-fapi/v1",
    };
    let trade = super::with_path(&setup.endpoints.trade, path);
    let both = setup.order_connections > 1 && !setup.orders_over_rest;
    let names = if both { &[Channel::Trade, Channel::TradeSpare][..] } else { &[Channel::Trade] };
    let spec = |channel: &Channel| ChannelSpec { channel: *channel, url: trade.clone() };
    let mut channels: Vec<ChannelSpec> = names.iter().map(spec).collect();
    if product == Product::UsdM {
        // Its address has a key in it, which comes later.
        channels.push(ChannelSpec { channel: Channel::Private, url: String::new() });
    }
    if setup.orders_over_rest || product == Product::UsdM {
        let url = setup.endpoints.rest.clone();
        channels.push(ChannelSpec { channel: Channel::Rest, url });
    }
    channels
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
        let result = if channel == Channel::Private && core.product == Product::UsdM {
            match scans.count(scan::order_update(frame)) {
                Some(fields) => core.on_order_update(&fields, now, events),
                None => parser.read(frame, |root| core.on_stream_event(root, now, events)),
            }
        } else if core.line(channel).is_none() {
            return Err(DecodeError::UnknownKind);
        } else {
            match scans.count(scan::execution(frame)) {
                Some(fields) => core.on_execution(channel, &fields, now, events),
                None => parser.read(frame, |root| core.on_frame(channel, root, now, out, events)),
            }
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

    fn may_show(&self, id: RequestId) -> bool {
        let asked = self.core.pending.get(id.0, Channel::Rest);
        !matches!(asked, Some(Asked::ListenKey | Asked::KeepAlive))
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
        match channel {
            Channel::Rest => self.rest_open = true,
            Channel::Private => return self.on_stream_open(events),
            _ => {
                let Some(line) = self.line(channel) else { return };
                if !line.open() {
                    return;
                }
                self.healthier.reset(channel);
            }
        }
        notice(events, VenueNotice::Readiness(channel, Readiness::Joining));
        // One that is there already measures the clock, or has.
        let first = self.lines.iter().filter(|line| line.is_open()).count() == 1;
        let over_rest = self.clocks_over_rest();
        if over_rest == (channel == Channel::Rest) && (over_rest || first) {
            self.clock.restart(now, false);
        }
    }

    fn on_close(&mut self, channel: Channel, now: Nanos, events: &mut Events) {
        match channel {
            Channel::Rest => (self.rest_open, self.rest_ready) = (false, false),
            Channel::Private => return self.on_stream_close(now, events),
            _ => {
                let Some(line) = self.line(channel) else { return };
                line.close();
                self.healthier.reset(channel);
            }
        }
        if !self.is_open() {
            self.clock.stop();
        }
        notice(events, VenueNotice::Readiness(channel, Readiness::Down));
        self.pending.lose_channel(channel, now);
    }

    /// Reports what is overdue. Commands become unknown; a login without reply is tried again on a
    /// new connection, everything else by and by.
    fn expire(&mut self, now: Nanos, mut out: Option<&mut Outbox>, events: &mut Events) {
        let (mut probe_lost, mut logins_lost) = (false, [None; 2]);
        let (mut step_lost, mut payments_lost) = (false, false);
        let Self { pending, healthier, dead_man, .. } = self;
        pending.expire(now, |entry| {
            if let Some(command) = entry.asked.command() {
                outcomes::unknown(&command, ReportOrigin::Local, 0, now, events)?;
                if is_order(&command) && !entry.lost {
                    healthier.on_overdue(entry.channel, entry.sent, now);
                }
                return Ok(());
            }
            match &entry.asked {
                Asked::Time => probe_lost = true,
                Asked::Logon | Asked::Subscribe => {
                    logins_lost[usize::from(entry.channel != Channel::Trade)] = Some(entry.channel);
                }
                Asked::DeadMan(instrument, _) => dead_man.on_lost(*instrument, now),
                Asked::Payments(_) => payments_lost = true,
                // Asked for with the next list of orders.
                Asked::StopOrders(_) => {}
                _ => step_lost = true,
            }
            Ok(())
        });
        if probe_lost && self.clock.is_waiting() {
            self.clock.lost(now, self.suspended);
        }
        if step_lost {
            self.stream.on_lost(now);
        }
        if payments_lost {
            self.payments.on_lost(now);
        }
        for channel in logins_lost.into_iter().flatten() {
            self.on_login_lost(channel, now, &mut out);
        }
    }

    /// What the limits are counted by.
    pub(super) fn windows(&self) -> Windows<'_> {
        Windows { product: self.product, clock: &self.clock }
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
            limits::from_array(limits, self.windows(), now, events);
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
        limits::from_headers(&response, self.windows(), now, events);
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

    fn deadline(&self) -> Option<Nanos> {
        let probe = self.clock.due().filter(|_| self.is_open()).map(|at| at.max(self.suspended));
        let known = self.clock.is_known();
        let retry = self.lines.iter().filter_map(Line::deadline).min().filter(|_| known);
        let own = [self.stream.deadline(), self.dead_man.deadline(), self.payments.deadline()];
        let own = own.into_iter().flatten().min().filter(|_| self.rest_open && known);
        let own = own.map(|at| at.max(self.suspended).max(self.banned));
        [self.pending.wake(), probe, retry, own].into_iter().flatten().min()
    }
}

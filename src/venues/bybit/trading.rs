//! The trading connector: trade sockets, private socket, REST.
//!
//! Each socket logs in once the venue's clock is known: a login carries a time. Orders go over the
//! healthier of the trade sockets (there are two, or one; replies come on the one that carried the
//! request, everything else on the private socket), or over REST where the setup says so; a cancel also goes over REST while no trade
//! socket is there, because what works must be stoppable. Replies are settled in `replies.rs`.

#![forbid(unsafe_code)]

use super::super::flight::{Ask, Flights};
use super::super::healthier::Healthier;
use super::super::session::{Heartbeat, VenueClock, earliest};
use super::super::sink::Sink;
use super::super::{
    ChannelSpec, Connector, DecodeError, EncodeError, Outbox, OutboxFull, Parser, RequestId,
    Response, Scans, SetupError, Value, VenueSetup,
};
use super::auth::Signer;
use super::dead_man::DeadMan;
use super::login::write_login;
use super::orders::{TradeFrame, decode_trade_frame};
use super::private_stream::{self, Names};
use super::rest::FillJob;
use super::scan;
use super::session::is_pong;
use super::templates::Templates;
use super::{PRIVATE_PATH, Product, TRADE_PATH, session, with_path};
use crate::types::{
    Channel, Command, CommandKind, Event, Events, Nanos, OrderLines, Readiness, VenueId,
    VenueNotice,
};
use std::collections::VecDeque;

/// The trade sockets.
pub(super) const TRADE: [Channel; 2] = [Channel::Trade, Channel::TradeSpare];

/// How far the login of a socket has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Login {
    /// Not connected.
    Closed,
    /// Connected; the login is due at this time, once the clock is known.
    Due(Nanos),
    /// Sent; the reply must come by then.
    Sent(Nanos),
    /// Logged in and subscribing (private socket); the reply must come by then.
    Subscribing(Nanos),
    /// Ready.
    Ready,
    /// Refused for good: the key must change.
    Refused,
}

/// One of the sockets.
pub(super) struct Socket {
    pub(super) login: Login,
    heartbeat: Heartbeat,
    /// Logins in a row that failed for what may pass: a clock that is off, load.
    pub(super) refused: u32,
    /// A trade socket that restarts: replaced when its replies are in, or by then.
    pub(super) drain_by: Option<Nanos>,
}

impl Socket {
    fn new() -> Self {
        Self { login: Login::Closed, heartbeat: session::heartbeat(), refused: 0, drain_by: None }
    }

    /// The deadline of its login; none while that waits for the clock.
    fn deadline(&self, clock_known: bool) -> Option<Nanos> {
        let login = match self.login {
            Login::Due(at) => clock_known.then_some(at),
            Login::Sent(by) | Login::Subscribing(by) => Some(by),
            Login::Closed | Login::Ready | Login::Refused => None,
        };
        earliest([login, self.heartbeat.deadline(), self.drain_by])
    }

    /// Whether orders can be sent on it.
    pub(super) fn takes_orders(&self) -> bool {
        self.login == Login::Ready && self.drain_by.is_none()
    }
}

/// See the module's comment.
pub(super) struct TradingConnector {
    parser: Parser,
    scans: Scans,
    core: Core,
}

pub(super) struct Core {
    pub(super) product: &'static Product,
    channels: Vec<ChannelSpec>,
    pub(super) venue: VenueId,
    pub(super) names: Names,
    pub(super) signer: Signer,
    pub(super) templates: Templates,
    pub(super) clock: VenueClock,
    /// By channel: [`Channel::Trade`], [`Channel::TradeSpare`] if there is one.
    pub(super) trade: Vec<Socket>,
    pub(super) healthier: Healthier,
    pub(super) private: Socket,
    pub(super) rest_open: bool,
    pub(super) flights: Flights,
    pub(super) jobs: Vec<FillJob>,
    pub(super) backlog: VecDeque<Event>,
    pub(super) dead_man: DeadMan,
    pub(super) over_rest: bool,
    pub(super) reply_timeout_ns: u64,
}

impl TradingConnector {
    pub(super) fn new(setup: &VenueSetup, product: &'static Product) -> Result<Self, SetupError> {
        let ends = &setup.endpoints;
        let spec = |channel, url| ChannelSpec { channel, url };
        let mut channels = vec![
            spec(Channel::Private, with_path(&ends.private, PRIVATE_PATH)),
            spec(Channel::Rest, ends.rest.clone()),
        ];
        let trade = match (setup.orders_over_rest, setup.order_connections) {
            (true, _) => &TRADE[..0],
            (false, ..=1) => &TRADE[..1],
            (false, _) => &TRADE[..],
        };
        let sockets = trade.iter().map(|name| spec(*name, with_path(&ends.trade, TRADE_PATH)));
        channels.splice(0..0, sockets);
        let signer = Signer::new(setup.credentials.as_ref(), setup.recv_window_ms)?;
        let window = signer.recv_window();
        let templates = Templates::new(product, setup.venue, &setup.instruments, window);
        let core = Core {
            product,
            channels,
            venue: setup.venue,
            names: Names::new(product, setup.venue, &setup.instruments),
            signer,
            templates,
            clock: session::clock(),
            trade: trade.iter().map(|_| Socket::new()).collect(),
            healthier: Healthier::default(),
            private: Socket::new(),
            rest_open: false,
            flights: Flights::new(),
            jobs: Vec::new(),
            backlog: VecDeque::with_capacity(64),
            dead_man: DeadMan::new(setup.dead_man_switch_s),
            over_rest: setup.orders_over_rest,
            reply_timeout_ns: u64::from(setup.reply_timeout_ms) * 1_000_000,
        };
        Ok(Self { parser: Parser::new(), scans: Scans::default(), core })
    }
}

impl Core {
    pub(super) fn sink<'a>(&'a mut self, events: &'a mut Events) -> Sink<'a> {
        Sink { events, backlog: &mut self.backlog }
    }

    pub(super) fn notice(&mut self, events: &mut Events, notice: VenueNotice) {
        // Only a backlog of 65 536 events refuses one; the readiness of a channel is then moot.
        let _ = self.sink(events).push(Event::Notice(notice));
    }

    pub(super) fn socket(&mut self, channel: Channel) -> Option<&mut Socket> {
        match channel {
            Channel::Trade => self.trade.first_mut(),
            Channel::TradeSpare => self.trade.get_mut(1),
            Channel::Private => Some(&mut self.private),
            Channel::Public | Channel::Rest => None,
        }
    }

    pub(super) fn rest_ready(&self) -> bool {
        self.rest_open && self.clock.is_known()
    }

    /// Everything that is due. A full outbox leaves deadlines standing: the agent drains it and
    /// calls again.
    fn run(&mut self, now: Nanos, out: &mut Outbox, events: &mut Events) {
        self.flush(events);
        self.try_probe(now, out);
        self.expire(now, events);
        for channel in [Channel::Trade, Channel::TradeSpare, Channel::Private] {
            let _ = self.run_socket(channel, now, out);
        }
        self.run_dead_man(now, out);
        self.try_drain(now, out);
    }

    /// Hands on what did not fit before.
    fn flush(&mut self, events: &mut Events) {
        while let Some(event) = self.backlog.front() {
            if events.push(*event).is_err() {
                break;
            }
            self.backlog.pop_front();
        }
    }

    fn try_probe(&mut self, now: Nanos, out: &mut Outbox) {
        if self.clock.deadline().is_some_and(|due| due <= now)
            && let Some(id) = self.flights.reserve(now)
        {
            let _ = self.clock.try_probe(RequestId(id), now, out);
        }
    }

    fn run_socket(
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
                let key = if channel == Channel::Private { "req_id" } else { "reqId" };
                let signer = &self.signer;
                out.frame(channel, |frame| write_login(signer, key, venue_ms, frame))?;
                socket.login = Login::Sent(by);
            }
            Login::Sent(at) | Login::Subscribing(at) if at <= now => {
                out.reconnect(channel)?;
                socket.login = Login::Closed;
            }
            _ => {}
        }
        Ok(())
    }

    /// Orders whose reply is overdue, or whose channel is lost.
    fn expire(&mut self, now: Nanos, events: &mut Events) {
        while let Some(id) = self.flights.expired(now) {
            self.on_lost(id, now, events);
        }
    }

    fn on_trade_frame(
        &mut self,
        channel: Channel,
        root: Value<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        match decode_trade_frame(root)? {
            TradeFrame::Pong => Ok(()),
            TradeFrame::Login { code } => {
                self.on_login(channel, code, now, out, events);
                Ok(())
            }
            TradeFrame::Reply { id, reply } => {
                self.on_effect(&reply, channel, now, events);
                let flight = id.and_then(|id| self.flights.get(id).copied());
                // A code that concerns the connection may come without a request.
                let flight = match flight {
                    Some(flight) if flight.channel == channel => flight,
                    _ if id.is_none() && reply.code != 0 => return Ok(()),
                    _ => return Err(DecodeError::UnknownRequest),
                };
                self.on_order_reply(&flight, &reply, now, events)
            }
        }
    }

    fn on_scanned(
        &mut self,
        frame: &scan::Private<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let mut sink = Sink { events, backlog: &mut self.backlog };
        private_stream::on_scanned(frame, &self.names, &mut self.flights, now, &mut sink)
    }

    fn on_private_frame(
        &mut self,
        root: Value<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        if let Some(topic) = root.get("topic").and_then(Value::str) {
            let mut sink = Sink { events, backlog: &mut self.backlog };
            let flights = &mut self.flights;
            return private_stream::decode(root, topic, &self.names, flights, now, &mut sink);
        }
        if is_pong(root) {
            return Ok(());
        }
        let success = root.get("success").and_then(Value::bool);
        match (root.get("op").and_then(Value::str), success) {
            (Some("auth"), Some(success)) => {
                let code = if success { 0 } else { super::login::private_code(root) };
                self.on_login(Channel::Private, code, now, out, events);
                Ok(())
            }
            (Some("subscribe"), Some(success)) => {
                let name = root.get("req_id").and_then(Value::str);
                if name == Some("dcp") {
                    let code = super::login::private_code(root);
                    self.on_dead_man_subscribed(success, code, now, events);
                } else {
                    self.on_private_subscribed(success, out, events);
                }
                Ok(())
            }
            _ => Err(DecodeError::UnknownKind),
        }
    }
}

impl Connector for TradingConnector {
    fn channels(&self) -> &[ChannelSpec] {
        &self.core.channels
    }

    fn on_open(&mut self, channel: Channel, now: Nanos, out: &mut Outbox, events: &mut Events) {
        let core = &mut self.core;
        // Nothing that was sent before can still be answered on a new connection.
        core.flights.expire_channel(channel, now);
        if channel == Channel::Rest {
            core.rest_open = true;
            core.clock.on_open(now);
            let known = core.clock.is_known();
            let readiness = if known { Readiness::Ready } else { Readiness::Joining };
            core.notice(events, VenueNotice::Readiness(channel, readiness));
        } else if let Some(socket) = core.socket(channel) {
            socket.heartbeat.start(now);
            if socket.login != Login::Refused {
                socket.login = Login::Due(now);
            }
            socket.drain_by = None;
            core.healthier.reset(channel);
            core.notice(events, VenueNotice::Readiness(channel, Readiness::Joining));
        }
        core.run(now, out, events);
    }

    fn on_close(&mut self, channel: Channel, now: Nanos, events: &mut Events) {
        let core = &mut self.core;
        if channel == Channel::Rest {
            core.rest_open = false;
            core.clock.on_close();
        } else if let Some(socket) = core.socket(channel) {
            socket.heartbeat.stop();
            if socket.login != Login::Refused {
                socket.login = Login::Closed;
            }
            socket.drain_by = None;
            core.healthier.reset(channel);
            if channel == Channel::Private {
                core.dead_man.on_close();
            }
        } else {
            return;
        }
        core.notice(events, VenueNotice::Readiness(channel, Readiness::Down));
        core.flights.expire_channel(channel, now);
        core.expire(now, events);
    }

    fn on_frame(
        &mut self,
        channel: Channel,
        frame: &mut [u8],
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let core = &mut self.core;
        core.flush(events);
        let Some(socket) = core.socket(channel) else { return Err(DecodeError::UnknownKind) };
        socket.heartbeat.on_frame();
        let private = channel == Channel::Private;
        let scanned = if private { scan::private(frame) } else { None };
        let result = match self.scans.count(scanned) {
            Some(scanned) => core.on_scanned(&scanned, now, events),
            None => self.parser.read(frame, |root| match channel {
                Channel::Private => core.on_private_frame(root, now, out, events),
                _ => core.on_trade_frame(channel, root, now, out, events),
            }),
        };
        core.try_drain(now, out);
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
        self.core.flush(events);
        let result = self.core.on_rest_reply(&mut self.parser, id, response, now, out, events);
        self.core.run(now, out, events);
        result
    }

    fn on_request_lost(
        &mut self,
        id: RequestId,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) {
        let core = &mut self.core;
        if core.clock.is_probe(id) {
            core.clock.on_lost(now);
        } else if core.flights.get(id.0).is_some_and(|flight| flight.channel == Channel::Rest) {
            core.on_lost(id.0, now, events);
        }
        core.run(now, out, events);
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
        let core = &mut self.core;
        match command.kind {
            CommandKind::New(order) => core.send_order(Ask::New(order), now, out),
            CommandKind::Cancel(order) => core.send_order(Ask::Cancel(order), now, out),
            CommandKind::Replace(order) => core.send_order(Ask::Replace(order), now, out),
            CommandKind::CancelAll(id) => core.send_read(Ask::CancelAll(id), "", now, out),
            CommandKind::Query(order) => {
                core.send_read(Ask::Query { order, history: false }, "", now, out)
            }
            CommandKind::OpenOrders(instrument) => {
                core.send_read(Ask::OpenOrders { instrument, page: 0 }, "", now, out)
            }
            CommandKind::FillsSince { .. } => core.start_fills(&command.kind, now, out),
            CommandKind::Balances => core.send_read(Ask::Balances, "", now, out),
            CommandKind::FeeRate(id) => core.send_read(Ask::FeeRate(id), "", now, out),
            CommandKind::Subscribe(_)
            | CommandKind::Unsubscribe(_)
            | CommandKind::Resync(_)
            | CommandKind::FundingSince(_) => Err(EncodeError::Unsupported),
        }
    }

    fn scans(&self) -> Scans {
        self.scans
    }

    fn order_lines(&self) -> OrderLines {
        self.core.healthier.lines()
    }

    fn deadline(&self) -> Option<Nanos> {
        let core = &self.core;
        let known = core.clock.is_known();
        earliest([
            (!core.backlog.is_empty()).then_some(Nanos(0)),
            core.clock.deadline(),
            core.flights.deadline(),
            core.trade.iter().filter_map(|socket| socket.deadline(known)).min(),
            core.private.deadline(known),
            core.dead_man.deadline(),
        ])
    }

    fn on_deadline(&mut self, now: Nanos, out: &mut Outbox, events: &mut Events) {
        self.core.run(now, out, events);
    }
}

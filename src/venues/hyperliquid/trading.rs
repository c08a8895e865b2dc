//! The trading connector: sockets for actions, the account's streams, REST.
//!
//! Nothing logs in: each action is signed when it is encoded, on the thread that sends it. Actions go as
//! posts over the healthier of the trade sockets (there are two, or one), whose replies come on the
//! same socket, or over REST where the setup says so; a cancel also goes over REST while no trade
//! socket is there, because what works must be stoppable. REST is ready once the venue's clock, its
//! lists of instruments and the account are known: without the numbers of the lists no order can be
//! written. Replies are settled in `replies.rs`.

#![forbid(unsafe_code)]

use super::super::flight::{Ask, Flights};
use super::super::healthier::Healthier;
use super::super::session::{Heartbeat, VenueClock, earliest};
use super::super::sink::Sink;
use super::super::{
    ChannelSpec, Connector, DecodeError, EncodeError, Outbox, Parser, RequestId, Response,
    SetupError, Value, VenueSetup,
};
use super::account::Leverages;
use super::assets::Assets;
use super::auth::{Network, Signer};
use super::cancel_all::Searches;
use super::dead_man::DeadMan;
use super::margin::Margin;
use super::private_stream::{self, Desk};
use super::replies;
use super::rest::{Job, Reading};
use super::statements::Statements;
use super::streams;
use super::topics::{self, Private};
use super::works::Works;
use crate::types::{
    Channel, Command, CommandKind, Event, Events, Nanos, OrderLines, Readiness, VenueNotice,
};
use std::collections::VecDeque;

/// The trade sockets.
const TRADE: [Channel; 2] = [Channel::Trade, Channel::TradeSpare];

/// The venue takes a hundred posts at once; a power of two below.
const POSTS_MAX: usize = 64;

/// One-time numbers are made one by one, so that an order waits for one at most.
const REFILL_EVERY_NS: u64 = 1_000_000;

/// A socket for actions.
pub(super) struct Line {
    open: bool,
    heartbeat: Heartbeat,
}

/// See the module's comment.
pub(super) struct TradingConnector {
    parser: Parser,
    core: Core,
}

pub(super) struct Core {
    channels: Vec<ChannelSpec>,
    pub(super) assets: Assets,
    pub(super) signer: Signer,
    /// The account's address as text.
    pub(super) user: String,
    pub(super) clock: VenueClock,
    /// By channel: [`Channel::Trade`], [`Channel::TradeSpare`] if there is one.
    pub(super) trade: Vec<Line>,
    pub(super) healthier: Healthier,
    pub(super) private: Private,
    pub(super) rest_open: bool,
    /// REST was told to be ready on this connection.
    pub(super) rest_told: bool,
    pub(super) start: super::start::Start,
    pub(super) flights: Flights,
    pub(super) works: Works,
    /// Requests over REST, with their numbers.
    pub(super) reads: Vec<(u64, Reading)>,
    pub(super) last_read: u64,
    pub(super) jobs: Vec<Job>,
    pub(super) leverages: Leverages,
    pub(super) statements: Statements,
    pub(super) searches: Searches,
    /// What is wrong with a row of the list that was read last.
    pub(super) flaw: Option<DecodeError>,
    pub(super) backlog: VecDeque<Event>,
    pub(super) margin: Margin,
    pub(super) dead_man: DeadMan,
    /// An action in the form that is hashed.
    pub(super) packed: Vec<u8>,
    refill_at: Option<Nanos>,
    pub(super) over_rest: bool,
    pub(super) reply_timeout_ns: u64,
    /// How long an order may take on its way.
    pub(super) window_ms: u64,
}

impl TradingConnector {
    pub(super) fn new(setup: &VenueSetup) -> Result<Self, SetupError> {
        let ends = &setup.endpoints;
        let spec = |channel, url| ChannelSpec { channel, url };
        let private = if ends.private.is_empty() { &ends.trade } else { &ends.private };
        let mut channels = vec![
            spec(Channel::Private, super::socket_url(private)),
            spec(Channel::Rest, ends.rest.clone()),
        ];
        let trade = match (setup.orders_over_rest, setup.order_connections) {
            (true, _) => &TRADE[..0],
            (false, ..=1) => &TRADE[..1],
            (false, _) => &TRADE[..],
        };
        let sockets = trade.iter().map(|name| spec(*name, super::socket_url(&ends.trade)));
        channels.splice(0..0, sockets);
        let prepared = usize::from(setup.prepared_nonces);
        let signer = Signer::new(setup.credentials.as_ref(), Network::of(&ends.rest), prepared)?;
        let mut user = Vec::with_capacity(42);
        super::super::secp256k1::write_hex(signer.account(), &mut user);
        let line = |_: &Channel| Line { open: false, heartbeat: streams::heartbeat() };
        let assets = Assets::new(setup.venue, &setup.instruments);
        let core = Core {
            channels,
            refill_at: signer.wants_refill().then_some(Nanos(0)),
            signer,
            user: String::from_utf8(user).unwrap_or_default(),
            clock: streams::clock(),
            trade: trade.iter().map(line).collect(),
            healthier: Healthier::default(),
            private: Private::new(),
            rest_open: false,
            rest_told: false,
            start: super::start::Start::default(),
            flights: Flights::with(POSTS_MAX),
            works: Works::new(),
            reads: Vec::with_capacity(super::reads::READS_MAX),
            last_read: 0,
            jobs: Vec::new(),
            leverages: vec![None; setup.instruments.len()],
            statements: Statements::new(setup.instruments.len(), setup.instruments.assets.len()),
            searches: Searches::new(setup.instruments.len()),
            flaw: None,
            backlog: VecDeque::with_capacity(64),
            margin: Margin::new(setup.margin, assets.has(true)),
            assets,
            dead_man: DeadMan::new(setup.dead_man_switch_s),
            packed: Vec::with_capacity(512),
            over_rest: setup.orders_over_rest,
            reply_timeout_ns: u64::from(setup.reply_timeout_ms) * 1_000_000,
            window_ms: u64::from(setup.recv_window_ms),
        };
        Ok(Self { parser: Parser::new(), core })
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

    /// The socket for the next action.
    pub(super) fn pick(&mut self, now: Nanos) -> Option<Channel> {
        let usable = [0, 1].map(|at| self.trade.get(at).is_some_and(|line| line.open));
        self.healthier.pick(usable, now)
    }

    pub(super) fn is_open(&self, channel: Channel) -> bool {
        let at = TRADE.iter().position(|name| *name == channel);
        at.and_then(|at| self.trade.get(at)).is_some_and(|line| line.open)
    }

    fn heartbeat(&mut self, channel: Channel) -> Option<&mut Heartbeat> {
        match channel {
            Channel::Trade => self.trade.first_mut().map(|line| &mut line.heartbeat),
            Channel::TradeSpare => self.trade.get_mut(1).map(|line| &mut line.heartbeat),
            Channel::Private => Some(&mut self.private.heartbeat),
            Channel::Public | Channel::PublicMore | Channel::Rest => None,
        }
    }

    /// Everything that is due. A full outbox leaves deadlines standing: the agent drains it and
    /// calls again.
    fn run(&mut self, now: Nanos, out: &mut Outbox, events: &mut Events) {
        Sink { events, backlog: &mut self.backlog }.flush();
        if self.rest_open && self.clock.deadline().is_some_and(|due| due <= now) {
            let id = RequestId(self.next_read());
            let _ = self.clock.try_probe(id, now, out);
        }
        while let Some(id) = self.flights.expired(now) {
            self.on_lost(id, now, events);
        }
        for channel in [Channel::Trade, Channel::TradeSpare, Channel::Private] {
            if let Some(heartbeat) = self.heartbeat(channel) {
                let _ = heartbeat.try_ping(channel, now, out);
            }
        }
        if self.private.by.is_some_and(|by| by <= now) && out.reconnect(Channel::Private).is_ok() {
            (self.private.acked, self.private.by) = (None, None);
        }
        self.run_start(now, out);
        self.run_searches(now, out, events);
        self.run_dead_man(now, out);
        self.refill(now);
    }

    fn refill(&mut self, now: Nanos) {
        if self.refill_at.is_some_and(|due| due <= now) {
            self.signer.refill();
            self.plan_refill(now);
        }
    }

    /// Numbers that were used are made again, a little later.
    pub(super) fn plan_refill(&mut self, now: Nanos) {
        self.refill_at = self.signer.wants_refill().then_some(now.plus(REFILL_EVERY_NS));
    }

    fn on_private_frame(
        &mut self,
        root: Value<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        match root.field_str("channel")? {
            "pong" => Ok(()),
            "subscriptionResponse" => {
                let subscription = root.field("data")?.field("subscription")?;
                self.on_acked(subscription.field_str("type")?, events)
            }
            "error" => {
                let text = root.field_str("data")?;
                let twice = text.starts_with("Already subscribed");
                match topics::named(text).filter(|_| twice) {
                    Some(topic) => self.on_acked(topic, events),
                    None => Err(DecodeError::Invalid("error")),
                }
            }
            channel => {
                let Self { assets, works, flights, leverages, statements, user, backlog, .. } =
                    self;
                let mut desk = Desk { assets, works, flights, leverages, statements, user, now };
                let mut sink = Sink { events, backlog };
                private_stream::decode(channel, root.field("data")?, &mut desk, &mut sink)
            }
        }
    }

    fn on_trade_frame(
        &mut self,
        channel: Channel,
        root: Value<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        match root.field_str("channel")? {
            "pong" => Ok(()),
            "post" => {
                let (id, response) = replies::post(root)?;
                let reply = replies::Reply::read(response);
                let flight = self.flights.get(id).copied();
                let flight = flight.filter(|flight| flight.channel == channel);
                let flight = flight.ok_or(DecodeError::UnknownRequest)?;
                self.on_action_reply(&flight, &reply, now, events)
            }
            // Of whom it speaks is not said: the post that it means runs into its deadline.
            "error" => Err(DecodeError::Invalid("error")),
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
        core.on_first_open(now);
        // Nothing that was sent before can still be answered on a new connection.
        core.flights.expire_channel(channel, now);
        if let Some(heartbeat) = core.heartbeat(channel) {
            heartbeat.start(now);
        }
        match channel {
            Channel::Public | Channel::PublicMore => return,
            Channel::Rest => core.on_open_rest(now, events),
            Channel::Private => core.on_open_private(now, out, events),
            Channel::Trade | Channel::TradeSpare => {
                let at = usize::from(channel == Channel::TradeSpare);
                let Some(line) = core.trade.get_mut(at) else { return };
                line.open = true;
                core.healthier.reset(channel);
                core.notice(events, VenueNotice::Readiness(channel, Readiness::Ready));
            }
        }
        core.run(now, out, events);
    }

    fn on_close(&mut self, channel: Channel, now: Nanos, events: &mut Events) {
        let core = &mut self.core;
        if let Some(heartbeat) = core.heartbeat(channel) {
            heartbeat.stop();
        }
        match channel {
            Channel::Public | Channel::PublicMore => return,
            Channel::Rest => {
                (core.rest_open, core.rest_told) = (false, false);
                core.clock.on_close();
                core.start.on_close();
            }
            Channel::Private => (core.private.acked, core.private.by) = (None, None),
            Channel::Trade | Channel::TradeSpare => {
                let at = usize::from(channel == Channel::TradeSpare);
                let Some(line) = core.trade.get_mut(at) else { return };
                line.open = false;
                core.healthier.reset(channel);
            }
        }
        core.notice(events, VenueNotice::Readiness(channel, Readiness::Down));
        core.flights.expire_channel(channel, now);
        while let Some(id) = core.flights.expired(now) {
            core.on_lost(id, now, events);
        }
    }

    fn on_frame(
        &mut self,
        channel: Channel,
        frame: &mut [u8],
        now: Nanos,
        _out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let core = &mut self.core;
        core.sink(events).flush();
        core.heartbeat(channel).ok_or(DecodeError::UnknownKind)?.on_frame();
        self.parser.read(frame, |root| match channel {
            Channel::Private => core.on_private_frame(root, now, events),
            _ => core.on_trade_frame(channel, root, now, events),
        })
    }

    fn on_response(
        &mut self,
        id: RequestId,
        response: Response<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        self.core.sink(events).flush();
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
        } else if let Some(reading) = core.take_read(id.0) {
            core.on_read_failed(reading, 0, now, events);
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
            CommandKind::CancelAll(id) => core.cancel_all(id, now, out),
            CommandKind::Query(order) => core.query(order, now, out),
            CommandKind::OpenOrders(id) => core.send_read(Reading::OpenOrders(id), now, out),
            CommandKind::FillsSince { .. } | CommandKind::FundingSince(_) => {
                core.start_job(&command.kind, now, out)
            }
            CommandKind::Balances => core.start_account(now, out),
            CommandKind::FeeRate(id) => core.send_read(Reading::Fees(id), now, out),
            CommandKind::Subscribe(_) | CommandKind::Unsubscribe(_) | CommandKind::Resync(_) => {
                Err(EncodeError::Unsupported)
            }
        }
    }

    fn order_lines(&self) -> OrderLines {
        self.core.healthier.lines()
    }

    fn deadline(&self) -> Option<Nanos> {
        let core = &self.core;
        earliest([
            (!core.backlog.is_empty()).then_some(Nanos(0)),
            core.clock.deadline(),
            core.flights.deadline(),
            core.trade.iter().filter_map(|line| line.heartbeat.deadline()).min(),
            core.private.heartbeat.deadline(),
            core.private.by,
            core.start.deadline(core.rest_open),
            core.searches.deadline(core.rest_open),
            core.dead_man.deadline(core.hears_of_us()),
            core.refill_at,
        ])
    }

    fn on_deadline(&mut self, now: Nanos, out: &mut Outbox, events: &mut Events) {
        self.core.run(now, out, events);
    }
}

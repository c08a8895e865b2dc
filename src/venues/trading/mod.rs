//! The trading connector of venues with order sockets, a private socket and REST.
//!
//! Each socket logs in once the venue's clock is known: a login carries a time. Orders go over the
//! healthier of the order sockets (there are two, or one; replies come on the one that carried the
//! request, everything else on the private socket), or over REST where the setup says so; a cancel
//! also goes over REST while no order socket is there, because what works must be stoppable. REST is
//! ready once the clock is known and what the venue must teach us first ([`TradingWire::lessons`]).
//!
//! How a venue writes and reads is its affair ([`TradingWire`], `wire.rs`); logins are `sockets.rs`,
//! what is sent `commands.rs`, what answers mean `replies.rs` and `reads.rs`.

#![forbid(unsafe_code)]

mod action;
mod assets;
mod commands;
mod dead_man;
mod fills;
mod lessons;
mod names;
mod reads;
mod replies;
mod rows;
mod sockets;
mod templates;
mod wire;

pub(super) use action::Action;
pub(super) use assets::Assets;
pub(super) use fills::FillJob;
pub(super) use lessons::{leverage_lesson, margin_lessons};
pub(super) use names::Names;
pub(super) use rows::OrderRow;
pub(super) use templates::Values;
#[cfg(test)]
pub(super) use templates::{Templates, tests as template_tests};
pub(super) use wire::{
    DeadManHabits, Desk, Effect, Habits, Lesson, LimitState, Mark, Message, Reply, TradingWire,
};

use super::flight::{Ask, Flights};
use super::healthier::Healthier;
use super::session::{Heartbeat, VenueClock, earliest};
use super::sink::Sink;
use super::{
    ChannelSpec, Connector, DecodeError, EncodeError, Outbox, Parser, RequestId, Response, Scans,
    Value, VenueSetup,
};
use crate::types::{
    Channel, Command, CommandKind, Event, Events, FundingPayment, Nanos, OrderLines, Readiness,
    VenueNotice,
};
use dead_man::DeadMan;
use lessons::Lessons;
use sockets::{Socket, TRADE};
use std::collections::VecDeque;

/// See the module's comment.
pub(super) struct TradingConnector<W> {
    parser: Parser,
    scans: Scans,
    core: Core<W>,
}

/// Everything but the parser, whose values are borrowed while this changes.
struct Core<W> {
    wire: W,
    channels: Vec<ChannelSpec>,
    templates: templates::Templates,
    lessons: Lessons,
    clock: VenueClock,
    /// By channel: [`Channel::Trade`], [`Channel::TradeSpare`] if there is one.
    trade: Vec<Socket>,
    healthier: Healthier,
    private: Socket,
    rest_open: bool,
    flights: Flights,
    jobs: Vec<FillJob>,
    /// Payments of the list of funding that is being read.
    payments: Vec<FundingPayment>,
    backlog: VecDeque<Event>,
    dead_man: DeadMan,
    over_rest: bool,
    reply_timeout_ns: u64,
}

impl<W: TradingWire> TradingConnector<W> {
    /// `urls` are those of the order sockets, of the private socket and of REST; `connection` makes
    /// what keeps one socket alive.
    pub(super) fn new(
        setup: &VenueSetup,
        wire: W,
        urls: [String; 3],
        clock: VenueClock,
        heartbeat: fn() -> Heartbeat,
    ) -> Self {
        let [orders, private, rest] = urls;
        let names = match (setup.orders_over_rest, setup.order_connections) {
            (true, _) => &TRADE[..0],
            (false, ..=1) => &TRADE[..1],
            (false, _) => &TRADE[..],
        };
        let order_lines = names.iter().map(|&channel| (channel, orders.clone()));
        let channels = order_lines.chain([(Channel::Private, private), (Channel::Rest, rest)]);
        let core = Core {
            channels: channels.map(|(channel, url)| ChannelSpec { channel, url }).collect(),
            templates: templates::Templates::new(&wire),
            lessons: Lessons::new(&wire),
            wire,
            clock,
            trade: names.iter().map(|_| Socket::new(heartbeat())).collect(),
            healthier: Healthier::default(),
            private: Socket::new(heartbeat()),
            rest_open: false,
            flights: Flights::new(),
            jobs: Vec::new(),
            payments: Vec::new(),
            backlog: VecDeque::with_capacity(64),
            dead_man: DeadMan::new(setup.dead_man_switch_s),
            over_rest: setup.orders_over_rest,
            reply_timeout_ns: u64::from(setup.reply_timeout_ms) * 1_000_000,
        };
        Self { parser: Parser::new(), scans: Scans::default(), core }
    }
}

impl<W: TradingWire> Core<W> {
    fn sink<'a>(&'a mut self, events: &'a mut Events) -> Sink<'a> {
        Sink { events, backlog: &mut self.backlog }
    }

    fn notice(&mut self, events: &mut Events, notice: VenueNotice) {
        // Only a backlog of 65 536 events refuses one; the readiness of a channel is then moot.
        let _ = self.sink(events).push(Event::Notice(notice));
    }

    fn socket(&mut self, channel: Channel) -> Option<&mut Socket> {
        match channel {
            Channel::Trade => self.trade.first_mut(),
            Channel::TradeSpare => self.trade.get_mut(1),
            Channel::Private => Some(&mut self.private),
            Channel::Public | Channel::PublicMore | Channel::Rest => None,
        }
    }

    fn rest_ready(&self) -> bool {
        self.rest_open && self.clock.is_known()
    }

    /// Everything that is due. A full outbox leaves deadlines standing: the agent drains it and
    /// calls again.
    fn run(&mut self, now: Nanos, out: &mut Outbox, events: &mut Events) {
        self.flush(events);
        self.try_probe(now, out);
        self.expire(now, events);
        self.run_lessons(now, out);
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

    /// Orders whose reply is overdue, or whose channel is lost.
    fn expire(&mut self, now: Nanos, events: &mut Events) {
        while let Some(id) = self.flights.expired(now) {
            self.on_lost(id, now, events);
        }
    }

    fn desk<'a>(&'a mut self, now: Nanos, events: &'a mut Events) -> (&'a W, Desk<'a>) {
        let sink = Sink { events, backlog: &mut self.backlog };
        (&self.wire, Desk { flights: &mut self.flights, sink, now })
    }

    fn on_message(
        &mut self,
        channel: Channel,
        root: Value<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        match self.wire.read(channel, root)? {
            Message::Nothing => Ok(()),
            Message::Data(topic) if channel == Channel::Private => {
                let (wire, mut desk) = self.desk(now, events);
                wire.on_data(root, topic, &mut desk)
            }
            // What an order socket subscribes to only keeps it open.
            Message::Data(_) => Ok(()),
            Message::Login(code) => {
                self.on_login(channel, code, now, out, events);
                Ok(())
            }
            Message::Subscribed(code) => {
                self.on_subscribed(channel, code, now, out, events);
                Ok(())
            }
            Message::DeadMan(code) => {
                self.on_dead_man_subscribed(code, now, events);
                Ok(())
            }
            Message::Missing if channel != Channel::Private => Err(DecodeError::UnknownKind),
            Message::Closing | Message::Missing => {
                self.drain(channel, now, out, events);
                Ok(())
            }
            Message::Reply { id, reply } => {
                self.on_effect(&reply, (channel, None), now, out, events);
                let flight = id.and_then(|id| self.flights.get(id).copied());
                // A code that concerns the connection may come without a request.
                let flight = match flight {
                    Some(flight) if flight.channel == channel => flight,
                    _ if id.is_none() && reply.code != 0 => {
                        if W::effect(reply.code) == Effect::Nothing {
                            self.notice(events, VenueNotice::RequestFailed(reply.code));
                        }
                        return Ok(());
                    }
                    _ => return Err(DecodeError::UnknownRequest),
                };
                self.on_order_reply(&flight, &reply, now, events)
            }
        }
    }
}

impl<W: TradingWire> Connector for TradingConnector<W> {
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
            core.lessons.on_open(now);
            let readiness = if core.is_taught() { Readiness::Ready } else { Readiness::Joining };
            core.notice(events, VenueNotice::Readiness(channel, readiness));
        } else if let Some(socket) = core.socket(channel) {
            socket.on_open(now);
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
            socket.on_close();
            core.healthier.reset(channel);
            if channel == Channel::Private && W::HABITS.dead_man.by_socket {
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
        if W::is_plain_pong(frame) {
            return Ok(());
        }
        let private = channel == Channel::Private;
        let result =
            if let Some(scanned) = self.scans.count(if private { W::scan(frame) } else { None }) {
                let (wire, mut desk) = core.desk(now, events);
                wire.on_scanned(&scanned, &mut desk)
            } else {
                self.parser.read(frame, |root| core.on_message(channel, root, now, out, events))
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
            CommandKind::CancelAll(instrument) => {
                core.send_read(Ask::CancelAll { instrument, round: 0 }, "", now, out)
            }
            CommandKind::Query(order) => {
                core.send_read(Ask::Query { order, history: false }, "", now, out)
            }
            CommandKind::OpenOrders(instrument) => {
                core.send_read(Ask::OpenOrders { instrument, page: 0 }, "", now, out)
            }
            CommandKind::FillsSince { .. } => core.start_fills(&command.kind, now, out),
            CommandKind::FundingSince(from) => core.start_funding(from, now, out),
            CommandKind::Balances => core.send_read(Ask::Balances, "", now, out),
            CommandKind::FeeRate(id) => core.send_read(Ask::FeeRate(id), "", now, out),
            CommandKind::Subscribe(_) | CommandKind::Unsubscribe(_) | CommandKind::Resync(_) => {
                Err(EncodeError::Unsupported)
            }
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
            core.lessons.deadline(known && core.rest_open),
        ])
    }

    fn on_deadline(&mut self, now: Nanos, out: &mut Outbox, events: &mut Events) {
        self.core.run(now, out, events);
    }
}

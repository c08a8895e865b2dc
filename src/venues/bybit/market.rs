//! The market-data connector: one public socket, and REST for the venue's clock alone.
//!
//! What is subscribed is kept by `subscriptions.rs`, frames are read by `market_data.rs`.

#![forbid(unsafe_code)]

use super::super::scan::Width;
use super::super::{
    ChannelSpec, Connector, DecodeError, EncodeError, Outbox, Parser, RequestId, Response, Scans,
    VenueSetup,
};
use super::scan::Scanner;
use super::session::{Heartbeat, VenueClock};
use super::subscriptions::{Subscriptions, notice};
use super::{BLOCKED_NS, FORBIDDEN, Product, earliest, with_path};
use crate::types::{Channel, Command, CommandKind, Event, Events, Nanos, Readiness, VenueNotice};

/// See the module's comment.
pub(super) struct MarketConnector {
    parser: Parser,
    scanner: Scanner,
    scans: Scans,
    channels: Vec<ChannelSpec>,
    subscriptions: Subscriptions,
    heartbeat: Heartbeat,
    clock: VenueClock,
    last_probe: u64,
    /// When to be called next; recomputed whenever a deadline may have moved.
    wake: Option<Nanos>,
}

impl MarketConnector {
    pub(super) fn new(setup: &VenueSetup, product: &'static Product) -> Self {
        let public = with_path(&setup.endpoints.public, product.public_path);
        let channels = vec![
            ChannelSpec { channel: Channel::Public, url: public },
            ChannelSpec { channel: Channel::Rest, url: setup.endpoints.rest.clone() },
        ];
        let subscriptions = Subscriptions::new(setup, product);
        Self {
            parser: Parser::new(),
            scanner: subscriptions.scanner(Width::best()),
            scans: Scans::default(),
            channels,
            subscriptions,
            heartbeat: Heartbeat::default(),
            clock: VenueClock::default(),
            last_probe: 0,
            wake: None,
        }
    }

    fn rewake(&mut self) {
        self.wake = earliest([
            self.subscriptions.deadline(),
            self.heartbeat.deadline(),
            self.clock.deadline(),
        ]);
    }

    /// Everything that is due. A full outbox leaves deadlines standing: the agent drains it and
    /// calls again.
    fn run(&mut self, now: Nanos, out: &mut Outbox, events: &mut Events) {
        let id = RequestId(self.last_probe + 1);
        if self.clock.try_probe(id, now, out) == Ok(true) {
            self.last_probe = id.0;
        }
        let _ = self.heartbeat.try_ping(Channel::Public, now, out);
        self.subscriptions.run(now, out, events);
        self.rewake();
    }
}

impl Connector for MarketConnector {
    fn channels(&self) -> &[ChannelSpec] {
        &self.channels
    }

    fn on_open(&mut self, channel: Channel, now: Nanos, out: &mut Outbox, events: &mut Events) {
        let readiness = match channel {
            Channel::Public => {
                self.heartbeat.start(now);
                self.subscriptions.on_open(now)
            }
            Channel::Rest => {
                self.clock.on_open(now);
                Readiness::Ready
            }
            Channel::Trade | Channel::TradeSpare | Channel::Private => return,
        };
        notice(events, VenueNotice::Readiness(channel, readiness));
        self.run(now, out, events);
    }

    fn on_close(&mut self, channel: Channel, now: Nanos, events: &mut Events) {
        match channel {
            Channel::Public => {
                self.heartbeat.stop();
                self.subscriptions.on_close(now);
            }
            Channel::Rest => self.clock.on_close(),
            Channel::Trade | Channel::TradeSpare | Channel::Private => return,
        }
        notice(events, VenueNotice::Readiness(channel, Readiness::Down));
        self.rewake();
    }

    fn on_frame(
        &mut self,
        channel: Channel,
        frame: &mut [u8],
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        if channel != Channel::Public {
            return Err(DecodeError::UnknownKind);
        }
        self.heartbeat.on_frame();
        let subscriptions = &mut self.subscriptions;
        let scanned = self.scanner.scan(frame, |at| subscriptions.wanted(at), events);
        let moved = match self.scans.count(scanned) {
            Some((at, scanned)) => subscriptions.on_data(at, scanned, events)?,
            None => self.parser.read(frame, |root| subscriptions.on_message(root, now, events))?,
        };
        if moved {
            self.run(now, out, events);
        }
        Ok(())
    }

    fn on_response(
        &mut self,
        id: RequestId,
        response: Response<'_>,
        now: Nanos,
        _out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        if !self.clock.is_probe(id) {
            return Err(DecodeError::UnknownRequest);
        }
        let clock = &mut self.clock;
        let result = if response.status == 200 {
            self.parser.read(response.body, |root| clock.on_reply(root, now))
        } else {
            Err(DecodeError::Invalid("HTTP status"))
        };
        if result.is_err() {
            clock.on_lost(now);
        }
        if response.status == FORBIDDEN {
            let until = now.plus(BLOCKED_NS);
            clock.pause(until);
            notice(events, VenueNotice::Suspended(until));
        }
        self.rewake();
        Ok(events.push(Event::Notice(result?))?)
    }

    fn on_request_lost(&mut self, id: RequestId, now: Nanos, _: &mut Outbox, _: &mut Events) {
        if self.clock.is_probe(id) {
            self.clock.on_lost(now);
            self.rewake();
        }
    }

    fn submit(
        &mut self,
        command: &Command,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), EncodeError> {
        let (CommandKind::Subscribe(id) | CommandKind::Unsubscribe(id) | CommandKind::Resync(id)) =
            command.kind
        else {
            return Err(EncodeError::Unsupported);
        };
        let at = self.subscriptions.position(id).ok_or(EncodeError::UnknownInstrument)?;
        match command.kind {
            CommandKind::Subscribe(_) => self.subscriptions.subscribe(at, now),
            CommandKind::Unsubscribe(_) => self.subscriptions.unsubscribe(at, out)?,
            _ => self.subscriptions.resync(at, now, out)?,
        }
        self.run(now, out, events);
        Ok(())
    }

    fn scans(&self) -> Scans {
        self.scans
    }

    fn deadline(&self) -> Option<Nanos> {
        self.wake
    }

    fn on_deadline(&mut self, now: Nanos, out: &mut Outbox, events: &mut Events) {
        self.run(now, out, events);
    }
}

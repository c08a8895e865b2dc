//! The market-data connector of venues with one public socket: REST serves the venue's clock alone.
//!
//! What is subscribed is kept by `subscriptions.rs`; what a frame means is the venue's affair
//! ([`PublicWire`]).

#![forbid(unsafe_code)]

use super::session::{Heartbeat, VenueClock, earliest};
use super::subscriptions::{Scanned, Subscriptions, notice};
use super::{
    ChannelSpec, Connector, DecodeError, EncodeError, Outbox, Parser, RequestId, Response, Scans,
    Value,
};
use crate::types::{Channel, Command, CommandKind, Event, Events, Nanos, Readiness, VenueNotice};

/// The frames of one venue's public socket.
pub(super) trait PublicWire: Send {
    /// Reads a data frame of a known shape; `None`, with `events` as before, if it is of another.
    fn scan(
        &mut self,
        frame: &[u8],
        streams: &Subscriptions,
        events: &mut Events,
    ) -> Option<(usize, Scanned)>;

    /// Reads any other frame. True if a deadline may have moved.
    fn read(
        &mut self,
        root: Value<'_>,
        streams: &mut Subscriptions,
        now: Nanos,
        events: &mut Events,
    ) -> Result<bool, DecodeError>;

    /// Whether the frame is a pong that is not JSON.
    fn is_plain_pong(_frame: &[u8]) -> bool {
        false
    }

    /// The venue's time of a reply to the clock's probe, nanoseconds.
    fn server_ns(root: Value<'_>) -> Result<u64, DecodeError>;

    /// How long nothing may be asked after this HTTP status.
    fn blocked_ns(status: u16) -> Option<u64>;
}

/// See the module's comment.
pub(super) struct PublicConnector<W> {
    wire: W,
    parser: Parser,
    scans: Scans,
    channels: Vec<ChannelSpec>,
    subscriptions: Subscriptions,
    heartbeat: Heartbeat,
    clock: VenueClock,
    last_probe: u64,
    /// When to be called next; recomputed whenever a deadline may have moved.
    wake: Option<Nanos>,
}

impl<W: PublicWire> PublicConnector<W> {
    /// `urls` are those of the socket and of REST.
    pub(super) fn new(
        wire: W,
        subscriptions: Subscriptions,
        urls: [String; 2],
        heartbeat: Heartbeat,
        clock: VenueClock,
    ) -> Self {
        let [public, rest] = urls;
        let channels = vec![
            ChannelSpec { channel: Channel::Public, url: public },
            ChannelSpec { channel: Channel::Rest, url: rest },
        ];
        Self {
            wire,
            parser: Parser::new(),
            scans: Scans::default(),
            channels,
            subscriptions,
            heartbeat,
            clock,
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

impl<W: PublicWire> Connector for PublicConnector<W> {
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
            _ => return,
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
            _ => return,
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
        if W::is_plain_pong(frame) {
            return Ok(());
        }
        let (wire, subscriptions) = (&mut self.wire, &mut self.subscriptions);
        let scanned = wire.scan(frame, subscriptions, events);
        let moved = match self.scans.count(scanned) {
            Some((at, scanned)) => {
                subscriptions.on_heard(at, &scanned, now);
                subscriptions.on_data(at, scanned, events)?
            }
            None => self.parser.read(frame, |root| wire.read(root, subscriptions, now, events))?,
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
            self.parser.read(response.body, |root| clock.on_reply(W::server_ns(root), now))
        } else {
            Err(DecodeError::Invalid("HTTP status"))
        };
        if result.is_err() {
            clock.on_lost(now);
        }
        if let Some(blocked_ns) = W::blocked_ns(response.status) {
            let until = now.plus(blocked_ns);
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

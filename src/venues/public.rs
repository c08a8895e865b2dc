//! The market-data connector of venues that push all of it on public sockets: one for everything, or
//! one for each part of the instruments. REST serves the venue's clock alone.
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
use crate::types::{
    Channel, Command, CommandKind, Event, Events, InstrumentId, Nanos, Readiness, VenueNotice,
};

/// The frames of one public socket.
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

/// One public socket.
pub(super) struct PublicSocket<W> {
    pub(super) wire: W,
    pub(super) url: String,
    /// What is wanted on it; names its channel.
    pub(super) subscriptions: Subscriptions,
    pub(super) heartbeat: Heartbeat,
}

/// See the module's comment.
pub(super) struct PublicConnector<W> {
    sockets: Vec<PublicSocket<W>>,
    parser: Parser,
    scans: Scans,
    channels: Vec<ChannelSpec>,
    clock: VenueClock,
    last_probe: u64,
    /// When to be called next; recomputed whenever a deadline may have moved.
    wake: Option<Nanos>,
}

impl<W: PublicWire> PublicConnector<W> {
    /// `urls` are those of the only socket and of REST.
    pub(super) fn new(
        wire: W,
        subscriptions: Subscriptions,
        [url, rest]: [String; 2],
        heartbeat: Heartbeat,
        clock: VenueClock,
    ) -> Self {
        Self::of(vec![PublicSocket { wire, url, subscriptions, heartbeat }], rest, clock)
    }

    /// Of several sockets, each with a channel of its own.
    pub(super) fn of(sockets: Vec<PublicSocket<W>>, rest: String, clock: VenueClock) -> Self {
        let spec = |socket: &PublicSocket<W>| ChannelSpec {
            channel: socket.subscriptions.channel(),
            url: socket.url.clone(),
        };
        let mut channels: Vec<ChannelSpec> = sockets.iter().map(spec).collect();
        channels.push(ChannelSpec { channel: Channel::Rest, url: rest });
        Self {
            sockets,
            parser: Parser::new(),
            scans: Scans::default(),
            channels,
            clock,
            last_probe: 0,
            wake: None,
        }
    }

    fn socket(&mut self, channel: Channel) -> Option<&mut PublicSocket<W>> {
        self.sockets.iter_mut().find(|socket| socket.subscriptions.channel() == channel)
    }

    fn rewake(&mut self) {
        let sockets = self.sockets.iter().filter_map(|socket| {
            earliest([socket.subscriptions.deadline(), socket.heartbeat.deadline()])
        });
        self.wake = earliest([sockets.min(), self.clock.deadline()]);
    }

    /// Everything that is due. A full outbox leaves deadlines standing: the agent drains it and
    /// calls again.
    fn run(&mut self, now: Nanos, out: &mut Outbox, events: &mut Events) {
        let id = RequestId(self.last_probe + 1);
        if self.clock.try_probe(id, now, out) == Ok(true) {
            self.last_probe = id.0;
        }
        for socket in &mut self.sockets {
            let _ = socket.heartbeat.try_ping(socket.subscriptions.channel(), now, out);
            socket.subscriptions.run(now, out, events);
        }
        self.rewake();
    }
}

impl<W: PublicWire> Connector for PublicConnector<W> {
    fn channels(&self) -> &[ChannelSpec] {
        &self.channels
    }

    fn on_open(&mut self, channel: Channel, now: Nanos, out: &mut Outbox, events: &mut Events) {
        let readiness = if channel == Channel::Rest {
            self.clock.on_open(now);
            Readiness::Ready
        } else if let Some(socket) = self.socket(channel) {
            socket.heartbeat.start(now);
            socket.subscriptions.on_open(now)
        } else {
            return;
        };
        notice(events, VenueNotice::Readiness(channel, readiness));
        self.run(now, out, events);
    }

    fn on_close(&mut self, channel: Channel, now: Nanos, events: &mut Events) {
        if channel == Channel::Rest {
            self.clock.on_close();
        } else if let Some(socket) = self.socket(channel) {
            socket.heartbeat.stop();
            socket.subscriptions.on_close(now);
        } else {
            return;
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
        let is_on = |socket: &&mut PublicSocket<W>| socket.subscriptions.channel() == channel;
        let socket = self.sockets.iter_mut().find(is_on).ok_or(DecodeError::UnknownKind)?;
        socket.heartbeat.on_frame();
        if W::is_plain_pong(frame) {
            return Ok(());
        }
        let (wire, subscriptions) = (&mut socket.wire, &mut socket.subscriptions);
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
        let streams = self.sockets.iter_mut().map(|socket| &mut socket.subscriptions);
        let found = streams.filter_map(|streams| Some((streams.position(id)?, streams))).next();
        let (at, streams) = found.ok_or(EncodeError::UnknownInstrument)?;
        match command.kind {
            CommandKind::Subscribe(_) => streams.subscribe(at, now),
            CommandKind::Unsubscribe(_) => streams.unsubscribe(at, out)?,
            _ => streams.resync(at, now, out)?,
        }
        self.run(now, out, events);
        Ok(())
    }

    fn book_channel(&self, id: InstrumentId) -> Channel {
        let streams = self.sockets.iter().map(|socket| &socket.subscriptions);
        let brings = streams.filter(|streams| streams.position(id).is_some());
        brings.map(Subscriptions::channel).next().unwrap_or(Channel::Public)
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

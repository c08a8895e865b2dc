//! The market-data connector: one public socket, and REST for the venue's clock alone.
//!
//! Topics of up to three instruments share a subscribe request (a spot request holds ten). One
//! refused topic can void its request, so the others of a refused request are asked for again,
//! each instrument by itself. Data is never gated on an acknowledgement: it can come first.

#![forbid(unsafe_code)]

use super::super::{
    ChannelSpec, Connector, DecodeError, EncodeError, Outbox, OutboxFull, Parser, RequestId,
    Response, Value, VenueSetup,
};
use super::market_data::{self, Control, Topic};
use super::session::{Heartbeat, VenueClock};
use super::{BLOCKED_NS, FORBIDDEN, Product, SECOND_NS, earliest, with_path, write_u64};
use crate::types::{
    Channel, Command, CommandKind, DepthKind, Event, Events, Instrument, InstrumentId,
    InstrumentStatus, Nanos, Readiness, VenueNotice,
};

const TOPICS_PER_INSTRUMENT: usize = 3;
const RETRY_MIN_NS: u64 = SECOND_NS;
const RETRY_MAX_NS: u64 = 60 * SECOND_NS;

/// How far the subscription of one instrument has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Not wanted.
    Off,
    /// To be asked for at this time; `clean` if an unsubscribe must go first.
    Due { at: Nanos, clean: bool },
    /// Asked for by this request; depth and top must come by then.
    Asked { request: u64, by: Nanos },
    /// Depth and top have come.
    Live,
    /// Live, but the depth topic was asked for anew; its snapshot must come by then.
    Resyncing { by: Nanos },
}

/// The topics of one instrument.
struct Stream {
    instrument: Instrument,
    phase: Phase,
    depth_seen: bool,
    top_seen: bool,
    /// Ask for it in a request of its own: it was part of a refused one.
    alone: bool,
    halted: bool,
    retry_ns: u64,
}

/// See the module's comment.
pub(super) struct MarketConnector {
    parser: Parser,
    core: Core,
}

struct Core {
    product: &'static Product,
    channels: Vec<ChannelSpec>,
    /// In order of their symbols.
    streams: Vec<Stream>,
    depth: &'static str,
    first_message_ns: u64,
    open: bool,
    ready: bool,
    heartbeat: Heartbeat,
    clock: VenueClock,
    last_request: u64,
    wake: Option<Nanos>,
}

impl MarketConnector {
    pub(super) fn new(setup: &VenueSetup, product: &'static Product) -> Self {
        let public = with_path(&setup.endpoints.public, product.public_path);
        let channels = vec![
            ChannelSpec { channel: Channel::Public, url: public },
            ChannelSpec { channel: Channel::Rest, url: setup.endpoints.rest.clone() },
        ];
        let streams = setup.instruments.of_venue(setup.venue).map(|instrument| Stream {
            instrument: instrument.clone(),
            phase: Phase::Off,
            depth_seen: false,
            top_seen: false,
            alone: false,
            halted: false,
            retry_ns: RETRY_MIN_NS,
        });
        let mut streams: Vec<Stream> = streams.collect();
        streams.sort_by(|a, b| a.instrument.symbol.cmp(&b.instrument.symbol));
        let core = Core {
            product,
            channels,
            streams,
            depth: depth_topic(setup.depth),
            first_message_ns: u64::from(setup.first_message_timeout_ms) * 1_000_000,
            open: false,
            ready: false,
            heartbeat: Heartbeat::default(),
            clock: VenueClock::default(),
            last_request: 0,
            wake: None,
        };
        Self { parser: Parser::new(), core }
    }
}

/// The venue's smallest depth that holds so many levels.
fn depth_topic(levels: u16) -> &'static str {
    match levels {
        0..=50 => "50",
        51..=200 => "200",
        _ => "1000",
    }
}

impl Core {
    fn position(&self, id: InstrumentId) -> Option<usize> {
        self.streams.iter().position(|stream| stream.instrument.id == id)
    }

    fn find(&self, symbol: &str) -> Result<usize, DecodeError> {
        self.streams
            .binary_search_by(|stream| stream.instrument.symbol.as_str().cmp(symbol))
            .map_err(|_| DecodeError::UnknownSymbol)
    }

    fn next_request(&mut self) -> u64 {
        self.last_request += 1;
        self.last_request
    }

    /// Recomputes when to be called next; after anything that moves a deadline.
    fn rewake(&mut self) {
        let streams = self.streams.iter().filter_map(|stream| match stream.phase {
            Phase::Off | Phase::Live => None,
            Phase::Due { at, .. } => Some(at),
            Phase::Asked { by, .. } | Phase::Resyncing { by } => Some(by),
        });
        let streams = if self.open { streams.min() } else { None };
        self.wake = earliest([streams, self.heartbeat.deadline(), self.clock.deadline()]);
    }

    /// Everything that is due, in order: clock, ping, silent streams, subscriptions.
    fn run(&mut self, now: Nanos, out: &mut Outbox, events: &mut Events) {
        let id = RequestId(self.last_request + 1);
        if self.clock.try_probe(id, now, out) == Ok(true) {
            self.last_request = id.0;
        }
        // A full outbox leaves every deadline standing: the agent drains it and calls again.
        let _ = self.heartbeat.try_ping(Channel::Public, now, out);
        if self.open {
            self.fail_silent(now, events);
            let _ = self.ask_due(now, out);
        }
        self.rewake();
    }

    /// Streams that stayed silent are reported and asked for anew.
    fn fail_silent(&mut self, now: Nanos, events: &mut Events) {
        for stream in &mut self.streams {
            let silent = match stream.phase {
                Phase::Asked { by, .. } | Phase::Resyncing { by } => by <= now,
                _ => false,
            };
            if silent {
                fail(stream, now, true, events);
            }
        }
    }

    /// Subscribes to what is due, as many instruments per request as the venue takes.
    fn ask_due(&mut self, now: Nanos, out: &mut Outbox) -> Result<(), OutboxFull> {
        let room = (self.product.subscribe_args_max / TOPICS_PER_INSTRUMENT).max(1);
        let due = |stream: &Stream| match stream.phase {
            Phase::Due { at, clean } if at <= now => Some(clean),
            _ => None,
        };
        while let Some(first) = self.streams.iter().position(|stream| due(stream).is_some()) {
            let (clean, alone) = (due(&self.streams[first]), self.streams[first].alone);
            let request = self.next_request();
            // Subscribing is rare: this small vector is not on any hot path.
            let chosen: Vec<usize> = (first..self.streams.len())
                .filter(|&at| due(&self.streams[at]) == clean && self.streams[at].alone == alone)
                .take(if alone { 1 } else { room })
                .collect();
            if clean == Some(true) {
                self.write_topics("unsubscribe", request, &chosen, out)?;
            }
            self.write_topics("subscribe", request, &chosen, out)?;
            let by = now.plus(self.first_message_ns);
            for at in chosen {
                let stream = &mut self.streams[at];
                stream.phase = Phase::Asked { request, by };
                (stream.depth_seen, stream.top_seen) = (false, false);
            }
        }
        Ok(())
    }

    fn write_topics(
        &self,
        op: &str,
        request: u64,
        chosen: &[usize],
        out: &mut Outbox,
    ) -> Result<(), OutboxFull> {
        out.frame(Channel::Public, |frame| {
            write_head(frame, op, request);
            for (index, &at) in chosen.iter().enumerate() {
                let symbol = &self.streams[at].instrument.symbol;
                if index > 0 {
                    frame.push(b',');
                }
                write_topic(frame, &["orderbook.", self.depth, "."], symbol);
                frame.push(b',');
                write_topic(frame, &["orderbook.1."], symbol);
                frame.push(b',');
                write_topic(frame, &["publicTrade."], symbol);
            }
            frame.extend_from_slice(b"]}");
        })
    }

    /// Stops and starts the depth topic alone: the venue answers with a snapshot.
    fn resync(&mut self, at: usize, now: Nanos, out: &mut Outbox) -> Result<(), OutboxFull> {
        // Any other phase is on its way to a snapshot already.
        if self.streams[at].phase != Phase::Live || !self.open {
            return Ok(());
        }
        let request = self.next_request();
        self.write_depth("unsubscribe", request, at, out)?;
        let asked = self.write_depth("subscribe", request, at, out);
        let stream = &mut self.streams[at];
        stream.depth_seen = false;
        // Half a resync is finished by a whole new subscription.
        stream.phase = match asked {
            Ok(()) => Phase::Resyncing { by: now.plus(self.first_message_ns) },
            Err(OutboxFull) => Phase::Due { at: now, clean: true },
        };
        Ok(())
    }

    fn write_depth(
        &self,
        op: &str,
        request: u64,
        at: usize,
        out: &mut Outbox,
    ) -> Result<(), OutboxFull> {
        out.frame(Channel::Public, |frame| {
            write_head(frame, op, request);
            let symbol = &self.streams[at].instrument.symbol;
            write_topic(frame, &["orderbook.", self.depth, "."], symbol);
            frame.extend_from_slice(b"]}");
        })
    }

    fn on_control(
        &mut self,
        control: Control<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        match control {
            Control::Subscribed(_) => self.set_ready(events)?,
            Control::Pong | Control::Unsubscribed => {}
            Control::Refused(request, text) => self.on_refused(request, text, now, events),
        }
        Ok(())
    }

    /// Finds whom a refusal means: by the topic that its text names, else by the request's number.
    fn on_refused(&mut self, request: Option<u64>, text: &str, now: Nanos, events: &mut Events) {
        let asked = |stream: &Stream| match stream.phase {
            Phase::Asked { request, .. } => Some(request),
            _ => None,
        };
        let named = self.streams.iter().position(|stream| {
            asked(stream).is_some() && names_symbol(text, &stream.instrument.symbol)
        });
        let request = request.or_else(|| named.and_then(|at| asked(&self.streams[at])));
        let hit = |stream: &Stream| {
            asked(stream).is_some_and(|asked| request.is_none_or(|request| request == asked))
        };
        let guilty = named.or_else(|| {
            let mut suspects = (0..self.streams.len()).filter(|&at| hit(&self.streams[at]));
            let only = suspects.next()?;
            suspects.next().is_none().then_some(only)
        });
        for at in 0..self.streams.len() {
            if !hit(&self.streams[at]) {
                continue;
            }
            let stream = &mut self.streams[at];
            if guilty == Some(at) || (guilty.is_none() && stream.alone) {
                fail(stream, now, false, events);
            } else {
                stream.alone = true;
                stream.phase = Phase::Due { at: now, clean: false };
            }
        }
    }

    fn set_ready(&mut self, events: &mut Events) -> Result<(), DecodeError> {
        if self.ready {
            return Ok(());
        }
        self.ready = true;
        Ok(events.push(Event::Notice(VenueNotice::Readiness(Channel::Public, Readiness::Ready)))?)
    }

    fn on_message(
        &mut self,
        root: Value<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let Some(text) = root.get("topic").and_then(Value::str) else {
            let control = market_data::control(root)?;
            self.on_control(control, now, events)?;
            self.rewake();
            return Ok(());
        };
        let topic = market_data::topic(text, self.depth)?;
        let (Topic::Depth(symbol) | Topic::Top(symbol) | Topic::Trades(symbol)) = topic;
        let at = self.find(symbol)?;
        let stream = &mut self.streams[at];
        let instrument = &stream.instrument;
        if stream.phase == Phase::Off {
            // The tail of a stream that was stopped.
            return Ok(());
        }
        let first = match topic {
            Topic::Trades(_) => {
                market_data::trades(root, instrument, events)?;
                false
            }
            Topic::Top(_) => {
                market_data::top(root, instrument, events)?;
                !std::mem::replace(&mut stream.top_seen, true)
            }
            Topic::Depth(_) => {
                let update = market_data::depth(root, instrument, events)?;
                let snapshot = update.kind == DepthKind::Snapshot;
                // Before an auction and after a delisting the venue sends an empty book.
                let halted = update.bids + update.asks == 0;
                if snapshot && stream.halted != halted {
                    stream.halted = halted;
                    events.push(Event::Notice(status(instrument.id, halted)))?;
                }
                snapshot && !std::mem::replace(&mut stream.depth_seen, true)
            }
        };
        if first {
            self.on_first_message(at);
            self.set_ready(events)?;
        }
        Ok(())
    }

    /// A topic that was waited for has come.
    fn on_first_message(&mut self, at: usize) {
        let stream = &mut self.streams[at];
        if stream.depth_seen && stream.top_seen {
            stream.phase = Phase::Live;
            stream.retry_ns = RETRY_MIN_NS;
            stream.alone = false;
        }
        self.rewake();
    }
}

impl Connector for MarketConnector {
    fn channels(&self) -> &[ChannelSpec] {
        &self.core.channels
    }

    fn on_open(&mut self, channel: Channel, now: Nanos, out: &mut Outbox, events: &mut Events) {
        let core = &mut self.core;
        match channel {
            Channel::Public => {
                core.open = true;
                core.heartbeat.start(now);
                let mut readiness = Readiness::Ready;
                for stream in core.streams.iter_mut().filter(|s| s.phase != Phase::Off) {
                    stream.phase = Phase::Due { at: now, clean: false };
                    readiness = Readiness::Joining;
                }
                core.ready = readiness == Readiness::Ready;
                notice(events, VenueNotice::Readiness(channel, readiness));
            }
            Channel::Rest => {
                core.clock.on_open(now);
                notice(events, VenueNotice::Readiness(channel, Readiness::Ready));
            }
            Channel::Trade | Channel::Private => return,
        }
        core.run(now, out, events);
    }

    fn on_close(&mut self, channel: Channel, now: Nanos, events: &mut Events) {
        let core = &mut self.core;
        match channel {
            Channel::Public => {
                (core.open, core.ready) = (false, false);
                core.heartbeat.stop();
                for stream in core.streams.iter_mut().filter(|s| s.phase != Phase::Off) {
                    stream.phase = Phase::Due { at: now, clean: false };
                }
            }
            Channel::Rest => core.clock.on_close(),
            Channel::Trade | Channel::Private => return,
        }
        notice(events, VenueNotice::Readiness(channel, Readiness::Down));
        core.rewake();
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
        let core = &mut self.core;
        core.heartbeat.on_frame();
        let result = self.parser.read(frame, |root| core.on_message(root, now, events));
        if core.wake.is_some_and(|wake| wake <= now) {
            core.run(now, out, events);
        }
        result
    }

    fn on_response(
        &mut self,
        id: RequestId,
        response: Response<'_>,
        now: Nanos,
        _out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let core = &mut self.core;
        if !core.clock.is_probe(id) {
            return Err(DecodeError::UnknownRequest);
        }
        let result = if response.status == 200 {
            self.parser.read(response.body, |root| core.clock.on_reply(root, now))
        } else {
            Err(DecodeError::Invalid("HTTP status"))
        };
        if result.is_err() {
            core.clock.on_lost(now);
        }
        if response.status == FORBIDDEN {
            let until = now.plus(BLOCKED_NS);
            core.clock.pause(until);
            notice(events, VenueNotice::Suspended(until));
        }
        core.rewake();
        Ok(events.push(Event::Notice(result?))?)
    }

    fn on_request_lost(&mut self, id: RequestId, now: Nanos, _: &mut Outbox, _: &mut Events) {
        if self.core.clock.is_probe(id) {
            self.core.clock.on_lost(now);
            self.core.rewake();
        }
    }

    fn submit(
        &mut self,
        command: &Command,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), EncodeError> {
        let core = &mut self.core;
        let (CommandKind::Subscribe(id) | CommandKind::Unsubscribe(id) | CommandKind::Resync(id)) =
            command.kind
        else {
            return Err(EncodeError::Unsupported);
        };
        let at = core.position(id).ok_or(EncodeError::UnknownInstrument)?;
        let off = core.streams[at].phase == Phase::Off;
        match command.kind {
            CommandKind::Subscribe(_) if off => {
                core.streams[at].phase = Phase::Due { at: now, clean: false };
                core.run(now, out, events);
            }
            CommandKind::Unsubscribe(_) if !off => {
                let request = core.next_request();
                if core.open {
                    core.write_topics("unsubscribe", request, &[at], out)?;
                }
                core.streams[at].phase = Phase::Off;
            }
            CommandKind::Resync(_) => core.resync(at, now, out)?,
            _ => {}
        }
        core.rewake();
        Ok(())
    }

    fn deadline(&self) -> Option<Nanos> {
        self.core.wake
    }

    fn on_deadline(&mut self, now: Nanos, out: &mut Outbox, events: &mut Events) {
        self.core.run(now, out, events);
    }
}

/// Reports the stream and sets the time of the next attempt, later each time.
fn fail(stream: &mut Stream, now: Nanos, clean: bool, events: &mut Events) {
    notice(events, VenueNotice::SubscriptionFailed(stream.instrument.id));
    stream.phase = Phase::Due { at: now.plus(stream.retry_ns), clean };
    stream.retry_ns = (stream.retry_ns * 2).min(RETRY_MAX_NS);
    stream.alone = true;
}

fn status(id: InstrumentId, halted: bool) -> VenueNotice {
    let status = if halted { InstrumentStatus::Halted } else { InstrumentStatus::Trading };
    VenueNotice::InstrumentStatus(id, status)
}

/// The agent drains the events after every input, so a few notices always fit.
fn notice(events: &mut Events, notice: VenueNotice) {
    let pushed = events.push(Event::Notice(notice));
    debug_assert!(pushed.is_ok(), "the agent drains events after every input");
}

/// Whether the text holds the symbol as a word of its own: `BTCUSDT` is not named by `WBTCUSDT`.
fn names_symbol(text: &str, symbol: &str) -> bool {
    !symbol.is_empty()
        && text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').any(|word| word == symbol)
}

/// `{"req_id":"7","op":"subscribe","args":[`
fn write_head(frame: &mut Vec<u8>, op: &str, request: u64) {
    frame.extend_from_slice(br#"{"req_id":""#);
    write_u64(frame, request);
    frame.extend_from_slice(br#"","op":""#);
    frame.extend_from_slice(op.as_bytes());
    frame.extend_from_slice(br#"","args":["#);
}

/// `"orderbook.50.BTCUSDT"`
fn write_topic(frame: &mut Vec<u8>, prefix: &[&str], symbol: &str) {
    frame.push(b'"');
    for part in prefix {
        frame.extend_from_slice(part.as_bytes());
    }
    frame.extend_from_slice(symbol.as_bytes());
    frame.push(b'"');
}

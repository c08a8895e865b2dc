//! The market-data connector: one combined-stream socket, and REST for snapshots and the clock.
//!
//! Which streams are wanted is state; control messages follow from it, batched and paced, so a
//! reopened connection subscribes to everything again by itself. A stream name that does not exist
//! is acknowledged and stays silent, hence a deadline for the first message of each stream. Books
//! are not kept here: a snapshot is fetched after the first delta and whenever one is asked for.

#![forbid(unsafe_code)]

use super::limits;
use super::market_data::{self, Parts, Stream, Symbol};
use super::rest;
use super::server_clock::ServerClock;
use crate::types::{
    Channel, Command, CommandKind, Event, Events, InstrumentId, Nanos, Readiness, VenueNotice,
};
use crate::venues::{
    ChannelSpec, Connector, DecodeError, EncodeError, Outbox, Parser, RequestId, Response,
    SetupError, VenueSetup,
};

const MS: u64 = 1_000_000;
/// The venue cuts a connection that sends more than five messages a second, pongs included.
const CONTROL_SPACING_NS: u64 = 300 * MS;
/// Stream names in one control message.
const NAMES_MAX: usize = 200;
/// Time between two snapshots of one instrument, so that a book that will not join cannot use up
/// the request weight.
const SNAPSHOT_SPACING_NS: u64 = 500 * MS;
/// Time until a refused snapshot is asked for again.
const SNAPSHOT_REFUSED_NS: u64 = 5_000 * MS;
/// Quiet instruments print rarely: silence of trades is judged this much later.
const TRADE_PATIENCE: u64 = 6;
/// The first-message deadline doubles with every repetition, this many times at most.
const PATIENCE_DOUBLINGS_MAX: u32 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not wanted.
    Off,
    /// To be subscribed.
    Due,
    /// Subscribed, silent so far.
    Waiting { until: Nanos },
    /// Refused; to be subscribed again later.
    Refused { until: Nanos },
    /// Delivering.
    Live,
    /// To be unsubscribed.
    Leaving,
}

#[derive(Clone, Copy, Debug)]
struct Subscription {
    state: State,
    /// Control message that awaits its reply, 0 if none.
    request: u64,
    /// How often it stayed silent.
    silences: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Snapshot {
    /// None is needed.
    Idle,
    /// To be fetched once a delta was seen.
    AwaitDelta,
    /// To be fetched.
    Due(Nanos),
    /// Asked for. `stale` if the stream was interrupted since.
    InFlight { id: u64, stale: bool },
}

struct Book {
    symbol: usize,
    wanted: bool,
    streams: [Subscription; 3],
    snapshot: Snapshot,
    fetched: Nanos,
}

/// The market-data connector.
pub(super) struct MarketConnector {
    parser: Parser,
    core: Core,
}

struct Core {
    channels: Vec<ChannelSpec>,
    /// Sorted by name; `books` has the same order.
    symbols: Vec<Symbol>,
    books: Vec<Book>,
    public_open: bool,
    public_ready: bool,
    rest_open: bool,
    next_id: u64,
    next_control: Nanos,
    first_message_ns: u64,
    clock: ServerClock,
    /// Id and sending time of the clock probe in flight.
    probe: Option<(u64, Nanos)>,
    suspended: Nanos,
    wake: Option<Nanos>,
}

/// Builds it.
pub(super) fn connect(setup: VenueSetup) -> Result<Box<dyn Connector>, SetupError> {
    Ok(Box::new(MarketConnector::new(&setup)))
}

impl MarketConnector {
    fn new(setup: &VenueSetup) -> Self {
        let mut symbols: Vec<Symbol> = setup
            .instruments
            .of_venue(setup.venue)
            .map(|instrument| Symbol {
                name: instrument.symbol.clone(),
                lower: instrument.symbol.to_lowercase(),
                instrument: instrument.id,
                scale: instrument.scale,
            })
            .collect();
        symbols.sort_by(|one, other| one.name.cmp(&other.name));
        let off = Subscription { state: State::Off, request: 0, silences: 0 };
        let book = |symbol| Book {
            symbol,
            wanted: false,
            streams: [off; 3],
            snapshot: Snapshot::Idle,
            fetched: Nanos(0),
        };
        let public = super::with_path(&setup.endpoints.public, "/stream");
        let channels = vec![
            ChannelSpec { channel: Channel::Public, url: public },
            ChannelSpec { channel: Channel::Rest, url: setup.endpoints.rest.clone() },
        ];
        let core = Core {
            channels,
            books: (0..symbols.len()).map(book).collect(),
            symbols,
            public_open: false,
            public_ready: false,
            rest_open: false,
            next_id: 1,
            next_control: Nanos(0),
            first_message_ns: u64::from(setup.first_message_timeout_ms).max(1) * MS,
            clock: ServerClock::new(),
            probe: None,
            suspended: Nanos(0),
            wake: None,
        };
        Self { parser: Parser::new(), core }
    }
}

impl Connector for MarketConnector {
    fn channels(&self) -> &[ChannelSpec] {
        &self.core.channels
    }

    fn on_open(&mut self, channel: Channel, now: Nanos, out: &mut Outbox, events: &mut Events) {
        self.core.on_open(channel, now, events);
        self.core.advance(now, out, events);
    }

    fn on_close(&mut self, channel: Channel, now: Nanos, events: &mut Events) {
        self.core.on_close(channel, now, events);
        self.core.plan();
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
        if channel != Channel::Public {
            return Err(DecodeError::UnknownKind);
        }
        parser.read(frame, |root| core.on_frame(root, now, out, events))
    }

    fn on_response(
        &mut self,
        id: RequestId,
        response: Response<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let result = self.core.on_response(&mut self.parser, id.0, response, now, events);
        self.core.advance(now, out, events);
        result
    }

    fn on_request_lost(
        &mut self,
        id: RequestId,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) {
        self.core.on_lost(id.0, now);
        self.core.advance(now, out, events);
    }

    fn submit(
        &mut self,
        command: &Command,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), EncodeError> {
        let core = &mut self.core;
        match command.kind {
            CommandKind::Subscribe(instrument) => core.subscribe(instrument)?,
            CommandKind::Unsubscribe(instrument) => core.unsubscribe(instrument)?,
            CommandKind::Resync(instrument) => core.resync(instrument, now)?,
            _ => return Err(EncodeError::Unsupported),
        }
        core.advance(now, out, events);
        Ok(())
    }

    fn deadline(&self) -> Option<Nanos> {
        self.core.wake
    }

    fn on_deadline(&mut self, now: Nanos, out: &mut Outbox, events: &mut Events) {
        self.core.find_silent(now, events);
        self.core.advance(now, out, events);
    }
}

impl Core {
    fn on_open(&mut self, channel: Channel, now: Nanos, events: &mut Events) {
        match channel {
            Channel::Public => {
                self.public_open = true;
                self.public_ready = false;
                self.next_control = now;
                self.interrupt();
                notice(events, VenueNotice::Readiness(channel, Readiness::Joining));
            }
            Channel::Rest => {
                self.rest_open = true;
                self.clock.restart(now, false);
                notice(events, VenueNotice::Readiness(channel, Readiness::Ready));
            }
            _ => {}
        }
    }

    fn on_close(&mut self, channel: Channel, now: Nanos, events: &mut Events) {
        match channel {
            Channel::Public => {
                self.public_open = false;
                self.public_ready = false;
                self.interrupt();
            }
            Channel::Rest => {
                self.rest_open = false;
                self.clock.stop();
                self.probe = None;
                for book in &mut self.books {
                    if let Snapshot::InFlight { stale, .. } = book.snapshot {
                        book.snapshot = after_loss(stale, now);
                    }
                }
            }
            _ => return,
        }
        notice(events, VenueNotice::Readiness(channel, Readiness::Down));
    }

    /// The stream was cut or is new: subscribe to everything, and no snapshot counts any more.
    fn interrupt(&mut self) {
        for book in &mut self.books {
            for stream in &mut book.streams {
                stream.state = if book.wanted { State::Due } else { State::Off };
                stream.request = 0;
                stream.silences = 0;
            }
            book.snapshot = match book.snapshot {
                Snapshot::InFlight { id, .. } => Snapshot::InFlight { id, stale: true },
                _ if book.wanted => Snapshot::AwaitDelta,
                _ => Snapshot::Idle,
            };
        }
    }

    fn on_frame(
        &mut self,
        root: crate::venues::Value<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        match market_data::parts(root, &self.symbols)? {
            Parts::Data { symbol, stream, data } => {
                let book = &self.books[symbol];
                // Frames may still arrive after leaving a stream.
                if !book.wanted {
                    return Ok(());
                }
                market_data::decode(stream, data, &self.symbols[symbol], events)?;
                let awaited = stream == Stream::Depth && book.snapshot == Snapshot::AwaitDelta;
                if awaited || book.streams[stream as usize].state != State::Live {
                    self.on_first_message(symbol, stream, now);
                    self.advance(now, out, events);
                }
                Ok(())
            }
            Parts::Control { id, code } => {
                let known = self.on_control(id, code, now, events);
                self.advance(now, out, events);
                if known { Ok(()) } else { Err(DecodeError::UnknownRequest) }
            }
            Parts::Shutdown => {
                notice(events, VenueNotice::ShutdownAnnounced(Channel::Public));
                // Nothing is lost by leaving at once, and the new connection resynchronises.
                let _ = out.reconnect(Channel::Public);
                Ok(())
            }
        }
    }

    fn on_first_message(&mut self, symbol: usize, stream: Stream, now: Nanos) {
        let book = &mut self.books[symbol];
        let subscription = &mut book.streams[stream as usize];
        *subscription = Subscription { state: State::Live, request: 0, silences: 0 };
        if stream == Stream::Depth && book.snapshot == Snapshot::AwaitDelta {
            book.snapshot = Snapshot::Due(now);
        }
    }

    /// The reply to a control message; `false` if none with this number was ever sent. An error
    /// without a number concerns whatever is open.
    fn on_control(&mut self, id: Option<u64>, code: i32, now: Nanos, events: &mut Events) -> bool {
        for book in &mut self.books {
            let mut failed = false;
            for stream in &mut book.streams {
                if stream.request == 0 || id.is_some_and(|id| id != stream.request) {
                    continue;
                }
                stream.request = 0;
                if code != 0 && stream.state != State::Off {
                    failed = true;
                    stream.silences += 1;
                    let wait = self.first_message_ns << stream.silences.min(PATIENCE_DOUBLINGS_MAX);
                    stream.state = State::Refused { until: now.plus(wait) };
                }
            }
            if failed {
                let instrument = self.symbols[book.symbol].instrument;
                notice(events, VenueNotice::SubscriptionFailed(instrument));
            }
        }
        if code != 0 {
            notice(events, VenueNotice::RequestFailed(code));
        }
        id.is_none_or(|id| id < self.next_id)
    }

    fn on_response(
        &mut self,
        parser: &mut Parser,
        id: u64,
        response: Response<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        limits::from_headers(&response, &self.clock, now, events);
        if response.status == 200 {
            return self.on_success(parser, id, response.body, now, events);
        }
        let suspended = matches!(response.status, 418 | 429);
        if suspended {
            let pause = limits::retry_after(&response);
            let pause =
                pause.unwrap_or_else(|| limits::silence_ns(response.status, &self.clock, now));
            self.suspended = now.plus(pause);
            notice(events, VenueNotice::Suspended(self.suspended));
        }
        let code = rest::error_code(parser, response.status, response.body);
        self.on_refusal(id, code, suspended || response.status >= 500, now, events)
    }

    fn on_success(
        &mut self,
        parser: &mut Parser,
        id: u64,
        body: &mut [u8],
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        if let Some((_, sent)) = self.probe.filter(|(probe, _)| *probe == id) {
            self.probe = None;
            let server_ms = parser.read(body, |root| root.field_u64("serverTime"));
            return match server_ms {
                Ok(server_ms) => {
                    let measured = self.clock.on_answer(server_ms, sent, now);
                    measured.into_iter().for_each(|measured| notice(events, measured));
                    Ok(())
                }
                Err(error) => {
                    self.clock.lost(now, self.suspended);
                    Err(error)
                }
            };
        }
        let (index, stale) = self.snapshot_of(id).ok_or(DecodeError::UnknownRequest)?;
        if stale {
            self.books[index].snapshot = self.renewed(index, now);
            return Ok(());
        }
        let symbol = &self.symbols[self.books[index].symbol];
        let result = parser.read(body, |root| market_data::snapshot(root, symbol, events));
        self.books[index].snapshot = match result {
            Ok(()) => Snapshot::Idle,
            Err(_) => Snapshot::Due(now.plus(SNAPSHOT_SPACING_NS)),
        };
        result
    }

    fn on_refusal(
        &mut self,
        id: u64,
        code: i32,
        passing: bool,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        notice(events, VenueNotice::RequestFailed(code));
        if self.probe.is_some_and(|(probe, _)| probe == id) {
            self.probe = None;
            self.clock.lost(now, self.suspended);
            return Ok(());
        }
        let (index, _) = self.snapshot_of(id).ok_or(DecodeError::UnknownRequest)?;
        let pause = if passing { SNAPSHOT_SPACING_NS } else { SNAPSHOT_REFUSED_NS };
        let book = &mut self.books[index];
        book.snapshot = Snapshot::Due(now.plus(pause).max(self.suspended));
        if !passing {
            let instrument = self.symbols[book.symbol].instrument;
            notice(events, VenueNotice::SubscriptionFailed(instrument));
        }
        Ok(())
    }

    fn on_lost(&mut self, id: u64, now: Nanos) {
        if self.probe.is_some_and(|(probe, _)| probe == id) {
            self.probe = None;
            self.clock.lost(now, self.suspended);
        } else if let Some((index, stale)) = self.snapshot_of(id) {
            self.books[index].snapshot = after_loss(stale, now);
        }
    }

    /// Which book's snapshot a request fetches, and whether it came too late.
    fn snapshot_of(&self, wanted: u64) -> Option<(usize, bool)> {
        self.books.iter().enumerate().find_map(|(index, book)| match book.snapshot {
            Snapshot::InFlight { id, stale } if id == wanted => Some((index, stale)),
            _ => None,
        })
    }

    /// What is needed after a snapshot that came too late.
    fn renewed(&self, index: usize, now: Nanos) -> Snapshot {
        let book = &self.books[index];
        match book.streams[Stream::Depth as usize].state {
            _ if !book.wanted => Snapshot::Idle,
            State::Live => Snapshot::Due(now),
            _ => Snapshot::AwaitDelta,
        }
    }

    fn book_mut(&mut self, instrument: InstrumentId) -> Result<&mut Book, EncodeError> {
        let index = self.symbols.iter().position(|symbol| symbol.instrument == instrument);
        index.map(|index| &mut self.books[index]).ok_or(EncodeError::UnknownInstrument)
    }

    fn subscribe(&mut self, instrument: InstrumentId) -> Result<(), EncodeError> {
        let book = self.book_mut(instrument)?;
        if book.wanted {
            return Ok(());
        }
        book.wanted = true;
        for stream in &mut book.streams {
            *stream = Subscription { state: State::Due, request: 0, silences: 0 };
        }
        book.snapshot = match book.snapshot {
            Snapshot::InFlight { id, .. } => Snapshot::InFlight { id, stale: true },
            _ => Snapshot::AwaitDelta,
        };
        Ok(())
    }

    fn unsubscribe(&mut self, instrument: InstrumentId) -> Result<(), EncodeError> {
        let book = self.book_mut(instrument)?;
        book.wanted = false;
        for stream in &mut book.streams {
            stream.state = match stream.state {
                State::Off | State::Due => State::Off,
                _ => State::Leaving,
            };
        }
        book.snapshot = match book.snapshot {
            Snapshot::InFlight { id, .. } => Snapshot::InFlight { id, stale: true },
            _ => Snapshot::Idle,
        };
        Ok(())
    }

    /// A snapshot that is already on its way or waiting for its first delta serves as well.
    fn resync(&mut self, instrument: InstrumentId, now: Nanos) -> Result<(), EncodeError> {
        let book = self.book_mut(instrument)?;
        if book.wanted && book.snapshot == Snapshot::Idle {
            book.snapshot = Snapshot::Due(now.max(book.fetched.plus(SNAPSHOT_SPACING_NS)));
        }
        Ok(())
    }

    /// Streams that stayed silent past their deadline are subscribed to again.
    fn find_silent(&mut self, now: Nanos, events: &mut Events) {
        if !self.public_open {
            return;
        }
        for book in &mut self.books {
            let mut silent = false;
            for stream in &mut book.streams {
                match stream.state {
                    State::Waiting { until } if now >= until => {
                        stream.state = State::Due;
                        stream.silences += 1;
                        silent = true;
                    }
                    State::Refused { until } if now >= until => stream.state = State::Due,
                    _ => {}
                }
            }
            if silent {
                let instrument = self.symbols[book.symbol].instrument;
                notice(events, VenueNotice::SubscriptionFailed(instrument));
            }
        }
    }

    /// Sends what is due and works out when to be woken next.
    fn advance(&mut self, now: Nanos, out: &mut Outbox, events: &mut Events) {
        if self.public_open {
            self.send_control(now, out, State::Leaving);
            self.send_control(now, out, State::Due);
            self.find_ready(events);
        }
        if self.rest_open && now >= self.suspended {
            self.fetch_snapshots(now, out);
            self.probe_clock(now, out);
        }
        self.plan();
    }

    /// One control message for everything in `state`, as the pace allows.
    fn send_control(&mut self, now: Nanos, out: &mut Outbox, state: State) {
        let any = self.books.iter().any(|book| book.streams.iter().any(|s| s.state == state));
        if now < self.next_control || !any {
            return;
        }
        let (method, id) = if state == State::Due {
            ("SUBSCRIBE", self.next_id)
        } else {
            ("UNSUBSCRIBE", self.next_id)
        };
        let Self { books, symbols, .. } = self;
        let mut names = 0;
        let sent = out.frame(Channel::Public, |bytes| {
            bytes.extend_from_slice(b"{\"method\":\"");
            bytes.extend_from_slice(method.as_bytes());
            bytes.extend_from_slice(b"\",\"params\":[");
            for book in books.iter() {
                for (stream, kind) in book.streams.iter().zip(Stream::ALL) {
                    if stream.state != state || names == NAMES_MAX {
                        continue;
                    }
                    bytes.extend_from_slice(if names == 0 { b"\"" } else { b",\"" });
                    bytes.extend_from_slice(symbols[book.symbol].lower.as_bytes());
                    bytes.extend_from_slice(kind.suffix().as_bytes());
                    bytes.push(b'"');
                    names += 1;
                }
            }
            bytes.extend_from_slice(b"],\"id\":");
            bytes.extend_from_slice(itoa::Buffer::new().format(id).as_bytes());
            bytes.push(b'}');
        });
        if sent.is_err() {
            return;
        }
        self.mark_sent(state, names, id, now);
        self.next_id += 1;
        self.next_control = now.plus(CONTROL_SPACING_NS);
    }

    fn mark_sent(&mut self, state: State, names: usize, id: u64, now: Nanos) {
        let first_message_ns = self.first_message_ns;
        let streams =
            self.books.iter_mut().flat_map(|book| book.streams.iter_mut().zip(Stream::ALL));
        for (stream, kind) in streams.filter(|(stream, _)| stream.state == state).take(names) {
            stream.request = id;
            stream.state = if state == State::Leaving {
                State::Off
            } else {
                let patience = if kind == Stream::Trade { TRADE_PATIENCE } else { 1 };
                let wait = first_message_ns.saturating_mul(patience);
                let wait = wait << stream.silences.min(PATIENCE_DOUBLINGS_MAX);
                State::Waiting { until: now.plus(wait) }
            };
        }
    }

    /// The channel is ready once everything wanted is subscribed and acknowledged.
    fn find_ready(&mut self, events: &mut Events) {
        let open = |stream: &Subscription| stream.request != 0 || stream.state == State::Due;
        if !self.public_ready && !self.books.iter().any(|book| book.streams.iter().any(open)) {
            self.public_ready = true;
            notice(events, VenueNotice::Readiness(Channel::Public, Readiness::Ready));
        }
    }

    fn fetch_snapshots(&mut self, now: Nanos, out: &mut Outbox) {
        for book in &mut self.books {
            if !matches!(book.snapshot, Snapshot::Due(at) if now >= at) {
                continue;
            }
            let id = self.next_id;
            if rest::request_snapshot(id, &self.symbols[book.symbol].name, out).is_err() {
                return;
            }
            self.next_id += 1;
            book.fetched = now;
            book.snapshot = Snapshot::InFlight { id, stale: false };
        }
    }

    fn probe_clock(&mut self, now: Nanos, out: &mut Outbox) {
        if self.clock.is_due(now) && rest::request_time(self.next_id, out).is_ok() {
            self.probe = Some((self.next_id, now));
            self.next_id += 1;
            self.clock.sent();
        }
    }

    /// The earliest of everything that waits for a time.
    fn plan(&mut self) {
        let mut wake: Option<Nanos> = None;
        let mut at = |time: Nanos| wake = Some(wake.map_or(time, |known| known.min(time)));
        for book in &self.books {
            for stream in &book.streams {
                match stream.state {
                    State::Waiting { until } | State::Refused { until } if self.public_open => {
                        at(until);
                    }
                    State::Due | State::Leaving if self.public_open => at(self.next_control),
                    _ => {}
                }
            }
            if let (Snapshot::Due(time), true) = (book.snapshot, self.rest_open) {
                at(time.max(self.suspended));
            }
        }
        if let Some(time) = self.clock.due() {
            at(time.max(self.suspended));
        }
        self.wake = wake;
    }
}

/// A snapshot request was lost.
fn after_loss(stale: bool, now: Nanos) -> Snapshot {
    if stale { Snapshot::AwaitDelta } else { Snapshot::Due(now.plus(SNAPSHOT_SPACING_NS)) }
}

/// A full buffer loses the notice; the buffer is sized for frames that hold far more.
fn notice(events: &mut Events, notice: VenueNotice) {
    let _ = events.push(Event::Notice(notice));
}

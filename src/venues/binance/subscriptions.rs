//! Which streams and snapshots are wanted, asked for and delivering.
//!
//! Wishes are state; control messages and requests follow from it, batched and paced, so a reopened
//! connection subscribes to everything again by itself. A stream name that does not exist is
//! acknowledged and stays silent, hence a deadline for the first message of each stream. Knows no
//! book: it fetches a snapshot after the first delta and whenever one is asked for.

#![forbid(unsafe_code)]

use super::limits;
use super::rest;
use super::streams::{self, Product, STREAMS, Stream, Symbol};
use crate::throttle::Throttle;
use crate::types::{Channel, Event, Events, InstrumentId, Nanos, Priority, VenueNotice};
use crate::venues::{EncodeError, Outbox, VenueSetup};

const MS: u64 = 1_000_000;
/// The venue cuts a connection that sends more than five messages a second, pongs included.
const CONTROL_SPACING_NS: u64 = 300 * MS;
/// Stream names in one control message.
const NAMES_MAX: usize = 200;
/// Time between two snapshots of one instrument, so that a book that will not join cannot use up
/// the request weight.
pub(super) const SNAPSHOT_SPACING_NS: u64 = 500 * MS;
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
    /// How often it stayed silent or was refused.
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

/// What is wanted of one symbol, and how far it has come.
struct Book {
    wanted: bool,
    streams: [Subscription; STREAMS],
    snapshot: Snapshot,
    fetched: Nanos,
}

/// All symbols of the venue.
pub(super) struct Subscriptions {
    product: Product,
    /// Whether there are two connections for them.
    split: bool,
    /// Sorted by name; `books` has the same order.
    symbols: Vec<Symbol>,
    books: Vec<Book>,
    /// Snapshots are fetched for whoever asks for one, and for nothing else: another connection
    /// brings the same streams.
    on_request: bool,
    first_message_ns: u64,
    /// When each connection may send its next control message.
    next_control: [Nanos; 2],
    /// Number of the newest control message.
    newest: u64,
}

impl Subscriptions {
    pub(super) fn new(setup: &VenueSetup, product: Product, split: bool) -> Self {
        let symbols = streams::symbols(setup);
        let book = |_: &Symbol| Book {
            wanted: false,
            streams: fresh(false, product),
            snapshot: Snapshot::Idle,
            fetched: Nanos(0),
        };
        Self {
            product,
            split,
            books: symbols.iter().map(book).collect(),
            symbols,
            on_request: setup.feed_connections > 1,
            first_message_ns: u64::from(setup.first_message_timeout_ms).max(1) * MS,
            next_control: [Nanos(0); 2],
            newest: 0,
        }
    }

    /// The symbols, sorted by name; their index is the number used here.
    pub(super) fn symbols(&self) -> &[Symbol] {
        &self.symbols
    }

    /// The same, for what is learnt of them later.
    pub(super) fn symbols_mut(&mut self) -> &mut [Symbol] {
        &mut self.symbols
    }

    /// Whether the symbol's market data is wanted. Frames may still arrive after leaving.
    pub(super) fn is_wanted(&self, symbol: usize) -> bool {
        self.books[symbol].wanted
    }

    /// The connection was cut or is new: subscribe to everything that it brings. If that is the
    /// books, no snapshot counts any more, unless it may be for another stream.
    pub(super) fn interrupt(&mut self, channel: Channel, now: Nanos) {
        self.next_control[place(channel)] = now;
        for book in &mut self.books {
            let renewed = fresh(book.wanted, self.product).into_iter().zip(Stream::ALL);
            for (stream, (renewed, kind)) in book.streams.iter_mut().zip(renewed) {
                if kind.channel(self.split) == channel {
                    *stream = renewed;
                }
            }
            match book.snapshot {
                _ if channel != Channel::Public => {}
                Snapshot::InFlight { .. } if self.on_request => {}
                _ => book.restart_snapshot(self.on_request),
            }
        }
    }

    pub(super) fn subscribe(&mut self, instrument: InstrumentId) -> Result<(), EncodeError> {
        let (on_request, product) = (self.on_request, self.product);
        let book = self.book_mut(instrument)?;
        if !book.wanted {
            book.wanted = true;
            book.streams = fresh(true, product);
            book.restart_snapshot(on_request);
        }
        Ok(())
    }

    pub(super) fn unsubscribe(&mut self, instrument: InstrumentId) -> Result<(), EncodeError> {
        let on_request = self.on_request;
        let book = self.book_mut(instrument)?;
        book.wanted = false;
        for stream in &mut book.streams {
            stream.state = match stream.state {
                State::Off | State::Due | State::Refused { .. } => State::Off,
                _ => State::Leaving,
            };
        }
        book.restart_snapshot(on_request);
        Ok(())
    }

    /// Wants a fresh snapshot. One that is on its way or waits for its first delta serves as well.
    pub(super) fn resync(
        &mut self,
        instrument: InstrumentId,
        now: Nanos,
    ) -> Result<(), EncodeError> {
        let book = self.book_mut(instrument)?;
        if book.wanted && book.snapshot == Snapshot::Idle {
            book.snapshot = Snapshot::Due(now.max(book.fetched.plus(SNAPSHOT_SPACING_NS)));
        }
        Ok(())
    }

    fn book_mut(&mut self, instrument: InstrumentId) -> Result<&mut Book, EncodeError> {
        let index = self.symbols.iter().position(|symbol| symbol.instrument == instrument);
        index.map(|index| &mut self.books[index]).ok_or(EncodeError::UnknownInstrument)
    }

    /// A stream delivered. `true` if something is to be done about it.
    #[inline]
    pub(super) fn on_message(&mut self, symbol: usize, stream: Stream, now: Nanos) -> bool {
        let book = &mut self.books[symbol];
        let awaited = stream == Stream::Depth && book.snapshot == Snapshot::AwaitDelta;
        let subscription = &mut book.streams[stream as usize];
        if !awaited && subscription.state == State::Live {
            return false;
        }
        *subscription = Subscription { state: State::Live, request: 0, silences: 0 };
        if awaited {
            book.snapshot = Snapshot::Due(now);
        }
        true
    }

    /// The reply to a control message; `false` if none with this number was ever sent. An error
    /// without a number concerns whatever is open on its connection.
    pub(super) fn on_control(
        &mut self,
        channel: Channel,
        id: Option<u64>,
        refused: bool,
        now: Nanos,
        events: &mut Events,
    ) -> bool {
        for (book, symbol) in self.books.iter_mut().zip(&self.symbols) {
            let mut failed = false;
            for stream in streams_of(book, channel, self.split) {
                if stream.request == 0 || id.is_some_and(|id| id != stream.request) {
                    continue;
                }
                stream.request = 0;
                if refused && stream.state != State::Off {
                    failed = true;
                    stream.silences = stream.silences.saturating_add(1);
                    let until = now.plus(patience(self.first_message_ns, stream.silences));
                    stream.state = State::Refused { until };
                }
            }
            if failed {
                notice(events, VenueNotice::SubscriptionFailed(symbol.instrument));
            }
        }
        id.is_none_or(|id| id <= self.newest)
    }

    /// Streams of a connection that stayed silent past their deadline are to be subscribed again.
    pub(super) fn find_silent(&mut self, channel: Channel, now: Nanos, events: &mut Events) {
        for (book, symbol) in self.books.iter_mut().zip(&self.symbols) {
            let mut silent = false;
            for stream in streams_of(book, channel, self.split) {
                match stream.state {
                    State::Waiting { until } if now >= until => {
                        stream.state = State::Due;
                        stream.silences = stream.silences.saturating_add(1);
                        silent = true;
                    }
                    State::Refused { until } if now >= until => stream.state = State::Due,
                    _ => {}
                }
            }
            if silent {
                notice(events, VenueNotice::SubscriptionFailed(symbol.instrument));
            }
        }
    }

    /// The streams of a connection, each with its state.
    fn of_channel(&self, channel: Channel) -> impl Iterator<Item = &Subscription> {
        let streams = self.books.iter().flat_map(|book| book.streams.iter().zip(Stream::ALL));
        let split = self.split;
        let those = streams.filter(move |(_, kind)| kind.channel(split) == channel);
        those.map(|(stream, _)| stream)
    }

    /// Whether everything wanted of a connection is subscribed and acknowledged.
    pub(super) fn is_settled(&self, channel: Channel) -> bool {
        let mut streams = self.of_channel(channel);
        streams.all(|stream| stream.request == 0 && stream.state != State::Due)
    }

    /// Sends the control messages that are due, as the pace allows.
    pub(super) fn send_control(
        &mut self,
        channel: Channel,
        now: Nanos,
        next_id: &mut u64,
        out: &mut Outbox,
    ) {
        for (state, method) in [(State::Leaving, "UNSUBSCRIBE"), (State::Due, "SUBSCRIBE")] {
            let wanted = self.of_channel(channel).any(|stream| stream.state == state);
            if now < self.next_control[place(channel)] || !wanted {
                continue;
            }
            let (id, mut names) = (*next_id, 0);
            let write = |bytes: &mut Vec<u8>| {
                names = self.write_control((channel, state), method, id, bytes)
            };
            if out.frame(channel, write).is_err() {
                return;
            }
            self.mark_sent((channel, state), names, id, now);
            self.newest = id;
            *next_id += 1;
            self.next_control[place(channel)] = now.plus(CONTROL_SPACING_NS);
        }
    }

    /// `{"method":"SUBSCRIBE","params":["btcusdt@bookTicker","btcusdt@depth@100ms"],"id":1}`;
    /// returns the number of names.
    fn write_control(
        &self,
        (channel, state): (Channel, State),
        method: &str,
        id: u64,
        bytes: &mut Vec<u8>,
    ) -> usize {
        let mut names = 0;
        bytes.extend_from_slice(b"{\"method\":\"");
        bytes.extend_from_slice(method.as_bytes());
        bytes.extend_from_slice(b"\",\"params\":[");
        for (book, symbol) in self.books.iter().zip(&self.symbols) {
            for (stream, kind) in book.streams.iter().zip(Stream::ALL) {
                let here = kind.channel(self.split) == channel;
                if stream.state != state || !here || names == NAMES_MAX {
                    continue;
                }
                bytes.extend_from_slice(if names == 0 { b"\"" } else { b",\"" });
                bytes.extend_from_slice(symbol.lower.as_bytes());
                bytes.extend_from_slice(kind.suffix().as_bytes());
                bytes.push(b'"');
                names += 1;
            }
        }
        bytes.extend_from_slice(b"],\"id\":");
        bytes.extend_from_slice(itoa::Buffer::new().format(id).as_bytes());
        bytes.push(b'}');
        names
    }

    /// The first `names` streams in `state` were named in control message `id`.
    fn mark_sent(&mut self, (channel, state): (Channel, State), names: usize, id: u64, now: Nanos) {
        let (first_message_ns, split) = (self.first_message_ns, self.split);
        let streams =
            self.books.iter_mut().flat_map(|book| book.streams.iter_mut().zip(Stream::ALL));
        let named = |(stream, kind): &(&mut Subscription, Stream)| {
            stream.state == state && kind.channel(split) == channel
        };
        for (stream, kind) in streams.filter(named).take(names) {
            stream.request = id;
            stream.state = if state == State::Leaving {
                State::Off
            } else {
                let factor = if kind == Stream::Trade { TRADE_PATIENCE } else { 1 };
                let wait = patience(first_message_ns.saturating_mul(factor), stream.silences);
                State::Waiting { until: now.plus(wait) }
            };
        }
    }

    /// Asks for the snapshots that are due and that `budget` has room for; the others wait for it.
    pub(super) fn fetch_snapshots(
        &mut self,
        now: Nanos,
        next_id: &mut u64,
        budget: &mut Throttle,
        out: &mut Outbox,
    ) {
        let costs = limits::snapshot_costs(self.product);
        for (book, symbol) in self.books.iter_mut().zip(&self.symbols) {
            if !matches!(book.snapshot, Snapshot::Due(at) if now >= at) {
                continue;
            }
            if let Err(later) = budget.check(&costs, Priority::Query, now) {
                book.snapshot = Snapshot::Due(later);
                continue;
            }
            if rest::request_snapshot(*next_id, &symbol.name, self.product, out).is_err() {
                return;
            }
            let _ = budget.try_take(&costs, Priority::Query, now);
            book.fetched = now;
            book.snapshot = Snapshot::InFlight { id: *next_id, stale: false };
            *next_id += 1;
        }
    }

    /// Which symbol's snapshot a request fetches, and whether the stream was cut meanwhile.
    pub(super) fn snapshot_of(&self, wanted: u64) -> Option<(usize, bool)> {
        self.books.iter().enumerate().find_map(|(index, book)| match book.snapshot {
            Snapshot::InFlight { id, stale } if id == wanted => Some((index, stale)),
            _ => None,
        })
    }

    /// The snapshot of a symbol arrived and was good.
    pub(super) fn snapshot_done(&mut self, symbol: usize) {
        self.books[symbol].snapshot = Snapshot::Idle;
    }

    /// The snapshot of a symbol did not arrive, or is of no use: fetch it again at `at`.
    pub(super) fn snapshot_failed(&mut self, symbol: usize, at: Nanos) {
        let book = &mut self.books[symbol];
        book.snapshot = match book.streams[Stream::Depth as usize].state {
            _ if !book.wanted => Snapshot::Idle,
            _ if self.on_request => Snapshot::Due(at),
            State::Live => Snapshot::Due(at),
            _ => Snapshot::AwaitDelta,
        };
    }

    /// REST is closed: no snapshot in flight will arrive. Whoever asked for it asks again, perhaps
    /// elsewhere.
    pub(super) fn lose_snapshots(&mut self, now: Nanos) {
        for index in 0..self.books.len() {
            if matches!(self.books[index].snapshot, Snapshot::InFlight { .. }) {
                self.snapshot_failed(index, now);
            }
            if self.on_request {
                self.books[index].snapshot = Snapshot::Idle;
            }
        }
    }

    /// When something is due on a connection.
    pub(super) fn wake_control(&self, channel: Channel) -> Option<Nanos> {
        let times = self.of_channel(channel).filter_map(|stream| match stream.state {
            State::Waiting { until } | State::Refused { until } => Some(until),
            State::Due | State::Leaving => Some(self.next_control[place(channel)]),
            State::Off | State::Live => None,
        });
        times.min()
    }

    /// When a snapshot is due.
    pub(super) fn wake_snapshots(&self) -> Option<Nanos> {
        let times = self.books.iter().filter_map(|book| match book.snapshot {
            Snapshot::Due(at) => Some(at),
            _ => None,
        });
        times.min()
    }
}

/// Every stream of a product, wanted or not.
fn fresh(wanted: bool, product: Product) -> [Subscription; STREAMS] {
    Stream::ALL.map(|stream| {
        let state = if wanted && stream.is_of(product) { State::Due } else { State::Off };
        Subscription { state, request: 0, silences: 0 }
    })
}

fn streams_of(
    book: &mut Book,
    channel: Channel,
    split: bool,
) -> impl Iterator<Item = &mut Subscription> {
    let streams = book.streams.iter_mut().zip(Stream::ALL);
    let those = streams.filter(move |(_, kind)| kind.channel(split) == channel);
    those.map(|(stream, _)| stream)
}

/// Index of a connection for market data.
fn place(channel: Channel) -> usize {
    usize::from(channel == Channel::PublicMore)
}

impl Book {
    /// What was fetched or is in flight belongs to an earlier stream.
    fn restart_snapshot(&mut self, on_request: bool) {
        self.snapshot = match self.snapshot {
            Snapshot::InFlight { id, .. } => Snapshot::InFlight { id, stale: true },
            _ if self.wanted && !on_request => Snapshot::AwaitDelta,
            _ => Snapshot::Idle,
        };
    }
}

fn patience(first_message_ns: u64, silences: u32) -> u64 {
    first_message_ns.saturating_mul(1 << silences.min(PATIENCE_DOUBLINGS_MAX))
}

/// A full buffer loses the notice; the buffer is sized for frames that hold far more.
pub(super) fn notice(events: &mut Events, notice: VenueNotice) {
    let _ = events.push(Event::Notice(notice));
}

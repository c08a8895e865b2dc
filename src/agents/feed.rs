//! One venue's market data: sockets to decoder to books to the region.
//!
//! The books are private to this agent; the region gets the top of book and the best levels. A
//! gap costs a resync of that book, never of the connection; a lost connection makes every book
//! stale in the poll that notices it.

use super::latency::FeedLatency;
use super::session::Session;
use super::threads::Agent;
use crate::book::{Book, Outcome};
use crate::shm::{BookWriter, FeedHealth, FeedHealthWriter, TradeWriter};
use crate::sync::spsc;
use crate::types::{
    BookState, Channel, Command, CommandKind, DepthUpdate, Event, InstrumentId, Level, Nanos,
    Readiness, Side, TopOfBook, VenueNotice,
};

/// Where one instrument's market data goes.
pub struct FeedBook {
    /// Whose.
    pub instrument: InstrumentId,
    /// Subscribed from the start.
    pub streamed: bool,
    /// Full book.
    pub book: Book,
    /// Its place in the region.
    pub writer: BookWriter,
    /// Its trades in the region.
    pub trades: TradeWriter,
    /// Newest top of book published, on the axis of [`TopOfBook::sequence`].
    pub top_sequence: u64,
    /// That top was crossed, so nothing but a newer one is live.
    pub top_crossed: bool,
}

/// What a feed is made of.
pub struct FeedParts {
    /// `feed:binance`
    pub name: String,
    /// Connector and sockets.
    pub session: Session,
    /// Its books.
    pub books: Vec<FeedBook>,
    /// Its health in the region.
    pub health: FeedHealthWriter,
    /// What it measures.
    pub latency: FeedLatency,
    /// Requests to watch more instruments.
    pub control: spsc::Consumer<Command>,
    /// Levels a side that are published.
    pub depth: usize,
}

/// See the module.
#[repr(align(128))]
pub struct Feed {
    parts: FeedParts,
    /// Index into `parts.books` by instrument.
    index: Vec<Option<usize>>,
    bids: Vec<Level>,
    asks: Vec<Level>,
    /// Books to fetch anew once the events of this message are done.
    resync: Vec<InstrumentId>,
    started: bool,
    health: FeedHealth,
    health_at: Nanos,
}

/// How often health is published if nothing changes.
const HEALTH_EVERY_NS: u64 = 100_000_000;

/// Messages handled in one poll before other agents get their turn: in a folded loop a fill must not
/// wait behind a burst of market data.
const MESSAGES_PER_POLL: usize = 16;

impl Feed {
    /// A feed that subscribes at its first poll.
    #[must_use]
    pub fn new(parts: FeedParts) -> Self {
        let size = parts.books.iter().map(|book| book.instrument.index() + 1).max().unwrap_or(0);
        let mut index = vec![None; size];
        for (at, book) in parts.books.iter().enumerate() {
            index[book.instrument.index()] = Some(at);
        }
        let side = || vec![Level::default(); parts.depth];
        let (bids, asks, books) = (side(), side(), parts.books.len());
        Self {
            parts,
            index,
            bids,
            asks,
            resync: Vec::with_capacity(books),
            started: false,
            health: FeedHealth::default(),
            health_at: Nanos(0),
        }
    }

    fn command(&mut self, kind: CommandKind, now: Nanos) {
        let command = Command::new(kind, now);
        if let Err(error) = self.parts.session.submit(&command, now) {
            self.parts.session.log().warn(now, format_args!("{kind:?} was not sent: {error}"));
        }
        self.on_events(now);
    }

    fn start(&mut self, now: Nanos) {
        self.started = true;
        for at in 0..self.parts.books.len() {
            let FeedBook { instrument, streamed, .. } = self.parts.books[at];
            if streamed {
                self.command(CommandKind::Subscribe(instrument), now);
            }
        }
    }

    fn on_events(&mut self, recv_ns: Nanos) {
        let mut at = 0;
        while let Some(event) = self.parts.session.event(at) {
            at += 1;
            match event {
                Event::Depth(update) => self.on_depth(&update, recv_ns),
                Event::Top(top) => self.on_top(&top, recv_ns),
                Event::Trade(trade) => {
                    if let Some(book) = self.book(trade.instrument) {
                        book.trades.publish(&trade, recv_ns);
                    }
                }
                Event::Notice(notice) => self.on_notice(&notice, recv_ns),
                Event::Report(_) | Event::Balance(_) | Event::Fee(_) | Event::Sent(_) => {}
            }
        }
    }

    fn book(&mut self, instrument: InstrumentId) -> Option<&mut FeedBook> {
        let at = self.index.get(instrument.index()).copied().flatten()?;
        self.parts.books.get_mut(at)
    }

    fn on_depth(&mut self, update: &DepthUpdate, recv_ns: Nanos) {
        let Some(at) = self.index.get(update.instrument.index()).copied().flatten() else { return };
        let book = &mut self.parts.books[at];
        let was = book.book.state();
        let (bids, asks) = self.parts.session.events().levels(update);
        let outcome = book.book.on_depth(update, bids, asks);
        match outcome {
            Outcome::Applied => self.publish(at, was, recv_ns, update.event_ns),
            Outcome::Held => {}
            Outcome::Buffered | Outcome::Ignored => {
                if was != book.book.state() {
                    book.writer.set_state(book.book.state(), self.parts.session.now());
                }
            }
            Outcome::NeedResync => {
                book.writer.set_state(book.book.state(), self.parts.session.now());
                self.health.gaps += 1;
                if !self.resync.contains(&update.instrument) {
                    self.resync.push(update.instrument);
                }
                let (id, first) = (book.book.id(), update.first_id);
                let text = format_args!(
                    "instrument {}: book at {id}, update from {first}: resync",
                    update.instrument.0
                );
                self.parts.session.log().warn(recv_ns, text);
            }
        }
    }

    /// Publishes a book that has changed, depth first, then the top that announces it; `was` is its
    /// state before. Sequence and time are the book's own: deltas that waited may have taken it past
    /// the message that completed it, whose time is `event_ns`.
    fn publish(&mut self, at: usize, was: BookState, recv_ns: Nanos, event_ns: Nanos) {
        let decoded_ns = self.stamp(recv_ns);
        let instrument = self.parts.books[at].instrument;
        let published_ns = self.write(at, was, recv_ns, decoded_ns);
        if self.parts.latency.is_on() {
            let latency = &mut self.parts.latency;
            latency.record(instrument, event_ns, recv_ns, decoded_ns, published_ns);
        }
    }

    /// The time, if the steps are stamped; else the receive time, which costs nothing.
    #[inline]
    fn stamp(&self, recv_ns: Nanos) -> Nanos {
        if self.parts.latency.is_on() { self.parts.session.now() } else { recv_ns }
    }

    /// Writes depth and top into the region. Gives the time at which the top was about to be
    /// written.
    fn write(&mut self, at: usize, was: BookState, recv_ns: Nanos, decoded_ns: Nanos) -> Nanos {
        let FeedBook { instrument, book, writer, top_sequence, top_crossed, .. } =
            &mut self.parts.books[at];
        let bids = book.ladder().top(Side::Buy, &mut self.bids);
        let asks = book.ladder().top(Side::Sell, &mut self.asks);
        let (bids, asks) = (&self.bids[..bids], &self.asks[..asks]);
        let (state, sequence, event_ns) = (book.state(), book.sequence(), book.event_ns());
        writer.publish_depth(bids, asks, state, sequence, event_ns, recv_ns, decoded_ns);
        let published_ns = match self.parts.latency.is_on() {
            true => self.parts.session.now(),
            false => decoded_ns,
        };
        if sequence >= *top_sequence {
            (*top_sequence, *top_crossed) = (sequence, false);
            let top = TopOfBook {
                instrument: *instrument,
                sequence,
                bid: bids.first().copied().unwrap_or_default(),
                ask: asks.first().copied().unwrap_or_default(),
                event_ns,
            };
            let stamps = self.parts.latency.stamps(event_ns, recv_ns, decoded_ns, published_ns);
            writer.publish_top_stamped(&top, state, recv_ns, stamps);
        } else if was != state && !*top_crossed {
            // The top shown is newer than the book: only its state is old.
            writer.set_state(state, published_ns);
        }
        published_ns
    }

    fn on_top(&mut self, top: &TopOfBook, recv_ns: Nanos) {
        let decoded_ns = self.stamp(recv_ns);
        let stamps = self.parts.latency.stamps(top.event_ns, recv_ns, decoded_ns, decoded_ns);
        let Some(book) = self.book(top.instrument) else { return };
        if top.sequence < book.top_sequence {
            return;
        }
        book.top_sequence = top.sequence;
        let both = top.bid.qty.0 > 0 && top.ask.qty.0 > 0;
        let crossed = both && top.bid.price >= top.ask.price;
        book.top_crossed = crossed;
        let state = if crossed { BookState::Stale } else { book.book.state() };
        book.writer.publish_top_stamped(top, state, recv_ns, stamps);
        if crossed {
            let text = format_args!("instrument {}: crossed top of book", top.instrument.0);
            self.parts.session.log().warn(recv_ns, text);
        }
        if self.parts.latency.is_on() {
            let published_ns = self.parts.session.now();
            let latency = &mut self.parts.latency;
            latency.record(top.instrument, top.event_ns, recv_ns, decoded_ns, published_ns);
        }
    }

    fn on_notice(&mut self, notice: &VenueNotice, now: Nanos) {
        match *notice {
            VenueNotice::Readiness(Channel::Public, readiness) => {
                self.health.state = readiness;
                self.health_at = Nanos(0);
            }
            VenueNotice::ClockOffset { offset_ns, round_trip_ns } => {
                self.parts.latency.set_clock_offset(offset_ns);
                self.health.clock_offset_ns = offset_ns;
                self.health.clock_round_trip_ns = round_trip_ns;
            }
            VenueNotice::SubscriptionFailed(instrument) => {
                self.health.subscriptions_failed += 1;
                let text = format_args!("instrument {}: no market data", instrument.0);
                self.parts.session.log().warn(now, text);
            }
            VenueNotice::ShutdownAnnounced(channel) => {
                let text =
                    format_args!("the venue announced the end of the {channel:?} connection");
                self.parts.session.log().warn(now, text);
            }
            VenueNotice::RequestFailed(code) => {
                let text = format_args!("a request failed with code {code}");
                self.parts.session.log().warn(now, text);
            }
            _ => {}
        }
    }

    fn publish_health(&mut self, now: Nanos) {
        if now < self.health_at {
            return;
        }
        self.health_at = now.plus(HEALTH_EVERY_NS);
        let counters = self.parts.session.counters();
        let live = |book: &&FeedBook| book.book.state() == BookState::Live;
        self.health.books = self.parts.books.len() as u64;
        self.health.books_live = self.parts.books.iter().filter(live).count() as u64;
        self.health.frames = counters.frames;
        self.health.bytes = self.parts.session.bytes_received();
        self.health.decode_errors = counters.decode_errors;
        let scans = self.parts.session.scans();
        (self.health.scanned, self.health.fallback) = (scans.scanned, scans.fallback);
        self.health.updated_ns = now;
        self.parts.health.publish(&self.health);
    }

    /// Every book is old from this moment on.
    fn on_lost(&mut self, now: Nanos) {
        self.health.state = Readiness::Down;
        self.health.reconnects += 1;
        self.health_at = Nanos(0);
        for book in &mut self.parts.books {
            book.book.on_disconnect();
            (book.top_sequence, book.top_crossed) = (0, false);
            book.writer.set_state(book.book.state(), now);
        }
    }
}

impl Agent for Feed {
    fn name(&self) -> &str {
        &self.parts.name
    }

    fn poll(&mut self, now: Nanos) -> usize {
        if !self.started {
            self.start(now);
        }
        let mut work = self.parts.session.poll(now);
        for _ in 0..MESSAGES_PER_POLL {
            let Some(step) = self.parts.session.step(now) else { break };
            work += 1;
            self.health.last_recv_ns = step.recv_ns;
            if step.closed == Some(Channel::Public) {
                self.on_lost(now);
            }
            self.on_events(step.recv_ns);
            while let Some(instrument) = self.resync.pop() {
                self.health.resyncs += 1;
                self.command(CommandKind::Resync(instrument), now);
            }
        }
        if self.parts.session.deadline(now) {
            self.on_events(now);
        }
        while let Some(command) = self.parts.control.pop() {
            work += 1;
            self.command(command.kind, now);
        }
        self.publish_health(now);
        work
    }
}

//! One venue's market data: sockets to decoder to books to the region.
//!
//! The books are private to this agent; the region gets the top of book and the best levels. A
//! gap costs a resync of that book, never of the connection; a lost connection makes every book
//! that it brought stale in the poll that notices it.
//!
//! With two connections to the same streams whatever comes first is taken and the other one is a
//! copy. A book then has a gap only if neither brings what is missing, and is stale only if neither
//! brings its deltas any more.

mod arrivals;
mod lines;
mod pace;
mod state;

use super::latency::FeedLatency;
use super::recorder::Tap;
use super::session::Session;
use super::threads::Agent;
use crate::book::{Book, Outcome};
use crate::shm::{
    BookWriter, FEED_LINES, FeedHealth, FeedHealthWriter, PerpetualWriter, TradeWriter,
};
use crate::sync::spsc;
use crate::types::{
    BookState, Channel, Command, CommandKind, DepthKind, DepthUpdate, Event, InstrumentId, Nanos,
    Perpetual, PerpetualUpdate, TopOfBook, Trade,
};
use lines::Lines;
use pace::Pace;
use state::Sources;

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
    /// Its mark price and funding in the region.
    pub perpetual: PerpetualWriter,
    /// What is known of them.
    pub marks: Perpetual,
    /// Newest top of book published, on the axis of [`TopOfBook::sequence`].
    pub top_sequence: u64,
    /// That top was crossed, so nothing but a newer one is live.
    pub top_crossed: bool,
}

/// What a feed is made of.
pub struct FeedParts {
    /// `feed:binance`
    pub name: String,
    /// Connector and sockets; two of them for the same instruments, or one.
    pub sessions: Vec<Session>,
    /// Its books.
    pub books: Vec<FeedBook>,
    /// As the venue's row has it.
    pub trade_ids_rise: bool,
    /// Its health in the region.
    pub health: FeedHealthWriter,
    /// What it measures.
    pub latency: FeedLatency,
    /// Requests to watch more instruments.
    pub control: spsc::Consumer<Command>,
}

/// See the module.
#[repr(align(128))]
pub struct Feed {
    parts: FeedParts,
    /// Index into `parts.books` by instrument.
    index: Vec<Option<usize>>,
    /// Books to fetch anew once the events of this message are done.
    resync: Vec<InstrumentId>,
    /// By book.
    paces: Vec<Pace>,
    /// What is kept where there are two connections.
    lines: Option<Lines>,
    sources: Sources,
    /// Which of two is read first in this poll.
    turn: usize,
    started: bool,
    health: FeedHealth,
    health_at: Nanos,
}

/// Messages handled in one poll before other agents get their turn: in a folded loop a fill must not
/// wait behind a burst of market data.
const MESSAGES_PER_POLL: usize = 16;

impl Feed {
    /// A feed that subscribes at its first poll.
    #[must_use]
    pub fn new(mut parts: FeedParts) -> Self {
        parts.sessions.truncate(FEED_LINES);
        let size = parts.books.iter().map(|book| book.instrument.index() + 1).max().unwrap_or(0);
        let mut index = vec![None; size];
        for (at, book) in parts.books.iter().enumerate() {
            index[book.instrument.index()] = Some(at);
        }
        let books = parts.books.len();
        let lines = (parts.sessions.len() > 1).then(|| Lines::new(books));
        if lines.is_some() {
            parts.books.iter_mut().for_each(|book| book.book.set_redundant());
        }
        let first = parts.sessions.first();
        let channel_of = |id| first.map_or(Channel::Public, |session| session.brings(id));
        let sources = Sources::new(parts.books.iter().map(|book| book.instrument), channel_of);
        let health = FeedHealth { line_count: parts.sessions.len() as u64, ..Default::default() };
        Self {
            parts,
            index,
            resync: Vec::with_capacity(books),
            paces: vec![Pace::default(); books],
            lines,
            sources,
            turn: 0,
            started: false,
            health,
            health_at: Nanos(0),
        }
    }

    /// Messages of the public channel that were read since the start, understood or not.
    #[must_use]
    pub fn messages(&self) -> u64 {
        let scans = self.parts.sessions.iter().map(Session::scans);
        scans.map(|scans| scans.scanned + scans.fallback).sum()
    }

    /// Copies what every connection reads: `tap` is given the books and the channels that bring them.
    pub fn set_taps(&mut self, tap: impl Fn(Vec<(InstrumentId, Channel)>) -> Tap) {
        let FeedParts { sessions, books, .. } = &mut self.parts;
        for session in sessions {
            let streamed = books.iter().filter(|book| book.streamed).map(|book| book.instrument);
            let brought = streamed.map(|id| (id, session.brings(id))).collect();
            session.set_tap(tap(brought));
        }
    }

    /// The same command on every connection.
    fn command(&mut self, kind: CommandKind, now: Nanos) {
        for line in 0..self.parts.sessions.len() {
            self.command_on(line, kind, now);
        }
    }

    fn command_on(&mut self, line: usize, kind: CommandKind, now: Nanos) {
        let command = Command::new(kind, now);
        if let Err(error) = self.parts.sessions[line].submit(&command, now) {
            let text = format_args!("{kind:?} was not sent: {error}");
            self.parts.sessions[line].log().warn(now, text);
        }
        self.on_events(line, now);
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

    fn on_events(&mut self, line: usize, recv_ns: Nanos) {
        let mut at = 0;
        while let Some(event) = self.parts.sessions[line].event(at) {
            at += 1;
            match event {
                Event::Depth(update) => self.on_depth(line, &update, recv_ns),
                Event::Top(top) => self.on_top(line, &top, recv_ns),
                Event::Trade(trade) => self.on_trade(line, &trade, recv_ns),
                Event::Perpetual(update) => self.on_perpetual(&update, recv_ns),
                Event::Notice(notice) => self.on_notice(line, &notice, recv_ns),
                Event::Report(_)
                | Event::Balance(_)
                | Event::Position(_)
                | Event::FundingPaid(_)
                | Event::Margin(_)
                | Event::Fee(_)
                | Event::Sent(_) => {}
            }
        }
    }

    fn at(&self, instrument: InstrumentId) -> Option<usize> {
        self.index.get(instrument.index()).copied().flatten()
    }

    fn on_trade(&mut self, line: usize, trade: &Trade, recv_ns: Nanos) {
        let Some(at) = self.at(trade.instrument) else { return };
        let rising = if self.parts.trade_ids_rise { trade.trade_id } else { trade.event_ns.0 };
        if let Some(lines) = &mut self.lines
            && !lines.on_trade(at, line, rising, recv_ns)
        {
            return;
        }
        self.parts.books[at].trades.publish(trade, recv_ns);
    }

    /// With two connections both bring the same: the later copy changes nothing but its time.
    fn on_perpetual(&mut self, update: &PerpetualUpdate, recv_ns: Nanos) {
        let Some(at) = self.at(update.instrument) else { return };
        let book = &mut self.parts.books[at];
        book.marks.apply(update, recv_ns);
        book.perpetual.publish(&book.marks);
    }

    fn on_depth(&mut self, line: usize, update: &DepthUpdate, recv_ns: Nanos) {
        let Some(at) = self.at(update.instrument) else { return };
        if update.kind == DepthKind::FetchedSnapshot && self.is_unfed(at) {
            return self.on_snapshot_alone(at, line, recv_ns);
        }
        let book = &mut self.parts.books[at];
        let was = book.book.state();
        let (bids, asks) = self.parts.sessions[line].events().levels(update);
        let mut anew = false;
        if let Some(lines) = &mut self.lines
            && lines.restarts(at, line, update, &book.book)
        {
            anew = book.book.start_anew() == Outcome::NeedResync;
            // What is shown counts with the old ids.
            book.top_sequence = 0;
        }
        let outcome = book.book.on_depth(update, bids, asks);
        if let Some(lines) = &mut self.lines {
            lines.on_depth((at, line), update, outcome, &book.book, recv_ns);
            if outcome == Outcome::Applied && book.book.sequence() >= book.top_sequence {
                lines.shows(at, line);
            }
            // A connector of two fetches nothing by itself.
            if outcome == Outcome::Buffered && lines.is_unasked(at) && !anew {
                self.ask_for(update.instrument);
            }
        }
        match outcome {
            Outcome::Applied => self.publish(at, was, recv_ns, update.event_ns),
            Outcome::NeedResync => self.on_gap(at, line, update.first_id, recv_ns),
            Outcome::Buffered if anew => self.on_gap(at, line, update.first_id, recv_ns),
            Outcome::Held => {}
            Outcome::Buffered | Outcome::Ignored => {
                let book = &mut self.parts.books[at];
                if was != book.book.state() {
                    book.writer.set_state(book.book.state(), self.parts.sessions[line].now());
                }
            }
        }
    }

    /// Whether there are two connections of which none has brought deltas of a book yet.
    fn is_unfed(&self, at: usize) -> bool {
        self.lines.as_ref().is_some_and(|lines| !lines.is_fed(at))
    }

    /// A snapshot of a book that no connection brings any more: nothing would keep it up to date.
    fn on_snapshot_alone(&mut self, at: usize, line: usize, now: Nanos) {
        let instrument = self.parts.books[at].instrument;
        if let Some(lines) = &mut self.lines {
            lines.forget(at);
        }
        let text = format_args!("instrument {}: snapshot without a stream: not used", instrument.0);
        self.parts.sessions[line].log().warn(now, text);
    }

    /// A book cannot be continued; `first` is the update id that does not fit.
    fn on_gap(&mut self, at: usize, line: usize, first: u64, now: Nanos) {
        let book = &mut self.parts.books[at];
        book.writer.set_state(book.book.state(), self.parts.sessions[line].now());
        self.health.gaps += 1;
        let (id, instrument) = (book.book.id(), book.instrument);
        self.health.resyncs += u64::from(self.ask_for(instrument));
        let text =
            format_args!("instrument {}: book at {id}, update from {first}: resync", instrument.0);
        self.parts.sessions[line].log().warn(now, text);
    }

    /// Wants a snapshot; `false` if one is wanted already.
    fn ask_for(&mut self, instrument: InstrumentId) -> bool {
        let new = !self.resync.contains(&instrument);
        if new {
            self.resync.push(instrument);
        }
        new
    }

    /// Asks for the snapshots that are wanted, each of one connection, and none too often.
    fn ask(&mut self, now: Nanos) {
        let mut index = 0;
        while let Some(&instrument) = self.resync.get(index) {
            let Some(at) = self.at(instrument) else {
                self.resync.swap_remove(index);
                continue;
            };
            let taken = self.parts.books[at].book.counters().snapshots;
            if !self.paces[at].take(now, taken) {
                index += 1;
                continue;
            }
            self.resync.swap_remove(index);
            let line = self.lines.as_mut().map_or(Some(0), |lines| lines.ask(at));
            if let Some(line) = line {
                self.command_on(line, CommandKind::Resync(instrument), now);
            }
        }
    }

    /// Holes that the other connection has not closed in time are gaps.
    fn give_up_holes(&mut self, now: Nanos) {
        while let Some(lines) = &mut self.lines
            && let Some(at) = lines.overdue(&self.parts.books, now)
        {
            let book = &mut self.parts.books[at].book;
            let missing = book.id() + 1;
            if book.give_up() == Outcome::NeedResync {
                self.on_gap(at, 0, missing, now);
            }
        }
    }

    /// Publishes a book that has changed, first the top, which announces the depth; `was` is its state
    /// before. Sequence and time are the book's own: deltas that waited may have taken it past
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
        if self.parts.latency.is_on() { self.parts.sessions[0].now() } else { recv_ns }
    }

    /// Writes top and depth into the region. Gives the time at which the top was about to be
    /// written.
    fn write(&mut self, at: usize, was: BookState, recv_ns: Nanos, decoded_ns: Nanos) -> Nanos {
        let FeedBook { instrument, book, writer, top_sequence, top_crossed, .. } =
            &mut self.parts.books[at];
        let (state, sequence, event_ns) = (book.state(), book.sequence(), book.event_ns());
        let published_ns = match self.parts.latency.is_on() {
            true => self.parts.sessions[0].now(),
            false => decoded_ns,
        };
        if sequence >= *top_sequence {
            (*top_sequence, *top_crossed) = (sequence, false);
            let top = TopOfBook {
                instrument: *instrument,
                sequence,
                bid: book.ladder().best_bid().unwrap_or_default(),
                ask: book.ladder().best_ask().unwrap_or_default(),
                event_ns,
            };
            let stamps = self.parts.latency.stamps(event_ns, recv_ns, decoded_ns, published_ns);
            writer.announce_top(&top, state, recv_ns, stamps);
        } else if was != state && !*top_crossed {
            // The top shown is newer than the book: only its state is old.
            writer.set_state(state, published_ns);
        }
        let (bids, asks) = book.best_levels();
        writer.publish_depth(bids, asks, state, sequence, event_ns, recv_ns, published_ns);
        published_ns
    }

    fn on_top(&mut self, line: usize, top: &TopOfBook, recv_ns: Nanos) {
        let Some(at) = self.at(top.instrument) else { return };
        let shown = self.parts.books[at].top_sequence;
        if let Some(lines) = &mut self.lines
            && !lines.on_top((at, line), top.sequence, shown, recv_ns)
        {
            return;
        }
        if top.sequence < shown {
            return;
        }
        let decoded_ns = self.stamp(recv_ns);
        let stamps = self.parts.latency.stamps(top.event_ns, recv_ns, decoded_ns, decoded_ns);
        let book = &mut self.parts.books[at];
        book.top_sequence = top.sequence;
        let both = top.bid.qty.0 > 0 && top.ask.qty.0 > 0;
        let crossed = both && top.bid.price >= top.ask.price;
        book.top_crossed = crossed;
        let state = if crossed { BookState::Stale } else { book.book.state() };
        book.writer.publish_top_stamped(top, state, recv_ns, stamps);
        if crossed {
            let text = format_args!("instrument {}: crossed top of book", top.instrument.0);
            self.parts.sessions[line].log().warn(recv_ns, text);
        }
        if self.parts.latency.is_on() {
            let latency = &mut self.parts.latency;
            latency.record(top.instrument, top.event_ns, recv_ns, decoded_ns, decoded_ns);
        }
    }

    /// Reads the connections in turns, whichever has something: a bounded number of messages each.
    fn read(&mut self, now: Nanos) -> usize {
        let count = self.parts.sessions.len();
        let first = if count > 1 { self.turn ^ 1 } else { 0 };
        self.turn = first;
        let (mut work, mut dry) = (0, [false; FEED_LINES]);
        for _ in 0..MESSAGES_PER_POLL {
            for line in (0..count).map(|offset| first ^ offset) {
                dry[line] = dry[line] || !self.step(line, now);
                work += usize::from(!dry[line]);
            }
            if dry[..count].iter().all(|dry| *dry) {
                break;
            }
        }
        work
    }

    /// Takes one message or change of a connection; `false` if nothing waits there.
    fn step(&mut self, line: usize, now: Nanos) -> bool {
        let Some(step) = self.parts.sessions[line].step(now) else { return false };
        self.health.last_recv_ns = step.recv_ns;
        self.health.lines[line].last_recv_ns = step.recv_ns;
        if let Some(closed) = step.closed.filter(|channel| self.sources.has(*channel)) {
            self.on_lost(line, closed, now);
        }
        self.on_events(line, step.recv_ns);
        self.ask(now);
        true
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
        let mut work = 0;
        for session in &mut self.parts.sessions {
            work += session.poll(now);
        }
        work += self.read(now);
        for line in 0..self.parts.sessions.len() {
            if self.parts.sessions[line].deadline(now) {
                self.on_events(line, now);
            }
        }
        while let Some(command) = self.parts.control.pop() {
            work += 1;
            self.command(command.kind, now);
        }
        if self.lines.is_some() {
            self.give_up_holes(now);
            self.ask(now);
        }
        if work == 0 {
            self.parts.latency.flush();
        }
        self.publish_health(now);
        work
    }
}

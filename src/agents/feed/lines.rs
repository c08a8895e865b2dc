//! What a feed with two connections to the same streams keeps: how far each has come, which of two
//! copies came first and how long after it the other one, which holes are waited for, and who fetches
//! a snapshot.
//!
//! Decides nothing about books: those know by their update ids what is old. Of one connection there
//! is nothing to keep. Nothing here allocates after construction.

#![forbid(unsafe_code)]

use super::FeedBook;
use super::arrivals::{Arrival, Arrivals, Lateness, Prints};
use crate::book::{Book, Outcome};
use crate::shm::{FEED_LINES, FeedLine};
use crate::types::{BookState, DepthKind, DepthUpdate, Nanos};

/// How long what lies behind a hole is held back for the other connection to close it. Copies come
/// within milliseconds of each other; a book that stands still for longer had better be fetched.
pub(super) const HOLD_NS: u64 = 100_000_000;
/// A connection repeats itself now and then, or what the other one has brought before it was lost; one
/// that does nothing else counts with other ids.
const REPEATED_MAX: u32 = 64;

/// How far the deltas of one instrument have come on one connection since it was opened.
#[derive(Clone, Copy, Default)]
struct Progress {
    /// Newest update id; 0 before the first.
    newest: u64,
    /// Its sequence.
    sequence: u64,
    /// Deltas in a row that were not newer.
    repeated: u32,
    /// What the book had applied when they began.
    applied: u64,
}

/// One instrument.
struct Shared {
    progress: [Progress; FEED_LINES],
    depth: Arrivals,
    tops: Arrivals,
    prints: Prints,
    /// Connections that bring it are open.
    open: [bool; FEED_LINES],
    /// Whose top is shown: it alone may repeat its sequence.
    top_line: usize,
    /// Who was asked for a snapshot that has not come yet.
    fetcher: Option<usize>,
    /// Holes of the book that were closed, by the book's own count.
    filled: u64,
}

/// What is counted of one connection.
#[derive(Default)]
struct Counts {
    first: u64,
    late: u64,
    missed: u64,
    filled: u64,
    lateness: Lateness,
}

impl Counts {
    fn arrived(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::First => self.first += 1,
            Arrival::Again => {}
            Arrival::Late(late_ns) => {
                self.late += 1;
                self.lateness.record(late_ns);
            }
        }
    }
}

/// A book that stands before a hole.
struct Hold {
    at: usize,
    id: u64,
    since: Nanos,
}

/// See the module.
pub(super) struct Lines {
    books: Vec<Shared>,
    counts: [Counts; FEED_LINES],
    /// Connections whose requests have a way.
    rest: [bool; FEED_LINES],
    holding: Vec<Hold>,
}

impl Lines {
    /// For so many books.
    pub fn new(books: usize) -> Self {
        let shared = |_| Shared {
            progress: Default::default(),
            depth: Arrivals::default(),
            tops: Arrivals::default(),
            prints: Prints::default(),
            open: [false; FEED_LINES],
            top_line: 0,
            fetcher: None,
            filled: 0,
        };
        Self {
            books: (0..books).map(shared).collect(),
            counts: Default::default(),
            rest: [false; FEED_LINES],
            holding: Vec::with_capacity(books),
        }
    }

    /// The way of its requests is open, or not.
    pub fn set_rest(&mut self, line: usize, up: bool) {
        self.rest[line] = up;
    }

    /// Market data of a book flows there, or is about to.
    pub fn set_open(&mut self, at: usize, line: usize) {
        self.books[at].open[line] = true;
    }

    /// A connection brings a book no more. What it has brought stays known: copies of it may still
    /// come.
    pub fn on_lost(&mut self, at: usize, line: usize) {
        let book = &mut self.books[at];
        book.open[line] = false;
        book.progress[line] = Progress::default();
        book.prints.on_lost(line);
    }

    /// Whether some connection has brought deltas of this book since it was opened.
    pub fn is_fed(&self, at: usize) -> bool {
        self.books[at].progress.iter().any(|progress| progress.newest > 0)
    }

    /// Nobody brings this book any more: the next arrival is the first.
    pub fn forget(&mut self, at: usize) {
        let book = &mut self.books[at];
        book.fetcher = None;
        book.depth.clear();
        book.tops.clear();
        book.prints.clear();
    }

    /// A depth message is about to be applied. `true` if its connection has started its ids anew,
    /// without a snapshot that says so.
    #[must_use]
    pub fn restarts(&mut self, at: usize, line: usize, update: &DepthUpdate, book: &Book) -> bool {
        let shared = &mut self.books[at];
        let known = &mut shared.progress[line];
        let back = known.newest > 0 && update.last_id <= known.newest;
        match update.kind {
            DepthKind::FetchedSnapshot => return false,
            DepthKind::Snapshot => {
                let anew =
                    back && update.last_id < known.newest && update.sequence < known.sequence;
                (known.newest, known.sequence) = (update.last_id, update.sequence);
                known.repeated = 0;
                return anew && book.state() == BookState::Live;
            }
            DepthKind::Delta if update.is_empty() => return false,
            DepthKind::Delta => {}
        }
        // The connection that made the book may have counted on from other ids: once it is lost, all
        // that comes stays behind the book.
        let alone = !shared.open[1 - line.min(1)];
        let behind = alone && book.state() == BookState::Live && update.last_id <= book.id();
        if back || behind {
            let applied = book.counters().applied;
            if known.repeated == 0 || known.applied != applied {
                // Where the book goes on, the other connection was here before this one.
                (known.repeated, known.applied) = (0, applied);
            }
            known.repeated += 1;
        } else {
            known.repeated = 0;
        }
        let anew = known.repeated > REPEATED_MAX;
        if back && !anew {
            return false;
        }
        if !back && known.newest > 0 && update.first_id > known.newest + 1 {
            self.counts[line].missed += 1;
        }
        if anew {
            shared.depth.clear();
            known.repeated = 0;
        }
        (known.newest, known.sequence) = (update.last_id, update.sequence);
        anew
    }

    /// What became of a depth message; `recv_ns` is when it arrived.
    pub fn on_depth(
        &mut self,
        (at, line): (usize, usize),
        update: &DepthUpdate,
        outcome: Outcome,
        book: &Book,
        recv_ns: Nanos,
    ) {
        let (shared, counts) = (&mut self.books[at], &mut self.counts[line]);
        match update.kind {
            DepthKind::Delta if update.is_empty() => {}
            DepthKind::Delta => {
                counts.arrived(shared.depth.note(line, update.last_id, recv_ns));
            }
            // Ids may have started anew.
            DepthKind::Snapshot if outcome != Outcome::Ignored => shared.depth.clear(),
            DepthKind::Snapshot | DepthKind::FetchedSnapshot => {}
        }
        let filled = book.counters().filled;
        counts.filled += filled - std::mem::replace(&mut shared.filled, filled);
        if outcome == Outcome::Applied {
            shared.fetcher = None;
        }
        if book.is_holding() && !self.holding.iter().any(|hold| hold.at == at) {
            self.holding.push(Hold { at, id: book.id(), since: recv_ns });
        }
    }

    /// A book that has stood before the same hole for too long; each is given once.
    pub fn overdue(&mut self, books: &[FeedBook], now: Nanos) -> Option<usize> {
        let mut index = 0;
        while let Some(hold) = self.holding.get_mut(index) {
            let book = &books[hold.at].book;
            if !book.is_holding() {
                self.holding.swap_remove(index);
            } else if hold.id != book.id() {
                (hold.id, hold.since) = (book.id(), now);
                index += 1;
            } else if now.since(hold.since) >= HOLD_NS {
                return Some(self.holding.swap_remove(index).at);
            } else {
                index += 1;
            }
        }
        None
    }

    /// A top of book came; `shown` is the sequence of the one that is shown. `true` if it is to be
    /// shown.
    pub fn on_top(
        &mut self,
        (at, line): (usize, usize),
        sequence: u64,
        shown: u64,
        recv_ns: Nanos,
    ) -> bool {
        let shared = &mut self.books[at];
        self.counts[line].arrived(shared.tops.note(line, sequence, recv_ns));
        let own = shared.top_line == line || !shared.open[shared.top_line];
        let taken = sequence > shown || (sequence == shown && own);
        if taken {
            shared.top_line = line;
        }
        taken
    }

    /// The top that is shown is that of the book, as this connection has made it.
    pub fn shows(&mut self, at: usize, line: usize) {
        self.books[at].top_line = line;
    }

    /// A trade came, with something that rises from trade to trade. `true` if the other connection has
    /// not brought it.
    pub fn on_trade(&mut self, at: usize, line: usize, id: u64, recv_ns: Nanos) -> bool {
        let arrival = self.books[at].prints.note(line, id, recv_ns);
        self.counts[line].arrived(arrival);
        arrival == Arrival::First
    }

    /// Whether nobody was asked for a snapshot of this book.
    pub fn is_unasked(&self, at: usize) -> bool {
        self.books[at].fetcher.is_none()
    }

    /// Whom to ask for a snapshot of a book: who was asked before, else the first that brings its
    /// deltas and can send requests, else any that brings them, else any that is open.
    pub fn ask(&mut self, at: usize) -> Option<usize> {
        let shared = &mut self.books[at];
        let all = 0..FEED_LINES;
        let brings = |line: &usize| shared.progress[*line].newest > 0;
        let chosen = shared
            .fetcher
            .or_else(|| all.clone().filter(brings).find(|line| self.rest[*line]))
            .or_else(|| all.clone().find(brings))
            .or_else(|| all.clone().find(|line| shared.open[*line]));
        shared.fetcher = chosen;
        chosen
    }

    /// A connection cannot fetch what it was asked for. `true` if this book waits for it.
    pub fn take_back(&mut self, at: usize, line: usize) -> bool {
        let shared = &mut self.books[at];
        let asked = shared.fetcher == Some(line);
        if asked {
            shared.fetcher = None;
        }
        asked
    }

    /// Puts what was counted into the health of each connection.
    pub fn tell(&self, lines: &mut [FeedLine; FEED_LINES]) {
        for (line, counts) in lines.iter_mut().zip(&self.counts) {
            (line.first, line.late) = (counts.first, counts.late);
            (line.missed, line.filled) = (counts.missed, counts.filled);
            line.late_p50_ns = counts.lateness.quantile(50);
            line.late_p99_ns = counts.lateness.quantile(99);
            line.late_max_ns = counts.lateness.max();
        }
    }
}

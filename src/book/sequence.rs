//! Continuity of one book: which depth messages may be applied, and when a snapshot is needed.
//!
//! The rule is the generic one of [`DepthUpdate`]: a delta fits a book at id L if
//! `first_id <= L + 1 <= last_id`; connectors map each venue's rule to it. Deltas that arrive while
//! there is no book wait in a bounded buffer for a fetched snapshot. This does not ask for the
//! snapshot itself: the caller does when the outcome is [`Outcome::NeedResync`].
//!
//! Where two connections bring the same stream ([`Book::set_redundant`]), most messages come twice,
//! and one connection may lag behind the other. What one of them misses the other one brings: while
//! both work ([`Book::set_patient`]), deltas behind a hole are held back, the book stays at the last
//! id before it, and the caller decides how long that may take ([`Book::give_up`]).

#![forbid(unsafe_code)]

use super::l2::{Ladder, LadderOptions};
use super::waiting::Waiting;
use crate::mutants::Mutant;
use crate::types::{BookState, DepthKind, DepthUpdate, Level, Nanos, Price};

/// A live stream repeats itself now and then; one that does nothing else has started its ids anew.
const IGNORED_MAX: u32 = 64;

/// Sizes of a [`Book`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookOptions {
    /// Sizes of the ladder.
    pub ladder: LadderOptions,
    /// Most deltas that wait for a snapshot.
    pub buffered_updates: usize,
    /// Most levels of those deltas together.
    pub buffered_levels: usize,
}

impl Default for BookOptions {
    fn default() -> Self {
        Self { ladder: LadderOptions::default(), buffered_updates: 1_024, buffered_levels: 32_768 }
    }
}

/// What became of a depth message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The book has changed and is live.
    Applied,
    /// Kept until a snapshot arrives.
    Buffered,
    /// Old or repeated: the book already contains it.
    Ignored,
    /// Kept until the messages before it arrive on another connection; the book is as it was.
    Held,
    /// The book cannot be continued: fetch a snapshot. Said once per cause.
    NeedResync,
}

/// What a book has been through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BookCounters {
    /// Messages applied, buffered ones included.
    pub applied: u64,
    /// Messages ignored as old.
    pub ignored: u64,
    /// Holes that another connection closed.
    pub filled: u64,
    /// Missing update ids noticed.
    pub gaps: u64,
    /// Times the book was crossed.
    pub crossed: u64,
    /// Times the buffer was full before a snapshot came.
    pub overflows: u64,
    /// Snapshots taken.
    pub snapshots: u64,
    /// Snapshots refused because the buffered deltas do not reach back to them.
    pub snapshots_old: u64,
    /// Times the market reached levels that had been forgotten for want of room.
    pub incomplete: u64,
}

/// One book with its continuity.
#[derive(Clone, Debug)]
pub struct Book {
    ladder: Ladder,
    state: BookState,
    id: u64,
    sequence: u64,
    event_ns: Nanos,
    waiting: Waiting,
    ignored_in_row: u32,
    /// Messages may come on several connections.
    redundant: bool,
    /// Another connection brings the same messages at the moment.
    patient: bool,
    counters: BookCounters,
}

impl Book {
    /// An empty book of an instrument with this tick size.
    #[must_use]
    pub fn new(tick_size: Price, options: BookOptions) -> Self {
        Self {
            ladder: Ladder::new(tick_size, options.ladder),
            state: BookState::Empty,
            id: 0,
            sequence: 0,
            event_ns: Nanos(0),
            waiting: Waiting::new(options.buffered_updates, options.buffered_levels),
            ignored_in_row: 0,
            redundant: false,
            patient: false,
            counters: BookCounters::default(),
        }
    }

    /// The messages come on several connections, in the order of each but not of all of them. That one
    /// of them repeats itself is then for the caller to notice ([`Book::start_anew`]).
    pub fn set_redundant(&mut self) {
        self.redundant = true;
    }

    /// Whether another connection brings the same messages at the moment.
    pub fn set_patient(&mut self, on: bool) {
        self.patient = on;
    }

    /// Whether deltas are held back behind a hole.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        self.state == BookState::Live && !self.waiting.is_empty()
    }

    /// Nobody closes the hole: what was held back waits for a snapshot. [`Outcome::Ignored`] if
    /// nothing was.
    pub fn give_up(&mut self) -> Outcome {
        if !self.is_holding() {
            return Outcome::Ignored;
        }
        self.counters.gaps += 1;
        self.state = BookState::Buffering;
        Outcome::NeedResync
    }

    /// The ids of the stream have started anew: what stands here cannot be continued, and what waits
    /// belongs to it.
    pub fn start_anew(&mut self) -> Outcome {
        self.counters.gaps += 1;
        self.forget_waiting();
        self.state = BookState::Buffering;
        Outcome::NeedResync
    }

    /// A depth message with its levels.
    #[inline]
    pub fn on_depth(&mut self, update: &DepthUpdate, bids: &[Level], asks: &[Level]) -> Outcome {
        match update.kind {
            DepthKind::Delta if self.state == BookState::Live => {
                self.on_live_delta(update, bids, asks)
            }
            DepthKind::Delta => self.buffer(update, bids, asks),
            DepthKind::Snapshot => self.on_stream_snapshot(update, bids, asks),
            DepthKind::FetchedSnapshot => self.on_fetched_snapshot(update, bids, asks),
        }
    }

    /// The connection is lost, or the stream has been silent too long: what stands here is old.
    pub fn on_disconnect(&mut self) {
        if self.state != BookState::Empty {
            self.state = BookState::Stale;
        }
        self.forget_waiting();
    }

    /// Whether the book may be traded on.
    #[must_use]
    pub fn state(&self) -> BookState {
        self.state
    }

    /// Update id of the last message applied.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// [`DepthUpdate::sequence`] of the last message applied.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Venue's time of the last message applied.
    #[must_use]
    pub fn event_ns(&self) -> Nanos {
        self.event_ns
    }

    /// The levels. Only worth reading while the state is [`BookState::Live`].
    #[must_use]
    pub fn ladder(&self) -> &Ladder {
        &self.ladder
    }

    /// See [`Ladder::best_levels`].
    #[inline]
    pub fn best_levels(&mut self) -> (&[Level], &[Level]) {
        self.ladder.best_levels()
    }

    /// See [`Ladder::memory`].
    pub fn memory(&mut self) -> [&mut [i64]; 2] {
        self.ladder.memory()
    }

    /// What the book has been through.
    #[must_use]
    pub fn counters(&self) -> &BookCounters {
        &self.counters
    }

    #[inline]
    fn on_live_delta(&mut self, update: &DepthUpdate, bids: &[Level], asks: &[Level]) -> Outcome {
        if update.last_id <= self.id {
            if update.first_id == self.id + 1 {
                return self.stand(update);
            }
            self.counters.ignored += 1;
            self.ignored_in_row += 1;
            if self.ignored_in_row > IGNORED_MAX && !self.redundant {
                self.counters.gaps += 1;
                return self.resync_from(update, bids, asks);
            }
            return Outcome::Ignored;
        }
        if update.first_id > self.id + 1 && !Mutant::GapIgnored.is_on() {
            if self.patient {
                return self.hold(update, bids, asks);
            }
            self.counters.gaps += 1;
            return self.resync_from(update, bids, asks);
        }
        self.apply(update, bids, asks);
        if self.waiting.is_empty() {
            return self.check();
        }
        self.continue_held()
    }

    /// The venue says that the book still stands as it is: that counts as if it had changed.
    #[cold]
    fn stand(&mut self, update: &DepthUpdate) -> Outcome {
        self.event_ns = self.event_ns.max(update.event_ns);
        self.ignored_in_row = 0;
        Outcome::Applied
    }

    /// Keeps a delta that lies behind a hole, unless it is older than the book: its ids are then those
    /// from before the stream started anew.
    #[cold]
    fn hold(&mut self, update: &DepthUpdate, bids: &[Level], asks: &[Level]) -> Outcome {
        if update.sequence < self.sequence || self.waiting.holds(update.last_id) {
            self.counters.ignored += 1;
            return Outcome::Ignored;
        }
        if !self.waiting.has_room(bids.len() + asks.len()) {
            self.counters.gaps += 1;
            self.counters.overflows += 1;
            return self.resync_from(update, bids, asks);
        }
        self.waiting.insert(update, bids, asks);
        Outcome::Held
    }

    /// The book has gone on: applies what is held and fits now. Another hole keeps the rest.
    #[cold]
    fn continue_held(&mut self) -> Outcome {
        let rest = self.apply_waiting();
        if rest != Some(0) {
            self.counters.filled += 1;
        }
        self.keep_waiting_from(rest);
        self.check()
    }

    #[inline]
    fn apply(&mut self, update: &DepthUpdate, bids: &[Level], asks: &[Level]) {
        self.ladder.apply_all(bids, asks);
        self.id = update.last_id;
        self.sequence = update.sequence;
        self.event_ns = update.event_ns;
        self.ignored_in_row = 0;
        self.counters.applied += 1;
    }

    /// After a change: live, unless the levels themselves say that something was missed.
    #[inline]
    fn check(&mut self) -> Outcome {
        if self.ladder.is_crossed() {
            self.counters.crossed += 1;
            self.state = BookState::Stale;
            self.forget_waiting();
            return Outcome::NeedResync;
        }
        if self.ladder.is_incomplete() {
            self.counters.incomplete += 1;
            self.state = BookState::Stale;
            self.forget_waiting();
            return Outcome::NeedResync;
        }
        self.state = BookState::Live;
        Outcome::Applied
    }

    /// The book has a hole before `update`: start to buffer with it.
    #[cold]
    fn resync_from(&mut self, update: &DepthUpdate, bids: &[Level], asks: &[Level]) -> Outcome {
        self.forget_waiting();
        self.buffer(update, bids, asks);
        Outcome::NeedResync
    }

    #[cold]
    fn buffer(&mut self, update: &DepthUpdate, bids: &[Level], asks: &[Level]) -> Outcome {
        self.state = BookState::Buffering;
        if update.is_empty() {
            // It covers nothing that a snapshot could miss.
            self.counters.ignored += 1;
            return Outcome::Ignored;
        }
        if self.redundant {
            if self.waiting.holds(update.last_id) {
                self.counters.ignored += 1;
                return Outcome::Ignored;
            }
        } else if update.last_id < self.waiting.newest() {
            // A stream only goes forward: where it goes back its ids have started anew, or what waits
            // was never right and would keep every snapshot from fitting.
            self.forget_waiting();
        }
        let count = bids.len() + asks.len();
        let full = !self.waiting.has_room(count);
        if full {
            self.counters.overflows += 1;
            self.forget_waiting();
            if !self.waiting.has_room(count) {
                return Outcome::NeedResync;
            }
        }
        self.waiting.insert(update, bids, asks);
        if full { Outcome::NeedResync } else { Outcome::Buffered }
    }

    #[cold]
    fn on_stream_snapshot(
        &mut self,
        update: &DepthUpdate,
        bids: &[Level],
        asks: &[Level],
    ) -> Outcome {
        if !self.redundant {
            self.forget_waiting();
            self.replace(update, bids, asks);
            return self.check();
        }
        let newer = (update.sequence, update.last_id) > (self.sequence, self.id);
        if self.state == BookState::Live && !newer {
            // What another connection begins with, or a copy of what the book has begun with.
            self.counters.ignored += 1;
            return Outcome::Ignored;
        }
        self.waiting.forget_before(update.sequence);
        self.replace(update, bids, asks);
        // The other connection may be ahead; this one brings what is missing.
        let rest = self.apply_waiting();
        self.keep_waiting_from(rest);
        self.check()
    }

    #[cold]
    fn on_fetched_snapshot(
        &mut self,
        update: &DepthUpdate,
        bids: &[Level],
        asks: &[Level],
    ) -> Outcome {
        if self.state == BookState::Live {
            // A late reply to an earlier request: the stream has gone on without it.
            self.counters.ignored += 1;
            return Outcome::Ignored;
        }
        if self.waiting.first_after(update.last_id).is_some_and(|first| first > update.last_id + 1)
        {
            self.counters.snapshots_old += 1;
            self.state = BookState::Buffering;
            return Outcome::NeedResync;
        }
        self.replace(update, bids, asks);
        if Mutant::BufferDropped.is_on() {
            self.id = self.id.max(self.waiting.newest());
            self.forget_waiting();
            return self.check();
        }
        let rest = self.apply_waiting();
        self.keep_waiting_from(rest);
        if rest.is_some() && !self.patient {
            self.counters.gaps += 1;
            self.state = BookState::Buffering;
            return Outcome::NeedResync;
        }
        self.check()
    }

    fn replace(&mut self, update: &DepthUpdate, bids: &[Level], asks: &[Level]) {
        self.ladder.clear();
        self.counters.snapshots += 1;
        self.apply(update, bids, asks);
    }

    /// Applies what waits and fits, in the order of the ids. Gives the place of the first delta that
    /// lies behind a hole.
    fn apply_waiting(&mut self) -> Option<usize> {
        let waiting = std::mem::take(&mut self.waiting);
        let mut hole = None;
        let mut at = 0;
        while let Some((update, bids, asks)) = waiting.get(at) {
            if update.last_id > self.id {
                if update.first_id > self.id + 1 {
                    hole = Some(at);
                    break;
                }
                self.apply(update, bids, asks);
            }
            at += 1;
        }
        self.waiting = waiting;
        hole
    }

    fn keep_waiting_from(&mut self, rest: Option<usize>) {
        match rest {
            Some(at) => self.waiting.forget_first(at),
            None => self.forget_waiting(),
        }
    }

    fn forget_waiting(&mut self) {
        self.waiting.clear();
        self.ignored_in_row = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{InstrumentId, Qty, Side};

    const SMALL: BookOptions = BookOptions {
        ladder: LadderOptions { window_ticks: 4_096, far_levels: 16, shown_levels: 20 },
        buffered_updates: 4,
        buffered_levels: 8,
    };

    fn level(price: i64, qty: i64) -> Level {
        Level { price: Price(price), qty: Qty(qty) }
    }

    fn update(kind: DepthKind, first_id: u64, last_id: u64) -> DepthUpdate {
        DepthUpdate {
            instrument: InstrumentId(0),
            kind,
            first_id,
            last_id,
            sequence: last_id * 10,
            levels_start: 0,
            bids: 0,
            asks: 0,
            event_ns: Nanos(last_id),
        }
    }

    /// A delta that leaves its own last id as the quantity of the bid at 100.
    fn delta(book: &mut Book, first_id: u64, last_id: u64) -> Outcome {
        let head = update(DepthKind::Delta, first_id, last_id);
        book.on_depth(&head, &[level(100, last_id as i64)], &[])
    }

    fn snapshot(book: &mut Book, kind: DepthKind, id: u64) -> Outcome {
        let (bids, asks) = ([level(100, id as i64), level(99, 1)], [level(101, 1)]);
        book.on_depth(&update(kind, id, id), &bids, &asks)
    }

    fn best(book: &Book) -> i64 {
        book.ladder().best_bid().map_or(0, |level| level.qty.0)
    }

    fn live() -> Book {
        let mut book = Book::new(Price(1), SMALL);
        assert_eq!(snapshot(&mut book, DepthKind::Snapshot, 10), Outcome::Applied);
        book
    }

    /// A venue that says "nothing has changed" keeps a book young, and never takes it for one that
    /// repeats itself.
    #[test]
    fn what_covers_no_id_says_that_the_book_stands() {
        let mut book = live();
        for time in 0..200 {
            let head =
                DepthUpdate { event_ns: Nanos(1_000 + time), ..update(DepthKind::Delta, 11, 10) };
            assert_eq!(book.on_depth(&head, &[], &[]), Outcome::Applied);
        }
        assert_eq!((book.id(), book.event_ns()), (10, Nanos(1_199)));
        assert_eq!(book.counters().applied, 1, "nothing was changed");
        assert_eq!(delta(&mut book, 11, 11), Outcome::Applied, "and it goes on");
        let old = update(DepthKind::Delta, 11, 10);
        assert_eq!(book.on_depth(&old, &[], &[]), Outcome::Ignored, "late");
        let ahead = update(DepthKind::Delta, 15, 14);
        assert_eq!(book.on_depth(&ahead, &[], &[]), Outcome::NeedResync, "12 to 14 are missing");
        assert_eq!(book.state(), BookState::Buffering);
        assert_eq!(book.on_depth(&ahead, &[], &[]), Outcome::Ignored, "nothing to keep");
    }

    #[test]
    fn buffered_deltas_are_merged_with_a_fetched_snapshot() {
        let mut book = Book::new(Price(1), SMALL);
        assert_eq!(book.state(), BookState::Empty);
        for (first, last) in [(5, 8), (9, 12), (13, 14)] {
            assert_eq!(delta(&mut book, first, last), Outcome::Buffered);
        }
        assert_eq!(book.state(), BookState::Buffering);
        assert_eq!(snapshot(&mut book, DepthKind::FetchedSnapshot, 10), Outcome::Applied);
        assert_eq!((book.state(), book.id(), best(&book)), (BookState::Live, 14, 14));
        assert_eq!((book.sequence(), book.event_ns()), (140, Nanos(14)));
        assert_eq!(book.ladder().qty_at(Side::Buy, Price(99)), Qty(1));
        // The one before the snapshot is not applied: 9..=12 covers 11, the first that counts.
        assert_eq!(book.counters().applied, 3);
    }

    #[test]
    fn a_first_delta_right_after_the_snapshot_fits() {
        let mut book = Book::new(Price(1), SMALL);
        delta(&mut book, 11, 12);
        assert_eq!(snapshot(&mut book, DepthKind::FetchedSnapshot, 10), Outcome::Applied);
        assert_eq!(book.id(), 12);
    }

    #[test]
    fn a_snapshot_older_than_the_buffer_is_refused_and_the_buffer_kept() {
        let mut book = Book::new(Price(1), SMALL);
        delta(&mut book, 12, 13);
        assert_eq!(snapshot(&mut book, DepthKind::FetchedSnapshot, 10), Outcome::NeedResync);
        assert_eq!(book.state(), BookState::Buffering);
        assert_eq!(snapshot(&mut book, DepthKind::FetchedSnapshot, 12), Outcome::Applied);
        assert_eq!((book.id(), book.counters().snapshots_old), (13, 1));
    }

    #[test]
    fn a_snapshot_before_any_delta_is_continued_or_not() {
        let mut book = Book::new(Price(1), SMALL);
        assert_eq!(snapshot(&mut book, DepthKind::FetchedSnapshot, 10), Outcome::Applied);
        assert_eq!(delta(&mut book, 8, 10), Outcome::Ignored);
        assert_eq!(delta(&mut book, 9, 11), Outcome::Applied);
        assert_eq!(delta(&mut book, 13, 13), Outcome::NeedResync);
    }

    #[test]
    fn a_gap_needs_one_resync_and_keeps_what_follows_it() {
        let mut book = live();
        assert_eq!(delta(&mut book, 11, 11), Outcome::Applied);
        assert_eq!(delta(&mut book, 13, 13), Outcome::NeedResync);
        assert_eq!(book.state(), BookState::Buffering);
        assert_eq!(delta(&mut book, 14, 14), Outcome::Buffered);
        assert_eq!(snapshot(&mut book, DepthKind::FetchedSnapshot, 12), Outcome::Applied);
        assert_eq!((book.id(), best(&book), book.counters().gaps), (14, 14, 1));
    }

    #[test]
    fn a_gap_inside_the_buffer_keeps_what_follows_it() {
        let mut book = Book::new(Price(1), SMALL);
        for (first, last) in [(11, 11), (13, 13), (14, 14)] {
            delta(&mut book, first, last);
        }
        assert_eq!(snapshot(&mut book, DepthKind::FetchedSnapshot, 10), Outcome::NeedResync);
        assert_eq!(book.state(), BookState::Buffering);
        assert_eq!(snapshot(&mut book, DepthKind::FetchedSnapshot, 12), Outcome::Applied);
        assert_eq!((book.id(), best(&book)), (14, 14));
    }

    #[test]
    fn a_delta_from_far_ahead_does_not_outlast_those_that_follow_it() {
        let mut book = live();
        assert_eq!(delta(&mut book, 9_000, 9_001), Outcome::NeedResync);
        assert_eq!(snapshot(&mut book, DepthKind::FetchedSnapshot, 11), Outcome::NeedResync);
        assert_eq!(delta(&mut book, 12, 12), Outcome::Buffered);
        assert_eq!(delta(&mut book, 13, 14), Outcome::Buffered);
        assert_eq!(snapshot(&mut book, DepthKind::FetchedSnapshot, 12), Outcome::Applied);
        assert_eq!((book.state(), book.id(), best(&book)), (BookState::Live, 14, 14));
    }

    #[test]
    fn a_stream_snapshot_replaces_everything_even_with_smaller_ids() {
        let mut book = live();
        delta(&mut book, 20, 20);
        assert_eq!(snapshot(&mut book, DepthKind::Snapshot, 1), Outcome::Applied);
        assert_eq!((book.id(), best(&book), book.ladder().len(Side::Buy)), (1, 1, 2));
        assert_eq!(delta(&mut book, 2, 2), Outcome::Applied);
    }

    #[test]
    fn a_late_fetched_snapshot_does_not_turn_a_live_book_back() {
        let mut book = live();
        delta(&mut book, 11, 11);
        assert_eq!(snapshot(&mut book, DepthKind::FetchedSnapshot, 10), Outcome::Ignored);
        assert_eq!((book.id(), best(&book)), (11, 11));
    }

    #[test]
    fn a_crossed_book_is_stale_until_a_snapshot() {
        let mut book = live();
        let head = update(DepthKind::Delta, 11, 11);
        let crossing = [level(101, 1)];
        assert_eq!(book.on_depth(&head, &crossing, &[]), Outcome::NeedResync);
        assert_eq!((book.state(), book.counters().crossed), (BookState::Stale, 1));
        assert_eq!(delta(&mut book, 12, 12), Outcome::Buffered);
        assert_eq!(snapshot(&mut book, DepthKind::FetchedSnapshot, 11), Outcome::Applied);
        assert_eq!((book.state(), book.id()), (BookState::Live, 12));
    }

    #[test]
    fn after_a_disconnect_nothing_old_is_used() {
        let mut book = live();
        book.on_disconnect();
        assert_eq!(book.state(), BookState::Stale);
        assert_eq!(delta(&mut book, 11, 11), Outcome::Buffered);
        book.on_disconnect();
        assert_eq!(delta(&mut book, 21, 21), Outcome::Buffered);
        assert_eq!(snapshot(&mut book, DepthKind::FetchedSnapshot, 20), Outcome::Applied);
        assert_eq!((book.id(), book.counters().gaps), (21, 0));
    }

    #[test]
    fn an_empty_book_stays_empty_on_disconnect() {
        let mut book = Book::new(Price(1), SMALL);
        book.on_disconnect();
        assert_eq!(book.state(), BookState::Empty);
    }

    #[test]
    fn a_full_buffer_starts_anew_and_says_so() {
        let mut book = Book::new(Price(1), SMALL);
        for id in 1..=4 {
            assert_eq!(delta(&mut book, id, id), Outcome::Buffered);
        }
        assert_eq!(delta(&mut book, 5, 5), Outcome::NeedResync);
        assert_eq!(book.counters().overflows, 1);
        assert_eq!(snapshot(&mut book, DepthKind::FetchedSnapshot, 4), Outcome::Applied);
        assert_eq!(book.id(), 5);
        let wide = [level(1, 1); 9];
        book.on_disconnect();
        let head = update(DepthKind::Delta, 6, 6);
        assert_eq!(book.on_depth(&head, &wide, &[]), Outcome::NeedResync);
    }

    #[test]
    fn ids_that_start_anew_are_noticed() {
        let mut book = live();
        for _ in 0..IGNORED_MAX {
            assert_eq!(delta(&mut book, 1, 1), Outcome::Ignored);
        }
        assert_eq!(delta(&mut book, 2, 2), Outcome::NeedResync);
        assert_eq!(snapshot(&mut book, DepthKind::FetchedSnapshot, 1), Outcome::Applied);
        assert_eq!((book.id(), book.state()), (2, BookState::Live));
    }

    /// A live book at id 10 whose messages come on two connections.
    fn patient() -> Book {
        let mut book = live();
        book.set_redundant();
        book.set_patient(true);
        book
    }

    #[test]
    fn what_one_connection_misses_the_other_one_brings() {
        let mut book = patient();
        assert_eq!(delta(&mut book, 11, 11), Outcome::Applied);
        // The first connection misses 12.
        assert_eq!(delta(&mut book, 13, 13), Outcome::Held);
        assert_eq!(delta(&mut book, 14, 15), Outcome::Held);
        assert_eq!((book.state(), book.id(), book.is_holding()), (BookState::Live, 11, true));
        // The second one lags behind and has it.
        assert_eq!(delta(&mut book, 11, 11), Outcome::Ignored);
        assert_eq!(delta(&mut book, 12, 12), Outcome::Applied);
        assert_eq!((book.id(), best(&book), book.is_holding()), (15, 15, false));
        assert_eq!(delta(&mut book, 13, 13), Outcome::Ignored);
        assert_eq!(delta(&mut book, 16, 16), Outcome::Applied);
        assert_eq!((book.counters().gaps, book.counters().filled), (0, 1));
    }

    #[test]
    fn two_holes_are_closed_one_after_the_other() {
        let mut book = patient();
        assert_eq!(delta(&mut book, 12, 12), Outcome::Held);
        assert_eq!(delta(&mut book, 12, 12), Outcome::Ignored, "it came twice");
        assert_eq!(delta(&mut book, 14, 14), Outcome::Held);
        assert_eq!(delta(&mut book, 11, 11), Outcome::Applied);
        assert_eq!((book.id(), book.is_holding()), (12, true));
        assert_eq!(delta(&mut book, 13, 13), Outcome::Applied);
        assert_eq!((book.id(), best(&book), book.is_holding()), (14, 14, false));
    }

    #[test]
    fn a_hole_that_nobody_closes_becomes_a_gap_and_what_was_held_is_not_lost() {
        let mut book = patient();
        assert_eq!(book.give_up(), Outcome::Ignored);
        assert_eq!(delta(&mut book, 12, 12), Outcome::Held);
        assert_eq!(book.give_up(), Outcome::NeedResync);
        assert_eq!((book.state(), book.counters().gaps), (BookState::Buffering, 1));
        assert_eq!(delta(&mut book, 13, 13), Outcome::Buffered);
        assert_eq!(snapshot(&mut book, DepthKind::FetchedSnapshot, 11), Outcome::Applied);
        assert_eq!((book.state(), book.id(), best(&book)), (BookState::Live, 13, 13));
    }

    #[test]
    fn without_room_for_what_is_held_the_book_starts_anew() {
        let mut book = patient();
        for id in 12..16 {
            assert_eq!(delta(&mut book, id, id), Outcome::Held);
        }
        assert_eq!(delta(&mut book, 16, 16), Outcome::NeedResync);
        assert_eq!((book.state(), book.counters().overflows), (BookState::Buffering, 1));
    }

    #[test]
    fn one_connection_far_behind_is_not_a_stream_that_starts_anew() {
        let mut book = patient();
        for _ in 0..10 * IGNORED_MAX {
            assert_eq!(delta(&mut book, 1, 1), Outcome::Ignored);
        }
        assert_eq!(book.start_anew(), Outcome::NeedResync, "whoever sees both of them knows");
        assert_eq!(delta(&mut book, 2, 2), Outcome::Buffered);
        assert_eq!(snapshot(&mut book, DepthKind::FetchedSnapshot, 1), Outcome::Applied);
        assert_eq!((book.id(), book.counters().gaps), (2, 1));
    }

    #[test]
    fn while_there_is_no_book_two_connections_fill_the_buffer_in_any_order() {
        let mut book = Book::new(Price(1), SMALL);
        book.set_redundant();
        book.set_patient(true);
        for id in [13, 11, 14] {
            assert_eq!(delta(&mut book, id, id), Outcome::Buffered);
        }
        assert_eq!(delta(&mut book, 13, 13), Outcome::Ignored, "it came twice");
        // What neither has brought so far may still come.
        assert_eq!(snapshot(&mut book, DepthKind::FetchedSnapshot, 10), Outcome::Applied);
        assert_eq!((book.state(), book.id(), book.is_holding()), (BookState::Live, 11, true));
        assert_eq!(delta(&mut book, 12, 12), Outcome::Applied);
        assert_eq!((book.id(), best(&book), book.is_holding()), (14, 14, false));
        assert_eq!((book.counters().gaps, book.counters().filled), (0, 1));
    }

    #[test]
    fn the_snapshot_that_another_connection_begins_with_turns_nothing_back() {
        let mut book = patient();
        assert_eq!(delta(&mut book, 11, 11), Outcome::Applied);
        for id in [9, 11] {
            assert_eq!(snapshot(&mut book, DepthKind::Snapshot, id), Outcome::Ignored);
        }
        assert_eq!((book.id(), best(&book)), (11, 11));
        // One that is ahead is taken, and what is held behind it is not lost.
        assert_eq!(delta(&mut book, 14, 14), Outcome::Held);
        assert_eq!(delta(&mut book, 16, 16), Outcome::Held);
        assert_eq!(snapshot(&mut book, DepthKind::Snapshot, 13), Outcome::Applied);
        assert_eq!((book.id(), best(&book), book.is_holding()), (14, 14, true));
        assert_eq!(delta(&mut book, 15, 15), Outcome::Applied);
        assert_eq!((book.id(), book.is_holding()), (16, false));
    }

    #[test]
    fn ids_that_start_anew_with_a_snapshot_are_followed_on_both_connections() {
        let mut book = patient();
        assert_eq!(delta(&mut book, 12, 12), Outcome::Held);
        let anew = DepthUpdate { sequence: 500, ..update(DepthKind::Snapshot, 1, 1) };
        let levels = [level(100, 1)];
        assert_eq!(book.on_depth(&anew, &levels, &[]), Outcome::Applied);
        assert_eq!((book.id(), book.is_holding()), (1, false), "what was held was of before");
        // The other connection is not there yet.
        assert_eq!(delta(&mut book, 13, 13), Outcome::Ignored);
        let next = DepthUpdate { sequence: 501, ..update(DepthKind::Delta, 2, 2) };
        assert_eq!(book.on_depth(&next, &levels, &[]), Outcome::Applied);
        assert_eq!(book.on_depth(&anew, &levels, &[]), Outcome::Ignored);
        assert_eq!((book.id(), book.state()), (2, BookState::Live));
    }
}

//! The klines of one instrument and one interval: a ring without holes, from history and trades.
//!
//! What is decided here:
//! - A trade belongs to the interval of its venue's time. The first trade of a later interval closes
//!   the open kline; without one the clock does, [`CLOSE_GRACE_NS`] after its end, because trades are
//!   on their way for a while.
//! - An interval without a trade has a kline whose prices are all the close before it, with no volume
//!   and no trades. Before the first price that is known there are no klines.
//! - A trade of an interval that was closed already is late: it is counted, not added, and that kline
//!   is not complete any more.
//! - The kline in which the trades begin to be seen, and every one that was open while some may have
//!   been missed, is marked as not complete. History that is read after its end replaces it. Until
//!   then what history said of it while it was open widens its prices, which are facts; its volume is
//!   that of the trades that we saw, so nothing is counted twice.
//! - A kline that is closed and complete is ours and is never replaced: where history differs, that is
//!   counted.

use crate::types::{Interval, Kline, Nanos, Price, Qty, Trade};
use std::collections::VecDeque;

/// How long after its end a kline waits for its last trades, if no later one comes.
pub const CLOSE_GRACE_NS: u64 = 2_000_000_000;
/// How long after the trades began to come they are taken to be all: venues' clocks and ours differ.
const BEGIN_MARGIN_NS: u64 = 1_000_000_000;

/// How far the history of a series has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum History {
    /// Nobody asks for it: klines begin with the trades.
    #[default]
    NotAsked,
    /// No history yet: asked for, and not there. What trades have made is there nevertheless.
    NotYet,
    /// It is there.
    Loaded,
}

/// What happened to a series since it was begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeriesCounters {
    /// Trades in klines.
    pub trades: u64,
    /// Trades of klines that were closed already, not added.
    pub late: u64,
    /// Klines of intervals without a trade.
    pub filled: u64,
    /// Klines that history has replaced.
    pub corrected: u64,
    /// Klines of ours, closed and complete, that history states otherwise.
    pub differing: u64,
    /// Times that history was refused or lost.
    pub refused: u64,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Series {
    interval: Interval,
    /// Oldest first, one after the other without a hole; only the last one may be open.
    ring: VecDeque<Kline>,
    capacity: usize,
    /// From here on no trade is missing; the end of time while they are not seen.
    whole_from: Nanos,
    pub(super) history: History,
    pub(super) counters: SeriesCounters,
}

impl Series {
    /// An empty series that keeps the newest `capacity` klines, at least two.
    #[must_use]
    pub fn new(interval: Interval, capacity: usize) -> Self {
        let capacity = capacity.max(2);
        Self {
            interval,
            ring: VecDeque::with_capacity(capacity),
            capacity,
            whole_from: Nanos(u64::MAX),
            history: History::NotAsked,
            counters: SeriesCounters::default(),
        }
    }

    /// Its interval.
    #[must_use]
    pub fn interval(&self) -> Interval {
        self.interval
    }

    /// All klines, oldest first; the last one may be open.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Kline> + ExactSizeIterator {
        self.ring.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// The one that is open now; `None` between the end of one and the first trade of the next.
    #[must_use]
    pub fn open(&self) -> Option<&Kline> {
        self.ring.back().filter(|kline| !kline.is_closed)
    }

    /// The newest one that is closed.
    #[must_use]
    pub fn last_closed(&self) -> Option<&Kline> {
        self.ring.iter().rev().find(|kline| kline.is_closed)
    }

    /// How far its history has come. An empty series that has none yet is not an empty market.
    #[must_use]
    pub fn history(&self) -> History {
        self.history
    }

    /// What happened to it.
    #[must_use]
    pub fn counters(&self) -> &SeriesCounters {
        &self.counters
    }

    /// The first kline that begins at this time or later and is closed.
    #[must_use]
    pub(super) fn closed_from(&self, open_ns: Nanos) -> Option<&Kline> {
        self.ring.get(self.place(open_ns)).filter(|kline| kline.is_closed)
    }

    /// The first kline from this time on that is closed and not complete.
    #[must_use]
    pub(super) fn incomplete_from(&self, open_ns: Nanos) -> Option<&Kline> {
        let closed = self.ring.iter().skip(self.place(open_ns));
        closed.take_while(|kline| kline.is_closed).find(|kline| !kline.is_complete)
    }

    /// Where the kline stands that begins at this time; the first place for earlier ones.
    fn place(&self, open_ns: Nanos) -> usize {
        let first = self.ring.front().map_or(Nanos(0), |kline| kline.open_ns);
        usize::try_from(open_ns.since(first).div_ceil(self.interval.nanos())).unwrap_or(usize::MAX)
    }

    /// Whether trades come. From `now` on none is missing, or from now on all may be.
    pub(super) fn set_flowing(&mut self, flowing: bool, now: Nanos) {
        self.whole_from = if flowing { now.plus(BEGIN_MARGIN_NS) } else { Nanos(u64::MAX) };
        self.doubt();
    }

    /// The open kline may lack something.
    fn doubt(&mut self) {
        if let Some(last) = self.ring.back_mut().filter(|kline| !kline.is_closed) {
            last.is_complete = false;
        }
    }

    /// Takes a trade, in constant time.
    pub fn on_trade(&mut self, trade: &Trade) {
        let open_ns = self.interval.start_of(trade.event_ns);
        match self.ring.back_mut() {
            Some(last) if last.open_ns == open_ns && !last.is_closed => add(last, trade),
            Some(last) if last.open_ns >= open_ns => return self.on_late(open_ns),
            _ => {
                self.close_until(open_ns);
                self.begin(open_ns, trade.price);
                if let Some(last) = self.ring.back_mut() {
                    add(last, trade);
                }
            }
        }
        self.counters.trades += 1;
    }

    fn on_late(&mut self, open_ns: Nanos) {
        self.counters.late += 1;
        let first = self.ring.front().map_or(Nanos(u64::MAX), |kline| kline.open_ns);
        if first <= open_ns {
            let at = self.place(open_ns);
            if let Some(kline) = self.ring.get_mut(at) {
                kline.is_complete = false;
            }
        }
    }

    /// Closes what is over at this time, whether or not a later trade came.
    pub fn on_time(&mut self, now: Nanos) {
        let due = Nanos(now.0.saturating_sub(CLOSE_GRACE_NS));
        if let Some(last) = self.ring.back()
            && last.end_ns(self.interval) <= due
        {
            self.close_until(self.interval.start_of(due));
        }
    }

    /// Closes the open kline and fills up to `open_ns`, which is not begun.
    fn close_until(&mut self, open_ns: Nanos) {
        let Some(last) = self.ring.back_mut() else { return };
        last.is_closed = true;
        let (close, step) = (last.close, self.interval.nanos());
        let mut next = last.end_ns(self.interval);
        let kept = step.saturating_mul(self.capacity as u64);
        if open_ns.since(next) > kept {
            // Nothing of what was before would be left.
            self.ring.clear();
            next = Nanos(open_ns.0.saturating_sub(kept));
        }
        while next < open_ns {
            self.push(Kline { is_closed: true, ..self.flat(next, close) });
            self.counters.filled += 1;
            next = next.plus(step);
        }
    }

    fn flat(&self, open_ns: Nanos, before: Price) -> Kline {
        Kline { is_complete: open_ns >= self.whole_from, ..Kline::flat(open_ns, before) }
    }

    fn begin(&mut self, open_ns: Nanos, price: Price) {
        self.push(self.flat(open_ns, price));
    }

    fn push(&mut self, kline: Kline) {
        if self.ring.len() >= self.capacity {
            self.ring.pop_front();
        }
        self.ring.push_back(kline);
    }

    /// Takes klines of the venue's history, by rising time, into the series: not on the path.
    pub fn on_history(&mut self, rows: &[Kline]) {
        self.history = History::Loaded;
        let old: Vec<Kline> = self.ring.drain(..).collect();
        let (mut old, mut rows) = (old.into_iter().peekable(), rows.iter().copied().peekable());
        let mut from_history = false;
        loop {
            let pair = (old.peek().map(|kline| kline.open_ns), rows.peek().map(|row| row.open_ns));
            let (next, stated) = match pair {
                (Some(ours), Some(theirs)) if ours == theirs => {
                    let both = old.next().zip(rows.next());
                    let (ours, theirs) = both.unwrap_or_default();
                    (self.joined(ours, theirs), true)
                }
                (Some(ours), theirs) if theirs.is_none_or(|theirs| ours < theirs) => {
                    (old.next().unwrap_or_default(), false)
                }
                (_, Some(_)) => (adopted(rows.next().unwrap_or_default()), true),
                (_, None) => break,
            };
            // Between two rows of history there was no trade.
            let between = from_history && (stated || rows.peek().is_some());
            self.append(next, between);
            if between && !stated && next.volume == Qty::ZERO {
                self.ring.back_mut().into_iter().for_each(|kline| kline.is_complete = true);
                continue;
            }
            from_history = stated;
        }
        // A kline that is followed by another one is closed.
        let open = self.ring.len().saturating_sub(1);
        self.ring.iter_mut().take(open).for_each(|kline| kline.is_closed = true);
    }

    /// The same after `next`, with what lies between filled; `known` says that nothing traded there.
    fn append(&mut self, next: Kline, known: bool) {
        if let Some(last) = self.ring.back().copied() {
            let step = self.interval.nanos();
            let missing = next.open_ns.since(last.end_ns(self.interval)) / step;
            let kept = missing.min(self.capacity as u64);
            for at in (1..=kept).rev() {
                let open_ns = Nanos(next.open_ns.0.saturating_sub(at * step));
                let mut flat = self.flat(open_ns, last.close);
                flat.is_complete |= known;
                self.push(Kline { is_closed: true, ..flat });
            }
        }
        self.push(next);
    }

    fn joined(&mut self, ours: Kline, theirs: Kline) -> Kline {
        if ours.is_closed && ours.is_complete {
            let prices = |kline: &Kline| (kline.open, kline.high, kline.low, kline.close);
            let same = prices(&ours) == prices(&theirs) && ours.volume == theirs.volume;
            self.counters.differing += u64::from(theirs.is_closed && !same);
            return ours;
        }
        if theirs.is_closed {
            self.counters.corrected += 1;
            return theirs;
        }
        if ours.is_complete {
            return ours;
        }
        Kline {
            open: theirs.open,
            high: ours.high.max(theirs.high),
            low: ours.low.min(theirs.low),
            ..ours
        }
    }
}

/// A row of history where there is none of ours. While it is open its quantities are left out: trades
/// that are still to come may be in them.
fn adopted(row: Kline) -> Kline {
    if row.is_closed { row } else { Kline { volume: Qty::ZERO, trades: None, ..row } }
}

/// A trade within a kline's interval.
fn add(kline: &mut Kline, trade: &Trade) {
    if kline.trades == Some(0) {
        (kline.open, kline.high, kline.low) = (trade.price, trade.price, trade.price);
    }
    kline.high = kline.high.max(trade.price);
    kline.low = kline.low.min(trade.price);
    kline.close = trade.price;
    let volume = kline.volume.0.checked_add(trade.qty.0);
    // More than a quantity holds: the kline says that it lacks something.
    kline.is_complete &= volume.is_some();
    kline.volume = Qty(volume.unwrap_or(i64::MAX));
    kline.trades = kline.trades.map(|trades| trades.saturating_add(1));
}

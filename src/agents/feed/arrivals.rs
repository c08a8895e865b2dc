//! Which of two copies of a message came first, and how long after it the other one.
//!
//! Plain memory of a fixed size: the newest messages by their ids. What is older than all of them is
//! a copy, and how late it is at least is what is said of it.

#![forbid(unsafe_code)]

use crate::shm::FEED_LINES;
use crate::types::Nanos;
use std::collections::VecDeque;

/// Messages of one stream, and trades of one instrument, that are remembered.
const RECENT: usize = 64;

/// What an arrival is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// The first of its kind.
    First,
    /// A copy, so many nanoseconds after the first.
    Late(u64),
    /// The same connection brought it before.
    Again,
}

#[derive(Clone, Copy, Default)]
struct Seen {
    id: u64,
    at: Nanos,
    /// Connections that have brought it, as bits.
    by: u8,
}

/// The newest messages of one stream with ids that rise.
pub(super) struct Arrivals {
    seen: [Seen; RECENT],
    /// How many are remembered, and where the next one goes.
    len: usize,
    next: usize,
    newest: u64,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self { seen: [Seen::default(); RECENT], len: 0, next: 0, newest: 0 }
    }
}

/// Places of the last `len` that were put before `next`, newest first: a copy is seldom far behind.
fn newest_first(next: usize, len: usize) -> impl Iterator<Item = usize> {
    (1..=len).map(move |back| (next + RECENT - back) % RECENT)
}

impl Arrivals {
    /// A message came on a connection.
    pub fn note(&mut self, line: usize, id: u64, recv_ns: Nanos) -> Arrival {
        let bit = 1 << line;
        if self.len == 0 || id > self.newest {
            self.seen[self.next] = Seen { id, at: recv_ns, by: bit };
            self.next = (self.next + 1) % RECENT;
            self.len = (self.len + 1).min(RECENT);
            self.newest = id;
            return Arrival::First;
        }
        let found = newest_first(self.next, self.len).find(|at| self.seen[*at].id == id);
        if let Some(at) = found {
            let seen = &mut self.seen[at];
            let again = seen.by & bit != 0;
            seen.by |= bit;
            return if again { Arrival::Again } else { Arrival::Late(recv_ns.since(seen.at)) };
        }
        // The oldest is the next to be overwritten.
        let oldest = self.seen[self.next % self.len];
        if self.len == RECENT && id < oldest.id {
            return Arrival::Late(recv_ns.since(oldest.at));
        }
        // The other one has missed it.
        Arrival::First
    }

    /// The next message is the first of its kind.
    pub fn clear(&mut self) {
        (self.len, self.next, self.newest) = (0, 0, 0);
    }
}

#[derive(Clone, Copy, Default)]
struct Print {
    id: u64,
    at: Nanos,
    /// Trades of this id that are published, and how many each connection has brought.
    published: u32,
    brought: [u32; FEED_LINES],
}

/// The trades of one instrument with the highest ids. Several may have the same id where the venue's
/// own is not a number: then as many are published as the connection that has brought most of them.
pub(super) struct Prints {
    /// By rising id, whatever order they came in: a connection that is behind by fewer than
    /// [`RECENT`] ids still finds its own.
    prints: VecDeque<Print>,
    /// Highest id that was forgotten.
    floor: u64,
    /// Newest id of each connection since it was opened.
    lines: [u64; FEED_LINES],
}

impl Default for Prints {
    fn default() -> Self {
        Self { prints: VecDeque::with_capacity(RECENT), floor: 0, lines: [0; FEED_LINES] }
    }
}

impl Prints {
    /// A trade came on a connection. [`Arrival::First`] if it is to be published.
    pub fn note(&mut self, line: usize, id: u64, recv_ns: Nanos) -> Arrival {
        let went_back = id < self.lines[line];
        self.lines[line] = self.lines[line].max(id);
        let place = self.prints.partition_point(|print| print.id < id);
        if let Some(print) = self.prints.get_mut(place).filter(|print| print.id == id) {
            print.brought[line] += 1;
            if print.brought[line] > print.published {
                print.published += 1;
                return Arrival::First;
            }
            return Arrival::Late(recv_ns.since(print.at));
        }
        if id > self.floor {
            self.insert(place, line, id, recv_ns);
            return Arrival::First;
        }
        if !went_back {
            let oldest = self.prints.front().map_or(recv_ns, |print| print.at);
            return Arrival::Late(recv_ns.since(oldest));
        }
        // A connection only goes forward: its ids have started anew.
        self.clear();
        self.lines[line] = id;
        self.insert(0, line, id, recv_ns);
        Arrival::First
    }

    fn insert(&mut self, place: usize, line: usize, id: u64, recv_ns: Nanos) {
        let mut place = place;
        if self.prints.len() == RECENT {
            if place == 0 {
                self.floor = id;
                return;
            }
            self.floor = self.prints.pop_front().map_or(self.floor, |print| print.id);
            place -= 1;
        }
        let mut brought = [0; FEED_LINES];
        brought[line] = 1;
        self.prints.insert(place, Print { id, at: recv_ns, published: 1, brought });
    }

    /// A connection is lost: it goes on somewhere else.
    pub fn on_lost(&mut self, line: usize) {
        self.lines[line] = 0;
    }

    /// Forgets the trades.
    pub fn clear(&mut self) {
        self.prints.clear();
        self.floor = 0;
    }
}

/// Buckets of an octave.
const STEPS: usize = 8;
/// Up to 18 minutes.
const OCTAVES: usize = 40;

/// How late copies were: their counts in buckets that are an eighth of their durations wide.
pub(super) struct Lateness {
    buckets: [u64; STEPS * OCTAVES],
    count: u64,
    max: u64,
}

impl Default for Lateness {
    fn default() -> Self {
        Self { buckets: [0; STEPS * OCTAVES], count: 0, max: 0 }
    }
}

impl Lateness {
    /// Counts a copy that was so late.
    pub fn record(&mut self, ns: u64) {
        self.buckets[bucket(ns)] += 1;
        self.count += 1;
        self.max = self.max.max(ns);
    }

    /// What so many percent of the copies did not exceed, at most an eighth too high; 0 without any.
    pub fn quantile(&self, percent: u64) -> u64 {
        let rank = (self.count * percent).div_ceil(100);
        let mut seen = 0;
        let reached = self.buckets.iter().position(|count| {
            seen += count;
            seen >= rank && seen > 0
        });
        reached.map_or(0, |index| highest(index).min(self.max))
    }

    /// The longest, exact; 0 without any.
    pub fn max(&self) -> u64 {
        self.max
    }
}

fn bucket(ns: u64) -> usize {
    if ns < STEPS as u64 {
        return ns as usize;
    }
    let octave = ns.ilog2() as usize - 2;
    let step = (ns >> (octave - 1)) as usize & (STEPS - 1);
    (octave * STEPS + step).min(STEPS * OCTAVES - 1)
}

/// The longest duration of a bucket.
fn highest(index: usize) -> u64 {
    let (octave, step) = (index / STEPS, index % STEPS);
    if octave == 0 {
        return step as u64;
    }
    (((STEPS + step + 1) as u64) << (octave - 1)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ns: u64) -> Nanos {
        Nanos(1_000_000 + ns)
    }

    #[test]
    fn copies_are_told_from_firsts_and_from_repetitions() {
        let mut arrivals = Arrivals::default();
        assert_eq!(arrivals.note(0, 10, at(0)), Arrival::First);
        assert_eq!(arrivals.note(1, 10, at(7)), Arrival::Late(7));
        assert_eq!(arrivals.note(1, 10, at(3_000)), Arrival::Again);
        assert_eq!(arrivals.note(0, 10, at(3_001)), Arrival::Again);
        assert_eq!(arrivals.note(1, 12, at(4_000)), Arrival::First);
        // The second one has missed it.
        assert_eq!(arrivals.note(0, 11, at(4_001)), Arrival::First);
        assert_eq!(arrivals.note(0, 12, at(4_002)), Arrival::Late(2));
        for id in 13..100 {
            assert_eq!(arrivals.note(1, id, at(id * 1_000)), Arrival::First);
        }
        // Too old to be remembered: later by at least the time of the oldest that is, 36.
        assert_eq!(arrivals.note(0, 13, at(100_000)), Arrival::Late(64_000));
        arrivals.clear();
        assert_eq!(arrivals.note(0, 1, at(0)), Arrival::First);
    }

    #[test]
    fn trades_are_published_once_and_those_that_one_missed_too() {
        let mut prints = Prints::default();
        assert_eq!(prints.note(0, 5, at(0)), Arrival::First);
        assert_eq!(prints.note(0, 7, at(0)), Arrival::First);
        assert_eq!(prints.note(1, 5, at(9)), Arrival::Late(9));
        assert_eq!(prints.note(1, 6, at(9)), Arrival::First);
        assert_eq!(prints.note(1, 7, at(9)), Arrival::Late(9));
        for id in 8..200 {
            assert_eq!(prints.note(0, id, at(id)), Arrival::First);
        }
        for id in 8..200 {
            assert!(matches!(prints.note(1, id, at(300)), Arrival::Late(_)), "{id}");
        }
    }

    #[test]
    fn what_a_slower_one_brings_between_does_not_push_newer_ones_out() {
        let mut prints = Prints::default();
        for odd in (101..160).step_by(2) {
            assert_eq!(prints.note(0, odd, at(0)), Arrival::First);
        }
        for even in (100..160).step_by(2) {
            assert_eq!(prints.note(1, even, at(0)), Arrival::First);
        }
        // 60 are remembered; the first one goes ahead again, by fewer than are remembered.
        for odd in (161..222).step_by(2) {
            assert_eq!(prints.note(0, odd, at(0)), Arrival::First);
        }
        for even in (160..222).step_by(2) {
            assert_eq!(prints.note(1, even, at(0)), Arrival::First, "{even}");
        }
        for id in 158..222 {
            assert!(matches!(prints.note(id as usize % 2, id, at(1)), Arrival::Late(1)), "{id}");
        }
        // Older than all that are remembered is a copy.
        prints.on_lost(0);
        assert!(matches!(prints.note(0, 157, at(1)), Arrival::Late(1)));
    }

    #[test]
    fn trades_of_one_id_are_published_as_often_as_there_are() {
        let mut prints = Prints::default();
        let first =
            [(0, true), (0, true), (1, false), (0, true), (1, false), (1, false), (1, true)];
        for (line, publish) in first {
            assert_eq!(prints.note(line, 3, at(0)) == Arrival::First, publish);
        }
        assert_eq!(prints.note(0, 3, at(5)), Arrival::Late(5));
        assert_eq!(prints.note(0, 3, at(5)), Arrival::First);
    }

    #[test]
    fn trades_whose_ids_start_anew_are_published() {
        let mut prints = Prints::default();
        for id in 1_000..1_200 {
            assert_eq!(prints.note(0, id, at(0)), Arrival::First);
            assert!(matches!(prints.note(1, id, at(0)), Arrival::Late(_)));
        }
        for id in 1..10 {
            assert_eq!(prints.note(0, id, at(0)), Arrival::First, "{id}");
        }
        // A connection that is new may be behind.
        let mut prints = Prints::default();
        for id in 1_000..1_200 {
            assert_eq!(prints.note(0, id, at(0)), Arrival::First);
        }
        prints.on_lost(1);
        assert!(matches!(prints.note(1, 1_001, at(0)), Arrival::Late(_)));
    }

    #[test]
    fn lateness_is_known_within_an_eighth() {
        let mut lateness = Lateness::default();
        assert_eq!((lateness.quantile(50), lateness.max()), (0, 0));
        for ns in [0, 1, 7, 8, 9, 15, 16, 1_000, 123_456_789, u64::MAX] {
            let index = bucket(ns);
            if ns < 1 << 41 {
                assert!(highest(index) >= ns && highest(index) <= ns + ns / 8, "{ns}");
            }
        }
        for ns in 1..=1_000 {
            lateness.record(ns * 1_000);
        }
        assert_eq!(lateness.max(), 1_000_000);
        assert!((500_000..=562_500).contains(&lateness.quantile(50)), "{}", lateness.quantile(50));
        assert!((990_000..=1_000_000).contains(&lateness.quantile(99)));
    }
}

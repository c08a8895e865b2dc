//! What goes wrong during a soak: every fault that the simulated venues know, at either venue, in a
//! shuffled order, and again from the start when all have come.

use super::support::next;
use super::venues::NAMES;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use stoop::sim::{Fault, SimHandle};

/// Kinds of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// All connections are dropped.
    Cut,
    /// The next message on each connection is cut in its middle.
    CutMessages,
    /// Connections are dropped and no new ones taken for a while.
    Refuse,
    /// One change of a book is not told.
    SkipBook,
    /// A book that is fetched is old.
    StaleSnapshot,
    /// Replies are lost for a while; what they reply to is done.
    LoseReplies,
    /// Requests over REST are carried out and answered with status 503 for a while.
    FailReplies,
    /// Messages about orders, fills and balances come twice for a while.
    Repeat,
    /// Everything comes late for a while.
    Delay,
    /// Requests are refused for a while, as to an address that asked too often.
    Ban,
    /// The venue starts anew with the open orders.
    Restart,
    /// The venue starts anew without them.
    RestartWithoutOrders,
    /// The venue's clock is wrong for a while.
    Clock,
    /// The venue says that it is about to end.
    Shutdown,
    /// Messages that mean nothing, and a broken frame.
    Garbage,
}

const ALL: [Trouble; 15] = [
    Trouble::Cut,
    Trouble::CutMessages,
    Trouble::Refuse,
    Trouble::SkipBook,
    Trouble::StaleSnapshot,
    Trouble::LoseReplies,
    Trouble::FailReplies,
    Trouble::Repeat,
    Trouble::Delay,
    Trouble::Ban,
    Trouble::Restart,
    Trouble::RestartWithoutOrders,
    Trouble::Clock,
    Trouble::Shutdown,
    Trouble::Garbage,
];

/// A frame whose reserved bits are set, behind one that is whole.
const BROKEN_FRAME: &[u8] = b"\x81\x02{}\xf1\x00";

/// See the module.
pub struct Troubles<'a> {
    sim: &'a SimHandle,
    chance: u64,
    /// Pause between two of them, on average.
    every: Duration,
    /// Longest that one lasts.
    longest: Duration,
    next: Instant,
    deck: Vec<(Trouble, usize)>,
    undo: Vec<(Instant, usize, Fault)>,
    /// How often each kind came.
    pub counts: BTreeMap<Trouble, u32>,
}

impl<'a> Troubles<'a> {
    pub fn new(sim: &'a SimHandle, every: Duration, longest: Duration) -> Self {
        Self {
            sim,
            chance: 0x2545_f491_4f6c_dd1d,
            every,
            longest,
            next: Instant::now() + every,
            deck: Vec::new(),
            undo: Vec::new(),
            counts: BTreeMap::new(),
        }
    }

    /// Ends and causes what is due.
    pub fn turn(&mut self) {
        let now = Instant::now();
        self.end(|at| at <= now);
        if now < self.next {
            return;
        }
        self.next = now + self.every / 2 + self.up_to(self.every);
        let (what, venue) = self.draw();
        *self.counts.entry(what).or_default() += 1;
        let until = now + Duration::from_millis(50) + self.up_to(self.longest);
        self.cause(what, venue, until);
    }

    /// Ends everything.
    pub fn heal(&mut self) {
        self.end(|_| true);
    }

    /// How many there were.
    pub fn total(&self) -> u32 {
        self.counts.values().sum()
    }

    fn end(&mut self, is_due: impl Fn(Instant) -> bool) {
        let (due, rest) = self.undo.drain(..).partition(|(at, _, _)| is_due(*at));
        self.undo = rest;
        let due: Vec<(Instant, usize, Fault)> = due;
        for (_, venue, fault) in due {
            self.put(venue, fault);
        }
    }

    /// The next of the deck.
    fn draw(&mut self) -> (Trouble, usize) {
        if self.deck.is_empty() {
            // The second venue's ban lasts ten minutes by its documentation, whatever it says.
            let both = ALL.iter().flat_map(|what| [(*what, 0), (*what, 1)]);
            self.deck = both.filter(|card| *card != (Trouble::Ban, 1)).collect();
        }
        let at = next(&mut self.chance) as usize % self.deck.len();
        self.deck.swap_remove(at)
    }

    fn cause(&mut self, what: Trouble, venue: usize, until: Instant) {
        let lasts = until.saturating_duration_since(Instant::now()).as_millis() as u64;
        let (begin, end) = match what {
            Trouble::Cut => (Fault::CutConnections, None),
            Trouble::CutMessages => (Fault::CutMessages, None),
            Trouble::Refuse | Trouble::Restart | Trouble::RestartWithoutOrders => {
                self.put(venue, Fault::RefuseConnections(true));
                let begin = match what {
                    Trouble::Refuse => Fault::CutConnections,
                    _ => Fault::Restart { keep_orders: what == Trouble::Restart },
                };
                (begin, Some(Fault::RefuseConnections(false)))
            }
            Trouble::SkipBook => (Fault::SkipBookEvent { symbol: "BTCUSDT".to_owned() }, None),
            Trouble::StaleSnapshot => {
                // Books are fetched after a gap only.
                self.put(venue, Fault::SkipBookEvent { symbol: "ETHUSDT".to_owned() });
                (Fault::StaleSnapshots(2), None)
            }
            Trouble::LoseReplies => (Fault::LoseReplies(true), Some(Fault::LoseReplies(false))),
            Trouble::FailReplies => (Fault::FailReplies(true), Some(Fault::FailReplies(false))),
            Trouble::Repeat => (Fault::RepeatEvents(700), Some(Fault::RepeatEvents(0))),
            Trouble::Delay => {
                let delay_ms = 20 + self.up_to(self.longest).as_millis() as u64 / 2;
                (Fault::DelayMs(delay_ms), Some(Fault::DelayMs(0)))
            }
            Trouble::Ban => (Fault::BanMs(lasts), None),
            Trouble::Clock => {
                let size = 100 + self.up_to(Duration::from_secs(9)).as_millis() as i64;
                let ahead = next(&mut self.chance).is_multiple_of(2);
                let skew = if ahead { size } else { -size };
                (Fault::SkewClock(skew), Some(Fault::SkewClock(0)))
            }
            Trouble::Shutdown => (Fault::AnnounceShutdown, None),
            Trouble::Garbage => {
                for text in ["{\"topic\":\"order\",\"data\":[{}]}", "{\"e\":", "[]"] {
                    let (path_contains, text) = (String::new(), text.to_owned());
                    self.put(venue, Fault::InjectText { path_contains, text });
                }
                (Fault::InjectRaw(BROKEN_FRAME.to_vec()), None)
            }
        };
        self.put(venue, begin);
        self.undo.extend(end.map(|end| (until, venue, end)));
    }

    fn put(&self, venue: usize, fault: Fault) {
        assert!(self.sim.fault(NAMES[venue], fault), "the simulator does not answer");
    }

    fn up_to(&mut self, most: Duration) -> Duration {
        Duration::from_nanos(next(&mut self.chance) % (most.as_nanos() as u64).max(1))
    }
}

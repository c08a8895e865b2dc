//! Paper trading: a thread of its own that watches the engine's books, prints and marks in the region,
//! as any reader does, and hands what changes on to the simulated venues, which orders go to.
//!
//! Nothing waits for it: it looks every millisecond. A book that may not be traded on is taken away
//! there. Prints go first: a venue tells of most trades before the book shows them, and what a print
//! takes must not be taken for somebody's cancel before.

use crate::agents::log::Log;
use crate::clock::Clock;
use crate::shm::{Best, Depth, MarketView, TradeReader};
use crate::sim::{MarketState, MirrorChange, Mirrored, SimLevel, SimWaker};
use crate::types::{BookState, Instrument, Level, Nanos, Price, Qty, Side};
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(1);
/// Changes that may wait for the simulator.
const WAITING_MAX: usize = 4_096;
/// Prints of one instrument in one look.
const PRINTS_MAX: usize = 1_024;

/// An instrument and its place at the simulator.
pub(super) struct Followed {
    pub instrument: Instrument,
    /// Index of its venue there.
    pub venue: usize,
    /// Its symbol there.
    pub symbol: String,
}

/// How changes reach the simulator.
pub(super) fn channel() -> (SyncSender<Mirrored>, Receiver<Mirrored>) {
    sync_channel(WAITING_MAX)
}

/// What was not handed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Missed {
    /// How often a book could no longer be traded on.
    pub books: u64,
    /// Prints that came without a book, too fast, or while the simulator was behind: orders that rest
    /// there may have waited longer for it.
    pub prints: u64,
}

/// The thread that watches.
pub(super) struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Missed>,
}

impl Watch {
    /// Starts it.
    pub fn start(
        view: MarketView,
        followed: Vec<Followed>,
        (sender, waker): (SyncSender<Mirrored>, SimWaker),
        (clock, mut log): (Clock, Log),
    ) -> Result<Self, String> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let mut books: Vec<Book> =
            followed.into_iter().map(|followed| Book::new(followed, &view)).collect();
        let thread = std::thread::Builder::new().name("paper".to_owned()).spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let mut sent = false;
                for book in &mut books {
                    sent |= book.look(&view, &sender, (clock.now(), &mut log));
                }
                if sent {
                    waker.wake();
                }
                std::thread::sleep(PAUSE);
            }
            books.iter().fold(Missed::default(), |sum, book| Missed {
                books: sum.books + book.missed.books,
                prints: sum.prints + book.missed.prints,
            })
        });
        let thread = thread.map_err(|error| format!("thread of paper trading: {error}"))?;
        Ok(Self { stop, thread })
    }

    /// Ends it: what was not handed on, if the thread has not died.
    pub fn end(self) -> Option<Missed> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().ok()
    }
}

/// By side and price what was handed on: bids as `true`.
type Shown = BTreeMap<(bool, Price), Qty>;

/// One instrument as it was handed on.
struct Book {
    followed: Followed,
    symbol: Arc<str>,
    prints: Option<TradeReader>,
    depth: Depth,
    /// Which top and depth were looked at last.
    seen: (u64, u64),
    is_live: bool,
    shown: Shown,
    /// Worst price of each side, bids first, beyond which there may have been more.
    edges: [Option<Price>; 2],
    market: MarketState,
    missed: Missed,
}

impl Book {
    fn new(followed: Followed, view: &MarketView) -> Self {
        Self {
            symbol: followed.symbol.as_str().into(),
            prints: view.trades(followed.instrument.id),
            followed,
            depth: Depth::default(),
            seen: (0, 0),
            is_live: false,
            shown: Shown::new(),
            edges: [None; 2],
            market: MarketState::default(),
            missed: Missed::default(),
        }
    }

    /// Hands on what is new; whether there was anything.
    fn look(
        &mut self,
        view: &MarketView,
        to: &SyncSender<Mirrored>,
        (now, log): (Nanos, &mut Log),
    ) -> bool {
        let before = self.missed;
        let printed = self.hand_on_prints(to);
        let best = view.best(self.followed.instrument.id);
        view.depth(self.followed.instrument.id, &mut self.depth);
        let is_live = best.is_live() && self.depth.state == BookState::Live;
        let moved = match (is_live, self.is_live) {
            (true, _) => self.hand_on_levels(&best, view.depth_limit(), to),
            (false, true) => self.take_away(to),
            (false, false) => false,
        };
        let marked = self.hand_on_market(view, to);
        if self.missed.books > before.books {
            let name = &self.followed.instrument.name;
            log.warn(now, format_args!("{name}: its book is not live: nothing is filled there"));
        }
        printed || moved || marked
    }

    fn send(&self, to: &SyncSender<Mirrored>, change: MirrorChange) -> bool {
        let change = Mirrored { venue: self.followed.venue, symbol: self.symbol.clone(), change };
        match to.try_send(change) {
            Ok(()) => true,
            // The simulator that has ended fills nothing.
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }

    fn hand_on_prints(&mut self, to: &SyncSender<Mirrored>) -> bool {
        let Some(mut prints) = self.prints.take() else { return false };
        let mut any = false;
        for _ in 0..PRINTS_MAX {
            match prints.next() {
                Ok(None) => break,
                Ok(Some(print)) => {
                    let level = self.level(print.trade.price, print.trade.qty);
                    let change = MirrorChange::Trade { taker: print.trade.taker, level };
                    let sent = self.is_live && self.send(to, change);
                    self.missed.prints += u64::from(!sent);
                    any |= sent;
                }
                Err(lapped) => self.missed.prints += lapped.0,
            }
        }
        self.prints = Some(prints);
        any
    }

    /// What differs from what was handed on; that stays to do if the simulator is behind.
    fn hand_on_levels(&mut self, best: &Best, limit: usize, to: &SyncSender<Mirrored>) -> bool {
        let seen = (best.changes, self.depth.changes);
        if self.is_live && seen == self.seen {
            return false;
        }
        let newer = (best.sequence > self.depth.sequence).then_some(best);
        let bids = side(self.depth.bids(), newer.map(|best| best.bid), |price, bid| price < bid);
        let asks = side(self.depth.asks(), newer.map(|best| best.ask), |price, ask| price > ask);
        let full = [self.depth.bids().len() >= limit, self.depth.asks().len() >= limit];
        let worst = [bids.last(), asks.last()].map(|level| level.map(|level| level.price));
        let shown: Shown = [(true, bids), (false, asks)]
            .into_iter()
            .flat_map(|(is_bid, levels)| {
                levels.into_iter().map(move |level| ((is_bid, level.price), level.qty))
            })
            .collect();
        let (mut moved, mut revealed) = (Vec::new(), Vec::new());
        for (is_bid, price) in self.shown.keys().filter(|key| !shown.contains_key(key)) {
            moved.push(self.change(*is_bid, *price, Qty(0)));
        }
        for ((is_bid, price), qty) in &shown {
            let was = self.shown.get(&(*is_bid, *price));
            if was == Some(qty) {
                continue;
            }
            let change = self.change(*is_bid, *price, *qty);
            let unseen = was.is_none() && (!self.is_live || self.is_beyond(*is_bid, *price));
            if unseen { &mut revealed } else { &mut moved }.push(change);
        }
        let changes = !moved.is_empty() || !revealed.is_empty();
        if changes && !self.send(to, MirrorChange::Levels { moved, revealed }) {
            return false;
        }
        let edge = |at: usize| worst[at].filter(|_| full[at]);
        (self.edges, self.shown) = ([edge(0), edge(1)], shown);
        (self.seen, self.is_live) = (seen, true);
        changes
    }

    /// Whether a price was out of sight.
    fn is_beyond(&self, is_bid: bool, price: Price) -> bool {
        match (is_bid, self.edges) {
            (true, [Some(edge), _]) => price < edge,
            (false, [_, Some(edge)]) => price > edge,
            _ => false,
        }
    }

    fn take_away(&mut self, to: &SyncSender<Mirrored>) -> bool {
        if !self.send(to, MirrorChange::Lost) {
            return false;
        }
        (self.is_live, self.edges) = (false, [None; 2]);
        self.shown.clear();
        self.missed.books += 1;
        true
    }

    fn hand_on_market(&mut self, view: &MarketView, to: &SyncSender<Mirrored>) -> bool {
        if !self.followed.instrument.is_perpetual() {
            return false;
        }
        let known = view.perpetual(self.followed.instrument.id);
        let market = MarketState {
            mark: known.mark.to_decimal(),
            index: known.index.to_decimal(),
            rate: Decimal::new(known.funding_rate.0, 18).normalize(),
            interval_ms: u64::from(known.funding_interval_s) * 1_000,
        };
        if market == self.market || !self.send(to, MirrorChange::Market(market)) {
            return false;
        }
        self.market = market;
        true
    }

    fn change(&self, is_bid: bool, price: Price, qty: Qty) -> (Side, SimLevel) {
        (if is_bid { Side::Buy } else { Side::Sell }, self.level(price, qty))
    }

    fn level(&self, price: Price, qty: Qty) -> SimLevel {
        let scale = self.followed.instrument.scale;
        (scale.price_decimal(price).normalize(), scale.qty_decimal(qty).normalize())
    }
}

/// The levels of one side, best first. A newer best one has the last word: those better than it are
/// gone.
fn side(
    levels: &[Level],
    newer: Option<Level>,
    is_worse: impl Fn(Price, Price) -> bool,
) -> Vec<Level> {
    let kept = |level: &&Level| {
        level.qty.0 > 0 && newer.is_none_or(|best| is_worse(level.price, best.price))
    };
    let best = newer.filter(|best| best.qty.0 > 0);
    best.into_iter().chain(levels.iter().filter(kept).copied()).collect()
}

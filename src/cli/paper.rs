//! Paper trading: a thread of its own that watches the engine's books, prints and marks in the region,
//! as any reader does, and hands what changes on to the simulated venues, which orders go to. The engine
//! tells it of the rules that the venues have changed.
//!
//! Nothing waits for it: it looks every millisecond. A book that may not be traded on is taken away
//! there, and a mark that is too old is not known any more. Prints go first: a venue tells of most trades
//! before the book shows them, and what a print takes must not be taken for somebody's cancel before.

use crate::agents::log::Log;
use crate::clock::Clock;
use crate::shm::{Best, Depth, MarketView, TradeReader};
use crate::show::table::utc;
use crate::sim::{
    Fate, MarketState, MirrorChange, MirrorPort, Mirrored, News, SimLevel, SimWaker, StatedRules,
};
use crate::types::{Amount, BookState, Instrument, Level, Nanos, Perpetual, Price, Qty, Side};
use crate::venues::VENUES;
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

/// Levels of a side that were seen and are out of sight.
const UNSEEN_MAX: usize = 500;

/// News of the simulator that wait to be told of.
const NEWS_MAX: usize = 1_024;

/// Looks in a row that a book may be unreadable, because it is being written just then.
const TORN_MAX: u32 = 5;

/// An instrument and its place at the simulator.
pub(super) struct Followed {
    pub instrument: Instrument,
    /// Index of its venue there.
    pub venue: usize,
    /// Its symbol there.
    pub symbol: String,
    /// A book that is older is not traded on.
    pub book_age_max_ns: u64,
    /// A mark that is older decides nothing.
    pub mark_age_max_ns: u64,
}

/// Our end of what reaches the simulator, and of what it tells.
pub(super) struct Port {
    changes: SyncSender<Mirrored>,
    news: Receiver<News>,
}

/// Both ends.
pub(super) fn channel() -> (Port, MirrorPort) {
    let (to, changes) = sync_channel(WAITING_MAX);
    let (tell, news) = sync_channel(NEWS_MAX);
    (Port { changes: to, news }, MirrorPort { changes, news: tell })
}

/// What was not handed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Missed {
    /// How often a book could no longer be traded on.
    pub books: u64,
    /// Prints that came without a book, too fast, or while the simulator was behind: orders that rest
    /// there may have waited longer for it.
    pub prints: u64,
    /// How often a mark became too old.
    pub marks: u64,
    /// Payments of funding that were left out.
    pub funding: u64,
}

/// The thread that watches.
pub(super) struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Missed>,
}

impl Watch {
    /// Starts it.
    pub fn start(
        (view, stated): (MarketView, Option<Receiver<Instrument>>),
        followed: Vec<Followed>,
        (port, waker): (Port, SimWaker),
        (clock, mut log): (Clock, Log),
    ) -> Result<Self, String> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let mut books: Vec<Book> =
            followed.into_iter().map(|followed| Book::new(followed, &view)).collect();
        let thread = std::thread::Builder::new().name("paper".to_owned()).spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let mut sent = false;
                hear_of_rules(&mut books, stated.as_ref());
                for book in &mut books {
                    sent |= book.look(&view, &port.changes, (clock.now(), &mut log));
                }
                if sent {
                    waker.wake();
                }
                hear(&mut books, &port.news, (clock.now(), &mut log));
                std::thread::sleep(PAUSE);
            }
            books.iter().fold(Missed::default(), |sum, book| Missed {
                books: sum.books + book.missed.books,
                prints: sum.prints + book.missed.prints,
                marks: sum.marks + book.missed.marks,
                funding: sum.funding + book.missed.funding,
            })
        });
        let thread = thread.map_err(|error| format!("thread of paper trading: {error}"))?;
        Ok(Self { stop, thread })
    }

    /// Whether it has died.
    pub fn is_dead(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends it: what was not handed on, if the thread has not died.
    pub fn end(self) -> Option<Missed> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().ok()
    }
}

/// Tells what has become of new rules at the simulator, and of payments of funding that it has left out.
fn hear(books: &mut [Book], news: &Receiver<News>, (now, log): (Nanos, &mut Log)) {
    for News { venue, symbol, fate } in news.try_iter() {
        let is_it = |book: &&mut Book| book.followed.venue == venue && *book.symbol == *symbol;
        let Some(book) = books.iter_mut().find(is_it) else { continue };
        let name = &book.followed.instrument.name;
        match fate {
            Fate::Restated => {
                log.info(now, format_args!("{name}: orders here go by the venue's new rules, too"));
            }
            Fate::NotRestated => log.error(
                now,
                format_args!(
                    "{name}: orders here cannot go by the venue's new rules: the old ones stay"
                ),
            ),
            Fate::Unpaid { due_ms } => {
                book.missed.funding += 1;
                let due = utc(Nanos::from_millis(due_ms));
                log.warn(
                    now,
                    format_args!(
                        "{name}: the funding of {due} was left out: its rate, its interval or the \
                         mark was not known"
                    ),
                );
            }
        }
    }
}

/// Keeps the rules that venues have changed until they are handed on.
fn hear_of_rules(books: &mut [Book], stated: Option<&Receiver<Instrument>>) {
    for instrument in stated.into_iter().flat_map(Receiver::try_iter) {
        let is_it = |book: &&mut Book| book.followed.instrument.id == instrument.id;
        if let Some(book) = books.iter_mut().find(is_it) {
            book.restated = Some(instrument);
        }
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
    /// Looks in a row that found it unreadable.
    torn: u32,
    shown: Shown,
    /// Worst price of each side, bids first, beyond which there may have been more.
    edges: [Option<Price>; 2],
    market: MarketState,
    /// What was read last of a perpetual.
    known: Perpetual,
    /// With rules that the simulator does not have yet.
    restated: Option<Instrument>,
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
            torn: 0,
            shown: Shown::new(),
            edges: [None; 2],
            market: MarketState::default(),
            known: Perpetual::default(),
            restated: None,
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
        let restated = self.hand_on_rules(view, to);
        let printed = self.hand_on_prints(to);
        let best = view.best(self.followed.instrument.id);
        view.depth(self.followed.instrument.id, &mut self.depth);
        let is_young = best.age(now) <= self.followed.book_age_max_ns;
        let is_live = best.is_live() && self.depth.state == BookState::Live && is_young;
        let is_torn = best.changes == 0 || (best.is_live() && self.depth.state != BookState::Live);
        self.torn = if is_torn { self.torn + 1 } else { 0 };
        let moved = match (is_live, self.is_live) {
            _ if (1..=TORN_MAX).contains(&self.torn) => false,
            (true, _) => self.hand_on_levels(&best, view.depth_limit(), to),
            (false, true) => self.take_away(to),
            (false, false) => false,
        };
        let marked = self.hand_on_market(view, to, now);
        let name = &self.followed.instrument.name;
        if self.missed.books > before.books {
            log.warn(now, format_args!("{name}: its book is not live: nothing is filled there"));
        }
        if self.missed.marks > before.marks {
            let limit_ms = self.followed.mark_age_max_ns / 1_000_000;
            log.warn(
                now,
                format_args!(
                    "{name}: its mark is older than {limit_ms} ms: until there is another no \
                     position is liquidated by it, and no order taken that needs margin beside one"
                ),
            );
        }
        restated || printed || moved || marked
    }

    fn send(&self, to: &SyncSender<Mirrored>, change: MirrorChange) -> bool {
        let change = Mirrored { venue: self.followed.venue, symbol: self.symbol.clone(), change };
        match to.try_send(change) {
            Ok(()) => true,
            // The simulator that has ended fills nothing.
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }

    /// Those that find no room wait for the next look.
    fn hand_on_rules(&mut self, view: &MarketView, to: &SyncSender<Mirrored>) -> bool {
        let Some(instrument) = self.restated.take() else { return false };
        let venue = VENUES.get(usize::from(instrument.venue.0)).map_or("", |row| row.name);
        let rules = StatedRules::of(venue, &instrument, view.instruments());
        let sent = self.send(to, MirrorChange::Rules(Box::new(rules)));
        self.restated = (!sent).then_some(instrument);
        sent
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
        let edge = |at: usize| worst[at].filter(|_| full[at]);
        let edges = [edge(0), edge(1)];
        let mut shown: Shown = [(true, bids), (false, asks)]
            .into_iter()
            .flat_map(|(is_bid, levels)| {
                levels.into_iter().map(move |level| ((is_bid, level.price), level.qty))
            })
            .collect();
        shown.extend(self.out_of_sight(&shown, edges));
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
            let unseen = was.is_none() && (!self.is_live || is_beyond(self.edges, *is_bid, *price));
            if unseen { &mut revealed } else { &mut moved }.push(change);
        }
        let changes = !moved.is_empty() || !revealed.is_empty();
        if changes && !self.send(to, MirrorChange::Levels { moved, revealed }) {
            return false;
        }
        (self.edges, self.shown) = (edges, shown);
        (self.seen, self.is_live) = (seen, true);
        changes
    }

    /// What was handed on and cannot be seen any more: it stays as it was seen last, nearest first and
    /// not without end.
    fn out_of_sight(&self, shown: &Shown, edges: [Option<Price>; 2]) -> Shown {
        let gone = |key: &(bool, Price)| is_beyond(edges, key.0, key.1) && !shown.contains_key(key);
        let gone = self.shown.iter().filter(|(key, _)| gone(key)).map(|(key, qty)| (*key, *qty));
        let (bids, asks): (Vec<_>, Vec<_>) = gone.partition(|(key, _)| key.0);
        let bids = bids.into_iter().rev().take(UNSEEN_MAX);
        bids.chain(asks.into_iter().take(UNSEEN_MAX)).collect()
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

    fn hand_on_market(&mut self, view: &MarketView, to: &SyncSender<Mirrored>, now: Nanos) -> bool {
        if !self.followed.instrument.is_perpetual() {
            return false;
        }
        let read = view.perpetual(self.followed.instrument.id);
        // One that cannot be read, or was never told of, is as it was.
        if read.recv_ns > Nanos(0) {
            self.known = read;
        }
        let known = &self.known;
        let price = |price: Amount, age: u64| {
            let is_young = age <= self.followed.mark_age_max_ns;
            Some(price.to_decimal()).filter(|price| is_young && *price > Decimal::ZERO)
        };
        let said = |number: u64| Some(number).filter(|number| *number > 0);
        let market = MarketState {
            mark: price(known.mark, known.mark_age(now)),
            index: price(known.index, known.index_age(now)),
            rate: known.funding_rate.map(|rate| Decimal::new(rate.0, 18).normalize()),
            interval_ms: said(u64::from(known.funding_interval_s) * 1_000),
            next_ms: said(known.next_funding_ns.0 / 1_000_000),
        };
        if market == self.market || !self.send(to, MirrorChange::Market(market)) {
            return false;
        }
        self.missed.marks += u64::from(self.market.mark.is_some() && market.mark.is_none());
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

/// Whether a price is out of sight.
fn is_beyond(edges: [Option<Price>; 2], is_bid: bool, price: Price) -> bool {
    match (is_bid, edges) {
        (true, [Some(edge), _]) => price < edge,
        (false, [_, Some(edge)]) => price > edge,
        _ => false,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::log;
    use crate::shm::{BookWriter, Market, PerpetualWriter, RegionOptions, TradeWriter};
    use crate::types::{
        AssetId, BookStamps, InstrumentId, InstrumentKind, InstrumentTable, PerpetualUpdate, Rate,
        Scale, TopOfBook, Trade,
    };

    const ID: InstrumentId = InstrumentId(0);

    struct Rig {
        writer: BookWriter,
        trades: TradeWriter,
        perpetual: PerpetualWriter,
        view: MarketView,
        book: Book,
        to: SyncSender<Mirrored>,
        changes: Receiver<Mirrored>,
        log: Log,
        sequence: u64,
    }

    impl Rig {
        /// A region of three levels a side, and a simulator that so many changes may wait for.
        fn new(room: usize) -> Self {
            let mut table = InstrumentTable::default();
            let quote = table.assets.intern("USDT");
            let instrument = Instrument {
                name: "BTC/USDT:USDT@x".to_owned(),
                symbol: "BTCUSDT".to_owned(),
                kind: InstrumentKind::LinearPerpetual,
                scale: Scale { price_decimals: 2, qty_decimals: 3 },
                base: table.assets.intern("BTC"),
                quote,
                settle: AssetId(0),
                ..Instrument::default()
            };
            table.add(instrument.clone());
            let region = RegionOptions { depth: 3, ..RegionOptions::default() };
            let market = Market::in_memory(&table, &region).unwrap();
            let (to, changes) = sync_channel(room);
            let followed = Followed {
                instrument,
                venue: 4,
                symbol: "BTCUSDT.P".to_owned(),
                book_age_max_ns: 500,
                mark_age_max_ns: 700,
            };
            Self {
                writer: market.book_writer(ID).unwrap(),
                trades: market.trade_writer(ID).unwrap(),
                perpetual: market.perpetual_writer(ID).unwrap(),
                view: market.view(),
                book: Book::new(followed, &market.view()),
                to,
                changes,
                log: log::channel(64).0,
                sequence: 0,
            }
        }

        fn show(&mut self, bids: &[(i64, i64)], asks: &[(i64, i64)], state: BookState) {
            self.sequence += 1;
            let level = |&(price, qty): &(i64, i64)| Level { price: Price(price), qty: Qty(qty) };
            let (bids, asks): (Vec<Level>, Vec<Level>) =
                (bids.iter().map(level).collect(), asks.iter().map(level).collect());
            self.top(bids[0], asks[0], state);
            let at = Nanos(self.sequence);
            self.writer.publish_depth(&bids, &asks, state, self.sequence, at, at, at);
        }

        fn top(&mut self, bid: Level, ask: Level, state: BookState) {
            let (sequence, at) = (self.sequence, Nanos(self.sequence));
            let top = TopOfBook { instrument: ID, sequence, bid, ask, event_ns: at };
            self.writer.publish_top_stamped(&top, state, at, BookStamps::default());
        }

        fn print(&mut self, taker: Side, price: i64, qty: i64) {
            let (price, qty) = (Price(price), Qty(qty));
            let trade =
                Trade { instrument: ID, taker, price, qty, trade_id: 1, event_ns: Nanos(1) };
            self.trades.publish(&trade, Nanos(1));
        }

        /// What a look hands on.
        fn look(&mut self) -> Vec<MirrorChange> {
            self.look_at(1)
        }

        fn look_at(&mut self, now: u64) -> Vec<MirrorChange> {
            self.book.look(&self.view, &self.to, (Nanos(now), &mut self.log));
            let all: Vec<Mirrored> = self.changes.try_iter().collect();
            assert!(all.iter().all(|one| (one.venue, &*one.symbol) == (4, "BTCUSDT.P")));
            all.into_iter().map(|one| one.change).collect()
        }
    }

    fn level(side: Side, price: &str, qty: &str) -> (Side, SimLevel) {
        (side, (price.parse().unwrap(), qty.parse().unwrap()))
    }

    fn levels(moved: &[(Side, SimLevel)], revealed: &[(Side, SimLevel)]) -> Vec<MirrorChange> {
        vec![MirrorChange::Levels { moved: moved.to_vec(), revealed: revealed.to_vec() }]
    }

    use Side::{Buy, Sell};

    #[test]
    fn what_differs_is_handed_on_once_and_what_was_out_of_sight_apart() {
        let mut rig = Rig::new(64);
        assert_eq!(rig.look(), []);
        rig.show(&[(100, 5), (99, 1), (98, 2)], &[(101, 7)], BookState::Live);
        let all = [
            level(Sell, "1.01", "0.007"),
            level(Buy, "0.98", "0.002"),
            level(Buy, "0.99", "0.001"),
            level(Buy, "1", "0.005"),
        ];
        assert_eq!(rig.look(), levels(&[], &all));
        assert_eq!(rig.look(), []);
        // The best bid is gone, so one behind the third comes into sight; asks end where they end.
        rig.show(&[(99, 4), (98, 2), (97, 3)], &[(101, 7), (102, 1)], BookState::Live);
        let moved =
            [level(Buy, "1", "0"), level(Sell, "1.02", "0.001"), level(Buy, "0.99", "0.004")];
        assert_eq!(rig.look(), levels(&moved, &[level(Buy, "0.97", "0.003")]));
    }

    #[test]
    fn what_goes_out_of_sight_stays_as_it_was_until_it_is_back_or_the_book_is_lost() {
        let mut rig = Rig::new(64);
        rig.show(&[(100, 5), (99, 1), (98, 2)], &[(103, 7)], BookState::Live);
        rig.look();
        rig.show(&[(102, 1), (101, 1), (100, 5)], &[(103, 7)], BookState::Live);
        let moved = [level(Buy, "1.01", "0.001"), level(Buy, "1.02", "0.001")];
        assert_eq!(rig.look(), levels(&moved, &[]), "nobody knows of 99 and 98");
        // One of them is back with less, the other one is seen to be gone.
        rig.show(&[(102, 1), (99, 4), (97, 2)], &[(103, 7)], BookState::Live);
        let moved = [
            level(Buy, "0.98", "0"),
            level(Buy, "1", "0"),
            level(Buy, "1.01", "0"),
            level(Buy, "0.99", "0.004"),
        ];
        assert_eq!(rig.look(), levels(&moved, &[level(Buy, "0.97", "0.002")]));
        // Not without end, and not beyond a book that is lost.
        for step in 0..UNSEEN_MAX as i64 + 5 {
            let best = 102 + step * 3;
            rig.show(&[(best + 2, 1), (best + 1, 1), (best, 1)], &[(9_999, 7)], BookState::Live);
            rig.look();
        }
        assert_eq!(rig.book.shown.len(), UNSEEN_MAX + 4);
        rig.writer.set_state(BookState::Stale, Nanos(9));
        assert_eq!(rig.look(), [MirrorChange::Lost]);
        assert!(rig.book.shown.is_empty());
    }

    #[test]
    fn a_newer_top_has_the_last_word() {
        let mut rig = Rig::new(64);
        rig.show(&[(100, 5), (99, 1)], &[(101, 7), (103, 1)], BookState::Live);
        rig.look();
        rig.sequence += 1;
        let level_of = |price, qty| Level { price: Price(price), qty: Qty(qty) };
        rig.top(level_of(101, 2), level_of(102, 3), BookState::Live);
        let moved =
            [level(Sell, "1.01", "0"), level(Sell, "1.02", "0.003"), level(Buy, "1.01", "0.002")];
        assert_eq!(rig.look(), levels(&moved, &[]));
    }

    #[test]
    fn a_book_that_is_not_live_is_taken_away_and_prints_without_one_are_counted() {
        let mut rig = Rig::new(64);
        rig.print(Sell, 100, 1);
        assert_eq!(rig.look(), []);
        rig.show(&[(100, 5)], &[(101, 7)], BookState::Live);
        rig.look();
        rig.print(Sell, 100, 1);
        let taken = MirrorChange::Trade { taker: Sell, level: level(Sell, "1", "0.001").1 };
        assert_eq!(rig.look(), [taken]);
        for state in [BookState::Stale, BookState::Buffering] {
            rig.writer.set_state(state, Nanos(9));
            assert_eq!(rig.look(), [MirrorChange::Lost]);
            rig.print(Sell, 100, 1);
            assert_eq!(rig.look(), []);
            rig.writer.set_state(BookState::Live, Nanos(9));
            let all = [level(Sell, "1.01", "0.007"), level(Buy, "1", "0.005")];
            assert_eq!(rig.look(), levels(&[], &all));
        }
        assert_eq!(rig.book.missed, Missed { books: 2, prints: 3, ..Missed::default() });
    }

    #[test]
    fn a_book_that_is_old_is_taken_away_and_one_that_is_being_written_is_looked_at_again() {
        let mut rig = Rig::new(64);
        rig.show(&[(100, 5)], &[(101, 7)], BookState::Live);
        assert_eq!(rig.look_at(501).len(), 1);
        assert_eq!(rig.look_at(502), [MirrorChange::Lost]);
        assert_eq!(rig.look_at(503), []);
        rig.show(&[(100, 5)], &[(101, 7)], BookState::Live);
        assert_eq!(rig.look_at(502).len(), 1);
        // One that cannot be read is as one that is not known.
        let known = rig.book.followed.instrument.id;
        rig.book.followed.instrument.id = InstrumentId(7);
        for _ in 0..TORN_MAX {
            assert_eq!(rig.look_at(502), []);
        }
        rig.book.followed.instrument.id = known;
        assert_eq!(rig.look_at(502), []);
        rig.book.followed.instrument.id = InstrumentId(7);
        for _ in 0..TORN_MAX {
            assert_eq!(rig.look_at(502), []);
        }
        assert_eq!(rig.look_at(502), [MirrorChange::Lost]);
    }

    #[test]
    fn a_simulator_that_is_behind_hears_of_levels_later_and_of_prints_never() {
        let mut rig = Rig::new(1);
        rig.show(&[(100, 5)], &[(101, 7)], BookState::Live);
        rig.look();
        rig.to
            .try_send(Mirrored { venue: 4, symbol: "BTCUSDT.P".into(), change: MirrorChange::Lost })
            .unwrap();
        rig.print(Sell, 100, 1);
        rig.show(&[(100, 4)], &[(101, 7)], BookState::Live);
        assert_eq!(rig.look(), [MirrorChange::Lost]);
        assert_eq!(rig.book.missed.prints, 1);
        assert_eq!(rig.look(), levels(&[level(Buy, "1", "0.004")], &[]));
    }

    #[test]
    fn a_thread_that_dies_is_seen_and_has_no_last_word() {
        let thread = std::thread::spawn(|| std::panic::resume_unwind(Box::new("of a test")));
        let watch = Watch { stop: Arc::default(), thread };
        while !watch.is_dead() {
            std::thread::yield_now();
        }
        assert_eq!(watch.end(), None);
        let (stop, thread) = (Arc::default(), std::thread::spawn(Missed::default));
        assert_eq!(Watch { stop, thread }.end(), Some(Missed::default()));
    }

    #[test]
    fn marks_and_funding_are_handed_on_when_they_change() {
        let mut rig = Rig::new(64);
        let dec = |text: &str| Some(text.parse::<Decimal>().unwrap());
        let amount = |text: &str| Amount::from_decimal(text.parse().unwrap()).unwrap();
        let known = Perpetual {
            mark: amount("1.005"),
            index: amount("1.004"),
            funding_interval_s: 28_800,
            next_funding_ns: Nanos(1_790_784_000_000_000_000),
            mark_recv_ns: Nanos(1),
            index_recv_ns: Nanos(1),
            recv_ns: Nanos(1),
            ..Perpetual::default()
        };
        rig.perpetual.publish(&known);
        let state = MarketState {
            mark: dec("1.005"),
            index: dec("1.004"),
            rate: None,
            interval_ms: Some(28_800_000),
            next_ms: Some(1_790_784_000_000),
        };
        assert_eq!(rig.look(), [MirrorChange::Market(state)], "no rate is not one of zero");
        let known = Perpetual { funding_rate: Some(Rate(-100_000_000_000_000)), ..known };
        rig.perpetual.publish(&known);
        let state = MarketState { rate: dec("-0.0001"), ..state };
        assert_eq!(rig.look(), [MirrorChange::Market(state)]);
        assert_eq!(rig.look(), []);
    }

    #[test]
    fn a_mark_that_is_too_old_is_not_known_any_more_and_that_is_counted_once() {
        let mut rig = Rig::new(64);
        assert_eq!(rig.look_at(9_999), [], "none was ever known");
        let mark = Amount::from_decimal("1.005".parse().unwrap()).unwrap();
        let mut known = Perpetual::default();
        let said = PerpetualUpdate { mark: Some(mark), ..PerpetualUpdate::default() };
        known.apply(&said, Nanos(10));
        rig.perpetual.publish(&known);
        let of = |mark: Option<Amount>| {
            let mark = mark.map(|mark| mark.to_decimal());
            [MirrorChange::Market(MarketState { mark, ..MarketState::default() })]
        };
        assert_eq!(rig.look_at(710), of(Some(mark)));
        assert_eq!(rig.look_at(711), of(None));
        assert_eq!(rig.look_at(712), []);
        known.apply(&said, Nanos(712));
        rig.perpetual.publish(&known);
        assert_eq!(rig.look_at(713), of(Some(mark)));
        assert_eq!(rig.book.missed, Missed { marks: 1, ..Missed::default() });
    }

    /// Venues send marks and the index on channels of their own, and one of them may stop alone.
    #[test]
    fn an_index_that_goes_on_makes_no_mark_younger_and_the_other_way_round() {
        let mut rig = Rig::new(64);
        let price = Amount::from_decimal("1.005".parse().unwrap()).unwrap();
        let mark = PerpetualUpdate { mark: Some(price), ..PerpetualUpdate::default() };
        let index = PerpetualUpdate { index: Some(price), ..PerpetualUpdate::default() };
        let (known, none) = (Some(price.to_decimal()), None);
        let of = |mark, index| {
            [MirrorChange::Market(MarketState { mark, index, ..MarketState::default() })]
        };
        for (stops, goes_on, after) in [(mark, index, (none, known)), (index, mark, (known, none))]
        {
            rig.book.known = Perpetual::default();
            rig.book.market = MarketState::default();
            let mut state = Perpetual::default();
            state.apply(&stops, Nanos(10));
            state.apply(&goes_on, Nanos(700));
            rig.perpetual.publish(&state);
            assert_eq!(rig.look_at(710), of(known, known));
            assert_eq!(rig.look_at(711), of(after.0, after.1));
        }
        assert_eq!(rig.book.missed, Missed { marks: 1, ..Missed::default() });
    }

    #[test]
    fn rules_that_the_venue_has_changed_are_handed_on_once_there_is_room() {
        let mut rig = Rig::new(1);
        let (say, stated) = sync_channel(4);
        let mut changed = rig.book.followed.instrument.clone();
        (changed.rules.tick_size, changed.rules.lot_size) = (Price(50), Qty(20));
        say.send(Instrument { id: InstrumentId(7), ..changed.clone() }).unwrap();
        say.send(changed).unwrap();
        hear_of_rules(std::slice::from_mut(&mut rig.book), Some(&stated));
        // Something else fills the simulator's queue.
        let symbol = rig.book.symbol.clone();
        let other = Mirrored { venue: 4, symbol, change: MirrorChange::Lost };
        rig.to.try_send(other).unwrap();
        assert_eq!(rig.look(), [MirrorChange::Lost]);
        let handed = rig.look();
        let [MirrorChange::Rules(rules)] = &handed[..] else { panic!("{handed:?}") };
        let names = (&*rules.symbol, &*rules.base, &*rules.quote);
        assert_eq!(names, ("BTCUSDT", "BTC", "USDT"));
        assert_eq!((rules.tick, rules.lot), (Decimal::new(5, 1), Decimal::new(2, 2)));
        assert_eq!(rig.look(), [], "once");
    }

    #[test]
    fn payments_that_were_left_out_are_counted_where_they_belong() {
        let mut rig = Rig::new(64);
        let (to, news) = sync_channel(4);
        let fate = Fate::Unpaid { due_ms: 28_800_000 };
        for (venue, symbol) in [(4, "BTCUSDT.P"), (3, "BTCUSDT.P"), (4, "BTCUSDT")] {
            to.send(News { venue, symbol: symbol.to_owned(), fate }).unwrap();
        }
        let books = std::slice::from_mut(&mut rig.book);
        hear(books, &news, (Nanos(1), &mut rig.log));
        assert_eq!(rig.book.missed, Missed { funding: 1, ..Missed::default() });
    }
}

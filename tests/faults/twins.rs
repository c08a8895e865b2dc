//! A feed with two connections to the same streams, over scripted events: what is shown, who is asked
//! for snapshots, and what is counted of each connection.

use crate::desk::{BTC, NOW, VENUE, instruments, level, market, top};
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use stoop::agents::{Agent, Feed, FeedBook, FeedLatency, FeedParts, Session, log};
use stoop::book::{Book, BookOptions};
use stoop::clock::Clock;
use stoop::net::tls::client_config;
use stoop::shm::{Depth, FeedHealth, FeedLine, MarketView, TradeReader};
use stoop::sync::spsc;
use stoop::types::DepthKind::{Delta, FetchedSnapshot, Snapshot};
use stoop::types::*;
use stoop::venues::{
    ChannelSpec, Connector, DecodeError, EncodeError, Outbox, RequestId, Response,
};

const MS: u64 = 1_000_000;

/// One event with its levels.
pub(crate) type Item = (Event, Vec<Level>);

/// One of the two: what it is about to say, and what it was asked for.
#[derive(Default)]
struct Script {
    next: VecDeque<Vec<Item>>,
    resyncs: usize,
    subscribed: Vec<InstrumentId>,
}

struct Scripted(Arc<Mutex<Script>>);

impl Connector for Scripted {
    fn channels(&self) -> &[ChannelSpec] {
        &[]
    }

    fn on_open(&mut self, _: Channel, _: Nanos, _: &mut Outbox, _: &mut Events) {}

    fn on_close(&mut self, _: Channel, _: Nanos, _: &mut Events) {}

    fn on_frame(
        &mut self,
        _: Channel,
        _: &mut [u8],
        _: Nanos,
        _: &mut Outbox,
        _: &mut Events,
    ) -> Result<(), DecodeError> {
        Ok(())
    }

    fn on_response(
        &mut self,
        _: RequestId,
        _: Response<'_>,
        _: Nanos,
        _: &mut Outbox,
        _: &mut Events,
    ) -> Result<(), DecodeError> {
        Ok(())
    }

    fn on_request_lost(&mut self, _: RequestId, _: Nanos, _: &mut Outbox, _: &mut Events) {}

    fn submit(
        &mut self,
        command: &Command,
        _: Nanos,
        _: &mut Outbox,
        _: &mut Events,
    ) -> Result<(), EncodeError> {
        let mut script = self.0.lock().unwrap();
        match command.kind {
            CommandKind::Resync(_) => script.resyncs += 1,
            CommandKind::Subscribe(instrument) => script.subscribed.push(instrument),
            _ => return Err(EncodeError::Unsupported),
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Nanos> {
        (!self.0.lock().unwrap().next.is_empty()).then_some(Nanos(0))
    }

    fn on_deadline(&mut self, _: Nanos, _: &mut Outbox, events: &mut Events) {
        hand_out(self.0.lock().unwrap().next.pop_front().unwrap(), events);
    }
}

/// As a connector gives the events of one message.
pub(crate) fn hand_out(batch: Vec<Item>, events: &mut Events) {
    for (mut event, levels) in batch {
        if let Event::Depth(update) = &mut event {
            update.levels_start = events.levels_len();
        }
        levels.into_iter().for_each(|level| events.push_level(level).unwrap());
        events.push(event).unwrap();
    }
}

/// A depth message of one bid and one ask.
pub(crate) fn depth(kind: DepthKind, ids: [u64; 2], bid: i64, ask: i64) -> Item {
    of(kind, ids, &[level(bid, 500)], &[level(ask, 500)])
}

fn of(kind: DepthKind, [first_id, last_id]: [u64; 2], bids: &[Level], asks: &[Level]) -> Item {
    let update = DepthUpdate {
        instrument: BTC,
        kind,
        first_id,
        last_id,
        sequence: last_id,
        levels_start: 0,
        bids: bids.len() as u32,
        asks: asks.len() as u32,
        event_ns: NOW,
    };
    (Event::Depth(update), [bids, asks].concat())
}

/// A delta of one id that moves the best bid to 100 plus it.
fn delta(id: u64) -> Item {
    depth(Delta, [id, id], 100 + id as i64, 10_000)
}

fn tops(sequence: u64, bid: i64) -> Item {
    (Event::Top(top(sequence, bid, 20_000)), vec![])
}

fn trade(trade_id: u64) -> Item {
    let (price, qty, taker) = (Price(trade_id as i64), Qty(1), Side::Buy);
    (Event::Trade(Trade { instrument: BTC, taker, price, qty, trade_id, event_ns: NOW }), vec![])
}

fn ready(channel: Channel, readiness: Readiness) -> Item {
    (Event::Notice(VenueNotice::Readiness(channel, readiness)), vec![])
}

/// A feed with two connections, and everything around it.
struct Twins {
    feed: Feed,
    view: MarketView,
    trades: TradeReader,
    scripts: [Arc<Mutex<Script>>; 2],
    now: Nanos,
    _control: spsc::Producer<Command>,
}

impl Twins {
    /// Both connections are ready, and nothing has come.
    fn ready() -> Self {
        Self::down(true).made_ready()
    }

    fn made_ready(mut self) -> Self {
        for line in 0..2 {
            for channel in [Channel::Public, Channel::Rest] {
                self.bring(line, [ready(channel, Readiness::Ready)]);
            }
        }
        self
    }

    fn down(trade_ids_rise: bool) -> Self {
        let instruments = instruments();
        let market = market(&instruments);
        let view = market.view();
        let clock = Clock::manual(NOW);
        let scripts: [Arc<Mutex<Script>>; 2] = Default::default();
        let sessions = scripts.iter().map(|script| {
            let (log, _) = log::channel(64);
            let connector = Box::new(Scripted(script.clone()));
            Session::open(connector, client_config(&[]).unwrap(), 256, &clock, log).unwrap()
        });
        let (control_in, control) = spsc::channel(16);
        let parts = FeedParts {
            name: "feed:scripted".to_owned(),
            sessions: sessions.collect(),
            books: vec![FeedBook {
                instrument: BTC,
                streamed: true,
                book: Book::new(Price(1), BookOptions::default()),
                writer: market.book_writer(BTC).unwrap(),
                trades: market.trade_writer(BTC).unwrap(),
                perpetual: market.perpetual_writer(BTC).unwrap(),
                marks: Perpetual::default(),
                top_sequence: 0,
                top_crossed: false,
            }],
            trade_ids_rise,
            health: market.health_writer(VENUE).unwrap().feed,
            latency: FeedLatency::new(&market, VENUE).unwrap(),
            control,
        };
        let feed = Feed::new(parts);
        let trades = view.trades(BTC).unwrap();
        Self { feed, view, trades, scripts, now: NOW, _control: control_in }
    }

    /// A book at id 10 that both connections have brought one delta of: 10.
    fn live() -> Self {
        let mut twins = Self::ready();
        twins.bring(0, [delta(10)]);
        twins.bring(1, [delta(10)]);
        assert_eq!(twins.resyncs(), [1, 0], "one of them fetches");
        twins.bring(0, [depth(FetchedSnapshot, [10, 10], 110, 10_000)]);
        assert_eq!(twins.shown(), (BookState::Live, 10, 110));
        twins
    }

    /// One message on one connection.
    fn bring(&mut self, line: usize, items: impl Into<Vec<Item>>) {
        self.scripts[line].lock().unwrap().next.push_back(items.into());
        self.feed.poll(self.now);
        assert!(self.scripts[line].lock().unwrap().next.is_empty());
    }

    fn passes(&mut self, ns: u64) {
        self.now = self.now.plus(ns);
        self.feed.poll(self.now);
    }

    /// State, sequence and best bid.
    fn shown(&self) -> (BookState, u64, i64) {
        let best = self.view.best(BTC);
        (best.state, best.sequence, best.bid.price.0)
    }

    /// How often each connection was asked for a snapshot.
    fn resyncs(&self) -> [usize; 2] {
        [0, 1].map(|line: usize| self.scripts[line].lock().unwrap().resyncs)
    }

    fn health(&mut self) -> FeedHealth {
        self.passes(200 * MS);
        self.view.health(VENUE).feed
    }

    fn lines(&mut self) -> [FeedLine; 2] {
        self.health().lines
    }

    fn prints(&mut self) -> Vec<u64> {
        let trades = &mut self.trades;
        std::iter::from_fn(|| trades.next().unwrap()).map(|print| print.trade.trade_id).collect()
    }

    fn loses(&mut self, line: usize) {
        self.bring(line, [ready(Channel::Public, Readiness::Down)]);
    }

    fn comes_back(&mut self, line: usize) {
        self.bring(line, [ready(Channel::Public, Readiness::Joining)]);
        self.bring(line, [ready(Channel::Public, Readiness::Ready)]);
    }
}

#[test]
fn both_subscribe_and_a_copy_changes_nothing_but_counts() {
    let mut twins = Twins::live();
    for script in &twins.scripts {
        assert_eq!(script.lock().unwrap().subscribed, [BTC]);
    }
    let before = twins.lines();
    twins.bring(0, [delta(11)]);
    let version = twins.view.version(BTC);
    twins.passes(3 * MS);
    twins.bring(1, [delta(11)]);
    assert_eq!((twins.shown(), twins.view.version(BTC)), ((BookState::Live, 11, 111), version));
    twins.bring(1, [tops(12, 112)]);
    assert_eq!(twins.shown(), (BookState::Live, 12, 112));
    let version = twins.view.version(BTC);
    twins.passes(5 * MS);
    twins.bring(0, [tops(12, 112)]);
    assert_eq!(twins.view.version(BTC), version, "a copy");
    twins.bring(1, [tops(12, 112)]);
    assert_ne!(twins.view.version(BTC), version, "a connection may say the same again");
    let [first, second] = twins.lines();
    assert_eq!((first.first, first.late), (before[0].first + 1, before[0].late + 1));
    assert_eq!((second.first, second.late), (before[1].first + 1, before[1].late + 1));
    assert_eq!((first.late_p50_ns, first.late_p99_ns, first.late_max_ns), (5 * MS, 5 * MS, 5 * MS));
    assert_eq!(second.late_max_ns, 3 * MS);
    let health = twins.health();
    assert_eq!((health.gaps, health.resyncs, health.line_count), (0, 0, 2));
    assert_eq!((health.state, first.state, first.missed), (Readiness::Ready, Readiness::Ready, 0));
}

#[test]
fn what_one_misses_the_other_brings_without_a_resync() {
    let mut twins = Twins::live();
    twins.bring(0, [delta(11)]);
    twins.bring(0, [delta(13)]);
    assert_eq!(twins.shown(), (BookState::Live, 11, 111), "behind a hole");
    twins.bring(1, [delta(11)]);
    twins.passes(99 * MS);
    twins.bring(1, [delta(12)]);
    assert_eq!(twins.shown(), (BookState::Live, 13, 113));
    // The other way round, and noticed by nobody: the other one was there before.
    twins.bring(0, [delta(14)]);
    twins.bring(1, [delta(15)]);
    assert_eq!(twins.shown(), (BookState::Live, 15, 115));
    let health = twins.health();
    let [first, second] = health.lines;
    assert_eq!((first.missed, first.filled), (1, 0));
    assert_eq!((second.missed, second.filled), (1, 1));
    assert_eq!((health.gaps, health.resyncs, twins.resyncs()), (0, 0, [1, 0]));
}

#[test]
fn a_hole_that_neither_closes_is_one_resync_after_its_time() {
    let mut twins = Twins::live();
    twins.bring(0, [delta(12)]);
    twins.bring(1, [delta(12)]);
    twins.passes(99 * MS);
    assert_eq!((twins.shown(), twins.resyncs()), ((BookState::Live, 10, 110), [1, 0]));
    twins.passes(MS);
    assert_eq!((twins.shown(), twins.resyncs()), ((BookState::Buffering, 10, 110), [2, 0]));
    for line in [0, 1, 1] {
        twins.bring(line, [delta(13)]);
    }
    twins.bring(0, [depth(FetchedSnapshot, [11, 11], 111, 10_000)]);
    assert_eq!(twins.shown(), (BookState::Live, 13, 113));
    let health = twins.health();
    assert_eq!((health.gaps, health.resyncs, twins.resyncs()), (1, 1, [2, 0]));
    assert_eq!(health.lines.map(|line| (line.missed, line.filled)), [(1, 0), (1, 0)]);
}

#[test]
fn every_hole_has_its_own_time() {
    let mut twins = Twins::live();
    twins.bring(0, [delta(12)]);
    twins.bring(0, [delta(14)]);
    twins.passes(90 * MS);
    twins.bring(1, [delta(11)]);
    assert_eq!(twins.shown(), (BookState::Live, 12, 112));
    twins.passes(90 * MS);
    twins.bring(1, [delta(13)]);
    assert_eq!((twins.shown(), twins.resyncs()), ((BookState::Live, 14, 114), [1, 0]));
    twins.bring(0, [delta(16)]);
    twins.passes(99 * MS);
    assert_eq!(twins.shown().0, BookState::Live);
    twins.passes(MS);
    assert_eq!((twins.shown().0, twins.resyncs()), (BookState::Buffering, [2, 0]));
}

#[test]
fn the_loss_of_one_stops_nothing_and_that_of_both_makes_the_book_stale() {
    let mut twins = Twins::live();
    twins.loses(0);
    let health = twins.health();
    assert_eq!((health.state, health.reconnects), (Readiness::Ready, 1));
    assert_eq!(health.lines.map(|line| line.state), [Readiness::Down, Readiness::Ready]);
    assert_eq!(health.lines.map(|line| line.reconnects), [1, 0]);
    assert_eq!(twins.shown(), (BookState::Live, 10, 110));
    twins.bring(1, [delta(11)]);
    assert_eq!(twins.shown(), (BookState::Live, 11, 111));
    // One alone is not waited for.
    twins.bring(1, [delta(13)]);
    assert_eq!((twins.shown().0, twins.resyncs()), (BookState::Buffering, [1, 1]));
    twins.bring(1, [depth(FetchedSnapshot, [12, 12], 112, 10_000)]);
    assert_eq!(twins.shown(), (BookState::Live, 13, 113));
    twins.loses(1);
    assert_eq!(twins.shown(), (BookState::Stale, 13, 113));
    let health = twins.health();
    assert_eq!((health.state, health.reconnects), (Readiness::Down, 2));
    // Whichever is back first begins anew.
    twins.comes_back(1);
    twins.bring(1, [delta(20)]);
    // It was fetched twice just now: a third time after a pause.
    twins.passes(250 * MS);
    assert_eq!((twins.shown().0, twins.resyncs()), (BookState::Buffering, [1, 2]));
    twins.bring(1, [depth(FetchedSnapshot, [20, 20], 120, 10_000)]);
    assert_eq!(twins.shown(), (BookState::Live, 20, 120));
}

#[test]
fn one_that_comes_back_joins_without_a_resync_and_goes_on_counting() {
    let mut twins = Twins::live();
    twins.loses(0);
    for id in 11..200 {
        twins.bring(1, [delta(id)]);
    }
    let before = twins.lines();
    twins.comes_back(0);
    // It begins behind the other one.
    for id in 195..200 {
        twins.bring(0, [delta(id)]);
    }
    twins.bring(0, [delta(200)]);
    twins.bring(1, [delta(200)]);
    assert_eq!((twins.shown(), twins.resyncs()), ((BookState::Live, 200, 300), [1, 0]));
    let health = twins.health();
    let [first, second] = health.lines;
    assert_eq!((first.first, first.late), (before[0].first + 1, before[0].late + 5));
    assert_eq!((second.first, second.late), (before[1].first, before[1].late + 1));
    assert_eq!((health.gaps, first.missed, first.reconnects), (0, 0, 1));
    // And now the other one may go.
    twins.loses(1);
    twins.bring(0, [delta(201)]);
    assert_eq!(twins.shown(), (BookState::Live, 201, 301));
}

#[test]
fn a_book_that_the_other_one_does_not_bring_yet_is_stale() {
    let mut twins = Twins::live();
    twins.loses(1);
    twins.comes_back(1);
    twins.loses(0);
    assert_eq!(twins.shown(), (BookState::Stale, 10, 110), "ready, but nothing has come there");
    assert_eq!(twins.health().state, Readiness::Ready);
}

#[test]
fn a_snapshot_is_asked_of_the_other_one_if_whoever_was_asked_cannot_fetch_it() {
    for lost in [Channel::Public, Channel::Rest] {
        let mut twins = Twins::ready();
        twins.bring(1, [delta(10)]);
        assert_eq!(twins.resyncs(), [0, 1], "the other one has not brought the book");
        twins.bring(0, [delta(10)]);
        twins.bring(0, [delta(11)]);
        assert_eq!(twins.resyncs(), [0, 1], "one is asked, and once");
        twins.bring(1, [ready(lost, Readiness::Down)]);
        assert_eq!(twins.resyncs(), [1, 1]);
        twins.bring(0, [depth(FetchedSnapshot, [10, 10], 110, 10_000)]);
        assert_eq!(twins.shown(), (BookState::Live, 11, 111));
        // What the first one fetched after all is late.
        twins.bring(1, [depth(FetchedSnapshot, [10, 10], 110, 10_000)]);
        assert_eq!(twins.shown(), (BookState::Live, 11, 111));
    }
}

#[test]
fn a_snapshot_that_comes_when_neither_is_there_makes_nothing_live() {
    let mut twins = Twins::ready();
    twins.bring(0, [delta(10)]);
    twins.bring(1, [delta(10)]);
    assert_eq!(twins.resyncs(), [1, 0]);
    twins.loses(1);
    twins.loses(0);
    twins.bring(0, [depth(FetchedSnapshot, [10, 10], 110, 10_000)]);
    assert_eq!(twins.shown(), (BookState::Stale, 0, 0));
    for line in [0, 1] {
        twins.comes_back(line);
        twins.bring(line, [depth(FetchedSnapshot, [10, 10], 110, 10_000)]);
        assert_eq!(twins.shown(), (BookState::Stale, 0, 0), "nothing has come yet");
    }
    twins.bring(1, [delta(20)]);
    assert_eq!((twins.shown().0, twins.resyncs()), (BookState::Buffering, [1, 1]));
    twins.bring(1, [depth(FetchedSnapshot, [20, 20], 120, 10_000)]);
    assert_eq!(twins.shown(), (BookState::Live, 20, 120));
}

#[test]
fn snapshots_of_the_stream_turn_nothing_back_unless_the_ids_start_anew() {
    let mut twins = Twins::ready();
    twins.bring(0, [depth(Snapshot, [100, 100], 100, 10_000)]);
    twins.bring(0, [depth(Delta, [101, 101], 101, 10_000)]);
    // The other one begins with what the book has left behind, then with what it does not know.
    twins.bring(1, [depth(Snapshot, [99, 99], 99, 10_000)]);
    assert_eq!(twins.shown(), (BookState::Live, 101, 101));
    twins.bring(1, [depth(Snapshot, [103, 103], 103, 10_000)]);
    assert_eq!(twins.shown(), (BookState::Live, 103, 103));
    twins.bring(0, [depth(Delta, [102, 102], 102, 10_000)]);
    twins.bring(0, [depth(Delta, [103, 103], 103, 10_000)]);
    twins.bring(0, [depth(Delta, [104, 104], 104, 10_000)]);
    assert_eq!(twins.shown(), (BookState::Live, 104, 104));
    // The venue starts its ids anew; its sequence goes on.
    let anew = |kind, id: u64, sequence, bid| {
        let (mut event, levels) = depth(kind, [id, id], bid, 10_000);
        if let Event::Depth(update) = &mut event {
            update.sequence = sequence;
        }
        (event, levels)
    };
    twins.bring(1, [anew(Snapshot, 1, 200, 50)]);
    twins.bring(1, [anew(Delta, 2, 201, 51)]);
    assert_eq!(twins.shown(), (BookState::Live, 201, 51));
    for item in [anew(Delta, 105, 105, 99), anew(Snapshot, 1, 200, 50), anew(Delta, 2, 201, 51)] {
        twins.bring(0, [item]);
        assert_eq!(twins.shown(), (BookState::Live, 201, 51));
    }
    twins.bring(0, [anew(Delta, 3, 202, 52)]);
    assert_eq!(twins.shown(), (BookState::Live, 202, 52));
    twins.passes(200 * MS);
    assert_eq!((twins.shown().0, twins.resyncs()), (BookState::Live, [0, 0]));
}

#[test]
fn deltas_whose_ids_start_anew_on_both_are_one_resync() {
    let mut twins = Twins::live();
    for id in 11..500 {
        twins.bring(0, [delta(id)]);
        twins.bring(1, [delta(id)]);
    }
    for id in 1..=64 {
        twins.bring(0, [delta(id)]);
        twins.bring(1, [delta(id)]);
    }
    assert_eq!((twins.shown().0, twins.resyncs()), (BookState::Live, [1, 0]));
    twins.bring(0, [delta(65)]);
    assert_eq!((twins.shown().0, twins.resyncs()), (BookState::Buffering, [2, 0]));
    twins.bring(0, [depth(FetchedSnapshot, [65, 65], 165, 10_000)]);
    for id in 65..200 {
        twins.bring(1, [delta(id)]);
        twins.bring(0, [delta(id + 1)]);
    }
    let health = twins.health();
    assert_eq!((health.books_live, health.gaps, twins.resyncs()), (1, 1, [2, 0]));
    assert_eq!(twins.view.health(VENUE).feed.resyncs, 1);
}

#[test]
fn a_connection_that_counts_with_other_ids_is_noticed_once_it_is_alone() {
    let mut twins = Twins::live();
    // The first one has gone through a change of ids that the second one was away for.
    twins.bring(0, [delta(11)]);
    twins.bring(0, [depth(Delta, [12, 10_003], 120, 10_000)]);
    twins.bring(0, [depth(Delta, [10_004, 10_004], 121, 10_000)]);
    for id in 20..200 {
        twins.bring(1, [delta(id)]);
    }
    assert_eq!((twins.shown(), twins.resyncs()), ((BookState::Live, 10_004, 121), [1, 0]));
    twins.loses(0);
    for id in 200..264 {
        twins.bring(1, [delta(id)]);
    }
    assert_eq!((twins.shown().0, twins.resyncs()), (BookState::Live, [1, 0]), "all repeated?");
    twins.bring(1, [delta(264)]);
    assert_eq!((twins.shown().0, twins.resyncs()), (BookState::Buffering, [1, 1]));
    twins.bring(1, [depth(FetchedSnapshot, [264, 264], 364, 10_000)]);
    assert_eq!(twins.shown(), (BookState::Live, 264, 364));
}

#[test]
fn trades_are_not_doubled_and_none_is_missing() {
    let mut twins = Twins::live();
    twins.bring(0, [trade(1), trade(2)]);
    twins.bring(1, [trade(1)]);
    twins.bring(1, [trade(2), trade(3)]);
    // Three of one id, as where a sequence stands for it.
    twins.bring(1, [trade(4), trade(4)]);
    twins.bring(0, [trade(4), trade(4), trade(4)]);
    twins.bring(1, [trade(4)]);
    // One misses some.
    twins.bring(0, [trade(7)]);
    twins.bring(1, [trade(5), trade(6), trade(7)]);
    assert_eq!(twins.prints(), [1, 2, 3, 4, 4, 4, 7, 5, 6]);
    twins.loses(0);
    twins.bring(1, [trade(8)]);
    twins.comes_back(0);
    twins.bring(0, [trade(8)]);
    assert_eq!(twins.prints(), [8]);
}

#[test]
fn trades_whose_ids_are_hashes_are_told_apart_by_their_times() {
    let mut twins = Twins::down(false).made_ready();
    let (mut wanted, mut seen) = (Vec::new(), Vec::new());
    // Two in each millisecond, with ids that go up and down; who is first changes.
    for number in 0..300u64 {
        let trade = |of: u64| {
            let id = (2 * number + of).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 14;
            let (mut item, event_ns) = (trade(id), Nanos(NOW.0 + number * 1_000_000));
            if let Event::Trade(trade) = &mut item.0 {
                (trade.event_ns, trade.price) = (event_ns, Price((2 * number + of) as i64));
            }
            item
        };
        for line in [number as usize % 2, (number as usize + 1) % 2] {
            twins.bring(line, [trade(0), trade(1)]);
        }
        wanted.extend([2 * number as i64, 2 * number as i64 + 1]);
        let trades = &mut twins.trades;
        seen.extend(std::iter::from_fn(|| trades.next().unwrap()).map(|print| print.trade.price.0));
    }
    assert_eq!(seen, wanted);
}

/// What happens on the two connections: which of them bring each message, and who is read when.
#[derive(Debug)]
struct Course {
    deltas: Vec<(Side, i64, i64)>,
    /// Of each message, whether the first, the second or both bring it.
    bringers: Vec<u8>,
    /// Which connection is read next.
    turns: Vec<bool>,
}

fn course() -> impl Strategy<Value = Course> {
    let side = prop_oneof![Just(Side::Buy), Just(Side::Sell)];
    let message = ((side, 0..8i64, 0..4i64), 1..=3u8);
    (prop::collection::vec(message, 1..200), prop::collection::vec(any::<bool>(), 400)).prop_map(
        |(messages, turns)| {
            let (deltas, bringers) = messages.into_iter().unzip();
            Course { deltas, bringers, turns }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    /// Whatever each of them misses and though one is far behind: as long as each message comes on one
    /// of them, the book is that of a perfect connection, and nothing is fetched.
    #[test]
    fn two_bad_connections_are_one_perfect_one(course in course()) {
        let mut twins = Twins::live();
        let mut perfect: [BTreeMap<i64, i64>; 2] = Default::default();
        perfect[0].insert(110, 500);
        perfect[1].insert(10_000, 500);
        let mut queues: [VecDeque<(u64, Vec<Item>)>; 2] = Default::default();
        for (number, (side, place, qty)) in course.deltas.iter().enumerate() {
            let (ladder, price) = match side {
                Side::Buy => (&mut perfect[0], 100 + place),
                Side::Sell => (&mut perfect[1], 9_990 + place),
            };
            if *qty == 0 { ladder.remove(&price); } else { ladder.insert(price, *qty); }
            let id = 11 + number as u64;
            let levels = [level(price, *qty)];
            let (bids, asks) = match side {
                Side::Buy => (&levels[..], &[][..]),
                Side::Sell => (&[][..], &levels[..]),
            };
            for (line, queue) in queues.iter_mut().enumerate() {
                if course.bringers[number] >> line & 1 == 1 {
                    queue.push_back((id, vec![of(Delta, [id, id], bids, asks), trade(id)]));
                }
            }
        }
        let all = queues.iter().map(VecDeque::len).sum::<usize>();
        let mut turns = course.turns.iter().cycle();
        let mut read = 0;
        while read < all {
            let line = usize::from(*turns.next().unwrap());
            let next = [0, 1].map(|line: usize| queues[line].front().map_or(u64::MAX, |next| next.0));
            // As far behind as trades are remembered.
            let line = if next[line] > next[1 - line].saturating_add(60) { 1 - line } else { line };
            if let Some((_, message)) = queues[line].pop_front() {
                twins.bring(line, message);
                read += 1;
            }
            prop_assert_eq!(twins.shown().0, BookState::Live);
        }
        let mut shown = Depth::default();
        twins.view.depth(BTC, &mut shown);
        let ladder = |levels: &[Level]| -> BTreeMap<i64, i64> {
            levels.iter().map(|level| (level.price.0, level.qty.0)).collect()
        };
        prop_assert_eq!(ladder(shown.bids()), perfect[0].clone());
        prop_assert_eq!(ladder(shown.asks()), perfect[1].clone());
        prop_assert_eq!(shown.sequence, 10 + course.deltas.len() as u64);
        let mut prints = twins.prints();
        prints.sort_unstable();
        prop_assert_eq!(prints, (11..11 + course.deltas.len() as u64).collect::<Vec<_>>());
        let health = twins.health();
        prop_assert_eq!((health.gaps, health.resyncs, twins.resyncs()), (0, 0, [1, 0]));
        let lines = health.lines;
        let (first, late) = (lines[0].first + lines[1].first, lines[0].late + lines[1].late);
        // The book's first delta came on both.
        prop_assert_eq!(first as usize, 1 + 2 * course.deltas.len());
        prop_assert_eq!(late as usize, 1 + 2 * (all - course.deltas.len()));
    }
}

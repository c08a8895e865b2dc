//! A feed over scripted events: which state and which prices it shows after each.

use crate::desk::{BTC, NOW, VENUE, instruments, market, top};
use crate::twins::{depth, hand_out};
use stoop::agents::{Agent, Feed, FeedBook, FeedLatency, FeedParts, Session, log};
use stoop::book::{Book, BookOptions};
use stoop::clock::Clock;
use stoop::net::tls::client_config;
use stoop::shm::MarketView;
use stoop::sync::spsc;
use stoop::types::*;
use stoop::venues::{
    ChannelSpec, Connector, DecodeError, EncodeError, Outbox, RequestId, Response,
};

/// Hands out events written beforehand, a batch for each command. It wants no connection.
struct Scripted(Vec<Vec<(Event, Vec<Level>)>>);

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
        _: &Command,
        _: Nanos,
        _: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), EncodeError> {
        hand_out(self.0.remove(0), events);
        Ok(())
    }

    fn deadline(&self) -> Option<Nanos> {
        None
    }

    fn on_deadline(&mut self, _: Nanos, _: &mut Outbox, _: &mut Events) {}
}

/// A feed over scripted events, its region, and the way to ask for the next batch.
fn feed(script: Vec<Vec<(Event, Vec<Level>)>>) -> (Feed, MarketView, spsc::Producer<Command>) {
    let instruments = instruments();
    let market = market(&instruments);
    let view = market.view();
    let clock = Clock::manual(NOW);
    let (log, _, _) = log::channel(64);
    let connector = Box::new(Scripted(script));
    let session = Session::open(connector, client_config(&[]).unwrap(), 64, &clock, log).unwrap();
    let (ask, control) = spsc::channel(16);
    let parts = FeedParts {
        name: "feed:scripted".to_owned(),
        sessions: vec![session],
        books: vec![FeedBook {
            instrument: BTC,
            streamed: false,
            book: Book::new(Price(1), BookOptions::default()),
            writer: market.book_writer(BTC).unwrap(),
            trades: market.trade_writer(BTC).unwrap(),
            perpetual: market.perpetual_writer(BTC).unwrap(),
            marks: Perpetual::default(),
            top_sequence: 0,
            top_crossed: false,
        }],
        health: market.health_writer(VENUE).unwrap().feed,
        latency: FeedLatency::new(&market, VENUE).unwrap(),
        control,
    };
    (Feed::new(parts), view, ask)
}

/// The state, sequence and best prices after each batch.
fn played(script: Vec<Vec<(Event, Vec<Level>)>>) -> Vec<(BookState, u64, i64, i64)> {
    let batches = script.len();
    let (mut feed, view, mut ask) = feed(script);
    let play = |_| {
        let kind = CommandKind::Subscribe(BTC);
        let command = Command { tick_ns: NOW, ..Command::new(kind, NOW) };
        assert!(ask.push(command).is_ok());
        feed.poll(NOW);
        let best = view.best(BTC);
        (best.state, best.sequence, best.bid.price.0, best.ask.price.0)
    };
    (0..batches).map(play).collect()
}

#[test]
fn a_book_that_is_whole_again_is_live_at_once_though_its_top_is_newer() {
    use DepthKind::{Delta, FetchedSnapshot};
    let shown = played(vec![
        vec![depth(Delta, [8, 9], 100, 102)],
        vec![depth(FetchedSnapshot, [10, 10], 100, 102)],
        vec![(Event::Top(top(20, 101, 103)), vec![])],
        vec![depth(Delta, [15, 16], 100, 102)],
        vec![depth(FetchedSnapshot, [18, 18], 100, 102)],
    ]);
    assert_eq!(
        shown,
        [
            (BookState::Buffering, 0, 0, 0),
            (BookState::Live, 10, 100, 102),
            (BookState::Live, 20, 101, 103),
            (BookState::Buffering, 20, 101, 103),
            (BookState::Live, 20, 101, 103),
        ]
    );
}

#[test]
fn a_crossed_top_is_not_live_before_a_newer_one_says_so() {
    use DepthKind::{Delta, FetchedSnapshot};
    let shown = played(vec![
        vec![depth(Delta, [8, 9], 100, 102)],
        vec![(Event::Top(top(20, 105, 103)), vec![])],
        vec![depth(FetchedSnapshot, [10, 10], 100, 102)],
        vec![depth(Delta, [11, 12], 100, 102)],
        vec![(Event::Top(top(21, 101, 103)), vec![])],
    ]);
    assert_eq!(
        shown,
        [
            (BookState::Buffering, 0, 0, 0),
            (BookState::Stale, 20, 105, 103),
            (BookState::Stale, 20, 105, 103),
            (BookState::Stale, 20, 105, 103),
            (BookState::Live, 21, 101, 103),
        ]
    );
}

#[test]
fn deltas_that_waited_for_the_snapshot_make_it_newer_than_the_top() {
    use DepthKind::{Delta, FetchedSnapshot};
    let shown = played(vec![
        vec![depth(Delta, [8, 9], 100, 102)],
        vec![(Event::Top(top(20, 101, 103)), vec![])],
        vec![depth(Delta, [10, 25], 100, 104)],
        vec![depth(FetchedSnapshot, [18, 18], 99, 105)],
        // Older than what the book already shows.
        vec![(Event::Top(top(24, 90, 91)), vec![])],
    ]);
    assert_eq!(
        shown,
        [
            (BookState::Buffering, 0, 0, 0),
            (BookState::Buffering, 20, 101, 103),
            (BookState::Buffering, 20, 101, 103),
            (BookState::Live, 25, 100, 104),
            (BookState::Live, 25, 100, 104),
        ]
    );
}

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

    /// The first instrument has a connection of its own.
    fn book_channel(&self, id: InstrumentId) -> Channel {
        if id == BTC { Channel::Public } else { Channel::PublicMore }
    }
}

/// A feed over scripted events, its region, and the way to ask for the next batch.
fn feed(script: Vec<Vec<(Event, Vec<Level>)>>) -> (Feed, MarketView, spsc::Producer<Command>) {
    feed_of(&instruments(), script)
}

fn feed_of(
    instruments: &InstrumentTable,
    script: Vec<Vec<(Event, Vec<Level>)>>,
) -> (Feed, MarketView, spsc::Producer<Command>) {
    let market = market(instruments);
    let view = market.view();
    let clock = Clock::manual(NOW);
    let (log, _) = log::channel(64);
    let connector = Box::new(Scripted(script));
    let session = Session::open(connector, client_config(&[]).unwrap(), 64, &clock, log).unwrap();
    let (ask, control) = spsc::channel(16);
    let book = |instrument: InstrumentId| FeedBook {
        instrument,
        streamed: false,
        book: Book::new(Price(1), BookOptions::default()),
        writer: market.book_writer(instrument).unwrap(),
        trades: market.trade_writer(instrument).unwrap(),
        perpetual: market.perpetual_writer(instrument).unwrap(),
        marks: Perpetual::default(),
        top_sequence: 0,
        top_crossed: false,
    };
    let parts = FeedParts {
        name: "feed:scripted".to_owned(),
        sessions: vec![session],
        books: instruments.iter().map(|instrument| book(instrument.id)).collect(),
        trade_ids_rise: true,
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

/// Two connections, one for each book: what is lost on one leaves the other's book alone.
#[test]
fn the_loss_of_a_connection_costs_the_books_that_it_brought() {
    use DepthKind::{Delta, Snapshot};
    let mut both = instruments();
    let perpetual = both.get(BTC).unwrap().clone();
    let more = both.add(Instrument { kind: InstrumentKind::LinearPerpetual, ..perpetual });
    let of = |(event, levels): (Event, Vec<Level>)| match event {
        Event::Depth(update) => (Event::Depth(DepthUpdate { instrument: more, ..update }), levels),
        other => (other, levels),
    };
    let tell = |channel, state| {
        (Event::Notice(VenueNotice::Readiness(channel, state)), Vec::<Level>::new())
    };
    let (spot, other) = (Channel::Public, Channel::PublicMore);
    let script = vec![
        vec![tell(spot, Readiness::Ready), depth(Snapshot, [10, 10], 100, 102)],
        vec![tell(other, Readiness::Ready), of(depth(Snapshot, [70, 70], 200, 202))],
        vec![tell(other, Readiness::Down)],
        vec![depth(Delta, [11, 11], 101, 102)],
        vec![tell(other, Readiness::Joining)],
        vec![of(depth(Snapshot, [90, 90], 300, 302)), tell(other, Readiness::Ready)],
        vec![tell(spot, Readiness::Down)],
    ];
    let steps = script.len();
    let (mut feed, view, mut ask) = feed_of(&both, script);
    let states = (0..steps).map(|at| {
        let now = NOW.plus(at as u64 * 1_000_000_000);
        let kind = CommandKind::Subscribe(BTC);
        assert!(ask.push(Command { tick_ns: now, ..Command::new(kind, now) }).is_ok());
        feed.poll(now);
        let health = view.health(VENUE).feed;
        (view.best(BTC).state, view.best(more).state, health.state, health.reconnects)
    });
    use BookState::{Empty, Live, Stale};
    use Readiness::{Joining, Ready};
    assert_eq!(
        states.collect::<Vec<_>>(),
        [
            (Live, Empty, Joining, 0),
            (Live, Live, Ready, 0),
            (Live, Stale, Joining, 1),
            (Live, Stale, Joining, 1),
            (Live, Stale, Joining, 1),
            (Live, Live, Ready, 1),
            (Stale, Live, Joining, 2),
        ]
    );
}

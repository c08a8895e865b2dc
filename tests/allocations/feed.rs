//! A feed with two connections does not allocate, though one lags behind and each misses what the
//! other one brings.

use crate::counting::allocations;
use stoop::agents::{Agent, Feed, FeedBook, FeedLatency, FeedParts, Session, log};
use stoop::book::{Book, BookOptions};
use stoop::clock::Clock;
use stoop::net::tls::client_config;
use stoop::shm::{Market, RegionOptions};
use stoop::sync::spsc;
use stoop::types::*;
use stoop::venues::{
    ChannelSpec, Connector, DecodeError, EncodeError, Outbox, RequestId, Response,
};

const START: Nanos = Nanos(1_800_000_000_000_000_000);
const BTC: InstrumentId = InstrumentId(0);

/// Brings a delta, a top and a trade of the next id at every deadline, but not of every tenth.
struct Stream {
    id: u64,
    misses: u64,
    asked: bool,
}

impl Connector for Stream {
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
        self.asked |= matches!(command.kind, CommandKind::Resync(_));
        Ok(())
    }

    fn deadline(&self) -> Option<Nanos> {
        Some(Nanos(0))
    }

    fn on_deadline(&mut self, _: Nanos, _: &mut Outbox, events: &mut Events) {
        if self.id == 100 {
            let ready = VenueNotice::Readiness(Channel::Public, Readiness::Ready);
            events.push(Event::Notice(ready)).unwrap();
        }
        let level = |price: i64| Level { price: Price(price), qty: Qty(1) };
        let mut bring = |kind, id: u64| {
            let levels_start = events.levels_len();
            events.push_level(level(1_000 + (id % 50) as i64)).unwrap();
            events.push_level(level(2_000 + (id % 50) as i64)).unwrap();
            let update = DepthUpdate {
                instrument: BTC,
                kind,
                first_id: id,
                last_id: id,
                sequence: id,
                levels_start,
                bids: 1,
                asks: 1,
                event_ns: START,
            };
            events.push(Event::Depth(update)).unwrap();
        };
        let id = self.id;
        self.id += 1;
        if id % 10 == self.misses {
            return;
        }
        bring(DepthKind::Delta, id);
        if std::mem::take(&mut self.asked) {
            bring(DepthKind::FetchedSnapshot, id);
        }
        let (bid, ask) = (level(1_000), level(2_000));
        let top = TopOfBook { instrument: BTC, sequence: id, bid, ask, event_ns: START };
        events.push(Event::Top(top)).unwrap();
        let (price, qty, taker) = (Price(1_000), Qty(1), Side::Buy);
        let trade = Trade { instrument: BTC, taker, price, qty, trade_id: id, event_ns: START };
        events.push(Event::Trade(trade)).unwrap();
    }
}

#[test]
fn a_feed_with_two_connections_does_not_allocate() {
    let mut table = InstrumentTable::default();
    table.add(Instrument { name: "BTC/USDT@a".to_owned(), ..Instrument::default() });
    let market = Market::in_memory(&table, &RegionOptions::default()).unwrap();
    let view = market.view();
    let clock = Clock::manual(START);
    // The second one is five messages behind.
    let session = |(id, misses)| {
        let (log, _) = log::channel(64);
        let stream = Box::new(Stream { id, misses, asked: false });
        Session::open(stream, client_config(&[]).unwrap(), 64, &clock, log).unwrap()
    };
    let (_control, control) = spsc::channel(16);
    let mut feed = Feed::new(FeedParts {
        name: "feed:a".to_owned(),
        sessions: [(100, 3), (95, 7)].map(session).into(),
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
        trade_ids_rise: true,
        health: market.health_writer(VenueId(0)).unwrap().feed,
        latency: FeedLatency::new(&market, VenueId(0)).unwrap(),
        control,
    });
    let mut now = START;
    let mut polls = |count| {
        for _ in 0..count {
            now = now.plus(1_000_000);
            feed.poll(now);
        }
    };
    polls(100);
    let before = view.health(VenueId(0)).feed;
    assert_eq!(allocations(|| polls(10_000)), 0);
    let after = view.health(VenueId(0)).feed;
    assert_eq!((after.gaps, after.resyncs), (before.gaps, before.resyncs));
    let filled = after.lines[1].filled - before.lines[1].filled;
    assert!((999..=1_001).contains(&filled), "each hole of the first one: {filled}");
    let best = view.best(BTC);
    assert!(best.state == BookState::Live && best.sequence > 10_100, "{best:?}");
}

//! Books that are not live or too old are not traded on, whatever a strategy thinks; and a book
//! that is live again is traded on again.

use crate::rig::{BYBIT, Rig};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use stoop::agents::{
    Agent, Feed, FeedBook, FeedHistograms, FeedParts, Lifecycle, OmsAgent, OmsParts, Session,
    StrategyPort, VenuePort, log,
};
use stoop::book::{Book, BookOptions};
use stoop::clock::Clock;
use stoop::net::tls::client_config;
use stoop::oms::{OmsOptions, RiskLimits, RiskReject};
use stoop::shm::{Market, MarketView, RegionOptions, Stage, StrategyFile, StrategyOptions};
use stoop::sim::Fault;
use stoop::sync::spsc;
use stoop::types::*;
use stoop::venues::{
    ChannelSpec, Connector, DecodeError, EncodeError, Outbox, RequestId, Response,
};

const SECOND: u64 = 1_000_000_000;
const NOW: Nanos = Nanos(1_800_000_000 * SECOND);
const E18: i128 = 10i128.pow(18);
const BTC: InstrumentId = InstrumentId(0);
const VENUE: VenueId = VenueId(0);

fn instruments() -> InstrumentTable {
    let mut table = InstrumentTable::default();
    let (base, quote) = (table.assets.intern("BTC"), table.assets.intern("USDT"));
    let rules =
        InstrumentRules { tick_size: Price(1), lot_size: Qty(1), ..InstrumentRules::default() };
    let scale = Scale { price_decimals: 2, qty_decimals: 5 };
    table.add(Instrument { venue: VENUE, base, quote, scale, rules, ..Instrument::default() });
    table
}

fn level(price: i64, qty: i64) -> Level {
    Level { price: Price(price), qty: Qty(qty) }
}

fn top(sequence: u64, bid: i64, ask: i64) -> TopOfBook {
    let (bid, ask) = (level(bid, 1_000), level(ask, 1_000));
    TopOfBook { instrument: BTC, sequence, bid, ask, event_ns: NOW }
}

fn market(instruments: &InstrumentTable) -> Market {
    Market::in_memory(instruments, &RegionOptions::default()).unwrap()
}

#[test]
fn a_signal_on_a_book_that_is_not_live_is_refused_with_its_code() {
    let instruments = Arc::new(instruments());
    let market = market(&instruments);
    let view = market.view();
    let mut book = market.book_writer(BTC).unwrap();
    let histogram = |stage| market.histogram_writer(stage, VENUE).unwrap();
    let (commands, mut sent) = spsc::channel(64);
    let (mut tell, events) = spsc::channel(64);
    let (feed, _watched) = spsc::channel(64);
    let port = VenuePort {
        venue: VENUE,
        commands,
        events,
        feed,
        see: histogram(Stage::See),
        decide: histogram(Stage::Decide),
        risk: histogram(Stage::Risk),
    };
    let strategy = StrategyOptions { instruments: 1, ..StrategyOptions::default() };
    let (end, mut mine) = StrategyFile::in_memory(&strategy).unwrap();
    let limits = RiskLimits {
        order_notional_max: Amount(10_000 * E18),
        price_collar: Ppb(1_000_000),
        book_age_max_ns: 2 * SECOND,
        position_max: vec![(AssetId(0), Amount(10 * E18))],
        order_rate_max: 100,
        order_rate_window_ns: SECOND,
        open_orders_max: 100,
    };
    let (last, _end) = channel();
    let (log, _lines, _) = log::channel(64);
    let mut oms = OmsAgent::new(OmsParts {
        options: OmsOptions { limits, venues: vec![vec![Channel::Trade]], ..OmsOptions::default() },
        instance_start: NOW,
        instruments: instruments.clone(),
        account: market.account_writer().unwrap(),
        leg_skew: market.histogram_writer(Stage::LegSkew, VENUE).unwrap(),
        market,
        venues: vec![port],
        strategies: vec![StrategyPort { strategy: StrategyId(0), end }],
        lifecycle: Lifecycle::default(),
        last,
        log,
    });
    for notice in
        [VenueNotice::Readiness(Channel::Trade, Readiness::Ready), VenueNotice::BalancesEnd]
    {
        assert!(tell.push(Event::Notice(notice)).is_ok());
    }
    let mut number = 0;
    // Emits a buy of the ask, and gives the refusal that it met, 0 for none.
    let mut signal = |now: Nanos| {
        number += 1;
        let mut signal = Signal { id: SignalId(number), legs_len: 1, ..Signal::default() };
        let (price, qty) = (Price(6_000_010), Qty(1_000));
        let time_in_force = TimeInForce::Ioc;
        signal.legs[0] = Leg { instrument: BTC, price, qty, time_in_force, ..Leg::default() };
        mine.requests.push_signal(&signal).unwrap();
        oms.poll(now);
        mine.reports.pop().map_or(0, |report| report.risk)
    };
    let (not_live, too_old) = (RiskReject::BookNotLive as u8, RiskReject::BookTooOld as u8);
    let mut orders = 0;
    let mut step = |now: Nanos, refusal: u8| {
        assert_eq!(signal(now), refusal);
        let commands = std::iter::from_fn(|| sent.pop());
        let new = commands.filter(|command| matches!(command.kind, CommandKind::New(_))).count();
        assert_eq!(new, usize::from(refusal == 0));
        orders += new as u64;
    };
    step(NOW, not_live);
    book.publish_top(&top(1, 6_000_000, 6_000_010), BookState::Live, NOW, NOW);
    step(NOW, 0);
    for state in [BookState::Stale, BookState::Buffering, BookState::Empty] {
        book.set_state(state, NOW);
        step(NOW, not_live);
    }
    book.set_state(BookState::Live, NOW);
    step(NOW.plus(2 * SECOND), 0);
    step(NOW.plus(2 * SECOND + 1), too_old);
    // The counters are published at intervals.
    step(NOW.plus(3 * SECOND), too_old);
    let counters = view.counters();
    assert_eq!(counters.refusals[usize::from(not_live)], 4);
    assert_eq!(counters.refusals[usize::from(too_old)], 2);
    assert_eq!((counters.signals, counters.signals_refused), (8, 6));
    assert_eq!((counters.orders_sent, orders), (2, 2));
}

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
        for (mut event, levels) in self.0.remove(0) {
            if let Event::Depth(update) = &mut event {
                update.levels_start = events.levels_len();
            }
            levels.into_iter().for_each(|level| events.push_level(level).unwrap());
            events.push(event).unwrap();
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Nanos> {
        None
    }

    fn on_deadline(&mut self, _: Nanos, _: &mut Outbox, _: &mut Events) {}
}

/// A depth message of one bid and one ask.
fn depth(kind: DepthKind, ids: [u64; 2], bid: i64, ask: i64) -> (Event, Vec<Level>) {
    let [first_id, last_id] = ids;
    let update = DepthUpdate {
        instrument: BTC,
        kind,
        first_id,
        last_id,
        sequence: last_id,
        levels_start: 0,
        bids: 1,
        asks: 1,
        event_ns: NOW,
    };
    (Event::Depth(update), vec![level(bid, 500), level(ask, 500)])
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
    let histogram = |stage| market.histogram_writer(stage, VENUE).unwrap();
    let (ask, control) = spsc::channel(16);
    let parts = FeedParts {
        name: "feed:scripted".to_owned(),
        session,
        books: vec![FeedBook {
            instrument: BTC,
            streamed: false,
            book: Book::new(Price(1), BookOptions::default()),
            writer: market.book_writer(BTC).unwrap(),
            trades: market.trade_writer(BTC).unwrap(),
            top_sequence: 0,
            top_crossed: false,
        }],
        health: market.health_writer(VENUE).unwrap().feed,
        histograms: FeedHistograms {
            decode: histogram(Stage::Decode),
            publish: histogram(Stage::Publish),
        },
        control,
        depth: 20,
    };
    (Feed::new(parts), view, ask)
}

/// The state, sequence and best prices after each batch.
fn played(script: Vec<Vec<(Event, Vec<Level>)>>) -> Vec<(BookState, u64, i64, i64)> {
    let batches = script.len();
    let (mut feed, view, mut ask) = feed(script);
    let play = |_| {
        let kind = CommandKind::Subscribe(BTC);
        let command = Command { kind, signal: SignalId(0), tick_ns: NOW, issued_ns: NOW };
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

/// A venue that falls silent without closing anything: its book still says live, and is too old.
#[test]
fn a_venue_that_falls_silent_is_not_traded_on() {
    let rig = Rig::trading();
    let before = rig.view.health(BYBIT);
    rig.fault(BYBIT, Fault::DelayMs(4_000));
    let silent = Instant::now();
    // The limit is two seconds; what was sent just before it needs a moment to be counted.
    rig.wait("the book is too old", |_| silent.elapsed() > Duration::from_millis(2_400));
    let quiet = rig.counters();
    let too_old = RiskReject::BookTooOld as usize;
    rig.wait("a signal is refused", |rig| {
        rig.counters().refusals[too_old] > quiet.refusals[too_old]
    });
    rig.wait("the silence is nearly over", |_| silent.elapsed() > Duration::from_millis(3_700));
    let still = rig.counters();
    assert_eq!(still.orders_sent, quiet.orders_sent, "an order was sent on an old book");
    assert!(rig.books(BYBIT).iter().all(|book| rig.state(*book) == BookState::Live));
    rig.fault(BYBIT, Fault::DelayMs(0));
    rig.wait("what was sent is known again", |rig| {
        silent.elapsed() > Duration::from_secs(8) && rig.counters().orders_unknown == 0
    });
    rig.goes_on_trading();
    assert_eq!(rig.view.health(BYBIT).feed.reconnects, before.feed.reconnects);
    rig.finish();
}

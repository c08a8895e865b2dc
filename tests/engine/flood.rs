//! A burst of market data in a folded loop: what the venue says to an order waits for no more than
//! a round of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stoop::agents::{Agent, Assembly, EngineSetup, Sizes, log};
use stoop::clock::Clock;
use stoop::config::Config;
use stoop::net::tls::client_config;
use stoop::pipe::{Latency, Network};
use stoop::sim::{Scripted, venues};
use stoop::strategy::prelude::*;
use stoop::types::{
    ClientOrderId, Instrument, InstrumentRules, InstrumentTable, Nanos, Price, Qty, Scale, VenueId,
};
use stoop::venues::{Credentials, Endpoints, Secret, VENUES};

const PORT: u16 = 9443;
const NAME: &str = "BTC/USDT@binance";
const START: u64 = 1_795_161_256_000_000_000;
const ROUND_NS: u64 = 20_000;
const ROUNDS_MAX: usize = 20_000;
const FLOOD: u64 = 2_000;
/// Messages that a feed reads in one poll.
const FEED_POLL: u64 = 16;

/// Buys one lot at the best ask when it is told to, or at every change of the book.
struct Taker {
    wanted: Arc<AtomicBool>,
    always: bool,
    instrument: Option<InstrumentRef>,
}

impl Strategy for Taker {
    fn on_start(&mut self, ctx: &mut Context) {
        self.instrument = ctx.instrument(NAME);
        if let Some(instrument) = &self.instrument {
            ctx.watch(instrument).unwrap();
        }
    }

    fn on_book(&mut self, ctx: &mut Context, _changed: InstrumentId) {
        let Some(instrument) = self.instrument else { return };
        let best = ctx.best(&instrument);
        if best.is_live() && (self.always || self.wanted.swap(false, Ordering::Relaxed)) {
            let order = ctx.signal().buy(&instrument, instrument.lot_size).limit_at(best.ask.price);
            order.ioc().emit().unwrap();
        }
    }
}

struct Rig {
    network: Network,
    clock: Clock,
    venue: Scripted,
    engine: Assembly,
    lines: log::LogReader,
    wanted: Arc<AtomicBool>,
    now: Nanos,
    updates: u64,
}

fn instruments() -> InstrumentTable {
    let mut table = InstrumentTable::default();
    let (base, quote) = (table.assets.intern("BTC"), table.assets.intern("USDT"));
    let rules =
        InstrumentRules { tick_size: Price(1), lot_size: Qty(1), ..InstrumentRules::default() };
    table.add(Instrument {
        name: NAME.to_owned(),
        symbol: "BTCUSDT".to_owned(),
        base,
        quote,
        scale: Scale { price_decimals: 2, qty_decimals: 5 },
        rules,
        ..Instrument::default()
    });
    table
}

fn config() -> Config {
    let text = format!(
        "mode = \"sim\"\ninstruments = [\"{NAME}\"]\n\
        [engine]\nname = \"flood\"\ndepth = 20\nidle = \"spin\"\n\
        [[thread]]\n\
        runs = [\"feed:binance\", \"strategy:taker\", \"oms\", \"exec:binance\"]\n\
        [limits]\norder_notional_max = \"1000000\"\nposition_max = {{ BTC = \"1000\" }}\n\
        price_collar_bps = 500\nbook_age_max_ms = 60000\n\
        orders_per_second_max = 100000\norders_open_max = 64\n\
        [journal]\nfolder = \"unused\"\n[venue.binance]\n"
    );
    Config::parse_with("flood", &text, &["taker"]).unwrap()
}

impl Rig {
    /// All agents and their venue; the book is live.
    fn new(always: bool) -> Self {
        let network = Network::new(1, Nanos(START));
        network.listen(PORT, Latency::default());
        let snapshot = r#"{"lastUpdateId":1,"bids":[["60000.00","1"]],"asks":[["60001.00","1"]]}"#;
        let script = venues::script(VENUES[0].name, snapshot.to_owned()).unwrap();
        let venue = Scripted::in_memory(script, network.clone(), PORT);
        let urls = venue.urls().unwrap();
        let (rest, public, trade, private) = (urls.rest, urls.public, urls.trade, urls.private);
        let (log, lines) = log::channel(4_096);
        let clock = Clock::manual(Nanos(START));
        let wanted = Arc::new(AtomicBool::new(false));
        let taker = Taker { wanted: wanted.clone(), always, instrument: None };
        let secret = Secret::new("secret".to_owned());
        let setup = EngineSetup {
            config: &config(),
            endpoints: vec![(VenueId(0), Endpoints { rest, public, trade, private })],
            order_endpoints: Vec::new(),
            credentials: vec![(VenueId(0), Credentials::new("key".to_owned(), secret))],
            instruments: Arc::new(instruments()),
            strategies: vec![("taker".to_owned(), Box::new(taker))],
            tls: client_config(&[]).unwrap(),
            journal: None,
            clock: clock.clone(),
            log,
        };
        let sizes = Sizes { rate_limits: 100_000, ..Sizes::default() };
        let engine = Assembly::in_memory(setup, network.clone(), &sizes).unwrap();
        let now = Nanos(START);
        let mut rig = Self { network, clock, venue, engine, lines, wanted, now, updates: 1 };
        (0..ROUNDS_MAX / 10).for_each(|_| rig.round_with_venue());
        rig
    }

    /// One round of the loop, in the order of a plan that folds all agents. Says how much the feed
    /// did.
    fn round(&mut self) -> usize {
        self.now = self.now.plus(ROUND_NS);
        self.clock.set(self.now);
        self.network.set_now(self.now);
        let engine = &mut self.engine;
        let read = engine.feeds.iter_mut().map(|feed| feed.poll(self.now)).sum();
        for strategy in &mut engine.strategies {
            strategy.poll(self.now);
        }
        engine.oms.poll(self.now);
        for executor in &mut engine.executors {
            executor.poll(self.now);
        }
        read
    }

    fn round_with_venue(&mut self) {
        self.round();
        self.venue.turn();
    }

    /// The venue sends one change of the book.
    fn publish(&mut self) {
        self.updates += 1;
        let (id, qty) = (self.updates, self.updates % 7 + 1);
        self.venue.publish(&format!(
            r#"{{"stream":"btcusdt@depth@100ms","data":{{"e":"depthUpdate","E":1795161255508,"s":"BTCUSDT","U":{id},"u":{id},"b":[["60000.00","{qty}"]],"a":[["60001.00","{qty}"]]}}}}"#
        ));
    }

    fn open(&self) -> BTreeSet<ClientOrderId> {
        self.engine.oms.oms().orders().iter_open().map(|order| order.client_id).collect()
    }

    /// Publishes until an order leaves in the round that reads the frame, and gives it.
    fn order(&mut self) -> ClientOrderId {
        for _ in 0..ROUNDS_MAX {
            self.wanted.store(true, Ordering::Relaxed);
            self.publish();
            self.round();
            if let Some(order) = self.open().pop_last() {
                return order;
            }
            self.venue.turn();
        }
        let said: Vec<String> = self.lines.take().into_iter().map(|line| line.text).collect();
        panic!("no order left: {said:#?}");
    }
}

/// The venue has ended the order, and then sent thousands of changes of the book. Gives the rounds
/// until the order manager knew, and checks that the feed read no more than its part in each of them.
fn rounds_until_known(rig: &mut Rig) -> usize {
    rig.venue.take_orders();
    let order = rig.order();
    rig.venue.turn_orders();
    assert_eq!(rig.venue.take_orders().count(), 1, "it left in the round of its tick");
    (0..FLOOD).for_each(|_| rig.publish());
    let mut rounds = 0;
    let mut read = 0;
    while rig.open().contains(&order) {
        let work = rig.round() as u64;
        assert!(work <= FEED_POLL + 1, "{work} in one poll");
        read += work;
        rounds += 1;
        assert!(rounds < 100, "the order's end is held up");
    }
    assert!(read < FLOOD / 10, "{read} of the flood came first");
    // Nothing of it is lost.
    let before = rig.updates;
    for _ in 0..ROUNDS_MAX / 10 {
        rig.round_with_venue();
    }
    rig.publish();
    (0..100).for_each(|_| rig.round_with_venue());
    assert_eq!(rig.engine.view.best(InstrumentId(0)).sequence, before + 1);
    rounds
}

#[test]
fn a_flood_of_market_data_holds_the_end_of_an_order_up_by_one_round() {
    let mut rig = Rig::new(false);
    for _ in 0..3 {
        // Read in the first round, at the order manager in the second.
        assert_eq!(rounds_until_known(&mut rig), 2);
    }
}

#[test]
fn and_by_one_more_where_every_round_sends_an_order() {
    let mut rig = Rig::new(true);
    for _ in 0..3 {
        let rounds = rounds_until_known(&mut rig);
        assert!((2..=3).contains(&rounds), "{rounds}");
    }
}

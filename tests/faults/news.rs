//! What a strategy is told of when it watches more instruments than it looks at in every round: of
//! everything that changed and of nothing else, as if it looked at all.

use crate::desk::{NOW, instruments, top};
use proptest::prelude::*;
use proptest::strategy::Strategy as _;
use std::sync::Arc;
use stoop::clock::Clock;
use stoop::shm::{BookWriter, Market, RegionOptions, StrategyFile, StrategyOptions, TradeWriter};
use stoop::strategy::{Context, ContextParts, Strategy, dispatch};
use stoop::types::*;

const VENUES: u8 = 3;

/// So many instruments, one after the other on three venues.
fn many(count: usize) -> InstrumentTable {
    let known = instruments();
    let row = known.iter().next().unwrap();
    let mut table = InstrumentTable::default();
    table.assets = known.assets.clone();
    for number in 0..count {
        let venue = VenueId(number as u8 % VENUES);
        let (name, symbol) = (format!("I{number}/USDT@v{}", venue.0), format!("I{number}USDT"));
        table.add(Instrument { venue, name, symbol, ..row.clone() });
    }
    table
}

/// Writes down what it is told.
#[derive(Default)]
struct Told {
    books: Vec<InstrumentId>,
    trades: Vec<u64>,
}

impl Strategy for Told {
    fn on_book(&mut self, _: &mut Context, changed: InstrumentId) {
        self.books.push(changed);
    }

    fn on_trade(&mut self, _: &mut Context, trade: &Trade) {
        self.trades.push(trade.trade_id);
    }
}

struct Scene {
    _market: Market,
    writers: Vec<(BookWriter, TradeWriter)>,
    ctx: Context,
    told: Told,
    _oms: stoop::shm::OmsEnd,
    names: Vec<String>,
    /// By instrument.
    watched: Vec<bool>,
    changed: Vec<bool>,
    prints: Vec<u64>,
    next: u64,
}

impl Scene {
    fn new(count: usize) -> Self {
        let table = Arc::new(many(count));
        let market = Market::in_memory(&table, &RegionOptions::default()).unwrap();
        let options = StrategyOptions { instruments: count, ..StrategyOptions::default() };
        let (oms, end) = StrategyFile::in_memory(&options).unwrap();
        let (view, clock, strategy) = (market.view(), Clock::manual(NOW), StrategyId(0));
        let writer = |id| (market.book_writer(id).unwrap(), market.trade_writer(id).unwrap());
        let writers = (0..count).map(|number| writer(InstrumentId(number as u16))).collect();
        let names = table.iter().map(|instrument| instrument.name.clone()).collect();
        let parts = ContextParts { view, end, instruments: table, clock, strategy };
        let ctx = Context::new(parts);
        let none = vec![false; count];
        Self {
            _market: market,
            writers,
            ctx,
            told: Told::default(),
            _oms: oms,
            names,
            watched: none.clone(),
            changed: none,
            prints: Vec::new(),
            next: 0,
        }
    }

    fn watch(&mut self, number: usize) {
        let instrument = self.ctx.instrument(&self.names[number]).unwrap();
        if self.ctx.watch(&instrument).is_ok() {
            self.watched[number] = true;
        }
    }

    fn publish(&mut self, number: usize) {
        self.next += 1;
        let top = TopOfBook {
            instrument: InstrumentId(number as u16),
            ..top(self.next, 6_000_000, 6_000_010)
        };
        self.writers[number].0.publish_top(&top, BookState::Live, NOW, NOW);
        self.changed[number] = true;
    }

    fn goes_stale(&mut self, number: usize) {
        self.writers[number].0.set_state(BookState::Stale, NOW);
        self.changed[number] = true;
    }

    fn trades(&mut self, number: usize) {
        self.next += 1;
        let instrument = InstrumentId(number as u16);
        let trade = Trade {
            instrument,
            taker: Side::Buy,
            price: Price(1),
            qty: Qty(1),
            trade_id: self.next,
            event_ns: NOW,
        };
        self.writers[number].1.publish(&trade, NOW);
        if self.watched[number] {
            self.prints.push(self.next);
        }
    }

    /// Rounds until nothing is new; what was told is what had changed.
    fn looks(&mut self) -> Result<(), TestCaseError> {
        let mut rounds = 0;
        while dispatch(&mut self.told, &mut self.ctx) > 0 || rounds < 3 {
            rounds += 1;
            prop_assert!(rounds < 10_000);
        }
        let mut books = std::mem::take(&mut self.told.books);
        books.sort_unstable();
        let numbers = 0..self.names.len();
        let expected: Vec<InstrumentId> = numbers
            .filter(|number| self.watched[*number] && self.changed[*number])
            .map(|number| InstrumentId(number as u16))
            .collect();
        prop_assert_eq!(books, expected, "each once, and no other");
        for (changed, watched) in self.changed.iter_mut().zip(&self.watched) {
            *changed &= !watched;
        }
        let mut trades = std::mem::take(&mut self.told.trades);
        trades.sort_unstable();
        prop_assert_eq!(trades, std::mem::take(&mut self.prints));
        Ok(())
    }
}

#[derive(Clone, Debug)]
enum Step {
    Watch(usize),
    Publish(usize),
    Stale(usize),
    Trade(usize),
    /// So many changes that the log of a venue does not hold them.
    Burst(usize),
    Look,
}

fn step() -> impl proptest::strategy::Strategy<Value = Step> {
    let number = 0..1_000usize;
    prop_oneof![
        2 => number.clone().prop_map(Step::Watch),
        4 => number.clone().prop_map(Step::Publish),
        1 => number.clone().prop_map(Step::Stale),
        2 => number.clone().prop_map(Step::Trade),
        1 => number.prop_map(Step::Burst),
        3 => Just(Step::Look),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_strategy_is_told_of_each_change_of_what_it_watches(
        count in 1..40usize,
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut scene = Scene::new(count);
        for step in steps {
            match step {
                Step::Watch(number) => scene.watch(number % count),
                Step::Publish(number) => scene.publish(number % count),
                Step::Stale(number) => scene.goes_stale(number % count),
                Step::Trade(number) => scene.trades(number % count),
                Step::Burst(number) => (0..300).for_each(|_| scene.publish(number % count)),
                Step::Look => scene.looks()?,
            }
        }
        scene.looks()?;
    }
}

#[test]
fn a_thousand_are_told_of_after_more_changes_than_the_log_holds() {
    let mut scene = Scene::new(1_000);
    (0..1_000).for_each(|number| scene.watch(number));
    let watched = scene.watched.iter().filter(|watched| **watched).count();
    assert!(watched > 100, "as many as the ring to the order manager takes at once: {watched}");
    scene.looks().unwrap();
    for round in 0..5 {
        (0..1_000).for_each(|number| scene.publish((number * 7 + round) % 1_000));
        scene.looks().unwrap();
        scene.publish(round);
        scene.trades(round);
        scene.looks().unwrap();
    }
}

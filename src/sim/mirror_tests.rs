//! Books that follow a market elsewhere: who is filled by what, and by what nobody is.

use super::flow::{Flow, Target};
use super::server_tests::EchoWire;
use super::{
    AccountId, Exchange, Fate, MarketState, MirrorChange, Mirrored, News, PlaceRequest, Refusal,
    SimLevel, SimOrder, SimOrderState, SimOrderType, StatedRules, Wire,
};
use super::{EmbeddedOptions, embedded};
use crate::types::{Side, TimeInForce};
use rust_decimal::Decimal;
use std::sync::mpsc::{SyncSender, sync_channel};

const MS: u64 = 1_000_000;
const START_MS: u64 = 1_700_000_000_000;
const ACCOUNT: AccountId = AccountId(0);

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

struct Stage {
    exchange: Exchange,
    flow: Flow,
    market: Option<SyncSender<Mirrored>>,
    passed_ns: u64,
}

impl Stage {
    fn of(venue: &'static str) -> Self {
        let wires: Vec<Box<dyn Wire>> = vec![Box::new(EchoWire::new(venue))];
        let made = embedded(&EmbeddedOptions::default(), wires).unwrap();
        let exchange = made.options.venues.into_iter().next().unwrap().exchange;
        let (market, changes) = sync_channel(64);
        let flow = Flow::mirrored(changes);
        Self { exchange, flow, market: Some(market), passed_ns: 0 }
    }

    fn new() -> Self {
        Self::of("binance")
    }

    fn play(&mut self) {
        self.passed_ns += MS;
        let mut targets = [Target { exchange: &mut self.exchange, start_ms: START_MS }];
        self.flow.step(self.passed_ns, 64, &mut targets);
    }

    fn hear(&mut self, change: MirrorChange) {
        let symbol = "BTCUSDT".into();
        let market = self.market.as_ref().unwrap();
        market.try_send(Mirrored { venue: 0, symbol, change }).unwrap();
        self.play();
    }

    fn levels(&mut self, levels: &[(Side, &str, &str)]) {
        let moved = parsed(levels);
        self.hear(MirrorChange::Levels { moved, revealed: Vec::new() });
    }

    fn reveal(&mut self, levels: &[(Side, &str, &str)]) {
        let revealed = parsed(levels);
        self.hear(MirrorChange::Levels { moved: Vec::new(), revealed });
    }

    fn trade(&mut self, taker: Side, price: &str, qty: &str) {
        self.hear(MirrorChange::Trade { taker, level: (dec(price), dec(qty)) });
    }

    fn place(
        &mut self,
        side: Side,
        price: &str,
        qty: &str,
        order_type: SimOrderType,
        time_in_force: TimeInForce,
    ) -> Result<SimOrder, Refusal> {
        let request = PlaceRequest {
            symbol: "BTCUSDT".to_owned(),
            client_id: format!("order-{}", self.passed_ns),
            side,
            order_type,
            time_in_force,
            price: dec(price),
            qty: dec(qty),
            reduce_only: false,
        };
        self.exchange.place(ACCOUNT, request, START_MS)
    }

    fn rest(&mut self, side: Side, price: &str, qty: &str) -> u64 {
        let placed = self.place(side, price, qty, SimOrderType::PostOnly, TimeInForce::Gtc);
        placed.unwrap().order_id
    }

    fn filled(&self, id: u64) -> Decimal {
        self.exchange.order(ACCOUNT, "BTCUSDT", super::OrderRef::Id(id)).unwrap().filled
    }

    fn depth(&self) -> (Vec<SimLevel>, Vec<SimLevel>) {
        let (_, bids, asks) = self.exchange.depth("BTCUSDT", 50).unwrap();
        (bids, asks)
    }
}

fn parsed(levels: &[(Side, &str, &str)]) -> Vec<(Side, SimLevel)> {
    levels.iter().map(|(side, price, qty)| (*side, (dec(price), dec(qty)))).collect()
}

const BOOK: [(Side, &str, &str); 3] =
    [(Side::Buy, "100.00", "5"), (Side::Buy, "99.00", "7"), (Side::Sell, "101.00", "2")];

#[test]
fn an_order_that_takes_finds_what_is_there_when_it_arrives_and_no_more() {
    let mut stage = Stage::new();
    let take = |stage: &mut Stage| {
        stage.place(Side::Buy, "101.00", "3", SimOrderType::Limit, TimeInForce::Ioc).unwrap()
    };
    let order = take(&mut stage);
    assert_eq!(
        (order.state, order.filled),
        (SimOrderState::Expired, dec("0")),
        "nothing is known yet"
    );
    stage.reveal(&BOOK);
    let order = take(&mut stage);
    assert_eq!((order.state, order.filled), (SimOrderState::Expired, dec("2")));
    // What was taken is gone until the market says something else of it.
    stage.levels(&[(Side::Buy, "100.00", "6")]);
    assert_eq!(take(&mut stage).filled, dec("0"));
    stage.levels(&[(Side::Sell, "101.00", "1")]);
    assert_eq!(take(&mut stage).filled, dec("1"));
}

#[test]
fn a_resting_order_is_filled_by_trades_that_reach_it_after_the_queue_before_it() {
    let mut stage = Stage::new();
    stage.reveal(&BOOK);
    let order = stage.rest(Side::Buy, "100.00", "2");
    // Others come behind it, and trades elsewhere do not reach it.
    stage.levels(&[(Side::Buy, "100.00", "9")]);
    stage.trade(Side::Buy, "101.00", "50");
    assert_eq!(stage.filled(order), dec("0"));
    stage.trade(Side::Sell, "100.00", "3");
    stage.levels(&[(Side::Buy, "100.00", "6")]);
    assert_eq!(stage.filled(order), dec("0"), "2 of 5 stand before it");
    stage.trade(Side::Sell, "100.00", "3");
    assert_eq!(stage.filled(order), dec("1"));
    // A trade at a worse price has gone through it.
    stage.trade(Side::Sell, "99.00", "1");
    assert_eq!(stage.filled(order), dec("2"));
}

#[test]
fn a_print_that_comes_before_its_book_moves_the_queue_once() {
    let mut stage = Stage::new();
    stage.reveal(&BOOK);
    let order = stage.rest(Side::Buy, "100.00", "1");
    stage.trade(Side::Sell, "100.00", "2");
    stage.levels(&[(Side::Buy, "100.00", "3")]);
    stage.trade(Side::Sell, "100.00", "3");
    assert_eq!(stage.filled(order), dec("0"), "all five stood before it");
    stage.levels(&[(Side::Buy, "100.00", "0")]);
    stage.trade(Side::Sell, "100.00", "1");
    assert_eq!(stage.filled(order), dec("1"));
}

#[test]
fn what_comes_into_sight_was_there_before() {
    let mut stage = Stage::new();
    stage.reveal(&BOOK);
    let order = stage.rest(Side::Buy, "98.00", "1");
    stage.reveal(&[(Side::Buy, "98.00", "4")]);
    stage.levels(&[(Side::Buy, "100.00", "0"), (Side::Buy, "99.00", "0")]);
    stage.trade(Side::Sell, "98.00", "4");
    assert_eq!(stage.filled(order), dec("0"));
    stage.levels(&[(Side::Buy, "98.00", "0")]);
    stage.trade(Side::Sell, "98.00", "1");
    assert_eq!(stage.filled(order), dec("1"));
}

#[test]
fn a_lost_book_fills_nothing_until_it_is_back() {
    let mut stage = Stage::new();
    stage.reveal(&BOOK);
    let order = stage.rest(Side::Buy, "100.00", "1");
    stage.hear(MirrorChange::Lost);
    assert_eq!(stage.depth(), (vec![(dec("100.00"), dec("1"))], vec![]), "our own alone");
    stage.trade(Side::Sell, "100.00", "90");
    let taken = stage.place(Side::Buy, "101.00", "1", SimOrderType::Limit, TimeInForce::Ioc);
    assert_eq!(taken.unwrap().filled, dec("0"));
    let market = stage.place(Side::Buy, "0", "1", SimOrderType::Market, TimeInForce::Ioc);
    assert_eq!(market.unwrap_err(), Refusal::NoLiquidity);
    assert_eq!(stage.filled(order), dec("0"));
    // It is back, and everything that stands there stands before the order.
    stage.reveal(&BOOK);
    stage.trade(Side::Sell, "100.00", "5");
    assert_eq!(stage.filled(order), dec("0"));
    stage.trade(Side::Sell, "100.00", "1");
    assert_eq!(stage.filled(order), dec("1"), "what the book still shows came behind it");
}

#[test]
fn books_are_gone_once_nobody_hands_anything_on() {
    let mut stage = Stage::new();
    stage.reveal(&BOOK);
    stage.market = None;
    stage.play();
    assert_eq!(stage.depth(), (vec![], vec![]));
    assert!(stage.flow.due_in(stage.passed_ns) > 0, "there is nothing left to do");
}

#[test]
fn a_market_that_moves_through_an_order_fills_it() {
    let mut stage = Stage::new();
    stage.reveal(&BOOK);
    let order = stage.rest(Side::Buy, "100.00", "1");
    stage.levels(&[
        (Side::Buy, "100.00", "0"),
        (Side::Sell, "101.00", "0"),
        (Side::Sell, "99.50", "4"),
    ]);
    assert_eq!(stage.filled(order), dec("1"));
    assert_eq!(stage.depth().1, [(dec("99.50"), dec("3"))]);
}

#[test]
fn what_the_market_changes_of_its_rules_holds_here_from_then_on() {
    let mut stage = Stage::new();
    stage.levels(&BOOK);
    let before = stage.exchange.rules("BTCUSDT").unwrap().clone();
    let old = stage.rest(Side::Buy, "90.01", "0.5");
    let stated = |tick: &str, lot: &str| StatedRules {
        symbol: "BTCUSDT".to_owned(),
        base: "BTC".to_owned(),
        quote: "USDT".to_owned(),
        tick: dec(tick),
        lot: dec(lot),
        notional: [dec("20"), dec("0")],
        contract: Decimal::ONE,
        ..StatedRules::default()
    };
    let bid = |stage: &mut Stage, price: &str, qty: &str| {
        stage.passed_ns += 1;
        let placed = stage.place(Side::Buy, price, qty, SimOrderType::Limit, TimeInForce::Gtc);
        placed.map(|_| ())
    };
    stage.hear(MirrorChange::Rules(Box::new(stated("0.5", "0.1"))));
    assert_eq!(bid(&mut stage, "90.01", "0.5"), Err(Refusal::PriceTick));
    assert_eq!(bid(&mut stage, "90.5", "0.55"), Err(Refusal::QtyLot));
    assert_eq!(bid(&mut stage, "90.5", "0.2"), Err(Refusal::NotionalMin));
    assert_eq!(bid(&mut stage, "90.5", "0.3"), Ok(()));
    assert_eq!(stage.filled(old), Decimal::ZERO, "what rests there stays");
    // Finer than it ever was.
    stage.hear(MirrorChange::Rules(Box::new(stated("0.001", "0.000001"))));
    assert_eq!(bid(&mut stage, "90.501", "0.500001"), Ok(()));
    let now = stage.exchange.rules("BTCUSDT").unwrap();
    assert_eq!((now.maker_fee, now.taker_fee), (before.maker_fee, before.taker_fee));
    assert_eq!((&now.base, &now.quote), (&before.base, &before.quote));
    let fates = |stage: &mut Stage| -> Vec<Fate> {
        std::iter::from_fn(|| stage.exchange.next_news()).map(|news| news.fate).collect()
    };
    assert_eq!(fates(&mut stage), [Fate::Restated; 2]);
    // No steps at all.
    stage.hear(MirrorChange::Rules(Box::new(stated("0", "0.1"))));
    assert_eq!(fates(&mut stage), [Fate::NotRestated]);
    assert_eq!(bid(&mut stage, "90.501", "0.500001"), Ok(()), "as before");
}

#[test]
fn marks_and_funding_are_those_of_the_market() {
    let mut stage = Stage::of("binance_usdm");
    stage.reveal(&BOOK);
    stage.exchange.tick(START_MS);
    let known = |stage: &Stage| stage.exchange.mark("BTCUSDT", START_MS).unwrap();
    assert_eq!(known(&stage).mark, dec("100.5"), "before the market says it, the middle");
    let state = stated("100.7");
    stage.hear(MirrorChange::Market(state));
    stage.exchange.take_events();
    stage.exchange.tick(START_MS + 1_000);
    let mark = known(&stage);
    assert_eq!((Some(mark.mark), Some(mark.index)), (state.mark, state.index));
    assert_eq!((Some(mark.rate), Some(mark.interval_ms)), (state.rate, state.interval_ms));
    assert!(stage.exchange.funding_rates("BTCUSDT").is_empty(), "another interval pays nothing");
    let next_ms = mark.next_funding_ms;
    stage.exchange.tick(next_ms);
    let paid = stage.exchange.funding_rates("BTCUSDT");
    assert_eq!((paid.len(), Some(paid[0].rate), paid[0].time_ms), (1, state.rate, next_ms));
}

/// Rate and time of all payments.
fn paid(stage: &Stage) -> Vec<(Decimal, u64)> {
    let rates = stage.exchange.funding_rates("BTCUSDT");
    rates.into_iter().map(|mark| (mark.rate, mark.time_ms)).collect()
}

#[test]
fn funding_is_paid_when_the_market_says_with_the_last_rate_before_that() {
    let mut stage = Stage::of("binance_usdm");
    stage.reveal(&BOOK);
    let due = START_MS + 90_500;
    let state = |rate: &str, next_ms: u64| MarketState {
        mark: Some(dec("100.7")),
        rate: Some(dec(rate)),
        next_ms: Some(next_ms),
        ..MarketState::default()
    };
    let hear = |stage: &mut Stage, at_ms: u64, state: MarketState| {
        stage.exchange.set_market("BTCUSDT", state, at_ms);
        stage.exchange.tick(at_ms);
    };
    hear(&mut stage, START_MS, state("0.0001", due));
    hear(&mut stage, due - 1, state("0.0002", due));
    assert_eq!(paid(&stage), []);
    stage.exchange.tick(due + 10);
    assert_eq!(paid(&stage), [(dec("0.0002"), due)]);
    // It is late to know, and then speaks of the next one.
    hear(&mut stage, due + 20, state("0.0002", due));
    let hour = 3_600_000;
    let (second, third) = (due + 4 * hour, due + 8 * hour);
    hear(&mut stage, due + 900, state("0.0003", second));
    assert_eq!(paid(&stage).len(), 1);
    assert_eq!(stage.exchange.mark("BTCUSDT", due + 900).unwrap().interval_ms, 4 * hour);
    // Its clock is ahead, and a word of the next one comes before the time here.
    stage.exchange.set_market("BTCUSDT", state("0.0004", second), second - 2_000);
    stage.exchange.set_market("BTCUSDT", state("0.0009", third), second - 1_000);
    stage.exchange.tick(second + 10);
    assert_eq!(paid(&stage)[1..], [(dec("0.0004"), second)]);
    // One that is put off is not paid.
    hear(&mut stage, third - 600_000, state("0.0009", third + hour));
    stage.exchange.tick(third + 10);
    assert_eq!(paid(&stage).len(), 2);
    // And without a word more it goes on by itself.
    stage.exchange.tick(third + hour);
    stage.exchange.tick(third + 6 * hour);
    let times: Vec<u64> = paid(&stage).into_iter().map(|(_, at)| at).collect();
    assert_eq!(times[2..], [third + hour, third + 6 * hour]);
}

/// A market that states everything, every four hours.
fn stated(mark: &str) -> MarketState {
    MarketState {
        mark: Some(dec(mark)),
        index: Some(dec("100.6")),
        rate: Some(dec("0.000123")),
        interval_ms: Some(4 * 3_600_000),
        next_ms: None,
    }
}

/// Nine long at 101, on ten times leverage and so much collateral, with everything stated.
fn long(funds: &str) -> Stage {
    let mut stage = Stage::of("binance_usdm");
    let deposit = stage.exchange.balances(ACCOUNT)["USDT"].0;
    stage.exchange.charge(ACCOUNT, "USDT", deposit - dec(funds), START_MS);
    stage.reveal(&[(Side::Buy, "100.00", "50"), (Side::Sell, "101.00", "50")]);
    stage.hear(MirrorChange::Market(stated("100.7")));
    stage.exchange.tick(START_MS + 1_000);
    let placed = stage.place(Side::Buy, "101.00", "9", SimOrderType::Limit, TimeInForce::Ioc);
    assert_eq!(placed.unwrap().filled, dec("9"));
    stage
}

fn held(stage: &Stage) -> Decimal {
    stage.exchange.position(ACCOUNT, "BTCUSDT").unwrap().qty
}

#[test]
fn a_payment_whose_rate_interval_or_mark_is_not_known_is_left_out_and_told() {
    let all = stated("100.7");
    let unknown = [
        MarketState { rate: None, ..all },
        MarketState { mark: None, index: None, ..all },
        // Nobody has ever said how often it is paid.
        MarketState { interval_ms: None, ..all },
    ];
    for state in unknown {
        let mut stage = long("1000");
        if state.interval_ms.is_none() {
            stage = Stage::of("binance_usdm");
            stage.reveal(&BOOK);
            stage.hear(MirrorChange::Market(state));
            stage.exchange.tick(START_MS + 1_000);
            stage.place(Side::Buy, "101.00", "1", SimOrderType::Limit, TimeInForce::Ioc).unwrap();
        }
        stage.hear(MirrorChange::Market(state));
        stage.exchange.tick(START_MS + 2_000);
        let due_ms = stage.exchange.mark("BTCUSDT", START_MS).unwrap().next_funding_ms;
        stage.exchange.tick(due_ms);
        assert_eq!(stage.exchange.funding_payments(ACCOUNT).len(), 0, "{state:?}");
        assert!(stage.exchange.funding_rates("BTCUSDT").is_empty(), "nor is a rate made up");
        let fate = Fate::Unpaid { due_ms };
        let unpaid = News { venue: 0, symbol: "BTCUSDT".to_owned(), fate };
        assert_eq!(stage.exchange.next_news(), Some(unpaid), "{state:?}");
        assert_eq!(stage.exchange.next_news(), None, "once");
        // The next one is paid, and that one alone.
        stage.passed_ns = (due_ms - START_MS) * MS;
        stage.hear(MirrorChange::Market(all));
        stage.exchange.tick(due_ms + 1_000);
        let next_ms = stage.exchange.mark("BTCUSDT", due_ms).unwrap().next_funding_ms;
        stage.exchange.tick(next_ms);
        let paid = stage.exchange.funding_payments(ACCOUNT);
        assert_eq!((paid.len(), paid[0].rate), (1, all.rate.unwrap()), "{state:?}");
        assert_eq!(stage.exchange.next_news(), None);
    }
    // Who has no position misses nothing.
    let mut stage = Stage::of("binance_usdm");
    stage.hear(MirrorChange::Market(MarketState { rate: None, ..all }));
    stage.exchange.tick(START_MS);
    stage.exchange.tick(START_MS + 8 * 3_600_000);
    assert_eq!(stage.exchange.next_news(), None);
}

#[test]
fn a_mark_that_is_not_known_any_more_decides_nothing() {
    use super::SimMarginMode::{Cross, Isolated};
    for mode in [Cross, Isolated] {
        let mut stage = Stage::of("binance_usdm");
        stage.exchange.set_margin_mode(ACCOUNT, "BTCUSDT", mode, START_MS).unwrap();
        let mut other = long("100");
        if mode == Isolated {
            stage.reveal(&[(Side::Buy, "100.00", "50"), (Side::Sell, "101.00", "50")]);
            stage.hear(MirrorChange::Market(stated("100.7")));
            stage.exchange.tick(START_MS + 1_000);
            stage.place(Side::Buy, "101.00", "9", SimOrderType::Limit, TimeInForce::Ioc).unwrap();
            other = stage;
        }
        let mut stage = other;
        // The book falls far below what the position can bear, and the mark is not known.
        stage.hear(MirrorChange::Market(MarketState { mark: None, ..stated("100.7") }));
        stage.levels(&[(Side::Buy, "100.00", "0"), (Side::Sell, "101.00", "0")]);
        stage.levels(&[(Side::Buy, "50.00", "99"), (Side::Sell, "51.00", "99")]);
        stage.exchange.tick(START_MS + 2_000);
        assert_eq!(held(&stage), dec("9"), "{mode:?}");
        assert_eq!(stage.exchange.mark("BTCUSDT", START_MS).unwrap().mark, dec("100.7"));
        let more = stage.place(Side::Buy, "51.00", "1", SimOrderType::Limit, TimeInForce::Ioc);
        assert_eq!(more.unwrap_err(), Refusal::InsufficientMargin, "{mode:?}");
        let leverage = stage.exchange.set_leverage(ACCOUNT, "BTCUSDT", dec("9"), START_MS);
        assert_eq!(leverage.unwrap_err(), Refusal::InsufficientMargin, "{mode:?}");
        // What closes needs none.
        let less = stage.place(Side::Sell, "50.00", "1", SimOrderType::Limit, TimeInForce::Ioc);
        assert_eq!(less.unwrap().filled, dec("1"), "{mode:?}");
        // It is back, and decides again.
        stage.hear(MirrorChange::Market(stated("50.5")));
        stage.exchange.tick(START_MS + 3_000);
        assert_eq!(held(&stage), dec("0"), "{mode:?}");
    }
}

#[test]
fn marks_are_not_known_once_nobody_hands_anything_on() {
    let mut stage = long("100");
    stage.market = None;
    stage.play();
    assert!(stage.flow.due_in(stage.passed_ns) > 0, "there is nothing left to do");
    stage.exchange.set_level("BTCUSDT", Side::Buy, dec("50"), dec("99"), START_MS);
    stage.exchange.tick(START_MS + 2_000);
    assert_eq!(held(&stage), dec("9"));
}

#[test]
fn a_book_that_comes_before_its_print_moves_the_queue_once() {
    let ways: [fn(&mut Stage, &str, &str); 2] = [
        |stage, qty, shown| {
            stage.trade(Side::Sell, "100.00", qty);
            stage.levels(&[(Side::Buy, "100.00", shown)]);
        },
        |stage, qty, shown| {
            stage.levels(&[(Side::Buy, "100.00", shown)]);
            stage.trade(Side::Sell, "100.00", qty);
        },
    ];
    for first in ways {
        let mut stage = Stage::new();
        stage.reveal(&BOOK);
        let order = stage.rest(Side::Buy, "100.00", "2");
        first(&mut stage, "3", "2");
        assert_eq!(stage.filled(order), dec("0"), "2 still stand before it");
        stage.levels(&[(Side::Buy, "100.00", "6")]);
        // Those behind it do not count, and the last one before it takes one of it along.
        first(&mut stage, "1", "5");
        assert_eq!(stage.filled(order), dec("0"));
        first(&mut stage, "2", "3");
        assert_eq!(stage.filled(order), dec("1"));
        first(&mut stage, "3", "0");
        assert_eq!(stage.filled(order), dec("2"));
    }
}

#[test]
fn a_print_of_what_has_left_before_an_order_came_does_not_fill_it() {
    let mut stage = Stage::new();
    stage.reveal(&BOOK);
    // A sweep of 5 and 3, of which the book tells first; the level comes back with an order.
    stage.levels(&[(Side::Buy, "100.00", "0"), (Side::Buy, "99.00", "4")]);
    let order = stage.rest(Side::Buy, "100.00", "2");
    stage.trade(Side::Sell, "100.00", "5");
    stage.trade(Side::Sell, "99.00", "3");
    assert_eq!(stage.filled(order), dec("0"), "it was not there");
    stage.trade(Side::Sell, "99.00", "1");
    assert_eq!(stage.filled(order), dec("1"));
    // Nobody waits for ever for a print.
    stage.levels(&[(Side::Buy, "100.00", "5")]);
    let behind = stage.rest(Side::Buy, "100.00", "1");
    stage.trade(Side::Sell, "100.00", "1");
    assert_eq!(stage.filled(order), dec("2"));
    stage.levels(&[(Side::Buy, "100.00", "0")]);
    stage.passed_ns += 600 * MS;
    stage.trade(Side::Sell, "100.00", "1");
    assert_eq!(stage.filled(behind), dec("1"));
}

/// A level of a market elsewhere with an order of ours, and what has to come of it.
struct Race {
    stage: Stage,
    order: u64,
    shown: i64,
    /// Prints that the book has told of already.
    late: Vec<i64>,
}

impl Race {
    fn new() -> Self {
        let mut stage = Stage::new();
        stage.reveal(&BOOK);
        let order = stage.rest(Side::Buy, "100.00", "4");
        Self { stage, order, shown: 5, late: Vec::new() }
    }

    fn show(&mut self, change: i64) {
        self.shown += change;
        self.stage.levels(&[(Side::Buy, "100.00", &self.shown.to_string())]);
    }

    fn print(&mut self, qty: i64) {
        self.stage.trade(Side::Sell, "100.00", &qty.to_string());
    }

    fn filled(&self) -> Decimal {
        self.stage.filled(self.order)
    }
}

#[test]
fn whichever_comes_first_nobody_is_filled_before_those_ahead_of_him() {
    for seed in 0..300 {
        let mut random = super::random::Random::new(seed, 1);
        let (mut prompt, mut late) = (Race::new(), Race::new());
        let (mut traded, mut cancelled) = (0, 0);
        for _ in 0..40 {
            let room = prompt.shown.min(3) as usize;
            match random.index(4) {
                0 => [&mut prompt, &mut late].into_iter().for_each(|race| race.show(2)),
                1 if room > 0 => {
                    let qty = 1 + random.index(room) as i64;
                    cancelled += qty;
                    [&mut prompt, &mut late].into_iter().for_each(|race| race.show(-qty));
                }
                2 if room > 0 => {
                    let qty = 1 + random.index(room) as i64;
                    traded += qty;
                    prompt.print(qty);
                    prompt.show(-qty);
                    late.show(-qty);
                    late.late.push(qty);
                }
                _ => {
                    let waiting = std::mem::take(&mut late.late);
                    waiting.into_iter().for_each(|qty| late.print(qty));
                }
            }
            let ahead = (5 - cancelled).max(0);
            let most = Decimal::from((traded - ahead).clamp(0, 4));
            assert!(prompt.filled() <= most, "seed {seed}");
            assert!(late.filled() <= most, "seed {seed}");
            if late.late.is_empty() {
                assert_eq!(late.filled(), prompt.filled(), "seed {seed}");
            }
        }
    }
}

#[test]
fn a_level_that_meets_an_order_fills_it_once() {
    let mut stage = Stage::new();
    stage.reveal(&BOOK);
    let order = stage.rest(Side::Sell, "100.50", "10");
    let steps = [("5", "5"), ("6", "6"), ("4", "6"), ("4.5", "6.5"), ("0", "6.5"), ("1", "7.5")];
    for (shown, filled) in steps {
        stage.levels(&[(Side::Buy, "100.70", shown)]);
        assert_eq!(stage.filled(order), dec(filled), "{shown} stand there");
        assert_eq!(stage.depth().0[0].0, dec("100.00"), "no bid stands above our ask");
    }
    // Nor does one come of a print there.
    stage.trade(Side::Sell, "100.70", "1");
    assert_eq!(stage.depth().0[0].0, dec("100.00"));
    // A better one that is as large brings all of it.
    stage.levels(&[(Side::Buy, "100.80", "9"), (Side::Buy, "100.70", "0")]);
    assert_eq!(stage.filled(order), dec("10"));
    assert_eq!(stage.depth().0[0], (dec("100.80"), dec("6.5")));
}

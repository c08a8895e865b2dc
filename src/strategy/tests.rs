//! What the built-in strategies ask for, on books that a test writes.

use super::indicators::Rsi;
use super::klines::KlineEvent;
use super::{
    Basis, BasisOptions, Context, ContextParts, RsiOptions, RsiStrategy, SpreadArb,
    SpreadArbOptions, Strategy, dispatch,
};
use crate::clock::Clock;
use crate::shm::{
    AccountWriter, BookWriter, Market, OmsEnd, PerpetualWriter, PositionRow, RegionOptions,
    StrategyFile, StrategyOptions,
};
use crate::types::*;
use std::sync::Arc;

const START: Nanos = Nanos(1_800_000_000_000_000_000);
const HOUR_NS: u64 = 3_600_000_000_000;

/// Spot (0), a perpetual (1) and spot elsewhere (2); quantities in 1e-5, prices in cents.
fn table() -> InstrumentTable {
    let mut table = InstrumentTable::default();
    let (base, quote) = (table.assets.intern("BTC"), table.assets.intern("USDT"));
    for (venue, name) in ["BTC/USDT@a", "BTC/USDT:USDT@b", "BTC/USDT@c"].into_iter().enumerate() {
        let perpetual = name.contains(':');
        let kind = if perpetual { InstrumentKind::LinearPerpetual } else { InstrumentKind::Spot };
        table.add(Instrument {
            venue: VenueId(venue as u8),
            name: name.to_owned(),
            symbol: "BTCUSDT".to_owned(),
            kind,
            base,
            quote,
            settle: if perpetual { quote } else { AssetId::NONE },
            scale: Scale { price_decimals: 2, qty_decimals: 5 },
            rules: InstrumentRules {
                tick_size: Price(1),
                lot_size: Qty(100),
                qty_min: Qty(100),
                ..InstrumentRules::default()
            },
            ..Instrument::default()
        });
    }
    table
}

struct Scene<S> {
    strategy: S,
    ctx: Context,
    oms: OmsEnd,
    clock: Clock,
    now: Nanos,
    books: Vec<BookWriter>,
    perpetual: PerpetualWriter,
    account: AccountWriter,
    sequence: u64,
    _market: Market,
}

impl<S: Strategy> Scene<S> {
    fn new(mut strategy: S) -> Self {
        let table = Arc::new(table());
        let market = Market::in_memory(&table, &RegionOptions::default()).unwrap();
        let options = StrategyOptions { instruments: table.len(), ..StrategyOptions::default() };
        let (oms, end) = StrategyFile::in_memory(&options).unwrap();
        let clock = Clock::manual(START);
        let mut ctx = Context::new(ContextParts {
            view: market.view(),
            end,
            instruments: table.clone(),
            clock: clock.clone(),
            strategy: StrategyId(0),
        });
        strategy.on_start(&mut ctx);
        let books = table.iter().map(|row| market.book_writer(row.id).unwrap()).collect();
        Self {
            strategy,
            ctx,
            oms,
            clock,
            now: START,
            books,
            perpetual: market.perpetual_writer(InstrumentId(1)).unwrap(),
            account: market.account_writer().unwrap(),
            sequence: 0,
            _market: market,
        }
    }

    fn pass(&mut self, nanos: u64) {
        self.now = self.now.plus(nanos);
        self.clock.set(self.now);
    }

    /// A book of one level a side, 0.5 BTC each.
    fn book(&mut self, number: u16, bid: i64, ask: i64) {
        self.sequence += 1;
        let level = |price| Level { price: Price(price), qty: Qty(50_000) };
        let top = TopOfBook {
            instrument: InstrumentId(number),
            sequence: self.sequence,
            bid: level(bid),
            ask: level(ask),
            event_ns: self.now,
        };
        let now = self.now;
        self.books[usize::from(number)].publish_top(&top, BookState::Live, now, now);
    }

    fn funding(&mut self, rate: i64) {
        self.perpetual.publish(&Perpetual {
            funding_rate: Some(Rate(rate)),
            funding_interval_s: 8 * 3_600,
            funding_recv_ns: self.now,
            recv_ns: self.now,
            ..Perpetual::default()
        });
    }

    fn hold(&mut self, number: u16, units: i64) {
        let qty = Amount(i128::from(units) * 10i128.pow(13));
        let instrument = InstrumentId(number);
        self.account.set_position(&PositionRow { instrument, qty, ..PositionRow::default() });
    }

    /// What the strategy asks for now: side, instrument, price and quantity of each leg.
    fn asks(&mut self) -> Vec<(Side, u16, i64, i64)> {
        while dispatch(&mut self.strategy, &mut self.ctx) > 0 {}
        let mut asked = Vec::new();
        while let Ok(Some(request)) = self.oms.pop_request() {
            let Request::Signal(signal) = request else { continue };
            asked.extend(
                signal
                    .legs()
                    .iter()
                    .map(|leg| (leg.side, leg.instrument.0, leg.price.0, leg.qty.0)),
            );
        }
        asked
    }

    /// All legs of the last signal have ended, and their positions are known.
    fn settle(&mut self, legs: u8, signal: u64) {
        for leg in 0..legs {
            let report = StrategyReport {
                client_id: ClientOrderId(1),
                signal: SignalId(signal),
                leg,
                instrument: InstrumentId(0),
                side: Side::Buy,
                state: OrderState::Expired,
                kind: ReportKind::Expired,
                reason: RejectReason::None,
                risk: 0,
                last_price: Price(0),
                last_qty: Qty::ZERO,
                cumulative_qty: Qty::ZERO,
                event_ns: self.now,
                retry_ns: Nanos(0),
            };
            self.oms.push_report(&report).unwrap();
        }
        let _ = self.asks();
        self.pass(200_000_000);
        self.strategy.on_timer(&mut self.ctx);
    }
}

fn basis(horizon_h: u64) -> Basis {
    Basis::new(BasisOptions {
        spot: "BTC/USDT@a".to_owned(),
        perpetual: "BTC/USDT:USDT@b".to_owned(),
        entry: Ppb(1_000_000),
        exit: Ppb(200_000),
        funding_horizon_ns: horizon_h * HOUR_NS,
        qty: Qty(1_000),
        qty_max: Qty(1_500),
        cooldown_ns: 1_000_000,
        book_age_max_ns: 5_000_000_000,
        funding_age_max_ns: 60_000_000_000,
        contract: Contract::default(),
    })
}

#[test]
fn basis_enters_above_its_entry_and_leaves_below_its_exit() {
    use Side::{Buy, Sell};
    let mut scene = Scene::new(basis(0));
    scene.book(0, 5_999_000, 6_000_000);
    scene.book(1, 6_005_900, 6_006_000);
    assert_eq!(scene.asks(), [], "9.83 basis points are less than 10");
    scene.book(1, 6_006_000, 6_006_100);
    assert_eq!(scene.asks(), [(Buy, 0, 6_000_000, 1_000), (Sell, 1, 6_006_000, 1_000)]);
    scene.book(1, 6_006_100, 6_006_200);
    assert_eq!(scene.asks(), [], "the first is still under way");
    scene.hold(0, 1_000);
    scene.hold(1, -1_000);
    scene.settle(2, 1);
    scene.book(1, 6_006_000, 6_006_100);
    let rest = [(Buy, 0, 6_000_000, 500), (Sell, 1, 6_006_000, 500)];
    assert_eq!(scene.asks(), rest, "no more than its largest position");
    scene.hold(0, 1_500);
    scene.hold(1, -1_500);
    scene.settle(2, 2);
    scene.book(1, 6_006_000, 6_006_100);
    assert_eq!(scene.asks(), []);
    scene.book(1, 6_000_000, 6_000_100);
    assert_eq!(scene.asks(), [(Buy, 1, 6_000_100, 1_000), (Sell, 0, 5_999_000, 1_000)]);
}

#[test]
fn basis_works_off_what_only_one_leg_has_filled() {
    use Side::{Buy, Sell};
    let mut scene = Scene::new(basis(0));
    scene.hold(0, 400);
    scene.settle(0, 0);
    scene.book(0, 5_999_000, 6_000_000);
    scene.book(1, 6_006_000, 6_006_100);
    assert_eq!(scene.asks(), [(Buy, 0, 6_000_000, 600), (Sell, 1, 6_006_000, 1_000)]);
}

#[test]
fn funding_counts_towards_the_edge_and_must_be_known() {
    let mut scene = Scene::new(basis(24));
    scene.book(0, 5_999_000, 6_000_000);
    scene.book(1, 6_006_000, 6_006_100);
    assert_eq!(scene.asks(), [], "what is not known is not zero");
    scene.funding(-100_000_000_000_000);
    scene.book(1, 6_006_000, 6_006_100);
    assert_eq!(scene.asks(), [], "10 basis points less 3 that would be paid");
    scene.funding(100_000_000_000_000);
    scene.book(1, 6_004_300, 6_004_400);
    assert_eq!(scene.asks().len(), 2, "7.2 and 3 that are received");
    scene.hold(0, 1_000);
    scene.hold(1, -1_000);
    scene.settle(2, 1);
    // Nobody tells of funding any more: out, but not in.
    scene.pass(61_000_000_000);
    scene.book(0, 5_999_000, 6_000_000);
    scene.book(1, 6_006_000, 6_006_100);
    assert_eq!(scene.asks(), []);
    scene.book(1, 6_000_000, 6_000_100);
    assert_eq!(scene.asks().len(), 2);
}

#[test]
fn spread_arb_trades_any_two_of_its_instruments() {
    use Side::{Buy, Sell};
    let mut scene = Scene::new(SpreadArb::new(SpreadArbOptions {
        names: ["BTC/USDT@a", "BTC/USDT:USDT@b", "BTC/USDT@c"].map(str::to_owned).to_vec(),
        spread_min: Ppb(500_000),
        qty: Qty(1_000),
        cooldown_ns: 0,
        book_age_max_ns: 5_000_000_000,
        contract: Contract::default(),
    }));
    scene.book(0, 5_999_000, 6_000_000);
    scene.book(1, 6_000_000, 6_001_000);
    assert_eq!(scene.asks(), []);
    scene.book(2, 6_003_100, 6_004_000);
    assert_eq!(scene.asks(), [(Buy, 0, 6_000_000, 1_000), (Sell, 2, 6_003_100, 1_000)]);
    scene.settle(2, 1);
    scene.book(0, 6_002_000, 6_002_100);
    scene.book(1, 5_998_000, 5_998_500);
    let asked = scene.asks();
    assert_eq!(asked[0], (Buy, 1, 5_998_500, 1_000));
    assert_eq!(asked.len(), 2);
}

fn rsi() -> RsiStrategy {
    RsiStrategy::new(RsiOptions {
        name: "BTC/USDT@a".to_owned(),
        interval: Interval::M1,
        rsi: Rsi::new(2).unwrap(),
        buy_below: 30.0,
        sell_above: 70.0,
        qty: Qty(1_000),
    })
}

impl Scene<RsiStrategy> {
    /// A minute that closed at this price, and what is asked for then.
    fn minute(&mut self, close: i64, is_past: bool) -> Vec<(Side, u16, i64, i64)> {
        self.pass(Interval::M1.nanos());
        self.book(0, close - 50, close + 50);
        let close = Price(close);
        let kline = Kline { close, ..Kline::default() };
        let (instrument, interval) = (InstrumentId(0), Interval::M1);
        let event = KlineEvent { instrument, interval, kline, is_past };
        self.strategy.on_kline(&mut self.ctx, &event);
        self.asks()
    }
}

#[test]
fn rsi_completes_what_it_was_filled_in_part_and_sells_what_is_there() {
    use Side::{Buy, Sell};
    let mut scene = Scene::new(rsi());
    for close in [6_000_000, 5_990_000] {
        assert_eq!(scene.minute(close, false), [], "two changes are needed");
    }
    assert_eq!(scene.minute(5_980_000, false), [(Buy, 0, 5_980_050, 1_000)]);
    // 400 of 1000, of which fees took half a lot.
    scene.hold(0, 350);
    assert_eq!(scene.minute(5_970_000, false), [(Buy, 0, 5_970_050, 700)]);
    assert_eq!(scene.minute(6_090_000, false), [(Sell, 0, 6_089_950, 300)]);
    scene.hold(0, 50);
    assert_eq!(scene.minute(6_190_000, false), [], "less than a lot is left");
}

#[test]
fn rsi_sells_after_a_restart_what_it_holds_from_before() {
    let mut scene = Scene::new(rsi());
    scene.hold(0, 1_000);
    for close in [5_980_000, 5_970_000, 5_960_000] {
        assert_eq!(scene.minute(close, true), [], "what is past is no reason to trade");
    }
    assert_eq!(scene.minute(5_950_000, false), [], "it holds all that it may");
    assert_eq!(scene.minute(6_190_000, false), [(Side::Sell, 0, 6_189_950, 1_000)]);
}

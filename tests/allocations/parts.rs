//! The book, the oms and the throttle do not allocate once they have been built, whatever befalls
//! them.

use crate::counting::allocations;
use std::sync::Arc;
use stoop::book::{Book, BookOptions, Outcome};
use stoop::oms::{
    BookQuote, Books, Oms, OmsOptions, Output, Record, Recorder, RiskLimits, StrategyLimits,
    VenueRates,
};
use stoop::throttle::Throttle;
use stoop::types::Priority;
use stoop::types::*;
use stoop::venues::{VENUES, VenueRow};

const SECOND: u64 = 1_000_000_000;
const START: Nanos = Nanos(1_800_000_000 * SECOND);
const E18: i128 = 10i128.pow(18);

/// Snapshots, deltas, gaps, a market that leaves the window, and more far levels than fit.
#[test]
fn books_do_not_allocate() {
    let mut book = Book::new(Price(1), BookOptions::default());
    let update = |kind, id| DepthUpdate {
        instrument: InstrumentId(0),
        kind,
        first_id: id,
        last_id: id,
        sequence: id,
        levels_start: 0,
        bids: 0,
        asks: 0,
        event_ns: START,
    };
    let level = |price: i64, qty: i64| Level { price: Price(price), qty: Qty(qty) };
    let made = allocations(|| {
        for round in 0..3u64 {
            let first = round * 20_000 + 1;
            let id = first + 5;
            for id in first..first + 10 {
                book.on_depth(&update(DepthKind::Delta, id), &[level(99_999, 1)], &[]);
            }
            let snapshot = update(DepthKind::FetchedSnapshot, id);
            let outcome = book.on_depth(&snapshot, &[level(99_998, 1)], &[level(100_001, 1)]);
            assert_eq!(outcome, Outcome::Applied);
            for step in 0..10_000i64 {
                let id = first + 10 + step as u64;
                let best = 100_000 + step * 20;
                let bids = [level(best, 5), level(best - 30, 0), level(1 + step, 1)];
                let asks = [level(best - 19, 0), level(best + 1, 5), level(900_000 + step, 1)];
                book.on_depth(&update(DepthKind::Delta, id), &bids, &asks);
            }
            book.on_disconnect();
        }
    });
    assert!(book.ladder().forgotten() > 0, "the far list was full");
    assert_eq!(made, 0, "book");
}

struct Live(Nanos);

impl Books for Live {
    fn best(&self, _: InstrumentId) -> BookQuote {
        BookQuote {
            bid: Level { price: Price(6_000_000), qty: Qty(100_000) },
            ask: Level { price: Price(6_000_001), qty: Qty(100_000) },
            state: BookState::Live,
            recv_ns: self.0,
        }
    }
}

fn instruments() -> InstrumentTable {
    let mut table = InstrumentTable::default();
    let (base, quote) = (table.assets.intern("BTC"), table.assets.intern("USDT"));
    for venue in [VenueId(0), VenueId(1)] {
        table.add(Instrument {
            venue,
            base,
            quote,
            scale: Scale { price_decimals: 2, qty_decimals: 5 },
            rules: InstrumentRules {
                tick_size: Price(1),
                lot_size: Qty(1),
                ..InstrumentRules::default()
            },
            ..Instrument::default()
        });
    }
    table
}

/// Writes every record as the journal does.
struct Encoding([u8; 4096]);

impl Recorder for Encoding {
    fn record(&mut self, _now: Nanos, record: &Record) {
        assert!(record.encode(&mut self.0).is_some());
    }
}

/// A venue's limits for the order manager.
pub fn rates(row: &VenueRow) -> VenueRates {
    let costs = CostTable::new(|kind| (row.costs)(kind, false));
    VenueRates { limits: row.limits.to_vec(), costs }
}

fn ready_oms() -> (Oms<Encoding, Live>, Output) {
    let own = StrategyLimits {
        order_rate_max: Some(100),
        open_orders_max: Some(50),
        budgets: vec![(VenueId(0), Amount(1_000 * E18)), (VenueId(1), Amount(1_000_000_000 * E18))],
        budget_rebalance: true,
    };
    let options = OmsOptions {
        orders_max: 256,
        fills_max: 256,
        venues: vec![vec![Channel::Trade]; 2],
        rates: VENUES.iter().map(rates).collect(),
        reconcile_every_ns: 0,
        limits: RiskLimits {
            order_notional_max: Amount(10_000 * E18),
            price_collar: Ppb(1_000_000),
            book_age_max_ns: SECOND,
            position_max: vec![(AssetId(0), Amount(10 * E18))],
            order_rate_max: 100,
            order_rate_window_ns: SECOND,
            open_orders_max: 100,
            // All optional limits. The first venue's budget is short in most rounds, and is moved.
            order_wait_max_ns: Some(SECOND),
            instrument_position_max: [0, 1]
                .map(|id| (InstrumentId(id), Amount(1_000 * E18)))
                .into(),
            daily_loss_max: Some(Amount(1_000_000_000 * E18)),
            drawdown_max: Some(Amount(1_000_000_000 * E18)),
            strategies: vec![StrategyLimits::default(), own],
        },
        ..OmsOptions::default()
    };
    let mut out = Output::new(&options);
    let mut oms =
        Oms::new(options, Arc::new(instruments()), START, Encoding([0; 4096]), Live(START));
    for venue in [VenueId(0), VenueId(1)] {
        let ready = VenueNotice::Readiness(Channel::Trade, Readiness::Ready);
        oms.on_notice(venue, &ready, START, &mut out);
        oms.on_notice(venue, &VenueNotice::BalancesEnd, START, &mut out);
    }
    (oms, out)
}

/// Thousands of two-leg signals through tables of 256: acknowledged, filled in two parts with
/// fees, reported twice, expired, lost, asked for, cancelled, refused.
#[test]
fn the_order_manager_does_not_allocate() {
    let (mut oms, mut out) = ready_oms();
    let strategy = StrategyId(1);
    let mut orders: Vec<NewOrder> = Vec::with_capacity(8);
    let made = allocations(|| {
        for round in 0..5_000u64 {
            let now = START.plus((round + 1) * SECOND);
            let mut signal =
                Signal { id: SignalId(round + 1), strategy, legs_len: 2, ..Signal::default() };
            for (index, side) in [Side::Buy, Side::Sell].into_iter().enumerate() {
                signal.legs[index] = Leg {
                    instrument: InstrumentId(index as u16),
                    side,
                    price: Price(6_000_000),
                    qty: Qty(if round % 50 == 49 { 1_000_000 } else { 1_000 }),
                    ..Leg::default()
                };
            }
            out.clear();
            oms.books_mut().0 = now;
            oms.on_request(strategy, &Request::Signal(signal), now, &mut out);
            orders.clear();
            orders.extend(out.commands.iter().filter_map(|(_, command)| match command.kind {
                CommandKind::New(order) => Some(order),
                _ => None,
            }));
            for order in &orders {
                live(&mut oms, order, round, now, &mut out);
            }
            out.clear();
            oms.on_timer(now.plus(SECOND / 2), &mut out);
        }
    });
    assert_eq!(made, 0, "oms");
    let counters = oms.counters();
    assert_eq!((counters.orders_sent, counters.signals_refused), (9_800, 100));
    assert!(counters.orders_filled > 4_000 && counters.orders_expired > 2_000);
    assert!(counters.unknowns > 500 && counters.queries_sent > 500 && counters.cancels_sent > 500);
    assert!(counters.fills_repeated > 4_000);
    assert!(counters.never_sent > 1_000, "replaces that were taken back");
    let budget = oms.budget(strategy, VenueId(0));
    assert!(budget.limit > Some(Amount(1_000_000 * E18)), "moved again and again: {budget:?}");
    assert_ne!(oms.losses()[1].net, Amount::ZERO, "losses were measured");
}

/// One order's life; which one depends on the round.
fn live(oms: &mut Oms<Encoding, Live>, order: &NewOrder, round: u64, now: Nanos, out: &mut Output) {
    let venue = VenueId(order.instrument.0 as u8);
    let id = order.client_id;
    let mut say = |kind, origin, change: &dyn Fn(&mut ExecutionReport)| {
        let mut report = ExecutionReport::new(kind, origin, id, order.instrument);
        report.venue_order_id = VenueOrderId::from_u64(id.0);
        change(&mut report);
        out.clear();
        oms.on_report(venue, &report, now, out);
    };
    let fill = |number: u64| {
        move |report: &mut ExecutionReport| {
            report.fill = Fill {
                fill_id: FillId::from_u64(id.0 * 4 + number),
                price: Price(6_000_000),
                qty: Qty(500),
                liquidity: Liquidity::Taker,
                fee: Amount(E18 / 1_000_000),
                fee_asset: AssetId(report.instrument.0),
                realised: None,
            };
        }
    };
    let nothing = |_: &mut ExecutionReport| {};
    match round % 8 {
        0 => {
            say(ReportKind::Unknown, ReportOrigin::Local, &nothing);
            oms.on_timer(now.plus(SECOND / 4), out);
            let request = Request::Cancel(id);
            oms.on_request(StrategyId(1), &request, now, out);
            let report = ExecutionReport::new(
                ReportKind::Canceled,
                ReportOrigin::Query,
                id,
                order.instrument,
            );
            oms.on_report(venue, &report, now, out);
        }
        1 | 2 => {
            say(ReportKind::Accepted, ReportOrigin::Reply, &nothing);
            say(ReportKind::Fill, ReportOrigin::Stream, &fill(0));
            say(ReportKind::Expired, ReportOrigin::Stream, &|report| {
                report.cumulative_qty = Some(Qty(500));
            });
        }
        3 => {
            say(ReportKind::Accepted, ReportOrigin::Stream, &nothing);
            let request = Request::Replace { id, price: order.price, qty: Qty(order.qty.0 + 500) };
            oms.on_request(StrategyId(1), &request, now, out);
            let command = out.commands.last().map(|(_, command)| command.kind);
            let Some(command @ CommandKind::Replace(_)) = command else { panic!("{command:?}") };
            let late = ExecutionReport::refused_here(&command, RejectReason::NotSent, now);
            oms.on_report(venue, &late.unwrap(), now, out);
            let report = ExecutionReport::new(
                ReportKind::Canceled,
                ReportOrigin::Stream,
                id,
                order.instrument,
            );
            oms.on_report(venue, &report, now, out);
        }
        _ => {
            say(ReportKind::Fill, ReportOrigin::Stream, &fill(0));
            say(ReportKind::Accepted, ReportOrigin::Reply, &nothing);
            say(ReportKind::Fill, ReportOrigin::Stream, &fill(0));
            say(ReportKind::Fill, ReportOrigin::Stream, &fill(1));
        }
    }
}

#[test]
fn throttles_do_not_allocate() {
    let spec = |aligned| LimitSpec {
        name: "test",
        window_ns: SECOND,
        allowed: 20,
        cancel_reserve: 2,
        feeds: 0,
        aligned,
    };
    let mut throttle = Throttle::new(&[spec(true), spec(false)]);
    let costs = Costs([1, 1, 0, 0, 0, 0]);
    let made = allocations(|| {
        for step in 0..10_000u64 {
            let now = START.plus(step * SECOND / 100);
            let _ = throttle.try_take(&costs, Priority::New, now);
            let stated = RateLimitUse { limit: 1, used: 3, allowed: 20, resets_ns: now };
            throttle.on_use(&stated, now);
        }
    });
    assert!(throttle.refused() > 0);
    assert_eq!(made, 0, "throttle");
}

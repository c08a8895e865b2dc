//! The limits on position and value again, slowly: every order and fill of the history is added up
//! anew before each decision, and must lead to the same.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Act {
    /// Instrument, buys, quantity.
    Order(usize, bool, i64),
    /// Which order, and how much of it is filled, in percent.
    Fill(usize, i64),
    Cancel(usize),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0usize..2, any::<bool>(), 1i64..1_400).prop_map(|(at, buys, qty)| {
            Act::Order(at, buys, qty * 10)
        }),
        3 => (0usize..20, 1i64..=100).prop_map(|(order, part)| Act::Fill(order, part)),
        2 => (0usize..20).prop_map(Act::Cancel),
    ]
}

/// One order of the history, in lots.
struct Past {
    id: ClientOrderId,
    instrument: InstrumentId,
    buys: bool,
    qty: i64,
    filled: i64,
    working: bool,
}

const UNDERLYING: i64 = 20_000;
const INSTRUMENT: i64 = 13_000;
/// 6 000 quote units at 60 000: 0.1 BTC.
const LARGEST: i64 = 10_000;

/// The furthest position on one side of the orders that `counts` chooses.
fn furthest(history: &[Past], buys: bool, counts: impl Fn(&Past) -> bool) -> i64 {
    let chosen = || history.iter().filter(|past| counts(past));
    let held: i64 = chosen().map(|past| if past.buys { past.filled } else { -past.filled }).sum();
    let same = chosen().filter(|past| past.working && past.buys == buys);
    let working: i64 = same.map(|past| past.qty - past.filled).sum();
    if buys { held + working } else { working - held }
}

/// The first limit that an order would pass.
fn slow(history: &[Past], instrument: InstrumentId, buys: bool, qty: i64) -> Option<RiskReject> {
    // A sell at 60 000.10 is worth more than a buy at 60 000.
    let value = i128::from(qty) * if buys { 6_000_000 } else { 6_000_010 };
    if value > i128::from(LARGEST) * 6_000_000 {
        return Some(RiskReject::OrderNotional);
    }
    if furthest(history, buys, |_| true) + qty > UNDERLYING {
        return Some(RiskReject::PositionLimit);
    }
    let here = |past: &Past| past.instrument == instrument;
    if furthest(history, buys, here) + qty > INSTRUMENT {
        return Some(RiskReject::InstrumentPosition);
    }
    None
}

fn bench() -> Bench {
    let lots = |lots: i64| Amount(i128::from(lots) * (E18 / 100_000));
    let mut options = options();
    options.limits.position_max = vec![(BTC, lots(UNDERLYING))];
    options.limits.instrument_position_max = vec![(A, lots(INSTRUMENT)), (B, lots(INSTRUMENT))];
    options.limits.order_notional_max = Amount(6_000 * E18);
    (options.limits.order_rate_max, options.limits.open_orders_max) = (1_000, 64);
    Bench::with(options)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_fast_limits_decide_as_the_slow_ones(acts in prop::collection::vec(act(), 1..60)) {
        let mut bench = bench();
        let mut history: Vec<Past> = Vec::new();
        let mut number = 0;
        for act in &acts {
            match *act {
                Act::Order(at, buys, qty) => {
                    let instrument = [A, B][at];
                    let (side, price) =
                        if buys { (Side::Buy, 6_000_000) } else { (Side::Sell, 6_000_010) };
                    let time_in_force = TimeInForce::Gtc;
                    let leg = Leg {
                        time_in_force, price: Price(price), qty: Qty(qty), ..leg(instrument, side)
                    };
                    let expected = slow(&history, instrument, buys, qty);
                    let ids = bench.signal(&[leg]);
                    let told = bench.out.reports.first();
                    let got = told.and_then(|(_, report)| RiskReject::from_u8(report.risk));
                    prop_assert_eq!(got, expected, "{:?}", act);
                    for id in ids {
                        let (filled, working) = (0, true);
                        history.push(Past { id, instrument, buys, qty, filled, working });
                    }
                }
                Act::Fill(order, part) => {
                    let Some(past) = history.get_mut(order) else { continue };
                    let rest = past.qty - past.filled;
                    let qty = (rest * part / 100).max(1);
                    if !past.working {
                        continue;
                    }
                    number += 1;
                    past.filled += qty;
                    past.working = past.filled < past.qty;
                    let report = fill(past.id, past.instrument, number, qty);
                    bench.report(&report);
                }
                Act::Cancel(order) => {
                    let Some(past) = history.get_mut(order) else { continue };
                    past.working = false;
                    let (kind, origin) = (ReportKind::Canceled, ReportOrigin::Stream);
                    let report = ExecutionReport::new(kind, origin, past.id, past.instrument);
                    bench.report(&report);
                }
            }
            for buys in [true, false] {
                prop_assert!(furthest(&history, buys, |_| true) <= UNDERLYING);
                for id in [A, B] {
                    prop_assert!(furthest(&history, buys, |past| past.instrument == id) <= INSTRUMENT);
                }
            }
        }
    }
}

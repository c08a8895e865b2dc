//! What the risk checks cost: from a strategy's request to the commands, in nanoseconds.
//!
//! An own harness: percentiles are wanted. One order and a two-leg signal, with every optional limit
//! set, once with a recorder that encodes every record as the journal gets it and once without.
//! The orders are refused by the last check, or pass all of them and are sent.
//! `cargo bench --bench risk`.

#![allow(missing_docs)]

#[path = "support/limits.rs"]
mod limits;

use limits::{E18, limits};
use std::hint::black_box;
use std::sync::Arc;
use stoop::oms::{
    BookQuote, Books, NullRecorder, Oms, OmsOptions, Output, Record, Recorder, RiskLimits,
    StrategyLimits, VenueRates,
};
use stoop::types::{
    Amount, BookState, Channel, CostTable, ExecutionReport, Instrument, InstrumentId,
    InstrumentRules, InstrumentTable, Leg, Level, LimitSpec, Nanos, Price, Qty, Readiness,
    ReportKind, ReportOrigin, Request, Scale, Side, Signal, SignalId, StrategyId, TimeInForce,
    VenueId, VenueNotice,
};
use stoop::venues::{VENUES, VenueRow};

const START: Nanos = Nanos(1_800_000_000_000_000_000);
const ROUNDS: u64 = 200_000;

struct Live;

impl Books for Live {
    fn best(&self, _instrument: InstrumentId) -> BookQuote {
        BookQuote {
            bid: Level { price: Price(6_000_000), qty: Qty(100_000) },
            ask: Level { price: Price(6_000_010), qty: Qty(100_000) },
            state: BookState::Live,
            recv_ns: Nanos(u64::MAX),
        }
    }
}

/// Writes every record as the journal does.
struct Encoding([u8; 4096]);

impl Recorder for Encoding {
    fn record(&mut self, _now: Nanos, record: &Record) {
        black_box(record.encode(&mut self.0));
    }
}

fn instruments() -> InstrumentTable {
    let mut table = InstrumentTable::default();
    let (base, quote) = (table.assets.intern("BTC"), table.assets.intern("USDT"));
    for venue in [VenueId(0), VenueId(1)] {
        let rules = InstrumentRules {
            tick_size: Price(10),
            lot_size: Qty(1),
            ..InstrumentRules::default()
        };
        let scale = Scale { price_decimals: 2, qty_decimals: 5 };
        table.add(Instrument { venue, base, quote, scale, rules, ..Instrument::default() });
    }
    table
}

/// The venues' own limits, with room for all that is measured.
fn rates(row: &VenueRow) -> VenueRates {
    let more = |limit: &LimitSpec| LimitSpec { allowed: 1_000_000_000, ..*limit };
    let costs = CostTable::new(|kind| (row.costs)(kind, false));
    VenueRates { limits: row.limits.iter().map(more).collect(), costs }
}

fn options() -> OmsOptions {
    let large = Amount(1_000_000 * E18);
    let own = StrategyLimits {
        order_rate_max: Some(1_000),
        open_orders_max: Some(100),
        budgets: vec![(VenueId(0), large), (VenueId(1), large)],
        budget_rebalance: true,
    };
    OmsOptions {
        venues: vec![vec![Channel::Trade]; 2],
        rates: VENUES.iter().map(rates).collect(),
        // Ready as soon as it is connected.
        reconcile_every_ns: 0,
        limits: RiskLimits { strategies: vec![own], ..limits(2) },
        ..OmsOptions::default()
    }
}

struct Rig<R: Recorder> {
    oms: Oms<R, Live>,
    out: Output,
    now: Nanos,
    clock: quanta::Clock,
    own_ns: u64,
}

impl<R: Recorder> Rig<R> {
    fn new(recorder: R) -> Self {
        let mut out = Output::new(&options());
        let mut oms = Oms::new(options(), Arc::new(instruments()), START, recorder, Live);
        for venue in [VenueId(0), VenueId(1)] {
            let ready = VenueNotice::Readiness(Channel::Trade, Readiness::Ready);
            oms.on_notice(venue, &ready, START, &mut out);
            oms.on_notice(venue, &VenueNotice::BalancesEnd, START, &mut out);
        }
        let clock = quanta::Clock::new();
        let mut empty: Vec<u64> = (0..1_000)
            .map(|_| {
                let start = clock.raw();
                clock.delta_as_nanos(start, clock.raw())
            })
            .collect();
        empty.sort_unstable();
        Self { oms, out, now: START, clock, own_ns: empty[500] }
    }

    /// Sends so many signals; sorted nanoseconds of the call, and how many orders were sent.
    fn times(&mut self, legs: &[Leg]) -> (Vec<u64>, u64) {
        let mut times = Vec::with_capacity(ROUNDS as usize);
        let mut sent = 0;
        for round in 1..=ROUNDS {
            self.now = self.now.plus(3_000_000);
            let legs_len = legs.len() as u8;
            let mut signal = Signal { id: SignalId(round), legs_len, ..Signal::default() };
            signal.strategy = StrategyId(0);
            signal.legs[..legs.len()].copy_from_slice(legs);
            let request = Request::Signal(signal);
            self.out.clear();
            let start = self.clock.raw();
            self.oms.on_request(StrategyId(0), black_box(&request), self.now, &mut self.out);
            let end = self.clock.raw();
            times.push(self.clock.delta_as_nanos(start, end).saturating_sub(self.own_ns));
            sent += self.out.commands.len() as u64;
            self.end_all();
        }
        times.sort_unstable();
        (times, sent)
    }

    fn end_all(&mut self) {
        loop {
            let open = self.oms.orders().iter_open().next().copied();
            let Some(order) = open else { return };
            let (kind, origin) = (ReportKind::Expired, ReportOrigin::Stream);
            let report = ExecutionReport::new(kind, origin, order.client_id, order.instrument);
            self.oms.on_report(order.venue, &report, self.now, &mut self.out);
        }
    }
}

fn leg(instrument: u16, side: Side, qty: i64) -> Leg {
    Leg {
        instrument: InstrumentId(instrument),
        side,
        time_in_force: TimeInForce::Ioc,
        price: Price(6_000_000),
        qty: Qty(qty),
        ..Leg::default()
    }
}

fn measure<R: Recorder>(name: &str, recorder: impl Fn() -> R) {
    let (buy, sell) = (leg(0, Side::Buy, 1_000), leg(1, Side::Sell, 1_000));
    // Two legs of one instrument that meet each other: refused by the last check of a leg.
    let crossing = leg(0, Side::Sell, 1_000);
    let cases: [(&str, &[Leg], u64); 3] = [
        ("one order, sent", &[buy], 1),
        ("two legs, sent", &[buy, sell], 2),
        ("two legs, the last check refuses", &[buy, crossing], 0),
    ];
    for (what, legs, expected) in cases {
        let (times, sent) = Rig::new(recorder()).times(legs);
        assert_eq!(sent, expected * ROUNDS, "{what}: something else was measured");
        let at = |q: f64| times[((times.len() - 1) as f64 * q) as usize];
        println!(
            "{what:<34} {name:<12} p50 {:>6} p99 {:>6} p99.9 {:>6} ns, {sent} orders",
            at(0.5),
            at(0.99),
            at(0.999)
        );
    }
}

fn main() {
    measure("encoding", || Encoding([0; 4096]));
    measure("no recorder", || NullRecorder);
}

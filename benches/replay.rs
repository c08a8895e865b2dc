//! What it costs to go on after a crash: how fast records are executed again, and how long a start
//! takes with a long history behind it.
//!
//! `cargo bench --bench replay` writes ten million records (`STOOP_RECORDS` says another number)
//! through the order manager into a journal of real files below the temporary folder, with full
//! files turned into snapshots as in a running engine; then it restores from the first record on,
//! and from the newest snapshot as a start does. Prints one line each.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stoop::agents::journal::{JournalRecorder, JournalSetup, restore};
use stoop::agents::log;
use stoop::config::Config;
use stoop::journal::Place;
use stoop::oms::{BookQuote, Books, Oms, OmsOptions, Output, RiskLimits};
use stoop::types::*;

const E18: i128 = 10i128.pow(18);
const SECOND: u64 = 1_000_000_000;
const START: Nanos = Nanos(1_800_000_000 * SECOND);

struct Live(Nanos);

impl Books for Live {
    fn best(&self, _: InstrumentId) -> BookQuote {
        let level = |price| Level { price: Price(price), qty: Qty(100_000) };
        let state = BookState::Live;
        BookQuote { bid: level(6_000_000), ask: level(6_000_010), state, recv_ns: self.0 }
    }
}

fn instruments() -> InstrumentTable {
    let mut table = InstrumentTable::default();
    let (base, quote) = (table.assets.intern("BTC"), table.assets.intern("USDT"));
    for (venue, name) in [(0, "BTC/USDT@one"), (1, "BTC/USDT@two")] {
        table.add(Instrument {
            venue: VenueId(venue),
            name: name.to_owned(),
            base,
            quote,
            scale: Scale { price_decimals: 2, qty_decimals: 5 },
            rules: InstrumentRules {
                tick_size: Price(10),
                lot_size: Qty(1),
                ..InstrumentRules::default()
            },
            ..Instrument::default()
        });
    }
    table
}

fn options() -> OmsOptions {
    OmsOptions {
        orders_max: 8_192,
        fills_max: 16_384,
        venues: vec![vec![Channel::Trade]; 2],
        // Nobody answers here: ready as soon as it is connected.
        reconcile_every_ns: 0,
        limits: RiskLimits {
            order_notional_max: Amount(10_000 * E18),
            price_collar: Ppb(1_000_000),
            book_age_max_ns: SECOND,
            position_max: vec![(AssetId(0), Amount(1_000 * E18))],
            order_rate_max: 1_000,
            order_rate_window_ns: SECOND,
            open_orders_max: 100,
            ..RiskLimits::default()
        },
        ..OmsOptions::default()
    }
}

/// Two-leg signals, each leg acknowledged and filled in two parts with a balance after it.
fn trade(oms: &mut Oms<JournalRecorder, Live>, out: &mut Output, number: u64) {
    let now = START.plus(number * SECOND / 100);
    oms.books_mut().0 = now;
    let strategy = StrategyId(0);
    let id = SignalId(number + 1);
    let mut signal = Signal { id, strategy, legs_len: 2, ..Signal::default() };
    for (at, side) in [Side::Buy, Side::Sell].into_iter().enumerate() {
        signal.legs[at] = Leg {
            instrument: InstrumentId(at as u16),
            side,
            time_in_force: TimeInForce::Ioc,
            price: Price(6_000_000),
            qty: Qty(1_000),
            ..Leg::default()
        };
    }
    out.clear();
    oms.on_request(strategy, &Request::Signal(signal), now, out);
    let sent: Vec<NewOrder> = out
        .commands
        .iter()
        .filter_map(|(_, command)| match command.kind {
            CommandKind::New(order) => Some(order),
            _ => None,
        })
        .collect();
    for order in sent {
        report(oms, out, &order, now);
    }
}

fn report(oms: &mut Oms<JournalRecorder, Live>, out: &mut Output, order: &NewOrder, now: Nanos) {
    let venue = VenueId(order.instrument.0 as u8);
    let say = |kind, part: u64| {
        let origin = ReportOrigin::Stream;
        let mut report = ExecutionReport::new(kind, origin, order.client_id, order.instrument);
        report.venue_order_id = VenueOrderId::from_u64(order.client_id.0);
        (report.side, report.price, report.qty) = (order.side, order.price, order.qty);
        report.event_ns = now;
        if kind == ReportKind::Fill {
            report.fill = Fill {
                fill_id: FillId::from_u64(order.client_id.0 * 2 + part),
                price: order.price,
                qty: Qty(order.qty.0 / 2),
                fee: Amount(E18 / 1_000),
                fee_asset: AssetId(1),
                liquidity: Liquidity::Taker,
                realised: None,
            };
        }
        report
    };
    for report in [say(ReportKind::Accepted, 0), say(ReportKind::Fill, 0), say(ReportKind::Fill, 1)]
    {
        out.clear();
        oms.on_report(venue, &report, now, out);
    }
    let free = Amount(E18 * i128::from(order.client_id.0 as u32));
    oms.on_balance(&AssetBalance { venue, free, ..AssetBalance::default() }, now);
}

fn write(setup: &JournalSetup, records: u64) -> (u64, Duration) {
    let (log, ..) = log::channel(1024);
    let (journal, _) = JournalRecorder::open(setup, START, log.named("journal")).unwrap();
    let mut out = Output::new(&options());
    let mut oms = Oms::new(options(), Arc::new(instruments()), START, journal, Live(START));
    for venue in [VenueId(0), VenueId(1)] {
        let ready = VenueNotice::Readiness(Channel::Trade, Readiness::Ready);
        oms.on_notice(venue, &ready, START, &mut out);
        oms.on_notice(venue, &VenueNotice::BalancesEnd, START, &mut out);
    }
    let begun = Instant::now();
    let mut number = 0;
    while oms.recorder().next_sequence() < records {
        trade(&mut oms, &mut out, number);
        number += 1;
        if oms.recorder().is_short() {
            // The files are made by another thread, which a bench outruns.
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    let took = begun.elapsed();
    assert!(oms.recorder().broken().is_none(), "{:?}", oms.recorder().error());
    assert_eq!(oms.counters().fills, 4 * number, "something else was measured");
    // No clean stop: the start has to execute what came after the last full file.
    (oms.recorder().next_sequence() - 1, took)
}

fn main() {
    let records = std::env::var("STOOP_RECORDS").map_or(10_000_000, |text| text.parse().unwrap());
    let folder: PathBuf = std::env::temp_dir().join(format!("stoop-replay-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let config = Config::embedded().unwrap().journal;
    let setup = JournalSetup { place: Place::Folder(folder.clone()), config, anew: false };
    let (written, took) = write(&setup, records);
    let rate = |count: u64, took: Duration| count as f64 / took.as_secs_f64() / 1e6;
    println!(
        "written through the order manager: {written} records, {:.2} million a second",
        rate(written, took)
    );
    for (what, from_snapshot) in
        [("start, from the newest snapshot", true), ("from the first record", false)]
    {
        let begun = Instant::now();
        let restored = restore(&setup.place, from_snapshot).unwrap();
        let took = begun.elapsed();
        println!(
            "{what}: {:.0} ms, {} records executed again, {:.2} million a second",
            took.as_secs_f64() * 1e3,
            restored.records,
            rate(restored.records, took)
        );
    }
    let _ = std::fs::remove_dir_all(&folder);
}

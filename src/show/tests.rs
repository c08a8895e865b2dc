//! Tests over a made journal: two venues, one strategy, every kind of end that an order has.

use super::*;
use crate::journal::{MemoryFolder, Need, Place, SyncPolicy, Writer, WriterOptions, snapshot};
use crate::oms::{BookQuote, Books, Oms, OmsOptions, Output, Record, RiskLimits};
use crate::show::table;
use crate::types::{
    Amount, BookState, Channel, ClientOrderId, CommandKind, ExecutionReport, Fill, FillId,
    Instrument, InstrumentId, InstrumentRules, InstrumentTable, Leg, Level, Liquidity, Nanos,
    Operator, Ppb, Price, ProcessEnd, Qty, Readiness, RejectReason, ReportKind, ReportOrigin,
    Request, Scale, Scope, Side, Signal, SignalId, StrategyId, Teller, TimeInForce, TradingState,
    VenueId, VenueNotice, VenueOrderId,
};
use serde_json::json;
use std::sync::Arc;

const E18: i128 = 10i128.pow(18);
const MS: u64 = 1_000_000;
const START: Nanos = Nanos(1_795_000_000_000_000_000);
const SPREAD: StrategyId = StrategyId(0);
const A: InstrumentId = InstrumentId(0);
const B: InstrumentId = InstrumentId(1);

/// The same book everywhere: 60 000.00 to 60 000.10, received at the start.
struct OneBook;

impl Books for OneBook {
    fn best(&self, _: InstrumentId) -> BookQuote {
        BookQuote {
            bid: Level { price: Price(6_000_000), qty: Qty(100_000) },
            ask: Level { price: Price(6_000_010), qty: Qty(100_000) },
            state: BookState::Live,
            recv_ns: START,
        }
    }
}

fn instruments() -> InstrumentTable {
    let mut table = InstrumentTable::default();
    let (base, quote) = (table.assets.intern("BTC"), table.assets.intern("USDT"));
    for (venue, name) in [(0, "BTC/USDT@a"), (1, "BTC/USDT@b")] {
        table.add(Instrument {
            venue: VenueId(venue),
            name: name.to_owned(),
            base,
            quote,
            scale: Scale { price_decimals: 2, qty_decimals: 5 },
            rules: InstrumentRules {
                tick_size: Price(10),
                lot_size: Qty(1),
                qty_min: Qty(1),
                ..InstrumentRules::default()
            },
            ..Instrument::default()
        });
    }
    table
}

/// An order manager whose records become a journal.
struct Desk {
    oms: Oms<Vec<(Nanos, Record)>, OneBook>,
    out: Output,
    now: Nanos,
    signals: u64,
}

impl Desk {
    fn new() -> Self {
        let options = OmsOptions {
            orders_max: 64,
            fills_max: 64,
            venues: vec![vec![Channel::Trade], vec![Channel::Trade]],
            strategies: vec!["spread".to_owned()],
            reconcile_every_ns: 0,
            limits: RiskLimits {
                order_notional_max: Amount(10_000 * E18),
                price_collar: Ppb(1_000_000),
                book_age_max_ns: 3_600_000 * MS,
                position_max: vec![(crate::types::AssetId(0), Amount(E18))],
                order_rate_max: 40,
                order_rate_window_ns: 1_000 * MS,
                open_orders_max: 30,
                ..RiskLimits::default()
            },
            ..OmsOptions::default()
        };
        let out = Output::new(&options);
        let oms = Oms::new(options, Arc::new(instruments()), START, Vec::new(), OneBook);
        let mut desk = Self { oms, out, now: START, signals: 0 };
        for venue in [0, 1] {
            desk.notice(venue, VenueNotice::Readiness(Channel::Trade, Readiness::Ready));
        }
        desk
    }

    /// So much later.
    fn after(&mut self, ns: u64) -> &mut Self {
        self.now = self.now.plus(ns);
        self
    }

    fn notice(&mut self, venue: u8, notice: VenueNotice) {
        self.oms.on_notice(VenueId(venue), &notice, self.now, &mut self.out);
    }

    /// A signal with a leg of 0.01 in each instrument that is named.
    fn signal(
        &mut self,
        legs: &[(InstrumentId, Side)],
        in_force: TimeInForce,
    ) -> Vec<ClientOrderId> {
        self.signals += 1;
        let mut signal = Signal {
            id: SignalId(self.signals),
            strategy: SPREAD,
            legs_len: legs.len() as u8,
            tick_ns: Nanos(self.now.0 - 50_000),
            published_ns: Nanos(self.now.0 - 40_000),
            seen_ns: Nanos(self.now.0 - 30_000),
            emitted_ns: Nanos(self.now.0 - 20_000),
            ..Signal::default()
        };
        for (to, (instrument, side)) in signal.legs.iter_mut().zip(legs) {
            let (price, qty) = (Price(6_000_000), Qty(1_000));
            let (instrument, side) = (*instrument, *side);
            *to = Leg { instrument, side, time_in_force: in_force, price, qty, ..Leg::default() };
        }
        self.out.clear();
        self.oms.on_request(SPREAD, &Request::Signal(signal), self.now, &mut self.out);
        let placed = self.out.commands.iter().filter_map(|(_, command)| match command.kind {
            CommandKind::New(order) => Some(order.client_id),
            _ => None,
        });
        placed.collect()
    }

    fn tell(&mut self, operator: &Operator) {
        self.oms.on_operator(operator, self.now, &mut self.out).unwrap();
    }

    fn report(&mut self, report: &ExecutionReport) {
        let venue = VenueId(report.instrument.0 as u8);
        self.oms.on_report(venue, report, self.now, &mut self.out);
    }

    fn say(&mut self, kind: ReportKind, id: ClientOrderId, of: InstrumentId, venue_id: &str) {
        let mut report = ExecutionReport::new(kind, ReportOrigin::Reply, id, of);
        report.venue_order_id = VenueOrderId::new(venue_id).unwrap();
        self.report(&report);
    }

    fn fill(&mut self, id: ClientOrderId, of: InstrumentId, side: Side, fill: (u64, i64)) {
        self.fill_at(6_000_000, id, of, side, fill);
    }

    fn fill_at(
        &mut self,
        price: i64,
        id: ClientOrderId,
        of: InstrumentId,
        side: Side,
        fill: (u64, i64),
    ) {
        let mut report = ExecutionReport::new(ReportKind::Fill, ReportOrigin::Stream, id, of);
        report.side = side;
        report.event_ns = Nanos(self.now.0 - 3 * MS);
        report.venue_order_id = VenueOrderId::new(if of == A { "a-1" } else { "b-1" }).unwrap();
        report.fill = Fill {
            fill_id: FillId::from_u64(fill.0),
            price: Price(price),
            qty: Qty(fill.1),
            liquidity: Liquidity::Taker,
            fee: Amount(E18 / 10),
            fee_asset: crate::types::AssetId(1),
            realised: None,
        };
        self.report(&report);
    }

    /// Everything recorded, as a journal, with a snapshot after it if that is wanted.
    fn journal(&mut self, ended: bool) -> Place {
        if ended {
            self.oms.record_hash(self.now);
        }
        let folder = MemoryFolder::new();
        let place = Place::Memory(folder);
        let options = WriterOptions {
            segment_bytes: 1 << 20,
            reserve_bytes: None,
            sync: SyncPolicy::Never,
            ..WriterOptions::new(place.clone())
        };
        let (mut writer, _) = Writer::open(&options, START, None).unwrap();
        let mut bytes = [0; 16 * 1024];
        for (now, record) in self.oms.recorder().iter() {
            let len = record.encode(&mut bytes).unwrap();
            writer.append(record.kind().0, Need::Normal, *now, &bytes[..len]).unwrap();
        }
        let last = writer.next_sequence() - 1;
        writer.close().unwrap();
        if ended {
            snapshot::write(&place, last, self.now, &self.oms.kept().encode()).unwrap();
        }
        place
    }
}

/// A pair of which one leg fills in two parts, one of them told twice, and the other expires; a refused
/// signal; an order that the venue refuses; one that works.
fn day() -> (Desk, [ClientOrderId; 4]) {
    let mut desk = Desk::new();
    let pair = desk.after(10 * MS).signal(&[(A, Side::Buy), (B, Side::Sell)], TimeInForce::Ioc);
    let [buy, sell] = pair[..] else { panic!("{pair:?}") };
    desk.after(MS).say(ReportKind::Accepted, buy, A, "a-1");
    desk.after(MS).fill(buy, A, Side::Buy, (71, 400));
    desk.after(MS).fill(buy, A, Side::Buy, (71, 400));
    desk.after(MS).fill(buy, A, Side::Buy, (72, 600));
    let mut expired = ExecutionReport::new(ReportKind::Expired, ReportOrigin::Stream, sell, B);
    expired.reason = RejectReason::TimeInForce;
    desk.after(MS).report(&expired);
    let pause = Operator::SetState(Scope::Strategy(SPREAD), TradingState::Halted);
    desk.after(MS).tell(&pause);
    for _ in 0..3 {
        assert!(desk.after(MS).signal(&[(A, Side::Buy)], TimeInForce::Ioc).is_empty());
    }
    assert!(desk.after(2_000 * MS).signal(&[(A, Side::Buy)], TimeInForce::Ioc).is_empty());
    let resume = Operator::SetState(Scope::Strategy(SPREAD), TradingState::Active);
    desk.tell(&resume);
    let refused = desk.after(MS).signal(&[(B, Side::Sell)], TimeInForce::Ioc)[0];
    let mut report = ExecutionReport::new(ReportKind::Rejected, ReportOrigin::Reply, refused, B);
    (report.reason, report.venue_code) = (RejectReason::InsufficientBalance, -2010);
    desk.after(MS).report(&report);
    let works = desk.after(MS).signal(&[(A, Side::Buy)], TimeInForce::Gtc)[0];
    desk.after(MS).say(ReportKind::Accepted, works, A, "a-2");
    (desk, [buy, sell, refused, works])
}

#[test]
fn a_strategy_that_is_not_started_again_is_an_error() {
    let mut desk = Desk::new();
    let now = desk.now;
    desk.oms.on_strategy_ended(SPREAD, ProcessEnd::Exit(101), now);
    let place = desk.journal(false);
    let mut walk = Walk::open(&place, From::Beginning).unwrap();
    let (mut events, mut rows) = (Events::default(), Vec::new());
    while let Some(group) = walk.step().unwrap() {
        rows.extend(events.take(&group, walk.state().unwrap()));
    }
    let row = rows.iter().find(|row| row.kind == "strategy").unwrap();
    assert_eq!((row.level, row.strategy.as_str()), ("error", "spread"));
    let text = "spread has ended (exit 101): its process is not started again";
    assert_eq!(row.text, text);
}

#[test]
fn who_forbade_and_allowed_is_told() {
    let mut desk = Desk::new();
    let (scope, now) = (Scope::Strategy(SPREAD), desk.now);
    let person = Teller::Person { uid: 1_000, pid: 77 };
    for (teller, state) in [
        (person, TradingState::ReduceOnly),
        (Teller::Watchdog, TradingState::Halted),
        (Teller::AfterRestart, TradingState::Active),
    ] {
        let operator = Operator::SetState(scope, state);
        desk.oms.on_told(teller, &operator, now, &mut desk.out).unwrap();
    }
    let place = desk.journal(false);
    let mut walk = Walk::open(&place, From::Beginning).unwrap();
    let (mut events, mut rows) = (Events::default(), Vec::new());
    while let Some(group) = walk.step().unwrap() {
        rows.extend(events.take(&group, walk.state().unwrap()));
    }
    let of_operator = rows.iter().filter(|row| row.kind == "operator");
    let told: Vec<_> = of_operator.map(|row| (row.level, row.by.as_str(), &*row.text)).collect();
    let expected = [
        ("info", "user 1000, process 77", "strategy spread is reduce-only (user 1000, process 77)"),
        ("warn", "watchdog", "strategy spread is halted (watchdog)"),
        ("info", "after_restart", "strategy spread is active (after_restart)"),
    ];
    assert_eq!(told, expected);
    assert!(rows.iter().all(|row| row.kind != "operator" || row.strategy == "spread"));
}

#[test]
fn every_fill_is_told_once_with_what_it_changed() {
    let (mut desk, [buy, ..]) = day();
    let place = desk.journal(false);
    let (rows, walk) = fills_from(&place, From::Beginning);
    assert_eq!(rows.len() as u64, walk.state().unwrap().counters().fills);
    let object = table::object(&FILL_COLUMNS, &rows[1]);
    let record = object["record"].as_u64().unwrap();
    let expected = json!({
        "time_ns": 1_795_000_000_014_000_000u64, "time": "2026-11-18T11:06:40.014000Z",
        "venue_time_ns": 1_795_000_000_011_000_000u64,
        "venue_time": "2026-11-18T11:06:40.011000Z",
        "venue": venue_name(VenueId(0)), "instrument": "BTC/USDT@a", "strategy": "spread",
        "signal": 1, "order": buy.to_string(), "venue_order_id": "a-1", "fill_id": "72",
        "side": "buy", "price": "60000", "qty": "0.006", "value": "360", "quote": "USDT",
        "liquidity": "taker", "fee": "0.1", "fee_asset": "USDT", "realised": "0",
        "position": "0.01", "record": record,
    });
    assert_eq!(object, expected);
}

fn fills_from(place: &Place, from: From) -> (Vec<table::Row>, Walk) {
    let mut walk = Walk::open(place, from).unwrap();
    let (mut fills, mut rows) = (Fills::over(walk.state()), Vec::new());
    while let Some(group) = walk.step().unwrap() {
        let state = walk.state().unwrap();
        let fill = fills.take(&group, state);
        rows.extend(fill.map(|fill| fill.cells(&Naming::of(state))));
    }
    (rows, walk)
}

#[test]
fn what_comes_behind_a_snapshot_is_told_by_what_it_changed() {
    let mut desk = Desk::new();
    let buy = desk.after(10 * MS).signal(&[(A, Side::Buy)], TimeInForce::Ioc)[0];
    desk.after(MS).say(ReportKind::Accepted, buy, A, "a-1");
    desk.after(MS).fill(buy, A, Side::Buy, (71, 1_000));
    let sell = desk.after(MS).signal(&[(A, Side::Sell)], TimeInForce::Ioc)[0];
    desk.after(MS).say(ReportKind::Accepted, sell, A, "a-1");
    desk.after(MS).fill_at(6_000_100, sell, A, Side::Sell, (72, 400));
    let taken = (desk.oms.recorder().len() as u64, desk.now, desk.oms.kept().encode());
    desk.after(MS).fill_at(6_000_100, sell, A, Side::Sell, (72, 400));
    desk.after(MS).fill_at(6_000_200, sell, A, Side::Sell, (73, 600));
    let place = desk.journal(false);
    let told = |from| {
        let (rows, _) = fills_from(&place, from);
        let rows = rows.iter().map(|row| table::object(&FILL_COLUMNS, row));
        rows.map(|row| format!("{} {}", row["fill_id"], row["realised"])).collect::<Vec<_>>()
    };
    let all = [r#""71" "0""#, r#""72" "0.004""#, r#""73" "0.012""#];
    assert_eq!(told(From::Newest), all, "there is no snapshot yet");
    let (last, at, bytes) = taken;
    snapshot::write(&place, last, at, &bytes).unwrap();
    assert_eq!(told(From::Newest), all[2..]);

    let mut walk = Walk::open(&place, From::Newest).unwrap();
    let mut events = Events::over(walk.state(), at);
    while let Some(group) = walk.step().unwrap() {
        for event in events.take(&group, walk.state().unwrap()) {
            assert_ne!(event.kind, "ready", "venues were ready before: {}", event.text);
        }
    }
}

#[test]
fn orders_stand_as_they_were_left() {
    let (mut desk, [buy, sell, refused, works]) = day();
    let place = desk.journal(true);
    let mut walk = Walk::open(&place, From::Newest).unwrap();
    assert!(walk.next().unwrap().is_none(), "the snapshot stands for all");
    walk.finish().unwrap();
    let state = walk.state().unwrap();
    let names = Naming::of(state);
    let of = |id| {
        let row = OrderRow::of(state.order(id).unwrap(), &names);
        table::object(&ORDER_COLUMNS, &row.cells(&names))
    };
    let states = [buy, sell, refused, works].map(|id| of(id)["state"].as_str().unwrap().to_owned());
    assert_eq!(states, ["filled", "expired", "rejected", "open"]);
    assert_eq!(of(refused)["reason"], "insufficient balance");
    let expected = json!({
        "created_ns": 1_795_000_002_022_000_000u64, "created": "2026-11-18T11:06:42.022000Z",
        "order": works.to_string(), "venue": venue_name(VenueId(0)), "instrument": "BTC/USDT@a",
        "strategy": "spread", "signal": 7, "leg": 0, "side": "buy", "terms": "limit GTC",
        "price": "60000", "qty": "0.01", "filled": "0", "state": "open",
        "since_ns": 1_795_000_002_023_000_000u64, "since": "2026-11-18T11:06:42.023000Z",
        "reason": null, "external": false, "cancel_wanted": false, "venue_order_id": "a-2",
    });
    assert_eq!(of(works), expected);
}

#[test]
fn an_orders_life_is_told_with_times_since_its_signal() {
    let (mut desk, [buy, ..]) = day();
    let place = desk.journal(false);
    let Found::One(key) = find(&place, &buy.to_string()).unwrap() else { panic!() };
    let life = life(&place, &key, &[]).unwrap();
    let mut columns = STEP_COLUMNS;
    // The day stands in the other tests.
    columns[1].shown = false;
    let text = table::text(&columns, &life.rows());
    let expected = "\
since signal  step     state             filled  text
    -30.0 us  tick                               the message with the prices was received
    -20.0 us  book                               the book with them was published
    -10.0 us  seen                               spread read it
        0 ns  signal                             spread, signal 1: buy 0.01 BTC/USDT@a at 60000; sell 0.01 BTC/USDT@b at 60000
     20.0 us  risk                               passed every limit; the book was 60000 / 60000.1, live, 10.0 ms old
     20.0 us  journal                            intent on record before it leaves: limit IOC buy 0.01 BTC/USDT@a at 60000 (signal 1, leg 1)
     20.0 us  send     pending new            0  handed to the executor of VENUE
      1.0 ms  ack      open                   0  accepted by VENUE as a-1 (reply)
      2.0 ms  fill     partially filled   0.004  0.004 at 60000, taker, fee 0.1 USDT, fill 71 (stream)
      3.0 ms  fill                               0.004 at 60000, taker, fee 0.1 USDT, fill 71 (stream); told again: booked before
      4.0 ms  fill     filled              0.01  0.006 at 60000, taker, fee 0.1 USDT, fill 72 (stream)
";
    assert_eq!(text, expected.replace("VENUE", &venue_name(VenueId(0))));
    let order = life.order.as_ref().unwrap();
    assert_eq!((order.order, order.filled.as_str()), (buy, "0.01"));
    assert_eq!(life.signal, Nanos(START.0 + 10 * MS - 20_000));
    let steps = table::objects(&STEP_COLUMNS, &life.rows());
    assert_eq!(steps[0]["since_signal_ns"], -30_000);
    assert_eq!(steps[8]["venue_time_ns"], START.0 + 9 * MS);
    assert!(steps[8]["record"].as_u64() > steps[7]["record"].as_u64());
}

#[test]
fn an_order_is_found_by_whatever_is_its_own() {
    let (mut desk, [buy, sell, _, works]) = day();
    let place = desk.journal(false);
    let one = |typed: &str| match find(&place, typed).unwrap() {
        Found::One(key) => key.text(),
        other => format!("{other:?}"),
    };
    assert_eq!(one(&sell.to_string()), sell.to_string());
    let end = buy.to_string();
    assert_eq!(one(&end[end.len() - 3..]), end, "its end");
    assert_eq!(one("a-2"), works.to_string(), "the venue's id");
    assert_eq!(find(&place, "nothing").unwrap(), Found::None);
    let Found::Many(some, count) = find(&place, "st").unwrap() else { panic!() };
    assert_eq!((some.len(), count), (4, 4));
    assert!(matches!(find(&place, "a-").unwrap(), Found::Many(_, 2)), "two begin so");
}

#[test]
fn events_are_what_an_operator_wants_to_know() {
    let (mut desk, [_, _, refused, _]) = day();
    desk.notice(1, VenueNotice::Readiness(Channel::Trade, Readiness::Down));
    let place = desk.journal(true);
    let mut walk = Walk::open(&place, From::Beginning).unwrap();
    let (mut events, mut rows) = (Events::default(), Vec::new());
    while let Some(group) = walk.step().unwrap() {
        rows.extend(events.take(&group, walk.state().unwrap()));
    }
    let told: Vec<String> = rows
        .iter()
        .map(|row| format!("{} {} {}: {}", row.level, row.kind, row.venue, row.text))
        .collect();
    let (a, b) = (venue_name(VenueId(0)), venue_name(VenueId(1)));
    let expected = [
        "info start : a run begins: 2 instruments, strategies spread".to_owned(),
        format!("info venue {a}: order entry ready"),
        format!("info ready {a}: may be traded on"),
        format!("info venue {b}: order entry ready"),
        format!("info ready {b}: may be traded on"),
        "info operator : strategy spread is halted".to_owned(),
        "warn refusal : spread was refused: trading is halted (signal 2)".to_owned(),
        "warn refusal : spread was refused: trading is halted, 2 more since the last time \
         (signal 5)"
            .to_owned(),
        "info operator : strategy spread is active".to_owned(),
        format!("warn order {b}: order {refused} refused: insufficient balance (code -2010)"),
        format!("warn venue {b}: order entry down"),
        "info stop : the run ended in good order".to_owned(),
        format!("warn ready {b}: gets no new orders: order entry is not ready"),
    ];
    assert_eq!(told, expected);
}

/// A journal that is being written is followed: every input once, whatever the moments.
#[test]
fn a_walk_goes_on_with_what_is_written_meanwhile() {
    let (mut desk, _) = day();
    let folder = MemoryFolder::new();
    let place = Place::Memory(folder);
    let options = WriterOptions {
        segment_bytes: 8192,
        reserve_bytes: Some(1024),
        sync: SyncPolicy::Never,
        ..WriterOptions::new(place.clone())
    };
    let (mut writer, _) = Writer::open(&options, START, None).unwrap();
    let records = desk.oms.recorder().clone();
    let mut walk: Option<Walk> = None;
    let (mut seen, mut inputs) = (0, 0);
    let mut bytes = [0; 16 * 1024];
    for (at, (now, record)) in records.iter().enumerate() {
        let len = record.encode(&mut bytes).unwrap();
        writer.append(record.kind().0, Need::Normal, *now, &bytes[..len]).unwrap();
        inputs += u64::from(record.is_input());
        if at % 3 != 0 {
            continue;
        }
        let walk = walk.get_or_insert_with(|| Walk::open(&place, From::Newest).unwrap());
        walk.go_on().unwrap();
        while walk.next().unwrap().is_some() {
            seen += 1;
        }
        assert!(seen <= inputs);
    }
    let mut walk = walk.unwrap();
    walk.go_on().unwrap();
    while walk.next().unwrap().is_some() {
        seen += 1;
    }
    seen += u64::from(walk.settle().unwrap().is_some());
    assert_eq!(seen, inputs);
    assert_eq!(walk.state().unwrap().state_hash(), desk.oms.state_hash());
}

/// Of fills that were removed with the segments that held them there is a word, not just silence.
#[test]
fn a_journal_whose_first_segments_were_removed_says_where_it_begins() {
    let mut desk = Desk::new();
    let mut kept = Vec::new();
    for number in 1..=60 {
        let buy = desk.after(1_000 * MS).signal(&[(A, Side::Buy)], TimeInForce::Ioc)[0];
        desk.after(MS).fill(buy, A, Side::Buy, (2 * number, 1_000));
        let sell = desk.after(MS).signal(&[(A, Side::Sell)], TimeInForce::Ioc)[0];
        desk.after(MS).fill(sell, A, Side::Sell, (2 * number + 1, 1_000));
        if number % 20 == 0 {
            let last = desk.oms.recorder().len() as u64;
            kept.push((last, desk.now, desk.oms.kept().encode()));
        }
    }
    let place = Place::Memory(MemoryFolder::new());
    let options = WriterOptions {
        segment_bytes: 4096,
        reserve_bytes: Some(1024),
        sync: SyncPolicy::Never,
        ..WriterOptions::new(place.clone())
    };
    let (mut writer, _) = Writer::open(&options, START, None).unwrap();
    let mut bytes = [0; 16 * 1024];
    for (now, record) in desk.oms.recorder().iter() {
        let len = record.encode(&mut bytes).unwrap();
        writer.append(record.kind().0, Need::Normal, *now, &bytes[..len]).unwrap();
    }
    drop(writer);
    let (rows, walk) = fills_from(&place, From::Beginning);
    assert_eq!((rows.len(), &walk.warnings[..]), (120, &[][..]));
    for (last, at, state) in &kept[..2] {
        snapshot::write(&place, *last, *at, state).unwrap();
    }
    assert!(!snapshot::prune(&place, false).unwrap().segments.is_empty());
    let first = table::utc(kept[0].1);
    let said = format!(
        "memory: begins at {first}: what was before is removed, as [journal] keep = \"snapshots\" \
         has it"
    );
    for from in [From::Beginning, From::Time(START)] {
        let (rows, walk) = fills_from(&place, from);
        assert_eq!((rows.len(), &walk.warnings[..]), (80, &[said.clone()][..]), "{from:?}");
        assert_eq!(walk.state().unwrap().state_hash(), desk.oms.state_hash());
    }
    // Who asks for what is there is told of nothing that is not.
    for (from, fills) in [(From::Time(kept[0].1), 80), (From::Newest, 40)] {
        let (rows, walk) = fills_from(&place, from);
        assert_eq!((rows.len(), &walk.warnings[..]), (fills, &[][..]), "{from:?}");
    }
}

#[test]
fn what_another_version_wrote_is_named() {
    let (mut desk, _) = day();
    let place = desk.journal(false);
    let Place::Memory(folder) = &place else { panic!() };
    let other =
        MemoryFolder::of_segments(folder.segments().into_iter().map(|(_, bytes)| bytes).collect());
    other.disturb(1, |bytes| {
        bytes[8..12].copy_from_slice(&1u32.to_le_bytes());
        let salt = crc32c::crc32c(&bytes[..44]);
        bytes[44..48].copy_from_slice(&salt.to_le_bytes());
    });
    let error = Walk::open(&Place::Memory(other), From::Beginning).err().unwrap().to_string();
    assert!(error.contains("segment-000001.log has format version 1"), "{error}");
}

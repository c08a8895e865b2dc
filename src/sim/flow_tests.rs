//! The flows: repeatable, full books, as many and as large dislocations as promised.

use super::embedded::{EmbeddedOptions, embedded};
use super::flow::{Capture, Flow, FlowOptions, Target};
use super::server_tests::EchoWire;
use super::{Exchange, ExchangeEvent, SymbolRules};
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use std::io::Write;
use std::path::PathBuf;

const MS: u64 = 1_000_000;
const START_MS: u64 = 1_700_000_000_000;

struct Stage {
    names: Vec<(&'static str, Vec<SymbolRules>)>,
    exchanges: Vec<Exchange>,
    flow: Flow,
}

impl Stage {
    fn new(options: &FlowOptions) -> Self {
        let wires: Vec<Box<dyn super::Wire>> =
            vec![Box::new(EchoWire::new("binance")), Box::new(EchoWire::new("bybit"))];
        let made = embedded(&EmbeddedOptions::default(), wires).unwrap();
        let exchanges: Vec<Exchange> =
            made.options.venues.into_iter().map(|venue| venue.exchange).collect();
        let names = vec![
            ("binance", exchanges[0].symbols().to_vec()),
            ("bybit", exchanges[1].symbols().to_vec()),
        ];
        let flow = Flow::new(options, &names).unwrap();
        Self { names, exchanges, flow }
    }

    fn step(&mut self, passed_ns: u64) -> Vec<(usize, ExchangeEvent)> {
        let mut targets: Vec<Target<'_>> = self
            .exchanges
            .iter_mut()
            .map(|exchange| Target { exchange, start_ms: START_MS })
            .collect();
        self.flow.step(passed_ns, usize::MAX, &mut targets);
        let venues = self.exchanges.iter_mut().enumerate();
        venues
            .flat_map(|(venue, exchange)| {
                exchange.take_events().into_iter().map(move |event| (venue, event))
            })
            .collect()
    }

    fn best(&self, venue: usize, symbol: &str) -> (f64, f64) {
        let (_, bids, asks) = self.exchanges[venue].depth(symbol, 1).unwrap();
        (bids[0].0.to_f64().unwrap(), asks[0].0.to_f64().unwrap())
    }
}

/// Events of one venue over a time, asked for in steps of `step_ms`.
fn played(seed: u64, step_ms: u64, venue: usize) -> Vec<ExchangeEvent> {
    let mut stage = Stage::new(&FlowOptions { seed, ..FlowOptions::default() });
    let mut events = Vec::new();
    for passed in (0..=2_000).step_by(step_ms as usize) {
        events.extend(stage.step(passed * MS));
    }
    events.into_iter().filter(|(of, _)| *of == venue).map(|(_, event)| event).collect()
}

#[test]
fn equal_seeds_give_equal_events_however_often_one_asks() {
    for venue in [0, 1] {
        let events = played(7, 1, venue);
        assert!(events.len() > 400, "{}", events.len());
        assert!(events == played(7, 8, venue), "steps of 8 ms");
        assert!(events == played(7, 500, venue), "steps of 500 ms");
        assert!(events != played(8, 1, venue), "another seed");
    }
}

#[test]
fn update_ids_of_a_book_have_no_holes_and_books_are_deep_and_uncrossed() {
    let mut stage = Stage::new(&FlowOptions::default());
    let mut last: std::collections::BTreeMap<(usize, String), u64> = Default::default();
    let (mut books, mut trades) = (0, 0);
    for passed in 0..3_000 {
        for (venue, event) in stage.step(passed * MS) {
            match event {
                ExchangeEvent::Book { symbol, first_id, last_id, bids, asks, .. } => {
                    books += 1;
                    assert_eq!(last_id - first_id + 1, (bids.len() + asks.len()) as u64);
                    if let Some(before) = last.insert((venue, symbol), last_id) {
                        assert_eq!(first_id, before + 1);
                    }
                }
                ExchangeEvent::Trade { .. } => trades += 1,
                other => panic!("nobody has an order: {other:?}"),
            }
        }
        for (venue, (_, rules)) in stage.names.iter().enumerate() {
            for rules in rules {
                let depth = stage.exchanges[venue].depth(&rules.symbol, 500).unwrap();
                assert!(
                    depth.1.len() >= 50 && depth.2.len() >= 50,
                    "{} {}",
                    depth.1.len(),
                    depth.2.len()
                );
                assert!(depth.1[0].0 < depth.2[0].0, "crossed at {passed} ms");
                let whole = |(price, qty): &(Decimal, Decimal)| {
                    (price % rules.tick_size).is_zero() && (qty % rules.lot_size).is_zero()
                };
                assert!(depth.1.iter().chain(&depth.2).all(whole));
            }
        }
    }
    // 6 books at 100 changes a second over 3 s, trades and dislocations besides.
    assert!((1_800..3_200).contains(&books), "{books}");
    assert!((225..675).contains(&trades), "{trades}");
}

/// Dislocations of one symbol: how long each lasted (ms) and its largest edge (bp).
fn dislocations(options: &FlowOptions, symbol: &str, seconds: u64) -> Vec<(u64, f64)> {
    let mut stage = Stage::new(options);
    let mut found = Vec::new();
    let mut running: Option<(u64, f64)> = None;
    for passed in 0..seconds * 1_000 {
        stage.step(passed * MS);
        let (here, there) = (stage.best(0, symbol), stage.best(1, symbol));
        let edge = (here.0 / there.1 - 1.0).max(there.0 / here.1 - 1.0) * 1e4;
        running = match running {
            Some((since, most)) if edge >= 4.0 => Some((since, most.max(edge))),
            Some((since, most)) => {
                found.push((passed - since, most));
                None
            }
            None if edge >= 4.0 => Some((passed, edge)),
            None => None,
        };
    }
    found
}

#[test]
fn the_default_flow_parts_the_venues_often_enough_and_long_enough() {
    let mut all = Vec::new();
    for symbol in ["BTCUSDT", "ETHUSDT"] {
        all.extend(dislocations(&FlowOptions::default(), symbol, 30));
    }
    let count = all.len();
    assert!((15 * 30..=22 * 30).contains(&count), "{count} in 30 s");
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let lasted = median(all.iter().map(|(ms, _)| *ms as f64).collect());
    assert!((40.0..=60.0).contains(&lasted), "{lasted} ms");
    let edge = median(all.iter().map(|(_, edge)| *edge).collect());
    assert!((10.0..=15.0).contains(&edge), "{edge} bp");
    assert!(all.iter().all(|(_, edge)| *edge < 25.0));
    // Nearly all are what the settings say; noise may add or take a little at the rims.
    let within = all.iter().filter(|(ms, edge)| (25..=75).contains(ms) && *edge >= 4.5).count();
    assert!(within * 100 >= count * 97, "{within} of {count}");
}

#[test]
fn perpetuals_move_with_their_pair_seeded_or_recorded() {
    let mut stage = Stage::new(&FlowOptions::default());
    let path = capture("perpetual", &CAPTURE);
    let mut taped = Stage::new(&recorded(path.clone()));
    let middle = |stage: &Stage, symbol: &str| {
        let (bid, ask) = stage.best(1, symbol);
        assert!(bid < ask, "{symbol} {bid} {ask}");
        f64::midpoint(bid, ask)
    };
    let mut trades = 0;
    for passed in 0..2_000 {
        let events = stage.step(passed * MS);
        trades += events
            .iter()
            .filter(|(_, event)| matches!(event, ExchangeEvent::Trade { symbol, .. } if symbol == "ETHUSDT.P"))
            .count();
        for pair in ["BTCUSDT", "ETHUSDT"] {
            let (spot, contract) = (middle(&stage, pair), middle(&stage, &format!("{pair}.P")));
            assert!((contract / spot - 1.0).abs() < 50e-4, "{pair} {spot} {contract}");
        }
        taped.step(passed * MS);
    }
    assert!(trades > 20, "{trades}");
    // One capture moves the pair; the other pair has the seeded flow.
    assert!((middle(&taped, "BTCUSDT.P") - 100.0).abs() < 1.0);
    assert!(middle(&taped, "ETHUSDT.P") > 2_000.0);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn without_dislocations_the_venues_agree() {
    let calm = super::Dislocations { per_second: 0.0, ..Default::default() };
    let options = FlowOptions { dislocations: calm, ..FlowOptions::default() };
    assert_eq!(dislocations(&options, "BTCUSDT", 5), []);
}

pub(super) fn capture(name: &str, lines: &[&str]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("stoop-{}-{name}.gz", std::process::id()));
    let mut file = GzEncoder::new(std::fs::File::create(&path).unwrap(), Compression::fast());
    for line in lines {
        writeln!(file, "{line}").unwrap();
    }
    file.finish().unwrap();
    path
}

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn levels(rows: &[(&str, &str)]) -> Vec<(Decimal, Decimal)> {
    rows.iter().map(|(price, qty)| (dec(price), dec(qty))).collect()
}

const CAPTURE: [&str; 8] = [
    r#"1000000000 {"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":5,"u":9,"b":[["100.00","9"]],"a":[]}}"#,
    r#"1010000000 {"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":10,"u":12,"b":[["99.99","3"]],"a":[]}}"#,
    r#"1020000000 {"lastUpdateId":10,"bids":[["100.00","1.5"],["99.99","2"],["1.00","700"]],"asks":[["100.01","1"],["100.03","4.000009"],["90000.00","8"]]}"#,
    r#"1120000000 {"stream":"btcusdt@bookTicker","data":{"u":14,"s":"BTCUSDT","b":"99.99","B":"0.5","a":"100.03","A":"4"}}"#,
    r#"1121000000 not json"#,
    r#"1122000000 {"stream":"btcusdt@trade","data":{"e":"trade","E":1,"s":"BTCUSDT","t":1,"p":"99.99","q":"0.2","T":1,"m":true,"M":true}}"#,
    r#"1130000000 {"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":13,"u":13,"b":[["100.00","1"]],"a":[["100.02","7"]]}}"#,
    r#"1220000000 {"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":14,"u":16,"b":[["100.00","0"],["99.99","0.5"],["99.98","6"]],"a":[["100.02","0"],["100.01","0"]]}}"#,
];

fn recorded(path: PathBuf) -> FlowOptions {
    let calm = super::Dislocations { per_second: 0.0, ..Default::default() };
    FlowOptions { captures: vec![captured(path)], dislocations: calm, ..FlowOptions::default() }
}

/// Of the venue that its frames tell of.
pub(super) fn captured(path: PathBuf) -> Capture {
    Capture { files: vec![path], venue: String::new() }
}

#[test]
fn a_capture_is_played_at_its_pace_by_the_venues_own_book_rule() {
    let path = capture("rule", &CAPTURE);
    let mut stage = Stage::new(&recorded(path.clone()));
    let depth = |stage: &Stage| {
        let (_, bids, asks) = stage.exchanges[0].depth("BTCUSDT", 9).unwrap();
        (bids, asks)
    };
    stage.step(0);
    // The first change is older than the snapshot, the second is not.
    let bids = levels(&[("100.00", "1.5"), ("99.99", "3"), ("1.00", "700")]);
    let asks = levels(&[("100.01", "1"), ("100.03", "4"), ("90000.00", "8")]);
    assert_eq!(depth(&stage), (bids, asks), "4.000009 is cut to the lot");
    stage.step(99 * MS);
    assert_eq!(depth(&stage).0[0], (dec("100.00"), dec("1.5")), "not before its time");
    stage.step(100 * MS);
    // The best quote removes what is better.
    let bids = levels(&[("99.99", "0.5"), ("1.00", "700")]);
    let asks = levels(&[("100.03", "4"), ("90000.00", "8")]);
    assert_eq!(depth(&stage), (bids, asks));
    let events = stage.step(105 * MS);
    let printed = events.iter().any(|(venue, event)| {
        *venue == 0
            && matches!(event, ExchangeEvent::Trade { taker: crate::types::Side::Sell, price, qty, time_ms, .. }
                if (*price, *qty, *time_ms) == (dec("99.99"), dec("0.2"), START_MS + 102))
    });
    assert!(printed);
    assert_eq!(depth(&stage).0[0], (dec("99.99"), dec("0.5")), "quotes alone move the book");
    // Older than the best quote: it may not bring back what is gone.
    stage.step(110 * MS);
    assert_eq!(depth(&stage).0[0], (dec("99.99"), dec("0.5")));
    assert_eq!(depth(&stage).1[0], (dec("100.03"), dec("4")));
    stage.step(200 * MS);
    let bids = levels(&[("99.99", "0.5"), ("99.98", "6"), ("1.00", "700")]);
    let asks = levels(&[("100.03", "4"), ("90000.00", "8")]);
    assert_eq!(depth(&stage), (bids, asks));
    // 100 ms after its end it begins again.
    stage.step(300 * MS);
    let bids = levels(&[("100.00", "1.5"), ("99.99", "3"), ("1.00", "700")]);
    let asks = levels(&[("100.01", "1"), ("100.03", "4"), ("90000.00", "8")]);
    assert_eq!(depth(&stage), (bids, asks));
    stage.step(400 * MS);
    assert_eq!(depth(&stage).0[0], (dec("99.99"), dec("0.5")));
    std::fs::remove_file(path).unwrap();
}

fn sold_at_99(at: u64, qty: &str) -> String {
    format!(
        r#"{at} {{"stream":"btcusdt@trade","data":{{"s":"BTCUSDT","t":1,"p":"99","q":"{qty}","m":true}}}}"#
    )
}

/// An order for one that waits there; its number.
fn bid_at_99(stage: &mut Stage) -> u64 {
    let request = super::PlaceRequest {
        symbol: "BTCUSDT".to_owned(),
        client_id: "waits".to_owned(),
        side: crate::types::Side::Buy,
        order_type: super::SimOrderType::PostOnly,
        time_in_force: crate::types::TimeInForce::Gtc,
        price: dec("99"),
        qty: dec("1"),
        reduce_only: false,
    };
    stage.exchanges[0].place(super::AccountId(0), request, START_MS).unwrap().order_id
}

/// What it has got by then.
fn filled(stage: &mut Stage, id: u64, ms: u64) -> Decimal {
    stage.step(ms * MS);
    let order = super::OrderRef::Id(id);
    stage.exchanges[0].order(super::AccountId(0), "BTCUSDT", order).unwrap().filled
}

#[test]
fn a_recorded_book_that_tells_of_a_trade_before_its_print_moves_the_queue_once() {
    let path = capture(
        "early",
        &[
            r#"2000000000 {"lastUpdateId":10,"bids":[["99","4"]],"asks":[["101","1"]]}"#,
            r#"2100000000 {"stream":"btcusdt@depth@100ms","data":{"s":"BTCUSDT","U":11,"u":12,"b":[["99","1"]],"a":[]}}"#,
            &sold_at_99(2_110_000_000, "3"),
            &sold_at_99(2_200_000_000, "1"),
            &sold_at_99(2_300_000_000, "1"),
        ],
    );
    let mut stage = Stage::new(&recorded(path.clone()));
    stage.step(0);
    let id = bid_at_99(&mut stage);
    assert_eq!(filled(&mut stage, id, 150), dec("0"), "three of the four before it have traded");
    assert_eq!(filled(&mut stage, id, 250), dec("0"), "and the fourth");
    assert_eq!(filled(&mut stage, id, 350), dec("1"));
    std::fs::remove_file(path).unwrap();
}

#[test]
fn what_comes_into_sight_of_a_capture_stands_before_the_orders_there() {
    let path = capture(
        "sight",
        &[
            r#"2000000000 {"lastUpdateId":10,"bids":[["100","1"]],"asks":[["101","1"]]}"#,
            r#"2100000000 {"stream":"btcusdt@depth@100ms","data":{"s":"BTCUSDT","U":11,"u":12,"b":[["99","4"]],"a":[]}}"#,
            &sold_at_99(2_200_000_000, "4"),
            r#"2400000000 {"stoop":{"hole":1}}"#,
            r#"2500000000 {"lastUpdateId":20,"bids":[["100","1"],["99","5"]],"asks":[["101","1"]]}"#,
            &sold_at_99(2_600_000_000, "5"),
            &sold_at_99(2_700_000_000, "1"),
        ],
    );
    let mut stage = Stage::new(&recorded(path.clone()));
    stage.step(0);
    let id = bid_at_99(&mut stage);
    let mut filled_at = |ms| filled(&mut stage, id, ms);
    assert_eq!(filled_at(250), dec("0"), "beyond the last level");
    assert_eq!(filled_at(650), dec("0"), "behind a hole");
    assert_eq!(filled_at(750), dec("1"));
    std::fs::remove_file(path).unwrap();
}

#[test]
fn the_other_venue_follows_with_its_own_tick_and_a_lag() {
    let path = capture("lag", &CAPTURE);
    let mut stage = Stage::new(&recorded(path.clone()));
    stage.step(0);
    let (_, bids, asks) = stage.exchanges[1].depth("BTCUSDT", 9).unwrap();
    // Tick 0.1: 100.00 and 99.99 less noise of some 0.003 fall on 99.9, or the first on 100.0.
    assert_eq!(bids.iter().map(|(_, qty)| qty).sum::<Decimal>(), dec("704.5"));
    assert!(bids[0].0 >= dec("99.9") && asks[0].0 <= dec("100.1"), "{bids:?} {asks:?}");
    assert!(asks[0].0 > bids[0].0);
    let best_qty = |stage: &Stage| stage.exchanges[1].depth("BTCUSDT", 1).unwrap().2[0].1;
    for passed in 0..135 {
        stage.step(passed * MS);
    }
    assert!(best_qty(&stage) >= dec("5"), "the quote of 100 ms has not arrived: 1 + 4");
    stage.step(170 * MS);
    assert_eq!(best_qty(&stage), dec("4"));
    let eth = stage.exchanges[1].depth("ETHUSDT", 100).unwrap();
    assert!(eth.1.len() >= 50, "symbols without a capture have the seeded flow");
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_capture_without_a_snapshot_or_of_an_unknown_symbol_is_refused() {
    let refusal = |options: FlowOptions| {
        let stage = Stage::new(&FlowOptions::default());
        Flow::new(&options, &stage.names).err().unwrap()
    };
    let path = capture("none", &CAPTURE[..2]);
    let text = refusal(recorded(path.clone()));
    let wanted = "no snapshot of the book: 2 changes, 0 best quotes and 0 trades cannot be played \
                  without one";
    assert_eq!(text, format!("{}: {wanted}", path.display()));
    std::fs::remove_file(&path).unwrap();
    assert!(refusal(recorded(path)).contains("No such file"));
    let other: Vec<String> =
        CAPTURE.iter().map(|line| line.replace("BTCUSDT", "XYZUSDT")).collect();
    let other: Vec<&str> = other.iter().map(String::as_str).collect();
    let path = capture("other", &other);
    assert!(refusal(recorded(path.clone())).ends_with("venue \"binance\" has no symbol XYZUSDT"));
    std::fs::remove_file(path).unwrap();
    let odd = |events_per_second| FlowOptions { events_per_second, ..FlowOptions::default() };
    for per_second in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(refusal(odd(per_second)).starts_with("events per second"), "{per_second}");
    }
    let fast = FlowOptions { speed: 0.0, ..FlowOptions::default() };
    assert_eq!(refusal(fast), "speed must be above 0 and at most 1000, or infinite");
    let flat = FlowOptions { levels: 0, ..FlowOptions::default() };
    assert_eq!(refusal(flat), "levels must be from 1 to 5000");
    let path = capture("nobody", &CAPTURE);
    let named = Capture { venue: "nobody".to_owned(), ..captured(path.clone()) };
    let nobody = FlowOptions { captures: vec![named], ..FlowOptions::default() };
    let text = format!("{}: it is of nobody, which is no venue here", path.display());
    assert_eq!(refusal(nobody), text);
    let one = captured(path.clone());
    let twice = FlowOptions { captures: vec![one.clone(), one], ..FlowOptions::default() };
    assert_eq!(refusal(twice), "two captures hold BTCUSDT of binance");
    std::fs::remove_file(path).unwrap();
}

/// The rules that a recording of the linear contract states, and marks with a payment of funding half a
/// second after its book.
fn stated() -> Vec<String> {
    let rules = super::StatedRules {
        venue: "bybit".to_owned(),
        instrument: "SOL/USDT:USDT@bybit".to_owned(),
        symbol: "SOLUSDT".to_owned(),
        perpetual: true,
        base: "SOL".to_owned(),
        quote: "USDT".to_owned(),
        settle: "USDT".to_owned(),
        tick: dec("0.05"),
        lot: dec("0.3"),
        contract: dec("1"),
        fees: Some([dec("-0.0001"), dec("0.0007")]),
        ..super::StatedRules::default()
    };
    let begin_ns = START_MS * MS + 1;
    let ticker = |passed_ms: u64, rate: &str, next_ms: u64| {
        format!(
            r#"{} {{"topic":"tickers.SOLUSDT","type":"delta","data":{{"symbol":"SOLUSDT","markPrice":"140.5","indexPrice":"140.1","fundingRate":"{rate}","nextFundingTime":"{next_ms}","fundingIntervalHour":"4"}}}}"#,
            begin_ns + passed_ms * MS
        )
    };
    let book = r#"{"topic":"orderbook.50.SOLUSDT","type":"snapshot","data":{"s":"SOLUSDT","b":[["140.07","1"]],"a":[["141","2"]],"u":5,"seq":5}}"#;
    vec![
        format!("{begin_ns} {}", super::own::header(&rules, None)),
        format!("{begin_ns} {}", super::own::rules(&rules)),
        format!("{begin_ns} {book}"),
        ticker(100, "0.0001", START_MS + 1_500),
        ticker(1_400, "0.0002", START_MS + 1_500),
        ticker(1_700, "0.0009", START_MS + 1_500 + 4 * 3_600_000),
    ]
}

/// The embedded venue with the rules of a recording, and the flow of it.
fn embedded_with(path: PathBuf) -> Result<(Exchange, Flow), String> {
    let flow = FlowOptions { once: true, ..recorded(path) };
    let options = EmbeddedOptions { flow: flow.clone(), ..EmbeddedOptions::default() };
    let wires = vec![super::venues::wire("bybit").unwrap()];
    let made = embedded(&options, wires).map_err(|error| error.to_string())?;
    let exchange = made.options.venues.into_iter().next().unwrap().exchange;
    let flow = Flow::new(&flow, &[("bybit", exchange.symbols().to_vec())])?;
    Ok((exchange, flow))
}

#[test]
fn a_recording_brings_the_rules_of_its_venue_even_of_what_is_not_embedded() {
    let lines = stated();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let path = capture("stated", &lines);
    let (mut exchange, mut flow) = embedded_with(path.clone()).unwrap();
    let rules = exchange.rules("SOLUSDT.P").unwrap();
    assert_eq!((rules.tick_size, rules.lot_size), (dec("0.05"), dec("0.3")));
    assert_eq!((rules.maker_fee, rules.taker_fee), (dec("-0.0001"), dec("0.0007")));
    flow.step(0, usize::MAX, &mut [Target { exchange: &mut exchange, start_ms: START_MS }]);
    let (_, bids, asks) = exchange.depth("SOLUSDT.P", 5).unwrap();
    assert_eq!((bids, asks), (levels(&[("140.05", "0.9")]), levels(&[("141", "1.8")])));
    // Without them the contract is not there.
    let old = [&lines[..1], &lines[2..]].concat();
    let old = capture("unstated", &old);
    let error = embedded_with(old.clone()).err().unwrap();
    assert!(error.ends_with("has no symbol SOLUSDT"), "{error}");
    let bad = lines[1].replace("\"tick\":\"0.05\"", "\"tick\":\"x\"");
    let bad = capture("unreadable", &[lines[0], &bad, lines[2]]);
    let error = embedded_with(bad.clone()).err().unwrap();
    let wanted = format!("{}:2: rules.tick: \"x\" is no decimal in quotes", bad.display());
    assert!(error.contains(&wanted), "{error}");
    assert_eq!(super::survey(&bad).unwrap_err(), wanted);
    [path, old, bad].iter().for_each(|path| std::fs::remove_file(path).unwrap());
}

#[test]
fn marks_and_payments_of_a_recording_are_those_of_its_venue_at_its_times() {
    let lines = stated();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let path = capture("marks", &lines);
    let (mut exchange, mut flow) = embedded_with(path.clone()).unwrap();
    for passed_ms in (0..3_000).step_by(20) {
        let mut targets = [Target { exchange: &mut exchange, start_ms: START_MS }];
        flow.step(passed_ms * MS, usize::MAX, &mut targets);
        exchange.tick(START_MS + passed_ms);
        if passed_ms == 1_200 {
            let mark = exchange.mark("SOLUSDT.P", START_MS + passed_ms).unwrap();
            assert_eq!((mark.mark, mark.index), (dec("140.5"), dec("140.1")));
            assert_eq!((mark.rate, mark.next_funding_ms), (dec("0.0001"), START_MS + 1_500));
            assert_eq!(mark.interval_ms, 4 * 3_600_000);
        }
    }
    let paid = exchange.funding_rates("SOLUSDT.P");
    let paid: Vec<_> = paid.iter().map(|mark| (mark.rate, mark.mark, mark.time_ms)).collect();
    assert_eq!(paid, [(dec("0.0002"), dec("140.5"), START_MS + 1_500)]);
    std::fs::remove_file(path).unwrap();
}

/// Over the real recordings where they are at hand (`STOOP_CAPTURES`, a folder).
#[test]
fn real_captures_play_without_crossing_and_the_venues_part() {
    let Some(folder) = std::env::var_os("STOOP_CAPTURES") else {
        println!("skipped: STOOP_CAPTURES is not set");
        return;
    };
    let path = PathBuf::from(folder).join("binance/spot_btcusdt_20240808.gz");
    let options = FlowOptions { captures: vec![captured(path)], ..FlowOptions::default() };
    let mut stage = Stage::new(&options);
    let mut events = 0;
    for passed in 0..20_000 {
        events += stage.step(passed * MS).len();
        for venue in 0..2 {
            let (bid, ask) = stage.best(venue, "BTCUSDT");
            assert!(bid < ask, "venue {venue} crossed at {passed} ms: {bid} {ask}");
            assert!((60_000.0..64_000.0).contains(&bid));
        }
    }
    assert!(events > 5_000, "{events}");
    let found = dislocations(&options, "BTCUSDT", 10).len();
    assert!(found >= 75, "{found}");
}

/// Expected ends of the recordings: first 25 levels a side as `price:qty`, hashed.
#[test]
fn real_captures_end_in_the_expected_book() {
    use sha2::{Digest, Sha256};
    let Some(folder) = std::env::var_os("STOOP_CAPTURES") else {
        println!("skipped: STOOP_CAPTURES is not set");
        return;
    };
    let expected = [
        ("BTCUSDT", "0f2c97062452bf85f17f56e102be1ded431d76ec28ebff60cca96ecc3faf9341"),
        ("ETHUSDT", "63aacc42d261fbfe62958c51fac3734b0dc012b75d4eac3212aaa04744e73af6"),
    ];
    for (symbol, hash) in expected {
        let name = format!("binance/spot_{}_20240808.gz", symbol.to_lowercase());
        let path = PathBuf::from(&folder).join(name);
        let mut stage = Stage::new(&recorded(path));
        let mut hashes = Vec::new();
        stage.step(345_000 * MS);
        // A newer best quote may come right behind the last depth change: look closely.
        for passed_us in (345_000_000..346_000_000).step_by(100) {
            stage.step(passed_us * 1_000);
            let (_, bids, asks) = stage.exchanges[0].depth(symbol, 25).unwrap();
            let show = |levels: Vec<(Decimal, Decimal)>| {
                let rows = levels.iter().map(|(price, qty)| format!("{price:.8}:{qty:.8}"));
                rows.collect::<Vec<_>>().join(";")
            };
            let text = format!("{}|{}", show(bids), show(asks));
            let digest = Sha256::digest(text.as_bytes());
            hashes.push(digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        }
        assert!(hashes.iter().any(|one| one == hash), "{symbol}");
    }
}

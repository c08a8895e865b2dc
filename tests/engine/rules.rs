//! A venue changes the rules of an instrument while the engine trades it: what does not keep them is
//! refused here from then on, and a person is told. So it is where a recording has them change.

use super::{PATIENCE, config, start_logged, stop};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use stoop::agents::log;
use stoop::oms::RiskReject;
use stoop::rehearsal::{Rehearsal, Rehearsed, rehearse};
use stoop::sim::{self, Capture, EmbeddedOptions, SymbolRules, embedded};
use stoop::strategy::prelude::*;
use stoop::types::{OrderState, SignalId};

/// Buys half a dollar through the book whenever it is told to, at an odd number of cents.
struct Odd {
    market: Option<InstrumentRef>,
    go: Receiver<()>,
    told: Sender<u8>,
}

impl Strategy for Odd {
    fn on_start(&mut self, ctx: &mut Context) {
        self.market = ctx.instrument("BTC/USDT@binance");
        if let Some(market) = &self.market {
            ctx.watch(market).unwrap();
        }
    }

    fn on_timer(&mut self, ctx: &mut Context) {
        let Some(market) = self.market.filter(|market| ctx.best(market).is_live()) else { return };
        if self.go.try_recv().is_err() {
            return;
        }
        let unit = 10i64.pow(u32::from(market.scale.price_decimals));
        let price = Price(ctx.best(&market).ask.price.0 / unit * unit + unit / 100);
        let qty = market.qty(Decimal::new(1, 3)).unwrap();
        ctx.signal().buy(&market, qty).limit_at(price).ioc().emit().unwrap();
    }

    fn on_report(&mut self, _: &mut Context, report: &StrategyReport) {
        if report.state.is_terminal() {
            self.told.send(report.risk).unwrap();
        }
    }
}

#[test]
fn a_coarser_tick_holds_from_when_the_venue_says_so() {
    let ((go, wait), (told, hear)) = (channel(), channel());
    let mut config = config("", &["odd"]);
    config.rules_refresh_s = 1;
    let odd = Odd { market: None, go: wait, told };
    let started = start_logged(&config, vec![("odd".to_owned(), Box::new(odd))]).unwrap();
    let (mut engine, sim, lines) = (started.engine, started.sim, started.lines);
    let stated = engine.stated().unwrap();
    assert!(engine.stated().is_none());
    wait_for(&lines, "binance is reconciled");
    go.send(()).unwrap();
    assert_eq!(hear.recv_timeout(PATIENCE), Ok(0), "taken under the old rules");
    assert!(sim.set_rules("binance", SymbolRules { tick_size: Decimal::ONE, ..rules() }));
    let said = wait_for(&lines, "has changed its rules");
    assert!(
        said.contains("BTC/USDT@binance: binance has changed its rules: tick 1, lot"),
        "{said}"
    );
    let row = stated.recv_timeout(PATIENCE).unwrap();
    assert_eq!(row.name, "BTC/USDT@binance");
    assert_eq!(row.scale.price_decimal(row.rules.tick_size), Decimal::ONE);
    go.send(()).unwrap();
    assert_eq!(hear.recv_timeout(PATIENCE), Ok(RiskReject::PriceOffTick as u8));
    // Finer than the one that this engine began with, which holds for it again.
    assert!(sim.set_rules("binance", SymbolRules { lot_size: Decimal::new(1, 6), ..rules() }));
    let said = wait_for(&lines, "has changed its rules");
    assert!(said.contains("tick 0.01, lot 0.00001, "), "{said}");
    let row = stated.recv_timeout(PATIENCE).unwrap();
    assert_eq!(row.scale.qty_decimal(row.rules.lot_size), Decimal::new(1, 6));
    stop(engine, sim);
}

const START_NS: u64 = 1_767_225_600_000_000_000;
const SECOND: u64 = 1_000_000_000;

/// Buys through the book of a recording at an odd number of cents, once in each of the seconds 2, 5 and 8.
struct OddAt {
    market: Option<InstrumentRef>,
    asked: usize,
    ended: Option<SignalId>,
    told: Sender<(u8, OrderState)>,
}

impl Strategy for OddAt {
    fn on_start(&mut self, ctx: &mut Context) {
        self.market = ctx.instrument("BTC/USDT@bybit");
        if let Some(market) = &self.market {
            ctx.watch(market).unwrap();
        }
    }

    fn on_timer(&mut self, ctx: &mut Context) {
        let Some(market) = self.market.filter(|market| ctx.best(market).is_live()) else { return };
        let due = [2, 5, 8].get(self.asked).map(|second| Nanos(START_NS + second * SECOND));
        if due.is_none_or(|due| ctx.now() < due) {
            return;
        }
        self.asked += 1;
        let price = market.price("60010.01".parse().unwrap()).unwrap();
        let qty = market.qty(Decimal::new(1, 3)).unwrap();
        ctx.signal().buy(&market, qty).limit_at(price).ioc().emit().unwrap();
    }

    fn on_report(&mut self, _: &mut Context, report: &StrategyReport) {
        // A venue may tell of the fill and of the end apart.
        if report.state.is_terminal() && self.ended.replace(report.signal) != Some(report.signal) {
            self.told.send((report.risk, report.state)).unwrap();
        }
    }
}

/// Ten seconds of a market whose tick is 0.01, 0.5 from the fourth second on, and 0.01 again from the
/// seventh.
fn recording(path: &Path) {
    let rules = |tick: &str| {
        format!(
            r#"{{"stoop":{{"rules":{{"venue":"bybit","instrument":"BTC/USDT@bybit","symbol":"BTCUSDT","perpetual":false,"base":"BTC","quote":"USDT","settle":"","tick":"{tick}","lot":"0.00001","price_min":"0","price_max":"0","qty_min":"0.00001","qty_max":"9000","qty_market_max":"0","notional_min":"5","notional_max":"0","contract":"1","maker_fee":"0.0001","taker_fee":"0.0002"}}}}}}"#
        )
    };
    let book = |kind: &str, id: u64| {
        format!(
            r#"{{"topic":"orderbook.50.BTCUSDT","type":"{kind}","data":{{"s":"BTCUSDT","b":[["60000","{}"]],"a":[["60010","9"]],"u":{id},"seq":{id}}}}}"#,
            id % 7 + 1
        )
    };
    let header = r#"{"stoop":{"venue":"bybit","instrument":"BTC/USDT@bybit","symbol":"BTCUSDT","perpetual":false}}"#;
    let mut lines = vec![(0, header.to_owned()), (0, rules("0.01")), (0, book("snapshot", 1))];
    for step in 1..100 {
        match step {
            40 => lines.push((step, rules("0.5"))),
            70 => lines.push((step, rules("0.01"))),
            _ => {}
        }
        lines.push((step, book("delta", step + 1)));
    }
    let mut file = GzEncoder::new(std::fs::File::create(path).unwrap(), Compression::fast());
    for (step, line) in lines {
        writeln!(file, "{} {line}", START_NS + step * SECOND / 10).unwrap();
    }
    file.finish().unwrap();
}

/// What became of the three orders.
fn replayed(path: &Path, refresh_s: u32) -> (Rehearsed, Vec<(u8, OrderState)>) {
    let mut config = config("", &["odd"]);
    config.name = "replayed".to_owned();
    config.rules_refresh_s = refresh_s;
    let (told, hear) = channel();
    let odd = OddAt { market: None, asked: 0, ended: None, told };
    let rehearsal = Rehearsal {
        captures: vec![Capture { files: vec![path.to_owned()], venue: String::new() }],
        start: Nanos(START_NS),
        trading_ns: 10 * SECOND,
        ..Rehearsal::default()
    };
    let run = rehearse(&config, vec![("odd".to_owned(), Box::new(odd))], &rehearsal).unwrap();
    assert_eq!(run.differences, [""; 0]);
    (run, hear.try_iter().collect())
}

#[test]
fn a_replay_goes_by_the_tick_of_its_time_in_engine_and_venue_and_decides_the_same_each_time() {
    let name = format!("stoop-rules-{}.gz", std::process::id());
    let path: PathBuf = std::env::temp_dir().join(name);
    recording(&path);
    let (run, orders) = replayed(&path, 300);
    let off_tick = (RiskReject::PriceOffTick as u8, OrderState::Rejected);
    let filled = (0, OrderState::Filled);
    assert_eq!(orders, [filled, off_tick, filled], "{:?}", run.lines);
    assert_eq!(run.rule_changes, 2);
    let told: Vec<(u64, &str)> = run
        .lines
        .iter()
        .filter(|line| line.text.contains("has changed its rules"))
        .map(|line| (line.at.since(Nanos(START_NS)), line.text.as_str()))
        .collect();
    let [(first, coarse), (second, fine)] = told[..] else { panic!("{told:?}") };
    assert!(coarse.contains("BTC/USDT@bybit: bybit has changed its rules: tick 0.5, "), "{coarse}");
    assert!(fine.contains("tick 0.01, "), "{fine}");
    // With the line that states it, not with the next look of a live engine.
    for (at, stated) in [(first, 4 * SECOND), (second, 7 * SECOND)] {
        assert!((stated..stated + SECOND / 10).contains(&at), "{told:?}");
    }
    assert_eq!(replayed(&path, 300).0.decisions, run.decisions);
    // An engine that never asks leaves it to the venue to refuse.
    let (never, orders) = replayed(&path, 0);
    assert_eq!(orders, [filled, (0, OrderState::Rejected), filled], "{:?}", never.lines);
    assert_ne!(never.decisions, run.decisions);
    std::fs::remove_file(path).unwrap();
}

/// What the embedded venue begins with.
fn rules() -> SymbolRules {
    let wire = sim::venues::wire("binance").unwrap();
    let made = embedded(&EmbeddedOptions::default(), vec![wire]).unwrap();
    made.options.venues[0].exchange.rules("BTCUSDT").unwrap().clone()
}

fn wait_for(lines: &log::LogReader, text: &str) -> String {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(line) = lines.take().into_iter().find(|line| line.text.contains(text)) {
            return line.text;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("nobody said {text:?}");
}

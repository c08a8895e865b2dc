//! The strategies that `stoop new` writes, rehearsed as the projects' own tests do it.

#[path = "../../src/cli/new/templates/basis.rs"]
mod basis;
#[path = "../../src/cli/new/templates/maker.rs"]
mod maker;
#[path = "../../src/cli/new/templates/rsi.rs"]
mod rsi;
#[path = "../../src/cli/new/templates/spread.rs"]
mod spread;

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use stoop::config::{Config, DEFAULT_TOML};
use stoop::rehearsal::{Rehearsal, Rehearsed, rehearse, rehearse_restarts};
use stoop::sim::Capture;
use stoop::strategy::prelude::*;

fn config(instruments: &str) -> Config {
    configured(instruments, "")
}

/// The default configuration with these strategies instead of its own.
fn configured(instruments: &str, strategies: &str) -> Config {
    let (own, limits) = (DEFAULT_TOML.find("[[strategy]]"), DEFAULT_TOML.find("# Limits that the"));
    let text = format!(
        "{}{strategies}{}",
        &DEFAULT_TOML[..own.unwrap()],
        &DEFAULT_TOML[limits.unwrap()..]
    );
    let text = text.replace(
        "instruments = [\"BTC/USDT@binance\", \"BTC/USDT@bybit\"]",
        &format!("instruments = [{instruments}]"),
    );
    let text =
        text.replace("watchlist = [\"ETH/USDT@binance\", \"ETH/USDT@bybit\"]", "watchlist = []");
    Config::parse_with("engine.toml", &text, &["own"]).unwrap()
}

fn run(instruments: &str, strategy: impl Strategy + 'static) -> Rehearsed {
    run_with(&config(instruments), strategy)
}

fn run_with(config: &Config, strategy: impl Strategy + 'static) -> Rehearsed {
    let own = vec![("own".to_owned(), Box::new(strategy) as _)];
    let run = rehearse(config, own, &Rehearsal::default()).unwrap();
    assert_eq!(run.differences, [""; 0]);
    assert_eq!(run.last.unconfirmed, [""; 0]);
    assert!(run.last.counters.fills > 0, "{:#?}", run.lines);
    run
}

#[test]
fn the_spread_between_two_venues_is_traded_on_both_sides() {
    let run = run("\"BTC/USDT@binance\", \"BTC/USDT@bybit\"", spread::Spread::default());
    assert!(run.last.pnl.iter().any(|row| row.realised.0 > row.fees.0), "{:?}", run.last.pnl);
}

#[test]
fn cash_and_carry_holds_as_much_of_one_as_it_is_short_of_the_other() {
    let mut config = config("\"BTC/USDT@binance\", \"BTC/USDT:USDT@okx\"");
    // What fees took of the spot cannot be sold again, and there is none but what was bought.
    config.sim.balances = [("USDT".to_owned(), Decimal::from(100_000))].into();
    let run = run_with(&config, basis::Carry::default());
    let [spot, perpetual] = run.last.positions[..] else { panic!("{:?}", run.last.positions) };
    assert!((spot.qty + perpetual.qty).to_decimal().abs() <= "0.001".parse().unwrap());
    let counters = &run.last.counters;
    assert!(counters.orders_rejected == 0 && counters.orders_filled >= 4, "{counters:#?}");
}

/// Falls by ten a minute for an hour, rises by ten a minute for an hour, and falls again.
fn price_of(minute: i64) -> i64 {
    let (hour, into) = (minute / 60, minute % 60 + 1);
    if hour % 2 == 0 { 60_000 - 10 * into } else { 59_400 + 10 * into }
}

const MINUTES: u64 = 140;

/// A recording of these prices: each minute they change in its tenth second, long after the kline before
/// was closed.
fn recorded(path: &Path) {
    let file = std::fs::File::create(path).unwrap();
    let mut file = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    let start = 1_767_225_600_000i64;
    let levels = "\"bids\":[[\"59999.50\",\"9\"]],\"asks\":[[\"60000.50\",\"9\"]]";
    writeln!(file, "{start}000000 {{\"lastUpdateId\":1,{levels}}}").unwrap();
    for minute in 0..MINUTES as i64 {
        let price = price_of(minute);
        for (number, second) in [10, 30, 59].into_iter().enumerate() {
            let ms = start + minute * 60_000 + second * 1_000;
            let id = 10 * (minute + 1) + number as i64;
            // Each tells of something new: no book is older than five seconds as a minute ends.
            let qty = 9 - number;
            let best = format!(
                "\"s\":\"BTCUSDT\",\"u\":{id},\"b\":\"{}.50\",\"B\":\"{qty}\",\"a\":\"{price}.50\",\"A\":\"{qty}\"",
                price - 1
            );
            writeln!(file, "{ms}000000 {{\"stream\":\"btcusdt@bookTicker\",\"data\":{{{best}}}}}")
                .unwrap();
            let trade = format!(
                "\"e\":\"trade\",\"E\":{ms},\"s\":\"BTCUSDT\",\"t\":{id},\"p\":\"{price}.00\",\"q\":\"0.5\",\
                 \"T\":{ms},\"m\":false"
            );
            let ms = ms + 100;
            writeln!(file, "{ms}000000 {{\"stream\":\"btcusdt@trade\",\"data\":{{{trade}}}}}")
                .unwrap();
        }
    }
    file.finish().unwrap();
}

/// Writes down what the strategy was filled at.
struct Spy(rsi::Strength, Arc<Mutex<Vec<(Side, Price)>>>);

impl Strategy for Spy {
    fn on_start(&mut self, ctx: &mut Context) {
        self.0.on_start(ctx);
    }

    fn on_kline(&mut self, ctx: &mut Context, event: &KlineEvent) {
        self.0.on_kline(ctx, event);
    }

    fn on_report(&mut self, ctx: &mut Context, report: &StrategyReport) {
        if report.kind == ReportKind::Fill {
            self.1.lock().unwrap().push((report.side, report.last_price));
        }
        self.0.on_report(ctx, report);
    }
}

/// What the template was filled at in lives of so many minutes each.
fn rsi_filled(lives: &[u64]) -> Vec<(Side, Price)> {
    let filled = Arc::default();
    let own = |_| -> Vec<(String, Box<dyn Strategy>)> {
        let spy = Spy(rsi::Strength::default(), Arc::clone(&filled));
        vec![("own".to_owned(), Box::new(spy))]
    };
    let config = config("\"BTC/USDT@binance\"");
    let name = format!("template-{}", lives.len());
    restarted(&config, lives.iter().map(own).collect(), lives[0], &name);
    let filled = filled.lock().unwrap();
    filled.clone()
}

/// Runs over the recording, of so many minutes each, with the engine killed between them.
fn restarted(
    config: &Config,
    runs: Vec<Vec<(String, Box<dyn Strategy>)>>,
    minutes: u64,
    name: &str,
) -> Rehearsed {
    let path = std::env::temp_dir().join(format!("stoop-rsi-{name}-{}.gz", std::process::id()));
    recorded(&path);
    let how = Rehearsal {
        trading_ns: minutes * 60_000_000_000,
        captures: vec![Capture { files: vec![path.clone()], venue: String::new() }],
        // Nothing here is in a hurry.
        poll_ns: 20_000_000,
        ..Rehearsal::default()
    };
    let run = rehearse_restarts(config, runs, &how).unwrap();
    std::fs::remove_file(path).unwrap();
    assert_eq!(run.differences, [""; 0]);
    run
}

/// By Wilder's averages n rises of ten after 60 falls of ten give 100 (1 - q^n) with q = 13/14, but for
/// the hundredth part that is left of what was before: above 70 from the 17th on, as 1 - q^16 = 0.694
/// and 1 - q^17 = 0.716. Falls mirror it. So what it has bought as the first hour fell it sells at the
/// bid of 59,400 + 170, and buys again at the ask of 60,000 - 170.
#[test]
fn relative_strength_is_bought_below_30_and_sold_above_70() {
    let filled = rsi_filled(&[MINUTES]);
    let cents = |price: i64, more: i64| Price(100 * price + more);
    let sides: Vec<Side> = filled.iter().map(|(side, _)| *side).collect();
    assert_eq!(sides, [Side::Buy, Side::Sell, Side::Buy], "{filled:?}");
    let prices: Vec<Price> = filled[1..].iter().map(|(_, price)| *price).collect();
    assert_eq!(prices, [cents(59_569, 50), cents(59_830, 50)]);
}

/// Killed while it holds what it has bought: it sells that nevertheless, and at the same price.
#[test]
fn relative_strength_sells_what_it_bought_before_a_restart() {
    let filled = rsi_filled(&[70, 70]);
    let sides: Vec<Side> = filled.iter().map(|(side, _)| *side).collect();
    assert_eq!(sides, [Side::Buy, Side::Sell, Side::Buy], "{filled:?}");
    assert_eq!(filled[1].1, Price(100 * 59_569 + 50));
}

const BUILT_IN: &str = r#"
[[strategy]]
name = "rsi"
kind = "rsi"
instruments = ["BTC/USDT@binance"]
klines = ["1m"]
buy_below = 30
sell_above = 70
qty = "0.01"
"#;

#[test]
fn the_built_in_one_sells_what_it_bought_before_a_restart() {
    let config = configured("\"BTC/USDT@binance\"", BUILT_IN);
    let run = restarted(&config, vec![Vec::new(), Vec::new()], 65, "built-in");
    let [held] = run.last.positions[..] else { panic!("{:?}", run.last.positions) };
    assert_eq!(run.last.counters.orders_filled, 2, "{:#?}", run.lines);
    assert!(held.qty.to_decimal() <= "0.0001".parse().unwrap(), "{held:?}");
}

#[test]
fn a_maker_is_filled_at_its_own_prices() {
    run("\"BTC/USDT@binance\"", maker::Maker::default());
}

#[test]
fn a_template_without_its_instruments_is_refused_by_name() {
    let config = config("\"BTC/USDT@binance\"");
    let own = vec![("own".to_owned(), Box::new(spread::Spread::default()) as _)];
    let error = rehearse(&config, own, &Rehearsal::default()).err().unwrap();
    let said = "strategy own needs \"BTC/USDT@bybit\", which is not among the instruments";
    assert!(error.starts_with("engine.toml:") && error.ends_with(said), "{error}");
}

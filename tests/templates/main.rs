//! The strategies that `stoop new` writes, rehearsed as the projects' own tests do it.

#[path = "../../src/cli/new/templates/basis.rs"]
mod basis;
#[path = "../../src/cli/new/templates/maker.rs"]
mod maker;
#[path = "../../src/cli/new/templates/rsi.rs"]
mod rsi;
#[path = "../../src/cli/new/templates/spread.rs"]
mod spread;

use stoop::config::{Config, DEFAULT_TOML};
use stoop::rehearsal::{Rehearsal, Rehearsed, rehearse};
use stoop::strategy::Strategy;

fn config(instruments: &str) -> Config {
    let (own, limits) = (DEFAULT_TOML.find("[[strategy]]"), DEFAULT_TOML.find("# Limits that the"));
    let text = format!("{}{}", &DEFAULT_TOML[..own.unwrap()], &DEFAULT_TOML[limits.unwrap()..]);
    let text = text.replace(
        "instruments = [\"BTC/USDT@binance\", \"BTC/USDT@bybit\"]",
        &format!("instruments = [{instruments}]"),
    );
    let text =
        text.replace("watchlist = [\"ETH/USDT@binance\", \"ETH/USDT@bybit\"]", "watchlist = []");
    Config::parse_with("engine.toml", &text, &["own"]).unwrap()
}

fn run(instruments: &str, strategy: impl Strategy + 'static) -> Rehearsed {
    run_for(1, instruments, strategy)
}

fn run_for(minutes: u64, instruments: &str, strategy: impl Strategy + 'static) -> Rehearsed {
    let own = vec![("own".to_owned(), Box::new(strategy) as _)];
    let how = Rehearsal { trading_ns: minutes * 60_000_000_000, ..Rehearsal::default() };
    let run = rehearse(&config(instruments), own, &how).unwrap();
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
    let run = run("\"BTC/USDT@binance\", \"BTC/USDT:USDT@okx\"", basis::Carry::default());
    let [spot, perpetual] = run.last.positions[..] else { panic!("{:?}", run.last.positions) };
    assert!((spot.qty + perpetual.qty).to_decimal().abs() <= "0.01".parse().unwrap());
}

#[test]
fn relative_strength_is_bought_when_it_is_low() {
    let run = run_for(60, "\"BTC/USDT@binance\"", rsi::Strength::default());
    assert!(run.last.counters.orders_sent > 0);
}

#[test]
fn a_maker_is_filled_at_its_own_prices() {
    run("\"BTC/USDT@binance\"", maker::Maker::default());
}

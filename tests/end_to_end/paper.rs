//! Paper trading: the market of venues that are somewhere else, and orders that never reach them.

use super::support::{Folder, default_venues, stderr, stoop, summary};
use super::venues::{Engine, Venues, config};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

/// The venues that are followed: `stoop sim` as a process of its own.
struct Market {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    described: Value,
    /// To whom orders go in requests.
    over_rest: Option<&'static str>,
}

impl Market {
    fn start(folder: &Folder, instruments: &str) -> Self {
        let text = stoop::config::DEFAULT_TOML;
        let (from, to) = (text.find("instruments = ").unwrap(), text.find("[engine]").unwrap());
        let (strategy, limits) =
            (text.find("[[strategy]]").unwrap(), text.find("[limits]").unwrap());
        let text =
            format!("{}{instruments}\n{}{}", &text[..from], &text[to..strategy], &text[limits..]);
        let path = folder.0.join("market.toml");
        std::fs::write(&path, text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_stoop"))
            .args(["sim", "--json", "--for", "120s", "--config", "market.toml"])
            .current_dir(&folder.0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let described = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        Self { child, lines, described, over_rest: None }
    }

    /// Addresses for market data alone, and whom to trust.
    fn tables(&self, names: &[&str]) -> (String, String) {
        let table = |name: &&str| {
            let (rest, public) = (&self.described[*name]["rest"], &self.described[*name]["public"]);
            let orders = if self.over_rest == Some(*name) { "orders = \"rest\"\n" } else { "" };
            format!("[venue.{name}]\nrest = {rest}\npublic = {public}\n{orders}")
        };
        let ca = format!("mode = \"paper\"\nextra_ca = [{}]", self.described["ca"]);
        (names.iter().map(table).collect(), ca)
    }

    /// Takes it away so much later.
    fn vanish_after(&self, pause: Duration) -> JoinHandle<()> {
        let process = rustix::process::Pid::from_child(&self.child);
        std::thread::spawn(move || {
            std::thread::sleep(pause);
            rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
        })
    }

    /// Ends it: what each venue holds for the one account that it has, and what it was asked for.
    fn end(mut self) -> Value {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
        let last: Value = serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap();
        self.child.wait().unwrap();
        last
    }
}

impl Drop for Market {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Nobody has ever sent these an order.
fn assert_untouched(last: &Value, names: &[&str]) {
    for name in names {
        assert_eq!(last["private_requests"][*name], 0, "{name}: {last}");
        let ledger = &last["ledgers"][*name];
        for key in ["orders", "fills", "open_orders"] {
            assert_eq!(ledger[key], 0, "{name}: {ledger}");
        }
        assert_eq!((&ledger["fees"], &ledger["funding"]), (&json!({}), &json!({})), "{name}");
        let dollars = if *name == "hyperliquid" { "USDC" } else { "USDT" };
        assert_eq!(ledger["balances"][dollars]["free"], "10000000", "{name}: {ledger}");
    }
}

/// Low enough that the spreads of the market pay.
const PAPER: &str =
    "[paper]\nlatency_us = 5000\njitter_us = 300\nmaker_fee_bps = 1\ntaker_fee_bps = 2\n";

/// Runs the built-in strategy on these two instruments in mode paper: its summary and log.
fn run(folder: &Folder, market: &Market, instruments: &str, names: &[&str]) -> (Value, String) {
    run_for("8s", folder, market, instruments, names)
}

fn run_for(
    time: &str,
    folder: &Folder,
    market: &Market,
    instruments: &str,
    names: &[&str],
) -> (Value, String) {
    let (tables, mode) = market.tables(names);
    let listed = "instruments = [\"BTC/USDT@binance\", \"BTC/USDT@bybit\"]";
    // What is priced in different dollars is as good as one another.
    let equal = instruments.contains("USD:USDC").then_some("\nequal_quotes = true");
    let traded = format!("{instruments}{}", equal.unwrap_or_default());
    let watched = "watchlist = [\"ETH/USDT@binance\", \"ETH/USDT@bybit\"]";
    folder.config(
        &[
            (listed, instruments),
            (listed, &traded),
            (watched, "watchlist = []"),
            ("mode = \"sim\"\n", &format!("{mode}\n")),
            (default_venues(), &tables),
        ],
        PAPER,
    );
    let output = stoop(folder, &["run", "--for", time, "--json"]);
    let (summary, said) = (summary(&output), stderr(&output));
    assert!(output.status.success(), "{summary}\n{said}");
    (summary, said)
}

fn assert_traded(summary: &Value, said: &str) {
    assert_eq!(summary["mode"], "paper");
    assert_eq!(summary["ledger_differences"], json!([]), "{summary}");
    assert_eq!(summary["orders_accounted"], true, "{summary}");
    assert!(summary["fills"].as_u64().unwrap() > 0, "{summary}\n{said}");
    assert!(summary["missed"]["books"].is_u64(), "{summary}");
    let ack = summary["stages_ns"]["ack"]["p50"].as_u64().unwrap();
    assert!(ack >= 5_000_000, "orders travel for so long: {summary}");
    assert!(said.contains("paper: the venues' own market; orders go to embedded venues"), "{said}");
}

#[test]
fn rules_that_a_venue_changes_hold_for_orders_on_paper() {
    let folder = Folder::new();
    let mut venues = Venues::start(&folder);
    // Where orders would go there, nobody here is to know.
    let market = |line: &&str| ["[venue", "rest", "public"].iter().any(|key| line.starts_with(key));
    let tables: Vec<&str> = venues.text.lines().filter(market).collect();
    venues.text = tables.join("\n") + "\n";
    let path = config(&folder, &venues, "engine.toml", true);
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replacen("mode = \"testnet\"", "mode = \"paper\"", 1);
    let text = text.replacen("rules_refresh_s = 300", "rules_refresh_s = 1", 1);
    std::fs::write(&path, text + PAPER).unwrap();
    let mut engine = Engine::start(&folder.0, &path);
    engine.wait_until_all_ready(&["binance", "bybit"]);
    let wire = stoop::sim::venues::wire("binance").unwrap();
    let made = stoop::sim::embedded(&stoop::sim::EmbeddedOptions::default(), vec![wire]).unwrap();
    let rules = made.options.venues[0].exchange.rules("BTCUSDT").unwrap().clone();
    let tick_size = rust_decimal::Decimal::new(5, 1);
    assert!(venues.sim.set_rules("binance", stoop::sim::SymbolRules { tick_size, ..rules }));
    let told = "BTC/USDT@binance: orders here go by the venue's new rules, too";
    let begun = std::time::Instant::now();
    let mut said = String::new();
    while !said.contains(told) && begun.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(50));
        said = engine.said();
    }
    assert_eq!(said.matches("orders here go by").count(), 1, "{said}");
    assert!(said.contains("has changed its rules: tick 0.5"), "{said}");
    let (status, summary, said) = engine.stop();
    assert!(status.success(), "{summary}\n{said}");
    assert_eq!(summary["ledger_differences"], json!([]), "{summary}");
}

#[test]
fn spot_of_two_venues_is_followed_and_they_never_hear_of_it() {
    let (names, folder) = (["binance", "bybit"], Folder::new());
    let instruments = "instruments = [\"BTC/USDT@binance\", \"BTC/USDT@bybit\"]";
    let market = Market::start(&folder, instruments);
    let (summary, said) = run(&folder, &market, instruments, &names);
    assert_traded(&summary, &said);
    // Nothing is armed by it, and other commands know it.
    let again = stoop(&folder, &["run", "--live", "--for", "1s"]);
    assert_eq!(again.status.code(), Some(3));
    assert!(stderr(&again).contains("--live was given, but"), "{}", stderr(&again));
    let check = stoop(&folder, &["check"]);
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(said.contains("fine; 2 instruments known to their venues"), "{said}{}", stderr(&check));
    let listed = stoop(&folder, &["instruments"]);
    let said = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert_eq!(said.matches("0.01 / 0.02").count(), 2, "{said}{}", stderr(&listed));
    assert_untouched(&market.end(), &names);
}

#[test]
fn perpetuals_of_two_venues_are_followed_and_they_never_hear_of_it() {
    let (names, folder) = (["binance_usdm", "okx"], Folder::new());
    let instruments = "instruments = [\"BTC/USDT:USDT@binance\", \"BTC/USDT:USDT@okx\"]";
    let market = Market::start(&folder, instruments);
    let (summary, said) = run(&folder, &market, instruments, &names);
    assert_traded(&summary, &said);
    assert_untouched(&market.end(), &names);
}

#[test]
fn a_venue_of_wallets_and_orders_over_rest_are_followed_too() {
    let (names, folder) = (["binance_usdm", "hyperliquid"], Folder::new());
    let instruments = "instruments = [\"BTC/USDT:USDT@binance\", \"BTC/USD:USDC@hyperliquid\"]";
    let mut market = Market::start(&folder, instruments);
    market.over_rest = Some(names[0]);
    let (summary, said) = run(&folder, &market, instruments, &names);
    assert_traded(&summary, &said);
    assert_untouched(&market.end(), &names);
}

#[test]
fn without_its_market_nothing_is_filled_and_everything_is_accounted_for() {
    let (names, folder) = (["binance", "bybit"], Folder::new());
    let instruments = "instruments = [\"BTC/USDT@binance\", \"BTC/USDT@bybit\"]";
    let market = Market::start(&folder, instruments);
    let vanishes = market.vanish_after(Duration::from_secs(6));
    let (summary, said) = run_for("10s", &folder, &market, instruments, &names);
    vanishes.join().unwrap();
    assert_eq!(summary["ledger_differences"], json!([]), "{summary}");
    assert!(summary["missed"]["books"].as_u64().unwrap() >= 2, "{summary}\n{said}");
    for name in ["BTC/USDT@binance", "BTC/USDT@bybit"] {
        let line = format!("{name}: its book is not live: nothing is filled there");
        assert!(said.contains(&line), "{line}\n{said}");
    }
}

//! Trading end to end: everything that was sent is accounted for and the ledgers agree.

use crate::support::{Folder, captures, stderr, stoop, summary, trade};
use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::Duration;
use stoop::config::DEFAULT_TOML;

fn number(summary: &Value, key: &str) -> u64 {
    summary[key].as_u64().unwrap_or_else(|| panic!("{key}: {summary}"))
}

/// What must hold at the end of every run.
fn assert_accounted(summary: &Value) {
    assert_eq!(summary["ledger_differences"], serde_json::json!([]), "{summary}");
    assert_eq!(summary["ledger_equal"], true, "{summary}");
    assert_eq!(summary["orders_accounted"], true, "{summary}");
    assert_eq!(number(summary, "orders_open"), 0, "{summary}");
    assert_eq!(number(summary, "orders_unknown"), 0, "{summary}");
    assert_eq!(summary["unconfirmed"], serde_json::json!([]), "{summary}");
}

#[test]
fn the_built_in_configuration_trades_and_the_ledgers_agree() {
    let folder = Folder::new();
    folder.config(&[], "");
    let output = trade(&folder, Duration::ZERO, |counters| counters.orders_filled >= 40);
    let summary = summary(&output);
    assert!(output.status.success(), "{}\n{}", summary, stderr(&output));
    assert_accounted(&summary);
    assert!(number(&summary, "signals") >= 20, "{summary}");
    assert!(number(&summary, "orders_filled") >= 20, "{summary}");
    let tick_to_order = &summary["tick_to_order_ns"];
    // No tick causes a hedging order.
    let hedges = number(&summary["pairs"], "hedges");
    assert_eq!(number(tick_to_order, "count") + hedges, number(&summary, "orders_sent"));
    assert!(number(&summary["pairs"], "count") >= 20, "{summary}");
    for key in ["p50", "p99", "p999", "max"] {
        assert!(number(tick_to_order, key) > 0, "{summary}");
        assert!(number(&summary["leg_skew_ns"], key) > 0, "{summary}");
    }
}

#[test]
fn orders_go_over_rest_when_they_are_told_to() {
    let folder = Folder::new();
    folder.config(
        &[
            ("orders = \"websocket\"    #", "orders = \"rest\" #"),
            ("orders = \"websocket\"\n", "orders = \"rest\"\n"),
        ],
        "",
    );
    let output = trade(&folder, Duration::ZERO, |counters| counters.orders_filled >= 10);
    let summary = summary(&output);
    assert!(output.status.success(), "{}\n{}", summary, stderr(&output));
    assert_accounted(&summary);
    assert!(number(&summary, "orders_filled") >= 10, "{summary}");
}

#[test]
fn perpetuals_of_an_exchange_run_beside_its_spot_market() {
    let folder = Folder::new();
    let instruments = r#"instruments = ["BTC/USDT@binance", "BTC/USDT@bybit""#;
    let with = format!("{instruments}, \"BTC/USDT:USDT@binance\"");
    folder.config(&[(instruments, &with)], "[venue.binance_usdm]\ndead_man_switch_s = 30\n");
    let output = trade(&folder, Duration::from_secs(3), |counters| counters.orders_filled >= 10);
    let (summary, log) = (summary(&output), stderr(&output));
    assert!(output.status.success(), "{summary}\n{log}");
    assert_accounted(&summary);
    assert!(number(&summary, "orders_filled") >= 10, "{summary}");
    for said in ["binance_usdm is reconciled", "dead-man switch armed"] {
        assert!(log.contains(said), "{log}");
    }
}

#[test]
fn recorded_prices_trade_like_any_other() {
    let Some(captures) = captures() else { return };
    let folder = Folder::new();
    let capture = captures.join("binance/spot_btcusdt_20240808.gz");
    let flow =
        format!("[sim.flow]\ncapture = \"{}\"\ncapture_venue = \"binance\"\n", capture.display());
    folder.config(&[("[sim.flow]\n", &flow)], "");
    let output = trade(&folder, Duration::ZERO, |counters| counters.orders_filled >= 20);
    let summary = summary(&output);
    assert!(output.status.success(), "{}\n{}", summary, stderr(&output));
    assert_accounted(&summary);
    assert!(number(&summary, "orders_filled") >= 20, "{summary}");
}

#[test]
fn pulled_plugs_are_put_back_and_nothing_is_counted_twice() {
    let folder = Folder::new();
    let fault = |after: u32, venue: &str, kind: &str| {
        format!("\n[[sim.fault]]\nafter_s = {after}\nvenue = \"{venue}\"\nkind = \"{kind}\"\n")
    };
    let faults = [
        fault(2, "binance", "cut"),
        fault(4, "bybit", "cut"),
        fault(5, "binance", "skip_book_event"),
        fault(6, "bybit", "skip_book_event"),
    ];
    folder.config(&[], &faults.concat());
    // See `swap_against_spot` for how long an order that was on its way at a cut may be in doubt.
    let output = trade(&folder, Duration::from_secs(16), |counters| counters.orders_filled >= 20);
    let summary = summary(&output);
    let log = stderr(&output);
    assert!(output.status.success(), "{summary}\n{log}");
    assert_accounted(&summary);
    assert!(number(&summary, "orders_filled") >= 20, "{summary}");
    for agent in ["feed:binance", "feed:bybit", "exec:binance", "exec:bybit"] {
        let lost = |line: &str| line.contains(agent) && line.contains("connection:");
        assert!(log.lines().any(lost), "{agent} did not say that it lost a connection:\n{log}");
    }
    assert!(log.contains("resync"), "{log}");
}

/// A swap against spot of another venue, while connections break, book messages are missing, the
/// venue's ids go back and orders lose their replies: positions, wallets and fees are the venue's own
/// in the end.
#[test]
fn a_swap_is_traded_against_spot_through_every_fault() {
    let watched = "watchlist = [\"ETH/USDT@okx\"]";
    swap_against_spot("okx", watched);
}

/// The same where spot and perpetual of the venue have one symbol, and a public socket each.
#[test]
fn a_perpetual_of_a_unified_account_is_traded_against_spot_through_every_fault() {
    let watched = "watchlist = [\"ETH/USDT@bybit\", \"ETH/USDT:USDT@bybit\"]";
    swap_against_spot("bybit", watched);
}

fn swap_against_spot(venue: &str, watched: &str) {
    let folder = Folder::new();
    let fault = |after: u32, kind: &str| {
        format!("\n[[sim.fault]]\nafter_s = {after}\nvenue = \"{venue}\"\nkind = \"{kind}\"\n")
    };
    let faults = [
        fault(2, "cut"),
        fault(4, "skip_book_event"),
        fault(5, "reset_books"),
        fault(6, "repeat_events"),
        fault(7, "lose_replies"),
    ];
    let instruments = "instruments = [\"BTC/USDT@binance\", \"BTC/USDT@bybit\"]\n";
    let all = format!(
        "instruments = [\"BTC/USDT@binance\", \"BTC/USDT@{venue}\", \"BTC/USDT:USDT@{venue}\"]\n"
    );
    let pair = format!("instruments = [\"BTC/USDT@binance\", \"BTC/USDT:USDT@{venue}\"]\n");
    let changes = [
        (format!("{instruments}\n"), format!("{all}\n")),
        ("watchlist = [\"ETH/USDT@binance\", \"ETH/USDT@bybit\"]".to_owned(), watched.to_owned()),
        (format!("{instruments}spread_min"), format!("{pair}spread_min")),
    ];
    let changes: Vec<_> = changes.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    folder.config(&changes, &faults.concat());
    // An order that was on its way at the cut is proved never to have come 18 s later: after the time in
    // which the venue would take it three answers that it is not known, 4 and 5 s apart. A stop waits 10 s.
    let output = trade(&folder, Duration::from_secs(14), |counters| counters.orders_filled >= 10);
    let (summary, log) = (summary(&output), stderr(&output));
    assert!(output.status.success(), "{summary}\n{log}");
    assert_accounted(&summary);
    assert!(number(&summary, "orders_filled") >= 10, "{summary}\n{log}");
    assert!(log.contains("resync"), "{log}");
}

/// The strategy that stands in comments in the example file, as it stands there but for a smaller
/// edge: a few seconds have to do.
#[test]
fn the_example_of_cash_and_carry_trades_and_the_ledgers_agree() {
    let folder = Folder::new();
    let name = DEFAULT_TOML.find("# name = \"carry\"").unwrap();
    let block = DEFAULT_TOML[..name].rfind("# [[strategy]]").unwrap();
    let lines = DEFAULT_TOML[block..].lines().take_while(|line| line.starts_with("# "));
    let example: Vec<&str> = lines.map(|line| &line[2..]).collect();
    let example = example.join("\n").replace("entry_bps = 8", "entry_bps = 4");
    let instruments = "instruments = [\"BTC/USDT@binance\", \"BTC/USDT@bybit\"]\n\n";
    let all = "instruments = [\"BTC/USDT@binance\", \"BTC/USDT@bybit\", \"BTC/USDT:USDT@okx\"]\n\n";
    let eth = "watchlist = [\"ETH/USDT@binance\", \"ETH/USDT@bybit\"]";
    folder.config(&[(instruments, all), (eth, "watchlist = []")], &format!("\n{example}\n"));
    let output = trade(&folder, Duration::from_secs(6), |counters| {
        counters.orders_filled >= 10 && counters.fills > 20
    });
    let (summary, log) = (summary(&output), stderr(&output));
    assert!(output.status.success(), "{summary}\n{log}");
    assert_accounted(&summary);
    let pairs = number(&summary["pairs"], "count");
    assert!(pairs > 0 && number(&summary, "orders_filled") >= 10, "{summary}\n{log}");
    let held = summary["pnl"]["USDT"]["unrealised"].as_str().unwrap();
    assert!(held != "0" || number(&summary, "fills") > 20, "{summary}");
}

/// Spot of two venues and perpetuals of two others, of which one settles in another dollar, with
/// funding paid all the while: some of it, and the balances of one venue, are told of only when asked
/// for, the last time at the end.
#[test]
fn one_strategy_trades_over_four_venues_and_the_ledgers_agree() {
    let folder = Folder::new();
    let two = "instruments = [\"BTC/USDT@binance\", \"BTC/USDT@bybit\"]\n";
    let four = "instruments = [\"BTC/USDT@binance\", \"BTC/USDT@bybit\", \
                \"BTC/USDT:USDT@okx\", \"BTC/USD:USDC@hyperliquid\"]\n";
    let strategy = (format!("{two}spread_min"), format!("{four}equal_quotes = true\nspread_min"));
    let changes = [
        (two, four),
        ("watchlist = [\"ETH/USDT@binance\", \"ETH/USDT@bybit\"]", "watchlist = []"),
        (&strategy.0, &strategy.1),
        ("# funding_every_s = 60", "funding_every_s = 3"),
    ];
    folder.config(&changes, "");
    let output = stoop(&folder, &["run", "--for", "12s", "--json", "--plain"]);
    let (summary, log) = (summary(&output), stderr(&output));
    assert!(output.status.success(), "{summary}\n{log}");
    assert_accounted(&summary);
    assert!(number(&summary, "orders_filled") >= 40, "{summary}\n{log}");
    assert_ne!(summary["funding"].as_str(), Some("0"), "{summary}");
}

#[test]
fn a_venue_clock_five_seconds_ahead_is_followed() {
    let folder = Folder::new();
    let fault = "\n[[sim.fault]]\nafter_s = 2\nvenue = \"binance\"\nkind = \"clock_ahead_5s\"\n";
    folder.config(&[], fault);
    let output = stoop(&folder, &["run", "--for", "8s", "--json"]);
    let summary = summary(&output);
    assert!(output.status.success(), "{summary}\n{}", stderr(&output));
    assert_accounted(&summary);
}

#[test]
fn an_interrupt_cancels_confirms_and_sums_up() {
    let folder = Folder::new();
    folder.config(&[], "");
    let child = Command::new(env!("CARGO_BIN_EXE_stoop"))
        .args(["run", "--json"])
        .current_dir(&folder.0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let process = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let summary = summary(&output);
    assert!(output.status.success(), "{summary}\n{}", stderr(&output));
    assert_accounted(&summary);
    assert!(number(&summary, "orders_sent") > 0, "{summary}");
}

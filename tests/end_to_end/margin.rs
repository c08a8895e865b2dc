//! Leverage and margin mode by configuration: the venues' own state says so while the engine trades, a
//! change by hand is told, and what a venue refuses keeps it closed.

use super::support::{Folder, default_venues, stderr, stoop, summary, trade};
use super::venues::{Engine, Venues, journal};
use rust_decimal::Decimal;
use std::time::{Duration, Instant};
use stoop::agents::journal::restore;
use stoop::cli::ledger::differences;
use stoop::sim::SimMarginMode;
use stoop::venues;

const NAMES: [&str; 3] = ["okx", "binance_usdm", "hyperliquid"];
const INSTRUMENTS: &str = "instruments = [\"BTC/USDT@binance\", \"BTC/USDT@bybit\"]\n";
const PERPETUALS: &str = "instruments = [\"BTC/USDT:USDT@okx\", \"BTC/USDT:USDT@binance\", \
                          \"BTC/USD:USDC@hyperliquid\"]\n";
const WATCHLIST: &str = "watchlist = [\"ETH/USDT@binance\", \"ETH/USDT@bybit\"]";
const ADVICE: &str = "leverage or margin mode are not as configured";

/// Venue, symbol there, what is configured.
const WANTED: [(&str, &str, u8, SimMarginMode); 3] = [
    ("okx", "BTC-USDT-SWAP", 4, SimMarginMode::Isolated),
    ("binance_usdm", "BTCUSDT", 7, SimMarginMode::Cross),
    ("hyperliquid", "BTC", 3, SimMarginMode::Isolated),
];

/// Mode and lines of the venues that take the place of those of the built-in configuration, and a
/// strategy over all three.
fn config(folder: &Folder, venues: &Venues) -> std::path::PathBuf {
    let mut tables = venues.text.clone();
    for (venue, _, leverage, mode) in WANTED {
        let mode = if mode == SimMarginMode::Cross { "cross" } else { "isolated" };
        let table = format!("[venue.{venue}]\n");
        let with = format!("{table}leverage = {leverage}\nmargin_mode = \"{mode}\"\n");
        tables = tables.replacen(&table, &with, 1);
    }
    let strategy = format!("{PERPETUALS}equal_quotes = true\nspread_min");
    folder.config(
        &[
            ("mode = \"sim\"", "mode = \"testnet\"\nextra_ca = [\"ca.pem\"]"),
            (default_venues(), &tables),
            (INSTRUMENTS, PERPETUALS),
            (WATCHLIST, "watchlist = []"),
            (&format!("{INSTRUMENTS}spread_min"), &strategy),
            ("naked_ms_max = 500 ", "naked_ms_max = 0 "),
        ],
        "",
    )
}

fn wait_until(what: &str, engine: &mut Engine, is_so: impl Fn(&mut Engine) -> bool) {
    let begun = Instant::now();
    while !is_so(engine) {
        let waited = begun.elapsed();
        assert!(waited < Duration::from_secs(30), "{what} never came:\n{}", engine.said());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn perpetuals_of_three_venues_stand_on_what_is_configured() {
    let folder = Folder::new();
    let venues = Venues::start_of(&folder, &NAMES);
    let position =
        |venue: &str, symbol: &str| venues.sim.position(venue, venues.key(venue), symbol).unwrap();
    for (venue, symbol, leverage, _) in WANTED {
        assert_ne!(position(venue, symbol).leverage, leverage.into(), "{venue} has it by chance");
    }
    let path = config(&folder, &venues);
    let mut engine = Engine::start(&folder.0, &path);
    engine.wait_until_all_ready(&NAMES);
    for (venue, symbol, leverage, _) in WANTED {
        assert_eq!(position(venue, symbol).leverage, leverage.into(), "{venue}");
    }
    wait_until("a position at each venue", &mut engine, |_| {
        WANTED.into_iter().all(|(venue, symbol, ..)| !position(venue, symbol).qty.is_zero())
    });
    for (venue, symbol, leverage, mode) in WANTED {
        let held = position(venue, symbol);
        let leverage = Decimal::from(leverage);
        assert_eq!((held.leverage, held.mode), (leverage, mode), "{venue}");
        let (bound, value) = match mode {
            SimMarginMode::Cross => (held.initial, held.qty.abs() * held.mark),
            SimMarginMode::Isolated => (held.isolated, held.cost.abs()),
        };
        let missing = (bound - value / leverage).abs();
        assert!(missing < Decimal::new(1, 3), "{venue} binds {bound} of {value}: {held:?}");
    }
    assert!(!engine.said().contains(ADVICE));
    // Somebody changes one by hand: it is told, and trading goes on.
    let (venue, symbol, ..) = WANTED[1];
    let changed = venues.sim.set_leverage(venue, venues.key(venue), symbol, 9.into());
    assert_eq!(changed, Some(Ok(())));
    wait_until("what somebody changed", &mut engine, |engine| engine.said().contains(ADVICE));
    assert_eq!(position(venue, symbol).leverage, 9.into(), "it is left alone");
    let orders = || venues.ledgers().iter().map(|(_, ledger)| ledger.orders).sum::<u64>();
    let before = orders();
    wait_until("more orders", &mut engine, |_| orders() > before);
    let (status, summary, said) = engine.stop();
    assert!(status.success(), "{summary}\n{said}");
    let restored = restore(&journal(&folder), true).unwrap();
    let kept = restored.kept.as_ref().unwrap();
    let last = restored.final_state(&NAMES.map(|name| venues::find(name).unwrap()));
    let found = differences(kept.instruments(), &last, &venues.ledgers());
    assert!(found.is_empty(), "{found:#?}\n{said}");
}

#[test]
fn what_a_venue_refuses_keeps_it_closed() {
    let folder = Folder::new();
    folder.config(
        &[
            (INSTRUMENTS, "instruments = [\"BTC/USDT@bybit\", \"BTC/USDT:USDT@binance\"]\n"),
            (WATCHLIST, "watchlist = []"),
            // The list of its instruments does not tell the largest leverage.
            ("[venue.okx]\n", "[venue.binance_usdm]\nleverage = 101\n[venue.okx]\n"),
            (
                &format!("{INSTRUMENTS}spread_min"),
                "instruments = [\"BTC/USDT@bybit\", \"BTC/USDT:USDT@binance\"]\nspread_min",
            ),
        ],
        "",
    );
    let output = stoop(&folder, &["run", "--for", "4s", "--json", "--plain"]);
    let said = stderr(&output);
    assert!(said.contains(ADVICE) && said.contains("4028"), "{said}");
    assert!(said.contains("bybit may be traded on"), "{said}");
    assert!(!said.contains("binance_usdm may be traded on"), "{said}");
}

/// The margin mode is one of the whole account there.
#[test]
fn an_account_with_one_margin_mode_trades_on_it() {
    let folder = Folder::new();
    let both = "instruments = [\"BTC/USDT@binance\", \"BTC/USDT:USDT@bybit\"]\n";
    let table = "[venue.bybit]\n";
    folder.config(
        &[
            (INSTRUMENTS, both),
            (WATCHLIST, "watchlist = []"),
            (table, &format!("{table}leverage = 3\nmargin_mode = \"isolated\"\n")),
            (&format!("{INSTRUMENTS}spread_min"), &format!("{both}spread_min")),
        ],
        "",
    );
    let output = trade(&folder, Duration::ZERO, |counters| counters.orders_filled >= 10);
    let (summary, said) = (summary(&output), stderr(&output));
    assert!(output.status.success(), "{summary}\n{said}");
    assert!(said.contains("bybit may be traded on") && !said.contains(ADVICE), "{said}");
    assert_eq!(summary["ledger_equal"], true, "{summary}");
    assert!(summary["orders_filled"].as_u64().unwrap() >= 10, "{summary}\n{said}");
}

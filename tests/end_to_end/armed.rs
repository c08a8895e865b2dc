//! What a run with real money says before it begins. The venues are simulated ones of this host.

use super::support::{Folder, Sim, default_venues, stderr, stoop, summary};

#[test]
fn live_says_what_is_armed_and_no_key() {
    let folder = Folder::new();
    let sim = Sim::start(&folder);
    let mode = format!("mode = \"live\"\narmed = true\nextra_ca = [{}]\n", sim.described["ca"]);
    let venues = sim.venues(&folder, None);
    folder.config(&[("mode = \"sim\"\n", &mode), (default_venues(), &venues)], "");
    let output = stoop(&folder, &["run", "--live", "--for", "2s", "--json"]);
    let (summary, said) = (summary(&output), stderr(&output));
    assert!(output.status.success(), "{summary}\n{said}");
    assert_eq!(summary["mode"], "live");
    let armed = said.find("armed: limits: order 5000").expect(&said);
    assert!(armed < said.find("binance is reconciled").expect(&said), "before anything: {said}");
    for line in [
        "LIVE: engine.toml trades with real money as ",
        "armed: venue binance with the account of [venue.binance], orders over WebSocket",
        "armed: venue bybit with the account of [venue.bybit], orders over WebSocket",
        "armed: instruments BTC/USDT@binance, BTC/USDT@bybit; once a strategy watches them ETH/",
        "armed: strategy spread on a thread, trades BTC/USDT@binance, BTC/USDT@bybit, no budget",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(stdout.lines().count(), 1, "the summary alone: {stdout}");
    for venue in ["binance", "bybit"] {
        for key in ["key", "secret"] {
            assert!(!said.contains(sim.text(&[venue, key])), "{venue} {key}");
        }
    }
}

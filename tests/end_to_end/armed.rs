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

#[test]
fn all_of_it_is_said_before_an_engine_that_does_not_start() {
    let folder = Folder::new();
    let sim = Sim::start(&folder);
    let mode = format!("mode = \"live\"\narmed = true\nextra_ca = [{}]\n", sim.described["ca"]);
    let venues = sim.venues(&folder, None);
    let mut more = "\n[log]\nfolder = \"log\"\nformat = \"text\"\n".to_owned();
    for number in 0..30 {
        more += &format!(
            "[[strategy]]\nname = \"s{number}\"\nkind = \"spread_arb\"\n\
             instruments = [\"BTC/USDT@binance\", \"BTC/USDT@bybit\"]\nqty = \"0.01\"\n\
             spread_min_bps = 5\ncooldown_ms = 20\nlegs = \"parallel\"\nnaked_ms_max = 500\n\
             naked_qty_max = \"0\"\non_breach = \"unwind\"\nslippage_max_bps = 10\n"
        );
    }
    let engine = ("[engine]\n", "[engine]\nkill_file = \"KILL\"\n");
    folder.config(&[("mode = \"sim\"\n", &mode), (default_venues(), &venues), engine], &more);
    std::fs::write(folder.0.join("KILL"), "").unwrap();
    for how in ["--plain", "--json"] {
        let output = stoop(&folder, &["run", "--live", "--for", "2s", how]);
        let said = stderr(&output);
        assert!(!output.status.success(), "{said}");
        let refused = said.find("kill file KILL is there").expect(&said);
        let file = std::fs::read_dir(folder.0.join("log")).unwrap().next().unwrap().unwrap();
        let file = std::fs::read_to_string(file.path()).unwrap();
        let strategies = (0..30).map(|number| format!("armed: strategy s{number} on a thread"));
        let others = ["LIVE: engine.toml trades", "armed: limits: order 5000"].map(str::to_owned);
        for line in strategies.chain(others) {
            assert!(said.find(&line).is_some_and(|at| at < refused), "{line}\n{said}");
            assert!(file.contains(&format!(" warn run: {line}")), "{line}\n{file}");
        }
        assert_eq!(said.matches("armed: limits").count(), 1, "{said}");
    }
}

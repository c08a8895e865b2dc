//! Mistakes of a new user, each with the words and the exit code that come back.

use crate::support::{Folder, Sim, default_venues, stderr, stoop, trade};
use std::time::Duration;

fn code(output: &std::process::Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

#[test]
fn a_misspelled_key_is_a_configuration_error() {
    let folder = Folder::new();
    folder.config(&[("depth = 20", "dept = 20")], "");
    for command in [&["run", "--for", "1s"][..], &["check"], &["instruments"], &["sim"]] {
        let output = stoop(&folder, command);
        assert_eq!(code(&output), 3);
        let text = stderr(&output);
        assert!(text.starts_with("error: engine.toml:"), "{text}");
        assert!(text.contains("unknown key \"dept\"; did you mean \"depth\"?"), "{text}");
    }
}

#[test]
fn a_missing_file_is_a_configuration_error() {
    let folder = Folder::new();
    let output = stoop(&folder, &["run", "--config", "nowhere.toml"]);
    assert_eq!(code(&output), 3);
    assert_eq!(
        stderr(&output),
        "error: nowhere.toml: no such file; without --config it is ./engine.toml, else the built-in one\n"
    );
}

#[test]
fn a_cpu_that_is_not_there_is_named_with_its_line() {
    let folder = Folder::new();
    let thread = "\n[[thread]]\ncore = 4000\nruns = [\"feed:binance\", \"feed:bybit\", \
                  \"strategy:spread\", \"oms\", \"exec:binance\", \"exec:bybit\"]\n";
    let config = folder.config(&[], thread);
    let lines = std::fs::read_to_string(config).unwrap().lines().count();
    for command in [&["run", "--for", "1s"][..], &["check", "--offline"]] {
        let output = stoop(&folder, command);
        assert_eq!(code(&output), 3);
        let text = stderr(&output);
        let start = format!(
            "error: engine.toml:{}:8: core = 4000: this host has no such CPU; present: 0",
            lines - 1
        );
        assert!(text.starts_with(&start), "{text}");
    }
}

#[test]
fn instruments_that_a_strategy_cannot_pair_are_named_with_their_place() {
    let all = "[\"BTC/USDT@binance\", \"BTC/USDT:USDT@okx\", \"BTC/USD:USDC@hyperliquid\", \
               \"BTC/USDT@bybit\"]\n\n";
    for (pair, what) in [
        ("\"BTC/USDT:USDT@okx\", \"BTC/USDT@binance\"", "basis needs spot first"),
        ("\"BTC/USDT@binance\", \"BTC/USD:USDC@hyperliquid\"", "BTC/USDT@binance and BTC/USD:"),
    ] {
        let folder = Folder::new();
        let carry = format!(
            "\n[[strategy]]\nname = \"carry\"\nkind = \"basis\"\ninstruments = [{pair}]\n\
             entry_bps = 8\nexit_bps = 1\nqty = \"0.01\"\nqty_max = \"0.1\"\n\
             cooldown_ms = 100\n"
        );
        let two = "[\"BTC/USDT@binance\", \"BTC/USDT@bybit\"]\n\n";
        let config = folder.config(&[(two, all)], &carry);
        let text = std::fs::read_to_string(config).unwrap();
        let line = 1 + text.lines().position(|line| line.contains(pair)).unwrap();
        let output = stoop(&folder, &["check"]);
        assert_eq!(code(&output), 3);
        let said = stderr(&output);
        let place = format!("error: engine.toml:{line}:15: strategy carry: {what}");
        assert!(said.starts_with(&place), "{said}\n{place}");
    }
}

#[test]
fn a_quantity_finer_than_its_instrument_is_named_with_its_place() {
    for (from, to, what) in [
        (
            "naked_qty_max = \"0\"",
            "naked_qty_max = \"0.0000000000001\"",
            ":17: strategy spread: naked_qty_max = 0.0000000000001 ",
        ),
        (
            "qty = \"0.01\"",
            "qty = \"0.0000000000001\"",
            ":7: strategy spread: qty = 0.0000000000001 ",
        ),
    ] {
        let folder = Folder::new();
        let config = std::fs::read_to_string(folder.config(&[(from, to)], "")).unwrap();
        let line = config.lines().position(|line| line.starts_with(to)).unwrap() + 1;
        for command in [&["run", "--for", "1s"][..], &["check"]] {
            let output = stoop(&folder, command);
            assert_eq!(code(&output), 3, "{}", stderr(&output));
            let start = format!("error: engine.toml:{line}{what}");
            assert!(stderr(&output).starts_with(&start), "{}", stderr(&output));
        }
    }
}

#[test]
fn an_unknown_instrument_is_named_with_its_place() {
    let folder = Folder::new();
    folder.config(
        &[
            ("watchlist = [\"ETH/USDT@binance\"", "watchlist = [\"XYZ/USDT@binance\""),
            ("ETH = \"20\" }", "ETH = \"20\", XYZ = \"1\" }"),
        ],
        "",
    );
    let output = stoop(&folder, &["check"]);
    assert_eq!(code(&output), 3, "{}", stderr(&output));
    let text = stderr(&output);
    let default = stoop::config::DEFAULT_TOML;
    let line = default[..default.find("watchlist = ").unwrap()].matches('\n').count() + 1;
    assert!(text.starts_with(&format!("error: engine.toml:{line}:14: ")), "{text}");
    assert!(
        text.contains(
            "unknown instrument \"XYZ/USDT@binance\": binance lists no XYZ priced in USDT"
        ),
        "{text}"
    );
}

#[test]
fn more_leverage_than_the_venue_allows_is_named_with_both_numbers() {
    let folder = Folder::new();
    folder.config(
        &[
            ("watchlist = [\"ETH/USDT@binance\"", "watchlist = [\"SOL/USD:USDC@hyperliquid\""),
            ("[venue.okx]", "[venue.hyperliquid]\nleverage = 21\n[venue.okx]"),
            ("ETH = \"20\" }", "ETH = \"20\", SOL = \"1\" }"),
        ],
        "",
    );
    let output = stoop(&folder, &["check"]);
    assert_eq!(code(&output), 3, "{}", stderr(&output));
    let text = stderr(&output);
    let said = "\"SOL/USD:USDC@hyperliquid\": hyperliquid allows a leverage of 20 at most, and \
                [venue.hyperliquid] leverage = 21";
    assert!(text.starts_with("error: engine.toml:") && text.contains(said), "{text}");
}

/// The default configuration in mode `testnet`, its venues those of `sim`.
fn against(folder: &Folder, sim: &Sim, secret: Option<&str>, trusted: bool) {
    let venues = sim.venues(folder, secret);
    let ca = format!("extra_ca = [\"{}\"]\nmode = \"testnet\"", sim.text(&["ca"]));
    let mode = if trusted { ca.as_str() } else { "mode = \"testnet\"" };
    folder.config(&[("mode = \"sim\"", mode), (default_venues(), &venues)], "");
}

#[test]
fn a_venue_in_another_process_is_traded_on_and_left_clean() {
    let (folder, sim_folder) = (Folder::new(), Folder::new());
    let sim = Sim::start(&sim_folder);
    against(&folder, &sim, None, true);
    let output = trade(&folder, Duration::ZERO, |counters| counters.orders_filled > 0);
    let summary = crate::support::summary(&output);
    assert_eq!(code(&output), 0, "{summary}\n{}", stderr(&output));
    assert!(summary["orders_filled"].as_u64().unwrap() > 0, "{summary}");
    assert_eq!(summary["ledger_equal"], serde_json::Value::Null);
    assert_eq!(summary["orders_open"], 0);
}

#[test]
fn an_unknown_certificate_authority_is_named_with_the_remedy() {
    let (folder, sim_folder) = (Folder::new(), Folder::new());
    let sim = Sim::start(&sim_folder);
    against(&folder, &sim, None, false);
    let output = stoop(&folder, &["run", "--for", "2s"]);
    assert_eq!(code(&output), 4);
    let text = stderr(&output);
    assert!(text.starts_with("error: binance: instrument rules: "), "{text}");
    assert!(text.contains("extra_ca"), "{text}");
}

#[test]
fn a_wrong_secret_is_said_and_nothing_is_traded() {
    let (folder, sim_folder) = (Folder::new(), Folder::new());
    let sim = Sim::start(&sim_folder);
    against(&folder, &sim, Some("not the secret"), true);
    let output = stoop(&folder, &["run", "--for", "3s", "--json"]);
    let summary = crate::support::summary(&output);
    let text = stderr(&output);
    assert_eq!(code(&output), 4);
    assert_eq!(summary["orders_sent"], 0, "{summary}");
    assert!(text.contains("login refused with code -1022: check the key"), "{text}");
    assert!(!text.contains("not the secret"), "{text}");
}

#[test]
fn a_venue_that_does_not_answer_is_a_venue_error() {
    let folder = Folder::new();
    let url = "[venue.binance]\nrest = \"https://127.0.0.1:1\"";
    folder.config(
        &[
            ("mode = \"sim\"", "mode = \"testnet\""),
            ("[venue.binance]", url),
            ("api_key = { env = \"BINANCE_API_KEY\" }", "api_key = { env = \"PATH\" }"),
            ("api_secret = { env = \"BINANCE_API_SECRET\" }", "api_secret = { env = \"PATH\" }"),
            ("api_key = { env = \"BYBIT_API_KEY\" }", "api_key = { env = \"PATH\" }"),
            ("api_secret = { env = \"BYBIT_API_SECRET\" }", "api_secret = { env = \"PATH\" }"),
        ],
        "",
    );
    let output = stoop(&folder, &["check"]);
    assert_eq!(code(&output), 4);
    let text = stderr(&output);
    assert!(text.starts_with("error: binance: instrument rules: "), "{text}");
    assert!(text.contains("127.0.0.1:1"), "{text}");
    assert!(text.contains("refused"), "{text}");
}

#[test]
fn live_trading_needs_two_hands() {
    let folder = Folder::new();
    folder.config(&[("mode = \"sim\"", "mode = \"live\"")], "");
    let output = stoop(&folder, &["run", "--live"]);
    assert_eq!(code(&output), 3);
    assert_eq!(
        stderr(&output),
        "error: engine.toml: mode = \"live\" trades real money; it must be armed with armed = true\n"
    );
    folder.config(&[("mode = \"sim\"", "mode = \"live\"\narmed = true")], "");
    let output = stoop(&folder, &["run"]);
    assert_eq!(code(&output), 3);
    assert_eq!(
        stderr(&output),
        "error: mode = \"live\" trades real money; give --live to confirm it\n"
    );
}

#[test]
fn missing_keys_are_named_by_their_variable() {
    let folder = Folder::new();
    folder.config(
        &[
            ("mode = \"sim\"", "mode = \"testnet\""),
            ("\"BINANCE_API_KEY\"", "\"STOOP_TEST_UNSET\""),
        ],
        "",
    );
    let output = stoop(&folder, &["run"]);
    assert_eq!(code(&output), 3);
    assert_eq!(
        stderr(&output),
        "error: keys of binance: environment variable STOOP_TEST_UNSET is not set or not text\n"
    );
}

#[test]
fn a_process_that_holds_keys_leaves_no_core_dump() {
    let (folder, sim_folder) = (Folder::new(), Folder::new());
    let sim = Sim::start(&sim_folder);
    against(&folder, &sim, None, true);
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_stoop"))
        .args(["run", "--for", "3s", "--json"])
        .current_dir(&folder.0)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let words: Vec<&str> = core.split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{core}");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_second_instance_of_one_name_is_told_to_take_another() {
    let folder = Folder::new();
    folder.config(&[], "");
    let mut first = std::process::Command::new(env!("CARGO_BIN_EXE_stoop"))
        .args(["run", "--for", "3s"])
        .current_dir(&folder.0)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_secs(1));
    let output = stoop(&folder, &["run", "--for", "1s"]);
    assert_eq!(code(&output), 1);
    let text = stderr(&output);
    let expected = format!(
        " is in use by process {}: give this instance another name in [engine]\n",
        first.id()
    );
    assert!(text.starts_with("error: /dev/shm/stoop-") && text.ends_with(&expected), "{text}");
    assert!(first.wait().unwrap().success());
}

#[test]
fn the_simulated_venues_alone_say_where_they_are_and_what_they_held() {
    let folder = Folder::new();
    folder.config(&[("seed = 7 ", "funding_every_s = 60\nseed = 7 ")], "");
    let output = stoop(&folder, &["sim", "--json", "--for", "500ms"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [described, last] = &lines[..] else { panic!("{text}") };
    assert!(described["binance"]["rest"].as_str().unwrap().starts_with("https://localhost:"));
    for venue in ["binance", "bybit"] {
        assert_eq!(last["private_requests"][venue], 0, "{last}");
        let ledger = &last["ledgers"][venue];
        let dollars = serde_json::json!({"free": "10000000", "locked": "0"});
        assert_eq!(ledger["balances"]["USDT"], dollars, "{venue}");
        assert_eq!((&ledger["fills"], &ledger["open_orders"]), (&0.into(), &0.into()), "{venue}");
    }
}

#[test]
fn a_file_of_keys_that_others_may_read_is_found_by_check_in_any_mode() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let head = "credentials_file = \"keys.toml\"\nmode = \"sim\"";
    folder.config(&[("mode = \"sim\"", head)], "");
    let check = |arguments: &[&str]| {
        let output = stoop(&folder, arguments);
        (code(&output), stderr(&output))
    };
    let (ended, said) = check(&["check", "--offline"]);
    assert_eq!(ended, 3);
    assert!(said.starts_with("error: credentials_file: keys.toml: No such file"), "{said}");
    let path = folder.0.join("keys.toml");
    std::fs::write(&path, "[credentials.main.okx]\n").unwrap();
    for (mode, expected) in [(0o644, 3), (0o600, 0)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        for arguments in
            [&["check"][..], &["check", "--offline"], &["run", "--for", "1s", "--json"]]
        {
            let (ended, said) = check(arguments);
            assert_eq!(ended, expected, "{arguments:?}: {said}");
            assert_eq!(said.contains("keys.toml has mode 0644"), expected == 3, "{said}");
        }
    }
}

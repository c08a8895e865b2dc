//! What the venues send is written down and played again: the same books, the same decisions.

use crate::support::{Folder, stderr, stoop, summary};
use crate::venues::{Venues, config};
use flate2::read::MultiGzDecoder;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use stoop::agents::log::LogLine;
use stoop::config::{Config, Mode};
use stoop::rehearsal::{Rehearsal, rehearse};
use stoop::sim::{
    Capture, EmbeddedOptions, Exchange, Flow, FlowOptions, Server, SymbolRules, Target, embedded,
    survey, venues::wire,
};
use stoop::types::Nanos;

/// Records for a while; the summary and the files, the oldest first.
fn record(folder: &Folder, more: &[&str]) -> (Value, Vec<PathBuf>, String) {
    let output = stoop(folder, &[&["record", "--json"], more].concat());
    let (found, said) = (summary(&output), stderr(&output));
    assert!(output.status.success(), "{found}\n{said}");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder.0.join("recorded"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    (found, files, said)
}

fn replay(folder: &Folder, files: &[PathBuf]) -> (Value, String) {
    let mut arguments = vec!["replay", "--json"];
    arguments.extend(files.iter().map(|path| path.to_str().unwrap()));
    let output = stoop(folder, &arguments);
    let found = summary(&output);
    assert!(output.status.success(), "{found}\n{}", stderr(&output));
    assert_eq!(found["ledger_differences"], serde_json::json!([]), "{found}");
    (found, stderr(&output))
}

fn text(path: &Path) -> String {
    let mut text = String::new();
    MultiGzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("{key}: {value}"))
}

#[test]
fn both_venues_are_played_as_they_were_recorded_and_decide_the_same_each_time() {
    let folder = Folder::new();
    folder.config(&[], "");
    let (recorded, files, said) = record(&folder, &["--for", "6s", "--rotate-every", "2s"]);
    assert!(files.len() >= 6, "{files:?}\n{said}");
    let frames = number(&recorded, "frames");
    assert!(frames > 500, "{recorded}");
    for key in ["holes", "missing", "errors"] {
        assert_eq!(number(&recorded, key), 0, "{recorded}");
    }
    let (first, _) = replay(&folder, &files);
    assert_eq!(number(&first, "frames"), frames);
    assert!(number(&first, "orders_sent") > 0, "{first}");
    let (second, _) = replay(&folder, &files);
    assert_eq!(first["decisions"], second["decisions"]);
    // The order in which the files are named is nobody's business.
    let turned: Vec<PathBuf> = files.iter().rev().cloned().collect();
    assert_eq!(first["decisions"], replay(&folder, &turned).0["decisions"]);
    books_are_those_of(&files);
    // Nor does the mode: a replay speaks to nobody.
    folder.config(&[("mode = \"sim\"", "mode = \"testnet\"")], "");
    assert_eq!(first["decisions"], replay(&folder, &files).0["decisions"]);
}

/// Plays the files and compares the books at the end with what the last frames say.
fn books_are_those_of(files: &[PathBuf]) {
    let of = |venue: &str| {
        let named = |path: &&PathBuf| path.to_str().unwrap().contains(&format!("@{venue}-"));
        files.iter().filter(named).cloned().collect::<Vec<_>>()
    };
    let capture = |venue: &str| Capture { files: of(venue), venue: String::new() };
    let captures = vec![capture("binance"), capture("bybit")];
    let options = FlowOptions { captures, once: true, ..FlowOptions::default() };
    let wires = ["binance", "bybit"].map(|name| wire(name).unwrap()).into();
    let made = embedded(&EmbeddedOptions::default(), wires).unwrap();
    let mut exchanges: Vec<Exchange> =
        made.options.venues.into_iter().map(|venue| venue.exchange).collect();
    let names =
        [("binance", exchanges[0].symbols().to_vec()), ("bybit", exchanges[1].symbols().to_vec())];
    let mut flow = Flow::new(&options, &names).unwrap();
    let mut targets: Vec<Target<'_>> = exchanges
        .iter_mut()
        .map(|exchange| Target { exchange, start_ms: 1_700_000_000_000 })
        .collect();
    flow.step(60_000_000_000, usize::MAX, &mut targets);
    let lines: Vec<String> = of("binance").iter().map(|path| text(path)).collect();
    let last = lines.concat();
    let last = last.lines().rfind(|line| line.contains("@bookTicker")).unwrap();
    let last: Value = serde_json::from_str(last.split_once(' ').unwrap().1).unwrap();
    let (_, bids, asks) = exchanges[0].depth("BTCUSDT", 1).unwrap();
    for (side, price, qty) in [(&bids, "b", "B"), (&asks, "a", "A")] {
        assert_eq!(side[0].0, last["data"][price].as_str().unwrap().parse().unwrap(), "{last}");
        assert_eq!(side[0].1, last["data"][qty].as_str().unwrap().parse().unwrap(), "{last}");
    }
    let lines: Vec<String> = of("bybit").iter().map(|path| text(path)).collect();
    let (_, bids, asks) = exchanges[1].depth("BTCUSDT", 30).unwrap();
    let [wanted_bids, wanted_asks] = bybit_book(&lines.concat());
    let shown = |levels: &[(rust_decimal::Decimal, rust_decimal::Decimal)]| {
        levels
            .iter()
            .map(|(price, qty)| format!("{}x{}", price.normalize(), qty.normalize()))
            .collect::<Vec<_>>()
    };
    assert_eq!(shown(&bids), wanted_bids[..30]);
    assert_eq!(shown(&asks), wanted_asks[..30]);
}

/// The book of depth 50 as its snapshots and deltas make it, best first, on both sides.
fn bybit_book(lines: &str) -> [Vec<String>; 2] {
    let mut sides = [BTreeMap::new(), BTreeMap::new()];
    let mut top = Value::Null;
    for line in lines.lines().filter(|line| line.contains("\"orderbook.")) {
        let frame: Value = serde_json::from_str(line.split_once(' ').unwrap().1).unwrap();
        if frame["topic"] == "orderbook.1.BTCUSDT" {
            top = frame["data"].clone();
            continue;
        }
        for (side, key) in sides.iter_mut().zip(["b", "a"]) {
            if frame["type"] == "snapshot" {
                side.clear();
            }
            for row in frame["data"][key].as_array().unwrap() {
                let number = |at: usize| -> rust_decimal::Decimal {
                    row[at].as_str().unwrap().parse().unwrap()
                };
                match number(1).is_zero() {
                    true => side.remove(&number(0)),
                    false => side.insert(number(0), number(1)),
                };
            }
        }
    }
    // The best quote is sent more often.
    for (index, (side, key)) in sides.iter_mut().zip(["b", "a"]).enumerate() {
        let number = |at: usize| -> rust_decimal::Decimal {
            top[key][0][at].as_str().unwrap().parse().unwrap()
        };
        let best = number(0);
        side.retain(|price, _| if index == 0 { *price < best } else { *price > best });
        side.insert(best, number(1));
    }
    let shown = |(price, qty): (&rust_decimal::Decimal, &rust_decimal::Decimal)| {
        format!("{}x{}", price.normalize(), qty.normalize())
    };
    [sides[0].iter().rev().map(shown).collect(), sides[1].iter().map(shown).collect()]
}

/// Spot and perpetuals whose frames have other shapes.
#[test]
fn every_venue_is_recorded_and_played() {
    let folder = Folder::new();
    let all = "instruments = [\"BTC/USDT@binance\", \"BTC/USDT:USDT@binance\", \"BTC/USDT@bybit\", \
        \"BTC/USDT:USDT@bybit\", \"BTC/USDT@okx\", \"BTC/USDT:USDT@okx\", \"BTC/USD:USDC@hyperliquid\"]";
    let two = "instruments = [\"BTC/USDT@binance\", \"BTC/USDT@bybit\"]";
    let watched = "watchlist = [\"ETH/USDT@binance\", \"ETH/USDT@bybit\"]";
    folder.config(&[(two, all), (watched, "")], "");
    let (recorded, files, _) = record(&folder, &["--for", "4s"]);
    assert_eq!(files.len(), 7, "{files:?}");
    let (first, _) = replay(&folder, &files);
    assert_eq!(first["frames"], recorded["frames"]);
    assert_eq!(number(&first, "holes"), 0);
    assert_eq!(first["decisions"], replay(&folder, &files).0["decisions"]);
    for path in &files {
        let found = survey(path).unwrap();
        let (rules, lines) = (found.rules.unwrap(), text(path));
        assert!(rules.fees.is_some() && lines.lines().nth(1).unwrap().contains("\"rules\""));
        let marks = ["markPrice", "mark-price", "activeAssetCtx"];
        let has = |line: &&str| marks.iter().any(|mark| line.contains(mark));
        let has_marks =
            lines.lines().filter(|line| !line.contains("{\"stoop\":")).any(|line| has(&line));
        assert_eq!(has_marks, rules.perpetual, "{path:?}");
    }
}

/// Another program keeps another time: without it, and not without a word.
#[test]
fn a_replay_leaves_out_the_strategies_of_other_programs_and_says_so() {
    const LIMITS: &str = "# Limits that the order manager enforces";
    let folder = Folder::new();
    folder.config(&[], "");
    let (_, files, _) = record(&folder, &["--for", "3s"]);
    let (without, said) = replay(&folder, &files);
    assert!(number(&without, "orders_sent") > 0, "{without}");
    assert!(!said.contains("is left out"), "{said}");
    let begun = folder.0.join("begun");
    let touch = format!("command = [\"touch\", \"{}\"]", begun.display());
    let other = format!("[[strategy]]\nname = \"other\"\nrun = \"process\"\n{touch}\n\n{LIMITS}");
    // One of the engine's own plays its part wherever it runs otherwise.
    let kind = "kind = \"spread_arb\"";
    folder.config(&[(kind, &format!("{kind}\nrun = \"process\"")), (LIMITS, &other)], "");
    for _ in 0..2 {
        let (with, said) = replay(&folder, &files);
        assert_eq!(with["decisions"], without["decisions"], "{said}");
        let left_out: Vec<&str> =
            said.lines().filter(|line| line.contains("is left out")).collect();
        let [line] = left_out[..] else { panic!("{said}") };
        let told = "strategy other is left out: its command cannot run in virtual time";
        assert!(line.contains(told), "{line}");
    }
    assert!(!begun.exists(), "its program was not started");
}

/// A file with another text in its second line.
fn with_rules(path: &Path, from: &str, to: &str) -> PathBuf {
    let changed = path.with_file_name("changed.gz");
    let file = std::fs::File::create(&changed).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    for (at, line) in text(path).lines().enumerate() {
        let line = if at == 1 { line.replace(from, to) } else { line.to_owned() };
        assert!(at != 1 || line.contains(to), "{line}");
        writeln!(gzip, "{line}").unwrap();
    }
    gzip.finish().unwrap();
    changed
}

#[test]
fn a_replay_goes_by_the_rules_that_were_recorded_and_says_where_they_cannot_be_right() {
    let folder = Folder::new();
    folder.config(&[], "");
    let (_, files, _) = record(&folder, &["--for", "3s"]);
    let (whole, said) = replay(&folder, &files);
    assert!(!said.contains("embedded venue"), "{said}");
    let play = |path: &Path| {
        let files = [path.to_str().unwrap(), files[1].to_str().unwrap()];
        stoop(&folder, &["replay", "--json", files[0], files[1]])
    };
    let dear = with_rules(&files[0], "\"taker_fee\":\"0.0002\"", "\"taker_fee\":\"0.01\"");
    let found = summary(&play(&dear));
    assert_ne!(found["fees"], whole["fees"], "{found}");
    for (from, to, error) in [
        ("\"tick\":\"0.01\"", "\"tick\":\"0\"", "changed.gz:2: rules.tick: 0 is not above zero"),
        ("\"base\":\"BTC\"", "\"base\":\"ETH\"", "changed.gz:2: rules.base: \"ETH\", but"),
        ("\"symbol\":\"BTCUSDT\"", "\"symbol\":\"X\"", "changed.gz:2: rules.symbol: X, but"),
    ] {
        let output = play(&with_rules(&files[0], from, to));
        assert!(!output.status.success());
        assert!(stderr(&output).contains(error), "{}", stderr(&output));
    }
    // A recording from before has none.
    let old = with_rules(&files[0], "\"rules\"", "\"else\"");
    let output = play(&old);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("changed.gz: it does not state the venue's rules"));
}

#[test]
fn a_file_cut_in_the_middle_is_played_up_to_there() {
    let folder = Folder::new();
    folder.config(&[], "");
    let (_, files, _) = record(&folder, &["--for", "3s"]);
    let whole = std::fs::read(&files[0]).unwrap();
    std::fs::write(&files[0], &whole[..whole.len() / 2]).unwrap();
    let found = survey(&files[0]).unwrap();
    assert!(found.cut.is_some() && found.frames > 10, "{found:?}");
    let (replayed, said) = replay(&folder, &files);
    assert!(said.contains("it is played up to there"), "{said}");
    let other = survey(&files[1]).unwrap();
    assert_eq!(number(&replayed, "frames"), found.frames + other.frames);
}

#[test]
fn a_lost_connection_is_a_hole_that_is_told() {
    let folder = Folder::new();
    let fault = "\n[[sim.fault]]\nafter_s = 2\nvenue = \"binance\"\nkind = \"cut\"\n";
    folder.config(&[], fault);
    let (recorded, files, said) = record(&folder, &["--for", "5s"]);
    assert_eq!(number(&recorded, "holes"), 1, "{recorded}");
    assert!(said.contains("BTC/USDT@binance: the connection was lost"), "{said}");
    let holes: Vec<u64> = files.iter().map(|path| survey(path).unwrap().holes).collect();
    assert_eq!(holes, [1, 0]);
    let (replayed, said) = replay(&folder, &files);
    assert_eq!(number(&replayed, "holes"), 1);
    assert!(said.contains("frames are missing in 1 place"), "{said}");
}

/// A venue whose list of instruments has one that its market data does not know.
#[test]
fn a_refused_subscription_is_told_and_counted_and_what_else_there_is_is_recorded() {
    let folder = Folder::new();
    let mut venues = Venues::start(&folder);
    let bybit = || vec![wire("bybit").unwrap()];
    let mut options = EmbeddedOptions::default();
    let known = embedded(&options, bybit()).unwrap().options.venues[0].exchange.symbols().to_vec();
    let known = known.into_iter().filter(|rules| rules.symbol != "ETHUSDT").collect();
    options.rules.insert("bybit".to_owned(), known);
    let lacking = Server::start(embedded(&options, bybit()).unwrap().options).unwrap();
    let both = format!("{}\n{}", venues.sim.ca_pem(), lacking.ca_pem());
    std::fs::write(folder.0.join("ca.pem"), both).unwrap();
    let public = &venues.sim.urls("bybit").unwrap().public;
    venues.text = venues.text.replacen(public, &lacking.urls("bybit").unwrap().public, 1);
    let path = config(&folder, &venues, "engine.toml", false);
    let text = std::fs::read_to_string(&path).unwrap();
    let two = "instruments = [\"BTC/USDT@binance\", \"BTC/USDT@bybit\"";
    let text = text.replacen(two, &format!("{two}, \"ETH/USDT@bybit\""), 1);
    let text = text.replacen("\"ETH/USDT@binance\", \"ETH/USDT@bybit\"", "", 1);
    std::fs::write(&path, text).unwrap();
    let output = stoop(&folder, &["record", "--json", "--for", "6s"]);
    let (recorded, said) = (summary(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(1), "it lacks an instrument: {recorded}\n{said}");
    let told = "bybit: ETH/USDT@bybit: the subscription was refused: ";
    let told: Vec<&str> = said.lines().filter(|line| line.contains(told)).collect();
    assert_eq!(told.len(), 1, "{said}");
    assert!(told[0].contains("Invalid symbol") && told[0].contains("ETHUSDT"), "{said}");
    let rows = recorded["instruments"].as_array().unwrap();
    let row = |name: &str| rows.iter().find(|row| row["instrument"] == name).unwrap();
    let refused = row("ETH/USDT@bybit");
    assert_eq!(number(refused, "frames"), 0, "{refused}");
    assert!(number(refused, "refusals") > 1, "asked for again and again: {refused}");
    assert!(refused["refused"].as_str().unwrap().contains("Invalid symbol"), "{refused}");
    assert_eq!(number(row("BTC/USDT@binance"), "refusals"), 0, "{recorded}");
    let mut files = Vec::new();
    for name in ["BTC/USDT@binance", "BTC/USDT@bybit", "ETH/USDT@bybit"] {
        assert_eq!(number(row(name), "missing") + number(row(name), "errors"), 0, "{recorded}");
        let made = row(name)["files"].as_array().unwrap().iter();
        files.extend(made.map(|path| folder.0.join(path.as_str().unwrap())));
    }
    let [binance, bybit] =
        ["BTC/USDT@binance", "BTC/USDT@bybit"].map(|name| number(row(name), "frames"));
    assert!(binance > 100 && bybit > 100, "{recorded}\n{said}");
    // As people see it.
    std::fs::remove_dir_all(folder.0.join("recorded")).unwrap();
    let shown = stoop(&folder, &["record", "--for", "4s"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("refusals of its subscription: {"), "{shown}");
}

/// Records for ten seconds, in files of three, while Binance's tick becomes half a dollar.
fn record_a_change(folder: &Folder) -> (Value, Vec<PathBuf>, String) {
    let venues = Venues::start(folder);
    let path = config(folder, &venues, "engine.toml", true);
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replacen("rules_refresh_s = 300", "rules_refresh_s = 1", 1);
    std::fs::write(&path, &text).unwrap();
    let made = embedded(&EmbeddedOptions::default(), vec![wire("binance").unwrap()]).unwrap();
    let rules = made.options.venues[0].exchange.rules("BTCUSDT").unwrap().clone();
    let changed = SymbolRules { tick_size: Decimal::new(5, 1), ..rules };
    let recorded = folder.0.join("recorded");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let files = || std::fs::read_dir(&recorded).map_or(0, Iterator::count);
            let begun = std::time::Instant::now();
            while files() < 2 && begun.elapsed() < Duration::from_secs(20) {
                std::thread::sleep(Duration::from_millis(20));
            }
            std::thread::sleep(Duration::from_millis(500));
            assert!(venues.sim.set_rules("binance", changed));
        });
        record(folder, &["--for", "10s", "--rotate-every", "3s"])
    })
}

/// What a file states of its instrument, and when.
fn rules_of(path: &Path) -> Vec<(u64, StatedRules)> {
    let mut stated = Vec::new();
    for line in text(path).lines().filter(|line| line.contains("{\"rules\":")) {
        let (at, line) = line.split_once(' ').unwrap();
        let rules: Value = serde_json::from_str(line).unwrap();
        let tick = rules["stoop"]["rules"]["tick"].as_str().unwrap().to_owned();
        let without = line.replace(&format!("\"tick\":\"{tick}\""), "");
        stated.push((at.parse().unwrap(), (tick, without)));
    }
    stated
}

/// The tick of an instrument, and all else that is stated of it.
type StatedRules = (String, String);

#[test]
fn rules_that_a_venue_changes_are_recorded_and_hold_in_a_replay_from_then_on() {
    let folder = Folder::new();
    let (recorded, files, said) = record_a_change(&folder);
    for (key, wanted) in [("missing", 0), ("holes", 0), ("rule_changes", 1)] {
        assert_eq!(number(&recorded, key), wanted, "{recorded}");
    }
    let told = "BTC/USDT@binance: binance has changed its rules: the recording says so";
    assert_eq!(said.matches("has changed its rules").count(), 1, "{said}");
    assert!(said.contains(told), "{said}");
    let named = |path: &&PathBuf| path.to_str().unwrap().contains("@binance-");
    let binance: Vec<&PathBuf> = files.iter().filter(named).collect();
    let stated: Vec<_> = binance.iter().flat_map(|path| rules_of(path)).collect();
    assert!(stated.iter().all(|(_, (_, rules))| *rules == stated[0].1.1), "fees and all else stay");
    let changed = stated.iter().position(|(_, (tick, _))| tick == "0.5").unwrap();
    assert!(changed > 0 && stated[..changed].iter().all(|(_, (tick, _))| tick == "0.01"));
    assert!(stated[changed..].iter().all(|(_, (tick, _))| tick == "0.5"), "{stated:?}");
    assert_eq!(
        stated.len(),
        binance.len() + 1,
        "at the beginning of each file, and once within one"
    );
    let changed_ns = stated[changed].0;

    let (first, _) = replay(&folder, &files);
    assert_eq!(number(&first, "rule_changes"), 1, "{first}");
    assert_eq!(first["decisions"], replay(&folder, &files).0["decisions"]);
    // The last files alone begin with what held then.
    let last: Vec<PathBuf> = ["@binance-", "@bybit-"]
        .map(|name| files.iter().rfind(|path| path.to_str().unwrap().contains(name)).unwrap())
        .map(PathBuf::clone)
        .into();
    assert_eq!(rules_of(&last[0])[0].1.0, "0.5");
    assert_eq!(number(&replay(&folder, &last).0, "rule_changes"), 0);
    let arguments = files.iter().map(|path| path.to_str().unwrap());
    let shown = stoop(&folder, &["replay"].into_iter().chain(arguments).collect::<Vec<_>>());
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("\nrules       1 changes of instruments\n"), "{shown}");
    told_when_it_was_recorded(&folder, &files, changed_ns);
}

/// What the engine of a replay says.
fn told_when_it_was_recorded(folder: &Folder, files: &[PathBuf], changed_ns: u64) {
    let text = std::fs::read_to_string(folder.0.join("engine.toml")).unwrap();
    let config = Config { mode: Mode::Sim, ..Config::parse("engine.toml", &text).unwrap() };
    let start = files.iter().filter_map(|path| survey(path).unwrap().snapshot_ns).min().unwrap();
    let capture = |venue: &str| {
        let of = files.iter().filter(|path| path.to_str().unwrap().contains(venue));
        Capture { files: of.cloned().collect(), venue: String::new() }
    };
    let rehearsal = Rehearsal {
        captures: ["@binance-", "@bybit-"].map(capture).into(),
        start: Nanos(start),
        trading_ns: 9_000_000_000,
        ..Rehearsal::default()
    };
    let run = rehearse(&config, Vec::new(), &rehearsal).unwrap();
    let is_told = |line: &&LogLine| line.text.contains("has changed its rules");
    let told: Vec<&LogLine> = run.lines.iter().filter(is_told).collect();
    let [told] = told[..] else { panic!("{:?}", run.lines) };
    assert!(told.text.contains("BTC/USDT@binance: binance has changed its rules: tick 0.5, lot"));
    assert!((changed_ns..changed_ns + 50_000_000).contains(&told.at.0), "{told:?}");
}

const FUNDING_EVERY_S: u64 = 6;

/// What the venue has said of its next payment last, by when that is due, in milliseconds: mark and rate.
fn payments(path: &Path) -> BTreeMap<u64, [Decimal; 2]> {
    let mut payments = BTreeMap::new();
    for line in text(path).lines().filter(|line| line.contains("\"markPriceUpdate\"")) {
        let frame: Value = serde_json::from_str(line.split_once(' ').unwrap().1).unwrap();
        let data = &frame["data"];
        let stated = ["p", "r"].map(|key| data[key].as_str().unwrap().parse().unwrap());
        payments.insert(data["T"].as_u64().unwrap(), stated);
    }
    payments
}

/// Begins soon after a payment, so that there is a position long before the next one is due.
fn record_payments(folder: &Folder) -> Vec<PathBuf> {
    for _ in 0..3 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let every = Duration::from_secs(FUNDING_EVERY_S).as_millis();
        let left = every - now.as_millis() % every;
        std::thread::sleep(Duration::from_millis(left as u64));
        let (_, files, said) = record(folder, &["--for", "9s"]);
        let first_ms = survey(&files[1]).unwrap().first_ns / 1_000_000;
        if first_ms % (FUNDING_EVERY_S * 1_000) < 3_000 {
            return files;
        }
        eprintln!("this machine is slow: {said}");
        std::fs::remove_dir_all(folder.0.join("recorded")).unwrap();
    }
    panic!("no recording began in time");
}

#[test]
fn a_recorded_payment_of_funding_is_paid_in_a_replay_to_the_last_digit() {
    let default = stoop::config::DEFAULT_TOML;
    let spread = &default[default.find("[[strategy]]").unwrap()..];
    let spread = &spread[..spread.find("\n\n").unwrap()];
    let instruments = "instruments = [\"BTC/USDT@binance\", \"BTC/USDT@bybit\"]";
    let two = "instruments = [\"BTC/USDT@bybit\", \"BTC/USDT:USDT@binance\"]";
    // Enters whatever the prices are, and never leaves.
    let carry = format!(
        "[[strategy]]\nname = \"carry\"\nkind = \"basis\"\n{two}\nentry_bps = -1000\n\
         exit_bps = -2000\nqty = \"0.01\"\nqty_max = \"0.01\"\ncooldown_ms = 100"
    );
    let every = format!("funding_every_s = {FUNDING_EVERY_S} ");
    let replaced = [
        (spread, carry.as_str()),
        (instruments, two),
        ("watchlist = [\"ETH/USDT@binance\", \"ETH/USDT@bybit\"]", ""),
        ("# funding_every_s = 60 ", every.as_str()),
    ];
    let folder = Folder::new();
    folder.config(&replaced, "");
    let files = record_payments(&folder);
    let perpetual = files.iter().find(|path| path.to_str().unwrap().contains("@binance")).unwrap();
    let (replayed, _) = replay(&folder, &files);
    let last_ms = survey(perpetual).unwrap().last_ns / 1_000_000;
    let due: Vec<_> = payments(perpetual).into_iter().filter(|(at, _)| *at < last_ms).collect();
    assert!(!due.is_empty() && due.iter().all(|(_, [_, rate])| !rate.is_zero()), "{due:?}");
    let short: Decimal = "0.01".parse().unwrap();
    let down = RoundingStrategy::ToNegativeInfinity;
    let wanted: Decimal = due
        .iter()
        .map(|(_, [mark, rate])| (short * mark * rate).round_dp_with_strategy(8, down))
        .sum();
    let funding: Decimal = replayed["funding"].as_str().unwrap().parse().unwrap();
    assert_eq!(funding, wanted, "{due:?}\n{replayed}");
    assert_eq!(number(&replayed, "funding_left_out"), 0, "{replayed}");
}

#[test]
fn what_cannot_be_written_is_refused_at_the_start() {
    let folder = Folder::new();
    folder.config(&[], "");
    std::fs::write(folder.0.join("taken"), "a file").unwrap();
    let output = stoop(&folder, &["record", "--for", "1s", "--folder", "taken"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("error: taken: "), "{}", stderr(&output));
}

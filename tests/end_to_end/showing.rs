//! The commands that show: against a running instance, and again against what it left.

use crate::operating::{Running, assert_ended_well};
use crate::support::{Folder, stderr, stoop};
use rust_decimal::Decimal;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

fn rows<'a>(object: &'a Value, name: &str) -> &'a Vec<Value> {
    object[name].as_array().unwrap_or_else(|| panic!("{name}: {object}"))
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_else(|| panic!("{key}: {row}"))
}

fn decimal(row: &Value, key: &str) -> Decimal {
    text(row, key).parse().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A command against what a run has left in its folder.
fn left(running: &Running, arguments: &[&str]) -> Value {
    let journal = format!("journal/{}-sim", running.name);
    let all = [arguments, &["--folder", &journal, "--json"]].concat();
    let output = stoop(&running.folder, &all);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What must be told the same while the instance runs and after it has ended.
struct Told {
    fills: Vec<Value>,
    orders: Vec<Value>,
    positions: Vec<Value>,
    pnl: Value,
}

impl Told {
    fn new(ask: impl Fn(&[&str]) -> Value) -> Self {
        Self {
            fills: rows(&ask(&["fills"]), "fills").clone(),
            orders: rows(&ask(&["orders", "--all"]), "orders").clone(),
            positions: rows(&ask(&["positions", "--all"]), "positions").clone(),
            pnl: rows(&ask(&["pnl"]), "pnl")[0].clone(),
        }
    }

    fn assert_agrees_with(&self, summary: &Value) {
        assert_eq!(summary["fills"], self.fills.len(), "{summary}");
        assert_eq!(summary["orders_sent"], self.orders.len(), "{summary}");
        let filled = self.orders.iter().filter(|order| order["state"] == "filled").count();
        assert_eq!(summary["orders_filled"], filled, "{summary}");
        for (ours, theirs) in [("realised", "realised_pnl"), ("fees", "fees")] {
            assert_eq!(decimal(&self.pnl, ours), decimal(summary, theirs), "{summary}");
        }
        // Every fill, added up, is the account.
        let sum = |key: &str| self.fills.iter().map(|fill| decimal(fill, key)).sum::<Decimal>();
        assert_eq!(sum("realised"), decimal(summary, "realised_pnl"), "{summary}");
        for position in &self.positions {
            let mut own =
                self.fills.iter().filter(|fill| fill["instrument"] == position["instrument"]);
            let last = own.next_back().map_or(Decimal::ZERO, |fill| decimal(fill, "position"));
            assert_eq!(last, decimal(position, "qty"), "{position}");
        }
    }
}

#[test]
fn what_is_shown_of_a_run_is_what_its_summary_says() {
    let running = Running::start(&[]);
    running.wait_for("orders", |running| running.orders_sent() >= 20);
    shows_the_present(&running);
    let follower = Command::new(env!("CARGO_BIN_EXE_stoop"))
        .args(["events", "--follow", "--json", "--last", "1", "--name", &running.name])
        .current_dir(&running.folder.0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut follower = Child(follower);
    let mut lines = BufReader::new(follower.0.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert!(first.starts_with('{'), "what was last: {first}");
    running.text(&["pause"]);
    let paused = lines.by_ref().map(Result::unwrap).find(|line| line.contains("operator"));
    let paused: Value = serde_json::from_str(&paused.unwrap()).unwrap();
    let by = paused["by"].as_str().unwrap();
    assert!(by.starts_with("user "), "{paused}");
    assert_eq!(paused["text"], format!("the engine is halted ({by})"));
    assert_eq!(running.sends(), 0);
    assert_eq!(running.json(&["status"], 0)["trading_state"], "halted");

    let now = Told::new(|arguments| running.json(arguments, 0));
    tells_lives(&running, &now);
    running.text(&["stop"]);
    assert!(lines.map(Result::unwrap).last().is_some_and(|line| line.contains("good order")));
    assert!(follower.0.wait().unwrap().success(), "it ends with the instance");

    let then = Told::new(|arguments| left(&running, arguments));
    assert_eq!((&then.fills, &then.orders), (&now.fills, &now.orders));
    let held = |told: &Told| -> Vec<(Value, Value)> {
        let row = |row: &Value| (row["instrument"].clone(), row["qty"].clone());
        told.positions.iter().map(row).collect()
    };
    assert_eq!(held(&then), held(&now));
    exports(&running, &then);
    names_what_is_wrong_with_a_journal(&running);
    let summary = assert_ended_well(&running.end());
    then.assert_agrees_with(&summary);
}

/// Ends with the test.
struct Child(std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A follower of the events, and what it prints.
struct Following {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Following {
    fn start(running: &Running, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_stoop"))
            .args([&["events", "--follow", "--json", "--name", &running.name], more].concat())
            .current_dir(&running.folder.0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child: Child(child), lines }
    }

    fn next(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap()
    }

    /// All that is still to come.
    fn rest(mut self) -> Vec<Value> {
        let lines = self.lines.by_ref().map(Result::unwrap);
        let rest = lines.map(|line| serde_json::from_str(&line).unwrap()).collect();
        assert!(self.child.0.wait().unwrap().success(), "it ends with the instance");
        rest
    }
}

/// What was chosen comes first and what happens from then on after it, however busy the engine is.
#[test]
fn events_that_are_followed_begin_with_what_was_chosen_and_come_once_each() {
    let running = Running::start(&[]);
    let turn = || {
        running.text(&["pause"]);
        running.text(&["resume"]);
    };
    let told = || rows(&running.json(&["events"], 0), "events").clone();
    for _ in 0..3 {
        turn();
    }
    let before = told();
    let mut all = Following::start(&running, &["--since", "1h"]);
    let mut last = Following::start(&running, &["--last", "3"]);
    let mut paused = Following::start(&running, &["--last", "1", "--strategy", "spread"]);
    let mut new = Following::start(&running, &[]);
    // Something happens at every moment of their start.
    running.text(&["pause", "--strategy", "spread"]);
    for _ in 0..3 {
        turn();
    }
    let firsts = [&mut all, &mut last, &mut paused].map(Following::next);
    // Nothing old comes first, so that it has begun is seen by what happens until then.
    let first_new = std::thread::scope(|scope| {
        let first = scope.spawn(|| new.next());
        while !first.is_finished() {
            turn();
        }
        first.join().unwrap()
    });
    let meanwhile = told();
    turn();
    running.text(&["stop"]);
    let firsts: Vec<Value> = firsts.into_iter().chain([first_new]).collect();
    let [all, last, paused, new] = [all, last, paused, new]
        .into_iter()
        .zip(firsts)
        .map(|(following, first)| [vec![first], following.rest()].concat())
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    let journal = left(&running, &["events"]);
    let whole: &Vec<Value> = rows(&journal, "events");
    assert_eq!(&all, whole);
    let begin = whole.len() - last.len();
    assert_eq!(&last, &whole[begin..]);
    let chosen = before.len() - 3..=meanwhile.len() - 3;
    assert!(chosen.contains(&begin), "{begin}: not one of {chosen:?}");
    assert!(new.len() <= whole.len() - before.len(), "nothing from before: {new:?}");
    assert_eq!(&new, &whole[whole.len() - new.len()..]);
    let of_one: Vec<&Value> = whole.iter().filter(|row| row["strategy"] == "spread").collect();
    assert!(!paused.is_empty() && of_one.ends_with(&paused.iter().collect::<Vec<_>>()));
    assert_ended_well(&running.end());
}

/// Instances, status and books of one that trades.
fn shows_the_present(running: &Running) {
    let listed = stoop(&running.folder, &["ps", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let own = rows(&listed, "instances").iter().find(|row| row["name"] == running.name.as_str());
    let own = own.unwrap_or_else(|| panic!("{listed}"));
    assert_eq!((&own["mode"], &own["state"]), (&"sim".into(), &"running".into()), "{own}");
    assert_eq!(own["venues"], "binance ready, bybit ready", "{own}");
    assert!(own["age_ns"].as_u64() > own["heartbeat_ns"].as_u64(), "{own}");

    let status = running.json(&["status"], 0);
    assert_eq!((&status["mode"], &status["trading_state"]), (&"sim".into(), &"active".into()));
    assert_eq!(status["journal_error"], Value::Null, "{status}");
    assert!(text(&status, "journal").ends_with(&format!("journal/{}-sim", running.name)));
    for venue in rows(&status, "venues") {
        assert_eq!((&venue["ready"], &venue["reason"]), (&true.into(), &Value::Null), "{status}");
    }
    assert!(status["orders"]["sent"].as_u64() >= Some(20), "{status}");
    assert!(status["last_event"]["time_ns"].as_u64() > Some(0), "{status}");

    let books = running.json(&["books", "BTC/", "--depth", "3"], 0);
    assert_eq!(rows(&books, "books").len(), 2, "{books}");
    for book in rows(&books, "books") {
        let levels = rows(book, "levels");
        assert!((1..=3).contains(&levels.len()), "{book}");
        assert!(decimal(&levels[0], "bid") < decimal(&levels[0], "ask"), "{book}");
    }
    let shown = running.text(&["books"]);
    assert!(shown.starts_with("instrument ") && shown.lines().count() == 5, "{shown}");
    let nothing = running.tell(&["books", "XYZ"], 7);
    assert!(stderr(&nothing).contains("no instrument \"XYZ\"; there are: BTC/USDT@binance, "));
}

/// The life of the order behind the last fill, found by our id, its end, and the venue's.
fn tells_lives(running: &Running, told: &Told) {
    let fill = told.fills.last().unwrap();
    let (id, venue_id) = (text(fill, "order"), text(fill, "venue_order_id"));
    let life = running.json(&["why", id], 0);
    let steps: Vec<&str> = rows(&life, "steps").iter().map(|step| text(step, "step")).collect();
    let at = |name: &str| steps.iter().position(|step| *step == name);
    let order: Vec<Option<usize>> = ["risk", "journal", "send"].map(at).into();
    assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{steps:?}");
    assert!(at("fill") > at("send"), "{steps:?}");
    let shown = running.text(&["why", id]);
    assert!(shown.starts_with(&format!("{id}: limit IOC ")), "{shown}");
    assert!(shown.contains(&format!("fill {}", text(fill, "fill_id"))), "{shown}");
    assert_eq!(running.json(&["why", venue_id], 0)["id"], id);
    for (typed, why) in [("nothing-like-it", "no order"), ("st", "orders fit \"st\": st")] {
        let output = running.tell(&["why", typed], 7);
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
    }
}

fn exports(running: &Running, told: &Told) {
    let journal = format!("journal/{}-sim", running.name);
    let export = |arguments: &[&str]| {
        let all = [&["export"], arguments, &["--folder", &journal]].concat();
        let output = stoop(&running.folder, &all);
        assert!(output.status.success(), "{}", stderr(&output));
        said(&output)
    };
    let csv = export(&["fills", "--format", "csv"]);
    let head = "time_ns,time,venue_time_ns,venue_time,venue,instrument,strategy,signal,order,\
                venue_order_id,fill_id,side,price,qty,value,quote,liquidity,fee,fee_asset,\
                realised,position,record";
    assert_eq!(csv.lines().next(), Some(head));
    assert_eq!(csv.lines().count(), told.fills.len() + 1);
    let json = export(&["fills", "--format", "json"]);
    let lines: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, told.fills);
    assert_eq!(export(&["orders"]).lines().count(), told.orders.len() + 1);
    assert!(export(&["events", "--format", "json"]).lines().count() > 4);
    assert_eq!(export(&["fills", "--last", "2", "--format", "json"]).lines().count(), 2);
    let bybit = export(&["fills", "--venue", "bybit", "--format", "json"]);
    let of = |fill: &&Value| fill["venue"] == "bybit";
    assert_eq!(bybit.lines().count(), told.fills.iter().filter(of).count());
}

fn names_what_is_wrong_with_a_journal(running: &Running) {
    let run = |arguments: &[&str], code| {
        let output = stoop(&running.folder, arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        stderr(&output)
    };
    let error = run(&["fills", "--folder", "nowhere"], 8);
    assert_eq!(error, "error: nowhere: there is no journal here; --folder names another\n");
    let error = run(&["orders", "--name", "nobody"], 5);
    assert!(error.contains("no instance \"nobody\" runs"), "{error}");
    let journal = running.folder.0.join(format!("journal/{}-sim", running.name));
    let left = journal.display().to_string();
    for command in ["orders", "fills", "events", "positions", "export fills"] {
        let words: Vec<&str> = command.split(' ').collect();
        let error = run(&[&words[..], &["--folder", &left, "--venue", "nowhere"]].concat(), 2);
        assert!(error.contains("no venue \"nowhere\"; there are: binance, bybit"), "{error}");
    }
    let error = run(&["fills", "--folder", &left, "--strategy", "spraed"], 2);
    assert!(error.contains("no strategy \"spraed\"; there are: spread, operator"), "{error}");
    let error = run(&["fills", "--folder", &left, "--instrument", "BCT"], 2);
    assert!(error.contains("no instrument \"BCT\"; there are: BTC/USDT@binance, "), "{error}");
    let other = running.folder.0.join("other");
    std::fs::create_dir(&other).unwrap();
    let mut bytes = std::fs::read(journal.join("segment-000001.log")).unwrap();
    bytes[8..12].copy_from_slice(&1u32.to_le_bytes());
    let salt = crc32c::crc32c(&bytes[..44]);
    bytes[44..48].copy_from_slice(&salt.to_le_bytes());
    std::fs::write(other.join("segment-000001.log"), bytes).unwrap();
    for command in [&["orders"][..], &["fills"], &["pnl"], &["events"], &["why", "st"]] {
        let error = run(&[command, &["--folder", "other"]].concat(), 8);
        assert!(error.contains("has format version 1, this program reads version"), "{error}");
    }
}

/// What a killed instance left is dead, and its journal tells of it.
#[test]
fn the_dead_are_listed_and_their_journals_read() {
    let mut running = Running::start(&[]);
    running.wait_for("orders", |running| running.orders_sent() >= 4);
    running.kill();
    let listed = stoop(&running.folder, &["ps"]);
    let listed = said(&listed);
    let own = listed.lines().find(|line| line.starts_with(&format!("{} ", running.name))).unwrap();
    assert!(own.contains(" dead "), "{own}");
    let left = running.json(&["orders", "--all"], 0);
    let (is_running, name) = (&left["running"], &left["instance"]);
    assert_eq!((is_running, name), (&false.into(), &running.name.as_str().into()));
    assert!(rows(&left, "orders").len() >= 4, "{left}");
    // In its folder it is meant, whatever else runs.
    let _another = Running::start(&[]);
    let here = stoop(&running.folder, &["orders", "--all", "--json"]);
    let here: Value = serde_json::from_slice(&here.stdout).unwrap();
    assert_eq!((&here["running"], &here["orders"]), (&false.into(), &left["orders"]));
    let status = running.tell(&["status"], 5);
    assert!(stderr(&status).contains("it has crashed"), "{}", stderr(&status));
}

#[test]
fn shells_complete_and_manuals_are_written() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = said(&stoop(&folder, &["completions", shell]));
        assert!(script.contains("cancel-all") && script.contains("why"), "{shell}: {script}");
    }
    let output = stoop(&folder, &["man", "pages/man1"]);
    assert!(output.status.success(), "{}", stderr(&output));
    for page in ["stoop.1", "stoop-status.1", "stoop-why.1", "stoop-journal-verify.1"] {
        let text = std::fs::read_to_string(folder.0.join("pages/man1").join(page)).unwrap();
        assert!(text.contains(".TH stoop"), "{page}: {text}");
    }
    let page = std::fs::read_to_string(folder.0.join("pages/man1/stoop-why.1")).unwrap();
    assert!(page.contains("Examples:"), "{page}");
}

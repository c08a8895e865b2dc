//! The commands of a person at a running engine, through the real binary.

use crate::support::{Folder, stderr, stoop, summary};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// `stoop run` as a process of its own, until somebody stops it.
pub struct Running {
    pub folder: Folder,
    pub name: String,
    child: Option<Child>,
}

impl Running {
    pub fn start(replaced: &[(&str, &str)]) -> Self {
        Self::start_program(Path::new(env!("CARGO_BIN_EXE_stoop")), replaced)
    }

    /// The same with a program that brings strategies of its own.
    pub fn start_program(program: &Path, replaced: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        let path = folder.config(replaced, "");
        let text = std::fs::read_to_string(path).unwrap();
        let from = text.find("\nname = \"").unwrap() + 9;
        let name = text[from..].split('"').next().unwrap().to_owned();
        let child = Command::new(program)
            .args(["run", "--json", "--for", "90s"])
            .current_dir(&folder.0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let running = Self { folder, name, child: Some(child) };
        running.wait_for("orders to be sent", |running| running.orders_sent() > 0);
        running
    }

    pub fn region(&self) -> String {
        format!("/dev/shm/stoop-{}", self.name)
    }

    pub fn orders_sent(&self) -> u64 {
        let view = stoop::shm::MarketView::attach(std::path::Path::new(&self.region()));
        view.map_or(0, |view| view.counters().orders_sent)
    }

    pub fn wait_for(&self, what: &str, is: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !is(self) {
            assert!(begun.elapsed() < Duration::from_secs(30), "waited in vain for {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Orders sent in a while, once those on their way have left and naked legs are taken back.
    pub fn sends(&self) -> u64 {
        std::thread::sleep(Duration::from_millis(900));
        let before = self.orders_sent();
        std::thread::sleep(Duration::from_millis(700));
        self.orders_sent() - before
    }

    /// A command and what it said, with its exit code checked.
    pub fn tell(&self, arguments: &[&str], code: i32) -> Output {
        let named = [arguments, &["--name", &self.name]].concat();
        let output = stoop(&self.folder, &named);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        output
    }

    pub fn json(&self, arguments: &[&str], code: i32) -> Value {
        let output = self.tell(&[arguments, &["--json"]].concat(), code);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub fn text(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.tell(arguments, 0).stdout).unwrap()
    }

    /// Ends it as a power cut does: nothing is cleaned up.
    pub fn kill(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// What the engine said once it had ended by itself.
    pub fn end(mut self) -> Output {
        self.child.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
            let _ = std::fs::remove_dir_all(self.region());
        }
    }
}

pub fn assert_ended_well(output: &Output) -> Value {
    let summary = summary(output);
    assert!(output.status.success(), "{summary}\n{}", stderr(output));
    assert_eq!(summary["ledger_equal"], true, "{summary}");
    assert_eq!(summary["orders_open"], 0, "{summary}");
    assert_eq!(summary["unconfirmed"], serde_json::json!([]), "{summary}");
    summary
}

#[test]
fn a_paused_engine_sends_nothing_until_it_is_resumed_and_stops_when_told_to() {
    let running = Running::start(&[]);
    let said = running.text(&["pause"]);
    assert!(said.starts_with(&format!("{}: paused: no new orders", running.name)), "{said}");
    assert_eq!(running.sends(), 0);
    let cancelled = running.json(&["cancel-all"], 0);
    assert_eq!((&cancelled["done"], &cancelled["open"]), (&true.into(), &0.into()));
    running.text(&["resume"]);
    running.wait_for("orders after the resume", |running| running.sends() > 0);
    running.text(&["pause", "--strategy", "spread"]);
    assert_eq!(running.sends(), 0);
    let events = running.json(&["events"], 0);
    let rows = events["events"].as_array().unwrap();
    let paused = |row: &&Value| {
        row["text"]
            .as_str()
            .is_some_and(|text| text.starts_with("strategy spread is halted (user "))
    };
    let by = rows.iter().find(paused).unwrap()["by"].as_str().unwrap();
    let uid = String::from_utf8(Command::new("id").arg("-u").output().unwrap().stdout).unwrap();
    assert!(by.starts_with(&format!("user {}, process ", uid.trim())), "{by}");
    running.text(&["resume", "--strategy", "spread"]);
    // One venue alone may still be sold the inventory of; both together may not.
    running.text(&["pause", "--venue", "bybit"]);
    running.text(&["pause", "--venue", "binance"]);
    assert_eq!(running.sends(), 0, "neither venue gets orders");
    running.text(&["resume", "--venue", "bybit"]);
    let stopped = running.json(&["stop"], 0);
    assert_eq!((&stopped["done"], &stopped["ended"]), (&true.into(), &true.into()));
    assert!(!std::path::Path::new(&running.region()).exists());
    let summary = assert_ended_well(&running.end());
    let why = summary["stopped"].as_str().unwrap();
    assert!(
        why.starts_with(&format!("told to by stoop stop (user {}, process ", uid.trim())),
        "{why}"
    );
}

/// What the journal of an instance that has ended tells of its stop: by whom, and in words.
pub fn stop_of(folder: &Folder) -> (String, String) {
    let output = stoop(folder, &["events", "--json"]);
    let events: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = events["events"].as_array().unwrap();
    let is_stop =
        |row: &&Value| row["text"].as_str().is_some_and(|text| text.starts_with("stop ("));
    let row = rows.iter().find(is_stop).unwrap_or_else(|| panic!("{events}"));
    (row["by"].as_str().unwrap().to_owned(), row["text"].as_str().unwrap().to_owned())
}

#[test]
fn a_signal_stops_the_engine_and_who_sent_it_is_on_record() {
    let mut running = Running::start(&[]);
    let pid = running.child.as_ref().unwrap().id();
    let mut sender = Command::new("sh")
        .args(["-c", &format!("kill -TERM {pid}; exec sleep 0")])
        .spawn()
        .unwrap();
    let by = format!("SIGTERM of user {}, process {}", uid(), sender.id());
    sender.wait().unwrap();
    let output = running.child.take().unwrap().wait_with_output().unwrap();
    let summary = assert_ended_well(&output);
    assert_eq!(summary["stopped"], by.as_str());
    assert_eq!(stop_of(&running.folder), (by.clone(), format!("stop ({by})")));
    assert!(stderr(&output).contains(&format!("told by {by}: stop: ")), "{}", stderr(&output));
}

/// From the shell and from the kernel: neither of them asks for an end at once.
#[test]
fn that_its_terminal_is_gone_may_be_told_twice() {
    let mut running = Running::start(&[]);
    let pid = running.child.as_ref().unwrap().id();
    let twice = format!("kill -HUP {pid}; sleep 0.001; kill -HUP {pid}");
    Command::new("sh").args(["-c", &twice]).status().unwrap();
    let output = running.child.take().unwrap().wait_with_output().unwrap();
    let summary = assert_ended_well(&output);
    assert!(summary["stopped"].as_str().unwrap().starts_with("SIGHUP of user "), "{summary}");
}

#[test]
fn what_is_told_to_ignore_the_end_of_its_terminal_does() {
    let folder = Folder::new();
    folder.config(&[], "");
    let stoop = env!("CARGO_BIN_EXE_stoop");
    let script =
        format!("trap '' HUP; {stoop} run --json --for 6s & sleep 3; kill -HUP $!; wait $!");
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir(&folder.0)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let summary = assert_ended_well(&output);
    assert!(summary["stopped"].is_null(), "{summary}");
}

#[test]
fn what_is_watched_and_dies_is_said_to_be_gone() {
    let mut running = Running::start(&[]);
    let watch = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_stoop"))
            .args(arguments)
            .args(["--name", &running.name])
            .current_dir(&running.folder.0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let watching = [watch(&["latency", "--watch"]), watch(&["events", "--follow", "--last", "1"])];
    // What each shows first says that it has found the instance.
    let watching = watching.map(|mut child| {
        let mut shown = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        assert!(shown.read_line(&mut line).unwrap() > 0);
        (child, shown)
    });
    running.kill();
    for (child, mut shown) in watching {
        std::io::copy(&mut shown, &mut std::io::sink()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(5), "{text}");
        let said = format!("instance \"{}\" has died: process ", running.name);
        assert!(text.contains(&said), "{text}");
    }
}

fn uid() -> u32 {
    rustix::process::getuid().as_raw()
}

#[test]
fn of_several_instances_the_one_of_this_folder_is_meant() {
    let (one, other) = (Running::start(&[]), Running::start(&[]));
    for running in [&one, &other] {
        let output = stoop(&running.folder, &["status", "--json"]);
        let status: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(status["instance"], running.name.as_str(), "{output:?}");
        let output = stoop(&running.folder, &["orders", "--json"]);
        let orders: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(orders["instance"], running.name.as_str(), "{output:?}");
    }
    let nowhere = Folder::new();
    let output = stoop(&nowhere, &["status"]);
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    assert!(stderr(&output).contains("several instances run"), "{output:?}");
    is_meant_where_the_environment_names_it(&one);
}

/// A person with no patience for names stops what the folder means, and nothing where that is unknown.
fn is_meant_where_the_environment_names_it(running: &Running) {
    let path = running.folder.0.join("engine.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let named = format!("name = \"{}\"", running.name);
    let put = |value: &str| {
        std::fs::write(&path, text.replacen(&named, &format!("name = \"{value}\""), 1)).unwrap();
    };
    put("${STOOP_NONE}");
    for command in [&["stop"][..], &["orders"]] {
        let output = stoop(&running.folder, command);
        assert_eq!(output.status.code(), Some(5), "{output:?}");
        let said = "environment variable STOOP_NONE is not set";
        assert!(stderr(&output).contains(said), "{output:?}");
        assert!(stderr(&output).contains("--name NAME chooses what runs"), "{output:?}");
    }
    put(&format!("${{STOOP_NONE:-{}}}", running.name));
    let output = stoop(&running.folder, &["orders", "--json"]);
    let orders: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(orders["instance"], running.name.as_str(), "{output:?}");
    let output = stoop(&running.folder, &["stop", "--json"]);
    let stopped: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(stopped["instance"], running.name.as_str(), "{output:?}");
    assert_eq!(stopped["ended"], true, "{output:?}");
}

#[test]
fn flatten_closes_what_is_held_and_leaves_the_engine_paused() {
    let running = Running::start(&[]);
    running.wait_for("positions", |running| running.orders_sent() >= 10);
    let reply = running.json(&["flatten", "--strategy", "spread", "--wait", "30s"], 0);
    assert_eq!(reply["done"], true, "{reply}");
    let positions = reply["positions"].as_array().unwrap();
    assert_eq!(positions.len(), 4, "{reply}");
    for position in positions {
        assert!(["flat", "dust"].contains(&position["state"].as_str().unwrap()), "{reply}");
    }
    assert_eq!(running.sends(), 0, "paused");
    let view = stoop::shm::MarketView::attach(std::path::Path::new(&running.region())).unwrap();
    for row in view.positions() {
        let lots = row.qty.abs().to_decimal();
        assert!(lots < rust_decimal::Decimal::new(1, 3), "{row:?}");
    }
    let said = running.text(&["stop"]);
    assert!(said.contains("stopped; every order is confirmed as ended"), "{said}");
    assert_ended_well(&running.end());
}

#[test]
fn limits_are_changed_while_the_engine_runs() {
    let running = Running::start(&[]);
    let said = running.text(&["set", "position_max.BTC=3"]);
    let wanted =
        format!("{}: position_max.BTC was 2, is 3 until the end of the run\n", running.name);
    assert_eq!(said, wanted);
    let reply = running.json(&["set", "order_notional_max=1"], 0);
    assert_eq!((&reply["before"], &reply["after"]), (&"5000".into(), &"1".into()));
    assert_eq!(running.sends(), 0, "no order is worth so little");
    running.text(&["set", "order_notional_max=5000"]);
    running.wait_for("orders again", |running| running.sends() > 0);
    for (setting, said) in [
        ("order_notional_max=-1", "the limit cannot have this value"),
        ("order_notional_may=1", "\"order_notional_may\" is not a limit; there are: "),
        ("position_max.XYZ=1", "no instrument trades \"XYZ\""),
        ("position_max.BTC", "\"position_max.BTC\" is not LIMIT=VALUE"),
        ("sprad", "nor one of the strategies: spread"),
    ] {
        let usage = i32::from(!setting.contains('='));
        let text = stderr(&running.tell(&["set", setting], 1 + usage));
        assert!(text.contains(said), "{text}");
    }
    assert_ended_well(&{
        running.text(&["stop"]);
        running.end()
    });
}

#[test]
fn reducing_is_all_that_is_left_and_venues_answer_questions() {
    let running = Running::start(&[]);
    running.text(&["reduce-only"]);
    let asked = running.json(&["reconcile"], 0);
    // Balances of two venues, orders and fills of four instruments.
    assert_eq!(asked["questions"], 10, "{asked}");
    running.text(&["stop"]);
    assert_ended_well(&running.end());
}

#[test]
fn a_kill_file_stops_the_engine() {
    let running = Running::start(&[]);
    std::fs::write(format!("{}/KILL", running.region()), "").unwrap();
    let region = running.region();
    let mut running = running;
    let output = running.child.take().unwrap().wait_with_output().unwrap();
    let summary = assert_ended_well(&output);
    let by = format!("kill file of user {}", uid());
    assert_eq!(stop_of(&running.folder), (by.clone(), format!("stop ({by})")));
    let reason = format!("kill file {region}/KILL of user {} appeared", uid());
    assert_eq!(summary["stopped"], reason.as_str());
    assert!(stderr(&output).contains(&reason), "{}", stderr(&output));
    assert!(Path::new(&region).join("KILL").exists(), "it is the person's to remove");
    std::fs::remove_dir_all(&region).unwrap();
}

#[test]
fn under_a_kill_file_of_the_configuration_nothing_starts() {
    let folder = Folder::new();
    let kill = folder.0.join("halt");
    let line = format!("kill_file = \"{}\"\nidle = \"yield\"", kill.display());
    folder.config(&[("idle = \"yield\"", &line)], "");
    std::fs::write(&kill, "").unwrap();
    let output = stoop(&folder, &["run", "--for", "2s"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains("halt is there: remove it to trade again"), "{text}");
}

#[test]
fn without_an_instance_there_is_help() {
    let folder = Folder::new();
    for command in ["stop", "cancel-all", "flatten", "pause", "resume", "reduce-only", "reconcile"]
    {
        let output = stoop(&folder, &[command, "--name", "nobody"]);
        assert_eq!(output.status.code(), Some(5), "{command}");
        assert_eq!(
            stderr(&output),
            "error: no instance \"nobody\" runs; its folder would be /dev/shm/stoop-nobody\n"
        );
    }
    let output = stoop(&folder, &["pause", "--venue", "x", "--strategy", "y"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_check_says_which_venue_has_a_switch() {
    let folder = Folder::new();
    let switch = "# dead_man_switch_s = 60";
    folder.config(&[(switch, &switch[2..])], "");
    let output = stoop(&folder, &["check", "--offline"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("bybit: dead-man switch after 60 s\n"), "{text}");
    assert!(text.contains("binance: dead-man switch none: spot orders stay until"), "{text}");
}

#[test]
fn a_switch_that_a_venue_does_not_have_is_refused_with_its_place() {
    let folder = Folder::new();
    let switch = "[venue.binance]\ndead_man_switch_s = 60";
    folder.config(&[("[venue.binance]", switch)], "");
    let output = stoop(&folder, &["check", "--offline"]);
    assert_eq!(output.status.code(), Some(3));
    let text = stderr(&output);
    assert!(
        text.contains("dead_man_switch_s: binance has no such switch: spot orders stay until"),
        "{text}"
    );
}

#[test]
fn status_shows_what_each_thread_does() {
    let running = Running::start(&[]);
    running.wait_for("orders", |running| running.orders_sent() >= 10);
    let status = running.json(&["status"], 0);
    let threads = status["threads"].as_array().unwrap();
    let of = |value: &Value, key: &str| value[key].as_u64().unwrap();
    let mut agents = Vec::new();
    for thread in threads {
        let own = thread["agents"].as_array().unwrap();
        agents.extend(own.iter().map(|agent| agent["name"].as_str().unwrap().to_owned()));
        assert!(of(thread, "rounds") > of(thread, "rounds_busy"), "{thread}");
        assert!(of(thread, "rounds_busy") > 0 && of(thread, "busy_ns") > 0, "{thread}");
        assert!(of(thread, "longest_ns") >= of(&thread["last_second"], "longest_ns"), "{thread}");
        let share = thread["busy_share"].as_f64().unwrap();
        assert!(share > 0.0 && share <= 1.0, "{thread}");
    }
    agents.sort();
    let known = ["exec:binance", "exec:bybit", "feed:binance", "feed:bybit", "oms"];
    assert!(agents.len() == 6 && known.iter().all(|name| agents.iter().any(|a| a == name)));
    let text = running.text(&["status"]);
    assert!(text.contains("feed:binance ") && text.contains("heartbeat"), "{text}");
    running.tell(&["stop"], 0);
    assert_ended_well(&running.end());
}

/// Times of a stage at a venue in `stoop latency --json`.
fn stage_at<'a>(latency: &'a Value, stage: &str, venue: &str) -> &'a Value {
    let rows = latency["rows"].as_array().unwrap();
    let found = rows.iter().find(|row| row["stage"] == stage && row["venue"] == venue);
    found.unwrap_or_else(|| panic!("no {stage} at {venue}: {latency}"))
}

#[test]
fn latency_of_every_stage_is_shown_and_adds_up() {
    let running = Running::start(&[]);
    running.wait_for("orders", |running| running.orders_sent() >= 60);
    running.text(&["pause"]);
    assert_eq!(running.sends(), 0);
    let latency = running.json(&["latency", "--worst", "7"], 0);
    let count = |stage: &str| latency["stages"][stage]["count"].as_u64().unwrap();
    for stage in ["encode", "send", "queue", "ack"] {
        assert_eq!(count(stage), running.orders_sent(), "{stage}: {latency}");
    }
    // Hedges are no tick's doing, and not every order fills.
    for stage in ["see", "decide", "risk", "journal"] {
        assert_eq!(count(stage), count("tick_to_order"), "{stage}: {latency}");
    }
    assert!((30..=running.orders_sent()).contains(&count("tick_to_order")), "{latency}");
    assert!((20..=running.orders_sent()).contains(&count("fill")), "{latency}");
    assert!(count("leg_skew") >= 20 && count("wire") > 0, "{latency}");
    // Market data goes on between the two readings.
    let (decoded, published) = (count("decode"), count("publish"));
    assert!(decoded.abs_diff(published) * 20 < decoded, "{decoded} against {published}");
    assert!(latency["measuring"]["per_order_ns"].as_u64().unwrap() > 0, "{latency}");
    let way = ["decode", "publish", "see", "decide", "risk", "journal", "queue", "encode", "send"];
    let p50 = |stage| stage_at(&latency, stage, "binance")["p50"].as_u64().unwrap();
    let (sum, whole) = (way.into_iter().map(p50).sum::<u64>(), p50("tick_to_order"));
    assert!(sum * 2 > whole && sum < whole * 2, "{sum} against {whole}: {latency}");
    // Of a single path the sum is exact.
    let worst = latency["worst"].as_array().unwrap();
    assert_eq!(worst.len(), 7, "{latency}");
    for path in worst {
        let ns = |stage: &str| path["stages_ns"][stage].as_u64().unwrap_or(0);
        assert_eq!(way.into_iter().map(ns).sum::<u64>(), ns("tick_to_order"), "{path}");
        assert!(ns("fill") == 0 || ns("ack") > 0 && ns("ack") <= ns("fill"), "{path}");
    }

    let log = running.folder.0.join("latency.hlog");
    let text = running.text(&["latency", "--by-group", "--hlog", log.to_str().unwrap()]);
    assert!(text.contains("tick_to_order binance BTC"), "{text}");
    let tagged = tagged_histograms(&std::fs::read(log).unwrap());
    let of = |tag: &str| &tagged.iter().find(|(known, _)| known == tag).unwrap().1;
    let (sent, shown) = (of("send.bybit.BTC"), stage_at(&latency, "send", "bybit"));
    assert_eq!(sent.len(), shown["count"].as_u64().unwrap());
    for (q, key) in [(0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (1.0, "max")] {
        let (read, shown) = (sent.value_at_quantile(q), shown[key].as_u64().unwrap());
        assert!(read.abs_diff(shown) * 500 <= shown, "{key}: {read}, {shown}");
    }
    running.tell(&["stop"], 0);
    assert_ended_well(&running.end());
}

/// The histograms of an interval log by their tags.
fn tagged_histograms(log: &[u8]) -> Vec<(String, hdrhistogram::Histogram<u64>)> {
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
    let entries = IntervalLogIterator::new(log).map(Result::unwrap);
    let intervals = entries.filter_map(|entry| match entry {
        LogEntry::Interval(interval) => Some(interval),
        _ => None,
    });
    let histogram = |text: &str| {
        let bytes = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, text).unwrap();
        Deserializer::new().deserialize(&mut &bytes[..]).unwrap()
    };
    let named = intervals.map(|interval| {
        let tag = interval.tag().unwrap().as_str().to_owned();
        (tag, histogram(interval.encoded_histogram()))
    });
    named.collect()
}

//! Strategies in processes of their own: they trade, die, hang, go wild and come back, and the engine
//! goes on.
//!
//! The program of such a strategy is this test program itself: [`the_program_of_a_strategy`] is what an
//! engine starts, and passes at once when nobody does.

use crate::operating::{Running, assert_ended_well};
use crate::support::{Folder, next, stderr, stoop};
use serde_json::Value;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use stoop::shm::StrategyFile;
use stoop::strategy::prelude::*;
use stoop::types::ClientOrderId;

/// Keeps as many bids far below the market as its parameter says, and says how many there are.
#[derive(Default)]
struct Quoter {
    market: Option<InstrumentRef>,
    open: Vec<ClientOrderId>,
    /// Asked for, and not heard of yet.
    pending: usize,
    wanted: usize,
}

impl Strategy for Quoter {
    fn on_start(&mut self, ctx: &mut Context) {
        self.market = ctx.instrument("ETH/USDT@binance");
        if let Some(market) = &self.market {
            ctx.watch(market).unwrap();
        }
        self.on_params(ctx);
        ctx.set_timer(5_000_000);
        println!("quoting {} of {}", self.wanted, ctx.param_text("label").unwrap_or("?"));
    }

    fn on_params(&mut self, ctx: &mut Context) {
        self.wanted = ctx.param_int("orders").unwrap_or(0) as usize;
    }

    fn on_report(&mut self, _ctx: &mut Context, report: &StrategyReport) {
        let known = self.open.iter().position(|id| *id == report.client_id);
        match (report.state.is_terminal(), known) {
            (true, Some(at)) => drop(self.open.remove(at)),
            (true, None) => self.pending = self.pending.saturating_sub(1),
            (false, None) => {
                self.pending = self.pending.saturating_sub(1);
                self.open.push(report.client_id);
            }
            (false, Some(_)) => {}
        }
    }

    fn on_timer(&mut self, ctx: &mut Context) {
        let Some(market) = self.market else { return };
        let best = ctx.best(&market);
        if best.is_live() && self.open.len() + self.pending < self.wanted {
            let price = Price(best.bid.price.0 / 1_000 * 997);
            let price = price.round_to(market.tick_at(price), Rounding::Down);
            let qty = market.qty("0.1".parse().unwrap()).unwrap();
            if ctx.signal().buy(&market, qty).limit_at(price).emit().is_ok() {
                self.pending += 1;
            }
        }
        let open = self.open.len() as i64;
        ctx.status().int("open", open).unwrap();
        ctx.publish_status();
    }
}

/// Panics once it has quoted.
#[derive(Default)]
struct Panics(Quoter);

impl Strategy for Panics {
    fn on_start(&mut self, ctx: &mut Context) {
        self.0.on_start(ctx);
    }

    fn on_report(&mut self, ctx: &mut Context, report: &StrategyReport) {
        self.0.on_report(ctx, report);
        assert!(self.0.open.len() < 3, "deliberate, after {} orders", self.0.open.len());
    }

    fn on_timer(&mut self, ctx: &mut Context) {
        self.0.on_timer(ctx);
    }
}

/// Says of the klines that it has seen what the venue's history holds of them.
#[derive(Default)]
struct Candles {
    market: Option<InstrumentRef>,
    past: i64,
}

impl Strategy for Candles {
    fn on_start(&mut self, ctx: &mut Context) {
        self.market = ctx.instrument("ETH/USDT@binance");
        if let Some(market) = self.market {
            ctx.want_klines(&market, Interval::M1).unwrap();
        }
        ctx.set_timer(5_000_000);
    }

    fn on_kline(&mut self, _ctx: &mut Context, event: &KlineEvent) {
        self.past += i64::from(event.is_past && event.kline.is_complete);
    }

    fn on_timer(&mut self, ctx: &mut Context) {
        let Some(market) = self.market else { return };
        let history = ctx.klines(&market, Interval::M1).map(|series| series.history());
        ctx.status().text("history", &format!("{history:?}")).unwrap();
        ctx.status().int("past", self.past).unwrap();
        ctx.publish_status();
    }
}

#[test]
fn the_program_of_a_strategy() {
    let Ok(name) = std::env::var("STOOP_STRATEGY") else { return };
    let secrets = std::env::vars().filter(|(name, _)| name.contains("SECRET"));
    assert_eq!(secrets.count(), 0, "the engine's environment is not for strategies");
    let strategy: Box<dyn Strategy> = match name.as_str() {
        "panics" => Box::<Panics>::default(),
        "candles" => Box::<Candles>::default(),
        _ => Box::<Quoter>::default(),
    };
    stoop::strategy::process::run(strategy).unwrap();
}

/// A `[[strategy]]` that this program runs, put before the limits.
fn with(name: &str, orders: u32, more: &str) -> (&'static str, String) {
    const BEFORE: &str = "# Limits that the order manager enforces";
    let program = std::env::current_exe().unwrap();
    let text = format!(
        "[[strategy]]\nname = \"{name}\"\nrun = \"process\"\n\
         command = [\"{}\", \"--exact\", \"process::the_program_of_a_strategy\", \"--nocapture\"]\n\
         {more}\n[strategy.params]\norders = {orders}\nlabel = \"eth\"\n\n{BEFORE}",
        program.display()
    );
    (BEFORE, text)
}

fn start(name: &str, orders: u32, more: &str, replaced: &[(&str, &str)]) -> Running {
    let (before, text) = with(name, orders, more);
    let replaced = [&[(before, text.as_str())], replaced].concat();
    Running::start(&replaced)
}

/// What the strategy's process says of itself.
fn pid(running: &Running, name: &str) -> Option<u32> {
    let file = std::fs::File::open(format!("{}/strategy-{name}", running.region())).ok()?;
    let mut word = [0; 8];
    file.read_exact_at(&mut word, 25 * 8).ok()?;
    let mut beat = [0; 8];
    file.read_exact_at(&mut beat, 24 * 8).ok()?;
    (u64::from_le_bytes(beat) > 0).then_some(u64::from_le_bytes(word) as u32)
}

fn status(running: &Running, name: &str, field: &str) -> i64 {
    let look = StrategyFile::look(Path::new(&running.region()), name);
    let status = look.ok().and_then(|look| look.status);
    match status.and_then(|status| status.get(field)) {
        Some(stoop::shm::StatusValue::Int(value)) => value,
        _ => -1,
    }
}

/// Gives the process that has them, another than `before`.
fn wait_for_quotes(running: &Running, name: &str, count: i64, before: u32) -> u32 {
    running.wait_for("resting orders", |running| {
        pid(running, name).is_some_and(|pid| pid != before)
            && status(running, name, "open") >= count
    });
    pid(running, name).unwrap()
}

fn kill(signal: &str, pid: u32) {
    let status = Command::new("kill").args([signal, &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

fn is_alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// The bundles that there are, oldest first.
fn bundles(folder: &Folder) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.0.join("crash")).into_iter().flatten().flatten();
    let mut all: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    all.sort();
    all
}

fn read(bundle: &Path, name: &str) -> String {
    std::fs::read_to_string(bundle.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn read_json(bundle: &Path, name: &str) -> Value {
    serde_json::from_str(&read(bundle, name)).unwrap()
}

fn wait_for_bundles(running: &Running, count: usize) -> PathBuf {
    let whole = |path: &PathBuf| path.join("backtrace.txt").exists();
    running.wait_for("a bundle", |running| {
        bundles(&running.folder).iter().filter(|path| whole(path)).count() >= count
    });
    // The last of its files comes a moment later.
    std::thread::sleep(Duration::from_millis(200));
    bundles(&running.folder)[count - 1].clone()
}

/// From the notice of a death until the last of its orders was confirmed as cancelled.
fn cancelled_ms(said: &str) -> f64 {
    let text = "all its orders have ended ";
    let from =
        said.find(text).unwrap_or_else(|| panic!("no end of the orders: {said}")) + text.len();
    said[from..].split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_built_in_strategy_trades_in_a_process_of_its_own() {
    let kind = "kind = \"spread_arb\"";
    let running = Running::start(&[(kind, "kind = \"spread_arb\"\nrun = \"process\"\n#")]);
    let own = pid(&running, "spread").unwrap();
    assert!(is_alive(own));
    let parent = std::fs::read_to_string(format!("/proc/{own}/stat")).unwrap();
    assert!(parent.starts_with(&format!("{own} (")), "{parent}");
    running.wait_for("more orders", |running| running.orders_sent() >= 20);
    // A person's commands reach it as they would a thread.
    let said = running.text(&["set", "spread", "cooldown_ms=3600000"]);
    let wanted = "spread: cooldown_ms was 20, is 3600000 until the end of the run\n";
    assert!(said.ends_with(wanted), "{said}");
    assert_eq!(running.sends(), 0);
    let listed = running.text(&["set", "spread"]);
    let row = listed.lines().find(|line| line.contains("cooldown_ms")).unwrap();
    assert!(row.contains(" 3600000  an integer from 0 "), "{listed}");
    assert!(running.text(&["set"]).contains("stoop set LIMIT=VALUE, of order_notional_max"));
    let object = running.json(&["set", "spread"], 0);
    let params = object["strategies"][0]["params"].as_array().unwrap();
    let cooldown = params.iter().find(|param| param["name"] == "cooldown_ms").unwrap();
    assert_eq!((&cooldown["value"], &cooldown["min"]), (&"3600000".into(), &"0".into()));
    running.text(&["set", "spread", "cooldown_ms=10"]);
    running.wait_for("orders again", |running| running.sends() > 0);
    running.text(&["stop"]);
    let folder = running.folder.0.clone();
    let region = running.region();
    let output = {
        let output = running.end();
        assert!(!is_alive(own), "it ends with the engine");
        assert!(!Path::new(&region).exists());
        output
    };
    assert_ended_well(&output);
    assert!(!folder.join("crash").exists(), "{}", stderr(&output));
}

/// The examples are beside this test program, where Cargo builds both.
#[test]
fn a_strategy_that_its_own_program_brings_trades_in_a_process_of_that_program() {
    let deps = std::env::current_exe().unwrap();
    let program = deps.parent().unwrap().with_file_name("examples").join("spread");
    assert!(program.exists(), "{}: cargo build --examples", program.display());
    let text = stoop::config::DEFAULT_TOML;
    let (from, to) = (text.find("[[strategy]]").unwrap(), text.find("# Limits that").unwrap());
    let own = "[[strategy]]\nname = \"own-spread\"\nrun = \"process\"\n\n";
    let running = Running::start_program(&program, &[(&text[from..to], own)]);
    let process = pid(&running, "own-spread").unwrap();
    let started = std::fs::read_link(format!("/proc/{process}/exe")).unwrap();
    assert_eq!(started, program.canonicalize().unwrap());
    let status = running.json(&["status"], 0);
    let shown = &status["strategies"][0];
    assert_eq!(shown["strategy"], "own-spread", "{status}");
    assert_eq!(shown["runs_as"], format!("process {process}"), "{status}");
    assert_eq!((&shown["starts"], &shown["pid"]), (&1.into(), &process.into()), "{status}");
    running.wait_for("more orders", |running| running.orders_sent() >= 10);
    running.text(&["stop"]);
    assert_ended_well(&running.end());
    assert!(!is_alive(process));
}

#[test]
fn a_killed_process_leaves_no_orders_and_a_whole_bundle() {
    let running = start("quoter", 6, "", &[]);
    let process = wait_for_quotes(&running, "quoter", 6, 0);
    let before = running.orders_sent();
    kill("-9", process);
    let bundle = wait_for_bundles(&running, 1);
    running.wait_for("the engine to go on", |running| running.orders_sent() >= before + 20);
    let crash = read(&bundle, "crash.txt");
    assert!(crash.contains("agent strategy:quoter"), "{crash}");
    assert!(crash.contains("it was ended by signal 9 (SIGKILL)"), "{crash}");
    let strategy = read_json(&bundle, "strategy.json");
    assert_eq!(strategy["signal"], 9, "{strategy}");
    assert_eq!(strategy["exit_code"], Value::Null, "{strategy}");
    assert_eq!(strategy["pid"], process, "{strategy}");
    let orders = strategy["open_orders"].as_array().unwrap();
    assert_eq!(orders.len(), 6, "{strategy}");
    assert!(orders.iter().all(|row| row["instrument"] == "ETH/USDT@binance"), "{strategy}");
    assert_eq!(strategy["last_status"]["fields"]["open"], 6, "{strategy}");
    assert_eq!(strategy["params"]["orders"], "6", "{strategy}");
    let signals = read_json(&bundle, "signals.json");
    let legs = signals.as_array().unwrap().iter().filter(|row| row["legs"].is_array());
    assert!(legs.count() >= 6, "{signals}");
    assert!(read(&bundle, "stdout.txt").contains("quoting 6 of eth"));
    assert!(read(&bundle, "backtrace.txt").starts_with("none: it was ended by signal 9"));
    for name in ["region.json", "log.txt", "journal.jsonl", "orders.json"] {
        assert!(!read(&bundle, name).is_empty(), "{name}");
    }
    let output = running.folder.0.join("output").join(&running.name).join("strategy-quoter.out");
    assert!(std::fs::read_to_string(output).unwrap().contains("quoting 6 of eth"));
    // It stays dead, and what it may trade is a person's to say.
    let events = running.json(&["events"], 0);
    let rows = events["events"].as_array().unwrap();
    let by = rows.iter().find(|row| row["text"] == "strategy quoter is halted (watchdog)");
    assert_eq!(by.unwrap()["by"], "watchdog", "{events}");
    running.text(&["stop"]);
    let output = running.end();
    let said = stderr(&output);
    let ms = cancelled_ms(&said);
    println!("6 orders cancelled {ms} ms after the death was noticed");
    assert!(ms < 1_000.0, "{said}");
    assert!(said.contains("its process is not started again (SIGKILL)"), "{said}");
    assert!(said.contains("its process has ended: paused, 6 orders are cancelled"), "{said}");
    assert_ended_well(&output);
}

#[test]
fn a_process_that_hangs_is_killed_and_comes_back_as_the_rule_says() {
    let rule = "restart = \"on_crash\"\nrestart_after_ms = 100\nrestarts_per_hour_max = 2\n\
                after_restart = \"resume\"";
    let silence = ("strategy_silence_max_ms = 2000", "strategy_silence_max_ms = 700");
    let running = start("quoter", 4, rule, &[silence]);
    let first = wait_for_quotes(&running, "quoter", 4, 0);
    kill("-STOP", first);
    let bundle = wait_for_bundles(&running, 1);
    assert!(!is_alive(first));
    let strategy = read_json(&bundle, "strategy.json");
    let why = strategy["killed_because"].as_str().unwrap();
    assert!(why.starts_with("its strategy has been silent for "), "{why}");
    assert_eq!(strategy["signal"], 9, "a stopped process does not hear SIGTERM: {strategy}");
    assert!(read(&bundle, "threads.txt").contains("state T"), "{}", read(&bundle, "threads.txt"));
    let second = wait_for_quotes(&running, "quoter", 4, first);
    assert_ne!(first, second);
    kill("-ABRT", second);
    let bundle = wait_for_bundles(&running, 2);
    let strategy = read_json(&bundle, "strategy.json");
    assert_eq!((&strategy["signal"], &strategy["starts"]), (&6.into(), &2.into()), "{strategy}");
    let third = wait_for_quotes(&running, "quoter", 4, second);
    kill("-9", third);
    wait_for_bundles(&running, 3);
    std::thread::sleep(Duration::from_millis(800));
    assert_eq!(bundles(&running.folder).len(), 3);
    running.text(&["stop"]);
    let output = running.end();
    let said = stderr(&output);
    assert!(said.contains("not started again: it crashed after 2 starts in an hour"), "{said}");
    assert_eq!(said.matches("its new process lives: resumed").count(), 2, "{said}");
    assert_ended_well(&output);
}

#[test]
fn a_panic_leaves_its_backtrace_and_a_restarted_strategy_waits_for_a_person() {
    let rule = "restart = \"on_crash\"\nrestart_after_ms = 100\nrestarts_per_hour_max = 1";
    let running = start("panics", 5, rule, &[]);
    let bundle = wait_for_bundles(&running, 1);
    let strategy = read_json(&bundle, "strategy.json");
    assert_eq!(strategy["exit_code"], 101, "{strategy}");
    let backtrace = read(&bundle, "backtrace.txt");
    assert!(backtrace.starts_with("backtrace of the strategy:"), "{backtrace}");
    assert!(read(&bundle, "stderr.txt").contains("deliberate, after 3 orders"));
    // Its second process lives, but is paused: nothing of it works.
    running.wait_for("a second process", |running| pid(running, "panics").is_some());
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(status(&running, "panics", "open"), 0);
    running.text(&["resume", "--strategy", "panics"]);
    wait_for_bundles(&running, 2);
    has_ended(running, "panics", "exit 101");
}

/// Nobody comes back: whoever asks is told so, and what would need the strategy is refused.
fn has_ended(running: Running, name: &str, how: &str) {
    let ended = format!("ended ({how})");
    let row = |running: &Running| {
        let status = running.json(&["status"], 0);
        let rows = status["strategies"].as_array().unwrap();
        rows.iter().find(|row| row["strategy"] == name).unwrap().clone()
    };
    running.wait_for("the end to be told", |running| row(running)["state"] == ended.as_str());
    let row = row(&running);
    assert_eq!((&row["runs_as"], &row["pid"]), (&Value::Null, &Value::Null), "{row}");
    for command in [
        vec!["resume", "--strategy", name],
        vec!["reduce-only", "--strategy", name],
        vec!["set", name, "orders=4"],
    ] {
        let said = stderr(&running.tell(&command, 1));
        let wanted = format!("its process has ended ({how}) and is not started again");
        assert!(said.contains(&wanted), "{command:?}: {said}");
    }
    running.text(&["cancel-all", "--strategy", name]);
    let events = running.json(&["events", "--level", "error"], 0);
    let told = format!("{name} has ended ({how}): its process is not started again");
    let rows = events["events"].as_array().unwrap();
    let found = rows.iter().filter(|row| row["text"] == told.as_str());
    assert_eq!(found.count(), 1, "once: {events}");
    let listed = stoop(&running.folder, &["ps", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let listed = listed["instances"].as_array().unwrap().iter();
    let own = listed.into_iter().find(|one| one["name"] == running.name.as_str()).unwrap();
    let wanted = format!("spread runs, {name} {ended}");
    assert_eq!(own["strategies"], wanted.as_str(), "{own}");
    running.text(&["stop"]);
    let summary = assert_ended_well(&running.end());
    let wanted = serde_json::json!([{ "strategy": name, "ended": how }]);
    assert_eq!(summary["strategies_ended"], wanted, "{summary}");
}

/// A program that is not there, which the engine hears of as an exit, and one that ends by itself
/// without an error.
#[test]
fn a_strategy_that_never_began_or_went_by_itself_has_ended() {
    use std::os::unix::fs::PermissionsExt;
    // It may be executed, and what would execute it is not there.
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let none = folder.join(format!("stoop-no-program-{}", std::process::id()));
    std::fs::write(&none, "#!/nowhere/to/be/found\n").unwrap();
    std::fs::set_permissions(&none, std::fs::Permissions::from_mode(0o755)).unwrap();
    for (command, how) in [(none.to_str().unwrap(), "exit 1"), ("/bin/true", "exit 0")] {
        let (before, text) = with("brief", 1, "");
        let program = std::env::current_exe().unwrap();
        let text = text.replace(&program.display().to_string(), command);
        let running = Running::start(&[(before, &text)]);
        has_ended(running, "brief", how);
    }
    std::fs::remove_file(none).unwrap();
}

/// The kernel ends the wrapper with the engine, and nobody ends what the wrapper has started.
#[test]
fn a_strategy_behind_a_wrapper_ends_with_a_killed_engine() {
    let (before, text) = with("quoter", 2, "");
    let program = std::env::current_exe().unwrap();
    let direct = format!("command = [\"{}\", ", program.display());
    let wrapped = "command = [\"sh\", \"-c\", '\"$0\" \"$@\"; exit $?', \"";
    let text = text.replace(&direct, &format!("{wrapped}{}\", ", program.display()));
    let mut running = Running::start(&[(before, &text)]);
    let process = wait_for_quotes(&running, "quoter", 2, 0);
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let parent = stat.rsplit(") ").next().unwrap().split(' ').nth(1).unwrap();
    let parent = std::fs::read_to_string(format!("/proc/{parent}/comm")).unwrap();
    assert_eq!(parent, "sh\n", "a wrapper stands between");
    running.kill();
    running.wait_for("its end", |_| has_gone(process));
}

/// Also where nobody has asked yet how it ended.
fn has_gone(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_err() || stat.is_ok_and(|text| text.rsplit(") ").next().unwrap().starts_with('Z'))
}

/// At each start, as a thread has them: the engine asks the venue for it.
#[test]
fn klines_of_a_process_begin_with_their_history() {
    let rule = "restart = \"on_crash\"\nrestart_after_ms = 100\nrestarts_per_hour_max = 1";
    let running = start("candles", 0, rule, &[]);
    let is_loaded = |running: &Running| {
        let look = StrategyFile::look(Path::new(&running.region()), "candles").ok();
        let status = look.and_then(|look| look.status);
        match status.as_ref().and_then(|status| status.get("history")) {
            Some(stoop::shm::StatusValue::Text(history)) => history.as_str() == "Some(Loaded)",
            _ => false,
        }
    };
    let mut before = 0;
    for _ in 0..2 {
        running.wait_for("a process", |running| {
            pid(running, "candles").is_some_and(|pid| pid != before)
        });
        running.wait_for("the history", is_loaded);
        running.wait_for("its klines", |running| status(running, "candles", "past") >= 100);
        println!("{} klines of the history", status(&running, "candles", "past"));
        before = pid(&running, "candles").unwrap();
        kill("-9", before);
    }
    running.text(&["stop"]);
    assert_ended_well(&running.end());
}

/// `STOOP_GARBAGE_S=60` writes for so long.
#[test]
fn garbage_over_its_own_file_leaves_the_engine_and_the_others_alone() {
    let seconds: u64 = std::env::var("STOOP_GARBAGE_S").map_or(3, |text| text.parse().unwrap());
    let running = start("quoter", 2, "", &[]);
    wait_for_quotes(&running, "quoter", 2, 0);
    let path = format!("{}/strategy-quoter", running.region());
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    let words = file.metadata().unwrap().len() / 8;
    let mut chance = 0x1234_5678_9abc_def1u64;
    let before = running.orders_sent();
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut writes = 0u64;
    while Instant::now() < until {
        for _ in 0..1_000 {
            let at = next(&mut chance) % words;
            let word = match next(&mut chance) % 4 {
                0 => next(&mut chance),
                1 => next(&mut chance) % 8,
                // Requests of its own number, so that some of them are read further.
                2 => (1 + next(&mut chance) % 5) | ((next(&mut chance) % 6) << 8) | (1 << 16),
                _ => u64::MAX,
            };
            file.write_all_at(&word.to_le_bytes(), at * 8).unwrap();
            writes += 1;
        }
        // The ring's tail, so that what was written is taken for requests.
        let tail = next(&mut chance) % 300;
        file.write_all_at(&tail.to_le_bytes(), (32 + 16) * 8).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    let view = stoop::shm::MarketView::attach(Path::new(&running.region())).unwrap();
    let (bad, sent) = (view.counters().bad_records, running.orders_sent() - before);
    println!("{writes} words of garbage: {bad} bad requests counted, {sent} orders of others sent");
    assert!(bad > 100, "{bad}");
    running.wait_for("the other strategy", |running| running.orders_sent() > before + 10);
    running.text(&["cancel-all", "--strategy", "quoter"]);
    running.text(&["stop"]);
    let output = running.end();
    let said = stderr(&output);
    assert!(said.contains("bad requests"), "{said}");
    assert!(!said.contains("panicked at src/"), "{said}");
    assert_ended_well(&output);
}

#[test]
fn parameters_are_set_checked_and_on_record() {
    let running = start("quoter", 2, "", &[]);
    wait_for_quotes(&running, "quoter", 2, 0);
    let reply = running.json(&["set", "quoter", "orders=5"], 0);
    assert_eq!((&reply["before"], &reply["after"]), (&"2".into(), &"5".into()));
    wait_for_quotes(&running, "quoter", 5, 0);
    // On a thread too.
    running.text(&["set", "spread", "spread_min_bps=9999.99999"]);
    assert_eq!(running.sends(), 0);
    for (setting, said) in [
        (["quoter", "orders=many"], "orders = many must be an integer"),
        (
            ["quoter", "order=5"],
            "\"order\" is not a parameter; there are: label (a text of at most",
        ),
        (["spread", "cooldown_ms=-1"], "must be an integer from 0 to 3600000"),
        (["spread", "spread_min_bps=0.000001"], "at most 5 digits behind the point"),
        (["nobody", "x=1"], "no strategy \"nobody\" runs; there are: spread, quoter"),
    ] {
        let text = stderr(&running.tell(&["set", setting[0], setting[1]], 1));
        assert!(text.contains(said), "{text}");
    }
    running.text(&["stop"]);
    let shown = stoop(&running.folder, &["journal", "show"]);
    let text = String::from_utf8(shown.stdout).unwrap();
    let uid = String::from_utf8(Command::new("id").arg("-u").output().unwrap().stdout).unwrap();
    let wanted = format!("strategy 1 orders = 5, was 2: user {}, process ", uid.trim());
    assert!(text.contains(&wanted), "{text}");
    assert_ended_well(&running.end());
}

#[test]
fn what_is_wrong_with_a_process_or_a_parameter_is_said_with_its_place() {
    let params = "\n[strategy.params]\n";
    for (line, said) in [
        ("run = \"fork\"", "run = \"fork\" is not one of"),
        ("restart = \"never\"", "restart is about a process: say run = \"process\" too"),
        ("run = \"process\"\nrestart = \"always\"", "restart = \"always\" is not one of"),
        ("run = \"process\"\ncommand = []", "command names no program"),
        ("run = \"process\"\ncommand = [\"x\"]", "\"spread\" needs no kind: its command runs it"),
    ] {
        let text = check(&format!("name = \"spread\"\n{line}"), "");
        assert!(text.contains(said) && text.contains("engine.toml:"), "{text}");
    }
    for (line, said) in [
        ("cooldown = 5", "\"cooldown\" is not a parameter; there are: spread_min_bps ("),
        ("cooldown_ms = true", "cooldown_ms = true must be an integer from 0 to 3600000"),
        ("spread_min_bps = 0.1234567", "must be a decimal number from 0.00001 to 10000"),
        ("\"a b\" = 1", "\"a b\" is no name of a parameter"),
        ("cooldown_ms = [1]", "cooldown_ms must be a number, true or false, or a text"),
    ] {
        let text = check("name = \"spread\"", &format!("{params}{line}\n"));
        assert!(text.contains(said) && text.contains("engine.toml:"), "{text}");
    }
}

/// What `stoop check` says of a mistake.
fn check(name: &str, params: &str) -> String {
    const END: &str = "slippage_max_bps = 10   # how far through the book hedging orders may go\n";
    let folder = Folder::new();
    let more = format!("{END}{params}");
    folder.config(&[("name = \"spread\"", name), (END, &more)], "");
    let output = stoop(&folder, &["check"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    stderr(&output)
}

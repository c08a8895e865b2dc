//! What Prometheus reads from a running engine, and that the alert rules and dashboards of `tools/`
//! ask for nothing else.

use crate::support::{Folder, stderr, stoop};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running engine with its metrics at a port of its own.
struct Running {
    child: Child,
    port: u16,
    folder: Folder,
}

impl Running {
    fn start() -> Self {
        // Free at this moment; nobody else is told of it.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let folder = Folder::new();
        let more = format!("\n[metrics]\nlisten = \"{free}\"\n");
        folder.config(&[("# daily_loss_max", "daily_loss_max")], &more);
        let child = Command::new(env!("CARGO_BIN_EXE_stoop"))
            .args(["run", "--json", "--for", "120s"])
            .current_dir(&folder.0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, port: free.port(), folder }
    }

    /// Status line and body; `None` while nobody answers.
    fn get(&self, path: &str) -> Option<(String, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        Some((head.lines().next()?.to_owned(), body.to_owned()))
    }

    /// Runs a command on this instance; what it printed.
    fn told(&self, command: &[&str]) -> String {
        let text = std::fs::read_to_string(self.folder.0.join("engine.toml")).unwrap();
        let from = text.find("\nname = \"").unwrap() + 9;
        let name = text[from..].split('"').next().unwrap();
        let done = stoop(&self.folder, &[command, &["--name", name]].concat());
        assert!(done.status.success(), "{command:?}: {done:?}");
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    fn wait_for(&self, path: &str, is: impl Fn(&str, &str) -> bool) -> String {
        let begun = Instant::now();
        let mut last = None;
        while begun.elapsed() < Duration::from_secs(60) {
            last = self.get(path);
            if let Some((status, body)) = &last
                && is(status, body)
            {
                return body.clone();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("waited in vain for {path}: {last:?}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Names that a page offers.
fn offered(page: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in page.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        if kind == "histogram" {
            names.extend(["_bucket", "_sum", "_count"].map(|end| format!("{name}{end}")));
        } else {
            names.insert(name.to_owned());
        }
    }
    names
}

/// Names of ours in an expression.
fn asked(expression: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = expression.split(|c| !is_part(c));
    words.filter(|word| word.starts_with("stoop_")).map(str::to_owned).collect()
}

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/deploy").join(path)
}

/// Every panel of the dashboards: what it is called, and its expressions.
fn panels() -> Vec<(String, Vec<String>)> {
    let mut panels = Vec::new();
    for entry in std::fs::read_dir(deploy("grafana")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let board: Value = serde_json::from_str(&text).unwrap();
        for panel in board["panels"].as_array().unwrap() {
            let title = format!("{}: {}", board["title"], panel["title"]);
            let text = |value: &Value| !value.as_str().unwrap_or("").is_empty();
            assert!(text(&panel["description"]), "{title} is not described");
            assert!(text(&panel["fieldConfig"]["defaults"]["unit"]), "{title} has no unit");
            let targets = panel["targets"].as_array().unwrap().iter();
            let expressions = targets.map(|target| target["expr"].as_str().unwrap().to_owned());
            panels.push((title, expressions.collect()));
        }
    }
    panels
}

/// `promtool` with something on its standard input; `None` where it is not installed.
fn promtool(arguments: &[&str], input: &str) -> Option<(bool, String)> {
    let child = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        println!("skipped: promtool is not installed");
        return None;
    };
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output);
    Some((output.status.success(), said))
}

#[test]
fn a_running_engine_offers_what_rules_and_dashboards_ask_for() {
    let running = Running::start();
    let orders = |_: &str, body: &str| {
        body.lines().any(|line| {
            let count =
                line.strip_prefix("stoop_orders_total{outcome=\"filled\",venue=\"bybit\"} ");
            count.is_some_and(|count| count != "0")
        })
    };
    let page = running.wait_for("/metrics", orders);
    for line in ["stoop_venue_ready{venue=\"binance\"} 1", "stoop_feed_ready{venue=\"bybit\"} 1"] {
        assert!(page.lines().any(|found| found == line), "{line}: {page}");
    }
    let has = |start: &str| page.lines().any(|line| line.starts_with(start));
    assert!(has("stoop_stage_latency_seconds_count{stage=\"tick_to_order\",venue=\"bybit\"} "));
    assert!(has("stoop_ring_capacity{ring=\"commands\",venue=\"binance\"} "));
    assert!(has("stoop_ring_capacity{ring=\"requests\",strategy=\"spread\"} 256"));
    assert!(!has("stoop_journal_records_total 0"), "{page}");
    let (status, body) = running.get("/healthz").unwrap();
    assert_eq!((status.as_str(), body.as_str()), ("HTTP/1.1 200 OK", "alive\n"));
    running.wait_for("/readyz", |status, body| status.ends_with("200 OK") && body == "ready\n");
    let offered = offered(&page);
    let rules = std::fs::read_to_string(deploy("prometheus/stoop.rules.yml")).unwrap();
    let missing: Vec<String> = asked(&rules).difference(&offered).cloned().collect();
    assert!(missing.is_empty(), "the rules ask for {missing:?}");
    for (title, expressions) in panels() {
        for expression in expressions {
            let asked = asked(&expression);
            assert!(!asked.is_empty() && asked.is_subset(&offered), "{title}: {expression}");
        }
    }
    if let Some((good, said)) = promtool(&["check", "metrics"], &page) {
        assert!(good && said.trim().is_empty(), "{said}");
    }
    // Somebody else listens there: told at once, before anything is started.
    let again = stoop(&running.folder, &["run", "--for", "1s"]);
    assert_eq!(again.status.code(), Some(3), "{again:?}");
    assert!(stderr(&again).contains("another program listens there"), "{}", stderr(&again));
}

/// Limits that a person changes are those that the alert goes by, and that `status` shows.
#[test]
fn a_limit_that_was_changed_is_the_one_that_is_shown() {
    let running = Running::start();
    let has = |line: String| {
        move |_: &str, body: &str| body.lines().any(|known| known.starts_with(line.as_str()))
    };
    let limit = |name: &str, value: &str| format!("stoop_limit_quote{{limit=\"{name}\"}} {value}");
    let before = running.wait_for("/metrics", has(limit("daily_loss_max", "")));
    assert!(!before.contains("limit=\"drawdown_max\""), "{before}");
    running.told(&["set", "daily_loss_max=123.5"]);
    running.wait_for("/metrics", has(limit("daily_loss_max", "123.5")));
    running.told(&["set", "drawdown_max=77"]);
    let page = running.wait_for("/metrics", has(limit("drawdown_max", "77")));
    assert!(page.contains("stoop_loss_quote{quote=\"USDT\",limit=\"drawdown_max\"} "), "{page}");
    running.told(&["set", "position_max.BTC=3"]);
    let of_base = "stoop_position_limit_base{underlying=\"BTC\"} 3".to_owned();
    running.wait_for("/metrics", has(of_base));
    running.told(&["set", "daily_loss_max=none"]);
    running.wait_for("/metrics", |_, body| !body.contains("limit=\"daily_loss_max\""));
    let status: Value = serde_json::from_str(&running.told(&["status", "--json"])).unwrap();
    let row = |name: &str| {
        let rows = status["limits"].as_array().unwrap().iter();
        rows.clone().find(|row| row["limit"] == name).unwrap().clone()
    };
    assert!(row("daily_loss_max")["value"].is_null(), "{status}");
    assert_eq!(
        (&row("drawdown_max")["value"], &row("drawdown_max")["of"]),
        (&"77".into(), &"USDT".into())
    );
    assert!(row("drawdown_max")["used"].is_string(), "{status}");
    assert_eq!(
        (&row("position_max")["value"], &row("position_max")["of"]),
        (&"3".into(), &"BTC".into())
    );
    let text = running.told(&["status"]);
    let shown = |words: [&str; 3]| {
        let is_it = |line: &str| line.split_whitespace().take(3).eq(words);
        assert!(text.lines().any(is_it), "{words:?} is not in\n{text}");
    };
    shown(["daily_loss_max", "not", "set"]);
    shown(["drawdown_max", "USDT", "77"]);
    shown(["position_max", "BTC", "3"]);
}

/// The same of a strategy's own, which stand in the list once they are set.
#[test]
fn limits_of_a_strategy_that_were_changed_are_those_that_are_shown() {
    let running = Running::start();
    let has = |line: &'static str| {
        move |_: &str, body: &str| body.lines().any(|known| known.starts_with(line))
    };
    let limits = || {
        let status: Value = serde_json::from_str(&running.told(&["status", "--json"])).unwrap();
        let mut rows = status["limits"].as_array().unwrap().clone();
        rows.retain(|row| row["of"].as_str().is_some_and(|of| of.starts_with("spread")));
        rows
    };
    running.wait_for("/metrics", has("stoop_strategy_orders_open{strategy=\"spread\"} "));
    assert_eq!(limits(), Vec::<Value>::new());
    running.told(&["set", "strategy.spread.orders_open_max=33"]);
    running.told(&["set", "strategy.spread.budget.binance=123456.5"]);
    let of_orders = "stoop_strategy_limit{strategy=\"spread\",limit=\"orders_open_max\"} 33";
    running.wait_for("/metrics", has(of_orders));
    let of_binance = "stoop_budget_quote{strategy=\"spread\",venue=\"binance\"} 123456.5";
    let page = running.wait_for("/metrics", has(of_binance));
    assert!(
        page.contains("stoop_budget_used_quote{strategy=\"spread\",venue=\"bybit\"} "),
        "{page}"
    );
    assert!(!page.contains("stoop_budget_quote{strategy=\"spread\",venue=\"bybit\"}"), "{page}");
    if let Some((good, said)) = promtool(&["check", "metrics"], &page) {
        assert!(good && said.trim().is_empty(), "{said}");
    }
    let rows = limits();
    let told: Vec<_> = rows.iter().map(|row| (&row["limit"], &row["of"], &row["value"])).collect();
    let expected = [
        (&"orders_open_max".into(), &"spread".into(), &"33".into()),
        (&"budget".into(), &"spread at binance".into(), &"123456.5".into()),
    ];
    assert_eq!(told, expected);
    assert!(rows.iter().all(|row| row["used"].is_string()), "{rows:?}");
    let text = running.told(&["status"]);
    let shown = text.lines().any(|line| {
        let words = ["budget", "spread", "at", "binance", "123456.5"];
        line.split_whitespace().take(5).eq(words)
    });
    assert!(shown, "{text}");
    running.told(&["set", "strategy.spread.budget.binance=none"]);
    running.wait_for("/metrics", |_, body| !body.contains("stoop_budget_quote{"));
}

/// A venue that a person holds is connected and gets no orders: who asks is told both.
#[test]
fn a_venue_that_is_held_is_not_ready_and_the_engine_is() {
    let running = Running::start();
    running.wait_for("/readyz", |status, _| status.ends_with("200 OK"));
    running.told(&["pause", "--venue", "binance"]);
    let line = "stoop_venue_not_ready{reason=\"held\",venue=\"binance\"} 1\n";
    let page = running.wait_for("/metrics", |_, body| body.contains(line));
    assert!(page.contains("stoop_venue_ready{venue=\"binance\"} 0\n"), "{page}");
    assert!(page.contains("stoop_venue_ready{venue=\"bybit\"} 1\n"), "{page}");
    assert!(running.get("/readyz").unwrap().0.ends_with("200 OK"), "a person wants it so");
    let status: Value = serde_json::from_str(&running.told(&["status", "--json"])).unwrap();
    let venue = status["venues"].as_array().unwrap().iter().find(|row| row["venue"] == "binance");
    let venue = venue.unwrap();
    let reason = venue["reason"].as_str().unwrap();
    assert!(reason.starts_with("halted, as a person wants it; `stoop resume --venue`"), "{reason}");
    assert_eq!((&venue["ready"], &venue["orders"]), (&false.into(), &false.into()));
    assert!(venue["no_orders_since_ns"].is_u64(), "{venue}");
    let all = stoop(&running.folder, &["ps"]);
    let all = String::from_utf8_lossy(&all.stdout).into_owned();
    assert!(all.contains("binance not ready (halted, as a person wants it), bybit ready"), "{all}");
}

#[test]
fn a_paused_engine_is_not_ready() {
    let running = Running::start();
    running.wait_for("/readyz", |status, _| status.ends_with("200 OK"));
    running.told(&["pause"]);
    let body = running.wait_for("/readyz", |status, _| status.ends_with("503 Service Unavailable"));
    assert!(body.contains("trading is halted"), "{body}");
    assert!(!body.contains("binance"), "it is said once for all: {body}");
    let line = "stoop_venue_not_ready{reason=\"engine_held\",venue=\"binance\"} 1\n";
    running.wait_for("/metrics", |_, body| body.contains(line));
    assert!(running.get("/healthz").unwrap().0.ends_with("200 OK"), "it lives all the same");
}

#[test]
fn rules_and_expressions_are_what_prometheus_takes() {
    let rules = deploy("prometheus/stoop.rules.yml");
    let Some((good, said)) = promtool(&["check", "rules", rules.to_str().unwrap()], "") else {
        return;
    };
    assert!(good, "{said}");
    let tests = deploy("prometheus/stoop.test.yml");
    let (good, said) = promtool(&["test", "rules", tests.to_str().unwrap()], "").unwrap();
    assert!(good, "{said}");
    let config = deploy("prometheus/prometheus.yml");
    let (good, said) = promtool(&["check", "config", config.to_str().unwrap()], "").unwrap();
    assert!(good, "{said}");
    let mut text = "groups:\n - name: panels\n   rules:\n".to_owned();
    let expressions = panels().into_iter().flat_map(|(_, expressions)| expressions);
    for (number, expression) in expressions.enumerate() {
        let quoted = serde_json::to_string(&expression).unwrap();
        text += &format!("   - record: panel:{number}\n     expr: {quoted}\n");
    }
    let folder = Folder::new();
    let path = folder.0.join("panels.yml");
    std::fs::write(&path, text).unwrap();
    let (good, said) = promtool(&["check", "rules", path.to_str().unwrap()], "").unwrap();
    assert!(good, "{said}");
}

/// Each alert of the rules is tested.
#[test]
fn every_alert_has_a_test_in_which_it_fires_and_one_in_which_it_does_not() {
    let rules = std::fs::read_to_string(deploy("prometheus/stoop.rules.yml")).unwrap();
    let tests = std::fs::read_to_string(deploy("prometheus/stoop.test.yml")).unwrap();
    let names = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let mut count = 0;
    for name in names {
        count += 1;
        assert!(
            tests.contains(&format!("        alertname: {name}\n        exp_alerts:\n")),
            "{name}"
        );
        assert!(tests.contains(&format!("alertname: {name} }}")), "{name}");
    }
    assert_eq!(count, 14);
}

//! Starting the binary and reading what it says.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use stoop::shm::{MarketView, OrderCounters};

/// A folder of its own for each test, removed at the end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("stoop-e2e-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes `engine.toml`: the built-in one with pieces replaced, under an instance name of its
    /// own, and more at the end.
    pub fn config(&self, replaced: &[(&str, &str)], more: &str) -> PathBuf {
        let mut text = stoop::config::DEFAULT_TOML.to_owned();
        let name = self.0.file_name().unwrap().to_str().unwrap().replace("stoop-", "");
        for (from, to) in replaced {
            assert!(text.contains(from), "the default holds no {from:?}");
            text = text.replacen(from, to, 1);
        }
        text = text.replacen("name = \"stoop\"", &format!("name = \"{name}\""), 1);
        let path = self.0.join("engine.toml");
        std::fs::write(&path, text + more).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs the binary in `folder` to its end.
pub fn stoop(folder: &Folder, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stoop"))
        .args(arguments)
        .current_dir(&folder.0)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Runs the configuration of `folder` for a while, and on until it has traded `enough`: a machine may
/// be slow. Stops it as a person does.
pub fn trade(folder: &Folder, least: Duration, enough: impl Fn(&OrderCounters) -> bool) -> Output {
    let text = std::fs::read_to_string(folder.0.join("engine.toml")).unwrap();
    let from = text.find("\nname = \"").unwrap() + 9;
    let name = text[from..].split('"').next().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_stoop"))
        .args(["run", "--json", "--plain", "--for", "90s"])
        .current_dir(&folder.0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let region = PathBuf::from(format!("/dev/shm/stoop-{name}"));
    let begun = Instant::now();
    let has_enough = || MarketView::attach(&region).is_ok_and(|view| enough(&view.counters()));
    while child.try_wait().unwrap().is_none() && (begun.elapsed() < least || !has_enough()) {
        std::thread::sleep(Duration::from_millis(20));
    }
    // Fails if it has ended by itself: its time was up, and what it lacks is seen by the caller.
    stoop(folder, &["stop", "--name", name]);
    child.wait_with_output().unwrap()
}

/// The summary on the last line of `run --json`.
pub fn summary(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|error| {
        panic!("{error}: {text}\n{}", String::from_utf8_lossy(&output.stderr))
    })
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// `stoop sim` as a process of its own.
pub struct Sim {
    child: Child,
    pub described: Value,
}

impl Sim {
    pub fn start(folder: &Folder) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_stoop"))
            .args(["sim", "--json", "--for", "60s"])
            .current_dir(&folder.0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let described = serde_json::from_str(&line).unwrap();
        Self { child, described }
    }

    pub fn text(&self, path: &[&str]) -> &str {
        let mut value = &self.described;
        for key in path {
            value = &value[*key];
        }
        value.as_str().unwrap()
    }

    /// `[venue.*]` tables that point to it, with keys from files in `folder`. `secret` replaces
    /// the first venue's secret.
    pub fn venues(&self, folder: &Folder, secret: Option<&str>) -> String {
        use std::os::unix::fs::PermissionsExt;
        let mut text = String::new();
        for (index, venue) in ["binance", "bybit"].iter().enumerate() {
            text += &format!("[venue.{venue}]\n");
            for url in ["rest", "public", "trade", "private"] {
                let url_text = self.text(&[venue, url]);
                if !url_text.is_empty() {
                    text += &format!("{url} = \"{url_text}\"\n");
                }
            }
            let given = self.text(&[venue, "secret"]);
            let secret = if index == 0 { secret.unwrap_or(given) } else { given };
            for (name, value) in [("key", self.text(&[venue, "key"])), ("secret", secret)] {
                let file = folder.0.join(format!("{venue}-{name}"));
                std::fs::write(&file, value).unwrap();
                std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
                text += &format!("api_{name} = {{ file = \"{}\" }}\n", file.display());
            }
        }
        text
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The `[venue.*]` tables of the default file, to be replaced.
pub fn default_venues() -> &'static str {
    let text = stoop::config::DEFAULT_TOML;
    let from = text.find("[venue.binance]").unwrap();
    let to = text.find("# The embedded venues").unwrap();
    &text[from..to]
}

/// Folder of recorded frames; prints one line where there is none.
pub fn captures() -> Option<PathBuf> {
    let named = std::env::var_os("STOOP_CAPTURES").map(PathBuf::from);
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures/captures");
    let found = named.unwrap_or(beside);
    if found.is_dir() {
        return Some(found.canonicalize().unwrap());
    }
    println!("skipped: no recorded frames; set STOOP_CAPTURES to their folder");
    None
}

/// Random numbers: small, seeded, good enough to choose moments.
pub fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

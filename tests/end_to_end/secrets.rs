//! Keys and secrets reach nothing that the engine writes or shows: every output of a run is searched for
//! them.

use crate::support::{Folder, stderr, stoop};
use crate::venues::{Engine, Venues, config, instance};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

/// The ways to sign that there are: Ed25519, HMAC with a passphrase, secp256k1.
const NAMES: [&str; 3] = ["binance", "okx", "hyperliquid"];

/// What must not be found, with what it is: of each file every long line, and what base64 or hex text
/// of it holds.
fn secrets(folder: &Folder) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for name in NAMES {
        for what in ["api_key", "api_secret", "passphrase"] {
            // The name of an account there is its address, which everybody may know.
            if (name, what) == ("hyperliquid", "api_key") {
                continue;
            }
            let Ok(text) = std::fs::read_to_string(folder.0.join(format!("{name}-{what}"))) else {
                continue;
            };
            let lines = text.lines().filter(|line| !line.starts_with("-----") && line.len() >= 8);
            for line in lines {
                let line = line.trim_start_matches("0x");
                found.insert(format!("{what} of {name}"), line.to_owned());
            }
        }
    }
    assert_eq!(found.len(), 6, "{:?}", found.keys());
    found
}

/// Everything that was written or shown, by where.
#[derive(Default)]
struct Outputs(Vec<(String, Vec<u8>)>);

impl Outputs {
    fn add(&mut self, name: &str, bytes: impl Into<Vec<u8>>) {
        self.0.push((name.to_owned(), bytes.into()));
    }

    /// All files below a folder but those that hold the secrets.
    fn add_files(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            let name = entry.file_name().into_string().unwrap();
            let is_secret = name.contains("-api_") || name.ends_with("-passphrase");
            if kind.is_dir() {
                self.add_files(&path);
            } else if kind.is_file() && !is_secret {
                self.add(&path.display().to_string(), std::fs::read(&path).unwrap());
            }
        }
    }

    fn find(&self, secret: &str) -> Vec<&str> {
        let secret = secret.as_bytes();
        let has = |bytes: &[u8]| bytes.windows(secret.len()).any(|part| part == secret);
        self.0.iter().filter(|(_, bytes)| has(bytes)).map(|(name, _)| name.as_str()).collect()
    }

    fn has(&self, part: &str) -> bool {
        self.0.iter().any(|(name, bytes)| name.contains(part) && !bytes.is_empty())
    }
}

fn metrics(port: u16) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut page = Vec::new();
    stream.read_to_end(&mut page).unwrap();
    page
}

/// Asks a running instance everything that it may be asked.
fn ask_all(folder: &Folder, outputs: &mut Outputs) {
    let name = instance(folder);
    for command in [
        "status",
        "ps",
        "orders",
        "fills",
        "positions",
        "pnl",
        "books",
        "events",
        "latency",
        "pause",
        "resume",
        "reconcile",
    ] {
        let named = ["--name", &name];
        let once: &[&str] = if command == "latency" { &["--once"] } else { &[] };
        let named: &[&str] = if command == "ps" { &[] } else { &named };
        let said = stoop(folder, &[&[command, "--json"], named, once].concat());
        assert!(!said.stdout.is_empty(), "{command}: {}", stderr(&said));
        outputs.add(&format!("stoop {command}"), [said.stdout, said.stderr].concat());
    }
    for command in ["check", "doctor"] {
        let said = stoop(folder, &[command, "--config", "engine.toml"]);
        outputs.add(&format!("stoop {command}"), [said.stdout, said.stderr].concat());
    }
}

#[test]
fn no_output_of_a_run_holds_a_key() {
    let folder = Folder::new();
    let venues = Venues::start_of(&folder, &NAMES);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let path = config(&folder, &venues, "engine.toml", false);
    let text = std::fs::read_to_string(&path).unwrap();
    let (from, to) = (text.find("instruments = [").unwrap(), text.find("[engine]").unwrap());
    let markets =
        "instruments = [\"BTC/USDT@binance\", \"BTC/USDT@okx\", \"BTC/USD:USDC@hyperliquid\"]";
    let strategy = "[[strategy]]\nname = \"spread\"\nkind = \"spread_arb\"\nrun = \"process\"\n\
                    instruments = [\"BTC/USDT@binance\", \"BTC/USDT@okx\"]\nspread_min_bps = 1\n\
                    qty = \"0.01\"\ncooldown_ms = 20\nlegs = \"parallel\"\nnaked_ms_max = 500\n\
                    naked_qty_max = \"0\"\non_breach = \"unwind\"\nslippage_max_bps = 10\n\n";
    let logs =
        format!("\n[log]\nfolder = \"log\"\nformat = \"json\"\n[metrics]\nlisten = \"{free}\"\n");
    let text = [&text[..from], markets, "\n\n", &text[to..], &logs].concat();
    let text = text.replacen("# Limits that", &format!("{strategy}# Limits that"), 1);
    std::fs::write(&path, text).unwrap();
    let mut engine = Engine::start(&folder.0, &path);
    engine.wait_until_all_ready(&NAMES);
    let mut outputs = Outputs::default();
    std::thread::sleep(Duration::from_secs(2));
    ask_all(&folder, &mut outputs);
    outputs.add("/metrics", metrics(free.port()));
    // The strategy dies: what is written down of it is an output too.
    let pid = strategy_pid(&folder);
    let killed = rustix::process::Pid::from_raw(pid).unwrap();
    for part in ["cmdline", "environ"] {
        for (whose, id) in [("engine", engine.id() as i32), ("strategy", pid)] {
            let read = std::fs::read(format!("/proc/{id}/{part}"));
            outputs.add(&format!("{part} of the {whose}"), read.unwrap_or_default());
        }
    }
    rustix::process::kill_process(killed, rustix::process::Signal::KILL).unwrap();
    let begun = std::time::Instant::now();
    while !folder.0.join("crash").exists() {
        assert!(begun.elapsed() < Duration::from_secs(30), "no bundle");
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(Duration::from_millis(500));
    outputs.add_files(Path::new(&format!("/dev/shm/stoop-{}", instance(&folder))));
    let (status, summary, said) = engine.stop();
    assert!(status.success(), "{said}");
    outputs.add("summary", summary.to_string());
    outputs.add("standard error", said);
    outputs.add_files(&folder.0);
    for part in ["/journal/", "/log/", "/crash/", "/market", "standard error", "cmdline"] {
        assert!(outputs.has(part), "nothing of {part} was searched");
    }
    for (what, secret) in secrets(&folder) {
        let found = outputs.find(&secret);
        assert!(found.is_empty(), "{what} stands in {found:?}");
    }
}

/// The process of the only strategy.
fn strategy_pid(folder: &Folder) -> i32 {
    let region = format!("/dev/shm/stoop-{}", instance(folder));
    stoop::shm::StrategyFile::look(Path::new(&region), "spread").unwrap().pid as i32
}

#[test]
fn a_key_that_is_refused_is_not_repeated() {
    let folder = Folder::new();
    let venues = Venues::start(&folder);
    let path = config(&folder, &venues, "engine.toml", false);
    let wrong = "Zm9yZ2VkLXNlY3JldC1vZi1ub2JvZHktYXQtYWxsLTAxMjM0NTY3ODk";
    std::fs::write(folder.0.join("bybit-api_secret"), wrong).unwrap();
    let key = std::fs::read_to_string(folder.0.join("bybit-api_key")).unwrap();
    let mut engine = Engine::start(&folder.0, &path);
    let begun = std::time::Instant::now();
    while !engine.has_ended() && begun.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(50));
    }
    let said = engine.said();
    assert!(said.contains("bybit"), "it says which venue refused: {said}");
    engine.kill();
    let mut outputs = Outputs::default();
    outputs.add("standard error", said);
    outputs.add_files(&folder.0);
    assert_eq!(outputs.find(wrong), [""; 0]);
    assert_eq!(outputs.find(key.trim()), [""; 0]);
}

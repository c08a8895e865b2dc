//! `kill -9` at random moments of a session that trades: after the restart no order and no fill is
//! lost or doubled, and positions are the venue's to the last digit.
//!
//! The simulated venues live in this process and go on; the engine is a process of its own.
//! `STOOP_KILLS=200 cargo test --release --test end_to_end kill -- --nocapture` kills so often and
//! prints how long it took from start to ready.

use super::support::{Folder, default_venues};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use stoop::agents::journal::restore;
use stoop::cli::ledger::differences;
use stoop::journal::Place;
use stoop::sim::{Embedded, EmbeddedOptions, Ledger, Server, SimHandle, embedded};
use stoop::types::VenueId;

const NAMES: [&str; 2] = ["binance", "bybit"];
const VENUES: [VenueId; 2] = [VenueId(0), VenueId(1)];

/// A start that takes longer says why.
const SLOW: Duration = Duration::from_secs(5);

struct Venues {
    sim: SimHandle,
    /// Keys of the accounts, by venue.
    keys: Vec<String>,
    text: String,
}

impl Venues {
    fn start(folder: &Folder) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let wires = NAMES.map(|name| stoop::sim::venues::wire(name).unwrap());
        let Embedded { options, accounts } =
            embedded(&EmbeddedOptions::default(), wires.into()).unwrap();
        let sim = Server::start(options).unwrap();
        let ca = folder.0.join("ca.pem");
        std::fs::write(&ca, sim.ca_pem()).unwrap();
        let (mut text, mut keys) = (String::new(), Vec::new());
        for name in NAMES {
            let urls = sim.urls(name).unwrap();
            text += &format!(
                "[venue.{name}]\nrest = \"{}\"\npublic = \"{}\"\n",
                urls.rest, urls.public
            );
            for (key, url) in [("trade", &urls.trade), ("private", &urls.private)] {
                if !url.is_empty() {
                    text += &format!("{key} = \"{url}\"\n");
                }
            }
            let account = accounts.iter().find(|account| account.venue == name).unwrap();
            for (what, value) in [("key", &account.key), ("secret", &account.secret)] {
                let file = folder.0.join(format!("{name}-{what}"));
                std::fs::write(&file, value).unwrap();
                std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
                text += &format!("api_{what} = {{ file = \"{}\" }}\n", file.display());
            }
            keys.push(account.key.clone());
        }
        Self { sim, keys, text }
    }

    fn ledgers(&self) -> Vec<(VenueId, Ledger)> {
        let ledger = |at: usize| self.sim.ledger(NAMES[at], &self.keys[at]).unwrap();
        vec![(VENUES[0], ledger(0)), (VENUES[1], ledger(1))]
    }
}

/// The engine as a process; killed when it goes.
struct Engine(Child);

impl Engine {
    fn start(folder: &Path, config: &Path) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_stoop"))
            .args(["run", "--plain", "--config"])
            .arg(config)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        Self(child.unwrap())
    }

    /// Waits until it says that both venues may be traded on, and how long that took.
    fn wait_until_ready(&mut self) -> Duration {
        let begun = Instant::now();
        let stderr = self.0.stderr.take().unwrap();
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut said = Vec::new();
        let mut ready = BTreeMap::new();
        while ready.len() < NAMES.len() {
            let left = Duration::from_secs(40).saturating_sub(begun.elapsed());
            let line = lines.recv_timeout(left);
            let line = line.unwrap_or_else(|_| panic!("not ready: {said:#?}"));
            for name in NAMES {
                if line.contains(&format!("{name} may be traded on")) {
                    ready.insert(name, begun.elapsed());
                }
            }
            said.push(line);
        }
        let took = begun.elapsed();
        if took > SLOW {
            println!("{took:?} from start to ready: {said:#?}");
        }
        took
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The built-in configuration against these venues; `strategy` keeps the built-in strategy.
fn config(folder: &Folder, venues: &Venues, file: &str, strategy: bool) -> std::path::PathBuf {
    let text = stoop::config::DEFAULT_TOML;
    let (from, to) = (text.find("[[strategy]]").unwrap(), text.find("# Limits that").unwrap());
    let strategy = if strategy { text[from..to].to_owned() } else { String::new() };
    let text = [&text[..from], &strategy, &text[to..]].concat();
    let text = text
        .replacen("mode = \"sim\"", "mode = \"testnet\"\nextra_ca = [\"ca.pem\"]", 1)
        .replacen(default_venues(), &venues.text, 1);
    let name = folder.0.file_name().unwrap().to_str().unwrap().replace("stoop-", "");
    let text = text.replacen("name = \"stoop\"", &format!("name = \"{name}\""), 1);
    let path = folder.0.join(file);
    std::fs::write(&path, text).unwrap();
    path
}

/// Small, seeded, good enough to choose moments.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn kill_9_at_any_moment_loses_and_doubles_nothing() {
    let kills: u32 = std::env::var("STOOP_KILLS").map_or(3, |text| text.parse().unwrap());
    let folder = Folder::new();
    let venues = Venues::start(&folder);
    let trading = config(&folder, &venues, "trading.toml", true);
    let quiet = config(&folder, &venues, "quiet.toml", false);
    let mut chance = 0x9e37_79b9_7f4a_7c15u64;
    let mut times = Vec::new();
    let mut unknown = 0;
    for round in 0..kills {
        let mut engine = Engine::start(&folder.0, &trading);
        // Now and then before it is ready.
        if round % 8 != 7 {
            times.push(engine.wait_until_ready());
        }
        std::thread::sleep(Duration::from_micros(next(&mut chance) % 1_500_000));
        engine.kill();
        check(&folder, &quiet, &venues, round, &mut unknown);
    }
    times.sort();
    let fills: u64 = venues.ledgers().iter().map(|(_, ledger)| ledger.fills).sum();
    println!(
        "{kills} kills, {fills} fills at the venues, {unknown} orders not known to have ended at \
         the kills; from start to ready: median {:?}, 90th percentile {:?}, longest {:?}",
        times[times.len() / 2],
        times[times.len() * 9 / 10],
        times[times.len() - 1]
    );
    assert!(fills > u64::from(kills) * 3, "there was too little to lose");
}

/// Starts the engine without a strategy, lets it find out and stop in good order, and compares.
fn check(folder: &Folder, quiet: &Path, venues: &Venues, round: u32, unknown: &mut usize) {
    let name = folder.0.file_name().unwrap().to_str().unwrap().replace("stoop-", "");
    let place = Place::Folder(folder.0.join(format!("journal/{name}-testnet")));
    let killed = restore(&place, true).unwrap();
    *unknown += killed.kept.as_ref().map_or(0, |kept| kept.open_count());
    let output = Command::new(env!("CARGO_BIN_EXE_stoop"))
        .args(["run", "--plain", "--json", "--for", "1500ms", "--config"])
        .arg(quiet)
        .current_dir(&folder.0)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "round {round}: {said}");
    let restored = restore(&place, true).unwrap();
    let kept = restored.kept.as_ref().unwrap();
    assert_eq!(kept.open_count(), 0, "round {round}: {said}");
    let last = restored.final_state(&VENUES);
    let found = differences(kept.instruments(), &last, &venues.ledgers());
    assert!(found.is_empty(), "round {round}: {found:#?}\n{said}");
}

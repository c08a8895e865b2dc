//! Simulated venues in this process and the engine as a process of its own, over real sockets.

use super::support::{Folder, default_venues};
use serde_json::Value;
use std::collections::{BTreeSet, VecDeque};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};
use stoop::journal::Place;
use stoop::sim::{Embedded, EmbeddedOptions, Ledger, Server, SimAccount, SimHandle, embedded};
use stoop::types::VenueId;

pub const NAMES: [&str; 2] = ["binance", "bybit"];
pub const VENUES: [VenueId; 2] = [VenueId(0), VenueId(1)];

/// The venues and what the engine's configuration says of them.
pub struct Venues {
    pub sim: SimHandle,
    names: Vec<&'static str>,
    /// Keys of the accounts, by venue.
    keys: Vec<String>,
    pub text: String,
}

impl Venues {
    pub fn start(folder: &Folder) -> Self {
        Self::start_of(folder, &NAMES)
    }

    pub fn start_of(folder: &Folder, names: &[&'static str]) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let wires = names.iter().map(|name| stoop::sim::venues::wire(name).unwrap());
        let Embedded { options, accounts } =
            embedded(&EmbeddedOptions::default(), wires.collect()).unwrap();
        let sim = Server::start(options).unwrap();
        let ca = folder.0.join("ca.pem");
        std::fs::write(&ca, sim.ca_pem()).unwrap();
        let (mut text, mut keys) = (String::new(), Vec::new());
        for name in names {
            let urls = sim.urls(name).unwrap();
            text += &format!(
                "[venue.{name}]\nrest = \"{}\"\npublic = \"{}\"\n",
                urls.rest, urls.public
            );
            // Where both go over one address the engine must be told so, or it takes the venue's own.
            let one = *name == "hyperliquid";
            let private = if one { &urls.trade } else { &urls.private };
            for (key, url) in [("trade", &urls.trade), ("private", private)] {
                if !url.is_empty() {
                    text += &format!("{key} = \"{url}\"\n");
                }
            }
            let account = accounts.iter().find(|account| account.venue == *name).unwrap();
            let SimAccount { key, secret, passphrase, .. } = account;
            let needed = [("api_key", key), ("api_secret", secret), ("passphrase", passphrase)];
            for (what, value) in needed.into_iter().filter(|(_, value)| !value.is_empty()) {
                let file = folder.0.join(format!("{name}-{what}"));
                std::fs::write(&file, value).unwrap();
                std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
                text += &format!("{what} = {{ file = \"{}\" }}\n", file.display());
            }
            keys.push(account.key.clone());
        }
        Self { sim, names: names.to_vec(), keys, text }
    }

    /// Key of the account at one of them.
    pub fn key(&self, name: &str) -> &str {
        &self.keys[self.names.iter().position(|known| *known == name).unwrap()]
    }

    pub fn ledgers(&self) -> Vec<(VenueId, Ledger)> {
        let venue = |name: &str| stoop::venues::find(name).unwrap();
        let ledger = |name: &str| self.sim.ledger(name, self.key(name)).unwrap();
        self.names.iter().map(|name| (venue(name), ledger(name))).collect()
    }
}

/// Name of the instance that runs in this folder.
pub fn instance(folder: &Folder) -> String {
    folder.0.file_name().unwrap().to_str().unwrap().replace("stoop-", "")
}

/// Where the engine in this folder keeps its journal.
pub fn journal(folder: &Folder) -> Place {
    Place::Folder(folder.0.join(format!("journal/{}-testnet", instance(folder))))
}

/// The built-in configuration against these venues; `strategy` keeps the built-in strategy.
pub fn config(folder: &Folder, venues: &Venues, file: &str, strategy: bool) -> PathBuf {
    let text = stoop::config::DEFAULT_TOML;
    let (from, to) = (text.find("[[strategy]]").unwrap(), text.find("# Limits that").unwrap());
    let strategy = if strategy { text[from..to].to_owned() } else { String::new() };
    let text = [&text[..from], &strategy, &text[to..]].concat();
    let text = text
        .replacen("mode = \"sim\"", "mode = \"testnet\"\nextra_ca = [\"ca.pem\"]", 1)
        .replacen(default_venues(), &venues.text, 1);
    let text = text.replacen("name = \"stoop\"", &format!("name = \"{}\"", instance(folder)), 1);
    let path = folder.0.join(file);
    std::fs::write(&path, text).unwrap();
    path
}

/// A start that takes longer says why.
const SLOW: Duration = Duration::from_secs(5);

/// Most of what an engine said that is kept for the report of a failure.
const SAID_MAX: usize = 400;

/// The engine as a process; killed when it goes.
pub struct Engine {
    child: Child,
    lines: Receiver<String>,
    said: VecDeque<String>,
}

impl Engine {
    pub fn start(folder: &Path, config: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_stoop"))
            .args(["run", "--plain", "--json", "--config"])
            .arg(config)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { child, lines, said: VecDeque::new() }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it says that both venues may be traded on, and how long that took.
    pub fn wait_until_ready(&mut self) -> Duration {
        self.wait_until_all_ready(&NAMES)
    }

    /// The same of these venues.
    pub fn wait_until_all_ready(&mut self, names: &[&'static str]) -> Duration {
        let begun = Instant::now();
        let mut ready = BTreeSet::new();
        while ready.len() < names.len() {
            let left = Duration::from_secs(40).saturating_sub(begun.elapsed());
            let line = self.lines.recv_timeout(left);
            let line = line.unwrap_or_else(|_| panic!("not ready: {:#?}", self.said));
            let says = |name: &&str| line.contains(&format!("{name} may be traded on"));
            ready.extend(names.iter().copied().filter(says));
            self.keep(line);
        }
        let took = begun.elapsed();
        if took > SLOW {
            println!("{took:?} from start to ready: {:#?}", self.said);
        }
        took
    }

    /// The last lines that it said.
    pub fn said(&mut self) -> String {
        while let Ok(line) = self.lines.try_recv() {
            self.keep(line);
        }
        self.said.iter().map(|line| format!("{line}\n")).collect()
    }

    fn keep(&mut self, line: String) {
        if self.said.len() == SAID_MAX {
            self.said.pop_front();
        }
        self.said.push_back(line);
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Asks it to stop as a service manager does, and waits for the end: its exit status, its
    /// summary and what it said.
    pub fn stop(mut self) -> (ExitStatus, Value, String) {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
        let mut text = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        let status = self.child.wait().unwrap();
        let summary = text.lines().last().map(serde_json::from_str);
        let said = self.said();
        match summary {
            Some(Ok(summary)) => (status, summary, said),
            _ => panic!("no summary: {text}\n{said}"),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! The engine's cold thread: the control socket, the kill file, a watch over the order manager's
//! heartbeat, crash bundles, spare connections for lost executors, and the processes of strategies.
//!
//! Never runs on an agent's thread and never waits for one. An order manager that stands still is
//! given up as lost: the executors cancel without it. In a folded loop they stand still with it; only
//! the venue's own dead-man switch or a person at the venue can cancel then, and they do so
//! themselves once the loop moves again.

pub mod children;
pub mod crash;
mod output;
mod params;
mod socket;
mod spare;
mod wire;

pub use params::{ParamText, StrategyText};
pub use socket::Socket;
pub use spare::{OpenSession, Spare, SparePlan};
pub use wire::{
    COMMANDS, ControlReply, ControlRequest, Names, OrderText, PositionText, Understood, Wanted,
};

use super::journal::last_lines;
use super::log::Log;
use super::silence::{Heard, Silence};
use super::threads::{Lifecycle, Phase, join_within};
use crate::clock::Clock;
use crate::journal::Place;
use crate::shm::MarketView;
use crate::types::{Nanos, Teller};
use children::Children;
use crash::{CrashWriter, Incident, Incidents};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Name of the socket in the instance's folder.
pub const SOCKET_NAME: &str = "control.sock";
/// Name of the kill file there, unless the configuration names another.
pub const KILL_FILE_NAME: &str = "KILL";

/// Name of the configuration there, for processes of strategies.
pub const CONFIG_NAME: &str = "engine.toml";

/// The order manager's name among the agents.
const OMS: &str = "oms";
/// The name of its thread.
pub(super) const THREAD_NAME: &str = "control";
/// How long bundles may take once the engine has ended: a journal is read and a slow disk written.
pub(super) const BUNDLES_TIMEOUT: Duration = Duration::from_secs(30);
const ROUND: Duration = Duration::from_millis(10);
/// Records of the journal in a crash bundle.
const JOURNAL_LINES: usize = 200;
const KILL_FILE_EVERY: Duration = Duration::from_millis(100);

/// What the thread is made of.
pub struct ControlParts {
    /// The socket.
    pub socket: Socket,
    /// File whose appearance stops the engine.
    pub kill_file: PathBuf,
    /// The region.
    pub view: MarketView,
    /// An order manager that has been silent for so long stands still.
    pub silence_max_ns: u64,
    /// Panics of the agents.
    pub incidents: Incidents,
    /// Where they are written down.
    pub crashes: Arc<CrashWriter>,
    /// Whose last records are written down with them.
    pub journal: Option<Place>,
    /// How to replace lost executors.
    pub spares: Vec<SparePlan>,
    /// Strategies in processes of their own.
    pub children: Children,
    /// Time.
    pub clock: Clock,
    /// The engine's life.
    pub lifecycle: Lifecycle,
    /// Log.
    pub log: Log,
}

/// See the module.
pub struct Control {
    parts: ControlParts,
    /// The order manager's.
    silence: Silence,
    /// It panicked: its heart is known to stand still.
    oms_lost: bool,
    spares: Vec<Spare>,
    /// Threads that write bundles.
    writers: Vec<JoinHandle<()>>,
    kill_at: Instant,
}

/// Starts the thread; it ends by itself after the engine has.
pub fn start(parts: ControlParts) -> Result<JoinHandle<()>, String> {
    let mut control = Control::new(parts);
    let body = move || {
        while !control.is_over() {
            control.poll(Instant::now());
            std::thread::sleep(ROUND);
        }
        control.poll(Instant::now());
        control.finish();
    };
    let thread = std::thread::Builder::new().name(THREAD_NAME.to_owned()).spawn(body);
    thread.map_err(|error| format!("a thread could not be started: {error}"))
}

impl Control {
    /// Ready to be polled.
    #[must_use]
    pub fn new(parts: ControlParts) -> Self {
        let (spares, writers) = (Vec::new(), Vec::new());
        Self {
            parts,
            silence: Silence::default(),
            oms_lost: false,
            spares,
            writers,
            kill_at: Instant::now(),
        }
    }

    fn is_over(&self) -> bool {
        let over = self.parts.socket.is_over() && self.parts.children.is_over();
        self.parts.lifecycle.phase() == Phase::Done && over
    }

    /// One round.
    pub fn poll(&mut self, now: Instant) {
        self.parts.socket.poll(now);
        let time = self.parts.clock.now();
        if now >= self.kill_at {
            self.kill_at = now + KILL_FILE_EVERY;
            self.look_for_kill_file(time);
        }
        let phase = self.parts.lifecycle.phase();
        let (stops, leaves) = (phase >= Phase::Stopping, phase >= Phase::Leaving);
        let deaths = self.parts.children.poll((now, time), stops, leaves);
        self.write_down(deaths, time);
        let incidents = self.parts.incidents.take();
        for incident in &incidents {
            self.oms_lost |= incident.agent == OMS;
            self.replace(&incident.agent, time);
        }
        self.write_down(incidents, time);
        if self.parts.lifecycle.phase() < Phase::Leaving && !self.oms_lost {
            let (beat, max_ns) = (self.parts.view.heartbeat(), self.parts.silence_max_ns);
            if let Some(Heard::Silence(silence_ns)) = self.silence.look(beat, max_ns, time) {
                self.on_stand_still(silence_ns, time);
            }
        }
        for spare in &mut self.spares {
            spare.poll(time);
            if spare.is_done() {
                self.parts.lifecycle.clear(spare.executor());
            }
        }
    }

    fn look_for_kill_file(&mut self, now: Nanos) {
        let path = &self.parts.kill_file;
        if self.parts.lifecycle.phase() != Phase::Running {
            return;
        }
        let Ok(found) = path.symlink_metadata() else { return };
        let uid = found.uid();
        let reason = format!("kill file {} of user {uid} appeared", path.display());
        let text = format_args!("{reason}: stopping, all orders are cancelled");
        self.parts.log.error(now, text);
        self.parts.lifecycle.stop_for(Teller::KillFile { uid }, &reason);
    }

    /// A lost executor alone held its venue's connections: others take its place to cancel.
    fn replace(&mut self, agent: &str, now: Nanos) {
        let Some(plan) = self.parts.spares.iter().find(|plan| plan.executor == agent) else {
            return;
        };
        match Spare::new(plan, self.parts.log.named(agent)) {
            Ok(spare) => {
                let text = format_args!("{agent}: a spare connection is made to cancel its orders");
                self.parts.log.error(now, text);
                self.spares.push(spare);
            }
            Err(error) => {
                let text = format_args!(
                    "{agent}: no spare connection: {error}: cancel at the venue by hand"
                );
                self.parts.log.error(now, text);
            }
        }
    }

    fn on_stand_still(&mut self, silence_ns: u64, now: Nanos) {
        let message = format!(
            "the order manager has stood still for {} ms: the executors cancel all orders without it",
            silence_ns / 1_000_000
        );
        self.parts.log.error(now, format_args!("{message}"));
        self.parts.lifecycle.stop_because("the order manager stood still");
        self.parts.lifecycle.lose_agent();
        let (agent, thread) = (OMS.to_owned(), "?".to_owned());
        self.write_down(
            vec![Incident { agent, thread, message, backtrace: None, files: Vec::new() }],
            now,
        );
    }

    /// Bundles are written on a thread of their own: a journal is read and a disk is waited for, while
    /// spare connections are to cancel and the kill file and the socket to be seen.
    fn write_down(&mut self, incidents: Vec<Incident>, now: Nanos) {
        self.writers.retain(|writer| !writer.is_finished());
        if incidents.is_empty() {
            return;
        }
        let (crashes, place) = (self.parts.crashes.clone(), self.parts.journal.clone());
        let mut log = self.parts.log.clone();
        let body = move || {
            let journal = place.map_or_else(Vec::new, |place| last_lines(&place, JOURNAL_LINES));
            for incident in &incidents {
                match crashes.write(incident, &journal, now) {
                    Ok(path) => {
                        log.error(now, format_args!("what was known is in {}", path.display()))
                    }
                    Err(error) => log.error(now, format_args!("no crash bundle: {error}")),
                }
            }
        };
        match std::thread::Builder::new().name("crash".to_owned()).spawn(body) {
            Ok(writer) => self.writers.push(writer),
            Err(error) => self.parts.log.error(now, format_args!("no crash bundle: {error}")),
        }
    }

    /// What is being written is finished, if the disk does its part.
    fn finish(&mut self) {
        let lost = unwritten(std::mem::take(&mut self.writers), BUNDLES_TIMEOUT);
        if let Some(text) = lost {
            self.parts.log.error(self.parts.clock.now(), format_args!("{text}"));
        }
    }
}

/// Waits so long for bundles to be written. What to say of those that are not.
fn unwritten(writers: Vec<JoinHandle<()>>, bound: Duration) -> Option<String> {
    let left = join_within(writers, bound).len();
    let text = format!(
        "{left} crash bundles were not written within {} s: what they hold is not complete",
        bound.as_secs()
    );
    (left > 0).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn bundles_that_are_not_written_in_time_are_told_of() {
        let writer = |ms| std::thread::spawn(move || std::thread::sleep(Duration::from_millis(ms)));
        assert_eq!(unwritten(vec![writer(20), writer(1)], Duration::from_secs(20)), None);
        let (disk, answer) = channel::<()>();
        let slow = std::thread::spawn(move || {
            let _ = answer.recv();
        });
        let told = unwritten(vec![writer(0), slow], Duration::from_secs(1)).unwrap();
        assert!(told.starts_with("1 crash bundles were not written within 1 s"), "{told}");
        drop(disk);
    }
}

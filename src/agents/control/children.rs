//! Strategies in processes of their own: started, listened to, ended if they hang, written down when
//! they die, started again where the configuration says so.
//!
//! The order manager is told of a death at once: it pauses the strategy and cancels its orders
//! ([`super::super::children`]). A process that is started again gets a fresh file: what the one before
//! may have written over its own is no part of it.
//!
//! ```text
//! Waits -> Joins (a fresh file) -> Runs -> Dead (orders, bundle) -> Waits | Over
//! ```

#![forbid(unsafe_code)]

mod autopsy;
mod launch;

pub use launch::{PROCESS_COMMAND, environment};

use super::super::children::{Death as ToldDeath, Left, News};
use super::super::log::Log;
use super::super::silence::{Heard, Silence};
use super::crash::Incident;
use super::output::{Output, make_folder};
use super::wire::Names;
use crate::config::ProcessConfig;
use crate::shm::{MarketView, Pulse, StrategyFile, StrategyOptions};
use crate::types::{Nanos, ProcessEnd};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{Receiver, SyncSender, channel};
use std::time::{Duration, Instant};

/// From SIGTERM to SIGKILL.
const TERM_TIMEOUT: Duration = Duration::from_millis(500);
/// How long a process may take until its strategy beats for the first time.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the order manager may take to say which orders it left.
const ORDERS_TIMEOUT: Duration = Duration::from_secs(2);
const HOUR: Duration = Duration::from_secs(3_600);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// One strategy that runs in a process.
#[derive(Clone)]
pub struct ChildPlan {
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub process: ProcessConfig,
    /// Of its file.
    pub options: StrategyOptions,
    /// Of its first file, which is there already.
    pub pulse: Pulse,
}

/// What all of them share.
pub struct Nursery {
    /// The instance's folder.
    pub folder: PathBuf,
    /// Where what they print is kept.
    pub output: PathBuf,
    /// See [`environment`].
    pub environment: Vec<(OsString, OsString)>,
    /// To the order manager.
    pub news: SyncSender<News>,
    /// The region.
    pub view: MarketView,
    /// Names for people.
    pub names: Names,
    /// A strategy that has been silent for so long hangs.
    pub silence_max_ns: u64,
}

/// See the module.
pub struct Children {
    /// Without it there are none.
    shared: Option<Nursery>,
    rows: Vec<Row>,
}

struct Row {
    plan: ChildPlan,
    state: State,
    log: Log,
    /// Starts so far, and those after a crash of the last hour.
    runs: u32,
    restarts: Vec<Instant>,
    /// That it is not started again, until the order manager takes it.
    end: Option<ProcessEnd>,
}

enum State {
    /// It is started at this time.
    Waits(Instant),
    /// The order manager takes over its new file.
    Joins(Receiver<()>),
    Runs(Box<Running>),
    /// The order manager says which orders it left.
    Dead(Box<Death>, Receiver<Left>, Instant),
    Over,
}

struct Running {
    child: Child,
    started: Nanos,
    /// By when its strategy has to live.
    born_by: Instant,
    outputs: [Option<Output>; 2],
    silence: Silence,
    /// Why it was told to end, and when it is killed.
    condemned: Option<(String, Instant)>,
    killed: bool,
    threads: String,
}

/// How a process ended and what is known of it.
struct Death {
    pid: u32,
    status: ExitStatus,
    how: String,
    /// Why it was killed, if it was us.
    why: Option<String>,
    noticed: Nanos,
    heartbeat: Nanos,
    ran_ms: u64,
    runs: u32,
    /// While the engine traded: at the end it is no loss that nobody comes after it.
    missed: bool,
    stdout: String,
    stderr: String,
    threads: String,
}

impl Children {
    /// None of them is started yet.
    pub fn new(shared: Nursery, plans: Vec<ChildPlan>, log: &Log) -> Result<Self, String> {
        if !plans.is_empty() {
            make_folder(&shared.output)?;
        }
        let now = Instant::now();
        let row = |plan: ChildPlan| Row {
            log: log.named(&format!("strategy:{}", plan.name)),
            plan,
            state: State::Waits(now),
            runs: 0,
            restarts: Vec::new(),
            end: None,
        };
        Ok(Self { shared: Some(shared), rows: plans.into_iter().map(row).collect() })
    }

    /// None at all.
    #[must_use]
    pub fn none() -> Self {
        Self { shared: None, rows: Vec::new() }
    }

    /// One round; gives what is to be written down. While the engine `stops` nothing is started, and
    /// once it `leaves` all are ended.
    pub fn poll(
        &mut self,
        (now, time): (Instant, Nanos),
        stops: bool,
        leaves: bool,
    ) -> Vec<Incident> {
        let mut incidents = Vec::new();
        let Some(shared) = &self.shared else { return incidents };
        for row in &mut self.rows {
            incidents.extend(row.poll(shared, (now, time), stops, leaves));
            row.tell_end(shared);
        }
        incidents
    }

    /// Whether none of them runs or will again.
    pub fn is_over(&self) -> bool {
        self.rows.iter().all(|row| matches!(row.state, State::Over))
    }
}

impl Row {
    fn poll(
        &mut self,
        shared: &Nursery,
        (now, time): (Instant, Nanos),
        stops: bool,
        leaves: bool,
    ) -> Option<Incident> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Waits(_) | State::Joins(_) if stops => None,
            State::Waits(at) if now < at => self.stay(State::Waits(at)),
            State::Waits(_) if self.runs == 0 => self.start(shared, now, time),
            State::Waits(_) => self.join(shared, now, time),
            State::Joins(taken) => match taken.try_recv() {
                Err(std::sync::mpsc::TryRecvError::Empty) => self.stay(State::Joins(taken)),
                _ => self.start(shared, now, time),
            },
            State::Runs(running) => self.watch(running, shared, (now, time), (stops, leaves)),
            State::Dead(death, left, until) => match left.try_recv() {
                Err(_) if now < until && !leaves => self.stay(State::Dead(death, left, until)),
                left => self.bury(&death, &left.unwrap_or_default(), shared, (now, stops)),
            },
            State::Over => None,
        }
    }

    /// The order manager may take nothing just now; it is told in a later round then.
    fn tell_end(&mut self, shared: &Nursery) {
        let Some(end) = self.end else { return };
        if shared.news.try_send(News::Ended(self.plan.options.strategy, end)).is_ok() {
            self.end = None;
        }
    }

    fn stay(&mut self, state: State) -> Option<Incident> {
        self.state = state;
        None
    }

    fn start(&mut self, shared: &Nursery, now: Instant, time: Nanos) -> Option<Incident> {
        self.runs += 1;
        let mut child = match launch::launch(&self.plan, &shared.environment) {
            Ok(child) => child,
            Err(error) => {
                self.log.error(time, format_args!("its process could not be started: {error}"));
                self.end = Some(ProcessEnd::NotStarted);
                return None;
            }
        };
        self.log.info(time, format_args!("runs as process {}", child.id()));
        let path = |end| shared.output.join(format!("strategy-{}.{end}", self.plan.name));
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let log = &mut self.log;
        let outputs = [
            out.map(|stream| Output::new(stream.into(), path("out"), false, (log, time))),
            err.map(|stream| Output::new(stream.into(), path("err"), true, (log, time))),
        ];
        self.stay(State::Runs(Box::new(Running {
            child,
            started: time,
            born_by: now + START_TIMEOUT,
            outputs,
            silence: Silence::default(),
            condemned: None,
            killed: false,
            threads: String::new(),
        })))
    }

    /// Makes a fresh file and hands the order manager its end.
    fn join(&mut self, shared: &Nursery, now: Instant, time: Nanos) -> Option<Incident> {
        let options = StrategyOptions { run: self.runs, ..self.plan.options };
        let made = StrategyFile::create(&shared.folder, &self.plan.name, &options);
        let (end, _) = match made {
            Ok(ends) => ends,
            Err(error) => {
                self.log.error(time, format_args!("it is not started again: {error}"));
                self.end = Some(ProcessEnd::NotStarted);
                return None;
            }
        };
        self.plan.pulse = end.pulse();
        let (to, taken) = channel();
        let (strategy, resumes) = (self.plan.options.strategy, self.plan.process.resumes);
        let news = News::Born { strategy, end: Box::new(end), resumes, taken: to };
        if shared.news.try_send(news).is_err() {
            // The order manager takes nothing: nothing is to be traded then.
            return self.stay(State::Waits(now + PAUSE_MAX));
        }
        self.stay(State::Joins(taken))
    }

    fn watch(
        &mut self,
        mut running: Box<Running>,
        shared: &Nursery,
        (now, time): (Instant, Nanos),
        (stops, leaves): (bool, bool),
    ) -> Option<Incident> {
        running.read(&mut self.log, time);
        if let Some(status) = running.end_of_it() {
            // What it wrote last is there now.
            for output in running.outputs.iter_mut().flatten() {
                output.finish(&mut self.log, time);
            }
            if leaves {
                self.log.info(time, format_args!("{}", autopsy::ending(status)));
                return None;
            }
            return self.on_death(&running, status, shared, (now, time, stops));
        }
        if leaves && running.condemned.is_none() {
            running.condemn("the engine ends", now);
        }
        // Who is told to stop falls silent.
        if !stops {
            self.look_for_life(&mut running, shared, now, time);
        }
        if running.condemned.as_ref().is_some_and(|(_, until)| now >= *until) && !running.killed {
            running.killed = true;
            running.signal(Signal::KILL);
        }
        self.stay(State::Runs(running))
    }

    fn look_for_life(
        &mut self,
        running: &mut Running,
        shared: &Nursery,
        now: Instant,
        time: Nanos,
    ) {
        if running.condemned.is_some() {
            return;
        }
        let beat = self.plan.pulse.heartbeat();
        let why = match running.silence.look(beat, shared.silence_max_ns, time) {
            Some(Heard::Silence(silence_ns)) => {
                format!("its strategy has been silent for {} ms", silence_ns / 1_000_000)
            }
            _ if beat == Nanos(0) && now >= running.born_by => {
                format!("its strategy did not begin within {} s", START_TIMEOUT.as_secs())
            }
            _ => return,
        };
        running.threads = autopsy::threads(running.child.id());
        self.log.error(time, format_args!("{why}: process {} is ended", running.child.id()));
        running.condemn(&why, now);
    }

    fn on_death(
        &mut self,
        running: &Running,
        status: ExitStatus,
        shared: &Nursery,
        (now, time, stops): (Instant, Nanos, bool),
    ) -> Option<Incident> {
        let (to, left) = channel();
        let strategy = self.plan.options.strategy;
        // Full only if the order manager stands still, which is seen elsewhere.
        let _ = shared.news.try_send(News::Died(ToldDeath { strategy, noticed: time, left: to }));
        let how = autopsy::ending(status);
        let tail = |at: usize| running.outputs[at].as_ref().map(Output::tail).unwrap_or_default();
        let why = running.condemned.as_ref().map(|(why, _)| why.clone());
        let ran_ms = autopsy::ran_ms(running.started, time);
        let text = why.as_ref().map(|why| format!("{why}; ")).unwrap_or_default();
        self.log.error(time, format_args!("{text}{how} after {ran_ms} ms"));
        let death = Death {
            pid: running.child.id(),
            status,
            how,
            why,
            noticed: time,
            heartbeat: self.plan.pulse.heartbeat(),
            ran_ms,
            runs: self.runs,
            missed: !stops,
            stdout: tail(0),
            stderr: tail(1),
            threads: running.threads.clone(),
        };
        self.stay(State::Dead(Box::new(death), left, now + ORDERS_TIMEOUT))
    }

    /// What is to be written down; and whether it is started again.
    fn bury(
        &mut self,
        death: &Death,
        left: &Left,
        shared: &Nursery,
        (now, stops): (Instant, bool),
    ) -> Option<Incident> {
        self.end = death.missed.then(|| autopsy::end(death.status));
        if !autopsy::is_crash(death.status, death.why.as_deref()) {
            return None;
        }
        let place = (&*shared.folder, &shared.view, &shared.names);
        let incident = autopsy::incident((&self.plan, death), left, place);
        if stops {
            return Some(incident);
        }
        if let Some(pause) = self.pause(now) {
            let ms = pause.as_millis();
            self.log.warn(death.noticed, format_args!("it is started again in {ms} ms"));
            (self.state, self.end) = (State::Waits(now + pause), None);
        } else if self.plan.process.restarts {
            let most = self.plan.process.restarts_per_hour_max;
            let text = format_args!("not started again: it crashed after {most} starts in an hour");
            self.log.error(death.noticed, text);
        }
        Some(incident)
    }

    /// How long it stays dead; `None`: for ever.
    fn pause(&mut self, now: Instant) -> Option<Duration> {
        let ProcessConfig { restarts, restart_after_ns, restarts_per_hour_max, .. } =
            self.plan.process;
        self.restarts.retain(|at| now.duration_since(*at) < HOUR);
        let before = self.restarts.len() as u32;
        if !restarts || before >= restarts_per_hour_max {
            return None;
        }
        self.restarts.push(now);
        let first = Duration::from_nanos(restart_after_ns);
        Some(first.saturating_mul(1 << before.min(16)).min(PAUSE_MAX))
    }
}

impl Running {
    fn read(&mut self, log: &mut Log, now: Nanos) {
        for output in self.outputs.iter_mut().flatten() {
            output.poll(log, now);
        }
    }

    /// How it ended, if it has. What it started itself ends with it, while its number is still its own.
    fn end_of_it(&mut self) -> Option<ExitStatus> {
        let pid = Pid::from_raw(self.child.id() as i32)?;
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(pid), look).ok()??;
        self.signal(Signal::KILL);
        self.child.try_wait().ok()?
    }

    fn condemn(&mut self, why: &str, now: Instant) {
        self.condemned = Some((why.to_owned(), now + TERM_TIMEOUT));
        self.signal(Signal::TERM);
    }

    /// To the process and all that it started, if there is still one of them.
    fn signal(&self, signal: Signal) {
        if let Some(group) = Pid::from_raw(self.child.id() as i32) {
            let _ = kill_process_group(group, signal);
        }
    }
}

/// The control thread is lost: nothing of it stays behind.
impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.signal(Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

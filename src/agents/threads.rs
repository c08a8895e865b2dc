//! Which agents run on which thread, pinned where, and the loop that polls them.
//!
//! A round polls each agent of the thread once, in the order of the plan; where all are folded into
//! one loop that is feeds, strategies, order manager, executors, so that a tick leaves as an order in
//! the round in which it was read. The rounds are a cycle: what an executor reads (an acknowledgement,
//! a fill) reaches the order manager in the next round, behind the feeds. So no burst of market data
//! may hold a fill up by more than one bounded round: a feed reads a bounded number of messages per
//! poll and leaves the rest in its socket, an executor reads its own in every poll, but for a poll
//! that sent orders and was not preceded by such a one.

use super::control::crash::{self, Incidents};
use super::duty::DutyCycle;
use super::log::Log;
use crate::clock::Clock;
use crate::config::{Idle, ThreadConfig};
use crate::shm::DutyWriter;
use crate::sync::CachePadded;
use crate::types::{Nanos, Teller};
use std::fmt;
use std::mem::offset_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A part of the engine that is polled: bounded work, never blocking, no hidden thread.
pub trait Agent: Send {
    /// Its name in `engine.toml`: `feed:binance`, `oms`.
    fn name(&self) -> &str;

    /// One round. Returns how much was done; 0 lets the loop idle.
    fn poll(&mut self, now: Nanos) -> usize;
}

/// How far the engine is with its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// Trading.
    Running = 0,
    /// No new orders; cancelling and confirming.
    Stopping = 1,
    /// An agent is lost: every executor cancels what its venue holds.
    Emergency = 2,
    /// Time is up: the order manager says what it knows, whatever is still open.
    Leaving = 3,
    /// All loops end.
    Done = 4,
}

/// The phase, shared by all threads. It only ever goes forward.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    flags: Arc<Flags>,
}

/// What loops and executors read in every round lies where nothing else is written.
#[derive(Debug, Default)]
struct Flags {
    phase: CachePadded<AtomicU8>,
    lost: CachePadded<AtomicBool>,
    refused: CachePadded<AtomicBool>,
    frame: CachePadded<AtomicU64>,
    /// Who stops it, if anybody does, and why.
    reason: OnceLock<(Option<Teller>, String)>,
    cleared: Mutex<Vec<String>>,
}

const _: () = {
    let pairs = [
        offset_of!(Flags, phase),
        offset_of!(Flags, lost),
        offset_of!(Flags, refused),
        offset_of!(Flags, frame),
    ];
    let others = [offset_of!(Flags, reason), offset_of!(Flags, cleared)];
    let mut index = 0;
    while index < pairs.len() {
        assert!(pairs[index].is_multiple_of(128) && size_of::<CachePadded<AtomicU64>>() == 128);
        assert!(others[0] / 128 != pairs[index] / 128 && others[1] / 128 != pairs[index] / 128);
        index += 1;
    }
    assert!(align_of::<Loop>() == 128, "its account is written in every round");
};

impl Lifecycle {
    /// The phase now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.flags.phase.0.load(Ordering::Acquire) {
            0 => Phase::Running,
            1 => Phase::Stopping,
            2 => Phase::Emergency,
            3 => Phase::Leaving,
            _ => Phase::Done,
        }
    }

    /// Goes forward to `phase`; going back is ignored.
    pub fn advance(&self, phase: Phase) {
        self.flags.phase.0.fetch_max(phase as u8, Ordering::AcqRel);
    }

    /// Begins to stop, for this reason; the first one given stays.
    pub fn stop_because(&self, reason: &str) {
        let _ = self.flags.reason.set((None, reason.to_owned()));
        self.advance(Phase::Stopping);
    }

    /// The same where somebody wants it to.
    pub fn stop_for(&self, teller: Teller, reason: &str) {
        let _ = self.flags.reason.set((Some(teller), reason.to_owned()));
        self.advance(Phase::Stopping);
    }

    /// Who wants the engine to stop; the end of the run where that is nobody.
    #[must_use]
    pub fn teller(&self) -> Teller {
        self.flags.reason.get().and_then(|(teller, _)| *teller).unwrap_or(Teller::End)
    }

    /// Why the engine stops, if anybody said.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.flags.reason.get().map(|(_, reason)| reason.as_str())
    }

    /// An agent is lost: the emergency begins.
    pub fn lose_agent(&self) {
        self.flags.lost.0.store(true, Ordering::Release);
        self.advance(Phase::Emergency);
    }

    /// Whether an agent was lost.
    #[must_use]
    pub fn has_lost_agent(&self) -> bool {
        self.flags.lost.0.load(Ordering::Acquire)
    }

    /// In the emergency: this executor's venue, or that of its spare, has confirmed that nothing
    /// works there any more.
    pub fn clear(&self, executor: &str) {
        let mut cleared = self.flags.cleared.lock().unwrap_or_else(PoisonError::into_inner);
        if !cleared.iter().any(|known| known == executor) {
            cleared.push(executor.to_owned());
        }
    }

    /// See [`Lifecycle::clear`].
    #[must_use]
    pub fn is_cleared(&self, executor: &str) -> bool {
        let cleared = self.flags.cleared.lock().unwrap_or_else(PoisonError::into_inner);
        cleared.iter().any(|known| known == executor)
    }

    /// The message that was read at this time is to be shown by whoever has it.
    pub fn want_frame(&self, recv_ns: Nanos) {
        self.flags.frame.0.store(recv_ns.0, Ordering::Relaxed);
    }

    /// The message that was asked for last.
    #[must_use]
    pub fn wanted_frame(&self) -> Nanos {
        Nanos(self.flags.frame.0.load(Ordering::Relaxed))
    }

    /// A venue refused a login for good.
    pub fn refuse_login(&self) {
        self.flags.refused.0.store(true, Ordering::Release);
    }

    /// Whether a venue refused a login for good.
    #[must_use]
    pub fn is_login_refused(&self) -> bool {
        self.flags.refused.0.load(Ordering::Acquire)
    }
}

/// One thread to be: its agents by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadPlan {
    /// CPU to pin to.
    pub core: Option<usize>,
    /// What to do without work.
    pub idle: Idle,
    /// Its agents, in the order in which they are polled.
    pub runs: Vec<String>,
}

/// Threads for `agents` on a host with `cpus` CPUs for us, of which `reserved` are needed by others
/// (the embedded venues, the screen). One thread each where they fit, otherwise one loop.
#[must_use]
pub fn automatic_plan(
    agents: &[String],
    cpus: usize,
    reserved: usize,
    idle: Idle,
) -> Vec<ThreadPlan> {
    let plan = |runs: Vec<String>| ThreadPlan { core: None, idle, runs };
    if cpus >= agents.len() + reserved {
        agents.iter().map(|agent| plan(vec![agent.clone()])).collect()
    } else {
        vec![plan(agents.to_vec())]
    }
}

impl From<&ThreadConfig> for ThreadPlan {
    fn from(config: &ThreadConfig) -> Self {
        Self { core: config.core, idle: config.idle, runs: config.runs.clone() }
    }
}

impl fmt::Display for ThreadPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.core {
            Some(core) => write!(f, "cpu {core}")?,
            None => f.write_str("not pinned")?,
        }
        let idle = match self.idle {
            Idle::Spin => "spin",
            Idle::Yield => "yield",
            Idle::Park => "park",
        };
        write!(f, ", {idle}: {}", self.runs.join(" "))
    }
}

/// CPUs that this process may run on.
#[must_use]
pub fn allowed_cpus() -> Vec<usize> {
    rustix::thread::sched_getaffinity(None)
        .map(|set| (0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect())
        .unwrap_or_default()
}

/// Whether a thread may be pinned to `core`; the message names what there is.
pub fn check_core(core: usize, allowed: &[usize]) -> Result<(), String> {
    if allowed.contains(&core) {
        return Ok(());
    }
    let present = std::fs::read_to_string("/sys/devices/system/cpu/present").unwrap_or_default();
    let present = present.trim();
    let allowed: Vec<String> = allowed.iter().map(usize::to_string).collect();
    let allowed = allowed.join(", ");
    if cpu_list_contains(present, core) {
        return Err(format!("core = {core}: this process may not run there; allowed: {allowed}"));
    }
    Err(format!("core = {core}: this host has no such CPU; present: {present}"))
}

/// Whether a kernel CPU list such as `0-3,8` holds `cpu`.
fn cpu_list_contains(list: &str, cpu: usize) -> bool {
    list.split(',').any(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match (first.parse::<usize>(), last.parse::<usize>()) {
            (Ok(first), Ok(last)) => (first..=last).contains(&cpu),
            _ => false,
        }
    })
}

/// Pins the calling thread and reads the mask back. The error says why it could not be.
pub fn pin(core: usize) -> Result<(), String> {
    if !core_affinity::set_for_current(core_affinity::CoreId { id: core }) {
        let error = std::io::Error::last_os_error();
        return Err(format!("core = {core}: pinning failed: {error}"));
    }
    let mask = allowed_cpus();
    if mask == [core] {
        Ok(())
    } else {
        Err(format!("core = {core}: the mask reads back {mask:?}"))
    }
}

/// Starts a thread that polls `agents` until the phase is [`Phase::Done`] and writes its duty cycle
/// by `duty`, whose names are theirs. Returns once the thread is pinned, or with the reason why it
/// could not be.
pub fn spawn(
    plan: &ThreadPlan,
    agents: Vec<Box<dyn Agent>>,
    duty: DutyWriter,
    clock: &Clock,
    lifecycle: &Lifecycle,
    log: &Log,
    incidents: &Incidents,
) -> Result<JoinHandle<()>, String> {
    let (report, pinned) = std::sync::mpsc::channel();
    let (core, idle) = (plan.core, plan.idle);
    let names = agents.iter().map(|agent| agent.name().to_owned()).collect();
    let (clock, lifecycle, log) = (clock.clone(), lifecycle.clone(), log.clone());
    let duty = DutyCycle::new(agents.len(), duty);
    let mut looped = Loop { agents, duty, clock, lifecycle, log };
    let incidents = incidents.clone();
    let name = plan.runs.first().map_or("stoop", String::as_str).to_owned();
    let body = move || {
        let result = core.map_or(Ok(()), pin);
        let failed = result.is_err();
        let _ = report.send(result);
        if !failed {
            crash::watch_thread(&incidents, names);
            looped.run(idle);
        }
    };
    let thread = std::thread::Builder::new().name(name).spawn(body);
    let thread = thread.map_err(|error| format!("a thread could not be started: {error}"))?;
    match pinned.recv() {
        Ok(Ok(())) => Ok(thread),
        Ok(Err(message)) => Err(message),
        Err(_) => Err("a thread ended while it was being pinned".to_owned()),
    }
}

#[repr(align(128))]
struct Loop {
    agents: Vec<Box<dyn Agent>>,
    duty: DutyCycle,
    clock: Clock,
    lifecycle: Lifecycle,
    log: Log,
}

impl Loop {
    fn run(&mut self, idle: Idle) {
        while self.lifecycle.phase() != Phase::Done {
            let round = catch_unwind(AssertUnwindSafe(|| self.round()));
            match round {
                Ok(0) => rest(idle),
                Ok(_) => {}
                Err(_) => self.lost(),
            }
        }
        self.duty.finish(self.clock.now());
    }

    /// Polls every agent once, noting which, so that a panic can be charged to it.
    fn round(&mut self) -> usize {
        let mut work = 0;
        for index in 0..self.agents.len() {
            crash::charge(index);
            let now = self.clock.now();
            self.duty.poll_begins(index, now);
            work += self.agents[index].poll(now);
        }
        self.duty.round_ends(work);
        work
    }

    /// The agent that panicked is out; the others go on to cancel what works.
    fn lost(&mut self) {
        let index = crash::take_charged();
        let agent = self.agents.remove(index);
        self.duty.lose(index);
        let now = self.clock.now();
        let name = agent.name();
        let text = format_args!("agent {name} panicked and is lost: cancelling all orders");
        self.log.error(now, text);
        if let Some(venue) = name.strip_prefix("exec:") {
            // It alone holds the venue's keys and connections.
            let text = format_args!(
                "orders at {venue} may still work: look there if no spare connection ends them"
            );
            self.log.error(now, text);
        }
        // Its state is broken: running its destructor could panic again.
        std::mem::forget(agent);
        self.lifecycle.lose_agent();
    }
}

fn rest(idle: Idle) {
    match idle {
        Idle::Spin => std::hint::spin_loop(),
        Idle::Yield => std::thread::yield_now(),
        Idle::Park => std::thread::sleep(Duration::from_micros(50)),
    }
}

/// Waits so long for threads to end. Names of those that have not.
pub(super) fn join_within(threads: Vec<JoinHandle<()>>, bound: Duration) -> Vec<String> {
    let until = Instant::now() + bound;
    let mut late = Vec::new();
    for thread in threads {
        while !thread.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        if thread.is_finished() {
            let _ = thread.join();
        } else {
            late.push(thread.thread().name().unwrap_or("?").to_owned());
        }
    }
    late
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::log;
    use crate::shm::{Market, RegionOptions};
    use crate::types::InstrumentTable;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("agent{index}")).collect()
    }

    #[test]
    fn agents_are_folded_where_cpus_are_few() {
        let spread = automatic_plan(&names(6), 8, 2, Idle::Yield);
        assert_eq!(spread.len(), 6);
        let folded = automatic_plan(&names(6), 7, 2, Idle::Yield);
        assert_eq!(folded.len(), 1);
        assert_eq!(folded[0].runs, names(6));
    }

    #[test]
    fn cpus_that_are_not_there_are_named() {
        assert!(cpu_list_contains("0-3,8", 8) && cpu_list_contains("0-3,8", 2));
        assert!(!cpu_list_contains("0-3,8", 5));
        let allowed = allowed_cpus();
        assert!(check_core(allowed[0], &allowed).is_ok());
        let error = check_core(4000, &allowed).unwrap_err();
        assert!(error.starts_with("core = 4000: this host has no such CPU; present: 0"), "{error}");
        let error = check_core(allowed[0], &[]).unwrap_err();
        assert!(error.ends_with("this process may not run there; allowed: "), "{error}");
    }

    #[test]
    fn pinning_is_read_back() {
        let core = allowed_cpus()[0];
        std::thread::spawn(move || {
            pin(core).unwrap();
            assert_eq!(allowed_cpus(), [core]);
        })
        .join()
        .unwrap();
    }

    struct Faulty {
        polls: u32,
        lifecycle: Lifecycle,
        panics: bool,
    }

    impl Agent for Faulty {
        fn name(&self) -> &str {
            if self.panics { "bad" } else { "good" }
        }

        fn poll(&mut self, _now: Nanos) -> usize {
            self.polls += 1;
            assert!(!self.panics || self.polls < 3, "deliberate");
            if self.lifecycle.phase() == Phase::Emergency {
                self.lifecycle.advance(Phase::Done);
            }
            0
        }
    }

    #[test]
    fn a_panic_costs_one_agent_and_starts_the_emergency() {
        let lifecycle = Lifecycle::default();
        let (log, lines) = log::channel(16);
        let agents: Vec<Box<dyn Agent>> = [false, true, false]
            .map(|panics| {
                Box::new(Faulty { polls: 0, lifecycle: lifecycle.clone(), panics })
                    as Box<dyn Agent>
            })
            .into();
        let plan = ThreadPlan { core: None, idle: Idle::Yield, runs: names(1) };
        let market = Market::in_memory(&InstrumentTable::default(), &RegionOptions::default());
        let agent_names = ["good", "bad", "good"].map(str::to_owned);
        let market = market.unwrap();
        let duty = market.duty_writer(0, None, 0, &agent_names).unwrap();
        let clock = Clock::manual(Nanos(1));
        let incidents = Incidents::default();
        let thread = spawn(&plan, agents, duty, &clock, &lifecycle, &log, &incidents).unwrap();
        thread.join().unwrap();
        assert_eq!(lifecycle.phase(), Phase::Done);
        let line = lines.take().into_iter().next().unwrap();
        assert_eq!(line.text, "agent bad panicked and is lost: cancelling all orders");
        let noted = incidents.take();
        assert_eq!(noted.len(), 1);
        assert_eq!((&*noted[0].agent, &*noted[0].thread), ("bad", "agent0"));
        assert!(noted[0].message.contains("deliberate"), "{}", noted[0].message);
    }
}

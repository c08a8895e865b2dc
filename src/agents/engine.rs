//! The engine as a whole: the region in a folder, and the agents on their threads.

use super::account::FinalState;
use super::assembly::{Assembly, RegionPlace};
use super::configured::{plans, strategies};
use super::control::{BUNDLES_TIMEOUT, KILL_FILE_NAME, THREAD_NAME};
use super::door::Door;
use super::log::Log;
use super::memory;
use super::operator::OperatorDesk;
use super::rules::{CHANGES_MAX, RulePlan, RuleWatch};
use super::sizes::Sizes;
use super::supervision::{Rest, Supervision};
use super::threads::{Lifecycle, Phase, ThreadPlan, join_within, spawn};
use crate::clock::Clock;
use crate::config::Config;
use crate::journal::Place;
use crate::shm::{DutyWriter, Market, MarketView, RegionError, RegionOptions};
use crate::show::{About, venue_name};
use crate::strategy::Strategy;
use crate::types::{Instrument, InstrumentTable, Teller, VenueId};
use crate::venues::{Credentials, Endpoints};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What an engine is built from.
pub struct EngineSetup<'a> {
    /// Checked configuration.
    pub config: &'a Config,
    /// Addresses by venue.
    pub endpoints: Vec<(VenueId, Endpoints)>,
    /// Those that orders go to and accounts are asked at, where they are others.
    pub order_endpoints: Vec<(VenueId, Endpoints)>,
    /// Keys by venue.
    pub credentials: Vec<(VenueId, Credentials)>,
    /// Instruments in the order of the configuration.
    pub instruments: Arc<InstrumentTable>,
    /// Strategies that the program brings, by name, beside those of the configuration. Their agents
    /// are named `strategy:<name>`; give their names to [`Config::load_with`] too, so that
    /// `[[thread]]` may place them.
    pub strategies: Vec<(String, Box<dyn Strategy>)>,
    /// Whom to trust.
    pub tls: Arc<rustls::ClientConfig>,
    /// Where everything is recorded, and what the run before left; `None` keeps nothing.
    pub journal: Option<Place>,
    /// Time.
    pub clock: Clock,
    /// Log.
    pub log: Log,
}

/// A running engine.
pub struct Engine {
    view: MarketView,
    lifecycle: Lifecycle,
    threads: Vec<JoinHandle<()>>,
    last: Receiver<FinalState>,
    /// Until somebody takes it.
    stated: Option<Receiver<Instrument>>,
    /// Names of the agents that can cancel.
    executors: Vec<String>,
    strategies: Vec<String>,
    layout: String,
    folder: PathBuf,
}

/// What the threads are made of that no agent runs on.
type Cold = ((Supervision, OperatorDesk), RulePlan, Arc<rustls::ClientConfig>);

/// How long the order manager may take to say what it knows, and threads to end.
const LEAVING_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the executors may take to cancel without an order manager.
const CANCELLING_TIMEOUT: Duration = Duration::from_secs(10);
/// How long stopping may take before what is left is reported as not confirmed.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// Deaths and births of strategies' processes that wait for the order manager.
const CHILD_NEWS: usize = 64;

impl Engine {
    /// Builds everything and starts the threads. Connections are made by the agents themselves.
    pub fn start(mut setup: EngineSetup<'_>) -> Result<Self, String> {
        let config = setup.config;
        let own = std::mem::take(&mut setup.strategies);
        let strategies = strategies(config, own, &setup.instruments)?;
        let (plans, layout) = plans(config, &strategies)?;
        if let Some(text) = config.not_limited() {
            setup.log.warn(setup.clock.now(), format_args!("{text}"));
        }
        if config.host.lock_memory {
            memory::lock_all()?;
        }
        let folder = PathBuf::from(format!("/dev/shm/stoop-{}", config.name));
        let mut supervised = Supervision::new(config, &folder)?;
        supervised.0.journal = setup.journal.clone();
        let region = RegionOptions {
            depth: config.depth,
            strategies: strategies.len(),
            threads: plans.len(),
            agents: plans.iter().map(|plan| plan.runs.len()).sum(),
            detail: setup.config.latency,
            ..RegionOptions::default()
        };
        let market =
            Market::create(&folder, &setup.instruments, &region).map_err(|error| match error {
                RegionError::InUse { .. } => {
                    format!("{error}: give this instance another name in [engine]")
                }
                _ => error.to_string(),
            })?;
        about(&setup, strategies.iter().map(|one| one.name.clone()), &layout)
            .write(&folder)
            .map_err(|error| format!("{}: {error}", folder.display()))
            .inspect_err(|_| clear(&folder))?;
        let duties = duty_writers(&market, &plans).inspect_err(|_| clear(&folder))?;
        let place = RegionPlace { market, folder: Some(&folder) };
        let (transport, tls) = (setup.tls.clone().into(), setup.tls.clone());
        let rules = RulePlan::new(&setup);
        Assembly::build(setup, place, strategies, transport, &Sizes::default())
            .and_then(|assembly| {
                let plans = plans.iter().zip(duties);
                let cold = (supervised, rules, tls);
                Self::spread(assembly, cold, config, plans, layout, &folder)
            })
            .inspect_err(|_| {
                clear(&folder);
            })
    }

    /// Gives each agent its thread.
    fn spread<'a>(
        mut assembly: Assembly,
        ((supervision, mut desk), rules, tls): Cold,
        config: &Config,
        plans: impl Iterator<Item = (&'a ThreadPlan, DutyWriter)>,
        layout: String,
        folder: &Path,
    ) -> Result<Self, String> {
        let (clock, lifecycle) = (assembly.clock.clone(), assembly.lifecycle.clone());
        let (view, mut log) = (assembly.view.clone(), assembly.log.clone());
        log.info(clock.now(), format_args!("{layout}"));
        let strategies = std::mem::take(&mut assembly.names);
        let (news, heard) = sync_channel(CHILD_NEWS);
        let rest = Rest {
            config,
            folder,
            strategies: strategies.clone(),
            specs: std::mem::take(&mut assembly.specs),
            spares: std::mem::take(&mut assembly.spares),
            children: std::mem::take(&mut assembly.children),
            news,
            view: view.clone(),
            lifecycle: lifecycle.clone(),
            clock: clock.clone(),
            log: log.clone(),
        };
        desk.strategies.clone_from(&rest.strategies);
        let (changes, changed) = sync_channel(CHANGES_MAX);
        assembly.oms = assembly.oms.with_desk(desk).with_rules(changed).with_children(heard);
        let history = std::mem::take(&mut assembly.history);
        if !rest.children.is_empty() {
            let own = (clock.clone(), lifecycle.clone(), log.named("history"));
            let asked = (history.end(), view.instruments().clone());
            Door::open(folder, asked, own)?.start()?;
        }
        history.start(tls, &clock, &lifecycle, log.named("history"))?;
        let (mut agents, last) = assembly.into_agents();
        let names = agents.iter().map(|agent| agent.name().to_owned());
        let executors = names.filter(|name| name.starts_with("exec:")).collect();
        let incidents = supervision.incidents.clone();
        let mut threads = vec![supervision.start(rest)?];
        let table = view.instruments().clone();
        let (state, stated) = sync_channel(CHANGES_MAX);
        let ends = (Some(changes), Some(state));
        let watch = rules.watch(table, ends, &clock, &lifecycle, log.named("rules"));
        threads.extend(watch.map(RuleWatch::start).transpose()?);
        for (plan, duty) in plans {
            log.info(clock.now(), format_args!("thread: {plan}"));
            let mut own = Vec::new();
            for name in &plan.runs {
                let at = agents.iter().position(|agent| agent.name() == name);
                let at = at.ok_or_else(|| format!("there is no agent {name}"))?;
                own.push(agents.swap_remove(at));
            }
            let thread = spawn(plan, own, duty, &clock, &lifecycle, &log, &incidents);
            threads.push(thread.inspect_err(|_| lifecycle.advance(Phase::Done))?);
        }
        let folder = folder.to_owned();
        let stated = Some(stated);
        Ok(Self { view, lifecycle, threads, last, stated, executors, strategies, layout, folder })
    }

    /// The region.
    #[must_use]
    pub fn view(&self) -> &MarketView {
        &self.view
    }

    /// Where instruments come whose venue has changed their rules, with those that it has now, for whoever
    /// plays the venue. The first one to ask gets it.
    #[must_use]
    pub fn stated(&mut self) -> Option<Receiver<Instrument>> {
        self.stated.take()
    }

    /// How the agents are laid out, for people.
    #[must_use]
    pub fn layout(&self) -> &str {
        &self.layout
    }

    /// Names of the strategies, by number.
    #[must_use]
    pub fn strategies(&self) -> &[String] {
        &self.strategies
    }

    /// Asks for no new orders, everything cancelled and confirmed.
    pub fn stop(&self) {
        self.lifecycle.advance(Phase::Stopping);
    }

    /// The same where somebody wants it, and why.
    pub fn stop_for(&self, teller: Teller, reason: &str) {
        self.lifecycle.stop_for(teller, reason);
    }

    /// Whether the engine stops, because it was told to or found a reason.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.lifecycle.phase() != Phase::Running
    }

    /// Why it stops, if a person or a file said so.
    #[must_use]
    pub fn stop_reason(&self) -> Option<&str> {
        self.lifecycle.reason()
    }

    /// Whether that is done.
    #[must_use]
    pub fn has_stopped(&self) -> bool {
        self.lifecycle.phase() == Phase::Done
    }

    /// Whether an agent was lost.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lifecycle.has_lost_agent()
    }

    /// Whether a venue refused our key.
    #[must_use]
    pub fn is_login_refused(&self) -> bool {
        self.lifecycle.is_login_refused()
    }

    /// Ends the threads, done or not, and gives the last state: everything that is known, and what
    /// is not.
    #[must_use]
    pub fn join(mut self) -> FinalState {
        self.end()
    }

    fn end(&mut self) -> FinalState {
        self.lifecycle.advance(Phase::Leaving);
        let last = self.last.recv_timeout(LEAVING_TIMEOUT);
        let mut last = last.unwrap_or_else(|_| self.end_without_oms());
        self.lifecycle.advance(Phase::Done);
        let late = end_all(self.threads.drain(..).collect());
        last.unconfirmed.extend(late.iter().map(|name| format!("the thread of {name} hangs")));
        clear(&self.folder);
        last
    }
}

/// Waits for threads that are to end. Names of those that have not. The one that sees to crash bundles
/// has more time: what a slow disk has not got is lost with the process.
fn end_all(threads: Vec<JoinHandle<()>>) -> Vec<String> {
    let of_control = |thread: &JoinHandle<()>| thread.thread().name() == Some(THREAD_NAME);
    let (control, agents) = threads.into_iter().partition(of_control);
    let mut late = join_within(agents, LEAVING_TIMEOUT);
    late.extend(join_within(control, BUNDLES_TIMEOUT + LEAVING_TIMEOUT));
    late
}

/// What the instance says of itself to whoever finds its folder.
fn about(setup: &EngineSetup<'_>, strategies: impl Iterator<Item = String>, layout: &str) -> About {
    let config = setup.config;
    let journal = match &setup.journal {
        // Whoever reads it is in another folder.
        Some(Place::Folder(folder)) => std::path::absolute(folder).ok(),
        _ => None,
    };
    About {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        mode: config.mode.name().to_owned(),
        config: config.file.clone(),
        journal,
        venues: config.venues.iter().map(|row| venue_name(row.venue)).collect(),
        strategies: strategies.collect(),
        layout: layout.to_owned(),
    }
}

/// A writer of its duty cycle for each thread.
fn duty_writers(market: &Market, plans: &[ThreadPlan]) -> Result<Vec<DutyWriter>, String> {
    let mut first = 0;
    let writers = plans.iter().enumerate().map(|(thread, plan)| {
        let writer = market.duty_writer(thread, plan.core, first, &plan.runs);
        first += plan.runs.len();
        writer.ok_or_else(|| format!("the region has no room for thread {thread}"))
    });
    writers.collect()
}

/// Removes what an instance has made. The kill file that a person made stays: nothing starts while it
/// is there.
fn clear(folder: &Path) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name() != KILL_FILE_NAME) {
        let path = entry.path();
        let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir_all(&path));
    }
    let _ = std::fs::remove_dir(folder);
}

impl Engine {
    /// The order manager hangs or is lost: the executors cancel without it, and what their venues
    /// confirm is all that is known. Unless it was only late.
    fn end_without_oms(&self) -> FinalState {
        self.lifecycle.lose_agent();
        let is_cleared = |name: &&String| self.lifecycle.is_cleared(name);
        let until = Instant::now() + CANCELLING_TIMEOUT;
        while !self.executors.iter().all(|name| is_cleared(&name)) && Instant::now() < until {
            if let Ok(last) = self.last.try_recv() {
                return last;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut text =
            "the order manager did not answer: nothing is known of its orders".to_owned();
        let (cleared, open): (Vec<&String>, Vec<&String>) =
            self.executors.iter().partition(is_cleared);
        for (what, names) in [
            ("all orders ended, as the venue confirmed", cleared),
            ("NOT confirmed, look there", open),
        ] {
            if !names.is_empty() {
                let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
                text += &format!("; {what}: {}", names.join(", "));
            }
        }
        FinalState { unconfirmed: vec![text], ..FinalState::default() }
    }
}

/// An engine that is dropped without [`Engine::join`] (the caller failed) still cancels.
impl Drop for Engine {
    fn drop(&mut self) {
        if self.threads.is_empty() {
            return;
        }
        self.stop();
        let until = Instant::now() + STOP_TIMEOUT;
        while !self.has_stopped() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(name: &str, lasts: Duration) -> JoinHandle<()> {
        let body = move || std::thread::sleep(lasts);
        std::thread::Builder::new().name(name.to_owned()).spawn(body).unwrap()
    }

    #[test]
    fn who_writes_crash_bundles_has_longer_to_end_than_agents() {
        let longer = LEAVING_TIMEOUT + Duration::from_millis(500);
        let threads = vec![
            thread(THREAD_NAME, longer),
            thread("oms", LEAVING_TIMEOUT + Duration::from_secs(20)),
            thread("feeds", Duration::ZERO),
        ];
        assert_eq!(end_all(threads), ["oms"]);
    }
}

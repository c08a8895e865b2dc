//! A strategy in a process of its own: attaches the region, and runs the same rounds as a thread of
//! the engine until that ends.
//!
//! With `run = "process"` the engine starts the process. A strategy that its own program brings, and a
//! built-in one, need nothing more. Another program (`command`) is told where to attach by its
//! environment:
//!
//! - `STOOP_REGION`: the instance's folder, for [`crate::shm::MarketView::attach`],
//! - `STOOP_STRATEGY`: the strategy's name, for [`crate::shm::StrategyFile::attach`],
//! - `STOOP_IDLE`: `spin`, `yield` or `park`, what to do where there is nothing to do.
//!
//! History of klines is asked for at the socket [`super::klines::HISTORY_SOCKET`] of the folder.
//!
//! In Rust, its whole `main` is [`run`]. The process may end whenever it likes; it is asked to by
//! SIGTERM, and the engine cancels its orders once it is gone.

#![forbid(unsafe_code)]

use super::klines::relay;
use super::{Context, ContextParts, Runner, Strategy};
use crate::clock::Clock;
use crate::shm::{MarketView, RegionError, StrategyFile};
use std::backtrace::Backtrace;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Names of what the engine says to a strategy's process by its environment.
pub const REGION_VARIABLE: &str = "STOOP_REGION";
/// See [`REGION_VARIABLE`].
pub const STRATEGY_VARIABLE: &str = "STOOP_STRATEGY";
/// See [`REGION_VARIABLE`].
pub const IDLE_VARIABLE: &str = "STOOP_IDLE";

/// What stands above the backtrace of a panic on standard error: whoever keeps it finds it by this.
pub const BACKTRACE_MARK: &str = "backtrace of the strategy:";

/// Pause of a loop that parks.
const PARK: Duration = Duration::from_micros(50);
/// Rounds between two looks at whether the engine has ended.
const LOOK_EVERY: u32 = 1_024;
/// An engine that has not beaten for so long may be gone: its process is looked for then.
const SILENT_NS: u64 = 1_000_000_000;

/// What a process does where it found no work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Idle {
    Spin,
    Yield,
    Park,
}

/// Runs a strategy as the environment says, until the engine ends or SIGTERM comes.
///
/// # Errors
///
/// In words, if the process was not started by an engine or there is nothing to attach to.
pub fn run(strategy: Box<dyn Strategy>) -> Result<(), String> {
    let (folder, name) = place()?;
    run_at(&folder, &name, strategy)
}

/// The instance's folder and the strategy's name, as the engine told them.
///
/// # Errors
///
/// In words, if it told nothing.
pub fn place() -> Result<(PathBuf, String), String> {
    let value = |name: &str| {
        std::env::var(name)
            .map_err(|_| format!("{name} is not set: an engine starts this process, not a person"))
    };
    Ok((PathBuf::from(value(REGION_VARIABLE)?), value(STRATEGY_VARIABLE)?))
}

/// Runs a strategy over the region in `folder`; see [`run`].
pub fn run_at(folder: &Path, name: &str, strategy: Box<dyn Strategy>) -> Result<(), String> {
    let failed = |error: RegionError| error.to_string();
    let ended = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, ended.clone())
        .map_err(|error| format!("signals cannot be caught: {error}"))?;
    tell_panics();
    let view = MarketView::attach(folder).map_err(failed)?;
    let end = StrategyFile::attach(folder, name).map_err(failed)?;
    let clock = Clock::anchored(view.clock());
    let parts = ContextParts {
        instruments: view.instruments().clone(),
        strategy: end.strategy(),
        view: view.clone(),
        end,
        clock: clock.clone(),
    };
    let history = relay(folder.to_owned(), view.instruments().clone());
    let history = history.map_err(|error| format!("the thread for history: {error}"))?;
    let runner = Runner::new(strategy, Context::new(parts).with_history(history));
    turn(runner, &view, &clock, &ended);
    Ok(())
}

fn turn(mut runner: Runner, view: &MarketView, clock: &Clock, ended: &AtomicBool) {
    let idle = match std::env::var(IDLE_VARIABLE).as_deref() {
        Ok("spin") => Idle::Spin,
        Ok("park") => Idle::Park,
        _ => Idle::Yield,
    };
    let mut rounds = 0u32;
    while !ended.load(Ordering::Relaxed) {
        rounds = rounds.wrapping_add(1);
        let looks = rounds.is_multiple_of(LOOK_EVERY);
        if (idle == Idle::Park || looks) && view.has_ended() {
            return;
        }
        if looks && view.silence_ns(clock.now()) > SILENT_NS && is_gone(view.pid()) {
            let text = "the engine is gone without an end: so ends its strategy";
            let _ = writeln!(std::io::stderr(), "{text} (process {})", view.pid());
            return;
        }
        let work =
            if view.is_stopping() { runner.read_reports() } else { runner.poll(clock.now()) };
        match idle {
            _ if work > 0 => {}
            Idle::Spin => std::hint::spin_loop(),
            Idle::Yield => std::thread::yield_now(),
            Idle::Park => std::thread::sleep(PARK),
        }
    }
}

/// Whether a process is no more, or was killed and nobody has asked yet how it ended. The kernel ends
/// with the engine what the engine started itself, but not what a wrapper has started.
fn is_gone(pid: u32) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['Z', 'X'])),
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

/// A panic leaves its message and its backtrace on standard error, where the engine keeps them.
fn tell_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        eprintln!("{info}\n{BACKTRACE_MARK}\n{}", Backtrace::force_capture());
        before(info);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_that_ended_is_gone_also_before_anybody_has_asked() {
        assert!(!is_gone(std::process::id()));
        let mut child = Command::new("true").spawn().unwrap();
        let due = std::time::Instant::now() + Duration::from_secs(20);
        while !is_gone(child.id()) {
            assert!(std::time::Instant::now() < due, "it has ended");
            std::thread::sleep(Duration::from_millis(1));
        }
        child.wait().unwrap();
        assert!(is_gone(child.id()));
    }
}

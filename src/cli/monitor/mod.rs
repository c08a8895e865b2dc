//! `stoop monitor`: screens of a running instance. Reads its region and its journal; what its keys ask
//! for goes over the control socket, as the commands' requests do.

#![forbid(unsafe_code)]

mod desk;
mod follower;

pub(super) use desk::Desk;

use super::instance::Instance;
use super::signals::stop_flag;
use super::{EXIT_OK, Failure};
use crate::shm::MarketView;
use crate::show::strategies;
use crate::tui::{App, MonitorData, Screen, Tab};
use follower::{Follower, Known};
use rustix::io::Errno;
use std::io::{ErrorKind, IsTerminal};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Pause between two frames.
const FRAME: Duration = Duration::from_millis(250);

/// What was typed.
#[derive(clap::Args)]
pub(super) struct Options {
    /// Instance: `name` in its [engine]; without it that of ./engine.toml; without such a file the
    /// only one that runs
    #[arg(long, value_name = "INSTANCE")]
    name: Option<String>,
    /// The screen to begin with: board, orders, trades, positions, depth, strategies, venues,
    /// latency, events
    #[arg(long, value_name = "NAME", default_value = "board", value_parser = tab)]
    screen: Tab,
}

fn tab(name: &str) -> Result<Tab, String> {
    let found = Tab::ALL.into_iter().find(|tab| tab.name() == name);
    let names: Vec<&str> = Tab::ALL.iter().map(|tab| tab.name()).collect();
    found.ok_or_else(|| format!("there are: {}", names.join(", ")))
}

/// Shows the screens until the person has enough.
pub(super) fn monitor(options: &Options) -> Result<u8, Failure> {
    let instance = Instance::find(options.name.as_deref())?;
    if !std::io::stdout().is_terminal() {
        let message = "monitor needs a terminal; `stoop status --json` is for programs".to_owned();
        return Err(Failure { code: super::EXIT_USAGE, message });
    }
    let mut monitor = Monitor::new(instance, App::on(options.screen))?;
    let failed = |error: std::io::Error| Failure::new(format!("terminal: {error}"));
    // Before the terminal is taken: whatever ends this gives it back.
    let stop = stop_flag()?;
    let mut screen = Screen::enter().map_err(failed)?;
    while !stop.load(Ordering::Relaxed) {
        let data = monitor.collect();
        if monitor.desk.frame(&mut screen, data, FRAME)? {
            break;
        }
    }
    Ok(EXIT_OK)
}

/// Everything that is looked at.
struct Monitor {
    desk: Desk,
    view: MarketView,
    folder: PathBuf,
    follower: Option<Follower>,
}

impl Monitor {
    fn new(instance: Instance, app: App) -> Result<Self, Failure> {
        let (view, folder) = (instance.attach()?, instance.folder.clone());
        let desk = Desk::new(instance, view.pid(), app);
        let follower = desk.about.journal.clone().map(Follower::start);
        Ok(Self { desk, view, folder, follower })
    }

    fn collect(&mut self) -> MonitorData {
        let looked_at = self.desk.looked_at(self.view.instruments().len());
        let none =
            || Known { error: "the instance keeps no journal".to_owned(), ..Known::default() };
        let Known { recorded, at, error } =
            self.follower.as_ref().map_or_else(none, Follower::look);
        let names = &self.desk.about.strategies;
        MonitorData {
            ended: ended(&self.view),
            strategies: strategies(&self.folder, names, &self.view),
            recorded,
            recorded_at: at,
            journal_error: error,
            ..MonitorData::collect(&self.view, super::wall_clock(), looked_at, names)
        }
    }
}

/// Whether its process has gone without a word.
pub(super) fn has_died(view: &MarketView) -> bool {
    is_gone(std::fs::read(format!("/proc/{}/stat", view.pid())))
}

/// By what the kernel says of a process: that there is none, or that nobody has fetched its end yet. Of one
/// that cannot be looked at nothing is said. Its name may be no text: it is cut anywhere.
fn is_gone(stat: std::io::Result<Vec<u8>>) -> bool {
    match stat {
        Ok(stat) => {
            let name_end = stat.windows(2).rposition(|part| part == b") ");
            let state = name_end.and_then(|at| stat.get(at + 2));
            matches!(state, Some(b'Z' | b'X'))
        }
        // It may end while it is looked at.
        Err(error) => {
            error.kind() == ErrorKind::NotFound
                || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
        }
    }
}

/// Why nothing changes any more; empty while it runs.
fn ended(view: &MarketView) -> String {
    if view.has_ended() {
        "HAS ENDED; q leaves".to_owned()
    } else if has_died(view) {
        "HAS DIED: its orders may work at the venues; q leaves".to_owned()
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_nobody_has_fetched_is_gone_too() {
        let says = |stat: &[u8]| is_gone(Ok(stat.to_vec()));
        assert!(says(b"7 (stoop) Z 1 7"));
        assert!(!says(b"7 (a) Z) S 1 7"));
        assert!(!says("7 (стратегия) S 1 7".as_bytes().split_at(19).0), "cut by the kernel");
        assert!(!says(b"7 (\xd1\x81\xd1) S 1 7") && says(b"7 (\xd1) X 1 7"));
        assert!(!is_gone(std::fs::read("/proc/self/stat")));
        assert!(is_gone(std::fs::read("/proc/0/stat")));
        assert!(is_gone(Err(Errno::SRCH.into())) && !is_gone(Err(Errno::MFILE.into())));
    }
}

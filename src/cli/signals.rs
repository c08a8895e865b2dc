//! What ends a command from outside: Ctrl-C, a service manager's request, the end of its terminal.

#![forbid(unsafe_code)]

use super::Failure;
use crate::types::Teller;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a person or a service manager sends. A second one ends at once: who sends it again means it.
const ASKED: [i32; 2] = [SIGINT, SIGTERM];

/// Set by each of them, and by the end of the terminal. That may come twice, from the shell and from the
/// kernel, and ends nothing at once; where it is ignored, as under `nohup`, it stays so.
pub(super) fn stop_flag() -> Result<Arc<AtomicBool>, Failure> {
    let (flag, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    for signal in ASKED {
        signal_hook::flag::register_conditional_shutdown(signal, 130, asked.clone())
            .and_then(|_| signal_hook::flag::register(signal, asked.clone()))
            .and_then(|_| signal_hook::flag::register(signal, flag.clone()))
            .map_err(failed)?;
    }
    if !ignores_end_of_terminal() {
        signal_hook::flag::register(SIGHUP, flag.clone()).map_err(failed)?;
    }
    Ok(flag)
}

fn ignores_end_of_terminal() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    is_ignored(&status, SIGHUP)
}

/// By what the kernel says of a process: a bit for each signal, the first one lowest.
fn is_ignored(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// The same with who sent it.
pub(super) struct Signals {
    flag: Arc<AtomicBool>,
    origins: SignalsInfo<WithOrigin>,
}

impl Signals {
    /// Catches them from now on.
    pub(super) fn catch() -> Result<Self, Failure> {
        // Before the flag: whoever sees that finds where it came from too.
        let ending = ASKED.into_iter().chain((!ignores_end_of_terminal()).then_some(SIGHUP));
        let origins = SignalsInfo::<WithOrigin>::new(ending).map_err(failed)?;
        Ok(Self { flag: stop_flag()?, origins })
    }

    /// Whether one came.
    pub(super) fn came(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }

    /// Who ends this by it.
    pub(super) fn teller(&mut self) -> Option<Teller> {
        let origin = self.origins.pending().next()?;
        let from = origin.process.map(|process| (process.uid, process.pid as u32));
        Some(Teller::Signal { number: origin.signal, from })
    }
}

fn failed(error: std::io::Error) -> Failure {
    Failure::new(format!("signals cannot be caught: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Signal, getpid, getuid, kill_process};

    #[test]
    fn what_is_ignored_is_told_by_the_kernel() {
        let status = "Name:\tstoop\nSigBlk:\t0000000000000001\nSigIgn:\t0000000000001001\n";
        assert!(is_ignored(status, SIGHUP) && !is_ignored(status, SIGINT));
        assert!(!is_ignored("SigIgn:\t0000000000001000\n", SIGHUP) && !is_ignored("", SIGHUP));
    }

    #[test]
    fn who_sent_a_signal_is_known() {
        let mut signals = Signals::catch().map_err(|failure| failure.message).unwrap();
        assert!(!signals.came() && signals.teller().is_none());
        kill_process(getpid(), Signal::TERM).unwrap();
        while !signals.came() {
            std::thread::yield_now();
        }
        let own = (getuid().as_raw(), std::process::id());
        let wanted = Teller::Signal { number: SIGTERM, from: Some(own) };
        assert_eq!(signals.teller(), Some(wanted));
        assert_eq!(wanted.to_string(), format!("SIGTERM of user {}, process {}", own.0, own.1));
    }
}

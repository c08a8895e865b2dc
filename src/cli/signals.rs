//! What ends a command from outside: Ctrl-C, a service manager's request, the end of its terminal.

#![forbid(unsafe_code)]

use super::Failure;
use crate::types::Teller;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const ENDING: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// Set by each of them. A second one ends at once.
pub(super) fn stop_flag() -> Result<Arc<AtomicBool>, Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in ENDING {
        signal_hook::flag::register_conditional_shutdown(signal, 130, flag.clone())
            .and_then(|_| signal_hook::flag::register(signal, flag.clone()))
            .map_err(failed)?;
    }
    Ok(flag)
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
        let origins = SignalsInfo::<WithOrigin>::new(ENDING).map_err(failed)?;
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

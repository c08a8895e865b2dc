//! Follows the journal of a running instance for the screens.

#![forbid(unsafe_code)]

use crate::journal::Place;
use crate::show::{Fold, From, Recorded, Walk, WalkError};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Pause between two looks at the journal.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Reads the journal as it is written, on a thread of its own: what lies behind the last snapshot may
/// take a moment.
pub(super) struct Follower {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    known: Mutex<(Arc<Recorded>, String)>,
    over: AtomicBool,
}

impl Follower {
    /// Begins.
    pub(super) fn start(folder: PathBuf) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        let thread = std::thread::spawn(move || {
            if let Err(error) = follow(&Place::Folder(folder), &theirs) {
                let mut known = theirs.known.lock().unwrap_or_else(PoisonError::into_inner);
                known.1 = error.to_string();
            }
        });
        Self { shared, thread: Some(thread) }
    }

    /// What is known, and why no more is.
    pub(super) fn look(&self) -> (Arc<Recorded>, String) {
        let known = self.shared.known.lock().unwrap_or_else(PoisonError::into_inner);
        (known.0.clone(), known.1.clone())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn follow(place: &Place, shared: &Shared) -> Result<(), WalkError> {
    let mut walk = Walk::open(place, From::Newest)?;
    let mut fold = Fold::over(walk.state(), super::super::wall_clock());
    let mut more = true;
    while !shared.over.load(Ordering::Relaxed) {
        loop {
            let next = if more { walk.next()? } else { walk.settle()? };
            let Some(group) = next else { break };
            if let Some(state) = walk.state() {
                fold.take(&group, state);
            }
        }
        let recorded = Arc::new(fold.show(walk.state(), super::super::wall_clock()).clone());
        shared.known.lock().unwrap_or_else(PoisonError::into_inner).0 = recorded;
        std::thread::sleep(LOOK_EVERY);
        more = walk.go_on()?;
    }
    Ok(())
}

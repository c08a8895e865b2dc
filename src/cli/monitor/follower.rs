//! Follows the journal of a running instance for the screens.

#![forbid(unsafe_code)]

use crate::journal::Place;
use crate::show::{Fold, From, Recorded, Walk, WalkError};
use crate::types::Nanos;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Pause between two looks at the journal.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Looks after which a journal that could not be followed is begun with anew.
const LOOKS_UNTIL_ANEW: u32 = 10;

/// Reads the journal as it is written, on a thread of its own: what lies behind the last snapshot may
/// take a moment.
pub(super) struct Follower {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    known: Mutex<Known>,
    over: AtomicBool,
}

/// What the screens get.
#[derive(Clone, Default)]
pub(super) struct Known {
    /// What the journal tells.
    pub recorded: Arc<Recorded>,
    /// When it was last looked at.
    pub at: Nanos,
    /// Why it is not followed; empty if it is.
    pub error: String,
}

impl Follower {
    /// Begins.
    pub(super) fn start(folder: PathBuf) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        let thread = std::thread::spawn(move || {
            let place = Place::Folder(folder);
            while let Err(error) = follow(&place, &theirs) {
                theirs.known.lock().unwrap_or_else(PoisonError::into_inner).error =
                    error.to_string();
                // Segments may have gone, or a disk come back: from the newest snapshot it goes on.
                for _ in 0..LOOKS_UNTIL_ANEW {
                    if !theirs.over.load(Ordering::Relaxed) {
                        std::thread::sleep(LOOK_EVERY);
                    }
                }
            }
        });
        Self { shared, thread: Some(thread) }
    }

    /// What is known.
    pub(super) fn look(&self) -> Known {
        self.shared.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
        let at = super::super::wall_clock();
        let recorded = Arc::new(fold.show(walk.state()).clone());
        let known = Known { recorded, at, error: String::new() };
        *shared.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
        std::thread::sleep(LOOK_EVERY);
        more = walk.go_on()?;
    }
    Ok(())
}

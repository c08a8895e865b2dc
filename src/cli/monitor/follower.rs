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
            // Asked here too: what cannot be opened is never followed to where that asks.
            while !theirs.over.load(Ordering::Relaxed) {
                let Err(error) = follow(&place, &theirs) else { return };
                theirs.known.lock().unwrap_or_else(PoisonError::into_inner).error =
                    error.to_string();
                // Segments may have gone, or a disk come back: from the newest snapshot it goes on.
                for _ in 0..LOOKS_UNTIL_ANEW {
                    if theirs.over.load(Ordering::Relaxed) {
                        return;
                    }
                    std::thread::sleep(LOOK_EVERY);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Need, SyncPolicy, Writer, WriterOptions, snapshot};
    use crate::oms::{BookQuote, Books, Oms, OmsOptions, Output, Record};
    use crate::types::{InstrumentId, InstrumentTable, Operator, Scope, TradingState};
    use std::path::Path;
    use std::time::Instant;

    const START: Nanos = Nanos(1_795_000_000_000_000_000);

    struct NoBooks;

    impl Books for NoBooks {
        fn best(&self, _: InstrumentId) -> BookQuote {
            BookQuote::default()
        }
    }

    /// An engine that is told things, and its journal.
    struct Engine {
        oms: Oms<Vec<(Nanos, Record)>, NoBooks>,
        writer: Writer,
        out: Output,
        now: Nanos,
        written: usize,
    }

    impl Engine {
        fn start(folder: &Path) -> Self {
            Self::start_at(folder, START)
        }

        fn start_at(folder: &Path, now: Nanos) -> Self {
            let options = WriterOptions {
                segment_bytes: 4096,
                reserve_bytes: Some(1024),
                sync: SyncPolicy::Never,
                ..WriterOptions::new(Place::Folder(folder.to_owned()))
            };
            let (writer, _) = Writer::open(&options, now, None).unwrap();
            let (options, table) = (OmsOptions::default(), Arc::new(InstrumentTable::default()));
            let out = Output::new(&options);
            let oms = Oms::new(options, table, now, Vec::new(), NoBooks);
            let mut engine = Self { oms, writer, out, now, written: 0 };
            engine.write();
            engine
        }

        fn write(&mut self) {
            for (now, record) in &self.oms.recorder()[self.written..] {
                let (kind, bytes) = (record.kind().0, record.encode_long());
                self.writer.append(kind, Need::Essential, *now, &bytes).unwrap();
            }
            self.written = self.oms.recorder().len();
        }

        fn tell(&mut self, state: TradingState) {
            self.now = self.now.plus(1_000_000);
            let operator = Operator::SetState(Scope::Engine, state);
            self.oms.on_operator(&operator, self.now, &mut self.out).unwrap();
            self.write();
        }
    }

    /// What an operator told the engine, in words.
    fn events(known: &Known) -> Vec<String> {
        let told = known.recorded.events.iter().filter(|event| event.kind == "operator");
        told.map(|event| event.text.clone()).collect()
    }

    fn wait_for(follower: &Follower, what: &str, is: impl Fn(&Known) -> bool) -> Known {
        let begun = Instant::now();
        loop {
            let known = follower.look();
            if is(&known) {
                return known;
            }
            let (events, error) = (events(&known), known.error);
            assert!(begun.elapsed() < Duration::from_secs(30), "{what}: {events:?} {error}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    struct Temporary(PathBuf);

    impl Drop for Temporary {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_follower_of_what_cannot_be_opened_ends_when_it_is_told_to() {
        let name = format!("stoop-follower-none-{}", std::process::id());
        let follower = Follower::start(std::env::temp_dir().join(name));
        wait_for(&follower, "an error", |known| !known.error.is_empty());
        let (done, is_done) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            drop(follower);
            let _ = done.send(());
        });
        is_done.recv_timeout(Duration::from_secs(10)).expect("it ends");
    }

    /// A run begun anew in the same place: its shorter journal is not the old one at rest.
    #[test]
    fn a_journal_in_place_of_the_one_that_was_followed_is_begun_with() {
        let name = format!("stoop-follower-anew-{}", std::process::id());
        let folder = Temporary(std::env::temp_dir().join(name));
        let mut engine = Engine::start(&folder.0);
        for _ in 0..5 {
            engine.tell(TradingState::Halted);
            engine.tell(TradingState::Active);
        }
        let follower = Follower::start(folder.0.clone());
        wait_for(&follower, "the events", |known| events(known).len() == 10);
        drop(engine);
        std::fs::remove_dir_all(&folder.0).unwrap();
        let mut engine = Engine::start_at(&folder.0, START.plus(1));
        engine.tell(TradingState::ReduceOnly);
        let is_new = |known: &Known| known.error.is_empty() && events(known).len() == 1;
        let known = wait_for(&follower, "the events of the new run", is_new);
        assert!(events(&known)[0].contains("reduce"), "{:?}", events(&known));
    }

    /// The disk goes and comes back, and meanwhile the segment in which the follower stood was removed.
    #[test]
    fn a_journal_that_could_not_be_followed_is_begun_with_anew() {
        let name = format!("stoop-follower-{}", std::process::id());
        let root = Temporary(std::env::temp_dir().join(name));
        std::fs::create_dir_all(&root.0).unwrap();
        let (folder, away) = (root.0.join("journal"), root.0.join("away"));
        let mut engine = Engine::start(&folder);
        let follower = Follower::start(folder.clone());
        engine.tell(TradingState::Halted);
        let known = wait_for(&follower, "the first event", |known| events(known).len() == 1);
        assert!(known.error.is_empty() && events(&known)[0].starts_with("the engine is halted"));

        std::fs::rename(&folder, &away).unwrap();
        let known = wait_for(&follower, "an error", |known| !known.error.is_empty());
        assert!(known.error.contains("segment-000001.log"), "{}", known.error);
        assert_eq!(events(&known).len(), 1, "what was known is shown with it");

        // Into other segments, and the first of them go.
        std::fs::rename(&away, &folder).unwrap();
        let place = Place::Folder(folder);
        for _ in 0..2 {
            for _ in 0..60 {
                engine.tell(TradingState::Active);
                engine.tell(TradingState::Halted);
            }
            let (last, state) = (engine.written as u64, engine.oms.kept().encode());
            snapshot::write(&place, last, engine.now, &state).unwrap();
        }
        assert!(snapshot::prune(&place, false).unwrap().segments.contains(&1));
        engine.tell(TradingState::ReduceOnly);
        engine.tell(TradingState::Active);
        // It may have begun before all of that was written, too.
        let reduced = |known: &Known| {
            let from_last = events(known).len().checked_sub(2);
            known.error.is_empty()
                && from_last.is_some_and(|at| events(known)[at].contains("reduce"))
        };
        let known = wait_for(&follower, "a new begin", reduced);
        let so_far = events(&known).len();
        engine.tell(TradingState::Halted);
        wait_for(&follower, "what happens then", |known| events(known).len() > so_far);
    }
}

//! The journal's own thread: makes the next segment before it is needed, stores and closes full
//! ones, syncs on a cadence, keeps pages ready ahead of the writer. The writer never waits for it.
//!
//! It reads no clock but a monotonic one, for cadences; the times in files are the writer's.

#![forbid(unsafe_code)]

use super::error::JournalError;
use super::format::{SEGMENT_HEADER, Slot, slot_at};
use super::map::Keeper;
use super::place::Place;
use super::reader::{Record, record};
use super::segment::Segment;
use super::{Hook, SyncPolicy};
use crate::types::Nanos;
use std::borrow::Cow;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long the thread sleeps between looks.
const NAP: Duration = Duration::from_millis(2);
/// Wait before a segment that could not be made is tried again: first, and at most.
const RETRY_FIRST: Duration = Duration::from_millis(10);
const RETRY_LAST: Duration = Duration::from_secs(1);
/// Bytes ahead of the writer whose pages are kept ready: what thousands of orders a second write
/// between two looks. Every page more costs every sync an interruption of all threads.
pub(super) const WARM_BYTES: usize = 128 << 10;
/// How often they are made ready though the writer stands still: the system cleans pages it has
/// stored, and the next write to one of them would fault.
const WARM_EVERY: Duration = Duration::from_millis(250);

/// What writer and thread tell each other without waiting.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Segment being written, and where in it.
    pub(super) segment: AtomicU64,
    pub(super) position: AtomicU64,
    /// Last sequence appended, and the last that is known to be on the disk.
    pub(super) sequence: AtomicU64,
    pub(super) synced: AtomicU64,
    /// Time of the last record, ns.
    pub(super) now: AtomicU64,
    /// What was written may not be on the disk.
    pub(super) failed: AtomicBool,
    pub(super) stop: AtomicBool,
    /// Last segment that the thread made.
    pub(super) made: AtomicU64,
    /// What last went wrong, with the disk and with the hook. Never touched by an append.
    error: Mutex<Option<String>>,
    hook_error: Mutex<Option<String>>,
}

impl Shared {
    /// Notes why there is no next segment, or that there is one. A disk that failed stays noted.
    pub(super) fn set_error(&self, error: Option<String>) {
        if !self.failed.load(Ordering::Acquire) {
            *self.error.lock().unwrap_or_else(PoisonError::into_inner) = error;
        }
    }

    pub(super) fn error(&self) -> Option<String> {
        let error = self.error.lock().unwrap_or_else(PoisonError::into_inner).clone();
        error.or_else(|| self.hook_error.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Notes that the disk did not store what was written. There is no way back: the system may
    /// have dropped those pages.
    pub(super) fn fail(&self, error: String) {
        self.set_error(Some(error));
        self.failed.store(true, Ordering::Release);
    }
}

/// A full segment on its way from the writer.
#[derive(Debug)]
pub(super) struct Full {
    pub(super) segment: Segment,
    pub(super) first_sequence: u64,
    pub(super) last_sequence: u64,
}

/// A segment that is full and will not change any more.
#[derive(Debug)]
pub struct ClosedSegment<'a> {
    place: &'a Place,
    full: &'a Full,
}

impl ClosedSegment<'_> {
    /// Where the journal lies.
    pub fn place(&self) -> &Place {
        self.place
    }

    /// The segment's number.
    pub fn number(&self) -> u64 {
        self.full.segment.number
    }

    /// Sequence of its first record.
    pub fn first_sequence(&self) -> u64 {
        self.full.first_sequence
    }

    /// Sequence of its last record.
    pub fn last_sequence(&self) -> u64 {
        self.full.last_sequence
    }

    /// Its file.
    pub fn path(&self) -> PathBuf {
        self.place.segment_path(self.number())
    }

    /// Its bytes, for [`Self::records`].
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        self.full.segment.bytes()
    }

    /// The records in its [`Self::bytes`], in order. Ends early if one is not sound.
    pub fn records<'b>(&self, bytes: &'b [u8]) -> impl Iterator<Item = Record<'b>> + use<'b> {
        let (number, salt) = (self.number(), self.full.segment.salt);
        let mut at = SEGMENT_HEADER;
        std::iter::from_fn(move || match slot_at(bytes, at, salt) {
            Slot::Record(raw) => {
                let found = record(bytes, number, at, raw);
                at += raw.size;
                Some(found)
            }
            _ => None,
        })
    }
}

/// Makes segments with rising numbers.
#[derive(Debug)]
pub(super) struct Maker {
    pub(super) place: Place,
    pub(super) len: u64,
    pub(super) durable: bool,
    /// Number of the next.
    pub(super) next: u64,
}

impl Maker {
    pub(super) fn make(&mut self, now: Nanos) -> Result<Segment, JournalError> {
        let segment = self.place.create_segment(self.next, now, self.len, self.durable)?;
        self.next += 1;
        Ok(segment)
    }
}

/// Calls the hook; its panic costs nothing but a message.
pub(super) fn tell(hook: &mut Option<Hook>, place: &Place, full: &Full, shared: &Shared) {
    let Some(hook) = hook else { return };
    let closed = ClosedSegment { place, full };
    if catch_unwind(AssertUnwindSafe(|| hook(&closed))).is_err() {
        let error =
            format!("{}: what is done with a full segment panicked", closed.path().display());
        *shared.hook_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

/// A thread that calls the hook: what is made of a full segment may take long, and neither the disk nor
/// the next segment waits for it.
pub(super) struct Caller {
    full: Sender<Full>,
    thread: JoinHandle<()>,
}

impl Caller {
    pub(super) fn start(hook: Hook, place: Place, shared: Arc<Shared>) -> io::Result<Self> {
        let (full, received) = channel::<Full>();
        let mut hook = Some(hook);
        let work = move || received.iter().for_each(|full| tell(&mut hook, &place, &full, &shared));
        let thread = thread::Builder::new().name("snapshots".to_owned()).spawn(work)?;
        Ok(Self { full, thread })
    }

    /// Waits until it has been called with everything.
    fn finish(self) {
        drop(self.full);
        // A panic of the hook ends there.
        let _ = self.thread.join();
    }
}

/// What the thread owns.
pub(super) struct Housekeeper {
    pub(super) shared: Arc<Shared>,
    pub(super) maker: Maker,
    pub(super) sync: SyncPolicy,
    pub(super) caller: Option<Caller>,
    pub(super) closed: Receiver<Full>,
    pub(super) ready: SyncSender<Segment>,
    /// Segments that the writer has or will have.
    pub(super) held: Vec<(u64, Keeper)>,
}

/// When what was done last.
struct Pace {
    synced: Instant,
    warmed: Instant,
    warmed_at: (u64, u64),
    retry: Instant,
    wait: Duration,
}

impl Housekeeper {
    /// Works until it is told to stop, and then once more.
    pub(super) fn run(mut self) {
        let now = Instant::now();
        let warmed_at = (0, 0);
        let mut pace = Pace { synced: now, warmed: now, warmed_at, retry: now, wait: RETRY_FIRST };
        loop {
            let stop = self.shared.stop.load(Ordering::Acquire);
            let busy = self.close_full();
            if stop {
                self.sync_all();
                return self.caller.take().map_or((), Caller::finish);
            }
            self.make_next(&mut pace);
            self.sync_when_due(&mut pace);
            self.warm(&mut pace);
            if !busy {
                thread::park_timeout(NAP);
            }
        }
    }

    /// Stores and closes what the writer gave back.
    fn close_full(&mut self) -> bool {
        let mut busy = false;
        while let Ok(full) = self.closed.try_recv() {
            busy = true;
            let number = full.segment.number;
            // Whatever is made of it must not be ahead of the disk.
            let needed = self.sync != SyncPolicy::Never || self.caller.is_some();
            if needed && let Err(error) = full.segment.sync() {
                let path = self.maker.place.segment_path(number);
                self.shared.fail(format!("cannot store {}: {error}", path.display()));
            }
            self.held.retain(|(held, _)| *held != number);
            if let Some(caller) = &self.caller {
                // It ends only when we do.
                let _ = caller.full.send(full);
            }
        }
        busy
    }

    /// Has one segment ready beyond the one being written.
    fn make_next(&mut self, pace: &mut Pace) {
        let written = self.shared.segment.load(Ordering::Acquire);
        if self.maker.next > written + 1 || Instant::now() < pace.retry {
            return;
        }
        let now = Nanos(self.shared.now.load(Ordering::Relaxed));
        match self.maker.make(now) {
            Ok(segment) => {
                self.held.extend(segment.keeper().map(|keeper| (segment.number, keeper.clone())));
                self.shared.made.store(segment.number, Ordering::Release);
                // There is room: the one before was taken, or its number would be the next.
                let _ = self.ready.try_send(segment);
                self.shared.set_error(None);
                pace.wait = RETRY_FIRST;
            }
            Err(error) => {
                self.shared.set_error(Some(error.to_string()));
                pace.wait = (pace.wait * 2).min(RETRY_LAST);
                pace.retry = Instant::now() + pace.wait;
            }
        }
    }

    fn sync_when_due(&mut self, pace: &mut Pace) {
        let SyncPolicy::Interval(interval) = self.sync else { return };
        if pace.synced.elapsed() < Duration::from_nanos(interval.0) {
            return;
        }
        pace.synced = Instant::now();
        if self.shared.synced.load(Ordering::Relaxed) < self.shared.sequence.load(Ordering::Acquire)
        {
            self.sync_all();
            // Stored pages fault at the next write: the ones ahead are made ready at once.
            pace.warmed_at = (0, 0);
        }
    }

    /// Stores all that is written by now.
    fn sync_all(&mut self) {
        // In this order: whatever is appended later is not claimed, and a segment that is given
        // back in the meantime is still held.
        let sequence = self.shared.sequence.load(Ordering::Acquire);
        let written = self.shared.segment.load(Ordering::Acquire);
        for (number, keeper) in self.held.iter().filter(|(number, _)| *number <= written) {
            if let Err(error) = keeper.sync() {
                let path = self.maker.place.segment_path(*number);
                self.shared.fail(format!("cannot store {}: {error}", path.display()));
                return;
            }
        }
        // Without a policy the segments before this one were never stored.
        if self.sync != SyncPolicy::Never {
            self.shared.synced.store(sequence, Ordering::Release);
        }
    }

    /// Keeps the pages ahead of the writer ready.
    fn warm(&mut self, pace: &mut Pace) {
        let written = self.shared.segment.load(Ordering::Acquire);
        let position = self.shared.position.load(Ordering::Relaxed);
        let at = (written, position / 4096);
        if at == pace.warmed_at && pace.warmed.elapsed() < WARM_EVERY {
            return;
        }
        (pace.warmed_at, pace.warmed) = (at, Instant::now());
        let position = position as usize;
        let of = |wanted| self.held.iter().find(|(number, _)| *number == wanted);
        let Some((_, keeper)) = of(written) else { return };
        let _ = keeper.warm(position, WARM_BYTES);
        if keeper.len() - position.min(keeper.len()) < WARM_BYTES
            && let Some((_, next)) = of(written + 1)
        {
            let _ = next.warm(0, WARM_BYTES);
        }
    }
}

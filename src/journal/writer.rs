//! Appends records. One writer per journal; an append copies into memory that is there already: it
//! allocates nothing, calls no system (but with [`SyncPolicy::Every`]) and waits for nobody.
//!
//! Segments are made ahead, stored and closed by a thread of the journal. Where space ends, what is
//! not essential is refused first: the last quarter of the last segment is kept for cancels and
//! reports, so that a full disk stops new orders and nothing else.

#![forbid(unsafe_code)]

use super::error::{AppendError, JournalError, io_error};
use super::format::{
    PAYLOAD_MAX, RECORD_HEADER, RECORD_MAX, SEGMENT_HEADER, encode_record, is_segment_len,
    record_size,
};
use super::housekeeper::{Caller, Full, Housekeeper, Maker, Shared, tell};
use super::opening::{last_segment, read_last};
use super::place::{Lock, Place};
use super::reader::Torn;
use super::segment::Segment;
use super::survey::survey;
use super::{Hook, SyncPolicy};
use crate::types::Nanos;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

/// Closed segments that may wait for the thread.
const CLOSED_MAX: usize = 64;
/// Least bytes kept for what is essential, if nothing else is asked for.
const RESERVE_MIN: u64 = 256 * 1024;

/// How a journal is written.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// Where.
    pub place: Place,
    /// Bytes of a new segment, a multiple of 4096.
    pub segment_bytes: u64,
    /// Bytes of the last segment that only essential records may use, while no next one is there.
    /// `None`: a quarter of a segment, at least 256 KiB, at most half of it.
    pub reserve_bytes: Option<u64>,
    /// When the disk must have what was written.
    pub sync: SyncPolicy,
}

impl WriterOptions {
    /// A folder, segments of 64 MiB, the reserve that goes with them, a sync every 100 ms.
    pub fn new(place: Place) -> Self {
        let sync = SyncPolicy::Interval(Nanos(100_000_000));
        Self { place, segment_bytes: 64 << 20, reserve_bytes: None, sync }
    }

    fn check(&self) -> Result<u64, JournalError> {
        let options = |what: String| Err(JournalError::Options { what });
        let bytes = self.segment_bytes;
        if !is_segment_len(bytes) {
            return options(format!(
                "a segment has {bytes} bytes; a multiple of 4096 up to 2 GiB is needed"
            ));
        }
        let reserve = self.reserve_bytes.unwrap_or((bytes / 4).max(RESERVE_MIN).min(bytes / 2));
        if reserve > bytes / 2 {
            return options(format!("a reserve of {reserve} bytes is more than half a segment"));
        }
        Ok(reserve)
    }
}

/// How much a record matters when space ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Something new: an intent, a signal. Refused first.
    Normal,
    /// What is needed to get out and to know where one stands: cancels, reports, corrections.
    Essential,
}

/// What was found when a journal was opened.
#[derive(Debug)]
pub struct Opened {
    /// Sequence that the next record gets.
    pub next_sequence: u64,
    /// The unfinished record that was cut off, to be logged.
    pub cut: Option<Torn>,
    /// Number of the segment that is being written.
    pub segment: u64,
}

/// How the journal does. For logs and screens, not for the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriterStatus {
    /// Last sequence appended, 0 if none.
    pub sequence: u64,
    /// Last sequence that is known to be on the disk since this writer was opened.
    pub synced: u64,
    /// Segment being written.
    pub segment: u64,
    /// Bytes used of it.
    pub used: u64,
    /// Its bytes.
    pub len: u64,
    /// Whether the next one is there.
    pub next_ready: bool,
    /// What went wrong: why there is no next segment, or what could not be stored.
    pub error: Option<String>,
}

/// Where the next segment comes from.
enum Supply {
    /// From the journal's thread.
    Thread {
        ready: Receiver<Segment>,
        closed: SyncSender<Full>,
        /// What the thread had no room for yet.
        waiting: Vec<Full>,
        thread: Option<JoinHandle<()>>,
    },
    /// In memory: made at once.
    Memory { maker: Maker, hook: Option<Hook> },
}

/// Appends to a journal.
pub struct Writer {
    segment: Segment,
    /// Where the next record goes.
    at: usize,
    /// End of what normal records may use; that of essential ones is the segment's.
    normal_end: usize,
    next_sequence: u64,
    /// That of the segment.
    first_sequence: u64,
    next: Option<Segment>,
    reserve: usize,
    every: bool,
    /// Most bytes of a record, so that it fits an empty segment.
    record_max: usize,
    shared: Arc<Shared>,
    supply: Supply,
    place: Place,
    // Last: the lock is given back when everything else is closed.
    _lock: Lock,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("place", &self.place).field("at", &self.at).finish()
    }
}

impl Writer {
    /// Opens a journal, or begins one. Cuts a torn tail; refuses a damaged journal and changes
    /// nothing of it. Only the last segment is read. `hook` is called with every segment that gets
    /// full, by the journal's thread.
    pub fn open(
        options: &WriterOptions,
        now: Nanos,
        hook: Option<Hook>,
    ) -> Result<(Self, Opened), JournalError> {
        Self::open_locked(options.place.lock()?, options, now, hook)
    }

    /// The same by whoever has the lock of this journal already, and has read it under the lock.
    pub fn open_locked(
        lock: Lock,
        options: &WriterOptions,
        now: Nanos,
        hook: Option<Hook>,
    ) -> Result<(Self, Opened), JournalError> {
        let reserve = options.check()? as usize;
        let place = options.place.clone();
        let found = survey(&place)?;
        let read = read_last(&place, &found)?;
        let last = found.opened.last().map_or(0, |header| header.number);
        // In the way of nothing, but the numbers are wanted again.
        found.unopened.iter().rev().try_for_each(|number| place.remove_segment(*number))?;
        let durable = options.sync != SyncPolicy::Never;
        let len = options.segment_bytes;
        let mut maker = Maker { place: place.clone(), len, durable, next: last + 1 };
        let end = last_segment(&place, &mut maker, &found, read, now)?;
        let opened =
            Opened { next_sequence: end.next_sequence, cut: end.torn, segment: end.segment.number };
        let shared = Arc::new(Shared::default());
        shared.segment.store(end.segment.number, Ordering::Relaxed);
        shared.position.store(end.at as u64, Ordering::Relaxed);
        shared.sequence.store(end.next_sequence - 1, Ordering::Relaxed);
        shared.now.store(now.0, Ordering::Relaxed);
        // The thread makes the next one, if there is time for it.
        let late = end.segment.len() - end.at <= 2 * reserve;
        let made = (late || matches!(place, Place::Memory(_))).then(|| maker.make(now));
        let next = made
            .and_then(|made| made.map_err(|error| shared.set_error(Some(error.to_string()))).ok());
        let both = [Some(&end.segment), next.as_ref()];
        let supply = supply(options, &shared, maker, hook, both)?;
        let capacity = options.segment_bytes as usize - SEGMENT_HEADER;
        let mut writer = Self {
            segment: end.segment,
            at: end.at,
            normal_end: 0,
            next_sequence: end.next_sequence,
            first_sequence: end.first_sequence,
            next,
            reserve,
            every: options.sync == SyncPolicy::Every,
            record_max: capacity.min(RECORD_MAX),
            shared,
            supply,
            place,
            _lock: lock,
        };
        writer.set_normal_end();
        Ok((writer, opened))
    }

    /// Appends a record and returns its sequence. When this returns, the record survives the end
    /// of the process; with [`SyncPolicy::Every`] that of the machine.
    ///
    /// # Errors
    ///
    /// [`AppendError::TooLarge`] and [`AppendError::Full`]: nothing was written.
    /// [`AppendError::Failed`], for normal records only unless the process is simulated: the disk
    /// did not store an earlier record. The record at which it first fails is written like any
    /// other; [`Writer::has_failed`] tells of it.
    #[inline]
    pub fn append(
        &mut self,
        kind: u8,
        need: Need,
        now: Nanos,
        payload: &[u8],
    ) -> Result<u64, AppendError> {
        let size = match record_size(payload.len()) {
            Some(size) if size <= self.record_max => size,
            _ => return Err(AppendError::TooLarge),
        };
        if need == Need::Normal && self.has_failed() {
            return Err(AppendError::Failed);
        }
        if size > self.room(need) {
            self.make_room(size, need)?;
        }
        let sequence = self.next_sequence;
        let header = encode_record(self.at, self.segment.salt, sequence, now, kind, payload);
        self.segment.write(self.at, &header, payload)?;
        self.at += size;
        self.next_sequence = sequence + 1;
        self.shared.position.store(self.at as u64, Ordering::Relaxed);
        self.shared.now.store(now.0, Ordering::Relaxed);
        self.shared.sequence.store(sequence, Ordering::Release);
        if self.every {
            self.sync_record();
        }
        Ok(sequence)
    }

    /// Whether a normal record with so long a payload would find room now. Takes the next segment if
    /// it has come.
    pub fn has_room(&mut self, payload_len: usize) -> bool {
        let size = record_size(payload_len).unwrap_or(usize::MAX);
        if size > self.room(Need::Normal) {
            self.take_next();
        }
        !self.has_failed() && (size <= self.room(Need::Normal) || self.next.is_some())
    }

    /// Whether the disk has failed to store what was written. For good.
    #[inline]
    pub fn has_failed(&self) -> bool {
        self.shared.failed.load(Ordering::Relaxed)
    }

    /// Sequence that the next record gets.
    #[inline]
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Last sequence that is known to be on the disk since this writer was opened, 0 if none is.
    #[inline]
    pub fn synced(&self) -> u64 {
        self.shared.synced.load(Ordering::Relaxed)
    }

    /// Most bytes of a payload that this journal takes.
    pub fn payload_max(&self) -> usize {
        PAYLOAD_MAX.min(self.record_max - RECORD_HEADER)
    }

    /// How it does. Allocates and may wait a moment: not for the path.
    pub fn status(&self) -> WriterStatus {
        WriterStatus {
            sequence: self.next_sequence - 1,
            synced: self.shared.synced.load(Ordering::Acquire),
            segment: self.segment.number,
            used: self.at as u64,
            len: self.segment.len() as u64,
            next_ready: self.next.is_some()
                || self.shared.made.load(Ordering::Acquire) > self.segment.number,
            error: self.shared.error(),
        }
    }

    /// Where the journal lies.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Stores everything and closes the journal.
    ///
    /// # Errors
    ///
    /// In words, if something could not be stored.
    pub fn close(mut self) -> Result<(), String> {
        self.finish();
        match self.shared.error() {
            Some(error) if self.shared.failed.load(Ordering::Acquire) => Err(error),
            _ => Ok(()),
        }
    }

    #[inline]
    fn room(&self, need: Need) -> usize {
        let end = match need {
            Need::Normal => self.normal_end,
            Need::Essential => self.segment.len(),
        };
        end.saturating_sub(self.at)
    }

    fn set_normal_end(&mut self) {
        let len = self.segment.len();
        let reserve = if self.next.is_some() { 0 } else { self.reserve.min(len / 2) };
        self.normal_end = len - reserve;
    }

    /// Asks for the next segment and moves into it if the record does not fit here.
    #[cold]
    fn make_room(&mut self, size: usize, need: Need) -> Result<(), AppendError> {
        self.take_next();
        if size > self.room(need) && self.next.is_some() && size > self.room(Need::Essential) {
            self.rotate()?;
            self.take_next();
        }
        if size > self.room(need) { Err(AppendError::Full) } else { Ok(()) }
    }

    /// Takes the next segment if it is there.
    fn take_next(&mut self) {
        if self.next.is_none() {
            self.next = match &mut self.supply {
                Supply::Thread { ready, .. } => ready.try_recv().ok(),
                Supply::Memory { maker, .. } => {
                    let now = Nanos(self.shared.now.load(Ordering::Relaxed));
                    let made = maker.make(now);
                    self.shared.set_error(made.as_ref().err().map(ToString::to_string));
                    made.ok()
                }
            };
        }
        self.set_normal_end();
    }

    /// Moves into the next segment and gives the full one away.
    fn rotate(&mut self) -> Result<(), AppendError> {
        let Some(mut next) = self.next.take() else { return Err(AppendError::Full) };
        next.open(self.next_sequence)?;
        let full = std::mem::replace(&mut self.segment, next);
        let full = Full {
            segment: full,
            first_sequence: self.first_sequence,
            last_sequence: self.next_sequence - 1,
        };
        self.at = SEGMENT_HEADER;
        self.first_sequence = self.next_sequence;
        self.set_normal_end();
        self.shared.position.store(self.at as u64, Ordering::Relaxed);
        self.shared.segment.store(self.segment.number, Ordering::Release);
        match &mut self.supply {
            Supply::Memory { hook, .. } => tell(hook, &self.place, &full, &self.shared),
            Supply::Thread { closed, waiting, .. } => {
                waiting.push(full);
                hand_over(closed, waiting);
            }
        }
        Ok(())
    }

    /// Waits for the disk, as asked for with [`SyncPolicy::Every`].
    #[cold]
    fn sync_record(&mut self) {
        match self.segment.sync() {
            Ok(()) => self.shared.synced.store(self.next_sequence - 1, Ordering::Release),
            Err(error) => {
                let path = self.place.segment_path(self.segment.number);
                self.shared.fail(format!("cannot store {}: {error}", path.display()));
            }
        }
    }

    /// Ends the thread, which stores what is written, and removes what was made ahead.
    fn finish(&mut self) {
        if let Supply::Thread { closed, waiting, thread, .. } = &mut self.supply {
            let Some(thread) = thread.take() else { return };
            while !waiting.is_empty() {
                hand_over(closed, waiting);
                if thread.is_finished() {
                    break;
                }
                thread::yield_now();
            }
            self.shared.stop.store(true, Ordering::Release);
            thread.thread().unpark();
            if thread.join().is_err() {
                self.shared.fail("the journal's thread panicked".to_owned());
            }
        }
        // What could not be removed is not in the way: the next start removes it.
        if let Ok(found) = survey(&self.place) {
            let _ = found.unopened.iter().rev().try_for_each(|n| self.place.remove_segment(*n));
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Gives full segments to the thread, oldest first, as many as it has room for.
fn hand_over(closed: &SyncSender<Full>, waiting: &mut Vec<Full>) {
    while !waiting.is_empty() {
        match closed.try_send(waiting.remove(0)) {
            Ok(()) => {}
            Err(TrySendError::Full(segment) | TrySendError::Disconnected(segment)) => {
                return waiting.insert(0, segment);
            }
        }
    }
}

/// Starts the journal's thread; in memory there is none.
fn supply(
    options: &WriterOptions,
    shared: &Arc<Shared>,
    maker: Maker,
    hook: Option<Hook>,
    segments: [Option<&Segment>; 2],
) -> Result<Supply, JournalError> {
    if matches!(options.place, Place::Memory(_)) {
        return Ok(Supply::Memory { maker, hook });
    }
    let caller = hook.map(|hook| {
        let caller = Caller::start(hook, options.place.clone(), Arc::clone(shared));
        caller.map_err(io_error(options.place.path(), "start a thread for"))
    });
    let caller = caller.transpose()?;
    let (ready_sender, ready) = sync_channel(2);
    let (closed, closed_receiver) = sync_channel(CLOSED_MAX);
    let held = segments
        .into_iter()
        .flatten()
        .filter_map(|segment| Some((segment.number, segment.keeper()?.clone())))
        .collect();
    let housekeeper = Housekeeper {
        shared: Arc::clone(shared),
        maker,
        sync: options.sync,
        caller,
        closed: closed_receiver,
        ready: ready_sender,
        held,
    };
    let thread = thread::Builder::new()
        .name("journal".to_owned())
        .spawn(move || housekeeper.run())
        .map_err(io_error(options.place.path(), "start a thread for"))?;
    let waiting = Vec::with_capacity(CLOSED_MAX);
    Ok(Supply::Thread { ready, closed, waiting, thread: Some(thread) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::MemoryFolder;

    #[test]
    fn a_disk_that_fails_stops_what_is_new_for_good_and_nothing_else() {
        let options = WriterOptions {
            segment_bytes: 4096,
            reserve_bytes: Some(512),
            ..WriterOptions::new(Place::Memory(MemoryFolder::new()))
        };
        let (mut writer, _) = Writer::open(&options, Nanos(1), None).unwrap();
        let append = |writer: &mut Writer, need| writer.append(1, need, Nanos(1), &[1; 900]);
        assert_eq!(append(&mut writer, Need::Normal), Ok(1));
        writer.shared.fail("cannot store segment-000001.log: input/output error".to_owned());
        for sequence in 2..9 {
            assert_eq!(append(&mut writer, Need::Normal), Err(AppendError::Failed));
            assert_eq!(append(&mut writer, Need::Essential), Ok(sequence));
        }
        // A next segment was made in the meantime: that does not hide it.
        let error = "cannot store segment-000001.log: input/output error";
        assert_eq!(writer.status().error.as_deref(), Some(error));
        assert_eq!(writer.close(), Err(error.to_owned()));
    }
}

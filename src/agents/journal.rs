//! The journal under the order manager: what it records goes into the files of [`crate::journal`],
//! and what they hold becomes its state again at the next start.
//!
//! A snapshot is taken at every clean stop, and of every file that gets full: a replica of the order
//! manager follows on the journal's own thread, executes what the file holds, compares, and writes
//! its state. So a start reads at most what came after, however long the history, and a difference
//! between the live state and its records is noticed while the engine runs.

use super::account::{self, FinalState};
use super::log::Log;
use crate::clock::Clock;
use crate::config::{JournalConfig, JournalSync};
use crate::journal::{
    AppendError, ClosedSegment, JournalError, Lock, Need, Place, Reader, SyncPolicy, Torn, Writer,
    WriterOptions, snapshot,
};
use crate::oms::{Kept, Oms, Record, Recorder, Replay};
use crate::types::{Nanos, Request, StrategyId, VenueId};
use serde::Serialize;
use std::collections::VecDeque;

/// What a journal makes.
#[derive(Default)]
pub struct Restored {
    /// The state; `None`: the journal is empty.
    pub kept: Option<Kept>,
    /// The state began with a snapshot of this record; 0: with the first record.
    pub after: u64,
    /// Records read.
    pub records: u64,
    /// Inputs executed again.
    pub inputs: u64,
    /// Sequence that the next record gets.
    pub next_sequence: u64,
    /// An unfinished record at the end.
    pub torn: Option<Torn>,
    /// What was not as it should be and could be got round, in words.
    pub warnings: Vec<String>,
}

/// Executes a journal again, from its newest snapshot on, or all records that there are: from the
/// first one, or after the snapshot that stands for those that were removed.
pub fn restore(place: &Place, from_snapshot: bool) -> Result<Restored, String> {
    let mut restored = Restored::default();
    if matches!(place, Place::Folder(folder) if !folder.exists()) {
        return Ok(restored);
    }
    let found = if from_snapshot { snapshot::newest(place) } else { snapshot::oldest(place) };
    let found = found.map_err(|error| error.to_string())?;
    restored.warnings.extend(found.damaged.iter().map(ToString::to_string));
    let mut replay = Replay::new();
    if let Some(snapshot) = found.snapshot {
        match Kept::decode(&snapshot.payload) {
            Some(kept) => (replay, restored.after) = (Replay::from(kept), snapshot.sequence),
            None => restored.warnings.push(format!(
                "{}: written by another version; the records are read instead",
                place.snapshot_path(snapshot.sequence).display()
            )),
        }
    }
    let from = restored.after + 1;
    let mut reader = Reader::open(place, from).map_err(|error| error.to_string())?;
    let advice = "Start the version that wrote it and stop that in good order, or move the folder \
                  away to begin anew: open orders are then found at the venues, positions begin at \
                  zero";
    let wrong = |sequence: u64, error: &dyn std::fmt::Display| {
        format!("{}: record {sequence}: {error}. {advice}", place.path().display())
    };
    let mut last = from;
    while let Some(raw) = reader.next().map_err(|error| error.to_string())? {
        last = raw.sequence;
        restored.records += 1;
        let record = Record::decode(raw.payload).map_err(|error| wrong(last, &error))?;
        replay.push(raw.time, record).map_err(|error| wrong(last, &error))?;
    }
    restored.torn = reader.torn().cloned();
    restored.next_sequence = reader.next_sequence().max(from);
    let (kept, inputs) = replay.finish().map_err(|error| wrong(last, &error))?;
    (restored.kept, restored.inputs) = (kept, inputs);
    Ok(restored)
}

/// The last records of a journal as JSON lines, for whoever asks what happened before the end. As
/// many as can be read of it, which may be written at this moment.
#[must_use]
pub fn last_lines(place: &Place, most: usize) -> Vec<String> {
    let newest = snapshot::newest(place).ok().and_then(|found| found.snapshot);
    let from = newest.map_or(0, |snapshot| snapshot.sequence.saturating_sub(most as u64));
    // That far back there may be none any more: then from the first there is.
    let opened = Reader::open(place, from).or_else(|_| Reader::open(place, 0));
    let Ok(mut reader) = opened else { return Vec::new() };
    let mut last: VecDeque<(u64, Nanos, Vec<u8>)> = VecDeque::with_capacity(most + 1);
    while let Ok(Some(raw)) = reader.next() {
        last.push_back((raw.sequence, raw.time, raw.payload.to_vec()));
        if last.len() > most {
            last.pop_front();
        }
    }
    let lines = last.iter().filter_map(|(sequence, time, payload)| {
        let record = Record::decode(payload).ok()?;
        let line = Line { sequence: *sequence, time_ns: time.0, record: &record };
        serde_json::to_string(&line).ok()
    });
    lines.collect()
}

/// Written at once: amounts are larger than the numbers that a JSON value in memory can hold.
#[derive(Serialize)]
struct Line<'a> {
    sequence: u64,
    time_ns: u64,
    record: &'a Record,
}

impl Restored {
    /// The state as the summary of a run shows it, with nothing marked to a market.
    #[must_use]
    pub fn final_state(&self, venues: &[VenueId]) -> FinalState {
        let Some(kept) = &self.kept else { return FinalState::default() };
        let oms = Oms::replayed(kept.clone());
        account::final_state(
            &oms,
            kept.instruments(),
            (venues, &account::Around::NONE),
            kept.instance_start(),
        )
    }
}

/// Where a journal is and how it is kept.
#[derive(Clone, Debug)]
pub struct JournalSetup {
    /// Where.
    pub place: Place,
    /// How.
    pub config: JournalConfig,
    /// The venues begin anew, and so does the journal: what is there is moved aside.
    pub anew: bool,
}

/// The folder of the run before stays beside the new one, that of the run before it goes.
fn move_aside(place: &Place) -> Result<(), String> {
    let Place::Folder(folder) = place else { return Ok(()) };
    if !folder.exists() {
        return Ok(());
    }
    let before = folder.with_extension("before");
    let moved = match std::fs::remove_dir_all(&before) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => std::fs::rename(folder, &before),
    };
    moved.map_err(|error| format!("{}: {error}", before.display()))
}

/// The right to write the journal, of which what was there is moved aside if it is to begin anew.
fn lock(setup: &JournalSetup) -> Result<Lock, String> {
    let take = || setup.place.lock().map_err(|error| error.to_string());
    if setup.anew && setup.place.path().exists() {
        let _held = take()?;
        move_aside(&setup.place)?;
    }
    take()
}

/// Room for any record but the opening of a run with many instruments.
const BUFFER: usize = 16 * 1024;

/// How much a journal holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalDepth {
    /// Records, those of earlier runs included.
    pub records: u64,
    /// Those of this run that the disk may not have yet.
    pub unsynced: u64,
    /// The disk is asked to have them: they become fewer again.
    pub syncs: bool,
}

/// Takes the records of the order manager.
pub struct JournalRecorder {
    writer: Option<Writer>,
    keep_all: bool,
    buffer: Box<[u8; BUFFER]>,
    /// Something found no room but what is kept for the essential, and none was seen since.
    short: bool,
    /// The last record that could not be kept, and everything after it.
    broken: Option<AppendError>,
    lost: u64,
    /// Last sequence of the run before.
    synced_from: u64,
    /// The disk is asked to have what was written.
    syncs: bool,
    /// Stamps the first intent of a signal, if that is wanted.
    clock: Option<Clock>,
    intent_ns: Nanos,
}

impl JournalRecorder {
    /// Keeps nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::over(None, true, false)
    }

    fn over(writer: Option<Writer>, keep_all: bool, syncs: bool) -> Self {
        let last = writer.as_ref().map(|writer| writer.next_sequence().saturating_sub(1));
        Self {
            writer,
            keep_all,
            buffer: Box::new([0; BUFFER]),
            short: false,
            broken: None,
            lost: 0,
            synced_from: last.unwrap_or(0),
            syncs,
            clock: None,
            intent_ns: Nanos(0),
        }
    }

    /// Opens a journal: the state that it holds, and where to go on recording.
    pub fn open(
        setup: &JournalSetup,
        now: Nanos,
        mut log: Log,
    ) -> Result<(Self, Option<Kept>), String> {
        let config = &setup.config;
        // Under the lock from the first look on: nobody else adds to what is read here.
        let lock = lock(setup)?;
        let restored = restore(&setup.place, true)?;
        for warning in &restored.warnings {
            log.warn(now, format_args!("{warning}"));
        }
        let sync = match config.sync {
            JournalSync::Never => SyncPolicy::Never,
            JournalSync::Interval(nanos) => SyncPolicy::Interval(Nanos(nanos)),
            JournalSync::Record => SyncPolicy::Every,
        };
        let options = WriterOptions {
            segment_bytes: config.segment_bytes,
            sync,
            ..WriterOptions::new(setup.place.clone())
        };
        let mut follower = Follower::new(&restored, config.keep_all, log.clone());
        let hook = Box::new(move |closed: &ClosedSegment| follower.follow(closed));
        let opened = Writer::open_locked(lock, &options, now, Some(hook));
        let (writer, opened) = opened.map_err(|error| error.to_string())?;
        if let Some(cut) = &opened.cut {
            log.warn(now, format_args!("{cut}"));
        }
        if let Some(kept) = &restored.kept {
            let text = format_args!(
                "{}: {} records read, {} orders of the run before have not ended",
                setup.place.path().display(),
                restored.records,
                kept.open_count()
            );
            log.info(now, text);
        }
        let syncs = config.sync != JournalSync::Never;
        Ok((Self::over(Some(writer), config.keep_all, syncs), restored.kept))
    }

    /// Stamps from now on when the orders of a signal had passed every limit.
    pub fn stamp_intents(&mut self, clock: Clock) {
        self.clock = Some(clock);
    }

    /// When the first intent since the last call came to be recorded: the orders had passed every
    /// limit. 0 if there was none or it was not stamped.
    pub fn take_intent_ns(&mut self) -> Nanos {
        std::mem::take(&mut self.intent_ns)
    }

    /// Only cancels and reports have room: no new orders.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.short
    }

    /// Looks whether there is room again, for more than the next small record. Not for the path.
    pub fn look_for_room(&mut self) {
        if let (true, Some(writer)) = (self.short, &mut self.writer) {
            self.short = !writer.has_room(BUFFER);
        }
    }

    /// Sequence that the next record gets; 0 if nothing is recorded.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.writer.as_ref().map_or(0, Writer::next_sequence)
    }

    /// How much is recorded, and whether the disk has it.
    #[must_use]
    pub fn depth(&self) -> JournalDepth {
        let Some(writer) = &self.writer else { return JournalDepth::default() };
        let records = self.next_sequence().saturating_sub(1);
        let unsynced = records.saturating_sub(writer.synced().max(self.synced_from));
        JournalDepth { records, unsynced, syncs: self.syncs }
    }

    /// Why nothing is recorded any more, and how many records are missing.
    #[must_use]
    pub fn broken(&self) -> Option<(AppendError, u64)> {
        self.broken.map(|error| (error, self.lost))
    }

    /// What the journal itself says is wrong. Not for the path.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        self.writer.as_ref()?.status().error
    }

    /// Stores everything with the state that it makes. Nothing is recorded afterwards.
    pub fn close(&mut self, kept: &Kept, now: Nanos) -> Result<(), String> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        let (place, last) = (writer.place().clone(), writer.next_sequence() - 1);
        writer.close()?;
        if let Some(error) = self.broken {
            let (lost, path) = (self.lost, place.path().display());
            return Err(format!("{path}: {lost} records are missing after {last}: {error}"));
        }
        snapshot::write(&place, last, now, &kept.encode())
            .and_then(|()| snapshot::prune(&place, self.keep_all))
            .map(drop)
            .map_err(|error| error.to_string())
    }

    fn append(&mut self, kind: u8, now: Nanos, len: usize) {
        let Some(writer) = &mut self.writer else { return };
        let bytes = &self.buffer[..len];
        let mut result = writer.append(kind, Need::Normal, now, bytes);
        let refused = matches!(result, Err(AppendError::Full | AppendError::Failed));
        self.short |= refused || writer.has_failed();
        if refused {
            result = writer.append(kind, Need::Essential, now, bytes);
        }
        self.broken = result.err();
    }

    /// The opening of a run may be long.
    #[cold]
    fn append_long(&mut self, kind: u8, now: Nanos, record: &Record) {
        let Some(writer) = &mut self.writer else { return };
        let bytes = record.encode_long();
        self.broken = writer.append(kind, Need::Essential, now, &bytes).err();
    }
}

impl Recorder for JournalRecorder {
    #[inline]
    fn request(&mut self, now: Nanos, strategy: StrategyId, request: &Request) {
        if let (Request::Signal(signal), true, None) = (request, self.writer.is_some(), self.broken)
            && let Some((kind, len)) = Record::encode_signal(strategy, signal, &mut self.buffer[..])
        {
            self.append(kind, now, len);
            self.lost += u64::from(self.broken.is_some());
        } else {
            self.record(now, &Record::Request(strategy, *request));
        }
    }

    #[inline]
    fn record(&mut self, now: Nanos, record: &Record) {
        if let (Some(clock), Record::Intent { .. }, 0) = (&self.clock, record, self.intent_ns.0) {
            self.intent_ns = clock.now();
        }
        if self.writer.is_none() {
            return;
        }
        if self.broken.is_some() {
            // What follows would hang in the air: the records end where the first is missing.
            self.lost += 1;
            return;
        }
        let (kind, _) = record.kind();
        match record.encode(&mut self.buffer[..]) {
            Some(len) => self.append(kind, now, len),
            None => self.append_long(kind, now, record),
        }
        self.lost += u64::from(self.broken.is_some());
    }
}

/// The replica that turns full files into snapshots.
struct Follower {
    replay: Option<Replay>,
    /// Next record that it has not executed.
    next: u64,
    /// Input whose group is not complete; the state before it is a snapshot.
    input: (u64, Nanos),
    keep_all: bool,
    log: Log,
}

impl Follower {
    fn new(restored: &Restored, keep_all: bool, log: Log) -> Self {
        let replay = restored.kept.clone().map_or_else(Replay::new, Replay::from);
        let next = restored.next_sequence;
        Self { replay: Some(replay), next, input: (0, Nanos(0)), keep_all, log }
    }

    fn follow(&mut self, closed: &ClosedSegment) {
        let Some(mut replay) = self.replay.take() else { return };
        let path = closed.path();
        if let Err(error) = self.execute(&mut replay, closed) {
            let text = format_args!("{}: no more snapshots: {error}", path.display());
            return self.log.error(self.input.1, text);
        }
        // What the disk has no room for today it may have tomorrow; what is not needed any more
        // goes in either case.
        if let Err(error) = self.store(&replay, closed) {
            self.log.warn(self.input.1, format_args!("{}: no snapshot: {error}", path.display()));
        }
        if let Err(error) = snapshot::prune(closed.place(), self.keep_all) {
            let text = format_args!("{}: old files are not removed: {error}", path.display());
            self.log.warn(self.input.1, text);
        }
        self.replay = Some(replay);
    }

    fn execute(&mut self, replay: &mut Replay, closed: &ClosedSegment) -> Result<(), String> {
        let bytes = closed.bytes();
        for raw in closed.records(&bytes) {
            if raw.sequence < self.next {
                continue;
            }
            self.next = raw.sequence + 1;
            let what = |error: &dyn std::fmt::Display| format!("record {}: {error}", raw.sequence);
            let record = Record::decode(raw.payload).map_err(|error| what(&error))?;
            if record.is_input() {
                self.input = (raw.sequence, raw.time);
            }
            replay.push(raw.time, record).map_err(|error| what(&error))?;
        }
        Ok(())
    }

    fn store(&self, replay: &Replay, closed: &ClosedSegment) -> Result<(), JournalError> {
        let (sequence, time) = self.input;
        match replay.kept().filter(|_| sequence > 1) {
            Some(kept) => snapshot::write(closed.place(), sequence - 1, time, &kept.encode()),
            None => Ok(()),
        }
    }
}

/// When a run may say that it began: later than every run before, so that no id is used twice.
#[must_use]
pub fn start_after(kept: Option<&Kept>, now: Nanos) -> Nanos {
    const SECOND: u64 = 1_000_000_000;
    kept.map_or(now, |kept| now.max(kept.instance_start().plus(SECOND)))
}

//! Reads a journal: every record from a given sequence on, in order, each proved by its checksum.
//!
//! Needs no lock, changes nothing, and may read a journal that is being written: it then ends at
//! some record that was the last one at the time. Segments are read into memory of its own, one at
//! a time, so no file can be cut short under it.
//!
//! It tells three ends apart. *Clean*: nothing was written behind the last record. *Torn*: bytes
//! were, but no whole record, in the last segment; whoever opens the journal for writing cuts them.
//! *Damaged*: valid records follow, or a later segment does, or a number is missing; that is an
//! error which names the file and the offset, and nothing behind it is handed out.

#![forbid(unsafe_code)]

use super::error::JournalError;
use super::format::{
    Damage, End, RECORD_HEADER, RawRecord, SEGMENT_HEADER, SegmentHeader, Slot, decode_header,
    end_at, record_follows, slot_at,
};
use super::place::Place;
use super::survey::{damaged, survey};
use crate::types::Nanos;
use std::fmt;
use std::path::PathBuf;

/// How often the end of a journal that is being written is looked at again.
const LOOKS_MAX: usize = 16;

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Rises by one from record to record, over all segments.
    pub sequence: u64,
    /// When it was appended.
    pub time: Nanos,
    /// What the payload is; this layer does not know.
    pub kind: u8,
    /// What was appended.
    pub payload: &'a [u8],
    /// Number of the segment that holds it.
    pub segment: u64,
    /// Where it begins there, in bytes.
    pub offset: u64,
}

/// A torn tail: bytes behind the last record that are no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Which file.
    pub path: PathBuf,
    /// Number of that segment.
    pub segment: u64,
    /// Where the tail begins, in bytes.
    pub offset: u64,
    /// What is wrong there.
    pub what: Damage,
    /// Sequence of the last record before it, 0 if none.
    pub last_sequence: u64,
}

impl fmt::Display for Torn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: unfinished record cut at offset {} ({}); the journal ends with record {}",
            self.path.display(),
            self.offset,
            self.what,
            self.last_sequence
        )
    }
}

/// Reads a journal.
#[derive(Debug)]
pub struct Reader {
    place: Place,
    segments: Vec<SegmentHeader>,
    /// The segment being read.
    index: usize,
    bytes: Vec<u8>,
    at: usize,
    /// Next sequence.
    expected: u64,
    from: u64,
    torn: Option<Torn>,
    done: bool,
    /// Goes on at the end, again and again.
    follows: bool,
}

impl Reader {
    /// Reads from the record `from` on; 0: from the first that there is.
    pub fn open(place: &Place, from: u64) -> Result<Self, JournalError> {
        let segments = survey(place)?.opened;
        let after = segments.partition_point(|segment| segment.first_sequence <= from);
        let mut reader = Self {
            place: place.clone(),
            index: after.saturating_sub(1),
            bytes: Vec::new(),
            at: SEGMENT_HEADER,
            expected: 0,
            from,
            torn: None,
            done: segments.is_empty(),
            follows: false,
            segments,
        };
        if let Some(first) = reader.segments.get(reader.index).copied() {
            if from != 0 && first.first_sequence > from {
                let folder = place.path().to_owned();
                let first = first.first_sequence;
                return Err(JournalError::RecordsMissing { folder, wanted: from, first });
            }
            reader.expected = first.first_sequence;
            reader.load()?;
        }
        Ok(reader)
    }

    /// The next record; `None` at the end.
    // Not an iterator: a record borrows the reader's memory.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Record<'_>>, JournalError> {
        while !self.done {
            let Some(segment) = self.segments.get(self.index).copied() else { break };
            let at = self.at;
            match slot_at(&self.bytes, at, segment.salt) {
                Slot::Record(raw) if raw.sequence == self.expected => {
                    self.at += raw.size;
                    self.expected = raw.sequence.saturating_add(1);
                    if raw.sequence >= self.from {
                        return Ok(Some(record(&self.bytes, segment.number, at, raw)));
                    }
                }
                slot => self.end_of_segment(segment, slot).inspect_err(|_| self.done = true)?,
            }
        }
        self.done = true;
        Ok(None)
    }

    /// Looks behind the end again, for those who follow a journal that is being written: whether
    /// there may be more, in this segment or in the next. Reads no more of the files than what was
    /// written since, and the segment's header: a journal that was begun anew in the same place is
    /// none to go on with, and where it is shorter it would look like this one at rest.
    pub fn go_on(&mut self) -> Result<bool, JournalError> {
        let Some(segment) = self.segments.get(self.index).copied() else {
            *self = Self::open(&self.place.clone(), self.from)?;
            return Ok(!self.done);
        };
        self.follows = true;
        let Self { place, bytes, at, .. } = self;
        place.refresh_segment(segment.number, *at, bytes)?;
        // After the bytes: what was put in place before they were read is seen here.
        if self.header_now(segment.number)? != Some(segment) {
            return Err(JournalError::Replaced { path: self.place.segment_path(segment.number) });
        }
        (self.done, self.torn) = (false, None);
        if slot_at(&self.bytes, self.at, segment.salt) == Slot::Empty {
            if !self.is_opened(segment.number + 1) {
                self.done = true;
                return Ok(false);
            }
            self.segments = survey(&self.place)?.opened;
            let index = self.segments.iter().position(|known| *known == segment);
            let path = self.place.segment_path(segment.number);
            self.index = index.ok_or(JournalError::SegmentMissing { path })?;
            self.done = self.index + 1 == self.segments.len();
            // Whatever was written here before the next one was opened is there now.
            self.place.refresh_segment(segment.number, self.at, &mut self.bytes)?;
        }
        Ok(!self.done)
    }

    /// Whether a segment is there and records stand in it; reads its header alone.
    fn is_opened(&self, number: u64) -> bool {
        let header = self.header_now(number).ok().flatten();
        header.is_some_and(|header| header.first_sequence != 0)
    }

    /// The header that a segment has now; `None`: not a sound one.
    fn header_now(&self, number: u64) -> Result<Option<SegmentHeader>, JournalError> {
        let mut bytes = Vec::new();
        self.place.read_segment(number, SEGMENT_HEADER as u64, &mut bytes)?;
        Ok(decode_header(&bytes).ok())
    }

    /// The torn tail, once the end is reached; `None`: the end was clean.
    pub fn torn(&self) -> Option<&Torn> {
        self.torn.as_ref()
    }

    /// The sequence after the last record read.
    pub fn next_sequence(&self) -> u64 {
        self.expected
    }

    /// Where the reader stands in its segment, in bytes.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    fn load(&mut self) -> Result<(), JournalError> {
        match self.segments.get(self.index) {
            Some(segment) => self.place.read_segment(segment.number, segment.len, &mut self.bytes),
            None => Ok(()),
        }
    }

    /// Moves on to the next segment, or says how the journal ends.
    fn end_of_segment(&mut self, segment: SegmentHeader, slot: Slot) -> Result<(), JournalError> {
        let (at, salt, expected) = (self.at, segment.salt, self.expected);
        let Some(next) = self.segments.get(self.index + 1).copied() else {
            // What lies behind is looked at by whoever reads it once.
            self.done = self.follows && slot == Slot::Empty;
            return if self.done { Ok(()) } else { self.end_of_journal(segment) };
        };
        if slot == Slot::Empty && next.first_sequence == expected {
            self.index += 1;
            self.at = SEGMENT_HEADER;
            return self.load();
        }
        let what = match slot {
            Slot::Damaged(what) => what,
            Slot::Empty => Damage::Hole,
            Slot::Record(record) => Damage::Sequence { expected, found: record.sequence },
        };
        let follow =
            next.first_sequence > expected || record_follows(&self.bytes, at + 8, salt, expected);
        Err(damaged(&self.place, segment.number, at, what, follow))
    }

    fn end_of_journal(&mut self, segment: SegmentHeader) -> Result<(), JournalError> {
        let (at, salt, expected) = (self.at, segment.salt, self.expected);
        let mut end = end_at(&self.bytes, at, salt, expected);
        // A writer may have been at work between the first byte read and the last.
        for _ in 0..LOOKS_MAX {
            if end == End::Clean {
                break;
            }
            let before = std::mem::take(&mut self.bytes);
            self.load()?;
            if let Slot::Record(record) = slot_at(&self.bytes, at, salt)
                && record.sequence == expected
            {
                return Ok(());
            }
            end = end_at(&self.bytes, at, salt, expected);
            if self.bytes == before {
                break;
            }
        }
        self.done = true;
        match end {
            End::Clean => {}
            End::Torn(what) => {
                self.torn = Some(Torn {
                    path: self.place.segment_path(segment.number),
                    segment: segment.number,
                    offset: at as u64,
                    what,
                    last_sequence: expected.saturating_sub(1),
                });
            }
            End::Corrupt(what) => {
                return Err(damaged(&self.place, segment.number, at, what, true));
            }
        }
        Ok(())
    }
}

/// The record at `at`, already proved.
pub(super) fn record(bytes: &[u8], segment: u64, at: usize, raw: RawRecord) -> Record<'_> {
    let start = at + RECORD_HEADER;
    Record {
        sequence: raw.sequence,
        time: raw.time,
        kind: raw.kind,
        payload: bytes.get(start..start + raw.payload).unwrap_or_default(),
        segment,
        offset: at as u64,
    }
}

//! Snapshots: a state after a given record, so that a start need not read the whole journal.
//!
//! What the state means is the caller's. This layer writes it whole or not at all, proves it by a
//! checksum, finds the newest sound one, and removes what is older than needed. A snapshot never
//! takes the place of the journal: with the segments kept, losing every snapshot costs time only.
//!
//! A snapshot must not be ahead of what the disk has of the journal: take it of a
//! [`super::ClosedSegment`], or after [`super::Writer::close`].
//!
//! # A snapshot file
//!
//! Little-endian. Named after its sequence, in twenty digits.
//!
//! ```text
//! offset size
//!      0    8  magic "STOOPSNP"
//!      8    4  format version, `VERSION`
//!     12    4  bytes of this header, 48
//!     16    8  sequence of the last record that is in the state
//!     24    8  time of that record, ns since the UNIX epoch
//!     32    8  bytes of the payload
//!     40    4  CRC-32C of the payload
//!     44    4  CRC-32C of bytes 0..44
//!     48       payload, opaque, to the end of the file
//! ```

#![forbid(unsafe_code)]

use super::error::JournalError;
use super::format::SEQUENCE_FIRST;
use super::place::Place;
use super::survey::survey;
use crate::types::Nanos;
use crc32c::crc32c;

const MAGIC: [u8; 8] = *b"STOOPSNP";
const VERSION: u32 = 6;
const HEADER: usize = 48;
/// Snapshots that are kept.
const KEPT: usize = 2;

/// A state after a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Sequence of the last record that is in it; reading goes on with the next.
    pub sequence: u64,
    /// Time of that record.
    pub time: Nanos,
    /// The state.
    pub payload: Vec<u8>,
}

/// The snapshot looked for, and which that would have come before it are not sound, to be logged.
#[derive(Debug, Default)]
pub struct Found {
    /// `None`: read the journal from its beginning.
    pub snapshot: Option<Snapshot>,
    /// Those that could not be used, and why.
    pub damaged: Vec<JournalError>,
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Sequences of snapshots.
    pub snapshots: Vec<u64>,
    /// Numbers of segments.
    pub segments: Vec<u64>,
}

/// Writes a snapshot; it is on the disk when this returns. One of the same sequence is replaced.
pub fn write(
    place: &Place,
    sequence: u64,
    time: Nanos,
    payload: &[u8],
) -> Result<(), JournalError> {
    let mut header = [0; HEADER];
    header[0..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[12..16].copy_from_slice(&(HEADER as u32).to_le_bytes());
    header[16..24].copy_from_slice(&sequence.to_le_bytes());
    header[24..32].copy_from_slice(&time.0.to_le_bytes());
    header[32..40].copy_from_slice(&(payload.len() as u64).to_le_bytes());
    header[40..44].copy_from_slice(&crc32c(payload).to_le_bytes());
    let check = crc32c(&header[..44]);
    header[44..48].copy_from_slice(&check.to_le_bytes());
    place.write_snapshot(sequence, [&header, payload])
}

/// Finds the newest sound snapshot.
pub fn newest(place: &Place) -> Result<Found, JournalError> {
    before(place, Nanos(u64::MAX))
}

/// Finds the newest sound snapshot whose state is not younger than `time`.
pub fn before(place: &Place, time: Nanos) -> Result<Found, JournalError> {
    let mut found = Found::default();
    for sequence in place.snapshots()?.into_iter().rev() {
        match read(place, sequence) {
            Ok(snapshot) if snapshot.time > time => {}
            Ok(snapshot) => {
                found.snapshot = Some(snapshot);
                break;
            }
            Err(error) => found.damaged.push(error),
        }
    }
    Ok(found)
}

/// Finds the sound snapshot that all records there are follow: none if they begin with the very first
/// one, the oldest that reaches up to them if segments were removed.
pub fn oldest(place: &Place) -> Result<Found, JournalError> {
    let mut found = Found::default();
    let first = survey(place)?.opened.first().map_or(SEQUENCE_FIRST, |first| first.first_sequence);
    if first <= SEQUENCE_FIRST {
        return Ok(found);
    }
    for sequence in place.snapshots()?.into_iter().filter(|last| *last + 1 >= first) {
        match read(place, sequence) {
            Ok(snapshot) => {
                found.snapshot = Some(snapshot);
                break;
            }
            Err(error) => found.damaged.push(error),
        }
    }
    Ok(found)
}

/// Removes all snapshots but the newest two sound ones; unless `keep_segments`, also the segments
/// that lie wholly before the older of these two. With fewer than two, no segment is removed.
pub fn prune(place: &Place, keep_segments: bool) -> Result<Removed, JournalError> {
    let mut removed = Removed::default();
    let mut kept = Vec::new();
    for sequence in place.snapshots()?.into_iter().rev() {
        if kept.len() >= KEPT {
            place.remove_snapshot(sequence)?;
            removed.snapshots.push(sequence);
        } else if read(place, sequence).is_ok() {
            kept.push(sequence);
        }
    }
    let oldest = match kept.last() {
        Some(oldest) if kept.len() == KEPT && !keep_segments => *oldest,
        _ => return Ok(removed),
    };
    let segments = survey(place)?.opened;
    // Oldest first: whatever interrupts this leaves no gap.
    for pair in segments.windows(2) {
        if pair[1].first_sequence > oldest.saturating_add(1) {
            break;
        }
        place.remove_segment(pair[0].number)?;
        removed.segments.push(pair[0].number);
    }
    Ok(removed)
}

/// Reads a snapshot and proves it.
pub fn read(place: &Place, sequence: u64) -> Result<Snapshot, JournalError> {
    let mut bytes = place.read_snapshot(sequence)?;
    let time = decode(&bytes, sequence).map_err(|what| JournalError::SnapshotDamaged {
        path: place.snapshot_path(sequence),
        what,
    })?;
    bytes.drain(..HEADER);
    Ok(Snapshot { sequence, time, payload: bytes })
}

/// The time in a sound snapshot's header, or what is wrong.
fn decode(bytes: &[u8], sequence: u64) -> Result<Nanos, &'static str> {
    let Some((header, payload)) = bytes.split_at_checked(HEADER) else { return Err("cut short") };
    let number = |at: usize, len: usize| {
        let mut eight = [0; 8];
        eight[..len].copy_from_slice(&header[at..at + len]);
        u64::from_le_bytes(eight)
    };
    if header[..8] != MAGIC {
        return Err("not a snapshot");
    }
    if number(44, 4) != u64::from(crc32c(&header[..44])) {
        return Err("header checksum");
    }
    if number(8, 4) != u64::from(VERSION) {
        return Err("of another format version");
    }
    if number(12, 4) != HEADER as u64 || number(16, 8) != sequence {
        return Err("header does not fit the name");
    }
    if number(32, 8) != payload.len() as u64 {
        return Err("wrong length");
    }
    if number(40, 4) != u64::from(crc32c(payload)) {
        return Err("checksum");
    }
    Ok(Nanos(number(24, 8)))
}

//! Finds the place at which a writer goes on: the end of the last segment, its torn tail cut off.

#![forbid(unsafe_code)]

use super::SEQUENCE_FIRST;
use super::error::{JournalError, io_error};
use super::format::SEGMENT_HEADER;
use super::housekeeper::Maker;
use super::place::Place;
use super::reader::{Reader, Torn};
use super::segment::Segment;
use super::survey::Survey;
use crate::types::Nanos;

/// The segment to go on in.
pub(super) struct LastSegment {
    pub(super) segment: Segment,
    pub(super) at: usize,
    pub(super) first_sequence: u64,
    pub(super) next_sequence: u64,
    pub(super) torn: Option<Torn>,
}

/// Reads the last segment, if there is one, to its end.
pub(super) fn read_last(place: &Place, found: &Survey) -> Result<Option<Reader>, JournalError> {
    let mut next_sequence = SEQUENCE_FIRST;
    let mut reader = None;
    if let Some(last) = found.opened.last() {
        let mut last = Reader::open(place, last.first_sequence)?;
        while last.next()?.is_some() {}
        next_sequence = last.next_sequence();
        reader = Some(last);
    }
    match place.snapshots()?.last() {
        Some(snapshot) if *snapshot >= next_sequence => Err(JournalError::SnapshotAhead {
            path: place.snapshot_path(*snapshot),
            last: next_sequence - 1,
        }),
        _ => Ok(reader),
    }
}

/// Opens the last segment and cuts its torn tail; makes the first one of a new journal.
pub(super) fn last_segment(
    place: &Place,
    maker: &mut Maker,
    found: &Survey,
    read: Option<Reader>,
    now: Nanos,
) -> Result<LastSegment, JournalError> {
    let (Some(last), Some(reader)) = (found.opened.last(), read) else {
        let mut segment = maker.make(now)?;
        let path = place.segment_path(segment.number);
        let other = |error| io_error(path, "begin")(std::io::Error::other(error));
        segment.open(SEQUENCE_FIRST).map_err(other)?;
        let (first_sequence, next_sequence) = (SEQUENCE_FIRST, SEQUENCE_FIRST);
        let at = SEGMENT_HEADER;
        return Ok(LastSegment { segment, at, first_sequence, next_sequence, torn: None });
    };
    let at = reader.position();
    let mut segment = place.open_segment(last.number, last.salt, last.len)?;
    let torn = reader.torn().cloned();
    if torn.is_some() {
        segment.zero_from(at);
        let path = place.segment_path(last.number);
        segment.sync().map_err(io_error(path, "store"))?;
    }
    let first_sequence = last.first_sequence;
    let next_sequence = reader.next_sequence();
    Ok(LastSegment { segment, at, first_sequence, next_sequence, torn })
}

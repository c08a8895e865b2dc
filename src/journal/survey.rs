//! Which segments a journal has: reads every header, checks that no file between two others is
//! missing, and tells segments with records from those made ahead.

#![forbid(unsafe_code)]

use super::error::JournalError;
use super::format::{
    Damage, HeaderError, OPENING, SEGMENT_HEADER, SegmentHeader, VERSION, decode_header, is_zero,
};
use super::place::Place;

/// No journal gets as far as this segment; a file with such a name is not one of ours.
const NUMBER_LIMIT: u64 = 1 << 48;

/// The segments of a journal.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Those that were opened, rising and without a gap.
    pub(super) opened: Vec<SegmentHeader>,
    /// Those made ahead, or not even made whole: nothing is in them. Their numbers follow.
    pub(super) unopened: Vec<u64>,
}

/// Reads the headers of all segments.
pub(super) fn survey(place: &Place) -> Result<Survey, JournalError> {
    let mut survey = Survey::default();
    let mut bytes = Vec::new();
    let mut expected = None;
    for number in place.segments()? {
        if expected.is_some_and(|expected| expected != number) {
            let path = place.segment_path(expected.unwrap_or_default());
            return Err(JournalError::SegmentMissing { path });
        }
        if number > NUMBER_LIMIT {
            return Err(damaged(place, number, 0, Damage::Name, false));
        }
        expected = Some(number + 1);
        place.read_segment(number, SEGMENT_HEADER as u64, &mut bytes)?;
        match header(place, number, &bytes)? {
            Some(header) if survey.unopened.is_empty() => survey.opened.push(header),
            // Opened, yet the one before it is not.
            Some(_) => {
                let before = survey.unopened.first().copied().unwrap_or(number);
                return Err(damaged(place, before, 0, Damage::Unopened, true));
            }
            None => survey.unopened.push(number),
        }
    }
    Ok(survey)
}

/// The header of an opened segment; `None`: nothing is in it.
fn header(place: &Place, number: u64, bytes: &[u8]) -> Result<Option<SegmentHeader>, JournalError> {
    let found = match decode_header(bytes) {
        Ok(header) => header,
        Err(HeaderError::Version(found)) => {
            let path = place.segment_path(number);
            return Err(JournalError::Version { path, found, expected: VERSION });
        }
        // One that was begun and never used; only a simulated crash leaves such.
        Err(HeaderError::Damaged(_)) if is_unused(place, number)? => return Ok(None),
        Err(HeaderError::Damaged(what)) => {
            let offset = if what == Damage::Opening { OPENING } else { 0 };
            return Err(damaged(place, number, offset, what, false));
        }
    };
    if found.number != number || place.segment_len(number)? > found.len {
        return Err(damaged(place, number, 0, Damage::Name, false));
    }
    if found.first_sequence != 0 {
        return Ok(Some(found));
    }
    if is_unused(place, number)? {
        return Ok(None);
    }
    // A writer may have moved into it between the two looks.
    let mut again = Vec::new();
    place.read_segment(number, SEGMENT_HEADER as u64, &mut again)?;
    match decode_header(&again) {
        Ok(header) if header.first_sequence != 0 => Ok(Some(header)),
        _ => Err(damaged(place, number, OPENING, Damage::Unopened, false)),
    }
}

/// Whether nothing stands behind the header.
fn is_unused(place: &Place, number: u64) -> Result<bool, JournalError> {
    let mut bytes = Vec::new();
    place.read_segment(number, u64::MAX, &mut bytes)?;
    Ok(is_zero(bytes.get(SEGMENT_HEADER..).unwrap_or_default()))
}

/// The error for a damaged segment.
pub(super) fn damaged(
    place: &Place,
    number: u64,
    offset: usize,
    what: Damage,
    follow: bool,
) -> JournalError {
    JournalError::Damaged { path: place.segment_path(number), offset: offset as u64, what, follow }
}

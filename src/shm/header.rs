//! The header that both kinds of file begin with: written by the engine, checked by everyone who
//! attaches.

use super::RegionError;
use super::latency::Measuring;
use super::layout::{
    CLOCK_AT, COUNTS_AT, ENDED_AT, HASH, HASH_AT, HEADER, HEARTBEAT_AT, LENGTH_AT, MAGIC_AT,
    MEASURING_AT, PID_AT, STARTED_AT, STOPPING_AT, VERSION, VERSION_AT,
};
use crate::sync::words::{ReadWords, Words};
use crate::types::{Detail, Nanos};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Writes everything but the version.
pub(super) fn write(words: &Words, magic: u64, counts: &[u64]) {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    words.store(MAGIC_AT, magic);
    words.store(HASH_AT, HASH);
    words.store(LENGTH_AT, words.len() as u64);
    words.store(PID_AT, u64::from(std::process::id()));
    words.store(STARTED_AT, started.as_nanos() as u64);
    for (index, count) in counts.iter().enumerate() {
        words.store(COUNTS_AT + index, *count);
    }
}

/// Says how much is measured and what it costs.
pub(super) fn set_measuring(words: &Words, measuring: &Measuring) {
    let Measuring { detail, clock_ps, record_ps } = *measuring;
    for (index, word) in [detail as u64, clock_ps, record_ps].into_iter().enumerate() {
        words.store(MEASURING_AT + index, word);
    }
}

/// See [`set_measuring`].
pub(super) fn measuring(words: &ReadWords) -> Measuring {
    let [detail, clock_ps, record_ps] =
        std::array::from_fn(|index| words.load(MEASURING_AT + index));
    Measuring { detail: Detail::from_u8(detail as u8), clock_ps, record_ps }
}

/// Says how the engine tells the time; see [`crate::shm::MarketView::clock`].
pub(super) fn set_clock(words: &Words, anchor: [u64; 3]) {
    for (index, word) in anchor.into_iter().enumerate() {
        words.store(CLOCK_AT + index, word);
    }
}

/// See [`set_clock`].
pub(super) fn clock(words: &ReadWords) -> [u64; 3] {
    std::array::from_fn(|index| words.load(CLOCK_AT + index))
}

/// Says that the engine stops.
pub(super) fn stop(words: &Words) {
    words.store(STOPPING_AT, 1);
}

/// Whether the engine stops: there are no new orders any more.
pub(super) fn is_stopping(words: &ReadWords) -> bool {
    words.load(STOPPING_AT) != 0
}

/// Says that the file is complete. The last store of all, and Release.
pub(super) fn complete(words: &Words) {
    words.store(VERSION_AT, VERSION);
}

/// Whether the file is one of ours, complete and whole, and what its counts are.
pub(super) fn check<const N: usize>(
    words: &ReadWords,
    magic: u64,
    path: &Path,
) -> Result<[u64; N], RegionError> {
    let path = || path.to_owned();
    if words.load(MAGIC_AT) != magic {
        return Err(RegionError::Foreign { path: path() });
    }
    if words.len() < HEADER {
        return Err(truncated(words, HEADER as u64, path()));
    }
    let found = words.load_acquire(VERSION_AT);
    if found == 0 {
        return Err(RegionError::NotReady { path: path() });
    }
    if found != VERSION {
        return Err(RegionError::Version { path: path(), found, expected: VERSION });
    }
    if words.load(HASH_AT) != HASH {
        return Err(RegionError::Layout { path: path() });
    }
    let length = words.load(LENGTH_AT);
    if (words.len() as u64) < length {
        return Err(truncated(words, length, path()));
    }
    Ok(std::array::from_fn(|index| words.load(COUNTS_AT + index)))
}

fn truncated(words: &ReadWords, expected: u64, path: std::path::PathBuf) -> RegionError {
    let found = words.len() as u64 * 8;
    RegionError::Truncated { path, found, expected: expected.saturating_mul(8) }
}

/// Whether the counts of a checked header give the length that it has.
pub(super) fn check_length(words: &ReadWords, len: usize, path: &Path) -> Result<(), RegionError> {
    if words.load(LENGTH_AT) == len as u64 && words.len() >= len {
        return Ok(());
    }
    Err(RegionError::Corrupt { path: path.to_owned(), what: "its length" })
}

/// Says that the engine lives.
pub(super) fn beat(words: &Words, now: Nanos) {
    words.store(HEARTBEAT_AT, now.0);
}

/// Says that the engine has ended in good order.
pub(super) fn end(words: &Words) {
    words.store(ENDED_AT, 1);
}

/// When the engine last said that it lives.
pub(super) fn heartbeat(words: &ReadWords) -> Nanos {
    Nanos(words.load(HEARTBEAT_AT))
}

/// When the engine started.
pub(super) fn started(words: &ReadWords) -> Nanos {
    Nanos(words.load(STARTED_AT))
}

/// Process of the engine.
pub(super) fn pid(words: &ReadWords) -> u32 {
    words.load(PID_AT) as u32
}

/// Whether the engine has ended in good order.
pub(super) fn has_ended(words: &ReadWords) -> bool {
    words.load(ENDED_AT) != 0
}

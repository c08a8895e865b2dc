//! The journal's storage: an append-only log of opaque records in mapped files.
//!
//! [`Writer`] appends, [`Reader`] reads, [`snapshot`] keeps states beside the log so that a start
//! is short. What is in a record is not known here: a kind and bytes. `format` draws the map of the
//! files.
//!
//! What holds: when an append returns, the record survives the end of the process, whichever
//! instruction it dies at. A record is handed out only if its checksum and its sequence prove it.
//! A torn tail is cut and told; anything else that is not as it was written is refused with file
//! and offset, and nothing is changed. One process writes a journal. Losing power may lose what
//! [`SyncPolicy`] had not stored yet, and may leave holes in it, which are refused as damage.
//!
//! Nothing here imports the engine but its units; only `map` contains unsafe code.

#![deny(unsafe_op_in_unsafe_fn)]

mod crc;
mod error;
pub mod format;
mod housekeeper;
mod map;
mod memory;
mod opening;
mod place;
mod reader;
mod segment;
pub mod snapshot;
mod survey;
#[cfg(test)]
mod tests;
mod writer;

pub use error::{AppendError, JournalError};
pub use format::{Damage, PAYLOAD_MAX, SEQUENCE_FIRST};
pub use housekeeper::ClosedSegment;
pub use memory::MemoryFolder;
pub use place::{Lock, Place};
pub use reader::{Reader, Record, Torn};
pub use writer::{Need, Opened, Writer, WriterOptions, WriterStatus};

use crate::types::Nanos;

/// Called with every segment that is full, by the journal's thread; in memory, by the append that
/// needed the next one.
pub type Hook = Box<dyn FnMut(&ClosedSegment) + Send>;

/// When the disk must have what was written. The end of the process loses nothing with any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// When the system likes, some 30 s later. A loss of power may lose all of that.
    Never,
    /// In this cadence, by the journal's thread.
    Interval(Nanos),
    /// Before an append returns; it then waits for the disk.
    Every,
}

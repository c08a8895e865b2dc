//! Why a journal could not be opened, read or appended to. Written for the person who is woken by
//! it: every message names the file, what is wrong with it, and what to do.

#![forbid(unsafe_code)]

use super::format::Damage;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a journal could not be opened or read.
#[derive(Debug)]
pub enum JournalError {
    /// The system refused.
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Another process writes this journal.
    InUse {
        /// The journal's folder.
        folder: PathBuf,
        /// That process, 0 if unknown.
        pid: u32,
    },
    /// Written by another version of the program.
    Version {
        /// Which file.
        path: PathBuf,
        /// Version in the file.
        found: u32,
        /// Version that this program reads.
        expected: u32,
    },
    /// What stands in a file is not what was written. Nothing was changed.
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where in it, in bytes from its start.
        offset: u64,
        /// What is wrong there.
        what: Damage,
        /// Whether sound records stand behind it, in this segment or a later one.
        follow: bool,
    },
    /// A snapshot is not what was written.
    SnapshotDamaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A snapshot holds the state after a record that the journal does not have.
    SnapshotAhead {
        /// Which file.
        path: PathBuf,
        /// The journal's last record, 0 if it has none.
        last: u64,
    },
    /// A file between two others is not there.
    SegmentMissing {
        /// Which file.
        path: PathBuf,
    },
    /// Another file has taken the place of one that was being read.
    Replaced {
        /// Which file.
        path: PathBuf,
    },
    /// The records wanted lie before the first segment that is there.
    RecordsMissing {
        /// The journal's folder.
        folder: PathBuf,
        /// First sequence wanted.
        wanted: u64,
        /// First sequence that is there.
        first: u64,
    },
    /// An option is out of bounds.
    Options {
        /// Which bound.
        what: String,
    },
}

/// Attaches the path and the deed to an error of the system.
pub(super) fn io_error(
    path: impl Into<PathBuf>,
    action: &'static str,
) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.into();
    move |source| JournalError::Io { path, action, source }
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, action, source } => {
                write!(f, "cannot {action} {}: {source}", path.display())
            }
            Self::InUse { folder, pid } => {
                write!(f, "the journal {} is in use by ", folder.display())?;
                match pid {
                    0 => f.write_str("another process")?,
                    pid => write!(f, "process {pid}")?,
                }
                f.write_str(": stop that one first, or give this one a journal of its own")
            }
            Self::Version { path, found, expected } => write!(
                f,
                "{} has format version {found}, this program reads version {expected}: start the \
                 version that wrote it, or move the folder away",
                path.display()
            ),
            Self::Damaged { path, offset, what, follow } => {
                write!(f, "{}: damaged at offset {offset} ({what})", path.display())?;
                if *follow {
                    f.write_str(", valid records follow")?;
                }
                write!(f, "; nothing was changed. {}", WAY_ON)
            }
            Self::SnapshotDamaged { path, what } => write!(
                f,
                "{}: damaged ({what}); the snapshot before it is taken. The file may be removed",
                path.display()
            ),
            Self::SnapshotAhead { path, last } => write!(
                f,
                "{} is ahead of the journal, which ends with record {last}: records were lost; \
                 nothing was changed. {WAY_ON}",
                path.display()
            ),
            Self::SegmentMissing { path } => {
                write!(f, "{} is missing; nothing was changed. {WAY_ON}", path.display())
            }
            Self::Replaced { path } => write!(
                f,
                "{} is not the file that was being read: another journal stands there now; begin \
                 anew to read it",
                path.display()
            ),
            Self::RecordsMissing { folder, wanted, first } => write!(
                f,
                "the journal {} begins at record {first}, record {wanted} is needed: older \
                 segments were removed and no snapshot stands in for them. {WAY_ON}",
                folder.display()
            ),
            Self::Options { what } => write!(f, "the journal cannot be opened: {what}"),
        }
    }
}

/// What a person does about a journal that cannot be trusted.
const WAY_ON: &str = "Restore the file from a copy, or move the folder away and start with \
                      `stoop run` so that everything is taken from the venues";

impl std::error::Error for JournalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Why a record was not appended. [`super::Writer::status`] has the system's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendError {
    /// Longer than [`super::PAYLOAD_MAX`] or than a segment holds. Nothing was written.
    TooLarge,
    /// No space: the disk is full, or the next segment is late. Nothing was written; a later
    /// attempt may succeed, and what is essential may still be taken.
    Full,
    /// The medium failed: a record that is in memory may not be on the disk. Essential records are
    /// still taken where they can be.
    Failed,
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the record is larger than the journal takes",
            Self::Full => "the journal has no space: the disk is full or the next segment is late",
            Self::Failed => "the journal's disk failed to store what was written",
        })
    }
}

impl std::error::Error for AppendError {}

//! Why a region could not be made or opened. Every message names the file.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a region could not be made or opened.
#[derive(Debug)]
pub enum RegionError {
    /// The system refused.
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Not a file of this engine, or of another kind.
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// The engine that makes it has not finished.
    NotReady {
        /// Which file.
        path: PathBuf,
    },
    /// Made by another version of the engine.
    Version {
        /// Which file.
        path: PathBuf,
        /// Version in the file.
        found: u64,
        /// Version that this program reads.
        expected: u64,
    },
    /// Same version, but built with other sizes or offsets.
    Layout {
        /// Which file.
        path: PathBuf,
    },
    /// Shorter than its header says.
    Truncated {
        /// Which file.
        path: PathBuf,
        /// Bytes in the file.
        found: u64,
        /// Bytes that it should have.
        expected: u64,
    },
    /// The header or a table holds an impossible value.
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// Which part.
        what: &'static str,
    },
    /// A living process uses it.
    InUse {
        /// Which file.
        path: PathBuf,
        /// That process, 0 if unknown.
        pid: u32,
    },
    /// An option or the table of instruments is out of bounds.
    Options {
        /// Which bound.
        what: String,
    },
}

impl fmt::Display for RegionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, action, source } => {
                write!(f, "cannot {action} {}: {source}", path.display())
            }
            Self::Foreign { path } => {
                write!(f, "{} is not a region file of this engine", path.display())
            }
            Self::NotReady { path } => {
                write!(f, "{} is still being made; try again", path.display())
            }
            Self::Version { path, found, expected } => write!(
                f,
                "{} has layout version {found}, this program reads version {expected}: \
                 use the same build for both",
                path.display()
            ),
            Self::Layout { path } => write!(
                f,
                "{} was laid out by another build of the same version: use the same build for both",
                path.display()
            ),
            Self::Truncated { path, found, expected } => {
                write!(f, "{} is cut short: {found} bytes of {expected}", path.display())
            }
            Self::Corrupt { path, what } => {
                write!(f, "{} is corrupt: {what}", path.display())
            }
            Self::InUse { path, pid: 0 } => write!(f, "{} is in use", path.display()),
            Self::InUse { path, pid } => {
                write!(f, "{} is in use by process {pid}", path.display())
            }
            Self::Options { what } => write!(f, "the region cannot be made: {what}"),
        }
    }
}

impl std::error::Error for RegionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

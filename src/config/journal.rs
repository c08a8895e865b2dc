//! `[journal]`: where the journal lies and how it is kept.

#![forbid(unsafe_code)]

use super::check::Checker;
use super::{Config, ConfigError};
use serde::Deserialize;
use std::path::PathBuf;
use toml::Spanned;

/// How the journal is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalConfig {
    /// Folder in which each instance and mode has its own.
    pub folder: PathBuf,
    /// Bytes of one file.
    pub segment_bytes: u64,
    /// When the disk must have what was written.
    pub sync: JournalSync,
    /// Files that lie wholly before the oldest snapshot are kept.
    pub keep_all: bool,
}

/// When the disk must have what was written. The end of the process loses nothing in any case; this
/// is about the end of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalSync {
    /// Whenever the system likes.
    Never,
    /// So often, in nanoseconds.
    Interval(u64),
    /// Before anything that the record tells of is done.
    Record,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawJournal {
    folder: Option<Spanned<PathBuf>>,
    segment_mb: Spanned<i64>,
    sync: Spanned<String>,
    sync_ms: Spanned<i64>,
    keep: Spanned<String>,
}

impl Default for RawJournal {
    fn default() -> Self {
        Self {
            folder: None,
            segment_mb: Spanned::new(0..0, 64),
            sync: Spanned::new(0..0, "interval".to_owned()),
            sync_ms: Spanned::new(0..0, 100),
            keep: Spanned::new(0..0, "all".to_owned()),
        }
    }
}

impl Checker<'_> {
    pub(super) fn journal(&self, raw: RawJournal) -> Result<JournalConfig, ConfigError> {
        let sync_ms = self.in_range(&raw.sync_ms, 1, 60_000, "sync_ms")? as u64;
        let sync = match raw.sync.get_ref().as_str() {
            "never" => JournalSync::Never,
            "interval" => JournalSync::Interval(sync_ms * 1_000_000),
            "record" => JournalSync::Record,
            other => {
                let message = self.one_of("sync", other, &["never", "interval", "record"]);
                return Err(self.error(&raw.sync, message));
            }
        };
        let keep_all = match raw.keep.get_ref().as_str() {
            "all" => true,
            "snapshots" => false,
            other => {
                let message = self.one_of("keep", other, &["all", "snapshots"]);
                return Err(self.error(&raw.keep, message));
            }
        };
        Ok(JournalConfig {
            folder: self.path(raw.folder, "folder")?.unwrap_or_else(|| "journal".into()),
            segment_bytes: self.in_range(&raw.segment_mb, 1, 1024, "segment_mb")? as u64
                * (1 << 20),
            sync,
            keep_all,
        })
    }
}

impl Config {
    /// The folder of this instance's journal. What simulated, test and real venues say never stands
    /// in one.
    #[must_use]
    pub fn journal_folder(&self) -> PathBuf {
        self.journal.folder.join(format!("{}-{}", self.name, self.mode.name()))
    }
}

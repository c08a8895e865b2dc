//! `[log]`: log files besides what the terminal shows.

#![forbid(unsafe_code)]

use super::ConfigError;
use super::check::Checker;
use serde::Deserialize;
use std::path::PathBuf;
use toml::Spanned;

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Where the log is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Folder of the files.
    pub folder: PathBuf,
    /// How a line is written.
    pub format: LogFormat,
    /// A file that is larger is put aside, bytes.
    pub rotate_bytes: u64,
    /// Files that are kept besides the one that is written.
    pub keep: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLog {
    folder: Option<Spanned<PathBuf>>,
    format: Option<Spanned<String>>,
    rotate_mb: Option<Spanned<i64>>,
    keep: Option<Spanned<i64>>,
}

const ROTATE_MB: i64 = 64;
const KEEP: i64 = 8;

impl Checker<'_> {
    /// No file is written without the table.
    pub(super) fn log(&self, raw: Option<RawLog>) -> Result<Option<LogConfig>, ConfigError> {
        let Some(raw) = raw else { return Ok(None) };
        let format = match &raw.format {
            None => LogFormat::Json,
            Some(format) => match format.get_ref().as_str() {
                "text" => LogFormat::Text,
                "json" => LogFormat::Json,
                other => {
                    let text = self.one_of("format", other, &["text", "json"]);
                    return Err(self.error(format, text));
                }
            },
        };
        let number = |value: &Option<Spanned<i64>>, (min, max), default, key| match value {
            Some(value) => self.in_range(value, min, max, key),
            None => Ok(default),
        };
        let rotate_mb = number(&raw.rotate_mb, (1, 4_096), ROTATE_MB, "rotate_mb")?;
        let keep = number(&raw.keep, (0, 1_000), KEEP, "keep")?;
        Ok(Some(LogConfig {
            folder: self.path(raw.folder, "folder")?.unwrap_or_else(|| "log".into()),
            format,
            rotate_bytes: rotate_mb as u64 * 1_048_576,
            keep: keep as usize,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, DEFAULT_TOML};
    use super::*;

    fn with(more: &str) -> Result<Option<LogConfig>, String> {
        let text = format!("{DEFAULT_TOML}\n{more}\n");
        Config::parse("f", &text).map(|config| config.log).map_err(|error| error.to_string())
    }

    #[test]
    fn no_file_is_written_unless_asked() {
        assert_eq!(with(""), Ok(None));
        let default = LogConfig {
            folder: "log".into(),
            format: LogFormat::Json,
            rotate_bytes: 64 << 20,
            keep: 8,
        };
        assert_eq!(with("[log]"), Ok(Some(default)));
        let own = "[log]\nfolder = \"/x\"\nformat = \"text\"\nrotate_mb = 1\nkeep = 0";
        let own = with(own).unwrap().unwrap();
        assert_eq!((own.format, own.rotate_bytes, own.keep), (LogFormat::Text, 1 << 20, 0));
        for (bad, error) in [
            ("format = \"xml\"", "is not one of"),
            ("rotate_mb = 0", "rotate_mb"),
            ("keep = -1", "keep"),
            ("size = 1", "size"),
        ] {
            let told = with(&format!("[log]\n{bad}")).unwrap_err();
            assert!(told.contains(error), "{told}");
        }
    }
}

//! The log as files: written by the thread that shows it, never by an agent, and put aside when large.
//!
//! `NAME.log` is written; what is full becomes `NAME.log.1`, what was that `NAME.log.2`, and so on. A
//! line that cannot be written is counted and said once on the terminal: a full disk stops no trading.

#![forbid(unsafe_code)]

use crate::agents::log::LogLine;
use crate::config::{LogConfig, LogFormat};
use crate::show::table::utc;
use serde_json::json;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// See the module.
pub(super) struct LogFile {
    config: LogConfig,
    path: PathBuf,
    file: File,
    written: u64,
    /// Lines that could not be written since it was last said.
    lost: u64,
    line: Vec<u8>,
}

impl LogFile {
    /// Goes on with the file of an instance, or makes it.
    pub fn open(config: &LogConfig, instance: &str) -> Result<Self, String> {
        let failed = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
        let mut folders = std::fs::DirBuilder::new();
        folders.mode(0o700).recursive(true);
        folders.create(&config.folder).map_err(|error| failed(&config.folder, error))?;
        let path = config.folder.join(format!("{instance}.log"));
        let (file, written) = open(&path).map_err(|error| failed(&path, error))?;
        let config = config.clone();
        Ok(Self { config, path, file, written, lost: 0, line: Vec::new() })
    }

    /// Writes a line. The first error since the last success is given back.
    pub fn write(&mut self, line: &LogLine) -> Result<(), String> {
        self.line.clear();
        match self.config.format {
            LogFormat::Json => {
                let object = json!({
                    "time_ns": line.at.0,
                    "time": utc(line.at),
                    "level": line.level.to_string(),
                    "source": &*line.source,
                    "text": line.text,
                });
                let _ = writeln!(self.line, "{object}");
            }
            LogFormat::Text => {
                // A text may quote a venue: it stays one line.
                let text = line.text.replace(['\n', '\r'], " ");
                let (time, level, source) = (utc(line.at), line.level, &line.source);
                let _ = writeln!(self.line, "{time} {level} {source}: {text}");
            }
        }
        if let Err(error) = self.put() {
            self.lost += 1;
            let first = self.lost == 1;
            let text = format!("{}: {error}: log lines are lost", self.path.display());
            return if first { Err(text) } else { Ok(()) };
        }
        self.lost = 0;
        Ok(())
    }

    fn put(&mut self) -> io::Result<()> {
        if self.written > 0 && self.written + self.line.len() as u64 > self.config.rotate_bytes {
            self.rotate()?;
        }
        self.file.write_all(&self.line)?;
        self.written += self.line.len() as u64;
        Ok(())
    }

    /// Puts the full file aside; the oldest goes.
    fn rotate(&mut self) -> io::Result<()> {
        let aside = |number: usize| PathBuf::from(format!("{}.{number}", self.path.display()));
        let gone = |result: io::Result<()>| match result {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        };
        if self.config.keep == 0 {
            gone(std::fs::remove_file(&self.path))?;
        } else {
            for number in (1..self.config.keep).rev() {
                gone(std::fs::rename(aside(number), aside(number + 1)))?;
            }
            gone(std::fs::rename(&self.path, aside(1)))?;
        }
        (self.file, self.written) = open(&self.path)?;
        Ok(())
    }
}

/// Only its user may read what an account does.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    let written = file.metadata()?.len();
    Ok((file, written))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::log::Level;
    use crate::types::Nanos;

    fn folder(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("stoop-log-{}-{name}", std::process::id()))
    }

    fn config(name: &str, format: LogFormat) -> LogConfig {
        LogConfig { folder: folder(name), format, rotate_bytes: 200, keep: 2 }
    }

    fn line(text: &str) -> LogLine {
        let at = Nanos(1_790_000_000_123_456_789);
        LogLine { at, level: Level::Warn, source: "feed:x".into(), text: text.to_owned() }
    }

    #[test]
    fn lines_are_for_people_or_programs() {
        for (format, expected) in [
            (LogFormat::Text, "2026-09-21T14:13:20.123456Z warn feed:x: a \"b\" c\n"),
            (
                LogFormat::Json,
                "{\"level\":\"warn\",\"source\":\"feed:x\",\"text\":\"a \\\"b\\\"\\nc\",\
                 \"time\":\"2026-09-21T14:13:20.123456Z\",\"time_ns\":1790000000123456789}\n",
            ),
        ] {
            let config = config("lines", format);
            LogFile::open(&config, "one").unwrap().write(&line("a \"b\"\nc")).unwrap();
            let path = config.folder.join("one.log");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
            let mode =
                std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
            std::fs::remove_dir_all(&config.folder).unwrap();
        }
    }

    #[test]
    fn a_full_file_is_put_aside_and_the_oldest_goes() {
        let config = config("rotate", LogFormat::Text);
        let mut file = LogFile::open(&config, "one").unwrap();
        for number in 0..12 {
            file.write(&line(&format!("number {number:02}, and some more words"))).unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(config.folder.join(name)).unwrap();
        assert!(read("one.log").contains("number 11"));
        assert!(read("one.log.1").contains("number 08") && read("one.log.2").contains("number 06"));
        assert!(!config.folder.join("one.log.3").exists());
        for name in ["one.log", "one.log.1", "one.log.2"] {
            assert!(read(name).len() <= 200, "{name}");
        }
        // The next run goes on with it.
        drop(file);
        LogFile::open(&config, "one").unwrap().write(&line("again")).unwrap();
        assert!(read("one.log").contains("number 11") && read("one.log").contains("again"));
        std::fs::remove_dir_all(&config.folder).unwrap();
    }

    #[test]
    fn what_cannot_be_written_is_said_once() {
        let config = config("gone", LogFormat::Text);
        let mut file = LogFile::open(&config, "one").unwrap();
        file.write(&line(&"x".repeat(150))).unwrap();
        // The places of those put aside are taken by folders that cannot be written over.
        for taken in ["one.log.1/x", "one.log.2/x"] {
            std::fs::create_dir_all(config.folder.join(taken)).unwrap();
        }
        let error = file.write(&line(&"y".repeat(150))).unwrap_err();
        assert!(error.contains("one.log: ") && error.contains("lost"), "{error}");
        assert_eq!(file.write(&line("z".repeat(150).as_str())), Ok(()));
        std::fs::remove_dir_all(&config.folder).unwrap();
        let file = folder("file");
        std::fs::write(&file, "").unwrap();
        let config = LogConfig { folder: file.clone(), ..config };
        assert!(LogFile::open(&config, "one").err().unwrap().contains("stoop-log"));
        std::fs::remove_file(file).unwrap();
    }
}

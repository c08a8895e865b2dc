//! Words from the agents to people. Only cold events are logged (a lost connection, a gap, a
//! refused frame), never the path from tick to order. Lines go through a bounded channel to the
//! main thread, which polls it: nobody is woken, nobody waits, and lines that find it full are
//! counted.

use crate::types::Nanos;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something expected happened.
    Info,
    /// Something is wrong and handled.
    Warn,
    /// A person should look.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        })
    }
}

/// One line.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// When.
    pub at: Nanos,
    /// How much it matters.
    pub level: Level,
    /// Which agent.
    pub source: Arc<str>,
    /// What happened.
    pub text: String,
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}: {}", self.at.0, self.level, self.source, self.text)
    }
}

/// The last lines of all agents, for whoever writes down what went before a crash.
#[derive(Clone, Debug, Default)]
pub struct LogTail(Arc<Mutex<VecDeque<LogLine>>>);

/// Lines that a tail keeps.
const TAIL_LINES: usize = 256;

impl LogTail {
    /// The lines, oldest first.
    #[must_use]
    pub fn lines(&self) -> Vec<LogLine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Never waits: a line that comes while the tail is read is not in it.
    fn push(&self, line: &LogLine) {
        if let Ok(mut lines) = self.0.try_lock() {
            if lines.len() == TAIL_LINES {
                lines.pop_front();
            }
            lines.push_back(line.clone());
        }
    }
}

/// Where an agent writes its lines.
#[derive(Clone)]
pub struct Log {
    source: Arc<str>,
    sender: SyncSender<LogLine>,
    lost: Arc<AtomicU64>,
    tail: LogTail,
    /// Lines written in the running second, to keep a flood from hiding the rest.
    window: Window,
}

#[derive(Clone, Copy, Default)]
struct Window {
    second: u64,
    written: u32,
    held: u64,
}

/// Most lines of one agent in one second.
const LINES_PER_SECOND: u32 = 20;

/// A log of so many lines and its reader. The counter tells lines that found it full.
#[must_use]
pub fn channel(capacity: usize) -> (Log, Receiver<LogLine>, Arc<AtomicU64>) {
    let (sender, receiver) = sync_channel(capacity);
    let lost = Arc::new(AtomicU64::new(0));
    let (source, tail) = (Arc::from("engine"), LogTail::default());
    let log = Log { source, sender, lost: lost.clone(), tail, window: Window::default() };
    (log, receiver, lost)
}

impl Log {
    /// The same log under another agent's name.
    #[must_use]
    pub fn named(&self, source: &str) -> Self {
        Self { source: Arc::from(source), window: Window::default(), ..self.clone() }
    }

    /// The last lines of all agents.
    #[must_use]
    pub fn tail(&self) -> LogTail {
        self.tail.clone()
    }

    /// Something expected happened.
    pub fn info(&mut self, at: Nanos, text: fmt::Arguments<'_>) {
        self.write(at, Level::Info, text);
    }

    /// Something is wrong and handled.
    pub fn warn(&mut self, at: Nanos, text: fmt::Arguments<'_>) {
        self.write(at, Level::Warn, text);
    }

    /// A person should look. Never held back by the flood limit.
    pub fn error(&mut self, at: Nanos, text: fmt::Arguments<'_>) {
        self.send(at, Level::Error, text.to_string());
    }

    fn write(&mut self, at: Nanos, level: Level, text: fmt::Arguments<'_>) {
        let second = at.0 / 1_000_000_000;
        if second != self.window.second {
            let held = self.window.held;
            self.window = Window { second, written: 0, held: 0 };
            if held > 0 {
                self.send(at, Level::Warn, format!("{held} more lines were held back"));
            }
        }
        if self.window.written >= LINES_PER_SECOND {
            self.window.held += 1;
            return;
        }
        self.window.written += 1;
        self.send(at, level, text.to_string());
    }

    fn send(&self, at: Nanos, level: Level, text: String) {
        let line = LogLine { at, level, source: self.source.clone(), text };
        self.tail.push(&line);
        if let Err(TrySendError::Full(_)) = self.sender.try_send(line) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floods_are_held_back_and_counted_but_errors_pass() {
        let (log, lines, lost) = channel(64);
        let mut log = log.named("feed:x");
        for _ in 0..30 {
            log.warn(Nanos(5), format_args!("gap"));
        }
        log.error(Nanos(5), format_args!("halt"));
        log.info(Nanos(1_000_000_005), format_args!("fine"));
        let texts: Vec<String> = lines.try_iter().map(|line| line.text).collect();
        assert_eq!(texts.len(), 23);
        assert_eq!(texts[20..], ["halt", "10 more lines were held back", "fine"]);
        assert_eq!(lost.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_full_log_loses_lines_and_says_so() {
        let (mut log, lines, lost) = channel(1);
        log.error(Nanos(1), format_args!("a"));
        log.error(Nanos(1), format_args!("b"));
        assert_eq!(lines.try_iter().count(), 1);
        assert_eq!(lost.load(Ordering::Relaxed), 1);
    }
}

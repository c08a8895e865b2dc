//! Standard error that holds nobody up: a pipe that nobody reads, a terminal that is held with
//! Ctrl-S or a collector that hangs must not keep the engine from hearing that it is to stop. A thread
//! of its own writes; what it cannot take is left out, counted and told once it takes lines again.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};
use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait.
const LINES_MAX: usize = 4_096;

/// How long the end of a program waits for the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

enum Entry {
    Line(Vec<u8>),
    /// Everything before it has been written.
    Mark(SyncSender<()>),
}

/// Takes lines for a writer that may be slow.
#[derive(Clone)]
pub(super) struct Lines {
    entries: SyncSender<Entry>,
    lost: Arc<AtomicU64>,
}

impl Lines {
    /// Those of standard error.
    pub fn start() -> io::Result<Self> {
        Self::over(io::stderr(), LINES_MAX)
    }

    fn over(to: impl Write + Send + 'static, lines_max: usize) -> io::Result<Self> {
        let (entries, taken) = sync_channel(lines_max);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        let thread = std::thread::Builder::new().name("stderr".to_owned());
        thread.spawn(move || write_all(to, &taken, &counted))?;
        Ok(Self { entries, lost })
    }

    /// Waits until everything so far is written, though not for long.
    pub fn finish(&self) {
        let until = Instant::now() + LAST_LINES;
        let (written, wait) = sync_channel(1);
        while self.entries.try_send(Entry::Mark(written.clone())).is_err() {
            if Instant::now() >= until {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = wait.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

/// A reader that has gone is no reason to end: the lines are lost to it alone.
fn write_all(mut to: impl Write, taken: &Receiver<Entry>, lost: &AtomicU64) {
    for entry in taken {
        match entry {
            Entry::Line(line) => {
                let _ = to.write_all(&line);
            }
            Entry::Mark(written) => {
                let _ = to.flush();
                let _ = written.try_send(());
            }
        }
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(to, "{lost} log lines are not shown: nobody read standard error");
        }
    }
}

/// One line a call, as the formatter of events writes them.
impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.entries.try_send(Entry::Line(line.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Takes nothing while it is held.
    #[derive(Clone, Default)]
    struct Held {
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Held {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.written.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stands_still_holds_nobody_up_and_is_told_what_it_missed() {
        let held = Held::default();
        let lines = Lines::over(held.clone(), 4).unwrap();
        let line = |number: usize| {
            (&lines).write_all(format!("line {number}\n").as_bytes()).unwrap();
        };
        let hold = held.written.lock().unwrap();
        let begun = Instant::now();
        for number in 0..20 {
            line(number);
        }
        lines.finish();
        assert!(begun.elapsed() >= LAST_LINES, "it waits, but not for ever");
        drop(hold);
        lines.finish();
        let text = String::from_utf8(held.written.lock().unwrap().clone()).unwrap();
        assert!(text.starts_with("line 0\n"), "{text}");
        let shown = text.lines().filter(|line| line.starts_with("line ")).count();
        let missed = text.lines().find_map(|line| {
            line.strip_suffix(" log lines are not shown: nobody read standard error")
        });
        assert_eq!(missed.and_then(|count| count.parse().ok()), Some(20 - shown), "{text}");
        lines.finish();
        line(20);
        lines.finish();
        assert!(held.written.lock().unwrap().ends_with(b"line 20\n"));
    }
}

//! Where strategies in processes of their own ask for history: a socket in the instance's folder, on a
//! thread of its own. What comes in is a strategy's word and is checked; it is handed to the thread that
//! asks the venues as the wish of any other strategy.
//!
//! One connection at a time, each with its own time: who is slow holds up history, and nothing else.

#![forbid(unsafe_code)]

use super::log::Log;
use super::threads::{Lifecycle, Phase};
use crate::clock::Clock;
use crate::strategy::klines::{HISTORY_SOCKET, HistoryAnswer, HistoryEnd, HistoryWish};
use crate::types::Nanos;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// Between two looks for connections.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a strategy may take over its line, and over ours.
const LINE_TIMEOUT: Duration = Duration::from_secs(1);
/// Longest line that is a wish.
const LINE_MAX: usize = 512;
/// How long a venue may take, questions of other strategies before this one included.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// How far a wish may be from our own time: no venue's clock is further.
const CLOCK_OFF_NS: u64 = 3_600_000_000_000;

/// See the module.
pub(super) struct Door {
    listener: UnixListener,
    end: HistoryEnd,
    clock: Clock,
    lifecycle: Lifecycle,
    log: Log,
}

impl Door {
    /// Listens in `folder`, for the owner alone.
    pub fn open(
        folder: &Path,
        end: HistoryEnd,
        (clock, lifecycle, log): (Clock, Lifecycle, Log),
    ) -> Result<Self, String> {
        let path = folder.join(HISTORY_SOCKET);
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        // The instance holds its folder's lock: what lies here was left by one that has ended.
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).map_err(failed)?;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(Self { listener, end, clock, lifecycle, log })
    }

    /// Starts the thread. Nobody waits for its end: a venue that does not answer would hold it up.
    pub fn start(mut self) -> Result<(), String> {
        let run = move || {
            while self.lifecycle.phase() == Phase::Running {
                match self.listener.accept() {
                    Ok((stream, _)) => {
                        if let Err(error) = self.serve(stream) {
                            let text = format_args!("a strategy's wish for history: {error}");
                            self.log.warn(self.clock.now(), text);
                        }
                    }
                    Err(_) => std::thread::sleep(PAUSE),
                }
            }
        };
        let thread = std::thread::Builder::new().name("history-door".to_owned()).spawn(run);
        thread.map(drop).map_err(|error| format!("the thread for history: {error}"))
    }

    fn serve(&mut self, mut stream: UnixStream) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        let wish = check(read(&mut stream)?, self.clock.now())?;
        let klines = self.answer(&wish);
        stream.set_write_timeout(Some(LINE_TIMEOUT))?;
        let mut line = serde_json::to_vec(&HistoryAnswer { wish, klines })?;
        line.push(b'\n');
        stream.write_all(&line)
    }

    /// What the venue states; `None` if it did not, or not in time.
    fn answer(&self, wish: &HistoryWish) -> Option<Vec<crate::types::Kline>> {
        if !self.end.ask(*wish) {
            return None;
        }
        let due = Instant::now() + ANSWER_TIMEOUT;
        loop {
            let left = due.saturating_duration_since(Instant::now());
            let answer = self.end.wait(left)?;
            // One that came too late for who asked is nobody's.
            if answer.wish == *wish {
                return answer.klines;
            }
        }
    }
}

fn read(stream: &mut UnixStream) -> io::Result<HistoryWish> {
    let due = Instant::now() + LINE_TIMEOUT;
    let mut line = Vec::new();
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let mut part = [0; LINE_MAX];
        let count = stream.read(&mut part)?;
        line.extend_from_slice(&part[..count]);
        if count == 0 || line.contains(&b'\n') {
            return Ok(serde_json::from_slice(&line)?);
        }
        if line.len() > LINE_MAX {
            return Err(io::Error::new(ErrorKind::InvalidData, "the line is too long"));
        }
    }
}

fn check(wish: HistoryWish, now: Nanos) -> io::Result<HistoryWish> {
    if wish.at.0.abs_diff(now.0) > CLOCK_OFF_NS || wish.from > wish.at {
        return Err(io::Error::new(ErrorKind::InvalidData, format!("of no time: {wish:?}")));
    }
    Ok(wish)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::log;
    use crate::strategy::klines::HistoryDesk;
    use crate::types::{InstrumentId, Interval, Kline};

    fn wish(now: Nanos) -> HistoryWish {
        let (instrument, interval) = (InstrumentId(1), Interval::M1);
        HistoryWish { instrument, interval, from: Nanos(0), at: now }
    }

    fn ask(folder: &Path, line: &[u8]) -> String {
        let mut stream = UnixStream::connect(folder.join(HISTORY_SOCKET)).unwrap();
        stream.write_all(line).unwrap();
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text);
        text
    }

    #[test]
    fn wishes_are_handed_on_and_nonsense_is_left() {
        let folder = std::env::temp_dir().join(format!("stoop-door-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (clock, lifecycle) = (Clock::new(), Lifecycle::default());
        let (log, lines) = log::channel(16);
        let mut desk = HistoryDesk::default();
        let own = (clock.clone(), lifecycle.clone(), log);
        Door::open(&folder, desk.end(), own).unwrap().start().unwrap();
        let kline = Kline { open_ns: Nanos(60), is_closed: true, ..Kline::default() };
        let venue = std::thread::spawn(move || {
            let (who, wish) = desk.next(Duration::from_secs(20)).unwrap();
            let late = HistoryWish { instrument: InstrumentId(9), ..wish };
            assert!(desk.answer(who, HistoryAnswer { wish: late, klines: None }));
            assert!(desk.answer(who, HistoryAnswer { wish, klines: Some(vec![kline]) }));
            wish
        });
        assert_eq!(ask(&folder, b"nonsense\n"), "");
        assert_eq!(ask(&folder, &[b'1'; 2 * LINE_MAX]), "");
        let old = serde_json::to_string(&wish(Nanos(1))).unwrap() + "\n";
        assert_eq!(ask(&folder, old.as_bytes()), "");
        let wish = wish(clock.now());
        let line = serde_json::to_string(&wish).unwrap() + "\n";
        let answer: HistoryAnswer = serde_json::from_str(&ask(&folder, line.as_bytes())).unwrap();
        assert_eq!(answer, HistoryAnswer { wish, klines: Some(vec![kline]) });
        assert_eq!(venue.join().unwrap(), wish);
        assert_eq!(lines.take().len(), 3, "nonsense is told");
        lifecycle.advance(Phase::Done);
        std::fs::remove_dir_all(folder).unwrap();
    }
}

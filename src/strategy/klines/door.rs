//! History for a strategy in a process of its own: the engine fetches it, so that the questions of all
//! strategies share one pace, and neither addresses nor authorities have to leave the engine.
//!
//! One connection to [`HISTORY_SOCKET`] in the instance's folder is one wish: a line of JSON there, a
//! line of JSON back. The engine's side is `agents/door.rs`.

use super::history::{HistoryAnswer, HistoryDesk, HistoryEnd, HistoryWish};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the socket in the instance's folder.
pub const HISTORY_SOCKET: &str = "history.sock";

/// More than the engine takes over one question, those of other strategies before it included.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest answer: some thousands of klines.
const ANSWER_MAX: u64 = 16 * 1024 * 1024;
/// Between two looks for nothing: a wish wakes the thread at once.
const NAP: Duration = Duration::from_secs(3_600);

/// The end of a strategy whose wishes a thread of this process carries to the engine in `folder`.
///
/// # Errors
///
/// If there can be no thread.
pub(in crate::strategy) fn relay(folder: PathBuf) -> io::Result<HistoryEnd> {
    let mut desk = HistoryDesk::default();
    let end = desk.end();
    let run = move || {
        loop {
            let Some((who, wish)) = desk.next(NAP) else { continue };
            let answer = fetch(&folder, &wish).unwrap_or_else(|error| {
                let path = folder.join(HISTORY_SOCKET);
                let _ = writeln!(io::stderr(), "no history: {}: {error}", path.display());
                HistoryAnswer { wish, klines: None }
            });
            // One that does not read asks again.
            let _ = desk.answer(who, HistoryAnswer { wish, ..answer });
        }
    };
    std::thread::Builder::new().name("history".to_owned()).spawn(run)?;
    Ok(end)
}

fn fetch(folder: &Path, wish: &HistoryWish) -> io::Result<HistoryAnswer> {
    let mut stream = UnixStream::connect(folder.join(HISTORY_SOCKET))?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    let mut line = serde_json::to_vec(wish)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut bytes = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}

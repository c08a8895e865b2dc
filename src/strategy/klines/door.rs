//! History for a strategy in a process of its own: the engine fetches it, so that the questions of all
//! strategies share one pace, and neither addresses nor authorities have to leave the engine.
//!
//! One connection to [`HISTORY_SOCKET`] in the instance's folder is one wish: a line of JSON there, a
//! line of JSON back. The engine's side is `agents/door.rs`. Some are open at once for each venue, so
//! that one that does not answer holds up its own history alone.

use super::history::{
    HistoryAnswer, HistoryDesk, HistoryEnd, HistoryRequest, HistoryWish, WAITING_MAX,
};
use crate::types::{InstrumentTable, VenueId};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Name of the socket in the instance's folder.
pub const HISTORY_SOCKET: &str = "history.sock";

/// More than the engine takes over one connection: it reads, asks and writes for 22 s at most.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest answer: some thousands of klines.
const ANSWER_MAX: usize = 16 * 1024 * 1024;
/// Connections at once for one venue.
const OPEN_MAX: usize = 8;
const NO_ROOM: &str = "the engine has no room for it now, or has just ended";
const DROPPED: &str = "the engine has ended, or left it unanswered";
/// Between two looks at what is open.
const ROUND: Duration = Duration::from_millis(10);
/// Between two looks for nothing: a wish wakes the thread at once.
const NAP: Duration = Duration::from_secs(3_600);

/// The end of a strategy whose wishes a thread of this process carries to the engine in `folder`.
///
/// # Errors
///
/// If there can be no thread.
pub(in crate::strategy) fn relay(
    folder: PathBuf,
    table: Arc<InstrumentTable>,
) -> io::Result<HistoryEnd> {
    let desk = HistoryDesk::default();
    let end = desk.end();
    let mut relay = Relay::new(desk, folder.join(HISTORY_SOCKET), table);
    let run = move || {
        loop {
            relay.turn();
            for text in relay.said.drain(..) {
                let _ = writeln!(io::stderr(), "{text}");
            }
        }
    };
    std::thread::Builder::new().name("history".to_owned()).spawn(run)?;
    Ok(end)
}

/// A wish that the engine has.
struct Asked {
    request: HistoryRequest,
    venue: Option<VenueId>,
    stream: UnixStream,
    bytes: Vec<u8>,
    until: Instant,
}

impl Asked {
    /// Takes what is there. `None` if more is to come.
    fn read(&mut self) -> Option<io::Result<HistoryAnswer>> {
        let mut part = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut part) {
                Ok(0) if self.bytes.is_empty() => return Some(Err(io::Error::other(DROPPED))),
                Ok(0) => return Some(serde_json::from_slice(&self.bytes).map_err(io::Error::from)),
                Ok(count) => self.bytes.extend_from_slice(&part[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let late = Instant::now() >= self.until;
                    return late.then(|| Err(ErrorKind::TimedOut.into()));
                }
                Err(error) => return Some(Err(in_words(error))),
            }
            if self.bytes.len() > ANSWER_MAX {
                let text = "the answer is too long";
                return Some(Err(io::Error::new(ErrorKind::InvalidData, text)));
            }
        }
    }
}

/// A connection that is closed before its line was read says so by its error; one that is closed without
/// an answer afterwards just ends.
fn in_words(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => io::Error::other(NO_ROOM),
        _ => error,
    }
}

struct Relay {
    desk: HistoryDesk,
    socket: PathBuf,
    table: Arc<InstrumentTable>,
    waiting: Vec<HistoryRequest>,
    open: Vec<Asked>,
    /// Lines for people.
    said: Vec<String>,
}

impl Relay {
    fn new(desk: HistoryDesk, socket: PathBuf, table: Arc<InstrumentTable>) -> Self {
        let (waiting, open, said) = (Vec::new(), Vec::new(), Vec::new());
        Self { desk, socket, table, waiting, open, said }
    }

    fn turn(&mut self) {
        let idle = self.waiting.is_empty() && self.open.is_empty();
        if self.waiting.len() == WAITING_MAX {
            std::thread::sleep(ROUND);
        } else if let Some(request) = self.desk.next(if idle { NAP } else { ROUND }) {
            self.waiting.push(request);
        }
        self.open_more();
        self.read();
    }

    fn open_more(&mut self) {
        for request in std::mem::take(&mut self.waiting) {
            if !request.is_wanted() {
                continue;
            }
            let venue = self.table.get(request.wish.instrument).map(|of| of.venue);
            if self.open.iter().filter(|one| one.venue == venue).count() == OPEN_MAX {
                self.waiting.push(request);
                continue;
            }
            match self.ask(&request.wish) {
                Ok(stream) => {
                    let (bytes, until) = (Vec::new(), Instant::now() + ANSWER_TIMEOUT);
                    self.open.push(Asked { request, venue, stream, bytes, until });
                }
                Err(error) => self.lose(request, &error),
            }
        }
    }

    fn ask(&self, wish: &HistoryWish) -> io::Result<UnixStream> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_nonblocking(true)?;
        let mut line = serde_json::to_vec(wish)?;
        line.push(b'\n');
        // It has the whole buffer of a new connection.
        stream.write_all(&line).map_err(in_words)?;
        Ok(stream)
    }

    fn read(&mut self) {
        for mut one in std::mem::take(&mut self.open) {
            match one.read() {
                None => self.open.push(one),
                Some(Err(error)) => self.lose(one.request, &error),
                Some(Ok(answer)) => {
                    if let Some(reason) = &answer.reason {
                        self.say(&one.request.wish, reason);
                    }
                    // One that does not read asks again.
                    let _ = one.request.answer(answer.klines);
                }
            }
        }
    }

    fn lose(&mut self, request: HistoryRequest, error: &io::Error) {
        let text = format!("{}: {error}", self.socket.display());
        self.say(&request.wish, &text);
        let _ = request.answer(None);
    }

    fn say(&mut self, wish: &HistoryWish, text: &str) {
        let name = self.table.get(wish.instrument).map_or("no instrument", |of| of.name.as_str());
        self.said.push(format!("{name} {}: no history: {text}", wish.interval.name()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Instrument, InstrumentId, Interval, Kline, Nanos};
    use std::io::{BufRead, BufReader};
    use std::os::unix::net::UnixListener;

    fn wish(instrument: u16) -> HistoryWish {
        let (instrument, interval) = (InstrumentId(instrument), Interval::M1);
        HistoryWish { instrument, interval, from: Nanos(0), at: Nanos(1) }
    }

    fn read(stream: &UnixStream) -> HistoryWish {
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn write(mut stream: UnixStream, klines: Option<Vec<Kline>>, reason: Option<&str>) {
        let wish = wish(1);
        let answer = HistoryAnswer { wish, klines, reason: reason.map(str::to_owned) };
        serde_json::to_writer(&mut stream, &answer).unwrap();
        stream.write_all(b"\n").unwrap();
    }

    /// Ten series of a venue that does not answer, then one of another: it is asked for at once.
    #[test]
    fn a_silent_venue_holds_up_its_own_history_alone() {
        let socket = std::env::temp_dir().join(format!("stoop-relay-{}", std::process::id()));
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).unwrap();
        let mut table = InstrumentTable::default();
        for (name, venue) in [("X/USDT@x", 0), ("Y/USDT@y", 1)] {
            let (name, venue) = (name.to_owned(), VenueId(venue));
            table.add(Instrument { name, venue, ..Instrument::default() });
        }
        let desk = HistoryDesk::default();
        let end = desk.end();
        let mut relay = Relay::new(desk, socket.clone(), Arc::new(table));
        (0..10).for_each(|_| assert!(end.ask(wish(0))));
        assert!(end.ask(wish(1)));
        (0..11).for_each(|_| relay.turn());
        let silent: Vec<UnixStream> = (0..OPEN_MAX)
            .map(|_| {
                let (stream, _) = listener.accept().unwrap();
                assert_eq!(read(&stream), wish(0));
                stream
            })
            .collect();
        let (stream, _) = listener.accept().unwrap();
        assert_eq!(read(&stream), wish(1));
        write(stream, Some(vec![Kline::default()]), None);
        relay.turn();
        let answer = end.answer().expect("an answer");
        assert_eq!((answer.wish, answer.klines), (wish(1), Some(vec![Kline::default()])));
        assert_eq!(relay.said, [""; 0]);

        // Why there is none is said by the names that people know.
        assert!(end.ask(wish(1)));
        relay.turn();
        let (stream, _) = listener.accept().unwrap();
        assert_eq!(read(&stream), wish(1));
        write(stream, None, Some("of no time"));
        relay.turn();
        assert_eq!(end.answer().expect("an answer").klines, None);
        assert_eq!(relay.said, ["Y/USDT@y 1m: no history: of no time"]);

        // It is closed unread: there was no room.
        assert!(end.ask(wish(1)));
        relay.turn();
        drop(listener.accept().unwrap());
        relay.turn();
        assert_eq!(end.answer().expect("an answer").klines, None);
        assert!(relay.said[1].ends_with(": the engine has no room for it now, or has just ended"));

        // The engine ends: each of them is answered, so that it is asked for again.
        drop((silent, listener));
        std::fs::remove_file(socket).unwrap();
        relay.turn();
        relay.turn();
        let lost = std::iter::from_fn(|| end.answer()).filter(|one| one.klines.is_none());
        assert_eq!(lost.count(), 10);
        assert_eq!(relay.said.len(), 12, "{:?}", relay.said);
        let (begins, why) =
            ("X/USDT@x 1m: no history: ", ": the engine has ended, or left it unanswered");
        let read = relay.said.iter().filter(|text| text.starts_with(begins) && text.contains(why));
        assert_eq!(read.count(), OPEN_MAX, "{:?}", relay.said);
    }
}

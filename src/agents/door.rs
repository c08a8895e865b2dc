//! Where strategies in processes of their own ask for history: a socket in the instance's folder, on a
//! thread of its own. What comes in is a strategy's word and is checked; it is handed to the threads
//! that ask the venues as the wish of any other strategy.
//!
//! Every connection is served at once and has its own time, and each venue has room of its own for those
//! that wait for it, so that one that is silent holds up nobody else. Nothing here blocks.

#![forbid(unsafe_code)]

use super::listening::listen_for_owner;
use super::log::Log;
use super::threads::{Lifecycle, Phase};
use crate::clock::Clock;
use crate::strategy::klines::{HISTORY_SOCKET, HistoryAnswer, HistoryEnd, HistoryWish};
use crate::types::{InstrumentTable, Nanos};
use crate::venues::VENUES;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between two looks for connections, and at those that are there.
const PAUSE: Duration = Duration::from_millis(50);
const ROUND: Duration = Duration::from_millis(5);
/// Wishes that wait for one venue; who has one more is told so.
const WAITING_MAX: usize = 64;
/// Connections at one time: what may wait for all venues, and as many that are read or written. More are
/// closed without a word, and ask again.
const CONNECTIONS_MAX: usize = (VENUES.len() + 1) * WAITING_MAX;
/// How long a strategy may take over its line, and over ours.
const LINE_TIMEOUT: Duration = Duration::from_secs(1);
/// Longest line that is a wish.
const LINE_MAX: usize = 512;
/// How long a venue may take, questions to it before this one included.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// How far a wish may be from our own time: no venue's clock is further.
const CLOCK_OFF_NS: u64 = 3_600_000_000_000;

/// See the module.
pub(super) struct Door {
    listener: UnixListener,
    end: HistoryEnd,
    table: Arc<InstrumentTable>,
    visits: Vec<Visit>,
    /// Connections that found no room.
    refused: u64,
    clock: Clock,
    lifecycle: Lifecycle,
    log: Log,
}

/// How many wishes wait for each venue.
type Waiting = [usize; VENUES.len()];

/// One connection.
struct Visit {
    stream: UnixStream,
    stage: Stage,
    /// When the stage has taken too long.
    until: Instant,
}

enum Stage {
    /// Its line is not complete.
    Reading(Vec<u8>),
    /// The venue's answer is due, at an end that no other connection has.
    Asked(HistoryEnd, HistoryWish),
    /// It has not taken all of its answer.
    Writing(Vec<u8>, usize),
    Over,
}

impl Door {
    /// Listens in `folder`, for the owner alone.
    pub fn open(
        folder: &Path,
        (end, table): (HistoryEnd, Arc<InstrumentTable>),
        (clock, lifecycle, log): (Clock, Lifecycle, Log),
    ) -> Result<Self, String> {
        let listener = listen_for_owner(&folder.join(HISTORY_SOCKET))?;
        let visits = Vec::new();
        Ok(Self { listener, end, table, visits, refused: 0, clock, lifecycle, log })
    }

    /// Starts the thread. It ends by itself when the engine does.
    pub fn start(mut self) -> Result<(), String> {
        let run = move || {
            while self.lifecycle.phase() == Phase::Running {
                self.poll(Instant::now());
                std::thread::sleep(if self.visits.is_empty() { PAUSE } else { ROUND });
            }
        };
        let thread = std::thread::Builder::new().name("history-door".to_owned()).spawn(run);
        thread.map(drop).map_err(|error| format!("the thread for history: {error}"))
    }

    fn poll(&mut self, now: Instant) {
        self.accept(now);
        let mut visits = std::mem::take(&mut self.visits);
        let mut waiting = Waiting::default();
        for visit in &visits {
            if let Stage::Asked(_, wish) = &visit.stage
                && let Some(count) = self.waiting_with(wish, &mut waiting)
            {
                *count += 1;
            }
        }
        for visit in &mut visits {
            if let Err(error) = self.serve(visit, &mut waiting, now) {
                visit.stage = Stage::Over;
                self.warn(&error);
            }
        }
        visits.retain(|visit| !matches!(visit.stage, Stage::Over));
        self.visits = visits;
    }

    fn accept(&mut self, now: Instant) {
        let refused = self.refused;
        while let Ok((stream, _)) = self.listener.accept() {
            if self.visits.len() == CONNECTIONS_MAX {
                self.refused += 1;
            } else if stream.set_nonblocking(true).is_ok() {
                let (stage, until) = (Stage::Reading(Vec::new()), now + LINE_TIMEOUT);
                self.visits.push(Visit { stream, stage, until });
            }
        }
        if self.refused > refused {
            let (clock, all) = (&self.clock, self.refused);
            let text = format_args!(
                "{CONNECTIONS_MAX} wishes for history are open: more are refused ({all} until now)"
            );
            self.log.warn(clock.now(), text);
        }
    }

    fn serve(&mut self, visit: &mut Visit, waiting: &mut Waiting, now: Instant) -> io::Result<()> {
        let late = now >= visit.until;
        match &mut visit.stage {
            Stage::Reading(line) => match read(&mut visit.stream, line)? {
                Heard::Line(wish) => self.begin(visit, wish, waiting, now)?,
                Heard::Gone => visit.stage = Stage::Over,
                Heard::Nothing if late => return Err(ErrorKind::TimedOut.into()),
                Heard::Nothing => return Ok(()),
            },
            Stage::Asked(end, wish) => {
                let silent = "the venue did not answer in time, or others were asked for first";
                let answer = match end.answer() {
                    Some(answer) => answer,
                    // Its end is gone with it, so that the venue is not asked for nobody.
                    None if is_gone(&mut visit.stream) => return visit.end(),
                    None if late => none(*wish, silent),
                    None => return Ok(()),
                };
                visit.answer(&answer, now)?;
            }
            Stage::Writing(..) | Stage::Over => {}
        }
        visit.write(now >= visit.until)
    }

    /// Hands on what the strategy wants.
    fn begin(
        &mut self,
        visit: &mut Visit,
        wish: HistoryWish,
        waiting: &mut Waiting,
        now: Instant,
    ) -> io::Result<()> {
        if let Err(error) = check(&wish, self.clock.now()) {
            self.warn(&error);
            return visit.answer(&none(wish, &error.to_string()), now);
        }
        // What is of no venue is answered at once.
        let mut of_none = 0;
        let count = self.waiting_with(&wish, waiting).unwrap_or(&mut of_none);
        if *count == WAITING_MAX {
            return visit.answer(&none(wish, "too many wishes wait for its venue"), now);
        }
        let end = self.end.for_one();
        if !end.ask(wish) {
            return visit.answer(&none(wish, "too many wishes wait"), now);
        }
        *count += 1;
        (visit.stage, visit.until) = (Stage::Asked(end, wish), now + ANSWER_TIMEOUT);
        Ok(())
    }

    /// How many wait for the venue of a wish.
    fn waiting_with<'a>(&self, of: &HistoryWish, all: &'a mut Waiting) -> Option<&'a mut usize> {
        all.get_mut(usize::from(self.table.get(of.instrument)?.venue.0))
    }

    fn warn(&mut self, error: &io::Error) {
        self.log.warn(self.clock.now(), format_args!("a strategy's wish for history: {error}"));
    }
}

impl Visit {
    fn end(&mut self) -> io::Result<()> {
        self.stage = Stage::Over;
        Ok(())
    }

    fn answer(&mut self, answer: &HistoryAnswer, now: Instant) -> io::Result<()> {
        let mut line = serde_json::to_vec(answer)?;
        line.push(b'\n');
        (self.stage, self.until) = (Stage::Writing(line, 0), now + LINE_TIMEOUT);
        Ok(())
    }

    /// Writes as much as the strategy takes.
    fn write(&mut self, late: bool) -> io::Result<()> {
        let Stage::Writing(line, at) = &mut self.stage else { return Ok(()) };
        while *at < line.len() {
            match self.stream.write(&line[*at..]) {
                Ok(count) => *at += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock && !late => return Ok(()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Err(ErrorKind::TimedOut.into());
                }
                // It is gone.
                Err(_) => break,
            }
        }
        self.end()
    }
}

enum Heard {
    Line(HistoryWish),
    Nothing,
    Gone,
}

fn read(stream: &mut UnixStream, line: &mut Vec<u8>) -> io::Result<Heard> {
    let mut part = [0; LINE_MAX];
    loop {
        match stream.read(&mut part) {
            Ok(0) if line.is_empty() => return Ok(Heard::Gone),
            // It says no more, and may read what it is told all the same.
            Ok(0) => return Ok(Heard::Line(serde_json::from_slice(line)?)),
            Ok(count) => line.extend_from_slice(&part[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Heard::Nothing),
            Err(error) => return Err(error),
        }
        if line.contains(&b'\n') {
            return Ok(Heard::Line(serde_json::from_slice(line)?));
        }
        if line.len() > LINE_MAX {
            return Err(io::Error::new(ErrorKind::InvalidData, "the line is too long"));
        }
    }
}

/// Whether the strategy has gone. One that has only said all that it will still reads.
fn is_gone(stream: &mut UnixStream) -> bool {
    // What it says after its line is nothing to us.
    let _ = stream.read(&mut [0; LINE_MAX]);
    let mut ends = [PollFd::new(stream, PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut ends, Some(&at_once)).is_ok()
        && ends[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
}

fn none(wish: HistoryWish, reason: &str) -> HistoryAnswer {
    HistoryAnswer { wish, klines: None, reason: Some(reason.to_owned()) }
}

fn check(wish: &HistoryWish, now: Nanos) -> io::Result<()> {
    if wish.at.0.abs_diff(now.0) > CLOCK_OFF_NS || wish.from > wish.at {
        return Err(io::Error::new(ErrorKind::InvalidData, format!("of no time: {wish:?}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::history::{HistoryPlan, HistoryQuestion};
    use crate::agents::log::{self, LogReader};
    use crate::strategy::klines::HistoryDesk;
    use crate::types::{Instrument, InstrumentId, Interval, Kline, VenueId};
    use crate::venues::Endpoints;
    use std::net::Shutdown;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const HEALTHY: InstrumentId = InstrumentId(0);
    const SILENT: InstrumentId = InstrumentId(1);

    /// A door to two venues. The first has no klines, the second never answers.
    struct Scene {
        folder: PathBuf,
        clock: Clock,
        lifecycle: Lifecycle,
        lines: LogReader,
        /// Questions that came to the silent venue.
        asked: Arc<AtomicUsize>,
        door: Option<Door>,
    }

    impl Scene {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("stoop-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            let (clock, lifecycle) = (Clock::new(), Lifecycle::default());
            let (log, lines) = log::channel(256);
            let mut table = InstrumentTable::default();
            for (name, venue) in [("Y/USDT@y", 0), ("X/USDT@x", 1)] {
                let (name, venue) = (name.to_owned(), VenueId(venue));
                table.add(Instrument { name, venue, ..Instrument::default() });
            }
            let address = |venue: u8| {
                let rest = format!("https://venue-{venue}");
                (VenueId(venue), Endpoints { rest, ..Endpoints::default() })
            };
            let addresses = vec![address(0), address(1)];
            let table = Arc::new(table);
            let plan = HistoryPlan::new(HistoryDesk::default(), addresses, table.clone());
            let own = (clock.clone(), lifecycle.clone(), log.clone());
            let door = Some(Door::open(&folder, (plan.end(), table), own).unwrap());
            let asked = Arc::new(AtomicUsize::new(0));
            let (count, until) = (asked.clone(), lifecycle.clone());
            let fetch = move |question: &HistoryQuestion<'_>| {
                if question.url.starts_with("https://venue-0/") {
                    return Ok((200, b"[]".to_vec()));
                }
                count.fetch_add(1, Ordering::Relaxed);
                while until.phase() == Phase::Running {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err("no answer".to_owned())
            };
            plan.start_with(fetch, (clock.clone(), lifecycle.clone(), log)).unwrap();
            Self { folder, clock, lifecycle, lines, asked, door }
        }

        fn open(name: &str) -> Self {
            let mut scene = Self::new(name);
            scene.door.take().unwrap().start().unwrap();
            scene
        }

        fn wish(&self, instrument: InstrumentId) -> HistoryWish {
            let (interval, at) = (Interval::M1, self.clock.now());
            HistoryWish { instrument, interval, from: Nanos(0), at }
        }

        fn ask(&self, wish: &HistoryWish) -> UnixStream {
            self.say((serde_json::to_string(wish).unwrap() + "\n").as_bytes())
        }

        fn say(&self, line: &[u8]) -> UnixStream {
            let mut stream = UnixStream::connect(self.folder.join(HISTORY_SOCKET)).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            stream.write_all(line).unwrap();
            stream
        }
    }

    impl Drop for Scene {
        fn drop(&mut self) {
            self.lifecycle.advance(Phase::Done);
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }

    fn text(mut stream: UnixStream) -> String {
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text);
        text
    }

    fn answer(stream: UnixStream) -> HistoryAnswer {
        serde_json::from_str(&text(stream)).unwrap()
    }

    #[test]
    fn a_silent_venue_holds_up_its_own_history_alone() {
        let scene = Scene::open("door-silent");
        let silent = scene.wish(SILENT);
        let waiting: Vec<UnixStream> = (0..3).map(|_| scene.ask(&silent)).collect();
        let wish = scene.wish(HEALTHY);
        let (one, same) = (scene.ask(&wish), scene.ask(&wish));
        let expected = HistoryAnswer { wish, klines: Some(Vec::new()), reason: None };
        assert_eq!(answer(one), expected);
        assert_eq!(answer(same), expected, "two equal wishes are two");
        drop(waiting);
    }

    /// As many as eight processes may have at a venue that does not answer, and one more.
    #[test]
    fn a_silent_venue_takes_no_room_from_the_others() {
        let mut scene = Scene::new("door-room");
        let mut door = scene.door.take().unwrap();
        let silent = scene.wish(SILENT);
        let mut waiting: Vec<UnixStream> = (0..=WAITING_MAX).map(|_| scene.ask(&silent)).collect();
        door.poll(Instant::now());
        let late = waiting.pop().unwrap();
        let healthy = scene.ask(&scene.wish(HEALTHY));
        let due = Instant::now() + Duration::from_secs(10);
        door.poll(Instant::now());
        while door.visits.len() > WAITING_MAX && Instant::now() < due {
            std::thread::sleep(Duration::from_millis(1));
            door.poll(Instant::now());
        }
        assert_eq!(answer(healthy).klines, Some(Vec::new()));
        assert_eq!((door.visits.len(), door.refused), (WAITING_MAX, 0));
        assert_eq!(answer(late).reason.as_deref(), Some("too many wishes wait for its venue"));
        drop(waiting);
        door.poll(Instant::now());
        assert!(door.visits.is_empty());
        let again = scene.ask(&silent);
        door.poll(Instant::now());
        assert_eq!(door.visits.len(), 1, "there is room again");
        drop(again);
    }

    /// As a script does that sends its line and then reads to the end.
    #[test]
    fn who_says_no_more_is_answered() {
        let scene = Scene::open("door-half");
        let wish = scene.wish(HEALTHY);
        let line = serde_json::to_string(&wish).unwrap();
        for end in ["\n", ""] {
            let stream = scene.say((line.clone() + end).as_bytes());
            stream.shutdown(Shutdown::Write).unwrap();
            assert_eq!(answer(stream).klines, Some(Vec::new()), "{end:?}");
        }
        let stream = scene.say(&line.as_bytes()[..20]);
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(text(stream), "", "no whole line");
    }

    #[test]
    fn nonsense_is_left_and_a_wish_of_no_time_is_told_so() {
        let scene = Scene::open("door-nonsense");
        assert_eq!(text(scene.say(b"nonsense\n")), "");
        assert_eq!(text(scene.say(&[b'1'; 2 * LINE_MAX])), "");
        let old = HistoryWish { at: Nanos(1), ..scene.wish(HEALTHY) };
        let refused = answer(scene.ask(&old));
        assert_eq!((refused.wish, refused.klines), (old, None));
        assert!(refused.reason.unwrap().contains("of no time"));
        assert_eq!(scene.lines.take().len(), 3, "nonsense is told");
    }

    /// Polled by hand, so that time can pass.
    #[test]
    fn who_waits_too_long_or_goes_away_is_let_go() {
        let mut scene = Scene::new("door-gone");
        let mut door = scene.door.take().unwrap();
        let wish = scene.wish(SILENT);
        let first = scene.ask(&wish);
        door.poll(Instant::now());
        let due = Instant::now() + Duration::from_secs(10);
        while scene.asked.load(Ordering::Relaxed) == 0 && Instant::now() < due {
            std::thread::sleep(Duration::from_millis(1));
        }
        let gone = scene.ask(&wish);
        first.shutdown(Shutdown::Write).unwrap();
        door.poll(Instant::now());
        door.poll(Instant::now());
        assert_eq!(door.visits.len(), 2, "who says no more still listens");
        drop(gone);
        door.poll(Instant::now());
        assert_eq!(door.visits.len(), 1, "it is not waited for");
        door.poll(Instant::now() + ANSWER_TIMEOUT);
        assert!(door.visits.is_empty());
        let late = answer(first);
        assert!(late.klines.is_none() && late.reason.unwrap().contains("did not answer"));
        assert!(scene.lines.take().is_empty(), "neither is a fault");

        // Each has its own time for its line, and there is an end to how many there are.
        let many: Vec<UnixStream> = (0..CONNECTIONS_MAX + 2).map(|_| scene.say(b"")).collect();
        door.poll(Instant::now());
        assert_eq!((door.visits.len(), door.refused), (CONNECTIONS_MAX, 2));
        assert_eq!(scene.lines.take().len(), 1);
        door.poll(Instant::now() + LINE_TIMEOUT);
        assert!(door.visits.is_empty());
        drop(many);
    }

    /// More than a connection holds, so that it cannot be written at once.
    #[test]
    fn a_long_answer_that_comes_at_the_last_moment_is_written() {
        let name = format!("stoop-door-last-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let (desk, lifecycle) = (HistoryDesk::default(), Lifecycle::default());
        let own = (Clock::new(), lifecycle.clone(), log::channel(256).0);
        let mut door = Door::open(&folder, (desk.end(), Arc::default()), own).unwrap();
        let (instrument, interval, at) = (HEALTHY, Interval::M1, Clock::new().now());
        let wish = HistoryWish { instrument, interval, from: Nanos(0), at };
        let mut stream = UnixStream::connect(folder.join(HISTORY_SOCKET)).unwrap();
        stream.write_all((serde_json::to_string(&wish).unwrap() + "\n").as_bytes()).unwrap();
        let begun = Instant::now();
        door.poll(begun);
        let klines = vec![Kline::default(); 10_000];
        assert!(desk.next(Duration::ZERO).unwrap().answer(Some(klines.clone())));
        let last = begun + ANSWER_TIMEOUT;
        door.poll(last);
        assert_eq!(door.visits.len(), 1, "there is more to write");
        let reader = std::thread::spawn(move || answer(stream));
        let due = Instant::now() + Duration::from_secs(10);
        while !door.visits.is_empty() && Instant::now() < due {
            door.poll(last);
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(reader.join().unwrap().klines, Some(klines));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_end_of_who_has_gone_is_known_to_who_asks_the_venue() {
        let desk = HistoryDesk::default();
        let (strategy, visit) = (desk.end(), desk.end().for_one());
        let (instrument, interval) = (HEALTHY, Interval::M1);
        let wish = HistoryWish { instrument, interval, from: Nanos(0), at: Nanos(1) };
        assert!(visit.ask(wish) && strategy.ask(wish));
        drop(visit);
        let next = || desk.next(Duration::ZERO).unwrap();
        assert!(!next().is_wanted());
        let request = next();
        assert!(request.is_wanted() && request.answer(None));
        assert_eq!(strategy.answer().map(|answer| answer.wish), Some(wish));
    }
}

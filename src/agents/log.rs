//! Words from the agents to people. Only cold events are logged (a lost connection, a gap, a
//! refused frame), never the path from tick to order.
//!
//! Each agent has a ring of its own, of fixed-size records: a line is written into one of them, or
//! into several that follow each other, and that is all an agent does. It allocates nothing, takes no
//! lock, wakes nobody and never waits. A cold thread reads all rings and puts what it finds in the order
//! of the times; a ring that is full before it is read loses its oldest lines, which are counted. The
//! rings outlive their agents, so that what one said before it died is still there.

use crate::sync::broadcast::{Lapped, Reader, Writer, ring};
use crate::types::Nanos;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

impl Level {
    const ALL: [Self; 3] = [Self::Info, Self::Warn, Self::Error];
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

/// Words of a record: time, what it is, text.
const WORDS: usize = 31;
/// Words of its text.
const TEXT_WORDS: usize = WORDS - 2;
/// Bytes of its text.
const TEXT: usize = 8 * TEXT_WORDS;
/// Lines that a tail keeps.
const TAIL_LINES: usize = 256;
const SECOND_NS: u64 = 1_000_000_000;
/// Most lines of one agent in one second.
const LINES_PER_SECOND: u32 = 20;
/// Stands where a line was cut because it takes up too much of its ring.
const CUT: &str = " ... (cut)";

/// One record: a line, or a part of one.
#[derive(Clone, Copy)]
struct Record {
    at: Nanos,
    /// Number of the line among those of its ring, from 0, wrapping.
    line: u32,
    level: u8,
    /// Which record of the line it is, from 0.
    part: u8,
    /// The line goes on in the next record.
    goes_on: bool,
    len: u8,
    text: [u8; TEXT],
}

const _: () = assert!(TEXT <= u8::MAX as usize);

impl Record {
    /// Line in the upper half, then a byte each: part, length, whether it goes on, level.
    fn header(&self) -> u64 {
        let small = [self.level, u8::from(self.goes_on), self.len, self.part];
        u64::from(self.line) << 32 | u64::from(u32::from_le_bytes(small))
    }

    fn push(&self, writer: &mut Writer) {
        writer.push(|words| {
            words.set(0, self.at.0);
            words.set(1, self.header());
            let (text, _) = self.text[..].as_chunks::<8>();
            let used = usize::from(self.len).div_ceil(8);
            text[..used].iter().enumerate().for_each(|(at, bytes)| {
                words.set(2 + at, u64::from_le_bytes(*bytes));
            });
        });
    }

    fn next(reader: &mut Reader) -> Result<Option<Self>, Lapped> {
        reader.next(|words| {
            let header = words.get(1);
            let [level, goes_on, len, part] = (header as u32).to_le_bytes();
            let mut text = [0; TEXT];
            let len = len.min(TEXT as u8);
            let used = usize::from(len).div_ceil(8);
            let (chunks, _) = text.as_chunks_mut::<8>();
            chunks[..used].iter_mut().enumerate().for_each(|(at, bytes)| {
                *bytes = words.get(2 + at).to_le_bytes();
            });
            let (at, line) = (Nanos(words.get(0)), (header >> 32) as u32);
            Self { at, line, level, part, goes_on: goes_on != 0, len, text }
        })
    }
}

/// The ring of an agent, and where it is read.
struct Ring {
    source: Arc<str>,
    /// There while no agent writes.
    idle: Option<Pen>,
    reader: Reader,
    parts: Parts,
}

/// What the one writer of a ring needs.
struct Pen {
    writer: Writer,
    /// Number of the next line.
    line: u32,
}

/// A line that is being put together from its records.
#[derive(Default)]
struct Parts {
    /// The line that comes next or is under way, and which part of it.
    line: u32,
    part: u8,
    /// A part of it is gone.
    is_torn: bool,
    text: Vec<u8>,
}

impl Ring {
    /// Reads on, at most what fits a ring: an agent that writes faster than it is read holds nobody up.
    /// Gives how many lines were overwritten before they were read.
    fn read(&mut self, lines: &mut Vec<LogLine>, capacity: usize) -> u64 {
        let mut lost = 0;
        for _ in 0..capacity {
            match Record::next(&mut self.reader) {
                Ok(Some(record)) => lost += self.parts.take(&self.source, &record, lines),
                Ok(None) => break,
                // What is missing shows in the numbers of the next record.
                Err(Lapped(_)) => {}
            }
        }
        lost
    }
}

impl Parts {
    /// Gives how many lines turned out to be missing.
    fn take(&mut self, source: &Arc<str>, record: &Record, lines: &mut Vec<LogLine>) -> u64 {
        let mut lost = u64::from(record.line.wrapping_sub(self.line));
        if lost > 0 {
            *self =
                Self { line: record.line, text: std::mem::take(&mut self.text), ..Self::default() };
            self.text.clear();
        }
        self.is_torn |= record.part != self.part;
        self.part = record.part.wrapping_add(1);
        self.text.extend_from_slice(&record.text[..usize::from(record.len)]);
        if record.goes_on {
            return lost;
        }
        if self.is_torn {
            lost += 1;
        } else {
            let level = Level::ALL[usize::from(record.level).min(Level::ALL.len() - 1)];
            let text = String::from_utf8_lossy(&self.text).into_owned();
            lines.push(LogLine { at: record.at, level, source: source.clone(), text });
        }
        self.text.clear();
        (self.line, self.part, self.is_torn) = (record.line.wrapping_add(1), 0, false);
        lost
    }
}

/// All rings of a log.
struct Rings {
    all: Mutex<State>,
    /// Records of each ring.
    capacity: usize,
}

#[derive(Default)]
struct State {
    rings: Vec<Ring>,
    lost: u64,
}

impl Rings {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ring that an agent of this name left, or a new one, and its place.
    fn pen(&self, source: &Arc<str>) -> (usize, Pen) {
        let mut state = self.lock();
        for (at, left) in state.rings.iter_mut().enumerate() {
            let pen = (left.source == *source).then(|| left.idle.take()).flatten();
            if let Some(pen) = pen {
                return (at, pen);
            }
        }
        let (writer, reader) = ring(self.capacity, WORDS);
        let (source, parts) = (source.clone(), Parts::default());
        state.rings.push(Ring { source, idle: None, reader, parts });
        (state.rings.len() - 1, Pen { writer, line: 0 })
    }
}

/// Takes lines out of all rings.
pub struct LogReader(Arc<Rings>);

impl LogReader {
    /// What has been written since it was last asked, in the order of the times of what is there.
    #[must_use]
    pub fn take(&self) -> Vec<LogLine> {
        let mut lines = Vec::new();
        let mut state = self.0.lock();
        let state = &mut *state;
        for ring in &mut state.rings {
            state.lost += ring.read(&mut lines, self.0.capacity);
        }
        lines.sort_by_key(|line| line.at);
        lines
    }

    /// Lines that were overwritten before they were taken.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.lock().lost
    }
}

/// The last lines of all agents, for whoever writes down what went before a crash.
#[derive(Clone)]
pub struct LogTail(Arc<Rings>);

impl LogTail {
    /// The last lines, oldest first, whether they were taken or not.
    #[must_use]
    pub fn lines(&self) -> Vec<LogLine> {
        let mut lines = Vec::new();
        for ring in &self.0.lock().rings {
            let (source, parts) = (ring.source.clone(), Parts::default());
            let mut again = Ring { source, idle: None, reader: ring.reader.clone(), parts };
            again.reader.rewind();
            again.read(&mut lines, self.0.capacity);
        }
        lines.sort_by_key(|line| line.at);
        lines.split_off(lines.len().saturating_sub(TAIL_LINES))
    }
}

/// Where an agent writes its lines.
pub struct Log {
    source: Arc<str>,
    rings: Arc<Rings>,
    /// Place of its ring.
    ring: usize,
    /// There until it is dropped.
    pen: Option<Pen>,
    window: Window,
}

/// Lines written in the running second, to keep a flood from hiding the rest.
#[derive(Clone, Copy, Default)]
struct Window {
    second: u64,
    written: u32,
    held: u64,
    /// When the last of these was.
    held_at: Nanos,
}

/// A log whose agents have room for so many records each, and its reader.
#[must_use]
pub fn channel(capacity: usize) -> (Log, LogReader) {
    let rings = Arc::new(Rings { all: Mutex::default(), capacity });
    (Log::new(Arc::from("engine"), rings.clone()), LogReader(rings))
}

impl Log {
    fn new(source: Arc<str>, rings: Arc<Rings>) -> Self {
        let (ring, pen) = rings.pen(&source);
        Self { source, rings, ring, pen: Some(pen), window: Window::default() }
    }

    /// The same log under another agent's name.
    #[must_use]
    pub fn named(&self, source: &str) -> Self {
        Self::new(Arc::from(source), self.rings.clone())
    }

    /// The last lines of all agents.
    #[must_use]
    pub fn tail(&self) -> LogTail {
        LogTail(self.rings.clone())
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
        self.send(at, Level::Error, text);
    }

    fn write(&mut self, at: Nanos, level: Level, text: fmt::Arguments<'_>) {
        let second = at.0 / SECOND_NS;
        if second != self.window.second {
            let held = self.window.held;
            self.window = Window { second, ..Window::default() };
            if held > 0 {
                self.send(at, Level::Warn, format_args!("{held} more lines were held back"));
            }
        }
        if self.window.written >= LINES_PER_SECOND {
            self.window.held += 1;
            self.window.held_at = at;
            return;
        }
        self.window.written += 1;
        self.send(at, level, text);
    }

    fn send(&mut self, at: Nanos, level: Level, text: fmt::Arguments<'_>) {
        let Some(pen) = &mut self.pen else { return };
        // A line may take up a quarter of the ring, so that it never overwrites itself.
        let parts_max = (self.rings.capacity / 4).clamp(1, usize::from(u8::MAX)) as u8;
        let (line, level) = (pen.line, level as u8);
        let record = Record { at, line, level, part: 0, goes_on: false, len: 0, text: [0; TEXT] };
        let mut pieces = Pieces { record, parts_max, writer: &mut pen.writer };
        // It fails where the line is cut, which is written there.
        let _ = fmt::write(&mut pieces, text);
        pieces.record.push(pieces.writer);
        pen.line = pen.line.wrapping_add(1);
    }
}

impl Clone for Log {
    /// Of the same name, with a ring of its own.
    fn clone(&self) -> Self {
        Self::new(self.source.clone(), self.rings.clone())
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if self.window.held > 0 {
            let Window { held, held_at: at, .. } = self.window;
            self.send(at, Level::Warn, format_args!("{held} more lines were held back"));
        }
        if let Some(ring) = self.rings.lock().rings.get_mut(self.ring) {
            ring.idle = self.pen.take();
        }
    }
}

/// Cuts a text into records.
struct Pieces<'a> {
    record: Record,
    parts_max: u8,
    writer: &'a mut Writer,
}

impl fmt::Write for Pieces<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let used = usize::from(self.record.len);
            if used < TEXT {
                let taken = rest.len().min(TEXT - used);
                self.record.text[used..used + taken].copy_from_slice(&rest[..taken]);
                self.record.len += taken as u8;
                rest = &rest[taken..];
            } else if self.record.part + 1 == self.parts_max {
                self.record.text[TEXT - CUT.len()..].copy_from_slice(CUT.as_bytes());
                return Err(fmt::Error);
            } else {
                self.record.goes_on = true;
                self.record.push(self.writer);
                let part = self.record.part + 1;
                self.record = Record { part, goes_on: false, len: 0, ..self.record };
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lines: &LogReader) -> Vec<String> {
        lines.take().into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn floods_are_held_back_and_counted_but_errors_pass() {
        let (log, lines) = channel(64);
        let mut log = log.named("feed:x");
        for _ in 0..30 {
            log.warn(Nanos(5), format_args!("gap"));
        }
        log.error(Nanos(5), format_args!("halt"));
        log.info(Nanos(1_000_000_005), format_args!("fine"));
        let texts = texts(&lines);
        assert_eq!(texts.len(), 23);
        assert_eq!(texts[20..], ["halt", "10 more lines were held back", "fine"]);
        assert_eq!(lines.lost(), 0);
        for _ in 0..25 {
            log.warn(Nanos(1_000_000_006), format_args!("gap"));
        }
        drop(log);
        assert_eq!(self::texts(&lines).last().unwrap(), "6 more lines were held back");
    }

    #[test]
    fn a_full_ring_loses_its_oldest_lines_and_they_are_counted() {
        let (mut log, lines) = channel(8);
        for number in 0..20 {
            log.error(Nanos(1), format_args!("{number}"));
        }
        assert_eq!((texts(&lines).join(" "), lines.lost()), ("16 17 18 19".to_owned(), 16));
        log.error(Nanos(1), format_args!("and on"));
        assert_eq!((texts(&lines).join(" "), lines.lost()), ("and on".to_owned(), 16));
    }

    #[test]
    fn lines_of_all_agents_come_in_the_order_of_their_times() {
        let (mut one, lines) = channel(8);
        let mut two = one.named("two");
        two.info(Nanos(2), format_args!("b"));
        one.info(Nanos(1), format_args!("a"));
        one.error(Nanos(3), format_args!("c"));
        let shown: Vec<String> = lines.take().iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["1 info engine: a", "2 info two: b", "3 error engine: c"]);
        assert_eq!(lines.take().len(), 0, "each is taken once");
        two.warn(Nanos(4), format_args!("d"));
        let tail: Vec<String> = one.tail().lines().into_iter().map(|line| line.text).collect();
        assert_eq!(tail, ["a", "b", "c", "d"], "whether they were taken or not");
        assert_eq!(texts(&lines), ["d"]);
    }

    #[test]
    fn a_long_line_comes_whole_and_one_that_is_too_long_is_cut() {
        let (mut log, lines) = channel(64);
        for len in [0, 1, TEXT - 1, TEXT, TEXT + 1, 3 * TEXT, 16 * TEXT] {
            // A character of three bytes may lie across two records.
            let text: String = "a\u{20ac}".chars().cycle().take(len / 2).collect();
            log.error(Nanos(1), format_args!("{text}"));
            assert_eq!(texts(&lines), [text]);
        }
        let (mut log, lines) = channel(64);
        log.error(Nanos(1), format_args!("{}{}", "x".repeat(16 * TEXT), "y"));
        let found = texts(&lines).remove(0);
        assert_eq!((found.len(), found.ends_with("x ... (cut)")), (16 * TEXT, true));
        log.error(Nanos(1), format_args!("next"));
        assert_eq!((texts(&lines).join(" "), lines.lost()), ("next".to_owned(), 0));
    }

    #[test]
    fn a_line_of_which_a_part_was_overwritten_is_lost_as_a_whole() {
        let (mut log, lines) = channel(16);
        for number in 0..10 {
            log.error(Nanos(1), format_args!("{number}{}", "x".repeat(2 * TEXT)));
        }
        let (found, lost) = (texts(&lines), lines.lost());
        assert!(found.iter().all(|text| text.len() == 2 * TEXT + 1), "{found:?}");
        assert!(!found.is_empty() && found.last().unwrap().starts_with('9'));
        assert_eq!(found.len() as u64 + lost, 10);
    }

    #[test]
    fn what_an_agent_said_before_it_ended_is_read_and_its_ring_used_again() {
        let (log, lines) = channel(8);
        for number in 0..3 {
            let mut agent = log.named("feed:x");
            agent.error(Nanos(number), format_args!("{number}"));
        }
        let (mut one, mut other) = (log.named("feed:x"), log.named("feed:x"));
        one.error(Nanos(3), format_args!("3"));
        other.error(Nanos(4), format_args!("4"));
        assert_eq!((texts(&lines).join(" "), lines.lost()), ("0 1 2 3 4".to_owned(), 0));
        assert_eq!(log.rings.lock().rings.len(), 3, "one of the engine and two of the agent");
    }
}

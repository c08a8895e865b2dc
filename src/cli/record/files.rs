//! The files of a recording, one instrument each: lines of a time in nanoseconds and a frame, in gzip.
//!
//! The first line says whose frames these are; a line like it stands where frames are missing. What is
//! compressed is flushed every second, so that whatever ends this program leaves files that can be read
//! up to the last second. No file is ever written over.

#![forbid(unsafe_code)]

use crate::agents::recorder::Taken;
use crate::show::table::utc;
use crate::types::{InstrumentId, InstrumentTable, Nanos, VenueId};
use crate::venues::VENUES;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// How often what is compressed is flushed: with the time until the writer looks, within a second.
const FLUSH_NS: u64 = 750_000_000;
/// After an error the next file is tried so much later.
const RETRY_NS: u64 = 5_000_000_000;
/// Names of one instrument and second that are tried.
const NAMES_MAX: u32 = 1_000;

/// When a file is full.
#[derive(Clone, Copy)]
pub(super) struct Rotation {
    /// Compressed bytes.
    pub bytes: u64,
    /// Time since its first frame.
    pub ns: u64,
}

/// What was written of one instrument.
#[derive(Clone, Default)]
pub(super) struct Written {
    pub instrument: String,
    pub files: Vec<PathBuf>,
    pub frames: u64,
    /// Of frames, before they are compressed.
    pub bytes: u64,
    /// Of files.
    pub compressed: u64,
    pub holes: u64,
    /// Frames of all holes that were read and are missing, as far as that is known.
    pub missing: u64,
    /// Times its file could not be written.
    pub errors: u64,
}

impl Written {
    pub fn json(&self) -> Value {
        json!({
            "instrument": self.instrument,
            "files": self.files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
            "frames": self.frames,
            "bytes": self.bytes,
            "compressed": self.compressed,
            "holes": self.holes,
            "missing": self.missing,
            "errors": self.errors,
        })
    }
}

/// See the module.
pub(super) struct Files {
    folder: PathBuf,
    rotation: Rotation,
    tapes: Vec<Tape>,
    line: Vec<u8>,
}

/// The files of one instrument.
struct Tape {
    id: InstrumentId,
    venue: VenueId,
    /// How the names of its files begin.
    stem: String,
    /// Whose frames these are.
    header: Value,
    open: Option<Open>,
    /// No new file before.
    retry: Nanos,
    /// Frames since the last error, which are nowhere.
    unwritten: u64,
    written: Written,
}

struct Open {
    path: PathBuf,
    gzip: GzEncoder<Counted>,
    since: Nanos,
    flushed: Nanos,
}

struct Counted {
    file: File,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// What the writing of a message led to.
#[derive(Default)]
pub(super) struct Outcome {
    /// Books whose files begin, or go on behind a hole: snapshots are wanted.
    pub wanted: Vec<(VenueId, InstrumentId)>,
    /// What a person must know.
    pub complaints: Vec<String>,
}

impl Files {
    /// Files of these instruments in a folder, which is made.
    pub fn new(
        folder: &Path,
        rotation: Rotation,
        instruments: &InstrumentTable,
        streamed: impl Fn(InstrumentId) -> bool,
    ) -> Result<Self, String> {
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        let tape = |instrument: &crate::types::Instrument| Tape {
            id: instrument.id,
            venue: instrument.venue,
            stem: instrument.name.replace(['/', ':'], "_"),
            header: json!({ "stoop": {
                "venue": VENUES[usize::from(instrument.venue.0)].name,
                "symbol": instrument.symbol,
                "perpetual": instrument.is_perpetual(),
                "instrument": instrument.name,
            }}),
            open: None,
            retry: Nanos(0),
            unwritten: 0,
            written: Written { instrument: instrument.name.clone(), ..Written::default() },
        };
        let chosen = instruments.iter().filter(|instrument| streamed(instrument.id));
        let tapes = chosen.map(tape).collect();
        Ok(Self { folder: folder.to_owned(), rotation, tapes, line: Vec::new() })
    }

    /// Writes what was read.
    pub fn take(&mut self, taken: &Taken) -> Outcome {
        let mut outcome = Outcome::default();
        let Self { folder, rotation, tapes, line } = self;
        match taken {
            Taken::Message { venue, instruments, recv_ns, bytes } => {
                line.clear();
                let _ = write!(line, "{} ", recv_ns.0);
                // Between the parts of a frame a line break is a space; within a text there is none.
                line.extend(bytes.iter().map(|byte| match byte {
                    b'\n' | b'\r' => b' ',
                    other => *other,
                }));
                line.push(b'\n');
                let all = instruments.is_empty();
                for tape in tapes.iter_mut().filter(|tape| tape.venue == *venue) {
                    if all || instruments.contains(&tape.id) {
                        tape.frame(line, *recv_ns, (folder, *rotation), &mut outcome);
                    }
                }
            }
            Taken::Hole { instruments, at, messages } => {
                for tape in tapes.iter_mut().filter(|tape| instruments.contains(&tape.id)) {
                    tape.hole(*at, *messages, &mut outcome);
                }
            }
        }
        outcome
    }

    /// What is compressed goes to the disk.
    pub fn flush(&mut self, now: Nanos) -> Outcome {
        let mut outcome = Outcome::default();
        for tape in &mut self.tapes {
            if tape.open.as_ref().is_some_and(|open| now.since(open.flushed) >= FLUSH_NS) {
                let result = tape.open.as_mut().map_or(Ok(()), |open| open.flush(now));
                tape.check(result, now, &mut outcome);
            }
        }
        outcome
    }

    /// Ends all files.
    pub fn finish(mut self, now: Nanos) -> (Vec<Written>, Vec<String>) {
        let mut outcome = Outcome::default();
        for tape in &mut self.tapes {
            tape.close(now, &mut outcome);
            tape.settle();
        }
        (self.tapes.into_iter().map(|tape| tape.written).collect(), outcome.complaints)
    }

    /// Frames and compressed bytes so far.
    pub fn sums(&self) -> (u64, u64) {
        let open = |tape: &Tape| tape.open.as_ref().map_or(0, |open| open.gzip.get_ref().bytes);
        let sum = |(frames, bytes), tape: &Tape| {
            (frames + tape.written.frames, bytes + tape.written.compressed + open(tape))
        };
        self.tapes.iter().fold((0, 0), sum)
    }
}

impl Tape {
    fn frame(
        &mut self,
        line: &[u8],
        at: Nanos,
        (folder, rotation): (&Path, Rotation),
        outcome: &mut Outcome,
    ) {
        let full = |open: &Open| {
            open.gzip.get_ref().bytes >= rotation.bytes || at.since(open.since) >= rotation.ns
        };
        if self.open.as_ref().is_some_and(full) {
            self.close(at, outcome);
        }
        if self.open.is_none() && !self.begin(folder, at, outcome) {
            self.unwritten += 1;
            return;
        }
        let result = match &mut self.open {
            Some(open) => open.line(line, at),
            None => return,
        };
        match result {
            Ok(()) => {
                self.written.frames += 1;
                self.written.bytes += line.len() as u64;
            }
            Err(_) => self.unwritten += 1,
        }
        self.check(result, at, outcome);
    }

    /// Begins a file; `false` if that is not possible now.
    fn begin(&mut self, folder: &Path, at: Nanos, outcome: &mut Outcome) -> bool {
        if at < self.retry {
            return false;
        }
        let lost = self.settle();
        let result = self.create(folder, at).and_then(|open| self.head(open, lost, at));
        // The first one: the connector fetches that snapshot by itself.
        if !self.written.files.is_empty() || lost > 0 {
            outcome.wanted.push((self.venue, self.id));
        }
        match result {
            Ok(open) => {
                self.written.files.push(open.path.clone());
                self.open = Some(open);
                true
            }
            Err(error) => {
                let path = folder.join(&self.stem);
                self.fail(&path, &error, at, outcome);
                false
            }
        }
    }

    /// Writes whose frames follow. It is on the disk before anything else is: a file that does not say that
    /// much is removed.
    fn head(&self, mut open: Open, lost: u64, at: Nanos) -> io::Result<Open> {
        let mut lines = format!("{} {}\n", at.0, self.header);
        if lost > 0 {
            lines += &hole_line(at, lost);
        }
        let result = open.line(lines.as_bytes(), at).and_then(|()| open.flush(at));
        match result {
            Ok(()) => Ok(open),
            Err(error) => {
                let path = open.path.clone();
                drop(open);
                let _ = std::fs::remove_file(path);
                Err(error)
            }
        }
    }

    fn create(&self, folder: &Path, at: Nanos) -> io::Result<Open> {
        let time: String = utc(at).chars().filter(|c| c.is_ascii_alphanumeric()).collect();
        // To the second: `20261129T165830`.
        let time = time.get(..15).unwrap_or(&time).to_owned();
        for number in 1..=NAMES_MAX {
            let more = if number == 1 { String::new() } else { format!("-{number}") };
            let path = folder.join(format!("{}-{time}{more}.gz", self.stem));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => {
                    let gzip = GzEncoder::new(Counted { file, bytes: 0 }, Compression::fast());
                    return Ok(Open { path, gzip, since: at, flushed: at });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn hole(&mut self, at: Nanos, messages: u64, outcome: &mut Outcome) {
        self.written.holes += 1;
        self.written.missing += messages;
        let name = &self.written.instrument;
        outcome.complaints.push(match messages {
            0 => format!("{name}: the connection was lost: a hole until it has a book again"),
            _ => format!("{name}: {messages} messages came faster than they could be written"),
        });
        if messages > 0 {
            outcome.wanted.push((self.venue, self.id));
        }
        let Some(open) = &mut self.open else { return };
        let at = if at == Nanos(u64::MAX) { open.last() } else { at };
        let result = open.line(hole_line(at, messages).as_bytes(), at);
        self.check(result, at, outcome);
    }

    /// Counts what was lost to an error as a hole; gives how much that was.
    fn settle(&mut self) -> u64 {
        let lost = std::mem::take(&mut self.unwritten);
        self.written.holes += u64::from(lost > 0);
        self.written.missing += lost;
        lost
    }

    fn close(&mut self, at: Nanos, outcome: &mut Outcome) {
        let Some(open) = self.open.take() else { return };
        let path = open.path.clone();
        match open.gzip.finish() {
            Ok(counted) => self.written.compressed += counted.bytes,
            Err(error) => self.fail(&path, &error, at, outcome),
        }
    }

    /// A file that cannot be written is left as it is.
    fn check(&mut self, result: io::Result<()>, at: Nanos, outcome: &mut Outcome) {
        let Err(error) = result else { return };
        let Some(open) = self.open.take() else { return };
        self.written.compressed += open.gzip.get_ref().bytes;
        self.fail(&open.path, &error, at, outcome);
    }

    fn fail(&mut self, path: &Path, error: &io::Error, at: Nanos, outcome: &mut Outcome) {
        self.written.errors += 1;
        self.retry = at.plus(RETRY_NS);
        outcome.complaints.push(format!("{}: {error}", path.display()));
    }
}

impl Open {
    fn line(&mut self, line: &[u8], at: Nanos) -> io::Result<()> {
        self.gzip.write_all(line)?;
        if at.since(self.flushed) >= FLUSH_NS { self.flush(at) } else { Ok(()) }
    }

    fn flush(&mut self, at: Nanos) -> io::Result<()> {
        self.flushed = at;
        self.gzip.flush()
    }

    /// About when the last line was written.
    fn last(&self) -> Nanos {
        self.flushed
    }
}

fn hole_line(at: Nanos, messages: u64) -> String {
    format!("{} {{\"stoop\":{{\"hole\":{messages}}}}}\n", at.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::survey;
    use crate::types::Instrument;

    const SECOND: u64 = 1_000_000_000;
    const BEGIN: u64 = 1_700_000_000 * SECOND;

    fn table() -> InstrumentTable {
        let mut table = InstrumentTable::default();
        for (venue, name, symbol) in
            [(0, "A/B@one", "AB"), (0, "C/B@one", "CB"), (1, "A/B@two", "AB")]
        {
            let (name, symbol) = (name.to_owned(), symbol.to_owned());
            table.add(Instrument { venue: VenueId(venue), name, symbol, ..Instrument::default() });
        }
        table
    }

    fn folder(name: &str) -> PathBuf {
        let name = format!("stoop-record-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        path
    }

    fn message(ids: &[u16], at: u64, text: &str) -> Taken {
        Taken::Message {
            venue: VenueId(0),
            instruments: ids.iter().map(|id| InstrumentId(*id)).collect(),
            recv_ns: Nanos(at),
            bytes: text.as_bytes().into(),
        }
    }

    fn text(path: &Path) -> String {
        let mut text = String::new();
        let file = File::open(path).unwrap();
        io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(file), &mut text).unwrap();
        text
    }

    #[test]
    fn frames_go_to_their_instruments_and_a_full_file_is_followed_by_one_that_wants_a_book() {
        let folder = folder("rotation");
        let rotation = Rotation { bytes: u64::MAX, ns: 10 * SECOND };
        let mut files = Files::new(&folder, rotation, &table(), |id| id.0 != 2).unwrap();
        assert!(files.take(&message(&[0], BEGIN, "{\"a\":\n1}")).wanted.is_empty());
        assert!(files.take(&message(&[], BEGIN + 1, "pong")).wanted.is_empty());
        let outcome = files.take(&message(&[0], BEGIN + 10 * SECOND, "{}"));
        assert_eq!(outcome.wanted, [(VenueId(0), InstrumentId(0))]);
        let hole = Taken::Hole {
            instruments: vec![InstrumentId(1)],
            at: Nanos(BEGIN + 11 * SECOND),
            messages: 7,
        };
        let outcome = files.take(&hole);
        assert_eq!(outcome.wanted, [(VenueId(0), InstrumentId(1))]);
        assert!(
            outcome.complaints[0].starts_with("C/B@one: 7 messages"),
            "{:?}",
            outcome.complaints
        );
        let (written, complaints) = files.finish(Nanos(BEGIN + 12 * SECOND));
        assert_eq!(complaints, [""; 0]);
        assert_eq!(written.len(), 2, "what is not streamed has no file");
        let rows: Vec<_> = written
            .iter()
            .map(|row| (row.frames, row.files.len(), row.holes, row.missing))
            .collect();
        assert_eq!(rows, [(3, 2, 0, 0), (1, 1, 1, 7)]);
        let first = text(&written[0].files[0]);
        assert!(first.contains(&format!("{BEGIN} {{\"a\": 1}}\n")), "{first}");
        let found = survey(&written[1].files[0]).unwrap();
        assert_eq!((found.frames, found.holes, found.cut), (1, 1, None));
        assert_eq!(found.origin.unwrap().symbol, "CB");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_disk_that_takes_nothing_is_told_and_what_comes_behind_begins_with_a_hole() {
        let folder = folder("full");
        let rotation = Rotation { bytes: u64::MAX, ns: u64::MAX };
        let mut files = Files::new(&folder, rotation, &table(), |id| id.0 == 0).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let outcome = files.take(&message(&[0], BEGIN, "{}"));
        assert!(outcome.complaints[0].contains("A_B@one: "), "{:?}", outcome.complaints);
        // Not tried for every frame.
        assert!(files.take(&message(&[0], BEGIN + SECOND, "{}")).complaints.is_empty());
        std::fs::create_dir(&folder).unwrap();
        let outcome = files.take(&message(&[0], BEGIN + RETRY_NS, "{}"));
        assert_eq!(outcome.wanted, [(VenueId(0), InstrumentId(0))]);
        let (written, _) = files.finish(Nanos(BEGIN + 2 * RETRY_NS));
        let row = &written[0];
        assert_eq!((row.frames, row.holes, row.missing, row.errors), (1, 1, 2, 1));
        assert!(text(&row.files[0]).contains("{\"stoop\":{\"hole\":2}}"));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_says_at_once_whose_it_is_or_is_not_there() {
        let folder = folder("head");
        let rotation = Rotation { bytes: u64::MAX, ns: u64::MAX };
        let mut files = Files::new(&folder, rotation, &table(), |id| id.0 == 0).unwrap();
        files.take(&message(&[0], BEGIN, "{}"));
        let path = folder.join("A_B@one-20231114T221320.gz");
        let found = survey(&path).unwrap();
        assert_eq!((found.frames, found.origin.unwrap().symbol.as_str()), (0, "AB"));
        // A file that takes nothing.
        let gzip = GzEncoder::new(
            Counted { file: File::open(&path).unwrap(), bytes: 0 },
            Compression::fast(),
        );
        let (since, flushed) = (Nanos(BEGIN), Nanos(BEGIN));
        let open = Open { path: path.clone(), gzip, since, flushed };
        assert!(files.tapes[0].head(open, 0, Nanos(BEGIN)).is_err());
        assert!(!path.exists());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_quiet_instrument_is_flushed_while_another_one_never_pauses() {
        use super::super::{Progress, Taking, write};
        let folder = folder("quiet");
        let rotation = Rotation { bytes: u64::MAX, ns: u64::MAX };
        let files = Files::new(&folder, rotation, &table(), |id| id.0 != 2).unwrap();
        let clock = crate::clock::Clock::manual(Nanos(BEGIN));
        let (to, from) = std::sync::mpsc::sync_channel(64);
        let (want, _wanted) = std::sync::mpsc::channel();
        let taking = Taking::of(from);
        std::thread::scope(|scope| {
            let own = clock.clone();
            let writer =
                scope.spawn(move || write(files, &taking, &own, &Progress::default(), &want));
            to.send(message(&[0], BEGIN, "{}")).unwrap();
            let path = folder.join("A_B@one-20231114T221320.gz");
            let begun = std::time::Instant::now();
            let mut at = BEGIN;
            let mut frames = 0;
            while frames == 0 && begun.elapsed().as_secs() < 20 {
                at += SECOND / 10;
                clock.set(Nanos(at));
                to.send(message(&[1], at, "{}")).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(5));
                frames = survey(&path).map_or(0, |found| found.frames);
            }
            drop(to);
            writer.join().unwrap();
            assert_eq!(frames, 1);
        });
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_is_there_is_not_written_over() {
        let folder = folder("twice");
        let rotation = Rotation { bytes: u64::MAX, ns: u64::MAX };
        for text in ["1", "2"] {
            let mut files = Files::new(&folder, rotation, &table(), |id| id.0 == 0).unwrap();
            files.take(&message(&[0], BEGIN, text));
            files.finish(Nanos(BEGIN));
        }
        let mut names: Vec<_> =
            std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["A_B@one-20231114T221320-2.gz", "A_B@one-20231114T221320.gz"]);
        std::fs::remove_dir_all(folder).unwrap();
    }
}

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

/// How often what is compressed is flushed.
const FLUSH_NS: u64 = 1_000_000_000;
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
        let result = self.create(folder, at).and_then(|mut open| {
            open.line(format!("{} {}\n", at.0, self.header).as_bytes(), at)?;
            if lost > 0 {
                open.line(hole_line(at, lost).as_bytes(), at)?;
            }
            Ok(open)
        });
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

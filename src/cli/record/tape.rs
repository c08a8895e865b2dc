//! The files of one instrument, one after the other.
//!
//! A file that goes on where a full one ends begins with the book and the marks as they are known then: no
//! change is missing between the two, and nobody has to ask the venue for a snapshot, which costs most of
//! them a round trip of changes. Where the book is not known just then, the full one goes on until it is.

#![forbid(unsafe_code)]

use super::files::{Line, Outcome, Rotation, Written};
use crate::show::table::utc;
use crate::sim::{Known, StatedRules, own};
use crate::types::{Instrument, InstrumentId, InstrumentTable, Nanos, VenueId};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// How often what is compressed is flushed: with the time until the writer looks, within a second.
const FLUSH_NS: u64 = 750_000_000;
/// How often the disk must have what was flushed.
const SYNC_NS: u64 = 10_000_000_000;
/// After an error the next file is tried so much later.
pub(super) const RETRY_NS: u64 = 5_000_000_000;
/// A full file waits so long for a book that the next one can begin with.
const BOOK_WAIT_NS: u64 = 60_000_000_000;
/// Names of one instrument and second that are tried.
const NAMES_MAX: u32 = 1_000;
/// Of what a venue says.
const TOLD_CHARS: usize = 300;

/// See the module.
pub(super) struct Tape {
    pub id: InstrumentId,
    pub venue: VenueId,
    /// How the names of its files begin.
    stem: String,
    rules: StatedRules,
    open: Option<Open>,
    /// No new file before.
    retry: Nanos,
    /// Frames since the last error, which are nowhere.
    unwritten: u64,
    /// What the frames have told, if files are to go on.
    known: Option<Known>,
    /// Since when its file is full.
    full: Option<Nanos>,
    /// Time of the last line of a file that was full.
    after: Option<Nanos>,
    pub written: Written,
}

/// Frames and their bytes.
#[derive(Clone, Copy, Default)]
struct Tally {
    frames: u64,
    bytes: u64,
}

pub(super) struct Open {
    pub path: PathBuf,
    gzip: GzEncoder<Counted>,
    since: Nanos,
    flushed: Nanos,
    synced: Nanos,
    /// Of the last line.
    last: Nanos,
    /// Frames that were taken; of them, those that were flushed; and of these, those that the disk has.
    taken: Tally,
    flushed_up_to: Tally,
    synced_up_to: Tally,
    /// The disk has refused to have them.
    is_broken: bool,
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

impl Tape {
    /// One without a file yet; `goes_on` if a full file is to be followed by another.
    pub fn new((id, venue): (InstrumentId, VenueId), rules: StatedRules, goes_on: bool) -> Self {
        let known = goes_on.then(|| {
            let mut known = Known::default();
            known.take(&own::header(&rules, None));
            known
        });
        Self {
            id,
            venue,
            stem: rules.instrument.replace(['/', ':'], "_"),
            open: None,
            retry: Nanos(0),
            unwritten: 0,
            known,
            full: None,
            after: None,
            written: Written { instrument: rules.instrument.clone(), ..Written::default() },
            rules,
        }
    }

    /// Frames and compressed bytes so far.
    pub fn sums(&self) -> (u64, u64) {
        let of = |open: &Open| (open.flushed_up_to.frames, open.gzip.get_ref().bytes);
        let (frames, bytes) = self.open.as_ref().map_or((0, 0), of);
        (self.written.frames + frames, self.written.compressed + bytes)
    }

    /// Has it write to this file.
    #[cfg(test)]
    pub fn set_open(&mut self, open: Open) {
        self.open = Some(open);
    }

    /// Writes a line, to a new file if there is none or it is full.
    pub fn line(
        &mut self,
        line: Line<'_>,
        (folder, rotation): (&Path, Rotation),
        outcome: &mut Outcome,
    ) {
        self.rotate(line.at, rotation, outcome);
        if self.open.is_some() || self.begin(folder, line.at, outcome) {
            let result = self.open.as_mut().map_or(Ok(()), |open| open.line(line));
            self.check(result, line.at, outcome);
        } else {
            self.unwritten += u64::from(line.is_frame);
        }
        if let (true, Some(known)) = (line.is_frame, &mut self.known)
            && let Ok(text) = std::str::from_utf8(&line.whole[line.text_at..])
        {
            known.take(text.trim_end());
        }
    }

    /// Closes a file that is full, once the next one can begin with the book.
    fn rotate(&mut self, at: Nanos, rotation: Rotation, outcome: &mut Outcome) {
        let Some(open) = &self.open else { return };
        let last = open.last;
        if open.gzip.get_ref().bytes < rotation.bytes && at.since(open.since) < rotation.ns {
            return;
        }
        let since = *self.full.get_or_insert(at);
        let has_book = self.known.as_ref().is_some_and(Known::has_book);
        if has_book || at.since(since) >= BOOK_WAIT_NS {
            self.after = self.close(at, outcome).then_some(last);
        }
    }

    /// Begins a file; `false` if that is not possible now.
    fn begin(&mut self, folder: &Path, at: Nanos, outcome: &mut Outcome) -> bool {
        if at < self.retry {
            return false;
        }
        let lost = self.settle();
        let after = self.after.take().filter(|_| lost == 0);
        let known = self.known.as_ref().and_then(Known::lines);
        // The first one: the connector fetches that snapshot by itself.
        if known.is_none() && (!self.written.files.is_empty() || lost > 0) {
            outcome.wanted.push((self.venue, self.id));
        }
        let mut lines = vec![own::header(&self.rules, after.map(|after| after.0))];
        lines.push(own::rules(&self.rules));
        lines.extend((lost > 0).then(|| own::hole(lost)));
        lines.extend(known.into_iter().flatten());
        let result = self.create(folder, at).and_then(|open| head(open, &lines, at));
        match result {
            Ok(open) => {
                self.written.files.push(open.path.clone());
                (self.open, self.full) = (Some(open), None);
                true
            }
            Err(error) => {
                let path = folder.join(&self.stem);
                self.fail(&path, &error.to_string(), at, outcome);
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
                Ok(file) => return Ok(Open::new(path, file, at)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Messages are missing from here on.
    pub fn hole(&mut self, at: Nanos, messages: u64, outcome: &mut Outcome) {
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
        let text = own::hole(messages);
        if let Some(known) = &mut self.known {
            known.take(&text);
        }
        let Some(open) = &mut self.open else { return };
        let at = if at == Nanos(u64::MAX) { open.last } else { at };
        let result = open.text(&text, at);
        self.check(result, at, outcome);
    }

    /// The venue has changed its rules: they stand here from now on, and where the next file begins.
    pub fn restate(
        &mut self,
        instrument: &Instrument,
        table: &InstrumentTable,
        at: Nanos,
        outcome: &mut Outcome,
    ) {
        let rules = StatedRules::of(&self.rules.venue, instrument, table);
        self.rules = StatedRules { fees: self.rules.fees, ..rules };
        self.written.rule_changes += 1;
        let StatedRules { venue, instrument, .. } = &self.rules;
        let text = format!("{instrument}: {venue} has changed its rules: the recording says so");
        outcome.complaints.push(text);
        let Some(open) = &mut self.open else { return };
        let result = open.text(&own::rules(&self.rules), at);
        self.check(result, at, outcome);
    }

    /// The venue does not bring it. The same is said once, however often it is asked again.
    pub fn refused(&mut self, answer: &str, outcome: &mut Outcome) {
        let answer = match answer.trim() {
            "" => "nothing came, and the venue does not say why".to_owned(),
            text => text.chars().take(TOLD_CHARS).collect(),
        };
        self.written.refusals += 1;
        if self.written.refused != answer {
            let StatedRules { venue, instrument, .. } = &self.rules;
            let text = format!("{venue}: {instrument}: the subscription was refused: {answer}");
            outcome.complaints.push(text);
            self.written.refused = answer;
        }
    }

    /// Counts what was lost to an error as a hole; gives how much that was.
    pub fn settle(&mut self) -> u64 {
        let lost = std::mem::take(&mut self.unwritten);
        self.written.holes += u64::from(lost > 0);
        self.written.missing += lost;
        lost
    }

    /// What is compressed goes to the disk, if it is time.
    pub fn flush_due(&mut self, now: Nanos, outcome: &mut Outcome) {
        if let Some(open) = &mut self.open
            && now.since(open.flushed) >= FLUSH_NS
        {
            let result = open.flush(now);
            self.check(result, now, outcome);
        }
    }

    /// Ends the file; whether all of it is on the disk.
    pub fn close(&mut self, at: Nanos, outcome: &mut Outcome) -> bool {
        let Some(open) = &mut self.open else { return true };
        let result = open.finish();
        self.check(result, at, outcome);
        let Some(open) = self.open.take() else { return false };
        self.keep(&open, open.flushed_up_to);
        true
    }

    /// A file that cannot be written is left as it is, and what of it was not flushed, or is not on the
    /// disk, is lost.
    fn check(&mut self, result: io::Result<()>, at: Nanos, outcome: &mut Outcome) {
        let Err(error) = result else { return };
        let Some(mut open) = self.open.take() else { return };
        let kept = match open.sync() {
            Ok(()) => open.flushed_up_to,
            Err(_) => open.synced_up_to,
        };
        self.keep(&open, kept);
        let lost = open.taken.frames - kept.frames;
        self.unwritten += lost;
        let text = format!("{error}: {lost} frames that are not on the disk are lost");
        self.fail(&open.path, &text, at, outcome);
    }

    fn keep(&mut self, open: &Open, kept: Tally) {
        self.written.frames += kept.frames;
        self.written.bytes += kept.bytes;
        self.written.compressed += open.gzip.get_ref().bytes;
    }

    fn fail(&mut self, path: &Path, text: &str, at: Nanos, outcome: &mut Outcome) {
        self.written.errors += 1;
        self.retry = at.plus(RETRY_NS);
        outcome.complaints.push(format!("{}: {text}", path.display()));
    }
}

/// Writes how a file begins. It is on the disk before anything else is: a file that does not say that
/// much is removed.
pub(super) fn head(mut open: Open, lines: &[String], at: Nanos) -> io::Result<Open> {
    let write = |line: &String| writeln!(open.gzip, "{} {line}", at.0);
    let result = lines.iter().try_for_each(write).and_then(|()| open.flush(at));
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

impl Open {
    pub fn new(path: PathBuf, file: File, at: Nanos) -> Self {
        Self {
            path,
            gzip: GzEncoder::new(Counted { file, bytes: 0 }, Compression::fast()),
            since: at,
            flushed: at,
            synced: at,
            last: at,
            taken: Tally::default(),
            flushed_up_to: Tally::default(),
            synced_up_to: Tally::default(),
            is_broken: false,
        }
    }

    fn line(&mut self, line: Line<'_>) -> io::Result<()> {
        // Counted first: one that cannot be written is lost as well.
        if line.is_frame {
            self.taken.frames += 1;
            self.taken.bytes += line.whole.len() as u64;
        }
        self.gzip.write_all(line.whole)?;
        self.written(line.at)
    }

    /// The same of a line of our own.
    fn text(&mut self, text: &str, at: Nanos) -> io::Result<()> {
        writeln!(self.gzip, "{} {text}", at.0)?;
        self.written(at)
    }

    fn written(&mut self, at: Nanos) -> io::Result<()> {
        self.last = at;
        if at.since(self.flushed) >= FLUSH_NS { self.flush(at) } else { Ok(()) }
    }

    fn flush(&mut self, at: Nanos) -> io::Result<()> {
        self.flushed = at;
        self.gzip.flush()?;
        self.flushed_up_to = self.taken;
        if at.since(self.synced) >= SYNC_NS {
            self.synced = at;
            self.sync()?;
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.gzip.try_finish()?;
        self.flushed_up_to = self.taken;
        self.sync()
    }

    /// What was flushed is on the disk. One that has refused says so once: it is not asked again.
    fn sync(&mut self) -> io::Result<()> {
        if self.is_broken {
            return Err(io::ErrorKind::Other.into());
        }
        self.is_broken = true;
        self.gzip.get_ref().file.sync_data()?;
        self.is_broken = false;
        self.synced_up_to = self.flushed_up_to;
        Ok(())
    }
}

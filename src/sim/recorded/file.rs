//! The files of a recording, read line by line: one after the other, compressed, each possibly cut short.

use super::super::frames::own::{StatedRules, is_own};
use super::super::frames::{Frame, Origin, Parser};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, Error, ErrorKind};
use std::path::{Path, PathBuf};

/// Lines within which a recording says where it belongs.
const ORIGIN_WITHIN: u64 = 10_000;

/// What comes next.
pub(super) enum Read<'a> {
    /// A frame and when it was received.
    Line(u64, &'a str),
    /// A line that is none.
    Bad,
    /// A frame that does not say when it was sent, in a recording that relies on it.
    Untimed,
    /// The end of a file, and why it came before its time if it did.
    FileEnd(Option<String>),
    /// That of the last one.
    End,
}

/// See the module.
pub(super) struct Lines {
    paths: Vec<PathBuf>,
    at: usize,
    reader: Option<BufReader<MultiGzDecoder<File>>>,
    line: Vec<u8>,
    /// The first line begins with a frame: frames tell the time themselves.
    untimed: Option<bool>,
}

impl Lines {
    pub(super) fn open(paths: &[PathBuf]) -> Result<Self, String> {
        let (paths, line) = (paths.to_vec(), Vec::new());
        let mut lines = Self { paths, at: 0, reader: None, line, untimed: None };
        lines.rewind()?;
        Ok(lines)
    }

    /// Back to the first line.
    pub(super) fn rewind(&mut self) -> Result<(), String> {
        self.at = 0;
        let path = self.paths.first().ok_or("a recording without a file")?;
        self.reader = Some(reader(path)?);
        Ok(())
    }

    /// The file whose lines come, or the last one.
    pub(super) fn path(&self) -> &Path {
        self.paths.get(self.at).or(self.paths.last()).map_or(Path::new(""), PathBuf::as_path)
    }

    /// Whether the first file has ended.
    pub(super) fn has_left_first(&self) -> bool {
        self.at > 0
    }

    /// An error with the name of the first file.
    pub(super) fn error_in_first(&self, text: &str) -> String {
        let path = self.paths.first().map_or(Path::new(""), PathBuf::as_path);
        format!("{}: {text}", path.display())
    }

    pub(super) fn next(&mut self) -> Read<'_> {
        let Some(reader) = &mut self.reader else { return Read::End };
        self.line.clear();
        let ended = match reader.read_until(b'\n', &mut self.line) {
            Ok(0) => None,
            // What has no end was not written to its end.
            Ok(_) if !self.line.ends_with(b"\n") => Some("its last line is cut".to_owned()),
            Ok(_) => {
                let untimed = *self.untimed.get_or_insert(self.line.starts_with(b"{"));
                return match timed(&self.line, untimed) {
                    Some((time_ns, text)) => Read::Line(time_ns, text),
                    None if untimed => Read::Untimed,
                    None => Read::Bad,
                };
            }
            Err(error) => Some(why(&error)),
        };
        let failed = self.next_file();
        Read::FileEnd(ended.or(failed))
    }

    fn next_file(&mut self) -> Option<String> {
        self.at += 1;
        let next = self.paths.get(self.at).map(|path| reader(path)).transpose();
        let (reader, failed) = match next {
            Ok(reader) => (reader, None),
            Err(text) => (None, Some(text)),
        };
        self.reader = reader;
        failed
    }
}

/// The time of a line and its frame. Recordings of others have frames alone, most of which say when they
/// were sent, in milliseconds.
fn timed(line: &[u8], untimed: bool) -> Option<(u64, &str)> {
    let text = std::str::from_utf8(line).ok()?.trim_end();
    if untimed {
        let stated = text.split_once("\"ts\":")?.1;
        let digits = stated.bytes().take_while(u8::is_ascii_digit).count();
        let ms: u64 = stated[..digits].parse().ok()?;
        return Some((ms.checked_mul(1_000_000)?, text));
    }
    let (time, json) = text.split_once(' ')?;
    Some((time.parse().ok()?, json))
}

fn reader(path: &Path) -> Result<BufReader<MultiGzDecoder<File>>, String> {
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(file)))
}

fn why(error: &Error) -> String {
    match error.kind() {
        ErrorKind::UnexpectedEof => "it was not written to its end".to_owned(),
        _ => error.to_string(),
    }
}

/// What a recorded file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Whose recording it is, as far as it tells.
    pub origin: Option<Origin>,
    /// The venue's own rules of the instrument, if the recorder has written them down.
    pub rules: Option<StatedRules>,
    /// The line that has them.
    pub rules_line: u64,
    /// When the first snapshot of the book was received, or the file began with a book that was known.
    pub snapshot_ns: Option<u64>,
    /// Its frames; a file whose recorder was killed at once has none.
    pub frames: u64,
    /// When the first one and the last one were received.
    pub first_ns: u64,
    /// See `first_ns`.
    pub last_ns: u64,
    /// Places where frames are missing, as the recorder says.
    pub holes: u64,
    /// Why it ends before its time, if it does: what comes before that can be played.
    pub cut: Option<String>,
}

/// Reads a file once; the error names it and its line.
pub fn survey(path: &Path) -> Result<Survey, String> {
    let mut lines = Lines::open(&[path.to_owned()])?;
    let (mut parser, mut out) = (Parser::default(), Vec::new());
    let (mut found, mut number) = (Survey::default(), 0);
    loop {
        number += 1;
        match lines.next() {
            Read::Line(time_ns, json) => {
                if found.frames == 0 {
                    found.first_ns = time_ns;
                }
                found.last_ns = found.last_ns.max(time_ns);
                let own = is_own(json);
                found.frames += u64::from(!own);
                let origin = number <= ORIGIN_WITHIN && !parser.is_settled();
                if own || origin || found.snapshot_ns.is_none() {
                    let read = parser.parse(json, &mut out);
                    read.map_err(|text| format!("{}:{number}: {text}", path.display()))?;
                }
                if found.rules.is_none() && parser.rules().is_some() {
                    (found.rules, found.rules_line) = (parser.rules().cloned(), number);
                }
                for frame in out.drain(..) {
                    found.holes += u64::from(frame == Frame::Hole);
                    if frame.is_book() {
                        found.snapshot_ns.get_or_insert(time_ns);
                    }
                }
            }
            Read::Untimed => {}
            Read::Bad => {
                return Err(format!("{}:{number}: no time before the frame", path.display()));
            }
            Read::FileEnd(cut) => found.cut = cut,
            Read::End => break,
        }
    }
    found.origin = parser.origin();
    Ok(found)
}

/// The venue's rules as the first of these files that has them states them at its beginning.
pub(in crate::sim) fn stated(paths: &[PathBuf]) -> Result<Option<StatedRules>, String> {
    for path in paths {
        let mut lines = Lines::open(std::slice::from_ref(path))?;
        let (mut parser, mut number) = (Parser::default(), 0);
        while let Read::Line(_, json) = lines.next()
            && is_own(json)
        {
            number += 1;
            let read = parser.parse(json, &mut Vec::new());
            read.map_err(|text| format!("{}:{number}: {text}", path.display()))?;
            if let Some(rules) = parser.rules() {
                return Ok(Some(rules.clone()));
            }
        }
    }
    Ok(None)
}

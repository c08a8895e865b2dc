//! The frames of a capture, one after the other over all of its files.

use super::super::frames::{Frame, Marks, Origin, Parser};
use super::book::EARLY_MAX;
use super::file::{Lines, Read};
use std::collections::VecDeque;
use std::path::PathBuf;

/// Frames from the snapshot on within which a recording says where it belongs.
const ORIGIN_WITHIN: usize = 10_000;
/// Between two files of one capture no more time passes, or frames are missing, if they do not say so
/// themselves.
const FILE_PAUSE_NS: u64 = 5_000_000_000;

/// See the module.
pub(super) struct Source {
    lines: Lines,
    parser: Parser,
    /// What the last line said and was not taken yet.
    said: Vec<Frame>,
    rest: VecDeque<(u64, Frame)>,
    /// Time of the last line.
    last_ns: u64,
    /// A file has ended; whether it was cut.
    joint: Option<bool>,
}

/// The beginning of a capture.
pub(super) struct Head {
    /// Frames up to the snapshot, or some behind it.
    pub(super) frames: Vec<(u64, Frame)>,
    /// When the snapshot was received.
    pub(super) snapshot_ns: u64,
}

impl Source {
    pub(super) fn open(files: &[PathBuf]) -> Result<Self, String> {
        Ok(Self {
            lines: Lines::open(files)?,
            parser: Parser::default(),
            said: Vec::new(),
            rest: VecDeque::new(),
            last_ns: 0,
            joint: None,
        })
    }

    /// An error with the name of the file.
    pub(super) fn error(&self, text: &str) -> String {
        format!("{}: {text}", self.lines.path().display())
    }

    pub(super) fn origin(&self) -> Option<Origin> {
        self.parser.origin()
    }

    /// Whether quantities are numbers of contracts.
    pub(super) fn is_in_contracts(&self) -> bool {
        self.parser.is_in_contracts()
    }

    /// Reads from the first line up to the snapshot, which must be in the first file, and on until it is
    /// known whose recording this is.
    pub(super) fn head(&mut self) -> Result<Head, String> {
        self.lines.rewind()?;
        self.parser.begin_again();
        self.rest.clear();
        (self.last_ns, self.joint) = (0, None);
        let mut start = Start::default();
        while let Some((time_ns, frame)) = self.next() {
            if start.snapshot_ns.is_none() && self.lines.has_left_first() {
                break;
            }
            start.take(time_ns, frame);
            let known = self.parser.is_settled() || start.behind >= ORIGIN_WITHIN;
            if start.snapshot_ns.is_some() && known {
                break;
            }
        }
        match start.snapshot_ns {
            Some(snapshot_ns) => Ok(start.head(snapshot_ns)),
            None => Err(self.lines.error_in_first(&start.missing())),
        }
    }

    /// The next frame and when it was received; `None` at the end. Lines that mean nothing are passed
    /// over.
    pub(super) fn next(&mut self) -> Option<(u64, Frame)> {
        loop {
            if let Some(next) = self.rest.pop_front() {
                return Some(next);
            }
            match self.lines.next() {
                Read::Line(time_ns, json) => {
                    let read = self.parser.parse(json, &mut self.said);
                    let after = self.parser.take_after();
                    let goes_on = match after {
                        Some(after_ns) => after_ns == self.last_ns,
                        None => time_ns.saturating_sub(self.last_ns) <= FILE_PAUSE_NS,
                    };
                    if self.joint.take().is_some_and(|cut| cut || !goes_on) {
                        self.rest.push_back((self.last_ns, Frame::Hole));
                    }
                    // What the recorder wanted to say there is not known.
                    if read.is_err() {
                        self.said.push(Frame::Hole);
                    }
                    self.last_ns = time_ns;
                    self.rest.extend(self.said.drain(..).map(|frame| (time_ns, frame)));
                }
                Read::Bad | Read::Untimed => {}
                Read::FileEnd(cut) => self.joint = Some(cut.is_some()),
                Read::End => return None,
            }
        }
    }
}

/// What has come before it is known how a capture begins.
#[derive(Default)]
struct Start {
    frames: VecDeque<(u64, Frame)>,
    marks: Marks,
    rules: Option<Frame>,
    snapshot_ns: Option<u64>,
    /// Frames since then.
    behind: usize,
    changes: u64,
    quotes: u64,
    trades: u64,
}

impl Start {
    fn take(&mut self, time_ns: u64, frame: Frame) {
        if frame.is_book() {
            self.snapshot_ns.get_or_insert(time_ns);
        }
        if self.snapshot_ns.is_some() {
            self.behind += 1;
            return self.frames.push_back((time_ns, frame));
        }
        match &frame {
            Frame::Marks(marks) => return self.marks.apply(marks),
            Frame::Rules(_) => return self.rules = Some(frame),
            // Nobody can be filled without a book.
            Frame::Trade { .. } => return self.trades += 1,
            Frame::Depth { .. } => self.changes += 1,
            Frame::Best { .. } => self.quotes += 1,
            // What came before it belongs to nothing.
            _ => self.frames.clear(),
        }
        if self.frames.len() >= EARLY_MAX {
            self.frames.pop_front();
        }
        self.frames.push_back((time_ns, frame));
    }

    fn head(mut self, snapshot_ns: u64) -> Head {
        if self.marks != Marks::default() {
            self.frames.push_front((snapshot_ns, Frame::Marks(self.marks)));
        }
        if let Some(rules) = self.rules {
            self.frames.push_front((snapshot_ns, rules));
        }
        Head { frames: self.frames.into(), snapshot_ns }
    }

    fn missing(&self) -> String {
        let Self { changes, quotes, trades, .. } = self;
        format!(
            "no snapshot of the book: {changes} changes, {quotes} best quotes and {trades} trades \
             cannot be played without one"
        )
    }
}

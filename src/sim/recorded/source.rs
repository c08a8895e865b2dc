//! The frames of a capture, one after the other over all of its files.

use super::super::frames::{Frame, Origin, Parser};
use super::file::{Lines, Read};
use std::collections::VecDeque;
use std::path::PathBuf;

/// Lines within which the snapshot must come.
const SNAPSHOT_WITHIN: usize = 10_000;
/// Between two files of one capture no more time passes, or frames are missing.
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

    /// Reads from the first line up to the snapshot, and on until it is known whose recording this is.
    pub(super) fn head(&mut self) -> Result<Head, String> {
        self.lines.rewind()?;
        self.parser.begin_again();
        self.rest.clear();
        (self.last_ns, self.joint) = (0, None);
        let (mut frames, mut snapshot_ns) = (Vec::new(), None);
        while frames.len() < SNAPSHOT_WITHIN {
            let Some((time_ns, frame)) = self.next() else { break };
            if matches!(frame, Frame::Snapshot { .. }) {
                snapshot_ns.get_or_insert(time_ns);
            }
            frames.push((time_ns, frame));
            if snapshot_ns.is_some() && self.parser.is_settled() {
                break;
            }
        }
        let missing = || self.error("no depth snapshot near its beginning");
        let snapshot_ns = snapshot_ns.ok_or_else(missing)?;
        Ok(Head { frames, snapshot_ns })
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
                    if let Some(cut) = self.joint.take()
                        && (cut || time_ns.saturating_sub(self.last_ns) > FILE_PAUSE_NS)
                    {
                        self.rest.push_back((self.last_ns, Frame::Hole));
                    }
                    self.last_ns = time_ns;
                    self.parser.parse(json, &mut self.said);
                    self.rest.extend(self.said.drain(..).map(|frame| (time_ns, frame)));
                }
                Read::Bad | Read::Untimed => {}
                Read::FileEnd(cut) => self.joint = Some(cut.is_some()),
                Read::End => return None,
            }
        }
    }
}

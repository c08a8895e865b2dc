//! Goes through a journal one input at a time, with what followed from it and the order manager's
//! state afterwards: the state is made by executing the records again, so what is shown is what was.

#![forbid(unsafe_code)]

use super::table::utc;
use crate::journal::{JournalError, Place, Reader, snapshot};
use crate::oms::{Divergence, Kept, Record, RecordError, Replay, Replayed};
use crate::types::Nanos;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How long the writer may take for what is left of a group.
const GROUP_WAIT: Duration = Duration::from_millis(2);

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// With the first record that there is.
    Beginning,
    /// At the newest snapshot: all that the present state needs.
    Newest,
    /// At the newest snapshot that is not younger than this, else with the first record.
    Time(Nanos),
}

/// Why a journal cannot be gone through.
#[derive(Debug)]
pub enum WalkError {
    /// It cannot be read.
    Journal(JournalError),
    /// A record is of another version of the program.
    Record(PathBuf, u64, RecordError),
    /// The records do not make the state that was recorded: another version decided otherwise.
    Diverged(PathBuf, u64, Divergence),
}

impl fmt::Display for WalkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ADVICE: &str = "Read it with the version that wrote it; `stoop journal show` prints \
                              what can be read of it";
        match self {
            Self::Journal(error) => error.fmt(f),
            Self::Record(path, sequence, error) => {
                write!(f, "{}: record {sequence}: {error}. {ADVICE}", path.display())
            }
            Self::Diverged(path, sequence, error) => {
                write!(f, "{}: record {sequence}: {error}. {ADVICE}", path.display())
            }
        }
    }
}

impl std::error::Error for WalkError {}

impl std::convert::From<JournalError> for WalkError {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

/// An input and all that followed from it.
#[derive(Clone, Debug)]
pub struct Group {
    /// Number of the input's record.
    pub sequence: u64,
    /// When it was acted on.
    pub time: Nanos,
    /// What came.
    pub input: Record,
    /// Books that were looked at, decisions and commands, in order.
    pub effects: Vec<Record>,
}

/// See the module.
pub struct Walk {
    reader: Reader,
    path: PathBuf,
    replay: Replay,
    /// The input whose group is being collected.
    group: Option<Group>,
    ended: bool,
    /// What was not as it should be and could be got round, in words.
    pub warnings: Vec<String>,
}

impl Walk {
    /// Begins.
    pub fn open(place: &Place, from: From) -> Result<Self, WalkError> {
        let mut warnings = Vec::new();
        let (mut replay, mut after) = (Replay::new(), 0);
        if let Some(snapshot) = snapshot_for(place, from, &mut warnings)? {
            match Kept::decode(&snapshot.payload) {
                Some(kept) => (replay, after) = (Replay::from(kept), snapshot.sequence),
                None => warnings.push(format!(
                    "{}: written by another version; the records are read instead",
                    place.snapshot_path(snapshot.sequence).display()
                )),
            }
        }
        let reader = Reader::open(place, after + 1)?;
        let path = place.path().to_owned();
        Ok(Self { reader, path, replay, group: None, ended: false, warnings })
    }

    /// The next input that is complete with all that followed from it, after which the state is
    /// [`Walk::state`]; `None` where the journal ends for now.
    // Not an iterator: the state is that of the last group that was given.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Group>, WalkError> {
        while let Some(raw) = self.reader.next()? {
            let (sequence, time) = (raw.sequence, raw.time);
            let record = Record::decode(raw.payload)
                .map_err(|error| WalkError::Record(self.path.clone(), sequence, error))?;
            let before = match &mut self.group {
                _ if record.is_input() => {
                    let (input, effects) = (record.clone(), Vec::new());
                    self.group.replace(Group { sequence, time, input, effects })
                }
                Some(group) => {
                    group.effects.push(record.clone());
                    None
                }
                None => None,
            };
            let pushed = self.replay.push(time, record);
            pushed.map_err(|error| WalkError::Diverged(self.path.clone(), sequence, error))?;
            if before.is_some() {
                return Ok(before);
            }
        }
        Ok(None)
    }

    /// The last input: nothing more is to come of it.
    pub fn settle(&mut self) -> Result<Option<Group>, WalkError> {
        let last = self.reader.next_sequence().saturating_sub(1);
        let settled = self.replay.settle();
        settled.map_err(|error| WalkError::Diverged(self.path.clone(), last, error))?;
        Ok(self.group.take())
    }

    /// The next input, to the last one that there is now: for going through once. A group that is
    /// being written is waited for, which takes microseconds.
    pub fn step(&mut self) -> Result<Option<Group>, WalkError> {
        if self.ended {
            return Ok(None);
        }
        if let Some(group) = self.next()? {
            return Ok(Some(group));
        }
        self.ended = true;
        if self.group.is_some() {
            std::thread::sleep(GROUP_WAIT);
            if self.go_on()?
                && let Some(group) = self.next()?
            {
                return Ok(Some(group));
            }
        }
        self.settle()
    }

    /// Goes through all that is left.
    pub fn finish(&mut self) -> Result<(), WalkError> {
        while self.step()?.is_some() {}
        Ok(())
    }

    /// Looks behind the end again; whether there may be more now.
    pub fn go_on(&mut self) -> Result<bool, WalkError> {
        Ok(self.reader.go_on()?)
    }

    /// The order manager's state after the last group; `None` if there never was one.
    #[must_use]
    pub fn state(&self) -> Option<&Replayed> {
        self.replay.state()
    }

    /// What is wrong at the end of the journal, in words: a record that was cut short.
    #[must_use]
    pub fn torn(&self) -> Option<String> {
        self.reader.torn().map(ToString::to_string)
    }
}

fn snapshot_for(
    place: &Place,
    from: From,
    warnings: &mut Vec<String>,
) -> Result<Option<snapshot::Snapshot>, WalkError> {
    let found = match from {
        From::Beginning => oldest(place, warnings)?,
        From::Newest => snapshot::newest(place)?,
        From::Time(time) => match snapshot::before(place, time)? {
            found if found.snapshot.is_some() => found,
            _ => oldest(place, warnings)?,
        },
    };
    warnings.extend(found.damaged.iter().map(ToString::to_string));
    Ok(found.snapshot)
}

/// Where what is there begins, and that there was more, if there was.
fn oldest(place: &Place, warnings: &mut Vec<String>) -> Result<snapshot::Found, WalkError> {
    let found = snapshot::oldest(place)?;
    if let Some(oldest) = &found.snapshot {
        warnings.push(format!(
            "{}: begins at {}: what was before is removed, as [journal] keep = \"snapshots\" has it",
            place.path().display(),
            utc(oldest.time)
        ));
    }
    Ok(found)
}

//! How strategies ask for history, and how whoever fetches it answers.

use crate::types::{InstrumentId, Interval, Kline, Nanos};
use serde::{Deserialize, Serialize};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Klines that a strategy wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryWish {
    /// Whose.
    pub instrument: InstrumentId,
    /// Their length.
    pub interval: Interval,
    /// From this time on; 0: as far back as one answer of the venue goes.
    pub from: Nanos,
    /// When it was asked for, by the venue's clock: what had not ended by then is open.
    pub at: Nanos,
}

/// What became of a wish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryAnswer {
    /// Which.
    pub wish: HistoryWish,
    /// The klines by rising time, the last one perhaps open; `None` if they were refused or lost.
    pub klines: Option<Vec<Kline>>,
    /// Why there are none, if nobody else has said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Wishes and answers that wait at most: more than strategies have series. What finds no room is asked
/// for again.
pub const WAITING_MAX: usize = 1_024;
/// A wish that is as old as this was given up by whoever had it.
const WANTED_MAX: Duration = Duration::from_secs(120);

/// The end of one strategy.
#[derive(Debug)]
pub struct HistoryEnd {
    wishes: SyncSender<HistoryRequest>,
    answering: SyncSender<HistoryAnswer>,
    answers: Receiver<HistoryAnswer>,
    /// Gone with this end, so that nobody asks a venue for one who does not wait.
    alive: Arc<()>,
}

impl HistoryEnd {
    fn new(wishes: SyncSender<HistoryRequest>, answers_max: usize) -> Self {
        let (answering, answers) = sync_channel(answers_max);
        Self { wishes, answering, answers, alive: Arc::new(()) }
    }

    /// One more end at the same desk, for one wish.
    #[must_use]
    pub fn for_one(&self) -> Self {
        Self::new(self.wishes.clone(), 1)
    }

    /// Asks; `false` if it cannot be asked now.
    pub fn ask(&self, wish: HistoryWish) -> bool {
        let (answering, alive) = (self.answering.clone(), Arc::downgrade(&self.alive));
        let request = HistoryRequest { wish, since: Instant::now(), answering, alive };
        self.wishes.try_send(request).is_ok()
    }

    /// The next answer, if it is there.
    #[must_use]
    pub fn answer(&self) -> Option<HistoryAnswer> {
        self.answers.try_recv().ok()
    }
}

/// A wish and the way back to who has it.
#[derive(Debug)]
pub struct HistoryRequest {
    /// What is asked for.
    pub wish: HistoryWish,
    since: Instant,
    answering: SyncSender<HistoryAnswer>,
    alive: Weak<()>,
}

impl HistoryRequest {
    /// Whether somebody still waits for it.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.alive.strong_count() > 0 && self.since.elapsed() < WANTED_MAX
    }

    /// Answers; `false` if who asked is gone, or does not read.
    pub fn answer(self, klines: Option<Vec<Kline>>) -> bool {
        let answer = HistoryAnswer { wish: self.wish, klines, reason: None };
        self.answering.try_send(answer).is_ok()
    }
}

/// The end of whoever fetches, for all strategies.
#[derive(Debug)]
pub struct HistoryDesk {
    asking: SyncSender<HistoryRequest>,
    wishes: Receiver<HistoryRequest>,
}

impl Default for HistoryDesk {
    fn default() -> Self {
        let (asking, wishes) = sync_channel(WAITING_MAX);
        Self { asking, wishes }
    }
}

impl HistoryDesk {
    /// The end of one more strategy.
    #[must_use]
    pub fn end(&self) -> HistoryEnd {
        HistoryEnd::new(self.asking.clone(), WAITING_MAX)
    }

    /// The next wish, waited for so long.
    #[must_use]
    pub fn next(&self, patience: Duration) -> Option<HistoryRequest> {
        self.wishes.recv_timeout(patience).ok()
    }
}

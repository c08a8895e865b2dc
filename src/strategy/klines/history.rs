//! How strategies ask for history, and how whoever fetches it answers.

use crate::types::{InstrumentId, Interval, Kline, Nanos};
use serde::{Deserialize, Serialize};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

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
}

/// Wishes and answers that wait at most: more than strategies have series. What finds no room is asked
/// for again.
const WAITING_MAX: usize = 1_024;

/// The end of one strategy.
#[derive(Debug)]
pub struct HistoryEnd {
    asks: usize,
    wishes: SyncSender<(usize, HistoryWish)>,
    answers: Receiver<HistoryAnswer>,
}

impl HistoryEnd {
    /// Asks; `false` if it cannot be asked now.
    pub fn ask(&self, wish: HistoryWish) -> bool {
        self.wishes.try_send((self.asks, wish)).is_ok()
    }

    /// The next answer, waited for so long.
    #[must_use]
    pub fn wait(&self, patience: Duration) -> Option<HistoryAnswer> {
        self.answers.recv_timeout(patience).ok()
    }

    /// The next answer, if it is there.
    pub(super) fn answer(&self) -> Option<HistoryAnswer> {
        self.answers.try_recv().ok()
    }
}

/// The end of whoever fetches, for all strategies.
#[derive(Debug)]
pub struct HistoryDesk {
    asking: SyncSender<(usize, HistoryWish)>,
    wishes: Receiver<(usize, HistoryWish)>,
    answers: Vec<SyncSender<HistoryAnswer>>,
}

impl Default for HistoryDesk {
    fn default() -> Self {
        let (asking, wishes) = sync_channel(WAITING_MAX);
        Self { asking, wishes, answers: Vec::new() }
    }
}

impl HistoryDesk {
    /// The end of one more strategy.
    pub fn end(&mut self) -> HistoryEnd {
        let (answer, answers) = sync_channel(WAITING_MAX);
        self.answers.push(answer);
        HistoryEnd { asks: self.answers.len() - 1, wishes: self.asking.clone(), answers }
    }

    /// The next wish and who has it, waited for so long.
    #[must_use]
    pub fn next(&self, patience: Duration) -> Option<(usize, HistoryWish)> {
        self.wishes.recv_timeout(patience).ok()
    }

    /// Answers; `false` if the strategy is gone, or does not read.
    pub fn answer(&self, who: usize, answer: HistoryAnswer) -> bool {
        self.answers.get(who).is_some_and(|answers| answers.try_send(answer).is_ok())
    }
}

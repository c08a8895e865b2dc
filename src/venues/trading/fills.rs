//! Lists of fills: read window by window and page by page, newest first, and handed on oldest first,
//! because the order of fills decides what a position cost.

#![forbid(unsafe_code)]

use super::super::flight::Ask;
use super::super::{DecodeError, Value};
use super::wire::{Habits, TradingWire};
use crate::types::{ExecutionReport, FillId, InstrumentId, Nanos};

/// Most fills of one job, and most pages of one list: bounds, not limits anyone should meet.
const FILLS_MAX: usize = 20_000;
pub(super) const PAGES_MAX: u16 = 400;

/// A list under way.
pub(in crate::venues) struct FillJob {
    pub(super) key: u64,
    pub(in crate::venues) instrument: InstrumentId,
    /// Last fill already known, where no time is: the list ends there.
    from_id: FillId,
    /// First millisecond of the window, by the venue's clock.
    pub(in crate::venues) start_ms: u64,
    pub(in crate::venues) now_ms: u64,
    window_ms: u64,
    page: u16,
    /// Fills of this window, newest first.
    window: Vec<ExecutionReport>,
    /// Fills of the windows before, oldest first.
    pub(super) done: Vec<ExecutionReport>,
}

/// What follows a page of fills.
pub(super) enum NextPage<'a> {
    /// Ask for the page with this cursor, empty for a window's first.
    More(&'a str),
    /// All is read.
    End,
}

impl FillJob {
    /// `from_ms` is by the venue's clock; 0 means that only the id is known.
    pub(super) fn new(
        habits: &Habits,
        key: u64,
        instrument: InstrumentId,
        (from_id, from_ms): (FillId, u64),
        now_ms: u64,
    ) -> Self {
        let window_ms = habits.fills_window_ms;
        let (start_ms, from_id) = if from_ms == 0 {
            (now_ms.saturating_sub(window_ms), from_id)
        } else {
            (from_ms, FillId::EMPTY)
        };
        Self {
            key,
            instrument,
            from_id,
            start_ms: start_ms.max(now_ms.saturating_sub(habits.fills_history_ms)),
            now_ms,
            window_ms,
            page: 0,
            window: Vec::new(),
            done: Vec::new(),
        }
    }

    pub(super) fn ask(&self) -> Ask {
        Ask::Fills { job: self.key, instrument: self.instrument }
    }

    /// End of the window, if it is not beyond now.
    pub(in crate::venues) fn end_ms(&self) -> Option<u64> {
        let end = self.start_ms + self.window_ms;
        (end < self.now_ms).then_some(end)
    }

    /// Takes a page. Rows that are no trades of ours are passed over; a bad one fails the list, which
    /// must not look complete without it.
    pub(super) fn on_page<'a, W: TradingWire>(
        &mut self,
        rows: Value<'_>,
        cursor: &'a str,
        wire: &W,
        now: Nanos,
    ) -> Result<NextPage<'a>, DecodeError> {
        self.page += 1;
        let start = Nanos::from_millis(self.start_ms);
        let mut reached = false;
        for row in rows.items() {
            let Some(report) = wire.fill_row(self.instrument, row, now)? else { continue };
            let known = !self.from_id.is_empty() && report.fill.fill_id == self.from_id;
            reached = known || (!W::HABITS.fills_begin && report.event_ns < start);
            if reached {
                break;
            }
            if report.instrument == self.instrument {
                self.window.push(report);
            }
        }
        if self.window.len() + self.done.len() > FILLS_MAX || self.page > PAGES_MAX {
            return Err(DecodeError::TooLarge);
        }
        if !reached && !cursor.is_empty() {
            return Ok(NextPage::More(cursor));
        }
        self.done.extend(self.window.drain(..).rev());
        match self.end_ms() {
            Some(end) => {
                self.start_ms = end;
                self.page = 0;
                Ok(NextPage::More(""))
            }
            None => Ok(NextPage::End),
        }
    }
}

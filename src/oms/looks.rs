//! Looks at the losses while the journal has room for cancels and reports only. They go on every
//! second, but one after which all stays as it is would be a record for each position that is held,
//! and soon there would be no room for anything else.
//!
//! So they are taken on a copy, and one is recorded only where something follows from it: a switch is
//! thrown, a day ends or begins, or a profit is higher than ever before by a hundredth of the smaller
//! limit. A drawdown is seen that much late at the most. The state changes with recorded looks alone,
//! so a replay follows.

#![forbid(unsafe_code)]

use super::losses::{DAY_NS, LOOK_EVERY_NS, LossRow, Losses, middle};
use super::record::{Record, Recorder};
use super::risk::BookQuote;
use super::{Books, NEVER, Oms, Output};
use crate::types::{Amount, InstrumentId, InstrumentTable, Nanos};

/// Part of the smaller limit by which a profit has to be the highest before that is recorded.
const RISE: i128 = 100;

/// What was seen by looks that are on no record.
#[derive(Clone, Debug)]
pub(super) struct Looks {
    /// When the next one is due.
    due: Nanos,
    /// By instrument: its last live book since the journal became short; empty if there was none.
    seen: Vec<BookQuote>,
    /// What the last look measured.
    losses: Losses,
    /// Nothing was recorded since.
    newest: bool,
}

impl Looks {
    pub fn new(table: &InstrumentTable) -> Self {
        Self {
            due: Nanos(0),
            seen: vec![BookQuote::default(); table.len()],
            losses: Losses::new(table, false, Nanos(0)),
            newest: false,
        }
    }

    /// The journal has become short, or has room again.
    pub fn begin(&mut self) {
        self.due = Nanos(0);
        self.seen.fill(BookQuote::default());
        self.newest = false;
    }

    /// A look was recorded.
    pub fn is_recorded(&mut self) {
        self.newest = false;
    }

    /// What was measured last, if that is on no record.
    pub fn newest(&self) -> Option<&[LossRow]> {
        self.newest.then_some(&self.losses.rows)
    }

    /// The book, or the last live one where it is not live.
    fn last_live(&mut self, instrument: InstrumentId, quote: BookQuote) -> BookQuote {
        let Some(seen) = self.seen.get_mut(instrument.index()) else { return quote };
        if middle(&quote).is_some() {
            *seen = quote;
        }
        if middle(seen).is_some() { *seen } else { quote }
    }
}

impl<R: Recorder, B: Books> Oms<R, B> {
    /// When something is due that is no look at the losses.
    fn due_but_looks(&self) -> Nanos {
        let orders = self.state.watch.iter().map(|slot| self.state.orders.get(*slot));
        let orders = orders.filter_map(|order| order.timers.next()).min().unwrap_or(NEVER);
        let pairs = self.state.pairs.next_due().unwrap_or(NEVER);
        orders.min(pairs).min(self.next_closing()).min(self.next_round())
    }

    /// When the timer has something to do while the journal is short.
    pub(super) fn due_while_short(&self) -> Nanos {
        self.due_but_looks().min(self.state.losses.due.max(self.unrecorded.looks.due))
    }

    /// Does what is due while the journal is short: a look at the losses is on record only if something
    /// follows from it, whatever else is due.
    #[cold]
    pub(super) fn on_timer_while_short(&mut self, now: Nanos, out: &mut Output) {
        let look = self.state.losses.due.max(self.unrecorded.looks.due) <= now;
        if look && self.look_beside(now) {
            self.take_timer(now, out);
        } else if self.due_but_looks() <= now {
            self.take_timer_but_losses(now, out);
        }
    }

    /// Takes a look on a copy. Whether it has to be recorded.
    fn look_beside(&mut self, now: Nanos) -> bool {
        let (limits, state) = (&self.state.risk.limits, &self.state.losses);
        let limit = [limits.daily_loss_max, limits.drawdown_max].into_iter().flatten().min();
        let Some(Amount(limit)) = limit else { return true };
        let looks = &mut self.unrecorded.looks;
        looks.due = now.plus(LOOK_EVERY_NS);
        looks.losses.marks.clone_from(&state.marks);
        looks.losses.rows.clone_from(&state.rows);
        for index in 0..state.marks.len() {
            let id = InstrumentId(index as u16);
            if self.state.positions.get(id).qty != Amount::ZERO
                && let Some(mark) = middle(&looks.last_live(id, self.books.best(id)))
            {
                looks.losses.marks[index] = mark;
            }
        }
        looks.losses.measure(&self.instruments, &self.state.positions);
        looks.losses.raise();
        looks.newest = true;
        let mut rows = looks.losses.rows.iter().zip(&state.rows);
        let rises = rows.any(|(new, old)| new.high.0.saturating_sub(old.high.0) > limit / RISE);
        let throws = self.state.risk.loss_switch.is_none() && looks.losses.passed(limits).is_some();
        // The next day begins with the last value on record. Looks come up to a second later than
        // they are due, so that one of the last two seconds is sure to be the last.
        let day_ends = looks.due.plus(LOOK_EVERY_NS).0 / DAY_NS != state.day;
        rises || throws || day_ends
    }

    /// Best prices of an instrument that is held, recorded: while looks are on no record the last live
    /// ones, which the record before may not hold.
    pub(super) fn quote_of_held(&mut self, instrument: InstrumentId, now: Nanos) -> BookQuote {
        let mut quote = self.books.best(instrument);
        if self.state.risk.journal_full {
            quote = self.unrecorded.looks.last_live(instrument, quote);
        }
        self.recorder.record(now, &Record::Quote(instrument, quote));
        quote
    }
}

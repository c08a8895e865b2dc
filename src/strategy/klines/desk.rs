//! The klines of one strategy: reads prints, asks for history, hands out what is closed.

use super::history::{HistoryEnd, HistoryWish};
use super::series::{History, Series};
use super::{KLINES_KEPT, KlineEvent};
use crate::shm::{MarketView, Print, TradeReader};
use crate::types::{InstrumentId, Interval, Nanos, Readiness, Trade, VenueId};

/// How often prints are taken into klines.
pub const PUMP_EVERY_NS: u64 = 1_000_000;
/// Klines are handed out without history once it was refused so often.
pub const REFUSED_MAX: u64 = 3;
/// Pause between two looks for klines to correct.
const LOOK_EVERY_NS: u64 = 1_000_000_000;
/// Pause before history that was refused is asked for again. After some refusals in a row it doubles, so
/// that a venue that has none is asked four times an hour in the end.
const RETRY_NS: u64 = 15_000_000_000;
/// An answer that has not come by then is lost.
const ANSWER_MAX_NS: u64 = 120_000_000_000;
/// How long after its end a kline is taken to be settled at the venue.
const SETTLED_NS: u64 = 5_000_000_000;
/// Prints that are remembered, to know copies.
const RECENT: usize = 32;

/// One series and what is asked about it.
struct Followed {
    series: Series,
    /// Begin of the next kline to hand out.
    next: Nanos,
    /// Klines that had ended by then are past.
    since: Nanos,
    /// All before this one are complete, or cannot be corrected.
    checked: Nanos,
    asked: Option<HistoryWish>,
    /// Refusals since the last answer.
    refused: u32,
    /// When the answer is lost, or the next look is due.
    look_at: Nanos,
}

impl Followed {
    /// Hands out the next kline.
    fn take(&mut self, instrument: InstrumentId) -> Option<KlineEvent> {
        let held = self.series.history == History::NotYet;
        if held && self.series.counters.refused < REFUSED_MAX {
            return None;
        }
        let (interval, kline) = (self.series.interval(), *self.series.closed_from(self.next)?);
        self.next = kline.end_ns(interval);
        Some(KlineEvent { instrument, interval, kline, is_past: self.next <= self.since })
    }

    /// Asks for what is missing, if it is time; `at` is the venue's.
    fn ask(&mut self, instrument: InstrumentId, end: &HistoryEnd, (now, at): (Nanos, Nanos)) {
        if now < self.look_at {
            return;
        }
        if self.asked.take().is_some() {
            self.series.counters.refused += 1;
        }
        self.look_at = now.plus(LOOK_EVERY_NS);
        let interval = self.series.interval();
        let from = match self.series.history {
            History::NotAsked => return,
            History::NotYet => Nanos(0),
            History::Loaded => {
                let kline = self.series.incomplete_from(self.checked);
                match kline.filter(|kline| kline.end_ns(interval).plus(SETTLED_NS) <= at) {
                    // From the one before: between two that it has, history has none.
                    Some(kline) => Nanos(kline.open_ns.0.saturating_sub(interval.nanos())),
                    None => return,
                }
            }
        };
        let wish = HistoryWish { instrument, interval, from, at };
        if end.ask(wish) {
            (self.asked, self.look_at) = (Some(wish), now.plus(ANSWER_MAX_NS));
        }
    }

    fn on_answer(
        &mut self,
        wish: &HistoryWish,
        klines: Option<&[crate::types::Kline]>,
        now: Nanos,
    ) {
        self.asked = None;
        let Some(rows) = klines else {
            self.series.counters.refused += 1;
            let doublings = self.refused.saturating_sub(REFUSED_MAX as u32 - 1).min(6);
            let pause = RETRY_NS << doublings;
            self.refused += 1;
            self.look_at = now.plus(pause);
            return;
        };
        (self.look_at, self.refused) = (now, 0);
        self.series.on_history(rows);
        if wish.from > Nanos(0) {
            // What is still not complete the venue does not correct.
            let interval = self.series.interval();
            let until =
                rows.iter().filter(|row| row.is_closed).map(|row| row.end_ns(interval)).max();
            let tried = wish.from.plus(2 * interval.nanos());
            self.checked = self.checked.max(until.unwrap_or(tried)).max(tried);
        }
    }
}

/// One instrument and its series.
struct Row {
    instrument: InstrumentId,
    venue: VenueId,
    trades: TradeReader,
    followed: Vec<Followed>,
    /// Newest prints, oldest at `oldest` once it is full.
    recent: Vec<Print>,
    oldest: usize,
    flowing: bool,
    reconnects: u64,
    /// Venue's clock minus ours.
    offset_ns: i64,
}

impl Row {
    /// The venue's time.
    fn there(&self, now: Nanos) -> Nanos {
        Nanos(now.0.saturating_add_signed(self.offset_ns))
    }

    /// Whether a print came before, in another message: within one, two trades may be alike.
    fn is_copy(&mut self, print: &Print) -> bool {
        let copy = |known: &Print| known.trade == print.trade && known.recv_ns != print.recv_ns;
        if self.recent.iter().any(copy) {
            return true;
        }
        if self.recent.len() < RECENT {
            self.recent.push(*print);
        } else {
            self.recent[self.oldest] = *print;
        }
        self.oldest = (self.oldest + 1) % RECENT;
        false
    }

    fn set_flowing(&mut self, flowing: bool, now: Nanos) {
        self.flowing = flowing;
        self.followed.iter_mut().for_each(|one| one.series.set_flowing(flowing, now));
    }

    fn on_trade(&mut self, trade: &Trade) {
        self.followed.iter_mut().for_each(|one| one.series.on_trade(trade));
    }
}

/// What did not become part of a kline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::strategy) struct Lost {
    /// Prints that came twice.
    pub copies: u64,
    /// Prints that were overwritten before they were read.
    pub missed: u64,
    /// Prints without a time or a positive price.
    pub unusable: u64,
}

/// See the module.
#[derive(Default)]
pub(in crate::strategy) struct KlineDesk {
    rows: Vec<Row>,
    history: Option<HistoryEnd>,
    pub(in crate::strategy) lost: Lost,
}

impl KlineDesk {
    pub fn set_history(&mut self, history: HistoryEnd) {
        self.history = Some(history);
    }

    /// Follows one more series; `false` if it is followed already, or the instrument has no trades.
    pub fn follow(
        &mut self,
        view: &MarketView,
        instrument: InstrumentId,
        interval: Interval,
        now: Nanos,
    ) -> bool {
        let Some(venue) = view.instruments().get(instrument).map(|row| row.venue) else {
            return false;
        };
        let at = self.rows.iter().position(|row| row.instrument == instrument);
        let at = match at {
            Some(at) => at,
            None => {
                let Some(trades) = view.trades(instrument) else { return false };
                let recent = Vec::with_capacity(RECENT);
                let (followed, reconnects) = (Vec::new(), 0);
                let row = Row {
                    instrument,
                    venue,
                    trades,
                    followed,
                    recent,
                    oldest: 0,
                    flowing: false,
                    reconnects,
                    offset_ns: 0,
                };
                self.rows.push(row);
                self.rows.len() - 1
            }
        };
        let row = &mut self.rows[at];
        if row.followed.iter().any(|one| one.series.interval() == interval) {
            return false;
        }
        let mut series = Series::new(interval, KLINES_KEPT);
        if self.history.is_some() {
            series.history = History::NotYet;
        }
        if row.flowing {
            series.set_flowing(true, now);
        }
        row.followed.push(Followed {
            series,
            next: Nanos(0),
            since: now,
            checked: Nanos(0),
            asked: None,
            refused: 0,
            look_at: now,
        });
        true
    }

    /// A series that is followed.
    pub fn series(&self, instrument: InstrumentId, interval: Interval) -> Option<&Series> {
        let row = self.rows.iter().find(|row| row.instrument == instrument)?;
        let found = row.followed.iter().find(|one| one.series.interval() == interval);
        found.map(|one| &one.series)
    }

    /// Takes in what is new: prints, answers, the time; asks for what is missing.
    pub fn pump(&mut self, view: &MarketView, now: Nanos) {
        for row in &mut self.rows {
            let feed = view.health(row.venue).feed;
            row.offset_ns = feed.clock_offset_ns;
            let there = row.there(now);
            let flowing = feed.state == Readiness::Ready;
            if flowing != row.flowing || feed.reconnects != row.reconnects {
                row.reconnects = feed.reconnects;
                row.set_flowing(flowing, there);
            }
            read(row, &mut self.lost, there);
            row.followed.iter_mut().for_each(|one| one.series.on_time(there));
        }
        let Some(end) = &self.history else { return };
        while let Some(answer) = end.answer() {
            let wish = answer.wish;
            let row = self.rows.iter_mut().find(|row| row.instrument == wish.instrument);
            let followed = row.into_iter().flat_map(|row| &mut row.followed);
            let one = followed.filter(|one| one.asked == Some(wish));
            one.for_each(|one| one.on_answer(&wish, answer.klines.as_deref(), now));
        }
        for row in &mut self.rows {
            let (instrument, times) = (row.instrument, (now, row.there(now)));
            row.followed.iter_mut().for_each(|one| one.ask(instrument, end, times));
        }
    }

    /// The next kline that is closed.
    pub fn next(&mut self) -> Option<KlineEvent> {
        self.rows.iter_mut().find_map(|row| {
            let instrument = row.instrument;
            row.followed.iter_mut().find_map(|one| one.take(instrument))
        })
    }
}

/// Takes the new prints of an instrument into its klines; `there` is the venue's time.
fn read(row: &mut Row, lost: &mut Lost, there: Nanos) {
    loop {
        match row.trades.next() {
            Ok(None) => return,
            Ok(Some(print)) => {
                let trade = &print.trade;
                if trade.event_ns == Nanos(0) || trade.price.0 <= 0 || trade.qty.0 < 0 {
                    lost.unusable += 1;
                } else if row.is_copy(&print) {
                    lost.copies += 1;
                } else {
                    row.on_trade(trade);
                }
            }
            Err(lapped) => {
                lost.missed += lapped.0;
                row.set_flowing(row.flowing, there);
            }
        }
    }
}

//! Klines for strategies: from the venue's history, then live from public trades.
//!
//! They are made by the strategy that asks for them, of the prints that its region holds, so they cost
//! nobody else anything, and a strategy that asks for none nothing at all: the work hangs on the timer,
//! every [`PUMP_EVERY_NS`]. One trade is constant work per series; the rings ([`Series`]) are as long
//! as they are made.
//!
//! History is asked for over a channel ([`HistoryEnd`]) and fetched by threads that nothing waits for.
//! Until it is there a series says [`History::NotYet`] and no kline is handed out; where it was refused
//! [`REFUSED_MAX`] times those that trades made are handed out without it, and it is asked for on.
//!
//! A kline is handed out once ([`KlineEvent`]), oldest first, when it is closed. Corrections that come
//! later are in the series only.

mod desk;
mod door;
mod history;
mod series;
#[cfg(test)]
mod tests;

pub(super) use desk::KlineDesk;
pub use desk::{PUMP_EVERY_NS, REFUSED_MAX};
pub use door::HISTORY_SOCKET;
pub(in crate::strategy) use door::relay;
pub use history::{
    HistoryAnswer, HistoryDesk, HistoryEnd, HistoryRequest, HistoryWish, WAITING_MAX,
};
pub use series::{CLOSE_GRACE_NS, History, Series, SeriesCounters};

use crate::types::{InstrumentId, Interval, Kline};

/// Klines that a series keeps.
pub const KLINES_KEPT: usize = 512;

/// A kline that is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KlineEvent {
    /// Whose.
    pub instrument: InstrumentId,
    /// Its length.
    pub interval: Interval,
    /// The kline.
    pub kline: Kline,
    /// It had ended before it was asked for: something to learn from, not to act on.
    pub is_past: bool,
}

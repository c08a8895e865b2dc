//! Market data: levels, books, trades.

use super::{Amount, InstrumentId, Nanos, Price, Qty, Rate, Side};
use serde::{Deserialize, Serialize};

/// One price level of one side. A quantity of zero in a delta removes the level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[repr(C)]
pub struct Level {
    /// Price of the level.
    pub price: Price,
    /// Total quantity at that price, absolute.
    pub qty: Qty,
}

/// Whether a book may be traded on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum BookState {
    /// Nothing received yet.
    #[default]
    Empty = 0,
    /// Deltas are buffered until a snapshot arrives; after a gap too.
    Buffering = 1,
    /// Continuous since its snapshot.
    Live = 2,
    /// The connection is lost or silent: the prices are old.
    Stale = 3,
}

impl BookState {
    /// From the byte in shared memory; anything unknown is [`BookState::Stale`].
    #[must_use]
    pub fn from_u8(byte: u8) -> Self {
        match byte {
            0 => Self::Empty,
            1 => Self::Buffering,
            2 => Self::Live,
            _ => Self::Stale,
        }
    }
}

/// What a [`DepthUpdate`] does to the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DepthKind {
    /// Replaces the whole book; came in the stream itself, so nothing before it counts.
    Snapshot,
    /// Sets the levels it names.
    Delta,
    /// Replaces the whole book; was fetched apart, so buffered deltas must be merged with it.
    FetchedSnapshot,
}

/// The head of a depth message; its levels stand in [`super::Events::levels`], bids first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepthUpdate {
    /// Whose book.
    pub instrument: InstrumentId,
    /// Snapshot or delta.
    pub kind: DepthKind,
    /// First update id that the message covers; a snapshot's own id. A delta may be applied to a
    /// book at id L if `first_id <= L + 1 <= last_id`; connectors map the venue's rule to this. One
    /// that covers no id (`first_id` is `last_id + 1`) has no levels and says that the book at
    /// `last_id` still stands.
    pub first_id: u64,
    /// Last update id that the message covers; the book's id afterwards.
    pub last_id: u64,
    /// Orders messages of different streams of one instrument (depth and top of book).
    pub sequence: u64,
    /// Index of the first level in [`super::Events::levels`].
    pub levels_start: u32,
    /// Number of bid levels, which come first.
    pub bids: u32,
    /// Number of ask levels, which follow.
    pub asks: u32,
    /// Venue's time of the event, by the venue's clock; 0 if it sends none.
    pub event_ns: Nanos,
}

impl DepthUpdate {
    /// Whether it only says that the book still stands.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first_id > self.last_id
    }
}

/// Best bid and ask with sizes, as a venue's own top-of-book stream states them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopOfBook {
    /// Whose top.
    pub instrument: InstrumentId,
    /// Orders messages of different streams of one instrument (see [`DepthUpdate::sequence`]).
    pub sequence: u64,
    /// Best bid; quantity 0 when the side is empty.
    pub bid: Level,
    /// Best ask; quantity 0 when the side is empty.
    pub ask: Level,
    /// Venue's time, 0 if it sends none.
    pub event_ns: Nanos,
}

/// A public print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// Whose trade.
    pub instrument: InstrumentId,
    /// Side of the aggressor.
    pub taker: Side,
    /// Price of the print.
    pub price: Price,
    /// Quantity of the print.
    pub qty: Qty,
    /// The venue's trade number where it is a number, else a sequence that orders trades.
    pub trade_id: u64,
    /// Venue's time of the trade.
    pub event_ns: Nanos,
}

/// What a message says of a perpetual besides its book. Venues send parts: of what is `None` it says
/// nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerpetualUpdate {
    /// Whose.
    pub instrument: InstrumentId,
    /// Mark price: quote units for one base unit, positive.
    pub mark: Option<Amount>,
    /// Index price, in the same units.
    pub index: Option<Amount>,
    /// Funding of the running interval; positive: longs pay shorts.
    pub funding_rate: Option<Rate>,
    /// Time between two payments in seconds.
    pub funding_interval_s: Option<u32>,
    /// Time of the next payment, the venue's clock.
    pub next_funding_ns: Option<Nanos>,
    /// Venue's time of the message, 0 if it sends none.
    pub event_ns: Nanos,
    /// Whether the venue says with it that what is `None` is as it was: it sends all of it as one
    /// topic, and what has not changed is left out.
    pub rest_stands: bool,
}

/// What is known of a perpetual besides its book.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Perpetual {
    /// Mark price: quote units for one base unit; 0 if the venue has not said.
    pub mark: Amount,
    /// Index price, in the same units; 0 if the venue has not said.
    pub index: Amount,
    /// Funding of the running interval; positive: longs pay shorts. `None` if the venue has not said.
    pub funding_rate: Option<Rate>,
    /// Time between two payments in seconds; 0 if the venue has not said.
    pub funding_interval_s: u32,
    /// Time of the next payment, the venue's clock; 0 if the venue has not said.
    pub next_funding_ns: Nanos,
    /// Venue's time of the newest mark price, 0 if it sends none.
    pub mark_ns: Nanos,
    /// Venue's time of the newest index price.
    pub index_ns: Nanos,
    /// Venue's time of the newest statement about funding.
    pub funding_ns: Nanos,
    /// When the last byte of the newest message that stated the mark price was read, 0 before the first.
    pub mark_recv_ns: Nanos,
    /// The same of the index price.
    pub index_recv_ns: Nanos,
    /// The same of funding.
    pub funding_recv_ns: Nanos,
    /// When the last byte of the newest message of any kind was read.
    pub recv_ns: Nanos,
}

impl Perpetual {
    /// Takes over what a message says, but nothing that is older than what is known: venues send
    /// marks and funding on streams of their own, and feeds may have two connections. Each part has an
    /// age of its own, for one of those streams may fall silent alone.
    pub fn apply(&mut self, update: &PerpetualUpdate, recv_ns: Nanos) {
        let event_ns = update.event_ns;
        if let Some(mark) = update.mark.filter(|_| event_ns >= self.mark_ns) {
            (self.mark, self.mark_ns, self.mark_recv_ns) = (mark, event_ns, recv_ns);
        }
        if let Some(index) = update.index.filter(|_| event_ns >= self.index_ns) {
            (self.index, self.index_ns, self.index_recv_ns) = (index, event_ns, recv_ns);
        }
        let PerpetualUpdate { funding_rate, funding_interval_s, next_funding_ns, .. } = *update;
        let funds =
            funding_rate.is_some() || funding_interval_s.is_some() || next_funding_ns.is_some();
        if funds && event_ns >= self.funding_ns {
            self.funding_rate = funding_rate.or(self.funding_rate);
            self.funding_interval_s = funding_interval_s.unwrap_or(self.funding_interval_s);
            self.next_funding_ns = next_funding_ns.unwrap_or(self.next_funding_ns);
            (self.funding_ns, self.funding_recv_ns) = (event_ns, recv_ns);
        }
        if update.rest_stands {
            self.let_stand(event_ns, recv_ns);
        }
        self.recv_ns = recv_ns;
    }

    /// What is known was stated anew without being repeated.
    fn let_stand(&mut self, event_ns: Nanos, recv_ns: Nanos) {
        for (part_ns, part_recv_ns) in [
            (self.mark_ns, &mut self.mark_recv_ns),
            (self.index_ns, &mut self.index_recv_ns),
            (self.funding_ns, &mut self.funding_recv_ns),
        ] {
            if *part_recv_ns > Nanos(0) && event_ns >= part_ns {
                *part_recv_ns = recv_ns;
            }
        }
    }

    /// Age of the mark price, `u64::MAX` before the first one.
    #[must_use]
    pub fn mark_age(&self, now: Nanos) -> u64 {
        age(self.mark_recv_ns, now)
    }

    /// Age of the index price, `u64::MAX` before the first one.
    #[must_use]
    pub fn index_age(&self, now: Nanos) -> u64 {
        age(self.index_recv_ns, now)
    }

    /// Age of what is known of funding, `u64::MAX` before the first statement.
    #[must_use]
    pub fn funding_age(&self, now: Nanos) -> u64 {
        age(self.funding_recv_ns, now)
    }
}

fn age(recv_ns: Nanos, now: Nanos) -> u64 {
    if recv_ns == Nanos(0) { u64::MAX } else { now.since(recv_ns) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_put_together_and_late_ones_left_out() {
        let mut state = Perpetual::default();
        let ages = |state: &Perpetual, now: u64| {
            let now = Nanos(now);
            [state.mark_age(now), state.index_age(now), state.funding_age(now)]
        };
        assert_eq!(ages(&state, 5), [u64::MAX; 3]);
        let mark = PerpetualUpdate {
            mark: Some(Amount(7)),
            event_ns: Nanos(10),
            ..PerpetualUpdate::default()
        };
        let rate = PerpetualUpdate {
            funding_rate: Some(Rate(-3)),
            index: Some(Amount(8)),
            funding_interval_s: Some(3600),
            next_funding_ns: Some(Nanos(99)),
            event_ns: Nanos(11),
            ..PerpetualUpdate::default()
        };
        state.apply(&rate, Nanos(20));
        state.apply(&mark, Nanos(21));
        let late = PerpetualUpdate { mark: Some(Amount(6)), event_ns: Nanos(9), ..mark };
        state.apply(&late, Nanos(22));
        let expected = Perpetual {
            mark: Amount(7),
            index: Amount(8),
            funding_rate: Some(Rate(-3)),
            funding_interval_s: 3600,
            next_funding_ns: Nanos(99),
            mark_ns: Nanos(10),
            index_ns: Nanos(11),
            funding_ns: Nanos(11),
            mark_recv_ns: Nanos(21),
            index_recv_ns: Nanos(20),
            funding_recv_ns: Nanos(20),
            recv_ns: Nanos(22),
        };
        assert_eq!(state, expected);
        assert_eq!(ages(&state, 25), [4, 5, 5]);
        // One stream that goes on does not make young what another one is silent of.
        state.apply(&PerpetualUpdate { funding_rate: None, mark: None, ..rate }, Nanos(40));
        assert_eq!(ages(&state, 40), [19, 0, 0]);
    }

    #[test]
    fn what_a_venue_leaves_out_because_it_stands_is_as_young_as_what_it_sends() {
        let mut state = Perpetual::default();
        let index = PerpetualUpdate {
            index: Some(Amount(8)),
            event_ns: Nanos(10),
            rest_stands: true,
            ..PerpetualUpdate::default()
        };
        state.apply(&index, Nanos(20));
        assert_eq!(state.mark_recv_ns, Nanos(0), "nothing was known that could stand");
        let mark = PerpetualUpdate { index: None, mark: Some(Amount(7)), ..index };
        state.apply(&PerpetualUpdate { event_ns: Nanos(12), ..mark }, Nanos(21));
        assert_eq!((state.mark_recv_ns, state.index_recv_ns), (Nanos(21), Nanos(21)));
        assert_eq!(state.funding_recv_ns, Nanos(0));
        // A late message does not know of what came after it.
        state.apply(&PerpetualUpdate { event_ns: Nanos(11), ..index }, Nanos(22));
        assert_eq!((state.mark_recv_ns, state.index_recv_ns), (Nanos(21), Nanos(22)));
    }
}

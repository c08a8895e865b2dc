//! Market data: levels, books, trades.

use super::{InstrumentId, Nanos, Price, Qty, Side};
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
    /// book at id L if `first_id <= L + 1 <= last_id`; connectors map the venue's rule to this.
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

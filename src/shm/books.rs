//! Books in the region: one line with the top of book, then the depth.

use crate::types::{BookState, InstrumentId, Level, Nanos, TopOfBook};

/// Most levels a side that the region can hold.
pub const DEPTH_MAX: usize = 64;

/// Top of book with the state that says whether it may be traded on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Best {
    /// Best bid; quantity 0 when the side is empty.
    pub bid: Level,
    /// Best ask; quantity 0 when the side is empty.
    pub ask: Level,
    /// Whether it may be traded on.
    pub state: BookState,
    /// Sequence of the message that caused it, low 56 bits.
    pub sequence: u64,
    /// When the last byte of that message was read.
    pub recv_ns: Nanos,
    /// When it was published here.
    pub published_ns: Nanos,
    /// How often this top was published; the same as `MarketView::version`.
    pub changes: u64,
}

impl Best {
    /// Nanoseconds since the message behind it was received.
    #[must_use]
    pub fn age(&self, now: Nanos) -> u64 {
        now.since(self.recv_ns)
    }

    /// Whether the book may be traded on.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.state == BookState::Live
    }
}

/// Depth of one book. Made once and filled again and again without allocation.
#[derive(Clone, Debug)]
pub struct Depth {
    /// Whether it may be traded on.
    pub state: BookState,
    /// Sequence of the message that caused it, low 56 bits.
    pub sequence: u64,
    /// Venue's time of that message, 0 if it sent none.
    pub event_ns: Nanos,
    /// When the last byte of that message was read.
    pub recv_ns: Nanos,
    /// When it was published here.
    pub published_ns: Nanos,
    /// How often this depth was published.
    pub changes: u64,
    bids_len: usize,
    asks_len: usize,
    bids: [Level; DEPTH_MAX],
    asks: [Level; DEPTH_MAX],
}

impl Default for Depth {
    fn default() -> Self {
        Self {
            state: BookState::Empty,
            sequence: 0,
            event_ns: Nanos(0),
            recv_ns: Nanos(0),
            published_ns: Nanos(0),
            changes: 0,
            bids_len: 0,
            asks_len: 0,
            bids: [Level::default(); DEPTH_MAX],
            asks: [Level::default(); DEPTH_MAX],
        }
    }
}

impl Depth {
    /// Bids, best first.
    #[must_use]
    pub fn bids(&self) -> &[Level] {
        &self.bids[..self.bids_len.min(DEPTH_MAX)]
    }

    /// Asks, best first.
    #[must_use]
    pub fn asks(&self) -> &[Level] {
        &self.asks[..self.asks_len.min(DEPTH_MAX)]
    }

    /// Nanoseconds since the message behind it was received.
    #[must_use]
    pub fn age(&self, now: Nanos) -> u64 {
        now.since(self.recv_ns)
    }

    /// Whether the book may be traded on.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.state == BookState::Live
    }
}

/// Publishes the book of one instrument.
#[derive(Debug)]
pub struct BookWriter {}

impl BookWriter {
    /// Publishes the top of book. Goes before the depth of the same message.
    pub fn publish_top(
        &mut self,
        _top: &TopOfBook,
        _state: BookState,
        _recv_ns: Nanos,
        _published_ns: Nanos,
    ) {
        todo!()
    }

    /// Publishes the depth, best levels first; levels past the region's depth are left out. The top
    /// line is not touched.
    #[allow(clippy::too_many_arguments)]
    pub fn publish_depth(
        &mut self,
        _bids: &[Level],
        _asks: &[Level],
        _state: BookState,
        _sequence: u64,
        _event_ns: Nanos,
        _recv_ns: Nanos,
        _published_ns: Nanos,
    ) {
        todo!()
    }

    /// Changes the state of top and depth, leaving prices and receive times as they are.
    pub fn set_state(&mut self, _state: BookState, _now: Nanos) {
        todo!()
    }

    /// Whose book.
    #[must_use]
    pub fn instrument(&self) -> InstrumentId {
        todo!()
    }

    /// Levels a side that the region holds.
    #[must_use]
    pub fn depth(&self) -> usize {
        todo!()
    }
}

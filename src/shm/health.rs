//! Health of each venue in the region: what its feed and its executor say of themselves.

use crate::types::{Channel, Nanos, Readiness};

/// What the feed of a venue says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedHealth {
    /// Readiness of the market data connection.
    pub state: Readiness,
    /// Books that are live.
    pub books_live: u64,
    /// Books it keeps.
    pub books: u64,
    /// Venue's clock minus ours.
    pub clock_offset_ns: i64,
    /// Round trip of the probe that measured it; 0 before the first one.
    pub clock_round_trip_ns: u64,
    /// Messages received.
    pub frames: u64,
    /// Bytes received.
    pub bytes: u64,
    /// Messages that could not be understood.
    pub decode_errors: u64,
    /// Sequence gaps.
    pub gaps: u64,
    /// Resyncs of a book, first synchronisations included.
    pub resyncs: u64,
    /// Connections lost.
    pub reconnects: u64,
    /// Subscriptions that failed.
    pub subscriptions_failed: u64,
    /// When the last message was received.
    pub last_recv_ns: Nanos,
    /// When this was written.
    pub updated_ns: Nanos,
}

/// What the executor of a venue says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExecutorHealth {
    /// Readiness of its connections, by [`Channel::index`].
    pub channels: [Readiness; Channel::COUNT],
    /// Whether new orders may go there.
    pub ready: bool,
    /// Venue's clock minus ours.
    pub clock_offset_ns: i64,
    /// Round trip of the probe that measured it; 0 before the first one.
    pub clock_round_trip_ns: u64,
    /// Commands sent.
    pub commands: u64,
    /// Commands that could not be sent: no room in the rate limit, not connected, not expressible.
    pub commands_refused: u64,
    /// Reports received.
    pub reports: u64,
    /// Messages that could not be understood.
    pub decode_errors: u64,
    /// Replies that did not come in time.
    pub reply_timeouts: u64,
    /// Connections lost.
    pub reconnects: u64,
    /// The venue refuses requests until then; 0 if it does not.
    pub suspended_until_ns: Nanos,
    /// When this was written.
    pub updated_ns: Nanos,
}

/// Both halves of a venue's health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VenueHealth {
    /// The feed's half.
    pub feed: FeedHealth,
    /// The executor's half.
    pub executor: ExecutorHealth,
}

/// Both writers of one venue, to be split between its agents.
#[derive(Debug)]
pub struct HealthWriter {
    /// For the feed.
    pub feed: FeedHealthWriter,
    /// For the executor.
    pub executor: ExecutorHealthWriter,
}

/// Writes the feed's half.
#[derive(Debug)]
pub struct FeedHealthWriter {}

impl FeedHealthWriter {
    /// Publishes the feed's health.
    pub fn publish(&mut self, _health: &FeedHealth) {
        todo!()
    }
}

/// Writes the executor's half.
#[derive(Debug)]
pub struct ExecutorHealthWriter {}

impl ExecutorHealthWriter {
    /// Publishes the executor's health.
    pub fn publish(&mut self, _health: &ExecutorHealth) {
        todo!()
    }
}

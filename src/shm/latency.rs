//! Latency histograms in the region: one per stage and venue.

use crate::types::VenueId;

/// A stretch of a tick's way through the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Stage {
    /// Last byte read until decoded and applied to the book. Feed.
    Decode = 0,
    /// Last byte read until published. Feed.
    Publish = 1,
    /// Published until a strategy had read it. Oms, from the signal's stamps.
    See = 2,
    /// Read until the signal was emitted. Oms, from the signal's stamps.
    Decide = 3,
    /// Signal emitted until the oms handed the command over. Oms.
    Risk = 4,
    /// Handed over until the order's bytes were given to `send`. Executor.
    Send = 5,
    /// Last byte of the causing frame read until the order's bytes were given to `send`. Executor.
    TickToOrder = 6,
    /// Bytes given to `send` until the venue's acknowledgement was read. Executor.
    Ack = 7,
    /// First to last leg of one signal given to `send`. Oms, as venue 0.
    LegSkew = 8,
}

impl Stage {
    /// All of them, in the order of a tick's way.
    pub const ALL: [Stage; 9] = [
        Stage::Decode,
        Stage::Publish,
        Stage::See,
        Stage::Decide,
        Stage::Risk,
        Stage::Send,
        Stage::TickToOrder,
        Stage::Ack,
        Stage::LegSkew,
    ];

    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Number of its histogram for a venue: by stage, then venue.
    pub(super) fn index(self, venue: VenueId, venues: usize) -> Option<usize> {
        let venue = usize::from(venue.0);
        (venue < venues).then_some(self as usize * venues + venue)
    }

    /// Name for people and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Publish => "publish",
            Self::See => "see",
            Self::Decide => "decide",
            Self::Risk => "risk",
            Self::Send => "send",
            Self::TickToOrder => "tick_to_order",
            Self::Ack => "ack",
            Self::LegSkew => "leg_skew",
        }
    }
}

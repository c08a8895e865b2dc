//! How many orders were sent lately: a sliding window over their times.

#![forbid(unsafe_code)]

use crate::types::Nanos;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Every order of a window is remembered; a limit counts as no more than this.
pub(super) const PACE_MAX: u32 = 100_000;

/// Times of the orders of one window, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Pace {
    sent: VecDeque<Nanos>,
}

impl Pace {
    /// Makes sure that nothing allocates while `max` orders fit the window.
    pub fn reserve(&mut self, max: u32) {
        let wanted = max.min(PACE_MAX) as usize + 1;
        self.sent.reserve(wanted.saturating_sub(self.sent.len()));
    }

    /// Touches the memory of the times to come.
    pub fn prefault(&mut self) {
        let (len, capacity) = (self.sent.len(), self.sent.capacity());
        self.sent.resize(capacity, Nanos(0));
        self.sent.truncate(len);
    }

    /// Whether `count` more may be sent now.
    pub fn has_room(&mut self, count: usize, max: u32, window_ns: u64, now: Nanos) -> bool {
        while let Some(&oldest) = self.sent.front()
            && now.since(oldest) >= window_ns
        {
            self.sent.pop_front();
        }
        self.sent.len() + count <= max.min(PACE_MAX) as usize
    }

    /// Counts orders that are now being sent.
    pub fn add(&mut self, count: usize, max: u32, now: Nanos) {
        for _ in 0..count {
            if self.sent.len() > max.min(PACE_MAX) as usize {
                self.sent.pop_front();
            }
            self.sent.push_back(now);
        }
    }
}

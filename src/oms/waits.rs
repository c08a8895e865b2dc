//! What an order waits for, and pauses between tries.

#![forbid(unsafe_code)]

use crate::types::Nanos;
use serde::{Deserialize, Serialize};

/// What an order waits for; 0 is nothing.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Timers {
    /// A command without any answer becomes Unknown.
    pub reply: Nanos,
    /// Next query while Unknown.
    pub query: Nanos,
    pub queries: u32,
    /// Queries since the venue last said anything of it.
    pub unanswered: u32,
    pub not_found: u32,
    /// Next cancel while one is wanted.
    pub cancel: Nanos,
    pub cancels: u32,
    /// Next look for fills that the venue has told of only in sum.
    pub fills: Nanos,
    pub fill_asks: u32,
    /// One such look is wanted although the venue has told of nothing.
    pub look_once: bool,
}

impl Timers {
    pub(super) fn next(&self) -> Option<Nanos> {
        [self.reply, self.query, self.cancel, self.fills]
            .into_iter()
            .filter(|time| *time > Nanos(0))
            .min()
    }
}

/// The pause after so many tries: the first, doubled with every further one, up to the longest.
pub(super) fn doubled_ns(first_ns: u64, longest_ns: u64, tries: u32) -> u64 {
    first_ns.saturating_mul(1 << tries.min(16)).min(longest_ns)
}

//! Deltas that wait for a book, or for what is missing before them: bounded, by their update ids.

#![forbid(unsafe_code)]

use crate::types::{DepthUpdate, Level};

/// One of them; its levels stand at `start` among those of all.
#[derive(Clone, Copy, Debug)]
struct Delta {
    update: DepthUpdate,
    start: usize,
}

/// See the module. Never grows.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    /// By last id, those with the same one in the order in which they came.
    deltas: Vec<Delta>,
    /// In the order in which they came.
    levels: Vec<Level>,
}

impl Waiting {
    /// Room for so many deltas with so many levels together.
    pub fn new(deltas: usize, levels: usize) -> Self {
        Self { deltas: Vec::with_capacity(deltas.max(1)), levels: Vec::with_capacity(levels) }
    }

    pub fn is_empty(&self) -> bool {
        self.deltas.is_empty()
    }

    /// Whether there is room for a delta with so many levels.
    pub fn has_room(&self, levels: usize) -> bool {
        self.deltas.len() < self.deltas.capacity()
            && self.levels.len() + levels <= self.levels.capacity()
    }

    /// Highest last id; 0 if nothing waits.
    pub fn newest(&self) -> u64 {
        self.deltas.last().map_or(0, |delta| delta.update.last_id)
    }

    /// Whether one with this last id waits.
    pub fn holds(&self, last_id: u64) -> bool {
        self.deltas.binary_search_by_key(&last_id, |delta| delta.update.last_id).is_ok()
    }

    /// First id of the first delta that goes beyond `id`.
    pub fn first_after(&self, id: u64) -> Option<u64> {
        let at = self.deltas.partition_point(|delta| delta.update.last_id <= id);
        self.deltas.get(at).map(|delta| delta.update.first_id)
    }

    /// By place in the order of the ids: a delta with its bids and asks.
    pub fn get(&self, at: usize) -> Option<(&DepthUpdate, &[Level], &[Level])> {
        let Delta { update, start } = self.deltas.get(at)?;
        let middle = start + update.bids as usize;
        let end = middle + update.asks as usize;
        Some((update, &self.levels[*start..middle], &self.levels[middle..end]))
    }

    /// Keeps one. There must be room.
    pub fn insert(&mut self, update: &DepthUpdate, bids: &[Level], asks: &[Level]) {
        debug_assert!(self.has_room(bids.len() + asks.len()));
        let start = self.levels.len();
        self.levels.extend_from_slice(bids);
        self.levels.extend_from_slice(asks);
        let (bids, asks) = (bids.len() as u32, asks.len() as u32);
        let at = self.deltas.partition_point(|delta| delta.update.last_id <= update.last_id);
        let update = DepthUpdate { bids, asks, ..*update };
        self.deltas.insert(at, Delta { update, start });
    }

    /// Forgets the first so many.
    pub fn forget_first(&mut self, count: usize) {
        self.deltas.drain(..count);
        self.close_up();
    }

    /// Forgets those whose [`DepthUpdate::sequence`] is less.
    pub fn forget_before(&mut self, sequence: u64) {
        self.deltas.retain(|delta| delta.update.sequence >= sequence);
        self.close_up();
    }

    pub fn clear(&mut self) {
        self.deltas.clear();
        self.levels.clear();
    }

    /// Moves the levels of what is left together.
    fn close_up(&mut self) {
        self.deltas.sort_unstable_by_key(|delta| delta.start);
        let mut end = 0;
        for delta in &mut self.deltas {
            let count = (delta.update.bids + delta.update.asks) as usize;
            self.levels.copy_within(delta.start..delta.start + count, end);
            delta.start = end;
            end += count;
        }
        self.levels.truncate(end);
        self.deltas.sort_unstable_by_key(|delta| (delta.update.last_id, delta.start));
    }
}

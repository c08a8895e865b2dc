//! The table of pairs: fixed size, found by their serial number.
//!
//! A pair that is done keeps its place until it is needed, so that late fills still find it.

#![forbid(unsafe_code)]

use super::pair::{Pair, Stage};
use crate::oms::names::Renumbering;
use serde::{Deserialize, Serialize};

/// Pairs that are followed at once, or were lately.
pub(in crate::oms) const PAIRS_MAX: usize = 512;

/// See the module. The pair with serial n stands in place n modulo [`PAIRS_MAX`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub(in crate::oms) struct Pairs {
    rows: Vec<Option<Pair>>,
    /// Serials of those that are not done, oldest first.
    live: Vec<u64>,
    last: u64,
}

/// As it is read back: from a file, so nothing of it is trusted.
#[derive(Deserialize)]
struct Stored {
    rows: Vec<Option<Pair>>,
    live: Vec<u64>,
    last: u64,
}

impl From<Stored> for Pairs {
    fn from(stored: Stored) -> Self {
        let mut pairs = Self { last: stored.last, ..Self::new() };
        for pair in stored.rows.into_iter().flatten() {
            pairs.rows[place(pair.serial)] = Some(pair);
        }
        for serial in stored.live.into_iter().take(PAIRS_MAX) {
            if pairs.get(serial).is_some() && !pairs.live.contains(&serial) {
                pairs.live.push(serial);
            }
        }
        pairs
    }
}

fn place(serial: u64) -> usize {
    (serial % PAIRS_MAX as u64) as usize
}

impl Pairs {
    pub fn new() -> Self {
        Self { rows: vec![None; PAIRS_MAX], live: Vec::with_capacity(PAIRS_MAX), last: 0 }
    }

    /// Whether one more can be followed.
    pub fn has_room(&self) -> bool {
        self.live.len() < PAIRS_MAX
    }

    /// Adds a pair; its serial. `None` if all places are taken by pairs that are not done.
    pub fn insert(&mut self, mut pair: Pair) -> Option<u64> {
        if !self.has_room() {
            return None;
        }
        loop {
            self.last += 1;
            let row = &mut self.rows[place(self.last)];
            if row.as_ref().is_none_or(|row| row.stage == Stage::Done) {
                pair.serial = self.last;
                *row = Some(pair);
                self.live.push(self.last);
                return Some(self.last);
            }
        }
    }

    /// The pair with this serial, as long as the table holds it.
    pub fn get(&self, serial: u64) -> Option<&Pair> {
        self.rows[place(serial)].as_ref().filter(|pair| pair.serial == serial)
    }

    pub(super) fn get_mut(&mut self, serial: u64) -> Option<&mut Pair> {
        self.rows[place(serial)].as_mut().filter(|pair| pair.serial == serial)
    }

    /// Puts a pair back where it stood.
    pub(super) fn put(&mut self, pair: Pair) {
        let serial = pair.serial;
        let is_live = pair.stage != Stage::Done;
        let listed = self.live.iter().position(|live| *live == serial);
        match listed {
            Some(at) if !is_live => drop(self.live.remove(at)),
            None if is_live => self.live.push(serial),
            _ => {}
        }
        self.rows[place(serial)] = Some(pair);
    }

    /// Serial of the pair at this place of the list of those that are not done.
    pub(super) fn live(&self, at: usize) -> Option<u64> {
        self.live.get(at).copied()
    }

    /// How many are not done.
    pub fn live_len(&self) -> usize {
        self.live.len()
    }

    /// How many have a quantity to hedge and no order for it yet.
    pub fn waiting(&self) -> usize {
        let waits = |pair: &&Pair| pair.stage == Stage::Breached && !pair.hedge.is_some();
        self.live.iter().filter_map(|serial| self.get(*serial)).filter(waits).count()
    }

    /// When the next is to be looked at.
    pub fn next_due(&self) -> Option<crate::types::Nanos> {
        self.live.iter().filter_map(|serial| Some(self.get(*serial)?.due)).min()
    }

    /// Only those that are not done, changed by `convert`; one that cannot be is followed no more.
    pub fn moved(&self, convert: impl Fn(Pair) -> Option<Pair>) -> Self {
        let mut pairs = Self { last: self.last, ..Self::new() };
        for pair in self.live.iter().filter_map(|serial| convert(*self.get(*serial)?)) {
            pairs.put(pair);
        }
        pairs
    }

    /// The strategies have other numbers now.
    pub fn renumber(&mut self, numbers: &Renumbering) {
        for pair in self.rows.iter_mut().flatten() {
            pair.strategy = numbers.of(pair.strategy);
        }
    }

    /// Makes sure that nothing allocates later.
    pub fn reserve(&mut self) {
        self.live.reserve(PAIRS_MAX.saturating_sub(self.live.len()));
    }
}

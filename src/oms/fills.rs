//! Which fills have been booked: every fill moves a position once, however often it is reported.
//!
//! Remembers the last so many fills exactly, by instrument, side and fill id; the oldest goes when a
//! new one needs its place. The side counts because venues give both fills of a self-trade one id.
//! Of those that went the newest time is kept for each instrument: an unknown fill from no later
//! than that may have been booked, and is not booked again.

#![forbid(unsafe_code)]

use super::index::{HashIndex, hash_text};
use super::room;
use crate::types::{FillId, InstrumentId, Nanos, Side};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Known {
    instrument: InstrumentId,
    side: Side,
    id: FillId,
    /// When it happened by the venue's clock; 0 if that was not told.
    at: Nanos,
    mark: Mark,
}

impl Known {
    fn is(&self, instrument: InstrumentId, side: Side, id: &FillId) -> bool {
        self.instrument == instrument && self.side == side && self.id == *id
    }
}

/// What was done with a fill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mark {
    /// Nothing: without an order of ours it seemed to be part of the opening balances.
    #[default]
    Opening,
    /// Booked as nobody's.
    Nobodys,
    /// Booked for an order of ours.
    Ours,
}

/// What is known of a fill that has just been reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Never seen: book it.
    First,
    /// Booked already, but its order was not known then: give it to its order, book nothing.
    BeforeItsOrder,
    /// Booked already.
    Again,
    /// Unknown, and no younger than fills of its instrument that are forgotten, the newest of which
    /// happened then: it may have been booked.
    Old(Nanos),
}

/// A bounded set of fills, oldest out first.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct FillSet {
    capacity: usize,
    ring: Vec<Known>,
    oldest: usize,
    /// The newest time of the fills that were forgotten, by instrument.
    forgotten: Vec<Nanos>,
    #[serde(skip)]
    index: HashIndex,
}

/// What is kept of the set; the index follows from it.
#[derive(Deserialize)]
struct Stored {
    capacity: usize,
    ring: Vec<Known>,
    oldest: usize,
    forgotten: Vec<Nanos>,
}

impl From<Stored> for FillSet {
    fn from(stored: Stored) -> Self {
        // Bounded, because it is read from a file.
        let capacity = stored.capacity.min(1 << 20).max(stored.ring.len());
        let mut fills = Self { forgotten: stored.forgotten, ..Self::new(capacity, 0) };
        for known in &stored.ring {
            fills.add(hash_of(known.instrument, known.side, &known.id), *known);
        }
        fills.oldest = if stored.oldest < fills.ring.len() { stored.oldest } else { 0 };
        fills
    }
}

impl FillSet {
    /// Remembers `capacity` fills of so many instruments.
    pub fn new(capacity: usize, instruments: usize) -> Self {
        let capacity = capacity.max(1);
        let (ring, index) = (Vec::with_capacity(capacity), HashIndex::new(capacity));
        let forgotten = vec![Nanos(0); instruments];
        Self { ring, capacity, oldest: 0, forgotten, index }
    }

    /// Touches the memory of the fills to come.
    pub fn prefault(&mut self) {
        room::touch(&mut self.ring, Known::default());
    }

    /// From when on fills of an instrument can be told from those that were booked.
    pub fn horizon(&self, instrument: InstrumentId) -> Nanos {
        self.forgotten.get(instrument.index()).copied().unwrap_or(Nanos(0))
    }

    /// What was done with a fill; `None` if it is not remembered.
    pub fn mark(&self, instrument: InstrumentId, side: Side, id: &FillId) -> Option<Mark> {
        let hash = hash_of(instrument, side, id);
        let slot =
            self.index.find(hash, |slot| self.ring[slot as usize].is(instrument, side, id))?;
        Some(self.ring[slot as usize].mark)
    }

    /// Notes a fill of a time by the venue's clock, 0 if it gave none; `mark` says what is done with
    /// it if it was never seen.
    pub fn see(
        &mut self,
        instrument: InstrumentId,
        side: Side,
        id: &FillId,
        at: Nanos,
        mark: Mark,
    ) -> Seen {
        let hash = hash_of(instrument, side, id);
        let is = |slot: u32| self.ring[slot as usize].is(instrument, side, id);
        let known = self.index.find(hash, is);
        match known {
            Some(slot) => {
                let known = &mut self.ring[slot as usize];
                if mark != Mark::Ours {
                    return Seen::Again;
                }
                match std::mem::replace(&mut known.mark, mark) {
                    Mark::Opening => Seen::First,
                    Mark::Nobodys => Seen::BeforeItsOrder,
                    Mark::Ours => Seen::Again,
                }
            }
            None => {
                let horizon = self.horizon(instrument);
                if at > Nanos(0) && at <= horizon {
                    return Seen::Old(horizon);
                }
                self.add(hash, Known { instrument, side, id: *id, at, mark });
                Seen::First
            }
        }
    }

    /// Takes over what another set remembers, oldest first, under the instruments' new numbers.
    pub fn take_from(&mut self, other: &Self, to: impl Fn(InstrumentId) -> Option<InstrumentId>) {
        for (index, at) in other.forgotten.iter().enumerate() {
            let to = to(InstrumentId(index as u16));
            if let Some(row) = to.and_then(|to| self.forgotten.get_mut(to.index())) {
                *row = *at;
            }
        }
        for at in 0..other.ring.len() {
            let known = other.ring[(other.oldest + at) % other.ring.len()];
            if let Some(instrument) = to(known.instrument) {
                let known = Known { instrument, ..known };
                self.add(hash_of(instrument, known.side, &known.id), known);
            }
        }
    }

    fn add(&mut self, hash: u64, known: Known) {
        let slot = if self.ring.len() < self.capacity {
            self.ring.push(known);
            self.ring.len() - 1
        } else {
            let slot = self.oldest;
            let old = self.ring[slot];
            self.index.remove(hash_of(old.instrument, old.side, &old.id), slot as u32);
            if let Some(newest) = self.forgotten.get_mut(old.instrument.index()) {
                *newest = (*newest).max(old.at);
            }
            self.ring[slot] = known;
            self.oldest = (slot + 1) % self.capacity;
            slot
        };
        self.index.insert(hash, slot as u32);
    }
}

fn hash_of(instrument: InstrumentId, side: Side, id: &FillId) -> u64 {
    hash_text(u64::from(instrument.0) << 1 | side as u64, id.as_str())
}

#[cfg(test)]
mod tests {
    use super::Mark::{Nobodys, Opening, Ours};
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const A: InstrumentId = InstrumentId(0);
    const B: InstrumentId = InstrumentId(1);

    fn id(number: u64) -> FillId {
        FillId::from_u64(number)
    }

    /// A fill that happened at its number.
    fn see(fills: &mut FillSet, of: InstrumentId, side: Side, number: u64, mark: Mark) -> Seen {
        fills.see(of, side, &id(number), Nanos(number), mark)
    }

    #[test]
    fn a_fill_is_known_by_instrument_side_and_id() {
        let mut fills = FillSet::new(8, 2);
        assert_eq!(see(&mut fills, A, Side::Buy, 1, Ours), Seen::First);
        assert_eq!(see(&mut fills, A, Side::Buy, 1, Ours), Seen::Again);
        assert_eq!(see(&mut fills, B, Side::Buy, 1, Ours), Seen::First);
        assert_eq!(see(&mut fills, A, Side::Sell, 1, Ours), Seen::First, "a self-trade");
        assert_eq!(see(&mut fills, A, Side::Buy, 2, Ours), Seen::First);
    }

    #[test]
    fn a_fill_seen_before_its_order_is_given_to_it_once() {
        let mut fills = FillSet::new(8, 2);
        assert_eq!(see(&mut fills, A, Side::Buy, 1, Nobodys), Seen::First);
        assert_eq!(see(&mut fills, A, Side::Buy, 1, Nobodys), Seen::Again);
        assert_eq!(see(&mut fills, A, Side::Buy, 1, Ours), Seen::BeforeItsOrder);
        assert_eq!(see(&mut fills, A, Side::Buy, 1, Ours), Seen::Again);
    }

    #[test]
    fn a_fill_of_the_opening_is_booked_once_its_order_is_known() {
        let mut fills = FillSet::new(8, 2);
        assert_eq!(see(&mut fills, A, Side::Buy, 1, Opening), Seen::First);
        assert_eq!(see(&mut fills, A, Side::Buy, 1, Opening), Seen::Again);
        assert_eq!(see(&mut fills, A, Side::Buy, 1, Ours), Seen::First);
        assert_eq!(see(&mut fills, A, Side::Buy, 1, Ours), Seen::Again);
    }

    proptest! {
        /// However often and in whatever order, with room for few: never twice the first time.
        #[test]
        fn no_fill_is_new_twice(steps in prop::collection::vec((1u64..30, any::<bool>()), 0..200)) {
            let (mut fills, mut booked) = (FillSet::new(4, 2), BTreeSet::new());
            for (number, ours) in steps {
                let mark = if ours { Ours } else { Nobodys };
                if see(&mut fills, A, Side::Buy, number, mark) == Seen::First {
                    prop_assert!(booked.insert(number), "{number}");
                }
            }
        }
    }

    #[test]
    fn only_the_oldest_are_forgotten_and_a_fill_as_old_as_they_are_is_no_new_one() {
        let mut fills = FillSet::new(3, 2);
        for number in 1..=5 {
            assert_eq!(see(&mut fills, A, Side::Buy, number, Ours), Seen::First);
        }
        for number in 3..=5 {
            assert_eq!(see(&mut fills, A, Side::Buy, number, Ours), Seen::Again, "{number}");
        }
        assert_eq!(fills.horizon(A), Nanos(2));
        assert_eq!(see(&mut fills, A, Side::Buy, 1, Ours), Seen::Old(Nanos(2)));
        assert_eq!(see(&mut fills, A, Side::Sell, 2, Ours), Seen::Old(Nanos(2)));
        assert_eq!(see(&mut fills, B, Side::Buy, 1, Ours), Seen::First, "another instrument's");
        assert_eq!(fills.horizon(A), Nanos(3), "it took the place of 3");
        let timeless = fills.see(A, Side::Buy, &id(9), Nanos(0), Ours);
        assert_eq!(timeless, Seen::First, "nothing says that it is old");
        assert_eq!(see(&mut fills, A, Side::Buy, 5, Ours), Seen::Again);
        let bytes = postcard::to_stdvec(&fills).unwrap();
        let again: FillSet = postcard::from_bytes(&bytes).unwrap();
        assert_eq!((again.horizon(A), again.horizon(B)), (Nanos(4), Nanos(0)));
    }
}

//! Which fills have been booked: every fill moves a position once, however often it is reported.
//!
//! Remembers the last so many fills exactly, by instrument, side and fill id; the oldest goes when a
//! new one needs its place. The side counts because venues give both fills of a self-trade one id.

#![forbid(unsafe_code)]

use super::index::{HashIndex, hash_text};
use crate::types::{FillId, InstrumentId, Side};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Known {
    instrument: InstrumentId,
    side: Side,
    id: FillId,
    /// Whether an order of ours was found for it when it was booked.
    attributed: bool,
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
}

/// A bounded set of fills, oldest out first.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct FillSet {
    capacity: usize,
    ring: Vec<Known>,
    oldest: usize,
    #[serde(skip)]
    index: HashIndex,
}

/// What is kept of the set; the index follows from it.
#[derive(Deserialize)]
struct Stored {
    capacity: usize,
    ring: Vec<Known>,
    oldest: usize,
}

impl From<Stored> for FillSet {
    fn from(stored: Stored) -> Self {
        // Bounded, because it is read from a file.
        let mut fills = Self::new(stored.capacity.min(1 << 20).max(stored.ring.len()));
        for known in &stored.ring {
            fills.add(hash_of(known.instrument, known.side, &known.id), *known);
        }
        fills.oldest = if stored.oldest < fills.ring.len() { stored.oldest } else { 0 };
        fills
    }
}

impl FillSet {
    /// Remembers `capacity` fills.
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        let (ring, index) = (Vec::with_capacity(capacity), HashIndex::new(capacity));
        Self { ring, capacity, oldest: 0, index }
    }

    /// Notes a fill; `attributed` says whether its order is known now.
    pub fn see(
        &mut self,
        instrument: InstrumentId,
        side: Side,
        id: &FillId,
        attributed: bool,
    ) -> Seen {
        let hash = hash_of(instrument, side, id);
        let known = self.index.find(hash, |slot| {
            let known = &self.ring[slot as usize];
            known.instrument == instrument && known.side == side && known.id == *id
        });
        match known {
            Some(slot) => {
                let known = &mut self.ring[slot as usize];
                if attributed && !known.attributed {
                    known.attributed = true;
                    return Seen::BeforeItsOrder;
                }
                Seen::Again
            }
            None => {
                self.add(hash, Known { instrument, side, id: *id, attributed });
                Seen::First
            }
        }
    }

    /// Takes over what another set remembers, oldest first, under the instruments' new numbers.
    pub fn take_from(&mut self, other: &Self, to: impl Fn(InstrumentId) -> Option<InstrumentId>) {
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
    use super::*;

    const A: InstrumentId = InstrumentId(0);
    const B: InstrumentId = InstrumentId(1);

    fn id(number: u64) -> FillId {
        FillId::from_u64(number)
    }

    #[test]
    fn a_fill_is_known_by_instrument_side_and_id() {
        let mut fills = FillSet::new(8);
        assert_eq!(fills.see(A, Side::Buy, &id(1), true), Seen::First);
        assert_eq!(fills.see(A, Side::Buy, &id(1), true), Seen::Again);
        assert_eq!(fills.see(B, Side::Buy, &id(1), true), Seen::First);
        assert_eq!(fills.see(A, Side::Sell, &id(1), true), Seen::First, "a self-trade");
        assert_eq!(fills.see(A, Side::Buy, &id(2), true), Seen::First);
    }

    #[test]
    fn a_fill_seen_before_its_order_is_given_to_it_once() {
        let mut fills = FillSet::new(8);
        assert_eq!(fills.see(A, Side::Buy, &id(1), false), Seen::First);
        assert_eq!(fills.see(A, Side::Buy, &id(1), false), Seen::Again);
        assert_eq!(fills.see(A, Side::Buy, &id(1), true), Seen::BeforeItsOrder);
        assert_eq!(fills.see(A, Side::Buy, &id(1), true), Seen::Again);
    }

    #[test]
    fn only_the_oldest_are_forgotten() {
        let mut fills = FillSet::new(3);
        for number in 1..=5 {
            assert_eq!(fills.see(A, Side::Buy, &id(number), true), Seen::First);
        }
        for number in 3..=5 {
            assert_eq!(fills.see(A, Side::Buy, &id(number), true), Seen::Again, "{number}");
        }
        assert_eq!(fills.see(A, Side::Buy, &id(1), true), Seen::First);
        assert_eq!(fills.see(A, Side::Buy, &id(3), true), Seen::First, "1 took the place of 3");
        assert_eq!(fills.see(A, Side::Buy, &id(5), true), Seen::Again);
    }
}

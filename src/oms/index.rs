//! An open-addressed index from hashes to slots of a table, of fixed size, that never allocates
//! after construction. It stores no keys: the table that owns it compares.

#![forbid(unsafe_code)]

const FREE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u32,
    slot: u32,
}

/// Linear probing, at most half full, deletion by shifting back.
#[derive(Clone, Debug, Default)]
pub struct HashIndex {
    entries: Box<[Entry]>,
    mask: usize,
}

impl HashIndex {
    /// Room for `capacity` slots.
    pub fn new(capacity: usize) -> Self {
        let size = (capacity.max(4) * 2).next_power_of_two();
        let entries = vec![Entry { hash: 0, slot: FREE }; size].into_boxed_slice();
        Self { entries, mask: size - 1 }
    }

    /// First slot with this hash that `is` the one looked for.
    #[inline]
    pub fn find(&self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let hash = fold(hash);
        let mut place = hash as usize & self.mask;
        loop {
            let entry = self.entries[place];
            if entry.slot == FREE {
                return None;
            }
            if entry.hash == hash && is(entry.slot) {
                return Some(entry.slot);
            }
            place = (place + 1) & self.mask;
        }
    }

    /// Adds a slot. The caller never holds more than the capacity, so there is a free place.
    #[inline]
    pub fn insert(&mut self, hash: u64, slot: u32) {
        let hash = fold(hash);
        let mut place = hash as usize & self.mask;
        while self.entries[place].slot != FREE {
            place = (place + 1) & self.mask;
        }
        self.entries[place] = Entry { hash, slot };
    }

    /// Removes a slot that was added with this hash.
    pub fn remove(&mut self, hash: u64, slot: u32) {
        let hash = fold(hash);
        let mut place = hash as usize & self.mask;
        loop {
            let entry = self.entries[place];
            if entry.slot == FREE {
                return;
            }
            if entry.hash == hash && entry.slot == slot {
                break;
            }
            place = (place + 1) & self.mask;
        }
        self.close_hole(place);
    }

    /// Moves back every entry that the hole would cut off from its home.
    fn close_hole(&mut self, mut hole: usize) {
        let mut place = hole;
        loop {
            place = (place + 1) & self.mask;
            let entry = self.entries[place];
            if entry.slot == FREE {
                break;
            }
            let home = entry.hash as usize & self.mask;
            if (place.wrapping_sub(home) & self.mask) >= (place.wrapping_sub(hole) & self.mask) {
                self.entries[hole] = entry;
                hole = place;
            }
        }
        self.entries[hole].slot = FREE;
    }
}

/// Mixes a number: consecutive ids must not fall into consecutive places.
#[inline]
pub fn hash_u64(number: u64) -> u64 {
    let mixed = (number ^ (number >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

/// Mixes a text, eight bytes at a time, into `seed`.
#[inline]
pub fn hash_text(seed: u64, text: &str) -> u64 {
    let mut hash = seed ^ (text.len() as u64);
    for chunk in text.as_bytes().chunks(8) {
        let mut bytes = [0; 8];
        bytes[..chunk.len()].copy_from_slice(chunk);
        hash = hash_u64(hash.rotate_left(5) ^ u64::from_le_bytes(bytes));
    }
    hash
}

#[inline]
fn fold(hash: u64) -> u32 {
    (hash ^ (hash >> 32)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// Keys are few and their hashes fewer, so that runs of collisions are built and cut.
        #[test]
        fn agrees_with_a_map(steps in prop::collection::vec((0u32..24, any::<bool>()), 1..200)) {
            let mut index = HashIndex::new(24);
            let mut known = BTreeMap::new();
            let hash = |key: u32| u64::from(key % 7) * 3;
            for (key, insert) in steps {
                if insert && known.insert(key, ()).is_none() {
                    index.insert(hash(key), key);
                } else if !insert && known.remove(&key).is_some() {
                    index.remove(hash(key), key);
                }
                for key in 0..24 {
                    let found = index.find(hash(key), |slot| slot == key);
                    prop_assert_eq!(found.is_some(), known.contains_key(&key));
                }
            }
        }
    }

    #[test]
    fn texts_and_numbers_are_spread() {
        let mut places = std::collections::BTreeSet::new();
        for number in 0..1_000u64 {
            places.insert(fold(hash_u64(number)) & 0xfff);
            places.insert(fold(hash_text(7, &number.to_string())) & 0xfff);
        }
        assert!(places.len() > 1_400, "{}", places.len());
    }
}

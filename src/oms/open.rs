//! Which slots of the order table hold orders that have not ended, to walk over those alone.

#![forbid(unsafe_code)]

use super::orders::Slot;

const NOWHERE: u32 = u32::MAX;

/// A set of slots. The order in which it is walked depends on its history and means nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenSlots {
    slots: Vec<Slot>,
    /// Where each slot stands in `slots`.
    places: Vec<u32>,
}

impl OpenSlots {
    /// Room for the slots below `capacity`.
    pub fn new(capacity: usize) -> Self {
        Self { slots: Vec::with_capacity(capacity), places: vec![NOWHERE; capacity] }
    }

    pub fn add(&mut self, slot: Slot) {
        if let Some(place) = self.places.get_mut(slot as usize)
            && *place == NOWHERE
        {
            *place = self.slots.len() as u32;
            self.slots.push(slot);
        }
    }

    pub fn remove(&mut self, slot: Slot) {
        let Some(place) = self.places.get_mut(slot as usize) else { return };
        let at = std::mem::replace(place, NOWHERE);
        if at == NOWHERE {
            return;
        }
        self.slots.swap_remove(at as usize);
        if let Some(moved) = self.slots.get(at as usize) {
            self.places[*moved as usize] = at;
        }
    }

    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_is_a_set(steps in prop::collection::vec((0u32..12, any::<bool>()), 0..80)) {
            let (mut open, mut model) = (OpenSlots::new(10), BTreeSet::new());
            for (slot, add) in steps {
                if add {
                    open.add(slot);
                    if slot < 10 {
                        model.insert(slot);
                    }
                } else {
                    open.remove(slot);
                    model.remove(&slot);
                }
                prop_assert_eq!(open.slots().len(), model.len());
                let held: BTreeSet<u32> = open.slots().iter().copied().collect();
                prop_assert_eq!(&held, &model);
            }
        }
    }
}

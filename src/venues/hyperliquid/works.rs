//! What is known of our working orders besides what the engine knows: the venue's number of each.
//!
//! A replaced order is another order to the venue, with another number and the same id of ours, and
//! the end of the old one is told of like any end. So the numbers are kept: an end of the old one is
//! none. How much of the old one was filled belongs to the new one.

#![forbid(unsafe_code)]

use crate::types::{ClientOrderId, NewOrder, Qty, Side};

/// Slots; a power of two. An order whose slot is taken is not known here, and cannot be replaced.
const SLOTS: usize = 1024;

/// What a replace repeats of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manner {
    pub(super) side: Side,
    pub(super) post_only: bool,
    pub(super) reduce_only: bool,
}

impl From<&NewOrder> for Manner {
    fn from(order: &NewOrder) -> Self {
        let NewOrder { side, post_only, reduce_only, .. } = *order;
        Self { side, post_only, reduce_only }
    }
}

/// One of our orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) client_id: ClientOrderId,
    /// Unknown of an order of an earlier run until it is listed.
    pub(super) manner: Option<Manner>,
    /// The venue's number; 0 before it is told.
    pub(super) oid: u64,
    /// The number that it had before it was replaced; 0 if it never was.
    pub(super) former: u64,
    /// Filled under that number.
    pub(super) base: Qty,
    /// Some of it was filled, under either number.
    pub(super) touched: bool,
    /// It ended with so much filled while a replace was under way: perhaps its end is that replace.
    pub(super) ended: Option<Qty>,
}

/// All of them.
pub(super) struct Works {
    slots: Box<[Work]>,
}

impl Works {
    pub(super) fn new() -> Self {
        Self { slots: vec![Work::default(); SLOTS].into() }
    }

    fn slot(&mut self, id: ClientOrderId) -> &mut Work {
        // The low bits count the orders of a strategy.
        let at = id.0 as usize & (self.slots.len() - 1);
        &mut self.slots[at]
    }

    pub(super) fn get(&mut self, id: ClientOrderId) -> Option<&mut Work> {
        let slot = self.slot(id);
        (id.is_some() && slot.client_id == id).then_some(slot)
    }

    /// The order, from now on if it was not known and there is room.
    pub(super) fn open(&mut self, id: ClientOrderId) -> Option<&mut Work> {
        let slot = self.slot(id);
        if !slot.client_id.is_some() && id.is_some() {
            *slot = Work { client_id: id, ..Work::default() };
        }
        (id.is_some() && slot.client_id == id).then_some(slot)
    }

    /// It has ended.
    pub(super) fn close(&mut self, id: ClientOrderId) {
        if let Some(work) = self.get(id) {
            *work = Work::default();
        }
    }
}

impl Work {
    /// It goes on under another number.
    pub(super) fn renumber(&mut self, oid: u64) {
        if self.oid != oid {
            let filled = self.ended.take().unwrap_or_default();
            self.base = Qty(self.base.0.saturating_add(filled.0));
            (self.former, self.oid) = (self.oid, oid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_one_orders_until_it_ends() {
        let mut works = Works::new();
        let (id, other) = (ClientOrderId(5), ClientOrderId(5 + SLOTS as u64));
        assert!(works.get(id).is_none() && works.open(ClientOrderId::NONE).is_none());
        works.open(id).unwrap().oid = 7;
        assert!(works.open(other).is_none());
        assert_eq!(works.open(id).map(|work| work.oid), Some(7), "kept");
        works.close(other);
        assert!(works.get(id).is_some());
        works.close(id);
        assert!(works.get(id).is_none() && works.open(other).is_some());
    }

    #[test]
    fn what_was_filled_before_a_replace_counts_on() {
        let mut works = Works::new();
        let work = works.open(ClientOrderId(1)).unwrap();
        (work.oid, work.ended) = (7, Some(Qty(3)));
        work.renumber(8);
        assert_eq!((work.oid, work.former, work.base, work.ended), (8, 7, Qty(3), None));
        work.renumber(8);
        assert_eq!((work.former, work.base), (7, Qty(3)));
    }
}

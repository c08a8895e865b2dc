//! What is known of our working orders besides what the engine knows: the venue's number of each.
//!
//! A replaced order is another order to the venue, with another number and the same id of ours, and
//! the end of an old one is told of like any end. So the last numbers are kept: an end of an old one
//! is none, however late it is told. How much of the old ones was filled belongs to the new one.

#![forbid(unsafe_code)]

use super::SECOND_NS;
use crate::types::{ClientOrderId, Nanos, NewOrder, Qty, Side};

/// Slots; a power of two. An order whose slot is taken is not known here, and cannot be replaced.
const SLOTS: usize = 1024;
/// Old numbers of an order that are told from its own. A stream that is further behind than that
/// many replaces names one that nobody knows.
const FORMERS: usize = 4;
/// An order that nobody has spoken of for so long leaves its slot to a newer one: its end was told
/// where it was not heard. What works is listed more often than that.
const SILENT_NS: u64 = 300 * SECOND_NS;

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

/// A number that an order had before it was replaced; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Former {
    oid: u64,
    /// Filled under it.
    pub(super) filled: Qty,
}

/// One of our orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) client_id: ClientOrderId,
    /// Unknown of an order of an earlier run until it is listed.
    pub(super) manner: Option<Manner>,
    /// The venue's number; 0 before it is told.
    pub(super) oid: u64,
    /// The numbers before it, the newest first.
    formers: [Former; FORMERS],
    /// Filled under numbers that are forgotten.
    older: Qty,
    /// Some of it was filled, under any number.
    pub(super) touched: bool,
    /// It ended with so much filled while a replace was under way: perhaps its end is that replace.
    pub(super) ended: Option<Qty>,
    /// When somebody last spoke of it.
    heard: Nanos,
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

    /// The order if it is known, which is spoken of now.
    pub(super) fn hear(&mut self, id: ClientOrderId, now: Nanos) -> Option<&mut Work> {
        let work = self.get(id)?;
        work.heard = now;
        Some(work)
    }

    /// The order, from now on if it was not known and there is room.
    pub(super) fn open(&mut self, id: ClientOrderId, now: Nanos) -> Option<&mut Work> {
        let slot = self.slot(id);
        let free = !slot.client_id.is_some() || now.since(slot.heard) >= SILENT_NS;
        if id.is_some() && slot.client_id != id && free {
            *slot = Work { client_id: id, ..Work::default() };
        }
        self.hear(id, now)
    }

    /// It has ended.
    pub(super) fn close(&mut self, id: ClientOrderId) {
        if let Some(work) = self.get(id) {
            *work = Work::default();
        }
    }
}

impl Work {
    /// The number before its own, if this is one.
    pub(super) fn former(&mut self, oid: u64) -> Option<&mut Former> {
        self.formers.iter_mut().find(|former| oid > 0 && former.oid == oid)
    }

    /// Filled under all numbers before its own.
    pub(super) fn base(&self) -> Qty {
        let filled = self.formers.iter().map(|former| former.filled.0);
        Qty(filled.fold(self.older.0, i64::saturating_add))
    }

    /// It goes on under another number. None goes back to an old one: that is old news.
    pub(super) fn renumber(&mut self, oid: u64) {
        if self.oid == oid || self.former(oid).is_some() {
            return;
        }
        let filled = self.ended.take().unwrap_or_default();
        if self.oid > 0 {
            let forgotten = self.formers[FORMERS - 1].filled;
            self.older = Qty(self.older.0.saturating_add(forgotten.0));
            self.formers.copy_within(..FORMERS - 1, 1);
            self.formers[0] = Former { oid: self.oid, filled };
        }
        self.oid = oid;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Nanos = Nanos(SILENT_NS);

    #[test]
    fn a_slot_is_one_orders_until_it_ends() {
        let mut works = Works::new();
        let (id, other) = (ClientOrderId(5), ClientOrderId(5 + SLOTS as u64));
        assert!(works.get(id).is_none() && works.open(ClientOrderId::NONE, NOW).is_none());
        works.open(id, NOW).unwrap().oid = 7;
        assert!(works.open(other, NOW).is_none());
        assert_eq!(works.open(id, NOW).map(|work| work.oid), Some(7), "kept");
        works.close(other);
        assert!(works.get(id).is_some());
        works.close(id);
        assert!(works.get(id).is_none() && works.open(other, NOW).is_some());
    }

    /// The end of an order that was told where nobody heard it must not cost its slot for good.
    #[test]
    fn a_slot_of_which_nobody_speaks_goes_to_a_newer_order() {
        let mut works = Works::new();
        let (id, other) = (ClientOrderId(5), ClientOrderId(5 + SLOTS as u64));
        works.open(id, NOW);
        let later = NOW.plus(SILENT_NS - 1);
        assert!(works.open(other, later).is_none() && works.hear(other, later).is_none());
        works.hear(id, later);
        assert!(works.open(other, NOW.plus(SILENT_NS)).is_none(), "spoken of meanwhile");
        assert!(works.open(other, later.plus(SILENT_NS)).is_some_and(|work| work.oid == 0));
        assert!(works.get(id).is_none());
    }

    #[test]
    fn what_was_filled_before_a_replace_counts_on() {
        let mut works = Works::new();
        let work = works.open(ClientOrderId(1), NOW).unwrap();
        (work.oid, work.ended) = (7, Some(Qty(3)));
        work.renumber(8);
        assert_eq!((work.oid, work.base(), work.ended), (8, Qty(3), None));
        work.renumber(8);
        work.renumber(7);
        assert_eq!((work.oid, work.base()), (8, Qty(3)), "never back");
        // Each number counts for itself, those that are forgotten too.
        for oid in 9..20 {
            work.ended = Some(Qty(1));
            work.renumber(oid);
        }
        work.former(18).unwrap().filled = Qty(5);
        assert!(work.former(14).is_none() && work.former(0).is_none());
        assert_eq!((work.oid, work.base()), (19, Qty(3 + 10 + 5)));
    }
}

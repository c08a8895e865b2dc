//! Memory that orders will be written to, made ready beforehand: the first touch of a page costs more
//! than all the checks of an order.

#![forbid(unsafe_code)]

use super::orders::Order;
use super::record::Recorder;
use super::requests::from_leg;
use super::{Books, Oms};
use crate::types::{ClientOrderId, Leg, Nanos, SignalId, VenueId};

const PAGE: usize = 4096;

/// Writes to every page of the room that a vector has left.
pub(super) fn touch<T: Copy>(rows: &mut Vec<T>, any: T) {
    let step = (PAGE / size_of::<T>().max(1)).max(1);
    for slot in rows.spare_capacity_mut().iter_mut().step_by(step) {
        slot.write(any);
    }
}

impl<R: Recorder, B: Books> Oms<R, B> {
    /// Touches the memory of the tables, which changes nothing in them.
    pub fn prefault(&mut self) {
        let order = from_leg(ClientOrderId::NONE, &Leg::default());
        self.state.orders.prefault(&Order::new(&order, VenueId(0), SignalId(0), 0, Nanos(0)));
        self.state.fills.prefault();
        self.state.risk.prefault();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touching_changes_nothing() {
        let mut rows: Vec<u64> = Vec::with_capacity(10_000);
        rows.extend(0..700);
        let capacity = rows.capacity();
        touch(&mut rows, u64::MAX);
        assert!(rows.iter().copied().eq(0..700) && rows.capacity() == capacity);
        rows.extend(700..10_000);
        assert!(rows.iter().copied().eq(0..10_000));
    }
}

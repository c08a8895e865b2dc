//! No order of ours may trade with another order of ours.

#![forbid(unsafe_code)]

use super::orders::Order;
use super::record::Recorder;
use super::{Books, Oms, Output};
use crate::types::{Amount, InstrumentId, Nanos, NewOrder, OrderType, Price, Side};

impl<R: Recorder, B: Books> Oms<R, B> {
    /// Whether an order would meet one of our own that may be working on the other side of its
    /// instrument, or one of `earlier`.
    pub(super) fn crosses_own(&self, order: &NewOrder, earlier: &[NewOrder]) -> bool {
        let price = limit_of(order.order_type, order.price);
        let with_earlier = earlier.iter().any(|other| {
            other.instrument == order.instrument
                && other.side != order.side
                && meets(order.side, price, limit_of(other.order_type, other.price))
        });
        if with_earlier {
            return true;
        }
        self.own(order.instrument, order.side.opposite())
            .any(|other| meets(order.side, price, reach_of(other)))
    }

    /// The best limit of our orders that may be working on one side of an instrument.
    pub(super) fn best_own(&self, instrument: InstrumentId, side: Side) -> Option<Price> {
        let limits = self.own(instrument, side);
        let limits = limits.filter_map(reach_of);
        match side {
            Side::Buy => limits.max(),
            Side::Sell => limits.min(),
        }
    }

    /// Cancels our best orders on one side of an instrument: they stand in the way of an order on
    /// the other that makes the risk smaller.
    pub(super) fn cancel_best_own(
        &mut self,
        instrument: InstrumentId,
        side: Side,
        now: Nanos,
        out: &mut Output,
    ) {
        let best = self.best_own(instrument, side);
        for slot in self.state.orders.slots() {
            let order = self.state.orders.get(slot);
            let own = !order.external && !order.state.is_terminal() && !order.cancel_wanted;
            let there = order.instrument == instrument && order.side == side;
            // The best limit meets itself, and whatever takes any price meets it too.
            if own && there && meets(side.opposite(), best, reach_of(order)) {
                self.cancel(slot, now, out);
            }
        }
    }

    fn own(&self, instrument: InstrumentId, side: Side) -> impl Iterator<Item = &Order> {
        let exposure = self.state.exposures.instrument(instrument);
        let working = match side {
            Side::Buy => exposure.buying,
            Side::Sell => exposure.selling,
        };
        // Nearly always there is nothing on that side, and nothing to look through.
        let most = if working > Amount::ZERO { usize::MAX } else { 0 };
        let open = self.state.orders.iter_open().take(most);
        open.filter(move |order| order.instrument == instrument && order.side == side)
    }
}

/// The limit of an order; `None` if it takes any price.
fn limit_of(order_type: OrderType, price: Price) -> Option<Price> {
    (order_type == OrderType::Limit).then_some(price)
}

/// The limit of a working order, or the one that it is being changed to where that goes further;
/// `None` if it takes any price.
fn reach_of(order: &Order) -> Option<Price> {
    let limit = limit_of(order.order_type, order.price)?;
    let pending = order.pending.map_or(limit, |terms| terms.price);
    let pending = if pending > Price(0) { pending } else { limit };
    Some(match order.side {
        Side::Buy => limit.max(pending),
        Side::Sell => limit.min(pending),
    })
}

/// Whether an order of this side and limit trades with one of the other side.
fn meets(side: Side, price: Option<Price>, other: Option<Price>) -> bool {
    let (Some(price), Some(other)) = (price, other) else { return true };
    match side {
        Side::Buy => price >= other,
        Side::Sell => price <= other,
    }
}

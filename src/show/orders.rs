//! Orders as rows.

#![forbid(unsafe_code)]

use super::naming::Naming;
use super::table::{Cell, Column, Kind, Row};
use super::walk::Group;
use super::words;
use crate::oms::{Order, Record, Replayed};
use crate::types::{ClientOrderId, InstrumentId, Nanos, OrderState, RejectReason, VenueId};

/// Columns of [`OrderRow`].
pub const ORDER_COLUMNS: [Column; 18] = [
    Column::new("created", Kind::Time),
    Column::new("order", Kind::Text),
    Column::hidden("venue", Kind::Text),
    Column::new("instrument", Kind::Text),
    Column::new("strategy", Kind::Text),
    Column::hidden("signal", Kind::Count),
    Column::hidden("leg", Kind::Count),
    Column::new("side", Kind::Text),
    Column::new("terms", Kind::Text),
    Column::new("price", Kind::Number),
    Column::new("qty", Kind::Number),
    Column::new("filled", Kind::Number),
    Column::new("state", Kind::Text),
    Column::hidden("since", Kind::Time),
    Column::new("reason", Kind::Text),
    Column::hidden("external", Kind::Flag),
    Column::hidden("cancel_wanted", Kind::Flag),
    Column::new("venue_order_id", Kind::Text),
];

/// One order as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRow {
    /// Our id; none if it is not ours.
    pub order: ClientOrderId,
    /// The venue's id, empty until it is known.
    pub venue_order_id: String,
    /// Where.
    pub venue: VenueId,
    /// In what.
    pub instrument: InstrumentId,
    /// Name of it.
    pub instrument_name: String,
    /// Name of whose it is; empty if it is nobody's.
    pub strategy: String,
    /// Signal that asked for it, 0 if none did.
    pub signal: u64,
    /// Leg of the signal.
    pub leg: u8,
    /// `buy`, `sell`
    pub side: String,
    /// `limit IOC`
    pub terms: String,
    /// Limit price, exact; empty for market orders.
    pub price: String,
    /// Total quantity, exact.
    pub qty: String,
    /// Filled of it, exact.
    pub filled: String,
    /// Where it stands.
    pub state: OrderState,
    /// Since when.
    pub since: Nanos,
    /// When it was made.
    pub created: Nanos,
    /// Why it was refused or ended; empty if there is no reason.
    pub reason: String,
    /// Not placed by us.
    pub external: bool,
    /// It is to be cancelled.
    pub cancel_wanted: bool,
}

impl OrderRow {
    /// What is known of an order.
    #[must_use]
    pub fn of(order: &Order, names: &Naming<'_>) -> Self {
        let reason = match order.reason {
            RejectReason::None => String::new(),
            reason => reason.to_string(),
        };
        Self {
            order: order.client_id,
            venue_order_id: order.venue_order_id.to_string(),
            venue: order.venue,
            instrument: order.instrument,
            instrument_name: names.instrument(order.instrument),
            strategy: names.strategy(order.strategy),
            signal: order.signal.0,
            leg: order.leg,
            side: order.side.to_string(),
            terms: words::terms(order.order_type, order.time_in_force),
            price: names.price(order.instrument, order.price),
            qty: names.qty(order.instrument, order.qty),
            filled: names.qty(order.instrument, order.cumulative()),
            state: order.state,
            since: order.since_ns,
            created: order.created_ns,
            reason,
            external: order.external,
            cancel_wanted: order.cancel_wanted,
        }
    }

    /// Its cells, in the order of [`ORDER_COLUMNS`].
    #[must_use]
    pub fn cells(&self, names: &Naming<'_>) -> Row {
        let id = if self.order.is_some() { self.order.to_string() } else { String::new() };
        let signal = if self.external { Cell::Empty } else { Cell::count(self.signal) };
        let leg = if self.external { Cell::Empty } else { Cell::count(self.leg.into()) };
        vec![
            Cell::time(self.created),
            id.into(),
            names.venue(self.venue).into(),
            self.instrument_name.as_str().into(),
            self.strategy.as_str().into(),
            signal,
            leg,
            self.side.as_str().into(),
            self.terms.as_str().into(),
            self.price.as_str().into(),
            self.qty.as_str().into(),
            self.filled.as_str().into(),
            words::state(self.state).into(),
            Cell::time(self.since),
            self.reason.as_str().into(),
            Cell::Flag(self.external),
            Cell::Flag(self.cancel_wanted),
            self.venue_order_id.as_str().into(),
        ]
    }
}

/// The orders of ours that an input has changed, or may have; `state` is the one after it.
#[must_use]
pub fn touched(group: &Group, state: &Replayed) -> Vec<ClientOrderId> {
    let mut ids = Vec::new();
    if let Record::Report(_, report) = &group.input {
        ids.push(report.client_id);
        let by_venue = state.orders().by_venue(report.instrument, &report.venue_order_id);
        ids.extend(by_venue.map(|slot| state.orders().get(slot).client_id));
    }
    ids.extend(group.effects.iter().filter_map(|effect| match effect {
        Record::Intent { order, .. } => Some(order.client_id),
        Record::Assumed(id, _) => Some(*id),
        _ => None,
    }));
    ids.retain(|id| id.is_some());
    ids.dedup();
    ids
}

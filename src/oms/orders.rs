//! The order table: fixed size, found by our id or by the venue's.
//!
//! Ended orders stay as long as their slot is not needed, so that late reports still find them;
//! then the one that ended first goes. An order that works, or still awaits fills, never goes.

#![forbid(unsafe_code)]

use super::index::{HashIndex, hash_text, hash_u64};
use super::open::OpenSlots;
use super::room;
use super::waits::Timers;
use crate::types::{
    Amount, ClientOrderId, InstrumentId, Nanos, NewOrder, OrderState, OrderType, Price, Qty,
    RejectReason, Side, SignalId, StrategyId, TimeInForce, VenueId, VenueOrderId,
};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Price and total quantity of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Limit price; 0 where it is not said.
    pub price: Price,
    /// Total quantity.
    pub qty: Qty,
}

impl Terms {
    /// Whether these terms, as a venue states them, are the ones asked for.
    pub(super) fn is_at(self, asked: Self) -> bool {
        self.qty == asked.qty && (self.price == asked.price || self.price == Price(0))
    }
}

/// Everything known of one order.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Order {
    /// Our id.
    pub client_id: ClientOrderId,
    /// The venue's id, empty until a report names it.
    pub venue_order_id: VenueOrderId,
    /// The venue's id before its last replace, if that changed it; still finds the order.
    pub former_venue_id: VenueOrderId,
    /// Not placed by us: by hand or by another program.
    pub external: bool,
    /// Where it works.
    pub venue: VenueId,
    /// What it trades.
    pub instrument: InstrumentId,
    /// Whose order.
    pub strategy: StrategyId,
    /// Signal that asked for it.
    pub signal: SignalId,
    /// Leg of the signal; hedging orders have marks beside it.
    pub leg: u8,
    /// Number of the pair that it belongs to, 0 if none.
    pub pair: u64,
    /// Buy or sell.
    pub side: Side,
    /// Limit or market.
    pub order_type: OrderType,
    /// How long it works.
    pub time_in_force: TimeInForce,
    /// Limit price as it works now; 0 for market orders.
    pub price: Price,
    /// Total quantity as it works now.
    pub qty: Qty,
    /// Terms of a replace whose outcome is not known yet.
    pub pending: Option<Terms>,
    /// Sum of the fills booked. Never decreases.
    pub filled: Qty,
    /// Most that the venue has said to be filled in total. Never decreases; above `filled` while
    /// single fills are still to come.
    pub stated: Qty,
    /// Where it stands.
    pub state: OrderState,
    /// Why it was refused or ended, if it was.
    pub reason: RejectReason,
    /// Quantity whose exposure is reserved for it.
    pub reserved: Qty,
    /// Capital that is reserved for it, quote units; none for a sell.
    pub reserved_value: Amount,
    /// The price that it is valued by: its limit, or the best ask when a market order was sent.
    pub worth: Price,
    /// Whether the venue has ever acknowledged or shown it.
    pub acked: bool,
    /// Whether a stream or a query has shown it: more than a reply, which only says that it was
    /// taken in.
    pub seen_alive: bool,
    /// Whether it is to be cancelled, however often that takes.
    pub cancel_wanted: bool,
    /// When it was made.
    pub created_ns: Nanos,
    /// When it came into its state.
    pub since_ns: Nanos,
    /// When something was last heard of it, answers to queries apart, or sent about it.
    pub(super) touched_ns: Nanos,
    /// The venue's time of `stated`, 0 if it gave none.
    pub(super) stated_ns: Nanos,
    /// The last pass of a reconciliation whose list of open orders named it.
    pub(super) listed: u32,
    pub(super) timers: Timers,
    pub(super) watched: bool,
    pub(super) queued_done: bool,
}

impl Order {
    /// An order about to be sent.
    #[must_use]
    pub fn new(order: &NewOrder, venue: VenueId, signal: SignalId, leg: u8, now: Nanos) -> Self {
        Self {
            client_id: order.client_id,
            venue_order_id: VenueOrderId::EMPTY,
            former_venue_id: VenueOrderId::EMPTY,
            external: false,
            venue,
            instrument: order.instrument,
            strategy: order.client_id.strategy(),
            signal,
            leg,
            pair: 0,
            side: order.side,
            order_type: order.order_type,
            time_in_force: order.time_in_force,
            price: order.price,
            qty: order.qty,
            pending: None,
            filled: Qty::ZERO,
            stated: Qty::ZERO,
            state: OrderState::PendingNew,
            reason: RejectReason::None,
            reserved: Qty::ZERO,
            reserved_value: Amount::ZERO,
            worth: order.price,
            acked: false,
            seen_alive: false,
            cancel_wanted: false,
            created_ns: now,
            since_ns: now,
            touched_ns: now,
            stated_ns: Nanos(0),
            listed: 0,
            timers: Timers::default(),
            watched: false,
            queued_done: false,
        }
    }

    /// Takes over terms that the venue states; a price of 0 says nothing.
    pub(super) fn take(&mut self, terms: Terms) {
        if terms.price > Price(0) {
            (self.price, self.worth) = (terms.price, terms.price);
        }
        self.qty = terms.qty;
    }

    /// Filled in total: what is booked, or what the venue states where that is more.
    #[must_use]
    pub fn cumulative(&self) -> Qty {
        self.filled.max(self.stated)
    }

    /// Whether the venue has told of fills that are not booked yet.
    #[must_use]
    pub fn awaits_fills(&self) -> bool {
        self.stated > self.filled
    }

    /// Whether all of it is filled, whatever became of a replace that is not answered for yet.
    pub(super) fn is_full(&self) -> bool {
        let pending = self.pending.filter(|_| !self.state.is_terminal());
        let most = pending.map_or(self.qty, |terms| self.qty.max(terms.qty));
        self.qty > Qty::ZERO && self.cumulative() >= most
    }

    /// Whether nothing more is expected of it.
    pub(super) fn may_go(&self) -> bool {
        self.state.is_terminal() && !self.awaits_fills()
    }

    /// What it may still trade at worst, booked fills apart.
    #[must_use]
    pub fn worst_case(&self) -> Qty {
        let pending = self.pending.map_or(Qty::ZERO, |terms| terms.qty);
        let end = match self.state.is_terminal() {
            true => self.stated,
            false => self.qty.max(pending).max(self.stated),
        };
        Qty(end.0.saturating_sub(self.filled.0).max(0))
    }

    /// The state that its own numbers say while it works.
    pub(super) fn working_state(&self) -> OrderState {
        if self.cumulative() > Qty::ZERO {
            OrderState::PartiallyFilled
        } else if self.acked {
            OrderState::Open
        } else {
            OrderState::PendingNew
        }
    }
}

/// Index of an order in the table, valid until the next order is added.
pub type Slot = u32;

/// All orders.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct OrderTable {
    capacity: usize,
    orders: Vec<Order>,
    done: VecDeque<Slot>,
    #[serde(skip)]
    by_client: HashIndex,
    #[serde(skip)]
    by_venue: HashIndex,
    #[serde(skip)]
    open: OpenSlots,
    #[serde(skip)]
    unknown: usize,
}

/// Largest table that is read back.
const CAPACITY_MAX: usize = 1 << 20;

/// What is kept of the table; the rest follows from it.
#[derive(Deserialize)]
struct Stored {
    capacity: usize,
    orders: Vec<Order>,
    done: VecDeque<Slot>,
}

impl From<Stored> for OrderTable {
    fn from(stored: Stored) -> Self {
        // Bounded, because it is read from a file.
        let capacity = stored.capacity.min(CAPACITY_MAX).max(stored.orders.len());
        let mut table = Self::new(capacity);
        for order in stored.orders {
            let slot = table.orders.len() as Slot;
            if order.client_id.is_some() {
                table.by_client.insert(hash_u64(order.client_id.0), slot);
            }
            for id in [&order.venue_order_id, &order.former_venue_id] {
                if !id.is_empty() {
                    table.by_venue.insert(hash_venue(order.instrument, id), slot);
                }
            }
            if !order.state.is_terminal() && !order.external {
                table.open.add(slot);
            }
            table.unknown += usize::from(order.state == OrderState::Unknown);
            table.orders.push(order);
        }
        let known = stored.done.into_iter().filter(|slot| (*slot as usize) < table.orders.len());
        table.done.extend(known);
        table
    }
}

impl OrderTable {
    /// Room for so many orders, working and ended together.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self {
            orders: Vec::with_capacity(capacity),
            by_client: HashIndex::new(capacity),
            // An order may have two.
            by_venue: HashIndex::new(capacity * 2),
            done: VecDeque::with_capacity(capacity),
            capacity,
            open: OpenSlots::new(capacity),
            unknown: 0,
        }
    }

    /// Touches the memory of the orders to come.
    pub(super) fn prefault(&mut self, any: &Order) {
        room::touch(&mut self.orders, *any);
    }

    /// Whether `count` more orders fit.
    #[must_use]
    pub fn has_room(&self, count: usize) -> bool {
        let unused = self.capacity - self.orders.len();
        unused >= count
            || unused + self.done.iter().filter(|slot| self.may_go(**slot)).take(count).count()
                >= count
    }

    /// Adds an order; `None` if the table is full of orders that may not go, or knows the id.
    pub fn insert(&mut self, order: Order) -> Option<Slot> {
        if self.by_client(order.client_id).is_some() {
            return None;
        }
        let slot = if self.orders.len() < self.capacity {
            self.orders.push(order);
            (self.orders.len() - 1) as Slot
        } else {
            let slot = self.evict()?;
            // A slot on the watch list stays there until the list is next walked.
            let watched = self.orders[slot as usize].watched;
            self.orders[slot as usize] = Order { watched, ..order };
            slot
        };
        if order.client_id.is_some() {
            self.by_client.insert(hash_u64(order.client_id.0), slot);
        }
        if !order.external {
            self.open.add(slot);
        }
        Some(slot)
    }

    /// Adds an order of an earlier run in the state that it had; `None` as for
    /// [`OrderTable::insert`].
    pub(super) fn insert_as(&mut self, order: Order) -> Option<Slot> {
        let state = order.state;
        let started = Order { state: OrderState::PendingNew, queued_done: false, ..order };
        let nameless = VenueOrderId::EMPTY;
        let started = Order { venue_order_id: nameless, former_venue_id: nameless, ..started };
        let slot = self.insert(started)?;
        if !order.former_venue_id.is_empty() {
            self.name(slot, &order.former_venue_id);
            self.rename(slot, &order.venue_order_id);
        } else {
            self.name(slot, &order.venue_order_id);
        }
        let since = order.since_ns;
        self.set_state(slot, state, since);
        Some(slot)
    }

    /// Room for so many orders.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// The order with our id.
    #[inline]
    #[must_use]
    pub fn by_client(&self, id: ClientOrderId) -> Option<Slot> {
        if !id.is_some() {
            return None;
        }
        self.by_client.find(hash_u64(id.0), |slot| self.orders[slot as usize].client_id == id)
    }

    /// The order with the venue's id.
    #[inline]
    #[must_use]
    pub fn by_venue(&self, instrument: InstrumentId, id: &VenueOrderId) -> Option<Slot> {
        if id.is_empty() {
            return None;
        }
        self.by_venue.find(hash_venue(instrument, id), |slot| {
            let order = &self.orders[slot as usize];
            let named = order.venue_order_id == *id || order.former_venue_id == *id;
            order.instrument == instrument && named
        })
    }

    /// The order in a slot that one of the searches gave.
    #[inline]
    #[must_use]
    pub fn get(&self, slot: Slot) -> &Order {
        &self.orders[slot as usize]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, slot: Slot) -> &mut Order {
        &mut self.orders[slot as usize]
    }

    /// Notes the venue's id of an order; the first one stays.
    pub(super) fn name(&mut self, slot: Slot, id: &VenueOrderId) {
        let order = &mut self.orders[slot as usize];
        if order.venue_order_id.is_empty() && !id.is_empty() {
            order.venue_order_id = *id;
            self.by_venue.insert(hash_venue(order.instrument, id), slot);
        }
    }

    /// A replace gave the order another id; the one before still finds it.
    pub(super) fn rename(&mut self, slot: Slot, id: &VenueOrderId) {
        let order = &mut self.orders[slot as usize];
        let oldest = order.former_venue_id;
        order.former_venue_id = std::mem::replace(&mut order.venue_order_id, *id);
        let instrument = order.instrument;
        if !oldest.is_empty() {
            self.by_venue.remove(hash_venue(instrument, &oldest), slot);
        }
        self.by_venue.insert(hash_venue(instrument, id), slot);
    }

    /// The venue's ids find the order no more.
    pub(super) fn forget_venue_ids(&mut self, slot: Slot) {
        let order = &mut self.orders[slot as usize];
        let nameless = VenueOrderId::EMPTY;
        for id in [
            std::mem::replace(&mut order.venue_order_id, nameless),
            std::mem::replace(&mut order.former_venue_id, nameless),
        ] {
            if !id.is_empty() {
                self.by_venue.remove(hash_venue(order.instrument, &id), slot);
            }
        }
    }

    /// Changes the state of an order and the count of open ones.
    pub(super) fn set_state(&mut self, slot: Slot, state: OrderState, now: Nanos) {
        let order = &mut self.orders[slot as usize];
        let (was, is) = (order.state.is_terminal(), state.is_terminal());
        self.unknown -= usize::from(order.state == OrderState::Unknown);
        self.unknown += usize::from(state == OrderState::Unknown);
        order.state = state;
        order.since_ns = now;
        let ours = !order.external;
        if is && !was {
            if ours {
                self.open.remove(slot);
            }
            let order = &mut self.orders[slot as usize];
            if !order.queued_done {
                order.queued_done = true;
                self.done.push_back(slot);
            }
        } else if was && !is && ours {
            self.open.add(slot);
        }
    }

    /// Orders of others that are not terminal.
    #[must_use]
    pub fn external_count(&self) -> usize {
        self.iter().filter(|order| order.external && !order.state.is_terminal()).count()
    }

    /// Orders whose outcome is not known.
    #[must_use]
    pub fn unknown_count(&self) -> usize {
        self.unknown
    }

    /// Orders of ours that are not terminal.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.open.slots().len()
    }

    /// Orders of ours that are not terminal, in no order that means anything; those of others are
    /// not among them.
    pub fn iter_open(&self) -> impl Iterator<Item = &Order> {
        self.open.slots().iter().map(|slot| self.get(*slot))
    }

    /// All orders that the table still holds, oldest slots first.
    pub fn iter(&self) -> impl Iterator<Item = &Order> {
        self.orders.iter()
    }

    pub(super) fn slots(&self) -> std::ops::Range<Slot> {
        0..self.orders.len() as Slot
    }

    fn may_go(&self, slot: Slot) -> bool {
        self.get(slot).may_go()
    }

    /// Frees the slot of the order that ended first.
    fn evict(&mut self) -> Option<Slot> {
        for _ in 0..self.done.len() {
            let slot = self.done.pop_front()?;
            if !self.may_go(slot) {
                if self.get(slot).state.is_terminal() {
                    self.done.push_back(slot);
                } else {
                    // Come back to life; queued again when it ends.
                    self.get_mut(slot).queued_done = false;
                }
                continue;
            }
            let client = hash_u64(self.get(slot).client_id.0);
            self.by_client.remove(client, slot);
            self.forget_venue_ids(slot);
            return Some(slot);
        }
        None
    }
}

fn hash_venue(instrument: InstrumentId, id: &VenueOrderId) -> u64 {
    hash_text(u64::from(instrument.0) << 32, id.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(id: u64) -> Order {
        let order = NewOrder {
            client_id: ClientOrderId(id),
            instrument: InstrumentId(0),
            side: Side::Buy,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            post_only: false,
            reduce_only: false,
            price: Price(1),
            qty: Qty(10),
        };
        Order::new(&order, VenueId(0), SignalId(1), 0, Nanos(1))
    }

    fn end(table: &mut OrderTable, id: u64) {
        let slot = table.by_client(ClientOrderId(id)).unwrap();
        table.set_state(slot, OrderState::Canceled, Nanos(2));
    }

    #[test]
    fn orders_are_found_by_both_ids() {
        let mut table = OrderTable::new(4);
        let slot = table.insert(order(7)).unwrap();
        let venue_id = VenueOrderId::new("abc").unwrap();
        assert_eq!(table.by_venue(InstrumentId(0), &venue_id), None);
        table.name(slot, &venue_id);
        table.name(slot, &VenueOrderId::new("other").unwrap());
        assert_eq!(table.by_venue(InstrumentId(0), &venue_id), Some(slot));
        assert_eq!(table.by_venue(InstrumentId(1), &venue_id), None);
        assert_eq!(table.by_client(ClientOrderId(7)), Some(slot));
        assert_eq!(table.by_client(ClientOrderId::NONE), None);
        assert_eq!(table.by_venue(InstrumentId(0), &VenueOrderId::EMPTY), None);
        assert!(table.insert(order(7)).is_none(), "an id is used once");
    }

    #[test]
    fn the_first_to_end_makes_room_and_the_living_never_do() {
        let mut table = OrderTable::new(3);
        for id in 1..=3 {
            table.insert(order(id)).unwrap();
        }
        assert!(!table.has_room(1));
        assert!(table.insert(order(4)).is_none());
        end(&mut table, 2);
        end(&mut table, 1);
        assert!(table.has_room(2) && !table.has_room(3));
        assert_eq!(table.open_count(), 1);
        table.insert(order(4)).unwrap();
        assert_eq!(table.by_client(ClientOrderId(2)), None);
        assert!(table.by_client(ClientOrderId(1)).is_some(), "late reports still find it");
        table.insert(order(5)).unwrap();
        assert!(table.insert(order(6)).is_none());
        assert_eq!(table.open_count(), 3);
    }

    #[test]
    fn an_ended_order_that_awaits_fills_or_came_back_stays() {
        let mut table = OrderTable::new(2);
        table.insert(order(1)).unwrap();
        table.insert(order(2)).unwrap();
        end(&mut table, 1);
        end(&mut table, 2);
        let slot = table.by_client(ClientOrderId(1)).unwrap();
        table.get_mut(slot).stated = Qty(5);
        table.insert(order(3)).unwrap();
        assert!(table.by_client(ClientOrderId(1)).is_some());
        assert!(!table.has_room(1));
        table.get_mut(slot).filled = Qty(5);
        table.set_state(slot, OrderState::Unknown, Nanos(3));
        assert_eq!(table.open_count(), 2);
        assert!(table.insert(order(4)).is_none());
        end(&mut table, 1);
        table.insert(order(4)).unwrap();
        assert!(table.by_client(ClientOrderId(1)).is_none());
    }

    #[test]
    fn the_worst_case_shrinks_only_with_proof() {
        let mut order = order(1);
        assert_eq!(order.worst_case(), Qty(10));
        order.filled = Qty(4);
        order.state = OrderState::Unknown;
        assert_eq!(order.worst_case(), Qty(6));
        order.state = OrderState::Canceled;
        order.stated = Qty(7);
        assert_eq!(order.worst_case(), Qty(3), "told of, not booked yet");
        order.filled = Qty(7);
        assert_eq!(order.worst_case(), Qty::ZERO);
    }
}

//! One order book of the simulated venue: levels as queues in price-time order.
//!
//! A level's queue holds client orders and anonymous background quantity. A client order queues
//! behind the background that stood there when it came; background that is added later queues
//! behind it; background that is withdrawn leaves from the back of the queue, so a client order
//! never advances because somebody else lost patience. Knows nothing of accounts, fees or events.

use super::SimLevel;
use crate::types::Side;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, VecDeque};

/// One place in a level's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// Anonymous quantity of the flow.
    Background(Decimal),
    /// What is left of a client order.
    Order {
        /// Its id.
        id: u64,
        /// Its quantity still to fill.
        leaves: Decimal,
    },
}

impl Entry {
    pub(super) fn qty(self) -> Decimal {
        match self {
            Self::Background(qty) | Self::Order { leaves: qty, .. } => qty,
        }
    }

    fn with_qty(self, qty: Decimal) -> Self {
        match self {
            Self::Background(_) => Self::Background(qty),
            Self::Order { id, .. } => Self::Order { id, leaves: qty },
        }
    }
}

/// The queue of one price.
#[derive(Clone, Debug, Default)]
struct Queue {
    entries: VecDeque<Entry>,
}

impl Queue {
    fn total(&self) -> Decimal {
        self.entries.iter().map(|entry| entry.qty()).sum()
    }

    fn background(&self) -> Decimal {
        let background = self.entries.iter().filter(|entry| matches!(entry, Entry::Background(_)));
        background.map(|entry| entry.qty()).sum()
    }

    /// `ahead`: what is new in it stands ahead of the orders here.
    fn set_background(&mut self, qty: Decimal, ahead: bool) {
        let present = self.background();
        if qty > present {
            let end = if ahead { self.entries.front_mut() } else { self.entries.back_mut() };
            let new = Entry::Background(qty - present);
            match end {
                Some(Entry::Background(standing)) => *standing += qty - present,
                _ if ahead => self.entries.push_front(new),
                _ => self.entries.push_back(new),
            }
            return;
        }
        let mut excess = present - qty;
        for index in (0..self.entries.len()).rev() {
            if let Entry::Background(standing) = &mut self.entries[index] {
                let cut = excess.min(*standing);
                *standing -= cut;
                excess -= cut;
            }
        }
        self.entries.retain(|entry| !entry.qty().is_zero());
    }
}

/// Both sides of one book, and which levels changed since they were last asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    bids: BTreeMap<Decimal, Queue>,
    asks: BTreeMap<Decimal, Queue>,
    /// Price to the quantity that was shown before the running change.
    changed_bids: BTreeMap<Decimal, Decimal>,
    changed_asks: BTreeMap<Decimal, Decimal>,
}

impl Book {
    fn side(&self, side: Side) -> &BTreeMap<Decimal, Queue> {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    /// Best price of a side.
    pub(super) fn best(&self, side: Side) -> Option<Decimal> {
        match side {
            Side::Buy => self.bids.last_key_value(),
            Side::Sell => self.asks.first_key_value(),
        }
        .map(|(price, _)| *price)
    }

    /// Up to `limit` levels of a side, best first.
    pub(super) fn levels(&self, side: Side, limit: usize) -> Vec<SimLevel> {
        let show = |(price, queue): (&Decimal, &Queue)| (*price, queue.total());
        match side {
            Side::Buy => self.bids.iter().rev().take(limit).map(show).collect(),
            Side::Sell => self.asks.iter().take(limit).map(show).collect(),
        }
    }

    /// Whether an order of `side` at `price` would meet the other side.
    pub(super) fn crosses(&self, side: Side, price: Decimal) -> bool {
        self.best(side.opposite()).is_some_and(|best| within(side, best, Some(price)))
    }

    /// Places of `side`'s book that an aggressor with this limit meets, in matching order.
    pub(super) fn reach(
        &self,
        side: Side,
        limit: Option<Decimal>,
    ) -> Box<dyn Iterator<Item = (Decimal, Entry)> + '_> {
        let taker = side.opposite();
        let inside = move |item: &(&Decimal, &Queue)| within(taker, *item.0, limit);
        let spread = |(price, queue): (&Decimal, &'_ Queue)| {
            let price = *price;
            queue.entries.clone().into_iter().map(move |entry| (price, entry))
        };
        match side {
            Side::Buy => Box::new(self.bids.iter().rev().take_while(inside).flat_map(spread)),
            Side::Sell => Box::new(self.asks.iter().take_while(inside).flat_map(spread)),
        }
    }

    /// First place of a side within the limit of an aggressor.
    pub(super) fn front(&self, side: Side, limit: Option<Decimal>) -> Option<(Decimal, Entry)> {
        let price = self.best(side)?;
        if !within(side.opposite(), price, limit) {
            return None;
        }
        self.front_at(side, price)
    }

    /// First place at one price.
    pub(super) fn front_at(&self, side: Side, price: Decimal) -> Option<(Decimal, Entry)> {
        let entry = self.side(side).get(&price)?.entries.front()?;
        Some((price, *entry))
    }

    /// Takes `qty` from the first place at a price.
    pub(super) fn take_front(&mut self, side: Side, price: Decimal, qty: Decimal) {
        self.change(side, price, |queue| {
            if let Some(front) = queue.entries.front_mut() {
                debug_assert!(qty <= front.qty(), "no more is taken than stands there");
                *front = front.with_qty(front.qty() - qty);
                if front.qty().is_zero() {
                    queue.entries.pop_front();
                }
            }
        });
    }

    /// Takes `qty` from the order wherever it queues.
    pub(super) fn take_order(&mut self, side: Side, price: Decimal, id: u64, qty: Decimal) {
        self.change(side, price, |queue| {
            for entry in &mut queue.entries {
                if matches!(entry, Entry::Order { id: standing, .. } if *standing == id) {
                    *entry = entry.with_qty(entry.qty() - qty);
                }
            }
            queue.entries.retain(|entry| !entry.qty().is_zero());
        });
    }

    /// Queues an order behind everything at its price.
    pub(super) fn add_order(&mut self, side: Side, price: Decimal, id: u64, leaves: Decimal) {
        self.change(side, price, |queue| queue.entries.push_back(Entry::Order { id, leaves }));
    }

    /// Sets the background quantity of a price.
    pub(super) fn set_background(&mut self, side: Side, price: Decimal, qty: Decimal) {
        self.put_background(side, price, qty, false);
    }

    /// The same of what stood there before it was seen.
    pub(super) fn reveal_background(&mut self, side: Side, price: Decimal, qty: Decimal) {
        self.put_background(side, price, qty, true);
    }

    fn put_background(&mut self, side: Side, price: Decimal, qty: Decimal, ahead: bool) {
        let present = self.side(side).get(&price).map_or(Decimal::ZERO, Queue::background);
        if qty != present {
            self.change(side, price, |queue| queue.set_background(qty, ahead));
        }
    }

    /// Levels whose shown quantity changed since the last call: bids, asks.
    pub(super) fn take_changes(&mut self) -> (Vec<SimLevel>, Vec<SimLevel>) {
        let bids = std::mem::take(&mut self.changed_bids);
        let asks = std::mem::take(&mut self.changed_asks);
        (differences(bids, &self.bids), differences(asks, &self.asks))
    }

    fn change(&mut self, side: Side, price: Decimal, act: impl FnOnce(&mut Queue)) {
        let (levels, changed) = match side {
            Side::Buy => (&mut self.bids, &mut self.changed_bids),
            Side::Sell => (&mut self.asks, &mut self.changed_asks),
        };
        let queue = levels.entry(price).or_default();
        changed.entry(price).or_insert_with(|| queue.total());
        act(queue);
        if queue.entries.is_empty() {
            levels.remove(&price);
        }
    }
}

fn differences(
    before: BTreeMap<Decimal, Decimal>,
    levels: &BTreeMap<Decimal, Queue>,
) -> Vec<SimLevel> {
    let now = |price: &Decimal| levels.get(price).map_or(Decimal::ZERO, Queue::total);
    let present = before.into_iter().map(|(price, qty)| (price, qty, now(&price)));
    present.filter(|(_, old, new)| old != new).map(|(price, _, new)| (price, new)).collect()
}

/// Whether a resting price satisfies an aggressor of side `taker` with this limit.
fn within(taker: Side, price: Decimal, limit: Option<Decimal>) -> bool {
    match (taker, limit) {
        (_, None) => true,
        (Side::Buy, Some(limit)) => price <= limit,
        (Side::Sell, Some(limit)) => price >= limit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn background_queues_in_time_order_and_leaves_from_the_back() {
        let mut book = Book::default();
        let price = dec("100.00");
        book.set_background(Side::Buy, price, dec("5"));
        book.add_order(Side::Buy, price, 7, dec("2"));
        book.set_background(Side::Buy, price, dec("9"));
        let queue: Vec<_> = book.reach(Side::Buy, None).map(|(_, entry)| entry).collect();
        let order = Entry::Order { id: 7, leaves: dec("2") };
        assert_eq!(
            queue,
            [Entry::Background(dec("5")), order, Entry::Background(dec("4"))],
            "the increase stands behind the order"
        );
        book.set_background(Side::Buy, price, dec("3"));
        let queue: Vec<_> = book.reach(Side::Buy, None).map(|(_, entry)| entry).collect();
        assert_eq!(queue, [Entry::Background(dec("3")), order], "withdrawn from the back first");
        assert_eq!(book.levels(Side::Buy, 9), [(price, dec("5"))]);
    }

    #[test]
    fn only_levels_that_show_another_quantity_are_changes() {
        let mut book = Book::default();
        book.set_background(Side::Sell, dec("101"), dec("1"));
        book.set_background(Side::Sell, dec("102"), dec("1"));
        let shown = vec![(dec("101"), dec("1")), (dec("102"), dec("1"))];
        assert_eq!(book.take_changes(), (vec![], shown));
        book.set_background(Side::Sell, dec("101"), dec("3"));
        book.set_background(Side::Sell, dec("101"), dec("1"));
        book.set_background(Side::Sell, dec("102"), dec("0"));
        book.set_background(Side::Sell, dec("103"), dec("0"));
        assert_eq!(book.take_changes(), (vec![], vec![(dec("102"), dec("0"))]));
    }

    #[test]
    fn aggressors_meet_prices_within_their_limit_only() {
        let mut book = Book::default();
        book.set_background(Side::Sell, dec("101"), dec("1"));
        assert!(!book.crosses(Side::Buy, dec("100.99")));
        assert!(book.crosses(Side::Buy, dec("101")));
        assert!(!book.crosses(Side::Sell, dec("1")), "there are no bids");
        assert_eq!(book.front(Side::Sell, Some(dec("100"))), None);
    }
}

//! One order book of the simulated venue: levels as queues in price-time order.
//!
//! A level's queue holds client orders and anonymous background quantity. A client order queues
//! behind the background that stood there when it came; background that is added later queues
//! behind it; background that is withdrawn leaves from the back of the queue, so a client order
//! never advances because somebody else lost patience. Knows nothing of accounts, fees or events.
//!
//! Of a market elsewhere the book may come before the print of the same trade. So what leaves there
//! keeps its place for a while: a print takes that first, and not once more from who stood behind.

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

/// Background that has left a place lately: by a trade that is still to be told of, or for good.
#[derive(Clone, Copy, Debug)]
struct Left {
    qty: Decimal,
    seen: Seen,
}

/// When a change was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Time of the venue.
    pub(super) now_ms: u64,
    /// Of the next order: one with this id or a later one came after the change.
    pub(super) next_id: u64,
}

/// A print that is not told of for so long is not coming.
const PRINT_LAG_MS: u64 = 500;

impl Left {
    fn is_recent(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.seen.now_ms) <= PRINT_LAG_MS
    }
}

/// One place in a queue.
#[derive(Clone, Copy, Debug)]
enum Place {
    Taken(Entry),
    Left(Left),
}

/// How background changes.
#[derive(Clone, Copy, Debug)]
enum Change {
    /// What is new queues behind everything.
    Set,
    /// What is new was there before the orders.
    Reveal,
    /// What leaves keeps its place for a while.
    Follow(Seen),
}

/// The queue of one price.
#[derive(Clone, Debug, Default)]
struct Queue {
    places: VecDeque<Place>,
}

impl Queue {
    fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.places.iter().filter_map(|place| match place {
            Place::Taken(entry) => Some(*entry),
            Place::Left(_) => None,
        })
    }

    fn left(&self, now_ms: u64) -> impl Iterator<Item = &Left> + '_ {
        self.places.iter().filter_map(move |place| match place {
            Place::Left(left) if left.is_recent(now_ms) => Some(left),
            _ => None,
        })
    }

    fn total(&self) -> Decimal {
        self.entries().map(Entry::qty).sum()
    }

    fn background(&self) -> Decimal {
        let background = self.entries().filter(|entry| matches!(entry, Entry::Background(_)));
        background.map(Entry::qty).sum()
    }

    fn set_background(&mut self, qty: Decimal, how: Change) {
        let present = self.background();
        if qty < present {
            let seen = if let Change::Follow(seen) = how { Some(seen) } else { None };
            return self.withdraw(present - qty, seen);
        }
        let ahead = matches!(how, Change::Reveal);
        let end = if ahead { self.places.front_mut() } else { self.places.back_mut() };
        let new = Place::Taken(Entry::Background(qty - present));
        match end {
            Some(Place::Taken(Entry::Background(standing))) => *standing += qty - present,
            _ if ahead => self.places.push_front(new),
            _ => self.places.push_back(new),
        }
    }

    /// Takes background away from the back; `seen` if it is to keep its place.
    fn withdraw(&mut self, mut excess: Decimal, seen: Option<Seen>) {
        if let Some(seen) = seen {
            self.forget(seen.now_ms);
        }
        for index in (0..self.places.len()).rev() {
            let Place::Taken(Entry::Background(standing)) = &mut self.places[index] else {
                continue;
            };
            let cut = excess.min(*standing);
            *standing -= cut;
            excess -= cut;
            if let (Some(seen), false) = (seen, cut.is_zero()) {
                self.places.insert(index + 1, Place::Left(Left { qty: cut, seen }));
            }
        }
        self.close_ranks();
    }

    /// Puts up to `qty` of what has left back where it stood, from the front.
    fn restore(&mut self, mut qty: Decimal, now_ms: u64) {
        self.forget(now_ms);
        let mut at = 0;
        while let (Some(place), false) = (self.places.get_mut(at), qty.is_zero()) {
            if let Place::Left(left) = place {
                let back = qty.min(left.qty);
                left.qty -= back;
                qty -= back;
                self.places.insert(at, Place::Taken(Entry::Background(back)));
                at += 1;
            }
            at += 1;
        }
        self.close_ranks();
    }

    /// Forgets what has left too long ago.
    fn forget(&mut self, now_ms: u64) {
        self.places.retain(|place| match place {
            Place::Taken(_) => true,
            Place::Left(left) => left.is_recent(now_ms),
        });
    }

    fn close_ranks(&mut self) {
        self.places.retain(|place| match place {
            Place::Taken(entry) => !entry.qty().is_zero(),
            Place::Left(left) => !left.qty.is_zero(),
        });
    }
}

/// Both sides of one book, and which levels changed since they were last asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    bids: BTreeMap<Decimal, Queue>,
    asks: BTreeMap<Decimal, Queue>,
    /// Prices at which nothing stands any more, bids as `true`, and what has left them lately.
    faded: BTreeMap<(bool, Decimal), Queue>,
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
        let entry = self.side(side).get(&price)?.entries().next()?;
        Some((price, entry))
    }

    /// Takes `qty` from the first place at a price.
    pub(super) fn take_front(&mut self, side: Side, price: Decimal, qty: Decimal) {
        self.change(side, price, |queue| {
            let front = queue.places.iter_mut().find_map(|place| match place {
                Place::Taken(entry) => Some(entry),
                Place::Left(_) => None,
            });
            if let Some(front) = front {
                debug_assert!(qty <= front.qty(), "no more is taken than stands there");
                *front = front.with_qty(front.qty() - qty);
            }
            queue.close_ranks();
        });
    }

    /// Takes `qty` from the order wherever it queues.
    pub(super) fn take_order(&mut self, side: Side, price: Decimal, id: u64, qty: Decimal) {
        self.change(side, price, |queue| {
            for place in &mut queue.places {
                match place {
                    Place::Taken(Entry::Order { id: standing, leaves }) if *standing == id => {
                        *leaves -= qty;
                    }
                    _ => {}
                }
            }
            queue.close_ranks();
        });
    }

    /// Queues an order behind everything at its price.
    pub(super) fn add_order(&mut self, side: Side, price: Decimal, id: u64, leaves: Decimal) {
        let order = Place::Taken(Entry::Order { id, leaves });
        self.change(side, price, |queue| queue.places.push_back(order));
    }

    /// Sets the background quantity of a price.
    pub(super) fn set_background(&mut self, side: Side, price: Decimal, qty: Decimal) {
        self.put_background(side, price, qty, Change::Set);
    }

    /// The same of what stood there before it was seen.
    pub(super) fn reveal_background(&mut self, side: Side, price: Decimal, qty: Decimal) {
        self.put_background(side, price, qty, Change::Reveal);
    }

    /// The same of a book whose prints may come later: what leaves keeps its place for a while.
    pub(super) fn follow_background(
        &mut self,
        side: Side,
        price: Decimal,
        qty: Decimal,
        seen: Seen,
    ) {
        self.put_background(side, price, qty, Change::Follow(seen));
    }

    /// Puts what has left a price lately back to its places, as far as a print of `qty` tells of it.
    pub(super) fn restore(&mut self, side: Side, price: Decimal, qty: Decimal, now_ms: u64) {
        let key = (side == Side::Buy, price);
        if self.faded.contains_key(&key) || self.side(side).contains_key(&price) {
            self.change(side, price, |queue| queue.restore(qty, now_ms));
        }
    }

    /// What had left a price lately before this order came: a print of that is not of its time.
    pub(super) fn left_before(&self, side: Side, price: Decimal, id: u64, now_ms: u64) -> Decimal {
        let faded = self.faded.get(&(side == Side::Buy, price));
        let queue = self.side(side).get(&price).or(faded);
        let left = queue.into_iter().flat_map(|queue| queue.left(now_ms));
        left.filter(|left| left.seen.next_id <= id).map(|left| left.qty).sum()
    }

    /// Forgets what has left too long ago where nothing stands any more.
    pub(super) fn forget(&mut self, now_ms: u64) {
        self.faded.retain(|_, queue| queue.left(now_ms).next().is_some());
    }

    fn put_background(&mut self, side: Side, price: Decimal, qty: Decimal, how: Change) {
        let present = self.side(side).get(&price).map_or(Decimal::ZERO, Queue::background);
        if qty != present {
            self.change(side, price, |queue| queue.set_background(qty, how));
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
        let (is_bid, faded) = (side == Side::Buy, &mut self.faded);
        let present = levels.remove(&price).or_else(|| faded.remove(&(is_bid, price)));
        let mut queue = present.unwrap_or_default();
        changed.entry(price).or_insert_with(|| queue.total());
        act(&mut queue);
        if queue.entries().next().is_some() {
            levels.insert(price, queue);
        } else if !queue.places.is_empty() {
            faded.insert((is_bid, price), queue);
        }
    }
}

fn spread<'q>(
    (price, queue): (&'q Decimal, &'q Queue),
) -> impl Iterator<Item = (Decimal, Entry)> + 'q {
    queue.entries().map(move |entry| (*price, entry))
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

//! The levels of one book: a ladder of ticks around the best price, and a sorted list for the few
//! levels outside it.
//!
//! Each side is a window of consecutive ticks, one quantity each, with a bitmap that says which of
//! them exist. The window is a ring addressed by tick number, so moving it along with the market
//! touches only the levels that enter or leave it. Levels outside the window (deep ones, and any
//! whose price is not a multiple of the tick size) wait in a sorted list of bounded length; when
//! that is full the deepest level is forgotten and the ladder remembers how far it is complete.
//! This is not a matching engine and knows nothing of update ids: see [`super::Book`].

#![forbid(unsafe_code)]

use super::bitmap::Bitmap;
use crate::types::{Level, Price, Qty, Side};

/// Largest price of a level: leaves room for the arithmetic of the window on both signs.
const PRICE_MAX: i64 = i64::MAX / 4;

/// Sizes of a [`Ladder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LadderOptions {
    /// Ticks of the window of each side; raised to a power of two and to at least 4096. Costs 8
    /// bytes a tick and side.
    pub window_ticks: usize,
    /// Most levels a side outside the window.
    pub far_levels: usize,
    /// Levels a side that [`Ladder::best_levels`] gives.
    pub shown_levels: usize,
}

impl Default for LadderOptions {
    fn default() -> Self {
        Self { window_ticks: 32_768, far_levels: 8_192, shown_levels: 20 }
    }
}

/// Both sides of one book.
#[derive(Clone, Debug)]
pub struct Ladder {
    bids: Half,
    asks: Half,
}

impl Ladder {
    /// An empty book of an instrument with this tick size; one that is not positive counts as 1.
    #[must_use]
    pub fn new(tick_size: Price, options: LadderOptions) -> Self {
        Self {
            bids: Half::new(Side::Buy, tick_size, options),
            asks: Half::new(Side::Sell, tick_size, options),
        }
    }

    /// Sets one level; a quantity of zero removes it, known or not. Levels without a
    /// positive price, or with one that no market has, are ignored.
    #[inline]
    pub fn apply(&mut self, side: Side, level: Level) {
        let half = self.half_mut(side);
        half.set(level);
        half.follow();
    }

    /// Sets all levels of one message. Cheaper than one by one: the windows move at most once.
    #[inline]
    pub fn apply_all(&mut self, bids: &[Level], asks: &[Level]) {
        for &level in bids {
            self.bids.set(level);
        }
        self.bids.follow();
        for &level in asks {
            self.asks.set(level);
        }
        self.asks.follow();
    }

    /// Highest bid.
    #[inline]
    #[must_use]
    pub fn best_bid(&self) -> Option<Level> {
        self.bids.best()
    }

    /// Lowest ask.
    #[inline]
    #[must_use]
    pub fn best_ask(&self) -> Option<Level> {
        self.asks.best()
    }

    /// Whether the best bid is not below the best ask, which no matching engine leaves behind.
    #[inline]
    #[must_use]
    pub fn is_crossed(&self) -> bool {
        match (self.best_bid(), self.best_ask()) {
            (Some(bid), Some(ask)) => bid.price >= ask.price,
            _ => false,
        }
    }

    /// Writes the best levels of one side, best first, and says how many there were.
    pub fn top(&self, side: Side, out: &mut [Level]) -> usize {
        self.half(side).levels_from(i64::MAX, out)
    }

    /// The best levels of bids and asks, best first: at most [`LadderOptions::shown_levels`] each.
    /// Costs what has changed since the last call, not what the book holds.
    #[inline]
    pub fn best_levels(&mut self) -> (&[Level], &[Level]) {
        (self.bids.best_levels(), self.asks.best_levels())
    }

    /// Quantity at a price, zero if there is no such level.
    #[must_use]
    pub fn qty_at(&self, side: Side, price: Price) -> Qty {
        self.half(side).qty_at(price)
    }

    /// Number of levels of one side.
    #[must_use]
    pub fn len(&self, side: Side) -> usize {
        let half = self.half(side);
        half.window_len + half.far_len
    }

    /// Whether neither side has a level.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len(Side::Buy) + self.len(Side::Sell) == 0
    }

    /// The memory of its windows, a side each, for whoever wants the kernel to have it ready. What
    /// is in it stays.
    pub fn memory(&mut self) -> [&mut [i64]; 2] {
        [&mut self.bids.window, &mut self.asks.window]
    }

    /// Forgets all levels, keeping the memory.
    pub fn clear(&mut self) {
        self.bids.clear();
        self.asks.clear();
    }

    /// Whether the market has moved to where levels had to be forgotten: only a new snapshot makes
    /// the book whole again.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.bids.is_incomplete() || self.asks.is_incomplete()
    }

    /// Levels forgotten for want of room since the book was made.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.bids.forgotten + self.asks.forgotten
    }

    fn half(&self, side: Side) -> &Half {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    fn half_mut(&mut self, side: Side) -> &mut Half {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}

/// A level outside the window. `rank` is the price with the sign that makes better larger. A
/// quantity of 0 is a removed level that keeps its place: deep levels come and go at the same few
/// prices, and moving the list for each would cost more than all the rest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Far {
    pub(super) rank: i64,
    pub(super) qty: i64,
}

/// One side. Inside, prices are ranks: bids as they are, asks negated, so that the best is always
/// the largest and one code serves both. A key is the rank in ticks.
#[derive(Clone, Debug)]
pub(super) struct Half {
    pub(super) sign: i64,
    pub(super) tick: i64,
    /// Quantity of key `k` stands at `k & mask`; only meaningful where `present` has the bit.
    pub(super) window: Box<[i64]>,
    pub(super) present: Bitmap,
    pub(super) mask: i64,
    pub(super) window_len: usize,
    /// Lowest key of the window; the window is `base..base + window.len()`.
    pub(super) base: i64,
    /// Largest key in the window; meaningless while `window_len` is 0.
    pub(super) top: i64,
    /// Levels outside the window or off the tick, ascending by rank: the best is the last, and it
    /// is never a removed one.
    pub(super) far: Vec<Far>,
    /// Those of `far` that are not removed.
    pub(super) far_len: usize,
    pub(super) far_max: usize,
    /// Largest rank ever forgotten since the last clear: complete above it.
    pub(super) horizon: i64,
    pub(super) forgotten: u64,
    /// What [`Half::best_levels`] gave the last time.
    pub(super) shown: Box<[Level]>,
    pub(super) shown_len: usize,
    /// Best rank that has changed since; `i64::MIN` if none has.
    pub(super) changed: i64,
}

impl Half {
    fn new(side: Side, tick_size: Price, options: LadderOptions) -> Self {
        let size = options.window_ticks.max(Bitmap::SIZE_MIN).next_power_of_two();
        let far_max = options.far_levels.max(1);
        Self {
            sign: side.sign(),
            tick: tick_size.0.max(1),
            window: vec![0; size].into_boxed_slice(),
            present: Bitmap::new(size),
            mask: size as i64 - 1,
            window_len: 0,
            base: 0,
            top: 0,
            far: Vec::with_capacity(far_max),
            far_len: 0,
            far_max,
            horizon: i64::MIN,
            forgotten: 0,
            shown: vec![Level::default(); options.shown_levels].into_boxed_slice(),
            shown_len: 0,
            changed: i64::MIN,
        }
    }

    #[inline]
    fn set(&mut self, level: Level) {
        if level.price.0 <= 0 || level.price.0 > PRICE_MAX {
            return;
        }
        if self.window_len == 0 && self.far.is_empty() && level.qty.0 > 0 {
            self.base = self.base_for(self.sign * level.price.0);
        }
        self.changed = self.changed.max(self.sign * level.price.0);
        match self.key_in_window(level.price.0) {
            Some(key) if level.qty.0 > 0 => self.insert(key, level.qty.0),
            Some(key) => self.remove(key),
            None => self.set_far(self.sign * level.price.0, level.qty.0),
        }
    }

    /// Key of a price that is on the tick and in the window.
    #[inline]
    fn key_in_window(&self, price: i64) -> Option<i64> {
        let ticks = div_rem(price, self.tick)?;
        let key = self.sign * ticks;
        ((key - self.base) as u64 <= self.mask as u64).then_some(key)
    }

    #[inline]
    fn insert(&mut self, key: i64, qty: i64) {
        let position = (key & self.mask) as usize;
        self.window[position] = qty;
        if self.present.insert(position) {
            if self.window_len == 0 || key > self.top {
                self.top = key;
            }
            self.window_len += 1;
        }
    }

    #[inline]
    fn remove(&mut self, key: i64) {
        let position = (key & self.mask) as usize;
        if self.present.remove(position) {
            self.window_len -= 1;
            if key == self.top && self.window_len > 0 {
                self.top = self.next_below(key);
            }
        }
    }

    /// Next key of the window below `key`; there must be one.
    #[inline]
    fn next_below(&self, key: i64) -> i64 {
        let position = self.present.below((key & self.mask) as usize).unwrap_or(0);
        key - ((key - position as i64) & self.mask)
    }

    #[cold]
    #[inline(never)]
    fn set_far(&mut self, rank: i64, qty: i64) {
        match self.far.binary_search_by(|far| far.rank.cmp(&rank)) {
            Ok(index) => {
                let old = std::mem::replace(&mut self.far[index].qty, qty.max(0));
                self.far_len += usize::from(qty > 0);
                self.far_len -= usize::from(old > 0);
                self.trim_far();
            }
            Err(_) if qty <= 0 => {}
            Err(index) => self.insert_far(index, Far { rank, qty }),
        }
    }

    /// Inserts before `index`. If the list is full, removed levels make room; if there are few of
    /// those, the deepest level goes, old or new.
    fn insert_far(&mut self, mut index: usize, far: Far) {
        if self.far.len() == self.far_max && self.far_len <= self.far_max / 8 * 7 {
            self.far.retain(|far| far.qty > 0);
            index = self.far.partition_point(|other| other.rank < far.rank);
        }
        if self.far.len() < self.far_max {
            self.far.insert(index, far);
            self.far_len += 1;
            return;
        }
        let deepest = self.far[0];
        if index == 0 || deepest.qty > 0 {
            self.forgotten += 1;
            let rank = if index == 0 { far.rank } else { deepest.rank };
            self.horizon = self.horizon.max(rank);
            self.changed = self.changed.max(rank);
        }
        if index > 0 {
            self.far.copy_within(1..index, 0);
            self.far[index - 1] = far;
            self.far_len += usize::from(deepest.qty == 0);
        }
    }

    /// Keeps the last of the list a real level.
    fn trim_far(&mut self) {
        while self.far.last().is_some_and(|far| far.qty == 0) {
            self.far.pop();
        }
    }

    #[inline]
    fn best(&self) -> Option<Level> {
        let far = self.far.last();
        if self.window_len == 0 {
            return far.map(|far| self.far_level(far));
        }
        let rank = self.top * self.tick;
        match far {
            Some(far) if far.rank > rank => Some(self.far_level(far)),
            _ => Some(self.window_level(self.top)),
        }
    }

    fn qty_at(&self, price: Price) -> Qty {
        if let Some(key) = self.key_in_window(price.0) {
            let position = (key & self.mask) as usize;
            return Qty(if self.present.contains(position) { self.window[position] } else { 0 });
        }
        let rank = self.sign.saturating_mul(price.0);
        match self.far.binary_search_by(|far| far.rank.cmp(&rank)) {
            Ok(index) => Qty(self.far[index].qty),
            Err(_) => Qty::ZERO,
        }
    }

    /// Keeps the best price in the upper part of the window: a quarter of it above for the market
    /// to move into, the rest below for the depth. Moves only when the best has left it upwards or
    /// sunk into the lowest quarter.
    #[inline]
    fn follow(&mut self) {
        let best = match self.far.last() {
            Some(far) if self.window_len == 0 || far.rank > self.top * self.tick => far.rank,
            _ if self.window_len == 0 => return,
            _ => self.top * self.tick,
        };
        let place = best.div_euclid(self.tick) - self.base;
        if place > self.mask || place < (self.mask + 1) / 4 {
            self.recentre(self.base_for(best));
        }
    }

    fn base_for(&self, best_rank: i64) -> i64 {
        best_rank.div_euclid(self.tick) - (self.mask + 1) / 4 * 3
    }

    #[cold]
    #[inline(never)]
    fn recentre(&mut self, base: i64) {
        let end = base + self.mask + 1;
        // Out of the window: what the new one does not cover.
        let (mut left, mut key) = (self.window_len, self.top);
        while left > 0 {
            left -= 1;
            let next = if left > 0 { self.next_below(key) } else { key };
            if !(base..end).contains(&key) {
                let qty = self.window[(key & self.mask) as usize];
                self.remove(key);
                self.set_far(key * self.tick, qty);
            }
            key = next;
        }
        // Into the window: far levels on the tick that it now covers.
        self.base = base;
        let (low, high) = (base.saturating_mul(self.tick), (end - 1).saturating_mul(self.tick));
        let first = self.far.partition_point(|far| far.rank < low);
        let last = self.far.partition_point(|far| far.rank <= high);
        let mut kept = first;
        for index in first..last {
            let far = self.far[index];
            if far.qty == 0 {
                continue;
            }
            if far.rank % self.tick == 0 {
                self.insert(far.rank / self.tick, far.qty);
                self.far_len -= 1;
            } else {
                self.far[kept] = far;
                kept += 1;
            }
        }
        self.far.drain(kept..last);
        self.trim_far();
    }

    fn is_incomplete(&self) -> bool {
        // Ranks at or below the horizon may be missing; that matters once the window reaches it.
        self.horizon != i64::MIN && self.horizon >= self.base.saturating_mul(self.tick)
    }

    fn clear(&mut self) {
        self.present.clear();
        self.window_len = 0;
        self.far.clear();
        self.far_len = 0;
        self.horizon = i64::MIN;
        self.changed = i64::MAX;
    }

    #[inline]
    pub(super) fn window_level(&self, key: i64) -> Level {
        Level {
            price: Price(self.sign * key * self.tick),
            qty: Qty(self.window[(key & self.mask) as usize]),
        }
    }

    pub(super) fn far_level(&self, far: &Far) -> Level {
        Level { price: Price(self.sign * far.rank), qty: Qty(far.qty) }
    }
}

/// `price / tick` if that is whole. Narrow division where both fit: about half the time of a wide
/// one on older cores.
#[inline]
fn div_rem(price: i64, tick: i64) -> Option<i64> {
    if tick == 1 {
        return Some(price);
    }
    if let (Ok(price), Ok(tick)) = (u32::try_from(price), u32::try_from(tick)) {
        return (price % tick == 0).then_some(i64::from(price / tick));
    }
    (price % tick == 0).then_some(price / tick)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const SMALL: LadderOptions =
        LadderOptions { window_ticks: 4_096, far_levels: 2_000, shown_levels: 7 };

    fn level(price: i64, qty: i64) -> Level {
        Level { price: Price(price), qty: Qty(qty) }
    }

    fn top(ladder: &Ladder, side: Side, count: usize) -> Vec<(i64, i64)> {
        let mut out = vec![Level::default(); count];
        let len = ladder.top(side, &mut out);
        out[..len].iter().map(|level| (level.price.0, level.qty.0)).collect()
    }

    #[test]
    fn best_levels_come_best_first_on_both_sides() {
        let mut ladder = Ladder::new(Price(10), SMALL);
        assert_eq!((ladder.best_bid(), ladder.best_ask()), (None, None));
        ladder.apply_all(
            &[level(1_000, 1), level(980, 2), level(990, 3)],
            &[level(1_010, 4), level(1_030, 5), level(1_020, 6)],
        );
        assert_eq!(top(&ladder, Side::Buy, 5), [(1_000, 1), (990, 3), (980, 2)]);
        assert_eq!(top(&ladder, Side::Sell, 2), [(1_010, 4), (1_020, 6)]);
        ladder.apply(Side::Buy, level(1_000, 0));
        ladder.apply(Side::Sell, level(1_010, 7));
        assert_eq!(ladder.best_bid(), Some(level(990, 3)));
        assert_eq!(ladder.best_ask(), Some(level(1_010, 7)));
        assert!(!ladder.is_crossed());
        ladder.apply(Side::Buy, level(1_010, 1));
        assert!(ladder.is_crossed());
        ladder.clear();
        assert!(ladder.is_empty());
        assert_eq!(top(&ladder, Side::Buy, 5), []);
    }

    #[test]
    fn levels_survive_the_market_moving_away_and_back() {
        let mut ladder = Ladder::new(Price(1), SMALL);
        for price in 9_000..=10_000 {
            ladder.apply(Side::Buy, level(price, price));
            ladder.apply(Side::Sell, level(price + 1_001, price));
        }
        let (bids, asks) = (top(&ladder, Side::Buy, 2_000), top(&ladder, Side::Sell, 2_000));
        // Far above the window, then gone again: twice across every edge.
        ladder.apply(Side::Sell, level(500_001, 9));
        ladder.apply(Side::Buy, level(500_000, 1));
        assert_eq!(ladder.best_bid(), Some(level(500_000, 1)));
        assert_eq!(ladder.qty_at(Side::Buy, Price(9_500)), Qty(9_500));
        assert_eq!(ladder.len(Side::Buy), 1_002);
        ladder.apply(Side::Buy, level(500_000, 0));
        ladder.apply(Side::Sell, level(500_001, 0));
        assert_eq!(top(&ladder, Side::Buy, 2_000), bids);
        assert_eq!(top(&ladder, Side::Sell, 2_000), asks);
    }

    #[test]
    fn a_price_off_the_tick_still_has_its_place() {
        let mut ladder = Ladder::new(Price(10), SMALL);
        ladder.apply_all(&[level(1_000, 1), level(985, 2), level(980, 3), level(1_005, 4)], &[]);
        let expected = [(1_005, 4), (1_000, 1), (985, 2), (980, 3)];
        assert_eq!(top(&ladder, Side::Buy, 9), expected);
        ladder.apply(Side::Buy, level(1_005, 0));
        assert_eq!(ladder.best_bid(), Some(level(1_000, 1)));
        assert_eq!(ladder.qty_at(Side::Buy, Price(985)), Qty(2));
    }

    #[test]
    fn far_levels_are_bounded_and_the_deepest_is_forgotten() {
        let options = LadderOptions { window_ticks: 4_096, far_levels: 3, ..SMALL };
        let mut ladder = Ladder::new(Price(1), options);
        ladder.apply(Side::Buy, level(100_000, 1));
        for price in [50_000, 40_000, 60_000, 45_000, 30_000] {
            ladder.apply(Side::Buy, level(price, 1));
        }
        assert_eq!(
            top(&ladder, Side::Buy, 9),
            [(100_000, 1), (60_000, 1), (50_000, 1), (45_000, 1)]
        );
        assert_eq!(ladder.forgotten(), 2);
        assert!(!ladder.is_incomplete(), "nothing is missing near the market");
        ladder.apply_all(&[level(100_000, 0), level(60_000, 0), level(50_000, 0)], &[]);
        assert!(!ladder.is_incomplete(), "45000 is still above what was forgotten");
        ladder.apply_all(&[level(45_000, 0), level(41_000, 1)], &[]);
        assert!(ladder.is_incomplete(), "40000 was forgotten and the market has come to it");
        ladder.clear();
        assert!(!ladder.is_incomplete());
    }

    #[test]
    fn impossible_prices_are_ignored() {
        let mut ladder = Ladder::new(Price(1), SMALL);
        for price in [0, -1, i64::MIN, i64::MAX] {
            ladder.apply(Side::Buy, level(price, 1));
            ladder.apply(Side::Sell, level(price, 1));
        }
        assert!(ladder.is_empty());
        for (price, side) in [(PRICE_MAX, Side::Sell), (1, Side::Sell), (PRICE_MAX, Side::Buy)] {
            ladder.apply(side, level(price, 1));
            assert_eq!(ladder.qty_at(side, Price(price)), Qty(1));
        }
        assert_eq!(top(&ladder, Side::Sell, 3), [(1, 1), (PRICE_MAX, 1)]);
    }

    /// Prices near one another, some far away, some off the tick of 5.
    fn price() -> impl Strategy<Value = i64> {
        prop_oneof![
            6 => (0i64..200).prop_map(|ticks| 500_000 + 5 * ticks),
            2 => (0i64..12_000).prop_map(|ticks| 480_000 + 5 * ticks),
            1 => 1i64..2_000_000,
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_a_tree_after_every_message(
            messages in prop::collection::vec(
                prop::collection::vec((any::<bool>(), price(), 0i64..4), 1..20), 1..60),
        ) {
            let mut ladder = Ladder::new(Price(5), SMALL);
            let mut trees = [BTreeMap::new(), BTreeMap::new()];
            for message in messages {
                let (mut bids, mut asks) = (Vec::new(), Vec::new());
                for (buy, price, qty) in message {
                    let (list, tree) =
                        if buy { (&mut bids, &mut trees[0]) } else { (&mut asks, &mut trees[1]) };
                    list.push(level(price, qty));
                    if qty == 0 { tree.remove(&price); } else { tree.insert(price, qty); }
                }
                ladder.apply_all(&bids, &asks);
                let tree_bids: Vec<_> = trees[0].iter().rev().map(|(p, q)| (*p, *q)).collect();
                let tree_asks: Vec<_> = trees[1].iter().map(|(p, q)| (*p, *q)).collect();
                prop_assert_eq!(ladder.best_bid().map(|l| (l.price.0, l.qty.0)), tree_bids.first().copied());
                prop_assert_eq!(ladder.best_ask().map(|l| (l.price.0, l.qty.0)), tree_asks.first().copied());
                prop_assert_eq!(&top(&ladder, Side::Buy, 2_000), &tree_bids);
                prop_assert_eq!(&top(&ladder, Side::Sell, 2_000), &tree_asks);
                prop_assert_eq!(ladder.len(Side::Buy), trees[0].len());
                // Now and then, so that some messages go by between two calls.
                if trees[0].len() % 3 != 0 {
                    let pairs = |levels: &[Level]| -> Vec<(i64, i64)> {
                        levels.iter().map(|level| (level.price.0, level.qty.0)).collect()
                    };
                    let (bids, asks) = ladder.best_levels();
                    prop_assert_eq!(pairs(bids), &tree_bids[..tree_bids.len().min(7)]);
                    prop_assert_eq!(pairs(asks), &tree_asks[..tree_asks.len().min(7)]);
                }
            }
        }

        /// With room for a few far levels only, nothing is wrong above what was forgotten.
        #[test]
        fn a_short_far_list_is_right_down_to_its_horizon(
            levels in prop::collection::vec((price(), 0i64..4), 1..300),
        ) {
            let options = LadderOptions { window_ticks: 4_096, far_levels: 8, ..SMALL };
            let mut ladder = Ladder::new(Price(5), options);
            let mut tree = BTreeMap::new();
            for (price, qty) in levels {
                if qty == 0 { tree.remove(&price); } else { tree.insert(price, qty); }
                ladder.apply(Side::Buy, level(price, qty));
                let horizon = ladder.bids.horizon;
                let known = top(&ladder, Side::Buy, 2_000);
                let expected: Vec<_> = tree.iter().rev().map(|(p, q)| (*p, *q)).collect();
                let above = |list: &[(i64, i64)]| {
                    list.iter().copied().filter(|(price, _)| *price > horizon).collect::<Vec<_>>()
                };
                prop_assert_eq!(above(&known), above(&expected));
                prop_assert!(ladder.bids.far.len() <= 8);
                let shown = top(&ladder, Side::Buy, 7);
                let (bids, _) = ladder.best_levels();
                let bids: Vec<_> = bids.iter().map(|level| (level.price.0, level.qty.0)).collect();
                prop_assert_eq!(bids, shown);
            }
        }
    }
}

//! A book rebuilt from frames, and what of it the tick and lot of an instrument leave.

use super::super::frames::{self, Frame, Levels};
use super::super::{SimLevel, SymbolRules};
use crate::types::Side;
use rust_decimal::{Decimal, RoundingStrategy};
use std::collections::{BTreeMap, VecDeque};

/// Changes before a snapshot that are kept: of more the newest, which are what it needs.
pub(super) const EARLY_MAX: usize = 100_000;

/// Both sides as recorded.
#[derive(Clone, Debug, Default)]
pub(super) struct Ladder {
    pub(super) bids: BTreeMap<Decimal, Decimal>,
    pub(super) asks: BTreeMap<Decimal, Decimal>,
}

/// Prices that may have another quantity now.
pub(super) type Changed = Vec<(Side, Decimal)>;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    pub(super) ladder: Ladder,
    id: u64,
    /// Of the newest change.
    order: u64,
    pub(super) is_synced: bool,
    /// Changes that came before the snapshot.
    early: VecDeque<Frame>,
    best: Option<Best>,
    /// What the best quote has changed, as it was before: the next change of the book begins there. A
    /// level that only a best quote has shown may be gone without a word of it.
    before_best: Levels,
    /// Best quotes that a better one has followed, until the depth speaks of them: they stand there still,
    /// and an order that waits behind one keeps its place.
    passed: Vec<(u64, (Side, SimLevel))>,
}

/// A best quote.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Best {
    order: u64,
    bid: Option<SimLevel>,
    ask: Option<SimLevel>,
}

impl Best {
    fn levels(&self) -> impl Iterator<Item = (Side, SimLevel)> {
        let both = [(Side::Buy, self.bid), (Side::Sell, self.ask)];
        both.into_iter().filter_map(|(side, level)| Some((side, level?)))
    }

    /// Whether a price stands behind it.
    fn is_before(&self, side: Side, price: Decimal) -> bool {
        match side {
            Side::Buy => self.bid.is_some_and(|best| price < best.0),
            Side::Sell => self.ask.is_some_and(|best| price > best.0),
        }
    }
}

impl Book {
    /// Applies a frame; gives the recorded prices whose quantity may have changed.
    pub(super) fn apply(&mut self, frame: Frame) -> Changed {
        match frame {
            Frame::Begin => {
                self.is_synced = false;
                self.early.clear();
                self.best = None;
                self.passed.clear();
                Vec::new()
            }
            Frame::Hole => {
                self.is_synced = false;
                self.early.clear();
                self.best = None;
                self.before_best.clear();
                self.passed.clear();
                self.ladder.replace(&[])
            }
            Frame::Snapshot { id, order, fetched, levels } => {
                // The stream has brought more than what was asked for, unless something is missing.
                if fetched && self.is_synced && id <= self.id {
                    return Vec::new();
                }
                self.restart(id, order, &levels)
            }
            Frame::Kept { id, .. } if self.is_synced && id == self.id => Vec::new(),
            Frame::Kept { id, order, levels } => {
                self.best = None;
                self.restart(id, order, &levels)
            }
            Frame::Depth { .. } if !self.is_synced => {
                self.keep_early(frame);
                Vec::new()
            }
            Frame::Depth { prev, id, order, ref levels } => {
                self.on_depth(prev, id, order, levels, &frame)
            }
            Frame::Best { order, bid, ask } if self.is_synced && order >= self.order => {
                let best = Best { order, bid, ask };
                // A file that goes on tells of it once more.
                if self.best == Some(best) { Vec::new() } else { self.on_best(best) }
            }
            Frame::Best { .. } | Frame::Trade { .. } | Frame::Marks(_) | Frame::Rules(_) => {
                Vec::new()
            }
        }
    }

    fn keep_early(&mut self, change: Frame) {
        if self.early.len() >= EARLY_MAX {
            self.early.pop_front();
        }
        self.early.push_back(change);
    }

    /// As a file that goes on begins with it; `None` while nothing is known.
    pub(super) fn line(&self) -> Option<String> {
        if !self.is_synced {
            return None;
        }
        let mut ladder = self.ladder.clone();
        ladder.set(&self.before_best);
        let bids = ladder.bids.into_iter().map(|level| (Side::Buy, level));
        let asks = ladder.asks.into_iter().map(|level| (Side::Sell, level));
        let levels: Levels = bids.chain(asks).collect();
        let best = self.best.filter(|best| best.order >= self.order);
        let best = best.map(|best| (best.order, best.bid, best.ask));
        Some(frames::own::book((self.id, self.order), &levels, best))
    }

    fn on_depth(
        &mut self,
        prev: u64,
        id: u64,
        order: u64,
        levels: &Levels,
        frame: &Frame,
    ) -> Changed {
        let anew = prev == self.id && id < self.id;
        if id <= self.id && !anew {
            return Vec::new();
        }
        if prev > self.id {
            // Something is missing between the two.
            let changed = self.apply(Frame::Hole);
            self.keep_early(frame.clone());
            return changed;
        }
        if anew {
            // The numbers begin anew: what was newer by the old ones is not.
            self.best = None;
            self.passed.clear();
        }
        (self.id, self.order) = (id, order);
        self.passed.retain(|(quoted, _)| *quoted > order);
        let mut changed = self.undo_best();
        changed.extend(self.ladder.set(levels));
        self.top(&mut changed);
        changed
    }

    /// A best quote that is newer than the depth has the last word.
    fn top(&mut self, changed: &mut Changed) {
        if let Some(best) = self.best.filter(|best| best.order > self.order) {
            changed.extend(self.on_best(best));
        }
    }

    fn restart(&mut self, id: u64, order: u64, levels: &Levels) -> Changed {
        self.before_best.clear();
        let mut changed = self.ladder.replace(levels);
        (self.id, self.order, self.is_synced) = (id, order, true);
        self.passed.retain(|(quoted, _)| *quoted > order);
        for early in std::mem::take(&mut self.early) {
            changed.extend(self.apply(early));
        }
        self.top(&mut changed);
        changed
    }

    fn on_best(&mut self, best: Best) -> Changed {
        let before = self.best.replace(best).filter(|before| before.order > self.order);
        let mut changed = self.undo_best();
        if let Some(before) = before {
            self.passed.extend(before.levels().map(|level| (before.order, level)));
        }
        self.passed.retain(|(_, (side, (price, _)))| best.is_before(*side, *price));
        let (bids, asks) = (&self.ladder.bids, &self.ladder.asks);
        // Without a best price a side is empty.
        let bid = best.bid.map_or(Decimal::MIN, |level| level.0);
        let ask = best.ask.map_or(Decimal::MAX, |level| level.0);
        let better_bids = bids.range(bid..).map(|(price, _)| (Side::Buy, *price));
        let better_asks = asks.range(..=ask).map(|(price, _)| (Side::Sell, *price));
        let levels: Levels = better_bids
            .chain(better_asks)
            .map(|(side, price)| (side, (price, Decimal::ZERO)))
            .chain(self.passed.iter().map(|(_, level)| *level))
            .chain(best.levels())
            .collect();
        let standing = |(side, (price, _)): &(Side, SimLevel)| {
            (*side, (*price, self.ladder.qty(*side, *price)))
        };
        self.before_best = levels.iter().map(standing).collect();
        changed.extend(self.ladder.set(&levels));
        changed
    }

    fn undo_best(&mut self) -> Changed {
        // A price may be there twice, as better and as best: what it was is the same.
        let before = std::mem::take(&mut self.before_best);
        self.ladder.set(&before)
    }
}

impl Ladder {
    /// The last bid and the last ask.
    pub(super) fn edges(&self) -> [Option<Decimal>; 2] {
        let bid = self.bids.first_key_value().map(|(price, _)| *price);
        [bid, self.asks.last_key_value().map(|(price, _)| *price)]
    }

    /// All prices.
    pub(super) fn prices(&self) -> Changed {
        let bids = self.bids.keys().map(|price| (Side::Buy, *price));
        bids.chain(self.asks.keys().map(|price| (Side::Sell, *price))).collect()
    }

    fn qty(&self, side: Side, price: Decimal) -> Decimal {
        let levels = match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        };
        levels.get(&price).copied().unwrap_or_default()
    }

    fn set(&mut self, levels: &[(Side, SimLevel)]) -> Changed {
        for &(side, (price, qty)) in levels {
            let levels = match side {
                Side::Buy => &mut self.bids,
                Side::Sell => &mut self.asks,
            };
            if qty.is_zero() {
                levels.remove(&price);
            } else {
                levels.insert(price, qty);
            }
        }
        levels.iter().map(|(side, (price, _))| (*side, *price)).collect()
    }

    fn replace(&mut self, levels: &[(Side, SimLevel)]) -> Changed {
        let old = std::mem::take(self);
        let mut changed = old.prices();
        changed.extend(self.set(levels));
        changed
    }

    /// What these recorded prices come to at a venue with this tick and lot. Recorded prices that
    /// fall on the same tick are added up.
    pub(super) fn mapped(
        &self,
        changed: &[(Side, Decimal)],
        rules: &SymbolRules,
    ) -> Vec<(Side, SimLevel)> {
        let tick = rules.tick_size;
        let mut levels: BTreeMap<(bool, Decimal), SimLevel> = BTreeMap::new();
        for &(side, recorded) in changed {
            let price = to_tick(side, recorded, tick);
            if price <= Decimal::ZERO || levels.contains_key(&(side == Side::Buy, price)) {
                continue;
            }
            let qty: Decimal = match side {
                Side::Buy => self.bids.range(price..price + tick).map(|(_, qty)| qty).sum(),
                Side::Sell => {
                    let above = std::ops::Bound::Excluded(price - tick);
                    let range = (above, std::ops::Bound::Included(price));
                    self.asks.range(range).map(|(_, qty)| qty).sum()
                }
            };
            let qty = if qty.is_zero() { qty } else { to_lot(qty, rules.lot_size) };
            levels.insert((side == Side::Buy, price), (price, qty));
        }
        let side = |is_bid| if is_bid { Side::Buy } else { Side::Sell };
        levels.into_iter().map(|((is_bid, _), level)| (side(is_bid), level)).collect()
    }
}

/// The largest step that all multiples of both are multiples of; the finer one where the two have too many
/// digits to be counted together.
pub(super) fn common_step(one: Decimal, other: Decimal) -> Decimal {
    let (mut a, mut b) = (one, other);
    while b > Decimal::ZERO {
        let Some(rest) = a.checked_rem(b) else { return one.min(other) };
        (a, b) = (b, rest);
    }
    a.normalize()
}

/// Away from the other side, so that two books that touch do not cross.
pub(super) fn to_tick(side: Side, price: Decimal, tick: Decimal) -> Decimal {
    let strategy = match side {
        Side::Buy => RoundingStrategy::ToNegativeInfinity,
        Side::Sell => RoundingStrategy::ToPositiveInfinity,
    };
    if tick.mantissa() == 1 {
        return price.round_dp_with_strategy(tick.scale(), strategy);
    }
    let ticks = price / tick;
    tick * ticks.round_dp_with_strategy(0, strategy)
}

/// Cut to the lot; something stays something.
pub(super) fn to_lot(qty: Decimal, lot: Decimal) -> Decimal {
    if lot.mantissa() == 1 {
        return qty.trunc_with_scale(lot.scale()).max(lot);
    }
    (lot * (qty / lot).floor()).max(lot)
}

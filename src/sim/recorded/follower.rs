//! An instrument without a recording of its own: its book follows that of a recorded one of its pair,
//! with a lag, noise and dislocations.

use super::super::flow::Stage;
use super::super::frames::Frame;
use super::super::random::{Noise, Random};
use super::super::{Exchange, SimLevel, SymbolRules};
use super::book::{Book, to_lot, to_tick};
use crate::types::Side;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, VecDeque};

/// Levels a side of a derived book.
const DERIVED_LEVELS: usize = 60;
/// Levels a side that are set again though they have not changed.
const REFRESHED: usize = 5;
/// Noise moves a book in steps of this ratio.
const NOISE_STEP: f64 = 0.1e-4;

/// See the module.
pub(super) struct Follower {
    pub(super) venue: usize,
    pub(super) rules: SymbolRules,
    pub(super) random: Random,
    pub(super) noise: Noise,
    pub(super) next_ns: u64,
    /// Frames on their way, with their due time.
    pub(super) pending: VecDeque<(u64, Frame)>,
    book: Book,
    ratio: Decimal,
    shown: BTreeMap<(bool, Decimal), Decimal>,
}

impl Follower {
    pub(super) fn new(venue: usize, rules: SymbolRules, random: Random) -> Self {
        Self {
            venue,
            rules,
            random,
            noise: Noise::default(),
            next_ns: 0,
            pending: VecDeque::new(),
            book: Book::default(),
            ratio: Decimal::ONE,
            shown: BTreeMap::new(),
        }
    }

    /// Catches up with what has reached this venue and quotes around it.
    pub(super) fn follow(&mut self, offset: f64, now: u64, stage: &mut Stage<'_, '_>) {
        let (mut trades, mut moved) = (Vec::new(), false);
        while let Some((_, frame)) = self.pending.pop_front_if(|(due, _)| *due <= now) {
            match frame {
                Frame::Trade { taker, level } => trades.push((taker, level.1)),
                frame => {
                    moved = true;
                    self.book.apply(frame);
                }
            }
        }
        // A real book does not move as a whole all the time.
        let noise = (self.noise.step(&mut self.random) / NOISE_STEP).round() * NOISE_STEP;
        let ratio = Decimal::new(((1.0 + noise + offset) * 1e9) as i64, 9);
        if moved || ratio != self.ratio {
            self.ratio = ratio;
            self.quote(now, stage);
        } else {
            let best = self.best();
            stage.set_levels(self.venue, &self.rules.symbol, &best, now);
        }
        for (taker, qty) in trades {
            let best = match taker {
                Side::Buy => self.shown.range((false, Decimal::ZERO)..(true, Decimal::ZERO)).next(),
                Side::Sell => self.shown.range((true, Decimal::ZERO)..).next_back(),
            };
            let Some(((_, price), standing)) = best else { continue };
            let level = (*price, to_lot(qty, self.rules.lot_size));
            let place = (self.venue, self.rules.symbol.as_str());
            stage.print(Exchange::recorded_trade, place, taker, (level, *standing), now);
        }
    }

    /// Sets the levels that differ from those that are shown.
    fn quote(&mut self, now: u64, stage: &mut Stage<'_, '_>) {
        let mut wanted = BTreeMap::new();
        let ladder = &self.book.ladder;
        let bids = ladder.bids.iter().rev().take(DERIVED_LEVELS).map(|level| (true, level));
        let asks = ladder.asks.iter().take(DERIVED_LEVELS).map(|level| (false, level));
        for (is_bid, (price, qty)) in bids.chain(asks) {
            let price = to_tick(side(is_bid), price * self.ratio, self.rules.tick_size);
            let total: &mut Decimal = wanted.entry((is_bid, price)).or_default();
            *total += to_lot(*qty, self.rules.lot_size);
        }
        let before = std::mem::replace(&mut self.shown, wanted);
        let gone = before.keys().filter(|key| !self.shown.contains_key(key));
        let gone = gone.map(|(is_bid, price)| (side(*is_bid), (*price, Decimal::ZERO)));
        let new = self.shown.iter().filter(|(key, qty)| before.get(key) != Some(qty));
        let new = new.map(|((is_bid, price), qty)| (side(*is_bid), (*price, *qty)));
        let mut levels: Vec<(Side, SimLevel)> = gone.chain(new).collect();
        levels.extend(self.best());
        stage.set_levels(self.venue, &self.rules.symbol, &levels, now);
    }

    /// The levels that every event sets again, so that what clients took comes back.
    fn best(&self) -> Vec<(Side, SimLevel)> {
        let bids = self.shown.range((true, Decimal::ZERO)..).rev();
        let asks = self.shown.range(..(true, Decimal::ZERO));
        let best = bids.take(REFRESHED).chain(asks.take(REFRESHED));
        best.map(|((is_bid, price), qty)| (side(*is_bid), (*price, *qty))).collect()
    }
}

fn side(is_bid: bool) -> Side {
    if is_bid { Side::Buy } else { Side::Sell }
}

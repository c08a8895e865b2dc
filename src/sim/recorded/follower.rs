//! An instrument without a recording of its own: its book follows that of a recorded one of its pair,
//! with a lag, noise and dislocations.

use super::super::flow::Stage;
use super::super::frames::Frame;
use super::super::random::{Noise, Random};
use super::super::{SimLevel, SymbolRules};
use super::book::{Book, to_lot, to_tick};
use crate::types::Side;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, VecDeque};

/// Levels a side of a derived book.
const DERIVED_LEVELS: usize = 60;

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
            shown: BTreeMap::new(),
        }
    }

    /// Catches up with what has reached this venue and quotes around it.
    pub(super) fn follow(&mut self, offset: f64, now: u64, stage: &mut Stage<'_, '_>) {
        let mut trades = Vec::new();
        while let Some((_, frame)) = self.pending.pop_front_if(|(due, _)| *due <= now) {
            match frame {
                Frame::Trade { taker, level } => trades.push((taker, level.1)),
                frame => drop(self.book.apply(frame)),
            }
        }
        let ratio = 1.0 + self.noise.step(&mut self.random) + offset;
        let ratio = Decimal::new((ratio * 1e9) as i64, 9);
        let mut wanted = BTreeMap::new();
        let ladder = &self.book.ladder;
        let bids = ladder.bids.iter().rev().take(DERIVED_LEVELS).map(|level| (true, level));
        let asks = ladder.asks.iter().take(DERIVED_LEVELS).map(|level| (false, level));
        for (is_bid, (price, qty)) in bids.chain(asks) {
            let side = if is_bid { Side::Buy } else { Side::Sell };
            let price = to_tick(side, price * ratio, self.rules.tick_size);
            let total: &mut Decimal = wanted.entry((is_bid, price)).or_default();
            *total += to_lot(*qty, self.rules.lot_size);
        }
        let gone = self.shown.keys().filter(|key| !wanted.contains_key(key));
        let gone = gone.map(|(is_bid, price)| (*is_bid, (*price, Decimal::ZERO)));
        let new = wanted.iter().map(|((is_bid, price), qty)| (*is_bid, (*price, *qty)));
        // Everything is set again, so what clients took comes back; unchanged levels cause nothing.
        let levels: Vec<(Side, SimLevel)> = gone
            .chain(new)
            .map(|(is_bid, level)| (if is_bid { Side::Buy } else { Side::Sell }, level))
            .collect();
        stage.set_levels(self.venue, &self.rules.symbol, &levels, now);
        self.shown = wanted;
        for (taker, qty) in trades {
            let best = match taker {
                Side::Buy => self.shown.range((false, Decimal::ZERO)..(true, Decimal::ZERO)).next(),
                Side::Sell => self.shown.range((true, Decimal::ZERO)..).next_back(),
            };
            let Some(((_, price), standing)) = best else { continue };
            let level = (*price, to_lot(qty, self.rules.lot_size));
            stage.recorded_trade(self.venue, &self.rules.symbol, taker, (level, *standing), now);
        }
    }
}

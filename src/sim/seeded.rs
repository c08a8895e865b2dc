//! The seeded market: per pair one fair price that wanders, and a book around it for each instrument
//! of that pair, spot or perpetual, at each venue.
//!
//! Prices and quantities are whole ticks and lots here and become `Decimal` on the way out.

use super::flow::{FlowOptions, Stage, start_price};
use super::random::{DislocationClock, Noise, Random};
use super::{SimLevel, SymbolRules};
use crate::types::Side;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use std::collections::BTreeMap;

/// Half the distance of bid and ask, as a ratio of the price.
const HALF_SPREAD: f64 = 0.1e-4;
/// Standard deviation of the fair price after one second, as a ratio.
const VOLATILITY: f64 = 1e-4;
/// How strongly the fair price is drawn to where it started, per second.
const PULL: f64 = 1e-4;
/// Depth over which levels are spread, as a ratio of the price.
const REACH: f64 = 40e-4;
/// Levels that every change sets to what they should be, whatever clients took from them.
const REFRESHED: usize = 5;
const TRADE_CHANCE: f64 = 0.25;

/// The seeded flow of all its pairs.
pub(super) struct Seeded {
    pairs: Vec<Pair>,
    event_ns: f64,
    levels: usize,
}

struct Pair {
    random: Random,
    start: f64,
    fair: f64,
    fair_ns: u64,
    /// Of spot and of perpetuals: each kind parts as often as if it were alone.
    dislocations: [DislocationClock; 2],
    books: Vec<Book>,
}

struct Book {
    venue: usize,
    symbol: String,
    is_perpetual: bool,
    random: Random,
    noise: Noise,
    next_ns: u64,
    tick_size: Decimal,
    lot_size: Decimal,
    tick: f64,
    lot: f64,
    /// Ticks to lots.
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
}

impl Seeded {
    /// All pairs of the venues but those that are recorded.
    pub(super) fn new(
        options: &FlowOptions,
        venues: &[(&'static str, Vec<SymbolRules>)],
        recorded: &[String],
    ) -> Self {
        let mut names: Vec<String> =
            venues.iter().flat_map(|(_, rules)| rules).map(SymbolRules::pair).collect();
        names.sort_unstable();
        names.dedup();
        let all = names.len();
        names.retain(|name| !recorded.contains(name));
        let pairs = names.iter().map(|name| Pair::new(name, all, options, venues)).collect();
        Self { pairs, event_ns: 1e9 / options.events_per_second, levels: options.levels }
    }

    /// Flow time of the next change.
    pub(super) fn next_ns(&self) -> u64 {
        self.pairs.iter().map(Pair::next_ns).min().unwrap_or(u64::MAX)
    }

    /// Makes the next change.
    pub(super) fn play(&mut self, stage: &mut Stage<'_, '_>) {
        let next = self.next_ns();
        let (event_ns, levels) = (self.event_ns, self.levels);
        let due = self.pairs.iter_mut().find(|pair| pair.next_ns() == next);
        if let Some(pair) = due {
            pair.play(next, event_ns, levels, stage);
        }
    }
}

impl Pair {
    fn new(
        name: &str,
        pairs: usize,
        options: &FlowOptions,
        venues: &[(&'static str, Vec<SymbolRules>)],
    ) -> Self {
        let purpose = name.bytes().fold(0u64, |sum, byte| sum.wrapping_mul(31) + u64::from(byte));
        let stream = |index: u64| Random::new(options.seed, purpose.wrapping_add(index << 32));
        let mut books = Vec::new();
        for (venue, (_, rules)) in venues.iter().enumerate() {
            let moves = |rules: &&SymbolRules| {
                rules.pair() == name && options.moves(venues[venue].0, rules)
            };
            let same = rules.iter().filter(moves);
            books.extend(same.enumerate().map(|(place, rules)| Book {
                venue,
                symbol: rules.symbol.clone(),
                is_perpetual: rules.perpetual.is_some(),
                random: stream(venue as u64 + 3 + 1_000 * place as u64),
                noise: Noise::default(),
                next_ns: 0,
                tick_size: rules.tick_size,
                lot_size: rules.lot_size,
                tick: rules.tick_size.to_f64().unwrap_or(1.0),
                lot: rules.lot_size.to_f64().unwrap_or(1.0),
                bids: BTreeMap::new(),
                asks: BTreeMap::new(),
            }));
        }
        let clock = |is_perpetual: bool, random: Random| {
            let all = books.iter().enumerate();
            let same = all.filter(|(_, book): &(usize, &Book)| book.is_perpetual == is_perpetual);
            let mut candidates: Vec<usize> = same.map(|(at, _)| at).collect();
            // Alone it has nobody to part from.
            if books.len() == 1 {
                candidates.clear();
            }
            DislocationClock::new(options.dislocations, pairs, candidates, random)
        };
        let dislocations = [clock(false, stream(2)), clock(true, stream(2_002))];
        let start = start_price(options, name).to_f64().unwrap_or(1.0);
        Self { random: stream(1), start, fair: start, fair_ns: 0, dislocations, books }
    }

    fn next_ns(&self) -> u64 {
        let books = self.books.iter().map(|book| book.next_ns);
        let clocks = self.dislocations.iter().map(|clock| clock.next_ns);
        books.chain(clocks).min().unwrap_or(u64::MAX)
    }

    fn play(&mut self, now: u64, event_ns: f64, levels: usize, stage: &mut Stage<'_, '_>) {
        self.wander(now);
        let clock = self.dislocations.iter_mut().find(|clock| clock.next_ns == now);
        let turned = clock.map(DislocationClock::turn);
        let due = turned.or_else(|| self.books.iter().position(|book| book.next_ns == now));
        let Some((index, book)) = due.and_then(|at| Some((at, self.books.get_mut(at)?))) else {
            return;
        };
        if turned.is_none() {
            book.next_ns = now + book.random.wait(event_ns);
        }
        let offset =
            self.dislocations[usize::from(book.is_perpetual)].offset(index, 2.0 * HALF_SPREAD);
        let mid = self.fair * (1.0 + book.noise.step(&mut book.random) + offset);
        let changes = book.quote(mid, levels);
        stage.set_levels(book.venue, &book.symbol, &changes, now);
        if turned.is_none() {
            book.maybe_trade(mid, now, stage);
        }
    }

    fn wander(&mut self, now: u64) {
        let seconds = (now - self.fair_ns) as f64 / 1e9;
        self.fair_ns = now;
        self.fair *= 1.0 + VOLATILITY * seconds.sqrt() * self.random.normal();
        self.fair += (self.start - self.fair) * (PULL * seconds).min(1.0);
    }
}

impl Book {
    /// Moves the book to a new middle; gives the levels to set.
    fn quote(&mut self, mid: f64, levels: usize) -> Vec<(Side, SimLevel)> {
        let half = mid * HALF_SPREAD;
        let bid = (((mid - half) / self.tick).floor() as i64).max(1);
        let ask = (((mid + half) / self.tick).ceil() as i64).max(bid + 1);
        let mut changed: BTreeMap<(bool, i64), i64> = BTreeMap::new();
        for gone in self.bids.split_off(&(bid + 1)).into_keys() {
            changed.insert((true, gone), 0);
        }
        let kept = self.asks.split_off(&ask);
        for gone in std::mem::replace(&mut self.asks, kept).into_keys() {
            changed.insert((false, gone), 0);
        }
        for is_bid in [true, false] {
            let best = if is_bid { bid } else { ask };
            self.fill(is_bid, best, mid, levels, &mut changed);
        }
        let refreshed_bids = self.bids.iter().rev().take(REFRESHED);
        changed.extend(refreshed_bids.map(|(ticks, lots)| ((true, *ticks), *lots)));
        let refreshed_asks = self.asks.iter().take(REFRESHED);
        changed.extend(refreshed_asks.map(|(ticks, lots)| ((false, *ticks), *lots)));
        let show = |((is_bid, ticks), lots): ((bool, i64), i64)| {
            let side = if is_bid { Side::Buy } else { Side::Sell };
            let price = self.tick_size * Decimal::from(ticks);
            (side, (price, self.lot_size * Decimal::from(lots)))
        };
        changed.into_iter().map(show).collect()
    }

    /// Sets the best level of a side, changes a few at random, and keeps their number.
    fn fill(
        &mut self,
        is_bid: bool,
        best: i64,
        mid: f64,
        levels: usize,
        changed: &mut BTreeMap<(bool, i64), i64>,
    ) {
        let reach = (mid * REACH / self.tick).max(levels as f64 * 4.0);
        let side = if is_bid { &mut self.bids } else { &mut self.asks };
        let outward = if is_bid { -1 } else { 1 };
        let size = |random: &mut Random, quote_min: f64, quote_max: f64| {
            let unit = random.unit();
            let quote = quote_min + (quote_max - quote_min) * unit * unit * unit;
            ((quote / mid / self.lot) as i64).max(1)
        };
        if !side.contains_key(&best) || self.random.unit() < 0.2 {
            let lots = size(&mut self.random, 6_000.0, 120_000.0);
            side.insert(best, lots);
            changed.insert((is_bid, best), lots);
        }
        let random_changes = 1 + self.random.index(4);
        let missing = levels.saturating_sub(side.len());
        for attempt in 0..random_changes + missing * 4 {
            let is_needed = side.len() < levels;
            if attempt >= random_changes && !is_needed {
                break;
            }
            let unit = self.random.unit();
            let ticks = best + outward * (1 + (unit * unit * reach) as i64);
            let removes = self.random.unit() < 0.3;
            let lots = size(&mut self.random, 500.0, 300_000.0);
            if ticks <= 0 {
                continue;
            }
            if removes && !is_needed && side.len() > levels {
                if side.remove(&ticks).is_some() {
                    changed.insert((is_bid, ticks), 0);
                }
            } else {
                side.insert(ticks, lots);
                changed.insert((is_bid, ticks), lots);
            }
        }
        while side.len() > levels + levels / 2 {
            let worst = if is_bid { side.pop_first() } else { side.pop_last() };
            let Some((ticks, _)) = worst else { break };
            changed.insert((is_bid, ticks), 0);
        }
    }

    /// Sometimes somebody takes from the best level of a random side.
    fn maybe_trade(&mut self, mid: f64, now: u64, stage: &mut Stage<'_, '_>) {
        let (chance, coin, unit) = (self.random.unit(), self.random.unit(), self.random.unit());
        if chance >= TRADE_CHANCE {
            return;
        }
        let taker = if coin < 0.5 { Side::Buy } else { Side::Sell };
        let best = match taker {
            Side::Buy => self.asks.first_entry(),
            Side::Sell => self.bids.last_entry(),
        };
        let Some(mut best) = best else { return };
        let wanted = ((100.0 + unit * unit * 8_000.0) / mid / self.lot) as i64;
        let lots = wanted.clamp(1, *best.get());
        let price = self.tick_size * Decimal::from(*best.key());
        if lots == *best.get() {
            best.remove();
        } else {
            *best.get_mut() -= lots;
        }
        let qty = self.lot_size * Decimal::from(lots);
        stage.trade(self.venue, &self.symbol, taker, (price, qty), now);
    }
}

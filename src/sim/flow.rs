//! What moves the books of the simulated venues: a seeded market, a recorded one, or one that is
//! elsewhere.
//!
//! Flow time starts at zero and runs `speed` times as fast as the wall clock. What happens at which
//! flow time depends on the options alone, not on how often [`Flow::step`] is called; only clients'
//! own trading changes the books beyond that.

use super::frames::Origin;
use super::mirror::{Mirror, Mirrored};
use super::random::Dislocations;
use super::recorded::Tape;
use super::seeded::Seeded;
use super::{Exchange, MarketState, SimLevel, StatedRules, SymbolRules};
use crate::types::Side;
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;

const RATE_MAX: f64 = 1_000.0;
const LEVELS_MAX: usize = 5_000;
const SPEED_MAX: f64 = 1_000.0;
const EDGE_MAX_BP: f64 = 1_000.0;
const LAST_MAX_MS: f64 = 60_000.0;
/// Start price of a pair that has none.
const FALLBACK_PRICE: u64 = 100;

/// What moves the books.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowOptions {
    /// Equal seeds give equal flows.
    pub seed: u64,
    /// Book changes per second of each book of the seeded flow and of each derived book.
    pub events_per_second: f64,
    /// How venues part from each other.
    pub dislocations: Dislocations,
    /// Levels a side that the seeded flow keeps at least.
    pub levels: usize,
    /// Price of each pair (base and quote as one word, dollars as USDT) at the start of the seeded
    /// flow.
    pub start_prices: BTreeMap<String, Decimal>,
    /// Recorded markets: their instruments move as recorded; other instruments of their pairs follow the
    /// first one after `lag_ms`, with noise and dislocations. Pairs without a capture have the seeded
    /// flow.
    pub captures: Vec<Capture>,
    /// A capture that ends is over, and its book stays as it is; else it begins again.
    pub once: bool,
    /// The instruments that move; all of them if empty. Captures move anyhow.
    pub moving: Vec<Origin>,
    /// How long the other venues take to follow, ms of flow time.
    pub lag_ms: u64,
    /// Times the speed of the wall clock. Infinite: as fast as the clients read, recorded flow
    /// only.
    pub speed: f64,
}

impl Default for FlowOptions {
    fn default() -> Self {
        let price = |symbol: &str, price: u64| (symbol.to_owned(), Decimal::from(price));
        Self {
            seed: 1,
            events_per_second: 100.0,
            dislocations: Dislocations::default(),
            levels: 60,
            start_prices: BTreeMap::from([
                price("BTCUSDT", 61_850),
                price("ETHUSDT", 2_684),
                price("SOLUSDT", 143),
                price("HYPEUSDT", 38),
                ("PURRUSDT".to_owned(), Decimal::new(2, 1)),
            ]),
            captures: Vec::new(),
            once: false,
            moving: Vec::new(),
            lag_ms: 40,
            speed: 1.0,
        }
    }
}

impl FlowOptions {
    pub(super) fn moves(&self, venue: &str, rules: &SymbolRules) -> bool {
        let is = |origin: &Origin| origin.venue == venue && origin.is(rules);
        self.moving.is_empty() || self.moving.iter().any(is)
    }
}

/// A recording of one instrument.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capture {
    /// Lines of `<unix ns> <json>` in gzip; several files follow each other.
    pub files: Vec<PathBuf>,
    /// Name of the venue at which it is played; the one that the files tell of if empty.
    pub venue: String,
}

/// A venue that the flow acts on.
pub struct Target<'a> {
    /// Its books.
    pub exchange: &'a mut Exchange,
    /// The venue's time at flow time zero, ms since the epoch.
    pub start_ms: u64,
}

/// What one part of the flow is told about a step.
pub(super) struct Stage<'a, 'b> {
    targets: &'a mut [Target<'b>],
    speed: f64,
    /// Wall time since the start that stamps everything, where flow time has no relation to it.
    stamp_ns: Option<u64>,
}

impl Stage<'_, '_> {
    /// Changes background levels of a venue at a flow time.
    pub(super) fn set_levels(
        &mut self,
        venue: usize,
        symbol: &str,
        levels: &[(Side, SimLevel)],
        flow_ns: u64,
    ) {
        if let (false, Some((exchange, time_ms))) = (levels.is_empty(), self.at(venue, flow_ns)) {
            exchange.set_levels(symbol, levels, time_ms);
        }
    }

    /// As [`Stage::set_levels`], of levels that were there before they were seen.
    pub(super) fn reveal_levels(
        &mut self,
        venue: usize,
        symbol: &str,
        levels: &[(Side, SimLevel)],
        flow_ns: u64,
    ) {
        if let (false, Some((exchange, time_ms))) = (levels.is_empty(), self.at(venue, flow_ns)) {
            exchange.reveal_levels(symbol, levels, time_ms);
        }
    }

    /// As [`Stage::set_levels`], of a market that knows nothing of the orders there; `before` is what
    /// stood at a price there.
    pub(super) fn follow_levels(
        &mut self,
        (venue, symbol): (usize, &str),
        levels: &[(Side, SimLevel)],
        before: impl Fn(Side, Decimal) -> Decimal,
        flow_ns: u64,
    ) {
        if let (false, Some((exchange, time_ms))) = (levels.is_empty(), self.at(venue, flow_ns)) {
            exchange.follow_levels(symbol, levels, before, time_ms);
        }
    }

    /// A trade of a market that does not move by itself, at whose price `standing` rests as far as its book
    /// has told; `how` is what the exchange makes of it.
    pub(super) fn print(
        &mut self,
        how: fn(&mut Exchange, &str, Side, SimLevel, Decimal, u64),
        (venue, symbol): (usize, &str),
        taker: Side,
        (level, standing): (SimLevel, Decimal),
        flow_ns: u64,
    ) {
        if let Some((exchange, time_ms)) = self.at(venue, flow_ns) {
            how(exchange, symbol, taker, level, standing, time_ms);
        }
    }

    /// States the rules of an instrument anew.
    pub(super) fn restate(
        &mut self,
        venue: usize,
        symbol: &str,
        stated: &StatedRules,
        flow_ns: u64,
    ) {
        if let Some((exchange, _)) = self.at(venue, flow_ns) {
            exchange.restate(symbol, stated);
        }
    }

    /// States mark, index and funding of a perpetual.
    pub(super) fn set_market(
        &mut self,
        venue: usize,
        symbol: &str,
        state: MarketState,
        flow_ns: u64,
    ) {
        if let Some((exchange, time_ms)) = self.at(venue, flow_ns) {
            exchange.set_market(symbol, state, time_ms);
        }
    }

    /// Trades at a venue at a flow time.
    pub(super) fn trade(
        &mut self,
        venue: usize,
        symbol: &str,
        taker: Side,
        (price, qty): SimLevel,
        flow_ns: u64,
    ) {
        if let Some((exchange, time_ms)) = self.at(venue, flow_ns) {
            exchange.background_trade(symbol, taker, price, qty, time_ms);
        }
    }

    /// The venue's time of a flow time, not before it; `None` where the two have no relation.
    pub(super) fn due_ms(&self, venue: usize, flow_ns: u64) -> Option<u64> {
        if self.stamp_ns.is_some() {
            return None;
        }
        let start_ms = self.targets.get(venue)?.start_ms;
        Some(start_ms + ((flow_ns as f64 / self.speed) as u64).div_ceil(1_000_000))
    }

    /// A venue and its time.
    fn at(&mut self, venue: usize, flow_ns: u64) -> Option<(&mut Exchange, u64)> {
        let time_ms = self.time_ms(venue, flow_ns);
        let target = self.targets.get_mut(venue)?;
        Some((&mut *target.exchange, time_ms))
    }

    fn time_ms(&self, venue: usize, flow_ns: u64) -> u64 {
        let start_ms = self.targets.get(venue).map_or(0, |target| target.start_ms);
        let passed_ns = self.stamp_ns.unwrap_or((flow_ns as f64 / self.speed) as u64);
        start_ms + passed_ns / 1_000_000
    }
}

/// The flow of all books.
pub struct Flow {
    seeded: Seeded,
    tapes: Vec<Tape>,
    mirror: Option<Mirror>,
    speed: f64,
    /// Flow time reached, where clients set the pace.
    paced_ns: u64,
}

impl Flow {
    /// For these venues, by name and instruments, in the order in which [`Flow::step`] gets them.
    pub fn new(
        options: &FlowOptions,
        venues: &[(&'static str, Vec<SymbolRules>)],
    ) -> Result<Self, String> {
        check(options)?;
        let tapes = Tape::open_all(options, venues)?;
        let recorded: Vec<String> = tapes.iter().map(|tape| tape.pair().to_owned()).collect();
        let seeded = Seeded::new(options, venues, &recorded);
        Ok(Self { seeded, tapes, mirror: None, speed: options.speed, paced_ns: 0 })
    }

    /// One that follows a market elsewhere, and nothing else.
    #[must_use]
    pub fn mirrored(changes: Receiver<Mirrored>) -> Self {
        let seeded = Seeded::new(&FlowOptions::default(), &[], &[]);
        let mirror = Some(Mirror::new(changes));
        Self { seeded, tapes: Vec::new(), mirror, speed: 1.0, paced_ns: 0 }
    }

    /// Whether it runs as fast as clients read.
    #[must_use]
    pub fn is_paced_by_clients(&self) -> bool {
        self.speed.is_infinite() && !self.tapes.is_empty()
    }

    /// Wall time until the next change, `passed_ns` after the start.
    #[must_use]
    pub fn due_in(&self, passed_ns: u64) -> u64 {
        if self.is_paced_by_clients() || self.mirror.as_ref().is_some_and(Mirror::is_due) {
            return 0;
        }
        let next = self.next_ns();
        let wall = (next as f64 / self.wall_speed()) as u64;
        wall.saturating_sub(passed_ns)
    }

    /// Plays everything that is due `passed_ns` of wall time after the start, but at most
    /// `changes_max` changes; gives how many.
    pub fn step(
        &mut self,
        passed_ns: u64,
        changes_max: usize,
        targets: &mut [Target<'_>],
    ) -> usize {
        let until = if self.is_paced_by_clients() {
            // Time goes on once everything of it is played, however many calls that takes.
            if self.next_ns() > self.paced_ns {
                self.paced_ns = self.paced_ns.max(self.next_ns());
            }
            self.paced_ns
        } else {
            (passed_ns as f64 * self.wall_speed()) as u64
        };
        let stamp_ns = self.is_paced_by_clients().then_some(passed_ns);
        let mut stage = Stage { targets, speed: self.wall_speed(), stamp_ns };
        for played in 0..changes_max {
            if self.mirror.as_mut().is_some_and(|mirror| mirror.play(until, &mut stage)) {
                continue;
            }
            let next = self.next_ns();
            if next > until {
                return played;
            }
            if self.seeded.next_ns() == next {
                self.seeded.play(&mut stage);
            } else if let Some(tape) = self.tapes.iter_mut().find(|tape| tape.next_ns() == next) {
                tape.play(&mut stage);
            }
        }
        if let Some(mirror) = &mut self.mirror {
            mirror.look();
        }
        changes_max
    }

    fn next_ns(&self) -> u64 {
        let tapes = self.tapes.iter().map(Tape::next_ns);
        tapes.chain([self.seeded.next_ns()]).min().unwrap_or(u64::MAX)
    }

    /// The speed for arithmetic: clients that set the pace have no speed of their own.
    fn wall_speed(&self) -> f64 {
        if self.speed.is_finite() { self.speed } else { 1.0 }
    }
}

/// Settings with which the flow would stand still or never come to an end are refused.
fn check(options: &FlowOptions) -> Result<(), String> {
    let within = |value: f64, max: f64| value > 0.0 && value <= max;
    if !within(options.events_per_second, RATE_MAX) {
        return Err(format!("events per second must be above 0 and at most {RATE_MAX}"));
    }
    if !within(options.speed, SPEED_MAX) && options.speed != f64::INFINITY {
        return Err(format!("speed must be above 0 and at most {SPEED_MAX}, or infinite"));
    }
    if !(1..=LEVELS_MAX).contains(&options.levels) {
        return Err(format!("levels must be from 1 to {LEVELS_MAX}"));
    }
    let Dislocations { per_second, edge_min_bp, edge_max_bp, last_min_ms, last_max_ms } =
        options.dislocations;
    if !(0.0..=RATE_MAX).contains(&per_second) {
        return Err(format!("dislocations per second must be from 0 to {RATE_MAX}"));
    }
    let ordered = |low: f64, high: f64, max: f64| low >= 0.0 && low <= high && high <= max;
    if !ordered(edge_min_bp, edge_max_bp, EDGE_MAX_BP) {
        return Err(format!("edges must be ordered and from 0 to {EDGE_MAX_BP} basis points"));
    }
    if !ordered(last_min_ms, last_max_ms, LAST_MAX_MS) {
        return Err(format!("dislocations must last from 0 to {LAST_MAX_MS} ms, in this order"));
    }
    Ok(())
}

/// The start price of a pair.
pub(super) fn start_price(options: &FlowOptions, pair: &str) -> Decimal {
    options.start_prices.get(pair).copied().unwrap_or(Decimal::from(FALLBACK_PRICE))
}

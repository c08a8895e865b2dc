//! A recorded market: one capture of one symbol, played at the venue it came from, and followed by
//! the other instruments of its pair with a lag, noise and dislocations.
//!
//! Lines are `<unix ns> <json>`: combined-stream envelopes of depth, trades and best quotes, and
//! one REST snapshot of the depth. The book is rebuilt by the venue's rule (changes up to the
//! snapshot are dropped); best quotes move its top between two depth changes. A capture that ends
//! begins again from its start, whose snapshot then replaces the book.

use super::flow::{FlowOptions, Stage};
use super::frames::{Frame, parse};
use super::random::{DislocationClock, Noise, Random};
use super::{SimLevel, SymbolRules};
use crate::types::Side;
use flate2::read::MultiGzDecoder;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Lines within which the snapshot must come.
const SNAPSHOT_WITHIN: usize = 10_000;
/// Pause between the end of a capture and its next beginning.
const LOOP_PAUSE_NS: u64 = 100_000_000;
/// Levels a side of a derived book.
const DERIVED_LEVELS: usize = 60;
/// Half the distance between bid and ask that a dislocation has to jump, as a ratio.
const DERIVED_SPREAD: f64 = 0.2e-4;

/// Both sides as recorded, and what of them the venue's tick and lot leave.
#[derive(Clone, Debug, Default)]
struct Ladder {
    bids: BTreeMap<Decimal, Decimal>,
    asks: BTreeMap<Decimal, Decimal>,
}

/// One instrument that follows.
struct Follower {
    venue: usize,
    rules: SymbolRules,
    random: Random,
    noise: Noise,
    next_ns: u64,
    /// Frames on their way, with their due time.
    pending: VecDeque<(u64, Frame)>,
    book: Book,
    shown: BTreeMap<(bool, Decimal), Decimal>,
}

/// A book rebuilt from frames.
#[derive(Clone, Debug, Default)]
struct Book {
    ladder: Ladder,
    last_id: u64,
    is_synced: bool,
    /// Changes that came before the snapshot.
    early: Vec<(u64, Vec<(Side, SimLevel)>)>,
    best: Option<(u64, SimLevel, SimLevel)>,
}

/// One capture being played.
pub(super) struct Tape {
    path: PathBuf,
    reader: BufReader<MultiGzDecoder<File>>,
    line: String,
    symbol: String,
    pair: String,
    /// Lines read ahead.
    ahead: VecDeque<(u64, Frame)>,
    /// Recorded time of the snapshot, which is flow time `offset_ns`.
    base_ns: u64,
    offset_ns: u64,
    last_due_ns: u64,
    source: Option<(usize, SymbolRules)>,
    book: Book,
    followers: Vec<Follower>,
    dislocations: DislocationClock,
    event_ns: f64,
    lag_ns: u64,
}

impl Tape {
    /// Opens a capture and reads up to its snapshot.
    pub(super) fn open(
        path: &Path,
        options: &FlowOptions,
        venues: &[(&'static str, Vec<SymbolRules>)],
        source: usize,
    ) -> Result<Self, String> {
        let mut tape = Self {
            path: path.to_owned(),
            reader: reader(path)?,
            line: String::new(),
            symbol: String::new(),
            pair: String::new(),
            ahead: VecDeque::new(),
            base_ns: 0,
            offset_ns: 0,
            last_due_ns: 0,
            source: None,
            book: Book::default(),
            followers: Vec::new(),
            dislocations: DislocationClock::new(
                options.dislocations,
                1,
                Vec::new(),
                Random::new(options.seed, 0),
            ),
            event_ns: 1e9 / options.events_per_second,
            lag_ns: options.lag_ms * 1_000_000,
        };
        tape.begin()?;
        let symbol = tape.symbol.clone();
        let named = venues[source].1.iter().find(|rules| rules.symbol == symbol);
        let rules_here = named.cloned().ok_or_else(|| {
            format!("{}: venue {:?} has no symbol {symbol}", path.display(), venues[source].0)
        })?;
        tape.pair = rules_here.pair();
        let each = venues.iter().enumerate().flat_map(|(venue, (_, rules))| {
            let same = rules.iter().filter(|rules| rules.pair() == tape.pair);
            same.enumerate().map(move |(place, rules)| (venue, place, rules))
        });
        for (venue, place, rules) in each {
            if venue == source && rules.symbol == symbol {
                continue;
            }
            let stream = 0x7a9e + venue as u64 + 1_000 * place as u64;
            tape.followers.push(Follower {
                venue,
                rules: rules.clone(),
                random: Random::new(options.seed, stream),
                noise: Noise::default(),
                next_ns: 0,
                pending: VecDeque::new(),
                book: Book::default(),
                shown: BTreeMap::new(),
            });
        }
        tape.source = Some((source, rules_here));
        let parts = tape.parting();
        let mut pairs: Vec<String> =
            venues.iter().flat_map(|(_, rules)| rules).map(SymbolRules::pair).collect();
        pairs.sort_unstable();
        pairs.dedup();
        let random = Random::new(options.seed, 0x7a9d);
        tape.dislocations = DislocationClock::new(options.dislocations, pairs.len(), parts, random);
        Ok(tape)
    }

    /// Places of the followers that part: those of the recorded kind, if there are any.
    fn parting(&self) -> Vec<usize> {
        let is_perpetual = |rules: &SymbolRules| rules.perpetual.is_some();
        let kind = self.source.as_ref().is_some_and(|(_, rules)| is_perpetual(rules));
        let all = self.followers.iter().enumerate();
        let same = all.filter(|(_, one)| is_perpetual(&one.rules) == kind).map(|(at, _)| at);
        let same: Vec<usize> = same.collect();
        if same.is_empty() { (0..self.followers.len()).collect() } else { same }
    }

    pub(super) fn pair(&self) -> &str {
        &self.pair
    }

    /// Flow time of the next thing to play.
    pub(super) fn next_ns(&self) -> u64 {
        let frame = self.ahead.front().map_or(u64::MAX, |(due, _)| *due);
        let followers = self.followers.iter().map(|follower| follower.next_ns);
        let next = followers.chain([self.dislocations.next_ns]).min().unwrap_or(u64::MAX);
        frame.min(next)
    }

    /// Plays the next thing: recorded frames first, then the followers.
    pub(super) fn play(&mut self, stage: &mut Stage<'_, '_>) {
        let now = self.next_ns();
        if let Some((_, frame)) = self.ahead.pop_front_if(|(due, _)| *due <= now) {
            self.play_frame(now, frame, stage);
            self.read_ahead();
            return;
        }
        let turned = (self.dislocations.next_ns == now).then(|| self.dislocations.turn());
        let due = turned.or_else(|| self.followers.iter().position(|one| one.next_ns == now));
        let Some((index, follower)) = due.and_then(|at| Some((at, self.followers.get_mut(at)?)))
        else {
            return;
        };
        if turned.is_none() {
            follower.next_ns = now + follower.random.wait(self.event_ns);
        }
        let offset = self.dislocations.offset(index, DERIVED_SPREAD);
        follower.follow(offset, now, stage);
    }

    fn play_frame(&mut self, now: u64, frame: Frame, stage: &mut Stage<'_, '_>) {
        let Some((venue, rules)) = &self.source else { return };
        for follower in &mut self.followers {
            // What is there at the start is there at once: no venue opens with an empty book.
            let due = if now == 0 { 0 } else { now + self.lag_ns };
            follower.pending.push_back((due, frame.clone()));
        }
        if let Frame::Trade { taker, level: (price, qty) } = frame {
            let resting = taker.opposite();
            let standing = self.book.ladder.mapped(&[(resting, price)], rules);
            let price = to_tick(resting, price, rules.tick_size);
            let trade = (price, to_lot(qty, rules.lot_size));
            let standing = standing.first().map_or(Decimal::ZERO, |(_, level)| level.1);
            if self.book.is_synced {
                stage.recorded_trade(*venue, &self.symbol, taker, (trade, standing), now);
            }
            return;
        }
        let changed = self.book.apply(frame);
        let levels = self.book.ladder.mapped(&changed, rules);
        stage.set_levels(*venue, &self.symbol, &levels, now);
    }

    /// Keeps one frame ahead; begins again at the end.
    fn read_ahead(&mut self) {
        if !self.ahead.is_empty() {
            return;
        }
        if let Some((time_ns, frame)) = self.next_frame() {
            self.push(time_ns, frame);
            return;
        }
        self.offset_ns = self.last_due_ns + LOOP_PAUSE_NS;
        let again = reader(&self.path).map(|reader| self.reader = reader);
        // A file that can no longer be read leaves the market standing still.
        if again.and_then(|()| self.begin()).is_err() {
            self.ahead.clear();
        }
    }

    /// Reads up to the snapshot, which happens at `offset_ns` together with all before it, and on
    /// until a line has named the symbol.
    fn begin(&mut self) -> Result<(), String> {
        let mut read = Vec::new();
        let mut snapshot_ns = None;
        while read.len() < SNAPSHOT_WITHIN {
            let Some((time_ns, frame)) = self.next_frame() else { break };
            if matches!(frame, Frame::Snapshot { .. }) {
                snapshot_ns.get_or_insert(time_ns);
            }
            read.push((time_ns, frame));
            if let (Some(base_ns), false) = (snapshot_ns, self.symbol.is_empty()) {
                self.base_ns = base_ns;
                self.push(base_ns, Frame::Begin);
                for (time_ns, frame) in read {
                    self.push(time_ns, frame);
                }
                return Ok(());
            }
        }
        Err(format!("{}: no depth snapshot near its beginning", self.path.display()))
    }

    fn push(&mut self, time_ns: u64, frame: Frame) {
        let due = self.offset_ns + time_ns.saturating_sub(self.base_ns);
        self.last_due_ns = self.last_due_ns.max(due);
        self.ahead.push_back((self.last_due_ns, frame));
    }

    /// The next line that means anything; `None` at the end.
    fn next_frame(&mut self) -> Option<(u64, Frame)> {
        loop {
            self.line.clear();
            if self.reader.read_line(&mut self.line).ok()? == 0 {
                return None;
            }
            let Some((time, json)) = self.line.split_once(' ') else { continue };
            let (Ok(time_ns), Ok(json)) = (time.parse(), serde_json::from_str(json)) else {
                continue;
            };
            if let Some(frame) = parse(&json, &mut self.symbol) {
                return Some((time_ns, frame));
            }
        }
    }
}

impl Follower {
    /// Catches up with what has reached this venue and quotes around it.
    fn follow(&mut self, offset: f64, now: u64, stage: &mut Stage<'_, '_>) {
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

impl Book {
    /// Applies a frame; gives the recorded prices whose quantity may have changed.
    fn apply(&mut self, frame: Frame) -> Vec<(Side, Decimal)> {
        match frame {
            Frame::Begin => {
                self.is_synced = false;
                self.early.clear();
                Vec::new()
            }
            Frame::Snapshot { last_id, levels } => self.restart(last_id, &levels),
            Frame::Depth { last_id, levels } if !self.is_synced => {
                self.early.push((last_id, levels));
                Vec::new()
            }
            Frame::Depth { last_id, levels } if last_id > self.last_id => {
                self.last_id = last_id;
                let mut changed = self.ladder.set(&levels);
                // A best quote that is newer than this depth has the last word.
                if let Some((id, bid, ask)) = self.best.filter(|(id, _, _)| *id > last_id) {
                    changed.extend(self.on_best(id, bid, ask));
                }
                changed
            }
            Frame::Best { id, bid, ask } if self.is_synced && id >= self.last_id => {
                self.on_best(id, bid, ask)
            }
            Frame::Depth { .. } | Frame::Best { .. } | Frame::Trade { .. } => Vec::new(),
        }
    }

    fn restart(&mut self, last_id: u64, levels: &[(Side, SimLevel)]) -> Vec<(Side, Decimal)> {
        let old = std::mem::take(&mut self.ladder);
        let bids = old.bids.into_keys().map(|price| (Side::Buy, price));
        let mut changed: Vec<_> =
            bids.chain(old.asks.into_keys().map(|price| (Side::Sell, price))).collect();
        changed.extend(self.ladder.set(levels));
        (self.last_id, self.is_synced, self.best) = (last_id, true, None);
        for (last_id, levels) in std::mem::take(&mut self.early) {
            changed.extend(self.apply(Frame::Depth { last_id, levels }));
        }
        changed
    }

    fn on_best(&mut self, id: u64, bid: SimLevel, ask: SimLevel) -> Vec<(Side, Decimal)> {
        self.best = Some((id, bid, ask));
        let better_bids = self.ladder.bids.range(bid.0..).map(|(price, _)| (Side::Buy, *price));
        let better_asks = self.ladder.asks.range(..ask.0).map(|(price, _)| (Side::Sell, *price));
        let gone: Vec<(Side, SimLevel)> = better_bids
            .chain(better_asks)
            .map(|(side, price)| (side, (price, Decimal::ZERO)))
            .chain([(Side::Buy, bid), (Side::Sell, ask)])
            .collect();
        self.ladder.set(&gone)
    }
}

impl Ladder {
    fn set(&mut self, levels: &[(Side, SimLevel)]) -> Vec<(Side, Decimal)> {
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

    /// What these recorded prices come to at a venue with this tick and lot. Recorded prices that
    /// fall on the same tick are added up.
    fn mapped(&self, changed: &[(Side, Decimal)], rules: &SymbolRules) -> Vec<(Side, SimLevel)> {
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

/// Away from the other side, so that two books that touch do not cross.
fn to_tick(side: Side, price: Decimal, tick: Decimal) -> Decimal {
    let ticks = price / tick;
    tick * if side == Side::Buy { ticks.floor() } else { ticks.ceil() }
}

/// Cut to the lot; something stays something.
fn to_lot(qty: Decimal, lot: Decimal) -> Decimal {
    (lot * (qty / lot).floor()).max(lot)
}

fn reader(path: &Path) -> Result<BufReader<MultiGzDecoder<File>>, String> {
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(file)))
}

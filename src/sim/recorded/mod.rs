//! A recorded market: the capture of one instrument, played at the venue it came from, and followed by
//! the other instruments of its pair that have none with a lag, noise and dislocations.
//!
//! Lines are `<unix ns> <json>`, frames as the venue sends them. The book is rebuilt by the venue's rule
//! (changes up to the snapshot are dropped); best quotes move its top between two depth changes. Where
//! frames are missing it is empty until the next snapshot: nobody trades at prices that nobody knows. A
//! capture that ends begins again from its start, whose snapshot then replaces the book, or is over.

mod book;
mod file;
mod follower;
mod known;
mod source;

use super::flow::{Capture, FlowOptions, Stage};
use super::frames::{Frame, Marks, Origin};
use super::random::{DislocationClock, Random};
use super::{Exchange, MarketState, StatedRules, SymbolRules};
use crate::types::Side;
use book::{Book, common_step, to_lot, to_tick};
pub(super) use file::stated;
pub use file::{Survey, survey};
use follower::Follower;
pub use known::Known;
use rust_decimal::Decimal;
use source::{Head, Source};
use std::collections::{BTreeMap, VecDeque};

/// Pause between the end of a capture and its next beginning.
const LOOP_PAUSE_NS: u64 = 100_000_000;
/// Half the distance between bid and ask that a dislocation has to jump, as a ratio.
const DERIVED_SPREAD: f64 = 0.2e-4;

/// One capture being played.
pub(super) struct Tape {
    source: Source,
    /// Read ahead.
    ahead: VecDeque<(u64, Frame)>,
    /// Recorded time that is flow time `offset_ns`.
    base_ns: u64,
    offset_ns: u64,
    last_due_ns: u64,
    /// It does not begin again.
    once: bool,
    venue: usize,
    /// It is played at the venue whose frames they are.
    is_at_home: bool,
    rules: SymbolRules,
    pair: String,
    /// What a recorded quantity is to be multiplied by.
    contract: Decimal,
    book: Book,
    /// What the venue has said of a perpetual.
    marks: Marks,
    /// What stands at the venue by the recording, by side (bids as `true`) and price.
    shown: BTreeMap<(bool, Decimal), Decimal>,
    followers: Vec<Follower>,
    dislocations: DislocationClock,
    event_ns: f64,
    lag_ns: u64,
}

type Venues<'a> = &'a [(&'static str, Vec<SymbolRules>)];

impl Tape {
    /// Opens all captures and reads up to their snapshots. Their times keep their distance: flow time
    /// zero is the first snapshot.
    pub(super) fn open_all(options: &FlowOptions, venues: Venues<'_>) -> Result<Vec<Self>, String> {
        let mut opened: Vec<(Self, Head)> = Vec::new();
        for capture in &options.captures {
            let (tape, head) = Self::open(capture, options, venues)?;
            let same = |(other, _): &&(Self, Head)| {
                (other.venue, &other.rules.symbol) == (tape.venue, &tape.rules.symbol)
            };
            if opened.iter().any(|other| same(&other)) {
                let (name, symbol) = (venues[tape.venue].0, &tape.rules.symbol);
                return Err(format!("two captures hold {symbol} of {name}"));
            }
            opened.push((tape, head));
        }
        let base_ns = opened.iter().map(|(_, head)| head.snapshot_ns).min().unwrap_or_default();
        let mut tapes = Vec::new();
        for (mut tape, head) in opened {
            tape.base_ns = base_ns;
            tape.start(head);
            tapes.push(tape);
        }
        let recorded: Vec<(usize, String)> =
            tapes.iter().map(|tape| (tape.venue, tape.rules.symbol.clone())).collect();
        let mut led: Vec<String> = Vec::new();
        for tape in &mut tapes {
            // The first tape of a pair leads those that have none.
            if !led.contains(&tape.pair) {
                led.push(tape.pair.clone());
                tape.lead(options, venues, &recorded);
            }
        }
        Ok(tapes)
    }

    fn open(
        capture: &Capture,
        options: &FlowOptions,
        venues: Venues<'_>,
    ) -> Result<(Self, Head), String> {
        let mut source = Source::open(&capture.files)?;
        let head = source.head()?;
        let mut origin = source.origin().ok_or_else(|| source.error("no line names a symbol"))?;
        let is_at_home = [origin.venue.as_str(), ""].contains(&capture.venue.as_str());
        if !capture.venue.is_empty() {
            origin.venue.clone_from(&capture.venue);
        }
        let (venue, rules) = place(&origin, venues).map_err(|text| source.error(&text))?;
        let contract = rules.perpetual.as_ref().map(|perpetual| perpetual.contract_size);
        let contract = contract.filter(|_| source.is_in_contracts()).unwrap_or(Decimal::ONE);
        let nobody = Random::new(options.seed, 0);
        let tape = Self {
            source,
            ahead: VecDeque::new(),
            base_ns: 0,
            offset_ns: 0,
            last_due_ns: 0,
            once: options.once,
            venue,
            is_at_home,
            pair: rules.pair(),
            rules,
            contract,
            book: Book::default(),
            marks: Marks::default(),
            shown: BTreeMap::new(),
            followers: Vec::new(),
            dislocations: DislocationClock::new(options.dislocations, 1, Vec::new(), nobody),
            event_ns: 1e9 / options.events_per_second,
            lag_ns: options.lag_ms * 1_000_000,
        };
        Ok((tape, head))
    }

    /// Makes followers of the instruments of its pair that are not recorded.
    fn lead(&mut self, options: &FlowOptions, venues: Venues<'_>, recorded: &[(usize, String)]) {
        let each = venues.iter().enumerate().flat_map(|(venue, (_, rules))| {
            let same = rules.iter().filter(|rules| rules.pair() == self.pair);
            same.enumerate().map(move |(place, rules)| (venue, place, rules))
        });
        for (venue, place, rules) in each {
            let own = |(at, symbol): &(usize, String)| *at == venue && *symbol == rules.symbol;
            if recorded.iter().any(own) || !options.moves(venues[venue].0, rules) {
                continue;
            }
            let stream = 0x7a9e + venue as u64 + 1_000 * place as u64;
            let random = Random::new(options.seed, stream);
            self.followers.push(Follower::new(venue, rules.clone(), random));
        }
        let parts = self.parting();
        let mut pairs: Vec<String> =
            venues.iter().flat_map(|(_, rules)| rules).map(SymbolRules::pair).collect();
        pairs.sort_unstable();
        pairs.dedup();
        let random = Random::new(options.seed, 0x7a9d);
        self.dislocations = DislocationClock::new(options.dislocations, pairs.len(), parts, random);
    }

    /// Places of the followers that part: those of the recorded kind, if there are any.
    fn parting(&self) -> Vec<usize> {
        let is_perpetual = |rules: &SymbolRules| rules.perpetual.is_some();
        let kind = is_perpetual(&self.rules);
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
        if let Frame::Marks(marks) = &frame {
            return self.play_marks(now, marks, stage);
        }
        if let Frame::Rules(stated) = &frame {
            return self.play_rules(now, stated, stage);
        }
        for follower in &mut self.followers {
            // What is there at the start is there at once: no venue opens with an empty book.
            let due = if now == 0 { 0 } else { now + self.lag_ns };
            follower.pending.push_back((due, frame.clone()));
        }
        let rules = &self.rules;
        if let Frame::Trade { taker, level: (price, qty) } = frame {
            if !self.book.is_synced {
                return;
            }
            let resting = taker.opposite();
            let standing = self.book.ladder.mapped(&[(resting, price)], rules);
            let price = to_tick(resting, price, rules.tick_size);
            let trade = (price, to_lot(qty, rules.lot_size));
            let standing = standing.first().map_or(Decimal::ZERO, |(_, level)| level.1);
            stage.print(
                Exchange::followed_trade,
                (self.venue, &rules.symbol),
                taker,
                (trade, standing),
                now,
            );
            return;
        }
        let (was_synced, edges) = (self.book.is_synced, self.book.ladder.edges());
        let changed = self.book.apply(frame);
        let levels = self.book.ladder.mapped(&changed, rules);
        // What comes into sight, beyond the last level or behind a hole, was there before.
        let anew = !was_synced && self.book.is_synced;
        let tick = rules.tick_size;
        let [bid, ask] = edges;
        let unseen = |side: Side, price: Decimal| match side {
            Side::Buy => bid.is_some_and(|bid| price < to_tick(side, bid, tick)),
            Side::Sell => ask.is_some_and(|ask| price > to_tick(side, ask, tick)),
        };
        let (revealed, moved): (Vec<_>, Vec<_>) = levels
            .into_iter()
            .partition(|&(side, (price, qty))| !qty.is_zero() && (anew || unseen(side, price)));
        let shown = &mut self.shown;
        let was = |side, price| shown.get(&(side == Side::Buy, price)).copied().unwrap_or_default();
        stage.follow_levels((self.venue, &rules.symbol), &moved, was, now);
        stage.reveal_levels(self.venue, &rules.symbol, &revealed, now);
        for (side, (price, qty)) in moved.into_iter().chain(revealed) {
            let key = (side == Side::Buy, price);
            if qty.is_zero() {
                shown.remove(&key);
            } else {
                shown.insert(key, qty);
            }
        }
    }

    /// The venue has changed its rules. What stands there by older ones still does: prices and quantities
    /// are rounded to steps that are those of all rules so far.
    fn play_rules(&mut self, now: u64, stated: &StatedRules, stage: &mut Stage<'_, '_>) {
        if !self.is_at_home {
            return;
        }
        stage.restate(self.venue, &self.rules.symbol, stated, now);
        let rules = &mut self.rules;
        let before = (rules.tick_size, rules.lot_size);
        rules.tick_size = common_step(rules.tick_size, stated.tick);
        rules.lot_size = common_step(rules.lot_size, stated.lot);
        if before != (rules.tick_size, rules.lot_size) {
            self.show_anew(now, stage);
        }
    }

    /// What stands at the venue is rounded to the steps of before, finer prices among it: the venue had its
    /// rules before the recording said so. What is taken away from now on is named by the new ones.
    fn show_anew(&mut self, now: u64, stage: &mut Stage<'_, '_>) {
        let (rules, shown) = (&self.rules, &self.shown);
        let levels = self.book.ladder.mapped(&self.book.ladder.prices(), rules);
        let key = |side, price| (side == Side::Buy, price);
        let there: BTreeMap<(bool, Decimal), Decimal> =
            levels.iter().map(|&(side, (price, qty))| (key(side, price), qty)).collect();
        let gone = shown.keys().filter(|key| !there.contains_key(key)).map(|&(is_bid, price)| {
            (if is_bid { Side::Buy } else { Side::Sell }, (price, Decimal::ZERO))
        });
        let differs = |(side, (price, qty)): &(Side, (Decimal, Decimal))| {
            shown.get(&key(*side, *price)) != Some(qty)
        };
        let (moved, revealed): (Vec<_>, Vec<_>) = levels
            .iter()
            .copied()
            .filter(differs)
            .partition(|&(side, (price, _))| shown.contains_key(&key(side, price)));
        let moved: Vec<_> = gone.chain(moved).collect();
        let was = |side, price| shown.get(&key(side, price)).copied().unwrap_or_default();
        stage.follow_levels((self.venue, &rules.symbol), &moved, was, now);
        stage.reveal_levels(self.venue, &rules.symbol, &revealed, now);
        self.shown = there;
    }

    /// States mark and funding at the venue; the recorded time of a payment becomes one of the flow.
    fn play_marks(&mut self, now: u64, newer: &Marks, stage: &mut Stage<'_, '_>) {
        self.marks.apply(newer);
        let Marks { mark, index, rate, next_ms, interval_ms } = self.marks;
        let due_ns = |next_ms: u64| {
            let since_ns = next_ms.saturating_mul(1_000_000).checked_sub(self.base_ns)?;
            stage.due_ms(self.venue, self.offset_ns + since_ns)
        };
        let next_ms = next_ms.and_then(due_ns);
        let state = MarketState { mark, index, rate, interval_ms, next_ms };
        stage.set_market(self.venue, &self.rules.symbol, state, now);
    }

    /// Keeps one frame ahead; begins again at the end.
    fn read_ahead(&mut self) {
        if !self.ahead.is_empty() {
            return;
        }
        if let Some((time_ns, frame)) = self.source.next() {
            self.push(time_ns, frame);
            return;
        }
        if self.once {
            return;
        }
        self.offset_ns = self.last_due_ns + LOOP_PAUSE_NS;
        // A file that can no longer be read leaves the market standing still.
        if let Ok(head) = self.source.head() {
            self.base_ns = head.snapshot_ns;
            self.start(head);
        }
    }

    /// All of the beginning happens at the time of the snapshot.
    fn start(&mut self, head: Head) {
        self.push(head.snapshot_ns, Frame::Begin);
        for (time_ns, frame) in head.frames {
            self.push(time_ns.max(head.snapshot_ns), frame);
        }
    }

    fn push(&mut self, time_ns: u64, mut frame: Frame) {
        let due = self.offset_ns + time_ns.saturating_sub(self.base_ns);
        self.last_due_ns = self.last_due_ns.max(due);
        if self.contract != Decimal::ONE {
            frame.scale(self.contract);
        }
        self.ahead.push_back((self.last_due_ns, frame));
    }
}

/// The instrument that was recorded, among those of the venues.
fn place(origin: &Origin, venues: Venues<'_>) -> Result<(usize, SymbolRules), String> {
    let Origin { venue: name, symbol, .. } = origin;
    let at = venues.iter().position(|(known, _)| known == name);
    let at = at.ok_or_else(|| format!("it is of {name}, which is no venue here"))?;
    let found = venues[at].1.iter().find(|rules| origin.is(rules));
    let found = found.ok_or_else(|| format!("venue {name:?} has no symbol {symbol}"))?;
    Ok((at, found.clone()))
}

#[cfg(test)]
mod tests;

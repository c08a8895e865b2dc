//! What goes wrong and when: drawn from the seed, undone before the quiet end.

use crate::chance::Chance;
use crate::plan::{MS, Plan, SECOND};
use crate::venues::port;
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use stoop::pipe::{Cut, Latency, Network};
use stoop::sim::venues::bybit::LINEAR;
use stoop::sim::{Fault, InMemory};
use stoop::types::Nanos;

/// Kinds of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Everything from a venue comes late for a while.
    Delay,
    /// All connections are lost, with what was on its way.
    Reset,
    /// The same, in the middle of frames.
    CutInside,
    /// The next frame of every connection is cut.
    CutFrame,
    /// Connections are lost and no new ones are taken for a while.
    Refuse,
    /// One change of a book is not told.
    SkipBook,
    /// Replies are lost for a while, what they reply to is done.
    LoseReplies,
    /// Requests over REST are carried out and answered with an error of the server for a while.
    FailReplies,
    /// Messages about orders, fills and balances come twice for a while.
    Repeat,
    /// Books that are fetched are old.
    StaleSnapshot,
    /// The venue refuses requests for a while.
    Ban,
    /// The venue starts anew, with or without the open orders.
    Restart,
    /// The venue's clock is wrong for a while.
    ClockJump,
    /// The venue says that it is about to end.
    Shutdown,
    /// A strategy is not polled for a while.
    SlowStrategy,
    /// An executor is not polled for a while.
    SlowExecutor,
    /// A feed is not polled for a while.
    SlowFeed,
    /// The engine dies between two polls and is started again.
    Crash,
    /// The engine dies while it writes its journal, at any byte, and is started again.
    CrashInJournal,
    /// The disk of the journal is full for a while.
    DiskFull,
    /// One connection is lost, with what was on its way.
    ResetOne,
    /// One of the order connections is slow for a while.
    SlowOne,
    /// The venue begins the sequence numbers of its books anew.
    ResetBooks,
    /// The mark price of a perpetual is far from the book for a while, which liquidates who has
    /// little.
    JumpMark,
    /// Much funding is paid for a while, by one side or the other.
    HighFunding,
}

/// What is asked of whoever runs the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Let it die now, and start it again after so long.
    Crash(u64),
    /// Let it die so many bytes of its journal later, and start it again after so long.
    CrashAfter(u64, u64),
    /// So many bytes of journal beyond what is there have room; without limit if `None`.
    Room(Option<u64>),
}

pub const KINDS: &[Kind] = &[
    Kind::Delay,
    Kind::Reset,
    Kind::CutInside,
    Kind::CutFrame,
    Kind::Refuse,
    Kind::SkipBook,
    Kind::LoseReplies,
    Kind::FailReplies,
    Kind::Repeat,
    Kind::StaleSnapshot,
    Kind::Ban,
    Kind::Restart,
    Kind::ClockJump,
    Kind::Shutdown,
    Kind::SlowStrategy,
    Kind::SlowExecutor,
    Kind::SlowFeed,
    Kind::Crash,
    Kind::CrashInJournal,
    Kind::DiskFull,
    Kind::ResetOne,
    Kind::SlowOne,
    Kind::ResetBooks,
    Kind::JumpMark,
    Kind::HighFunding,
];

/// Some kinds and how often each comes; the others are switched off.
pub fn weights(chance: &mut Chance) -> Vec<(Kind, u64)> {
    let share = [10, 30, 60, 100][chance.below(4) as usize];
    let mut chosen = Vec::new();
    for kind in KINDS {
        let weight = chance.between(1, 10);
        if chance.percent(share) {
            chosen.push((*kind, weight));
        }
    }
    chosen
}

/// What is undone when its time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Undo {
    Delay(usize),
    Refuse(usize),
    Replies(usize),
    Failing(usize),
    Repeat(usize),
    Clock(usize),
    Disk,
    Slow(usize),
    Mark(usize, String),
    Rate(usize, String),
}

/// Agents that are not polled until a time.
#[derive(Clone, Debug, Default)]
pub struct Asleep {
    pub strategies: Nanos,
    /// By venue.
    pub executors: Vec<Nanos>,
    pub feeds: Vec<Nanos>,
}

impl Asleep {
    fn nobody(plan: &Plan) -> Self {
        let venues = vec![Nanos(0); plan.venues.len()];
        Self { strategies: Nanos(0), executors: venues.clone(), feeds: venues }
    }
}

/// See the module.
pub struct Faults {
    chance: Chance,
    kinds: Vec<(Kind, u64)>,
    every_ns: u64,
    next: Nanos,
    undo: Vec<(Nanos, Undo)>,
    pub asleep: Asleep,
    /// How often each kind came.
    pub counts: BTreeMap<Kind, u64>,
    pub orders: Vec<Order>,
    /// Longest that a connection may take to come back by itself once nothing is wrong any more.
    pub healing_ns: u64,
    /// What happened, for the report of a failure.
    pub told: Vec<(Nanos, String)>,
}

impl Faults {
    pub fn new(plan: &Plan, now: Nanos) -> Self {
        let mut chance = Chance::new(plan.seed, "faults");
        // The first connections may fail too.
        let next = now.plus(chance.below(2 * plan.fault_every_ns));
        Self {
            chance,
            kinds: kinds(plan),
            every_ns: plan.fault_every_ns,
            next,
            undo: Vec::new(),
            asleep: Asleep::nobody(plan),
            counts: BTreeMap::new(),
            orders: Vec::new(),
            healing_ns: HEALING_NS,
            told: Vec::new(),
        }
    }

    /// When something is to break or to be undone.
    pub fn due(&self) -> Nanos {
        let undo = self.undo.iter().map(|(at, _)| *at).min().unwrap_or(Nanos(u64::MAX));
        if self.kinds.is_empty() { undo } else { undo.min(self.next) }
    }

    /// Breaks and undoes what is due.
    pub fn turn(&mut self, now: Nanos, sim: &mut InMemory, network: &Network, plan: &Plan) {
        let due: Vec<Undo> =
            self.undo.iter().filter(|(at, _)| *at <= now).map(|(_, undo)| undo.clone()).collect();
        self.undo.retain(|(at, _)| *at > now);
        for undo in due {
            // A later fault of the same kind goes on.
            if !self.undo.iter().any(|(_, other)| *other == undo) {
                self.undo(undo, now, sim, network, plan);
            }
        }
        if !self.kinds.is_empty() && now >= self.next {
            self.next = now.plus(self.chance.between(self.every_ns / 4, self.every_ns * 2));
            let total = self.kinds.iter().map(|(_, weight)| weight).sum();
            let mut drawn = self.chance.below(total);
            let kinds = self.kinds.clone();
            for (kind, weight) in kinds {
                if drawn < weight {
                    return self.cause(kind, now, sim, network, plan);
                }
                drawn -= weight;
            }
        }
    }

    /// Nothing breaks any more, and everything is undone.
    pub fn heal(&mut self, now: Nanos, sim: &mut InMemory, network: &Network, plan: &Plan) {
        self.kinds.clear();
        self.asleep = Asleep::nobody(plan);
        for (_, undo) in std::mem::take(&mut self.undo) {
            self.undo(undo, now, sim, network, plan);
        }
    }

    fn undo(&mut self, undo: Undo, now: Nanos, sim: &mut InMemory, network: &Network, plan: &Plan) {
        self.told.push((now, format!("undone: {undo:?}")));
        match undo {
            Undo::Delay(venue) => {
                sim.fault(venue, Fault::DelayMs(0));
                network.listen(port(venue), crate::venues::latency(plan, venue));
            }
            Undo::Refuse(venue) => sim.fault(venue, Fault::RefuseConnections(false)),
            Undo::Replies(venue) => sim.fault(venue, Fault::LoseReplies(false)),
            Undo::Failing(venue) => sim.fault(venue, Fault::FailReplies(false)),
            Undo::Repeat(venue) => sim.fault(venue, Fault::RepeatEvents(0)),
            Undo::Disk => self.orders.push(Order::Room(None)),
            Undo::Clock(venue) => sim.fault(venue, Fault::SkewClock(0)),
            Undo::Slow(venue) => {
                let fault = slow_one(sim, venue, 0, 0);
                sim.fault(venue, fault);
            }
            Undo::Mark(venue, symbol) => sim.fault(venue, Fault::SetMark { symbol, price: None }),
            Undo::Rate(venue, symbol) => {
                sim.fault(venue, Fault::SetFundingRate { symbol, rate: None });
            }
        }
    }

    /// One of a venue's symbols, as messages name it.
    fn symbol(&mut self, sim: &InMemory, venue: usize) -> String {
        let symbol = &self.chance.pick(sim.exchange(venue).symbols()).symbol;
        symbol.trim_end_matches(LINEAR).to_owned()
    }

    /// The perpetuals, with their venues.
    fn perpetuals(sim: &InMemory, plan: &Plan) -> Vec<(usize, String)> {
        let mut all = Vec::new();
        for venue in 0..plan.venues.len() {
            let listed = sim.exchange(venue).symbols().iter();
            let perpetuals = listed.filter(|rules| rules.perpetual.is_some());
            all.extend(perpetuals.map(|rules| (venue, rules.symbol.clone())));
        }
        all
    }

    /// From now on nobody pays anybody.
    pub fn no_funding(sim: &mut InMemory, plan: &Plan) {
        for (venue, symbol) in Self::perpetuals(sim, plan) {
            sim.fault(venue, Fault::SetFundingRate { symbol, rate: Some(Decimal::ZERO) });
        }
    }

    /// What happens to perpetuals alone; whether it could.
    fn shake(&mut self, kind: Kind, until: Nanos, sim: &mut InMemory, plan: &Plan) -> Option<()> {
        let all = Self::perpetuals(sim, plan);
        let (venue, symbol) =
            if all.is_empty() { return None } else { self.chance.pick(&all).clone() };
        let sign = if self.chance.percent(50) { 1 } else { -1 };
        let (fault, undo) = match kind {
            Kind::JumpMark => {
                let mark = sim.exchange(venue).mark(&symbol, 0)?.mark;
                let jump = Decimal::new(sign * self.chance.between(5, 80) as i64, 2);
                let price = Some((mark * (Decimal::ONE + jump)).round_dp(2));
                let undo = Undo::Mark(venue, symbol.clone());
                (Fault::SetMark { symbol, price }, undo)
            }
            _ => {
                let rate = Some(Decimal::new(sign * self.chance.between(1, 300) as i64, 5));
                let undo = Undo::Rate(venue, symbol.clone());
                (Fault::SetFundingRate { symbol, rate }, undo)
            }
        };
        sim.fault(venue, fault);
        self.undo.push((until, undo));
        Some(())
    }

    fn cause(
        &mut self,
        kind: Kind,
        now: Nanos,
        sim: &mut InMemory,
        network: &Network,
        plan: &Plan,
    ) {
        let venue = self.chance.below(plan.venues.len() as u64) as usize;
        let port = port(venue);
        let until = now.plus(self.chance.between(50, 3_000) * MS);
        self.told.push((now, format!("{kind:?} at venue {venue} until {}", until.0 / MS)));
        *self.counts.entry(kind).or_default() += 1;
        let later = |undo| (until, undo);
        match kind {
            Kind::JumpMark | Kind::HighFunding => {
                // Marks move once a second, and funding takes longer.
                let _ = self.shake(kind, until.plus(2 * SECOND), sim, plan);
            }
            Kind::ResetBooks => sim.fault(venue, Fault::ResetBooks),
            Kind::Delay => {
                // Now and then so late that queries overtake orders that still count.
                let most = if self.chance.percent(30) { 5_500 } else { 1_500 };
                let delay = self.chance.between(20, most);
                sim.fault(venue, Fault::DelayMs(delay));
                let usual = crate::venues::latency(plan, venue);
                let jitter_ns = usual.jitter_ns + delay * MS;
                network.listen(port, Latency { jitter_ns, ..usual });
                self.undo.push(later(Undo::Delay(venue)));
            }
            Kind::ResetOne => {
                network.cut_one(port, self.chance.below(16) as usize, Cut::Reset);
            }
            Kind::SlowOne => {
                let place = self.chance.below(2) as usize;
                let fault = slow_one(sim, venue, place, self.chance.between(20, 2_500));
                sim.fault(venue, fault);
                self.undo.push(later(Undo::Slow(venue)));
            }
            Kind::Reset => network.cut(port, Cut::Reset),
            Kind::CutInside => network.cut(port, Cut::Inside),
            Kind::CutFrame => network.cut(port, Cut::NextFrame),
            Kind::Refuse => {
                sim.fault(venue, Fault::RefuseConnections(true));
                network.cut(port, Cut::Reset);
                self.undo.push(later(Undo::Refuse(venue)));
            }
            Kind::SkipBook => {
                let symbol = self.symbol(sim, venue);
                sim.fault(venue, Fault::SkipBookEvent { symbol });
            }
            Kind::LoseReplies => {
                sim.fault(venue, Fault::LoseReplies(true));
                self.undo.push(later(Undo::Replies(venue)));
            }
            Kind::FailReplies => {
                sim.fault(venue, Fault::FailReplies(true));
                self.undo.push(later(Undo::Failing(venue)));
            }
            Kind::Repeat => {
                sim.fault(venue, Fault::RepeatEvents(self.chance.between(50, 1_000) as u32));
                self.undo.push(later(Undo::Repeat(venue)));
            }
            Kind::StaleSnapshot => {
                sim.fault(venue, Fault::StaleSnapshots(self.chance.between(1, 3) as u32));
            }
            Kind::Ban => {
                // Some bans last ten minutes by the venue's documentation.
                let long = plan.venue_name(venue) == "bybit";
                if long && (plan.long || !self.chance.percent(10)) {
                    return;
                }
                sim.fault(venue, Fault::BanMs(until.since(now) / MS));
                if long {
                    self.healing_ns = LONG_BAN_NS;
                }
            }
            Kind::Restart => {
                let keep_orders = self.chance.percent(50);
                sim.fault(venue, Fault::Restart { keep_orders });
                sim.fault(venue, Fault::RefuseConnections(true));
                network.cut(port, Cut::Reset);
                self.undo.push(later(Undo::Refuse(venue)));
            }
            Kind::ClockJump => {
                let size = self.chance.between(100, 9_000) as i64;
                let skew = if self.chance.percent(50) { size } else { -size };
                sim.fault(venue, Fault::SkewClock(skew));
                self.undo.push(later(Undo::Clock(venue)));
            }
            Kind::Shutdown => sim.fault(venue, Fault::AnnounceShutdown),
            Kind::SlowStrategy => {
                // Long runs want many orders.
                let times = if plan.long { 1 } else { 3 };
                self.asleep.strategies = now.plus(until.since(now) * times);
            }
            Kind::SlowExecutor => self.asleep.executors[venue] = until,
            Kind::SlowFeed => self.asleep.feeds[venue] = until,
            Kind::Crash => self.orders.push(Order::Crash(self.chance.below(1_500) * MS)),
            Kind::CrashInJournal => {
                let (bytes, pause_ns) = (self.chance.below(3_000), self.chance.below(1_500) * MS);
                self.orders.push(Order::CrashAfter(bytes, pause_ns));
            }
            Kind::DiskFull => {
                self.orders.push(Order::Room(Some(self.chance.below(100_000))));
                self.undo.push(later(Undo::Disk));
            }
        }
    }
}

/// The kinds of a plan that can happen there.
fn kinds(plan: &Plan) -> Vec<(Kind, u64)> {
    let perpetual = plan.markets.iter().any(|market| market.perpetual);
    let possible = |kind: Kind| match kind {
        Kind::JumpMark => perpetual && plan.thin,
        Kind::HighFunding => perpetual,
        _ => true,
    };
    let mut kinds: Vec<_> =
        plan.faults.iter().copied().filter(|(kind, _)| possible(*kind)).collect();
    // Little money is no trouble by itself.
    if perpetual && plan.thin && !kinds.is_empty() && !kinds.iter().any(|k| k.0 == Kind::JumpMark) {
        kinds.push((Kind::JumpMark, 10));
    }
    kinds
}

/// The first or second order connection of a venue.
fn slow_one(sim: &InMemory, venue: usize, index: usize, delay_ms: u64) -> Fault {
    let url = &sim.urls(venue).trade;
    let path = url.splitn(4, '/').nth(3).unwrap_or_default();
    Fault::DelayOne { path_contains: format!("/{path}"), index, delay_ms }
}

const HEALING_NS: u64 = 45 * SECOND;
const LONG_BAN_NS: u64 = 660 * SECOND;

//! What one seed decides before the first step: the world, the limits, the strategies, the faults.

use crate::chance::Chance;
use crate::markets::{BASES, EVERYWHERE, MARKETS, Market};
use rust_decimal::Decimal;
use stoop::types::VenueId;

pub const MS: u64 = 1_000_000;
pub const SECOND: u64 = 1_000 * MS;

/// See the module. Times in nanoseconds.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    /// At least 2 000 orders instead of a few seconds of trading.
    pub long: bool,
    /// How long strategies trade, at least.
    pub trading_ns: u64,
    /// The engine is told to stop the moment its trading time is over, whatever its state is.
    pub abrupt: bool,
    /// At the quiet end everything is closed.
    pub flatten: bool,
    /// The agents are polled at least so often.
    pub poll_ns: u64,
    /// What is traded: two to four markets, in the order of the table of venues.
    pub markets: Vec<&'static Market>,
    /// Their venues; a place in this list is what every other list here, and every loop over venues,
    /// counts by.
    pub venues: Vec<VenueId>,
    /// Underlyings traded at each of them: one or two.
    pub bases: Vec<&'static str>,
    /// Perpetuals stand on little money and much leverage, so that some are liquidated.
    pub thin: bool,
    /// Times the position that may be lost before that, about.
    pub leverage: i64,
    /// Cash of each account with perpetuals, if it is thin.
    pub cash: i64,
    /// Time between payments of funding, ms.
    pub funding_interval_ms: u64,
    /// Changes of each book a second.
    pub changes_per_second: f64,
    pub dislocations_per_second: f64,
    pub events_first_per_mille: u32,
    /// By venue.
    pub latency_min_ns: Vec<u64>,
    pub latency_max_ns: Vec<u64>,
    pub jitter_ns: Vec<u64>,
    /// So many of a hundred connections are slower than the others, by so much.
    pub slow_percent: u64,
    pub slow_ns: u64,
    pub orders_over_rest: Vec<bool>,
    /// By venue: one or two.
    pub feed_connections: Vec<u8>,
    /// Where a venue takes either kind of key.
    pub ed25519: bool,
    /// The built-in strategy that compares prices runs too, between the first two markets.
    pub spread_arb: bool,
    /// And the one that carries a perpetual against spot, where there are both.
    pub basis: bool,
    /// Random traders.
    pub traders: usize,
    /// How often a trader acts.
    pub trader_every_ns: u64,
    pub limits: Limits,
    /// Size of the journal's files.
    pub segment_bytes: u64,
    /// Share of steps in a thousand at which something breaks, by kind; 0 is switched off.
    pub faults: Vec<(crate::faults::Kind, u64)>,
    /// Pause between two faults, about.
    pub fault_every_ns: u64,
}

#[derive(Clone, Debug)]
pub struct Limits {
    pub order_notional_max: i64,
    /// In thousandths of a BTC, and about as much of others: see [`Limits::position_max_of`].
    pub position_max: i64,
    pub orders_per_second: u32,
    pub orders_open: u32,
    pub book_age_ms: u64,
}

impl Limits {
    /// Of each leg of a built-in strategy, base units.
    pub fn qty_of(&self, base: &str) -> Decimal {
        match base {
            "BTC" => Decimal::new(1, 2),
            "ETH" => Decimal::new(1, 1),
            _ => Decimal::TEN,
        }
    }

    /// Base units.
    pub fn position_max_of(&self, base: &str) -> Decimal {
        match base {
            "BTC" => Decimal::new(self.position_max, 3),
            "ETH" => Decimal::new(self.position_max, 2),
            _ => Decimal::from(2 * self.position_max),
        }
    }
}

/// So many different ones of these, in their order.
fn some_of<'a, T>(c: &mut Chance, from: &'a [T], count: usize) -> Vec<&'a T> {
    let mut left: Vec<usize> = (0..from.len()).collect();
    while left.len() > count {
        left.remove(c.below(left.len() as u64) as usize);
    }
    left.into_iter().map(|at| &from[at]).collect()
}

impl Plan {
    /// Where a venue stands in the lists of the plan.
    pub fn slot(&self, venue: VenueId) -> usize {
        self.venues.iter().position(|known| *known == venue).unwrap()
    }

    /// Name of a venue.
    pub fn venue_name(&self, slot: usize) -> &'static str {
        stoop::venues::VENUES[usize::from(self.venues[slot].0)].name
    }

    /// Markets of a venue.
    pub fn markets_at(&self, slot: usize) -> impl Iterator<Item = &'static Market> {
        self.markets.iter().copied().filter(move |market| market.venue() == self.venues[slot])
    }

    /// Spot and the perpetual that is carried against it, where both are traded.
    pub fn carry(&self) -> Option<[&'static Market; 2]> {
        let base = self.bases[0];
        let of = |perpetual: bool| {
            let mut markets = self.markets.iter().copied().filter(|market| market.has(base));
            markets.find(|market| market.perpetual == perpetual)
        };
        Some([of(false)?, of(true)?])
    }

    pub fn new(seed: u64, long: bool) -> Self {
        let mut chance = Chance::new(seed, "plan");
        let c = &mut chance;
        let d = &mut Chance::new(seed, "markets");
        let count = d.between(2, 4) as usize;
        let markets = some_of(d, MARKETS, count);
        let mut venues: Vec<VenueId> = markets.iter().map(|market| market.venue()).collect();
        venues.sort();
        venues.dedup();
        let count = if d.percent(70) { 1 } else { 2 };
        let mut bases: Vec<&str> = some_of(d, &BASES, count).into_iter().copied().collect();
        if !bases.iter().all(|base| markets.iter().all(|market| market.has(base))) {
            bases.retain(|base| *base != EVERYWHERE);
            bases.truncate(bases.len().saturating_sub(1));
            bases.insert(0, EVERYWHERE);
        }
        let thin = d.percent(40) && !long;
        let (leverage, cash) = match thin {
            true => (d.between(20, 50) as i64, d.between(100, 1_500) as i64),
            false => (*d.pick(&[3, 10, 20]), 1_000_000),
        };
        let funding_interval_ms = d.between(4, 15) * 1_000;
        let slots = 0..venues.len();
        let base: Vec<u64> = slots.clone().map(|_| c.between(1, 40)).collect();
        let spread: Vec<u64> = slots.clone().map(|_| c.between(0, 30)).collect();
        let seconds = c.between(8, 25);
        let quiet = c.percent(15);
        Self {
            seed,
            long,
            trading_ns: seconds * SECOND,
            poll_ns: c.between(4, 20) * MS,
            changes_per_second: c.between(3, 12) as f64,
            dislocations_per_second: c.below(3) as f64,
            events_first_per_mille: [0, 100, 500, 1_000][c.below(4) as usize],
            latency_min_ns: base.iter().map(|ms| ms * MS / 4).collect(),
            latency_max_ns: slots.clone().map(|at| (base[at] + spread[at]) * MS / 4).collect(),
            jitter_ns: slots.clone().map(|_| c.below(8) * MS).collect(),
            slow_percent: *Chance::new(seed, "slow").pick(&[0, 0, 20, 50]),
            slow_ns: Chance::new(seed, "slow by").between(20, 250) * MS,
            orders_over_rest: slots.clone().map(|_| c.percent(20)).collect(),
            feed_connections: slots
                .map(|at| 1 + u8::from(Chance::new(seed, &format!("feed {at}")).percent(50)))
                .collect(),
            ed25519: c.percent(50),
            spread_arb: c.percent(40),
            basis: Chance::new(seed, "basis").percent(40),
            traders: 1 + usize::from(c.percent(30)),
            trader_every_ns: if long { 50 * MS } else { c.between(50, 400) * MS },
            limits: Limits {
                order_notional_max: *c.pick(&[2_000, 5_000, 20_000]),
                position_max: if long { 1_000 } else { *c.pick(&[50, 200, 1_000]) },
                orders_per_second: if long { 20 } else { *c.pick(&[5, 20, 100]) },
                orders_open: if long { 16 } else { *c.pick(&[4, 16, 64]) },
                book_age_ms: *c.pick(&[2_000, 5_000]),
            },
            segment_bytes: c.between(16, 128) * 4096,
            abrupt: Chance::new(seed, "abrupt").percent(20),
            flatten: Chance::new(seed, "flatten").percent(30),
            faults: if quiet { Vec::new() } else { crate::faults::weights(c) },
            fault_every_ns: c.between(300, 4_000) * if long { 5 * MS } else { MS },
            markets,
            venues,
            bases,
            thin,
            leverage,
            cash,
            funding_interval_ms,
        }
    }
}

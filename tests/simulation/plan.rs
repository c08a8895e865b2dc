//! What one seed decides before the first step: the world, the limits, the strategies, the faults.

use crate::chance::Chance;

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
    /// Symbols traded at each venue: one or two.
    pub symbols: usize,
    /// Changes of each book a second.
    pub changes_per_second: f64,
    pub dislocations_per_second: f64,
    pub events_first_per_mille: u32,
    /// By venue.
    pub latency_min_ns: [u64; 2],
    pub latency_max_ns: [u64; 2],
    pub jitter_ns: [u64; 2],
    /// So many of a hundred connections are slower than the others, by so much.
    pub slow_percent: u64,
    pub slow_ns: u64,
    pub orders_over_rest: [bool; 2],
    /// By venue: one or two.
    pub feed_connections: [u8; 2],
    /// Where a venue takes either kind of key.
    pub ed25519: bool,
    /// The built-in strategy runs too.
    pub spread_arb: bool,
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
    /// In thousandths of a BTC, and hundredths of an ETH.
    pub position_max: i64,
    pub orders_per_second: u32,
    pub orders_open: u32,
    pub book_age_ms: u64,
}

impl Plan {
    pub fn new(seed: u64, long: bool) -> Self {
        let mut chance = Chance::new(seed, "plan");
        let c = &mut chance;
        let base = [c.between(1, 40), c.between(1, 40)];
        let spread = [c.between(0, 30), c.between(0, 30)];
        let seconds = c.between(8, 25);
        let quiet = c.percent(15);
        Self {
            seed,
            long,
            trading_ns: seconds * SECOND,
            poll_ns: c.between(4, 20) * MS,
            symbols: if c.percent(70) { 1 } else { 2 },
            changes_per_second: c.between(3, 12) as f64,
            dislocations_per_second: c.below(3) as f64,
            events_first_per_mille: [0, 100, 500, 1_000][c.below(4) as usize],
            latency_min_ns: base.map(|ms| ms * MS / 4),
            latency_max_ns: [0, 1].map(|at| (base[at] + spread[at]) * MS / 4),
            jitter_ns: [c.below(8) * MS, c.below(8) * MS],
            slow_percent: *Chance::new(seed, "slow").pick(&[0, 0, 20, 50]),
            slow_ns: Chance::new(seed, "slow by").between(20, 250) * MS,
            orders_over_rest: [c.percent(20), c.percent(20)],
            feed_connections: ["feed of one", "feed of the other"]
                .map(|part| 1 + u8::from(Chance::new(seed, part).percent(50))),
            ed25519: c.percent(50),
            spread_arb: c.percent(40),
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
        }
    }
}

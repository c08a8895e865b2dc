//! What lies where in the region's files. The only place that knows offsets.
//!
//! A file is an array of 64-bit little-endian words; every record starts on a cache line of 8 words.
//! What different threads write never shares a pair of lines, 16 words, which prefetchers fetch
//! together: every section, and every record whose neighbour may have another writer, starts on a
//! pair. Both kinds of file begin with the same header:
//!
//! ```text
//! word
//!   0  magic: "STOOPMKT" or "STOOPSTR"
//!   1  version of the layout; stored last, 0 until the file is complete
//!   2  hash of the layout: other sizes or orders of fields give another one
//!   3  length of the file in words
//!   4  process id of the engine
//!   5  start of the engine, ns since the UNIX epoch
//!   6  1 once the engine has ended in good order
//!   7  1 once the engine stops: no new orders
//!   8  heartbeat of the engine, ns since the UNIX epoch           (a line of its own, 8..16)
//!  16  market: instruments  venues  assets  depth  trades  strategies  threads  agents
//!      (counts)                                                                      (16..24)
//!      strategy: strategy id  instruments  requests  reports  statuses   (counts)
//!  24  strategy: heartbeat of the strategy  its process id  processes before it      (24..32)
//!      market: detail of measuring, then what it costs in picoseconds: a reading of the clock, a
//!      record in a histogram; then the engine's clock: counter and time of its anchor, nanoseconds
//!      of 2^44 counts
//! ```
//!
//! The market file goes on with sections, each an array of equal records:
//!
//! ```text
//! section     records            words of a record
//! instruments instruments        32  name 8, symbol 8, venue and codes 1, assets 1, contract 1,
//!                                    rules 11, group of its underlying 1, -1
//! assets      assets              4  name
//! groups      8                   4  name: underlyings with latency histograms of their own; the
//!                                    last is for all others
//! books       instruments         8  top: counter, bid price, bid qty, ask price, ask qty,
//!                                    recv_ns, stamps (decoded, published, event: differences from
//!                                    it), sequence << 8 | state
//!                              + 8  number of the newest depth
//!                      + 4 x slot    depth: counter, sequence << 8 | state, event_ns, recv_ns,
//!                                    published_ns, bids | asks << 32, then depth x (price, qty)
//!                                    of the bids, then of the asks; rounded up to whole lines
//! trades      instruments         8  number of prints written
//!                    + trades x   8  counter, price, qty, trade id, event_ns, recv_ns, taker, -1;
//!                                    rounded up to a pair of lines
//! perpetuals  instruments        16  counter, mark 2, index 2, funding rate, interval, next funding,
//!                                    their times 3, when each was received 3, recv_ns, -1
//! changes     venues             16  number of changes written, -15
//!                   + changes x   1  number of the change << 16 | instrument; as many as there are
//!                                    instruments, twice, rounded up to a power of two, at least 64
//! positions   instruments        16  counter, qty 2, cost 2, realised 2, fees 2, unrealised 2,
//!                                    funding 2, mark, updated_ns, liquidation
//! balances    venues x assets     8  counter, free 2, locked 2, expected 2, event_ns
//! pnl         assets             16  counter, realised 2, unrealised 2, fees 2, funding 2, lost
//!                                    today 2, drawdown 2, updated_ns, -2
//! margins     venues x assets    16  counter, equity 2, available 2, initial 2, maintenance 2, left
//!                                    now 2, event_ns, -4
//! counters    1                 248  counter, 31 counts, trading state, loss switch, 64 refusals by
//!                                    code, 16 venues x 5 counts, 64 ends of strategies, -6
//! limits      1                  32  counter, which are set, 8 x 2, -14
//! limits of   assets              8  counter, whether it is set, limit 2, used 2, -2
//! limits of   instruments         8  the same of single instruments
//! limits of   strategies          8  counter, which are set, 2 x 2, orders open, -1
//! budgets     strategies          8  as that of an instrument, of one strategy at one venue
//!               x venues
//! gates       venues              8  counter, why no orders go there, until, since, commands that
//!                                    wait, updated_ns, -2
//! pairs       1                   8  number of outcomes written
//!                  + capacity x  56  counter, head 16, 4 legs x 8, -7
//! feeds       venues             48  counter, the fields of FeedHealth, 2 connections x 11, -8
//! executors   venues             32  counter, channels and ready, the rest of ExecutorHealth, -11
//! threads     threads            16  counter, CPU + 1, the fields of Duty, -5
//! agents      agents             16  counter, thread, time busy, name 8, -5
//! worst       venues x 100       16  counter, client id, signal | instrument << 48, 13 stamps
//! heads       venues x groups    16  count, sum, !min, max, -12
//!               x stages
//! latency     venues x groups  1984  buckets of the histogram whose head has the same number; the
//!               x stages             words of one that is empty are never touched
//! ```
//!
//! The strategy file goes on with three rings and the parameters, each rounded up to a pair of lines:
//!
//! ```text
//! requests    32 + requests x    24  head 16, tail 16; kind | legs << 8 | strategy << 16, id
//!                                    (or instrument to watch),
//!                                    tick_ns, stamps of that book, seen_ns, emitted_ns,
//!                                    4 x (instrument and codes, price, qty),
//!                                    contract 4, -2
//! reports     32 + reports x      8  head 16, tail 16; client id, signal, codes, last price,
//!                                    last qty, cumulative qty, event_ns, retry_ns
//! statuses     8 + statuses x   136  number written; counter, updated_ns, count,
//!                                    16 x (name 3, kind, value 4), -5
//! params      1                 144  counter, count, 16 x (name 3, kind, value 4), -14; written by
//!                                    the engine
//! ```
//!
//! "counter" is a seqlock's: odd while its record is written. "-n" are reserved words, zero.

mod counts;
mod strategy;

pub(super) use counts::MarketCounts;
pub(super) use strategy::{StrategyCounts, StrategyLayout};

use counts::{INSTRUMENTS_MAX, TRADES_MAX};

use super::latency::{GROUPS, Stage};
use super::worst::{self, WORST_PATHS};
use super::{
    account, books, duty, gates, health, instruments, latency, limits, pairs, params, perpetuals,
    signals, status, trades,
};
use crate::sync::words::{LINE, PAIR};
use crate::sync::{broadcast, changes, histogram, ring, rotating};
use std::ops::Range;

/// Version of the layout. Raised by every change that a reader of the old one would misread.
pub(super) const VERSION: u64 = 13;
pub(super) const MARKET_MAGIC: u64 = u64::from_le_bytes(*b"STOOPMKT");
pub(super) const STRATEGY_MAGIC: u64 = u64::from_le_bytes(*b"STOOPSTR");

pub(super) const MAGIC_AT: usize = 0;
pub(super) const VERSION_AT: usize = 1;
pub(super) const HASH_AT: usize = 2;
pub(super) const LENGTH_AT: usize = 3;
pub(super) const PID_AT: usize = 4;
pub(super) const STARTED_AT: usize = 5;
pub(super) const ENDED_AT: usize = 6;
pub(super) const STOPPING_AT: usize = 7;
pub(super) const HEARTBEAT_AT: usize = LINE;
pub(super) const COUNTS_AT: usize = 2 * LINE;
pub(super) const STRATEGY_HEARTBEAT_AT: usize = 3 * LINE;
pub(super) const STRATEGY_PID_AT: usize = 3 * LINE + 1;
pub(super) const STRATEGY_RUN_AT: usize = 3 * LINE + 2;
/// In the market file, where a strategy's has its heartbeat: detail, reading, record.
pub(super) const MEASURING_AT: usize = 3 * LINE;
/// Behind it: the engine's clock.
pub(super) const CLOCK_AT: usize = MEASURING_AT + 3;
pub(super) const HEADER: usize = 4 * LINE;

// The records fill their lines as the map above draws them.
const _: () = {
    assert!(with_counter(books::TOP_WORDS) == LINE);
    assert!(with_counter(trades::WORDS) <= LINE);
    assert!(with_counter(perpetuals::WORDS) <= PERPETUAL_STRIDE);
    assert!(with_counter(account::POSITION_WORDS) <= POSITION_STRIDE);
    assert!(with_counter(account::BALANCE_WORDS) == LINE);
    assert!(with_counter(account::PNL_WORDS) <= PAIR);
    assert!(with_counter(account::MARGIN_WORDS) <= PAIR);
    assert!(with_counter(account::COUNTER_WORDS).next_multiple_of(LINE) == COUNTERS_SIZE);
    assert!(with_counter(limits::PLAIN_WORDS) <= LIMITS_STRIDE);
    assert!(with_counter(limits::USED_WORDS) <= LINE && with_counter(gates::WORDS) <= LINE);
    assert!(with_counter(limits::STRATEGY_WORDS) <= LINE);
    assert!(with_counter(health::FEED_WORDS) <= FEED_STRIDE);
    assert!(with_counter(health::EXECUTOR_WORDS) <= HEALTH_STRIDE);
    assert!(cfg!(feature = "loom") || histogram::BODY == 1984);
    assert!(histogram::BODY.is_multiple_of(LINE) && histogram::HEAD == LINE);
    assert!(with_counter(worst::WORDS) == WORST_STRIDE);
    assert!(CLOCK_AT + 3 <= HEADER && GROUP_AT < INSTRUMENT_STRIDE);
    assert!(instruments::WORDS <= GROUP_AT && instruments::ASSET_WORDS == ASSET_STRIDE);
    assert!(signals::REQUEST_WORDS <= 3 * LINE && signals::REPORT_WORDS <= LINE);
    assert!(with_counter(status::WORDS).next_multiple_of(LINE) == 17 * LINE);
    assert!(COUNTS_AT + 8 <= STRATEGY_HEARTBEAT_AT && STRATEGY_RUN_AT < HEADER);
    assert!(with_counter(params::WORDS).next_multiple_of(PAIR) == 9 * PAIR);
    assert!(with_counter(duty::THREAD_WORDS) <= DUTY_STRIDE);
    assert!(with_counter(duty::AGENT_WORDS) <= DUTY_STRIDE);
};

// Records next to each other with writers on different threads fill whole pairs of lines.
const _: () = {
    let strides = [
        HEADER,
        PERPETUAL_STRIDE,
        HEALTH_STRIDE,
        DUTY_STRIDE,
        HEAD_STRIDE,
        WORST_STRIDE * WORST_PATHS,
        trade_shape(2).size(),
        trade_shape(TRADES_MAX as usize).size(),
        ring::Shape::new(1, signals::REQUEST_WORDS).size(),
        ring::Shape::new(1, signals::REPORT_WORDS).size(),
        broadcast::Shape::new(2, status::WORDS).size(),
        changes::Shape::new(1).size(),
        change_shape(INSTRUMENTS_MAX as usize).size(),
    ];
    let mut index = 0;
    while index < strides.len() {
        assert!(strides[index].is_multiple_of(PAIR));
        index += 1;
    }
    assert!(cfg!(feature = "loom") || histogram::BODY.is_multiple_of(PAIR));
    let mut depth = 1;
    while depth <= books::DEPTH_MAX {
        assert!(book_stride(depth).is_multiple_of(PAIR));
        depth += 1;
    }
    // The heartbeats: the engine's with the words that it writes once, a strategy's in its own pair.
    assert!(HEARTBEAT_AT / PAIR == 0 && STRATEGY_HEARTBEAT_AT / PAIR == 1);
};

const fn with_counter(payload: usize) -> usize {
    payload + 1
}

const INSTRUMENT_STRIDE: usize = 4 * LINE;
/// Where an instrument's record has the group of its underlying.
pub(super) const GROUP_AT: usize = instruments::WORDS;
const WORST_STRIDE: usize = 2 * LINE;
const ASSET_STRIDE: usize = LINE / 2;
const POSITION_STRIDE: usize = 2 * LINE;
const PERPETUAL_STRIDE: usize = PAIR;
const COUNTERS_SIZE: usize = 31 * LINE;
const LIMITS_STRIDE: usize = 2 * PAIR;
const FEED_STRIDE: usize = 3 * PAIR;
const HEALTH_STRIDE: usize = 2 * PAIR;
const DUTY_STRIDE: usize = PAIR;
/// Stages next to each other belong to feeds and executors.
const HEAD_STRIDE: usize = PAIR;

/// Changes with every size above and with every order of fields, which each module names.
pub(super) const HASH: u64 = {
    let sizes = [
        VERSION,
        HEADER as u64,
        INSTRUMENT_STRIDE as u64,
        ASSET_STRIDE as u64,
        POSITION_STRIDE as u64,
        PERPETUAL_STRIDE as u64,
        COUNTERS_SIZE as u64,
        LIMITS_STRIDE as u64,
        FEED_STRIDE as u64,
        HEALTH_STRIDE as u64,
        DUTY_STRIDE as u64,
        HEAD_STRIDE as u64,
        histogram::BODY as u64,
        GROUPS as u64,
        worst::WORDS as u64,
        WORST_PATHS as u64,
        status::WORDS as u64,
        params::WORDS as u64,
        signals::REQUEST_WORDS as u64,
        signals::REPORT_WORDS as u64,
        pairs::WORDS as u64,
        pairs::CAPACITY as u64,
        Stage::COUNT as u64,
    ];
    let texts = [
        instruments::FIELDS,
        books::FIELDS,
        trades::FIELDS,
        perpetuals::FIELDS,
        account::FIELDS,
        limits::FIELDS,
        gates::FIELDS,
        health::FIELDS,
        duty::FIELDS,
        signals::FIELDS,
        pairs::FIELDS,
        status::FIELDS,
        params::FIELDS,
        latency::FIELDS,
        worst::FIELDS,
    ];
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut index = 0;
    while index < sizes.len() {
        hash = fnv(hash, &sizes[index].to_le_bytes());
        index += 1;
    }
    index = 0;
    while index < texts.len() {
        hash = fnv(hash, texts[index].as_bytes());
        index += 1;
    }
    hash
};

/// FNV-1a, 64 bits.
const fn fnv(mut hash: u64, bytes: &[u8]) -> u64 {
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u64).wrapping_mul(0x0100_0000_01b3);
        index += 1;
    }
    hash
}

/// An array of equal records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section {
    start: usize,
    stride: usize,
    count: usize,
}

impl Section {
    /// Words of one record; `None` past the end.
    pub(super) fn record(&self, index: usize) -> Option<Range<usize>> {
        let start = self.start + index * self.stride;
        (index < self.count).then_some(start..start + self.stride)
    }
}

/// Lays sections one behind the other, each on a pair of lines.
struct Cursor(usize);

impl Cursor {
    fn section(&mut self, stride: usize, count: usize) -> Section {
        let start = self.0;
        self.0 = (start + stride * count).next_multiple_of(PAIR);
        Section { start, stride, count }
    }
}

/// Where everything lies in a market file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MarketLayout {
    pub(super) counts: MarketCounts,
    pub(super) instruments: Section,
    pub(super) assets: Section,
    pub(super) groups: Section,
    pub(super) books: Section,
    pub(super) trades: Section,
    pub(super) perpetuals: Section,
    pub(super) changes: Section,
    pub(super) positions: Section,
    pub(super) balances: Section,
    pub(super) pnl: Section,
    pub(super) margins: Section,
    pub(super) counters: Section,
    pub(super) limits: Section,
    pub(super) underlying_limits: Section,
    pub(super) instrument_limits: Section,
    pub(super) strategy_limits: Section,
    pub(super) budgets: Section,
    pub(super) gates: Section,
    pub(super) pairs: Section,
    pub(super) feeds: Section,
    pub(super) executors: Section,
    pub(super) threads: Section,
    pub(super) agents: Section,
    pub(super) worst: Section,
    pub(super) heads: Section,
    pub(super) latency: Section,
    /// Words of the whole file.
    pub(super) len: usize,
}

impl MarketLayout {
    /// The error says which count is out of bounds.
    pub(super) fn new(counts: MarketCounts) -> Result<Self, &'static str> {
        counts.check()?;
        let instruments = counts.instruments as usize;
        let (venues, assets) = (counts.venues as usize, counts.assets as usize);
        let strategies = counts.strategies as usize;
        let histograms = venues * GROUPS * Stage::COUNT;
        let mut cursor = Cursor(HEADER);
        Ok(Self {
            instruments: cursor.section(INSTRUMENT_STRIDE, instruments),
            assets: cursor.section(ASSET_STRIDE, assets),
            groups: cursor.section(ASSET_STRIDE, GROUPS),
            books: cursor.section(book_stride(counts.depth as usize), instruments),
            trades: cursor.section(trade_shape(counts.trades as usize).size(), instruments),
            perpetuals: cursor.section(PERPETUAL_STRIDE, instruments),
            changes: cursor.section(change_shape(instruments).size(), venues),
            positions: cursor.section(POSITION_STRIDE, instruments),
            balances: cursor.section(LINE, venues * assets),
            pnl: cursor.section(PAIR, assets),
            margins: cursor.section(PAIR, venues * assets),
            counters: cursor.section(COUNTERS_SIZE, 1),
            limits: cursor.section(LIMITS_STRIDE, 1),
            underlying_limits: cursor.section(LINE, assets),
            instrument_limits: cursor.section(LINE, instruments),
            strategy_limits: cursor.section(LINE, strategies),
            budgets: cursor.section(LINE, strategies * venues),
            gates: cursor.section(LINE, venues),
            pairs: cursor.section(pair_shape().size(), 1),
            feeds: cursor.section(FEED_STRIDE, venues),
            executors: cursor.section(HEALTH_STRIDE, venues),
            threads: cursor.section(DUTY_STRIDE, counts.threads as usize),
            agents: cursor.section(DUTY_STRIDE, counts.agents as usize),
            worst: cursor.section(WORST_STRIDE, WORST_PATHS * venues),
            heads: cursor.section(HEAD_STRIDE, histograms),
            latency: cursor.section(histogram::BODY, histograms),
            len: cursor.0,
            counts,
        })
    }

    pub(super) fn trade_shape(&self) -> broadcast::Shape {
        trade_shape(self.counts.trades as usize)
    }

    pub(super) fn change_shape(&self) -> changes::Shape {
        change_shape(self.counts.instruments as usize)
    }
}

/// Words of one book: top line, then depth.
const fn book_stride(depth: usize) -> usize {
    LINE + rotating::size(books::depth_words(depth))
}

/// Room for every book to change twice, as when a connection is lost and comes back.
const fn change_shape(instruments: usize) -> changes::Shape {
    changes::Shape::new(if instruments < 32 { 64 } else { 2 * instruments })
}

pub(super) fn pair_shape() -> broadcast::Shape {
    broadcast::Shape::new(pairs::CAPACITY, pairs::WORDS)
}

const fn trade_shape(capacity: usize) -> broadcast::Shape {
    broadcast::Shape::new(capacity, trades::WORDS)
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    const COUNTS: MarketCounts = MarketCounts {
        instruments: 4,
        venues: 2,
        assets: 3,
        depth: 20,
        trades: 1024,
        strategies: 3,
        threads: 3,
        agents: 6,
    };

    #[test]
    fn sections_follow_each_other_on_whole_lines() {
        let layout = MarketLayout::new(COUNTS).unwrap();
        let l = &layout;
        let sections = [
            (l.instruments, 32, 4),
            (l.assets, 4, 3),
            (l.groups, 4, 8),
            (l.books, 8 + 8 + 4 * 88, 4),
            (l.trades, 16 + 1024 * 8, 4),
            (l.perpetuals, 16, 4),
            (l.changes, 16 + 64, 2),
            (l.positions, 16, 4),
            (l.balances, 8, 6),
            (l.pnl, 16, 3),
            (l.margins, 16, 6),
            (l.counters, 248, 1),
            (l.limits, 32, 1),
            (l.underlying_limits, 8, 3),
            (l.instrument_limits, 8, 4),
            (l.strategy_limits, 8, 3),
            (l.budgets, 8, 6),
            (l.gates, 8, 2),
            (l.pairs, 16 + 64 * 56, 1),
            (l.feeds, 48, 2),
            (l.executors, 32, 2),
            (l.threads, 16, 3),
            (l.agents, 16, 6),
            (l.worst, 16, 200),
            (l.heads, 16, 2 * 8 * 14),
            (l.latency, 1984, 2 * 8 * 14),
        ];
        let mut at = HEADER;
        for (section, stride, count) in sections {
            assert_eq!(section, Section { start: at, stride, count });
            assert_eq!(section.start % PAIR, 0);
            at = (at + stride * count).next_multiple_of(PAIR);
            assert_eq!(section.record(count), None);
        }
        assert_eq!(layout.len, at);
        assert_eq!(MarketCounts::from_words(COUNTS.words()), COUNTS);
    }

    #[test]
    fn the_rings_of_a_strategy_follow_each_other() {
        let counts = StrategyCounts {
            strategy: 5,
            instruments: 4,
            requests: 256,
            reports: 1024,
            statuses: 16,
        };
        let layout = StrategyLayout::new(counts).unwrap();
        assert_eq!(layout.requests, 32..32 + 32 + 256 * 24);
        assert_eq!(layout.reports.start, layout.requests.end);
        assert_eq!(layout.reports.len(), 32 + 1024 * 8);
        assert_eq!(layout.statuses.start, layout.reports.end);
        assert_eq!(layout.statuses.len(), 16 + 16 * 136);
        assert_eq!(layout.params, layout.statuses.end..layout.statuses.end + 144);
        assert_eq!(layout.len, layout.params.end);
        assert_eq!(StrategyCounts::from_words(counts.words()), counts);
    }

    #[test]
    fn counts_out_of_bounds_are_refused_before_they_are_multiplied() {
        for (counts, part) in [
            (MarketCounts { instruments: u64::MAX, ..COUNTS }, "instruments"),
            (MarketCounts { venues: 0, ..COUNTS }, "venues"),
            (MarketCounts { assets: 4097, ..COUNTS }, "assets"),
            (MarketCounts { depth: 65, ..COUNTS }, "depth"),
            (MarketCounts { depth: 0, ..COUNTS }, "depth"),
            (MarketCounts { trades: 1 << 40, ..COUNTS }, "prints"),
            (MarketCounts { strategies: 65, ..COUNTS }, "strategies"),
            (MarketCounts { threads: 257, ..COUNTS }, "threads"),
            (MarketCounts { agents: 1 << 60, ..COUNTS }, "agents"),
        ] {
            let error = MarketLayout::new(counts).unwrap_err();
            assert!(error.contains(part), "{counts:?}: {error}");
        }
    }
}

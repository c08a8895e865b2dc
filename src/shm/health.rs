//! Health of each venue in the region: what its feed and its executor say of themselves.

use super::codec::{byte, written};
use super::gates::OrderGate;
use crate::sync::seqlock;
use crate::types::{Channel, LIMITS_MAX, Nanos, OrderLine, OrderLines, Readiness};

/// Most connections of one feed.
pub const FEED_LINES: usize = 2;

/// One of the connections of a feed. What follows `last_recv_ns` is only counted where there are two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedLine {
    /// Readiness of its market data.
    pub state: Readiness,
    /// Times it was lost.
    pub reconnects: u64,
    /// Messages received.
    pub frames: u64,
    /// When the last message was received.
    pub last_recv_ns: Nanos,
    /// Tops, deltas and trades that it was the first to bring.
    pub first: u64,
    /// The same that the other one had brought before.
    pub late: u64,
    /// Times its own stream of deltas had a hole.
    pub missed: u64,
    /// Holes of a book that it closed.
    pub filled: u64,
    /// How long after the other one it brought what was late: median; 0 if nothing was.
    pub late_p50_ns: u64,
    /// The same, 99 of a hundred.
    pub late_p99_ns: u64,
    /// The same, longest.
    pub late_max_ns: u64,
}

/// What the feed of a venue says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedHealth {
    /// Readiness of the market data connection; of the readier one of two.
    pub state: Readiness,
    /// Books that are live.
    pub books_live: u64,
    /// Books it keeps.
    pub books: u64,
    /// Venue's clock minus ours.
    pub clock_offset_ns: i64,
    /// Round trip of the probe that measured it; 0 before the first one.
    pub clock_round_trip_ns: u64,
    /// Messages received.
    pub frames: u64,
    /// Bytes received.
    pub bytes: u64,
    /// Messages that could not be understood.
    pub decode_errors: u64,
    /// Messages that a scanner read, which knows their shape.
    pub scanned: u64,
    /// Messages that the complete decoder read: no scanner knew their shape.
    pub fallback: u64,
    /// Sequence gaps.
    pub gaps: u64,
    /// Resyncs of a book, first synchronisations included.
    pub resyncs: u64,
    /// Connections lost, of both together.
    pub reconnects: u64,
    /// Subscriptions that failed.
    pub subscriptions_failed: u64,
    /// When the last message was received.
    pub last_recv_ns: Nanos,
    /// When this was written.
    pub updated_ns: Nanos,
    /// How many connections it has, at most [`FEED_LINES`].
    pub line_count: u64,
    /// Each of them.
    pub lines: [FeedLine; FEED_LINES],
}

impl FeedHealth {
    /// Its connections.
    #[must_use]
    pub fn lines(&self) -> &[FeedLine] {
        &self.lines[..(self.line_count as usize).min(FEED_LINES)]
    }
}

/// How far one of a venue's rate limits is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateUse {
    /// Units used in the running window, by us and by whomever else the venue counts with us.
    pub used: u32,
    /// Units allowed per window; 0 if the venue has no such limit.
    pub allowed: u32,
}

impl RateUse {
    /// Used part in percent, 0 for a limit that does not exist.
    #[must_use]
    pub fn percent(&self) -> u32 {
        let percent = u64::from(self.used) * 100 / u64::from(self.allowed.max(1));
        if self.allowed == 0 { 0 } else { percent.min(u64::from(u32::MAX)) as u32 }
    }
}

/// How full a ring is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingUse {
    /// Messages that wait in it.
    pub waiting: u32,
    /// Messages that it holds at most; 0 if nobody said.
    pub capacity: u32,
}

impl RingUse {
    /// From what a ring says of itself.
    #[must_use]
    pub fn of(waiting: usize, capacity: usize) -> Self {
        let cut = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self { waiting: cut(waiting), capacity: cut(capacity) }
    }
}

/// Two halves of a word, the low one first.
pub(super) fn pair_word(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

/// What the executor of a venue says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExecutorHealth {
    /// Readiness of its connections, by [`Channel::index`].
    pub channels: [Readiness; Channel::COUNT],
    /// Whether its connections are ready for new orders; whether those may go there is the oms' word:
    /// [`OrderGate`].
    pub ready: bool,
    /// Venue's clock minus ours.
    pub clock_offset_ns: i64,
    /// Round trip of the probe that measured it; 0 before the first one.
    pub clock_round_trip_ns: u64,
    /// Commands sent.
    pub commands: u64,
    /// Commands that could not be sent: no room in the rate limit, not connected, not expressible.
    pub commands_refused: u64,
    /// Reports received.
    pub reports: u64,
    /// Messages that could not be understood.
    pub decode_errors: u64,
    /// Replies that did not come in time.
    pub reply_timeouts: u64,
    /// Connections lost.
    pub reconnects: u64,
    /// The venue refuses requests until then; 0 if it does not.
    pub suspended_until_ns: Nanos,
    /// When this was written.
    pub updated_ns: Nanos,
    /// Its connections for order entry, where there are two: which is in use, and how they answer.
    pub order_lines: OrderLines,
    /// Reports from it on their way to the order manager.
    pub reports_ring: RingUse,
    /// Use of each rate limit of the venue, in the order of the venue's own table.
    pub limits: [RateUse; LIMITS_MAX],
}

impl ExecutorHealth {
    /// Whether the venue takes nothing but cancels now.
    #[must_use]
    pub fn is_suspended(&self, now: Nanos) -> bool {
        now < self.suspended_until_ns
    }

    /// Connections that are not ready of those that orders may need. The spare one for order entry
    /// stands for the first, and is not named itself.
    pub fn missing(&self) -> impl Iterator<Item = Channel> {
        let needed = [Channel::Trade, Channel::TradeSpare, Channel::Private, Channel::Rest];
        let ready = |channel: Channel| self.channels[channel.index()] == Readiness::Ready;
        let missing = Channel::missing(move |channel| needed.contains(&channel), ready);
        missing.filter(|channel| *channel != Channel::TradeSpare)
    }

    /// The rate limit that is used most, for its size: its number in the venue's table and its use.
    #[must_use]
    pub fn fullest_limit(&self) -> Option<(usize, RateUse)> {
        let known = self.limits.iter().copied().enumerate().filter(|(_, row)| row.allowed > 0);
        known.max_by_key(|(_, row)| row.percent())
    }
}

/// What feed, executor and oms say of a venue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VenueHealth {
    /// The feed's half.
    pub feed: FeedHealth,
    /// The executor's half.
    pub executor: ExecutorHealth,
    /// The oms' word on new orders.
    pub gate: OrderGate,
}

/// Both writers of one venue, to be split between its agents.
#[derive(Debug)]
pub struct HealthWriter {
    /// For the feed.
    pub feed: FeedHealthWriter,
    /// For the executor.
    pub executor: ExecutorHealthWriter,
}

/// Order of the words below; part of the layout's hash.
pub(super) const FIELDS: &str = "feed: state books_live books offset round_trip frames bytes \
    decode_errors gaps resyncs reconnects subscriptions_failed last_recv updated scanned fallback \
    lines 2(state reconnects frames last_recv first late missed filled p50 p99 max); \
    executor: \
    channels6|line<<48|ready<<56 offset round_trip commands refused reports decode_errors \
    reply_timeouts reconnects suspended_until updated lines2(reply|unanswered<<40) \
    ring(waiting|capacity<<32) limits6(used|allowed<<32)";

/// Where the connections stand in the feed's half, and words of each.
const LINES_AT: usize = 17;
const LINE_WORDS: usize = 11;
/// Where the rate limits stand in the executor's half.
const LIMITS_AT: usize = 14;
/// Words of each half after its counter.
pub(super) const FEED_WORDS: usize = LINES_AT + FEED_LINES * LINE_WORDS;
pub(super) const EXECUTOR_WORDS: usize = LIMITS_AT + LIMITS_MAX;

/// Writes the feed's half.
#[derive(Debug)]
pub struct FeedHealthWriter(pub(super) seqlock::Writer);

impl FeedHealthWriter {
    /// Publishes the feed's health.
    pub fn publish(&mut self, health: &FeedHealth) {
        let words: [u64; LINES_AT] = [
            health.state as u64,
            health.books_live,
            health.books,
            health.clock_offset_ns as u64,
            health.clock_round_trip_ns,
            health.frames,
            health.bytes,
            health.decode_errors,
            health.gaps,
            health.resyncs,
            health.reconnects,
            health.subscriptions_failed,
            health.last_recv_ns.0,
            health.updated_ns.0,
            health.scanned,
            health.fallback,
            health.line_count,
        ];
        let lines = health.lines.map(feed_line_words);
        self.0.write(|payload| {
            payload.copy_from(0, &words);
            for (index, line) in lines.iter().enumerate() {
                payload.copy_from(LINES_AT + index * LINE_WORDS, line);
            }
        });
    }
}

fn feed_line_words(line: FeedLine) -> [u64; LINE_WORDS] {
    [
        line.state as u64,
        line.reconnects,
        line.frames,
        line.last_recv_ns.0,
        line.first,
        line.late,
        line.missed,
        line.filled,
        line.late_p50_ns,
        line.late_p99_ns,
        line.late_max_ns,
    ]
}

fn feed_line_of(w: &[u64]) -> FeedLine {
    let word = |at: usize| w.get(at).copied().unwrap_or_default();
    FeedLine {
        state: Readiness::from_u8(word(0) as u8).unwrap_or_default(),
        reconnects: word(1),
        frames: word(2),
        last_recv_ns: Nanos(word(3)),
        first: word(4),
        late: word(5),
        missed: word(6),
        filled: word(7),
        late_p50_ns: word(8),
        late_p99_ns: word(9),
        late_max_ns: word(10),
    }
}

/// Writes the executor's half.
#[derive(Debug)]
pub struct ExecutorHealthWriter(pub(super) seqlock::Writer);

impl ExecutorHealthWriter {
    /// Publishes the executor's health.
    pub fn publish(&mut self, health: &ExecutorHealth) {
        let channels = health.channels.iter().enumerate();
        let channels =
            channels.fold(0, |word, (index, state)| word | (*state as u64) << (8 * index));
        let words: [u64; LIMITS_AT] = [
            channels
                | (health.order_lines.current as u64) << LINE_SHIFT
                | u64::from(health.ready) << READY_SHIFT,
            health.clock_offset_ns as u64,
            health.clock_round_trip_ns,
            health.commands,
            health.commands_refused,
            health.reports,
            health.decode_errors,
            health.reply_timeouts,
            health.reconnects,
            health.suspended_until_ns.0,
            health.updated_ns.0,
            line_word(health.order_lines.lines[0]),
            line_word(health.order_lines.lines[1]),
            pair_word(health.reports_ring.waiting, health.reports_ring.capacity),
        ];
        let limits = health.limits.map(|row| pair_word(row.used, row.allowed));
        self.0.write(|payload| {
            payload.copy_from(0, &words);
            payload.copy_from(LIMITS_AT, &limits);
        });
    }
}

const LINE_SHIFT: u32 = 48;
const READY_SHIFT: u32 = 56;
const _: () = assert!(Channel::COUNT as u32 * 8 <= LINE_SHIFT);

/// Reply times are cut at 18 minutes.
const LINE_REPLY_BITS: u32 = 40;
const LINE_REPLY_MAX: u64 = (1 << LINE_REPLY_BITS) - 1;

fn line_word(line: OrderLine) -> u64 {
    let unanswered = u64::from(line.unanswered.min((1 << 24) - 1));
    line.reply_ns.min(LINE_REPLY_MAX) | unanswered << LINE_REPLY_BITS
}

fn line_of(word: u64) -> OrderLine {
    OrderLine { reply_ns: word & LINE_REPLY_MAX, unanswered: (word >> LINE_REPLY_BITS) as u32 }
}

pub(super) fn ring_of(word: u64) -> RingUse {
    RingUse { waiting: word as u32, capacity: (word >> 32) as u32 }
}

/// The feed's half; "down" if its writer died in the middle.
pub(super) fn feed(reader: &seqlock::Reader) -> FeedHealth {
    let Some(w) = written::<FEED_WORDS>(reader) else { return FeedHealth::default() };
    FeedHealth {
        state: Readiness::from_u8(w[0] as u8).unwrap_or_default(),
        books_live: w[1],
        books: w[2],
        clock_offset_ns: w[3] as i64,
        clock_round_trip_ns: w[4],
        frames: w[5],
        bytes: w[6],
        decode_errors: w[7],
        gaps: w[8],
        resyncs: w[9],
        reconnects: w[10],
        subscriptions_failed: w[11],
        last_recv_ns: Nanos(w[12]),
        updated_ns: Nanos(w[13]),
        scanned: w[14],
        fallback: w[15],
        line_count: w[16],
        lines: std::array::from_fn(|line| feed_line_of(&w[LINES_AT + line * LINE_WORDS..])),
    }
}

/// The executor's half; "down" if its writer died in the middle.
pub(super) fn executor(reader: &seqlock::Reader) -> ExecutorHealth {
    let Some(w) = written::<EXECUTOR_WORDS>(reader) else { return ExecutorHealth::default() };
    let channel = |index| Readiness::from_u8(byte(w[0], index as u32)).unwrap_or_default();
    ExecutorHealth {
        channels: std::array::from_fn(channel),
        ready: w[0] >> READY_SHIFT & 1 == 1,
        clock_offset_ns: w[1] as i64,
        clock_round_trip_ns: w[2],
        commands: w[3],
        commands_refused: w[4],
        reports: w[5],
        decode_errors: w[6],
        reply_timeouts: w[7],
        reconnects: w[8],
        suspended_until_ns: Nanos(w[9]),
        updated_ns: Nanos(w[10]),
        order_lines: OrderLines {
            current: match byte(w[0], LINE_SHIFT / 8) == Channel::TradeSpare as u8 {
                true => Channel::TradeSpare,
                false => Channel::Trade,
            },
            lines: [line_of(w[11]), line_of(w[12])],
        },
        reports_ring: ring_of(w[13]),
        limits: std::array::from_fn(|limit| {
            let word = w[LIMITS_AT + limit];
            RateUse { used: word as u32, allowed: (word >> 32) as u32 }
        }),
    }
}

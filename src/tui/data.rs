//! What the board shows, read from the region once per frame.

use crate::shm::{
    FeedLine, MarginRow, MarketView, OrderCounters, Stage, Status, StatusValue, ThreadRow,
};
use crate::types::{
    Amount, BookState, Instrument, InstrumentTable, Level, Nanos, Readiness, VenueId,
};

/// One instrument's line.
#[derive(Clone, Debug, PartialEq)]
pub struct BookRow {
    /// Our name of it.
    pub name: String,
    /// Best bid as price and quantity, empty without one.
    pub bid: (String, String),
    /// Best ask.
    pub ask: (String, String),
    /// Whether the prices may be trusted.
    pub state: BookState,
    /// Age of the top of book in milliseconds.
    pub age_ms: u64,
    /// Position in base units.
    pub position: String,
    /// Realised profit in quote units, before fees.
    pub realised: String,
    /// Fees in quote units.
    pub fees: String,
}

/// One venue's part of the head line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VenueRow {
    /// Its name.
    pub name: String,
    /// Readiness of its market data.
    pub feed: Readiness,
    /// How many of its market data connections are ready, and how many there are.
    pub feed_lines: (usize, usize),
    /// Whether it takes new orders.
    pub orders: bool,
    /// Use of its rate limit that is used most, percent.
    pub limit_percent: u32,
    /// How long it suspends us yet, milliseconds.
    pub suspended_ms: u64,
    /// Maintenance margin over equity in percent, of the settle asset that has most of it used;
    /// `None` without perpetual positions.
    pub margin_percent: Option<f64>,
}

/// What was earned in one quote asset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PnlLine {
    /// Realised, before fees.
    pub realised: String,
    /// Unrealised.
    pub unrealised: String,
    /// Fees.
    pub fees: String,
    /// Funding received less paid, if there was any.
    pub funding: Option<String>,
}

/// One stage's line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatencyRow {
    /// Name of the stage.
    pub stage: &'static str,
    /// How many were measured.
    pub count: u64,
    /// Median, nanoseconds.
    pub p50: u64,
    /// 99th percentile.
    pub p99: u64,
    /// 99.9th percentile.
    pub p999: u64,
    /// Longest.
    pub max: u64,
}

/// One thread's line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ThreadLine {
    /// CPU that it is pinned to.
    pub cpu: Option<usize>,
    /// Busy part of the last second, percent.
    pub busy_percent: f64,
    /// Longest busy round of the last second, nanoseconds.
    pub longest_ns: u64,
    /// Its agents.
    pub agents: String,
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRow {
    /// How long after the start, seconds.
    pub after_s: f64,
    /// `info`, `warn`, `error`.
    pub level: String,
    /// Agent and text.
    pub text: String,
}

/// Everything on the board.
#[derive(Clone, Debug, Default)]
pub struct BoardData {
    /// Name of the instance and its mode.
    pub title: String,
    /// Seconds since the start.
    pub running_s: u64,
    /// One line an instrument.
    pub books: Vec<BookRow>,
    /// Gap between one venue's bid and the other's ask, basis points, best direction, by base
    /// asset.
    pub spreads: Vec<(String, f64)>,
    /// One part a venue.
    pub venues: Vec<VenueRow>,
    /// Counters of the order manager.
    pub counters: OrderCounters,
    /// Quote asset, and what was earned in it.
    pub pnl: Vec<(String, PnlLine)>,
    /// One line a stage.
    pub latency: Vec<LatencyRow>,
    /// One line a thread.
    pub threads: Vec<ThreadLine>,
    /// Strategy name and its fields.
    pub strategies: Vec<(String, Vec<(String, String)>)>,
    /// Newest lines last.
    pub log: Vec<LogRow>,
    /// What the keys do now.
    pub hint: String,
}

/// Stages on the board, as many as a small terminal has room for; `stoop latency` shows all.
const STAGES: [Stage; 10] = [
    Stage::Decode,
    Stage::Publish,
    Stage::Risk,
    Stage::Queue,
    Stage::Encode,
    Stage::Send,
    Stage::TickToOrder,
    Stage::Ack,
    Stage::Fill,
    Stage::LegSkew,
];

/// Reads everything that stands in the region.
#[must_use]
pub fn collect(view: &MarketView, venues: &[(VenueId, &str)], now: Nanos) -> BoardData {
    let instruments = view.instruments().clone();
    let margins = view.margins();
    BoardData {
        running_s: now.since(view.started()) / 1_000_000_000,
        books: books(view, &instruments, now),
        spreads: spreads(view, &instruments),
        venues: venues
            .iter()
            .map(|(venue, name)| {
                let health = view.health(*venue);
                let fullest = health.executor.fullest_limit();
                VenueRow {
                    name: (*name).to_owned(),
                    feed: health.feed.state,
                    feed_lines: ready_of(health.feed.lines()),
                    orders: health.executor.ready,
                    limit_percent: fullest.map_or(0, |(_, row)| row.percent()),
                    suspended_ms: health.executor.suspended_until_ns.since(now) / 1_000_000,
                    margin_percent: margins
                        .iter()
                        .filter(|row| row.stated.venue == *venue)
                        .filter_map(MarginRow::used_percent)
                        .max_by(f64::total_cmp),
                }
            })
            .collect(),
        counters: view.counters(),
        pnl: view
            .pnl()
            .iter()
            .map(|row| {
                let quote = instruments.assets.name(row.quote).to_owned();
                let funding = (row.funding != Amount::ZERO).then(|| money(row.funding));
                let line = PnlLine {
                    realised: money(row.realised),
                    unrealised: money(row.unrealised),
                    fees: money(row.fees),
                    funding,
                };
                (quote, line)
            })
            .collect(),
        latency: STAGES.iter().map(|stage| latency(view, *stage, venues)).collect(),
        threads: view.threads().iter().map(thread).collect(),
        ..BoardData::default()
    }
}

/// How many are ready, and how many there are.
fn ready_of(lines: &[FeedLine]) -> (usize, usize) {
    (lines.iter().filter(|line| line.state == Readiness::Ready).count(), lines.len())
}

fn thread(row: &ThreadRow) -> ThreadLine {
    let agents: Vec<&str> = row.agents.iter().map(|agent| agent.name.as_str()).collect();
    ThreadLine {
        cpu: row.cpu,
        busy_percent: row.duty.recent_busy_ppm() as f64 / 1e4,
        longest_ns: row.duty.recent_longest_ns,
        agents: agents.join(" "),
    }
}

/// Fields of a strategy's status as text.
#[must_use]
pub fn status_fields(status: &Status) -> Vec<(String, String)> {
    let text = |value| match value {
        StatusValue::Int(number) => number.to_string(),
        StatusValue::Float(number) => format!("{number:.2}"),
        StatusValue::Text(text) => text.to_string(),
    };
    status.fields().map(|(name, value)| (name.to_owned(), text(value))).collect()
}

fn books(view: &MarketView, instruments: &InstrumentTable, now: Nanos) -> Vec<BookRow> {
    let positions = view.positions();
    let row = |instrument: &Instrument| {
        let best = view.best(instrument.id);
        let side = |level: Level| {
            if level.qty.0 <= 0 {
                return (String::new(), String::new());
            }
            let scale = instrument.scale;
            let price = scale.price_decimal(level.price);
            (price.to_string(), scale.qty_decimal(level.qty).normalize().to_string())
        };
        let position = positions.iter().find(|row| row.instrument == instrument.id);
        let field = |of: fn(&crate::shm::PositionRow) -> Amount| position.map_or(Amount::ZERO, of);
        BookRow {
            name: instrument.name.clone(),
            bid: side(best.bid),
            ask: side(best.ask),
            state: best.state,
            age_ms: best.age(now) / 1_000_000,
            position: field(|row| row.qty).to_string(),
            realised: money(field(|row| row.realised)),
            fees: money(field(|row| row.fees)),
        }
    };
    instruments.iter().map(row).collect()
}

/// Two decimals are enough for a screen.
fn money(amount: Amount) -> String {
    amount.to_decimal().round_dp(2).to_string()
}

fn spreads(view: &MarketView, instruments: &InstrumentTable) -> Vec<(String, f64)> {
    let mut list: Vec<(String, f64)> = Vec::new();
    for buy in instruments.iter() {
        for sell in instruments.iter().filter(|sell| sell.base == buy.base && sell.id != buy.id) {
            let (ask, bid) = (view.best(buy.id), view.best(sell.id));
            if !(ask.is_live() && bid.is_live()) || ask.ask.qty.0 <= 0 || bid.bid.qty.0 <= 0 {
                continue;
            }
            let gap = (bid.bid.price.0 - ask.ask.price.0) as f64 / ask.ask.price.0 as f64 * 1e4;
            let base = instruments.assets.name(buy.base);
            match list.iter_mut().find(|(name, _)| name == base) {
                Some((_, best)) => *best = best.max(gap),
                None => list.push((base.to_owned(), gap)),
            }
        }
    }
    list
}

fn latency(view: &MarketView, stage: Stage, venues: &[(VenueId, &str)]) -> LatencyRow {
    let mut all = view.histogram(stage, VenueId(0));
    for (venue, _) in venues.iter().filter(|(venue, _)| venue.0 != 0) {
        all.merge(&view.histogram(stage, *venue));
    }
    LatencyRow {
        stage: stage.name(),
        count: all.count,
        p50: all.quantile(0.5),
        p99: all.quantile(0.99),
        p999: all.quantile(0.999),
        max: all.max,
    }
}

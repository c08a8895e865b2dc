//! What the screens show, gathered once for each frame.

#![forbid(unsafe_code)]

use super::grid::time_of_day;
use crate::shm::{Best, Depth, MarketView, OrderCounters, PositionRow, Stage, ThreadRow};
use crate::show::present::PnlNow;
use crate::show::venues::{VenueNow, venues};
use crate::show::{About, LimitNow, Recorded, StrategyNow, limits};
use crate::types::{InstrumentId, InstrumentTable, Nanos, VenueId};
use std::sync::Arc;

/// All stages, what a trader asks for first before its parts.
const STAGES: [Stage; Stage::COUNT] = [
    Stage::TickToOrder,
    Stage::Ack,
    Stage::Fill,
    Stage::LegSkew,
    Stage::Wire,
    Stage::Decode,
    Stage::Publish,
    Stage::See,
    Stage::Decide,
    Stage::Risk,
    Stage::Journal,
    Stage::Queue,
    Stage::Encode,
    Stage::Send,
];

/// One stage over all venues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StageNow {
    /// Its name.
    pub name: &'static str,
    /// How many were measured.
    pub count: u64,
    /// At each of [`StageNow::QUANTILES`], nanoseconds; then the longest.
    pub at: [u64; 6],
}

impl StageNow {
    /// Where it is measured, with their names.
    pub const QUANTILES: [(f64, &'static str); 5] =
        [(0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9"), (0.9999, "p99.99")];
}

/// Everything.
#[derive(Clone, Debug, Default)]
pub struct MonitorData {
    /// Name of the instance.
    pub instance: String,
    /// What it says of itself.
    pub about: About,
    /// Why nothing changes any more; empty while it runs.
    pub ended: String,
    /// When this was gathered.
    pub now: Nanos,
    /// Seconds since the start.
    pub running_s: u64,
    /// Since the order manager last said that it lives.
    pub heartbeat_ns: u64,
    /// Counters of the order manager.
    pub counters: OrderCounters,
    /// One row a venue.
    pub venues: Vec<VenueNow>,
    /// Instruments and assets.
    pub table: Arc<InstrumentTable>,
    /// Top of each book, by instrument.
    pub bests: Vec<Best>,
    /// Levels of the book that is looked at.
    pub depth: Option<(InstrumentId, Depth)>,
    /// Positions that were ever set.
    pub positions: Vec<PositionRow>,
    /// Profit by the asset that it is counted in.
    pub pnl: Vec<PnlNow>,
    /// Limits in force.
    pub limits: Vec<LimitNow>,
    /// One row a stage, over all venues.
    pub stages: Vec<StageNow>,
    /// Duty cycles.
    pub threads: Vec<ThreadRow>,
    /// One row a strategy.
    pub strategies: Vec<StrategyNow>,
    /// What the journal tells.
    pub recorded: Arc<Recorded>,
    /// When it was last looked at; 0 if never.
    pub recorded_at: Nanos,
    /// Why it is not followed; empty if it is.
    pub journal_error: String,
    /// What stands where orders and trades would, if the journal is not followed; empty if it is.
    pub note: String,
}

impl MonitorData {
    /// What stands before the title of a list that the journal fills, if it is not followed.
    #[must_use]
    pub fn as_of(&self) -> String {
        match (self.journal_error.is_empty(), self.recorded_at) {
            (true, _) => String::new(),
            (false, Nanos(0)) => "NOT KNOWN: ".to_owned(),
            (false, at) => format!("AS IT WAS AT {}: ", time_of_day(at)),
        }
    }

    /// Reads everything that stands in the region; `looked_at` is the book whose levels are wanted,
    /// `names` are the strategies', by number.
    #[must_use]
    pub fn collect(
        view: &MarketView,
        now: Nanos,
        looked_at: Option<InstrumentId>,
        names: &[String],
    ) -> Self {
        let table = view.instruments().clone();
        let depth = looked_at.map(|id| {
            let mut depth = Depth::default();
            view.depth(id, &mut depth);
            (id, depth)
        });
        Self {
            now,
            running_s: now.since(view.started()) / 1_000_000_000,
            heartbeat_ns: view.silence_ns(now),
            counters: view.counters(),
            venues: venues(view),
            bests: table.iter().map(|row| view.best(row.id)).collect(),
            depth,
            positions: view.positions(),
            pnl: view.pnl().iter().map(|row| PnlNow::of_row(row, &table)).collect(),
            limits: limits(view, names),
            stages: STAGES.iter().map(|of| stage(view, *of)).collect(),
            threads: view.threads(),
            table,
            ..Self::default()
        }
    }
}

fn stage(view: &MarketView, stage: Stage) -> StageNow {
    let mut all = view.histogram(stage, VenueId(0));
    for venue in 1..view.venues() {
        all.merge(&view.histogram(stage, VenueId(venue as u8)));
    }
    let mut at = [all.max; 6];
    for (at, (quantile, _)) in at.iter_mut().zip(StageNow::QUANTILES) {
        *at = all.quantile(quantile);
    }
    StageNow { name: stage.name(), count: all.count, at }
}

//! What `stoop latency` shows, read from the region at one moment.

use super::feeds::{self, FeedRow};
use crate::shm::{GROUPS, MarketView, Measuring, PathRow, Stage};
use crate::sync::histogram::Snapshot;
use crate::types::{Nanos, VenueId};
use crate::venues::VENUES;
use std::time::{SystemTime, UNIX_EPOCH};

/// One stage, at one venue, of one group if they are told apart.
pub(super) struct StageRow {
    pub stage: Stage,
    /// `None`: between venues.
    pub venue: Option<&'static str>,
    pub group: Option<String>,
    /// As seen.
    pub seen: Snapshot,
    /// What it was corrected by, nanoseconds; 0: it was not.
    pub interval_ns: u64,
    /// Corrected for coordinated omission.
    pub corrected: Snapshot,
}

impl StageRow {
    /// `send.binance`, `send.binance.BTC`
    pub fn tag(&self) -> String {
        let parts = [Some(self.stage.name()), self.venue, self.group.as_deref()];
        parts.into_iter().flatten().collect::<Vec<_>>().join(".")
    }
}

/// One of the worst paths, by name.
pub(super) struct WorstRow {
    pub row: PathRow,
    pub instrument: String,
}

/// Everything that is shown.
pub(super) struct Report {
    pub instance: String,
    pub pid: u32,
    pub started_ns: Nanos,
    pub elapsed_ns: u64,
    pub measuring: Measuring,
    /// By stage, then venue, then group; empty ones are left out.
    pub rows: Vec<StageRow>,
    /// Every stage over all venues.
    pub totals: Vec<StageRow>,
    /// The longest first.
    pub worst: Vec<WorstRow>,
    /// Every venue's feed.
    pub feeds: Vec<FeedRow>,
}

impl Report {
    /// Reads the region. `interval_ns` corrects every histogram; without it the mean interval of
    /// each does.
    pub fn collect(
        instance: &str,
        view: &MarketView,
        by_group: bool,
        interval_ns: Option<u64>,
        worst: usize,
    ) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let elapsed_ns = Nanos(now.as_nanos() as u64).since(view.started());
        let mut report = Self {
            instance: instance.to_owned(),
            pid: view.pid(),
            started_ns: view.started(),
            elapsed_ns,
            measuring: view.measuring(),
            rows: Vec::new(),
            totals: Vec::new(),
            worst: worst_rows(view, worst),
            feeds: feeds::collect(view),
        };
        let row = |stage, venue, group, seen: Snapshot| {
            let mean_ns = elapsed_ns.checked_div(seen.count).unwrap_or(0);
            let interval_ns = interval_ns.unwrap_or(mean_ns);
            let corrected = seen.corrected(interval_ns);
            StageRow { stage, venue, group, seen, interval_ns, corrected }
        };
        for stage in Stage::ALL {
            let mut total = Snapshot::default();
            for (number, venue) in VENUES.iter().enumerate().take(view.venues()) {
                let id = VenueId(number as u8);
                let name = (stage != Stage::LegSkew).then_some(venue.name);
                let mut all = Snapshot::default();
                for group in 0..GROUPS {
                    let part = view.group_histogram(stage, id, group);
                    all.merge(&part);
                    if by_group && part.count > 0 {
                        let group = Some(view.groups()[group].clone());
                        report.rows.push(row(stage, name, group, part));
                    }
                }
                total.merge(&all);
                if !by_group && all.count > 0 {
                    report.rows.push(row(stage, name, None, all));
                }
            }
            report.totals.push(row(stage, None, None, total));
        }
        report
    }
}

fn worst_rows(view: &MarketView, most: usize) -> Vec<WorstRow> {
    let named = |row: PathRow| {
        let instrument = view.instruments().get(row.instrument);
        let instrument = instrument.map_or_else(|| "?".to_owned(), |known| known.name.clone());
        WorstRow { row, instrument }
    };
    view.worst_paths().into_iter().take(most).map(named).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::sync::histogram;
    use crate::types::{ClientOrderId, Detail, InstrumentId, Path, SignalId, Stamp};

    /// One stage with three durations and one path.
    pub fn report() -> Report {
        let (mut writer, reader) = histogram::histogram();
        [100, 100, 8_000].into_iter().for_each(|ns| writer.record(ns));
        let row = |venue, group| {
            let seen = reader.snapshot();
            let corrected = seen.corrected(1_000);
            StageRow { stage: Stage::Send, venue, group, seen, interval_ns: 1_000, corrected }
        };
        let mut path = Path::default();
        path.set(Stamp::Received, Nanos(10_000));
        path.set(Stamp::Decoded, Nanos(10_700));
        path.set(Stamp::Handed, Nanos(14_900));
        let (client_id, signal) = (ClientOrderId(42), SignalId(9));
        let worst = PathRow { client_id, signal, instrument: InstrumentId(0), path };
        Report {
            instance: "test".to_owned(),
            pid: 7,
            started_ns: Nanos(1_795_000_000_000_000_000),
            elapsed_ns: 3_725_000_000_000,
            measuring: Measuring { detail: Detail::All, clock_ps: 9_000, record_ps: 2_500 },
            rows: vec![row(Some("a"), Some("BTC".to_owned()))],
            totals: vec![row(None, None)],
            worst: vec![WorstRow { row: worst, instrument: "BTC/USDT@a".to_owned() }],
            feeds: Vec::new(),
        }
    }
}

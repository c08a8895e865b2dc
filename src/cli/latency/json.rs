//! `stoop latency --json`.

use super::feeds;
use super::report::{Report, StageRow, WorstRow};
use crate::shm::Stage;
use crate::sync::histogram::Snapshot;
use crate::types::Stamp;
use serde_json::{Map, Value, json};

/// Everything as one object; times in nanoseconds.
pub(super) fn object(report: &Report) -> Value {
    let measuring = &report.measuring;
    let totals = report.totals.iter().map(|row| (row.stage.name().to_owned(), seen(&row.seen)));
    json!({
        "instance": report.instance,
        "pid": report.pid,
        "started_ns": report.started_ns.0,
        "elapsed_ns": report.elapsed_ns,
        "detail": measuring.detail.name(),
        "measuring": {
            "clock_ns": measuring.clock_ps as f64 / 1e3,
            "record_ns": measuring.record_ps as f64 / 1e3,
            "per_order_ns": measuring.per_order_ns(),
        },
        "stages": totals.collect::<Map<_, _>>(),
        "rows": report.rows.iter().map(row).collect::<Vec<_>>(),
        "feeds": feeds::object(&report.feeds),
        "worst": report.worst.iter().map(worst).collect::<Vec<_>>(),
    })
}

fn row(row: &StageRow) -> Value {
    let mut object = seen(&row.seen);
    object["stage"] = row.stage.name().into();
    object["venue"] = row.venue.into();
    object["group"] = row.group.clone().into();
    object["interval_ns"] = row.interval_ns.into();
    object["corrected"] = seen(&row.corrected);
    object
}

fn seen(snapshot: &Snapshot) -> Value {
    json!({
        "count": snapshot.count,
        "min": snapshot.min,
        "mean": snapshot.mean,
        "p50": snapshot.quantile(0.5),
        "p90": snapshot.quantile(0.9),
        "p99": snapshot.quantile(0.99),
        "p999": snapshot.quantile(0.999),
        "p9999": snapshot.quantile(0.9999),
        "max": snapshot.max,
    })
}

fn worst(WorstRow { row, instrument }: &WorstRow) -> Value {
    let known = Stamp::ALL.into_iter().filter(|stamp| row.path.at(*stamp).0 > 0);
    let stamps = known.map(|stamp| (stamp.name().to_owned(), row.path.at(stamp).0.into()));
    let stages = Stage::ALL.into_iter().filter_map(|stage| {
        let ns = stage.of(&row.path)?;
        Some((stage.name().to_owned(), ns.into()))
    });
    json!({
        "client_id": row.client_id.to_string(),
        "instrument": instrument,
        "strategy": row.strategy().0,
        "signal": row.signal.0,
        "tick_to_order_ns": row.total_ns(),
        "stamps_ns": stamps.collect::<Map<String, Value>>(),
        "stages_ns": stages.collect::<Map<String, Value>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;
    use super::*;

    #[test]
    fn both_views_and_all_stamps_are_there() {
        let object = object(&report());
        assert_eq!(object["measuring"]["per_order_ns"], 77);
        let row = &object["rows"][0];
        let place = [&row["stage"], &row["venue"], &row["group"]];
        assert_eq!(place, ["send", "a", "BTC"]);
        assert_eq!([&row["count"], &row["min"], &row["max"]], [3, 100, 8_000]);
        assert_eq!([&row["interval_ns"], &row["corrected"]["count"]], [1_000, 10]);
        assert_eq!(object["stages"]["send"]["count"], 3);
        let worst = &object["worst"][0];
        assert_eq!(worst["client_id"], "st000000000000002a");
        assert_eq!(worst["tick_to_order_ns"], 4_900);
        assert_eq!(worst["stages_ns"]["decode"], 700);
        assert_eq!(worst["stages_ns"]["ack"], Value::Null);
        assert_eq!(worst["stamps_ns"]["decoded"], 10_700);
    }
}

//! The table of `stoop latency`.

use super::feeds;
use super::report::{Report, StageRow, WorstRow};
use crate::shm::Stage;
use crate::sync::histogram::Snapshot;
use crate::types::StrategyId;
use std::fmt::Write;

/// Stages of one order's way, in columns.
const WAY: std::ops::RangeInclusive<usize> = Stage::Wire as usize..=Stage::Fill as usize;

/// Everything, ending in a new line.
pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    head(&mut text, report);
    stages(&mut text, &report.rows);
    worst(&mut text, &report.worst);
    feeds::text(&mut text, &report.feeds);
    text
}

fn head(text: &mut String, report: &Report) {
    let measuring = &report.measuring;
    let seconds = report.elapsed_ns / 1_000_000_000;
    let _ = writeln!(
        text,
        "{}, process {}, running {:02}:{:02}:{:02}; detail {}: measuring costs {} ns per order \
         (clock {:.1} ns, record {:.1} ns)\n",
        report.instance,
        report.pid,
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60,
        measuring.detail.name(),
        measuring.per_order_ns(),
        measuring.clock_ps as f64 / 1e3,
        measuring.record_ps as f64 / 1e3,
    );
}

fn stages(text: &mut String, rows: &[StageRow]) {
    if rows.is_empty() {
        text.push_str("nothing measured yet\n");
        return;
    }
    let _ = writeln!(
        text,
        "{:<14}{:<19}{:>9}{:>10}{:>10}{:>10}{:>10}{:>10}   corrected:{:>10}{:>10}{:>10}",
        "stage", "venue", "count", "p50", "p90", "p99", "p99.9", "max", "p50", "p99", "p99.9"
    );
    for row in rows {
        let place = [row.venue, row.group.as_deref()];
        let place = place.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let at = |of: &Snapshot, q| duration(of.quantile(q));
        let (seen, corrected) = (&row.seen, &row.corrected);
        let _ = writeln!(
            text,
            "{:<14}{:<19}{:>9}{:>10}{:>10}{:>10}{:>10}{:>10}             {:>10}{:>10}{:>10}",
            row.stage.name(),
            place,
            seen.count,
            at(seen, 0.5),
            at(seen, 0.9),
            at(seen, 0.99),
            at(seen, 0.999),
            duration(seen.max),
            at(corrected, 0.5),
            at(corrected, 0.99),
            at(corrected, 0.999),
        );
    }
}

fn worst(text: &mut String, rows: &[WorstRow]) {
    if rows.is_empty() {
        return;
    }
    let columns = || Stage::ALL[WAY].iter().filter(|stage| **stage != Stage::TickToOrder);
    let _ = write!(
        text,
        "\n{:<20}{:<20}{:<10}{:>7}",
        "worst paths", "instrument", "strategy", "signal"
    );
    let _ = write!(text, "{:>15}", Stage::TickToOrder.name());
    for stage in columns() {
        let _ = write!(text, "{:>10}", stage.name());
    }
    text.push('\n');
    for WorstRow { row, instrument } in rows {
        let strategy = match row.strategy() {
            StrategyId::OPERATOR => "operator".to_owned(),
            StrategyId(number) => number.to_string(),
        };
        let (order, signal) = (row.client_id.to_string(), row.signal.0);
        let _ = write!(text, "{order:<20}{instrument:<20}{strategy:<10}{signal:>7}");
        let _ = write!(text, "{:>15}", duration(row.total_ns()));
        for stage in columns() {
            let ns = stage.of(&row.path).map_or_else(|| "-".to_owned(), duration);
            let _ = write!(text, "{ns:>10}");
        }
        text.push('\n');
    }
}

/// With the unit that fits, three digits or more.
pub(super) fn duration(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..100_000 => format!("{:.2} us", ns as f64 / 1e3),
        100_000..1_000_000 => format!("{:.1} us", ns as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} ms", ns as f64 / 1e6),
        _ => format!("{:.2} s", ns as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;
    use super::*;

    #[test]
    fn the_table_shows_stages_and_worst_paths() {
        let text = text(&report());
        let lines: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            lines[0].join(" "),
            "test, process 7, running 01:02:05; detail all: measuring costs 77 ns per order \
             (clock 9.0 ns, record 2.5 ns)"
        );
        let send = ["send", "a", "BTC", "3", "100", "ns", "8.00", "us", "8.00", "us"];
        assert_eq!(lines[3][..10], send, "{text}");
        let worst = ["st000000000000002a", "BTC/USDT@a", "0", "9", "4.90", "us", "-", "700", "ns"];
        assert_eq!(lines[6][..9], worst, "{text}");
    }

    #[test]
    fn durations_have_the_unit_that_fits() {
        let shown = [0, 999, 1_000, 99_994, 100_000, 1_500_000, 2_000_000_000].map(duration);
        let expected = ["0 ns", "999 ns", "1.00 us", "99.99 us", "100.0 us", "1.50 ms", "2.00 s"];
        assert_eq!(shown, expected);
    }
}

//! The market data connections in `stoop latency`: how each of them does against the other.

use super::table::duration;
use crate::shm::{FeedHealth, FeedLine, MarketView};
use crate::types::{Readiness, VenueId};
use crate::venues::VENUES;
use serde_json::{Value, json};
use std::fmt::Write;

/// A venue's feed.
pub(super) struct FeedRow {
    pub venue: &'static str,
    pub health: FeedHealth,
}

/// The feeds of the region's venues that run.
pub(super) fn collect(view: &MarketView) -> Vec<FeedRow> {
    let row = |(number, venue): (usize, &'static crate::venues::VenueRow)| {
        let health = view.health(VenueId(number as u8)).feed;
        FeedRow { venue: venue.name, health }
    };
    let rows = VENUES.iter().enumerate().take(view.venues()).map(row);
    rows.filter(|row| row.health.line_count > 0).collect()
}

/// A line for each connection of the feeds that have two.
pub(super) fn text(text: &mut String, rows: &[FeedRow]) {
    let rows: Vec<&FeedRow> = rows.iter().filter(|row| row.health.line_count > 1).collect();
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "\n{:<20}{:<10}{:>10}{:>10}{:>9}{:>9}{:>9}   late by:{:>10}{:>10}{:>10}",
        "connections", "state", "first", "late", "missed", "filled", "lost", "p50", "p99", "max"
    );
    for FeedRow { venue, health } in rows {
        for (number, line) in health.lines().iter().enumerate() {
            let _ = writeln!(
                text,
                "{:<20}{:<10}{:>10}{:>10}{:>9}{:>9}{:>9}           {:>10}{:>10}{:>10}",
                format!("{venue} {}", number + 1),
                state(line.state),
                line.first,
                line.late,
                line.missed,
                line.filled,
                line.reconnects,
                duration(line.late_p50_ns),
                duration(line.late_p99_ns),
                duration(line.late_max_ns),
            );
        }
    }
}

fn state(state: Readiness) -> &'static str {
    match state {
        Readiness::Down => "down",
        Readiness::Joining => "joining",
        Readiness::Ready => "ready",
    }
}

/// The same for `--json`, of every feed; times in nanoseconds.
pub(super) fn object(rows: &[FeedRow]) -> Value {
    let line = |line: &FeedLine| {
        json!({
            "state": state(line.state),
            "frames": line.frames,
            "last_recv_ns": line.last_recv_ns.0,
            "first": line.first,
            "late": line.late,
            "missed": line.missed,
            "filled": line.filled,
            "lost": line.reconnects,
            "late_by": {
                "p50": line.late_p50_ns, "p99": line.late_p99_ns, "max": line.late_max_ns,
            },
        })
    };
    let feed = |FeedRow { venue, health }: &FeedRow| {
        json!({
            "venue": venue,
            "state": state(health.state),
            "books": health.books,
            "books_live": health.books_live,
            "gaps": health.gaps,
            "resyncs": health.resyncs,
            "connections": health.lines().iter().map(line).collect::<Vec<_>>(),
        })
    };
    rows.iter().map(feed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<FeedRow> {
        let first = FeedLine { state: Readiness::Ready, first: 90, late: 10, ..Default::default() };
        let late = FeedLine {
            first: 8,
            late: 91,
            missed: 2,
            filled: 1,
            reconnects: 3,
            late_p50_ns: 1_500,
            late_p99_ns: 2_000_000,
            late_max_ns: 3_000_000,
            ..FeedLine::default()
        };
        let health = FeedHealth {
            state: Readiness::Ready,
            line_count: 2,
            gaps: 4,
            lines: [first, late],
            ..FeedHealth::default()
        };
        let alone = FeedHealth { line_count: 1, ..health };
        vec![FeedRow { venue: "a", health }, FeedRow { venue: "b", health: alone }]
    }

    #[test]
    fn each_connection_of_two_has_a_line() {
        let mut shown = String::new();
        text(&mut shown, &rows());
        let lines: Vec<String> = shown
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(lines[2], "a 1 ready 90 10 0 0 0 0 ns 0 ns 0 ns", "{shown}");
        assert_eq!(lines[3], "a 2 down 8 91 2 1 3 1.50 us 2.00 ms 3.00 ms", "{shown}");
        assert_eq!(lines.len(), 4, "one alone is compared with nothing");
    }

    #[test]
    fn the_object_has_every_feed() {
        let object = object(&rows());
        let lines = [0, 1].map(|feed: usize| object[feed]["connections"].as_array().unwrap().len());
        assert_eq!(lines, [2, 1]);
        assert_eq!([&object[0]["venue"], &object[0]["state"]], ["a", "ready"]);
        let late = &object[0]["connections"][1];
        assert_eq!([&late["late"], &late["late_by"]["p99"], &late["lost"]], [91, 2_000_000, 3]);
    }
}

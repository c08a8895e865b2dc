//! Books, feeds and executors on the page.

#![forbid(unsafe_code)]

use super::Names;
use super::page::{Kind, Page, seconds, signed_seconds};
use crate::shm::{ExecutorHealth, FeedHealth, MarketView};
use crate::types::{Nanos, NotReady, Readiness};
use Kind::{Counter, Gauge};

/// The name of an instrument's venue.
pub(super) fn venue_name(names: &Names, venue: crate::types::VenueId) -> &'static str {
    names.venues.iter().find(|row| row.venue == venue).map_or("", |row| row.name)
}

pub(super) fn books(page: &mut Page, view: &MarketView, names: &Names, now: Nanos) {
    let table = view.instruments();
    let mut best: Vec<_> = table.iter().map(|row| (row, view.best(row.id))).collect();
    best.retain(|(row, best)| names.wants(&row.name, best.state));
    let help = "Whether a book that is streamed or watched may be traded on";
    let mut family = page.family("stoop_book_live", Gauge, help);
    for (row, best) in &best {
        let labels = [("instrument", row.name.as_str()), ("venue", venue_name(names, row.venue))];
        family.sample(&labels, u8::from(best.is_live()));
    }
    let help = "Since the message behind the top of a book was received";
    let mut family = page.family("stoop_book_age_seconds", Gauge, help);
    // Without a first message there is no age.
    for (row, best) in best.iter().filter(|(_, best)| best.recv_ns > Nanos(0)) {
        let labels = [("instrument", row.name.as_str()), ("venue", venue_name(names, row.venue))];
        family.sample(&labels, seconds(best.age(now)));
    }
}

/// One value of each venue.
type Value<T> = fn(&T, Nanos) -> String;

const FEED: &[(&str, Kind, &str, Value<FeedHealth>)] = &[
    ("stoop_feed_ready", Gauge, "Whether market data flows", |feed, _| {
        u8::from(feed.state == Readiness::Ready).to_string()
    }),
    ("stoop_feed_books", Gauge, "Books that the feed keeps", |feed, _| feed.books.to_string()),
    ("stoop_feed_books_live", Gauge, "Books of those that may be traded on", |feed, _| {
        feed.books_live.to_string()
    }),
    ("stoop_feed_frames_total", Counter, "Messages received", |feed, _| feed.frames.to_string()),
    ("stoop_feed_received_bytes_total", Counter, "Bytes received", |feed, _| {
        feed.bytes.to_string()
    }),
    ("stoop_feed_decode_errors_total", Counter, "Messages not understood", |feed, _| {
        feed.decode_errors.to_string()
    }),
    ("stoop_feed_gaps_total", Counter, "Sequence gaps", |feed, _| feed.gaps.to_string()),
    ("stoop_feed_resyncs_total", Counter, "Books synchronised, first times included", |feed, _| {
        feed.resyncs.to_string()
    }),
    ("stoop_feed_reconnects_total", Counter, "Connections lost", |feed, _| {
        feed.reconnects.to_string()
    }),
    ("stoop_feed_subscriptions_failed_total", Counter, "Subscriptions that failed", |feed, _| {
        feed.subscriptions_failed.to_string()
    }),
    ("stoop_feed_silence_seconds", Gauge, "Since the last message", |feed, now| {
        let heard = feed.last_recv_ns > Nanos(0);
        if heard { seconds(now.since(feed.last_recv_ns)).to_string() } else { "NaN".to_owned() }
    }),
];

const EXECUTOR: &[(&str, Kind, &str, Value<ExecutorHealth>)] = &[
    (
        "stoop_venue_suspended_seconds",
        Gauge,
        "How long the venue refuses us yet",
        |executor, now| seconds(executor.suspended_until_ns.since(now)).to_string(),
    ),
    ("stoop_executor_commands_total", Counter, "Commands sent", |executor, _| {
        executor.commands.to_string()
    }),
    (
        "stoop_executor_commands_refused_total",
        Counter,
        "Commands that could not be sent: rate limit, connection, not expressible",
        |executor, _| executor.commands_refused.to_string(),
    ),
    ("stoop_executor_reports_total", Counter, "Reports received", |executor, _| {
        executor.reports.to_string()
    }),
    ("stoop_executor_decode_errors_total", Counter, "Messages not understood", |executor, _| {
        executor.decode_errors.to_string()
    }),
    ("stoop_executor_reply_timeouts_total", Counter, "Replies that did not come", |executor, _| {
        executor.reply_timeouts.to_string()
    }),
    ("stoop_executor_reconnects_total", Counter, "Connections lost", |executor, _| {
        executor.reconnects.to_string()
    }),
];

pub(super) fn feeds(page: &mut Page, view: &MarketView, names: &Names, now: Nanos) {
    let rows: Vec<(&str, FeedHealth)> =
        names.venues.iter().map(|row| (row.name, view.health(row.venue).feed)).collect();
    each(page, FEED, &rows, now);
}

fn each<T>(
    page: &mut Page,
    table: &[(&str, Kind, &str, Value<T>)],
    rows: &[(&str, T)],
    now: Nanos,
) {
    for (name, kind, help, value) in table {
        let mut family = page.family(name, *kind, help);
        rows.iter().for_each(|(venue, row)| family.sample(&[("venue", venue)], value(row, now)));
    }
}

/// Whether the order manager would send a new order there, and why not.
pub(super) fn readiness(page: &mut Page, view: &MarketView, names: &Names, now: Nanos) {
    let rows = names.venues.iter().map(|row| (row.name, view.health(row.venue)));
    let rows: Vec<_> = rows.map(|(name, health)| (name, health.why_not_ready(now))).collect();
    let help = "Whether the order manager would send a new order there now";
    let mut family = page.family("stoop_venue_ready", Gauge, help);
    rows.iter().for_each(|(venue, why)| {
        family.sample(&[("venue", venue)], u8::from(why.is_none()));
    });
    let help = "1 for the reason why it would not; held is a person's wish, engine_held that of the whole \
                engine, a thrown loss switch or its own halt";
    let mut family = page.family("stoop_venue_not_ready", Gauge, help);
    for (venue, why) in &rows {
        for reason in NotReady::names() {
            let is_it = u8::from(why.is_some_and(|why| why.name() == *reason));
            family.sample(&[("reason", reason), ("venue", venue)], is_it);
        }
    }
}

pub(super) fn executors(page: &mut Page, view: &MarketView, names: &Names, now: Nanos) {
    let rows: Vec<(&str, ExecutorHealth)> =
        names.venues.iter().map(|row| (row.name, view.health(row.venue).executor)).collect();
    each(page, EXECUTOR, &rows, now);
    clocks(page, view, names);
    rate_limits(page, names, &rows);
}

fn clocks(page: &mut Page, view: &MarketView, names: &Names) {
    let health = |row: &super::VenueNames| {
        let health = view.health(row.venue);
        let (feed, executor) = (health.feed, health.executor);
        [
            ("feed", feed.clock_offset_ns, feed.clock_round_trip_ns),
            ("executor", executor.clock_offset_ns, executor.clock_round_trip_ns),
        ]
    };
    let help = "Clock of the venue less ours";
    let mut family = page.family("stoop_clock_offset_seconds", Gauge, help);
    for row in &names.venues {
        // Before the first probe nothing is known.
        for (side, offset, _) in health(row).into_iter().filter(|(_, _, trip)| *trip > 0) {
            family.sample(&[("side", side), ("venue", row.name)], signed_seconds(offset));
        }
    }
    let help = "Round trip of the probe that measured the offset";
    let mut family = page.family("stoop_clock_round_trip_seconds", Gauge, help);
    for row in &names.venues {
        for (side, _, trip) in health(row).into_iter().filter(|(_, _, trip)| *trip > 0) {
            family.sample(&[("side", side), ("venue", row.name)], seconds(trip));
        }
    }
}

fn rate_limits(page: &mut Page, names: &Names, rows: &[(&str, ExecutorHealth)]) {
    let mut limits = |name, help, value: fn(crate::shm::RateUse) -> u32| {
        let mut family = page.family(name, Gauge, help);
        for (venue, (_, executor)) in names.venues.iter().zip(rows) {
            for (limit, row) in venue.limits.iter().zip(executor.limits) {
                if row.allowed > 0 {
                    family.sample(&[("limit", limit), ("venue", venue.name)], value(row));
                }
            }
        }
    };
    let help = "Units of a rate limit used in the running window";
    limits("stoop_rate_limit_used", help, |row| row.used);
    limits("stoop_rate_limit_allowed", "Units of a rate limit allowed in a window", |row| {
        row.allowed
    });
}

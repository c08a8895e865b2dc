//! The venue's rate limits: what they are, what a command costs, and what replies say about them.
//!
//! Windows are aligned to the venue's wall clock. `ORDERS` counts orders that are not filled yet:
//! the first fill gives units back, which only the venue's own count shows. Numbers of
//! `exchangeInfo` replace the ones here as soon as a reply states them.

#![forbid(unsafe_code)]

use super::server_clock::ServerClock;
use crate::types::{
    CommandKind, Costs, Event, Events, LIMITS_MAX, LimitSpec, Nanos, RateLimitUse, VenueNotice,
};
use crate::venues::{Response, Value};

const SECOND_NS: u64 = 1_000_000_000;

/// Index of the request weight.
const WEIGHT: u8 = 0;
/// Index of the orders in ten seconds.
const ORDERS_10S: u8 = 1;
/// Index of the orders in a day.
const ORDERS_1D: u8 = 2;
/// Index of the bare number of requests.
const RAW: u8 = 3;

/// The limits, as documented (2026-07-21). The feed's share is 40 snapshots a minute.
pub(super) const LIMITS: &[LimitSpec] = &[
    LimitSpec {
        name: "weight per minute",
        window_ns: 60 * SECOND_NS,
        allowed: 6_000,
        cancel_reserve: 600,
        feeds: 2_000,
        aligned: true,
    },
    LimitSpec {
        name: "orders per 10 seconds",
        window_ns: 10 * SECOND_NS,
        allowed: 50,
        cancel_reserve: 0,
        feeds: 0,
        aligned: true,
    },
    LimitSpec {
        name: "orders per day",
        window_ns: 86_400 * SECOND_NS,
        allowed: 160_000,
        cancel_reserve: 0,
        feeds: 0,
        aligned: true,
    },
    LimitSpec {
        name: "requests per 5 minutes",
        window_ns: 300 * SECOND_NS,
        allowed: 300_000,
        cancel_reserve: 3_000,
        feeds: 3_000,
        aligned: true,
    },
];

/// Weight of a depth snapshot of 1000 levels.
const SNAPSHOT_WEIGHT: u16 = 50;

/// What a command costs; the same over socket and REST, which share their limits. Placing and
/// cancelling weigh 1 only when they fail, and are charged as if they would.
pub(super) fn costs(command: &CommandKind, _over_rest: bool) -> Costs {
    let (weight, orders) = match command {
        CommandKind::New(_) => (1, 1),
        CommandKind::Cancel(_) | CommandKind::CancelAll(_) => (1, 0),
        CommandKind::Replace(_) | CommandKind::Query(_) => (4, 0),
        CommandKind::OpenOrders(_) => (6, 0),
        CommandKind::FillsSince { .. } | CommandKind::Balances | CommandKind::FeeRate(_) => (20, 0),
        CommandKind::Subscribe(_) | CommandKind::Resync(_) => (SNAPSHOT_WEIGHT, 0),
        CommandKind::Unsubscribe(_) => return Costs::default(),
    };
    let mut costs = [0; LIMITS_MAX];
    costs[usize::from(WEIGHT)] = weight;
    costs[usize::from(ORDERS_10S)] = orders;
    costs[usize::from(ORDERS_1D)] = orders;
    costs[usize::from(RAW)] = 1;
    Costs(costs)
}

/// Notices from the `rateLimits` array of a socket reply; rows that we do not know are skipped.
pub(super) fn from_array(rows: Value<'_>, clock: &ServerClock, now: Nanos, events: &mut Events) {
    for row in rows.items() {
        let (mut kind, mut interval, mut number) = ("", "", 0);
        let (mut allowed, mut used) = (None, None);
        for (key, value) in row.members() {
            match key {
                "rateLimitType" => kind = value.str().unwrap_or(""),
                "interval" => interval = value.str().unwrap_or(""),
                "intervalNum" => number = value.u64().unwrap_or(0),
                "limit" => allowed = value.u64(),
                "count" => used = value.u64(),
                _ => {}
            }
        }
        let limit = match (kind, number, interval) {
            ("REQUEST_WEIGHT", 1, "MINUTE") => WEIGHT,
            ("ORDERS", 10, "SECOND") => ORDERS_10S,
            ("ORDERS", 1, "DAY") => ORDERS_1D,
            ("RAW_REQUESTS", 5, "MINUTE") => RAW,
            _ => continue,
        };
        if let (Some(allowed), Some(used)) = (allowed, used) {
            notice(limit, used, allowed, clock, now, events);
        }
    }
}

/// Notices from the headers of a REST reply.
pub(super) fn from_headers(
    response: &Response<'_>,
    clock: &ServerClock,
    now: Nanos,
    events: &mut Events,
) {
    for (name, limit) in [
        ("x-mbx-used-weight-1m", WEIGHT),
        ("x-mbx-order-count-10s", ORDERS_10S),
        ("x-mbx-order-count-1d", ORDERS_1D),
    ] {
        if let Some(used) = response.header(name).and_then(|text| text.parse().ok()) {
            notice(limit, used, 0, clock, now, events);
        }
    }
}

/// End of the suspension that a REST reply of status 429 or 418 announces.
pub(super) fn retry_after(response: &Response<'_>) -> Option<u64> {
    let seconds: u64 = response.header("retry-after")?.parse().ok()?;
    seconds.checked_mul(SECOND_NS)
}

/// How long to stay silent if the venue did not say: the rest of the minute, or the shortest ban.
pub(super) fn silence_ns(status: u16, clock: &ServerClock, now: Nanos) -> u64 {
    if status == 418 {
        return 120 * SECOND_NS;
    }
    window_end(&LIMITS[usize::from(WEIGHT)], clock, now).since(now).max(SECOND_NS)
}

/// A full buffer loses the notice: the next reply says it again.
fn notice(
    limit: u8,
    used: u64,
    allowed: u64,
    clock: &ServerClock,
    now: Nanos,
    events: &mut Events,
) {
    let notice = RateLimitUse {
        limit,
        used: u32::try_from(used).unwrap_or(u32::MAX),
        allowed: u32::try_from(allowed).unwrap_or(u32::MAX),
        resets_ns: window_end(&LIMITS[usize::from(limit)], clock, now),
    };
    let _ = events.push(Event::Notice(VenueNotice::RateLimit(notice)));
}

/// End of the running window by our clock.
fn window_end(limit: &LimitSpec, clock: &ServerClock, now: Nanos) -> Nanos {
    let server = clock.to_server(now).0;
    let end = (server / limit.window_ns).saturating_add(1).saturating_mul(limit.window_ns);
    clock.to_local(Nanos(end))
}

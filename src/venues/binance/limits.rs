//! The venue's rate limits: what they are, what a command costs, and what replies say about them.
//!
//! Windows are aligned to the venue's wall clock. `ORDERS` of spot counts orders that are not filled
//! yet: the first fill gives units back, which only the venue's own count shows; `ORDERS` of futures
//! counts every placement. The numbers here are replaced as soon as a reply states others.

#![forbid(unsafe_code)]

use super::envelope::Retry;
use super::server_clock::ServerClock;
use super::streams::Product;
use crate::types::{
    CommandKind, Costs, Event, Events, LIMITS_MAX, LimitSpec, Nanos, RateLimitUse, VenueNotice,
};
use crate::venues::{Response, Value};

const SECOND_NS: u64 = 1_000_000_000;

/// Index of the request weight, the first limit of either product.
const WEIGHT: u8 = 0;
/// Index of the orders in ten seconds.
const ORDERS_SHORT: u8 = 1;
/// Index of the orders in a day, of futures in a minute.
const ORDERS_LONG: u8 = 2;
/// Index of the bare number of requests, of spot.
const RAW: u8 = 3;

const fn limit(name: &'static str, window_s: u64, allowed: u32, feeds: u32) -> LimitSpec {
    let (cancel_reserve, aligned) = (0, true);
    LimitSpec { name, window_ns: window_s * SECOND_NS, allowed, cancel_reserve, feeds, aligned }
}

/// The limits of spot, as documented (2026-07-21). The feed's share is 40 snapshots a minute.
pub(super) const LIMITS: &[LimitSpec] = &[
    LimitSpec { cancel_reserve: 600, ..limit("weight per minute", 60, 6_000, 2_000) },
    limit("orders per 10 seconds", 10, 50, 0),
    limit("orders per day", 86_400, 160_000, 0),
    LimitSpec { cancel_reserve: 3_000, ..limit("requests per 5 minutes", 300, 300_000, 3_000) },
];

/// The limits of USD-M futures (2026-05-28).
pub(super) const USDM_LIMITS: &[LimitSpec] = &[
    LimitSpec { cancel_reserve: 240, ..limit("weight per minute", 60, 2_400, 800) },
    limit("orders per 10 seconds", 10, 300, 0),
    limit("orders per minute", 60, 1_200, 0),
];

/// How replies name the limits of a product.
struct Names {
    /// Kind, number of intervals, interval.
    rows: &'static [(&'static str, u64, &'static str, u8)],
    headers: &'static [(&'static str, u8)],
}

static SPOT_NAMES: Names = Names {
    rows: &[
        ("REQUEST_WEIGHT", 1, "MINUTE", WEIGHT),
        ("ORDERS", 10, "SECOND", ORDERS_SHORT),
        ("ORDERS", 1, "DAY", ORDERS_LONG),
        ("RAW_REQUESTS", 5, "MINUTE", RAW),
    ],
    headers: &[
        ("x-mbx-used-weight-1m", WEIGHT),
        ("x-mbx-order-count-10s", ORDERS_SHORT),
        ("x-mbx-order-count-1d", ORDERS_LONG),
    ],
};

static USDM_NAMES: Names = Names {
    rows: &[
        ("REQUEST_WEIGHT", 1, "MINUTE", WEIGHT),
        ("ORDERS", 10, "SECOND", ORDERS_SHORT),
        ("ORDERS", 1, "MINUTE", ORDERS_LONG),
    ],
    headers: &[
        ("x-mbx-used-weight-1m", WEIGHT),
        ("x-mbx-order-count-10s", ORDERS_SHORT),
        ("x-mbx-order-count-1m", ORDERS_LONG),
    ],
};

/// The limits of a product.
pub(super) fn of(product: Product) -> &'static [LimitSpec] {
    match product {
        Product::Spot => LIMITS,
        Product::UsdM => USDM_LIMITS,
    }
}

fn names(product: Product) -> &'static Names {
    match product {
        Product::Spot => &SPOT_NAMES,
        Product::UsdM => &USDM_NAMES,
    }
}

/// Weight of a depth snapshot of 1000 levels.
const SNAPSHOT_WEIGHT: u16 = 50;
const USDM_SNAPSHOT_WEIGHT: u16 = 20;

/// What a command costs on spot; the same over socket and REST, which share their limits. Placing and
/// cancelling weigh 1 only when they fail, and are charged as if they would.
pub(super) fn costs(command: &CommandKind, _over_rest: bool) -> Costs {
    let (weight, orders) = match command {
        CommandKind::New(_) => (1, 1),
        CommandKind::Cancel(_) | CommandKind::CancelAll(_) => (1, 0),
        CommandKind::Replace(_) | CommandKind::Query(_) => (4, 0),
        CommandKind::OpenOrders(_) => (6, 0),
        CommandKind::FillsSince { .. } | CommandKind::Balances | CommandKind::FeeRate(_) => (20, 0),
        CommandKind::Subscribe(_) | CommandKind::Resync(_) => (SNAPSHOT_WEIGHT, 0),
        CommandKind::Unsubscribe(_) | CommandKind::FundingSince(_) => return Costs::default(),
    };
    let mut costs = units(weight, orders).0;
    costs[usize::from(RAW)] = 1;
    Costs(costs)
}

/// The same on futures, where orders and their changes have no weight but count as placed. Lists of
/// open orders and of balances take two requests.
pub(super) fn usdm_costs(command: &CommandKind, _over_rest: bool) -> Costs {
    let (weight, orders) = match command {
        CommandKind::New(_) | CommandKind::Replace(_) => (0, 1),
        CommandKind::Cancel(_) | CommandKind::CancelAll(_) | CommandKind::Query(_) => (1, 0),
        CommandKind::OpenOrders(_) => (2, 0),
        CommandKind::FillsSince { .. } => (5, 0),
        CommandKind::Balances => (10, 0),
        CommandKind::FeeRate(_) => (20, 0),
        CommandKind::FundingSince(_) => (30, 0),
        CommandKind::Subscribe(_) | CommandKind::Resync(_) => (USDM_SNAPSHOT_WEIGHT, 0),
        CommandKind::Unsubscribe(_) => return Costs::default(),
    };
    units(weight, orders)
}

/// What a request of the feed for a snapshot costs.
pub(super) fn snapshot_costs(product: Product) -> Costs {
    match product {
        Product::Spot => asking(SNAPSHOT_WEIGHT, product),
        Product::UsdM => asking(USDM_SNAPSHOT_WEIGHT, product),
    }
}

/// What a request for the venue's time costs.
pub(super) fn time_costs(product: Product) -> Costs {
    asking(1, product)
}

fn asking(weight: u16, product: Product) -> Costs {
    let mut costs = units(weight, 0).0;
    costs[usize::from(RAW)] = u16::from(product == Product::Spot);
    Costs(costs)
}

fn units(weight: u16, orders: u16) -> Costs {
    let mut costs = [0; LIMITS_MAX];
    costs[usize::from(WEIGHT)] = weight;
    costs[usize::from(ORDERS_SHORT)] = orders;
    costs[usize::from(ORDERS_LONG)] = orders;
    Costs(costs)
}

/// A product, and its clock against ours: when its windows end.
#[derive(Clone, Copy)]
pub(super) struct Windows<'a> {
    pub(super) product: Product,
    pub(super) clock: &'a ServerClock,
}

/// Notices from the `rateLimits` array of a socket reply; rows that we do not know are skipped.
pub(super) fn from_array(rows: Value<'_>, windows: Windows<'_>, now: Nanos, events: &mut Events) {
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
        let mut known = names(windows.product).rows.iter();
        let known = known.find(|row| (row.0, row.1, row.2) == (kind, number, interval));
        let Some((.., limit)) = known else { continue };
        if let (Some(allowed), Some(used)) = (allowed, used) {
            notice(*limit, used, allowed, windows, now, events);
        }
    }
}

/// Notices from the headers of a REST reply.
pub(super) fn from_headers(
    response: &Response<'_>,
    windows: Windows<'_>,
    now: Nanos,
    events: &mut Events,
) {
    for (name, limit) in names(windows.product).headers {
        if let Some(used) = response.header(name).and_then(|text| text.parse().ok()) {
            notice(*limit, used, 0, windows, now, events);
        }
    }
}

/// The pause that a REST reply of status 429 or 418 announces, in whole seconds; the other form of
/// the header, a date, is not the venue's.
pub(super) fn retry_after(response: &Response<'_>) -> Option<Retry> {
    let seconds: u64 = response.header("retry-after")?.parse().ok()?;
    Some(Retry::After(seconds.saturating_mul(SECOND_NS)))
}

/// What a refusal for too many requests stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It is none, or concerns new orders only.
    Nothing,
    /// Everything but cancels: going on would become a ban.
    AllButCancels,
    /// Everything: going on makes the ban longer.
    Everything,
}

/// Too much weight used, or banned.
const TOO_MUCH: i32 = -1003;
/// Too many new orders: a limit of its own.
pub(super) const TOO_MANY_ORDERS: i32 = -1015;

/// What a reply with this status and code stops. A firewall answers 403 without any code.
pub(super) fn stop(status: u16, code: i32) -> Stop {
    match status {
        _ if code == TOO_MANY_ORDERS => Stop::Nothing,
        418 => Stop::Everything,
        429 => Stop::AllButCancels,
        403 if code == 0 => Stop::AllButCancels,
        _ if code == TOO_MUCH => Stop::AllButCancels,
        _ => Stop::Nothing,
    }
}

/// A pause is never shorter: what is as good as over is not worth being refused again for.
const PAUSE_MIN_NS: u64 = SECOND_NS;
/// The venue's shortest and longest bans.
const BAN_MIN_NS: u64 = 120 * SECOND_NS;
const BAN_MAX_NS: u64 = 3 * 86_400 * SECOND_NS;

/// How long to be silent after a refusal. Where the venue states no end, or one that by our reading
/// of its clock is over already, it is the rest of the minute, or the shortest ban.
pub(super) fn pause_ns(stop: Stop, retry: Option<Retry>, windows: Windows<'_>, now: Nanos) -> u64 {
    let clock = windows.clock;
    let stated = match retry {
        Some(Retry::After(pause)) => Some(pause),
        Some(Retry::At(server)) => Some(clock.to_local(server).since(now)).filter(|left| *left > 0),
        None => None,
    };
    let silence = || match stop {
        Stop::Everything => BAN_MIN_NS,
        _ => window_end(WEIGHT, windows, now).since(now),
    };
    stated.unwrap_or_else(silence).clamp(PAUSE_MIN_NS, BAN_MAX_NS)
}

/// The notice of a refusal for too many orders: it may come without the counts that say so.
/// `Too many new orders; current limit is 50 orders per 10 SECOND.`
pub(super) fn too_many_orders(
    message: &str,
    windows: Windows<'_>,
    now: Nanos,
    events: &mut Events,
) {
    let window = message.trim_end_matches('.');
    let long = window.ends_with("DAY") || window.ends_with("MINUTE");
    let limit = if long { ORDERS_LONG } else { ORDERS_SHORT };
    let allowed = message.split_once("current limit is ").and_then(|(_, rest)| {
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse::<u64>().ok().filter(|allowed| *allowed > 0)
    });
    let used = allowed.unwrap_or(u64::MAX);
    notice(limit, used, allowed.unwrap_or(0), windows, now, events);
}

/// A full buffer loses the notice: the next reply says it again.
fn notice(
    limit: u8,
    used: u64,
    allowed: u64,
    windows: Windows<'_>,
    now: Nanos,
    events: &mut Events,
) {
    let notice = RateLimitUse {
        limit,
        used: u32::try_from(used).unwrap_or(u32::MAX),
        allowed: u32::try_from(allowed).unwrap_or(u32::MAX),
        resets_ns: window_end(limit, windows, now),
    };
    let _ = events.push(Event::Notice(VenueNotice::RateLimit(notice)));
}

/// End of the running window by our clock.
fn window_end(limit: u8, Windows { product, clock }: Windows<'_>, now: Nanos) -> Nanos {
    let limit = &of(product)[usize::from(limit)];
    let server = clock.to_server(now).0;
    let end = (server / limit.window_ns).saturating_add(1).saturating_mul(limit.window_ns);
    clock.to_local(Nanos(end))
}

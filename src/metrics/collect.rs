//! Everything on the page, in the order in which it stands there.

#![forbid(unsafe_code)]

use super::page::{Kind, Page, seconds};
use super::{Names, Pairs, account, venues};
use crate::shm::{MarketView, Stage, StrategyLook, ThreadRow};
use crate::types::{Nanos, VenueId};
use Kind::{Counter, Gauge, Histogram};

/// Bounds of the buckets of latencies: nanoseconds, and as they are written.
const BOUNDS: [(u64, &str); 22] = [
    (100, "0.0000001"),
    (250, "0.00000025"),
    (500, "0.0000005"),
    (1_000, "0.000001"),
    (2_500, "0.0000025"),
    (5_000, "0.000005"),
    (10_000, "0.00001"),
    (25_000, "0.000025"),
    (50_000, "0.00005"),
    (100_000, "0.0001"),
    (250_000, "0.00025"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (2_500_000, "0.0025"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (1_000_000_000, "1"),
    (5_000_000_000, "5"),
];

/// The text of `/metrics`.
#[must_use]
pub fn collect(
    view: &MarketView,
    names: &Names,
    (pairs, strategies): (&Pairs, &[Option<StrategyLook>]),
    now: Nanos,
) -> String {
    let mut page = Page::default();
    engine(&mut page, view, names, now);
    latency(&mut page, view, names);
    venues::books(&mut page, view, names, now);
    venues::feeds(&mut page, view, names, now);
    venues::readiness(&mut page, view, names, now);
    venues::executors(&mut page, view, names, now);
    rings(&mut page, view, (names, strategies));
    lives(&mut page, (names, strategies), now);
    ends(&mut page, view, names);
    account::orders(&mut page, &view.counters(), names);
    account::pairs(&mut page, pairs, names);
    account::money(&mut page, view, names);
    account::journal(&mut page, &view.counters());
    threads(&mut page, &view.threads());
    page.finish()
}

fn engine(page: &mut Page, view: &MarketView, names: &Names, now: Nanos) {
    let labels = [
        ("engine", names.instance.as_str()),
        ("mode", names.mode.as_str()),
        ("version", env!("CARGO_PKG_VERSION")),
    ];
    page.family("stoop_info", Gauge, "Which engine this is").sample(&labels, 1);
    let help = "Start of the engine since the epoch";
    page.single("stoop_start_time_seconds", Gauge, help, seconds(view.started().0));
    let help = "Since the order manager last said that it lives";
    let age = seconds(view.silence_ns(now));
    page.single("stoop_heartbeat_age_seconds", Gauge, help, age);
}

fn latency(page: &mut Page, view: &MarketView, names: &Names) {
    let help = "What a stage from tick to order took";
    let mut family = page.family("stoop_stage_latency_seconds", Histogram, help);
    for stage in Stage::ALL {
        // Of several venues' orders: it stands at the first venue of all and has no name.
        let every = [(VenueId(0), "")];
        let venues: Vec<(VenueId, &str)> = match stage.ends() {
            None => every.to_vec(),
            Some(_) => names.venues.iter().map(|row| (row.venue, row.name)).collect(),
        };
        for (venue, name) in venues {
            let snapshot = view.histogram(stage, venue);
            if snapshot.count == 0 {
                continue;
            }
            let mut below = BOUNDS.map(|(_, bound)| (bound, 0));
            for (ns, count) in snapshot.buckets() {
                for (row, _) in below.iter_mut().zip(BOUNDS).filter(|(_, (bound, _))| ns <= *bound)
                {
                    row.1 += count;
                }
            }
            let labels = [("stage", stage.name()), ("venue", name)];
            family.histogram(&labels, &below, snapshot.count, snapshot.sum);
        }
    }
}

/// Those whose files could be read: of the others nothing is said.
fn seen<'a>(
    names: &'a Names,
    strategies: &'a [Option<StrategyLook>],
) -> impl Iterator<Item = (&'a String, &'a StrategyLook)> {
    let rows = names.strategies.iter().zip(strategies);
    rows.filter_map(|(name, look)| Some((name, look.as_ref()?)))
}

/// Rings between strategies, order manager and executors.
fn rings(
    page: &mut Page,
    view: &MarketView,
    (names, strategies): (&Names, &[Option<StrategyLook>]),
) {
    let mut rows = Vec::new();
    for venue in &names.venues {
        let health = view.health(venue.venue);
        // Each as who fills it sees it: who hangs and should empty it says nothing.
        rows.push(("commands", ("venue", venue.name), health.gate.commands_ring));
        rows.push(("reports", ("venue", venue.name), health.executor.reports_ring));
    }
    for (name, look) in seen(names, strategies) {
        rows.push(("requests", ("strategy", name.as_str()), look.requests));
        rows.push(("reports", ("strategy", name.as_str()), look.reports));
    }
    let help = "Messages that wait in a ring of the order manager";
    let mut family = page.family("stoop_ring_waiting", Gauge, help);
    rows.iter().for_each(|(ring, whose, used)| {
        family.sample(&[("ring", ring), *whose], used.waiting);
    });
    let help = "Messages that a ring holds at most";
    let mut family = page.family("stoop_ring_capacity", Gauge, help);
    rows.iter().for_each(|(ring, whose, used)| {
        family.sample(&[("ring", ring), *whose], used.capacity);
    });
}

/// Whether strategies live, by their own statement.
fn lives(page: &mut Page, (names, strategies): (&Names, &[Option<StrategyLook>]), now: Nanos) {
    let help = "Since a strategy last said that it lives";
    let mut family = page.family("stoop_strategy_heartbeat_age_seconds", Gauge, help);
    for (name, look) in seen(names, strategies) {
        let lives = look.heartbeat > Nanos(0);
        let age = seconds(now.since(look.heartbeat)).to_string();
        family.sample(&[("strategy", name)], if lives { age } else { "NaN".to_owned() });
    }
    let help = "Times that the process of a strategy was started again";
    let mut family = page.family("stoop_strategy_restarts_total", Counter, help);
    for (name, look) in seen(names, strategies) {
        family.sample(&[("strategy", name)], look.run);
    }
}

/// Whether the processes of strategies are not started again, by the order manager's word.
fn ends(page: &mut Page, view: &MarketView, names: &Names) {
    let ended = view.counters().ended;
    let help = "1 once the process of a strategy has ended and is not started again";
    let mut family = page.family("stoop_strategy_ended", Gauge, help);
    for (name, end) in names.strategies.iter().zip(ended) {
        family.sample(&[("strategy", name)], u8::from(end.is_some()));
    }
}

/// A thread's name is that of its first agent.
fn name_of(thread: &ThreadRow) -> &str {
    thread.agents.first().map_or("", |agent| agent.name.as_str())
}

fn threads(page: &mut Page, threads: &[ThreadRow]) {
    let mut each = |name, kind, help, value: &dyn Fn(&ThreadRow) -> String| {
        let mut family = page.family(name, kind, help);
        for thread in threads {
            let cpu = thread.cpu.map_or("any".to_owned(), |cpu| cpu.to_string());
            family.sample(&[("thread", name_of(thread)), ("cpu", &cpu)], value(thread));
        }
    };
    each("stoop_thread_rounds_total", Counter, "Rounds of the loop", &|thread| {
        thread.duty.rounds.to_string()
    });
    each(
        "stoop_thread_busy_seconds_total",
        Counter,
        "Time in rounds that did something",
        &|thread| seconds(thread.duty.busy_ns).to_string(),
    );
    each("stoop_thread_busy_ratio", Gauge, "Busy part of the last second", &|thread| {
        (thread.duty.recent_busy_ppm() as f64 / 1e6).to_string()
    });
    let help = "Longest round of the last second";
    each("stoop_thread_longest_round_seconds", Gauge, help, &|thread| {
        seconds(thread.duty.recent_longest_ns).to_string()
    });
    let help = "Time of the polls of one agent in such rounds";
    let mut family = page.family("stoop_agent_busy_seconds_total", Counter, help);
    for thread in threads {
        for agent in &thread.agents {
            let labels = [("thread", name_of(thread)), ("agent", agent.name.as_str())];
            family.sample(&labels, seconds(agent.busy_ns));
        }
    }
}

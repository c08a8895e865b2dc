//! A long session with everything going wrong over and over: the engine's memory, descriptors and
//! threads stay what they were, it always comes back by itself, and in the end its books are the
//! venues'.
//!
//! `STOOP_SOAK_MINUTES=30 cargo test --release --test end_to_end soak -- --nocapture` prints a line
//! a minute. Without the variable it takes some seconds, so that what makes the figures stays sound.
//!
//! What is looked at, once a second, is what the kernel says of the engine's process:
//! - private memory (`RssAnon`: heap and stacks). The whole resident size also counts the pages of
//!   the journal's files and of the region, which come and go as the journal is written.
//! - address space (`VmSize`): a mapping that is never given back shows here, resident or not.
//! - descriptors and threads.

use super::support::Folder;
use super::trouble::Troubles;
use super::venues::{Engine, VENUES, Venues, config, instance, journal};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use stoop::agents::FinalState;
use stoop::agents::journal::restore;
use stoop::cli::ledger::differences;
use stoop::shm::{MarketView, OrderCounters};
use stoop::types::{BookState, Readiness};

/// The engine's tables of fills and orders are reserved at the start, but the kernel counts their
/// pages as they are first used. They are full after so many, and from then on memory is flat.
const WARM_FILLS: u64 = 16_384;
const WARM_ORDERS: u64 = 8_192;
/// The journal's replica of them follows a file of the journal later.
const WARM_MORE: Duration = Duration::from_secs(30);
/// What the tables and the replica hold when they are full: all that can be said of a run that is
/// too short to fill them.
const TABLES_KB: f64 = 24_576.0;
/// Growth that is no leak: what the allocator keeps of a burst, pages of what is reserved and rarely
/// used (queues of log lines, of events that came all at once), and so much an hour.
const GROWTH_MAX_KB: f64 = 1_024.0;
const GROWTH_MAX_KB_PER_HOUR: f64 = 2_048.0;
/// Address space comes in larger pieces: whole files of the journal.
const MAPPED_GROWTH_MAX_KB: f64 = 8_192.0;
/// Connections of the engine to both venues, at least.
const SOCKETS: u64 = 6;
/// How long a connection or a file of the journal may take to go.
const SETTLING: Duration = Duration::from_secs(10);
/// How long the engine may take to be whole again once nothing is wrong any more.
const HEALING: Duration = Duration::from_secs(90);

/// What the kernel says of a process.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    at: Duration,
    resident_kb: u64,
    private_kb: u64,
    mapped_kb: u64,
    threads: u64,
    descriptors: u64,
    fills: u64,
    orders: u64,
}

impl Sample {
    fn take(process: u32, at: Duration, counters: &OrderCounters) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let number = |key: &str| -> u64 {
            let line = status.lines().find(|line| line.starts_with(key));
            let text = line.and_then(|line| line.split_whitespace().nth(1));
            text.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{key} of {status}"))
        };
        Self {
            at,
            resident_kb: number("VmRSS:"),
            private_kb: number("RssAnon:"),
            mapped_kb: number("VmSize:"),
            threads: number("Threads:"),
            descriptors: descriptors(Path::new(&format!("/proc/{process}/fd"))),
            fills: counters.fills,
            orders: counters.orders_sent,
        }
    }
}

/// Open descriptors of a process. Who may not list them is told their number as the folder's size.
fn descriptors(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    match std::fs::read_dir(folder) {
        Ok(list) => list.count() as u64,
        Err(_) => std::fs::metadata(folder).unwrap().size(),
    }
}

/// By how much a quantity grew between the first and the last third of the samples, from median to
/// median, and the hours that lie between their middles.
fn growth(samples: &[Sample], of: fn(&Sample) -> u64) -> (f64, f64) {
    let third = samples.len() / 3;
    let (first, last) = (&samples[..third], &samples[samples.len() - third..]);
    let median = |part: &[Sample]| {
        let mut values: Vec<u64> = part.iter().map(of).collect();
        values.sort_unstable();
        values[values.len() / 2] as f64
    };
    let middle = |part: &[Sample]| part[part.len() / 2].at.as_secs_f64();
    (median(last) - median(first), (middle(last) - middle(first)) / 3_600.0)
}

#[test]
fn growth_is_that_of_the_medians_of_the_outer_thirds() {
    let of = |kb: fn(u64) -> u64| {
        let sample =
            |s| Sample { at: Duration::from_secs(s), private_kb: kb(s), ..Sample::default() };
        growth(&(0..3_600).map(sample).collect::<Vec<_>>(), |sample| sample.private_kb)
    };
    let hours = 2_400.0 / 3_600.0;
    assert_eq!(of(|s| 10_000 + s), (2_400.0, hours));
    assert_eq!(of(|s| 10_000 + s % 7), (0.0, hours));
    // A burst here and there does not count.
    assert_eq!(of(|s| if s % 3 == 0 { 90_000 } else { 10_000 }), (0.0, hours));
}

/// How long, and how it is paced.
struct Plan {
    trading: Duration,
    line_every: Duration,
    trouble_every: Duration,
    trouble_longest: Duration,
}

impl Plan {
    fn new() -> Self {
        let seconds = Duration::from_secs_f64;
        match std::env::var("STOOP_SOAK_MINUTES") {
            Ok(text) => {
                let minutes: f64 = text.parse().unwrap();
                Self {
                    trading: seconds(minutes * 60.0),
                    line_every: seconds(60.0),
                    trouble_every: seconds(4.0),
                    trouble_longest: seconds(3.0),
                }
            }
            Err(_) => Self {
                trading: seconds(12.0),
                line_every: seconds(4.0),
                trouble_every: seconds(0.8),
                trouble_longest: seconds(0.5),
            },
        }
    }
}

/// The built-in configuration with a second strategy, a short journal and one venue's orders over
/// REST, so that replies can fail in every way.
fn soak_config(folder: &Folder, venues: &Venues) -> PathBuf {
    let path = config(folder, venues, "soak.toml", true);
    let mut text = std::fs::read_to_string(&path).unwrap();
    let second = "[[strategy]]\nname = \"second\"\nkind = \"spread_arb\"\n\
        instruments = [\"ETH/USDT@binance\", \"ETH/USDT@bybit\"]\nspread_min_bps = 5\n\
        qty = \"0.2\"\ncooldown_ms = 20\nlegs = \"sequential\"\nnaked_ms_max = 500\n\
        on_breach = \"complete\"\nslippage_max_bps = 10\n\n";
    for (from, to) in [
        ("[[strategy]]", &*format!("{second}[[strategy]]")),
        ("reconcile_every_s = 60", "reconcile_every_s = 10"),
        // A machine that stands still is no strategy that hangs: that would need a person.
        ("strategy_silence_max_ms = 2000", "strategy_silence_max_ms = 30000"),
        ("segment_mb = 64", "segment_mb = 1"),
        ("[venue.bybit]", "[venue.bybit]\norders = \"rest\""),
    ] {
        assert!(text.contains(from), "the configuration holds no {from:?}");
        text = text.replacen(from, to, 1);
    }
    std::fs::write(&path, text).unwrap();
    path
}

/// Everything is connected and every book is live.
fn is_whole(view: &MarketView) -> bool {
    let ready = |venue| {
        let health = view.health(venue);
        health.executor.ready && health.feed.state == Readiness::Ready
    };
    VENUES.into_iter().all(ready)
        && view.instruments().iter().all(|i| view.best(i.id).state == BookState::Live)
}

fn connections_lost(view: &MarketView) -> u64 {
    let lost = |venue| view.health(venue).feed.reconnects + view.health(venue).executor.reconnects;
    VENUES.into_iter().map(lost).sum()
}

/// A soak under way.
struct Soak {
    engine: Engine,
    view: MarketView,
    begun: Instant,
    samples: Vec<Sample>,
    /// When the last fill came, and the longest time without one.
    filled: (u64, Instant),
    longest_still: Duration,
}

impl Soak {
    fn start(folder: &Folder, venues: &Venues) -> Self {
        let config = soak_config(folder, venues);
        let mut engine = Engine::start(&folder.0, &config);
        engine.wait_until_ready();
        let region = format!("/dev/shm/stoop-{}", instance(folder));
        let view = MarketView::attach(Path::new(&region)).unwrap();
        let begun = Instant::now();
        let (samples, filled) = (Vec::new(), (0, begun));
        let mut soak = Self { engine, view, begun, samples, filled, longest_still: Duration::ZERO };
        soak.wait_until_it_trades();
        soak.begun = Instant::now();
        soak
    }

    fn sample(&mut self) -> Sample {
        assert!(!self.engine.has_ended(), "it has ended: {}", self.engine.said());
        let counters = self.view.counters();
        let sample = Sample::take(self.engine.id(), self.begun.elapsed(), &counters);
        if sample.fills != self.filled.0 {
            self.filled = (sample.fills, Instant::now());
        }
        self.longest_still = self.longest_still.max(self.filled.1.elapsed());
        sample
    }

    /// Waits until all is well and stays so for a number of fills.
    fn wait_until_it_trades(&mut self) {
        let begun = Instant::now();
        let mut from = self.view.counters().fills;
        loop {
            let counters = self.view.counters();
            if !is_whole(&self.view) {
                from = counters.fills;
            } else if counters.fills >= from + 20 && counters.orders_unknown == 0 {
                return;
            }
            if begun.elapsed() > HEALING {
                let health = VENUES.map(|venue| self.view.health(venue));
                panic!("not whole: {health:#?}\n{counters:#?}\n{}", self.engine.said());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The sample once nothing is being opened, closed or replaced any more.
    fn settle(&mut self, before: &Sample) -> Sample {
        let begun = Instant::now();
        loop {
            let sample = self.sample();
            let same = (sample.descriptors, sample.threads) == (before.descriptors, before.threads);
            if same || begun.elapsed() > SETTLING {
                return sample;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Trades with everything going wrong.
    fn trade(&mut self, plan: &Plan, troubles: &mut Troubles) {
        let mut line_at = plan.line_every;
        println!(
            "{:>7} {:>8} {:>8} {:>7} {:>6} {:>7} {:>9} {:>9} {:>9} {:>4} {:>7}",
            "seconds",
            "orders",
            "fills",
            "unknown",
            "faults",
            "lost",
            "resident",
            "private",
            "mapped",
            "fds",
            "threads"
        );
        while self.begun.elapsed() < plan.trading {
            std::thread::sleep(Duration::from_millis(50));
            troubles.turn();
            let due = self.samples.last().map_or(0, |last| last.at.as_millis() + 1_000);
            if self.begun.elapsed().as_millis() < due {
                continue;
            }
            let sample = self.sample();
            self.samples.push(sample);
            if sample.at >= line_at {
                line_at += plan.line_every;
                self.print(&sample, troubles.total());
            }
        }
    }

    fn print(&self, sample: &Sample, faults: u32) {
        let c = self.view.counters();
        println!(
            "{:>7.0} {:>8} {:>8} {:>7} {faults:>6} {:>7} {:>7} kB {:>6} kB {:>6} kB {:>4} {:>7}",
            sample.at.as_secs_f64(),
            c.orders_sent,
            c.fills,
            c.orders_unknown,
            connections_lost(&self.view),
            sample.resident_kb,
            sample.private_kb,
            sample.mapped_kb,
            sample.descriptors,
            sample.threads
        );
    }
}

#[test]
fn a_soak_with_faults_leaves_memory_flat_and_the_ledgers_equal() {
    let plan = Plan::new();
    let folder = Folder::new();
    let venues = Venues::start(&folder);
    let mut soak = Soak::start(&folder, &venues);
    let before = soak.sample();
    let mut troubles = Troubles::new(&venues.sim, plan.trouble_every, plan.trouble_longest);
    soak.trade(&plan, &mut troubles);
    troubles.heal();
    soak.wait_until_it_trades();
    let after = soak.settle(&before);
    println!("{:?}", troubles.counts);
    let (lost, live) = (connections_lost(&soak.view), soak.view.counters());
    let (status, summary, said) = soak.engine.stop();
    assert!(status.success(), "{summary}\n{said}");
    assert_ended_well(&summary, &live, &said);
    compare(&folder, &venues, &summary, &said);
    assert_flat(&soak.samples, &before, &after);
    println!(
        "soak {:.1} min: {} orders, {} fills, {} faults, {lost} connections lost, longest without \
         a fill {:.1} s; ledgers equal, journal equal",
        plan.trading.as_secs_f64() / 60.0,
        live.orders_sent,
        live.fills,
        troubles.total(),
        soak.longest_still.as_secs_f64()
    );
}

/// The samples from the moment on when memory has the size that it keeps, if it came.
fn warm(samples: &[Sample]) -> Option<&[Sample]> {
    let full = |sample: &Sample| sample.fills >= WARM_FILLS && sample.orders >= WARM_ORDERS;
    let from = samples.iter().find(|sample| full(sample))?.at + WARM_MORE;
    let rest = &samples[samples.iter().position(|sample| sample.at >= from)?..];
    (rest.len() >= 60).then_some(rest)
}

/// Nothing grew from the end of the warm-up on, and nothing that was opened is still open.
fn assert_flat(samples: &[Sample], before: &Sample, after: &Sample) {
    let warm = warm(samples);
    let (private_kb, hours) = growth(warm.unwrap_or(samples), |sample| sample.private_kb);
    let (mapped_kb, _) = growth(warm.unwrap_or(samples), |sample| sample.mapped_kb);
    let most = samples.iter().map(|sample| sample.descriptors).max().unwrap_or_default();
    println!(
        "private memory {private_kb:+} kB and address space {mapped_kb:+} kB in {:.1} min{}; \
         descriptors {} to {} (at most {most}), threads {} to {}",
        hours * 60.0,
        if warm.is_some() { " with full tables" } else { "" },
        before.descriptors,
        after.descriptors,
        before.threads,
        after.threads
    );
    let allowed = match warm {
        Some(_) => GROWTH_MAX_KB + GROWTH_MAX_KB_PER_HOUR * hours,
        None => TABLES_KB,
    };
    assert!(private_kb <= allowed, "private memory grew by {private_kb} kB, {allowed} are allowed");
    assert!(mapped_kb <= MAPPED_GROWTH_MAX_KB, "the address space grew by {mapped_kb} kB");
    assert_eq!(after.descriptors, before.descriptors, "descriptors");
    assert_eq!(after.threads, before.threads, "threads");
    // A connection may be opened before the one that it replaces is closed.
    assert!(most <= before.descriptors + SOCKETS, "{most} descriptors at once");
}

fn number(summary: &Value, key: &str) -> u64 {
    summary[key].as_u64().unwrap_or_else(|| panic!("{key}: {summary}"))
}

fn assert_ended_well(summary: &Value, live: &OrderCounters, said: &str) {
    assert_eq!(summary["orders_accounted"], true, "{summary}\n{said}");
    assert_eq!(summary["unconfirmed"], serde_json::json!([]), "{summary}\n{said}");
    for key in ["orders_open", "orders_unknown", "venues_halted"] {
        assert_eq!(number(summary, key), 0, "{key}: {summary}\n{said}");
    }
    assert!(number(summary, "orders_sent") >= live.orders_sent, "{summary}");
    assert_eq!(summary["trading_state"], "active", "{summary}\n{said}");
}

/// The venues' ledgers, what the engine said in the end, and its journal, read from its first
/// record and from its last snapshot: all the same.
fn compare(folder: &Folder, venues: &Venues, summary: &Value, said: &str) {
    let place = journal(folder);
    let whole = restore(&place, false).unwrap();
    let kept = whole.kept.as_ref().unwrap();
    let last = whole.final_state(&VENUES);
    let found = differences(kept.instruments(), &last, &venues.ledgers());
    assert!(found.is_empty(), "{found:#?}\n{summary}\n{said}");
    assert_same(summary, &last);
    // The snapshot of the clean stop is the live state.
    let quick = restore(&place, true).unwrap();
    assert_eq!(quick.warnings, [""; 0]);
    assert!(quick.records < whole.records, "there was no snapshot");
    assert_eq!(quick.kept.as_ref().unwrap().hash(), kept.hash(), "live and replayed state differ");
    assert!(quick.kept.unwrap().encode() == kept.encode(), "live and replayed state differ");
    assert_eq!(kept.open_count(), 0);
}

/// What the engine counted while it ran is what its records make.
fn assert_same(summary: &Value, last: &FinalState) {
    let c = &last.counters;
    for (key, replayed) in [
        ("signals", c.signals),
        ("orders_sent", c.orders_sent),
        ("orders_filled", c.orders_filled),
        ("orders_canceled", c.orders_canceled),
        ("orders_expired", c.orders_expired),
        ("orders_rejected", c.orders_rejected),
        ("fills", c.fills),
        ("fills_duplicated", c.duplicates),
        ("reconciliations", c.reconciliations),
    ] {
        assert_eq!(number(summary, key), replayed, "{key} in the replay: {summary}");
    }
}

//! The whole engine in one thread with virtual time against the venue models, over a network in
//! memory. One seed decides everything.
//!
//! `STOOP_SEEDS=0..10000 cargo test --release --test simulation -- --nocapture` runs these seeds on
//! all CPUs and prints how many failed; a failed one says how to run it alone. Without the variable
//! a few seeds run. One seed in a hundred is a long run, all of them with `STOOP_LONG=1`.

// Venue and symbol are the indices of several tables at once.
#![allow(clippy::needless_range_loop)]

mod chance;
mod checks;
mod faults;
#[cfg(feature = "mutants")]
mod mutants;
mod pairs;
mod person;
mod plan;
mod trader;
mod venues;
mod world;

use plan::Plan;
use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use world::{Outcome, World};

const SEEDS: Range<u64> = 0..20;
/// One run in so many is a long one.
const LONG_EVERY: u64 = 100;
/// Failures that are told in full.
const TOLD_MAX: usize = 3;

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("STOOP_SEEDS") else { return SEEDS };
    let (from, to) = text.split_once("..").expect("STOOP_SEEDS=from..to");
    from.parse().expect("a number")..to.parse().expect("a number")
}

fn plan(seed: u64) -> Plan {
    let long = std::env::var("STOOP_LONG").is_ok_and(|value| value != "0");
    Plan::new(seed, long || seed % LONG_EVERY == LONG_EVERY - 1)
}

/// Runs one seed; the story of what went wrong if something did.
fn run(seed: u64) -> Result<Outcome, String> {
    let plan = plan(seed);
    let mut world = None;
    let result = catch_unwind(AssertUnwindSafe(|| world.insert(World::new(&plan)).run()));
    let text = match result {
        Ok(Ok(outcome)) => return Ok(outcome),
        Ok(Err(failure)) => failure.0,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            format!("panicked: {}", text.unwrap_or("?"))
        }
    };
    let story = world.map(|mut world| world.story()).unwrap_or_default();
    let long = if plan.long && seed % LONG_EVERY != LONG_EVERY - 1 { "STOOP_LONG=1 " } else { "" };
    Err(format!(
        "seed {seed}: {text}\n{story}\n{plan:?}\nto see it again:\n  {long}STOOP_SEEDS={seed}..{} \
         cargo test --release --test simulation -- --nocapture\n",
        seed + 1
    ))
}

#[test]
fn seeds_run_without_a_failure() {
    let seeds = seeds();
    let next = AtomicU64::new(seeds.start);
    let failures = Mutex::new(Vec::new());
    let (orders, fills, virtual_ns, steps) =
        (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let restarts = AtomicU64::new(0);
    let (commands, pairs) = (AtomicU64::new(0), AtomicU64::new(0));
    let faults = Mutex::new(BTreeMap::<faults::Kind, u64>::new());
    let started = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    match run(seed) {
                        Ok(outcome) => {
                            orders.fetch_add(outcome.orders, Ordering::Relaxed);
                            fills.fetch_add(outcome.fills, Ordering::Relaxed);
                            virtual_ns.fetch_add(outcome.virtual_ns, Ordering::Relaxed);
                            steps.fetch_add(outcome.steps, Ordering::Relaxed);
                            let mut faults = faults.lock().unwrap();
                            for (kind, count) in outcome.faults {
                                *faults.entry(kind).or_default() += count;
                            }
                            restarts.fetch_add(outcome.runs - 1, Ordering::Relaxed);
                            commands.fetch_add(outcome.commands, Ordering::Relaxed);
                            pairs.fetch_add(outcome.pairs, Ordering::Relaxed);
                        }
                        Err(story) => {
                            let mut failures = failures.lock().unwrap();
                            let first = story.lines().next().unwrap_or_default();
                            println!("FAILED {first}");
                            failures.push((seed, story));
                        }
                    }
                }
            });
        }
    });
    let seconds = started.elapsed().as_secs_f64();
    let count = seeds.end.saturating_sub(seeds.start);
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    let per_minute = count as f64 * 60.0 / seconds;
    println!(
        "orders {} fills {} virtual hours {:.1} steps {} restarts {} commands {} pairs {}",
        orders.into_inner(),
        fills.into_inner(),
        virtual_ns.into_inner() as f64 / 3.6e12,
        steps.into_inner(),
        restarts.into_inner(),
        commands.into_inner(),
        pairs.into_inner(),
    );
    println!("faults {:?}", faults.into_inner().unwrap());
    println!("seeds {count} failures {} seeds_per_minute {per_minute:.0}", failures.len());
    let told: Vec<String> =
        failures.iter().take(TOLD_MAX).map(|(_, story)| story.clone()).collect();
    assert!(failures.is_empty(), "\n{}", told.join("\n"));
}

#[test]
fn a_seed_replays_exactly() {
    for seed in [1, 2, 3] {
        let runs = [run(seed), run(seed)].map(|run| {
            let outcome = run.unwrap_or_else(|story| panic!("{story}"));
            assert!(outcome.orders > 0);
            (outcome.digest, outcome.steps, outcome.orders, outcome.fills)
        });
        assert_eq!(runs[0], runs[1], "seed {seed}");
    }
}

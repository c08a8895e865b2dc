//! The whole engine in one thread with virtual time against the venue models, over a network in
//! memory. One seed decides everything.
//!
//! `STOOP_SEEDS=0..10000 cargo test --release --test simulation -- --nocapture` runs these seeds on
//! all CPUs and prints how many failed; a failed one says how to run it alone. Without the variable
//! a few seeds run, and those that once failed. One seed in a hundred is a long run, all of them with `STOOP_LONG=1`.

mod chance;
mod checks;
mod faults;
mod klines;
mod markets;
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
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use world::{Outcome, World};

const SEEDS: Range<u64> = 0..20;
/// Once failed: an end that did not wait for the answer to its question.
const FAILED_ONCE: [u64; 1] = [1333];
/// One run in so many is a long one.
const LONG_EVERY: u64 = 100;
/// In so many runs everything happens.
const ALL_SEEN_IN: usize = 300;
/// Failures that are told in full.
const TOLD_MAX: usize = 3;

fn seeds() -> Vec<u64> {
    let Ok(text) = std::env::var("STOOP_SEEDS") else {
        return SEEDS.chain(FAILED_ONCE).collect();
    };
    let (from, to) = text.split_once("..").expect("STOOP_SEEDS=from..to");
    (from.parse().expect("a number")..to.parse().expect("a number")).collect()
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

/// What all runs together have come to.
#[derive(Debug, Default)]
struct Summary {
    total: Outcome,
    /// How many runs each market took part in.
    markets: BTreeMap<&'static str, u64>,
    failures: Vec<(u64, String)>,
}

impl Summary {
    fn add(&mut self, outcome: Outcome) {
        let total = &mut self.total;
        total.orders += outcome.orders;
        total.fills += outcome.fills;
        total.virtual_ns += outcome.virtual_ns;
        total.steps += outcome.steps;
        total.runs += outcome.runs - 1;
        total.commands += outcome.commands;
        total.pairs += outcome.pairs;
        total.fundings += outcome.fundings;
        total.liquidations += outcome.liquidations;
        for (kind, count) in outcome.faults {
            *total.faults.entry(kind).or_default() += count;
        }
        for market in outcome.markets {
            *self.markets.entry(market.name).or_default() += 1;
        }
    }

    fn print(&self) {
        let total = &self.total;
        println!(
            "orders {} fills {} virtual hours {:.1} steps {} restarts {} commands {} pairs {} \
             fundings {} liquidations {}",
            total.orders,
            total.fills,
            total.virtual_ns as f64 / 3.6e12,
            total.steps,
            total.runs,
            total.commands,
            total.pairs,
            total.fundings,
            total.liquidations,
        );
        println!("faults {:?}", total.faults);
        println!("seeds by market {:?}", self.markets);
    }

    /// What never happened, although it should in so many seeds.
    fn missing(&self) -> Vec<String> {
        let total = &self.total;
        let counts = [
            ("orders", total.orders),
            ("fills", total.fills),
            ("restarts", total.runs),
            ("commands", total.commands),
            ("pairs", total.pairs),
            ("fundings", total.fundings),
            ("liquidations", total.liquidations),
        ];
        let none = counts.into_iter().filter(|(_, count)| *count == 0);
        let mut missing: Vec<String> = none.map(|(what, _)| what.to_owned()).collect();
        let kinds = faults::KINDS.iter().filter(|kind| !total.faults.contains_key(kind));
        missing.extend(kinds.map(|kind| format!("{kind:?}")));
        let unused = markets::MARKETS.iter().filter(|m| !self.markets.contains_key(m.name));
        missing.extend(unused.map(|market| market.name.to_owned()));
        missing
    }
}

#[test]
fn seeds_run_without_a_failure() {
    let seeds = seeds();
    let next = AtomicUsize::new(0);
    let summary = Mutex::new(Summary::default());
    let started = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let Some(&seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) else {
                        return;
                    };
                    match run(seed) {
                        Ok(outcome) => summary.lock().unwrap().add(outcome),
                        Err(story) => {
                            let first = story.lines().next().unwrap_or_default();
                            println!("FAILED {first}");
                            summary.lock().unwrap().failures.push((seed, story));
                        }
                    }
                }
            });
        }
    });
    let seconds = started.elapsed().as_secs_f64();
    let count = seeds.len();
    let mut summary = summary.into_inner().unwrap();
    summary.failures.sort();
    let per_minute = count as f64 * 60.0 / seconds;
    summary.print();
    let failures = &summary.failures;
    println!("seeds {count} failures {} seeds_per_minute {per_minute:.0}", failures.len());
    let told: Vec<String> =
        failures.iter().take(TOLD_MAX).map(|(_, story)| story.clone()).collect();
    assert!(failures.is_empty(), "\n{}", told.join("\n"));
    if count >= ALL_SEEN_IN {
        assert_eq!(summary.missing(), [""; 0], "never happened in {count} seeds");
    }
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

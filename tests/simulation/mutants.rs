//! The checks notice deliberate faults of the engine: each is caught by some seed, and said in the
//! words of the check that caught it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use stoop::mutants::{Mutant, turn_on};

/// Seeds tried before a fault counts as unnoticed.
const SEEDS_MAX: u64 = 3_000;

/// Runs seeds on all CPUs until one fails that does not fail without the fault; that seed and what
/// it said.
fn caught(mutant: Mutant) -> Option<(u64, String)> {
    let (next, found) = (AtomicU64::new(0), Mutex::new(None::<(u64, String)>));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                turn_on(Some(mutant));
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= SEEDS_MAX || found.lock().unwrap().is_some() {
                        return;
                    }
                    // Long runs cost much and show nothing more.
                    if seed % crate::LONG_EVERY == crate::LONG_EVERY - 1 {
                        continue;
                    }
                    if let Err(story) = crate::run(seed) {
                        turn_on(None);
                        let without = crate::run(seed);
                        turn_on(Some(mutant));
                        if without.is_err() {
                            continue;
                        }
                        let line = story.lines().next().unwrap_or_default().to_owned();
                        found.lock().unwrap().get_or_insert((seed, line));
                    }
                }
            });
        }
    });
    found.into_inner().unwrap()
}

#[test]
fn every_mutant_is_caught() {
    let missed = AtomicUsize::new(0);
    for mutant in Mutant::ALL {
        match caught(mutant) {
            Some((seed, line)) => {
                let line: String = line.chars().take(160).collect();
                println!("{mutant:?} is caught within {} seeds: {line}", seed + 1);
            }
            None => {
                println!("{mutant:?} is NOT caught by {SEEDS_MAX} seeds");
                missed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    assert_eq!(missed.into_inner(), 0);
}

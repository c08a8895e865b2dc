//! `kill -9` at random moments of a session that trades: after the restart no order and no fill is
//! lost or doubled, and positions are the venue's to the last digit.
//!
//! The simulated venues live in this process and go on; the engine is a process of its own.
//! `STOOP_KILLS=200 cargo test --release --test end_to_end kill -- --nocapture` kills so often and
//! prints how long it took from start to ready.

use super::support::{Folder, next};
use super::venues::{Engine, VENUES, Venues, config, journal};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use stoop::agents::journal::restore;
use stoop::cli::ledger::differences;

#[test]
fn kill_9_at_any_moment_loses_and_doubles_nothing() {
    let kills: u32 = std::env::var("STOOP_KILLS").map_or(3, |text| text.parse().unwrap());
    let folder = Folder::new();
    let venues = Venues::start(&folder);
    let trading = config(&folder, &venues, "trading.toml", true);
    let quiet = config(&folder, &venues, "quiet.toml", false);
    let mut chance = 0x9e37_79b9_7f4a_7c15u64;
    let mut times = Vec::new();
    let mut unknown = 0;
    for round in 0..kills {
        let mut engine = Engine::start(&folder.0, &trading);
        // Now and then before it is ready.
        if round % 8 != 7 {
            times.push(engine.wait_until_ready());
        }
        std::thread::sleep(Duration::from_micros(next(&mut chance) % 1_500_000));
        engine.kill();
        check(&folder, &quiet, &venues, round, &mut unknown);
    }
    times.sort();
    let fills: u64 = venues.ledgers().iter().map(|(_, ledger)| ledger.fills).sum();
    println!(
        "{kills} kills, {fills} fills at the venues, {unknown} orders not known to have ended at \
         the kills; from start to ready: median {:?}, 90th percentile {:?}, longest {:?}",
        times[times.len() / 2],
        times[times.len() * 9 / 10],
        times[times.len() - 1]
    );
    assert!(fills > u64::from(kills) * 3, "there was too little to lose");
}

/// Starts the engine without a strategy, lets it find out and stop in good order, and compares.
fn check(folder: &Folder, quiet: &Path, venues: &Venues, round: u32, unknown: &mut usize) {
    let place = journal(folder);
    let killed = restore(&place, true).unwrap();
    *unknown += killed.kept.as_ref().map_or(0, |kept| kept.open_count());
    let output = Command::new(env!("CARGO_BIN_EXE_stoop"))
        .args(["run", "--plain", "--json", "--for", "1500ms", "--config"])
        .arg(quiet)
        .current_dir(&folder.0)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "round {round}: {said}");
    let restored = restore(&place, true).unwrap();
    let kept = restored.kept.as_ref().unwrap();
    assert_eq!(kept.open_count(), 0, "round {round}: {said}");
    let last = restored.final_state(&VENUES);
    let found = differences(kept.instruments(), &last, &venues.ledgers());
    assert!(found.is_empty(), "round {round}: {found:#?}\n{said}");
}

//! What handing something over costs: the same as `stoop bench rings`, then one line each for what is
//! not contended: seqlock, rotating slots, broadcast ring and histogram.
//!
//! `cargo bench --bench rings -- quick` for a short look; `--features peers` adds other crates' queues.

#![allow(missing_docs)]

use std::hint::black_box;
use stoop::agents::allowed_cpus;
use stoop::bench::{BenchOptions, Host, Report, Timer, rings};
use stoop::sync::{broadcast, histogram, rotating, seqlock};

const CAPACITY: usize = 1024;

/// Nanoseconds of one operation on one thread: best of several rounds.
fn single(timer: &Timer, mut operation: impl FnMut(u64)) -> f64 {
    const OPERATIONS: u64 = 20_000;
    (0..25)
        .map(|_| {
            let (ps, ()) = timer.time(|| (0..OPERATIONS).for_each(&mut operation));
            ps as f64 / 1000.0 / OPERATIONS as f64
        })
        .fold(f64::INFINITY, f64::min)
}

fn others(timer: &Timer) {
    println!("\none thread, nothing contended, ns; best of 25 rounds");
    let line = |name: &str, ns: f64| println!("{name:<40} {ns:>6.1}");
    let (mut writer, reader) = seqlock::value(7);
    let write = single(timer, |n| writer.write(|p| p.copy_from(0, &black_box([n; 7]))));
    line("seqlock write, 64 bytes", write);
    let mut copy = [0; 7];
    let read = |_| {
        let _ = black_box(reader.read(|p| p.copy_to(0, black_box(&mut copy))));
    };
    line("seqlock read, 64 bytes", single(timer, read));
    let poll = |_| {
        black_box(reader.version());
    };
    line("seqlock version, for polling", single(timer, poll));
    let (mut writer, reader) = rotating::value(85);
    let write = single(timer, |n| writer.write(|p, _| p.copy_from(0, &black_box([n; 85]))));
    line("rotating write, 20 levels a side", write);
    let mut copy = [0; 85];
    let read = |_| {
        let _ = black_box(reader.read(|p| p.copy_to(0, black_box(&mut copy))));
    };
    line("rotating read, 20 levels a side", single(timer, read));
    let (mut writer, mut reader) = broadcast::ring(CAPACITY, 7);
    let both = single(timer, |n| {
        writer.push(|p| p.copy_from(0, &black_box([n; 7])));
        let _ = black_box(reader.next(|p| p.get(6)));
    });
    line("broadcast push and read, 64 bytes", both);
    let (mut writer, _) = histogram::histogram();
    let mut ns = 1u64;
    let mut next = move || {
        ns = ns.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ns >> 44
    };
    let mut again = next;
    line("histogram record", single(timer, |_| writer.record(next())));
    let mut reference = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 2)
        .expect("two digits up to a minute");
    let record = |_| reference.record(1 + again()).expect("within bounds");
    line("hdrhistogram record, 2 digits", single(timer, record));
}

fn main() {
    let quick = std::env::args().any(|arg| arg == "quick" || arg == "--test");
    let (runs, events) = if quick { (1, 2_000) } else { (5, 20_000) };
    let options = BenchOptions {
        runs,
        events,
        capture: None,
        cpus: allowed_cpus(),
        ..BenchOptions::default()
    };
    match rings(&options) {
        Ok(measured) => {
            let host = Host::look();
            let warnings = host.warnings(&options.cpus, 2);
            let bench = "rings".to_owned();
            print!("{}", Report { bench, host, warnings, measured, changes: None }.text());
        }
        Err(why) => println!("{why}"),
    }
    others(&Timer::new());
}

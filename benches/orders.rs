//! From a command to its bytes in the outbox: `submit` of each venue's trading connector, with the
//! kinds of key that it takes. Percentiles in nanoseconds, the clock's own cost taken off.
//! `cargo bench --bench orders`.

#![allow(missing_docs)]

#[path = "support/ready.rs"]
mod ready;

use ready::{PEM, Ready, SECRET, cancel, new_order, setup};
use std::hint::black_box;
use stoop::types::{Command, CommandKind};

const ROUNDS: u64 = 200_000;
const WARM_UP: u64 = 20_000;

fn run(ready: &mut Ready, name: &str, kind: impl Fn(u64) -> CommandKind) {
    let clock = quanta::Clock::new();
    let mut taken = Vec::with_capacity(ROUNDS as usize);
    for round in 0..WARM_UP + ROUNDS {
        ready.now = ready.now.plus(1_000_003);
        ready.events.clear();
        let command = Command::new(kind(round), ready.now);
        let start = clock.raw();
        let result = ready.connector.submit(&command, ready.now, &mut ready.out, &mut ready.events);
        black_box(&ready.out);
        let end = clock.raw();
        result.unwrap();
        if round >= WARM_UP {
            taken.push(clock.delta_as_nanos(start, end));
        }
        ready.answer();
    }
    let mut idle: Vec<u64> = (0..100_000)
        .map(|_| {
            let start = clock.raw();
            clock.delta_as_nanos(start, clock.raw())
        })
        .collect();
    idle.sort_unstable();
    taken.sort_unstable();
    let own = idle[idle.len() / 2];
    let at = |share: f64| taken[(taken.len() as f64 * share) as usize].saturating_sub(own);
    println!("{name:<34} p50 {:>5} ns   p99 {:>5} ns", at(0.5), at(0.99));
}

fn main() {
    for (name, venue, secret) in [
        ("binance, HMAC", "binance", SECRET),
        ("binance, Ed25519 session", "binance", PEM),
        ("bybit", "bybit", SECRET),
    ] {
        let mut ready = Ready::new(setup(venue, secret));
        run(&mut ready, &format!("{name}: new"), new_order);
        run(&mut ready, &format!("{name}: cancel"), cancel);
    }
}

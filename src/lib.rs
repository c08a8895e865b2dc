//! Stoop: a low-latency engine that trades on several crypto venues at once.
//!
//! # The map
//!
//! One tick's way, and the file that each step is in:
//!
//! | step | where | hands on |
//! |---|---|---|
//! | frame off the socket | [`net`] `websocket.rs` | bytes, parsed in place |
//! | frame to events | [`venues`] `<venue>/market_data.rs` | [`types::Event`] |
//! | continuity, levels | [`book`] `sequence.rs`, `l2.rs` | best levels, or "resync" |
//! | publish | [`shm`] `books.rs` | a seqlock slot in the region |
//! | decide | [`strategy`] | [`types::Signal`] with its legs |
//! | emit | [`shm`] `signals.rs` | a slot of the strategy's ring |
//! | limits, order state | [`oms`] `risk.rs`, `orders.rs` | [`types::Command`], or a refusal |
//! | order bytes, signed | [`venues`] `<venue>/orders.rs`, `auth.rs` | bytes in a reused buffer |
//! | send | [`net`] | the time it was handed to the kernel |
//! | ack, fill | [`venues`] `<venue>/private_stream.rs` | [`types::ExecutionReport`] |
//! | state, position | [`oms`] `reports.rs`, [`portfolio`] | reports to the strategy, the account |
//! | show | [`shm`] `account.rs`, [`show`], [`tui`], [`metrics`] | the screens, the commands, the summary, what Prometheus reads |
//!
//! A person's commands come over a socket that [`agents::control`] serves on a thread of its own, which
//! also watches the kill file, starts and watches strategies that run in processes of their own, and
//! writes down what was known when something breaks; the order manager carries them out in [`oms`]
//! `operator.rs` and `closing.rs`.
//!
//! [`agents`] calls the steps and is the only folder that knows all of them: a feed and an executor
//! per venue, one order manager, one agent per strategy on a thread; each is polled, none blocks, and
//! they meet in rings. [`config`] checks `engine.toml` once; [`cli`] is what a person types, [`show`]
//! gathers what it answers; [`rehearsal`] polls all of it in virtual time; [`sim`] is the
//! simulated venues, written apart from [`venues`] so that one misreading cannot hide on both sides.
//! [`journal`] keeps what must survive the process. [`sync`] holds the lock-free algorithms,
//! [`throttle`] the rate limits, [`clock`] the one clock. `tests/simulation` polls the same agents in
//! one thread and virtual time over [`pipe`], a network in memory; [`mutants`] are the deliberate
//! faults that it must notice. [`mod@bench`] measures the engine on a host, [`doctor`] tells whether the
//! host is fit for it. [`docs`] is for people: every command, every venue, tuning a host, alerts.
//!
//! # What is never done
//!
//! `types` and `sync` import nothing of the engine. `venues` opens no socket, reads no clock, starts
//! no thread. `sim` imports nothing of `venues`, `book` or `oms`. Only `oms` changes an order, a
//! position or a limit. Only `sync`, `shm`, `journal/map.rs`, `journal/crc.rs` and `net/sockopt.rs` contain unsafe code. Nothing between
//! frame and order allocates, locks or formats. `tests/tidy.rs` holds the code to the part of this
//! that can be read off it.
//!
//! For a strategy of your own, begin with [`strategy`] and its `prelude`.

pub mod agents;
pub mod bench;
pub mod book;
pub mod cli;
pub mod clock;
pub mod config;
pub mod docs;
pub mod doctor;
pub mod journal;
pub mod metrics;
pub mod mutants;
pub mod net;
pub mod oms;
pub mod pipe;
pub mod portfolio;
pub mod rehearsal;
pub mod shm;
pub mod show;
pub mod sim;
pub mod strategy;
pub mod sync;
pub mod throttle;
pub mod tui;
pub mod types;
pub mod venues;

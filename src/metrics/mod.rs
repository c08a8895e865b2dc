//! What Prometheus reads: `/metrics`, and `/healthz` and `/readyz` for whoever keeps the process alive.
//!
//! Reads the region as any other reader does, on a thread of its own: no agent notices. [`page`] writes
//! the classic text format by itself, [`collect`] says what is in it, [`ready`] what is wrong, and
//! [`server`] answers. Nothing here can change anything of the engine.
//!
//! Names begin with `stoop_` and end with their base unit (`_seconds`, `_bytes`, `_ratio`), those of
//! counters with `_total`. Counters begin with 0 at each start of the engine.

#![forbid(unsafe_code)]

mod account;
mod collect;
mod page;
mod ready;
mod server;
#[cfg(test)]
mod tests;
mod venues;

pub use collect::collect;
pub use ready::{alive, ready};
pub use server::{Server, listen};

use crate::types::{BookState, PairEnd, VenueId};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What the region does not say: names, and what the file alone decides.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Of the instance.
    pub instance: String,
    /// `sim`, `testnet`, `live`
    pub mode: String,
    /// The venues that are used.
    pub venues: Vec<VenueNames>,
    /// Of refusals, by code; an empty one for a code that does not exist.
    pub refusals: Vec<String>,
    /// Of strategies, by number.
    pub strategies: Vec<String>,
    /// Where their files are.
    pub folder: PathBuf,
    /// A strategy that has not said for so long that it lives hangs.
    pub strategy_silence_max_ns: u64,
    /// Instruments that are streamed from the start; others once somebody watches them.
    pub streamed: Vec<String>,
}

impl Names {
    /// Whether a book should be live: one that nobody watches stays empty, and nothing is wrong.
    fn wants(&self, instrument: &str, state: BookState) -> bool {
        state != BookState::Empty || self.streamed.iter().any(|name| name == instrument)
    }
}

/// Names of one venue.
#[derive(Clone, Debug, Default)]
pub struct VenueNames {
    /// Which.
    pub venue: VenueId,
    /// Its own.
    pub name: &'static str,
    /// Those of its rate limits, in the order of its table.
    pub limits: Vec<&'static str>,
}

/// How signals with a contract ended, counted as they come: the region keeps the newest only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs {
    /// By strategy and end.
    pub(crate) ends: BTreeMap<(u8, PairEnd), u64>,
    /// By the bound that was passed.
    pub(crate) breaches: [u64; crate::types::Breach::ALL.len()],
    /// Ends that were overwritten before they were counted.
    pub(crate) missed: u64,
}

//! What was counted when the look began, to tell what grows.

#![forbid(unsafe_code)]

use super::tasks::{Thread, threads};
use super::{Aim, Host, network};
use std::collections::BTreeMap;

/// Counts at the beginning of a look.
#[derive(Clone, Debug, Default)]
pub struct Earlier {
    /// Threads of the running engine.
    pub(super) threads: Vec<Thread>,
    /// By place and name.
    pub(super) counts: BTreeMap<String, u64>,
}

impl Earlier {
    /// Reads them now.
    #[must_use]
    pub fn take(host: &Host, aim: &Aim) -> Self {
        let threads = aim.engine.map(|engine| threads(host, engine)).unwrap_or_default();
        Self { threads, counts: network::counts(host) }
    }
}

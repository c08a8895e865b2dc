//! `[host]`: what the engine asks of the kernel for the sake of latency.

#![forbid(unsafe_code)]

use super::check::Checker;
use super::{Config, ConfigError, Idle};
use serde::Deserialize;
use toml::Spanned;

/// What the engine asks of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostConfig {
    /// Touch the memory of all books at start, so that no first use waits for the kernel.
    pub prefault: bool,
    /// Keep all memory in RAM.
    pub lock_memory: bool,
    /// Ask for huge pages for the books.
    pub huge_pages: bool,
    /// How sockets are read.
    pub direct_reads: DirectReads,
    /// `SO_BUSY_POLL`, microseconds; 0 leaves the system's default.
    pub busy_poll_us: u32,
    /// `TCP_QUICKACK` on or off, set anew with every read; `None` leaves it to the system.
    pub quick_ack: Option<bool>,
}

/// Whether WebSockets are read at once instead of asking the kernel which have something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectReads {
    /// Where a thread spins and has one or two agents with sockets.
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawHost {
    prefault: bool,
    lock_memory: bool,
    huge_pages: bool,
    direct_reads: Spanned<String>,
    busy_poll_us: Spanned<i64>,
    quick_ack: Spanned<String>,
}

impl Default for RawHost {
    fn default() -> Self {
        Self {
            prefault: true,
            lock_memory: false,
            huge_pages: false,
            direct_reads: Spanned::new(0..0, "auto".to_owned()),
            busy_poll_us: Spanned::new(0..0, 0),
            quick_ack: Spanned::new(0..0, "system".to_owned()),
        }
    }
}

impl Checker<'_> {
    pub(super) fn host(&self, raw: RawHost) -> Result<HostConfig, ConfigError> {
        let direct_reads = match raw.direct_reads.get_ref().as_str() {
            "auto" => DirectReads::Auto,
            "always" => DirectReads::Always,
            "never" => DirectReads::Never,
            other => {
                let message = self.one_of("direct_reads", other, &["auto", "always", "never"]);
                return Err(self.error(&raw.direct_reads, message));
            }
        };
        let quick_ack = match raw.quick_ack.get_ref().as_str() {
            "system" => None,
            "on" => Some(true),
            "off" => Some(false),
            other => {
                let message = self.one_of("quick_ack", other, &["system", "on", "off"]);
                return Err(self.error(&raw.quick_ack, message));
            }
        };
        Ok(HostConfig {
            prefault: raw.prefault,
            lock_memory: raw.lock_memory,
            huge_pages: raw.huge_pages,
            direct_reads,
            busy_poll_us: self.in_range(&raw.busy_poll_us, 0, 10_000, "busy_poll_us")? as u32,
            quick_ack,
        })
    }
}

impl Config {
    /// Whether the agent of this name reads its sockets without asking the kernel first.
    #[must_use]
    pub fn reads_directly(&self, agent: &str) -> bool {
        match self.host.direct_reads {
            DirectReads::Always => true,
            DirectReads::Never => false,
            DirectReads::Auto => {
                // Without [[thread]] every agent has a thread of its own, or all share one that
                // has too many sockets.
                let thread =
                    self.threads.iter().find(|thread| thread.runs.iter().any(|name| name == agent));
                let has_sockets =
                    |name: &&String| name.starts_with("feed:") || name.starts_with("exec:");
                thread.is_some_and(|thread| {
                    thread.idle == Idle::Spin && thread.runs.iter().filter(has_sockets).count() <= 2
                })
            }
        }
    }
}

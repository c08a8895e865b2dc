//! Measuring the engine on the user's own host: `stoop bench`.
//!
//! One file for each thing that is measured; each gives [`Measured`]: named series of durations, run
//! several times, and ratios between them. [`host`] says what the figures were measured on and what
//! makes them unreliable, [`report`] shows them to people. Nothing here is on the path of a running
//! engine, and no figure is ever compared inside a test.
//!
//! Durations are kept in picoseconds, because the cheapest steps are measured in batches and cost
//! less than a nanosecond.

#![forbid(unsafe_code)]

mod book;
mod decode;
mod decoding;
mod figures;
mod frames;
mod gate;
mod handoff;
mod host;
mod jitter;
mod made;
mod many;
mod net;
#[cfg(feature = "peers")]
mod peers;
mod pipeline;
mod report;
mod rings;
mod sign;
mod timing;
mod typed;

pub use book::{book, depth_messages};
pub use decode::decode;
pub use decoding::{DepthMessage, made_depth};
pub use figures::{Figure, Measured, Ratio, Series};
pub use frames::{Capture, FrameKind};
pub use gate::{Baseline, Verdict, instructions};
pub use handoff::{Echo, HANDOFF_STRATEGY};
pub use host::{Host, cpu_list, strict_cpu_list};
pub use jitter::jitter;
pub use many::ManyBooks;
pub use net::net;
pub use pipeline::{Layout, Steps, scale, tick_to_order};
pub use report::{Change, Earlier, Report};
pub use rings::rings;
pub use sign::sign;
pub use timing::Timer;

/// How a bench is run.
#[derive(Clone, Debug, Default)]
pub struct BenchOptions {
    /// How often everything is measured; the median of the runs counts.
    pub runs: usize,
    /// Events per run, before which as many as a tenth of them warm up.
    pub events: usize,
    /// A recorded file to take frames from instead of made ones.
    pub capture: Option<std::path::PathBuf>,
    /// CPUs to pin threads to, the first one for what is measured.
    pub cpus: Vec<usize>,
    /// Leave out what needs sockets.
    pub in_memory: bool,
}

//! Stoop: a low-latency engine that trades on several crypto venues at once.

pub mod book;
pub mod clock;
pub mod types;
pub mod venues;

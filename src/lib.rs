//! Stoop: a low-latency engine that trades on several crypto venues at once.

pub mod clock;
pub mod config;
pub mod sim;
pub mod types;
pub mod venues;

//! Stoop: a low-latency engine that trades on several crypto venues at once.

pub mod book;
pub mod clock;
pub mod oms;
pub mod portfolio;
pub mod shm;
pub mod sync;
pub mod throttle;
pub mod types;
pub mod venues;

//! Stoop: a low-latency engine that trades on several crypto venues at once.

pub mod agents;
pub mod book;
pub mod cli;
pub mod clock;
pub mod config;
pub mod net;
pub mod oms;
pub mod portfolio;
pub mod shm;
pub mod sim;
pub mod strategy;
pub mod sync;
pub mod throttle;
pub mod tui;
pub mod types;
pub mod venues;

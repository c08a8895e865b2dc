//! The real binary against the simulated venues, over TLS on loopback.

mod armed;
mod doctor;
mod kill;
mod margin;
mod metrics;
mod mistakes;
mod monitor;
mod operating;
mod paper;
mod process;
mod recording;
mod secrets;
mod showing;
mod soak;
mod support;
mod trading;
mod trouble;
mod venues;

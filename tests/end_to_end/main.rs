//! The real binary against the simulated venues, over TLS on loopback.

mod kill;
mod margin;
mod mistakes;
mod operating;
mod process;
mod soak;
mod support;
mod trading;
mod trouble;
mod venues;

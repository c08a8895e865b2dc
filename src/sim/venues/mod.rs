//! The wires of the simulated venues: each speaks one venue's protocol over an
//! [`Exchange`](super::Exchange).
//!
//! Written from the venues' documentation; nothing here imports `crate::venues`.

mod bybit;

pub use bybit::{Bybit, BybitLimits, BybitOptions};

//! The wires of the simulated venues, one folder each.

pub mod bybit;

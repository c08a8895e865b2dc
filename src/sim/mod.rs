//! The venue simulator: a matching engine with accounts, fees, rate limits and price-time priority
//! that speaks each venue's real protocol over TLS on loopback.
//!
//! Written from the venues' documentation; imports `types` and nothing else of the engine, so that
//! one misreading cannot hide on both sides of the wire.

#![forbid(unsafe_code)]

mod accounts;
mod book;
mod connection;
mod embedded;
mod exchange;
#[cfg(test)]
mod exchange_tests;
mod faults;
mod flow;
#[cfg(test)]
mod flow_tests;
mod ledger;
mod matching;
mod model;
mod random;
mod recorded;
mod rules;
mod seeded;
mod server;
#[cfg(test)]
mod server_tests;
mod tls;
pub mod venues;

pub use embedded::{Embedded, EmbeddedOptions, SimAccount, SimKeyKind, embedded};
pub use exchange::{Exchange, OrderRef, SelfTrade};
pub use faults::Fault;
pub use flow::{Flow, FlowOptions, Target};
pub use model::*;
pub use random::Dislocations;
pub use server::{Server, SimCounters, SimError, SimHandle, SimOptions, SimUrls, SimVenueOptions};

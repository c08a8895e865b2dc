//! The venue simulator: a matching engine with accounts, fees, rate limits and price-time priority
//! that speaks each venue's real protocol over TLS on loopback.
//!
//! Written from the venues' documentation; imports `types` and nothing else of the engine, so that
//! one misreading cannot hide on both sides of the wire.
//!
//! [`Exchange`] (matching, accounts, ledger) knows no protocol; a [`Wire`] puts a venue's protocol
//! over it; the flow moves its books; [`Server`] has the only sockets and the only thread, and
//! [`InMemory`] has neither: it takes its steps in the caller's time, over a network in memory;
//! [`embedded()`] puts them together as they come without configuration. [`Scripted`] simulates
//! nothing: it is a venue to measure against.

#![forbid(unsafe_code)]

mod accounts;
mod admission;
mod background;
mod book;
mod connection;
mod contracts;
mod embedded;
mod exchange;
#[cfg(test)]
mod exchange_tests;
mod faults;
mod flow;
#[cfg(test)]
mod flow_tests;
mod followed;
mod frames;
mod funding;
mod handle;
mod host;
mod hosted;
mod in_memory;
mod ledger;
mod liquidation;
mod margin;
mod matching;
mod mirror;
#[cfg(test)]
mod mirror_tests;
mod model;
mod past;
mod perpetual;
#[cfg(test)]
mod perpetual_tests;
mod random;
mod recorded;
mod rules;
mod scripted;
mod seeded;
mod server;
#[cfg(test)]
mod server_tests;
mod tls;
pub mod venues;
mod wire;

pub use contracts::*;
pub use embedded::{Embedded, EmbeddedOptions, SimAccount, SimKeyKind, embedded};
pub use exchange::{Exchange, OrderRef, SelfTrade};
pub use faults::Fault;
pub use flow::{Capture, Flow, FlowOptions, Target};
pub use followed::followed_rules;
pub use frames::Origin;
pub(crate) use frames::own;
pub use frames::own::StatedRules;
pub use handle::{
    SimCounters, SimError, SimHandle, SimLatency, SimOptions, SimUrls, SimVenueOptions, SimWaker,
};
pub use in_memory::InMemory;
pub use ledger::{CONTRACT, Ledger, LedgerPosition};
pub use mirror::{MirrorChange, MirrorPort, Mirrored};
pub use model::*;
pub use past::{SimKline, SimKlineSpan};
pub use random::Dislocations;
pub use recorded::{Known, Survey, survey};
pub use scripted::{OrderSeen, Script, Scripted};
pub use server::Server;
pub use wire::*;

//! The venue simulator: a matching engine with accounts, fees, rate limits and price-time priority
//! that speaks each venue's real protocol over TLS on loopback.
//!
//! Written from the venues' documentation; imports `types` and nothing else of the engine, so that
//! one misreading cannot hide on both sides of the wire.

#![forbid(unsafe_code)]

mod accounts;
mod book;
mod exchange;
mod ledger;
mod matching;
mod model;
mod rules;
mod venues;

pub use exchange::{Exchange, OrderRef, SelfTrade};
pub use model::*;
pub use venues::{Bybit, BybitLimits, BybitOptions};

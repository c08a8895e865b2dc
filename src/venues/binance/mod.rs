//! Binance: what is where, its limits, and its row in the table of venues.
//!
//! Market data comes from one combined-stream socket and REST snapshots. Orders, account requests
//! and the private stream share one socket, the WebSocket API; every one of its requests has a REST
//! form, used for orders if the setup says so. Of USD-M futures only market data is spoken; a
//! connector is made for one product, and frames of the other are refused, never guessed at.

#![forbid(unsafe_code)]

mod account;
mod auth;
mod commands;
mod envelope;
mod errors;
mod frames;
mod instruments;
mod limits;
mod market;
mod market_data;
mod orders;
mod params;
mod pending;
mod private_stream;
mod replies;
mod rest;
mod scan;
mod seen;
mod server_clock;
mod session;
mod signing;
mod streams;
mod subscriptions;
mod templates;
mod trading;

pub(super) use frames::Frames;
pub(super) use signing::schemes as signing_schemes;

use super::{Endpoints, InstrumentName, VenueRow};
use crate::types::{InstrumentKind, Ppb};

/// Binance's row in the table of venues.
pub const ROW: VenueRow = VenueRow {
    name: "binance",
    exchange: "binance",
    kinds: &[InstrumentKind::Spot],
    live,
    testnet,
    instruments_request: instruments::request,
    decode_instruments: instruments::decode,
    symbol,
    base_fees: |_| [Ppb(1_000_000), Ppb(1_000_000)],
    fee_assets: &["BNB"],
    dead_man_switch: Err("spot orders stay until somebody cancels them"),
    limits: limits::LIMITS,
    costs: limits::costs,
    market: market::connect,
    trading: trading::connect,
};

fn live() -> Endpoints {
    Endpoints {
        rest: "https://api.binance.com".to_owned(),
        public: "wss://stream.binance.com:9443".to_owned(),
        trade: "wss://ws-api.binance.com:443/ws-api/v3".to_owned(),
        private: String::new(),
    }
}

fn testnet() -> Endpoints {
    Endpoints {
        rest: "https://testnet.binance.vision".to_owned(),
        public: "wss://stream.testnet.binance.vision".to_owned(),
        trade: "wss://ws-api.testnet.binance.vision/ws-api/v3".to_owned(),
        private: String::new(),
    }
}

fn symbol(name: &InstrumentName<'_>) -> String {
    format!("{}{}", name.base, name.quote).to_uppercase()
}

/// `url`, with `path` appended if it has none of its own.
fn with_path(url: &str, path: &str) -> String {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let bare = host.trim_end_matches('/');
    if bare.contains('/') { url.to_owned() } else { format!("{}{path}", url.trim_end_matches('/')) }
}

#[cfg(test)]
mod tests;

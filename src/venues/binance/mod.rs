//! Binance: what is where, its limits, and its rows in the table of venues: spot and USD-M futures
//! are accounts of their own at addresses of their own.
//!
//! Market data comes from combined-stream sockets and REST snapshots. Orders of spot, account
//! requests and the private stream share one socket, the WebSocket API; every one of its requests has
//! a REST form, used for orders if the setup says so. Futures place, change and cancel orders over
//! such a socket too, ask for everything else over REST, and have a socket for the account's events.
//! A connector is made for one product, and frames of the other are refused, never guessed at.

#![forbid(unsafe_code)]

mod account;
mod answers;
mod auth;
mod calls;
mod commands;
mod contracts;
mod dead_man;
mod envelope;
mod errors;
mod frames;
mod instruments;
mod klines;
mod limits;
mod margin;
mod market;
mod market_data;
mod marks;
mod orders;
mod outcomes;
mod params;
mod payments;
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
mod user_stream;

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
    next_instruments: super::all_at_once,
    klines_request: klines::request,
    decode_klines: klines::decode,
    symbol,
    base_fees: |_| [Ppb(1_000_000), Ppb(1_000_000)],
    fee_assets: &["BNB"],
    trade_ids_rise: true,
    dead_man_switch: Err("spot orders stay until somebody cancels them"),
    limits: limits::LIMITS,
    costs: limits::costs,
    market: market::connect,
    trading: trading::connect,
};

/// Row of USD-M futures: their perpetuals.
pub const USDM_ROW: VenueRow = VenueRow {
    name: "binance_usdm",
    exchange: "binance",
    kinds: &[InstrumentKind::LinearPerpetual],
    live: usdm_live,
    testnet: usdm_testnet,
    instruments_request: instruments::request,
    decode_instruments: instruments::decode,
    next_instruments: super::all_at_once,
    klines_request: klines::request,
    decode_klines: klines::decode,
    symbol,
    base_fees: |_| [Ppb(200_000), Ppb(500_000)],
    fee_assets: &["BNB"],
    trade_ids_rise: true,
    dead_man_switch: Ok((15, 600)),
    limits: limits::USDM_LIMITS,
    costs: limits::usdm_costs,
    market: market::connect,
    trading: trading::connect_usdm,
};

fn usdm_live() -> Endpoints {
    Endpoints {
        rest: "https://fapi.binance.com".to_owned(),
        public: "wss://fstream.binance.com".to_owned(),
        trade: "wss://ws-fapi.binance.com/ws-fapi/v1".to_owned(),
        private: "wss://fstream.binance.com".to_owned(),
    }
}

fn usdm_testnet() -> Endpoints {
    Endpoints {
        rest: "https://demo-fapi.binance.com".to_owned(),
        public: "wss://fstream.binancefuture.com".to_owned(),
        trade: "wss://testnet.binancefuture.com/ws-fapi/v1".to_owned(),
        private: "wss://fstream.binancefuture.com".to_owned(),
    }
}

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

/// Address of the stream of a futures account, without its key: `url` may name the group of such
/// streams, or all of it.
fn stream_url(url: &str) -> String {
    let url = with_path(url, "/private");
    let base = url.trim_end_matches('/');
    if base.ends_with("/private") { format!("{base}/ws") } else { url }
}

#[cfg(test)]
mod tests;

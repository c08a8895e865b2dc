//! OKX, API v5: market data of spot and of linear perpetual swaps, rules of instruments, signatures.
//!
//! Spot and swaps share every socket; which of them a symbol is, its instrument says. Swaps are
//! counted in contracts on the wire and in base units here (`contracts.rs`).
//! <https://www.okx.com/docs-v5/en/>

#![forbid(unsafe_code)]

mod auth;
mod codes;
mod contracts;
mod instruments;
mod market_data;
mod streams;

#[cfg(test)]
mod tests;

use super::{Connector, Endpoints, InstrumentName, SetupError, VenueSetup};

const PUBLIC_PATH: &str = "/ws/v5/public";
const PRIVATE_PATH: &str = "/ws/v5/private";

const SECOND_NS: u64 = 1_000_000_000;

/// The text `ping`; a socket without a word for 30 s is closed.
const PING_EVERY_NS: u64 = 20 * SECOND_NS;

fn live() -> Endpoints {
    endpoints("https://openapi.okx.com", "wss://ws.okx.com:8443")
}

/// Demo trading. Its REST requests need the header `x-simulated-trading: 1` besides.
fn testnet() -> Endpoints {
    endpoints("https://openapi.okx.com", "wss://wspap.okx.com:8443")
}

fn endpoints(rest: &str, sockets: &str) -> Endpoints {
    Endpoints {
        rest: rest.to_owned(),
        public: format!("{sockets}{PUBLIC_PATH}"),
        trade: format!("{sockets}{PRIVATE_PATH}"),
        private: format!("{sockets}{PRIVATE_PATH}"),
    }
}

/// `BTC-USDT`, or `BTC-USDT-SWAP`. Swaps settled in another asset than the quote name that:
/// `BTC-USD_UM-SWAP` is not one of ours.
fn symbol(name: &InstrumentName<'_>) -> String {
    match name.settle {
        None => format!("{}-{}", name.base, name.quote),
        Some(_) => format!("{}-{}-SWAP", name.base, name.quote),
    }
}

fn market(setup: VenueSetup) -> Result<Box<dyn Connector>, SetupError> {
    Ok(Box::new(streams::connector(&setup)))
}

/// Address of a socket: an endpoint may name the host alone or the whole path.
fn with_path(endpoint: &str, path: &str) -> String {
    let base = endpoint.trim_end_matches('/');
    if base.ends_with(path) { base.to_owned() } else { format!("{base}{path}") }
}

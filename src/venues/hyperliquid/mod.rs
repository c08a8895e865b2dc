//! Hyperliquid: perpetuals and spot, in one pair of connectors.
//!
//! One address serves everything: market data, orders and the account's streams over one kind of
//! socket, and two REST paths that are always posted to. There is no login: an order carries a
//! signature, and every account's state is public. What an instrument is follows from its symbol:
//! perpetuals are named by their coin, spot pairs are `@107` or `PURR/USDC`.
//! <https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api>

#![forbid(unsafe_code)]
mod account;
mod actions;
mod assets;
mod auth;
mod cancel_all;
mod commands;
mod dead_man;
mod errors;
mod frames;
mod instruments;
mod klines;
mod listed;
mod margin;
mod market_data;
mod memory;
mod private_stream;
mod reads;
mod replies;
mod rest;
mod scan;
mod signing;
mod start;
mod statements;
mod streams;
mod topics;
mod trading;
mod works;

#[cfg(test)]
mod tests;

pub(super) use frames::Frames;
pub(super) use signing::schemes as signing_schemes;

use super::{Connector, Endpoints, InstrumentName, SetupError, VenueRow, VenueSetup};
use crate::types::{CommandKind, Costs, InstrumentKind, LIMITS_MAX, LimitSpec, Ppb};

/// REST address of the main network; any other is signed for as a test network.
const MAINNET: &str = "https://api.hyperliquid.xyz";
const SOCKET_PATH: &str = "/ws";
const INFO_PATH: &str = "/info";
const EXCHANGE_PATH: &str = "/exchange";

/// HTTP status of an address that has used up its limit.
const TOO_MANY_REQUESTS: u16 = 429;

/// Pings on each socket; the venue closes one on which it has been silent for a minute.
const PING_EVERY_NS: u64 = 20 * SECOND_NS;

const SECOND_NS: u64 = 1_000_000_000;

/// Index of a limit in [`LIMITS`].
mod limit {
    pub(super) const WEIGHT: u8 = 0;
    pub(super) const MESSAGES: u8 = 1;
}

/// Limits of an address on the network. The limit of the account (one action for each USDC ever
/// traded and ten thousand to begin with) has no window; the venue says when it is used up.
/// <https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/rate-limits-and-user-limits>
const LIMITS: &[LimitSpec] = &[
    LimitSpec {
        name: "weight of the address per minute",
        window_ns: 60 * SECOND_NS,
        // Of 1200: the rest is for what connectors ask for by themselves.
        allowed: 1_000,
        cancel_reserve: 100,
        feeds: 0,
        aligned: false,
    },
    LimitSpec {
        name: "messages of the address per minute",
        window_ns: 60 * SECOND_NS,
        allowed: 2_000,
        cancel_reserve: 400,
        // Subscriptions and pings.
        feeds: 100,
        aligned: false,
    },
];

fn costs(command: &CommandKind, over_rest: bool) -> Costs {
    let mut units = [0; LIMITS_MAX];
    let mut take = |limit: u8, count: u16| units[usize::from(limit)] = count;
    match command {
        CommandKind::New(_) | CommandKind::Cancel(_) | CommandKind::Replace(_) => {
            if over_rest {
                take(limit::WEIGHT, 1);
            } else {
                take(limit::MESSAGES, 1);
            }
        }
        // The list of open orders and one action for all of them.
        CommandKind::CancelAll(_) => take(limit::WEIGHT, 22),
        CommandKind::Query(_) => take(limit::WEIGHT, 2),
        CommandKind::OpenOrders(_) | CommandKind::FeeRate(_) => take(limit::WEIGHT, 20),
        // A row in twenty counts one more: of a page of two thousand that would be a hundred, but
        // mostly there are few.
        CommandKind::FillsSince { .. } | CommandKind::FundingSince(_) => take(limit::WEIGHT, 30),
        CommandKind::Balances => take(limit::WEIGHT, 4),
        CommandKind::Subscribe(_) | CommandKind::Unsubscribe(_) | CommandKind::Resync(_) => {}
    }
    Costs(units)
}

fn market(setup: VenueSetup) -> Result<Box<dyn Connector>, SetupError> {
    Ok(Box::new(streams::connector(&setup)))
}

fn trading(setup: VenueSetup) -> Result<Box<dyn Connector>, SetupError> {
    Ok(Box::new(trading::TradingConnector::new(&setup)?))
}

/// <https://hyperliquid.gitbook.io/hyperliquid-docs/trading/fees>
fn base_fees(kind: InstrumentKind) -> [Ppb; 2] {
    match kind {
        InstrumentKind::LinearPerpetual => [Ppb(150_000), Ppb(450_000)],
        InstrumentKind::Spot => [Ppb(400_000), Ppb(700_000)],
    }
}

/// Hyperliquid: perpetuals of its own list, and spot.
pub const ROW: VenueRow = VenueRow {
    name: "hyperliquid",
    exchange: "hyperliquid",
    kinds: &[InstrumentKind::LinearPerpetual, InstrumentKind::Spot],
    live,
    testnet,
    instruments_request: instruments::request,
    decode_instruments: instruments::decode,
    next_instruments: super::all_at_once,
    klines_request: klines::request,
    decode_klines: klines::decode,
    symbol,
    base_fees,
    fee_assets: &["USDC"],
    // They are hashes.
    trade_ids_rise: false,
    // Its own bound is 5 s; each time that it is put off costs one of the account's actions.
    dead_man_switch: Ok((30, 3_600)),
    limits: LIMITS,
    costs,
    market,
    trading,
};

/// Address of a socket: an endpoint may name the host alone or the whole path.
fn socket_url(endpoint: &str) -> String {
    let base = endpoint.trim_end_matches('/');
    if base.ends_with(SOCKET_PATH) { base.to_owned() } else { format!("{base}{SOCKET_PATH}") }
}

fn endpoints(rest: &str, socket: &str) -> Endpoints {
    let socket = format!("{socket}{SOCKET_PATH}");
    Endpoints {
        rest: rest.to_owned(),
        public: socket.clone(),
        trade: socket.clone(),
        private: socket,
    }
}

fn live() -> Endpoints {
    endpoints(MAINNET, "wss://api.hyperliquid.xyz")
}

fn testnet() -> Endpoints {
    endpoints("https://api.hyperliquid-testnet.xyz", "wss://api.hyperliquid-testnet.xyz")
}

/// A perpetual is named by its coin; a pair's own number is found in the venue's list.
fn symbol(name: &InstrumentName<'_>) -> String {
    match name.settle {
        Some(_) => name.base.to_owned(),
        None => format!("{}/{}", name.base, name.quote),
    }
}

/// Whether a symbol is a perpetual's.
fn is_perpetual(symbol: &str) -> bool {
    !symbol.starts_with('@') && !symbol.contains('/')
}

/// Appends the decimal digits of a number.
fn write_u64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

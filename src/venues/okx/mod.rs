//! OKX, API v5: spot and linear perpetual swaps of one account.
//!
//! Spot and swaps share every socket; which of them a symbol is, its instrument says. Swaps are
//! counted in contracts on the wire and in base units here (`contracts.rs`). Positions are kept net:
//! an account that keeps long and short apart is refused.
//! <https://www.okx.com/docs-v5/en/>

#![forbid(unsafe_code)]

mod account;
mod auth;
mod codes;
mod contracts;
mod fields;
mod frames;
mod instruments;
mod klines;
mod margin;
mod market_data;
mod orders;
mod private_stream;
mod rest;
mod scan;
mod sequence;
mod session;
mod signing;
mod streams;
mod trading;

#[cfg(test)]
mod tests;

pub(super) use frames::Frames;
pub(super) use signing::schemes as signing_schemes;

use super::text::{with_path, write_u64};
use super::{Connector, Endpoints, InstrumentName, SetupError, VenueRow, VenueSetup};
use crate::types::{CommandKind, Costs, InstrumentKind, LIMITS_MAX, LimitSpec, Ppb};

const KINDS: &[InstrumentKind] = &[InstrumentKind::Spot, InstrumentKind::LinearPerpetual];

const PUBLIC_PATH: &str = "/ws/v5/public";
const PRIVATE_PATH: &str = "/ws/v5/private";

const SECOND_NS: u64 = 1_000_000_000;

/// The text `ping`; a socket without a word for 30 s is closed.
const PING_EVERY_NS: u64 = 20 * SECOND_NS;

fn live() -> Endpoints {
    endpoints("https://openapi.okx.com", "wss://ws.okx.com:8443")
}

/// Hosts of the sockets of demo trading. Its REST requests go to the same host as all others, with a
/// header that says so.
const DEMO_SOCKETS: &str = "//wspap.";

/// Demo trading.
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

/// Name of the index that a swap follows, which is also its family: `BTC-USDT` of `BTC-USDT-SWAP`.
fn index_of(symbol: &str) -> &str {
    symbol.strip_suffix("-SWAP").unwrap_or(symbol)
}

/// Index of a limit in [`LIMITS`].
mod limit {
    pub(super) const CREATE: u8 = 0;
    pub(super) const CANCEL: u8 = 1;
    pub(super) const AMEND: u8 = 2;
    pub(super) const QUERY: u8 = 3;
}

/// Orders are limited for each instrument by itself; counted together here, which is the safe side,
/// and far below what the account may send in all. No reply states a limit.
/// <https://www.okx.com/docs-v5/en/#overview-rate-limits>
const LIMITS: &[LimitSpec] = &[
    per_two_seconds("orders created per 2 s", 60),
    per_two_seconds("orders cancelled per 2 s", 60),
    per_two_seconds("orders amended per 2 s", 60),
    // 60 for lists of orders; others cost more of it, see `costs`.
    per_two_seconds("reads per 2 s", 60),
];

const fn per_two_seconds(name: &'static str, allowed: u32) -> LimitSpec {
    let window_ns = 2 * SECOND_NS;
    LimitSpec { name, window_ns, allowed, cancel_reserve: 0, feeds: 0, aligned: false }
}

/// Balances and positions may be read 10 times where lists of orders may 60 times, bills and fee rates
/// 5 times, old fills 10 times.
const ACCOUNT_UNITS: u16 = 12;
const FEE_UNITS: u16 = 12;
const FILLS_UNITS: u16 = 6;

fn costs(command: &CommandKind, _over_rest: bool) -> Costs {
    let mut units = [0; LIMITS_MAX];
    let (limit, count) = match command {
        CommandKind::New(_) => (limit::CREATE, 1),
        CommandKind::Cancel(_) => (limit::CANCEL, 1),
        CommandKind::Replace(_) => (limit::AMEND, 1),
        // The orders are listed, cancelled and listed again.
        CommandKind::CancelAll(_) => (limit::CANCEL, 2),
        CommandKind::Query(_) | CommandKind::OpenOrders(_) => (limit::QUERY, 1),
        CommandKind::FillsSince { .. } => (limit::QUERY, FILLS_UNITS),
        CommandKind::Balances | CommandKind::FundingSince(_) => (limit::QUERY, ACCOUNT_UNITS),
        CommandKind::FeeRate(_) => (limit::QUERY, FEE_UNITS),
        CommandKind::Subscribe(_) | CommandKind::Unsubscribe(_) | CommandKind::Resync(_) => {
            return Costs::default();
        }
    };
    units[usize::from(limit)] = count;
    Costs(units)
}

/// OKX spot and linear swaps.
pub const ROW: VenueRow = VenueRow {
    name: "okx",
    exchange: "okx",
    kinds: KINDS,
    live,
    testnet,
    instruments_request: instruments::request,
    decode_instruments: instruments::decode,
    next_instruments: super::all_at_once,
    klines_request: klines::request,
    decode_klines: klines::decode,
    symbol,
    base_fees: |kind| match kind {
        InstrumentKind::Spot => [Ppb(800_000), Ppb(1_000_000)],
        InstrumentKind::LinearPerpetual => [Ppb(200_000), Ppb(500_000)],
    },
    fee_assets: &[],
    trade_ids_rise: true,
    // Its own bounds are 10 to 120 s; below twenty a few lost refreshes could set it off.
    dead_man_switch: Ok((20, 120)),
    limits: LIMITS,
    costs,
    market,
    trading,
};

fn market(setup: VenueSetup) -> Result<Box<dyn Connector>, SetupError> {
    Ok(Box::new(streams::connector(&setup)))
}

fn trading(setup: VenueSetup) -> Result<Box<dyn Connector>, SetupError> {
    Ok(Box::new(trading::connector(&setup)?))
}

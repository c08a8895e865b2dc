//! Bybit, unified trading account, API v5: spot and linear perpetuals of one account.
//!
//! Spot and perpetuals have the same symbols: only with its category does a symbol name an instrument
//! ([`Product`]). Market data has a public socket for each; trade socket, private socket and REST are
//! for both. Positions are kept net: an account in hedge mode is refused.
//! <https://bybit-exchange.github.io/docs/v5/intro>

#![forbid(unsafe_code)]

mod account;
mod auth;
mod codes;
mod dead_man;
mod fields;
mod frames;
mod instruments;
mod klines;
mod login;
mod margin;
mod market_data;
mod orders;
mod private_stream;
mod rest;
mod scan;
mod session;
mod signing;
mod streams;
mod tickers;
mod trading;

#[cfg(test)]
mod tests;

pub(super) use frames::Frames;
pub(super) use signing::schemes as signing_schemes;

use super::text::{with_path, write_u64};
use super::{
    Connector, DecodeError, Endpoints, InstrumentName, SetupError, Value, VenueRow, VenueSetup,
};
use crate::types::{CommandKind, Costs, Instrument, InstrumentKind, LIMITS_MAX, LimitSpec, Ppb};

/// One product of the venue; everything that differs between them.
pub(super) struct Product {
    kind: InstrumentKind,
    /// `category` of requests and rows.
    category: &'static str,
    /// Path of its public socket: the category is in the path, not in the topics.
    public_path: &'static str,
    /// Most instruments of one subscribe request.
    group_max: usize,
    /// Its topic of the dead-man switch, and the switch's name in requests.
    dead_man: [&'static str; 2],
}

/// Base against quote: at most 10 `args` a request, three for each instrument. Perpetuals margined in
/// a stable coin: the `args` of a request are not limited by their number.
static PRODUCTS: [Product; 2] = [
    Product {
        kind: InstrumentKind::Spot,
        category: "spot",
        public_path: "/v5/public/spot",
        group_max: 3,
        dead_man: ["dcp.spot", "SPOT"],
    },
    Product {
        kind: InstrumentKind::LinearPerpetual,
        category: "linear",
        public_path: "/v5/public/linear",
        group_max: 75,
        dead_man: ["dcp.future", "DERIVATIVES"],
    },
];

impl Product {
    fn of_kind(kind: InstrumentKind) -> &'static Self {
        match kind {
            InstrumentKind::Spot => &PRODUCTS[0],
            InstrumentKind::LinearPerpetual => &PRODUCTS[1],
        }
    }

    fn of(instrument: &Instrument) -> &'static Self {
        Self::of_kind(instrument.kind)
    }

    /// The product with this category; none of those that are not traded here.
    fn named(category: &str) -> Option<&'static Self> {
        PRODUCTS.iter().find(|product| product.category == category)
    }

    /// What the instruments of a setup are; spot if there are none.
    fn all_of(setup: &VenueSetup) -> Vec<&'static Self> {
        let has = |product: &&Self| {
            setup.instruments.of_venue(setup.venue).any(|row| row.kind == product.kind)
        };
        let found: Vec<_> = PRODUCTS.iter().filter(has).collect();
        if found.is_empty() { vec![&PRODUCTS[0]] } else { found }
    }
}

const TRADE_PATH: &str = "/v5/trade";
const PRIVATE_PATH: &str = "/v5/private";

const SECOND_NS: u64 = 1_000_000_000;

/// HTTP status of an address that is blocked, for at least ten minutes.
const FORBIDDEN: u16 = 403;
const BLOCKED_NS: u64 = 600 * SECOND_NS;

/// Pings are JSON, every 20 s, on each socket.
const PING_EVERY_NS: u64 = 20 * SECOND_NS;

/// Index of a limit in [`LIMITS`].
mod limit {
    pub(super) const CREATE: u8 = 0;
    pub(super) const CANCEL: u8 = 1;
    pub(super) const AMEND: u8 = 2;
    pub(super) const CANCEL_ALL: u8 = 3;
    pub(super) const QUERY: u8 = 4;
    pub(super) const HTTP: u8 = 5;
}

/// Limits of an account without VIP level. Spot and perpetuals have their own, counted together here
/// with what perpetuals may: the safe side where both are traded. Every reply states the account's own.
/// <https://bybit-exchange.github.io/docs/v5/rate-limit>
const LIMITS: &[LimitSpec] = &[
    per_second("orders created per second", 10),
    per_second("orders cancelled per second", 10),
    per_second("orders amended per second", 10),
    per_second("cancel-all per second", 10),
    // 50/s for each read endpoint; counted together here, which is the safe side.
    per_second("reads per second", 50),
    LimitSpec {
        name: "HTTP requests of the address per 5 s",
        window_ns: 5 * SECOND_NS,
        allowed: 600,
        cancel_reserve: 60,
        // The feed asks for the time only, once a second at most.
        feeds: 10,
        aligned: false,
    },
];

const fn per_second(name: &'static str, allowed: u32) -> LimitSpec {
    LimitSpec { name, window_ns: SECOND_NS, allowed, cancel_reserve: 0, feeds: 0, aligned: false }
}

/// Fee rates may be read 5 times a second where other reads may 50 times.
const FEE_RATE_UNITS: u16 = 10;

fn costs(command: &CommandKind, over_rest: bool) -> Costs {
    let mut units = [0; LIMITS_MAX];
    let mut take = |limit: u8, count: u16| units[usize::from(limit)] = count;
    let order_over_http = u16::from(over_rest);
    match command {
        CommandKind::New(_) => {
            take(limit::CREATE, 1);
            take(limit::HTTP, order_over_http);
        }
        CommandKind::Cancel(_) => {
            take(limit::CANCEL, 1);
            take(limit::HTTP, order_over_http);
        }
        CommandKind::Replace(_) => {
            take(limit::AMEND, 1);
            take(limit::HTTP, order_over_http);
        }
        CommandKind::CancelAll(_) => {
            take(limit::CANCEL_ALL, 1);
            take(limit::HTTP, 1);
        }
        CommandKind::FeeRate(_) => {
            take(limit::QUERY, FEE_RATE_UNITS);
            take(limit::HTTP, 1);
        }
        // A query may need a second look, into the history.
        CommandKind::Query(_) => {
            take(limit::QUERY, 2);
            take(limit::HTTP, 2);
        }
        // The list of payments may be read half as often as others.
        CommandKind::FundingSince(_) => {
            take(limit::QUERY, 2);
            take(limit::HTTP, 1);
        }
        // The positions of each settle asset are behind the balances.
        CommandKind::Balances => {
            take(limit::QUERY, 3);
            take(limit::HTTP, 3);
        }
        CommandKind::OpenOrders(_) | CommandKind::FillsSince { .. } => {
            take(limit::QUERY, 1);
            take(limit::HTTP, 1);
        }
        CommandKind::Subscribe(_) | CommandKind::Unsubscribe(_) | CommandKind::Resync(_) => {}
    }
    Costs(units)
}

fn live() -> Endpoints {
    Endpoints {
        rest: "https://api.bybit.com".to_owned(),
        public: "wss://stream.bybit.com".to_owned(),
        trade: "wss://stream.bybit.com".to_owned(),
        private: "wss://stream.bybit.com".to_owned(),
    }
}

fn testnet() -> Endpoints {
    Endpoints {
        rest: "https://api-testnet.bybit.com".to_owned(),
        public: "wss://stream-testnet.bybit.com".to_owned(),
        trade: "wss://stream-testnet.bybit.com".to_owned(),
        private: "wss://stream-testnet.bybit.com".to_owned(),
    }
}

/// `BTCUSDT`, spot or perpetual; perpetuals in USDC are `BTCPERP`.
fn symbol(name: &InstrumentName<'_>) -> String {
    match name.settle {
        Some("USDC") => format!("{}PERP", name.base),
        _ => format!("{}{}", name.base, name.quote),
    }
}

fn market(setup: VenueSetup) -> Result<Box<dyn Connector>, SetupError> {
    Ok(Box::new(streams::connector(&setup)?))
}

fn trading(setup: VenueSetup) -> Result<Box<dyn Connector>, SetupError> {
    Ok(Box::new(trading::connector(&setup)?))
}

/// Bybit spot and linear perpetuals.
pub const ROW: VenueRow = VenueRow {
    name: "bybit",
    exchange: "bybit",
    kinds: &[InstrumentKind::Spot, InstrumentKind::LinearPerpetual],
    live,
    testnet,
    instruments_request: instruments::request,
    decode_instruments: instruments::decode,
    next_instruments: instruments::next,
    klines_request: klines::request,
    decode_klines: klines::decode,
    symbol,
    base_fees: |kind| match kind {
        InstrumentKind::Spot => [Ppb(1_000_000), Ppb(1_000_000)],
        InstrumentKind::LinearPerpetual => [Ppb(200_000), Ppb(550_000)],
    },
    fee_assets: &["MNT"],
    trade_ids_rise: true,
    // Its own bounds are 3 to 300 s; below two of our pings it could go off while we live.
    dead_man_switch: Ok((40, 300)),
    limits: LIMITS,
    costs,
    market,
    trading,
};

/// A whole number that the venue writes as text in one place and as a number in another.
fn whole(value: Value<'_>, name: &'static str) -> Result<u64, DecodeError> {
    match value.str() {
        Some(text) => text.parse().map_err(|_| DecodeError::Invalid(name)),
        None => value.u64().ok_or(DecodeError::Invalid(name)),
    }
}

/// A member that holds a whole number as text or as a number.
fn field_whole(object: Value<'_>, name: &'static str) -> Result<u64, DecodeError> {
    whole(object.field(name)?, name)
}

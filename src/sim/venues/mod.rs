//! The wires of the simulated venues, one folder each: each speaks one venue's protocol over an
//! [`Exchange`](super::Exchange). Written from the venues' documentation.

pub mod binance;
pub mod bybit;
mod day;
mod fields;
pub mod hyperliquid;
mod json;
mod klines;
pub mod okx;
#[cfg(test)]
mod shapes;
mod sides;
mod window;

use super::{Script, Wire};

/// The wire of the venue with this name, with limits that a demonstration does not reach.
#[must_use]
pub fn wire(name: &str) -> Option<Box<dyn Wire>> {
    match name {
        "binance" => Some(Box::new(binance::Binance::new(binance::BinanceOptions::embedded()))),
        "binance_usdm" => Some(Box::new(binance::BinanceUsdm::embedded())),
        "bybit" => Some(Box::new(bybit::Bybit::new(bybit::BybitOptions::default()))),
        "okx" => Some(Box::new(okx::Okx::new(okx::OkxOptions::default()))),
        "hyperliquid" => {
            let options = hyperliquid::HyperliquidOptions::default();
            Some(Box::new(hyperliquid::Hyperliquid::new(options)))
        }
        _ => None,
    }
}

/// The script of the venue with this name, for measuring; `snapshot` is its answer to a request for
/// the depth.
#[must_use]
pub fn script(name: &str, snapshot: String) -> Option<Box<dyn Script>> {
    match name {
        "binance" => Some(Box::new(binance::BinanceScript::new(snapshot))),
        _ => None,
    }
}

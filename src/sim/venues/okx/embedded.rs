//! The instruments that the wire is embedded with: two spot pairs and their linear swaps, with the
//! venue's units.

#![forbid(unsafe_code)]

use crate::sim::{PerpetualRules, SymbolRules};
use rust_decimal::Decimal;

fn number(mantissa: i64, decimals: u32) -> Decimal {
    Decimal::new(mantissa, decimals)
}

/// BTC and ETH against USDT.
pub(super) fn instruments() -> Vec<SymbolRules> {
    let spot = |base: &str, tick: Decimal, lot: Decimal, least: Decimal| SymbolRules {
        symbol: format!("{base}-USDT"),
        base: base.to_owned(),
        quote: "USDT".to_owned(),
        tick_size: tick,
        lot_size: lot,
        price_min: tick,
        price_max: Decimal::ZERO,
        qty_min: least,
        qty_max: Decimal::from(1_000_000),
        qty_market_max: Decimal::from(1_000_000),
        // There is no smallest value: only a smallest size.
        notional_min: Decimal::ZERO,
        notional_max: Decimal::from(20_000_000),
        maker_fee: number(8, 4),
        taker_fee: number(1, 3),
        fee_decimals: 12,
        perpetual: None,
    };
    let btc = spot("BTC", number(1, 1), number(1, 8), number(1, 5));
    let eth = spot("ETH", number(1, 2), number(1, 6), number(1, 4));
    // Lots of a hundredth of a contract.
    let [btc_swap, eth_swap] = [swap(&btc, number(1, 2)), swap(&eth, number(1, 1))];
    vec![btc, eth, btc_swap, eth_swap]
}

/// The swap of a spot pair, in contracts of this many base units.
fn swap(spot: &SymbolRules, contract: Decimal) -> SymbolRules {
    let lot = contract * number(1, 2);
    SymbolRules {
        symbol: format!("{}-SWAP", spot.symbol),
        lot_size: lot,
        qty_min: lot,
        qty_max: contract * Decimal::from(100_000_000),
        qty_market_max: contract * Decimal::from(12_000),
        maker_fee: number(2, 4),
        taker_fee: number(5, 4),
        fee_decimals: 12,
        perpetual: Some(PerpetualRules {
            settle: spot.quote.clone(),
            contract_size: contract,
            leverage_initial: Decimal::from(3),
            leverage_max: Decimal::from(100),
            maintenance_rate: number(4, 3),
            funding_interval_ms: 8 * 3_600_000,
            funding_rate_max: number(375, 5),
        }),
        ..spot.clone()
    }
}

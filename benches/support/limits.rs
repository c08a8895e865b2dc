//! Limits that nothing reaches, every check of one order on.

use stoop::oms::RiskLimits;
use stoop::types::{Amount, AssetId, InstrumentId, Ppb};

/// One base unit, and one unit of quote.
pub const E18: i128 = 10i128.pow(18);

/// For so many instruments of one underlying.
pub fn limits(instruments: u16) -> RiskLimits {
    let own = |number| (InstrumentId(number), Amount(5 * E18));
    RiskLimits {
        order_notional_max: Amount(10_000 * E18),
        price_collar: Ppb(1_000_000),
        book_age_max_ns: 1_000_000_000,
        order_wait_max_ns: Some(1_000_000_000),
        position_max: vec![(AssetId(0), Amount(10 * E18))],
        order_rate_max: 1_000,
        order_rate_window_ns: 1_000_000_000,
        open_orders_max: 100,
        instrument_position_max: (0..instruments).map(own).collect(),
        daily_loss_max: Some(Amount(1_000_000 * E18)),
        drawdown_max: Some(Amount(1_000_000 * E18)),
        ..RiskLimits::default()
    }
}

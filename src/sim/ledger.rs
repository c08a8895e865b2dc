//! Position and profit of one account in one symbol, from its fills, at average cost.
//!
//! This is the venue's truth that clients are compared with to the last digit, so it has its own
//! arithmetic and shares none with the engine. All sums are integers in units of 1e-18.

use super::SimFill;
use crate::types::Side;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

const DECIMALS: u32 = 18;

/// What the simulated venue holds for one account: the truth that clients are compared with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Asset to (free, locked).
    pub balances: BTreeMap<String, (Decimal, Decimal)>,
    /// Asset to fees paid in it, in total.
    pub fees: BTreeMap<String, Decimal>,
    /// Symbol to position and profit since the start.
    pub positions: BTreeMap<String, LedgerPosition>,
    /// Asset to funding, received positive, in total.
    pub funding: BTreeMap<String, Decimal>,
    /// Asset to losses that the venue bore because the account had nothing left.
    pub covered: BTreeMap<String, Decimal>,
    /// Number of fills.
    pub fills: u64,
    /// Orders that the venue ever took: those it refused are not among them.
    pub orders: u64,
    /// Orders open now.
    pub open_orders: u64,
}

/// What an exchange puts behind the symbol of a contract that is listed under the name of a spot pair.
pub const CONTRACT: &str = ".P";

impl Ledger {
    /// The position in a spot pair or in the perpetual of this name.
    #[must_use]
    pub fn position(&self, symbol: &str, perpetual: bool) -> LedgerPosition {
        let apart = self.positions.keys().any(|key| key.ends_with(CONTRACT));
        let found = match perpetual && apart {
            true => self.positions.get(&format!("{symbol}{CONTRACT}")),
            false => self.positions.get(symbol),
        };
        found.cloned().unwrap_or_default()
    }
}

/// Position of one account in one symbol since the start. Average cost: a buy of q at p with a fee
/// f in base adds q - f at price p; a reduction releases cost in proportion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerPosition {
    /// Bought less sold less fees taken in base.
    pub qty: Decimal,
    /// Signed cost of the open quantity in quote, in units of 1e-18.
    pub cost_e18: i128,
    /// Realised profit in quote before fees, in units of 1e-18.
    pub realised_e18: i128,
    /// Of a perpetual: average price of the open quantity, at most 12 decimals; zero without one.
    pub entry: Decimal,
    /// Of a perpetual: profit paid to the wallet, before fees and funding.
    pub realised: Decimal,
    /// Of a perpetual: funding, received positive.
    pub funding: Decimal,
}

/// Running position. A fill of q at p with a fee f taken in base changes it by q - f (buy) or
/// -q - f (sell).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    qty_e18: i128,
    cost_e18: i128,
    realised_e18: i128,
}

impl Position {
    /// Books one fill; `base` is the symbol's base asset.
    pub(super) fn on_fill(&mut self, fill: &SimFill, base: &str) {
        let mut change = to_e18(fill.qty);
        if fill.side == Side::Sell {
            change = -change;
        }
        if fill.fee_asset == base {
            change -= to_e18(fill.fee);
        }
        let closes = self.qty_e18.signum() * change.signum() == -1;
        let closed_abs = if closes { change.abs().min(self.qty_e18.abs()) } else { 0 };
        let closed = change.signum() * closed_abs;
        if closes {
            let released = if closed_abs == self.qty_e18.abs() {
                self.cost_e18
            } else {
                share(self.cost_e18, closed_abs, self.qty_e18.abs())
            };
            self.realised_e18 += -value(fill.price, closed) - released;
            self.cost_e18 -= released;
            self.qty_e18 += closed;
        }
        let opened = change - closed;
        self.cost_e18 += value(fill.price, opened);
        self.qty_e18 += opened;
    }

    /// As clients see it.
    pub(super) fn show(&self) -> LedgerPosition {
        LedgerPosition {
            qty: from_e18(self.qty_e18),
            cost_e18: self.cost_e18,
            realised_e18: self.realised_e18,
            ..LedgerPosition::default()
        }
    }
}

fn to_e18(value: Decimal) -> i128 {
    debug_assert!(value.normalize().scale() <= DECIMALS, "quantities have few decimals");
    let value = value.normalize();
    value.mantissa() * 10i128.pow(DECIMALS.saturating_sub(value.scale()))
}

fn from_e18(value: i128) -> Decimal {
    let (mut mantissa, mut scale) = (value, DECIMALS);
    while scale > 0 && mantissa % 10 == 0 {
        mantissa /= 10;
        scale -= 1;
    }
    Decimal::try_from_i128_with_scale(mantissa, scale).unwrap_or_default()
}

/// Price x quantity, rounded towards negative infinity at 1e-18.
fn value(price: Decimal, qty_e18: i128) -> i128 {
    let price = price.normalize();
    (price.mantissa() * qty_e18).div_euclid(10i128.pow(price.scale()))
}

/// `total * part / whole` rounded towards zero, with a product of 256 bits; `0 <= part <= whole`.
fn share(total: i128, part: i128, whole: i128) -> i128 {
    let (part, whole) = (part.unsigned_abs(), whole.unsigned_abs());
    let (high, low) = wide_product(total.unsigned_abs(), part);
    let quotient = wide_quotient(high, low, whole) as i128;
    if total < 0 { -quotient } else { quotient }
}

fn wide_product(a: u128, b: u128) -> (u128, u128) {
    const LOW: u128 = u64::MAX as u128;
    let (a1, a0, b1, b0) = (a >> 64, a & LOW, b >> 64, b & LOW);
    let lowest = a0 * b0;
    let middle = a1 * b0 + (lowest >> 64);
    let carry = (middle & LOW) + a0 * b1;
    let high = a1 * b1 + (middle >> 64) + (carry >> 64);
    (high, (carry << 64) | (lowest & LOW))
}

/// Binary long division; the quotient must fit (`high < divisor`).
fn wide_quotient(high: u128, low: u128, divisor: u128) -> u128 {
    debug_assert!(high < divisor, "a share is not larger than the whole");
    let (mut remainder, mut quotient) = (high, 0u128);
    for bit in (0..128).rev() {
        let overflow = remainder >> 127 == 1;
        remainder = (remainder << 1) | ((low >> bit) & 1);
        quotient <<= 1;
        if overflow || remainder >= divisor {
            remainder = remainder.wrapping_sub(divisor);
            quotient |= 1;
        }
    }
    quotient
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: i128 = 1_000_000_000_000_000_000;

    fn fill(side: Side, qty: &str, price: &str, fee: &str, asset: &str) -> SimFill {
        SimFill {
            trade_id: 1,
            order_id: 1,
            account: super::super::AccountId(0),
            symbol: "BTCUSDT".to_owned(),
            client_id: String::new(),
            side,
            price: price.parse().unwrap(),
            qty: qty.parse().unwrap(),
            fee: fee.parse().unwrap(),
            fee_asset: asset.to_owned(),
            closed: Decimal::ZERO,
            realised: Decimal::ZERO,
            position: Decimal::ZERO,
            maker: false,
            time_ms: 0,
        }
    }

    fn after(fills: &[SimFill]) -> LedgerPosition {
        let mut position = Position::default();
        for fill in fills {
            position.on_fill(fill, "BTC");
        }
        position.show()
    }

    #[test]
    fn a_round_trip_with_a_base_fee_leaves_a_short_of_the_fee() {
        let shown = after(&[
            fill(Side::Buy, "2", "100", "0.002", "BTC"),
            fill(Side::Sell, "2", "110", "0.22", "USDT"),
        ]);
        // Long 1.998 at 100 = 199.8; sold 1.998 at 110 = 219.78; 0.002 more opens a short at 110.
        assert_eq!(shown.qty, "-0.002".parse().unwrap());
        assert_eq!(shown.realised_e18, 19_980_000_000_000_000_000);
        assert_eq!(shown.cost_e18, -220_000_000_000_000_000);
    }

    #[test]
    fn a_partial_close_releases_cost_in_proportion_rounded_towards_zero() {
        let shown = after(&[
            fill(Side::Buy, "3", "100.01", "0", "BTC"),
            fill(Side::Sell, "1", "100", "0", "USDT"),
        ]);
        assert_eq!(shown.cost_e18, 200_020_000_000_000_000_000);
        assert_eq!(shown.realised_e18, -10_000_000_000_000_000);
        // 1 at 10 and 2 at 5 cost 20; a third of that does not divide evenly.
        let long = after(&[
            fill(Side::Buy, "1", "10", "0", "BTC"),
            fill(Side::Buy, "2", "5", "0", "BTC"),
            fill(Side::Sell, "1", "5", "0", "USDT"),
        ]);
        assert_eq!(long.cost_e18, 20 * ONE - 6_666_666_666_666_666_666);
        assert_eq!(long.realised_e18, 5 * ONE - 6_666_666_666_666_666_666);
        let short = after(&[
            fill(Side::Sell, "1", "10", "0", "USDT"),
            fill(Side::Sell, "2", "5", "0", "USDT"),
            fill(Side::Buy, "1", "5", "0", "BTC"),
        ]);
        assert_eq!(short.cost_e18, -20 * ONE + 6_666_666_666_666_666_666);
        assert_eq!(short.realised_e18, -5 * ONE + 6_666_666_666_666_666_666);
    }

    #[test]
    fn a_reversal_closes_all_and_opens_the_rest() {
        let shown = after(&[
            fill(Side::Sell, "0.5", "200", "0.02", "USDT"),
            fill(Side::Buy, "2", "150", "0.0002", "BTC"),
        ]);
        // Short 0.5 from 200 bought back at 150: +25. The rest, 1.4998, is long at 150.
        assert_eq!(shown.realised_e18, 25 * ONE);
        assert_eq!(shown.qty, "1.4998".parse().unwrap());
        assert_eq!(shown.cost_e18, 224_970_000_000_000_000_000);
    }

    #[test]
    fn products_beyond_128_bits_are_exact() {
        // 2^100 * 2^100 / 2^101 = 2^99, and with a remainder.
        assert_eq!(share(1 << 100, 1 << 100, 1 << 101), 1 << 99);
        assert_eq!(share(-(1 << 100) - 1, 1 << 100, 1 << 101), -(1 << 99));
        let total = 123_456_789_012_345_678_901_234_567_890;
        assert_eq!(share(total, 7 * ONE, 9 * ONE), total / 9 * 7 + total % 9 * 7 / 9);
        assert_eq!(wide_product(u128::MAX, u128::MAX), (u128::MAX - 1, 1));
    }
}

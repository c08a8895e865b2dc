//! Prices, quantities, amounts and times as integers.
//!
//! A [`Price`] or [`Qty`] is a mantissa whose number of decimals belongs to the *underlying* (the
//! base asset), not to the instrument: see [`Scale`]. Prices of BTC on two venues therefore compare
//! as plain integers. An [`Amount`] is a sum of any one asset (a notional, a fee, a balance, a
//! profit) with 18 decimals, enough to hold the product of any price, quantity and fee rate without
//! rounding. Nothing here rounds unless a [`Rounding`] is named by the caller.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Decimals of every [`Amount`].
pub const AMOUNT_DECIMALS: u32 = 18;

/// Powers of ten up to the decimals of an amount.
const POWERS: [i128; AMOUNT_DECIMALS as usize + 1] = {
    let mut powers = [1; AMOUNT_DECIMALS as usize + 1];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// Price mantissa: value x 10^[`Scale::price_decimals`] of the underlying.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[repr(transparent)]
pub struct Price(pub i64);

/// Quantity mantissa in base units: value x 10^[`Scale::qty_decimals`] of the underlying, contract
/// multiplier already applied.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[repr(transparent)]
pub struct Qty(pub i64);

/// Nanoseconds since the UNIX epoch; 0 means "not known".
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[repr(transparent)]
pub struct Nanos(pub u64);

/// A ratio in parts per billion: fees (100_000 = 0.01 %), spreads.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[repr(transparent)]
pub struct Ppb(pub i64);

/// A ratio with 18 decimals, at most 9: funding rates, which venues state with more decimals than
/// fees.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[repr(transparent)]
pub struct Rate(pub i64);

/// A signed sum of one asset with [`AMOUNT_DECIMALS`] decimals: notional, fee, balance, profit.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[repr(transparent)]
pub struct Amount(pub i128);

/// Direction of an explicit rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Towards negative infinity.
    Down,
    /// Towards positive infinity.
    Up,
}

/// Why a decimal could not become a mantissa.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseUnitError {
    /// Not a plain decimal number.
    Malformed,
    /// More significant decimals than the scale holds: usually the instrument's rules changed.
    OffScale,
    /// Does not fit the mantissa.
    Overflow,
}

impl fmt::Display for ParseUnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "is not a plain decimal number",
            Self::OffScale => "has more decimals than the instrument's scale holds",
            Self::Overflow => "is too large",
        })
    }
}

impl std::error::Error for ParseUnitError {}

/// Decimals of the prices and quantities of one underlying: the finest over all its configured
/// instruments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Scale {
    /// Decimals of a [`Price`], at most 12.
    pub price_decimals: u8,
    /// Decimals of a [`Qty`], at most 12 and with `price_decimals` at most 18.
    pub qty_decimals: u8,
}

impl Scale {
    /// The finer of both, field by field.
    #[must_use]
    pub fn finest(self, other: Self) -> Self {
        Self {
            price_decimals: self.price_decimals.max(other.price_decimals),
            qty_decimals: self.qty_decimals.max(other.qty_decimals),
        }
    }

    /// Whether products of price and quantity are exact in an [`Amount`].
    #[must_use]
    pub fn is_valid(self) -> bool {
        self.price_decimals <= 12
            && self.qty_decimals <= 12
            && u32::from(self.price_decimals + self.qty_decimals) <= AMOUNT_DECIMALS
    }

    /// Exact price, or why not.
    pub fn price(self, value: Decimal) -> Result<Price, ParseUnitError> {
        mantissa(value, self.price_decimals).map(Price)
    }

    /// Exact quantity, or why not.
    pub fn qty(self, value: Decimal) -> Result<Qty, ParseUnitError> {
        mantissa(value, self.qty_decimals).map(Qty)
    }

    /// Price as a decimal, for people.
    #[must_use]
    pub fn price_decimal(self, price: Price) -> Decimal {
        Decimal::new(price.0, u32::from(self.price_decimals))
    }

    /// Quantity as a decimal, for people.
    #[must_use]
    pub fn qty_decimal(self, qty: Qty) -> Decimal {
        Decimal::new(qty.0, u32::from(self.qty_decimals))
    }

    /// Price x quantity in quote units, exact. `None` only on overflow of 128 bits.
    #[must_use]
    pub fn notional(self, price: Price, qty: Qty) -> Option<Amount> {
        let decimals = u32::from(self.price_decimals) + u32::from(self.qty_decimals);
        let factor = POWERS[AMOUNT_DECIMALS.checked_sub(decimals)? as usize];
        let product = i128::from(price.0) * i128::from(qty.0);
        // Nearly always: 64 bits times 64 bits, which is one instruction and fits.
        if let (Ok(product), Ok(factor)) = (i64::try_from(product), i64::try_from(factor)) {
            return Some(Amount(i128::from(product) * i128::from(factor)));
        }
        product.checked_mul(factor).map(Amount)
    }

    /// The quantity as an amount of the base asset, exact.
    #[must_use]
    pub fn base_amount(self, qty: Qty) -> Amount {
        let factor = POWERS[(AMOUNT_DECIMALS - u32::from(self.qty_decimals)) as usize];
        Amount(i128::from(qty.0) * factor)
    }

    /// Price x an amount of the base asset (a fee taken in base), rounded down to 18 decimals.
    #[must_use]
    pub fn value_of_base(self, price: Price, base: Amount) -> Option<Amount> {
        let factor = POWERS[usize::from(self.price_decimals)];
        i128::from(price.0).checked_mul(base.0).map(|product| Amount(product.div_euclid(factor)))
    }
}

fn mantissa(value: Decimal, decimals: u8) -> Result<i64, ParseUnitError> {
    let value = value.normalize();
    let missing = u32::from(decimals).checked_sub(value.scale()).ok_or(ParseUnitError::OffScale)?;
    let factor = 10i128.pow(missing);
    let wide = value.mantissa().checked_mul(factor).ok_or(ParseUnitError::Overflow)?;
    i64::try_from(wide).map_err(|_| ParseUnitError::Overflow)
}

impl Price {
    /// Nearest multiple of `tick` in the given direction. `tick` must be positive.
    #[must_use]
    pub fn round_to(self, tick: Price, rounding: Rounding) -> Price {
        Price(round_to(self.0, tick.0, rounding))
    }

    /// Whether this is a multiple of `tick`.
    #[must_use]
    pub fn is_multiple_of(self, tick: Price) -> bool {
        tick.0 > 0 && self.0 % tick.0 == 0
    }
}

impl Qty {
    /// No quantity.
    pub const ZERO: Qty = Qty(0);

    /// Nearest multiple of `lot` in the given direction. `lot` must be positive.
    #[must_use]
    pub fn round_to(self, lot: Qty, rounding: Rounding) -> Qty {
        Qty(round_to(self.0, lot.0, rounding))
    }

    /// Whether this is a multiple of `lot`.
    #[must_use]
    pub fn is_multiple_of(self, lot: Qty) -> bool {
        lot.0 > 0 && self.0 % lot.0 == 0
    }
}

fn round_to(value: i64, step: i64, rounding: Rounding) -> i64 {
    debug_assert!(step > 0, "a tick or lot size is positive");
    let down = value.div_euclid(step) * step;
    match rounding {
        Rounding::Down => down,
        Rounding::Up if down == value => down,
        Rounding::Up => down.saturating_add(step),
    }
}

impl Nanos {
    /// From milliseconds since the epoch, as venues send it.
    #[must_use]
    pub fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Whole milliseconds since the epoch.
    #[must_use]
    pub fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Time passed since `earlier`; 0 if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Nanos) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This time plus `nanos`.
    #[must_use]
    pub fn plus(self, nanos: u64) -> Self {
        Self(self.0.saturating_add(nanos))
    }
}

impl Amount {
    /// Nothing.
    pub const ZERO: Amount = Amount(0);

    /// Exact amount of a decimal with at most 18 decimals.
    pub fn from_decimal(value: Decimal) -> Result<Self, ParseUnitError> {
        let value = value.normalize();
        let missing = AMOUNT_DECIMALS.checked_sub(value.scale()).ok_or(ParseUnitError::OffScale)?;
        value.mantissa().checked_mul(10i128.pow(missing)).map(Self).ok_or(ParseUnitError::Overflow)
    }

    /// As a decimal for people; digits beyond the 96 bits of `Decimal` are cut.
    #[must_use]
    pub fn to_decimal(self) -> Decimal {
        let (mut mantissa, mut scale) = (self.0, AMOUNT_DECIMALS);
        while scale > 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            scale -= 1;
        }
        while Decimal::try_from_i128_with_scale(mantissa, scale).is_err() {
            if scale == 0 {
                return if mantissa > 0 { Decimal::MAX } else { Decimal::MIN };
            }
            mantissa /= 10;
            scale -= 1;
        }
        Decimal::from_i128_with_scale(mantissa, scale)
    }

    /// Sum, `None` on overflow of 128 bits.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// This amount times `ratio`, rounded towards negative infinity at 18 decimals.
    #[must_use]
    pub fn times(self, ratio: Ppb) -> Option<Self> {
        self.0.checked_mul(i128::from(ratio.0)).map(|wide| Self(wide.div_euclid(1_000_000_000)))
    }

    /// This amount without its sign.
    #[must_use]
    pub fn abs(self) -> Self {
        Self(self.0.abs())
    }
}

impl std::ops::Add for Amount {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl std::ops::AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl std::ops::Sub for Amount {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl std::ops::SubAssign for Amount {
    fn sub_assign(&mut self, other: Self) {
        self.0 -= other.0;
    }
}

impl std::ops::Neg for Amount {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_decimal(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    const BTC: Scale = Scale { price_decimals: 2, qty_decimals: 6 };

    fn dec(text: &str) -> Decimal {
        Decimal::from_str(text).unwrap()
    }

    #[test]
    fn decimals_become_mantissas_exactly_or_not_at_all() {
        assert_eq!(BTC.price(dec("61685.99000000")), Ok(Price(6_168_599)));
        assert_eq!(BTC.price(dec("61685.991")), Err(ParseUnitError::OffScale));
        assert_eq!(BTC.qty(dec("0.000011")), Ok(Qty(11)));
        assert_eq!(BTC.qty(dec("99999999999999")), Err(ParseUnitError::Overflow));
    }

    #[test]
    fn notional_is_exact() {
        let notional = BTC.notional(Price(6_168_599), Qty(11)).unwrap();
        assert_eq!(notional.to_decimal(), dec("0.67854589"));
        assert_eq!(Amount::from_decimal(dec("0.67854589")).unwrap(), notional);
    }

    #[test]
    fn rounding_is_in_the_named_direction_on_both_sides_of_zero() {
        assert_eq!(Price(17).round_to(Price(10), Rounding::Down), Price(10));
        assert_eq!(Price(17).round_to(Price(10), Rounding::Up), Price(20));
        assert_eq!(Price(20).round_to(Price(10), Rounding::Up), Price(20));
        assert_eq!(Price(-17).round_to(Price(10), Rounding::Down), Price(-20));
        assert_eq!(Amount(-1).times(Ppb(1)), Some(Amount(-1)));
    }

    #[test]
    fn fee_in_base_has_a_quote_value() {
        let fee = Amount::from_decimal(dec("0.00000001")).unwrap();
        let value = BTC.value_of_base(Price(6_168_599), fee).unwrap();
        assert_eq!(value.to_decimal(), dec("0.0006168599"));
    }

    #[test]
    fn amounts_beyond_96_bits_are_cut_for_people_only() {
        let large = Amount(123_456_789_012_345_678_901_234_567_890_123_456);
        assert_eq!(large.to_decimal().to_string(), "123456789012345678.90123456789");
    }
}

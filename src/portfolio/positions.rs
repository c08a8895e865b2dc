//! Position, average cost and realised profit of each instrument, from its fills.
//!
//! Average cost: a fill against the position releases cost in proportion, cut towards zero, and
//! the last fill of a position releases all that is left; so nothing is lost over a round trip.
//! All sums are [`Amount`]s. A fee in the base asset is part of the quantity that changes hands on
//! spot; fees of any kind are kept apart from the realised profit, and so is the funding of a
//! perpetual. Its settle asset counts as its quote.

#![forbid(unsafe_code)]

use super::wide::mul_div;
use crate::types::{
    AMOUNT_DECIMALS, Amount, Fill, Instrument, InstrumentId, InstrumentTable, Price, Side,
};
use serde::{Deserialize, Serialize};
use std::fmt;

const ONE: u128 = 10u128.pow(AMOUNT_DECIMALS);

/// A sum does not fit 128 bits: no real account gets there, so the fill must be nonsense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the sum does not fit 128 bits")
    }
}

impl std::error::Error for Overflow {}

/// Position of one instrument since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Bought less sold, less fees taken in base; base units.
    pub qty: Amount,
    /// Signed cost of `qty` in quote units; negative for a short position.
    pub cost: Amount,
    /// Realised profit in quote units, before fees.
    pub realised: Amount,
    /// Fees in quote units: those in quote as they are, those in base at the price of their fill.
    pub fees_value: Amount,
    /// Fills whose fee was in a third asset and is therefore not in `fees_value`.
    pub fees_unvalued: u64,
    /// Bought in total, quote units.
    pub bought: Amount,
    /// Sold in total, quote units.
    pub sold: Amount,
    /// Number of fills.
    pub fills: u64,
    /// Funding received less paid, quote units.
    pub funding: Amount,
}

impl Position {
    /// The position after a fill. Unchanged on overflow, since it is a value.
    pub fn after(self, instrument: &Instrument, side: Side, fill: &Fill) -> Result<Self, Overflow> {
        let mut next = self;
        let traded = instrument.scale.base_amount(fill.qty);
        let value = value(instrument, fill.price, traded)?;
        let total = if side == Side::Buy { &mut next.bought } else { &mut next.sold };
        *total = total.checked_add(value).ok_or(Overflow)?;
        next.fills += 1;
        let mut change = if side == Side::Buy { traded } else { -traded };
        if fill.fee_asset == instrument.base && !instrument.is_perpetual() {
            change = change.checked_add(-fill.fee).ok_or(Overflow)?;
        }
        next.add_fee(instrument, fill)?;
        let stated = fill.realised.filter(|_| instrument.is_perpetual());
        next.trade(instrument, fill.price, change, stated)?;
        Ok(next)
    }

    /// The position after a change of its quantity at a price, without fees or totals.
    pub fn traded(
        mut self,
        instrument: &Instrument,
        price: Price,
        change: Amount,
    ) -> Result<Self, Overflow> {
        self.trade(instrument, price, change, None)?;
        Ok(self)
    }

    /// A position that the venue holds for us without any fill that we know: `entry` is its average
    /// price, quote units for one base unit. What was earned before stays.
    pub fn entered(mut self, qty: Amount, entry: Amount) -> Result<Self, Overflow> {
        let cost = mul_div(entry.0, qty.0.unsigned_abs(), ONE).ok_or(Overflow)?;
        self.cost = Amount(cost.checked_mul(qty.0.signum()).ok_or(Overflow)?);
        self.qty = qty;
        Ok(self)
    }

    /// The position after a payment of funding.
    pub fn funded(mut self, amount: Amount) -> Result<Self, Overflow> {
        self.funding = self.funding.checked_add(amount).ok_or(Overflow)?;
        Ok(self)
    }

    /// The position after its venue has moved so much of its profit into the wallet.
    pub fn settled(mut self, amount: Amount) -> Result<Self, Overflow> {
        self.realised = self.realised.checked_add(amount).ok_or(Overflow)?;
        self.cost = self.cost.checked_add(amount).ok_or(Overflow)?;
        Ok(self)
    }

    fn add_fee(&mut self, instrument: &Instrument, fill: &Fill) -> Result<(), Overflow> {
        if fill.fee == Amount::ZERO {
            return Ok(());
        }
        let settles = instrument.is_perpetual() && fill.fee_asset == instrument.settle;
        let fee = if fill.fee_asset == instrument.quote || settles {
            fill.fee
        } else if fill.fee_asset == instrument.base {
            value(instrument, fill.price, fill.fee)?
        } else {
            self.fees_unvalued += 1;
            return Ok(());
        };
        self.fees_value = self.fees_value.checked_add(fee).ok_or(Overflow)?;
        Ok(())
    }

    /// Changes the quantity by `change` at `price`: first against what is held, the rest opens. Where
    /// the venue has stated the profit of what is closed, that is the profit, and the cost that is
    /// released follows from it.
    fn trade(
        &mut self,
        instrument: &Instrument,
        price: Price,
        change: Amount,
        stated: Option<Amount>,
    ) -> Result<(), Overflow> {
        let closes = self.qty.0.signum() * change.0.signum() < 0;
        let mut rest = change;
        if closes {
            let (held, wanted) = (self.qty.0.unsigned_abs(), change.0.unsigned_abs());
            let closed = held.min(wanted);
            let released = if closed == held {
                self.cost
            } else {
                Amount(mul_div(self.cost.0, closed, held).ok_or(Overflow)?)
            };
            let closed = Amount(change.0.signum() * closed as i128);
            let proceeds = -value(instrument, price, closed)?;
            let gain = match stated {
                Some(stated) => stated,
                None => proceeds.checked_add(-released).ok_or(Overflow)?,
            };
            self.realised = self.realised.checked_add(gain).ok_or(Overflow)?;
            self.qty += closed;
            self.cost = match self.qty {
                // What rounding has left over goes with the position.
                Amount::ZERO => Amount::ZERO,
                _ => self
                    .cost
                    .checked_add(gain)
                    .and_then(|sum| sum.checked_add(-proceeds))
                    .ok_or(Overflow)?,
            };
            rest -= closed;
        }
        if !closes && let Some(stated) = stated {
            // The venue held more for us than we know of; its wallet has the profit all the same.
            self.realised = self.realised.checked_add(stated).ok_or(Overflow)?;
        }
        if rest != Amount::ZERO {
            let value = value(instrument, price, rest)?;
            self.cost = self.cost.checked_add(value).ok_or(Overflow)?;
            self.qty = self.qty.checked_add(rest).ok_or(Overflow)?;
        }
        Ok(())
    }
}

fn value(instrument: &Instrument, price: Price, base: Amount) -> Result<Amount, Overflow> {
    instrument.scale.value_of_base(price, base).ok_or(Overflow)
}

/// The positions of all instruments.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Positions {
    rows: Vec<Position>,
}

impl Positions {
    /// No position in any of these instruments.
    #[must_use]
    pub fn new(instruments: &InstrumentTable) -> Self {
        Self { rows: vec![Position::default(); instruments.len()] }
    }

    /// Books one fill; on overflow nothing is booked.
    pub fn on_fill(
        &mut self,
        instrument: &Instrument,
        side: Side,
        fill: &Fill,
    ) -> Result<(), Overflow> {
        let row = self.rows.get_mut(instrument.id.index()).ok_or(Overflow)?;
        *row = row.after(instrument, side, fill)?;
        Ok(())
    }

    /// Takes over the position of an earlier run.
    pub fn set(&mut self, instrument: InstrumentId, position: Position) {
        if let Some(row) = self.rows.get_mut(instrument.index()) {
            *row = position;
        }
    }

    /// Position of one instrument.
    #[must_use]
    pub fn get(&self, instrument: InstrumentId) -> Position {
        self.rows.get(instrument.index()).copied().unwrap_or_default()
    }

    /// All of them, in order of instruments.
    #[must_use]
    pub fn all(&self) -> &[Position] {
        &self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{AssetId, FillId, Liquidity, Qty, Scale};
    use proptest::prelude::*;

    const BTC: AssetId = AssetId(0);
    const USDT: AssetId = AssetId(1);
    const BNB: AssetId = AssetId(2);
    const E18: i128 = 10i128.pow(18);

    fn instrument() -> Instrument {
        Instrument {
            base: BTC,
            quote: USDT,
            scale: Scale { price_decimals: 2, qty_decimals: 6 },
            ..Instrument::default()
        }
    }

    /// Price in quote, quantity in 1e-6, fee in 1e-18.
    fn fill(price: i64, qty: i64, fee: i128, fee_asset: AssetId) -> Fill {
        Fill {
            fill_id: FillId::EMPTY,
            price: Price(price * 100),
            qty: Qty(qty),
            liquidity: Liquidity::Taker,
            fee: Amount(fee),
            fee_asset,
            realised: None,
        }
    }

    fn fold(fills: &[(Side, Fill)]) -> Position {
        let instrument = instrument();
        fills.iter().fold(Position::default(), |position, (side, fill)| {
            position.after(&instrument, *side, fill).unwrap()
        })
    }

    #[test]
    fn the_profit_that_the_venue_states_is_the_profit() {
        let perpetual = Instrument {
            kind: crate::types::InstrumentKind::LinearPerpetual,
            settle: USDT,
            ..instrument()
        };
        let book = |position: Position, side, price, qty, realised: Option<i128>| {
            let realised = realised.map(Amount);
            let fill = Fill { realised, ..fill(price, qty, 0, AssetId::NONE) };
            position.after(&perpetual, side, &fill).unwrap()
        };
        // 3 at 100 and 101, of which a third costs 100.333...
        let long = book(Position::default(), Side::Buy, 100, 2_000_000, Some(0));
        let long = book(long, Side::Buy, 101, 1_000_000, Some(0));
        let rounded = 9_666_666_670_000_000_000; // 9.66666667, where 9.666... would be exact
        let less = book(long, Side::Sell, 110, 1_000_000, Some(rounded));
        assert_eq!(less.realised, Amount(rounded));
        assert_eq!(less.cost, Amount(301 * E18 - 110 * E18 + rounded));
        let rest = 19_333_333_330_000_000_000;
        let none = book(less, Side::Sell, 110, 2_000_000, Some(rest));
        assert_eq!((none.qty, none.cost), (Amount::ZERO, Amount::ZERO));
        assert_eq!(none.realised, Amount(29 * E18), "330 less 301");
        let turned = book(less, Side::Sell, 110, 3_000_000, Some(rest));
        assert_eq!((turned.qty, turned.cost), (Amount(-E18), Amount(-110 * E18)));
        assert_eq!(turned.realised, Amount(29 * E18));
        let unknown = book(Position::default(), Side::Sell, 110, 1_000_000, Some(5 * E18));
        assert_eq!(unknown.realised, Amount(5 * E18), "it closed what we did not know of");
        let spot = Fill { realised: Some(Amount(7)), ..fill(100, 1_000_000, 0, AssetId::NONE) };
        let spot = Position::default().after(&instrument(), Side::Buy, &spot).unwrap();
        assert_eq!(spot.realised, Amount::ZERO);
    }

    #[test]
    fn a_round_trip_realises_the_difference() {
        let position = fold(&[
            (Side::Buy, fill(100, 2_000_000, 0, AssetId::NONE)),
            (Side::Sell, fill(110, 1_000_000, 0, AssetId::NONE)),
        ]);
        assert_eq!(position.qty, Amount(E18));
        assert_eq!(position.cost, Amount(100 * E18));
        assert_eq!(position.realised, Amount(10 * E18));
        assert_eq!((position.bought, position.sold), (Amount(200 * E18), Amount(110 * E18)));
        assert_eq!(position.fills, 2);
    }

    #[test]
    fn a_short_position_earns_when_the_price_falls() {
        let position = fold(&[
            (Side::Sell, fill(100, 2_000_000, 0, AssetId::NONE)),
            (Side::Buy, fill(90, 1_000_000, 0, AssetId::NONE)),
        ]);
        assert_eq!(position.qty, Amount(-E18));
        assert_eq!(position.cost, Amount(-100 * E18));
        assert_eq!(position.realised, Amount(10 * E18));
    }

    #[test]
    fn a_fill_through_zero_closes_at_its_price_and_opens_the_rest() {
        let position = fold(&[
            (Side::Buy, fill(100, 1_000_000, 0, AssetId::NONE)),
            (Side::Sell, fill(120, 3_000_000, 0, AssetId::NONE)),
        ]);
        assert_eq!(position.qty, Amount(-2 * E18));
        assert_eq!(position.cost, Amount(-240 * E18));
        assert_eq!(position.realised, Amount(20 * E18));
    }

    #[test]
    fn released_cost_is_cut_and_the_last_fill_takes_what_is_left() {
        // Cost 100 for 3 units: a third is 33.333.., cut at 18 decimals; two thirds likewise of the
        // rest; the last fill releases the remainder, so cost ends at zero exactly.
        let mut fills = vec![(Side::Buy, fill(100, 1, 0, AssetId::NONE))];
        fills.push((Side::Buy, fill(200, 2, 0, AssetId::NONE)));
        let open = fold(&fills);
        assert_eq!(open.cost, Amount(500 * E18 / 1_000_000));
        fills.push((Side::Sell, fill(300, 1, 0, AssetId::NONE)));
        let one = fold(&fills);
        let third = 500 * E18 / 1_000_000 / 3;
        assert_eq!(one.cost, Amount(500 * E18 / 1_000_000 - third));
        assert_eq!(one.realised, Amount(300 * E18 / 1_000_000 - third));
        fills.push((Side::Sell, fill(300, 2, 0, AssetId::NONE)));
        let flat = fold(&fills);
        assert_eq!((flat.qty, flat.cost), (Amount::ZERO, Amount::ZERO));
        assert_eq!(flat.realised, Amount(400 * E18 / 1_000_000));
    }

    #[test]
    fn a_fee_in_base_is_part_of_the_quantity() {
        // 0.1 % of 0.01 BTC at 60 000: 0.00001 BTC, worth 0.6.
        let fee = E18 / 100_000;
        let position = fold(&[(Side::Buy, fill(60_000, 10_000, fee, BTC))]);
        assert_eq!(position.qty, Amount(E18 / 100 - fee));
        // Cost of what arrived: 0.00999 x 60 000.
        assert_eq!(position.cost, Amount(599_400_000_000_000_000_000));
        assert_eq!(position.fees_value, Amount(600_000_000_000_000_000));
        assert_eq!(position.bought, Amount(600 * E18));
        // Sold with a fee in base too: the fee leaves on top of what was sold.
        let sold = fold(&[(Side::Sell, fill(60_000, 10_000, fee, BTC))]);
        assert_eq!(sold.qty, Amount(-(E18 / 100) - fee));
    }

    #[test]
    fn fees_in_quote_are_summed_and_others_counted() {
        let position = fold(&[
            (Side::Buy, fill(100, 1_000_000, E18 / 10, USDT)),
            (Side::Sell, fill(100, 500_000, -E18 / 100, USDT)),
            (Side::Sell, fill(100, 500_000, 77, BNB)),
            (Side::Sell, fill(100, 1, 0, BNB)),
        ]);
        assert_eq!(position.fees_value, Amount(9 * E18 / 100));
        assert_eq!(position.fees_unvalued, 1);
        assert_eq!(position.realised, Amount::ZERO);
    }

    #[test]
    fn a_fee_larger_than_the_fill_still_adds_up() {
        let position = fold(&[(Side::Buy, fill(100, 1_000_000, 2 * E18, BTC))]);
        assert_eq!((position.qty, position.cost), (Amount(-E18), Amount(-100 * E18)));
    }

    #[test]
    fn nonsense_is_refused_and_changes_nothing() {
        let table = {
            let mut table = InstrumentTable::default();
            table.add(instrument());
            table
        };
        let mut positions = Positions::new(&table);
        let instrument = table.get(InstrumentId(0)).unwrap();
        let mut nonsense = fill(1, 1, i128::MAX, BTC);
        nonsense.price = Price(i64::MAX);
        assert_eq!(positions.on_fill(instrument, Side::Buy, &nonsense), Err(Overflow));
        assert_eq!(positions.get(InstrumentId(0)), Position::default());
    }

    proptest! {
        /// Whatever the order of fills: cash spent = cost of what is held - profit taken.
        #[test]
        fn cash_is_conserved(
            fills in prop::collection::vec(
                (any::<bool>(), 1i64..200_000, 1i64..50_000_000, 0i128..E18), 1..60),
        ) {
            let instrument = instrument();
            let (mut position, mut cash) = (Position::default(), 0i128);
            for (buy, price, qty, fee) in fills {
                let side = if buy { Side::Buy } else { Side::Sell };
                // Multiples of 100 at two price decimals: every product is exact.
                let fill = fill(price, qty, fee / 100 * 100, BTC);
                position = position.after(&instrument, side, &fill).unwrap();
                let traded = instrument.scale.base_amount(fill.qty).0 * i128::from(side.sign());
                cash -= (traded - fill.fee.0) * i128::from(price);
                prop_assert_eq!(-cash, position.cost.0 - position.realised.0);
                prop_assert_eq!(position.qty.0.signum(), position.cost.0.signum());
            }
        }
    }
}

//! Profit and loss of a position at a mark price.

#![forbid(unsafe_code)]

use super::positions::{Overflow, Position};
use crate::types::{Amount, Price, Scale};

/// Profit and loss in quote units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pnl {
    /// Of what was closed, before fees.
    pub realised: Amount,
    /// Of what is held, at the mark price.
    pub unrealised: Amount,
    /// Fees, where they have a value in quote.
    pub fees: Amount,
    /// Funding received less paid.
    pub funding: Amount,
    /// Realised, unrealised and funding less fees. A fee in base has taken its cost out of the position
    /// together with its quantity, so it counts once, here.
    pub net: Amount,
}

/// Values a position at `mark`.
pub fn pnl(position: &Position, mark: Price, scale: Scale) -> Result<Pnl, Overflow> {
    let value = scale.value_of_base(mark, position.qty).ok_or(Overflow)?;
    let unrealised = value.checked_add(-position.cost).ok_or(Overflow)?;
    let gross = position.realised.checked_add(unrealised).ok_or(Overflow)?;
    let gross = gross.checked_add(position.funding).ok_or(Overflow)?;
    Ok(Pnl {
        funding: position.funding,
        realised: position.realised,
        unrealised,
        fees: position.fees_value,
        net: gross.checked_add(-position.fees_value).ok_or(Overflow)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{AssetId, Fill, Instrument, Qty, Side};

    const E18: i128 = 10i128.pow(18);

    #[test]
    fn net_profit_is_cash_and_holding_together() {
        let instrument = Instrument {
            base: AssetId(0),
            quote: AssetId(1),
            scale: Scale { price_decimals: 2, qty_decimals: 6 },
            ..Instrument::default()
        };
        // Buy 0.01 at 60 000, 0.1 % fee in base; sell 0.004 at 61 000, fee 0.244 in quote.
        let buy = Fill {
            price: Price(6_000_000),
            qty: Qty(10_000),
            fee: Amount(E18 / 100_000),
            fee_asset: AssetId(0),
            ..Fill::default()
        };
        let sell = Fill {
            price: Price(6_100_000),
            qty: Qty(4_000),
            fee: Amount(244 * E18 / 1_000),
            fee_asset: AssetId(1),
            ..Fill::default()
        };
        let position = Position::default().after(&instrument, Side::Buy, &buy).unwrap();
        let position = position.after(&instrument, Side::Sell, &sell).unwrap();
        let pnl = pnl(&position, Price(6_200_000), instrument.scale).unwrap();
        assert_eq!(pnl.realised, Amount(4 * E18));
        assert_eq!(pnl.unrealised, Amount(11_980 * E18 / 1_000));
        assert_eq!(pnl.fees, Amount(844 * E18 / 1_000));
        // Cash: -600 + 244 - 0.244; holding: 0.00599 x 62 000 = 371.38.
        assert_eq!(pnl.net, Amount(15_136 * E18 / 1_000));
    }

    #[test]
    fn a_mark_beyond_all_numbers_is_refused() {
        let position = Position { qty: Amount(i128::MAX), ..Position::default() };
        let scale = Scale { price_decimals: 2, qty_decimals: 6 };
        assert_eq!(pnl(&position, Price(2), scale), Err(Overflow));
    }
}

//! Balances as they must be after our fills, beside what the venue states.
//!
//! The first statement of a venue is taken as the opening balance, less what our fills had changed
//! by then; from there on every difference between the two is somebody's mistake, a deposit, or a
//! statement that is older than our last fill.

#![forbid(unsafe_code)]

use crate::types::{Amount, AssetBalance, AssetId, Fill, Instrument, Side, VenueId};
use serde::{Deserialize, Serialize};

/// One asset at one venue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedBalance {
    /// Balance before our first fill; `None` until the venue has stated one.
    pub opening: Option<Amount>,
    /// What our fills and their fees have changed.
    pub change: Amount,
    /// Fees paid in this asset, less rebates.
    pub fees: Amount,
    /// The venue's last statement.
    pub stated: Option<AssetBalance>,
}

impl ExpectedBalance {
    /// What the venue must hold for us, if it has ever said what we had.
    #[must_use]
    pub fn expected(&self) -> Option<Amount> {
        self.opening?.checked_add(self.change)
    }

    /// Stated less expected; zero while nothing is stated.
    #[must_use]
    pub fn difference(&self) -> Amount {
        match (self.stated, self.expected()) {
            (Some(stated), Some(expected)) => stated.total() - expected,
            _ => Amount::ZERO,
        }
    }
}

/// All assets of all venues.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Balances {
    assets: usize,
    rows: Vec<ExpectedBalance>,
}

impl Balances {
    /// Nothing known yet of so many venues and assets.
    #[must_use]
    pub fn new(venues: usize, assets: usize) -> Self {
        Self { assets, rows: vec![ExpectedBalance::default(); venues * assets] }
    }

    /// One asset at one venue.
    #[must_use]
    pub fn get(&self, venue: VenueId, asset: AssetId) -> ExpectedBalance {
        self.index(venue, asset).map(|index| self.rows[index]).unwrap_or_default()
    }

    /// All assets of a venue, in order of their numbers.
    #[must_use]
    pub fn of_venue(&self, venue: VenueId) -> &[ExpectedBalance] {
        let start = usize::from(venue.0) * self.assets;
        self.rows.get(start..start + self.assets).unwrap_or(&[])
    }

    /// The venue states a balance. False if venue or asset are not in the tables.
    pub fn on_balance(&mut self, balance: &AssetBalance) -> bool {
        let Some(index) = self.index(balance.venue, balance.asset) else { return false };
        let row = &mut self.rows[index];
        row.stated = Some(*balance);
        if row.opening.is_none() {
            row.opening = balance.total().checked_add(-row.change);
        }
        true
    }

    /// Takes the venue's last statement as what there is: the opening becomes what explains it.
    pub fn rebase(&mut self, venue: VenueId, asset: AssetId) {
        if let Some(index) = self.index(venue, asset) {
            let row = &mut self.rows[index];
            if let Some(stated) = row.stated {
                row.opening = stated.total().checked_add(-row.change);
            }
        }
    }

    /// One of our fills at `instrument.venue`, worth `value` in quote. Of a perpetual nothing
    /// changes hands but the profit that it realised.
    pub fn on_fill(
        &mut self,
        instrument: &Instrument,
        side: Side,
        fill: &Fill,
        (value, realised): (Amount, Amount),
    ) {
        let venue = instrument.venue;
        if instrument.is_perpetual() {
            self.change(venue, instrument.settle, realised, Amount::ZERO);
        } else {
            let base = instrument.scale.base_amount(fill.qty);
            let (base, quote) = match side {
                Side::Buy => (base, -value),
                Side::Sell => (-base, value),
            };
            self.change(venue, instrument.base, base, Amount::ZERO);
            self.change(venue, instrument.quote, quote, Amount::ZERO);
        }
        self.change(venue, fill.fee_asset, -fill.fee, fill.fee);
    }

    /// Funding was received, or paid if it is negative.
    pub fn on_funding(&mut self, venue: VenueId, asset: AssetId, amount: Amount) {
        self.change(venue, asset, amount, Amount::ZERO);
    }

    /// A venue has realised more profit than our fills by themselves, or less if it is negative.
    pub fn on_profit(&mut self, venue: VenueId, asset: AssetId, amount: Amount) {
        self.change(venue, asset, amount, Amount::ZERO);
    }

    /// The same over tables of another size, under the assets' new numbers; what has none is left
    /// out.
    #[must_use]
    pub fn moved(
        &self,
        venues: usize,
        assets: usize,
        to: impl Fn(AssetId) -> Option<AssetId>,
    ) -> Self {
        let mut next = Self::new(venues, assets);
        let width = self.assets.max(1);
        for (index, row) in self.rows.iter().enumerate() {
            let venue = VenueId((index / width) as u8);
            let place = to(AssetId((index % width) as u16))
                .and_then(|asset| Some((asset, next.index(venue, asset)?)));
            if let Some((asset, place)) = place {
                let stated = row.stated.map(|stated| AssetBalance { asset, ..stated });
                next.rows[place] = ExpectedBalance { stated, ..*row };
            }
        }
        next
    }

    fn change(&mut self, venue: VenueId, asset: AssetId, change: Amount, fee: Amount) {
        if let Some(index) = self.index(venue, asset) {
            let row = &mut self.rows[index];
            row.change = Amount(row.change.0.saturating_add(change.0));
            row.fees = Amount(row.fees.0.saturating_add(fee.0));
        }
    }

    fn index(&self, venue: VenueId, asset: AssetId) -> Option<usize> {
        let index = usize::from(venue.0) * self.assets + asset.index();
        (asset.index() < self.assets && index < self.rows.len()).then_some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Nanos, Price, Qty, Scale};

    const E18: i128 = 10i128.pow(18);
    const VENUE: VenueId = VenueId(1);
    const BTC: AssetId = AssetId(0);
    const USDT: AssetId = AssetId(1);

    fn statement(asset: AssetId, free: i128, locked: i128) -> AssetBalance {
        let (free, locked) = (Amount(free), Amount(locked));
        AssetBalance { venue: VENUE, asset, free, locked, event_ns: Nanos(0) }
    }

    fn buy(balances: &mut Balances) {
        let instrument = Instrument {
            venue: VENUE,
            base: BTC,
            quote: USDT,
            scale: Scale { price_decimals: 2, qty_decimals: 6 },
            ..Instrument::default()
        };
        let fill = Fill {
            price: Price(6_000_000),
            qty: Qty(10_000),
            fee: Amount(E18 / 100_000),
            fee_asset: BTC,
            ..Fill::default()
        };
        let value = instrument.scale.notional(fill.price, fill.qty).unwrap();
        balances.on_fill(&instrument, Side::Buy, &fill, (value, Amount::ZERO));
    }

    #[test]
    fn fills_and_fees_move_the_expected_balance() {
        let mut balances = Balances::new(2, 2);
        assert!(balances.on_balance(&statement(BTC, E18, 0)));
        assert!(balances.on_balance(&statement(USDT, 1_000 * E18, 10 * E18)));
        buy(&mut balances);
        let (btc, usdt) = (balances.get(VENUE, BTC), balances.get(VENUE, USDT));
        assert_eq!(btc.expected(), Some(Amount(E18 + E18 / 100 - E18 / 100_000)));
        assert_eq!(btc.fees, Amount(E18 / 100_000));
        assert_eq!(usdt.expected(), Some(Amount(410 * E18)));
        assert_eq!(usdt.difference(), Amount(600 * E18), "the statement is older than the fill");
        balances.on_balance(&statement(USDT, 410 * E18, 0));
        assert_eq!(balances.get(VENUE, USDT).difference(), Amount::ZERO);
        assert_eq!(balances.get(VenueId(0), BTC), ExpectedBalance::default());
        assert_eq!(balances.of_venue(VENUE).len(), 2);
    }

    #[test]
    fn an_opening_balance_stated_after_fills_is_reckoned_back() {
        let mut balances = Balances::new(2, 2);
        buy(&mut balances);
        balances.on_balance(&statement(USDT, 400 * E18, 0));
        assert_eq!(balances.get(VENUE, USDT).opening, Some(Amount(1_000 * E18)));
    }

    #[test]
    fn assets_outside_the_table_are_refused() {
        let mut balances = Balances::new(1, 2);
        assert!(!balances.on_balance(&statement(BTC, 1, 0)));
        let elsewhere = AssetBalance { venue: VenueId(0), ..statement(AssetId::NONE, 1, 0) };
        assert!(!balances.on_balance(&elsewhere));
    }
}

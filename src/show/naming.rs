//! Names of what the engine counts by numbers.

#![forbid(unsafe_code)]

use super::words;
use crate::oms::Replayed;
use crate::types::{
    Amount, AssetId, Instrument, InstrumentId, InstrumentTable, Price, Qty, StrategyId, VenueId,
};
use crate::venues::VENUES;

/// The names of one run.
#[derive(Clone, Copy, Debug)]
pub struct Naming<'a> {
    /// Instruments and assets.
    pub table: &'a InstrumentTable,
    /// Strategies by number.
    pub strategies: &'a [String],
}

impl<'a> Naming<'a> {
    /// Those of the run that a state belongs to.
    #[must_use]
    pub fn of(state: &'a Replayed) -> Self {
        Self { table: state.instruments(), strategies: &state.options().strategies }
    }

    /// `binance`
    #[must_use]
    pub fn venue(&self, venue: VenueId) -> String {
        venue_name(venue)
    }

    /// `spread`; a person's orders are of `operator`, others' of nobody.
    #[must_use]
    pub fn strategy(&self, strategy: StrategyId) -> String {
        match strategy {
            StrategyId::OPERATOR => "operator".to_owned(),
            StrategyId::EXTERNAL => String::new(),
            StrategyId(number) => {
                let known = self.strategies.get(usize::from(number));
                known.cloned().unwrap_or_else(|| format!("strategy {number}"))
            }
        }
    }

    /// `BTC/USDT@binance`
    #[must_use]
    pub fn instrument(&self, id: InstrumentId) -> String {
        let row = self.table.get(id);
        row.map_or_else(|| format!("instrument {}", id.0), |row| row.name.clone())
    }

    /// `USDT`
    #[must_use]
    pub fn asset(&self, asset: AssetId) -> String {
        self.table.assets.name(asset).to_owned()
    }

    /// A price of an instrument, exact; empty for none.
    #[must_use]
    pub fn price(&self, id: InstrumentId, price: Price) -> String {
        match self.table.get(id) {
            Some(row) if price != Price(0) => words::price(row, price),
            _ => String::new(),
        }
    }

    /// A quantity of an instrument, exact.
    #[must_use]
    pub fn qty(&self, id: InstrumentId, qty: Qty) -> String {
        self.table.get(id).map(|row| words::qty(row, qty)).unwrap_or_default()
    }

    /// Price times quantity, quote units; `None` where there is none.
    #[must_use]
    pub fn value(&self, id: InstrumentId, price: Price, qty: Qty) -> Option<Amount> {
        self.table.get(id)?.scale.notional(price, qty)
    }

    /// The instrument itself.
    #[must_use]
    pub fn row(&self, id: InstrumentId) -> Option<&'a Instrument> {
        self.table.get(id)
    }
}

/// `binance`
#[must_use]
pub fn venue_name(venue: VenueId) -> String {
    let row = VENUES.get(usize::from(venue.0));
    row.map_or_else(|| format!("venue {}", venue.0), |row| row.name.to_owned())
}

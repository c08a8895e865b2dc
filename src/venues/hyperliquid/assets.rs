//! The numbers of our instruments in actions, read from the venue's lists again and again: they
//! differ between networks and are nowhere in market data.

#![forbid(unsafe_code)]

use super::super::{DecodeError, SymbolMap, Value};
use super::instruments;
use super::is_perpetual;
use crate::types::{AssetId, Instrument, InstrumentId, InstrumentTable, Scale, VenueId};
use std::sync::Arc;

/// What an action needs to know of an instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asset {
    pub(super) id: u32,
    pub(super) is_perpetual: bool,
    /// What works can still be cancelled, but nothing new be placed.
    pub(super) is_delisted: bool,
    pub(super) scale: Scale,
    pub(super) size_decimals: u8,
    /// Most decimals of a price, beside the rule of five figures.
    pub(super) price_decimals: u8,
}

/// All of ours.
pub(super) struct Assets {
    pub(super) venue: VenueId,
    pub(super) instruments: Arc<InstrumentTable>,
    symbols: SymbolMap,
    /// By instrument.
    rows: Vec<Option<Asset>>,
}

impl Assets {
    pub(super) fn new(venue: VenueId, instruments: &Arc<InstrumentTable>) -> Self {
        Self {
            venue,
            instruments: Arc::clone(instruments),
            symbols: SymbolMap::new(instruments, venue),
            rows: vec![None; instruments.len()],
        }
    }

    /// The instrument with this coin.
    pub(super) fn find(&self, coin: &str) -> Result<&Instrument, DecodeError> {
        let id = self.symbols.find(coin)?;
        self.instruments.get(id).ok_or(DecodeError::UnknownSymbol)
    }

    /// One of the venue's instruments.
    pub(super) fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.instruments.get(id).filter(|instrument| instrument.venue == self.venue)
    }

    /// Its number, once it is known.
    pub(super) fn asset(&self, id: InstrumentId) -> Option<&Asset> {
        self.rows.get(id.index())?.as_ref()
    }

    /// Whether there is any instrument of this kind.
    pub(super) fn has(&self, perpetual: bool) -> bool {
        self.instruments
            .of_venue(self.venue)
            .any(|instrument| is_perpetual(&instrument.symbol) == perpetual)
    }

    /// Whether one of the pairs is traded in it or paid with it.
    pub(super) fn in_spot(&self, asset: AssetId) -> bool {
        let mut pairs = self.instruments.of_venue(self.venue).filter(|pair| !pair.is_perpetual());
        pairs.any(|pair| [pair.base, pair.quote].contains(&asset))
    }

    /// Reads a list of either kind: what is not in it cannot be traded.
    pub(super) fn learn(&mut self, root: Value<'_>) -> Result<(), DecodeError> {
        let perpetual = root.get("tokens").is_none();
        let mut rows = vec![None; self.rows.len()];
        instruments::each(root, |listed| {
            let Ok(id) = self.symbols.find(listed.symbol) else { return };
            let Some(instrument) = self.instruments.get(id) else { return };
            rows[id.index()] = Some(Asset {
                id: listed.asset,
                is_perpetual: perpetual,
                is_delisted: !listed.trading,
                scale: instrument.scale,
                size_decimals: listed.size_decimals,
                price_decimals: listed.price_decimals,
            });
        })?;
        for instrument in self.instruments.of_venue(self.venue) {
            if is_perpetual(&instrument.symbol) == perpetual {
                self.rows[instrument.id.index()] = rows[instrument.id.index()];
            }
        }
        Ok(())
    }
}

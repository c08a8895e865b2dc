//! What rows of one account are read against.

#![forbid(unsafe_code)]

use super::super::fields::{Field, text};
use super::super::{DecodeError, EncodeError, SymbolMap};
use crate::types::{Instrument, InstrumentId, InstrumentKind, InstrumentTable, VenueId};
use std::sync::Arc;

/// See the module.
pub(in crate::venues) struct Names {
    pub(in crate::venues) venue: VenueId,
    pub(in crate::venues) instruments: Arc<InstrumentTable>,
    symbols: SymbolMap,
}

impl Names {
    pub(in crate::venues) fn new(venue: VenueId, instruments: &Arc<InstrumentTable>) -> Self {
        let symbols = SymbolMap::new(instruments, venue);
        Self { venue, instruments: Arc::clone(instruments), symbols }
    }

    /// The instrument that a row names in this member.
    pub(in crate::venues) fn of_row(
        &self,
        symbol: Field<'_>,
        name: &'static str,
    ) -> Result<&Instrument, DecodeError> {
        let id = self.symbols.find(text(symbol, name)?)?;
        self.instruments.get(id).ok_or(DecodeError::UnknownSymbol)
    }

    /// The same where only kind and symbol together name one.
    pub(in crate::venues) fn of_kind(
        &self,
        kind: InstrumentKind,
        symbol: Field<'_>,
        name: &'static str,
    ) -> Result<&Instrument, DecodeError> {
        let id = self.symbols.find_of(kind, text(symbol, name)?)?;
        self.instruments.get(id).ok_or(DecodeError::UnknownSymbol)
    }

    /// The instrument with this symbol, if it is one of ours.
    pub(in crate::venues) fn find(&self, symbol: &str) -> Option<&Instrument> {
        self.symbols.find(symbol).ok().and_then(|id| self.instruments.get(id))
    }

    /// The instrument of a command.
    pub(in crate::venues) fn of_command(
        &self,
        id: InstrumentId,
    ) -> Result<&Instrument, EncodeError> {
        let of_venue = |instrument: &&Instrument| instrument.venue == self.venue;
        self.instruments.get(id).filter(of_venue).ok_or(EncodeError::UnknownInstrument)
    }
}

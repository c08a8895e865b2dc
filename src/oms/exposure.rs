//! What we hold and what our working orders may still make of it, per underlying over all venues
//! and per instrument. All quantities in base units.

#![forbid(unsafe_code)]

use crate::types::{Amount, AssetId, Instrument, InstrumentId, InstrumentTable, Qty, Side};
use serde::{Deserialize, Serialize};

/// Exposure of one underlying or instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposure {
    /// Held now, signed.
    pub position: Amount,
    /// What working buys may still add.
    pub buying: Amount,
    /// What working sells may still take.
    pub selling: Amount,
}

impl Exposure {
    /// Largest position if all buys fill and no sell does, with `extra` more of them.
    #[must_use]
    pub fn longest(&self, extra: Amount) -> Option<Amount> {
        self.position.checked_add(self.buying)?.checked_add(extra)
    }

    /// Smallest position if all sells fill and no buy does, with `extra` more of them.
    #[must_use]
    pub fn shortest(&self, extra: Amount) -> Option<Amount> {
        self.position.checked_add(-self.selling)?.checked_add(-extra)
    }

    /// Largest position to either side that what is held and all working orders may make: what limits
    /// of positions are held against.
    #[must_use]
    pub fn reach(&self) -> Amount {
        let long = self.position.0.saturating_add(self.buying.0);
        let short = self.position.0.saturating_sub(self.selling.0);
        Amount(long.max(short.saturating_neg()).max(0))
    }

    /// How far the position may go to this side, beyond zero, with `extra` more of its orders; negative
    /// while they only take the other side back.
    fn end(&self, side: Side, extra: Amount) -> Option<Amount> {
        match side {
            Side::Buy => self.longest(extra),
            Side::Sell => self.shortest(extra).map(|end| -end),
        }
    }

    /// What `extra` more orders of this side may add at worst to a position on it: what only takes
    /// the other side back adds nothing.
    #[must_use]
    pub fn growth(&self, side: Side, extra: Amount) -> Option<Amount> {
        let (before, after) = (self.end(side, Amount::ZERO)?, self.end(side, extra)?);
        let added = after.max(Amount::ZERO) - before.max(Amount::ZERO);
        Some(added.max(Amount::ZERO))
    }

    /// Whether all orders of this side, and `extra` more, only take the other side back.
    #[must_use]
    pub fn only_reduces(&self, side: Side, extra: Amount) -> bool {
        self.end(side, extra).is_some_and(|end| end <= Amount::ZERO)
    }

    fn working(&mut self, side: Side) -> &mut Amount {
        match side {
            Side::Buy => &mut self.buying,
            Side::Sell => &mut self.selling,
        }
    }
}

/// All exposures.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exposures {
    underlyings: Vec<Exposure>,
    instruments: Vec<Exposure>,
}

impl Exposures {
    /// None in any of these instruments.
    #[must_use]
    pub fn new(table: &InstrumentTable) -> Self {
        Self {
            underlyings: vec![Exposure::default(); table.assets.len()],
            instruments: vec![Exposure::default(); table.len()],
        }
    }

    /// Exposure of an underlying over all venues.
    #[must_use]
    pub fn underlying(&self, base: AssetId) -> Exposure {
        self.underlyings.get(base.index()).copied().unwrap_or_default()
    }

    /// Exposure of one instrument.
    #[must_use]
    pub fn instrument(&self, id: InstrumentId) -> Exposure {
        self.instruments.get(id.index()).copied().unwrap_or_default()
    }

    /// A working order changes what is reserved for it.
    pub(super) fn reserve(&mut self, instrument: &Instrument, side: Side, from: Qty, to: Qty) {
        let scale = instrument.scale;
        let change = Amount(scale.base_amount(to).0 - scale.base_amount(from).0);
        self.rows(instrument, |row| {
            let working = row.working(side);
            *working = Amount(working.0.saturating_add(change.0));
        });
    }

    /// A fill changed the position.
    pub(super) fn hold(&mut self, instrument: &Instrument, change: Amount) {
        self.rows(instrument, |row| {
            row.position = Amount(row.position.0.saturating_add(change.0));
        });
    }

    fn rows(&mut self, instrument: &Instrument, mut change: impl FnMut(&mut Exposure)) {
        if let Some(row) = self.underlyings.get_mut(instrument.base.index()) {
            change(row);
        }
        if let Some(row) = self.instruments.get_mut(instrument.id.index()) {
            change(row);
        }
    }
}

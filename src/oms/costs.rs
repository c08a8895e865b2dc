//! Profit that a venue has realised and our fills leave in a position, or the reverse.
//!
//! What the fills of a perpetual realise depends on their order, and a fill that was learnt late is
//! booked behind those that came after it. Whatever the order, what is realised less the cost of what
//! is held is the same: all that was received less all that was paid. So where the quantities agree,
//! and a wallet is off by just what the venue's costs are off by, nothing is missing: the profit is
//! moved, and costs and wallet are then the venue's. Anything else stays a difference.

#![forbid(unsafe_code)]

use super::differences::Difference;
use super::record::Recorder;
use super::{Books, Oms};
use crate::portfolio::Position;
use crate::types::{Amount, AssetId, InstrumentId, Nanos, VenueId};

/// Venues round their price of entry: a cost made of it may be off by one part in so many.
const ENTRY_PARTS: u128 = 1_000_000;

/// How far a venue's costs are from ours, of all positions that settle in one asset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Shift {
    /// The venue's less ours, quote units, where rounding does not explain it.
    off: Vec<(InstrumentId, Amount)>,
    /// What rounding can have made of their sum.
    rounding: u128,
}

impl Shift {
    fn add(&mut self, instrument: InstrumentId, (stated, cost): (Amount, Amount)) {
        let off = Amount(stated.0.saturating_sub(cost.0));
        let rounding = stated.0.unsigned_abs() / ENTRY_PARTS + 1;
        self.rounding = self.rounding.saturating_add(rounding);
        if off.0.unsigned_abs() > rounding {
            self.off.push((instrument, off));
        }
    }

    fn sum(&self) -> i128 {
        self.off.iter().fold(0, |sum, (_, off)| sum.saturating_add(off.0))
    }

    /// Makes the sum what a wallet is off by, if rounding is all that is between them; the position
    /// that is off most takes that.
    fn settle(mut self, difference: Amount) -> Option<Vec<(InstrumentId, Amount)>> {
        let rest = difference.0.checked_sub(self.sum())?;
        let most = self.off.iter_mut().max_by_key(|(_, off)| off.0.unsigned_abs())?;
        if rest.unsigned_abs() > self.rounding {
            return None;
        }
        most.1 = Amount(most.1.0.checked_add(rest)?);
        Some(self.off)
    }
}

impl<R: Recorder, B: Books> Oms<R, B> {
    /// Moves profit between positions and wallet where that explains all that a wallet is off by.
    pub(super) fn move_profits(&mut self, venue: VenueId, dust: i128, now: Nanos) {
        for index in 0..self.instruments.assets.len() {
            let asset = AssetId(index as u16);
            let difference = self.state.balances.get(venue, asset).difference();
            if difference.0.saturating_abs() <= dust {
                continue;
            }
            let shift = self.shift(venue, asset);
            for (instrument, amount) in
                shift.and_then(|s| s.settle(difference)).into_iter().flatten()
            {
                self.move_profit(venue, asset, (instrument, amount), now);
            }
        }
    }

    /// How far the venue's costs are from ours; `None` where a quantity differs or no price of entry
    /// is stated.
    fn shift(&self, venue: VenueId, asset: AssetId) -> Option<Shift> {
        let mut shift = Shift::default();
        let settling = (self.instruments.of_venue(venue))
            .filter(|instrument| instrument.is_perpetual() && instrument.settle == asset);
        for instrument in settling {
            let ours = self.state.positions.get(instrument.id);
            if self.stated_position(instrument.id).qty != ours.qty {
                return None;
            }
            if ours.qty != Amount::ZERO {
                shift.add(instrument.id, (self.stated_cost(instrument.id)?, ours.cost));
            }
        }
        Some(shift)
    }

    /// Signed cost of a position as the venue states it; `None` without its price of entry.
    fn stated_cost(&self, id: InstrumentId) -> Option<Amount> {
        let stated = self.stated_position(id);
        let held = Position::default().entered(stated.qty, stated.entry).ok()?;
        (stated.entry > Amount::ZERO).then_some(held.cost)
    }

    fn move_profit(
        &mut self,
        venue: VenueId,
        asset: AssetId,
        (instrument, amount): (InstrumentId, Amount),
        now: Nanos,
    ) {
        match self.state.positions.get(instrument).settled(amount) {
            Ok(position) => self.state.positions.set(instrument, position),
            // Nothing may be built on what is beyond all numbers.
            Err(_) => return self.halt(now),
        }
        self.state.balances.on_profit(venue, asset, amount);
        self.found(venue, Difference::ProfitMoved { instrument, amount }, now);
        self.look_at_losses(now);
    }
}

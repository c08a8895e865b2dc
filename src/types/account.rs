//! Balances and fee rates of an account at a venue.

use super::{Amount, AssetId, InstrumentId, Nanos, Ppb, VenueId};
use serde::{Deserialize, Serialize};

/// The balance of one asset at one venue, absolute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetBalance {
    /// Where.
    pub venue: VenueId,
    /// What.
    pub asset: AssetId,
    /// Free to trade.
    pub free: Amount,
    /// Locked by working orders.
    pub locked: Amount,
    /// Venue's time of the statement, 0 if it sends none.
    pub event_ns: Nanos,
}

impl AssetBalance {
    /// Free and locked together.
    #[must_use]
    pub fn total(&self) -> Amount {
        self.free + self.locked
    }
}

/// The account's fee rates on one instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeeRate {
    /// Whose rates.
    pub instrument: InstrumentId,
    /// Rate when resting; negative is a rebate.
    pub maker: Ppb,
    /// Rate when crossing.
    pub taker: Ppb,
}

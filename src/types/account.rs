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

/// What collateral a position stands on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum MarginMode {
    /// The whole account's.
    #[default]
    Cross = 0,
    /// What was set aside for this position alone.
    Isolated = 1,
}

impl MarginMode {
    /// From a byte of shared memory or a journal.
    #[must_use]
    pub fn from_u8(byte: u8) -> Option<Self> {
        const ALL: [MarginMode; 2] = [MarginMode::Cross, MarginMode::Isolated];
        ALL.get(usize::from(byte)).copied()
    }
}

/// A position in a perpetual as the venue states it. Venues differ in what they say: 0 stands for
/// what this one does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionReport {
    /// In what.
    pub instrument: InstrumentId,
    /// Base units; negative for a short position, 0 for none.
    pub qty: Amount,
    /// Average price of entry: quote units for one base unit.
    pub entry: Amount,
    /// Price at which the venue takes the position from us; 0 if there is none.
    pub liquidation: Amount,
    /// Collateral bound in the position, settle asset.
    pub margin: Amount,
    /// Profit at the mark price that is not in the balance, settle asset.
    pub unrealised: Amount,
    /// Value of the position over its initial margin, in 1e-18: 5 is five times.
    pub leverage: Amount,
    /// What collateral it stands on.
    pub mode: MarginMode,
    /// Venue's time of the statement, 0 if it sends none.
    pub event_ns: Nanos,
}

/// Funding that was paid or received for one position at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FundingPayment {
    /// For a position in what.
    pub instrument: InstrumentId,
    /// In which asset.
    pub asset: AssetId,
    /// Received; negative if it was paid.
    pub amount: Amount,
    /// Names the payment among those of its instrument, the same however it is told of: the venue's
    /// number of it, or its time in milliseconds.
    pub id: u64,
    /// Venue's time of the payment.
    pub event_ns: Nanos,
}

/// What an account has to trade perpetuals with, of one settle asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarginReport {
    /// Where.
    pub venue: VenueId,
    /// The settle asset; where all collateral counts together, the one in which the venue counts.
    pub asset: AssetId,
    /// Balance with the profit and loss of open positions.
    pub equity: Amount,
    /// Not bound by positions or orders: free for new ones.
    pub available: Amount,
    /// Bound by positions and orders.
    pub initial: Amount,
    /// Below this equity the venue takes positions from us.
    pub maintenance: Amount,
    /// Venue's time of the statement, 0 if it sends none.
    pub event_ns: Nanos,
}

//! Balances and fee rates of an account at a venue.

use super::{AMOUNT_DECIMALS, Amount, AssetId, InstrumentId, Nanos, Ppb, VenueId};
use serde::{Deserialize, Serialize};

const ONE: i128 = 10i128.pow(AMOUNT_DECIMALS);

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

/// What positions in perpetuals are to stand on; `None`: as the account has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarginSettings {
    /// Value of a position over its initial margin: a whole number from 1.
    pub leverage: Option<u8>,
    /// What collateral it stands on.
    pub mode: Option<MarginMode>,
}

impl MarginSettings {
    /// Whether anything is asked for.
    #[must_use]
    pub fn is_any(self) -> bool {
        self.leverage.is_some() || self.mode.is_some()
    }

    /// Whether this is what is asked for.
    #[must_use]
    pub fn agrees(self, leverage: Amount, mode: MarginMode) -> bool {
        self.agrees_times(leverage) && self.agrees_mode(mode)
    }

    /// The same of the leverage alone.
    #[must_use]
    pub fn agrees_times(self, leverage: Amount) -> bool {
        self.leverage.is_none_or(|wanted| Amount(i128::from(wanted) * ONE) == leverage)
    }

    /// The same of the margin mode alone.
    #[must_use]
    pub fn agrees_mode(self, mode: MarginMode) -> bool {
        self.mode.is_none_or(|wanted| wanted == mode)
    }

    /// Whether a statement of the venue says something else. A leverage of 0 is none stated: of no
    /// position at all a venue may say neither.
    #[must_use]
    pub fn differs_from(self, report: &PositionReport) -> bool {
        report.leverage > Amount::ZERO && !self.agrees(report.leverage, report.mode)
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

/// Funding that was paid or received for one position at one time, or profit of it that a venue moved
/// into the wallet while the position stayed.
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
    /// Profit that was not realised until then: from now on the position counts as entered at the
    /// price of that time.
    pub settles: bool,
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

//! What a strategy asks for: one or more legs that belong together.

use super::{InstrumentId, Nanos, Price, Qty, Side, TimeInForce};
use serde::{Deserialize, Serialize};

/// Most legs of one signal.
pub const LEGS_MAX: usize = 4;

/// Index of a strategy; also the part of a client order id that names it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[repr(transparent)]
pub struct StrategyId(pub u8);

impl StrategyId {
    /// Stands for the person at the engine: orders that close positions at a command. Strategies
    /// are numbered below it.
    pub const OPERATOR: Self = Self(63);

    /// Stands for nobody: orders that were placed by hand or by another program. No id of ours
    /// carries it.
    pub const EXTERNAL: Self = Self(64);
}

/// Number of a signal within its strategy, from 1; 0 means "none".
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[repr(transparent)]
pub struct SignalId(pub u64);

/// How a leg is priced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum LegPricing {
    /// Limit at the leg's price.
    #[default]
    Limit = 0,
    /// Market.
    Market = 1,
    /// Limit at the leg's price, refused if it would take.
    PostOnly = 2,
}

impl LegPricing {
    /// From a byte of shared memory or a journal.
    #[must_use]
    pub fn from_u8(byte: u8) -> Option<Self> {
        const ALL: [LegPricing; 3] = [LegPricing::Limit, LegPricing::Market, LegPricing::PostOnly];
        ALL.get(usize::from(byte)).copied()
    }
}

/// One order of a signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// What is traded.
    pub instrument: InstrumentId,
    /// Buy or sell.
    pub side: Side,
    /// Priced how.
    pub pricing: LegPricing,
    /// How long it works.
    pub time_in_force: TimeInForce,
    /// Limit price, a multiple of the tick size; 0 for market.
    pub price: Price,
    /// Quantity in base units.
    pub qty: Qty,
}

/// A request of one to [`LEGS_MAX`] legs, sent in parallel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// Its number within the strategy.
    pub id: SignalId,
    /// Who asks.
    pub strategy: StrategyId,
    /// How many of `legs` count.
    pub legs_len: u8,
    /// The legs.
    pub legs: [Leg; LEGS_MAX],
    /// When the last byte of the frame that the decision rests on was read.
    pub tick_ns: Nanos,
    /// When the book that the decision rests on was published.
    pub published_ns: Nanos,
    /// When the strategy had read that book.
    pub seen_ns: Nanos,
    /// When it emitted the signal.
    pub emitted_ns: Nanos,
}

impl Signal {
    /// The legs that count.
    #[must_use]
    pub fn legs(&self) -> &[Leg] {
        &self.legs[..usize::from(self.legs_len).min(LEGS_MAX)]
    }
}

//! What became of the legs of a signal that has a [`super::Contract`].

use super::{Amount, BreachAction, InstrumentId, LEGS_MAX, LegMode, Nanos, Ppb, Price, Qty, Side};
use super::{SignalId, StrategyId};
use serde::{Deserialize, Serialize};

/// Hedging orders stand in reports under the leg that they are for plus this ...
pub const HEDGE_LEG: u8 = 0x80;
/// ... and plus this where they trade what the leg is missing instead of trading it back.
pub const COMPLETING_LEG: u8 = 0x40;

/// Why hedging began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Breach {
    /// The naked quantity lasted too long.
    Time = 0,
    /// The naked quantity was too large.
    Qty = 1,
    /// A leg was refused, by its venue or by our own checks, while another had filled.
    Refused = 2,
}

impl Breach {
    /// All of them, by number.
    pub const ALL: [Self; 3] = [Self::Time, Self::Qty, Self::Refused];

    /// From a byte of shared memory.
    #[must_use]
    pub fn from_u8(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }

    /// In a word, for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        ["time", "quantity", "refused"][self as usize]
    }
}

/// How a pair ended.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[repr(u8)]
pub enum PairEnd {
    /// No leg filled.
    #[default]
    Nothing = 0,
    /// The legs' own fills balance, but for what is too small to be traded.
    Balanced = 1,
    /// The excess was traded back.
    Unwound = 2,
    /// What was missing was traded by hedging orders.
    Completed = 3,
    /// A naked quantity is left: see [`PairOutcome::left`].
    Held = 4,
}

impl PairEnd {
    /// All of them, by number.
    pub const ALL: [Self; 5] =
        [Self::Nothing, Self::Balanced, Self::Unwound, Self::Completed, Self::Held];

    /// From a byte of shared memory.
    #[must_use]
    pub fn from_u8(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }

    /// In a word, for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        ["nothing filled", "balanced", "unwound", "completed", "held"][self as usize]
    }
}

/// One leg at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairLeg {
    /// What was traded.
    pub instrument: InstrumentId,
    /// Buy or sell.
    pub side: Side,
    /// Intended price: the leg's limit, or for a market order what the book offered.
    pub price: Price,
    /// Intended quantity; in sequential mode as asked for, not as sized to the first leg.
    pub qty: Qty,
    /// Average price of its fills, rounded down; 0 without any.
    pub got_price: Price,
    /// Sum of its fills.
    pub got_qty: Qty,
    /// When it was handed over; 0 if it never was.
    pub sent_ns: Nanos,
    /// When its first fill was booked; 0 without any.
    pub first_fill_ns: Nanos,
    /// When its last fill was booked; 0 without any.
    pub last_fill_ns: Nanos,
}

/// The record of a pair that is done. A late fill may open it again; the record that follows then
/// stands for it and has a higher `revision`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairOutcome {
    /// Whose.
    pub strategy: StrategyId,
    /// Of which signal.
    pub signal: SignalId,
    /// 0, and one more each time the pair was opened again.
    pub revision: u8,
    /// How the legs were sent.
    pub mode: LegMode,
    /// How many of `legs` count.
    pub legs_len: u8,
    /// The legs.
    pub legs: [PairLeg; LEGS_MAX],
    /// From the first leg's first fill to that of the last leg that filled.
    pub skew_ns: u64,
    /// How long a quantity was naked.
    pub naked_ns: u64,
    /// The largest naked quantity, base units.
    pub naked_qty: Qty,
    /// What is naked at the end, signed: bought is positive. Zero, or too small to be traded,
    /// unless the pair was held.
    pub left: Qty,
    /// The bound that was passed, if one was.
    pub breach: Option<Breach>,
    /// What was done about it.
    pub action: Option<BreachAction>,
    /// From the breach to the proof that no leg works any more.
    pub proof_ns: u64,
    /// Whether a leg's outcome was not known during that time.
    pub was_unknown: bool,
    /// Hedging orders sent.
    pub hedges: u8,
    /// What they filled, base units.
    pub hedged: Qty,
    /// The oms' code of the last hedging order or later leg that it did not allow, 0 if none.
    pub risk: u8,
    /// How it ended.
    pub end: PairEnd,
    /// Fills of legs and hedges against the intended prices, and fees; positive is a loss.
    pub cost_value: Amount,
    /// The same relative to the intended value of the larger side that filled.
    pub cost: Ppb,
    /// The fees in it, in quote units.
    pub fees: Amount,
    /// A fee was taken in a third asset and is not counted.
    pub fees_elsewhere: bool,
    /// When the signal was acted on.
    pub opened_ns: Nanos,
    /// When the pair was done.
    pub ended_ns: Nanos,
}

impl PairOutcome {
    /// The legs that count.
    #[must_use]
    pub fn legs(&self) -> &[PairLeg] {
        &self.legs[..usize::from(self.legs_len).min(LEGS_MAX)]
    }
}

//! What a strategy asks for: one or more legs that belong together.

use super::{BookStamps, InstrumentId, Nanos, Ppb, Price, Qty, Side, TimeInForce};
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

    /// Numbers that a client order id has room for, the operator's among them.
    pub const COUNT: usize = 64;
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

/// In which order the legs of a signal are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum LegMode {
    /// All at once.
    #[default]
    Parallel = 0,
    /// The first alone; once it has ended the others, sized to what it filled, in proportion and
    /// rounded down to their lots. A leg that this makes smaller than its venue takes is not sent.
    Sequential = 1,
}

impl LegMode {
    /// From a byte of shared memory or a journal.
    #[must_use]
    pub fn from_u8(byte: u8) -> Option<Self> {
        const ALL: [LegMode; 2] = [LegMode::Parallel, LegMode::Sequential];
        ALL.get(usize::from(byte)).copied()
    }
}

/// What is done about a naked quantity that is too large or too old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum BreachAction {
    /// The excess is traded back where it was traded.
    #[default]
    Unwind = 0,
    /// What is missing is traded: on the missing leg's instrument, or on any other of the same
    /// underlying and quote, best price first; where that fails the excess is traded back.
    Complete = 1,
    /// Nothing; it is only recorded.
    Hold = 2,
}

impl BreachAction {
    /// From a byte of shared memory or a journal.
    #[must_use]
    pub fn from_u8(byte: u8) -> Option<Self> {
        const ALL: [BreachAction; 3] =
            [BreachAction::Unwind, BreachAction::Complete, BreachAction::Hold];
        ALL.get(usize::from(byte)).copied()
    }
}

/// What holds between the legs of a signal, which must share underlying and quote.
///
/// The naked quantity is what bought less sold is beyond what it would be with no leg filled and
/// with all of them filled: for legs of equal quantity, their difference. The default bounds
/// nothing: the legs are sent in parallel and left alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    /// In which order the legs are sent.
    pub mode: LegMode,
    /// A larger naked quantity is a breach at once; base units, 0: as large as the legs.
    pub naked_qty_max: Qty,
    /// A naked quantity that lasts longer is a breach; nanoseconds, 0: nothing is bounded. In
    /// sequential mode it bounds what the first leg fills while it works, and anew what the
    /// later ones leave.
    pub naked_time_max_ns: u64,
    /// What is done then.
    pub on_breach: BreachAction,
    /// How far through the book hedging orders may go; the price collar bounds it too.
    pub slippage_max: Ppb,
}

impl Contract {
    /// Whether anything is bounded.
    #[must_use]
    pub fn is_enforced(&self) -> bool {
        self.naked_time_max_ns > 0
    }

    /// Whether the legs of the signal have to be followed.
    #[must_use]
    pub fn is_followed(&self) -> bool {
        self.is_enforced() || self.mode == LegMode::Sequential
    }
}

/// A request of one to [`LEGS_MAX`] legs, sent in parallel unless its contract says otherwise.
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
    /// What holds between the legs.
    pub contract: Contract,
    /// When the last byte of the frame that the decision rests on was read.
    pub tick_ns: Nanos,
    /// When the book that the decision rests on was published.
    pub published_ns: Nanos,
    /// When the strategy had read that book.
    pub seen_ns: Nanos,
    /// When it emitted the signal.
    pub emitted_ns: Nanos,
    /// What else is known of that book's way; for measuring only, never on record.
    #[serde(skip)]
    pub book: BookStamps,
}

impl Signal {
    /// The legs that count.
    #[must_use]
    pub fn legs(&self) -> &[Leg] {
        &self.legs[..usize::from(self.legs_len).min(LEGS_MAX)]
    }
}

//! Deliberate faults of the engine, one at a time and off by default, to prove that the simulation's
//! checks notice each of them. They exist only with the feature `mutants`, which no release has;
//! without it [`Mutant::is_on`] is a constant and nothing of this is left in the program.

#![forbid(unsafe_code)]

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// An order whose reply did not come is sent once more.
    RetriedSubmit,
    /// A fill that is reported again is booked again.
    FillTwice,
    /// An order of unknown outcome holds no exposure.
    UnknownFreed,
    /// A book goes on after a gap.
    GapIgnored,
    /// Cancels wait behind everything else.
    CancelsWithoutReserve,
    /// Orders are sent before their position limit is looked at.
    LimitUnchecked,
    /// What waited for a snapshot is dropped when it comes.
    BufferDropped,
    /// A fill of an order that has ended is not booked.
    LateFillIgnored,
    /// The newest word on how much is filled counts, even if it is less.
    CumulativeBackwards,
    /// Orders are sent on books that are not live.
    StaleBookTraded,
    /// What a person has paused goes on.
    PauseIgnored,
    /// A leg that stays alone is left alone.
    NakedLeft,
    /// A payment of funding that is told of again is booked again.
    FundingTwice,
    /// What a fill has realised is not in the balance.
    ProfitDropped,
    /// A fill of no order of ours, as of a liquidation, is not booked.
    LiquidationIgnored,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::RetriedSubmit,
        Self::FillTwice,
        Self::UnknownFreed,
        Self::GapIgnored,
        Self::CancelsWithoutReserve,
        Self::LimitUnchecked,
        Self::BufferDropped,
        Self::LateFillIgnored,
        Self::CumulativeBackwards,
        Self::StaleBookTraded,
        Self::PauseIgnored,
        Self::NakedLeft,
        Self::FundingTwice,
        Self::ProfitDropped,
        Self::LiquidationIgnored,
    ];

    /// Whether the engines of this thread have this fault.
    #[inline(always)]
    #[must_use]
    pub fn is_on(self) -> bool {
        #[cfg(feature = "mutants")]
        return ACTIVE.get() == Some(self);
        #[cfg(not(feature = "mutants"))]
        return false;
    }
}

#[cfg(feature = "mutants")]
thread_local! {
    static ACTIVE: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// Gives the engines of this thread a fault, or none.
#[cfg(feature = "mutants")]
pub fn turn_on(mutant: Option<Mutant>) {
    ACTIVE.set(mutant);
}

//! What a person tells the engine while it runs, and what may be traded as a consequence.

use super::{Amount, AssetId, InstrumentId, ParamChange, StrategyId, VenueId, signal_name};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What may be traded. Ordered: a later one allows less.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[repr(u8)]
pub enum TradingState {
    /// Everything within the limits.
    #[default]
    Active = 0,
    /// Only orders that make a position smaller.
    ReduceOnly = 1,
    /// Nothing new.
    Halted = 2,
}

impl TradingState {
    /// From a byte of a journal.
    #[must_use]
    pub fn from_u8(byte: u8) -> Option<Self> {
        const ALL: [TradingState; 3] =
            [TradingState::Active, TradingState::ReduceOnly, TradingState::Halted];
        ALL.get(usize::from(byte)).copied()
    }
}

impl fmt::Display for TradingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::ReduceOnly => "reduce-only",
            Self::Halted => "halted",
        })
    }
}

/// A limit on losses that leaves only reducing orders allowed once it is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum LossSwitch {
    /// Lost since 00:00 UTC.
    DailyLoss = 1,
    /// Lost since the highest profit.
    Drawdown = 2,
}

impl LossSwitch {
    /// From its number; `None` for 0 too, which stands for no switch.
    #[must_use]
    pub fn from_u8(number: u8) -> Option<Self> {
        [Self::DailyLoss, Self::Drawdown].into_iter().find(|switch| *switch as u8 == number)
    }
}

impl fmt::Display for LossSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DailyLoss => "daily-loss",
            Self::Drawdown => "drawdown",
        })
    }
}

/// The orders and positions that a command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// All of them.
    Engine,
    /// Those at one venue.
    Venue(VenueId),
    /// Those of one strategy.
    Strategy(StrategyId),
}

impl Scope {
    /// Whether something of `strategy` at `venue` belongs to it.
    #[must_use]
    pub fn holds(self, venue: VenueId, strategy: StrategyId) -> bool {
        match self {
            Self::Engine => true,
            Self::Venue(own) => own == venue,
            Self::Strategy(own) => own == strategy,
        }
    }
}

/// A limit of `[limits]` or of a `[[strategy]]`; its value is given in the unit that its name in `engine.toml` has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LimitKey {
    /// Value of one order, quote units.
    OrderNotionalMax,
    /// Position of one underlying over all venues, base units.
    PositionMax(AssetId),
    /// How far a price may be through the book, basis points.
    PriceCollarBps,
    /// Oldest book that may be traded on, milliseconds.
    BookAgeMaxMs,
    /// New orders a second.
    OrdersPerSecondMax,
    /// Orders open at once.
    OrdersOpenMax,
    /// Loss of a day, quote units.
    DailyLossMax,
    /// Loss since the highest profit, quote units.
    DrawdownMax,
    /// Position of one instrument, base units.
    InstrumentPositionMax(InstrumentId),
    /// New orders of one strategy a second.
    StrategyOrdersPerSecondMax(StrategyId),
    /// Orders of one strategy open at once.
    StrategyOrdersOpenMax(StrategyId),
    /// Capital of one strategy at one venue, quote units.
    Budget(StrategyId, VenueId),
    /// How long an order or a change may wait here before it leaves, milliseconds.
    OrderWaitMaxMs,
}

impl LimitKey {
    /// Those that are about no single underlying, instrument or strategy.
    pub const PLAIN: [Self; 8] = [
        Self::OrderNotionalMax,
        Self::PriceCollarBps,
        Self::BookAgeMaxMs,
        Self::OrderWaitMaxMs,
        Self::OrdersPerSecondMax,
        Self::OrdersOpenMax,
        Self::DailyLossMax,
        Self::DrawdownMax,
    ];

    /// Its key in `engine.toml`; without what it is about.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OrderNotionalMax => "order_notional_max",
            Self::PositionMax(_) => "position_max",
            Self::PriceCollarBps => "price_collar_bps",
            Self::BookAgeMaxMs => "book_age_max_ms",
            Self::OrderWaitMaxMs => "order_wait_max_ms",
            Self::OrdersPerSecondMax | Self::StrategyOrdersPerSecondMax(_) => {
                "orders_per_second_max"
            }
            Self::OrdersOpenMax | Self::StrategyOrdersOpenMax(_) => "orders_open_max",
            Self::DailyLossMax => "daily_loss_max",
            Self::DrawdownMax => "drawdown_max",
            Self::InstrumentPositionMax(_) => "instrument_position_max",
            Self::Budget(..) => "budget",
        }
    }
}

/// A command of a person, or of what stands in for one (kill file, watchdog).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    /// For the rest of the run no new orders; everything is cancelled and confirmed.
    Stop,
    /// Every order of the scope is cancelled, again and again until it has ended.
    CancelAll(Scope),
    /// The scope is halted, its orders are cancelled, its positions closed.
    Flatten(Scope),
    /// What may be traded in the scope from now on.
    SetState(Scope, TradingState),
    /// Orders, fills and balances are compared with the venue's, of one venue or of all.
    Reconcile(Option<VenueId>),
    /// A limit is changed until the end of the run; value in the unit of its name.
    SetLimit(LimitKey, Amount),
    /// A venue's balances are taken as they are: the difference that halted it is no fault.
    Accept(VenueId),
    /// A parameter of a strategy is changed until the end of the run.
    SetParam(ParamChange),
    /// A limit holds no more until the end of the run.
    UnsetLimit(LimitKey),
}

/// Who tells the engine something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Teller {
    /// A person at the control socket, as the kernel knows them.
    Person {
        /// User.
        uid: u32,
        /// Process.
        pid: u32,
    },
    /// The watch over strategies: one is silent, or its process has died.
    Watchdog,
    /// The configuration: `after_restart = "resume"`.
    AfterRestart,
    /// The end of the run, where nobody began it: its time is up, or the engine found a reason.
    End,
    /// The kill file.
    KillFile {
        /// User whose file it is.
        uid: u32,
    },
    /// A signal to the process of the engine.
    Signal {
        /// Which.
        number: i32,
        /// User and process that sent it; nobody where it came of a key at its terminal, or of the
        /// terminal's end.
        from: Option<(u32, u32)>,
    },
}

impl fmt::Display for Teller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person { uid, pid } => write!(f, "user {uid}, process {pid}"),
            Self::Watchdog => f.write_str("watchdog"),
            Self::AfterRestart => f.write_str("after_restart"),
            Self::End => f.write_str("end of the run"),
            Self::KillFile { uid } => write!(f, "kill file of user {uid}"),
            Self::Signal { number, from } => {
                match signal_name(*number) {
                    Some(name) => f.write_str(name)?,
                    None => write!(f, "signal {number}")?,
                }
                match from {
                    Some((uid, pid)) => write!(f, " of user {uid}, process {pid}"),
                    None => f.write_str(" from its terminal"),
                }
            }
        }
    }
}

impl Operator {
    /// Who told it, where it says so itself.
    #[must_use]
    pub fn teller(&self) -> Option<Teller> {
        match self {
            Self::SetParam(change) => {
                Some(Teller::Person { uid: change.by_uid, pid: change.by_pid })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_holds_what_is_its_own() {
        let (venue, strategy) = (VenueId(1), StrategyId(2));
        assert!(Scope::Engine.holds(venue, strategy));
        assert!(Scope::Venue(venue).holds(venue, StrategyId(9)));
        assert!(!Scope::Venue(VenueId(0)).holds(venue, strategy));
        assert!(Scope::Strategy(strategy).holds(VenueId(7), strategy));
        assert!(!Scope::Strategy(StrategyId(0)).holds(venue, strategy));
    }

    #[test]
    fn who_tells_is_said_as_far_as_it_is_known() {
        let cases = [
            (Teller::Person { uid: 7, pid: 9 }, "user 7, process 9"),
            (Teller::KillFile { uid: 7 }, "kill file of user 7"),
            (Teller::Signal { number: 15, from: Some((0, 1)) }, "SIGTERM of user 0, process 1"),
            (Teller::Signal { number: 2, from: None }, "SIGINT from its terminal"),
            (Teller::End, "end of the run"),
        ];
        for (teller, text) in cases {
            assert_eq!(teller.to_string(), text);
            let bytes = postcard::to_allocvec(&teller).unwrap();
            assert_eq!(postcard::from_bytes(&bytes), Ok(teller), "in a journal");
        }
    }

    #[test]
    fn the_stricter_state_is_the_greater() {
        assert!(TradingState::Active < TradingState::ReduceOnly);
        assert!(TradingState::ReduceOnly < TradingState::Halted);
        for state in [TradingState::Active, TradingState::ReduceOnly, TradingState::Halted] {
            assert_eq!(TradingState::from_u8(state as u8), Some(state));
        }
        assert_eq!(TradingState::from_u8(3), None);
    }
}

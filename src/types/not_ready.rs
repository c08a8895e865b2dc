//! Why a venue gets no new orders.

use super::{Channel, Nanos, TradingState};
use std::fmt;

/// Why a venue gets no new orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotReady {
    /// A person has to decide on a balance or position that nothing explains.
    Halted,
    /// Until then by the venue's own word.
    Suspended(Nanos),
    /// This channel is not ready; `None`: no channel is needed, so nothing can be sent.
    Disconnected(Option<Channel>),
    /// Orders, fills and balances are not compared yet since its stream was last lost.
    NotReconciled,
    /// A person allows no more than this there.
    Held(TradingState),
    /// The engine stops.
    Stopping,
    /// The order manager has said nothing for too long, or nothing yet.
    Unmanaged,
    /// The executor has said nothing for too long.
    Unserved,
    /// The whole engine may trade no more than this: by a person's word, a limit of losses, or its own
    /// halt, when a position is not known any more.
    EngineHeld(TradingState),
    /// The journal has room for cancels and reports only.
    JournalFull,
}

impl NotReady {
    /// Names of all reasons, by their codes in shared memory; that of 0 is readiness.
    const NAMES: [&str; 11] = [
        "",
        "halted",
        "suspended",
        "disconnected",
        "not_reconciled",
        "held",
        "stopping",
        "order_manager_silent",
        "executor_silent",
        "engine_held",
        "journal_full",
    ];

    /// Names of all reasons.
    #[must_use]
    pub fn names() -> &'static [&'static str] {
        &Self::NAMES[1..]
    }

    fn code(self) -> u8 {
        match self {
            Self::Halted => 1,
            Self::Suspended(_) => 2,
            Self::Disconnected(_) => 3,
            Self::NotReconciled => 4,
            Self::Held(_) => 5,
            Self::Stopping => 6,
            Self::Unmanaged => 7,
            Self::Unserved => 8,
            Self::EngineHeld(_) => 9,
            Self::JournalFull => 10,
        }
    }

    /// Whether nothing is wrong with the venue itself: people and the engine want it so, there or
    /// everywhere.
    #[must_use]
    pub fn is_wanted(self) -> bool {
        matches!(self, Self::Held(_) | Self::EngineHeld(_) | Self::JournalFull)
    }

    /// One word for programs, without what it is about.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES[usize::from(self.code())]
    }

    /// Two words for shared memory: code and what it is about, then a time.
    #[must_use]
    pub fn to_words(why: Option<Self>) -> [u64; 2] {
        let Some(why) = why else { return [0; 2] };
        let (about, until) = match why {
            Self::Suspended(until) => (0, until.0),
            Self::Disconnected(channel) => (channel.map_or(0, |channel| channel as u64 + 1), 0),
            Self::Held(state) | Self::EngineHeld(state) => (state as u64, 0),
            _ => (0, 0),
        };
        [u64::from(why.code()) | about << 8, until]
    }

    /// The same back. What makes no sense reads as the safe end: nobody says that it is ready.
    #[must_use]
    pub fn from_words([word, until]: [u64; 2]) -> Option<Self> {
        let about = word >> 8;
        let state = || {
            let known = u8::try_from(about).ok().and_then(TradingState::from_u8);
            known.unwrap_or(TradingState::Halted)
        };
        Some(match word as u8 {
            0 if about == 0 => return None,
            1 => Self::Halted,
            2 => Self::Suspended(Nanos(until)),
            3 => Self::Disconnected(match about {
                0 => None,
                index => Channel::ALL.get(index as usize - 1).copied(),
            }),
            4 => Self::NotReconciled,
            5 => Self::Held(state()),
            6 => Self::Stopping,
            8 => Self::Unserved,
            9 => Self::EngineHeld(state()),
            10 => Self::JournalFull,
            _ => Self::Unmanaged,
        })
    }
}

/// The reason alone, without what can be done about it.
impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Halted => {
                f.write_str("halted: a balance or position differs and no fill explains it")
            }
            Self::Suspended(_) => f.write_str("suspended by the venue"),
            Self::Disconnected(Some(missing)) => write!(f, "{} is not ready", missing.name()),
            Self::Disconnected(None) => f.write_str("nothing trades there"),
            Self::NotReconciled => f.write_str("orders, fills and balances are not compared yet"),
            Self::Held(state) => write!(f, "{state}, as a person wants it"),
            Self::Stopping => f.write_str("the engine stops"),
            Self::Unmanaged => f.write_str("the order manager stands still"),
            Self::Unserved => f.write_str("its executor stands still"),
            Self::EngineHeld(state) => write!(f, "the whole engine is {state}"),
            Self::JournalFull => f.write_str("the journal has room for cancels and reports only"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_survive_and_nonsense_is_never_readiness() {
        let channels = Channel::ALL.into_iter().map(Some).chain([None]);
        let mut all: Vec<NotReady> = channels.map(NotReady::Disconnected).collect();
        all.extend([
            NotReady::Halted,
            NotReady::Suspended(Nanos(u64::MAX)),
            NotReady::NotReconciled,
            NotReady::Held(TradingState::ReduceOnly),
            NotReady::Held(TradingState::Halted),
            NotReady::Stopping,
            NotReady::Unmanaged,
            NotReady::Unserved,
            NotReady::EngineHeld(TradingState::ReduceOnly),
            NotReady::EngineHeld(TradingState::Halted),
            NotReady::JournalFull,
        ]);
        for why in all {
            assert_eq!(NotReady::from_words(NotReady::to_words(Some(why))), Some(why));
            assert!(NotReady::names().contains(&why.name()), "{why:?}");
        }
        assert_eq!(NotReady::from_words(NotReady::to_words(None)), None);
        for word in (11..=255).chain([1 << 8, u64::MAX, 255 << 8]) {
            assert_eq!(NotReady::from_words([word, 7]), Some(NotReady::Unmanaged), "{word}");
        }
        assert_eq!(NotReady::from_words([3 | 99 << 8, 0]), Some(NotReady::Disconnected(None)));
        assert!(NotReady::from_words([5 | 99 << 8, 0]).is_some());
        let held = Some(NotReady::EngineHeld(TradingState::Halted));
        assert_eq!(NotReady::from_words([9 | 99 << 8, 0]), held);
    }
}

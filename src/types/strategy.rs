//! What a strategy asks of the oms, and what the oms tells it about the orders of its signals.

use super::{
    ClientOrderId, InstrumentId, Nanos, OrderState, Price, Qty, RejectReason, ReportKind, Side,
    Signal, SignalId,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a strategy asks of the oms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Send the legs of a signal.
    Signal(Signal),
    /// Cancel one order.
    Cancel(ClientOrderId),
    /// Cancel all orders of the strategy.
    CancelAll,
    /// Stream the market data of an instrument.
    Watch(InstrumentId),
    /// Change price or quantity of one order, keeping its id.
    Replace {
        /// Which order.
        id: ClientOrderId,
        /// New limit price, a multiple of the tick size; the present one to leave it.
        price: Price,
        /// New total quantity, what is filled already included.
        qty: Qty,
    },
}

/// One step in the life of an order that a strategy caused, as it travels through the report ring.
/// Refusals by our own risk checks arrive the same way, with `risk` set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StrategyReport {
    /// Our id of the order; [`ClientOrderId::NONE`] if the signal was refused before one was minted.
    pub client_id: ClientOrderId,
    /// The signal that asked for it.
    pub signal: SignalId,
    /// Which leg of the signal, from 0.
    pub leg: u8,
    /// What it trades.
    pub instrument: InstrumentId,
    /// Buy or sell.
    pub side: Side,
    /// State of the order after this step.
    pub state: OrderState,
    /// What happened.
    pub kind: ReportKind,
    /// Why, for refusals and expiries.
    pub reason: RejectReason,
    /// The oms' own code if it was the oms that refused, 0 otherwise.
    pub risk: u8,
    /// Price of the fill, for kind [`ReportKind::Fill`], else 0.
    pub last_price: Price,
    /// Quantity of the fill, for kind [`ReportKind::Fill`], else 0.
    pub last_qty: Qty,
    /// Filled in total so far.
    pub cumulative_qty: Qty,
    /// The venue's time of the event, 0 if there is none.
    pub event_ns: Nanos,
    /// For refusals that pass with time (a busy or suspended venue): when it is worth trying again,
    /// our clock. 0 for all others.
    pub retry_ns: Nanos,
}

/// How a strategy's process ended that is not started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProcessEnd {
    /// It ended by itself, with this code.
    Exit(i32),
    /// This signal ended it.
    Signal(i32),
    /// It could not be started.
    NotStarted,
}

impl ProcessEnd {
    /// As one word that is never 0.
    #[must_use]
    pub fn to_word(self) -> u64 {
        let (kind, value) = match self {
            Self::Exit(code) => (1u64, code),
            Self::Signal(signal) => (2, signal),
            Self::NotStarted => (3, 0),
        };
        kind << 32 | u64::from(value as u32)
    }

    /// The way back; `None` for 0, which stands for a strategy that has not ended.
    #[must_use]
    pub fn from_word(word: u64) -> Option<Self> {
        let value = word as u32 as i32;
        match word >> 32 {
            1 => Some(Self::Exit(value)),
            2 => Some(Self::Signal(value)),
            3 => Some(Self::NotStarted),
            _ => None,
        }
    }
}

/// `exit 1`, `SIGKILL`
impl fmt::Display for ProcessEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "exit {code}"),
            Self::Signal(signal) => match signal_name(*signal) {
                Some(name) => f.write_str(name),
                None => write!(f, "signal {signal}"),
            },
            Self::NotStarted => f.write_str("not started"),
        }
    }
}

/// Names of the signals that end a process, on Linux.
#[must_use]
pub fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_one_word_and_few_words() {
        for (end, text) in [
            (ProcessEnd::Exit(0), "exit 0"),
            (ProcessEnd::Exit(-1), "exit -1"),
            (ProcessEnd::Signal(9), "SIGKILL"),
            (ProcessEnd::Signal(34), "signal 34"),
            (ProcessEnd::NotStarted, "not started"),
        ] {
            assert_eq!(ProcessEnd::from_word(end.to_word()), Some(end));
            assert_eq!(end.to_string(), text);
        }
        assert_eq!(ProcessEnd::from_word(0), None);
        assert_eq!(ProcessEnd::from_word(9 << 32), None);
    }
}

//! What a strategy asks of the oms, and what the oms tells it about the orders of its signals.

use super::{
    ClientOrderId, InstrumentId, Nanos, OrderState, Price, Qty, RejectReason, ReportKind, Side,
    Signal, SignalId,
};
use serde::{Deserialize, Serialize};

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

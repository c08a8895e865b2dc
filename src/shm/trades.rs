//! Public prints in the region: one broadcast ring per instrument.

use crate::sync::broadcast::Lapped;
use crate::types::{Nanos, Trade};

/// A public print with the time it was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Print {
    /// The print.
    pub trade: Trade,
    /// When the last byte of its message was read.
    pub recv_ns: Nanos,
}

/// Publishes the prints of one instrument.
#[derive(Debug)]
pub struct TradeWriter {}

impl TradeWriter {
    /// Publishes one print.
    pub fn publish(&mut self, _trade: &Trade, _recv_ns: Nanos) {
        todo!()
    }
}

/// Reads the prints of one instrument, from when it was made on, at its own pace.
#[derive(Clone, Debug)]
pub struct TradeReader {}

impl TradeReader {
    /// The next print; `None` if there is none yet. [`Lapped`] says how many were lost to a reader
    /// that was too slow; the call after it goes on with what is still there.
    pub fn next(&mut self) -> Result<Option<Print>, Lapped> {
        todo!()
    }
}

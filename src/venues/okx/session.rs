//! What both connectors say to keep a connection, and how the venue states its time.

#![forbid(unsafe_code)]

use super::super::session::{Heartbeat, VenueClock};
use super::super::{DecodeError, Value};
use super::PING_EVERY_NS;
use crate::types::Nanos;

/// A clock that asks this venue.
pub(super) fn clock() -> VenueClock {
    VenueClock::new("/api/v5/public/time")
}

/// The plain ping of every socket.
pub(super) fn heartbeat() -> Heartbeat {
    Heartbeat::new("ping", PING_EVERY_NS)
}

/// The answer to it, which is not JSON.
pub(super) fn is_pong(frame: &[u8]) -> bool {
    frame == b"pong"
}

/// `{"code":"0","msg":"","data":[{"ts":"1597026383085"}]}`
pub(super) fn server_ns(root: Value<'_>) -> Result<u64, DecodeError> {
    if root.field_str("code")? != "0" {
        return Err(DecodeError::Invalid("code"));
    }
    let row = root.field("data")?.items().next().ok_or(DecodeError::Missing("data"))?;
    let millis: u64 = row.field_str("ts")?.parse().map_err(|_| DecodeError::Invalid("ts"))?;
    Ok(Nanos::from_millis(millis).0)
}

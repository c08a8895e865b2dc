//! What both connectors say to keep a connection, and how the venue states its time.

#![forbid(unsafe_code)]

use super::super::session::{Heartbeat, VenueClock};
use super::super::{DecodeError, Value};
use super::{PING_EVERY_NS, field_whole};

/// A clock that asks this venue.
pub(super) fn clock() -> VenueClock {
    VenueClock::new("/v5/market/time")
}

/// The JSON ping of every socket.
pub(super) fn heartbeat() -> Heartbeat {
    Heartbeat::new(r#"{"op":"ping"}"#, PING_EVERY_NS)
}

/// `{"retCode":0,"result":{"timeSecond":"..","timeNano":"1789299611107028610"},..}`
pub(super) fn server_ns(root: Value<'_>) -> Result<u64, DecodeError> {
    if root.field_i64("retCode")? != 0 {
        return Err(DecodeError::Invalid("retCode"));
    }
    field_whole(root.field("result")?, "timeNano")
}

/// Whether a frame is a pong. The public one has `op` "ping": only its `ret_msg` tells.
pub(super) fn is_pong(root: Value<'_>) -> bool {
    let has = |key, text| root.get(key).and_then(Value::str) == Some(text);
    has("op", "pong") || has("ret_msg", "pong")
}

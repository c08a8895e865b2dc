//! Logins of the sockets, and what the private one says of itself.

#![forbid(unsafe_code)]

use super::super::trading::Message;
use super::super::{DecodeError, Value};
use super::auth::Signer;
use super::session::is_pong;

/// The private socket states no code, but a text; this stands for "parameter error".
const PARAMETER_ERROR: i32 = 10001;
pub(super) const ALREADY_LOGGED_IN: i32 = 20001;

/// Code of a private login that failed: the one that it states, if it does.
fn private_code(root: Value<'_>) -> i32 {
    root.get("retCode")
        .and_then(Value::i64)
        .and_then(|code| i32::try_from(code).ok())
        .filter(|&code| code != 0)
        .unwrap_or(PARAMETER_ERROR)
}

/// All-in-one topics: the categorised ones of a topic must not be mixed with them.
pub(super) fn subscription(perpetuals: bool) -> &'static [u8] {
    match perpetuals {
        false => br#"{"req_id":"streams","op":"subscribe","args":["order","execution","wallet"]}"#,
        true => {
            br#"{"req_id":"streams","op":"subscribe","args":["order","execution","wallet","position"]}"#
        }
    }
}

/// `{"req_id":"1","op":"auth","args":["key",1662350400000,"signature"]}`
pub(super) fn write_login(signer: &Signer, key: &str, venue_ms: u64, frame: &mut Vec<u8>) {
    frame.extend_from_slice(b"{\"");
    frame.extend_from_slice(key.as_bytes());
    frame.extend_from_slice(br#"":"login","op":"auth","args":"#);
    signer.write_login_args(venue_ms, frame);
    frame.push(b'}');
}

/// Reads a frame of the private socket.
pub(super) fn decode_private_frame(root: Value<'_>) -> Result<Message<'_>, DecodeError> {
    if let Some(topic) = root.get("topic").and_then(Value::str) {
        return Ok(Message::Data(topic));
    }
    if is_pong(root) {
        return Ok(Message::Nothing);
    }
    let success = root.get("success").and_then(Value::bool).ok_or(DecodeError::UnknownKind)?;
    let code = if success { 0 } else { private_code(root) };
    match root.get("op").and_then(Value::str) {
        Some("auth") => Ok(Message::Login(code)),
        Some("subscribe") if root.get("req_id").and_then(Value::str) == Some("dcp") => {
            Ok(Message::DeadMan(code))
        }
        // The text of a refusal is all there is.
        Some("subscribe") if !success => Ok(Message::Subscribed(PARAMETER_ERROR)),
        Some("subscribe") => Ok(Message::Subscribed(0)),
        _ => Err(DecodeError::UnknownKind),
    }
}

//! What is around a result: the envelope of the socket, the status of REST.
//!
//! ```json
//! {"id":1,"status":200,"result":{..},"rateLimits":[..]}
//! {"id":1,"status":418,"error":{"code":-1003,"msg":"..","data":{"retryAfter":1659146400000}}}
//! {"subscriptionId":0,"event":{"e":"executionReport",..}}
//! ```

#![forbid(unsafe_code)]

use crate::types::{Channel, Nanos};
use crate::venues::{DecodeError, Value};

/// A reply from either wire.
pub(super) struct Reply<'a> {
    pub(super) channel: Channel,
    pub(super) status: u16,
    result: Option<Value<'a>>,
    /// The venue's error code, 0 if none.
    pub(super) code: i32,
    /// The venue's error text.
    pub(super) message: &'a str,
    /// End of the suspension that it announces.
    pub(super) retry: Option<Retry>,
}

/// When requests may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    /// At this time of the venue's clock.
    At(Nanos),
    /// After so many nanoseconds.
    After(u64),
}

/// A frame of the trading socket, taken apart.
pub(super) enum Frame<'a> {
    /// Something happened to the account.
    Event(Value<'a>),
    /// A reply; without number it concerns no request but the session.
    Reply { id: Option<u64>, reply: Reply<'a>, limits: Option<Value<'a>> },
}

/// Takes a frame of the trading socket on this channel apart.
pub(super) fn frame(channel: Channel, root: Value<'_>) -> Result<Frame<'_>, DecodeError> {
    let (mut id, mut status, mut result, mut error) = (None, None, None, None);
    let (mut limits, mut event) = (None, None);
    for (key, value) in root.members() {
        match key {
            "id" => id = Some(value),
            "status" => status = value.u64().and_then(|status| u16::try_from(status).ok()),
            "result" => result = Some(value),
            "error" => error = Some(value),
            "rateLimits" => limits = Some(value),
            "event" => event = Some(value),
            _ => {}
        }
    }
    if let Some(event) = event {
        return Ok(Frame::Event(event));
    }
    let id = id.ok_or(DecodeError::UnknownKind)?;
    let status = status.ok_or(DecodeError::Missing("status"))?;
    let mut reply = Reply { result, ..Reply::bare(channel, status, None) };
    if let Some(error) = error {
        reply.read_error(error);
    }
    // Numbers are all we send: any other id is of no request of ours.
    let id = if id.is_null() { None } else { Some(id.u64().ok_or(DecodeError::UnknownRequest)?) };
    Ok(Frame::Reply { id, reply, limits })
}

impl<'a> Reply<'a> {
    /// A reply whose body is not read, or cannot be.
    pub(super) fn bare(channel: Channel, status: u16, retry: Option<Retry>) -> Self {
        Self { channel, status, result: None, code: 0, message: "", retry }
    }

    /// A REST reply; its body is the result or the error, as the status says.
    pub(super) fn rest(status: u16, body: Value<'a>, retry: Option<Retry>) -> Self {
        let mut reply = Self::bare(Channel::Rest, status, retry);
        if status == 200 {
            reply.result = Some(body);
        } else {
            reply.read_error(body);
        }
        reply
    }

    /// The result, if the request succeeded.
    pub(super) fn success(&self) -> Option<Value<'a>> {
        self.result.filter(|_| self.status == 200)
    }

    /// The venue's code, or the negative status if it gave none.
    pub(super) fn own_code(&self) -> i32 {
        if self.code == 0 { -i32::from(self.status) } else { self.code }
    }

    fn read_error(&mut self, error: Value<'a>) {
        for (key, value) in error.members() {
            match key {
                "code" => {
                    let code = value.i64().and_then(|code| i32::try_from(code).ok());
                    self.code = code.unwrap_or(0);
                }
                "msg" => self.message = value.str().unwrap_or(""),
                "data" => self.retry = self.retry.or(retry_of(value)),
                _ => {}
            }
        }
        self.retry = self.retry.or_else(|| banned_until(self.message).map(Retry::At));
    }
}

/// `{"serverTime":1659142907531,"retryAfter":1659146400000}`: the difference of the two needs no
/// clock of ours.
fn retry_of(data: Value<'_>) -> Option<Retry> {
    let at = Nanos::from_millis(data.get("retryAfter")?.u64()?);
    let told = data.get("serverTime").and_then(Value::u64).map(Nanos::from_millis);
    match told {
        Some(told) if at <= told => None,
        Some(told) => Some(Retry::After(at.since(told))),
        None => Some(Retry::At(at)),
    }
}

/// `Way too much request weight used; IP banned until 1659146400000. ..`: all that some refusals say.
fn banned_until(message: &str) -> Option<Nanos> {
    let (_, rest) = message.split_once("banned until ")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok().map(Nanos::from_millis)
}

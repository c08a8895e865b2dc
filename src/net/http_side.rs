//! What an HTTP connection remembers beside its socket: the request in flight, those that wait, and
//! the reply that is coming in.

use super::buffer::Buffer;
use super::http::{self, Decoder, Reply, ReplyError};
use super::url::Target;
use super::{CloseReason, HttpRequest, LinkOptions, SendError};
use crate::types::Nanos;
use std::collections::VecDeque;

/// A request without its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ticket {
    id: u64,
    due: Nanos,
    is_head: bool,
}

struct Queued {
    ticket: Ticket,
    /// It is of no use any more if it has not left by then.
    leave_by: Nanos,
    bytes: Vec<u8>,
}

impl Queued {
    /// When it is given up.
    fn until(&self) -> Nanos {
        self.ticket.due.min(self.leave_by)
    }
}

pub(super) struct HttpSide {
    decoder: Decoder,
    body_max: usize,
    queue_max: usize,
    in_flight: Option<Ticket>,
    queue: VecDeque<Queued>,
    /// Buffers of requests that have left.
    spare: Vec<Vec<u8>>,
    /// Replies on this connection.
    replies: u64,
    /// The last connection ended in an orderly way: requests may wait for the next one.
    resuming: bool,
}

impl HttpSide {
    pub(super) fn new(options: &LinkOptions) -> Self {
        Self {
            decoder: Decoder::new(options.message_max),
            body_max: options.message_max,
            queue_max: options.queue_max,
            in_flight: None,
            queue: VecDeque::with_capacity(options.queue_max.min(64)),
            spare: Vec::new(),
            replies: 0,
            resuming: false,
        }
    }

    /// Forgets the connection that is gone.
    pub(super) fn reset(&mut self, orderly: bool) {
        self.discard();
        self.in_flight = None;
        self.replies = 0;
        self.resuming = orderly;
    }

    /// Forgets a reply in pieces; to be called when the buffer is cleared.
    pub(super) fn discard(&mut self) {
        self.decoder = Decoder::new(self.body_max);
    }

    /// Encodes the request behind those that wait.
    pub(super) fn enqueue(
        &mut self,
        target: &Target,
        request: &HttpRequest<'_>,
        (due, leave_by): (Nanos, Nanos),
        open: bool,
    ) -> Result<(), SendError> {
        if !http::is_clean(request) {
            return Err(SendError::Malformed);
        }
        if !open && !self.resuming {
            return Err(SendError::NotOpen);
        }
        if self.queue.len() >= self.queue_max.max(1) {
            return Err(SendError::QueueFull);
        }
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.clear();
        http::encode(target, request, &mut bytes);
        let is_head = request.method == "HEAD";
        let ticket = Ticket { id: request.id, due, is_head };
        self.queue.push_back(Queued { ticket, leave_by, bytes });
        Ok(())
    }

    /// Puts the next request that is still of use into `out` if none is in flight. Whether there was
    /// one.
    pub(super) fn send_next(&mut self, now: Nanos, out: &mut Vec<u8>) -> bool {
        if self.in_flight.is_some() {
            return false;
        }
        let next = self.queue.iter().position(|queued| now < queued.until());
        let Some(next) = next.and_then(|at| self.queue.remove(at)) else { return false };
        self.in_flight = Some(next.ticket);
        self.spare.push(std::mem::replace(out, next.bytes));
        true
    }

    /// The connection is there.
    pub(super) fn on_open(&mut self, now: Nanos, out: &mut Vec<u8>) -> bool {
        self.resuming = false;
        self.send_next(now, out)
    }

    /// Whether no reply is expected and one has been given: a server may end the connection here.
    pub(super) fn is_between_replies(&self) -> bool {
        self.in_flight.is_none() && self.replies > 0
    }

    /// The next whole reply with the number of its request. `ended`: no more bytes will come;
    /// `clean`: because the server said so.
    pub(super) fn step(
        &mut self,
        buffer: &mut Buffer,
        ended: bool,
        clean: bool,
    ) -> Result<Option<(u64, Reply)>, CloseReason> {
        let Some(ticket) = self.in_flight else {
            if buffer.is_empty() {
                return Ok(None);
            }
            // Some servers announce in this way that they end an idle connection.
            return Err(CloseReason::Protocol("a reply to no request"));
        };
        match self.decoder.step(buffer, ticket.is_head, ended && clean) {
            Ok(Some(reply)) => {
                self.in_flight = None;
                self.replies += 1;
                Ok(Some((ticket.id, reply)))
            }
            Ok(None) => Ok(None),
            Err(ReplyError::CutShort) => Err(CloseReason::Eof),
            Err(ReplyError::TooLarge) => Err(CloseReason::TooLarge),
            Err(ReplyError::Malformed(what)) => Err(CloseReason::Protocol(what)),
        }
    }

    /// A request that will get no reply, and whether any of it may have left. Requests that were
    /// never sent outlive an orderly end.
    pub(super) fn lost(&mut self, now: Nanos, ended: Option<&CloseReason>) -> Option<(u64, bool)> {
        if ended.is_some()
            && let Some(ticket) = self.in_flight.take()
        {
            return Some((ticket.id, true));
        }
        let dropped = ended.is_some_and(|reason| *reason != CloseReason::KeepAliveEnded);
        let lost = self.queue.iter().position(|queued| dropped || now >= queued.until())?;
        let lost = self.queue.remove(lost)?;
        self.spare.push(lost.bytes);
        Some((lost.ticket.id, false))
    }

    /// Whether a request that waits has waited too long.
    pub(super) fn has_expired(&self, now: Nanos) -> bool {
        self.queue.iter().any(|queued| now >= queued.until())
    }

    /// Whether the reply to the request in flight should be here by now.
    pub(super) fn reply_is_late(&self, now: Nanos) -> bool {
        self.in_flight.is_some_and(|ticket| now >= ticket.due)
    }

    /// When the next deadline passes.
    pub(super) fn earliest_due(&self) -> Nanos {
        let waiting = self.queue.iter().map(Queued::until);
        let in_flight = self.in_flight.map(|ticket| ticket.due);
        waiting.chain(in_flight).min().unwrap_or(Nanos(u64::MAX))
    }
}

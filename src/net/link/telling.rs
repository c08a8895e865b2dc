//! From received bytes to what the caller is told, up to the end of the connection.

use super::super::url::Target;
use super::super::websocket::{self, Opcode};
use super::super::{CloseReason, random};
use super::{Context, Link, Side, State, Step, after};
use crate::types::Nanos;
use std::time::Duration;

/// Longest that a server's Retry-After is honoured.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

impl Link {
    /// The next thing to tell; `None` once there is nothing more.
    pub(in super::super) fn step(&mut self, context: &mut Context) -> Option<Step> {
        if std::mem::take(&mut self.announce_open) {
            return Some(Step::Open);
        }
        if matches!(self.state, State::Open(_))
            && let Some(step) = self.step_data(context.now)
        {
            return Some(step);
        }
        if let Side::Http(side) = &mut self.side
            && let Some((id, sent)) = side.lost(context.now, self.ended.as_ref())
        {
            self.counters.requests_lost += 1;
            if sent {
                // Part of its reply may be there.
                self.discard();
            }
            return Some(Step::RequestLost { id, sent });
        }
        if let Some(reason) = self.ended.take() {
            return Some(self.finish(reason, context));
        }
        self.pending = false;
        if let Some(stream) = &self.stream {
            stream.renew_quick_ack();
        }
        None
    }

    pub(super) fn step_data(&mut self, now: Nanos) -> Option<Step> {
        match &self.side {
            Side::WebSocket(_) => self.step_websocket(),
            Side::Http(_) => self.step_http(now),
        }
    }

    pub(super) fn step_websocket(&mut self) -> Option<Step> {
        loop {
            let Side::WebSocket(side) = &mut self.side else { return None };
            let received = match side.decoder.step(&mut self.buffer) {
                Ok(Some(received)) => received,
                Ok(None) => return None,
                Err(error) => {
                    self.fail_websocket(error);
                    return None;
                }
            };
            match received.opcode {
                Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                    self.counters.frames_received += 1;
                    return Some(Step::Frame(received.payload));
                }
                Opcode::Pong => {}
                Opcode::Ping => {
                    if self.ended.is_none() {
                        self.counters.pings_answered += 1;
                        let payload = self.buffer.get(received.payload);
                        self.out.clear();
                        websocket::encode(
                            &mut self.out,
                            Opcode::Pong,
                            payload,
                            side.keys.next_key(),
                        );
                        self.send_out();
                    }
                }
                Opcode::Close => {
                    let payload = self.buffer.get(received.payload);
                    let (code, words) = websocket::close_code(payload);
                    let reason = String::from_utf8_lossy(words).into_owned();
                    self.say_goodbye(code);
                    self.end_with(CloseReason::ServerClosed { code, reason });
                    return None;
                }
            }
        }
    }

    pub(super) fn fail_websocket(&mut self, error: websocket::FrameError) {
        let (code, reason) = match error {
            websocket::FrameError::TooLarge => (1009, CloseReason::TooLarge),
            other => (1002, CloseReason::Protocol(other.as_str())),
        };
        self.say_goodbye(code);
        self.fail(reason);
    }

    /// Ends the connection because of what the peer sent, whatever ended it before.
    pub(super) fn fail(&mut self, reason: CloseReason) {
        self.counters.protocol_errors += 1;
        self.end_with(reason);
    }

    pub(super) fn step_http(&mut self, now: Nanos) -> Option<Step> {
        let Side::Http(side) = &mut self.side else { return None };
        match side.step(&mut self.buffer, self.ended.is_some(), self.clean_end) {
            Ok(Some((id, reply))) => {
                self.counters.responses_received += 1;
                self.backoff.reset();
                if !reply.keep_alive || self.ended == Some(CloseReason::Eof) {
                    self.end_with(CloseReason::KeepAliveEnded);
                } else if !self.buffer.is_empty() {
                    self.fail(CloseReason::Protocol("bytes behind the reply to a request"));
                } else if self.ended.is_none() && side.send_next(now, &mut self.out) {
                    self.counters.requests_sent += 1;
                    self.send_out();
                }
                let (head, body) = (reply.head, reply.body);
                Some(Step::Response { id, status: reply.status, head, body })
            }
            Ok(None) => None,
            Err(reason) => {
                // A reply cut short is the fault of what ended the connection.
                if reason != CloseReason::Eof {
                    self.fail(reason);
                }
                None
            }
        }
    }

    /// The connection is over. The first reason stands.
    pub(super) fn end(&mut self, reason: CloseReason) {
        if let Some(mut stream) = self.stream.take()
            && !matches!(reason, CloseReason::Io(_))
        {
            stream.shut_down();
        }
        if reason == CloseReason::Backlog {
            self.counters.backlogs += 1;
        }
        self.ended.get_or_insert(reason);
        self.pending = true;
    }

    /// The same for a reason that outranks all before it; what arrived behind it does not count.
    pub(super) fn end_with(&mut self, reason: CloseReason) {
        self.discard();
        self.ended = None;
        self.end(reason);
    }

    /// Everything before the end has been told: gets ready for the next attempt.
    pub(super) fn finish(&mut self, reason: CloseReason, context: &mut Context) -> Step {
        let was_open = match self.state {
            State::Open(since) => {
                self.counters.lost += 1;
                if after(since, context.options.stable_after) <= context.now {
                    self.backoff.reset();
                }
                true
            }
            State::Opening(..) => {
                self.counters.connect_failures += 1;
                false
            }
            State::Stopped | State::Waiting(_) => false,
        };
        if let CloseReason::UpgradeStatus { retry_after_s: Some(seconds), .. } = reason {
            self.retry_after = Duration::from_secs(u64::from(seconds)).min(RETRY_AFTER_MAX);
        }
        self.stream = None;
        self.upgrade = None;
        self.discard();
        if let Side::Http(side) = &mut self.side {
            side.reset(reason == CloseReason::KeepAliveEnded);
        }
        if self.stop {
            self.state = State::Stopped;
        } else {
            let random = random::next(&mut context.random);
            let wait = self.backoff.next(&context.options, random);
            let wait = wait.max(std::mem::take(&mut self.retry_after));
            self.state = State::Waiting(after(context.now, wait));
        }
        self.recompute_wake();
        Step::Closed { reason, was_open }
    }

    /// Closes the connection, for good if `stop`.
    pub(in super::super) fn close(&mut self, stop: bool) {
        self.stop = stop;
        match self.state {
            State::Stopped => {
                if !stop {
                    self.state = State::Waiting(Nanos(0));
                    self.recompute_wake();
                }
                return;
            }
            // Between two attempts: there is nothing to close, and no reason to hurry.
            State::Waiting(_) if !stop => return,
            State::Open(_) => self.say_goodbye(1000),
            State::Waiting(_) | State::Opening(..) => {}
        }
        self.discard();
        self.end(CloseReason::Requested);
    }

    /// Closes it and opens it anew at another address; false if that is of another kind.
    pub(in super::super) fn move_to(&mut self, target: Target) -> bool {
        if target.websocket != self.target.websocket {
            return false;
        }
        if target.host != self.target.host {
            self.addresses.clear();
        }
        self.target = target;
        self.close(false);
        true
    }

    /// Forgets what has arrived.
    pub(super) fn discard(&mut self) {
        self.buffer.clear();
        match &mut self.side {
            Side::WebSocket(side) => side.decoder.reset(),
            Side::Http(side) => side.discard(),
        }
    }

    pub(super) fn say_goodbye(&mut self, code: u16) {
        // 1005 means "no code" and is never sent.
        let code_bytes = code.to_be_bytes();
        let payload: &[u8] = if code == 1005 { &[] } else { &code_bytes };
        if let (Side::WebSocket(side), Some(stream)) = (&mut self.side, &mut self.stream) {
            self.out.clear();
            websocket::encode(&mut self.out, Opcode::Close, payload, side.keys.next_key());
            // It is over either way.
            let _ = stream.send(&self.out);
        }
    }
}

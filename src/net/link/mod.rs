//! One connection over all its reconnects: a state machine that is moved by [`Link::turn`] and
//! lends out what arrived through [`Link::step`].
//!
//! A link with something to tell is not read any further until it has been told, so what waits is
//! bounded by one read. A connection that ends first hands over what came before its end.

mod opening;
mod telling;

use super::backoff::Backoff;
use super::buffer::Buffer;
use super::http_side::HttpSide;
use super::resolve::Resolver;
use super::stream::Stream;
use super::upgrade::Upgrade;
use super::url::Target;
use super::websocket::{self, Opcode};
use super::ws_side::WsSide;
use super::{
    CloseReason, Counters, HttpRequest, LinkOptions, NetOptions, SendError, Stage, random, sockopt,
};
use crate::clock::Clock;
use crate::pipe::Network;
use crate::types::Nanos;
use mio::Registry;
use rustls::ClientConfig;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// What the links of one [`super::Net`] share.
pub(super) struct Context {
    pub(super) now: Nanos,
    pub(super) clock: Clock,
    pub(super) carrier: Carrier,
    pub(super) options: NetOptions,
    pub(super) random: u64,
    /// Sockets that the kernel did not let poll the network card.
    pub(super) busy_poll_refused: u64,
}

/// Where connections come from.
pub(super) enum Carrier {
    Kernel { registry: Registry, tls: Arc<ClientConfig>, resolver: Resolver },
    Memory(Network),
}

impl Context {
    /// Asks for busy polling, if it is wanted. A kernel that refuses it is remembered, and nothing
    /// else is lost.
    pub(super) fn note_busy_poll(&mut self, socket: &mio::net::TcpStream) {
        let wanted = self.options.busy_poll_us;
        if wanted > 0 && sockopt::set_busy_poll(socket, wanted).is_err() {
            self.busy_poll_refused += 1;
        }
    }

    /// A number that peers cannot guess; in memory one that replays.
    pub(super) fn secret(&mut self) -> u64 {
        let mut seed = [0; 8];
        // The system's randomness does not fail; if it did, any other stream would do.
        match self.carrier {
            Carrier::Kernel { .. } if aws_lc_rs::rand::fill(&mut seed).is_ok() => {
                u64::from_ne_bytes(seed)
            }
            _ => random::next(&mut self.random),
        }
    }
}

/// What [`Link::step`] has to tell; ranges lie in [`Link::buffer`].
pub(super) enum Step {
    Open,
    Frame(Range<usize>),
    Response { id: u64, status: u16, head: Range<usize>, body: Range<usize> },
    RequestLost { id: u64, sent: bool },
    Closed { reason: CloseReason, was_open: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Closed for good.
    Stopped,
    /// To be tried again at this time.
    Waiting(Nanos),
    /// On the way, due by then.
    Opening(Stage, Nanos),
    /// Usable since then.
    Open(Nanos),
}

enum Side {
    WebSocket(WsSide),
    Http(HttpSide),
}

/// See the module.
pub(super) struct Link {
    index: u32,
    target: Target,
    options: LinkOptions,
    pub(super) counters: Counters,
    backoff: Backoff,
    state: State,
    /// No reconnect after the next end.
    stop: bool,
    /// Why the connection ended; told after everything that came before.
    ended: Option<CloseReason>,
    announce_open: bool,
    stream: Option<Stream>,
    upgrade: Option<Upgrade>,
    side: Side,
    addresses: Vec<IpAddr>,
    /// Index of the address to try next; moves on with every failure.
    address: usize,
    /// Addresses tried in this attempt.
    tried: usize,
    asked: bool,
    /// Received, decrypted.
    pub(super) buffer: Buffer,
    pub(super) recv_ns: Nanos,
    /// Encoded, not yet encrypted; reused.
    out: Vec<u8>,
    readable: bool,
    writable: bool,
    hung_up: bool,
    /// The peer said that it would send no more; else the connection may have been cut.
    clean_end: bool,
    /// Something to tell may be there: no reading until it is told.
    pub(super) pending: bool,
    /// A server asked for more patience than our own.
    retry_after: Duration,
    /// No timer of this link is due before.
    wake: Nanos,
}

pub(super) fn after(now: Nanos, wait: Duration) -> Nanos {
    Nanos(now.0.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)))
}

impl Link {
    pub(super) fn new(index: u32, target: Target, options: LinkOptions, read_max: usize) -> Self {
        let side = if target.websocket {
            Side::WebSocket(WsSide::new(options.message_max))
        } else {
            Side::Http(HttpSide::new(&options))
        };
        Self {
            index,
            target,
            options,
            counters: Counters::default(),
            backoff: Backoff::default(),
            state: State::Waiting(Nanos(0)),
            stop: false,
            ended: None,
            announce_open: false,
            stream: None,
            upgrade: None,
            side,
            addresses: Vec::new(),
            address: 0,
            tried: 0,
            asked: false,
            buffer: Buffer::with_capacity(2 * read_max),
            recv_ns: Nanos(0),
            out: Vec::with_capacity(4096),
            readable: false,
            writable: false,
            hung_up: false,
            clean_end: false,
            pending: false,
            retry_after: Duration::ZERO,
            wake: Nanos(0),
        }
    }

    /// The same, closed until it is told otherwise.
    pub(super) fn stopped(mut self) -> Self {
        self.state = State::Stopped;
        self.recompute_wake();
        self
    }

    /// Whether frames or requests may be sent.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_)) && self.ended.is_none()
    }

    /// When it wants to be turned even if its socket is silent.
    pub(super) fn wake(&self) -> Nanos {
        if self.readable || self.pending { Nanos(0) } else { self.wake }
    }

    /// Whether it waits for something that only the kernel's events tell.
    pub(super) fn needs_events(&self) -> bool {
        !self.is_open() || self.stream.as_ref().is_some_and(|stream| stream.unsent() > 0)
    }

    /// The kernel says that something happened to the socket.
    pub(super) fn on_event(&mut self, event: &mio::event::Event) {
        self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
        self.hung_up |= event.is_read_closed() || event.is_error();
    }

    /// Moves on as far as it goes. Whether there was anything to do.
    pub(super) fn turn(&mut self, context: &mut Context) -> bool {
        if self.pending {
            return true;
        }
        let mut active = false;
        if context.now >= self.wake {
            self.on_time(context);
        }
        if let Carrier::Memory(_) = context.carrier {
            self.look();
        }
        if self.writable && self.stream.is_some() {
            self.writable = false;
            active = true;
            self.on_writable(context);
        }
        let direct = context.options.direct_reads
            && self.target.websocket
            && matches!(self.state, State::Open(_));
        if (self.readable || direct) && self.stream.is_some() && !self.pending {
            active |= self.on_readable(context);
        }
        active || self.pending
    }

    /// What the kernel's events say of a socket, for one in memory.
    fn look(&mut self) {
        let Some(stream) = &self.stream else { return };
        let opening = matches!(self.state, State::Opening(Stage::Connect, _));
        let news = stream.has_news(opening);
        self.readable = news && !opening;
        self.writable = news && opening || stream.unsent() > 0;
    }

    /// Whether anything was read.
    fn on_readable(&mut self, context: &mut Context) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        if matches!(self.state, State::Opening(Stage::Connect, _)) {
            return false;
        }
        let outcome = stream.read(&mut self.buffer, &context.clock, &self.target);
        // A short read has emptied the socket; what comes later is a new event.
        self.readable = outcome.more || self.hung_up && outcome.bytes > 0;
        if outcome.bytes > 0 {
            self.recv_ns = outcome.recv_ns;
            self.counters.bytes_received += outcome.bytes as u64;
        }
        self.clean_end = outcome.clean;
        let established = stream.is_established();
        if let Some(reason) = outcome.end {
            self.end_in_order(reason, context);
            return true;
        }
        if outcome.bytes == 0 {
            return false;
        }
        match self.state {
            State::Opening(Stage::Tls, due) if established => self.on_established(due, context),
            State::Opening(Stage::Upgrade, _) => self.on_upgrade_reply(context),
            State::Open(_) => self.pending = true,
            _ => {}
        }
        true
    }

    /// The peer has ended the connection: what came before still counts.
    fn end_in_order(&mut self, reason: CloseReason, context: &mut Context) {
        if matches!(self.state, State::Opening(Stage::Upgrade, _)) && !self.buffer.is_empty() {
            self.on_upgrade_reply(context);
        }
        let reason = match (&self.side, reason) {
            (Side::Http(side), CloseReason::Eof) if side.is_between_replies() => {
                CloseReason::KeepAliveEnded
            }
            (_, reason) => reason,
        };
        self.end(reason);
    }

    fn on_upgrade_reply(&mut self, context: &mut Context) {
        let Some(upgrade) = &self.upgrade else { return };
        match upgrade.finish(&mut self.buffer) {
            Ok(true) => self.on_open(context),
            Ok(false) => {}
            Err(reason) => self.end(reason),
        }
    }

    /// Sends what was encoded into `out`.
    fn send_out(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        let result = stream.send(&self.out);
        self.note_sent(self.out.len(), result);
    }

    fn note_sent(&mut self, bytes: usize, result: Result<(), CloseReason>) {
        self.counters.bytes_sent += bytes as u64;
        let unsent = self.stream.as_mut().map_or(0, |stream| {
            self.counters.writes += stream.take_writes();
            stream.unsent()
        });
        match result {
            Err(reason) => self.end(reason),
            Ok(()) if unsent > self.options.unsent_max => self.end(CloseReason::Backlog),
            Ok(()) => {}
        }
    }

    /// Sends a text frame.
    pub(super) fn send_frame(&mut self, payload: &[u8]) -> Result<(), SendError> {
        let open = self.is_open();
        let Side::WebSocket(side) = &mut self.side else { return Err(SendError::WrongKind) };
        if !open {
            return Err(SendError::NotOpen);
        }
        self.out.clear();
        websocket::encode(&mut self.out, Opcode::Text, payload, side.keys.next_key());
        self.send_out();
        if self.ended.is_some() {
            return Err(SendError::Broken);
        }
        self.counters.frames_sent += 1;
        Ok(())
    }

    /// Sends a text frame whose payload stands behind [`websocket::HEADROOM`] free bytes: framed and
    /// masked there.
    pub(super) fn send_in_place(&mut self, room: &mut [u8]) -> Result<(), SendError> {
        let open = self.is_open();
        let Side::WebSocket(side) = &mut self.side else { return Err(SendError::WrongKind) };
        let Some(stream) = self.stream.as_mut().filter(|_| open) else {
            return Err(SendError::NotOpen);
        };
        let frame = websocket::seal(room, Opcode::Text, side.keys.next_key());
        let result = stream.send(frame);
        self.note_sent(frame.len(), result);
        if self.ended.is_some() {
            return Err(SendError::Broken);
        }
        self.counters.frames_sent += 1;
        Ok(())
    }

    /// When bytes were last handed to the kernel; 0 while there is no connection.
    pub(super) fn handed_ns(&self) -> Nanos {
        self.stream.as_ref().map_or(Nanos(0), Stream::handed_ns)
    }

    /// Sends a request, or queues it.
    pub(super) fn request(
        &mut self,
        request: &HttpRequest<'_>,
        leave_by: Nanos,
        now: Nanos,
    ) -> Result<(), SendError> {
        let open = self.is_open();
        let Side::Http(side) = &mut self.side else { return Err(SendError::WrongKind) };
        let due = after(now, self.options.reply_timeout);
        side.enqueue(&self.target, request, (due, leave_by), open)?;
        if open && side.send_next(now, &mut self.out) {
            self.counters.requests_sent += 1;
            self.send_out();
        }
        self.wake = self.wake.min(due).min(leave_by);
        Ok(())
    }

    fn on_time(&mut self, context: &mut Context) {
        match self.state {
            State::Stopped => {}
            State::Waiting(until) if context.now >= until => self.start(context),
            State::Waiting(_) => {}
            State::Opening(stage, due) if context.now >= due => {
                self.address = self.address.wrapping_add(1);
                self.end(CloseReason::ConnectTimeout(stage));
            }
            State::Opening(..) => {}
            State::Open(_) => self.on_time_open(context.now),
        }
        if let Side::Http(side) = &self.side
            && side.has_expired(context.now)
        {
            self.pending = true;
        }
        self.recompute_wake();
    }

    fn on_time_open(&mut self, now: Nanos) {
        match &mut self.side {
            Side::WebSocket(side) => {
                if self.options.idle_timeout.is_some_and(|idle| now >= after(self.recv_ns, idle)) {
                    return self.end(CloseReason::Idle);
                }
                if side.ping_is_due(now, self.recv_ns, &self.options) {
                    self.out.clear();
                    websocket::encode(&mut self.out, Opcode::Ping, b"", side.keys.next_key());
                    self.send_out();
                }
            }
            Side::Http(side) => {
                if side.reply_is_late(now) {
                    self.end(CloseReason::ReplyTimeout);
                }
            }
        }
    }

    /// The earliest time at which something may be due. Traffic only moves it back, so it is
    /// computed anew when it is reached, not with every frame.
    fn recompute_wake(&mut self) {
        const NEVER: Nanos = Nanos(u64::MAX);
        let side = match &self.side {
            Side::WebSocket(side) if matches!(self.state, State::Open(_)) => {
                let idle = self.options.idle_timeout.map(|idle| after(self.recv_ns, idle));
                idle.unwrap_or(NEVER).min(side.next_ping(self.recv_ns, &self.options))
            }
            Side::WebSocket(_) => NEVER,
            Side::Http(side) => side.earliest_due(),
        };
        self.wake = side.min(match self.state {
            State::Stopped | State::Open(_) => NEVER,
            State::Waiting(until) => until,
            State::Opening(_, due) => due,
        });
    }
}

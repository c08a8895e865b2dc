//! One connection over all its reconnects: a state machine that is moved by [`Link::turn`] and
//! lends out what arrived through [`Link::step`].
//!
//! A link with something to tell is not read any further until it has been told, so what waits is
//! bounded by one read. A connection that ends first hands over what came before its end.

use super::backoff::Backoff;
use super::buffer::Buffer;
use super::http_side::HttpSide;
use super::resolve::Resolver;
use super::stream::Stream;
use super::upgrade::Upgrade;
use super::url::Target;
use super::websocket::{self, Opcode};
use super::ws_side::WsSide;
use super::{CloseReason, Counters, HttpRequest, LinkOptions, NetOptions, SendError, Stage};
use crate::clock::Clock;
use crate::types::Nanos;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustls::ClientConfig;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// What the links of one [`super::Net`] share.
pub(super) struct Context {
    pub(super) now: Nanos,
    pub(super) clock: Clock,
    pub(super) registry: Registry,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) options: NetOptions,
    pub(super) random: u64,
    pub(super) resolver: Resolver,
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

/// Longest that a server's Retry-After is honoured.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

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
        if self.writable && self.stream.is_some() {
            self.writable = false;
            active = true;
            self.on_writable(context);
        }
        let direct = context.options.direct_reads && matches!(self.state, State::Open(_));
        if (self.readable || direct) && self.stream.is_some() && !self.pending {
            active |= self.on_readable(context);
        }
        active || self.pending
    }

    // ---- opening ----

    fn start(&mut self, context: &mut Context) {
        self.state =
            State::Opening(Stage::Resolve, after(context.now, self.options.connect_timeout));
        self.tried = 0;
        self.recompute_wake();
        if let Some(address) = self.target.literal() {
            self.addresses.clear();
            self.addresses.push(address);
            self.connect(context);
        } else if !self.asked {
            match context.resolver.ask(self.index, &self.target.host) {
                Ok(()) => self.asked = true,
                Err(error) => self.end_dns(error.to_string()),
            }
        }
    }

    fn end_dns(&mut self, error: String) {
        self.end(CloseReason::Dns { host: self.target.host.clone(), error });
    }

    /// The resolver has answered. An answer that comes after its attempt was given up still serves
    /// the next one.
    pub(super) fn on_addresses(
        &mut self,
        answer: Result<Vec<IpAddr>, String>,
        context: &mut Context,
    ) {
        self.asked = false;
        let waiting = matches!(self.state, State::Opening(Stage::Resolve, _));
        match answer {
            Ok(addresses) => self.addresses = addresses,
            // What was right a while ago is better than nothing.
            Err(_) if !self.addresses.is_empty() => {}
            Err(error) if waiting => return self.end_dns(error),
            Err(_) => {}
        }
        if waiting && self.ended.is_none() {
            self.connect(context);
        }
    }

    /// Begins the TCP connection to the next address.
    fn connect(&mut self, context: &mut Context) {
        let State::Opening(_, due) = self.state else { return };
        loop {
            let address = self.addresses[self.address % self.addresses.len()];
            let address = SocketAddr::new(address, self.target.port);
            self.tried += 1;
            self.state = State::Opening(Stage::Connect, due);
            (self.readable, self.writable) = (false, false);
            (self.hung_up, self.clean_end) = (false, false);
            let result = TcpStream::connect(address).and_then(|mut socket| {
                // Orders are small and must not wait for the acknowledgement of the last one.
                socket.set_nodelay(true)?;
                let interest = Interest::READABLE | Interest::WRITABLE;
                context.registry.register(&mut socket, Token(self.index as usize), interest)?;
                Ok(socket)
            });
            match result {
                Ok(socket) => {
                    keep_alive(&socket);
                    self.stream = Some(Stream::new(socket, context.options.read_max));
                    return;
                }
                Err(error) => {
                    let reason = connect_reason(address, &error);
                    if !self.next_address(reason) {
                        return;
                    }
                }
            }
        }
    }

    /// Whether another address is left for this attempt; if not, the attempt has failed.
    fn next_address(&mut self, reason: CloseReason) -> bool {
        self.stream = None;
        self.address = self.address.wrapping_add(1);
        if self.tried < self.addresses.len() {
            return true;
        }
        self.end(reason);
        false
    }

    fn on_writable(&mut self, context: &mut Context) {
        if let State::Opening(Stage::Connect, due) = self.state {
            return self.on_connected(due, context);
        }
        if let Some(stream) = &mut self.stream
            && let Err(reason) = stream.flush()
        {
            self.end(reason);
        }
    }

    /// The connection may be there, may have failed, or the event was an old one.
    fn on_connected(&mut self, due: Nanos, context: &mut Context) {
        let Some(stream) = &mut self.stream else { return };
        let result = match stream.socket().take_error() {
            Ok(Some(error)) | Err(error) => Err(error),
            Ok(None) => stream.socket().peer_addr(),
        };
        match result {
            Ok(_) if self.target.encrypted => {
                self.state = State::Opening(Stage::Tls, due);
                if let Err(reason) = stream.start_tls(&context.tls, &self.target) {
                    self.end(reason);
                }
            }
            Ok(_) => self.on_established(due, context),
            Err(error) if error.kind() == ErrorKind::NotConnected => {}
            Err(error) => {
                let address = self.addresses[self.address % self.addresses.len()];
                let address = SocketAddr::new(address, self.target.port);
                if self.next_address(connect_reason(address, &error)) {
                    self.connect(context);
                }
            }
        }
    }

    /// TCP and TLS are there.
    fn on_established(&mut self, due: Nanos, context: &mut Context) {
        if matches!(self.side, Side::Http(_)) {
            return self.on_open(context);
        }
        self.state = State::Opening(Stage::Upgrade, due);
        self.out.clear();
        self.upgrade = Some(Upgrade::start(&self.target, &self.options.headers, &mut self.out));
        self.send_out();
    }

    fn on_open(&mut self, context: &mut Context) {
        self.state = State::Open(context.now);
        self.counters.opened += 1;
        self.announce_open = true;
        self.pending = true;
        self.upgrade = None;
        self.recv_ns = self.recv_ns.max(context.now);
        match &mut self.side {
            Side::WebSocket(side) => side.on_open(context.now, &self.options, &mut context.random),
            Side::Http(side) => {
                if side.on_open(context.now, &mut self.out) {
                    self.counters.requests_sent += 1;
                    self.send_out();
                }
            }
        }
        self.recompute_wake();
    }

    // ---- reading ----

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

    // ---- telling ----

    /// The next thing to tell; `None` once there is nothing more.
    pub(super) fn step(&mut self, context: &mut Context) -> Option<Step> {
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
            return Some(Step::RequestLost { id, sent });
        }
        if let Some(reason) = self.ended.take() {
            return Some(self.finish(reason, context));
        }
        self.pending = false;
        None
    }

    fn step_data(&mut self, now: Nanos) -> Option<Step> {
        match &self.side {
            Side::WebSocket(_) => self.step_websocket(),
            Side::Http(_) => self.step_http(now),
        }
    }

    fn step_websocket(&mut self) -> Option<Step> {
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

    fn fail_websocket(&mut self, error: websocket::FrameError) {
        let (code, reason) = match error {
            websocket::FrameError::TooLarge => (1009, CloseReason::TooLarge),
            other => (1002, CloseReason::Protocol(other.as_str())),
        };
        self.say_goodbye(code);
        self.fail(reason);
    }

    /// Ends the connection because of what the peer sent, whatever ended it before.
    fn fail(&mut self, reason: CloseReason) {
        self.counters.protocol_errors += 1;
        self.end_with(reason);
    }

    fn step_http(&mut self, now: Nanos) -> Option<Step> {
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

    // ---- ending ----

    /// The connection is over. The first reason stands.
    fn end(&mut self, reason: CloseReason) {
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
    fn end_with(&mut self, reason: CloseReason) {
        self.discard();
        self.ended = None;
        self.end(reason);
    }

    /// Everything before the end has been told: gets ready for the next attempt.
    fn finish(&mut self, reason: CloseReason, context: &mut Context) -> Step {
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
            let random = super::random::next(&mut context.random);
            let wait = self.backoff.next(&context.options, random);
            let wait = wait.max(std::mem::take(&mut self.retry_after));
            self.state = State::Waiting(after(context.now, wait));
        }
        self.recompute_wake();
        Step::Closed { reason, was_open }
    }

    /// Closes the connection, for good if `stop`.
    pub(super) fn close(&mut self, stop: bool) {
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

    /// Forgets what has arrived.
    fn discard(&mut self) {
        self.buffer.clear();
        match &mut self.side {
            Side::WebSocket(side) => side.decoder.reset(),
            Side::Http(side) => side.discard(),
        }
    }

    fn say_goodbye(&mut self, code: u16) {
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

    // ---- sending ----

    /// Sends what was encoded into `out`.
    fn send_out(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        self.counters.bytes_sent += self.out.len() as u64;
        let result = stream.send(&self.out);
        let unsent = stream.unsent();
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

    /// Sends a request, or queues it.
    pub(super) fn request(
        &mut self,
        request: &HttpRequest<'_>,
        now: Nanos,
    ) -> Result<(), SendError> {
        let open = self.is_open();
        let Side::Http(side) = &mut self.side else { return Err(SendError::WrongKind) };
        let due = after(now, self.options.reply_timeout);
        side.enqueue(&self.target, request, due, open)?;
        if open && side.send_next(now, &mut self.out) {
            self.counters.requests_sent += 1;
            self.send_out();
        }
        self.wake = self.wake.min(due);
        Ok(())
    }

    // ---- time ----

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
                if side.ping_is_due(now, &self.options) {
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
                idle.unwrap_or(NEVER).min(side.next_ping())
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

/// A dead peer on a silent connection is noticed within half a minute.
fn keep_alive(socket: &TcpStream) {
    let options = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(15))
        .with_interval(Duration::from_secs(5))
        .with_retries(3);
    // Without it the connection works just the same.
    let _ = socket2::SockRef::from(socket).set_tcp_keepalive(&options);
}

fn connect_reason(address: SocketAddr, error: &std::io::Error) -> CloseReason {
    match error.kind() {
        ErrorKind::ConnectionRefused => CloseReason::Refused(address),
        _ => CloseReason::Connect(address, error.to_string()),
    }
}

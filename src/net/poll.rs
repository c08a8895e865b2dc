//! [`Net`]: the connections of one agent and the one poll that moves them all.

use super::link::{Carrier, Context, Link, Step};
use super::resolve::Resolver;
use super::url::Target;
use super::{CloseReason, Counters, HttpRequest, LinkOptions, NetOptions, SendError, UrlError};
use crate::clock::Clock;
use crate::pipe::Network;
use crate::types::Nanos;
use mio::{Events, Poll, Token};
use rustls::ClientConfig;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A connection of one [`Net`]. It keeps its id over all reconnects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkId(u32);

impl LinkId {
    /// Position in the order of [`Net::open`], from 0.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Something that happened, lent until the next call.
#[derive(Debug, PartialEq, Eq)]
pub enum NetEvent<'a> {
    /// All handshakes are done: frames or requests may be sent.
    Open {
        /// Connection.
        link: LinkId,
    },
    /// A whole WebSocket message, text or binary, fragments joined.
    Frame {
        /// Connection.
        link: LinkId,
        /// May be written to: parsers work in place.
        payload: &'a mut [u8],
        /// When the read that brought its last byte returned.
        recv_ns: Nanos,
    },
    /// The reply to a request.
    Response {
        /// Connection.
        link: LinkId,
        /// Number of the request.
        id: u64,
        /// HTTP status.
        status: u16,
        /// Status line and header lines as received.
        head: &'a [u8],
        /// Body, chunks joined. May be written to.
        body: &'a mut [u8],
        /// When the read that brought its last byte returned.
        recv_ns: Nanos,
    },
    /// There will be no reply to this request.
    RequestLost {
        /// Connection.
        link: LinkId,
        /// Number of the request.
        id: u64,
        /// Whether any of it may have left: if not, the server has certainly not acted on it.
        sent: bool,
    },
    /// The connection was lost, or an attempt to connect failed; it is tried anew unless it was
    /// closed by [`Net::close`].
    Closed {
        /// Connection.
        link: LinkId,
        /// Why.
        reason: CloseReason,
        /// Whether it had been open; else this was a failed attempt.
        was_open: bool,
    },
}

/// What carries the connections.
#[derive(Clone)]
pub enum Transport {
    /// Sockets of the kernel, and whom to trust.
    Sockets(Arc<ClientConfig>),
    /// A network in memory, without TLS, for simulation.
    Memory(Network),
}

impl From<Arc<ClientConfig>> for Transport {
    fn from(tls: Arc<ClientConfig>) -> Self {
        Self::Sockets(tls)
    }
}

impl From<Network> for Transport {
    fn from(network: Network) -> Self {
        Self::Memory(network)
    }
}

/// The connections of one agent.
pub struct Net {
    /// The kernel's events; none in memory.
    kernel: Option<(Poll, Events)>,
    context: Context,
    links: Vec<Link>,
    /// Link that [`Net::next_event`] looks at.
    cursor: usize,
    turns: u64,
}

/// Token of the resolver's wake-up; links have their index.
const WAKE: Token = Token(usize::MAX);
/// With direct reads, the kernel's events are fetched on one of so many polls.
const EVENTS_EVERY: u64 = 64;

impl Net {
    /// No connection yet. `seed` only spreads reconnects in time.
    pub fn new(
        transport: impl Into<Transport>,
        options: NetOptions,
        clock: Clock,
        seed: u64,
    ) -> io::Result<Self> {
        let (carrier, kernel) = match transport.into() {
            Transport::Memory(network) => (Carrier::Memory(network), None),
            Transport::Sockets(tls) => {
                let poll = Poll::new()?;
                let resolver = Resolver::new(Arc::new(mio::Waker::new(poll.registry(), WAKE)?));
                let registry = poll.registry().try_clone()?;
                let kernel = Some((poll, Events::with_capacity(256)));
                (Carrier::Kernel { registry, tls, resolver }, kernel)
            }
        };
        let now = clock.now();
        let context = Context { now, clock, carrier, options, random: seed, busy_poll_refused: 0 };
        Ok(Self { kernel, context, links: Vec::new(), cursor: 0, turns: 0 })
    }

    /// Opens `wss://host:port/path` or `https://host:port` with the next poll, and keeps it open
    /// for ever. `ws://` and `http://` are for loopback only.
    pub fn open(&mut self, url: &str, options: LinkOptions) -> Result<LinkId, UrlError> {
        let target = Target::parse(url)?;
        let id = LinkId(u32::try_from(self.links.len()).expect("far fewer connections"));
        self.links.push(Link::new(id.0, target, options, self.context.options.read_max));
        Ok(id)
    }

    /// A WebSocket that is opened once [`Net::open_at`] says where.
    pub fn reserve(&mut self, options: LinkOptions) -> LinkId {
        let id = LinkId(u32::try_from(self.links.len()).expect("far fewer connections"));
        let link = Link::new(id.0, Target::none(), options, self.context.options.read_max);
        self.links.push(link.stopped());
        id
    }

    /// Closes the connection, if it is open, and opens it anew at another address of the same kind.
    pub fn open_at(&mut self, link: LinkId, url: &str) -> Result<(), UrlError> {
        let target = Target::parse(url)?;
        let moved = self.links.get_mut(link.index()).is_some_and(|link| link.move_to(target));
        if moved { Ok(()) } else { Err(UrlError::Scheme(url.to_owned())) }
    }

    /// All connections in the order of [`Net::open`].
    pub fn links(&self) -> impl Iterator<Item = LinkId> + use<> {
        (0..self.links.len() as u32).map(LinkId)
    }

    /// Moves every connection as far as it goes without waiting. Returns how many were active.
    /// `now` is the time by the clock given to [`Net::new`].
    pub fn poll(&mut self, now: Nanos) -> usize {
        self.poll_for(now, Duration::ZERO)
    }

    /// The same, but sleeps up to `timeout` while there is nothing to do: for idle policies that
    /// sleep, and for start-up.
    pub fn poll_for(&mut self, now: Nanos, timeout: Duration) -> usize {
        self.context.now = now;
        self.turns = self.turns.wrapping_add(1);
        let asleep = !timeout.is_zero();
        let direct = self.context.options.direct_reads && !asleep;
        if !direct
            || self.turns.is_multiple_of(EVENTS_EVERY)
            || self.links.iter().any(Link::needs_events)
        {
            self.fetch_events(timeout);
        }
        if asleep {
            self.context.now = self.context.clock.now().max(now);
        }
        while let Carrier::Kernel { resolver, .. } = &mut self.context.carrier
            && let Some(answer) = resolver.answer()
        {
            if let Some(link) = self.links.get_mut(answer.link as usize) {
                link.on_addresses(answer.addresses, &mut self.context);
            }
        }
        let mut active = 0;
        for link in &mut self.links {
            active += usize::from(link.turn(&mut self.context));
        }
        active
    }

    fn fetch_events(&mut self, timeout: Duration) {
        let timeout = if timeout.is_zero() {
            timeout
        } else {
            let wake = self.links.iter().map(Link::wake).min().unwrap_or(Nanos(u64::MAX));
            timeout.min(Duration::from_nanos(wake.0.saturating_sub(self.context.now.0)))
        };
        let Some((poll, events)) = &mut self.kernel else { return };
        // An interrupted wait is as good as an empty one. Other errors of epoll_wait mean a broken
        // descriptor, which timers then turn into closed connections.
        if poll.poll(events, Some(timeout)).is_err() {
            return;
        }
        for event in events.iter() {
            if let Some(link) = self.links.get_mut(event.token().0) {
                link.on_event(event);
            }
        }
    }

    /// What happened; call until `None` after each poll.
    pub fn next_event(&mut self) -> Option<NetEvent<'_>> {
        while let Some(link) = self.links.get_mut(self.cursor) {
            if link.pending
                && let Some(step) = link.step(&mut self.context)
            {
                return Some(self.lend(step));
            }
            self.cursor += 1;
        }
        self.cursor = 0;
        None
    }

    fn lend(&mut self, step: Step) -> NetEvent<'_> {
        let link = LinkId(self.cursor as u32);
        let state = &mut self.links[self.cursor];
        let recv_ns = state.recv_ns;
        match step {
            Step::Open => NetEvent::Open { link },
            Step::Frame(range) => {
                NetEvent::Frame { link, payload: state.buffer.get(range), recv_ns }
            }
            Step::Response { id, status, head, body } => {
                let (head, body) = state.buffer.get_both(head, body);
                NetEvent::Response { link, id, status, head, body, recv_ns }
            }
            Step::RequestLost { id, sent } => NetEvent::RequestLost { link, id, sent },
            Step::Closed { reason, was_open } => NetEvent::Closed { link, reason, was_open },
        }
    }

    /// Sends a text frame at once.
    pub fn send_frame(&mut self, link: LinkId, payload: &[u8]) -> Result<(), SendError> {
        self.links.get_mut(link.index()).ok_or(SendError::NotOpen)?.send_frame(payload)
    }

    /// Sends a text frame at once, made where its payload stands: behind
    /// [`super::websocket::HEADROOM`] free bytes at the beginning of `room`.
    pub fn send_in_place(&mut self, link: LinkId, room: &mut [u8]) -> Result<(), SendError> {
        self.links.get_mut(link.index()).ok_or(SendError::NotOpen)?.send_in_place(room)
    }

    /// Sends a request, or queues it behind the one in flight.
    pub fn request(&mut self, link: LinkId, request: &HttpRequest<'_>) -> Result<(), SendError> {
        self.request_by(link, request, Nanos(u64::MAX))
    }

    /// The same for a request that must not leave at `leave_by` or later: it is then told as lost,
    /// with nothing sent.
    pub fn request_by(
        &mut self,
        link: LinkId,
        request: &HttpRequest<'_>,
        leave_by: Nanos,
    ) -> Result<(), SendError> {
        let now = self.context.now;
        let link = self.links.get_mut(link.index()).ok_or(SendError::NotOpen)?;
        link.request(request, leave_by, now)
    }

    /// When bytes were last handed to the kernel on this connection: right before the call that
    /// took them, so encryption is before it and the call itself is not.
    #[must_use]
    pub fn handed_ns(&self, link: LinkId) -> Nanos {
        self.links.get(link.index()).map_or(Nanos(0), Link::handed_ns)
    }

    /// Sockets that were to poll the network card and that the kernel did not let: more than the
    /// system's own value is for the privileged.
    #[must_use]
    pub fn busy_poll_refused(&self) -> u64 {
        self.context.busy_poll_refused
    }

    /// Closes the connection and opens it anew; a connection that was closed for good comes back.
    pub fn reconnect(&mut self, link: LinkId) {
        if let Some(link) = self.links.get_mut(link.index()) {
            link.close(false);
        }
    }

    /// Closes the connection for good.
    pub fn close(&mut self, link: LinkId) {
        if let Some(link) = self.links.get_mut(link.index()) {
            link.close(true);
        }
    }

    /// Whether frames or requests may be sent.
    #[must_use]
    pub fn is_open(&self, link: LinkId) -> bool {
        self.links.get(link.index()).is_some_and(Link::is_open)
    }

    /// What happened on it so far.
    #[must_use]
    pub fn counters(&self, link: LinkId) -> Counters {
        self.links.get(link.index()).map(|link| link.counters).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, TcpListener};

    #[test]
    fn every_address_of_a_name_is_tried_before_the_attempt_has_failed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let clock = Clock::manual(Nanos(1));
        let tls = super::super::tls::client_config(&[]).unwrap();
        let mut net = Net::new(tls, NetOptions::default(), clock, 0).unwrap();
        // Without TLS, which only loopback may have: the name is looked up all the same.
        let target = Target {
            websocket: false,
            encrypted: false,
            host: "nobody.invalid".to_owned(),
            port,
            authority: "nobody.invalid".to_owned(),
            path: String::new(),
        };
        net.links.push(Link::new(0, target, LinkOptions::default(), 1024));
        net.poll(Nanos(1));
        // Nothing listens on the first, the second is the server. The resolver's own answer, that
        // there is no such name, comes later and must not spoil it.
        let addresses = vec![IpAddr::from([127, 0, 0, 2]), IpAddr::from([127, 0, 0, 1])];
        net.links[0].on_addresses(Ok(addresses), &mut net.context);
        for _ in 0..1000 {
            net.poll_for(Nanos(1), Duration::from_millis(10));
            if let Some(event) = net.next_event() {
                assert_eq!(event, NetEvent::Open { link: LinkId(0) });
                let counters = net.counters(LinkId(0));
                assert_eq!((counters.opened, counters.connect_failures), (1, 0));
                return;
            }
        }
        panic!("it never opened");
    }

    /// A connection whose address comes later does nothing before, and follows every address that it
    /// is given.
    #[test]
    fn a_reserved_connection_is_opened_where_it_is_told_to() {
        let servers = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = [0, 1].map(|at: usize| servers[at].local_addr().unwrap().port());
        servers.iter().for_each(|server| server.set_nonblocking(true).unwrap());
        let tls = super::super::tls::client_config(&[]).unwrap();
        let mut net = Net::new(tls, NetOptions::default(), Clock::manual(Nanos(1)), 0).unwrap();
        let link = net.reserve(LinkOptions::default());
        let mut now = 1;
        let mut comes = |net: &mut Net, at: usize, tries: usize| {
            (0..tries).any(|_| {
                now += 100_000_000;
                net.poll_for(Nanos(now), Duration::from_millis(2));
                while net.next_event().is_some() {}
                servers[at].accept().is_ok()
            })
        };
        assert!(!comes(&mut net, 0, 5) && !net.is_open(link));
        assert_eq!(net.counters(link), Counters::default());
        net.open_at(link, &format!("ws://127.0.0.1:{}/a?key=b", ports[0])).unwrap();
        assert!(comes(&mut net, 0, 1000));
        net.open_at(link, &format!("ws://127.0.0.1:{}/a?key=c", ports[1])).unwrap();
        assert!(comes(&mut net, 1, 1000));
        for wrong in ["http://127.0.0.1:1", "ws://", "wss://a b"] {
            assert!(net.open_at(link, wrong).is_err(), "{wrong}");
        }
    }
}

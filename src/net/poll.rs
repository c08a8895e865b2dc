//! [`Net`]: the connections of one agent and the one poll that moves them all.

use super::url::Target;
use super::{CloseReason, Counters, HttpRequest, LinkOptions, NetOptions, SendError, UrlError};
use crate::clock::Clock;
use crate::types::Nanos;
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

/// The connections of one agent.
pub struct Net {
    options: NetOptions,
}

impl Net {
    /// No connection yet. `seed` only spreads reconnects in time.
    pub fn new(
        tls: Arc<ClientConfig>,
        options: NetOptions,
        clock: Clock,
        seed: u64,
    ) -> io::Result<Self> {
        let _ = (tls, clock, seed);
        Ok(Self { options })
    }

    /// Opens `wss://host:port/path` or `https://host:port`, and keeps it open for ever.
    pub fn open(&mut self, url: &str, options: LinkOptions) -> Result<LinkId, UrlError> {
        let _ = (Target::parse(url)?, options, &self.options);
        Ok(LinkId(0))
    }

    /// Moves every connection as far as it goes without waiting. Returns how many were active.
    pub fn poll(&mut self, now: Nanos) -> usize {
        self.poll_for(now, Duration::ZERO)
    }

    /// The same, but sleeps up to `timeout` when nothing is ready: for idle policies that sleep,
    /// and for start-up.
    pub fn poll_for(&mut self, now: Nanos, timeout: Duration) -> usize {
        let _ = (now, timeout);
        0
    }

    /// What happened; call until `None` after each poll.
    pub fn next_event(&mut self) -> Option<NetEvent<'_>> {
        None
    }

    /// Sends a text frame at once.
    pub fn send_frame(&mut self, link: LinkId, payload: &[u8]) -> Result<(), SendError> {
        let _ = (link, payload);
        Err(SendError::NotOpen)
    }

    /// Sends a request, or queues it behind the one in flight.
    pub fn request(&mut self, link: LinkId, request: &HttpRequest<'_>) -> Result<(), SendError> {
        let _ = (link, request);
        Err(SendError::NotOpen)
    }

    /// Closes the connection and opens it anew.
    pub fn reconnect(&mut self, link: LinkId) {
        let _ = link;
    }

    /// Closes the connection for good.
    pub fn close(&mut self, link: LinkId) {
        let _ = link;
    }

    /// Whether frames or requests may be sent.
    #[must_use]
    pub fn is_open(&self, link: LinkId) -> bool {
        let _ = link;
        false
    }

    /// What happened on it so far.
    #[must_use]
    pub fn counters(&self, link: LinkId) -> Counters {
        let _ = link;
        Counters::default()
    }
}

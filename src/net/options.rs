//! What a caller chooses and what it may count. Plain data.

use std::time::Duration;

/// Choices for a whole [`super::Net`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetOptions {
    /// Most bytes taken from one socket in one poll.
    pub read_max: usize,
    /// Read every open WebSocket on every poll instead of asking which are readable. Cheaper for
    /// one or two sockets, dearer from three on.
    pub direct_reads: bool,
    /// `SO_BUSY_POLL` of every socket, microseconds; 0 leaves the system's default.
    pub busy_poll_us: u32,
    /// `TCP_QUICKACK`, set anew after every read because the kernel forgets it; `None` leaves it to
    /// the system.
    pub quick_ack: Option<bool>,
    /// Shortest wait before the second and later attempts to connect.
    pub backoff_min: Duration,
    /// Longest wait between attempts.
    pub backoff_max: Duration,
    /// A connection that lived this long was a good one: the next loss is retried at once again.
    pub stable_after: Duration,
}

impl Default for NetOptions {
    fn default() -> Self {
        Self {
            read_max: 64 * 1024,
            direct_reads: false,
            busy_poll_us: 0,
            quick_ack: None,
            backoff_min: Duration::from_millis(500),
            backoff_max: Duration::from_secs(30),
            stable_after: Duration::from_secs(10),
        }
    }
}

/// Choices for one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkOptions {
    /// Whole header lines, each ending in CR LF, added to the WebSocket upgrade request.
    pub headers: Vec<u8>,
    /// Largest message or HTTP body accepted; a larger one closes the connection.
    pub message_max: usize,
    /// Most bytes waiting because the peer does not read; beyond it the connection is closed.
    pub unsent_max: usize,
    /// Most HTTP requests waiting behind the one in flight.
    pub queue_max: usize,
    /// From the first look-up of the name to the end of the last handshake.
    pub connect_timeout: Duration,
    /// WebSocket only: a peer silent for this long is gone.
    pub idle_timeout: Option<Duration>,
    /// WebSocket only: a ping frame is sent after each such span without a byte of the peer. Its pong
    /// keeps a quiet connection; a venue may ask for signs of life of its own besides.
    pub ping_after: Option<Duration>,
    /// HTTP only: from [`super::Net::request`] to the last byte of the reply.
    pub reply_timeout: Duration,
}

impl Default for LinkOptions {
    fn default() -> Self {
        Self {
            headers: Vec::new(),
            message_max: 8 * 1024 * 1024,
            unsent_max: 256 * 1024,
            queue_max: 64,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Some(Duration::from_secs(60)),
            ping_after: Some(Duration::from_secs(25)),
            reply_timeout: Duration::from_secs(5),
        }
    }
}

/// An HTTP request, borrowed: it is copied into a reused buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpRequest<'a> {
    /// Comes back with the reply.
    pub id: u64,
    /// `GET`, `POST`, ...
    pub method: &'a str,
    /// Path and query, percent-encoded, starting with `/`.
    pub path: &'a str,
    /// Whole header lines, each ending in CR LF, without Host and Content-Length.
    pub headers: &'a [u8],
    /// Body, may be empty.
    pub body: &'a [u8],
}

/// What happened on one connection since it was opened, over all its reconnects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Whole WebSocket messages handed on.
    pub frames_received: u64,
    /// WebSocket messages sent.
    pub frames_sent: u64,
    /// Bytes read from the socket, encryption included.
    pub bytes_received: u64,
    /// Bytes given to the socket layer for sending, before encryption.
    pub bytes_sent: u64,
    /// Calls that handed bytes to the kernel, those of handshakes included.
    pub writes: u64,
    /// HTTP requests sent.
    pub requests_sent: u64,
    /// HTTP replies handed on.
    pub responses_received: u64,
    /// HTTP requests reported lost.
    pub requests_lost: u64,
    /// Times the connection became usable.
    pub opened: u64,
    /// Attempts to connect that failed before the connection became usable.
    pub connect_failures: u64,
    /// Times a usable connection was lost or closed.
    pub lost: u64,
    /// Losses due to a peer that broke the protocol or sent too much.
    pub protocol_errors: u64,
    /// Losses due to a peer that did not read what was sent to it.
    pub backlogs: u64,
    /// Ping frames answered.
    pub pings_answered: u64,
}

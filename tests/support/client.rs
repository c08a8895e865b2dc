//! A [`Net`] that is polled until something happens, with its events kept as owned values.

use std::time::{Duration, Instant};
use stoop::clock::Clock;
use stoop::net::tls::{ExtraCa, client_config};
use stoop::net::{CloseReason, HttpRequest, LinkId, LinkOptions, Net, NetEvent, NetOptions};

/// Longest that a test waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Open,
    Frame(Vec<u8>),
    Response { id: u64, status: u16, body: Vec<u8> },
    Lost { id: u64, sent: bool },
    Closed { reason: CloseReason, was_open: bool },
}

/// One connection and what was seen on it.
pub struct Client {
    pub net: Net,
    pub link: LinkId,
    clock: Clock,
    seen: std::collections::VecDeque<Seen>,
    /// When the latest was seen.
    pub last_at: Instant,
}

/// Short times, so that tests of them are short.
pub fn quick() -> NetOptions {
    NetOptions {
        backoff_min: Duration::from_millis(50),
        backoff_max: Duration::from_millis(200),
        ..NetOptions::default()
    }
}

impl Client {
    pub fn open(url: &str, extra_ca: &[ExtraCa], options: LinkOptions) -> Self {
        Self::with(url, extra_ca, options, quick())
    }

    pub fn with(
        url: &str,
        extra_ca: &[ExtraCa],
        options: LinkOptions,
        net_options: NetOptions,
    ) -> Self {
        let clock = Clock::new();
        let tls = client_config(extra_ca).unwrap();
        let mut net = Net::new(tls, net_options, clock.clone(), 1).unwrap();
        let link = net.open(url, options).unwrap();
        Self { net, link, clock, seen: Default::default(), last_at: Instant::now() }
    }

    /// Polls once and keeps what happened.
    pub fn poll(&mut self) {
        self.net.poll(self.clock.now());
        while let Some(event) = self.net.next_event() {
            let seen = match event {
                NetEvent::Open { .. } => Seen::Open,
                NetEvent::Frame { payload, recv_ns, .. } => {
                    assert!(recv_ns <= self.clock.now() && recv_ns.0 > 0);
                    Seen::Frame(payload.to_vec())
                }
                NetEvent::Response { id, status, head, body, .. } => {
                    assert!(head.starts_with(b"HTTP/1.1 "));
                    Seen::Response { id, status, body: body.to_vec() }
                }
                NetEvent::RequestLost { id, sent, .. } => Seen::Lost { id, sent },
                NetEvent::Closed { reason, was_open, .. } => Seen::Closed { reason, was_open },
            };
            self.seen.push_back(seen);
            self.last_at = Instant::now();
        }
    }

    /// The next thing that happens.
    pub fn next(&mut self) -> Seen {
        self.next_within(PATIENCE).expect("something happens in time")
    }

    pub fn next_within(&mut self, patience: Duration) -> Option<Seen> {
        let due = Instant::now() + patience;
        while Instant::now() < due {
            if let Some(seen) = self.seen.pop_front() {
                return Some(seen);
            }
            self.poll();
            if self.seen.is_empty() {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        None
    }

    /// Nothing happens for so long.
    pub fn silent_for(&mut self, time: Duration) {
        assert_eq!(self.next_within(time), None);
    }

    /// The connection opens.
    pub fn opens(&mut self) {
        assert_eq!(self.next(), Seen::Open);
    }

    /// The next thing that happens is the end, for this reason.
    pub fn closed(&mut self) -> CloseReason {
        match self.next() {
            Seen::Closed { reason, was_open: true } => reason,
            other => panic!("{other:?} instead of the end of an open connection"),
        }
    }

    /// The next thing that happens is that the attempt to connect fails, for this reason.
    pub fn fails(&mut self) -> CloseReason {
        match self.next() {
            Seen::Closed { reason, was_open: false } => reason,
            other => panic!("{other:?} instead of a failed attempt"),
        }
    }

    pub fn send(&mut self, text: &str) {
        self.net.send_frame(self.link, text.as_bytes()).unwrap();
    }

    pub fn get(&mut self, id: u64, path: &str) -> Result<(), stoop::net::SendError> {
        let request = HttpRequest { id, method: "GET", path, headers: b"X-Test: 1\r\n", body: b"" };
        self.net.request(self.link, &request)
    }
}

pub fn frame(text: &str) -> Seen {
    Seen::Frame(text.as_bytes().to_vec())
}

pub fn response(id: u64, status: u16, body: &str) -> Seen {
    Seen::Response { id, status, body: body.as_bytes().to_vec() }
}

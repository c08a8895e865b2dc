//! A [`Net`] that is polled until something happens, with its events kept as owned values.

use std::time::{Duration, Instant};
use stoop::clock::Clock;
use stoop::net::tls::{ExtraCa, client_config};
use stoop::net::{CloseReason, HttpRequest, LinkId, LinkOptions, Net, NetEvent, NetOptions};
use stoop::types::Nanos;

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
}

/// Short waits, so that tests which only have to get over them are short.
pub fn quick() -> NetOptions {
    NetOptions {
        backoff_min: Duration::from_millis(20),
        backoff_max: Duration::from_millis(50),
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
        Self::with_clock(url, extra_ca, options, net_options, Clock::new())
    }

    /// Time stands still but for [`Client::advance`]: waits are as long as they should be to the
    /// nanosecond, and take no time.
    pub fn timeless(url: &str, extra_ca: &[ExtraCa], options: LinkOptions) -> Self {
        let clock = Clock::manual(Nanos(1_000_000_000));
        Self::with_clock(url, extra_ca, options, NetOptions::default(), clock)
    }

    fn with_clock(
        url: &str,
        extra_ca: &[ExtraCa],
        options: LinkOptions,
        net_options: NetOptions,
        clock: Clock,
    ) -> Self {
        let tls = client_config(extra_ca).unwrap();
        let mut net = Net::new(tls, net_options, clock.clone(), 1).unwrap();
        let link = net.open(url, options).unwrap();
        Self { net, link, clock, seen: Default::default() }
    }

    /// The time by its clock.
    pub fn now(&self) -> Nanos {
        self.clock.now()
    }

    /// Lets time pass.
    pub fn advance(&mut self, time: Duration) {
        self.clock.set(Nanos(self.clock.now().0 + time.as_nanos() as u64));
    }

    /// Nothing happens in the next `time`, and then something does at once.
    pub fn waits(&mut self, time: Duration) {
        self.advance(time - Duration::from_nanos(1));
        self.silent_for(Duration::from_millis(20));
        self.advance(Duration::from_nanos(1));
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

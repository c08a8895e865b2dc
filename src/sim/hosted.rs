//! A venue as the server keeps it: its wire and exchange, its port, its clock, its faults.

use super::faults::FaultState;
use super::handle::{SimCounters, SimError, SimUrls, SimVenueOptions};
use super::{ConnId, Exchange, HttpReply, Wire, WsOut};
use mio::net::TcpListener;
use mio::{Interest, Poll, Token};
use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Time since the epoch that never goes back.
pub(super) struct WallClock {
    start: Instant,
    pub(super) start_ms: u64,
}

impl WallClock {
    pub(super) fn new() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start: Instant::now(), start_ms: unix.as_millis() as u64 }
    }

    pub(super) fn passed_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.start_ms + self.start.elapsed().as_millis() as u64
    }
}

/// Something on its way to a client.
pub(super) enum Outgoing {
    Ws(WsOut),
    Reply(HttpReply),
}

/// One venue with its port.
pub(super) struct Venue {
    pub(super) wire: Box<dyn Wire>,
    pub(super) exchange: Exchange,
    pub(super) address: SocketAddr,
    pub(super) listener: Option<TcpListener>,
    /// New connections are to be refused.
    pub(super) refuses: bool,
    pub(super) faults: FaultState,
    pub(super) delayed: VecDeque<(u64, ConnId, Outgoing)>,
    pub(super) counters: SimCounters,
}

impl Venue {
    pub(super) fn open(
        options: SimVenueOptions,
        index: usize,
        poll: &Poll,
    ) -> Result<Self, SimError> {
        let SimVenueOptions { wire, exchange, port } = options;
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let fail =
            |error| SimError::Io(format!("{}: cannot listen on {wanted}", wire.name()), error);
        let listener = listen(wanted, index, poll).map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        Ok(Self {
            wire,
            exchange,
            address,
            listener: Some(listener),
            refuses: false,
            faults: FaultState::default(),
            delayed: VecDeque::new(),
            counters: SimCounters::default(),
        })
    }

    pub(super) fn urls(&self) -> SimUrls {
        let [rest, public, trade, private] = self.wire.paths();
        let port = self.address.port();
        let socket = |path: &str| format!("wss://localhost:{port}{path}");
        SimUrls {
            rest: format!("https://localhost:{port}{rest}"),
            public: socket(public),
            trade: socket(trade),
            private: if private.is_empty() { String::new() } else { socket(private) },
        }
    }

    /// Public market data, and neither order entry nor the private stream.
    pub(super) fn is_public(&self, path: &str) -> bool {
        let [_, _, trade, private] = self.wire.paths();
        !path.starts_with(trade) && (private.is_empty() || !path.starts_with(private))
    }

    /// The venue's own time.
    pub(super) fn now_ms(&self, clock: &WallClock) -> u64 {
        clock.now_ms().saturating_add_signed(self.faults.skew_ms)
    }
}

/// Opens a port for the venue of this index.
pub(super) fn listen(address: SocketAddr, index: usize, poll: &Poll) -> io::Result<TcpListener> {
    let mut listener = TcpListener::bind(address)?;
    poll.registry().register(&mut listener, Token(index), Interest::READABLE)?;
    Ok(listener)
}

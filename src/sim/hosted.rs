//! A venue as its host keeps it: its wire and exchange, its clock, its faults; and a server's port.

use super::faults::FaultState;
use super::handle::{SimCounters, SimError, SimVenueOptions};
use super::{ConnId, Exchange, HttpReply, Wire, WsOut};
use mio::net::TcpListener;
use mio::{Interest, Poll, Token};
use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The host's time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time {
    /// When it started, ms since the epoch.
    pub(super) start_ms: u64,
    /// Since then.
    pub(super) passed_ns: u64,
}

impl Time {
    pub(super) fn now_ms(self) -> u64 {
        self.start_ms + self.passed_ns / 1_000_000
    }
}

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
}

/// What keys, signatures and logins are called, in small letters.
const KEY_MARKS: [&str; 8] = [
    "apikey",
    "bapi",
    "access-key",
    "access-sign",
    "signature",
    "\"op\":\"login\"",
    "\"op\":\"auth\"",
    "\"user\"",
];

fn has_key(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    KEY_MARKS.iter().any(|mark| text.contains(mark))
}

/// Something on its way to a client.
pub(super) enum Outgoing {
    Ws(WsOut),
    Reply(HttpReply),
}

/// One venue.
pub(super) struct Venue {
    pub(super) wire: Box<dyn Wire>,
    pub(super) exchange: Exchange,
    /// New connections are to be refused.
    pub(super) refuses: bool,
    pub(super) faults: FaultState,
    pub(super) delayed: VecDeque<(u64, ConnId, Outgoing)>,
    /// The same for the one connection that is slower than the others.
    pub(super) slowed: VecDeque<(u64, ConnId, Outgoing)>,
    pub(super) counters: SimCounters,
}

impl Venue {
    pub(super) fn new(options: SimVenueOptions) -> Self {
        Self {
            wire: options.wire,
            exchange: options.exchange,
            refuses: false,
            faults: FaultState::default(),
            delayed: VecDeque::new(),
            slowed: VecDeque::new(),
            counters: SimCounters::default(),
        }
    }

    /// Public market data, and neither order entry nor the private stream.
    pub(super) fn is_public(&self, path: &str) -> bool {
        let [_, _, trade, private] = self.wire.paths();
        !path.starts_with(trade) && (private.is_empty() || !path.starts_with(private))
    }

    /// Whether a request is that of somebody who trades or wants to.
    pub(super) fn is_private_request(&self, request: &super::HttpRequest) -> bool {
        let names = request.headers.iter().map(|(name, _)| name.as_str());
        names.chain([request.query.as_str(), &request.body]).any(has_key)
    }

    /// The same of a text on a connection with this path.
    pub(super) fn is_private_text(&self, path: &str, text: &str) -> bool {
        let [_, public, trade, _] = self.wire.paths();
        (public != trade && !self.is_public(path)) || has_key(text)
    }

    /// The venue's own time.
    pub(super) fn now_ms(&self, time: Time) -> u64 {
        time.now_ms().saturating_add_signed(self.faults.skew_ms)
    }
}

/// The port of a venue.
pub(super) struct Port {
    pub(super) address: SocketAddr,
    pub(super) listener: Option<TcpListener>,
}

impl Port {
    pub(super) fn open(
        venue: &SimVenueOptions,
        index: usize,
        poll: &Poll,
    ) -> Result<Self, SimError> {
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, venue.port));
        let name = venue.wire.name();
        let fail = |error| SimError::Io(format!("{name}: cannot listen on {wanted}"), error);
        let listener = listen(wanted, index, poll).map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        Ok(Self { address, listener: Some(listener) })
    }

    /// Listens again, if the address is free.
    pub(super) fn reopen(&mut self, index: usize, poll: &Poll) {
        self.listener = listen(self.address, index, poll).ok();
    }
}

/// Opens a port for the venue of this index.
fn listen(address: SocketAddr, index: usize, poll: &Poll) -> io::Result<TcpListener> {
    let mut listener = TcpListener::bind(address)?;
    poll.registry().register(&mut listener, Token(index), Interest::READABLE)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_logins_and_signatures_are_known_and_market_data_is_not() {
        let private = [
            "X-MBX-APIKEY",
            "x-bapi-sign",
            "OK-ACCESS-KEY",
            "symbol=BTCUSDT&signature=00",
            r#"{"op":"login","args":[]}"#,
            r#"{"op":"auth","args":[]}"#,
            r#"{"action":{},"nonce":1,"signature":{"r":"0x0"}}"#,
            r#"{"type":"openOrders","user":"0x0"}"#,
        ];
        assert!(private.into_iter().all(has_key));
        let public = [
            "accept-encoding",
            "symbol=BTCUSDT&limit=1000",
            r#"{"op":"subscribe","args":["orderbook.50.BTCUSDT"]}"#,
            r#"{"type":"l2Book","coin":"BTC"}"#,
        ];
        assert!(!public.into_iter().any(has_key));
    }
}

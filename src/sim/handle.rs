//! What a program holds of a running simulator: options to start it, a handle to ask, disturb and
//! stop it. Every question is answered by the simulator's own thread, so answers are consistent.

use super::faults::Fault;
use super::{
    Exchange, FlowOptions, Ledger, MirrorPort, PlaceRequest, Refusal, SimOrder, SimPosition,
    SymbolRules, Wire,
};
use mio::Waker;
use rust_decimal::Decimal;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::time::Duration;
use std::{fmt, io, thread};

/// How long a question waits for the simulator's thread.
const REPLY_WITHIN: Duration = Duration::from_secs(5);

/// One venue to run.
pub struct SimVenueOptions {
    /// Its protocol.
    pub wire: Box<dyn Wire>,
    /// What lies behind it.
    pub exchange: Exchange,
    /// Port on loopback; 0 takes any free one.
    pub port: u16,
}

/// How long what clients send is on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SimLatency {
    /// At least, ns; nothing is delayed if both are 0.
    pub least_ns: u64,
    /// Up to this much longer, at random, ns. What came earlier is never overtaken.
    pub jitter_ns: u64,
}

/// What the simulator runs.
#[derive(Default)]
pub struct SimOptions {
    /// The venues.
    pub venues: Vec<SimVenueOptions>,
    /// What moves their books.
    pub flow: FlowOptions,
    /// A market elsewhere that the books follow in place of the flow.
    pub mirror: Option<MirrorPort>,
    /// Of everything that clients send over their connections, once these stand.
    pub latency: SimLatency,
    /// In how many of a thousand requests the streams tell the outcome before the reply does.
    /// Venues promise no order, so clients must bear both.
    pub events_first_per_mille: u32,
}

/// Why the simulator could not start.
#[derive(Debug)]
pub enum SimError {
    /// A socket could not be opened.
    Io(String, io::Error),
    /// A certificate could not be made.
    Tls(String),
    /// The recorded flow cannot be used.
    Flow(String),
    /// A key could not be made.
    Keys(String),
}

impl fmt::Display for SimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(what, error) => write!(f, "simulator: {what}: {error}"),
            Self::Tls(error) => write!(f, "simulator: certificate: {error}"),
            Self::Flow(error) => write!(f, "simulator: flow: {error}"),
            Self::Keys(error) => write!(f, "simulator: keys: {error}"),
        }
    }
}

impl std::error::Error for SimError {}

/// Addresses of a simulated venue as a client configures them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimUrls {
    /// REST.
    pub rest: String,
    /// Public market data.
    pub public: String,
    /// Order entry.
    pub trade: String,
    /// Private stream; empty where it shares the order-entry connection.
    pub private: String,
}

impl SimUrls {
    /// Addresses of a venue with this wire at a port of this machine.
    pub(super) fn of(wire: &dyn Wire, port: u16) -> Self {
        Self::at(wire.paths(), port)
    }

    /// The same for these paths.
    pub(super) fn at([rest, public, trade, private]: [&str; 4], port: u16) -> Self {
        let socket = |path: &str| format!("wss://localhost:{port}{path}");
        Self {
            rest: format!("https://localhost:{port}{rest}"),
            public: socket(public),
            trade: socket(trade),
            private: if private.is_empty() { String::new() } else { socket(private) },
        }
    }
}

/// What a venue's sockets have seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SimCounters {
    /// Connections accepted.
    pub connections: u64,
    /// HTTP requests answered.
    pub requests: u64,
    /// WebSocket texts received.
    pub texts_in: u64,
    /// WebSocket texts sent.
    pub texts_out: u64,
    /// Connections cut because the client did not read.
    pub cut_slow: u64,
    /// Requests and texts of somebody who trades or wants to: with a key, a signature or a login, or
    /// to where orders and accounts are, whatever became of them.
    pub private: u64,
    /// Payments of funding that were left out, and nobody has asked to be told of.
    pub unpaid: u64,
}

/// What the simulator's thread is asked to do.
pub(super) enum Control {
    Ledger(usize, String, Sender<Option<Ledger>>),
    Counters(usize, Sender<SimCounters>),
    Fault(usize, Fault, Sender<()>),
    Place(usize, String, PlaceRequest, Sender<Result<SimOrder, Refusal>>),
    Position(usize, String, String, Sender<Option<SimPosition>>),
    Leverage(usize, String, (String, Decimal), Sender<Result<(), Refusal>>),
    Rules(usize, Box<SymbolRules>, Sender<bool>),
    Stop,
}

/// Tells a running simulator that something was handed on to it.
#[derive(Clone, Debug)]
pub struct SimWaker(Arc<Waker>);

impl SimWaker {
    /// It looks at once instead of within a few milliseconds.
    pub fn wake(&self) {
        let _ = self.0.wake();
    }
}

/// A running simulator. Dropping it stops it.
pub struct SimHandle {
    venues: Vec<(&'static str, SocketAddr, SimUrls)>,
    ca_pem: String,
    control: Sender<Control>,
    waker: Arc<Waker>,
    thread: Option<thread::JoinHandle<()>>,
}

impl SimHandle {
    pub(super) fn new(
        venues: Vec<(&'static str, SocketAddr, SimUrls)>,
        ca_pem: String,
        control: Sender<Control>,
        waker: Arc<Waker>,
        thread: thread::JoinHandle<()>,
    ) -> Self {
        Self { venues, ca_pem, control, waker, thread: Some(thread) }
    }

    /// Where a venue listens.
    #[must_use]
    pub fn address(&self, venue: &str) -> Option<SocketAddr> {
        Some(self.venues[self.index(venue)?].1)
    }

    /// Where a client finds a venue.
    #[must_use]
    pub fn urls(&self, venue: &str) -> Option<&SimUrls> {
        Some(&self.venues[self.index(venue)?].2)
    }

    /// Names of the venues.
    pub fn venues(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.venues.iter().map(|(name, _, _)| *name)
    }

    /// Certificate of the authority that a client must trust, PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// What a venue holds for the account of this key.
    #[must_use]
    pub fn ledger(&self, venue: &str, key: &str) -> Option<Ledger> {
        let index = self.index(venue)?;
        self.ask(|reply| Control::Ledger(index, key.to_owned(), reply)).flatten()
    }

    /// What a venue's sockets have seen.
    #[must_use]
    pub fn counters(&self, venue: &str) -> Option<SimCounters> {
        let index = self.index(venue)?;
        self.ask(|reply| Control::Counters(index, reply))
    }

    /// Causes or switches a fault; in force when this returns. `false` if there is no such venue.
    pub fn fault(&self, venue: &str, fault: Fault) -> bool {
        let Some(index) = self.index(venue) else { return false };
        self.ask(|reply| Control::Fault(index, fault, reply)).is_some()
    }

    /// Places an order for the account of this key, as its owner would by hand: no connection is
    /// needed. `None` if there is no such venue or key.
    pub fn place(
        &self,
        venue: &str,
        key: &str,
        request: PlaceRequest,
    ) -> Option<Result<SimOrder, Refusal>> {
        let index = self.index(venue)?;
        self.ask(|reply| Control::Place(index, key.to_owned(), request, reply))
    }

    /// The position in a perpetual of the account of this key, and what it stands on. `None` if there is
    /// no such venue, key or perpetual.
    #[must_use]
    pub fn position(&self, venue: &str, key: &str, symbol: &str) -> Option<SimPosition> {
        let index = self.index(venue)?;
        self.ask(|reply| Control::Position(index, key.to_owned(), symbol.to_owned(), reply))?
    }

    /// Sets the leverage of a perpetual, as the owner of this key would by hand. `None` if there is no
    /// such venue or key.
    pub fn set_leverage(
        &self,
        venue: &str,
        key: &str,
        symbol: &str,
        leverage: Decimal,
    ) -> Option<Result<(), Refusal>> {
        let index = self.index(venue)?;
        let change = (symbol.to_owned(), leverage);
        self.ask(|reply| Control::Leverage(index, key.to_owned(), change, reply))
    }

    /// Changes the rules of a symbol, for orders from now on. `false` if there is no such venue or
    /// symbol.
    pub fn set_rules(&self, venue: &str, rules: SymbolRules) -> bool {
        let Some(index) = self.index(venue) else { return false };
        self.ask(|reply| Control::Rules(index, Box::new(rules), reply)).unwrap_or(false)
    }

    /// For whoever hands changes of a market on to it.
    #[must_use]
    pub fn waker(&self) -> SimWaker {
        SimWaker(self.waker.clone())
    }

    /// Ends the simulator and waits for its thread.
    pub fn stop(mut self) {
        self.end();
    }

    fn index(&self, venue: &str) -> Option<usize> {
        self.venues.iter().position(|(name, _, _)| *name == venue)
    }

    fn ask<T>(&self, control: impl FnOnce(Sender<T>) -> Control) -> Option<T> {
        let (reply, answer) = mpsc::channel();
        self.control.send(control(reply)).ok()?;
        self.waker.wake().ok()?;
        answer.recv_timeout(REPLY_WITHIN).ok()
    }

    fn end(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = self.control.send(Control::Stop);
            let _ = self.waker.wake();
            let _ = thread.join();
        }
    }
}

impl Drop for SimHandle {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for SimHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimHandle").field("venues", &self.venues).finish_non_exhaustive()
    }
}

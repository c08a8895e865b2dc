//! The simulator's sockets: one thread, one port per venue, TLS, HTTP and WebSocket on each.
//!
//! The thread sleeps in the poll until a client speaks, the flow is due or the venues' timer is.
//! A request is handled the moment it is read. Nothing blocks and nothing grows without bound: a
//! client that does not read is cut. Decides nothing about protocols; that is the wires' work.

use super::connection::{Connection, Input};
use super::faults::{Fault, FaultState};
use super::flow::{Flow, Target};
use super::tls::{Identity, TlsStream};
use super::{ConnId, Exchange, FlowOptions, HttpReply, HttpRequest, Ledger, Wire, WireOut, WsOut};
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{fmt, io, thread};

const TIMER_EVERY: Duration = Duration::from_millis(4);
/// How long a control request waits for the simulator's thread.
const REPLY_WITHIN: Duration = Duration::from_secs(5);
/// Connections at once, over all venues.
const CONNECTIONS_MAX: usize = 1_024;
/// Things one connection may do before the others have their turn.
const INPUTS_PER_TURN: usize = 64;
const WAKER: Token = Token(usize::MAX);
/// Until a flow paced by clients looks again whether they have read.
const HELD_FOR_NS: u64 = 1_000_000;
/// Tokens below are listeners.
const FIRST_CONNECTION: u64 = 1_000;

/// One venue to run.
pub struct SimVenueOptions {
    /// Its protocol.
    pub wire: Box<dyn Wire>,
    /// What lies behind it.
    pub exchange: Exchange,
    /// Port on loopback; 0 takes any free one.
    pub port: u16,
}

/// What the simulator runs.
pub struct SimOptions {
    /// The venues.
    pub venues: Vec<SimVenueOptions>,
    /// What moves their books.
    pub flow: FlowOptions,
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
}

enum Control {
    Ledger(usize, String, Sender<Option<Ledger>>),
    Counters(usize, Sender<SimCounters>),
    Fault(usize, Fault, Sender<()>),
    Stop,
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

/// Starts simulators.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Binds the ports, makes the certificates, fills the books and starts the thread.
    pub fn start(options: SimOptions) -> Result<SimHandle, SimError> {
        let SimOptions { venues, flow, events_first_per_mille } = options;
        let identity = Identity::generate()?;
        let ca_pem = identity.ca_pem.clone();
        let poll = Poll::new().map_err(|error| SimError::Io("poll".to_owned(), error))?;
        let waker = Waker::new(poll.registry(), WAKER)
            .map_err(|error| SimError::Io("waker".to_owned(), error))?;
        let mut running = Vec::new();
        let mut shown = Vec::new();
        for (index, venue) in venues.into_iter().enumerate() {
            let venue = Venue::open(venue, index, &poll)?;
            shown.push((venue.wire.name(), venue.address, venue.urls()));
            running.push(venue);
        }
        let described: Vec<_> = running
            .iter()
            .map(|venue| (venue.wire.name(), venue.exchange.symbols().to_vec()))
            .collect();
        let flow = Flow::new(&flow, &described).map_err(SimError::Flow)?;
        let (control, requests) = mpsc::channel();
        let mut simulator = Loop {
            poll,
            identity,
            venues: running,
            connections: BTreeMap::new(),
            more: BTreeSet::new(),
            next_connection: FIRST_CONNECTION,
            flow,
            flow_waits: false,
            clock: WallClock::new(),
            requests,
            events_first_per_mille,
            order_seed: 0x9e37_79b9_7f4a_7c15,
        };
        simulator.fill_books();
        let thread = thread::Builder::new()
            .name("sim".to_owned())
            .spawn(move || simulator.run())
            .map_err(|error| SimError::Io("thread".to_owned(), error))?;
        let waker = Arc::new(waker);
        Ok(SimHandle { venues: shown, ca_pem, control, waker, thread: Some(thread) })
    }
}

/// Time since the epoch that never goes back.
struct WallClock {
    start: Instant,
    start_ms: u64,
}

impl WallClock {
    fn new() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start: Instant::now(), start_ms: unix.as_millis() as u64 }
    }

    fn passed_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    fn now_ms(&self) -> u64 {
        self.start_ms + self.start.elapsed().as_millis() as u64
    }
}

/// Something on its way to a client.
enum Outgoing {
    Ws(WsOut),
    Reply(HttpReply),
}

struct Venue {
    wire: Box<dyn Wire>,
    exchange: Exchange,
    address: SocketAddr,
    listener: Option<TcpListener>,
    /// New connections are to be refused.
    refuses: bool,
    faults: FaultState,
    delayed: VecDeque<(u64, ConnId, Outgoing)>,
    counters: SimCounters,
}

impl Venue {
    fn open(options: SimVenueOptions, index: usize, poll: &Poll) -> Result<Self, SimError> {
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

    fn urls(&self) -> SimUrls {
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
    fn is_public(&self, path: &str) -> bool {
        let [_, _, trade, private] = self.wire.paths();
        !path.starts_with(trade) && (private.is_empty() || !path.starts_with(private))
    }

    fn now_ms(&self, clock: &WallClock) -> u64 {
        clock.now_ms().saturating_add_signed(self.faults.skew_ms)
    }
}

fn listen(address: SocketAddr, index: usize, poll: &Poll) -> io::Result<TcpListener> {
    let mut listener = TcpListener::bind(address)?;
    poll.registry().register(&mut listener, Token(index), Interest::READABLE)?;
    Ok(listener)
}

struct Loop {
    poll: Poll,
    identity: Identity,
    venues: Vec<Venue>,
    connections: BTreeMap<u64, Connection>,
    /// Connections that may hold more than one turn read.
    more: BTreeSet<u64>,
    next_connection: u64,
    flow: Flow,
    /// The flow is held until clients have read.
    flow_waits: bool,
    clock: WallClock,
    requests: Receiver<Control>,
    events_first_per_mille: u32,
    order_seed: u64,
}

impl Loop {
    fn run(mut self) {
        let mut events = Events::with_capacity(256);
        let mut timer_at = Instant::now() + TIMER_EVERY;
        loop {
            let timeout = self.sleep_for(timer_at);
            match self.poll.poll(&mut events, Some(timeout)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return,
            }
            for event in &events {
                match event.token() {
                    WAKER => {
                        if !self.serve_controls() {
                            return self.close_all();
                        }
                    }
                    Token(index) if (index as u64) < FIRST_CONNECTION => self.accept(index),
                    Token(id) => {
                        if event.is_writable() {
                            self.writable(id as u64);
                        }
                        self.more.insert(id as u64);
                    }
                }
            }
            for id in std::mem::take(&mut self.more) {
                self.read(id);
            }
            self.run_flow();
            if Instant::now() >= timer_at {
                self.run_timer();
                timer_at = Instant::now() + TIMER_EVERY;
            }
            self.send_delayed();
        }
    }

    fn sleep_for(&self, timer_at: Instant) -> Duration {
        if !self.more.is_empty() {
            return Duration::ZERO;
        }
        let now = self.clock.passed_ns();
        let timer = timer_at.saturating_duration_since(Instant::now());
        let flow = if self.flow_waits { HELD_FOR_NS } else { self.flow.due_in(now) };
        let delayed = self.venues.iter().filter_map(|venue| venue.delayed.front());
        let delayed = delayed.map(|(due, _, _)| due.saturating_sub(now)).min();
        timer.min(Duration::from_nanos(flow.min(delayed.unwrap_or(u64::MAX))))
    }

    fn serve_controls(&mut self) -> bool {
        while let Ok(request) = self.requests.try_recv() {
            match request {
                Control::Ledger(index, key, reply) => {
                    let exchange = &self.venues[index].exchange;
                    let ledger = exchange.account_by_key(&key).map(|(id, _)| exchange.ledger(id));
                    let _ = reply.send(ledger);
                }
                Control::Counters(index, reply) => {
                    let _ = reply.send(self.venues[index].counters);
                }
                Control::Fault(index, fault, reply) => {
                    self.apply_fault(index, fault);
                    let _ = reply.send(());
                }
                Control::Stop => return false,
            }
        }
        true
    }

    fn accept(&mut self, index: usize) {
        loop {
            let Some(listener) = self.venues.get(index).and_then(|venue| venue.listener.as_ref())
            else {
                return;
            };
            let Ok((mut socket, _)) = listener.accept() else { return };
            if self.connections.len() >= CONNECTIONS_MAX {
                continue;
            }
            let _ = socket.set_nodelay(true);
            let id = self.next_connection;
            self.next_connection += 1;
            let both = Interest::READABLE | Interest::WRITABLE;
            let known = self.poll.registry().register(&mut socket, Token(id as usize), both);
            let Ok(stream) = TlsStream::new(socket, &self.identity.config) else { continue };
            if known.is_ok() {
                self.venues[index].counters.connections += 1;
                self.connections.insert(id, Connection::new(ConnId(id), index, stream));
                self.more.insert(id);
            }
        }
    }

    fn writable(&mut self, id: u64) {
        if self.connections.get_mut(&id).is_some_and(|connection| !connection.on_writable()) {
            self.drop_connection(id);
        }
    }

    fn read(&mut self, id: u64) {
        for _ in 0..INPUTS_PER_TURN {
            let Some(connection) = self.connections.get_mut(&id) else { return };
            let venue = connection.venue;
            match connection.read() {
                None => return,
                Some(Input::Request(request)) => self.on_request(venue, id, &request),
                Some(Input::Upgrade(request, key)) => self.on_upgrade(venue, id, &request, &key),
                Some(Input::Text(text)) => self.on_text(venue, id, &text),
                Some(Input::Pong(payload)) => {
                    let venue = &mut self.venues[venue];
                    let now_ms = venue.now_ms(&self.clock);
                    venue.wire.on_ws_pong(ConnId(id), &payload, now_ms);
                }
                Some(Input::Closed) => return self.drop_connection(id),
            }
        }
        self.more.insert(id);
    }

    fn on_request(&mut self, index: usize, id: u64, request: &HttpRequest) {
        let venue = &mut self.venues[index];
        let now_ms = venue.now_ms(&self.clock);
        let mut out = WireOut::new();
        let reply = venue.wire.on_http(request, &mut venue.exchange, now_ms, &mut out);
        venue.counters.requests += 1;
        let lost = venue.faults.lose_replies && request.method != "GET";
        let first = self.events_first();
        if first {
            self.publish(index);
        }
        if !lost {
            self.deliver(index, ConnId(id), Outgoing::Reply(reply));
        }
        self.deliver_all(index, out);
        self.publish(index);
    }

    fn on_upgrade(&mut self, index: usize, id: u64, request: &HttpRequest, key: &str) {
        let venue = &mut self.venues[index];
        let now_ms = venue.now_ms(&self.clock);
        let mut out = WireOut::new();
        let (path, query) = (&request.path, &request.query);
        let conn = ConnId(id);
        let opened =
            venue.wire.on_ws_open(conn, path, query, &mut venue.exchange, now_ms, &mut out);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let alive = match opened {
            Ok(()) => {
                let upgraded = connection.upgrade(path, key);
                if !upgraded {
                    venue.wire.on_ws_closed(conn);
                }
                upgraded
            }
            Err(reply) => connection.reply(&reply),
        };
        if !alive {
            return self.drop_connection(id);
        }
        self.deliver_all(index, out);
        self.publish(index);
    }

    fn on_text(&mut self, index: usize, id: u64, text: &str) {
        let venue = &mut self.venues[index];
        venue.counters.texts_in += 1;
        let now_ms = venue.now_ms(&self.clock);
        let mut out = WireOut::new();
        venue.wire.on_ws_text(ConnId(id), text, &mut venue.exchange, now_ms, &mut out);
        if venue.faults.lose_replies {
            let [_, _, trade, _] = venue.wire.paths();
            let is_trade =
                self.connections.get(&id).is_some_and(|conn| conn.path.starts_with(trade));
            out.retain(|(to, what)| !(is_trade && to.0 == id && matches!(what, WsOut::Text(_))));
        }
        if self.events_first() {
            self.publish(index);
        }
        self.deliver_all(index, out);
        self.publish(index);
    }

    /// Whether the streams come before the reply this time: splitmix64 over a counter.
    fn events_first(&mut self) -> bool {
        self.order_seed = self.order_seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.order_seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed >> 32) % 1_000 < u64::from(self.events_first_per_mille)
    }

    /// Tells the clients of a venue what happened on its exchange.
    fn publish(&mut self, index: usize) {
        let venue = &mut self.venues[index];
        let events = venue.exchange.take_events();
        if events.is_empty() {
            return;
        }
        let now_ms = venue.now_ms(&self.clock);
        let mut out = WireOut::new();
        venue.wire.on_exchange(&events, &venue.exchange, now_ms, &mut out);
        self.deliver_all(index, out);
    }

    fn deliver_all(&mut self, index: usize, out: WireOut) {
        for (conn, what) in out {
            self.deliver(index, conn, Outgoing::Ws(what));
        }
    }

    fn deliver(&mut self, index: usize, conn: ConnId, what: Outgoing) {
        let venue = &mut self.venues[index];
        if venue.faults.delay_ms == 0 && venue.delayed.is_empty() {
            return self.send(index, conn, what);
        }
        let last = venue.delayed.back().map_or(0, |(due, _, _)| *due);
        let due = (self.clock.passed_ns() + venue.faults.delay_ms * 1_000_000).max(last);
        venue.delayed.push_back((due, conn, what));
    }

    fn send_delayed(&mut self) {
        let now = self.clock.passed_ns();
        for index in 0..self.venues.len() {
            while let Some((_, conn, what)) =
                self.venues[index].delayed.pop_front_if(|(due, _, _)| *due <= now)
            {
                self.send(index, conn, what);
            }
        }
    }

    fn send(&mut self, index: usize, conn: ConnId, what: Outgoing) {
        let venue = &mut self.venues[index];
        let Some(connection) = self.connections.get_mut(&conn.0) else { return };
        let alive = match what {
            Outgoing::Reply(reply) => {
                self.more.insert(conn.0);
                connection.reply(&reply)
            }
            Outgoing::Ws(WsOut::Text(text)) => {
                let marks = venue.wire.book_delta_marks();
                if venue.faults.swallows(conn, &text, marks) {
                    return;
                }
                venue.counters.texts_out += 1;
                let alive = connection.send(WsOut::Text(text), self.clock.now_ms());
                venue.counters.cut_slow += u64::from(!alive);
                alive
            }
            Outgoing::Ws(other) => connection.send(other, self.clock.now_ms()),
        };
        if !alive {
            self.drop_connection(conn.0);
        }
    }

    fn drop_connection(&mut self, id: u64) {
        let Some(mut connection) = self.connections.remove(&id) else { return };
        self.more.remove(&id);
        let venue = &mut self.venues[connection.venue];
        venue.faults.forget(connection.id);
        if !connection.path.is_empty() {
            venue.wire.on_ws_closed(connection.id);
        }
        connection.cut();
    }

    /// What the flow has at its start is there before the first client comes.
    fn fill_books(&mut self) {
        self.play_flow(0);
    }

    fn run_flow(&mut self) {
        self.flow_waits = self.flow.is_paced_by_clients() && self.clients_are_behind();
        if self.flow_waits {
            return;
        }
        self.play_flow(self.clock.passed_ns());
    }

    fn play_flow(&mut self, now: u64) {
        let start_ms = self.clock.start_ms;
        let mut targets: Vec<Target<'_>> = self
            .venues
            .iter_mut()
            .map(|venue| Target {
                exchange: &mut venue.exchange,
                start_ms: start_ms.saturating_add_signed(venue.faults.skew_ms),
            })
            .collect();
        if !self.flow.step(now, &mut targets) {
            return;
        }
        for index in 0..self.venues.len() {
            self.publish(index);
        }
    }

    /// Nobody listens yet, or somebody has not read all.
    fn clients_are_behind(&mut self) -> bool {
        let mut sockets =
            self.connections.values_mut().filter(|connection| connection.is_websocket());
        let mut listens = false;
        sockets.any(|connection| {
            listens = true;
            connection.is_congested()
        }) || !listens
    }

    fn run_timer(&mut self) {
        for index in 0..self.venues.len() {
            self.reopen(index);
            let venue = &mut self.venues[index];
            let now_ms = venue.now_ms(&self.clock);
            let mut out = WireOut::new();
            venue.wire.on_timer(&venue.exchange, now_ms, &mut out);
            self.deliver_all(index, out);
        }
        let now_ms = self.clock.now_ms();
        let late = |connection: &Connection| connection.close_by_ms.is_some_and(|by| by <= now_ms);
        let late: Vec<u64> =
            self.connections.iter().filter(|(_, one)| late(one)).map(|(id, _)| *id).collect();
        for id in late {
            self.drop_connection(id);
        }
    }

    /// Listens again once connections are no longer refused; another try with every timer.
    fn reopen(&mut self, index: usize) {
        let venue = &mut self.venues[index];
        if !venue.refuses && venue.listener.is_none() {
            venue.listener = listen(venue.address, index, &self.poll).ok();
        }
    }

    fn apply_fault(&mut self, index: usize, fault: Fault) {
        let venue = &mut self.venues[index];
        let sockets: Vec<u64> = self
            .connections
            .values()
            .filter(|connection| connection.venue == index)
            .map(|connection| connection.id.0)
            .collect();
        match fault {
            Fault::CutConnections => {
                for id in sockets {
                    self.drop_connection(id);
                }
                self.venues[index].delayed.clear();
            }
            Fault::RefuseConnections(on) => {
                venue.refuses = on;
                if on {
                    venue.listener = None;
                } else {
                    self.reopen(index);
                }
            }
            Fault::SkipBookEvent { symbol } => {
                let open = sockets.into_iter().map(ConnId).collect();
                venue.faults.skip(&symbol, open);
            }
            Fault::AnnounceShutdown => {
                let mut out = WireOut::new();
                let now_ms = venue.now_ms(&self.clock);
                venue.wire.on_announce_shutdown(now_ms, &mut out);
                self.deliver_all(index, out);
            }
            Fault::SkewClock(skew_ms) => venue.faults.skew_ms = skew_ms,
            Fault::LoseReplies(on) => venue.faults.lose_replies = on,
            Fault::DelayMs(delay_ms) => venue.faults.delay_ms = delay_ms,
            Fault::InjectText { path_contains, text } => {
                for id in sockets {
                    let wanted = self.connections.get(&id).is_some_and(|connection| {
                        connection.is_websocket() && connection.path.contains(&path_contains)
                    });
                    if wanted {
                        self.deliver(index, ConnId(id), Outgoing::Ws(WsOut::Text(text.clone())));
                    }
                }
            }
            Fault::InjectRaw(bytes) => self.inject_raw(index, &sockets, &bytes),
        }
    }

    fn inject_raw(&mut self, index: usize, sockets: &[u64], bytes: &[u8]) {
        for &id in sockets {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            let public =
                connection.is_websocket() && self.venues[index].is_public(&connection.path);
            if public && !connection.send_raw(bytes) {
                self.drop_connection(id);
            }
        }
    }

    fn close_all(&mut self) {
        let open: Vec<u64> = self.connections.keys().copied().collect();
        for id in open {
            self.drop_connection(id);
        }
    }
}

//! The simulator's sockets: one thread, one port per venue, TLS, HTTP and WebSocket on each.
//!
//! The thread sleeps in the poll until a client speaks, the flow is due or the venues' timer is.
//! A request is handled the moment it is read. Nothing blocks and nothing grows without bound: a
//! client that does not read is cut. Decides nothing about protocols; that is the wires' work.

mod disturb;

use super::connection::{Connection, Input};
use super::flow::{Flow, Target};
use super::handle::{Control, SimError, SimHandle, SimOptions};
use super::hosted::{Outgoing, Venue, WallClock, listen};
use super::random::Random;
use super::tls::{Identity, TlsStream};
use super::{ConnId, HttpRequest, WireOut, WsOut};
use mio::{Events, Interest, Poll, Token, Waker};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};
use std::{io, thread};

const TIMER_EVERY: Duration = Duration::from_millis(4);
/// Connections at once, over all venues.
const CONNECTIONS_MAX: usize = 1_024;
/// Changes of books before clients have their turn, should the thread have fallen behind.
const CHANGES_PER_TURN: usize = 128;
/// Things one connection may do before the others have their turn.
const INPUTS_PER_TURN: usize = 64;
const WAKER: Token = Token(usize::MAX);
/// Until a flow paced by clients looks again whether they have read.
const HELD_FOR_NS: u64 = 1_000_000;
/// Keeps the order of replies and streams apart from the flow's randomness.
const ORDER_STREAM: u64 = u64::MAX;
/// Tokens below are listeners.
const FIRST_CONNECTION: u64 = 1_000;

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
        let order = Random::new(flow.seed, ORDER_STREAM);
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
            order,
        };
        simulator.fill_books();
        let thread = thread::Builder::new()
            .name("sim".to_owned())
            .spawn(move || simulator.run())
            .map_err(|error| SimError::Io("thread".to_owned(), error))?;
        Ok(SimHandle::new(shown, ca_pem, control, Arc::new(waker), thread))
    }
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
    order: Random,
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

    /// Whether the streams come before the reply this time.
    fn events_first(&mut self) -> bool {
        self.order.unit() * 1_000.0 < f64::from(self.events_first_per_mille)
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
        while self.flow.due_in(0) == 0 && !self.flow.is_paced_by_clients() {
            self.play_flow(0);
        }
        // A flow without a pace of its own has its beginning in its first turn.
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
        if self.flow.step(now, CHANGES_PER_TURN, &mut targets) == 0 {
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

    fn close_all(&mut self) {
        let open: Vec<u64> = self.connections.keys().copied().collect();
        for id in open {
            self.drop_connection(id);
        }
    }
}

//! The venues with their connections, flow and faults, without sockets, thread or clock: whoever
//! hosts them brings connections, says what time it is and calls [`Host::turn`].
//!
//! A request is handled the moment it is read. Nothing blocks and nothing grows without bound: a
//! client that does not read is cut. Decides nothing about protocols; that is the wires' work.

mod disturb;

use super::connection::{Connection, Input, Line};
use super::flow::{Flow, Target};
use super::handle::{SimError, SimLatency, SimOptions};
use super::hosted::{Outgoing, Time, Venue};
use super::mirror::{MirrorPort, tell_news};
use super::random::Random;
use super::{
    ConnId, HttpReply, HttpRequest, News, PlaceRequest, Refusal, SimOrder, WireOut, WsOut,
};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::mpsc::SyncSender;

/// How often the wires' timers run, if nothing else is asked for.
const TIMER_EVERY_NS: u64 = 4_000_000;
/// Connections at once, over all venues.
const CONNECTIONS_MAX: usize = 1_024;
/// Changes of books before clients have their turn, should the host have fallen behind.
const CHANGES_PER_TURN: usize = 128;
/// Things one connection may do before the others have their turn.
const INPUTS_PER_TURN: usize = 64;
/// Until a flow paced by clients looks again whether they have read.
const HELD_FOR_NS: u64 = 1_000_000;
/// What a gateway says when the server behind it does not answer in time.
const FAILED: &str = "<html><body>503 Service Unavailable</body></html>";
/// Keeps the order of replies and streams apart from the flow's randomness.
const ORDER_STREAM: u64 = u64::MAX;
/// And the times that requests travel.
const TRAVEL_STREAM: u64 = u64::MAX - 1;
/// Things on their way at once, over all connections: whoever sends more is cut.
const TRAVELLING_MAX: usize = 65_536;
/// Connections are numbered from here; the numbers below are free for the host's own.
pub(super) const FIRST_CONNECTION: u64 = 1_000;

/// See the module.
pub(super) struct Host {
    pub(super) venues: Vec<Venue>,
    pub(super) connections: BTreeMap<u64, Connection>,
    /// Connections that may hold more than one turn read.
    pub(super) more: BTreeSet<u64>,
    pub(super) time: Time,
    next_connection: u64,
    flow: Flow,
    /// The flow is held until clients have read.
    flow_waits: bool,
    /// The flow is held until it is wanted again.
    pub(super) flow_paused: bool,
    timer_at_ns: u64,
    /// How often the wires' timers run.
    pub(super) timer_every_ns: u64,
    events_first_per_mille: u32,
    order: Random,
    latency: SimLatency,
    travel: Random,
    /// What clients have sent and what is not here yet, with its due time.
    travelling: VecDeque<(u64, u64, Input)>,
    /// Who wants to know what has become of what was handed on.
    news: Option<SyncSender<News>>,
}

impl Host {
    /// The venues with filled books and no connection.
    pub(super) fn new(options: SimOptions, start_ms: u64) -> Result<Self, SimError> {
        let SimOptions { venues, flow, mirror, latency, events_first_per_mille } = options;
        let venues: Vec<Venue> = venues.into_iter().map(Venue::new).collect();
        let described: Vec<_> = venues
            .iter()
            .map(|venue| (venue.wire.name(), venue.exchange.symbols().to_vec()))
            .collect();
        let order = Random::new(flow.seed, ORDER_STREAM);
        let travel = Random::new(flow.seed, TRAVEL_STREAM);
        let (flow, news) = match mirror {
            Some(MirrorPort { changes, news }) => (Flow::mirrored(changes), Some(news)),
            None => (Flow::new(&flow, &described).map_err(SimError::Flow)?, None),
        };
        let mut host = Self {
            venues,
            connections: BTreeMap::new(),
            more: BTreeSet::new(),
            time: Time { start_ms, passed_ns: 0 },
            next_connection: FIRST_CONNECTION,
            flow,
            flow_waits: false,
            flow_paused: false,
            timer_at_ns: TIMER_EVERY_NS,
            timer_every_ns: TIMER_EVERY_NS,
            events_first_per_mille,
            order,
            latency,
            travel,
            travelling: VecDeque::new(),
            news,
        };
        host.fill_books();
        Ok(host)
    }

    /// Whether another connection may come.
    pub(super) fn has_room(&self) -> bool {
        self.connections.len() < CONNECTIONS_MAX
    }

    /// The number of the next connection.
    pub(super) fn next_id(&mut self) -> u64 {
        self.next_connection += 1;
        self.next_connection - 1
    }

    /// Takes over a connection to a venue.
    pub(super) fn add(&mut self, id: u64, venue: usize, line: Line) {
        self.venues[venue].counters.connections += 1;
        self.connections.insert(id, Connection::new(ConnId(id), venue, line));
        self.more.insert(id);
    }

    /// Reads what clients have sent, moves the books, runs the timers, sends what was delayed.
    pub(super) fn turn(&mut self, passed_ns: u64) {
        self.time.passed_ns = passed_ns;
        for id in std::mem::take(&mut self.more) {
            self.read(id);
        }
        self.run_flow();
        self.take_arrived();
        if passed_ns >= self.timer_at_ns {
            self.run_timer();
        }
        self.send_delayed();
    }

    /// How long nothing is due, if no client speaks.
    pub(super) fn idle_ns(&self, passed_ns: u64) -> u64 {
        if !self.more.is_empty() {
            return 0;
        }
        let timer = self.timer_at_ns.saturating_sub(passed_ns);
        let flow = match (self.flow_paused, self.flow_waits) {
            (true, _) => u64::MAX,
            (_, true) => HELD_FOR_NS,
            _ => self.flow.due_in(passed_ns),
        };
        let delayed = self.venues.iter().flat_map(|venue| [&venue.delayed, &venue.slowed]);
        let delayed = delayed.filter_map(|queue| queue.front());
        let delayed = delayed.map(|(due, _, _)| due.saturating_sub(passed_ns)).min();
        let arrival = self.travelling.front().map(|(due, _, _)| due.saturating_sub(passed_ns));
        let arrival = arrival.unwrap_or(u64::MAX);
        timer.min(flow).min(delayed.unwrap_or(u64::MAX)).min(arrival)
    }

    pub(super) fn writable(&mut self, id: u64) {
        if self.connections.get_mut(&id).is_some_and(|connection| !connection.on_writable()) {
            self.drop_connection(id);
        }
    }

    pub(super) fn read(&mut self, id: u64) {
        for _ in 0..INPUTS_PER_TURN {
            let Some(connection) = self.connections.get_mut(&id) else { return };
            let Some(input) = connection.read() else { return };
            let is_end = matches!(input, Input::Closed);
            if self.latency == SimLatency::default() {
                self.take(id, input);
            } else if self.travelling.len() < TRAVELLING_MAX {
                let jitter = self.travel.unit() * self.latency.jitter_ns as f64;
                let due = self.time.passed_ns + self.latency.least_ns + jitter as u64;
                let last = self.travelling.back().map_or(0, |(due, _, _)| *due);
                self.travelling.push_back((due.max(last), id, input));
            } else {
                return self.drop_connection(id);
            }
            if is_end {
                return;
            }
        }
        self.more.insert(id);
    }

    /// What clients have sent long enough ago.
    fn take_arrived(&mut self) {
        let now = self.time.passed_ns;
        while let Some((_, id, input)) = self.travelling.pop_front_if(|(due, _, _)| *due <= now) {
            self.take(id, input);
        }
    }

    /// Something that a client did has arrived; nothing if its connection is gone.
    fn take(&mut self, id: u64, input: Input) {
        let Some(venue) = self.connections.get(&id).map(|connection| connection.venue) else {
            return;
        };
        match input {
            Input::Request(request) => self.on_request(venue, id, &request),
            Input::Upgrade(request, key) => self.on_upgrade(venue, id, &request, &key),
            Input::Text(text) => self.on_text(venue, id, &text),
            Input::Pong(payload) => {
                let venue = &mut self.venues[venue];
                let now_ms = venue.now_ms(self.time);
                venue.wire.on_ws_pong(ConnId(id), &payload, now_ms);
            }
            Input::Closed => self.drop_connection(id),
        }
    }

    fn on_request(&mut self, index: usize, id: u64, request: &HttpRequest) {
        let venue = &mut self.venues[index];
        let now_ms = venue.now_ms(self.time);
        let mut out = WireOut::new();
        let mut reply = venue.wire.on_http(request, &mut venue.exchange, now_ms, &mut out);
        venue.counters.requests += 1;
        venue.counters.private += u64::from(venue.is_private_request(request));
        let changes = request.method != "GET";
        let lost = venue.faults.lose_replies && changes;
        if venue.faults.fail_replies && changes {
            reply = HttpReply { status: 503, headers: Vec::new(), body: FAILED.to_owned() };
        }
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
        let now_ms = venue.now_ms(self.time);
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
        let path = self.connections.get(&id).map_or("", |connection| &connection.path);
        venue.counters.private += u64::from(venue.is_private_text(path, text));
        let now_ms = venue.now_ms(self.time);
        let mut out = WireOut::new();
        venue.wire.on_ws_text(ConnId(id), text, &mut venue.exchange, now_ms, &mut out);
        if venue.faults.lose_replies {
            let path = self.connections.get(&id).map_or("", |conn| &conn.path);
            out.retain(|(to, what)| match what {
                WsOut::Text(text) => to.0 != id || !venue.wire.is_order_reply(path, text),
                _ => true,
            });
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

    /// An order that came over no connection of ours.
    pub(super) fn place_by_hand(
        &mut self,
        index: usize,
        key: &str,
        request: PlaceRequest,
    ) -> Option<Result<SimOrder, Refusal>> {
        let venue = &mut self.venues[index];
        let now_ms = venue.now_ms(self.time);
        let (account, _) = venue.exchange.account_by_key(key)?;
        let outcome = venue.exchange.place(account, request, now_ms);
        self.publish(index);
        Some(outcome)
    }

    /// Other leverage for the account of this key; `None` if there is none.
    pub(super) fn set_leverage_by_hand(
        &mut self,
        index: usize,
        key: &str,
        symbol: &str,
        leverage: Decimal,
    ) -> Option<Result<(), Refusal>> {
        let venue = &mut self.venues[index];
        let now_ms = venue.now_ms(self.time);
        let (account, _) = venue.exchange.account_by_key(key)?;
        let outcome = venue.exchange.set_leverage(account, symbol, leverage, now_ms);
        self.publish(index);
        Some(outcome)
    }

    /// Tells the clients of a venue what happened on its exchange.
    pub(super) fn publish(&mut self, index: usize) {
        let venue = &mut self.venues[index];
        let events = venue.exchange.take_events();
        if events.is_empty() {
            return;
        }
        let now_ms = venue.now_ms(self.time);
        let mut out = WireOut::new();
        venue.wire.on_exchange(&events, &venue.exchange, now_ms, &mut out);
        self.deliver_all(index, out);
    }

    pub(super) fn deliver_all(&mut self, index: usize, out: WireOut) {
        for (conn, what) in out {
            self.deliver(index, conn, Outgoing::Ws(what));
        }
    }

    pub(super) fn deliver(&mut self, index: usize, conn: ConnId, what: Outgoing) {
        let venue = &mut self.venues[index];
        let slow = venue.faults.slow.filter(|(slow, _)| *slow == conn).map(|(_, ms)| ms);
        if slow.is_some() || venue.slowed.iter().any(|(_, slow, _)| *slow == conn) {
            let last = venue.slowed.back().map_or(0, |(due, _, _)| *due);
            let due = (self.time.passed_ns + slow.unwrap_or(0) * 1_000_000).max(last);
            return venue.slowed.push_back((due, conn, what));
        }
        if venue.faults.delay_ms == 0 && venue.delayed.is_empty() {
            return self.send(index, conn, what);
        }
        let last = venue.delayed.back().map_or(0, |(due, _, _)| *due);
        let due = (self.time.passed_ns + venue.faults.delay_ms * 1_000_000).max(last);
        venue.delayed.push_back((due, conn, what));
    }

    fn send_delayed(&mut self) {
        let now = self.time.passed_ns;
        for index in 0..self.venues.len() {
            while let Some((_, conn, what)) =
                self.venues[index].delayed.pop_front_if(|(due, _, _)| *due <= now)
            {
                self.send(index, conn, what);
            }
            while let Some((_, conn, what)) =
                self.venues[index].slowed.pop_front_if(|(due, _, _)| *due <= now)
            {
                self.send(index, conn, what);
            }
        }
    }

    fn send(&mut self, index: usize, conn: ConnId, what: Outgoing) {
        let venue = &mut self.venues[index];
        let Some(connection) = self.connections.get_mut(&conn.0) else { return };
        if venue.faults.cuts(conn) {
            match &what {
                Outgoing::Reply(reply) => connection.send_half_reply(reply),
                Outgoing::Ws(WsOut::Text(text)) => connection.send_half_text(text),
                Outgoing::Ws(_) => {}
            }
            return self.drop_connection(conn.0);
        }
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
                let repeat = venue.faults.repeat_per_mille;
                let again = repeat > 0
                    && venue.wire.is_account_event(&connection.path, &text)
                    && self.order.unit() * 1_000.0 < f64::from(repeat);
                venue.counters.texts_out += 1;
                let now_ms = self.time.now_ms();
                let copy = again.then(|| text.clone());
                let mut alive = connection.send(WsOut::Text(text), now_ms);
                if let Some(copy) = copy {
                    alive = alive && connection.send(WsOut::Text(copy), now_ms);
                }
                venue.counters.cut_slow += u64::from(!alive);
                alive
            }
            Outgoing::Ws(other) => connection.send(other, self.time.now_ms()),
        };
        if !alive {
            self.drop_connection(conn.0);
        }
    }

    pub(super) fn drop_connection(&mut self, id: u64) {
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
        if self.flow_paused {
            return;
        }
        self.flow_waits = self.flow.is_paced_by_clients() && self.clients_are_behind();
        if self.flow_waits {
            return;
        }
        self.play_flow(self.time.passed_ns);
    }

    fn play_flow(&mut self, now: u64) {
        let start_ms = self.time.start_ms;
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
        self.timer_at_ns = self.time.passed_ns + self.timer_every_ns;
        for index in 0..self.venues.len() {
            let venue = &mut self.venues[index];
            let now_ms = venue.now_ms(self.time);
            let mut out = WireOut::new();
            venue.exchange.tick(now_ms);
            tell_news(index, venue, self.news.as_ref());
            venue.wire.on_timer(&mut venue.exchange, now_ms, &mut out);
            self.publish(index);
            self.deliver_all(index, out);
        }
        let now_ms = self.time.now_ms();
        let late = |connection: &Connection| connection.close_by_ms.is_some_and(|by| by <= now_ms);
        let late: Vec<u64> =
            self.connections.iter().filter(|(_, one)| late(one)).map(|(id, _)| *id).collect();
        for id in late {
            self.drop_connection(id);
        }
    }

    pub(super) fn close_all(&mut self) {
        let open: Vec<u64> = self.connections.keys().copied().collect();
        for id in open {
            self.drop_connection(id);
        }
    }
}

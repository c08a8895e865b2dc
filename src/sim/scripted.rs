//! A venue for measuring: it answers everything at once, keeps no book and no account, and sends the
//! market data that it is given, when it is told to.
//!
//! It notes the moment before its bytes go to the socket and the moment after an order's bytes came
//! from it, so that what is measured at the venue holds neither its encryption nor its parsing. One
//! owner polls it: on a thread of its own over TLS, or in the engine's thread over a network in
//! memory, where there are no such moments.

use super::connection::{Connection, Input, Line};
use super::handle::{SimError, SimUrls};
use super::tls::{Identity, TlsStream};
use super::{ConnId, HttpReply, HttpRequest, WsOut};
use crate::pipe::Network;
use mio::net::TcpListener;
use std::io;
use std::net::Ipv4Addr;
use std::time::Instant;

/// What the venue says. One for each venue's wire.
pub trait Script: Send {
    /// Paths of rest, public market data, order entry and the private stream, as in
    /// [`super::Wire::paths`].
    fn paths(&self) -> [&'static str; 4];

    /// Answers a request.
    fn on_http(&mut self, request: &HttpRequest) -> HttpReply;

    /// Answers a text on the connection with this path, in order; says whether it was a new order.
    fn on_text(&mut self, path: &str, text: &str, answers: &mut Vec<String>) -> bool;
}

/// When bytes went to the venue's socket and came from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderSeen {
    /// When the call returned that read the order's bytes; none over a network in memory.
    pub arrived: Option<Instant>,
    /// Bytes of the order's text.
    pub len: usize,
}

enum Door {
    Tls { listener: TcpListener, identity: Identity },
    Memory { network: Network, port: u16 },
}

/// See the module.
pub struct Scripted {
    door: Door,
    script: Box<dyn Script>,
    connections: Vec<Connection>,
    answers: Vec<String>,
    orders: Vec<OrderSeen>,
    last_order: String,
}

impl Scripted {
    /// Listens on a free port of this machine.
    pub fn over_tls(script: Box<dyn Script>) -> Result<Self, SimError> {
        let identity = Identity::generate()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into());
        let listener =
            listener.map_err(|error| SimError::Io("a port on loopback".to_owned(), error))?;
        Ok(Self::new(Door::Tls { listener, identity }, script))
    }

    /// Takes the connections of a port that is open in `network`.
    #[must_use]
    pub fn in_memory(script: Box<dyn Script>, network: Network, port: u16) -> Self {
        Self::new(Door::Memory { network, port }, script)
    }

    fn new(door: Door, script: Box<dyn Script>) -> Self {
        Self {
            door,
            script,
            connections: Vec::new(),
            answers: Vec::new(),
            orders: Vec::new(),
            last_order: String::new(),
        }
    }

    /// Certificate of the authority that vouches for it; empty over a network in memory.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        match &self.door {
            Door::Tls { identity, .. } => &identity.ca_pem,
            Door::Memory { .. } => "",
        }
    }

    /// Where a client finds it.
    pub fn urls(&self) -> Result<SimUrls, SimError> {
        let port = match &self.door {
            Door::Memory { port, .. } => *port,
            Door::Tls { listener, .. } => {
                let address = listener.local_addr();
                address.map_err(|error| SimError::Io("the port's number".to_owned(), error))?.port()
            }
        };
        Ok(SimUrls::at(self.script.paths(), port))
    }

    /// Takes new connections, and reads and answers everything that has come. Returns how much there
    /// was.
    pub fn turn(&mut self) -> usize {
        let mut work = self.accept();
        for at in (0..self.connections.len()).rev() {
            work += self.read(at);
        }
        work
    }

    /// The same for the connections that orders come on, alone: they are found with the least delay.
    pub fn turn_orders(&mut self) -> usize {
        let trade = self.script.paths()[2];
        let mut work = 0;
        for at in (0..self.connections.len()).rev() {
            if self.connections[at].path.starts_with(trade) {
                work += self.read(at);
            }
        }
        work
    }

    fn accept(&mut self) -> usize {
        let mut work = 0;
        loop {
            let line = match &self.door {
                Door::Tls { listener, identity } => match listener.accept() {
                    Ok((socket, _)) => {
                        let _ = socket.set_nodelay(true);
                        TlsStream::new(socket, &identity.config)
                            .ok()
                            .map(|tls| Line::Tls(Box::new(tls)))
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
                    Err(_) => return work,
                },
                Door::Memory { network, port } => match network.accept(*port) {
                    Some(end) => Some(Line::Memory(end)),
                    None => return work,
                },
            };
            if let Some(line) = line {
                work += 1;
                self.connections.push(Connection::new(ConnId(work as u64), 0, line));
            }
        }
    }

    fn read(&mut self, at: usize) -> usize {
        let mut work = 0;
        loop {
            let Some(connection) = self.connections.get_mut(at) else { return work };
            let alive = match connection.read() {
                None => return work,
                Some(Input::Request(request)) => connection.reply(&self.script.on_http(&request)),
                Some(Input::Upgrade(request, key)) => connection.upgrade(&request.path, &key),
                Some(Input::Text(text)) => self.on_text(at, text),
                Some(Input::Pong(_)) => true,
                Some(Input::Closed) => false,
            };
            work += 1;
            if !alive {
                self.connections.remove(at);
                return work;
            }
        }
    }

    fn on_text(&mut self, at: usize, text: String) -> bool {
        let connection = &mut self.connections[at];
        let arrived = connection.last_read();
        self.answers.clear();
        if self.script.on_text(&connection.path, &text, &mut self.answers) {
            self.orders.push(OrderSeen { arrived, len: text.len() });
            self.last_order = text;
        }
        let mut alive = true;
        for answer in self.answers.drain(..) {
            alive &= connection.send(WsOut::Text(answer), 0);
        }
        alive
    }

    /// Sends a text on every market-data connection. Gives the moment before the last of them went to
    /// its socket; none if nobody listens, or over a network in memory.
    pub fn publish(&mut self, text: &str) -> Option<Instant> {
        let [_, public, trade, _] = self.script.paths();
        let mut sent = None;
        for connection in &mut self.connections {
            let listens =
                connection.path.starts_with(public) && !connection.path.starts_with(trade);
            if listens && connection.is_websocket() {
                let _ = connection.send(WsOut::Text(text.to_owned()), 0);
                sent = connection.last_write().or(sent);
            }
        }
        sent
    }

    /// Pings every client: the line is quiet, not dead.
    pub fn ping(&mut self) {
        for connection in self.connections.iter_mut().filter(|line| line.is_websocket()) {
            let _ = connection.send(WsOut::Ping(Vec::new()), 0);
        }
    }

    /// Whether bytes that were published wait for a client to read: what is published on top of them
    /// may in the end be refused. Tries to send them.
    pub fn is_congested(&mut self) -> bool {
        let [_, public, trade, _] = self.script.paths();
        let listens = |path: &str| path.starts_with(public) && !path.starts_with(trade);
        let mut listeners = self.connections.iter_mut().filter(|line| listens(&line.path));
        listeners.any(|line| line.is_websocket() && line.is_congested())
    }

    /// Orders that came since the last call.
    pub fn take_orders(&mut self) -> std::vec::Drain<'_, OrderSeen> {
        self.orders.drain(..)
    }

    /// Text of the newest order.
    #[must_use]
    pub fn last_order(&self) -> &str {
        &self.last_order
    }
}

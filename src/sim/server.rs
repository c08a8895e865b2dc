//! The simulator's sockets: one thread, one port per venue, TLS, HTTP and WebSocket on each.
//!
//! The thread sleeps in the poll until a client speaks, the flow is due or the venues' timer is.
//! What the venues do is in [`Host`]; here are the sockets, the clock and the thread.

use super::connection::Line;
use super::handle::{Control, SimError, SimHandle, SimOptions, SimUrls};
use super::host::{FIRST_CONNECTION, Host};
use super::hosted::{Port, WallClock};
use super::tls::{Identity, TlsStream};
use mio::{Events, Interest, Poll, Token, Waker};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;
use std::{io, thread};

const WAKER: Token = Token(usize::MAX);

/// Starts simulators.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Binds the ports, makes the certificates, fills the books and starts the thread.
    pub fn start(options: SimOptions) -> Result<SimHandle, SimError> {
        let identity = Identity::generate()?;
        let ca_pem = identity.ca_pem.clone();
        let poll = Poll::new().map_err(|error| SimError::Io("poll".to_owned(), error))?;
        let waker = Waker::new(poll.registry(), WAKER)
            .map_err(|error| SimError::Io("waker".to_owned(), error))?;
        let mut ports = Vec::new();
        let mut shown = Vec::new();
        for (index, venue) in options.venues.iter().enumerate() {
            let port = Port::open(venue, index, &poll)?;
            let urls = SimUrls::of(venue.wire.as_ref(), port.address.port());
            shown.push((venue.wire.name(), port.address, urls));
            ports.push(port);
        }
        let clock = WallClock::new();
        let host = Host::new(options, clock.start_ms)?;
        let (control, requests) = mpsc::channel();
        let simulator = Loop { poll, identity, ports, host, clock, requests };
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
    /// One a venue.
    ports: Vec<Port>,
    host: Host,
    clock: WallClock,
    requests: Receiver<Control>,
}

impl Loop {
    fn run(mut self) {
        let mut events = Events::with_capacity(256);
        loop {
            let timeout = Duration::from_nanos(self.host.idle_ns(self.clock.passed_ns()));
            match self.poll.poll(&mut events, Some(timeout)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return,
            }
            self.host.time.passed_ns = self.clock.passed_ns();
            for event in &events {
                match event.token() {
                    WAKER => {
                        if !self.serve_controls() {
                            return self.host.close_all();
                        }
                    }
                    Token(index) if (index as u64) < FIRST_CONNECTION => self.accept(index),
                    Token(id) => {
                        if event.is_writable() {
                            self.host.writable(id as u64);
                        }
                        self.host.more.insert(id as u64);
                    }
                }
            }
            self.host.turn(self.clock.passed_ns());
            self.open_or_close_ports();
        }
    }

    fn serve_controls(&mut self) -> bool {
        while let Ok(request) = self.requests.try_recv() {
            match request {
                Control::Ledger(index, key, reply) => {
                    let exchange = &self.host.venues[index].exchange;
                    let ledger = exchange.account_by_key(&key).map(|(id, _)| exchange.ledger(id));
                    let _ = reply.send(ledger);
                }
                Control::Counters(index, reply) => {
                    let _ = reply.send(self.host.venues[index].counters);
                }
                Control::Fault(index, fault, reply) => {
                    self.host.apply_fault(index, fault);
                    self.open_or_close_ports();
                    let _ = reply.send(());
                }
                Control::Place(index, key, request, reply) => {
                    if let Some(outcome) = self.host.place_by_hand(index, &key, request) {
                        let _ = reply.send(outcome);
                    }
                }
                Control::Position(index, key, symbol, reply) => {
                    let exchange = &self.host.venues[index].exchange;
                    let account = exchange.account_by_key(&key);
                    let position = account.and_then(|(id, _)| exchange.position(id, &symbol));
                    let _ = reply.send(position);
                }
                Control::Leverage(index, key, (symbol, leverage), reply) => {
                    if let Some(outcome) =
                        self.host.set_leverage_by_hand(index, &key, &symbol, leverage)
                    {
                        let _ = reply.send(outcome);
                    }
                }
                Control::Rules(index, rules, reply) => {
                    let _ = reply.send(self.host.venues[index].exchange.set_rules(*rules));
                }
                Control::Stop => return false,
            }
        }
        true
    }

    fn accept(&mut self, index: usize) {
        loop {
            let Some(listener) = self.ports.get(index).and_then(|port| port.listener.as_ref())
            else {
                return;
            };
            let Ok((mut socket, _)) = listener.accept() else { return };
            if !self.host.has_room() {
                continue;
            }
            let _ = socket.set_nodelay(true);
            let id = self.host.next_id();
            let both = Interest::READABLE | Interest::WRITABLE;
            let known = self.poll.registry().register(&mut socket, Token(id as usize), both);
            let Ok(stream) = TlsStream::new(socket, &self.identity.config) else { continue };
            if known.is_ok() {
                self.host.add(id, index, Line::Tls(Box::new(stream)));
            }
        }
    }

    /// Closes the ports of venues that refuse connections, and opens those that no longer do;
    /// another try with every turn.
    fn open_or_close_ports(&mut self) {
        for (index, (port, venue)) in self.ports.iter_mut().zip(&self.host.venues).enumerate() {
            match (venue.refuses, port.listener.is_some()) {
                (true, true) => port.listener = None,
                (false, false) => port.reopen(index, &self.poll),
                _ => {}
            }
        }
    }
}

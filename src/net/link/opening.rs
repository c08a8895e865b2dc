//! From nothing to an open connection: name, address, TCP, TLS, upgrade.

use super::super::stream::{Socket, Stream};
use super::super::upgrade::Upgrade;
use super::super::{CloseReason, Stage};
use super::{Carrier, Context, Link, Side, State, after};
use crate::types::Nanos;
use mio::net::TcpStream;
use mio::{Interest, Token};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

impl Link {
    pub(super) fn start(&mut self, context: &mut Context) {
        self.state =
            State::Opening(Stage::Resolve, after(context.now, self.options.connect_timeout));
        self.tried = 0;
        self.recompute_wake();
        let Carrier::Kernel { resolver, .. } = &mut context.carrier else {
            return self.connect_in_memory(context);
        };
        if let Some(address) = self.target.literal() {
            self.addresses.clear();
            self.addresses.push(address);
            self.connect(context);
        } else if !self.asked {
            match resolver.ask(self.index, &self.target.host) {
                Ok(()) => self.asked = true,
                Err(error) => self.end_dns(error.to_string()),
            }
        }
    }

    pub(super) fn end_dns(&mut self, error: String) {
        self.end(CloseReason::Dns { host: self.target.host.clone(), error });
    }

    /// The resolver has answered. An answer that comes after its attempt was given up still serves
    /// the next one.
    pub(in super::super) fn on_addresses(
        &mut self,
        answer: Result<Vec<IpAddr>, String>,
        context: &mut Context,
    ) {
        self.asked = false;
        let waiting = matches!(self.state, State::Opening(Stage::Resolve, _));
        match answer {
            Ok(addresses) => self.addresses = addresses,
            // What was right a while ago is better than nothing.
            Err(_) if !self.addresses.is_empty() => {}
            Err(error) if waiting => return self.end_dns(error),
            Err(_) => {}
        }
        if waiting && self.ended.is_none() {
            self.connect(context);
        }
    }

    /// Begins the TCP connection to the next address.
    pub(super) fn connect(&mut self, context: &mut Context) {
        let State::Opening(_, due) = self.state else { return };
        let Carrier::Kernel { registry, .. } = &context.carrier else { return };
        loop {
            let address = self.addresses[self.address % self.addresses.len()];
            let address = SocketAddr::new(address, self.target.port);
            self.tried += 1;
            self.state = State::Opening(Stage::Connect, due);
            (self.readable, self.writable) = (false, false);
            (self.hung_up, self.clean_end) = (false, false);
            let result = TcpStream::connect(address).and_then(|mut socket| {
                // Orders are small and must not wait for the acknowledgement of the last one.
                socket.set_nodelay(true)?;
                let interest = Interest::READABLE | Interest::WRITABLE;
                registry.register(&mut socket, Token(self.index as usize), interest)?;
                Ok(socket)
            });
            match result {
                Ok(socket) => {
                    keep_alive(&socket);
                    context.note_busy_poll(&socket);
                    let (options, clock) = (&context.options, context.clock.clone());
                    let mut stream = Stream::new(Socket::Tcp(socket), options.read_max, clock);
                    stream.quick_ack = options.quick_ack;
                    self.stream = Some(stream);
                    return;
                }
                Err(error) => {
                    let reason = connect_reason(address, &error);
                    if !self.next_address(reason) {
                        return;
                    }
                }
            }
        }
    }

    /// The same where the port is one of a simulation.
    fn connect_in_memory(&mut self, context: &mut Context) {
        let State::Opening(_, due) = self.state else { return };
        let Carrier::Memory(network) = &context.carrier else { return };
        self.addresses.clear();
        self.addresses.push(IpAddr::from([127, 0, 0, 1]));
        self.tried = 1;
        self.state = State::Opening(Stage::Connect, due);
        (self.hung_up, self.clean_end) = (false, false);
        let end = Socket::Memory(network.connect(self.target.port));
        self.stream = Some(Stream::new(end, context.options.read_max, context.clock.clone()));
    }

    /// Whether another address is left for this attempt; if not, the attempt has failed.
    pub(super) fn next_address(&mut self, reason: CloseReason) -> bool {
        self.stream = None;
        self.address = self.address.wrapping_add(1);
        if self.tried < self.addresses.len() {
            return true;
        }
        self.end(reason);
        false
    }

    pub(super) fn on_writable(&mut self, context: &mut Context) {
        if let State::Opening(Stage::Connect, due) = self.state {
            return self.on_connected(due, context);
        }
        if let Some(stream) = &mut self.stream
            && let Err(reason) = stream.flush()
        {
            self.end(reason);
        }
    }

    /// The connection may be there, may have failed, or the event was an old one.
    pub(super) fn on_connected(&mut self, due: Nanos, context: &mut Context) {
        let Some(stream) = &mut self.stream else { return };
        match (stream.is_connected(), &context.carrier) {
            (Ok(false), _) => {}
            (Ok(true), Carrier::Kernel { tls, .. }) if self.target.encrypted => {
                self.state = State::Opening(Stage::Tls, due);
                if let Err(reason) = stream.start_tls(tls, &self.target) {
                    self.end(reason);
                }
            }
            (Ok(true), _) => self.on_established(due, context),
            (Err(error), _) => {
                let address = self.addresses[self.address % self.addresses.len()];
                let address = SocketAddr::new(address, self.target.port);
                if self.next_address(connect_reason(address, &error)) {
                    self.connect(context);
                }
            }
        }
    }

    /// TCP and TLS are there.
    pub(super) fn on_established(&mut self, due: Nanos, context: &mut Context) {
        if matches!(self.side, Side::Http(_)) {
            return self.on_open(context);
        }
        self.state = State::Opening(Stage::Upgrade, due);
        self.out.clear();
        let nonce = [context.secret(), context.secret()];
        let headers = &self.options.headers;
        self.upgrade = Some(Upgrade::start(&self.target, headers, nonce, &mut self.out));
        self.send_out();
    }

    pub(super) fn on_open(&mut self, context: &mut Context) {
        self.state = State::Open(context.now);
        self.counters.opened += 1;
        self.announce_open = true;
        self.pending = true;
        self.upgrade = None;
        self.recv_ns = self.recv_ns.max(context.now);
        match &mut self.side {
            Side::WebSocket(side) => {
                let secret = context.secret();
                side.on_open(secret);
            }
            Side::Http(side) => {
                if side.on_open(context.now, &mut self.out) {
                    self.counters.requests_sent += 1;
                    self.send_out();
                }
            }
        }
        self.recompute_wake();
    }
}

/// A dead peer on a silent connection is noticed within half a minute.
fn keep_alive(socket: &TcpStream) {
    let options = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(15))
        .with_interval(Duration::from_secs(5))
        .with_retries(3);
    // Without it the connection works just the same.
    let _ = socket2::SockRef::from(socket).set_tcp_keepalive(&options);
}

fn connect_reason(address: SocketAddr, error: &std::io::Error) -> CloseReason {
    match error.kind() {
        ErrorKind::ConnectionRefused => CloseReason::Refused(address),
        _ => CloseReason::Connect(address, error.to_string()),
    }
}

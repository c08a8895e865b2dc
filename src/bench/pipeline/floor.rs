//! The floor program: a bare loop that receives the same frames over the same kind of sockets and
//! sends an order that was prepared before. What the engine takes beyond it is the engine's.
//!
//! It decrypts what it reads and encrypts what it sends, and does nothing in between.

use super::super::{Capture, FrameKind};
use super::rig::{client_tls, script};
use crate::agents::pin;
use crate::net::websocket::{Opcode, encode};
use crate::sim::Scripted;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

type Wire = StreamOwned<ClientConnection, TcpStream>;

/// Time for an order to arrive, and for a connection to stand.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause after an order, as between those of the engine.
const REST: Duration = Duration::from_micros(40);

/// From the venue's send to the arrival of the prepared order, of every frame of this kind.
pub(super) fn run(
    capture: &Capture,
    kind: FrameKind,
    events: usize,
    cpus: [usize; 2],
    order: &str,
) -> Result<Vec<Duration>, String> {
    let mut venue = Scripted::over_tls(script(capture)?).map_err(|error| error.to_string())?;
    let urls = venue.urls().map_err(|error| error.to_string())?;
    let tls = client_tls(&venue)?;
    let (ready, stop) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let client = scope.spawn(|| {
            pin(cpus[1])?;
            let (public, trade) = (open(&urls.public, &tls)?, open(&urls.trade, &tls)?);
            answer(public, trade, order, &ready, &stop)
        });
        let result = pin(cpus[0]).and_then(|()| {
            drive(&mut venue, capture, kind, events, &ready, &|| client.is_finished())
        });
        stop.store(true, Ordering::Release);
        let client = client.join().map_err(|_| "the floor program panicked".to_owned())?;
        client.and(result)
    })
}

fn drive(
    venue: &mut Scripted,
    capture: &Capture,
    kind: FrameKind,
    events: usize,
    ready: &AtomicBool,
    is_gone: &dyn Fn() -> bool,
) -> Result<Vec<Duration>, String> {
    while !ready.load(Ordering::Acquire) {
        venue.turn();
        if is_gone() {
            return Ok(Vec::new());
        }
    }
    let mut times = Vec::with_capacity(events);
    let warm_up = events / 10;
    let frames = capture.frames.iter().filter(|frame| frame.kind == kind);
    for (number, frame) in frames.take(events + warm_up).enumerate() {
        let Some(sent) = venue.publish(&frame.text) else { break };
        let arrived = loop {
            venue.turn_orders();
            if let Some(seen) = venue.take_orders().next() {
                break seen.arrived;
            }
            if sent.elapsed() > PATIENCE || is_gone() {
                return Err("the floor program does not answer".to_owned());
            }
        };
        if let Some(arrived) = arrived.filter(|_| number >= warm_up) {
            times.push(arrived - sent);
        }
        let rest = Instant::now();
        while rest.elapsed() < REST {
            venue.turn();
        }
    }
    Ok(times)
}

/// Connects and becomes a WebSocket.
fn open(url: &str, tls: &Arc<ClientConfig>) -> Result<Wire, String> {
    let fail = |error: &dyn std::fmt::Display| format!("{url}: {error}");
    let host = url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let port = host.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(0);
    let socket = TcpStream::connect(("127.0.0.1", port)).map_err(|error| fail(&error))?;
    socket.set_nodelay(true).map_err(|error| fail(&error))?;
    let name = ServerName::try_from("localhost").map_err(|error| fail(&error))?;
    let connection = ClientConnection::new(tls.clone(), name).map_err(|error| fail(&error))?;
    let stream = StreamOwned::new(connection, socket);
    let (socket, _) = tungstenite::client(url, stream).map_err(|error| fail(&error))?;
    let stream = socket.into_inner();
    stream.sock.set_nonblocking(true).map_err(|error| fail(&error))?;
    Ok(stream)
}

/// Sends the order whenever anything comes on `public`.
fn answer(
    mut public: Wire,
    mut trade: Wire,
    order: &str,
    ready: &AtomicBool,
    stop: &AtomicBool,
) -> Result<(), String> {
    let fail = |error: std::io::Error| format!("the floor program: {error}");
    let mut prepared = Vec::new();
    encode(&mut prepared, Opcode::Text, order.as_bytes(), [1, 2, 3, 4]);
    let mut buffer = vec![0; 64 * 1024];
    ready.store(true, Ordering::Release);
    let mut spins = 0u64;
    while !stop.load(Ordering::Acquire) {
        if read(&mut public, &mut buffer).map_err(fail)? {
            trade.conn.writer().write_all(&prepared).map_err(fail)?;
            while trade.conn.wants_write() {
                trade.conn.write_tls(&mut trade.sock).map_err(fail)?;
            }
        }
        spins += 1;
        if spins.is_multiple_of(16) {
            read(&mut trade, &mut buffer).map_err(fail)?;
        }
    }
    Ok(())
}

/// Reads and decrypts what is there; whether there was anything.
fn read(wire: &mut Wire, buffer: &mut [u8]) -> std::io::Result<bool> {
    match wire.conn.read_tls(&mut wire.sock) {
        Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
        Err(error) => return Err(error),
    }
    let state = wire.conn.process_new_packets().map_err(std::io::Error::other)?;
    let mut left = state.plaintext_bytes_to_read();
    let any = left > 0;
    while left > 0 {
        left = left.saturating_sub(wire.conn.reader().read(buffer)?.max(1));
    }
    Ok(any)
}

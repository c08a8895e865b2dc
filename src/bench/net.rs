//! The floor under every order: what the kernel's sockets and TLS cost on this host, over loopback.
//!
//! Nothing of the engine but its TLS. What the engine takes beyond these figures is its own.

use super::{BenchOptions, Measured, Timer};
use crate::agents::pin;
use crate::net::Records;
use crate::net::tls::{ExtraCa, client_config};
use mio::{Events, Interest, Poll, Token};
use rustls::ServerConnection;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::hint::spin_loop;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Bytes of a message over TCP.
const MESSAGE: usize = 200;
/// Bytes of TLS records.
const RECORDS: [usize; 3] = [200, 2 * 1024, 16 * 1024];
/// Between two messages to the spinning receiver.
const PAUSE_PS: u64 = 20_000_000;
/// Records of each size are fewer than other events.
const TLS_EVENTS_MAX: usize = 20_000;

/// Measures sockets and records.
pub fn net(options: &BenchOptions) -> Result<Measured, String> {
    let &[first, ref others @ ..] = options.cpus.as_slice() else {
        return Err("net needs a CPU".to_owned());
    };
    let mut measured = Measured::default();
    let timer = Timer::new();
    for _ in 0..options.runs {
        // On a thread of its own, so that the caller's stays where it may run.
        thread::scope(|scope| {
            let run = scope.spawn(|| -> Result<(), String> {
                pin(first)?;
                calls(&timer, options.events, &mut measured).map_err(|error| error.to_string())?;
                records(&timer, options.events.min(TLS_EVENTS_MAX), &mut measured)
            });
            run.join().map_err(|_| "a thread of the benchmark panicked".to_owned())?
        })?;
        if let Some(&second) = others.first() {
            one_way(&timer, [first, second], options.events, &mut measured)?;
        }
    }
    if others.is_empty() {
        measured.notes.push("one way over loopback needs a second CPU".to_owned());
    }
    Ok(measured)
}

/// Two ends of a connection over loopback, without delay and without waiting.
fn pair() -> std::io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (far, _) = listener.accept()?;
    for end in [&near, &far] {
        end.set_nodelay(true)?;
        end.set_nonblocking(true)?;
    }
    Ok((near, far))
}

/// Single calls, all on this thread.
fn calls(timer: &Timer, events: usize, measured: &mut Measured) -> std::io::Result<()> {
    let (mut near, far) = pair()?;
    let mut far = mio::net::TcpStream::from_std(far);
    let mut poll = Poll::new()?;
    let mut ready = Events::with_capacity(8);
    poll.registry().register(&mut far, Token(0), Interest::READABLE)?;
    poll.poll(&mut ready, Some(Duration::ZERO))?;
    let (message, mut buffer) = ([b'x'; MESSAGE], [0; 4096]);
    let mut rows: [Vec<u64>; 4] = std::array::from_fn(|_| Vec::with_capacity(events));
    for _ in 0..events {
        rows[0].push(timed(timer, || near.write(&message))?);
        rows[1].push(timed(timer, || far.read(&mut buffer))?);
        let (ps, empty) = timer.time(|| far.read(&mut buffer));
        match empty {
            Err(error) if error.kind() == ErrorKind::WouldBlock => rows[2].push(ps),
            Err(error) => return Err(error),
            // The rest of a message that came in parts.
            Ok(_) => {}
        }
        rows[3].push(timed(timer, || poll.poll(&mut ready, Some(Duration::ZERO)))?);
    }
    let names = [
        ("send", "send of 200 bytes over loopback: its call"),
        ("recv", "receive of 200 bytes that are there: its call"),
        ("recv_empty", "receive with nothing there: its call"),
        ("poll", "poll of one socket with zero wait: its call"),
    ];
    for ((name, what), times) in names.into_iter().zip(rows) {
        let series = measured.series(name, what);
        series.begin();
        times.into_iter().for_each(|ps| series.record(ps));
    }
    Ok(())
}

fn timed<T>(timer: &Timer, call: impl FnOnce() -> std::io::Result<T>) -> std::io::Result<u64> {
    let (ps, result) = timer.time(call);
    result.map(|_| ps)
}

/// From before the send on one CPU until a spinning receiver on the other has the bytes.
fn one_way(
    timer: &Timer,
    cpus: [usize; 2],
    events: usize,
    measured: &mut Measured,
) -> Result<(), String> {
    let fail = |error: std::io::Error| error.to_string();
    let (mut near, mut far) = pair().map_err(fail)?;
    let hang_up = near.try_clone().map_err(fail)?;
    let seen = AtomicU64::new(0);
    let times = thread::scope(|scope| {
        let receiver = scope.spawn(|| -> Result<Vec<u64>, String> {
            let result = pin(cpus[1]).and_then(|()| receive(timer, &mut far, events, &seen));
            // The sender waits for this, whatever happened.
            seen.store(u64::MAX, Ordering::Release);
            result
        });
        let sender = scope.spawn(|| -> Result<(), String> {
            pin(cpus[0])?;
            for number in 0..events as u64 {
                let start = timer.raw();
                let mut message = [0; MESSAGE];
                message[..8].copy_from_slice(&start.to_le_bytes());
                near.write_all(&message).map_err(fail)?;
                while seen.load(Ordering::Acquire) <= number {
                    spin_loop();
                }
                while timer.between(start, timer.raw()) < PAUSE_PS {
                    spin_loop();
                }
            }
            Ok(())
        });
        let panicked = |_| "a thread of the benchmark panicked".to_owned();
        let sent = sender.join().map_err(panicked)?;
        if sent.is_err() {
            // The receiver spins on: nothing more comes.
            let _ = hang_up.shutdown(std::net::Shutdown::Both);
        }
        let times = receiver.join().map_err(panicked)?;
        sent.and(times)
    })?;
    let what = "before the send until a spinning receiver on another CPU has 200 bytes";
    let series = measured.series("one_way", what);
    series.begin();
    times.into_iter().for_each(|ps| series.record(ps));
    Ok(())
}

fn receive(
    timer: &Timer,
    far: &mut TcpStream,
    events: usize,
    seen: &AtomicU64,
) -> Result<Vec<u64>, String> {
    let mut times = Vec::with_capacity(events);
    let (mut message, mut filled) = ([0; MESSAGE], 0);
    while times.len() < events {
        match far.read(&mut message[filled..]) {
            Ok(0) => return Err("the sender has gone".to_owned()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error.to_string()),
        }
        if filled == MESSAGE {
            let (stamp, _) = message.split_first_chunk().unwrap_or((&[0; 8], &[]));
            times.push(timer.between(u64::from_le_bytes(*stamp), timer.raw()));
            seen.store(times.len() as u64, Ordering::Release);
            filled = 0;
        }
    }
    Ok(times)
}

/// Our half of TLS, and a server.
fn tls_pair() -> Result<(Records, ServerConnection), String> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
    let made = made.map_err(|error| error.to_string())?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .map_err(|error| error.to_string())?;
    let trust = [ExtraCa::Pem(made.cert.pem().into_bytes())];
    let client = client_config(&trust).map_err(|error| error.to_string())?;
    let mut ours = Records::new(&client, "localhost")?;
    let mut server = ServerConnection::new(Arc::new(config)).map_err(|error| error.to_string())?;
    for _ in 0..10 {
        give(&mut server, &ours.take_outgoing())?;
        ours.receive(&take(&mut server)?);
        ours.decrypt(|_| {})?;
    }
    if !ours.is_established() || server.is_handshaking() {
        return Err("the TLS handshake in memory did not end".to_owned());
    }
    Ok((ours, server))
}

fn give(server: &mut ServerConnection, mut bytes: &[u8]) -> Result<(), String> {
    while !bytes.is_empty() {
        server.read_tls(&mut bytes).map_err(|error| error.to_string())?;
        server.process_new_packets().map_err(|error| error.to_string())?;
        let mut plaintext = [0; 32 * 1024];
        while matches!(server.reader().read(&mut plaintext), Ok(count) if count > 0) {}
    }
    Ok(())
}

fn take(server: &mut ServerConnection) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut bytes).map_err(|error| error.to_string())?;
    }
    Ok(bytes)
}

/// Encrypting and decrypting one record, as our connections do.
fn records(timer: &Timer, events: usize, measured: &mut Measured) -> Result<(), String> {
    let (mut ours, mut server) = tls_pair()?;
    for size in RECORDS {
        let plaintext = vec![b'x'; size];
        let (mut encrypted, mut decrypted) = (Vec::new(), Vec::new());
        for _ in 0..events {
            let (ps, result) = timer.time(|| ours.encrypt(&plaintext));
            result?;
            encrypted.push(ps);
            give(&mut server, &ours.take_outgoing())?;
            server.writer().write_all(&plaintext).map_err(|error| error.to_string())?;
            ours.receive(&take(&mut server)?);
            let mut len = 0;
            let (ps, result) = timer.time(|| ours.decrypt(|bytes| len += bytes.len()));
            result?;
            if len != size {
                return Err(format!("a record of {size} bytes came back as {len}"));
            }
            decrypted.push(ps);
        }
        for (verb, times) in [("encrypt", encrypted), ("decrypt", decrypted)] {
            let what = format!("TLS 1.3: {verb} a record of {size} bytes");
            let series = measured.series(&format!("tls.{verb}.{size}"), &what);
            series.begin();
            times.into_iter().for_each(|ps| series.record(ps));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_has_as_many_events_as_asked_for() {
        let cpus = crate::agents::allowed_cpus();
        let options = BenchOptions {
            runs: 2,
            events: 100,
            capture: None,
            cpus: cpus[..1].to_vec(),
            ..BenchOptions::default()
        };
        let measured = net(&options).unwrap();
        let names: Vec<&str> = measured.series.iter().map(|series| series.name.as_str()).collect();
        let expected = [
            "send",
            "recv",
            "recv_empty",
            "poll",
            "tls.encrypt.200",
            "tls.decrypt.200",
            "tls.encrypt.2048",
            "tls.decrypt.2048",
            "tls.encrypt.16384",
            "tls.decrypt.16384",
        ];
        assert_eq!(names, expected);
        assert!(measured.series.iter().all(|series| series.figure().count == 200));
        assert_eq!(measured.notes, ["one way over loopback needs a second CPU"]);
    }
}

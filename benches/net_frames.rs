//! What a frame costs in `net`: decoding in place (beside tungstenite), encoding, an idle poll and
//! a send over TLS. The sizes are those of a top-of-book message, a depth message of 34 levels and
//! one of several hundred.

#![allow(missing_docs)]

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};
use stoop::clock::Clock;
use stoop::net::buffer::Buffer;
use stoop::net::tls::client_config;
use stoop::net::websocket::{Decoder, HEADROOM, MaskKeys, Opcode, encode, seal};
use stoop::net::{LinkOptions, Net, NetEvent, NetOptions};
use support::server::{Authority, Server, VALID};
use tungstenite::protocol::{Role, WebSocketConfig};

const SIZES: [usize; 3] = [179, 885, 11_000];
/// Frames in one buffer.
const BATCH: u64 = 32;

/// A server's frame.
fn frame(len: usize) -> Vec<u8> {
    let mut bytes = vec![0x81];
    match len {
        0..=125 => bytes.push(len as u8),
        _ => bytes.extend([126, (len >> 8) as u8, len as u8]),
    }
    bytes.resize(bytes.len() + len, b'x');
    bytes
}

/// Hands out one frame at a time for ever.
struct Endless {
    frame: Vec<u8>,
    at: usize,
}

impl Read for Endless {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.frame.len() - self.at);
        bytes[..count].copy_from_slice(&self.frame[self.at..self.at + count]);
        self.at = (self.at + count) % self.frame.len();
        Ok(count)
    }
}

impl Write for Endless {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn decoding(criterion: &mut Criterion) {
    for size in SIZES {
        let frame = frame(size);
        criterion.bench_function(&format!("decode/{size}"), |bencher| {
            let mut buffer = Buffer::with_capacity(BATCH as usize * frame.len());
            let mut decoder = Decoder::new(1 << 20);
            bencher.iter_custom(|count| {
                let mut total = Duration::ZERO;
                let rounds = count.div_ceil(BATCH);
                for _ in 0..rounds {
                    (0..BATCH).for_each(|_| buffer.extend(&frame));
                    let start = Instant::now();
                    while let Ok(Some(received)) = decoder.step(&mut buffer) {
                        black_box(buffer.get(received.payload));
                    }
                    total += start.elapsed();
                }
                total.mul_f64(count as f64 / (rounds * BATCH) as f64)
            });
        });
        criterion.bench_function(&format!("copy and decode/{size}"), |bencher| {
            let mut buffer = Buffer::with_capacity(64 * 1024);
            let mut decoder = Decoder::new(1 << 20);
            bencher.iter(|| {
                buffer.extend(&frame);
                let received = decoder.step(&mut buffer).unwrap().unwrap();
                black_box(buffer.get(received.payload).len())
            });
        });
        criterion.bench_function(&format!("tungstenite with 4 KiB/{size}"), |bencher| {
            let config = WebSocketConfig::default().read_buffer_size(4096);
            let stream = Endless { frame: frame.clone(), at: 0 };
            let mut socket =
                tungstenite::WebSocket::from_raw_socket(stream, Role::Client, Some(config));
            bencher.iter(|| black_box(socket.read().unwrap().len()));
        });
    }
}

fn encoding(criterion: &mut Criterion) {
    for size in [200, 1000] {
        let payload = vec![b'x'; size];
        criterion.bench_function(&format!("encode/{size}"), |bencher| {
            let mut keys = MaskKeys::new(1);
            let mut out = Vec::with_capacity(2048);
            bencher.iter(|| {
                out.clear();
                encode(&mut out, Opcode::Text, black_box(&payload), keys.next_key());
                black_box(out.len())
            });
        });
        criterion.bench_function(&format!("seal in place/{size}"), |bencher| {
            let mut keys = MaskKeys::new(1);
            let mut room = vec![b'x'; HEADROOM + size];
            bencher.iter(|| {
                black_box(seal(black_box(&mut room), Opcode::Text, keys.next_key()).len())
            });
        });
    }
}

/// `links` open connections to a server that only reads.
fn open(authority: &Authority, server: &Server, links: usize, direct_reads: bool) -> (Net, Clock) {
    let clock = Clock::new();
    let tls = client_config(&[authority.extra_ca()]).unwrap();
    let options = NetOptions { direct_reads, ..NetOptions::default() };
    let mut net = Net::new(tls, options, clock.clone(), 1).unwrap();
    let url = format!("wss://localhost:{}", server.port());
    for _ in 0..links {
        net.open(&url, LinkOptions { idle_timeout: None, ..LinkOptions::default() }).unwrap();
    }
    let mut opened = 0;
    while opened < links {
        net.poll(clock.now());
        while let Some(event) = net.next_event() {
            opened += usize::from(matches!(event, NetEvent::Open { .. }));
        }
    }
    (net, clock)
}

fn sockets(criterion: &mut Criterion) {
    let authority = Authority::new();
    let config = authority.server_config(&["localhost"], VALID);
    let server = Server::start(Some(config), |_, connection| {
        let mut socket = connection.accept();
        while socket.read().is_ok() {}
    });
    for (links, direct) in [(1, false), (4, false), (1, true)] {
        let (mut net, clock) = open(&authority, &server, links, direct);
        let how = if direct { "direct" } else { "epoll" };
        criterion.bench_function(&format!("idle poll/{links} links, {how}"), |bencher| {
            bencher.iter(|| {
                net.poll(clock.now());
                black_box(net.next_event().is_none())
            });
        });
    }
    let (mut net, clock) = open(&authority, &server, 1, false);
    let payload = [b'x'; 200];
    let link = net.links().next().expect("one was opened");
    criterion.bench_function("send over TLS/200", |bencher| {
        bencher.iter(|| {
            net.poll(clock.now());
            net.send_frame(link, black_box(&payload)).unwrap();
        });
    });
}

criterion_group!(benches, decoding, encoding, sockets);
criterion_main!(benches);

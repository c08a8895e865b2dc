//! What a message costs in allocations once the buffers have grown: nothing of ours, and of
//! rustls one for every record decrypted and one for every record encrypted.

use crate::counting::total;
use crate::support::client::PATIENCE;
use crate::support::server::{Authority, Connection, Server, VALID};
use std::time::Instant;
use stoop::clock::Clock;
use stoop::net::tls::client_config;
use stoop::net::{HttpRequest, LinkId, LinkOptions, Net, NetEvent, NetOptions};

const WARM_UP: u64 = 300;
const ROUNDS: u64 = 1000;

/// Sends something `WARM_UP + ROUNDS` times, each time waiting for the answer; allocations of the
/// last `ROUNDS`.
fn allocations(
    url: &str,
    authority: &Authority,
    mut send: impl FnMut(&mut Net, LinkId, u64),
    mut answered: impl FnMut(&NetEvent<'_>) -> bool,
) -> u64 {
    let clock = Clock::new();
    let tls = client_config(&[authority.extra_ca()]).unwrap();
    let mut net = Net::new(tls, NetOptions::default(), clock.clone(), 1).unwrap();
    let link = net.open(url, LinkOptions::default()).unwrap();
    let start = Instant::now();
    let (mut sent, mut before) = (0, 0);
    loop {
        net.poll(clock.now());
        let mut next = false;
        while let Some(event) = net.next_event() {
            match &event {
                NetEvent::Open { .. } => next = true,
                NetEvent::Closed { reason, .. } => panic!("{reason}"),
                event => next |= answered(event),
            }
        }
        if next {
            if sent == WARM_UP {
                before = total();
            }
            if sent == WARM_UP + ROUNDS {
                return total() - before;
            }
            send(&mut net, link, sent);
            sent += 1;
        }
        assert!(start.elapsed() < 6 * PATIENCE, "stuck after {sent}");
    }
}

fn echo(_: usize, connection: Connection) {
    let mut socket = connection.accept();
    while let Ok(message) = socket.read() {
        // A ping before each answer: it must not cost anything either.
        if message.is_text()
            && (socket.send(tungstenite::Message::Ping("p".into())).is_err()
                || socket.send(message).is_err())
        {
            return;
        }
    }
}

fn frames(url: &str, authority: &Authority) -> u64 {
    let payload = [b'x'; 700];
    allocations(
        url,
        authority,
        |net, link, number| net.send_frame(link, &payload[..(number % 700) as usize]).unwrap(),
        |event| matches!(event, NetEvent::Frame { .. }),
    )
}

#[test]
fn frames_cost_nothing_of_ours() {
    let authority = Authority::new();
    let server = Server::start(None, echo);
    let url = format!("ws://127.0.0.1:{}", server.port());
    assert_eq!(frames(&url, &authority), 0);
    let server = Server::start(Some(authority.server_config(&["localhost"], VALID)), echo);
    let url = format!("wss://localhost:{}", server.port());
    // A message and its pong out, a ping and the message in.
    assert_eq!(frames(&url, &authority), 4 * ROUNDS);
}

fn reply(_: usize, mut connection: Connection) {
    while connection.request().is_some() {
        connection.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
    }
}

fn requests(url: &str, authority: &Authority) -> u64 {
    allocations(
        url,
        authority,
        |net, link, id| {
            let (method, path, headers) = ("POST", "/order", b"X-Sign: s\r\n");
            let request = HttpRequest { id, method, path, headers, body: b"{\"a\":1}" };
            net.request(link, &request).unwrap();
        },
        |event| matches!(event, NetEvent::Response { body: [b'o', b'k'], .. }),
    )
}

#[test]
fn requests_cost_nothing_of_ours() {
    let authority = Authority::new();
    let server = Server::start(None, reply);
    let url = format!("http://127.0.0.1:{}", server.port());
    assert_eq!(requests(&url, &authority), 0);
    let server = Server::start(Some(authority.server_config(&["localhost"], VALID)), reply);
    let url = format!("https://localhost:{}", server.port());
    assert_eq!(requests(&url, &authority), 2 * ROUNDS);
}

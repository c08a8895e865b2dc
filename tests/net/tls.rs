//! Connecting: what goes wrong, and what a person is told about it.

use crate::support::client::Client;
use crate::support::server::{Authority, Server, VALID, closed_port};
use std::time::Duration;
use stoop::net::tls::{ExtraCa, TlsError, client_config};
use stoop::net::{CloseReason, LinkOptions, Stage, TlsProblem};

fn quiet_server(authority: &Authority, names: &[&str], years: (i32, i32)) -> Server {
    Server::start(Some(authority.server_config(names, years)), |_, mut connection| {
        connection.wait_for_end();
    })
}

fn problem(server: &Server, trusted: &[ExtraCa]) -> (TlsProblem, String) {
    let url = format!("https://localhost:{}", server.port());
    let reason = Client::open(&url, trusted, LinkOptions::default()).fails();
    let text = reason.to_string();
    match reason {
        CloseReason::Tls(problem) => (problem, text),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_certificate_of_an_unknown_ca_is_named_with_what_to_do() {
    let (known, other) = (Authority::new(), Authority::new());
    let server = quiet_server(&other, &["localhost"], VALID);
    let host = "localhost".to_owned();
    for trusted in [vec![], vec![known.extra_ca()]] {
        let (problem, text) = problem(&server, &trusted);
        assert_eq!(problem, TlsProblem::UnknownCa { host: host.clone() });
        assert_eq!(
            text,
            "TLS: unknown CA: the certificate of localhost is signed by a CA that is not trusted; \
             if that is expected (a simulator, a company proxy), name its CA file in extra_ca"
        );
    }
}

#[test]
fn a_certificate_for_another_name_is_named() {
    let authority = Authority::new();
    let server = quiet_server(&authority, &["venue.example", "10.0.0.1"], VALID);
    let (problem, text) = problem(&server, &[authority.extra_ca()]);
    assert_eq!(problem, TlsProblem::WrongName { host: "localhost".to_owned() });
    assert_eq!(
        text,
        "TLS: wrong name: the certificate is not for localhost; check the host in the URL"
    );
}

#[test]
fn certificates_out_of_their_time_are_named() {
    let authority = Authority::new();
    let host = "localhost".to_owned();
    let old = quiet_server(&authority, &["localhost"], (2000, 2001));
    let (expired, text) = problem(&old, &[authority.extra_ca()]);
    assert_eq!(expired, TlsProblem::Expired { host: host.clone() });
    assert_eq!(
        text,
        "TLS: the certificate of localhost has expired; check the date of this machine first"
    );
    let young = quiet_server(&authority, &["localhost"], (3900, 4000));
    let (early, _) = problem(&young, &[authority.extra_ca()]);
    assert_eq!(early, TlsProblem::NotYetValid { host });
}

#[test]
fn an_ip_address_is_verified_like_a_name() {
    let authority = Authority::new();
    let server = quiet_server(&authority, &["127.0.0.1"], VALID);
    let url = format!("https://127.0.0.1:{}", server.port());
    Client::open(&url, &[authority.extra_ca()], LinkOptions::default()).opens();
    let (wrong, _) = problem(&server, &[authority.extra_ca()]);
    assert_eq!(wrong, TlsProblem::WrongName { host: "localhost".to_owned() });
}

#[test]
fn a_refused_port_is_tried_again_at_once_and_then_more_slowly() {
    let port = closed_port();
    let url = format!("wss://127.0.0.1:{port}");
    let mut client = Client::timeless(&url, &[], LinkOptions::default());
    let refused = CloseReason::Refused(format!("127.0.0.1:{port}").parse().unwrap());
    assert_eq!(
        refused.to_string(),
        format!("connection refused by 127.0.0.1:{port}: nothing listens there")
    );
    assert_eq!(client.fails(), refused);
    assert_eq!(client.fails(), refused, "at once, without any time going by");
    // Then after half to the whole of 1, 2, 4, 8, 16, 30, 30 s.
    for seconds in [1, 2, 4, 8, 16, 30, 30] {
        client.advance(Duration::from_secs(seconds) / 2 - Duration::from_nanos(1));
        client.silent_for(Duration::from_millis(20));
        client.advance(Duration::from_secs(seconds) / 2 + Duration::from_nanos(1));
        assert_eq!(client.fails(), refused);
    }
    let counters = client.net.counters(client.link);
    assert_eq!((counters.connect_failures, counters.opened), (9, 0));
}

#[test]
fn a_server_that_comes_up_later_is_found() {
    let authority = Authority::new();
    let port = closed_port();
    let url = format!("https://localhost:{port}");
    let mut client = Client::open(&url, &[authority.extra_ca()], LinkOptions::default());
    assert!(matches!(client.fails(), CloseReason::Refused(_)));
    assert!(matches!(client.fails(), CloseReason::Refused(_)));
    let config = authority.server_config(&["localhost"], VALID);
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let server = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut tls = rustls::ServerConnection::new(config).unwrap();
        while tls.is_handshaking() {
            tls.complete_io(&mut socket).unwrap();
        }
    });
    while client.next() != crate::support::client::Seen::Open {}
    server.join().unwrap();
}

#[test]
fn a_silent_server_is_given_up_at_the_deadline() {
    // It accepts the connection and never says a word of TLS.
    let server = Server::start(None, |_, mut connection| connection.wait_for_end());
    let deadline = Duration::from_secs(7);
    let options = LinkOptions { connect_timeout: deadline, ..LinkOptions::default() };
    // With TLS: silent towards our first word. Without: silent towards the upgrade.
    for (scheme, stage, text) in [
        ("wss", Stage::Tls, "no answer in time while waiting for the TLS handshake"),
        ("ws", Stage::Upgrade, "no answer in time while waiting for the WebSocket upgrade"),
    ] {
        let url = format!("{scheme}://localhost:{}", server.port());
        let mut client = Client::timeless(&url, &[], options.clone());
        client.silent_for(Duration::from_millis(100));
        client.waits(deadline);
        let reason = client.fails();
        assert_eq!(reason, CloseReason::ConnectTimeout(stage));
        assert_eq!(reason.to_string(), text);
    }
}

#[test]
fn something_that_is_not_tls_is_named() {
    let server = Server::start(None, |_, mut connection| {
        connection.say("SSH-2.0-OpenSSH_9.9\r\n");
        connection.wait_for_end();
    });
    let url = format!("https://localhost:{}", server.port());
    let reason = Client::open(&url, &[], LinkOptions::default()).fails();
    assert!(matches!(reason, CloseReason::Tls(TlsProblem::Other(_))), "{reason:?}");
}

#[test]
fn a_name_that_does_not_exist_is_named() {
    // Reserved never to exist (RFC 2606), with or without a network.
    let mut client = Client::open("https://nobody.invalid", &[], LinkOptions::default());
    match client.fails() {
        CloseReason::Dns { host, error } => {
            assert_eq!(host, "nobody.invalid");
            assert!(!error.is_empty());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn ca_files_that_cannot_be_used_are_refused_by_name() {
    let missing = ExtraCa::File("/nonexistent/ca.pem".into());
    let error = client_config(&[missing]).unwrap_err().to_string();
    assert!(error.starts_with("CA file /nonexistent/ca.pem cannot be read: "), "{error}");
    let empty = client_config(&[ExtraCa::Pem(b"not a certificate".to_vec())]).unwrap_err();
    assert_eq!(empty, TlsError::Empty("given as text".to_owned()));
    assert_eq!(empty.to_string(), "CA given as text holds no PEM certificate");
    let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec();
    let error = client_config(&[ExtraCa::Pem(broken)]).unwrap_err();
    assert!(matches!(error, TlsError::Invalid(..)), "{error:?}");
}

#[test]
fn the_cheapest_cipher_is_agreed_on_and_sessions_are_resumed() {
    let authority = Authority::new();
    let (report, seen) = std::sync::mpsc::channel();
    let config = authority.server_config(&["localhost"], VALID);
    let server = Server::start(Some(config), move |_, mut connection| {
        if let crate::support::server::Connection::Tls(stream) = &connection {
            let suite = stream.conn.negotiated_cipher_suite().unwrap().suite();
            report.send((suite, stream.conn.handshake_kind().unwrap())).unwrap();
        }
        while connection.request().is_some() {
            connection.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let url = format!("https://localhost:{}", server.port());
    let mut client = Client::open(&url, &[authority.extra_ca()], LinkOptions::default());
    client.opens();
    client.get(1, "/").unwrap();
    client.next();
    client.net.reconnect(client.link);
    assert_eq!(client.closed(), CloseReason::Requested);
    client.opens();
    let aes128 = rustls::CipherSuite::TLS13_AES_128_GCM_SHA256;
    assert_eq!(seen.recv().unwrap(), (aes128, rustls::HandshakeKind::Full));
    assert_eq!(seen.recv().unwrap(), (aes128, rustls::HandshakeKind::Resumed));
}

/// Between client and server: passes everything on, and keeps what the client sends.
fn relay(to: u16) -> (u16, std::sync::Arc<std::sync::Mutex<Vec<u8>>>) {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let kept = seen.clone();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut server = TcpStream::connect(("127.0.0.1", to)).unwrap();
        let (mut back_from, mut back_to) =
            (server.try_clone().unwrap(), client.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut back_from, &mut back_to));
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = client.read(&mut bytes) {
            kept.lock().unwrap().extend_from_slice(&bytes[..count]);
            server.write_all(&bytes[..count]).unwrap();
        }
    });
    (port, seen)
}

#[test]
fn a_frame_is_one_write_of_one_record_of_its_own_size() {
    let authority = Authority::new();
    let config = authority.server_config(&["localhost"], VALID);
    let server = Server::start(Some(config), |_, connection| {
        let mut socket = connection.accept();
        while let Ok(message) = socket.read() {
            if socket.send(message).is_err() {
                return;
            }
        }
    });
    let (port, seen) = relay(server.port());
    let url = format!("wss://localhost:{port}");
    let mut client = Client::open(&url, &[authority.extra_ca()], LinkOptions::default());
    client.opens();
    for len in [90, 125, 126, 330, 4_000] {
        let payload = vec![b'o'; len];
        let writes = client.net.counters(client.link).writes;
        let before = seen.lock().unwrap().len();
        let mut room = [vec![0; stoop::net::websocket::HEADROOM], payload.clone()].concat();
        client.net.send_in_place(client.link, &mut room).unwrap();
        assert_eq!(client.net.counters(client.link).writes, writes + 1);
        assert_eq!(client.next(), crate::support::client::Seen::Frame(payload));
        let header = if len < 126 { 6 } else { 8 };
        // Type, version, length; then the frame, one byte for its kind, and the tag.
        let record = len + header + 1 + 16;
        let sent = seen.lock().unwrap()[before..].to_vec();
        assert_eq!(sent.len(), 5 + record, "{len}: nothing beside the record");
        let expected = [23, 3, 3, (record >> 8) as u8, record as u8];
        assert_eq!(sent[..5], expected, "{len}");
    }
}

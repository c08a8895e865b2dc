//! WebSocket links end to end: TLS, a server written by others (tungstenite), and raw bytes where
//! no decent server would send them.

use crate::support::client::{Client, Seen, frame};
use crate::support::server::{Authority, Connection, Server, VALID};
use std::io::Write;
use std::sync::mpsc::channel;
use std::time::Duration;
use stoop::net::tls::ExtraCa;
use stoop::net::{CloseReason, HttpRequest, LinkOptions, NetOptions, SendError, TlsProblem};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message};

/// A TLS server, its address and the CA to trust.
fn serve(handle: impl Fn(usize, Connection) + Send + Sync + 'static) -> (Server, String, ExtraCa) {
    let authority = Authority::new();
    let server = Server::start(Some(authority.server_config(&["localhost"], VALID)), handle);
    let url = format!("wss://localhost:{}/ws?streams=a/b", server.port());
    (server, url, authority.extra_ca())
}

fn echo(_: usize, connection: Connection) {
    let mut socket = connection.accept();
    while let Ok(message) = socket.read() {
        if message.is_text() && socket.send(message).is_err() {
            return;
        }
    }
}

fn raw(bytes: &'static [u8]) -> (Server, Client) {
    let (server, url, ca) = serve(move |_, connection| {
        let mut connection = connection.accept_raw(b"");
        connection.say(bytes);
        connection.wait_for_end();
    });
    let options = LinkOptions { message_max: 1000, ..LinkOptions::default() };
    let mut client = Client::open(&url, &[ca], options);
    client.opens();
    (server, client)
}

#[test]
fn messages_come_back_from_an_echo() {
    let (_server, url, ca) = serve(echo);
    let mut client = Client::open(&url, &[ca], LinkOptions::default());
    assert_eq!(client.net.send_frame(client.link, b"early"), Err(SendError::NotOpen));
    assert!(!client.net.is_open(client.link));
    client.opens();
    assert!(client.net.is_open(client.link));
    client.send("hello");
    assert_eq!(client.next(), frame("hello"));
    // Several records, several reads, every form of length.
    for len in [0, 1, 125, 126, 16_384, 65_535, 65_536, 1_000_000] {
        let text = "0123456789abcdef".repeat(len / 16 + 1);
        client.send(&text[..len]);
        assert_eq!(client.next(), frame(&text[..len]), "{len} bytes");
    }
    for number in 0..1000 {
        client.send(&format!("message {number}"));
    }
    for number in 0..1000 {
        assert_eq!(client.next(), frame(&format!("message {number}")));
    }
    let counters = client.net.counters(client.link);
    assert_eq!((counters.frames_sent, counters.frames_received), (1009, 1009));
    assert_eq!((counters.opened, counters.lost, counters.connect_failures), (1, 0, 0));
    let request = HttpRequest { id: 1, method: "GET", path: "/", headers: b"", body: b"" };
    assert_eq!(client.net.request(client.link, &request), Err(SendError::WrongKind));
}

#[test]
fn small_reads_and_reads_without_asking_the_kernel_lose_nothing() {
    let (_server, url, ca) = serve(echo);
    for direct_reads in [false, true] {
        let options = NetOptions { direct_reads, read_max: 1024, ..NetOptions::default() };
        let mut client =
            Client::with(&url, std::slice::from_ref(&ca), LinkOptions::default(), options);
        client.opens();
        for len in [5, 1000, 1024, 5000, 300_000, 5] {
            let text = "x".repeat(len);
            client.send(&text);
            assert_eq!(client.next(), frame(&text));
        }
    }
}

#[test]
fn a_record_that_was_tampered_with_ends_the_connection() {
    let (_server, url, ca) = serve(|number, connection| {
        let mut connection = connection.accept_raw(b"\x81\x04good");
        let garbage: &[u8] = match number {
            // A record that cannot be decrypted, one of no known kind, one that is too long.
            0 => b"\x17\x03\x03\x00\x20 thirty-two bytes of no use at all",
            1 => b"\x99\x03\x03\x00\x01x",
            _ => b"\x17\x03\x03\xff\xffx",
        };
        let mut socket = connection.socket();
        socket.write_all(garbage).unwrap();
        connection.wait_for_end();
    });
    let mut client = Client::open(&url, &[ca], LinkOptions::default());
    for _ in 0..3 {
        client.opens();
        assert_eq!(client.next(), frame("good"));
        let reason = client.closed();
        assert!(matches!(reason, CloseReason::Tls(TlsProblem::Other(_))), "{reason:?}");
    }
}

#[test]
fn the_upgrade_carries_path_host_and_headers() {
    let (report, seen) = channel();
    let (server, url, ca) = serve(move |_, mut connection| {
        report.send(connection.request().unwrap()).unwrap();
        connection.wait_for_end();
    });
    let options = LinkOptions { headers: b"X-Key: k\r\n".to_vec(), ..LinkOptions::default() };
    let mut client = Client::open(&url, &[ca], options);
    client.silent_for(Duration::from_millis(50));
    let request = seen.recv_timeout(Duration::from_secs(5)).unwrap();
    assert!(request.starts_with("GET /ws?streams=a/b HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("\r\nHost: localhost:{}\r\n", server.port())), "{request}");
    assert!(request.contains("\r\nX-Key: k\r\n"), "{request}");
}

#[test]
fn frames_right_behind_the_upgrade_are_not_lost() {
    let (_server, url, ca) = serve(|_, connection| {
        let mut connection = connection.accept_raw(b"\x81\x05first\x81\x06sec");
        connection.say(b"ond");
        connection.wait_for_end();
    });
    let mut client = Client::open(&url, &[ca], LinkOptions::default());
    client.opens();
    assert_eq!(client.next(), frame("first"));
    assert_eq!(client.next(), frame("second"));
}

#[test]
fn pings_are_answered_before_the_next_message_is_handed_on() {
    let (report, seen) = channel();
    let (_server, url, ca) = serve(move |_, connection| {
        let mut connection = connection.accept_raw(b"");
        connection.say(b"\x01\x02ab\x89\x03xyz\x80\x02cd");
        let mut socket = tungstenite::WebSocket::from_raw_socket(
            connection,
            tungstenite::protocol::Role::Server,
            None,
        );
        while let Ok(message) = socket.read() {
            report.send(message).unwrap();
        }
    });
    let mut client = Client::open(&url, &[ca], LinkOptions::default());
    client.opens();
    assert_eq!(client.next(), frame("abcd"));
    client.send("after");
    let patience = Duration::from_secs(5);
    assert_eq!(seen.recv_timeout(patience).unwrap(), Message::Pong("xyz".into()));
    assert_eq!(seen.recv_timeout(patience).unwrap(), Message::text("after"));
    assert_eq!(client.net.counters(client.link).pings_answered, 1);
}

#[test]
fn a_quiet_connection_is_pinged_and_pongs_keep_it_alive() {
    let (report, seen) = channel();
    let (_server, url, ca) = serve(move |_, connection| {
        let mut socket = connection.accept();
        while let Ok(message) = socket.read() {
            report.send(message).unwrap();
        }
    });
    let options = LinkOptions {
        ping_after: Some(Duration::from_secs(20)),
        idle_timeout: Some(Duration::from_secs(30)),
        ..LinkOptions::default()
    };
    let mut client = Client::timeless(&url, &[ca], options);
    client.opens();
    for _ in 0..5 {
        client.waits(Duration::from_secs(20));
        // Long enough for the ping and its pong.
        client.silent_for(Duration::from_millis(200));
        assert_eq!(seen.try_iter().collect::<Vec<_>>(), [Message::Ping("".into())]);
    }
    assert!(client.net.is_open(client.link));
}

#[test]
fn a_connection_closed_by_the_server_is_back_at_once_and_then_more_slowly() {
    let (server, url, ca) = serve(|number, connection| {
        let mut socket = connection.accept();
        let _ = socket.send(Message::text(format!("connection {number}")));
        let close = CloseFrame { code: CloseCode::Away, reason: "maintenance".into() };
        let _ = socket.close(Some(close));
        // The answer to it comes before the end of the connection.
        while let Ok(_) | Err(Error::Io(_)) = socket.read() {}
    });
    let mut client = Client::timeless(&url, &[ca], LinkOptions::default());
    for number in 0..3 {
        client.opens();
        assert_eq!(client.next(), frame(&format!("connection {number}")));
        let reason = client.closed();
        assert_eq!(reason.to_string(), "closed by the server with code 1001: maintenance");
        assert_eq!(
            reason,
            CloseReason::ServerClosed { code: 1001, reason: "maintenance".to_owned() }
        );
        if number == 1 {
            // The first retry came without any time going by. A server that goes on closing is
            // not hammered.
            client.advance(Duration::from_millis(499));
            client.silent_for(Duration::from_millis(50));
            client.advance(Duration::from_millis(501));
        }
    }
    let counters = client.net.counters(client.link);
    assert_eq!((counters.opened, counters.lost, counters.protocol_errors), (3, 3, 0));
    assert_eq!(server.accepted(), 3);
}

#[test]
fn a_connection_that_lived_long_enough_is_always_back_at_once() {
    let (_server, url, ca) = serve(|_, connection| {
        let mut socket = connection.accept();
        let _ = socket.read();
        socket.get_ref().cut();
    });
    let mut client = Client::timeless(&url, &[ca], LinkOptions::default());
    for _ in 0..4 {
        client.opens();
        client.advance(Duration::from_secs(10));
        client.send("cut it");
        let reason = client.closed();
        assert_eq!(reason, CloseReason::Eof);
        assert_eq!(reason.to_string(), "the server ended the connection without saying why");
    }
}

#[test]
fn what_came_before_the_end_is_handed_on_first() {
    let (_server, url, ca) = serve(|_, connection| {
        let mut connection = connection.accept_raw(b"");
        connection.say([b"\x81\x03one".repeat(3000), b"\x81\x09cut o".to_vec()].concat());
        connection.cut();
    });
    let mut client = Client::open(&url, &[ca], LinkOptions::default());
    client.opens();
    for _ in 0..3000 {
        assert_eq!(client.next(), frame("one"));
    }
    client.closed();
}

#[test]
fn nothing_counts_after_a_close_frame() {
    let (_server, mut client) = raw(b"\x81\x01a\x88\x02\x03\xe8\x81\x01b");
    assert_eq!(client.next(), frame("a"));
    assert_eq!(client.closed(), CloseReason::ServerClosed { code: 1000, reason: String::new() });
    client.opens();
}

#[test]
fn a_masked_frame_from_the_server_ends_the_connection() {
    let (_server, mut client) = raw(b"\x81\x01a\x81\x81keys\x0a");
    assert_eq!(client.next(), frame("a"));
    let reason = client.closed();
    assert_eq!(reason, CloseReason::Protocol("a masked frame from a server"));
    assert_eq!(reason.to_string(), "the server broke the protocol: a masked frame from a server");
    assert_eq!(client.net.counters(client.link).protocol_errors, 1);
    client.opens();
}

#[test]
fn a_message_over_the_limit_ends_the_connection_before_it_arrives() {
    let (_server, mut client) = raw(b"\x81\x7f\x00\x00\x00\x00\x7f\xff\xff\xff only the beginning");
    let reason = client.closed();
    assert_eq!(reason, CloseReason::TooLarge);
    assert_eq!(reason.to_string(), "a message is larger than the limit");
    client.opens();
}

#[test]
fn the_server_is_told_why_the_connection_ends() {
    let (report, seen) = channel();
    let (_server, url, ca) = serve(move |_, connection| {
        let mut connection = connection.accept_raw(b"");
        connection.say(b"\x83\x00");
        let mut socket = tungstenite::WebSocket::from_raw_socket(
            connection,
            tungstenite::protocol::Role::Server,
            None,
        );
        report.send(socket.read()).unwrap();
    });
    let mut client = Client::open(&url, &[ca], LinkOptions::default());
    client.opens();
    assert_eq!(client.closed(), CloseReason::Protocol("a frame with an unknown opcode"));
    match seen.recv_timeout(Duration::from_secs(5)).unwrap() {
        Ok(Message::Close(Some(close))) => assert_eq!(close.code, CloseCode::Protocol),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refused_upgrade_names_its_status() {
    let (_server, url, ca) = serve(|_, mut connection| {
        connection.request();
        connection.say("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 17\r\n\r\nslow down");
        connection.end();
    });
    let mut client = Client::timeless(&url, &[ca], LinkOptions::default());
    let refused = CloseReason::UpgradeStatus { status: 429, retry_after_s: Some(17) };
    assert_eq!(client.fails(), refused);
    assert_eq!(
        refused.to_string(),
        "the server answered the WebSocket upgrade with HTTP 429, retry after 17 s"
    );
    // As long as it asked for, though the first retry would be due at once.
    client.waits(Duration::from_secs(17));
    assert_eq!(client.fails(), refused);
}

#[test]
fn a_wrong_answer_to_the_upgrade_is_named() {
    let (_server, url, ca) = serve(|_, mut connection| {
        connection.request();
        connection.say(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
        );
        connection.wait_for_end();
    });
    let reason = Client::open(&url, &[ca], LinkOptions::default()).fails();
    assert_eq!(
        reason.to_string(),
        "invalid reply to the WebSocket upgrade: wrong Sec-WebSocket-Accept"
    );
}

#[test]
fn a_silent_server_is_left_after_the_idle_timeout() {
    let (server, url, ca) = serve(echo);
    let idle = Duration::from_secs(60);
    let options =
        LinkOptions { idle_timeout: Some(idle), ping_after: None, ..LinkOptions::default() };
    let mut client = Client::timeless(&url, &[ca], options);
    client.opens();
    for _ in 0..3 {
        client.advance(idle - Duration::from_nanos(1));
        client.send("still there?");
        assert_eq!(client.next(), frame("still there?"));
    }
    client.waits(idle);
    let reason = client.closed();
    assert_eq!((&reason, reason.to_string().as_str()), (&CloseReason::Idle, "silent for too long"));
    client.opens();
    assert_eq!(server.accepted(), 2);
}

#[test]
fn a_server_that_does_not_read_is_left_at_the_bound() {
    let (_server, url, ca) = serve(|_, connection| {
        let _connection = connection.accept_raw(b"");
        std::thread::sleep(Duration::from_secs(15));
    });
    let options = LinkOptions { unsent_max: 100_000, ..LinkOptions::default() };
    let mut client = Client::open(&url, &[ca], options);
    client.opens();
    let payload = vec![b'x'; 10_000];
    let mut sent = 0;
    let error = loop {
        match client.net.send_frame(client.link, &payload) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
        assert!(sent < 100_000, "the bound must be reached");
    };
    assert_eq!(error, SendError::Broken);
    assert!(!client.net.is_open(client.link));
    assert_eq!(client.closed(), CloseReason::Backlog);
    assert_eq!(client.net.counters(client.link).backlogs, 1);
    client.opens();
}

#[test]
fn what_the_kernel_does_not_take_at_once_follows_later() {
    let (report, seen) = channel();
    let (_server, url, ca) = serve(move |_, connection| {
        let mut connection = connection.accept_raw(b"");
        std::thread::sleep(Duration::from_millis(100));
        let mut socket = tungstenite::WebSocket::from_raw_socket(
            &mut connection,
            tungstenite::protocol::Role::Server,
            None,
        );
        for _ in 0..200 {
            report.send(socket.read().unwrap().len()).unwrap();
        }
        connection.say(b"\x81\x04done");
        connection.wait_for_end();
    });
    let options = LinkOptions { unsent_max: 32 << 20, ..LinkOptions::default() };
    let mut client = Client::open(&url, &[ca], options);
    client.opens();
    // More than both sockets hold.
    let payload = "y".repeat(100_000);
    for _ in 0..200 {
        client.send(&payload);
    }
    assert_eq!(client.next(), frame("done"));
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), vec![100_000; 200]);
}

#[test]
fn closing_is_for_good_until_it_is_asked_to_come_back() {
    let (report, seen) = channel();
    let (server, url, ca) = serve(move |_, connection| {
        let mut socket = connection.accept();
        report.send(socket.read()).unwrap();
    });
    let mut client = Client::open(&url, &[ca], LinkOptions::default());
    client.opens();
    client.net.close(client.link);
    assert_eq!(client.closed(), CloseReason::Requested);
    match seen.recv_timeout(Duration::from_secs(5)).unwrap() {
        Ok(Message::Close(Some(close))) => assert_eq!(close.code, CloseCode::Normal),
        other => panic!("{other:?}"),
    }
    assert_eq!(client.net.send_frame(client.link, b"x"), Err(SendError::NotOpen));
    client.silent_for(Duration::from_millis(150));
    assert_eq!(server.accepted(), 1);
    client.net.reconnect(client.link);
    client.opens();
    client.net.reconnect(client.link);
    assert_eq!(client.closed(), CloseReason::Requested);
    client.opens();
    assert_eq!(server.accepted(), 3);
}

#[test]
fn loopback_needs_no_tls() {
    let server = Server::start(None, echo);
    let url = format!("ws://127.0.0.1:{}", server.port());
    let mut client = Client::open(&url, &[], LinkOptions::default());
    client.opens();
    client.send("plain");
    assert_eq!(client.next(), frame("plain"));
    let big = "z".repeat(500_000);
    client.send(&big);
    assert_eq!(client.next(), Seen::Frame(big.into_bytes()));
}

#[test]
fn keys_are_changed_under_way() {
    let (_server, url, ca) = serve(|_, connection| {
        let mut socket = connection.accept();
        while let Ok(message) = socket.read() {
            if let Connection::Tls(stream) = socket.get_mut() {
                // Asks the client to change its keys as well.
                stream.conn.refresh_traffic_keys().unwrap();
            }
            if socket.send(message).is_err() {
                return;
            }
        }
    });
    let mut client = Client::open(&url, &[ca], LinkOptions::default());
    client.opens();
    for number in 0..20 {
        let text = format!("{number}").repeat(2000);
        client.send(&text);
        assert_eq!(client.next(), frame(&text));
    }
}

#[test]
fn servers_with_tls_1_2_are_served_too() {
    let authority = Authority::new();
    let config = authority.config(&["localhost"], VALID, &[&rustls::version::TLS12]);
    let server = Server::start(Some(config), echo);
    let url = format!("wss://localhost:{}", server.port());
    let mut client = Client::open(&url, &[authority.extra_ca()], LinkOptions::default());
    client.opens();
    for len in [10, 100_000] {
        let text = "t".repeat(len);
        client.send(&text);
        assert_eq!(client.next(), frame(&text));
    }
}

//! HTTP links end to end.

use crate::support::client::{Client, Seen, response};
use crate::support::server::{Authority, Connection, Server, VALID};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;
use stoop::net::tls::{ExtraCa, client_config};
use stoop::net::{CloseReason, HttpRequest, LinkOptions, SendError, blocking};

fn serve(handle: impl Fn(usize, Connection) + Send + Sync + 'static) -> (Server, String, ExtraCa) {
    let authority = Authority::new();
    let server = Server::start(Some(authority.server_config(&["localhost"], VALID)), handle);
    let url = format!("https://localhost:{}", server.port());
    (server, url, authority.extra_ca())
}

/// Replies with the path of the request.
fn mirror(_: usize, mut connection: Connection) {
    while let Some(request) = connection.request() {
        let path = request.split(' ').nth(1).unwrap();
        let body = request.split_once("\r\n\r\n").unwrap().1;
        let length = path.len() + body.len();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        connection.say(format!("{head}{path}{body}"));
    }
}

#[test]
fn requests_share_one_connection_and_go_one_at_a_time() {
    let (report, seen) = channel();
    let (server, url, ca) = serve(move |_, mut connection| {
        while let Some(request) = connection.request() {
            report.send(request).unwrap();
            // Were the next one sent before this is answered, it would be here by then.
            std::thread::sleep(Duration::from_millis(20));
            if let Connection::Tls(stream) = &mut connection {
                stream.sock.set_nonblocking(true).unwrap();
                assert!(stream.conn.read_tls(&mut stream.sock).is_err(), "pipelined");
                stream.sock.set_nonblocking(false).unwrap();
            }
            connection.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n");
            connection.say("0\r\n\r\n");
        }
    });
    let mut client = Client::open(&url, &[ca], LinkOptions::default());
    assert_eq!(client.get(9, "/early"), Err(SendError::NotOpen));
    client.opens();
    client.get(1, "/a?b=c").unwrap();
    let order = HttpRequest {
        id: 2,
        method: "POST",
        path: "/order",
        headers: b"X-Sign: s\r\n",
        body: b"{\"a\":1}",
    };
    client.net.request(client.link, &order).unwrap();
    client.get(3, "/c").unwrap();
    for id in 1..=3 {
        assert_eq!(client.next(), response(id, 200, "ok"));
    }
    let host = format!("Host: localhost:{}\r\nUser-Agent: stoop/0.1.0\r\n", server.port());
    assert_eq!(
        seen.try_iter().collect::<Vec<_>>(),
        [
            format!("GET /a?b=c HTTP/1.1\r\n{host}X-Test: 1\r\n\r\n"),
            format!(
                "POST /order HTTP/1.1\r\n{host}X-Sign: s\r\nContent-Length: 7\r\n\r\n{{\"a\":1}}"
            ),
            format!("GET /c HTTP/1.1\r\n{host}X-Test: 1\r\n\r\n"),
        ]
    );
    assert_eq!(server.accepted(), 1);
    let counters = client.net.counters(client.link);
    assert_eq!((counters.requests_sent, counters.responses_received), (3, 3));
    assert_eq!(client.net.send_frame(client.link, b"x"), Err(SendError::WrongKind));
}

#[test]
fn the_queue_is_bounded_and_bad_requests_are_refused() {
    let (_server, url, ca) = serve(mirror);
    let options = LinkOptions { queue_max: 2, ..LinkOptions::default() };
    let mut client = Client::open(&url, &[ca], options);
    client.opens();
    assert_eq!(client.get(0, "/a b"), Err(SendError::Malformed));
    client.get(1, "/1").unwrap();
    client.get(2, "/2").unwrap();
    client.get(3, "/3").unwrap();
    assert_eq!(client.get(4, "/4"), Err(SendError::QueueFull));
    for id in 1..=3 {
        assert_eq!(client.next(), response(id, 200, &format!("/{id}")));
    }
    client.get(5, "/5").unwrap();
    assert_eq!(client.next(), response(5, 200, "/5"));
}

/// One reply is slow, and meanwhile some of those behind it come of no use: they never leave, the
/// others do, in their order.
#[test]
fn requests_that_wait_too_long_never_leave() {
    let (report, seen) = channel();
    let answer = Arc::new(AtomicBool::new(false));
    let may_answer = answer.clone();
    let (_server, url, ca) = serve(move |_, mut connection| {
        while let Some(request) = connection.request() {
            report.send(request.split(' ').nth(1).unwrap().to_owned()).unwrap();
            while !may_answer.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
            connection.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let mut client = Client::timeless(&url, &[ca], LinkOptions::default());
    client.opens();
    let by = |client: &Client, millis: u64| client.now().plus(millis * 1_000_000);
    client.get(1, "/slow").unwrap();
    for (id, path, wait_ms) in
        [(2, "/first", 100), (3, "/late", 60_000), (5, "/second", 50), (6, "/no", 0)]
    {
        let request = HttpRequest { id, method: "GET", path, headers: b"", body: b"" };
        let leave_by = by(&client, wait_ms);
        client.net.request_by(client.link, &request, leave_by).unwrap();
    }
    client.get(4, "/whenever").unwrap();
    // Each is told when its time has passed, though the slow reply is still awaited.
    let lost = |id| Seen::Lost { id, sent: false };
    assert_eq!(client.next(), lost(6));
    client.waits(Duration::from_millis(50));
    assert_eq!(client.next(), lost(5));
    client.waits(Duration::from_millis(50));
    assert_eq!(client.next(), lost(2));
    answer.store(true, Ordering::Relaxed);
    for id in [1, 3, 4] {
        assert_eq!(client.next(), response(id, 200, "ok"));
    }
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), ["/slow", "/late", "/whenever"]);
}

#[test]
fn a_connection_that_drops_loses_what_was_sent_and_says_what_was_not() {
    let (_server, url, ca) = serve(|number, mut connection| {
        if number > 0 {
            return mirror(number, connection);
        }
        connection.request();
        connection.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly a part");
        connection.cut();
    });
    let mut client = Client::open(&url, &[ca], LinkOptions::default());
    client.opens();
    for id in 1..=3 {
        client.get(id, "/").unwrap();
    }
    assert_eq!(client.next(), Seen::Lost { id: 1, sent: true });
    assert_eq!(client.next(), Seen::Lost { id: 2, sent: false });
    assert_eq!(client.next(), Seen::Lost { id: 3, sent: false });
    assert_eq!(client.closed(), CloseReason::Eof);
    assert_eq!(client.get(4, "/"), Err(SendError::NotOpen));
    client.opens();
    client.get(5, "/again").unwrap();
    assert_eq!(client.next(), response(5, 200, "/again"));
    assert_eq!(client.net.counters(client.link).requests_lost, 3);
}

#[test]
fn a_server_that_closes_after_every_reply_is_come_back_to() {
    let (server, url, ca) = serve(|number, mut connection| {
        if connection.request().is_some() {
            let text = format!("number {number}");
            connection.say(format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{text}",
                text.len()
            ));
            connection.end();
        }
    });
    let mut client = Client::open(&url, &[ca], LinkOptions::default());
    client.opens();
    // Requests that were not sent outlive an orderly end.
    for id in 0..3 {
        client.get(id, "/").unwrap();
    }
    for id in 0..3 {
        assert_eq!(client.next(), response(id, 200, &format!("number {id}")));
        let reason = client.closed();
        assert_eq!(reason, CloseReason::KeepAliveEnded);
        assert_eq!(reason.to_string(), "the server ended the idle connection");
        if id == 1 {
            client.get(3, "/").unwrap();
        }
        client.opens();
    }
    assert_eq!(client.next(), response(3, 200, "number 3"));
    assert_eq!(server.accepted(), 4);
    assert_eq!(client.net.counters(client.link).requests_lost, 0);
}

#[test]
fn an_idle_connection_that_the_server_ends_is_replaced() {
    let (_server, url, ca) = serve(|_, mut connection| {
        connection.request();
        connection.say("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1");
        std::thread::sleep(Duration::from_millis(30));
        connection.end();
    });
    let mut client = Client::open(&url, &[ca], LinkOptions::default());
    for id in 0..3 {
        client.opens();
        client.get(id, "/").unwrap();
        assert_eq!(client.next(), response(id, 200, "1"));
        assert_eq!(client.closed(), CloseReason::KeepAliveEnded);
    }
}

#[test]
fn a_body_without_length_is_whole_only_if_the_server_says_so() {
    let (_server, url, ca) = serve(|number, mut connection| {
        connection.request();
        connection.say("HTTP/1.1 200 OK\r\n\r\nas long as it is");
        if number == 0 { connection.end() } else { connection.cut() }
    });
    let mut client = Client::open(&url, &[ca], LinkOptions::default());
    client.opens();
    client.get(1, "/").unwrap();
    assert_eq!(client.next(), response(1, 200, "as long as it is"));
    assert_eq!(client.closed(), CloseReason::KeepAliveEnded);
    client.opens();
    client.get(2, "/").unwrap();
    assert_eq!(client.next(), Seen::Lost { id: 2, sent: true });
    assert_eq!(client.closed(), CloseReason::Eof);
}

#[test]
fn a_late_reply_costs_the_connection_and_nothing_is_mixed_up() {
    let (_server, url, ca) = serve(|number, mut connection| {
        if number > 0 {
            return mirror(number, connection);
        }
        connection.request();
        connection.wait_for_end();
    });
    let options = LinkOptions { reply_timeout: Duration::from_secs(5), ..LinkOptions::default() };
    let mut client = Client::timeless(&url, &[ca], options);
    client.opens();
    client.get(1, "/slow").unwrap();
    client.advance(Duration::from_secs(2));
    client.poll();
    client.get(2, "/queued").unwrap();
    client.waits(Duration::from_secs(3));
    assert_eq!(client.next(), Seen::Lost { id: 1, sent: true });
    assert_eq!(client.next(), Seen::Lost { id: 2, sent: false });
    let reason = client.closed();
    assert_eq!(reason, CloseReason::ReplyTimeout);
    assert_eq!(reason.to_string(), "no reply to a request in time");
    client.opens();
    client.get(3, "/fresh").unwrap();
    assert_eq!(client.next(), response(3, 200, "/fresh"));
}

#[test]
fn replies_that_nobody_asked_for_end_the_connection() {
    let (_server, url, ca) = serve(|number, mut connection| {
        if number == 0 {
            connection.say("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
            connection.wait_for_end();
        } else if number == 1 {
            connection.request();
            connection.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more");
            connection.wait_for_end();
        } else {
            mirror(number, connection);
        }
    });
    let mut client = Client::open(&url, &[ca], LinkOptions::default());
    client.opens();
    assert_eq!(client.closed(), CloseReason::Protocol("a reply to no request"));
    client.opens();
    client.get(1, "/").unwrap();
    client.get(2, "/").unwrap();
    assert_eq!(client.next(), response(1, 200, "ok"));
    assert_eq!(client.next(), Seen::Lost { id: 2, sent: false });
    assert_eq!(client.closed(), CloseReason::Protocol("bytes behind the reply to a request"));
    assert_eq!(client.net.counters(client.link).protocol_errors, 2);
}

#[test]
fn malformed_and_oversized_replies_end_the_connection() {
    let (_server, url, ca) = serve(|number, mut connection| {
        connection.request();
        connection.say(match number {
            0 => "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n",
            1 => "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n",
            _ => "garbage\r\n\r\n",
        });
        connection.wait_for_end();
    });
    let options = LinkOptions { message_max: 1000, ..LinkOptions::default() };
    let mut client = Client::open(&url, &[ca], options);
    for (id, expected) in [
        CloseReason::TooLarge,
        CloseReason::Protocol("a Content-Length that is not a number"),
        CloseReason::Protocol("a malformed reply head"),
    ]
    .into_iter()
    .enumerate()
    {
        client.opens();
        client.get(id as u64, "/").unwrap();
        assert_eq!(client.next(), Seen::Lost { id: id as u64, sent: true });
        assert_eq!(client.closed(), expected);
    }
}

#[test]
fn a_fetch_at_start_up_waits_for_its_reply() {
    let (server, url, ca) = serve(mirror);
    let tls = client_config(&[ca]).unwrap();
    let get = |url: &str| blocking::fetch(tls.clone(), url, None, Duration::from_secs(5));
    assert_eq!(get(&format!("{url}/a/b?c=d")), Ok((200, b"/a/b?c=d".to_vec())));
    assert_eq!(get(&url), Ok((200, b"/".to_vec())));
    assert_eq!(get(&format!("{url}?x=/y")), Ok((200, b"/?x=/y".to_vec())));
    let body = Some("{\"type\":\"meta\"}");
    let posted = blocking::fetch(tls.clone(), &format!("{url}/info"), body, Duration::from_secs(5));
    assert_eq!(posted, Ok((200, b"/info{\"type\":\"meta\"}".to_vec())));
    let error = get("https://localhost:1/x").unwrap_err();
    assert_eq!(
        error,
        "https://localhost:1/x: connection refused by 127.0.0.1:1: nothing listens there"
    );
    let untrusted = client_config(&[]).unwrap();
    let error = blocking::fetch(untrusted, &url, None, Duration::from_secs(5)).unwrap_err();
    assert!(error.contains("unknown CA"), "{error}");
    assert!(get("ftp://x").unwrap_err().contains("must start with"));
    drop(server);
}

#[test]
fn a_fetch_gives_up_in_time() {
    let (_server, url, ca) = serve(|_, mut connection| connection.wait_for_end());
    let tls = client_config(&[ca]).unwrap();
    let error = blocking::fetch(tls, &url, None, Duration::from_millis(150)).unwrap_err();
    assert!(error.ends_with("no reply within 0.15 s") || error.contains("in time"), "{error}");
}

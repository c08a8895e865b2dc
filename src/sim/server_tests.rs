//! The server against a raw client: rustls and tungstenite over a blocking socket, and a wire of a
//! few words.

use super::embedded::{EmbeddedOptions, embedded};
use super::{
    ConnId, Dislocations, Exchange, ExchangeEvent, Fault, FlowOptions, HttpReply, HttpRequest,
    OrderRef, PlaceRequest, Server, SimHandle, SimOrderType, Wire, WireOut, WsOut,
};
use crate::types::{Side, TimeInForce};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tungstenite::{Message, WebSocket};

/// A wire of a few words: `/public` streams book changes, `/trade` takes `buy`, `time` and `bye`.
pub(super) struct EchoWire {
    name: &'static str,
    public: BTreeSet<ConnId>,
    trade: BTreeSet<ConnId>,
    pongs: usize,
}

impl EchoWire {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, public: BTreeSet::new(), trade: BTreeSet::new(), pongs: 0 }
    }
}

impl Wire for EchoWire {
    fn name(&self) -> &'static str {
        self.name
    }

    fn paths(&self) -> [&'static str; 4] {
        ["", "/public", "/trade", ""]
    }

    fn on_http(
        &mut self,
        request: &HttpRequest,
        _: &mut Exchange,
        now_ms: u64,
        _: &mut WireOut,
    ) -> HttpReply {
        let headers = vec![("x-method".to_owned(), request.method.clone())];
        let body = match &*request.path {
            "/time" => now_ms.to_string(),
            "/pongs" => self.pongs.to_string(),
            _ => format!("{}?{}|{}", request.path, request.query, request.body),
        };
        HttpReply { status: 200, headers, body }
    }

    fn on_ws_open(
        &mut self,
        conn: ConnId,
        path: &str,
        _: &str,
        _: &mut Exchange,
        _: u64,
        out: &mut WireOut,
    ) -> Result<(), HttpReply> {
        match path {
            "/public" => self.public.insert(conn),
            "/trade" => self.trade.insert(conn),
            _ => return Err(HttpReply { status: 404, headers: vec![], body: "no".to_owned() }),
        };
        out.push((conn, WsOut::Text("welcome".to_owned())));
        out.push((conn, WsOut::Ping(b"are you there".to_vec())));
        Ok(())
    }

    fn on_ws_text(
        &mut self,
        conn: ConnId,
        text: &str,
        exchange: &mut Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        match text {
            "cut" => out.push((conn, WsOut::Close(1006, String::new()))),
            "bye" => out.push((conn, WsOut::Close(4_001, "as you wish".to_owned()))),
            "time" => out.push((conn, WsOut::Text(now_ms.to_string()))),
            "buy" => {
                let request = PlaceRequest {
                    symbol: "BTCUSDT".to_owned(),
                    client_id: "one".to_owned(),
                    side: Side::Buy,
                    order_type: SimOrderType::Limit,
                    time_in_force: TimeInForce::Gtc,
                    price: "1000".parse().unwrap(),
                    qty: "1".parse().unwrap(),
                    reduce_only: false,
                };
                let account = super::AccountId(0);
                let placed = exchange.place(account, request, now_ms).unwrap();
                assert!(exchange.order(account, "BTCUSDT", OrderRef::Client("one")).is_some());
                out.push((conn, WsOut::Text(format!("ack {}", placed.client_id()))));
            }
            other => out.push((conn, WsOut::Text(format!("echo {other}")))),
        }
    }

    fn on_ws_pong(&mut self, _: ConnId, payload: &[u8], _: u64) {
        assert_eq!(payload, b"are you there");
        self.pongs += 1;
    }

    fn on_ws_closed(&mut self, conn: ConnId) {
        assert!(self.public.remove(&conn) || self.trade.remove(&conn));
    }

    fn on_exchange(&mut self, events: &[ExchangeEvent], _: &Exchange, _: u64, out: &mut WireOut) {
        for event in events {
            match event {
                ExchangeEvent::Book { symbol, first_id, last_id, .. } => {
                    let text = format!("\"depthUpdate\" {symbol} {first_id} {last_id}");
                    let all = self.public.iter();
                    out.extend(all.map(|conn| (*conn, WsOut::Text(text.clone()))));
                }
                ExchangeEvent::Order { order, .. } => {
                    let text = format!("order {}", order.client_id());
                    let all = self.trade.iter();
                    out.extend(all.map(|conn| (*conn, WsOut::Text(text.clone()))));
                }
                _ => {}
            }
        }
    }

    fn on_timer(&mut self, _: &mut Exchange, _: u64, _: &mut WireOut) {}

    fn on_announce_shutdown(&mut self, _: u64, out: &mut WireOut) {
        out.extend(self.public.iter().map(|conn| (*conn, WsOut::Text("leaving".to_owned()))));
    }
}

impl super::SimOrder {
    fn client_id(&self) -> &str {
        &self.request.client_id
    }
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

struct Running {
    handle: SimHandle,
    key: String,
}

fn start(flow: FlowOptions) -> Running {
    let options = EmbeddedOptions { flow, events_first_per_mille: 0, ..EmbeddedOptions::default() };
    let wires: Vec<Box<dyn Wire>> = vec![Box::new(EchoWire::new("bybit"))];
    let made = embedded(&options, wires).unwrap();
    let key = made.accounts[0].key.clone();
    Running { handle: Server::start(made.options).unwrap(), key }
}

/// A market in which nothing moves by itself.
fn still() -> FlowOptions {
    let calm = Dislocations { per_second: 0.0, ..Default::default() };
    FlowOptions { events_per_second: 1e-3, dislocations: calm, ..FlowOptions::default() }
}

impl Running {
    fn connect(&self) -> std::io::Result<Stream> {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(self.handle.ca_pem().as_bytes()).unwrap();
        roots.add(ca).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let socket = TcpStream::connect(self.handle.address("bybit").unwrap())?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        let name = ServerName::try_from("localhost").unwrap();
        let tls = ClientConnection::new(Arc::new(config), name).unwrap();
        Ok(StreamOwned::new(tls, socket))
    }

    fn open(&self, path: &str) -> WebSocket<Stream> {
        let url = format!("wss://localhost{path}");
        let (mut socket, _) = tungstenite::client(url, self.connect().unwrap()).unwrap();
        assert_eq!(text(&mut socket), "welcome");
        socket
    }

    fn get(&self, path: &str) -> String {
        let mut stream = self.connect().unwrap();
        request(&mut stream, &format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).1
    }
}

/// Sends a request and reads its reply: head and body.
fn request(stream: &mut Stream, bytes: &str) -> (String, String) {
    stream.write_all(bytes.as_bytes()).unwrap();
    let mut got = Vec::new();
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        got.push(byte[0]);
        if got.ends_with(b"\r\n\r\n") {
            break;
        }
    }
    let head = String::from_utf8(got).unwrap();
    let len = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
    let mut body = vec![0; len.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}

/// The next text; pings are answered on the way.
fn text(socket: &mut WebSocket<Stream>) -> String {
    loop {
        match socket.read().unwrap() {
            Message::Text(text) => return text.as_str().to_owned(),
            Message::Ping(_) => socket.flush().unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

fn say(socket: &mut WebSocket<Stream>, words: &str) {
    socket.send(Message::text(words)).unwrap();
}

#[test]
fn http_keeps_the_connection_and_reads_bodies_and_pieces() {
    let running = start(still());
    let mut stream = running.connect().unwrap();
    let (head, body) = request(&mut stream, "GET /a/b?c=d%20e HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("x-method: GET\r\n"));
    assert!(head.contains("connection: keep-alive\r\n"));
    assert_eq!(body, "/a/b?c=d%20e|");
    let post = "POST /order HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhe";
    stream.write_all(post.as_bytes()).unwrap();
    stream.flush().unwrap();
    std::thread::sleep(Duration::from_millis(20));
    let (_, body) = request(&mut stream, "llo");
    assert_eq!(body, "/order?|hello");
    // Two requests in one go are answered one after the other.
    let two = "GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\nconnection: close\r\n\r\n";
    assert_eq!(request(&mut stream, two).1, "/1?|");
    let (head, body) = request(&mut stream, "");
    assert_eq!(body, "/2?|");
    assert!(head.contains("connection: close\r\n"));
    assert_eq!(stream.read(&mut [0; 9]).unwrap(), 0, "closed as asked");
    assert_eq!(running.handle.counters("bybit").unwrap().requests, 4);
}

#[test]
fn websockets_echo_pong_close_and_refuse_unknown_paths() {
    let running = start(still());
    let mut socket = running.open("/trade");
    say(&mut socket, "hello");
    assert_eq!(text(&mut socket), "echo hello");
    assert_eq!(running.get("/pongs"), "1");
    say(&mut socket, "bye");
    let Message::Close(Some(frame)) = socket.read().unwrap() else { panic!("no close") };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (4_001, "as you wish"));
    let mut socket = running.open("/trade");
    say(&mut socket, "cut");
    assert!(!matches!(socket.read(), Ok(Message::Close(_))), "no word");
    let refused = tungstenite::client("wss://localhost/nowhere", running.connect().unwrap());
    let Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(reply))) = refused else {
        panic!("not refused")
    };
    assert_eq!(reply.status(), 404);
}

#[test]
fn orders_reach_the_ledger_and_streams_reach_their_clients() {
    let running = start(still());
    let mut socket = running.open("/trade");
    say(&mut socket, "buy");
    assert_eq!(text(&mut socket), "ack one");
    assert_eq!(text(&mut socket), "order one");
    let ledger = running.handle.ledger("bybit", &running.key).unwrap();
    assert_eq!(ledger.open_orders, 1);
    let usdt = ("9999000".parse().unwrap(), "1000".parse().unwrap());
    assert_eq!(ledger.balances["USDT"], usdt);
    assert_eq!(running.handle.ledger("bybit", "nobody"), None);
    assert_eq!(running.handle.ledger("nowhere", &running.key), None);
}

#[test]
fn the_flow_runs_and_a_skipped_change_is_a_gap() {
    let running = start(FlowOptions::default());
    let mut socket = running.open("/public");
    let ids = |socket: &mut WebSocket<Stream>| loop {
        let line = text(socket);
        let words: Vec<&str> = line.split(' ').collect();
        if words[1] == "BTCUSDT" {
            return (words[2].parse::<u64>().unwrap(), words[3].parse::<u64>().unwrap());
        }
    };
    let mut last = ids(&mut socket).1;
    for _ in 0..20 {
        let (first, next) = ids(&mut socket);
        assert_eq!(first, last + 1);
        last = next;
    }
    assert!(running.handle.fault("bybit", Fault::SkipBookEvent { symbol: "BTCUSDT".to_owned() }));
    let mut gaps = 0;
    for _ in 0..40 {
        let (first, next) = ids(&mut socket);
        gaps += u32::from(first != last + 1);
        last = next;
    }
    assert_eq!(gaps, 1);
}

#[test]
fn connections_are_cut_and_refused_and_come_back() {
    let running = start(still());
    let mut socket = running.open("/public");
    assert!(running.handle.fault("bybit", Fault::RefuseConnections(true)));
    assert!(running.handle.fault("bybit", Fault::CutConnections));
    while let Ok(message) = socket.read() {
        assert!(message.is_ping(), "{message:?}");
    }
    let refused = running.connect().err().map(|error| error.kind());
    assert_eq!(refused, Some(std::io::ErrorKind::ConnectionRefused));
    assert!(running.handle.fault("bybit", Fault::RefuseConnections(false)));
    say(&mut running.open("/trade"), "again");
    assert!(!running.handle.fault("nowhere", Fault::CutConnections));
}

#[test]
fn replies_are_lost_delayed_or_told_by_a_wrong_clock() {
    let running = start(still());
    let mut socket = running.open("/trade");
    running.handle.fault("bybit", Fault::LoseReplies(true));
    say(&mut socket, "buy");
    assert_eq!(text(&mut socket), "order one", "the order lives, its reply is lost");
    assert_eq!(running.get("/still?a"), "/still?a|", "reads are answered");
    running.handle.fault("bybit", Fault::LoseReplies(false));
    running.handle.fault("bybit", Fault::DelayMs(80));
    let since = Instant::now();
    say(&mut socket, "slow");
    assert_eq!(text(&mut socket), "echo slow");
    assert!(since.elapsed() >= Duration::from_millis(80), "{:?}", since.elapsed());
    running.handle.fault("bybit", Fault::DelayMs(0));
    let told = |socket: &mut WebSocket<Stream>| {
        say(socket, "time");
        text(socket).parse::<i64>().unwrap()
    };
    let before = told(&mut socket);
    running.handle.fault("bybit", Fault::SkewClock(-5_000));
    let skewed = told(&mut socket) - before;
    assert!((-5_000..-4_000).contains(&skewed), "{skewed}");
}

#[test]
fn texts_and_raw_bytes_are_injected_where_they_belong() {
    let running = start(still());
    let (mut public, mut trade) = (running.open("/public"), running.open("/trade"));
    let inject =
        Fault::InjectText { path_contains: "publ".to_owned(), text: "surprise".to_owned() };
    running.handle.fault("bybit", inject);
    running.handle.fault("bybit", Fault::AnnounceShutdown);
    // A whole frame of three letters, then one whose reserved bit is set.
    running.handle.fault("bybit", Fault::InjectRaw(b"\x81\x03abc".to_vec()));
    running.handle.fault("bybit", Fault::InjectRaw(vec![0xf1, 0x00]));
    assert_eq!(text(&mut public), "surprise");
    assert_eq!(text(&mut public), "leaving");
    assert_eq!(text(&mut public), "abc");
    assert!(matches!(public.read(), Err(tungstenite::Error::Protocol(_))));
    say(&mut trade, "ok");
    assert_eq!(text(&mut trade), "echo ok", "nothing of that reached order entry");
}

#[test]
fn the_next_message_to_each_connection_is_cut_in_its_middle() {
    let running = start(still());
    let mut trade = running.open("/trade");
    running.handle.fault("bybit", Fault::CutMessages);
    say(&mut trade, "once");
    let end = loop {
        match trade.read() {
            Ok(Message::Ping(_)) => {}
            other => break other,
        }
    };
    assert!(end.is_err(), "half a message was taken for a whole one: {end:?}");
    let mut http = running.connect().unwrap();
    running.handle.fault("bybit", Fault::CutMessages);
    http.write_all(b"GET /long?body HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut got = Vec::new();
    let _ = http.read_to_end(&mut got);
    assert!(!got.is_empty() && !got.ends_with(b"/long?body|"), "{got:?}");
    let mut later = running.open("/trade");
    say(&mut later, "twice");
    assert_eq!(text(&mut later), "echo twice", "opened later");
}

#[test]
fn a_client_that_does_not_read_is_cut_and_the_others_go_on() {
    let running = start(still());
    let mut lazy = running.open("/public");
    let mut lively = running.open("/trade");
    let block = "x".repeat(1 << 20);
    for _ in 0..30 {
        let inject = Fault::InjectText { path_contains: "/public".to_owned(), text: block.clone() };
        running.handle.fault("bybit", inject);
    }
    assert_eq!(running.handle.counters("bybit").unwrap().cut_slow, 1);
    say(&mut lively, "still here");
    assert_eq!(text(&mut lively), "echo still here");
    while let Ok(Message::Text(text)) = lazy.read() {
        assert_eq!(text.len(), block.len());
    }
}

#[test]
fn garbage_and_oversized_requests_end_the_connection() {
    let running = start(still());
    for bytes in ["not http at all\r\n\r\n", "POST / HTTP/1.1\r\ncontent-length: 9999999\r\n\r\n"] {
        let mut stream = running.connect().unwrap();
        stream.write_all(bytes.as_bytes()).unwrap();
        assert_eq!(stream.read(&mut [0; 9]).unwrap_or(0), 0, "{bytes:?}");
    }
    let mut plain = TcpStream::connect(running.handle.address("bybit").unwrap()).unwrap();
    plain.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "no plain HTTP on a TLS port");
    assert_eq!(running.get("/fine"), "/fine?|");
}

#[test]
fn a_capture_without_a_pace_of_its_own_is_played_as_fast_as_the_client_reads() {
    let lines = [
        r#"1000000000 {"lastUpdateId":1,"bids":[["100.00","1"]],"asks":[["100.01","1"]]}"#,
        r#"1000000001 {"stream":"btcusdt@depth@100ms","data":{"s":"BTCUSDT","U":2,"u":2,"b":[["99.00","1"]],"a":[]}}"#,
        r#"61000000000 {"stream":"btcusdt@depth@100ms","data":{"s":"BTCUSDT","U":3,"u":3,"b":[["98.00","1"]],"a":[]}}"#,
    ];
    let path = super::flow_tests::capture("pace", &lines);
    let calm = Dislocations { per_second: 0.0, ..Default::default() };
    let running = start(FlowOptions {
        captures: vec![super::Capture { files: vec![path.clone()], venue: "bybit".to_owned() }],
        speed: f64::INFINITY,
        dislocations: calm,
        ..FlowOptions::default()
    });
    let mut socket = running.open("/public");
    let since = Instant::now();
    let mut changes = 0;
    while changes < 4 {
        changes += u32::from(text(&mut socket).contains("BTCUSDT"));
    }
    // Four changes of this book are two rounds of a minute each.
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
    std::fs::remove_file(path).unwrap();
}

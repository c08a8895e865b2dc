//! A trading connector that has logged in, driven by a script: messages of the venue on its sockets
//! and as replies to its requests, our commands, lost connections, passing time.
//!
//! The input is text, a step a line, so that real messages are seeds and pieces of them find their
//! places. The first line chooses the connector: `e` a key that logs on, `r` orders over REST, `d`
//! a dead-man switch, `!` not logged in yet. Then, by the first letter of a line:
//!
//! | letter | what happens |
//! |---|---|
//! | `t` `p` | the rest is a frame on the trade or the private socket |
//! | `r` | the rest is the body of a reply to the last open request, with status 200 |
//! | `h` | the same with a status (three digits) and a header line before a `;` |
//! | `i` | the rest is a reply that lists instruments |
//! | `c` | we send a command, a digit says which |
//! | `l` | the last open request is lost |
//! | `d` | so many tenths of a second pass, in one digit, and its square |
//! | `x` `o` | a channel closes or opens, a digit says which |
//! | `@` `#` in a message | the number of the last request, the id of the last order |

use std::sync::Arc;
use stoop::types::*;
use stoop::venues::{
    Connector, Credentials, Endpoints, Outbox, Output, RequestId, Response, Secret, VENUES,
    VenueSetup,
};

const NOW: Nanos = Nanos(1_795_161_256_000_000_000);

/// An Ed25519 private key: 32 bytes of 7 behind the fixed head of its PKCS#8 form.
const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\n\
    -----END PRIVATE KEY-----\n";

fn instruments(venue: VenueId) -> InstrumentTable {
    let mut table = InstrumentTable::default();
    let quote = table.assets.intern("USDT");
    for (name, qty_decimals) in [("BTC", 6), ("ETH", 5)] {
        let base = table.assets.intern(name);
        let scale = Scale { price_decimals: 2, qty_decimals };
        let rules =
            InstrumentRules { tick_size: Price(1), lot_size: Qty(1), ..InstrumentRules::default() };
        let symbol = format!("{name}USDT");
        let kind = VENUES[usize::from(venue.0)].kinds[0];
        let settle = if kind == InstrumentKind::Spot { AssetId::NONE } else { quote };
        let instrument = Instrument { venue, base, quote, settle, kind, scale, ..Instrument::default() };
        table.add(Instrument { rules, symbol, ..instrument });
    }
    table
}

fn connector(name: &str, options: &str) -> Box<dyn Connector> {
    let venue = stoop::venues::find(name).unwrap();
    let url = "wss://localhost:1".to_owned();
    let rest = "https://localhost:1".to_owned();
    let endpoints = Endpoints { rest, public: url.clone(), trade: url.clone(), private: url };
    let pem = options.contains('e') && name != "bybit";
    let secret = if pem { PEM } else { "secret" }.to_owned();
    let setup = VenueSetup {
        venue,
        endpoints,
        instruments: Arc::new(instruments(venue)),
        credentials: Some(Credentials { key: "key".to_owned(), secret: Secret::new(secret) }),
        recv_window_ms: 5_000,
        reply_timeout_ms: 2_000,
        orders_over_rest: options.contains('r'),
        dead_man_switch_s: options.contains('d').then_some(60),
        depth: 50,
        first_message_timeout_ms: 5_000,
    };
    (VENUES[usize::from(venue.0)].trading)(setup).unwrap()
}

/// What a connector hands over is sound, whatever the venue said.
fn check(venue: VenueId, events: &Events) {
    for event in events.list() {
        match event {
            Event::Report(report) => {
                assert!(report.instrument.0 < 2, "{report:?}");
                assert!(report.price >= Price(0) && report.qty >= Qty::ZERO, "{report:?}");
                assert!(report.cumulative_qty.is_none_or(|qty| qty >= Qty::ZERO), "{report:?}");
                let fill = report.kind == ReportKind::Fill;
                assert!(!fill || report.fill.is_sound(), "{report:?}");
            }
            Event::Balance(balance) => {
                assert_eq!(balance.venue, venue);
                // In an amount without overflow, like everything that is made of them.
                let _ = balance.total();
            }
            Event::Fee(rate) => assert!(rate.instrument.0 < 2, "{rate:?}"),
            Event::Notice(_) => {}
            other => panic!("no business of this connector: {other:?}"),
        }
    }
}

fn command(kind: u8, client_id: ClientOrderId) -> CommandKind {
    let instrument = InstrumentId(u16::from(kind >= b'a'));
    let order = NewOrder {
        client_id,
        instrument,
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        post_only: false,
        reduce_only: false,
        price: Price(6_000_000),
        qty: Qty(1_000),
    };
    let venue_order_id = VenueOrderId::from_u64(43);
    let cancel = CancelOrder { client_id, venue_order_id, instrument };
    let by_venue = CancelOrder { client_id: ClientOrderId::NONE, ..cancel };
    let (price, qty, from_id) = (order.price, Qty(500), FillId::from_u64(7));
    match kind & 15 {
        1 => {
            CommandKind::Replace(ReplaceOrder { client_id, venue_order_id, instrument, price, qty })
        }
        2 => CommandKind::Cancel(cancel),
        3 => CommandKind::Query(cancel),
        4 => CommandKind::OpenOrders(instrument),
        5 => CommandKind::FillsSince { instrument, from_id: FillId::EMPTY, from_ns: NOW },
        6 => CommandKind::Balances,
        7 => CommandKind::FeeRate(instrument),
        8 => CommandKind::CancelAll(instrument),
        9 => CommandKind::FillsSince { instrument, from_id, from_ns: Nanos(0) },
        10 => CommandKind::Cancel(by_venue),
        11 => CommandKind::Query(by_venue),
        _ => CommandKind::New(order),
    }
}

/// The replies that bring a connector to where it is ready.
fn welcome(output: &Output<'_>, now: Nanos) -> Option<(Channel, String)> {
    let (ms, ns) = (now.as_millis(), now.0);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(match output {
        Output::Request(request) if request.path.ends_with("/time") => {
            let text = if request.path.contains("/v5/") {
                format!(r#"{{"retCode":0,"result":{{"timeNano":"{ns}"}}}}"#)
            } else {
                format!(r#"{{"serverTime":{ms}}}"#)
            };
            (Channel::Rest, text)
        }
        Output::Frame(channel, frame) => {
            let frame = text(frame);
            let id = number_of(&frame);
            let reply = if frame.contains(r#""method":"time""#) {
                format!(r#"{{"id":{id},"status":200,"result":{{"serverTime":{ms}}}}}"#)
            } else if frame.contains("session.logon") || frame.contains("userDataStream") {
                format!(r#"{{"id":{id},"status":200,"result":{{}}}}"#)
            } else if frame.contains(r#""op":"auth""#) && *channel == Channel::Trade {
                r#"{"retCode":0,"retMsg":"OK","op":"auth"}"#.to_owned()
            } else if frame.contains(r#""op":"auth""#) {
                r#"{"success":true,"ret_msg":"","op":"auth"}"#.to_owned()
            } else if frame.contains(r#""op":"subscribe""#) {
                r#"{"success":true,"req_id":"streams","op":"subscribe"}"#.to_owned()
            } else {
                return None;
            };
            (*channel, reply)
        }
        _ => return None,
    })
}

/// The number of a request in its frame; empty if it has none.
fn number_of(frame: &str) -> String {
    let after = |key| frame.split_once(key).map(|(_, rest)| rest);
    let rest = after(r#""id":"#).or_else(|| after(r#""reqId":""#)).unwrap_or("");
    rest.chars().take_while(char::is_ascii_digit).collect()
}

/// A connector and what it waits for.
struct Desk {
    connector: Box<dyn Connector>,
    venue: VenueId,
    out: Outbox,
    events: Events,
    now: Nanos,
    /// Open requests over HTTP.
    requests: Vec<RequestId>,
    /// Number of the last request, in a frame or over HTTP.
    number: String,
    order: ClientOrderId,
    orders: u16,
    welcomes: bool,
}

impl Desk {
    fn new(name: &str, options: &str) -> Self {
        let mut desk = Self {
            connector: connector(name, options),
            venue: stoop::venues::find(name).unwrap(),
            out: Outbox::with_capacity(64, 64 * 1024),
            events: Events::with_capacity(256, 16),
            now: NOW,
            requests: Vec::new(),
            number: String::new(),
            order: ClientOrderId::NONE,
            orders: 0,
            welcomes: !options.contains('!'),
        };
        for spec in desk.connector.channels().to_vec() {
            desk.open(spec.channel);
        }
        if desk.welcomes {
            // What waited for the clock has had its turn.
            desk.pass(1);
            desk.welcomes = false;
            desk.submit(b'0');
        }
        desk
    }

    fn open(&mut self, channel: Channel) {
        self.connector.on_open(channel, self.now, &mut self.out, &mut self.events);
        self.settle();
    }

    fn pass(&mut self, tenths: u64) {
        self.now = self.now.plus(tenths * 100_000_000);
        self.connector.on_deadline(self.now, &mut self.out, &mut self.events);
        self.settle();
    }

    fn submit(&mut self, kind: u8) {
        if kind & 15 == 0 || kind & 15 > 11 {
            self.orders += 1;
            self.order = ClientOrderId::mint(NOW, StrategyId(1), self.orders.into()).unwrap();
        }
        let kind = command(kind, self.order);
        let issued_ns = self.now;
        let (signal, tick_ns, priority) = (SignalId(0), Nanos(0), kind.priority());
        let command = Command { kind, signal, tick_ns, issued_ns, priority };
        let (out, events) = (&mut self.out, &mut self.events);
        let _ = self.connector.submit(&command, self.now, out, events);
        self.settle();
    }

    fn frame(&mut self, channel: Channel, text: &[u8]) {
        self.now = self.now.plus(1_000_000);
        let mut message = self.filled(text);
        let (out, events) = (&mut self.out, &mut self.events);
        let _ = self.connector.on_frame(channel, &mut message, self.now, out, events);
        self.settle();
    }

    fn reply(&mut self, status: u16, head: &[u8], text: &[u8]) {
        let Some(id) = self.requests.pop() else { return };
        self.now = self.now.plus(1_000_000);
        let mut body = self.filled(text);
        let head = [b"HTTP/1.1 200 OK\r\n", head, b"\r\n\r\n"].concat();
        let response = Response { status, head: &head, body: &mut body };
        let (out, events) = (&mut self.out, &mut self.events);
        let _ = self.connector.on_response(id, response, self.now, out, events);
        self.settle();
    }

    /// A message with its numbers in.
    fn filled(&self, text: &[u8]) -> Vec<u8> {
        let mut message = Vec::with_capacity(text.len() + 64);
        for &byte in text {
            match byte {
                b'@' => message.extend_from_slice(self.number.as_bytes()),
                b'#' => message.extend_from_slice(&self.order.encode()),
                _ => message.push(byte),
            }
        }
        message
    }

    /// Looks at what came out, and answers where the venue welcomes.
    fn settle(&mut self) {
        // More turns than a login has steps.
        for _ in 0..8 {
            check(self.venue, &self.events);
            self.events.clear();
            let mut replies = Vec::new();
            for output in self.out.outputs() {
                let reply = if self.welcomes { welcome(&output, self.now) } else { None };
                match output {
                    Output::Request(request) => {
                        let plain = |byte: u8| byte.is_ascii_graphic();
                        assert!(request.path.bytes().all(plain), "{request:?}");
                        let lines = request.headers.split(|&byte| byte == b'\n');
                        let whole = |line: &[u8]| line.is_empty() || line.ends_with(b"\r");
                        assert!(lines.clone().all(whole), "{request:?}");
                        self.requests.push(request.id);
                        self.number = request.id.0.to_string();
                    }
                    Output::Frame(_, frame) => {
                        assert!(std::str::from_utf8(frame).is_ok());
                        let number = number_of(&String::from_utf8_lossy(frame));
                        if !number.is_empty() {
                            self.number = number;
                        }
                    }
                    Output::Reconnect(_) | Output::Connect(..) => {}
                }
                replies.extend(reply);
            }
            self.out.clear();
            if replies.is_empty() {
                return;
            }
            for (channel, text) in replies {
                self.welcome(channel, text);
            }
        }
    }

    fn welcome(&mut self, channel: Channel, text: String) {
        let (mut text, now) = (text.into_bytes(), self.now);
        let (out, events) = (&mut self.out, &mut self.events);
        let result = if channel == Channel::Rest {
            let id = self.requests.pop().unwrap();
            let head = b"HTTP/1.1 200 OK\r\n\r\n";
            let response = Response { status: 200, head, body: &mut text };
            self.connector.on_response(id, response, now, out, events)
        } else {
            self.connector.on_frame(channel, &mut text, now, out, events)
        };
        result.unwrap();
    }

    fn step(&mut self, line: &[u8]) {
        let Some((&letter, rest)) = line.split_first() else { return };
        let digit = rest.first().copied().unwrap_or(b'0');
        let channels = [Channel::Trade, Channel::Private, Channel::Rest];
        let channel = channels[usize::from(digit) % channels.len()];
        match letter {
            b't' => self.frame(Channel::Trade, rest),
            b'p' => self.frame(Channel::Private, rest),
            b'r' => self.reply(200, b"", rest),
            b'h' => {
                let text = String::from_utf8_lossy(rest);
                let (head, body) = text.split_once(';').unwrap_or((&text, ""));
                let status = head.get(..3).and_then(|status| status.parse().ok()).unwrap_or(500);
                self.reply(status, head.get(3..).unwrap_or("").as_bytes(), body.as_bytes());
            }
            b'i' => {
                let row = &VENUES[usize::from(self.venue.0)];
                for &kind in row.kinds {
                    let _ = (row.decode_instruments)(kind, &mut rest.to_vec());
                    let _ = (row.next_instruments)(kind, &mut rest.to_vec());
                }
            }
            b'c' => self.submit(digit),
            b'l' => {
                if let Some(id) = self.requests.pop() {
                    let (out, events) = (&mut self.out, &mut self.events);
                    self.connector.on_request_lost(id, self.now, out, events);
                    self.settle();
                }
            }
            b'd' => self.pass(u64::from(digit & 15) * u64::from(digit & 15)),
            b'x' => {
                self.connector.on_close(channel, self.now, &mut self.events);
                self.settle();
            }
            b'o' => self.open(channel),
            _ => {}
        }
        let _ = self.connector.deadline();
    }
}

/// Runs a script.
pub fn run(name: &str, data: &[u8]) {
    let mut lines = data.split(|&byte| byte == b'\n');
    let options = lines.next().unwrap_or_default();
    let mut desk = Desk::new(name, &String::from_utf8_lossy(options));
    for line in lines {
        desk.step(line);
    }
}

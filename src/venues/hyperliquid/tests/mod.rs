//! Tests of the Hyperliquid connectors: signing against published vectors with every step between,
//! actions to exact bytes, example messages to exact events.
//!
//! The messages are the venue's own examples and recordings, in `tests/fixtures/hyperliquid`.

mod account;
mod actions;
mod client;
mod every;
mod lists;
mod orders;
mod private;
mod public;
mod reads;
mod replace;
mod start;
mod vectors;

use super::super::{
    Connector, Credentials, DecodeError, EncodeError, Endpoints, Outbox, Output, RequestId,
    Response, Secret, VenueSetup,
};
use super::{market, trading};
use crate::types::{
    Amount, Channel, ClientOrderId, Command, CommandKind, Event, Events, ExecutionReport,
    Instrument, InstrumentId, InstrumentKind, InstrumentTable, Nanos, NewOrder, OrderType, Price,
    Qty, Readiness, Scale, Side, TimeInForce, VenueId, VenueNotice,
};
use std::sync::Arc;

const VENUE: VenueId = VenueId(2);
const BTC: InstrumentId = InstrumentId(0);
const ETH: InstrumentId = InstrumentId(1);
const HYPE: InstrumentId = InstrumentId(2);
/// `HYPE/USDC`, spot.
const PAIR: InstrumentId = InstrumentId(3);

const START_MS: u64 = 1_785_000_000_000;
const START: Nanos = Nanos(START_MS * 1_000_000);
const MS: u64 = 1_000_000;
const E18: i128 = 1_000_000_000_000_000_000;

/// A published test key; never to be funded.
const KEY: &str = "0x0123456789012345678901234567890123456789012345678901234567890123";
const SIGNER: &str = "0x14791697260e4c9a71f18484c9f997b308e59325";
/// Another address, whose agent the key may be.
const ACCOUNT: &str = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8";

fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/hyperliquid/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(text: &str) -> Vec<u8> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let pair = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(pair).collect()
}

/// Prices with one decimal and quantities with eight, but for those of the pair and HYPE.
fn instruments() -> InstrumentTable {
    let mut table = InstrumentTable::default();
    let usdc = table.assets.intern("USDC");
    let coins = [("BTC", "BTC", 1), ("ETH", "ETH", 2), ("HYPE", "HYPE", 6), ("@107", "HYPE", 6)];
    for (symbol, base, price_decimals) in coins.into_iter().chain([("MATIC", "MATIC", 6)]) {
        let perpetual = !symbol.starts_with('@');
        let base = table.assets.intern(base);
        table.add(Instrument {
            venue: VENUE,
            name: symbol.to_owned(),
            symbol: symbol.to_owned(),
            kind: match perpetual {
                true => InstrumentKind::LinearPerpetual,
                false => InstrumentKind::Spot,
            },
            base,
            quote: usdc,
            settle: if perpetual { usdc } else { crate::types::AssetId::NONE },
            scale: Scale { price_decimals, qty_decimals: 8 },
            ..Instrument::default()
        });
    }
    table
}

fn setup() -> VenueSetup {
    let url = |scheme: &str| format!("{scheme}://localhost:9443");
    VenueSetup {
        venue: VENUE,
        endpoints: Endpoints {
            rest: url("https"),
            public: url("wss"),
            trade: url("wss"),
            private: url("wss"),
        },
        instruments: Arc::new(instruments()),
        credentials: Some(Credentials {
            key: SIGNER.to_owned(),
            secret: Secret::new(KEY.to_owned()),
            passphrase: None,
        }),
        depth: 50,
        recv_window_ms: 5000,
        orders_over_rest: false,
        order_connections: 1,
        feed_connections: 1,
        dead_man_switch_s: None,
        prepared_nonces: 0,
        reply_timeout_ms: 1000,
        first_message_timeout_ms: 3000,
    }
}

/// What the venue answers at the start: numbers as on its main network.
fn answer_to(kind: &str) -> String {
    let coins = |names: &[(&str, u8)]| {
        let row = |(name, decimals): &(&str, u8)| {
            format!(r#"{{"szDecimals":{decimals},"name":"{name}","maxLeverage":40}}"#)
        };
        names.iter().map(row).collect::<Vec<_>>().join(",")
    };
    match kind {
        "exchangeStatus" => format!(r#"{{"specialStatuses":null,"time":{START_MS}}}"#),
        "meta" => {
            let list = [("BTC", 5), ("ETH", 4), ("ATOM", 2), ("MATIC", 1), ("HYPE", 2)];
            format!(r#"{{"universe":[{}]}}"#, coins(&list))
        }
        "spotMeta" => concat!(
            r#"{"tokens":[{"name":"USDC","szDecimals":8,"index":0},"#,
            r#"{"name":"HYPE","szDecimals":2,"index":150}],"#,
            r#""universe":[{"name":"@107","tokens":[150,0],"index":107}]}"#
        )
        .to_owned(),
        "userRole" => r#"{"role":"user"}"#.to_owned(),
        "userRateLimit" => fixture("rest_user_rate_limit"),
        _ => "null".to_owned(),
    }
}

/// A connector with its buffers and a time that stands still until it is moved.
struct Bench {
    connector: Box<dyn Connector>,
    out: Outbox,
    events: Events,
    now: Nanos,
}

impl Bench {
    fn market() -> Self {
        Self::over(market(setup()).unwrap())
    }

    fn trading(setup: VenueSetup) -> Self {
        Self::over(trading(setup).unwrap())
    }

    fn over(connector: Box<dyn Connector>) -> Self {
        let out = Outbox::with_capacity(64, 4096);
        Self { connector, out, events: Events::with_capacity(256, 1024), now: START }
    }

    /// A trading connector of which everything is ready.
    fn ready() -> Self {
        Self::ready_with(setup())
    }

    fn ready_with(setup: VenueSetup) -> Self {
        let mut bench = Self::trading(setup);
        bench.open(Channel::Rest);
        bench.answer_start();
        for channel in [Channel::Trade, Channel::Private] {
            bench.open(channel);
        }
        for topic in ["orderUpdates", "userFills", "userFundings"] {
            bench.text(Channel::Private, &acked(topic)).unwrap();
        }
        bench.out.clear();
        bench.take();
        bench
    }

    /// Answers what is asked at the start until nothing more is asked.
    fn answer_start(&mut self) {
        loop {
            let asked = self.requests();
            if asked.is_empty() {
                return;
            }
            for (id, _, body) in asked {
                let kind = kind_of(&body);
                let _ = self.answer(id, &answer_to(&kind));
            }
        }
    }

    fn open(&mut self, channel: Channel) {
        self.connector.on_open(channel, self.now, &mut self.out, &mut self.events);
    }

    fn close(&mut self, channel: Channel) {
        self.connector.on_close(channel, self.now, &mut self.events);
    }

    fn text(&mut self, channel: Channel, text: &str) -> Result<(), DecodeError> {
        let mut bytes = text.as_bytes().to_vec();
        let (out, events) = (&mut self.out, &mut self.events);
        self.connector.on_frame(channel, &mut bytes, self.now, out, events)
    }

    fn private(&mut self, text: &str) -> Result<(), DecodeError> {
        self.text(Channel::Private, text)
    }

    fn respond(&mut self, id: u64, status: u16, body: &str) -> Result<(), DecodeError> {
        let mut body = body.as_bytes().to_vec();
        let response = Response { status, head: b"HTTP/1.1 200 OK\r\n", body: &mut body };
        let (out, events) = (&mut self.out, &mut self.events);
        self.connector.on_response(RequestId(id), response, self.now, out, events)
    }

    fn answer(&mut self, id: u64, body: &str) -> Result<(), DecodeError> {
        self.respond(id, 200, body)
    }

    fn submit(&mut self, kind: CommandKind) -> Result<(), EncodeError> {
        let command = Command::new(kind, self.now);
        let (out, events) = (&mut self.out, &mut self.events);
        self.connector.submit(&command, self.now, out, events)
    }

    /// Sends a command that asks over REST; gives the number and body of its request.
    fn ask(&mut self, kind: CommandKind) -> (u64, String) {
        self.submit(kind).unwrap();
        self.asked()
    }

    /// The one request that was made.
    fn asked(&mut self) -> (u64, String) {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        let (id, _, body) = requests.remove(0);
        (id, body)
    }

    fn take(&mut self) -> Vec<Event> {
        let events = self.events.list().to_vec();
        self.events.clear();
        events
    }

    fn reports(&mut self) -> Vec<ExecutionReport> {
        let report = |event: Event| match event {
            Event::Report(report) => report,
            other => panic!("{other:?}"),
        };
        self.take().into_iter().map(report).collect()
    }

    fn report(&mut self) -> ExecutionReport {
        let reports = self.reports();
        assert_eq!(reports.len(), 1, "{reports:?}");
        reports[0]
    }

    /// Requests with number, path and body.
    fn requests(&mut self) -> Vec<(u64, String, String)> {
        let request = |output| match output {
            Output::Request(request) => {
                let body = String::from_utf8(request.body.to_vec()).unwrap();
                assert_eq!(request.headers, b"Content-Type: application/json\r\n");
                Some((request.id.0, request.path.to_owned(), body))
            }
            _ => None,
        };
        let requests = self.out.outputs().filter_map(request).collect();
        self.out.clear();
        requests
    }

    fn sent(&mut self) -> Vec<(Channel, String)> {
        let line = |output| match output {
            Output::Frame(channel, payload) => {
                (channel, std::str::from_utf8(payload).unwrap().to_owned())
            }
            Output::Request(request) => (Channel::Rest, request.path.to_owned()),
            Output::Reconnect(channel) => (channel, "reconnect".to_owned()),
            Output::Connect(channel, url) => (channel, format!("connect {url}")),
        };
        let lines = self.out.outputs().map(line).collect();
        self.out.clear();
        lines
    }

    /// The one post that was sent: its number and the whole frame.
    fn posted(&mut self) -> (u64, serde_json::Value) {
        let sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        let frame: serde_json::Value = serde_json::from_str(&sent[0].1).unwrap();
        assert_eq!((sent[0].0, &frame["method"]), (Channel::Trade, &"post".into()));
        (frame["id"].as_u64().unwrap(), frame)
    }

    /// Sends a command as a post; gives its number.
    fn post(&mut self, kind: CommandKind) -> u64 {
        self.submit(kind).unwrap();
        self.posted().0
    }

    /// The reply to a post.
    fn reply(&mut self, id: u64, payload: &str) -> Result<(), DecodeError> {
        let response = format!(r#"{{"type":"action","payload":{payload}}}"#);
        let text = format!(r#"{{"channel":"post","data":{{"id":{id},"response":{response}}}}}"#);
        self.text(Channel::Trade, &text)
    }

    /// Moves the time and calls the deadlines on the way.
    fn pass(&mut self, millis: u64) {
        let end = self.now.plus(millis * MS);
        while let Some(due) = self.connector.deadline().filter(|&due| due <= end) {
            self.now = self.now.max(due);
            let (out, events) = (&mut self.out, &mut self.events);
            self.connector.on_deadline(self.now, out, events);
            self.out.clear();
        }
        self.now = end;
    }
}

fn kind_of(body: &str) -> String {
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    body["type"].as_str().unwrap().to_owned()
}

/// The venue's acknowledgement of a stream.
fn acked(topic: &str) -> String {
    format!(
        r#"{{"channel":"subscriptionResponse","data":{{"method":"subscribe","subscription":{{"type":"{topic}","user":"{SIGNER}"}}}}}}"#
    )
}

const OURS: ClientOrderId = ClientOrderId(0x1234);
const CLOID: &str = "0x73746f6f700000010000000000001234";

/// Buys 0.02 BTC at 80 000.
fn order() -> NewOrder {
    NewOrder {
        client_id: OURS,
        instrument: BTC,
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        post_only: false,
        reduce_only: false,
        price: Price(800_000),
        qty: Qty(2_000_000),
    }
}

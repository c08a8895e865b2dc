//! Tests of OKX: example messages to exact events, commands to exact bytes, bad input by name.
//!
//! The messages are the venue's documented examples and stand in `tests/fixtures/okx`.

mod account;
mod client;
mod instruments;
mod margin;
mod orders;
mod private;
mod public;
mod reads;
mod templates;

use super::ROW;
use crate::types::{
    Amount, Channel, ClientOrderId, Command, CommandKind, Event, Events, ExecutionReport,
    Instrument, InstrumentId, InstrumentKind, InstrumentRules, InstrumentTable, Nanos, Price, Qty,
    Readiness, Scale, VenueId, VenueNotice, VenueOrderId,
};
use crate::venues::{
    Connector, Credentials, DecodeError, EncodeError, Endpoints, Outbox, Output, RequestId,
    Response, Secret, VenueSetup,
};
use std::sync::Arc;

const OKX: VenueId = VenueId(2);
const BTC: InstrumentId = InstrumentId(0);
const SWAP: InstrumentId = InstrumentId(1);
const BCH: InstrumentId = InstrumentId(2);
const ETH: InstrumentId = InstrumentId(3);
const MS: u64 = 1_000_000;
const START_MS: u64 = 1_700_000_000_000;
const START: Nanos = Nanos(START_MS * MS);

/// An example message.
fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/okx/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn amount(text: &str) -> Amount {
    super::super::decimal::amount(text).unwrap()
}

/// Spot and swaps of one venue at the same time.
fn instruments() -> InstrumentTable {
    let mut table = InstrumentTable::default();
    let quote = table.assets.intern("USDT");
    for (symbol, kind, contract) in [
        ("BTC-USDT", InstrumentKind::Spot, 0),
        ("BTC-USDT-SWAP", InstrumentKind::LinearPerpetual, 1_000_000),
        ("BCH-USDT-SWAP", InstrumentKind::LinearPerpetual, 10_000_000),
        ("ETH-USDT-SWAP", InstrumentKind::LinearPerpetual, 10_000_000),
    ] {
        let base = table.assets.intern(&symbol[..3]);
        let swap = kind == InstrumentKind::LinearPerpetual;
        table.add(Instrument {
            venue: OKX,
            symbol: symbol.to_owned(),
            kind,
            base,
            quote,
            settle: if swap { quote } else { Instrument::default().settle },
            scale: Scale { price_decimals: 2, qty_decimals: 8 },
            contract: Qty(contract),
            rules: InstrumentRules {
                tick_size: Price(10),
                lot_size: Qty(if swap { contract / 100 } else { 1 }),
                ..InstrumentRules::default()
            },
            ..Instrument::default()
        });
    }
    table
}

fn setup() -> VenueSetup {
    let url = |scheme: &str| format!("{scheme}://localhost:9443");
    VenueSetup {
        venue: OKX,
        endpoints: Endpoints {
            rest: url("https"),
            public: url("wss"),
            trade: url("wss"),
            private: url("wss"),
        },
        instruments: Arc::new(instruments()),
        credentials: Some(Credentials {
            key: "985d5b66-57ce".to_owned(),
            secret: Secret::new("22582BD0CFF14C41EDBF1AB98506286D".to_owned()),
            passphrase: Some(Secret::new("phrase".to_owned())),
        }),
        depth: 50,
        recv_window_ms: 5000,
        orders_over_rest: false,
        order_connections: 1,
        feed_connections: 1,
        dead_man_switch_s: None,
        prepared_nonces: 0,
        margin: Default::default(),
        reply_timeout_ms: 1000,
        first_message_timeout_ms: 3000,
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
        Self::over((ROW.market)(setup()).unwrap())
    }

    fn over(connector: Box<dyn Connector>) -> Self {
        let out = Outbox::with_capacity(64, 4096);
        Self { connector, out, events: Events::with_capacity(64, 1024), now: START }
    }

    /// Asked for one instrument, and open.
    fn subscribed(id: InstrumentId) -> Self {
        let mut bench = Self::market();
        bench.submit(CommandKind::Subscribe(id)).unwrap();
        bench.open(Channel::Public);
        bench
    }

    /// A trading connector with clock, account and instruments known and both sockets ready.
    fn logged_in() -> Self {
        Self::logged_in_with(setup())
    }

    fn logged_in_with(setup: VenueSetup) -> Self {
        let over_rest = setup.orders_over_rest;
        let mut bench = Self::over((ROW.trading)(setup).unwrap());
        bench.learn();
        bench.open(Channel::Private);
        bench.text(Channel::Private, &fixture("ws_login_ack")).unwrap();
        if !over_rest {
            bench.open(Channel::Trade);
            bench.text(Channel::Trade, &fixture("ws_login_ack")).unwrap();
        }
        for _ in 0..4 {
            bench.text(Channel::Private, &fixture("ws_orders_subscribe_ack")).unwrap();
        }
        bench.sent();
        bench.take();
        bench
    }

    /// Answers the clock and what has to be learnt first: nothing is held.
    fn learn(&mut self) {
        self.learn_rules();
        self.answer(r#"{"code":"0","msg":"","data":[]}"#).unwrap();
    }

    /// Up to the positions.
    fn learn_rules(&mut self) {
        self.open(Channel::Rest);
        let time = fixture("rest_time").replace("1597026383085", &START_MS.to_string());
        let net = fixture("rest_account_config").replace("long_short_mode", "net_mode");
        for body in [time, net, fixture("rest_instruments_spot"), swaps()] {
            self.answer(&body).unwrap();
        }
    }

    fn submit(&mut self, kind: CommandKind) -> Result<(), EncodeError> {
        let command = Command::new(kind, self.now);
        let (out, events) = (&mut self.out, &mut self.events);
        self.connector.submit(&command, self.now, out, events)
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

    fn public(&mut self, text: &str) -> Result<(), DecodeError> {
        self.text(Channel::Public, text)
    }

    /// A private frame, read by the scanner where it is written as the venue does.
    fn private(&mut self, name: &str) -> Result<(), DecodeError> {
        self.text(Channel::Private, &fixture(name))
    }

    fn reply(&mut self, id: RequestId, status: u16, body: &str) -> Result<(), DecodeError> {
        let mut body = body.as_bytes().to_vec();
        let response = Response { status, head: b"HTTP/1.1 200 OK\r\n", body: &mut body };
        let (out, events) = (&mut self.out, &mut self.events);
        self.connector.on_response(id, response, self.now, out, events)
    }

    /// Answers the newest request.
    fn answer(&mut self, body: &str) -> Result<(), DecodeError> {
        self.answer_with(200, body)
    }

    fn answer_with(&mut self, status: u16, body: &str) -> Result<(), DecodeError> {
        let ids = self.out.outputs().filter_map(|output| match output {
            Output::Request(request) => Some(request.id),
            _ => None,
        });
        let id = ids.last().expect("a request");
        self.out.clear();
        self.reply(id, status, body)
    }

    fn take(&mut self) -> Vec<Event> {
        let events = self.events.list().to_vec();
        self.events.clear();
        events
    }

    fn reports(&mut self) -> Vec<ExecutionReport> {
        let report = |event: Event| match event {
            Event::Report(report) => Some(report),
            _ => None,
        };
        self.take().into_iter().filter_map(report).collect()
    }

    fn notices(&mut self) -> Vec<VenueNotice> {
        let notice = |event: Event| match event {
            Event::Notice(notice) => Some(notice),
            _ => None,
        };
        self.take().into_iter().filter_map(notice).collect()
    }

    /// Frames, and requests as `METHOD path body`; bodies and signatures apart.
    fn sent(&mut self) -> Vec<String> {
        let lines = self.sent_kept();
        self.out.clear();
        lines
    }

    /// The same, to be answered.
    fn sent_kept(&self) -> Vec<String> {
        let lines = self.out.outputs().map(|output| match output {
            Output::Frame(_, payload) => std::str::from_utf8(payload).unwrap().to_owned(),
            Output::Request(request) if request.body.is_empty() => {
                format!("{} {}", request.method.as_str(), request.path)
            }
            Output::Request(request) => format!(
                "{} {} {}",
                request.method.as_str(),
                request.path,
                std::str::from_utf8(request.body).unwrap()
            ),
            Output::Reconnect(channel) => format!("reconnect {channel:?}"),
            Output::Connect(channel, url) => format!("connect {channel:?} {url}"),
        });
        lines.collect()
    }

    /// Moves the time and calls the deadlines on the way.
    fn pass(&mut self, millis: u64) {
        let end = self.now.plus(millis * MS);
        while let Some(due) = self.connector.deadline().filter(|&due| due <= end) {
            self.now = self.now.max(due);
            self.connector.on_deadline(self.now, &mut self.out, &mut self.events);
        }
        self.now = end;
    }
}

/// The list of swaps, with one more that the example does not have.
fn swaps() -> String {
    let more = r#""data": [{"instType":"SWAP","instId":"BCH-USDT-SWAP","instIdCode":null},"#;
    fixture("rest_instruments_swap").replacen("\"data\": [", more, 1)
}

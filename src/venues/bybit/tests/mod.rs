//! Tests of the Bybit connectors: example messages to exact events, commands to exact bytes.
//!
//! The messages are written after the venue's documentation and stand in `tests/fixtures/bybit`.

mod client;
mod dead_man;
mod linear;
mod linear_account;
mod orders;
mod outside;
mod over_rest;
mod private;
mod public;
mod reads;
mod rows;
mod suspension;
mod templates;
mod two_lines;

use super::super::{
    Connector, Credentials, DecodeError, EncodeError, Endpoints, Outbox, Output, RequestId,
    Response, Secret, VenueSetup,
};
use super::ROW;
use crate::types::{
    Amount, Channel, ClientOrderId, Command, CommandKind, Event, Events, ExecutionReport,
    Instrument, InstrumentId, InstrumentTable, Nanos, NewOrder, OrderType, Price, Qty, Readiness,
    Scale, Side, TimeInForce, VenueId, VenueNotice, VenueOrderId,
};
use std::sync::Arc;

const BYBIT: VenueId = VenueId(1);
const BTC: InstrumentId = InstrumentId(1);
const ETH: InstrumentId = InstrumentId(2);

/// 2023-11-14T22:13:20Z, the time of the signing vectors.
const START_MS: u64 = 1_700_000_000_000;
const START: Nanos = Nanos(START_MS * 1_000_000);
const MS: u64 = 1_000_000;

/// An example message.
fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/bybit/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.trim_end().to_owned()
}

fn instruments() -> InstrumentTable {
    let mut table = InstrumentTable::default();
    let quote = table.assets.intern("USDT");
    for (venue, base, qty_decimals) in
        [(VenueId(0), "BTC", 6), (BYBIT, "BTC", 6), (BYBIT, "ETH", 5), (BYBIT, "SOL", 3)]
    {
        let base_asset = table.assets.intern(base);
        table.add(Instrument {
            venue,
            name: format!("{base}/USDT@{}", venue.0),
            symbol: format!("{base}USDT"),
            base: base_asset,
            quote,
            scale: Scale { price_decimals: 2, qty_decimals },
            ..Instrument::default()
        });
    }
    table
}

fn setup() -> VenueSetup {
    let url = |scheme: &str| format!("{scheme}://localhost:9443");
    VenueSetup {
        venue: BYBIT,
        endpoints: Endpoints {
            rest: url("https"),
            public: url("wss"),
            trade: url("wss"),
            private: url("wss"),
        },
        instruments: Arc::new(instruments()),
        credentials: Some(Credentials::new(
            "test_api_key".to_owned(),
            Secret::new("test_secret".to_owned()),
        )),
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

    fn trading() -> Self {
        Self::over((ROW.trading)(setup()).unwrap())
    }

    fn over(connector: Box<dyn Connector>) -> Self {
        let out = Outbox::with_capacity(64, 4096);
        Self { connector, out, events: Events::with_capacity(64, 1024), now: START }
    }

    /// A trading connector with the clock known and both sockets ready.
    fn logged_in() -> Self {
        let mut bench = Self::trading();
        bench.open(Channel::Rest);
        bench.answer(START.0, "rest_time").unwrap();
        bench.open(Channel::Trade);
        bench.open(Channel::Private);
        bench.frame(Channel::Trade, "ws_auth_trade_ok").unwrap();
        bench.frame(Channel::Private, "ws_auth_private_ok").unwrap();
        bench.frame(Channel::Private, "ws_subscribe_private_ok").unwrap();
        bench.sent();
        bench.take();
        bench
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

    fn frame(&mut self, channel: Channel, name: &str) -> Result<(), DecodeError> {
        self.text(channel, &fixture(name))
    }

    fn reply(&mut self, id: u64, status: u16, head: &str, body: &str) -> Result<(), DecodeError> {
        let mut body = body.as_bytes().to_vec();
        let response = Response { status, head: head.as_bytes(), body: &mut body };
        let (out, events) = (&mut self.out, &mut self.events);
        self.connector.on_response(RequestId(id), response, self.now, out, events)
    }

    fn answer(&mut self, id: u64, name: &str) -> Result<(), DecodeError> {
        self.reply(id, 200, "HTTP/1.1 200 OK\r\n", &fixture(name))
    }

    fn lose(&mut self, id: u64) {
        let (out, events) = (&mut self.out, &mut self.events);
        self.connector.on_request_lost(RequestId(id), self.now, out, events);
    }

    /// Nothing of the request has left.
    fn drop_unsent(&mut self, id: u64) {
        let (out, events) = (&mut self.out, &mut self.events);
        self.connector.on_request_unsent(RequestId(id), self.now, out, events);
    }

    fn submit(&mut self, kind: CommandKind) -> Result<(), EncodeError> {
        let command = Command::new(kind, self.now);
        self.connector.submit(&command, self.now, &mut self.out, &mut self.events)
    }

    /// Moves the time and calls the deadlines that pass on the way.
    fn pass(&mut self, millis: u64) {
        let end = self.now.plus(millis * MS);
        for _ in 0..1000 {
            let Some(due) = self.connector.deadline().filter(|&due| due <= end) else { break };
            self.now = self.now.max(due);
            self.connector.on_deadline(self.now, &mut self.out, &mut self.events);
        }
        self.now = end;
    }

    /// What was sent since the last call, as text.
    fn sent(&mut self) -> Vec<String> {
        let lines = self.out.outputs().map(|output| match output {
            Output::Frame(channel, payload) => {
                format!("{channel:?} {}", std::str::from_utf8(payload).unwrap())
            }
            Output::Request(request) => format!(
                "{} {} {}\n{}{}",
                request.id.0,
                request.method.as_str(),
                request.path,
                std::str::from_utf8(request.headers).unwrap(),
                std::str::from_utf8(request.body).unwrap(),
            ),
            Output::Reconnect(channel) => format!("reconnect {channel:?}"),
            Output::Connect(channel, url) => format!("connect {channel:?} {url}"),
        });
        let lines = lines.collect();
        self.out.clear();
        lines
    }

    /// The only thing that was sent since the last call.
    fn sent_one(&mut self) -> String {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0)
    }

    /// Number of the last request over REST.
    fn last_request(&mut self) -> u64 {
        let id = self.out.outputs().filter_map(|output| match output {
            Output::Request(request) => Some(request.id.0),
            _ => None,
        });
        let id = id.last().expect("a request was sent");
        self.out.clear();
        id
    }

    /// The events since the last call.
    fn take(&mut self) -> Vec<Event> {
        let events = self.events.list().to_vec();
        self.events.clear();
        events
    }

    fn reports(&mut self) -> Vec<ExecutionReport> {
        let reports = self.take().into_iter().filter_map(|event| match event {
            Event::Report(report) => Some(report),
            _ => None,
        });
        reports.collect()
    }

    fn report(&mut self) -> ExecutionReport {
        let mut reports = self.reports();
        assert_eq!(reports.len(), 1, "{reports:?}");
        reports.remove(0)
    }

    fn notices(&mut self) -> Vec<VenueNotice> {
        let notices = self.take().into_iter().filter_map(|event| match event {
            Event::Notice(notice) => Some(notice),
            _ => None,
        });
        notices.collect()
    }
}

fn readiness(channel: Channel, readiness: Readiness) -> VenueNotice {
    VenueNotice::Readiness(channel, readiness)
}

fn limit_order(client_id: u64, side: Side, price: i64, qty: i64) -> NewOrder {
    NewOrder {
        client_id: ClientOrderId(client_id),
        instrument: BTC,
        side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        post_only: false,
        reduce_only: false,
        price: Price(price),
        qty: Qty(qty),
    }
}

fn venue_id(text: &str) -> VenueOrderId {
    VenueOrderId::new(text).unwrap()
}

/// An amount from its decimal text.
fn amount(text: &str) -> Amount {
    super::super::decimal::amount(text).unwrap()
}

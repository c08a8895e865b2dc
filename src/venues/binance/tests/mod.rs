//! Tests of the connectors as their agents see them: inputs in, outputs and events out.

mod bad_input;
mod client;
mod futures;
mod instruments;
mod market;
mod orders;
mod replies;
mod session;
mod signing;
mod stream;
mod suspension;
mod two_feeds;
mod two_lines;
mod usdm;
mod usdm_account;
mod usdm_bad_input;
mod usdm_market;
mod usdm_orders;
mod usdm_stream;

use super::market::MarketConnector;
use super::streams::Product;
use super::trading::TradingConnector;
use crate::types::{
    CancelOrder, Channel, ClientOrderId, Command, CommandKind, Event, Events, ExecutionReport,
    FillId, Instrument, InstrumentId, InstrumentRules, InstrumentTable, Nanos, NewOrder, OrderType,
    Price, Qty, ReplaceOrder, Scale, Side, TimeInForce, VenueId, VenueNotice, VenueOrderId,
};
use crate::venues::{
    Connector, Credentials, DecodeError, EncodeError, Endpoints, Outbox, Output, RequestId,
    Response, Secret, VenueSetup,
};
use std::sync::Arc;

/// Key and secret of the venue's documentation.
pub(super) const KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
pub(super) const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
/// Seed 00 01 .. 1f as PKCS#8.
pub(super) const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
     MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n\
     -----END PRIVATE KEY-----\n";

pub(super) const BTC: InstrumentId = InstrumentId(1);
pub(super) const ETH: InstrumentId = InstrumentId(2);
/// Of another venue.
pub(super) const ELSEWHERE: InstrumentId = InstrumentId(0);

/// 2026-11-20, a whole second.
pub(super) const NOW: Nanos = Nanos(1_795_161_256_000_000_000);
pub(super) const MS: u64 = 1_000_000;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../../tests/fixtures/binance/", $name, ".json")).trim_ascii()
    };
}
pub(super) use fixture;

/// BTC/USDT and ETH/USDT here, BTC/USDT at another venue.
pub(super) fn table() -> InstrumentTable {
    let mut table = InstrumentTable::default();
    let [btc, eth, usdt] = ["BTC", "ETH", "USDT"].map(|name| table.assets.intern(name));
    table.assets.intern("BNB");
    for (venue, base, symbol) in [(1, btc, "BTCUSDT"), (0, btc, "BTCUSDT"), (0, eth, "ETHUSDT")] {
        table.add(Instrument {
            venue: VenueId(venue),
            symbol: symbol.to_owned(),
            base,
            quote: usdt,
            scale: Scale { price_decimals: 2, qty_decimals: 5 },
            rules: InstrumentRules {
                tick_size: Price(1),
                lot_size: Qty(1),
                ..InstrumentRules::default()
            },
            ..Instrument::default()
        });
    }
    table
}

pub(super) fn setup(secret: &str, orders_over_rest: bool) -> VenueSetup {
    VenueSetup {
        venue: VenueId(0),
        endpoints: Endpoints {
            rest: "https://localhost:1".to_owned(),
            public: "wss://localhost:1".to_owned(),
            trade: "wss://localhost:1".to_owned(),
            private: String::new(),
        },
        instruments: Arc::new(table()),
        credentials: Some(Credentials::new(KEY.to_owned(), Secret::new(secret.to_owned()))),
        depth: 1000,
        recv_window_ms: 5000,
        orders_over_rest,
        order_connections: 1,
        feed_connections: 1,
        dead_man_switch_s: None,
        prepared_nonces: 0,
        reply_timeout_ms: 2000,
        first_message_timeout_ms: 1000,
    }
}

/// An HTTP request as it would be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) id: u64,
    pub(super) line: String,
    pub(super) headers: String,
}

/// A connector with its buffers and a clock. Outputs and events are those of the last input.
pub(super) struct Rig {
    pub(super) connector: Box<dyn Connector>,
    pub(super) out: Outbox,
    pub(super) events: Events,
    pub(super) now: Nanos,
}

impl Rig {
    pub(super) fn market() -> Self {
        Self::new(Box::new(MarketConnector::new(&setup(SECRET, false), Product::Spot)))
    }

    pub(super) fn trading(secret: &str, over_rest: bool) -> Self {
        Self::new(Box::new(
            TradingConnector::new(&setup(secret, over_rest), Product::Spot).unwrap(),
        ))
    }

    /// A trading connector that is ready for orders.
    pub(super) fn ready(secret: &str, over_rest: bool) -> Self {
        Self::ready_as(&setup(secret, over_rest))
    }

    /// The same with all of its setup.
    pub(super) fn ready_as(setup: &VenueSetup) -> Self {
        let mut rig = Self::new(Box::new(TradingConnector::new(setup, Product::Spot).unwrap()));
        if setup.orders_over_rest {
            rig.open(Channel::Rest);
            rig.answer_probes_over_rest();
        }
        rig.open(Channel::Trade);
        for _ in 0..12 {
            let Some(frame) = rig.frames().first().cloned() else { break };
            let id = id_of(&frame);
            let result = if frame.contains("\"time\"") {
                format!(r#"{{"serverTime":{}}}"#, rig.now.as_millis())
            } else {
                r#"{"subscriptionId":0}"#.to_owned()
            };
            let pending: Vec<String> = rig.frames()[1..].to_vec();
            rig.reply(id, &result).unwrap();
            for frame in pending {
                rig.out.frame(Channel::Trade, |b| b.extend_from_slice(frame.as_bytes())).unwrap();
            }
        }
        assert!(rig.frames().is_empty(), "{:?}", rig.frames());
        rig
    }

    fn answer_probes_over_rest(&mut self) {
        while let Some(request) = self.requests().first() {
            assert_eq!(request.line, "GET /api/v3/time");
            let body = format!(r#"{{"serverTime":{}}}"#, self.now.as_millis());
            let id = request.id;
            self.response(id, 200, "", &body).unwrap();
        }
    }

    pub(super) fn new(connector: Box<dyn Connector>) -> Self {
        Self {
            connector,
            out: Outbox::with_capacity(64, 1 << 16),
            events: Events::with_capacity(1024, 8192),
            now: NOW,
        }
    }

    fn clear(&mut self) {
        self.out.clear();
        self.events.clear();
    }

    pub(super) fn open(&mut self, channel: Channel) {
        self.clear();
        self.connector.on_open(channel, self.now, &mut self.out, &mut self.events);
    }

    pub(super) fn close(&mut self, channel: Channel) {
        self.clear();
        self.connector.on_close(channel, self.now, &mut self.events);
    }

    pub(super) fn frame(&mut self, channel: Channel, text: &str) -> Result<(), DecodeError> {
        self.clear();
        let mut frame = text.as_bytes().to_vec();
        let Self { connector, out, events, now } = self;
        connector.on_frame(channel, &mut frame, *now, out, events)
    }

    /// The reply of the trading socket to request `id`.
    pub(super) fn reply(&mut self, id: u64, result: &str) -> Result<(), DecodeError> {
        self.frame(Channel::Trade, &format!(r#"{{"id":{id},"status":200,"result":{result}}}"#))
    }

    /// The refusal of the trading socket of request `id`.
    pub(super) fn refuse(
        &mut self,
        id: u64,
        status: u16,
        code: i32,
        message: &str,
    ) -> Result<(), DecodeError> {
        let text = format!(
            r#"{{"id":{id},"status":{status},"error":{{"code":{code},"msg":"{message}"}}}}"#
        );
        self.frame(Channel::Trade, &text)
    }

    pub(super) fn response(
        &mut self,
        id: u64,
        status: u16,
        headers: &str,
        body: &str,
    ) -> Result<(), DecodeError> {
        self.clear();
        let head = format!("HTTP/1.1 {status} X\r\n{headers}\r\n");
        let mut body = body.as_bytes().to_vec();
        let response = Response { status, head: head.as_bytes(), body: &mut body };
        let Self { connector, out, events, now } = self;
        connector.on_response(RequestId(id), response, *now, out, events)
    }

    pub(super) fn lose(&mut self, id: u64) {
        self.clear();
        let Self { connector, out, events, now } = self;
        connector.on_request_lost(RequestId(id), *now, out, events);
    }

    /// Nothing of the request has left.
    pub(super) fn drop_unsent(&mut self, id: u64) {
        self.clear();
        let Self { connector, out, events, now } = self;
        connector.on_request_unsent(RequestId(id), *now, out, events);
    }

    pub(super) fn submit(&mut self, kind: CommandKind) -> Result<(), EncodeError> {
        self.clear();
        let command = Command::new(kind, self.now);
        self.connector.submit(&command, self.now, &mut self.out, &mut self.events)
    }

    /// Lets time pass, calling the connector at each of its deadlines on the way. Outputs and
    /// events of all of them add up.
    pub(super) fn pass(&mut self, nanos: u64) {
        self.clear();
        let end = self.now.plus(nanos);
        for _ in 0..1000 {
            match self.connector.deadline() {
                Some(at) if at <= end => {
                    self.now = self.now.max(at);
                    let Self { connector, out, events, now } = self;
                    connector.on_deadline(*now, out, events);
                }
                _ => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("a deadline that has passed stays due");
    }

    pub(super) fn frames(&self) -> Vec<String> {
        let frame = |output| match output {
            Output::Frame(_, bytes) => Some(String::from_utf8(bytes.to_vec()).unwrap()),
            _ => None,
        };
        self.out.outputs().filter_map(frame).collect()
    }

    /// The only frame.
    pub(super) fn sent(&self) -> String {
        let frames = self.frames();
        assert_eq!(frames.len(), 1, "{frames:?}");
        frames[0].clone()
    }

    pub(super) fn requests(&self) -> Vec<Sent> {
        let request = |output| match output {
            Output::Request(request) => Some(Sent {
                id: request.id.0,
                line: format!("{} {}", request.method.as_str(), request.path),
                headers: String::from_utf8(request.headers.to_vec()).unwrap(),
            }),
            _ => None,
        };
        self.out.outputs().filter_map(request).collect()
    }

    pub(super) fn reconnects(&self) -> Vec<Channel> {
        let reconnect = |output| match output {
            Output::Reconnect(channel) => Some(channel),
            _ => None,
        };
        self.out.outputs().filter_map(reconnect).collect()
    }

    pub(super) fn notices(&self) -> Vec<VenueNotice> {
        let notice = |event: &Event| match event {
            Event::Notice(notice) => Some(*notice),
            _ => None,
        };
        self.events.list().iter().filter_map(notice).collect()
    }

    pub(super) fn reports(&self) -> Vec<ExecutionReport> {
        let report = |event: &Event| match event {
            Event::Report(report) => Some(*report),
            _ => None,
        };
        self.events.list().iter().filter_map(report).collect()
    }

    /// The only report.
    pub(super) fn report(&self) -> ExecutionReport {
        let reports = self.reports();
        assert_eq!(reports.len(), 1, "{reports:?}");
        reports[0]
    }
}

/// Number of a request on the trading socket.
pub(super) fn id_of(frame: &str) -> u64 {
    let digits = frame.strip_prefix("{\"id\":").unwrap().split(',').next().unwrap();
    digits.parse().unwrap()
}

pub(super) const ORDER: ClientOrderId = ClientOrderId(0x0cb0_a1b2_1400_0001);

/// Buys 0.007 BTC at 61837.63.
pub(super) fn order(time_in_force: TimeInForce) -> NewOrder {
    NewOrder {
        client_id: ORDER,
        instrument: BTC,
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force,
        post_only: false,
        reduce_only: false,
        price: Price(6_183_763),
        qty: Qty(700),
    }
}

/// The venue's number of the order of the fixtures.
pub(super) const VENUE_ID: &str = "12569099453";

pub(super) fn cancel(venue_order_id: &str) -> CancelOrder {
    let venue_order_id = VenueOrderId::new(venue_order_id).unwrap();
    CancelOrder { client_id: ORDER, venue_order_id, instrument: BTC }
}

pub(super) fn replace(price: i64, qty: i64) -> CommandKind {
    let venue_order_id = VenueOrderId::new(VENUE_ID).unwrap();
    let (price, qty) = (Price(price), Qty(qty));
    CommandKind::Replace(ReplaceOrder {
        client_id: ORDER,
        venue_order_id,
        instrument: BTC,
        price,
        qty,
    })
}

pub(super) fn fills(from_id: &str, from_ns: u64) -> CommandKind {
    let from_id = FillId::new(from_id).unwrap();
    CommandKind::FillsSince { instrument: BTC, from_id, from_ns: Nanos(from_ns) }
}

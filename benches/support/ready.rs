//! A trading connector that is logged in, without sockets, and the orders that it is given.

#![allow(dead_code, reason = "no bench uses all of it")]

use std::sync::Arc;
use stoop::types::{
    CancelOrder, ClientOrderId, CommandKind, Events, Instrument, InstrumentRules, InstrumentTable,
    Nanos, NewOrder, OrderType, Price, Qty, Scale, Side, TimeInForce, VenueOrderId,
};
use stoop::venues::{
    self, Connector, Credentials, Endpoints, Outbox, Output, RequestId, Response, Secret,
    VenueSetup,
};

const START: Nanos = Nanos(1_795_161_256_000_000_000);

/// Not anybody's: made for tests.
pub const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n\
    -----END PRIVATE KEY-----\n";
pub const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
const KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";

/// For one spot instrument of `venue`.
pub fn setup(venue: &str, secret: &str) -> VenueSetup {
    let mut table = InstrumentTable::default();
    let (base, quote) = (table.assets.intern("BTC"), table.assets.intern("USDT"));
    let venue = venues::find(venue).unwrap();
    table.add(Instrument {
        venue,
        symbol: "BTCUSDT".to_owned(),
        base,
        quote,
        scale: Scale { price_decimals: 2, qty_decimals: 5 },
        rules: InstrumentRules { tick_size: Price(1), lot_size: Qty(1), ..Default::default() },
        ..Instrument::default()
    });
    VenueSetup {
        venue,
        endpoints: Endpoints::default(),
        instruments: Arc::new(table),
        credentials: Some(Credentials::new(KEY.to_owned(), Secret::new(secret.to_owned()))),
        depth: 50,
        recv_window_ms: 5000,
        orders_over_rest: false,
        order_connections: 1,
        feed_connections: 1,
        dead_man_switch_s: None,
        prepared_nonces: 0,
        margin: Default::default(),
        reply_timeout_ms: 2000,
        first_message_timeout_ms: 5000,
    }
}

pub struct Ready {
    pub connector: Box<dyn Connector>,
    pub out: Outbox,
    pub events: Events,
    pub now: Nanos,
}

/// The text behind `"name":`, up to the next comma or brace, without quotes.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("\"{name}\":"))?;
    Some(rest.split([',', '}']).next()?.trim_matches('"'))
}

impl Ready {
    /// A connector that is logged in.
    pub fn new(setup: VenueSetup) -> Self {
        let row = &venues::VENUES[usize::from(setup.venue.0)];
        let connector = (row.trading)(setup).unwrap();
        let out = Outbox::with_capacity(64, 64 * 1024);
        let events = Events::with_capacity(2048, 16);
        let mut ready = Self { connector, out, events, now: START };
        for spec in ready.connector.channels().to_vec() {
            let (out, events) = (&mut ready.out, &mut ready.events);
            ready.connector.on_open(spec.channel, ready.now, out, events);
            ready.answer();
        }
        ready
    }

    /// Answers everything in the outbox as the venue would: logins are accepted, orders refused.
    pub fn answer(&mut self) {
        let at_ms = self.now.as_millis();
        while !self.out.is_empty() {
            let mut answers = Vec::new();
            for output in self.out.outputs() {
                match output {
                    Output::Frame(channel, text) => {
                        let text = std::str::from_utf8(text).unwrap();
                        answers.push((Some(channel), 0, frame_answer(text, at_ms)));
                    }
                    Output::Request(request) => answers.push((
                        None,
                        request.id.0,
                        format!(
                            r#"{{"retCode":0,"result":{{"timeSecond":"1","timeNano":"{}"}}}}"#,
                            self.now.0
                        ),
                    )),
                    Output::Reconnect(_) | Output::Connect(..) => {}
                }
            }
            self.out.clear();
            for (channel, id, text) in answers {
                self.events.clear();
                let mut bytes = text.into_bytes();
                let (out, events) = (&mut self.out, &mut self.events);
                let result = match channel {
                    Some(channel) => {
                        self.connector.on_frame(channel, &mut bytes, self.now, out, events)
                    }
                    None => {
                        let response = Response { status: 200, head: b"", body: &mut bytes };
                        self.connector.on_response(RequestId(id), response, self.now, out, events)
                    }
                };
                result.unwrap();
            }
        }
    }
}

fn frame_answer(text: &str, at_ms: u64) -> String {
    if let Some(id) = field(text, "reqId").filter(|id| *id != "login") {
        return format!(
            r#"{{"reqId":"{id}","retCode":170131,"retMsg":"no","op":"order.create","data":{{}},"header":{{}}}}"#
        );
    }
    if let Some(op) = field(text, "op") {
        return match (op, text.contains("reqId")) {
            ("auth", true) => r#"{"retCode":0,"retMsg":"OK","op":"auth"}"#.to_owned(),
            ("ping", _) => r#"{"retCode":0,"op":"pong"}"#.to_owned(),
            (op, _) => format!(r#"{{"success":true,"ret_msg":"","op":"{op}","req_id":"x"}}"#),
        };
    }
    let id = field(text, "id").unwrap();
    match field(text, "method").unwrap() {
        "time" => format!(r#"{{"id":{id},"status":200,"result":{{"serverTime":{at_ms}}}}}"#),
        "order.place" | "order.cancel" => {
            format!(r#"{{"id":{id},"status":400,"error":{{"code":-2011,"msg":"no"}}}}"#)
        }
        _ => format!(r#"{{"id":{id},"status":200,"result":{{"subscriptionId":0}}}}"#),
    }
}

pub fn new_order(round: u64) -> CommandKind {
    CommandKind::New(NewOrder {
        client_id: ClientOrderId(0x0123_4567_89ab_0000 + round),
        instrument: stoop::types::InstrumentId(0),
        side: if round.is_multiple_of(2) { Side::Buy } else { Side::Sell },
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Ioc,
        post_only: false,
        reduce_only: false,
        price: Price(6_168_599 + (round % 1000) as i64),
        qty: Qty(847 + (round % 100) as i64),
    })
}

pub fn cancel(round: u64) -> CommandKind {
    CommandKind::Cancel(CancelOrder {
        client_id: ClientOrderId(0x0123_4567_89ab_0000 + round),
        venue_order_id: VenueOrderId::EMPTY,
        instrument: stoop::types::InstrumentId(0),
    })
}

//! From a command to its bytes in the outbox: `submit` of each venue's trading connector, with the
//! kinds of key that it takes. Percentiles in nanoseconds, the clock's own cost taken off.
//! `cargo bench --bench orders`.

#![allow(missing_docs)]

use std::hint::black_box;
use std::sync::Arc;
use stoop::types::{
    CancelOrder, ClientOrderId, Command, CommandKind, Events, Instrument, InstrumentRules,
    InstrumentTable, Nanos, NewOrder, OrderType, Price, Qty, Scale, Side, TimeInForce,
    VenueOrderId,
};
use stoop::venues::{
    self, Connector, Credentials, Endpoints, Outbox, Output, RequestId, Response, Secret,
    VenueSetup,
};

const START: Nanos = Nanos(1_795_161_256_000_000_000);
const ROUNDS: u64 = 200_000;
const WARM_UP: u64 = 20_000;

/// Not anybody's: made for tests.
const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n\
    -----END PRIVATE KEY-----\n";
const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
const KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";

fn setup(venue: &str, secret: &str) -> VenueSetup {
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
        credentials: Some(Credentials {
            key: KEY.to_owned(),
            secret: Secret::new(secret.to_owned()),
        }),
        depth: 50,
        recv_window_ms: 5000,
        orders_over_rest: false,
        order_connections: 1,
        dead_man_switch_s: None,
        reply_timeout_ms: 2000,
        first_message_timeout_ms: 5000,
    }
}

struct Bench {
    connector: Box<dyn Connector>,
    out: Outbox,
    events: Events,
    now: Nanos,
}

/// The text behind `"name":`, up to the next comma or brace, without quotes.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("\"{name}\":"))?;
    Some(rest.split([',', '}']).next()?.trim_matches('"'))
}

impl Bench {
    /// A connector that is logged in.
    fn ready(setup: VenueSetup) -> Self {
        let row = &venues::VENUES[usize::from(setup.venue.0)];
        let connector = (row.trading)(setup).unwrap();
        let out = Outbox::with_capacity(64, 64 * 1024);
        let events = Events::with_capacity(2048, 16);
        let mut bench = Self { connector, out, events, now: START };
        for spec in bench.connector.channels().to_vec() {
            let (out, events) = (&mut bench.out, &mut bench.events);
            bench.connector.on_open(spec.channel, bench.now, out, events);
            bench.answer();
        }
        bench
    }

    /// Answers everything in the outbox as the venue would: logins are accepted, orders refused.
    fn answer(&mut self) {
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
                    Output::Reconnect(_) => {}
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

    fn run(&mut self, name: &str, kind: impl Fn(u64) -> CommandKind) {
        let clock = quanta::Clock::new();
        let mut taken = Vec::with_capacity(ROUNDS as usize);
        for round in 0..WARM_UP + ROUNDS {
            self.now = self.now.plus(1_000_003);
            self.events.clear();
            let command = Command::new(kind(round), self.now);
            let start = clock.raw();
            let result = self.connector.submit(&command, self.now, &mut self.out, &mut self.events);
            black_box(&self.out);
            let end = clock.raw();
            result.unwrap();
            if round >= WARM_UP {
                taken.push(clock.delta_as_nanos(start, end));
            }
            self.answer();
        }
        let mut idle: Vec<u64> = (0..100_000)
            .map(|_| {
                let start = clock.raw();
                clock.delta_as_nanos(start, clock.raw())
            })
            .collect();
        idle.sort_unstable();
        taken.sort_unstable();
        let own = idle[idle.len() / 2];
        let at = |share: f64| taken[(taken.len() as f64 * share) as usize].saturating_sub(own);
        println!("{name:<34} p50 {:>5} ns   p99 {:>5} ns", at(0.5), at(0.99));
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

fn new_order(round: u64) -> CommandKind {
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

fn cancel(round: u64) -> CommandKind {
    CommandKind::Cancel(CancelOrder {
        client_id: ClientOrderId(0x0123_4567_89ab_0000 + round),
        venue_order_id: VenueOrderId::EMPTY,
        instrument: stoop::types::InstrumentId(0),
    })
}

fn main() {
    for (name, venue, secret) in [
        ("binance, HMAC", "binance", SECRET),
        ("binance, Ed25519 session", "binance", PEM),
        ("bybit", "bybit", SECRET),
    ] {
        let mut bench = Bench::ready(setup(venue, secret));
        bench.run(&format!("{name}: new"), new_order);
        bench.run(&format!("{name}: cancel"), cancel);
    }
}

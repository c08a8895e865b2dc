//! A trading connector that has asked for everything, fed with the input cut into messages.
//!
//! The input is a list of messages: a byte that says where it arrives, two of length, its bytes. A
//! frame may begin with an event of the venue's own kind, so that few bytes reach deep.

use std::sync::Arc;
use stoop::types::*;
use stoop::venues::{
    Connector, Credentials, Endpoints, Outbox, Output, RequestId, Response, Secret, VENUES,
    VenueSetup,
};

const NOW: Nanos = Nanos(1_795_161_256_000_000_000);

fn instruments(venue: VenueId) -> InstrumentTable {
    let mut table = InstrumentTable::default();
    let (base, quote) = (table.assets.intern("BTC"), table.assets.intern("USDT"));
    let scale = Scale { price_decimals: 2, qty_decimals: 5 };
    let rules = InstrumentRules {
        tick_size: Price(1),
        lot_size: Qty(1),
        ..InstrumentRules::default()
    };
    let symbol = "BTCUSDT".to_owned();
    table.add(Instrument { venue, base, quote, scale, rules, symbol, ..Instrument::default() });
    table
}

fn connector(name: &str) -> Box<dyn Connector> {
    let venue = stoop::venues::find(name).unwrap();
    let url = "wss://localhost:1".to_owned();
    let rest = "https://localhost:1".to_owned();
    let endpoints =
        Endpoints { rest, public: url.clone(), trade: url.clone(), private: url };
    let setup = VenueSetup {
        venue,
        endpoints,
        instruments: Arc::new(instruments(venue)),
        credentials: Some(Credentials {
            key: "key".to_owned(),
            secret: Secret::new("secret".to_owned()),
        }),
        recv_window_ms: 5_000,
        reply_timeout_ms: 2_000,
        orders_over_rest: false,
        depth: 50,
        first_message_timeout_ms: 5_000,
    };
    (VENUES[usize::from(venue.0)].trading)(setup).unwrap()
}

fn check(events: &mut Events) {
    for event in events.list() {
        if let Event::Report(report) = event
            && report.kind == ReportKind::Fill
        {
            assert!(report.fill.is_sound(), "{report:?}");
        }
    }
    events.clear();
}

fn commands() -> Vec<CommandKind> {
    let client_id = ClientOrderId::mint(NOW, StrategyId(1), 1).unwrap();
    let instrument = InstrumentId(0);
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
    let venue_order_id = VenueOrderId::EMPTY;
    let cancel = CancelOrder { client_id, venue_order_id, instrument };
    let (price, qty) = (order.price, Qty(500));
    vec![
        CommandKind::New(order),
        CommandKind::Replace(ReplaceOrder { client_id, venue_order_id, instrument, price, qty }),
        CommandKind::Cancel(cancel),
        CommandKind::Query(cancel),
        CommandKind::OpenOrders(instrument),
        CommandKind::FillsSince { instrument, from_id: FillId::EMPTY, from_ns: NOW },
        CommandKind::Balances,
        CommandKind::FeeRate(instrument),
    ]
}

/// Openings of messages that reach the decoders; the input goes on from there.
const OPENINGS: &[&str] = &[
    "",
    r#"{"subscriptionId":0,"event":{"e":"executionReport","s":"BTCUSDT","x":"TRADE","S":"BUY","i":1,"#,
    r#"{"subscriptionId":0,"event":{"e":"outboundAccountPosition","#,
    r#"{"id":1,"status":200,"result":"#,
    r#"{"topic":"execution","creationTime":1,"data":[{"category":"spot","symbol":"BTCUSDT","execType":"Trade","side":"Buy","isMaker":false,"#,
    r#"{"topic":"order","creationTime":1,"data":[{"category":"spot","symbol":"BTCUSDT","side":"Buy","#,
    r#"{"topic":"wallet","creationTime":1,"data":[{"coin":["#,
    r#"{"retCode":0,"retMsg":"OK","op":"order.create","data":{"#,
];

pub fn run(name: &str, data: &[u8]) {
    let mut connector = connector(name);
    let mut out = Outbox::with_capacity(64, 64 * 1024);
    let mut events = Events::with_capacity(256, 16);
    let mut requests: Vec<RequestId> = Vec::new();
    let drain = |out: &mut Outbox, requests: &mut Vec<RequestId>| {
        for output in out.outputs() {
            if let Output::Request(request) = output {
                requests.push(request.id);
            }
        }
        out.clear();
    };
    for spec in connector.channels().to_vec() {
        connector.on_open(spec.channel, NOW, &mut out, &mut events);
        check(&mut events);
    }
    drain(&mut out, &mut requests);
    let (mut rest, mut now) = (data, NOW);
    while let [kind, high, low, tail @ ..] = rest {
        now = now.plus(1_000_000);
        let len = (usize::from(*high & 15) << 8 | usize::from(*low)).min(tail.len());
        let (body, after) = tail.split_at(len);
        rest = after;
        let opening = OPENINGS[usize::from(*kind >> 4) % OPENINGS.len()];
        let mut message = [opening.as_bytes(), body].concat();
        match kind & 7 {
            0 | 1 => {
                let channel = Channel::Trade;
                let _ = connector.on_frame(channel, &mut message, now, &mut out, &mut events);
            }
            2 | 3 => {
                let channel = Channel::Private;
                let _ = connector.on_frame(channel, &mut message, now, &mut out, &mut events);
            }
            4 | 5 => {
                let head = b"HTTP/1.1 200 OK\r\n\r\n";
                let id = requests.pop().unwrap_or(RequestId(u64::from(*low)));
                let status = if *high & 16 == 0 { 200 } else { 429 };
                let response = Response { status, head, body: &mut message };
                let _ = connector.on_response(id, response, now, &mut out, &mut events);
            }
            6 => {
                let commands = commands();
                let kind = commands[usize::from(*low) % commands.len()];
                let command =
                    Command { kind, signal: SignalId(0), tick_ns: Nanos(0), issued_ns: now };
                let _ = connector.submit(&command, now, &mut out, &mut events);
            }
            _ => {
                now = now.plus(3_000_000_000);
                connector.on_deadline(now, &mut out, &mut events);
            }
        }
        check(&mut events);
        drain(&mut out, &mut requests);
    }
}

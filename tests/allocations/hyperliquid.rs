//! The Hyperliquid connectors allocate nothing per frame and per signed order once they are warm.

use crate::counting::allocations;
use std::sync::Arc;
use stoop::types::*;
use stoop::venues::{self, Connector, Credentials, Outbox, Output, Response, Secret, VenueSetup};

const NOW: Nanos = Nanos(1_785_000_000_000_000_000);
const BTC: InstrumentId = InstrumentId(0);
/// A published test key and its address; never to be funded.
const KEY: &str = "0x0123456789012345678901234567890123456789012345678901234567890123";
const ADDRESS: &str = "0x14791697260e4c9a71f18484c9f997b308e59325";

fn setup(prepared_nonces: u16) -> VenueSetup {
    let venue = venues::find("hyperliquid").unwrap();
    let mut table = InstrumentTable::default();
    let (base, quote) = (table.assets.intern("BTC"), table.assets.intern("USDC"));
    table.add(Instrument {
        venue,
        symbol: "BTC".to_owned(),
        kind: InstrumentKind::LinearPerpetual,
        base,
        quote,
        settle: quote,
        scale: Scale { price_decimals: 1, qty_decimals: 8 },
        ..Instrument::default()
    });
    VenueSetup {
        venue,
        endpoints: venues::Endpoints::default(),
        instruments: Arc::new(table),
        credentials: Some(Credentials {
            key: ADDRESS.to_owned(),
            secret: Secret::new(KEY.to_owned()),
            passphrase: None,
        }),
        depth: 50,
        recv_window_ms: 5000,
        orders_over_rest: false,
        order_connections: 1,
        feed_connections: 1,
        dead_man_switch_s: None,
        prepared_nonces,
        margin: MarginSettings::default(),
        reply_timeout_ms: 1000,
        first_message_timeout_ms: 3000,
    }
}

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/hyperliquid/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap().trim_end().as_bytes().to_vec()
}

struct Bench {
    connector: Box<dyn Connector>,
    out: Outbox,
    events: Events,
    frame: Vec<u8>,
}

impl Bench {
    fn new(connector: Box<dyn Connector>) -> Self {
        Self {
            connector,
            out: Outbox::with_capacity(16, 4096),
            events: Events::with_capacity(64, 1024),
            frame: Vec::with_capacity(16 * 1024),
        }
    }

    fn feed(&mut self, channel: Channel, text: &[u8]) {
        self.frame.clear();
        self.frame.extend_from_slice(text);
        let (out, events) = (&mut self.out, &mut self.events);
        self.connector.on_frame(channel, &mut self.frame, NOW, out, events).unwrap();
        self.drain();
    }

    fn drain(&mut self) {
        self.out.clear();
        self.events.clear();
    }

    fn open(&mut self, channel: Channel) {
        self.connector.on_open(channel, NOW, &mut self.out, &mut self.events);
    }

    fn submit(&mut self, kind: CommandKind) {
        let command = Command { signal: SignalId(1), tick_ns: NOW, ..Command::new(kind, NOW) };
        self.connector.submit(&command, NOW, &mut self.out, &mut self.events).unwrap();
    }

    /// A trading connector that knows its numbers.
    fn trading(prepared: u16) -> Self {
        let row = &venues::VENUES[usize::from(venues::find("hyperliquid").unwrap().0)];
        let mut bench = Self::new((row.trading)(setup(prepared)).unwrap());
        bench.open(Channel::Rest);
        loop {
            let asked = bench.out.outputs().filter_map(|output| match output {
                Output::Request(request) => {
                    Some((request.id, String::from_utf8_lossy(request.body).into_owned()))
                }
                _ => None,
            });
            let asked: Vec<_> = asked.collect();
            bench.drain();
            if asked.is_empty() {
                break;
            }
            for (id, body) in asked {
                let answer = match body.split('"').nth(3).unwrap() {
                    "exchangeStatus" => r#"{"time":1785000000000}"#,
                    "meta" => r#"{"universe":[{"szDecimals":5,"name":"BTC"}]}"#,
                    "userRole" => r#"{"role":"user"}"#,
                    "userAbstraction" => "\"default\"",
                    _ => "null",
                };
                let mut body = answer.as_bytes().to_vec();
                let response = Response { status: 200, head: b"", body: &mut body };
                let (out, events) = (&mut bench.out, &mut bench.events);
                let _ = bench.connector.on_response(id, response, NOW, out, events);
            }
        }
        bench.open(Channel::Trade);
        bench.open(Channel::Private);
        bench.drain();
        bench
    }
}

/// Allocations of `step` after it ran a while.
fn count(mut step: impl FnMut()) -> u64 {
    for _ in 0..50 {
        step();
    }
    allocations(|| (0..200).for_each(|_| step()))
}

fn order() -> NewOrder {
    NewOrder {
        client_id: ClientOrderId(7),
        instrument: BTC,
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Ioc,
        post_only: false,
        reduce_only: false,
        price: Price(800_000),
        qty: Qty(2_000_000),
    }
}

#[test]
fn connectors_do_not_allocate() {
    let row = &venues::VENUES[usize::from(venues::find("hyperliquid").unwrap().0)];
    let mut market = Bench::new((row.market)(setup(0)).unwrap());
    market.submit(CommandKind::Subscribe(BTC));
    market.open(Channel::Public);
    for name in ["ws_bbo", "ws_l2book_fast_1", "ws_trades", "ws_active_asset_ctx_perp"] {
        let text = fixture(name);
        assert_eq!(count(|| market.feed(Channel::Public, &text)), 0, "{name}");
    }
    for prepared in [0, 4] {
        let mut trading = Bench::trading(prepared);
        for name in ["ws_orderupdates_open", "ws_user_fill_maker_perp"] {
            let text = fixture(name);
            assert_eq!(count(|| trading.feed(Channel::Private, &text)), 0, "{name}");
        }
        for (channel, name) in [
            ("clearinghouseState", "rest_clearinghouse_state_cross_long"),
            ("spotState", "rest_spot_balances"),
        ] {
            let state = String::from_utf8(fixture(name)).unwrap();
            let data = format!(r#"{{"user":"{ADDRESS}","{channel}":{state}}}"#);
            let text = format!(r#"{{"channel":"{channel}","data":{data}}}"#).into_bytes();
            assert_eq!(count(|| trading.feed(Channel::Private, &text)), 0, "{channel}");
        }
        // A signed order and its reply, which carries the number of the post.
        let mut reply = Vec::with_capacity(512);
        let orders = count(|| {
            trading.submit(CommandKind::New(order()));
            let Output::Frame(_, frame) = trading.out.outputs().next().unwrap() else {
                panic!("an order goes over the trade socket");
            };
            // {"method":"post","id":1785000000000000000,
            let id = &frame[22..41];
            reply.clear();
            reply.extend_from_slice(br#"{"channel":"post","data":{"id":"#);
            reply.extend_from_slice(id);
            reply.extend_from_slice(br#","response":{"type":"action","payload":"#);
            reply.extend_from_slice(br#"{"status":"ok","response":{"type":"order","data":"#);
            reply.extend_from_slice(br#"{"statuses":[{"resting":{"oid":7}}]}}}}}}"#);
            trading.feed(Channel::Trade, &reply);
        });
        assert_eq!(orders, 0, "orders, {prepared} prepared");
    }
}

//! The Bybit connectors allocate nothing per frame and per order once they are warm: kinds of frames
//! and ways of orders that the whole path of `path.rs` does not take.

use crate::counting::allocations;
use std::sync::Arc;
use stoop::types::*;
use stoop::venues::{
    self, Connector, Credentials, Outbox, RequestId, Response, Secret, VenueSetup,
};

const NOW: Nanos = Nanos(1_700_000_000_000_000_000);
const BTC: InstrumentId = InstrumentId(0);

fn setup(over_rest: bool) -> VenueSetup {
    let venue = venues::find("bybit").unwrap();
    let mut table = InstrumentTable::default();
    let (base, quote) = (table.assets.intern("BTC"), table.assets.intern("USDT"));
    table.add(Instrument {
        venue,
        symbol: "BTCUSDT".to_owned(),
        base,
        quote,
        scale: Scale { price_decimals: 2, qty_decimals: 6 },
        ..Instrument::default()
    });
    setup_of(venue, table, over_rest)
}

fn setup_of(venue: VenueId, table: InstrumentTable, over_rest: bool) -> VenueSetup {
    VenueSetup {
        venue,
        endpoints: venues::Endpoints::default(),
        instruments: Arc::new(table),
        credentials: Some(Credentials::new(
            "test_api_key".to_owned(),
            Secret::new("test_secret".to_owned()),
        )),
        depth: 50,
        recv_window_ms: 5000,
        orders_over_rest: over_rest,
        order_connections: 1,
        feed_connections: 1,
        dead_man_switch_s: None,
        prepared_nonces: 0,
        reply_timeout_ms: 1000,
        first_message_timeout_ms: 3000,
    }
}

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/bybit/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).unwrap()
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

    /// Feeds a message from a reused buffer, as a socket does.
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

    /// A trading connector that is logged in.
    fn trading(over_rest: bool) -> Self {
        let row = &venues::VENUES[usize::from(venues::find("bybit").unwrap().0)];
        let mut bench = Self::new((row.trading)(setup(over_rest)).unwrap());
        bench.open(Channel::Rest);
        let mut body = fixture("rest_time");
        let response = Response { status: 200, head: b"", body: &mut body };
        let (out, events) = (&mut bench.out, &mut bench.events);
        bench.connector.on_response(RequestId(NOW.0), response, NOW, out, events).unwrap();
        if !over_rest {
            bench.open(Channel::Trade);
            bench.feed(Channel::Trade, &fixture("ws_auth_trade_ok"));
        }
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
    allocations(|| (0..1000).for_each(|_| step()))
}

/// Spot and perpetual of one symbol.
fn both() -> VenueSetup {
    let spot = setup(false);
    let mut table = (*spot.instruments).clone();
    let perpetual = table.get(BTC).unwrap().clone();
    let (kind, settle) = (InstrumentKind::LinearPerpetual, perpetual.quote);
    table.add(Instrument { kind, settle, ..perpetual });
    setup_of(spot.venue, table, false)
}

#[test]
fn perpetuals_do_not_allocate_either() {
    const PERPETUAL: InstrumentId = InstrumentId(1);
    let row = &venues::VENUES[usize::from(venues::find("bybit").unwrap().0)];
    let mut market = Bench::new((row.market)(both()).unwrap());
    market.submit(CommandKind::Subscribe(PERPETUAL));
    market.open(Channel::PublicMore);
    for name in [
        "ws_public_orderbook50_linear_snapshot",
        "ws_public_orderbook50_linear_delta",
        "ws_public_orderbook1_linear",
        "ws_public_trade_linear_sweep",
        "ws_public_tickers_linear_snapshot",
        "ws_public_tickers_linear_delta_mark_oi",
    ] {
        let text = fixture(name);
        assert_eq!(count(|| market.feed(Channel::PublicMore, &text)), 0, "{name}");
    }
    let mut trading = Bench::new((row.trading)(both()).unwrap());
    trading.open(Channel::Private);
    let as_btc = |name: &str| {
        let text = String::from_utf8(fixture(name)).unwrap();
        let of = |symbol: &str, text: String| text.replace(symbol, "BTCUSDT");
        of("XRPUSDT", of("SOLUSDT", text)).into_bytes()
    };
    for name in [
        "ws_private_order_linear_new",
        "ws_private_execution_linear_two_partials",
        "ws_private_execution_linear_taker_fill",
        "ws_private_position_linear_open",
        "ws_private_wallet_after_linear_fill",
    ] {
        let text = as_btc(name);
        assert_eq!(count(|| trading.feed(Channel::Private, &text)), 0, "{name}");
    }
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
        price: Price(7_700_050),
        qty: Qty(250_000),
    }
}

#[test]
fn connectors_do_not_allocate() {
    let row = &venues::VENUES[usize::from(venues::find("bybit").unwrap().0)];
    let mut market = Bench::new((row.market)(setup(false)).unwrap());
    market.submit(CommandKind::Subscribe(BTC));
    market.open(Channel::Public);
    for name in ["ws_book50_snapshot", "ws_book50_delta", "ws_book1", "ws_trades"] {
        let text = fixture(name);
        assert_eq!(count(|| market.feed(Channel::Public, &text)), 0, "{name}");
    }

    let mut trading = Bench::trading(false);
    for name in ["ws_order_rows", "ws_execution_rows", "ws_wallet"] {
        let text = fixture(name);
        assert_eq!(count(|| trading.feed(Channel::Private, &text)), 0, "{name}");
    }

    // An order and its acknowledgement, which carries the number of the request.
    let template = String::from_utf8(fixture("ws_ack")).unwrap();
    let at = template.find("1700000000000000000").unwrap();
    let mut ack = template.into_bytes();
    let orders = count(|| {
        trading.submit(CommandKind::New(order()));
        let venues::Output::Frame(_, frame) = trading.out.outputs().next().unwrap() else {
            panic!("an order goes over the trade socket");
        };
        ack[at..at + 19].copy_from_slice(&frame[10..29]);
        trading.feed(Channel::Trade, &ack);
    });
    assert_eq!(orders, 0, "orders over the trade socket");

    // Signed ones: the same with HMAC.
    let mut rest = Bench::trading(true);
    let reply = fixture("rest_order_ok");
    let mut body = Vec::with_capacity(reply.len());
    let orders = count(|| {
        rest.submit(CommandKind::New(order()));
        let venues::Output::Request(request) = rest.out.outputs().next().unwrap() else {
            panic!("an order goes over REST");
        };
        let id = request.id;
        body.clear();
        body.extend_from_slice(&reply);
        let response = Response { status: 200, head: b"", body: &mut body };
        rest.connector.on_response(id, response, NOW, &mut rest.out, &mut rest.events).unwrap();
        rest.drain();
    });
    assert_eq!(orders, 0, "orders over REST");
}

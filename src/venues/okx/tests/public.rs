//! The market-data connector.

use super::super::{live, market, market_data, testnet};
use super::fixture;
use crate::book::{Book, BookOptions, Outcome};
use crate::types::{
    BookState, Channel, Command, CommandKind, DepthKind, DepthUpdate, Event, Events, Instrument,
    InstrumentId, InstrumentKind, InstrumentTable, Level, Nanos, ParseUnitError, Price, Qty,
    Readiness, Scale, Side, TopOfBook, Trade, VenueId, VenueNotice,
};
use crate::venues::{
    Connector, DecodeError, Endpoints, Outbox, Output, Parser, RequestId, Response, VenueSetup,
};
use std::sync::Arc;

const OKX: VenueId = VenueId(2);
const BTC: InstrumentId = InstrumentId(0);
const SWAP: InstrumentId = InstrumentId(1);
const BCH: InstrumentId = InstrumentId(2);
const MS: u64 = 1_000_000;
const START: Nanos = Nanos(1_700_000_000_000 * MS);

/// Spot and swaps of one venue at the same time.
fn instruments() -> InstrumentTable {
    let mut table = InstrumentTable::default();
    for (symbol, kind, contract) in [
        ("BTC-USDT", InstrumentKind::Spot, 0),
        ("BTC-USDT-SWAP", InstrumentKind::LinearPerpetual, 1_000_000),
        ("BCH-USDT-SWAP", InstrumentKind::LinearPerpetual, 10_000_000),
    ] {
        table.add(Instrument {
            venue: OKX,
            symbol: symbol.to_owned(),
            kind,
            scale: Scale { price_decimals: 2, qty_decimals: 8 },
            contract: Qty(contract),
            ..Instrument::default()
        });
    }
    table
}

struct Bench {
    connector: Box<dyn Connector>,
    out: Outbox,
    events: Events,
    now: Nanos,
}

impl Bench {
    fn new() -> Self {
        let setup = VenueSetup {
            venue: OKX,
            endpoints: Endpoints {
                rest: "https://localhost:9443".to_owned(),
                public: "wss://localhost:9443".to_owned(),
                ..Endpoints::default()
            },
            instruments: Arc::new(instruments()),
            credentials: None,
            depth: 50,
            recv_window_ms: 5000,
            orders_over_rest: false,
            order_connections: 1,
            feed_connections: 1,
            dead_man_switch_s: None,
            prepared_nonces: 0,
            reply_timeout_ms: 1000,
            first_message_timeout_ms: 3000,
        };
        let connector = market(setup).unwrap();
        let out = Outbox::with_capacity(64, 4096);
        Self { connector, out, events: Events::with_capacity(64, 1024), now: START }
    }

    /// Asked for one instrument, and open.
    fn subscribed(id: InstrumentId) -> Self {
        let mut bench = Self::new();
        bench.submit(CommandKind::Subscribe(id));
        bench.open(Channel::Public);
        bench
    }

    fn submit(&mut self, kind: CommandKind) {
        let command = Command::new(kind, self.now);
        let (out, events) = (&mut self.out, &mut self.events);
        self.connector.submit(&command, self.now, out, events).unwrap();
    }

    fn open(&mut self, channel: Channel) {
        self.connector.on_open(channel, self.now, &mut self.out, &mut self.events);
    }

    fn text(&mut self, text: &str) -> Result<(), DecodeError> {
        let mut bytes = text.as_bytes().to_vec();
        let (out, events) = (&mut self.out, &mut self.events);
        self.connector.on_frame(Channel::Public, &mut bytes, self.now, out, events)
    }

    fn take(&mut self) -> Vec<Event> {
        let events = self.events.list().to_vec();
        self.events.clear();
        events
    }

    fn sent(&mut self) -> Vec<String> {
        let lines = self.out.outputs().map(|output| match output {
            Output::Frame(_, payload) => std::str::from_utf8(payload).unwrap().to_owned(),
            Output::Request(request) => request.path.to_owned(),
            Output::Reconnect(channel) => format!("reconnect {channel:?}"),
        });
        let lines = lines.collect();
        self.out.clear();
        lines
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

fn level(price: i64, qty: i64) -> Level {
    Level { price: Price(price), qty: Qty(qty) }
}

/// Frames of a file that holds them in order.
fn frames(name: &str) -> Vec<String> {
    let all: serde_json::Value = serde_json::from_str(&fixture(name)).unwrap();
    all.as_array().unwrap().iter().map(ToString::to_string).collect()
}

#[test]
fn addresses_are_completed() {
    let bench = Bench::new();
    let urls: Vec<_> = bench.connector.channels().iter().map(|spec| spec.url.as_str()).collect();
    assert_eq!(urls, ["wss://localhost:9443/ws/v5/public", "https://localhost:9443"]);
    assert_eq!(live().public, "wss://ws.okx.com:8443/ws/v5/public");
    assert_eq!(testnet().trade, "wss://wspap.okx.com:8443/ws/v5/private");
}

#[test]
fn spot_and_swaps_are_subscribed_in_one_request() {
    let mut bench = Bench::new();
    bench.submit(CommandKind::Subscribe(BTC));
    bench.submit(CommandKind::Subscribe(SWAP));
    bench.open(Channel::Public);
    assert_eq!(
        bench.sent(),
        [concat!(
            r#"{"id":"1","op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"},"#,
            r#"{"channel":"bbo-tbt","instId":"BTC-USDT"},{"channel":"trades","instId":"BTC-USDT"},"#,
            r#"{"channel":"books","instId":"BTC-USDT-SWAP"},"#,
            r#"{"channel":"bbo-tbt","instId":"BTC-USDT-SWAP"},"#,
            r#"{"channel":"trades","instId":"BTC-USDT-SWAP"}]}"#
        )]
    );
}

/// The frames of the live venue: linked, then a gap, behind which the book is asked for anew.
#[test]
fn books_are_linked_by_their_ids() {
    let mut bench = Bench::subscribed(BTC);
    let mut book = Book::new(Price(10), BookOptions::default());
    let mut outcomes = Vec::new();
    for frame in frames("ws_books_sequence_live_2026") {
        bench.text(&frame).unwrap();
        for event in bench.events.list() {
            if let Event::Depth(update) = event {
                let (bids, asks) = bench.events.levels(update);
                outcomes.push((*update, book.on_depth(update, bids, asks)));
            }
        }
        bench.take();
    }
    let update = |kind, ids: (u64, u64), sequence, counts: (u32, u32), ms| DepthUpdate {
        instrument: BTC,
        kind,
        first_id: ids.0,
        last_id: ids.1,
        sequence,
        levels_start: 0,
        bids: counts.0,
        asks: counts.1,
        event_ns: Nanos(ms * MS),
    };
    use DepthKind::{Delta, Snapshot};
    let time = 1_784_016_942_000;
    assert_eq!(
        outcomes,
        [
            (update(Snapshot, (100, 100), 100, (2, 2), time), Outcome::Applied),
            (update(Delta, (101, 110), 110, (0, 2), time + 108), Outcome::Applied),
            (update(Delta, (121, 130), 130, (0, 1), time + 208), Outcome::NeedResync),
        ]
    );
    assert_ne!(book.state(), BookState::Live);
}

fn book_frame(action: &str, ids: (i64, u64), asks: &str) -> String {
    format!(
        r#"{{"arg":{{"channel":"books","instId":"BTC-USDT"}},"action":"{action}","data":[{{"asks":{asks},"bids":[],"ts":"1784016942000","checksum":0,"prevSeqId":{},"seqId":{}}}]}}"#,
        ids.0, ids.1
    )
}

/// The worked sequence of the documentation: keep-alives change nothing, a reset costs a snapshot.
#[test]
fn keep_alives_are_silent_and_a_reset_is_never_traded_on() {
    let mut bench = Bench::subscribed(BTC);
    let mut book = Book::new(Price(10), BookOptions::default());
    let mut feed = |bench: &mut Bench, action, ids, asks| {
        bench.text(&book_frame(action, ids, asks)).unwrap();
        let outcome = bench.events.list().iter().find_map(|event| match event {
            Event::Depth(update) => {
                let (bids, asks) = bench.events.levels(update);
                Some(book.on_depth(update, bids, asks))
            }
            _ => None,
        });
        bench.take();
        outcome
    };
    let one = r#"[["8477","7","0","2"]]"#;
    assert_eq!(feed(&mut bench, "snapshot", (-1, 10), one), Some(Outcome::Applied));
    assert_eq!(feed(&mut bench, "update", (10, 15), one), Some(Outcome::Applied));
    assert_eq!(feed(&mut bench, "update", (15, 15), "[]"), None);
    assert_eq!(feed(&mut bench, "update", (15, 3), one), Some(Outcome::NeedResync));
    bench.sent();
    bench.submit(CommandKind::Resync(BTC));
    let arg = r#""args":[{"channel":"books","instId":"BTC-USDT"}]}"#;
    assert_eq!(
        bench.sent(),
        [
            format!(r#"{{"id":"2","op":"unsubscribe",{arg}"#),
            format!(r#"{{"id":"2","op":"subscribe",{arg}"#)
        ]
    );
    assert_eq!(feed(&mut bench, "snapshot", (-1, 5), one), Some(Outcome::Applied));
}

#[test]
fn documented_books_are_read_whole() {
    let mut bench = Bench::subscribed(BTC);
    bench.text(&fixture("ws_books_snapshot")).unwrap();
    let Some(Event::Depth(update)) =
        bench.events.list().iter().find(|event| matches!(event, Event::Depth(_))).copied()
    else {
        panic!("no depth")
    };
    assert_eq!(
        (update.first_id, update.last_id, update.bids, update.asks),
        (123_456, 123_456, 8, 8)
    );
    let (bids, asks) = bench.events.levels(&update);
    assert_eq!(
        (bids[0], asks[0]),
        (level(847_697, 25_600_000_000), level(847_698, 41_500_000_000))
    );
    assert_eq!(asks[7], level(850_696, 10_000_000_000));
    bench.take();
    bench.text(&fixture("ws_books_update")).unwrap();
    let Some(Event::Depth(update)) = bench.take().first().copied() else { panic!("no depth") };
    assert_eq!(
        (update.kind, update.first_id, update.last_id),
        (DepthKind::Delta, 123_457, 123_457)
    );
}

/// 55 154 contracts of 0.1 BCH are 5 515.4 BCH.
#[test]
fn tops_of_swaps_are_in_base_units() {
    let mut bench = Bench::subscribed(BCH);
    bench.take();
    bench.text(&fixture("ws_bbo_tbt")).unwrap();
    let top = TopOfBook {
        instrument: BCH,
        sequence: 363_996_337,
        bid: level(11_105, 577_450_000_000),
        ask: level(11_106, 551_540_000_000),
        event_ns: Nanos(1_670_324_386_802 * MS),
    };
    assert_eq!(bench.take()[0], Event::Top(top));
}

#[test]
fn trades_are_read() {
    let mut bench = Bench::subscribed(BTC);
    bench.take();
    for (name, price, qty, trade_id, ms) in [
        ("ws_trades", 4_221_990, 12_060_306, 130_639_474, 1_630_048_897_897),
        ("ws_trades_live_2026", 6_257_120, 7_990_896, 1_032_787_952, 1_784_016_942_060),
    ] {
        bench.text(&fixture(name)).unwrap();
        let trade = Trade {
            instrument: BTC,
            taker: Side::Buy,
            price: Price(price),
            qty: Qty(qty),
            trade_id,
            event_ns: Nanos(ms * MS),
        };
        assert_eq!(bench.take(), [Event::Trade(trade)], "{name}");
    }
}

#[test]
fn control_frames_say_what_became_of_a_request() {
    let mut bench = Bench::subscribed(BTC);
    bench.take();
    let ready = VenueNotice::Readiness(Channel::Public, Readiness::Ready);
    bench.text(&fixture("ws_subscribe_ack")).unwrap();
    assert_eq!(bench.take(), [Event::Notice(ready)]);
    bench.text(&fixture("ws_unsubscribe_ack")).unwrap();
    assert_eq!(bench.take(), []);
    bench.text(&fixture("ws_notice_service_upgrade")).unwrap();
    let closing = VenueNotice::ShutdownAnnounced(Channel::Public);
    assert_eq!(bench.take(), [Event::Notice(closing)]);
    let error = fixture("ws_subscribe_error").replace("1512", "1");
    bench.text(&error).unwrap();
    // Nobody is named: the instrument is asked for by itself, and only then given up for a while.
    assert_eq!(bench.take(), [Event::Notice(VenueNotice::SubscriptionFailed(BTC))]);
}

#[test]
fn silence_is_answered_with_a_plain_ping_and_then_a_new_connection() {
    let mut bench = Bench::subscribed(BTC);
    bench.text(&fixture("ws_books_snapshot")).unwrap();
    let top = fixture("ws_bbo_tbt").replace("BCH-USDT-SWAP", "BTC-USDT");
    bench.text(&top).unwrap();
    bench.sent();
    bench.pass(20_000);
    assert_eq!(bench.sent(), ["ping"]);
    bench.text("pong").unwrap();
    bench.pass(20_000);
    assert_eq!(bench.sent(), ["ping"]);
    bench.pass(20_000);
    assert_eq!(bench.sent(), ["reconnect Public"]);
}

#[test]
fn the_clock_is_asked_over_rest() {
    let mut bench = Bench::new();
    bench.open(Channel::Rest);
    assert_eq!(bench.sent(), ["/api/v5/public/time"]);
    bench.take();
    bench.now = bench.now.plus(10 * MS);
    let mut body = fixture("rest_time").replace("1597026383085", "1700000000008").into_bytes();
    let response = Response { status: 200, head: b"HTTP/1.1 200 OK\r\n", body: &mut body };
    let (out, events) = (&mut bench.out, &mut bench.events);
    bench.connector.on_response(RequestId(1), response, bench.now, out, events).unwrap();
    let (offset_ns, round_trip_ns) = (3 * MS as i64, 10 * MS);
    let offset = VenueNotice::ClockOffset { offset_ns, round_trip_ns };
    assert_eq!(bench.take(), [Event::Notice(offset)]);
}

#[test]
fn bad_frames_are_refused_by_name_and_leave_nothing() {
    let mut bench = Bench::subscribed(BTC);
    bench.take();
    let (book, trade) =
        (book_frame("update", (1, 2), r#"[["8477","7","0","2"]]"#), fixture("ws_trades"));
    let invalid = DecodeError::Invalid;
    let off_scale = |name| DecodeError::Number(name, ParseUnitError::OffScale);
    for (frame, from, to, error) in [
        (&book, "books", "books5", DecodeError::UnknownKind),
        (&book, "BTC-USDT", "XYZ-USDT", DecodeError::UnknownSymbol),
        (&book, "update", "delta", invalid("action")),
        (&book, "\"prevSeqId\":1", "\"prevSeqId\":-2", invalid("prevSeqId")),
        (&book, "\"prevSeqId\":1,", "", DecodeError::Missing("prevSeqId")),
        (&book, "\"seqId\":2", "\"seqId\":\"2\"", invalid("seqId")),
        (&book, "\"ts\":\"1784016942000\"", "\"ts\":\"now\"", invalid("ts")),
        (&book, "8477", "8477.001", off_scale("price")),
        (&book, "8477", "0", invalid("price")),
        (&book, "\"7\"", "\"-7\"", invalid("size")),
        (&book, "\"7\"", "\"0.000000001\"", off_scale("size")),
        (&book, "\"bids\":[]", "\"bids\":{}", invalid("bids")),
        (&trade, "\"buy\"", "\"Buy\"", invalid("side")),
        (&trade, "\"130639474\"", "\"x\"", invalid("tradeId")),
        (&trade, "\"0.12060306\"", "\"0\"", invalid("sz")),
        (&trade, "\"42219.9\"", "\"\"", DecodeError::Number("px", ParseUnitError::Malformed)),
    ] {
        assert!(frame.contains(from), "{from}");
        assert_eq!(bench.text(&frame.replacen(from, to, 1)), Err(error), "{to}");
        assert_eq!((bench.take(), bench.events.levels_len()), (Vec::new(), 0), "{to}");
    }
    for text in ["", "{", "pong!", r#"{"event":"dance"}"#, r#"{"event":"channel-conn-count"}"#] {
        assert!(bench.text(text).is_err(), "{text}");
    }
}

/// Every frame cut anywhere is refused, never half taken, and nothing panics.
#[test]
fn frames_cut_short_are_refused() {
    let table = instruments();
    let instrument = table.get(BTC).unwrap();
    let mut events = Events::with_capacity(64, 64);
    let whole = book_frame("snapshot", (-1, 2), r#"[["8477","7","0","2"]]"#);
    for end in 0..whole.len() {
        let mut frame = whole.as_bytes()[..end].to_vec();
        let result = Parser::new()
            .read(&mut frame, |root| market_data::depth(root, instrument, &mut events));
        assert!(result.is_err() && events.list().is_empty() && events.levels_len() == 0);
    }
}

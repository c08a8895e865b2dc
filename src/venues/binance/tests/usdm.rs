//! Market data of USD-M futures: paths, exact events, the rule of the first event after a snapshot.

use super::{BTC, ETH, MS, NOW, Rig, SECRET, fixture, setup, table};
use crate::book::{Book, BookOptions, Outcome};
use crate::types::{
    BookState, Channel, CommandKind, DepthKind, DepthUpdate, Event, InstrumentKind,
    InstrumentTable, Level, Nanos, Price, Qty, Side, TopOfBook, Trade,
};
use crate::venues::binance::market;
use crate::venues::{DecodeError, Scans, SetupError, VenueSetup};
use std::sync::Arc;

fn with_kinds(kind: impl Fn(&str) -> InstrumentKind) -> VenueSetup {
    let mut instruments = InstrumentTable::default();
    for mut instrument in table().iter().cloned() {
        instrument.kind = kind(&instrument.symbol);
        instruments.add(instrument);
    }
    VenueSetup { instruments: Arc::new(instruments), ..setup(SECRET, false) }
}

/// Subscribed to BTC, clock measured.
fn live() -> Rig {
    let setup = with_kinds(|_| InstrumentKind::LinearPerpetual);
    let mut rig = Rig::new(market::connect(setup).unwrap());
    assert_eq!(rig.connector.channels()[0].url, "wss://localhost:1/public/stream");
    rig.submit(CommandKind::Subscribe(BTC)).unwrap();
    rig.open(Channel::Rest);
    while let Some(request) = rig.requests().first() {
        assert_eq!(request.line, "GET /fapi/v1/time");
        let (id, body) = (request.id, format!(r#"{{"serverTime":{}}}"#, NOW.as_millis()));
        rig.response(id, 200, "", &body).unwrap();
    }
    rig.open(Channel::Public);
    rig
}

fn level(price: i64, qty: i64) -> Level {
    Level { price: Price(price), qty: Qty(qty) }
}

/// Ids as in the recording of ETH: the snapshot's id is the last of the event that it fits.
const DELTA: &str = r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161256299,"T":1723161256298,"s":"BTCUSDT","U":5123107853791,"u":5123107856276,"pu":5123107853766,"b":[["61496.50","0.01000"]],"a":[["61800.30","2.510"]]}}"#;
const NEXT: &str = r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161256350,"T":1723161256349,"s":"BTCUSDT","U":5123107856300,"u":5123107856400,"pu":5123107856276,"b":[["61496.50","0.02000"]],"a":[]}}"#;
const SNAPSHOT: &str = r#"{"lastUpdateId":5123107856276,"E":1723161256310,"T":1723161256305,"bids":[["61496.50","0.005"]],"asks":[["61800.30","2.0"]]}"#;

#[test]
fn frames_become_exact_events() {
    let mut rig = live();
    let text = r#"{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":5123107839020,"s":"BTCUSDT","b":"61800.20","B":"2.507","a":"61800.30","A":"2.510","T":1723161256313,"E":1723161256314}}"#;
    rig.frame(Channel::Public, text).unwrap();
    let top = TopOfBook {
        instrument: BTC,
        sequence: 5_123_107_839_020,
        bid: level(6_180_020, 250_700),
        ask: level(6_180_030, 251_000),
        event_ns: Nanos(1_723_161_256_313 * MS),
    };
    assert_eq!(rig.events.list(), [Event::Top(top)]);
    let text = r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161256322,"T":1723161256321,"s":"BTCUSDT","t":5266583935,"p":"61800.30","q":"0.006","X":"MARKET","m":false}}"#;
    rig.frame(Channel::Public, text).unwrap();
    let trade = Trade {
        instrument: BTC,
        taker: Side::Buy,
        price: Price(6_180_030),
        qty: Qty(600),
        trade_id: 5_266_583_935,
        event_ns: Nanos(1_723_161_256_321 * MS),
    };
    assert_eq!(rig.events.list(), [Event::Trade(trade)]);
    // A trade with the insurance fund is no print.
    rig.frame(Channel::Public, &text.replace("MARKET", "INSURANCE_FUND")).unwrap();
    assert_eq!(rig.events.list(), []);
    rig.frame(Channel::Public, DELTA).unwrap();
    let depth = DepthUpdate {
        instrument: BTC,
        kind: DepthKind::Delta,
        first_id: 5_123_107_853_767,
        last_id: 5_123_107_856_276,
        sequence: 5_123_107_856_276,
        levels_start: 0,
        bids: 1,
        asks: 1,
        event_ns: Nanos(1_723_161_256_298 * MS),
    };
    // The last stream that was silent: the channel is ready too.
    assert_eq!(rig.events.list()[0], Event::Depth(depth));
    assert_eq!(rig.connector.scans(), Scans { scanned: 3, fallback: 1 });
}

#[test]
fn an_event_that_ends_at_the_snapshot_is_applied_to_it() {
    let mut rig = live();
    let mut book = Book::new(Price(10), BookOptions::default());
    rig.frame(Channel::Public, DELTA).unwrap();
    let id = rig.requests()[0].id;
    assert_eq!(rig.requests()[0].line, "GET /fapi/v1/depth?symbol=BTCUSDT&limit=1000");
    let mut apply = |rig: &Rig| {
        let update = rig.events.list().iter().find_map(|event| match event {
            Event::Depth(update) => Some(*update),
            _ => None,
        });
        let (bids, asks) = rig.events.levels(&update.unwrap());
        let outcome = book.on_depth(&update.unwrap(), bids, asks);
        (outcome, book.id(), book.state(), book.ladder().best_bid())
    };
    assert_eq!(apply(&rig).0, Outcome::Buffered);
    rig.response(id, 200, "", SNAPSHOT).unwrap();
    let best = Some(level(6_149_650, 1_000));
    assert_eq!(apply(&rig), (Outcome::Applied, 5_123_107_856_276, BookState::Live, best));
    rig.frame(Channel::Public, NEXT).unwrap();
    let best = Some(level(6_149_650, 2_000));
    assert_eq!(apply(&rig), (Outcome::Applied, 5_123_107_856_400, BookState::Live, best));
    // The event after the next is a gap, however near its own ids are.
    let gap =
        NEXT.replace("\"pu\":5123107856276", "\"pu\":5123107856401").replace("56400", "56402");
    rig.frame(Channel::Public, &gap).unwrap();
    assert_eq!(apply(&rig).0, Outcome::NeedResync);
}

#[test]
fn frames_of_spot_and_of_coin_margined_futures_are_refused() {
    let mut rig = live();
    assert_eq!(
        rig.frame(Channel::Public, fixture!("combined_book_ticker")),
        Err(DecodeError::Missing("T"))
    );
    let spot = r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1795161255508,"s":"BTCUSDT","U":1,"u":2,"b":[],"a":[]}}"#;
    assert_eq!(rig.frame(Channel::Public, spot), Err(DecodeError::Missing("pu")));
    let coin = DELTA.replace("\"pu\"", "\"st\":2,\"pu\"");
    assert_eq!(rig.frame(Channel::Public, &coin), Err(DecodeError::UnknownKind));
    assert_eq!(rig.events.list(), []);
}

#[test]
fn scanned_frames_of_spot_are_counted() {
    let mut rig = Rig::market();
    rig.submit(CommandKind::Subscribe(BTC)).unwrap();
    rig.submit(CommandKind::Subscribe(ETH)).unwrap();
    rig.open(Channel::Public);
    rig.frame(Channel::Public, fixture!("combined_book_ticker")).unwrap();
    rig.frame(Channel::Public, fixture!("combined_trade")).unwrap();
    rig.frame(Channel::Public, fixture!("combined_depth")).unwrap();
    rig.frame(Channel::Public, r#"{"result":null,"id":1}"#).unwrap();
    assert_eq!(rig.connector.scans(), Scans { scanned: 3, fallback: 1 });
    // Nobody wants it any more, so nobody reads it.
    rig.submit(CommandKind::Unsubscribe(BTC)).unwrap();
    rig.frame(Channel::Public, fixture!("combined_book_ticker")).unwrap();
    assert_eq!(rig.events.list(), []);
    assert_eq!(rig.connector.scans(), Scans { scanned: 3, fallback: 2 });
}

#[test]
fn spot_and_futures_at_once_are_refused() {
    let mixed = with_kinds(|symbol| match symbol {
        "ETHUSDT" => InstrumentKind::LinearPerpetual,
        _ => InstrumentKind::Spot,
    });
    assert_eq!(market::connect(mixed).err(), Some(SetupError::MixedKinds));
}

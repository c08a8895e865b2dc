//! Market data of USD-M futures beside their books: two sockets, marks, funding, and what the venue's
//! documents show.

use super::futures::{BNB, BTC, SECOND, futures_setup};
use super::{PEM, Rig, fixture};
use crate::types::{
    Amount, Channel, CommandKind, DepthKind, DepthUpdate, Event, InstrumentKind, Level, Nanos,
    ParseUnitError, PerpetualUpdate, Price, Qty, Rate, Readiness, TopOfBook, VenueNotice,
};
use crate::venues::binance::{USDM_ROW, instruments, market};
use crate::venues::{DecodeError, InstrumentSpec};
use rust_decimal::Decimal;
use std::str::FromStr;

/// Subscribed to all that the fixtures are about, both sockets open.
fn live() -> Rig {
    let mut rig = Rig::new(market::connect(futures_setup(PEM, false)).unwrap());
    for instrument in [BTC, BNB] {
        rig.submit(CommandKind::Subscribe(instrument)).unwrap();
    }
    rig.open(Channel::Public);
    rig.open(Channel::PublicMore);
    rig
}

const MARK: &str = r#"{"stream":"btcusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"11794.15000000","i":"11784.62659091","P":"11784.25641265","r":"0.00038167","T":1562306400000}}"#;

fn mark() -> PerpetualUpdate {
    const TENTH: i128 = 100_000_000_000_000_000;
    PerpetualUpdate {
        instrument: BTC,
        mark: Some(Amount(117_941_500_000 * TENTH / 1_000_000)),
        index: Some(Amount(1_178_462_659_091 * TENTH / 10_000_000)),
        funding_rate: Some(Rate(381_670_000_000_000)),
        funding_interval_s: None,
        next_funding_ns: Some(Nanos::from_millis(1_562_306_400_000)),
        event_ns: Nanos::from_millis(1_562_305_380_000),
        rest_stands: false,
    }
}

#[test]
fn books_and_marks_come_on_sockets_of_their_own() {
    let mut rig = Rig::new(market::connect(futures_setup(PEM, false)).unwrap());
    let urls: Vec<_> = rig.connector.channels().iter().map(|spec| &spec.url[..]).collect();
    assert_eq!(
        urls,
        [
            "wss://localhost:1/public/stream",
            "wss://localhost:1/market/stream",
            "https://localhost:1"
        ]
    );
    rig.submit(CommandKind::Subscribe(BTC)).unwrap();
    rig.open(Channel::Public);
    let books = r#"{"method":"SUBSCRIBE","params":["btcusdt@bookTicker","btcusdt@depth@100ms","btcusdt@trade"],"id":1}"#;
    assert_eq!(rig.sent(), books);
    rig.frame(Channel::Public, r#"{"result":null,"id":1}"#).unwrap();
    let ready = |channel| VenueNotice::Readiness(channel, Readiness::Ready);
    assert_eq!(rig.notices(), [ready(Channel::Public)]);
    rig.open(Channel::PublicMore);
    let marks = r#"{"method":"SUBSCRIBE","params":["btcusdt@markPrice@1s"],"id":2}"#;
    assert_eq!(rig.sent(), marks);
    rig.frame(Channel::PublicMore, r#"{"result":null,"id":2}"#).unwrap();
    assert_eq!(rig.notices(), [ready(Channel::PublicMore)]);
    rig.frame(Channel::PublicMore, MARK).unwrap();
    assert_eq!(rig.events.list(), [Event::Perpetual(mark())]);
    // The loss of the one is nothing to the other, and each asks for its own again.
    rig.close(Channel::PublicMore);
    let down = VenueNotice::Readiness(Channel::PublicMore, Readiness::Down);
    assert_eq!(rig.notices(), [down]);
    rig.open(Channel::PublicMore);
    assert_eq!(rig.sent(), marks.replace(":2}", ":3}"));
    // A refusal without number concerns the socket that it comes on.
    rig.frame(Channel::PublicMore, r#"{"code":2,"msg":"Invalid request"}"#).unwrap();
    assert_eq!(
        rig.notices(),
        [
            VenueNotice::SubscriptionFailed(BTC),
            VenueNotice::RequestFailed(2),
            ready(Channel::PublicMore)
        ]
    );
    rig.pass(3 * SECOND);
    let frames = rig.frames();
    assert!(frames.iter().any(|frame| frame.contains("btcusdt@markPrice@1s")), "{frames:?}");
}

#[test]
fn an_address_with_a_path_is_one_for_all() {
    let mut setup = futures_setup(PEM, false);
    setup.endpoints.public = "wss://localhost:1/all/stream".to_owned();
    let mut rig = Rig::new(market::connect(setup).unwrap());
    let channels = rig.connector.channels();
    assert_eq!(channels.len(), 2);
    assert_eq!(channels[0].url, "wss://localhost:1/all/stream");
    rig.submit(CommandKind::Subscribe(BTC)).unwrap();
    rig.open(Channel::Public);
    assert!(rig.sent().contains(r#""btcusdt@trade","btcusdt@markPrice@1s"]"#), "{}", rig.sent());
}

#[test]
fn marks_have_all_their_parts_or_are_refused() {
    let mut rig = live();
    // Bare, with the fields of 2026.
    rig.frame(Channel::PublicMore, fixture!("usdm_mark_price")).unwrap();
    assert_eq!(rig.events.list()[0], Event::Perpetual(mark()));
    for (from, to, error) in [
        ("\"p\":\"11794.15000000\",", "", DecodeError::Missing("p")),
        ("\"i\":\"11784.62659091\",", "", DecodeError::Missing("i")),
        ("\"11794.15000000\"", "\"0\"", DecodeError::Invalid("p")),
        ("\"11794.15000000\"", "\"-1\"", DecodeError::Invalid("p")),
        ("\"11784.62659091\"", "7", DecodeError::Invalid("i")),
        // Of contracts with a delivery.
        ("\"0.00038167\"", "\"\"", DecodeError::Number("r", ParseUnitError::Malformed)),
        ("\"T\":1562306400000", "\"x\":1", DecodeError::Missing("T")),
        ("\"E\":1562305380000,", "", DecodeError::Missing("E")),
        ("\"T\":1562306400000", "\"T\":1562306400000,\"st\":2", DecodeError::UnknownKind),
        ("\"s\":\"BTCUSDT\"", "\"s\":\"XUSDT\"", DecodeError::UnknownSymbol),
    ] {
        assert!(MARK.contains(from), "{from}");
        assert_eq!(rig.frame(Channel::PublicMore, &MARK.replace(from, to)), Err(error), "{to}");
        assert_eq!(rig.events.list(), []);
    }
    // Spot has none.
    let mut spot = Rig::market();
    spot.open(Channel::Public);
    assert_eq!(spot.frame(Channel::Public, MARK), Err(DecodeError::UnknownKind));
    assert_eq!(spot.frame(Channel::PublicMore, MARK), Err(DecodeError::UnknownKind));
}

#[test]
fn the_interval_of_funding_is_asked_for_and_stands_in_every_mark() {
    let mut rig = live();
    rig.open(Channel::Rest);
    let ask = rig.requests().into_iter().find(|sent| sent.line == "GET /fapi/v1/fundingInfo");
    let id = ask.unwrap().id;
    // Those that are not listed are paid every eight hours.
    rig.response(id, 200, "", fixture!("usdm_funding_info_rest")).unwrap();
    rig.frame(Channel::PublicMore, MARK).unwrap();
    let with = |hours: u32| PerpetualUpdate { funding_interval_s: Some(hours * 3600), ..mark() };
    assert_eq!(rig.events.list()[0], Event::Perpetual(with(8)));
    let asked = |rig: &Rig| {
        let mut requests = rig.requests().into_iter();
        requests.find(|sent| sent.line.ends_with("fundingInfo")).map(|sent| sent.id)
    };
    let mut again = None;
    for _ in 0..3_700 {
        rig.pass(SECOND);
        again = again.or(asked(&rig));
    }
    let other = r#"[{"symbol":"BTCUSDT","fundingIntervalHours":4}]"#;
    rig.response(again.unwrap(), 200, "", other).unwrap();
    rig.frame(Channel::PublicMore, MARK).unwrap();
    assert_eq!(rig.events.list()[0], Event::Perpetual(with(4)));
    rig.close(Channel::Rest);
    rig.open(Channel::Rest);
    let id = asked(&rig).unwrap();
    let odd = rig.response(id, 200, "", &other.replace('4', "0"));
    assert_eq!(odd, Err(DecodeError::Invalid("fundingIntervalHours")));
    rig.close(Channel::Rest);
    rig.open(Channel::Rest);
    let id = asked(&rig).unwrap();
    rig.lose(id);
    rig.pass(31 * SECOND);
    assert!(asked(&rig).is_some());
}

fn level(price: i64, qty: i64) -> Level {
    Level { price: Price(price), qty: Qty(qty) }
}

#[test]
fn documented_frames_become_exact_events_or_are_refused() {
    let mut rig = live();
    rig.frame(Channel::Public, fixture!("usdm_book_ticker")).unwrap();
    let top = TopOfBook {
        instrument: BNB,
        sequence: 400_900_217,
        bid: level(2_535_190_000, 31_210),
        ask: level(2_536_520_000, 40_660),
        event_ns: Nanos::from_millis(1_568_014_460_891),
    };
    assert_eq!(rig.events.list(), [Event::Top(top)]);
    let depth = |instrument, event_ms| DepthUpdate {
        instrument,
        kind: DepthKind::Delta,
        first_id: 150,
        last_id: 160,
        sequence: 160,
        levels_start: 0,
        bids: 1,
        asks: 1,
        event_ns: Nanos::from_millis(event_ms),
    };
    for (text, instrument) in
        [(fixture!("usdm_depth_update"), BNB), (fixture!("usdm_depth_update_old_shape"), BTC)]
    {
        rig.frame(Channel::Public, text).unwrap();
        let update = depth(instrument, 123_456_788);
        assert_eq!(rig.events.list()[0], Event::Depth(update));
        let levels = (&[level(240_000, 10_000)][..], &[level(260_000, 100_000)][..]);
        assert_eq!(rig.events.levels(&update), levels);
    }
    // Partial books look like changes, and are refused by the name of their stream.
    rig.frame(Channel::Public, fixture!("usdm_partial_depth")).unwrap();
    let partial =
        format!(r#"{{"stream":"btcusdt@depth5@100ms","data":{}}}"#, fixture!("usdm_partial_depth"));
    for (text, error) in [
        (&partial[..], DecodeError::UnknownKind),
        (fixture!("usdm_agg_trade"), DecodeError::UnknownKind),
        (fixture!("usdm_kline"), DecodeError::UnknownKind),
        (fixture!("usdm_contract_info"), DecodeError::UnknownKind),
        (fixture!("usdm_force_order_all"), DecodeError::UnknownKind),
        (fixture!("usdm_mark_price_all"), DecodeError::UnknownKind),
        (fixture!("usdm_premium_index_rest"), DecodeError::UnknownKind),
        (fixture!("usdm_funding_rate_history_rest"), DecodeError::UnknownKind),
        (fixture!("usdm_leverage_bracket_rest"), DecodeError::UnknownKind),
        (fixture!("usdm_rest_rate_limit_order"), DecodeError::UnknownKind),
        (fixture!("usdm_rest_position_mode"), DecodeError::UnknownKind),
    ] {
        assert_eq!(rig.frame(Channel::Public, text), Err(error), "{text}");
        assert_eq!(rig.events.list(), []);
    }
    for text in [
        fixture!("usdm_combined_book_ticker_real"),
        fixture!("usdm_combined_depth_real"),
        fixture!("usdm_combined_trade_real"),
    ] {
        rig.frame(Channel::Public, text).unwrap();
        assert!(!rig.events.list().is_empty());
    }
}

/// Recorded: changes before the snapshot, the one that ends at it, and those that follow.
#[test]
fn a_recorded_book_joins_its_snapshot() {
    use crate::book::{Book, BookOptions, Outcome};
    let frames: Vec<serde_json::Value> =
        serde_json::from_str(fixture!("usdm_book_sync_sequence_real")).unwrap();
    let mut rig = Rig::new(market::connect(futures_setup(PEM, false)).unwrap());
    rig.submit(CommandKind::Subscribe(super::futures::ETH)).unwrap();
    rig.open(Channel::Rest);
    rig.open(Channel::Public);
    let mut book = Book::new(Price(1_000_000), BookOptions::default());
    let (mut snapshot, mut outcomes) = (None, Vec::new());
    for frame in frames {
        let text = frame.to_string();
        if frame.get("lastUpdateId").is_some() {
            rig.response(snapshot.unwrap(), 200, "", &text).unwrap();
        } else {
            rig.frame(Channel::Public, &text).unwrap();
        }
        let depth = rig.requests().into_iter().find(|sent| sent.line.contains("/depth"));
        snapshot = snapshot.or(depth.map(|sent| sent.id));
        let Some(Event::Depth(update)) = rig.events.list().first() else { continue };
        let (bids, asks) = rig.events.levels(update);
        outcomes.push(book.on_depth(update, bids, asks));
    }
    assert_eq!(outcomes[..7], [Outcome::Buffered; 7]);
    assert_eq!(outcomes[7..], [Outcome::Applied; 4]);
    assert_eq!(book.state(), crate::types::BookState::Live);
}

#[test]
fn a_snapshot_of_the_documents_is_read() {
    let mut rig = live();
    rig.open(Channel::Rest);
    rig.frame(Channel::Public, fixture!("usdm_depth_update_old_shape")).unwrap();
    let sent = rig.requests().into_iter().find(|sent| sent.line.contains("/depth")).unwrap();
    assert_eq!(sent.line, "GET /fapi/v1/depth?symbol=BTCUSDT&limit=1000");
    rig.response(sent.id, 200, "", fixture!("usdm_depth_snapshot_rest")).unwrap();
    let Event::Depth(update) = rig.events.list()[0] else { panic!() };
    assert_eq!((update.kind, update.last_id), (DepthKind::FetchedSnapshot, 1_027_023));
    let levels = (&[level(400_000_000, 431_000)][..], &[level(400_000_200, 12_000)][..]);
    assert_eq!(rig.events.levels(&update), levels);
}

fn dec(text: &str) -> Decimal {
    Decimal::from_str(text).unwrap()
}

fn specs(text: &str) -> Result<Vec<InstrumentSpec>, DecodeError> {
    instruments::decode(InstrumentKind::LinearPerpetual, &mut text.as_bytes().to_vec())
}

#[test]
fn rules_of_perpetuals() {
    let request = (USDM_ROW.instruments_request)(InstrumentKind::LinearPerpetual, &["BTCUSDT"]);
    assert_eq!(request.path, "/fapi/v1/exchangeInfo");
    let blz = InstrumentSpec {
        symbol: "BLZUSDT".to_owned(),
        base: "BLZ".to_owned(),
        quote: "USDT".to_owned(),
        kind: InstrumentKind::LinearPerpetual,
        settle: "USDT".to_owned(),
        contract: Decimal::ZERO,
        figures_max: 0,
        fill_decimals: 0,
        // It says so to its customers alone.
        leverage_max: 0,
        trading: true,
        tick_size: dec("0.0001"),
        lot_size: dec("1"),
        price_min: dec("0.0001"),
        price_max: dec("300"),
        qty_min: dec("1"),
        qty_max: dec("10000000"),
        qty_market_max: dec("590119"),
        notional_min: dec("5"),
        notional_max: Decimal::ZERO,
    };
    assert_eq!(specs(fixture!("usdm_exchange_info")).unwrap(), std::slice::from_ref(&blz));
    // The contract with a delivery is left out.
    let found = specs(fixture!("usdm_exchange_info_2022")).unwrap();
    let found: Vec<_> = found.iter().map(|spec| (&spec.symbol[..], spec.tick_size)).collect();
    assert_eq!(found, [("BTCUSDT", dec("0.1")), ("ETHUSDT", dec("0.01"))]);
    let text = fixture!("usdm_exchange_info");
    let halted = text.replace("\"status\":\"TRADING\"", "\"status\":\"PRE_SETTLE\"");
    assert!(!specs(&halted).unwrap()[0].trading);
    // Steps counted from something that is no multiple: no rule of ours says what is allowed.
    let off = text.replace("\"minPrice\":\"0.0001\"", "\"minPrice\":\"0.00015\"");
    assert_eq!(specs(&off).unwrap()[0].tick_size, Decimal::ZERO);
    let off = text.replace("\"minQty\":\"1\"", "\"minQty\":\"1.5\"");
    assert_eq!(specs(&off).unwrap()[0].lot_size, Decimal::ZERO);
    for (from, to, error) in [
        ("\"marginAsset\"", "\"x\"", DecodeError::Missing("marginAsset")),
        ("\"contractType\"", "\"x\"", DecodeError::Missing("contractType")),
        ("\"notional\":\"5.0\"", "\"notional\":\"five\"", DecodeError::Invalid("notional")),
        ("\"filters\"", "\"x\"", DecodeError::Missing("filters")),
    ] {
        assert_eq!(specs(&text.replace(from, to)), Err(error));
    }
    // Neither list is read as the other.
    let spot = fixture!("exchange_info");
    assert_eq!(specs(spot), Err(DecodeError::Missing("contractType")));
    let read = instruments::decode(InstrumentKind::Spot, &mut text.as_bytes().to_vec());
    assert_eq!(read, Err(DecodeError::UnknownKind));
}

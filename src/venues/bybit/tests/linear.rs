//! Linear perpetuals: market data beside spot, and the rules of the instruments.

use super::*;
use crate::types::{
    DepthKind, DepthUpdate, InstrumentKind, Level, PerpetualUpdate, Rate, TopOfBook, Trade,
};
use crate::venues::{InstrumentName, PlainRequest, Scans, SetupError};
use rust_decimal::Decimal;
use std::str::FromStr;

/// A spot pair and perpetuals, two of them with the symbol of a spot pair.
pub(super) const SPOT: InstrumentId = InstrumentId(0);
pub(super) const PERP: InstrumentId = InstrumentId(1);
pub(super) const SOL: InstrumentId = InstrumentId(2);
pub(super) const XRP: InstrumentId = InstrumentId(3);
pub(super) const USDC_PERP: InstrumentId = InstrumentId(4);
pub(super) const ETH_PERP: InstrumentId = InstrumentId(5);

pub(super) fn both_kinds() -> InstrumentTable {
    let mut table = InstrumentTable::default();
    for (symbol, base, quote, settle, decimals) in [
        ("BTCUSDT", "BTC", "USDT", "", (2, 6)),
        ("BTCUSDT", "BTC", "USDT", "USDT", (2, 6)),
        ("SOLUSDT", "SOL", "USDT", "USDT", (3, 1)),
        ("XRPUSDT", "XRP", "USDT", "USDT", (4, 1)),
        ("BTCPERP", "BTC", "USDC", "USDC", (2, 6)),
        ("ETHUSDT", "ETH", "USDT", "USDT", (2, 2)),
    ] {
        let (base, quote) = (table.assets.intern(base), table.assets.intern(quote));
        let perpetual = !settle.is_empty();
        table.add(Instrument {
            venue: BYBIT,
            name: symbol.to_owned(),
            symbol: symbol.to_owned(),
            kind: if perpetual { InstrumentKind::LinearPerpetual } else { InstrumentKind::Spot },
            base,
            quote,
            settle: if perpetual { quote } else { crate::types::AssetId::NONE },
            scale: Scale { price_decimals: decimals.0, qty_decimals: decimals.1 },
            ..Instrument::default()
        });
    }
    table
}

pub(super) fn both_setup() -> VenueSetup {
    VenueSetup { instruments: Arc::new(both_kinds()), ..setup() }
}

const SPOT_TOPICS: &str =
    r#""args":["orderbook.50.BTCUSDT","orderbook.1.BTCUSDT","publicTrade.BTCUSDT"]}"#;
const PERP_TOPICS: &str = r#""args":["orderbook.50.BTCUSDT","orderbook.1.BTCUSDT","publicTrade.BTCUSDT","tickers.BTCUSDT"]}"#;

/// Both sockets open, spot and perpetual of one symbol asked for.
fn market() -> Bench {
    let mut bench = Bench::over((ROW.market)(both_setup()).unwrap());
    bench.submit(CommandKind::Subscribe(SPOT)).unwrap();
    bench.submit(CommandKind::Subscribe(PERP)).unwrap();
    bench.open(Channel::Public);
    bench.open(Channel::PublicMore);
    bench
}

fn level(price: i64, qty: i64) -> Level {
    Level { price: Price(price), qty: Qty(qty) }
}

#[test]
fn spot_and_perpetuals_have_a_socket_each() {
    let mut bench = market();
    let urls: Vec<_> = bench.connector.channels().iter().map(|spec| spec.url.as_str()).collect();
    let expected = [
        "wss://localhost:9443/v5/public/spot",
        "wss://localhost:9443/v5/public/linear",
        "https://localhost:9443",
    ];
    assert_eq!(urls, expected);
    let channels: Vec<_> = bench.connector.channels().iter().map(|spec| spec.channel).collect();
    assert_eq!(channels, [Channel::Public, Channel::PublicMore, Channel::Rest]);
    assert_eq!(
        bench.sent(),
        [
            format!(r#"Public {{"req_id":"1","op":"subscribe",{SPOT_TOPICS}"#),
            format!(r#"PublicMore {{"req_id":"1","op":"subscribe",{PERP_TOPICS}"#),
        ]
    );
    let brings = [SPOT, PERP, SOL, USDC_PERP].map(|id| bench.connector.book_channel(id));
    use Channel::{Public, PublicMore};
    assert_eq!(brings, [Public, PublicMore, PublicMore, PublicMore]);
    bench.frame(Channel::PublicMore, "ws_subscribe_ok_linear").unwrap();
    bench.pass(20_000);
    let pings = bench.sent().into_iter().filter(|sent| sent.contains(r#"{"op":"ping"}"#)).count();
    assert_eq!(pings, 2, "each is kept open");
}

#[test]
fn only_the_socket_tells_which_of_two_instruments_a_frame_is_about() {
    let mut bench = market();
    bench.take();
    let frame = fixture("ws_public_orderbook1_linear");
    for (channel, instrument) in [(Channel::Public, SPOT), (Channel::PublicMore, PERP)] {
        bench.text(channel, &frame).unwrap();
        let top = TopOfBook {
            instrument,
            sequence: 764_144_453_970,
            bid: level(6_356_150, 1_776_000),
            ask: level(6_356_160, 4_848_000),
            event_ns: Nanos(1_786_659_828_107 * MS),
        };
        let events = bench.take();
        assert!(events.contains(&Event::Top(top)), "{events:?}");
    }
    assert_eq!(bench.text(Channel::Private, &frame), Err(DecodeError::UnknownKind));
}

#[test]
fn the_loss_of_one_socket_leaves_the_other_alone() {
    let mut bench = market();
    for channel in [Channel::Public, Channel::PublicMore] {
        bench.frame(channel, "ws_public_orderbook50_linear_snapshot").unwrap();
        bench.frame(channel, "ws_public_orderbook1_linear").unwrap();
    }
    bench.sent();
    bench.take();
    bench.close(Channel::PublicMore);
    assert_eq!(bench.notices(), [readiness(Channel::PublicMore, Readiness::Down)]);
    bench.submit(CommandKind::Resync(PERP)).unwrap();
    assert_eq!(bench.sent(), [""; 0], "the next connection begins with a snapshot");
    bench.submit(CommandKind::Resync(SPOT)).unwrap();
    assert_eq!(
        bench.sent(),
        [
            r#"Public {"req_id":"2","op":"unsubscribe","args":["orderbook.50.BTCUSDT"]}"#,
            r#"Public {"req_id":"2","op":"subscribe","args":["orderbook.50.BTCUSDT"]}"#,
        ]
    );
    bench.open(Channel::PublicMore);
    let again = format!(r#"PublicMore {{"req_id":"2","op":"subscribe",{PERP_TOPICS}"#);
    assert_eq!(bench.sent(), [again]);
}

#[test]
fn a_perpetual_alone_stands_on_the_first_socket() {
    let only = |path: &str, kind: InstrumentKind| {
        let mut table = InstrumentTable::default();
        both_kinds().iter().filter(|row| row.kind == kind).for_each(|row| {
            table.add(row.clone());
        });
        let mut setup = VenueSetup { instruments: Arc::new(table), ..setup() };
        setup.endpoints.public.push_str(path);
        (ROW.market)(setup)
    };
    let (spot, linear) = (InstrumentKind::Spot, InstrumentKind::LinearPerpetual);
    for path in ["", "/v5/public/linear"] {
        let connector = only(path, linear).unwrap();
        assert_eq!(connector.channels()[0].channel, Channel::Public);
        assert_eq!(connector.channels()[0].url, "wss://localhost:9443/v5/public/linear");
        assert_eq!(connector.channels().len(), 2);
    }
    // Books of one must never be taken for those of the other.
    for refused in [only("/v5/public/spot", linear), only("/v5/public/linear/", spot)] {
        assert!(matches!(refused.err(), Some(SetupError::BadAddress(_))));
    }
    let mut both = both_setup();
    both.endpoints.public.push_str("/v5/public/spot");
    assert!(matches!((ROW.market)(both).err(), Some(SetupError::BadAddress(_))));
}

#[test]
fn the_recorded_book_goes_on_from_its_snapshot() {
    let mut bench = market();
    bench.take();
    let mut read = |name: &str| -> (DepthUpdate, Vec<Level>, Vec<Level>) {
        bench.frame(Channel::PublicMore, name).unwrap();
        let update = bench.events.list().iter().find_map(|event| match event {
            Event::Depth(update) => Some(*update),
            _ => None,
        });
        let update = update.unwrap();
        let (bids, asks) = bench.events.levels(&update);
        let sides = (bids.to_vec(), asks.to_vec());
        bench.events.clear();
        (update, sides.0, sides.1)
    };
    let (snapshot, bids, asks) = read("ws_public_orderbook50_linear_snapshot");
    assert_eq!((snapshot.instrument, snapshot.kind), (PERP, DepthKind::Snapshot));
    assert_eq!((snapshot.last_id, snapshot.sequence), (10_132_540, 546_137_962_055));
    assert_eq!((bids.len(), asks.len()), (50, 50));
    assert_eq!((bids[0], asks[0]), (level(7_142_380, 557_000), level(7_142_390, 4_669_000)));
    let (delta, bids, asks) = read("ws_public_orderbook50_linear_delta");
    assert_eq!(
        (delta.kind, delta.first_id, delta.last_id),
        (DepthKind::Delta, 10_132_541, 10_132_541)
    );
    assert_eq!((bids.len(), asks.len()), (11, 4));
    assert_eq!((bids[0], bids[1]), (level(7_141_980, 0), level(7_141_820, 159_000)));
    let (delta, bids, asks) = read("ws_public_orderbook50_docs_delta");
    assert_eq!((delta.last_id, bids.len(), asks.len()), (177_400_507, 5, 7));
    assert_eq!(bench.connector.scans(), Scans { scanned: 3, fallback: 0 });
}

#[test]
fn trades_of_one_match_share_the_number_that_orders_them() {
    let mut bench = market();
    bench.take();
    bench.frame(Channel::PublicMore, "ws_public_trade_linear_sweep").unwrap();
    let trade = |price, qty| {
        Event::Trade(Trade {
            instrument: PERP,
            taker: Side::Sell,
            price: Price(price),
            qty: Qty(qty),
            trade_id: 549_792_210_006,
            event_ns: Nanos(1_774_021_164_272 * MS),
        })
    };
    assert_eq!(
        bench.take(),
        [
            trade(6_991_680, 1_000),
            trade(6_991_680, 32_000),
            trade(6_991_610, 2_000),
            trade(6_991_420, 8_000),
        ]
    );
    bench.frame(Channel::PublicMore, "ws_public_trade_linear_single").unwrap();
    assert!(matches!(bench.take()[..], [Event::Trade(Trade { qty: Qty(20_000), .. })]));
}

#[test]
fn tickers_state_mark_index_and_funding_and_then_what_changes() {
    let mut bench = market();
    bench.take();
    let at = |millis: u64| PerpetualUpdate {
        instrument: PERP,
        event_ns: Nanos(millis * MS),
        rest_stands: true,
        ..PerpetualUpdate::default()
    };
    let first = PerpetualUpdate {
        mark: Some(amount("83024.70")),
        index: Some(amount("83074.01")),
        funding_rate: Some(Rate(-77_740_000_000_000)),
        funding_interval_s: Some(8 * 3600),
        next_funding_ns: Some(Nanos(1_790_784_000_000 * MS)),
        ..at(1_790_757_082_283)
    };
    let marked = PerpetualUpdate { mark: Some(amount("83024.60")), ..at(1_790_757_083_083) };
    let indexed = PerpetualUpdate { index: Some(amount("83084.91")), ..at(1_790_757_083_683) };
    for (name, expected) in [
        ("ws_public_tickers_linear_snapshot", &[Event::Perpetual(first)][..]),
        ("ws_public_tickers_linear_delta", &[]),
        ("ws_public_tickers_linear_delta_mark_oi", &[Event::Perpetual(marked)]),
        ("ws_public_tickers_linear_delta_index_only", &[Event::Perpetual(indexed)]),
    ] {
        bench.frame(Channel::PublicMore, name).unwrap();
        assert_eq!(bench.take(), expected, "{name}");
    }
    assert_eq!(bench.connector.scans(), Scans { scanned: 4, fallback: 0 });
    // Members in another order are for the complete decoder, and say the same.
    let text = fixture("ws_public_tickers_linear_snapshot");
    let moved =
        text.replace(r#""type":"snapshot","#, "").replace(r#","ts""#, r#","type":"snapshot","ts""#);
    bench.text(Channel::PublicMore, &moved).unwrap();
    assert_eq!(bench.take(), [Event::Perpetual(first)]);
    assert_eq!(bench.connector.scans(), Scans { scanned: 4, fallback: 1 });
    // Not applicable: before a listing.
    let silent = text
        .replace(r#""fundingRate":"-0.00007774""#, r#""fundingRate":"""#)
        .replace(r#""nextFundingTime":"1790784000000""#, r#""nextFundingTime":"0""#)
        .replace(r#""fundingIntervalHour":"8""#, r#""fundingIntervalHour":"""#);
    bench.text(Channel::PublicMore, &silent).unwrap();
    let (mark, index) = (first.mark, first.index);
    let expected = PerpetualUpdate { mark, index, ..at(1_790_757_082_283) };
    assert_eq!(bench.take(), [Event::Perpetual(expected)]);
}

#[test]
fn bad_tickers_are_refused_by_name() {
    let mut bench = market();
    bench.take();
    let text = fixture("ws_public_tickers_linear_snapshot");
    use crate::types::ParseUnitError::Malformed;
    for (from, to, expected) in [
        (r#""markPrice":"83024.70""#, r#""markPrice":"0""#, DecodeError::Invalid("markPrice")),
        (r#""markPrice":"83024.70""#, r#""markPrice":83024"#, DecodeError::Invalid("markPrice")),
        (
            r#""indexPrice":"83074.01""#,
            r#""indexPrice":"x""#,
            DecodeError::Number("indexPrice", Malformed),
        ),
        ("-0.00007774", "rate", DecodeError::Number("fundingRate", Malformed)),
        ("1790784000000", "soon", DecodeError::Invalid("nextFundingTime")),
        (
            r#""fundingIntervalHour":"8""#,
            r#""fundingIntervalHour":"25""#,
            DecodeError::Invalid("fundingIntervalHour"),
        ),
        (r#""symbol":"BTCUSDT""#, r#""symbol":"SOLUSDT""#, DecodeError::Invalid("symbol")),
        (r#""type":"snapshot""#, r#""type":"other""#, DecodeError::Invalid("type")),
        (r#","ts":1790757082283"#, "", DecodeError::Missing("ts")),
        ("tickers.BTCUSDT", "tickers.DOGEUSDT", DecodeError::UnknownSymbol),
    ] {
        assert!(text.contains(from), "{from}");
        let bad = text.replace(from, to);
        assert_eq!(bench.text(Channel::PublicMore, &bad), Err(expected), "{to}");
        assert_eq!(bench.take(), [], "{to}");
    }
    // Spot has tickers too, which nobody asked for.
    assert_eq!(bench.text(Channel::Public, &text), Err(DecodeError::UnknownKind));
    for name in ["ws_public_tickers_spot", "ws_public_kline_1m_linear", "ws_public_price_limit"] {
        let result = bench.frame(Channel::Public, name);
        assert_eq!(result, Err(DecodeError::UnknownKind), "{name}");
    }
    let result = bench.frame(Channel::PublicMore, "ws_public_all_liquidation");
    assert_eq!(result, Err(DecodeError::UnknownKind));
}

#[test]
fn rules_of_perpetuals_are_read_page_by_page() {
    const LINEAR: InstrumentKind = InstrumentKind::LinearPerpetual;
    let get = |path: &str| PlainRequest::get(path.to_owned());
    assert_eq!(
        (ROW.instruments_request)(LINEAR, &["BTCUSDT"]),
        get("/v5/market/instruments-info?category=linear&symbol=BTCUSDT")
    );
    let all = "/v5/market/instruments-info?category=linear&limit=1000";
    assert_eq!((ROW.instruments_request)(LINEAR, &[]), get(all));
    assert_eq!((ROW.instruments_request)(LINEAR, &["BTCUSDT", "BTCPERP"]), get(all));
    let symbol = |name: &str| (ROW.symbol)(&InstrumentName::parse(name).unwrap());
    assert_eq!(symbol("BTC/USDT:USDT@bybit"), "BTCUSDT");
    assert_eq!(symbol("1000PEPE/USDT:USDT@bybit"), "1000PEPEUSDT");
    assert_eq!(symbol("BTC/USDC:USDC@bybit"), "BTCPERP");

    let text = fixture("rest_instruments_info_linear");
    let read = |text: &str| (ROW.decode_instruments)(LINEAR, &mut text.as_bytes().to_vec());
    let next = |text: &str| (ROW.next_instruments)(LINEAR, &mut text.as_bytes().to_vec());
    let specs = read(&text).unwrap();
    let dec = |text| Decimal::from_str(text).unwrap();
    let [btc] = &specs[..] else { panic!("{specs:?}") };
    assert!(btc.is(&InstrumentName::parse("BTC/USDT:USDT@bybit").unwrap()) && btc.trading);
    assert!(!btc.is(&InstrumentName::parse("BTC/USDT@bybit").unwrap()));
    assert_eq!(
        (btc.tick_size, btc.lot_size, btc.qty_min),
        (dec("0.1"), dec("0.001"), dec("0.001"))
    );
    assert_eq!((btc.price_min, btc.price_max), (dec("0.1"), dec("1999999.8")));
    assert_eq!((btc.qty_max, btc.qty_market_max), (dec("1190"), dec("500")));
    assert_eq!((btc.notional_min, btc.contract), (dec("5"), Decimal::ZERO));
    assert_eq!(btc.leverage_max, 100);
    // Advice that cannot be read costs nobody his list.
    for odd in ["\"N/A\"", "\"-5\"", "\"\"", "null", "[]"] {
        let odd = text.replace(r#""maxLeverage":"100.00""#, &format!(r#""maxLeverage":{odd}"#));
        assert_ne!(odd, text);
        assert_eq!(read(&odd).unwrap()[0].leverage_max, 0, "{odd}");
    }
    assert_eq!(next(&text), Ok(None));
    let more = text.replace(r#""nextPageCursor":"""#, r#""nextPageCursor":"first%3DBTC%26a""#);
    assert_eq!(next(&more), Ok(Some(get(&format!("{all}&cursor=first%3DBTC%26a")))));
    let dated = text.replace("LinearPerpetual", "LinearFutures");
    assert_eq!(read(&dated), Ok(vec![]));
    let spot = text.replace(r#""category":"linear""#, r#""category":"spot""#);
    assert_eq!(read(&spot), Err(DecodeError::Invalid("category")));
    for (field, expected) in [
        ("qtyStep", DecodeError::Missing("qtyStep")),
        ("settleCoin", DecodeError::Missing("settleCoin")),
        ("contractType", DecodeError::Missing("contractType")),
        ("maxMktOrderQty", DecodeError::Missing("maxMktOrderQty")),
    ] {
        assert_eq!(read(&text.replace(field, "other")), Err(expected));
    }
    assert_eq!(next(r#"{"retCode":10001,"result":{}}"#), Ok(None));
}

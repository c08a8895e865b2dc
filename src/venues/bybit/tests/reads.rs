//! Requests over REST that are no orders, and instrument rules.

use super::*;
use crate::types::InstrumentKind;
use crate::types::{
    AssetBalance, CancelOrder, FeeRate, FillId, OrderState, Ppb, RateLimitUse, RejectReason,
    ReportKind, ReportOrigin,
};
use crate::venues::{InstrumentName, PlainRequest};
use rust_decimal::Decimal;
use std::str::FromStr;

fn query(client_id: u64, venue: &str) -> CommandKind {
    let venue_order_id = venue_id(venue);
    CommandKind::Query(CancelOrder {
        client_id: ClientOrderId(client_id),
        venue_order_id,
        instrument: BTC,
    })
}

/// Number, path and signature of the only request that was sent.
fn request(bench: &mut Bench) -> (u64, String, String) {
    let sent = bench.sent_one();
    let mut words = sent.split([' ', '\n']);
    let id = words.next().unwrap().parse().unwrap();
    let target = format!("{} {}", words.next().unwrap(), words.next().unwrap());
    let signature = sent.split("X-BAPI-SIGN: ").nth(1).unwrap()[..64].to_owned();
    (id, target, signature)
}

#[test]
fn an_order_is_looked_for_among_the_recent_and_then_in_the_history() {
    let mut bench = Bench::logged_in();
    bench.submit(query(7, "")).unwrap();
    let (id, target, signature) = request(&mut bench);
    assert_eq!(
        target,
        "GET /v5/order/realtime?category=spot&symbol=BTCUSDT&orderLinkId=st0000000000000007"
    );
    assert_eq!(signature, "0c3465b9db5748fbef9557c34023949b1c980796daec65142b4432ee0c972d20");
    bench.answer(id, "rest_list_empty").unwrap();
    assert_eq!(bench.take(), []);
    let (id, target, _) = request(&mut bench);
    assert_eq!(
        target,
        "GET /v5/order/history?category=spot&symbol=BTCUSDT&orderLinkId=st0000000000000007"
    );
    bench.answer(id, "rest_list_empty").unwrap();
    let report = bench.report();
    assert_eq!((report.kind, report.origin), (ReportKind::NotFound, ReportOrigin::Query));
    assert_eq!(report.client_id, ClientOrderId(7));

    bench.submit(query(9, "")).unwrap();
    let (id, ..) = request(&mut bench);
    bench.answer(id, "rest_order_history").unwrap();
    let report = bench.report();
    let expected = ExecutionReport {
        venue_order_id: venue_id("43"),
        side: Side::Buy,
        state: OrderState::Canceled,
        price: Price(7_700_000),
        qty: Qty(100_000),
        cumulative_qty: Some(Qty(20_000)),
        event_ns: Nanos(1_684_476_068_372 * MS),
        recv_ns: START,
        ..ExecutionReport::new(ReportKind::Status, ReportOrigin::Query, ClientOrderId(9), BTC)
    };
    assert_eq!(report, expected);

    bench.submit(query(0, "43")).unwrap();
    let (id, target, _) = request(&mut bench);
    assert!(target.ends_with("&orderId=43"), "{target}");
    bench.answer(id, "rest_order_history").unwrap();
    assert_eq!(bench.report(), expected);
}

/// An order whose reply was lost a moment ago may not be listed yet.
#[test]
fn absence_proves_nothing_within_five_seconds_of_sending() {
    let mut bench = Bench::logged_in();
    bench.submit(CommandKind::New(limit_order(7, Side::Buy, 100, 1))).unwrap();
    bench.pass(1000);
    assert_eq!(bench.report().kind, ReportKind::Unknown);
    for (wait, expected) in [(1000, ReportKind::Unknown), (3000, ReportKind::NotFound)] {
        bench.pass(wait);
        bench.sent();
        bench.submit(query(7, "")).unwrap();
        for _ in 0..2 {
            let (id, ..) = request(&mut bench);
            bench.answer(id, "rest_list_empty").unwrap();
        }
        let report = bench.report();
        assert_eq!((report.kind, report.origin), (expected, ReportOrigin::Query));
    }
}

#[test]
fn failed_queries_leave_the_order_unknown() {
    for reply in [
        None,
        Some((200, r#"{"retCode":10016,"retMsg":"server error","result":{}}"#)),
        Some((200, r#"{"retCode":0,"result":{"category":"linear","list":[]}}"#)),
        Some((200, "{")),
        Some((503, "")),
    ] {
        let mut bench = Bench::logged_in();
        bench.submit(query(7, "")).unwrap();
        let (id, ..) = request(&mut bench);
        match reply {
            None => bench.lose(id),
            Some((status, body)) => {
                let _ = bench.reply(id, status, "", body);
            }
        }
        let report = bench.report();
        assert_eq!((report.kind, report.client_id), (ReportKind::Unknown, ClientOrderId(7)));
        assert_eq!(bench.sent(), [""; 0]);
    }
}

#[test]
fn open_orders_follow_the_cursor_as_it_was_given() {
    let mut bench = Bench::logged_in();
    bench.submit(CommandKind::OpenOrders(BTC)).unwrap();
    let (id, target, signature) = request(&mut bench);
    let first = "GET /v5/order/realtime?category=spot&symbol=BTCUSDT&openOnly=0&limit=50";
    assert_eq!(target, first);
    assert_eq!(signature, "9856ed861538bdfc36bebe860c3e4e93dfb89cad0146407c50203dae8551730b");
    bench.answer(id, "rest_open_orders_page1").unwrap();
    let report = bench.report();
    assert_eq!((report.kind, report.state), (ReportKind::Status, OrderState::Open));
    assert_eq!((report.price, report.qty), (Price(7_700_050), Qty(100_000)));
    let (id, target, signature) = request(&mut bench);
    assert_eq!(target, format!("{first}&cursor=page_args%3D41%26symbol%3D6%26"));
    assert_eq!(signature, "1315fbc2344b761227b7447f217527337fb7a8cde415bf593fd42ba2365e31e0");
    bench.answer(id, "rest_open_orders_page2").unwrap();
    let events = bench.take();
    let Event::Report(report) = events[0] else { panic!("{events:?}") };
    // Placed by hand: reported all the same, as nobody's.
    assert_eq!(report.client_id, ClientOrderId::NONE);
    assert_eq!(report.state, OrderState::PartiallyFilled);
    assert_eq!(report.cumulative_qty, Some(Qty(100_000)));
    assert_eq!(events[1..], [Event::Notice(VenueNotice::OpenOrdersEnd(BTC))]);
}

/// A list that was not read to its end must not look complete.
#[test]
fn broken_lists_are_failures_without_an_end() {
    for kind in [
        CommandKind::OpenOrders(BTC),
        CommandKind::FillsSince { instrument: BTC, from_id: FillId::EMPTY, from_ns: START },
        CommandKind::Balances,
        CommandKind::FeeRate(BTC),
    ] {
        for reply in [
            None,
            Some((200, r#"{"retCode":10006,"retMsg":"..","result":{}}"#.to_owned(), 10006)),
            Some((500, String::new(), -500)),
            Some((200, r#"{"retCode":0,"result":{},"time":1}"#.to_owned(), 0)),
            Some((
                200,
                r#"{"retCode":0,"result":{"category":"linear","list":[]},"time":1}"#.to_owned(),
                0,
            )),
            Some((200, fixture("ws_order_mixed"), 0)),
        ] {
            let mut bench = Bench::logged_in();
            bench.submit(kind).unwrap();
            let (id, ..) = request(&mut bench);
            let code = match reply.clone() {
                None => {
                    bench.lose(id);
                    0
                }
                Some((status, body, code)) => {
                    let _ = bench.reply(id, status, "", &body);
                    code
                }
            };
            let failed: Vec<_> = bench.notices();
            assert!(failed.contains(&VenueNotice::RequestFailed(code)), "{kind:?} {reply:?}");
            assert_eq!(bench.sent(), [""; 0]);
        }
    }
}

#[test]
fn a_second_page_that_cannot_be_sent_fails_the_list() {
    let mut bench = Bench::logged_in();
    bench.submit(CommandKind::OpenOrders(BTC)).unwrap();
    let (id, ..) = request(&mut bench);
    bench.out = Outbox::with_capacity(0, 0);
    bench.answer(id, "rest_open_orders_page1").unwrap();
    assert_eq!(bench.notices(), [VenueNotice::RequestFailed(0)]);
}

#[test]
fn fills_come_oldest_first_over_pages_and_weeks() {
    let mut bench = Bench::logged_in();
    // Ten days back: two windows of at most seven days.
    let from_ns = Nanos(START.0 - 10 * 86_400_000 * MS);
    let kind = CommandKind::FillsSince { instrument: BTC, from_id: FillId::EMPTY, from_ns };
    bench.submit(kind).unwrap();
    let (id, target, _) = request(&mut bench);
    let start = START_MS - 10 * 86_400_000;
    let end = start + 7 * 86_400_000;
    let list = "GET /v5/execution/list?category=spot&symbol=BTCUSDT";
    assert_eq!(target, format!("{list}&startTime={start}&endTime={end}&limit=100"));
    let old = fixture("rest_fills_page2").replace("1001", "1000");
    bench.reply(id, 200, "", &old).unwrap();
    let (id, target, _) = request(&mut bench);
    assert_eq!(target, format!("{list}&startTime={end}&limit=100"));
    bench.answer(id, "rest_fills_page1").unwrap();
    let (id, target, _) = request(&mut bench);
    assert_eq!(target, format!("{list}&startTime={end}&limit=100&cursor=132766%3A2%2C132766%3A2"));
    assert_eq!(bench.take(), []);
    bench.answer(id, "rest_fills_page2").unwrap();
    let events = bench.take();
    let ids: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Report(report) => Some(report.fill.fill_id.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(ids, ["1000", "1001", "1002", "1003"]);
    assert_eq!(events[4..], [Event::Notice(VenueNotice::FillsEnd(BTC))]);
    let Event::Report(report) = events[3] else { panic!("{events:?}") };
    assert_eq!(report.origin, ReportOrigin::Query);
    assert_eq!(report.event_ns, Nanos(1_699_999_990_003 * MS));
}

#[test]
fn fills_since_a_known_one_end_there() {
    let mut bench = Bench::logged_in();
    let from_id = FillId::new("1002").unwrap();
    bench.submit(CommandKind::FillsSince { instrument: BTC, from_id, from_ns: Nanos(0) }).unwrap();
    let (id, target, _) = request(&mut bench);
    let start = START_MS - 7 * 86_400_000;
    assert!(target.contains(&format!("startTime={start}&limit")), "{target}");
    bench.answer(id, "rest_fills_page1").unwrap();
    let events = bench.take();
    let Event::Report(report) = events[0] else { panic!("{events:?}") };
    assert_eq!(report.fill.fill_id.as_str(), "1003");
    assert_eq!(events[1..], [Event::Notice(VenueNotice::FillsEnd(BTC))]);
    assert_eq!(bench.sent(), [""; 0]);
}

#[test]
fn fills_that_do_not_fit_come_later_and_the_end_comes_last() {
    let mut bench = Bench::logged_in();
    let kind = CommandKind::FillsSince { instrument: BTC, from_id: FillId::EMPTY, from_ns: START };
    bench.submit(kind).unwrap();
    let (id, ..) = request(&mut bench);
    bench.answer(id, "rest_fills_page1").unwrap();
    let (id, ..) = request(&mut bench);
    bench.events = Events::with_capacity(2, 1);
    bench.answer(id, "rest_fills_page2").unwrap();
    assert_eq!(bench.reports().len(), 2);
    bench.pass(0);
    let events = bench.take();
    assert!(matches!(events[0], Event::Report(_)));
    assert_eq!(events[1..], [Event::Notice(VenueNotice::FillsEnd(BTC))]);
}

#[test]
fn balances_and_fee_rates_are_read() {
    let mut bench = Bench::logged_in();
    bench.submit(CommandKind::Balances).unwrap();
    let (id, target, signature) = request(&mut bench);
    assert_eq!(target, "GET /v5/account/wallet-balance?accountType=UNIFIED");
    assert_eq!(signature, "79f4e0d1d51812c554fdb1c0dfdb83dc9c9e0be0c62bf52e83a7340456548595");
    let head = "HTTP/1.1 200 OK\r\nX-Bapi-Limit: 50\r\nX-Bapi-Limit-Status: 49\r\n\r\n";
    bench.reply(id, 200, head, &fixture("rest_wallet")).unwrap();
    let assets = &instruments().assets;
    let balance = |coin, free, locked| {
        Event::Balance(AssetBalance {
            venue: BYBIT,
            asset: assets.find(coin).unwrap(),
            free: amount(free),
            locked: amount(locked),
            event_ns: Nanos(1_690_872_862_481 * MS),
        })
    };
    let usage = RateLimitUse { limit: 4, used: 1, allowed: 50, resets_ns: START };
    assert_eq!(
        bench.take(),
        [
            Event::Notice(VenueNotice::RateLimit(usage)),
            balance("BTC", "0.375", "0.125"),
            balance("USDT", "2500.75", "0"),
            // What is left out is zero.
            balance("ETH", "0", "0"),
            balance("SOL", "0", "0"),
            Event::Notice(VenueNotice::BalancesEnd),
        ]
    );

    bench.submit(CommandKind::FeeRate(BTC)).unwrap();
    let (id, target, _) = request(&mut bench);
    assert_eq!(target, "GET /v5/account/fee-rate?category=spot&symbol=BTCUSDT");
    bench.reply(id, 200, head, &fixture("rest_fee_rate")).unwrap();
    let rate = FeeRate { instrument: BTC, maker: Ppb(-50_000), taker: Ppb(1_000_000) };
    assert_eq!(bench.take(), [Event::Fee(rate)]);
    bench.submit(CommandKind::FeeRate(ETH)).unwrap();
    let (id, ..) = request(&mut bench);
    assert_eq!(bench.answer(id, "rest_fee_rate"), Err(DecodeError::UnknownSymbol));
    assert_eq!(bench.notices(), [VenueNotice::RequestFailed(0)]);
}

#[test]
fn cancel_all_is_done_or_failed() {
    let mut bench = Bench::logged_in();
    let mut cancel_all = |reply: Option<(u16, &str)>| {
        bench.submit(CommandKind::CancelAll(BTC)).unwrap();
        let sent = bench.sent_one();
        let id = sent.split(' ').next().unwrap().parse().unwrap();
        assert!(sent.contains(" POST /v5/order/cancel-all\nContent-Type: application/json\r\n"));
        assert!(sent.ends_with(
            "09f5cef918f58b2d8ec7abd2e479d72e9e07d2c3914a60441af2404a611295a4\r\n\
             {\"category\":\"spot\",\"symbol\":\"BTCUSDT\"}"
        ));
        match reply {
            None => bench.lose(id),
            Some((status, body)) => {
                let _ = bench.reply(id, status, "", body);
            }
        }
        bench.notices().pop().unwrap()
    };
    let done = fixture("rest_cancel_all_ok");
    assert_eq!(cancel_all(Some((200, &done))), VenueNotice::CancelAllDone(BTC));
    let failed = |code| VenueNotice::CancelAllFailed(BTC, code);
    let undone = done.replace("\"success\":\"1\"", "\"success\":\"0\"");
    assert_eq!(cancel_all(Some((200, &undone))), failed(0), "taken, and not done");
    assert_eq!(cancel_all(None), failed(0));
    assert_eq!(cancel_all(Some((500, ""))), failed(-500));
    assert_eq!(cancel_all(Some((200, "{"))), failed(0));
    assert_eq!(cancel_all(Some((200, r#"{"retCode":10016,"result":{}}"#))), failed(10016));
}

#[test]
fn reads_need_the_clock() {
    let mut bench = Bench::trading();
    assert_eq!(bench.submit(CommandKind::Balances), Err(EncodeError::NotReady));
    bench.open(Channel::Rest);
    assert_eq!(bench.submit(CommandKind::Balances), Err(EncodeError::NotReady));
    bench.answer(START.0, "rest_time").unwrap();
    bench.sent();
    assert_eq!(bench.submit(CommandKind::Balances), Ok(()));
    assert_eq!(bench.reply(77, 200, "", "{}"), Err(DecodeError::UnknownRequest));
}

#[test]
fn a_refused_key_on_a_read_is_an_alarm() {
    let mut bench = Bench::logged_in();
    bench.submit(CommandKind::Balances).unwrap();
    let (id, ..) = request(&mut bench);
    bench.reply(id, 200, "", r#"{"retCode":10003,"result":{}}"#).unwrap();
    assert_eq!(
        bench.notices(),
        [VenueNotice::LoginRefused(Channel::Rest, 10003), VenueNotice::RequestFailed(10003)]
    );
    assert_eq!(super::super::codes::reject_reason("EC_NoError"), RejectReason::None);
}

#[test]
fn instrument_rules_are_read() {
    let get = |path: &str| PlainRequest::get(path.to_owned());
    assert_eq!(
        (ROW.instruments_request)(InstrumentKind::Spot, &["BTCUSDT"]),
        get("/v5/market/instruments-info?category=spot&symbol=BTCUSDT")
    );
    assert_eq!(
        (ROW.instruments_request)(InstrumentKind::Spot, &["BTCUSDT", "ETHUSDT"]),
        get("/v5/market/instruments-info?category=spot")
    );
    assert_eq!((ROW.symbol)(&InstrumentName::parse("BTC/USDT@bybit").unwrap()), "BTCUSDT");
    let read =
        |text: String| (ROW.decode_instruments)(InstrumentKind::Spot, &mut text.into_bytes());
    let specs = read(fixture("rest_instruments")).unwrap();
    let dec = |text| Decimal::from_str(text).unwrap();
    assert_eq!(specs.len(), 2);
    let btc = &specs[0];
    assert_eq!(
        (btc.symbol.as_str(), btc.base.as_str(), btc.quote.as_str()),
        ("BTCUSDT", "BTC", "USDT")
    );
    assert!(btc.trading && !specs[1].trading);
    assert_eq!((btc.tick_size, btc.lot_size), (dec("0.1"), dec("0.000001")));
    assert_eq!((btc.qty_max, btc.qty_market_max), (dec("83"), dec("41.5")));
    assert_eq!(btc.notional_min, dec("5"));
    // Not stated, or deprecated: no limit.
    for none in [btc.price_min, btc.price_max, btc.qty_min, btc.notional_max] {
        assert_eq!(none, Decimal::ZERO);
    }
}

#[test]
fn instrument_rules_of_other_products_and_bad_ones_are_refused() {
    let read =
        |text: String| (ROW.decode_instruments)(InstrumentKind::Spot, &mut text.into_bytes());
    let linear = read(fixture("rest_instruments_linear"));
    assert_eq!(linear, Err(DecodeError::Invalid("category")));
    let unknown = r#"{"retCode":10001,"retMsg":"params error: symbol invalid","result":{}}"#;
    assert_eq!(read(unknown.to_owned()), Ok(vec![]));
    let down = r#"{"retCode":10016,"retMsg":"server error","result":{}}"#;
    assert_eq!(read(down.to_owned()), Err(DecodeError::Invalid("retCode")));
    for (from, to, expected) in [
        (r#""tickSize":"0.1""#, r#""tickSize":"0""#, DecodeError::Invalid("tickSize")),
        (
            r#""tickSize":"0.1""#,
            r#""tickSize":"x""#,
            DecodeError::Number("tickSize", crate::types::ParseUnitError::Malformed),
        ),
        (
            r#""basePrecision":"0.000001""#,
            r#""basePrecision":"-1""#,
            DecodeError::Invalid("basePrecision"),
        ),
        (r#""minOrderAmt":"5","#, "", DecodeError::Missing("minOrderAmt")),
    ] {
        assert_eq!(read(fixture("rest_instruments").replace(from, to)), Err(expected), "{to}");
    }
    assert_eq!(read("<html>".to_owned()), Err(DecodeError::Json));
}

#[test]
fn commands_cost_what_the_venue_counts() {
    let cost = |kind: CommandKind, rest| (ROW.costs)(&kind, rest).0;
    let new = CommandKind::New(limit_order(1, Side::Buy, 1, 1));
    assert_eq!(cost(new, false), [1, 0, 0, 0, 0, 0]);
    assert_eq!(cost(new, true), [1, 0, 0, 0, 0, 1]);
    assert_eq!(cost(CommandKind::CancelAll(BTC), false), [0, 0, 0, 1, 0, 1]);
    assert_eq!(cost(CommandKind::FeeRate(BTC), false), [0, 0, 0, 0, 10, 1]);
    assert_eq!(cost(CommandKind::Balances, false), [0, 0, 0, 0, 3, 3]);
    assert_eq!(cost(CommandKind::FundingSince(START), false), [0, 0, 0, 0, 2, 1]);
    assert_eq!(cost(CommandKind::Subscribe(BTC), false), [0; 6]);
    assert!(ROW.limits.len() <= crate::types::LIMITS_MAX);
}

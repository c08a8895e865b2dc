//! Logins, orders to exact bytes, and what replies prove.

use super::*;
use crate::types::{
    AccountFlaw, CancelOrder, NewOrder, OrderType, RejectReason, ReplaceOrder, ReportKind, Side,
    TimeInForce,
};

pub(super) const ID: ClientOrderId = ClientOrderId(1);
/// Numbers of requests are the time of issue; the clock's probe and three lessons came before.
const FIRST: u64 = START.0;

pub(super) fn order(instrument: InstrumentId) -> NewOrder {
    NewOrder {
        client_id: ID,
        instrument,
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        post_only: true,
        reduce_only: false,
        price: Price(6_000_010),
        qty: Qty(3_000_000),
    }
}

pub(super) fn cancel() -> CancelOrder {
    CancelOrder { client_id: ID, venue_order_id: VenueOrderId::EMPTY, instrument: BTC }
}

/// What a request carries: its number and how long it is good for.
fn request(bench: &mut Bench, op: &str) -> (u64, Option<u64>, String) {
    let sent = bench.sent();
    let [line] = &sent[..] else { panic!("{sent:?}") };
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(value["op"], op, "{line}");
    let id = value["id"].as_str().unwrap().parse().unwrap();
    let expires = value["expTime"].as_str().map(|text| text.parse().unwrap());
    let args = line.split_once(r#""args":["#).unwrap().1.strip_suffix("]}").unwrap();
    (id, expires, args.to_owned())
}

/// A reply of the order socket to the request with this number.
fn ack(name: &str, id: u64) -> String {
    let reply = fixture(name);
    let number = ["1512", "1513", "1514"].into_iter().find(|old| reply.contains(old)).unwrap();
    reply.replacen(number, &id.to_string(), 1)
}

const NOTHING: &str = r#"{"code":"0","msg":"","data":[]}"#;

#[test]
fn what_must_be_known_is_asked_for_before_anything_is_ready() {
    let mut bench = Bench::over((ROW.trading)(setup()).unwrap());
    let urls: Vec<_> = bench.connector.channels().iter().map(|spec| spec.url.as_str()).collect();
    let (socket, rest) = ("wss://localhost:9443/ws/v5/private", "https://localhost:9443");
    assert_eq!(urls, [socket, socket, rest]);
    bench.open(Channel::Rest);
    let time = fixture("rest_time").replace("1597026383085", &START_MS.to_string());
    bench.answer(&time).unwrap();
    bench.take();
    let net = fixture("rest_account_config").replace("long_short_mode", "net_mode");
    for (path, body) in [
        ("GET /api/v5/account/config", net),
        ("GET /api/v5/public/instruments?instType=SPOT", fixture("rest_instruments_spot")),
        ("GET /api/v5/public/instruments?instType=SWAP", swaps()),
        ("GET /api/v5/account/positions?instType=SWAP", NOTHING.to_owned()),
    ] {
        assert_eq!(bench.submit(CommandKind::New(order(BTC))), Err(EncodeError::NotReady));
        assert_eq!(bench.take(), [], "not ready before {path}");
        let lines: Vec<_> = bench.out.outputs().collect();
        assert!(matches!(lines[..], [Output::Request(request)] if path.ends_with(request.path)));
        bench.answer(&body).unwrap();
    }
    let ready = VenueNotice::Readiness(Channel::Rest, Readiness::Ready);
    assert_eq!(bench.notices(), [ready]);
}

#[test]
fn sockets_log_in_and_subscribe() {
    let mut bench = Bench::over((ROW.trading)(setup()).unwrap());
    bench.learn();
    bench.sent();
    bench.take();
    bench.open(Channel::Private);
    let [login] = &bench.sent()[..] else { panic!() };
    assert!(login.starts_with(r#"{"op":"login","args":[{"apiKey":"985d5b66-57ce","#), "{login}");
    assert!(login.contains(r#""timestamp":"1700000000""#), "{login}");
    bench.private("ws_login_ack").unwrap();
    assert_eq!(
        bench.sent(),
        [concat!(
            r#"{"id":"private","op":"subscribe","args":[{"channel":"orders","instType":"SPOT"},"#,
            r#"{"channel":"orders","instType":"SWAP"},"#,
            r#"{"channel":"account","extraParams":"{\"updateInterval\": \"0\"}"},"#,
            r#"{"channel":"positions","instType":"SWAP","#,
            r#""extraParams":"{\"updateInterval\": \"0\"}"}]}"#
        )]
    );
    let ready = |channel| VenueNotice::Readiness(channel, Readiness::Ready);
    for left in (0..4).rev() {
        assert!(!bench.notices().contains(&ready(Channel::Private)), "{left} are missing");
        bench.private("ws_orders_subscribe_ack").unwrap();
    }
    assert_eq!(bench.notices(), [ready(Channel::Private)]);
    bench.open(Channel::Trade);
    bench.sent();
    bench.take();
    bench.text(Channel::Trade, &fixture("ws_login_ack")).unwrap();
    assert_eq!(bench.notices(), [ready(Channel::Trade)]);
    let keep =
        r#"{"id":"keep","op":"subscribe","args":[{"channel":"orders","instType":"MARGIN"}]}"#;
    assert_eq!(bench.sent(), [keep], "without a subscription the venue would close it");
    bench.text(Channel::Trade, &fixture("ws_channel_conn_count")).unwrap();
    assert_eq!(bench.take(), []);
}

#[test]
fn refused_logins_are_final_and_others_are_tried_again() {
    for (name, from, to, refused) in [
        ("ws_login_error", "60009", "60009", true),
        ("ws_login_error", "60009", "60006", false),
        ("ws_login_error", "60009", "63999", false),
    ] {
        let mut bench = Bench::over((ROW.trading)(setup()).unwrap());
        bench.learn();
        bench.open(Channel::Private);
        bench.sent();
        bench.take();
        bench.text(Channel::Private, &fixture(name).replace(from, to)).unwrap();
        let code = to.parse().unwrap();
        let expected = match refused {
            true => VenueNotice::LoginRefused(Channel::Private, code),
            false => VenueNotice::RequestFailed(code),
        };
        assert_eq!(bench.notices(), [expected]);
        let again = bench.sent().contains(&"reconnect Private".to_owned());
        assert_eq!(again, !refused, "{to}");
    }
}

/// The account of the documented example keeps long and short apart.
#[test]
fn accounts_that_cannot_trade_what_is_configured_are_refused() {
    let config = fixture("rest_account_config");
    let net = config.replace("long_short_mode", "net_mode");
    for (body, flaw) in [
        (config.clone(), AccountFlaw::HedgeMode),
        (net.replace(r#""acctLv": "2""#, r#""acctLv": "1""#), AccountFlaw::AccountMode),
    ] {
        let mut bench = Bench::over((ROW.trading)(setup()).unwrap());
        bench.open(Channel::Rest);
        bench.answer(&fixture("rest_time").replace("1597026383085", "1700000000000")).unwrap();
        bench.take();
        bench.answer(&body).unwrap();
        assert_eq!(bench.notices(), [VenueNotice::AccountUnfit(flaw)]);
        assert_eq!(bench.sent(), Vec::<String>::new());
        bench.pass(25_000);
        assert!(bench.sent().iter().all(|line| line.ends_with("/time")), "not asked all the time");
    }
    for (from, to, field) in [("net_mode", "other", "posMode"), ("\"2\"", "\"9\"", "acctLv")] {
        let mut bench = Bench::over((ROW.trading)(setup()).unwrap());
        bench.open(Channel::Rest);
        bench.answer(&fixture("rest_time").replace("1597026383085", "1700000000000")).unwrap();
        let result = bench.answer(&net.replacen(from, to, 1));
        assert_eq!(result, Err(DecodeError::Invalid(field)));
    }
}

#[test]
fn orders_are_written_by_number_and_in_contracts() {
    let limit = |instrument| NewOrder { post_only: false, ..order(instrument) };
    let market = |instrument| NewOrder {
        order_type: OrderType::Market,
        price: Price(0),
        ..limit(instrument)
    };
    let fate = |time_in_force| NewOrder { time_in_force, side: Side::Sell, ..limit(SWAP) };
    let (spot, swap) = (
        r#"{"instIdCode":1000000000,"tdMode":"cash","clOrdId":"st0000000000000001","#,
        r#"{"instIdCode":10459,"tdMode":"cross","clOrdId":"st0000000000000001","#,
    );
    for (order, start, rest) in [
        (order(BTC), spot, r#""side":"buy","ordType":"post_only","px":"60000.1","sz":"0.03"}"#),
        (order(SWAP), swap, r#""side":"buy","ordType":"post_only","px":"60000.1","sz":"3"}"#),
        (limit(SWAP), swap, r#""side":"buy","ordType":"limit","px":"60000.1","sz":"3"}"#),
        (fate(TimeInForce::Ioc), swap, r#""side":"sell","ordType":"ioc","px":"60000.1","sz":"3"}"#),
        (fate(TimeInForce::Fok), swap, r#""side":"sell","ordType":"fok","px":"60000.1","sz":"3"}"#),
        (market(SWAP), swap, r#""side":"buy","ordType":"optimal_limit_ioc","sz":"3"}"#),
        (market(BTC), spot, r#""side":"buy","ordType":"market","tgtCcy":"base_ccy","sz":"0.03"}"#),
        (
            NewOrder { reduce_only: true, ..limit(SWAP) },
            swap,
            r#""side":"buy","ordType":"limit","px":"60000.1","sz":"3","reduceOnly":true}"#,
        ),
    ] {
        let mut bench = Bench::logged_in();
        bench.submit(CommandKind::New(order)).unwrap();
        let (id, expires, args) = request(&mut bench, "order");
        assert!(id > FIRST && id < FIRST + 100, "{id}");
        assert_eq!(expires, Some(START_MS + 5000));
        assert_eq!(args, format!("{start}{rest}"));
    }
}

#[test]
fn cancels_and_changes_are_written() {
    let mut bench = Bench::logged_in();
    bench.submit(CommandKind::Cancel(cancel())).unwrap();
    let (_, expires, args) = request(&mut bench, "cancel-order");
    assert_eq!(expires, None, "a cancel is always good");
    assert_eq!(args, r#"{"instIdCode":1000000000,"clOrdId":"st0000000000000001"}"#);
    let foreign = CancelOrder {
        client_id: ClientOrderId::NONE,
        venue_order_id: VenueOrderId::new("2510789768709120").unwrap(),
        instrument: SWAP,
    };
    bench.submit(CommandKind::Cancel(foreign)).unwrap();
    let (_, _, args) = request(&mut bench, "cancel-order");
    assert_eq!(args, r#"{"instIdCode":10459,"ordId":"2510789768709120"}"#);
    let replace = ReplaceOrder {
        client_id: ID,
        venue_order_id: VenueOrderId::EMPTY,
        instrument: SWAP,
        price: Price(6_000_100),
        qty: Qty(2_000_000),
    };
    bench.submit(CommandKind::Replace(replace)).unwrap();
    let (id, expires, args) = request(&mut bench, "amend-order");
    assert_eq!(expires, Some(START_MS + 5000));
    let start = r#"{"instIdCode":10459,"clOrdId":"st0000000000000001","reqId":""#;
    assert_eq!(args, format!(r#"{start}{id}","newPx":"60001","newSz":"2"}}"#));
}

#[test]
fn what_the_venue_could_not_express_is_never_sent() {
    let mut bench = Bench::logged_in();
    let refuse = |why| Err(EncodeError::NotExpressible(why));
    for (order, error) in [
        (NewOrder { reduce_only: true, ..order(BTC) }, refuse("spot knows no reduce-only")),
        (
            NewOrder { qty: Qty(1), ..order(InstrumentId(2)) },
            Err(EncodeError::NotReady), // its number does not exist yet
        ),
        (NewOrder { qty: Qty(0), ..order(SWAP) }, refuse("the quantity is not positive")),
        (
            NewOrder { instrument: InstrumentId(77), ..order(BTC) },
            Err(EncodeError::UnknownInstrument),
        ),
    ] {
        assert_eq!(bench.submit(CommandKind::New(order)), error);
        assert_eq!(bench.sent(), Vec::<String>::new());
    }
}

/// Each row: the reply, and the report that it makes.
#[test]
fn replies_prove_what_they_say() {
    use RejectReason as R;
    use ReportKind as K;
    let code = |name: &str, code: &str| fixture(name).replace("51008", code);
    for (body, kind, reason, venue_code) in [
        (fixture("ws_order_ack"), K::Accepted, R::None, 0),
        (fixture("ws_order_reject"), K::Rejected, R::InsufficientBalance, 51008),
        (fixture("ws_order_format_error"), K::Rejected, R::Other, 60013),
        (code("ws_order_reject", "51138"), K::Rejected, R::BadPrice, 51138),
        (code("ws_order_reject", "50004"), K::Unknown, R::Other, 50004),
        (code("ws_order_reject", "51016"), K::Unknown, R::DuplicateId, 51016),
        (code("ws_order_reject", "50037"), K::Rejected, R::BadTimestamp, 50037),
    ] {
        let mut bench = Bench::logged_in();
        bench.submit(CommandKind::New(order(BTC))).unwrap();
        let (id, ..) = request(&mut bench, "order");
        bench.text(Channel::Trade, &body.replacen("1512", &id.to_string(), 1)).unwrap();
        let reports = bench.reports();
        let [report] = reports[..] else { panic!("{reports:?}") };
        assert_eq!((report.kind, report.reason, report.venue_code), (kind, reason, venue_code));
        assert_eq!((report.client_id, report.instrument), (ID, BTC));
    }
}

#[test]
fn a_cancel_or_change_that_was_taken_waits_for_the_stream() {
    let mut bench = Bench::logged_in();
    bench.submit(CommandKind::Cancel(cancel())).unwrap();
    let (id, ..) = request(&mut bench, "cancel-order");
    bench.text(Channel::Trade, &ack("ws_cancel_order_ack", id)).unwrap();
    assert_eq!(bench.reports(), []);
    bench.pass(1000);
    let reports = bench.reports();
    assert_eq!(reports[0].kind, ReportKind::Unknown, "no effect was seen");
    bench.submit(CommandKind::Cancel(cancel())).unwrap();
    let (id, ..) = request(&mut bench, "cancel-order");
    let placeholder = ack("ws_cancel_order_reject", id);
    let result = bench.text(Channel::Trade, &placeholder);
    assert_eq!(result, Err(DecodeError::Invalid("sCode")), "no code is no proof");
    bench.text(Channel::Trade, &placeholder.replace("5XXXX", "51400")).unwrap();
    let reports = bench.reports();
    assert_eq!(reports[0].kind, ReportKind::CancelRejected);
    assert_eq!(reports[0].reason, RejectReason::UnknownOrder);
}

#[test]
fn what_concerns_the_connection_is_not_taken_for_a_reply() {
    let mut bench = Bench::logged_in();
    bench.submit(CommandKind::New(order(BTC))).unwrap();
    bench.sent();
    let limit = r#"{"event":"error","code":"60014","msg":"Requests too frequent.","connId":"a"}"#;
    bench.text(Channel::Trade, limit).unwrap();
    let until = START.plus(2_000 * MS);
    assert_eq!(bench.notices(), [VenueNotice::Suspended(until)]);
    bench.text(Channel::Trade, &fixture("ws_notice_service_upgrade")).unwrap();
    assert_eq!(
        bench.notices(),
        [
            VenueNotice::ShutdownAnnounced(Channel::Trade),
            VenueNotice::Readiness(Channel::Trade, Readiness::Joining)
        ]
    );
    assert_eq!(bench.submit(CommandKind::New(order(BTC))), Err(EncodeError::NotReady));
    assert_eq!(bench.sent(), Vec::<String>::new(), "a reply is awaited");
    bench.pass(2_000);
    assert!(bench.sent().contains(&"reconnect Trade".to_owned()));
    // Nothing is awaited on the private socket, and one that is over a limit brings nothing.
    for name in ["ws_notice_service_upgrade", "ws_channel_conn_count_error"] {
        let mut bench = Bench::logged_in();
        bench.private(name).unwrap();
        assert_eq!(bench.sent(), ["reconnect Private"], "{name}");
    }
    // An order socket needs no channel, and an error without a number is told.
    let mut bench = Bench::logged_in();
    let missing = bench.text(Channel::Trade, &fixture("ws_channel_conn_count_error"));
    assert_eq!(missing, Err(DecodeError::UnknownKind), "counted");
    let error = r#"{"event":"error","code":"60030","msg":"Internal system error","connId":"a4"}"#;
    bench.text(Channel::Trade, error).unwrap();
    assert_eq!(bench.notices(), [VenueNotice::RequestFailed(60030)]);
    assert_eq!(bench.sent(), Vec::<String>::new());
    for name in ["ws_batch_orders_all_ok", "ws_batch_cancel_partial"] {
        let result = Bench::logged_in().text(Channel::Trade, &fixture(name));
        assert_eq!(result, Err(DecodeError::UnknownRequest), "{name}: never asked for");
    }
}

/// A new listing has a new number: the venue says that it does not know the old one.
#[test]
fn an_unknown_instrument_makes_us_ask_for_its_number_again() {
    let mut bench = Bench::logged_in();
    bench.submit(CommandKind::New(order(SWAP))).unwrap();
    let (id, ..) = request(&mut bench, "order");
    let body = fixture("ws_order_reject").replace("51008", "51001");
    bench.text(Channel::Trade, &body.replacen("1512", &id.to_string(), 1)).unwrap();
    bench.pass(1);
    let net = fixture("rest_account_config").replace("long_short_mode", "net_mode");
    bench.answer(&net).unwrap();
    bench.answer(&fixture("rest_instruments_spot")).unwrap();
    bench.answer(&swaps().replace("10459", "20777")).unwrap();
    bench.answer(NOTHING).unwrap();
    bench.take();
    bench.submit(CommandKind::New(order(SWAP))).unwrap();
    let (_, _, args) = request(&mut bench, "order");
    assert!(args.starts_with(r#"{"instIdCode":20777,"#), "{args}");
}

#[test]
fn orders_go_over_rest_where_the_setup_says_so() {
    let over_rest = VenueSetup { orders_over_rest: true, ..setup() };
    let mut bench = Bench::logged_in_with(over_rest);
    bench.submit(CommandKind::New(order(BTC))).unwrap();
    let lines: Vec<_> = bench.out.outputs().collect();
    let [Output::Request(request)] = lines[..] else { panic!("{lines:?}") };
    let head = std::str::from_utf8(request.headers).unwrap();
    assert!(head.contains("OK-ACCESS-TIMESTAMP: 2023-11-14T22:13:20.000Z\r\n"), "{head}");
    assert!(head.ends_with("expTime: 1700000005000\r\n"), "{head}");
    assert_eq!(
        bench.sent(),
        [concat!(
            r#"POST /api/v5/trade/order {"instId":"BTC-USDT","tdMode":"cash","#,
            r#""clOrdId":"st0000000000000001","side":"buy","ordType":"post_only","px":"60000.1","#,
            r#""sz":"0.03"}"#
        )]
    );
    // Codes come with any status; a status without one proves less.
    use ReportKind::{Accepted, Rejected, Unknown};
    let busy = r#"{"code":"50013","msg":"Systems are busy.","data":[]}"#;
    let limited = r#"{"code":"50011","msg":"Too Many Requests","data":[]}"#;
    for (status, body, kind) in [
        (200, fixture("rest_order_ack"), Accepted),
        (429, limited.to_owned(), Rejected),
        (429, busy.to_owned(), Unknown),
        (400, busy.replace("50013", "50004"), Unknown),
        (400, busy.replace("50013", "51000"), Rejected),
        (500, busy.replace("50013", "51000"), Unknown),
        (503, busy.replace("50013", "59999"), Unknown),
        (502, "<html>".to_owned(), Unknown),
        (400, "<html>".to_owned(), Rejected),
    ] {
        bench.submit(CommandKind::New(order(BTC))).unwrap();
        bench.answer_with(status, &body).unwrap();
        let reports = bench.reports();
        let [report] = reports[..] else { panic!("{reports:?}") };
        assert_eq!(report.kind, kind, "{status} {body}");
        bench.pass(1);
    }
}

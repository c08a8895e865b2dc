//! Orders over the trade socket and over REST: exact bytes out, exact reports back.

use super::*;
use crate::types::{
    CancelOrder, RateLimitUse, RejectReason, ReplaceOrder, ReportKind, ReportOrigin,
};

const HEAD: &str = r#"{"X-BAPI-TIMESTAMP":"1700000000000","X-BAPI-RECV-WINDOW":"5000"}"#;

/// A frame of the trade socket with this number, operation and object.
fn trade_frame(id: u64, op: &str, object: &str) -> String {
    format!(r#"Trade {{"reqId":"{id}","header":{HEAD},"op":"{op}","args":[{object}]}}"#)
}

pub(super) fn order() -> NewOrder {
    limit_order(7, Side::Buy, 7_700_050, 250_000)
}

pub(super) fn cancel(client_id: u64, venue: &str) -> CancelOrder {
    let venue_order_id = venue_id(venue);
    CancelOrder { client_id: ClientOrderId(client_id), venue_order_id, instrument: BTC }
}

pub(super) fn replace(price: i64, qty: i64) -> ReplaceOrder {
    ReplaceOrder {
        client_id: ClientOrderId(7),
        venue_order_id: VenueOrderId::EMPTY,
        instrument: BTC,
        price: Price(price),
        qty: Qty(qty),
    }
}

/// A reply on the trade socket.
fn ack(id: u64, op: &str, code: i32) -> String {
    format!(
        r#"{{"reqId":"{id}","retCode":{code},"retMsg":"..","op":"{op}","data":{{}},"retExtInfo":{{}},"header":{{"Traceid":"x","Timenow":"1700000000001"}},"connId":"c"}}"#
    )
}

#[test]
fn every_kind_of_order_has_its_exact_bytes() {
    let limit = r#"{"category":"spot","symbol":"BTCUSDT","side":"Buy","orderType":"Limit","qty":"0.25","price":"77000.5","timeInForce":"GTC","marketUnit":"baseCoin","isLeverage":0,"orderLinkId":"st0000000000000007"}"#;
    let base = order();
    for (order, object) in [
        (base, limit.to_owned()),
        (NewOrder { post_only: true, ..base }, limit.replace("GTC", "PostOnly")),
        (NewOrder { time_in_force: TimeInForce::Ioc, ..base }, limit.replace("GTC", "IOC")),
        (NewOrder { time_in_force: TimeInForce::Fok, ..base }, limit.replace("GTC", "FOK")),
        (NewOrder { side: Side::Sell, ..base }, limit.replace("Buy", "Sell")),
        (
            NewOrder { order_type: OrderType::Market, ..base },
            limit
                .replace("Limit", "Market")
                .replace(r#","price":"77000.5""#, "")
                .replace("GTC", "IOC"),
        ),
        (NewOrder { qty: Qty(1), ..base }, limit.replace("0.25", "0.000001")),
    ] {
        let mut bench = Bench::logged_in();
        bench.submit(CommandKind::New(order)).unwrap();
        assert_eq!(bench.sent_one(), trade_frame(START.0 + 1, "order.create", &object));
    }
}

#[test]
fn cancels_and_replaces_name_our_id_or_else_the_venues() {
    let mut bench = Bench::logged_in();
    let ours = r#"{"category":"spot","symbol":"BTCUSDT","orderLinkId":"st0000000000000007"}"#;
    for (kind, op, object) in [
        (CommandKind::Cancel(cancel(7, "55")), "order.cancel", ours.to_owned()),
        (
            CommandKind::Cancel(cancel(0, "1666800494330512128")),
            "order.cancel",
            r#"{"category":"spot","symbol":"BTCUSDT","orderId":"1666800494330512128"}"#.to_owned(),
        ),
        (
            CommandKind::Replace(replace(7_700_100, 300_000)),
            "order.amend",
            ours.replace('}', r#","qty":"0.3","price":"77001"}"#),
        ),
        (
            CommandKind::Replace(replace(0, 300_000)),
            "order.amend",
            ours.replace('}', r#","qty":"0.3"}"#),
        ),
        (
            CommandKind::Replace(replace(7_700_100, 0)),
            "order.amend",
            ours.replace('}', r#","price":"77001"}"#),
        ),
    ] {
        bench.submit(kind).unwrap();
        let sent = bench.sent_one();
        let id: u64 = sent.split('"').nth(3).unwrap().parse().unwrap();
        assert_eq!(sent, trade_frame(id, op, &object));
    }
}

#[test]
fn request_numbers_are_unique_and_short() {
    let mut bench = Bench::logged_in();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..200 {
        bench.submit(CommandKind::New(order())).unwrap();
        let sent = bench.sent_one();
        let id = sent.split('"').nth(3).unwrap().to_owned();
        assert!(id.len() <= 36 && seen.insert(id));
    }
    // A connector that starts a second later begins beyond all of them.
    let last = seen.iter().map(|id| id.parse::<u64>().unwrap()).max().unwrap();
    assert!(last < START.plus(1_000_000_000).0);
}

#[test]
fn what_the_venue_cannot_express_is_refused_unsent() {
    let base = order();
    let mut bench = Bench::logged_in();
    for kind in [
        CommandKind::New(NewOrder { reduce_only: true, ..base }),
        CommandKind::New(NewOrder { post_only: true, time_in_force: TimeInForce::Ioc, ..base }),
        CommandKind::New(NewOrder { post_only: true, order_type: OrderType::Market, ..base }),
        CommandKind::New(NewOrder { qty: Qty(0), ..base }),
        CommandKind::New(NewOrder { qty: Qty(-1), ..base }),
        CommandKind::New(NewOrder { price: Price(0), ..base }),
        CommandKind::New(NewOrder { client_id: ClientOrderId::NONE, ..base }),
        CommandKind::Cancel(cancel(0, "")),
        CommandKind::Cancel(cancel(0, "1\",\"x\":\"")),
        CommandKind::Replace(replace(0, 0)),
        CommandKind::Query(cancel(0, "1&symbol=X")),
    ] {
        let refused = bench.submit(kind);
        assert!(matches!(refused, Err(EncodeError::NotExpressible(_))), "{kind:?}: {refused:?}");
    }
    let elsewhere = NewOrder { instrument: InstrumentId(0), ..base };
    assert_eq!(bench.submit(CommandKind::New(elsewhere)), Err(EncodeError::UnknownInstrument));
    assert_eq!(bench.submit(CommandKind::Subscribe(BTC)), Err(EncodeError::Unsupported));
    assert_eq!(bench.sent(), [""; 0]);
}

#[test]
fn an_acknowledgement_accepts_and_states_the_rate_limit() {
    let mut bench = Bench::logged_in();
    bench.submit(CommandKind::New(order())).unwrap();
    let text = fixture("ws_ack").replace("1700000000000000000", &(START.0 + 1).to_string());
    bench.now = START.plus(3 * MS);
    bench.text(Channel::Trade, &text).unwrap();
    // The window ends 999 ms after the venue wrote this.
    let usage =
        RateLimitUse { limit: 0, used: 1, allowed: 20, resets_ns: Nanos(1_700_000_001_002 * MS) };
    let report = ExecutionReport {
        venue_order_id: venue_id("1666800494330512128"),
        side: Side::Buy,
        price: Price(7_700_050),
        qty: Qty(250_000),
        recv_ns: bench.now,
        ..ExecutionReport::new(ReportKind::Accepted, ReportOrigin::Reply, ClientOrderId(7), BTC)
    };
    let expected = [Event::Notice(VenueNotice::RateLimit(usage)), Event::Report(report)];
    assert_eq!(bench.take(), expected);
    // The same reply again answers nothing.
    assert_eq!(bench.text(Channel::Trade, &text), Err(DecodeError::UnknownRequest));
    bench.pass(5000);
    assert_eq!(bench.reports(), []);
}

#[test]
fn every_code_of_the_card_has_its_meaning() {
    use RejectReason::*;
    let (refused, unknown) = (ReportKind::Rejected, ReportKind::Unknown);
    for (code, kind, reason) in [
        (10001, refused, Other),
        (10002, refused, BadTimestamp),
        (10003, refused, Unauthorized),
        (10004, refused, Unauthorized),
        (10005, refused, Unauthorized),
        (10010, refused, Unauthorized),
        (33004, refused, Unauthorized),
        (10024, refused, Unauthorized),
        (10006, refused, RateLimit),
        (10403, refused, RateLimit),
        (20003, refused, RateLimit),
        (20006, refused, Other),
        (10014, unknown, DuplicateId),
        (110072, unknown, DuplicateId),
        (170141, unknown, DuplicateId),
        (10000, unknown, Other),
        (10016, unknown, Other),
        (429, unknown, Other),
        (10429, unknown, Other),
        (170007, unknown, Other),
        (10019, refused, Other),
        (170193, refused, BadPrice),
        (170194, refused, BadPrice),
        (170132, refused, BadPrice),
        (170133, refused, BadPrice),
        (170134, refused, BadPrice),
        (110007, refused, InsufficientBalance),
        (170131, refused, InsufficientBalance),
        (170810, refused, RateLimit),
        (170124, refused, BadQty),
        (170136, refused, BadQty),
        (170137, refused, BadQty),
        (170140, refused, BelowMinNotional),
        (170210, refused, Other),
        (170217, refused, MarketClosed),
        (170218, refused, WouldTake),
        (110074, refused, MarketClosed),
        (999_999, refused, Other),
    ] {
        let mut bench = Bench::logged_in();
        bench.submit(CommandKind::New(order())).unwrap();
        bench.text(Channel::Trade, &ack(START.0 + 1, "order.create", code)).unwrap();
        let report = bench.report();
        assert_eq!((report.kind, report.reason), (kind, reason), "{code}");
        assert_eq!((report.venue_code, report.client_id), (code, ClientOrderId(7)));
        assert_eq!(report.origin, ReportOrigin::Reply);
        // Whatever it was, its time-out says nothing more.
        bench.pass(5000);
        assert_eq!(bench.reports(), [], "{code}");
    }
}

#[test]
fn refused_cancels_and_replaces_leave_the_order_alone() {
    for code in [110001, 170213, 170139, 170142, 170143] {
        let mut bench = Bench::logged_in();
        bench.submit(CommandKind::Cancel(cancel(7, "55"))).unwrap();
        bench.submit(CommandKind::Replace(replace(7_700_100, 0))).unwrap();
        bench.text(Channel::Trade, &ack(START.0 + 1, "order.cancel", code)).unwrap();
        bench.text(Channel::Trade, &ack(START.0 + 2, "order.amend", code)).unwrap();
        let reports = bench.reports();
        let kinds: Vec<_> = reports.iter().map(|report| report.kind).collect();
        assert_eq!(kinds, [ReportKind::CancelRejected, ReportKind::ReplaceRejected]);
        assert!(reports.iter().all(|report| report.reason == RejectReason::UnknownOrder));
        assert_eq!(reports[0].venue_order_id, venue_id("55"));
    }
}

#[test]
fn a_reply_that_does_not_come_makes_the_outcome_unknown_and_a_late_one_still_counts() {
    let mut bench = Bench::logged_in();
    bench.submit(CommandKind::New(order())).unwrap();
    bench.sent();
    bench.pass(999);
    assert_eq!(bench.reports(), []);
    bench.pass(1);
    let report = bench.report();
    assert_eq!((report.kind, report.origin), (ReportKind::Unknown, ReportOrigin::Local));
    assert_eq!((report.client_id, report.qty), (ClientOrderId(7), Qty(250_000)));
    bench.pass(60_000);
    assert_eq!(bench.reports(), []);
    bench.text(Channel::Trade, &ack(START.0 + 1, "order.create", 170131)).unwrap();
    let late = bench.report();
    assert_eq!((late.kind, late.reason), (ReportKind::Rejected, RejectReason::InsufficientBalance));
}

#[test]
fn a_lost_trade_socket_makes_everything_on_it_unknown_once() {
    let mut bench = Bench::logged_in();
    bench.submit(CommandKind::New(order())).unwrap();
    bench.submit(CommandKind::Cancel(cancel(8, ""))).unwrap();
    bench.submit(CommandKind::New(limit_order(9, Side::Sell, 100, 1))).unwrap();
    bench.text(Channel::Trade, &ack(START.0 + 3, "order.create", 0)).unwrap();
    bench.take();
    bench.close(Channel::Trade);
    let reports = bench.reports();
    let mut ids: Vec<_> = reports.iter().map(|report| report.client_id.0).collect();
    ids.sort_unstable();
    assert_eq!(ids, [7, 8]);
    assert!(reports.iter().all(|r| r.kind == ReportKind::Unknown));
    assert!(reports.iter().all(|r| r.origin == ReportOrigin::Local));
    bench.open(Channel::Trade);
    bench.pass(5000);
    assert_eq!(bench.reports(), []);
    assert_eq!(bench.submit(CommandKind::New(order())), Err(EncodeError::NotReady));
}

/// Reports are not lost to a small buffer: the rest comes with the next call.
#[test]
fn reports_that_do_not_fit_come_later() {
    let mut bench = Bench::logged_in();
    for id in 1..=40 {
        bench.submit(CommandKind::New(limit_order(id, Side::Buy, 100, 1))).unwrap();
    }
    bench.events = Events::with_capacity(16, 16);
    bench.close(Channel::Trade);
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.extend(bench.reports().iter().map(|report| report.client_id.0));
        bench.pass(0);
    }
    ids.sort_unstable();
    assert_eq!(ids, (1..=40).collect::<Vec<_>>());
}

#[test]
fn a_taken_cancel_waits_for_the_stream() {
    let cancelled = fixture("ws_order_new")
        .replace(r#""orderStatus":"New""#, r#""orderStatus":"Cancelled""#)
        .replace("EC_NoError", "EC_PerCancelRequest");
    // Reply first, stream second.
    let mut bench = Bench::logged_in();
    bench.submit(CommandKind::Cancel(cancel(7, ""))).unwrap();
    bench.text(Channel::Trade, &ack(START.0 + 1, "order.cancel", 0)).unwrap();
    assert_eq!(bench.reports(), []);
    bench.text(Channel::Private, &cancelled).unwrap();
    assert_eq!(bench.report().kind, ReportKind::Canceled);
    bench.pass(5000);
    assert_eq!(bench.reports(), []);
    // Stream first, reply second.
    let mut bench = Bench::logged_in();
    bench.submit(CommandKind::Cancel(cancel(7, ""))).unwrap();
    bench.text(Channel::Private, &cancelled).unwrap();
    assert_eq!(bench.report().kind, ReportKind::Canceled);
    bench.text(Channel::Trade, &ack(START.0 + 1, "order.cancel", 0)).unwrap();
    bench.pass(5000);
    assert_eq!(bench.reports(), []);
    // The stream stays silent: what became of the order must be asked.
    let mut bench = Bench::logged_in();
    bench.submit(CommandKind::Cancel(cancel(7, ""))).unwrap();
    bench.text(Channel::Trade, &ack(START.0 + 1, "order.cancel", 0)).unwrap();
    bench.pass(1000);
    let report = bench.report();
    assert_eq!((report.kind, report.client_id), (ReportKind::Unknown, ClientOrderId(7)));
}

#[test]
fn a_replace_is_proved_by_the_stream_at_its_new_terms() {
    let mut bench = Bench::logged_in();
    bench.submit(CommandKind::Replace(replace(7_700_100, 300_000))).unwrap();
    // A row at the old terms is no proof.
    bench.frame(Channel::Private, "ws_order_new").unwrap();
    assert_eq!(bench.report().kind, ReportKind::Accepted);
    bench.text(Channel::Trade, &ack(START.0 + 1, "order.amend", 0)).unwrap();
    let moved = fixture("ws_order_new")
        .replace("77000.5", "77001")
        .replace(r#"qty":"0.25"#, r#"qty":"0.3"#);
    bench.text(Channel::Private, &moved).unwrap();
    let report = bench.report();
    assert_eq!(report.kind, ReportKind::Replaced);
    assert_eq!((report.price, report.qty), (Price(7_700_100), Qty(300_000)));
    bench.text(Channel::Private, &moved).unwrap();
    assert_eq!(bench.report().kind, ReportKind::Accepted);
    bench.pass(5000);
    assert_eq!(bench.reports(), []);
}

/// Nothing grows without bound, and requests that were given up make room.
#[test]
fn the_table_of_requests_is_bounded() {
    let mut bench = Bench::logged_in();
    bench.out = Outbox::with_capacity(1024, 1024);
    for _ in 0..256 {
        bench.submit(CommandKind::New(order())).unwrap();
    }
    assert_eq!(bench.submit(CommandKind::New(order())), Err(EncodeError::Full));
    bench.events = Events::with_capacity(1024, 1024);
    bench.pass(1000);
    assert_eq!(bench.reports().len(), 256);
    bench.out.clear();
    bench.submit(CommandKind::New(order())).unwrap();
    bench.out = Outbox::with_capacity(0, 0);
    assert_eq!(bench.submit(CommandKind::New(order())), Err(EncodeError::Full));
}

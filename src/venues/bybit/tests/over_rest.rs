//! Orders over REST, and what replies demand beyond their order.

use super::orders::{cancel, order, replace};
use super::*;
use crate::types::{RateLimitUse, RejectReason, ReportKind};

/// Orders over REST: a connector without trade socket.
fn over_rest() -> Bench {
    let connector = (ROW.trading)(VenueSetup { orders_over_rest: true, ..setup() }).unwrap();
    let mut bench = Bench::over(connector);
    bench.open(Channel::Rest);
    bench.answer(START.0, "rest_time").unwrap();
    bench.sent();
    bench.take();
    bench
}

#[test]
fn orders_over_rest_are_signed_over_the_bytes_sent() {
    let mut bench = over_rest();
    let channels: Vec<_> = bench.connector.channels().iter().map(|spec| spec.channel).collect();
    assert_eq!(channels, [Channel::Private, Channel::Rest]);
    bench.submit(CommandKind::New(NewOrder { post_only: true, ..order() })).unwrap();
    let id = START.0 + 1;
    assert_eq!(
        bench.sent_one(),
        format!(
            "{id} POST /v5/order/create\nContent-Type: application/json\r\n\
             X-BAPI-API-KEY: test_api_key\r\nX-BAPI-TIMESTAMP: 1700000000000\r\n\
             X-BAPI-RECV-WINDOW: 5000\r\n\
             X-BAPI-SIGN: e9a759e6f4e4e881d85be07223b99190169bb14ff817ef7e4fbc49e49ecdef03\r\n\
             {}",
            r#"{"category":"spot","symbol":"BTCUSDT","side":"Buy","orderType":"Limit","qty":"0.25","price":"77000.5","timeInForce":"PostOnly","marketUnit":"baseCoin","isLeverage":0,"orderLinkId":"st0000000000000007"}"#
        )
    );
    let head = "HTTP/1.1 200 OK\r\nX-Bapi-Limit: 20\r\nX-Bapi-Limit-Status: 18\r\n\
                Timenow: 1700000000000\r\n\
                x-bapi-limit-reset-timestamp: 1700000000500\r\n\r\n";
    bench.reply(id, 200, head, &fixture("rest_order_ok")).unwrap();
    let events = bench.take();
    let usage =
        RateLimitUse { limit: 0, used: 2, allowed: 20, resets_ns: Nanos(1_700_000_000_500 * MS) };
    assert_eq!(events[0], Event::Notice(VenueNotice::RateLimit(usage)));
    let Event::Report(report) = events[1] else { panic!("{events:?}") };
    assert_eq!(report.kind, ReportKind::Accepted);
    assert_eq!(report.venue_order_id, venue_id("1321003749386327552"));

    bench.submit(CommandKind::Cancel(cancel(7, ""))).unwrap();
    assert!(bench.sent_one().contains("POST /v5/order/cancel\n"));
    bench.submit(CommandKind::Replace(replace(100, 0))).unwrap();
    assert!(bench.sent_one().contains("POST /v5/order/amend\n"));
}

#[test]
fn lost_and_broken_replies_over_rest_are_unknown() {
    for reply in [
        None,
        Some((500, "")),
        Some((502, "<html>bad gateway</html>")),
        Some((429, "")),
        Some((200, "{\"retCode\":0")),
        Some((200, "{\"retMsg\":\"OK\"}")),
        Some((200, "{\"retCode\":10016,\"retMsg\":\"server error\"}")),
    ] {
        let mut bench = over_rest();
        bench.submit(CommandKind::New(order())).unwrap();
        match reply {
            None => bench.lose(START.0 + 1),
            Some((status, body)) => {
                let _ = bench.reply(START.0 + 1, status, "", body);
            }
        }
        let reports = bench.reports();
        assert_eq!(reports.len(), 1, "{reply:?}");
        assert_eq!(reports[0].kind, ReportKind::Unknown, "{reply:?}");
        bench.lose(START.0 + 1);
        bench.pass(5000);
        assert_eq!(bench.reports(), [], "{reply:?}");
    }
    for (status, reason) in [
        (403, RejectReason::RateLimit),
        (401, RejectReason::Unauthorized),
        (404, RejectReason::Other),
    ] {
        let mut bench = over_rest();
        bench.submit(CommandKind::New(order())).unwrap();
        bench.reply(START.0 + 1, status, "", "access too frequent").unwrap();
        let report = bench.report();
        assert_eq!((report.kind, report.reason), (ReportKind::Rejected, reason));
        assert_eq!(report.venue_code, -i32::from(status));
    }
}

#[test]
fn requests_that_never_left_are_refused_here() {
    for (kind, told) in [
        (CommandKind::New(order()), ReportKind::Rejected),
        (CommandKind::Cancel(cancel(7, "")), ReportKind::CancelRejected),
        (CommandKind::Replace(replace(100, 0)), ReportKind::ReplaceRejected),
    ] {
        let mut bench = over_rest();
        bench.submit(kind).unwrap();
        bench.drop_unsent(START.0 + 1);
        let report = bench.report();
        assert_eq!((report.kind, report.reason), (told, RejectReason::NotSent), "{kind:?}");
        assert_eq!(report.origin, crate::types::ReportOrigin::Local);
        bench.drop_unsent(START.0 + 1);
        bench.pass(5000);
        assert_eq!(bench.reports(), [], "told once, and not unknown afterwards");
    }
    // Given up as unknown before: that it never left is still proof.
    let mut bench = over_rest();
    bench.submit(CommandKind::New(order())).unwrap();
    bench.pass(2000);
    assert_eq!(bench.report().kind, ReportKind::Unknown);
    bench.drop_unsent(START.0 + 1);
    assert_eq!(bench.report().kind, ReportKind::Rejected);
}

#[test]
fn a_closed_rest_channel_makes_orders_on_it_unknown() {
    let mut bench = over_rest();
    bench.submit(CommandKind::New(order())).unwrap();
    bench.close(Channel::Rest);
    assert_eq!(bench.report().kind, ReportKind::Unknown);
    bench.lose(START.0 + 1);
    assert_eq!(bench.reports(), []);
    assert_eq!(bench.submit(CommandKind::New(order())), Err(EncodeError::NotReady));
}

/// What works must be stoppable: a cancel finds its way while the trade socket is away.
#[test]
fn cancels_go_over_rest_while_the_trade_socket_is_down() {
    let mut bench = Bench::logged_in();
    bench.close(Channel::Trade);
    assert_eq!(bench.submit(CommandKind::New(order())), Err(EncodeError::NotReady));
    assert_eq!(bench.submit(CommandKind::Replace(replace(1, 1))), Err(EncodeError::NotReady));
    bench.submit(CommandKind::Cancel(cancel(7, ""))).unwrap();
    let sent = bench.sent_one();
    assert!(sent.contains(" POST /v5/order/cancel\n"), "{sent}");
    assert!(
        sent.ends_with(
            r#"{"category":"spot","symbol":"BTCUSDT","orderLinkId":"st0000000000000007"}"#
        )
    );
}

#[test]
fn rate_limits_suspend_until_the_time_that_the_venue_states() {
    let head = r#""header":{"X-Bapi-Limit":"20","X-Bapi-Limit-Status":"0","X-Bapi-Limit-Reset-Timestamp":"1700000000700"}"#;
    for (code, header, until) in [
        (10006, head.to_owned(), START.plus(700 * MS)),
        (10006, head.replace("1700000000700", "1699999999999"), START.plus(1000 * MS)),
        (10006, head.replace("1700000000700", "9700000000700"), START.plus(3_600_000 * MS)),
        (10429, r#""header":{}"#.to_owned(), START.plus(1000 * MS)),
        (20003, r#""header":{}"#.to_owned(), START.plus(1000 * MS)),
    ] {
        let mut bench = Bench::logged_in();
        bench.submit(CommandKind::New(order())).unwrap();
        let text = format!(
            r#"{{"reqId":"{}","retCode":{code},"op":"order.create","data":{{}},{header}}}"#,
            START.0 + 1
        );
        bench.text(Channel::Trade, &text).unwrap();
        assert_eq!(bench.notices()[0], VenueNotice::Suspended(until), "{code} {header}");
    }
    let mut bench = over_rest();
    bench.submit(CommandKind::New(order())).unwrap();
    bench.reply(START.0 + 1, 403, "", "").unwrap();
    assert_eq!(bench.notices(), [VenueNotice::Suspended(START.plus(600_000 * MS))]);
}

#[test]
fn a_refused_timestamp_measures_the_clock_anew() {
    let mut bench = over_rest();
    bench.pass(5000);
    bench.submit(CommandKind::New(order())).unwrap();
    let id = bench.last_request();
    bench.answer(id, "rest_error_10002").unwrap();
    let report = bench.report();
    assert_eq!(
        (report.kind, report.reason, report.venue_code),
        (ReportKind::Rejected, RejectReason::BadTimestamp, 10002)
    );
    let probe = bench.sent_one();
    assert!(probe.ends_with(" GET /v5/market/time\n"), "{probe}");
    // Only the new measurement is believed: the venue is now a second behind.
    let id: u64 = probe.split(' ').next().unwrap().parse().unwrap();
    let server = (bench.now.0 - 1_000_000_000).to_string();
    let body = fixture("rest_time").replace("1700000000000000000", &server);
    bench.reply(id, 200, "", &body).unwrap();
    bench.take();
    bench.submit(CommandKind::New(order())).unwrap();
    let expected = format!("X-BAPI-TIMESTAMP: {}\r\n", START_MS + 4000);
    assert!(bench.sent_one().contains(&expected));
}

/// A probe bounds the venue's clock from below: timestamps never run ahead of it.
#[test]
fn timestamps_are_never_ahead_of_the_venue() {
    let connector = (ROW.trading)(VenueSetup { orders_over_rest: true, ..setup() }).unwrap();
    let mut bench = Bench::over(connector);
    bench.open(Channel::Rest);
    bench.sent();
    // The venue stamped its reply at 1700000000000 at the latest 300 ms before we read it.
    bench.now = START.plus(300 * MS);
    bench.answer(START.0, "rest_time").unwrap();
    bench.take();
    bench.submit(CommandKind::New(order())).unwrap();
    assert!(bench.sent_one().contains("X-BAPI-TIMESTAMP: 1700000000000\r\n"));
}

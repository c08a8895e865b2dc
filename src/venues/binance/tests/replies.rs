//! Replies to commands, on both wires, to exact reports; and what becomes of commands without.

use super::{
    BTC, MS, NOW, ORDER, PEM, Rig, SECRET, VENUE_ID, cancel, fills, fixture, id_of, order, replace,
};
use crate::types::{
    Amount, AssetBalance, AssetId, Channel, ClientOrderId, CommandKind, Event, ExecutionReport,
    FeeRate, Fill, FillId, Liquidity, Nanos, OrderState, Ppb, Price, Qty, RateLimitUse,
    RejectReason, ReportKind, ReportOrigin, Side, TimeInForce, VenueId, VenueNotice, VenueOrderId,
};
use crate::venues::{DecodeError, EncodeError};
use TimeInForce::{Gtc, Ioc};

#[test]
fn an_order_can_only_be_made_smaller() {
    let mut rig = Rig::ready(PEM, false);
    rig.submit(CommandKind::New(order(Gtc))).unwrap();
    let no = |why| Err(EncodeError::NotExpressible(why));
    assert_eq!(rig.submit(replace(6_183_762, 500)), no("the price of an order cannot be changed"));
    let smaller = "the quantity of an order can only be made smaller";
    assert_eq!(rig.submit(replace(6_183_763, 700)), no(smaller));
    rig.submit(replace(6_183_763, 500)).unwrap();
    let frame = rig.sent();
    let id = id_of(&frame);
    let params = r#""newClientOrderId":"st0cb0a1b214000001","newQty":"0.005","orderId":12569099453,"symbol":"BTCUSDT","timestamp":1795161256000"#;
    let expected =
        format!(r#"{{"id":{id},"method":"order.amend.keepPriority","params":{{{params}}}}}"#);
    assert_eq!(frame, expected);
    rig.reply(id, fixture!("result_order_amend")).unwrap();
    let mut expected = report(ReportKind::Replaced, ReportOrigin::Reply);
    (expected.price, expected.qty) = (Price(6_183_763), Qty(500));
    expected.cumulative_qty = Some(Qty(200));
    expected.event_ns = Nanos(0);
    assert_eq!(rig.report(), expected);
    assert_eq!(rig.submit(replace(6_183_763, 500)), no(smaller));
    rig.submit(replace(6_183_763, 400)).unwrap();
    let id = id_of(&rig.sent());
    rig.refuse(id, 400, -2038, "The requested order amendment was rejected.").unwrap();
    let mut expected = report(ReportKind::ReplaceRejected, ReportOrigin::Reply);
    (expected.reason, expected.venue_code) = (RejectReason::Other, -2038);
    (expected.price, expected.qty, expected.event_ns) = (Price(0), Qty(0), Nanos(0));
    assert_eq!(rig.report(), expected);
    rig.frame(Channel::Trade, fixture!("execution_canceled")).unwrap();
    let unknown = "the order's working price and quantity are not known";
    assert_eq!(rig.submit(replace(6_183_763, 300)), no(unknown));
}

/// A report on the order of the fixtures, without price and quantity.
fn report(kind: ReportKind, origin: ReportOrigin) -> ExecutionReport {
    let mut report = ExecutionReport::new(kind, origin, ORDER, BTC);
    report.venue_order_id = VenueOrderId::new(VENUE_ID).unwrap();
    report.recv_ns = NOW;
    report
}

/// Submits and answers, on both wires.
fn exchange(kind: CommandKind, result: &str, check: impl Fn(&Rig)) {
    let mut rig = Rig::ready(PEM, false);
    rig.submit(kind).unwrap();
    let id = id_of(&rig.sent());
    rig.reply(id, result).unwrap();
    check(&rig);
    assert_eq!(rig.reply(id, result), Err(DecodeError::UnknownRequest));
    let mut rig = Rig::ready(SECRET, true);
    rig.submit(kind).unwrap();
    let id = rig.requests()[0].id;
    rig.response(id, 200, "", result).unwrap();
    check(&rig);
    assert_eq!(rig.response(id, 200, "", result), Err(DecodeError::UnknownRequest));
}

#[test]
fn placements_and_cancels_are_reported() {
    exchange(CommandKind::New(order(Ioc)), fixture!("result_order_ack"), |rig| {
        let mut expected = report(ReportKind::Accepted, ReportOrigin::Reply);
        expected.event_ns = Nanos(1_795_161_255_639 * MS);
        assert_eq!(rig.report(), expected);
    });
    let mut expected = report(ReportKind::Canceled, ReportOrigin::Reply);
    (expected.price, expected.qty) = (Price(6_183_763), Qty(700));
    expected.cumulative_qty = Some(Qty(200));
    expected.event_ns = Nanos(1_795_161_258_068 * MS);
    exchange(CommandKind::Cancel(cancel("")), fixture!("result_order_cancel"), |rig| {
        assert_eq!(rig.report(), expected);
    });
    exchange(CommandKind::CancelAll(BTC), fixture!("result_cancel_all"), |rig| {
        let reports = rig.reports();
        assert_eq!(reports.len(), 2);
        assert_eq!(reports[0], expected);
        let foreign = (reports[1].client_id, reports[1].venue_order_id, reports[1].side);
        let none = (ClientOrderId::NONE, VenueOrderId::from_u64(77), Side::Sell);
        assert_eq!(foreign, none);
        assert_eq!(rig.notices(), [VenueNotice::CancelAllDone(BTC)]);
    });
}

#[test]
fn a_placement_that_ended_at_once_says_so_and_makes_no_fill() {
    let result = fixture!("result_order_ack");
    let with = |more: &str| result.replace("\"transactTime\"", &format!("{more},\"transactTime\""));
    for (more, kind, done, reason) in [
        (
            r#""status":"NEW","executedQty":"0.00000000""#,
            ReportKind::Accepted,
            0,
            RejectReason::None,
        ),
        (
            r#""status":"FILLED","executedQty":"0.00700000","fills":[{"price":"1.00","qty":"0.00700000","commission":"0","commissionAsset":"BNB","tradeId":1}]"#,
            ReportKind::Accepted,
            700,
            RejectReason::None,
        ),
        (
            r#""status":"EXPIRED","executedQty":"0.00100000","timeInForce":"IOC""#,
            ReportKind::Expired,
            100,
            RejectReason::TimeInForce,
        ),
        (
            r#""status":"EXPIRED_IN_MATCH","executedQty":"0.00000000""#,
            ReportKind::Expired,
            0,
            RejectReason::SelfTrade,
        ),
    ] {
        exchange(CommandKind::New(order(Ioc)), &with(more), |rig| {
            let report = rig.report();
            assert_eq!((report.kind, report.reason), (kind, reason), "{more}");
            assert_eq!(report.cumulative_qty, Some(Qty(done)), "{more}");
        });
    }
}

#[test]
fn queries_tell_the_venues_state() {
    let mut expected = report(ReportKind::Status, ReportOrigin::Query);
    expected.state = OrderState::PartiallyFilled;
    (expected.price, expected.qty) = (Price(6_183_763), Qty(700));
    expected.cumulative_qty = Some(Qty(200));
    expected.event_ns = Nanos(1_795_161_257_000 * MS);
    let result = fixture!("result_order_status");
    exchange(CommandKind::Query(cancel("")), result, |rig| assert_eq!(rig.report(), expected));
    for (status, executed, state) in [
        ("NEW", "0", OrderState::Open),
        ("PENDING_NEW", "0", OrderState::Open),
        ("PENDING_CANCEL", "0.1", OrderState::PartiallyFilled),
        ("FILLED", "0.007", OrderState::Filled),
        ("CANCELED", "0", OrderState::Canceled),
        ("REJECTED", "0", OrderState::Rejected),
        ("EXPIRED", "0", OrderState::Expired),
        ("EXPIRED_IN_MATCH", "0", OrderState::Expired),
    ] {
        let result = result.replace("PARTIALLY_FILLED", status).replace("0.00200000", executed);
        exchange(CommandKind::Query(cancel("")), &result, |rig| {
            assert_eq!(rig.report().state, state, "{status}");
        });
    }
    exchange(CommandKind::OpenOrders(BTC), fixture!("result_open_orders"), |rig| {
        let reports = rig.reports();
        assert_eq!(reports.len(), 2);
        assert_eq!((reports[0].client_id, reports[0].state), (ORDER, OrderState::Open));
        let foreign = (reports[1].client_id, reports[1].state, reports[1].cumulative_qty);
        let expected = (ClientOrderId::NONE, OrderState::PartiallyFilled, Some(Qty(25_000)));
        assert_eq!(foreign, expected);
        assert_eq!(rig.notices(), [VenueNotice::OpenOrdersEnd(BTC)]);
    });
}

#[test]
fn fills_are_told_page_by_page() {
    exchange(fills("1650422481", 0), fixture!("result_my_trades"), |rig| {
        let reports = rig.reports();
        assert_eq!(reports.len(), 2);
        let mut expected = report(ReportKind::Fill, ReportOrigin::Query);
        expected.client_id = ClientOrderId::NONE;
        expected.event_ns = Nanos(1_795_161_257_000 * MS);
        expected.fill = Fill {
            fill_id: FillId::new("1650422481").unwrap(),
            price: Price(6_183_760),
            qty: Qty(200),
            liquidity: Liquidity::Taker,
            fee: Amount(2_000_000_000_000),
            fee_asset: AssetId(0),
            realised: None,
        };
        assert_eq!(reports[0], expected);
        let second = reports[1].fill;
        assert_eq!((second.fee, second.fee_asset), (Amount::ZERO, AssetId::NONE));
        assert_eq!(second.liquidity, Liquidity::Maker);
        assert_eq!(rig.notices(), [VenueNotice::FillsEnd(BTC)]);
    });
    let row = |id: u64| {
        let rows = fixture!("result_my_trades");
        let (first, _) = rows[1..].split_once("},").unwrap();
        format!("{first}}}").replace("1650422481", &id.to_string())
    };
    let page: Vec<String> = (1..=500).map(row).collect();
    exchange(fills("1", 0), &format!("[{}]", page.join(",")), |rig| {
        assert_eq!(rig.reports().len(), 500);
        assert!(rig.notices().is_empty());
        let next: Vec<String> =
            rig.frames().into_iter().chain(rig.requests().into_iter().map(|r| r.line)).collect();
        assert_eq!(next.len(), 1);
        assert!(next[0].contains("fromId=501&") || next[0].contains("\"fromId\":501,"), "{next:?}");
    });
}

#[test]
fn balances_and_fee_rates_are_told() {
    let usdt = Amount(1_021_210_000_000_000_000_000);
    let balance = |asset, free, locked| {
        let event_ns = Nanos(1_795_161_253_000 * MS);
        Event::Balance(AssetBalance { venue: VenueId(0), asset, free, locked, event_ns })
    };
    exchange(CommandKind::Balances, fixture!("result_account"), |rig| {
        let expected = [
            balance(AssetId(3), Amount(0), Amount(0)),
            balance(AssetId(0), Amount(1_344_711_200_000_000_000), Amount(86_000_000_000_000_000)),
            balance(AssetId(2), usdt, Amount(0)),
            // ETH is an asset of an instrument and not listed: it is zero.
            balance(AssetId(1), Amount(0), Amount(0)),
            Event::Notice(VenueNotice::BalancesEnd),
        ];
        assert_eq!(rig.events.list(), expected);
    });
    exchange(CommandKind::FeeRate(BTC), fixture!("result_commission"), |rig| {
        // 100 + 10 000 000 + 1120 and the sellers' 400 + 40 000 000 + the buyers' 1180.
        let expected = FeeRate { instrument: BTC, maker: Ppb(50_002_800), taker: Ppb(60_002_920) };
        assert_eq!(rig.events.list(), [Event::Fee(expected)]);
    });
}

#[test]
fn refusals_are_told_with_their_reason() {
    let rejected = |kind, code, reason| {
        let mut expected = report(kind, ReportOrigin::Reply);
        (expected.venue_code, expected.reason) = (code, reason);
        expected
    };
    let insufficient = "Account has insufficient balance for requested action.";
    let unknown = "Unknown order sent.";
    let mut new = rejected(ReportKind::Rejected, -2010, RejectReason::InsufficientBalance);
    new.venue_order_id = VenueOrderId::EMPTY;
    let cancel_rejected = rejected(ReportKind::CancelRejected, -2011, RejectReason::UnknownOrder);
    let mut not_found = rejected(ReportKind::NotFound, -2013, RejectReason::UnknownOrder);
    not_found.origin = ReportOrigin::Query;
    for (kind, code, message, expected) in [
        (CommandKind::New(order(Ioc)), -2010, insufficient, new),
        (CommandKind::Cancel(cancel(VENUE_ID)), -2011, unknown, cancel_rejected),
        (CommandKind::Query(cancel(VENUE_ID)), -2013, "Order does not exist.", not_found),
    ] {
        refused(kind, 400, code, message, |rig| {
            assert_eq!(rig.events.list(), [Event::Report(expected)])
        });
    }
    for (kind, code, message, expected) in [
        // Nothing to cancel is a success.
        (CommandKind::CancelAll(BTC), -2011, unknown, VenueNotice::CancelAllDone(BTC)),
        (
            CommandKind::CancelAll(BTC),
            -1121,
            "Invalid symbol.",
            VenueNotice::CancelAllFailed(BTC, -1121),
        ),
        (CommandKind::Balances, -1102, "Mandatory parameter.", VenueNotice::RequestFailed(-1102)),
        (
            CommandKind::Query(cancel("")),
            -1102,
            "Mandatory parameter.",
            VenueNotice::RequestFailed(-1102),
        ),
    ] {
        refused(kind, 400, code, message, |rig| {
            assert_eq!(rig.events.list(), [Event::Notice(expected)])
        });
    }
    refused(CommandKind::New(order(Ioc)), 401, -2015, "Invalid API-key.", |rig| {
        assert_eq!(rig.report().reason, RejectReason::Unauthorized);
        assert!(matches!(rig.notices()[..], [VenueNotice::LoginRefused(_, -2015)]));
    });
}

/// Submits and refuses, on both wires.
fn refused(kind: CommandKind, status: u16, code: i32, message: &str, check: impl Fn(&Rig)) {
    let mut rig = Rig::ready(PEM, false);
    rig.submit(kind).unwrap();
    let id = id_of(&rig.sent());
    rig.refuse(id, status, code, message).unwrap();
    check(&rig);
    let mut rig = Rig::ready(SECRET, true);
    rig.submit(kind).unwrap();
    let id = rig.requests()[0].id;
    rig.response(id, status, "", &format!(r#"{{"code":{code},"msg":"{message}"}}"#)).unwrap();
    check(&rig);
}

#[test]
fn outcomes_without_proof_are_unknown() {
    for (status, code) in [(500, -1000), (504, -1007), (400, -1006), (503, -1008)] {
        refused(CommandKind::New(order(Ioc)), status, code, "", |rig| {
            let report = rig.report();
            assert_eq!((report.kind, report.client_id), (ReportKind::Unknown, ORDER));
            assert_eq!((report.origin, report.venue_code), (ReportOrigin::Reply, code));
        });
    }
    // Bodies of proxies and firewalls are not JSON.
    for (status, kind) in
        [(502, ReportKind::Unknown), (403, ReportKind::Rejected), (404, ReportKind::Rejected)]
    {
        let mut rig = Rig::ready(SECRET, true);
        rig.submit(CommandKind::New(order(Ioc))).unwrap();
        let id = rig.requests()[0].id;
        rig.response(id, status, "", "<html>").unwrap();
        assert_eq!((rig.report().kind, rig.report().venue_code), (kind, -i32::from(status)));
    }
    // Successes that cannot be read.
    for (result, error) in [
        ("{}", DecodeError::Missing("symbol")),
        (
            &fixture!("result_order_ack").replace("BTCUSDT", "ETHUSDT"),
            DecodeError::Invalid("symbol"),
        ),
        (
            &fixture!("result_order_ack").replace("000001", "000002"),
            DecodeError::Invalid("clientOrderId"),
        ),
    ] {
        let mut rig = Rig::ready(PEM, false);
        rig.submit(CommandKind::New(order(Ioc))).unwrap();
        let id = id_of(&rig.sent());
        assert_eq!(rig.reply(id, result), Err(error));
        let report = rig.report();
        assert_eq!((report.kind, report.origin), (ReportKind::Unknown, ReportOrigin::Local));
    }
    let mut rig = Rig::ready(SECRET, true);
    rig.submit(CommandKind::New(order(Ioc))).unwrap();
    let id = rig.requests()[0].id;
    assert_eq!(rig.response(id, 200, "", "{\"symb"), Err(DecodeError::Json));
    assert_eq!(rig.report().kind, ReportKind::Unknown);
}

#[test]
fn replies_that_do_not_come_make_unknown_and_count_when_they_come_late() {
    let mut rig = Rig::ready(PEM, false);
    rig.submit(CommandKind::New(order(Ioc))).unwrap();
    let id = id_of(&rig.sent());
    rig.submit(CommandKind::CancelAll(BTC)).unwrap();
    rig.submit(CommandKind::Balances).unwrap();
    rig.pass(1_999 * MS);
    assert!(rig.reports().is_empty());
    rig.pass(MS);
    let mut expected = report(ReportKind::Unknown, ReportOrigin::Local);
    (expected.venue_order_id, expected.recv_ns) = (VenueOrderId::EMPTY, rig.now);
    assert_eq!(rig.report(), expected);
    let failed = [VenueNotice::CancelAllFailed(BTC, 0), VenueNotice::RequestFailed(0)];
    assert_eq!(rig.notices(), failed);
    rig.pass(1_000 * MS);
    assert!(rig.events.list().is_empty());
    rig.reply(id, fixture!("result_order_ack")).unwrap();
    assert_eq!(rig.report().kind, ReportKind::Accepted);
}

#[test]
fn replies_come_in_any_order() {
    let mut rig = Rig::ready(PEM, false);
    rig.submit(CommandKind::Query(cancel(""))).unwrap();
    let first = id_of(&rig.sent());
    rig.submit(CommandKind::New(order(Ioc))).unwrap();
    let second = id_of(&rig.sent());
    rig.reply(second, fixture!("result_order_ack")).unwrap();
    assert_eq!(rig.report().kind, ReportKind::Accepted);
    rig.reply(first, fixture!("result_order_status")).unwrap();
    assert_eq!(rig.report().kind, ReportKind::Status);
}

#[test]
fn a_lost_channel_makes_everything_in_flight_unknown() {
    let mut rig = Rig::ready(PEM, false);
    rig.submit(CommandKind::New(order(Ioc))).unwrap();
    let id = id_of(&rig.sent());
    rig.submit(CommandKind::Cancel(cancel(VENUE_ID))).unwrap();
    rig.close(Channel::Trade);
    let reports = rig.reports();
    assert_eq!(reports.len(), 2);
    for report in reports {
        assert_eq!((report.kind, report.origin), (ReportKind::Unknown, ReportOrigin::Local));
        assert_eq!(report.client_id, ORDER);
    }
    assert_eq!(
        rig.notices(),
        [VenueNotice::Readiness(Channel::Trade, crate::types::Readiness::Down)]
    );
    let late = rig.reply(id, fixture!("result_order_ack"));
    assert_eq!(late, Err(DecodeError::UnknownRequest));
    assert_eq!(rig.submit(CommandKind::New(order(Ioc))), Err(EncodeError::NotReady));
    assert_eq!(rig.submit(CommandKind::Cancel(cancel(VENUE_ID))), Err(EncodeError::NotReady));

    let mut rig = Rig::ready(SECRET, true);
    rig.submit(CommandKind::New(order(Ioc))).unwrap();
    let id = rig.requests()[0].id;
    rig.lose(id);
    assert_eq!(rig.report().kind, ReportKind::Unknown);
    rig.lose(id);
    assert!(rig.reports().is_empty());
}

#[test]
fn requests_that_never_left_are_refused_here_and_others_failed() {
    for (kind, told) in [
        (CommandKind::New(order(Ioc)), ReportKind::Rejected),
        (CommandKind::Cancel(cancel(VENUE_ID)), ReportKind::CancelRejected),
    ] {
        let mut rig = Rig::ready(SECRET, true);
        rig.submit(kind).unwrap();
        let id = rig.requests()[0].id;
        rig.drop_unsent(id);
        let report = rig.report();
        assert_eq!((report.kind, report.origin), (told, ReportOrigin::Local), "{kind:?}");
        assert_eq!((report.reason, report.client_id), (RejectReason::NotSent, ORDER));
        rig.drop_unsent(id);
        assert!(rig.reports().is_empty(), "told once");
        rig.pass(3_000 * MS);
        assert!(rig.reports().is_empty(), "and not unknown afterwards");
    }
    // Given up as unknown before: that it never left is still proof.
    let mut rig = Rig::ready(SECRET, true);
    rig.submit(CommandKind::New(order(Ioc))).unwrap();
    let id = rig.requests()[0].id;
    rig.pass(2_000 * MS);
    assert_eq!(rig.report().kind, ReportKind::Unknown);
    rig.drop_unsent(id);
    assert_eq!(rig.report().kind, ReportKind::Rejected);
    for kind in [CommandKind::Balances, CommandKind::Query(cancel(VENUE_ID))] {
        rig.submit(kind).unwrap();
        let id = rig.requests()[0].id;
        rig.drop_unsent(id);
        assert_eq!(rig.notices(), [VenueNotice::RequestFailed(0)]);
    }
}

#[test]
fn rate_limits_are_told_from_replies_and_headers() {
    let mut rig = Rig::ready(PEM, false);
    rig.submit(CommandKind::New(order(Ioc))).unwrap();
    let id = id_of(&rig.sent());
    let limits = r#"[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":100,"count":7},{"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,"limit":200000,"count":8},{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000,"count":9},{"rateLimitType":"NEW_KIND","interval":"HOUR","intervalNum":1,"limit":1,"count":1}]"#;
    let text = format!(
        r#"{{"id":{id},"status":200,"result":{},"rateLimits":{limits}}}"#,
        fixture!("result_order_ack")
    );
    rig.frame(Channel::Trade, &text).unwrap();
    let limit = |limit, used, allowed, seconds: u64| {
        let resets_ns = NOW.plus(seconds * 1_000 * MS);
        VenueNotice::RateLimit(RateLimitUse { limit, used, allowed, resets_ns })
    };
    // Windows end with the wall clock: it is 6 s past ten, 16 s past the minute.
    let day = 86_400 - NOW.0 / 1_000_000_000 % 86_400;
    let expected = [limit(1, 7, 100, 4), limit(2, 8, 200_000, day), limit(0, 9, 6000, 44)];
    assert_eq!(rig.notices(), expected);
    let mut rig = Rig::ready(SECRET, true);
    rig.submit(CommandKind::New(order(Ioc))).unwrap();
    let id = rig.requests()[0].id;
    let headers = "x-mbx-used-weight-1m: 9\r\nX-MBX-ORDER-COUNT-10S: 7\r\nX-MBX-ORDER-COUNT-1D: 8\r\nX-MBX-USED-WEIGHT: 9\r\n";
    rig.response(id, 200, headers, fixture!("result_order_ack")).unwrap();
    assert_eq!(rig.notices(), [limit(0, 9, 0, 44), limit(1, 7, 0, 4), limit(2, 8, 0, day)]);
}

#[test]
fn suspensions_and_bans_are_told_and_kept() {
    let text = |id, status| {
        format!(
            r#"{{"id":{id},"status":{status},"error":{{"code":-1003,"msg":"Way too much request weight used.","data":{{"serverTime":1795161256000,"retryAfter":1795161266000}}}}}}"#
        )
    };
    let until = NOW.plus(10_000 * MS);
    for (status, cancels) in [(429, Ok(())), (418, Err(EncodeError::RateLimited))] {
        let mut rig = Rig::ready(PEM, false);
        rig.submit(CommandKind::New(order(Ioc))).unwrap();
        let id = id_of(&rig.sent());
        rig.frame(Channel::Trade, &text(id, status)).unwrap();
        assert_eq!(rig.notices(), [VenueNotice::Suspended(until)]);
        assert_eq!(rig.report().reason, RejectReason::RateLimit);
        assert_eq!(rig.submit(CommandKind::New(order(Ioc))), Err(EncodeError::RateLimited));
        assert_eq!(rig.submit(CommandKind::Cancel(cancel(VENUE_ID))), cancels);
        rig.pass(10_000 * MS);
        assert_eq!(rig.submit(CommandKind::New(order(Ioc))), Ok(()));
    }
    let mut rig = Rig::ready(SECRET, true);
    rig.submit(CommandKind::New(order(Ioc))).unwrap();
    let id = rig.requests()[0].id;
    rig.response(id, 429, "Retry-After: 5\r\n", r#"{"code":-1003,"msg":"x"}"#).unwrap();
    assert_eq!(rig.notices(), [VenueNotice::Suspended(NOW.plus(5_000 * MS))]);
    // Too many orders stops new orders only.
    let mut rig = Rig::ready(PEM, false);
    rig.submit(CommandKind::New(order(Ioc))).unwrap();
    let id = id_of(&rig.sent());
    rig.refuse(id, 429, -1015, "Too many new orders; current limit is 50 orders per 10 SECOND.")
        .unwrap();
    assert_eq!(rig.report().reason, RejectReason::RateLimit);
    assert!(!rig.notices().iter().any(|notice| matches!(notice, VenueNotice::Suspended(_))));
}

#[test]
fn a_refused_timestamp_measures_the_clock_anew() {
    let mut rig = Rig::ready(PEM, false);
    rig.submit(CommandKind::New(order(Ioc))).unwrap();
    let id = id_of(&rig.sent());
    rig.refuse(id, 400, -1021, "Timestamp for this request is outside of the recvWindow.").unwrap();
    let report = rig.report();
    assert_eq!((report.kind, report.reason), (ReportKind::Rejected, RejectReason::BadTimestamp));
    let probe = rig.sent();
    let id = id_of(&probe);
    assert_eq!(probe, format!(r#"{{"id":{id},"method":"time"}}"#));
    rig.reply(id, r#"{"serverTime":1795161251000}"#).unwrap();
    let offset = VenueNotice::ClockOffset { offset_ns: -5_000_000_000, round_trip_ns: 0 };
    assert_eq!(rig.notices(), [offset]);
    rig.submit(CommandKind::New(order(Ioc))).unwrap();
    assert!(rig.sent().contains("\"timestamp\":1795161251000,"));
}

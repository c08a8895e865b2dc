//! Orders and cancels to exact posts, and what replies to them mean.

use super::*;
use crate::types::{CancelOrder, OrderState, RejectReason, ReportKind, ReportOrigin, VenueOrderId};
use crate::venues::hyperliquid::errors;

fn cancel() -> CancelOrder {
    CancelOrder { client_id: OURS, venue_order_id: VenueOrderId::EMPTY, instrument: BTC }
}

fn ok(status: &str) -> String {
    format!(r#"{{"status":"ok","response":{{"type":"order","data":{{"statuses":[{status}]}}}}}}"#)
}

#[test]
fn an_order_is_a_signed_post() {
    let mut bench = Bench::ready();
    bench.submit(CommandKind::New(order())).unwrap();
    let (id, frame) = bench.posted();
    assert!(id >= START.0, "unique across restarts");
    let payload = &frame["request"]["payload"];
    assert_eq!(frame["request"]["type"], "action");
    assert_eq!(
        payload["action"].to_string(),
        serde_json::json!({"type":"order","grouping":"na","orders":[{"a":0,"b":true,"c":CLOID,
            "p":"80000","r":false,"s":"0.02","t":{"limit":{"tif":"Gtc"}}}]})
        .to_string()
    );
    assert_eq!(payload["nonce"], START_MS);
    assert_eq!(payload["expiresAfter"], START_MS + 5_000);
    assert!(payload["vaultAddress"].is_null());
    let r = payload["signature"]["r"].as_str().unwrap();
    assert!(r.len() == 66 && r.starts_with("0x"));
    // A second one in the same millisecond has a nonce of its own.
    bench.submit(CommandKind::Cancel(cancel())).unwrap();
    let (_, frame) = bench.posted();
    let payload = &frame["request"]["payload"];
    assert_eq!(payload["nonce"], START_MS + 1);
    assert!(payload["expiresAfter"].is_null(), "a cancel may come late");
    assert_eq!(payload["action"]["cancels"][0]["cloid"], CLOID);
}

#[test]
fn nonces_follow_the_venues_clock() {
    let mut bench = Bench::trading(setup());
    // Ours was set back by an hour.
    bench.now = Nanos(START.0 - 3_600_000 * MS);
    bench.open(Channel::Rest);
    bench.answer_start();
    bench.open(Channel::Trade);
    bench.sent();
    bench.submit(CommandKind::New(order())).unwrap();
    let (_, frame) = bench.posted();
    assert_eq!(frame["request"]["payload"]["nonce"], START_MS);
}

#[test]
fn an_order_that_rests_is_accepted() {
    let mut bench = Bench::ready();
    let id = bench.post(CommandKind::New(order()));
    bench.reply(id, &fixture("rest_exchange_order_resting")).unwrap();
    let expected = ExecutionReport {
        side: Side::Buy,
        price: Price(800_000),
        qty: Qty(2_000_000),
        venue_order_id: VenueOrderId::from_u64(77_738_308),
        recv_ns: START,
        ..ExecutionReport::new(ReportKind::Accepted, ReportOrigin::Reply, OURS, BTC)
    };
    assert_eq!(bench.report(), expected);
    assert_eq!(bench.reply(id, "{}"), Err(DecodeError::UnknownRequest), "answered");
}

#[test]
fn what_was_filled_at_once_is_told_in_sum() {
    let mut bench = Bench::ready();
    let id = bench.post(CommandKind::New(order()));
    bench.reply(id, &fixture("rest_exchange_order_filled")).unwrap();
    let report = bench.report();
    assert_eq!((report.kind, report.cumulative_qty), (ReportKind::Progress, Some(Qty(2_000_000))));
    assert_eq!(report.venue_order_id, VenueOrderId::from_u64(77_747_314));
    // What an order that takes could not fill is gone.
    let ioc = NewOrder { time_in_force: TimeInForce::Ioc, qty: Qty(3_000_000), ..order() };
    let id = bench.post(CommandKind::New(ioc));
    bench.reply(id, &fixture("rest_exchange_order_filled")).unwrap();
    let report = bench.report();
    assert_eq!((report.kind, report.reason), (ReportKind::Expired, RejectReason::TimeInForce));
    assert_eq!(report.cumulative_qty, Some(Qty(2_000_000)));
    let id = bench.post(CommandKind::New(ioc));
    let nothing = "Order could not immediately match against any resting orders.";
    bench.reply(id, &ok(&format!(r#"{{"error":"{nothing}"}}"#))).unwrap();
    let report = bench.report();
    assert_eq!((report.kind, report.cumulative_qty), (ReportKind::Expired, Some(Qty(0))));
}

#[test]
fn ok_may_hold_a_refusal() {
    let mut bench = Bench::ready();
    let id = bench.post(CommandKind::New(order()));
    bench.reply(id, &fixture("rest_exchange_order_error_min_value")).unwrap();
    let report = bench.report();
    assert_eq!(
        (report.kind, report.reason),
        (ReportKind::Rejected, RejectReason::BelowMinNotional)
    );
    assert_eq!(report.venue_code, 2);
}

#[test]
fn whole_requests_are_refused_for_keys_and_nonces() {
    for (name, kind, reason, code) in [
        (
            "rest_exchange_err_unknown_wallet",
            ReportKind::Rejected,
            RejectReason::Unauthorized,
            errors::NO_WALLET,
        ),
        (
            "rest_exchange_err_unable_to_recover",
            ReportKind::Rejected,
            RejectReason::Unauthorized,
            errors::NO_SIGNER,
        ),
        (
            "rest_exchange_err_duplicate_nonce",
            ReportKind::Unknown,
            RejectReason::DuplicateId,
            errors::DUPLICATE_NONCE,
        ),
    ] {
        let mut bench = Bench::ready();
        let id = bench.post(CommandKind::New(order()));
        bench.reply(id, &fixture(name)).unwrap();
        let mut events = bench.take();
        let Some(Event::Report(report)) = events.pop() else { panic!("{events:?}") };
        assert_eq!((report.kind, report.reason, report.venue_code), (kind, reason, code));
        let told = Event::Notice(VenueNotice::LoginRefused(Channel::Trade, code));
        assert_eq!(events.contains(&told), code != errors::DUPLICATE_NONCE);
    }
}

#[test]
fn an_account_without_actions_pauses() {
    let mut bench = Bench::ready();
    let id = bench.post(CommandKind::New(order()));
    let text = r#"{"status":"err","response":"Too many cumulative requests sent (3 > 2) for cumulative volume traded $1."}"#;
    bench.reply(id, text).unwrap();
    let events = bench.take();
    assert_eq!(events[0], Event::Notice(VenueNotice::Suspended(START.plus(10_000 * MS))));
    assert!(matches!(events[1], Event::Report(report) if report.reason == RejectReason::RateLimit));
}

#[test]
fn cancels_are_proved_by_their_reply() {
    let mut bench = Bench::ready();
    let id = bench.post(CommandKind::Cancel(cancel()));
    bench.reply(id, &fixture("rest_exchange_cancel_success")).unwrap();
    assert_eq!(bench.report().kind, ReportKind::Canceled);
    let id = bench.post(CommandKind::Cancel(cancel()));
    bench.reply(id, &fixture("rest_exchange_cancel_error")).unwrap();
    let report = bench.report();
    assert_eq!(
        (report.kind, report.reason),
        (ReportKind::CancelRejected, RejectReason::UnknownOrder)
    );
    // An order of somebody else is known by the venue's number alone.
    let other = CancelOrder {
        client_id: ClientOrderId::NONE,
        venue_order_id: VenueOrderId::from_u64(77),
        instrument: ETH,
    };
    bench.submit(CommandKind::Cancel(other)).unwrap();
    let (_, frame) = bench.posted();
    let action = &frame["request"]["payload"]["action"];
    assert_eq!(action["cancels"][0], serde_json::json!({"a":1,"o":77}));
    let bad = CancelOrder { venue_order_id: VenueOrderId::new("x7").unwrap(), ..other };
    assert!(matches!(bench.submit(CommandKind::Cancel(bad)), Err(EncodeError::NotExpressible(_))));
}

#[test]
fn what_the_stream_showed_first_is_not_told_again() {
    let mut bench = Bench::ready();
    let id = bench.post(CommandKind::Cancel(cancel()));
    let row =
        fixture("ws_orderupdates_canceled").replace("0xa1f0cddc17303d07f3fd128d5b35071d", CLOID);
    bench.private(&row).unwrap();
    assert_eq!(bench.report().kind, ReportKind::Canceled);
    bench.reply(id, &fixture("rest_exchange_cancel_success")).unwrap();
    assert!(bench.take().is_empty());
}

#[test]
fn silence_and_loss_make_unknown_and_a_late_reply_is_proof() {
    let mut bench = Bench::ready();
    let id = bench.post(CommandKind::New(order()));
    bench.pass(999);
    assert!(bench.take().is_empty());
    bench.pass(1);
    let report = bench.report();
    assert_eq!((report.kind, report.origin), (ReportKind::Unknown, ReportOrigin::Local));
    bench.reply(id, &fixture("rest_exchange_order_resting")).unwrap();
    assert_eq!(bench.report().kind, ReportKind::Accepted);
    bench.post(CommandKind::New(NewOrder { client_id: ClientOrderId(0x1235), ..order() }));
    bench.close(Channel::Trade);
    let events = bench.take();
    assert!(
        events.iter().any(
            |event| matches!(event, Event::Report(report) if report.kind == ReportKind::Unknown)
        )
    );
    assert_eq!(bench.submit(CommandKind::New(order())), Err(EncodeError::NotReady));
    // What works must be stoppable.
    let (_, body) = bench.ask(CommandKind::Cancel(cancel()));
    assert!(body.contains(r#""type":"cancelByCloid""#));
}

#[test]
fn replies_that_are_not_understood_prove_nothing() {
    for payload in [
        "{}",
        "[]",
        r#"{"status":"ok"}"#,
        r#"{"status":"ok","response":{"type":"order","data":{"statuses":[]}}}"#,
        r#"{"status":"ok","response":{"type":"order","data":{"statuses":[{}]}}}"#,
        r#"{"status":"ok","response":{"type":"order","data":{"statuses":["what"]}}}"#,
        r#"{"status":"what","response":{"type":"default"}}"#,
        r#"{"status":"err","response":{"type":"default"}}"#,
        r#"{"status":"err","response":"L1 error: x"}"#,
    ] {
        let mut bench = Bench::ready();
        let id = bench.post(CommandKind::New(order()));
        bench.reply(id, payload).unwrap();
        let report = bench.report();
        assert_eq!(
            (report.kind, report.venue_code),
            (ReportKind::Unknown, errors::STRANGE),
            "{payload}"
        );
    }
    let mut bench = Bench::ready();
    let id = bench.post(CommandKind::New(order()));
    let text = format!(
        r#"{{"channel":"post","data":{{"id":{id},"response":{{"type":"error","payload":"429 Too Many Requests"}}}}}}"#
    );
    bench.text(Channel::Trade, &text).unwrap();
    let events = bench.take();
    assert!(matches!(events[0], Event::Notice(VenueNotice::Suspended(_))));
    assert!(matches!(events[1], Event::Report(report) if report.venue_code == -429));
    for (text, error) in [
        (r#"{"channel":"post","data":{"id":1,"response":{}}}"#, DecodeError::UnknownRequest),
        (r#"{"channel":"post","data":{"response":{}}}"#, DecodeError::Missing("id")),
        (r#"{"channel":"error","data":"Error parsing JSON"}"#, DecodeError::Invalid("error")),
        (r#"{"channel":"l2Book"}"#, DecodeError::UnknownKind),
    ] {
        assert_eq!(bench.text(Channel::Trade, text), Err(error), "{text}");
    }
    assert_eq!(bench.text(Channel::Trade, &fixture("ws_pong")), Ok(()));
}

#[test]
fn what_cannot_be_expressed_is_refused_before_it_is_signed() {
    let mut bench = Bench::ready();
    for order in [
        NewOrder { price: Price(800_005), ..order() },
        NewOrder { qty: Qty(2_000_100), ..order() },
        NewOrder { order_type: OrderType::Market, ..order() },
        NewOrder { instrument: PAIR, reduce_only: true, ..order() },
    ] {
        let refused = bench.submit(CommandKind::New(order));
        assert!(matches!(refused, Err(EncodeError::NotExpressible(_))), "{order:?}");
    }
    let unknown = NewOrder { instrument: InstrumentId(9), ..order() };
    assert_eq!(bench.submit(CommandKind::New(unknown)), Err(EncodeError::UnknownInstrument));
    assert!(bench.sent().is_empty());
    // A price of six figures is fine if it is whole.
    bench.submit(CommandKind::New(NewOrder { price: Price(1_234_560), ..order() })).unwrap();
    let mut bench = Bench::trading(setup());
    bench.open(Channel::Trade);
    assert_eq!(bench.submit(CommandKind::New(order())), Err(EncodeError::NotReady));
}

#[test]
fn at_most_sixty_four_posts_are_under_way() {
    let mut bench = Bench::ready();
    bench.out = Outbox::with_capacity(128, 65_536);
    let numbered = |number| NewOrder { client_id: ClientOrderId(number), ..order() };
    for number in 1..=64 {
        bench.submit(CommandKind::New(numbered(number))).unwrap();
    }
    assert_eq!(bench.submit(CommandKind::New(numbered(65))), Err(EncodeError::Full));
}

#[test]
fn orders_over_rest_are_posted_to_the_other_path() {
    let mut bench = Bench::ready_with(VenueSetup { orders_over_rest: true, ..setup() });
    bench.submit(CommandKind::New(order())).unwrap();
    let requests = bench.requests();
    assert_eq!(requests[0].1, "/exchange");
    assert!(requests[0].2.starts_with(r#"{"action":{"type":"order","orders":[{"a":0,"#));
    bench.answer(requests[0].0, &fixture("rest_exchange_order_resting_current_oid")).unwrap();
    assert_eq!(bench.report().venue_order_id, VenueOrderId::from_u64(556_696_349_186));
    for (status, kind) in
        [(429, ReportKind::Rejected), (422, ReportKind::Rejected), (502, ReportKind::Unknown)]
    {
        bench.submit(CommandKind::New(order())).unwrap();
        let id = bench.requests()[0].0;
        bench.respond(id, status, "no").unwrap();
        let report = bench.take().into_iter().find_map(|event| match event {
            Event::Report(report) => Some((report.kind, report.venue_code)),
            _ => None,
        });
        assert_eq!(report, Some((kind, -i32::from(status))));
    }
    bench.submit(CommandKind::New(order())).unwrap();
    let id = RequestId(bench.requests()[0].0);
    let (out, events) = (&mut bench.out, &mut bench.events);
    bench.connector.on_request_unsent(id, bench.now, out, events);
    let report = bench.report();
    assert_eq!((report.kind, report.reason), (ReportKind::Rejected, RejectReason::NotSent));
    // What never left holds no slot: another order takes it, and can be changed.
    let other = ClientOrderId(OURS.0 + 1024);
    bench.submit(CommandKind::New(NewOrder { client_id: other, ..order() })).unwrap();
    let id = bench.requests()[0].0;
    bench.answer(id, &fixture("rest_exchange_order_resting")).unwrap();
    let terms = crate::types::ReplaceOrder {
        client_id: other,
        venue_order_id: VenueOrderId::EMPTY,
        instrument: BTC,
        price: Price(800_010),
        qty: Qty(2_000_000),
    };
    assert_eq!(bench.submit(CommandKind::Replace(terms)), Ok(()));
    let _ = OrderState::Open;
}

#[test]
fn a_vault_is_named_and_hashed() {
    let credentials = Credentials {
        key: format!("vault:{ACCOUNT}"),
        secret: Secret::new(KEY.to_owned()),
        passphrase: None,
    };
    let mut bench = Bench::ready_with(VenueSetup { credentials: Some(credentials), ..setup() });
    bench.submit(CommandKind::New(order())).unwrap();
    let (_, frame) = bench.posted();
    assert_eq!(frame["request"]["payload"]["vaultAddress"], ACCOUNT);
}

#[test]
fn prepared_numbers_are_made_apart_from_orders() {
    let mut bench = Bench::ready_with(VenueSetup { prepared_nonces: 2, ..setup() });
    bench.pass(10);
    for _ in 0..3 {
        let id = bench.post(CommandKind::New(order()));
        bench.reply(id, &fixture("rest_exchange_order_resting")).unwrap();
    }
    let due = bench.connector.deadline().unwrap();
    assert_eq!(due, bench.now.plus(MS), "after the last one");
}

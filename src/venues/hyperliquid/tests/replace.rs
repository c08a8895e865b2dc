//! A replaced order is another one to the venue: one order here, whatever comes first.

use super::*;
use crate::types::{CancelOrder, RejectReason, ReplaceOrder, ReportKind, VenueOrderId};

fn replace() -> CommandKind {
    CommandKind::Replace(ReplaceOrder {
        client_id: OURS,
        venue_order_id: VenueOrderId::from_u64(7),
        instrument: BTC,
        price: Price(799_990),
        qty: Qty(3_000_000),
    })
}

fn status(oid: u64, size: (&str, &str), price: &str, status: &str) -> String {
    let (left, total) = size;
    format!(
        r#"{{"channel":"orderUpdates","data":[{{"order":{{"coin":"BTC","side":"B","limitPx":"{price}","sz":"{left}","oid":{oid},"timestamp":1,"origSz":"{total}","cloid":"{CLOID}"}},"status":"{status}","statusTimestamp":2}}]}}"#
    )
}

fn resting(oid: u64) -> String {
    format!(
        r#"{{"status":"ok","response":{{"type":"order","data":{{"statuses":[{{"resting":{{"oid":{oid}}}}}]}}}}}}"#
    )
}

/// An order that rests as number 7, and a replace of it under way.
fn under_way() -> (Bench, u64) {
    let mut bench = Bench::ready();
    let id = bench.post(CommandKind::New(NewOrder { post_only: true, ..order() }));
    bench.reply(id, &resting(7)).unwrap();
    bench.take();
    bench.submit(replace()).unwrap();
    let (id, frame) = bench.posted();
    let action = &frame["request"]["payload"]["action"];
    let expected = serde_json::json!({"type":"batchModify","modifies":[{"oid":7,"order":{"a":0,
        "b":true,"c":CLOID,"p":"79999","r":false,"s":"0.03","t":{"limit":{"tif":"Alo"}}}}]});
    assert_eq!(action, &expected);
    (bench, id)
}

const OLD: (&str, &str) = ("0.02", "0.02");
const NEW: (&str, &str) = ("0.03", "0.03");

#[test]
fn the_end_of_the_old_number_is_no_end() {
    // The stream first, in both orders; or the reply first.
    for steps in [
        ["canceled", "open", "reply"],
        ["open", "canceled", "reply"],
        ["reply", "open", "canceled"],
        ["canceled", "reply", "open"],
    ] {
        let (mut bench, id) = under_way();
        let mut kinds = Vec::new();
        for step in steps {
            match step {
                "canceled" => bench.private(&status(7, OLD, "80000.0", "canceled")).unwrap(),
                "open" => bench.private(&status(8, NEW, "79999.0", "open")).unwrap(),
                _ => bench.reply(id, &resting(8)).unwrap(),
            }
            for report in bench.reports() {
                assert_eq!(report.venue_order_id, VenueOrderId::from_u64(8), "{steps:?}");
                assert_eq!((report.client_id, report.qty), (OURS, Qty(3_000_000)));
                kinds.push(report.kind);
            }
        }
        assert_eq!(kinds[0], ReportKind::Replaced, "{steps:?}");
        assert!(!kinds.contains(&ReportKind::Canceled), "{steps:?}");
    }
}

/// The stream was behind by two replaces: it told of the end of the first number once the replies had
/// named the third, and the order that worked was taken for dead.
#[test]
fn the_late_end_of_a_number_before_the_last_is_no_end() {
    let (mut bench, id) = under_way();
    bench.reply(id, &resting(8)).unwrap();
    let id = bench.post(replace());
    bench.reply(id, &resting(9)).unwrap();
    let kinds: Vec<_> = bench.reports().iter().map(|report| report.kind).collect();
    assert_eq!(kinds, [ReportKind::Replaced; 2]);
    for (oid, size, name) in [
        (7, ("0.015", "0.02"), "canceled"),
        (8, NEW, "open"),
        (8, ("0.02", "0.03"), "canceled"),
        (7, OLD, "open"),
    ] {
        bench.private(&status(oid, size, "79999.0", name)).unwrap();
        assert!(bench.take().is_empty(), "{oid} {name}");
    }
    bench.private(&status(9, NEW, "79999.0", "open")).unwrap();
    let report = bench.report();
    assert_eq!(report.venue_order_id, VenueOrderId::from_u64(9));
    assert_eq!(report.kind, ReportKind::Accepted);
    assert_eq!(report.cumulative_qty, Some(Qty(1_500_000)), "0.005 and 0.01 under old numbers");
    bench.private(&status(9, NEW, "79999.0", "canceled")).unwrap();
    assert_eq!(bench.report().kind, ReportKind::Canceled);
}

/// Of a number that nobody knows only the life counts, not the end.
#[test]
fn the_end_of_an_unknown_number_ends_nothing() {
    let (mut bench, id) = under_way();
    bench.reply(id, &resting(8)).unwrap();
    for oid in 9..14 {
        let id = bench.post(replace());
        bench.reply(id, &resting(oid)).unwrap();
    }
    bench.take();
    let forgotten = bench.private(&status(7, OLD, "80000.0", "canceled"));
    assert_eq!(forgotten, Err(DecodeError::Invalid("oid")), "counted");
    assert!(bench.take().is_empty());
    // It goes on under a number that somebody else gave it.
    bench.private(&status(20, NEW, "79990.0", "open")).unwrap();
    assert_eq!(bench.report().venue_order_id, VenueOrderId::from_u64(20));
    bench.private(&status(13, NEW, "79999.0", "canceled")).unwrap();
    assert!(bench.take().is_empty());
    // The new terms had a number and were refused: that says nothing of the old ones.
    let (mut bench, id) = under_way();
    bench.private(&status(8, NEW, "79999.0", "badAloPxRejected")).unwrap();
    assert!(bench.take().is_empty());
    let refused = r#"{"status":"ok","response":{"type":"order","data":{"statuses":[{"error":"Post only order would have immediately matched, bbo was 1@2."}]}}}"#;
    bench.reply(id, refused).unwrap();
    assert_eq!(bench.report().kind, ReportKind::Unknown);
}

/// A list that is older than the stream names the number before.
#[test]
fn a_list_does_not_take_an_order_back_to_an_old_number() {
    let (mut bench, _) = under_way();
    bench.private(&status(8, NEW, "79990.0", "open")).unwrap();
    bench.pass(1_000);
    bench.take();
    let query = CommandKind::Query(CancelOrder {
        client_id: OURS,
        venue_order_id: VenueOrderId::from_u64(7),
        instrument: BTC,
    });
    let (id, body) = bench.ask(query);
    assert!(body.contains("frontendOpenOrders"));
    let row = format!(
        r#"[{{"coin":"BTC","side":"B","limitPx":"80000.0","sz":"0.02","oid":7,"timestamp":1,"origSz":"0.02","tif":"Alo","cloid":"{CLOID}"}}]"#
    );
    bench.answer(id, &row).unwrap();
    assert_eq!(bench.report().kind, ReportKind::Unknown);
}

#[test]
fn what_was_filled_meanwhile_counts_on() {
    let (mut bench, id) = under_way();
    bench.private(&status(7, ("0.015", "0.02"), "80000.0", "canceled")).unwrap();
    bench.reply(id, &resting(8)).unwrap();
    let report = bench.report();
    assert_eq!((report.kind, report.qty), (ReportKind::Replaced, Qty(3_500_000)));
    bench.private(&status(8, ("0.01", "0.03"), "79999.0", "open")).unwrap();
    let report = bench.report();
    assert_eq!((report.qty, report.cumulative_qty), (Qty(3_500_000), Some(Qty(2_500_000))));
}

#[test]
fn refused_replaces_leave_no_doubt_or_say_so() {
    let refused = |text: &str| {
        format!(
            r#"{{"status":"ok","response":{{"type":"order","data":{{"statuses":[{{"error":"{text}"}}]}}}}}}"#
        )
    };
    let (mut bench, id) = under_way();
    bench.reply(id, &refused("Cannot modify canceled or filled order")).unwrap();
    let report = bench.report();
    assert_eq!(
        (report.kind, report.reason),
        (ReportKind::ReplaceRejected, RejectReason::UnknownOrder)
    );
    // The new terms were refused: does the old order work?
    let (mut bench, id) = under_way();
    bench
        .reply(id, &refused("Post only order would have immediately matched, bbo was 1@2."))
        .unwrap();
    assert_eq!(bench.report().kind, ReportKind::Unknown);
    // It does not: its end came before.
    let (mut bench, id) = under_way();
    bench.private(&status(7, OLD, "80000.0", "canceled")).unwrap();
    bench
        .reply(id, &refused("Post only order would have immediately matched, bbo was 1@2."))
        .unwrap();
    let report = bench.report();
    assert_eq!((report.kind, report.cumulative_qty), (ReportKind::Canceled, Some(Qty(0))));
    // The whole request was refused: nothing was done.
    let (mut bench, id) = under_way();
    bench.reply(id, r#"{"status":"err","response":"Invalid nonce: too old"}"#).unwrap();
    assert_eq!(bench.report().kind, ReportKind::ReplaceRejected);
}

#[test]
fn a_replace_that_could_fill_too_much_is_refused() {
    let mut bench = Bench::ready();
    let refuse = |bench: &mut Bench, why: &str| match bench.submit(replace()) {
        Err(EncodeError::NotExpressible(text)) => assert!(text.contains(why), "{text}"),
        other => panic!("{other:?}"),
    };
    refuse(&mut bench, "not known here");
    let id = bench.post(CommandKind::New(order()));
    refuse(&mut bench, "number");
    bench.reply(id, &resting(7)).unwrap();
    bench.private(&status(7, ("0.01", "0.02"), "80000.0", "open")).unwrap();
    refuse(&mut bench, "filled");
    let (mut bench, _) = under_way();
    refuse(&mut bench, "another replace");
}

#[test]
fn an_unknown_replace_is_looked_for_among_what_works() {
    let (mut bench, _) = under_way();
    bench.pass(1_000);
    assert_eq!(bench.report().kind, ReportKind::Unknown);
    let query = CommandKind::Query(CancelOrder {
        client_id: OURS,
        venue_order_id: VenueOrderId::from_u64(7),
        instrument: BTC,
    });
    let (id, body) = bench.ask(query);
    assert!(body.contains("frontendOpenOrders"));
    let row = |oid| {
        format!(
            r#"[{{"coin":"BTC","side":"B","limitPx":"79999.0","sz":"0.03","oid":{oid},"timestamp":1,"origSz":"0.03","tif":"Alo","cloid":"{CLOID}"}}]"#
        )
    };
    bench.answer(id, &row(8)).unwrap();
    let report = bench.report();
    assert_eq!(
        (report.kind, report.venue_order_id),
        (ReportKind::Status, VenueOrderId::from_u64(8))
    );
    // It is settled: the next query asks for the order itself.
    let (_, body) = bench.ask(query);
    assert!(body.contains(r#""type":"orderStatus""#) && body.contains(r#""oid":8"#));
    // Nothing works, but it may still be on its way: for as long as it may be.
    for (window_ms, later) in [(5_000, 10_000), (60_000, 62_000)] {
        let mut bench = Bench::ready_with(VenueSetup { recv_window_ms: window_ms, ..setup() });
        let id = bench.post(CommandKind::New(order()));
        bench.reply(id, &resting(7)).unwrap();
        bench.post(replace());
        bench.pass(later - 1);
        bench.take();
        let (id, _) = bench.ask(query);
        bench.answer(id, "[]").unwrap();
        assert_eq!(bench.reports().last().map(|report| report.kind), Some(ReportKind::Unknown));
        bench.pass(1);
        let (id, _) = bench.ask(query);
        bench.answer(id, "[]").unwrap();
        assert!(bench.asked().1.contains("orderStatus"), "{window_ms}");
    }
    let (mut bench, _) = under_way();
    bench.pass(1_000);
    bench.take();
    let (id, _) = bench.ask(query);
    bench.answer(id, "[]").unwrap();
    assert_eq!(bench.report().kind, ReportKind::Unknown);
    bench.pass(10_000);
    let (id, _) = bench.ask(query);
    bench.answer(id, "[]").unwrap();
    let (id, body) = bench.asked();
    assert!(body.contains(CLOID));
    bench.answer(id, &format!(r#"{{"status":"order","order":{{"order":{{"coin":"BTC","side":"B","limitPx":"80000.0","sz":"0.02","oid":7,"timestamp":1,"origSz":"0.02","cloid":"{CLOID}"}},"status":"canceled","statusTimestamp":3}}}}"#)).unwrap();
    let report = bench.report();
    assert_eq!(
        (report.kind, report.state),
        (ReportKind::Status, crate::types::OrderState::Canceled)
    );
}

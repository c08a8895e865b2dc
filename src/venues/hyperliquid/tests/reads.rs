//! Queries and lists over REST.

use super::*;
use crate::types::{
    CancelOrder, FillId, FundingPayment, OrderState, RejectReason, ReplaceOrder, ReportKind,
    ReportOrigin, VenueOrderId,
};
use crate::venues::hyperliquid::errors;

fn query(oid: &str) -> CommandKind {
    let venue_order_id = VenueOrderId::new(oid).unwrap();
    CommandKind::Query(CancelOrder { client_id: OURS, venue_order_id, instrument: BTC })
}

fn found(status: &str) -> String {
    format!(
        r#"{{"status":"order","order":{{"order":{{"coin":"BTC","side":"B","limitPx":"80000.0","sz":"0.015","oid":7,"timestamp":1,"origSz":"0.02","cloid":"{CLOID}"}},"status":"{status}","statusTimestamp":3}}}}"#
    )
}

#[test]
fn one_order_is_asked_for_by_its_number_or_ours() {
    let mut bench = Bench::ready();
    let (id, body) = bench.ask(query(""));
    assert_eq!(body, format!(r#"{{"type":"orderStatus","user":"{SIGNER}","oid":"{CLOID}"}}"#));
    bench.answer(id, &found("open")).unwrap();
    let expected = ExecutionReport {
        venue_order_id: VenueOrderId::from_u64(7),
        state: OrderState::PartiallyFilled,
        price: Price(800_000),
        qty: Qty(2_000_000),
        cumulative_qty: Some(Qty(500_000)),
        event_ns: Nanos(3 * MS),
        recv_ns: START,
        ..ExecutionReport::new(ReportKind::Status, ReportOrigin::Query, OURS, BTC)
    };
    assert_eq!(bench.report(), expected);
    // One of a run before may have another number by now: what works is looked for first.
    let (id, body) = bench.ask(query("6"));
    assert!(body.contains("frontendOpenOrders"), "{body}");
    bench.answer(id, "[]").unwrap();
    let (id, body) = bench.asked();
    assert!(body.ends_with(&format!(r#","oid":"{CLOID}"}}"#)), "{body}");
    bench.answer(id, &found("canceled")).unwrap();
    assert_eq!(bench.report().state, OrderState::Canceled);
    let (id, _) = bench.ask(query("6"));
    let row = format!(
        r#"[{{"coin":"BTC","side":"B","limitPx":"80000.0","sz":"0.02","oid":7,"timestamp":1,"origSz":"0.02","tif":"Alo","cloid":"{CLOID}"}}]"#
    );
    bench.answer(id, &row).unwrap();
    let report = bench.report();
    assert_eq!((report.state, report.venue_order_id.as_str()), (OrderState::Open, "7"));
    // Whose order is not ours has no other number.
    let CommandKind::Query(theirs) = query("7") else { panic!() };
    let theirs = CancelOrder { client_id: ClientOrderId::NONE, ..theirs };
    let (_, body) = bench.ask(CommandKind::Query(theirs));
    assert!(body.ends_with(r#","oid":7}"#), "{body}");
}

#[test]
fn absence_proves_something_only_later() {
    let mut bench = Bench::ready();
    bench.post(CommandKind::New(order()));
    bench.pass(1_000);
    assert_eq!(bench.report().kind, ReportKind::Unknown);
    for (wait, kind) in [(0, ReportKind::Unknown), (9_000, ReportKind::NotFound)] {
        bench.pass(wait);
        let (id, _) = bench.ask(query(""));
        bench.answer(id, &fixture("rest_order_status_unknown")).unwrap();
        assert_eq!(bench.report().kind, kind);
    }
    for (body, error) in [
        ("{}", DecodeError::Missing("status")),
        (r#"{"status":"order"}"#, DecodeError::Missing("order")),
        (r#"{"status":"other"}"#, DecodeError::Invalid("status")),
    ] {
        let (id, _) = bench.ask(query(""));
        assert_eq!(bench.answer(id, body), Err(error));
        let report = bench.report();
        assert_eq!((report.kind, report.venue_code), (ReportKind::Unknown, errors::STRANGE));
    }
    // Another order than was asked for.
    let (id, _) = bench.ask(query(""));
    assert_eq!(
        bench.answer(id, &found("open").replace("1234", "1235")),
        Err(DecodeError::Invalid("oid"))
    );
}

#[test]
fn a_row_of_the_venues_template_is_read() {
    let mut bench = Bench::ready();
    let query = CommandKind::Query(CancelOrder {
        client_id: ClientOrderId::NONE,
        venue_order_id: VenueOrderId::from_u64(1),
        instrument: ETH,
    });
    let (id, _) = bench.ask(query);
    bench.answer(id, &fixture("rest_order_status_filled_template")).unwrap();
    let report = bench.report();
    assert_eq!((report.state, report.side), (OrderState::Filled, Side::Sell));
    assert_eq!(report.cumulative_qty, Some(Qty(760_000)));
}

#[test]
fn open_orders_are_those_of_one_instrument() {
    let mut bench = Bench::ready();
    let (id, body) = bench.ask(CommandKind::OpenOrders(BTC));
    assert_eq!(body, format!(r#"{{"type":"frontendOpenOrders","user":"{SIGNER}"}}"#));
    let btc = fixture("rest_frontend_open_orders_one");
    let hype = fixture("rest_frontend_open_orders_spot");
    let both = format!(
        "{},{}",
        btc.trim_end().strip_suffix(']').unwrap(),
        hype.strip_prefix('[').unwrap()
    );
    bench.answer(id, &both).unwrap();
    let events = bench.take();
    let Event::Report(report) = events[0] else { panic!("{events:?}") };
    assert_eq!((report.kind, report.state), (ReportKind::Status, OrderState::Open));
    assert_eq!((report.price, report.qty), (Price(317_950), Qty(37_000)));
    assert_eq!(events[1..], [Event::Notice(VenueNotice::OpenOrdersEnd(BTC))]);
    // A list with a row that is not understood is not whole.
    let (id, _) = bench.ask(CommandKind::OpenOrders(BTC));
    assert_eq!(bench.answer(id, &btc.replace("\"B\"", "\"X\"")), Err(DecodeError::Invalid("side")));
    assert_eq!(bench.take(), [Event::Notice(VenueNotice::RequestFailed(errors::STRANGE))]);
}

/// Slots of orders of which no end was told stayed taken: a later order with the same low bits could
/// not be changed.
#[test]
fn an_order_that_never_was_leaves_its_slot() {
    let other = ClientOrderId(OURS.0 + 1024);
    let changed = |bench: &mut Bench, id: ClientOrderId| {
        let post = bench.post(CommandKind::New(NewOrder { client_id: id, ..order() }));
        bench.reply(post, &fixture("rest_exchange_order_resting")).unwrap();
        bench.take();
        let venue_order_id = VenueOrderId::EMPTY;
        let (instrument, price, qty) = (BTC, Price(800_010), Qty(2_000_000));
        let terms = ReplaceOrder { client_id: id, venue_order_id, instrument, price, qty };
        bench.submit(CommandKind::Replace(terms))
    };
    // It was never placed.
    let mut bench = Bench::ready();
    bench.post(CommandKind::New(order()));
    bench.pass(10_000);
    bench.take();
    let (id, _) = bench.ask(query(""));
    bench.answer(id, &fixture("rest_order_status_unknown")).unwrap();
    assert_eq!(bench.report().kind, ReportKind::NotFound);
    assert_eq!(changed(&mut bench, other), Ok(()));
    // Its end was told, and then its beginning.
    let mut bench = Bench::ready();
    let update = |status: &str| {
        format!(
            r#"{{"channel":"orderUpdates","data":[{{"order":{{"coin":"BTC","side":"B","limitPx":"80000.0","sz":"0.02","oid":7,"timestamp":1,"origSz":"0.02","cloid":"{CLOID}"}},"status":"{status}","statusTimestamp":2}}]}}"#
        )
    };
    bench.post(CommandKind::New(order()));
    bench.private(&update("canceled")).unwrap();
    bench.private(&update("open")).unwrap();
    bench.take();
    assert_eq!(changed(&mut bench, other), Ok(()));
    // It was filled at once as far as it could be.
    let mut bench = Bench::ready();
    let ioc = NewOrder { time_in_force: TimeInForce::Ioc, qty: Qty(3_000_000), ..order() };
    let post = bench.post(CommandKind::New(ioc));
    bench.reply(post, &fixture("rest_exchange_order_filled")).unwrap();
    assert_eq!(bench.report().kind, ReportKind::Expired);
    assert_eq!(changed(&mut bench, other), Ok(()));
}

#[test]
fn an_order_of_an_earlier_run_can_be_replaced_once_listed() {
    let mut bench = Bench::ready();
    let row = format!(
        r#"[{{"coin":"BTC","side":"A","limitPx":"80000.0","sz":"0.02","oid":7,"timestamp":1,"origSz":"0.02","tif":"Alo","reduceOnly":true,"cloid":"{CLOID}"}}]"#
    );
    let (id, _) = bench.ask(CommandKind::OpenOrders(BTC));
    bench.answer(id, &row).unwrap();
    bench
        .submit(CommandKind::Replace(crate::types::ReplaceOrder {
            client_id: OURS,
            venue_order_id: VenueOrderId::EMPTY,
            instrument: BTC,
            price: Price(800_010),
            qty: Qty(2_000_000),
        }))
        .unwrap();
    let (_, frame) = bench.posted();
    let modify = &frame["request"]["payload"]["action"]["modifies"][0];
    assert_eq!((&modify["oid"], &modify["order"]["b"]), (&7.into(), &false.into()));
    assert_eq!(
        (&modify["order"]["r"], &modify["order"]["t"]["limit"]["tif"]),
        (&true.into(), &"Alo".into())
    );
}

fn since(from_ns: Nanos, from_id: &str) -> CommandKind {
    CommandKind::FillsSince { instrument: BTC, from_id: FillId::new(from_id).unwrap(), from_ns }
}

fn row(time: u64, tid: u64) -> String {
    format!(
        r#"{{"coin":"BTC","px":"80000.0","sz":"0.01","side":"B","time":{time},"crossed":true,"oid":7,"fee":"0.0","tid":{tid},"feeToken":"USDC"}}"#
    )
}

#[test]
fn fills_come_oldest_first_and_once() {
    let mut bench = Bench::ready();
    let (id, body) = bench.ask(since(Nanos(START.0 - 5_000 * MS), ""));
    let from = START_MS - 5_000;
    assert_eq!(
        body,
        format!(r#"{{"type":"userFillsByTime","user":"{SIGNER}","startTime":{from}}}"#)
    );
    let other = row(3, 9).replace("BTC", "DOGE");
    bench.answer(id, &format!("[{},{},{},{other}]", row(2, 3), row(2, 2), row(1, 1))).unwrap();
    let mut events = bench.take();
    assert_eq!(events.pop(), Some(Event::Notice(VenueNotice::FillsEnd(BTC))));
    let ids: Vec<_> = events
        .iter()
        .map(|event| match event {
            Event::Report(report) => report.fill.fill_id.as_str().to_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ids, ["1-1", "2-2", "2-3"]);
    // Where only an id is known its time is in it.
    let (_, body) = bench.ask(since(Nanos(0), "1784976932073-5"));
    assert!(body.ends_with(r#""startTime":1784976932073}"#));
}

/// A conversion of dust was finer than the scale: every list that covered it failed, for good.
#[test]
fn a_strangers_fill_that_cannot_be_held_does_not_cost_the_list() {
    use crate::types::ParseUnitError::OffScale;
    let mut bench = Bench::ready();
    let dust = row(2, 5).replace("\"0.01\"", "\"0.0000086141\"");
    let (id, _) = bench.ask(since(Nanos(MS), ""));
    let read = bench.answer(id, &format!("[{},{dust},{}]", row(1, 4), row(3, 6)));
    assert_eq!(read, Err(DecodeError::Number("sz", OffScale)), "counted");
    let events = bench.take();
    assert_eq!(events.len(), 3, "{events:?}");
    assert_eq!(events[2], Event::Notice(VenueNotice::FillsEnd(BTC)));
    // Nothing is left of it.
    let (id, _) = bench.ask(since(Nanos(MS), ""));
    assert_eq!(bench.answer(id, "[]"), Ok(()));
    bench.take();
    // One of our own must not be missing.
    let ours = dust.replace("\"tid\"", &format!(r#""cloid":"{CLOID}","tid""#));
    let (id, _) = bench.ask(since(Nanos(MS), ""));
    assert!(bench.answer(id, &format!("[{ours}]")).is_err());
    assert_eq!(bench.take(), [Event::Notice(VenueNotice::RequestFailed(errors::STRANGE))]);
}

#[test]
fn a_full_page_is_followed_from_its_last_time() {
    let mut bench = Bench::ready();
    bench.events = Events::with_capacity(4096, 16);
    let (id, _) = bench.ask(since(Nanos(MS), ""));
    let page: Vec<String> = (0..2_000).map(|n| row(10 + n / 2, n)).collect();
    bench.answer(id, &format!("[{}]", page.join(","))).unwrap();
    let (id, body) = bench.asked();
    assert!(body.ends_with(r#""startTime":1009}"#));
    bench.answer(id, &format!("[{},{}]", row(1_009, 1_998), row(1_009, 1_999))).unwrap();
    assert_eq!(bench.take().len(), 2_001, "none twice, and the end");
    // A page of one moment cannot be passed: the list must not look complete.
    let (id, _) = bench.ask(since(Nanos(10 * MS), ""));
    let page: Vec<String> = (0..2_000).map(|n| row(10, n)).collect();
    assert_eq!(bench.answer(id, &format!("[{}]", page.join(","))), Err(DecodeError::TooLarge));
    assert_eq!(bench.take(), [Event::Notice(VenueNotice::RequestFailed(errors::STRANGE))]);
    let (id, _) = bench.ask(since(Nanos(10 * MS), ""));
    assert_eq!(
        bench.answer(id, r#"[{"coin":"BTC","time":1}]"#),
        Err(DecodeError::Missing("px")).or(Err(DecodeError::Invalid("px")))
    );
}

#[test]
fn funding_of_all_coins_is_one_list() {
    let mut bench = Bench::ready();
    let (id, body) = bench.ask(CommandKind::FundingSince(Nanos(START.0)));
    assert_eq!(
        body,
        format!(r#"{{"type":"userFunding","user":"{SIGNER}","startTime":{START_MS}}}"#)
    );
    bench.answer(id, &fixture("rest_user_funding")).unwrap();
    let payment = FundingPayment {
        settles: false,
        instrument: HYPE,
        asset: setup().instruments.assets.find("USDC").unwrap(),
        amount: Amount(-44_263_000_000_000_000),
        id: 1_750_172_400_000,
        event_ns: Nanos(1_750_172_400_033 * MS),
    };
    assert_eq!(bench.take(), [Event::FundingPaid(payment), Event::Notice(VenueNotice::FundingEnd)]);
    let (id, _) = bench.ask(CommandKind::FundingSince(Nanos(START.0)));
    let (out, events) = (&mut bench.out, &mut bench.events);
    bench.connector.on_request_lost(RequestId(id), bench.now, out, events);
    assert_eq!(bench.take(), [Event::Notice(VenueNotice::RequestFailed(0))]);
    let _ = RejectReason::None;
}

#[test]
fn replies_to_nobody_are_told() {
    let mut bench = Bench::ready();
    assert_eq!(bench.answer(9_999, "{}"), Err(DecodeError::UnknownRequest));
    let (id, _) = bench.ask(CommandKind::OpenOrders(BTC));
    bench.respond(id, 429, "").unwrap();
    let events = bench.take();
    assert!(matches!(events[0], Event::Notice(VenueNotice::Suspended(_))));
    assert_eq!(events[1], Event::Notice(VenueNotice::RequestFailed(-429)));
}

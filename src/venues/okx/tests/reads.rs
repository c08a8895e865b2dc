//! Requests over REST and what their answers bring.

use super::orders::{ID, cancel, order};
use super::*;
use crate::types::{FillId, OrderState, ReportKind, ReportOrigin};

fn page(row: &str, ids: std::ops::Range<u64>, key: &str) -> String {
    let rows = ids.rev().map(|id| row.replace(key, &id.to_string()));
    format!(r#"{{"code":"0","msg":"","data":[{}]}}"#, rows.collect::<Vec<_>>().join(","))
}

/// The only row of an example.
fn row(name: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(&fixture(name)).unwrap();
    value["data"][0].to_string()
}

#[test]
fn open_orders_are_read_to_the_last_page() {
    let mut bench = Bench::logged_in();
    bench.submit(CommandKind::OpenOrders(BTC)).unwrap();
    let path = "GET /api/v5/trade/orders-pending?instType=SPOT&instId=BTC-USDT&limit=100";
    assert_eq!(bench.out.outputs().count(), 1);
    let full = page(&row("rest_orders_pending"), 1000..1100, "1752588852617379840");
    bench.answer(&full).unwrap();
    // What does not fit the agent's buffer waits for the next call.
    let now = bench.now;
    let first = bench.reports().len();
    bench.connector.on_deadline(now, &mut bench.out, &mut bench.events);
    assert_eq!(first + bench.reports().len(), 100);
    assert_eq!(bench.out.outputs().count(), 1);
    let next = bench.out.outputs().next().map(|output| match output {
        Output::Request(request) => format!("GET {}", request.path),
        _ => String::new(),
    });
    assert_eq!(next, Some(format!("{path}&after=1000")));
    bench.answer(&fixture("rest_orders_pending")).unwrap();
    let events = bench.take();
    let [Event::Report(report), Event::Notice(end)] = events[..] else { panic!("{events:?}") };
    assert_eq!(end, VenueNotice::OpenOrdersEnd(BTC));
    assert_eq!((report.kind, report.state), (ReportKind::Status, OrderState::Open));
    assert_eq!((report.price, report.qty), (Price(1_301_350), Qty(100_000)));
}

#[test]
fn one_order_is_asked_for_by_our_id() {
    let mut bench = Bench::logged_in();
    bench.submit(CommandKind::Query(cancel())).unwrap();
    let path = "GET /api/v5/trade/order?instId=BTC-USDT&clOrdId=st0000000000000001";
    let request = bench.out.outputs().next();
    assert!(matches!(request, Some(Output::Request(r)) if path.ends_with(r.path)), "{request:?}");
    let ours = fixture("rest_get_order_filled")
        .replace("\"clOrdId\": \"\"", "\"clOrdId\": \"st0000000000000001\"");
    bench.answer(&ours).unwrap();
    let reports = bench.reports();
    assert_eq!((reports[0].kind, reports[0].state), (ReportKind::Status, OrderState::Filled));
    assert_eq!((reports[0].client_id, reports[0].origin), (ID, ReportOrigin::Query));
    assert_eq!(reports[0].cumulative_qty, Some(Qty(192_834)));
    assert_eq!(reports[0].qty, Qty(0), "its size was in quote units");
}

/// An order that was sent just now may not be there yet.
#[test]
fn absence_proves_something_only_after_a_while() {
    let absent = r#"{"code":"51603","data":[],"msg":"Order does not exist"}"#;
    let mut bench = Bench::logged_in();
    bench.submit(CommandKind::New(order(BTC))).unwrap();
    bench.pass(1_001);
    assert_eq!(bench.reports()[0].kind, ReportKind::Unknown);
    bench.sent();
    for (wait, kind) in [(0, ReportKind::Unknown), (5_000, ReportKind::NotFound)] {
        bench.pass(wait);
        bench.sent();
        bench.submit(CommandKind::Query(cancel())).unwrap();
        bench.answer(absent).unwrap();
        assert_eq!(bench.reports()[0].kind, kind);
    }
    bench.submit(CommandKind::Query(cancel())).unwrap();
    bench.answer(&absent.replace("51603", "50011")).unwrap();
    assert_eq!(bench.reports()[0].kind, ReportKind::Unknown, "no answer to the question");
}

/// Newest first on the wire, oldest first here; the list ends where it was asked to begin.
#[test]
fn fills_are_read_back_to_the_time_asked_for() {
    let mut bench = Bench::logged_in();
    let from_ns = Nanos((START_MS - 3_600_000) * MS);
    let since = CommandKind::FillsSince { instrument: BTC, from_id: FillId::EMPTY, from_ns };
    bench.submit(since).unwrap();
    let path = "/api/v5/trade/fills?instType=SPOT&instId=BTC-USDT&begin=1699996400000&limit=100";
    let request = bench.out.outputs().next();
    assert!(matches!(request, Some(Output::Request(r)) if r.path == path), "{request:?}");
    let fill = row("rest_fills")
        .replace("680800019754098688", "BILL")
        .replace("744876980", "BILL")
        .replace("1708587373361", "1699999999999");
    bench.answer(&page(&fill, 1000..1100, "BILL")).unwrap();
    let request = bench.out.outputs().next();
    let next = format!("{path}&after=1000");
    assert!(matches!(request, Some(Output::Request(r)) if r.path == next), "{request:?}");
    let old = fill.replace("1699999999999", "1699996399999").replace("BILL", "997");
    let two = page(&fill, 998..1000, "BILL").replace("]}", &format!(",{old}]}}"));
    bench.answer(&two).unwrap();
    let events = bench.take();
    let ids: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Report(report) => Some(report.fill.fill_id.as_str().to_owned()),
            _ => None,
        })
        .collect();
    let expected: Vec<_> = (998..1100).map(|id| id.to_string()).collect();
    // The agent's buffer is smaller: what does not fit waits for the next call.
    assert!(expected.starts_with(&ids) && !ids.is_empty());
    let mut all = ids;
    let mut ended = false;
    while !ended {
        bench.pass(0);
        let now = bench.now;
        bench.connector.on_deadline(now, &mut bench.out, &mut bench.events);
        for event in bench.take() {
            match event {
                Event::Report(report) => all.push(report.fill.fill_id.as_str().to_owned()),
                Event::Notice(VenueNotice::FillsEnd(BTC)) => ended = true,
                _ => {}
            }
        }
    }
    assert_eq!(all, expected);
}

#[test]
fn older_fills_are_listed_elsewhere() {
    let mut bench = Bench::logged_in();
    let from_ns = Nanos((START_MS - 4 * 86_400_000) * MS);
    let since = CommandKind::FillsSince { instrument: SWAP, from_id: FillId::EMPTY, from_ns };
    bench.submit(since).unwrap();
    let path = "/api/v5/trade/fills-history?instType=SWAP&instId=BTC-USDT-SWAP&begin=1699654400000&limit=100";
    let request = bench.out.outputs().next();
    assert!(matches!(request, Some(Output::Request(r)) if r.path == path), "{request:?}");
    let bad = fixture("rest_fills")
        .replace("0.00192834", "0.01")
        .replace("\"fillPx\": \"51858\"", "\"fillPx\": \"0\"");
    assert_eq!(
        bench.answer(&bad.replace("BTC-USDT", "BTC-USDT-SWAP")),
        Err(DecodeError::Invalid("fillPx"))
    );
    assert_eq!(
        bench.notices(),
        [VenueNotice::RequestFailed(0)],
        "a list with a bad row is not whole"
    );
}

/// No request cancels all orders: they are listed and cancelled until none is left.
#[test]
fn all_orders_are_cancelled_by_their_list() {
    let mut bench = Bench::logged_in();
    bench.submit(CommandKind::CancelAll(BTC)).unwrap();
    let list = "GET /api/v5/trade/orders-pending?instType=SPOT&instId=BTC-USDT&limit=100";
    bench.answer(&page(&row("rest_orders_pending"), 1..26, "1752588852617379840")).unwrap();
    let ids = (6..26).rev().map(|id| format!(r#"{{"instId":"BTC-USDT","ordId":"{id}"}}"#));
    let body = format!("[{}]", ids.collect::<Vec<_>>().join(","));
    let request = bench.out.outputs().next();
    let expected = "/api/v5/trade/cancel-batch-orders";
    assert!(
        matches!(request, Some(Output::Request(r)) if r.path == expected && r.body == body.as_bytes()),
        "{request:?}"
    );
    let gone = r#"{"code":"2","msg":"","data":[{"ordId":"6","sCode":"0","sMsg":""},{"ordId":"7","sCode":"51400","sMsg":""}]}"#;
    bench.answer(gone).unwrap();
    assert_eq!(bench.take(), []);
    let request = bench.out.outputs().next();
    assert!(matches!(request, Some(Output::Request(r)) if list.ends_with(r.path)), "{request:?}");
    bench.answer(r#"{"code":"0","msg":"","data":[]}"#).unwrap();
    assert_eq!(bench.notices(), [VenueNotice::CancelAllDone(BTC)]);
    // A cancel that is refused for what does not pass ends it with the code.
    bench.submit(CommandKind::CancelAll(BTC)).unwrap();
    bench.answer(&fixture("rest_orders_pending")).unwrap();
    bench.answer(&gone.replace("51400", "50011")).unwrap();
    assert!(bench.notices().contains(&VenueNotice::CancelAllFailed(BTC, 50011)));
}

#[test]
fn the_switch_is_set_anew_before_it_goes_off() {
    let mut bench = Bench::logged_in_with(VenueSetup { dead_man_switch_s: Some(60), ..setup() });
    let set = r#"POST /api/v5/trade/cancel-all-after {"timeOut":"60"}"#;
    bench.pass(0);
    assert!(matches!(bench.out.outputs().next(), Some(Output::Request(r)) if set.contains(r.path)));
    bench.answer(&fixture("rest_cancel_all_after_ack")).unwrap();
    assert_eq!(bench.notices(), [VenueNotice::DeadManArmed(60)]);
    // It counts down from each time it is set, whatever becomes of the private socket.
    bench.close(Channel::Private);
    bench.take();
    bench.pass(14_000);
    assert!(!bench.sent().contains(&set.to_owned()));
    bench.pass(1_000);
    assert_eq!(bench.sent().iter().filter(|line| *line == set).count(), 1);
}

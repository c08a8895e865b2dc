//! The cancel of all orders of an instrument ends when nothing is left that could still land.

use super::*;
use crate::venues::hyperliquid::errors;

const ALL: CommandKind = CommandKind::CancelAll(BTC);

/// A connector that has been there for long enough to know what was sent.
fn settled() -> Bench {
    let mut bench = Bench::ready();
    bench.pass(7_000);
    bench.take();
    bench
}

/// The next list that is asked for.
fn next_list(bench: &mut Bench) -> u64 {
    for _ in 0..40 {
        bench.skip(100);
        let asked = bench.requests();
        let list = asked.iter().find(|(_, _, body)| body.contains("frontendOpenOrders"));
        if let Some((id, ..)) = list {
            return *id;
        }
        if !bench.events.list().is_empty() {
            return 0;
        }
    }
    panic!("it looks no more");
}

fn done(id: InstrumentId) -> Event {
    Event::Notice(VenueNotice::CancelAllDone(id))
}

fn failed(code: i32) -> Event {
    Event::Notice(VenueNotice::CancelAllFailed(BTC, code))
}

fn two(coins: [&str; 2]) -> String {
    let row = |(at, coin): (usize, &str)| {
        format!(
            r#"{{"coin":"{coin}","side":"B","limitPx":"80000.0","sz":"0.02","oid":{},"timestamp":1,"origSz":"0.02","tif":"Gtc"}}"#,
            70 + at
        )
    };
    let rows: Vec<_> = coins.into_iter().enumerate().map(row).collect();
    format!("[{}]", rows.join(","))
}

fn cancelled(statuses: &str) -> String {
    format!(
        r#"{{"status":"ok","response":{{"type":"cancel","data":{{"statuses":[{statuses}]}}}}}}"#
    )
}

const GONE: &str = r#"{"error":"Order was never placed, already canceled, or filled."}"#;

#[test]
fn what_is_listed_is_cancelled_until_nothing_is_listed() {
    let mut bench = settled();
    let (id, body) = bench.ask(ALL);
    assert_eq!(body, format!(r#"{{"type":"frontendOpenOrders","user":"{SIGNER}"}}"#));
    bench.answer(id, "[]").unwrap();
    assert_eq!(bench.take(), [done(BTC)]);
    for reply in [
        fixture("rest_exchange_cancel_success"),
        // Gone already.
        fixture("rest_exchange_cancel_error"),
    ] {
        let (id, _) = bench.ask(ALL);
        bench.answer(id, &fixture("rest_frontend_open_orders_one")).unwrap();
        let (id, body) = bench.asked();
        assert!(
            body.starts_with(r#"{"action":{"type":"cancel","cancels":[{"a":0,"o":57118842019}]}"#)
        );
        bench.answer(id, &reply).unwrap();
        assert!(bench.take().is_empty(), "the list says so, not the reply");
        bench.skip(499);
        assert!(bench.requests().is_empty());
        bench.skip(1);
        let (id, _) = bench.asked();
        bench.answer(id, "[]").unwrap();
        assert_eq!(bench.take(), [done(BTC)]);
    }
}

#[test]
fn what_the_venue_does_not_cancel_is_a_failure() {
    for (list, reply, code) in [
        (two(["BTC"; 2]), cancelled(r#""success",{"error":"no"}"#), errors::UNLISTED),
        // One answer for both says nothing of each.
        (two(["BTC"; 2]), cancelled(GONE), errors::STRANGE),
        (
            two(["BTC"; 2]),
            r#"{"status":"err","response":"Unable to recover signer."}"#.to_owned(),
            errors::NO_SIGNER,
        ),
        (two(["BTC"; 2]), "{}".to_owned(), errors::STRANGE),
    ] {
        let mut bench = settled();
        let (id, _) = bench.ask(ALL);
        bench.answer(id, &list).unwrap();
        let (id, body) = bench.asked();
        assert!(body.contains(r#""cancels":[{"a":0,"o":70},{"a":0,"o":71}]"#));
        bench.answer(id, &reply).unwrap();
        assert_eq!(bench.take().last(), Some(&failed(code)), "{reply}");
        // It is over: the next command begins anew.
        bench.ask(ALL);
    }
    let mut bench = settled();
    let (id, _) = bench.ask(ALL);
    bench.respond(id, 502, "").unwrap();
    assert_eq!(bench.take(), [failed(-502)]);
    // What is understood is cancelled, but the list is not whole.
    let (id, _) = bench.ask(ALL);
    let list = two(["BTC"; 2]).replace(r#""sz":"0.02","oid":70"#, r#""sz":"x","oid":70"#);
    assert!(bench.answer(id, &list).is_err());
    assert_eq!(bench.take(), [failed(errors::STRANGE)]);
    assert!(bench.asked().1.contains(r#""cancels":[{"a":0,"o":71}]"#));
}

/// An order was posted, the list was of a block before it, and it rested with nobody.
#[test]
fn an_order_in_flight_is_waited_for() {
    let mut bench = settled();
    let post = bench.post(CommandKind::New(order()));
    let (id, _) = bench.ask(ALL);
    bench.answer(id, "[]").unwrap();
    assert!(bench.take().is_empty());
    bench.reply(post, &fixture("rest_exchange_order_resting")).unwrap();
    bench.take();
    bench.skip(500);
    let (id, _) = bench.asked();
    bench.answer(id, &two(["BTC", "ETH"])).unwrap();
    let (id, body) = bench.asked();
    assert!(body.contains(r#""cancels":[{"a":0,"o":70}]"#), "{body}");
    bench.answer(id, &cancelled(r#""success""#)).unwrap();
    // The list may still be of a block before: two seconds after it was sent it is not.
    for _ in 0..2 {
        bench.skip(500);
        let (id, _) = bench.asked();
        bench.answer(id, "[]").unwrap();
        assert!(bench.take().is_empty());
    }
    bench.skip(500);
    let (id, _) = bench.asked();
    bench.answer(id, "[]").unwrap();
    assert_eq!(bench.take(), [done(BTC)]);
    // That of another instrument does not matter.
    bench.post(CommandKind::New(order()));
    let (id, _) = bench.ask(CommandKind::CancelAll(ETH));
    bench.answer(id, "[]").unwrap();
    assert_eq!(bench.take(), [done(ETH)]);
}

#[test]
fn a_lost_order_is_waited_for_until_it_has_expired() {
    let mut bench = settled();
    bench.post(CommandKind::New(order()));
    bench.skip(1_000);
    bench.requests();
    assert_eq!(bench.report().kind, crate::types::ReportKind::Unknown);
    let (id, _) = bench.ask(ALL);
    bench.answer(id, "[]").unwrap();
    let (begun, mut looks) = (bench.now, 0);
    while bench.take().is_empty() {
        let id = next_list(&mut bench);
        bench.answer(id, "[]").unwrap();
        looks += 1;
    }
    // Five seconds of its life and two of the list's, less the first.
    let took_ms = bench.now.since(begun) / MS;
    assert!((6_000..8_000).contains(&took_ms), "{took_ms}");
    assert!(looks < 12, "ever more slowly: {looks}");
}

/// A spare connector knows nothing of what the lost one has sent.
#[test]
fn a_new_connector_waits_for_what_others_have_sent() {
    let mut bench = Bench::ready();
    let (id, _) = bench.ask(ALL);
    bench.answer(id, "[]").unwrap();
    assert!(bench.take().is_empty());
    bench.pass(7_000);
    assert!(bench.take().is_empty());
    // The list that was asked for meanwhile is lost: the next command begins anew.
    let mut bench = Bench::ready();
    bench.pass(6_999);
    for (millis, events) in [(0, vec![]), (500, vec![done(BTC)])] {
        bench.take();
        if millis == 0 {
            bench.submit(ALL).unwrap();
        }
        bench.skip(millis);
        let (id, _) = bench.asked();
        bench.answer(id, "[]").unwrap();
        assert_eq!(bench.take(), events);
    }
}

#[test]
fn a_search_without_end_is_given_up() {
    let mut bench = settled();
    let (id, _) = bench.ask(ALL);
    // A repeated command is answered by the search that is under way.
    bench.submit(ALL).unwrap();
    assert!(bench.requests().is_empty());
    let (begun, mut list) = (bench.now, id);
    while list > 0 {
        bench.answer(list, &two(["BTC"; 2])).unwrap();
        let (id, _) = bench.asked();
        bench.answer(id, &cancelled(r#""success","success""#)).unwrap();
        list = next_list(&mut bench);
    }
    assert_eq!(bench.take(), [failed(errors::STILL_THERE)]);
    assert_eq!(bench.now.since(begun), 17_000 * MS);
}

#[test]
fn one_list_serves_all_instruments() {
    let mut bench = settled();
    let (id, _) = bench.ask(ALL);
    for instrument in [ETH, HYPE] {
        bench.submit(CommandKind::CancelAll(instrument)).unwrap();
        assert!(bench.requests().is_empty(), "after the first");
    }
    bench.answer(id, "[]").unwrap();
    assert_eq!(bench.take(), [done(BTC)]);
    let (id, _) = bench.asked();
    bench.answer(id, &two(["HYPE", "ETH"])).unwrap();
    let bodies: Vec<_> = bench.requests().into_iter().map(|(_, _, body)| body).collect();
    assert_eq!(bodies.len(), 2);
    assert!(bodies.iter().any(|body| body.contains(r#""cancels":[{"a":4,"o":70}]"#)));
    assert!(bodies.iter().any(|body| body.contains(r#""cancels":[{"a":1,"o":71}]"#)));
}

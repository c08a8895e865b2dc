//! The switch that the venue throws when it hears no more of us.

use super::*;
use crate::venues::hyperliquid::errors;

fn armed() -> Event {
    Event::Notice(VenueNotice::DeadManArmed(60))
}

#[test]
fn the_switch_is_put_off_while_we_live() {
    let mut bench = Bench::ready_with(VenueSetup { dead_man_switch_s: Some(60), ..setup() });
    let run = |bench: &mut Bench| {
        let (out, events) = (&mut bench.out, &mut bench.events);
        bench.connector.on_deadline(bench.now, out, events);
        bench.sent()
    };
    bench.now = bench.now.plus(1_000 * MS);
    let sent = run(&mut bench);
    let frame: serde_json::Value = serde_json::from_str(&sent[0].1).unwrap();
    let action = &frame["request"]["payload"]["action"];
    assert_eq!(action, &serde_json::json!({"type":"scheduleCancel","time":START_MS + 61_000}));
    bench.reply(frame["id"].as_u64().unwrap(), &fixture("rest_exchange_default_ok")).unwrap();
    assert_eq!(bench.take(), [Event::Notice(VenueNotice::DeadManArmed(60))]);
    bench.now = bench.now.plus(19_000 * MS);
    assert!(!run(&mut bench).iter().any(|(_, text)| text.contains("scheduleCancel")));
    bench.now = bench.now.plus(1_000 * MS);
    let sent = run(&mut bench);
    let frame = sent.iter().find(|(_, text)| text.contains("scheduleCancel")).unwrap();
    let frame: serde_json::Value = serde_json::from_str(&frame.1).unwrap();
    let refused = r#"{"status":"err","response":"Cannot set scheduled cancel time until enough volume traded."}"#;
    bench.reply(frame["id"].as_u64().unwrap(), refused).unwrap();
    assert_eq!(bench.take(), [Event::Notice(VenueNotice::DeadManFailed(errors::UNLISTED))]);
}

/// Orders went over REST, and the switch was never armed.
#[test]
fn where_orders_go_over_rest_the_switch_does_too() {
    let dead_man_switch_s = Some(60);
    let setup = VenueSetup { dead_man_switch_s, orders_over_rest: true, ..setup() };
    let mut bench = Bench::ready_with(setup);
    let asked = |bench: &mut Bench| {
        let requests = bench.requests();
        let found = requests.into_iter().find(|(_, _, body)| body.contains("scheduleCancel"));
        found.map(|(id, path, _)| (id, path))
    };
    assert_eq!(bench.connector.deadline(), Some(START.plus(1_000 * MS)), "it wants to be called");
    bench.skip(1_000);
    let (id, path) = asked(&mut bench).unwrap();
    assert_eq!(path, "/exchange");
    bench.answer(id, &fixture("rest_exchange_default_ok")).unwrap();
    assert_eq!(bench.take(), [armed()]);
    bench.requests();
    bench.skip(20_000);
    let (id, _) = asked(&mut bench).unwrap();
    let (out, events) = (&mut bench.out, &mut bench.events);
    bench.connector.on_request_lost(RequestId(id), bench.now, out, events);
    assert!(bench.take().contains(&Event::Notice(VenueNotice::DeadManFailed(0))));
    bench.requests();
    bench.skip(1_000);
    assert!(asked(&mut bench).is_some(), "at once");
}

/// After the second failure it waited for a minute, and the venue's time ran out.
#[test]
fn it_is_tried_often_while_it_has_not_gone_off() {
    let mut bench = Bench::ready_with(VenueSetup { dead_man_switch_s: Some(60), ..setup() });
    // When it was asked for, from the first time on; each is answered so.
    let mut asked = Vec::new();
    let refused = r#"{"status":"err","response":"No."}"#;
    for millis in 0..180 {
        bench.skip(1_000);
        let sent = bench.sent();
        let Some((_, text)) = sent.iter().find(|(_, text)| text.contains("scheduleCancel")) else {
            continue;
        };
        let frame: serde_json::Value = serde_json::from_str(text).unwrap();
        let id = frame["id"].as_u64().unwrap();
        let first = asked.is_empty();
        asked.push(millis);
        let reply = if first { fixture("rest_exchange_default_ok") } else { refused.to_owned() };
        bench.reply(id, &reply).unwrap();
    }
    // A third of the window later, at once, then each sixth of it; once it is over, each minute.
    assert_eq!(asked, [0, 20, 21, 31, 41, 51, 61, 121]);
}

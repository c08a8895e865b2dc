//! A strategy's file that holds nonsense: it is counted and said, but never floods the log.

use crate::desk::{Desk, NOW, SECOND};
use stoop::types::Nanos;

#[test]
fn bad_requests_are_counted_at_once_and_said_once_a_second() {
    let mut desk = Desk::new();
    desk.poll(NOW);
    drop(desk.lines.take());
    let at = |desk: &mut Desk, millis: u64| {
        let now = Nanos(NOW.0 + millis * (SECOND / 1_000));
        desk.bad_requests(20);
        // Read in this round, told of in the next.
        desk.poll(now);
        desk.poll(now.plus(SECOND / 20));
    };
    for round in 1..=30 {
        at(&mut desk, round * 100);
    }
    assert_eq!(desk.view.counters().bad_records, 600, "while it runs");
    let said: Vec<String> = desk.lines.take().into_iter().map(|line| line.text).collect();
    let wanted = [
        "strategy 0: 20 bad requests, 20 in all, the last: impossible number of legs",
        "strategy 0: 200 bad requests, 220 in all, the last: impossible number of legs",
        "strategy 0: 200 bad requests, 420 in all, the last: impossible number of legs",
    ];
    assert_eq!(said, wanted);
    assert_eq!(desk.stop().counters.bad_records, 600);
}

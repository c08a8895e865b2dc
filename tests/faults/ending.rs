//! The last word is not spoken before the venues have spoken theirs.

use crate::desk::{BTC, Desk, E18, NOW, VENUE, top};
use stoop::agents::{Agent, Phase};
use stoop::types::*;

const MS: u64 = 1_000_000;

fn balance(free: i128) -> Event {
    Event::Balance(AssetBalance {
        venue: VENUE,
        asset: AssetId(0),
        free: Amount(free * E18),
        ..AssetBalance::default()
    })
}

/// Balances follow the fills that changed them, in a message of their own.
#[test]
fn the_balance_that_follows_the_last_report_is_waited_for() {
    let mut desk = Desk::new();
    desk.book.publish_top(&top(1, 6_000_000, 6_000_010), BookState::Live, NOW, NOW);
    desk.tell(balance(7));
    assert_eq!(desk.signal(NOW), 0);
    let [order] = desk.orders()[..] else { panic!("one order") };
    desk.lifecycle.advance(Phase::Stopping);
    desk.oms.poll(NOW);
    let kind = ReportKind::Expired;
    let report = ExecutionReport::new(kind, ReportOrigin::Stream, order.client_id, BTC);
    desk.tell(Event::Report(report));
    desk.oms.poll(NOW.plus(10 * MS));
    desk.oms.poll(NOW.plus(100 * MS));
    assert_eq!(desk.lifecycle.phase(), Phase::Stopping, "its balance may be on its way");
    desk.tell(balance(8));
    desk.oms.poll(NOW.plus(150 * MS));
    desk.oms.poll(NOW.plus(300 * MS));
    assert_eq!(desk.lifecycle.phase(), Phase::Stopping);
    desk.oms.poll(NOW.plus(351 * MS));
    assert_eq!(desk.lifecycle.phase(), Phase::Stopping, "it is not what our fills make it");
    desk.oms.poll(NOW.plus(2_151 * MS));
    assert_eq!(desk.lifecycle.phase(), Phase::Done);
    let last = desk.last.try_recv().unwrap();
    let stated = last.balances[0].stated.map(|balance| balance.total());
    assert_eq!(stated, Some(Amount(8 * E18)));
    assert_eq!((last.counters.orders_sent, last.counters.orders_expired), (1, 1));
}

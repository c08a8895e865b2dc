//! What the order manager says of itself in the region: limits in force, whether a venue gets orders and
//! why not, and what waits for an executor that takes nothing.

use crate::desk::{BTC, Desk, E18, NOW, SECOND, VENUE};
use stoop::agents::{Ask, AskKind, OperatorDesk, OrderBoard, Settled, TellPart};
use stoop::metrics::{self, Names, VenueNames};
use stoop::shm::{ExecutorHealth, PositionLimit, RingUse};
use stoop::sync::spsc;
use stoop::types::*;

/// A person at the desk, who is obeyed in the next round.
struct Person {
    asks: spsc::Producer<Ask>,
    tells: spsc::Consumer<stoop::agents::Tell>,
    number: u64,
}

impl Person {
    fn at(mut desk: Desk) -> (Desk, Self) {
        let (asks, asks_in) = spsc::channel(4);
        let (tells_out, tells) = spsc::channel(4);
        desk.oms = desk.oms.with_desk(OperatorDesk {
            asks: asks_in,
            tells: tells_out,
            settled: Settled::default(),
            board: OrderBoard::default(),
            strategies: Vec::new(),
            strategy_silence_max_ns: 1_000 * SECOND,
        });
        (desk, Self { asks, tells, number: 0 })
    }

    fn tell(&mut self, desk: &mut Desk, operator: Operator, now: Nanos) {
        self.number += 1;
        let kind = AskKind::Do(operator, Teller::Watchdog);
        self.asks.push(Ask { number: self.number, kind }).unwrap();
        desk.poll(now);
        let part = self.tells.pop().map(|tell| tell.part);
        assert!(matches!(part, Some(TellPart::Done(Ok(_), _))), "{operator:?}: {part:?}");
    }
}

/// The executor's connections are ready.
fn connect(desk: &mut Desk, now: Nanos) {
    let health = ExecutorHealth { ready: true, updated_ns: now, ..ExecutorHealth::default() };
    desk.health.executor.publish(&health);
}

/// What Prometheus reads of the venue: whether it is ready, and the reason.
fn told(desk: &Desk, now: Nanos) -> Vec<String> {
    let venues = vec![VenueNames { venue: VENUE, name: "x", limits: Vec::new() }];
    let names = Names { venues, ..Names::default() };
    let page = metrics::collect(&desk.view, &names, (&Default::default(), &[]), now);
    let is_it = |line: &&str| {
        line.starts_with("stoop_venue_ready{")
            || line.starts_with("stoop_venue_not_ready{") && line.ends_with(" 1")
    };
    page.lines().filter(is_it).map(str::to_owned).collect()
}

fn not_ready(reason: &str) -> [String; 2] {
    let of = "stoop_venue_ready{venue=\"x\"} 0".to_owned();
    [of, format!("stoop_venue_not_ready{{reason=\"{reason}\",venue=\"x\"}} 1")]
}

const READY: [&str; 1] = ["stoop_venue_ready{venue=\"x\"} 1"];

/// Answers whatever is asked of the venue: there is nothing.
fn answer(desk: &mut Desk) {
    for command in desk.commands() {
        let end = match command.kind {
            CommandKind::Balances => VenueNotice::BalancesEnd,
            CommandKind::OpenOrders(instrument) => VenueNotice::OpenOrdersEnd(instrument),
            CommandKind::FillsSince { instrument, .. } => VenueNotice::FillsEnd(instrument),
            _ => continue,
        };
        desk.tell(Event::Notice(end));
    }
}

#[test]
fn a_venue_that_is_connected_and_not_compared_is_not_ready_and_the_reason_is_told() {
    let mut desk = Desk::comparing();
    let mut now = NOW;
    desk.poll(now);
    connect(&mut desk, now);
    assert_eq!(told(&desk, now), not_ready("disconnected"));
    desk.tell(Event::Notice(VenueNotice::Readiness(Channel::Trade, Readiness::Ready)));
    now = now.plus(SECOND);
    desk.poll(now);
    assert_eq!(told(&desk, now), not_ready("not_reconciled"));
    assert_eq!(desk.view.health(VENUE).gate.since_ns, now);
    let since = now;
    for _ in 0..3 {
        now = now.plus(SECOND / 10);
        desk.poll(now);
    }
    assert_eq!(desk.view.health(VENUE).gate.since_ns, since, "it is the same reason");
    for _ in 0..10 {
        answer(&mut desk);
        now = now.plus(SECOND / 10);
        desk.poll(now);
    }
    assert_eq!(told(&desk, now), READY);
    let (mut desk, mut person) = Person::at(desk);
    now = now.plus(SECOND / 10);
    let scope = Scope::Venue(VENUE);
    person.tell(&mut desk, Operator::SetState(scope, TradingState::ReduceOnly), now);
    assert_eq!(told(&desk, now), not_ready("held"));
    now = now.plus(SECOND / 10);
    person.tell(&mut desk, Operator::SetState(scope, TradingState::Active), now);
    assert_eq!(told(&desk, now), READY);
    for state in [TradingState::ReduceOnly, TradingState::Halted] {
        now = now.plus(SECOND / 10);
        person.tell(&mut desk, Operator::SetState(Scope::Engine, state), now);
        assert_eq!(told(&desk, now), not_ready("engine_held"));
        assert_eq!(desk.view.health(VENUE).why_not_ready(now), Some(NotReady::EngineHeld(state)));
    }
    now = now.plus(SECOND / 10);
    person.tell(&mut desk, Operator::SetState(Scope::Engine, TradingState::Active), now);
    assert_eq!(told(&desk, now), READY);
    // Nobody says anything any more.
    assert_eq!(told(&desk, now.plus(6 * SECOND)), not_ready("order_manager_silent"));
    let view = desk.view.clone();
    desk.stop();
    assert_eq!(view.health(VENUE).gate.not_ready, Some(NotReady::Stopping));
}

/// An executor that hangs takes nothing, and says nothing of it.
#[test]
fn commands_that_nobody_takes_are_seen() {
    let mut desk = Desk::new();
    let mut now = NOW.plus(SECOND);
    desk.live_book(now);
    desk.poll(now);
    desk.commands();
    for _ in 0..3 {
        assert_eq!(desk.signal(now), 0);
    }
    now = now.plus(SECOND / 10);
    desk.poll(now);
    assert_eq!(desk.view.health(VENUE).gate.commands_ring, RingUse::of(3, 64));
    assert_eq!(desk.commands().len(), 3);
    now = now.plus(SECOND / 10);
    desk.poll(now);
    assert_eq!(desk.view.health(VENUE).gate.commands_ring, RingUse::of(0, 64));
}

#[test]
fn limits_in_force_are_told_as_a_person_changes_them() {
    let (mut desk, mut person) = Person::at(Desk::new());
    let mut now = NOW;
    let mut later = || {
        now = now.plus(SECOND / 10);
        now
    };
    desk.poll(later());
    let plain = |desk: &Desk, key| desk.view.limits().unwrap().get(key);
    let ten = |number: i128| Some(Amount(number * E18));
    assert_eq!(plain(&desk, LimitKey::OrderNotionalMax), ten(10_000));
    assert_eq!(plain(&desk, LimitKey::PriceCollarBps), ten(10));
    let drawdown = LimitKey::DrawdownMax;
    assert_eq!(plain(&desk, drawdown), None);
    person.tell(&mut desk, Operator::SetLimit(drawdown, Amount(7 * E18)), later());
    assert_eq!(plain(&desk, drawdown), ten(7));
    person.tell(&mut desk, Operator::UnsetLimit(drawdown), later());
    assert_eq!(plain(&desk, drawdown), None);
    let of_base = |desk: &Desk| desk.view.underlying_limits()[0];
    let row = |limit, used| (AssetId(0), PositionLimit { limit, used: Amount(used) });
    assert_eq!(of_base(&desk), row(ten(10), 0));
    let base = LimitKey::PositionMax(AssetId(0));
    person.tell(&mut desk, Operator::SetLimit(base, Amount::ZERO), later());
    assert_eq!(of_base(&desk), row(ten(0), 0), "0 is a limit");
    person.tell(&mut desk, Operator::SetLimit(base, Amount(2 * E18)), later());
    let one = LimitKey::InstrumentPositionMax(BTC);
    person.tell(&mut desk, Operator::SetLimit(one, Amount(E18)), later());
    let at = later();
    desk.live_book(at);
    assert_eq!(desk.signal(at), 0);
    desk.poll(later());
    // A hundredth of a coin works.
    assert_eq!(of_base(&desk), row(ten(2), E18 / 100));
    let used = PositionLimit { limit: ten(1), used: Amount(E18 / 100) };
    assert_eq!(desk.view.instrument_limits(), [(BTC, used)]);
}

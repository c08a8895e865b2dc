//! What the order manager says of itself in the region: limits in force, whether a venue gets orders and
//! why not, and what waits for an executor that takes nothing.

use crate::desk::{BTC, Desk, E18, NOW, SECOND, VENUE};
use stoop::agents::{Ask, AskKind, OperatorDesk, OrderBoard, Settled, TellPart};
use stoop::metrics::{self, Names, VenueNames};
use stoop::oms::RiskReject;
use stoop::shm::{BudgetLimit, ExecutorHealth, PositionLimit, RingUse, StrategyLimit};
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

/// What a report says of an order at the venue that is its own.
fn report(kind: ReportKind, order: &NewOrder) -> ExecutionReport {
    let (id, origin) = (order.client_id, ReportOrigin::Stream);
    let mut report = ExecutionReport::new(kind, origin, id, order.instrument);
    report.venue_order_id = VenueOrderId::from_u64(id.0);
    report
}

const STRATEGY: StrategyId = StrategyId(0);

/// The only strategy's limits on its orders, and its capital at the only venue.
fn of_strategy(desk: &Desk) -> (StrategyLimit, BudgetLimit) {
    let (orders, budgets) = (desk.view.strategy_limits(), desk.view.budgets());
    assert_eq!((orders.len(), orders[0].0), (1, STRATEGY));
    assert_eq!((budgets.len(), budgets[0].0, budgets[0].1), (1, STRATEGY, VENUE));
    (orders[0].1, budgets[0].2)
}

#[test]
fn limits_of_a_strategy_are_told_as_a_person_changes_them() {
    let (mut desk, mut person) = Person::at(Desk::new());
    let mut now = NOW;
    desk.poll(now);
    assert_eq!(of_strategy(&desk), (StrategyLimit::default(), BudgetLimit::default()));
    let rate = LimitKey::StrategyOrdersPerSecondMax(STRATEGY);
    let open = LimitKey::StrategyOrdersOpenMax(STRATEGY);
    let budget = LimitKey::Budget(STRATEGY, VENUE);
    let amount = |number: i128| Amount(number * E18);
    let steps = [
        (Operator::SetLimit(rate, amount(5)), [Some(5), None, None]),
        (Operator::SetLimit(open, amount(7)), [Some(5), Some(7), None]),
        (Operator::SetLimit(budget, amount(900)), [Some(5), Some(7), Some(900)]),
        (Operator::UnsetLimit(rate), [None, Some(7), Some(900)]),
        (Operator::SetLimit(budget, Amount::ZERO), [None, Some(7), Some(0)]),
        (Operator::UnsetLimit(budget), [None, Some(7), None]),
        (Operator::UnsetLimit(open), [None, None, None]),
    ];
    for (operator, expected) in steps {
        now = now.plus(SECOND / 10);
        person.tell(&mut desk, operator, now);
        let [orders_per_second, orders_open, limit] = expected.map(|limit| limit.map(amount));
        let orders = StrategyLimit { orders_per_second, orders_open, open: 0 };
        let capital = BudgetLimit { limit, used: Amount::ZERO };
        assert_eq!(of_strategy(&desk), (orders, capital), "{operator:?}");
    }
}

/// The capital that is told is the one that the next order is checked against, with a budget and
/// without.
#[test]
fn what_a_strategy_uses_is_told_as_its_orders_work_fill_and_end() {
    let (mut desk, mut person) = Person::at(Desk::new());
    let mut now = NOW;
    let mut later = || {
        now = now.plus(SECOND / 10);
        now
    };
    let used = |desk: &Desk| {
        let (orders, capital) = of_strategy(desk);
        (orders.open, capital.used)
    };
    let at = later();
    desk.live_book(at);
    desk.poll(at);
    assert_eq!(desk.signal(at), 0);
    desk.poll(later());
    let order = desk.orders()[0];
    let is = |number: i128| Amount(number * E18 / 10_000);
    // A hundredth at 60 000.10.
    let works = 6_000_010;
    assert_eq!(used(&desk), (1, is(works)));
    let at = later();
    desk.live_book(at);
    assert_eq!(desk.signal(at), 0);
    let budget = LimitKey::Budget(STRATEGY, VENUE);
    person.tell(&mut desk, Operator::SetLimit(budget, Amount(1_500 * E18)), later());
    assert_eq!(used(&desk), (2, is(2 * works)), "a budget that comes later has no other measure");
    let at = later();
    desk.live_book(at);
    assert_eq!(desk.signal(at), RiskReject::StrategyBudget as u8, "there is no room for a third");
    let mut fill = report(ReportKind::Fill, &order);
    let (fill_id, price, qty) = (FillId::from_u64(1), Price(6_000_000), Qty(400));
    fill.fill = Fill { fill_id, price, qty, ..Fill::default() };
    desk.tell(Event::Report(fill));
    desk.poll(later());
    // What was bought counts at its price, the rest at that of the order.
    let (bought, rest) = (2_400_000, 3_600_006);
    assert_eq!(used(&desk), (2, is(bought + rest + works)));
    desk.tell(Event::Report(report(ReportKind::Canceled, &order)));
    desk.poll(later());
    assert_eq!(used(&desk), (1, is(bought + works)));
    let at = later();
    desk.live_book(at);
    assert_eq!(desk.signal(at), 0, "there is room again");
    desk.poll(later());
    assert_eq!(used(&desk), (2, is(bought + 2 * works)));
}

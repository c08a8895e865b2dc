//! Limits of instruments, strategies and losses; no trade with ourselves.

use super::*;
use crate::types::{LegPricing, LimitKey, LossSwitch, Operator};

fn codes(bench: &Bench) -> Vec<RiskReject> {
    let reports = bench.out.reports.iter();
    reports.filter_map(|(_, report)| RiskReject::from_u8(report.risk)).collect()
}

/// Sends one leg: its code, or `None` if it was sent.
fn refusal(bench: &mut Bench, leg: Leg) -> Option<RiskReject> {
    bench.books_are_new();
    let sent = bench.signal(&[leg]).len();
    let codes = codes(bench);
    assert_eq!(sent + codes.len(), 1);
    codes.first().copied()
}

pub(super) fn with(change: impl FnOnce(&mut RiskLimits)) -> Bench {
    let mut options = options();
    change(&mut options.limits);
    Bench::with(options)
}

fn gtc(instrument: InstrumentId, side: Side, price: i64, qty: i64) -> Leg {
    let time_in_force = TimeInForce::Gtc;
    Leg { time_in_force, price: Price(price), qty: Qty(qty), ..leg(instrument, side) }
}

pub(super) fn buy(qty: i64) -> Leg {
    gtc(A, Side::Buy, 6_000_000, qty)
}

/// Buys so much at A and has it filled at 60 000, by fill `number`.
pub(super) fn bought(bench: &mut Bench, number: u64, qty: i64) {
    bench.books_are_new();
    let ids = bench.signal(&[buy(qty)]);
    bench.report(&fill(ids[0], A, number, qty));
}

pub(super) fn set_bid(bench: &mut Bench, bid: i64) {
    let book = &mut bench.oms.books_mut().0[0];
    (book.bid.price, book.ask.price) = (Price(bid), Price(bid + 10));
}

fn own(change: impl FnOnce(&mut StrategyLimits)) -> Vec<StrategyLimits> {
    let mut all = vec![StrategyLimits::default(); usize::from(STRATEGY.0) + 1];
    change(&mut all[usize::from(STRATEGY.0)]);
    all
}

/// 0.1 BTC in one order is 6 000 quote units.
fn budgets(a: i128, b: i128, rebalance: bool) -> Bench {
    let budgets = vec![(VENUE_A, Amount(a * E18)), (VENUE_B, Amount(b * E18))];
    with(|limits| {
        limits.strategies = own(|own| (own.budgets, own.budget_rebalance) = (budgets, rebalance));
    })
}

#[test]
fn an_instrument_has_a_limit_of_its_own() {
    let mut bench = with(|limits| limits.instrument_position_max = vec![(A, Amount(E18 / 50))]);
    assert_eq!(refusal(&mut bench, buy(1_000)), None);
    assert_eq!(refusal(&mut bench, buy(1_001)), Some(RiskReject::InstrumentPosition));
    assert_eq!(refusal(&mut bench, gtc(B, Side::Buy, 6_000_000, 5_000)), None, "not limited");
    assert_eq!(refusal(&mut bench, buy(1_000)), None, "exactly the limit");
    assert_eq!(refusal(&mut bench, buy(10)), Some(RiskReject::InstrumentPosition));
    let sell = gtc(A, Side::Sell, 6_000_010, 2_001);
    assert_eq!(refusal(&mut bench, sell), Some(RiskReject::InstrumentPosition));
    assert_eq!(refusal(&mut bench, Leg { qty: Qty(2_000), ..sell }), None);
    assert_eq!(bench.oms.counters().refusals[RiskReject::InstrumentPosition as usize], 3);
    let two = [buy(10), gtc(B, Side::Sell, 6_000_010, 10)];
    bench.signal(&two);
    assert_eq!(codes(&bench), [RiskReject::InstrumentPosition, RiskReject::OtherLeg]);
}

#[test]
fn no_order_meets_one_of_our_own() {
    let mut bench = Bench::new();
    let id = bench.order();
    let sell = |price| gtc(A, Side::Sell, price, 1_000);
    assert_eq!(refusal(&mut bench, sell(6_000_000)), Some(RiskReject::SelfCross));
    assert_eq!(refusal(&mut bench, sell(5_999_990)), Some(RiskReject::SelfCross));
    let market = Leg { pricing: LegPricing::Market, price: Price(0), ..sell(0) };
    assert_eq!(refusal(&mut bench, market), Some(RiskReject::SelfCross));
    assert_eq!(refusal(&mut bench, sell(6_000_010)), None, "a tick above");
    assert_eq!(refusal(&mut bench, gtc(B, Side::Sell, 6_000_000, 1_000)), None, "elsewhere");
    let higher = gtc(A, Side::Buy, 6_000_010, 1_000);
    assert_eq!(refusal(&mut bench, higher), Some(RiskReject::SelfCross));
    bench.say(ReportKind::Unknown, ReportOrigin::Local, id);
    assert_eq!(refusal(&mut bench, sell(6_000_000)), Some(RiskReject::SelfCross), "it may live");
    bench.say(ReportKind::Canceled, ReportOrigin::Stream, id);
    assert_eq!(refusal(&mut bench, sell(6_000_000)), None);
    let mut bench = Bench::new();
    bench.signal(&[buy(1_000), sell(6_000_000)]);
    assert_eq!(codes(&bench), [RiskReject::OtherLeg, RiskReject::SelfCross], "of one signal");
}

#[test]
fn a_strategy_has_its_own_rate_and_number_of_orders() {
    let mut bench = with(|limits| {
        limits.strategies = own(|own| {
            (own.order_rate_max, own.open_orders_max) = (Some(3), Some(2));
        });
    });
    let ids = bench.signal(&[buy(10), gtc(B, Side::Buy, 6_000_000, 10)]);
    assert_eq!(ids.len(), 2);
    assert_eq!(refusal(&mut bench, buy(10)), Some(RiskReject::StrategyOpenOrders));
    bench.say(ReportKind::Canceled, ReportOrigin::Stream, ids[0]);
    assert_eq!(refusal(&mut bench, buy(10)), None);
    let cancelled = bench.oms.orders().iter_open().next().unwrap().client_id;
    bench.say(ReportKind::Canceled, ReportOrigin::Stream, cancelled);
    for id in bench.oms.orders().iter_open().map(|order| order.client_id).collect::<Vec<_>>() {
        bench.report(&ExecutionReport::new(ReportKind::Canceled, ReportOrigin::Stream, id, A));
    }
    assert_eq!(refusal(&mut bench, buy(10)), Some(RiskReject::StrategyOrderRate));
    let other =
        Signal { id: SignalId(9), strategy: StrategyId(1), legs_len: 1, ..Signal::default() };
    let mut other = Signal { tick_ns: Nanos(1), ..other };
    other.legs[0] = buy(10);
    bench.out.clear();
    bench.oms.on_request(StrategyId(1), &Request::Signal(other), bench.now, &mut bench.out);
    assert_eq!(bench.out.commands.len(), 1, "another strategy is not limited");
    bench.pass(1_000 * MS);
    assert_eq!(refusal(&mut bench, buy(10)), None, "a second later");
    assert_eq!(bench.oms.counters().refusals[RiskReject::StrategyOrderRate as usize], 1);
}

#[test]
fn buys_bind_capital_and_sells_free_it() {
    let mut bench = budgets(6_000, 100, false);
    assert_eq!(refusal(&mut bench, buy(6_000)), None);
    let after = bench.oms.budget(STRATEGY, VENUE_A);
    assert_eq!((after.working, after.held), (Amount(3_600 * E18), Amount::ZERO));
    assert_eq!(refusal(&mut bench, buy(4_010)), Some(RiskReject::StrategyBudget));
    let id = bench.oms.orders().iter().next().unwrap().client_id;
    bench.report(&fill(id, A, 1, 2_000));
    let after = bench.oms.budget(STRATEGY, VENUE_A);
    assert_eq!((after.working, after.held), (Amount(2_400 * E18), Amount(1_200 * E18)));
    assert_eq!(refusal(&mut bench, buy(4_010)), Some(RiskReject::StrategyBudget));
    bench.say(ReportKind::Canceled, ReportOrigin::Stream, id);
    assert_eq!(bench.oms.budget(STRATEGY, VENUE_A).used(), Amount(1_200 * E18));
    bench.books_are_new();
    let sold = bench.signal(&[gtc(A, Side::Sell, 6_000_000, 1_000)]);
    assert_eq!(bench.oms.budget(STRATEGY, VENUE_A).used(), Amount(1_200 * E18), "not yet");
    bench.report(&fill(sold[0], A, 2, 1_000));
    assert_eq!(bench.oms.budget(STRATEGY, VENUE_A).used(), Amount(600 * E18));
    assert_eq!(refusal(&mut bench, buy(9_010)), Some(RiskReject::StrategyBudget));
    assert_eq!(refusal(&mut bench, buy(9_000)), None, "the whole budget");
    let key = LimitKey::Budget(STRATEGY, VENUE_A);
    let set = Operator::SetLimit(key, Amount(6_600 * E18));
    let done = bench.oms.on_operator(&set, bench.now, &mut bench.out).unwrap();
    assert_eq!(done.limit_before, Some(Amount(6_000 * E18)));
    assert_eq!(refusal(&mut bench, buy(1_000)), None);
    assert_eq!(refusal(&mut bench, buy(10)), Some(RiskReject::StrategyBudget));
}

#[test]
fn a_market_buy_counts_at_the_ask() {
    let mut bench = budgets(6_000, 100, false);
    let market = Leg { pricing: LegPricing::Market, price: Price(0), ..buy(1_000) };
    assert_eq!(refusal(&mut bench, market), None);
    assert_eq!(bench.oms.budget(STRATEGY, VENUE_A).working, Amount(600_001 * E18 / 1_000));
}

#[test]
fn idle_budget_moves_where_it_is_short() {
    let mut bench = budgets(1_000, 1_000, true);
    let both = [buy(2_000), gtc(B, Side::Buy, 6_000_000, 1_000)];
    assert_eq!(bench.signal(&both).len(), 2);
    let limit = |bench: &Bench, venue| bench.oms.budget(STRATEGY, venue).limit.unwrap().0 / E18;
    assert_eq!((limit(&bench, VENUE_A), limit(&bench, VENUE_B)), (1_200, 800));
    let moves: Vec<&Record> = bench
        .oms
        .recorder()
        .iter()
        .map(|(_, record)| record)
        .filter(|record| matches!(record, Record::Budget { .. }))
        .collect();
    let [Record::Budget { strategy, from, to, amount }] = moves[..] else { panic!("{moves:?}") };
    assert_eq!((*strategy, *from, *to), (STRATEGY, VENUE_B, VENUE_A));
    assert_eq!(*amount, Amount(200 * E18));
    // 200 are left in all: neither venue can have more.
    assert_eq!(refusal(&mut bench, buy(340)), Some(RiskReject::StrategyBudget));
    assert_eq!((limit(&bench, VENUE_A), limit(&bench, VENUE_B)), (1_200, 800), "nothing moved");
    assert_eq!(refusal(&mut bench, buy(300)), None);
    assert_eq!((limit(&bench, VENUE_A), limit(&bench, VENUE_B)), (1_380, 620));
}

/// Asks for other terms of an order: its code, or `None` if they were sent.
fn change(bench: &mut Bench, id: ClientOrderId, price: i64, qty: i64) -> Option<RiskReject> {
    bench.books_are_new();
    bench.request(&Request::Replace { id, price: Price(price), qty: Qty(qty) });
    assert_eq!(bench.sent().len() + codes(bench).len(), 1);
    codes(bench).first().copied()
}

/// A working buy at A.
fn works(bench: &mut Bench, price: i64, qty: i64) -> ClientOrderId {
    bench.books_are_new();
    let id = bench.signal(&[gtc(A, Side::Buy, price, qty)])[0];
    bench.say(ReportKind::Accepted, ReportOrigin::Stream, id);
    id
}

fn working(bench: &Bench) -> i128 {
    bench.oms.budget(STRATEGY, VENUE_A).working.0
}

#[test]
fn a_changed_order_keeps_to_the_budget() {
    let mut bench = budgets(6_000, 100, false);
    // 0.05 BTC at 59 000 bind 2 950; at 60 000 0.1 BTC are the whole budget.
    let id = works(&mut bench, 5_900_000, 5_000);
    assert_eq!(working(&bench), 2_950 * E18);
    assert_eq!(change(&mut bench, id, 6_000_000, 10_010), Some(RiskReject::StrategyBudget));
    assert_eq!(working(&bench), 2_950 * E18, "nothing was reserved");
    assert_eq!(change(&mut bench, id, 6_000_000, 10_000), None);
    assert_eq!(working(&bench), 6_000 * E18, "both price and quantity count at once");
    assert_eq!(refusal(&mut bench, buy(10)), Some(RiskReject::StrategyBudget));
    bench.say(ReportKind::ReplaceRejected, ReportOrigin::Reply, id);
    assert_eq!(working(&bench), 2_950 * E18);
    // The price alone.
    assert_eq!(change(&mut bench, id, 6_000_000, 5_000), None);
    assert_eq!(working(&bench), 3_000 * E18);
    assert_eq!(bench.oms.counters().refusals[RiskReject::StrategyBudget as usize], 2);
}

#[test]
fn a_cheaper_change_binds_what_it_adds_and_a_smaller_one_nothing() {
    let mut bench = budgets(6_000, 100, false);
    let id = works(&mut bench, 6_000_000, 5_000);
    // 0.05 BTC may fill at 60 000 before the other 0.05 stand at 50 000: 5 500 at most.
    assert_eq!(change(&mut bench, id, 5_000_000, 10_000), None);
    assert_eq!(working(&bench), 5_500 * E18);
    let mut report = ExecutionReport::new(ReportKind::Replaced, ReportOrigin::Stream, id, A);
    (report.price, report.qty) = (Price(5_000_000), Qty(10_000));
    bench.report(&report);
    assert_eq!(working(&bench), 5_000 * E18);
    assert_eq!(change(&mut bench, id, 5_000_000, 12_010), Some(RiskReject::StrategyBudget));
    assert_eq!(change(&mut bench, id, 5_000_000, 1_000), None);
    assert_eq!(working(&bench), 5_000 * E18, "until the venue has changed it");
    bench.report(&ExecutionReport { qty: Qty(1_000), ..report });
    assert_eq!(working(&bench), 500 * E18);
}

#[test]
fn a_changed_order_may_move_budget() {
    let mut bench = budgets(3_000, 3_000, true);
    let id = works(&mut bench, 6_000_000, 5_000);
    assert_eq!(change(&mut bench, id, 6_000_000, 8_000), None);
    let limit = |venue| bench.oms.budget(STRATEGY, venue).limit.unwrap().0 / E18;
    assert_eq!((limit(VENUE_A), limit(VENUE_B)), (4_800, 1_200));
}

#[test]
fn a_loss_of_the_day_leaves_only_reducing_orders() {
    let mut bench = with(|limits| limits.daily_loss_max = Some(Amount(100 * E18)));
    bought(&mut bench, 1, 10_000);
    assert_eq!(bench.oms.losses()[USDT.index()].net, Amount(5 * E18 / 1_000), "half a tick");
    // 0.1 BTC: 1 000 down is 100 lost, and that is allowed.
    set_bid(&mut bench, 5_899_995 - 5);
    bench.pass(1_000 * MS);
    assert_eq!(bench.oms.losses()[USDT.index()].net, Amount(-1_000_050 * E18 / 10_000));
    assert_eq!(bench.oms.loss_switch(), Some(LossSwitch::DailyLoss));
    assert_eq!(bench.oms.trading_state(), TradingState::ReduceOnly);
    let thrown = bench.oms.recorder().iter().find_map(|(_, record)| match record {
        Record::LossSwitch { switch, quote, loss, limit } => Some((*switch, *quote, *loss, *limit)),
        _ => None,
    });
    let lost = Amount(1_000_050 * E18 / 10_000);
    assert_eq!(thrown, Some((LossSwitch::DailyLoss, USDT, lost, Amount(100 * E18))));
    let low = gtc(A, Side::Buy, 5_899_990, 1_000);
    assert_eq!(refusal(&mut bench, low), Some(RiskReject::DailyLoss));
    assert_eq!(refusal(&mut bench, gtc(A, Side::Sell, 5_900_000, 1_000)), None, "reduces");
    // A new day alone allows nothing.
    bench.pass(86_400_000 * MS);
    assert_eq!(refusal(&mut bench, low), Some(RiskReject::DailyLoss));
    let resume = Operator::SetState(Scope::Engine, TradingState::Active);
    bench.oms.on_operator(&resume, bench.now, &mut bench.out).unwrap();
    assert_eq!((bench.oms.loss_switch(), bench.oms.trading_state()), (None, TradingState::Active));
    assert_eq!(refusal(&mut bench, low), None);
    bench.pass(1_000 * MS);
    assert_eq!(bench.oms.loss_switch(), None, "what was lost before does not count");
    set_bid(&mut bench, 5_799_980);
    bench.pass(1_000 * MS);
    assert_eq!(bench.oms.loss_switch(), Some(LossSwitch::DailyLoss), "100.01 more");
}

#[test]
fn exactly_the_limit_is_not_beyond_it() {
    let mut bench = with(|limits| limits.daily_loss_max = Some(Amount(100 * E18)));
    bought(&mut bench, 1, 10_000);
    set_bid(&mut bench, 5_899_995);
    bench.pass(1_000 * MS);
    assert_eq!(bench.oms.losses()[USDT.index()].net, Amount(-100 * E18));
    assert_eq!(bench.oms.loss_switch(), None);
}

#[test]
fn a_day_begins_at_midnight_with_the_last_value_before_it() {
    let day = 86_400_000 * MS;
    let to_midnight = day - START.0 % day;
    let mut bench = with(|limits| limits.daily_loss_max = Some(Amount(100 * E18)));
    bought(&mut bench, 1, 10_000);
    set_bid(&mut bench, 5_940_000);
    bench.pass(1_000 * MS);
    bench.pass(to_midnight - 1_000 * MS - 1);
    assert_eq!(bench.oms.losses()[USDT.index()].day_open, Amount::ZERO);
    set_bid(&mut bench, 5_880_000);
    bench.pass(1_000 * MS);
    let row = bench.oms.losses()[USDT.index()];
    assert_eq!(row.day_open, Amount(-599_950 * E18 / 10_000));
    assert_eq!(row.net, Amount(-1_199_950 * E18 / 10_000));
    assert_eq!(bench.oms.loss_switch(), None, "60 today");
}

#[test]
fn a_drawdown_is_measured_from_the_highest_profit() {
    let mut bench = with(|limits| limits.drawdown_max = Some(Amount(50 * E18)));
    bought(&mut bench, 1, 10_000);
    set_bid(&mut bench, 6_080_000);
    bench.pass(1_000 * MS);
    assert_eq!(bench.oms.losses()[USDT.index()].high, Amount(800_050 * E18 / 10_000));
    // A book that is not live keeps its last mark.
    set_bid(&mut bench, 5_000_000);
    bench.oms.books_mut().0[0].state = BookState::Stale;
    bench.pass(1_000 * MS);
    assert_eq!(bench.oms.loss_switch(), None);
    bench.oms.books_mut().0[0].state = BookState::Live;
    set_bid(&mut bench, 6_029_990);
    bench.pass(1_000 * MS);
    assert_eq!(bench.oms.loss_switch(), Some(LossSwitch::Drawdown), "30 in profit, 50.01 down");
    assert_eq!(refusal(&mut bench, buy(1_000)), Some(RiskReject::Drawdown));
}

#[test]
fn fees_are_lost_too_and_a_fill_measures_at_once() {
    let mut bench = with(|limits| limits.daily_loss_max = Some(Amount(E18)));
    let ids = bench.signal(&[buy(1_000)]);
    let mut report = fill(ids[0], A, 1, 1_000);
    (report.fill.fee, report.fill.fee_asset) = (Amount(2 * E18), USDT);
    bench.report(&report);
    assert_eq!(bench.oms.loss_switch(), Some(LossSwitch::DailyLoss));
}

#[test]
fn a_limit_that_is_set_later_measures_from_then_on() {
    let mut bench = Bench::new();
    bought(&mut bench, 1, 10_000);
    set_bid(&mut bench, 5_800_000);
    let set = |bench: &mut Bench, units: i128| {
        let set = Operator::SetLimit(LimitKey::DailyLossMax, Amount(units * E18));
        bench.oms.on_operator(&set, bench.now, &mut bench.out).unwrap();
    };
    set(&mut bench, 100);
    bench.pass(1_000 * MS);
    assert_eq!(bench.oms.loss_switch(), None);
    set_bid(&mut bench, 5_750_000);
    bench.pass(1_000 * MS);
    assert_eq!(bench.oms.loss_switch(), None, "50 since");
    set(&mut bench, 40);
    assert_eq!(bench.oms.loss_switch(), Some(LossSwitch::DailyLoss), "lowered below the loss");
    let bad = Operator::SetLimit(LimitKey::DrawdownMax, Amount::ZERO);
    let error = bench.oms.on_operator(&bad, bench.now, &mut bench.out).unwrap_err();
    assert_eq!(error, OperatorError::BadValue);
}

#[test]
fn a_thrown_switch_and_what_is_held_survive_a_restart() {
    let mut options = options();
    options.limits.daily_loss_max = Some(Amount(100 * E18));
    options.limits.strategies = own(|own| own.budgets = vec![(VENUE_A, Amount(7_000 * E18))]);
    let mut bench = Bench::with(options.clone());
    bought(&mut bench, 1, 10_000);
    bench.books_are_new();
    bench.signal(&[buy(1_000)]);
    set_bid(&mut bench, 5_000_000);
    bench.pass(1_000 * MS);
    let before = (bench.oms.budget(STRATEGY, VENUE_A), bench.oms.losses().to_vec());
    assert_eq!((before.0.held, before.0.working), (Amount(6_000 * E18), Amount(600 * E18)));
    let (kept, now) = (bench.oms.kept(), bench.now.plus(5_000 * MS));
    let books = FakeBooks([quote(); 5]);
    let oms = Oms::resume(kept, options, Arc::new(table()), now, Vec::new(), books).unwrap();
    assert_eq!(oms.loss_switch(), Some(LossSwitch::DailyLoss));
    assert_eq!(oms.trading_state(), TradingState::ReduceOnly);
    assert_eq!((oms.budget(STRATEGY, VENUE_A), oms.losses().to_vec()), before);
}

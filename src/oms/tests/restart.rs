//! What a restart carries over when instruments, strategies or the market have changed meanwhile.

use super::legs::CONTRACT;
use super::*;
use crate::types::{BreachAction, LegMode, LimitKey, NewOrder, PairEnd};

/// The test's strategy is the fourth.
const NAMES: [&str; 4] = ["one", "two", "three", "own"];

fn named(names: &[&str]) -> OmsOptions {
    let strategies = names.iter().map(|name| (*name).to_owned()).collect();
    OmsOptions { strategies, ..options() }
}

/// The next run, ten seconds later, with these instruments.
fn next_over(bench: &Bench, options: OmsOptions, table: InstrumentTable) -> Bench {
    let now = bench.now.plus(10_000 * MS);
    let books = FakeBooks([BookQuote { recv_ns: now, ..quote() }; 5]);
    let kept = Kept::decode(&bench.oms.kept().encode()).unwrap();
    let mut next = Bench::unready(options.clone());
    next.oms = Oms::resume(kept, options, Arc::new(table), now, Vec::new(), books).unwrap();
    next.now = now;
    next
}

fn next(bench: &Bench, options: OmsOptions) -> Bench {
    next_over(bench, options, table())
}

fn connect(bench: &mut Bench) {
    for (venue, channel) in
        [(VENUE_A, Channel::Trade), (VENUE_B, Channel::Trade), (VENUE_B, Channel::Private)]
    {
        bench.notice(venue, VenueNotice::Readiness(channel, Readiness::Ready));
    }
}

fn news(bench: &Bench) -> Vec<NewOrder> {
    let new = bench.sent().into_iter().filter_map(|kind| match kind {
        CommandKind::New(order) => Some(order),
        _ => None,
    });
    new.collect()
}

/// Everything that the runs recorded, again: the same state.
fn replays(runs: &mut [&mut Bench]) {
    let mut replay = Replay::new();
    for bench in runs.iter_mut() {
        let mut records = bench.before.clone();
        records.extend(bench.oms.recorder().iter().cloned());
        for (now, record) in records {
            let mut bytes = [0; 4096];
            let len = record.encode(&mut bytes).unwrap();
            replay.push(now, Record::decode(&bytes[..len]).unwrap()).unwrap();
        }
    }
    let last = runs.last().unwrap();
    assert_eq!(replay.finish().unwrap().0.unwrap().hash(), last.oms.state_hash());
}

/// A run in which the strategy holds 400 at A, has a buy of 1 000 working of which these are part,
/// and is paused.
fn first_run() -> (Bench, ClientOrderId) {
    let mut options = named(&NAMES);
    let own = StrategyLimits {
        order_rate_max: Some(2),
        budgets: vec![(VENUE_A, Amount(5_000 * E18))],
        ..StrategyLimits::default()
    };
    options.limits.strategies = vec![StrategyLimits::default(); 3];
    options.limits.strategies.push(own);
    let mut bench = Bench::with(options);
    let id = bench.order();
    bench.report(&fill(id, A, 1, 400));
    let pause = Operator::SetState(Scope::Strategy(STRATEGY), TradingState::ReduceOnly);
    bench.oms.on_operator(&pause, bench.now, &mut bench.out).unwrap();
    (bench, id)
}

#[test]
fn what_is_a_strategys_follows_its_name_to_another_number() {
    let (mut before, id) = first_run();
    let (old, new) = (STRATEGY, StrategyId(1));
    let mut options = named(&["three", "own", "new"]);
    let own = StrategyLimits {
        order_rate_max: Some(2),
        budgets: vec![(VENUE_A, Amount(5_000 * E18))],
        ..StrategyLimits::default()
    };
    options.limits.strategies = vec![StrategyLimits::default(), own];
    assert_eq!(before.oms.kept().orphaned(&options.strategies), []);
    let mut after = next(&before, options);
    let oms = &after.oms;
    assert_eq!(oms.order(id).unwrap().strategy, new);
    assert!(!oms.order(id).unwrap().cancel_wanted);
    let held = Amount(4 * E18 / 1_000);
    assert_eq!((oms.shares().get(A, new), oms.shares().get(A, old)), (held, Amount::ZERO));
    let budget = oms.budget(new, VENUE_A);
    assert_eq!((budget.held, budget.working), (Amount(240 * E18), Amount(360 * E18)));
    assert_eq!(oms.budget(old, VENUE_A), Budget::default());
    let state = |strategy| oms.trading_state_of(Scope::Strategy(strategy));
    assert_eq!(state(new), Some(TradingState::ReduceOnly));
    assert_eq!(
        (state(old), state(StrategyId(2))),
        (Some(TradingState::Active), Some(TradingState::Active))
    );
    connect(&mut after);
    after.out.clear();
    after.oms.on_report(VENUE_A, &fill(id, A, 2, 600), after.now, &mut after.out);
    assert_eq!(after.out.reports[0].0, new, "it is told of its orders");
    assert_eq!(after.oms.shares().get(A, new), Amount(E18 / 100));
    assert_eq!(after.oms.budget(new, VENUE_A).held, Amount(600 * E18));
    replays(&mut [&mut before, &mut after]);
}

#[test]
fn a_strategy_that_moves_to_a_number_nobody_had_keeps_what_is_its_own() {
    let (before, id) = first_run();
    let after = next(&before, named(&["one", "two", "three", "new", "newer", "own"]));
    let moved = StrategyId(5);
    assert_eq!(after.oms.order(id).unwrap().strategy, moved);
    assert_eq!(after.oms.shares().get(A, moved), Amount(4 * E18 / 1_000));
    let state = after.oms.trading_state_of(Scope::Strategy(moved));
    assert_eq!(state, Some(TradingState::ReduceOnly));
}

#[test]
fn the_pace_follows_the_name() {
    let (mut before, _) = first_run();
    before
        .oms
        .on_operator(
            &Operator::SetState(Scope::Strategy(STRATEGY), TradingState::Active),
            before.now,
            &mut before.out,
        )
        .unwrap();
    before.signal(&[leg(A, Side::Buy)]);
    // The window is a minute here, so that the next run begins within it.
    let mut options = named(&["own"]);
    options.limits.order_rate_window_ns = 60_000 * MS;
    let own = StrategyLimits { order_rate_max: Some(2), ..StrategyLimits::default() };
    options.limits.strategies = vec![own];
    let mut after = next(&before, options);
    let risk = &mut after.oms.state.risk;
    let refused = risk.check_strategy(StrategyId(0), 1, 0, after.now);
    assert_eq!(refused, Err(RiskReject::StrategyOrderRate), "two were sent");
    assert_eq!(risk.check_strategy(StrategyId(0), 1, 0, after.now.plus(60_000 * MS)), Ok(()));
}

#[test]
fn nobodys_orders_are_cancelled_and_what_they_held_is_the_operators() {
    let (mut before, id) = first_run();
    let names = named(&["two", "other"]);
    let left = before.oms.kept().orphaned(&names.strategies);
    let held = vec![("BTC/USDT@a".to_owned(), Amount(4 * E18 / 1_000))];
    assert_eq!(left, [Orphaned { name: "own".to_owned(), orders: 1, held }]);
    let mut after = next(&before, names);
    assert_eq!(after.state(id), OrderState::Unknown);
    assert_eq!(after.oms.order(id).unwrap().strategy, StrategyId::OPERATOR);
    let operator = |bench: &Bench| bench.oms.shares().get(A, StrategyId::OPERATOR);
    assert_eq!(operator(&after), Amount(4 * E18 / 1_000));
    for strategy in 0..3 {
        let state = after.oms.trading_state_of(Scope::Strategy(StrategyId(strategy)));
        assert_eq!(state, Some(TradingState::Active), "what is gone leaves no state to another");
    }
    connect(&mut after);
    after.pass(250 * MS);
    assert!(after.sent().iter().any(|kind| matches!(kind, CommandKind::Query(_))));
    after.report(&status(id, OrderState::PartiallyFilled));
    after.pass(500 * MS);
    let cancelled =
        |kind: &CommandKind| matches!(kind, CommandKind::Cancel(order) if order.client_id == id);
    assert!(after.sent().iter().any(cancelled), "{:?}", after.sent());
    after.report(&fill(id, A, 2, 100));
    assert_eq!(operator(&after), Amount(5 * E18 / 1_000));
    after.say(ReportKind::Canceled, ReportOrigin::Stream, id);
    assert_eq!(after.state(id), OrderState::Canceled);
    assert_eq!(after.oms.exposures().underlying(BTC).buying, Amount::ZERO);
    replays(&mut [&mut before, &mut after]);
}

#[test]
fn a_fill_of_a_strategy_that_is_gone_is_taken_from_nobody_else() {
    let (before, id) = first_run();
    let mut after = next(&before, named(&["two"]));
    after.oms.state.shares.add(A, StrategyId(0), Amount(-E18));
    after.report(&fill(id, A, 2, 600));
    assert_eq!(after.oms.shares().get(A, StrategyId(0)), Amount(-E18));
    assert_eq!(after.oms.shares().get(A, StrategyId::OPERATOR), Amount(E18 / 100));
}

#[test]
fn legs_of_a_strategy_that_is_gone_are_unwound_all_the_same() {
    let mut before = Bench::with(named(&NAMES));
    let buy = Leg { price: Price(6_000_010), ..leg(A, Side::Buy) };
    let [a, b] = before.signal_with(&[buy, leg(B, Side::Sell)], CONTRACT)[..] else { panic!() };
    before.report(&fill(a, A, 1, 1_000));
    let mut after = next(&before, named(&["two"]));
    assert_eq!(after.oms.pairs_open(), 1);
    connect(&mut after);
    let expected = after.expected(VENUE_A);
    after.settle(VENUE_A, &[], &expected);
    after.books_are_new();
    after.report(&ExecutionReport::new(ReportKind::Expired, ReportOrigin::Stream, b, B));
    let hedge = news(&after)[0];
    assert_eq!((hedge.instrument, hedge.side, hedge.qty), (A, Side::Sell, Qty(1_000)));
    assert_eq!(hedge.client_id.strategy(), StrategyId::OPERATOR);
    let report = fill(hedge.client_id, A, 2, 1_000);
    after.report(&ExecutionReport { side: Side::Sell, ..report });
    assert_eq!(after.out.pairs[0].end, PairEnd::Unwound);
    assert_eq!(after.oms.shares().get(A, StrategyId::OPERATOR), Amount::ZERO);
    replays(&mut [&mut before, &mut after]);
}

/// The table with its instruments in the other order and one more decimal of quantity.
fn other_table() -> InstrumentTable {
    let mut other = InstrumentTable::default();
    let quote = other.assets.intern("USDT");
    let base = other.assets.intern("BTC");
    for old in [B, A] {
        let mut row = table().get(old).unwrap().clone();
        (row.base, row.quote) = (base, quote);
        row.scale.qty_decimals = 6;
        let rules = &mut row.rules;
        for qty in [&mut rules.lot_size, &mut rules.qty_min, &mut rules.qty_max] {
            *qty = Qty(qty.0 * 10);
        }
        other.add(row);
    }
    other
}

/// Options for [`other_table`], where BTC has the other number.
fn other_options() -> OmsOptions {
    let mut options = options();
    options.limits.position_max = vec![(AssetId(1), Amount(E18))];
    options
}

/// The venue's balances are what they should be.
fn agree(bench: &mut Bench, venue: VenueId) {
    let balances = [AssetId(0), AssetId(1)].map(|asset| {
        (asset, bench.oms.balances().get(venue, asset).expected().unwrap_or_default().0)
    });
    bench.settle(venue, &[], &balances);
}

/// Numbers in the other table: A is B and a lot is ten units.
fn moved_pair(mode: LegMode, on_breach: BreachAction) -> (Bench, Bench, Vec<ClientOrderId>) {
    let mut before = Bench::new();
    let buy = Leg { price: Price(6_000_010), ..leg(A, Side::Buy) };
    let naked_qty_max = Qty(700);
    let contract = Contract { mode, on_breach, naked_qty_max, ..CONTRACT };
    let ids = before.signal_with(&[buy, leg(B, Side::Sell)], contract);
    before.report(&fill(ids[0], A, 1, 600));
    assert_eq!(before.oms.pairs_open(), 1);
    let mut after = next_over(&before, other_options(), other_table());
    assert_eq!(after.oms.pairs_open(), 1);
    connect(&mut after);
    for venue in [VENUE_A, VENUE_B] {
        agree(&mut after, venue);
    }
    after.books_are_new();
    (before, after, ids)
}

fn other_report(kind: ReportKind, id: ClientOrderId, instrument: InstrumentId) -> ExecutionReport {
    ExecutionReport::new(kind, ReportOrigin::Stream, id, instrument)
}

#[test]
fn a_live_pair_moves_with_its_instruments_and_is_unwound_in_their_new_numbers() {
    let (mut before, mut after, ids) = moved_pair(LegMode::Parallel, BreachAction::Unwind);
    let (a, b) = (B, A);
    let say = |bench: &mut Bench, venue, report: &ExecutionReport| {
        bench.out.clear();
        bench.oms.on_report(venue, report, bench.now, &mut bench.out);
    };
    say(&mut after, VENUE_A, &other_report(ReportKind::Expired, ids[0], a));
    agree(&mut after, VENUE_A);
    say(&mut after, VENUE_B, &other_report(ReportKind::Rejected, ids[1], b));
    let hedge = news(&after)[0];
    assert_eq!((hedge.instrument, hedge.side, hedge.qty), (a, Side::Sell, Qty(6_000)));
    let mut sold = fill(hedge.client_id, a, 2, 6_000);
    sold.side = Side::Sell;
    say(&mut after, VENUE_A, &sold);
    let outcome = after.out.pairs[0];
    assert_eq!((outcome.end, outcome.naked_qty, outcome.hedged), {
        (PairEnd::Unwound, Qty(6_000), Qty(6_000))
    });
    assert_eq!(outcome.legs()[0].got_qty, Qty(6_000));
    assert_eq!(after.oms.positions().get(a).qty, Amount::ZERO);
    replays(&mut [&mut before, &mut after]);
}

#[test]
fn the_bound_of_a_live_pair_moves_too_and_a_sequential_one_goes_on() {
    let (mut before, mut after, ids) = moved_pair(LegMode::Sequential, BreachAction::Unwind);
    let (a, b) = (B, A);
    after.out.clear();
    let expired = other_report(ReportKind::Expired, ids[0], a);
    after.oms.on_report(VENUE_A, &expired, after.now, &mut after.out);
    let second = news(&after)[0];
    assert_eq!((second.instrument, second.side, second.qty), (b, Side::Sell, Qty(6_000)));
    after.out.clear();
    let mut sold = fill(second.client_id, b, 3, 6_000);
    sold.side = Side::Sell;
    after.oms.on_report(VENUE_B, &sold, after.now, &mut after.out);
    assert_eq!(after.out.pairs[0].end, PairEnd::Balanced);
    replays(&mut [&mut before, &mut after]);
}

#[test]
fn a_pair_whose_instrument_is_gone_is_not_followed_where_nothing_of_it_is_left() {
    let mut before = Bench::new();
    let ids = before.signal_with(&[leg(A, Side::Buy), leg(B, Side::Sell)], CONTRACT);
    for (id, instrument) in ids.iter().zip([A, B]) {
        let report = other_report(ReportKind::Unknown, *id, instrument);
        before.report(&ExecutionReport { origin: ReportOrigin::Local, ..report });
    }
    let mut less = InstrumentTable::default();
    less.assets = table().assets.clone();
    less.add(table().get(A).unwrap().clone());
    let kept = before.oms.kept();
    let books = FakeBooks([quote(); 5]);
    let now = before.now.plus(10_000 * MS);
    let error = Oms::resume(kept, options(), Arc::new(less), now, Vec::new(), books).err().unwrap();
    assert_eq!(error, MoveError::InstrumentGone("BTC/USDT@b".to_owned()));
}

/// Flatten while a leg contract runs: nothing is hedged besides, and all of it is closed.
#[test]
fn flattening_ends_a_live_pair_without_trading_it_twice() {
    for scope in [Scope::Engine, Scope::Strategy(STRATEGY), Scope::Venue(VENUE_A)] {
        let mut bench = Bench::new();
        let buy = Leg { price: Price(6_000_010), ..leg(A, Side::Buy) };
        let ids = bench.signal_with(&[buy, leg(B, Side::Sell)], CONTRACT);
        bench.report(&fill(ids[0], A, 1, 600));
        bench.out.clear();
        bench.oms.on_operator(&Operator::Flatten(scope), bench.now, &mut bench.out).unwrap();
        let cancels = bench.sent().iter().filter(|k| matches!(k, CommandKind::Cancel(_))).count();
        assert_eq!(cancels, if scope == Scope::Venue(VENUE_A) { 1 } else { 2 }, "{scope:?}");
        bench.say(ReportKind::Canceled, ReportOrigin::Stream, ids[0]);
        assert_eq!(news(&bench), [], "nothing is hedged");
        bench.report(&other_report(ReportKind::Rejected, ids[1], B));
        let (mut sent, mut told) = (news(&bench), bench.out.pairs.clone());
        for _ in 0..20 {
            bench.now = bench.now.plus(100 * MS);
            bench.books_are_new();
            bench.out.clear();
            bench.oms.on_timer(bench.now, &mut bench.out);
            told.extend(bench.out.pairs.iter().copied());
            let new = news(&bench);
            sent.extend(new.iter().copied());
            for order in new {
                let report = fill(order.client_id, A, 50, order.qty.0);
                bench.report(&ExecutionReport { side: order.side, ..report });
                told.extend(bench.out.pairs.iter().copied());
            }
        }
        assert_eq!(sent.len(), 1, "{scope:?}: {sent:?}");
        assert_eq!((sent[0].instrument, sent[0].side, sent[0].qty), (A, Side::Sell, Qty(600)));
        assert_eq!(bench.oms.positions().get(A).qty, Amount::ZERO);
        assert_eq!(bench.oms.pairs_open(), 0);
        assert_eq!(told[0].end, PairEnd::Held, "it is told what the contract left");
        assert!(bench.oms.progress(scope).is_done());
        bench.check_sums();
    }
}

#[test]
fn a_limit_of_a_strategy_that_was_set_by_hand_ends_with_the_run() {
    let (mut before, _) = first_run();
    let key = LimitKey::Budget(STRATEGY, VENUE_A);
    let set = Operator::SetLimit(key, Amount(9_000 * E18));
    before.oms.on_operator(&set, before.now, &mut before.out).unwrap();
    let after = next(&before, named(&["own"]));
    assert_eq!(after.oms.budget(StrategyId(0), VENUE_A).limit, None, "as it is configured now");
}

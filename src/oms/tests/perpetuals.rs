//! Perpetuals: what fills and funding make of the account, positions against the venue's, margin.

use super::reconcile::{SECOND, begin, btc, found};
use super::replay::{recorded, replay};
use super::*;
use crate::types::{FundingPayment, InstrumentKind, MarginMode, MarginReport, PositionReport};
use ReportOrigin::Stream;

/// Venue A trades BTC as a perpetual that settles in USDT, venue B on spot.
fn perpetual_table() -> InstrumentTable {
    let (mut perpetual, spot) = {
        let table = table();
        (table.get(A).unwrap().clone(), table.get(B).unwrap().clone())
    };
    perpetual.kind = InstrumentKind::LinearPerpetual;
    perpetual.name = "BTC/USDT:USDT@a".to_owned();
    perpetual.settle = USDT;
    let mut table = InstrumentTable::default();
    table.assets.intern("BTC");
    table.assets.intern("USDT");
    table.add(perpetual);
    table.add(spot);
    table
}

fn margin(available: i128) -> MarginReport {
    MarginReport {
        venue: VENUE_A,
        asset: USDT,
        equity: Amount(available * E18),
        available: Amount(available * E18),
        ..MarginReport::default()
    }
}

/// A position of so many 1e-5 BTC at this price, five times.
fn position(units: i64, entry: i128) -> PositionReport {
    PositionReport {
        instrument: A,
        qty: btc(units),
        entry: Amount(entry * E18),
        liquidation: Amount(50_000 * E18),
        leverage: Amount(5 * E18),
        mode: MarginMode::Cross,
        ..PositionReport::default()
    }
}

fn payment(id: u64, amount: i128) -> FundingPayment {
    let event_ns = START.plus(id * SECOND);
    FundingPayment {
        instrument: A,
        asset: USDT,
        amount: Amount(amount * E18),
        id,
        settles: false,
        event_ns,
    }
}

impl Bench {
    /// Both venues ready, the first one holding a position for us.
    fn perpetual(held: Option<PositionReport>, margin: Option<MarginReport>) -> Self {
        Self::perpetual_with(options(), held, margin)
    }

    fn perpetual_with(
        options: OmsOptions,
        held: Option<PositionReport>,
        margin: Option<MarginReport>,
    ) -> Self {
        let mut bench = Self::unready_over(options, perpetual_table());
        for (venue, channel) in
            [(VENUE_A, Channel::Trade), (VENUE_B, Channel::Trade), (VENUE_B, Channel::Private)]
        {
            bench.notice(venue, VenueNotice::Readiness(channel, Readiness::Ready));
        }
        bench.settle(VENUE_B, &[], &[(BTC, E18), (USDT, 100_000 * E18)]);
        bench.answers(held, margin, 1_000 * E18);
        assert!(bench.oms.is_ready(VENUE_A, START) && bench.oms.is_ready(VENUE_B, START));
        bench
    }

    /// Answers all that a reconciliation of the first venue asks for.
    fn answers(
        &mut self,
        held: Option<PositionReport>,
        margin: Option<MarginReport>,
        wallet: i128,
    ) {
        self.out.clear();
        while let Some(kind) = self.asked(VENUE_A) {
            match kind {
                CommandKind::FillsSince { instrument, .. } => {
                    self.answer(VENUE_A, VenueNotice::FillsEnd(instrument));
                }
                CommandKind::OpenOrders(instrument) => {
                    self.answer(VENUE_A, VenueNotice::OpenOrdersEnd(instrument));
                }
                CommandKind::FundingSince(_) => self.answer(VENUE_A, VenueNotice::FundingEnd),
                _ => {
                    self.state_balances(VENUE_A, &[(USDT, wallet)]);
                    if let Some(held) = held {
                        self.oms.on_position(VENUE_A, &held, self.now);
                    }
                    if let Some(margin) = margin {
                        self.oms.on_margin(&margin, self.now);
                    }
                    self.answer(VENUE_A, VenueNotice::BalancesEnd);
                }
            }
        }
    }

    /// Books a fill of 1e-5 BTC at this price, fee 1 USDT.
    fn trade(&mut self, number: u64, side: Side, units: i64, price: i64) {
        let report = fill(ClientOrderId::NONE, A, number, units);
        let fee =
            Fill { price: Price(price * 100), fee: Amount(E18), fee_asset: USDT, ..report.fill };
        let report = ExecutionReport { side, fill: fee, event_ns: self.now, ..report };
        self.report(&ExecutionReport { origin: Stream, ..report });
    }

    fn wallet(&self) -> Amount {
        self.oms.balances().get(VENUE_A, USDT).expected().unwrap()
    }
}

#[test]
fn only_realised_profit_fees_and_funding_change_the_wallet() {
    let mut bench = Bench::perpetual(None, Some(margin(1_000)));
    bench.now = bench.now.plus(SECOND);
    bench.trade(1, Side::Buy, 1_000, 60_000);
    assert_eq!(bench.wallet(), Amount(999 * E18), "the fee alone");
    assert_eq!(bench.oms.balances().get(VENUE_A, BTC).expected(), None);
    bench.trade(2, Side::Sell, 400, 61_000);
    assert_eq!(bench.wallet(), Amount((999 - 1 + 4) * E18));
    for told in [payment(10, -2), payment(10, -2), payment(5, 7), payment(10, -2)] {
        bench.oms.on_funding(VENUE_A, &told, bench.now);
    }
    assert_eq!(bench.wallet(), Amount((1_002 - 2 + 7) * E18), "each once");
    let held = bench.oms.positions().get(A);
    assert_eq!((held.qty, held.cost), (btc(600), Amount(360 * E18)));
    assert_eq!((held.realised, held.funding), (Amount(4 * E18), Amount(5 * E18)));
    assert_eq!(held.fees_value, Amount(2 * E18));
    let counters = bench.oms.counters();
    assert_eq!((counters.funding_payments, counters.funding_repeated), (2, 2));
    bench.check_sums();
}

#[test]
fn profit_that_a_venue_settles_is_realised_and_in_the_cost_of_what_is_held() {
    let mut bench = Bench::perpetual(Some(position(0, 0)), Some(margin(1_000)));
    bench.trade(1, Side::Buy, 1_000, 60_000);
    let settled = FundingPayment { settles: true, ..payment(11, 8) };
    for told in [payment(10, -2), settled, settled] {
        bench.oms.on_funding(VENUE_A, &told, bench.now);
    }
    let held = bench.oms.positions().get(A);
    assert_eq!((held.cost, held.realised), (Amount(608 * E18), Amount(8 * E18)));
    assert_eq!((held.funding, bench.wallet()), (Amount(-2 * E18), Amount(1_005 * E18)));
    // All of it is sold at 61 000, of which the venue counts 2 as the profit since then.
    let report = fill(ClientOrderId::NONE, A, 2, 1_000);
    let fill = Fill { price: Price(6_100_000), realised: Some(Amount(2 * E18)), ..report.fill };
    let report = ExecutionReport { side: Side::Sell, fill, event_ns: bench.now, ..report };
    bench.report(&ExecutionReport { origin: Stream, ..report });
    let flat = bench.oms.positions().get(A);
    assert_eq!((flat.qty, flat.cost), (Amount::ZERO, Amount::ZERO));
    assert_eq!(flat.realised, Amount(10 * E18), "1 % of 1 000");
    bench.check_sums();
}

#[test]
fn funding_of_before_the_start_and_of_spot_is_not_booked() {
    let mut bench = Bench::perpetual(None, Some(margin(1_000)));
    let early = FundingPayment { event_ns: Nanos(START.0 - 1), ..payment(3, 9) };
    bench.oms.on_funding(VENUE_A, &early, bench.now);
    bench.oms.on_funding(VENUE_B, &FundingPayment { instrument: B, ..payment(4, 9) }, bench.now);
    assert_eq!(bench.wallet(), Amount(1_000 * E18));
    assert_eq!(bench.oms.counters().balances_unknown, 1);
}

#[test]
fn a_position_from_before_the_start_is_taken_over_at_its_price_of_entry() {
    let mut bench = Bench::perpetual(Some(position(-2_000, 61_000)), Some(margin(1_000)));
    let expected = Difference::PositionAccepted { instrument: A, amount: btc(-2_000) };
    assert_eq!(found(&mut bench), [expected]);
    let held = bench.oms.positions().get(A);
    assert_eq!((held.qty, held.cost), (btc(-2_000), Amount(-1_220 * E18)));
    assert_eq!(bench.oms.exposures().underlying(BTC).position, btc(-2_000));
    bench.trade(1, Side::Buy, 2_000, 60_000);
    assert_eq!(bench.wallet(), Amount((1_000 + 20 - 1) * E18), "what the venue earns for us");
    bench.check_sums();
}

#[test]
fn a_position_that_no_fill_explains_halts_the_venue_until_a_person_accepts_it() {
    let mut bench = Bench::perpetual(None, Some(margin(1_000)));
    begin(&mut bench);
    for doubt in 1..=4 {
        bench.answers(Some(position(300, 60_500)), Some(margin(1_000)), 1_000 * E18);
        assert_eq!(bench.oms.is_halted(VENUE_A), doubt == 4, "{doubt}");
        bench.pass(5 * SECOND);
    }
    let off = Difference::PositionOff { instrument: A, amount: btc(300) };
    assert_eq!(found(&mut bench), [off]);
    bench.tell(Operator::Accept(VENUE_A));
    let accepted = Difference::PositionAccepted { instrument: A, amount: btc(300) };
    assert_eq!(found(&mut bench), [accepted]);
    assert!(bench.oms.is_ready(VENUE_A, bench.now));
    assert_eq!(bench.oms.positions().get(A).qty, btc(300));
    // And once the venue lists none, ours is not there either: the list is complete without it.
    begin(&mut bench);
    for _ in 0..4 {
        bench.answers(None, Some(margin(1_000)), 1_000 * E18);
        bench.pass(5 * SECOND);
    }
    assert_eq!(found(&mut bench), [Difference::PositionOff { instrument: A, amount: btc(-300) }]);
    bench.check_sums();
}

/// A list tells late of a fill and not of what it realised: the venue had sold 500 first, at 60 500,
/// and the 500 at 62 000 afterwards.
#[test]
fn fills_that_are_booked_in_another_order_than_the_venues_only_move_profit() {
    let mut bench = Bench::perpetual(Some(position(0, 0)), Some(margin(1_000)));
    bench.trade(1, Side::Buy, 1_000, 60_000);
    bench.trade(2, Side::Buy, 1_000, 62_000);
    bench.trade(3, Side::Sell, 500, 60_500);
    assert_eq!(bench.oms.positions().get(A).cost, Amount(915 * E18), "1 500 at 61 000");
    assert_eq!(bench.wallet(), Amount((1_000 - 3) * E18 - 5 * E18 / 2));
    bench.pass(5 * SECOND);
    begin(&mut bench);
    // To the venue they are 1 500 at 61 333.33.
    let entry = Amount(61_333_333_333 * E18 / 1_000_000);
    let held = PositionReport { entry, ..position(1_500, 0) };
    bench.answers(Some(held), Some(margin(1_000)), 997 * E18 + 5 * E18 / 2);
    let moved = Difference::ProfitMoved { instrument: A, amount: Amount(5 * E18) };
    assert_eq!(found(&mut bench), [moved]);
    let ours = bench.oms.positions().get(A);
    assert_eq!((ours.cost, ours.realised), (Amount(920 * E18), Amount(5 * E18 / 2)));
    assert_eq!(bench.wallet(), Amount(997 * E18 + 5 * E18 / 2));
    assert!(bench.oms.is_ready(VENUE_A, bench.now));
    bench.check_sums();
}

#[test]
fn what_a_wallet_is_off_by_is_no_profit_unless_the_costs_are_off_by_as_much() {
    for (entry, wallet) in [(61_000, 5), (61_400, 5), (61_500, -5)] {
        let mut bench = Bench::perpetual(Some(position(0, 0)), Some(margin(1_000)));
        bench.trade(1, Side::Buy, 1_000, 61_000);
        bench.pass(5 * SECOND);
        begin(&mut bench);
        for _ in 0..4 {
            let held = Some(position(1_000, entry));
            bench.answers(held, Some(margin(1_000)), (999 + wallet) * E18);
            bench.pass(5 * SECOND);
        }
        let off = Difference::BalanceOff { asset: USDT, amount: Amount(wallet * E18) };
        assert_eq!(found(&mut bench), [off], "{entry}");
        assert!(bench.oms.is_halted(VENUE_A));
        assert_eq!(bench.oms.positions().get(A).cost, Amount(610 * E18));
    }
}

#[test]
fn orders_are_refused_beyond_the_margin_that_the_account_has_left() {
    let why = |bench: &Bench| bench.out.reports.first().map(|(_, report)| report.risk);
    let refused = |code: RiskReject| Some(code as u8);
    let mut bench = Bench::perpetual(None, None);
    assert_eq!(bench.signal(&[leg(A, Side::Buy)]), []);
    assert_eq!(why(&bench), refused(RiskReject::MarginUnknown));
    bench.oms.on_margin(&margin(1_000), bench.now);
    // 600 USDT at once, and 600 more.
    let gtc = Leg { time_in_force: TimeInForce::Gtc, ..leg(A, Side::Buy) };
    assert_eq!(bench.signal(&[gtc]).len(), 1);
    assert_eq!(bench.signal(&[gtc]), []);
    assert_eq!(why(&bench), refused(RiskReject::Margin));
    // Five times: 120 each, of the first one too, which was in nobody's statement yet.
    let flat = position(0, 0);
    bench.oms.on_position(VENUE_A, &flat, bench.now);
    let left = bench.oms.collateral(VENUE_A, USDT).available().unwrap();
    assert!(left > Amount(879 * E18) && left <= Amount(880 * E18), "{left:?}");
    for _ in 0..7 {
        assert_eq!(bench.signal(&[gtc]).len(), 1);
    }
    assert_eq!(bench.signal(&[gtc]), []);
    // What the venue has counted is not taken off twice.
    bench.oms.on_margin(&margin(130), bench.now);
    assert_eq!(bench.signal(&[gtc]).len(), 1);
    assert_eq!(bench.signal(&[gtc]), []);
    bench.check_sums();
}

#[test]
fn nothing_is_added_to_a_position_that_the_venue_takes() {
    let mut bench = Bench::perpetual(Some(position(1_000, 60_000)), Some(margin(100_000)));
    bench.notice(VENUE_A, VenueNotice::MarginCall(A));
    assert_eq!(bench.signal(&[leg(A, Side::Buy)]), []);
    assert_eq!(bench.signal(&[leg(A, Side::Sell)]).len(), 1, "what takes it back goes");
    let mut bench = Bench::perpetual(Some(position(1_000, 60_000)), Some(margin(100_000)));
    bench.notice(VENUE_A, VenueNotice::MarginCall(A));
    // Stated again and nothing said with it: it is ours.
    bench.oms.on_position(VENUE_A, &position(1_000, 60_000), bench.now);
    assert_eq!(bench.signal(&[leg(A, Side::Buy)]).len(), 1);
    bench.check_sums();
}

#[test]
fn what_only_takes_a_position_back_needs_no_margin() {
    let mut bench = Bench::perpetual(Some(position(1_000, 60_000)), Some(margin(0)));
    assert_eq!(bench.signal(&[leg(A, Side::Buy)]), []);
    assert_eq!(bench.signal(&[leg(A, Side::Sell)]).len(), 1);
    assert_eq!(bench.signal(&[leg(A, Side::Sell)]), [], "this one would go short");
}

#[test]
fn a_strategy_may_always_leave_its_position_within_its_budget() {
    let mut options = options();
    let budgets = vec![(VENUE_A, Amount(1_000 * E18))];
    let own = StrategyLimits { budgets, ..StrategyLimits::default() };
    let others = usize::from(STRATEGY.0);
    options.limits.strategies = vec![StrategyLimits::default(); others];
    options.limits.strategies.push(own);
    let mut bench = Bench::perpetual_with(options, None, Some(margin(10_000)));
    let order = |bench: &mut Bench, side| {
        let leg = Leg { time_in_force: TimeInForce::Gtc, ..leg(A, side) };
        bench.signal(&[leg]).first().copied()
    };
    let filled = |bench: &mut Bench, id, number, side| {
        bench.report(&ExecutionReport { side, ..fill(id, A, number, 1_000) });
    };
    // 600 of 1 000 each.
    let first = order(&mut bench, Side::Buy).unwrap();
    filled(&mut bench, first, 1, Side::Buy);
    assert_eq!(bench.oms.budget(STRATEGY, VENUE_A).held, Amount(600 * E18));
    assert_eq!(order(&mut bench, Side::Buy), None, "600 more are too much");
    let exit = order(&mut bench, Side::Sell).expect("the way out");
    bench.say(ReportKind::Accepted, Stream, exit);
    bench.request(&Request::Replace { id: exit, price: Price(6_010_000), qty: Qty(1_000) });
    assert_eq!(bench.sent().len(), 1, "it stays the way out");
    assert_eq!(order(&mut bench, Side::Sell), None, "this one would go short");
    filled(&mut bench, exit, 2, Side::Sell);
    assert_eq!(bench.oms.budget(STRATEGY, VENUE_A).used(), Amount::ZERO);
    assert!(order(&mut bench, Side::Sell).is_some(), "and the other way");
    bench.check_sums();
}

/// A change may move a post-only order across the book after a part of it was filled.
#[test]
fn an_order_that_is_called_refused_although_it_was_filled_has_ended_once_that_is_said_again() {
    let mut bench = Bench::perpetual(None, Some(margin(10_000)));
    let gtc = Leg { time_in_force: TimeInForce::Gtc, ..leg(A, Side::Buy) };
    let id = bench.signal(&[gtc])[0];
    bench.report(&fill(id, A, 1, 400));
    let state = |bench: &Bench| bench.oms.order(id).unwrap().state;
    bench.say(ReportKind::Rejected, Stream, id);
    assert_eq!(state(&bench), OrderState::Unknown, "one of the two is wrong");
    let again = ExecutionReport::new(ReportKind::Status, ReportOrigin::Query, id, A);
    let again = ExecutionReport { state: OrderState::Rejected, ..again };
    bench.report(&ExecutionReport { cumulative_qty: Some(Qty(400)), ..again });
    assert_eq!(state(&bench), OrderState::Canceled);
    assert_eq!(bench.oms.order(id).unwrap().cumulative(), Qty(400));
    bench.check_sums();
}

#[test]
fn the_state_follows_from_the_records() {
    let mut bench = Bench::perpetual(Some(position(-500, 61_000)), Some(margin(5_000)));
    bench.trade(1, Side::Buy, 700, 60_000);
    bench.oms.on_funding(VENUE_A, &payment(10, -2), bench.now);
    bench.signal(&[leg(A, Side::Sell), leg(B, Side::Buy)]);
    begin(&mut bench);
    bench.answers(Some(position(200, 60_000)), Some(margin(900)), 1_000 * E18);
    let records = recorded(&mut bench);
    let kept = replay(Replay::new(), &records);
    assert_eq!(kept.hash(), bench.oms.state_hash());
    let again = Kept::decode(&kept.encode()).unwrap();
    let books = FakeBooks([quote(); 5]);
    let table = Arc::new(perpetual_table());
    let oms = Oms::resume(again, options(), table, bench.now, Vec::new(), books).unwrap();
    assert_eq!(oms.positions().get(A), bench.oms.positions().get(A));
    assert_eq!(oms.stated_position(A).leverage, Amount(5 * E18));
    assert_eq!(oms.collateral(VENUE_A, USDT).available(), None, "the venue must say so anew");
}

//! Any sequence of reports, requests and pauses leaves the oms legal.

use super::*;
use crate::types::{LimitKey, RateLimitUse, RejectReason};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub(super) enum Step {
    New(Side),
    Cancel(usize),
    /// Order, kind, origin, status, cumulative, reason, fill number and quantity.
    Report(usize, ReportKind, ReportOrigin, u8, Option<i64>, RejectReason, u64, i64),
    Pass(u64),
    /// The bid at A from now on.
    Market(i64),
    Resume,
    StreamLost,
    StreamBack,
    Tell(Operator),
    /// Order, new quantity.
    Replace(usize, i64),
    /// What the venue says of the terms: order, quantity, whether its id changed.
    Replaced(usize, i64, bool),
    /// A row of the stream with a quantity.
    Row(usize, ReportKind, i64),
    /// A reconciliation by command, which lists the orders of this mask as open, an external order
    /// with this sum filled, and balances that agree or not.
    Reconcile(u8, i64, bool),
    /// A fill of no order of ours.
    Foreign(u64, i64),
    /// What the venue says of a limit: which, used, allowed, and when its window ends.
    Rate(u8, u32, u32, u64),
}

fn kind() -> impl Strategy<Value = ReportKind> {
    use ReportKind as K;
    prop_oneof![
        2 => Just(K::Accepted),
        6 => Just(K::Fill),
        1 => Just(K::Canceled),
        1 => Just(K::Rejected),
        1 => Just(K::Expired),
        1 => Just(K::CancelRejected),
        1 => Just(K::ReplaceRejected),
        2 => Just(K::Status),
        2 => Just(K::NotFound),
        1 => Just(K::Unknown),
        2 => Just(K::Progress),
    ]
}

fn report() -> impl Strategy<Value = Step> {
    use ReportOrigin::{Local, Query, Reply, Stream};
    let origin = prop_oneof![Just(Reply), Just(Stream), Just(Query), Just(Local)];
    let reason = prop_oneof![
        3 => Just(RejectReason::None),
        1 => Just(RejectReason::UnknownOrder),
        1 => Just(RejectReason::DuplicateId),
    ];
    (0usize..6, kind(), origin, 0u8..10, prop::option::of(0i64..1_100), reason, 0u64..40, 1i64..500)
        .prop_map(|(order, kind, origin, state, cumulative, reason, number, qty)| {
            Step::Report(order, kind, origin, state, cumulative, reason, number, qty)
        })
}

fn operator() -> impl Strategy<Value = Operator> {
    let own = Scope::Strategy(STRATEGY);
    let scope = prop_oneof![Just(Scope::Engine), Just(Scope::Venue(VENUE_A)), Just(own)];
    let state = prop_oneof![
        3 => Just(TradingState::Active),
        1 => Just(TradingState::ReduceOnly),
        1 => Just(TradingState::Halted),
    ];
    prop_oneof![
        2 => scope.clone().prop_map(Operator::CancelAll),
        3 => scope.clone().prop_map(Operator::Flatten),
        6 => (scope, state).prop_map(|(scope, state)| Operator::SetState(scope, state)),
        1 => Just(Operator::Reconcile(None)),
        4 => Just(Operator::Accept(VENUE_A)),
        1 => (0i128..3).prop_map(|limit| {
            Operator::SetLimit(LimitKey::PositionMax(BTC), Amount(limit * E18))
        }),
    ]
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop_oneof![Just(Side::Buy), Just(Side::Sell)].prop_map(Step::New),
        1 => (0usize..6).prop_map(Step::Cancel),
        12 => report(),
        2 => prop_oneof![Just(1u64), Just(300 * MS), Just(6_000 * MS), Just(12_000 * MS)]
            .prop_map(Step::Pass),
        2 => (4_000_000i64..8_000_000).prop_map(|price| Step::Market(price / 10 * 10)),
        1 => Just(Step::Resume),
        1 => Just(Step::StreamLost),
        1 => (0usize..6, 1i64..1_500).prop_map(|(order, qty)| Step::Replace(order, qty)),
        1 => (0usize..6, 1i64..1_500, any::<bool>())
            .prop_map(|(order, qty, named)| Step::Replaced(order, qty, named)),
        1 => (0usize..6, prop_oneof![
            Just(ReportKind::Accepted), Just(ReportKind::Progress), Just(ReportKind::Status)
        ], 1i64..1_500).prop_map(|(order, kind, qty)| Step::Row(order, kind, qty)),
        2 => (any::<u8>(), 0i64..1_000, any::<bool>())
            .prop_map(|(mask, sum, agree)| Step::Reconcile(mask, sum, agree)),
        1 => (100u64..120, 1i64..500).prop_map(|(number, qty)| Step::Foreign(number, qty)),
        1 => (0u8..3, 0u32..25, 15u32..25, 0u64..12_000)
            .prop_map(|(limit, used, allowed, ms)| Step::Rate(limit, used, allowed, ms * MS)),
        1 => Just(Step::StreamBack),
        2 => operator().prop_map(Step::Tell),
    ]
}

pub(super) struct Model {
    pub bench: Bench,
    pub ids: Vec<(ClientOrderId, Side)>,
    /// Every fill that was ever reported, by its number: what the position must be.
    pub fills: BTreeMap<u64, i64>,
}

impl Default for Model {
    fn default() -> Self {
        Self { bench: Bench::with(limited()), ids: Vec::new(), fills: BTreeMap::new() }
    }
}

impl Model {
    pub fn run(&mut self, step: &Step) {
        match *step {
            Step::New(side) if self.ids.len() < 6 => {
                let now = self.bench.now;
                self.bench.oms.books_mut().0 = [BookQuote { recv_ns: now, ..quote() }; 5];
                // A sell stands a tick above: our own orders may not meet.
                let price = Price(if side == Side::Buy { 6_000_000 } else { 6_000_010 });
                let ids = self.bench.signal(&[Leg { price, ..leg(A, side) }]);
                self.ids.extend(ids.into_iter().map(|id| (id, side)));
            }
            Step::New(_) => {}
            Step::Cancel(order) => {
                if let Some((id, _)) = self.ids.get(order) {
                    self.bench.request(&Request::Cancel(*id));
                }
            }
            Step::Report(order, kind, origin, state, cumulative, reason, number, qty) => {
                if let Some((id, side)) = self.ids.get(order).copied() {
                    let mut report = fill(id, A, number, qty);
                    report.side = side;
                    (report.kind, report.origin, report.reason) = (kind, origin, reason);
                    report.state = OrderState::from_u8(state).unwrap();
                    report.cumulative_qty = cumulative.map(Qty);
                    if kind == ReportKind::Fill {
                        self.fills.entry(number * 2 + side as u64).or_insert(qty * side.sign());
                    }
                    self.bench.report(&report);
                }
            }
            Step::Pass(nanos) => {
                self.bench.books_are_new();
                self.bench.pass(nanos);
                self.meet_new_orders();
            }
            Step::Tell(operator) => {
                self.bench.out.clear();
                let _ = self.bench.oms.on_operator(&operator, self.bench.now, &mut self.bench.out);
            }
            Step::Market(bid) => {
                let book = &mut self.bench.oms.books_mut().0[0];
                (book.bid.price, book.ask.price) = (Price(bid), Price(bid + 10));
            }
            Step::Resume => {
                let resume = Operator::SetState(Scope::Engine, TradingState::Active);
                let Bench { oms, out, now, .. } = &mut self.bench;
                out.clear();
                oms.on_operator(&resume, *now, out).unwrap();
            }
            Step::Replace(order, qty) => {
                if let Some((id, _)) = self.ids.get(order).copied() {
                    self.bench.books_are_new();
                    let (price, qty) = (Price(6_000_000), Qty(qty));
                    self.bench.request(&Request::Replace { id, price, qty });
                }
            }
            Step::Replaced(order, qty, named) => {
                if let Some((id, _)) = self.ids.get(order).copied() {
                    let (kind, origin) = (ReportKind::Replaced, ReportOrigin::Stream);
                    let mut report = ExecutionReport::new(kind, origin, id, A);
                    report.qty = Qty(qty);
                    if named {
                        report.venue_order_id = venue_id(&format!("r-{order}-{qty}"));
                    }
                    self.bench.report(&report);
                }
            }
            Step::Row(order, kind, qty) => {
                if let Some((id, _)) = self.ids.get(order).copied() {
                    let row = ExecutionReport::new(kind, ReportOrigin::Stream, id, A);
                    let state = OrderState::Open;
                    self.bench.report(&ExecutionReport { qty: Qty(qty), state, ..row });
                }
            }
            Step::Reconcile(mask, sum, agree) => self.reconcile(mask, sum, agree),
            Step::Foreign(number, qty) => {
                self.fills.entry(number * 2).or_insert(qty);
                let mut report = fill(ClientOrderId::NONE, A, number, qty);
                report.event_ns = START.plus(1);
                self.bench.report(&report);
            }
            Step::Rate(limit, used, allowed, ends) => {
                let resets_ns = self.bench.now.plus(ends);
                let stated = RateLimitUse { limit, used, allowed, resets_ns };
                self.bench.notice(VENUE_A, VenueNotice::RateLimit(stated));
            }
            Step::StreamLost => self.stream(Readiness::Down),
            Step::StreamBack => {
                self.stream(Readiness::Ready);
                let expected = self.bench.expected(VENUE_A);
                self.bench.settle(VENUE_A, &[], &expected);
            }
        }
    }

    /// Orders that close positions are made by the clock; reports may come for them too.
    fn meet_new_orders(&mut self) {
        for kind in self.bench.sent() {
            if let CommandKind::New(order) = kind {
                let held = self.bench.oms.positions().get(A).qty;
                let against = held.0.signum() == i128::from(-order.side.sign());
                let own = order.client_id.strategy() == STRATEGY;
                assert!(against || own, "{order:?} closes {held:?}");
                self.ids.push((order.client_id, order.side));
            }
        }
    }

    fn reconcile(&mut self, mask: u8, sum: i64, agree: bool) {
        let bench = &mut self.bench;
        bench.out.clear();
        bench.tell(Operator::Reconcile(Some(VENUE_A)));
        let mut open: Vec<ExecutionReport> = Vec::new();
        for (at, (id, side)) in self.ids.iter().enumerate().filter(|(at, _)| mask >> at & 1 == 1) {
            let mut row = status(*id, OrderState::Open);
            (row.side, row.venue_order_id) = (*side, venue_id(&format!("v-{at}")));
            open.push(row);
        }
        let mut row = status(ClientOrderId::NONE, OrderState::Open);
        (row.venue_order_id, row.qty) = (venue_id("by-hand"), Qty(1_000));
        row.cumulative_qty = Some(Qty(sum));
        open.push(row);
        let mut balances = bench.expected(VENUE_A);
        balances[0].1 += if agree { 0 } else { E18 / 2 };
        bench.settle(VENUE_A, &open, &balances);
    }

    fn stream(&mut self, to: Readiness) {
        self.bench.notice(VENUE_A, VenueNotice::Readiness(Channel::Trade, to));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_history_leaves_the_oms_legal(steps in prop::collection::vec(step(), 1..80)) {
        let mut model = Model::default();
        let mut last: BTreeMap<ClientOrderId, (OrderState, Qty)> = BTreeMap::new();
        for step in &steps {
            model.run(step);
            let bench = &model.bench;
            bench.check_sums();
            for (id, _) in &model.ids {
                let order = bench.oms.order(*id).unwrap();
                let known = (order.state, order.cumulative());
                let (state, cumulative) = last.insert(*id, known).unwrap_or(known);
                prop_assert!(order.cumulative() >= cumulative, "{:?}", step);
                let revived = state.is_terminal() && !order.state.is_terminal();
                // A list names it, or it was rejected and lives, or it is said to be larger.
                let listed = matches!(step, Step::Reconcile(..) | Step::StreamBack);
                let told = matches!(step, Step::Replaced(..) | Step::Row(..));
                let larger = told && state == OrderState::Filled;
                let alive = state == OrderState::Rejected || listed || larger;
                prop_assert!(!revived || alive, "{:?}", step);
                let refilled = state != OrderState::Filled || order.state == OrderState::Filled;
                prop_assert!(refilled || (revived && alive), "{:?}", step);
                let doubtful = matches!(
                    order.state,
                    OrderState::Unknown | OrderState::PendingCancel | OrderState::PendingNew
                );
                prop_assert!(!doubtful || bench.oms.deadline().is_some(), "nobody would look again");
                if order.awaits_fills() {
                    prop_assert!(bench.oms.deadline().is_some(), "nobody would fetch the fills");
                }
            }
            let expected: i64 = model.fills.values().sum();
            let held = bench.oms.positions().get(A).qty;
            prop_assert_eq!(held, Amount(i128::from(expected) * (E18 / 100_000)));
            prop_assert_eq!(bench.oms.counters().fills, model.fills.len() as u64);
            let shares = (0..64).map(|id| bench.oms.shares().get(A, StrategyId(id)).0);
            prop_assert_eq!(shares.sum::<i128>(), held.0);
        }
    }
}

//! Any history of fills, refusals, cancels and unknowns over both legs of a pair and its hedges
//! ends balanced or held; never more is hedged than is naked, and never against what may still fill.

use super::legs::CONTRACT;
use super::*;
use crate::types::{BreachAction, Contract, HEDGE_LEG, LegMode, NewOrder, PairEnd};
use proptest::prelude::*;

#[derive(Clone, Debug)]
pub(super) enum Event {
    /// Order, in the order of sending, and quantity.
    Fill(usize, i64),
    Expired(usize),
    Rejected(usize),
    Lost(usize),
    Canceled(usize),
    Pass(u64),
    /// The book of the first or second venue.
    Book(bool, BookState),
    Trading(TradingState),
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    let order = || 0usize..8;
    prop_oneof![
        6 => (order(), 1i64..1_000).prop_map(|(order, qty)| Event::Fill(order, qty)),
        2 => order().prop_map(Event::Expired),
        2 => order().prop_map(Event::Rejected),
        2 => order().prop_map(Event::Lost),
        2 => order().prop_map(Event::Canceled),
        3 => prop_oneof![Just(1u64), Just(60 * MS), Just(300 * MS), Just(11_000 * MS)]
            .prop_map(Event::Pass),
        1 => (any::<bool>(), prop_oneof![Just(BookState::Live), Just(BookState::Stale)])
            .prop_map(|(which, state)| Event::Book(which, state)),
        1 => prop_oneof![
            Just(TradingState::Active),
            Just(TradingState::Halted),
            Just(TradingState::ReduceOnly)
        ]
        .prop_map(Event::Trading),
    ]
}

pub(super) fn contract() -> impl Strategy<Value = Contract> {
    let mode = prop_oneof![Just(LegMode::Parallel), Just(LegMode::Sequential)];
    let action = prop_oneof![
        Just(BreachAction::Unwind),
        Just(BreachAction::Complete),
        Just(BreachAction::Hold)
    ];
    (mode, action, prop_oneof![Just(0i64), Just(300)]).prop_map(|(mode, on_breach, naked)| {
        Contract { mode, on_breach, naked_qty_max: Qty(naked), ..CONTRACT }
    })
}

/// What was bought less what was sold, beyond none and all of the intended.
fn excess(bench: &Bench, sizes: (i64, i64)) -> i64 {
    let held = bench.oms.exposures().underlying(BTC).position.0 / (E18 / 100_000);
    let (net, plan) = (held as i64, sizes.0 - sizes.1);
    net - net.clamp(plan.min(0), plan.max(0))
}

pub(super) struct World {
    pub bench: Bench,
    orders: Vec<NewOrder>,
    fills: u64,
    sizes: (i64, i64),
}

impl World {
    pub fn new(contract: Contract, sizes: (i64, i64)) -> Self {
        let mut world = Self { bench: Bench::larger(), orders: Vec::new(), fills: 0, sizes };
        let buy = Leg { qty: Qty(sizes.0), price: Price(6_000_010), ..leg(A, Side::Buy) };
        let sell = Leg { qty: Qty(sizes.1), ..leg(B, Side::Sell) };
        world.bench.signal_with(&[buy, sell], contract);
        world.take();
        world
    }

    /// Looks at what was sent: hedges are no larger than what is naked, and nothing may still fill.
    fn take(&mut self) {
        let sent: Vec<CommandKind> = self.bench.sent();
        for kind in sent {
            let CommandKind::New(order) = kind else { continue };
            let leg = self.bench.oms.order(order.client_id).unwrap().leg;
            if leg & HEDGE_LEG != 0 {
                let excess = excess(&self.bench, self.sizes);
                assert!(order.qty.0 <= excess.abs(), "{} for {excess}", order.qty.0);
                assert_eq!(order.side, if excess > 0 { Side::Sell } else { Side::Buy });
                for earlier in &self.orders {
                    let earlier = self.bench.oms.order(earlier.client_id).unwrap();
                    assert!(earlier.state.is_terminal() && !earlier.awaits_fills());
                }
            }
            self.orders.push(order);
        }
    }

    pub fn run(&mut self, event: &Event) {
        let picked = |order: usize| self.orders.get(order % self.orders.len().max(1)).copied();
        let say = |kind, order: NewOrder| {
            let origin = ReportOrigin::Stream;
            ExecutionReport::new(kind, origin, order.client_id, order.instrument)
        };
        let report = match *event {
            Event::Fill(order, qty) => picked(order).and_then(|order| {
                // A venue fills no more than was ordered, and nothing that it has ended.
                let known = self.bench.oms.order(order.client_id).unwrap();
                let qty = qty.min(order.qty.0 - known.filled.0);
                let ended = known.state.is_terminal();
                self.fills += 1;
                let report = fill(order.client_id, order.instrument, self.fills, qty);
                (qty > 0 && !ended).then_some(report)
            }),
            Event::Expired(order) => picked(order).map(|order| say(ReportKind::Expired, order)),
            Event::Rejected(order) => picked(order).map(|order| say(ReportKind::Rejected, order)),
            Event::Lost(order) => picked(order).map(|order| say(ReportKind::Unknown, order)),
            Event::Canceled(order) => picked(order).map(|order| say(ReportKind::Canceled, order)),
            Event::Pass(nanos) => {
                self.bench.books_are_new();
                self.bench.pass(nanos);
                None
            }
            Event::Book(which, state) => {
                self.bench.oms.books_mut().0[usize::from(which)].state = state;
                None
            }
            Event::Trading(state) => {
                self.bench.tell(Operator::SetState(Scope::Engine, state));
                None
            }
        };
        if let Some(report) = report {
            self.bench.report(&report);
        }
        if report.is_some() || matches!(event, Event::Pass(_)) {
            self.take();
        }
        self.bench.out.clear();
    }

    /// Time passes, and the venues end what they still hold, filled as far as it is.
    fn end(&mut self) -> PairEnd {
        for which in [false, true] {
            self.run(&Event::Book(which, BookState::Live));
        }
        let mut last = None;
        for _ in 0..200 {
            let open = self.orders.iter().position(|order| {
                let known = self.bench.oms.order(order.client_id).unwrap();
                !known.state.is_terminal()
            });
            self.bench.books_are_new();
            match open {
                Some(order) => self.run(&Event::Canceled(order)),
                None => self.run(&Event::Pass(2_000 * MS)),
            }
            let told = self.bench.oms.recorder().iter().rev();
            let pair = told.map(|(_, record)| record).find_map(|record| match record {
                Record::Pair(pair) => Some(*pair),
                _ => None,
            });
            if self.bench.oms.pairs_open() == 0 && open.is_none() {
                last = pair;
                break;
            }
        }
        let last = last.expect("it never ended");
        let left = excess(&self.bench, self.sizes);
        assert_eq!(last.left.0, left);
        let dust = left.abs() * 60_000 <= 5 * 100_000 + 60_000;
        assert!(dust || last.end == PairEnd::Held, "{left} left, {:?}", last.end);
        last.end
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn any_history_ends_balanced_or_held(
        contract in contract(),
        sizes in prop_oneof![Just((1_000, 1_000)), Just((600, 1_000)), Just((1_000, 400))],
        events in prop::collection::vec(event(), 0..30),
    ) {
        let mut world = World::new(contract, sizes);
        for event in &events {
            world.run(event);
            world.bench.check_sums();
        }
        world.end();
        world.bench.check_sums();
    }
}

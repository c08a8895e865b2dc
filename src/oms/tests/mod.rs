//! Tests of the oms as a whole: two venues, one underlying, reports in every order.

mod changes;
mod known_fills;
mod legs;
mod legs_property;
mod life;
mod limits;
mod looks;
mod matrix;
mod operator;
mod perpetuals;
mod property;
mod rates;
mod reconcile;
mod refusals;
mod replay;
mod restart;
mod rounds;
mod unrecorded;
mod worst_case;

use super::*;
use crate::types::{
    Amount, AssetBalance, AssetId, BookState, ClientOrderId, Contract, ExecutionReport, Fill,
    FillId, Instrument, InstrumentRules, Leg, Level, Liquidity, Operator, OrderState, Ppb, Price,
    Qty, Readiness, ReportKind, ReportOrigin, Request, Scale, Side, Signal, TimeInForce,
    VenueNotice, VenueOrderId,
};

pub(super) const E18: i128 = 10i128.pow(18);
pub(super) const MS: u64 = 1_000_000;
pub(super) const HOUR: u64 = 3_600_000 * MS;
pub(super) const START: Nanos = Nanos(1_800_000_000_000_000_000);
pub(super) const STRATEGY: StrategyId = StrategyId(3);
pub(super) const A: InstrumentId = InstrumentId(0);
pub(super) const B: InstrumentId = InstrumentId(1);
pub(super) const VENUE_A: VenueId = VenueId(0);
pub(super) const VENUE_B: VenueId = VenueId(1);
pub(super) const BTC: AssetId = AssetId(0);
pub(super) const USDT: AssetId = AssetId(1);

/// Bid 60 000.00 and ask 60 000.10 everywhere unless a test says otherwise.
pub(super) struct FakeBooks(pub [BookQuote; 5]);

impl Books for FakeBooks {
    fn best(&self, instrument: InstrumentId) -> BookQuote {
        self.0.get(instrument.index()).copied().unwrap_or_default()
    }
}

pub(super) struct Bench {
    pub oms: Oms<Vec<(Nanos, Record)>, FakeBooks>,
    pub out: Output,
    pub now: Nanos,
    /// Records of the way to ready.
    pub before: Vec<(Nanos, Record)>,
    signals: u64,
}

pub(super) fn table() -> InstrumentTable {
    let mut table = InstrumentTable::default();
    let (base, quote) = (table.assets.intern("BTC"), table.assets.intern("USDT"));
    for (venue, name) in [(VENUE_A, "BTC/USDT@a"), (VENUE_B, "BTC/USDT@b")] {
        table.add(Instrument {
            venue,
            name: name.to_owned(),
            symbol: "BTCUSDT".to_owned(),
            base,
            quote,
            scale: Scale { price_decimals: 2, qty_decimals: 5 },
            rules: InstrumentRules {
                tick_size: Price(10),
                lot_size: Qty(1),
                price_min: Price(10),
                price_max: Price(100_000_000),
                qty_min: Qty(1),
                qty_max: Qty(1_000_000),
                qty_market_max: Qty(1_000),
                notional_min: Amount(5 * E18),
                notional_max: Amount(1_000_000 * E18),
                figures_max: 0,
            },
            ..Instrument::default()
        });
    }
    table
}

/// The same with BTC once more at each venue (2 and 3), and ETH at the first (4).
pub(super) fn larger_table() -> InstrumentTable {
    let mut table = table();
    let eth = table.assets.intern("ETH");
    for (like, name, base) in
        [(A, "BTC/USDT@c", BTC), (B, "BTC/USDT@d", BTC), (A, "ETH/USDT@a", eth)]
    {
        let row = table.get(like).unwrap().clone();
        table.add(Instrument { name: name.to_owned(), base, ..row });
    }
    table
}

pub(super) fn options() -> OmsOptions {
    OmsOptions {
        orders_max: 64,
        fills_max: 256,
        venues: vec![vec![Channel::Trade], vec![Channel::Trade, Channel::Private]],
        reconcile_every_ns: HOUR,
        limits: RiskLimits {
            order_notional_max: Amount(10_000 * E18),
            price_collar: Ppb(1_000_000),
            book_age_max_ns: 500 * MS,
            position_max: vec![(BTC, Amount(E18))],
            order_rate_max: 40,
            order_rate_window_ns: 1_000 * MS,
            open_orders_max: 30,
            ..RiskLimits::default()
        },
        ..OmsOptions::default()
    }
}

/// The same with every optional limit.
pub(super) fn limited() -> OmsOptions {
    let own = StrategyLimits {
        order_rate_max: Some(20),
        open_orders_max: Some(10),
        budgets: vec![(VENUE_A, Amount(1_500 * E18)), (VENUE_B, Amount(5_000 * E18))],
        budget_rebalance: true,
    };
    let mut options = options();
    options.limits.daily_loss_max = Some(Amount(60 * E18));
    options.limits.drawdown_max = Some(Amount(90 * E18));
    options.limits.instrument_position_max = vec![(A, Amount(E18 / 10))];
    options.limits.strategies = vec![StrategyLimits::default(); usize::from(STRATEGY.0)];
    options.limits.strategies.push(own);
    options.rates = vec![rates::rates(20, 40, 4), rates::rates(20, 40, 4)];
    options
}

pub(super) fn quote() -> BookQuote {
    BookQuote {
        bid: Level { price: Price(6_000_000), qty: Qty(100_000) },
        ask: Level { price: Price(6_000_010), qty: Qty(100_000) },
        state: BookState::Live,
        recv_ns: START,
    }
}

/// 0.01 BTC at 60 000, IOC.
pub(super) fn leg(instrument: InstrumentId, side: Side) -> Leg {
    Leg {
        instrument,
        side,
        time_in_force: TimeInForce::Ioc,
        price: Price(6_000_000),
        qty: Qty(1_000),
        ..Leg::default()
    }
}

impl Bench {
    /// Both venues ready, 1 BTC and 100 000 USDT at each.
    pub fn new() -> Self {
        Self::with(options())
    }

    pub fn with(options: OmsOptions) -> Self {
        Self::over(options, table())
    }

    /// With the instruments of [`larger_table`].
    pub fn larger() -> Self {
        Self::over(options(), larger_table())
    }

    pub fn over(options: OmsOptions, table: InstrumentTable) -> Self {
        let mut bench = Self::unready_over(options, table);
        for (venue, channel) in
            [(VENUE_A, Channel::Trade), (VENUE_B, Channel::Trade), (VENUE_B, Channel::Private)]
        {
            bench.notice(venue, VenueNotice::Readiness(channel, Readiness::Ready));
        }
        for venue in [VENUE_A, VENUE_B] {
            bench.settle(venue, &[], &[(BTC, E18), (USDT, 100_000 * E18)]);
            assert!(bench.oms.is_ready(venue, START));
        }
        bench.out.clear();
        bench.oms.findings().for_each(drop);
        bench.before = std::mem::take(bench.oms.recorder());
        bench
    }

    pub fn unready(options: OmsOptions) -> Self {
        Self::unready_over(options, table())
    }

    fn unready_over(options: OmsOptions, table: InstrumentTable) -> Self {
        let out = Output::new(&options);
        let oms = Oms::new(options, Arc::new(table), START, Vec::new(), FakeBooks([quote(); 5]));
        Self { oms, out, now: START, before: Vec::new(), signals: 0 }
    }

    /// Answers everything that a reconciliation asks for, until it asks for nothing more at once:
    /// these orders are open, no fills, these balances.
    pub fn settle(
        &mut self,
        venue: VenueId,
        open: &[ExecutionReport],
        balances: &[(AssetId, i128)],
    ) {
        self.out.clear();
        while let Some(kind) = self.asked(venue) {
            match kind {
                CommandKind::FillsSince { instrument, .. } => {
                    self.answer(venue, VenueNotice::FillsEnd(instrument));
                }
                CommandKind::OpenOrders(instrument) => {
                    for report in open.iter().filter(|report| report.instrument == instrument) {
                        self.oms.on_report(venue, report, self.now, &mut self.out);
                    }
                    self.answer(venue, VenueNotice::OpenOrdersEnd(instrument));
                }
                _ => {
                    self.state_balances(venue, balances);
                    self.answer(venue, VenueNotice::BalancesEnd);
                }
            }
        }
    }

    /// What the running reconciliation waits for.
    pub fn asked(&mut self, venue: VenueId) -> Option<CommandKind> {
        use super::reconcile::Step;
        let round = self.oms.state.rounds[usize::from(venue.0)];
        if round.asked == Nanos(0) {
            return None;
        }
        match round.step {
            Step::Fills(instrument) => {
                let (from_id, from_ns) = (FillId::EMPTY, Nanos(0));
                Some(CommandKind::FillsSince { instrument, from_id, from_ns })
            }
            Step::Orders(instrument) => Some(CommandKind::OpenOrders(instrument)),
            Step::Funding => Some(CommandKind::FundingSince(Nanos(0))),
            Step::Balances => Some(CommandKind::Balances),
            Step::Idle | Step::Answers => None,
        }
    }

    pub fn state_balances(&mut self, venue: VenueId, balances: &[(AssetId, i128)]) {
        for &(asset, free) in balances {
            let free = Amount(free);
            let balance = AssetBalance { venue, asset, free, ..AssetBalance::default() };
            self.oms.on_balance(&balance, self.now);
        }
    }

    /// The venue says something, and what was wanted before stays in `out`.
    pub fn answer(&mut self, venue: VenueId, notice: VenueNotice) {
        self.oms.on_notice(venue, &notice, self.now, &mut self.out);
    }

    /// What the balances of a venue must be by our own account.
    pub fn expected(&self, venue: VenueId) -> [(AssetId, i128); 2] {
        [BTC, USDT].map(|asset| {
            (asset, self.oms.balances().get(venue, asset).expected().unwrap_or_default().0)
        })
    }

    pub fn notice(&mut self, venue: VenueId, notice: VenueNotice) {
        self.oms.on_notice(venue, &notice, self.now, &mut self.out);
    }

    /// Sends a signal with these legs; the ids of the orders it became.
    pub fn signal(&mut self, legs: &[Leg]) -> Vec<ClientOrderId> {
        self.signal_with(legs, Contract::default())
    }

    /// The same with a contract between the legs.
    pub fn signal_with(&mut self, legs: &[Leg], contract: Contract) -> Vec<ClientOrderId> {
        self.signals += 1;
        let mut signal = Signal {
            id: SignalId(self.signals),
            strategy: STRATEGY,
            legs_len: legs.len() as u8,
            tick_ns: Nanos(77),
            contract,
            ..Signal::default()
        };
        signal.legs[..legs.len()].copy_from_slice(legs);
        self.request(&Request::Signal(signal));
        self.out
            .commands
            .iter()
            .filter_map(|(_, command)| match command.kind {
                CommandKind::New(order) => Some(order.client_id),
                _ => None,
            })
            .collect()
    }

    /// A person tells the engine something, and what was wanted before stays in `out`.
    pub fn tell(&mut self, operator: Operator) {
        self.oms.on_operator(&operator, self.now, &mut self.out).unwrap();
    }

    pub fn request(&mut self, request: &Request) {
        self.out.clear();
        self.oms.on_request(STRATEGY, request, self.now, &mut self.out);
    }

    /// One working buy of 1 000 on venue A, good till cancelled.
    pub fn order(&mut self) -> ClientOrderId {
        let ids = self.signal(&[Leg { time_in_force: TimeInForce::Gtc, ..leg(A, Side::Buy) }]);
        self.out.clear();
        ids[0]
    }

    pub fn report(&mut self, report: &ExecutionReport) {
        let venue = if report.instrument.0.is_multiple_of(2) { VENUE_A } else { VENUE_B };
        self.out.clear();
        self.oms.on_report(venue, report, self.now, &mut self.out);
    }

    pub fn say(&mut self, kind: ReportKind, origin: ReportOrigin, id: ClientOrderId) {
        self.report(&ExecutionReport::new(kind, origin, id, A));
    }

    /// All books have just changed.
    pub fn books_are_new(&mut self) {
        for book in &mut self.oms.books_mut().0 {
            book.recv_ns = self.now;
        }
    }

    /// Lets time pass and runs the timers once.
    pub fn pass(&mut self, nanos: u64) {
        self.now = self.now.plus(nanos);
        self.out.clear();
        self.oms.on_timer(self.now, &mut self.out);
    }

    pub fn state(&self, id: ClientOrderId) -> OrderState {
        self.oms.order(id).unwrap().state
    }

    pub fn sent(&self) -> Vec<CommandKind> {
        self.out.commands.iter().map(|(_, command)| command.kind).collect()
    }

    /// Sent equals ended plus open, and what is reserved is what the orders may still do.
    pub fn check_sums(&self) {
        let counters = self.oms.counters();
        let ended = counters.orders_filled
            + counters.orders_canceled
            + counters.orders_rejected
            + counters.orders_expired;
        assert_eq!(counters.orders_sent, ended + self.oms.orders().open_count() as u64);
        let mut sums = [0; 5];
        for venue in &counters.orders_at {
            sums.iter_mut().zip(venue.words()).for_each(|(sum, word)| *sum += word);
        }
        let (filled, canceled) = (counters.orders_filled, counters.orders_canceled);
        let (rejected, expired) = (counters.orders_rejected, counters.orders_expired);
        assert_eq!(sums, [counters.orders_sent, filled, canceled, rejected, expired]);
        let sum = |side: Side| -> i128 {
            let orders = self.oms.orders().iter().filter(|order| order.side == side);
            orders.map(|order| i128::from(order.worst_case().0)).sum::<i128>() * (E18 / 100_000)
        };
        let exposure = self.oms.exposures().underlying(BTC);
        assert_eq!(exposure.buying, Amount(sum(Side::Buy)));
        assert_eq!(exposure.selling, Amount(sum(Side::Sell)));
        for venue in [VENUE_A, VENUE_B] {
            let own = |order: &&Order| order.strategy == STRATEGY && order.venue == venue;
            let bound = self.oms.orders().iter().filter(own).map(|order| {
                order.worst_value(self.oms.instruments.get(order.instrument).unwrap()).0
            });
            assert_eq!(self.oms.budget(STRATEGY, venue).working, Amount(bound.sum()));
        }
        let held: i128 = self.oms.positions().all().iter().map(|position| position.qty.0).sum();
        assert_eq!(exposure.position, Amount(held));
    }
}

pub(super) fn fill(
    id: ClientOrderId,
    instrument: InstrumentId,
    number: u64,
    qty: i64,
) -> ExecutionReport {
    let (kind, origin) = (ReportKind::Fill, ReportOrigin::Stream);
    let mut report = ExecutionReport::new(kind, origin, id, instrument);
    report.fill = Fill {
        fill_id: FillId::from_u64(number),
        price: Price(6_000_000),
        qty: Qty(qty),
        liquidity: Liquidity::Taker,
        fee: Amount::ZERO,
        fee_asset: AssetId::NONE,
        realised: None,
    };
    report.event_ns = START.plus(1);
    report
}

pub(super) fn with_cumulative(
    kind: ReportKind,
    origin: ReportOrigin,
    id: ClientOrderId,
    qty: i64,
) -> ExecutionReport {
    ExecutionReport { cumulative_qty: Some(Qty(qty)), ..ExecutionReport::new(kind, origin, id, A) }
}

pub(super) fn status(id: ClientOrderId, state: OrderState) -> ExecutionReport {
    ExecutionReport {
        state,
        ..ExecutionReport::new(ReportKind::Status, ReportOrigin::Query, id, A)
    }
}

pub(super) fn venue_id(text: &str) -> VenueOrderId {
    VenueOrderId::new(text).unwrap()
}

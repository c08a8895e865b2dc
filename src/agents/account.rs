//! The order manager's state as the region and the summary show it.

use super::journal::JournalDepth;
use super::oms::LiveOms;
use super::pairs::PairStats;
use crate::oms::{Books, Exposure, Oms, Order, Recorder, RiskReject};
use crate::portfolio::pnl;
use crate::shm::{
    AccountWriter, BudgetLimit, MarginRow, OrderCounters, PlainLimits, PnlRow, PositionLimit,
    PositionRow, REFUSAL_CODES, STRATEGIES_MAX, StrategyLimit,
};
use crate::types::{
    AMOUNT_DECIMALS, Amount, AssetBalance, AssetId, Instrument, InstrumentTable, LimitKey, Nanos,
    Price, ProcessEnd, Scope, StrategyId, VenueId,
};

const _: () = assert!(RiskReject::COUNT <= REFUSAL_CODES, "every refusal has its counter");

/// What the order manager knows when it ends.
#[derive(Clone, Debug, Default)]
pub struct FinalState {
    /// Counters.
    pub counters: OrderCounters,
    /// Positions, one an instrument.
    pub positions: Vec<PositionRow>,
    /// Profit by quote asset.
    pub pnl: Vec<PnlRow>,
    /// Balance as last stated, what our own fills make of it, and fees, by venue and asset.
    pub balances: Vec<FinalBalance>,
    /// Orders that were not confirmed as ended.
    pub unconfirmed: Vec<String>,
    /// Why the journal does not hold everything, if it does not.
    pub unrecorded: Option<String>,
    /// Signals with a contract.
    pub pairs: PairStats,
}

/// One asset at one venue at the end.
#[derive(Clone, Copy, Debug, Default)]
pub struct FinalBalance {
    /// Where.
    pub venue: VenueId,
    /// What.
    pub asset: AssetId,
    /// Last stated by the venue.
    pub stated: Option<AssetBalance>,
    /// Opening balance, fills and fees.
    pub expected: Option<Amount>,
    /// Fees paid in it.
    pub fees: Amount,
}

/// What is counted beside the order manager.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around {
    /// Reports that wait for their strategies, and those that were lost.
    pub reports: (u64, u64),
    /// What is in the journal.
    pub journal: JournalDepth,
    /// Records that could not be kept.
    pub journal_lost: u64,
    /// The journal has room for cancels and reports only.
    pub journal_short: bool,
    /// Requests of strategies that could not be read.
    pub bad_records: u64,
    /// Strategies whose process is not started again.
    pub ended: [Option<ProcessEnd>; STRATEGIES_MAX],
}

impl Around {
    /// Of a state without an engine around it.
    pub const NONE: Self = Self {
        reports: (0, 0),
        journal: JournalDepth { records: 0, unsynced: 0, syncs: false },
        journal_lost: 0,
        journal_short: false,
        bad_records: 0,
        ended: [None; STRATEGIES_MAX],
    };
}

/// Writes everything that changed hands into the region, a part at a time: an order does not wait
/// until a thousand instruments are told of.
pub(super) struct Publisher {
    /// Row that the next part begins with: the instruments come first, then each strategy at each
    /// venue.
    next: usize,
    profits: Profits,
    strategies: usize,
    /// Orders that have not ended, by strategy, as of when the first strategy was told of.
    open: [u64; StrategyId::COUNT],
}

impl Publisher {
    pub fn new(instruments: &InstrumentTable, strategies: usize) -> Self {
        let open = [0; StrategyId::COUNT];
        Self { next: 0, profits: Profits::new(instruments), strategies, open }
    }

    /// Whether some of the rows are told of and others not.
    pub fn has_begun(&self) -> bool {
        self.next > 0
    }

    /// Begins with the first instrument.
    pub fn restart(&mut self) {
        self.next = 0;
    }

    /// Writes at most `most` rows, and what is left once all are written: then it gives `true`, and
    /// begins again.
    pub fn step(
        &mut self,
        oms: &LiveOms,
        instruments: &InstrumentTable,
        (venues, around): (&[VenueId], &Around),
        (now, most): (Nanos, usize),
        writer: &mut AccountWriter,
    ) -> bool {
        if self.next == 0 {
            self.profits.clear();
        }
        let until = self.next.saturating_add(most);
        let part = instruments.iter().skip(self.next).take(most);
        for instrument in part {
            let row = position(oms, instrument, now);
            writer.set_position(&row);
            set_position_limits(oms, instrument, writer);
            self.profits.add(instrument.quote, &row);
            self.next += 1;
        }
        let rows = instruments.len() + self.strategies * venues.len();
        while self.next < rows.min(until) {
            self.set_strategy(oms, self.next - instruments.len(), venues, writer);
            self.next += 1;
        }
        if self.next < rows {
            return false;
        }
        self.next = 0;
        for row in self.profits.rows() {
            let loss = oms.losses().get(row.quote.index()).copied().unwrap_or_default();
            let lost_today = Amount(loss.day_open.0.saturating_sub(loss.net.0));
            let drawdown = Amount(loss.high.0.saturating_sub(loss.net.0));
            writer.set_pnl(&PnlRow { lost_today, drawdown, ..*row });
        }
        for venue in venues {
            for balance in oms.balances().of_venue(*venue) {
                if let Some(stated) = &balance.stated {
                    writer.set_balance(stated, balance.expected().unwrap_or_default());
                }
            }
            for asset in 0..instruments.assets.len() {
                let row = oms.collateral(*venue, AssetId(asset as u16));
                if let (Some(stated), Some(available)) = (row.stated, row.available()) {
                    writer.set_margin(&MarginRow { stated, available });
                }
            }
        }
        writer.set_limits(&PlainLimits::new(|key| oms.limit(key)));
        writer.set_counters(&counters(oms, venues, around));
        true
    }

    /// The limits of a strategy, with the first of its venues, and its capital at one of them.
    fn set_strategy(
        &mut self,
        oms: &LiveOms,
        row: usize,
        venues: &[VenueId],
        writer: &mut AccountWriter,
    ) {
        let (index, at) = (row / venues.len(), row % venues.len());
        let (strategy, venue) = (StrategyId(index as u8), venues[at]);
        if row == 0 {
            self.count_open(oms);
        }
        if at == 0 {
            writer.set_strategy_limit(
                strategy,
                &StrategyLimit {
                    orders_per_second: oms.limit(LimitKey::StrategyOrdersPerSecondMax(strategy)),
                    orders_open: oms.limit(LimitKey::StrategyOrdersOpenMax(strategy)),
                    open: self.open.get(index).copied().unwrap_or_default(),
                },
            );
        }
        let budget = oms.budget(strategy, venue);
        writer.set_budget(
            strategy,
            venue,
            &BudgetLimit { limit: budget.limit, used: budget.used() },
        );
    }

    /// One walk for all strategies: each is limited by the same count.
    fn count_open(&mut self, oms: &LiveOms) {
        self.open.fill(0);
        for order in oms.orders().iter_open() {
            if let Some(open) = self.open.get_mut(usize::from(order.strategy.0)) {
                *open += 1;
            }
        }
    }
}

/// The last word.
pub(super) fn final_state<R: Recorder, B: Books>(
    oms: &Oms<R, B>,
    instruments: &InstrumentTable,
    (venues, around): (&[VenueId], &Around),
    now: Nanos,
) -> FinalState {
    let mut last = FinalState { counters: counters(oms, venues, around), ..FinalState::default() };
    last.positions = instruments.iter().map(|i| position(oms, i, now)).collect();
    let mut profits = Profits::new(instruments);
    for (instrument, row) in instruments.iter().zip(&last.positions) {
        profits.add(instrument.quote, row);
    }
    last.pnl = profits.rows().copied().collect();
    let assets = || (0..instruments.assets.len()).map(|asset| AssetId(asset as u16));
    for venue in venues {
        for asset in assets() {
            let row = oms.balances().get(*venue, asset);
            last.balances.push(FinalBalance {
                venue: *venue,
                asset,
                stated: row.stated,
                expected: row.expected(),
                fees: row.fees,
            });
        }
    }
    // Orders of others are theirs to end.
    let open = oms.orders().iter().filter(|order| !order.state.is_terminal() && !order.external);
    last.unconfirmed = open.map(|order| describe(order, instruments)).collect();
    last
}

fn describe(order: &Order, instruments: &InstrumentTable) -> String {
    let name = instruments.get(order.instrument).map_or("?", |i| i.name.as_str());
    format!("{} {name} {} is {:?}", order.client_id, order.side, order.state)
}

/// The limits on an instrument and its underlying with what is used of them. An underlying is written
/// once for each of its instruments, so that no part takes longer than others.
fn set_position_limits(oms: &LiveOms, instrument: &Instrument, writer: &mut AccountWriter) {
    let (id, base) = (instrument.id, instrument.base);
    let row =
        |key, exposure: Exposure| PositionLimit { limit: oms.limit(key), used: exposure.reach() };
    let exposures = oms.exposures();
    let of_base = row(LimitKey::PositionMax(base), exposures.underlying(base));
    writer.set_underlying_limit(base, &of_base);
    let own = row(LimitKey::InstrumentPositionMax(id), exposures.instrument(id));
    writer.set_instrument_limit(id, &own);
}

fn position<R: Recorder, B: Books>(
    oms: &Oms<R, B>,
    instrument: &Instrument,
    now: Nanos,
) -> PositionRow {
    let position = oms.positions().get(instrument.id);
    let mark = mark(instrument, position.qty, oms);
    let value = pnl(&position, mark, instrument.scale).unwrap_or_default();
    PositionRow {
        instrument: instrument.id,
        qty: position.qty,
        cost: position.cost,
        realised: position.realised,
        fees: position.fees_value,
        unrealised: if mark.0 > 0 { value.unrealised } else { Amount::ZERO },
        mark,
        funding: position.funding,
        liquidation: liquidation(oms, instrument),
        updated_ns: now,
    }
}

/// As the venue last said, cut to the scale.
fn liquidation<R: Recorder, B: Books>(oms: &Oms<R, B>, instrument: &Instrument) -> Price {
    let stated = oms.stated_position(instrument.id).liquidation.0;
    let cut = 10i128.pow(AMOUNT_DECIMALS - u32::from(instrument.scale.price_decimals));
    Price(i64::try_from(stated / cut).unwrap_or_default())
}

/// The price at which the position could be closed now; 0 if there is none.
fn mark<R: Recorder, B: Books>(instrument: &Instrument, qty: Amount, oms: &Oms<R, B>) -> Price {
    let quote = oms.books().best(instrument.id);
    if qty.0 >= 0 { quote.bid.price } else { quote.ask.price }
}

/// Profit of all instruments that are priced in the same asset, by that asset.
struct Profits(Vec<Option<PnlRow>>);

impl Profits {
    fn new(instruments: &InstrumentTable) -> Self {
        Self(vec![None; instruments.assets.len()])
    }

    fn clear(&mut self) {
        self.0.fill(None);
    }

    fn add(&mut self, quote: AssetId, position: &PositionRow) {
        let Some(row) = self.0.get_mut(quote.index()) else { return };
        let row = row.get_or_insert(PnlRow { quote, ..PnlRow::default() });
        row.updated_ns = position.updated_ns;
        row.realised += position.realised;
        row.unrealised += position.unrealised;
        row.fees += position.fees;
        row.funding += position.funding;
    }

    /// Of assets in which something is priced.
    fn rows(&self) -> impl Iterator<Item = &PnlRow> {
        self.0.iter().flatten()
    }
}

fn counters<R: Recorder, B: Books>(
    oms: &Oms<R, B>,
    venues: &[VenueId],
    around: &Around,
) -> OrderCounters {
    let c = oms.counters();
    let halted = venues.iter().filter(|venue| oms.is_halted(**venue)).count() as u64;
    let mut refusals = [0; REFUSAL_CODES];
    let counted = c.refusals.as_slice();
    refusals[..counted.len()].copy_from_slice(counted);
    let orders = oms.orders();
    OrderCounters {
        signals: c.signals,
        signals_refused: c.signals_refused,
        orders_sent: c.orders_sent,
        orders_acked: c.orders_sent - c.orders_rejected - orders.open_count() as u64,
        orders_filled: c.orders_filled,
        orders_canceled: c.orders_canceled,
        orders_rejected: c.orders_rejected,
        orders_expired: c.orders_expired,
        orders_open: orders.open_count() as u64,
        orders_unknown: orders.unknown_count() as u64,
        fills: c.fills,
        duplicates: c.fills_repeated,
        late_fills: c.fills_late,
        cancels_sent: c.cancels_sent,
        bad_records: around.bad_records,
        trading_state: oms.trading_state_of(Scope::Engine).unwrap_or_default(),
        loss_switch: oms.loss_switch(),
        orders_external: orders.external_count() as u64,
        fills_external: c.fills_external,
        replaces_sent: c.replaces_sent,
        never_sent: c.never_sent,
        quarantined: c.quarantined,
        reconciliations: c.reconciliations,
        differences: c.differences.iter().sum(),
        not_answering: c.not_answering,
        venues_halted: halted,
        reports_waiting: around.reports.0,
        reports_lost: around.reports.1,
        journal_records: around.journal.records,
        journal_unsynced: around.journal.unsynced,
        journal_syncs: u64::from(around.journal.syncs),
        journal_lost: around.journal_lost,
        journal_short: u64::from(around.journal_short),
        refusals,
        venues: c.orders_at,
        ended: around.ended,
    }
}

#[cfg(test)]
mod tests {
    use super::super::journal::JournalRecorder;
    use super::super::oms::RegionBooks;
    use super::*;
    use crate::oms::{OmsOptions, RiskLimits, StrategyLimits};
    use crate::shm::{Market, RegionOptions};
    use crate::types::Channel;
    use std::sync::Arc;

    const VENUES: [VenueId; 2] = [VenueId(0), VenueId(1)];

    /// Two instruments at two venues.
    fn instruments() -> InstrumentTable {
        let mut table = InstrumentTable::default();
        let (base, quote) = (table.assets.intern("BTC"), table.assets.intern("USDT"));
        for venue in VENUES {
            let name = format!("BTC/USDT@{}", venue.0);
            table.add(Instrument { name, venue, base, quote, ..Instrument::default() });
        }
        table
    }

    /// Of which the last of three strategies has a budget at the second venue.
    fn oms(instruments: &InstrumentTable, market: &Market) -> LiveOms {
        let budgets = vec![(VENUES[1], Amount(7))];
        let strategies = vec![
            StrategyLimits::default(),
            StrategyLimits::default(),
            StrategyLimits { budgets, ..StrategyLimits::default() },
        ];
        let options = OmsOptions {
            limits: RiskLimits { strategies, ..RiskLimits::default() },
            venues: vec![vec![Channel::Trade]; VENUES.len()],
            ..OmsOptions::default()
        };
        let (journal, books) = (JournalRecorder::none(), RegionBooks(market.view()));
        Oms::new(options, Arc::new(instruments.clone()), Nanos(1), journal, books)
    }

    #[test]
    fn strategies_are_told_of_a_part_at_a_time_after_the_instruments() {
        let instruments = instruments();
        let region = RegionOptions { strategies: 3, ..RegionOptions::default() };
        let market = Market::in_memory(&instruments, &region).unwrap();
        let (view, oms) = (market.view(), oms(&instruments, &market));
        let mut writer = market.account_writer().unwrap();
        let mut publisher = Publisher::new(&instruments, 3);
        let mut step = |publisher: &mut Publisher, venues: &[VenueId], most| {
            let rest = (venues, &Around::NONE);
            publisher.step(&oms, &instruments, rest, (Nanos(2), most), &mut writer)
        };
        // Rows are two instruments, then three strategies at two venues.
        for (most, whole, told) in [
            (1, false, [1, 0, 0]),
            (3, false, [2, 1, 2]),
            (3, false, [2, 3, 5]),
            (3, true, [2, 3, 6]),
        ] {
            assert_eq!(step(&mut publisher, &VENUES, most), whole);
            let rows = [view.positions().len(), view.strategy_limits().len(), view.budgets().len()];
            assert_eq!(rows, told);
            assert_eq!((publisher.has_begun(), view.limits().is_some()), (!whole, whole));
        }
        let set: Vec<_> = view.budgets().into_iter().filter(|row| row.2.limit.is_some()).collect();
        let budget = BudgetLimit { limit: Some(Amount(7)), used: Amount::ZERO };
        assert_eq!(set, [(StrategyId(2), VENUES[1], budget)]);
        assert!(step(&mut publisher, &VENUES, usize::MAX), "all at once");
        assert!(step(&mut publisher, &[], 2), "there is no venue");
    }
}

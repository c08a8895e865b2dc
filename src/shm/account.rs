//! The account in the region: positions, balances, profit and loss, order counters. Written by the
//! oms alone.

use super::codec::{amount, amount_words, written};
use super::limits::LimitWriters;
use crate::sync::seqlock;
use crate::types::{
    Amount, AssetBalance, AssetId, InstrumentId, LossSwitch, MarginReport, Nanos, Price,
    ProcessEnd, TradingState, VENUES_COUNTED, VenueId, VenueOrders,
};

/// Number of distinct refusal codes of the oms that are counted apart.
pub const REFUSAL_CODES: usize = 64;
/// Most strategies of one engine.
pub const STRATEGIES_MAX: usize = 64;

/// Position in one instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PositionRow {
    /// What is held, and so where.
    pub instrument: InstrumentId,
    /// Signed quantity of the base asset.
    pub qty: Amount,
    /// What the open quantity cost, in quote units, signed as `qty`.
    pub cost: Amount,
    /// Realised profit in quote units, before fees.
    pub realised: Amount,
    /// Fees so far, valued in quote units at the fill prices.
    pub fees: Amount,
    /// Unrealised profit in quote units at `mark`.
    pub unrealised: Amount,
    /// Price of that valuation.
    pub mark: Price,
    /// Funding received less paid, in quote units; perpetuals.
    pub funding: Amount,
    /// Price at which the venue takes the position from us, as it last said, cut to the scale; 0 if
    /// there is none.
    pub liquidation: Price,
    /// When the row was written.
    pub updated_ns: Nanos,
}

/// Balance of one asset at one venue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BalanceRow {
    /// What the venue states.
    pub balance: AssetBalance,
    /// What our own fills say the total should be.
    pub expected: Amount,
}

/// Profit and loss of everything priced in one asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PnlRow {
    /// The quote asset.
    pub quote: AssetId,
    /// Realised, before fees.
    pub realised: Amount,
    /// Unrealised.
    pub unrealised: Amount,
    /// Fees, valued in the quote asset.
    pub fees: Amount,
    /// Funding received less paid.
    pub funding: Amount,
    /// Loss since 00:00 UTC as the switch measures it; a profit is negative. 0 without a limit.
    pub lost_today: Amount,
    /// Loss since the highest profit; 0 without a limit.
    pub drawdown: Amount,
    /// When the row was written.
    pub updated_ns: Nanos,
}

/// What the account of one venue has to trade perpetuals with, of one settle asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarginRow {
    /// As the venue last stated it.
    pub stated: MarginReport,
    /// Of that still available to trade, after what we have done since.
    pub available: Amount,
}

impl MarginRow {
    /// Maintenance margin over equity in percent: at 100 the venue takes positions from us. `None`
    /// while nothing is held.
    #[must_use]
    pub fn used_percent(&self) -> Option<f64> {
        let (need, have) = (self.stated.maintenance.0, self.stated.equity.0);
        (need > 0 && have > 0).then(|| need as f64 * 100.0 / have as f64)
    }
}

/// The counters with their order in the region, written down once.
macro_rules! order_counters {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// What the oms has counted since it started.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct OrderCounters {
            $($(#[doc = $doc])* pub $name: u64,)*
            /// What the whole engine may trade.
            pub trading_state: TradingState,
            /// The switch that losses have thrown, until a person resumes.
            pub loss_switch: Option<LossSwitch>,
            /// Refusals by the oms, by its code.
            pub refusals: [u64; REFUSAL_CODES],
            /// Orders sent to each venue and how they ended, by its number.
            pub venues: [VenueOrders; VENUES_COUNTED],
            /// Strategies whose process has ended and is not started again, by their number.
            pub ended: [Option<ProcessEnd>; STRATEGIES_MAX],
        }

        impl OrderCounters {
            const COUNTS: usize = [$(stringify!($name)),*].len();

            fn counts(&self) -> [u64; Self::COUNTS] {
                [$(self.$name),*]
            }

            fn with_counts([$($name),*]: [u64; Self::COUNTS]) -> Self {
                let (trading_state, loss_switch) = (TradingState::Active, None);
                let refusals = [0; REFUSAL_CODES];
                let venues = [VenueOrders::default(); VENUES_COUNTED];
                let ended = [None; STRATEGIES_MAX];
                Self { $($name,)* trading_state, loss_switch, refusals, venues, ended }
            }
        }
    };
}

order_counters! {
    /// Signals taken from strategies.
    signals,
    /// Signals of which at least one leg was refused by risk.
    signals_refused,
    /// Orders handed to executors.
    orders_sent,
    /// Orders that a venue acknowledged.
    orders_acked,
    /// Orders that ended filled.
    orders_filled,
    /// Orders that ended cancelled.
    orders_canceled,
    /// Orders that a venue refused.
    orders_rejected,
    /// Orders that ended by their time in force or by the venue.
    orders_expired,
    /// Orders working or on their way now.
    orders_open,
    /// Orders whose outcome is not known now.
    orders_unknown,
    /// Fills booked.
    fills,
    /// Reports that said what was known already.
    duplicates,
    /// Fills that came after the order had ended.
    late_fills,
    /// Cancels handed to executors.
    cancels_sent,
    /// Bad records found in strategies' rings.
    bad_records,
    /// Orders of others working now.
    orders_external,
    /// Fills booked that are of no order of ours.
    fills_external,
    /// Replaces handed to executors.
    replaces_sent,
    /// Orders and replaces that never left, because they waited too long here.
    never_sent,
    /// Statements of venues that contradict themselves or what was known.
    quarantined,
    /// Reconciliations that were completed.
    reconciliations,
    /// Differences that they found.
    differences,
    /// Times that a venue did not answer for too long.
    not_answering,
    /// Venues halted now for a difference that a person has to decide on.
    venues_halted,
    /// Reports that wait because their strategy's ring is full, now.
    reports_waiting,
    /// Reports that a strategy never got, because too many waited.
    reports_lost,
    /// Records in the journal, those of earlier runs included.
    journal_records,
    /// Of those the ones of this run that the disk may not have yet.
    journal_unsynced,
    /// 1 where the disk is asked to have them; else they are never known to be there.
    journal_syncs,
    /// Records that could not be kept.
    journal_lost,
    /// 1 while the journal has room for cancels and reports only.
    journal_short,
}

/// Order of the words below; part of the layout's hash.
pub(super) const FIELDS: &str = "position: qty2 cost2 realised2 fees2 unrealised2 funding2 mark \
    updated liquidation; balance: free2 locked2 expected2 event; pnl: realised2 unrealised2 fees2 \
    funding2 lost_today2 drawdown2 updated; margin: equity2 available2 initial2 maintenance2 left2 event; counters: \
    signals refused sent acked filled canceled rejected expired open unknown fills duplicates late \
    cancels bad_records orders_external fills_external replaces never_sent quarantined \
    reconciliations differences not_answering venues_halted reports_waiting reports_lost \
    journal_records journal_unsynced journal_syncs journal_lost journal_short trading_state loss_switch refusals64 \
    venues16: sent filled canceled rejected expired; ended64";

/// Words of each record after its counter.
pub(super) const POSITION_WORDS: usize = 15;
pub(super) const BALANCE_WORDS: usize = 7;
pub(super) const PNL_WORDS: usize = 13;
pub(super) const MARGIN_WORDS: usize = 11;
/// Counts, then trading state and loss switch, then refusals, then the venues, then who has ended.
const COUNTS: usize = OrderCounters::COUNTS;
const VENUES_FROM: usize = COUNTS + 2 + REFUSAL_CODES;
/// Words of one venue's.
const VENUE_WORDS: usize = 5;
const ENDED_FROM: usize = VENUES_FROM + VENUES_COUNTED * VENUE_WORDS;
pub(super) const COUNTER_WORDS: usize = ENDED_FROM + STRATEGIES_MAX;

/// Writes the account, the limits in force and whether venues get new orders. Handed out once, to the
/// oms.
#[derive(Debug)]
pub struct AccountWriter {
    pub(super) positions: Vec<seqlock::Writer>,
    /// By venue, then asset.
    pub(super) balances: Vec<seqlock::Writer>,
    pub(super) pnl: Vec<seqlock::Writer>,
    /// By venue, then asset.
    pub(super) margins: Vec<seqlock::Writer>,
    pub(super) counters: seqlock::Writer,
    pub(super) limits: LimitWriters,
    /// By venue.
    pub(super) gates: Vec<seqlock::Writer>,
}

impl AccountWriter {
    /// Publishes a position. An instrument unknown to the region is left out.
    pub fn set_position(&mut self, row: &PositionRow) {
        if let Some(writer) = self.positions.get_mut(row.instrument.index()) {
            writer.write(|payload| {
                let PositionRow { qty, cost, realised, fees, unrealised, funding, .. } = *row;
                let sums = [qty, cost, realised, fees, unrealised, funding];
                payload.set_pairs(0, &sums, |sum| amount_words(*sum).into());
                let liquidation = row.liquidation.0 as u64;
                payload.copy_from(12, &[row.mark.0 as u64, row.updated_ns.0, liquidation]);
            });
        }
    }

    /// Publishes a balance. Assets or venues unknown to the region are left out.
    pub fn set_balance(&mut self, balance: &AssetBalance, expected: Amount) {
        let assets = self.pnl.len();
        if balance.asset.index() >= assets {
            return;
        }
        let index = usize::from(balance.venue.0) * assets + balance.asset.index();
        if let Some(writer) = self.balances.get_mut(index) {
            writer.write(|payload| {
                let sums = [balance.free, balance.locked, expected];
                payload.set_pairs(0, &sums, |sum| amount_words(*sum).into());
                payload.set(6, balance.event_ns.0);
            });
        }
    }

    /// Publishes profit and loss of one quote asset. An asset unknown to the region is left out.
    pub fn set_pnl(&mut self, row: &PnlRow) {
        if let Some(writer) = self.pnl.get_mut(row.quote.index()) {
            writer.write(|payload| {
                let PnlRow { realised, unrealised, fees, funding, lost_today, drawdown, .. } = *row;
                let sums = [realised, unrealised, fees, funding, lost_today, drawdown];
                payload.set_pairs(0, &sums, |sum| amount_words(*sum).into());
                payload.set(12, row.updated_ns.0);
            });
        }
    }

    /// Publishes what there is to trade perpetuals with. Assets or venues unknown to the region are
    /// left out.
    pub fn set_margin(&mut self, row: &MarginRow) {
        let MarginReport { venue, asset, equity, available, initial, maintenance, event_ns } =
            row.stated;
        let assets = self.pnl.len();
        if asset.index() >= assets {
            return;
        }
        let index = usize::from(venue.0) * assets + asset.index();
        if let Some(writer) = self.margins.get_mut(index) {
            writer.write(|payload| {
                let sums = [equity, available, initial, maintenance, row.available];
                payload.set_pairs(0, &sums, |sum| amount_words(*sum).into());
                payload.set(10, event_ns.0);
            });
        }
    }

    /// Publishes the counters.
    pub fn set_counters(&mut self, counters: &OrderCounters) {
        self.counters.write(|payload| {
            payload.copy_from(0, &counters.counts());
            payload.set(COUNTS, counters.trading_state as u64);
            payload.set(COUNTS + 1, counters.loss_switch.map_or(0, |switch| switch as u64));
            payload.copy_from(COUNTS + 2, &counters.refusals);
            for (at, venue) in counters.venues.iter().enumerate() {
                payload.copy_from(VENUES_FROM + at * VENUE_WORDS, &venue.words());
            }
            payload.copy_from(
                ENDED_FROM,
                &counters.ended.map(|end| end.map_or(0, ProcessEnd::to_word)),
            );
        });
    }
}

impl Default for OrderCounters {
    fn default() -> Self {
        Self::with_counts([0; COUNTS])
    }
}

/// The position of `instrument`.
pub(super) fn position(instrument: InstrumentId, reader: &seqlock::Reader) -> Option<PositionRow> {
    let w: [u64; POSITION_WORDS] = written(reader)?;
    Some(PositionRow {
        instrument,
        qty: amount(w[0], w[1]),
        cost: amount(w[2], w[3]),
        realised: amount(w[4], w[5]),
        fees: amount(w[6], w[7]),
        unrealised: amount(w[8], w[9]),
        funding: amount(w[10], w[11]),
        mark: Price(w[12] as i64),
        updated_ns: Nanos(w[13]),
        liquidation: Price(w[14] as i64),
    })
}

/// What there is of `asset` at `venue` to trade perpetuals with.
pub(super) fn margin(
    venue: VenueId,
    asset: AssetId,
    reader: &seqlock::Reader,
) -> Option<MarginRow> {
    let w: [u64; MARGIN_WORDS] = written(reader)?;
    let stated = MarginReport {
        venue,
        asset,
        equity: amount(w[0], w[1]),
        available: amount(w[2], w[3]),
        initial: amount(w[4], w[5]),
        maintenance: amount(w[6], w[7]),
        event_ns: Nanos(w[10]),
    };
    Some(MarginRow { stated, available: amount(w[8], w[9]) })
}

/// The balance of `asset` at `venue`.
pub(super) fn balance(
    venue: VenueId,
    asset: AssetId,
    reader: &seqlock::Reader,
) -> Option<BalanceRow> {
    let w: [u64; BALANCE_WORDS] = written(reader)?;
    let (free, locked) = (amount(w[0], w[1]), amount(w[2], w[3]));
    let balance = AssetBalance { venue, asset, free, locked, event_ns: Nanos(w[6]) };
    Some(BalanceRow { balance, expected: amount(w[4], w[5]) })
}

/// Profit and loss in `quote`.
pub(super) fn pnl(quote: AssetId, reader: &seqlock::Reader) -> Option<PnlRow> {
    let w: [u64; PNL_WORDS] = written(reader)?;
    Some(PnlRow {
        quote,
        realised: amount(w[0], w[1]),
        unrealised: amount(w[2], w[3]),
        fees: amount(w[4], w[5]),
        funding: amount(w[6], w[7]),
        lost_today: amount(w[8], w[9]),
        drawdown: amount(w[10], w[11]),
        updated_ns: Nanos(w[12]),
    })
}

/// The counters; zeros before the first ones.
pub(super) fn counters(reader: &seqlock::Reader) -> OrderCounters {
    let Some(words) = written::<COUNTER_WORDS>(reader) else {
        return OrderCounters::default();
    };
    let (mut counts, mut refusals) = ([0; COUNTS], [0; REFUSAL_CODES]);
    counts.copy_from_slice(&words[..COUNTS]);
    refusals.copy_from_slice(&words[COUNTS + 2..VENUES_FROM]);
    let (rows, _) = words[VENUES_FROM..ENDED_FROM].as_chunks::<VENUE_WORDS>();
    let mut venues = [VenueOrders::default(); VENUES_COUNTED];
    venues.iter_mut().zip(rows).for_each(|(venue, row)| *venue = VenueOrders::from_words(*row));
    let mut ended = [None; STRATEGIES_MAX];
    let words_of_ends = &words[ENDED_FROM..];
    ended.iter_mut().zip(words_of_ends).for_each(|(end, word)| *end = ProcessEnd::from_word(*word));
    let state = u8::try_from(words[COUNTS]).ok().and_then(TradingState::from_u8);
    OrderCounters {
        // What nobody writes reads as the safe end.
        trading_state: state.unwrap_or(TradingState::Halted),
        loss_switch: u8::try_from(words[COUNTS + 1]).ok().and_then(LossSwitch::from_u8),
        refusals,
        venues,
        ended,
        ..OrderCounters::with_counts(counts)
    }
}
